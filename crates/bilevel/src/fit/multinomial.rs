//! More than two classes: the same fit, of a model with a column of coefficients for each class.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::data::{FeatureNames, Target};
use crate::design::{Design, DesignMatrix};
use crate::lower::Solution;
use crate::{Error, Result};

use super::family::{Family, Multinomial};
use super::observer::Observer;
use super::prepare::Prepared;
use super::{FitInput, FitRecord, answer, climb_with, in_pool};

/// A multinomial model in the units of the data: scores z_k = A·coef_k + intercept_k, of which the softmax is the probabilities of the classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MultinomialModel {
    /// p.
    pub n_features: usize,
    /// Names of the features.
    pub feature_names: FeatureNames,
    /// The label of each class.
    pub labels: Vec<String>,
    /// Coefficients, class after class (length K·p).
    pub coefficients: Vec<f64>,
    /// The intercept of each class (length K): the last is 0, and all are without intercepts.
    pub intercepts: Vec<f64>,
}

impl MultinomialModel {
    /// The scores of each row of a design matrix, class after class (length K·n).
    ///
    /// # Errors
    /// [`Error::InvalidData`] if the matrix has another number of columns.
    pub fn decision_function(&self, design: &Design) -> Result<Vec<f64>> {
        let (n, p) = (design.n_rows(), design.n_columns());
        if p != self.n_features {
            let expected = format!("{} features, as the model was fitted on", self.n_features);
            return Err(Error::data("features", p.to_string(), expected));
        }
        let mut scores = vec![0.0; self.intercepts.len() * n];
        let classes = self.coefficients.chunks(p.max(1)).zip(&self.intercepts);
        for ((coefficients, intercept), z) in classes.zip(scores.chunks_mut(n.max(1))) {
            design.product_into(coefficients, z);
            z.iter_mut().for_each(|z| *z += intercept);
        }
        Ok(scores)
    }
}

/// The answer of a multinomial fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MultinomialFit {
    /// The model.
    pub model: MultinomialModel,
    /// How it came about. Support sizes count the nonzero coefficients of all classes.
    pub record: FitRecord,
    /// λ_j for each feature in the units of the data; +∞ where a feature is excluded.
    #[serde(skip)]
    pub feature_weights: Vec<f64>,
}

/// Learns the regularization of a multinomial logistic regression and fits it: `input.data` has a [`Target::Multiple`], and each λ_j weighs the
/// coefficients that a feature has in all classes. The penalty is ℓ1 or an elastic net; there is no test set.
///
/// ```
/// use bilevel::data::{Dataset, FeatureNames, Target};
/// use bilevel::design::{DenseMatrix, Design};
/// use bilevel::fit::{FitInput, FitSettings, Silent, WeightsKind, fit_multinomial};
///
/// // Three classes along a line, at 0, 1 and 2, and a feature that says nothing.
/// let position = |i: usize| (i % 3) as f64 + 0.3 * (i as f64).sin();
/// let columns: Vec<f64> = (0..60).map(position).chain((0..60).map(|i| (i as f64).cos())).collect();
/// let target = Target::Multiple {
///     numbers: (0..60).map(|i| (i % 3) as f64).collect(),
///     labels: ["low", "middle", "high"].map(String::from).to_vec(),
/// };
/// let design = Design::Dense(DenseMatrix::new(60, 2, columns)?);
/// let data = Dataset::new(design, target, FeatureNames::Counted { first: 1 })?;
/// let settings = FitSettings { weights: WeightsKind::Scalar, ..FitSettings::default() };
/// let fit = fit_multinomial(FitInput::new("line", &data, &settings), &mut Silent)?;
/// assert!(fit.record.criterion.value < 0.5 * 3.0_f64.ln());
/// assert_eq!(fit.model.coefficients.len(), 6);
/// # Ok::<(), bilevel::Error>(())
/// ```
///
/// # Errors
/// [`Error::InvalidData`] and [`Error::InvalidSetting`] for input that makes no sense, and failures of the lower-level solver.
pub fn fit_multinomial(input: FitInput<'_>, observer: &mut dyn Observer) -> Result<MultinomialFit> {
    if input.test.is_some() || input.settings.test_fraction.is_some() {
        return Err(Error::setting("test set", "one", "none, for multinomial classes"));
    }
    in_pool(input.settings.threads, || {
        let started = Instant::now();
        let prepared = Prepared::new(&input)?;
        let family = Multinomial::new(&prepared, input.settings)?;
        let final_problem = family.problem(&prepared.rows.final_weights)?;
        let summit = climb_with(&family, &final_problem, &input, input.groups, observer, started)?;
        let searched = answer::Searched { summit, started, seconds: started.elapsed().as_secs_f64() };
        let (solution, single_fit) = searched.final_solution(input.settings, &final_problem)?;
        let model = model(&prepared, &family, &solution);
        let feature_weights = searched.feature_weights(&family);
        let record = searched.record(&input, &family, &final_problem, (&solution, single_fit), None);
        Ok(MultinomialFit { model, record, feature_weights })
    })
}

/// The solution in the units of the data.
fn model(prepared: &Prepared<'_>, family: &Multinomial<'_>, solution: &Solution) -> MultinomialModel {
    let p = prepared.data.n_features();
    let (slopes, intercepts) = solution.coefficients.split_at(family.n_classes() * p);
    let labels = match &prepared.data.target {
        Target::Multiple { labels, .. } => labels.clone(),
        Target::Real(_) | Target::Binary { .. } => Vec::new(),
    };
    MultinomialModel {
        n_features: p,
        feature_names: prepared.data.feature_names.clone(),
        labels,
        coefficients: slopes.iter().enumerate().map(|(m, y)| y * prepared.design.factor(m % p)).collect(),
        intercepts: intercepts.to_vec(),
    }
}
