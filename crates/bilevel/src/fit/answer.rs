//! From the summit of the climb to the answer: final fit, certificate, scores, records.

use std::time::Instant;

use crate::Result;
use crate::data::{Dataset, Target, Task};
use crate::design::DesignMatrix;
use crate::loss::PseudoHuber;
use crate::lower::{Hyperparameters, LowerLevel, Solution};
use crate::objective::ValidationSample;
use crate::outer::Accuracy;

use super::certify;
use super::climb::{Stage, Summit};
use super::family::Family;
use super::prepare::Prepared;
use super::robust;
use super::rows;
use super::score::robust_score;
use super::{
    CertificateRecord, CriterionRecord, DataRecord, EdgeRecord, Fit, FitInput, FitRecord, FitSettings,
    LowerLevelRecord, Model, OuterRecord, PredictionOrigin, Predictions, RangeRecord, SCHEMA_VERSION,
    ScoreRecord, SecondsRecord, Verdict, WeightsKind, WeightsRecord, weighted_score,
};

/// θ is recorded up to this length.
const LONGEST_THETA: usize = 1000;

/// A search that is over.
pub(super) struct Searched {
    pub(super) summit: Summit,
    pub(super) started: Instant,
    /// What the search took.
    pub(super) seconds: f64,
}

pub(super) fn assemble<'a, F: Family<'a>>(
    input: &FitInput<'_>,
    family: &'a F,
    problem: &F::Lower,
    searched: Searched,
) -> Result<Fit> {
    let prepared = family.prepared();
    let (solution, single_fit) = searched.final_solution(input.settings, problem)?;
    let model = model(prepared, &solution);
    let (test, predictions) = scores(input, prepared, &model, &solution, &searched.summit.best.samples)?;
    let feature_weights = searched.feature_weights(family);
    let record = searched.record(input, family, problem, (&solution, single_fit), test);
    Ok(Fit { model, record, feature_weights, predictions })
}

impl Searched {
    /// The fit at the hyperparameters that were found, from where the search says, and the seconds that it took.
    pub(super) fn final_solution<M: LowerLevel>(
        &self,
        settings: &FitSettings,
        problem: &M,
    ) -> Result<(Solution, f64)> {
        problem.forget();
        let accuracy = Accuracy { relative_gap: settings.tolerance, adjoint_residual: 1.0 };
        let started = Instant::now();
        let best = &self.summit.best;
        let start = best.near_final.as_ref().map(|(y, intercept)| problem.start_from(y.clone(), *intercept));
        let solution = problem.solve(&best.hyperparameters, start, accuracy)?;
        Ok((solution, started.elapsed().as_secs_f64()))
    }

    /// λ of each feature's block in the units of the data.
    pub(super) fn feature_weights<'a, F: Family<'a>>(&self, family: &'a F) -> Vec<f64> {
        feature_weights(family, &self.summit.best.hyperparameters)
    }

