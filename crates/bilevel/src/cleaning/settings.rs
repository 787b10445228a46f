//! Settings of a cleaning, with their defaults.

use serde::{Deserialize, Serialize};

use crate::fit::LossKind;
use crate::parametrization::SampleWeights;
use crate::{Error, Result};

/// Everything that determines the answer of a cleaning, besides the data.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CleanSettings {
    /// Loss; default logistic where the target has two classes, else squared.
    pub loss: LossKind,
    /// How parameters become weights; default sigmoid.
    pub map: SampleWeights,
    /// α of (α/2)‖y‖²; default [`CleanSettings::RELATIVE_RIDGE`] times the largest eigenvalue of the loss's Hessian in the model without features.
    pub ridge: Option<f64>,
    /// μ of (μ/2m)‖θ − θ⁰‖², which pulls weights that make little difference back to ½, relative to the loss at the start; default 0.02.
    pub pull: f64,
    /// Fraction of the clean rows that only watch, from 0 to below 1; default 0.25.
    pub watching: f64,
    /// The answer is the earliest point at which the loss on the watching rows was within this many of its standard errors of the lowest; default 1.
    /// 0 takes the lowest.
    pub slack: f64,
    /// Evaluations without a lower loss on the watching rows after which the search ends; default 10.
    pub patience: usize,
    /// A sample of a smaller weight looks wrong; default 0.25, half of what all start from.
    pub threshold: f64,
    /// Fit an unpenalized intercept; default yes.
    pub intercept: bool,
    /// Largest number of outer steps; default 60.
    pub max_outer: usize,
    /// The search ends where the projected hypergradient is below this, relative to Φ at the start; default 1e-8.
    pub tolerance: f64,
    /// Seed of the choice of watching rows; default 0.
    pub seed: u64,
    /// Seconds after which the search ends with the best answer so far; default none.
    pub time_limit: Option<f64>,
}

impl Default for CleanSettings {
    fn default() -> Self {
        Self {
            loss: LossKind::Auto,
            map: SampleWeights::Sigmoid,
            ridge: None,
            pull: 0.02,
            watching: 0.25,
            slack: 1.0,
            patience: 10,
            threshold: 0.25,
            intercept: true,
            max_outer: 60,
            tolerance: 1e-8,
            seed: 0,
            time_limit: None,
        }
    }
}

impl CleanSettings {
    /// α relative to the largest curvature where none is given.
    pub const RELATIVE_RIDGE: f64 = 1e-2;
    /// With fewer clean rows than this all of them steer: a handful would watch mostly noise.
    pub const FEWEST_WATCHED: usize = 20;

    pub(super) fn check(&self) -> Result<()> {
        if !(0.0..1.0).contains(&self.watching) {
            return Err(Error::setting("watching", self.watching, "a fraction from 0 to below 1"));
        }
        for (name, value) in [("pull", self.pull), ("slack", self.slack)] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(Error::setting(name, value, "a finite number of at least 0"));
            }
        }
        if !(0.0..=1.0).contains(&self.threshold) {
            return Err(Error::setting("threshold", self.threshold, "a weight from 0 to 1"));
        }
        if self.max_outer == 0 || self.patience == 0 {
            let name = if self.max_outer == 0 { "max outer" } else { "patience" };
            return Err(Error::setting(name, 0, "at least 1"));
        }
        let positive = |v: f64| v > 0.0 && v.is_finite();
        if !positive(self.tolerance) {
            return Err(Error::setting("tol", self.tolerance, "a positive number"));
        }
        match self.time_limit.filter(|limit| !positive(*limit)) {
            Some(limit) => Err(Error::setting("time limit", limit, "a positive number of seconds")),
            None => Ok(()),
        }
    }
}
