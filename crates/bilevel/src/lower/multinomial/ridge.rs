//! The ridge part alone, λ = 0 and α > 0: nothing is zero then, and Newton's method takes all coefficients at once, by conjugate gradients on products
//! with the Hessian.
//!
//! ```text
//! (Hv)_k = Aᵀ(s∘r_k) + αv_k,     r_ik = p_ik(t_ik − Σ_m p_im t_im),     t_ik = a_iᵀv_k + c_k
//! ```
//!
//! where c, the intercepts' answer to v, is that at which Σ_i s_i r_ik = 0. At optimal intercepts the duality gap is ‖∇P‖²/(2α), as in `ridge.rs`.
//!
//! Source: Nocedal, Wright, "Numerical Optimization" (2006), algorithm 7.1.

use crate::design::DesignMatrix;
use crate::kernel::dot;
use crate::lower::Solution;
use crate::outer::Accuracy;
use crate::solver::{Cholesky, conjugate_gradient, diagonal_preconditioner};
use crate::{Error, Result};

use super::{MultinomialGlm, Point};

const MAX_STEPS: usize = 100;
/// Tolerances up to this ask for coefficients as exact as they get: the gap is of second order in them, and below [`ROUNDING`] they are.
const EXACT: f64 = 1e-8;
const ROUNDING: f64 = 1e-26;
/// Steps without progress after which rounding is reached.
const PATIENCE: usize = 2;
const PROGRESS: f64 = 0.5;
const SUFFICIENT: f64 = 1e-4;
const SMALLEST_STEP: f64 = 1e-8;
/// Largest and smallest relative residual of Newton's system, which follows the square root of the gap in between.
const NEWTON_RESIDUAL: (f64, f64) = (0.1, 1e-6);
const MAX_PRODUCTS: usize = 2_000;
const POWER_STEPS: usize = 30;

/// The answer to a criterion's slopes ω in the scores.
pub(in crate::lower) struct Answer {
    /// q (length pK): H q = −Ãᵀω.
    pub(in crate::lower) adjoint: Vec<f64>,
    /// u = Aq + q_c, class after class: how the scores of each row would move.
    pub(in crate::lower) moves: Vec<f64>,
    /// Of the system, relative to its right side.
    pub(in crate::lower) residual: f64,
}

