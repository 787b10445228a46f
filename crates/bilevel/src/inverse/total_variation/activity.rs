//! A map of weights from the image itself: less smoothing where it is busy.
//!
//! ```text
//! m_i = (ε/(g_i + ε))^κ,     g_i = mean of |Du| in a window around pixel i
//! ```
//!
//! u is a first restoration with m = 1. Texture moves everywhere in a window and an edge on a line only, so the mean (and not the mean square) lowers the
//! weight more for texture.
//!
//! What it brings depends on the images: deblurring Set12 (Gaussian blur of width 2, noise 0.01), the map that is best for the first six was 0.24 dB better
//! there than the best single weight, and 0.05 dB worse on the other six. So it is to be learned on images like those it is used on, and tested.

use super::check_pixels;
use crate::{Error, Result};

/// How a map follows the activity of an image.
///
/// # Example
/// ```
/// use bilevel::inverse::ActivityMap;
///
/// // Flat on the left, a step on the right.
/// let map = ActivityMap { radius: 0, floor: 0.5, power: 1.0 };
/// assert_eq!(map.weights((1, 4), &[0.0, 0.0, 0.0, 0.5])?, [1.0, 1.0, 0.5, 1.0]);
/// # Ok::<(), bilevel::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ActivityMap {
    /// Windows have 2·radius + 1 pixels a side; default 2.
    pub radius: usize,
    /// ε > 0, in the units of the image: activity below it counts little; default 0.02 (of a range of 1).
    pub floor: f64,
    /// κ ≥ 0: 0 for m = 1; default 0.8.
    pub power: f64,
}

impl Default for ActivityMap {
    fn default() -> Self {
        Self { radius: 2, floor: 0.02, power: 0.8 }
    }
}

impl ActivityMap {
    /// m for an image of `shape` (rows, columns), row by row: numbers in (0, 1].
    ///
    /// # Errors
    /// [`Error::InvalidData`] for an image of another size; [`Error::InvalidSetting`] for a floor that is not positive or a power that is negative.
    pub fn weights(&self, shape: (usize, usize), image: &[f64]) -> Result<Vec<f64>> {
        check_pixels("image", shape, image)?;
        if !(self.floor > 0.0 && self.floor.is_finite()) {
            return Err(Error::setting("floor", self.floor, "a positive, finite number"));
        }
        if !(self.power >= 0.0 && self.power.is_finite()) {
            return Err(Error::setting("power", self.power, "a finite number, at least 0"));
        }
        let weight = |activity: f64| (self.floor / (activity + self.floor)).powf(self.power);
        Ok(window_means(shape, &lengths(shape.1, image), self.radius).into_iter().map(weight).collect())
    }
}

/// |Du| at each pixel.
fn lengths(cols: usize, u: &[f64]) -> Vec<f64> {
    let length = |i: usize| {
        let right = if (i + 1).is_multiple_of(cols) { 0.0 } else { u[i + 1] - u[i] };
        let down = u.get(i + cols).map_or(0.0, |down| down - u[i]);
        right.hypot(down)
    };
    (0..u.len()).map(length).collect()
}

/// Means over windows, cut off at the edge: rows first, then columns.
fn window_means((rows, cols): (usize, usize), values: &[f64], radius: usize) -> Vec<f64> {
    let mean = |count: usize, k: usize, at: &dyn Fn(usize) -> f64| {
        let window = k.saturating_sub(radius)..(k + radius + 1).min(count);
        let size = window.len() as f64;
        window.map(at).sum::<f64>() / size
    };
    let along: Vec<f64> =
        (0..rows * cols).map(|i| mean(cols, i % cols, &|c| values[i / cols * cols + c])).collect();
    (0..rows * cols).map(|i| mean(rows, i / cols, &|r| along[r * cols + i % cols])).collect()
}
