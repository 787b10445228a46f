//! Weights of total variation learned from a pair of images, one clean and one noisy: one number, and patches of them, on the penalty or on the data.
//!
//! Source of the published figures: De los Reyes, Villacís, "Bilevel imaging learning problems as mathematical programs with complementarity constraints"
//! (2023), and the images and tables that come with its code.

use std::ops::ControlFlow;
use std::time::Instant;

use bilevel::criterion::SupervisedError;
use bilevel::inverse::{TotalVariation, WeightMap};
use bilevel::objective::SplitObjective;
use bilevel::outer::{
    Accuracy, AccuracySchedule, GaussNewton, GaussNewtonSettings, Monitor, OuterOptimizer, OuterResult,
    Progress, ScalarSearch, StopReason, Unwatched,
};
use bilevel::parametrization::{Ridge, Weights};
use bilevel::{Error, Result};

use super::{DataNeed, Experiment, Outcome};
use crate::images::{generated, mean, noisy};
use crate::run::{NamedImage, Run};
use crate::table::{Cell, Table, digits};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "tv-learning",
    about: "weights of total variation learned from pairs NAME_true, NAME_noisy: one, and patches",
    needs: DataNeed::Images,
    repeats: false,
    work,
};

/// Half the squared error published for one α, for patches of α, and for patches of data weights.
const PUBLISHED: [(&str, [Option<f64>; 3]); 2] =
    [("cameraman", [Some(34.13), Some(31.00), None]), ("circles", [Some(76.3), Some(39.25), Some(20.11)])];
const MODELS: [&str; 3] = ["one α", "patches of α", "patches of data weights"];
const PATCHES: usize = 32;
const QUICK_PATCHES: usize = 4;
/// α is searched between these.
const INTERVAL: (f64, f64) = (1e-3, 1.0);
/// How far from the best α patches may go, in log.
const REACH: f64 = 6.0;
/// Steps on each grid of patches but the last, and on the last.
const COARSE_STEPS: usize = 8;
const LAST_STEPS: usize = 30;
/// A trust region of this radius that still brings nothing ends a grid: what is left lies along kinks, a hundredth of a per cent.
const SMALLEST_RADIUS: f64 = 0.02;
/// Gap of the solves for patches: the cost is right to five digits.
const PATCH_GAP: f64 = 1e-6;
/// Gap of the first solves: they only have to tell where the minimum is.
const FIRST_GAP: f64 = 1e-5;
/// Gap of the last solves of the scalar search: the cost is right to five digits.
const LAST_GAP: f64 = 2e-6;

struct Pair {
    name: String,
    shape: (usize, usize),
    truth: Vec<f64>,
    noisy: Vec<f64>,
}

/// What a model learned.
struct Learned {
    /// Mean of the weights.
    weight: f64,
    half_cost: f64,
    seconds: f64,
    evaluations: usize,
    theta: Vec<f64>,
}

fn work(run: &Run<'_>) -> Result<Outcome> {
    let pairs = pairs(run)?;
    let side = if run.request.quick { QUICK_PATCHES } else { PATCHES };
    run.watcher.begin(pairs.len() * MODELS.len());
    let mut table = Table::new(&[
        "image",
        "model",
        "weights",
        "mean weight",
        "½ cost",
        "published",
        "evaluations",
        "seconds",
    ]);
    let mut findings = Vec::new();
    for pair in &pairs {
        let published = PUBLISHED.iter().find(|(name, _)| *name == pair.name).map_or([None; 3], |p| p.1);
        let scalar = run.on_all_threads(|| scalar(pair))?;
        let start = scalar.weight;
        let patches = |of_data: bool| run.on_all_threads(|| patches(pair, side, of_data, start));
        let mut costs = Vec::new();
        for (k, model) in MODELS.into_iter().enumerate() {
            run.check()?;
            let made = if k == 0 { None } else { Some(patches(k == 2)?) };
            let learned = made.as_ref().unwrap_or(&scalar);
            table.push(vec![
                Cell::text(&pair.name),
                Cell::text(model),
                Cell::Count(if k == 0 { 1 } else { side * side }),
                Cell::Number(learned.weight),
                Cell::Decimals(learned.half_cost, 2),
                published[k].map_or(Cell::Empty, |cost| Cell::Decimals(cost, 2)),
                Cell::Count(learned.evaluations),
                Cell::Decimals(learned.seconds, 1),
            ]);
            costs.push(learned.half_cost);
            run.watcher.done(&format!("{}: {model}", pair.name));
        }
        findings.push(format!(
            "{}: α = {}; half the squared error goes from {:.2} to {:.2} with patches of α, {:.2} with patches of data weights.",
            pair.name, digits(start), costs[0], costs[1], costs[2]
        ));
    }
    Ok(Outcome {
        title: "Learned weights of total variation".to_string(),
        caption: vec![
            "½ cost is half the squared error against the clean image, whose range is 1: the objective that is learned, and no measure of other images.".to_string(),
        ],
        table,
        findings,
        figures: Vec::new(),
        settings: vec![
            ("one α", format!("global search between {} and {}", INTERVAL.0, INTERVAL.1)),
            ("patches", format!("{side}×{side}, Gauss–Newton on finer and finer grids from the one α; for data weights α = 1")),
        ],
        seeds: Vec::new(),
    })
}

