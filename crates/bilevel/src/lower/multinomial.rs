//! Multinomial logistic regression with ℓ1 penalty: K classes, a column of coefficients for each, one weight for each feature.
//!
//! ```text
//! min_{Y,c}  Σ_i s_i (log Σ_k e^{z_ik} − z_{i,b_i}) + (α/2)‖Y‖² + Σ_j λ_j Σ_k |y_jk|,     z_ik = a_iᵀy_k + c_k
//! ```
//!
//! The Hessian couples the classes, D_i = diag(p_i) − p_ip_iᵀ for each row, and otherwise everything is as for two classes: coefficients that are
//! zero stay zero in a neighbourhood of λ, and on the support S, with the intercepts profiled out,
//!
//! ```text
//! H q = −∇_SL,     ∂Φ/∂λ_j = Σ_k sign(y_jk) q_jk,     H = [∇²F]_SS
//! ```
//!
//! Scores are symmetric in the classes: adding a vector to all y_k changes no probability. The penalty decides among those, but not always to one point. With
//! K = 2 it never does: y_1 = −δ, y_2 = 0 costs what y_1 = 0, y_2 = δ does, λ|δ|, so that the problem *is* the binary one with δ = y_2 − y_1, the same λ, and
//! as many solutions as ways to share δ. Predictions and hypergradients are the same at all of them; a coefficient at zero beside its nonzero twin is on a kink.
//!
//! Source: Friedman, Hastie, Tibshirani, "Regularization paths for generalized linear models via coordinate descent", J. Stat. Softw. 33 (2010).

mod adjoint;
mod gap;
mod hessian;
mod intercepts;
mod ridge;
mod solve;

use crate::design::DesignMatrix;
use crate::hypergradient::{BiactivePolicy, CriticalCone, Selection};
use crate::loss::softmax;
use crate::outer::Accuracy;
use crate::{Error, Result};

use super::{Adjoint, Hyperparameters, LowerLevel, Solution, UpperGradient};

/// The lower-level problem, all but its hyperparameters.
///
/// A [`Solution`] of it holds K(p+1) coefficients: those of class k are entries kp … kp+p−1, and the last K are the intercepts, of which the last is 0 (all of them
/// without intercepts); its own `intercept` is 0. The predictor holds the scores, class after class (length K·n), and the correlations the slopes of
/// the loss in the pK coefficients. Criteria see the scores: [`crate::criterion::MultinomialLoss`].
///
/// In an [`Adjoint`] coefficients on a kink are counted, and treated as zero whatever the selection: the `Null` policy.
#[derive(Debug)]
pub struct MultinomialGlm<'a, D> {
    design: &'a D,
    classes: &'a [u32],
    n_classes: usize,
    sample_weights: &'a [f64],
    intercept: bool,
    null: Null,
}

/// The model without features.
#[derive(Debug, Clone, Default)]
struct Null {
    intercepts: Vec<f64>,
    objective: f64,
}

impl<'a, D: DesignMatrix> MultinomialGlm<'a, D> {
    /// `classes`, numbered from 0 to `n_classes` − 1, and `sample_weights` have length n; the weights must be nonnegative and sum to one.
    ///
    /// ```
    /// use bilevel::design::DenseMatrix;
    /// use bilevel::lower::{Hyperparameters, LowerLevel, MultinomialGlm};
    /// use bilevel::outer::Accuracy;
    ///
    /// let design = DenseMatrix::new(3, 1, vec![-1.0, 0.0, 1.0])?;
    /// let problem = MultinomialGlm::new(&design, &[0, 1, 2], 3, &[1.0 / 3.0; 3], true)?;
    /// // At λ_max all coefficients are zero, and the classes equally likely.
    /// let at = Hyperparameters { lambda: vec![problem.lambda_max(&[1.0])], ridge: 0.0 };
    /// let solution = problem.solve(&at, None, Accuracy::TIGHT)?;
    /// assert!((solution.objective - 3.0_f64.ln()).abs() < 1e-12);
    /// # Ok::<(), bilevel::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidData`] for lengths that do not match, weights that are not a distribution, fewer than two classes, class numbers out of range, or,
    /// with intercepts, a class without a row of positive weight.
    pub fn new(
        design: &'a D,
        classes: &'a [u32],
        n_classes: usize,
        sample_weights: &'a [f64],
        intercept: bool,
    ) -> Result<Self> {
        let n = design.n_rows();
        if classes.len() != n || sample_weights.len() != n {
            let found = format!("{} classes and {} sample weights", classes.len(), sample_weights.len());
            return Err(Error::data("lower-level problem", found, format!("{n} of each, one for each row")));
        }
        if n_classes < 2 {
            return Err(Error::data("classes", n_classes.to_string(), "at least 2"));
        }
        let total: f64 = sample_weights.iter().sum();
        if sample_weights.iter().any(|s| s.is_nan() || *s < 0.0) || (total - 1.0).abs() > 1e-9 {
            let found = format!("a sum of {total}");
            return Err(Error::data("sample weights", found, "nonnegative weights that sum to 1"));
        }
        let mut shares = vec![0.0; n_classes];
        for (i, (&b, s)) in classes.iter().zip(sample_weights).enumerate() {
            let Some(share) = shares.get_mut(b as usize) else {
                let expected = format!("a number below {n_classes}");
                return Err(Error::data(format!("class of row {}", i + 1), b.to_string(), expected));
            };
            *share += s;
        }
        if let Some(k) = shares.iter().position(|share| *share == 0.0).filter(|_| intercept) {
            let found = format!("no row of class {k}");
            return Err(Error::data("target of the training rows", found, "all classes, to fit intercepts"));
        }
        // Without features the probabilities are the shares.
        let last = shares[n_classes - 1];
        let mut intercepts = vec![0.0; n_classes];
        let mut objective = (n_classes as f64).ln();
        if intercept {
            intercepts.iter_mut().zip(&shares).for_each(|(c, share)| *c = (share / last).ln());
            objective = -shares.iter().map(|share| share * share.ln()).sum::<f64>();
        }
        let null = Null { intercepts, objective: objective.max(f64::MIN_POSITIVE) };
        Ok(Self { design, classes, n_classes, sample_weights, intercept, null })
    }

