//! The manifold of a partition: pixels whose gradient vanishes are one with their neighbours, so that an image is one value for each region.

/// The region of a pixel that is held at zero by the constraint.
pub(super) const PINNED: u32 = u32::MAX;

/// Which pixels share a value, and which gradients move.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Regions {
    /// Region of each pixel, numbered in the order of their first pixels; or [`PINNED`].
    pub of_pixel: Vec<u32>,
    /// Number of regions that are not pinned.
    pub count: usize,
    /// Pixels whose gradient may differ from zero, increasing.
    pub moving: Vec<u32>,
}

impl Regions {
    /// Merges every pixel that does not move with its right and its lower neighbour. A region is pinned if the sum of `lean` over it is not positive
    /// (`None`: no region is pinned).
    pub fn new(cols: usize, moves: &[bool], lean: Option<&[f64]>) -> Self {
        let mut sets = Sets { parent: (0_u32..).take(moves.len()).collect() };
        for i in (0..moves.len()).filter(|&i| !moves[i]) {
            let [right, down] = neighbours(cols, moves.len(), i);
            right.into_iter().chain(down).for_each(|j| sets.unite(i, j));
        }
        let roots: Vec<usize> = (0..moves.len()).map(|i| sets.root(i)).collect();
        let pinned = pinned_roots(&roots, lean);
        let mut names = vec![PINNED; moves.len()];
        let (mut count, mut of_pixel) = (0, vec![PINNED; moves.len()]);
        for (&root, name) in roots.iter().zip(&mut of_pixel) {
            if !pinned[root] {
                if names[root] == PINNED {
                    names[root] = count;
                    count += 1;
                }
                *name = names[root];
            }
        }
        let differs = |i: usize| {
            let [right, down] = neighbours(cols, moves.len(), i);
            right.into_iter().chain(down).any(|j| of_pixel[j] != of_pixel[i])
        };
        let moving = (0_u32..).zip(moves).filter(|&(i, moves)| *moves && differs(i as usize));
        Self { moving: moving.map(|(i, _)| i).collect(), count: count as usize, of_pixel }
    }

    /// Spreads one value for each region over the image; pinned pixels are 0.
    pub fn expand(&self, values: &[f64], out: &mut [f64]) {
        for (out, &region) in out.iter_mut().zip(&self.of_pixel) {
            *out = if region == PINNED { 0.0 } else { values[region as usize] };
        }
    }

    /// Sums over each region.
    pub fn gather(&self, image: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; self.count];
        let placed = image.iter().zip(&self.of_pixel).filter(|(_, region)| **region != PINNED);
        placed.for_each(|(value, &region)| sums[region as usize] += value);
        sums
    }
}

/// The right and the lower neighbour, where there are any.
pub(super) fn neighbours(cols: usize, size: usize, i: usize) -> [Option<usize>; 2] {
    let right = (!(i + 1).is_multiple_of(cols)).then_some(i + 1);
    [right, (i + cols < size).then_some(i + cols)]
}

fn pinned_roots(roots: &[usize], lean: Option<&[f64]>) -> Vec<bool> {
    let Some(lean) = lean else { return vec![false; roots.len()] };
    let mut sums = vec![0.0; roots.len()];
    roots.iter().zip(lean).for_each(|(&root, lean)| sums[root] += lean);
    sums.iter().map(|sum| *sum <= 0.0).collect()
}

/// Disjoint sets of pixels; the root is the smallest.
struct Sets {
    parent: Vec<u32>,
}

impl Sets {
    fn root(&mut self, mut i: usize) -> usize {
        while self.parent[i] as usize != i {
            let up = self.parent[i] as usize;
            self.parent[i] = self.parent[up];
            i = up;
        }
        i
    }

    fn unite(&mut self, i: usize, j: usize) {
        let (a, b) = (self.root(i), self.root(j));
        let (low, high) = (a.min(b), a.max(b));
        self.parent[high] = u32::try_from(low).unwrap_or(u32::MAX);
    }
}
