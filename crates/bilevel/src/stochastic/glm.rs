//! A generalized linear model with weight decays, sample by sample.
//!
//! ```text
//! g_i(y, θ) = f(b_i, a_iᵀy) + ½ Σ_j e^{θ_j} y_j²,     f_j(y) = f(b_j, a_jᵀy)
//! ```
//!
//! with one θ for all coefficients or one for each.

use crate::design::DesignMatrix;
use crate::loss::Loss;
use crate::{Error, Result};

use super::FiniteSum;

/// The rows of a design with targets, divided into those of the lower and of the upper level; stored by rows.
#[derive(Debug, Clone)]
pub struct SampledGlm<'a, L> {
    starts: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f64>,
    n_columns: usize,
    targets: &'a [f64],
    lower: &'a [usize],
    upper: &'a [usize],
    loss: L,
    /// Whether each coefficient has a decay of its own.
    each: bool,
}

impl<'a, L: Loss> SampledGlm<'a, L> {
    /// `lower` and `upper` number the rows of the two sums; with `each` every coefficient has its own decay, else one decay serves for all.
    ///
    /// # Errors
    /// [`Error::InvalidData`] for targets of another length or rows out of range.
    pub fn new<D: DesignMatrix>(
        design: &D,
        targets: &'a [f64],
        lower: &'a [usize],
        upper: &'a [usize],
        loss: L,
        each: bool,
    ) -> Result<Self> {
        let (n, p) = (design.n_rows(), design.n_columns());
        if targets.len() != n {
            return Err(Error::data("targets", targets.len().to_string(), format!("{n}, one for each row")));
        }
        if let Some(row) = lower.iter().chain(upper).find(|row| **row >= n) {
            return Err(Error::data("rows", format!("row {row}"), format!("rows below {n}")));
        }
        let mut rows: Vec<Vec<(u32, f64)>> = vec![Vec::new(); n];
        for (j, column) in (0..p).zip(0_u32..) {
            design.visit_column(j, |i, a| rows[i].push((column, a)));
        }
        let mut starts = vec![0];
        let (mut columns, mut values) = (Vec::new(), Vec::new());
        for row in rows {
            columns.extend(row.iter().map(|(j, _)| *j));
            values.extend(row.iter().map(|(_, a)| *a));
            starts.push(values.len());
        }
        Ok(Self { starts, columns, values, n_columns: p, targets, lower, upper, loss, each })
    }

    fn row(&self, i: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        let range = self.starts[i]..self.starts[i + 1];
        let columns = self.columns[range.clone()].iter().map(|j| *j as usize);
        columns.zip(self.values[range].iter().copied())
    }

    fn product(&self, i: usize, y: &[f64]) -> f64 {
        self.row(i).map(|(j, a)| a * y[j]).sum()
    }

    fn decay(&self, lambda: &[f64], j: usize) -> f64 {
        lambda[if self.each { j } else { 0 }].exp()
    }

    /// out += s·a_i.
    fn add(&self, i: usize, s: f64, out: &mut [f64]) {
        self.row(i).for_each(|(j, a)| out[j] += s * a);
    }
}

impl<L: Loss> FiniteSum for SampledGlm<'_, L> {
    fn n_coefficients(&self) -> usize {
        self.n_columns
    }
    fn n_hyperparameters(&self) -> usize {
        if self.each { self.n_columns } else { 1 }
    }
    fn n_lower(&self) -> usize {
        self.lower.len()
    }
    fn n_upper(&self) -> usize {
        self.upper.len()
    }

    fn lower_gradient(&self, batch: &[usize], y: &[f64], lambda: &[f64], out: &mut [f64]) {
        out.iter_mut().enumerate().for_each(|(j, o)| *o = self.decay(lambda, j) * y[j]);
        for &k in batch {
            let i = self.lower[k];
            let slope = self.loss.derivative(self.targets[i], self.product(i, y));
            self.add(i, slope / batch.len() as f64, out);
        }
    }

    fn lower_products(
        &self,
        batch: &[usize],
        y: &[f64],
        lambda: &[f64],
        v: &[f64],
        hessian: &mut [f64],
        cross: Option<&mut [f64]>,
    ) {
        hessian.iter_mut().enumerate().for_each(|(j, o)| *o = self.decay(lambda, j) * v[j]);
        for &k in batch {
            let i = self.lower[k];
            let curvature = self.loss.curvature(self.targets[i], self.product(i, y));
            self.add(i, curvature * self.product(i, v) / batch.len() as f64, hessian);
        }
        if let Some(cross) = cross {
            cross.fill(0.0);
            for j in 0..self.n_columns {
                cross[if self.each { j } else { 0 }] += self.decay(lambda, j) * y[j] * v[j];
            }
        }
    }

    fn upper_gradients(
        &self,
        batch: &[usize],
        y: &[f64],
        _lambda: &[f64],
        of_coefficients: &mut [f64],
        of_hyperparameters: &mut [f64],
    ) {
        of_coefficients.fill(0.0);
        of_hyperparameters.fill(0.0);
        for &k in batch {
            let i = self.upper[k];
            let slope = self.loss.derivative(self.targets[i], self.product(i, y));
            self.add(i, slope / batch.len() as f64, of_coefficients);
        }
    }
}
