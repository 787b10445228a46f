//! Denoising: transform, shrink every subband as SURE says, transform back.

use rayon::prelude::*;

use super::neighbourhood;
use super::noise::{Covariance, LARGEST, check_finite, estimate_noise, signal_shape};
use super::threshold::{soft_threshold, sure_at, sure_threshold};
use crate::operator::LinearOperator;
use crate::operator::wavelet::{
    Extension, Orientation, StationaryTransform, Subband, Wavelet, WaveletTransform,
};
use crate::{Error, Result};

/// How [`denoise_wavelet`] goes about it.
#[derive(Debug, Clone, PartialEq)]
pub struct WaveletDenoising {
    /// Standard deviation of the noise, in units of the image; default: estimated for each plane ([`estimate_noise`]).
    pub noise: Option<f64>,
    /// Default Haar: in an undecimated transform within 0.1 dB of the best, and its atoms are the shortest.
    pub wavelet: Wavelet,
    /// Default 4; fewer where the image is smaller than 2^levels.
    pub levels: usize,
    /// Default undecimated.
    pub redundancy: Redundancy,
    /// Default neighbourhood.
    pub shrinkage: Shrinkage,
}

impl Default for WaveletDenoising {
    fn default() -> Self {
        Self {
            noise: None,
            wavelet: Wavelet::haar(),
            levels: 4,
            redundancy: Redundancy::default(),
            shrinkage: Shrinkage::default(),
        }
    }
}

/// Which transform the image is denoised in; both take it as periodic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Redundancy {
    /// As many coefficients as pixels.
    Orthogonal,
    /// All shifts: 3·levels + 1 coefficients for each pixel, and 1 to 2 dB better.
    #[default]
    Undecimated,
}

/// What is chosen for a subband.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shrinkage {
    /// A soft threshold that the subbands of a level share.
    Level,
    /// A soft threshold.
    Subband,
    /// A window and a factor, by which each coefficient is shrunk according to the energy around it.
    #[default]
    Neighbourhood,
}

/// What was done to a subband.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// Left as it is: the approximation.
    Kept,
    /// Soft thresholding.
    Soft {
        /// In units of the coefficients.
        threshold: f64,
    },
    /// Multiplication by (1 − `factor`·σ²/S)₊, with S the mean square in a window of side 2·`radius` + 1.
    Neighbourhood {
        /// 1 to 3.
        radius: usize,
        /// Infinite where everything is removed.
        factor: f64,
    },
}

/// A subband, and what was done to it.
#[derive(Debug, Clone, PartialEq)]
pub struct SubbandChoice {
    /// The plane, counted from 0.
    pub plane: usize,
    /// The subband of that plane.
    pub subband: Subband,
    /// What was done.
    pub rule: Rule,
    /// SURE: the unbiased estimate of the squared error of its coefficients, summed (minimized over the rule, and so slightly optimistic).
    pub risk: f64,
}

/// A denoised image.
#[derive(Debug, Clone, PartialEq)]
pub struct Denoised {
    /// In the layout of the input.
    pub image: Vec<f64>,
    /// The standard deviation of the noise that was removed, for each plane.
    pub noise: Vec<f64>,
    /// Every subband of every plane.
    pub choices: Vec<SubbandChoice>,
    /// The mean of the choices' risks over pixels: the expected squared error for an orthogonal transform, and an upper bound on it for an
    /// undecimated one, whose inverse averages errors away.
    pub mean_squared_error: f64,
}

/// Removes white Gaussian noise from an image of `shape` = [rows, columns] (of a signal: [1, length] or [length, 1]), of one plane or several one after another.
///
/// No clean image is used: all that is chosen minimizes an unbiased estimate of the risk. Takes about 16 times the memory of one plane.
///
/// # Errors
/// [`Error::InvalidData`] if the image does not fill planes of that shape or has values that are not finite or above 1e150, whose squares
/// are not; [`Error::InvalidSetting`] for a noise that is not positive or as large, or no levels.
///
/// # Example
/// See [the module](super).
pub fn denoise_wavelet(image: &[f64], shape: [usize; 2], settings: &WaveletDenoising) -> Result<Denoised> {
    let fits = |plane: &usize| *plane > 0 && !image.is_empty() && image.len().is_multiple_of(*plane);
    let Some(plane_size) = shape[0].checked_mul(shape[1]).filter(fits) else {
        let expected = format!("a multiple of {} x {}, at least one plane", shape[0], shape[1]);
        return Err(Error::data("image to denoise", format!("{} values", image.len()), expected));
    };
    check_finite("image to denoise", image, shape)?;
    if let Some(noise) = settings.noise.filter(|s| !(*s > 0.0 && *s <= LARGEST)) {
        return Err(Error::setting(
            "noise",
            noise,
            format!("a standard deviation above 0 and up to {LARGEST:e}"),
        ));
    }
    let shape = signal_shape(shape);
    let frame = Frame::new(shape, settings)?;
    let mut denoised =
        Denoised { image: image.to_vec(), noise: vec![], choices: vec![], mean_squared_error: 0.0 };
    for (index, plane) in denoised.image.chunks_exact_mut(plane_size).enumerate() {
        let noise = settings.noise.map_or_else(|| estimate_noise(plane, shape), Ok)?;
        denoised.noise.push(noise);
        if noise > 0.0 {
            let choices = frame.denoise(plane, noise, settings.shrinkage)?;
            denoised
                .choices
                .extend(choices.into_iter().map(|choice| SubbandChoice { plane: index, ..choice }));
        }
    }
    let risk: f64 = denoised.choices.iter().map(|choice| choice.risk).sum();
    denoised.mean_squared_error = risk / image.len() as f64;
    Ok(denoised)
}

