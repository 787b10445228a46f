//! Losses f(b, z) of a target b and a linear predictor z: value, derivatives in z, convex conjugate.
//!
//! A new loss is one file that implements [`Loss`] and one line here.

mod logistic;
mod pseudo_huber;
pub(crate) mod softmax;
mod squared;

pub use logistic::Logistic;
pub(crate) use logistic::sigmoid;
pub use pseudo_huber::PseudoHuber;
pub use squared::Squared;

/// A convex loss of one sample, twice differentiable in the predictor.
pub trait Loss: Copy + Send + Sync {
    /// Bound on |∂²f/∂z²|.
    const MAX_CURVATURE: f64;
    /// Bound on |∂³f/∂z³| times [`Loss::unit`]; 0 means the loss is quadratic in z, so that one Newton step is exact.
    const MAX_THIRD_DERIVATIVE: f64;
    /// Whether f(b, z) is a function of b − z.
    const OF_DIFFERENCE: bool = false;
    /// M with |∂³f/∂z³| ≤ M·∂²f/∂z² everywhere (generalized self-concordance, Bach 2010): what a proof about the range between two λ needs to know
    /// of the curvature there; +∞, without which there is no such proof, if it is not known.
    const SELF_CONCORDANCE: f64 = f64::INFINITY;
    /// The change of z over which ∂²f/∂z² may change by a good part of itself: 1, unless the loss has a scale of its own.
    fn unit(&self) -> f64 {
        1.0
    }
    /// f(b, z).
    fn value(&self, b: f64, z: f64) -> f64;
    /// ∂f/∂z.
    fn derivative(&self, b: f64, z: f64) -> f64;
    /// ∂²f/∂z².
    fn curvature(&self, b: f64, z: f64) -> f64;
    /// (f, ∂f/∂z), for the price of one exponential where there is one.
    fn value_and_derivative(&self, b: f64, z: f64) -> (f64, f64) {
        (self.value(b, z), self.derivative(b, z))
    }
    /// (∂f/∂z, ∂²f/∂z²), for the price of one exponential where there is one.
    fn derivatives(&self, b: f64, z: f64) -> (f64, f64) {
        (self.derivative(b, z), self.curvature(b, z))
    }
    /// The curvature of a parabola that touches f(b, ·) at z and lies above it everywhere, where it is far closer than [`Loss::MAX_CURVATURE`].
    fn majorant(&self, _b: f64, _z: f64) -> Option<f64> {
        None
    }
    /// The convex conjugate sup_z (uz − f(b, z)); +∞ outside its domain.
    fn conjugate(&self, b: f64, u: f64) -> f64;

    /// Σ w_i f(b_i, z_i); samples of weight 0 are skipped.
    fn mean(&self, weights: &[f64], targets: &[f64], predictor: &[f64]) -> f64 {
        let terms = weights.iter().zip(targets).zip(predictor);
        terms.filter(|((w, _), _)| **w != 0.0).map(|((w, b), z)| w * self.value(*b, *z)).sum()
    }
}
