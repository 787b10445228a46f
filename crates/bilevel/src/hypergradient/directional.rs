//! One-sided derivatives of the criterion, exact at kinks.
//!
//! In a direction (dλ, dα) the solution moves along the minimizer of a quadratic over the critical cone (DESIGN §2.1),
//!
//! ```text
//! min_δ  ½ δᵀHδ + Σ_g dλ_g ∇ρ(y_g)ᵀδ_g + dα y_Sᵀδ_S     δ free on the active blocks, δ_g a multiple ≥ 0 of its exit direction on the biactive ones,
//! ```
//!
//! and the criterion along Φ'(λ; d) = ∇_yLᵀδ. A biactive block stays where it is or leaves; the cone says which, for every direction. Where no
//! block is biactive this is hᵀd with the hypergradient h.
//!
//! Sources: Dontchev and Rockafellar, *Implicit Functions and Solution Mappings*, §2E (directional derivatives of solution mappings on critical
//! cones); Lawson and Hanson, *Solving Least Squares Problems*, ch. 23 (the active-set method).

use crate::design::DesignMatrix;
use crate::loss::Loss;
use crate::lower::{Hyperparameters, Solution, SparseGlm, UpperGradient};
use crate::outer::Accuracy;
use crate::penalty::Penalty;
use crate::solver::Cholesky;
use crate::{Error, Result};

use super::Selection;
use super::implicit::{Context, System};
use super::partition::{BlockState, Partition};

/// Gradients below this fraction of the largest entry of the linear part count as zero.
const ROUNDING: f64 = 1e-12;

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
    fn check(&self, n_blocks: usize) -> Result<()> {
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

    fn of_block(&self, g: usize) -> f64 {
        let found = self.lambda.binary_search_by(|entry| (entry.0 as usize).cmp(&g));
        found.map_or(0.0, |k| self.lambda[k].1)
    }
}

/// How the criterion starts to change.
#[derive(Debug, Clone, PartialEq)]
pub struct OneSided {
    /// lim (Φ(λ + t d) − Φ(λ))/t as t ↓ 0.
    pub slope: f64,
    /// Biactive blocks, increasing.
    pub biactive: Vec<u32>,
    /// Those of them that leave zero in this direction.
    pub leaving: Vec<u32>,
}

/// The one-sided derivative at a solution; the adjoint's arguments, with a direction.
pub(crate) fn one_sided<D: DesignMatrix, L: Loss, P: Penalty>(
    problem: &SparseGlm<'_, D, L, P>,
    hyperparameters: &Hyperparameters,
    solution: &Solution,
    upper: &UpperGradient<'_>,
    direction: Direction<'_>,
) -> Result<OneSided> {
    direction.check(problem.penalty.blocks().len())?;
    let partition = Partition::new(problem, hyperparameters, solution, Selection::default());
    let curvatures = problem.curvatures(&solution.predictor);
    let context = Context {
        problem,
        hyperparameters,
        solution,
        upper,
        curvatures: &curvatures,
        accuracy: Accuracy::TIGHT,
    };
    let moving = |state| context.moving(partition.blocks_in(state).collect());
    let (active, biactive) = (moving(BlockState::Active), moving(BlockState::Biactive));
    let system = System::new(&context, &active, &biactive);
    let n_free = system.columns.len() - biactive.len();
    let mut linear = along_active(&context, &system, direction);
    linear.extend(biactive.iter().map(|&g| direction.of_block(g)));
    let hessian = system.hessian(&context);
    let Some(step) = minimize_on_cone(&hessian, &linear, n_free) else {
        let reason = "linearly dependent columns in the support, or on its edge: the solution is not unique"
            .to_string();
        return Err(Error::AdjointSolve { size: system.columns.len(), reason });
    };
    let name = |&g: &usize| u32::try_from(g).unwrap_or(u32::MAX);
    let left = biactive.iter().zip(&step[n_free..]).filter(|(_, d)| **d > 0.0);
    Ok(OneSided {
        // The right side of the adjoint system is −∇_yL.
        slope: -crate::kernel::dot(&system.right_side, &step),
        leaving: left.map(|(g, _)| name(g)).collect(),
        biactive: biactive.iter().map(name).collect(),
    })
}

/// dλ_g ∇ρ(y_g) + dα y_g on the active blocks.
fn along_active<D: DesignMatrix, L: Loss, P: Penalty>(
    context: &Context<'_, '_, D, L, P>,
    system: &System<'_, D>,
    direction: Direction<'_>,
) -> Vec<f64> {
    let mut linear = Vec::new();
    system.each_active(context, |g, _, block, rho| {
        let weight = direction.of_block(g);
        linear.extend(block.iter().zip(rho).map(|(y, r)| weight * r + direction.ridge * y));
    });
    linear
}

