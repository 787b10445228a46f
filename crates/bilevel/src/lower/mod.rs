//! Lower-level problems: what is trained for given hyperparameters, and the transpose of the solution's Jacobian.

mod correlations;
mod curvature;
mod dual;
mod gram_cache;
mod multinomial;
mod path;
mod profiled;
mod ridge;
mod row_gram;
mod row_major;
mod sample_weights;
mod smoothed;
mod sparse_glm;
mod system;
mod working_set;

use crate::Result;
use crate::hypergradient::{BiactivePolicy, CriticalCone, QuadraticCriterion, Selection};
use crate::outer::Accuracy;

pub use curvature::Curvature;
pub(crate) use curvature::variance;
pub(crate) use gram_cache::{ColumnScatter, capacity};
pub use multinomial::MultinomialGlm;
pub use path::{PathPoint, PathSegment, SegmentPoint};
pub use ridge::RidgeGlm;
pub(crate) use row_major::RowMajor;
pub(crate) use sample_weights::SampleWeighted;
pub use sample_weights::{SampleAdjoint, WeightedGlm, WeightedMultinomial};
pub use smoothed::SmoothedGlm;
pub use sparse_glm::{NullModel, SparseGlm};

/// Hyperparameters of a penalized model: one weight for each block of the penalty, and the ridge parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Hyperparameters {
    /// λ_g ≥ 0 for each block; 0 leaves a block unpenalized, +∞ excludes it.
    pub lambda: Vec<f64>,
    /// α ≥ 0.
    pub ridge: f64,
}

/// A lower-level solution, with what is known about its accuracy and what the next solve can start from.
#[derive(Debug, Clone, PartialEq)]
pub struct Solution {
    /// y (length p).
    pub coefficients: Vec<f64>,
    /// c.
    pub intercept: f64,
    /// z = A y + c for *all* rows, also those of training weight 0 (length n).
    pub predictor: Vec<f64>,
    /// Aᵀ(s∘f') at z: the loss gradient without its ridge part (length p).
    pub correlations: Vec<f64>,
    /// Objective: mean loss, ridge and penalty.
    pub objective: f64,
    /// Duality gap: the objective is at most this far above the minimum.
    pub gap: f64,
    /// The gap relative to the objective of the model with no features.
    pub relative_gap: f64,
    /// Working sets solved.
    pub iterations: usize,
}

impl Solution {
    /// Indices of the nonzero coefficients, increasing.
    pub fn support(&self) -> Vec<usize> {
        (0..self.coefficients.len()).filter(|&j| self.coefficients[j] != 0.0).collect()
    }

    /// The gap, and what rounding may hide of it: it is a difference of numbers of the objective's size, and below their rounding it says nothing.
    pub(crate) fn gap_with_rounding(&self) -> f64 {
        self.gap.max(0.0) + 8.0 * f64::EPSILON * self.objective.abs()
    }
}

/// (∂y*/∂λ)ᵀ∇_yL, sparse: only blocks on the support or on a selected kink have an entry.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Adjoint {
    /// (block, ∂Φ/∂λ_block), increasing in the block.
    pub lambda: Vec<(u32, f64)>,
    /// ∂Φ/∂α.
    pub ridge: f64,
    /// Residual of the adjoint system relative to its right-hand side.
    pub residual: f64,
    /// Bound on the Euclidean error of (lambda, ridge) from the inexact lower level and the inexact adjoint (DESIGN §2.4), provided that
    /// the support is the minimizer's.
    pub error_bound: f64,
    /// Number of biactive blocks.
    pub biactive: usize,
    /// The adjoint vector on the reduced coordinates, for warm starts.
    pub warm_start: Vec<(u32, f64)>,
}

/// y*(λ), and the transpose of its Jacobian: all that the upper level needs from a model.
///
/// The criterion reaches the coefficients through the linear predictor z only, so the upper gradient is given in predictor space: ω = ∂L/∂z,
/// from which ∇_yL = Aᵀω and ∂L/∂c = Σω are formed where they are needed.
pub trait LowerLevel: Sync {
    /// Number of coefficients.
    fn n_coefficients(&self) -> usize;

    /// Number of λ's (blocks of the penalty), without the ridge parameter.
    fn n_weights(&self) -> usize;

    /// Solves the lower level to the asked relative duality gap, from `start` where there is one.
    ///
    /// # Errors
    /// [`crate::Error::LowerLevel`] if the solver ends far from the asked accuracy.
    fn solve(
        &self,
        hyperparameters: &Hyperparameters,
        start: Option<Solution>,
        accuracy: Accuracy,
    ) -> Result<Solution>;

    /// A point to start from, made of coefficients (length p) and intercept: what an interrupted search needs to go on where it was.
    fn start_from(&self, coefficients: Vec<f64>, intercept: f64) -> Solution;

