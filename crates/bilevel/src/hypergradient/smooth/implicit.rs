//! The implicit function theorem: H q = −∇_yL, h = ∇_λL + Bᵀq.

use super::bound::Inexact;
use super::linear::{AdjointSolver, Preconditioner, Solver};
use super::{CriterionAt, HypergradientMethod, SmoothHypergradient, Work, finite, problem_part};
use crate::smooth::{SmoothProblem, check_vector};
use crate::{Error, Result};

/// Up to this many coefficients a factorization is quicker than conjugate gradients.
const DENSE: usize = 200;

/// Whether the error bound is computed beside the hypergradient: it takes another solve, unless the user knows the [`Drift`](crate::smooth::Drift), and ‖B‖.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bounding {
    /// Leave it out.
    Skip,
    /// Compute it.
    Compute,
}

/// Implicit differentiation at the y that it is given.
#[derive(Debug, Clone, PartialEq)]
pub struct Implicit {
    /// How H q = −∇_yL is solved; default: dense for up to 200 coefficients, else conjugate gradients.
    pub solver: Option<AdjointSolver>,
    /// ‖r‖ relative to ‖∇_yL‖; default 1e-12.
    pub tolerance: f64,
    /// Where iterative solvers start, usually [`SmoothHypergradient::adjoint`] of a nearby λ; default 0.
    pub warm_start: Option<Vec<f64>>,
    /// Default: compute the bound.
    pub bounding: Bounding,
}

impl Default for Implicit {
    fn default() -> Self {
        Self { solver: None, tolerance: 1e-12, warm_start: None, bounding: Bounding::Compute }
    }
}

impl Implicit {
    /// With this solver.
    pub fn with(solver: AdjointSolver) -> Self {
        Self { solver: Some(solver), ..Self::default() }
    }

    /// The solver for p coefficients.
    pub(super) fn solver_for(&self, p: usize) -> AdjointSolver {
        let default = if p <= DENSE {
            AdjointSolver::Dense
        } else {
            AdjointSolver::ConjugateGradient(Preconditioner::None)
        };
        self.solver.unwrap_or(default)
    }
}

impl HypergradientMethod for Implicit {
    fn name(&self) -> &'static str {
        match self.solver {
            None => "implicit",
            Some(AdjointSolver::Dense) => "implicit-dense",
            Some(AdjointSolver::ConjugateGradient(Preconditioner::None)) => "implicit-cg",
            Some(AdjointSolver::ConjugateGradient(Preconditioner::Diagonal)) => "implicit-pcg",
            Some(AdjointSolver::Minres) => "implicit-minres",
        }
    }

    fn hypergradient(
        &self,
        problem: &dyn SmoothProblem,
        hyper: &[f64],
        y: &[f64],
    ) -> Result<SmoothHypergradient> {
        if self.tolerance.is_nan() || self.tolerance <= 0.0 {
            return Err(Error::setting("tolerance", self.tolerance, "a positive number"));
        }
        check_vector("λ of the hypergradient", hyper, problem.n_hyperparameters())?;
        let lambda = problem_part(problem, hyper)?;
        let criterion = CriterionAt::new(problem, hyper, y)?;
        let hessian = Solver::new(problem, y, lambda, self.solver_for(y.len()))?;
        let minus: Vec<f64> = criterion.by_y.iter().map(|v| -v).collect();
        let adjoint = hessian.solve(&minus, self.warm_start.as_deref(), self.tolerance)?;
        let error_bound = match self.bounding {
            Bounding::Skip => None,
            Bounding::Compute => {
                let inexact = Inexact {
                    problem,
                    y,
                    lambda,
                    hessian: &hessian,
                    adjoint: &adjoint,
                    by_y: &criterion.by_y,
                    by_lambda: &criterion.by_hyper,
                };
                Some(inexact.bound()?)
            }
        };
        let mut gradient = vec![0.0; lambda.len()];
        problem.mixed_adjoint_into(y, lambda, &adjoint.x, &mut gradient)?;
        crate::kernel::axpy(1.0, &criterion.by_hyper, &mut gradient);
        finite(SmoothHypergradient {
            value: criterion.value,
            gradient,
            coefficients: y.to_vec(),
            error_bound,
            work: Work { products: hessian.preparation + adjoint.products, ..Work::default() },
            adjoint: adjoint.x,
        })
    }
}
