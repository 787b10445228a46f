//! Implicit hypergradients of the sparse generalized linear model, on the reduced system.
//!
//! ```text
//! H q = −Ãᵀω,     ∂Φ/∂λ_g = ∇ρ(y_g)ᵀ q_g,     ∂Φ/∂α = y_Sᵀ q_S
//! ```
//!
//! Ã holds the columns of the reduced design (centered in the h-weighted mean where there is an intercept), H = ÃᵀDÃ + αI + λ∇²ρ. Systems
//! are solved by conjugate gradients where they are small, preconditioned by the Cholesky factor of the solver's cached Hessian (one product for the
//! squared loss, whose Hessian is constant; a few for the others), else by conjugate residuals, scaled by the diagonal.
//!
//! Source: Pérez-Aros, Vilches, Villacís, "A variational analysis approach for bilevel hyperparameter optimization with sparse
//! regularization"; Bertrand et al., "Implicit differentiation for fast hyperparameter selection in non-smooth convex learning", JMLR 23 (2022).

use std::collections::HashMap;
use std::sync::PoisonError;

use crate::Result;
use crate::design::DesignMatrix;
use crate::loss::Loss;
use crate::lower::{
    Adjoint, CAPACITY, Curvature, Hyperparameters, RowMajor, Solution, SparseGlm, UpperGradient,
};
use crate::outer::Accuracy;
use crate::penalty::Penalty;
use crate::solver::{Cholesky, PseudoInverse, conjugate_gradient, conjugate_residual};

use super::partition::{BlockState, Partition};
use super::reduced::ReducedDesign;
use super::{BiactivePolicy, Selection, bound};

/// Products that a factorized system may take: one and a check, and a few more where it is so ill-conditioned that its solution needs refinement.
const FEW_PRODUCTS: usize = 8;

