//! The optimizer itself learned: step sizes and momenta of each step, a diagonal preconditioner, and a step size that learns online.
//!
//! Logistic regression with columns of falling size, so that 20 steps are few. The best constant rate, found by a grid, is what the others are measured by.

use std::ops::Range;

use bilevel::hypergradient::smooth::Reverse;
use bilevel::outer::{Lbfgs, LbfgsSettings, OuterOptimizer, Unwatched};
use bilevel::smooth::{
    AutoDiff, Descent, IterationMap, MomentumKind, OnlineRate, OnlineRule, Rate, SmoothObjective,
};
use bilevel::{Error, Result};
use bilevel_report::figure::{Chart, Line};

use super::linear_model::{Kind, LinearModel, Training, solution};
use super::{DataNeed, Experiment, Outcome};
use crate::report::Figure;
use crate::run::Run;
use crate::scores::mean;
use crate::table::{Cell, Table, digits};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "optimizer",
    about: "learned step sizes, momenta and preconditioners beside the best constant rate",
    needs: DataNeed::Nothing,
    repeats: true,
    work,
};

const SEEDS: u64 = 10;
const SAMPLES: usize = 60;
const P: usize = 8;
/// Size of a column over that of the one before.
const FALL: f64 = 0.7;
const RIDGE: f64 = 1e-3;
const STEPS: usize = 20;
const ONLINE_STEPS: usize = 200;
/// Where online descent begins: far too small.
const ONLINE_START: f64 = 0.01;
const ONLINE: [(&str, OnlineRule); 2] = [
    ("online, additive κ = 5", OnlineRule::Additive(5.0)),
    ("online, multiplicative κ = 0.1", OnlineRule::Multiplicative(0.1)),
];
const LARGEST_RATE: f64 = 50.0;
/// Outer steps of the learned ones.
const OUTER_STEPS: usize = 60;
/// The data that nothing was learned on have this seed, plus the first one's.
const OTHER: u64 = 1000;

/// A family of optimizers, each a point in its hyperparameters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Constant,
    ConstantWithMomentum,
    Rates,
    RatesAndMomenta,
    Preconditioner,
}

const FAMILIES: [Family; 5] = [
    Family::Constant,
    Family::ConstantWithMomentum,
    Family::Rates,
    Family::RatesAndMomenta,
    Family::Preconditioner,
];

impl Family {
    fn name(self) -> &'static str {
        match self {
            Self::Constant => "best constant rate (grid)",
            Self::ConstantWithMomentum => "best constant rate and momentum (grid)",
            Self::Rates => "a learned rate for each step",
            Self::RatesAndMomenta => "a learned rate and momentum for each step",
            Self::Preconditioner => "a learned scale for each coefficient",
        }
    }

    fn map(self, training: &Training) -> Result<Descent<'_>> {
        let learned = |range| Descent::new(training, Rate::Learned(range));
        match self {
            Self::Constant => learned(0..1),
            Self::ConstantWithMomentum => heavy_ball(learned(0..1)?, 1..2),
            Self::Rates => learned(0..STEPS),
            Self::RatesAndMomenta => heavy_ball(learned(0..STEPS)?, STEPS..2 * STEPS),
            Self::Preconditioner => {
                Descent::new(training, Rate::Fixed(1.0))?.with_layers((0..P).collect(), 0..P)
            }
        }
    }

    /// The hyperparameters that are best on `training`: by a grid, or learned from the best of the grids.
    fn best(self, training: &Training, grids: &Grids) -> Result<Vec<f64>> {
        let constant = grids.constant;
        match self {
            Self::Constant => Ok(vec![constant]),
            Self::ConstantWithMomentum => Ok(grids.with_momentum.to_vec()),
            Self::Rates => self.learn(training, vec![constant; STEPS], vec![(0.0, LARGEST_RATE); STEPS]),
            Self::RatesAndMomenta => {
                let [rate, momentum] = grids.with_momentum;
                let start = [vec![rate; STEPS], vec![momentum; STEPS]].concat();
                let limits = [vec![(0.0, LARGEST_RATE); STEPS], vec![(-0.9, 0.99); STEPS]].concat();
                self.learn(training, start, limits)
            }
            Self::Preconditioner => self.learn(training, vec![constant; P], vec![(0.0, 1e4); P]),
        }
    }

    /// Descends on the training objective after [`STEPS`] steps, with hypergradients through all of them.
    fn learn(self, training: &Training, start: Vec<f64>, limits: Vec<(f64, f64)>) -> Result<Vec<f64>> {
        let map = self.map(training)?;
        let reverse = Reverse::all(&map, STEPS);
        let (lower, upper) = limits.into_iter().unzip();
        let mut objective = SmoothObjective::unrolled(training, &reverse, vec![0.0; P], start.len())
            .with_bounds(lower, upper)?;
        let settings = LbfgsSettings { max_steps: OUTER_STEPS, ..LbfgsSettings::default() };
        Ok(Lbfgs { settings }.minimize(&mut objective, &start, &mut Unwatched)?.theta)
    }
}

