//! The pseudo-Huber loss f(b, z) = δ²(√(1 + ((b − z)/δ)²) − 1): robust regression with a loss that is smooth everywhere.
//!
//! With r = b − z it is ½r² where |r| ≪ δ and δ|r| − δ² where |r| ≫ δ: no sample pulls with more than δ. Huber's own loss has the same two ends, but
//! its second derivative jumps from 1 to 0 at |r| = δ; there hypergradients jump too, and no bound on their error holds across the jump. This one has
//! derivatives of every order, is strictly convex, and its third derivative is bounded:
//!
//! ```text
//! f' = −r/√(1 + t²),     f'' = (1 + t²)^{−3/2},     |f'''| = 3t(1 + t²)^{−5/2}/δ ≤ 48/(25√5 δ),     t = |r|/δ
//! ```
//!
//! Sources: Huber, "Robust estimation of a location parameter", Annals of Mathematical Statistics 35 (1964); Charbonnier, Blanc-Féraud, Aubert,
//! Barlaud, "Deterministic edge-preserving regularization in computed imaging", IEEE Transactions on Image Processing 6 (1997), for the smooth form.

use super::Loss;
use crate::{Error, Result};

/// δ²(√(1 + ((b − z)/δ)²) − 1).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PseudoHuber {
    delta: f64,
}

impl PseudoHuber {
    /// δ in units of the noise's standard deviation, where the noise is normal and δ is to be estimated: the choice at which Huber's estimate of a
    /// location has 95 % of the efficiency of the mean (Huber 1964).
    pub const EFFICIENT: f64 = 1.345;

    /// `delta` is δ, in the units of the target: residuals far below it are squared, those far above it count by their size.
    ///
    /// ```
    /// use bilevel::loss::{Loss, PseudoHuber};
    ///
    /// let loss = PseudoHuber::new(2.0)?;
    /// assert!((loss.value(0.0, 1e-3) - 0.5e-6).abs() < 1e-12);
    /// assert!((loss.derivative(0.0, 1e6) - 2.0).abs() < 1e-9);
    /// # Ok::<(), bilevel::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for a δ that is not positive and finite, or whose square cannot be represented.
    pub fn new(delta: f64) -> Result<Self> {
        if (1e-75..=1e75).contains(&delta) {
            Ok(Self { delta })
        } else {
            Err(Error::setting("delta", delta, "a positive number whose square can be represented"))
        }
    }

    /// δ.
    pub fn delta(&self) -> f64 {
        self.delta
    }

    /// b − z and √(1 + ((b − z)/δ)²).
    #[inline]
    fn stretch(&self, b: f64, z: f64) -> (f64, f64) {
        let residual = b - z;
        let t = residual / self.delta;
        (residual, (1.0 + t * t).sqrt())
    }
}

impl Loss for PseudoHuber {
    const MAX_CURVATURE: f64 = 1.0;
    /// 48/(25√5), at |b − z| = δ/2.
    const MAX_THIRD_DERIVATIVE: f64 = 0.858_650_103_359_919_3;
    const OF_DIFFERENCE: bool = true;

