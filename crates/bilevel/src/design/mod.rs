//! Design matrices: the n×p matrix A of a linear model, dense (column major) or sparse (compressed columns).
//!
//! Solvers speak to the trait [`DesignMatrix`] (column dot, column axpy, products), never to indices, so that dense and sparse are one
//! code. [`Design`] is the closed set of storages that a data file may end up in; it dispatches once per column operation.

mod columns;
mod csc;
mod dense;
mod product;
mod scaled;
mod storage;

pub(crate) use columns::ColumnSubset;
pub use csc::CscMatrix;
pub use dense::DenseMatrix;
pub use scaled::ScaledDesign;
pub use storage::{SharedSlice, unsigned_indices};

/// The column and matrix products that solvers need. Rows are samples, columns are features.
///
/// Vectors of length `n_rows()` and `n_columns()` are expected where the shapes say so; implementations check with `assert!` once per
/// column operation where memory safety depends on it.
pub trait DesignMatrix: Sync {
    /// n, the number of samples.
    fn n_rows(&self) -> usize;
    /// p, the number of features.
    fn n_columns(&self) -> usize;
    /// How many entries are stored (n·p for a dense matrix).
    fn n_stored(&self) -> usize;
    /// How many entries of one column are stored.
    fn column_stored(&self, column: usize) -> usize;
    /// a_jᵀ v, with `v` of length n.
    fn column_dot(&self, column: usize, v: &[f64]) -> f64;
    /// out += s·a_j, with `out` of length n.
    fn column_axpy(&self, column: usize, s: f64, out: &mut [f64]);
    /// out_i += s·w_i·a_ij, with `weights` and `out` of length n.
    fn column_weighted_axpy(&self, column: usize, s: f64, weights: &[f64], out: &mut [f64]);
    /// Σ_i w_i a_ij².
    fn column_weighted_square(&self, column: usize, weights: &[f64]) -> f64;
    /// Calls `visit(i, a_ij)` for every stored entry of a column, in increasing row order.
    fn visit_column(&self, column: usize, visit: impl FnMut(usize, f64))
    where
        Self: Sized;

    /// out_k += s·a_ij, i = first + k: rows from `first` on of a column, as many as `out` is long.
    fn column_part_axpy(&self, column: usize, s: f64, first: usize, out: &mut [f64])
    where
        Self: Sized,
    {
        self.visit_column(column, |i, a| {
            if let Some(o) = i.checked_sub(first).and_then(|k| out.get_mut(k)) {
                *o += s * a;
            }
        });
    }

    /// out_k = a_jᵀ v for each column j of a list as long as `out`, with `v` of length n.
    fn columns_dot_into(&self, columns: &[u32], v: &[f64], out: &mut [f64]) {
        out.iter_mut().zip(columns).for_each(|(o, &j)| *o = self.column_dot(j as usize, v));
    }

    /// out += Σ_k c_k·a_j, j = first + k, with `out` of length n; zero coefficients cost nothing.
    fn columns_axpy(&self, first: usize, coefficients: &[f64], out: &mut [f64]) {
        for (j, &c) in (first..).zip(coefficients).filter(|(_, c)| **c != 0.0) {
            self.column_axpy(j, c, out);
        }
    }

    /// out = Aᵀ v, with `v` of length n and `out` of length p. Parallel over columns; the result does not depend on the number of threads.
    fn transpose_product_into(&self, v: &[f64], out: &mut [f64]) {
        product::in_tasks(self.n_stored(), out, product::COLUMNS_PER_TASK, |first, out| {
            out.iter_mut().zip(first..).for_each(|(o, j)| *o = self.column_dot(j, v));
        });
    }

    /// out = A·coefficients, with `coefficients` of length p and `out` of length n; zero coefficients cost nothing. Parallel where that
    /// pays; the result does not depend on the number of threads.
    fn product_into(&self, coefficients: &[f64], out: &mut [f64]) {
        product::sum_of_columns(self, coefficients, out);
    }
}

/// A design matrix in one of the storages that the readers produce.
#[derive(Debug, Clone, PartialEq)]
pub enum Design {
    /// Dense, double precision.
    Dense(DenseMatrix<f64>),
    /// Dense, stored in single precision (half the memory; arithmetic stays double).
    DenseF32(DenseMatrix<f32>),
    /// Compressed sparse columns, double precision.
    Sparse(CscMatrix<f64>),
    /// Compressed sparse columns, values stored in single precision.
    SparseF32(CscMatrix<f32>),
}

macro_rules! each_storage {
    ($self:expr, $matrix:ident => $body:expr) => {
        match $self {
            Design::Dense($matrix) => $body,
            Design::DenseF32($matrix) => $body,
            Design::Sparse($matrix) => $body,
            Design::SparseF32($matrix) => $body,
        }
    };
}

impl Design {
    /// Whether only nonzero entries are stored.
    pub fn is_sparse(&self) -> bool {
        matches!(self, Self::Sparse(_) | Self::SparseF32(_))
    }

    /// The same matrix with its values stored in single precision.
    #[must_use]
    pub fn into_f32(self) -> Self {
        match self {
            Self::Dense(m) => Self::DenseF32(m.cast()),
            Self::Sparse(m) => Self::SparseF32(m.cast()),
            other => other,
        }
    }

