//! The degraded image, and one plane of it as an inverse problem b = Ax + noise.

use super::settings::RestoreSettings;
use crate::inverse::wavelet::estimate_noise;
use crate::operator::{Composition, Convolution, Identity, LinearOperator, Mask};
use crate::{Error, Result};

/// The median of |z| for standard normal z.
const MEDIAN_OF_ABSOLUTE_NORMAL: f64 = 0.674_489_750_196_081_7;

/// An image as it was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Degraded {
    /// Rows and columns.
    pub shape: (usize, usize),
    /// One plane for each colour, row by row.
    pub planes: Vec<Vec<f64>>,
    /// Which pixels were seen; `None` for all.
    pub seen: Option<Vec<bool>>,
}

impl Degraded {
    /// An image of which every pixel was seen.
    ///
    /// # Errors
    /// [`Error::InvalidData`] for no planes, planes of another size, or values that are not finite.
    pub fn new(shape: (usize, usize), planes: Vec<Vec<f64>>) -> Result<Self> {
        let size = shape.0.checked_mul(shape.1).unwrap_or(0);
        let expected = || format!("at least one plane of {} x {} pixels", shape.0, shape.1);
        if size == 0 || planes.is_empty() {
            return Err(Error::data("image", format!("{} planes", planes.len()), expected()));
        }
        for (k, plane) in planes.iter().enumerate() {
            if plane.len() != size {
                return Err(Error::data(
                    format!("image, plane {}", k + 1),
                    format!("{} pixels", plane.len()),
                    expected(),
                ));
            }
            if let Some(at) = plane.iter().position(|v| !v.is_finite()) {
                let what =
                    format!("image, plane {}, row {}, column {}", k + 1, at / shape.1 + 1, at % shape.1 + 1);
                return Err(Error::data(what, plane[at].to_string(), "a finite number"));
            }
        }
        Ok(Self { shape, planes, seen: None })
    }

    /// The same with pixels that were not seen.
    ///
    /// # Errors
    /// [`Error::InvalidData`] for a mask of another size, or one that hides everything.
    pub fn with_mask(mut self, seen: Vec<bool>) -> Result<Self> {
        let size = self.shape.0 * self.shape.1;
        if seen.len() != size {
            return Err(Error::data(
                "mask",
                format!("{} pixels", seen.len()),
                format!("{size}, as the image"),
            ));
        }
        if !seen.contains(&true) {
            return Err(Error::data("mask", "no pixel that was seen", "at least one"));
        }
        self.seen = if seen.contains(&false) { Some(seen) } else { None };
        Ok(self)
    }
}

/// The operator A of a plane.
pub(super) type DynOperator = Box<dyn LinearOperator>;

/// One plane: b, and A.
pub(super) struct Plane<'a> {
    pub(super) shape: (usize, usize),
    /// The pixels as they were given.
    pub(super) pixels: &'a [f64],
    /// b: the pixels that were seen.
    pub(super) data: Vec<f64>,
    pub(super) seen: Option<Vec<bool>>,
    pub(super) blur: Option<Convolution>,
    pub(super) operator: DynOperator,
}

impl<'a> Plane<'a> {
    pub(super) fn new(image: &Degraded, pixels: &'a [f64], settings: &RestoreSettings) -> Result<Self> {
        let size = image.shape.0 * image.shape.1;
        let convolution = || -> Result<Option<Convolution>> {
            let Some(kernel) = settings.blur.kernel()? else { return Ok(None) };
            Convolution::new(&[image.shape.0, image.shape.1], &kernel, settings.boundary).map(Some)
        };
        let blur = convolution()?;
        let operator: DynOperator = match (convolution()?, &image.seen) {
            (None, None) => Box::new(Identity::<f64>::new(size)),
            (Some(blur), None) => Box::new(blur),
            (None, Some(seen)) => Box::new(Mask::<f64>::of_flags(seen)),
            (Some(blur), Some(seen)) => Box::new(Composition::new(Mask::<f64>::of_flags(seen), blur)?),
        };
        let data = match &image.seen {
            None => pixels.to_vec(),
            Some(seen) => pixels.iter().zip(seen).filter_map(|(p, s)| s.then_some(*p)).collect(),
        };
        Ok(Self { shape: image.shape, pixels, data, seen: image.seen.clone(), blur, operator })
    }

    /// Whether nothing but noise came upon the image.
    pub(super) fn is_plain(&self) -> bool {
        self.blur.is_none() && self.seen.is_none()
    }

    /// σ where the criterion or the search asks for it: given, or estimated.
    ///
    /// # Errors
    /// [`Error::InvalidData`] if the estimate is zero: the image has no noise that could be told from it.
    pub(super) fn sigma(&self, settings: &RestoreSettings) -> Result<Option<f64>> {
        if settings.sigma.is_some() {
            return Ok(settings.sigma);
        }
        let sigma = estimate_sigma(self.pixels, self.shape, self.seen.as_deref())?;
        if sigma > 0.0 {
            return Ok(Some(sigma));
        }
        if !settings.criterion.needs_sigma() {
            return Ok(None);
        }
        Err(Error::data(
            "noise of the image",
            "none that could be estimated",
            "a standard deviation, given as sigma",
        ))
    }

    /// b − Ax on the grid of the image.
    pub(super) fn residual(&self, image: &[f64]) -> Result<Vec<f64>> {
        let fitted = self.operator.apply(image)?;
        let mut differences = self.data.iter().zip(&fitted).map(|(b, z)| b - z);
        Ok(match &self.seen {
            None => differences.collect(),
            Some(seen) => {
                seen.iter().map(|s| if *s { differences.next().unwrap_or(0.0) } else { 0.0 }).collect()
            }
        })
    }
}

/// The standard deviation of white noise on an image: the median of the finest wavelet coefficients, or with a mask of the second differences along the
/// rows, over what it is for a unit normal.
///
/// # Errors
/// [`Error::InvalidData`] if the image has not that shape.
pub fn estimate_sigma(pixels: &[f64], shape: (usize, usize), seen: Option<&[bool]>) -> Result<f64> {
    let Some(seen) = seen else { return estimate_noise(pixels, [shape.0, shape.1]) };
    let mut sizes = Vec::new();
    for (row, flags) in pixels.chunks_exact(shape.1).zip(seen.chunks_exact(shape.1)) {
        for (x, s) in row.windows(3).zip(flags.windows(3)) {
            if s.iter().all(|s| *s) {
                sizes.push((x[0] - 2.0 * x[1] + x[2]).abs());
            }
        }
    }
    if sizes.is_empty() {
        return Ok(0.0);
    }
    let middle = sizes.len() / 2;
    let (_, median, _) = sizes.select_nth_unstable_by(middle, f64::total_cmp);
    // The weights 1, −2, 1 have the norm √6.
    Ok(*median / (6.0_f64.sqrt() * MEDIAN_OF_ABSOLUTE_NORMAL))
}
