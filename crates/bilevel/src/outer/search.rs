//! What all outer methods keep while they run: the box, the accuracy, the count of evaluations, the best point, the monitor.
//!
//! Two rules live here, so that no method can break them. *Inexactness* (DESIGN §2.4): a decrease counts only if it is larger than the
//! errors of the two values it compares; if the errors hide it, both are evaluated tighter ([`Search::judge`]). *Never worse*: the answer
//! is the point whose value plus error was the smallest, evaluated tightly, and the start if that turns out to be better ([`Search::finish`]).

use std::ops::ControlFlow;

use super::{
    Accuracy, AccuracySchedule, Bounds, Evaluation, ModelStep, Monitor, Objective, OuterResult, Progress,
    Request, StopReason,
};
use crate::hypergradient::{BiactivePolicy, Selection};
use crate::{Error, Result};

/// Largest ratio of a gradient's error bound to the projected gradient's norm at which its direction is trusted without a tighter solve:
/// below 1 the negative gradient is a descent direction of the true Φ; half of that leaves room.
const TRUSTED_GRADIENT_ERROR: f64 = 0.5;

/// θ with Φ(θ).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point {
    pub theta: Vec<f64>,
    pub evaluation: Evaluation,
}

/// A trial value against the current one.
pub(super) struct Judgement {
    pub trial: Evaluation,
    /// Φ(current) − Φ(trial).
    pub decrease: f64,
    /// Error of that difference.
    pub error: f64,
}

impl Judgement {
    /// Whether the decrease is real and at least `required`.
    pub fn accepts(&self, required: f64) -> bool {
        self.decrease > self.error && self.decrease >= required
    }
}

/// A candidate for the answer.
struct Candidate {
    theta: Vec<f64>,
    value: f64,
    error: f64,
}

/// The state shared by all outer methods.
pub(super) struct Search<'a> {
    objective: &'a mut dyn Objective,
    monitor: &'a mut dyn Monitor,
    pub bounds: Bounds,
    pub accuracy: AccuracySchedule,
    pub selection: Selection,
    evaluations: usize,
    steps: usize,
    best: Option<Candidate>,
    start: Option<Candidate>,
}

impl<'a> Search<'a> {
    /// A search that has evaluated nothing yet.
    pub fn new(
        objective: &'a mut dyn Objective,
        monitor: &'a mut dyn Monitor,
        selection: Selection,
        accuracy: AccuracySchedule,
    ) -> Result<Self> {
        let bounds = Bounds::of(objective)?;
        Ok(Self {
            objective,
            monitor,
            bounds,
            accuracy,
            selection,
            evaluations: 0,
            steps: 0,
            best: None,
            start: None,
        })
    }

    /// Begins at `start`, lets `descend` go on from there, and finishes.
    pub fn descend_from(
        mut self,
        start: &[f64],
        descend: impl FnOnce(&mut Self, Point) -> Result<StopReason>,
    ) -> Result<OuterResult> {
        let point = self.begin(start)?;
        let reason = descend(&mut self, point)?;
        self.finish(reason)
    }

    /// Evaluates the start, projected to the box, with its gradient.
    pub fn begin(&mut self, start: &[f64]) -> Result<Point> {
        let n = self.bounds.len();
        if start.len() != n || start.iter().any(|t| t.is_nan()) {
            return Err(Error::data(
                "start of the outer search",
                format!(
                    "{} values, {} of them NaN",
                    start.len(),
                    start.iter().filter(|t| t.is_nan()).count()
                ),
                format!("{n} values, one for each parameter"),
            ));
        }
        let mut point = self.at(self.bounds.project(start))?;
        if !point.evaluation.value.is_finite() {
            return Err(Error::data(
                "criterion at the start of the outer search",
                point.evaluation.value.to_string(),
                "a finite value",
            ));
        }
        self.settle(&mut point)?;
        self.mark_start(&point);
        Ok(point)
    }

    /// Says which point the answer must not be worse than.
    pub fn mark_start(&mut self, point: &Point) {
        self.start = Some(self.candidate(&point.theta, &point.evaluation));
    }

    /// Φ(θ) without its gradient.
    pub fn value(&mut self, theta: &[f64]) -> Result<Evaluation> {
        self.ask(theta, false, self.selection)
    }

    /// Φ(θ) with its gradient.
    pub fn at(&mut self, theta: Vec<f64>) -> Result<Point> {
        let evaluation = self.ask(&theta, true, self.selection)?;
        Ok(Point { theta, evaluation })
    }

