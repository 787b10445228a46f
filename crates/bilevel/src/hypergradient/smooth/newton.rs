//! One Newton step before the implicit hypergradient: y⁺ = y − H⁻¹∇_yF(y, λ).
//!
//! The error of y, and with it that of h, falls to its square times a constant, for one more solve with an H that is there already for the next. What is left
//! is measured: the bound at y⁺ rests on ∇_yF(y⁺).

use super::linear::Solver;
use super::{HypergradientMethod, Implicit, SmoothHypergradient, problem_part};
use crate::Result;
use crate::smooth::{SmoothProblem, check_vector};

/// Implicit differentiation after one Newton step on the lower level.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewtonCorrected {
    /// What is done at y⁺; its solver also solves for the step.
    pub implicit: Implicit,
}

impl NewtonCorrected {
    fn corrected(&self, problem: &dyn SmoothProblem, hyper: &[f64], y: &[f64]) -> Result<(Vec<f64>, usize)> {
        check_vector("coefficients to correct", y, problem.n_coefficients())?;
        let lambda = problem_part(problem, hyper)?;
        let mut gradient = vec![0.0; y.len()];
        problem.gradient_into(y, lambda, &mut gradient)?;
        check_vector("gradient of the lower level", &gradient, y.len())?;
        let hessian = Solver::new(problem, y, lambda, self.implicit.solver_for(y.len()))?;
        let step = hessian.solve(&gradient, None, self.implicit.tolerance)?;
        let corrected = y.iter().zip(&step.x).map(|(y, d)| y - d).collect();
        Ok((corrected, hessian.preparation + step.products))
    }
}

impl HypergradientMethod for NewtonCorrected {
    fn name(&self) -> &'static str {
        "newton-corrected"
    }

    fn hypergradient(
        &self,
        problem: &dyn SmoothProblem,
        hyper: &[f64],
        y: &[f64],
    ) -> Result<SmoothHypergradient> {
        let (corrected, products) = self.corrected(problem, hyper, y)?;
        let mut answer = self.implicit.hypergradient(problem, hyper, &corrected)?;
        answer.work.products += products;
        Ok(answer)
    }

    fn value(&self, problem: &dyn SmoothProblem, hyper: &[f64], y: &[f64]) -> Result<(f64, Vec<f64>)> {
        let (corrected, _) = self.corrected(problem, hyper, y)?;
        Ok((problem.criterion(&corrected, problem_part(problem, hyper)?)?, corrected))
    }
}
