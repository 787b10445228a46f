//! Solves with the reduced Hessian: prepared once, for any number of right sides.
//!
//! Systems of as many columns as the solver's cache may hold are factorized on the solver's cached inner products; that Hessian may be one of an earlier point (for the
//! squared loss it is constant), so conjugate gradients finish the work, in one product or a few. Larger ones, and those whose
//! factorization fails, go to conjugate residuals, scaled by the diagonal, which a singular system does not lead astray.

use std::collections::HashMap;

use crate::design::DesignMatrix;
use crate::loss::Loss;
use crate::lower::{Curvature, RowMajor, capacity};
use crate::penalty::Penalty;
use crate::solver::{Cholesky, PseudoInverse, conjugate_gradient, conjugate_residual};

use super::implicit::Context;
use super::reduced::ReducedDesign;
use super::system::System;

/// Products that a factorized system may take: one and a check, and a few more where it is so ill-conditioned that its solution needs refinement.
const FEW_PRODUCTS: usize = 8;

/// Singular systems up to this size are solved by their spectrum, which takes dozens of factorizations' time.
const LARGEST_PSEUDO_INVERSE: usize = 512;

/// Solution of the reduced system.
#[derive(Clone)]
pub(super) struct Solve {
    pub(super) q: Vec<f64>,
    /// ‖right side − H q‖.
    pub(super) residual: f64,
    /// Estimate of the smallest eigenvalue of H; 0 if it is singular.
    pub(super) smallest_eigenvalue: f64,
    /// Whether the asked residual was reached.
    pub(super) converged: bool,
}

/// What solves with one reduced Hessian share.
pub(super) struct Solver<'s, 'c, 'a, D, L, P> {
    system: &'s System<'c, D>,
    context: &'s Context<'c, 'a, D, L, P>,
    curvature: Curvature<'s, ReducedDesign<'c, D>>,
    sums: Vec<f64>,
    hessian: Option<Vec<f64>>,
    factor: Option<Cholesky>,
    /// The columns by rows, where many products are to be expected.
    rows: Option<RowMajor>,
}

impl<'s, 'c, 'a, D: DesignMatrix, L: Loss, P: Penalty> Solver<'s, 'c, 'a, D, L, P> {
    pub(super) fn new(system: &'s System<'c, D>, context: &'s Context<'c, 'a, D, L, P>) -> Self {
        let curvature = context.curvature(&system.reduced);
        let sums = curvature.column_sums(&system.columns);
        let size = system.columns.len();
        // For the squared loss the cached Hessian is exact; for others it is renewed here, and the next solve starts from it.
        let hessian = if size > 0 && size <= capacity(context.problem.design) {
            system.cached_hessian(context, L::MAX_THIRD_DERIVATIVE > 0.0)
        } else {
            None
        };
        // A large Hessian is needed for its factor alone, which takes its place.
        let (factor, hessian) = match hessian {
            Some(hessian) if size <= LARGEST_PSEUDO_INVERSE => (Cholesky::new(size, &hessian), Some(hessian)),
            hessian => (hessian.and_then(|hessian| Cholesky::in_place(size, hessian)), None),
        };
        // Many products are worth a copy by rows; the few that a factor leaves are not.
        let by_rows = || RowMajor::new(&system.reduced, &system.columns, context.problem.sample_weights);
        let rows = if hessian.is_none() && factor.is_none() && size > 0 { by_rows() } else { None };
        Self { system, context, curvature, sums, hessian, factor, rows }
    }

    /// H q = `right`, from `warm` (feature, value) where the solve is iterative.
    pub(super) fn solve(&self, right: &[f64], warm: &[(u32, f64)]) -> Solve {
        let size = right.len();
        if size == 0 {
            return Solve {
                q: Vec::new(),
                residual: 0.0,
                smallest_eigenvalue: f64::INFINITY,
                converged: true,
            };
        }
        if let Some(factor) = &self.factor {
            let solve = self.solve_iteratively(right, warm, Some(factor), FEW_PRODUCTS);
            if solve.converged {
                return solve;
            }
        }
        if let Some(hessian) = &self.hessian
            && let Some(inverse) = PseudoInverse::new(size, hessian)
        {
            return solve_singular(&inverse, hessian, right);
        }
        self.solve_iteratively(right, warm, None, 4 * size + 100)
    }

