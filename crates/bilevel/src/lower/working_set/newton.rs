//! Prox-Newton steps on one working set: quadratic models, their minimizers, line searches.

use std::sync::PoisonError;

use crate::design::DesignMatrix;
use crate::loss::Loss;
use crate::lower::Curvature;
use crate::lower::curvature::ColumnModel;
use crate::lower::gram_cache::{GramCache, capacity};
use crate::lower::row_major::LazyRows;
use crate::lower::sparse_glm::Measured;
use crate::penalty::Penalty;
use crate::solver::{CdSettings, GramModel, LocalBlocks, coordinate_descent};

use super::State;

const MAX_NEWTON_STEPS: usize = 30;
/// A quasi-Newton step that leaves more than this fraction of the violation has outlived its curvatures. New inner products cost as much as some
/// ten more steps on the old ones.
const SLOW_CONTRACTION: f64 = 0.4;
/// Steps shorter than this tell that the model's curvature is too small where it matters.
const SHORT_STEP: f64 = 0.1;

/// The quadratic model of the loss on the working set, with the intercept minimized out.
struct QuadraticParts {
    /// Where the cache holds the columns' products, if it does.
    slots: Option<Vec<u32>>,
    /// Sample curvatures h, where the cache does not have them.
    weights: Vec<f64>,
    /// a_jᵀh of each column.
    sums: Vec<f64>,
    /// 1/Σh, or 0 without intercept.
    inverse_total: f64,
    diagonal: Vec<f64>,
    blocks: LocalBlocks,
    /// Coefficients at the expansion point.
    start: Vec<f64>,
    /// Gradient there.
    gradient: Vec<f64>,
    /// Whether the curvatures are those of the expansion point.
    is_fresh: bool,
}

/// What one prox-Newton step came to.
struct Reached {
    violation: f64,
    /// Fraction of the model's step that was taken.
    step: f64,
    at: Measured,
}

impl<D: DesignMatrix, L: Loss, P: Penalty> State<'_, '_, D, L, P> {
    /// Prox-Newton on the working set, until no block violates its condition by more than `target`.
    ///
    /// The intercept is one more coordinate of the model, minimized out: the gradient below is that of the profiled loss.
    pub(super) fn solve_on(&mut self, working_set: &[usize], target: f64) {
        let problem = self.problem;
        let columns: Vec<u32> =
            working_set.iter().flat_map(|&g| problem.penalty.blocks().members(g)).copied().collect();
        let quadratic_loss = L::MAX_THIRD_DERIVATIVE == 0.0;
        let mut cache = problem.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let mut last_violation = f64::INFINITY;
        let mut at = problem.measure(&self.solution.predictor);
        let rows = LazyRows::new(problem.sample_weights);
        let mut has_moved = false;
        for _ in 0..MAX_NEWTON_STEPS {
            let model = self.model(working_set, &columns, &at, &mut cache, has_moved);
            self.violation = violation(problem.penalty, &model.blocks, &model.start, &model.gradient);
            // The slopes are of order one in sum; 1e-14 is their rounding.
            let settled = !problem.intercept || at.slope_sum.abs() <= target.max(1e-14);
            if last_violation.is_finite() && self.violation <= target && settled {
                break;
            }
            let outlived =
                self.violation > (SLOW_CONTRACTION * last_violation).max(target) && !model.is_fresh;
            if outlived && !quadratic_loss {
                cache.clear();
                last_violation = f64::INFINITY;
                continue;
            }
            last_violation = self.violation;
            let tolerance = if quadratic_loss { target } else { target.max(0.1 * self.violation) };
            let reached = self.minimize(model, &columns, &rows, &at, &cache, tolerance);
            has_moved |= reached.is_some();
            if !quadratic_loss
                && reached.as_ref().is_none_or(|r| r.step < SHORT_STEP)
                && self.damp(L::MAX_CURVATURE)
            {
                cache.clear();
                last_violation = f64::INFINITY;
                at = reached.map_or(at, |r| r.at);
                continue;
            }
            let Some(reached) = reached else { break };
            if quadratic_loss {
                self.violation = reached.violation;
                break;
            }
            if reached.step == 1.0 {
                self.damping *= 0.1;
            }
            at = reached.at;
        }
        drop(cache);
        self.refresh();
    }

    /// Raises the floor under the curvatures after a step that overshot: where the logistic loss saturates its curvature vanishes long before its
    /// slope does, and a Newton step leads to infinity. At the loss's largest curvature the model is a majorant, whose full step always decreases.
    ///
    /// Returns `false` if the floor is there already.
    fn damp(&mut self, largest: f64) -> bool {
        let raised = self.damping < largest;
        self.damping = (100.0 * self.damping).clamp(1e-4, largest);
        raised
    }

    /// h_i = s_i·max(f'', damping).
    fn damped_curvatures(&self) -> Vec<f64> {
        let mut weights = self.problem.curvatures(&self.solution.predictor);
        if self.damping > 1e-7 {
            weights
                .iter_mut()
                .zip(self.problem.sample_weights)
                .for_each(|(h, s)| *h = h.max(self.damping * s));
        }
        weights
    }

