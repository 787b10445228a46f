//! The ridge parameter: fixed, or the last entry of θ.

use crate::lower::Adjoint;

/// How the ridge parameter α enters θ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ridge {
    /// α is given.
    Fixed(f64),
    /// α = ratio·e^{θ₀}: tied to the first weight, as an elastic net with ratio = (1 − l1_ratio)/l1_ratio.
    Proportional(f64),
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
            Self::Fixed(_) | Self::Proportional(_) => 0,
            Self::Learned { .. } => 1,
        }
    }

    /// α, from the last entry of θ if it is learned.
    pub(super) fn value(self, theta: &[f64]) -> f64 {
        match self {
            Self::Fixed(ridge) => ridge,
            Self::Proportional(ratio) => theta.first().map_or(0.0, |t| ratio * t.exp()),
            Self::Learned { .. } => theta.last().map_or(0.0, |t| t.exp()),
        }
    }

    pub(super) fn pull_back(self, ridge: f64, adjoint: &Adjoint, out: &mut [f64]) {
        let entry = match self {
            Self::Fixed(_) => None,
            Self::Proportional(_) => out.first_mut(),
            Self::Learned { .. } => out.last_mut(),
        };
        if let Some(entry) = entry {
            *entry += ridge * adjoint.ridge;
        }
    }

    /// ∂α/∂θ_k, for a θ of `n_weights` entries and the ridge parameter's, if it is learned.
    pub(super) fn derivative(self, ridge: f64, k: usize, n_weights: usize) -> f64 {
        match self {
            Self::Proportional(_) if k == 0 => ridge,
            Self::Learned { .. } if k == n_weights => ridge,
            _ => 0.0,
        }
    }

    /// Whether α moves with θ.
    pub(super) fn moves(self) -> bool {
        !matches!(self, Self::Fixed(_))
    }

    pub(super) fn push_bounds(self, lower: &mut Vec<f64>, upper: &mut Vec<f64>) {
        if let Self::Learned { lower: l, upper: u } = self {
            lower.push(l);
            upper.push(u);
        }
    }
}
