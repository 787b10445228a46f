//! Numerical methods that know no application: coordinate descent on a penalized quadratic, Cholesky, conjugate gradients.

mod cholesky;
mod conjugate_gradient;
mod coordinate_descent;

pub use cholesky::Cholesky;
pub use conjugate_gradient::{CgOutcome, conjugate_gradient};
pub use coordinate_descent::{CdOutcome, CdSettings, LocalBlocks, QuadraticModel, coordinate_descent};
