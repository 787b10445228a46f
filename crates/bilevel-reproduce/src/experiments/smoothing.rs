//! Smoothing beside the exact method: |y| → √(y² + ε²), with continuation ε → 0.
//!
//! Two biases are shown: that of the lower-level minimizer at a fixed λ, and that of the minimizers of the criterion, for one λ and for one weight
//! per feature. And what a smoothed model costs: it has no zeros, so its work is that of all p coefficients.

use std::time::Instant;

use bilevel::Result;
use bilevel::criterion::ValidationLoss;
use bilevel::data::Dataset;
use bilevel::data::synthetic::{Shape, regression};
use bilevel::design::DesignMatrix;
use bilevel::loss::Squared;
use bilevel::lower::{LowerLevel, SmoothedGlm};
use bilevel::objective::SplitObjective;
use bilevel::outer::{
    Accuracy, Continuation, GaussNewton, Lbfgs, Objective, OuterOptimizer, Request, ScalarSearch,
    SmoothedObjective, Unwatched,
};
use bilevel::parametrization::{Parametrization, Ridge, Weights};
use bilevel_report::figure::{Chart, Line};

use super::{DataNeed, Experiment, Outcome};
use crate::hold_out::{FeatureObjective, HoldOut};
use crate::report::Figure;
use crate::run::Run;
use crate::scores::{active, mean, mean_squared_error};
use crate::table::{Cell, Table, digits};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "smoothing",
    about: "|y| replaced by √(y²+ε²), ε → 0: the bias of both levels, and its price",
    needs: DataNeed::Nothing,
    repeats: true,
    work,
};

const SEEDS: u64 = 10;
const N_TRAIN: usize = 60;
const SHAPE: Shape = Shape { n_samples: 1120, n_features: 40, n_informative: 8 };
const SIGNAL_TO_NOISE: f64 = 3.0;
/// λ of the lower-level comparison, as a fraction of λ_max.
const FIXED: f64 = 0.1;
/// How far below log λ_max λ is looked for.
const DEPTH: f64 = 9.0;

/// The exact searches over one weight per feature.
const EXACT: [fn() -> Box<dyn OuterOptimizer>; 2] =
    [|| Box::new(Lbfgs::default()), || Box::new(GaussNewton::default())];
const EXACT_NAMES: [&str; EXACT.len()] = ["exact, L-BFGS", "exact, Gauss–Newton"];

/// What one ε (or the exact method, ε = 0) came to.
struct Stage {
    /// In units of the largest coefficient.
    epsilon: f64,
    /// max|y_ε − y| over max|y|, at the fixed λ.
    coefficient_bias: f64,
    /// |log λ_ε* − log λ*|.
    one_bias: f64,
    /// Exact criterion at λ_ε*, over the exact minimum, minus 1.
    one_loss: f64,
    /// Criterion that the search over one weight per feature saw, and the exact criterion there.
    feature_seen: f64,
    feature_exact: f64,
    /// Exact criterion on fresh rows, at the weights of the search over one weight per feature.
    feature_test: f64,
    active: usize,
    seconds: f64,
}

