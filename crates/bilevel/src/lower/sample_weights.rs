//! Generalized linear models in which every training sample has a weight of its own: the lower level of data reweighting, or hyper-cleaning.
//!
//! ```text
//! min_{y,c}  (1/m) Σ_{i ∈ training} w_i f(b_i, a_iᵀy + c) + (α/2)‖y‖²
//! ```
//!
//! with m training rows. A sample whose label is wrong pulls y away from where the criterion wants it, and the derivative in its weight says so:
//! with H the Hessian of the lower level and ω = ∂L/∂z the slopes of the criterion in the predictor of all rows,
//!
//! ```text
//! H (q, q_c) = −(Aᵀω, Σω),     u = Aq + q_c,     ∂Φ/∂w_i = f'(b_i, z_i) u_i / m,     ∂Φ/∂α = yᵀq
//! ```
//!
//! for the price of one system in p unknowns, however many samples there are. u says how z would move if the criterion had its way.
//!
//! It is the ridge problem at sample weights s = w/Σw and ridge parameter αm/Σw, whose solver and systems serve (`ridge.rs`): a factor where p is
//! small, conjugate gradients where it is large.
//!
//! Sources: Franceschi, Donini, Frasconi, Pontil, "Forward and reverse gradient-based hyperparameter optimization" (2017), for the task; Pedregosa,
//! "Hyperparameter optimization with approximate gradient" (2016), for implicit derivatives with inexact solves.

mod multinomial;

use crate::design::DesignMatrix;
use crate::hypergradient::Selection;
use crate::loss::Loss;
use crate::outer::Accuracy;
use crate::penalty::L1;
use crate::{Error, Result};

use super::{Hyperparameters, LowerLevel, RidgeGlm, Solution, SparseGlm, UpperGradient};
pub use multinomial::WeightedMultinomial;

/// Largest number of columns at which the Hessian is formed: new weights make a new one, at p products' cost.
const DIRECT: usize = 200;

/// The problem above, all but its weights.
///
/// In its solutions the objective and the gap are those of the problem divided by the mean weight, as relative gaps are not.
#[derive(Debug)]
pub struct WeightedGlm<'a, D, L> {
    design: &'a D,
    targets: &'a [f64],
    rows: &'a [usize],
    loss: L,
    penalty: L1,
    ridge: f64,
    intercept: bool,
}

/// The derivative of a criterion in the weights of the samples.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleAdjoint {
    /// ∂Φ/∂w_i, in the order of the training rows (length m).
    pub weights: Vec<f64>,
    /// Bounds on the errors of these from the inexact solves (DESIGN §2.4), where they are known.
    pub errors: Option<Vec<f64>>,
    /// ∂Φ/∂α.
    pub ridge: f64,
    /// Residual of the adjoint system relative to its right-hand side.
    pub residual: f64,
    /// q, for the next system to start from.
    pub warm_start: Vec<(u32, f64)>,
}

impl<'a, D: DesignMatrix, L: Loss> WeightedGlm<'a, D, L> {
    /// `targets` has an entry for each row of the design; `rows` are those that train, counted from 0; `ridge` is α > 0.
    ///
    /// # Errors
    /// [`Error::InvalidData`] for lengths or row numbers that do not fit, [`Error::InvalidSetting`] for an α that is not positive and finite.
    ///
    /// ```
    /// use bilevel::design::DenseMatrix;
    /// use bilevel::loss::Squared;
    /// use bilevel::lower::WeightedGlm;
    /// use bilevel::outer::Accuracy;
    ///
    /// // ½·[½(2 − y)² + ½·½(5 − y)²] + ½·¼·y² is smallest at (1 + 5/4)/(½ + ¼ + ¼).
    /// let design = DenseMatrix::new(2, 1, vec![1.0, 1.0])?;
    /// let problem = WeightedGlm::new(&design, &[2.0, 5.0], &[0, 1], Squared, 0.25, false)?;
    /// let solution = problem.solve(&[1.0, 0.5], None, Accuracy::TIGHT)?;
    /// assert!((solution.coefficients[0] - 2.25).abs() < 1e-14);
    /// # Ok::<(), bilevel::Error>(())
    /// ```
    pub fn new(
        design: &'a D,
        targets: &'a [f64],
        rows: &'a [usize],
        loss: L,
        ridge: f64,
        intercept: bool,
    ) -> Result<Self> {
        check_problem(design.n_rows(), targets.len(), rows, ridge)?;
        Ok(Self { design, targets, rows, loss, penalty: L1::new(design.n_columns()), ridge, intercept })
    }

