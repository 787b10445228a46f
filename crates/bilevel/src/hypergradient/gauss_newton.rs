//! The Gauss–Newton Hessian of a criterion in the hyperparameters of the lower level.
//!
//! On a face (fixed signs) the predictor moves with (λ, α) as dz = −Ã H⁻¹ C d, where C holds ∇ρ(y_g) for each active block, a unit vector for each
//! selected biactive one, and y for α. So
//!
//! ```text
//! ∇²Φ ≈ (H⁻¹C)ᵀ (ÃᵀWÃ) (H⁻¹C),     W = diag(∂²L/∂z²),
//! ```
//!
//! exactly for the squared loss with ℓ1 weights, where y is piecewise linear in λ: Φ is a convex quadratic in the weights as long as the signs
//! stay. What passes through a change of H (another loss, groups, α) is left out: the rest is positive semidefinite.

use crate::design::DesignMatrix;
use crate::loss::Loss;
use crate::lower::{Curvature, Hyperparameters, Solution, SparseGlm, UpperGradient, capacity};
use crate::outer::Accuracy;
use crate::penalty::Penalty;

use super::Selection;
use super::implicit::{Context, Selected};
use super::solve::Solver;
use super::system::System;

/// Largest reduced system that a model is built for: it takes one solve for each column.
const LARGEST_SYSTEM: usize = 512;

/// A quadratic model of the criterion in some weights and the ridge parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct QuadraticCriterion {
    /// Blocks whose weights the criterion depends on to first order, in the order of rows and columns; α is the last row and column.
    pub blocks: Vec<u32>,
    /// Hessian, column major, of size (number of blocks + 1)².
    pub hessian: Vec<f64>,
    /// Gradient, of that length.
    pub gradient: Vec<f64>,
}

/// The model at a solution; `None` if the reduced system is singular or has more than 512 columns (400 of a sparse design).
pub(crate) fn gauss_newton<D: DesignMatrix, L: Loss, P: Penalty>(
    problem: &SparseGlm<'_, D, L, P>,
    hyperparameters: &Hyperparameters,
    solution: &Solution,
    upper: &UpperGradient<'_>,
    upper_hessian: &[f64],
    selection: Selection,
) -> Option<QuadraticCriterion> {
    let curvatures = problem.curvatures(&solution.predictor);
    let accuracy = Accuracy::TIGHT;
    let context = Context { problem, hyperparameters, solution, upper, curvatures: &curvatures, accuracy };
    let Selected { system, solve, .. } = context.select(selection);
    let solver = Solver::new(&system, &context);
    // Only factorized systems are known to be regular.
    if system.columns.len() > LARGEST_SYSTEM.min(capacity(problem.design)) || solver.is_singular() {
        return None;
    }
    let (mut blocks, mut sources) = sources(&context, &system);
    let order = increasing(&blocks);
    blocks = order.iter().map(|&k| blocks[k]).collect();
    let ridge = sources.pop();
    let sources: Vec<Vec<f64>> =
        order.iter().map(|&k| std::mem::take(&mut sources[k])).chain(ridge).collect();
    let moved: Vec<Vec<f64>> = sources.iter().map(|c| solver.solve(c, &[]).q).collect();
    let seen = seen_by_criterion(&context, &system, upper_hessian);
    let size = system.columns.len();
    let images: Vec<Vec<f64>> = moved
        .iter()
        .map(|q| (0..size).map(|k| crate::kernel::dot(&seen[k * size..(k + 1) * size], q)).collect())
        .collect();
    let hessian =
        images.iter().flat_map(|image| moved.iter().map(|q| crate::kernel::dot(q, image))).collect();
    let gradient = sources.iter().map(|c| crate::kernel::dot(c, &solve.q)).collect();
    Some(QuadraticCriterion { blocks, hessian, gradient })
}

/// The blocks with a column of C, in the order of the system, and the columns; α's is the last.
fn sources<D: DesignMatrix, L: Loss, P: Penalty>(
    context: &Context<'_, '_, D, L, P>,
    system: &System<'_, D>,
) -> (Vec<u32>, Vec<Vec<f64>>) {
    let size = system.columns.len();
    let (mut blocks, mut columns) = (Vec::new(), Vec::new());
    let mut of_ridge = vec![0.0; size];
    let name = |g: usize| u32::try_from(g).unwrap_or(u32::MAX);
    system.each_active(context, |g, range, block, rho| {
        of_ridge[range.clone()].copy_from_slice(block);
        if block.iter().any(|y| *y != 0.0) {
            let mut column = vec![0.0; size];
            column[range].copy_from_slice(rho);
            blocks.push(name(g));
            columns.push(column);
        }
    });
    let first_selected = size - system.selected.len();
    for (k, &g) in system.selected.iter().enumerate() {
        let mut column = vec![0.0; size];
        column[first_selected + k] = 1.0;
        blocks.push(name(g));
        columns.push(column);
    }
    columns.push(of_ridge);
    (blocks, columns)
}

fn increasing(blocks: &[u32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..blocks.len()).collect();
    order.sort_unstable_by_key(|&k| blocks[k]);
    order
}

/// ÃᵀWÃ on the reduced columns (column major), the intercept following the coefficients: columns centered in the mean of the *training* rows.
fn seen_by_criterion<D: DesignMatrix, L: Loss, P: Penalty>(
    context: &Context<'_, '_, D, L, P>,
    system: &System<'_, D>,
    upper_hessian: &[f64],
) -> Vec<f64> {
    let training = context.curvature(&system.reduced);
    let inverse_total = training.inverse_total();
    let means: Vec<f64> =
        training.column_sums(&system.columns).iter().map(|sum| sum * inverse_total).collect();
    let seen = Curvature::new(&system.reduced, upper_hessian, 0.0, false);
    let size = system.columns.len();
    let mut gram = seen.gram(&system.columns, &vec![0.0; size], &mut Vec::new());
    let totals: Vec<f64> =
        system.columns.iter().map(|&k| system.reduced.column_dot(k as usize, upper_hessian)).collect();
    let total: f64 = upper_hessian.iter().sum();
    for j in 0..size {
        for k in 0..size {
            gram[j * size + k] += means[j] * means[k] * total - means[j] * totals[k] - totals[j] * means[k];
        }
    }
    gram
}
