//! The partition of the blocks at a lower-level solution: active, zero, or biactive.
//!
//! For ℓ1 this is the partition of DESIGN §2.1 by the prox argument w = y − γ∇F(y) against u = γλ: I⁺ and I⁻ are the active coordinates, A the zero
//! ones, and B those in the relative band ||w| − u| ≤ τ·max(|w|, u). Each block has a step of its own, γ = 1/‖∇²F_gg‖ (bounded by a trace), so
//! the band changes neither with the unit of a column nor with that of the target. On a zero block γ cancels: | |∇_jF| − λ_j | ≤ τ·max(|∇_jF|, λ_j).
//! On a nonzero one |w| − u = |y|: a coefficient is biactive where it is a tiny part of the step that made it.

use crate::design::DesignMatrix;
use crate::loss::Loss;
use crate::lower::{Hyperparameters, Solution, SparseGlm};
use crate::penalty::Penalty;

use super::Selection;

/// Where a block stands at the solution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockState {
    /// Not zero (or unpenalized): the solution moves smoothly with λ.
    Active,
    /// Zero, and staying zero for small changes of λ.
    Zero,
    /// On a kink: zero, or as good as zero, with its optimality condition holding with equality.
    Biactive,
}

/// The state of every block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// One state for each block.
    pub states: Vec<BlockState>,
}

impl Partition {
    /// Partitions the blocks at `solution` in the band of `selection`.
    pub fn new<D: DesignMatrix, L: Loss, P: Penalty>(
        problem: &SparseGlm<'_, D, L, P>,
        hyperparameters: &Hyperparameters,
        solution: &Solution,
        selection: Selection,
    ) -> Self {
        let blocks = problem.penalty.blocks();
        // ‖∇f(z) − ∇f(z*)‖² ≤ 2·MAX_CURVATURE·gap for a convex loss with Lipschitz slopes, and |∇_g − ∇_g*| ≤ ‖A_g‖ times that; the coefficients
        // themselves are known where α makes the problem strongly convex, ‖y − y*‖² ≤ 2·gap/α.
        let gap = if selection.residual_enlarged { solution.gap_with_rounding() } else { 0.0 };
        let uncertainty = (2.0 * L::MAX_CURVATURE * gap).sqrt();
        let ridge = hyperparameters.ridge;
        let reach = if ridge > 0.0 { (2.0 * gap / ridge).sqrt() } else { 0.0 };
        let mut block = Vec::new();
        let states = (0..blocks.len())
            .map(|g| {
                let lambda = hyperparameters.lambda[g];
                let is_zero = blocks.members(g).iter().all(|&j| solution.coefficients[j as usize] == 0.0);
                if lambda == 0.0 {
                    return BlockState::Active;
                }
                if lambda == f64::INFINITY {
                    return BlockState::Zero;
                }
                // Without an allowance for the gap, a zero block needs no ‖A_g‖.
                let square = if is_zero && uncertainty == 0.0 { 0.0 } else { problem.block_norm(g).powi(2) };
                let allowance = uncertainty * square.sqrt();
                if is_zero {
                    blocks.gather(g, &solution.correlations, &mut block);
                    let norm = problem.penalty.dual_norm(&block);
                    let in_band = (norm - lambda).abs() <= selection.band * norm.max(lambda) + allowance;
                    return if in_band || norm > lambda { BlockState::Biactive } else { BlockState::Zero };
                }
                blocks.gather(g, &solution.coefficients, &mut block);
                let size = block.iter().map(|y| y * y).sum::<f64>().sqrt();
                let inverse_step = L::MAX_CURVATURE * square + ridge;
                let prox_argument = inverse_step * size + lambda;
                let in_band = inverse_step * size <= selection.band * prox_argument || size <= reach;
                if in_band { BlockState::Biactive } else { BlockState::Active }
            })
            .collect();
        Self { states }
    }

    /// Blocks in a given state, increasing.
    pub fn blocks_in(&self, state: BlockState) -> impl Iterator<Item = usize> + '_ {
        self.states.iter().enumerate().filter(move |(_, s)| **s == state).map(|(g, _)| g)
    }
}