    /// Bytes of memory that the stored matrix takes.
    pub fn memory_bytes(&self) -> usize {
        match self {
            Self::Dense(m) => m.n_stored() * 8,
            Self::DenseF32(m) => m.n_stored() * 4,
            Self::Sparse(m) => m.n_stored() * 12 + (m.n_columns() + 1) * 8,
            Self::SparseF32(m) => m.n_stored() * 8 + (m.n_columns() + 1) * 8,
        }
    }

    /// The matrix made of the given rows, in the given order.
    ///
    /// # Errors
    /// [`crate::Error::InvalidData`] if a row index is out of range.
    pub fn select_rows(&self, rows: &[usize]) -> crate::Result<Self> {
        Ok(match self {
            Self::Dense(m) => Self::Dense(m.select_rows(rows)?),
            Self::DenseF32(m) => Self::DenseF32(m.select_rows(rows)?),
            Self::Sparse(m) => Self::Sparse(m.select_rows(rows)?),
            Self::SparseF32(m) => Self::SparseF32(m.select_rows(rows)?),
        })
    }

    /// This matrix above another one (the validation rows below the training rows, say). A sparse matrix with fewer columns is widened;
    /// storages that differ are brought to this matrix's kind.
    ///
    /// # Errors
    /// [`crate::Error::InvalidData`] if this matrix is dense and the other one is wider, or dense and narrower.
    pub fn stack(self, below: Self) -> crate::Result<Self> {
        Ok(match (self, below) {
            (Self::Dense(a), Self::Dense(b)) => Self::Dense(a.stack(&b)?),
            (Self::Sparse(a), Self::Sparse(b)) => Self::Sparse(a.stack(&b)?),
            (Self::DenseF32(a), Self::DenseF32(b)) => Self::DenseF32(a.stack(&b)?),
            (Self::SparseF32(a), Self::SparseF32(b)) => Self::SparseF32(a.stack(&b)?),
            (Self::DenseF32(a), b) => Self::DenseF32(a.stack(&b.to_dense(a.n_columns()).cast())?),
            (Self::Dense(a), b) => Self::Dense(a.stack(&b.to_dense(a.n_columns()))?),
            (Self::Sparse(a), b) => Self::Sparse(a.stack(&b.to_sparse())?),
            (Self::SparseF32(a), b) => Self::SparseF32(a.stack(&b.to_sparse().cast())?),
        })
    }

    /// The same matrix in dense storage; a sparse one gets all-zero columns up to `width`.
    fn to_dense(&self, width: usize) -> DenseMatrix<f64> {
        let n = self.n_rows();
        let p = if self.is_sparse() { self.n_columns().max(width) } else { self.n_columns() };
        let mut values = vec![0.0; n * p];
        for (j, column) in values.chunks_mut(n.max(1)).enumerate().take(self.n_columns()) {
            self.visit_column(j, |i, a| column[i] = a);
        }
        DenseMatrix::from_parts(n, p, values)
    }

    fn to_sparse(&self) -> CscMatrix<f64> {
        let mut builder = csc::CscBuilder::new(self.n_rows(), self.n_columns());
        for j in 0..self.n_columns() {
            self.visit_column(j, |i, a| builder.push(i, a));
            builder.finish_column();
        }
        builder.build()
    }
}

impl DesignMatrix for Design {
    fn n_rows(&self) -> usize {
        each_storage!(self, m => m.n_rows())
    }
    fn n_columns(&self) -> usize {
        each_storage!(self, m => m.n_columns())
    }
    fn n_stored(&self) -> usize {
        each_storage!(self, m => m.n_stored())
    }
    #[inline]
    fn column_stored(&self, column: usize) -> usize {
        each_storage!(self, m => m.column_stored(column))
    }
    #[inline]
    fn column_dot(&self, column: usize, v: &[f64]) -> f64 {
        each_storage!(self, m => m.column_dot(column, v))
    }
    #[inline]
    fn column_axpy(&self, column: usize, s: f64, out: &mut [f64]) {
        each_storage!(self, m => m.column_axpy(column, s, out));
    }
    #[inline]
    fn column_weighted_axpy(&self, column: usize, s: f64, weights: &[f64], out: &mut [f64]) {
        each_storage!(self, m => m.column_weighted_axpy(column, s, weights, out));
    }
    #[inline]
    fn column_weighted_square(&self, column: usize, weights: &[f64]) -> f64 {
        each_storage!(self, m => m.column_weighted_square(column, weights))
    }
    #[inline]
    fn visit_column(&self, column: usize, visit: impl FnMut(usize, f64)) {
        each_storage!(self, m => m.visit_column(column, visit));
    }
    fn column_part_axpy(&self, column: usize, s: f64, first: usize, out: &mut [f64]) {
        each_storage!(self, m => m.column_part_axpy(column, s, first, out));
    }
    fn columns_dot_into(&self, columns: &[u32], v: &[f64], out: &mut [f64]) {
        each_storage!(self, m => m.columns_dot_into(columns, v, out));
    }
    fn columns_axpy(&self, first: usize, coefficients: &[f64], out: &mut [f64]) {
        each_storage!(self, m => m.columns_axpy(first, coefficients, out));
    }
    fn transpose_product_into(&self, v: &[f64], out: &mut [f64]) {
        each_storage!(self, m => m.transpose_product_into(v, out));
    }
    fn product_into(&self, coefficients: &[f64], out: &mut [f64]) {
        each_storage!(self, m => m.product_into(coefficients, out));
    }
}
