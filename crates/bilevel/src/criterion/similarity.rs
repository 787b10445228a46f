//! How near an image is to the truth: mean squared error, peak signal-to-noise ratio, and structural similarity,
//!
//! ```text
//! SSIM(x, y) = (2 m_x m_y + C₁)(2 s_xy + C₂) / ((m_x² + m_y² + C₁)(s_x² + s_y² + C₂)),     C₁ = (0.01 R)²,  C₂ = (0.03 R)²
//! ```
//!
//! with means, variances and covariance under a Gaussian window of 11 × 11 pixels and standard deviation 1.5, averaged over all places where the window lies
//! in the image; R is the range of the values. They judge what was restored; none of them is differentiated.
//!
//! Source: Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to structural similarity", IEEE Trans. Image Process. 13 (2004).

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The window reaches so many pixels to each side.
const RADIUS: usize = 5;
/// Its standard deviation in pixels.
const DEVIATION: f64 = 1.5;

/// How near an image is to the truth.
///
/// ```
/// use bilevel::criterion::ImageQuality;
///
/// let truth: Vec<f64> = (0..400).map(|i| f64::from(i % 20) / 19.0).collect();
/// let darker: Vec<f64> = truth.iter().map(|x| x - 0.1).collect();
/// let quality = ImageQuality::of((20, 20), &darker, &truth, 1.0)?;
/// assert!((quality.psnr - 20.0).abs() < 1e-9);
/// assert!(quality.ssim.is_some_and(|ssim| ssim > 0.8 && ssim < 1.0));
/// # Ok::<(), bilevel::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ImageQuality {
    /// Mean of squared differences.
    pub mean_squared_error: f64,
    /// 10 log₁₀(R²/mean squared error), dB; infinite for equal images.
    #[serde(with = "crate::serde_float")]
    pub psnr: f64,
    /// Structural similarity, 1 for equal images; `None` for images with less than 11 rows or columns.
    pub ssim: Option<f64>,
}

impl ImageQuality {
    /// Of an image of `shape` (rows, columns) whose values have the range R = `range`.
    ///
    /// # Errors
    /// [`Error::InvalidData`] for images that have not that shape; [`Error::InvalidSetting`] for a range that is not positive and finite.
    pub fn of(shape: (usize, usize), image: &[f64], truth: &[f64], range: f64) -> Result<Self> {
        let size = shape.0.saturating_mul(shape.1);
        for (what, values) in [("image", image), ("true image", truth)] {
            if values.is_empty() || values.len() != size {
                let found = format!("{} pixels", values.len());
                return Err(Error::data(what, found, format!("{} x {}, at least one", shape.0, shape.1)));
            }
        }
        if !(range > 0.0 && range.is_finite()) {
            return Err(Error::setting("range", range, "a finite number above 0, the range of the values"));
        }
        let square: f64 = image.iter().zip(truth).map(|(x, t)| (x - t).powi(2)).sum();
        let mean_squared_error = square / size as f64;
        let psnr = 10.0 * (range * range / mean_squared_error).log10();
        let fits = shape.0.min(shape.1) > 2 * RADIUS;
        Ok(Self { mean_squared_error, psnr, ssim: fits.then(|| similarity(shape, image, truth, range)) })
    }

    /// The mean of several, as tables of results have it: of the decibels, and not of the errors behind them.
    pub fn mean(all: &[Self]) -> Option<Self> {
        let n = all.len() as f64;
        let mean = |of: &dyn Fn(&Self) -> f64| all.iter().map(of).sum::<f64>() / n;
        let ssim = all.iter().map(|q| q.ssim).collect::<Option<Vec<f64>>>();
        (!all.is_empty()).then(|| Self {
            mean_squared_error: mean(&|q| q.mean_squared_error),
            psnr: mean(&|q| q.psnr),
            ssim: ssim.map(|values| values.iter().sum::<f64>() / n),
        })
    }
}

