//! Sparse generalized linear models: weighted loss, ridge, and a block penalty.
//!
//! ```text
//! min_{y,c}  Σ_i s_i f(b_i, a_iᵀy + c) + (α/2)‖y‖² + Σ_g λ_g ρ(y_g),     s_i ≥ 0, Σ s_i = 1
//! ```
//!
//! The sample weights s make folds of one design: a held-out row has weight 0. The intercept c is never penalized.

use std::sync::{Mutex, OnceLock};

use crate::design::{ColumnSubset, DesignMatrix};
use crate::hypergradient::{self, CriticalCone, QuadraticCriterion, Selection};
use crate::loss::Loss;
use crate::outer::Accuracy;
use crate::penalty::Penalty;
use crate::{Error, Result};

use super::{
    Adjoint, Hyperparameters, LowerLevel, PathPoint, PathSegment, Solution, UpperGradient, dual::DualPoint,
    gram_cache::GramCache, working_set,
};

/// The lower-level problem, all but its hyperparameters.
#[derive(Debug)]
pub struct SparseGlm<'a, D, L, P> {
    pub(crate) design: &'a D,
    pub(crate) targets: &'a [f64],
    pub(crate) sample_weights: &'a [f64],
    pub(crate) loss: L,
    pub(crate) penalty: &'a P,
    pub(crate) intercept: bool,
    /// Inner products of columns, kept from one solve to the next.
    pub(crate) cache: Mutex<GramCache>,
    null: NullModel,
    /// Largest |Aᵀ(s∘f')| of the null model, once it is known.
    largest_correlation: OnceLock<f64>,
    /// √(Σ s a_j²) of each column, once it is known.
    pub(super) column_norms: OnceLock<Vec<f32>>,
}

/// The loss at a predictor.
#[derive(Debug, Default)]
pub(super) struct Measured {
    /// Σ s_i f(b_i, z_i).
    pub(super) loss: f64,
    /// s_i f'(b_i, z_i).
    pub(super) slopes: Vec<f64>,
    /// Their sum: the derivative in the intercept.
    pub(super) slope_sum: f64,
}

/// The model without features: only the intercept, if there is one.
#[derive(Debug, Clone, PartialEq)]
pub struct NullModel {
    /// Its intercept.
    pub intercept: f64,
    /// Its mean loss: the scale of relative duality gaps.
    pub objective: f64,
}

impl<'a, D: DesignMatrix, L: Loss, P: Penalty> SparseGlm<'a, D, L, P> {
    /// `targets` and `sample_weights` have length n; the weights must be nonnegative and sum to one.
    ///
    /// # Errors
    /// [`Error::InvalidData`] for lengths that do not match, weights that are not a distribution, or an intercept that has no finite optimum
    /// (a training part with one class).
    pub fn new(
        design: &'a D,
        targets: &'a [f64],
        sample_weights: &'a [f64],
        loss: L,
        penalty: &'a P,
        intercept: bool,
    ) -> Result<Self> {
        let n = design.n_rows();
        if targets.len() != n || sample_weights.len() != n {
            let found = format!("{} targets and {} sample weights", targets.len(), sample_weights.len());
            return Err(Error::data("lower-level problem", found, format!("{n} of each, one for each row")));
        }
        if penalty.blocks().n_coefficients() != design.n_columns() {
            let found = format!("blocks of {} coefficients", penalty.blocks().n_coefficients());
            return Err(Error::data(
                "penalty",
                found,
                format!("{}, one for each column", design.n_columns()),
            ));
        }
        let total: f64 = sample_weights.iter().sum();
        if sample_weights.iter().any(|s| s.is_nan() || *s < 0.0) || (total - 1.0).abs() > 1e-9 {
            return Err(Error::data(
                "sample weights",
                format!("a sum of {total}"),
                "nonnegative weights that sum to 1",
            ));
        }
        let mut problem = Self {
            design,
            targets,
            sample_weights,
            loss,
            penalty,
            intercept,
            cache: Mutex::default(),
            null: NullModel { intercept: 0.0, objective: 0.0 },
            largest_correlation: OnceLock::new(),
            column_norms: OnceLock::new(),
        };
        problem.null = problem.fit_null()?;
        Ok(problem)
    }

