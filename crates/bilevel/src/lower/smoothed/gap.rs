//! Duality gap of the smoothed problem.
//!
//! With u = t·f'(z), c = Aᵀ(s∘u) and ψ_j(y) = λ_j √(y²+ε²) + (α/2)y², weak duality bounds P − min P by
//!
//! ```text
//! Σ_i s_i (f(z_i) + f*(u_i) − u_i z_i) + Σ_j (ψ_j(y_j) + ψ_j*(−c_j) + c_j y_j)
//! ```
//!
//! The first sum is 0 for t = 1. ψ* is the infimal convolution of −ε√(λ²−v²) on |v| ≤ λ and v²/2α; two choices of v bound it. With g = c + αy + λy/r,
//! r = √(y²+ε²), c̃ = c + αy and w = √(λ²−c̃²) they give
//!
//! ```text
//! v = λy/r:    g²/2α
//! v = −c̃:      (r/2λ) g² (1 + (c̃ − λy/r)²/(λε/r + w)²),   if |c̃| ≤ λ
//! ```
//!
//! both of second order in the gradient g, and written so that nothing cancels. Without ridge only the second is there, and t < 1 makes it so
//! that |c| ≤ λ.

use crate::design::DesignMatrix;
use crate::loss::Loss;

use super::super::Solution;
use super::Context;

/// P − D at a point whose intercept is optimal.
pub(super) fn duality_gap<D: DesignMatrix, L: Loss>(
    context: &Context<'_, '_, D, L>,
    solution: &Solution,
) -> f64 {
    let t = feasible_scale(context, solution);
    let mut gap = loss_part(context, solution, t) + t * unpenalized(context, solution);
    for &j in &context.columns {
        let y = solution.coefficients[j as usize];
        gap += coordinate(context, context.lambda(j), y, t * solution.correlations[j as usize]);
    }
    gap
}

/// The largest t ≤ 1 with |t c_j| ≤ λ_j for all penalized coefficients; 1 with a ridge, which needs no scaling.
fn feasible_scale<D: DesignMatrix, L: Loss>(context: &Context<'_, '_, D, L>, solution: &Solution) -> f64 {
    if context.hyperparameters.ridge > 0.0 {
        return 1.0;
    }
    let penalized = context.columns.iter().filter(|&&j| context.lambda(j) > 0.0);
    let ratios = penalized.map(|&j| context.lambda(j) / solution.correlations[j as usize].abs());
    ratios.fold(1.0, f64::min)
}

/// Σ s_i (f(z_i) + f*(t f'_i) − t f'_i z_i).
fn loss_part<D: DesignMatrix, L: Loss>(context: &Context<'_, '_, D, L>, solution: &Solution, t: f64) -> f64 {
    if t == 1.0 {
        return 0.0;
    }
    let problem = context.problem;
    let samples = problem.sample_weights.iter().zip(problem.targets).zip(&solution.predictor);
    let term = |((&s, &b), &z): ((&f64, &f64), &f64)| {
        let (value, slope) = problem.loss.value_and_derivative(b, z);
        s * (value + problem.loss.conjugate(b, t * slope) - t * slope * z).max(0.0)
    };
    samples.filter(|((s, _), _)| **s != 0.0).map(term).sum()
}

/// What coefficients with neither weight nor ridge could still gain if their part of the predictor is bounded.
fn unpenalized<D: DesignMatrix, L: Loss>(context: &Context<'_, '_, D, L>, solution: &Solution) -> f64 {
    if context.hyperparameters.ridge > 0.0 {
        return 0.0;
    }
    let free = context.columns.iter().filter(|&&j| context.lambda(j) == 0.0);
    let here: f64 =
        free.map(|&j| solution.correlations[j as usize] * solution.coefficients[j as usize]).sum();
    (here + context.problem.unpenalized_cost(context.hyperparameters, solution)).max(0.0)
}

/// A bound on ψ_j(y) + ψ_j*(−c) + c y.
fn coordinate<D: DesignMatrix, L: Loss>(
    context: &Context<'_, '_, D, L>,
    lambda: f64,
    y: f64,
    correlation: f64,
) -> f64 {
    let ridge = context.hyperparameters.ridge;
    let r = context.radius(y);
    let slope = lambda * y / r;
    let total = correlation + ridge * y;
    let through_ridge =
        if ridge > 0.0 { (total + slope) * (total + slope) / (2.0 * ridge) } else { f64::INFINITY };
    if lambda == 0.0 {
        return if ridge > 0.0 { through_ridge } else { 0.0 };
    }
    if ridge > 0.0 && total.abs() > lambda {
        return through_ridge;
    }
    // Without ridge the scaled correlation exceeds λ by rounding at most.
    let total = total.clamp(-lambda, lambda);
    let gradient = total + slope;
    let opposite = ((lambda - total) * (lambda + total)).max(0.0).sqrt();
    let turn = (total - slope) / (lambda * context.epsilon / r + opposite);
    (0.5 * r / lambda * gradient * gradient * (1.0 + turn * turn)).min(through_ridge)
}
