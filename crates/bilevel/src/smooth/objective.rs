//! Φ(λ) = L(y*(λ), λ) of a smooth problem, as the outer methods see it.

use super::{SmoothProblem, SmoothSolution, SmoothStatus, SolveSettings, check_vector, norm, solve};
use crate::hypergradient::smooth::{HypergradientMethod, Implicit};
use crate::outer::{Evaluation, Objective, Request};
use crate::{Error, Result};

/// A lower level whose stationarity is within this of what was asked counts as solved when rounding stops the solver.
const ROUNDING: f64 = 1e-8;

/// The outer methods' view of a [`SmoothProblem`]: solves the lower level (warm-started from the last λ) and differentiates it, or unrolls an iteration.
///
/// The lower level is solved to ‖∇_yF‖ ≤ `relative_gap`·(1 + ‖∇_yF(0, λ)‖), with `relative_gap` from the outer method's request.
pub struct SmoothObjective<'a> {
    problem: &'a dyn SmoothProblem,
    lower: Lower<'a>,
    bounds: (Vec<f64>, Vec<f64>),
    /// Where the first solve starts.
    start: Vec<f64>,
    last: Option<Last>,
}

/// How Φ follows from the problem.
enum Lower<'a> {
    /// y*(λ), differentiated at the solution.
    Solved { settings: SolveSettings, method: Method<'a> },
    /// y_T from a fixed start, differentiated through its steps.
    Unrolled { method: &'a dyn HypergradientMethod, start: Vec<f64> },
}

/// The default keeps its adjoint for the next solve.
enum Method<'a> {
    Implicit(Implicit),
    Given(&'a dyn HypergradientMethod),
}

/// The last evaluation's solution.
struct Last {
    theta: Vec<f64>,
    tolerance: f64,
    solution: SmoothSolution,
    value_error: f64,
}

impl<'a> SmoothObjective<'a> {
    /// Φ(λ) = L(y*(λ), λ), with [`Implicit`] hypergradients; λ is unbounded.
    pub fn new(problem: &'a dyn SmoothProblem) -> Self {
        let lower = Lower::Solved {
            settings: SolveSettings::default(),
            method: Method::Implicit(Implicit::default()),
        };
        Self::on(problem, lower, problem.n_hyperparameters())
    }

    /// Φ(λ) = L(y_T(λ), λ): an unrolled method from `start`, with `hyperparameters` entries (the problem's, then the map's own).
    pub fn unrolled(
        problem: &'a dyn SmoothProblem,
        method: &'a dyn HypergradientMethod,
        start: Vec<f64>,
        hyperparameters: usize,
    ) -> Self {
        Self::on(problem, Lower::Unrolled { method, start }, hyperparameters)
    }

    fn on(problem: &'a dyn SmoothProblem, lower: Lower<'a>, hyperparameters: usize) -> Self {
        let bounds = (vec![f64::NEG_INFINITY; hyperparameters], vec![f64::INFINITY; hyperparameters]);
        Self { problem, lower, bounds, start: vec![0.0; problem.n_coefficients()], last: None }
    }

    /// With y from which the first λ is solved, in the place of 0; later ones start from the solution before. Nothing to an unrolled objective.
    ///
    /// # Errors
    /// [`Error::InvalidData`] if there is not one finite entry for each coefficient.
    pub fn with_start(mut self, start: Vec<f64>) -> Result<Self> {
        check_vector("start of the lower level", &start, self.start.len())?;
        self.start = start;
        Ok(self)
    }

    /// With a box.
    ///
    /// # Errors
    /// [`Error::InvalidData`] if the bounds have not one entry for each hyperparameter.
    pub fn with_bounds(mut self, lower: Vec<f64>, upper: Vec<f64>) -> Result<Self> {
        let expected = self.bounds.0.len();
        if (lower.len(), upper.len()) != (expected, expected) {
            let found = format!("{} and {} values", lower.len(), upper.len());
            return Err(Error::data("bounds of the hyperparameters", found, format!("{expected} each")));
        }
        self.bounds = (lower, upper);
        Ok(self)
    }

    /// With another solver of the lower level; its tolerance gives way to what outer methods ask for. Nothing to an unrolled objective.
    #[must_use]
    pub fn with_solver(mut self, solver: SolveSettings) -> Self {
        if let Lower::Solved { settings, .. } = &mut self.lower {
            *settings = solver;
        }
        self
    }

    /// With another way to differentiate at the solution. Nothing to an unrolled objective.
    #[must_use]
    pub fn with_method(mut self, given: &'a dyn HypergradientMethod) -> Self {
        if let Lower::Solved { method, .. } = &mut self.lower {
            *method = Method::Given(given);
        }
        self
    }

    /// The lower-level solution of the last evaluation, if the lower level is solved.
    pub fn solution(&self) -> Option<&SmoothSolution> {
        self.last.as_ref().map(|last| &last.solution)
    }

    /// Solves at `theta`, unless that was done as exactly before.
    fn settle(&mut self, theta: &[f64], relative: f64, settings: SolveSettings) -> Result<()> {
        let p = self.problem.n_coefficients();
        let mut at_zero = vec![0.0; p];
        self.problem.gradient_into(&vec![0.0; p], theta, &mut at_zero)?;
        check_vector("gradient of the lower level at y = 0, the scale of its accuracy", &at_zero, p)?;
        let tolerance = relative * (1.0 + norm(&at_zero));
        if self.last.as_ref().is_some_and(|l| l.theta == theta && l.tolerance <= tolerance) {
            return Ok(());
        }
        let start = self.last.as_ref().map_or(&self.start, |last| &last.solution.coefficients).clone();
        let solution = solve(self.problem, theta, &start, &SolveSettings { tolerance, ..settings })?;
        let nearly = ROUNDING * (1.0 + norm(&at_zero));
        if solution.status != SmoothStatus::Converged
            && (solution.gradient_norm.is_nan() || solution.gradient_norm > nearly)
        {
            return Err(Error::data(
                "gradient norm of the smooth lower level",
                format!("{:.1e} after {} steps", solution.gradient_norm, solution.steps),
                format!("at most {tolerance:.1e} (is it convex and bounded below?)"),
            ));
        }
        let value_error = self.value_error_at(theta, &solution)?;
        self.last = Some(Last { theta: theta.to_vec(), tolerance, solution, value_error });
        Ok(())
    }

    /// |∇_yLᵀ(y − y*)| = |qᵀ∇_yF| ≤ ‖q‖‖∇_yF‖ to first order, with the adjoint q of a λ nearby; before there is one, ‖q‖ ≤ ‖∇_yL‖/μ.
    fn value_error_at(&self, theta: &[f64], solution: &SmoothSolution) -> Result<f64> {
        if let Lower::Solved { method: Method::Implicit(Implicit { warm_start: Some(q), .. }), .. } =
            &self.lower
        {
            return Ok(norm(q) * solution.gradient_norm);
        }
        let mu = self.problem.constants(theta).strong_convexity.unwrap_or(1.0);
        let (mut by_y, mut by_lambda) = (vec![0.0; solution.coefficients.len()], vec![0.0; theta.len()]);
        self.problem.criterion_gradient_into(&solution.coefficients, theta, &mut by_y, &mut by_lambda)?;
        Ok(norm(&by_y) * solution.gradient_norm / mu)
    }

    fn evaluate_solved(
        &mut self,
        theta: &[f64],
        request: Request,
        settings: SolveSettings,
    ) -> Result<Evaluation> {
        self.settle(theta, request.accuracy.relative_gap, settings)?;
        let Some(last) = &self.last else { return Err(Error::Cancelled) };
        let y = &last.solution.coefficients;
        let mut evaluation = plain(0.0, y.len(), request.accuracy.relative_gap);
        if !request.gradient {
            evaluation.value = self.problem.criterion(y, theta)?;
            return Ok(evaluation);
        }
        let answer = match &self.lower {
            Lower::Solved { method: Method::Implicit(implicit), .. } => {
                let tolerance = request.accuracy.adjoint_residual;
                Implicit { tolerance, ..implicit.clone() }.hypergradient(self.problem, theta, y)?
            }
            Lower::Solved { method: Method::Given(method), .. } | Lower::Unrolled { method, .. } => {
                method.hypergradient(self.problem, theta, y)?
            }
        };
        if let Lower::Solved { method: Method::Implicit(implicit), .. } = &mut self.lower {
            implicit.warm_start = Some(answer.adjoint);
        }
        evaluation.value = answer.value;
        evaluation.gradient = answer.gradient;
        evaluation.gradient_error_bound = answer.error_bound.map(|bound| bound.value);
        Ok(evaluation)
    }
}

/// An evaluation without a gradient.
fn plain(value: f64, coefficients: usize, relative_gap: f64) -> Evaluation {
    Evaluation {
        value,
        standard_error: 0.0,
        gradient: Vec::new(),
        gradient_error_bound: None,
        relative_gap,
        support_size: coefficients as f64,
        biactive: 0,
    }
}

impl Objective for SmoothObjective<'_> {
    fn n_parameters(&self) -> usize {
        self.bounds.0.len()
    }

    fn bounds(&self) -> (Vec<f64>, Vec<f64>) {
        self.bounds.clone()
    }

    fn evaluate(&mut self, theta: &[f64], request: Request) -> Result<Evaluation> {
        check_vector("hyperparameters of the objective", theta, self.bounds.0.len())?;
        match &self.lower {
            Lower::Solved { settings, .. } => {
                let settings = *settings;
                self.evaluate_solved(theta, request, settings)
            }
            Lower::Unrolled { method, start } if request.gradient => {
                let answer = method.hypergradient(self.problem, theta, start)?;
                let (gradient, bound) = (answer.gradient, answer.error_bound.map(|bound| bound.value));
                let plain = plain(answer.value, start.len(), 0.0);
                Ok(Evaluation { gradient, gradient_error_bound: bound, ..plain })
            }
            Lower::Unrolled { method, start } => {
                Ok(plain(method.value(self.problem, theta, start)?.0, start.len(), 0.0))
            }
        }
    }

    fn value_error(&self, evaluation: &Evaluation) -> f64 {
        let rounding = 4.0 * f64::EPSILON * evaluation.value.abs();
        self.last.as_ref().map_or(0.0, |last| last.value_error).max(rounding)
    }
}
