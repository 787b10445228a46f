//! The adjoint of the problem with quadratic penalty, and the bound on its error.
//!
//! ```text
//! H q = −Ãᵀω,     ∂Φ/∂λ_j = y_j q_j,     ∂Φ/∂α = yᵀq
//! ```
//!
//! With μ the smallest eigenvalue of H (at least min d) and e := min(‖∇P‖/μ, √(2·gap/μ)) ≥ ‖y − y*‖, the error of q is at most
//!
//! ```text
//! ( ‖r‖ + e Σ_i v_i‖a_i‖² + e M₃ Σ_i s_i‖a_i‖²|a_iᵀq| ) / μ,
//! ```
//!
//! as in `hypergradient/bound.rs`, and that of y_j q_j at most |y_j| times that plus e|q_j|.

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
    let glm = &context.problem.glm;
    let y = context.local(&solution.coefficients);
    let curvatures = glm.curvatures(&solution.predictor);
    let system = context.system(&curvatures);
    let right_side = glm.adjoint_right_side(&system, upper.predictor);
    let warm: HashMap<u32, f64> = upper.warm_start.iter().copied().collect();
    let start = context.columns.iter().map(|j| warm.get(j).copied().unwrap_or(0.0)).collect();
    let solve = system.solve(&right_side, start, accuracy.adjoint_residual);
    let scale = norm(&right_side);
    let slopes = context.columns.iter().zip(&y).zip(&solve.x);
    Adjoint {
        lambda: slopes.map(|((&j, y), q)| (j, y * q)).collect(),
        ridge: dot(&y, &solve.x),
        residual: if scale > 0.0 { solve.residual / scale } else { 0.0 },
        error_bound: error_bound(context, solution, upper, &y, &solve),
        biactive: 0,
        warm_start: context.columns.iter().copied().zip(solve.x).collect(),
    }
}

/// Bound on the Euclidean error of (∂Φ/∂λ, ∂Φ/∂α).
fn error_bound<D: DesignMatrix, L: Loss>(
    context: &Context<'_, '_, D, L>,
    solution: &Solution,
    upper: &UpperGradient<'_>,
    y: &[f64],
    solve: &Solve,
) -> f64 {
    if y.is_empty() {
        return 0.0;
    }
    let mu = solve.smallest_eigenvalue;
    if mu.is_nan() || mu <= 0.0 {
        return f64::INFINITY;
    }
    let stationarity = norm(&context.gradient(y, &solution.correlations));
    let e = (stationarity / mu).min((2.0 * solution.gap / mu).sqrt());
    let turn = e * context.problem.glm.row_terms(&context.columns, upper, &solve.x);
    let adjoint_error = (solve.residual + turn) / mu;
    let largest = |v: &[f64]| v.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    adjoint_error * (largest(y) + norm(y)) + e * (largest(&solve.x) + norm(&solve.x))
}
