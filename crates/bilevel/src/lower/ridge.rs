//! Generalized linear models with a quadratic penalty: ridge regression with one weight, one for each group, or one for each feature.
//!
//! ```text
//! min_{y,c}  Σ_i s_i f(b_i, a_iᵀy + c) + ½ Σ_j d_j y_j²,     d_j = λ_j + α
//! ```
//!
//! The solution is differentiable in λ wherever it is unique, and on the way down to λ = 0 nothing leaves a support (DESIGN §2.2):
//!
//! ```text
//! H q = −Ãᵀω,   ∂Φ/∂λ_j = y_j q_j,   ∂Φ/∂α = yᵀq,   H = ÃᵀDÃ + diag(d)
//! ```
//!
//! with the intercept profiled out (`curvature.rs`). Everything is a solve with H. It is taken in the smaller of the two dimensions
//! (`ridge/ways.rs`): p×p where there are no more columns than training rows, n×n by the identity of Woodbury where there are more, and without a
//! matrix where both are large.
//!
//! The duality gap has a closed form: with u = f'(z), which is feasible as long as the intercept is optimal, P − D = Σ_j (∇_jP)²/(2d_j).
//!
//! Sources: Hoerl, Kennard, "Ridge regression: biased estimation for nonorthogonal problems", Technometrics 12 (1970); Bengio, "Gradient-based
//! optimization of hyperparameters", Neural Computation 12 (2000), for the hypergradient.

mod adjoint;
mod largest;
mod newton;
mod ways;

use std::sync::Arc;

use crate::Result;
use crate::design::DesignMatrix;
use crate::hypergradient::Selection;
use crate::loss::Loss;
use crate::outer::Accuracy;
use crate::penalty::L1;

use super::system::{DIRECT, System, Way};
use super::{Adjoint, Curvature, Hyperparameters, LowerLevel, RowMajor, Solution, SparseGlm, UpperGradient};
use ways::Caches;

/// The lower-level problem with penalty ½ Σ λ_j y_j², all but its hyperparameters.
///
/// Weights may be 0 (the coefficient is free) or +∞ (it is excluded). Where columns that depend on each other are free, a [`Solution`] is one of
/// many and the error bound of its [`Adjoint`] is infinite, unless the criterion does not see the difference.
///
/// In a solution `iterations` counts Newton steps (one or two for the squared loss), and `gap` is Σ (∇_jP)²/(2d_j): a true bound, of second order in
/// the error. Tolerances up to 1e-8 are taken as a wish for coefficients as exact as they get. In an adjoint every coefficient that is
/// not excluded has an entry, and `biactive` is 0.
///
/// Cost, with m = min(n, p): O(npm + m³) for new weights, of which the squared loss with one common weight pays O(m³) once
/// for all λ and O(np + m²) for each; times the number of Newton steps for other losses. Where both n and p are above 2,000, conjugate gradients take
/// O(np) a product.
#[derive(Debug)]
pub struct RidgeGlm<'a, D, L> {
    glm: SparseGlm<'a, D, L, L1>,
    caches: Caches,
    /// Largest size of a system that is factorized.
    direct: usize,
}

impl<'a, D: DesignMatrix, L: Loss> RidgeGlm<'a, D, L> {
    /// The rows, columns and loss of a problem with ℓ1 penalty, with λ_j|y_j| replaced by ½λ_j y_j².
    ///
    /// ```
    /// use bilevel::design::DenseMatrix;
    /// use bilevel::loss::Squared;
    /// use bilevel::lower::{Hyperparameters, LowerLevel, RidgeGlm, SparseGlm};
    /// use bilevel::outer::Accuracy;
    /// use bilevel::penalty::L1;
    ///
    /// // ½(3 − 2y)² + ½·2y² is smallest at y = 6/(4 + 2) = 1.
    /// let (design, penalty) = (DenseMatrix::new(1, 1, vec![2.0])?, L1::new(1));
    /// let problem = RidgeGlm::new(SparseGlm::new(&design, &[3.0], &[1.0], Squared, &penalty, false)?);
    /// let at = Hyperparameters { lambda: vec![2.0], ridge: 0.0 };
    /// assert!((problem.solve(&at, None, Accuracy::TIGHT)?.coefficients[0] - 1.0).abs() < 1e-15);
    /// # Ok::<(), bilevel::Error>(())
    /// ```
    pub fn new(glm: SparseGlm<'a, D, L, L1>) -> Self {
        let caches = Caches::new(glm.sample_weights);
        Self { glm, caches, direct: DIRECT }
    }

    /// The same problem, with conjugate gradients for systems of more than `size` unknowns: where each is solved once or twice, a matrix is seldom worth
    /// its making.
    #[must_use]
    pub(super) fn iterating_above(self, size: usize) -> Self {
        Self { direct: size, ..self }
    }

