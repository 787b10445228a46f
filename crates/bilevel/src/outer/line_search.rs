//! A line search for functions with kinks: weak Wolfe conditions by bracketing and bisection, along the path P(θ + t·d).
//!
//! It looks for t with
//! ```text
//! Φ(P(θ+td)) ≤ Φ(θ) + c₁ hᵀ(P(θ+td) − θ)       sufficient decrease
//! d/dt Φ(P(θ+td)) ≥ c₂ hᵀd                      weak Wolfe, 0 < c₁ < c₂ < 1
//! ```
//! by keeping a bracket (lo, hi) of which lo satisfies the first condition and not the second, and hi does not satisfy the first; t is doubled
//! while hi = ∞, then the bracket is halved. If Φ is bounded below and weakly lower semismooth along d (piecewise smooth functions are), this ends
//! after finitely many trials, and the second condition keeps sᵀy > 0. The path derivative leaves out the coordinates that the box
//! holds at P(θ+td).
//!
//! Source: Lewis, Overton, "Nonsmooth optimization via quasi-Newton methods", Mathematical Programming 141 (2013), section 2.

use super::bounds::{dot, norm};
use super::search::{Point, Search};
use crate::Result;

/// Settings of [`weak_wolfe`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct WolfeSettings {
    /// c₁.
    pub sufficient: f64,
    /// c₂.
    pub curvature: f64,
    /// Largest number of trial points.
    pub max_trials: usize,
    /// Step ‖P(θ+td) − θ‖ below which the search gives up.
    pub smallest_step: f64,
}

/// A point found by a line search.
pub(super) struct Found {
    pub point: Point,
    /// ‖θ_new − θ‖.
    pub length: f64,
}

/// How a line search ended.
pub(super) enum LineSearch {
    /// The last point with sufficient decrease, whether or not the second condition was met there.
    Found(Found),
    /// No point with sufficient decrease; the trial nearest to θ, if there was any.
    Failed { nearest: Option<Vec<f64>> },
}

/// Searches from `point` along `direction`, first at t = `first`.
pub(super) fn weak_wolfe(
    search: &mut Search<'_>,
    point: &mut Point,
    direction: &[f64],
    first: f64,
    settings: &WolfeSettings,
) -> Result<LineSearch> {
    let slope = dot(&point.evaluation.gradient, direction);
    let (mut lo, mut hi, mut t) = (0.0, f64::INFINITY, first);
    let (mut found, mut nearest) = (None, None);
    for trial in 0..settings.max_trials {
        let theta = search.bounds.step(&point.theta, t, direction);
        let length = norm(theta.iter().zip(&point.theta).map(|(a, b)| a - b));
        if length < settings.smallest_step {
            break;
        }
        if decreases(search, point, &theta, settings.sufficient)? {
            let next = search.at(theta)?;
            let wolfe = path_slope(search, &next, direction) >= settings.curvature * slope;
            found = Some(Found { point: next, length });
            if wolfe {
                break;
            }
            lo = t;
        } else {
            hi = t;
            nearest = Some(theta);
        }
        t = next_trial(lo, hi, trial);
        if !t.is_finite() || t <= lo || t >= hi {
            break;
        }
    }
    Ok(found.map_or(LineSearch::Failed { nearest }, LineSearch::Found))
}

/// Doubles or bisects; divides by ten where several bisections have found no decrease, as happens on kinks, where the search is bound to fail.
fn next_trial(lo: f64, hi: f64, trial: usize) -> f64 {
    if hi.is_infinite() {
        2.0 * lo
    } else if lo == 0.0 && trial >= 4 {
        0.1 * hi
    } else {
        0.5 * (lo + hi)
    }
}

/// Whether Φ falls from `point` to `theta` by `sufficient` times what h predicts.
fn decreases(search: &mut Search<'_>, point: &mut Point, theta: &[f64], sufficient: f64) -> Result<bool> {
    let gradient = &point.evaluation.gradient;
    let predicted: f64 =
        gradient.iter().zip(point.theta.iter().zip(theta)).map(|(h, (a, b))| h * (a - b)).sum();
    if predicted <= 0.0 {
        return Ok(false);
    }
    let required = sufficient * predicted;
    Ok(search.judge(point, theta, required)?.accepts(required))
}

/// Derivative of t ↦ Φ(P(θ+td)) at a point of the path.
fn path_slope(search: &Search<'_>, at: &Point, direction: &[f64]) -> f64 {
    at.evaluation
        .gradient
        .iter()
        .zip(direction)
        .enumerate()
        .filter(|&(i, (_, &d))| !search.bounds.blocks(i, at.theta[i], d))
        .map(|(_, (h, d))| h * d)
        .sum()
}
