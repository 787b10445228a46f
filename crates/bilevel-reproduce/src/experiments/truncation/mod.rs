//! Errors of truncated and inexact hypergradients beside their bounds: over K, as the stopping rule chooses K, and for solutions that are not exact.

mod curves;

use bilevel::Result;
use bilevel::hypergradient::smooth::{
    Bounding, HypergradientMethod, Implicit, Neumann, NewtonCorrected, StoppingRule, Terms,
};
use bilevel::smooth::{Descent, Rate, spectral_bounds};
use bilevel_report::figure::{Chart, Line};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use self::curves::{Curve, Series, elastic_net, logistic};
use super::criteria::{median, normal};
use super::linear_model::{KINDS, Kind, LinearModel, solution};
use super::{DataNeed, Experiment, Outcome};
use crate::report::Figure;
use crate::run::Run;
use crate::scores::{mean, norm};
use crate::table::{Cell, Table, digits};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "truncation",
    about: "errors of truncated and inexact hypergradients of smooth problems, beside their bounds",
    needs: DataNeed::Nothing,
    repeats: true,
    work,
};

const PROBLEMS: u64 = 200;
const RULES: [(StoppingRule, &str); 2] =
    [(StoppingRule::Running, "running"), (StoppingRule::APriori, "a-priori")];
const EPSILONS: [f64; 3] = [1e-2, 1e-4, 1e-8];
/// ‖y − y*‖ of the inexact solutions.
const DISTANCES: [f64; 3] = [1e-2, 1e-4, 1e-6];
/// No series here needs as many terms.
const LONGEST: usize = 100_000;

fn work(run: &Run<'_>) -> Result<Outcome> {
    let curves = [elastic_net()?, logistic()?];
    let seeds = run.seeds(PROBLEMS, 20);
    let trials = run.each(&seeds, |seed| format!("problem {seed}"), |&seed| trial(seed))?;
    let mut table = Table::new(&[
        "case",
        "K, ε or ‖y − y*‖",
        "problems",
        "largest error",
        "largest bound",
        "a-priori bound",
        "largest error / bound",
        "median bound / error",
        "K over the smallest K, mean",
    ]);
    curves.iter().for_each(|curve| curve.rows(&mut table));
    stopping_rows(&trials, &mut table);
    inexact_rows(&trials, &mut table);
    let mut findings: Vec<String> = curves.iter().map(Curve::finding).collect();
    findings.extend(stopping_findings(&trials));
    findings.push(inexact_finding(&trials));
    let figures = curves.iter().map(Curve::figure).chain([stopping_figure(&trials), inexact_figure(&trials)]);
    Ok(Outcome {
        title: "How wrong truncated and inexact hypergradients are, and what is known of it".to_string(),
        caption: vec![
            "Over K: ‖h_K − h‖ after K terms of the Neumann series at the fixed point, beside the running bound ‖∂_λT‖‖r_K‖/(1 − q) (column `largest bound`) and the a-priori bound ‖∂_λT‖‖∇_yL‖q^K/(1 − q), for ISTA on an elastic net and gradient descent on ℓ2-logistic regression, both with step 1/Lip.".to_string(),
            format!(
                "Stopping rule: asked for ε, the rule chooses K on {} random problems (a third each squared, logistic, and log cosh with a quartic penalty; 3 to 10 coefficients, 1 to 3 weights; gradient descent with step 2/(μ + Lip)); `largest error / bound` is the true error over ε, and the smallest K is the first whose true error is at most ε.",
                trials.len()
            ),
            "Inexact solutions: the implicit hypergradient at y with ‖y − y*‖ as given, in a random direction, against the one at y*, with the bound that is computed at y. Constants are stated for the squared loss (the bound is proven), measured along the Newton step for the others (an estimate).".to_string(),
        ],
        table,
        findings,
        figures: figures.flatten().collect(),
        settings: vec![
            ("elastic net", "40 × 20, α = 0.1, λ = 0.3".to_string()),
            ("ℓ2-logistic", "30 × 8, λ = 0.1".to_string()),
            ("weights of the random problems", "uniform in [0.2, 0.8]".to_string()),
        ],
        seeds,
    })
}

/// What was found on one random problem.
struct Trial {
    kind: Kind,
    /// By rule and ε, in their order.
    choices: Vec<Choice>,
    /// By distance.
    inexact: Vec<Checked>,
    /// The same after one Newton step.
    corrected: Vec<Checked>,
}

