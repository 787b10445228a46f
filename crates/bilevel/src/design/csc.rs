//! Sparse design matrix in compressed-column (CSC) storage.

use crate::kernel::{self, Element, Next};
use crate::{Error, Result};

use super::DesignMatrix;
use super::product::{COLUMNS_PER_TASK, in_tasks};
use super::storage::{SharedSlice, Storage};

/// An n×p matrix in compressed sparse columns: the entries of column j are `starts[j]..starts[j+1]` of `rows` and `values`.
///
/// Row indices are `u32` (so n < 2³²), strictly increasing within a column and below n. That is checked once, at construction; the
/// column kernels rely on it.
#[derive(Debug, Clone, PartialEq)]
pub struct CscMatrix<T> {
    n_rows: usize,
    starts: Vec<usize>,
    rows: Storage<u32>,
    values: Storage<T>,
}

impl<T: Element> CscMatrix<T> {
    /// Takes the three arrays of the CSC format as a matrix; `starts` has one more element than there are columns.
    ///
    /// # Errors
    /// [`Error::InvalidData`] if the starts do not increase from 0 to the number of values, if row indices are out of range or not
    /// strictly increasing within a column, or if a value is NaN or infinite.
    ///
    /// ```
    /// use bilevel::design::{CscMatrix, DesignMatrix};
    /// // [[1, 0], [0, 2], [3, 0]]
    /// let a = CscMatrix::new(3, vec![0, 2, 3], vec![0, 2, 1], vec![1.0, 3.0, 2.0])?;
    /// assert_eq!(a.column_dot(0, &[1.0, 1.0, 1.0]), 4.0);
    /// # Ok::<(), bilevel::Error>(())
    /// ```
    pub fn new(n_rows: usize, starts: Vec<usize>, rows: Vec<u32>, values: Vec<T>) -> Result<Self> {
        Self::checked(n_rows, starts, rows.into(), values.into())
    }

    /// The same for row indices and values that others own (`data`, `indices` and `indptr` of a SciPy `csc_matrix`, with sorted indices): they are
    /// read where they lie. See [`super::unsigned_indices`] for `int32`.
    ///
    /// # Errors
    /// As [`CscMatrix::new`].
    ///
    /// ```
    /// use std::sync::Arc;
    /// use bilevel::design::{CscMatrix, DesignMatrix, unsigned_indices};
    /// let rows = unsigned_indices(Arc::new(vec![0_i32, 2, 1]))?;
    /// let a = CscMatrix::from_shared(3, vec![0, 2, 3], rows, Arc::new(vec![1.0, 3.0, 2.0]))?;
    /// assert_eq!(a.column_dot(0, &[1.0, 1.0, 1.0]), 4.0);
    /// # Ok::<(), bilevel::Error>(())
    /// ```
    pub fn from_shared(
        n_rows: usize,
        starts: Vec<usize>,
        rows: SharedSlice<u32>,
        values: SharedSlice<T>,
    ) -> Result<Self> {
        Self::checked(n_rows, starts, rows.into(), values.into())
    }

    fn checked(n_rows: usize, starts: Vec<usize>, rows: Storage<u32>, values: Storage<T>) -> Result<Self> {
        let stored = values.len();
        let ends_match = starts.first() == Some(&0) && starts.last() == Some(&stored) && rows.len() == stored;
        if !ends_match || starts.windows(2).any(|w| w[0] > w[1]) {
            return Err(Error::data(
                "sparse design matrix",
                format!("{} column starts for {} row indices and {stored} values", starts.len(), rows.len()),
                "starts that increase from 0 to the number of values",
            ));
        }
        for (j, window) in starts.windows(2).enumerate() {
            let column = &rows[window[0]..window[1]];
            let increasing = column.windows(2).all(|r| r[0] < r[1]);
            if !increasing || column.last().is_some_and(|&last| last as usize >= n_rows) {
                return Err(Error::data(
                    format!("sparse design matrix, column {}", j + 1),
                    "row indices that repeat, decrease or exceed the number of rows",
                    format!("strictly increasing indices below {n_rows}"),
                ));
            }
            if let Some(k) = values[window[0]..window[1]].iter().position(|v| !v.to_f64().is_finite()) {
                return Err(Error::data(
                    format!("sparse design matrix, row {}, column {}", column[k] + 1, j + 1),
                    values[window[0] + k].to_f64().to_string(),
                    "a finite number",
                ));
            }
        }
        Ok(Self { n_rows, starts, rows, values })
    }

