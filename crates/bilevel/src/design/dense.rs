//! Dense design matrix in column-major (Fortran) order.

use crate::kernel::{self, Element};
use crate::{Error, Result};

use super::DesignMatrix;
use super::storage::{SharedSlice, Storage};

/// A dense n×p matrix in column-major order: entry (i, j) is `values[j·n + i]`.
#[derive(Debug, Clone, PartialEq)]
pub struct DenseMatrix<T> {
    n_rows: usize,
    n_columns: usize,
    values: Storage<T>,
}

impl<T: Element> DenseMatrix<T> {
    /// Takes `values` (length n·p, column major) as a matrix.
    ///
    /// # Errors
    /// [`Error::InvalidData`] if the length is not n·p or a value is NaN or infinite.
    ///
    /// ```
    /// use bilevel::design::{DenseMatrix, DesignMatrix};
    /// let a = DenseMatrix::new(2, 2, vec![1.0, 2.0, 3.0, 4.0])?;   // columns (1,2) and (3,4)
    /// assert_eq!(a.column_dot(1, &[1.0, 1.0]), 7.0);
    /// # Ok::<(), bilevel::Error>(())
    /// ```
    pub fn new(n_rows: usize, n_columns: usize, values: Vec<T>) -> Result<Self> {
        Self::checked(n_rows, n_columns, values.into())
    }

    /// The same for values that others own (a NumPy array in Fortran order): they are read where they lie.
    ///
    /// # Errors
    /// As [`DenseMatrix::new`].
    ///
    /// ```
    /// use std::sync::Arc;
    /// use bilevel::design::DenseMatrix;
    /// let values = Arc::new(vec![1.0, 2.0, 3.0, 4.0]);
    /// let a = DenseMatrix::from_shared(2, 2, values.clone())?;
    /// assert_eq!(a.values().as_ptr(), values.as_ptr());
    /// # Ok::<(), bilevel::Error>(())
    /// ```
    pub fn from_shared(n_rows: usize, n_columns: usize, values: SharedSlice<T>) -> Result<Self> {
        Self::checked(n_rows, n_columns, values.into())
    }

    fn checked(n_rows: usize, n_columns: usize, values: Storage<T>) -> Result<Self> {
        if n_rows.checked_mul(n_columns) != Some(values.len()) {
            return Err(Error::data(
                "design matrix",
                format!("{} values", values.len()),
                format!("{n_rows} rows times {n_columns} columns of them"),
            ));
        }
        if let Some(k) = values.iter().position(|v| !v.to_f64().is_finite()) {
            let (row, column) = (k % n_rows + 1, k / n_rows + 1);
            return Err(Error::data(
                format!("design matrix, row {row}, column {column}"),
                values[k].to_f64().to_string(),
                "a finite number",
            ));
        }
        Ok(Self { n_rows, n_columns, values })
    }

    pub(super) fn from_parts(n_rows: usize, n_columns: usize, values: Vec<T>) -> Self {
        debug_assert_eq!(values.len(), n_rows * n_columns);
        Self { n_rows, n_columns, values: values.into() }
    }

    /// The entries of column j (length n).
    #[inline]
    pub fn column(&self, j: usize) -> &[T] {
        &self.values[j * self.n_rows..(j + 1) * self.n_rows]
    }

    /// All entries, column after column.
    pub fn values(&self) -> &[T] {
        &self.values
    }

    /// The same matrix in another storage precision.
    pub fn cast<U: Element>(&self) -> DenseMatrix<U> {
        DenseMatrix {
            n_rows: self.n_rows,
            n_columns: self.n_columns,
            values: self.values.iter().map(|v| U::from_f64(v.to_f64())).collect::<Vec<U>>().into(),
        }
    }

    pub(super) fn select_rows(&self, rows: &[usize]) -> Result<Self> {
        super::csc::check_rows(rows, self.n_rows)?;
        let mut values = Vec::with_capacity(rows.len() * self.n_columns);
        for j in 0..self.n_columns {
            let column = self.column(j);
            values.extend(rows.iter().map(|&i| column[i]));
        }
        Ok(Self::from_parts(rows.len(), self.n_columns, values))
    }

    pub(super) fn stack(&self, below: &Self) -> Result<Self> {
        if self.n_columns != below.n_columns {
            return Err(Error::data(
                "columns of the second data set",
                below.n_columns.to_string(),
                format!("{} columns, as in the first", self.n_columns),
            ));
        }
        let mut values = Vec::with_capacity(self.values.len() + below.values.len());
        for j in 0..self.n_columns {
            values.extend_from_slice(self.column(j));
            values.extend_from_slice(below.column(j));
        }
        Ok(Self::from_parts(self.n_rows + below.n_rows, self.n_columns, values))
    }
}

impl<T: Element> DesignMatrix for DenseMatrix<T> {
    fn n_rows(&self) -> usize {
        self.n_rows
    }
    fn n_columns(&self) -> usize {
        self.n_columns
    }
    fn n_stored(&self) -> usize {
        self.values.len()
    }
    #[inline]
    fn column_stored(&self, _column: usize) -> usize {
        self.n_rows
    }
    #[inline]
    fn column_dot(&self, column: usize, v: &[f64]) -> f64 {
        T::dot(self.column(column), v)
    }
    #[inline]
    fn column_axpy(&self, column: usize, s: f64, out: &mut [f64]) {
        T::axpy(s, self.column(column), out);
    }
    #[inline]
    fn column_weighted_axpy(&self, column: usize, s: f64, weights: &[f64], out: &mut [f64]) {
        kernel::weighted_axpy(s, self.column(column), weights, out);
    }
    #[inline]
    fn column_weighted_square(&self, column: usize, weights: &[f64]) -> f64 {
        kernel::weighted_square(self.column(column), weights)
    }
    #[inline]
    fn visit_column(&self, column: usize, mut visit: impl FnMut(usize, f64)) {
        for (i, a) in self.column(column).iter().enumerate() {
            visit(i, a.to_f64());
        }
    }
}