/// A transform of one plane.
enum Frame {
    Orthogonal(WaveletTransform),
    Undecimated(StationaryTransform),
}

impl Frame {
    fn new(shape: [usize; 2], settings: &WaveletDenoising) -> Result<Self> {
        let side = if shape[0] == 1 { shape[1] } else { shape[0].min(shape[1]) };
        let levels = settings.levels.min(side.ilog2().max(1) as usize);
        let (wavelet, periodic) = (settings.wavelet, Extension::Periodic);
        Ok(match (settings.redundancy, shape) {
            (Redundancy::Orthogonal, [1, length]) => {
                Self::Orthogonal(WaveletTransform::signal(wavelet, length, levels, periodic)?)
            }
            (Redundancy::Orthogonal, _) => {
                Self::Orthogonal(WaveletTransform::image(wavelet, shape, levels, periodic)?)
            }
            (Redundancy::Undecimated, [1, length]) => {
                Self::Undecimated(StationaryTransform::signal(wavelet, length, levels)?)
            }
            (Redundancy::Undecimated, _) => {
                Self::Undecimated(StationaryTransform::image(wavelet, shape, levels)?)
            }
        })
    }

    fn subbands(&self) -> &[Subband] {
        match self {
            Self::Orthogonal(transform) => transform.subbands(),
            Self::Undecimated(transform) => transform.subbands(),
        }
    }

    fn covariance(&self, sigma: f64, subband: &Subband) -> Covariance {
        match self {
            Self::Orthogonal(_) => Covariance::white(sigma),
            Self::Undecimated(transform) => Covariance::stationary(sigma, transform, subband),
        }
    }

    fn denoise(&self, plane: &mut [f64], sigma: f64, shrinkage: Shrinkage) -> Result<Vec<SubbandChoice>> {
        let mut coefficients = match self {
            Self::Orthogonal(transform) => transform.apply(&*plane)?,
            Self::Undecimated(transform) => transform.apply(&*plane)?,
        };
        let mut rest = &mut coefficients[..];
        let mut parts = Vec::new();
        for subband in self.subbands() {
            let (own, others) = rest.split_at_mut(subband.range.len());
            parts.push((subband, own));
            rest = others;
        }
        let thresholds = match shrinkage {
            Shrinkage::Level => self.thresholds(&parts, sigma),
            Shrinkage::Subband | Shrinkage::Neighbourhood => Vec::new(),
        };
        let shrink = |(subband, own): (&Subband, &mut [f64])| -> SubbandChoice {
            let shared = thresholds.get(subband.level).copied();
            let (rule, risk) = shrink(subband, own, &self.covariance(sigma, subband), shrinkage, shared);
            SubbandChoice { plane: 0, subband: subband.clone(), rule, risk }
        };
        let choices = parts.into_par_iter().map(shrink).collect();
        match self {
            Self::Orthogonal(transform) => transform.synthesis().apply_into(&coefficients, plane)?,
            Self::Undecimated(transform) => transform.adjoint_into(&coefficients, plane)?,
        }
        Ok(choices)
    }
}

impl Frame {
    /// The thresholds of the levels (by their number), in units of a coefficient's standard deviation.
    fn thresholds(&self, parts: &[(&Subband, &mut [f64])], sigma: f64) -> Vec<f64> {
        let coarsest = parts.iter().map(|(s, _)| s.level).max().unwrap_or(0);
        let of_level = |level: usize| {
            let details =
                parts.iter().filter(|(s, _)| s.level == level && s.orientation != Orientation::Approximation);
            let scaled = details.flat_map(|(subband, own)| {
                let deviation = self.covariance(sigma, subband).variance.sqrt().max(f64::MIN_POSITIVE);
                own.iter().map(move |w| w / deviation)
            });
            sure_threshold(&scaled.collect::<Vec<f64>>(), 1.0).0
        };
        (0..=coarsest).into_par_iter().map(of_level).collect()
    }
}

/// Shrinks one subband, at a threshold that its level shares or at its own; what was done, and its risk.
fn shrink(
    subband: &Subband,
    own: &mut [f64],
    covariance: &Covariance,
    shrinkage: Shrinkage,
    shared: Option<f64>,
) -> (Rule, f64) {
    let variance = covariance.variance;
    if subband.orientation == Orientation::Approximation || variance == 0.0 {
        return (Rule::Kept, variance * own.len() as f64);
    }
    match shrinkage {
        Shrinkage::Level | Shrinkage::Subband => {
            let (threshold, risk) = match shared {
                Some(scaled) => {
                    let threshold = scaled * variance.sqrt();
                    (threshold, sure_at(own, variance, threshold))
                }
                None => sure_threshold(own, variance),
            };
            soft_threshold(own, threshold);
            (Rule::Soft { threshold }, risk)
        }
        Shrinkage::Neighbourhood => {
            let chosen = neighbourhood::shrink(own, subband.shape, covariance);
            (Rule::Neighbourhood { radius: chosen.radius, factor: chosen.factor }, chosen.risk)
        }
    }
}