    pub(super) fn record<'a, F: Family<'a>>(
        self,
        input: &FitInput<'_>,
        family: &'a F,
        problem: &F::Lower,
        (solution, single_fit): (&Solution, f64),
        test: Option<ScoreRecord>,
    ) -> FitRecord {
        let (settings, prepared) = (input.settings, family.prepared());
        let best = &self.summit.best;
        let evaluation = &best.result.evaluation;
        let n_test = test.as_ref().map_or(0, |t| t.n_samples);
        let total = self.started.elapsed().as_secs_f64();
        let one_lambda = best.kind == WeightsKind::Scalar;
        FitRecord {
            schema: SCHEMA_VERSION,
            version: env!("CARGO_PKG_VERSION").to_string(),
            data: DataRecord {
                name: input.name.to_string(),
                n_samples: prepared.rows.development.len(),
                n_features: prepared.data.n_features(),
                n_stored: prepared.design.n_stored(),
                sparse: prepared.data.design.is_sparse(),
                n_test,
                weighted: input.sample_weight.is_some(),
                fingerprint: format!("{:016x}", prepared.data.fingerprint() ^ rows::fingerprint(input)),
            },
            settings: settings.clone(),
            loss: prepared.loss,
            delta: prepared.delta,
            criterion: CriterionRecord {
                name: prepared.criterion_name.clone(),
                value: evaluation.value,
                standard_error: evaluation.standard_error,
                given_splits: input.splits.map(<[_]>::len),
            },
            curve: self.summit.curve,
            weights: WeightsRecord {
                kind: best.kind,
                lambda: one_lambda.then(|| lambda_at(settings, best.result.theta[0])),
                lambda_max: family.lambda_scale(problem, &vec![1.0; family.blocks().len()]),
                ridge: best.hyperparameters.ridge,
                theta: if best.result.theta.len() <= LONGEST_THETA {
                    best.result.theta.clone()
                } else {
                    Vec::new()
                },
            },
            outer: OuterRecord {
                method: best.method.to_string(),
                steps: self.summit.stages.iter().map(|s| s.steps).sum(),
                evaluations: self.summit.stages.iter().map(|s| s.evaluations).sum(),
                stop_reason: best.result.stop_reason,
            },
            stages: self.summit.stages,
            trace: self.summit.trace,
            certificate: certificate(
                best,
                family,
                (self.summit.lambda_range, self.summit.certified),
                problem,
                solution,
            ),
            lower_level: LowerLevelRecord {
                objective: solution.objective,
                duality_gap: solution.gap,
                iterations: solution.iterations,
            },
            seconds: SecondsRecord {
                load: 0.0,
                search: self.seconds,
                final_fit: total - self.seconds,
                single_fit,
                total,
            },
            test,
        }
    }
}

/// e^θ, or the value of a given grid that θ came from, to the last bit.
fn lambda_at(settings: &FitSettings, theta: f64) -> f64 {
    let given = settings.grid.iter().flatten().find(|lambda| lambda.ln() == theta);
    given.copied().unwrap_or_else(|| theta.exp())
}

/// The solution in the units of the data.
fn model(prepared: &Prepared<'_>, solution: &Solution) -> Model {
    let support = solution.support();
    Model {
        task: prepared.data.target.task(),
        n_features: prepared.data.n_features(),
        feature_names: prepared.data.feature_names.clone(),
        classes: prepared.data.target.class_labels().cloned(),
        coefficients: support.iter().map(|&j| solution.coefficients[j] * prepared.design.factor(j)).collect(),
        support,
        intercept: solution.intercept,
    }
}

fn feature_weights<'a, F: Family<'a>>(family: &'a F, hyperparameters: &Hyperparameters) -> Vec<f64> {
    let (blocks, design) = (family.blocks(), &family.prepared().design);
    let mut weights = vec![0.0; blocks.n_coefficients()];
    for (g, &lambda) in hyperparameters.lambda.iter().enumerate() {
        for &j in blocks.members(g) {
            weights[j as usize] = family.weight_in_data_units(lambda, design.factor(j as usize));
        }
    }
    weights
}

fn certificate<'a, F: Family<'a>>(
    best: &Stage,
    family: &'a F,
    (lambda_range, certified): (Option<(f64, f64)>, Option<RangeRecord>),
    problem: &F::Lower,
    solution: &Solution,
) -> CertificateRecord {
    let evaluation = &best.result.evaluation;
    CertificateRecord {
        residual: family.residual(problem, &best.hyperparameters, solution),
        relative_gap: solution.relative_gap,
        hypergradient_norm: certify::projected_norm(&evaluation.gradient, &best.at_edges),
        hypergradient_error_bound: evaluation.gradient_error_bound.unwrap_or(f64::INFINITY),
        biactive: evaluation.biactive,
        one_sided_slopes: best.one_sided.filter(|(left, right)| left.is_finite() && right.is_finite()),
        stationary: best.verdict.is_stationary(),
        verdict: named(best, family.prepared()),
        stationarity_tolerance: certify::stationarity_tolerance(evaluation.value),
        lambda_range,
        certified,
        n_at_edges: best.at_edges.len(),
        at_edges: edges(best, family.prepared()),
    }
}

/// The verdict, with the name of the feature whose weight it is about.
fn named(best: &Stage, prepared: &Prepared<'_>) -> Verdict {
    let mut verdict = best.verdict.clone();
    if let Verdict::Descends { parameter, name, .. } = &mut verdict
        && let Some(of_feature) = weight_of_feature(best, prepared, *parameter)
    {
        *name = of_feature;
    }
    verdict
}

