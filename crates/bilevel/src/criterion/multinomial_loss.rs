//! The multinomial loss on held-out rows: L(z) = Σ_i v_i (log Σ_k e^{z_ik} − z_{i,b_i}).

use crate::data::Split;
use crate::loss::softmax;

use super::{Criterion, CriterionValue, RowLoss};

/// Σ v_i f(b_i, z_i) for scores z of K classes, class after class (length K·n), with weights v that vanish on the training rows.
#[derive(Debug, Clone)]
pub struct MultinomialLoss<'a> {
    classes: &'a [u32],
    n_classes: usize,
    weights: &'a [f64],
    /// The weight of one sample; `None` if every row is one.
    unit: Option<f64>,
}

impl<'a> MultinomialLoss<'a> {
    /// `classes`, each below `n_classes`, and `weights` have length n; the weights sum to 1.
    pub fn new(classes: &'a [u32], n_classes: usize, weights: &'a [f64]) -> Self {
        Self { classes, n_classes, weights, unit: None }
    }

    /// On the validation rows of a split, each of which counts as the samples that it stands for.
    pub fn of_split(classes: &'a [u32], n_classes: usize, split: &'a Split) -> Self {
        Self { classes, n_classes, weights: &split.validation, unit: Some(split.validation_unit) }
    }

    /// Calls `visit(i, v_i, f, p)` for every row of positive weight.
    fn each_row(&self, predictor: &[f64], mut visit: impl FnMut(usize, f64, f64, &[f64])) {
        let n = self.weights.len();
        let (mut z, mut p) = (vec![0.0; self.n_classes], vec![0.0; self.n_classes]);
        for (i, (&b, &v)) in
            self.classes.iter().zip(self.weights).enumerate().filter(|(_, row)| *row.1 != 0.0)
        {
            z.iter_mut().enumerate().for_each(|(k, z)| *z = predictor[k * n + i]);
            let value = softmax::value_and_probabilities(b as usize, &z, &mut p);
            visit(i, v, value, &p);
        }
    }
}

impl Criterion for MultinomialLoss<'_> {
    fn evaluate(&self, predictor: &[f64]) -> CriterionValue {
        let n = self.weights.len();
        let mut result = CriterionValue {
            value: 0.0,
            gradient: vec![0.0; predictor.len()],
            curvature: vec![0.0; predictor.len()],
            samples: Vec::new(),
        };
        self.each_row(predictor, |i, v, value, p| {
            result.value += v * value;
            for k in 0..self.n_classes {
                result.gradient[k * n + i] = v * softmax::slope(self.classes[i] as usize, k, p);
                // The norm of the row's K×K block, for each of its entries.
                result.curvature[k * n + i] = v * softmax::MAX_CURVATURE;
            }
            let row = u32::try_from(i).unwrap_or(u32::MAX);
            let weight = self.unit.map_or(1.0, |unit| v / unit);
            result.samples.push(RowLoss { row, position: row, weight, loss: value });
        });
        result
    }

    /// The diagonal of each row's K×K block.
    fn hessian(&self, predictor: &[f64]) -> Vec<f64> {
        let n = self.weights.len();
        let mut diagonal = vec![0.0; predictor.len()];
        self.each_row(predictor, |i, v, _, p| {
            p.iter().enumerate().for_each(|(k, p)| diagonal[k * n + i] = v * p * (1.0 - p));
        });
        diagonal
    }
}
