//! Smooth lower levels that users write: y*(λ) = argmin_y F(y, λ), judged by a criterion L(y, λ).
//!
//! The engine asks a [`SmoothProblem`] for gradients and for products with second derivatives, never for a value of F, and never for a matrix:
//!
//! ```text
//! ∇_yF      H v = ∇²_{yy}F v      B u = (∂²F/∂y∂λ) u      Bᵀ v = (∂²F/∂y∂λ)ᵀ v      L, ∇_yL, ∇_λL
//! ```
//!
//! There are two ways to give them. [`AutoDiff`]: write ∇_yF once, generic over a [`Scalar`], and the products follow exactly by dual numbers
//! (`auto.rs`). Or implement [`SmoothProblem`] itself, with products by hand or from another framework. [`gradcheck`] compares either with
//! central differences and names the first component that is wrong.
//!
//! | what | file |
//! |---|---|
//! | products by dual numbers | `auto.rs` |
//! | comparison with differences | `check.rs` |
//! | μ, Lipschitz constants, operator norms | `spectrum.rs` |
//! | T(y, λ): gradient descent, heavy ball, Nesterov, their proximal forms | `map.rs`, `descent.rs`, `rate.rs`, `prox.rs` |
//! | y*(λ) by Newton-CG, L-BFGS or a map | `solve.rs`, `newton_cg.rs`, `quasi_newton.rs`, `line_search.rs` |
//! | a step size that learns while the training runs | `online.rs` |
//! | Φ(θ) for the outer methods | `objective.rs` |
//!
//! The ways to differentiate y*(λ) are in [`crate::hypergradient::smooth`].
//!
//! # Example
//! Ridge with one weight: F = ½(y − 3)² + ½λy², L = ½(y − 1)². The best weight is λ = 2, where y* = 3/(1 + λ) = 1.
//! ```
//! use bilevel::outer::{Lbfgs, OuterOptimizer, Unwatched};
//! use bilevel::smooth::{AutoDiff, Scalar, Shape, SmoothObjective};
//!
//! struct Ridge;
//! impl AutoDiff for Ridge {
//!     fn shape(&self) -> Shape {
//!         Shape { coefficients: 1, hyperparameters: 1 }
//!     }
//!     fn lower_gradient<T: Scalar>(&self, y: &[T], lambda: &[T], out: &mut [T]) {
//!         out[0] = y[0] - 3.0 + lambda[0] * y[0];
//!     }
//!     fn upper_value(&self, y: &[f64], _lambda: &[f64]) -> f64 {
//!         0.5 * (y[0] - 1.0).powi(2)
//!     }
//!     fn upper_gradient(&self, y: &[f64], _lambda: &[f64], by_y: &mut [f64], _by_lambda: &mut [f64]) {
//!         by_y[0] = y[0] - 1.0;
//!     }
//! }
//!
//! let mut objective = SmoothObjective::new(&Ridge).with_bounds(vec![1e-6], vec![1e6])?;
//! let result = Lbfgs::default().minimize(&mut objective, &[0.5], &mut Unwatched)?;
//! assert!((result.theta[0] - 2.0).abs() < 1e-5);
//! # Ok::<(), bilevel::Error>(())
//! ```

mod auto;
mod check;
mod descent;
mod line_search;
mod map;
mod newton_cg;
mod objective;
mod online;
mod prox;
mod quasi_newton;
mod rate;
mod solve;
mod spectrum;

use crate::{Error, Result};

pub use auto::{AutoDiff, Scalar, Shape};
pub use check::{Mismatch, gradcheck};
pub use descent::{Batches, Descent, Momentum, MomentumKind};
pub(crate) use map::check_start;
pub use map::{FixedPoint, IterationMap, fixed_point, iterate};
pub use objective::SmoothObjective;
pub use online::{OnlineRate, OnlineRule};
pub use prox::{Prox, SoftThreshold};
pub use rate::Rate;
pub use solve::{SmoothSolution, SmoothSolver, SmoothStatus, SolveSettings, solve};
pub use spectrum::{Contraction, Evidence, OperatorNorm, SpectralBounds, operator_norm, spectral_bounds};
pub(crate) use spectrum::{Hessian, columns};

