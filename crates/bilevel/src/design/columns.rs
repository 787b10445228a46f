//! Some columns of a design matrix, as a matrix of their own that copies nothing.

use super::DesignMatrix;

/// The columns of `design` with the given numbers.
#[derive(Debug, Clone)]
pub(crate) struct ColumnSubset<'a, D> {
    design: &'a D,
    columns: Vec<u32>,
    n_stored: usize,
}

impl<'a, D: DesignMatrix> ColumnSubset<'a, D> {
    /// `columns` are numbers below p.
    pub(crate) fn new(design: &'a D, columns: Vec<u32>) -> Self {
        let n_stored = columns.iter().map(|&j| design.column_stored(j as usize)).sum();
        Self { design, columns, n_stored }
    }

    /// The numbers of the columns in the whole design.
    pub(crate) fn columns(&self) -> &[u32] {
        &self.columns
    }

    #[inline]
    fn of(&self, column: usize) -> usize {
        self.columns[column] as usize
    }
}

impl<D: DesignMatrix> DesignMatrix for ColumnSubset<'_, D> {
    fn n_rows(&self) -> usize {
        self.design.n_rows()
    }
    fn n_columns(&self) -> usize {
        self.columns.len()
    }
    fn n_stored(&self) -> usize {
        self.n_stored
    }
    #[inline]
    fn column_stored(&self, column: usize) -> usize {
        self.design.column_stored(self.of(column))
    }
    #[inline]
    fn column_dot(&self, column: usize, v: &[f64]) -> f64 {
        self.design.column_dot(self.of(column), v)
    }
    #[inline]
    fn column_axpy(&self, column: usize, s: f64, out: &mut [f64]) {
        self.design.column_axpy(self.of(column), s, out);
    }
    #[inline]
    fn column_weighted_axpy(&self, column: usize, s: f64, weights: &[f64], out: &mut [f64]) {
        self.design.column_weighted_axpy(self.of(column), s, weights, out);
    }
    #[inline]
    fn column_weighted_square(&self, column: usize, weights: &[f64]) -> f64 {
        self.design.column_weighted_square(self.of(column), weights)
    }
    #[inline]
    fn visit_column(&self, column: usize, visit: impl FnMut(usize, f64)) {
        self.design.visit_column(self.of(column), visit);
    }
    fn column_part_axpy(&self, column: usize, s: f64, first: usize, out: &mut [f64]) {
        self.design.column_part_axpy(self.of(column), s, first, out);
    }
}
