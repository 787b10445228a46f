//! Wavelet denoising by SURE in every subband: no search, and no clean image.

use super::prior::LEVELS;
use super::problem::Plane;
use super::settings::{Prior, RestoreSettings, WeightsPer};
use super::weight::WeightChoice;
use crate::inverse::wavelet::{
    Redundancy, Rule, Shrinkage, SubbandChoice, WaveletDenoising, denoise_wavelet,
};
use crate::operator::wavelet::{Orientation, Subband};
use crate::{Error, Result};

/// The denoised plane, and what was done to each subband.
pub(super) fn denoise(
    plane: &Plane<'_>,
    settings: &RestoreSettings,
    sigma: Option<f64>,
) -> Result<(Vec<f64>, WeightChoice)> {
    let Prior::Wavelet(wavelet) = settings.prior else {
        return Err(Error::setting("weights", settings.weights.name(), "a wavelet prior"));
    };
    let shrinkage = match settings.weights {
        WeightsPer::Coefficient => Shrinkage::Neighbourhood,
        WeightsPer::Level => Shrinkage::Level,
        _ => Shrinkage::Subband,
    };
    let how = WaveletDenoising {
        noise: sigma,
        wavelet,
        levels: LEVELS,
        redundancy: Redundancy::Undecimated,
        shrinkage,
    };
    let denoised = denoise_wavelet(plane.pixels, [plane.shape.0, plane.shape.1], &how)?;
    let choice = WeightChoice {
        value: Some(denoised.mean_squared_error),
        estimated_error: Some(denoised.mean_squared_error),
        subbands: denoised.choices.iter().map(described).collect(),
        ..WeightChoice::default()
    };
    Ok((denoised.image, choice))
}

/// As people call it.
pub(super) fn name_of(subband: &Subband) -> String {
    let orientation = match subband.orientation {
        Orientation::Approximation => "approximation",
        Orientation::Horizontal => "horizontal",
        Orientation::Vertical => "vertical",
        Orientation::Diagonal => "diagonal",
        Orientation::Detail => "detail",
    };
    format!("level {} {orientation}", subband.level)
}

fn described(choice: &SubbandChoice) -> (String, String, f64) {
    let name = name_of(&choice.subband);
    match &choice.rule {
        Rule::Kept => (name, "kept".into(), 0.0),
        Rule::Soft { threshold } => (name, "soft threshold".into(), *threshold),
        Rule::Neighbourhood { radius, factor } => {
            let side = 2 * radius + 1;
            (name, format!("shrunk by its {side} x {side} neighbourhood"), *factor)
        }
    }
}
