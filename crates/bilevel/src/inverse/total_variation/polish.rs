//! From a nearly optimal dual field to the exact solution: identify the manifold, solve on it by Newton, and repair the dual field to prove it.
//!
//! A wrong manifold does no harm but time: the duality gap of what comes out says how good it is, and the dual method goes on if it is not good enough.

use super::field::{Field, Gap, Problem};
use super::reduced::Reduced;
use super::regions::{PINNED, Regions, neighbours};
use crate::Result;
use crate::solver::{conjugate_gradient, diagonal_preconditioner};

/// A pixel moves if its dual vector is this near to the boundary.
const ON_BOUNDARY: f64 = 1e-7;
/// Newton steps on one manifold.
const MAX_NEWTON: usize = 30;
/// Times that pixels whose gradients vanish are merged.
const MAX_MERGES: usize = 8;
/// A step that passes zero nearer than this part of the gradient's length makes the gradient vanish.
const NEAR_MISS: f64 = 0.1;
/// Products of the dual repair.
const MAX_REPAIR: usize = 300;

/// A solution on its manifold.
pub(super) struct Polished {
    pub u: Vec<f64>,
    /// A feasible dual field.
    pub p: Field,
    pub gap: Gap,
}

/// How Newton's method ended on a manifold.
enum Ended {
    Stationary,
    /// Gradients of these pixels vanish.
    Vanish(Vec<u32>),
    Stuck,
}

/// Solves on the manifold where the pixels with `moves` may have a gradient, from a feasible dual field and an image near it.
pub(super) fn polish(problem: &Problem, mut moves: Vec<bool>, p: &Field, u: &[f64]) -> Result<Polished> {
    let lean = problem.non_negative.then(|| lean(problem, p));
    let mut u = u.to_vec();
    let mut reduced = Reduced::new(problem, Regions::new(problem.cols, &moves, lean.as_deref()))?;
    for _ in 0..MAX_MERGES {
        let mut values = reduced.means(&u);
        let ended = newton(&reduced, &mut values, &mut u)?;
        let Ended::Vanish(pixels) = ended else { break };
        pixels.iter().for_each(|&i| moves[i as usize] = false);
        reduced = Reduced::new(problem, Regions::new(problem.cols, &moves, lean.as_deref()))?;
    }
    let means = reduced.means(&u);
    reduced.regions.expand(&means, &mut u);
    if problem.non_negative {
        u.iter_mut().for_each(|u| *u = u.max(0.0));
    }
    let repaired = repaired(&reduced, p, &u);
    let (before, after) = (dual_value(problem, p), dual_value(problem, &repaired));
    let p = if after > before { repaired } else { p.clone() };
    let gap = Gap { primal: problem.objective(&u), dual: before.max(after) };
    Ok(Polished { u, p, gap })
}

fn dual_value(problem: &Problem, p: &Field) -> f64 {
    let mut u = vec![0.0; problem.len()];
    problem.primal(p, &mut u);
    problem.dual_value(p, &u)
}

/// The pixels that move, as far as a projected gradient method tells.
pub(super) fn moving_pixels(problem: &Problem, p: &Field, u: &[f64]) -> Vec<bool> {
    if problem.smoothing > 0.0 {
        return vec![true; u.len()];
    }
    let moves = |i: usize| {
        let (gx, gy) = problem.gradient_at(u, i);
        let (x, y, alpha) = (p.x[i], p.y[i], problem.alpha[i]);
        x.hypot(y) >= (1.0 - ON_BOUNDARY) * alpha && x * gx + y * gy > 0.5 * alpha * gx.hypot(gy)
    };
    (0..u.len()).map(moves).collect()
}

/// wf − Dᵀp: where its sum over a region is negative, the constraint holds the region at zero.
fn lean(problem: &Problem, p: &Field) -> Vec<f64> {
    let mut lean = vec![0.0; problem.len()];
    problem.divergence_adjoint(p, &mut lean);
    for (i, lean) in lean.iter_mut().enumerate() {
        *lean = problem.data[i] * problem.image[i] - *lean;
    }
    lean
}

/// Newton's method with a line search, from `values`; `u` is their spread.
fn newton(reduced: &Reduced<'_>, values: &mut [f64], u: &mut [f64]) -> Result<Ended> {
    let problem = reduced.problem;
    reduced.regions.expand(values, u);
    let mut value = problem.objective(u);
    let mut along = vec![0.0; u.len()];
    let mut trial = vec![0.0; u.len()];
    for _ in 0..MAX_NEWTON {
        let zero = zero_gradients(reduced, u);
        if !zero.is_empty() {
            return Ok(Ended::Vanish(zero));
        }
        let slope = reduced.gradient(u);
        let step = reduced.factor(u)?.solve(&slope);
        let predicted = crate::kernel::dot(&slope, &step);
        reduced.regions.expand(&step, &mut along);
        if predicted <= 4.0 * f64::EPSILON * f64::EPSILON * value {
            return Ok(Ended::Stationary);
        }
        let rounding = 8.0 * f64::EPSILON * value.abs();
        let mut t = 1.0;
        loop {
            trial.iter_mut().zip(&*u).zip(&along).for_each(|((trial, u), s)| *trial = u - t * s);
            let found = problem.objective(&trial);
            if found <= value - 1e-4 * t * predicted + rounding {
                value = found;
                break;
            }
            let vanishing = vanishing(reduced, u, &along);
            if !vanishing.is_empty() {
                return Ok(Ended::Vanish(vanishing));
            }
            t *= 0.5;
            if t < 1e-6 {
                return Ok(Ended::Stuck);
            }
        }
        values.iter_mut().zip(&step).for_each(|(v, s)| *v -= t * s);
        reduced.regions.expand(values, u);
        if predicted <= 1e-13 * f64::EPSILON * value {
            return Ok(Ended::Stationary);
        }
    }
    Ok(Ended::Stuck)
}

