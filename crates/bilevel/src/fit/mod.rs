//! The one entry point: data and settings in, a fitted model with its certificate out.

mod observer;
mod record;
mod settings;

pub use observer::{JournalEntry, Observer, Silent};
pub use record::{
    CertificateRecord, CriterionRecord, CurvePoint, DataRecord, Fit, FitRecord, LowerLevelRecord, Model,
    OuterRecord, PredictionOrigin, Predictions, SCHEMA_VERSION, ScoreRecord, SecondsRecord, StageRecord,
    WeightsRecord,
};
pub use settings::{FitSettings, LossKind, OuterKind, PenaltyKind, WeightsKind};

/// What a fit starts from.
#[derive(Debug, Clone, Copy)]
pub struct FitInput<'a> {
    /// A name for people.
    pub name: &'a str,
    /// The rows to learn from. With [`crate::data::SplitSettings::Validation`] its last rows are the validation set.
    pub data: &'a crate::data::Dataset,
    /// A test set from elsewhere. With [`FitSettings::test_fraction`] it must be `None`.
    pub test: Option<&'a crate::data::Dataset>,
    /// Group of each feature (length p, groups numbered from 0 without gaps), where weights or penalty need it.
    pub groups: Option<&'a [usize]>,
    /// Settings.
    pub settings: &'a FitSettings,
    /// Evaluations of an earlier, interrupted run with the same data and settings; empty for a new one.
    pub journal: &'a [JournalEntry],
}

/// Learns the regularization and fits the model.
///
/// # Errors
/// Invalid data or settings, and failures of the lower-level solver.
pub fn fit(input: FitInput<'_>, observer: &mut dyn Observer) -> crate::Result<Fit> {
    let _ = (input, observer);
    Err(crate::Error::Cancelled)
}

/// One row of a comparison of the hypergradient with central differences of the re-solved problem.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct GradcheckRow {
    /// Name of the parameter (`log lambda`, `log lambda[age]`, …).
    pub parameter: String,
    /// θ there.
    pub theta: f64,
    /// Entry of the hypergradient.
    pub hypergradient: f64,
    /// Central difference.
    pub central_difference: f64,
    /// |difference| / max(1e-8·max|h|, |central difference|) .
    pub relative_error: f64,
}

/// Compares the hypergradient with central differences for up to `max_parameters` parameters (the ones with the largest entries), at a
/// quarter of λ_max with the weights of `input.settings` (`auto` is taken as feature weights).
///
/// # Errors
/// Invalid data or settings, and failures of the lower-level solver.
pub fn gradcheck(input: FitInput<'_>, max_parameters: usize) -> crate::Result<Vec<GradcheckRow>> {
    let _ = (input, max_parameters);
    Err(crate::Error::Cancelled)
}
