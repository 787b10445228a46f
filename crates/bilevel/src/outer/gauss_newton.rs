//! Trust-region Gauss–Newton with look-ahead at kinks, projected to the box.
//!
//! ```text
//! trial    θ⁺ = argmin of the quadratic model of Φ at θ over ‖s‖ ≤ r and the box
//! ratio    ρ = (Φ(θ) − Φ(θ⁺)) / predicted decrease
//! ρ ≥ 0.1  θ ← θ⁺, and r ← 2r if ρ ≥ 0.75
//! else     r ← r/4; below 1e-2, a step along the shortest combination of the gradients around (`bundle.rs`), and r ← 10 times its length
//! ```
//!
//! For the squared loss and fixed signs of the coefficients, y is linear in the weights and Φ a convex quadratic of them: within a face one step is
//! nearly enough (nearly, because θ is the logarithm). Between faces the model looks ahead: biactive coordinates that the selection
//! policy lets in are part of it. On an edge between two faces neither model descends alone; the gradients on both sides together show the way along
//! it. Where the objective has no model (a support too large to factorize), every step
//! is a normalized subgradient step of length r/10.
//!
//! Sources: Conn, Gould and Toint, *Trust Region Methods* (2000), ch. 6 and 11; the acceptance rule is NTRBA's.

use serde::{Deserialize, Serialize};

use super::bundle::{Escape, WayOut};
use super::line_search::WolfeSettings;
use super::nba::subgradient_step;
use super::search::{PlateauCounter, Point, Search, require_fraction, require_positive};
use super::{AccuracySchedule, ModelStep, Monitor, Objective, OuterOptimizer, OuterResult, StopReason};
use crate::Result;
use crate::hypergradient::Selection;

/// Radius below which a rejection means an edge between faces, not a poor model.
const EDGE_RADIUS: f64 = 1e-2;

/// Settings of [`GaussNewton`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GaussNewtonSettings {
    /// How biactive coordinates are told and treated; default self-consistent, in a band of 1e-8.
    pub selection: Selection,
    /// Band in which the model counts coordinates as biactive, so that it sees those that a step may free or stop; default 0.1.
    pub look_ahead: f64,
    /// Accuracy of the lower level; default from 1e-6 to 1e-10.
    pub accuracy: AccuracySchedule,
    /// First radius, in e-folds; default 0.3.
    pub initial_radius: f64,
    /// Smallest ρ at which a step is accepted, in (0, 1); default 0.1.
    pub accept: f64,
    /// Smallest ρ at which the radius grows; default 0.75.
    pub expand: f64,
    /// Factor after a rejection, in (0, 1); default 0.25.
    pub shrink_factor: f64,
    /// Largest number of steps, accepted or not; default 60.
    pub max_steps: usize,
    /// Ends after this many accepted steps in a row with less than `plateau` (0: never); default 3.
    pub patience: usize,
    /// Relative improvement of a step that counts as one; default 1e-6.
    pub plateau: f64,
    /// Ends where the projected gradient, s‖P(θ−h/s)−θ‖ with s = |Φ(start)|, is at most this times |Φ(start)|; default 1e-7.
    pub stationarity: f64,
}

impl Default for GaussNewtonSettings {
    fn default() -> Self {
        Self {
            selection: Selection::default(),
            look_ahead: 0.1,
            accuracy: AccuracySchedule::default(),
            initial_radius: 0.3,
            accept: 0.1,
            expand: 0.75,
            shrink_factor: 0.25,
            max_steps: 60,
            patience: 3,
            plateau: 1e-6,
            stationarity: 1e-7,
        }
    }
}

/// Trust-region Gauss–Newton.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct GaussNewton {
    /// Settings.
    pub settings: GaussNewtonSettings,
}

