//! The reduced design: the columns along which the solution can move.
//!
//! An active block contributes its columns. A biactive block can only leave zero along its own gradient, so it contributes one column
//! A_g u with u = −∇_gF/‖∇_gF‖: for ℓ1 that is ±a_j, and for a group the curvature (λ/r)(I − uuᵀ) forbids every other direction as r → 0.

use crate::design::DesignMatrix;

/// A design matrix whose columns are combinations of the columns of another.
#[derive(Debug)]
pub(super) struct ReducedDesign<'a, D> {
    design: &'a D,
    starts: Vec<usize>,
    columns: Vec<u32>,
    factors: Vec<f64>,
}

impl<'a, D: DesignMatrix> ReducedDesign<'a, D> {
    pub(super) fn new(design: &'a D) -> Self {
        Self { design, starts: vec![0], columns: Vec::new(), factors: Vec::new() }
    }

    /// Appends the column Σ factor·a_j.
    pub(super) fn push(&mut self, combination: impl Iterator<Item = (u32, f64)>) {
        for (column, factor) in combination {
            self.columns.push(column);
            self.factors.push(factor);
        }
        self.starts.push(self.columns.len());
    }

    /// The factor of a column that is a multiple of a single column (the first factor, if it is not).
    pub(super) fn column_factor(&self, column: usize) -> f64 {
        self.factors[self.starts[column]]
    }

    fn parts(&self, column: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        let range = self.starts[column]..self.starts[column + 1];
        self.columns[range.clone()].iter().zip(&self.factors[range]).map(|(&j, &f)| (j as usize, f))
    }
}

impl<D: DesignMatrix> DesignMatrix for ReducedDesign<'_, D> {
    fn n_rows(&self) -> usize {
        self.design.n_rows()
    }
    fn n_columns(&self) -> usize {
        self.starts.len() - 1
    }
    fn n_stored(&self) -> usize {
        self.columns.iter().map(|&j| self.design.column_stored(j as usize)).sum()
    }
    fn column_stored(&self, column: usize) -> usize {
        self.parts(column).map(|(j, _)| self.design.column_stored(j)).sum()
    }
    fn column_dot(&self, column: usize, v: &[f64]) -> f64 {
        self.parts(column).map(|(j, f)| f * self.design.column_dot(j, v)).sum()
    }
    fn column_axpy(&self, column: usize, s: f64, out: &mut [f64]) {
        self.parts(column).for_each(|(j, f)| self.design.column_axpy(j, s * f, out));
    }
    fn column_weighted_axpy(&self, column: usize, s: f64, weights: &[f64], out: &mut [f64]) {
        self.parts(column).for_each(|(j, f)| self.design.column_weighted_axpy(j, s * f, weights, out));
    }
    fn column_weighted_square(&self, column: usize, weights: &[f64]) -> f64 {
        let mut parts = self.parts(column);
        if let (Some((j, f)), None) = (parts.next(), parts.next()) {
            return f * f * self.design.column_weighted_square(j, weights);
        }
        let mut combined = vec![0.0; self.n_rows()];
        self.column_axpy(column, 1.0, &mut combined);
        crate::kernel::weighted_square(&combined, weights)
    }
    /// Visits the entries of the combined columns one after the other: a row may come more than once.
    fn visit_column(&self, column: usize, mut visit: impl FnMut(usize, f64)) {
        self.parts(column).for_each(|(j, f)| self.design.visit_column(j, |i, a| visit(i, f * a)));
    }
    fn column_part_axpy(&self, column: usize, s: f64, first: usize, out: &mut [f64]) {
        self.parts(column).for_each(|(j, f)| self.design.column_part_axpy(j, f * s, first, out));
    }
}
