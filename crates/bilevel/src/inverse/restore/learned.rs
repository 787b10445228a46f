//! One weight learned from pairs of clean and degraded images: the smallest mean squared error over all of them.

use super::Watch;
use super::model::LearnedModel;
use super::prior::with_solver;
use super::problem::{Degraded, Plane};
use super::settings::{Criterion, RestoreSettings, WeightsPer};
use super::weight::minimize;
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

/// The weight with the smallest mean squared error over the pairs, for images that were degraded in the same way.
///
/// # Errors
/// [`Error::InvalidData`] for no pairs, or pairs that do not fit each other; [`Error::InvalidSetting`] for several weights or as [`super::restore`];
/// [`Error::Cancelled`] if the watcher says so.
pub fn learn(pairs: &[Pair], settings: &RestoreSettings, watch: &mut dyn Watch) -> Result<LearnedModel> {
    let Some(first) = pairs.first() else {
        return Err(Error::data("examples", "no pair of images", "at least one clean and degraded image"));
    };
    if !matches!(settings.weights, WeightsPer::Auto | WeightsPer::Scalar) {
        return Err(Error::setting("weights", settings.weights.name(), "scalar: examples teach one weight"));
    }
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
    let settings =
        RestoreSettings { weights: WeightsPer::Scalar, criterion: Criterion::Supervised, ..settings.clone() };
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
    Ok(LearnedModel::new(&completed, found.lambda, found.value, pairs.len(), found.curve))
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