    /// The smallest factor t such that λ = t·`factors` (length p) gives zero coefficients; features with factor 0 or +∞ do not count.
    pub fn lambda_max(&self, factors: &[f64]) -> f64 {
        let p = self.design.n_columns();
        let null = self.measure(self.without_features());
        let ratio = |(m, c): (usize, &f64)| {
            let factor = factors.get(m % p).copied().unwrap_or(0.0);
            if factor > 0.0 { c.abs() / factor } else { 0.0 }
        };
        null.solution.correlations.iter().enumerate().map(ratio).fold(0.0, f64::max)
    }

    /// The forward–backward residual ‖y − prox_{γλ|·|}(y − γ∇F(y))‖/γ with γ = 1/(bound on the norm of ∇²F), relative to λ_max: 0 at the minimizer.
    pub fn relative_residual(&self, hyperparameters: &Hyperparameters, solution: &Solution) -> f64 {
        let p = self.design.n_columns();
        let squares: f64 = (0..p).map(|j| self.design.column_weighted_square(j, self.sample_weights)).sum();
        let ridge = hyperparameters.ridge;
        let lipschitz = (softmax::MAX_CURVATURE * squares + ridge).max(f64::MIN_POSITIVE);
        let residual = |(m, (y, c)): (usize, (&f64, &f64))| {
            let ahead = y - (c + ridge * y) / lipschitz;
            let shrunk = (ahead.abs() - self.lambda(hyperparameters, m) / lipschitz).max(0.0);
            y - shrunk.copysign(ahead)
        };
        let pairs = solution.coefficients.iter().zip(&solution.correlations);
        let square: f64 = pairs.enumerate().map(residual).map(|r| r * r).sum();
        square.sqrt() * lipschitz / self.lambda_max(&vec![1.0; p]).max(f64::MIN_POSITIVE)
    }

    fn without_features(&self) -> Vec<f64> {
        let mut coefficients = vec![0.0; self.n_classes * self.design.n_columns()];
        coefficients.extend(&self.null.intercepts);
        coefficients
    }

    /// Number of coefficients without the intercepts.
    fn n_slopes(&self) -> usize {
        self.n_classes * self.design.n_columns()
    }

    /// Loss, probabilities and slopes at coefficients as a [`Solution`] holds them; objective and gap stay unknown.
    fn measure(&self, coefficients: Vec<f64>) -> Point {
        let (n, p) = (self.design.n_rows(), self.design.n_columns());
        let mut predictor = vec![0.0; self.n_classes * n];
        for (k, scores) in predictor.chunks_mut(n.max(1)).enumerate() {
            self.design.product_into(&coefficients[k * p..(k + 1) * p], scores);
            scores.iter_mut().for_each(|z| *z += coefficients[self.n_slopes() + k]);
        }
        let mut point = self.at_scores(&predictor);
        let mut correlations = vec![0.0; self.n_slopes()];
        for k in 0..self.n_classes {
            let slopes = &point.slopes[k * n..(k + 1) * n];
            self.design.transpose_product_into(slopes, &mut correlations[k * p..(k + 1) * p]);
        }
        let unknown = f64::INFINITY;
        point.solution = Solution {
            coefficients,
            intercept: 0.0,
            predictor,
            correlations,
            objective: unknown,
            gap: unknown,
            relative_gap: unknown,
            iterations: 0,
        };
        point
    }

