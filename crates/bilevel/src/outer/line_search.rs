//! A line search for functions with kinks: weak Wolfe conditions by bracketing and bisection, along the path P(θ + t·d).
//!
//! It looks for t with
//!
//!     Φ(P(θ+td)) ≤ Φ(θ) + c₁ hᵀ(P(θ+td) − θ)       sufficient decrease
//!     d/dt Φ(P(θ+td)) ≥ c₂ hᵀd                      weak Wolfe, 0 < c₁ < c₂ < 1
//!
//! by keeping a bracket (lo, hi) of which lo satisfies the first condition and not the second, and hi does not satisfy the first; t is doubled while hi = ∞,
//! then the bracket is halved. For Φ locally Lipschitz and semialgebraic this ends with probability one, kinks or not, and the second
//! condition keeps sᵀy > 0. The path derivative leaves out the coordinates that the box holds at P(θ+td).
//!
//! Source: Lewis, Overton, "Nonsmooth optimization via quasi-Newton methods", Mathematical Programming 141 (2013), algorithm 2.6.

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

/// Searches from `point` along the descent direction `d`, first at t = `first`; the last point with sufficient decrease if the second condition is
/// never met, and `None` if the first is not.
pub(super) fn weak_wolfe(
    search: &mut Search<'_>,
    point: &mut Point,
    direction: &[f64],
    first: f64,
    settings: &WolfeSettings,
) -> Result<Option<Found>> {
    let slope = dot(&point.evaluation.gradient, direction);
    let (mut lo, mut hi, mut t) = (0.0, f64::INFINITY, first);
    let mut found = None;
    for _ in 0..settings.max_trials {
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
        }
        t = if hi.is_finite() { 0.5 * (lo + hi) } else { 2.0 * lo };
        if !t.is_finite() || t <= lo || t >= hi {
            break;
        }
    }
    Ok(found)
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