    /// The problem with ℓ1 penalty on the same rows and columns.
    pub fn glm(&self) -> &SparseGlm<'a, D, L, L1> {
        &self.glm
    }

    /// ‖∇P‖ at a solution, relative to the largest |∇_jP| of the model without features: 0 exactly at the minimizer.
    pub fn relative_gradient(&self, hyperparameters: &Hyperparameters, solution: &Solution) -> f64 {
        let context = self.context(hyperparameters);
        let gradient = context.gradient(&context.local(&solution.coefficients), &solution.correlations);
        norm(&gradient) / self.glm.largest_correlation().max(f64::MIN_POSITIVE)
    }

    fn context<'s>(&'s self, hyperparameters: &Hyperparameters) -> Context<'s, 'a, D, L> {
        let weights: Vec<f64> = hyperparameters.lambda.iter().map(|l| l + hyperparameters.ridge).collect();
        let columns = self.glm.moving_columns(hyperparameters);
        let local = columns.iter().map(|&j| weights[j as usize]).collect();
        Context { problem: self, weights, columns, local }
    }
}

impl<D: DesignMatrix, L: Loss> LowerLevel for RidgeGlm<'_, D, L> {
    fn n_coefficients(&self) -> usize {
        self.glm.n_coefficients()
    }

    fn n_weights(&self) -> usize {
        self.glm.n_weights()
    }

    fn solve(
        &self,
        hyperparameters: &Hyperparameters,
        start: Option<Solution>,
        accuracy: Accuracy,
    ) -> Result<Solution> {
        self.glm.check(hyperparameters)?;
        newton::solve(&self.context(hyperparameters), start, accuracy)
    }

    fn start_from(&self, coefficients: Vec<f64>, intercept: f64) -> Solution {
        self.glm.start_from(coefficients, intercept)
    }

    fn has_kinks(&self) -> bool {
        false
    }

    fn adjoint(
        &self,
        hyperparameters: &Hyperparameters,
        solution: &Solution,
        upper: &UpperGradient<'_>,
        _selection: Selection,
        accuracy: Accuracy,
    ) -> Result<Adjoint> {
        self.glm.check(hyperparameters)?;
        self.glm.check_lengths(solution, upper)?;
        Ok(adjoint::implicit(&self.context(hyperparameters), solution, upper, accuracy))
    }
}

/// The problem at given hyperparameters; "local" vectors have an entry for each of `columns`.
struct Context<'s, 'a, D, L> {
    problem: &'s RidgeGlm<'a, D, L>,
    /// d (length p).
    weights: Vec<f64>,
    /// The columns that move.
    columns: Vec<u32>,
    /// d, local.
    local: Vec<f64>,
}

impl<D: DesignMatrix, L: Loss> Context<'_, '_, D, L> {
    /// H at sample curvatures h (length n).
    fn system<'h>(&'h self, curvatures: &'h [f64]) -> System<'h, D> {
        let curvature = self.problem.glm.curvature(curvatures);
        if let Some(rows) = self.rows_of_products() {
            return self.system_by_rows(curvature, rows);
        }
        let sums = curvature.column_sums(&self.columns);
        let way = self.problem.caches.way(self, &curvature, &sums);
        let has_all = self.columns.len() == self.problem.glm.design.n_columns();
        let rows = (has_all && matches!(*way, Way::Iterative))
            .then(|| self.problem.caches.by_rows(&self.problem.glm));
        System {
            curvature,
            columns: &self.columns,
            sums,
            squares: None,
            added: self.local.clone(),
            way,
            rows: rows.flatten(),
        }
    }

    fn system_by_rows<'h>(&'h self, curvature: Curvature<'h, D>, rows: Arc<RowMajor>) -> System<'h, D> {
        let (mut sums, squares) = rows.sums_and_squares(curvature.weights);
        if !curvature.is_centered() {
            sums.fill(0.0);
        }
        System {
            curvature,
            columns: &self.columns,
            sums,
            squares: Some(squares),
            added: self.local.clone(),
            way: Way::Iterative.into(),
            rows: Some(rows),
        }
    }

    /// All columns by rows, where systems are solved by products that pass over rows.
    fn rows_of_products(&self) -> Option<Arc<RowMajor>> {
        let all_weighted = self.local.iter().all(|d| *d > 0.0);
        let is_iterative = self.problem.caches.is_iterative(self.problem, self.columns.len(), all_weighted);
        let has_all = self.columns.len() == self.problem.glm.design.n_columns();
        (is_iterative && has_all).then(|| self.problem.caches.by_rows(&self.problem.glm))?
    }

    fn local(&self, full: &[f64]) -> Vec<f64> {
        self.columns.iter().map(|&j| full[j as usize]).collect()
    }

    fn full(&self, local: &[f64]) -> Vec<f64> {
        let mut full = vec![0.0; self.weights.len()];
        self.columns.iter().zip(local).for_each(|(&j, &v)| full[j as usize] = v);
        full
    }

    /// ∇P at local coefficients, from the correlations Aᵀ(s∘f') (length p).
    fn gradient(&self, y: &[f64], correlations: &[f64]) -> Vec<f64> {
        let terms = self.columns.iter().zip(y).zip(&self.local);
        terms.map(|((&j, y), d)| correlations[j as usize] + d * y).collect()
    }

    /// ½ Σ d_j y_j².
    fn penalty(&self, y: &[f64]) -> f64 {
        0.5 * y.iter().zip(&self.local).map(|(y, d)| d * y * y).sum::<f64>()
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    crate::kernel::dot(a, b)
}

fn norm(v: &[f64]) -> f64 {
    dot(v, v).sqrt()
}