    /// m.
    pub fn n_samples(&self) -> usize {
        self.rows.len()
    }

    /// α.
    pub fn ridge(&self) -> f64 {
        self.ridge
    }

    /// The largest eigenvalue of the loss's Hessian in the model without features, all weights being 1: the scale of α.
    ///
    /// # Errors
    /// As [`WeightedGlm::solve`].
    pub fn largest_curvature(&self) -> Result<f64> {
        let (shares, _) = self.shares(&vec![1.0; self.rows.len()])?;
        Ok(self.ridge_problem(&shares)?.largest_curvature())
    }

    /// y* and c* at the weights w ≥ 0 (length m, not all 0), from `start` where there is one.
    ///
    /// # Errors
    /// [`Error::InvalidData`] for other weights; [`Error::LowerLevel`] if the solver ends far from the asked accuracy.
    pub fn solve(&self, weights: &[f64], start: Option<Solution>, accuracy: Accuracy) -> Result<Solution> {
        let (shares, mean) = self.shares(weights)?;
        self.ridge_problem(&shares)?.solve(&self.hyperparameters(mean), start, accuracy)
    }

    /// The derivative in the weights of a criterion with slopes `upper` (length n, not only on training rows), at a solution for these weights.
    ///
    /// # Errors
    /// [`Error::InvalidData`] for vectors that do not fit the problem.
    pub fn adjoint(
        &self,
        weights: &[f64],
        solution: &Solution,
        upper: &UpperGradient<'_>,
        accuracy: Accuracy,
    ) -> Result<SampleAdjoint> {
        let (shares, mean) = self.shares(weights)?;
        let problem = self.ridge_problem(&shares)?;
        let at = self.hyperparameters(mean);
        let adjoint = problem.adjoint(&at, solution, upper, Selection::default(), accuracy)?;
        let move_of = Move::new(self, &shares, solution, upper, &adjoint.warm_start);
        let errors = Errors::new(self, &shares, at.ridge, solution, upper, &move_of, &adjoint);
        let share = 1.0 / (self.rows.len() as f64 * mean);
        let slopes = |&i: &usize| self.loss.derivative(self.targets[i], solution.predictor[i]);
        Ok(SampleAdjoint {
            weights: self.rows.iter().map(|i| share * slopes(i) * move_of.rows[*i]).collect(),
            errors: Some(self.rows.iter().map(|&i| share * errors.of_row(i, slopes(&i), &move_of)).collect()),
            ridge: adjoint.ridge / mean,
            residual: adjoint.residual,
            warm_start: adjoint.warm_start,
        })
    }

    fn shares(&self, weights: &[f64]) -> Result<(Vec<f64>, f64)> {
        shares(self.targets.len(), self.rows, weights)
    }

    fn hyperparameters(&self, mean: f64) -> Hyperparameters {
        Hyperparameters { lambda: vec![0.0; self.design.n_columns()], ridge: self.ridge / mean }
    }

    fn ridge_problem<'s>(&'s self, shares: &'s [f64]) -> Result<RidgeGlm<'s, D, L>> {
        let glm =
            SparseGlm::new(self.design, self.targets, shares, self.loss, &self.penalty, self.intercept)?;
        Ok(RidgeGlm::new(glm).iterating_above(DIRECT))
    }
}

