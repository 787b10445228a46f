//! Observers see a fit while it runs: progress, logging, checkpoints, cancellation.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use crate::outer::Step;

/// One evaluation of the objective, complete enough to be replayed.
///
/// A fit is deterministic: given the same input and journal it asks for the same evaluations in the same order. A resumed fit
/// reads the journaled ones instead of solving again, and goes on where the journal ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// Name of the stage.
    pub stage: String,
    /// Fingerprint of the evaluation's place in the search (stage, number within the stage, what was asked) and of sample weights and splits.
    pub key: u64,
    /// Φ(θ), as the bits of the `f64` (exact in JSON, infinite values included).
    pub value_bits: u64,
    /// Its standard error, as bits.
    pub standard_error_bits: u64,
    /// Indices of the nonzero entries of the gradient; absent if no gradient was asked for.
    pub gradient_indices: Option<Vec<u32>>,
    /// The entries, as bits.
    pub gradient_bits: Vec<u64>,
    /// Error bound of the gradient, as bits; NaN where it is unknown.
    pub gradient_error_bound_bits: u64,
    /// Relative gap, as bits.
    pub relative_gap_bits: u64,
    /// Mean support size, as bits.
    pub support_size_bits: u64,
    /// Biactive coordinates.
    pub biactive: usize,
    /// The lower-level solutions after this evaluation, one for each split, where a resumed search can go on from it. Only the last of them in
    /// a journal is used; clear the earlier ones to keep it small.
    pub warm_start: Option<Vec<WarmStart>>,
}

/// A sparse lower-level solution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WarmStart {
    /// Indices of the nonzero coefficients.
    pub indices: Vec<u32>,
    /// The coefficients, as bits.
    pub bits: Vec<u64>,
    /// The intercept, as bits.
    pub intercept_bits: u64,
}

/// Sees a fit while it runs. All methods have empty defaults.
pub trait Observer: Send {
    /// A stage begins.
    fn on_stage(&mut self, name: &str, n_parameters: usize) {
        let _ = (name, n_parameters);
    }

    /// An outer step is complete. `Break` ends the search after this step; the best answer so far is then fitted and returned.
    fn on_step(&mut self, step: &Step) -> ControlFlow<()> {
        let _ = step;
        ControlFlow::Continue(())
    }

    /// Asked before every evaluation of the objective. `true` ends the fit there with [`crate::Error::Interrupted`], where [`Observer::on_step`]
    /// would let the step be completed and the best answer so far be fitted.
    fn is_interrupted(&self) -> bool {
        false
    }

    /// The objective was evaluated (not called for evaluations replayed from a journal). Append the entry to a journal to make the fit resumable.
    fn on_evaluation(&mut self, entry: &JournalEntry) {
        let _ = entry;
    }
}

/// An observer that looks away.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}
