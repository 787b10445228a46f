//! Φ(θ): the loss on clean rows of the model that is trained on weighted ones.
//!
//! ```text
//! Φ(θ) = Σ_i v_i f(b_i, z_i*) + (μ/2m)‖θ − θ⁰‖²,     z* = Ay*(w(θ)) + c*
//! ```

use std::cell::RefCell;
use std::collections::VecDeque;

use crate::Result;
use crate::criterion::{Criterion, CriterionValue};
use crate::lower::{SampleWeighted, Solution, UpperGradient};
use crate::outer::{Accuracy, Evaluation, Objective, Request};
use crate::parametrization::SampleWeights;

/// The loss on clean rows that do not steer the descent, and the points where it was low.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// How many standard errors of the lowest loss count as no difference.
    pub(super) slack: f64,
    /// The loss at the start.
    pub(super) first: Option<f64>,
    /// The loss at the last evaluation.
    pub(super) last: Option<f64>,
    /// Points at which the loss was lower than ever before and is no different from the lowest: (loss, θ), the oldest first.
    lows: VecDeque<(f64, Vec<f64>)>,
    /// Evaluations since the last of them.
    pub(super) since: usize,
}

impl Watch {
    pub(super) fn new(slack: f64) -> Self {
        Self { slack, ..Self::default() }
    }

    /// The loss and θ at the earliest point that is as good as the best one.
    pub(super) fn answer(&self) -> Option<&(f64, Vec<f64>)> {
        self.lows.front()
    }

    /// Takes note of the losses of the watching rows at θ.
    fn look(&mut self, theta: &[f64], losses: &[f64]) {
        let (mean, error) = mean_and_error(losses);
        self.first.get_or_insert(mean);
        self.last = Some(mean);
        if self.lows.back().is_some_and(|(lowest, _)| mean >= *lowest) {
            self.since += 1;
            return;
        }
        self.lows.push_back((mean, theta.to_vec()));
        self.lows.retain(|(loss, _)| *loss <= mean + self.slack * error);
        self.since = 0;
    }
}

/// Φ over θ (length m).
pub(super) struct CleaningObjective<'a, M, C> {
    pub(super) lower: M,
    /// The loss on the rows that steer.
    pub(super) criterion: C,
    /// The same on those that watch, if any do.
    pub(super) watching: Option<C>,
    pub(super) watch: &'a RefCell<Watch>,
    pub(super) map: SampleWeights,
    /// μ, in the units of the loss.
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

impl<M: SampleWeighted, C: Criterion> CleaningObjective<'_, M, C> {
    /// w(θ).
    pub(super) fn weights(&self, theta: &[f64]) -> Vec<f64> {
        theta.iter().map(|t| self.map.weight(*t)).collect()
    }

    /// The loss on the steering rows at the last θ, without the pull.
    pub(super) fn measured(&self) -> f64 {
        self.state.measured.value
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
        if let Some(watching) = &self.watching {
            let losses = losses(&watching.evaluate(&solution.predictor));
            self.watch.borrow_mut().look(theta, &losses);
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

impl<M: SampleWeighted, C: Criterion> Objective for CleaningObjective<'_, M, C> {
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
            gradient_error_bound: None,
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
        evaluation.gradient_error_bound = adjoint.errors.map(|errors| {
            let scaled = errors.iter().zip(&slopes).map(|(e, slope)| e * slope);
            scaled.map(|e| e * e).sum::<f64>().sqrt()
        });
        self.state.adjoint_start = adjoint.warm_start;
        Ok(evaluation)
    }
}

/// Standard error of the mean over the clean rows.
fn standard_error(measured: &CriterionValue) -> f64 {
    mean_and_error(&losses(measured)).1
}

fn losses(measured: &CriterionValue) -> Vec<f64> {
    measured.samples.iter().map(|s| s.loss).collect()
}

/// The mean and its standard error, which is 0 for fewer than two losses.
fn mean_and_error(losses: &[f64]) -> (f64, f64) {
    let n = losses.len() as f64;
    let mean = losses.iter().sum::<f64>() / n.max(1.0);
    if n < 2.0 {
        return (mean, 0.0);
    }
    let squares = losses.iter().map(|loss| (loss - mean).powi(2)).sum::<f64>();
    (mean, (squares / (n - 1.0) / n).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_the_earliest_point_within_the_standard_error_of_the_lowest_loss() {
        let mut watch = Watch::new(1.0);
        let answer = |watch: &Watch| watch.answer().map(|(_, theta)| theta[0]);
        watch.look(&[0.0], &[4.0, 6.0]);
        watch.look(&[1.0], &[1.0, 3.0]);
        assert_eq!(answer(&watch), Some(1.0));
        // A lower mean, 1.5, but the point before is within its standard error, 1.
        watch.look(&[2.0], &[0.5, 2.5]);
        assert_eq!(answer(&watch), Some(1.0));
        watch.look(&[3.0], &[9.0, 9.0]);
        assert_eq!((answer(&watch), watch.since), (Some(1.0), 1));
        // Lower than both, without any error.
        watch.look(&[4.0], &[0.4, 0.4]);
        assert_eq!((answer(&watch), watch.since, watch.first), (Some(4.0), 0, Some(5.0)));
    }
}
