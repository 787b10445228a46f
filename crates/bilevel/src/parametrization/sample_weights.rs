//! θ ↦ w: one weight between 0 and 1 for each training sample.

use serde::{Deserialize, Serialize};

use crate::loss::sigmoid;

/// How far the parameters of sigmoid weights may go: beyond it a weight is 0 or 1 to 13 digits.
const REACH: f64 = 30.0;

/// How a parameter becomes the weight of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SampleWeights {
    /// w = 1/(1 + e^{−θ}), from θ = 0: never exactly 0 or 1, and slower the nearer.
    #[default]
    Sigmoid,
    /// w = θ in the box [0, 1], from ½: a sample may leave altogether.
    Clipped,
}

impl SampleWeights {
    /// θ of a sample about which nothing is known; its weight is ½.
    pub fn start(self) -> f64 {
        match self {
            Self::Sigmoid => 0.0,
            Self::Clipped => 0.5,
        }
    }

    /// w(θ).
    pub fn weight(self, theta: f64) -> f64 {
        match self {
            Self::Sigmoid => sigmoid(theta),
            Self::Clipped => theta,
        }
    }

    /// dw/dθ.
    pub fn slope(self, theta: f64) -> f64 {
        match self {
            Self::Sigmoid => sigmoid(theta) * sigmoid(-theta),
            Self::Clipped => 1.0,
        }
    }

    /// The box of θ.
    pub fn bounds(self) -> (f64, f64) {
        match self {
            Self::Sigmoid => (-REACH, REACH),
            Self::Clipped => (0.0, 1.0),
        }
    }
}
