//! Block coordinate descent on a penalized convex quadratic, finished by Newton steps on the support.
//!
//! ```text
//! min_y  q(y) + Σ_g λ_g ρ(y_g),     q a convex quadratic given by its diagonal, gradient and updates
//! ```
//!
//! Coordinate descent finds the support; once it rests from one sweep to the next, the problem is smooth there, and a Newton step
//! (Cholesky where the model has its Hessian, conjugate gradients where not) lands on the minimizer of the face: exactly for ℓ1, where the face
//! problem is quadratic. A step that would cross a kink is cut there, and the block that reached zero leaves the support. Where that finish is dear, for large
//! supports and those with dependent columns, sweeps are extrapolated, and it is put off until it pays.

use crate::penalty::Penalty;

use super::PathEnd;
use super::extrapolation::Extrapolation;
use super::face::finish;

/// A convex quadratic in local coordinates 0..m, at a current point that it keeps itself.
pub trait QuadraticModel {
    /// ∂q/∂y_k at the current point.
    fn gradient(&self, k: usize) -> f64;
    /// ∂²q/∂y_k².
    fn diagonal(&self, k: usize) -> f64;
    /// Moves the current point: y_k += delta.
    fn update(&mut self, k: usize, delta: f64);
    /// Sweeps with a resting support that a Newton step on it should wait for: 1 where a factorization is cheap.
    fn sweeps_before_newton(&self) -> usize {
        1
    }
    /// What the exact finish on a support of that size costs, in rounds of sweeps: it is put off while fewer are to be expected. Default 0.
    fn finish_cost(&self, _active: usize) -> f64 {
        0.0
    }
    /// An upper bound on the rank of the Hessian; default: none. A support above it has dependent columns, which sweeps thin out for less than a finish does.
    fn rank(&self) -> usize {
        usize::MAX
    }
    /// Hessian of the coordinates in `free`, column major, where it is at hand.
    fn submatrix(&self, free: &[usize]) -> Option<Vec<f64>>;
    /// Follows the exact path to the minimizer with ℓ1 weights `lambda` for at most `max_events` changes of the support, where the Hessian is at hand: see
    /// [`PathEnd`]. `None`, with nothing done, where it is not.
    fn follow(&mut self, _lambda: &[f64], _y: &mut [f64], _max_events: usize) -> Option<PathEnd> {
        None
    }
    /// out = H_free,free v.
    fn product(&mut self, free: &[usize], v: &[f64], out: &mut [f64]);
}

/// Blocks in local coordinates: block g is `starts[g]..starts[g+1]`, with a bound on the largest eigenvalue of its Hessian.
#[derive(Debug, Clone)]
pub struct LocalBlocks {
    /// First coordinate of each block; one more element than blocks.
    pub starts: Vec<usize>,
    /// λ_g of each block.
    pub lambda: Vec<f64>,
    /// Upper bound on the largest eigenvalue of ∇²q on the block; 0 marks a block on which q is constant.
    pub lipschitz: Vec<f64>,
}

impl LocalBlocks {
    pub(super) fn len(&self) -> usize {
        self.lambda.len()
    }

    pub(super) fn range(&self, g: usize) -> std::ops::Range<usize> {
        self.starts[g]..self.starts[g + 1]
    }
}

/// When coordinate descent ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CdSettings {
    /// Largest violation of a block's optimality condition, in units of the gradient.
    pub tolerance: f64,
    /// Largest number of sweeps.
    pub max_sweeps: usize,
}

/// How coordinate descent ended.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CdOutcome {
    /// Sweeps over the blocks.
    pub sweeps: usize,
    /// Newton steps on the support.
    pub newton_steps: usize,
    /// Largest violation in the last sweep.
    pub violation: f64,
}

/// Minimizes the penalized quadratic from the point `y` (which must be the model's current point), in place.
pub fn coordinate_descent<M: QuadraticModel, P: Penalty>(
    model: &mut M,
    penalty: &P,
    blocks: &LocalBlocks,
    y: &mut [f64],
    settings: CdSettings,
) -> CdOutcome {
    let mut outcome = CdOutcome::default();
    let mut trial = Vec::new();
    // Rounding leaves a violation of a few units in the last place of the gradient; near that, ten sweeps without progress are the end.
    let scale = blocks.lambda.iter().filter(|l| l.is_finite()).fold(0.0_f64, |m, l| m.max(*l));
    let (mut best, mut best_at) = (f64::INFINITY, 0);
    let mut plan = Plan::new(settings.tolerance, settings.tolerance <= EXACT * scale);
    let mut extrapolation = Extrapolation::default();
    while outcome.sweeps < settings.max_sweeps {
        outcome.sweeps += 1;
        let sweep = sweep(model, penalty, blocks, 0..blocks.len(), y, &mut trial);
        let mut support_changed = sweep.support_changed;
        outcome.violation = sweep.violation;
        if outcome.violation < 0.5 * best {
            (best, best_at) = (outcome.violation, outcome.sweeps);
        }
        let at_rounding = outcome.violation <= 1e-11 * scale && outcome.sweeps > best_at + 10;
        if outcome.violation <= settings.tolerance || at_rounding {
            break;
        }
        // Zero blocks seldom move: a few sweeps over the others cost less and gain as much.
        let active: Vec<usize> =
            (0..blocks.len()).filter(|&g| blocks.range(g).any(|k| y[k] != 0.0)).collect();
        let accelerates = active.len() > model.rank() || model.finish_cost(active.len()) > CHEAP_FINISH;
        let mut extrapolate = |model: &mut M, y: &mut [f64], support_changed: bool| {
            if support_changed {
                extrapolation.restart();
            }
            if accelerates {
                extrapolation.after_sweep(model, penalty, blocks, y);
            }
        };
        extrapolate(model, y, support_changed);
        if 4 * active.len() < 3 * blocks.len() {
            for _ in 0..ACTIVE_SWEEPS {
                let rest = self::sweep(model, penalty, blocks, active.iter().copied(), y, &mut trial);
                support_changed |= rest.support_changed;
                extrapolate(model, y, rest.support_changed);
                if rest.violation <= settings.tolerance.max(0.1 * outcome.violation) {
                    break;
                }
            }
        }
        if plan.finishes(model, active.len(), outcome.violation, support_changed) {
            outcome.newton_steps += finish(model, penalty, blocks, y, settings.tolerance);
            extrapolation.restart();
        }
    }
    outcome
}

