//! The squared error to a known truth: L(z) = (1/n)‖z − x‖².

use super::{Criterion, CriterionValue};

/// The mean squared error of the predictor (the restored image) to a clean one. Pixels are no independent samples: there are no row losses.
///
/// ```
/// use bilevel::criterion::{Criterion, SupervisedError};
///
/// let value = SupervisedError::new(&[1.0, 2.0]).evaluate(&[1.0, 4.0]);
/// assert_eq!((value.value, value.gradient), (2.0, vec![0.0, 2.0]));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct SupervisedError<'a> {
    truth: &'a [f64],
}

impl<'a> SupervisedError<'a> {
    /// `truth` has the length of the predictor: an objective refuses another.
    pub fn new(truth: &'a [f64]) -> Self {
        Self { truth }
    }
}

impl Criterion for SupervisedError<'_> {
    fn evaluate(&self, predictor: &[f64]) -> CriterionValue {
        // Of the truth's length, so that a predictor of another length does not go unnoticed.
        let n = self.truth.len().max(1) as f64;
        let of = |(i, x): (usize, &f64)| predictor.get(i).map_or(f64::NAN, |z| z - x);
        let differences = || self.truth.iter().enumerate().map(of);
        CriterionValue {
            value: differences().map(|d| d * d).sum::<f64>() / n,
            gradient: differences().map(|d| 2.0 * d / n).collect(),
            curvature: self.hessian(predictor),
            samples: Vec::new(),
        }
    }

    fn hessian(&self, predictor: &[f64]) -> Vec<f64> {
        vec![2.0 / self.truth.len().max(1) as f64; predictor.len()]
    }

    fn lowest(&self) -> f64 {
        0.0
    }
}