/// The mean over all places of the window.
fn similarity(shape: (usize, usize), x: &[f64], y: &[f64], range: f64) -> f64 {
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).collect::<Vec<f64>>();
    let weights = window();
    let smooth = |values: &[f64]| windowed(shape, values, &weights);
    let (mean_x, mean_y) = (smooth(x), smooth(y));
    let (square_x, square_y, cross) =
        (smooth(&product(x, x)), smooth(&product(y, y)), smooth(&product(x, y)));
    let (c1, c2) = ((0.01 * range).powi(2), (0.03 * range).powi(2));
    let at = |i: usize| {
        let (a, b) = (mean_x[i], mean_y[i]);
        let (variances, covariance) = (square_x[i] - a * a + square_y[i] - b * b, cross[i] - a * b);
        (2.0 * a * b + c1) * (2.0 * covariance + c2) / ((a * a + b * b + c1) * (variances + c2))
    };
    (0..mean_x.len()).map(at).sum::<f64>() / mean_x.len() as f64
}

/// The window along one axis; its sum is 1.
fn window() -> [f64; 2 * RADIUS + 1] {
    let weights: [f64; 2 * RADIUS + 1] =
        std::array::from_fn(|k| (-0.5 * ((k as f64 - RADIUS as f64) / DEVIATION).powi(2)).exp());
    let sum: f64 = weights.iter().sum();
    weights.map(|w| w / sum)
}

/// Weighted means where the window fits: 2·RADIUS rows and columns less than the image.
fn windowed((rows, columns): (usize, usize), values: &[f64], weights: &[f64]) -> Vec<f64> {
    let (high, wide) = (rows - 2 * RADIUS, columns - 2 * RADIUS);
    let along: Vec<f64> = values
        .chunks_exact(columns)
        .flat_map(|row| row.windows(weights.len()).map(|w| crate::kernel::dot(w, weights)))
        .collect();
    let mut out = vec![0.0; high * wide];
    for (r, row) in out.chunks_exact_mut(wide).enumerate() {
        for (k, weight) in weights.iter().enumerate() {
            crate::kernel::axpy(*weight, &along[(r + k) * wide..(r + k + 1) * wide], row);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::ImageQuality;

    /// A slope with waves on it, and the same with another contrast and a pattern.
    fn pair(rows: usize, columns: usize) -> (Vec<f64>, Vec<f64>) {
        let truth = |i: usize| {
            let (r, c) = ((i / columns) as f64, (i % columns) as f64);
            0.4 + 0.01 * r + 0.2 * (0.5 * c).sin() * (0.3 * r).cos()
        };
        let other =
            |i: usize| 0.9 * truth(i) + 0.05 + 0.05 * (((i * i * 31 + 17 * i) % 97) as f64 / 48.0 - 1.0);
        let size = rows * columns;
        ((0..size).map(truth).collect(), (0..size).map(other).collect())
    }

    #[test]
    fn similarities_are_those_of_scikit_image() {
        // scikit-image 0.26.0: structural_similarity(truth, other, data_range=range, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
        // on the arrays of `pair`, reshaped to (rows, columns).
        for ((rows, columns), range, expected) in [
            ((32, 40), 1.0, 0.922_175_048_180_821_3),
            ((32, 40), 255.0, 0.999_955_523_506_475_4),
            ((11, 13), 1.0, 0.875_233_534_136_280_2),
        ] {
            let (truth, other) = pair(rows, columns);
            let found = ImageQuality::of((rows, columns), &other, &truth, range).unwrap();
            approx::assert_abs_diff_eq!(found.ssim.unwrap(), expected, epsilon = 1e-12);
        }
    }

    #[test]
    fn an_image_is_like_itself_and_small_ones_have_no_window() {
        let (truth, other) = pair(12, 12);
        let same = ImageQuality::of((12, 12), &truth, &truth, 1.0).unwrap();
        assert_eq!((same.mean_squared_error, same.psnr), (0.0, f64::INFINITY));
        approx::assert_abs_diff_eq!(same.ssim.unwrap(), 1.0, epsilon = 1e-14);
        let small = ImageQuality::of((12, 10), &truth[..120], &other[..120], 1.0).unwrap();
        assert!(small.ssim.is_none() && small.psnr.is_finite());
        assert!(ImageQuality::of((12, 12), &truth, &truth[1..], 1.0).is_err());
        assert!(ImageQuality::of((12, 12), &truth, &truth, 0.0).is_err());
    }
}
