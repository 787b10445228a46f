//! Newton's method for the quadratic penalty: one step for the squared loss, a few, shortened until P falls, for others.
//!
//! The intercept is at its minimizer throughout. A step for the squared loss is exact up to what the factor's rounding leaves; the next one, from
//! the gradient there, removes that.

use crate::design::DesignMatrix;
use crate::loss::Loss;
use crate::outer::Accuracy;
use crate::{Error, Result};

use super::super::Solution;
use super::{Context, dot};

const MAX_STEPS: usize = 100;
/// Tolerances up to this ask for coefficients as exact as they get: the gap is of second order in them, and below [`ROUNDING`] they are.
const EXACT: f64 = 1e-8;
const ROUNDING: f64 = 1e-26;
/// Steps without progress after which rounding is reached.
const PATIENCE: usize = 2;
/// A gap above this fraction of the smallest so far is no progress.
const PROGRESS: f64 = 0.5;
/// Fraction of the predicted decrease that a step must bring.
const SUFFICIENT: f64 = 1e-4;
/// The same where the step is longer than the model can be expected to hold: half of what the model says.
const AS_PROMISED: f64 = 0.25;
const SMALLEST_STEP: f64 = 1e-8;
/// Largest change of a predictor in one step: a logistic curvature changes by a factor of up to e for each unit, and where classes can be separated a full
/// step leads to where it vanishes.
const LONGEST_MOVE: f64 = 4.0;
/// Largest and smallest relative residual of Newton's system where it is solved iteratively: far from the solution a step is worth few products, near it the residual
/// follows the square root of the gap, with which Newton's method converges faster than linearly (Dembo, Eisenstat, Steihaug 1982).
const NEWTON_RESIDUAL: (f64, f64) = (0.1, 1e-6);
/// A gap is no larger than this part of the objective, which at a small λ is little beside that of the model without features.
const OF_OBJECTIVE: f64 = 1e-2;

/// Solves to a relative duality gap of `accuracy`, or as near as rounding allows.
pub(super) fn solve<D: DesignMatrix, L: Loss>(
    context: &Context<'_, '_, D, L>,
    start: Option<Solution>,
    accuracy: Accuracy,
) -> Result<Solution> {
    let tolerance = accuracy.relative_gap;
    let of_null = |objective: f64| objective / context.problem.glm.null_model().objective;
    let mut state = State::new(context, start);
    let mut best_gap = f64::INFINITY;
    let mut stalled = 0;
    for step in 1..=MAX_STEPS {
        let gap = state.solution.relative_gap;
        let wanted = tolerance.min(OF_OBJECTIVE * of_null(state.solution.objective));
        let target = if tolerance > EXACT { wanted } else { ROUNDING };
        // A start that happens to be good enough still has the λ before in its coefficients of little curvature: one step at least.
        if gap <= ROUNDING || gap <= target && step > 1 || stalled >= PATIENCE {
            break;
        }
        best_gap = best_gap.min(gap);
        let Some(fell) = state.step() else { break };
        state.solution.iterations = step;
        let nears = state.solution.relative_gap < PROGRESS * best_gap;
        stalled = if fell || nears { 0 } else { stalled + 1 };
    }
    let solution = state.solution;
    // As in the sparse problem: a gap of 1e-3 of the null objective is no solution at all; anything better is returned with its gap.
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
    /// ∇P, local.
    gradient: Vec<f64>,
    solution: Solution,
}

impl<'c, 's, 'a, D: DesignMatrix, L: Loss> State<'c, 's, 'a, D, L> {
    /// At the start, or at the model without features where that is better: the solution at a λ that is far smaller is.
    fn new(context: &'c Context<'s, 'a, D, L>, start: Option<Solution>) -> Self {
        let glm = &context.problem.glm;
        let (n, p) = (glm.design.n_rows(), glm.design.n_columns());
        let fits = |start: &Solution| start.coefficients.len() == p && start.predictor.len() == n;
        let start = start.filter(fits).unwrap_or_else(|| glm.start_from_null());
        let y = context.local(&start.coefficients);
        let mut state = Self { context, solution: start, y, gradient: Vec::new() };
        state.solution = state.evaluate(&state.y);
        if state.solution.objective > glm.null_model().objective {
            state.y.fill(0.0);
            state.solution = state.evaluate(&state.y);
        }
        state.measure();
        state
    }

