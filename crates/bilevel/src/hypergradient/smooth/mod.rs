//! Hypergradients of smooth lower levels: many ways to differentiate Φ(λ) = L(y*(λ), λ), one trait, and what is known about their errors.
//!
//! | method | formula | exact | file |
//! |---|---|---|---|
//! | [`Implicit`] | H q = −∇_yL, h = ∇_λL + Bᵀq | at y*, up to the linear solve | `implicit.rs`, `linear.rs` |
//! | [`NewtonCorrected`] | the same after one Newton step | to second order in ‖y − y*‖ | `newton.rs` |
//! | [`Neumann`] | h_K = ∇_λL + Σ_{t<K} (∂_λT)ᵀ(∂_yTᵀ)ᵗ ∇_yL | as K → ∞; the bound chooses K | `neumann.rs` |
//! | [`Forward`] | J_{k+1} = ∂_yT J_k + ∂_λT, h = ∇_λL + Jᵀ∇_yL | for L(y_T, λ) | `forward.rs` |
//! | [`Reverse`] | the same from the end, all T steps or the last K | for L(y_T, λ) if all | `reverse.rs`, `checkpoint.rs` |
//! | [`OneStep`] | the last step alone | up to q/(1 − q) | `one_step.rs` |
//!
//! Implicit methods and the Neumann series differentiate where they stand, at the y they are given; the unrolled ones run their steps from that y
//! and differentiate through them.
//!
//! Sources: Lorraine, Vicol, Duvenaud, "Optimizing millions of hyperparameters by implicit differentiation" (2020), for the Neumann series;
//! Franceschi et al., "Forward and reverse gradient-based hyperparameter optimization" (2017); Shaban et al., "Truncated back-propagation for
//! bilevel optimization" (2019); Bolte, Pauwels, Vaiter, "One-step differentiation of iterative algorithms" (2023).

mod bound;
mod checkpoint;
mod forward;
mod implicit;
mod linear;
mod neumann;
mod newton;
mod one_step;
mod reverse;

use crate::smooth::{Evidence, SmoothProblem, check_vector};
use crate::{Error, Result};

pub use checkpoint::Checkpoints;
pub use forward::Forward;
pub use implicit::{Bounding, Implicit};
pub use linear::{AdjointSolver, Preconditioner};
pub use neumann::{Neumann, StoppingRule, Terms};
pub use newton::NewtonCorrected;
pub use one_step::OneStep;
pub use reverse::Reverse;

/// A way to differentiate Φ.
pub trait HypergradientMethod: Send + Sync {
    /// Name for people and records.
    fn name(&self) -> &'static str;

    /// The hypergradient at `hyper`: λ, followed by a map's own hyperparameters where the method has a map that learns them.
    ///
    /// `y` is a solution of the lower level, as exact as wanted, for the methods that differentiate there, and the start for the unrolled ones.
    ///
    /// # Errors
    /// [`Error::InvalidData`] for vectors of the wrong length or numbers that are not finite; [`Error::AdjointSolve`] if a linear system is not solved;
    /// [`Error::InvalidSetting`] for settings out of their range; what the problem reports.
    fn hypergradient(
        &self,
        problem: &dyn SmoothProblem,
        hyper: &[f64],
        y: &[f64],
    ) -> Result<SmoothHypergradient>;

    /// Φ alone, at the coefficients that [`hypergradient`](Self::hypergradient) would judge, with these coefficients.
    ///
    /// # Errors
    /// As [`hypergradient`](Self::hypergradient).
    fn value(&self, problem: &dyn SmoothProblem, hyper: &[f64], y: &[f64]) -> Result<(f64, Vec<f64>)> {
        check_vector("coefficients of the criterion", y, problem.n_coefficients())?;
        Ok((problem.criterion(y, problem_part(problem, hyper)?)?, y.to_vec()))
    }
}

/// h with what is known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct SmoothHypergradient {
    /// L(y, λ) at `coefficients`.
    pub value: f64,
    /// h, of the length of the hyperparameters.
    pub gradient: Vec<f64>,
    /// Where the criterion was taken: the given y, or where the unrolled iteration ended.
    pub coefficients: Vec<f64>,
    /// The adjoint q, of implicit methods: what a next solve starts from. Empty for the others.
    pub adjoint: Vec<f64>,
    /// A bound on ‖h − ∇Φ‖, where one is known.
    pub error_bound: Option<ErrorBound>,
    /// What it took.
    pub work: Work,
}

/// A bound on the Euclidean error of a hypergradient.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ErrorBound {
    /// ‖h − ∇Φ‖ is at most this, or estimated to be.
    pub value: f64,
    /// Which of the two.
    pub evidence: Evidence,
}

/// What a hypergradient took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Terms of a series, or steps that were differentiated.
    pub terms: usize,
    /// Products with H, or with the Jacobian of a map.
    pub products: usize,
    /// Steps of a map, recomputed ones among them.
    pub steps: usize,
    /// Largest number of states that were stored at one time.
    pub stored_states: usize,
}

/// L and its gradients at y, those in λ padded with zeros to the hyperparameters of a map.
struct CriterionAt {
    value: f64,
    by_y: Vec<f64>,
    by_hyper: Vec<f64>,
}

impl CriterionAt {
    fn new(problem: &dyn SmoothProblem, hyper: &[f64], y: &[f64]) -> Result<Self> {
        check_vector("coefficients of the criterion", y, problem.n_coefficients())?;
        let lambda = problem_part(problem, hyper)?;
        let value = problem.criterion(y, lambda)?;
        let mut by_y = vec![0.0; y.len()];
        let mut by_hyper = vec![0.0; hyper.len()];
        problem.criterion_gradient_into(y, lambda, &mut by_y, &mut by_hyper[..lambda.len()])?;
        check_vector("value of the criterion", &[value], 1)?;
        check_vector("gradient of the criterion by y", &by_y, y.len())?;
        Ok(Self { value, by_y, by_hyper })
    }
}

/// λ: the hyperparameters without those of a map.
fn problem_part<'h>(problem: &dyn SmoothProblem, hyper: &'h [f64]) -> Result<&'h [f64]> {
    let m = problem.n_hyperparameters();
    hyper.get(..m).ok_or_else(|| {
        Error::data("hyperparameters", format!("{} values", hyper.len()), format!("at least {m} values"))
    })
}

/// A hypergradient must be finite, or it is an error that says so.
fn finite(answer: SmoothHypergradient) -> Result<SmoothHypergradient> {
    check_vector("hypergradient", &answer.gradient, answer.gradient.len())?;
    Ok(answer)
}
