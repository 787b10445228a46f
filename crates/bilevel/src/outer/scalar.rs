//! The global minimum of an objective of one parameter, θ = log λ on an interval.
//!
//! Φ is piecewise smooth with kinks where a coefficient enters or leaves, and may have several local minima. So it is first *walked* on a grid, from the
//! largest λ (no coefficients, a trivial solve) downwards, each lower-level solution the start of the next, with Φ' at every point. The walk may end
//! early once Φ has clearly turned up. Then every bracket between neighbours whose models (`bracket.rs`) promise less than the best value
//! known is *refined*, the most promising first, with tight solves in the end, until none promises an improvement of more than the tolerance. Last, brackets
//! are *explored* that the models would leave alone, but in which Φ could still dip below the best value if Φ' varies inside more than its two ends show.
//!
//! The result says what was searched ([`ScalarResult::scanned`]) and by how much Φ could be lower anywhere between two points of the curve
//! ([`ScalarResult::cautious_gap`]). That is an estimate, not a proof: it assumes that Φ' stays between neighbours within the range of their
//! slopes, widened by their difference to both sides. A narrower dip between two kinks closer than the grid may be missed. What is proven about the range
//! is [`crate::objective::SplitObjective::certify_range`]'s to say.

mod smooth;

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::bracket::{Bracket, End};
use super::grid::axis;
use super::search::{Point, Search};
use super::{
    Accuracy, AccuracySchedule, Evaluation, Monitor, Objective, OuterOptimizer, OuterResult, StopReason,
};
use crate::hypergradient::Selection;
use crate::{Error, Result};

/// Improvements below this part of the largest value are never asked for, however near Φ comes to zero.
const SMALLEST_IMPROVEMENT: f64 = 1e-12;
/// The walk solves the lower level to this part of the criterion: a gap of g changes a criterion of Φ by about √(Φg).
const WALK_GAP: f64 = 1e-4;

/// As long as the models promise more than this part of |Φ|, the walk's accuracy is good enough to refine with.
const ROUGH_PROMISE: f64 = 1e-5;
/// Where Φ comes near to zero, at least of this part of its largest value.
const NEAR_ZERO: f64 = 1e-3;

/// Factor of the patience where nothing is gained yet.
const BEFORE_ANY_GAIN: usize = 6;

/// When the walk down the grid ends before the lower end of the interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EarlyStop {
    /// Number of points in a row, and six times as many as long as the upper end is the best: with an unlucky split Φ may rise before it falls.
    /// Default 6.
    pub patience: usize,
    /// They must lie above the best value by more than this fraction of what the best gained over the upper end; default 0.001.
    pub margin: f64,
    /// Or by more than this fraction of the best value itself, if that is less: a criterion that fell to a hundredth need not rise by a tenth of
    /// itself to have turned. Default 0.02.
    pub margin_of_best: f64,
    /// Points with a smaller mean support do not count; default 0. A criterion may rise over a factor of two in λ and fall again to its minimum,
    /// but hardly once the training rows are interpolated.
    pub smallest_support: f64,
}

impl Default for EarlyStop {
    fn default() -> Self {
        Self { patience: 6, margin: 0.001, margin_of_best: 0.02, smallest_support: 0.0 }
    }
}

