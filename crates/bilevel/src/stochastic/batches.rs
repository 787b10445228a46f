//! Batches of samples: consecutive runs of numbers, so that a method can remember something about each.

use rand::{Rng, RngExt};

use crate::{Error, Result};

/// The samples of both sums, divided into batches of equal size (the last may be smaller).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batches {
    lower: Vec<Vec<usize>>,
    upper: Vec<Vec<usize>>,
}

impl Batches {
    /// Of n lower and m upper samples.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for batches of no samples, [`Error::InvalidData`] for an empty sum.
    pub fn new(n: usize, m: usize, size: usize) -> Result<Self> {
        if size == 0 {
            return Err(Error::setting("batch", 0, "at least 1 sample"));
        }
        if n == 0 || m == 0 {
            let found = format!("{n} lower and {m} upper samples");
            return Err(Error::data("bilevel problem", found, "at least one of each"));
        }
        let divide =
            |n: usize| (0..n).step_by(size).map(|first| (first..n.min(first + size)).collect()).collect();
        Ok(Self { lower: divide(n), upper: divide(m) })
    }

    /// The batches of the lower level.
    pub fn lower(&self) -> &[Vec<usize>] {
        &self.lower
    }

    /// The batches of the upper level.
    pub fn upper(&self) -> &[Vec<usize>] {
        &self.upper
    }

    /// The number of a lower batch, drawn so that every sample is as likely as any other.
    pub fn draw_lower(&self, rng: &mut impl Rng) -> usize {
        draw(&self.lower, rng)
    }

    /// The number of an upper batch.
    pub fn draw_upper(&self, rng: &mut impl Rng) -> usize {
        draw(&self.upper, rng)
    }
}

fn draw(batches: &[Vec<usize>], rng: &mut impl Rng) -> usize {
    let n: usize = batches.iter().map(Vec::len).sum();
    let size = batches.first().map_or(1, Vec::len);
    rng.random_range(0..n) / size
}
