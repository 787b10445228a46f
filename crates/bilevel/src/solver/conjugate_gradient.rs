//! Preconditioned conjugate gradients for symmetric positive definite systems.
//!
//! Source: Hestenes and Stiefel, "Methods of conjugate gradients for solving linear systems" (1952).

/// Curvature relative to the largest seen that counts as none.
const NO_CURVATURE: f64 = 1e-13;

/// The preconditioner diag(d)⁻¹, given the inverse entries.
pub fn diagonal_preconditioner(inverse: &[f64]) -> impl FnMut(&[f64], &mut [f64]) + '_ {
    move |r, out| out.iter_mut().zip(r).zip(inverse).for_each(|((o, r), d)| *o = r * d)
}

/// How a run of conjugate gradients ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CgOutcome {
    /// Products with the matrix.
    pub products: usize,
    /// ‖b − Ax‖; NaN where a product was.
    pub residual: f64,
    /// Smallest Ritz-like quotient pᵀAp/pᵀp seen, that of the start among them: an upper estimate of the smallest eigenvalue of the matrix. Infinite
    /// where none was seen: the start was zero, and good enough.
    pub smallest_quotient: f64,
    /// Whether the residual reached the tolerance.
    pub converged: bool,
}

/// Solves A x = b from the start in `x`, until ‖b − Ax‖ ≤ `tolerance`·‖b‖ or `max_products` products.
///
/// `product(v, out)` writes A v into `out`; `precondition(r, out)` writes an approximation of A⁻¹r, symmetric positive definite, into `out`.
///
/// ```
/// let mut x = vec![0.0, 0.0];
/// let product = |v: &[f64], out: &mut [f64]| { out[0] = 2.0 * v[0]; out[1] = 4.0 * v[1]; };
/// let identity = |r: &[f64], out: &mut [f64]| out.copy_from_slice(r);
/// let outcome = bilevel::solver::conjugate_gradient(product, identity, &[2.0, 2.0], &mut x, 1e-12, 10);
/// assert!(outcome.converged && (x[1] - 0.5).abs() < 1e-12);
/// ```
pub fn conjugate_gradient(
    mut product: impl FnMut(&[f64], &mut [f64]),
    mut precondition: impl FnMut(&[f64], &mut [f64]),
    b: &[f64],
    x: &mut [f64],
    tolerance: f64,
    max_products: usize,
) -> CgOutcome {
    let dot = crate::kernel::dot;
    let size = b.len();
    let target = tolerance * dot(b, b).sqrt();
    let mut image = vec![0.0; size];
    // A start at zero leaves b, and needs no product to say so.
    let starts_at_zero = x.iter().all(|x| *x == 0.0);
    if !starts_at_zero {
        product(x, &mut image);
    }
    let of_start = dot(x, &image) / dot(x, x);
    let mut residual: Vec<f64> = b.iter().zip(&image).map(|(b, a)| b - a).collect();
    let mut z = vec![0.0; size];
    precondition(&residual, &mut z);
    let mut direction = z.clone();
    let mut rho = dot(&residual, &z);
    let mut outcome = CgOutcome {
        products: usize::from(!starts_at_zero),
        residual: dot(&residual, &residual).sqrt(),
        // `min` passes over NaN: the quotient of a zero vector.
        smallest_quotient: f64::INFINITY.min(of_start),
        converged: false,
    };
    let mut largest_quotient = 0.0_f64;
    while outcome.residual > target && outcome.products < max_products {
        product(&direction, &mut image);
        outcome.products += 1;
        let curvature = dot(&direction, &image);
        if curvature.is_nan() {
            // No product of this operator says how far x is from the solution.
            outcome.residual = f64::NAN;
            break;
        }
        let quotient = curvature / dot(&direction, &direction);
        largest_quotient = quotient.max(largest_quotient);
        // In a singular system a direction of (nearly) no curvature leads along the null space to infinity: what is reached before it is the
        // solution of smallest norm.
        if quotient.is_nan() || quotient <= NO_CURVATURE * largest_quotient {
            break;
        }
        outcome.smallest_quotient = outcome.smallest_quotient.min(quotient);
        let step = rho / curvature;
        crate::kernel::axpy(step, &direction, x);
        crate::kernel::axpy(-step, &image, &mut residual);
        outcome.residual = dot(&residual, &residual).sqrt();
        precondition(&residual, &mut z);
        let rho_next = dot(&residual, &z);
        let beta = rho_next / rho;
        rho = rho_next;
        direction.iter_mut().zip(&z).for_each(|(d, z)| *d = z + beta * *d);
    }
    outcome.converged = outcome.residual <= target;
    outcome
}