/// A lower level with a weight for each training sample.
pub(crate) trait SampleWeighted {
    /// m.
    fn n_samples(&self) -> usize;
    /// α.
    fn ridge(&self) -> f64;
    /// The solution at the weights w, from `start` where there is one.
    fn solve(&self, weights: &[f64], start: Option<Solution>, accuracy: Accuracy) -> Result<Solution>;
    /// The derivative in the weights of a criterion with slopes `upper`.
    fn adjoint(
        &self,
        weights: &[f64],
        solution: &Solution,
        upper: &UpperGradient<'_>,
        accuracy: Accuracy,
    ) -> Result<SampleAdjoint>;
}

impl<D: DesignMatrix, L: Loss> SampleWeighted for WeightedGlm<'_, D, L> {
    fn n_samples(&self) -> usize {
        WeightedGlm::n_samples(self)
    }

    fn ridge(&self) -> f64 {
        WeightedGlm::ridge(self)
    }

    fn solve(&self, weights: &[f64], start: Option<Solution>, accuracy: Accuracy) -> Result<Solution> {
        WeightedGlm::solve(self, weights, start, accuracy)
    }

    fn adjoint(
        &self,
        weights: &[f64],
        solution: &Solution,
        upper: &UpperGradient<'_>,
        accuracy: Accuracy,
    ) -> Result<SampleAdjoint> {
        WeightedGlm::adjoint(self, weights, solution, upper, accuracy)
    }
}

/// Whether targets, training rows and α belong to a design of n rows.
fn check_problem(n: usize, n_targets: usize, rows: &[usize], ridge: f64) -> Result<()> {
    if n_targets != n {
        return Err(Error::data("targets", n_targets.to_string(), format!("{n}, one for each row")));
    }
    if rows.is_empty() {
        return Err(Error::data("training rows", "none", "at least one"));
    }
    if let Some(row) = rows.iter().find(|row| **row >= n) {
        return Err(Error::data("training rows", format!("row {row}"), format!("rows below {n}")));
    }
    if !(ridge > 0.0 && ridge.is_finite()) {
        return Err(Error::setting("ridge", ridge, "a positive, finite number"));
    }
    Ok(())
}

/// s = w/Σw on all n rows, w being the weights of `rows`; and the mean weight.
fn shares(n: usize, rows: &[usize], weights: &[f64]) -> Result<(Vec<f64>, f64)> {
    let m = rows.len();
    if weights.len() != m {
        let expected = format!("{m}, one for each training row");
        return Err(Error::data("sample weights", weights.len().to_string(), expected));
    }
    let total: f64 = weights.iter().sum();
    if weights.iter().any(|w| w.is_nan() || *w < 0.0) || !(total > 0.0 && total.is_finite()) {
        let found = format!("a sum of {total}");
        return Err(Error::data("sample weights", found, "finite weights of at least 0, not all of them 0"));
    }
    let mut shares = vec![0.0; n];
    rows.iter().zip(weights).for_each(|(&i, w)| shares[i] += w / total);
    Ok((shares, total / m as f64))
}

/// u: where the adjoint moves the predictor of each row.
struct Move {
    rows: Vec<f64>,
    /// h_i = s_i f''_i.
    curvatures: Vec<f64>,
    /// 1/Σh, or 0 without intercept.
    inverse_total: f64,
}

impl Move {
    fn new<D: DesignMatrix, L: Loss>(
        problem: &WeightedGlm<'_, D, L>,
        shares: &[f64],
        solution: &Solution,
        upper: &UpperGradient<'_>,
        q: &[(u32, f64)],
    ) -> Self {
        let samples = shares.iter().zip(problem.targets).zip(&solution.predictor);
        let curvature = |((s, b), z): ((&f64, &f64), &f64)| {
            if *s == 0.0 { 0.0 } else { s * problem.loss.curvature(*b, *z) }
        };
        let curvatures: Vec<f64> = samples.map(curvature).collect();
        let total: f64 = curvatures.iter().sum();
        let inverse_total = if problem.intercept && total > 0.0 { 1.0 / total } else { 0.0 };
        let mut full = vec![0.0; problem.design.n_columns()];
        q.iter().for_each(|&(j, q)| full[j as usize] = q);
        let mut rows = vec![0.0; shares.len()];
        problem.design.product_into(&full, &mut rows);
        // The row of the intercept: Σω + hᵀ(Aq + q_c) = 0.
        let slopes: f64 = upper.predictor.iter().sum();
        let of_intercept = -(slopes + crate::kernel::dot(&curvatures, &rows)) * inverse_total;
        rows.iter_mut().for_each(|u| *u += of_intercept);
        Self { rows, curvatures, inverse_total }
    }
}