/// Moving pixels where rounding is all that is left of the gradient.
fn zero_gradients(reduced: &Reduced<'_>, u: &[f64]) -> Vec<u32> {
    if reduced.problem.smoothing > 0.0 {
        return Vec::new();
    }
    let negligible = |i: &u32| {
        let (gx, gy) = reduced.problem.gradient_at(u, *i as usize);
        gx.hypot(gy) <= 1e-12 * u[*i as usize].abs().max(1e-12)
    };
    reduced.regions.moving.iter().copied().filter(negligible).collect()
}

/// Moving pixels whose gradient nearly passes zero on the way from u to u − `along`.
fn vanishing(reduced: &Reduced<'_>, u: &[f64], along: &[f64]) -> Vec<u32> {
    let problem = reduced.problem;
    if problem.smoothing > 0.0 {
        return Vec::new();
    }
    let passes = |i: &u32| {
        let (g, d) = (problem.gradient_at(u, *i as usize), problem.gradient_at(along, *i as usize));
        let square = d.0 * d.0 + d.1 * d.1;
        let nearest = ((g.0 * d.0 + g.1 * d.1) / square.max(f64::MIN_POSITIVE)).clamp(0.0, 1.0);
        (g.0 - nearest * d.0).hypot(g.1 - nearest * d.1) < NEAR_MISS * g.0.hypot(g.1)
    };
    reduced.regions.moving.iter().copied().filter(passes).collect()
}

/// The dual field that belongs to u: the slope of the penalty where the gradient moves; elsewhere p, corrected by the shortest field (in a metric that keeps
/// away from the boundary) that makes u = f − W⁻¹Dᵀp, and brought back into |p| ≤ α.
fn repaired(reduced: &Reduced<'_>, p: &Field, u: &[f64]) -> Field {
    let problem = reduced.problem;
    let mut repaired = reduced.penalty_slopes(u);
    if problem.smoothing > 0.0 {
        return repaired;
    }
    let mut metric = vec![0.0; u.len()];
    let mut is_moving = vec![false; u.len()];
    reduced.regions.moving.iter().for_each(|&i| is_moving[i as usize] = true);
    for i in (0..u.len()).filter(|&i| !is_moving[i]) {
        (repaired.x[i], repaired.y[i]) = (p.x[i], p.y[i]);
        if reduced.regions.of_pixel[i] != PINNED {
            let fill = (p.x[i] * p.x[i] + p.y[i] * p.y[i]) / (problem.alpha[i] * problem.alpha[i]);
            metric[i] = (1.0 - fill).clamp(1e-3, 1.0);
        }
    }
    let mut missing = vec![0.0; u.len()];
    problem.divergence_adjoint(&repaired, &mut missing);
    for (i, missing) in missing.iter_mut().enumerate() {
        let pinned = reduced.regions.of_pixel[i] == PINNED;
        *missing = if pinned { 0.0 } else { problem.data[i] * (problem.image[i] - u[i]) - *missing };
    }
    let mut potential = vec![0.0; u.len()];
    let inverse = inverse_diagonal(problem, &metric);
    let product = |v: &[f64], out: &mut [f64]| {
        problem.divergence_adjoint(&weighted_gradient(problem, &metric, v), out);
    };
    conjugate_gradient(
        product,
        diagonal_preconditioner(&inverse),
        &missing,
        &mut potential,
        1e-9,
        MAX_REPAIR,
    );
    let correction = weighted_gradient(problem, &metric, &potential);
    crate::kernel::axpy(1.0, &correction.x, &mut repaired.x);
    crate::kernel::axpy(1.0, &correction.y, &mut repaired.y);
    problem.project(&mut repaired);
    repaired
}

/// S D v.
fn weighted_gradient(problem: &Problem, metric: &[f64], v: &[f64]) -> Field {
    let mut out = Field::zeros(v.len());
    for (i, s) in metric.iter().enumerate().filter(|(_, s)| **s > 0.0) {
        let (gx, gy) = problem.gradient_at(v, i);
        (out.x[i], out.y[i]) = (s * gx, s * gy);
    }
    out
}

/// 1/diag(DᵀSD), 0 where that is 0.
fn inverse_diagonal(problem: &Problem, metric: &[f64]) -> Vec<f64> {
    let mut diagonal = vec![0.0; metric.len()];
    for (i, s) in metric.iter().enumerate() {
        for j in neighbours(problem.cols, metric.len(), i).into_iter().flatten() {
            diagonal[i] += s;
            diagonal[j] += s;
        }
    }
    diagonal.iter().map(|d| if *d > 0.0 { 1.0 / d } else { 0.0 }).collect()
}
