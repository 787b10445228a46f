//! The noise of an image, and what a transform makes of it.

use crate::operator::wavelet::{
    Extension, Orientation, StationaryTransform, Subband, Wavelet, WaveletTransform,
};
use crate::operator::{LinearOperator, check_length};
use crate::{Error, Result};

/// The median of |z| for standard normal z.
const MEDIAN_OF_ABSOLUTE_NORMAL: f64 = 0.674_489_750_196_081_7;
/// Values whose squares, and sums of many of these, are finite.
pub(super) const LARGEST: f64 = 1e150;
/// The largest distance along an axis at which covariances are wanted.
pub(super) const REACH: usize = 3;

/// The standard deviation of white Gaussian noise on an image of `shape` = [rows, columns] (of a signal: [1, length] or [length, 1]): the median of the
/// absolute finest diagonal wavelet coefficients (db2), over 0.6745. Details of the image count as noise where they are dense, so this errs upwards.
///
/// Source: Donoho and Johnstone, "Ideal spatial adaptation by wavelet shrinkage", Biometrika 81 (1994).
///
/// # Errors
/// [`Error::InvalidData`] if the image has not the shape, is empty, or has values that are not finite or above 1e150.
pub fn estimate_noise(image: &[f64], shape: [usize; 2]) -> Result<f64> {
    let shape = signal_shape(shape);
    let wavelet: Wavelet = "db2".parse()?;
    let transform = if shape[0] == 1 {
        WaveletTransform::signal(wavelet, shape[1], 1, Extension::Symmetric)?
    } else {
        WaveletTransform::image(wavelet, shape, 1, Extension::Symmetric)?
    };
    check_length(
        "image whose noise is estimated",
        image.len(),
        LinearOperator::<f64>::n_columns(&transform),
    )?;
    check_finite("image whose noise is estimated", image, shape)?;
    let coefficients = transform.apply(image)?;
    let finest = transform.subbands().last().map_or(0..0, |subband| subband.range.clone());
    let mut sizes: Vec<f64> = coefficients[finest].iter().map(|c| c.abs()).collect();
    let middle = sizes.len() / 2;
    let (_, median, _) = sizes.select_nth_unstable_by(middle, f64::total_cmp);
    Ok(*median / MEDIAN_OF_ABSOLUTE_NORMAL)
}

/// A single column is a signal: there is nothing across it that could tell noise.
pub(super) fn signal_shape(shape: [usize; 2]) -> [usize; 2] {
    if shape[1] == 1 { [1, shape[0]] } else { shape }
}

/// The first value that is not finite (or whose square is not), as an error that says where it is.
pub(super) fn check_finite(what: &str, image: &[f64], shape: [usize; 2]) -> Result<()> {
    let Some(at) = image.iter().position(|x| x.is_nan() || x.abs() > LARGEST) else { return Ok(()) };
    let size = shape[0] * shape[1];
    let (plane, row, column) = (at / size + 1, at % size / shape[1] + 1, at % shape[1] + 1);
    let what = format!("{what}, plane {plane}, row {row}, column {column}");
    let expected = if image[at].is_finite() { "a number whose square is finite" } else { "a finite number" };
    Err(Error::data(what, image[at].to_string(), expected))
}

/// Covariances of the noise in a subband: between coefficients that are (a, b) apart, `variance`·`down[REACH + a]`·`along[REACH + b]`.
#[derive(Debug, Clone)]
pub(super) struct Covariance {
    pub(super) variance: f64,
    pub(super) down: [f64; 2 * REACH + 1],
    pub(super) along: [f64; 2 * REACH + 1],
}

impl Covariance {
    /// White noise, which an orthogonal transform leaves white.
    pub(super) fn white(sigma: f64) -> Self {
        let mut impulse = [0.0; 2 * REACH + 1];
        impulse[REACH] = 1.0;
        Self { variance: sigma * sigma, down: impulse, along: impulse }
    }

    /// White noise in a subband of an undecimated transform: products of the autocorrelations of the atoms' factors.
    pub(super) fn stationary(sigma: f64, transform: &StationaryTransform, subband: &Subband) -> Self {
        let high = |axis: usize| match subband.orientation {
            Orientation::Approximation => false,
            Orientation::Horizontal => axis == 0,
            Orientation::Vertical | Orientation::Detail => axis == 1,
            Orientation::Diagonal => true,
        };
        let [(of_down, down), (of_along, along)] =
            [0, 1].map(|axis| autocorrelation(&transform.atom(axis, subband.level, high(axis))));
        Self { variance: sigma * sigma * of_down * of_along, down, along }
    }
}

/// ‖a‖², and the autocorrelation of periodic `a` relative to it.
fn autocorrelation(a: &[f64]) -> (f64, [f64; 2 * REACH + 1]) {
    let n = a.len();
    let at = |lag: usize| (0..n).map(|i| a[i] * a[(i + lag) % n]).sum::<f64>();
    // A subband that is always zero (a single row has no vertical details) has no noise; rounding would leave 1e-32 or so.
    let square = if at(0) > 1e-20 { at(0) } else { 0.0 };
    let mut lags = [0.0; 2 * REACH + 1];
    for lag in 0..=REACH {
        let relative = if square > 0.0 { at(lag) / square } else { 0.0 };
        (lags[REACH + lag], lags[REACH - lag]) = (relative, relative);
    }
    (square, lags)
}
