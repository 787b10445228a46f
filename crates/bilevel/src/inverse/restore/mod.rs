//! Restoring an image: what degraded it, what is known about images, and the rule that chooses the weight between the two.
//!
//! [`restore`] is what the command and the Python package call: planes of pixels in, restored planes and a record of the choice out. Every plane of a
//! colour image has a weight of its own.
//!
//! | prior | without blur and mask | with |
//! |---|---|---|
//! | Tikhonov, ‖∇x‖² | exact in a cosine or Fourier basis, all criteria; a map and a probe | the same where the blur is diagonal there; else conjugate gradients and a probe |
//! | wavelets | SURE in every level, subband or neighbourhood, no search; a map and a probe | one weight, one for each level or subband, or a map; FISTA and a probe |
//! | total variation | one weight or a map, and a probe | one weight, alternating directions and a probe |
//!
//! Wavelets behind a blur are restored in a few shifts of their basis at the weight that was chosen in one, and averaged (`shifts.rs`).
//!
//! "A probe" is the Monte Carlo estimate of the degrees of freedom, δᵀ(Ax(b + εδ) − Ax(b))/ε with one fixed normal δ. Several weights are moved at once, by the
//! gradient through both solutions, from the best single one (`several.rs`).
//!
//! # Example
//! ```
//! use bilevel::inverse::restore::{Degraded, Prior, RestoreSettings, Unwatched, restore};
//!
//! // A disk with a pattern of ±0.1 on it.
//! let disk = |i: usize| if (i / 32).abs_diff(16).pow(2) + (i % 32).abs_diff(16).pow(2) < 90 { 0.8 } else { 0.2 };
//! let noisy: Vec<f64> = (0..32 * 32).map(|i| disk(i) + if i * i % 7 < 3 { 0.1 } else { -0.1 }).collect();
//! let image = Degraded::new((32, 32), vec![noisy])?;
//! let settings = RestoreSettings { prior: Prior::Tikhonov, sigma: Some(0.1), ..Default::default() };
//! let restored = restore(&image, &settings, &mut Unwatched)?;
//! let error = |x: &[f64]| x.iter().enumerate().map(|(i, x)| (x - disk(i)).powi(2)).sum::<f64>();
//! assert!(error(&restored.planes[0]) < 0.7 * error(&image.planes[0]));
//! # Ok::<(), bilevel::Error>(())
//! ```

mod learned;
mod model;
mod prior;
mod probe;
mod problem;
mod settings;
mod several;
mod shifts;
mod spectral;
mod wavelet;
mod weight;
mod weighted_gradient;
mod whiteness;

use std::time::Instant;

use crate::{Error, Result};

pub use learned::{Pair, learn};
pub use model::{LearnedModel, SCHEMA};
pub use problem::{Degraded, estimate_sigma};
pub use settings::{Blur, Criterion, Prior, RestoreSettings, WeightsPer};
pub use spectral::SpectralTikhonov;
pub use weight::{MapOfWeights, WeightChoice};
pub use whiteness::Whiteness;

use problem::Plane;

/// Watches a restoration and may end it.
pub trait Watch {
    /// `tried` weights have been judged on plane number `plane` (from 1); the best value so far. `false` ends the restoration.
    fn on_weight(&mut self, plane: usize, tried: usize, lambda: f64, value: f64) -> bool;
}

/// Nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn on_weight(&mut self, _plane: usize, _tried: usize, _lambda: f64, _value: f64) -> bool {
        true
    }
}

/// A restored plane and what is known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct PlaneRecord {
    /// Standard deviation of the noise that was taken; `None` where nothing asked for it.
    pub sigma: Option<f64>,
    /// How the weight, or the weights of subbands, were chosen.
    pub choice: WeightChoice,
    /// ‖Ax − b‖/√n.
    pub residual_deviation: f64,
    /// b − Ax, row by row, 0 where nothing was seen.
    pub residual: Vec<f64>,
    /// How much the residual looks like white noise.
    pub whiteness: Whiteness,
}

/// A restored image.
#[derive(Debug, Clone, PartialEq)]
pub struct Restoration {
    /// The planes, in the units of the input.
    pub planes: Vec<Vec<f64>>,
    /// One record for each plane.
    pub records: Vec<PlaneRecord>,
    /// What was asked, with everything that was left open filled in.
    pub settings: RestoreSettings,
    /// Seconds it took.
    pub seconds: f64,
}

/// Restores every plane of an image, each with weights of its own.
///
/// # Errors
/// [`Error::InvalidSetting`] for a combination that does not exist (the sentence says what does), a kernel larger than the image, a σ that is not positive;
/// [`Error::InvalidData`] for planes of the wrong size or with values that are not finite; [`Error::Cancelled`] if the watcher says so.
pub fn restore(image: &Degraded, settings: &RestoreSettings, watch: &mut dyn Watch) -> Result<Restoration> {
    let begun = Instant::now();
    let settings = settings.completed(image)?;
    let (mut planes, mut records) = (Vec::new(), Vec::new());
    for (k, values) in image.planes.iter().enumerate() {
        let plane = Plane::new(image, values, &settings)?;
        let (restored, choice, sigma) = restore_plane(&plane, &settings, k, watch)?;
        let residual = plane.residual(&restored)?;
        let seen = plane.data.len().max(1) as f64;
        let whiteness = Whiteness::of(&residual, image.shape, plane.seen.as_deref());
        let residual_deviation = (residual.iter().map(|r| r * r).sum::<f64>() / seen).sqrt();
        planes.push(restored);
        records.push(PlaneRecord { sigma, choice, residual_deviation, residual, whiteness });
    }
    Ok(Restoration { planes, records, settings, seconds: begun.elapsed().as_secs_f64() })
}

fn restore_plane(
    plane: &Plane<'_>,
    settings: &RestoreSettings,
    index: usize,
    watch: &mut dyn Watch,
) -> Result<(Vec<f64>, WeightChoice, Option<f64>)> {
    let sigma = plane.sigma(settings)?;
    if settings.is_closed_form(plane) {
        let (image, choice) = wavelet::denoise(plane, settings, sigma)?;
        return Ok((image, choice, sigma));
    }
    let (image, choice) = match settings.lambda {
        lambda if lambda.is_some() || !settings.given.is_empty() => prior::at(plane, settings, lambda)?,
        _ => prior::chosen(plane, settings, sigma, &mut |tried, lambda, value| {
            if watch.on_weight(index + 1, tried, lambda, value) { Ok(()) } else { Err(Error::Cancelled) }
        })?,
    };
    Ok((image, choice, sigma))
}
