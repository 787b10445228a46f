//! The adjoint of the smoothed problem, and an estimate of its error.
//!
//! ```text
//! H q = −Ãᵀω,     ∂Φ/∂λ_j = q_j y_j/r_j,     ∂Φ/∂α = yᵀq,     r_j = √(y_j²+ε²)
//! ```
//!
//! with Ã the columns centered in the h-weighted mean where there is an intercept. With e = |H⁻¹∇P|, the coefficients' error to first order (doubled
//! for what the second order adds), and μ the smallest eigenvalue of H, the error of q is at most
//!
//! ```text
//! ( ‖r‖ + ‖e‖ Σ_i v_i‖a_i‖² + ‖e‖ M₃ Σ_i s_i‖a_i‖²|a_iᵀq| + ‖(e_j |ρ'''_j| q_j)_j‖ ) / μ,
//! ```
//!
//! as in `hypergradient/bound.rs`, with the largest |ρ'''| = 3λε²|y|/r⁵ over |y − y_j| ≤ e_j added for the penalty.

use std::collections::HashMap;

use crate::design::DesignMatrix;
use crate::loss::Loss;
use crate::outer::Accuracy;

use super::super::system::Solve;
use super::super::{Adjoint, Solution, UpperGradient};
use super::{Context, dot, norm};

/// (∂y/∂(λ, α))ᵀ∇_yL by the implicit function theorem.
pub(super) fn implicit<D: DesignMatrix, L: Loss>(
    context: &Context<'_, '_, D, L>,
    solution: &Solution,
    upper: &UpperGradient<'_>,
    accuracy: Accuracy,
) -> Adjoint {
    let y = context.local(&solution.coefficients);
    let curvatures = context.problem.curvatures(&solution.predictor);
    let penalty_curvature = |(&j, &y): (&u32, &f64)| {
        let r = context.radius(y);
        context.lambda(j) / r * (context.epsilon / r).powi(2)
    };
    let added = context.columns.iter().zip(&y).map(penalty_curvature).collect();
    let system = context.system(&curvatures, added);
    let right_side = context.problem.adjoint_right_side(&system, upper.predictor);
    let warm: HashMap<u32, f64> = upper.warm_start.iter().copied().collect();
    let start = context.columns.iter().map(|j| warm.get(j).copied().unwrap_or(0.0)).collect();
    let solve = system.solve(&right_side, start, accuracy.adjoint_residual);

    let gradient = context.gradient(&y, &solution.correlations);
    let newton_step = system.solve(&gradient, vec![0.0; y.len()], 0.1).x;
    let errors: Vec<f64> = newton_step.iter().map(|step| 2.0 * step.abs()).collect();
    let slope = |((&j, y), q): ((&u32, &f64), &f64)| (j, q * y / context.radius(*y));
    let lambda = context.columns.iter().zip(&y).zip(&solve.x).map(slope).collect();
    let scale = norm(&right_side);
    Adjoint {
        lambda,
        ridge: dot(&y, &solve.x),
        residual: if scale > 0.0 { solve.residual / scale } else { 0.0 },
        error_bound: error_estimate(context, upper, &y, &errors, &solve),
        biactive: 0,
        warm_start: context.columns.iter().copied().zip(solve.x).collect(),
    }
}

/// The Euclidean error of (∂Φ/∂λ, ∂Φ/∂α), given the coefficients' errors e_j.
fn error_estimate<D: DesignMatrix, L: Loss>(
    context: &Context<'_, '_, D, L>,
    upper: &UpperGradient<'_>,
    y: &[f64],
    errors: &[f64],
    solve: &Solve,
) -> f64 {
    if y.is_empty() {
        return 0.0;
    }
    let mu = solve.smallest_eigenvalue;
    if mu.is_nan() || mu <= 0.0 {
        return f64::INFINITY;
    }
    let epsilon = context.epsilon;
    let (mut of_hessian, mut of_slope) = (0.0_f64, 0.0_f64);
    for (k, (&e, &q)) in errors.iter().zip(&solve.x).enumerate() {
        let far = y[k].abs() + e;
        let near = context.radius((y[k].abs() - e).max(0.0));
        // |(y/r)'| = ε²/r³ and |(y/r)''| = 3ε²|y|/r⁵, which is never above 0.86/ε².
        let bend = (epsilon / near).powi(2) / near;
        let third = (3.0 * bend * far / near / near).min(0.86 / epsilon / epsilon);
        let third = context.lambda(context.columns[k]) * third;
        of_hessian = of_hessian.hypot(e * third * q);
        of_slope = of_slope.hypot(e * bend * q);
    }
    let e = norm(errors);
    let adjoint_error =
        (solve.residual + e * context.problem.row_terms(&context.columns, upper, &solve.x) + of_hessian) / mu;
    adjoint_error * (1.0 + norm(y)) + of_slope + e * norm(&solve.x)
}
