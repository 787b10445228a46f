//! One weight for all blocks, for each group of blocks, or for each block: λ_g = f_g·e^{θ_k(g)} with fixed factors f_g.

use crate::lower::{Adjoint, Hyperparameters};

use super::{Parametrization, Ridge};

/// Which entry of θ a block takes its weight from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Sharing {
    All,
    Groups { of_block: Vec<usize>, count: usize },
    Own,
}

/// λ_g = f_g·e^{θ_k(g)}.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    factors: Vec<f64>,
    sharing: Sharing,
    ridge: Ridge,
    lower: f64,
    upper: f64,
    names: Option<Vec<String>>,
}

impl Weights {
    /// One weight for all blocks: λ_g = f_g e^{θ₀}, with log-weight in [lower, upper].
    pub fn scalar(factors: Vec<f64>, ridge: Ridge, lower: f64, upper: f64) -> Self {
        Self { factors, sharing: Sharing::All, ridge, lower, upper, names: None }
    }

    /// One weight for each group of blocks; `of_block` numbers the groups from 0 without gaps.
    pub fn grouped(factors: Vec<f64>, of_block: Vec<usize>, ridge: Ridge, lower: f64, upper: f64) -> Self {
        let count = of_block.iter().max().map_or(0, |m| m + 1);
        Self { factors, sharing: Sharing::Groups { of_block, count }, ridge, lower, upper, names: None }
    }

    /// One weight for each block.
    pub fn per_block(factors: Vec<f64>, ridge: Ridge, lower: f64, upper: f64) -> Self {
        Self { factors, sharing: Sharing::Own, ridge, lower, upper, names: None }
    }

    /// Names for the entries of θ (without the ridge parameter).
    #[must_use]
    pub fn with_names(mut self, names: Vec<String>) -> Self {
        self.names = Some(names);
        self
    }

    fn n_weights(&self) -> usize {
        match &self.sharing {
            Sharing::All => 1,
            Sharing::Groups { count, .. } => *count,
            Sharing::Own => self.factors.len(),
        }
    }

    #[inline]
    fn index(&self, block: usize) -> usize {
        match &self.sharing {
            Sharing::All => 0,
            Sharing::Groups { of_block, .. } => of_block[block],
            Sharing::Own => block,
        }
    }
}

impl Parametrization for Weights {
    fn n_parameters(&self) -> usize {
        self.n_weights() + self.ridge.n_parameters()
    }

    fn hyperparameters(&self, theta: &[f64]) -> Hyperparameters {
        let lambda = self.factors.iter().enumerate().map(|(g, f)| f * theta[self.index(g)].exp()).collect();
        Hyperparameters { lambda, ridge: self.ridge.value(theta) }
    }

    fn pull_back(
        &self,
        _theta: &[f64],
        hyperparameters: &Hyperparameters,
        adjoint: &Adjoint,
        out: &mut [f64],
    ) {
        for &(g, slope) in &adjoint.lambda {
            out[self.index(g as usize)] += hyperparameters.lambda[g as usize] * slope;
        }
        self.ridge.pull_back(hyperparameters.ridge, adjoint, out);
    }

    fn column(
        &self,
        _theta: &[f64],
        hyperparameters: &Hyperparameters,
        k: usize,
        blocks: &[u32],
    ) -> (Vec<(u32, f64)>, f64) {
        let lambda = &hyperparameters.lambda;
        let entry = |&g: &u32| (g, lambda[g as usize]);
        let weights = match self.sharing {
            Sharing::Own => {
                let own = u32::try_from(k).ok().filter(|g| blocks.binary_search(g).is_ok());
                own.iter().map(entry).collect()
            }
            _ => blocks.iter().filter(|&&g| self.index(g as usize) == k).map(entry).collect(),
        };
        (weights, self.ridge.derivative(hyperparameters.ridge, k, self.n_weights()))
    }

    fn moving(&self, blocks: &[u32]) -> Vec<usize> {
        let mut moving: Vec<usize> = blocks.iter().map(|&g| self.index(g as usize)).collect();
        moving.extend(self.n_weights()..self.n_parameters());
        if self.ridge.moves() && !moving.contains(&0) {
            moving.push(0);
        }
        moving.sort_unstable();
        moving.dedup();
        moving
    }

    fn error_factor(&self, _theta: &[f64], hyperparameters: &Hyperparameters, adjoint: &Adjoint) -> f64 {
        // Columns of the Jacobian are orthogonal; the norm is that of the longest, for which the norm over all touched blocks is a bound.
        let touched = adjoint.lambda.iter().map(|&(g, _)| hyperparameters.lambda[g as usize]);
        let weights = match self.sharing {
            Sharing::Own => touched.fold(0.0, f64::max),
            _ => touched.map(|l| l * l).sum::<f64>().sqrt(),
        };
        if self.ridge.moves() { weights.hypot(hyperparameters.ridge) } else { weights }
    }

    fn bounds(&self) -> (Vec<f64>, Vec<f64>) {
        let count = self.n_weights();
        let (mut lower, mut upper) = (vec![self.lower; count], vec![self.upper; count]);
        self.ridge.push_bounds(&mut lower, &mut upper);
        (lower, upper)
    }

    fn is_line(&self) -> bool {
        self.sharing == Sharing::All && self.ridge.n_parameters() == 0
    }

    fn parameter_name(&self, k: usize) -> String {
        if k >= self.n_weights() {
            return "log ridge".to_string();
        }
        match &self.names {
            Some(names) if self.sharing != Sharing::All => {
                format!("log lambda[{}]", names.get(k).map_or("", String::as_str))
            }
            _ => "log lambda".to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_weight_gathers_the_slopes_of_its_blocks() {
        let weights = Weights::grouped(
            vec![1.0, 2.0, 1.0],
            vec![0, 1, 0],
            Ridge::Learned { lower: -9.0, upper: 9.0 },
            -9.0,
            9.0,
        );
        let theta = [0.0, 1.0_f64.ln(), 0.5_f64.ln()];
        let at = weights.hyperparameters(&theta);
        assert_eq!(at.lambda, [1.0, 2.0, 1.0]);
        let adjoint =
            Adjoint { lambda: vec![(0, 3.0), (1, 5.0), (2, 7.0)], ridge: 4.0, ..Adjoint::default() };
        let mut out = vec![0.0; 3];
        weights.pull_back(&theta, &at, &adjoint, &mut out);
        assert_eq!(out, [10.0, 10.0, 2.0]);
    }
}
