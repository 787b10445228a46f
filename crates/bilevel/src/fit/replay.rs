//! An objective that keeps a journal of its evaluations, and reads from one instead of solving while it lasts.
//!
//! Outer methods are deterministic, so an interrupted search that is given back its evaluations in order retraces its path without a solve. To go
//! on to the very same answer it must also start where the interrupted run was, to the last bit: rounding in a running sum is enough to send a
//! search over kinks elsewhere. So every run, at every sixteenth evaluation of a stage, forgets all but the coefficients that it journals there, and a
//! resumed run solves again what came after the last such point. Stages begin alike in every run and need no journaled start. The answer of a search
//! without kinks is such a point too, because the stage goes on from it.

use std::cell::RefCell;

use crate::criterion::Criterion;
use crate::data::Fnv;
use crate::lower::{LowerLevel, Solution};
use crate::objective::SplitObjective;
use crate::outer::{Accuracy, Evaluation, ModelStep, Objective, Request};
use crate::{Error, Result};

use super::observer::{JournalEntry, Observer, WarmStart};

/// Evaluations of a stage between two points from which a run can be resumed.
const RESUMABLE_EVERY: u64 = 16;

/// The part of a journal that a resumed run replays: up to the last entry with solutions to start from, or to the end of the last complete
/// stage. What comes after it is evaluated, and observed, again.
pub fn resumable(journal: &[JournalEntry]) -> &[JournalEntry] {
    let last_stage = journal.last().map(|entry| &entry.stage);
    let can_end = |entry: &JournalEntry| entry.warm_start.is_some() || Some(&entry.stage) != last_stage;
    &journal[..journal.iter().rposition(can_end).map_or(0, |last| last + 1)]
}

/// A position in a journal.
pub(super) struct Journal<'j> {
    entries: &'j [JournalEntry],
    position: usize,
    /// Of what was given beside data and settings: it is part of every key.
    inputs: u64,
}

impl<'j> Journal<'j> {
    pub(super) fn new(entries: &'j [JournalEntry], inputs: u64) -> Self {
        Self { entries: resumable(entries), position: 0, inputs }
    }
}

/// The objective of one stage, journaled.
pub(super) struct Journaled<'s, 'j, 'o, M, C> {
    pub(super) objective: &'s mut SplitObjective<M, C>,
    pub(super) journal: &'s mut Journal<'j>,
    pub(super) observer: &'s RefCell<&'o mut dyn Observer>,
    pub(super) stage: &'s str,
    pub(super) evaluations: u64,
    /// Evaluations of this accuracy are journaled with their solutions: the answer of a stage that ends where its search ended.
    pub(super) answer: Option<Accuracy>,
}

impl<M: LowerLevel + Send, C: Criterion + Send> Journaled<'_, '_, '_, M, C> {
    fn key(&self, request: Request) -> u64 {
        let mut hash = Fnv::default();
        self.stage.bytes().for_each(|b| hash.add(u64::from(b)));
        hash.add(self.journal.inputs);
        hash.add(self.evaluations);
        hash.add(self.objective.n_parameters() as u64);
        hash.add(u64::from(request.gradient));
        hash.add(request.selection.policy as u64);
        hash.add(request.selection.band.to_bits());
        hash.0
    }

    fn replay(&mut self, key: u64, n_parameters: usize) -> Option<Evaluation> {
        let entry = self.journal.entries.get(self.journal.position)?;
        if entry.key != key {
            self.journal.entries = &[];
            return None;
        }
        self.journal.position += 1;
        Some(entry.evaluation(n_parameters))
    }

    /// At the end of the journal: takes over the solutions that the interrupted run had there, if its last entry is of this stage.
    fn restore(&mut self) {
        let entries = std::mem::take(&mut self.journal.entries);
        let here = entries.last().filter(|entry| entry.stage == self.stage);
        if let Some(starts) = here.and_then(|entry| entry.warm_start.as_ref()) {
            self.start_from(starts);
        }
    }

    /// After a search whose last evaluation was the answer, and replayed: takes over its solutions.
    pub(super) fn restore_answer(&mut self) {
        let last = self.journal.position.checked_sub(1).and_then(|k| self.journal.entries.get(k));
        let here = last.filter(|entry| entry.stage == self.stage);
        if let Some(starts) = here.and_then(|entry| entry.warm_start.as_ref()) {
            self.start_from(starts);
        }
    }

    fn check_interruption(&self) -> Result<()> {
        if self.observer.borrow().is_interrupted() { Err(Error::Interrupted) } else { Ok(()) }
    }

    fn start_from(&mut self, starts: &[WarmStart]) {
        let solutions =
            self.objective.lower_levels().zip(starts).map(|(lower, start)| start.solution(lower)).collect();
        self.objective.forget_all_but(Some(solutions));
    }
}