/// The images called NAME_true with those called NAME_noisy.
fn pairs(run: &Run<'_>) -> Result<Vec<Pair>> {
    let images = run.request.images;
    let with = |suffix: &str, name: &str| images.iter().find(|image| image.name == format!("{name}{suffix}"));
    let of = |truth: &NamedImage| {
        let name = truth.name.strip_suffix("_true")?;
        let other = with("_noisy", name).filter(|other| other.shape == truth.shape)?;
        let (name, noisy) = (name.to_string(), other.pixels.clone());
        Some(Pair { name, shape: truth.shape, truth: truth.pixels.clone(), noisy })
    };
    let found: Vec<Pair> = images.iter().filter_map(of).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    if images.is_empty() && run.request.quick {
        let image = generated(0);
        let noisy = noisy(&image.pixels, 0.1, 0);
        return Ok(vec![Pair { name: image.name, shape: image.shape, truth: image.pixels, noisy }]);
    }
    let expected = "pairs NAME_true and NAME_noisy of one size (or none, and the quick version)";
    Err(Error::data("images", format!("{} images, none of them a pair", images.len()), expected))
}

/// The best α, globally on the interval.
fn scalar(pair: &Pair) -> Result<Learned> {
    let tv = TotalVariation::new(pair.shape, &pair.noisy)?;
    let weights = Weights::scalar(vec![1.0], Ridge::Fixed(0.0), INTERVAL.0.ln(), INTERVAL.1.ln());
    let mut search = ScalarSearch::default();
    search.settings.points = 12;
    search.settings.tolerance = 1e-6;
    search.settings.exploration = f64::INFINITY;
    search.settings.accuracy.current.relative_gap = FIRST_GAP;
    search.settings.accuracy.tightest = Accuracy { relative_gap: LAST_GAP, ..Accuracy::TIGHT };
    learned(pair, tv, weights, (&search, &mut Unwatched), &[])
}

/// As many weights as patches: α, or the data weights at α = 1, from those that one α is worth. On finer and finer patches: each grid starts from the one
/// before, whose few weights have moved far for little.
fn patches(pair: &Pair, side: usize, of_data: bool, alpha: f64) -> Result<Learned> {
    let started = Instant::now();
    let start = if of_data { -alpha.ln() } else { alpha.ln() };
    let (mut theta, mut before, mut evaluations) = (vec![start], 1, 0);
    let mut last = None;
    for grid in nested(side) {
        let map = WeightMap::patches(pair.shape, (grid, grid))?;
        let tv = TotalVariation::new(pair.shape, &pair.noisy)?;
        let tv = if of_data {
            tv.with_fixed_alpha(vec![1.0; pair.noisy.len()])?.with_data_weights(map)?
        } else {
            tv.with_alpha(map)?
        };
        let (count, ratio) = (grid * grid, grid / before);
        let first: Vec<f64> =
            (0..count).map(|i| theta[i / grid / ratio * before + i % grid / ratio]).collect();
        let box_of = Weights::per_block(vec![1.0; count], Ridge::Fixed(0.0), start - REACH, start + REACH);
        let steps = if grid == side { LAST_STEPS } else { COARSE_STEPS };
        let found = learned(pair, tv, box_of, (&gauss_newton(steps), &mut until_kinks), &first)?;
        evaluations += found.evaluations;
        (theta, before) = (found.theta.clone(), grid);
        last = Some(found);
    }
    let found = last.ok_or_else(|| Error::setting("patches", side, "at least 1 patch"))?;
    Ok(Learned { seconds: started.elapsed().as_secs_f64(), evaluations, ..found })
}

/// side, half of it, …, as long as it is even; increasing.
fn nested(side: usize) -> Vec<usize> {
    let halves = std::iter::successors(Some(side), |k| (k % 2 == 0 && *k > 2).then_some(k / 2));
    let mut grids: Vec<usize> = halves.collect();
    grids.reverse();
    grids
}

/// Ends where only kinks are left.
fn until_kinks(progress: &Progress<'_>) -> ControlFlow<StopReason> {
    let small = progress.radius.is_some_and(|radius| radius <= SMALLEST_RADIUS);
    if small && !progress.accepted {
        ControlFlow::Break(StopReason::SmallStep)
    } else {
        ControlFlow::Continue(())
    }
}

fn gauss_newton(max_steps: usize) -> GaussNewton {
    let accuracy = Accuracy { relative_gap: PATCH_GAP, ..Accuracy::TIGHT };
    let accuracy = AccuracySchedule { current: accuracy, tightest: accuracy, ..AccuracySchedule::default() };
    GaussNewton { settings: GaussNewtonSettings { accuracy, max_steps, ..GaussNewtonSettings::default() } }
}

fn learned(
    pair: &Pair,
    tv: TotalVariation,
    weights: Weights,
    (method, monitor): (&dyn OuterOptimizer, &mut dyn Monitor),
    start: &[f64],
) -> Result<Learned> {
    let started = Instant::now();
    let mut objective = SplitObjective::new(vec![(tv, SupervisedError::new(&pair.truth))], Box::new(weights));
    let OuterResult { theta, evaluation, evaluations, .. } =
        method.minimize(&mut objective, start, monitor)?;
    Ok(Learned {
        weight: mean(theta.iter().map(|t| t.exp())),
        half_cost: 0.5 * pair.truth.len() as f64 * evaluation.value,
        seconds: started.elapsed().as_secs_f64(),
        evaluations,
        theta,
    })
}
