//! Data cleaning: which training samples can be trusted, as a few clean ones see it.
//!
//! Every training sample gets a weight w_i between 0 and 1 (`lower/sample_weights.rs`); the weights descend on the loss of the trained model on rows
//! that are known to be right. A wrong label makes the model worse there, whatever weight the sample has, so its weight falls.
//!
//! There are more weights than clean rows, and a long descent would fit those rows by heart. So some of them only watch, and the search ends some
//! evaluations after the loss there was lowest. The answer is the earliest point at which that loss was no different from the lowest, within its
//! standard error, and a weak pull draws weights that matter little back to where they were. What a descent without the two gains comes from weights
//! that make the loss of the model small, as a squared loss rewards for right labels too, and no longer tells wrong labels from right ones.
//!
//! Source of the rule: Breiman, Friedman, Olshen, Stone, "Classification and regression trees" (1984), §3.4.3, the one-standard-error rule.

mod model;
mod objective;
mod settings;

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::criterion::{Criterion, MultinomialLoss, ValidationLoss};
use crate::data::{Dataset, SplitRows, Target, carve_fraction};
use crate::fit::{LossKind, Observer, ScoreRecord};
use crate::loss::{Logistic, Loss, Squared};
use crate::lower::{SampleWeighted, WeightedGlm, WeightedMultinomial};
use crate::outer::{
    Accuracy, Lbfgs, LbfgsSettings, Objective, OuterOptimizer, Progress, Request, Step, StopReason,
};
use crate::{Error, Result};

pub use model::CleanedModel;
use objective::{CleaningObjective, State, Watch};
pub use settings::CleanSettings;

/// What a cleaning starts from.
#[derive(Debug, Clone, Copy)]
pub struct CleanInput<'a> {
    /// A name for people.
    pub name: &'a str,
    /// All rows.
    pub data: &'a Dataset,
    /// Which rows are to be weighed (`train`) and which are known to be right (`validation`), counted from 0.
    pub rows: &'a SplitRows,
    /// Fresh samples for a score of the model, which nothing else sees.
    pub test: Option<&'a Dataset>,
    /// Settings.
    pub settings: &'a CleanSettings,
}

/// The answer: a weight for each training row, and the model trained with them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cleaning {
    /// The model.
    pub model: CleanedModel,
    /// w_i of each training row, in the order of [`CleanInput::rows`].
    pub sample_weight: Vec<f64>,
    /// Whether each of them looks wrong: its weight is below [`CleanSettings::threshold`].
    pub flagged: Vec<bool>,
    /// How it came about.
    pub record: CleanRecord,
}

impl Cleaning {
    /// How many training rows look wrong.
    pub fn n_flagged(&self) -> usize {
        self.flagged.iter().filter(|flag| **flag).count()
    }
}

/// How a cleaning came about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CleanRecord {
    /// Version of the library.
    pub version: String,
    /// Name of the data.
    pub data: String,
    /// Fingerprint of the data.
    pub fingerprint: u64,
    /// Rows that were weighed.
    pub n_training: usize,
    /// Clean rows that steered the descent.
    pub n_steering: usize,
    /// Clean rows that watched it.
    pub n_watching: usize,
    /// Features.
    pub n_features: usize,
    /// The loss.
    pub loss: LossKind,
    /// α.
    pub ridge: f64,
    /// The loss on the steering rows with all weights equal, and with the learned ones.
    pub criterion: (f64, f64),
    /// The same on the watching rows; `None` if there are none.
    pub watched: Option<(f64, f64)>,
    /// Norm of the hypergradient at the answer, and the bound on its error, where one is known: not for more than two classes.
    pub hypergradient: (f64, Option<f64>),
    /// Relative duality gap of the final model.
    pub relative_gap: f64,
    /// Outer steps.
    pub steps: usize,
    /// Evaluations of Φ.
    pub evaluations: usize,
    /// Why the search ended; [`StopReason::Plateau`] also where the watching rows ended it.
    pub stop_reason: StopReason,
    /// The criterion after each step, from the start on.
    #[serde(default)]
    pub curve: Vec<CleanStep>,
    /// The model on fresh samples.
    pub test: Option<ScoreRecord>,
    /// The same of the model that is trained with equal weights.
    #[serde(default)]
    pub test_with_equal_weights: Option<ScoreRecord>,
    /// Seconds in all.
    pub seconds: f64,
    /// The settings.
    pub settings: CleanSettings,
}

