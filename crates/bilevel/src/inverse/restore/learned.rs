//! Weights learned from pairs of clean and degraded images: the smallest mean squared error over all of them, with one weight, or with several from there.

use super::Watch;
use super::model::{Learned, LearnedModel};
use super::prior::with_solver;
use super::problem::{Degraded, Plane};
use super::settings::{Criterion, RestoreSettings, WeightsPer};
use super::several;
use super::weight::minimize;
use crate::criterion::ImageQuality;
use crate::{Error, Result};

/// An image as it was measured, and as it is in truth.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// A name for messages.
    pub name: String,
    /// The measured image.
    pub degraded: Degraded,
    /// The planes of the true one.
    pub clean: Vec<Vec<f64>>,
}

/// The weight, or the weights, with the smallest mean squared error over the pairs, for images that were degraded in the same way.
///
/// # Errors
/// [`Error::InvalidData`] for no pairs, or pairs that do not fit each other; [`Error::InvalidSetting`] as [`super::restore`];
/// [`Error::Cancelled`] if the watcher says so.
pub fn learn(pairs: &[Pair], settings: &RestoreSettings, watch: &mut dyn Watch) -> Result<LearnedModel> {
    let Some(first) = pairs.first() else {
        return Err(Error::data("examples", "no pair of images", "at least one clean and degraded image"));
    };
    for pair in pairs {
        let sizes = |planes: &[Vec<f64>]| planes.iter().map(Vec::len).collect::<Vec<_>>();
        if sizes(&pair.clean) != sizes(&pair.degraded.planes) {
            let what = format!("pair `{}`", pair.name);
            return Err(Error::data(
                what,
                "clean and degraded images of different sizes",
                "the same size and colours",
            ));
        }
    }
    let settings = RestoreSettings {
        criterion: Criterion::Supervised,
        lambda: None,
        given: Vec::new(),
        ..settings.clone()
    };
    let completed = settings.completed(&first.degraded)?;
    let examples = examples(pairs, &completed)?;
    let mut tried = 0;
    let range =
        with_solver(&examples[0].0, &completed, Some(examples[0].2), &mut |solver| Ok(solver.range()))?;
    let found = minimize(range, |lambda| {
        let mut mean = 0.0;
        for (plane, clean, sigma) in &examples {
            let image = with_solver(plane, &completed, Some(*sigma), &mut |solver| {
                solver.image(&plane.data, lambda)
            })?;
            let square: f64 = image.iter().zip(*clean).map(|(x, t)| (x - t).powi(2)).sum();
            mean += square / (image.len() * examples.len()) as f64;
        }
        tried += 1;
        if watch.on_weight(1, tried, lambda, mean) { Ok(mean) } else { Err(Error::Cancelled) }
    })?;
    let mut weights = Vec::new();
    let mut error = found.value;
    if completed.weights != WeightsPer::Scalar {
        let pairs: Vec<_> = examples.iter().map(|(plane, clean, _)| (plane, clean.as_slice())).collect();
        let several = several::learned(&pairs, &completed, found.lambda, &mut |mean, value| {
            tried += 1;
            if watch.on_weight(1, tried, mean, value) { Ok(()) } else { Err(Error::Cancelled) }
        })?;
        (weights, error) = (several.weights, several.value);
    }
    let (before, after) = qualities(&examples, &completed, found.lambda, &weights)?;
    let learned = Learned {
        lambda: found.lambda,
        weights,
        mean_squared_error: error,
        before,
        after,
        n_pairs: pairs.len(),
    };
    Ok(LearnedModel::new(&completed, learned, found.curve))
}

/// How near the examples are to the truth, as they were measured and as they are restored: means over all planes. Measured images with pixels that were not
/// seen are judged as they are.
fn qualities(
    examples: &[(Plane<'_>, &Vec<f64>, f64)],
    settings: &RestoreSettings,
    lambda: f64,
    weights: &[f64],
) -> Result<(ImageQuality, ImageQuality)> {
    let values = || examples.iter().flat_map(|(_, clean, _)| clean.iter());
    let (low, high) = values().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(*v), b.max(*v)));
    // White is 1 for images of integers; others have the range that they have.
    let range = if low >= 0.0 && high <= 1.0 { 1.0 } else { (high - low).max(f64::MIN_POSITIVE) };
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for (plane, clean, sigma) in examples {
        let image = if weights.is_empty() {
            with_solver(plane, settings, Some(*sigma), &mut |solver| solver.image(&plane.data, lambda))?
        } else {
            several::at(plane, settings, weights)?
        };
        before.push(ImageQuality::of(plane.shape, plane.pixels, clean, range)?);
        after.push(ImageQuality::of(plane.shape, &image, clean, range)?);
    }
    let none = || Error::data("examples", "no pair of images", "at least one clean and degraded image");
    Ok((ImageQuality::mean(&before).ok_or_else(none)?, ImageQuality::mean(&after).ok_or_else(none)?))
}

/// Every plane with its truth and its noise.
fn examples<'a>(
    pairs: &'a [Pair],
    settings: &RestoreSettings,
) -> Result<Vec<(Plane<'a>, &'a Vec<f64>, f64)>> {
    let mut all = Vec::new();
    for pair in pairs {
        for (pixels, clean) in pair.degraded.planes.iter().zip(&pair.clean) {
            let plane = Plane::new(&pair.degraded, pixels, settings)?;
            let sigma = plane.sigma(settings)?.unwrap_or(0.01);
            all.push((plane, clean, sigma));
        }
    }
    Ok(all)
}
