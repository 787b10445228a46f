//! A primal-dual Newton method for the smoothed problem.
//!
//! Newton's method on P alone trusts the curvature λε²/r³, r = √(y²+ε²), of a coefficient far beyond where it holds: unless started within about ε of
//! the answer it throws coefficients back and forth across zero. The same equations with w = λy/r as a variable of its own, written
//! r w − λ y = 0 before they are linearized, are nearly linear (Chan, Golub, Mulet). Eliminating w leaves Newton's system with another diagonal,
//!
//! ```text
//! (AᵀDA + αI + diag((λ − w y/r)/r)) Δy = −∇P(y),     w + Δw = λ y/r + (λ − w y/r)/r Δy,     |w| ≤ λ,
//! ```
//!
//! which is positive definite, so that Δy descends; at the solution it is the Hessian. Steps are halved until P falls; the intercept is at
//! its minimizer throughout. Where columns depend on each other the system may have next to no curvature along a direction in which P falls: steps
//! of no use. Then w is shrunk to (1−τ)w in the matrix, up to τ = 1, which is the reweighted least-squares step: the parabola
//! r + (x²−y²)/2r lies nowhere below √(x²+ε²).

use crate::design::DesignMatrix;
use crate::loss::Loss;
use crate::outer::Accuracy;
use crate::{Error, Result};

use super::super::Solution;
use super::gap::duality_gap;
use super::{Context, dot};

const MAX_STEPS: usize = 200;
/// Tolerances up to this ask for coefficients as exact as they get: the gap is of second order in them.
const EXACT: f64 = 1e-8;
/// Steps without progress after which rounding is reached.
const PATIENCE: usize = 3;
/// Fraction of the predicted decrease that a step must bring.
const SUFFICIENT: f64 = 1e-4;
const SMALLEST_STEP: f64 = 1e-8;
/// A step cut below this asks for caution: τ = [`SMALLEST_CAUTION`], then [`MORE_CAUTION`] times as much; a longer one takes [`LESS_CAUTION`] of it.
const SHORT_STEP: f64 = 0.1;
const SMALLEST_CAUTION: f64 = 1e-6;
const MORE_CAUTION: f64 = 30.0;
const LESS_CAUTION: f64 = 0.1;
/// A decrement above this fraction of the smallest so far is no progress.
const PROGRESS: f64 = 0.9;
/// Relative residual of Newton's system where it is solved iteratively.
const NEWTON_RESIDUAL: f64 = 1e-6;

/// Solves to a relative duality gap of `accuracy`, or as near as rounding allows.
pub(super) fn solve<D: DesignMatrix, L: Loss>(
    context: &Context<'_, '_, D, L>,
    start: Option<Solution>,
    accuracy: Accuracy,
) -> Result<Solution> {
    let tolerance = accuracy.relative_gap;
    let mut state = State::new(context, start);
    let null_objective = context.problem.null_model().objective;
    let mut best_decrement = f64::INFINITY;
    let mut stalled = 0;
    for step in 1..=MAX_STEPS {
        let reached = state.solution.relative_gap <= tolerance;
        if reached && (tolerance > EXACT || stalled > 0) || stalled >= PATIENCE {
            break;
        }
        let before = state.solution.objective;
        let Some(decrement) = state.step() else { break };
        state.solution.iterations = step;
        let rounding = f64::EPSILON * (before.abs() + null_objective);
        let fell = before - state.solution.objective > 4.0 * rounding;
        let nears = decrement < PROGRESS * best_decrement && decrement > f64::EPSILON * rounding;
        stalled = if fell || nears { 0 } else { stalled + 1 };
        best_decrement = best_decrement.min(decrement);
    }
    let solution = state.solution;
    // As in the exact problem: a gap of 1e-3 of the null objective is no solution at all; anything better is returned with its gap.
    if solution.relative_gap.is_nan() || solution.relative_gap > tolerance.max(1e-3) {
        return Err(Error::LowerLevel {
            iterations: solution.iterations,
            gap: solution.relative_gap,
            tolerance,
        });
    }
    Ok(solution)
}

struct State<'c, 's, 'a, D, L> {
    context: &'c Context<'s, 'a, D, L>,
    /// y, local.
    y: Vec<f64>,
    /// w, local.
    dual: Vec<f64>,
    /// ∇P, local.
    gradient: Vec<f64>,
    /// τ.
    caution: f64,
    solution: Solution,
}