/// A smooth lower level with its criterion: all that the engine needs.
///
/// Vectors have the lengths that [`n_coefficients`](Self::n_coefficients) (p) and [`n_hyperparameters`](Self::n_hyperparameters) (m) say; what `out`
/// held before does not matter. Nothing here is asked for a matrix; where p is small the engine builds H from p products.
///
/// # Errors
/// Whatever the user's functions report; it reaches the caller as it is.
#[allow(clippy::missing_errors_doc, reason = "said once, for all methods")]
pub trait SmoothProblem: Send + Sync {
    /// p, the length of y.
    fn n_coefficients(&self) -> usize;

    /// m, the length of λ.
    fn n_hyperparameters(&self) -> usize;

    /// out = ∇_yF(y, λ), of length p.
    fn gradient_into(&self, y: &[f64], lambda: &[f64], out: &mut [f64]) -> Result<()>;

    /// out = H v with H = ∇²_{yy}F(y, λ).
    fn hessian_product_into(&self, y: &[f64], lambda: &[f64], v: &[f64], out: &mut [f64]) -> Result<()>;

    /// out = B u with B = ∂²F/∂y∂λ (p×m): the change of ∇_yF along u.
    fn mixed_product_into(&self, y: &[f64], lambda: &[f64], u: &[f64], out: &mut [f64]) -> Result<()>;

    /// out = Bᵀ v, of length m.
    fn mixed_adjoint_into(&self, y: &[f64], lambda: &[f64], v: &[f64], out: &mut [f64]) -> Result<()>;

    /// L(y, λ).
    fn criterion(&self, y: &[f64], lambda: &[f64]) -> Result<f64>;

    /// `by_y` = ∇_yL and `by_lambda` = ∇_λL.
    fn criterion_gradient_into(
        &self,
        y: &[f64],
        lambda: &[f64],
        by_y: &mut [f64],
        by_lambda: &mut [f64],
    ) -> Result<()>;

    /// out = diag(H), for the diagonal preconditioner. The default spends p products with H.
    fn hessian_diagonal_into(&self, y: &[f64], lambda: &[f64], out: &mut [f64]) -> Result<()> {
        let mut unit = vec![0.0; out.len()];
        let mut column = vec![0.0; out.len()];
        for (j, entry) in out.iter_mut().enumerate() {
            unit[j] = 1.0;
            self.hessian_product_into(y, lambda, &unit, &mut column)?;
            *entry = column[j];
            unit[j] = 0.0;
        }
        Ok(())
    }

    /// What is known about F(·, λ) and L for all y. What is not known is estimated around the solution, and bounds say so.
    fn constants(&self, _lambda: &[f64]) -> Constants {
        Constants::default()
    }
}

/// What a user knows about a problem, for all y; all of it optional.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Constants {
    /// μ with H ⪰ μI.
    pub strong_convexity: Option<f64>,
    /// Lip(∇_yF): H ⪯ Lip·I.
    pub lipschitz: Option<f64>,
    /// How fast the second derivatives and the criterion's gradient change with y.
    pub drift: Option<Drift>,
}

/// Lipschitz constants in y, in Euclidean and spectral norms: what error bounds of inexact hypergradients are made of (DESIGN §2.4).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Drift {
    /// Of H; 0 for a quadratic F.
    pub hessian: f64,
    /// Of B.
    pub mixed: f64,
    /// Of ∇_yL.
    pub criterion: f64,
    /// Of ∇_λL.
    pub criterion_by_lambda: f64,
}

/// One sentence for a vector of the wrong length, or one that holds NaN or infinity.
pub(crate) fn check_vector(what: &str, vector: &[f64], length: usize) -> Result<()> {
    if vector.len() != length {
        return Err(Error::data(what, format!("{} values", vector.len()), format!("{length} values")));
    }
    match vector.iter().position(|v| !v.is_finite()) {
        Some(k) => Err(Error::data(format!("{what}, entry {k}"), vector[k].to_string(), "a finite number")),
        None => Ok(()),
    }
}

/// ‖v‖.
pub(crate) fn norm(v: &[f64]) -> f64 {
    crate::kernel::dot(v, v).sqrt()
}
