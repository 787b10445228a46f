//! Proximal Newton steps on working sets: the support and the coefficients that violate their conditions most.
//!
//! Each step minimizes the loss's quadratic model plus the penalty over the working set (coordinate descent, then Newton on the support) and goes as far as the
//! objective falls; the intercepts are at their minimizers throughout.

use crate::design::DesignMatrix;
use crate::lower::{Hyperparameters, Solution};
use crate::penalty::L1;
use crate::solver::{CdSettings, GramModel, LocalBlocks, Products, coordinate_descent};
use crate::{Error, Result};

use super::{MultinomialGlm, Point};

const MAX_STEPS: usize = 300;
const SMALLEST_WORKING_SET: usize = 64;
/// Tolerances up to this ask for coefficients as exact as they get.
const EXACT: f64 = 1e-8;
/// Steps without progress after which rounding is reached.
const PATIENCE: usize = 3;
const PROGRESS: f64 = 0.5;
/// Changes of the objective up to this part of it are rounding.
const ROUNDING: f64 = 8.0 * f64::EPSILON;
const SUFFICIENT: f64 = 1e-4;
const SMALLEST_STEP: f64 = 1e-8;

/// Solves to a relative duality gap of `tolerance`, or as near as rounding allows.
pub(super) fn solve<D: DesignMatrix>(
    problem: &MultinomialGlm<'_, D>,
    at: &Hyperparameters,
    start: Option<Solution>,
    tolerance: f64,
) -> Result<Solution> {
    let fits = |start: &Solution| start.coefficients.len() == problem.n_slopes() + problem.n_classes;
    let start = start.filter(fits).map_or_else(|| problem.without_features(), |start| start.coefficients);
    let mut point = start_point(problem, at, start);
    // Worse than no features is no start: probabilities there may be 0 and 1 to the last digit, on the wrong side, where nothing has any curvature.
    if point.solution.objective.is_nan() || point.solution.objective > problem.null.objective {
        point = start_point(problem, at, problem.without_features());
    }
    let (mut best, mut stalled) = (f64::INFINITY, 0);
    for step in 1..=MAX_STEPS {
        let reached = point.solution.relative_gap <= tolerance;
        if reached && tolerance > EXACT || stalled >= PATIENCE {
            break;
        }
        let before = point.solution.objective;
        let violation = take_step(problem, at, &mut point);
        point.solution.iterations = step;
        // Far from the minimizer violations may grow before they shrink: there it is the objective that tells.
        let falls = !reached && before - point.solution.objective > ROUNDING * before.abs();
        stalled = if violation < PROGRESS * best || falls { 0 } else { stalled + 1 };
        best = best.min(violation);
    }
    let solution = point.solution;
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

/// The start, without excluded coefficients.
fn start_point<D: DesignMatrix>(
    problem: &MultinomialGlm<'_, D>,
    at: &Hyperparameters,
    mut coefficients: Vec<f64>,
) -> Point {
    for (m, y) in coefficients.iter_mut().take(problem.n_slopes()).enumerate() {
        if problem.lambda(at, m) == f64::INFINITY {
            *y = 0.0;
        }
    }
    let mut point = problem.measure_with_best_intercepts(coefficients);
    problem.complete(at, &mut point);
    point
}

/// Distance of −∇_mF to λ_m∂|y_m|.
fn violation<D: DesignMatrix>(
    problem: &MultinomialGlm<'_, D>,
    at: &Hyperparameters,
    solution: &Solution,
    m: usize,
) -> f64 {
    let (y, lambda) = (solution.coefficients[m], problem.lambda(at, m));
    let gradient = solution.correlations[m] + at.ridge * y;
    match y {
        _ if lambda == f64::INFINITY => 0.0,
        0.0 => (gradient.abs() - lambda).max(0.0),
        _ => (gradient + lambda * y.signum()).abs(),
    }
}

/// One proximal Newton step; returns the largest violation before it.
fn take_step<D: DesignMatrix>(
    problem: &MultinomialGlm<'_, D>,
    at: &Hyperparameters,
    point: &mut Point,
) -> f64 {
    let solution = &point.solution;
    let violations: Vec<f64> = (0..problem.n_slopes()).map(|m| violation(problem, at, solution, m)).collect();
    let largest = violations.iter().fold(0.0_f64, |m, v| m.max(*v));
    let indices = working_set(solution, &violations);
    if largest == 0.0 || indices.is_empty() {
        return largest;
    }
    let old: Vec<f64> = indices.iter().map(|&m| solution.coefficients[m]).collect();
    let gradient: Vec<f64> =
        indices.iter().zip(&old).map(|(&m, y)| solution.correlations[m] + at.ridge * y).collect();
    let lambda: Vec<f64> = indices.iter().map(|&m| problem.lambda(at, m)).collect();
    let hessian = problem.profiled_hessian(point, &indices, at.ridge).matrix;
    let size = indices.len();
    let blocks = LocalBlocks {
        starts: (0..=size).collect(),
        lipschitz: (0..size).map(|k| hessian[k * size + k].max(0.0)).collect(),
        lambda,
    };
    let mut new = old.clone();
    let slots: Vec<u32> = (0..).take(size).collect();
    let products = Products { values: &hessian, stride: size, size };
    let mut model = GramModel::new(products, &slots, 0.0, &gradient);
    let settings = CdSettings { tolerance: 1e-7 * largest, max_sweeps: 500 };
    coordinate_descent(&mut model, &L1::new(size), &blocks, &mut new, settings);
    let direction: Vec<f64> = new.iter().zip(&old).map(|(new, old)| new - old).collect();
    let change = |(l, (new, old)): (&f64, (&f64, &f64))| l * (new.abs() - old.abs());
    let predicted = crate::kernel::dot(&gradient, &direction)
        + blocks.lambda.iter().zip(new.iter().zip(&old)).map(change).sum::<f64>();
    search(problem, at, point, (&indices, &old, &direction), predicted);
    largest
}

/// The support, and as many again of the largest violations.
fn working_set(solution: &Solution, violations: &[f64]) -> Vec<usize> {
    let (mut indices, mut others): (Vec<usize>, Vec<usize>) = (0..violations.len())
        .filter(|&m| solution.coefficients[m] != 0.0 || violations[m] > 0.0)
        .partition(|&m| solution.coefficients[m] != 0.0);
    others.sort_by(|&a, &b| violations[b].total_cmp(&violations[a]).then(a.cmp(&b)));
    others.truncate(indices.len().max(SMALLEST_WORKING_SET));
    indices.extend(others);
    indices.sort_unstable();
    indices
}

/// Moves along the direction to the first of t = 1, ½, ¼, … at which P falls enough; stays if there is none.
fn search<D: DesignMatrix>(
    problem: &MultinomialGlm<'_, D>,
    at: &Hyperparameters,
    point: &mut Point,
    (indices, old, direction): (&[usize], &[f64], &[f64]),
    predicted: f64,
) {
    let before = point.solution.objective;
    let rounding = ROUNDING * before.abs();
    let mut t = 1.0;
    while t >= SMALLEST_STEP {
        let mut coefficients = point.solution.coefficients.clone();
        for ((&m, y), d) in indices.iter().zip(old).zip(direction) {
            coefficients[m] = y + t * d;
        }
        let mut trial = problem.measure_with_best_intercepts(coefficients);
        problem.complete(at, &mut trial);
        if trial.solution.objective <= before + SUFFICIENT * t * predicted.min(0.0) + rounding {
            *point = trial;
            return;
        }
        t *= 0.5;
    }
}
