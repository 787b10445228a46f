//! The one entry point: data and settings in, a fitted model with its certificate out.

mod answer;
mod certify;
mod climb;
mod family;
mod gradcheck;
mod multinomial;
mod observer;
mod prepare;
mod record;
mod replay;
mod robust;
mod rows;
mod score;
mod settings;
mod tall;

use std::time::Instant;

use crate::data::{Dataset, SplitRows};
use crate::{Error, Result};

pub use certify::{stationarity_tolerance, verdict};
pub use gradcheck::{GradcheckRow, gradcheck};
pub use multinomial::{MultinomialFit, MultinomialModel, fit_multinomial};
pub use observer::{JournalEntry, Observer, Silent, WarmStart};
pub use record::{
    CertificateRecord, CriterionRecord, CurvePoint, DataRecord, EdgeRecord, Fit, FitRecord, LowerLevelRecord,
    Model, OuterRecord, PredictionOrigin, Predictions, RangeRecord, SCHEMA_VERSION, ScoreRecord,
    SecondsRecord, StageRecord, Verdict, WeightsRecord,
};
pub use replay::resumable;
pub use score::{score, weighted_score};
pub use settings::{FitSettings, LossKind, OuterKind, PenaltyKind, WeightsKind};
pub use tall::FewerRows;

use climb::{Climb, Summit};
use family::{Family, WithFamily};
use prepare::Prepared;
use replay::Journal;

/// What a fit starts from.
#[derive(Debug, Clone, Copy)]
pub struct FitInput<'a> {
    /// A name for people.
    pub name: &'a str,
    /// The rows to learn from. With [`crate::data::SplitSettings::Validation`] its last rows are the validation set.
    pub data: &'a Dataset,
    /// A test set from elsewhere. With [`FitSettings::test_fraction`] it must be `None`.
    pub test: Option<&'a Dataset>,
    /// How much each sample counts (length n, finite, at least 0): a weight of 2 is the same as a row listed twice, a weight of 0 as an absent row,
    /// in training, criterion, standard errors, scales and scores. `None`: once. A test set from elsewhere has no weights.
    pub sample_weight: Option<&'a [f64]>,
    /// The criterion's splits, in place of [`FitSettings::split`]: Φ is the mean over them, each counting alike. The final model is fitted on all
    /// rows, in a split or not. `None`: as the settings say.
    pub splits: Option<&'a [SplitRows]>,
    /// Group of each feature (length p, groups numbered from 0 without gaps), where weights or penalty need it.
    pub groups: Option<&'a [usize]>,
    /// Settings.
    pub settings: &'a FitSettings,
    /// Evaluations of an earlier, interrupted run with the same data and settings; empty for a new one.
    pub journal: &'a [JournalEntry],
}

impl<'a> FitInput<'a> {
    /// Data and settings, and nothing of what else there may be.
    pub fn new(name: &'a str, data: &'a Dataset, settings: &'a FitSettings) -> Self {
        Self {
            name,
            data,
            test: None,
            sample_weight: None,
            splits: None,
            groups: None,
            settings,
            journal: &[],
        }
    }
}

/// Learns the regularization and fits the model.
///
/// ```
/// use bilevel::data::synthetic::{Shape, regression};
/// use bilevel::fit::{FitInput, FitSettings, Silent, WeightsKind, fit};
///
/// let data = regression(Shape { n_samples: 80, n_features: 20, n_informative: 3 }, 5.0, 0)?.data;
/// let settings = FitSettings { weights: WeightsKind::Scalar, ..FitSettings::default() };
/// let fit = fit(FitInput::new("example", &data, &settings), &mut Silent)?;
/// assert!(fit.record.certificate.relative_gap <= 1e-10);
/// assert!(fit.model.support.len() < 20);
/// # Ok::<(), bilevel::Error>(())
/// ```
///
/// # Errors
/// [`Error::InvalidData`] and [`Error::InvalidSetting`] for input that makes no sense, and failures of the lower-level solver.
pub fn fit(input: FitInput<'_>, observer: &mut dyn Observer) -> Result<Fit> {
    in_pool(input.settings.threads, || fit_here(input, observer))
}

/// Runs `work` on a pool of its own if a number of threads is asked for.
fn in_pool<T: Send>(threads: Option<usize>, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    match threads {
        // On a worker, so that the caller's thread needs no scratch memory of its own.
        None => rayon::scope(|_| work()),
        Some(count) => rayon::ThreadPoolBuilder::new()
            .num_threads(count)
            .build()
            .map_err(|e| {
                Error::setting(
                    "threads",
                    format!("{count} ({e})"),
                    "a number of threads that the system can start",
                )
            })?
            .install(work),
    }
}

fn fit_here(input: FitInput<'_>, observer: &mut dyn Observer) -> Result<Fit> {
    let started = Instant::now();
    let mut prepared = Prepared::new(&input)?;
    if prepared.delta.is_some() && input.settings.delta.is_none() {
        prepared.delta = Some(robust::delta_of_residuals(input, &mut prepared, observer, started)?);
    }
    family::with_family(&input, &prepared, Job { input, observer, started })
}

/// A fit whose family is about to be chosen.
struct Job<'i, 'o> {
    input: FitInput<'i>,
    observer: &'o mut dyn Observer,
    started: Instant,
}

impl WithFamily for Job<'_, '_> {
    type Output = Fit;

    fn run<'a, F: Family<'a>>(self, family: &'a F, groups: Option<&[usize]>) -> Result<Fit> {
        let Self { input, observer, started } = self;
        let final_problem = family.problem(&family.prepared().rows.final_weights)?;
        let summit = climb_with(family, &final_problem, &input, groups, observer, started)?;
        let searched = answer::Searched { summit, started, seconds: started.elapsed().as_secs_f64() };
        answer::assemble(&input, family, &final_problem, searched)
    }
}

fn climb_with<'a, F: Family<'a>>(
    family: &'a F,
    final_problem: &F::Lower,
    input: &FitInput<'_>,
    groups: Option<&[usize]>,
    observer: &mut dyn Observer,
    started: Instant,
) -> Result<Summit> {
    let journal = Journal::new(input.journal, rows::fingerprint(input));
    let groups = groups.map(<[usize]>::to_vec);
    Climb::new(family, input.settings, groups, final_problem, journal, observer, started)?.run()
}
