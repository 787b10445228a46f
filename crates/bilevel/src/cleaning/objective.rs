//! Φ(θ): the loss on clean rows of the model that is trained on weighted ones.
//!
//! ```text
//! Φ(θ) = Σ_i v_i f(b_i, z_i*) + (μ/2m)‖θ − θ⁰‖²,     z* = Ay*(w(θ)) + c*
//! ```

use std::cell::RefCell;

use crate::Result;
use crate::criterion::{Criterion, CriterionValue, ValidationLoss};
use crate::design::DesignMatrix;
use crate::loss::Loss;
use crate::lower::{Solution, UpperGradient, WeightedGlm};
use crate::outer::{Accuracy, Evaluation, Objective, Request};
use crate::parametrization::SampleWeights;

/// The loss on clean rows that do not steer the descent, and where it was lowest.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Its weights (length n), all 0 if nobody watches.
    pub(super) weights: Vec<f64>,
    /// The loss at the start.
    pub(super) first: Option<f64>,
    /// The lowest loss, and θ there.
    pub(super) best: Option<(f64, Vec<f64>)>,
    /// Evaluations since then.
    pub(super) since: usize,
}

impl Watch {
    fn look(&mut self, theta: &[f64], loss: f64) {
        self.first.get_or_insert(loss);
        if self.best.as_ref().is_none_or(|(best, _)| loss < *best) {
            self.best = Some((loss, theta.to_vec()));
            self.since = 0;
        } else {
            self.since += 1;
        }
    }
}

/// Φ over θ (length m).
pub(super) struct CleaningObjective<'a, D, L> {
    pub(super) lower: WeightedGlm<'a, D, L>,
    pub(super) criterion: ValidationLoss<'a, L>,
    pub(super) watch: &'a RefCell<Watch>,
    pub(super) loss: L,
    pub(super) targets: &'a [f64],
    pub(super) map: SampleWeights,
    /// μ.
    pub(super) pull: f64,
    pub(super) state: State,
}

/// What is known at the last θ.
#[derive(Default)]
pub(super) struct State {
    /// θ and the relative gap that the solution was asked for.
    solved_at: Option<(Vec<f64>, f64)>,
    solution: Option<Solution>,
    measured: CriterionValue,
    adjoint_start: Vec<(u32, f64)>,
}

impl<D: DesignMatrix, L: Loss> CleaningObjective<'_, D, L> {
    /// w(θ).
    pub(super) fn weights(&self, theta: &[f64]) -> Vec<f64> {
        theta.iter().map(|t| self.map.weight(*t)).collect()
    }

    /// y*(w(θ)), tightly.
    pub(super) fn solution(&mut self, theta: &[f64]) -> Result<Solution> {
        self.lower.solve(&self.weights(theta), self.state.solution.clone(), Accuracy::TIGHT)
    }

    fn solve(&mut self, theta: &[f64], weights: &[f64], request: Request) -> Result<()> {
        let gap = request.accuracy.relative_gap;
        if matches!(&self.state.solved_at, Some((at, solved)) if at == theta && *solved <= gap) {
            return Ok(());
        }
        self.state.solved_at = None;
        let solution = self.lower.solve(weights, self.state.solution.take(), request.accuracy)?;
        self.state.measured = self.criterion.evaluate(&solution.predictor);
        let mut watch = self.watch.borrow_mut();
        if watch.weights.iter().any(|w| *w > 0.0) {
            let loss = self.loss.mean(&watch.weights, self.targets, &solution.predictor);
            watch.look(theta, loss);
        }
        self.state.solution = Some(solution);
        self.state.solved_at = Some((theta.to_vec(), gap));
        Ok(())
    }

    /// (μ/m)(θ − θ⁰).
    fn pulls<'t>(&self, theta: &'t [f64]) -> impl Iterator<Item = f64> + 't {
        let (strength, start) = (self.pull / theta.len() as f64, self.map.start());
        theta.iter().map(move |t| strength * (t - start))
    }
}

impl<D: DesignMatrix, L: Loss> Objective for CleaningObjective<'_, D, L> {
    fn n_parameters(&self) -> usize {
        self.lower.n_samples()
    }

    fn bounds(&self) -> (Vec<f64>, Vec<f64>) {
        let (lower, upper) = self.map.bounds();
        (vec![lower; self.n_parameters()], vec![upper; self.n_parameters()])
    }

    fn evaluate(&mut self, theta: &[f64], request: Request) -> Result<Evaluation> {
        let weights = self.weights(theta);
        self.solve(theta, &weights, request)?;
        let start = self.map.start();
        let drift = self.pulls(theta).zip(theta).map(|(pull, t)| 0.5 * pull * (t - start)).sum::<f64>();
        let relative_gap = self.state.solution.as_ref().map_or(f64::INFINITY, |s| s.relative_gap);
        let mut evaluation = Evaluation {
            value: self.state.measured.value + drift,
            standard_error: standard_error(&self.state.measured),
            gradient: Vec::new(),
            gradient_error_bound: 0.0,
            relative_gap,
            support_size: weights.iter().filter(|w| **w > 0.5).count() as f64,
            biactive: 0,
        };
        let Some(solution) = self.state.solution.as_ref().filter(|_| request.gradient) else {
            return Ok(evaluation);
        };
        let upper = UpperGradient {
            predictor: &self.state.measured.gradient,
            curvature: &self.state.measured.curvature,
            warm_start: &self.state.adjoint_start,
        };
        let adjoint = self.lower.adjoint(&weights, solution, &upper, request.accuracy)?;
        let slopes: Vec<f64> = theta.iter().map(|t| self.map.slope(*t)).collect();
        let terms = adjoint.weights.iter().zip(&slopes).zip(self.pulls(theta));
        evaluation.gradient = terms.map(|((h, slope), pull)| h * slope + pull).collect();
        let errors = adjoint.errors.iter().zip(&slopes);
        evaluation.gradient_error_bound = errors.map(|(e, slope)| (e * slope).powi(2)).sum::<f64>().sqrt();
        self.state.adjoint_start = adjoint.warm_start;
        Ok(evaluation)
    }
}

/// Standard error of the mean over the clean rows.
fn standard_error(measured: &CriterionValue) -> f64 {
    let n = measured.samples.len() as f64;
    if n < 2.0 {
        return 0.0;
    }
    let mean = measured.samples.iter().map(|s| s.loss).sum::<f64>() / n;
    let square = measured.samples.iter().map(|s| (s.loss - mean).powi(2)).sum::<f64>();
    (square / (n - 1.0) / n).sqrt()
}