    /// Whether the columns are known to be linearly dependent.
    pub(super) fn is_singular(&self) -> bool {
        self.hessian.is_some() && self.factor.is_none()
    }

    /// H v.
    fn product(&self, v: &[f64], work: &mut Vec<f64>, out: &mut [f64]) {
        match &self.rows {
            Some(rows) => self.curvature.product_by_rows(rows, &self.sums, v, out),
            None => self.curvature.product_into(&self.system.columns, &self.sums, v, work, out),
        }
        self.system.add_penalty_product(self.context, v, out);
    }

    /// Conjugate gradients, preconditioned by the factor of a nearby Hessian; without one, conjugate residuals.
    fn solve_iteratively(
        &self,
        right: &[f64],
        warm: &[(u32, f64)],
        nearby: Option<&Cholesky>,
        max_products: usize,
    ) -> Solve {
        let warm: HashMap<u32, f64> = warm.iter().copied().collect();
        let start = |j: &u32| warm.get(j).copied().unwrap_or(0.0);
        let mut q: Vec<f64> = self.system.features.iter().map(start).collect();
        let mut work = Vec::new();
        let product = |v: &[f64], out: &mut [f64]| self.product(v, &mut work, out);
        let tolerance = self.context.accuracy.adjoint_residual;
        let outcome = match nearby {
            Some(factor) => {
                let precondition = |r: &[f64], out: &mut [f64]| out.copy_from_slice(&factor.solve(r));
                conjugate_gradient(product, precondition, right, &mut q, tolerance, max_products)
            }
            None => {
                let diagonal = self.curvature.diagonal(&self.system.columns, &self.sums);
                let scale: Vec<f64> =
                    diagonal.iter().map(|d| if *d > 0.0 { d.sqrt() } else { 1.0 }).collect();
                conjugate_residual(product, &scale, right, &mut q, tolerance, max_products)
            }
        };
        let of_factor = nearby.map_or(f64::INFINITY, Cholesky::smallest_eigenvalue);
        let ridge = self.context.hyperparameters.ridge;
        // A residual that does not vanish is out of reach: the system is singular, and the criterion feels it (see `solve_singular`).
        let is_singular = nearby.is_none() && !outcome.converged;
        let smallest_eigenvalue =
            if is_singular { ridge } else { of_factor.min(outcome.smallest_quotient).max(ridge) };
        Solve { q, residual: outcome.residual, smallest_eigenvalue, converged: outcome.converged }
    }
}

/// The least-squares solution of smallest norm, for linearly dependent columns in the support.
///
/// The coefficients are not unique then. Where the criterion feels that (its gradient has a part in the null space), there is no derivative
/// to be had, and the error bound is infinite.
fn solve_singular(inverse: &PseudoInverse, hessian: &[f64], right: &[f64]) -> Solve {
    let least_squares = inverse.solve(right);
    let size = right.len();
    let mut rest = right.to_vec();
    for (k, &q) in least_squares.solution.iter().enumerate() {
        crate::kernel::axpy(-q, &hessian[k * size..(k + 1) * size], &mut rest);
    }
    let norm = |v: &[f64]| v.iter().map(|r| r * r).sum::<f64>().sqrt();
    let is_unique = least_squares.outside <= 1e-8 * norm(right);
    Solve {
        q: least_squares.solution,
        residual: norm(&rest),
        smallest_eigenvalue: if is_unique { inverse.smallest_eigenvalue() } else { 0.0 },
        converged: is_unique,
    }
}
