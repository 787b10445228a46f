//! Adaptive weights: log λ_g = θ₀ − θ₁·ℓ_g with ℓ_g = log(|β⁰_g| / max|β⁰|), from a first fit β⁰.
//!
//! θ₁ = 0 is one λ for all; θ₁ = 1 the adaptive lasso. Blocks that β⁰ leaves out get the weight of a block 1,000 times smaller than the largest:
//! finite, so that they can come back. Source: Zou, "The adaptive lasso and its oracle properties", JASA 101 (2006).

use std::sync::Arc;

use crate::lower::{Adjoint, Hyperparameters};

use super::{Parametrization, Ridge};

/// The largest exponent θ₁; beyond it weights differ by 10⁹ and the problem is a selection of features.
const LARGEST_EXPONENT: f64 = 3.0;
/// What β⁰ = 0 counts as, relative to the largest.
const FLOOR: f64 = 1e-3;

/// log λ_g = θ₀ − θ₁ ℓ_g + log f_g.
#[derive(Debug, Clone, PartialEq)]
pub struct Adaptive {
    /// Shared by the splits, which differ in their first fits only.
    factors: Arc<[f64]>,
    /// ℓ_g where it is above [`FLOOR`], increasing in g: the first fit is sparse, and so is what is kept of it.
    log_sizes: Vec<(u32, f64)>,
    ridge: Ridge,
    lower: f64,
    upper: f64,
}

impl Adaptive {
    /// `sizes` holds |β⁰_g| for each block; `lower` and `upper` bound θ₀, the log-weight of the largest block.
    pub fn new(factors: impl Into<Arc<[f64]>>, sizes: &[f64], ridge: Ridge, lower: f64, upper: f64) -> Self {
        let largest = sizes.iter().fold(0.0_f64, |m, s| m.max(*s)).max(f64::MIN_POSITIVE);
        let relative = (0_u32..).zip(sizes).map(|(g, s)| (g, s / largest));
        let log_sizes = relative.filter(|(_, s)| *s > FLOOR).map(|(g, s)| (g, s.ln())).collect();
        Self { factors: factors.into(), log_sizes, ridge, lower, upper }
    }
}

impl Adaptive {
    /// ℓ_g.
    fn log_size(&self, g: u32) -> f64 {
        let found = self.log_sizes.binary_search_by_key(&g, |entry| entry.0);
        found.map_or(FLOOR.ln(), |k| self.log_sizes[k].1)
    }
}

impl Parametrization for Adaptive {
    fn n_parameters(&self) -> usize {
        2 + self.ridge.n_parameters()
    }

    fn hyperparameters(&self, theta: &[f64]) -> Hyperparameters {
        let weight = |log_size: f64| (theta[0] - theta[1] * log_size).exp();
        let of_absent = weight(FLOOR.ln());
        let mut lambda: Vec<f64> = self.factors.iter().map(|f| f * of_absent).collect();
        for &(g, log_size) in &self.log_sizes {
            lambda[g as usize] = self.factors[g as usize] * weight(log_size);
        }
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
            let relative = hyperparameters.lambda[g as usize] * slope;
            out[0] += relative;
            out[1] -= relative * self.log_size(g);
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
        let of_block = |&g: &u32| {
            let relative = match k {
                0 => 1.0,
                1 => -self.log_size(g),
                _ => return None,
            };
            Some((g, relative * hyperparameters.lambda[g as usize]))
        };
        (blocks.iter().filter_map(of_block).collect(), self.ridge.derivative(hyperparameters.ridge, k, 2))
    }

    fn error_factor(&self, _theta: &[f64], hyperparameters: &Hyperparameters, adjoint: &Adjoint) -> f64 {
        let square = |&(g, _): &(u32, f64)| {
            let (l, s) = (hyperparameters.lambda[g as usize], self.log_size(g));
            l * l * (1.0 + s * s)
        };
        let weights = adjoint.lambda.iter().map(square).sum::<f64>().sqrt();
        if self.ridge.moves() { weights.hypot(hyperparameters.ridge) } else { weights }
    }

    fn bounds(&self) -> (Vec<f64>, Vec<f64>) {
        let (mut lower, mut upper) = (vec![self.lower, 0.0], vec![self.upper, LARGEST_EXPONENT]);
        self.ridge.push_bounds(&mut lower, &mut upper);
        (lower, upper)
    }

    fn parameter_name(&self, k: usize) -> String {
        ["log lambda of the largest coefficient", "adaptive exponent", "log ridge"]
            .get(k)
            .copied()
            .unwrap_or("")
            .to_string()
    }
}
