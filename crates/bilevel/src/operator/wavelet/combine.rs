//! The one hot loop of all transforms: a few linear combinations of several rows of equal length.
//!
//! A filter along a strided axis combines rows of the image; along the contiguous axis it combines shifted copies of the line's even and odd
//! entries. Both are the same loop, which the compiler turns into the widest vector instructions of the processor at hand.

use pulp::{Arch, Simd, WithSimd};

use super::Real;

/// Entries that are accumulated in registers at a time: four vectors of four doubles.
const BLOCK: usize = 16;

/// out_n = Σ_m taps[m][n]·rows[m] for each of N outputs; all rows and outputs have the same length.
#[inline]
pub(crate) fn combine<T: Real, const N: usize>(rows: &[&[T]], taps: &[[T; N]], out: [&mut [T]; N]) {
    Arch::new().dispatch(Combine { rows, taps, out });
}

struct Combine<'a, 'o, T, const N: usize> {
    rows: &'a [&'a [T]],
    taps: &'a [[T; N]],
    out: [&'o mut [T]; N],
}

impl<T: Real, const N: usize> WithSimd for Combine<'_, '_, T, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { rows, taps, mut out } = self;
        let length = out.iter().map(|o| o.len()).min().unwrap_or(0);
        let whole = length - length % BLOCK;
        for at in (0..whole).step_by(BLOCK) {
            let mut sums = [[T::default(); BLOCK]; N];
            for (row, taps) in rows.iter().zip(taps) {
                let row = &row[at..at + BLOCK];
                for (sum, &tap) in sums.iter_mut().zip(taps) {
                    sum.iter_mut().zip(row).for_each(|(s, &x)| *s += tap * x);
                }
            }
            out.iter_mut().zip(&sums).for_each(|(out, sum)| out[at..at + BLOCK].copy_from_slice(sum));
        }
        for at in whole..length {
            for (n, out) in out.iter_mut().enumerate() {
                let mut sum = T::default();
                rows.iter().zip(taps).for_each(|(row, taps)| sum += taps[n] * row[at]);
                out[at] = sum;
            }
        }
    }
}
