//! A way out of a kink: the shortest convex combination of the gradients around a point.
//!
//! On a kink −h may be no descent direction although one exists. The failed line search then ended just across an edge, where the gradient is another. If g₁, …, g_m
//! are gradients near θ, the shortest vector of their convex hull,
//!
//! ```text
//! g = argmin ‖Σ w_k g_k‖²,  w ≥ 0, Σ w_k = 1,
//! ```
//! either is (nearly) zero, and θ is stationary in the sense of Clarke up to the distance of the points; or −g descends along all of
//! them at once. If the line search along −g fails too, it has found one more gradient, and so on.
//!
//! Source: Wolfe, "A method of conjugate subgradients for minimizing nondifferentiable functions" (1975).

use super::bounds::{dot, norm};
use super::line_search::{Found, LineSearch, WolfeSettings, weak_wolfe};
use super::search::{Point, Search};
use crate::Result;

/// Most gradients gathered around a kink.
pub(super) const MAX_GRADIENTS: usize = 12;
/// First step away from a kink, as fraction of the initial step: the way along an edge is often short.
const ESCAPE_STEP: f64 = 1e-3;

/// Pair steps in [`shortest_combination`]; each costs as many operations as there are gradients (at most a dozen).
const MAX_PAIR_STEPS: usize = 10_000;

/// How a way out of a kink is looked for.
pub(super) struct Escape {
    pub(super) wolfe: WolfeSettings,
    /// First step of the method that calls.
    pub(super) initial_step: f64,
    /// Relative norm of the shortest combination that counts as zero.
    pub(super) stationarity: f64,
}

/// What came of it.
pub(super) enum WayOut {
    Open(Found),
    /// The gradients around have (nearly) 0 in their hull.
    Stationary,
    /// Neither a descent nor a proof that there is none.
    Closed,
}

impl Escape {
    /// From a point where −h does not descend, or hardly: line searches along the shortest combination of the gradients around it. Those are
    /// the point's own, the ones `around` it that are known, that at the `nearest` point of a failed line search, and those that the
    /// searches here add.
    pub(super) fn leave(
        &self,
        search: &mut Search<'_>,
        point: &mut Point,
        mut around: Vec<Vec<f64>>,
        mut nearest: Option<Vec<f64>>,
    ) -> Result<WayOut> {
        let wolfe = WolfeSettings { smallest_step: 1e3 * self.wolfe.smallest_step, ..self.wolfe };
        around.push(point.evaluation.gradient.clone());
        while around.len() < MAX_GRADIENTS {
            if let Some(theta) = nearest.take() {
                around.push(search.at(theta)?.evaluation.gradient);
            }
            let (shortest, size) = shortest_in_box(search, point, &around);
            if size <= search.stationarity_threshold(self.stationarity) {
                return Ok(WayOut::Stationary);
            }
            let direction: Vec<f64> = shortest.iter().map(|g| -g).collect();
            let first = ESCAPE_STEP * self.initial_step / size;
            match weak_wolfe(search, point, &direction, first, &wolfe)? {
                LineSearch::Found(found) => return Ok(WayOut::Open(found)),
                LineSearch::Failed { nearest: None } => break,
                LineSearch::Failed { nearest: next } => nearest = next,
            }
        }
        Ok(WayOut::Closed)
    }
}

/// The shortest combination of gradients without the entries that the box blocks at `point`, and its norm.
fn shortest_in_box(search: &Search<'_>, point: &Point, gradients: &[Vec<f64>]) -> (Vec<f64>, f64) {
    let n = point.theta.len();
    let usable = gradients.iter().filter(|gradient| gradient.len() == n);
    let free: Vec<Vec<f64>> =
        usable.map(|gradient| search.bounds.free_gradient(&point.theta, gradient)).collect();
    let shortest = shortest_combination(&free);
    let size = norm(shortest.iter().copied());
    (shortest, size)
}

/// The shortest vector of the convex hull of some vectors, by exact steps on the most violating pair of weights.
fn shortest_combination(gradients: &[Vec<f64>]) -> Vec<f64> {
    let m = gradients.len();
    let gram: Vec<Vec<f64>> =
        gradients.iter().map(|a| gradients.iter().map(|b| dot(a, b)).collect()).collect();
    let mut weights = vec![1.0 / m as f64; m];
    for _ in 0..MAX_PAIR_STEPS {
        let slopes: Vec<f64> = gram.iter().map(|row| dot(row, &weights)).collect();
        let by_slope = |a: &usize, b: &usize| slopes[*a].total_cmp(&slopes[*b]);
        let down = (0..m).filter(|&k| weights[k] > 0.0).max_by(by_slope);
        let (Some(up), Some(down)) = ((0..m).min_by(by_slope), down) else {
            break;
        };
        let violation = slopes[down] - slopes[up];
        let curvature = gram[up][up] + gram[down][down] - 2.0 * gram[up][down];
        if violation <= 1e-15 * gram[down][down] || curvature <= 0.0 {
            break;
        }
        let shift = (violation / curvature).min(weights[down]);
        weights[up] += shift;
        weights[down] -= shift;
    }
    let n = gradients.first().map_or(0, Vec::len);
    (0..n).map(|i| weights.iter().zip(gradients).map(|(w, g)| w * g[i]).sum()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_combination_is_the_foot_of_the_perpendicular() {
        // The segment from (1, 2) to (1, −1) is nearest to 0 at (1, 0); inside a triangle around 0 it is 0.
        let foot = shortest_combination(&[vec![1.0, 2.0], vec![1.0, -1.0]]);
        assert!((foot[0] - 1.0).abs() < 1e-14 && foot[1].abs() < 1e-14, "{foot:?}");
        let inside = shortest_combination(&[vec![1.0, 2.0], vec![1.0, -1.0], vec![-3.0, 0.5]]);
        assert!(dot(&inside, &inside) < 1e-14, "{inside:?}");
        assert_eq!(shortest_combination(&[vec![3.0, 4.0]]), vec![3.0, 4.0]);
    }
}