impl<'c, 's, 'a, D: DesignMatrix, L: Loss> State<'c, 's, 'a, D, L> {
    fn new(context: &'c Context<'s, 'a, D, L>, start: Option<Solution>) -> Self {
        let problem = context.problem;
        let (n, p) = (problem.design.n_rows(), problem.design.n_columns());
        let fits = |start: &Solution| start.coefficients.len() == p && start.predictor.len() == n;
        let start = start.filter(fits).unwrap_or_else(|| problem.start_from_null());
        let y = context.local(&start.coefficients);
        let solution = evaluate(context, &y, start.intercept);
        // At the solution w = −(c + αy); at a start with y = 0 that says which coefficients will leave zero.
        let multiplier = |(&j, &y): (&u32, &f64)| {
            let pull = solution.correlations[j as usize] + context.hyperparameters.ridge * y;
            (-pull).clamp(-context.lambda(j), context.lambda(j))
        };
        let dual = context.columns.iter().zip(&y).map(multiplier).collect();
        let mut state = Self { context, y, dual, gradient: Vec::new(), caution: 0.0, solution };
        state.measure();
        state
    }

    fn measure(&mut self) {
        self.gradient = self.context.gradient(&self.y, &self.solution.correlations);
        self.solution.gap = duality_gap(self.context, &self.solution);
        self.solution.relative_gap = self.solution.gap / self.context.problem.null_model().objective;
    }

    /// A step, with more caution if it has no use; returns the decrement −Δyᵀ∇P, `None` if nothing helps.
    fn step(&mut self) -> Option<f64> {
        loop {
            let taken = self.direction().and_then(|direction| {
                let decrement = -dot(&self.gradient, &direction);
                self.line_search(&direction, decrement).map(|t| (t, decrement))
            });
            let was_cautious = self.caution >= 1.0;
            let is_long = taken.is_some_and(|(t, _)| t >= SHORT_STEP);
            self.caution = match self.caution {
                tau if is_long && tau <= SMALLEST_CAUTION => 0.0,
                tau if is_long => LESS_CAUTION * tau,
                tau => (MORE_CAUTION * tau).clamp(SMALLEST_CAUTION, 1.0),
            };
            if taken.is_some() || was_cautious {
                return taken.map(|(_, decrement)| decrement);
            }
        }
    }

    /// (λ − v y/r)/r ≥ 0 for v = (1−τ)w.
    fn curvature(&self, k: usize, caution: f64) -> f64 {
        let (y, lambda) = (self.y[k], self.context.lambda(self.context.columns[k]));
        let r = self.context.radius(y);
        ((lambda - (1.0 - caution) * self.dual[k] * y / r) / r).max(0.0)
    }

    /// Δy.
    fn direction(&self) -> Option<Vec<f64>> {
        let curvatures = self.context.problem.curvatures(&self.solution.predictor);
        let added = (0..self.y.len()).map(|k| self.curvature(k, self.caution)).collect();
        self.context.system(&curvatures, added).descent(&self.gradient, NEWTON_RESIDUAL)
    }

    /// Moves to y + tΔy with the first t = 1, ½, ¼, … at which P falls enough, and returns t; `None` if there is none.
    fn line_search(&mut self, direction: &[f64], decrement: f64) -> Option<f64> {
        let before = self.solution.objective;
        // What P is known to: near the solution decreases drown in it, and the full step is right.
        let rounding = 8.0 * f64::EPSILON * before.abs();
        let mut t = 1.0;
        while t >= SMALLEST_STEP {
            let y: Vec<f64> = self.y.iter().zip(direction).map(|(y, d)| y + t * d).collect();
            let trial = evaluate(self.context, &y, self.solution.intercept);
            if trial.objective <= before - SUFFICIENT * t * decrement + rounding {
                self.move_dual(direction, t);
                self.y = y;
                let iterations = self.solution.iterations;
                self.solution = Solution { iterations, ..trial };
                self.measure();
                return Some(t);
            }
            t *= 0.5;
        }
        None
    }

    /// w ← w + tΔw, within ±λ.
    fn move_dual(&mut self, direction: &[f64], t: f64) {
        for (k, step) in direction.iter().enumerate() {
            let (y, lambda) = (self.y[k], self.context.lambda(self.context.columns[k]));
            let target = lambda * y / self.context.radius(y) + self.curvature(k, 0.0) * step;
            self.dual[k] = (self.dual[k] + t * (target - self.dual[k])).clamp(-lambda, lambda);
        }
    }
}

/// The point with local coefficients y and the best intercept, without its gap.
fn evaluate<D: DesignMatrix, L: Loss>(
    context: &Context<'_, '_, D, L>,
    y: &[f64],
    near_intercept: f64,
) -> Solution {
    context.problem.evaluate(context.full(y), near_intercept, context.penalty(y))
}
