//! Outer methods: they minimize an objective Φ(θ) of which they see only values, (sub)gradients and error bounds.
//!
//! | method | for | file |
//! |---|---|---|
//! | [`ScalarSearch`] | one parameter, globally | `scalar.rs`, `bracket.rs` |
//! | [`Lbfgs`] | few parameters, or many and smooth | `lbfgs.rs`, `line_search.rs` |
//! | [`Ntrba`] | many parameters with kinks: trust region | `ntrba.rs` |
//! | [`GaussNewton`] | many parameters, from second derivatives | `gauss_newton.rs` |
//! | [`Nba`] | many parameters with kinks: plain subgradient steps | `nba.rs` |
//! | [`Grid`] | one or two parameters, the baseline | `grid.rs` |
//! | [`Continuation`] | any of them on a smoothed objective, for comparison | `continuation.rs` |
//!
//! All of them keep θ inside the box of [`Objective::bounds`], start with loose lower-level solves and tighten them as the decreases that
//! they judge by become smaller (`accuracy.rs`), tell a [`Monitor`] about every step, and return the best point they have seen.
//!
//! # Example
//! |θ₁| + ½(θ₂ − 3)² with θ₂ ≤ 2: the minimum ½ lies on a kink and on a bound.
//! ```
//! use bilevel::outer::{Evaluation, Lbfgs, Objective, OuterOptimizer, Request, Unwatched};
//!
//! struct Kinked;
//! impl Objective for Kinked {
//!     fn n_parameters(&self) -> usize {
//!         2
//!     }
//!     fn bounds(&self) -> (Vec<f64>, Vec<f64>) {
//!         (vec![f64::NEG_INFINITY; 2], vec![f64::INFINITY, 2.0])
//!     }
//!     fn evaluate(&mut self, theta: &[f64], _: Request) -> bilevel::Result<Evaluation> {
//!         Ok(Evaluation {
//!             value: theta[0].abs() + 0.5 * (theta[1] - 3.0).powi(2),
//!             standard_error: 0.0,
//!             gradient: vec![theta[0].signum(), theta[1] - 3.0],
//!             gradient_error_bound: Some(0.0),
//!             relative_gap: 0.0,
//!             support_size: 0.0,
//!             biactive: 0,
//!         })
//!     }
//! }
//!
//! let result = Lbfgs::default().minimize(&mut Kinked, &[0.7, -1.0], &mut Unwatched)?;
//! assert!(result.evaluation.value < 0.5 + 1e-8);
//! # Ok::<(), bilevel::Error>(())
//! ```

mod accuracy;
mod bounds;
mod bracket;
mod bundle;
mod continuation;
mod gauss_newton;
mod grid;
mod lbfgs;
mod line_search;
mod nba;
mod ntrba;
mod scalar;
mod search;

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::hypergradient::Selection;

pub use accuracy::AccuracySchedule;
pub use bounds::Bounds;
pub use continuation::{Continuation, ContinuationStage, SmoothedObjective};
pub use gauss_newton::{GaussNewton, GaussNewtonSettings};
pub use grid::{Grid, GridResult, GridSettings};
pub use lbfgs::{Lbfgs, LbfgsSettings};
pub use nba::{Nba, NbaSettings, StepRule};
pub use ntrba::{Ntrba, NtrbaSettings};
pub use scalar::{CurveSample, EarlyStop, ScalarResult, ScalarSearch, ScalarSettings};

/// How exactly an evaluation is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// Largest duality gap of the lower level, relative to its objective at zero coefficients.
    pub relative_gap: f64,
    /// Largest residual of the adjoint system, relative to its right-hand side; 1 where no adjoint is wanted.
    pub adjoint_residual: f64,
}

impl Accuracy {
    /// As exact as double precision sensibly allows: relative gap 1e-10, adjoint residual 1e-12.
    pub const TIGHT: Self = Self { relative_gap: 1e-10, adjoint_residual: 1e-12 };
}

impl Default for Accuracy {
    fn default() -> Self {
        Self::TIGHT
    }
}

/// What an outer method asks of an objective.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Request {
    /// How exactly.
    pub accuracy: Accuracy,
    /// How biactive coordinates are told, and which of them enter the adjoint system.
    pub selection: Selection,
    /// Whether the hypergradient is wanted; without it [`Evaluation::gradient`] is empty.
    pub gradient: bool,
}

/// Φ(θ) and what is known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Φ(θ).
    pub value: f64,
    /// Standard error of the value over folds or samples, where there is one.
    pub standard_error: f64,
    /// ∇Φ(θ) or an element of its enlarged subdifferential, of θ's length; empty if it was not asked for.
    pub gradient: Vec<f64>,
    /// Bound on the Euclidean error of `gradient` that comes from inexact solves (DESIGN §2.4); `None` where nothing is known, or no gradient was
    /// asked for.
    pub gradient_error_bound: Option<f64>,
    /// Largest relative duality gap over the lower-level solutions.
    pub relative_gap: f64,
    /// Mean support size over folds (a whole number for one split).
    pub support_size: f64,
    /// How many coordinates were biactive, over all folds.
    pub biactive: usize,
}

/// A step that a quadratic model of Φ proposes.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelStep {
    /// Where it leads.
    pub theta: Vec<f64>,
    /// The decrease that the model expects.
    pub predicted: f64,
}

/// Φ(θ) with a (sub)gradient: all that an outer method sees.
pub trait Objective {
    /// Length of θ.
    fn n_parameters(&self) -> usize;

    /// Box constraints on θ: (lower, upper), each of θ's length; infinite where there is none.
    fn bounds(&self) -> (Vec<f64>, Vec<f64>);

