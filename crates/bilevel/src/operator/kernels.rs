//! Kernels of convolutions: point spread functions and filters.

use std::f64::consts::PI;

use super::grid::Grid;
use crate::{Error, Result};

/// Strips that a pixel is cut into where the share of it that a disk covers is measured.
const STRIPS: usize = 64;

/// The most values of a kernel that is made from a size: 1 GB of them.
const MOST_VALUES: usize = 1 << 27;

/// The values of a kernel and the sample at its centre, which a convolution leaves in place.
///
/// (k ∗ x)_i = Σ_j k_j x_{i − (j − centre)}: the kernel is the image of a point.
#[derive(Debug, Clone, PartialEq)]
pub struct Kernel {
    grid: Grid,
    values: Vec<f64>,
    /// Along each of the three axes of the grid.
    centre: [usize; 3],
}

impl Kernel {
    /// A kernel of any shape from its samples, the last axis contiguous; the centre is sample n/2 (rounded down) of each axis, the middle if n is odd.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] as [`Grid::new`]; [`Error::InvalidData`] for a wrong number of values or one that is not finite.
    ///
    /// ```
    /// use bilevel::operator::Kernel;
    /// assert!(Kernel::from_samples(&[3], vec![0.25, 0.5, 0.25])?.is_symmetric());
    /// # Ok::<(), bilevel::Error>(())
    /// ```
    pub fn from_samples(shape: &[usize], values: Vec<f64>) -> Result<Self> {
        let grid = Grid::new(shape)?;
        super::check_length("convolution kernel", values.len(), grid.size())?;
        if let Some(k) = values.iter().position(|v| !v.is_finite()) {
            let what = format!("convolution kernel, value {}", k + 1);
            return Err(Error::data(what, values[k].to_string(), "a finite number"));
        }
        Ok(Self { grid, values, centre: grid.extents().map(|n| n / 2) })
    }

    /// The same kernel with another sample at its centre.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] unless there is one index for each axis, inside the kernel.
    pub fn with_centre(mut self, centre: &[usize]) -> Result<Self> {
        let shape = self.grid.shape();
        if centre.len() != shape.len() || centre.iter().zip(shape).any(|(c, n)| c >= n) {
            return Err(Error::setting(
                "centre",
                format!("{centre:?}"),
                format!("a sample inside the kernel of shape {shape:?}"),
            ));
        }
        self.centre = [0; 3];
        self.centre[3 - centre.len()..].copy_from_slice(centre);
        Ok(self)
    }

    /// exp(−‖d‖²/2σ²) at distance d from the centre in one to three axes, up to 4σ along each (as SciPy's `gaussian_filter`), divided by its sum.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] unless σ is positive and finite and there are one to three axes.
    pub fn gaussian(sigma: f64, n_axes: usize) -> Result<Self> {
        check_size("sigma", sigma)?;
        if !(1..=3).contains(&n_axes) {
            return Err(Error::setting("n_axes", n_axes, "one, two or three axes"));
        }
        let reach = (4.0 * sigma + 0.5).floor();
        let line: Vec<f64> = offsets(reach).map(|d| (-0.5 * (d / sigma).powi(2)).exp()).collect();
        let grid = named_grid("sigma", sigma, &vec![line.len(); n_axes])?;
        let at = |k: usize| grid.shape().iter().fold((k, 1.0), |(k, v), n| (k / n, v * line[k % n])).1;
        let values = (0..grid.size()).map(at).collect();
        Self::from_samples(grid.shape(), values)?.normalized()
    }

    /// A straight motion of `length` pixels at an angle in degrees, counter-clockwise from the rightward direction: in each pixel the share of the path that
    /// lies in it.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] unless the length is positive and finite, and the angle finite.
    ///
    /// ```
    /// use bilevel::operator::Kernel;
    /// let kernel = Kernel::motion(3.0, 0.0)?;
    /// assert_eq!(kernel.shape(), [1, 3]);
    /// assert!(kernel.values().iter().all(|v| (v - 1.0 / 3.0).abs() < 1e-15));
    /// # Ok::<(), bilevel::Error>(())
    /// ```
    pub fn motion(length: f64, angle: f64) -> Result<Self> {
        check_size("length", length)?;
        if !angle.is_finite() {
            return Err(Error::setting("angle", angle, "a finite number of degrees"));
        }
        let (right, up) = direction(angle);
        let reach = |along: f64| (0.5 * length * along.abs() - 0.5 - 1e-9).ceil().max(0.0);
        let (rows, columns) = (2 * reach(up) as usize + 1, 2 * reach(right) as usize + 1);
        let mut values = vec![0.0; named_grid("length", length, &[rows, columns])?.size()];
        let path = crossings(length, right, up);
        for ends in path.windows(2) {
            let middle = 0.5 * (ends[0] + ends[1]);
            let pixel = |along: f64, n: usize| {
                ((middle * along).round() + (n / 2) as f64).clamp(0.0, (n - 1) as f64) as usize
            };
            values[pixel(-up, rows) * columns + pixel(right, columns)] += (ends[1] - ends[0]) / length;
        }
        Self::from_samples(&[rows, columns], values)?.normalized()
    }