/// The first parameters on an edge, with the names of features whose weights they are.
fn edges(best: &Stage, prepared: &Prepared<'_>) -> Vec<EdgeRecord> {
    let named = best.edges.iter().zip(&best.at_edges);
    named
        .map(|(edge, &(k, largest))| EdgeRecord {
            parameter: weight_of_feature(best, prepared, k).unwrap_or_else(|| edge.parameter.clone()),
            largest,
        })
        .collect()
}

/// The name of parameter k, where it is the weight of one feature.
fn weight_of_feature(best: &Stage, prepared: &Prepared<'_>, k: usize) -> Option<String> {
    let p = prepared.data.n_features();
    let is_weight = best.kind == WeightsKind::Feature && best.hyperparameters.lambda.len() == p && k < p;
    is_weight.then(|| format!("log lambda of {}", prepared.data.feature_names.name(k)))
}

/// Scores on the test set, and predictions on rows that no model behind them has seen: the test set, or the validation rows.
fn scores(
    input: &FitInput<'_>,
    prepared: &Prepared<'_>,
    model: &Model,
    solution: &Solution,
    samples: &[ValidationSample],
) -> Result<(Option<ScoreRecord>, Option<Predictions>)> {
    let targets = prepared.data.target.values();
    let scale = Scale::new(prepared)?;
    if let Some(test) = input.test {
        let (truth, predicted) =
            (matching_target(prepared.data, test)?, model.decision_function(&test.design)?);
        let record = scale.score(&truth, &predicted, &vec![1.0; truth.len()]);
        return Ok((Some(record), Some(Predictions { origin: PredictionOrigin::Test, truth, predicted })));
    }
    let rows = &prepared.rows.test;
    if rows.is_empty() {
        let of_sample = |s: &ValidationSample| (targets[s.row as usize], s.predictor);
        let (truth, predicted) = samples.iter().map(of_sample).unzip();
        return Ok((None, Some(Predictions { origin: PredictionOrigin::Validation, truth, predicted })));
    }
    let (truth, predicted): (Vec<f64>, Vec<f64>) =
        rows.iter().map(|&i| (targets[i], solution.predictor[i])).unzip();
    let weight = |&i: &usize| input.sample_weight.map_or(1.0, |weights| weights[i]);
    let record = scale.score(&truth, &predicted, &rows.iter().map(weight).collect::<Vec<f64>>());
    Ok((Some(record), Some(Predictions { origin: PredictionOrigin::Test, truth, predicted })))
}

fn matching_target(data: &Dataset, test: &Dataset) -> Result<Vec<f64>> {
    match (&data.target, &test.target) {
        (Target::Real(_), Target::Real(values)) => Ok(values.clone()),
        (Target::Binary { classes: a, .. }, Target::Binary { signs, classes: b }) if a == b => {
            Ok(signs.clone())
        }
        _ => Err(crate::Error::data(
            "test target",
            "another kind of target or other classes",
            "those of the training data",
        )),
    }
}

/// What predictions are scored by, and compared with.
struct Scale {
    task: Task,
    robust: Option<PseudoHuber>,
    baseline: f64,
}

impl Scale {
    fn new(prepared: &Prepared<'_>) -> Result<Self> {
        let (task, targets) = (prepared.data.target.task(), prepared.data.target.values());
        let weights = &prepared.rows.final_weights;
        let robust = prepared.delta.map(PseudoHuber::new).transpose()?;
        let baseline = match robust {
            Some(loss) => robust::location(loss, targets, weights),
            None => baseline(task, targets, weights),
        };
        Ok(Self { task, robust, baseline })
    }

    fn score(&self, truth: &[f64], predicted: &[f64], weights: &[f64]) -> ScoreRecord {
        match self.robust {
            Some(loss) => robust_score(loss, truth, predicted, weights, self.baseline),
            None => weighted_score(self.task, truth, predicted, weights, self.baseline),
        }
    }
}

/// The best constant predictor on the training rows: the mean, or the log-odds of the classes.
fn baseline(task: Task, targets: &[f64], weights: &[f64]) -> f64 {
    let mean = crate::kernel::dot(targets, weights);
    match task {
        Task::Regression => mean,
        Task::Classification => ((1.0 + mean) / (1.0 - mean)).ln().clamp(-30.0, 30.0),
    }
}
