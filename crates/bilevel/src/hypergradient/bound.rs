//! The computable error bound of a hypergradient from inexact solves (DESIGN §2.4).
//!
//! With μ the smallest eigenvalue of the reduced Hessian H, and provided that the support is the minimizer's,
//!
//! ```text
//! ‖y − y*‖ ≤ e := min( ‖∇P on the support‖/μ, √(2·gap/μ) )
//! ‖q − q*‖ ≤ ( ‖r‖ + ‖∇_yL(y) − ∇_yL(y*)‖ + ‖(H(y) − H(y*)) q‖ ) / μ
//! ```
//!
//! with r the residual of the adjoint system, ‖∇_yL(y) − ∇_yL(y*)‖ ≤ e·Σ_i v_i‖a_i‖² (v_i a bound on the criterion's curvature), and
//! ‖(H(y) − H(y*)) q‖ ≤ e·M₃·Σ_i s_i‖a_i‖²|a_iᵀq| (M₃ a bound on the loss's third derivative; 0 for the squared loss). Source: Pedregosa,
//! "Hyperparameter optimization with approximate gradient", ICML 2016, for the way the errors add up.

use crate::design::DesignMatrix;
use crate::loss::Loss;
use crate::penalty::Penalty;

use super::implicit::Context;
use super::solve::Solve;
use super::system::System;

/// Bound on the Euclidean error of (∂Φ/∂λ, ∂Φ/∂α).
pub(super) fn adjoint_error<D: DesignMatrix, L: Loss, P: Penalty>(
    context: &Context<'_, '_, D, L, P>,
    system: &System<'_, D>,
    solve: &Solve,
) -> f64 {
    if solve.q.is_empty() {
        return 0.0;
    }
    let mu = solve.smallest_eigenvalue;
    if mu <= 0.0 {
        return f64::INFINITY;
    }
    let gap = context.solution.gap_with_rounding();
    let coefficient_error = (stationarity(context, system) / mu).min((2.0 * gap / mu).sqrt());
    let mut lipschitz = row_terms(context, system, &solve.q);
    let mut turn: f64 = 0.0;
    system.curved(context, |range, lambda, block| {
        let r = context.problem.penalty.value(block);
        let q = norm(&solve.q[range]);
        // The third derivative of the Euclidean norm is at most 3/r², its second at most 1/r.
        lipschitz += 3.0 * lambda / (r * r) * q;
        turn = turn.max(q / r);
    });
    let adjoint_error = (solve.residual + coefficient_error * lipschitz) / mu;
    let coefficients = norm(&context.solution.coefficients);
    adjoint_error * (1.0 + coefficients) + coefficient_error * (turn + norm(&solve.q))
}

fn norm(v: &[f64]) -> f64 {
    v.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// ‖∇P‖ on the active blocks: 0 exactly at the minimizer of the face.
fn stationarity<D: DesignMatrix, L: Loss, P: Penalty>(
    context: &Context<'_, '_, D, L, P>,
    system: &System<'_, D>,
) -> f64 {
    let (mut gradient, mut square) = (Vec::new(), 0.0);
    system.each_active(context, |g, _, y, rho| {
        context.problem.penalty.blocks().gather(g, &context.solution.correlations, &mut gradient);
        let lambda = context.hyperparameters.lambda[g];
        for ((c, y), r) in gradient.iter().zip(y).zip(rho) {
            let entry = c + context.hyperparameters.ridge * y + lambda * r;
            square += entry * entry;
        }
    });
    f64::sqrt(square)
}

/// Σ_i v_i‖a_i‖² + M₃ Σ_i s_i‖a_i‖²|a_iᵀq| over the reduced columns.
fn row_terms<D: DesignMatrix, L: Loss, P: Penalty>(
    context: &Context<'_, '_, D, L, P>,
    system: &System<'_, D>,
    q: &[f64],
) -> f64 {
    let n = system.reduced.n_rows();
    let mut squares = vec![0.0; n];
    let mut image = vec![0.0; n];
    for (&k, &q) in system.columns.iter().zip(q) {
        system.reduced.visit_column(k as usize, |i, a| {
            squares[i] += a * a;
            image[i] += a * q;
        });
    }
    let criterion = crate::kernel::dot(context.upper.curvature, &squares);
    if L::MAX_THIRD_DERIVATIVE == 0.0 {
        return criterion;
    }
    let third: f64 = (0..n).map(|i| context.problem.sample_weights[i] * squares[i] * image[i].abs()).sum();
    criterion + L::MAX_THIRD_DERIVATIVE / context.problem.loss.unit() * third
}
