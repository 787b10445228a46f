//! The ridge parameter: fixed, or the last entry of θ.

use crate::lower::Adjoint;

/// How the ridge parameter α enters θ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ridge {
    /// α is given.
    Fixed(f64),
    /// α = e^θ with θ in the given box.
    Learned {
        /// Smallest log α.
        lower: f64,
        /// Largest log α.
        upper: f64,
    },
}

impl Ridge {
    pub(super) fn n_parameters(self) -> usize {
        match self {
            Self::Fixed(_) => 0,
            Self::Learned { .. } => 1,
        }
    }

    /// α, from the last entry of θ if it is learned.
    pub(super) fn value(self, theta: &[f64]) -> f64 {
        match self {
            Self::Fixed(ridge) => ridge,
            Self::Learned { .. } => theta.last().map_or(0.0, |t| t.exp()),
        }
    }

    pub(super) fn pull_back(self, ridge: f64, adjoint: &Adjoint, out: &mut [f64]) {
        if let (Self::Learned { .. }, Some(last)) = (self, out.last_mut()) {
            *last += ridge * adjoint.ridge;
        }
    }

    pub(super) fn push_bounds(self, lower: &mut Vec<f64>, upper: &mut Vec<f64>) {
        if let Self::Learned { lower: l, upper: u } = self {
            lower.push(l);
            upper.push(u);
        }
    }
}
