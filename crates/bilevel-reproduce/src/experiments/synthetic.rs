//! What the tables of regression and classification have in common: sizes, methods, means over seeds.

use bilevel::Result;
use bilevel::data::synthetic::{Shape, Synthetic};
use bilevel::data::{Dataset, SplitSettings};
use bilevel::fit::{FitSettings, PenaltyKind, WeightsKind};
use bilevel::hypergradient::BiactivePolicy;
use bilevel::loss::Loss;

use crate::hold_out::HoldOut;
use crate::methods::{Found, ntrba};
use crate::run::Run;
use crate::sets::Parts;

/// The ridge parameter of all models.
pub(super) const RIDGE: f64 = 1e-3;
/// The band in which coordinates count as biactive, as published for synthetic data.
pub(super) const BAND: f64 = 0.1;

/// One row of a published table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// Rows of each of the three sets.
    pub(super) n: usize,
    pub(super) m: usize,
    pub(super) n_informative: usize,
}

impl Row {
    pub(super) fn name(self, seed: u64) -> String {
        format!("{} × {}, {} informative, seed {seed}", self.n, self.m, self.n_informative)
    }

    fn shape(self) -> Shape {
        Shape { n_samples: 3 * self.n, n_features: self.m, n_informative: self.n_informative }
    }
}

/// What is compared.
pub(super) struct Comparison {
    pub(super) scalar: Found,
    pub(super) ntrba: Found,
    pub(super) auto: Found,
}

impl Comparison {
    pub(super) fn each(&self) -> [&Found; 3] {
        [&self.scalar, &self.ntrba, &self.auto]
    }
}

/// Settings of `fit` that all synthetic experiments share.
pub(super) fn settings(weights: WeightsKind, ridge: f64, split: SplitSettings) -> FitSettings {
    FitSettings {
        weights,
        penalty: PenaltyKind::ElasticNet,
        l2: Some(ridge),
        intercept: false,
        split,
        ..FitSettings::default()
    }
}

/// One row with one seed: the score of each method, and whatever `more` makes of the data.
pub(super) fn compare<L: Loss + Copy, R>(
    run: &Run<'_>,
    row: Row,
    generate: impl FnOnce(Shape) -> Result<Synthetic>,
    loss: L,
    judge: impl FnOnce(&Comparison, &Parts, &Synthetic) -> Result<R>,
) -> Result<R> {
    let synthetic = generate(row.shape())?;
    let parts = Parts::in_order(&synthetic.data, row.n, row.n)?;
    let validation = SplitSettings::Validation(parts.n_validation());
    let (scalar, fit) = run.fit(&parts.development, &settings(WeightsKind::Scalar, RIDGE, validation))?;
    let start = fit.record.weights.lambda.unwrap_or(fit.record.weights.lambda_max);
    let comparison = Comparison {
        scalar,
        ntrba: from_scalar(run, &parts.development, row.n, loss, start)?,
        auto: run.fit(&parts.development, &settings(WeightsKind::Auto, RIDGE, SplitSettings::Folds(5)))?.0,
    };
    judge(&comparison, &parts, &synthetic)
}

/// NTRBA on one weight for each feature, from one λ for all.
fn from_scalar<L: Loss + Copy>(
    run: &Run<'_>,
    data: &Dataset,
    n_train: usize,
    loss: L,
    lambda: f64,
) -> Result<Found> {
    let hold_out = HoldOut::new(data, n_train, loss, RIDGE)?;
    let largest = hold_out.lower()?.lambda_max(&vec![1.0; data.n_features()]).ln();
    let mut objective = hold_out.objective((largest - 14.0, largest + 3.0))?;
    let start = vec![lambda.ln(); data.n_features()];
    run.descend(&ntrba(BiactivePolicy::SelfConsistent, BAND), &mut objective, &start, |_| ())
}

/// How the methods are called in the settings of a report.
pub(super) fn method_settings() -> Vec<(&'static str, String)> {
    vec![
        ("ridge", format!("{RIDGE} in all models; no intercept")),
        (
            "scalar",
            "the best λ on the validation rows (global search), trained on the training rows".to_string(),
        ),
        (
            "NTRBA",
            format!(
                "one weight for each feature, from the best λ, judged by the validation rows; self-consistent, band {BAND}, published settings"
            ),
        ),
        (
            "auto",
            "`bilevel fit --weights auto` with 5 folds on the training and validation rows together"
                .to_string(),
        ),
    ]
}
