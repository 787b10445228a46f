//! One-sided derivatives of the criterion, exact at kinks.
//!
//! In a direction (dλ, dα) the solution moves along the minimizer of a quadratic over the critical cone (DESIGN §2.1),
//!
//! ```text
//! min_δ  ½ δᵀHδ + Σ_g dλ_g ∇ρ(y_g)ᵀδ_g + dα y_Sᵀδ_S     δ free on the active blocks F, δ_k ≥ 0 along its exit direction on the biactive ones B,
//! ```
//!
//! and the criterion along Φ'(λ; d) = ∇_yLᵀδ. A biactive block stays where it is or leaves; the cone says which, for every direction. The free
//! part is eliminated once, which leaves a quadratic of |B| unknowns for each direction:
//!
//! ```text
//! K = H_BB − H_BF H_FF⁻¹ H_FB,    W = H_BF H_FF⁻¹,    Φ'(λ; d) = h₀ᵀd + (∇_BL − W∇_FL)ᵀδ_B,    δ_B = argmin_{δ≥0} ½δᵀKδ + (d_B − W c_F)ᵀδ
//! ```
//!
//! with h₀ the hypergradient that holds all of B at zero (the `Null` policy's), and c_F the linear part on F. Where no block is biactive this is h₀ᵀd.
//!
//! Sources: Dontchev and Rockafellar, *Implicit Functions and Solution Mappings*, §2E (directional derivatives of solution mappings on critical
//! cones); Lawson and Hanson, *Solving Least Squares Problems*, ch. 23 (the active-set method, `cone.rs`).

use crate::design::DesignMatrix;
use crate::loss::Loss;
use crate::lower::{Adjoint, Hyperparameters, Solution, SparseGlm, UpperGradient};
use crate::outer::Accuracy;
use crate::penalty::Penalty;
use crate::{Error, Result};

use super::Selection;
use super::cone::minimize_on_orthant;
use super::implicit::Context;
use super::partition::{BlockState, Partition};
use super::solve::Solver;
use super::system::System;

/// A biactive column of which less than this part (squared) lies outside the span of the active ones counts as dependent on them.
const DEPENDENT: f64 = 1e-10;

/// Most biactive blocks that a cone is made for: it takes |B|² numbers, and every slope up to |B|⁴ operations. Sparse data reach thousands where
/// rows have many features of their own.
const MOST_BIACTIVE: usize = 128;

/// A direction in which the hyperparameters move.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Direction<'a> {
    /// (block, dλ of it), increasing in the block; 0 for all others.
    pub lambda: &'a [(u32, f64)],
    /// dα.
    pub ridge: f64,
}

impl Direction<'_> {
    /// # Errors
    /// [`Error::InvalidData`] for blocks out of order or range, or entries that are not finite.
    pub(super) fn check(&self, n_blocks: usize) -> Result<()> {
        let increasing = self.lambda.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let in_range = self.lambda.last().is_none_or(|entry| (entry.0 as usize) < n_blocks);
        let finite = self.ridge.is_finite() && self.lambda.iter().all(|entry| entry.1.is_finite());
        if increasing && in_range && finite {
            return Ok(());
        }
        let found = format!("{} entries, {} in the ridge parameter", self.lambda.len(), self.ridge);
        let expected = format!("finite entries for blocks below {n_blocks}, in increasing order");
        Err(Error::data("direction", found, expected))
    }

    pub(super) fn of_block(&self, g: u32) -> f64 {
        let found = self.lambda.binary_search_by_key(&g, |entry| entry.0);
        found.map_or(0.0, |k| self.lambda[k].1)
    }
}

/// How the criterion starts to change.
#[derive(Debug, Clone, PartialEq)]
pub struct OneSided {
    /// lim (Φ(λ + t d) − Φ(λ))/t as t ↓ 0.
    pub slope: f64,
    /// Biactive blocks that leave zero in this direction, increasing.
    pub leaving: Vec<u32>,
}

