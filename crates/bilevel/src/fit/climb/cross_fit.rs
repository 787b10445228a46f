//! Whether thousands of weights help on validation rows that did not choose them.

use crate::Result;
use crate::objective::{mean_and_standard_error, tight};
use crate::outer::{Objective, Request};

use super::{Climb, PhiOf, Stage, objective_over};
use crate::fit::WeightsKind;
use crate::fit::family::Family;

impl<'a, F: Family<'a>> Climb<'_, 'a, '_, F> {
    /// Whether many weights help on rows that did not choose them.
    ///
    /// A criterion that thousands of weights were fitted to says nothing about them. So the weights are learned on one half of the splits (of
    /// the validation rows, for a hold-out) and judged on the other, and the other way round; they survive if the two judgements together improve
    /// on the best stage by more than the standard error of the difference, paired over the validation rows.
    pub(super) fn survives_cross_fitting(
        &mut self,
        best: &Stage,
        kind: WeightsKind,
        name: &str,
    ) -> Result<bool> {
        let whole =
            if self.family.prepared().halves.is_empty() { None } else { Some(self.swap_in_halves(best)?) };
        let survives = self.cross_fit(best, kind, name);
        if let Some(whole) = whole {
            self.objective = whole;
        } else {
            self.objective.set_active(&vec![true; self.objective.n_splits()])?;
        }
        survives
    }

    /// Puts an objective over the two halves of a hold-out in the place of the objective, which is returned.
    fn swap_in_halves(&mut self, best: &Stage) -> Result<PhiOf<'a, F>> {
        let splits = &self.family.prepared().halves;
        let mut halves = objective_over(self.family, splits, &self.factors)?;
        let start = self.objective.solutions().next().cloned();
        halves.forget_all_but(start.map(|s| vec![s; splits.len()]));
        debug_assert_eq!(best.of_splits.len(), 1);
        Ok(std::mem::replace(&mut self.objective, halves))
    }

    fn cross_fit(&mut self, best: &Stage, kind: WeightsKind, name: &str) -> Result<bool> {
        let count = self.objective.n_splits();
        let mut judged = Vec::with_capacity(best.samples.len());
        let mut last = None;
        for half in 0..2 {
            let (mut learns, mut judges) = (vec![false; count], vec![false; count]);
            for k in 0..count {
                if k % 2 == half { judges[k] = true } else { learns[k] = true }
            }
            self.objective.set_active(&learns)?;
            let (maps, start) = self.free_maps(best, kind);
            let method = self.method(kind, best.result.evaluation.support_size);
            let stage = self.stage(&format!("{name}, half {}", half + 1), kind, maps, &method, start)?;
            self.objective.set_active(&judges)?;
            self.objective.evaluate(
                &stage.result.theta,
                Request { gradient: false, ..tight(self.settings.selection()) },
            )?;
            judged.extend(self.objective.validation_samples());
            let stopped = self.interrupted;
            last = Some(stage);
            if stopped {
                break;
            }
        }
        let Some(mut stage) = last else { return Ok(false) };
        stage.result.evaluation.value = mean_and_standard_error(judged.iter().map(|s| s.1)).0;
        let complete = judged.len() == best.samples.len();
        judged.sort_by_key(|s| s.0);
        stage.samples = judged;
        let (survives, error) = self.compare(best, &stage);
        self.record(&format!("{name}, cross-fitted"), &stage, error, false);
        Ok(survives && complete)
    }
}
