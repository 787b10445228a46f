//! Conjugate residuals for symmetric positive *semi*definite systems, consistent or not.
//!
//! Where a support holds linearly dependent columns the adjoint system is singular, and its right side may reach into the null space (the validation
//! rows tell columns apart that the training rows do not). Conjugate gradients run off to infinity along the null space then; conjugate residuals
//! minimize ‖b − Hx‖ at every step, and what is left of the residual in the end *is* the part of b that no x can reach. Subtracting that
//! direction from x leaves the least-squares solution of smallest norm.
//!
//! Sources: Stiefel, "Relaxationsmethoden bester Strategie zur Lösung linearer Gleichungssysteme" (1955); Liu, Fowler, Roosta, "Obtaining
//! pseudo-inverse solutions with MINRES" (2023), for the last step.

use super::conjugate_gradient::CgOutcome;

/// ‖Hr‖ below this fraction of ‖H‖‖r‖ counts as zero, at the least: residuals that H maps to nothing are out of its reach.
const SMALLEST_NULL: f64 = 1e-10;
/// The same in units of the tolerance.
const NULL_BY_TOLERANCE: f64 = 1e-3;

/// Solves H x = b in the least-squares sense from the start in `x`, until ‖S⁻¹(b − Hx)‖ ≤ `tolerance`·‖S⁻¹b‖, or what is left is out of reach of
/// H (`converged` is `false` then), or `max_products` products.
///
/// `product(v, out)` writes H v into `out`; `scale` is the diagonal of S: positive numbers near the roots of H's diagonal, so that nothing here
/// depends on the units of x (the norm that is smallest is ‖Sx‖). The residual in the outcome is ‖b − Hx‖.
///
/// ```
/// // x₁ + x₂ can be told, their difference cannot: (2, 4) is reached as far as (3, 3).
/// let mut x = vec![0.0, 0.0];
/// let product = |v: &[f64], out: &mut [f64]| out.fill(v[0] + v[1]);
/// let outcome = bilevel::solver::conjugate_residual(product, &[1.0, 1.0], &[2.0, 4.0], &mut x, 1e-12, 10);
/// assert!(!outcome.converged && (x[0] - 1.5).abs() < 1e-12 && (x[1] - 1.5).abs() < 1e-12);
/// ```
pub fn conjugate_residual(
    mut product: impl FnMut(&[f64], &mut [f64]),
    scale: &[f64],
    b: &[f64],
    x: &mut [f64],
    tolerance: f64,
    max_products: usize,
) -> CgOutcome {
    let dot = crate::kernel::dot;
    let size = b.len();
    let divided = |v: &[f64]| -> Vec<f64> { v.iter().zip(scale).map(|(v, s)| v / s).collect() };
    let mut unscaled = vec![0.0; size];
    // ṽ ↦ S⁻¹HS⁻¹ṽ; all vectors below are in the scaled variables S x.
    let mut apply = |v: &[f64], out: &mut [f64]| {
        unscaled.iter_mut().zip(v).zip(scale).for_each(|((u, v), s)| *u = v / s);
        product(&unscaled, out);
        out.iter_mut().zip(scale).for_each(|(o, s)| *o /= s);
    };
    let norm = |v: &[f64]| dot(v, v).sqrt();
    // (S⁻¹HS⁻¹ṽ)ᵀṽ over ‖S⁻¹ṽ‖²: a Rayleigh quotient of H, hence above its smallest eigenvalue.
    let rayleigh = |v: &[f64], image: &[f64]| {
        let unscaled = divided(v);
        dot(v, image) / dot(&unscaled, &unscaled)
    };
    let scaled_b = divided(b);
    let target = tolerance * norm(&scaled_b);
    x.iter_mut().zip(scale).for_each(|(x, s)| *x *= s);
    let mut image = vec![0.0; size];
    apply(x, &mut image);
    // `min` passes over NaN: the quotient of a zero vector.
    let of_start = rayleigh(x, &image);
    let mut residual: Vec<f64> = scaled_b.iter().zip(&image).map(|(b, a)| b - a).collect();
    let mut of_residual = vec![0.0; size];
    apply(&residual, &mut of_residual);
    let (mut direction, mut of_direction) = (residual.clone(), of_residual.clone());
    let mut curvature = dot(&residual, &of_residual);
    let mut outcome = CgOutcome {
        products: 2,
        residual: 0.0,
        smallest_quotient: f64::INFINITY.min(of_start).min(rayleigh(&residual, &of_residual)),
        converged: false,
    };
    let null = SMALLEST_NULL.max(NULL_BY_TOLERANCE * tolerance);
    let mut largest = 0.0_f64;
    loop {
        let quotient = norm(&of_residual) / norm(&residual);
        outcome.converged = norm(&residual) <= target;
        if outcome.converged || outcome.products >= max_products || quotient.is_nan() {
            break;
        }
        largest = largest.max(quotient);
        let square = dot(&of_direction, &of_direction);
        if quotient <= null * largest || curvature <= 0.0 || square <= 0.0 {
            lift(x, &residual);
            break;
        }
        let of_unscaled = divided(&residual);
        outcome.smallest_quotient =
            outcome.smallest_quotient.min(curvature / dot(&of_unscaled, &of_unscaled));
        let step = curvature / square;
        crate::kernel::axpy(step, &direction, x);
        crate::kernel::axpy(-step, &of_direction, &mut residual);
        apply(&residual, &mut of_residual);
        outcome.smallest_quotient = outcome.smallest_quotient.min(rayleigh(&residual, &of_residual));
        outcome.products += 1;
        let next = dot(&residual, &of_residual);
        let beta = next / curvature;
        curvature = next;
        direction.iter_mut().zip(&residual).for_each(|(d, r)| *d = r + beta * *d);
        of_direction.iter_mut().zip(&of_residual).for_each(|(d, r)| *d = r + beta * *d);
    }
    x.iter_mut().zip(scale).for_each(|(x, s)| *x /= s);
    outcome.residual = norm(&residual.iter().zip(scale).map(|(r, s)| r * s).collect::<Vec<f64>>());
    outcome
}

