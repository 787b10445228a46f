//! Numerical methods that know no application: coordinate descent on a penalized quadratic, Cholesky, conjugate gradients and residuals.

mod cholesky;
mod conjugate_gradient;
mod conjugate_residual;
mod coordinate_descent;
mod gram_model;
mod homotopy;
mod pseudo_inverse;
mod spectrum;
mod trust_region;
mod updated_cholesky;

pub use cholesky::Cholesky;
pub use conjugate_gradient::{CgOutcome, conjugate_gradient, diagonal_preconditioner};
pub use conjugate_residual::conjugate_residual;
pub use coordinate_descent::{CdOutcome, CdSettings, LocalBlocks, QuadraticModel, coordinate_descent};
pub use gram_model::{GramModel, Products};
pub use homotopy::PathEnd;
pub use pseudo_inverse::{LeastSquares, PseudoInverse};
pub use spectrum::Spectrum;
pub use trust_region::trust_region_step;
