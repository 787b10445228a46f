//! The adjoint on the support, and the bound on its error.
//!
//! As in `hypergradient/bound.rs`, a row's Jacobian in the coefficients being block diagonal over the classes: its squared norm is at most
//! max_k Σ_{j∈S_k} a_ij².

use crate::design::DesignMatrix;
use crate::loss::softmax;
use crate::lower::{Adjoint, Hyperparameters, Solution, UpperGradient};
use crate::solver::{Cholesky, PseudoInverse};
use crate::{Error, Result};

use super::MultinomialGlm;

/// (∂Y/∂(λ, α))ᵀ∇L by the implicit function theorem.
pub(super) fn implicit<D: DesignMatrix>(
    problem: &MultinomialGlm<'_, D>,
    at: &Hyperparameters,
    solution: &Solution,
    upper: &UpperGradient<'_>,
    band: f64,
) -> Result<Adjoint> {
    let (n, p) = (problem.design.n_rows(), problem.design.n_columns());
    let indices: Vec<usize> = (0..problem.n_slopes()).filter(|&m| solution.coefficients[m] != 0.0).collect();
    let point = problem.at_scores(&solution.predictor);
    let hessian = problem.profiled_hessian(&point, &indices, at.ridge);
    let omega = |k: usize| &upper.predictor[k * n..(k + 1) * n];
    let own: Vec<f64> = indices.iter().map(|&m| -problem.design.column_dot(m % p, omega(m / p))).collect();
    let of_intercepts: Vec<f64> = (0..problem.n_classes - 1).map(|k| -omega(k).iter().sum::<f64>()).collect();
    let right_side = hessian.right_side(&own, &of_intercepts);
    let (q, smallest_eigenvalue) = solve(&hessian.matrix, &right_side)?;
    let mut lambda = vec![0.0; p];
    for (&m, q) in indices.iter().zip(&q) {
        lambda[m % p] += solution.coefficients[m].signum() * q;
    }
    let touched: Vec<bool> = (0..p).map(|j| indices.iter().any(|m| m % p == j)).collect();
    let is_biactive = |m: usize| {
        let (c, l) = (solution.correlations[m].abs(), problem.lambda(at, m));
        solution.coefficients[m] == 0.0 && l > 0.0 && l.is_finite() && (c - l).abs() <= band * c.max(l)
    };
    let y: Vec<f64> = indices.iter().map(|&m| solution.coefficients[m]).collect();
    let mut rest = right_side.clone();
    for (column, q) in hessian.matrix.chunks(indices.len().max(1)).zip(&q) {
        crate::kernel::axpy(-q, column, &mut rest);
    }
    let error_bound = if indices.is_empty() {
        0.0
    } else {
        let support = Support { problem, at, solution, indices: &indices, y: &y, q: &q };
        support.error_bound(upper, norm(&rest), smallest_eigenvalue)
    };
    Ok(Adjoint {
        lambda: (0_u32..)
            .zip(lambda)
            .zip(touched)
            .filter(|(_, touched)| *touched)
            .map(|(entry, _)| entry)
            .collect(),
        ridge: crate::kernel::dot(&y, &q),
        residual: norm(&rest) / norm(&right_side).max(f64::MIN_POSITIVE),
        error_bound,
        biactive: (0..problem.n_slopes()).filter(|&m| is_biactive(m)).count(),
        warm_start: Vec::new(),
    })
}

/// H⁻¹b and an estimate of the smallest eigenvalue; where coefficients can be shared in other ways, the solution of smallest norm, and 0 unless b lies in
/// the range.
fn solve(matrix: &[f64], b: &[f64]) -> Result<(Vec<f64>, f64)> {
    let size = b.len();
    if let Some(factor) = Cholesky::new(size, matrix) {
        return Ok((factor.solve(b), factor.smallest_eigenvalue()));
    }
    let Some(inverse) = PseudoInverse::new(size, matrix) else {
        return Err(Error::AdjointSolve { size, reason: "the Hessian is zero or not finite".to_string() });
    };
    let found = inverse.solve(b);
    let is_consistent = found.outside <= 1e-8 * norm(b);
    Ok((found.solution, if is_consistent { inverse.smallest_eigenvalue() } else { 0.0 }))
}

/// What the error of an adjoint depends on.
struct Support<'s, 'a, D> {
    problem: &'s MultinomialGlm<'a, D>,
    at: &'s Hyperparameters,
    solution: &'s Solution,
    indices: &'s [usize],
    y: &'s [f64],
    q: &'s [f64],
}

impl<D: DesignMatrix> Support<'_, '_, D> {
    /// Bound on the Euclidean error of (∂Φ/∂λ, ∂Φ/∂α), provided that the support is the minimizer's.
    fn error_bound(&self, upper: &UpperGradient<'_>, residual: f64, mu: f64) -> f64 {
        if mu.is_nan() || mu <= 0.0 {
            return f64::INFINITY;
        }
        let slope = |(&m, y): (&usize, &f64)| {
            self.solution.correlations[m] + self.at.ridge * y + self.problem.lambda(self.at, m) * y.signum()
        };
        let stationarity = norm(&self.indices.iter().zip(self.y).map(slope).collect::<Vec<f64>>());
        let e = (stationarity / mu).min((2.0 * self.solution.gap_with_rounding() / mu).sqrt());
        let adjoint_error = (residual + e * self.row_terms(upper)) / mu;
        // Σ_k over the classes of a feature multiplies norms by at most √K.
        let classes = (self.problem.n_classes as f64).sqrt();
        adjoint_error * (classes + norm(self.y)) + e * norm(self.q)
    }

    /// Σ_i (v_i + M₃ s_i ‖(a_iᵀq_k)_k‖) max_k‖a_iS_k‖².
    fn row_terms(&self, upper: &UpperGradient<'_>) -> f64 {
        let (problem, n) = (self.problem, self.problem.design.n_rows());
        let p = problem.design.n_columns();
        let (mut squares, mut images) = (vec![0.0_f64; n], vec![0.0; n]);
        for k in 0..problem.n_classes {
            let (mut square, mut image) = (vec![0.0; n], vec![0.0; n]);
            for (&m, q) in self.indices.iter().zip(self.q).filter(|(m, _)| **m / p == k) {
                problem.design.visit_column(m % p, |i, a| {
                    square[i] += a * a;
                    image[i] += a * q;
                });
            }
            squares.iter_mut().zip(square).for_each(|(largest, s)| *largest = largest.max(s));
            images.iter_mut().zip(image).for_each(|(sum, z)| *sum += z * z);
        }
        let rows = problem.sample_weights.iter().zip(upper.curvature).zip(squares.iter().zip(&images));
        rows.map(|((s, v), (square, image))| (v + softmax::MAX_THIRD_DERIVATIVE * s * image.sqrt()) * square)
            .sum()
    }
}

fn norm(v: &[f64]) -> f64 {
    crate::kernel::dot(v, v).sqrt()
}
