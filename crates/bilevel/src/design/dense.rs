//! Dense design matrix in column-major (Fortran) order.

use rayon::prelude::*;

use crate::kernel::{self, Element, LEAVES_CACHE, TOGETHER};
use crate::{Error, Result};

use super::DesignMatrix;
use super::product::{ENTRIES_FOR_THREADS, in_tasks, sum_of_columns};
use super::storage::{SharedSlice, Storage};

/// Entries that a thread takes at once in Aᵀv.
const ENTRIES_PER_TASK: usize = 1 << 16;
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

    /// The products of v with the columns that `column` says; each is summed in one order, whatever the columns beside it.
    fn dots(&self, column: impl Fn(usize) -> usize, v: &[f64], out: &mut [f64]) {
        if self.n_rows <= LEAVES_CACHE {
            out.iter_mut().enumerate().for_each(|(k, o)| *o = self.column_dot(column(k), v));
            return;
        }
        for (group, out) in out.chunks_mut(TOGETHER).enumerate() {
            let last = out.len() - 1;
            let columns = std::array::from_fn(|k| self.column(column(group * TOGETHER + k.min(last))));
            out.copy_from_slice(&kernel::dots(columns, v)[..=last]);
        }
    }

    /// out += Σ c_j a_j on the rows from `first` on.
    fn add_columns(&self, columns: &[(usize, f64)], first: usize, out: &mut [f64]) {
        let rows = first..first + out.len();
        let together = if out.len() > LEAVES_CACHE { columns.len() } else { 0 };
        let (groups, _) = pulp::as_arrays::<TOGETHER, _>(&columns[..together]);
        for group in groups {
            kernel::axpys(group.map(|(_, c)| c), group.map(|(j, _)| &self.column(j)[rows.clone()]), out);
        }
        for &(j, c) in &columns[groups.len() * TOGETHER..] {
            kernel::axpy(c, &self.column(j)[rows.clone()], out);
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
        kernel::dot(self.column(column), v)
    }
    #[inline]
    fn column_axpy(&self, column: usize, s: f64, out: &mut [f64]) {
        kernel::axpy(s, self.column(column), out);
    }
    #[inline]
    fn column_weighted_axpy(&self, column: usize, s: f64, weights: &[f64], out: &mut [f64]) {
        kernel::weighted_axpy(s, self.column(column), weights, out);
    }
    #[inline]
    fn column_weighted_square(&self, column: usize, weights: &[f64]) -> f64 {
        kernel::weighted_square(self.column(column), weights)
    }
    fn column_part_axpy(&self, column: usize, s: f64, first: usize, out: &mut [f64]) {
        let part = self.column(column).get(first..).unwrap_or_default();
        let len = part.len().min(out.len());
        kernel::axpy(s, &part[..len], &mut out[..len]);
    }
    fn transpose_product_into(&self, v: &[f64], out: &mut [f64]) {
        let columns_per_task =
            (ENTRIES_PER_TASK / self.n_rows.max(1)).next_multiple_of(TOGETHER).max(TOGETHER);
        in_tasks(self.n_stored(), out, columns_per_task, |first, out| {
            self.dots(|k| first + k, v, out);
        });
    }
    fn columns_dot_into(&self, columns: &[u32], v: &[f64], out: &mut [f64]) {
        self.dots(|k| columns[k] as usize, v, out);
    }
    fn columns_axpy(&self, first: usize, coefficients: &[f64], out: &mut [f64]) {
        self.add_columns(&support(first, coefficients), 0, out);
    }
    fn product_into(&self, coefficients: &[f64], out: &mut [f64]) {
        if self.n_rows <= LEAVES_CACHE || self.n_stored() < ENTRIES_FOR_THREADS {
            return sum_of_columns(self, coefficients, out);
        }
        // Each row has its own sum, so that cutting the rows by the number of threads changes no digit.
        let rows = self.n_rows.div_ceil(rayon::current_num_threads()).next_multiple_of(LEAVES_CACHE);
        let support = support(0, coefficients);
        out.par_chunks_mut(rows).enumerate().for_each(|(part, out)| {
            out.fill(0.0);
            self.add_columns(&support, part * rows, out);
        });
    }
    #[inline]
    fn visit_column(&self, column: usize, mut visit: impl FnMut(usize, f64)) {
        for (i, a) in self.column(column).iter().enumerate() {
            visit(i, a.to_f64());
        }
    }
}

/// The columns from `first` on whose coefficients are not zero, with these.
fn support(first: usize, coefficients: &[f64]) -> Vec<(usize, f64)> {
    (first..).zip(coefficients.iter().copied()).filter(|(_, c)| *c != 0.0).collect()
}