/// All one-sided derivatives of a criterion at one solution.
#[derive(Debug, Clone)]
pub struct CriticalCone {
    /// h₀: entries for the active blocks only.
    held: Adjoint,
    /// Biactive blocks, increasing.
    biactive: Vec<u32>,
    /// For each of them W times ∇ρ of each entry of `held`, and times y.
    couplings: Vec<Coupling>,
    /// K, column major.
    curvature: Vec<f64>,
    /// ∇_BL − W∇_FL.
    gradient: Vec<f64>,
    n_blocks: usize,
}

#[derive(Debug, Clone)]
struct Coupling {
    lambda: Vec<f64>,
    ridge: f64,
}

impl CriticalCone {
    /// The cone of a solution map that is differentiable at the solution: every direction has the slope that the adjoint says.
    pub fn smooth(adjoint: Adjoint, n_blocks: usize) -> Self {
        let (biactive, couplings) = (Vec::new(), Vec::new());
        Self { held: adjoint, biactive, couplings, curvature: Vec::new(), gradient: Vec::new(), n_blocks }
    }

    /// Blocks on a kink, increasing.
    pub fn biactive(&self) -> &[u32] {
        &self.biactive
    }

    /// Blocks whose weights have a slope at all: active or biactive, increasing.
    pub fn touched(&self) -> Vec<u32> {
        let mut blocks: Vec<u32> =
            self.held.lambda.iter().map(|entry| entry.0).chain(self.biactive.iter().copied()).collect();
        blocks.sort_unstable();
        blocks
    }

    /// Bound on the error of the slopes for directions of length 1, from inexact solves; presumes that the support is the minimizer's.
    pub fn error_bound(&self) -> f64 {
        self.held.error_bound
    }

    /// The one-sided derivative in a direction.
    ///
    /// # Errors
    /// [`Error::AdjointSolve`] where the biactive columns depend on each other linearly: the solution is about to stop being unique;
    /// [`Error::InvalidData`] for a direction that does not belong to the problem.
    pub fn slope(&self, direction: Direction<'_>) -> Result<OneSided> {
        direction.check(self.n_blocks)?;
        let moved = self.moved(direction);
        let free = moved.iter().map(|&(k, d)| self.held.lambda[k].1 * d).sum::<f64>()
            + self.held.ridge * direction.ridge;
        let mut scale: f64 = 0.0;
        let tilt: Vec<f64> = (self.biactive.iter().zip(&self.couplings))
            .map(|(&g, w)| {
                let along: f64 = moved.iter().map(|&(k, d)| w.lambda[k] * d).sum();
                let (own, along) = (direction.of_block(g), along + w.ridge * direction.ridge);
                scale = scale.max(own.abs()).max(along.abs());
                own - along
            })
            .collect();
        let Some(step) = minimize_on_orthant(&self.curvature, &tilt, scale) else {
            let reason = "linearly dependent columns on the edge of the support".to_string();
            return Err(Error::AdjointSolve { size: tilt.len(), reason });
        };
        let slope = free + crate::kernel::dot(&self.gradient, &step);
        if !slope.is_finite() {
            let reason = "a slope that is not finite".to_string();
            return Err(Error::AdjointSolve { size: self.held.lambda.len(), reason });
        }
        let leaving = self.biactive.iter().zip(&step).filter(|(_, d)| **d > 0.0).map(|(&g, _)| g).collect();
        Ok(OneSided { slope, leaving })
    }

    /// (number among the active blocks, dλ of it) where the direction is not zero.
    fn moved(&self, direction: Direction<'_>) -> Vec<(usize, f64)> {
        let held = &self.held.lambda;
        if direction.lambda.len() < held.len() {
            let entry = |&(g, d): &(u32, f64)| Some((held.binary_search_by_key(&g, |e| e.0).ok()?, d));
            direction.lambda.iter().filter_map(entry).collect()
        } else {
            held.iter().enumerate().map(|(k, entry)| (k, direction.of_block(entry.0))).collect()
        }
    }

