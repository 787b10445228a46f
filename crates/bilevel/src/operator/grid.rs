//! The shape of signals, images and volumes.

use crate::{Error, Result};

/// The extents of a signal, an image or a volume: one to three axes, the last one contiguous in memory.
///
/// Inside, there are always three: a signal of 5 samples is a volume of 1×1×5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    extents: [usize; 3],
    n_axes: usize,
}

impl Grid {
    /// The grid of a shape, slowest axis first.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for no axes, more than three, an axis of length 0, or more samples than memory has addresses.
    ///
    /// ```
    /// use bilevel::operator::Grid;
    /// assert_eq!(Grid::new(&[4, 6])?.size(), 24);
    /// assert!(Grid::new(&[4, 0]).is_err());
    /// # Ok::<(), bilevel::Error>(())
    /// ```
    pub fn new(shape: &[usize]) -> Result<Self> {
        let refuse = |expected: &str| Err(Error::setting("shape", format!("{shape:?}"), expected));
        if shape.is_empty() || shape.len() > 3 {
            return refuse("one, two or three axes");
        }
        if shape.contains(&0) {
            return refuse("at least one sample along each axis");
        }
        // Twice along each axis and two numbers to a sample: what the largest transform of this grid takes.
        if shape
            .iter()
            .try_fold(128_usize, |size, n| size.checked_mul(*n))
            .is_none_or(|s| isize::try_from(s).is_err())
        {
            return refuse("a size that fits into memory");
        }
        let mut extents = [1; 3];
        extents[3 - shape.len()..].copy_from_slice(shape);
        Ok(Self { extents, n_axes: shape.len() })
    }

    /// The extents, slowest axis first.
    pub fn shape(&self) -> &[usize] {
        &self.extents[3 - self.n_axes..]
    }

    /// Number of samples.
    pub fn size(&self) -> usize {
        self.extents.iter().product()
    }

    /// Number of axes: 1, 2 or 3.
    pub fn n_axes(&self) -> usize {
        self.n_axes
    }

    /// The extents of all three axes.
    pub(super) fn extents(&self) -> [usize; 3] {
        self.extents
    }

    /// A grid of the same number of axes.
    pub(super) fn with_extents(&self, extents: [usize; 3]) -> Self {
        Self { extents, ..*self }
    }

    /// Which of the three axes is the user's number `axis`.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] if there are not so many.
    pub(super) fn axis(&self, axis: usize) -> Result<usize> {
        if axis < self.n_axes {
            return Ok(3 - self.n_axes + axis);
        }
        Err(Error::setting("axis", axis, format!("less than {}, the number of axes", self.n_axes)))
    }

    /// The extents without axes of length 1, which change nothing about where a sample lies in memory; filled up in front with ones.
    pub(super) fn squeezed(&self) -> [usize; 3] {
        let mut squeezed = [1; 3];
        let mut next = 3;
        for &n in self.extents.iter().rev().filter(|n| **n > 1) {
            next -= 1;
            squeezed[next] = n;
        }
        squeezed
    }
}
