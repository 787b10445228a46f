//! Newton's method for the quadratic penalty: one step for the squared loss, a few, shortened until P falls, for others.
//!
//! The intercept is at its minimizer throughout. A step for the squared loss is exact up to what the factor's rounding leaves; the next one, from
//! the gradient there, removes that.
//!
//! Where systems are solved by products that pass over rows, all else does too: a step takes one product with its direction, by which the predictor
//! moves on the training rows alone, and the predictor of the other rows is found at the end.

use std::sync::Arc;

use crate::design::DesignMatrix;
use crate::loss::Loss;
use crate::outer::Accuracy;
use crate::{Error, Result};

use super::super::{RowMajor, Solution};
use super::{Context, dot};

const MAX_STEPS: usize = 100;
/// Tolerances up to this ask for coefficients as exact as they get: the gap is of second order in them, and below [`ROUNDING`] they are.
const EXACT: f64 = 1e-8;
const ROUNDING: f64 = 1e-26;
/// The same by products, which are spent for every digit: what a step with the smallest residual makes of a gap of 1e-12.
const EXACT_BY_PRODUCTS: f64 = 1e-24;
/// The same where no adjoint follows, whose error bound lives on such digits: this part of the tolerance.
const SOLVED_BY_PRODUCTS: f64 = 1e-6;
/// Part of the wanted residual that a step by products aims at: a little less than the model promises must be enough.
const AIM: f64 = 0.3;
/// How far the slopes may be from cancelling, as part of their magnitudes, where not everything is to be as exact as it gets. The objective is of second
/// order in it.
const LOOSE_SHIFT: f64 = 1e-9;
/// Steps without progress after which rounding is reached.
const PATIENCE: usize = 2;
/// A gap above this fraction of the smallest so far is no progress.
const PROGRESS: f64 = 0.5;
/// Fraction of the predicted decrease that a step must bring.
const SUFFICIENT: f64 = 1e-4;
/// The same where the step is longer than the model can be expected to hold: half of what the model says.
const AS_PROMISED: f64 = 0.25;
const SMALLEST_STEP: f64 = 1e-8;
/// Largest change of a predictor in one step, in units of the loss: a logistic curvature changes by a factor of up to e for each unit, and where classes can be separated a full
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
    let mut state = State::new(context, start, tolerance);
    let mut best_gap = f64::INFINITY;
    let mut stalled = 0;
    for step in 1..=MAX_STEPS {
        let gap = state.solution.relative_gap;
        let wanted = tolerance.min(OF_OBJECTIVE * of_null(state.solution.objective));
        let target = match &state.rows {
            _ if tolerance > EXACT => wanted,
            Some(_) if accuracy.adjoint_residual >= 1.0 => SOLVED_BY_PRODUCTS * tolerance,
            Some(_) => EXACT_BY_PRODUCTS,
            None => ROUNDING,
        };
        // A start that happens to be good enough for a loose tolerance still has the λ before in its coefficients of little curvature: one step at
        // least.
        if gap <= ROUNDING || gap <= target && (step > 1 || tolerance <= EXACT) || stalled >= PATIENCE {
            break;
        }
        best_gap = best_gap.min(gap);
        let Some(fell) = state.step(target) else { break };
        state.solution.iterations = step;
        let nears = state.solution.relative_gap < PROGRESS * best_gap;
        stalled = if fell || nears { 0 } else { stalled + 1 };
    }
    let solution = state.finish();
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

/// What a step does to the predictor.
struct Change {
    /// Ãd: without its mean, weighted by the curvatures, which the intercept takes up.
    centered: Vec<f64>,
    mean: f64,
}

struct State<'c, 's, 'a, D, L> {
    context: &'c Context<'s, 'a, D, L>,
    /// All columns by rows, where systems are solved by products.
    rows: Option<Arc<RowMajor>>,
    /// How far the slopes may be from cancelling, by rows.
    shift_tolerance: f64,
    /// y, local.
    y: Vec<f64>,
    /// ∇P, local.
    gradient: Vec<f64>,
    solution: Solution,
}

impl<'c, 's, 'a, D: DesignMatrix, L: Loss> State<'c, 's, 'a, D, L> {
    /// At the start, or at the model without features where that is better: the solution at a λ that is far smaller is.
    fn new(context: &'c Context<'s, 'a, D, L>, start: Option<Solution>, tolerance: f64) -> Self {
        let glm = &context.problem.glm;
        let (n, p) = (glm.design.n_rows(), glm.design.n_columns());
        let fits = |start: &Solution| start.coefficients.len() == p && start.predictor.len() == n;
        let start = start.filter(fits).unwrap_or_else(|| glm.start_from_null());
        let y = context.local(&start.coefficients);
        let shift_tolerance = if tolerance > EXACT { LOOSE_SHIFT } else { 1e-15 };
        let rows = context.rows_of_products();
        let mut state = Self { context, rows, shift_tolerance, solution: start, y, gradient: Vec::new() };
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
        let glm = &self.context.problem.glm;
        let intercept = if glm.intercept { self.solution.intercept } else { 0.0 };
        if let Some(rows) = &self.rows {
            let mut predictor = vec![0.0; self.solution.predictor.len()];
            rows.forward_into(y, &mut predictor);
            predictor.iter_mut().for_each(|z| *z += intercept);
            return self.evaluate_by_rows(rows, y, predictor, intercept);
        }
        glm.evaluate(self.context.full(y), intercept, self.context.penalty(y))
    }

