//! Anderson extrapolation of coordinate descent.
//!
//! Once the support rests, sweeps are a linear map on the active coordinates, whose errors shrink slowly in a few directions. The combination of the last points whose
//! steps cancel best,
//!
//! ```text
//! Σ c_i y⁽ⁱ⁾,     c = argmin ‖Σ c_i (y⁽ⁱ⁺¹⁾ − y⁽ⁱ⁾)‖²,   Σ c_i = 1,
//! ```
//!
//! is without the slowest of them. From the last point towards it the objective is searched exactly, so it never rises; coordinates that would change sign stop at zero.
//!
//! Sources: Anderson, J. ACM 12 (1965); Bertrand, Massias, "Anderson acceleration of coordinate descent", AISTATS 2021 (depth 5, restarts).

use crate::penalty::Penalty;

use super::coordinate_descent::{LocalBlocks, QuadraticModel};

/// Steps that are combined.
const DEPTH: usize = 5;
/// Shift of the normal equations of c, relative to their trace: steps of a slow sweep are nearly parallel.
const SHIFT: f64 = 1e-10;

/// The points that the last sweeps ended at, since the support changed.
#[derive(Debug, Default)]
pub(super) struct Extrapolation {
    /// The coordinates that are not zero.
    active: Vec<usize>,
    /// Their values.
    points: Vec<Vec<f64>>,
}

impl Extrapolation {
    /// Forgets all points: the support has changed, or the last step was not a sweep.
    pub(super) fn restart(&mut self) {
        self.points.clear();
    }

    /// Takes note of the point that a sweep has ended at; with enough of them, moves the model and `y` on.
    pub(super) fn after_sweep<M: QuadraticModel, P: Penalty>(
        &mut self,
        model: &mut M,
        penalty: &P,
        blocks: &LocalBlocks,
        y: &mut [f64],
    ) {
        if self.points.is_empty() {
            self.active = (0..y.len()).filter(|&k| y[k] != 0.0).collect();
        }
        self.points.push(self.active.iter().map(|&k| y[k]).collect());
        if self.points.len() <= DEPTH {
            return;
        }
        if let Some(mut target) = self.combination() {
            stop_at_zero(&mut target, &self.active, blocks, y);
            move_towards(&target, &self.active, model, penalty, blocks, y);
        }
        self.restart();
    }

    /// Σ c_i y⁽ⁱ⁾ on the active coordinates; `None` if the steps are degenerate.
    fn combination(&self) -> Option<Vec<f64>> {
        let difference =
            |pair: &[Vec<f64>]| pair[1].iter().zip(&pair[0]).map(|(new, old)| new - old).collect();
        let steps: Vec<Vec<f64>> = self.points.windows(2).map(difference).collect();
        let products = steps.iter().flat_map(|a| steps.iter().map(|b| crate::kernel::dot(a, b)));
        let mut products: Vec<f64> = products.collect();
        let trace: f64 = (0..DEPTH).map(|i| products[i * DEPTH + i]).sum();
        (0..DEPTH).for_each(|i| products[i * DEPTH + i] += SHIFT * trace);
        let c = super::Cholesky::new(DEPTH, &products)?.solve(&[1.0; DEPTH]);
        let total: f64 = c.iter().sum();
        let mut target = vec![0.0; self.active.len()];
        for (c, point) in c.iter().zip(&self.points[1..]) {
            crate::kernel::axpy(c / total, point, &mut target);
        }
        target.iter().all(|t| t.is_finite()).then_some(target)
    }
}

/// A penalized coordinate on its own has a kink at zero, which its target may reach but not cross.
fn stop_at_zero(target: &mut [f64], active: &[usize], blocks: &LocalBlocks, y: &[f64]) {
    let mut g = 0;
    for (target, &k) in target.iter_mut().zip(active) {
        while blocks.starts[g + 1] <= k {
            g += 1;
        }
        if blocks.range(g).len() == 1 && blocks.lambda[g] > 0.0 && *target * y[k] < 0.0 {
            *target = 0.0;
        }
    }
}

