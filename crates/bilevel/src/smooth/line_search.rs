//! A line search on convex functions that are known by their gradient alone.
//!
//! Along a descent direction d the slope is φ'(t) = ∇F(y + td)ᵀd. A step is accepted where σφ'(0) ≤ φ'(t) ≤ (2δ − 1)φ'(0): the approximate Wolfe
//! conditions, which a quadratic meets exactly where it meets the usual ones, and which rounding in F cannot hide near the minimizer.
//!
//! Source: Hager, Zhang, "A new conjugate gradient method with guaranteed descent and an efficient line search" (2005).

use super::{SmoothProblem, norm};
use crate::Result;
use crate::kernel::dot;

/// δ, as in the source.
const SUFFICIENT: f64 = 0.1;
/// σ, as in the source.
const CURVATURE: f64 = 0.9;
/// Halvings and doublings before the direction is given up.
const MAX_TRIALS: usize = 50;

/// An accepted point.
pub(super) struct Accepted {
    pub y: Vec<f64>,
    pub gradient: Vec<f64>,
}

/// What is searched along: the point, its gradient, and the direction.
pub(super) struct Ray<'a> {
    pub problem: &'a dyn SmoothProblem,
    pub lambda: &'a [f64],
    pub y: &'a [f64],
    pub gradient: &'a [f64],
    pub direction: &'a [f64],
}

impl Ray<'_> {
    /// The first acceptable point from the step `first` on; `None` if the direction leads nowhere (rounding, or F is not convex). `gradients` counts.
    pub fn search(&self, first: f64, gradients: &mut usize) -> Result<Option<Accepted>> {
        let slope = dot(self.gradient, self.direction);
        let (mut low, mut high, mut t) = (0.0, f64::INFINITY, first);
        for _ in 0..MAX_TRIALS {
            let accepted = self.at(t)?;
            *gradients += 1;
            let slope_there = dot(&accepted.gradient, self.direction);
            if slope_there.is_nan() || slope_there > (2.0 * SUFFICIENT - 1.0) * slope {
                high = t;
            } else if slope_there < CURVATURE * slope {
                low = t;
            } else {
                return Ok(Some(accepted));
            }
            t = if high.is_finite() { 0.5 * (low + high) } else { 2.0 * t };
        }
        // No step met both conditions: rounding, where the gradient must at least not have grown.
        let accepted = self.at(if low > 0.0 { low } else { t })?;
        *gradients += 1;
        Ok((norm(&accepted.gradient) < norm(self.gradient)).then_some(accepted))
    }

    fn at(&self, t: f64) -> Result<Accepted> {
        let y: Vec<f64> = self.y.iter().zip(self.direction).map(|(y, d)| y + t * d).collect();
        let mut gradient = vec![0.0; y.len()];
        self.problem.gradient_into(&y, self.lambda, &mut gradient)?;
        Ok(Accepted { y, gradient })
    }
}
