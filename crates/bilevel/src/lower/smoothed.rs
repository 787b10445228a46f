//! The sparse generalized linear model with |y| smoothed: what an exact nonsmooth method is compared with.
//!
//! ```text
//! min_{y,c}  Σ_i s_i f(b_i, a_iᵀy + c) + (α/2)‖y‖² + Σ_j λ_j √(y_j² + ε²),     ε > 0
//! ```
//!
//! This is smooth, so y_ε(λ) is differentiable everywhere and needs no kinks, supports or policies (DESIGN §2.2):
//!
//! ```text
//! H q = −Aᵀω,   h_j = q_j y_j/√(y_j²+ε²),   ∂Φ/∂α = yᵀq,   H = AᵀDA + αI + diag(λ_j ε²/(y_j²+ε²)^{3/2})
//! ```
//!
//! It is also another problem. No coefficient is ever 0: one that is 0 in the exact model, with gradient |c_j| < λ_j, becomes
//! −ε c_j/√(λ_j²−c_j²) to first order, and moves the others by −H_SS⁻¹H_SZ times that; on their own they would move by O(ε²) only. All p coefficients
//! stay in the system, so that work is O(p³) a step where the exact method pays for its support, by design: this is for comparison, on
//! problems of up to a few thousand features.
//!
//! Sources: Okuno, Takeda, Kawana, Watanabe, "On ℓp-hyperparameter learning via bilevel nonsmooth optimization", JMLR 22 (2021), for
//! bilevel optimization by smoothing; Chan, Golub, Mulet, "A nonlinear primal-dual method for total variation-based image restoration",
//! SIAM J. Sci. Comput. 20 (1999), for the solver (`newton.rs`).

mod adjoint;
mod gap;
mod newton;

use std::sync::OnceLock;

use crate::design::DesignMatrix;
use crate::hypergradient::Selection;
use crate::loss::Loss;
use crate::outer::{Accuracy, Continuation};
use crate::penalty::L1;
use crate::{Error, Result};

use super::system::{DIRECT, System, Way};
use super::{Adjoint, Hyperparameters, LowerLevel, Solution, SparseGlm, UpperGradient};

/// The smoothed lower-level problem, all but its hyperparameters.
///
/// In a [`Solution`] of it the coefficients are nonzero as a rule, `objective` is that of the smoothed problem, `iterations` counts Newton steps,
/// and `gap` is a duality gap of the smoothed problem (with a ridge at most ‖∇P‖²/2α; `gap.rs`), relative to the same null model as the exact
/// problem's. It is rigorous save for rounding; coefficients with neither weight nor ridge are the one exception, as in the exact problem. Tolerances up to
/// 1e-8 are taken as a wish for coefficients as exact as they get.
///
/// In an [`Adjoint`] every coefficient that is not excluded has an entry, `biactive` is 0 whatever the selection, and `error_bound` holds to
/// first order in the coefficients' error.
#[derive(Debug)]
pub struct SmoothedGlm<'a, D, L> {
    exact: SparseGlm<'a, D, L, L1>,
    epsilon: f64,
    /// The loss's Hessian on all columns where it is constant, once it is known.
    gram: OnceLock<Vec<f64>>,
}

