//! Whether thousands of weights help on validation rows that did not choose them, and how free they should be.

use crate::Result;
use crate::data::Split;
use crate::lower::Hyperparameters;
use crate::objective::{ValidationSample, tight};
use crate::outer::{Objective, Request};

use super::{Climb, PhiOf, Stage, objective_over};
use crate::fit::WeightsKind;
use crate::fit::family::Family;
use crate::fit::tall::Place;

/// Strengths of the pull to choose from, times Φ/p: from where the weights stay within a percent of each other to where thousands of them fit hundreds of
/// validation rows by heart.
const PULLS: [f64; 4] = [1e3, 1e2, 1e1, 1.0];

/// What rows say about weights that they did not choose.
struct Judgement {
    /// The criterion there.
    value: f64,
    /// Whether it improves on the stage before by more than the standard error of the difference.
    survives: bool,
}

impl<'a, F: Family<'a>> Climb<'_, 'a, '_, F> {
    /// The strengths of the pull that come into question, decreasing: one, unless it is to be chosen.
    pub(super) fn pulls(&self, best: &Stage, kind: WeightsKind) -> Vec<f64> {
        let is_chosen =
            self.settings.pull.is_none() && kind == WeightsKind::Feature && !self.family.has_kinks();
        if !is_chosen {
            return vec![self.settings.pull.unwrap_or(0.0)];
        }
        let unit = best.result.evaluation.value / self.factors.len().max(1) as f64;
        PULLS.iter().map(|times| times * unit).collect()
    }

    /// Whether many weights help on rows that did not choose them, under the best of the given pulls, which then stays in force.
    ///
    /// A criterion that thousands of weights were fitted to says nothing about them. So the weights are learned on one half of the splits (of
    /// the validation rows, for a hold-out or where splits share them) and judged on the other, and the other way round; they survive if the two judgements together improve
    /// on the best stage by more than the standard error of the difference, paired over the validation rows.
    pub(super) fn survives_cross_fitting(
        &mut self,
        best: &Stage,
        kind: WeightsKind,
        name: &str,
        pulls: &[f64],
    ) -> Result<bool> {
        self.pull = pulls.first().copied().unwrap_or(0.0);
        let Some(halves) = &self.family.prepared().rows.halves else {
            let survives = self.survives_under(pulls, best, &best.of_splits, kind, name);
            self.objective.set_active(&vec![true; self.objective.n_splits()])?;
            return survives;
        };
        if halves.is_empty() {
            return Ok(false);
        }
        let of_halves = match best.of_splits.as_slice() {
            [_] => best.of_splits.clone(),
            several => halves.iter().map(|(k, _)| several[*k].clone()).collect(),
        };
        let whole = self.swap_in(halves)?;
        let solutions_of_whole = self.last_solutions.clone();
        self.last_solutions =
            halves.iter().filter_map(|(k, _)| self.last_solutions.get(*k).cloned()).collect();
        let survives = self.survives_under(pulls, best, &of_halves, kind, name);
        (self.objective, self.last_solutions) = (whole, solutions_of_whole);
        survives
    }

    /// Puts an objective over the halves of the splits in the place of the objective, which is returned.
    fn swap_in(&mut self, halves: &'a [(usize, Split)]) -> Result<PhiOf<'a, F>> {
        let splits = halves.iter().enumerate().map(|(i, (_, half))| (Place::Half(i), half));
        let mut objective = objective_over(self.family, splits, &self.factors)?;
        let solutions: Vec<_> = self.objective.solutions().collect();
        let start = |(k, _): &(usize, Split)| solutions.get(*k).map(|&s| s.clone());
        objective.forget_all_but(halves.iter().map(start).collect());
        Ok(std::mem::replace(&mut self.objective, objective))
    }

    /// The judgement under ever weaker pulls, until it gets worse; the best pull is kept.
    fn survives_under(
        &mut self,
        pulls: &[f64],
        best: &Stage,
        of_splits: &[Hyperparameters],
        kind: WeightsKind,
        name: &str,
    ) -> Result<bool> {
        let mut lowest: Option<(Judgement, f64)> = None;
        for &pull in pulls {
            self.pull = pull;
            let name = if pulls.len() > 1 { format!("{name}, pull {pull:.1e}") } else { name.to_string() };
            let Some(judgement) = self.cross_fit(best, of_splits, kind, &name)? else { break };
            if lowest.as_ref().is_some_and(|(lowest, _)| judgement.value >= lowest.value) {
                break;
            }
            lowest = Some((judgement, pull));
            if self.interrupted {
                break;
            }
        }
        let Some((judgement, pull)) = lowest else { return Ok(false) };
        self.pull = pull;
        Ok(judgement.survives)
    }

    /// `None` if the search was interrupted before all rows had judged.
    fn cross_fit(
        &mut self,
        best: &Stage,
        of_splits: &[Hyperparameters],
        kind: WeightsKind,
        name: &str,
    ) -> Result<Option<Judgement>> {
        let count = self.objective.n_splits();
        let mut judged = Vec::with_capacity(best.samples.len());
        let mut last = None;
        for half in 0..2 {
            let (mut learns, mut judges) = (vec![false; count], vec![false; count]);
            for k in 0..count {
                if k % 2 == half { judges[k] = true } else { learns[k] = true }
            }
            self.objective.set_active(&learns)?;
            let (maps, start) = self.free_maps(best, of_splits, kind);
            let method = self.method(kind, best.result.evaluation.support_size);
            let name = format!("{name}, half {}", half + 1);
            let (stage, _) = self.stage_without_verdict(&name, kind, maps, &method, start)?;
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
        let Some(mut stage) = last else { return Ok(None) };
        let complete = judged.len() == best.samples.len();
        // The halves of a split have other numbers than the split, but stay in the same order.
        judged.sort_by_key(|s| (s.row, s.split));
        let pairs = best.samples.iter().zip(&judged);
        stage.samples = pairs.map(|(b, j)| ValidationSample { loss: j.loss, ..*b }).collect();
        stage.result.evaluation.value = mean_over_splits(&stage.samples);
        let (survives, error) = self.compare(best, &stage);
        self.record(&format!("{name}, cross-fitted"), &stage, error, false);
        let value = stage.result.evaluation.value;
        Ok(complete.then_some(Judgement { value, survives }))
    }
}

/// The mean over splits of the mean losses over their rows.
fn mean_over_splits(samples: &[ValidationSample]) -> f64 {
    let mut sums: Vec<(f64, f64)> = Vec::new();
    for sample in samples {
        let k = sample.split as usize;
        if sums.len() <= k {
            sums.resize(k + 1, (0.0, 0.0));
        }
        sums[k].0 += sample.weight * sample.loss;
        sums[k].1 += sample.weight;
    }
    let means: Vec<f64> = sums.into_iter().filter(|s| s.1 > 0.0).map(|(sum, weight)| sum / weight).collect();
    means.iter().sum::<f64>() / means.len().max(1) as f64
}
