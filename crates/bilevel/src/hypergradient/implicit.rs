//! Implicit hypergradients of the sparse generalized linear model, on the reduced system.
//!
//! ```text
//! H q = −Ãᵀω,     ∂Φ/∂λ_g = ∇ρ(y_g)ᵀ q_g,     ∂Φ/∂α = y_Sᵀ q_S
//! ```
//!
//! Ã holds the columns of the reduced design (centered in the h-weighted mean where there is an intercept), H = ÃᵀDÃ + αI + λ∇²ρ (`system.rs`, `solve.rs`).
//!
//! Source: Pérez-Aros, Vilches, Villacís, "A variational analysis approach for bilevel hyperparameter optimization with sparse
//! regularization"; Bertrand et al., "Implicit differentiation for fast hyperparameter selection in non-smooth convex learning", JMLR 23 (2022).

use crate::Result;
use crate::design::DesignMatrix;
use crate::loss::Loss;
use crate::lower::{Adjoint, Curvature, Hyperparameters, Solution, SparseGlm, UpperGradient};
use crate::outer::Accuracy;
use crate::penalty::Penalty;

use super::partition::{BlockState, Partition};
use super::reduced::ReducedDesign;
use super::solve::{Solve, Solver};
use super::system::{System, indices};
use super::{BiactivePolicy, Selection};

/// (∂y*/∂(λ, α))ᵀ∇_yL by the implicit function theorem, with biactive blocks as `selection` says.
pub(crate) fn implicit<D: DesignMatrix, L: Loss, P: Penalty>(
    problem: &SparseGlm<'_, D, L, P>,
    hyperparameters: &Hyperparameters,
    solution: &Solution,
    upper: &UpperGradient<'_>,
    selection: Selection,
    accuracy: Accuracy,
) -> Result<Adjoint> {
    let curvatures = problem.curvatures(&solution.predictor);
    let context = Context { problem, hyperparameters, solution, upper, curvatures: &curvatures, accuracy };
    let Selected { system, solve, biactive } = context.select(selection);
    Ok(system.assemble(&context, solve, biactive))
}

/// The reduced system on the selected blocks, solved for the adjoint.
pub(super) struct Selected<'c, D> {
    pub(super) system: System<'c, D>,
    pub(super) solve: Solve,
    /// How many blocks were biactive, selected or not.
    pub(super) biactive: usize,
}

/// What every step of the computation looks at.
pub(super) struct Context<'c, 'a, D, L, P> {
    pub(super) problem: &'c SparseGlm<'a, D, L, P>,
    pub(super) hyperparameters: &'c Hyperparameters,
    pub(super) solution: &'c Solution,
    pub(super) upper: &'c UpperGradient<'c>,
    pub(super) curvatures: &'c [f64],
    pub(super) accuracy: Accuracy,
}

impl<'c, D: DesignMatrix, L: Loss, P: Penalty> Context<'c, '_, D, L, P> {
    /// Selects biactive blocks by the policy, and solves for the adjoint on them and the active ones.
    pub(super) fn select(&self, selection: Selection) -> Selected<'c, D> {
        let partition = Partition::new(self.problem, self.hyperparameters, self.solution, selection);
        let moving = |state| self.moving(partition.blocks_in(state).collect());
        let (active, biactive) = (moving(BlockState::Active), moving(BlockState::Biactive));
        let mut selected = match selection.policy {
            BiactivePolicy::Null => Vec::new(),
            BiactivePolicy::All => biactive.clone(),
            BiactivePolicy::DescentAligned | BiactivePolicy::SelfConsistent => {
                self.descent_aligned(&biactive, selection.max_seeds)
            }
        };
        loop {
            let system = System::new(self, &active, &selected);
            let solve = Solver::new(&system, self).solve(&system.right_side, self.upper.warm_start);
            let first_selected = system.columns.len() - selected.len();
            let agrees = |k: &usize| solve.q[first_selected + k] > 0.0;
            let coherent: Vec<usize> = (0..selected.len()).filter(agrees).map(|k| selected[k]).collect();
            if selection.policy == BiactivePolicy::SelfConsistent && coherent.len() < selected.len() {
                selected = coherent;
                continue;
            }
            return Selected { system, solve, biactive: biactive.len() };
        }
    }

    /// Those of the blocks that the loss (or the ridge) sees at all: a column that is constant on the training rows does not move.
    pub(super) fn moving(&self, mut blocks: Vec<usize>) -> Vec<usize> {
        let curvature = self.curvature(self.problem.design);
        blocks.retain(|&g| {
            let members = self.problem.penalty.blocks().members(g);
            let sums = curvature.column_sums(members);
            curvature.diagonal(members, &sums).iter().any(|d| *d > 0.0)
        });
        blocks
    }

    pub(super) fn curvature<'d, M: DesignMatrix>(&'d self, design: &'d M) -> Curvature<'d, M> {
        Curvature::new(design, self.curvatures, self.hyperparameters.ridge, self.problem.intercept)
    }

    /// Unit direction in which a biactive block leaves zero.
    pub(super) fn exit_direction(&self, g: usize) -> Vec<(u32, f64)> {
        let members = self.problem.penalty.blocks().members(g);
        let gradient: Vec<f64> = members.iter().map(|&j| self.solution.correlations[j as usize]).collect();
        let norm = gradient.iter().map(|c| c * c).sum::<f64>().sqrt();
        members.iter().zip(gradient).map(|(&j, c)| (j, -c / norm)).collect()
    }

    /// Biactive blocks along whose exit direction the criterion falls, increasing: at most `most`, those along which it falls fastest.
    fn descent_aligned(&self, biactive: &[usize], most: Option<usize>) -> Vec<usize> {
        let mut reduced = ReducedDesign::new(self.problem.design);
        biactive.iter().for_each(|&g| reduced.push(self.exit_direction(g).into_iter()));
        let columns = indices(biactive.len());
        let gradient = self.upper_gradient(&reduced, &columns);
        let mut falling: Vec<(f64, usize)> =
            gradient.into_iter().zip(biactive.iter().copied()).filter(|(slope, _)| *slope < 0.0).collect();
        falling.sort_by(|a, b| a.0.total_cmp(&b.0));
        falling.truncate(most.unwrap_or(usize::MAX));
        let mut selected: Vec<usize> = falling.into_iter().map(|(_, g)| g).collect();
        selected.sort_unstable();
        selected
    }

    /// Ãᵀω with the intercept profiled out.
    pub(super) fn upper_gradient(&self, reduced: &ReducedDesign<'_, D>, columns: &[u32]) -> Vec<f64> {
        let curvature = self.curvature(reduced);
        let sums = curvature.column_sums(columns);
        let total: f64 = self.upper.predictor.iter().sum();
        let entry = |(&k, sum): (&u32, &f64)| {
            reduced.column_dot(k as usize, self.upper.predictor) - sum * curvature.inverse_total() * total
        };
        columns.iter().zip(&sums).map(entry).collect()
    }
}