impl<M: LowerLevel + Send, C: Criterion + Send> Objective for Journaled<'_, '_, '_, M, C> {
    fn n_parameters(&self) -> usize {
        self.objective.n_parameters()
    }

    fn bounds(&self) -> (Vec<f64>, Vec<f64>) {
        self.objective.bounds()
    }

    fn evaluate(&mut self, theta: &[f64], request: Request) -> Result<Evaluation> {
        let key = self.key(request);
        self.evaluations += 1;
        if let Some(evaluation) = self.replay(key, theta.len()) {
            return Ok(evaluation);
        }
        self.check_interruption()?;
        self.restore();
        let evaluation = self.objective.evaluate(theta, request)?;
        let is_resumable =
            self.evaluations.is_multiple_of(RESUMABLE_EVERY) || self.answer == Some(request.accuracy);
        let warm_start: Option<Vec<WarmStart>> =
            is_resumable.then(|| self.objective.solutions().map(WarmStart::new).collect());
        if let Some(starts) = &warm_start {
            self.start_from(starts);
        }
        let entry = JournalEntry::new(self.stage, key, &evaluation, request.gradient, warm_start);
        self.observer.borrow_mut().on_evaluation(&entry);
        Ok(evaluation)
    }

    /// Journaled as an evaluation whose value is the predicted decrease and whose gradient is the step (infinite: no model).
    fn model_step(&mut self, theta: &[f64], request: Request, radius: f64) -> Result<Option<ModelStep>> {
        let key = self.key(request) ^ radius.to_bits();
        self.evaluations += 1;
        let read = |evaluation: Evaluation| {
            let theta = theta.iter().zip(&evaluation.gradient).map(|(t, s)| t + s).collect();
            evaluation.value.is_finite().then_some(ModelStep { theta, predicted: evaluation.value })
        };
        if let Some(evaluation) = self.replay(key, theta.len()) {
            return Ok(read(evaluation));
        }
        self.check_interruption()?;
        self.restore();
        let step = self.objective.model_step(theta, request, radius)?;
        let written = Evaluation {
            value: step.as_ref().map_or(f64::INFINITY, |step| step.predicted),
            standard_error: 0.0,
            gradient: step.map_or_else(
                || vec![0.0; theta.len()],
                |step| step.theta.iter().zip(theta).map(|(a, b)| a - b).collect(),
            ),
            gradient_error_bound: None,
            relative_gap: 0.0,
            support_size: 0.0,
            biactive: 0,
        };
        self.observer.borrow_mut().on_evaluation(&JournalEntry::new(self.stage, key, &written, true, None));
        Ok(read(written))
    }
}

fn to_u32(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

impl JournalEntry {
    fn new(
        stage: &str,
        key: u64,
        evaluation: &Evaluation,
        gradient: bool,
        warm_start: Option<Vec<WarmStart>>,
    ) -> Self {
        let nonzero: Vec<usize> =
            (0..evaluation.gradient.len()).filter(|&k| evaluation.gradient[k] != 0.0).collect();
        Self {
            stage: stage.to_string(),
            key,
            value_bits: evaluation.value.to_bits(),
            standard_error_bits: evaluation.standard_error.to_bits(),
            gradient_bits: nonzero.iter().map(|&k| evaluation.gradient[k].to_bits()).collect(),
            gradient_indices: gradient.then(|| nonzero.into_iter().map(to_u32).collect()),
            gradient_error_bound_bits: evaluation.gradient_error_bound.unwrap_or(f64::NAN).to_bits(),
            relative_gap_bits: evaluation.relative_gap.to_bits(),
            support_size_bits: evaluation.support_size.to_bits(),
            biactive: evaluation.biactive,
            warm_start,
        }
    }

    fn evaluation(&self, n_parameters: usize) -> Evaluation {
        let mut gradient = Vec::new();
        if let Some(indices) = &self.gradient_indices {
            gradient.resize(n_parameters, 0.0);
            for (&k, &bits) in indices.iter().zip(&self.gradient_bits) {
                if let Some(slot) = gradient.get_mut(k as usize) {
                    *slot = f64::from_bits(bits);
                }
            }
        }
        let bound = f64::from_bits(self.gradient_error_bound_bits);
        Evaluation {
            value: f64::from_bits(self.value_bits),
            standard_error: f64::from_bits(self.standard_error_bits),
            gradient,
            gradient_error_bound: (!bound.is_nan()).then_some(bound),
            relative_gap: f64::from_bits(self.relative_gap_bits),
            support_size: f64::from_bits(self.support_size_bits),
            biactive: self.biactive,
        }
    }
}

impl WarmStart {
    pub(super) fn new(solution: &Solution) -> Self {
        let support = solution.support();
        Self {
            bits: support.iter().map(|&j| solution.coefficients[j].to_bits()).collect(),
            indices: support.into_iter().map(to_u32).collect(),
            intercept_bits: solution.intercept.to_bits(),
        }
    }

    pub(super) fn solution<M: LowerLevel>(&self, lower: &M) -> Solution {
        let mut coefficients = vec![0.0; lower.n_coefficients()];
        for (&j, &bits) in self.indices.iter().zip(&self.bits) {
            if let Some(slot) = coefficients.get_mut(j as usize) {
                *slot = f64::from_bits(bits);
            }
        }
        lower.start_from(coefficients, f64::from_bits(self.intercept_bits))
    }
}