    /// Evaluates Φ at `theta`. Asking again at the same `theta` (another policy, or the gradient) reuses the lower-level solutions.
    ///
    /// # Errors
    /// Any failure of the lower level or the adjoint system.
    fn evaluate(&mut self, theta: &[f64], request: Request) -> Result<Evaluation>;

    /// The step that minimizes a quadratic model of Φ at `theta` over a ball of `radius` and the box; `None` if there is no such model.
    ///
    /// # Errors
    /// As [`Objective::evaluate`].
    fn model_step(&mut self, _theta: &[f64], _request: Request, _radius: f64) -> Result<Option<ModelStep>> {
        Ok(None)
    }

    /// How far the value of `evaluation` may be from Φ(θ), because the lower level was solved inexactly.
    ///
    /// Outer methods accept a step only if the decrease it brings is larger than this. The default, `relative_gap`·|value|, is the scale of
    /// the error and not a bound; an objective that has a bound (DESIGN §2.4) gives that one instead.
    fn value_error(&self, evaluation: &Evaluation) -> f64 {
        evaluation.relative_gap * evaluation.value.abs()
    }
}

/// An outer method.
pub trait OuterOptimizer {
    /// Name for people and records: `ntrba`, `lbfgs`, ….
    fn name(&self) -> &'static str;

    /// Minimizes Φ over its box, beginning at the projection of `start` to the box.
    ///
    /// The answer is the best point seen, evaluated with its gradient at [`Accuracy::TIGHT`]; it is never worse than the start.
    ///
    /// # Errors
    /// [`crate::Error::InvalidData`] if `start` or the bounds do not fit the objective or Φ is not finite at the start;
    /// [`crate::Error::InvalidSetting`] for settings out of their range; and whatever the objective reports.
    fn minimize(
        &self,
        objective: &mut dyn Objective,
        start: &[f64],
        monitor: &mut dyn Monitor,
    ) -> Result<OuterResult>;
}

/// The answer of an outer method.
#[derive(Debug, Clone, PartialEq)]
pub struct OuterResult {
    /// The best θ seen.
    pub theta: Vec<f64>,
    /// Φ there, with its gradient, at [`Accuracy::TIGHT`].
    pub evaluation: Evaluation,
    /// Outer steps taken (accepted or not).
    pub steps: usize,
    /// Calls of [`Objective::evaluate`].
    pub evaluations: usize,
    /// Why the method ended.
    pub stop_reason: StopReason,
}

/// Where an outer method stands after a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress<'a> {
    /// Number of the step: 0 at the start, before any step was taken.
    pub step: usize,
    /// Calls of [`Objective::evaluate`] so far.
    pub evaluations: usize,
    /// The current point.
    pub theta: &'a [f64],
    /// Φ there.
    pub evaluation: &'a Evaluation,
    /// s‖P(θ−h/s)−θ‖ there, with P the projection to the box and s = |Φ(start)|; NaN if the method did not ask for the gradient.
    pub gradient_norm: f64,
    /// Trust radius or step length, where the method has one.
    pub radius: Option<f64>,
    /// Whether the step was accepted.
    pub accepted: bool,
}

/// Watches an outer method and may end it.
///
/// Every `FnMut(&Progress) -> ControlFlow<StopReason>` is a monitor.
pub trait Monitor {
    /// A step is complete. `Break` ends the method with the given reason; it returns its best point so far.
    fn step(&mut self, progress: &Progress<'_>) -> ControlFlow<StopReason>;
}

impl<F: FnMut(&Progress<'_>) -> ControlFlow<StopReason>> Monitor for F {
    fn step(&mut self, progress: &Progress<'_>) -> ControlFlow<StopReason> {
        self(progress)
    }
}

/// A monitor that never ends anything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Monitor for Unwatched {
    fn step(&mut self, _progress: &Progress<'_>) -> ControlFlow<StopReason> {
        ControlFlow::Continue(())
    }
}

/// Why an outer method ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopReason {
    /// The projected (sub)gradient is below the tolerance.
    Stationary,
    /// The trust radius or step fell below its smallest value.
    SmallStep,
    /// The value has not improved for `patience` steps.
    Plateau,
    /// All points of a search were evaluated and refined.
    SearchComplete,
    /// The largest number of outer steps was reached.
    MaxSteps,
    /// The time limit was reached.
    TimeLimit,
    /// The observer asked to stop.
    Cancelled,
}

/// One outer step, as observers and traces see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Name of the stage of the climb (`scalar`, `adaptive`, `feature`, …).
    pub stage: String,
    /// Number of the step within its stage, from 0.
    pub step: usize,
    /// Evaluations of Φ so far in this stage.
    pub evaluations: usize,
    /// Φ at the current point.
    #[serde(with = "crate::serde_float")]
    pub value: f64,
    /// Its standard error.
    #[serde(with = "crate::serde_float")]
    pub standard_error: f64,
    /// Euclidean norm of the projected hypergradient.
    #[serde(with = "crate::serde_float")]
    pub gradient_norm: f64,
    /// Bound on the hypergradient's error; +∞ where it is unknown.
    #[serde(with = "crate::serde_float")]
    pub gradient_error_bound: f64,
    /// Mean support size.
    pub support_size: f64,
    /// Trust radius or step length, where the method has one.
    pub radius: Option<f64>,
    /// The λ at this step where there is one λ.
    pub lambda: Option<f64>,
    /// Relative duality gap of the lower level.
    #[serde(with = "crate::serde_float")]
    pub relative_gap: f64,
    /// Biactive coordinates.
    pub biactive: usize,
    /// Whether the step was accepted.
    pub accepted: bool,
    /// Seconds since the fit began.
    pub seconds: f64,
}