/// Settings of [`ScalarSearch`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScalarSettings {
    /// Points of the grid, at least 2; default 100.
    pub points: usize,
    /// Early end of the walk; `None` always walks the whole interval.
    pub early_stop: Option<EarlyStop>,
    /// Refinement ends when no bracket promises an improvement of more than this times |Φ|; default 1e-9.
    pub tolerance: f64,
    /// Exploration ends when Φ could nowhere dip by more than this times |Φ|; default 1e-7, +∞ for none.
    pub exploration: f64,
    /// Whether Φ has no kinks: cubics between the points of the walk are then as good as its values, and of these only those that are the best so far are
    /// asked for again; default false.
    pub smooth: bool,
    /// Largest number of evaluations for refinement and exploration; default 60.
    pub max_refinements: usize,
    /// Width in θ below the upper end in which Φ is known to have one slope: points of the grid inside are left out; default 0.
    pub plateau: f64,
    /// How biactive coordinates are told and treated; default self-consistent, in a band of 1e-8.
    pub selection: Selection,
    /// Accuracy of the walk, and (as the tightest) of the refinement; default from 1e-6 to 1e-10.
    pub accuracy: AccuracySchedule,
    /// For a smooth Φ that is dear: the accuracy to split brackets with that promise more than a hundred-thousandth of Φ. The best point is then moved
    /// by tight slopes until these promise no more than the tolerance. Default `None`: brackets are split tightly, and explored.
    pub rough: Option<Accuracy>,
    /// Accuracy of the answer; default [`Accuracy::TIGHT`].
    pub answer: Accuracy,
}

impl Default for ScalarSettings {
    fn default() -> Self {
        Self {
            points: 100,
            early_stop: Some(EarlyStop::default()),
            tolerance: 1e-9,
            exploration: 1e-7,
            smooth: false,
            max_refinements: 60,
            plateau: 0.0,
            selection: Selection::default(),
            accuracy: AccuracySchedule::default(),
            rough: None,
            answer: Accuracy::TIGHT,
        }
    }
}

/// The global search.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ScalarSearch {
    /// Settings.
    pub settings: ScalarSettings,
}

/// One point of the curve.
#[derive(Debug, Clone, PartialEq)]
pub struct CurveSample {
    /// θ.
    pub theta: f64,
    /// Φ(θ), with its derivative.
    pub evaluation: Evaluation,
}

/// The answer of a global search.
#[derive(Debug, Clone, PartialEq)]
pub struct ScalarResult {
    /// The best point.
    pub outer: OuterResult,
    /// All points evaluated, increasing in θ.
    pub curve: Vec<CurveSample>,
    /// Smallest and largest θ evaluated: what the result speaks about.
    pub scanned: (f64, f64),
    /// How much below the best value the models still promise somewhere between two points; at most the tolerance if the search is complete.
    pub predicted_gap: f64,
    /// The same if Φ' varies between two points as far as [`ScalarSettings::exploration`] considers: within about that tolerance of the best
    /// over the scanned range, if the search is complete.
    pub cautious_gap: f64,
}

impl OuterOptimizer for ScalarSearch {
    fn name(&self) -> &'static str {
        "scalar"
    }

    fn minimize(
        &self,
        objective: &mut dyn Objective,
        start: &[f64],
        monitor: &mut dyn Monitor,
    ) -> Result<OuterResult> {
        Ok(self.search(objective, start, monitor)?.outer)
    }
}

impl ScalarSearch {
    /// Walks and refines. `start`, unless it is empty, is one more point of the walk, which does not end early before it.
    ///
    /// # Errors
    /// As [`OuterOptimizer::minimize`]; also if there is not exactly one parameter, or its interval is not bounded.
    pub fn search(
        &self,
        objective: &mut dyn Objective,
        start: &[f64],
        monitor: &mut dyn Monitor,
    ) -> Result<ScalarResult> {
        let settings = &self.settings;
        let mut search = Search::new(objective, monitor, settings.selection, settings.accuracy)?;
        let grid = self.grid(&search, start)?;
        let mut curve = Curve { samples: Vec::with_capacity(grid.len()) };
        let reason = match self.walk(&mut search, &mut curve, &grid, start)? {
            ControlFlow::Break(reason) => reason,
            ControlFlow::Continue(()) => match self.settings.rough {
                Some(rough) if self.settings.smooth => self.settle(&mut search, &mut curve, rough)?,
                _ => self.refine(&mut search, &mut curve)?,
            },
        };
        curve.finish(search, reason, self.settings.answer)
    }

