//! The proof that the λ found is the best there is, where one λ is the answer of a global search.

use std::ops::ControlFlow;

use crate::Result;
use crate::design::DesignMatrix;
use crate::objective::RangeSettings;

use super::{Climb, Maps, Stage, Weights};
use crate::fit::family::Family;
use crate::fit::{RangeRecord, WeightsKind};

/// What is proven unless asked otherwise, as part of the criterion: far below its standard error.
const EPSILON: f64 = 1e-3;
/// Rows × columns × splits up to which a proof is attempted unless asked for: there it costs about half of what the search does.
const CERTIFIED_SIZE: usize = 1_000_000;

impl<'a, F: Family<'a>> Climb<'_, 'a, '_, F> {
    /// The ε to prove; `None` for no proof, as under the pseudo-Huber loss, about which between two λ nothing is known.
    fn asked_epsilon(&self) -> Option<f64> {
        let prepared = self.family.prepared();
        if prepared.delta.is_some() {
            return None;
        }
        let size = prepared.rows.len().saturating_mul(prepared.design.n_columns());
        let is_cheap = size.saturating_mul(prepared.rows.splits.len()) <= CERTIFIED_SIZE;
        let automatic = is_cheap.then_some(EPSILON);
        self.settings.certify.or(automatic).filter(|epsilon| *epsilon > 0.0)
    }

    /// A proof about the range that was searched for `best`, unless it is not the answer of a global search.
    pub(super) fn certify(&mut self, best: &Stage) -> Result<Option<RangeRecord>> {
        let is_global = best.kind == WeightsKind::Scalar && best.method == "scalar";
        let range = self.lambda_range.filter(|_| is_global && best.result.theta.len() == 1);
        let (Some((low, high)), Some(epsilon), false) = (range, self.asked_epsilon(), self.interrupted)
        else {
            return Ok(None);
        };
        let (factors, ridge, bounds) = (self.factors.clone(), self.ridge, self.range);
        let maps = Maps::same(|| Weights::scalar(factors.clone(), ridge, bounds.0, bounds.1));
        self.install(maps.of_splits)?;
        self.objective.set_pull(None);
        let (started, limit) = (self.started, self.settings.time_limit);
        let mut go_on = || match limit {
            Some(limit) if started.elapsed().as_secs_f64() > limit => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        let value = best.result.evaluation.value;
        let settings = RangeSettings { epsilon, ..RangeSettings::default() };
        let proof = self.objective.certify_range((low.ln(), high.ln()), value, &settings, &mut go_on)?;
        Ok(proof.map(|proof| RangeRecord {
            range: (low, high),
            epsilon: proof.epsilon,
            relative: if proof.epsilon == 0.0 { 0.0 } else { proof.epsilon / value.abs() },
            requested: epsilon,
            complete: proof.complete,
            n_segments: proof.n_segments,
            n_extra_solves: proof.n_solves,
            n_reduced_solves: proof.n_refinements,
        }))
    }
}
