//! L-BFGS for the lower level, on gradients alone.
//!
//! Source: Nocedal, "Updating quasi-Newton matrices with limited storage" (1980).

use std::collections::VecDeque;

use super::line_search::Ray;
use super::solve::Run;
use super::{SmoothStatus, norm};
use crate::Result;
use crate::kernel::{axpy, dot};

/// Runs L-BFGS with `capacity` pairs until the run is done.
pub(super) fn lbfgs(run: &mut Run<'_>, capacity: usize) -> Result<SmoothStatus> {
    let mut pairs: VecDeque<(Vec<f64>, Vec<f64>)> = VecDeque::new();
    while run.steps < run.settings.max_steps {
        if run.is_done() {
            return Ok(SmoothStatus::Converged);
        }
        let direction = two_loops(&pairs, &run.gradient);
        let first = if pairs.is_empty() { 1.0 / norm(&run.gradient).max(1.0) } else { 1.0 };
        let ray = Ray {
            problem: run.problem,
            lambda: run.lambda,
            y: &run.y,
            gradient: &run.gradient,
            direction: &direction,
        };
        let Some(accepted) = ray.search(first, &mut run.gradients)? else {
            if pairs.is_empty() {
                return Ok(SmoothStatus::Stalled);
            }
            pairs.clear();
            continue;
        };
        let difference = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<f64>>();
        let pair = (difference(&accepted.y, &run.y), difference(&accepted.gradient, &run.gradient));
        if dot(&pair.0, &pair.1) > 1e-14 * norm(&pair.0) * norm(&pair.1) {
            pairs.push_back(pair);
        }
        if pairs.len() > capacity {
            pairs.pop_front();
        }
        run.accept(accepted);
    }
    Ok(if run.is_done() { SmoothStatus::Converged } else { SmoothStatus::MaxSteps })
}

/// −H_k g by the two-loop recursion.
fn two_loops(pairs: &VecDeque<(Vec<f64>, Vec<f64>)>, gradient: &[f64]) -> Vec<f64> {
    let mut d: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut weights = Vec::with_capacity(pairs.len());
    for (s, y) in pairs.iter().rev() {
        let weight = dot(s, &d) / dot(s, y);
        axpy(-weight, y, &mut d);
        weights.push(weight);
    }
    if let Some((s, y)) = pairs.back() {
        let scale = dot(s, y) / dot(y, y);
        d.iter_mut().for_each(|d| *d *= scale);
    }
    for ((s, y), weight) in pairs.iter().zip(weights.iter().rev()) {
        axpy(weight - dot(y, &d) / dot(s, y), s, &mut d);
    }
    d
}