    /// The direction along which the criterion falls fastest: its number among `directions`, and its derivative; `None` of none.
    ///
    /// # Errors
    /// As [`CriticalCone::slope`].
    pub fn steepest<'d>(
        &self,
        directions: impl IntoIterator<Item = Direction<'d>>,
    ) -> Result<Option<(usize, OneSided)>> {
        let mut steepest: Option<(usize, OneSided)> = None;
        for (k, direction) in directions.into_iter().enumerate() {
            let found = self.slope(direction)?;
            if steepest.as_ref().is_none_or(|(_, best)| found.slope < best.slope) {
                steepest = Some((k, found));
            }
        }
        Ok(steepest)
    }
}

/// The cone at a solution; the adjoint's arguments.
pub(crate) fn critical_cone<D: DesignMatrix, L: Loss, P: Penalty>(
    problem: &SparseGlm<'_, D, L, P>,
    hyperparameters: &Hyperparameters,
    solution: &Solution,
    upper: &UpperGradient<'_>,
) -> Result<CriticalCone> {
    let partition = Partition::new(problem, hyperparameters, solution, Selection::default());
    let curvatures = problem.curvatures(&solution.predictor);
    let accuracy = Accuracy::TIGHT;
    let context = Context { problem, hyperparameters, solution, upper, curvatures: &curvatures, accuracy };
    let moving = |state| context.moving(partition.blocks_in(state).collect());
    let (active, biactive) = (moving(BlockState::Active), moving(BlockState::Biactive));
    let free = System::new(&context, &active, &[]);
    let solver = Solver::new(&free, &context);
    let held = solver.solve(&free.right_side, upper.warm_start);
    if solver.is_singular() || !held.converged {
        let reason = "linearly dependent columns in the support: the solution is not unique".to_string();
        return Err(Error::AdjointSolve { size: free.columns.len(), reason });
    }
    let n_blocks = problem.penalty.blocks().len();
    let mut cone = CriticalCone::smooth(free.assemble(&context, held.clone(), biactive.len()), n_blocks);
    if biactive.is_empty() {
        return Ok(cone);
    }
    if biactive.len() > MOST_BIACTIVE {
        let reason = format!("more than {MOST_BIACTIVE} coordinates are on a kink");
        return Err(Error::AdjointSolve { size: biactive.len(), reason });
    }
    let n_free = free.columns.len();
    let whole = System::new(&context, &active, &biactive);
    let columns = whole.hessian_columns(&context, n_free..whole.columns.len());
    // The right sides of adjoint systems are −∇_yL, and q = −H_FF⁻¹∇_FL.
    cone.gradient = (columns.iter().zip(&whole.right_side[n_free..]))
        .map(|(column, right)| crate::kernel::dot(&column[..n_free], &held.q) - right)
        .collect();
    for (k, column) in columns.iter().enumerate() {
        let eliminated = solver.solve(&column[..n_free], &[]).q;
        cone.curvature.extend(
            columns
                .iter()
                .enumerate()
                .map(|(l, other)| column[n_free + l] - crate::kernel::dot(&eliminated, &other[..n_free])),
        );
        cone.couplings.push(coupling(&context, &free, &eliminated));
        // A column that depends on the active ones has no curvature of its own; what rounding leaves of it would pass for one.
        let size = columns.len();
        if cone.curvature[k * size + k] <= DEPENDENT * column[n_free + k] {
            cone.curvature[k * size..].fill(0.0);
        }
    }
    cone.biactive = biactive.iter().map(|&g| u32::try_from(g).unwrap_or(u32::MAX)).collect();
    Ok(cone)
}

/// One row of W against ∇ρ(y_g) for each active block that is not zero, and against y.
fn coupling<D: DesignMatrix, L: Loss, P: Penalty>(
    context: &Context<'_, '_, D, L, P>,
    system: &System<'_, D>,
    eliminated: &[f64],
) -> Coupling {
    let mut coupling = Coupling { lambda: Vec::new(), ridge: 0.0 };
    system.each_active(context, |_, range, block, rho| {
        let w = &eliminated[range];
        coupling.ridge += crate::kernel::dot(block, w);
        if block.iter().any(|y| *y != 0.0) {
            coupling.lambda.push(crate::kernel::dot(rho, w));
        }
    });
    coupling
}
