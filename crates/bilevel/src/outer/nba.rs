//! NBA: the normalized subgradient method, projected to the box.
//! ```text
//! θ_{k+1} = P(θ_k − t_k h_k/‖h_k‖),    h_k ∈ ∂Φ(θ_k)
//! ```
//! The step has length t_k whatever the size of h_k, so hyperparameters on a log scale move by a sensible amount from the first step on. Three
//! rules for t_k: fixed; diminishing, t_k = t_0/√(k+1), for which the best value converges for convex Φ; and backtracking until Φ falls by
//! a fraction of what h predicts. Entries of h whose descent leaves the box at once are left out before h is normalized; otherwise a large
//! blocked entry would stop all the others.
//!
//! Source: Pérez-Aros, Vilches, Villacís, "A variational analysis approach for bilevel hyperparameter optimization with sparse
//! regularization"; step rules: Shor, "Minimization Methods for Non-Differentiable Functions" (1985).

use serde::{Deserialize, Serialize};

use super::bounds::norm;
use super::search::{PlateauCounter, Point, Search, require_fraction, require_positive};
use super::{AccuracySchedule, Monitor, Objective, OuterOptimizer, OuterResult, StopReason};
use crate::Result;
use crate::hypergradient::Selection;

/// Length t_k of step k = 0, 1, ….
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepRule {
    /// t_k = t.
    Fixed(f64),
    /// t_k = t/√(k+1).
    Diminishing(f64),
    /// Begins at `initial` (later at the last accepted length, doubled if that was accepted at once) and shrinks until Φ falls by
    /// `sufficient` times what the subgradient predicts.
    Backtracking {
        /// First length tried.
        initial: f64,
        /// Factor in (0, 1) after a rejection.
        shrink: f64,
        /// Fraction in (0, 1) of the predicted decrease that must be reached.
        sufficient: f64,
        /// Length below which the search ends with [`StopReason::SmallStep`].
        smallest: f64,
    },
}

impl Default for StepRule {
    /// Backtracking from 0.1 by halves, sufficient fraction 1e-4, smallest length 1e-8.
    fn default() -> Self {
        Self::Backtracking { initial: 0.1, shrink: 0.5, sufficient: 1e-4, smallest: 1e-8 }
    }
}

/// Settings of [`Nba`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NbaSettings {
    /// How long the steps are; default backtracking.
    pub rule: StepRule,
    /// How biactive coordinates are told and treated; default self-consistent, in a band of 1e-8.
    pub selection: Selection,
    /// Accuracy of the lower level; default from 1e-6 to 1e-10.
    pub accuracy: AccuracySchedule,
    /// Largest number of steps; default 60.
    pub max_steps: usize,
    /// Ends after this many steps in a row without improvement of the best value by more than `plateau` (0: never); default 5.
    pub patience: usize,
    /// Relative improvement that counts as one; default 1e-4.
    pub plateau: f64,
    /// Ends where the projected gradient, s‖P(θ−h/s)−θ‖ with s = |Φ(start)|, is at most this times |Φ(start)|; default 1e-7.
    pub stationarity: f64,
}

impl Default for NbaSettings {
    fn default() -> Self {
        Self {
            rule: StepRule::default(),
            selection: Selection::default(),
            accuracy: AccuracySchedule::default(),
            max_steps: 60,
            patience: 5,
            plateau: 1e-4,
            stationarity: 1e-7,
        }
    }
}

/// The normalized subgradient method.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Nba {
    /// Settings.
    pub settings: NbaSettings,
}

impl OuterOptimizer for Nba {
    fn name(&self) -> &'static str {
        "nba"
    }

    fn minimize(
        &self,
        objective: &mut dyn Objective,
        start: &[f64],
        monitor: &mut dyn Monitor,
    ) -> Result<OuterResult> {
        self.check()?;
        let (selection, accuracy) = (self.settings.selection, self.settings.accuracy);
        Search::new(objective, monitor, selection, accuracy)?
            .descend_from(start, |search, point| self.descend(search, point))
    }
}

/// A step of the method.
struct Move {
    point: Point,
    length: f64,
    accepted: bool,
}

