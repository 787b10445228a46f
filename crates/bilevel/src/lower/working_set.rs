//! The working-set prox-Newton solver of the sparse generalized linear model.
//!
//! ```text
//! repeat   correlations Aᵀ(s∘f'), duality gap                                  one pass over the matrix
//!          working set = support + the blocks that violate their condition most
//!          repeat   quadratic model of the loss on the working set
//!                   minimize model + penalty                                  coordinate descent, then Newton on the support
//!                   line search                                               squared loss: the full step is exact
//! until    the gap is small
//! ```
//!
//! The working set doubles with the support, so that work is proportional to the support and not to p. On a working set that is small next to the
//! data the model holds its Hessian (Gram) matrix; on a large one it works through the columns.
//!
//! Sources: Massias, Gramfort, Salmon, "Celer", ICML 2018 (working sets by violation, doubling); Lee, Sun, Saunders, "Proximal Newton-type
//! methods", SIAM J. Optim. 24 (2014).

mod newton;

use std::sync::PoisonError;

use crate::design::DesignMatrix;
use crate::loss::Loss;
use crate::penalty::Penalty;
use crate::{Error, Result};

use super::{
    Hyperparameters, Solution, SparseGlm,
    gram_cache::{GramCache, capacity},
};

const MAX_WORKING_SETS: usize = 100;
const SMALLEST_WORKING_SET: usize = 32;
/// Tolerances up to this ask for coefficients as exact as they get, beyond what the gap shows.
const EXACT: f64 = 1e-8;
/// Without a ridge, zero blocks whose gradient reaches this fraction of their weight may enter the working set.
const NEARLY_VIOLATED: f64 = 0.95;
/// Factor between the weights of a cold start's rough solutions.
const CONTINUATION: f64 = 4.0;
/// Solves to a relative duality gap of `tolerance`, or as near as rounding allows.
pub(super) fn solve<D: DesignMatrix, L: Loss, P: Penalty>(
    problem: &SparseGlm<'_, D, L, P>,
    hyperparameters: &Hyperparameters,
    start: Option<Solution>,
    tolerance: f64,
) -> Result<Solution> {
    let (n, p) = (problem.design.n_rows(), problem.design.n_columns());
    let fits = |start: &Solution| start.coefficients.len() == p && start.predictor.len() == n;
    let start = start.filter(fits).unwrap_or_else(|| continuation(problem, hyperparameters));
    let solution = descend(problem, hyperparameters, start, tolerance);
    // A gap of 1e-3 of the null objective is no solution at all; anything better is returned with its gap.
    if solution.relative_gap.is_nan() || solution.relative_gap > tolerance.max(1e-3) {
        return Err(Error::LowerLevel {
            iterations: solution.iterations,
            gap: solution.relative_gap,
            tolerance,
        });
    }
    Ok(solution)
}

/// A start without a better one: rough solutions for larger weights, on the way down from where all coefficients are zero.
fn continuation<D: DesignMatrix, L: Loss, P: Penalty>(
    problem: &SparseGlm<'_, D, L, P>,
    hyperparameters: &Hyperparameters,
) -> Solution {
    let mut start = problem.start_from_null();
    let ratio = problem.lambda_max_from(&start, &hyperparameters.lambda);
    let steps = (ratio.ln() / CONTINUATION.ln()).floor();
    if !(1.0..100.0).contains(&steps) {
        return start;
    }
    let mut scale = CONTINUATION.powf(steps);
    while scale > 1.5 {
        let lambda = hyperparameters.lambda.iter().map(|l| scale * l).collect();
        let larger = Hyperparameters { lambda, ridge: hyperparameters.ridge };
        start = descend(problem, &larger, start, 1e-2);
        scale /= CONTINUATION;
    }
    start
}

