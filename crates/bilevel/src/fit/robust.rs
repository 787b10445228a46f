//! δ of the pseudo-Huber loss from the data: from the target, and then from the residuals of a model.
//!
//! The target spreads by what the features explain as well as by noise, so its scale is the right one only where the features say little. A search for
//! one λ with that δ gives residuals on rows that had no part in their predictions, and those have the scale of what is left to explain. Both
//! scales are medians, which bad samples cannot move far as long as they are fewer than half.
//!
//! Source: Huber, Ronchetti, "Robust statistics" (2009), §6.4 and §7.7, for the median absolute deviation as the scale.

use std::time::Instant;

use crate::Result;
use crate::loss::PseudoHuber;

use super::family::{self, Family, WithFamily};
use super::prepare::Prepared;
use super::{FitInput, FitSettings, Observer, WeightsKind, climb_with};

/// 1/Φ⁻¹(¾): times the median size of normal noise this is its standard deviation.
const OF_NORMAL: f64 = 1.482_602_218_505_602;
/// δ from residuals is at least this part of δ from the target: where most residuals vanish, their median says nothing of the others.
const SMALLEST_PART: f64 = 1e-2;
/// Residuals at one δ give the next. The first round is a search; wild samples that the target's own scale lets through are gone after the third.
const ROUNDS: usize = 3;

/// 1.345 · 1.4826 times the median distance from the median, on rows of these weights. Where more than half of the targets are equal, their mean
/// distance takes its place, and where all are, 1.
pub(super) fn delta_of_target(targets: &[f64], weights: &[f64]) -> f64 {
    let rows = || targets.iter().copied().zip(weights.iter().copied()).filter(|(_, w)| *w > 0.0);
    let center = weighted_median(rows().collect());
    let spread = weighted_median(rows().map(|(b, w)| ((b - center).abs(), w)).collect());
    let mean = || rows().map(|(b, w)| w * (b - center).abs()).sum::<f64>();
    let scale = if spread > 0.0 { spread } else { mean() };
    if scale > 0.0 { PseudoHuber::EFFICIENT * OF_NORMAL * scale } else { 1.0 }
}

/// 1.345 · 1.4826 times the median size of the validation rows' residuals: at the best single λ for the δ of `prepared`, and again, at that λ, for
/// the δ found so far.
pub(super) fn delta_of_residuals(
    input: FitInput<'_>,
    prepared: &mut Prepared<'_>,
    observer: &mut dyn Observer,
    started: Instant,
) -> Result<f64> {
    let mut settings = FitSettings {
        weights: WeightsKind::Scalar,
        outer: super::OuterKind::Auto,
        certify: Some(0.0),
        ..input.settings.clone()
    };
    let of_target = prepared.delta.unwrap_or(1.0);
    let mut delta = of_target;
    for _ in 0..ROUNDS {
        prepared.delta = Some(delta);
        let input = FitInput { settings: &settings, journal: &[], ..input };
        let job = Residuals { input, observer: &mut *observer, started };
        let (sizes, lambda) = family::with_family(&input, prepared, job)?;
        let scale = PseudoHuber::EFFICIENT * OF_NORMAL * weighted_median(sizes);
        delta = scale.clamp(SMALLEST_PART * of_target, of_target);
        let Some(lambda) = lambda else { break };
        settings.grid = Some(vec![lambda]);
    }
    Ok(delta)
}

/// A search for residuals whose family is about to be chosen.
struct Residuals<'i, 'o> {
    input: FitInput<'i>,
    observer: &'o mut dyn Observer,
    started: Instant,
}

impl WithFamily for Residuals<'_, '_> {
    /// Sizes and weights, and the λ, where it is the one parameter.
    type Output = (Vec<(f64, f64)>, Option<f64>);

