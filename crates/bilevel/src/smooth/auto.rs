//! Products with second derivatives from gradients that the user writes once, exactly, by forward-mode dual numbers.
//!
//! A dual number a + bε with ε² = 0 carries a derivative along. The user's ∇_yF, evaluated at dual arguments, gives
//!
//! ```text
//! ∇_yF(y + εv, λ) = ∇_yF + ε H v        ∇_yF(y, λ + εu) = ∇_yF + ε B u        ∇_λF(y + εv, λ) = ∇_λF + ε Bᵀ v
//! ```
//!
//! Each product costs one evaluation at dual numbers. Bᵀv needs ∇_λF: without it, it is put together from m products B e_k, which is right
//! for a few hyperparameters and slow for thousands. Every product can be overridden by hand.
//!
//! Source: Griewank, Walther, "Evaluating Derivatives" (2008), section 3; the dual numbers are those of the crate `num-dual`.

use num_dual::{Dual64, DualNum};

use super::{Constants, SmoothProblem};
use crate::Result;
use crate::kernel::dot;

/// A number that may carry a derivative: `f64` or a dual number.
///
/// It has `+ − * /` with itself and with `f64`, comparisons (of the real parts), and the methods of [`num_dual::DualNum`]: `exp`, `ln`, `ln_1p`,
/// `sqrt`, `powi`, `powf`, `tanh`, `abs`, …. A constant is `T::from(2.0)`, its real part `x.re()`.
pub trait Scalar: DualNum<Primitive = f64> + Copy + Send + Sync {}

impl<T: DualNum<Primitive = f64> + Copy + Send + Sync> Scalar for T {}

/// The sizes of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// p, the length of y.
    pub coefficients: usize,
    /// m, the length of λ.
    pub hyperparameters: usize,
}

/// A problem written as gradients that are generic over the scalar; it is a [`SmoothProblem`] by that.
///
/// # Example
/// One weight decay for each coefficient, F = ½‖y − c‖² + ½Σ λ_j y_j². With [`hyper_gradient`](Self::hyper_gradient) written as well, Bᵀv takes one pass
/// however many λ there are.
/// ```
/// use bilevel::smooth::{AutoDiff, Scalar, Shape, SmoothProblem, gradcheck};
///
/// struct Decays(Vec<f64>);
/// impl AutoDiff for Decays {
///     fn shape(&self) -> Shape {
///         Shape { coefficients: self.0.len(), hyperparameters: self.0.len() }
///     }
///     fn lower_gradient<T: Scalar>(&self, y: &[T], lambda: &[T], out: &mut [T]) {
///         for (j, c) in self.0.iter().enumerate() {
///             out[j] = y[j] - *c + lambda[j] * y[j];
///         }
///     }
///     fn hyper_gradient<T: Scalar>(&self, y: &[T], _lambda: &[T], out: &mut [T]) -> bool {
///         out.iter_mut().zip(y).for_each(|(o, y)| *o = *y * *y * 0.5);
///         true
///     }
///     fn upper_value(&self, y: &[f64], _: &[f64]) -> f64 {
///         y.iter().sum()
///     }
///     fn upper_gradient(&self, _: &[f64], _: &[f64], by_y: &mut [f64], _: &mut [f64]) {
///         by_y.fill(1.0);
///     }
/// }
///
/// let problem = Decays(vec![1.0, 2.0]);
/// let mut out = [0.0; 2];
/// problem.hessian_product_into(&[0.3, 0.4], &[1.0, 3.0], &[1.0, 1.0], &mut out)?;
/// assert_eq!(out, [2.0, 4.0]);
/// assert!(gradcheck(&problem, &[0.3, 0.4], &[1.0, 3.0], 1e-6)?.is_none());
/// # Ok::<(), bilevel::Error>(())
/// ```
pub trait AutoDiff: Send + Sync {
    /// The lengths of y and λ.
    fn shape(&self) -> Shape;

    /// out = ∇_yF(y, λ).
    fn lower_gradient<T: Scalar>(&self, y: &[T], lambda: &[T], out: &mut [T]);

    /// out = ∇_λF(y, λ), and `true`; the default says `false`: not written.
    ///
    /// Terms of F that do not depend on y may be left out: only the derivative in y is used.
    fn hyper_gradient<T: Scalar>(&self, _y: &[T], _lambda: &[T], _out: &mut [T]) -> bool {
        false
    }

    /// L(y, λ).
    fn upper_value(&self, y: &[f64], lambda: &[f64]) -> f64;