    /// Row indices and values of column j.
    #[inline]
    pub fn column(&self, j: usize) -> (&[u32], &[T]) {
        let range = self.starts[j]..self.starts[j + 1];
        (&self.rows[range.clone()], &self.values[range])
    }

    /// The three arrays: column starts (length p + 1), row indices, values.
    pub fn parts(&self) -> (&[usize], &[u32], &[T]) {
        (&self.starts, &self.rows, &self.values)
    }

    /// The same matrix in another storage precision.
    pub fn cast<U: Element>(self) -> CscMatrix<U> {
        CscMatrix {
            n_rows: self.n_rows,
            starts: self.starts,
            rows: self.rows,
            values: self.values.iter().map(|v| U::from_f64(v.to_f64())).collect::<Vec<U>>().into(),
        }
    }

    /// The same matrix with all-zero columns appended until it has `n_columns`; never narrower than before.
    #[must_use]
    pub fn widened(mut self, n_columns: usize) -> Self {
        let stored = self.values.len();
        if n_columns + 1 > self.starts.len() {
            self.starts.resize(n_columns + 1, stored);
        }
        self
    }

    pub(super) fn select_rows(&self, rows: &[usize]) -> Result<Self> {
        check_rows(rows, self.n_rows)?;
        // new positions of each old row, as linked lists, so that a row may be taken several times
        const NONE: u32 = u32::MAX;
        let mut first = vec![NONE; self.n_rows];
        let mut next = vec![NONE; rows.len()];
        for (position, &row) in rows.iter().enumerate().rev() {
            next[position] = first[row];
            first[row] = to_u32(position);
        }
        let mut builder = CscBuilder::new(rows.len(), self.n_columns());
        let mut entries: Vec<(u32, T)> = Vec::new();
        for j in 0..self.n_columns() {
            entries.clear();
            let (old_rows, values) = self.column(j);
            for (&row, &value) in old_rows.iter().zip(values) {
                let mut position = first[row as usize];
                while position != NONE {
                    entries.push((position, value));
                    position = next[position as usize];
                }
            }
            entries.sort_unstable_by_key(|e| e.0);
            entries.iter().for_each(|&(row, value)| builder.push(row as usize, value));
            builder.finish_column();
        }
        Ok(builder.build())
    }

    pub(super) fn stack(self, below: &Self) -> Result<Self> {
        let n_rows = self.n_rows + below.n_rows;
        if u32::try_from(n_rows).is_err() {
            return Err(Error::data("rows of both data sets", n_rows.to_string(), "fewer than 2^32"));
        }
        let n_columns = self.n_columns().max(below.n_columns());
        let offset = self.n_rows;
        let mut builder =
            CscBuilder::with_capacity(n_rows, n_columns, self.values.len() + below.values.len());
        for j in 0..n_columns {
            for (part, shift) in [(&self, 0), (below, offset)] {
                if j < part.n_columns() {
                    let (rows, values) = part.column(j);
                    rows.iter().zip(values).for_each(|(&i, &v)| builder.push(i as usize + shift, v));
                }
            }
            builder.finish_column();
        }
        Ok(builder.build())
    }
}