impl<D: DesignMatrix> MultinomialGlm<'_, D> {
    /// Minimizes Σ s f + (α/2)‖Y‖² to a relative gap of `accuracy`, or as near as rounding allows.
    pub(in crate::lower) fn solve_ridge(
        &self,
        ridge: f64,
        start: Option<Solution>,
        accuracy: Accuracy,
    ) -> Result<Solution> {
        let fits = |start: &Solution| start.coefficients.len() == self.n_slopes() + self.n_classes;
        let at = |coefficients| self.ridge_point(coefficients, ridge);
        let start = start.filter(fits).map_or_else(|| self.without_features(), |start| start.coefficients);
        let mut point = at(start);
        if point.solution.objective.is_nan() || point.solution.objective > self.null.objective {
            point = at(self.without_features());
        }
        let tolerance = accuracy.relative_gap;
        let target = if tolerance > EXACT { tolerance } else { ROUNDING };
        let (mut best_gap, mut stalled) = (f64::INFINITY, 0);
        for step in 1..=MAX_STEPS {
            let gap = point.solution.relative_gap;
            // A start that happens to be good enough still belongs to the weights before: one step at least.
            if gap <= ROUNDING || gap <= target && step > 1 || stalled >= PATIENCE {
                break;
            }
            best_gap = best_gap.min(gap);
            let Some((next, fell)) = self.ridge_step(&point, ridge) else { break };
            point = next;
            point.solution.iterations = step;
            let nears = point.solution.relative_gap < PROGRESS * best_gap;
            stalled = if fell || nears { 0 } else { stalled + 1 };
        }
        let solution = point.solution;
        // As in the other problems: a gap of 1e-3 of the null objective is no solution at all; anything better is returned with its gap.
        if solution.relative_gap.is_nan() || solution.relative_gap > tolerance.max(1e-3) {
            let (iterations, gap) = (solution.iterations, solution.relative_gap);
            return Err(Error::LowerLevel { iterations, gap, tolerance });
        }
        Ok(solution)
    }

    /// Moves along Newton's direction to the first of t = 1, ½, ¼, … at which P falls enough; says whether it fell by more than rounding.
    fn ridge_step(&self, point: &Point, ridge: f64) -> Option<(Point, bool)> {
        let slopes = self.n_slopes();
        let minus: Vec<f64> = self.ridge_gradient(point, ridge).iter().map(|g| -g).collect();
        let residual = point.solution.relative_gap.sqrt().clamp(NEWTON_RESIDUAL.1, NEWTON_RESIDUAL.0);
        let mut direction = vec![0.0; slopes];
        Hessian::new(self, &point.probabilities, ridge).solve(&minus, &mut direction, residual);
        let (before, decrement) = (point.solution.objective, dot(&minus, &direction));
        if decrement.is_nan() || decrement <= 0.0 {
            return None;
        }
        let rounding = 8.0 * f64::EPSILON * before.abs();
        let mut t = 1.0;
        while t >= SMALLEST_STEP {
            let mut coefficients = point.solution.coefficients.clone();
            crate::kernel::axpy(t, &direction, &mut coefficients[..slopes]);
            let trial = self.ridge_point(coefficients, ridge);
            if trial.solution.objective <= before - SUFFICIENT * t * decrement + rounding {
                let fell = before - trial.solution.objective > rounding;
                return Some((trial, fell));
            }
            t *= 0.5;
        }
        None
    }

    /// The point with the best intercepts, its objective and its gap.
    fn ridge_point(&self, coefficients: Vec<f64>, ridge: f64) -> Point {
        let mut point = self.measure_with_best_intercepts(coefficients);
        let gradient = self.ridge_gradient(&point, ridge);
        let y = &point.solution.coefficients[..self.n_slopes()];
        point.solution.objective = point.loss + 0.5 * ridge * dot(y, y);
        point.solution.gap = dot(&gradient, &gradient) / (2.0 * ridge);
        point.solution.relative_gap = point.solution.gap / self.null.objective;
        point
    }

    /// ∇P in the pK slopes.
    fn ridge_gradient(&self, point: &Point, ridge: f64) -> Vec<f64> {
        let pairs = point.solution.correlations.iter().zip(&point.solution.coefficients);
        pairs.map(|(c, y)| c + ridge * y).collect()
    }

    /// What the solution's derivative makes of the slopes `omega` (length K·n) of a criterion.
    pub(in crate::lower) fn answer(
        &self,
        ridge: f64,
        solution: &Solution,
        omega: &[f64],
        start: Vec<f64>,
        accuracy: Accuracy,
    ) -> Answer {
        let point = self.at_scores(&solution.predictor);
        let hessian = Hessian::new(self, &point.probabilities, ridge);
        let mut slopes = hessian.broadcast(&hessian.intercepts(omega));
        hessian.apply_rows(&mut slopes);
        slopes.iter_mut().zip(omega).for_each(|(r, w)| *r = -(*r + w));
        let right_side = self.transposed(&slopes);
        let mut adjoint = start;
        let residual = hessian.solve(&right_side, &mut adjoint, accuracy.adjoint_residual);
        let mut moves = self.images(&adjoint);
        let mut bent = moves.clone();
        hessian.apply_rows(&mut bent);
        bent.iter_mut().zip(omega).for_each(|(r, w)| *r += w);
        let shifts = hessian.broadcast(&hessian.intercepts(&bent));
        moves.iter_mut().zip(&shifts).for_each(|(u, c)| *u += c);
        let scale = dot(&right_side, &right_side).sqrt();
        Answer { adjoint, moves, residual: if scale > 0.0 { residual / scale } else { 0.0 } }
    }

    /// The largest eigenvalue of the loss's Hessian in the model without features, from below: the scale of α.
    pub(in crate::lower) fn largest_curvature(&self) -> f64 {
        let null = self.measure(self.without_features());
        let hessian = Hessian::new(self, &null.probabilities, 0.0);
        let (mut v, mut eigenvalue) = (hessian.diagonal(), 0.0);
        let mut image = vec![0.0; v.len()];
        for _ in 0..POWER_STEPS {
            let norm = dot(&v, &v).sqrt();
            if norm.is_nan() || norm <= 0.0 {
                return 0.0;
            }
            v.iter_mut().for_each(|x| *x /= norm);
            hessian.product_into(&v, &mut image);
            eigenvalue = dot(&v, &image);
            std::mem::swap(&mut v, &mut image);
        }
        eigenvalue
    }

    /// A y_k for all classes.
    fn images(&self, coefficients: &[f64]) -> Vec<f64> {
        let (n, p) = (self.design.n_rows(), self.design.n_columns());
        let mut images = vec![0.0; self.n_classes * n];
        for (k, image) in images.chunks_mut(n.max(1)).enumerate() {
            self.design.product_into(&coefficients[k * p..(k + 1) * p], image);
        }
        images
    }

    /// Aᵀr_k for all classes.
    fn transposed(&self, rows: &[f64]) -> Vec<f64> {
        let (n, p) = (self.design.n_rows(), self.design.n_columns());
        let mut out = vec![0.0; self.n_slopes()];
        for (k, out) in out.chunks_mut(p.max(1)).enumerate() {
            self.design.transpose_product_into(&rows[k * n..(k + 1) * n], out);
        }
        out
    }
}

