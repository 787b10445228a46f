//! One model on training rows, judged on validation rows: what the published methods descend on.

use bilevel::Result;
use bilevel::criterion::ValidationLoss;
use bilevel::data::{Dataset, Split};
use bilevel::design::Design;
use bilevel::loss::Loss;
use bilevel::lower::{Hyperparameters, SparseGlm};
use bilevel::objective::SplitObjective;
use bilevel::parametrization::{Parametrization, Ridge, Weights};
use bilevel::penalty::L1;

/// Φ with one log-weight for each feature.
pub(crate) type FeatureObjective<'a, L> = SplitObjective<SparseGlm<'a, Design, L, L1>, ValidationLoss<'a, L>>;

/// Rows that train and rows that judge, without intercept, and all that a lower level borrows.
pub(crate) struct HoldOut<'a, L> {
    data: &'a Dataset,
    split: Split,
    penalty: L1,
    loss: L,
    ridge: f64,
}

impl<'a, L: Loss + Copy> HoldOut<'a, L> {
    /// The first `n_train` rows train, all others judge; `ridge` is fixed.
    ///
    /// # Errors
    /// One of the parts is empty.
    pub(crate) fn new(data: &'a Dataset, n_train: usize, loss: L, ridge: f64) -> Result<Self> {
        let rows: Vec<usize> = (0..data.n_samples()).collect();
        let (train, validation) = rows.split_at(n_train.min(rows.len()));
        let split = Split::from_rows(rows.len(), train, validation)?;
        Ok(Self { data, split, penalty: L1::new(data.n_features()), loss, ridge })
    }

    /// The lower level.
    ///
    /// # Errors
    /// As [`SparseGlm::new`].
    pub(crate) fn lower(&self) -> Result<SparseGlm<'_, Design, L, L1>> {
        let targets = self.data.target.values();
        SparseGlm::new(&self.data.design, targets, &self.split.train, self.loss, &self.penalty, false)
    }

    /// What judges it.
    pub(crate) fn criterion(&self) -> ValidationLoss<'_, L> {
        ValidationLoss::new(self.loss, self.data.target.values(), &self.split.validation)
    }

    /// λ with the fixed ridge parameter.
    pub(crate) fn at(&self, lambda: Vec<f64>) -> Hyperparameters {
        Hyperparameters { lambda, ridge: self.ridge }
    }

    /// Φ over log-weights in the box [lower, upper].
    ///
    /// # Errors
    /// As [`SparseGlm::new`].
    pub(crate) fn objective(&self, (lower, upper): (f64, f64)) -> Result<FeatureObjective<'_, L>> {
        let factors = vec![1.0; self.data.n_features()];
        let weights = Weights::per_block(factors, Ridge::Fixed(self.ridge), lower, upper);
        let weights: Box<dyn Parametrization> = Box::new(weights);
        Ok(SplitObjective::new(vec![(self.lower()?, self.criterion())], weights))
    }
}