/// Decides when the exact finish is worth what it costs.
struct Plan {
    tolerance: f64,
    /// Who asks for nine digits is given all: the finish is exact, where sweeps end just below the tolerance.
    exact: bool,
    /// Rounds in which the support has not changed.
    resting: usize,
    /// Rounds since the last finish.
    rounds: usize,
    last_violation: f64,
    /// The violation before the last finish, until it is known what that gained.
    before_finish: Option<f64>,
    /// How many times as long to wait for the next finish: twice as long after each that gained less than a digit, for its support was not the right one.
    patience: usize,
}

impl Plan {
    fn new(tolerance: f64, exact: bool) -> Self {
        let last_violation = f64::INFINITY;
        Self { tolerance, exact, resting: 0, rounds: 0, last_violation, before_finish: None, patience: 1 }
    }

    /// After a round of sweeps that found the given violation, on `active` nonzero blocks.
    fn finishes<M: QuadraticModel>(
        &mut self,
        model: &M,
        active: usize,
        violation: f64,
        support_changed: bool,
    ) -> bool {
        if let Some(before) = self.before_finish.take() {
            self.patience = if violation > 0.1 * before { 2 * self.patience } else { 1 };
        }
        self.resting = if support_changed { 0 } else { self.resting + 1 };
        self.rounds += 1;
        let rounds_left = (violation / self.tolerance).ln() / (self.last_violation / violation).ln().max(0.0);
        self.last_violation = violation;
        let cost = model.finish_cost(active);
        let overfull = active > model.rank();
        let worth_it = !overfull && (self.exact || cost <= rounds_left);
        let rests = worth_it && self.resting >= self.patience * model.sweeps_before_newton();
        let crawling = if overfull { OVERFULL_ROUNDS } else { (10.0 * cost).max(CRAWLING_ROUNDS) };
        let crawls = self.rounds as f64 >= crawling * self.patience as f64;
        if rests || crawls {
            (self.resting, self.rounds, self.before_finish) = (0, 0, Some(violation));
        }
        rests || crawls
    }
}

/// Where the exact finish costs no more rounds of sweeps than this, they need no acceleration.
const CHEAP_FINISH: f64 = 5.0;
/// Tolerances below this part of the largest weight ask for the exact minimizer.
const EXACT: f64 = 1e-9;
/// Rounds without a finish after which crawling coordinate descent has cost as much as one; ten times as many where the support has dependent columns, which the
/// finish removes one by one.
const CRAWLING_ROUNDS: f64 = 20.0;
const OVERFULL_ROUNDS: f64 = 200.0;
/// Sweeps over the nonzero blocks between two over all.
const ACTIVE_SWEEPS: usize = 5;

/// One pass over some blocks.
fn sweep<M: QuadraticModel, P: Penalty>(
    model: &mut M,
    penalty: &P,
    blocks: &LocalBlocks,
    some: impl Iterator<Item = usize>,
    y: &mut [f64],
    trial: &mut Vec<f64>,
) -> BlockStep {
    let mut total = BlockStep { violation: 0.0, support_changed: false };
    for g in some {
        let step = block_step(model, penalty, blocks, g, y, trial);
        total.violation = total.violation.max(step.violation);
        total.support_changed |= step.support_changed;
    }
    total
}

/// What one step, or one sweep of them, did.
struct BlockStep {
    violation: f64,
    support_changed: bool,
}

/// One prox-gradient step on block g with the step 1/lipschitz: the exact minimizer where the block is a single coordinate.
#[inline]
fn block_step<M: QuadraticModel, P: Penalty>(
    model: &mut M,
    penalty: &P,
    blocks: &LocalBlocks,
    g: usize,
    y: &mut [f64],
    trial: &mut Vec<f64>,
) -> BlockStep {
    let range = blocks.range(g);
    let (lambda, lipschitz) = (blocks.lambda[g], blocks.lipschitz[g]);
    trial.clear();
    if lipschitz > 0.0 {
        trial.extend(range.clone().map(|k| y[k] - model.gradient(k) / lipschitz));
        penalty.prox(trial, lambda / lipschitz);
    } else {
        trial.resize(range.len(), 0.0);
    }
    let mut step = BlockStep { violation: 0.0, support_changed: false };
    for (k, &new) in range.zip(trial.iter()) {
        let delta = new - y[k];
        if delta != 0.0 {
            step.support_changed |= (new == 0.0) != (y[k] == 0.0) || new * y[k] < 0.0;
            step.violation = f64::max(step.violation, delta.abs() * lipschitz);
            model.update(k, delta);
            y[k] = new;
        }
    }
    step
}
