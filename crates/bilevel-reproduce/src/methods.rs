//! The methods that are compared: one call of `fit`, or a published descent on one weight for each feature.

use std::ops::ControlFlow;
use std::time::Instant;

use bilevel::data::Dataset;
use bilevel::design::{Design, DesignMatrix};
use bilevel::fit::{Fit, FitInput, FitSettings, Observer, fit};
use bilevel::hypergradient::{BiactivePolicy, Selection};
use bilevel::loss::Loss;
use bilevel::outer::{
    Nba, NbaSettings, Ntrba, NtrbaSettings, OuterOptimizer, Progress, Step, StepRule, StopReason,
};
use bilevel::{Error, Result};

use crate::hold_out::FeatureObjective;
use crate::run::{Run, Watcher};

/// A model, and what it took to find it.
pub(crate) struct Found {
    pub(crate) coefficients: Vec<f64>,
    pub(crate) intercept: f64,
    /// Φ at the answer, in the library's scale (squared errors are halved).
    pub(crate) criterion: f64,
    /// Outer steps.
    pub(crate) steps: usize,
    pub(crate) seconds: f64,
}

impl Found {
    /// z on the rows of a matrix.
    pub(crate) fn predict(&self, design: &Design) -> Vec<f64> {
        let mut z = vec![0.0; design.n_rows()];
        design.product_into(&self.coefficients, &mut z);
        z.iter_mut().for_each(|z| *z += self.intercept);
        z
    }
}

/// Ends a fit when the watcher asks for it.
struct Cancel<'a>(&'a dyn Watcher);

impl Observer for Cancel<'_> {
    fn on_step(&mut self, _step: &Step) -> ControlFlow<()> {
        if self.0.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl Run<'_> {
    /// One call of `fit`, on the threads at hand.
    ///
    /// # Errors
    /// As [`fit`].
    pub(crate) fn fit(&self, data: &Dataset, settings: &FitSettings) -> Result<(Found, Fit)> {
        let started = Instant::now();
        let input = FitInput::new("reproduction", data, settings);
        let fit = fit(input, &mut Cancel(self.watcher))?;
        self.check()?;
        let mut coefficients = vec![0.0; data.n_features()];
        let entries = fit.model.support.iter().zip(&fit.model.coefficients);
        entries.for_each(|(&j, &y)| coefficients[j] = y);
        let found = Found {
            coefficients,
            intercept: fit.model.intercept,
            criterion: fit.record.criterion.value,
            steps: fit.record.outer.steps,
            seconds: started.elapsed().as_secs_f64(),
        };
        Ok((found, fit))
    }

    /// A descent from `start`; `see` is shown every step, the start included.
    ///
    /// # Errors
    /// As the method.
    pub(crate) fn descend<L: Loss + Copy>(
        &self,
        method: &dyn OuterOptimizer,
        objective: &mut FeatureObjective<'_, L>,
        start: &[f64],
        mut see: impl FnMut(&Progress<'_>),
    ) -> Result<Found> {
        let started = Instant::now();
        let mut monitor = |progress: &Progress<'_>| {
            see(progress);
            if self.watcher.is_cancelled() {
                ControlFlow::Break(StopReason::Cancelled)
            } else {
                ControlFlow::Continue(())
            }
        };
        let result = method.minimize(objective, start, &mut monitor)?;
        let seconds = started.elapsed().as_secs_f64();
        self.check()?;
        let solution = objective.solutions().next().ok_or(Error::Cancelled)?;
        Ok(Found {
            coefficients: solution.coefficients.clone(),
            intercept: solution.intercept,
            criterion: result.evaluation.value,
            steps: result.steps,
            seconds,
        })
    }
}

/// NTRBA as published: radius 0.1, accepted from ρ = 0.1, doubled from 0.75, quartered after a rejection, at most 60 steps, ended by 5 steps in a row
/// that gain less than 1e-4.
pub(crate) fn ntrba(policy: BiactivePolicy, band: f64) -> Ntrba {
    let selection = Selection { band, ..policy.into() };
    Ntrba { settings: NtrbaSettings { selection, ..NtrbaSettings::default() } }
}

/// The published baseline: 60 normalized steps of length 0.1 with the hypergradient on the support alone, as Sparse-HO has it.
pub(crate) fn sparse_ho(band: f64) -> Nba {
    let selection = Selection { band, ..BiactivePolicy::Null.into() };
    let rule = StepRule::Fixed(0.1);
    Nba { settings: NbaSettings { rule, selection, patience: 0, ..NbaSettings::default() } }
}

/// What both are called in the settings of a report.
pub(crate) fn descents(band: &str) -> Vec<(&'static str, String)> {
    let ntrba = format!(
        "self-consistent, band {band}; radius 0.1, accept 0.1, expand 0.75, factors 2 and 0.25, at most 60 steps, patience 5 at 1e-4, fallback to Null"
    );
    let null =
        "no biactive coordinate; 60 normalized steps of length 0.1 (NBA), what Sparse-HO does".to_string();
    vec![("NTRBA", ntrba), ("Null", null)]
}
