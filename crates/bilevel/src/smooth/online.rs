//! Online hypergradient descent: a step size that learns while the training runs.
//!
//! After y⁺ = y − s∇f(y), how would f(y⁺) have changed with s? One-step differentiation says
//!
//! ```text
//! d/ds f(y − s∇f(y)) = −∇f(y⁺)ᵀ∇f(y)
//! ```
//!
//! so s descends by adding a multiple of the product of two gradients that follow each other: it grows while they point the same way and shrinks where they
//! turn against each other. ∇f(y⁺) is the gradient that the next step takes anyway, so nothing is computed twice. On mini-batches the next batch's gradient
//! stands for ∇f(y⁺), without bias.
//!
//! Sources: Almeida, Langlois, Amaral, Plakhov, "Parameter adaptation in stochastic optimization" (1998); Baydin, Cornish, Martínez Rubio, Schmidt, Wood,
//! "Online learning rate adaptation with hypergradient descent" (2018).

use super::{SmoothProblem, check_vector, norm};
use crate::kernel::{axpy, dot};
use crate::{Error, Result};

/// How the step size follows its hypergradient.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum OnlineRule {
    /// s ← max(0, s + κ gᵀg⁻), g and g⁻ the gradients of this step and the one before; κ > 0 in the units of s/‖g‖².
    Additive(f64),
    /// s ← s (1 + κ cos∠(g, g⁻)), 0 < κ < 1: without units, at most a factor 1 ± κ a step, and slower from a start that is far off.
    Multiplicative(f64),
}

/// Gradient descent whose step size learns online.
///
/// # Example
/// A start that is a hundred times too small is no matter:
/// ```
/// use bilevel::smooth::{AutoDiff, OnlineRate, OnlineRule, Scalar, Shape};
///
/// struct Quadratic;
/// impl AutoDiff for Quadratic {
///     fn shape(&self) -> Shape {
///         Shape { coefficients: 1, hyperparameters: 0 }
///     }
///     fn lower_gradient<T: Scalar>(&self, y: &[T], _lambda: &[T], out: &mut [T]) {
///         out[0] = y[0] - 3.0;
///     }
///     fn upper_value(&self, y: &[f64], _: &[f64]) -> f64 {
///         0.5 * (y[0] - 3.0).powi(2)
///     }
///     fn upper_gradient(&self, y: &[f64], _: &[f64], by_y: &mut [f64], _: &mut [f64]) {
///         by_y[0] = y[0] - 3.0;
///     }
/// }
///
/// let mut descent = OnlineRate::new(0.01, OnlineRule::Additive(0.1))?;
/// let mut y = [0.0];
/// for _ in 0..10 {
///     descent.step(&Quadratic, &[], &mut y)?;
/// }
/// assert!((y[0] - 3.0).abs() < 1e-6 && descent.rate() > 0.9);
/// # Ok::<(), bilevel::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct OnlineRate {
    rule: OnlineRule,
    rate: f64,
    /// ∇f of the step before; empty at first.
    before: Vec<f64>,
}

impl OnlineRate {
    /// Begins with the step size `start`.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for a start or a κ that is not a positive number, and a multiplicative κ of 1 or more.
    pub fn new(start: f64, rule: OnlineRule) -> Result<Self> {
        if !(start.is_finite() && start > 0.0) {
            return Err(Error::setting("start", start, "a positive number"));
        }
        let (kappa, largest) = match rule {
            OnlineRule::Additive(kappa) => (kappa, f64::INFINITY),
            OnlineRule::Multiplicative(kappa) => (kappa, 1.0),
        };
        if !(kappa > 0.0 && kappa < largest) {
            return Err(Error::setting(
                "rule",
                format!("{rule:?}"),
                "a κ above 0, if multiplicative below 1",
            ));
        }
        Ok(Self { rule, rate: start, before: Vec::new() })
    }

    /// The step size of the last step.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// Adapts the step size, then y ← y − s∇_yF(y, λ). `problem` may be another mini-batch in each step.
    ///
    /// # Errors
    /// [`Error::InvalidData`] for vectors of the wrong length, for another length than in the step before, and a gradient that is not finite (y is left
    /// as it was); what the problem reports.
    pub fn step(&mut self, problem: &dyn SmoothProblem, lambda: &[f64], y: &mut [f64]) -> Result<()> {
        let p = if self.before.is_empty() { problem.n_coefficients() } else { self.before.len() };
        check_vector("y of the online descent", y, p)?;
        check_vector("λ of the online descent", lambda, problem.n_hyperparameters())?;
        let mut gradient = vec![0.0; p];
        problem.gradient_into(y, lambda, &mut gradient)?;
        check_vector("gradient of the online descent", &gradient, p)?;
        if !self.before.is_empty() {
            self.adapt(&gradient);
        }
        axpy(-self.rate, &gradient, y);
        self.before = gradient;
        Ok(())
    }

    fn adapt(&mut self, gradient: &[f64]) {
        let product = dot(gradient, &self.before);
        match self.rule {
            OnlineRule::Additive(kappa) => self.rate = (self.rate + kappa * product).max(0.0),
            OnlineRule::Multiplicative(kappa) => {
                let norms = norm(gradient) * norm(&self.before);
                // At a stationary point there is no angle, and nothing to learn.
                if norms > 0.0 {
                    self.rate *= 1.0 + kappa * (product / norms).clamp(-1.0, 1.0);
                }
            }
        }
    }
}
