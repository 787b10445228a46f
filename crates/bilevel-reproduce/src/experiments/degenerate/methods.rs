//! The four methods on one data set, and what is seen of them on the way.

use bilevel::Result;
use bilevel::data::SplitSettings;
use bilevel::data::synthetic::{FeatureRole, FourGroups};
use bilevel::fit::WeightsKind;
use bilevel::hypergradient::BiactivePolicy;
use bilevel::loss::Squared;
use bilevel::lower::LowerLevel;
use bilevel::outer::{Accuracy, OuterOptimizer, Progress};

use super::BAND;
use crate::experiments::synthetic::settings;
use crate::hold_out::HoldOut;
use crate::methods::{Found, ntrba, sparse_ho};
use crate::run::Run;
use crate::scores::{mean_squared_error, norm, support_f1};
use crate::sets::Parts;

/// What they are called, in the order of everything here.
pub(super) const METHODS: [&str; 4] = ["one λ", "Null", "NTRBA", "auto"];
/// How far below log λ_max a log-weight may go.
pub(super) const DEPTH: f64 = 14.0;
/// The library halves squared errors; the published criterion does not.
const HALVED: f64 = 2.0;
/// The start of noise features, and the top of the box.
const NOISE_WEIGHT: f64 = 10.0;
/// The start of hidden features, relative to their kinks.
const ABOVE_THE_KINK: f64 = 1.05;

/// What one method did with one data set.
pub(super) struct Trial {
    /// Norm of the hidden features' entries of the hypergradient at the start; NaN where there is none.
    pub(super) hidden_gradient: f64,
    /// Mean squared error on the validation rows, at best.
    pub(super) criterion: f64,
    pub(super) support_f1: f64,
    /// Mean squared error on the test rows.
    pub(super) test_error: f64,
    pub(super) steps: usize,
    pub(super) seconds: f64,
    /// Every outer step, the start included; empty for calls of `fit`.
    pub(super) trace: Vec<Seen>,
    /// (role, λ) of every feature at the end; empty for calls of `fit`.
    pub(super) weights: Vec<(FeatureRole, f64)>,
}

/// A descent after a step.
pub(super) struct Seen {
    pub(super) criterion: f64,
    pub(super) hidden_gradient: f64,
    pub(super) radius: Option<f64>,
}

/// All methods, in the order of [`METHODS`].
pub(super) fn all(run: &Run<'_>, toy: &FourGroups, rho: f64) -> Result<Vec<Trial>> {
    let data = &toy.truth.data;
    let n = data.n_samples();
    let parts = Parts::in_order(data, n * 6 / 10, n * 2 / 10)?;
    let ridge = 1.0 / parts.n_train as f64;
    let judge = Judge { toy, parts: &parts };
    let fitted = |weights| -> Result<Trial> {
        let split = SplitSettings::Validation(parts.n_validation());
        let (found, _) = run.fit(&parts.development, &settings(weights, ridge, split))?;
        Ok(judge.trial(&found, Vec::new(), Vec::new()))
    };
    let hold_out = HoldOut::new(&parts.development, parts.n_train, Squared, ridge)?;
    let start = calibrated_start(&hold_out, &toy.roles, rho)?;
    let descended = |method: &dyn OuterOptimizer| descend(run, method, &hold_out, &start, &judge);
    Ok(vec![
        fitted(WeightsKind::Scalar)?,
        descended(&sparse_ho(BAND))?,
        descended(&ntrba(BiactivePolicy::SelfConsistent, BAND))?,
        fitted(WeightsKind::Auto)?,
    ])
}

/// log λ at which hidden coefficients are zero and just above their kinks.
fn calibrated_start(hold_out: &HoldOut<'_, Squared>, roles: &[FeatureRole], rho: f64) -> Result<Vec<f64>> {
    let shut_out = roles.iter().map(|role| match role {
        FeatureRole::Easy => 0.5,
        FeatureRole::Distractor => 0.5 * (1.0 - rho * rho) / rho,
        FeatureRole::Hidden => f64::INFINITY,
        FeatureRole::Noise => NOISE_WEIGHT,
    });
    let mut lambda: Vec<f64> = shut_out.collect();
    let solution = hold_out.lower()?.solve(&hold_out.at(lambda.clone()), None, Accuracy::TIGHT)?;
    let hidden = lambda.iter_mut().zip(&solution.correlations).filter(|(l, _)| l.is_infinite());
    hidden.for_each(|(l, gradient)| *l = ABOVE_THE_KINK * gradient.abs());
    Ok(lambda.into_iter().map(f64::ln).collect())
}

fn descend(
    run: &Run<'_>,
    method: &dyn OuterOptimizer,
    hold_out: &HoldOut<'_, Squared>,
    start: &[f64],
    judge: &Judge<'_>,
) -> Result<Trial> {
    let largest = hold_out.lower()?.lambda_max(&vec![1.0; start.len()]).ln();
    let mut objective = hold_out.objective((largest - DEPTH, NOISE_WEIGHT.ln()))?;
    let (mut trace, mut best) = (Vec::new(), (f64::INFINITY, Vec::new()));
    let see = |progress: &Progress<'_>| {
        let evaluation = progress.evaluation;
        trace.push(Seen {
            criterion: HALVED * evaluation.value,
            hidden_gradient: HALVED * judge.hidden_norm(&evaluation.gradient),
            radius: progress.radius,
        });
        if evaluation.value < best.0 {
            best = (evaluation.value, progress.theta.to_vec());
        }
    };
    let found = run.descend(method, &mut objective, start, see)?;
    let weights = judge.toy.roles.iter().copied().zip(best.1.iter().map(|x| x.exp())).collect();
    Ok(judge.trial(&found, trace, weights))
}

struct Judge<'a> {
    toy: &'a FourGroups,
    parts: &'a Parts,
}

impl Judge<'_> {
    fn hidden_norm(&self, gradient: &[f64]) -> f64 {
        let hidden = self.toy.roles.iter().zip(gradient).filter(|(role, _)| **role == FeatureRole::Hidden);
        norm(hidden.map(|(_, h)| *h))
    }

    fn trial(&self, found: &Found, trace: Vec<Seen>, weights: Vec<(FeatureRole, f64)>) -> Trial {
        let test = &self.parts.test;
        Trial {
            hidden_gradient: trace.first().map_or(f64::NAN, |seen| seen.hidden_gradient),
            criterion: HALVED * found.criterion,
            support_f1: support_f1(&self.toy.truth.coefficients, &found.coefficients),
            test_error: mean_squared_error(test.target.values(), &found.predict(&test.design)),
            steps: found.steps,
            seconds: found.seconds,
            trace,
            weights,
        }
    }
}
