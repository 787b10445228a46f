//! Logistic loss f(b, z) = log(1 + e^{−bz}) for classes b ∈ {−1, +1}.

use super::Loss;

/// log(1 + e^{−bz}), b ∈ {−1, +1}.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Logistic;

/// 1/(1 + e^{−t}), without overflow.
#[inline]
pub(crate) fn sigmoid(t: f64) -> f64 {
    if t >= 0.0 {
        1.0 / (1.0 + (-t).exp())
    } else {
        let e = t.exp();
        e / (1.0 + e)
    }
}

impl Loss for Logistic {
    const MAX_CURVATURE: f64 = 0.25;
    /// max |σ''| = 1/(6√3), at σ = ½ ± √3/6.
    const MAX_THIRD_DERIVATIVE: f64 = 0.096_225_044_864_937_63;
    /// |∂³f/∂z³| = σ(1 − σ)|1 − 2σ|.
    const SELF_CONCORDANCE: f64 = 1.0;

    #[inline]
    fn value(&self, b: f64, z: f64) -> f64 {
        let margin = b * z;
        if margin >= 0.0 { (-margin).exp().ln_1p() } else { margin.exp().ln_1p() - margin }
    }
    #[inline]
    fn derivative(&self, b: f64, z: f64) -> f64 {
        -b * sigmoid(-b * z)
    }
    #[inline]
    fn curvature(&self, _b: f64, z: f64) -> f64 {
        let e = (-z.abs()).exp();
        e / ((1.0 + e) * (1.0 + e))
    }
    #[inline]
    fn value_and_derivative(&self, b: f64, z: f64) -> (f64, f64) {
        let margin = b * z;
        let e = (-margin.abs()).exp();
        let value = e.ln_1p() + (-margin).max(0.0);
        let wrong = if margin >= 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) };
        (value, -b * wrong)
    }
    #[inline]
    fn derivatives(&self, b: f64, z: f64) -> (f64, f64) {
        let s = sigmoid(-b * z);
        (-b * s, s * (1.0 - s))
    }
    #[inline]
    fn conjugate(&self, b: f64, u: f64) -> f64 {
        let t = -b * u;
        let entropy = |x: f64| if x > 0.0 { x * x.ln() } else { 0.0 };
        if (0.0..=1.0).contains(&t) { entropy(t) + entropy(1.0 - t) } else { f64::INFINITY }
    }
}
