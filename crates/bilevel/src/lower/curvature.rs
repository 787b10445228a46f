//! The Hessian of a generalized linear model's loss on a set of columns, with the intercept profiled out.
//!
//! With h_i = s_i f''(b_i, z_i) the Hessian in (y, c) is [[AᵀDA + αI, Aᵀh], [hᵀA, Σh]]. Minimizing over the intercept c leaves the Schur
//! complement
//!
//! ```text
//! H_jk = Σ_i h_i a_ij a_ik − (a_jᵀh)(a_kᵀh)/Σh + α δ_jk,
//! ```
//!
//! which is AᵀDA of the columns centered in the h-weighted mean; sparse columns are never centered in memory.

use crate::design::DesignMatrix;
use crate::solver::QuadraticModel;

use super::row_major::{LazyRows, RowMajor};
use super::sparse_glm::Measured;

/// ∇²F at one point, on demand for any set of columns.
#[derive(Debug)]
pub struct Curvature<'a, D> {
    pub(crate) design: &'a D,
    /// h_i.
    pub(crate) weights: &'a [f64],
    /// Σh where there is an intercept to profile out.
    total: Option<f64>,
    ridge: f64,
}

impl<'a, D: DesignMatrix> Curvature<'a, D> {
    /// At sample curvatures `weights` = h (length n), with ridge parameter α.
    pub fn new(design: &'a D, weights: &'a [f64], ridge: f64, intercept: bool) -> Self {
        let total: f64 = weights.iter().sum();
        Self { design, weights, total: (intercept && total > 0.0).then_some(total), ridge }
    }

    /// a_jᵀh for each of the columns; zeros if there is no intercept (nothing is centered then).
    pub fn column_sums(&self, columns: &[u32]) -> Vec<f64> {
        match self.total {
            Some(_) => columns.iter().map(|&j| self.design.column_dot(j as usize, self.weights)).collect(),
            None => vec![0.0; columns.len()],
        }
    }

    /// 1/Σh, or 0 without intercept.
    pub fn inverse_total(&self) -> f64 {
        self.total.map_or(0.0, |t| 1.0 / t)
    }

    /// The diagonal of H on the columns. A column that is constant where h > 0 has variance 0 up to rounding; it gets exactly 0 (plus α).
    pub fn diagonal(&self, columns: &[u32], sums: &[f64]) -> Vec<f64> {
        let square = |&j: &u32| self.design.column_weighted_square(j as usize, self.weights);
        self.diagonal_from(columns, sums, columns.iter().map(square))
    }

    /// The same, from Σ h_i a_ij² for each of the columns.
    pub(super) fn diagonal_from(
        &self,
        columns: &[u32],
        sums: &[f64],
        squares: impl Iterator<Item = f64>,
    ) -> Vec<f64> {
        let inverse_total = self.inverse_total();
        let entry = |((&j, &sum), square): ((&u32, &f64), f64)| {
            self.ridge + variance(self.design, j as usize, self.weights, square, sum, inverse_total)
        };
        columns.iter().zip(sums).zip(squares).map(entry).collect()
    }

    /// Whether an intercept is profiled out.
    pub(super) fn is_centered(&self) -> bool {
        self.total.is_some()
    }

    /// H on the columns, column major (m×m).
    pub fn gram(&self, columns: &[u32], sums: &[f64], buffer: &mut Vec<f64>) -> Vec<f64> {
        let size = columns.len();
        let mut gram = vec![0.0; size * size];
        buffer.clear();
        buffer.resize(self.design.n_rows(), 0.0);
        // Scatter the denser column, run over the sparser: each pair costs the smaller number of entries.
        let mut order: Vec<usize> = (0..size).collect();
        order.sort_by_key(|&k| std::cmp::Reverse(self.design.column_stored(columns[k] as usize)));
        let ordered: Vec<u32> = order.iter().map(|&k| columns[k]).collect();
        let mut products = vec![0.0; size];
        for (rank, &j) in order.iter().enumerate() {
            let column = columns[j] as usize;
            self.design.column_weighted_axpy(column, 1.0, self.weights, buffer);
            let left = self.center(column, sums[j], buffer);
            self.design.columns_dot_into(&ordered[rank..], buffer, &mut products[rank..]);
            for (&k, product) in order.iter().zip(&products).skip(rank) {
                let entry = product - left.unwrap_or(sums[j]) * sums[k] * self.inverse_total();
                gram[j * size + k] = entry;
                gram[k * size + j] = entry;
            }
            match left {
                Some(_) => buffer.fill(0.0),
                None => self.design.visit_column(column, |i, _| buffer[i] = 0.0),
            }
        }
        for k in 0..size {
            gram[k * size + k] += self.ridge;
        }
        gram
    }

