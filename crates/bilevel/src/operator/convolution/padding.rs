//! A grid continued beyond its edges, to a size on which a periodic convolution does no harm.

use crate::operator::lines::for_each_row;
use crate::operator::{Boundary, Real};

/// Where each sample of a longer periodic grid comes from. Sample i of the image is sample i of the long grid; what lies before it is at the end.
pub(super) struct Padding {
    extents: [usize; 3],
    padded: [usize; 3],
    /// For each axis: the sample that stands at each place of the long axis.
    sources: [Vec<Option<usize>>; 3],
    /// For each axis: the places of the long axis at which each sample stands.
    places: [Vec<Vec<usize>>; 3],
}

impl Padding {
    /// `None` if nothing is needed. `reach` is how many samples a kernel has before its centre and behind, along each axis.
    pub(super) fn new(extents: [usize; 3], reach: [(usize, usize); 3], boundary: Boundary) -> Option<Self> {
        if boundary == Boundary::Periodic || reach == [(0, 0); 3] {
            return None;
        }
        let axes = [0, 1, 2].map(|axis| sources(extents[axis], reach[axis], boundary));
        let padded = [0, 1, 2].map(|axis| axes[axis].len());
        let places = [0, 1, 2].map(|axis| {
            let mut places = vec![Vec::new(); extents[axis]];
            for (place, source) in axes[axis].iter().enumerate() {
                source.iter().for_each(|s| places[*s].push(place));
            }
            places
        });
        Some(Self { extents, padded, sources: axes, places })
    }

    pub(super) fn padded(&self) -> [usize; 3] {
        self.padded
    }

    /// E: long = x continued.
    pub(super) fn extend<T: Real>(&self, x: &[T], long: &mut [T]) {
        let [slices, rows, columns] = &self.sources;
        let n = self.extents[2];
        self.long_rows(long, |row, out| {
            let Some(source) = slices[row / rows.len()].zip(rows[row % rows.len()]) else {
                return out.fill(T::zero());
            };
            let x = &x[(source.0 * self.extents[1] + source.1) * n..][..n];
            let (inside, beyond) = out.split_at_mut(n);
            inside.copy_from_slice(x);
            for (out, source) in beyond.iter_mut().zip(&columns[n..]) {
                *out = source.map_or(T::zero(), |s| x[s]);
            }
        });
    }

    /// Rᵀ: long = y inside, 0 beyond.
    pub(super) fn embed<T: Real>(&self, y: &[T], long: &mut [T]) {
        let [n_slices, n_rows, n] = self.extents;
        self.long_rows(long, |row, out| {
            let (slice, row) = (row / self.padded[1], row % self.padded[1]);
            out.fill(T::zero());
            if slice < n_slices && row < n_rows {
                out[..n].copy_from_slice(&y[(slice * n_rows + row) * n..][..n]);
            }
        });
    }

    /// R: out = the samples of the long grid inside.
    pub(super) fn restrict<T: Real>(&self, long: &[T], out: &mut [T]) {
        let [_, n_rows, n] = self.extents;
        self.rows(out, |row, out| {
            let start = ((row / n_rows) * self.padded[1] + row % n_rows) * self.padded[2];
            out.copy_from_slice(&long[start..start + n]);
        });
    }

    /// Eᵀ: each sample of out is the sum of the places that it stands at.
    pub(super) fn fold<T: Real>(&self, long: &[T], out: &mut [T]) {
        let [_, n_rows, n] = self.extents;
        let [slices, rows, _] = &self.places;
        self.rows(out, |row, out| {
            out.fill(T::zero());
            for slice in &slices[row / n_rows] {
                for long_row in &rows[row % n_rows] {
                    let start = (slice * self.padded[1] + long_row) * self.padded[2];
                    let long = &long[start..start + self.padded[2]];
                    out.iter_mut().zip(long).for_each(|(out, value)| *out += *value);
                    for (value, source) in long.iter().zip(&self.sources[2]).skip(n) {
                        if let Some(s) = *source {
                            out[s] += *value;
                        }
                    }
                }
            }
        });
    }

    fn long_rows<T: Real>(&self, long: &mut [T], work: impl Fn(usize, &mut [T]) + Sync + Send) {
        for_each_row(long, self.padded[2], work);
    }

    fn rows<T: Real>(&self, out: &mut [T], work: impl Fn(usize, &mut [T]) + Sync + Send) {
        for_each_row(out, self.extents[2], work);
    }
}

/// The samples at the places of one long axis. With (before, behind) samples of the kernel before and behind its centre, sample i of the convolution
/// needs x̃ from i − behind to i + before.
fn sources(n: usize, (before, behind): (usize, usize), boundary: Boundary) -> Vec<Option<usize>> {
    if before + behind == 0 {
        return (0..n).map(Some).collect();
    }
    // Zeros behind the image serve as those before it, too.
    let beyond = if boundary == Boundary::Zero { before.max(behind) } else { before + behind };
    let length = good_length(n + beyond);
    let at = |place: usize| {
        if place < n + before {
            boundary.source(place as isize, n)
        } else if place >= length - behind {
            boundary.source(place as isize - length as isize, n)
        } else {
            None
        }
    };
    (0..length).map(at).collect()
}

/// The smallest even length ≥ n that has no prime factor above 5: fast to transform.
fn good_length(n: usize) -> usize {
    let is_good = |length: &usize| {
        let rest = [2_usize, 3, 5].iter().fold(*length, |mut rest, prime| {
            while rest.is_multiple_of(*prime) {
                rest /= prime;
            }
            rest
        });
        rest == 1
    };
    (n.next_multiple_of(2)..).step_by(2).find(is_good).unwrap_or(n)
}
