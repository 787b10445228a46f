//! What follows the walk where Φ has no kinks and its solves are dear: few points, each as exact as what is decided there.

use crate::Result;
use crate::outer::bracket::Bracket;
use crate::outer::search::Search;
use crate::outer::{Accuracy, StopReason};

use super::{Curve, ROUGH_PROMISE, ScalarSearch, lowest};

/// A slope that changes Φ by less than this part of it over a factor e in λ is none: half of what a certificate calls stationary.
const FLAT: f64 = 5e-5;

impl ScalarSearch {
    /// Splits brackets of a smooth Φ at the `rough` accuracy, then goes downhill from the best point with tight solves. Only slopes are compared there:
    /// a slope that is known to ε says where the minimum is to ε, a value to √ε.
    pub(super) fn settle(
        &self,
        search: &mut Search<'_>,
        curve: &mut Curve,
        rough: Accuracy,
    ) -> Result<StopReason> {
        search.accuracy.current = rough;
        for round in 0..self.settings.max_refinements {
            let brackets = curve.brackets();
            let limit = search.best_value() - ROUGH_PROMISE * search.best_value().abs();
            let promising = lowest(&brackets, Bracket::predicted_smooth_value, limit).map(|k| &brackets[k]);
            let split = promising.and_then(|bracket| Some((bracket.smooth_minimizer()?, bracket.width())));
            let Some((theta, width)) = split else {
                return self.descend(search, curve, round);
            };
            if let Some(reason) = curve.evaluate(search, theta, Some(width), false)?.1.break_value() {
                return Ok(reason);
            }
        }
        Ok(StopReason::MaxSteps)
    }

    /// Tight steps from the best point to where the slopes lead.
    fn descend(&self, search: &mut Search<'_>, curve: &mut Curve, rounds: usize) -> Result<StopReason> {
        search.accuracy.current = search.accuracy.tightest;
        let Some(&[mut at]) = search.best_theta() else {
            return Ok(StopReason::SearchComplete);
        };
        for _ in rounds..self.settings.max_refinements {
            let downhill = curve.downhill(at);
            let promise = downhill.map_or(0.0, |(_, promise)| promise);
            let is_flat = curve.end(at).slope.abs() <= FLAT * search.best_value().abs();
            let is_done = downhill.is_none()
                || is_flat && promise <= self.settings.tolerance * search.best_value().abs();
            let is_tight = curve.locate(at).is_ok_and(|k| curve.samples[k].tight);
            if is_tight && is_done {
                return Ok(StopReason::SearchComplete);
            }
            let theta = downhill.map_or(at, |(theta, _)| theta);
            let (evaluation, told) = curve.evaluate(search, theta, Some((theta - at).abs()), true)?;
            search.choose(&[theta], &evaluation);
            at = theta;
            if let Some(reason) = told.break_value() {
                return Ok(reason);
            }
        }
        Ok(StopReason::MaxSteps)
    }
}

impl Curve {
    /// Where the slope at a point leads, and how much lower Φ is there by the slopes; `None` where it leads nowhere, or out of the interval.
    fn downhill(&self, theta: f64) -> Option<(f64, f64)> {
        let here = self.end(theta);
        let bracket = self.brackets().into_iter().find(|bracket| {
            if here.slope < 0.0 { bracket.left.theta == theta } else { bracket.right.theta == theta }
        })?;
        let minimizer = bracket.smooth_minimizer().filter(|_| here.slope != 0.0 && bracket.is_divisible())?;
        Some((minimizer, 0.5 * (here.slope * (minimizer - theta)).abs()))
    }
}