    /// `by_y` = ∇_yL, `by_lambda` = ∇_λL; both hold zeros before.
    fn upper_gradient(&self, y: &[f64], lambda: &[f64], by_y: &mut [f64], by_lambda: &mut [f64]);

    /// out = H v; override it where it can be written by hand.
    fn hessian_product(&self, y: &[f64], lambda: &[f64], v: &[f64], out: &mut [f64]) {
        let at = duals(lambda, None);
        derivative(out, |image| self.lower_gradient(&duals(y, Some(v)), &at, image));
    }

    /// out = B u; override it where it can be written by hand.
    fn mixed_product(&self, y: &[f64], lambda: &[f64], u: &[f64], out: &mut [f64]) {
        let at = duals(y, None);
        derivative(out, |image| self.lower_gradient(&at, &duals(lambda, Some(u)), image));
    }

    /// out = Bᵀ v; override it where it can be written by hand.
    fn mixed_adjoint(&self, y: &[f64], lambda: &[f64], v: &[f64], out: &mut [f64]) {
        let at = duals(lambda, None);
        let mut written = false;
        derivative(out, |image| written = self.hyper_gradient(&duals(y, Some(v)), &at, image));
        if !written {
            self.mixed_adjoint_by_columns(y, lambda, v, out);
        }
    }

    /// out = Bᵀ v from m products B e_k: what [`mixed_adjoint`](Self::mixed_adjoint) falls back to.
    fn mixed_adjoint_by_columns(&self, y: &[f64], lambda: &[f64], v: &[f64], out: &mut [f64]) {
        let mut unit = vec![0.0; lambda.len()];
        let mut column = vec![0.0; y.len()];
        for (k, entry) in out.iter_mut().enumerate() {
            unit[k] = 1.0;
            self.mixed_product(y, lambda, &unit, &mut column);
            *entry = dot(&column, v);
            unit[k] = 0.0;
        }
    }

    /// What is known for all y; see [`SmoothProblem::constants`].
    fn known_constants(&self, _lambda: &[f64]) -> Constants {
        Constants::default()
    }
}

/// values + ε directions.
fn duals(values: &[f64], directions: Option<&[f64]>) -> Vec<Dual64> {
    match directions {
        Some(directions) => values.iter().zip(directions).map(|(&re, &eps)| Dual64::new(re, eps)).collect(),
        None => values.iter().map(|&re| Dual64::from_re(re)).collect(),
    }
}

/// The ε parts of what `write` writes.
fn derivative(out: &mut [f64], write: impl FnOnce(&mut [Dual64])) {
    let mut image = vec![Dual64::from_re(0.0); out.len()];
    write(&mut image);
    out.iter_mut().zip(&image).for_each(|(o, d)| *o = d.eps);
}

impl<P: AutoDiff> SmoothProblem for P {
    fn n_coefficients(&self) -> usize {
        self.shape().coefficients
    }

    fn n_hyperparameters(&self) -> usize {
        self.shape().hyperparameters
    }

    fn gradient_into(&self, y: &[f64], lambda: &[f64], out: &mut [f64]) -> Result<()> {
        out.fill(0.0);
        self.lower_gradient(y, lambda, out);
        Ok(())
    }

    fn hessian_product_into(&self, y: &[f64], lambda: &[f64], v: &[f64], out: &mut [f64]) -> Result<()> {
        self.hessian_product(y, lambda, v, out);
        Ok(())
    }

    fn mixed_product_into(&self, y: &[f64], lambda: &[f64], u: &[f64], out: &mut [f64]) -> Result<()> {
        self.mixed_product(y, lambda, u, out);
        Ok(())
    }

    fn mixed_adjoint_into(&self, y: &[f64], lambda: &[f64], v: &[f64], out: &mut [f64]) -> Result<()> {
        self.mixed_adjoint(y, lambda, v, out);
        Ok(())
    }

    fn criterion(&self, y: &[f64], lambda: &[f64]) -> Result<f64> {
        Ok(self.upper_value(y, lambda))
    }

    fn criterion_gradient_into(
        &self,
        y: &[f64],
        lambda: &[f64],
        by_y: &mut [f64],
        by_lambda: &mut [f64],
    ) -> Result<()> {
        by_y.fill(0.0);
        by_lambda.fill(0.0);
        self.upper_gradient(y, lambda, by_y, by_lambda);
        Ok(())
    }

    fn constants(&self, lambda: &[f64]) -> Constants {
        self.known_constants(lambda)
    }
}
