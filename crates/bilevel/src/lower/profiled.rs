//! What lower levels share that keep all their columns and profile the intercept out: which columns move, the loss's Hessian on them, and the
//! loss's part of the adjoint system and of its error bound.

use std::sync::OnceLock;

use crate::design::DesignMatrix;
use crate::loss::Loss;
use crate::penalty::Penalty;

use super::system::{DIRECT, System};
use super::{Curvature, Hyperparameters, RowMajor, Solution, SparseGlm, UpperGradient};

impl<'a, D: DesignMatrix, L: Loss, P: Penalty> SparseGlm<'a, D, L, P> {
    /// The columns that are not excluded, and that weight, ridge or loss hold in place (each coefficient being a block of its own).
    pub(super) fn moving_columns(&self, hyperparameters: &Hyperparameters) -> Vec<u32> {
        let is_seen = |j: u32| {
            let weights = self.sample_weights;
            let total: f64 = if self.intercept { weights.iter().sum() } else { 0.0 };
            let inverse_total = if total > 0.0 { 1.0 / total } else { 0.0 };
            let (square, sum) = (
                self.design.column_weighted_square(j as usize, weights),
                self.design.column_dot(j as usize, weights),
            );
            super::variance(self.design, j as usize, weights, square, sum, inverse_total) > 0.0
        };
        let moves =
            |j: u32, lambda: f64| lambda.is_finite() && (lambda + hyperparameters.ridge > 0.0 || is_seen(j));
        let weighted = (0_u32..).zip(&hyperparameters.lambda);
        weighted.filter(|&(j, &lambda)| moves(j, lambda)).map(|(j, _)| j).collect()
    }

    /// The loss's Hessian at sample curvatures h (length n).
    pub(super) fn curvature<'h>(&'h self, curvatures: &'h [f64]) -> Curvature<'h, D> {
        Curvature::new(self.design, curvatures, 0.0, self.intercept)
    }

    /// s_i times the curvatures of the loss's majorants, where it has them.
    pub(super) fn majorants(&self, predictor: &[f64]) -> Option<Vec<f64>> {
        let rows = self.sample_weights.iter().zip(self.targets).zip(predictor);
        let bend = |((&s, &b), &z)| if s == 0.0 { Some(0.0) } else { Some(s * self.loss.majorant(b, z)?) };
        rows.map(bend).collect()
    }

    /// ÃᵀDÃ on some columns. Where the loss's curvature is constant it comes from the matrix on all columns, which is computed at the first call.
    pub(super) fn gram(
        &self,
        constant: &OnceLock<Vec<f64>>,
        curvature: &Curvature<'_, D>,
        columns: &[u32],
        sums: &[f64],
    ) -> Vec<f64> {
        let p = self.design.n_columns();
        if L::MAX_THIRD_DERIVATIVE > 0.0 || p > DIRECT {
            return curvature.gram(columns, sums, &mut Vec::new());
        }
        let all = constant.get_or_init(|| {
            let every: Vec<u32> = (0_u32..).take(p).collect();
            let curvature = self.curvature(self.sample_weights);
            curvature.gram(&every, &curvature.column_sums(&every), &mut Vec::new())
        });
        if columns.len() == p {
            return all.clone();
        }
        let mut matrix = Vec::with_capacity(columns.len() * columns.len());
        for &k in columns {
            matrix.extend(columns.iter().map(|&j| all[k as usize * p + j as usize]));
        }
        matrix
    }

    /// −Ãᵀω.
    pub(super) fn adjoint_right_side(&self, system: &System<'_, D>, omega: &[f64]) -> Vec<f64> {
        let shift = omega.iter().sum::<f64>() * system.curvature.inverse_total();
        let entry = |(&j, sum): (&u32, &f64)| sum * shift - self.design.column_dot(j as usize, omega);
        system.columns.iter().zip(&system.sums).map(entry).collect()
    }

    /// Σ_i v_i‖a_i‖² + M₃ Σ_i s_i‖a_i‖²|a_iᵀq|: how fast the right side and the product with q change with the coefficients
    /// (`hypergradient/bound.rs`).
    pub(super) fn row_terms(&self, columns: &[u32], upper: &UpperGradient<'_>, q: &[f64]) -> f64 {
        let n = self.design.n_rows();
        let (mut squares, mut image) = (vec![0.0; n], vec![0.0; n]);
        for (&j, &q) in columns.iter().zip(q) {
            self.design.visit_column(j as usize, |i, a| {
                squares[i] += a * a;
                image[i] += a * q;
            });
        }
        let samples = self.sample_weights.iter().zip(&squares).zip(&image);
        let third: f64 = samples.map(|((s, square), image)| s * square * image.abs()).sum();
        crate::kernel::dot(upper.curvature, &squares) + L::MAX_THIRD_DERIVATIVE / self.loss.unit() * third
    }

    /// The point with these coefficients and their best intercept, for a penalty of this value; without its gap.
    pub(super) fn evaluate(&self, coefficients: Vec<f64>, near_intercept: f64, penalty: f64) -> Solution {
        let mut predictor = vec![0.0; self.design.n_rows()];
        self.design.product_into(&coefficients, &mut predictor);
        let mut intercept = 0.0;
        if self.intercept {
            predictor.iter_mut().for_each(|z| *z += near_intercept);
            intercept = near_intercept + self.optimal_shift(&mut predictor);
            // A long shift leaves rounding of its own size in z, and columns far from zero multiply what that does to the sum of the slopes.
            intercept += self.optimal_shift(&mut predictor);
        }
        let measured = self.measure(&predictor);
        let mut correlations = vec![0.0; coefficients.len()];
        self.correlations_into(&measured.slopes, &mut correlations);
        solution(coefficients, intercept, predictor, correlations, measured.loss + penalty)
    }

    /// The same by rows that hold all columns, given the predictor on the training rows for an intercept near the best one, which is then found
    /// until the slopes cancel to `tolerance`.
    pub(super) fn evaluate_by_rows(
        &self,
        rows: &RowMajor,
        coefficients: Vec<f64>,
        (mut predictor, mut intercept): (Vec<f64>, f64),
        penalty: f64,
        tolerance: f64,
    ) -> Solution {
        if self.intercept {
            intercept += self.shift_to(&mut predictor, tolerance);
        }
        let measured = self.measure(&predictor);
        let mut correlations = vec![0.0; coefficients.len()];
        rows.transpose_into(&measured.slopes, &mut correlations);
        self.drop_rounding(&measured.slopes, &mut correlations);
        solution(coefficients, intercept, predictor, correlations, measured.loss + penalty)
    }
}

/// A point whose gap is not known.
fn solution(
    coefficients: Vec<f64>,
    intercept: f64,
    predictor: Vec<f64>,
    correlations: Vec<f64>,
    objective: f64,
) -> Solution {
    let unknown = f64::INFINITY;
    Solution {
        coefficients,
        intercept,
        predictor,
        correlations,
        objective,
        gap: unknown,
        relative_gap: unknown,
        iterations: 0,
    }
}