/// What the stopping rule chose.
struct Choice {
    rule: usize,
    epsilon: f64,
    error: f64,
    bound: f64,
    terms: usize,
    /// The first K whose error is at most ε.
    fewest: usize,
}

/// An error and its bound.
#[derive(Clone, Copy)]
struct Checked {
    error: f64,
    bound: f64,
}

fn trial(seed: u64) -> Result<Trial> {
    let (problem, lambda) = LinearModel::varied(seed);
    let y = solution(&problem, &lambda)?;
    let bounds = spectral_bounds(&problem, &y, &lambda)?;
    let descent = Descent::new(&problem, Rate::Fixed(2.0 / (bounds.smallest + bounds.largest)))?;
    let series = Series::at(&descent, &problem, &lambda, &y)?;
    let mut choices = Vec::new();
    for (k, (rule, _)) in RULES.into_iter().enumerate() {
        for epsilon in EPSILONS {
            let terms = Terms::Accuracy { epsilon, rule, max_terms: LONGEST };
            let answer = Neumann { map: &descent, terms }.hypergradient(&problem, &lambda, &y)?;
            let terms = answer.work.terms;
            choices.push(Choice {
                rule: k,
                epsilon,
                error: series.error(terms),
                bound: answer.error_bound.map_or(f64::INFINITY, |bound| bound.value),
                terms,
                fewest: series.terms.iter().position(|t| t.error <= epsilon).unwrap_or(LONGEST),
            });
        }
    }
    let skip = Implicit { bounding: Bounding::Skip, ..Implicit::default() };
    let exact = skip.hypergradient(&problem, &lambda, &y)?.gradient;
    let check = |method: &dyn HypergradientMethod, size: f64| -> Result<Checked> {
        let moved = moved(&y, size, seed);
        let answer = method.hypergradient(&problem, &lambda, &moved)?;
        let bound = answer.error_bound.map_or(f64::INFINITY, |bound| bound.value);
        Ok(Checked { error: distance(&answer.gradient, &exact), bound })
    };
    let all = |method: &dyn HypergradientMethod| -> Result<Vec<Checked>> {
        DISTANCES.iter().map(|size| check(method, *size)).collect()
    };
    Ok(Trial {
        kind: problem.kind,
        choices,
        inexact: all(&Implicit::default())?,
        corrected: all(&NewtonCorrected::default())?,
    })
}

/// y + `size` along a random unit vector.
fn moved(y: &[f64], size: f64, seed: u64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0xd15);
    let direction: Vec<f64> = y.iter().map(|_| normal(&mut rng)).collect();
    let length = norm(direction.iter().copied());
    y.iter().zip(&direction).map(|(y, d)| y + size * d / length).collect()
}

fn chosen(trials: &[Trial], rule: usize, epsilon: f64) -> Vec<&Choice> {
    let all = trials.iter().flat_map(|t| &t.choices);
    all.filter(|c| c.rule == rule && c.epsilon == epsilon).collect()
}

fn stopping_rows(trials: &[Trial], table: &mut Table) {
    for (rule, (_, name)) in RULES.iter().enumerate() {
        for epsilon in EPSILONS {
            let choices = chosen(trials, rule, epsilon);
            table.push(vec![
                Cell::text(format!("stopping rule, {name}")),
                Cell::Number(epsilon),
                Cell::Count(choices.len()),
                Cell::Number(largest(choices.iter().map(|c| c.error))),
                Cell::Number(largest(choices.iter().map(|c| c.bound))),
                Cell::Empty,
                Cell::Number(largest(choices.iter().map(|c| c.error / c.epsilon))),
                Cell::Number(median(choices.iter().map(|c| c.epsilon / c.error))),
                Cell::Number(mean(choices.iter().map(|c| over_fewest(c)))),
            ]);
        }
    }
}

fn over_fewest(choice: &Choice) -> f64 {
    choice.terms.max(1) as f64 / choice.fewest.max(1) as f64
}

fn stopping_findings(trials: &[Trial]) -> Vec<String> {
    let of_rule = |(rule, (_, name)): (usize, &(StoppingRule, &str))| {
        let all: Vec<&Choice> = EPSILONS.iter().flat_map(|e| chosen(trials, rule, *e)).collect();
        let kept = all.iter().filter(|c| c.error <= c.epsilon).count();
        format!(
            "The {name} rule keeps its promise in {kept} of {} cases; the true error is at most {} ε, and K is {} times the smallest on average, {} times at most.",
            all.len(),
            digits(largest(all.iter().map(|c| c.error / c.epsilon))),
            digits(mean(all.iter().map(|c| over_fewest(c)))),
            digits(largest(all.iter().map(|c| over_fewest(c)))),
        )
    };
    RULES.iter().enumerate().map(of_rule).collect()
}