impl<'a, D: DesignMatrix, L: Loss> SmoothedGlm<'a, D, L> {
    /// Smooths a problem with ℓ1 penalty; ε > 0 is in units of the coefficients.
    ///
    /// ```
    /// use bilevel::design::DenseMatrix;
    /// use bilevel::loss::Squared;
    /// use bilevel::lower::{Hyperparameters, LowerLevel, SmoothedGlm, SparseGlm};
    /// use bilevel::outer::Accuracy;
    /// use bilevel::penalty::L1;
    ///
    /// // Exactly, y* = max(1 − λ, 0) = 0 at λ = 2. Smoothed, y − 1 + 2y/√(y²+ε²) = 0: about ε/√3.
    /// let (design, penalty) = (DenseMatrix::new(1, 1, vec![1.0])?, L1::new(1));
    /// let exact = SparseGlm::new(&design, &[1.0], &[1.0], Squared, &penalty, false)?;
    /// let smoothed = SmoothedGlm::new(exact, 1e-3)?;
    /// let at = Hyperparameters { lambda: vec![2.0], ridge: 0.0 };
    /// let y = smoothed.solve(&at, None, Accuracy::TIGHT)?.coefficients[0];
    /// assert!((y / (1e-3 / 3.0_f64.sqrt()) - 1.0).abs() < 1e-3);
    /// assert_eq!(smoothed.exact().solve(&at, None, Accuracy::TIGHT)?.coefficients[0], 0.0);
    /// # Ok::<(), bilevel::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] unless ε is positive and finite.
    pub fn new(exact: SparseGlm<'a, D, L, L1>, epsilon: f64) -> Result<Self> {
        Ok(Self { exact, epsilon: checked(epsilon)?, gram: OnceLock::new() })
    }

    /// The problem without smoothing.
    pub fn exact(&self) -> &SparseGlm<'a, D, L, L1> {
        &self.exact
    }

    /// ε.
    pub fn epsilon(&self) -> f64 {
        self.epsilon
    }

    /// Changes ε; a solution for another one remains a good start.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] unless ε is positive and finite.
    pub fn set_epsilon(&mut self, epsilon: f64) -> Result<()> {
        self.epsilon = checked(epsilon)?;
        Ok(())
    }

    /// Solves at ε₀ > ε₁ > … of a continuation (the problem's own ε does not matter), each from the solution before; returns (ε, solution) pairs.
    ///
    /// ```
    /// use bilevel::design::DenseMatrix;
    /// use bilevel::loss::Squared;
    /// use bilevel::lower::{Hyperparameters, SmoothedGlm, SparseGlm};
    /// use bilevel::outer::{Accuracy, Continuation};
    /// use bilevel::penalty::L1;
    ///
    /// // Exactly, y* = 3 − 1 = 2; smoothed, λε²/2y² = ε²/8 more.
    /// let (design, penalty) = (DenseMatrix::new(1, 1, vec![1.0])?, L1::new(1));
    /// let exact = SparseGlm::new(&design, &[3.0], &[1.0], Squared, &penalty, false)?;
    /// let at = Hyperparameters { lambda: vec![1.0], ridge: 0.0 };
    /// let path = SmoothedGlm::new(exact, 1.0)?.solve_path(&at, Continuation::default(), Accuracy::TIGHT)?;
    /// for (epsilon, solution) in &path[1..3] {
    ///     let bias = solution.coefficients[0] - 2.0;
    ///     assert!((bias / (epsilon * epsilon / 8.0) - 1.0).abs() < 1e-3);
    /// }
    /// # Ok::<(), bilevel::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`LowerLevel::solve`] and [`Continuation::epsilons`].
    pub fn solve_path(
        &self,
        hyperparameters: &Hyperparameters,
        continuation: Continuation,
        accuracy: Accuracy,
    ) -> Result<Vec<(f64, Solution)>> {
        self.exact.check(hyperparameters)?;
        let mut path: Vec<(f64, Solution)> = Vec::new();
        for epsilon in continuation.epsilons()? {
            let start = path.last().map(|(_, solution)| solution.clone());
            let context = self.context(hyperparameters, epsilon);
            path.push((epsilon, newton::solve(&context, start, accuracy)?));
        }
        Ok(path)
    }

    fn context<'s>(&'s self, hyperparameters: &'s Hyperparameters, epsilon: f64) -> Context<'s, 'a, D, L> {
        let columns = self.exact.moving_columns(hyperparameters);
        Context { problem: &self.exact, gram: &self.gram, hyperparameters, epsilon, columns }
    }
}

fn checked(epsilon: f64) -> Result<f64> {
    if epsilon > 0.0 && epsilon.is_finite() {
        return Ok(epsilon);
    }
    Err(Error::setting("epsilon", epsilon, "a positive, finite number"))
}

