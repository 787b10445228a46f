//! The reduced system: its columns, its Hessian, and how its solution reads as a hypergradient.

use std::sync::PoisonError;

use crate::design::DesignMatrix;
use crate::loss::Loss;
use crate::lower::Adjoint;
use crate::penalty::Penalty;

use super::bound;
use super::implicit::Context;
use super::reduced::ReducedDesign;
use super::solve::Solve;

pub(super) fn indices(count: usize) -> Vec<u32> {
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
    pub(super) selected: Vec<usize>,
    /// The feature behind each reduced column (the first, for a combined one).
    pub(super) features: Vec<u32>,
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

    /// The reduced Hessian on the solver's cached inner products, renewed at the solution if `fresh`.
    ///
    /// `None` if a combined column is among the reduced ones (they are not columns of the design).
    pub(super) fn cached_hessian<L: Loss, P: Penalty>(
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
            cache.renew(context.curvatures, context.problem.intercept);
        }
        let slots = cache.hold(context.problem.design, &self.features);
        let mut hessian = cache.products().gather(&slots, context.hyperparameters.ridge);
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

    /// out += λ∇²ρ v on the active blocks.
    pub(super) fn add_penalty_product<L: Loss, P: Penalty>(
        &self,
        context: &Context<'_, '_, D, L, P>,
        v: &[f64],
        out: &mut [f64],
    ) {
        self.curved(context, |range, lambda, block| {
            let (v, out) = (&v[range.clone()], &mut out[range]);
            context.problem.penalty.add_hessian_product(block, lambda, v, out);
        });
    }

    /// Some columns of the reduced Hessian, computed anew.
    pub(super) fn hessian_columns<L: Loss, P: Penalty>(
        &self,
        context: &Context<'_, '_, D, L, P>,
        which: std::ops::Range<usize>,
    ) -> Vec<Vec<f64>> {
        let curvature = context.curvature(&self.reduced);
        let sums = curvature.column_sums(&self.columns);
        let mut work = Vec::new();
        let column = |k: usize| {
            let (mut unit, mut out) = (vec![0.0; self.columns.len()], vec![0.0; self.columns.len()]);
            unit[k] = 1.0;
            curvature.product_into(&self.columns, &sums, &unit, &mut work, &mut out);
            self.add_penalty_product(context, &unit, &mut out);
            out
        };
        which.map(column).collect()
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

    pub(super) fn assemble<L: Loss, P: Penalty>(
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
