//! What a fit needs to know about a kind of model: how its problems are made, how far λ is worth searching, how near to optimal a solution is.
//!
//! The climb, the certificate and the gradient check speak to [`Family`] only. A new lower level is one implementation of it, and one line in
//! [`with_family`].

use crate::Result;
use crate::criterion::{Criterion, ValidationLoss};
use crate::design::{Design, DesignMatrix, ScaledDesign};
use crate::loss::{Logistic, Loss, Squared};
use crate::lower::{Hyperparameters, LowerLevel, Solution, SparseGlm};
use crate::penalty::{Blocks, GroupL1, L1, Penalty};

use super::prepare::{self, Prepared};
use super::{FitInput, LossKind, PenaltyKind};

/// Lower levels and criteria on the rows of one data set, all but their sample weights.
pub(super) trait Family<'a>: Sync {
    /// The lower level.
    type Lower: LowerLevel + Send;
    /// The criterion.
    type Criterion: Criterion + Send;

    /// Rows, columns and splits.
    fn prepared(&self) -> &'a Prepared<'a>;
    /// The blocks of coefficients that share a weight.
    fn blocks(&self) -> &Blocks;
    /// The size of a block's coefficients, for adaptive weights.
    fn block_size(&self, coefficients: &[f64]) -> f64;
    /// The problem on rows of these weights.
    fn problem(&'a self, sample_weights: &'a [f64]) -> Result<Self::Lower>;
    /// The criterion on rows of these weights.
    fn criterion(&'a self, weights: &'a [f64]) -> Self::Criterion;
    /// The scale of λ, for weights that are multiples of `factors`: what [`super::WeightsRecord::lambda_max`] says; 0 if no λ makes a difference.
    fn lambda_scale(&self, problem: &Self::Lower, factors: &[f64]) -> f64;
    /// The smallest and the largest λ worth looking at, relative to that scale.
    fn relative_range(&self) -> (f64, f64);
    /// How far a solution is from optimality, relative to the scale of its conditions; 0 exactly at the minimizer.
    fn residual(&self, problem: &Self::Lower, at: &Hyperparameters, solution: &Solution) -> f64;
    /// λ in the units of the data, for a column that is multiplied by `factor` in the problem.
    fn weight_in_data_units(&self, lambda: f64, factor: f64) -> f64;
    /// Whether Φ has kinks.
    fn has_kinks(&self) -> bool;
}

/// Something to be done with the family that the settings ask for.
pub(super) trait WithFamily {
    type Output;
    /// `groups` numbers the groups of the blocks, where group weights can be learned.
    fn run<'a, F: Family<'a>>(self, family: &'a F, groups: Option<&[usize]>) -> Result<Self::Output>;
}

/// Chooses the family by loss and penalty.
pub(super) fn with_family<W: WithFamily>(
    input: &FitInput<'_>,
    prepared: &Prepared<'_>,
    work: W,
) -> Result<W::Output> {
    match prepared.loss {
        LossKind::Logistic => with_loss(input, prepared, Logistic, work),
        _ => with_loss(input, prepared, Squared, work),
    }
}

fn with_loss<L: Loss, W: WithFamily>(
    input: &FitInput<'_>,
    prepared: &Prepared<'_>,
    loss: L,
    work: W,
) -> Result<W::Output> {
    let p = prepared.data.n_features();
    let intercept = input.settings.intercept;
    match (input.settings.penalty, prepare::blocks_of_groups(input.groups, p)?) {
        (PenaltyKind::GroupL1, Some(blocks)) => {
            work.run(&Sparse { prepared, loss, penalty: &GroupL1::new(blocks), intercept }, None)
        }
        _ => work.run(&Sparse { prepared, loss, penalty: &L1::new(p), intercept }, input.groups),
    }
}

/// The sparse generalized linear models.
pub(super) struct Sparse<'a, L, P> {
    prepared: &'a Prepared<'a>,
    loss: L,
    penalty: &'a P,
    intercept: bool,
}

impl<'a, L: Loss, P: Penalty> Family<'a> for Sparse<'a, L, P> {
    type Lower = SparseGlm<'a, ScaledDesign<'a, Design>, L, P>;
    type Criterion = ValidationLoss<'a, L>;

    fn prepared(&self) -> &'a Prepared<'a> {
        self.prepared
    }
    fn blocks(&self) -> &Blocks {
        self.penalty.blocks()
    }
    fn block_size(&self, coefficients: &[f64]) -> f64 {
        self.penalty.value(coefficients)
    }
    fn problem(&'a self, sample_weights: &'a [f64]) -> Result<Self::Lower> {
        let Self { prepared, loss, penalty, intercept } = *self;
        SparseGlm::new(
            &prepared.design,
            prepared.data.target.values(),
            sample_weights,
            loss,
            penalty,
            intercept,
        )
    }
    fn criterion(&'a self, weights: &'a [f64]) -> Self::Criterion {
        ValidationLoss::new(self.loss, self.prepared.data.target.values(), weights)
    }
    fn lambda_scale(&self, problem: &Self::Lower, factors: &[f64]) -> f64 {
        problem.lambda_max(factors)
    }
    fn relative_range(&self) -> (f64, f64) {
        (if self.prepared.is_tall() { 1e-6 } else { 1e-4 }, 1.0)
    }

    /// ‖R^γ(y)‖ = ‖y − prox_{γλρ}(y − γ∇F(y))‖/γ with γ = 1/trace(∇²F) ≤ 1/Lip, relative to the dual norm of ∇F(0) (DESIGN §2.1).
    fn residual(&self, problem: &Self::Lower, at: &Hyperparameters, solution: &Solution) -> f64 {
        let p = problem.design.n_columns();
        let square = |j: usize| problem.design.column_weighted_square(j, problem.sample_weights);
        let squares: f64 = (0..p).map(square).sum();
        let lipschitz = (L::MAX_CURVATURE * squares + at.ridge).max(f64::MIN_POSITIVE);
        let blocks = self.penalty.blocks();
        let (mut y, mut moved) = (Vec::new(), Vec::new());
        let mut square = 0.0;
        for (g, &lambda) in at.lambda.iter().enumerate() {
            blocks.gather(g, &solution.coefficients, &mut y);
            blocks.gather(g, &solution.correlations, &mut moved);
            for (m, y) in moved.iter_mut().zip(&y) {
                *m = y - (*m + at.ridge * y) / lipschitz;
            }
            self.penalty.prox(&mut moved, lambda / lipschitz);
            square += moved.iter().zip(&y).map(|(m, y)| (m - y) * (m - y)).sum::<f64>();
        }
        let scale = problem.lambda_max(&vec![1.0; blocks.len()]).max(f64::MIN_POSITIVE);
        square.sqrt() * lipschitz / scale
    }

    /// λ_j|y_j| = (λ_j/s_j)|s_j y_j|.
    fn weight_in_data_units(&self, lambda: f64, factor: f64) -> f64 {
        lambda / factor
    }
    fn has_kinks(&self) -> bool {
        true
    }
}