impl<D: DesignMatrix, L: Loss> LowerLevel for SmoothedGlm<'_, D, L> {
    fn n_coefficients(&self) -> usize {
        self.exact.n_coefficients()
    }

    fn n_weights(&self) -> usize {
        self.exact.n_weights()
    }

    fn solve(
        &self,
        hyperparameters: &Hyperparameters,
        start: Option<Solution>,
        accuracy: Accuracy,
    ) -> Result<Solution> {
        self.exact.check(hyperparameters)?;
        newton::solve(&self.context(hyperparameters, self.epsilon), start, accuracy)
    }

    fn start_from(&self, coefficients: Vec<f64>, intercept: f64) -> Solution {
        self.exact.start_from(coefficients, intercept)
    }

    fn adjoint(
        &self,
        hyperparameters: &Hyperparameters,
        solution: &Solution,
        upper: &UpperGradient<'_>,
        _selection: Selection,
        accuracy: Accuracy,
    ) -> Result<Adjoint> {
        self.exact.check(hyperparameters)?;
        self.exact.check_lengths(solution, upper)?;
        Ok(adjoint::implicit(&self.context(hyperparameters, self.epsilon), solution, upper, accuracy))
    }
}

/// The smoothed problem at given hyperparameters; "local" vectors have an entry for each of `columns`.
struct Context<'s, 'a, D, L> {
    problem: &'s SparseGlm<'a, D, L, L1>,
    gram: &'s OnceLock<Vec<f64>>,
    hyperparameters: &'s Hyperparameters,
    epsilon: f64,
    columns: Vec<u32>,
}

impl<'a, D: DesignMatrix, L: Loss> Context<'_, 'a, D, L> {
    /// H at sample curvatures h (length n), with the penalty's curvatures `added` (local): formed while it is small (the loss's part once for
    /// all, if its curvature is constant), else worked with through the columns. Scaling by the diagonal is a good one there: coefficients near zero have a
    /// curvature of size λ/ε.
    fn system<'h>(&'h self, curvatures: &'h [f64], mut added: Vec<f64>) -> System<'h, D> {
        added.iter_mut().for_each(|d| *d += self.hyperparameters.ridge);
        let curvature = self.problem.curvature(curvatures);
        let (columns, sums) = (self.columns.as_slice(), curvature.column_sums(&self.columns));
        let way = if columns.len() <= DIRECT {
            let gram = self.problem.gram(self.gram, &curvature, columns, &sums);
            Way::primal(gram, &added)
        } else {
            Way::Iterative
        };
        System { curvature, columns, sums, squares: None, added, way: way.into(), rows: None }
    }

    fn lambda(&self, column: u32) -> f64 {
        self.hyperparameters.lambda[column as usize]
    }

    /// √(y² + ε²).
    fn radius(&self, y: f64) -> f64 {
        y.hypot(self.epsilon)
    }

    fn local(&self, full: &[f64]) -> Vec<f64> {
        self.columns.iter().map(|&j| full[j as usize]).collect()
    }

    fn full(&self, local: &[f64]) -> Vec<f64> {
        let mut full = vec![0.0; self.problem.design.n_columns()];
        self.columns.iter().zip(local).for_each(|(&j, &v)| full[j as usize] = v);
        full
    }

    /// ∇P at local coefficients, from the correlations Aᵀ(s∘f') (length p).
    fn gradient(&self, y: &[f64], correlations: &[f64]) -> Vec<f64> {
        let entry = |(&j, &y): (&u32, &f64)| {
            correlations[j as usize] + self.hyperparameters.ridge * y + self.lambda(j) * y / self.radius(y)
        };
        self.columns.iter().zip(y).map(entry).collect()
    }

    /// (α/2)‖y‖² + Σ λ_j √(y_j²+ε²).
    fn penalty(&self, y: &[f64]) -> f64 {
        let term = |(&j, &y): (&u32, &f64)| {
            0.5 * self.hyperparameters.ridge * y * y + self.lambda(j) * self.radius(y)
        };
        self.columns.iter().zip(y).map(term).sum()
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    crate::kernel::dot(a, b)
}

fn norm(v: &[f64]) -> f64 {
    dot(v, v).sqrt()
}
