//! Numerical methods that know no application: coordinate descent on a penalized quadratic, Cholesky, conjugate gradients.

mod cholesky;
mod conjugate_gradient;
mod coordinate_descent;
mod pseudo_inverse;

pub use cholesky::Cholesky;
pub use conjugate_gradient::{CgOutcome, conjugate_gradient, diagonal_preconditioner};
pub use pseudo_inverse::{LeastSquares, PseudoInverse};
pub use coordinate_descent::{CdOutcome, CdSettings, LocalBlocks, QuadraticModel, coordinate_descent};
