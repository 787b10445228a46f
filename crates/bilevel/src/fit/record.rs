//! The answer of a fit: a model to predict with, and a record of how it came about.
//!
//! Both are plain data with `serde`: the command writes them as `model.json`, the report draws them, Python shows them.

use serde::{Deserialize, Serialize};

use crate::data::{Classes, FeatureNames, Task};
use crate::design::{Design, DesignMatrix};
use crate::outer::{Step, StopReason};
use crate::{Error, Result};

use super::FitSettings;

/// Version of the layout of [`Fit`] as JSON.
pub const SCHEMA_VERSION: u32 = 1;

/// A linear model in the units of the data: z = A·coef + intercept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Regression or classification.
    pub task: Task,
    /// p.
    pub n_features: usize,
    /// Names of the features.
    pub feature_names: FeatureNames,
    /// The two labels, for classification.
    pub classes: Option<Classes>,
    /// Features with nonzero coefficients, increasing, counted from 0.
    pub support: Vec<usize>,
    /// Their coefficients.
    pub coefficients: Vec<f64>,
    /// Intercept (0 if there is none).
    pub intercept: f64,
}

impl Model {
    /// The linear predictor z for each row of a design matrix: the predicted value, or the log-odds of the positive class.
    ///
    /// # Errors
    /// [`Error::InvalidData`] if the matrix lacks columns that the model uses, or a dense one has another number of columns.
    pub fn decision_function(&self, design: &Design) -> Result<Vec<f64>> {
        let p = design.n_columns();
        let fits = if design.is_sparse() {
            self.support.last().is_none_or(|&j| j < p.max(self.n_features))
        } else {
            p == self.n_features
        };
        if !fits || self.support.len() != self.coefficients.len() {
            return Err(Error::data(
                "features",
                p.to_string(),
                format!("{} features, as the model was fitted on", self.n_features),
            ));
        }
        let mut z = vec![self.intercept; design.n_rows()];
        for (&j, &c) in self.support.iter().zip(&self.coefficients).filter(|(j, _)| **j < p) {
            design.column_axpy(j, c, &mut z);
        }
        Ok(z)
    }
}

/// The criterion at the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CriterionRecord {
    /// `5-fold cross-validated log-loss`, `hold-out squared error`, … (squared errors are ½ means, as in the loss).
    pub name: String,
    /// Its value: what was optimized, hence optimistic.
    pub value: f64,
    /// Standard error of the value over the validation samples.
    pub standard_error: f64,
    /// How many splits were given in place of the settings' `split`; `None` if the rows were split as the settings say.
    #[serde(default)]
    pub given_splits: Option<usize>,
}

/// One point of the criterion as a function of one λ.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// λ.
    pub lambda: f64,
    /// Criterion.
    pub value: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Mean support size.
    pub support_size: f64,
}

/// One stage of the climb.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageRecord {
    /// `scalar`, `adaptive round 1`, `feature`, …
    pub name: String,
    /// Number of parameters learned in it.
    pub n_parameters: usize,
    /// Outer method.
    pub method: String,
    /// Best criterion of the stage.
    pub value: f64,
    /// The criterion of the best earlier stage, which this one had to improve on; `None` for the first.
    #[serde(default)]
    pub compared_with: Option<f64>,
    /// Standard error of the *difference* to the best earlier stage (paired over samples); 0 for the first.
    pub difference_standard_error: f64,
    /// Whether it is the answer: the climb kept it, and no later stage in its place.
    pub kept: bool,
    /// Outer steps.
    pub steps: usize,
    /// Evaluations of the objective.
    pub evaluations: usize,
    /// Why it ended.
    pub stop_reason: StopReason,
}

/// What is proven about θ being a minimum, as far as single parameters go: one-sided derivatives along ±e_i, exact at kinks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Verdict {
    /// No parameter, changed alone, lowers the criterion to first order (slopes down to rounding).
    Stationary,
    /// No parameter, changed alone, lowers the criterion faster than ε per e-fold, and ε is within the tolerance.
    Within {
        /// ε.
        epsilon: f64,
    },
    /// A parameter, changed alone, lowers the criterion: the steepest.
    Descends {
        /// Which one, counted from 0.
        parameter: usize,
        /// Its name.
        name: String,
        /// Whether it is to be raised.
        upwards: bool,
        /// Φ'(θ; ±e_i) < 0.
        slope: f64,
    },
    /// Neither is proven.
    Unknown {
        /// Why.
        reason: String,
    },
}

impl Verdict {
    /// Whether stationarity is proven, within the tolerance.
    pub fn is_stationary(&self) -> bool {
        matches!(self, Self::Stationary | Self::Within { .. })
    }
}