impl Nba {
    fn descend(&self, search: &mut Search<'_>, mut point: Point) -> Result<StopReason> {
        let settings = &self.settings;
        let mut plateau = PlateauCounter::new(settings.plateau, settings.patience, point.evaluation.value);
        let mut lengths = StepLengths::new(settings.rule);
        if let Some(reason) = search.report_start(&point, Some(lengths.next())).break_value() {
            return Ok(reason);
        }
        while search.steps() < settings.max_steps {
            if search.is_stationary(&point, settings.stationarity) {
                return Ok(StopReason::Stationary);
            }
            let Some(next) = lengths.step(search, point.clone())? else {
                return Ok(StopReason::SmallStep);
            };
            point = next.point;
            if let Some(reason) = search.report(&point, Some(next.length), next.accepted).break_value() {
                return Ok(reason);
            }
            if plateau.reached(search.best_value()) {
                return Ok(StopReason::Plateau);
            }
        }
        Ok(StopReason::MaxSteps)
    }

    fn check(&self) -> Result<()> {
        match self.settings.rule {
            StepRule::Fixed(t) | StepRule::Diminishing(t) => require_positive("step", t),
            StepRule::Backtracking { initial, shrink, sufficient, smallest } => {
                require_positive("initial", initial)?;
                require_positive("smallest", smallest)?;
                require_fraction("shrink", shrink)?;
                require_fraction("sufficient", sufficient)
            }
        }
    }
}

/// The step rule while it runs.
struct StepLengths {
    rule: StepRule,
    steps: usize,
    trial: f64,
}

impl StepLengths {
    fn new(rule: StepRule) -> Self {
        let trial = match rule {
            StepRule::Fixed(t) | StepRule::Diminishing(t) => t,
            StepRule::Backtracking { initial, .. } => initial,
        };
        Self { rule, steps: 0, trial }
    }

    /// Length that the next step begins with.
    fn next(&self) -> f64 {
        match self.rule {
            StepRule::Diminishing(t) => t / ((self.steps + 1) as f64).sqrt(),
            _ => self.trial,
        }
    }

    /// One step from `point`; `None` if no length down to the smallest brings a decrease.
    fn step(&mut self, search: &mut Search<'_>, point: Point) -> Result<Option<Move>> {
        let length = self.next();
        self.steps += 1;
        match self.rule {
            StepRule::Backtracking { shrink, sufficient, smallest, .. } => {
                self.backtrack(search, point, shrink, sufficient, smallest)
            }
            _ => go(search, point, length).map(Some),
        }
    }

    fn backtrack(
        &mut self,
        search: &mut Search<'_>,
        mut point: Point,
        shrink: f64,
        sufficient: f64,
        smallest: f64,
    ) -> Result<Option<Move>> {
        let mut length = self.trial;
        while length >= smallest {
            let Some((theta, predicted)) = subgradient_step(search, &point, length) else {
                return Ok(None);
            };
            let required = sufficient * predicted;
            if search.judge(&mut point, &theta, required)?.accepts(required) {
                self.trial = if length == self.trial { 2.0 * length } else { length };
                let mut point = search.at(theta)?;
                search.settle(&mut point)?;
                return Ok(Some(Move { point, length, accepted: true }));
            }
            length *= shrink;
        }
        Ok(None)
    }
}

/// Goes `length` along −h/‖h‖ whether Φ falls or not; stays only where Φ is not finite.
fn go(search: &mut Search<'_>, mut point: Point, length: f64) -> Result<Move> {
    let Some((theta, _)) = subgradient_step(search, &point, length) else {
        return Ok(Move { point, length, accepted: false });
    };
    let judgement = search.judge(&mut point, &theta, 0.0)?;
    if !judgement.trial.value.is_finite() {
        return Ok(Move { point, length, accepted: false });
    }
    let mut point = search.at(theta)?;
    search.settle(&mut point)?;
    Ok(Move { point, length, accepted: true })
}

/// P(θ − t h/‖h‖) and the decrease hᵀ(θ − P(…)) that h predicts; `None` if h is zero in all directions that the box leaves free.
pub(super) fn subgradient_step(search: &Search<'_>, point: &Point, length: f64) -> Option<(Vec<f64>, f64)> {
    normalized_step(search, point, &point.evaluation.gradient, length)
}

/// As [`subgradient_step`], with a given h.
pub(super) fn normalized_step(
    search: &Search<'_>,
    point: &Point,
    gradient: &[f64],
    length: f64,
) -> Option<(Vec<f64>, f64)> {
    let free = search.bounds.free_gradient(&point.theta, gradient);
    let size = norm(free.iter().copied());
    if size == 0.0 {
        return None;
    }
    let theta = search.bounds.step(&point.theta, -length / size, &free);
    let predicted: f64 = free.iter().zip(point.theta.iter().zip(&theta)).map(|(h, (a, b))| h * (a - b)).sum();
    (predicted > 0.0).then_some((theta, predicted))
}