    /// The same problem on some of its columns, with the penalty on those.
    pub(super) fn on_columns<'r>(
        &self,
        view: &'r ColumnSubset<'_, D>,
        penalty: &'r P,
        cache: GramCache,
    ) -> SparseGlm<'r, ColumnSubset<'r, D>, L, P>
    where
        'a: 'r,
    {
        let norms = self.column_norms();
        SparseGlm {
            design: view,
            targets: self.targets,
            sample_weights: self.sample_weights,
            loss: self.loss,
            penalty,
            intercept: self.intercept,
            cache: Mutex::new(cache),
            null: self.null.clone(),
            largest_correlation: self.largest_correlation.clone(),
            column_norms: OnceLock::from(
                view.columns().iter().map(|&j| norms[j as usize]).collect::<Vec<f32>>(),
            ),
        }
    }

    fn fit_null(&self) -> Result<NullModel> {
        let mut predictor = vec![0.0; self.targets.len()];
        let intercept = if self.intercept { self.optimal_shift(&mut predictor) } else { 0.0 };
        let slopes = self.slopes(&predictor);
        // At a finite optimum the slopes cancel; with one class they all have one sign, however far the intercept has run.
        let (sum, size) = slopes.iter().fold((0.0, 0.0), |(a, b), s| (a + s, b + s.abs()));
        let balanced = f64::abs(sum) < 0.5 * size || L::OF_DIFFERENCE;
        if self.intercept && !(balanced && intercept.is_finite()) {
            return Err(Error::data(
                "target of the training rows",
                "one class only",
                "both classes, to fit an intercept",
            ));
        }
        let energy: f64 = self.sample_weights.iter().zip(self.targets).map(|(s, b)| s * b * b).sum();
        // A constant target leaves a null loss of rounding errors; 1e-14 of the target's energy is the scale of those.
        let objective = self
            .loss
            .mean(self.sample_weights, self.targets, &predictor)
            .max(1e-14 * energy)
            .max(f64::MIN_POSITIVE);
        Ok(NullModel { intercept, objective })
    }

    /// The model without features.
    pub fn null_model(&self) -> &NullModel {
        &self.null
    }

    /// An upper bound on the rank of the loss's Hessian in the coefficients: the samples that have weight, but for the one that the intercept takes.
    pub(super) fn rank_of_hessian(&self) -> usize {
        let seen = self.sample_weights.iter().filter(|s| **s > 0.0).count();
        seen.saturating_sub(usize::from(self.intercept))
    }

    /// Largest |Aᵀ(s∘f')| of the null model.
    pub(super) fn largest_correlation(&self) -> f64 {
        // Not inside `get_or_init`: what runs in parallel there could come back to it.
        self.largest_correlation
            .get()
            .copied()
            .unwrap_or_else(|| largest(&self.start_from_null().correlations))
    }

    /// The null model as a start.
    pub(super) fn start_from_null(&self) -> Solution {
        let start = self.start_from(vec![0.0; self.design.n_columns()], self.null.intercept);
        self.largest_correlation.get_or_init(|| largest(&start.correlations));
        start
    }

    /// The smallest factor t such that λ = t·`factors` gives zero coefficients; blocks with factor 0 or +∞ do not count.
    pub fn lambda_max(&self, factors: &[f64]) -> f64 {
        self.lambda_max_from(&self.start_from_null(), factors)
    }

    /// The same, given the null model.
    pub(super) fn lambda_max_from(&self, null: &Solution, factors: &[f64]) -> f64 {
        let blocks = self.penalty.blocks();
        let mut block = Vec::new();
        (0..blocks.len())
            .filter(|&g| factors[g] > 0.0 && factors[g].is_finite())
            .map(|g| {
                blocks.gather(g, &null.correlations, &mut block);
                self.penalty.dual_norm(&block) / factors[g]
            })
            .fold(0.0, f64::max)
    }

    /// The loss and its slopes at a predictor, in one pass.
    pub(super) fn measure(&self, predictor: &[f64]) -> Measured {
        let mut measured = Measured { slopes: vec![0.0; predictor.len()], ..Measured::default() };
        let samples = self.sample_weights.iter().zip(self.targets).zip(predictor).zip(&mut measured.slopes);
        for (((&s, &b), &z), slope) in samples {
            if s != 0.0 {
                let (value, derivative) = self.loss.value_and_derivative(b, z);
                *slope = s * derivative;
                measured.loss += s * value;
                measured.slope_sum += *slope;
            }
        }
        measured
    }

    /// s_i f'(b_i, z_i).
    pub(crate) fn slopes(&self, predictor: &[f64]) -> Vec<f64> {
        let terms = self.sample_weights.iter().zip(self.targets).zip(predictor);
        terms.map(|((&s, &b), &z)| if s == 0.0 { 0.0 } else { s * self.loss.derivative(b, z) }).collect()
    }

    /// h_i = s_i f''(b_i, z_i).
    pub(crate) fn curvatures(&self, predictor: &[f64]) -> Vec<f64> {
        let terms = self.sample_weights.iter().zip(self.targets).zip(predictor);
        terms.map(|((&s, &b), &z)| if s == 0.0 { 0.0 } else { s * self.loss.curvature(b, z) }).collect()
    }

    /// Moves the intercept to its optimum for the given predictor (which is shifted in place); returns the shift.
    ///
    /// Newton in one dimension, safeguarded: a step may not exceed the one that the curvature bound allows by more than a factor of 8, which doubles with
    /// every step (the slope of a loss with flat ends says nothing of how far they reach), and one that leaves the interval known to hold the optimum
    /// halves it instead (without that, two points on flat ends can throw it back and forth).
    pub(crate) fn optimal_shift(&self, predictor: &mut [f64]) -> f64 {
        self.shift_to(predictor, 1e-15)
    }

    /// The same, until the sum of the slopes is below this part of the sum of their magnitudes.
    pub(super) fn shift_to(&self, predictor: &mut [f64], tolerance: f64) -> f64 {
        let mut total_shift = 0.0;
        let (mut last, mut reach) = (f64::INFINITY, 8.0);
        let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
        for _ in 0..100 {
            let (mut slope, mut curvature, mut magnitude) = (0.0, 0.0, 0.0);
            for ((&s, &b), &z) in self.sample_weights.iter().zip(self.targets).zip(predictor.iter()) {
                if s != 0.0 {
                    let (d, h) = self.loss.derivatives(b, z);
                    slope += s * d;
                    magnitude += s * d.abs();
                    curvature += s * h;
                }
            }
            if slope.abs() <= tolerance * magnitude || slope.abs() >= last && last <= 1e-13 * magnitude {
                break;
            }
            last = slope.abs();
            let cautious = slope.abs() / L::MAX_CURVATURE;
            let newton = if curvature > 0.0 { slope.abs() / curvature } else { f64::INFINITY };
            if slope > 0.0 {
                high = total_shift
            } else {
                low = total_shift
            }
            let mut shift = -slope.signum() * newton.min(reach * cautious.max(0.5 * self.loss.unit()));
            reach *= 2.0;
            if total_shift + shift <= low || total_shift + shift >= high {
                shift = 0.5 * (low + high) - total_shift;
            }
            predictor.iter_mut().for_each(|z| *z += shift);
            total_shift += shift;
            if L::MAX_THIRD_DERIVATIVE == 0.0 {
                break;
            }
        }
        total_shift
    }

    /// Σ s f + (α/2)‖y‖² + Σ λ_g ρ(y_g), over the blocks that are not excluded.
    pub(crate) fn objective(
        &self,
        hyperparameters: &Hyperparameters,
        coefficients: &[f64],
        predictor: &[f64],
    ) -> f64 {
        let blocks = self.penalty.blocks();
        let mut block = Vec::new();
        let mut penalty = 0.0;
        let mut square = 0.0;
        for g in 0..blocks.len() {
            blocks.gather(g, coefficients, &mut block);
            if block.iter().any(|y| *y != 0.0) {
                penalty += hyperparameters.lambda[g] * self.penalty.value(&block);
                square += block.iter().map(|y| y * y).sum::<f64>();
            }
        }
        self.loss.mean(self.sample_weights, self.targets, predictor)
            + 0.5 * hyperparameters.ridge * square
            + penalty
    }

    /// Absolute duality gap at a point whose intercept is optimal.
    pub(crate) fn gap(&self, hyperparameters: &Hyperparameters, solution: &Solution) -> f64 {
        let derivatives: Vec<f64> =
            self.targets.iter().zip(&solution.predictor).map(|(&b, &z)| self.loss.derivative(b, z)).collect();
        let point = DualPoint {
            sample_weights: self.sample_weights,
            targets: self.targets,
            center: if L::OF_DIFFERENCE && self.intercept { self.null.intercept } else { 0.0 },
            derivatives: &derivatives,
            correlations: &solution.correlations,
            lambda: &hyperparameters.lambda,
            ridge: hyperparameters.ridge,
            unpenalized: self.unpenalized_cost(hyperparameters, solution),
        };
        (solution.objective - point.value(self.loss, self.penalty)).max(0.0)
    }

    /// What moving the blocks that have neither weight nor ridge could still gain: see [`SparseGlm::free_cost`].
    pub(super) fn unpenalized_cost(&self, hyperparameters: &Hyperparameters, solution: &Solution) -> f64 {
        if hyperparameters.ridge > 0.0 { 0.0 } else { self.free_cost(&hyperparameters.lambda, solution) }
    }

    /// Σ ρ°(A_gᵀ(s∘f'))·r/‖A_g‖ over the blocks of weight 0: what moving them could still gain, if none of them moves
    /// the predictor by more than r. r is ten times the largest such part now, or ten times what the null model leaves to explain.
    pub(super) fn free_cost(&self, weights: &[f64], solution: &Solution) -> f64 {
        let blocks = self.penalty.blocks();
        if !weights.contains(&0.0) {
            return 0.0;
        }
        let (mut block, mut cost) = (Vec::new(), 0.0);
        let mut reach = (2.0 * self.null.objective / L::MAX_CURVATURE).sqrt();
        for g in (0..blocks.len()).filter(|&g| weights[g] == 0.0) {
            let square = |&j: &u32| self.design.column_weighted_square(j as usize, self.sample_weights);
            let size = blocks.members(g).iter().map(square).sum::<f64>().sqrt();
            if size > 0.0 {
                blocks.gather(g, &solution.coefficients, &mut block);
                reach = reach.max(self.penalty.value(&block) * size);
                blocks.gather(g, &solution.correlations, &mut block);
                cost += self.penalty.dual_norm(&block) / size;
            }
        }
        10.0 * reach * cost
    }

    /// ‖R^γ(y)‖ = ‖y − prox_{γλρ}(y − γ∇F(y))‖/γ with γ = 1/trace(∇²F) ≤ 1/Lip, relative to the dual norm of ∇F(0): 0 exactly at the minimizer
    /// (DESIGN §2.1).
    pub fn forward_backward_residual(&self, hyperparameters: &Hyperparameters, solution: &Solution) -> f64 {
        let p = self.design.n_columns();
        let squares: f64 = (0..p).map(|j| self.design.column_weighted_square(j, self.sample_weights)).sum();
        let lipschitz = (L::MAX_CURVATURE * squares + hyperparameters.ridge).max(f64::MIN_POSITIVE);
        let blocks = self.penalty.blocks();
        let (mut y, mut moved) = (Vec::new(), Vec::new());
        let mut square = 0.0;
        for (g, &lambda) in hyperparameters.lambda.iter().enumerate() {
            blocks.gather(g, &solution.coefficients, &mut y);
            blocks.gather(g, &solution.correlations, &mut moved);
            for (m, y) in moved.iter_mut().zip(&y) {
                *m = y - (*m + hyperparameters.ridge * y) / lipschitz;
            }
            self.penalty.prox(&mut moved, lambda / lipschitz);
            square += moved.iter().zip(&y).map(|(m, y)| (m - y) * (m - y)).sum::<f64>();
        }
        let scale = self.lambda_max(&vec![1.0; blocks.len()]).max(f64::MIN_POSITIVE);
        square.sqrt() * lipschitz / scale
    }

    /// Whether a solution and the slopes of a criterion belong to this design.
    pub(crate) fn check_lengths(&self, solution: &Solution, upper: &UpperGradient<'_>) -> Result<()> {
        let (n, p) = (self.design.n_rows(), self.design.n_columns());
        let of_rows = [solution.predictor.len(), upper.predictor.len(), upper.curvature.len()];
        let of_columns = [solution.coefficients.len(), solution.correlations.len()];
        if of_rows.iter().all(|length| *length == n) && of_columns.iter().all(|length| *length == p) {
            return Ok(());
        }
        let found = format!("vectors of {of_rows:?} rows and {of_columns:?} columns");
        Err(Error::data("solution and criterion", found, format!("those of a design of {n} × {p}")))
    }

    pub(crate) fn check(&self, hyperparameters: &Hyperparameters) -> Result<()> {
        let lambda = &hyperparameters.lambda;
        if lambda.len() != self.penalty.blocks().len() {
            let expected = format!("{}, one for each block of the penalty", self.penalty.blocks().len());
            return Err(Error::data("lambda", format!("{} values", lambda.len()), expected));
        }
        if let Some(g) = lambda.iter().position(|l| l.is_nan() || *l < 0.0) {
            return Err(Error::data(
                format!("lambda of block {g}"),
                lambda[g].to_string(),
                "a weight from 0 to infinity",
            ));
        }
        if !(hyperparameters.ridge >= 0.0 && hyperparameters.ridge.is_finite()) {
            return Err(Error::data(
                "ridge parameter",
                hyperparameters.ridge.to_string(),
                "a finite number of at least 0",
            ));
        }
        Ok(())
    }
}