    /// Loss, probabilities and slopes at scores, with an empty solution.
    fn at_scores(&self, predictor: &[f64]) -> Point {
        let n = self.design.n_rows();
        let mut point = Point {
            solution: Solution {
                coefficients: Vec::new(),
                intercept: 0.0,
                predictor: Vec::new(),
                correlations: Vec::new(),
                objective: f64::INFINITY,
                gap: f64::INFINITY,
                relative_gap: f64::INFINITY,
                iterations: 0,
            },
            loss: 0.0,
            probabilities: vec![0.0; predictor.len()],
            slopes: vec![0.0; predictor.len()],
        };
        let (mut z, mut p) = (vec![0.0; self.n_classes], vec![0.0; self.n_classes]);
        for (i, (&b, &s)) in self.classes.iter().zip(self.sample_weights).enumerate() {
            if s == 0.0 {
                continue;
            }
            z.iter_mut().enumerate().for_each(|(k, z)| *z = predictor[k * n + i]);
            point.loss += s * softmax::value_and_probabilities(b as usize, &z, &mut p);
            for k in 0..self.n_classes {
                point.probabilities[k * n + i] = p[k];
                point.slopes[k * n + i] = s * softmax::slope(b as usize, k, &p);
            }
        }
        point
    }

    fn check(&self, hyperparameters: &Hyperparameters) -> Result<()> {
        let (lambda, p) = (&hyperparameters.lambda, self.design.n_columns());
        if lambda.len() != p {
            let expected = format!("{p}, one for each feature");
            return Err(Error::data("lambda", format!("{} values", lambda.len()), expected));
        }
        if let Some(j) = lambda.iter().position(|l| l.is_nan() || *l < 0.0) {
            let what = format!("lambda of feature {j}");
            return Err(Error::data(what, lambda[j].to_string(), "a weight from 0 to infinity"));
        }
        let ridge = hyperparameters.ridge;
        if !(ridge >= 0.0 && ridge.is_finite()) {
            return Err(Error::data("ridge parameter", ridge.to_string(), "a finite number of at least 0"));
        }
        Ok(())
    }

    /// λ of the coefficient at an index below pK.
    fn lambda(&self, hyperparameters: &Hyperparameters, index: usize) -> f64 {
        hyperparameters.lambda[index % self.design.n_columns()]
    }
}

/// A solution in the making.
#[derive(Debug, Clone)]
struct Point {
    solution: Solution,
    /// Mean loss.
    loss: f64,
    /// p_ik, class after class.
    probabilities: Vec<f64>,
    /// s_i (p_ik − [b_i = k]).
    slopes: Vec<f64>,
}

impl<D: DesignMatrix> LowerLevel for MultinomialGlm<'_, D> {
    fn n_coefficients(&self) -> usize {
        self.n_slopes() + self.n_classes
    }

    fn n_weights(&self) -> usize {
        self.design.n_columns()
    }

    fn solve(
        &self,
        hyperparameters: &Hyperparameters,
        start: Option<Solution>,
        accuracy: Accuracy,
    ) -> Result<Solution> {
        self.check(hyperparameters)?;
        solve::solve(self, hyperparameters, start, accuracy.relative_gap)
    }

    /// Intercepts do not count.
    fn support_size(&self, solution: &Solution) -> usize {
        solution.coefficients.iter().take(self.n_slopes()).filter(|y| **y != 0.0).count()
    }

    /// The intercepts are among the coefficients; `intercept` is not used.
    fn start_from(&self, coefficients: Vec<f64>, _intercept: f64) -> Solution {
        self.measure(coefficients).solution
    }

    fn adjoint(
        &self,
        hyperparameters: &Hyperparameters,
        solution: &Solution,
        upper: &UpperGradient<'_>,
        selection: Selection,
        _accuracy: Accuracy,
    ) -> Result<Adjoint> {
        self.check(hyperparameters)?;
        let scores = self.n_classes * self.design.n_rows();
        let fits = solution.coefficients.len() == self.n_coefficients()
            && solution.correlations.len() == self.n_slopes()
            && [solution.predictor.len(), upper.predictor.len(), upper.curvature.len()] == [scores; 3];
        if !fits {
            let found = "vectors of other lengths".to_string();
            return Err(Error::data("solution and criterion", found, format!("{scores} scores")));
        }
        adjoint::implicit(self, hyperparameters, solution, upper, selection.band)
    }

    /// Where no coefficient is on a kink. At a kink one-sided derivatives are not known: an error.
    fn critical_cone(
        &self,
        hyperparameters: &Hyperparameters,
        solution: &Solution,
        upper: &UpperGradient<'_>,
    ) -> Result<CriticalCone> {
        let selection = Selection::from(BiactivePolicy::Null);
        let adjoint = self.adjoint(hyperparameters, solution, upper, selection, Accuracy::TIGHT)?;
        if adjoint.biactive > 0 {
            let reason = format!(
                "{} multinomial coefficients are on a kink, where one-sided derivatives are not known",
                adjoint.biactive
            );
            return Err(Error::AdjointSolve { size: adjoint.biactive, reason });
        }
        Ok(CriticalCone::smooth(adjoint, self.n_weights()))
    }
}