    #[inline]
    fn unit(&self) -> f64 {
        self.delta
    }
    #[inline]
    fn value(&self, b: f64, z: f64) -> f64 {
        let (residual, stretch) = self.stretch(b, z);
        residual * (residual / (1.0 + stretch))
    }
    #[inline]
    fn derivative(&self, b: f64, z: f64) -> f64 {
        let (residual, stretch) = self.stretch(b, z);
        -residual / stretch
    }
    #[inline]
    fn curvature(&self, b: f64, z: f64) -> f64 {
        let (_, stretch) = self.stretch(b, z);
        1.0 / (stretch * stretch * stretch)
    }
    #[inline]
    fn value_and_derivative(&self, b: f64, z: f64) -> (f64, f64) {
        let (residual, stretch) = self.stretch(b, z);
        (residual * (residual / (1.0 + stretch)), -residual / stretch)
    }
    #[inline]
    fn derivatives(&self, b: f64, z: f64) -> (f64, f64) {
        let (residual, stretch) = self.stretch(b, z);
        (-residual / stretch, 1.0 / (stretch * stretch * stretch))
    }
    /// f'/(z − b): f is concave in r².
    #[inline]
    fn majorant(&self, b: f64, z: f64) -> Option<f64> {
        Some(1.0 / self.stretch(b, z).1)
    }
    /// ub + δ² − δ√(δ² − u²) for |u| ≤ δ.
    #[inline]
    fn conjugate(&self, b: f64, u: f64) -> f64 {
        let t = u / self.delta;
        if t.abs() > 1.0 {
            return f64::INFINITY;
        }
        u * (b + u / (1.0 + ((1.0 - t) * (1.0 + t)).sqrt()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::Squared;

    const POINTS: [(f64, f64); 6] =
        [(0.0, 0.0), (1.0, 0.7), (-2.0, 3.0), (0.4, 40.0), (1e4, -1e4), (5.0, 4.0)];

    #[test]
    fn derivatives_agree_with_central_differences() {
        for delta in [0.1, 1.0, 7.0] {
            let loss = PseudoHuber::new(delta).unwrap();
            for (b, z) in POINTS {
                let step = 1e-4 * delta.max((b - z).abs());
                let difference = |f: &dyn Fn(f64) -> f64| {
                    (8.0 * (f(z + step) - f(z - step)) - f(z + 2.0 * step) + f(z - 2.0 * step))
                        / (12.0 * step)
                };
                let slope = difference(&|z| loss.value(b, z));
                approx::assert_relative_eq!(
                    loss.derivative(b, z),
                    slope,
                    max_relative = 1e-8,
                    epsilon = 1e-9
                );
                let bend = difference(&|z| loss.derivative(b, z));
                approx::assert_relative_eq!(loss.curvature(b, z), bend, max_relative = 1e-6, epsilon = 1e-9);
                assert_eq!(loss.value_and_derivative(b, z), (loss.value(b, z), loss.derivative(b, z)));
                assert_eq!(loss.derivatives(b, z), (loss.derivative(b, z), loss.curvature(b, z)));
            }
        }
    }

    #[test]
    fn no_third_derivative_exceeds_the_bound_and_one_attains_it() {
        let loss = PseudoHuber::new(0.3).unwrap();
        let third = |t: f64| 3.0 * t * (1.0 + t * t).powf(-2.5) / 0.3;
        let bound = PseudoHuber::MAX_THIRD_DERIVATIVE / loss.unit();
        assert!((0..1000).all(|k| third(0.01 * f64::from(k)) <= bound * (1.0 + 1e-14)));
        approx::assert_relative_eq!(third(0.5), bound, max_relative = 1e-14);
        // The formula is the loss's own: from its second derivatives.
        let step = 1e-6;
        let of_loss = (loss.curvature(0.0, 0.15 + step) - loss.curvature(0.0, 0.15 - step)) / (2.0 * step);
        approx::assert_relative_eq!(of_loss.abs(), bound, max_relative = 1e-6);
    }

    #[test]
    fn loss_and_conjugate_meet_where_the_slope_is_the_derivative() {
        for delta in [0.1, 1.0, 7.0] {
            let loss = PseudoHuber::new(delta).unwrap();
            for (b, z) in POINTS {
                let u = loss.derivative(b, z);
                let at_slope = u * z - loss.value(b, z);
                approx::assert_relative_eq!(
                    loss.conjugate(b, u),
                    at_slope,
                    max_relative = 1e-9,
                    epsilon = 1e-12
                );
                assert!(loss.conjugate(b, 0.5 * u) >= 0.5 * u * z - loss.value(b, z));
            }
            assert_eq!(loss.conjugate(1.0, 1.01 * delta), f64::INFINITY);
        }
    }

    #[test]
    fn the_majorant_touches_the_loss_and_lies_above_it() {
        let loss = PseudoHuber::new(0.7).unwrap();
        for (b, z) in POINTS {
            let (value, slope, bend) =
                (loss.value(b, z), loss.derivative(b, z), loss.majorant(b, z).unwrap());
            assert!(bend >= loss.curvature(b, z) && bend <= PseudoHuber::MAX_CURVATURE);
            for step in [-30.0, -1.0, -0.1, 0.1, 1.0, 30.0] {
                let above = value + slope * step + 0.5 * bend * step * step;
                assert!(loss.value(b, z + step) <= above * (1.0 + 1e-12) + 1e-12);
            }
        }
    }

    #[test]
    fn it_is_the_squared_loss_for_a_large_delta_and_the_absolute_one_for_a_small() {
        let (squared, absolute) = (PseudoHuber::new(1e8).unwrap(), PseudoHuber::new(1e-8).unwrap());
        for (b, z) in POINTS {
            approx::assert_relative_eq!(squared.value(b, z), Squared.value(b, z), max_relative = 1e-7);
            approx::assert_relative_eq!(absolute.value(b, z) / 1e-8, (b - z).abs(), epsilon = 1.1e-8);
        }
    }

    #[test]
    fn a_delta_that_is_no_positive_number_is_refused() {
        for delta in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-200] {
            assert!(PseudoHuber::new(delta).is_err());
        }
    }
}