    /// The quadratic model at the current point: its Hessian from the cache of inner products for small working sets, through the columns
    /// for large ones. The correlations are known where nothing `has_moved` since they were computed.
    fn model(
        &self,
        working_set: &[usize],
        columns: &[u32],
        at: &Measured,
        cache: &mut GramCache,
        has_moved: bool,
    ) -> QuadraticParts {
        let problem = self.problem;
        let ridge = self.hyperparameters.ridge;
        let (slots, sums, inverse_total, diagonal, weights, is_fresh): (_, Vec<f64>, _, Vec<f64>, _, _);
        if columns.len() <= capacity(problem.design) {
            is_fresh = cache.is_empty();
            if is_fresh {
                cache.renew(&self.damped_curvatures(), problem.intercept);
            }
            let held = cache.hold(problem.design, columns);
            inverse_total = cache.inverse_total();
            sums = held.iter().map(|&slot| cache.sum(slot)).collect();
            diagonal = held.iter().map(|&slot| ridge + cache.variance(slot)).collect();
            weights = Vec::new();
            slots = Some(held);
        } else {
            cache.clear();
            weights = self.damped_curvatures();
            let curvature = Curvature::new(problem.design, &weights, ridge, problem.intercept);
            sums = curvature.column_sums(columns);
            (diagonal, inverse_total) = (curvature.diagonal(columns, &sums), curvature.inverse_total());
            is_fresh = true;
            slots = None;
        }
        let start: Vec<f64> = columns.iter().map(|&j| self.solution.coefficients[j as usize]).collect();
        let shift = inverse_total * at.slope_sum;
        let correlation = |j: u32| match has_moved {
            true => problem.design.column_dot(j as usize, &at.slopes),
            false => self.solution.correlations[j as usize],
        };
        let gradient = (columns.iter().zip(&start).zip(&sums))
            .map(|((&j, y), sum)| correlation(j) - shift * sum + ridge * y)
            .collect();
        let held = slots.as_deref().map(|slots| (&*cache, slots));
        let blocks = self.local_blocks(working_set, columns, held, &weights, &sums, &diagonal);
        QuadraticParts { slots, weights, sums, inverse_total, diagonal, blocks, start, gradient, is_fresh }
    }

    fn local_blocks(
        &self,
        working_set: &[usize],
        columns: &[u32],
        held: Option<(&GramCache, &[u32])>,
        weights: &[f64],
        sums: &[f64],
        diagonal: &[f64],
    ) -> LocalBlocks {
        let largest_row_sum = |gram: &[f64], size: usize| {
            gram.chunks(size).map(|row| row.iter().map(|v| v.abs()).sum()).fold(0.0, f64::max)
        };
        let mut starts = vec![0];
        let mut lipschitz = Vec::with_capacity(working_set.len());
        for &g in working_set {
            let first = starts[starts.len() - 1];
            let last = first + self.problem.penalty.blocks().members(g).len();
            starts.push(last);
            // Gershgorin: the largest absolute row sum of the block's Hessian bounds its eigenvalues.
            lipschitz.push(match held {
                _ if last - first == 1 => diagonal[first],
                Some((cache, slots)) => {
                    let gram = cache.products().gather(&slots[first..last], self.hyperparameters.ridge);
                    largest_row_sum(&gram, last - first)
                }
                None => {
                    let curvature = Curvature::new(
                        self.problem.design,
                        weights,
                        self.hyperparameters.ridge,
                        self.problem.intercept,
                    );
                    let gram = curvature.gram(&columns[first..last], &sums[first..last], &mut Vec::new());
                    largest_row_sum(&gram, last - first)
                }
            });
        }
        let lambda = working_set.iter().map(|&g| self.hyperparameters.lambda[g]).collect();
        LocalBlocks { starts, lambda, lipschitz }
    }

    /// Minimizes model + penalty, and moves there as far as the true objective agrees; `None` if nothing moved.
    fn minimize(
        &mut self,
        model: QuadraticParts,
        columns: &[u32],
        rows: &LazyRows<'_>,
        at: &Measured,
        cache: &GramCache,
        tolerance: f64,
    ) -> Option<Reached> {
        let problem = self.problem;
        let settings = CdSettings { tolerance, max_sweeps: 1000 };
        let mut y = model.start.clone();
        let outcome = if let Some(slots) = &model.slots {
            let rank = problem.rank_of_hessian();
            let mut quadratic =
                GramModel::new(cache.products(), slots, self.hyperparameters.ridge, &model.gradient)
                    .of_rank(rank);
            coordinate_descent(&mut quadratic, problem.penalty, &model.blocks, &mut y, settings)
        } else {
            let curvature =
                Curvature::new(problem.design, &model.weights, self.hyperparameters.ridge, problem.intercept);
            let mut quadratic =
                ColumnModel::new(&curvature, columns, &model.sums, &model.diagonal, rows, at, &model.start);
            coordinate_descent(&mut quadratic, problem.penalty, &model.blocks, &mut y, settings)
        };
        let (step, at) = self.line_search(columns, &model, &y, at)?;
        Some(Reached { violation: outcome.violation, step, at })
    }

