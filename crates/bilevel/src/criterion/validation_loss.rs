//! The loss on held-out rows: L(z) = Σ_i v_i f(b_i, z_i). One split is the hold-out criterion, K of them averaged are K-fold cross-validation.

use crate::data::Split;
use crate::loss::Loss;

use super::{Criterion, CriterionValue, RowLoss, Sag};

/// Σ v_i f(b_i, z_i), with weights v that vanish on the training rows.
#[derive(Debug, Clone)]
pub struct ValidationLoss<'a, L> {
    loss: L,
    targets: &'a [f64],
    weights: &'a [f64],
    /// The weight of one sample; `None` if every row is one.
    unit: Option<f64>,
    /// The numbers of the rows in the data, where they are others than their places here.
    numbers: Option<&'a [u32]>,
}

impl<'a, L: Loss> ValidationLoss<'a, L> {
    /// `targets` and `weights` have length n; the weights sum to 1. Every row with a weight counts as one sample.
    pub fn new(loss: L, targets: &'a [f64], weights: &'a [f64]) -> Self {
        Self { loss, targets, weights, unit: None, numbers: None }
    }

    /// On the validation rows of a split, each of which counts as the samples that it stands for.
    pub fn of_split(loss: L, targets: &'a [f64], split: &'a Split) -> Self {
        Self { loss, targets, weights: &split.validation, unit: Some(split.validation_unit), numbers: None }
    }

    /// On rows that were copied from the data, where they have the given `numbers`; `unit` is the weight of one sample.
    pub(crate) fn of_copies(
        loss: L,
        targets: &'a [f64],
        weights: &'a [f64],
        unit: f64,
        numbers: &'a [u32],
    ) -> Self {
        Self { loss, targets, weights, unit: Some(unit), numbers: Some(numbers) }
    }
}

impl<L: Loss> Criterion for ValidationLoss<'_, L> {
    fn evaluate(&self, predictor: &[f64]) -> CriterionValue {
        let n = predictor.len();
        let mut result = CriterionValue {
            value: 0.0,
            gradient: vec![0.0; n],
            curvature: vec![0.0; n],
            samples: Vec::new(),
        };
        for (i, ((&b, &v), &z)) in self.targets.iter().zip(self.weights).zip(predictor).enumerate() {
            if v != 0.0 {
                let loss = self.loss.value(b, z);
                result.value += v * loss;
                result.gradient[i] = v * self.loss.derivative(b, z);
                result.curvature[i] = v * L::MAX_CURVATURE;
                let weight = self.unit.map_or(1.0, |unit| v / unit);
                let position = u32::try_from(i).unwrap_or(u32::MAX);
                let row = self.numbers.map_or(position, |numbers| numbers[i]);
                result.samples.push(RowLoss { row, position, weight, loss });
            }
        }
        result
    }

    fn hessian(&self, predictor: &[f64]) -> Vec<f64> {
        let terms = self.targets.iter().zip(self.weights).zip(predictor);
        terms.map(|((&b, &v), &z)| if v == 0.0 { 0.0 } else { v * self.loss.curvature(b, z) }).collect()
    }

    /// The mean of the tangents at both ends, with weights 1 − t and t, is below the convex L; for the squared loss L is a parabola on the chord.
    fn sag(&self, from: (&[f64], &CriterionValue), to: (&[f64], &CriterionValue)) -> Option<Sag> {
        let slopes = from.1.gradient.iter().zip(&to.1.gradient);
        let terms = slopes.zip(from.0.iter().zip(to.0)).map(|((u, v), (a, b))| (v - u) * (b - a));
        let bend = terms.sum::<f64>().max(0.0);
        let exact = L::MAX_THIRD_DERIVATIVE == 0.0;
        Some(Sag { depth: if exact { 0.5 * bend } else { bend }, exact })
    }

    /// −Σ v_i f*(b_i, 0).
    fn lowest(&self) -> f64 {
        let terms = self.targets.iter().zip(self.weights).filter(|(_, v)| **v != 0.0);
        -terms.map(|(&b, &v)| v * self.loss.conjugate(b, 0.0)).sum::<f64>()
    }
}