/// What is proven about the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CertificateRecord {
    /// ‖R^γ‖, the forward–backward residual of the final fit, relative to λ_max (0 at the exact minimizer).
    #[serde(with = "crate::serde_float")]
    pub residual: f64,
    /// Relative duality gap of the final fit: its objective is within this, times the objective at zero, of the smallest possible.
    #[serde(with = "crate::serde_float")]
    pub relative_gap: f64,
    /// Norm of the projected hypergradient at the answer: without the entries that would leave the box.
    #[serde(with = "crate::serde_float")]
    pub hypergradient_norm: f64,
    /// Bound on the error of the hypergradient from inexact solves; +∞ where it is unknown.
    #[serde(with = "crate::serde_float")]
    pub hypergradient_error_bound: f64,
    /// Features (or groups) on a kink, over all folds.
    pub biactive: usize,
    /// For one parameter: dΦ/dθ a hundred-thousandth below and above the answer. At a kink they differ in sign, and the slope *at* it says nothing.
    pub one_sided_slopes: Option<(f64, f64)>,
    /// What the one-sided derivatives prove.
    pub verdict: Verdict,
    /// Whether the verdict is stationarity, within the tolerance.
    pub stationary: bool,
    /// The tolerance that `stationary` was judged by.
    pub stationarity_tolerance: f64,
    /// The searched interval of λ, where λ was searched globally.
    pub lambda_range: Option<(f64, f64)>,
    /// What is proven about every λ in it, where one λ is the answer.
    #[serde(default)]
    pub certified: Option<RangeRecord>,
    /// Number of parameters that rest on an edge of the values they may take.
    #[serde(default)]
    pub n_at_edges: usize,
    /// The first [`EdgeRecord::NAMED`] of them.
    #[serde(default)]
    pub at_edges: Vec<EdgeRecord>,
}

/// What is proven about all λ in a range: none has a criterion of less than the answer's minus ε.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RangeRecord {
    /// Smallest and largest λ. Above the latter the criterion is constant: all coefficients are zero.
    pub range: (f64, f64),
    /// ε, in the criterion's units.
    pub epsilon: f64,
    /// The same as a part of the criterion.
    pub relative: f64,
    /// The part that was asked for.
    pub requested: f64,
    /// Whether ε is within it.
    pub complete: bool,
    /// Segments that the range was divided into.
    pub n_segments: usize,
    /// Extra solutions of the lower level at one λ, of all splits, on all features.
    pub n_extra_solves: usize,
    /// Extra solutions of single splits, on the few features that matter between two λ.
    pub n_reduced_solves: usize,
}

/// A parameter on an edge of the values it may take: beyond it nothing was searched, so there the answer is the best of what was allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeRecord {
    /// Its name.
    pub parameter: String,
    /// Whether it is the upper edge.
    pub largest: bool,
}

impl EdgeRecord {
    /// So many are named.
    pub const NAMED: usize = 5;
}

impl std::fmt::Display for EdgeRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let edge = if self.largest { "largest" } else { "smallest" };
        write!(f, "{} at the {edge} value allowed", self.parameter)
    }
}

impl CertificateRecord {
    /// The one-sided slopes, where they show that the answer is a minimum at a kink: stationary, though a slope on one side is not small.
    pub fn kink(&self) -> Option<(f64, f64)> {
        let tolerance = self.stationarity_tolerance;
        let steep = |(left, right): &(f64, f64)| *left < -tolerance || *right > tolerance;
        self.one_sided_slopes.filter(|slopes| self.stationary && steep(slopes))
    }
}

/// The final fit on all rows that are not kept for the test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LowerLevelRecord {
    /// Objective (mean loss plus penalty).
    pub objective: f64,
    /// Absolute duality gap.
    #[serde(with = "crate::serde_float")]
    pub duality_gap: f64,
    /// Iterations of the solver.
    pub iterations: usize,
}

/// How the outer search went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OuterRecord {
    /// Method of the stage that was kept.
    pub method: String,
    /// Outer steps over all stages.
    pub steps: usize,
    /// Evaluations of the objective over all stages.
    pub evaluations: usize,
    /// Why the stage that was kept ended.
    pub stop_reason: StopReason,
}

/// Wall-clock seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct SecondsRecord {
    /// Reading the data (filled by the caller that read them).
    pub load: f64,
    /// The outer search.
    pub search: f64,
    /// All that comes after the search: the final fit, scores, the certificate.
    pub final_fit: f64,
    /// The final fit alone: one lower-level solve on all rows, from nothing, or under a ridge penalty from the mean of at least three splits' coefficients. 0 in
    /// records of versions that did not measure it.
    #[serde(default)]
    pub single_fit: f64,
    /// All of it.
    pub total: f64,
}