    fn evaluate_by_rows(&self, rows: &RowMajor, y: &[f64], predictor: Vec<f64>, intercept: f64) -> Solution {
        let penalty = self.context.penalty(y);
        let at = (predictor, intercept);
        self.context.problem.glm.evaluate_by_rows(rows, y.to_vec(), at, penalty, self.shift_tolerance)
    }

    /// The point y, reached by t times a change of the predictor.
    fn evaluate_along(&self, y: &[f64], change: &Change, t: f64) -> Solution {
        let Some(rows) = &self.rows else {
            return self.evaluate(y);
        };
        let moved = self.solution.predictor.iter().zip(&change.centered).map(|(z, dz)| z + t * dz).collect();
        self.evaluate_by_rows(rows, y, moved, self.solution.intercept - t * change.mean)
    }

    /// The solution with its predictor on all rows.
    fn finish(self) -> Solution {
        let mut solution = self.solution;
        if self.rows.is_some() {
            self.context.problem.glm.design.product_into(&solution.coefficients, &mut solution.predictor);
            solution.predictor.iter_mut().for_each(|z| *z += solution.intercept);
        }
        solution
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

    /// How the predictor changes along a direction, where anybody asks.
    fn change(&self, direction: &[f64], curvatures: &[f64]) -> Change {
        let glm = &self.context.problem.glm;
        let mut centered = vec![0.0; curvatures.len()];
        match &self.rows {
            Some(rows) => rows.forward_into(direction, &mut centered),
            None if L::MAX_THIRD_DERIVATIVE == 0.0 => return Change { centered, mean: 0.0 },
            None => glm.design.product_into(&self.context.full(direction), &mut centered),
        }
        let mean = dot(&centered, curvatures) * glm.curvature(curvatures).inverse_total();
        centered.iter_mut().for_each(|z| *z -= mean);
        Change { centered, mean }
    }

    /// The largest t ≤ 1 at which no sample's predictor moves by more than [`LONGEST_MOVE`]; 1 for the squared loss, whose model holds everywhere.
    fn longest_step(&self, change: &Change) -> f64 {
        if L::MAX_THIRD_DERIVATIVE == 0.0 {
            return 1.0;
        }
        let trained = change.centered.iter().zip(self.context.problem.glm.sample_weights);
        let longest = trained.filter(|(_, s)| **s > 0.0).map(|(z, _)| z.abs()).fold(0.0, f64::max);
        let largest = LONGEST_MOVE * self.context.problem.glm.loss.unit();
        if longest > largest { largest / longest } else { 1.0 }
    }

    /// Relative residual of Newton's system that brings the gap to the target, if the model holds, or as far as the model can be expected to hold.
    fn residual(&self, target: f64) -> f64 {
        let gap = self.solution.relative_gap;
        let enough = if self.rows.is_some() { AIM * (target / gap).sqrt() } else { 0.0 };
        gap.sqrt().max(enough).clamp(NEWTON_RESIDUAL.1, NEWTON_RESIDUAL.0)
    }

    /// A step along Newton's direction; where that is shortened or none, and the loss has majorants, the step to their minimizer if it leads lower: far
    /// from the solution curvatures may vanish long before slopes do. Says whether P fell by more than rounding; `None` if there is no step.
    fn step(&mut self, target: f64) -> Option<bool> {
        let glm = &self.context.problem.glm;
        let mut found = self.along(&glm.curvatures(&self.solution.predictor), target);
        if found.as_ref().is_none_or(|trial| trial.t < 1.0) {
            let majorants = glm.majorants(&self.solution.predictor);
            let other = majorants.and_then(|bends| self.along(&bends, target));
            found =
                [found, other].into_iter().flatten().min_by(|a, b| a.objective().total_cmp(&b.objective()));
        }
        let Trial { y, solution, .. } = found?;
        let fell = self.solution.objective - solution.objective > self.rounding();
        let iterations = self.solution.iterations;
        self.y = y;
        self.solution = Solution { iterations, ..solution };
        self.measure();
        Some(fell)
    }

    /// What P is known to: near the solution decreases drown in it, and the full step is right. Columns far from zero make the intercept large, and
    /// the predictor inherits its rounding.
    fn rounding(&self) -> f64 {
        let solution = &self.solution;
        let slopes: f64 = self.context.problem.glm.slopes(&solution.predictor).iter().map(|s| s.abs()).sum();
        8.0 * f64::EPSILON * (solution.objective.abs() + solution.intercept.abs() * slopes)
    }

    /// The first of t = 1, τ, τ/2, … at which P falls enough along the direction that these curvatures give, τ ≤ ½ being the longest step on which the
    /// model can be expected to hold; a full step beyond it must keep what the model promised.
    fn along(&self, curvatures: &[f64], target: f64) -> Option<Trial> {
        let direction = self.context.system(curvatures).descent(&self.gradient, self.residual(target))?;
        let change = self.change(&direction, curvatures);
        let longest = self.longest_step(&change);
        let (before, decrement) = (self.solution.objective, -dot(&self.gradient, &direction));
        let rounding = self.rounding();
        let mut t = 1.0;
        while t >= SMALLEST_STEP {
            let y: Vec<f64> = self.y.iter().zip(&direction).map(|(y, d)| y + t * d).collect();
            let solution = self.evaluate_along(&y, &change, t);
            let sufficient = if t > longest { AS_PROMISED } else { SUFFICIENT };
            if solution.objective <= before - sufficient * t * decrement + rounding {
                return Some(Trial { t, y, solution });
            }
            t = longest.min(0.5 * t);
        }
        None
    }
}

/// A point that a step may lead to.
struct Trial {
    t: f64,
    y: Vec<f64>,
    solution: Solution,
}

impl Trial {
    fn objective(&self) -> f64 {
        self.solution.objective
    }
}
