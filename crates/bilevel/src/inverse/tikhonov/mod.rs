//! Tikhonov regularization in general form on small dense problems.
//!
//! | file | |
//! |---|---|
//! | `standard_form.rs` | one term: diagonal for all λ at once, by singular values |
//! | `terms.rs` | several terms, by Cholesky: a [`LowerLevel`](crate::lower::LowerLevel) with its hypergradient |

mod standard_form;
mod terms;

pub use standard_form::StandardForm;
pub use terms::Tikhonov;
