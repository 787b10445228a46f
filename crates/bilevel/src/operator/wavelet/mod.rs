//! Orthogonal wavelet transforms, decimated and undecimated, of signals and images.
//!
//! | type | maps | adjoint |
//! |---|---|---|
//! | [`WaveletTransform`] | x ↦ coefficients, Wx | Wᵀ: the inverse for the periodic extension, and *not* for the symmetric one |
//! | [`WaveletSynthesis`] | coefficients ↦ x, S with S W = I | Sᵀ |
//! | [`StationaryTransform`] | x ↦ all shifts, a tight frame: WᵀW = I | Wᵀ, which is also an inverse |
//!
//! Coefficients agree with PyWavelets (`periodization` and `symmetric`), in the order of its `ravel_coeffs`: the coarsest approximation, then
//! the details from coarse to fine, of an image each time horizontal, vertical, diagonal; every subband is contiguous. Images with
//! several planes (colours) lie plane after plane, and so do their coefficients.
//!
//! Sources: Mallat, "A Wavelet Tour of Signal Processing" (3rd ed., 2009), chapters 5 and 7; Nason and Silverman, "The stationary wavelet
//! transform and some statistical applications" (1995).
//!
//! # Example
//! ```
//! use bilevel::operator::LinearOperator;
//! use bilevel::operator::wavelet::{Extension, WaveletTransform};
//!
//! let transform = WaveletTransform::image("db2".parse()?, [5, 8], 2, Extension::Symmetric)?;
//! let image: Vec<f64> = (0..40).map(|i| f64::from(i % 7)).collect();
//! let coefficients = transform.apply(&image)?;
//! let back = transform.synthesis().apply(&coefficients)?;
//! assert!(image.iter().zip(&back).all(|(a, b)| (a - b).abs() < 1e-11));
//! # Ok::<(), bilevel::Error>(())
//! ```

mod axis;
mod combine;
mod family;
mod filters;
mod passes;
mod stationary;
mod transform;

use std::ops::Range;

pub(crate) use combine::combine;
pub use family::{Family, Wavelet};
pub use stationary::StationaryTransform;
pub use transform::{WaveletSynthesis, WaveletTransform};

use super::Real;
use super::real::real;
use crate::{Error, Result};

/// Samples of one plane that memory has addresses for, with room for the coefficients of all levels.
const MOST_SAMPLES: usize = 1 << 48;

/// What a decimated transform takes a signal for beyond its ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Extension {
    /// It repeats; with one half as many coefficients at each level (`periodization`). A signal of odd length ends with a copy of its last entry.
    #[default]
    Periodic,
    /// It is mirrored at its ends, which are repeated (`symmetric`); a few more coefficients at each level than half of them.
    Symmetric,
}

/// Which part of the frequencies a subband holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Orientation {
    /// What is left after the coarsest level.
    Approximation,
    /// Details of a signal.
    Detail,
    /// Details across the rows of an image: horizontal edges.
    Horizontal,
    /// Details along the rows: vertical edges.
    Vertical,
    /// Details in both directions.
    Diagonal,
}

/// One subband of one plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subband {
    /// 1 is the finest level.
    pub level: usize,
    /// Which part of it.
    pub orientation: Orientation,
    /// Its rows and columns (one row for a signal).
    pub shape: [usize; 2],
    /// Where its coefficients are.
    pub range: Range<usize>,
}

/// The subbands in their order, given the shape of those of each level from fine to coarse.
fn lay_out(shapes: &[[usize; 2]], image: bool) -> Vec<Subband> {
    let details: &[Orientation] = if image {
        &[Orientation::Horizontal, Orientation::Vertical, Orientation::Diagonal]
    } else {
        &[Orientation::Detail]
    };
    let mut subbands: Vec<Subband> = Vec::new();
    for (index, &shape) in shapes.iter().enumerate().rev() {
        let first = if subbands.is_empty() { &[Orientation::Approximation][..] } else { &[] };
        for &orientation in first.iter().chain(details) {
            let from = subbands.last().map_or(0, |s| s.range.end);
            let range = from..from + shape[0] * shape[1];
            subbands.push(Subband { level: index + 1, orientation, shape, range });
        }
    }
    subbands
}

/// The filters in the precision of the data, scaled.
struct Taps<T> {
    low: Vec<T>,
    high: Vec<T>,
}

impl<T: Real> Taps<T> {
    fn new(wavelet: Wavelet, scale: f64) -> Self {
        let scaled = |filter: &[f64]| filter.iter().map(|h| real(scale * h)).collect();
        Self { low: scaled(wavelet.scaling_filter()), high: scaled(&wavelet.wavelet_filter()) }
    }
}

/// A sentence for shapes and levels that no transform has.
fn check(shape: [usize; 2], levels: usize) -> Result<()> {
    let longest = shape[0].max(shape[1]);
    let fits = shape[0].checked_mul(shape[1]).is_some_and(|samples| samples <= MOST_SAMPLES);
    if shape.contains(&0) || u32::try_from(longest).is_err() || !fits {
        let found = format!("{} x {}", shape[0], shape[1]);
        let expected = "sides of 1 to 2^32 - 1, and no more samples than 2^48";
        return Err(Error::data("shape of what is to be transformed", found, expected));
    }
    let most = (usize::BITS - (longest - 1).leading_zeros()).max(1);
    if levels == 0 || levels > most as usize {
        return Err(Error::setting("levels", levels, format!("1 to {most} for a side of {longest}")));
    }
    Ok(())
}