/// Bounds on what inexact solves do to ∂Φ/∂w_i, to first order in the error of y.
///
/// With ã_i the rows centered in the h-weighted mean, E ≥ ‖y − y*‖ and r the residual of the adjoint system,
///
/// ```text
/// |z_i − z_i*| ≤ ‖ã_i‖E,     t_i = v_i + M₃s_i|u_i|,
/// ‖q − q*‖ ≤ Δ = (‖r‖ + E Σ t_i‖ã_i‖²)/α,     |u_i − u_i*| ≤ ‖ã_i‖Δ + E Σ t_k‖ã_k‖/Σh
/// ```
struct Errors {
    /// ‖ã_i‖.
    norms: Vec<f64>,
    /// E.
    coefficients: f64,
    /// Δ.
    adjoint: f64,
    /// What the intercept's part of u may be wrong by.
    intercept: f64,
    max_curvature: f64,
}

impl Errors {
    fn new<D: DesignMatrix, L: Loss>(
        problem: &WeightedGlm<'_, D, L>,
        shares: &[f64],
        ridge: f64,
        solution: &Solution,
        upper: &UpperGradient<'_>,
        move_of: &Move,
        adjoint: &super::Adjoint,
    ) -> Self {
        let (norms, right_side) = centered(problem.design, move_of, upper.predictor);
        let gradient = solution.correlations.iter().zip(&solution.coefficients);
        let slope = norm(gradient.map(|(c, y)| c + ridge * y));
        let coefficients = (slope / ridge).min((2.0 * solution.gap / ridge).sqrt());
        let (mut squares, mut sums) = (0.0, 0.0);
        let third = L::MAX_THIRD_DERIVATIVE / problem.loss.unit();
        for (i, size) in norms.iter().enumerate() {
            let t = upper.curvature[i] + third * shares[i] * move_of.rows[i].abs();
            squares += t * size * size;
            sums += t * size;
        }
        Self {
            coefficients,
            adjoint: (adjoint.residual * right_side + coefficients * squares) / ridge,
            intercept: coefficients * sums * move_of.inverse_total,
            max_curvature: L::MAX_CURVATURE,
            norms,
        }
    }

    /// The bound on the error of f'_i u_i.
    fn of_row(&self, i: usize, slope: f64, move_of: &Move) -> f64 {
        let of_slope = self.max_curvature * self.norms[i] * self.coefficients * move_of.rows[i].abs();
        of_slope + slope.abs() * (self.norms[i] * self.adjoint + self.intercept)
    }
}

/// ‖ã_i‖ = ‖a_i − ā‖, with ā the h-weighted mean of the rows (0 without intercept), and ‖Ãᵀω‖.
fn centered<D: DesignMatrix>(design: &D, move_of: &Move, omega: &[f64]) -> (Vec<f64>, f64) {
    let mut squares = vec![0.0; design.n_rows()];
    let (mut square_of_mean, mut right_side) = (0.0, 0.0);
    let sum: f64 = omega.iter().sum();
    for j in 0..design.n_columns() {
        let mean = design.column_dot(j, &move_of.curvatures) * move_of.inverse_total;
        square_of_mean += mean * mean;
        right_side += (design.column_dot(j, omega) - mean * sum).powi(2);
        design.visit_column(j, |i, a| squares[i] += a * (a - 2.0 * mean));
    }
    let norm = |square: &f64| (square + square_of_mean).max(0.0).sqrt();
    (squares.iter().map(norm).collect(), right_side.sqrt())
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|v| v * v).sum::<f64>().sqrt()
}
