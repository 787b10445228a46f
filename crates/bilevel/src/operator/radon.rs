//! The parallel-beam Radon transform: line integrals of an image, by Joseph's method, with the exact adjoint.
//!
//! The ray (θ, s) holds the points with x cos θ + y sin θ = s, where x points to the right, y up, and the origin is the centre of the image. A ray
//! that is closer to the vertical is sampled where it crosses the centre of each image row, between the two nearest pixels of that row; the
//! others in the same way along columns. Every sample weighs its length of ray. A row of the image and a view meet in weights that depend on the
//! position pos(d) = base + d·step alone, so the adjoint scatters with the very weights that the projection gathers with.
//!
//! The projection shares out views among threads, the adjoint rows (and columns) of the image; every number is summed by one thread in a fixed
//! order, hence the result does not depend on the number of threads.
//!
//! Source: Joseph, "An improved algorithm for reprojecting rays through pixel images", IEEE Trans. Med. Imaging 1 (1982).

use std::ops::Range;

use rayon::prelude::*;

use super::LinearOperator;
use crate::kernel::Element;
use crate::{Error, Result};

/// Views that are projected in one pass over the image: a line of it is then read from the nearest cache.
const VIEWS_TOGETHER: usize = 8;
/// Pixels or samples that memory has addresses for, with room to spare.
const MOST: usize = 1 << 48;
/// Lines of the image that a task of the adjoint owns: with their sums they fit the second cache.
const LINES_TOGETHER: usize = 16;

/// Where the rays of a parallel-beam scan run.
///
/// # Example
/// ```
/// use bilevel::operator::ParallelBeam;
///
/// let scan = ParallelBeam { axis: Some(30.5), ..ParallelBeam::half_turn(64, 64, 90) };
/// assert_eq!((scan.angles.len(), scan.detectors), (90, 91));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ParallelBeam {
    /// Rows of the image.
    pub height: usize,
    /// Columns of the image.
    pub width: usize,
    /// θ of each view, in radians, in any order.
    pub angles: Vec<f64>,
    /// Number of detectors.
    pub detectors: usize,
    /// Distance between neighbouring detectors, in the units of `pixel`.
    pub spacing: f64,
    /// Where the axis of rotation (the centre of the image) meets the detector, counted in detectors from the centre of the first; `None` for the
    /// middle, (detectors − 1)/2.
    pub axis: Option<f64>,
    /// Side of a pixel: the unit of length of the line integrals.
    pub pixel: f64,
}

impl ParallelBeam {
    /// `views` equally spaced angles kπ/views, and unit detectors as many as the diagonal of the image needs.
    pub fn half_turn(height: usize, width: usize, views: usize) -> Self {
        let angles = (0..views).map(|k| k as f64 * std::f64::consts::PI / views as f64).collect();
        let detectors = (height as f64).hypot(width as f64).ceil() as usize;
        Self { height, width, angles, detectors, spacing: 1.0, axis: None, pixel: 1.0 }
    }

    fn check(&self) -> Result<()> {
        for (name, count) in [
            ("height", self.height),
            ("width", self.width),
            ("angles", self.angles.len()),
            ("detectors", self.detectors),
        ] {
            if count == 0 {
                return Err(Error::setting(name, "none", "at least one"));
            }
        }
        let sizes = [(self.height, self.width), (self.angles.len(), self.detectors)];
        if sizes.iter().any(|(a, b)| a.checked_mul(*b).is_none_or(|n| n > MOST)) {
            let found = format!("{sizes:?} pixels and samples");
            return Err(Error::setting("scan", found, format!("at most {MOST} of each")));
        }
        let ratio = self.spacing / self.pixel;
        for (name, length) in [("spacing", self.spacing), ("pixel", self.pixel), ("spacing", ratio)] {
            if !(length.is_finite() && length > 0.0) {
                return Err(Error::setting(name, length, "a positive length, in pixels too"));
            }
        }
        if let Some(axis) = self.axis.filter(|axis| !axis.is_finite()) {
            return Err(Error::setting("axis", axis, "a finite position on the detector"));
        }
        match self.angles.iter().position(|angle| !angle.is_finite()) {
            Some(k) => Err(Error::data(
                format!("angle of view {k}"),
                self.angles[k].to_string(),
                "a finite angle in radians",
            )),
            None => Ok(()),
        }
    }
}

