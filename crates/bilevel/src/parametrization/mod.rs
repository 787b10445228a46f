//! Parametrizations θ ↦ (λ, α): how many numbers the upper level moves, and what they mean.
//!
//! All weights are exponentials, λ = e^{…}, so that θ is unconstrained and a step in θ is a relative change of λ. The ridge parameter, when
//! it is learned, is the last entry of θ: α = e^{θ_last}.

mod adaptive;
mod ridge;
mod sample_weights;
mod weights;

pub use adaptive::Adaptive;
pub use ridge::Ridge;
pub use sample_weights::SampleWeights;
pub use weights::Weights;

use crate::lower::{Adjoint, Hyperparameters};

/// θ ↦ (λ, α), and the transpose of its Jacobian.
pub trait Parametrization: Send + Sync {
    /// Length of θ.
    fn n_parameters(&self) -> usize;
    /// (λ, α) at θ.
    fn hyperparameters(&self, theta: &[f64]) -> Hyperparameters;
    /// out += (∂(λ, α)/∂θ)ᵀ(adjoint.lambda, adjoint.ridge).
    fn pull_back(&self, theta: &[f64], hyperparameters: &Hyperparameters, adjoint: &Adjoint, out: &mut [f64]);
    /// Column k of ∂(λ, α)/∂θ: (block, ∂λ/∂θ_k) for those of the given blocks (increasing) that θ_k moves, and ∂α/∂θ_k.
    fn column(
        &self,
        theta: &[f64],
        hyperparameters: &Hyperparameters,
        k: usize,
        blocks: &[u32],
    ) -> (Vec<(u32, f64)>, f64);
    /// Entries of θ that move α or the weight of one of the given blocks, increasing: all, unless there are many.
    fn moving(&self, _blocks: &[u32]) -> Vec<usize> {
        (0..self.n_parameters()).collect()
    }
    /// Bound on the norm of ∂(λ, α)/∂θ restricted to the blocks that the adjoint touches: what multiplies the adjoint's error bound.
    fn error_factor(&self, theta: &[f64], hyperparameters: &Hyperparameters, adjoint: &Adjoint) -> f64;
    /// Box constraints on θ.
    fn bounds(&self) -> (Vec<f64>, Vec<f64>);
    /// Whether θ is one number and (λ, α), as it moves, stays on one line: what is proven along a line then holds for all θ between two.
    fn is_line(&self) -> bool {
        false
    }
    /// A name for entry k of θ.
    fn parameter_name(&self, k: usize) -> String;
}