fn work(run: &Run<'_>) -> Result<Outcome> {
    let seeds = run.seeds(SEEDS, 2);
    let all = run.each(&seeds, |seed| format!("seed {seed}"), |&seed| one(seed))?;
    let count = all.iter().map(Vec::len).min().unwrap_or(0);
    let of_stage = |k: usize, value: fn(&Stage) -> f64| mean(all.iter().map(|stages| value(&stages[k])));
    let n_smoothed = count.saturating_sub(EXACT.len());
    let mut table = Table::new(&[
        "ε / largest y",
        "lower level: largest change of y / largest y",
        "one λ: change of log λ*",
        "one λ: excess of the exact criterion",
        "per feature: criterion seen",
        "per feature: exact criterion there",
        "per feature: loss on fresh rows",
        "nonzero coefficients",
        "seconds per feature search",
    ]);
    for k in 0..count {
        table.push(vec![
            match k.checked_sub(n_smoothed) {
                Some(exact) => Cell::text(EXACT_NAMES[exact]),
                None => Cell::Number(of_stage(k, |s| s.epsilon)),
            },
            Cell::Number(of_stage(k, |s| s.coefficient_bias)),
            Cell::Number(of_stage(k, |s| s.one_bias)),
            Cell::Number(of_stage(k, |s| s.one_loss)),
            Cell::Number(of_stage(k, |s| s.feature_seen)),
            Cell::Number(of_stage(k, |s| s.feature_exact)),
            Cell::Number(of_stage(k, |s| s.feature_test)),
            Cell::Decimals(of_stage(k, |s| s.active as f64), 1),
            Cell::Number(of_stage(k, |s| s.seconds)),
        ]);
    }
    let line = |name: &str, value: fn(&Stage) -> f64| {
        let points = (0..n_smoothed).map(|k| (of_stage(k, |s| s.epsilon).log10(), of_stage(k, value)));
        Line::new(name, points.collect())
    };
    let chart = Chart {
        finding: "The bias of both levels falls with ε, and the kinks come back".to_string(),
        x: "log₁₀ of ε / largest y".to_string(),
        y: "bias".to_string(),
        log: true,
        lines: vec![
            line("lower level: coefficients", |s| s.coefficient_bias),
            line("upper level: log λ", |s| s.one_bias),
        ],
    };
    let shape = format!(
        "{} × {} Gaussian rows, {} informative",
        SHAPE.n_samples, SHAPE.n_features, SHAPE.n_informative
    );
    Ok(Outcome {
        title: "Smoothing beside the exact method".to_string(),
        caption: vec![format!(
            "The lower level with √(y² + ε²) in the place of |y|, for ε from a tenth of the largest coefficient down to a millionth, each search started at the answer of the ε before; last rows: the exact nonsmooth method. {shape}; {N_TRAIN} rows train, {N_TRAIN} judge, the others are fresh. Means over {} seed(s). One λ: the local minimum of Φ_ε next to the exact global one. Per feature: L-BFGS from the best single λ, default settings; the exact problem also by Gauss–Newton with look-ahead.",
            seeds.len()
        )],
        findings: findings(&all, n_smoothed),
        figures: Figure::of("smoothing-bias.svg", &chart.finding, chart.to_svg()).into_iter().collect(),
        table,
        settings: vec![
            ("data", format!("{shape}, ‖Xβ‖/‖ε‖ = {SIGNAL_TO_NOISE}")),
            ("fixed λ of the lower-level comparison", format!("{FIXED} λ_max")),
        ],
        seeds,
    })
}

fn findings(all: &[Vec<Stage>], n_smoothed: usize) -> Vec<String> {
    let Some(last) = n_smoothed.checked_sub(1) else { return Vec::new() };
    let seconds = |k: usize| mean(all.iter().map(|stages| stages[k].seconds));
    let smoothed: f64 = (0..n_smoothed).map(seconds).sum();
    (n_smoothed..n_smoothed + EXACT.len())
        .map(|k| {
            let ahead = all.iter().filter(|stages| stages[k].feature_exact <= stages[last].feature_exact).count();
            format!(
                "One weight per feature, {}: ends at least as low as the smallest ε in {ahead} of {} seeds (both are local searches), in 1/{} of the time of all ε together.",
                EXACT_NAMES[k - n_smoothed],
                all.len(),
                digits(smoothed / seconds(k)),
            )
        })
        .collect()
}

type Smoothed<'a> =
    SplitObjective<SmoothedGlm<'a, bilevel::design::Design, Squared>, ValidationLoss<'a, Squared>>;