/// The Radon transform of images of `height`×`width` pixels; a sinogram has one row of `detectors` numbers for each view.
///
/// # Example
/// ```
/// use bilevel::operator::{LinearOperator, ParallelBeam, Radon, dot_test};
///
/// let scan = ParallelBeam { angles: vec![0.0], detectors: 3, ..ParallelBeam::half_turn(2, 3, 1) };
/// let radon = Radon::new(&scan)?;
/// assert_eq!(radon.apply(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])?, [5.0, 7.0, 9.0]);      // sums of columns
/// let radon = Radon::new(&ParallelBeam::half_turn(20, 30, 45))?;
/// assert!(dot_test::<f64>(&radon, 0)? < 1e-12);
/// # Ok::<(), bilevel::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Radon {
    height: usize,
    width: usize,
    detectors: usize,
    views: Vec<View>,
}

impl Radon {
    /// Prepares the views of a scan.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for empty sizes and lengths that are not positive; [`Error::InvalidData`] for an angle that is not finite.
    pub fn new(scan: &ParallelBeam) -> Result<Self> {
        scan.check()?;
        let views = scan.angles.iter().map(|&angle| View::new(scan, angle)).collect();
        Ok(Self { height: scan.height, width: scan.width, detectors: scan.detectors, views })
    }

    /// (height, width) of the image.
    pub fn shape(&self) -> (usize, usize) {
        (self.height, self.width)
    }

    /// (views, detectors) of the sinogram.
    pub fn sinogram_shape(&self) -> (usize, usize) {
        (self.views.len(), self.detectors)
    }

    /// Scatters the views of one kind into lines of `width` pixels.
    fn scatter<T: Element>(&self, along: Along, y: &[T], width: usize, out: &mut [T]) {
        out.par_chunks_mut(width * LINES_TOGETHER).enumerate().for_each(|(band, out)| {
            let padded = width + 2;
            let mut sums = vec![0.0; padded * (out.len() / width)];
            let mut values = vec![0.0; self.detectors];
            for (view, data) in self.views.iter().zip(y.chunks_exact(self.detectors)) {
                if view.along != along {
                    continue;
                }
                widen(data, view.length, &mut values);
                for (k, sums) in sums.chunks_exact_mut(padded).enumerate() {
                    view.scatter(band * LINES_TOGETHER + k, &values, sums);
                }
            }
            for (out, sums) in out.chunks_exact_mut(width).zip(sums.chunks_exact(padded)) {
                out.iter_mut().zip(&sums[1..]).for_each(|(out, sum)| *out = T::from_f64(*sum));
            }
        });
    }
}

impl<T: Element> LinearOperator<T> for Radon {
    fn n_rows(&self) -> usize {
        self.views.len() * self.detectors
    }

    fn n_columns(&self) -> usize {
        self.height * self.width
    }

    fn apply_into(&self, x: &[T], out: &mut [T]) -> Result<()> {
        let any_column = self.views.iter().any(|view| view.along == Along::Columns);
        let turned = if any_column { transposed(x, self.height, self.width) } else { Vec::new() };
        let size = VIEWS_TOGETHER * self.detectors;
        out.par_chunks_mut(size).zip(self.views.par_chunks(VIEWS_TOGETHER)).for_each(|(out, views)| {
            let mut sums = vec![0.0; out.len()];
            for (along, image, width) in
                [(Along::Rows, x, self.width), (Along::Columns, &turned, self.height)]
            {
                if views.iter().any(|view| view.along == along) {
                    gather(views, along, image, width, self.detectors, &mut sums);
                }
            }
            out.iter_mut().zip(&sums).for_each(|(out, sum)| *out = T::from_f64(*sum));
        });
        Ok(())
    }

    fn adjoint_into(&self, y: &[T], out: &mut [T]) -> Result<()> {
        self.scatter(Along::Rows, y, self.width, out);
        if self.views.iter().any(|view| view.along == Along::Columns) {
            let mut turned = vec![T::from_f64(0.0); out.len()];
            self.scatter(Along::Columns, y, self.height, &mut turned);
            add_transposed(&turned, self.height, self.width, out);
        }
        Ok(())
    }
}

/// Lines of the image that a ray is sampled on.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Along {
    Rows,
    Columns,
}

/// The rays of one angle: that of detector d meets line j at pos = base + j·shear + d·step, in a line with one zero pixel before its first.
#[derive(Debug, Clone, Copy)]
struct View {
    along: Along,
    base: f64,
    shear: f64,
    step: f64,
    /// Length of ray for one sample.
    length: f64,
}

