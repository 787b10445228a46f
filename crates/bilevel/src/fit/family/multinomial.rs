//! Multinomial logistic regression with ℓ1 penalty or elastic net: a column of coefficients for each class, one weight for each feature.

use crate::criterion::MultinomialLoss;
use crate::data::{Split, Target};
use crate::design::{Design, ScaledDesign};
use crate::fit::prepare::Prepared;
use crate::fit::{FitSettings, LossKind, PenaltyKind};
use crate::lower::{Hyperparameters, MultinomialGlm, Solution};
use crate::penalty::{Blocks, L1, Penalty};
use crate::{Error, Result};

use super::Family;

/// Rows, columns and classes.
pub(in crate::fit) struct Multinomial<'a> {
    prepared: &'a Prepared<'a>,
    classes: Vec<u32>,
    n_classes: usize,
    /// One block for each feature, which stands for its coefficients of all classes.
    penalty: L1,
    intercept: bool,
}

impl<'a> Multinomial<'a> {
    pub(in crate::fit) fn new(prepared: &'a Prepared<'a>, settings: &FitSettings) -> Result<Self> {
        let Target::Multiple { numbers, labels } = &prepared.data.target else {
            return Err(Error::data("target", "no numbered classes", "`Target::Multiple`"));
        };
        if !matches!(settings.penalty, PenaltyKind::L1 | PenaltyKind::ElasticNet) {
            let expected = "l1 or elastic-net, for multinomial classes";
            return Err(Error::setting("penalty", format!("{:?}", settings.penalty), expected));
        }
        if prepared.loss != LossKind::Logistic {
            return Err(Error::setting("loss", "another", "logistic, for multinomial classes"));
        }
        Ok(Self {
            prepared,
            classes: numbers.iter().map(|&number| number as u32).collect(),
            n_classes: labels.len(),
            penalty: L1::new(prepared.data.n_features()),
            intercept: settings.intercept,
        })
    }

    pub(in crate::fit) fn n_classes(&self) -> usize {
        self.n_classes
    }
}

impl<'a> Family<'a> for Multinomial<'a> {
    type Lower = MultinomialGlm<'a, ScaledDesign<'a, Design>>;
    type Criterion = MultinomialLoss<'a>;

    fn prepared(&self) -> &'a Prepared<'a> {
        self.prepared
    }
    fn blocks(&self) -> &Blocks {
        self.penalty.blocks()
    }
    /// The mean over the classes of |y_jk|.
    fn block_sizes(&self, solution: &Solution) -> Vec<f64> {
        let p = self.prepared.data.n_features();
        let of_feature = |j: usize| (0..self.n_classes).map(move |k| solution.coefficients[k * p + j].abs());
        (0..p).map(|j| of_feature(j).sum::<f64>() / self.n_classes as f64).collect()
    }
    fn problem(&'a self, sample_weights: &'a [f64]) -> Result<Self::Lower> {
        MultinomialGlm::new(
            &self.prepared.design,
            &self.classes,
            self.n_classes,
            sample_weights,
            self.intercept,
        )
    }
    fn criterion(&'a self, split: &'a Split) -> Self::Criterion {
        MultinomialLoss::of_split(&self.classes, self.n_classes, split)
    }
    fn lambda_scale(&self, problem: &Self::Lower, factors: &[f64]) -> f64 {
        problem.lambda_max(factors)
    }
    fn relative_range(&self) -> (f64, f64) {
        (if self.prepared.is_tall() { 1e-6 } else { 1e-4 }, 1.0)
    }
    fn residual(&self, problem: &Self::Lower, at: &Hyperparameters, solution: &Solution) -> f64 {
        problem.relative_residual(at, solution)
    }
    fn weight_in_data_units(&self, lambda: f64, factor: f64) -> f64 {
        lambda / factor
    }
    fn has_kinks(&self) -> bool {
        true
    }
}