fn one(seed: u64) -> Result<Vec<Stage>> {
    let all = regression(SHAPE, SIGNAL_TO_NOISE, seed)?.data;
    let (data, fresh) = (rows(&all, 0..2 * N_TRAIN)?, Fresh(rows(&all, 2 * N_TRAIN..SHAPE.n_samples)?));
    let hold_out = HoldOut::new(&data, N_TRAIN, Squared, 0.0)?;
    let largest = hold_out.lower()?.lambda_max(&vec![1.0; SHAPE.n_features]);
    let range = (largest.ln() - DEPTH, largest.ln());
    let at = hold_out.at(vec![FIXED * largest; SHAPE.n_features]);
    let exact = hold_out.lower()?.solve(&at, None, Accuracy::TIGHT)?.coefficients;
    let scale = exact.iter().fold(0.0_f64, |m, y| m.max(y.abs()));
    let path = Continuation::relative_to(scale);

    let parts = || Ok::<_, bilevel::Error>((hold_out.lower()?, hold_out.criterion()));
    let scalar = || one_weight(&data, range);
    let mut exact_one = SplitObjective::new(vec![parts()?], scalar());
    let best = ScalarSearch::default().minimize(&mut exact_one, &[], &mut Unwatched)?;
    let mut exact_feature = hold_out.objective(range)?;
    let start = vec![best.theta[0]; SHAPE.n_features];

    let smoothed = |weights: Box<dyn Parametrization>| -> Result<Smoothed<'_>> {
        Ok(SplitObjective::new(
            vec![(SmoothedGlm::new(hold_out.lower()?, path.first)?, hold_out.criterion())],
            weights,
        ))
    };
    let mut one_lambda = smoothed(scalar())?;
    let mut per_feature = smoothed(Box::new(Weights::per_block(
        vec![1.0; SHAPE.n_features],
        Ridge::Fixed(0.0),
        range.0,
        range.1,
    )))?;
    let lower = SmoothedGlm::new(hold_out.lower()?, path.first)?;
    let solutions = lower.solve_path(&at, path, Accuracy::TIGHT)?;
    let mut stages = Vec::new();
    let mut from = start.clone();
    for (epsilon, solution) in solutions {
        one_lambda.set_epsilon(epsilon)?;
        let found = Lbfgs::default().minimize(&mut one_lambda, &best.theta, &mut Unwatched)?;
        per_feature.set_epsilon(epsilon)?;
        let started = Instant::now();
        let features = Lbfgs::default().minimize(&mut per_feature, &from, &mut Unwatched)?;
        let seconds = started.elapsed().as_secs_f64();
        let distance =
            solution.coefficients.iter().zip(&exact).fold(0.0_f64, |m, (a, b)| m.max((a - b).abs()));
        stages.push(Stage {
            epsilon: epsilon / scale,
            coefficient_bias: distance / scale,
            one_bias: (found.theta[0] - best.theta[0]).abs(),
            one_loss: value(&mut exact_one, &found.theta)? / best.evaluation.value - 1.0,
            feature_seen: features.evaluation.value,
            feature_exact: value(&mut exact_feature, &features.theta)?,
            feature_test: fresh.loss(&exact_feature),
            active: active(&per_feature.solutions().next().map_or_else(Vec::new, |s| s.coefficients.clone())),
            seconds,
        });
        from = features.theta;
    }
    for method in EXACT {
        let method = method();
        let started = Instant::now();
        let features = method.minimize(&mut exact_feature, &start, &mut Unwatched)?;
        stages.push(Stage {
            epsilon: 0.0,
            coefficient_bias: 0.0,
            one_bias: 0.0,
            one_loss: 0.0,
            feature_seen: features.evaluation.value,
            feature_exact: features.evaluation.value,
            feature_test: fresh.loss(&exact_feature),
            active: active(
                &exact_feature.solutions().next().map_or_else(Vec::new, |s| s.coefficients.clone()),
            ),
            seconds: started.elapsed().as_secs_f64(),
        });
    }
    Ok(stages)
}

/// Rows that neither train nor judge.
struct Fresh(Dataset);

impl Fresh {
    /// Half the mean squared error of the exact model that was solved last.
    fn loss(&self, objective: &FeatureObjective<'_, Squared>) -> f64 {
        let mut predicted = vec![0.0; self.0.n_samples()];
        if let Some(solution) = objective.solutions().next() {
            self.0.design.product_into(&solution.coefficients, &mut predicted);
        }
        0.5 * mean_squared_error(self.0.target.values(), &predicted)
    }
}

fn rows(data: &Dataset, range: std::ops::Range<usize>) -> Result<Dataset> {
    let rows: Vec<usize> = range.collect();
    Dataset::new(data.design.select_rows(&rows)?, data.target.select(&rows), data.feature_names.clone())
}

fn one_weight(data: &Dataset, (lower, upper): (f64, f64)) -> Box<dyn Parametrization> {
    Box::new(Weights::scalar(vec![1.0; data.n_features()], Ridge::Fixed(0.0), lower, upper))
}

/// The exact criterion at θ.
fn value(objective: &mut dyn Objective, theta: &[f64]) -> Result<f64> {
    let request = Request {
        gradient: false,
        ..bilevel::objective::tight(bilevel::hypergradient::Selection::default())
    };
    Ok(objective.evaluate(theta, request)?.value)
}
