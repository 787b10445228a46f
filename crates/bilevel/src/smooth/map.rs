//! Iterations as differentiable maps: s_{k+1} = T_k(s_k, λ).
//!
//! The state s begins with the coefficients y; momentum methods keep the previous y behind them. The hyperparameters of a map are those of the
//! problem, followed by its own (step sizes, momenta) where these are learned.

use super::{check_vector, norm};
use crate::Result;

/// One step of a lower-level solver, with the products of its Jacobians.
///
/// # Errors
/// What the problem behind it reports.
#[allow(clippy::missing_errors_doc, reason = "said once, for all methods")]
pub trait IterationMap: Send + Sync {
    /// p: the state's first p entries are the coefficients.
    fn n_coefficients(&self) -> usize;

    /// Length of the state, at least p.
    fn state_length(&self) -> usize;

    /// Length of the hyperparameters: the problem's, then the map's own.
    fn n_hyperparameters(&self) -> usize;

    /// The state from which an iteration begins at y. Default: y, repeated as often as the state holds it.
    fn initial_state(&self, y: &[f64]) -> Vec<f64> {
        y.iter().copied().cycle().take(self.state_length()).collect()
    }

    /// out = T_k(state, hyper).
    fn step_into(&self, k: usize, state: &[f64], hyper: &[f64], out: &mut [f64]) -> Result<()>;

    /// out = (∂_sT_k) `state_direction` + (∂_λT_k) `hyper_direction`.
    fn tangent_into(
        &self,
        k: usize,
        at: (&[f64], &[f64]),
        directions: (&[f64], &[f64]),
        out: &mut [f64],
    ) -> Result<()>;

    /// `state_out` = (∂_sT_k)ᵀ v, and `hyper_out` **plus** = (∂_λT_k)ᵀ v, at the state and hyperparameters `at`.
    fn adjoint_into(
        &self,
        k: usize,
        at: (&[f64], &[f64]),
        v: &[f64],
        state_out: &mut [f64],
        hyper_out: &mut [f64],
    ) -> Result<()>;
}

/// Runs `steps` steps from y and returns the state.
///
/// # Errors
/// [`crate::Error::InvalidData`] if y or the hyperparameters have the wrong length, or the iteration runs to infinity; what the map reports.
pub fn iterate(map: &dyn IterationMap, hyper: &[f64], y: &[f64], steps: usize) -> Result<Vec<f64>> {
    check_start(map, hyper, y)?;
    let mut state = map.initial_state(y);
    let mut next = vec![0.0; state.len()];
    for k in 0..steps {
        map.step_into(k, &state, hyper, &mut next)?;
        std::mem::swap(&mut state, &mut next);
    }
    check_vector("state after the last step of the iteration", &state, map.state_length())?;
    Ok(state)
}

/// The lengths that a map asks for.
pub(crate) fn check_start(map: &dyn IterationMap, hyper: &[f64], y: &[f64]) -> Result<()> {
    check_vector("start of the iteration", y, map.n_coefficients())?;
    check_vector("hyperparameters of the iteration", hyper, map.n_hyperparameters())
}

/// Where an iteration came to rest.
#[derive(Debug, Clone, PartialEq)]
pub struct FixedPoint {
    /// The last state; its first p entries are the coefficients.
    pub state: Vec<f64>,
    /// Steps taken.
    pub steps: usize,
    /// ‖s_{k+1} − s_k‖ of the last of them.
    pub last_move: f64,
    /// Whether that is within the tolerance.
    pub converged: bool,
}

/// Iterates from y until ‖s_{k+1} − s_k‖ ≤ `tolerance`·(1 + ‖s_k‖), or for `max_steps` steps.
///
/// # Errors
/// As [`iterate`].
pub fn fixed_point(
    map: &dyn IterationMap,
    hyper: &[f64],
    y: &[f64],
    tolerance: f64,
    max_steps: usize,
) -> Result<FixedPoint> {
    check_start(map, hyper, y)?;
    let mut state = map.initial_state(y);
    let mut next = vec![0.0; state.len()];
    let mut answer = FixedPoint { state: Vec::new(), steps: 0, last_move: f64::INFINITY, converged: false };
    while answer.steps < max_steps && !answer.converged {
        map.step_into(answer.steps, &state, hyper, &mut next)?;
        std::mem::swap(&mut state, &mut next);
        answer.steps += 1;
        let square: f64 = state.iter().zip(&next).map(|(a, b)| (a - b) * (a - b)).sum();
        answer.last_move = square.sqrt();
        answer.converged = answer.last_move <= tolerance * (1.0 + norm(&next));
    }
    check_vector("state after the last step of the iteration", &state, map.state_length())?;
    answer.state = state;
    Ok(answer)
}
