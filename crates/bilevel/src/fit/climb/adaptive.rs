//! Adaptive weights, for a few rounds: each from the fit of the one before.

use std::sync::Arc;

use crate::Result;
use crate::lower::{LowerLevel, Solution};
use crate::outer::Accuracy;
use crate::parametrization::{Adaptive, Parametrization, Ridge};

use super::{Climb, Maps, Stage};
use crate::fit::WeightsKind;
use crate::fit::family::Family;

/// Adaptive rounds, each from the fit of the one before.
const ADAPTIVE_ROUNDS: usize = 3;

impl<'a, F: Family<'a>> Climb<'_, 'a, '_, F> {
    /// Adaptive weights from the fit of `best`, for a few rounds.
    pub(super) fn adaptive(&mut self, best: Stage, only_if_better: bool) -> Result<Stage> {
        let mut best = best;
        let mut last_value = f64::INFINITY;
        for round in 1..=ADAPTIVE_ROUNDS {
            if self.interrupted {
                break;
            }
            let maps = self.adaptive_maps(&best)?;
            let start = self.adaptive_start(&best);
            let name = format!("adaptive, round {round}");
            let method = self.method(WeightsKind::Adaptive, best.result.evaluation.support_size);
            let stage = self.stage(&name, WeightsKind::Adaptive, maps, &method, start)?;
            let value = stage.result.evaluation.value;
            let (better, error) = self.compare(&best, &stage);
            let settled = round > 1 && value < best.result.evaluation.value;
            let kept = better || settled || round == 1 && !only_if_better;
            self.record(&name, &stage, error, kept);
            if kept {
                best = stage;
            }
            if !kept || value > 0.999 * last_value {
                break;
            }
            last_value = value;
        }
        Ok(best)
    }

    /// Adaptive parametrizations: each split from its own solution at the best point, so that no fold's weights have seen its validation rows.
    fn adaptive_maps(&mut self, best: &Stage) -> Result<Maps> {
        let (factors, ridge) = (Arc::<[f64]>::from(self.factors.as_slice()), self.ridge);
        let (lower, upper) = (self.range.0 - 7.0, self.range.1);
        let make = |solution: &Solution| -> Box<dyn Parametrization> {
            Box::new(Adaptive::new(factors.clone(), &self.family.block_sizes(solution), ridge, lower, upper))
        };
        let final_solution = self.final_problem.solve(&best.hyperparameters, None, Accuracy::TIGHT)?;
        let of_final = make(&final_solution);
        let of_splits: Vec<_> = self.objective.solutions().map(make).collect();
        Ok(Maps { of_splits, of_final })
    }

    /// Where a round begins: at one λ with exponent 0, later where the round before ended, so that features that are out stay as far out.
    fn adaptive_start(&self, best: &Stage) -> Vec<f64> {
        if best.kind == WeightsKind::Adaptive {
            return best.result.theta.clone();
        }
        let mut start = vec![self.largest_weight(best), 0.0];
        if let Ridge::Learned { .. } = self.ridge {
            start.push(best.hyperparameters.ridge.max(f64::MIN_POSITIVE).ln());
        }
        start
    }

    fn largest_weight(&self, best: &Stage) -> f64 {
        let weights = best.hyperparameters.lambda.iter().zip(&self.factors).map(|(l, f)| l / f);
        let smallest = weights.filter(|l| *l > 0.0).fold(f64::INFINITY, f64::min);
        if smallest.is_finite() { smallest.ln() } else { self.range.1 }
    }
}