fn descend<D: DesignMatrix, L: Loss, P: Penalty>(
    problem: &SparseGlm<'_, D, L, P>,
    hyperparameters: &Hyperparameters,
    start: Solution,
    tolerance: f64,
) -> Solution {
    let mut state = State::new(problem, hyperparameters, start, tolerance);
    state.measure();
    let mut best = Progress { objective: f64::INFINITY, gap: f64::INFINITY, violation: f64::INFINITY };
    let mut stalled = 0;
    let mut sharpen = 1.0;
    let mut last_working_set: Vec<usize> = Vec::new();
    // The gap is of second order in the violation where a ridge makes the problem strongly convex: a gap within a tight tolerance alone would
    // leave coefficients with an error of its square root.
    let exact = state.is_exact || hyperparameters.ridge > 0.0;
    while (state.solution.relative_gap > tolerance || exact && state.violation > state.goal(tolerance))
        && state.solution.iterations < MAX_WORKING_SETS
    {
        state.solution.iterations += 1;
        let working_set = state.working_set();
        let target = state.inner_target(tolerance) * sharpen;
        state.solve_on(&working_set, target);
        state.measure();
        // Progress by less than a third means that the inner problem was solved too loosely, or that rounding is reached; not so while blocks
        // still enter the working set (its problem was another one), nor while the objective falls: it does long before the gap follows.
        let entered = working_set.iter().any(|g| last_working_set.binary_search(g).is_err());
        last_working_set = working_set;
        let now = Progress {
            objective: state.solution.objective,
            gap: state.solution.relative_gap,
            violation: state.violation,
        };
        let descends =
            best.objective - now.objective > 0.01 * state.solution.gap + 1e-15 * now.objective.abs();
        if !descends && now.gap > 0.3 * best.gap && now.violation > 0.3 * best.violation {
            if now.gap <= tolerance.max(1e-13) {
                break;
            }
            if !entered {
                sharpen *= 0.03;
                stalled += 1;
            }
            if stalled >= 5 {
                break;
            }
        } else {
            stalled = 0;
        }
        best = Progress {
            objective: best.objective.min(now.objective),
            gap: best.gap.min(now.gap),
            violation: best.violation.min(now.violation),
        };
    }
    state.solution
}

/// What an iteration is judged by.
struct Progress {
    objective: f64,
    gap: f64,
    violation: f64,
}

struct State<'s, 'a, D, L, P> {
    problem: &'s SparseGlm<'a, D, L, P>,
    hyperparameters: &'s Hyperparameters,
    solution: Solution,
    /// Largest violation of a block's condition, in units of the gradient.
    violation: f64,
    /// Floor under f'' in the quadratic model; 0 unless a step has overshot.
    damping: f64,
    /// Whether an exact solution is asked for, see [`EXACT`].
    is_exact: bool,
}

impl<'s, 'a, D: DesignMatrix, L: Loss, P: Penalty> State<'s, 'a, D, L, P> {
    fn new(
        problem: &'s SparseGlm<'a, D, L, P>,
        hyperparameters: &'s Hyperparameters,
        mut solution: Solution,
        tolerance: f64,
    ) -> Self {
        solution.iterations = 0;
        let is_exact = tolerance <= EXACT;
        let violation = f64::INFINITY;
        let mut state = Self { problem, hyperparameters, solution, violation, damping: 0.0, is_exact };
        state.drop_excluded();
        state
    }

    /// Coefficients of excluded blocks (λ = +∞) go to zero.
    fn drop_excluded(&mut self) {
        let blocks = self.problem.penalty.blocks();
        let mut moved = false;
        for g in (0..blocks.len()).filter(|&g| self.hyperparameters.lambda[g] == f64::INFINITY) {
            for &j in blocks.members(g) {
                let y = std::mem::take(&mut self.solution.coefficients[j as usize]);
                if y != 0.0 {
                    self.problem.design.column_axpy(j as usize, -y, &mut self.solution.predictor);
                    moved = true;
                }
            }
        }
        if moved {
            self.refresh();
        }
    }

    /// Recomputes intercept and correlations from the predictor; where the loss is squared and all products of columns are held, the correlations from
    /// the coefficients.
    fn refresh(&mut self) {
        let problem = self.problem;
        if problem.intercept {
            self.solution.intercept += problem.optimal_shift(&mut self.solution.predictor);
        }
        let slopes = problem.slopes(&self.solution.predictor);
        match self.correlations_from_products() {
            Some(correlations) => {
                self.solution.correlations = correlations;
                problem.drop_rounding(&slopes, &mut self.solution.correlations);
            }
            None => problem.correlations_into(&slopes, &mut self.solution.correlations),
        }
    }

    /// The correlations, if they follow from products that are held, or will be from now on because they pay. The last digits are those of the
    /// correlations at zero: not enough for who asks for an exact solution.
    fn correlations_from_products(&self) -> Option<Vec<f64>> {
        let problem = self.problem;
        if L::MAX_THIRD_DERIVATIVE > 0.0 || self.is_exact {
            return None;
        }
        let lock = || problem.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if lock().has_paid_for_all(problem.design) {
            let at_zero = problem.start_from_null().correlations;
            // Neither is computed under the lock: both work with all threads, and a task that one of them takes up meanwhile may want it.
            let weights = problem.curvatures(&self.solution.predictor);
            let whole = GramCache::whole(problem.design, &weights, problem.intercept, at_zero);
            *lock() = whole;
        }
        lock().correlations(&self.solution.coefficients)
    }

