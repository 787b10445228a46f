//! One-step differentiation: the last step of the lower-level solver alone, h = ∇_λL(y⁺) + (∂_λT(y))ᵀ ∇_yL(y⁺) with y⁺ = T(y, λ).
//!
//! No system, no memory. The error is at most ‖∂_λT‖‖∇_yL‖ q/(1 − q) at a fixed point: nothing for a Newton step (q = 0), small for a fast map, useless for a slow one. With
//! a learned step size it is online hypergradient descent: ∂y⁺/∂s = −∇_yF(y), hence dL/ds = −∇_yL(y⁺)ᵀ∇_yF(y).
//!
//! Sources: Bolte, Pauwels, Vaiter, "One-step differentiation of iterative algorithms" (2023); Baydin et al., "Online learning rate adaptation with hypergradient
//! descent" (2018).

use super::forward::value_after;
use super::{HypergradientMethod, Reverse, SmoothHypergradient};
use crate::Result;
use crate::smooth::{IterationMap, SmoothProblem};

/// One step of a map from the given y, differentiated; this is [`Reverse`] with one step.
pub struct OneStep<'a> {
    /// T.
    pub map: &'a dyn IterationMap,
}

impl HypergradientMethod for OneStep<'_> {
    fn name(&self) -> &'static str {
        "one-step"
    }

    fn hypergradient(
        &self,
        problem: &dyn SmoothProblem,
        hyper: &[f64],
        y: &[f64],
    ) -> Result<SmoothHypergradient> {
        Reverse::all(self.map, 1).hypergradient(problem, hyper, y)
    }

    fn value(&self, problem: &dyn SmoothProblem, hyper: &[f64], y: &[f64]) -> Result<(f64, Vec<f64>)> {
        value_after(self.map, 1, problem, hyper, y)
    }
}