    /// A disk of a radius in pixels, out of focus: in each pixel the share that the disk covers, divided by the sum.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] unless the radius is positive and finite.
    pub fn disk(radius: f64) -> Result<Self> {
        check_size("radius", radius)?;
        let reach = (radius - 0.5).ceil().max(0.0);
        let n = 2 * reach as usize + 1;
        let size = named_grid("radius", radius, &[n, n])?.size();
        let mut values = Vec::with_capacity(size);
        for row in offsets(reach) {
            // By symmetry, so that the kernel is symmetric to the last digit.
            values.extend(offsets(reach).map(|column| covered_share(row.abs(), column.abs(), radius)));
        }
        Self::from_samples(&[n, n], values)?.normalized()
    }

    /// The same kernel divided by the sum of its values, so that a constant image stays as it is.
    ///
    /// # Errors
    /// [`Error::InvalidData`] if the sum is not finite, or so near to zero that the quotients are not.
    pub fn normalized(mut self) -> Result<Self> {
        let sum: f64 = self.values.iter().sum();
        self.values.iter_mut().for_each(|v| *v /= sum);
        if !sum.is_finite() || self.values.iter().any(|v| !v.is_finite()) {
            return Err(Error::data(
                "sum of a convolution kernel",
                sum.to_string(),
                "a finite number that the values can be divided by",
            ));
        }
        Ok(self)
    }

    /// The extents, slowest axis first.
    pub fn shape(&self) -> &[usize] {
        self.grid.shape()
    }

    /// The values, the last axis contiguous.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Whether the kernel is symmetric about its centre in each axis alone, exactly: with reflective boundaries, the cosine transform diagonalizes it.
    pub fn is_symmetric(&self) -> bool {
        let extents = self.grid.extents();
        (0..3).all(|axis| {
            extents[axis] == 2 * self.centre[axis] + 1 && {
                let inner: usize = extents[axis + 1..].iter().product();
                let n = extents[axis];
                self.values.chunks_exact(n * inner).all(|block| {
                    (0..n / 2).all(|i| {
                        let mirror = n - 1 - i;
                        block[i * inner..(i + 1) * inner] == block[mirror * inner..(mirror + 1) * inner]
                    })
                })
            }
        })
    }

    /// How many samples lie before the centre and behind it, along each of the three axes.
    pub(super) fn reach(&self) -> [(usize, usize); 3] {
        let extents = self.grid.extents();
        [0, 1, 2].map(|axis| (self.centre[axis], extents[axis] - 1 - self.centre[axis]))
    }

    /// Calls `visit(offset from the centre along each axis, value)` for every value that is not zero.
    pub(super) fn visit(&self, mut visit: impl FnMut([isize; 3], f64)) {
        let [_, rows, columns] = self.grid.extents();
        for (k, &value) in self.values.iter().enumerate().filter(|(_, v)| **v != 0.0) {
            let at = [k / (rows * columns), k / columns % rows, k % columns];
            visit([0, 1, 2].map(|axis| at[axis] as isize - self.centre[axis] as isize), value);
        }
    }
}

/// −reach, …, 0, …, reach.
fn offsets(reach: f64) -> impl Iterator<Item = f64> {
    let reach = reach as isize;
    (-reach..=reach).map(|d| d as f64)
}

/// The grid of a kernel that a size asks for.
fn named_grid(name: &'static str, size: f64, shape: &[usize]) -> Result<Grid> {
    let grid = Grid::new(shape)?;
    if grid.size() <= MOST_VALUES {
        return Ok(grid);
    }
    Err(Error::setting(
        name,
        format!("{size}, which takes a kernel of shape {shape:?}"),
        format!("one with at most {MOST_VALUES} values"),
    ))
}

/// Kernels of more than 10⁶ samples along an axis are larger than any image, and than memory.
fn check_size(name: &'static str, size: f64) -> Result<()> {
    if size > 0.0 && size <= 1e5 {
        return Ok(());
    }
    Err(Error::setting(name, size, "a number of pixels above 0 and up to 100,000"))
}

/// Cosine and sine of an angle in degrees, exact along the axes.
fn direction(angle: f64) -> (f64, f64) {
    let quarter = angle.rem_euclid(360.0);
    match quarter {
        0.0 => (1.0, 0.0),
        90.0 => (0.0, 1.0),
        180.0 => (-1.0, 0.0),
        270.0 => (0.0, -1.0),
        _ => {
            let (sine, cosine) = (quarter * PI / 180.0).sin_cos();
            (cosine, sine)
        }
    }
}

/// Where a path of a length through the origin begins, crosses from pixel to pixel, and ends.
fn crossings(length: f64, right: f64, up: f64) -> Vec<f64> {
    let half = 0.5 * length;
    let mut at = vec![-half, half];
    for along in [right.abs(), up.abs()].into_iter().filter(|along| *along > 1e-12) {
        let edges = (0..).map(|k| (f64::from(k) + 0.5) / along).take_while(|t| *t < half);
        edges.for_each(|t| at.extend([-t, t]));
    }
    at.sort_by(f64::total_cmp);
    at
}

/// The share of the pixel at an offset (≥ 0 each) that a disk about the origin covers, by strips.
fn covered_share(row: f64, column: f64, radius: f64) -> f64 {
    let strip = |s: usize| {
        let x = column - 0.5 + (s as f64 + 0.5) / STRIPS as f64;
        let half_chord = (radius * radius - x * x).max(0.0).sqrt();
        (half_chord.min(row + 0.5) - (-half_chord).max(row - 0.5)).max(0.0)
    };
    (0..STRIPS).map(strip).sum::<f64>() / STRIPS as f64
}
