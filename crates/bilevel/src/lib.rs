//! Learn the regularization of models from data, by calculus.
//!
//! A *lower level* trains coefficients y*(λ) on the training data; an *upper level* judges them by a criterion. This library differentiates the
//! criterion through the training problem and descends on the hyperparameters λ: one of them, one for each group, or one for each feature.

pub mod cleaning;
pub mod criterion;
pub mod data;
pub mod design;
mod error;
pub mod fit;
pub mod hypergradient;
pub mod inverse;
pub mod kernel;
pub mod loss;
pub mod lower;
pub mod objective;
pub mod operator;
pub mod outer;
pub mod parametrization;
pub mod penalty;
mod serde_float;
pub mod smooth;
pub mod solver;
pub mod stochastic;

pub use error::{Error, Result};

/// The examples of the README, compiled as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
pub struct Readme;
