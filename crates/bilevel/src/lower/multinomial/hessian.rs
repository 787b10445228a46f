//! The loss's Hessian on some coefficients, with the intercepts profiled out.

use crate::design::DesignMatrix;
use crate::solver::Cholesky;

use super::{MultinomialGlm, Point};

/// [∇²F]_SS − [∇²F]_Sc[∇²F]_cc⁻¹[∇²F]_cS, and what eliminates the intercepts from a right side.
pub(super) struct Profiled {
    /// Column major.
    pub(super) matrix: Vec<f64>,
    /// [∇²F]_cc⁻¹[∇²F]_cS: a column of K − 1 entries for each coefficient; empty without intercepts.
    eliminated: Vec<Vec<f64>>,
}

impl Profiled {
    /// b_S − [∇²F]_Sc[∇²F]_cc⁻¹b_c.
    pub(super) fn right_side(&self, own: &[f64], of_intercepts: &[f64]) -> Vec<f64> {
        if self.eliminated.is_empty() {
            return own.to_vec();
        }
        own.iter().zip(&self.eliminated).map(|(b, e)| b - crate::kernel::dot(e, of_intercepts)).collect()
    }
}

impl<D: DesignMatrix> MultinomialGlm<'_, D> {
    /// On the coefficients with these indices (below pK, increasing), with α on the diagonal.
    pub(super) fn profiled_hessian(&self, point: &Point, indices: &[usize], ridge: f64) -> Profiled {
        let (n, p) = (self.design.n_rows(), self.design.n_columns());
        let size = indices.len();
        let free = if self.intercept { self.n_classes - 1 } else { 0 };
        let mut matrix = vec![0.0; size * size];
        // [∇²F]_cS, a column for each coefficient.
        let mut coupling = vec![vec![0.0; free]; size];
        let mut weighted = vec![0.0; n];
        for m in 0..self.n_classes {
            let weights: Vec<Vec<f64>> =
                (0..self.n_classes).map(|k| self.class_weights(&point.probabilities, k, m)).collect();
            for (b, &second) in indices.iter().enumerate().filter(|(_, index)| **index / p == m) {
                for (k, weights) in weights.iter().enumerate() {
                    weighted.fill(0.0);
                    self.design.column_weighted_axpy(second % p, 1.0, weights, &mut weighted);
                    if k < free {
                        coupling[b][k] = weighted.iter().sum();
                    }
                    for (a, &first) in indices[..=b].iter().enumerate().filter(|(_, index)| **index / p == k)
                    {
                        let entry = self.design.column_dot(first % p, &weighted);
                        matrix[b * size + a] = entry;
                        matrix[a * size + b] = entry;
                    }
                }
            }
        }
        (0..size).for_each(|k| matrix[k * size + k] += ridge);
        let eliminated = self.eliminate(point, &coupling, &mut matrix);
        Profiled { matrix, eliminated }
    }

    fn eliminate(&self, point: &Point, coupling: &[Vec<f64>], matrix: &mut [f64]) -> Vec<Vec<f64>> {
        let free = self.n_classes - 1;
        let mut own = vec![0.0; free * free];
        for k in 0..free {
            for m in 0..free {
                own[k * free + m] = self.class_weights(&point.probabilities, k, m).iter().sum();
            }
        }
        let Some(factor) = Cholesky::new(free, &own).filter(|_| self.intercept) else { return Vec::new() };
        let eliminated: Vec<Vec<f64>> = coupling.iter().map(|column| factor.solve(column)).collect();
        let size = coupling.len();
        for (b, e) in eliminated.iter().enumerate() {
            for (a, column) in coupling.iter().enumerate() {
                matrix[b * size + a] -= crate::kernel::dot(column, e);
            }
        }
        eliminated
    }
}