/// argmin ½δᵀHδ + cᵀδ with δ_k ≥ 0 for k ≥ `n_free`, by adding the most promising bounded coordinate and backing off where one would turn
/// negative; `None` if H is singular on the coordinates in use.
fn minimize_on_cone(hessian: &[f64], linear: &[f64], n_free: usize) -> Option<Vec<f64>> {
    let size = linear.len();
    let scale = linear.iter().fold(0.0_f64, |m, c| m.max(c.abs()));
    let mut used: Vec<usize> = (0..n_free).collect();
    let mut step = vec![0.0; size];
    // Every pass of the outer loop lowers the quadratic with another set in use, so it ends; the limit is for rounding.
    for _ in 0..10 * (size - n_free) + 10 {
        loop {
            let target = solve_on(hessian, linear, &used)?;
            let blocking = used
                .iter()
                .filter(|&&k| k >= n_free && target[k] <= 0.0)
                .map(|&k| step[k] / (step[k] - target[k]))
                .fold(f64::INFINITY, f64::min);
            if blocking == f64::INFINITY {
                step = target;
                break;
            }
            step.iter_mut().zip(&target).for_each(|(s, t)| *s += blocking * (t - *s));
            used.retain(|&k| k < n_free || target[k] > 0.0 || step[k] > ROUNDING * (step[k] - target[k]));
            (n_free..size).filter(|k| !used.contains(k)).for_each(|k| step[k] = 0.0);
        }
        let gradient = |k: usize| linear[k] + crate::kernel::dot(&hessian[k * size..(k + 1) * size], &step);
        let entering = (n_free..size)
            .filter(|k| !used.contains(k))
            .map(|k| (gradient(k), k))
            .filter(|(g, _)| *g < -ROUNDING * scale)
            .min_by(|a, b| a.0.total_cmp(&b.0));
        match entering {
            Some((_, k)) => used.push(k),
            None => break,
        }
    }
    Some(step)
}

/// −H_UU⁻¹c_U on the coordinates in use, 0 elsewhere.
fn solve_on(hessian: &[f64], linear: &[f64], used: &[usize]) -> Option<Vec<f64>> {
    let size = linear.len();
    let mut all = vec![0.0; size];
    if used.is_empty() {
        return Some(all);
    }
    let matrix: Vec<f64> =
        used.iter().flat_map(|&k| used.iter().map(move |&i| hessian[k * size + i])).collect();
    let right: Vec<f64> = used.iter().map(|&k| -linear[k]).collect();
    let solution = Cholesky::new(used.len(), &matrix)?.solve(&right);
    used.iter().zip(solution).for_each(|(&k, s)| all[k] = s);
    Some(all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_bounded_coordinate_leaves_only_where_that_descends() {
        // ½(x² + y²) + x·c₀ + y·c₁ with y ≥ 0.
        let identity = [1.0, 0.0, 0.0, 1.0];
        assert_eq!(minimize_on_cone(&identity, &[1.0, 2.0], 1).unwrap(), [-1.0, 0.0]);
        assert_eq!(minimize_on_cone(&identity, &[1.0, -2.0], 1).unwrap(), [-1.0, 2.0]);
    }

    #[test]
    fn a_coordinate_that_entered_leaves_again_where_another_takes_its_place() {
        // H = [[1, .9], [.9, 1]], c = (−1, −1.05): alone the second enters first; together (0.29, 0.79) > 0.
        let both = minimize_on_cone(&[1.0, 0.9, 0.9, 1.0], &[-1.0, -1.05], 0).unwrap();
        approx::assert_relative_eq!(both[0], 0.055 / 0.19, max_relative = 1e-12);
        approx::assert_relative_eq!(both[1], 0.15 / 0.19, max_relative = 1e-12);
        // c = (−1, −1.2): the first would be negative beside the second.
        assert_eq!(minimize_on_cone(&[1.0, 0.9, 0.9, 1.0], &[-1.0, -1.2], 0).unwrap(), [0.0, 1.2]);
    }

    #[test]
    fn dependent_columns_in_use_have_no_unique_step() {
        assert!(minimize_on_cone(&[1.0, 1.0, 1.0, 1.0], &[1.0, 1.0], 2).is_none());
    }
}