    /// Φ(θ) with the gradient that another policy selects.
    pub fn with_policy(&mut self, theta: &[f64], policy: BiactivePolicy) -> Result<Evaluation> {
        self.ask(theta, true, Selection { policy, ..self.selection })
    }

    /// The step of the objective's quadratic model at a point that was evaluated last, if it has one.
    pub fn model_step(&mut self, theta: &[f64], radius: f64, band: f64) -> Result<Option<ModelStep>> {
        let selection = Selection { band: band.max(self.selection.band), ..self.selection };
        let request = Request { accuracy: self.accuracy.current, selection, gradient: true };
        let mut step = self.objective.model_step(theta, request, radius)?;
        for step in step.iter_mut().filter(|step| step.theta.len() == theta.len()) {
            let ends = step.theta.iter_mut().zip(theta).enumerate();
            ends.for_each(|(i, (to, &from))| *to = self.bounds.snap(i, from, *to));
        }
        Ok(step.filter(|step| step.theta.len() == theta.len() && step.theta.iter().all(|t| t.is_finite())))
    }

    fn ask(&mut self, theta: &[f64], gradient: bool, selection: Selection) -> Result<Evaluation> {
        let request = Request { accuracy: self.accuracy.current, selection, gradient };
        let mut evaluation = self.objective.evaluate(theta, request)?;
        self.evaluations += 1;
        if evaluation.value.is_nan() {
            evaluation.value = f64::INFINITY;
        }
        if gradient && evaluation.value.is_finite() {
            self.check_gradient(&evaluation.gradient)?;
        }
        self.remember(theta, &evaluation);
        Ok(evaluation)
    }

    fn check_gradient(&self, gradient: &[f64]) -> Result<()> {
        let n = self.bounds.len();
        let finite = gradient.iter().filter(|h| h.is_finite()).count();
        if gradient.len() == n && finite == n {
            return Ok(());
        }
        Err(Error::data(
            "hypergradient",
            format!("{} entries, {finite} of them finite", gradient.len()),
            format!("{n} finite entries"),
        ))
    }

    /// Error of a value: from the lower level, and from rounding.
    pub fn value_error(&self, evaluation: &Evaluation) -> f64 {
        let rounding = 4.0 * f64::EPSILON * evaluation.value.abs();
        (self.objective.value_error(evaluation) + rounding).max(0.0)
    }

    fn candidate(&self, theta: &[f64], evaluation: &Evaluation) -> Candidate {
        Candidate { theta: theta.to_vec(), value: evaluation.value, error: self.value_error(evaluation) }
    }

    /// Keeps the point with the smallest value plus error; a point evaluated again is judged by its newer values.
    fn remember(&mut self, theta: &[f64], evaluation: &Evaluation) {
        let upper = evaluation.value + self.value_error(evaluation);
        let better =
            self.best.as_ref().is_none_or(|best| upper < best.value + best.error || best.theta == theta);
        if better && upper.is_finite() {
            self.best = Some(self.candidate(theta, evaluation));
        }
    }

    /// Makes an evaluated point the answer, whatever was better.
    pub fn choose(&mut self, theta: &[f64], evaluation: &Evaluation) {
        self.best = Some(self.candidate(theta, evaluation));
        self.start = None;
    }

    /// s‖P(θ−h/s)−θ‖ at a point, s = |Φ(start)|; NaN if its gradient was not asked for.
    pub fn stationarity(&self, point: &Point) -> f64 {
        if point.evaluation.gradient.len() != point.theta.len() {
            return f64::NAN;
        }
        let scale = self.stationarity_threshold(1.0);
        let scale = if scale > 0.0 { scale } else { 1.0 };
        self.bounds.projected_gradient_norm(&point.theta, &point.evaluation.gradient, scale)
    }

    /// Evaluates a point tighter while the error bound of its gradient hides the gradient. A gradient without a bound is taken as it is.
    pub fn settle(&mut self, point: &mut Point) -> Result<()> {
        let is_hidden = |point: &Point, stationarity: f64| {
            point.evaluation.gradient_error_bound.is_some_and(|b| b > TRUSTED_GRADIENT_ERROR * stationarity)
        };
        while is_hidden(point, self.stationarity(point)) && self.accuracy.tighten() {
            *point = self.at(std::mem::take(&mut point.theta))?;
        }
        Ok(())
    }