    /// Row k of H on the columns, without α: as [`Curvature::gram`] computes it.
    pub(super) fn gram_row(&self, columns: &[u32], sums: &[f64], k: usize) -> Vec<f64> {
        let (column, mut buffer) = (columns[k] as usize, vec![0.0; self.design.n_rows()]);
        self.design.column_weighted_axpy(column, 1.0, self.weights, &mut buffer);
        let left = self.center(column, sums[k], &mut buffer).unwrap_or(sums[k]) * self.inverse_total();
        let mut row = vec![0.0; columns.len()];
        self.design.columns_dot_into(columns, &buffer, &mut row);
        crate::kernel::axpy(-left, sums, &mut row);
        row
    }

    /// Subtracts h times the column's mean from `buffer`, which holds h∘a_j, if the mean is so large beside what varies that inner products with
    /// other such columns would cancel; returns the sum that is left.
    fn center(&self, column: usize, sum: f64, buffer: &mut [f64]) -> Option<f64> {
        let mean = sum * self.inverse_total();
        let square = self.design.column_weighted_square(column, self.weights);
        if square - sum * mean > CANCELLATION * square || square == 0.0 {
            return None;
        }
        crate::kernel::axpy(-mean, self.weights, buffer);
        Some(buffer.iter().sum())
    }

    /// out = H v on the columns, matrix-free; `work` has length n.
    pub fn product_into(
        &self,
        columns: &[u32],
        sums: &[f64],
        v: &[f64],
        work: &mut Vec<f64>,
        out: &mut [f64],
    ) {
        work.clear();
        work.resize(self.design.n_rows(), 0.0);
        for (&j, &v) in columns.iter().zip(v).filter(|(_, v)| **v != 0.0) {
            self.design.column_weighted_axpy(j as usize, v, self.weights, work);
        }
        // Centered on both sides: what the first centering leaves is rounding, but it meets the columns' means in the second product.
        let mut left = 0.0;
        if self.total.is_some() {
            let mean = crate::kernel::dot(sums, v) * self.inverse_total();
            crate::kernel::axpy(-mean, self.weights, work);
            left = work.iter().sum::<f64>() * self.inverse_total();
        }
        self.design.columns_dot_into(columns, work, out);
        for ((out, sum), v) in out.iter_mut().zip(sums).zip(v) {
            *out = *out - left * sum + self.ridge * v;
        }
    }

    /// The same on columns that are also held by rows.
    pub(crate) fn product_by_rows(&self, rows: &RowMajor, sums: &[f64], v: &[f64], out: &mut [f64]) {
        let mean = crate::kernel::dot(sums, v) * self.inverse_total();
        let left = rows.product_into(self.weights, v, mean, out) * self.inverse_total();
        for ((o, sum), v) in out.iter_mut().zip(sums).zip(v) {
            *o += self.ridge * v - left * sum;
        }
    }
}

/// Below this fraction of its mean square a column's variance is rounding: (20 units in the last place)².
pub(super) const ROUNDING_SQUARED: f64 = 2e-29;
/// Below this fraction of its mean square a column's variance is not computed by subtraction, which would cancel six digits and more.
pub(super) const CANCELLATION: f64 = 1e-6;

