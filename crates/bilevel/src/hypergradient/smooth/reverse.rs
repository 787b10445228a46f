//! Reverse mode through an iteration: a_T = ∇_yL, a_k = (∂_sT_k)ᵀ a_{k+1}, h = ∇_λL + Σ_k (∂_λT_k)ᵀ a_{k+1}.
//!
//! All T steps give the derivative of L(y_T(λ), λ); the last K alone (truncated) leave out what an earlier λ did, which a contraction has forgotten by a factor
//! q^K. Costs a few times the iteration, whatever the number of hyperparameters; [`Checkpoints`] trade memory for steps that are computed again.

use super::checkpoint::{Ledger, Sweep, reverse};
use super::forward::value_after;
use super::{Checkpoints, CriterionAt, HypergradientMethod, SmoothHypergradient, Work, finite};
use crate::Result;
use crate::smooth::{IterationMap, SmoothProblem, check_start};

/// T steps of a map from the given y, the last K of them differentiated backwards.
///
/// # Example
/// Which step size would have been best for five steps of gradient descent on ½(y − 3)²? The derivative says: longer than 0.1.
/// ```
/// use bilevel::hypergradient::smooth::{HypergradientMethod, Reverse};
/// use bilevel::smooth::{AutoDiff, Descent, Rate, Scalar, Shape};
///
/// struct Quadratic;
/// impl AutoDiff for Quadratic {
///     fn shape(&self) -> Shape {
///         Shape { coefficients: 1, hyperparameters: 0 }
///     }
///     fn lower_gradient<T: Scalar>(&self, y: &[T], _lambda: &[T], out: &mut [T]) {
///         out[0] = y[0] - 3.0;
///     }
///     fn upper_value(&self, y: &[f64], _: &[f64]) -> f64 {
///         0.5 * (y[0] - 3.0).powi(2)
///     }
///     fn upper_gradient(&self, y: &[f64], _: &[f64], by_y: &mut [f64], _: &mut [f64]) {
///         by_y[0] = y[0] - 3.0;
///     }
/// }
///
/// let descent = Descent::new(&Quadratic, Rate::Learned(0..1))?;
/// let answer = Reverse::all(&descent, 5).hypergradient(&Quadratic, &[0.1], &[0.0])?;
/// // y_5 = 3 − 3(1 − s)⁵, so dL/ds = −45(1 − s)⁹.
/// assert!((answer.gradient[0] + 45.0 * 0.9_f64.powi(9)).abs() < 1e-12);
/// # Ok::<(), bilevel::Error>(())
/// ```
pub struct Reverse<'a> {
    /// T_k.
    pub map: &'a dyn IterationMap,
    /// T.
    pub steps: usize,
    /// K: how many of the last steps are differentiated; T or more for all.
    pub last: usize,
    /// Which states are kept.
    pub checkpoints: Checkpoints,
}

impl<'a> Reverse<'a> {
    /// All of `steps` steps, with memory O(√T).
    pub fn all(map: &'a dyn IterationMap, steps: usize) -> Self {
        Self { map, steps, last: steps, checkpoints: Checkpoints::SquareRoot }
    }

    /// The last `last` of `steps` steps, with memory O(√K).
    pub fn truncated(map: &'a dyn IterationMap, steps: usize, last: usize) -> Self {
        Self { map, steps, last, checkpoints: Checkpoints::SquareRoot }
    }
}

/// The way back.
struct Backward<'a> {
    map: &'a dyn IterationMap,
    hyper: &'a [f64],
    /// a_{k+1}, then a_k.
    adjoint: Vec<f64>,
    pulled: Vec<f64>,
    gradient: Vec<f64>,
    work: Work,
}

impl Sweep for Backward<'_> {
    fn forward(&mut self, k: usize, state: &[f64], next: &mut [f64]) -> Result<()> {
        self.work.steps += 1;
        self.map.step_into(k, state, self.hyper, next)
    }

    fn backward(&mut self, k: usize, state: &[f64]) -> Result<()> {
        self.work.terms += 1;
        self.work.products += 1;
        let at = (state, self.hyper);
        self.map.adjoint_into(k, at, &self.adjoint, &mut self.pulled, &mut self.gradient)?;
        std::mem::swap(&mut self.adjoint, &mut self.pulled);
        Ok(())
    }
}

impl HypergradientMethod for Reverse<'_> {
    fn name(&self) -> &'static str {
        if self.last < self.steps { "truncated-reverse" } else { "reverse" }
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
        let mut backward = Backward {
            map: self.map,
            hyper,
            adjoint: vec![0.0; size],
            pulled: vec![0.0; size],
            gradient: Vec::new(),
            work: Work::default(),
        };
        let window = self.steps.saturating_sub(self.last);
        let mut next = vec![0.0; size];
        for k in 0..window {
            backward.forward(k, &state, &mut next)?;
            std::mem::swap(&mut state, &mut next);
        }
        let mut ledger = Ledger::default();
        let segments =
            self.checkpoints.record((window, self.steps), &mut state, &mut backward, &mut ledger)?;
        state.truncate(y.len());
        let criterion = CriterionAt::new(problem, hyper, &state)?;
        backward.adjoint[..y.len()].copy_from_slice(&criterion.by_y);
        backward.gradient = criterion.by_hyper;
        reverse(segments, &mut backward, &mut ledger)?;
        finite(SmoothHypergradient {
            value: criterion.value,
            gradient: backward.gradient,
            coefficients: state,
            adjoint: Vec::new(),
            error_bound: None,
            work: Work { stored_states: ledger.peak, ..backward.work },
        })
    }

    fn value(&self, problem: &dyn SmoothProblem, hyper: &[f64], y: &[f64]) -> Result<(f64, Vec<f64>)> {
        value_after(self.map, self.steps, problem, hyper, y)
    }
}
