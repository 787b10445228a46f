//! Forward mode through an iteration: J_{k+1} = ∂_sT_k J_k + ∂_λT_k, h = ∇_λL + Jᵀ∇_yL.
//!
//! One tangent for each hyperparameter and no stored states: right for a few hyperparameters and many steps.

use super::{CriterionAt, HypergradientMethod, SmoothHypergradient, Work, finite};
use crate::Result;
use crate::kernel::dot;
use crate::smooth::{IterationMap, SmoothProblem, check_start, iterate};

/// T steps of a map from the given y, differentiated forwards.
pub struct Forward<'a> {
    /// T_k.
    pub map: &'a dyn IterationMap,
    /// T.
    pub steps: usize,
}

impl HypergradientMethod for Forward<'_> {
    fn name(&self) -> &'static str {
        "forward"
    }

    fn hypergradient(
        &self,
        problem: &dyn SmoothProblem,
        hyper: &[f64],
        y: &[f64],
    ) -> Result<SmoothHypergradient> {
        check_start(self.map, hyper, y)?;
        let mut state = self.map.initial_state(y);
        let size = state.len();
        let mut next = vec![0.0; size];
        let mut jacobian = vec![vec![0.0; size]; hyper.len()];
        let mut unit = vec![0.0; hyper.len()];
        for k in 0..self.steps {
            for (j, column) in jacobian.iter_mut().enumerate() {
                unit[j] = 1.0;
                self.map.tangent_into(k, (&state, hyper), (column, &unit), &mut next)?;
                unit[j] = 0.0;
                std::mem::swap(column, &mut next);
            }
            self.map.step_into(k, &state, hyper, &mut next)?;
            std::mem::swap(&mut state, &mut next);
        }
        let p = y.len();
        let criterion = CriterionAt::new(problem, hyper, &state[..p])?;
        let mut gradient = criterion.by_hyper;
        gradient.iter_mut().zip(&jacobian).for_each(|(h, column)| *h += dot(&column[..p], &criterion.by_y));
        state.truncate(p);
        finite(SmoothHypergradient {
            value: criterion.value,
            gradient,
            coefficients: state,
            adjoint: Vec::new(),
            error_bound: None,
            work: Work {
                terms: self.steps,
                products: self.steps * hyper.len(),
                steps: self.steps,
                stored_states: 1,
            },
        })
    }

    fn value(&self, problem: &dyn SmoothProblem, hyper: &[f64], y: &[f64]) -> Result<(f64, Vec<f64>)> {
        value_after(self.map, self.steps, problem, hyper, y)
    }
}

/// L(y_T, λ).
pub(super) fn value_after(
    map: &dyn IterationMap,
    steps: usize,
    problem: &dyn SmoothProblem,
    hyper: &[f64],
    y: &[f64],
) -> Result<(f64, Vec<f64>)> {
    let mut state = iterate(map, hyper, y, steps)?;
    state.truncate(y.len());
    Ok((problem.criterion(&state, super::problem_part(problem, hyper)?)?, state))
}