fn heavy_ball(map: Descent<'_>, momenta: Range<usize>) -> Result<Descent<'_>> {
    map.with_momentum(MomentumKind::HeavyBall, Rate::Learned(momenta))
}

/// Logistic regression with columns of falling size.
fn training(seed: u64) -> Training {
    let mut model = LinearModel::random(Kind::Logistic, (SAMPLES, P), 1, seed);
    for (row, _) in &mut model.train {
        row.iter_mut().enumerate().for_each(|(j, a)| *a *= FALL.powi(j as i32));
    }
    Training { model, ridge: RIDGE }
}

fn optimum(training: &Training) -> Result<f64> {
    Ok(training.upper_value(&solution(training, &[])?, &[]))
}

/// The training objective before the first step and after each.
fn values(training: &Training, map: &Descent<'_>, hyper: &[f64], steps: usize) -> Result<Vec<f64>> {
    let mut state = map.initial_state(&[0.0; P]);
    let mut next = vec![0.0; state.len()];
    let mut values = vec![training.upper_value(&state[..P], &[])];
    for k in 0..steps {
        map.step_into(k, &state, hyper, &mut next)?;
        std::mem::swap(&mut state, &mut next);
        let value = training.upper_value(&state[..P], &[]);
        values.push(if value.is_nan() { f64::INFINITY } else { value });
    }
    Ok(values)
}

/// The hyperparameters with the smallest value after `steps`.
fn best_of(
    training: &Training,
    map: &Descent<'_>,
    steps: usize,
    all: impl Iterator<Item = Vec<f64>>,
) -> Result<Vec<f64>> {
    let mut best = (f64::INFINITY, Vec::new());
    for hyper in all {
        let last = values(training, map, &hyper, steps)?.last().copied().unwrap_or(f64::INFINITY);
        if last < best.0 {
            best = (last, hyper);
        }
    }
    Ok(best.1)
}

/// The best of 400 constant rates from 0.02 to 54.
fn best_constant(training: &Training, steps: usize) -> Result<f64> {
    let grid = (0..400).map(|i| vec![0.02 * 1.02_f64.powi(i)]);
    let best = best_of(training, &Family::Constant.map(training)?, steps, grid)?;
    best.first().copied().ok_or_else(nothing_finite)
}

/// The best of 100 constant rates from 0.02 to 41 and 20 momenta below 1.
fn best_pair(training: &Training) -> Result<[f64; 2]> {
    let rates = (0..100).map(|i| 0.02 * 1.08_f64.powi(i));
    let pairs = rates.flat_map(|rate| (0..20).map(move |i| vec![rate, 0.05 * f64::from(i)]));
    let best = best_of(training, &Family::ConstantWithMomentum.map(training)?, STEPS, pairs)?;
    best.try_into().map_err(|_| nothing_finite())
}

fn nothing_finite() -> Error {
    Error::data("training run", "no constant rate with a finite value", "at least one")
}

/// What the grids found.
struct Grids {
    constant: f64,
    /// Rate and momentum.
    with_momentum: [f64; 2],
}

/// One method on one set of data: distances to the optimum.
struct Outcomes {
    /// Before the first step and after each.
    gaps: Vec<f64>,
    /// After the last step on data that nothing was learned on.
    elsewhere: Option<f64>,
    /// The rates: of each step, or of each coefficient.
    rates: Vec<f64>,
}

impl Outcomes {
    fn last(&self) -> f64 {
        self.gaps.last().copied().unwrap_or(f64::NAN)
    }
}

/// All methods on the data of one seed.
struct Trial {
    families: Vec<Outcomes>,
    /// The constant start, both rules, and the best constant rate for as many steps.
    online: Vec<Outcomes>,
}

fn trial(seed: u64) -> Result<Trial> {
    let (here, other) = (training(seed), training(seed + OTHER));
    let (lowest, lowest_there) = (optimum(&here)?, optimum(&other)?);
    let gaps = |values: Vec<f64>| values.into_iter().map(|v| v - lowest).collect();
    let grids = Grids { constant: best_constant(&here, STEPS)?, with_momentum: best_pair(&here)? };
    let families = FAMILIES.map(|family| -> Result<Outcomes> {
        let hyper = family.best(&here, &grids)?;
        let there = values(&other, &family.map(&other)?, &hyper, STEPS)?;
        Ok(Outcomes {
            gaps: gaps(values(&here, &family.map(&here)?, &hyper, STEPS)?),
            elsewhere: there.last().map(|value| value - lowest_there),
            rates: hyper,
        })
    });
    let fixed = |rate: f64| -> Result<Outcomes> {
        let map = Family::Constant.map(&here)?;
        let gaps = gaps(values(&here, &map, &[rate], ONLINE_STEPS)?);
        Ok(Outcomes { gaps, elsewhere: None, rates: vec![rate; ONLINE_STEPS] })
    };
    let mut online = vec![fixed(ONLINE_START)?];
    for (_, rule) in ONLINE {
        let mut descent = OnlineRate::new(ONLINE_START, rule)?;
        let mut y = [0.0; P];
        let (mut values, mut rates) = (vec![here.upper_value(&y, &[])], Vec::new());
        for _ in 0..ONLINE_STEPS {
            descent.step(&here, &[], &mut y)?;
            values.push(here.upper_value(&y, &[]));
            rates.push(descent.rate());
        }
        online.push(Outcomes { gaps: gaps(values), elsewhere: None, rates });
    }
    online.push(fixed(best_constant(&here, ONLINE_STEPS)?)?);
    Ok(Trial { families: families.into_iter().collect::<Result<_>>()?, online })
}

fn online_names() -> Vec<String> {
    let rules = ONLINE.map(|(name, _)| name.to_string());
    let constant = [format!("constant rate {ONLINE_START}"), "best constant rate (grid)".to_string()];
    [&constant[..1], &rules[..], &constant[1..]].concat()
}

fn work(run: &Run<'_>) -> Result<Outcome> {
    let seeds = run.seeds(SEEDS, 2);
    let trials = run.each(&seeds, |seed| format!("seed {seed}"), |&seed| trial(seed))?;
    let mut table = Table::new(&[
        "method",
        "learned numbers",
        "steps",
        "distance to the optimum",
        "times closer than the best constant rate",
        "in the worst seed",
        "distance to the optimum on other data",
    ]);
    for (k, family) in FAMILIES.into_iter().enumerate() {
        let of: Vec<&Outcomes> = trials.iter().filter_map(|t| t.families.get(k)).collect();
        let constant = |t: &Trial| t.families.first().map_or(f64::NAN, Outcomes::last);
        let learned = of.first().map_or(0, |o| o.rates.len());
        table.push(row(family.name(), (learned, STEPS), &of, trials.iter().map(constant).collect()));
    }
    for (k, name) in online_names().iter().enumerate() {
        let of: Vec<&Outcomes> = trials.iter().filter_map(|t| t.online.get(k)).collect();
        let constant = |t: &Trial| t.online.last().map_or(f64::NAN, Outcomes::last);
        let learned = usize::from(k > 0);
        table.push(row(name, (learned, ONLINE_STEPS), &of, trials.iter().map(constant).collect()));
    }
    let figures = trials.first().map_or_else(Vec::new, |first| {
        [gap_figure(first), rate_figure(first), online_figure(first)].into_iter().flatten().collect()
    });
    Ok(Outcome {
        title: "The optimizer learned".to_string(),
        caption: vec![
            format!(
                "Logistic regression, {SAMPLES} × {P}, the size of its columns falling by {FALL}, ridge {RIDGE}; gradient descent from 0. Distance to the optimum: F(y) − F* after so many steps; geometric means over {} seed(s). Best constant rate: the best of 400 from 0.02 to 54 on the same data, for the same number of steps; with momentum: of 100 × 20.",
                seeds.len()
            ),
            format!(
                "Learned: L-BFGS, at most {OUTER_STEPS} steps from the best constant rate (rates with momenta: from the best constant pair), on F after {STEPS} steps, hypergradients by reverse mode. Other data: the same hyperparameters on another sample of the same kind, with other coefficients behind it. Online: a rate that begins at {ONLINE_START} and learns while it runs, with no second run."
            ),
        ],
        findings: findings(&trials),
        figures,
        table,
        settings: vec![(
            "boxes",
            format!("rates [0, {LARGEST_RATE}], momenta [-0.9, 0.99], scales [0, 10000]"),
        )],
        seeds,
    })
}

fn row(name: &str, (learned, steps): (usize, usize), of: &[&Outcomes], constant: Vec<f64>) -> Vec<Cell> {
    let ratios: Vec<f64> = constant.iter().zip(of).map(|(c, o)| c / o.last()).collect();
    let elsewhere: Option<Vec<f64>> = of.iter().map(|o| o.elsewhere).collect();
    vec![
        Cell::text(name),
        Cell::Count(learned),
        Cell::Count(steps),
        Cell::Number(geometric(of.iter().map(|o| o.last()))),
        Cell::Number(geometric(ratios.iter().copied())),
        Cell::Number(ratios.iter().copied().fold(f64::INFINITY, f64::min)),
        elsewhere.map_or(Cell::Empty, |gaps| Cell::Number(geometric(gaps))),
    ]
}

/// The geometric mean. Distances at the level of rounding count as that.
fn geometric(values: impl IntoIterator<Item = f64>) -> f64 {
    mean(values.into_iter().map(|v| v.max(1e-16).ln())).exp()
}

fn findings(trials: &[Trial]) -> Vec<String> {
    let ratio = |t: &Trial, k: usize| t.families[0].last() / t.families[k].last();
    let learned = FAMILIES.iter().enumerate().skip(1).map(|(k, family)| {
        let ahead = trials.iter().filter(|t| ratio(t, k) >= 10.0).count();
        let worse = trials
            .iter()
            .filter(|t| t.families[k].elsewhere > t.families[0].elsewhere)
            .count();
        format!(
            "{}: at least 10 times closer to the optimum than the best constant rate in {ahead} of {} seeds; on other data further away than that rate in {worse}.",
            capitalized(family.name()),
            trials.len(),
        )
    });
    let names = online_names();
    let online = (1..=ONLINE.len()).map(|k| {
        let gain = |against: fn(&Trial) -> Option<&Outcomes>| {
            let each = trials.iter().map(|t| against(t).map_or(f64::NAN, Outcomes::last) / t.online[k].last());
            digits(geometric(each))
        };
        let rate = geometric(trials.iter().map(|t| t.online[k].rates.last().copied().unwrap_or(f64::NAN)));
        format!(
            "{}: {} times closer than the constant rate {ONLINE_START} it began with, {} times as close as the best constant rate for {ONLINE_STEPS} steps; it ends at the rate {}.",
            capitalized(&names[k]),
            gain(|t| t.online.first()),
            gain(|t| t.online.last()),
            digits(rate),
        )
    });
    learned.chain(online).collect()
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn counted(values: &[f64], from: usize) -> Vec<(f64, f64)> {
    values.iter().enumerate().map(|(k, v)| ((k + from) as f64, *v)).collect()
}

fn gap_figure(trial: &Trial) -> Option<Figure> {
    let line =
        |(family, outcomes): (&Family, &Outcomes)| Line::new(family.name(), counted(&outcomes.gaps, 0));
    let (constant, learned) = (trial.families.first()?.last(), trial.families.get(3)?.last());
    let chart = Chart {
        finding: format!(
            "After {STEPS} steps learned rates and momenta are {} times closer to the optimum than the best constant rate",
            digits(constant / learned)
        ),
        x: "step".to_string(),
        y: "F(y) − F*".to_string(),
        log: true,
        lines: FAMILIES.iter().zip(&trial.families).map(line).collect(),
    };
    Figure::of("optimizer-gap.svg", &chart.finding, chart.to_svg())
}

fn rate_figure(trial: &Trial) -> Option<Figure> {
    let rates = |k: usize| Some(counted(trial.families.get(k)?.rates.get(..STEPS)?, 0));
    let constant = *trial.families.first()?.rates.first()?;
    let largest = trial.families.get(2)?.rates.iter().copied().fold(0.0, f64::max);
    let chart = Chart {
        finding: format!(
            "Without momentum the largest learned rate is {:.1} times the best constant one",
            largest / constant
        ),
        x: "step".to_string(),
        y: "rate".to_string(),
        log: false,
        lines: vec![
            Line::new("best constant rate", counted(&[constant; STEPS], 0)),
            Line::new("a learned rate for each step", rates(2)?),
            Line::new("a learned rate and momentum for each step", rates(3)?),
        ],
    };
    Figure::of("optimizer-rates.svg", &chart.finding, chart.to_svg())
}

fn online_figure(trial: &Trial) -> Option<Figure> {
    let names = online_names();
    let lines =
        names.iter().zip(&trial.online).map(|(name, o)| Line::new(name.as_str(), counted(&o.gaps, 0)));
    let (start, learned) = (trial.online.first()?.last(), trial.online.get(ONLINE.len())?.last());
    let chart = Chart {
        finding: format!(
            "Learned online, multiplicative: {} times closer than the rate it began with; the best constant rate, known only afterwards, is closer still",
            digits(start / learned)
        ),
        x: "step".to_string(),
        y: "F(y) − F*".to_string(),
        log: true,
        lines: lines.collect(),
    };
    Figure::of("optimizer-online.svg", &chart.finding, chart.to_svg())
}
