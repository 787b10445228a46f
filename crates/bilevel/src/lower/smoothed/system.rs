//! Linear systems with H = AᵀDA + αI + diag(d) on the columns that are not excluded, the intercept profiled out.
//!
//! Up to [`DIRECT`] columns H is formed (the loss's part once for all, if its curvature is constant) and factorized; beyond that, conjugate
//! gradients work through the columns, scaled by the diagonal. That is a good scaling here: coefficients near zero have a d of size λ/ε.

use crate::design::DesignMatrix;
use crate::loss::Loss;
use crate::solver::{Cholesky, PseudoInverse, conjugate_gradient, diagonal_preconditioner};

use super::super::Curvature;
use super::{Context, norm};

/// Largest number of columns for which H is formed: 32 MB, and a factorization below a second.
const DIRECT: usize = 2000;
/// Products that a factorized system may take: one and a check, and a few where its solution needs refinement.
const FEW_PRODUCTS: usize = 8;
/// First multiple of the diagonal that is added to a matrix without a factor, and the ratio of one to the next.
const DAMPING: (f64, f64) = (1e-12, 100.0);

/// H at one point.
pub(super) struct System<'h, D> {
    curvature: Curvature<'h, D>,
    columns: &'h [u32],
    sums: Vec<f64>,
    /// d, without α.
    added: Vec<f64>,
    /// H, column major, if it is small enough.
    matrix: Option<Vec<f64>>,
}

/// x = H⁻¹b.
pub(super) struct Solve {
    pub(super) x: Vec<f64>,
    /// ‖b − Hx‖.
    pub(super) residual: f64,
    /// Estimate of the smallest eigenvalue of H; 0 if x is not unique and b feels it.
    pub(super) smallest_eigenvalue: f64,
}

impl<'h, D: DesignMatrix> System<'h, D> {
    /// At sample curvatures h (length n), with diagonal `added` (local).
    pub(super) fn new<L: Loss>(
        context: &'h Context<'_, '_, D, L>,
        curvatures: &'h [f64],
        added: Vec<f64>,
    ) -> Self {
        let (problem, columns) = (context.problem, context.columns.as_slice());
        let ridge = context.hyperparameters.ridge;
        let curvature = Curvature::new(problem.design, curvatures, ridge, problem.intercept);
        let sums = curvature.column_sums(columns);
        let mut system = Self { curvature, columns, sums, added, matrix: None };
        if columns.len() <= DIRECT {
            let mut matrix = if L::MAX_THIRD_DERIVATIVE == 0.0 && problem.design.n_columns() <= DIRECT {
                system.constant_gram(context)
            } else {
                system.curvature.gram(columns, &system.sums, &mut Vec::new())
            };
            let size = columns.len();
            system.added.iter().enumerate().for_each(|(k, d)| matrix[k * size + k] += d);
            system.matrix = Some(matrix);
        }
        system
    }

    /// The loss's and the ridge's part from the Gram matrix on all columns, which is computed at the first call.
    fn constant_gram<L: Loss>(&self, context: &Context<'_, '_, D, L>) -> Vec<f64> {
        let p = context.problem.design.n_columns();
        let all = context.gram.get_or_init(|| {
            let every: Vec<u32> = (0_u32..).take(p).collect();
            let (weights, intercept) = (context.problem.sample_weights, context.problem.intercept);
            let curvature = Curvature::new(context.problem.design, weights, 0.0, intercept);
            curvature.gram(&every, &curvature.column_sums(&every), &mut Vec::new())
        });
        let size = self.columns.len();
        let mut matrix = Vec::with_capacity(size * size);
        for &k in self.columns {
            matrix.extend(self.columns.iter().map(|&j| all[k as usize * p + j as usize]));
        }
        (0..size).for_each(|k| matrix[k * size + k] += context.hyperparameters.ridge);
        matrix
    }

    /// A descent direction: −H⁻¹g, with H damped if it is not positive definite; `None` if nothing helps.
    pub(super) fn descent(&self, gradient: &[f64], tolerance: f64) -> Option<Vec<f64>> {
        let right_side: Vec<f64> = gradient.iter().map(|g| -g).collect();
        let Some(matrix) = &self.matrix else {
            let mut x = vec![0.0; right_side.len()];
            self.iterate(&right_side, &mut x, tolerance);
            return x.iter().all(|x| x.is_finite()).then_some(x);
        };
        let size = right_side.len();
        let factor = Cholesky::new(size, matrix).or_else(|| {
            let factors = std::iter::successors(Some(DAMPING.0), |d| Some(d * DAMPING.1));
            factors.take_while(|damping| *damping <= 1.0).find_map(|damping| {
                let mut damped = matrix.clone();
                (0..size).for_each(|k| damped[k * size + k] *= 1.0 + damping);
                Cholesky::new(size, &damped)
            })
        })?;
        let x = factor.solve(&right_side);
        x.iter().all(|x| x.is_finite()).then_some(x)
    }