/// Moves the active coordinates towards `target`, as far as the objective falls: exactly where the penalty is linear between the two points, and by an upper bound,
/// its chord, where it is only convex.
fn move_towards<M: QuadraticModel, P: Penalty>(
    target: &[f64],
    active: &[usize],
    model: &mut M,
    penalty: &P,
    blocks: &LocalBlocks,
    y: &mut [f64],
) {
    let start: Vec<f64> = active.iter().map(|&k| y[k]).collect();
    let slope_of = |model: &M| -> f64 {
        let terms = active.iter().zip(target).zip(&start);
        terms.map(|((&k, target), start)| model.gradient(k) * (target - start)).sum()
    };
    let penalties = |y: &[f64]| -> f64 {
        let weighted = (0..blocks.len()).filter(|&g| blocks.lambda[g] > 0.0 && blocks.lambda[g].is_finite());
        weighted.map(|g| blocks.lambda[g] * penalty.value(&y[blocks.range(g)])).sum()
    };
    let (penalty_before, slope_before) = (penalties(y), slope_of(model));
    for ((&k, target), start) in active.iter().zip(target).zip(&start) {
        model.update(k, target - start);
        y[k] = *target;
    }
    let slope = slope_before + penalties(y) - penalty_before;
    let curvature = slope_of(model) - slope_before;
    let step = if slope >= 0.0 { 0.0 } else { (-slope / curvature.max(0.0)).min(1.0) };
    if step < 1.0 {
        for ((&k, target), start) in active.iter().zip(target).zip(&start) {
            let there = start + step * (target - start);
            model.update(k, there - target);
            y[k] = there;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{GramModel, LocalBlocks, Products, QuadraticModel};
    use super::Extrapolation;
    use crate::penalty::{L1, Penalty};

    const SIZE: usize = 12;

    /// BᵀB + shift·I for B of `rank` rows.
    fn hessian(rank: usize, shift: f64, entries: &[f64]) -> Vec<f64> {
        let entry = |r: usize, k: usize| entries[(r * SIZE + k) % entries.len()];
        let product = |i: usize, k: usize| (0..rank).map(|r| entry(r, i) * entry(r, k)).sum::<f64>();
        (0..SIZE * SIZE)
            .map(|m| product(m % SIZE, m / SIZE) + if m % SIZE == m / SIZE { shift } else { 0.0 })
            .collect()
    }

    fn blocks(hessian: &[f64], lambda: f64) -> LocalBlocks {
        let diagonal = (0..SIZE).map(|k| hessian[k * SIZE + k]).collect();
        LocalBlocks { starts: (0..=SIZE).collect(), lambda: vec![lambda; SIZE], lipschitz: diagonal }
    }

    /// One sweep of exact minimizations along the coordinates that are not zero.
    fn sweep(model: &mut GramModel<'_>, lambda: f64, y: &mut [f64]) {
        for k in (0..SIZE).filter(|&k| y[k] != 0.0).collect::<Vec<_>>() {
            let mut new = [y[k] - model.gradient(k) / model.diagonal(k)];
            L1::new(1).prox(&mut new, lambda / model.diagonal(k));
            model.update(k, new[0] - y[k]);
            y[k] = new[0];
        }
    }

    /// ½yᵀHy − cᵀy + λ‖y‖₁.
    fn objective(hessian: &[f64], linear: &[f64], lambda: f64, y: &[f64]) -> f64 {
        let image = |i: usize| (0..SIZE).map(|k| hessian[k * SIZE + i] * y[k]).sum::<f64>();
        (0..SIZE).map(|i| (0.5 * image(i) - linear[i]) * y[i] + lambda * y[i].abs()).sum()
    }

    /// (objective, gradient of the model) after six sweeps from (1, …, 1), the last of which is seen by the extrapolation or not.
    fn after_six_sweeps(
        hessian: &[f64],
        linear: &[f64],
        lambda: f64,
        extrapolates: bool,
    ) -> (f64, Vec<f64>, Vec<f64>) {
        let (slots, mut y): (Vec<u32>, _) = ((0..).take(SIZE).collect(), vec![1.0; SIZE]);
        let gradient: Vec<f64> =
            (0..SIZE).map(|i| (0..SIZE).map(|k| hessian[k * SIZE + i]).sum::<f64>() - linear[i]).collect();
        let mut model =
            GramModel::new(Products { values: hessian, stride: SIZE, size: SIZE }, &slots, 0.0, &gradient);
        let mut extrapolation = Extrapolation::default();
        for _ in 0..6 {
            sweep(&mut model, lambda, &mut y);
            if extrapolates {
                extrapolation.after_sweep(&mut model, &L1::new(SIZE), &blocks(hessian, lambda), &mut y);
            }
        }
        let gradient = (0..SIZE).map(|k| model.gradient(k)).collect();
        (objective(hessian, linear, lambda, &y), gradient, y)
    }

    proptest! {
        #[test]
        fn the_objective_never_rises_and_the_model_moves_with_the_point(
            rank in 4_usize..20,
            entries in prop::collection::vec(-2.0_f64..2.0, 97),
            linear in prop::collection::vec(-3.0_f64..3.0, SIZE),
            lambda in 0.0_f64..2.0,
        ) {
            let hessian = hessian(rank, 1e-3, &entries);
            let (plain, ..) = after_six_sweeps(&hessian, &linear, lambda, false);
            let (extrapolated, gradient, y) = after_six_sweeps(&hessian, &linear, lambda, true);
            prop_assert!(extrapolated <= plain + 1e-10 * plain.abs().max(1.0), "{extrapolated} > {plain}");
            for i in 0..SIZE {
                let expected: f64 = (0..SIZE).map(|k| hessian[k * SIZE + i] * y[k]).sum::<f64>() - linear[i];
                prop_assert!((gradient[i] - expected).abs() <= 1e-9 * (1.0 + expected.abs()), "coordinate {i}");
            }
        }
    }

    /// All columns nearly the same: sweeps crawl along their differences. Without a penalty the minimum is known.
    #[test]
    fn one_extrapolation_halves_the_error_at_least() {
        let hessian: Vec<f64> =
            (0..SIZE * SIZE)
                .map(|m| {
                    if m % SIZE == m / SIZE {
                        1.0
                    } else {
                        0.99_f64.powi((m % SIZE).abs_diff(m / SIZE) as i32)
                    }
                })
                .collect();
        let truth: Vec<f64> = (0..SIZE).map(|k| 1.0 + (k as f64).sin()).collect();
        let linear: Vec<f64> =
            (0..SIZE).map(|i| (0..SIZE).map(|k| hessian[k * SIZE + i] * truth[k]).sum()).collect();
        let least = objective(&hessian, &linear, 0.0, &truth);
        let error = |extrapolates| after_six_sweeps(&hessian, &linear, 0.0, extrapolates).0 - least;
        assert!(error(true) < 0.5 * error(false), "{:e}, {:e}", error(true), error(false));
    }
}
