//! One stage of the climb: an outer method on one parametrization, and what its answer is worth.

use std::ops::ControlFlow;

use crate::Result;
use crate::lower::LowerLevel;
use crate::objective::{Pull, tight};
use crate::outer::{
    Accuracy, Evaluation, Objective, OuterOptimizer, OuterResult, Progress, Request, Step, StopReason,
};
use crate::parametrization::Parametrization;

use super::{Climb, Maps, Method, Stage};
use crate::fit::family::Family;
use crate::fit::observer::WarmStart;
use crate::fit::replay::Journaled;
use crate::fit::{CurvePoint, EdgeRecord, Verdict, WeightsKind, certify};

/// Splits whose mean is a start for the final fit.
const FEWEST_TO_AVERAGE: usize = 3;

impl<'a, F: Family<'a>> Climb<'_, 'a, '_, F> {
    /// A stage that may be the answer: with its verdict.
    pub(super) fn stage(
        &mut self,
        name: &str,
        kind: WeightsKind,
        maps: Maps,
        method: &Method,
        start: Vec<f64>,
    ) -> Result<Stage> {
        let (mut stage, of_final) = self.stage_without_verdict(name, kind, maps, method, start)?;
        let OuterResult { theta, evaluation, .. } = &stage.result;
        let verdict = match stage.one_sided {
            Some(slopes) => certify::between(slopes, &stage.at_edges, evaluation),
            None => certify::verdict(&mut self.objective, theta, evaluation),
        };
        stage.edges = stage
            .at_edges
            .iter()
            .take(EdgeRecord::NAMED)
            .map(|&(k, largest)| EdgeRecord { parameter: of_final.parameter_name(k), largest })
            .collect();
        stage.verdict = verdict.named(of_final.as_ref());
        Ok(stage)
    }

    /// Minimizes over one parametrization and evaluates the answer once more, live and tight, for what the journal does not hold. Returns the
    /// stage, and how θ becomes the weights of the final model.
    pub(super) fn stage_without_verdict(
        &mut self,
        name: &str,
        kind: WeightsKind,
        maps: Maps,
        method: &Method,
        start: Vec<f64>,
    ) -> Result<(Stage, Box<dyn Parametrization>)> {
        let Maps { of_splits, of_final } = maps;
        self.install(of_splits)?;
        self.objective.set_pull((kind == WeightsKind::Feature).then(|| self.outer_penalty()).flatten());
        let n_parameters = self.objective.n_parameters();
        self.observer.borrow_mut().on_stage(name, n_parameters);
        let mut trace = std::mem::take(&mut self.trace);
        // Without kinks the search ends with the answer's own solutions and derivative, and nothing is solved again.
        let answer = match method {
            Method::Scalar(search) if !self.family.has_kinks() => Some(search.settings.answer),
            _ => None,
        };
        let (result, label) = {
            let mut journaled = Journaled {
                objective: &mut self.objective,
                journal: &mut self.journal,
                observer: &self.observer,
                stage: name,
                evaluations: 0,
                answer,
            };
            let deadline = self.settings.time_limit;
            let (observer, started) = (&self.observer, self.started);
            let mut monitor = |progress: &Progress<'_>| -> ControlFlow<StopReason> {
                let step = step_record(name, progress, n_parameters == 1, started.elapsed().as_secs_f64());
                let cancelled = observer.borrow_mut().on_step(&step).is_break();
                trace.push(step);
                match deadline {
                    _ if cancelled => ControlFlow::Break(StopReason::Cancelled),
                    Some(limit) if started.elapsed().as_secs_f64() > limit => {
                        ControlFlow::Break(StopReason::TimeLimit)
                    }
                    _ => ControlFlow::Continue(()),
                }
            };
            match method {
                Method::Scalar(search) => {
                    let found = search.search(&mut journaled, &start, &mut monitor)?;
                    if answer.is_some() {
                        journaled.restore_answer();
                    }
                    self.lambda_range = Some((found.scanned.0.exp(), found.scanned.1.exp()));
                    self.curve =
                        found.curve.iter().map(|s| curve_point(s.theta.exp(), &s.evaluation)).collect();
                    (found.outer, "scalar")
                }
                Method::Given(grid, lambdas) => {
                    let points = lambdas.iter().map(|lambda| vec![lambda.ln()]).collect();
                    let found = grid.search_points(&mut journaled, points, &mut monitor)?;
                    let sampled = lambdas.iter().zip(&found.samples).rev();
                    self.curve = sampled.map(|(&lambda, (_, e))| curve_point(lambda, e)).collect();
                    (found.outer, grid.name())
                }
                Method::Other(method) => {
                    (method.minimize(&mut journaled, &start, &mut monitor)?, method.name())
                }
            }
        };
        self.trace = trace;
        self.interrupted = matches!(result.stop_reason, StopReason::Cancelled | StopReason::TimeLimit);
        let (evaluation, beside) = match answer {
            Some(accuracy) => (self.value_of_answer(&result, accuracy)?, None),
            None => self.evaluate_again(&result.theta)?,
        };
        // Without kinks both slopes are the derivative.
        let one_sided = match evaluation.gradient[..] {
            [slope] => beside.or(Some((slope, slope))),
            _ => None,
        };
        // What the pull adds is not the criterion.
        let evaluation =
            Evaluation { value: evaluation.value - self.objective.pull_value(&result.theta), ..evaluation };
        self.last_solutions = self.objective.solutions().map(WarmStart::new).collect();
        let of_splits = self.objective.hyperparameters(&result.theta);
        let at_edges = certify::at_edges(&result.theta, &self.objective.bounds());
        let stage = Stage {
            kind,
            hyperparameters: of_final.hyperparameters(&result.theta),
            result: OuterResult { evaluation, ..result },
            samples: self.objective.validation_samples(),
            near_final: self.mean_solution(),
            of_splits,
            method: label,
            one_sided,
            at_edges,
            edges: Vec::new(),
            verdict: Verdict::Unknown { reason: "not asked for".to_string() },
        };
        Ok((stage, of_final))
    }

    /// The answer of a search without kinks once more, from its own solutions, for what the journal does not hold.
    fn value_of_answer(&mut self, result: &OuterResult, accuracy: Accuracy) -> Result<Evaluation> {
        let request = Request { accuracy, gradient: false, ..tight(self.settings.selection()) };
        let evaluation = self.objective.evaluate(&result.theta, request)?;
        let OuterResult { evaluation: Evaluation { gradient, gradient_error_bound, biactive, .. }, .. } =
            result.clone();
        Ok(Evaluation { gradient, gradient_error_bound, biactive, ..evaluation })
    }

    /// The answer once more, tight, with the slopes on both sides where there may be a kink.
    fn evaluate_again(&mut self, theta: &[f64]) -> Result<(Evaluation, Option<(f64, f64)>)> {
        self.start_from_last_stage();
        let beside = match *theta {
            [theta] if self.family.has_kinks() => Some(self.one_sided_slopes(theta)?),
            _ => None,
        };
        let evaluation = self.objective.evaluate(theta, tight(self.settings.selection()))?;
        Ok((evaluation, beside))
    }

    /// A resumed run that replayed the whole stage comes to its end without solutions: in every run the end of a stage starts where the end of the
    /// stage before it came out, and cold if there is none on the same splits.
    fn start_from_last_stage(&mut self) {
        let starts = std::mem::take(&mut self.last_solutions);
        let solutions = (starts.len() == self.objective.n_splits()).then(|| {
            let starts = self.objective.lower_levels().zip(&starts);
            starts.map(|(lower, start)| start.solution(lower)).collect()
        });
        self.objective.forget_all_but(solutions);
    }

    /// The mean of the splits' coefficients and intercepts, where it is a start. Two splits do not know enough rows of each other: where classes can nearly
    /// be separated, coefficients that are sure of rows they have not seen are worse than none.
    fn mean_solution(&self) -> Option<(Vec<f64>, f64)> {
        if self.final_problem.has_kinks() || self.objective.n_splits() < FEWEST_TO_AVERAGE {
            return None;
        }
        let count = self.objective.solutions().count() as f64;
        let (mut mean, mut intercept) = (vec![0.0; self.final_problem.n_coefficients()], 0.0);
        for solution in self.objective.solutions() {
            crate::kernel::axpy(1.0 / count, &solution.coefficients, &mut mean);
            intercept += solution.intercept / count;
        }
        Some((mean, intercept))
    }

    /// The outer penalty on one weight for each block, if there is to be one.
    fn outer_penalty(&self) -> Option<Pull> {
        let group_of =
            |groups: &Vec<usize>| groups.iter().map(|&g| u32::try_from(g).unwrap_or(u32::MAX)).collect();
        let groups = self.groups.as_ref().map_or_else(|| vec![0; self.factors.len()], group_of);
        (self.pull > 0.0).then(|| Pull::new(self.pull, groups))
    }

    pub(super) fn install(&mut self, mut maps: Vec<Box<dyn Parametrization>>) -> Result<()> {
        if maps.len() == 1
            && let Some(only) = maps.pop()
        {
            self.objective.set_parametrization(only);
            return Ok(());
        }
        self.objective.set_parametrizations(maps)
    }

    /// dΦ/dθ a hundred-thousandth to the left and to the right: at a kink both matter, and the slope *at* the kink says nothing.
    fn one_sided_slopes(&mut self, theta: f64) -> Result<(f64, f64)> {
        let request = tight(self.settings.selection());
        let left = self.objective.evaluate(&[theta - 1e-5], request)?.gradient[0];
        let right = self.objective.evaluate(&[theta + 1e-5], request)?.gradient[0];
        Ok((left, right))
    }
}

fn step_record(stage: &str, progress: &Progress<'_>, one_lambda: bool, seconds: f64) -> Step {
    let evaluation: &Evaluation = progress.evaluation;
    Step {
        stage: stage.to_string(),
        step: progress.step,
        evaluations: progress.evaluations,
        value: evaluation.value,
        standard_error: evaluation.standard_error,
        gradient_norm: progress.gradient_norm,
        gradient_error_bound: evaluation.gradient_error_bound.unwrap_or(f64::INFINITY),
        support_size: evaluation.support_size,
        radius: progress.radius,
        lambda: one_lambda.then(|| progress.theta[0].exp()),
        relative_gap: evaluation.relative_gap,
        biactive: evaluation.biactive,
        accepted: progress.accepted,
        seconds,
    }
}

fn curve_point(lambda: f64, evaluation: &Evaluation) -> CurvePoint {
    CurvePoint {
        lambda,
        value: evaluation.value,
        standard_error: evaluation.standard_error,
        support_size: evaluation.support_size,
    }
}
