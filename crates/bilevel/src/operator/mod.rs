//! Linear operators: A and L of an inverse problem, known by what they do to a vector and by their exact adjoint.
//!
//! Images lie in memory row by row, volumes slice by slice (the last axis is contiguous, as in NumPy); an operator knows the shape, a vector does not.
//! Every operator here passes the dot test ⟨Ax, y⟩ = ⟨x, Aᵀy⟩ to rounding, see [`dot_test`].
//!
//! # Example
//! ```
//! use bilevel::operator::{LinearOperator, dot_test};
//!
//! /// The sum of all unknowns: one row of ones.
//! struct Sum(usize);
//! impl LinearOperator for Sum {
//!     fn n_rows(&self) -> usize {
//!         1
//!     }
//!     fn n_columns(&self) -> usize {
//!         self.0
//!     }
//!     fn apply_into(&self, x: &[f64], out: &mut [f64]) -> bilevel::Result<()> {
//!         out[0] = x.iter().sum();
//!         Ok(())
//!     }
//!     fn adjoint_into(&self, y: &[f64], out: &mut [f64]) -> bilevel::Result<()> {
//!         out.fill(y[0]);
//!         Ok(())
//!     }
//! }
//!
//! assert_eq!(Sum(3).apply(&[1.0, 2.0, 3.0])?, [6.0]);
//! assert!(dot_test(&Sum(3), 0)? < 1e-12);
//! # Ok::<(), bilevel::Error>(())
//! ```

mod algebra;
mod boundary;
mod convolution;
mod cosine;
mod differences;
mod dot_test;
mod fft;
mod grid;
mod kernels;
mod lines;
mod pool;
mod radon;
mod real;
mod spectrum;
mod travel_time;
pub mod wavelet;

pub use algebra::{
    BlockDiagonal, Composition, Diagonal, Identity, Mask, MatrixOperator, Scaled, Stack, Sum, Transpose,
};
pub use boundary::Boundary;
pub use convolution::Convolution;
pub use cosine::Cosine;
pub use differences::{Difference, Gradient, Laplacian, Order};
pub use dot_test::dot_test;
pub use grid::Grid;
pub use kernels::Kernel;
pub use radon::{ParallelBeam, Radon};
pub use real::Real;
pub use spectrum::{Basis, CommonSpectrum, Modes, Spectral};
pub use travel_time::{CellGrid, Ray, TravelTime};

use crate::kernel::Element;
use crate::{Error, Result};

/// A linear map from vectors of length `n_columns()` to vectors of length `n_rows()`, with its exact adjoint.
///
/// `T` is the precision of the vectors. Implementations write the two `_into` methods for vectors whose lengths are right; users call
/// [`apply`](Self::apply) and [`adjoint`](Self::adjoint), which check.
pub trait LinearOperator<T: Element = f64>: Send + Sync {
    /// Length of A x.
    fn n_rows(&self) -> usize;

    /// Length of x.
    fn n_columns(&self) -> usize;

    /// out = A x, with `x` of length `n_columns()` and `out` of length `n_rows()`; what `out` held before does not matter.
    ///
    /// # Errors
    /// What an operator of the user's own may fail with; those of this library do not fail for vectors of the right lengths.
    fn apply_into(&self, x: &[T], out: &mut [T]) -> Result<()>;

    /// out = Aᵀ y, with `y` of length `n_rows()` and `out` of length `n_columns()`; what `out` held before does not matter.
    ///
    /// # Errors
    /// As [`apply_into`](Self::apply_into).
    fn adjoint_into(&self, y: &[T], out: &mut [T]) -> Result<()>;

    /// out₀ = A x₀ and out₁ = A x₁, as by [`apply_into`](Self::apply_into). Operators whose products wait for memory read it once for both.
    ///
    /// # Errors
    /// As [`apply_into`](Self::apply_into).
    fn apply_two_into(&self, [first, second]: [&[T]; 2], [out, other]: [&mut [T]; 2]) -> Result<()> {
        self.apply_into(first, out)?;
        self.apply_into(second, other)
    }

    /// out₀ = Aᵀ y₀ and out₁ = Aᵀ y₁, as by [`adjoint_into`](Self::adjoint_into).
    ///
    /// # Errors
    /// As [`apply_into`](Self::apply_into).
    fn adjoint_two_into(&self, [first, second]: [&[T]; 2], [out, other]: [&mut [T]; 2]) -> Result<()> {
        self.adjoint_into(first, out)?;
        self.adjoint_into(second, other)
    }

    /// What basis diagonalizes the operator, if one does that [`CommonSpectrum`] can use.
    fn spectral(&self) -> Option<&dyn Spectral> {
        None
    }

    /// A x.
    ///
    /// # Errors
    /// [`Error::InvalidData`] if `x` has not the length `n_columns()`.
    fn apply(&self, x: &[T]) -> Result<Vec<T>> {
        check_length("vector that an operator is applied to", x.len(), self.n_columns())?;
        let mut out = vec![T::from_f64(0.0); self.n_rows()];
        self.apply_into(x, &mut out)?;
        Ok(out)
    }

    /// Aᵀ y.
    ///
    /// # Errors
    /// [`Error::InvalidData`] if `y` has not the length `n_rows()`.
    fn adjoint(&self, y: &[T]) -> Result<Vec<T>> {
        check_length("vector that an adjoint operator is applied to", y.len(), self.n_rows())?;
        let mut out = vec![T::from_f64(0.0); self.n_columns()];
        self.adjoint_into(y, &mut out)?;
        Ok(out)
    }
}

/// Two vectors entry by entry: what a sparse row gathers from both lies side by side.
pub(crate) fn side_by_side<T: Element>([first, second]: [&[T]; 2]) -> Vec<[f64; 2]> {
    first.iter().zip(second).map(|(a, b)| [a.to_f64(), b.to_f64()]).collect()
}

/// A sentence for a vector of the wrong length.
pub(crate) fn check_length(what: &str, found: usize, expected: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::data(what, format!("length {found}"), format!("length {expected}")))
}

/// What stands for an operator is one: references, boxes and shared pointers.
macro_rules! forward_to_the_operator {
    ($($pointer:ty),*) => {$(
        impl<T: Element, A: LinearOperator<T> + ?Sized> LinearOperator<T> for $pointer {
            fn n_rows(&self) -> usize {
                (**self).n_rows()
            }
            fn n_columns(&self) -> usize {
                (**self).n_columns()
            }
            fn apply_into(&self, x: &[T], out: &mut [T]) -> Result<()> {
                (**self).apply_into(x, out)
            }
            fn adjoint_into(&self, y: &[T], out: &mut [T]) -> Result<()> {
                (**self).adjoint_into(y, out)
            }
            fn apply_two_into(&self, x: [&[T]; 2], out: [&mut [T]; 2]) -> Result<()> {
                (**self).apply_two_into(x, out)
            }
            fn adjoint_two_into(&self, y: [&[T]; 2], out: [&mut [T]; 2]) -> Result<()> {
                (**self).adjoint_two_into(y, out)
            }
            fn spectral(&self) -> Option<&dyn Spectral> {
                (**self).spectral()
            }
        }
    )*};
}

forward_to_the_operator!(&A, Box<A>, std::sync::Arc<A>);
