//! Maps of weights: a number for each pixel, made of few.

use crate::{Error, Result};

/// Weights α_i = Σ_b B_ib λ_b of the pixels of an image, as nonnegative combinations (that sum to 1) of few numbers λ_b.
///
/// ```
/// use bilevel::inverse::WeightMap;
///
/// let map = WeightMap::patches((4, 6), (2, 3))?;
/// let weights = map.expand(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
/// assert_eq!(weights[..6], [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]);
/// assert_eq!(WeightMap::bilinear((1, 3), (1, 2))?.expand(&[1.0, 2.0]), [1.0, 1.5, 2.0]);
/// # Ok::<(), bilevel::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct WeightMap {
    blocks: usize,
    /// Entries of pixel i: `starts[i]..starts[i + 1]`.
    starts: Vec<u32>,
    entries: Vec<(u32, f64)>,
}

impl WeightMap {
    /// One number for all pixels of an image of `shape` (rows, columns).
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for an image without pixels, or with more than a map can have.
    pub fn scalar(shape: (usize, usize)) -> Result<Self> {
        check(shape, (1, 1), "patches")?;
        Self::of_pixels(1, shape, |_, _, add| add(0, 1.0))
    }

    /// One number for each of rows × columns patches, as equal in size as they come; numbered row by row.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] if there are more patches than pixels in a direction, or none, or more pixels than a map can have.
    pub fn patches(shape: (usize, usize), patches: (usize, usize)) -> Result<Self> {
        check(shape, patches, "patches")?;
        let place = |k: usize, size: usize, count: usize| k * count / size;
        Self::of_pixels(patches.0 * patches.1, shape, |r, c, add| {
            add(place(r, shape.0, patches.0) * patches.1 + place(c, shape.1, patches.1), 1.0);
        })
    }

    /// One number for each of rows × columns nodes, spread over the image with its corners; bilinear between them: a smooth map.
    ///
    /// # Errors
    /// As [`WeightMap::patches`].
    pub fn bilinear(shape: (usize, usize), nodes: (usize, usize)) -> Result<Self> {
        check(shape, nodes, "nodes")?;
        // The node before a pixel, and how far the pixel is on the way to the next.
        let place = |k: usize, size: usize, count: usize| {
            let at = k as f64 * (count - 1) as f64 / size.saturating_sub(1).max(1) as f64;
            let node = (at as usize).min(count.saturating_sub(2));
            (node, at - node as f64)
        };
        Self::of_pixels(nodes.0 * nodes.1, shape, |r, c, add| {
            let ((row, down), (col, right)) = (place(r, shape.0, nodes.0), place(c, shape.1, nodes.1));
            for (i, u) in [(row, 1.0 - down), (row + 1, down)] {
                for (j, v) in [(col, 1.0 - right), (col + 1, right)] {
                    if u * v > 0.0 {
                        add(i * nodes.1 + j, u * v);
                    }
                }
            }
        })
    }

    fn of_pixels(
        blocks: usize,
        shape: (usize, usize),
        pixel: impl Fn(usize, usize, &mut dyn FnMut(usize, f64)),
    ) -> Result<Self> {
        let (mut starts, mut entries) = (Vec::new(), Vec::new());
        let pixels = shape.0 * shape.1;
        let refused = |_| {
            let found = format!("{}x{}", shape.0, shape.1);
            Error::setting("shape of the image", found, "a map that fits into memory")
        };
        starts.try_reserve_exact(pixels + 1).map_err(refused)?;
        entries.try_reserve(pixels).map_err(refused)?;
        starts.push(0);
        for i in 0..pixels {
            let mut add = |b: usize, value: f64| entries.push((u32::try_from(b).unwrap_or(u32::MAX), value));
            pixel(i / shape.1, i % shape.1, &mut add);
            starts.push(u32::try_from(entries.len()).unwrap_or(u32::MAX));
        }
        Ok(Self { blocks, starts, entries })
    }

    /// How many numbers make the map.
    pub fn n_blocks(&self) -> usize {
        self.blocks
    }

    /// How many pixels it has.
    pub fn n_pixels(&self) -> usize {
        self.starts.len() - 1
    }

    /// The weights of all pixels, row by row, from one number for each block (missing numbers count as 0).
    pub fn expand(&self, lambda: &[f64]) -> Vec<f64> {
        let value = |&(b, share): &(u32, f64)| share * lambda.get(b as usize).copied().unwrap_or(0.0);
        self.pixels().map(|entries| entries.iter().map(value).sum()).collect()
    }

    /// Bᵀ: sums over each block, from one number for each pixel.
    pub fn gather(&self, pixels: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; self.blocks];
        for (entries, value) in self.pixels().zip(pixels) {
            entries.iter().for_each(|&(b, share)| sums[b as usize] += share * value);
        }
        sums
    }

    /// ‖B‖² is at most this: the largest sum of shares of a block.
    pub(super) fn square_norm(&self) -> f64 {
        self.gather(&vec![1.0; self.n_pixels()]).into_iter().fold(0.0, f64::max)
    }

    /// (block, share) of each pixel.
    pub(super) fn pixels(&self) -> impl Iterator<Item = &[(u32, f64)]> {
        self.starts.windows(2).map(|pair| &self.entries[pair[0] as usize..pair[1] as usize])
    }
}

/// Entries of a pixel, at most: the corners of its cell.
const MOST_ENTRIES: usize = 4;

fn check(shape: (usize, usize), parts: (usize, usize), name: &'static str) -> Result<()> {
    // Entries are counted in 32 bits.
    let entries = shape.0.checked_mul(shape.1).and_then(|pixels| pixels.checked_mul(MOST_ENTRIES));
    if entries.is_none_or(|entries| u32::try_from(entries).is_err()) {
        let found = format!("{}x{}", shape.0, shape.1);
        return Err(Error::setting("shape of the image", found, "at most 2^30 pixels"));
    }
    if (1..=shape.0).contains(&parts.0) && (1..=shape.1).contains(&parts.1) {
        return Ok(());
    }
    let found = format!("{}x{}", parts.0, parts.1);
    Err(Error::setting(
        name,
        found,
        format!("between 1x1 and {}x{}, the size of the image", shape.0, shape.1),
    ))
}