    /// Evaluates Φ at `trial` and compares it with `current`: both tighter, while their errors hide whether the decrease is `required`.
    pub fn judge(&mut self, current: &mut Point, trial: &[f64], required: f64) -> Result<Judgement> {
        loop {
            let evaluation = self.value(trial)?;
            let decrease = current.evaluation.value - evaluation.value;
            let error = self.value_error(&current.evaluation) + self.value_error(&evaluation);
            if (decrease - required).abs() > error || !self.accuracy.tighten() {
                return Ok(Judgement { trial: evaluation, decrease, error });
            }
            *current = self.at(std::mem::take(&mut current.theta))?;
        }
    }

    /// Tells the monitor about the start.
    pub fn report_start(&mut self, point: &Point, radius: Option<f64>) -> ControlFlow<StopReason> {
        self.tell(point, radius, true)
    }

    /// Counts a step and tells the monitor.
    pub fn report(&mut self, point: &Point, radius: Option<f64>, accepted: bool) -> ControlFlow<StopReason> {
        self.steps += 1;
        self.tell(point, radius, accepted)
    }

    fn tell(&mut self, point: &Point, radius: Option<f64>, accepted: bool) -> ControlFlow<StopReason> {
        let gradient_norm = self.stationarity(point);
        self.monitor.step(&Progress {
            step: self.steps,
            evaluations: self.evaluations,
            theta: &point.theta,
            evaluation: &point.evaluation,
            gradient_norm,
            radius,
            accepted,
        })
    }

    /// Whether s‖P(θ−h/s)−θ‖ ≤ `tolerance`·s, s = |Φ(start)|: whatever the unit of Φ.
    pub fn is_stationary(&self, point: &Point, tolerance: f64) -> bool {
        self.stationarity(point) <= self.stationarity_threshold(tolerance)
    }

    /// `tolerance`·|Φ(start)|.
    pub fn stationarity_threshold(&self, tolerance: f64) -> f64 {
        tolerance * self.start.as_ref().map_or(1.0, |start| start.value.abs())
    }

    /// Steps counted so far.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// Smallest value plus error so far.
    pub fn best_value(&self) -> f64 {
        self.best.as_ref().map_or(f64::INFINITY, |best| best.value)
    }

    /// Where it was found.
    pub fn best_theta(&self) -> Option<&[f64]> {
        self.best.as_ref().map(|best| best.theta.as_slice())
    }

    /// The answer: the best point, evaluated tightly.
    pub fn finish(self, stop_reason: StopReason) -> Result<OuterResult> {
        self.finish_at(stop_reason, Accuracy::TIGHT)
    }

    /// The answer: the best point, evaluated to this accuracy.
    pub fn finish_at(mut self, stop_reason: StopReason, accuracy: Accuracy) -> Result<OuterResult> {
        self.accuracy.current = accuracy;
        let Some(best) = self.best.take() else {
            return Err(Error::data(
                "criterion",
                "no finite value",
                "a finite value somewhere in the search",
            ));
        };
        let mut answer = self.at(best.theta)?;
        if let Some(start) = self.start.take()
            && answer.evaluation.value > start.value - start.error
            && answer.theta != start.theta
        {
            let start = self.at(start.theta)?;
            if start.evaluation.value < answer.evaluation.value {
                answer = start;
            }
        }
        Ok(OuterResult {
            theta: answer.theta,
            evaluation: answer.evaluation,
            steps: self.steps,
            evaluations: self.evaluations,
            stop_reason,
        })
    }
}

/// Counts steps in a row that improve by less than `tolerance`·|Φ|.
#[derive(Debug, Clone, Copy)]
pub(super) struct PlateauCounter {
    tolerance: f64,
    patience: usize,
    reference: f64,
    count: usize,
}

impl PlateauCounter {
    pub fn new(tolerance: f64, patience: usize, value: f64) -> Self {
        Self { tolerance, patience, reference: value, count: 0 }
    }

    /// Takes note of the best value after a step; true if the last `patience` steps improved too little, each of them. A patience of 0 never ends.
    pub fn reached(&mut self, value: f64) -> bool {
        let improved = self.reference - value > self.tolerance * self.reference.abs();
        self.count = if improved { 0 } else { self.count + 1 };
        self.reference = self.reference.min(value);
        self.patience > 0 && self.count >= self.patience
    }
}

/// A setting that must be positive and finite.
pub(super) fn require_positive(name: &'static str, value: f64) -> Result<()> {
    if value > 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(Error::setting(name, value, "a positive, finite number"))
}

/// A setting that must lie strictly between 0 and 1.
pub(super) fn require_fraction(name: &'static str, value: f64) -> Result<()> {
    if value > 0.0 && value < 1.0 {
        return Ok(());
    }
    Err(Error::setting(name, value, "a number between 0 and 1, both excluded"))
}