/// (∂y*/∂(λ, α))ᵀ∇_yL by the implicit function theorem, with biactive blocks as `selection` says.
pub(crate) fn implicit<D: DesignMatrix, L: Loss, P: Penalty>(
    problem: &SparseGlm<'_, D, L, P>,
    hyperparameters: &Hyperparameters,
    solution: &Solution,
    upper: &UpperGradient<'_>,
    selection: Selection,
    accuracy: Accuracy,
) -> Result<Adjoint> {
    let partition = Partition::new(problem, hyperparameters, solution, selection);
    let curvatures = problem.curvatures(&solution.predictor);
    let context = Context { problem, hyperparameters, solution, upper, curvatures: &curvatures, accuracy };
    let moving = |state| context.moving(partition.blocks_in(state).collect());
    let (active, biactive) = (moving(BlockState::Active), moving(BlockState::Biactive));
    let mut selected = match selection.policy {
        BiactivePolicy::Null => Vec::new(),
        BiactivePolicy::All => biactive.clone(),
        BiactivePolicy::DescentAligned | BiactivePolicy::SelfConsistent => {
            context.descent_aligned(&biactive, selection.max_seeds)
        }
    };
    loop {
        let system = System::new(&context, &active, &selected);
        let solve = system.solve(&context);
        let first_selected = system.reduced.n_columns() - selected.len();
        if selection.policy == BiactivePolicy::SelfConsistent {
            let coherent: Vec<usize> = selected
                .iter()
                .enumerate()
                .filter(|(k, _)| solve.q[first_selected + k] > 0.0)
                .map(|(_, &g)| g)
                .collect();
            if coherent.len() < selected.len() {
                selected = coherent;
                continue;
            }
        }
        return Ok(system.assemble(&context, solve, biactive.len()));
    }
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

impl<D: DesignMatrix, L: Loss, P: Penalty> Context<'_, '_, D, L, P> {
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

    fn curvature<'d, M: DesignMatrix>(&'d self, design: &'d M) -> Curvature<'d, M> {
        Curvature::new(design, self.curvatures, self.hyperparameters.ridge, self.problem.intercept)
    }

    /// Unit direction in which a biactive block leaves zero.
    fn exit_direction(&self, g: usize) -> Vec<(u32, f64)> {
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
    fn upper_gradient(&self, reduced: &ReducedDesign<'_, D>, columns: &[u32]) -> Vec<f64> {
        let curvature = self.curvature(reduced);
        let sums = curvature.column_sums(columns);
        let total: f64 = self.upper.predictor.iter().sum();
        let entry = |(&k, sum): (&u32, &f64)| {
            reduced.column_dot(k as usize, self.upper.predictor) - sum * curvature.inverse_total() * total
        };
        columns.iter().zip(&sums).map(entry).collect()
    }
}

fn indices(count: usize) -> Vec<u32> {
    (0..count).map(|k| u32::try_from(k).unwrap_or(u32::MAX)).collect()
}

/// The reduced system: active blocks first, selected biactive ones last.
pub(super) struct System<'c, D> {
    pub(super) reduced: ReducedDesign<'c, D>,
    pub(super) columns: Vec<u32>,
    /// −Ãᵀω.
    pub(super) right_side: Vec<f64>,
    /// For each active block: the block and its range of reduced columns.
    pub(super) active: Vec<(usize, std::ops::Range<usize>)>,
    selected: Vec<usize>,
    /// The feature behind each reduced column (the first, for a combined one).
    features: Vec<u32>,
}

/// Solution of the reduced system.
pub(super) struct Solve {
    pub(super) q: Vec<f64>,
    /// ‖right side − H q‖.
    pub(super) residual: f64,
    /// Estimate of the smallest eigenvalue of H; 0 if it is singular.
    pub(super) smallest_eigenvalue: f64,
    /// Whether the asked residual was reached.
    converged: bool,
}

impl<'c, D: DesignMatrix> System<'c, D> {
    pub(super) fn new<L: Loss, P: Penalty>(
        context: &Context<'c, '_, D, L, P>,
        active: &[usize],
        selected: &[usize],
    ) -> Self {
        let blocks = context.problem.penalty.blocks();
        let mut reduced = ReducedDesign::new(context.problem.design);
        let mut ranges = Vec::with_capacity(active.len());
        let mut features = Vec::new();
        for &g in active {
            let first = features.len();
            for &j in blocks.members(g) {
                reduced.push(std::iter::once((j, 1.0)));
                features.push(j);
            }
            ranges.push((g, first..features.len()));
        }
        for &g in selected {
            reduced.push(context.exit_direction(g).into_iter());
            features.push(blocks.members(g)[0]);
        }
        let columns = indices(features.len());
        let right_side = context.upper_gradient(&reduced, &columns).iter().map(|g| -g).collect();
        Self { reduced, columns, right_side, active: ranges, selected: selected.to_vec(), features }
    }

    /// Calls `visit(range, λ_g, y_g)` for every active penalized block of more than one coefficient: only those have ∇²ρ ≠ 0.
    pub(super) fn curved<L: Loss, P: Penalty>(
        &self,
        context: &Context<'_, '_, D, L, P>,
        mut visit: impl FnMut(std::ops::Range<usize>, f64, &[f64]),
    ) {
        let mut block = Vec::new();
        for (g, range) in self.active.iter().filter(|(_, range)| range.len() > 1) {
            let lambda = context.hyperparameters.lambda[*g];
            if lambda > 0.0 {
                context.problem.penalty.blocks().gather(*g, &context.solution.coefficients, &mut block);
                visit(range.clone(), lambda, &block);
            }
        }
    }

    /// Calls `visit(g, range, y_g, ∇ρ(y_g))` for every active block; ∇ρ is 0 where an unpenalized block is zero.
    pub(super) fn each_active<L: Loss, P: Penalty>(
        &self,
        context: &Context<'_, '_, D, L, P>,
        mut visit: impl FnMut(usize, std::ops::Range<usize>, &[f64], &[f64]),
    ) {
        let penalty = context.problem.penalty;
        let (mut block, mut rho) = (Vec::new(), Vec::new());
        for (g, range) in &self.active {
            penalty.blocks().gather(*g, &context.solution.coefficients, &mut block);
            rho.clear();
            rho.resize(block.len(), 0.0);
            if block.iter().any(|y| *y != 0.0) {
                penalty.gradient_into(&block, &mut rho);
            }
            visit(*g, range.clone(), &block, &rho);
        }
    }

    fn solve<L: Loss, P: Penalty>(&self, context: &Context<'_, '_, D, L, P>) -> Solve {
        let size = self.columns.len();
        if size == 0 {
            return Solve {
                q: Vec::new(),
                residual: 0.0,
                smallest_eigenvalue: f64::INFINITY,
                converged: true,
            };
        }
        let curvature = context.curvature(&self.reduced);
        let sums = curvature.column_sums(&self.columns);
        if size <= CAPACITY {
            // For the squared loss the cached Hessian is exact; for others it is renewed here, and the next solve starts from it.
            let Some(hessian) = self.cached_hessian(context, L::MAX_THIRD_DERIVATIVE > 0.0) else {
                return self.solve_iteratively(context, &curvature, &sums, None, 4 * size + 100);
            };
            if let Some(factor) = Cholesky::new(size, &hessian) {
                let solve = self.solve_iteratively(context, &curvature, &sums, Some(&factor), FEW_PRODUCTS);
                if solve.converged {
                    return solve;
                }
            }
            if let Some(inverse) = PseudoInverse::new(size, &hessian) {
                return self.solve_singular(&inverse, &hessian);
            }
        }
        self.solve_iteratively(context, &curvature, &sums, None, 4 * size + 100)
    }

    /// The least-squares adjoint of smallest norm, for linearly dependent columns in the support.
    ///
    /// The coefficients are not unique then. Where the criterion feels that (its gradient has a part in the null space), there is no derivative
    /// to be had, and the error bound is infinite.
    fn solve_singular(&self, inverse: &PseudoInverse, hessian: &[f64]) -> Solve {
        let least_squares = inverse.solve(&self.right_side);
        let size = self.columns.len();
        let mut rest = self.right_side.clone();
        for (k, &q) in least_squares.solution.iter().enumerate() {
            crate::kernel::axpy(-q, &hessian[k * size..(k + 1) * size], &mut rest);
        }
        let norm = |v: &[f64]| v.iter().map(|r| r * r).sum::<f64>().sqrt();
        let is_unique = least_squares.outside <= 1e-8 * norm(&self.right_side);
        Solve {
            q: least_squares.solution,
            residual: norm(&rest),
            smallest_eigenvalue: if is_unique { inverse.smallest_eigenvalue() } else { 0.0 },
            converged: is_unique,
        }
    }

    /// The reduced Hessian on the solver's cached inner products, renewed at the solution if `fresh`.
    ///
    /// `None` if a combined column is among the reduced ones (they are not columns of the design).
    fn cached_hessian<L: Loss, P: Penalty>(
        &self,
        context: &Context<'_, '_, D, L, P>,
        fresh: bool,
    ) -> Option<Vec<f64>> {
        let penalty = context.problem.penalty;
        if self.selected.iter().any(|&g| penalty.blocks().members(g).len() > 1) {
            return None;
        }
        let mut cache = context.problem.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if fresh || cache.is_empty() {
            cache.renew(context.curvatures);
        }
        let (ridge, intercept) = (context.hyperparameters.ridge, context.problem.intercept);
        let mut hessian = cache.hessian(context.problem.design, &self.features, ridge, intercept).gram;
        drop(cache);
        let size = self.columns.len();
        // A selected biactive coordinate moves along its exit direction: its row and column change sign with it.
        let first_selected = size - self.selected.len();
        for k in (first_selected..size).filter(|&k| self.reduced.column_factor(k) < 0.0) {
            (0..size).for_each(|i| {
                hessian[k * size + i] = -hessian[k * size + i];
                hessian[i * size + k] = -hessian[i * size + k];
            });
        }
        self.add_penalty_hessian(context, &mut hessian);
        Some(hessian)
    }

    /// The reduced Hessian (m×m), computed anew.
    pub(super) fn hessian<L: Loss, P: Penalty>(&self, context: &Context<'_, '_, D, L, P>) -> Vec<f64> {
        let curvature = context.curvature(&self.reduced);
        let sums = curvature.column_sums(&self.columns);
        let mut hessian = curvature.gram(&self.columns, &sums, &mut Vec::new());
        self.add_penalty_hessian(context, &mut hessian);
        hessian
    }

    /// Adds λ∇²ρ of the active blocks.
    fn add_penalty_hessian<L: Loss, P: Penalty>(
        &self,
        context: &Context<'_, '_, D, L, P>,
        hessian: &mut [f64],
    ) {
        let size = self.columns.len();
        let mut block_hessian = Vec::new();
        self.curved(context, |range, lambda, block| {
            block_hessian.clear();
            block_hessian.resize(block.len() * block.len(), 0.0);
            context.problem.penalty.add_hessian(block, lambda, &mut block_hessian);
            for (r, i) in range.clone().enumerate() {
                for (c, k) in range.clone().enumerate() {
                    hessian[k * size + i] += block_hessian[r * block.len() + c];
                }
            }
        });
    }

    /// Conjugate gradients, preconditioned by the factor of a nearby Hessian; without one, conjugate residuals, which a singular system does
    /// not lead astray.
    fn solve_iteratively<L: Loss, P: Penalty>(
        &self,
        context: &Context<'_, '_, D, L, P>,
        curvature: &Curvature<'_, ReducedDesign<'c, D>>,
        sums: &[f64],
        nearby: Option<&Cholesky>,
        max_products: usize,
    ) -> Solve {
        let warm: HashMap<u32, f64> = context.upper.warm_start.iter().copied().collect();
        let mut q: Vec<f64> = self.features.iter().map(|j| warm.get(j).copied().unwrap_or(0.0)).collect();
        let mut work = Vec::new();
        // Many products are worth a copy by rows; the few that a factor leaves are not.
        let by_rows = || RowMajor::new(&self.reduced, &self.columns, context.problem.sample_weights);
        let rows = nearby.is_none().then(by_rows).flatten();
        let product = |v: &[f64], out: &mut [f64]| {
            match &rows {
                Some(rows) => curvature.product_by_rows(rows, sums, v, out),
                None => curvature.product_into(&self.columns, sums, v, &mut work, out),
            }
            self.curved(context, |range, lambda, block| {
                context.problem.penalty.add_hessian_product(
                    block,
                    lambda,
                    &v[range.clone()],
                    &mut out[range],
                );
            });
        };
        let tolerance = context.accuracy.adjoint_residual;
        let outcome = match nearby {
            Some(factor) => {
                let precondition = |r: &[f64], out: &mut [f64]| out.copy_from_slice(&factor.solve(r));
                conjugate_gradient(product, precondition, &self.right_side, &mut q, tolerance, max_products)
            }
            None => {
                let diagonal = curvature.diagonal(&self.columns, sums);
                let scale: Vec<f64> =
                    diagonal.iter().map(|d| if *d > 0.0 { d.sqrt() } else { 1.0 }).collect();
                conjugate_residual(product, &scale, &self.right_side, &mut q, tolerance, max_products)
            }
        };
        let of_factor = nearby.map_or(f64::INFINITY, Cholesky::smallest_eigenvalue);
        let ridge = context.hyperparameters.ridge;
        // A residual that does not vanish is out of reach: the system is singular, and the criterion feels it (see `solve_singular`).
        let is_singular = nearby.is_none() && !outcome.converged;
        let smallest_eigenvalue =
            if is_singular { ridge } else { of_factor.min(outcome.smallest_quotient).max(ridge) };
        Solve { q, residual: outcome.residual, smallest_eigenvalue, converged: outcome.converged }
    }

    fn assemble<L: Loss, P: Penalty>(
        &self,
        context: &Context<'_, '_, D, L, P>,
        solve: Solve,
        biactive: usize,
    ) -> Adjoint {
        let mut lambda = Vec::with_capacity(self.active.len() + self.selected.len());
        let mut ridge = 0.0;
        self.each_active(context, |g, range, block, rho| {
            let q = &solve.q[range];
            ridge += block.iter().zip(q).map(|(y, q)| y * q).sum::<f64>();
            if block.iter().any(|y| *y != 0.0) {
                let entry = rho.iter().zip(q).map(|(r, q)| r * q).sum();
                lambda.push((u32::try_from(g).unwrap_or(u32::MAX), entry));
            }
        });
        let first_selected = self.columns.len() - self.selected.len();
        for (k, &g) in self.selected.iter().enumerate() {
            lambda.push((u32::try_from(g).unwrap_or(u32::MAX), solve.q[first_selected + k]));
        }
        lambda.sort_unstable_by_key(|e| e.0);
        let scale = self.right_side.iter().map(|r| r * r).sum::<f64>().sqrt();
        Adjoint {
            lambda,
            ridge,
            residual: if scale > 0.0 { solve.residual / scale } else { 0.0 },
            error_bound: bound::adjoint_error(context, self, &solve),
            biactive,
            warm_start: self.features.iter().copied().zip(solve.q).collect(),
        }
    }
}