/// Σ h_i(a_ij − m)² with m = sum/Σh: by subtraction, or in a second pass where that would cancel; exactly 0
/// for a column that is constant up to rounding.
pub(crate) fn variance<D: DesignMatrix>(
    design: &D,
    column: usize,
    weights: &[f64],
    square: f64,
    sum: f64,
    inverse_total: f64,
) -> f64 {
    let difference = square - sum * sum * inverse_total;
    if difference > CANCELLATION * square || square == 0.0 {
        return difference;
    }
    let mean = sum * inverse_total;
    let mut entries = vec![-mean; weights.len()];
    design.visit_column(column, |i, a| entries[i] += a);
    let (left, centered) =
        weights.iter().zip(&entries).fold((0.0, 0.0), |(l, c), (w, e)| (l + w * e, c + w * e * e));
    let centered = centered - left * left * inverse_total;
    if centered > ROUNDING_SQUARED * square { centered } else { 0.0 }
}

/// A quadratic model that works through the columns: for working sets too large for their Hessian.
pub(crate) struct ColumnModel<'a, 'c, D> {
    curvature: &'c Curvature<'a, D>,
    columns: &'c [u32],
    sums: &'c [f64],
    diagonal: &'c [f64],
    /// The columns by rows, for products with the Hessian.
    rows: &'c LazyRows<'c>,
    /// Linear part of the gradient that does not pass through the columns: α y_k at the current point.
    ridge_part: Vec<f64>,
    /// e_i = s_i f' + h_i (A Δy)_i, without the intercept's part.
    residual: Vec<f64>,
    /// The intercept's part of e is shift·h.
    shift: f64,
    work: Vec<f64>,
}

impl<'a, 'c, D: DesignMatrix> ColumnModel<'a, 'c, D> {
    /// At the point measured as `at`, with coefficients `y` on the columns; the intercept is moved to its minimizer in the model.
    pub(crate) fn new(
        curvature: &'c Curvature<'a, D>,
        columns: &'c [u32],
        sums: &'c [f64],
        diagonal: &'c [f64],
        rows: &'c LazyRows<'c>,
        at: &Measured,
        y: &[f64],
    ) -> Self {
        let ridge_part = y.iter().map(|y| curvature.ridge * y).collect();
        Self {
            curvature,
            columns,
            sums,
            diagonal,
            rows,
            ridge_part,
            residual: at.slopes.clone(),
            shift: -at.slope_sum * curvature.inverse_total(),
            work: Vec::new(),
        }
    }
}

impl<D: DesignMatrix> QuadraticModel for ColumnModel<'_, '_, D> {
    #[inline]
    fn gradient(&self, k: usize) -> f64 {
        let through_columns = self.curvature.design.column_dot(self.columns[k] as usize, &self.residual);
        through_columns + self.shift * self.sums[k] + self.ridge_part[k]
    }
    #[inline]
    fn diagonal(&self, k: usize) -> f64 {
        self.diagonal[k]
    }
    #[inline]
    fn update(&mut self, k: usize, delta: f64) {
        let column = self.columns[k] as usize;
        self.curvature.design.column_weighted_axpy(column, delta, self.curvature.weights, &mut self.residual);
        self.shift -= delta * self.sums[k] * self.curvature.inverse_total();
        self.ridge_part[k] += self.curvature.ridge * delta;
    }
    fn sweeps_before_newton(&self) -> usize {
        10
    }
    fn finish_cost(&self, _active: usize) -> f64 {
        // Conjugate gradients take some hundred products, each as dear as a sweep; a round is six.
        20.0
    }
    fn submatrix(&self, _free: &[usize]) -> Option<Vec<f64>> {
        None
    }
    fn product(&mut self, free: &[usize], v: &[f64], out: &mut [f64]) {
        if let Some(rows) = self.rows.get(self.curvature.design, self.columns) {
            let mut everywhere = vec![0.0; self.columns.len()];
            let mut image = vec![0.0; self.columns.len()];
            free.iter().zip(v).for_each(|(&k, &v)| everywhere[k] = v);
            self.curvature.product_by_rows(rows, self.sums, &everywhere, &mut image);
            free.iter().zip(out).for_each(|(&k, o)| *o = image[k]);
            return;
        }
        let columns: Vec<u32> = free.iter().map(|&k| self.columns[k]).collect();
        let sums: Vec<f64> = free.iter().map(|&k| self.sums[k]).collect();
        self.curvature.product_into(&columns, &sums, v, &mut self.work, out);
    }
}