/// Where a search stood after a step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CleanStep {
    /// Evaluations of Φ so far.
    pub evaluations: usize,
    /// Φ: the loss on the steering rows, with the pull.
    pub value: f64,
    /// The loss on the watching rows at the last evaluation, if any watch.
    pub watched: Option<f64>,
}

impl CleanStep {
    fn new(progress: &Progress<'_>, watched: Option<f64>) -> Self {
        Self { evaluations: progress.evaluations, value: progress.evaluation.value, watched }
    }
}

/// Learns a weight for each training row.
///
/// ```
/// use bilevel::cleaning::{CleanInput, CleanSettings, clean};
/// use bilevel::data::{Dataset, FeatureNames, SplitRows, Target};
/// use bilevel::design::{DenseMatrix, Design};
/// use bilevel::fit::Silent;
///
/// // b = 2a, but the first five of forty training rows say −2a; the last forty rows are known to be right.
/// let a: Vec<f64> = (0..80).map(|i| (i as f64).sin()).collect();
/// let b = a.iter().enumerate().map(|(i, a)| if i < 5 { -2.0 * a } else { 2.0 * a }).collect();
/// let design = Design::Dense(DenseMatrix::new(80, 1, a)?);
/// let data = Dataset::new(design, Target::Real(b), FeatureNames::Counted { first: 1 })?;
/// let rows = SplitRows { train: (0..40).collect(), validation: (40..80).collect() };
/// let settings = CleanSettings::default();
/// let input = CleanInput { name: "line", data: &data, rows: &rows, test: None, settings: &settings };
/// let cleaning = clean(input, &mut Silent)?;
/// let mean = |weights: &[f64]| weights.iter().sum::<f64>() / weights.len() as f64;
/// assert!(mean(&cleaning.sample_weight[..5]) < mean(&cleaning.sample_weight[5..]));
/// # Ok::<(), bilevel::Error>(())
/// ```
///
/// # Errors
/// [`Error::InvalidData`] and [`Error::InvalidSetting`] for input that makes no sense, and failures of the lower-level solver.
pub fn clean(input: CleanInput<'_>, observer: &mut dyn Observer) -> Result<Cleaning> {
    input.settings.check()?;
    let (kind, data) = (kind(input)?, input.data);
    let job = Job { input, kind, started: Instant::now() };
    match (&data.target, kind) {
        (Target::Multiple { numbers, labels }, _) => job.of_classes(numbers, labels.len(), observer),
        (_, LossKind::Logistic) => job.of_loss(Logistic, observer),
        _ => job.of_loss(Squared, observer),
    }
}

/// The loss that the settings mean.
fn kind(input: CleanInput<'_>) -> Result<LossKind> {
    let refused = |found, expected| Err(Error::setting("loss", found, expected));
    match (input.settings.loss, &input.data.target) {
        (LossKind::PseudoHuber, _) => refused("pseudo-huber", "squared or logistic, to clean"),
        (LossKind::Squared, Target::Multiple { .. }) => {
            refused("squared", "logistic, for more than two classes")
        }
        (LossKind::Logistic, Target::Real(_)) => {
            refused("logistic", "squared, because the target has more than two values")
        }
        (LossKind::Squared, _) | (LossKind::Auto, Target::Real(_)) => Ok(LossKind::Squared),
        (LossKind::Auto | LossKind::Logistic, _) => Ok(LossKind::Logistic),
    }
}

/// A cleaning whose loss is known.
struct Job<'a> {
    input: CleanInput<'a>,
    kind: LossKind,
    started: Instant,
}

/// The clean rows: those that steer, and those that watch.
struct Clean {
    steering: Vec<usize>,
    watching: Vec<usize>,
}

/// The lower level, and how it judges the rows that steer and those that watch.
struct Parts<M, C> {
    lower: M,
    steering: C,
    watching: Option<C>,
}

