//! Tikhonov regularization in general form on small dense problems.
//!
//! | file | |
//! |---|---|
//! | `standard_form.rs` | one term: diagonal for all λ at once, by singular values |
//! | `terms.rs` | several terms, by Cholesky: a [`LowerLevel`](crate::lower::LowerLevel) with its hypergradient |

mod standard_form;
mod terms;

use crate::design::{DenseMatrix, DesignMatrix};
use crate::{Error, Result};

pub use standard_form::StandardForm;
pub use terms::Tikhonov;

/// Refuses data that do not fit A, or whose squares are not finite.
fn check_data(a: &DenseMatrix<f64>, b: &[f64]) -> Result<()> {
    if b.len() != a.n_rows() {
        let expected = format!("{}, as A has rows", a.n_rows());
        return Err(Error::data("data b", format!("length {}", b.len()), expected));
    }
    let Some(i) = b.iter().position(|v| !(v * v).is_finite()) else { return Ok(()) };
    let expected = if b[i].is_finite() { "a number whose square is finite" } else { "a finite number" };
    Err(Error::data(format!("data b, entry {}", i + 1), b[i].to_string(), expected))
}