/// The true errors over ε, sorted: how far below 1 they stay.
fn stopping_figure(trials: &[Trial]) -> Option<Figure> {
    let lines = RULES.iter().enumerate().flat_map(|(rule, (_, name))| {
        EPSILONS.iter().map(move |&epsilon| {
            let mut ratios: Vec<f64> =
                chosen(trials, rule, epsilon).iter().map(|c| c.error / epsilon).collect();
            ratios.sort_by(f64::total_cmp);
            let points = ratios.iter().enumerate().map(|(k, r)| (k as f64 + 1.0, *r)).collect();
            Line::new(format!("{name}, ε = {epsilon:.0e}"), points)
        })
    });
    let chart = Chart {
        finding: format!("Asked for ε, the true error stays below it on all {} problems", trials.len()),
        x: "problems, from the smallest ratio to the largest".to_string(),
        y: "true error / ε".to_string(),
        log: true,
        lines: lines.collect(),
    };
    Figure::of("truncation-stopping.svg", &chart.finding, chart.to_svg())
}

fn inexact_rows(trials: &[Trial], table: &mut Table) {
    let mut push = |case: &str, size: f64, of: Vec<Checked>| {
        table.push(vec![
            Cell::text(case),
            Cell::Number(size),
            Cell::Count(of.len()),
            Cell::Number(largest(of.iter().map(|c| c.error))),
            Cell::Number(largest(of.iter().map(|c| c.bound))),
            Cell::Empty,
            Cell::Number(largest(of.iter().map(|c| c.error / c.bound))),
            Cell::Number(median(of.iter().map(|c| c.bound / c.error))),
            Cell::Empty,
        ]);
    };
    for kind in KINDS {
        let name = match kind {
            Kind::Squared => "inexact solution, squared, constants stated",
            Kind::Logistic => "inexact solution, logistic",
            Kind::Robust => "inexact solution, log cosh",
        };
        for (k, size) in DISTANCES.into_iter().enumerate() {
            push(name, size, trials.iter().filter(|t| t.kind == kind).map(|t| t.inexact[k]).collect());
        }
    }
    for (k, size) in DISTANCES.into_iter().enumerate() {
        let curved = trials.iter().filter(|t| t.kind != Kind::Squared);
        push("after one Newton step, not squared", size, curved.map(|t| t.corrected[k]).collect());
    }
}

fn inexact_finding(trials: &[Trial]) -> String {
    let all: Vec<Checked> = trials.iter().flat_map(|t| &t.inexact).copied().collect();
    let kept = all.iter().filter(|c| c.error <= c.bound).count();
    let medians = KINDS.map(|kind| {
        let of_kind = trials.iter().filter(|t| t.kind == kind).flat_map(|t| &t.inexact);
        digits(median(of_kind.map(|c| c.bound / c.error)))
    });
    format!(
        "The bound of an inexact solution holds in {kept} of {} cases; bound over error, median: {} (squared, proven), {} (logistic), {} (log cosh).",
        all.len(),
        medians[0],
        medians[1],
        medians[2],
    )
}

fn inexact_figure(trials: &[Trial]) -> Option<Figure> {
    let curved: Vec<&Trial> = trials.iter().filter(|t| t.kind != Kind::Squared).collect();
    let line = |name: &str, value: fn(&Trial, usize) -> f64| {
        let at = |(k, size): (usize, &f64)| (size.log10(), median(curved.iter().map(|t| value(t, k))));
        Line::new(name, DISTANCES.iter().enumerate().map(at).collect())
    };
    let chart = Chart {
        finding: "One Newton step squares the error of an inexact solution, and the bounds follow"
            .to_string(),
        x: "log₁₀ of ‖y − y*‖".to_string(),
        y: "error of the hypergradient, median".to_string(),
        log: true,
        lines: vec![
            line("implicit: error", |t, k| t.inexact[k].error),
            line("implicit: bound", |t, k| t.inexact[k].bound),
            line("after a Newton step: error", |t, k| t.corrected[k].error),
            line("after a Newton step: bound", |t, k| t.corrected[k].bound),
        ],
    };
    Figure::of("truncation-inexact.svg", &chart.finding, chart.to_svg())
}

fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, f64::max)
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    norm(a.iter().zip(b).map(|(a, b)| a - b))
}