    fn run<'a, F: Family<'a>>(self, family: &'a F, groups: Option<&[usize]>) -> Result<Self::Output> {
        let prepared = family.prepared();
        let problem = family.problem(&prepared.rows.final_weights)?;
        let mut unwatched = Unwatched(self.observer);
        let summit = climb_with(family, &problem, &self.input, groups, &mut unwatched, self.started)?;
        let targets = prepared.data.target.values();
        let samples = summit.best.samples.iter();
        let sizes = samples.map(|s| ((targets[s.row as usize] - s.predictor).abs(), s.weight)).collect();
        let lambda = match summit.best.result.theta[..] {
            [theta] => Some(theta.exp()).filter(|lambda| lambda.is_finite() && *lambda > 0.0),
            _ => None,
        };
        Ok((sizes, lambda))
    }
}

/// Passes on nothing but the wish to end.
struct Unwatched<'o>(&'o mut dyn Observer);

impl Observer for Unwatched<'_> {
    fn is_interrupted(&self) -> bool {
        self.0.is_interrupted()
    }
}

/// The constant of the smallest mean loss on rows of these weights, by reweighted means from the median: each is the minimizer of a parabola that
/// lies above the loss.
pub(super) fn location(loss: PseudoHuber, targets: &[f64], weights: &[f64]) -> f64 {
    const STEPS: usize = 200;
    let rows = || targets.iter().copied().zip(weights.iter().copied()).filter(|(_, w)| *w > 0.0);
    let mut center = weighted_median(rows().collect());
    for _ in 0..STEPS {
        let (mut moves, mut total) = (0.0, 0.0);
        for (b, w) in rows() {
            let t = (b - center) / loss.delta();
            let share = w / (1.0 + t * t).sqrt();
            moves += share * (b - center);
            total += share;
        }
        let next = center + moves / total;
        if next == center || total <= 0.0 {
            break;
        }
        center = next;
    }
    center
}

/// The smallest value below or at which lies half of the weight; 0 for none.
fn weighted_median(mut values: Vec<(f64, f64)>) -> f64 {
    values.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let half = 0.5 * values.iter().map(|(_, w)| w).sum::<f64>();
    let mut below = 0.0;
    values
        .iter()
        .find(|(_, w)| {
            below += w;
            below >= half
        })
        .map_or(0.0, |(value, _)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::Loss;

    #[test]
    fn the_median_counts_weights_as_copies() {
        assert_eq!(weighted_median(vec![(3.0, 1.0), (1.0, 1.0), (2.0, 1.0)]), 2.0);
        assert_eq!(weighted_median(vec![(3.0, 5.0), (1.0, 1.0), (2.0, 1.0)]), 3.0);
        assert_eq!(weighted_median(Vec::new()), 0.0);
    }

    #[test]
    fn the_location_is_where_the_slopes_cancel_between_median_and_mean() {
        let (targets, weights) = ([0.0, 1.0, 2.0, 3.0, 1e6], [0.2; 5]);
        for delta in [1e-3, 1.0, 100.0] {
            let loss = PseudoHuber::new(delta).unwrap();
            let center = location(loss, &targets, &weights);
            let slope: f64 = targets.iter().map(|b| loss.derivative(*b, center)).sum();
            assert!(slope.abs() < 1e-9 * delta, "{slope} at {center}");
        }
        let mean = location(PseudoHuber::new(1e12).unwrap(), &targets, &weights);
        approx::assert_relative_eq!(mean, 200_001.2, max_relative = 1e-9);
    }

    #[test]
    fn the_scale_of_a_target_does_not_see_a_few_wild_values_and_is_never_zero() {
        let weights = [0.125; 8];
        let of = |targets: &[f64]| delta_of_target(targets, &weights) / (PseudoHuber::EFFICIENT * OF_NORMAL);
        let tame = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
        let wild = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8e9];
        assert_eq!(of(&tame), 2.0);
        assert_eq!(of(&wild), 2.0);
        assert_eq!(of(&[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 4.0]), 0.5);
        assert_eq!(delta_of_target(&[3.0; 8], &weights), 1.0);
    }
}