/// ∇²P in the slopes, with the intercepts profiled out, by products.
struct Hessian<'s, 'a, D> {
    problem: &'s MultinomialGlm<'a, D>,
    probabilities: &'s [f64],
    /// Of the loss in the first K − 1 intercepts, where there are any.
    of_intercepts: Option<Cholesky>,
    ridge: f64,
}

impl<'s, 'a, D: DesignMatrix> Hessian<'s, 'a, D> {
    fn new(problem: &'s MultinomialGlm<'a, D>, probabilities: &'s [f64], ridge: f64) -> Self {
        let free = problem.n_classes - 1;
        let entry = |(k, m)| problem.class_weights(probabilities, k, m).iter().sum::<f64>();
        let of_intercepts = problem.intercept.then(|| {
            let own: Vec<f64> = (0..free * free).map(|e| entry((e / free, e % free))).collect();
            Cholesky::new(free, &own)
        });
        Self { problem, probabilities, of_intercepts: of_intercepts.flatten(), ridge }
    }

    /// Conjugate gradients from the start in `x`; ‖b − Hx‖.
    fn solve(&self, b: &[f64], x: &mut [f64], tolerance: f64) -> f64 {
        let inverse: Vec<f64> =
            self.diagonal().iter().map(|d| 1.0 / (d + self.ridge).max(f64::MIN_POSITIVE)).collect();
        let product = |v: &[f64], out: &mut [f64]| self.product_into(v, out);
        let most = MAX_PRODUCTS.min(10 * b.len() + 100);
        conjugate_gradient(product, diagonal_preconditioner(&inverse), b, x, tolerance, most).residual
    }

    fn product_into(&self, v: &[f64], out: &mut [f64]) {
        let mut rows = self.problem.images(v);
        if self.of_intercepts.is_some() {
            let mut bent = rows.clone();
            self.apply_rows(&mut bent);
            let shifts = self.broadcast(&self.intercepts(&bent));
            rows.iter_mut().zip(&shifts).for_each(|(t, c)| *t += c);
        }
        self.apply_rows(&mut rows);
        out.copy_from_slice(&self.problem.transposed(&rows));
        crate::kernel::axpy(self.ridge, v, out);
    }

    /// t_i ← s_i(diag(p_i) − p_ip_iᵀ)t_i, class after class.
    fn apply_rows(&self, scores: &mut [f64]) {
        let n = self.problem.design.n_rows();
        for (i, s) in self.problem.sample_weights.iter().enumerate() {
            let places = (i..scores.len()).step_by(n);
            let mean: f64 = places.clone().map(|at| self.probabilities[at] * scores[at]).sum();
            places.for_each(|at| scores[at] = s * self.probabilities[at] * (scores[at] - mean));
        }
    }

    /// The intercepts' answer to slopes r in the scores: −H_cc⁻¹Σ_i r_i, the last being 0; zeros without intercepts.
    fn intercepts(&self, rows: &[f64]) -> Vec<f64> {
        let n = self.problem.design.n_rows();
        let mut answer = vec![0.0; self.problem.n_classes];
        if let Some(factor) = &self.of_intercepts {
            let free = self.problem.n_classes - 1;
            let sums: Vec<f64> = (0..free).map(|k| -rows[k * n..(k + 1) * n].iter().sum::<f64>()).collect();
            answer[..free].copy_from_slice(&factor.solve(&sums));
        }
        answer
    }

    /// One number for each class as scores of all rows.
    fn broadcast(&self, of_classes: &[f64]) -> Vec<f64> {
        let n = self.problem.design.n_rows();
        of_classes.iter().flat_map(|c| std::iter::repeat_n(*c, n)).collect()
    }

    /// Σ_i s_i p_ik(1 − p_ik)a_ij²: the diagonal, but for the intercepts' part and α.
    fn diagonal(&self) -> Vec<f64> {
        let p = self.problem.design.n_columns();
        let of_class = |k: usize| {
            let weights = self.problem.class_weights(self.probabilities, k, k);
            (0..p).map(|j| self.problem.design.column_weighted_square(j, &weights)).collect::<Vec<f64>>()
        };
        (0..self.problem.n_classes).flat_map(of_class).collect()
    }
}