    /// Solves H x = b to a relative residual of `tolerance` from the start in `x`: the least-squares solution if H is singular.
    pub(super) fn solve(&self, b: &[f64], mut x: Vec<f64>, tolerance: f64) -> Solve {
        let size = b.len();
        if size == 0 {
            return Solve { x, residual: 0.0, smallest_eigenvalue: f64::INFINITY };
        }
        let Some(matrix) = &self.matrix else {
            let (residual, smallest_eigenvalue) = self.iterate(b, &mut x, tolerance);
            return Solve { x, residual, smallest_eigenvalue };
        };
        let product = |v: &[f64], out: &mut [f64]| multiply(matrix, v, out);
        if let Some(factor) = Cholesky::new(size, matrix) {
            let precondition = |r: &[f64], out: &mut [f64]| out.copy_from_slice(&factor.solve(r));
            let outcome = conjugate_gradient(product, precondition, b, &mut x, tolerance, FEW_PRODUCTS);
            let smallest_eigenvalue = factor.smallest_eigenvalue();
            return Solve { x, residual: outcome.residual, smallest_eigenvalue };
        }
        solve_singular(matrix, b)
    }

    /// Conjugate gradients; returns the residual and an estimate of the smallest eigenvalue.
    fn iterate(&self, b: &[f64], x: &mut [f64], tolerance: f64) -> (f64, f64) {
        let mut work = Vec::new();
        let product = |v: &[f64], out: &mut [f64]| {
            self.curvature.product_into(self.columns, &self.sums, v, &mut work, out);
            out.iter_mut().zip(&self.added).zip(v).for_each(|((o, d), v)| *o += d * v);
        };
        let diagonal = self.curvature.diagonal(self.columns, &self.sums);
        let inverse: Vec<f64> = (diagonal.iter().zip(&self.added))
            .map(|(h, d)| if h + d > 0.0 { 1.0 / (h + d) } else { 1.0 })
            .collect();
        let precondition = diagonal_preconditioner(&inverse);
        let outcome = conjugate_gradient(product, precondition, b, x, tolerance, 4 * b.len() + 100);
        (outcome.residual, if outcome.converged { outcome.smallest_quotient } else { 0.0 })
    }
}

/// Least squares in variables scaled to a unit diagonal, because the entries of d span many orders of magnitude.
fn solve_singular(matrix: &[f64], b: &[f64]) -> Solve {
    let size = b.len();
    let root = |k: usize| matrix[k * size + k].max(0.0).sqrt();
    let scale: Vec<f64> = (0..size).map(|k| if root(k) > 0.0 { root(k) } else { 1.0 }).collect();
    let mut scaled = matrix.to_vec();
    for (column, s) in scaled.chunks_mut(size).zip(&scale) {
        column.iter_mut().zip(&scale).for_each(|(entry, t)| *entry /= s * t);
    }
    let right_side: Vec<f64> = b.iter().zip(&scale).map(|(b, s)| b / s).collect();
    let Some(inverse) = PseudoInverse::new(size, &scaled) else {
        return Solve { x: vec![0.0; size], residual: norm(b), smallest_eigenvalue: 0.0 };
    };
    let least_squares = inverse.solve(&right_side);
    let x: Vec<f64> = least_squares.solution.iter().zip(&scale).map(|(x, s)| x / s).collect();
    let mut rest = vec![0.0; size];
    multiply(matrix, &x, &mut rest);
    rest.iter_mut().zip(b).for_each(|(r, b)| *r = b - *r);
    let is_unique = least_squares.outside <= 1e-8 * norm(&right_side);
    let smallest_scale = scale.iter().copied().fold(f64::INFINITY, f64::min);
    let smallest = inverse.smallest_eigenvalue() * smallest_scale * smallest_scale;
    Solve { x, residual: norm(&rest), smallest_eigenvalue: if is_unique { smallest } else { 0.0 } }
}

/// out = M v of a column-major square matrix.
fn multiply(matrix: &[f64], v: &[f64], out: &mut [f64]) {
    out.fill(0.0);
    for (column, &v) in matrix.chunks(v.len()).zip(v) {
        crate::kernel::axpy(v, column, out);
    }
}