impl<T: Element> DesignMatrix for CscMatrix<T> {
    fn n_rows(&self) -> usize {
        self.n_rows
    }
    fn n_columns(&self) -> usize {
        self.starts.len() - 1
    }
    fn n_stored(&self) -> usize {
        self.values.len()
    }
    #[inline]
    fn column_stored(&self, column: usize) -> usize {
        self.starts[column + 1] - self.starts[column]
    }
    #[inline]
    fn column_dot(&self, column: usize, v: &[f64]) -> f64 {
        assert!(v.len() >= self.n_rows);
        let (rows, values) = self.column(column);
        // SAFETY: construction checked that every row index is below n_rows, and v is at least that long.
        unsafe { kernel::sparse_dot(rows, values, v, Next::Other) }
    }
    #[inline]
    fn column_axpy(&self, column: usize, s: f64, out: &mut [f64]) {
        assert!(out.len() >= self.n_rows);
        let (rows, values) = self.column(column);
        // SAFETY: construction checked that every row index is below n_rows, and out is at least that long.
        unsafe { kernel::sparse_axpy(s, rows, values, out, Next::Other) }
    }
    #[inline]
    fn column_weighted_axpy(&self, column: usize, s: f64, weights: &[f64], out: &mut [f64]) {
        assert!(weights.len() >= self.n_rows && out.len() >= self.n_rows);
        let (rows, values) = self.column(column);
        // SAFETY: construction checked that every row index is below n_rows, and both vectors are at least that long.
        unsafe { kernel::sparse_weighted_axpy(s, rows, values, weights, out, Next::Other) }
    }
    #[inline]
    fn column_weighted_square(&self, column: usize, weights: &[f64]) -> f64 {
        assert!(weights.len() >= self.n_rows);
        let (rows, values) = self.column(column);
        // SAFETY: construction checked that every row index is below n_rows, and weights is at least that long.
        unsafe { kernel::sparse_weighted_square(rows, values, weights, Next::Other) }
    }
    #[inline]
    fn visit_column(&self, column: usize, mut visit: impl FnMut(usize, f64)) {
        let (rows, values) = self.column(column);
        for (&i, a) in rows.iter().zip(values) {
            visit(i as usize, a.to_f64());
        }
    }
    fn column_part_axpy(&self, column: usize, s: f64, first: usize, out: &mut [f64]) {
        let (rows, values) = self.column(column);
        let start = rows.partition_point(|&i| (i as usize) < first);
        for (&i, a) in rows[start..].iter().zip(&values[start..]) {
            let Some(o) = out.get_mut(i as usize - first) else { break };
            *o += s * a.to_f64();
        }
    }
    fn transpose_product_into(&self, v: &[f64], out: &mut [f64]) {
        assert!(v.len() >= self.n_rows);
        in_tasks(self.n_stored(), out, COLUMNS_PER_TASK, |first, out| {
            for (o, j) in out.iter_mut().zip(first..) {
                let (rows, values) = self.column(j);
                // SAFETY: construction checked that every row index is below n_rows, and v is at least that long.
                *o = unsafe { kernel::sparse_dot(rows, values, v, Next::Wanted) };
            }
        });
    }
    fn columns_axpy(&self, first: usize, coefficients: &[f64], out: &mut [f64]) {
        assert!(out.len() >= self.n_rows);
        for (k, &s) in coefficients.iter().enumerate().filter(|(_, c)| **c != 0.0) {
            let (rows, values) = self.column(first + k);
            let is_next_wanted = coefficients.get(k + 1).is_some_and(|c| *c != 0.0);
            let next = if is_next_wanted { Next::Wanted } else { Next::Other };
            // SAFETY: construction checked that every row index is below n_rows, and out is at least that long.
            unsafe { kernel::sparse_axpy(s, rows, values, out, next) }
        }
    }
}

pub(super) fn check_rows(rows: &[usize], n_rows: usize) -> Result<()> {
    match rows.iter().find(|&&i| i >= n_rows) {
        Some(i) => {
            Err(Error::data("row selection", format!("row index {i}"), format!("indices below {n_rows}")))
        }
        None => Ok(()),
    }
}

fn to_u32(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// Builds a matrix column by column; rows must come in increasing order and below `n_rows` (debug-checked, the callers own both).
pub(super) struct CscBuilder<T> {
    n_rows: usize,
    starts: Vec<usize>,
    rows: Vec<u32>,
    values: Vec<T>,
}

impl<T: Element> CscBuilder<T> {
    pub(super) fn new(n_rows: usize, n_columns: usize) -> Self {
        Self::with_capacity(n_rows, n_columns, 0)
    }

    pub(super) fn with_capacity(n_rows: usize, n_columns: usize, stored: usize) -> Self {
        let mut starts = Vec::with_capacity(n_columns + 1);
        starts.push(0);
        Self { n_rows, starts, rows: Vec::with_capacity(stored), values: Vec::with_capacity(stored) }
    }

    pub(super) fn push(&mut self, row: usize, value: T) {
        assert!(row < self.n_rows);
        if value.to_f64() != 0.0 {
            self.rows.push(to_u32(row));
            self.values.push(value);
        }
    }

    pub(super) fn finish_column(&mut self) {
        self.starts.push(self.values.len());
    }

    pub(super) fn build(self) -> CscMatrix<T> {
        let Self { n_rows, starts, rows, values } = self;
        CscMatrix { n_rows, starts, rows: rows.into(), values: values.into() }
    }
}
