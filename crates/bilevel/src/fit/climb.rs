//! The climb from one parameter to many (DESIGN §2.7).
//!
//! ```text
//! scalar, searched globally  →  adaptive, a few rounds  →  one weight for each group or feature
//! ```
//!
//! More hyperparameters fit the criterion better and the truth worse, so `auto` keeps a stage only if it lowers the criterion by more than the
//! standard error of the difference, paired over the validation samples. Once adaptive weights are in, a further round has as many parameters as
//! the one before, and is kept if the criterion is lower. A stage that was asked for by name is kept whatever it brings: its
//! method never returns anything worse than its start, which is the stage before.

mod adaptive;
mod certified;
mod cross_fit;
mod methods;
mod stage;

use std::cell::RefCell;
use std::time::Instant;

use crate::Result;
use crate::data::Split;
use crate::lower::Hyperparameters;
use crate::objective::{Counted, SplitObjective, ValidationSample, mean_and_standard_error};
use crate::outer::{Grid, OuterOptimizer, OuterResult, ScalarSearch, Step};
use crate::parametrization::{Parametrization, Ridge, Weights};
use crate::penalty::Blocks;

use super::family::Family;
use super::observer::{Observer, WarmStart};
use super::prepare;
use super::replay::Journal;
use super::tall::Place;
use super::{
    CurvePoint, EdgeRecord, FitSettings, LossKind, OuterKind, RangeRecord, StageRecord, Verdict, WeightsKind,
};
use methods::FEWEST_STEPS;

type PhiOf<'a, F> = SplitObjective<<F as Family<'a>>::Lower, <F as Family<'a>>::Criterion>;

/// A stage that gains less than this fraction of the criterion is no other stage, however small the standard error of the difference.
const SMALLEST_GAIN: f64 = 1e-6;
/// A free weight may become this many e-folds smaller or larger than it started: a factor of 1,000, which frees or excludes a feature.
const LARGEST_CHANGE: f64 = 7.0;

/// A stage that ended, with all that a later stage or the final fit needs.
pub(super) struct Stage {
    pub(super) kind: WeightsKind,
    pub(super) result: OuterResult,
    /// (λ, α) for the rows of the final fit.
    pub(super) hyperparameters: Hyperparameters,
    /// (λ, α) of the splits: one for all, or one for each.
    of_splits: Vec<Hyperparameters>,
    pub(super) samples: Vec<ValidationSample>,
    /// Coefficients and intercept that the final fit starts from; none where it starts from nothing.
    pub(super) near_final: Option<(Vec<f64>, f64)>,
    pub(super) method: &'static str,
    /// Whether the scalar search has shown the point to be a minimum from both sides.
    pub(super) one_sided: Option<(f64, f64)>,
    /// Parameters on an edge of the box, and whether it is the upper one.
    pub(super) at_edges: Vec<(usize, bool)>,
    /// The first of them, by name.
    pub(super) edges: Vec<EdgeRecord>,
    pub(super) verdict: Verdict,
}

/// What the climb came to.
pub(super) struct Summit {
    pub(super) best: Stage,
    pub(super) stages: Vec<StageRecord>,
    pub(super) trace: Vec<Step>,
    pub(super) curve: Vec<CurvePoint>,
    pub(super) lambda_range: Option<(f64, f64)>,
    pub(super) certified: Option<RangeRecord>,
}

pub(super) struct Climb<'c, 'a, 'o, F: Family<'a>> {
    family: &'a F,
    pub(super) settings: &'c FitSettings,
    /// f_g: what a weight of 1 means for each block.
    pub(super) factors: Vec<f64>,
    /// Group of each block, for group weights.
    pub(super) groups: Option<Vec<usize>>,
    pub(super) objective: PhiOf<'a, F>,
    pub(super) final_problem: &'c F::Lower,
    journal: Journal<'c>,
    observer: RefCell<&'o mut dyn Observer>,
    started: Instant,
    /// Logarithms of the smallest and largest λ worth looking at.
    range: (f64, f64),
    ridge: Ridge,
    trace: Vec<Step>,
    stages: Vec<StageRecord>,
    curve: Vec<CurvePoint>,
    lambda_range: Option<(f64, f64)>,
    interrupted: bool,
    /// μ of the pull on one weight for each feature.
    pull: f64,
    /// The solutions at the end of the last stage.
    last_solutions: Vec<WarmStart>,
}