impl View {
    fn new(scan: &ParallelBeam, angle: f64) -> Self {
        let (sin, cos) = angle.sin_cos();
        let axis = scan.axis.unwrap_or((scan.detectors - 1) as f64 / 2.0);
        let spacing = scan.spacing / scan.pixel;
        let (right, up) = ((scan.width - 1) as f64 / 2.0, (scan.height - 1) as f64 / 2.0);
        if cos.abs() >= sin.abs() {
            // column = right + (s − y sin)/cos with y = up − row
            let (step, shear) = (spacing / cos, sin / cos);
            let base = right - up * shear - axis * step + 1.0;
            Self { along: Along::Rows, base, shear, step, length: scan.pixel / cos.abs() }
        } else {
            // row = up − (s − x cos)/sin with x = column − right
            let (step, shear) = (-spacing / sin, cos / sin);
            let base = up - right * shear - axis * step + 1.0;
            Self { along: Along::Columns, base, shear, step, length: scan.pixel / sin.abs() }
        }
    }

    /// Position of detector 0 on a line.
    fn start(&self, line: usize) -> f64 {
        self.base + line as f64 * self.shear
    }

    /// The detectors with 0 ≤ pos < `end`; pos is monotone in the detector.
    fn inside(&self, start: f64, end: f64, detectors: usize) -> Range<usize> {
        let (at_zero, at_end) = (-start / self.step, (end - start) / self.step);
        let (first, last) = if self.step > 0.0 { (at_zero, at_end) } else { (at_end, at_zero) };
        // The casts bring what lies off the detector to its ends.
        let mut range =
            (first.ceil() as usize).min(detectors)..((last.floor() + 1.0) as usize).min(detectors);
        let is_inside = |d: usize| (0.0..end).contains(&(start + d as f64 * self.step));
        while !range.is_empty() && !is_inside(range.start) {
            range.start += 1;
        }
        while !range.is_empty() && !is_inside(range.end - 1) {
            range.end -= 1;
        }
        range
    }

    fn gather(&self, line: usize, pixels: &[f64], sums: &mut [f64]) {
        let start = self.start(line);
        let range = self.inside(start, (pixels.len() - 1) as f64, sums.len());
        for (d, sum) in range.clone().zip(&mut sums[range]) {
            let position = start + d as f64 * self.step;
            let pixel = position as usize;
            let fraction = position - pixel as f64;
            if let [here, next] = pixels[pixel..pixel + 2] {
                *sum += here + fraction * (next - here);
            }
        }
    }

    fn scatter(&self, line: usize, values: &[f64], sums: &mut [f64]) {
        let start = self.start(line);
        let range = self.inside(start, (sums.len() - 1) as f64, values.len());
        for (d, value) in range.clone().zip(&values[range]) {
            let position = start + d as f64 * self.step;
            let pixel = position as usize;
            let part = (position - pixel as f64) * value;
            if let [here, next] = &mut sums[pixel..pixel + 2] {
                *here += value - part;
                *next += part;
            }
        }
    }
}

/// Projects the views of one kind in a group, line by line of the image.
fn gather<T: Element>(
    views: &[View],
    along: Along,
    image: &[T],
    width: usize,
    detectors: usize,
    sums: &mut [f64],
) {
    let mut padded = vec![0.0; width + 2];
    for (line, pixels) in image.chunks_exact(width).enumerate() {
        widen(pixels, 1.0, &mut padded[1..]);
        for (view, sums) in views.iter().zip(sums.chunks_exact_mut(detectors)) {
            if view.along == along {
                view.gather(line, &padded, sums);
            }
        }
    }
    for (view, sums) in views.iter().zip(sums.chunks_exact_mut(detectors)) {
        if view.along == along {
            sums.iter_mut().for_each(|sum| *sum *= view.length);
        }
    }
}

/// out = scale·values, in double precision; what `out` is longer stays.
fn widen<T: Element>(values: &[T], scale: f64, out: &mut [f64]) {
    out.iter_mut().zip(values).for_each(|(out, value)| *out = scale * value.to_f64());
}

fn transposed<T: Element>(x: &[T], height: usize, width: usize) -> Vec<T> {
    let mut out = vec![T::from_f64(0.0); x.len()];
    out.par_chunks_mut(height * LINES_TOGETHER).enumerate().for_each(|(band, out)| {
        let lines = out.len() / height;
        for row in 0..height {
            let part = &x[row * width + band * LINES_TOGETHER..][..lines];
            part.iter().enumerate().for_each(|(k, value)| out[k * height + row] = *value);
        }
    });
    out
}

/// out += the transpose of `turned`, for `out` of height×width.
fn add_transposed<T: Element>(turned: &[T], height: usize, width: usize, out: &mut [T]) {
    out.par_chunks_mut(width * LINES_TOGETHER).enumerate().for_each(|(band, out)| {
        let lines = out.len() / width;
        for column in 0..width {
            let part = &turned[column * height + band * LINES_TOGETHER..][..lines];
            for (k, value) in part.iter().enumerate() {
                let at = k * width + column;
                out[at] = T::from_f64(out[at].to_f64() + value.to_f64());
            }
        }
    });
}