fn largest(correlations: &[f64]) -> f64 {
    correlations.iter().fold(0.0_f64, |m, c| m.max(c.abs()))
}

impl<D: DesignMatrix, L: Loss, P: Penalty> LowerLevel for SparseGlm<'_, D, L, P> {
    fn n_coefficients(&self) -> usize {
        self.design.n_columns()
    }

    fn n_weights(&self) -> usize {
        self.penalty.blocks().len()
    }

    fn solve(
        &self,
        hyperparameters: &Hyperparameters,
        start: Option<Solution>,
        accuracy: Accuracy,
    ) -> Result<Solution> {
        self.check(hyperparameters)?;
        working_set::solve(self, hyperparameters, start, accuracy.relative_gap)
    }

    fn forget(&self) {
        self.cache.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clear();
    }

    fn start_from(&self, coefficients: Vec<f64>, intercept: f64) -> Solution {
        let mut predictor = vec![0.0; self.design.n_rows()];
        self.design.product_into(&coefficients, &mut predictor);
        predictor.iter_mut().for_each(|z| *z += intercept);
        let slopes = self.slopes(&predictor);
        let mut correlations = vec![0.0; self.design.n_columns()];
        self.correlations_into(&slopes, &mut correlations);
        let unknown = f64::INFINITY;
        Solution {
            coefficients,
            intercept,
            predictor,
            correlations,
            objective: unknown,
            gap: unknown,
            relative_gap: unknown,
            iterations: 0,
        }
    }

    fn adjoint(
        &self,
        hyperparameters: &Hyperparameters,
        solution: &Solution,
        upper: &UpperGradient<'_>,
        selection: Selection,
        accuracy: Accuracy,
    ) -> Result<Adjoint> {
        self.check(hyperparameters)?;
        self.check_lengths(solution, upper)?;
        hypergradient::implicit(self, hyperparameters, solution, upper, selection, accuracy)
    }

    fn gauss_newton(
        &self,
        hyperparameters: &Hyperparameters,
        solution: &Solution,
        upper: &UpperGradient<'_>,
        upper_hessian: &[f64],
        selection: Selection,
    ) -> Result<Option<QuadraticCriterion>> {
        self.check(hyperparameters)?;
        self.check_lengths(solution, upper)?;
        let n = self.design.n_rows();
        if upper_hessian.len() != n {
            let found = format!("{} second derivatives", upper_hessian.len());
            return Err(Error::data("criterion", found, format!("{n}, one for each row")));
        }
        Ok(hypergradient::gauss_newton(self, hyperparameters, solution, upper, upper_hessian, selection))
    }

    fn segment<'s>(&'s self, from: PathPoint<'_>, to: PathPoint<'_>) -> Option<Box<dyn PathSegment + 's>> {
        self.path_segment(from, to)
    }

    fn critical_cone(
        &self,
        hyperparameters: &Hyperparameters,
        solution: &Solution,
        upper: &UpperGradient<'_>,
    ) -> Result<CriticalCone> {
        self.check(hyperparameters)?;
        self.check_lengths(solution, upper)?;
        hypergradient::critical_cone(self, hyperparameters, solution, upper)
    }
}