    /// Objective, gap, and the violations of zero blocks (also of those that no working set has held) at the current point.
    fn measure(&mut self) {
        let solution = &self.solution;
        let objective =
            self.problem.objective(self.hyperparameters, &solution.coefficients, &solution.predictor);
        self.solution.objective = objective;
        self.solution.gap = self.problem.gap(self.hyperparameters, &self.solution);
        self.solution.relative_gap = self.solution.gap / self.problem.null_model().objective;
        self.violation = self.violation.max(self.violation_at_zero());
    }

    /// By how much the gradient of a zero block exceeds its weight, at most.
    fn violation_at_zero(&self) -> f64 {
        let (blocks, mut block) = (self.problem.penalty.blocks(), Vec::new());
        let mut largest = 0.0_f64;
        for (g, &lambda) in self.hyperparameters.lambda.iter().enumerate().filter(|(_, l)| l.is_finite()) {
            if blocks.members(g).iter().all(|&j| self.solution.coefficients[j as usize] == 0.0) {
                blocks.gather(g, &self.solution.correlations, &mut block);
                largest = largest.max(self.problem.penalty.dual_norm(&block) - lambda);
            }
        }
        largest
    }

    /// The violation, in units of the gradient, at which the inner solve may rest: what the final gap needs, or a fraction of what is
    /// violated now if that is more (early working sets are not worth solving exactly).
    fn inner_target(&self, tolerance: f64) -> f64 {
        self.goal(tolerance).max(1e-4 * self.solution.gap / self.coefficient_scale())
    }

    /// The violation that a relative gap of `tolerance` needs. Who asks for exact coefficients is also given eight digits of the weights, which a tiny
    /// gap does not promise where the weights are tiny: on separable classes, say.
    fn goal(&self, tolerance: f64) -> f64 {
        // The bound violation·‖y‖₁ is seldom reached; a loose tolerance that it misses is sharpened in the next round.
        let part = if tolerance > EXACT { 0.3 } else { 0.1 };
        let of_gap = part * tolerance * self.problem.null_model().objective / self.coefficient_scale();
        if tolerance > EXACT {
            return of_gap;
        }
        let finite = self.hyperparameters.lambda.iter().filter(|l| l.is_finite());
        let largest = finite.fold(0.0_f64, |m, l| m.max(*l));
        if largest > 0.0 { of_gap.min(1e-8 * largest) } else { of_gap }
    }

    /// ‖y‖₁, which turns a violation into a gap; where y = 0, what objective and gradient imply about its size.
    fn coefficient_scale(&self) -> f64 {
        let l1: f64 = self.solution.coefficients.iter().map(|y| y.abs()).sum();
        let null = self.problem.null_model();
        l1.max(null.objective / self.problem.largest_correlation().max(f64::MIN_POSITIVE))
    }

    /// Blocks of the support, unpenalized blocks, and the worst violators (as many as there are active blocks, at least 32).
    fn working_set(&self) -> Vec<usize> {
        let blocks = self.problem.penalty.blocks();
        let ridge = self.hyperparameters.ridge;
        let mut block = Vec::new();
        let mut set = Vec::new();
        let mut candidates: Vec<(f64, usize)> = Vec::new();
        for g in 0..blocks.len() {
            let lambda = self.hyperparameters.lambda[g];
            if lambda == f64::INFINITY {
                continue;
            }
            let active = blocks.members(g).iter().any(|&j| self.solution.coefficients[j as usize] != 0.0);
            if active || lambda == 0.0 {
                set.push(g);
                continue;
            }
            // y_g = 0 here, so the ridge adds nothing to the gradient.
            blocks.gather(g, &self.solution.correlations, &mut block);
            let ratio = self.problem.penalty.dual_norm(&block) / lambda;
            if ratio > if ridge > 0.0 { 1.0 } else { NEARLY_VIOLATED } {
                candidates.push((ratio, g));
            }
        }
        let room = self.room(set.len());
        if candidates.len() > room {
            candidates.select_nth_unstable_by(room, |a, b| b.0.total_cmp(&a.0));
            candidates.truncate(room);
        }
        set.extend(candidates.iter().map(|c| c.1));
        set.sort_unstable();
        set
    }

    /// How many violators may join so many blocks: as many, but no more than products can be held for, unless that leaves next to none.
    fn room(&self, active: usize) -> usize {
        let room = active.max(SMALLEST_WORKING_SET);
        let left = capacity(self.problem.design).saturating_sub(active);
        if left >= SMALLEST_WORKING_SET { room.min(left) } else { room }
    }
}