    /// The point with local coefficients y and the best intercept.
    fn evaluate(&self, y: &[f64]) -> Solution {
        let full = self.context.full(y);
        self.context.problem.glm.evaluate(full, self.solution.intercept, self.context.penalty(y))
    }

    /// Gradient and gap. A coefficient that is free has no part in Σ (∇_jP)²/(2d_j); what it may still gain is bounded as in the sparse problem.
    fn measure(&mut self) {
        let (context, glm) = (self.context, &self.context.problem.glm);
        self.gradient = context.gradient(&self.y, &self.solution.correlations);
        let weighted = self.gradient.iter().zip(&context.local).filter(|(_, d)| **d > 0.0);
        let gap = weighted.map(|(g, d)| 0.5 * g * g / d).sum::<f64>()
            + glm.free_cost(&context.weights, &self.solution);
        self.solution.gap = gap;
        self.solution.relative_gap = gap / glm.null_model().objective;
    }

    /// The largest t ≤ 1 at which no sample's predictor moves by more than [`LONGEST_MOVE`]; 1 for the squared loss, whose model holds everywhere.
    fn longest_step(&self, direction: &[f64], curvatures: &[f64]) -> f64 {
        if L::MAX_THIRD_DERIVATIVE == 0.0 {
            return 1.0;
        }
        let glm = &self.context.problem.glm;
        let mut image = vec![0.0; curvatures.len()];
        glm.design.product_into(&self.context.full(direction), &mut image);
        let mean = dot(&image, curvatures) * glm.curvature(curvatures).inverse_total();
        let trained = image.iter().zip(glm.sample_weights).filter(|(_, s)| **s > 0.0);
        let longest = trained.map(|(z, _)| (z - mean).abs()).fold(0.0, f64::max);
        if longest > LONGEST_MOVE { LONGEST_MOVE / longest } else { 1.0 }
    }

    /// Moves along Newton's direction to the first of t = 1, τ, τ/2, … at which P falls enough, τ ≤ ½ being the longest step on which the model can be
    /// expected to hold; a full step beyond it must keep what the model promised. Says whether P fell by more than rounding; `None` if there is no
    /// such t.
    fn step(&mut self) -> Option<bool> {
        let glm = &self.context.problem.glm;
        let curvatures = glm.curvatures(&self.solution.predictor);
        let residual = self.solution.relative_gap.sqrt().clamp(NEWTON_RESIDUAL.1, NEWTON_RESIDUAL.0);
        let direction = self.context.system(&curvatures).descent(&self.gradient, residual)?;
        let longest = self.longest_step(&direction, &curvatures);
        let before = self.solution.objective;
        let decrement = -dot(&self.gradient, &direction);
        // What P is known to: near the solution decreases drown in it, and the full step is right. Columns far from zero make the intercept large, and
        // the predictor inherits its rounding.
        let slopes: f64 = glm.slopes(&self.solution.predictor).iter().map(|s| s.abs()).sum();
        let rounding = 8.0 * f64::EPSILON * (before.abs() + self.solution.intercept.abs() * slopes);
        let mut t = 1.0;
        while t >= SMALLEST_STEP {
            let y: Vec<f64> = self.y.iter().zip(&direction).map(|(y, d)| y + t * d).collect();
            let trial = self.evaluate(&y);
            let sufficient = if t > longest { AS_PROMISED } else { SUFFICIENT };
            if trial.objective <= before - sufficient * t * decrement + rounding {
                let fell = before - trial.objective > rounding;
                let iterations = self.solution.iterations;
                self.y = y;
                self.solution = Solution { iterations, ..trial };
                self.measure();
                return Some(fell);
            }
            t = longest.min(0.5 * t);
        }
        None
    }
}