impl SecondsRecord {
    /// What tuning costs: the search in units of the one fit that it chose; `None` where that was too quick to be measured.
    pub fn tuning_multiple(&self) -> Option<f64> {
        (self.single_fit > 0.0).then(|| self.search / self.single_fit)
    }
}

/// Quality on rows that the search never saw. Fields that do not apply to the task are `None`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ScoreRecord {
    /// Samples scored.
    pub n_samples: usize,
    /// Mean loss: ½ squared error, or log-loss.
    pub loss: f64,
    /// Mean loss of the best constant (mean of the training target, or class frequencies).
    pub baseline_loss: f64,
    /// Mean squared error.
    pub mean_squared_error: Option<f64>,
    /// 1 − residual variance / variance.
    pub r2: Option<f64>,
    /// Fraction predicted correctly.
    pub accuracy: Option<f64>,
    /// Fraction of the larger class.
    pub baseline_accuracy: Option<f64>,
    /// F1 of the positive class.
    pub f1: Option<f64>,
    /// Area under the ROC curve.
    pub auc: Option<f64>,
}

/// Which rows a prediction was made on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PredictionOrigin {
    /// Validation rows, each predicted by the fold that did not train on it.
    Validation,
    /// The test set.
    Test,
}

/// Predictions against truth, for plots.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Predictions {
    /// Which rows.
    pub origin: PredictionOrigin,
    /// Truth: real value, or −1/+1.
    pub truth: Vec<f64>,
    /// Linear predictor: predicted value, or log-odds.
    pub predicted: Vec<f64>,
}

/// The data, in numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataRecord {
    /// A name for people (file name, `diabetes`).
    pub name: String,
    /// Rows used for training and validation.
    pub n_samples: usize,
    /// p.
    pub n_features: usize,
    /// Stored entries of the matrix.
    pub n_stored: usize,
    /// Whether it is sparse.
    pub sparse: bool,
    /// Rows of the test set.
    pub n_test: usize,
    /// Whether the samples had weights of their own.
    #[serde(default)]
    pub weighted: bool,
    /// 16 hexadecimal digits, FNV-1a of matrix and target, and of sample weights and splits where they were given.
    pub fingerprint: String,
}

/// The learned weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WeightsRecord {
    /// `scalar`, `adaptive`, `group` or `feature`: what the climb ended with.
    pub kind: super::WeightsKind,
    /// λ, when there is one for all.
    pub lambda: Option<f64>,
    /// The smallest λ at which all coefficients are zero, on the rows of the final fit. A ridge penalty leaves none at zero: there it is the largest
    /// eigenvalue of the loss's Hessian in the model without features, next to which a λ is small or large.
    pub lambda_max: f64,
    /// Ridge parameter α.
    pub ridge: f64,
    /// θ of the kept parametrization when it has at most 1,000 parameters, else empty.
    pub theta: Vec<f64>,
}

/// The record of a fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FitRecord {
    /// [`SCHEMA_VERSION`].
    pub schema: u32,
    /// Version of bilevel.
    pub version: String,
    /// The data.
    pub data: DataRecord,
    /// The settings.
    pub settings: FitSettings,
    /// Loss that `auto` resolved to: `squared` or `logistic`, unless it was given.
    pub loss: super::LossKind,
    /// δ of the pseudo-Huber loss, where it is the loss.
    #[serde(default)]
    pub delta: Option<f64>,
    /// The criterion.
    pub criterion: CriterionRecord,
    /// The criterion over one λ, increasing in λ.
    pub curve: Vec<CurvePoint>,
    /// What was learned.
    pub weights: WeightsRecord,
    /// The stages of the climb.
    pub stages: Vec<StageRecord>,
    /// Every outer step of every stage.
    pub trace: Vec<Step>,
    /// What is proven.
    pub certificate: CertificateRecord,
    /// The final fit.
    pub lower_level: LowerLevelRecord,
    /// The search.
    pub outer: OuterRecord,
    /// Times.
    pub seconds: SecondsRecord,
    /// Score on the test set, where there is one.
    pub test: Option<ScoreRecord>,
}

/// The answer of a fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// The model.
    pub model: Model,
    /// How it came about.
    pub record: FitRecord,
    /// λ_j for each feature in the units of the data (under a group penalty: of its group); +∞ where a feature is excluded.
    #[serde(skip)]
    pub feature_weights: Vec<f64>,
    /// Predictions on rows that the model behind them did not train on.
    #[serde(skip)]
    pub predictions: Option<Predictions>,
}
