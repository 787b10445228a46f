//! Wavelet denoising in one call, the noise level of an image, kernels of blur.

use bilevel::inverse::wavelet::{self, Redundancy, Rule, Shrinkage, WaveletDenoising};
use bilevel::operator::Kernel;
use bilevel::operator::wavelet::Orientation;
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;

use super::operator::{Vector, run, unknown, wavelet};

/// Plane, level, orientation, rule, its parameter (threshold or factor), radius, estimated risk.
type Subband = (usize, usize, &'static str, &'static str, f64, usize, f64);
/// Image, noise of each plane, subbands, estimated mean squared error.
type Denoised<'py> = (Vector<'py>, Vec<f64>, Vec<Subband>, f64);

/// Removes white Gaussian noise from planes of an image, one after another.
#[pyfunction]
#[pyo3(signature = (image, shape, *, sigma, wavelet, levels, undecimated, shrinkage))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn denoise_wavelet<'py>(
    py: Python<'py>,
    image: PyReadonlyArray1<'py, f64>,
    shape: [usize; 2],
    sigma: Option<f64>,
    wavelet: &str,
    levels: usize,
    undecimated: bool,
    shrinkage: &str,
) -> PyResult<Denoised<'py>> {
    let shrinkage = match shrinkage {
        "subband" => Shrinkage::Subband,
        "neighbourhood" => Shrinkage::Neighbourhood,
        _ => return Err(unknown("weights", shrinkage, "'subband' or 'neighbourhood'")),
    };
    let redundancy = if undecimated { Redundancy::Undecimated } else { Redundancy::Orthogonal };
    let wavelet = self::wavelet(wavelet)?;
    let settings = WaveletDenoising { noise: sigma, wavelet, levels, redundancy, shrinkage };
    let image = image.as_slice()?;
    let denoised = py.detach(|| crate::job::in_pool(|| wavelet::denoise_wavelet(image, shape, &settings)));
    let denoised = denoised.map_err(|e| crate::error::exception(&e))?;
    let subbands = denoised.choices.iter().map(|choice| {
        let (rule, parameter, radius) = match choice.rule {
            Rule::Kept => ("kept", 0.0, 0),
            Rule::Soft { threshold } => ("soft", threshold, 0),
            Rule::Neighbourhood { radius, factor } => ("neighbourhood", factor, radius),
        };
        let orientation = match choice.subband.orientation {
            Orientation::Approximation => "approximation",
            Orientation::Detail => "detail",
            Orientation::Horizontal => "horizontal",
            Orientation::Vertical => "vertical",
            Orientation::Diagonal => "diagonal",
        };
        (choice.plane, choice.subband.level, orientation, rule, parameter, radius, choice.risk)
    });
    let subbands = subbands.collect();
    Ok((PyArray1::from_vec(py, denoised.image), denoised.noise, subbands, denoised.mean_squared_error))
}

/// The standard deviation of the noise of an image.
#[pyfunction]
pub(crate) fn estimate_noise(
    py: Python<'_>,
    image: PyReadonlyArray1<'_, f64>,
    shape: [usize; 2],
) -> PyResult<f64> {
    let image = image.as_slice()?.to_vec();
    run(py, &[], move || wavelet::estimate_noise(&image, shape))
}

/// The shape and the values of a kernel: 'gaussian' (σ), 'motion' (length, degrees) or 'disk' (radius).
#[pyfunction]
pub(crate) fn blur_kernel<'py>(
    py: Python<'py>,
    kind: &str,
    parameters: (f64, f64),
    n_axes: usize,
) -> PyResult<(Vec<usize>, Vector<'py>)> {
    let kernel = match kind {
        "gaussian" => Kernel::gaussian(parameters.0, n_axes),
        "motion" => Kernel::motion(parameters.0, parameters.1),
        _ => Kernel::disk(parameters.0),
    };
    let kernel = kernel.map_err(|e| crate::error::exception(&e))?;
    Ok((kernel.shape().to_vec(), PyArray1::from_slice(py, kernel.values())))
}
