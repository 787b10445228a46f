//! Matrices as operators.

use rayon::prelude::*;

use crate::Result;
use crate::design::DesignMatrix;
use crate::operator::{LinearOperator, side_by_side};

/// Columns that a task of a product with two vectors takes.
const COLUMNS_TOGETHER: usize = 256;
/// Parts that the columns are summed in where a matrix is applied to two vectors: as many for any number of threads.
const PARTS: usize = 4;
/// Entries of a matrix that is worth a pass of its own for two vectors: smaller ones stay in the cache.
const WORTH_ONE_PASS: usize = 1 << 20;

/// A dense or sparse matrix as an operator: what stands behind [`DesignMatrix`], whichever precision it is stored in.
///
/// # Example
/// ```
/// use bilevel::design::DenseMatrix;
/// use bilevel::operator::{LinearOperator, MatrixOperator};
///
/// let matrix = MatrixOperator::new(DenseMatrix::new(2, 2, vec![1.0, 3.0, 2.0, 4.0])?);
/// assert_eq!(matrix.apply(&[1.0, 10.0])?, [21.0, 43.0]);
/// assert_eq!(matrix.adjoint(&[1.0, 10.0])?, [31.0, 42.0]);
/// # Ok::<(), bilevel::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixOperator<M> {
    matrix: M,
}

impl<M: DesignMatrix + Send> MatrixOperator<M> {
    /// The operator of a matrix.
    pub fn new(matrix: M) -> Self {
        Self { matrix }
    }

    /// The matrix.
    pub fn matrix(&self) -> &M {
        &self.matrix
    }

    /// Whether the matrix is sparse, and so large that two vectors share a pass: dense products are as fast as memory one by one.
    fn waits_for_memory(&self) -> bool {
        let (stored, all) =
            (self.matrix.n_stored(), self.matrix.n_rows().saturating_mul(self.matrix.n_columns()));
        stored >= WORTH_ONE_PASS && stored < all / 2
    }
}

impl<M: DesignMatrix + Send> LinearOperator for MatrixOperator<M> {
    fn n_rows(&self) -> usize {
        self.matrix.n_rows()
    }
    fn n_columns(&self) -> usize {
        self.matrix.n_columns()
    }
    fn apply_into(&self, x: &[f64], out: &mut [f64]) -> Result<()> {
        self.matrix.product_into(x, out);
        Ok(())
    }
    fn adjoint_into(&self, y: &[f64], out: &mut [f64]) -> Result<()> {
        self.matrix.transpose_product_into(y, out);
        Ok(())
    }
    fn apply_two_into(&self, [first, second]: [&[f64]; 2], [out, other]: [&mut [f64]; 2]) -> Result<()> {
        if !self.waits_for_memory() {
            self.matrix.product_into(first, out);
            self.matrix.product_into(second, other);
            return Ok(());
        }
        let length = first.len().div_ceil(PARTS);
        let parts = first.par_chunks(length).zip(second.par_chunks(length)).enumerate();
        let sums: Vec<Vec<[f64; 2]>> = parts
            .map(|(part, (first, second))| {
                let mut sums = vec![[0.0; 2]; self.matrix.n_rows()];
                for (k, (a, b)) in first.iter().zip(second).enumerate() {
                    self.matrix.visit_column(part * length + k, |i, value| {
                        sums[i][0] += value * a;
                        sums[i][1] += value * b;
                    });
                }
                sums
            })
            .collect();
        out.par_iter_mut().zip(other).with_min_len(COLUMNS_TOGETHER).enumerate().for_each(
            |(i, (out, other))| {
                let total = |k: usize| sums.iter().map(|sums| sums[i][k]).sum();
                (*out, *other) = (total(0), total(1));
            },
        );
        Ok(())
    }
    fn adjoint_two_into(&self, y: [&[f64]; 2], [out, other]: [&mut [f64]; 2]) -> Result<()> {
        if !self.waits_for_memory() {
            self.matrix.transpose_product_into(y[0], out);
            self.matrix.transpose_product_into(y[1], other);
            return Ok(());
        }
        let y = side_by_side(y);
        out.par_iter_mut().zip(other).with_min_len(COLUMNS_TOGETHER).enumerate().for_each(
            |(j, (out, other))| {
                let mut sums = [0.0; 2];
                self.matrix.visit_column(j, |i, value| {
                    sums[0] += value * y[i][0];
                    sums[1] += value * y[i][1];
                });
                (*out, *other) = (sums[0], sums[1]);
            },
        );
        Ok(())
    }
}