    /// Whether the solution may have kinks in the hyperparameters. One without takes nothing of a start but its coefficients and intercept.
    fn has_kinks(&self) -> bool {
        true
    }

    /// Number of coefficients that are not zero.
    fn support_size(&self, solution: &Solution) -> usize {
        solution.coefficients.iter().filter(|y| **y != 0.0).count()
    }

    /// Empties caches that outlive a solve, so that the next solve depends on its start alone.
    fn forget(&self) {}

    /// (∂y*/∂λ)ᵀ Aᵀω at a solution, with the error bound of the solves.
    ///
    /// # Errors
    /// [`crate::Error::AdjointSolve`] if the reduced Hessian cannot be solved with.
    fn adjoint(
        &self,
        hyperparameters: &Hyperparameters,
        solution: &Solution,
        upper: &UpperGradient<'_>,
        selection: Selection,
        accuracy: Accuracy,
    ) -> Result<Adjoint>;

    /// The Gauss–Newton model of a criterion in (λ, α), for a criterion with slopes `upper.predictor` and second derivatives `upper_hessian` in the
    /// predictor (each of length n); `None` where the problem has none that is small enough to be held.
    ///
    /// # Errors
    /// [`crate::Error::InvalidData`] for hyperparameters or vectors that do not belong to the problem.
    fn gauss_newton(
        &self,
        _hyperparameters: &Hyperparameters,
        _solution: &Solution,
        _upper: &UpperGradient<'_>,
        _upper_hessian: &[f64],
        _selection: Selection,
    ) -> Result<Option<QuadraticCriterion>> {
        Ok(None)
    }

    /// The problem between two solutions at hyperparameters a and b: all (1−t)a + tb, 0 ≤ t ≤ 1. `None` where nothing can be proven about it.
    fn segment<'s>(&'s self, _from: PathPoint<'_>, _to: PathPoint<'_>) -> Option<Box<dyn PathSegment + 's>> {
        None
    }

    /// All one-sided derivatives of a criterion with slopes ω = `upper.predictor`: exact also at a kink, where the hypergradient is one of many
    /// and says little (DESIGN §2.1). A problem whose solution is differentiable in its hyperparameters need not implement it.
    ///
    /// ```
    /// use bilevel::design::DenseMatrix;
    /// use bilevel::hypergradient::Direction;
    /// use bilevel::loss::Squared;
    /// use bilevel::lower::{Hyperparameters, LowerLevel, SparseGlm, UpperGradient};
    /// use bilevel::outer::Accuracy;
    /// use bilevel::penalty::L1;
    ///
    /// // y* = max(3 − λ, 0). At λ = 3 it is zero and on a kink: a smaller λ frees it, a larger one does nothing.
    /// let design = DenseMatrix::new(1, 1, vec![1.0])?;
    /// let penalty = L1::new(1);
    /// let problem = SparseGlm::new(&design, &[3.0], &[1.0], Squared, &penalty, false)?;
    /// let at = Hyperparameters { lambda: vec![3.0], ridge: 0.0 };
    /// let solution = problem.solve(&at, None, Accuracy::TIGHT)?;
    /// let upper = UpperGradient { predictor: &[-1.0], curvature: &[1.0], warm_start: &[] };
    /// let cone = problem.critical_cone(&at, &solution, &upper)?;
    /// let slope = |change: f64| cone.slope(Direction { lambda: &[(0, change)], ridge: 0.0 }).map(|found| found.slope);
    /// assert_eq!((slope(-1.0)?, slope(1.0)?), (-1.0, 0.0));
    /// # Ok::<(), bilevel::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`crate::Error::AdjointSolve`] where the solution is not unique (linearly dependent columns in the support), or more blocks are on a kink than
    /// can be told apart in reasonable time (128); [`crate::Error::InvalidData`] for hyperparameters or vectors that do not belong to the problem.
    fn critical_cone(
        &self,
        hyperparameters: &Hyperparameters,
        solution: &Solution,
        upper: &UpperGradient<'_>,
    ) -> Result<CriticalCone> {
        let selection = Selection::from(BiactivePolicy::Null);
        let adjoint = self.adjoint(hyperparameters, solution, upper, selection, Accuracy::TIGHT)?;
        Ok(CriticalCone::smooth(adjoint, self.n_weights()))
    }
}

/// The criterion's gradient in predictor space.
#[derive(Debug, Clone, Copy)]
pub struct UpperGradient<'a> {
    /// ω_i = ∂L/∂z_i (length n).
    pub predictor: &'a [f64],
    /// Bounds on |∂²L/∂z_i²| (length n): how much ω moves with z, for error bounds.
    pub curvature: &'a [f64],
    /// Adjoint of a nearby problem to start iterative solves from.
    pub warm_start: &'a [(u32, f64)],
}
