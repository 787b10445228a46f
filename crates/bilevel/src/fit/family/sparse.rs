//! The sparse generalized linear models.

use crate::Result;
use crate::criterion::ValidationLoss;
use crate::data::Split;
use crate::design::{Design, DesignMatrix, ScaledDesign};
use crate::fit::prepare::Prepared;
use crate::fit::tall::{Place, TallDesigns, TallRows};
use crate::loss::Loss;
use crate::lower::{Hyperparameters, Solution, SparseGlm};
use crate::penalty::{Blocks, Penalty};

use super::Family;

/// Rows, columns, loss and penalty.
pub(super) struct Sparse<'a, L, P> {
    pub(super) prepared: &'a Prepared<'a>,
    /// The splits on fewer rows, where there are any.
    pub(super) tall: Option<&'a TallDesigns<'a>>,
    pub(super) loss: L,
    pub(super) penalty: &'a P,
    pub(super) intercept: bool,
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
    /// ρ(y_g)/√|g|.
    fn block_sizes(&self, solution: &Solution) -> Vec<f64> {
        let blocks = self.penalty.blocks();
        let mut block = Vec::new();
        let mut size = |g: usize| {
            blocks.gather(g, &solution.coefficients, &mut block);
            self.penalty.value(&block) / (block.len() as f64).sqrt()
        };
        (0..blocks.len()).map(&mut size).collect()
    }
    fn problem(&'a self, sample_weights: &'a [f64]) -> Result<Self::Lower> {
        let Self { prepared, loss, penalty, intercept, .. } = *self;
        SparseGlm::new(
            &prepared.design,
            prepared.data.target.values(),
            sample_weights,
            loss,
            penalty,
            intercept,
        )
    }
    fn criterion(&'a self, split: &'a Split) -> Self::Criterion {
        ValidationLoss::of_split(self.loss, self.prepared.data.target.values(), split)
    }
    fn part(&'a self, place: Place, split: &'a Split) -> Result<(Self::Lower, Self::Criterion)> {
        let Self { loss, penalty, intercept, .. } = *self;
        let Some(tall) = self.tall else { return Ok((self.problem(&split.train)?, self.criterion(split))) };
        let TallRows { design, targets, train, validation, numbers } = tall.rows(place);
        let problem = SparseGlm::new(design, targets, train, loss, penalty, intercept)?;
        let unit = split.validation_unit;
        Ok((problem, ValidationLoss::of_copies(loss, targets, validation, unit, numbers)))
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