    /// The points of the walk, decreasing.
    fn grid(&self, search: &Search<'_>, start: &[f64]) -> Result<Vec<f64>> {
        if search.bounds.len() != 1 {
            return Err(Error::data("parameters of a scalar search", search.bounds.len().to_string(), "1"));
        }
        if self.settings.points < 2 {
            return Err(Error::setting("points", self.settings.points, "at least 2 points"));
        }
        if start.len() > 1 || start.iter().any(|t| t.is_nan()) {
            return Err(Error::data(
                "start of the scalar search",
                format!("{start:?}"),
                "one number, or none",
            ));
        }
        let mut grid = axis(&search.bounds, 0, self.settings.points)?;
        if let Some(&upper) = grid.iter().max_by(|a, b| a.total_cmp(b)) {
            grid.retain(|&theta| theta >= upper || theta <= upper - self.settings.plateau);
        }
        grid.extend(search.bounds.project(start));
        grid.sort_by(|a, b| b.total_cmp(a));
        grid.dedup();
        Ok(grid)
    }

    /// Evaluates the grid downwards; `Break` if the monitor ended the search.
    fn walk(
        &self,
        search: &mut Search<'_>,
        curve: &mut Curve,
        grid: &[f64],
        start: &[f64],
    ) -> Result<ControlFlow<StopReason>> {
        let start = search.bounds.project(start).first().copied();
        let mut turn = TurnDetector::new(self.settings.early_stop);
        for &theta in grid {
            let (mut evaluation, mut told) = curve.evaluate(search, theta, None, false)?;
            // The gap is relative to the objective without features, of which the criterion may be a millionth.
            while evaluation.relative_gap * curve.largest() > WALK_GAP * evaluation.value.abs()
                && told.is_continue()
                && search.accuracy.tighten()
            {
                (evaluation, told) = curve.evaluate(search, theta, None, false)?;
            }
            if start == Some(theta) {
                curve.mark_start(search, theta);
            }
            if let Some(reason) = told.break_value() {
                return Ok(ControlFlow::Break(reason));
            }
            let start_passed = start.is_none_or(|start| theta <= start);
            if turn.turned_up(&evaluation) && start_passed {
                break;
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Splits the most promising bracket until none promises more than the tolerance: at the accuracy of the walk as long as that can tell, then
    /// with tight solves.
    fn refine(&self, search: &mut Search<'_>, curve: &mut Curve) -> Result<StopReason> {
        let mut brackets = curve.brackets();
        let mut tight = false;
        for round in 0..self.settings.max_refinements {
            // A walk along a smooth criterion is solved too loosely to refine with.
            let rough =
                if tight || self.settings.smooth { None } else { self.rough_split(search, curve, &brackets) };
            if rough.is_none() && !tight {
                tight = true;
                search.accuracy.current = search.accuracy.tightest;
                // What looked best at the walk's accuracy may have looked too good.
                if let (1.., Some(&[best])) = (round, search.best_theta()) {
                    let told = curve.evaluate(search, best, None, true)?.1;
                    curve.renew(&mut brackets, best);
                    if let Some(reason) = told.break_value() {
                        return Ok(reason);
                    }
                }
            }
            let Some((k, theta)) = rough.or_else(|| self.next_split(search, curve, &brackets)) else {
                return Ok(StopReason::SearchComplete);
            };
            let limit = self.limit_of_ends(search);
            let loose = if tight { curve.loose_end(&brackets[k], limit) } else { None };
            let told = match loose {
                Some(loose) => {
                    let told = curve.evaluate(search, loose, None, true)?.1;
                    curve.renew(&mut brackets, loose);
                    told
                }
                None => {
                    let bracket = brackets.swap_remove(k);
                    let told = curve.evaluate(search, theta, Some(bracket.width()), tight)?.1;
                    brackets.extend(bracket.split(curve.end(theta), !tight));
                    told
                }
            };
            if let Some(reason) = told.break_value() {
                return Ok(reason);
            }
        }
        Ok(StopReason::MaxSteps)
    }

    /// The bracket that promises most, and where to split it, as long as that is more than the accuracy of the walk can blur.
    fn rough_split(&self, search: &Search<'_>, curve: &Curve, brackets: &[Bracket]) -> Option<(usize, f64)> {
        let best = search.best_value();
        let promised =
            ROUGH_PROMISE.max(self.settings.tolerance) * best.abs().max(NEAR_ZERO * curve.largest());
        lowest(brackets, Bracket::predicted_value, best - promised).map(|k| (k, brackets[k].next_theta()))
    }

    /// Ends that were only evaluated loosely are evaluated again below this value.
    fn limit_of_ends(&self, search: &Search<'_>) -> f64 {
        let best = search.best_value();
        if self.settings.smooth { best - self.settings.tolerance * best.abs() } else { f64::INFINITY }
    }

    /// The bracket to split and where: one that promises an improvement by its models, else one that could hide one.
    fn next_split(&self, search: &Search<'_>, curve: &Curve, brackets: &[Bracket]) -> Option<(usize, f64)> {
        let best = search.best_value();
        let negligible = SMALLEST_IMPROVEMENT * curve.largest();
        let below = |tolerance: f64| best - tolerance * best.abs() - negligible;
        let slack = |bracket: &Bracket| if self.settings.smooth { 0.0 } else { curve.slack(search, bracket) };
        let promise = |bracket: &Bracket| bracket.predicted_value() - slack(bracket);
        let caution = |bracket: &Bracket| bracket.cautious_bound().0 - slack(bracket);
        lowest(brackets, promise, below(self.settings.tolerance))
            .map(|k| (k, brackets[k].next_theta()))
            .or_else(|| {
                lowest(brackets, caution, below(self.settings.exploration))
                    .map(|k| (k, brackets[k].cautious_bound().1))
            })
    }
}

/// The divisible bracket whose `value` is smallest, if that is below `limit`.
fn lowest(brackets: &[Bracket], value: impl Fn(&Bracket) -> f64, limit: f64) -> Option<usize> {
    let divisible = brackets.iter().enumerate().filter(|(_, bracket)| bracket.is_divisible());
    divisible
        .map(|(k, bracket)| (k, value(bracket)))
        .filter(|(_, value)| *value < limit)
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(k, _)| k)
}

/// Notices that Φ has clearly turned up on the way down.
struct TurnDetector {
    rule: Option<EarlyStop>,
    first: Option<f64>,
    best: f64,
    above: usize,
}

impl TurnDetector {
    fn new(rule: Option<EarlyStop>) -> Self {
        Self { rule, first: None, best: f64::INFINITY, above: 0 }
    }

    fn turned_up(&mut self, evaluation: &Evaluation) -> bool {
        let Some(rule) = self.rule else {
            return false;
        };
        let value = evaluation.value;
        let first = *self.first.get_or_insert(value);
        self.best = self.best.min(value);
        let gained = rule.margin * (first - self.best).max(0.0);
        let clearly_above = value > self.best + gained.min(rule.margin_of_best * self.best.abs());
        let counts = evaluation.support_size >= rule.smallest_support;
        self.above = if clearly_above && counts { self.above + 1 } else { 0 };
        let patience = if self.best < first { rule.patience } else { BEFORE_ANY_GAIN * rule.patience };
        self.above >= patience.max(1)
    }
}

/// A point with the accuracy it was evaluated at.
struct Sample {
    point: Point,
    tight: bool,
}

/// All points, increasing in θ.
struct Curve {
    samples: Vec<Sample>,
}

impl Curve {
    fn locate(&self, theta: f64) -> std::result::Result<usize, usize> {
        self.samples.binary_search_by(|sample| sample.point.theta[0].total_cmp(&theta))
    }

    /// Evaluates Φ at `theta` (again, if it is there already), and reports it as a step.
    fn evaluate(
        &mut self,
        search: &mut Search<'_>,
        theta: f64,
        width: Option<f64>,
        tight: bool,
    ) -> Result<(Evaluation, ControlFlow<StopReason>)> {
        let before = search.best_value();
        let point = search.at(vec![theta])?;
        let evaluation = point.evaluation.clone();
        let told = search.report(&point, width, evaluation.value < before);
        let sample = Sample { point, tight: tight || search.accuracy.is_tightest() };
        match self.locate(theta) {
            Ok(k) => self.samples[k] = sample,
            Err(k) => self.samples.insert(k, sample),
        }
        Ok((evaluation, told))
    }

    /// The largest |Φ| so far.
    fn largest(&self) -> f64 {
        let values = self.samples.iter().map(|sample| sample.point.evaluation.value.abs());
        values.filter(|value| value.is_finite()).fold(0.0, f64::max)
    }

    fn mark_start(&self, search: &mut Search<'_>, theta: f64) {
        if let Ok(k) = self.locate(theta) {
            search.mark_start(&self.samples[k].point);
        }
    }

    fn end(&self, theta: f64) -> End {
        let evaluation = self.locate(theta).ok().map(|k| &self.samples[k].point.evaluation);
        End {
            theta,
            value: evaluation.map_or(f64::INFINITY, |e| e.value),
            slope: evaluation.and_then(|e| e.gradient.first().copied()).unwrap_or(f64::NAN),
        }
    }

    fn brackets(&self) -> Vec<Bracket> {
        let ends: Vec<End> = self.samples.iter().map(|sample| self.end(sample.point.theta[0])).collect();
        ends.windows(2).map(|pair| Bracket::new(pair[0], pair[1])).collect()
    }

    /// Reads the ends at `theta` anew after it was evaluated again.
    fn renew(&self, brackets: &mut [Bracket], theta: f64) {
        let end = self.end(theta);
        for bracket in brackets {
            bracket.renew(end);
        }
    }

    /// An end below `limit` that was only evaluated loosely.
    fn loose_end(&self, bracket: &Bracket, limit: f64) -> Option<f64> {
        let loose = |theta: f64| self.locate(theta).is_ok_and(|k| !self.samples[k].tight);
        let ends = [bracket.left, bracket.right].into_iter().filter(|end| end.value < limit);
        ends.map(|end| end.theta).find(|&theta| loose(theta))
    }

    /// How much lower than evaluated the ends may be: the error of those that were only evaluated loosely.
    fn slack(&self, search: &Search<'_>, bracket: &Bracket) -> f64 {
        [bracket.left.theta, bracket.right.theta]
            .into_iter()
            .filter_map(|theta| self.locate(theta).ok())
            .map(|k| &self.samples[k])
            .filter(|sample| !sample.tight)
            .map(|sample| search.value_error(&sample.point.evaluation))
            .fold(0.0, f64::max)
    }

    fn finish(self, search: Search<'_>, reason: StopReason, accuracy: Accuracy) -> Result<ScalarResult> {
        let best = search.best_value();
        let brackets = self.brackets();
        let gap = |value: fn(&Bracket) -> f64| {
            let divisible = brackets.iter().filter(|bracket| bracket.is_divisible());
            best - divisible.map(value).fold(best, f64::min)
        };
        let predicted_gap = gap(Bracket::predicted_value);
        let cautious_gap = gap(|bracket| bracket.cautious_bound().0);
        let scanned = match (self.samples.first(), self.samples.last()) {
            (Some(first), Some(last)) => (first.point.theta[0], last.point.theta[0]),
            _ => (f64::NAN, f64::NAN),
        };
        let curve = self
            .samples
            .into_iter()
            .map(|sample| CurveSample { theta: sample.point.theta[0], evaluation: sample.point.evaluation })
            .collect();
        let outer = search.finish_at(reason, accuracy)?;
        Ok(ScalarResult { outer, curve, scanned, predicted_gap, cautious_gap })
    }
}
