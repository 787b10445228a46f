//! The partition of the blocks at a lower-level solution: active, zero, or biactive.
//!
//! For ℓ1 this is the partition of DESIGN §2.1 by the prox argument w = y − γ∇F: I⁺ and I⁻ are the active coordinates, A the zero ones, and B
//! those zero coordinates with |∇_jF| = λ_j. The step γ cancels, so the band is relative: | |∇_jF| − λ_j | ≤ τ·max(|∇_jF|, λ_j).

use crate::penalty::Penalty;

use crate::lower::{Hyperparameters, Solution};

/// Where a block stands at the solution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockState {
    /// Not zero (or unpenalized): the solution moves smoothly with λ.
    Active,
    /// Zero, and staying zero for small changes of λ.
    Zero,
    /// Zero, with its optimality condition holding with equality: on a kink.
    Biactive,
}

/// The state of every block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// One state for each block.
    pub states: Vec<BlockState>,
}

impl Partition {
    /// Relative width τ of the biactive band: a hundred times what a relative gap of 1e-10 leaves uncertain.
    pub const BAND: f64 = 1e-8;

    /// Partitions the blocks at `solution`, whose loss gradient on a zero block is `solution.correlations` there.
    pub fn new<P: Penalty>(
        penalty: &P,
        hyperparameters: &Hyperparameters,
        solution: &Solution,
        band: f64,
    ) -> Self {
        let blocks = penalty.blocks();
        let mut block = Vec::new();
        let states = (0..blocks.len())
            .map(|g| {
                let lambda = hyperparameters.lambda[g];
                if lambda == 0.0
                    || blocks.members(g).iter().any(|&j| solution.coefficients[j as usize] != 0.0)
                {
                    return BlockState::Active;
                }
                if lambda == f64::INFINITY {
                    return BlockState::Zero;
                }
                blocks.gather(g, &solution.correlations, &mut block);
                let norm = penalty.dual_norm(&block);
                if (norm - lambda).abs() <= band * norm.max(lambda) || norm > lambda {
                    BlockState::Biactive
                } else {
                    BlockState::Zero
                }
            })
            .collect();
        Self { states }
    }

    /// Blocks in a given state, increasing.
    pub fn blocks_in(&self, state: BlockState) -> impl Iterator<Item = usize> + '_ {
        self.states.iter().enumerate().filter(move |(_, s)| **s == state).map(|(g, _)| g)
    }
}
