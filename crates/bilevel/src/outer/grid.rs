//! A grid over one or two parameters: the baseline that everything else is measured against.
//!
//! Points lie equally spaced from the upper to the lower end of the box, ends included; with two parameters as a tensor grid that is walked in a snake,
//! so that neighbours follow each other and lower-level solutions can be warm starts. Values are loose at first; then those that could
//! still be the best are evaluated tightly.

use serde::{Deserialize, Serialize};

use super::search::{Point, Search};
use super::{
    AccuracySchedule, Bounds, Evaluation, Monitor, Objective, OuterOptimizer, OuterResult, StopReason,
};
use crate::hypergradient::Selection;
use crate::{Error, Result};

/// Settings of [`Grid`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GridSettings {
    /// Points along each parameter, at least 2; default 100 for one parameter and 20 for two.
    pub points: Option<usize>,
    /// Policy for the gradient of the answer; default self-consistent.
    pub selection: Selection,
    /// Accuracy of the lower level; default from 1e-6 to 1e-10.
    pub accuracy: AccuracySchedule,
}

/// Grid search.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Grid {
    /// Settings.
    pub settings: GridSettings,
}

/// The answer of a grid search.
#[derive(Debug, Clone, PartialEq)]
pub struct GridResult {
    /// The best point.
    pub outer: OuterResult,
    /// All points with their evaluations (without gradients), in the order they were walked.
    pub samples: Vec<(Vec<f64>, Evaluation)>,
}

impl OuterOptimizer for Grid {
    fn name(&self) -> &'static str {
        "grid"
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

impl Grid {
    /// Evaluates all points of the grid, and before them `start` unless it is empty.
    ///
    /// # Errors
    /// As [`OuterOptimizer::minimize`]; also if there are not one or two parameters, or the box is not bounded.
    pub fn search(
        &self,
        objective: &mut dyn Objective,
        start: &[f64],
        monitor: &mut dyn Monitor,
    ) -> Result<GridResult> {
        let mut search = Search::new(objective, monitor, self.settings.selection, self.settings.accuracy)?;
        let grid = self.points(&search.bounds)?;
        if !start.is_empty() {
            search.begin(start)?;
        }
        let (mut samples, reason) = walk(&mut search, grid)?;
        tighten_contenders(&mut search, &mut samples)?;
        Ok(GridResult { outer: search.finish(reason)?, samples })
    }

    /// Evaluates `points` (one value for each parameter), in their order and at the accuracy that the settings begin with, and no others. The
    /// answer is the one with the smallest value, the first of equals.
    ///
    /// # Errors
    /// As [`OuterOptimizer::minimize`]; also if there is no point, or one has another number of values or one that is not finite.
    pub fn search_points(
        &self,
        objective: &mut dyn Objective,
        points: Vec<Vec<f64>>,
        monitor: &mut dyn Monitor,
    ) -> Result<GridResult> {
        let mut search = Search::new(objective, monitor, self.settings.selection, self.settings.accuracy)?;
        let n = search.bounds.len();
        let fits = |point: &Vec<f64>| point.len() == n && point.iter().all(|t| t.is_finite());
        if points.is_empty() || !points.iter().all(fits) {
            let found = format!("{} points", points.len());
            return Err(Error::data(
                "points of a grid search",
                found,
                format!("at least one, each of {n} finite numbers"),
            ));
        }
        let (samples, reason) = walk(&mut search, points)?;
        // `min_by` takes the first of equals.
        let best = samples.iter().min_by(|a, b| a.1.value.total_cmp(&b.1.value));
        if let Some((theta, evaluation)) = best.filter(|(_, evaluation)| evaluation.value.is_finite()) {
            search.choose(theta, evaluation);
        }
        Ok(GridResult { outer: search.finish(reason)?, samples })
    }

    fn points(&self, bounds: &Bounds) -> Result<Vec<Vec<f64>>> {
        let n = bounds.len();
        let count = self.settings.points.unwrap_or(if n == 1 { 100 } else { 20 });
        if count < 2 {
            return Err(Error::setting("points", count, "at least 2 points along each parameter"));
        }
        match n {
            1 => Ok(axis(bounds, 0, count)?.into_iter().map(|t| vec![t]).collect()),
            2 => Ok(snake(&axis(bounds, 0, count)?, &axis(bounds, 1, count)?)),
            _ => Err(Error::data("parameters of a grid search", n.to_string(), "1 or 2")),
        }
    }
}

/// Points with their evaluations.
type Samples = Vec<(Vec<f64>, Evaluation)>;

/// Evaluates the points in their order, until the monitor says to stop.
fn walk(search: &mut Search<'_>, points: Vec<Vec<f64>>) -> Result<(Samples, StopReason)> {
    let mut samples = Vec::with_capacity(points.len());
    for theta in points {
        let before = search.best_value();
        let evaluation = search.value(&theta)?;
        let accepted = evaluation.value < before;
        let point = Point { theta, evaluation };
        let told = search.report(&point, None, accepted).break_value();
        samples.push((point.theta, point.evaluation));
        if let Some(told) = told {
            return Ok((samples, told));
        }
    }
    Ok((samples, StopReason::SearchComplete))
}

/// Evaluates those tightly whose value could, by its error, be below the best.
fn tighten_contenders(search: &mut Search<'_>, samples: &mut [(Vec<f64>, Evaluation)]) -> Result<()> {
    let upper = samples
        .iter()
        .map(|(_, evaluation)| evaluation.value + search.value_error(evaluation))
        .fold(f64::INFINITY, f64::min);
    search.accuracy.current = search.accuracy.tightest;
    for (theta, evaluation) in samples {
        let inexact = evaluation.relative_gap > search.accuracy.tightest.relative_gap;
        if inexact && evaluation.value - search.value_error(evaluation) <= upper {
            *evaluation = search.value(theta)?;
        }
    }
    Ok(())
}

/// `count` equally spaced values from the upper to the lower bound of parameter `i`.
pub(super) fn axis(bounds: &Bounds, i: usize, count: usize) -> Result<Vec<f64>> {
    let (lower, upper) = bounds.interval(i);
    if !(lower.is_finite() && upper.is_finite()) {
        return Err(Error::data(
            format!("bounds of outer parameter {i}"),
            format!("[{lower}, {upper}]"),
            "finite bounds to search between",
        ));
    }
    let last = (count - 1) as f64;
    Ok((0..count)
        .map(|k| if k + 1 == count { lower } else { upper - (upper - lower) * (k as f64 / last) })
        .collect())
}

/// The tensor grid, the second parameter walked there and back.
fn snake(first: &[f64], second: &[f64]) -> Vec<Vec<f64>> {
    let row = |(k, &a): (usize, &f64)| -> Vec<Vec<f64>> {
        let mut row: Vec<Vec<f64>> = second.iter().map(|&b| vec![a, b]).collect();
        if k % 2 == 1 {
            row.reverse();
        }
        row
    };
    first.iter().enumerate().flat_map(row).collect()
}