impl Job<'_> {
    /// One score for each row.
    fn of_loss<L: Loss>(self, loss: L, observer: &mut dyn Observer) -> Result<Cleaning> {
        let (data, settings) = (self.input.data, self.input.settings);
        let (targets, train) = (data.target.values(), &self.input.rows.train);
        let clean = self.clean_rows()?;
        let shares = clean.shares(data.n_samples());
        let at = |ridge| WeightedGlm::new(&data.design, targets, train, loss, ridge, settings.intercept);
        let lower = at(self.ridge(|| at(1.0)?.largest_curvature())?)?;
        let judge = |shares| ValidationLoss::new(loss, targets, shares);
        let watching = shares.1.as_deref().map(judge);
        self.run(Parts { lower, steering: judge(&shares.0), watching }, &clean, observer)
    }

    /// A score for each row and class.
    fn of_classes(self, numbers: &[f64], n_classes: usize, observer: &mut dyn Observer) -> Result<Cleaning> {
        let (data, settings) = (self.input.data, self.input.settings);
        let train = &self.input.rows.train;
        let classes: Vec<u32> = numbers.iter().map(|&number| number as u32).collect();
        let clean = self.clean_rows()?;
        let shares = clean.shares(data.n_samples());
        let at = |ridge| {
            WeightedMultinomial::new(&data.design, &classes, n_classes, train, ridge, settings.intercept)
        };
        let lower = at(self.ridge(|| at(1.0)?.largest_curvature())?)?;
        let judge = |shares| MultinomialLoss::new(&classes, n_classes, shares);
        let watching = shares.1.as_deref().map(judge);
        self.run(Parts { lower, steering: judge(&shares.0), watching }, &clean, observer)
    }

    fn run<M: SampleWeighted, C: Criterion>(
        &self,
        parts: Parts<M, C>,
        clean: &Clean,
        observer: &mut dyn Observer,
    ) -> Result<Cleaning> {
        let (settings, data) = (self.input.settings, self.input.data);
        let watch = RefCell::new(Watch::new(settings.slack));
        let mut objective = CleaningObjective {
            lower: parts.lower,
            criterion: parts.steering,
            watching: parts.watching,
            watch: &watch,
            map: settings.map,
            pull: 0.0,
            state: State::default(),
        };
        let start = vec![settings.map.start(); self.input.rows.train.len()];
        let request = Request { accuracy: Accuracy::TIGHT, selection: Default::default(), gradient: false };
        objective.pull = settings.pull * objective.evaluate(&start, request)?.value;
        let equal = self.test_score(&CleanedModel::new(data, self.kind, objective.solution(&start)?))?;
        observer.on_stage("sample weights", start.len());
        let mut first = f64::NAN;
        let mut curve = Vec::new();
        let mut monitor = |progress: &Progress<'_>| {
            if progress.step == 0 {
                first = progress.evaluation.value;
            }
            curve.push(CleanStep::new(progress, watch.borrow().last));
            self.look(progress, &watch, observer)
        };
        let method = Lbfgs {
            settings: LbfgsSettings {
                max_steps: settings.max_outer,
                stationarity: settings.tolerance,
                ..LbfgsSettings::default()
            },
        };
        let result = method.minimize(&mut objective, &start, &mut monitor)?;
        let answer = watch.borrow().answer().cloned();
        let theta = answer.as_ref().map_or(&result.theta, |(_, theta)| theta);
        let evaluation = objective.evaluate(theta, Request { gradient: true, ..request })?;
        let solution = objective.solution(theta)?;
        let sample_weight = objective.weights(theta);
        let relative_gap = solution.relative_gap;
        let model = CleanedModel::new(data, self.kind, solution);
        let record = CleanRecord {
            version: env!("CARGO_PKG_VERSION").to_string(),
            data: self.input.name.to_string(),
            fingerprint: data.fingerprint(),
            n_training: sample_weight.len(),
            n_steering: clean.steering.len(),
            n_watching: clean.watching.len(),
            n_features: data.n_features(),
            loss: self.kind,
            ridge: objective.lower.ridge(),
            criterion: (first, objective.measured()),
            watched: watch.borrow().first.zip(answer.map(|(loss, _)| loss)),
            hypergradient: (
                evaluation.gradient.iter().map(|h| h * h).sum::<f64>().sqrt(),
                evaluation.gradient_error_bound,
            ),
            relative_gap,
            steps: result.steps,
            evaluations: result.evaluations,
            stop_reason: result.stop_reason,
            curve,
            test: self.test_score(&model)?,
            test_with_equal_weights: equal,
            seconds: self.started.elapsed().as_secs_f64(),
            settings: *settings,
        };
        let flagged = sample_weight.iter().map(|w| *w < settings.threshold).collect();
        Ok(Cleaning { model, sample_weight, flagged, record })
    }

    /// The α that was asked for, or the default multiple of the loss's curvature.
    fn ridge(&self, largest_curvature: impl FnOnce() -> Result<f64>) -> Result<f64> {
        match self.input.settings.ridge {
            Some(ridge) => Ok(ridge),
            None => Ok((CleanSettings::RELATIVE_RIDGE * largest_curvature()?).max(f64::MIN_POSITIVE)),
        }
    }

    fn test_score(&self, model: &CleanedModel) -> Result<Option<ScoreRecord>> {
        let Some(test) = self.input.test else { return Ok(None) };
        let known = self.input.data.target.select(&self.input.rows.validation);
        model.score(test, &known).map(Some)
    }

    /// Divides the clean rows, after a look at all rows.
    fn clean_rows(&self) -> Result<Clean> {
        let (rows, n) = (self.input.rows, self.input.data.n_samples());
        let mut seen = vec![false; n];
        for (&row, what) in rows
            .train
            .iter()
            .map(|r| (r, "training rows"))
            .chain(rows.validation.iter().map(|r| (r, "clean rows")))
        {
            match seen.get_mut(row) {
                None => return Err(Error::data(what, format!("row {row}"), format!("rows below {n}"))),
                Some(true) => {
                    return Err(Error::data(what, format!("row {row} twice"), "every row in one place only"));
                }
                Some(seen) => *seen = true,
            }
        }
        if rows.train.is_empty() || rows.validation.is_empty() {
            let found = format!("{} training and {} clean rows", rows.train.len(), rows.validation.len());
            return Err(Error::data("rows", found, "at least one of each"));
        }
        let settings = self.input.settings;
        if settings.watching == 0.0 || rows.validation.len() < CleanSettings::FEWEST_WATCHED {
            return Ok(Clean { steering: rows.validation.clone(), watching: Vec::new() });
        }
        let (steering, watching) = carve_fraction(
            &self.input.data.target,
            &rows.validation,
            settings.watching,
            settings.seed,
            "watching",
        )?;
        Ok(Clean { steering, watching })
    }

    /// Tells the observer about a step, and ends the search where that is asked for or the watching rows have seen enough.
    fn look(
        &self,
        progress: &Progress<'_>,
        watch: &RefCell<Watch>,
        observer: &mut dyn Observer,
    ) -> ControlFlow<StopReason> {
        let seconds = self.started.elapsed().as_secs_f64();
        let evaluation = progress.evaluation;
        let step = Step {
            stage: "sample weights".to_string(),
            step: progress.step,
            evaluations: progress.evaluations,
            value: evaluation.value,
            standard_error: evaluation.standard_error,
            gradient_norm: progress.gradient_norm,
            gradient_error_bound: evaluation.gradient_error_bound.unwrap_or(f64::INFINITY),
            support_size: evaluation.support_size,
            radius: progress.radius,
            lambda: None,
            relative_gap: evaluation.relative_gap,
            biactive: 0,
            accepted: progress.accepted,
            seconds,
        };
        if observer.on_step(&step).is_break() || observer.is_interrupted() {
            return ControlFlow::Break(StopReason::Cancelled);
        }
        if self.input.settings.time_limit.is_some_and(|limit| seconds >= limit) {
            return ControlFlow::Break(StopReason::TimeLimit);
        }
        if watch.borrow().since >= self.input.settings.patience {
            return ControlFlow::Break(StopReason::Plateau);
        }
        ControlFlow::Continue(())
    }
}

impl Clean {
    /// Equal weights that sum to 1 on the rows out of n that steer, and on those that watch, if any do.
    fn shares(&self, n: usize) -> (Vec<f64>, Option<Vec<f64>>) {
        let on = |rows: &[usize]| {
            let mut shares = vec![0.0; n];
            rows.iter().for_each(|&i| shares[i] = 1.0 / rows.len() as f64);
            shares
        };
        (on(&self.steering), (!self.watching.is_empty()).then(|| on(&self.watching)))
    }
}
