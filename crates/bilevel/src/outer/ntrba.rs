//! NTRBA: the normalized trust region method for nonsmooth Φ, projected to the box.
//!
//! With radius r and a subgradient h at θ:
//! ```text
//! trial       θ⁺ = P(θ − r h/‖h‖)
//! ratio       ρ = (Φ(θ) − Φ(θ⁺)) / hᵀ(θ − θ⁺)            actual over predicted decrease
//! ρ ≥ 0.1     θ ← θ⁺, and r ← 2r if ρ ≥ 0.75
//! else        once more with the `Null` policy's h at the same θ; if that is rejected too, r ← r/4
//! ```
//! It ends at a stationary point, when r < 1e-8, after 5 accepted steps in a row that gained less than 1e-4 of Φ each, or after 60 steps. All numbers
//! are settings; these are the published ones. The fallback pays where the self-consistent h points over an edge that a step of length r
//! falls off again; it is left out where no coordinate is biactive, because all policies agree there.
//!
//! Source: Pérez-Aros, Vilches, Villacís, "A variational analysis approach for bilevel hyperparameter optimization with sparse regularization".

use serde::{Deserialize, Serialize};

use super::nba::{normalized_step, subgradient_step};
use super::search::{PlateauCounter, Point, Search, require_fraction, require_positive};
use super::{AccuracySchedule, Monitor, Objective, OuterOptimizer, OuterResult, StopReason};
use crate::hypergradient::{BiactivePolicy, Selection};
use crate::{Error, Result};

/// Settings of [`Ntrba`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NtrbaSettings {
    /// How biactive coordinates are told and treated; default self-consistent, in a band of 1e-8.
    pub selection: Selection,
    /// Whether a rejected step is tried again with the `Null` policy; default yes.
    pub null_fallback: bool,
    /// Accuracy of the lower level; default from 1e-6 to 1e-10.
    pub accuracy: AccuracySchedule,
    /// First radius; default 0.1.
    pub initial_radius: f64,
    /// Smallest ρ at which a step is accepted, in (0, 1); default 0.1.
    pub accept: f64,
    /// Smallest ρ at which the radius grows; default 0.75.
    pub expand: f64,
    /// Factor of growth, above 1; default 2.
    pub expand_factor: f64,
    /// Factor after a rejection, in (0, 1); default 0.25.
    pub shrink_factor: f64,
    /// Radius below which the search ends; default 1e-8.
    pub smallest_radius: f64,
    /// Largest number of steps, accepted or not; default 60.
    pub max_steps: usize,
    /// Ends after this many accepted steps in a row with less than `plateau` (0: never); default 5.
    pub patience: usize,
    /// Relative improvement of a step that counts as one; default 1e-4.
    pub plateau: f64,
    /// Ends where the projected gradient, s‖P(θ−h/s)−θ‖ with s = |Φ(start)|, is at most this times |Φ(start)|; default 1e-7.
    pub stationarity: f64,
}

impl Default for NtrbaSettings {
    fn default() -> Self {
        Self {
            selection: Selection::default(),
            null_fallback: true,
            accuracy: AccuracySchedule::default(),
            initial_radius: 0.1,
            accept: 0.1,
            expand: 0.75,
            expand_factor: 2.0,
            shrink_factor: 0.25,
            smallest_radius: 1e-8,
            max_steps: 60,
            patience: 5,
            plateau: 1e-4,
            stationarity: 1e-7,
        }
    }
}

/// The normalized trust region method.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Ntrba {
    /// Settings.
    pub settings: NtrbaSettings,
}

impl OuterOptimizer for Ntrba {
    fn name(&self) -> &'static str {
        "ntrba"
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

/// An accepted step: where it leads, and its ρ.
struct Accepted {
    theta: Vec<f64>,
    ratio: f64,
}

impl Ntrba {
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
            if radius < settings.smallest_radius {
                return Ok(StopReason::SmallStep);
            }
            let accepted = self.step(search, &mut point, radius)?;
            let tried = radius;
            match &accepted {
                Some(step) if step.ratio >= settings.expand => radius *= settings.expand_factor,
                Some(_) => {}
                None => radius *= settings.shrink_factor,
            }
            let was_accepted = accepted.is_some();
            if let Some(step) = accepted {
                point = search.at(step.theta)?;
                search.settle(&mut point)?;
            }
            if let Some(reason) = search.report(&point, Some(tried), was_accepted).break_value() {
                return Ok(reason);
            }
            if was_accepted && plateau.reached(point.evaluation.value) {
                return Ok(StopReason::Plateau);
            }
        }
        Ok(StopReason::MaxSteps)
    }

    /// A trial with the policy's subgradient and, if that is rejected, one with the `Null` policy's.
    fn step(&self, search: &mut Search<'_>, point: &mut Point, radius: f64) -> Result<Option<Accepted>> {
        let proposed = subgradient_step(search, point, radius);
        let accepted = self.trial(search, point, proposed)?;
        let fallback = self.settings.null_fallback
            && self.settings.selection.policy != BiactivePolicy::Null
            && point.evaluation.biactive > 0;
        if accepted.is_some() || !fallback {
            return Ok(accepted);
        }
        let null = search.with_policy(&point.theta, BiactivePolicy::Null)?.gradient;
        if null == point.evaluation.gradient {
            return Ok(None);
        }
        let proposed = normalized_step(search, point, &null, radius);
        self.trial(search, point, proposed)
    }

    /// Judges a proposed step (where it leads, and the decrease that its subgradient predicts).
    fn trial(
        &self,
        search: &mut Search<'_>,
        point: &mut Point,
        proposed: Option<(Vec<f64>, f64)>,
    ) -> Result<Option<Accepted>> {
        let Some((theta, predicted)) = proposed else {
            return Ok(None);
        };
        let required = self.settings.accept * predicted;
        let judgement = search.judge(point, &theta, required)?;
        Ok(judgement.accepts(required).then(|| Accepted { theta, ratio: judgement.decrease / predicted }))
    }

    fn check(&self) -> Result<()> {
        let settings = &self.settings;
        require_positive("initial_radius", settings.initial_radius)?;
        require_positive("smallest_radius", settings.smallest_radius)?;
        require_fraction("accept", settings.accept)?;
        require_fraction("shrink_factor", settings.shrink_factor)?;
        if settings.expand_factor >= 1.0 && settings.expand_factor.is_finite() {
            return Ok(());
        }
        Err(Error::setting("expand_factor", settings.expand_factor, "a finite number that is at least 1"))
    }
}
