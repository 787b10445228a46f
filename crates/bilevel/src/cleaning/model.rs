//! The model that was trained on weighted samples, and its score on others.

use serde::{Deserialize, Serialize};

use crate::criterion::{Criterion, MultinomialLoss};
use crate::data::{Dataset, Target, Task};
use crate::design::Design;
use crate::fit::{LossKind, Model, MultinomialModel, ScoreRecord, score};
use crate::lower::Solution;
use crate::{Error, Result};

/// A model with one score for each sample, or with one for each sample and class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CleanedModel {
    /// Of a value or two classes.
    Linear(Model),
    /// Of more than two classes.
    Multinomial(MultinomialModel),
}

impl CleanedModel {
    pub(super) fn new(data: &Dataset, kind: LossKind, solution: Solution) -> Self {
        let p = data.n_features();
        match &data.target {
            Target::Multiple { labels, .. } => {
                let (coefficients, intercepts) = solution.coefficients.split_at(labels.len() * p);
                Self::Multinomial(MultinomialModel {
                    n_features: p,
                    feature_names: data.feature_names.clone(),
                    labels: labels.clone(),
                    coefficients: coefficients.to_vec(),
                    intercepts: intercepts.to_vec(),
                })
            }
            target => Self::Linear(Model {
                task: if kind == LossKind::Logistic { Task::Classification } else { target.task() },
                n_features: p,
                feature_names: data.feature_names.clone(),
                classes: target.class_labels().cloned(),
                support: (0..solution.coefficients.len()).collect(),
                coefficients: solution.coefficients,
                intercept: solution.intercept,
            }),
        }
    }

    /// The model of a value or two classes.
    pub fn linear(&self) -> Option<&Model> {
        match self {
            Self::Linear(model) => Some(model),
            Self::Multinomial(_) => None,
        }
    }

    /// Regression or classification.
    pub fn task(&self) -> Task {
        self.linear().map_or(Task::Classification, |model| model.task)
    }

    /// The scores of each row of a design matrix: one, or one for each class, class after class (length K·n).
    ///
    /// # Errors
    /// [`Error::InvalidData`] if the matrix has another number of columns.
    pub fn decision_function(&self, design: &Design) -> Result<Vec<f64>> {
        match self {
            Self::Linear(model) => model.decision_function(design),
            Self::Multinomial(model) => model.decision_function(design),
        }
    }

    /// The score on fresh samples, beside that of the constant that is best on the samples `known` to be right.
    pub(super) fn score(&self, test: &Dataset, known: &Target) -> Result<ScoreRecord> {
        let scores = self.decision_function(&test.design)?;
        match (self, &test.target) {
            (Self::Linear(model), target) => {
                let values = known.values();
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                let baseline = match model.task {
                    Task::Classification => ((1.0 + mean) / (1.0 - mean)).ln().clamp(-30.0, 30.0),
                    Task::Regression => mean,
                };
                Ok(score(model.task, target.values(), &scores, baseline))
            }
            (Self::Multinomial(model), Target::Multiple { numbers, labels }) if *labels == model.labels => {
                Ok(score_of_classes(numbers, labels.len(), &scores, known.values()))
            }
            _ => {
                let found = "another kind of target or other classes";
                Err(Error::data("test target", found, "those of the training data"))
            }
        }
    }
}

/// Loss and accuracy of scores for K classes, class after class.
fn score_of_classes(truth: &[f64], n_classes: usize, scores: &[f64], known: &[f64]) -> ScoreRecord {
    let n = truth.len();
    let classes: Vec<u32> = truth.iter().map(|&number| number as u32).collect();
    let equal = vec![1.0 / n as f64; n];
    let judge = MultinomialLoss::new(&classes, n_classes, &equal);
    let mut counts = vec![0.0; n_classes];
    for &number in known {
        if let Some(count) = counts.get_mut(number as usize) {
            *count += 1.0;
        }
    }
    // A class that none of the known samples has is as rare as half a sample.
    let constants = counts.iter().flat_map(|count| std::iter::repeat_n(f64::max(*count, 0.5).ln(), n));
    let accuracy = |scores: &[f64]| {
        let best = |i: usize| {
            (1..n_classes).fold(0, |top, k| if scores[k * n + i] > scores[top * n + i] { k } else { top })
        };
        classes.iter().enumerate().filter(|(i, class)| best(*i) == **class as usize).count() as f64 / n as f64
    };
    let constants: Vec<f64> = constants.collect();
    ScoreRecord {
        n_samples: n,
        loss: judge.evaluate(scores).value,
        baseline_loss: judge.evaluate(&constants).value,
        accuracy: Some(accuracy(scores)),
        baseline_accuracy: Some(accuracy(&constants)),
        ..ScoreRecord::default()
    }
}
