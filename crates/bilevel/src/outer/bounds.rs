//! The box l ≤ θ ≤ u, its projection P, and the measures of stationarity that come with it.
//!
//! θ is stationary for a smooth Φ in the box exactly if P(θ − ∇Φ/s) = θ, whatever s > 0; s‖P(θ − h/s) − θ‖ with the scale s of Φ is the measure
//! used everywhere. Without the scale it would be no more than the width of the box, however steep Φ is.

use super::Objective;
use crate::{Error, Result};

/// A box, possibly unbounded.
#[derive(Debug, Clone, PartialEq)]
pub struct Bounds {
    lower: Side,
    upper: Side,
    len: usize,
}

/// One bound for all parameters (a million weights mostly have the same), or one for each.
#[derive(Debug, Clone, PartialEq)]
enum Side {
    All(f64),
    Each(Vec<f64>),
}

impl Side {
    fn new(bounds: Vec<f64>) -> Self {
        match bounds.first() {
            Some(&first) if bounds.iter().all(|b| *b == first) => Self::All(first),
            _ => Self::Each(bounds),
        }
    }

    #[inline]
    fn at(&self, i: usize) -> f64 {
        match self {
            Self::All(bound) => *bound,
            Self::Each(bounds) => bounds[i],
        }
    }
}

impl Bounds {
    /// The box l ≤ θ ≤ u.
    ///
    /// # Errors
    /// [`Error::InvalidData`] if the lengths differ, a bound is NaN, or l > u somewhere.
    pub fn new(lower: Vec<f64>, upper: Vec<f64>) -> Result<Self> {
        if lower.len() != upper.len() {
            return Err(Error::data(
                "bounds of the outer parameters",
                format!("{} lower and {} upper bounds", lower.len(), upper.len()),
                "as many of one as of the other",
            ));
        }
        let ordered = |l: f64, u: f64| l <= u && l < f64::INFINITY && u > f64::NEG_INFINITY;
        if let Some(i) = (0..lower.len()).find(|&i| !ordered(lower[i], upper[i])) {
            return Err(Error::data(
                format!("bounds of outer parameter {i}"),
                format!("[{}, {}]", lower[i], upper[i]),
                "a lower bound that is at most the upper one",
            ));
        }
        Ok(Self { len: lower.len(), lower: Side::new(lower), upper: Side::new(upper) })
    }

    /// The box of an objective.
    ///
    /// # Errors
    /// As [`Bounds::new`], and if the lengths are not the number of parameters.
    pub fn of(objective: &(impl Objective + ?Sized)) -> Result<Self> {
        let (lower, upper) = objective.bounds();
        let n = objective.n_parameters();
        if lower.len() != n {
            return Err(Error::data(
                "bounds of the outer parameters",
                format!("{} bounds", lower.len()),
                format!("{n}, the number of parameters"),
            ));
        }
        Self::new(lower, upper)
    }

    /// Number of parameters.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no parameters.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The interval of parameter i.
    #[must_use]
    pub fn interval(&self, i: usize) -> (f64, f64) {
        (self.lower.at(i), self.upper.at(i))
    }

    /// P(θ)_i.
    pub(crate) fn clamp(&self, i: usize, value: f64) -> f64 {
        value.max(self.lower.at(i)).min(self.upper.at(i))
    }

    /// The end of a step that was stored as a difference: within the rounding of a bound, it is the bound.
    pub(crate) fn snap(&self, i: usize, from: f64, to: f64) -> f64 {
        let rounding = 2.0 * f64::EPSILON * (from.abs() + to.abs());
        let is_at = |bound: f64| (to - bound).abs() < rounding;
        [self.lower.at(i), self.upper.at(i)].into_iter().find(|&bound| is_at(bound)).unwrap_or(to)
    }

    /// P(θ).
    #[must_use]
    pub fn project(&self, theta: &[f64]) -> Vec<f64> {
        theta.iter().enumerate().map(|(i, &t)| self.clamp(i, t)).collect()
    }

    /// P(θ + t·d).
    #[must_use]
    pub fn step(&self, theta: &[f64], t: f64, direction: &[f64]) -> Vec<f64> {
        theta.iter().zip(direction).enumerate().map(|(i, (&x, &d))| self.clamp(i, x + t * d)).collect()
    }

    /// s‖P(θ − h/s) − θ‖ for a function of scale s > 0: ‖h‖ far from the bounds.
    #[must_use]
    pub fn projected_gradient_norm(&self, theta: &[f64], gradient: &[f64], scale: f64) -> f64 {
        let move_of = |i: usize, x: f64, h: f64| self.clamp(i, x - h / scale) - x;
        scale * norm(theta.iter().zip(gradient).enumerate().map(|(i, (&x, &h))| move_of(i, x, h)))
    }

    /// Whether a move of θ_i along `d` would leave the box at once.
    #[must_use]
    pub fn blocks(&self, i: usize, value: f64, d: f64) -> bool {
        (value <= self.lower.at(i) && d < 0.0) || (value >= self.upper.at(i) && d > 0.0)
    }

    /// h without the entries whose descent leaves the box at once: minus the projection of −h to the tangent cone at θ.
    #[must_use]
    pub fn free_gradient(&self, theta: &[f64], gradient: &[f64]) -> Vec<f64> {
        theta
            .iter()
            .zip(gradient)
            .enumerate()
            .map(|(i, (&x, &h))| if self.blocks(i, x, -h) { 0.0 } else { h })
            .collect()
    }
}

/// Euclidean norm.
pub(super) fn norm(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// aᵀb.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gradient_that_points_out_of_the_box_does_not_count() {
        let bounds = Bounds::new(vec![0.0, f64::NEG_INFINITY], vec![1.0, f64::INFINITY]).unwrap();
        assert_eq!(bounds.projected_gradient_norm(&[0.0, 3.0], &[5.0, 0.0], 1.0), 0.0);
        assert_eq!(bounds.projected_gradient_norm(&[1.0, 3.0], &[0.25, 0.0], 1.0), 0.25);
        assert_eq!(bounds.projected_gradient_norm(&[0.5, 3.0], &[-4.0, 0.0], 1.0), 0.5);
        // The same function in a unit a thousand times smaller.
        assert_eq!(bounds.projected_gradient_norm(&[0.5, 3.0], &[-4000.0, 0.0], 1000.0), 500.0);
        assert_eq!(bounds.free_gradient(&[0.0, 3.0], &[5.0, 2.0]), vec![0.0, 2.0]);
        assert_eq!(bounds.free_gradient(&[0.0, 3.0], &[-5.0, 2.0]), vec![-5.0, 2.0]);
    }

    #[test]
    fn crossed_and_undefined_bounds_are_refused() {
        assert!(Bounds::new(vec![1.0], vec![0.0]).is_err());
        assert!(Bounds::new(vec![f64::NAN], vec![0.0]).is_err());
        assert!(Bounds::new(vec![0.0], vec![]).is_err());
        assert!(Bounds::new(vec![f64::INFINITY], vec![f64::INFINITY]).is_err());
    }
}