/// The parametrizations of one stage: for each split (or all), and for the final fit.
struct Maps {
    of_splits: Vec<Box<dyn Parametrization>>,
    of_final: Box<dyn Parametrization>,
}

impl Maps {
    fn same(make: impl Fn() -> Weights) -> Self {
        Self { of_splits: vec![Box::new(make())], of_final: Box::new(make()) }
    }
}

enum Method {
    Scalar(ScalarSearch),
    /// Values of λ, decreasing.
    Given(Grid, Vec<f64>),
    Other(Box<dyn OuterOptimizer>),
}

impl<'c, 'a, 'o, F: Family<'a>> Climb<'c, 'a, 'o, F> {
    pub(super) fn new(
        family: &'a F,
        settings: &'c FitSettings,
        groups: Option<Vec<usize>>,
        final_problem: &'c F::Lower,
        journal: Journal<'c>,
        observer: &'o mut dyn Observer,
        started: Instant,
    ) -> Result<Self> {
        let factors = factors(family.blocks());
        let objective = objective(family, &factors)?;
        let of_splits =
            objective.lower_levels().map(|m| family.lambda_scale(m, &factors)).fold(0.0, f64::max);
        // Where no λ makes a difference (a constant target, say), 1 stands for all of them.
        let largest = of_splits.max(family.lambda_scale(final_problem, &factors));
        let scale = if largest > 0.0 { largest.ln() } else { 0.0 };
        let (lowest, highest) = family.relative_range();
        let range = methods::extent(settings).unwrap_or((scale + lowest.ln(), scale + highest.ln()));
        let ridge = prepare::ridge(settings, range.0, range.1);
        Ok(Self {
            family,
            settings,
            factors,
            groups,
            objective,
            final_problem,
            journal,
            observer: RefCell::new(observer),
            started,
            range,
            ridge,
            trace: Vec::new(),
            stages: Vec::new(),
            curve: Vec::new(),
            lambda_range: None,
            interrupted: false,
            pull: settings.pull.unwrap_or(0.0),
            last_solutions: Vec::new(),
        })
    }

    /// Runs the stages that the settings ask for.
    pub(super) fn run(mut self) -> Result<Summit> {
        let scalar = self.scalar()?;
        let best = match self.settings.weights {
            WeightsKind::Scalar => scalar,
            _ if self.settings.grid.is_some() => scalar,
            WeightsKind::Adaptive => self.adaptive(scalar, false)?,
            WeightsKind::Group | WeightsKind::Feature => self.free(scalar, self.settings.weights, false)?,
            WeightsKind::Auto if self.leaves_nothing(&scalar) => scalar,
            WeightsKind::Auto => {
                // Adaptive weights tell large coefficients from those near zero; under a quadratic penalty none is.
                let is_sparse = self.family.has_kinks();
                let mut best = if is_sparse { self.adaptive(scalar, true)? } else { scalar };
                if self.groups.is_some() {
                    best = self.free(best, WeightsKind::Group, true)?;
                }
                self.free(best, WeightsKind::Feature, true)?
            }
        };
        let certified = self.certify(&best)?;
        Ok(Summit {
            best,
            certified,
            stages: self.stages,
            trace: self.trace,
            curve: self.curve,
            lambda_range: self.lambda_range,
        })
    }

    /// Whether the criterion is as good as zero beside that of the model without features: the data are interpolated or separated, every weight wants
    /// to vanish, and a climb would follow rounding errors. Squares count from 10⁻⁷ (three and a half digits of the target), log-losses from 10⁻⁵ (every
    /// validation row is given its class with probability 0.9999).
    fn leaves_nothing(&self, best: &Stage) -> bool {
        let fraction = if self.family.prepared().loss == LossKind::Logistic { 1e-5 } else { 1e-7 };
        let null = self.curve.iter().map(|point| point.value).fold(0.0, f64::max);
        best.result.evaluation.value < fraction * null
    }

    /// One λ: the global search, unless another method is asked for. An elastic net that learns its ridge part is searched along
    /// three fixed proportions first, and then in both parameters.
    fn scalar(&mut self) -> Result<Stage> {
        let start = vec![self.range.1 - 10.0_f64.ln()];
        if let Ridge::Learned { .. } = self.ridge {
            return self.scalar_with_ridge();
        }
        let (factors, ridge, range) = (self.factors.clone(), self.ridge, self.range);
        let maps = Maps::same(|| Weights::scalar(factors.clone(), ridge, range.0, range.1));
        let own = self.settings.weights == WeightsKind::Scalar;
        let method = match self.settings.outer {
            _ if self.settings.grid.is_some() => self.grid(),
            OuterKind::Lbfgs | OuterKind::GaussNewton | OuterKind::Nba | OuterKind::Ntrba if own => {
                self.method(WeightsKind::Scalar, 0.0)
            }
            OuterKind::Grid if own => self.method(WeightsKind::Scalar, 0.0),
            _ => Method::Scalar(self.scalar_search(100)),
        };
        let start = if matches!(method, Method::Scalar(_)) { Vec::new() } else { start };
        let stage = self.stage("scalar", WeightsKind::Scalar, maps, &method, start)?;
        self.record("scalar", &stage, 0.0, true);
        Ok(stage)
    }

    fn scalar_with_ridge(&mut self) -> Result<Stage> {
        let (factors, ridge, range) = (self.factors.clone(), self.ridge, self.range);
        let mut best: Option<(Stage, f64)> = None;
        for l1_ratio in [0.9, 0.5, 0.1] {
            if self.interrupted && best.is_some() {
                break;
            }
            let proportion = (1.0 - l1_ratio) / l1_ratio;
            let maps = Maps::same(|| {
                Weights::scalar(factors.clone(), Ridge::Proportional(proportion), range.0, range.1)
            });
            let name = format!("scalar, l1 ratio {l1_ratio}");
            let method = Method::Scalar(self.scalar_search(50));
            let stage = self.stage(&name, WeightsKind::Scalar, maps, &method, Vec::new())?;
            let better =
                best.as_ref().is_none_or(|(b, _)| stage.result.evaluation.value < b.result.evaluation.value);
            self.record(&name, &stage, 0.0, better);
            if better {
                best = Some((stage, proportion));
            }
        }
        let Some((first, proportion)) = best else { return Err(crate::Error::Cancelled) };
        if self.interrupted {
            return Ok(first);
        }
        let maps = Maps::same(|| Weights::scalar(factors.clone(), ridge, range.0, range.1));
        let start = vec![first.result.theta[0], first.result.theta[0] + proportion.ln()];
        let method = self.method(WeightsKind::Scalar, 0.0);
        let stage = self.stage("scalar, both parts", WeightsKind::Scalar, maps, &method, start)?;
        self.record("scalar, both parts", &stage, 0.0, true);
        Ok(stage)
    }

    /// One weight for each group or each block, relative to the weights of `best`.
    fn free(&mut self, best: Stage, kind: WeightsKind, only_if_better: bool) -> Result<Stage> {
        if self.interrupted {
            return Ok(best);
        }
        let name = if kind == WeightsKind::Group { "group" } else { "feature" };
        let enough = FEWEST_STEPS.min(self.settings.max_outer);
        if only_if_better && self.affordable_steps(best.result.evaluation.support_size) < enough {
            return Ok(best);
        }
        let pulls = self.pulls(&best, kind);
        if only_if_better || pulls.len() > 1 {
            let survives = self.survives_cross_fitting(&best, kind, name, &pulls)?;
            if only_if_better && !survives {
                return Ok(best);
            }
        }
        if self.interrupted {
            return Ok(best);
        }
        let (maps, start) = self.free_maps(&best, &best.of_splits, kind);
        let method = self.method(kind, best.result.evaluation.support_size);
        let stage = self.stage(name, kind, maps, &method, start)?;
        let (_, error) = self.compare(&best, &stage);
        self.record(name, &stage, error, true);
        Ok(stage)
    }

    /// λ_g = (weight of the best stage)·e^{θ_g}, each split from its own weights, so that a start at θ = 0 has seen no validation rows.
    fn free_maps(&self, best: &Stage, of_splits: &[Hyperparameters], kind: WeightsKind) -> (Maps, Vec<f64>) {
        let ridge = self.ridge;
        let groups = self.groups.clone().filter(|_| kind == WeightsKind::Group);
        let make = |at: &Hyperparameters| -> Box<dyn Parametrization> {
            let factors = at.lambda.clone();
            Box::new(match &groups {
                Some(groups) => {
                    Weights::grouped(factors, groups.clone(), ridge, -LARGEST_CHANGE, LARGEST_CHANGE)
                }
                None => Weights::per_block(factors, ridge, -LARGEST_CHANGE, LARGEST_CHANGE),
            })
        };
        let of_final = make(&best.hyperparameters);
        let mut start = vec![0.0; of_final.n_parameters()];
        if let (Ridge::Learned { .. }, Some(last)) = (ridge, start.last_mut()) {
            *last = best.hyperparameters.ridge.max(f64::MIN_POSITIVE).ln();
        }
        (Maps { of_splits: of_splits.iter().map(make).collect(), of_final }, start)
    }

    /// Whether `stage` improves on `best` by more than the standard error of the difference, paired over validation samples; and that error.
    fn compare(&self, best: &Stage, stage: &Stage) -> (bool, f64) {
        let pairs = best.samples.iter().zip(&stage.samples);
        let differences =
            pairs.map(|(a, b)| Counted { row: a.row, weight: a.weight, value: a.loss - b.loss });
        let (_, error) = mean_and_standard_error(differences);
        let gain = best.result.evaluation.value - stage.result.evaluation.value;
        let noticeable = SMALLEST_GAIN * best.result.evaluation.value.abs();
        (gain > error.max(noticeable), error)
    }

    fn record(&mut self, name: &str, stage: &Stage, difference_standard_error: f64, kept: bool) {
        let compared_with = self.stages.iter().rev().find(|s| s.kept).map(|s| s.value);
        if kept {
            self.stages.iter_mut().for_each(|s| s.kept = false);
        }
        self.stages.push(StageRecord {
            name: name.to_string(),
            n_parameters: stage.result.theta.len(),
            method: stage.method.to_string(),
            value: stage.result.evaluation.value,
            compared_with,
            difference_standard_error,
            kept,
            steps: stage.result.steps,
            evaluations: stage.result.evaluations,
            stop_reason: stage.result.stop_reason,
        });
    }
}

/// f_g: larger groups have larger gradients by chance alone; √size evens that out (Yuan and Lin 2006).
pub(super) fn factors(blocks: &Blocks) -> Vec<f64> {
    (0..blocks.len()).map(|g| (blocks.members(g).len() as f64).sqrt()).collect()
}

/// Φ over the splits, at first with one λ.
pub(super) fn objective<'a, F: Family<'a>>(family: &'a F, factors: &[f64]) -> Result<PhiOf<'a, F>> {
    let splits = family.prepared().rows.splits.iter().enumerate();
    objective_over(family, splits.map(|(k, split)| (Place::Split(k), split)), factors)
}

fn objective_over<'a, F: Family<'a>>(
    family: &'a F,
    splits: impl Iterator<Item = (Place, &'a Split)>,
    factors: &[f64],
) -> Result<PhiOf<'a, F>> {
    let parts = splits.map(|(place, split)| family.part(place, split)).collect::<Result<_>>()?;
    let one = Weights::scalar(factors.to_vec(), Ridge::Fixed(0.0), f64::NEG_INFINITY, f64::INFINITY);
    Ok(SplitObjective::new(parts, Box::new(one)))
}