/// Takes the part along the residual out of x: all of its null part, if x began without one.
fn lift(x: &mut [f64], residual: &[f64]) {
    let square = crate::kernel::dot(residual, residual);
    if square > 0.0 {
        crate::kernel::axpy(-crate::kernel::dot(residual, x) / square, residual, x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// H = Σ_k d_k v_k v_kᵀ with orthogonal v_k = (1,1,0)/√2, (0,0,1) and null vector (1,−1,0)/√2.
    fn product(v: &[f64], out: &mut [f64]) {
        let mean = 0.5 * (v[0] + v[1]);
        out.copy_from_slice(&[4.0 * mean, 4.0 * mean, 9.0 * v[2]]);
    }

    #[test]
    fn a_consistent_singular_system_is_solved() {
        let mut x = vec![0.0; 3];
        let outcome = conjugate_residual(product, &[1.0; 3], &[4.0, 4.0, 18.0], &mut x, 1e-12, 20);
        assert!(outcome.converged && outcome.residual < 1e-11);
        for (x, expected) in x.iter().zip([1.0, 1.0, 2.0]) {
            approx::assert_relative_eq!(*x, expected, max_relative = 1e-12);
        }
    }

    #[test]
    fn an_inconsistent_system_gets_the_pseudo_inverse_solution_and_says_what_is_left() {
        let mut x = vec![0.0; 3];
        let outcome = conjugate_residual(product, &[1.0; 3], &[4.0, 10.0, 18.0], &mut x, 1e-12, 200);
        assert!(!outcome.converged && outcome.products < 20, "{outcome:?}");
        // (4, 10) = (7, 7) + (−3, 3), of which H reaches the first part.
        for (x, expected) in x.iter().zip([1.75, 1.75, 2.0]) {
            approx::assert_relative_eq!(*x, expected, max_relative = 1e-9);
        }
        approx::assert_relative_eq!(outcome.residual, 18.0_f64.sqrt(), max_relative = 1e-9);
    }

    #[test]
    fn a_scaled_start_leads_to_the_same_solution() {
        let mut x = vec![0.5, -1.0, 7.0];
        let definite =
            |v: &[f64], out: &mut [f64]| out.copy_from_slice(&[2.0 * v[0], 100.0 * v[1], 8.0 * v[2]]);
        let scale = [2.0_f64.sqrt(), 10.0, 8.0_f64.sqrt()];
        let outcome = conjugate_residual(definite, &scale, &[2.0, 200.0, 24.0], &mut x, 1e-12, 20);
        assert!(outcome.converged);
        for (x, expected) in x.iter().zip([1.0, 2.0, 3.0]) {
            approx::assert_relative_eq!(*x, expected, max_relative = 1e-11);
        }
    }
}
