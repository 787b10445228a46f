//! Numerical methods that know no application: coordinate descent on a penalized quadratic, Cholesky, conjugate gradients and residuals, LSQR,
//! MINRES, Golub–Kahan and Lanczos.

mod cholesky;
mod conjugate_gradient;
mod conjugate_residual;
mod coordinate_descent;
mod extrapolation;
mod face;
mod golub_kahan;
mod gram_model;
mod homotopy;
mod lanczos;
mod lsqr;
mod minres;
mod pseudo_inverse;
mod spectrum;
mod trust_region;
mod updated_cholesky;

pub use cholesky::Cholesky;
pub use conjugate_gradient::{CgOutcome, conjugate_gradient, diagonal_preconditioner};
pub use conjugate_residual::conjugate_residual;
pub use coordinate_descent::{CdOutcome, CdSettings, LocalBlocks, QuadraticModel, coordinate_descent};
pub(crate) use golub_kahan::{Basis, check_right_side, normalize};
pub use golub_kahan::{GolubKahan, Reorthogonalization};
pub use gram_model::{GramModel, Products};
pub use homotopy::PathEnd;
pub use lanczos::{TraceEstimate, TraceSettings, Tridiagonal, hutchinson_trace, lanczos, stochastic_trace};
pub(crate) use lanczos::{signs, signs_from};
pub use lsqr::{KrylovEnd, LsqrOutcome, LsqrSettings, lsqr};
pub use minres::{MinresOutcome, MinresSettings, minres};
pub use pseudo_inverse::{LeastSquares, PseudoInverse};
pub use spectrum::Spectrum;
pub use trust_region::trust_region_step;
