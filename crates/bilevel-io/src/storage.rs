//! The two precisions a matrix may be stored in, and how a finished matrix becomes a [`Design`].

use bilevel::design::{CscMatrix, DenseMatrix, Design};
use bilevel::kernel::Element;

/// The end of a sentence about a number that overflows `f32`.
pub(crate) const TOO_LARGE_FOR_SINGLE: &str =
    "beyond the largest number in single precision; expected magnitudes below 3.4e38, or double precision";

/// Precision of the stored values.
pub(crate) trait Storage: Element {
    fn dense(matrix: DenseMatrix<Self>) -> Design;
    fn sparse(matrix: CscMatrix<Self>) -> Design;
}

impl Storage for f64 {
    fn dense(matrix: DenseMatrix<Self>) -> Design {
        Design::Dense(matrix)
    }
    fn sparse(matrix: CscMatrix<Self>) -> Design {
        Design::Sparse(matrix)
    }
}

impl Storage for f32 {
    fn dense(matrix: DenseMatrix<Self>) -> Design {
        Design::DenseF32(matrix)
    }
    fn sparse(matrix: CscMatrix<Self>) -> Design {
        Design::SparseF32(matrix)
    }
}