impl OuterOptimizer for GaussNewton {
    fn name(&self) -> &'static str {
        "gauss-newton"
    }

    fn minimize(
        &self,
        objective: &mut dyn Objective,
        start: &[f64],
        monitor: &mut dyn Monitor,
    ) -> Result<OuterResult> {
        let settings = &self.settings;
        require_positive("initial_radius", settings.initial_radius)?;
        require_fraction("accept", settings.accept)?;
        require_fraction("shrink_factor", settings.shrink_factor)?;
        Search::new(objective, monitor, settings.selection, settings.accuracy)?
            .descend_from(start, |search, point| self.descend(search, point))
    }
}

impl GaussNewton {
    fn descend(&self, search: &mut Search<'_>, mut point: Point) -> Result<StopReason> {
        let settings = &self.settings;
        let mut plateau = PlateauCounter::new(settings.plateau, settings.patience, point.evaluation.value);
        let mut radius = settings.initial_radius;
        if let Some(reason) = search.report_start(&point, Some(radius)).break_value() {
            return Ok(reason);
        }
        while search.steps() < settings.max_steps {
            if search.is_stationary(&point, settings.stationarity) {
                return Ok(StopReason::Stationary);
            }
            let tried = radius;
            let accepted = match self.step(search, &mut point, radius)? {
                Outcome::Accepted { expand } => {
                    radius *= if expand { 2.0 } else { 1.0 };
                    true
                }
                Outcome::Rejected if radius > EDGE_RADIUS => {
                    radius *= settings.shrink_factor;
                    false
                }
                Outcome::Rejected => match self.escape().leave(search, &mut point, Vec::new(), None)? {
                    WayOut::Open(found) => {
                        radius = (10.0 * found.length).min(settings.initial_radius).max(EDGE_RADIUS);
                        point = found.point;
                        search.settle(&mut point)?;
                        true
                    }
                    WayOut::Stationary => return Ok(StopReason::Stationary),
                    WayOut::Closed => return Ok(StopReason::SmallStep),
                },
            };
            if let Some(reason) = search.report(&point, Some(tried), accepted).break_value() {
                return Ok(reason);
            }
            if accepted && plateau.reached(point.evaluation.value) {
                return Ok(StopReason::Plateau);
            }
        }
        Ok(StopReason::MaxSteps)
    }

    /// Trials until one is accepted.
    fn step(&self, search: &mut Search<'_>, point: &mut Point, radius: f64) -> Result<Outcome> {
        let settings = &self.settings;
        for trial in [Trial::LookAhead, Trial::Face, Trial::Subgradient] {
            let proposed = match trial {
                Trial::LookAhead => search.model_step(&point.theta, radius, settings.look_ahead)?,
                Trial::Face => search.model_step(&point.theta, radius, 0.0)?,
                Trial::Subgradient => subgradient_step(search, point, 0.1 * radius)
                    .map(|(theta, predicted)| ModelStep { theta, predicted }),
            };
            let Some(step) = proposed.filter(|step| step.predicted > 0.0) else { continue };
            let required = settings.accept * step.predicted;
            let judgement = search.judge(point, &step.theta, required)?;
            if judgement.accepts(required) {
                *point = search.at(step.theta)?;
                search.settle(point)?;
                let expand = judgement.decrease >= settings.expand * step.predicted;
                return Ok(Outcome::Accepted { expand });
            }
        }
        Ok(Outcome::Rejected)
    }

    fn escape(&self) -> Escape {
        Escape {
            wolfe: WolfeSettings { sufficient: 1e-4, curvature: 0.5, max_trials: 30, smallest_step: 1e-12 },
            initial_step: self.settings.initial_radius,
            stationarity: self.settings.stationarity,
        }
    }
}

/// What is tried at one point, in this order.
#[derive(Clone, Copy)]
enum Trial {
    /// The model with the coordinates that a step may free or stop.
    LookAhead,
    /// The model on the present face.
    Face,
    Subgradient,
}

enum Outcome {
    Accepted { expand: bool },
    Rejected,
}
