//! The adjoint of the problem with quadratic penalty, and the bound on its error.
//!
//! ```text
//! H q = −Ãᵀω,     ∂Φ/∂λ_j = y_j q_j,     ∂Φ/∂α = yᵀq
//! ```
//!
//! H ⪰ diag(d), so that everything is bounded in the norm of d, whatever scales the weights have: with E = √(2·gap), which is at least ‖D^½(y − y*)‖ for
//! D = diag(d), and r the residual of the system,
//!
//! ```text
//! ‖D^½(q − q*)‖ ≤ Δ = ‖D^{-½}r‖ + E Σ_i (v_i + M₃ s_i|ã_iᵀq|) ‖D^{-½}ã_i‖²,
//! ‖y∘q − (y∘q)*‖ ≤ Δ max_j |y_j|/√d_j + E max_j |q_j|/√d_j
//! ```
//!
//! to first order in E, for the same reasons as in `hypergradient/bound.rs`. Where a coefficient is free (d_j = 0) the smallest eigenvalue of H takes the place of all d.

use crate::design::DesignMatrix;
use crate::loss::Loss;
use crate::outer::Accuracy;

use super::super::system::{Solve, System};
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
    let start = warm_start(context, upper.warm_start);
    let solve = system.solve(&right_side, start, accuracy.adjoint_residual);
    let rest = system.residual(&right_side, &solve.x);
    let scale = norm(&right_side);
    let slopes = context.columns.iter().zip(&y).zip(&solve.x);
    Adjoint {
        lambda: slopes.map(|((&j, y), q)| (j, y * q)).collect(),
        ridge: dot(&y, &solve.x),
        residual: if scale > 0.0 { norm(&rest) / scale } else { 0.0 },
        error_bound: error_bound(context, &system, solution, upper, &y, &solve, &rest),
        biactive: 0,
        warm_start: context.columns.iter().copied().zip(solve.x).collect(),
    }
}

/// The adjoint of a nearby problem on the columns of this one.
fn warm_start<D: DesignMatrix, L: Loss>(context: &Context<'_, '_, D, L>, nearby: &[(u32, f64)]) -> Vec<f64> {
    let mut full = vec![0.0; context.weights.len()];
    for &(j, q) in nearby {
        if let Some(slot) = full.get_mut(j as usize) {
            *slot = q;
        }
    }
    context.local(&full)
}

/// Bound on the Euclidean error of (∂Φ/∂λ, ∂Φ/∂α).
fn error_bound<D: DesignMatrix, L: Loss>(
    context: &Context<'_, '_, D, L>,
    system: &System<'_, D>,
    solution: &Solution,
    upper: &UpperGradient<'_>,
    y: &[f64],
    solve: &Solve,
    rest: &[f64],
) -> f64 {
    if y.is_empty() {
        return 0.0;
    }
    let all_weighted = context.local.iter().all(|d| *d > 0.0);
    let metric = if all_weighted { context.local.clone() } else { vec![solve.smallest_eigenvalue; y.len()] };
    if metric[0].is_nan() || metric[0] <= 0.0 {
        return f64::INFINITY;
    }
    let scaled = |v: &[f64]| -> Vec<f64> { v.iter().zip(&metric).map(|(v, d)| v / d.sqrt()).collect() };
    let of_gradient = norm(&scaled(&context.gradient(y, &solution.correlations)));
    let e = of_gradient.min((2.0 * solution.gap).sqrt());
    let delta = norm(&scaled(rest)) + e * row_terms(context, system, upper, &metric, &solve.x);
    let (y, q) = (scaled(y), scaled(&solve.x));
    let largest = |v: &[f64]| v.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    delta * (largest(&y) + norm(&y)) + e * (largest(&q) + norm(&q))
}

/// Σ_i (v_i + M₃ s_i|ã_iᵀq|) ‖ã_i‖² in the norm of 1/d, Ã being the columns centered in the h-weighted mean.
fn row_terms<D: DesignMatrix, L: Loss>(
    context: &Context<'_, '_, D, L>,
    system: &System<'_, D>,
    upper: &UpperGradient<'_>,
    metric: &[f64],
    q: &[f64],
) -> f64 {
    let glm = &context.problem.glm;
    let n = glm.design.n_rows();
    let (mut squares, mut image) = (vec![0.0; n], vec![0.0; n]);
    let (mut square_of_mean, mut image_of_mean) = (0.0, 0.0);
    let third = L::MAX_THIRD_DERIVATIVE / glm.loss.unit();
    if let (Some(rows), Some(unit)) = (&system.rows, common(metric)) {
        // (‖a_i‖² − 2a_iᵀm)/d: two products in place of a walk over all entries.
        let mean: Vec<f64> = system.sums.iter().map(|sum| sum * system.curvature.inverse_total()).collect();
        glm.design.product_into(&mean, &mut squares);
        let of_rows = context.problem.caches.row_squares(glm.design);
        squares.iter_mut().zip(of_rows).for_each(|(s, square)| *s = (square - 2.0 * *s) / unit);
        rows.forward_into(q, &mut image);
        square_of_mean = dot(&mean, &mean) / unit;
        image_of_mean = dot(&mean, q);
        return row_sum(
            third,
            glm.sample_weights,
            upper,
            (&squares, square_of_mean),
            (&image, image_of_mean),
        );
    }
    for (k, &j) in context.columns.iter().enumerate() {
        let mean = system.sums[k] * system.curvature.inverse_total();
        square_of_mean += mean * mean / metric[k];
        image_of_mean += mean * q[k];
        glm.design.visit_column(j as usize, |i, a| {
            squares[i] += a * (a - 2.0 * mean) / metric[k];
            image[i] += a * q[k];
        });
    }
    row_sum(third, glm.sample_weights, upper, (&squares, square_of_mean), (&image, image_of_mean))
}

/// The value that all entries have, if it is one.
fn common(metric: &[f64]) -> Option<f64> {
    let first = *metric.first()?;
    metric.iter().all(|d| *d == first).then_some(first)
}

/// `third` bounds the loss's third derivative.
fn row_sum(
    third: f64,
    sample_weights: &[f64],
    upper: &UpperGradient<'_>,
    (squares, square_of_mean): (&[f64], f64),
    (image, image_of_mean): (&[f64], f64),
) -> f64 {
    let rows = sample_weights.iter().zip(upper.curvature).zip(squares.iter().zip(image));
    rows.map(|((s, v), (square, image))| {
        let slope = v + third * s * (image - image_of_mean).abs();
        slope * (square + square_of_mean).max(0.0)
    })
    .sum()
}
