//! The same for more than two classes: multinomial logistic regression with a weight for each training sample.
//!
//! ```text
//! min_{Y,c}  (1/m) Σ_{i ∈ training} w_i (log Σ_k e^{z_ik} − z_{i,b_i}) + (α/2)‖Y‖²,     ∂Φ/∂w_i = (1/m) Σ_k (p_ik − [b_i = k]) u_ik
//! ```
//!
//! with u the move of the scores that the adjoint asks for.

use crate::design::DesignMatrix;
use crate::loss::softmax;
use crate::lower::{MultinomialGlm, Solution, UpperGradient};
use crate::outer::Accuracy;
use crate::{Error, Result};

use super::{SampleAdjoint, SampleWeighted, check_problem, shares};

/// The problem above, all but its weights. Solutions are those of [`MultinomialGlm`]; objective and gap are divided by the mean weight.
#[derive(Debug)]
pub struct WeightedMultinomial<'a, D> {
    design: &'a D,
    classes: &'a [u32],
    n_classes: usize,
    rows: &'a [usize],
    ridge: f64,
    intercept: bool,
}

impl<'a, D: DesignMatrix> WeightedMultinomial<'a, D> {
    /// `classes`, numbered from 0 to `n_classes` − 1, has an entry for each row of the design; `rows` are those that train, counted from 0; `ridge` is
    /// α > 0.
    ///
    /// ```
    /// use bilevel::design::DenseMatrix;
    /// use bilevel::lower::WeightedMultinomial;
    /// use bilevel::outer::Accuracy;
    ///
    /// let design = DenseMatrix::new(6, 1, vec![-1.0, 0.0, 1.0, -1.1, 0.1, 0.9])?;
    /// let classes = [0, 1, 2, 0, 1, 2];
    /// let problem = WeightedMultinomial::new(&design, &classes, 3, &[0, 1, 2, 3, 4, 5], 0.1, true)?;
    /// let solution = problem.solve(&[0.5; 6], None, Accuracy::TIGHT)?;
    /// // Larger values speak for the last class and against the first.
    /// assert!(solution.coefficients[2] > 0.0 && solution.coefficients[0] < 0.0);
    /// # Ok::<(), bilevel::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidData`] for lengths, classes or row numbers that do not fit, [`Error::InvalidSetting`] for an α that is not positive and finite.
    pub fn new(
        design: &'a D,
        classes: &'a [u32],
        n_classes: usize,
        rows: &'a [usize],
        ridge: f64,
        intercept: bool,
    ) -> Result<Self> {
        check_problem(design.n_rows(), classes.len(), rows, ridge)?;
        let problem = Self { design, classes, n_classes, rows, ridge, intercept };
        let (shares, _) = problem.shares(&vec![1.0; rows.len()])?;
        problem.glm(&shares)?;
        Ok(problem)
    }

    /// The largest eigenvalue of the loss's Hessian in the model without features, all weights being 1: the scale of α.
    ///
    /// # Errors
    /// As [`WeightedMultinomial::solve`].
    pub fn largest_curvature(&self) -> Result<f64> {
        let (shares, _) = self.shares(&vec![1.0; self.rows.len()])?;
        Ok(self.glm(&shares)?.largest_curvature())
    }

    /// Y* and c* at the weights w ≥ 0 (length m), from `start` where there is one.
    ///
    /// # Errors
    /// [`Error::InvalidData`] for other weights, or such that leave a class without a sample; [`Error::LowerLevel`] if the solver ends far from the asked
    /// accuracy.
    pub fn solve(&self, weights: &[f64], start: Option<Solution>, accuracy: Accuracy) -> Result<Solution> {
        let (shares, mean) = self.shares(weights)?;
        self.glm(&shares)?.solve_ridge(self.ridge / mean, start, accuracy)
    }

    /// The derivative in the weights of a criterion with slopes `upper` in the scores (length K·n), at a solution for these weights. Bounds on its
    /// errors are not known.
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
        let (n, slopes) = (self.design.n_rows(), self.n_classes * self.design.n_columns());
        let scores = self.n_classes * n;
        if [solution.predictor.len(), upper.predictor.len()] != [scores; 2]
            || solution.coefficients.len() < slopes
        {
            let found = "vectors of other lengths".to_string();
            return Err(Error::data("solution and criterion", found, format!("{scores} scores")));
        }
        let mut start = vec![0.0; slopes];
        for &(m, q) in upper.warm_start {
            if let Some(slot) = start.get_mut(m as usize) {
                *slot = q;
            }
        }
        let glm = self.glm(&shares)?;
        let answer = glm.answer(self.ridge / mean, solution, upper.predictor, start, accuracy);
        let share = 1.0 / (self.rows.len() as f64 * mean);
        let (mut z, mut p) = (vec![0.0; self.n_classes], vec![0.0; self.n_classes]);
        let mut of_row = |i: usize| {
            let class = self.classes[i] as usize;
            z.iter_mut().enumerate().for_each(|(k, z)| *z = solution.predictor[k * n + i]);
            softmax::value_and_probabilities(class, &z, &mut p);
            let terms = (0..self.n_classes).map(|k| softmax::slope(class, k, &p) * answer.moves[k * n + i]);
            share * terms.sum::<f64>()
        };
        let numbered = (0_u32..).zip(answer.adjoint.iter().copied());
        Ok(SampleAdjoint {
            weights: self.rows.iter().map(|&i| of_row(i)).collect(),
            errors: None,
            ridge: crate::kernel::dot(&solution.coefficients[..slopes], &answer.adjoint) / mean,
            residual: answer.residual,
            warm_start: numbered.collect(),
        })
    }

    fn shares(&self, weights: &[f64]) -> Result<(Vec<f64>, f64)> {
        shares(self.classes.len(), self.rows, weights)
    }

    fn glm<'s>(&'s self, shares: &'s [f64]) -> Result<MultinomialGlm<'s, D>> {
        MultinomialGlm::new(self.design, self.classes, self.n_classes, shares, self.intercept)
    }
}

impl<D: DesignMatrix> SampleWeighted for WeightedMultinomial<'_, D> {
    fn n_samples(&self) -> usize {
        self.rows.len()
    }

    fn ridge(&self) -> f64 {
        self.ridge
    }

    fn solve(&self, weights: &[f64], start: Option<Solution>, accuracy: Accuracy) -> Result<Solution> {
        WeightedMultinomial::solve(self, weights, start, accuracy)
    }

    fn adjoint(
        &self,
        weights: &[f64],
        solution: &Solution,
        upper: &UpperGradient<'_>,
        accuracy: Accuracy,
    ) -> Result<SampleAdjoint> {
        WeightedMultinomial::adjoint(self, weights, solution, upper, accuracy)
    }
}
