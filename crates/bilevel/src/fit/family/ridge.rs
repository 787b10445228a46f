//! The generalized linear models with quadratic penalty.

use crate::Result;
use crate::criterion::ValidationLoss;
use crate::data::Split;
use crate::design::{Design, ScaledDesign};
use crate::fit::prepare::Prepared;
use crate::fit::tall::Place;
use crate::loss::Loss;
use crate::lower::{Hyperparameters, RidgeGlm, Solution};
use crate::penalty::{Blocks, L1, Penalty};

use super::Family;
use super::sparse::Sparse;

/// From the rows, columns and loss of the model with ℓ1 penalty.
pub(super) struct Quadratic<'a, L> {
    pub(super) l1: Sparse<'a, L, L1>,
}

impl<'a, L: Loss> Family<'a> for Quadratic<'a, L> {
    type Lower = RidgeGlm<'a, ScaledDesign<'a, Design>, L>;
    type Criterion = ValidationLoss<'a, L>;

    fn prepared(&self) -> &'a Prepared<'a> {
        self.l1.prepared
    }
    fn blocks(&self) -> &Blocks {
        self.l1.penalty.blocks()
    }
    fn block_sizes(&self, solution: &Solution) -> Vec<f64> {
        self.l1.block_sizes(solution)
    }
    fn problem(&'a self, sample_weights: &'a [f64]) -> Result<Self::Lower> {
        Ok(RidgeGlm::new(self.l1.problem(sample_weights)?))
    }
    fn criterion(&'a self, split: &'a Split) -> Self::Criterion {
        self.l1.criterion(split)
    }
    fn part(&'a self, place: Place, split: &'a Split) -> Result<(Self::Lower, Self::Criterion)> {
        let (problem, criterion) = self.l1.part(place, split)?;
        Ok((RidgeGlm::new(problem), criterion))
    }
    /// Blocks are single coefficients, whose factors are 1.
    fn lambda_scale(&self, problem: &Self::Lower, _factors: &[f64]) -> f64 {
        problem.largest_curvature()
    }

    /// No λ makes coefficients zero. At 10⁵ times the largest curvature they are within 10⁻⁵ of it, and what Φ still changes with log λ is below what
    /// counts as a slope; at 10⁻⁸ the model is that without a penalty as far as the data can tell.
    fn relative_range(&self) -> (f64, f64) {
        (1e-8, 1e5)
    }
    fn residual(&self, problem: &Self::Lower, at: &Hyperparameters, solution: &Solution) -> f64 {
        problem.relative_gradient(at, solution)
    }
    /// ½λ_j y_j² = ½(λ_j/s_j²)(s_j y_j)².
    fn weight_in_data_units(&self, lambda: f64, factor: f64) -> f64 {
        lambda / (factor * factor)
    }
    fn has_kinks(&self) -> bool {
        false
    }
}
