//! Squared loss f(b, z) = ½(b − z)².

use super::Loss;

/// ½(b − z)².
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Squared;

impl Loss for Squared {
    const MAX_CURVATURE: f64 = 1.0;
    const MAX_THIRD_DERIVATIVE: f64 = 0.0;
    const OF_DIFFERENCE: bool = true;
    const SELF_CONCORDANCE: f64 = 0.0;

    #[inline]
    fn value(&self, b: f64, z: f64) -> f64 {
        0.5 * (b - z) * (b - z)
    }
    #[inline]
    fn derivative(&self, b: f64, z: f64) -> f64 {
        z - b
    }
    #[inline]
    fn curvature(&self, _b: f64, _z: f64) -> f64 {
        1.0
    }
    #[inline]
    fn conjugate(&self, b: f64, u: f64) -> f64 {
        u * (b + 0.5 * u)
    }
}
