//! The extension module `bilevel._core`: conversions between Python and the library, and no mathematics.
//!
//! What people use is the Python package beside it (`python/bilevel`), which checks and reshapes its arguments and then calls in here.
//!
//! | file | what |
//! |---|---|
//! | `matrix.rs` | NumPy and SciPy arrays as design matrices |
//! | `job.rs` | a computation on its own thread, without the GIL, while the calling thread listens for Ctrl-C |
//! | `fit.rs` | `bilevel::fit::fit` |
//! | `multinomial.rs` | `bilevel::fit::fit_multinomial` |
//! | `clean.rs` | `bilevel::cleaning::clean` |
//! | `solve.rs` | the lower level alone |
//! | `path.rs` | the lower level along λ, with derivatives |
//! | `problem.rs` | the objective Φ(θ), its hypergradient, slopes and certificate |
//! | `minimize.rs` | the outer methods on a function of Python's |
//! | `inverse/` | `bilevel::inverse` and `bilevel::operator` |
//! | `smooth.rs`, `smooth_method.rs` | smooth problems that Python writes, and the ways to differentiate them |
//! | `datasets.rs` | synthetic and embedded data |
//! | `error.rs` | errors as exceptions |

mod clean;
mod datasets;
mod error;
mod fit;
mod inverse;
mod job;
mod matrix;
mod minimize;
mod multinomial;
mod path;
mod problem;
mod smooth;
mod smooth_method;
mod solve;

use pyo3::prelude::*;

/// The compiled part of the package `bilevel`; see `_core.pyi`.
#[pymodule]
mod _core {
    #[pymodule_export]
    use super::clean::clean;
    #[pymodule_export]
    use super::datasets::{embedded, generate_four_groups, generate_linear_model};
    #[pymodule_export]
    use super::fit::{Fit, fit};
    #[pymodule_export]
    use super::inverse::{
        Operator, Restoration, Spectrum, blur_kernel, choose_krylov, denoise_wavelet, estimate_noise,
    };
    #[pymodule_export]
    use super::matrix::Matrix;
    #[pymodule_export]
    use super::minimize::{minimize, minimize_smooth};
    #[pymodule_export]
    use super::multinomial::{MultinomialFit, fit_multinomial};
    #[pymodule_export]
    use super::path::path;
    #[pymodule_export]
    use super::problem::Problem;
    #[pymodule_export]
    use super::smooth::SmoothProblem;
    #[pymodule_export]
    use super::solve::solve;

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
