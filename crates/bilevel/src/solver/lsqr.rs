//! LSQR: least squares with an optional Tikhonov term, min ½‖Ax − b‖² + (λ/2)‖x‖², from products with A and Aᵀ alone.
//!
//! In exact arithmetic it is conjugate gradients on the normal equations; in floating point it is the better half of it, because AᵀA is never
//! formed. No vectors are kept.
//!
//! Source: Paige and Saunders, "LSQR: an algorithm for sparse linear equations and sparse least squares", ACM TOMS 8 (1982).

use super::golub_kahan::{GolubKahan, Reorthogonalization};
use crate::operator::LinearOperator;
use crate::{Error, Result};

/// Why a Krylov method ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KrylovEnd {
    /// The asked accuracy was reached.
    Converged,
    /// The Krylov space holds all that can be reached: the answer is exact but for rounding.
    SpaceExhausted,
    /// The allowed number of steps was spent first.
    OutOfSteps,
}

/// When LSQR stops.
///
/// # Example
/// ```
/// let settings = bilevel::solver::LsqrSettings { lambda: 0.1, ..Default::default() };
/// assert_eq!(settings.max_steps, 1000);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LsqrSettings {
    /// λ ≥ 0.
    pub lambda: f64,
    /// Stops at ‖Aᵀ(b − Ax) − λx‖ ≤ tolerance·‖Aᵀb‖, and for λ = 0 also at ‖b − Ax‖ ≤ tolerance·‖b‖. Default 1e-8.
    pub tolerance: f64,
    /// Most steps, of two products each. Default 1000.
    pub max_steps: usize,
}

impl Default for LsqrSettings {
    fn default() -> Self {
        Self { lambda: 0.0, tolerance: 1e-8, max_steps: 1000 }
    }
}

/// What LSQR found.
#[derive(Debug, Clone, PartialEq)]
pub struct LsqrOutcome {
    /// The minimizer.
    pub x: Vec<f64>,
    /// √(‖b − Ax‖² + λ‖x‖²).
    pub residual: f64,
    /// ‖Aᵀ(b − Ax) − λx‖/‖Aᵀb‖.
    pub relative_gradient: f64,
    /// Products with A and with Aᵀ.
    pub products: usize,
    /// Why it ended.
    pub end: KrylovEnd,
}

/// Minimizes ½‖Ax − b‖² + (λ/2)‖x‖² from x = 0; for a singular A and λ = 0 the minimizer of smallest norm.
///
/// # Errors
/// [`Error::InvalidSetting`] for a negative λ; [`Error::InvalidData`] for a `b` that does not fit; what the operator fails with.
///
/// # Example
/// ```
/// use bilevel::operator::{LinearOperator, ParallelBeam, Radon};
/// use bilevel::solver::{KrylovEnd, LsqrSettings, lsqr};
///
/// let radon = Radon::new(&ParallelBeam::half_turn(8, 8, 20))?;
/// let truth: Vec<f64> = (0..64).map(|k| f64::from(k % 5)).collect();
/// let found = lsqr(&radon, &radon.apply(&truth)?, &LsqrSettings { tolerance: 1e-10, ..Default::default() })?;
/// assert_eq!(found.end, KrylovEnd::Converged);
/// assert!(found.x.iter().zip(&truth).all(|(a, b)| (a - b).abs() < 1e-6));
/// # Ok::<(), bilevel::Error>(())
/// ```
pub fn lsqr(operator: &impl LinearOperator, b: &[f64], settings: &LsqrSettings) -> Result<LsqrOutcome> {
    if !(settings.lambda >= 0.0 && settings.lambda.is_finite()) {
        return Err(Error::setting("lambda", settings.lambda, "a number that is not negative"));
    }
    let mut bidiagonal = GolubKahan::new(operator, b, Reorthogonalization::None)?;
    let (alpha, beta) = (bidiagonal.alphas()[0], bidiagonal.betas()[0]);
    let gradient_at_zero = alpha * beta;
    let mut rotation = Rotation { rho_bar: alpha, phi_bar: beta, damped: 0.0 };
    let mut direction = bidiagonal.right().to_vec();
    let mut found = LsqrOutcome {
        x: vec![0.0; direction.len()],
        residual: beta,
        relative_gradient: if gradient_at_zero > 0.0 { 1.0 } else { 0.0 },
        products: 1,
        end: KrylovEnd::OutOfSteps,
    };
    for _ in 0..settings.max_steps {
        if !bidiagonal.extend()? {
            found.end = KrylovEnd::SpaceExhausted;
            break;
        }
        let k = bidiagonal.size();
        let (alpha, beta) = (bidiagonal.alphas()[k], bidiagonal.betas()[k]);
        let step = rotation.next(alpha, beta, settings.lambda.sqrt());
        crate::kernel::axpy(step.length, &direction, &mut found.x);
        direction.iter_mut().zip(bidiagonal.right()).for_each(|(w, v)| *w = v - step.mix * *w);
        found.residual = rotation.phi_bar.hypot(rotation.damped);
        found.relative_gradient = step.gradient / gradient_at_zero;
        let fits = settings.lambda == 0.0 && found.residual <= settings.tolerance * bidiagonal.betas()[0];
        if found.relative_gradient <= settings.tolerance || fits {
            found.end = KrylovEnd::Converged;
            break;
        }
    }
    found.products = bidiagonal.products();
    Ok(found)
}

/// The QR factorization of B_k with √λ·I below it, one column at a time; the names ρ̄ and φ̄ are the paper's.
struct Rotation {
    rho_bar: f64,
    phi_bar: f64,
    /// Root of the sum of squares that the rotations with √λ took out of the residual.
    damped: f64,
}

struct Step {
    /// φ/ρ: the length along the direction.
    length: f64,
    /// θ/ρ: how much of the old direction stays in the next.
    mix: f64,
    /// ‖Aᵀr − λx‖ after the step.
    gradient: f64,
}

impl Rotation {
    fn next(&mut self, alpha: f64, beta: f64, root_lambda: f64) -> Step {
        let with_lambda = self.rho_bar.hypot(root_lambda);
        self.damped = self.damped.hypot(root_lambda / with_lambda * self.phi_bar);
        self.phi_bar *= self.rho_bar / with_lambda;
        let rho = with_lambda.hypot(beta);
        let (c, s) = (with_lambda / rho, beta / rho);
        let (theta, phi) = (s * alpha, c * self.phi_bar);
        self.rho_bar = -c * alpha;
        self.phi_bar *= s;
        Step { length: phi / rho, mix: theta / rho, gradient: alpha * (s * phi).abs() }
    }
}
