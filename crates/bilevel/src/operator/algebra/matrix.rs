//! Matrices as operators.

use crate::Result;
use crate::design::DesignMatrix;
use crate::operator::LinearOperator;

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
}
