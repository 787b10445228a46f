//! MINRES: symmetric systems that need not be positive definite, by minimizing ‖b − Ax‖ over the Krylov space.
//!
//! What the adjoint of a lower level needs that is stationary and no minimizer: a saddle, or a model with symmetries broken by hand.
//!
//! Source: Paige, Saunders, "Solution of sparse indefinite systems of linear equations" (1975).

use crate::Result;
use crate::kernel::{axpy, dot};
use crate::smooth::norm;

/// How a run of MINRES ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MinresOutcome {
    /// Products with the matrix.
    pub products: usize,
    /// ‖b − Ax‖, as the recurrence has it.
    pub residual: f64,
    /// Whether that reached the tolerance.
    pub converged: bool,
}

/// Solves A x = b for symmetric A from the start in `x`, until ‖b − Ax‖ ≤ `tolerance`·‖b‖ or `max_products` products.
///
/// # Errors
/// What `product` reports.
///
/// ```
/// let mut x = vec![0.0, 0.0];
/// let product = |v: &[f64], out: &mut [f64]| {
///     out.copy_from_slice(&[v[1], v[0]]);
///     Ok(())
/// };
/// let outcome = bilevel::hypergradient::smooth::minres(product, &[2.0, 3.0], &mut x, 1e-12, 10)?;
/// assert!(outcome.converged && (x[0] - 3.0).abs() < 1e-12);
/// # Ok::<(), bilevel::Error>(())
/// ```
pub fn minres(
    mut product: impl FnMut(&[f64], &mut [f64]) -> Result<()>,
    b: &[f64],
    x: &mut [f64],
    tolerance: f64,
    max_products: usize,
) -> Result<MinresOutcome> {
    let size = b.len();
    let target = tolerance * norm(b);
    let mut image = vec![0.0; size];
    product(x, &mut image)?;
    let mut v: Vec<f64> = b.iter().zip(&image).map(|(b, a)| b - a).collect();
    let mut beta = norm(&v);
    let mut outcome = MinresOutcome { products: 1, residual: beta, converged: beta <= target };
    if outcome.converged || beta == 0.0 {
        return Ok(outcome);
    }
    v.iter_mut().for_each(|x| *x /= beta);
    let mut v_before = vec![0.0; size];
    let (mut w, mut w_before) = (vec![0.0; size], vec![0.0; size]);
    // Givens rotations (c, s) of this step and the one before; η is what is left of the right side.
    let (mut c, mut c_before, mut s, mut s_before, mut eta) = (1.0, 1.0, 0.0, 0.0, beta);
    while !outcome.converged && outcome.products < max_products {
        product(&v, &mut image)?;
        outcome.products += 1;
        let alpha = dot(&v, &image);
        axpy(-alpha, &v, &mut image);
        axpy(-beta, &v_before, &mut image);
        let beta_next = norm(&image);
        let delta = c * alpha - c_before * s * beta;
        let (rho_2, rho_3) = (s * alpha + c_before * c * beta, s_before * beta);
        let rho_1 = delta.hypot(beta_next);
        if rho_1 == 0.0 || rho_1.is_nan() {
            break;
        }
        (c_before, s_before) = (c, s);
        (c, s) = (delta / rho_1, beta_next / rho_1);
        for ((before, now), v) in w_before.iter_mut().zip(&mut w).zip(&v) {
            let next = (v - rho_3 * *before - rho_2 * *now) / rho_1;
            (*before, *now) = (*now, next);
        }
        axpy(c * eta, &w, x);
        eta *= -s;
        outcome.residual = eta.abs();
        outcome.converged = outcome.residual <= target;
        if beta_next == 0.0 {
            break;
        }
        std::mem::swap(&mut v_before, &mut v);
        v.iter_mut().zip(&image).for_each(|(v, i)| *v = i / beta_next);
        beta = beta_next;
    }
    Ok(outcome)
}