    /// Moves from the model's start towards its minimizer `y`, with the intercept that belongs to it: all the way if the objective decreases
    /// enough, else halving. `None` if nothing moves.
    fn line_search(
        &mut self,
        columns: &[u32],
        model: &QuadraticParts,
        y: &[f64],
        at: &Measured,
    ) -> Option<(f64, Measured)> {
        let problem = self.problem;
        let direction: Vec<f64> = y.iter().zip(&model.start).map(|(y, s)| y - s).collect();
        let mut image = vec![0.0; problem.design.n_rows()];
        for (&j, &d) in columns.iter().zip(&direction).filter(|(_, d)| **d != 0.0) {
            problem.design.column_axpy(j as usize, d, &mut image);
        }
        let shift = -model.inverse_total * (at.slope_sum + crate::kernel::dot(&model.sums, &direction));
        if shift == 0.0 && direction.iter().all(|d| *d == 0.0) {
            return None;
        }
        image.iter_mut().for_each(|t| *t += shift);
        let slope: f64 = at.slopes.iter().zip(&image).map(|(s, t)| s * t).sum();
        let (step, measured) = self.sufficient_step(model, &direction, &image, slope, at)?;
        self.solution.intercept += step * shift;
        for ((&j, &s), (&d, &y)) in columns.iter().zip(&model.start).zip(direction.iter().zip(y)) {
            self.solution.coefficients[j as usize] = if step == 1.0 { y } else { s + step * d };
        }
        Some((step, measured))
    }

    /// Armijo: the largest step 2⁻ᵏ that decreases the objective by a hundredth of what its slope promises; moves the predictor there.
    fn sufficient_step(
        &mut self,
        model: &QuadraticParts,
        direction: &[f64],
        image: &[f64],
        loss_slope: f64,
        at: &Measured,
    ) -> Option<(f64, Measured)> {
        let problem = self.problem;
        if L::MAX_THIRD_DERIVATIVE == 0.0 {
            crate::kernel::axpy(1.0, image, &mut self.solution.predictor);
            return Some((1.0, Measured::default()));
        }
        let penalties = |t: f64| model.penalties(problem.penalty, self.hyperparameters.ridge, direction, t);
        let at_start = penalties(0.0);
        let slope = (loss_slope + penalties(1.0) - at_start).min(0.0);
        // A sum over n samples is not known better than this; the model is exact enough there to take the full step.
        let noise = 1e-12 * (at.loss + at_start).abs();
        let mut step = 1.0;
        while step > 1e-10 {
            let predictor: Vec<f64> =
                self.solution.predictor.iter().zip(image).map(|(z, t)| z + step * t).collect();
            let measured = problem.measure(&predictor);
            if measured.loss + penalties(step) <= at.loss + at_start + 0.01 * step * slope + noise {
                self.solution.predictor = predictor;
                return Some((step, measured));
            }
            step *= 0.5;
        }
        None
    }
}

impl QuadraticParts {
    /// Ridge and penalty on the working set at start + t·direction.
    fn penalties<P: Penalty>(&self, penalty: &P, ridge: f64, direction: &[f64], t: f64) -> f64 {
        let point: Vec<f64> = self.start.iter().zip(direction).map(|(s, d)| s + t * d).collect();
        let square: f64 = point.iter().map(|y| y * y).sum();
        let blocks = &self.blocks;
        let weighted = |g: usize| {
            let block = &point[blocks.starts[g]..blocks.starts[g + 1]];
            if blocks.lambda[g] > 0.0 { blocks.lambda[g] * penalty.value(block) } else { 0.0 }
        };
        0.5 * ridge * square + (0..blocks.lambda.len()).map(weighted).sum::<f64>()
    }
}

/// Largest violation of a block's optimality condition, as the prox-gradient step times the block's Lipschitz constant.
fn violation<P: Penalty>(penalty: &P, blocks: &LocalBlocks, y: &[f64], gradient: &[f64]) -> f64 {
    let mut largest = 0.0_f64;
    let mut trial = Vec::new();
    for (g, &lipschitz) in blocks.lipschitz.iter().enumerate().filter(|(_, l)| **l > 0.0) {
        let range = blocks.starts[g]..blocks.starts[g + 1];
        trial.clear();
        trial.extend(range.clone().map(|k| y[k] - gradient[k] / lipschitz));
        penalty.prox(&mut trial, blocks.lambda[g] / lipschitz);
        for (new, k) in trial.iter().zip(range) {
            largest = largest.max((new - y[k]).abs() * lipschitz);
        }
    }
    largest
}
