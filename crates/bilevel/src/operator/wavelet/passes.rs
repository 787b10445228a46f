//! One level of a decimated transform along one axis of a matrix, in both directions.
//!
//! The contiguous axis is filtered line by line: a line is split into its even and odd entries, whose shifted copies are combined. The strided
//! axis combines whole rows, a tile of columns at a time, so that the rows that neighbouring outputs share stay in the cache. Rows are
//! spread over threads in fixed chunks; each output is computed by one thread, in the same order whatever their number.

use rayon::prelude::*;

use super::axis::{Axis, Map};
use super::combine::combine;
use super::filters::LONGEST;
use super::{Real, Taps};

/// Columns of a tile: 40 rows of that many doubles are 80 KB at most, and 16 KB for db4.
const TILE: usize = 256;
/// Entries that are worth a task of their own.
const TASK: usize = 1 << 14;

/// Rows of a chunk, for rows of `width` entries.
fn chunk(width: usize) -> usize {
    (TASK / width.max(1)).max(1)
}

/// The linear combinations of one output pair: the analysis pairs h_m with g_m, the synthesis an even with the following odd entry.
type Pairs<T> = ([[T; 2]; LONGEST], usize);

fn analysis_taps<T: Real>(taps: &Taps<T>) -> Pairs<T> {
    let mut pairs = [[T::default(); 2]; LONGEST];
    taps.low.iter().zip(&taps.high).zip(&mut pairs).for_each(|((&h, &g), pair)| *pair = [h, g]);
    (pairs, taps.low.len())
}

/// First for the low half, shift 0, 1, …, then for the high half.
fn synthesis_taps<T: Real>(taps: &Taps<T>) -> Pairs<T> {
    let mut pairs = [[T::default(); 2]; LONGEST];
    let halves = taps.low.chunks_exact(2).chain(taps.high.chunks_exact(2));
    halves.zip(&mut pairs).for_each(|(two, pair)| *pair = [two[0], two[1]]);
    (pairs, taps.low.len())
}

/// Both halves of every line of `x` (lines of `axis.length`).
pub(super) fn analyze_lines<T: Real>(
    axis: &Axis,
    map: Map,
    taps: &Taps<T>,
    x: &[T],
    low: &mut [T],
    high: &mut [T],
) {
    let (pairs, count) = analysis_taps(taps);
    let (n, half) = (axis.length, axis.half);
    let lines = chunk(n);
    let chunks =
        x.par_chunks(n * lines).zip(low.par_chunks_mut(half * lines).zip(high.par_chunks_mut(half * lines)));
    chunks.for_each(|(x, (low, high))| {
        let mut extended = vec![T::default(); 2 * axis.pairs()];
        let (mut even, mut odd) = (vec![T::default(); axis.pairs()], vec![T::default(); axis.pairs()]);
        let halves = low.chunks_exact_mut(half).zip(high.chunks_exact_mut(half));
        for (x, (low, high)) in x.chunks_exact(n).zip(halves) {
            extended[axis.left..axis.left + n].copy_from_slice(x);
            axis.copies(map).for_each(|(e, i)| extended[e] = x[i]);
            let split = even.iter_mut().zip(&mut odd).zip(extended.chunks_exact(2));
            split.for_each(|((even, odd), two)| (*even, *odd) = (two[0], two[1]));
            let mut rows: [&[T]; LONGEST] = [&[]; LONGEST];
            for (m, row) in rows[..count].iter_mut().enumerate() {
                let source = if m % 2 == 0 { &even } else { &odd };
                *row = &source[m / 2..m / 2 + half];
            }
            combine(&rows[..count], &pairs[..count], [low, high]);
        }
    });
}

/// The transpose of [`analyze_lines`].
pub(super) fn synthesize_lines<T: Real>(
    axis: &Axis,
    map: Map,
    taps: &Taps<T>,
    low: &[T],
    high: &[T],
    x: &mut [T],
) {
    let (pairs, count) = synthesis_taps(taps);
    let (n, half) = (axis.length, axis.half);
    let lines = chunk(n);
    let shifts = count / 2;
    let chunks =
        x.par_chunks_mut(n * lines).zip(low.par_chunks(half * lines).zip(high.par_chunks(half * lines)));
    chunks.for_each(|(x, (low, high))| {
        let mut extended = vec![T::default(); 2 * axis.pairs()];
        let (mut even, mut odd) = (vec![T::default(); axis.pairs()], vec![T::default(); axis.pairs()]);
        // Both halves with zeros around them, so that every shift is a slice.
        let mut padded =
            [vec![T::default(); half + 2 * (shifts - 1)], vec![T::default(); half + 2 * (shifts - 1)]];
        let halves = low.chunks_exact(half).zip(high.chunks_exact(half));
        for (x, (low, high)) in x.chunks_exact_mut(n).zip(halves) {
            padded[0][shifts - 1..][..half].copy_from_slice(low);
            padded[1][shifts - 1..][..half].copy_from_slice(high);
            let mut rows: [&[T]; LONGEST] = [&[]; LONGEST];
            for (k, row) in rows[..count].iter_mut().enumerate() {
                *row = &padded[k / shifts][shifts - 1 - k % shifts..][..axis.pairs()];
            }
            combine(&rows[..count], &pairs[..count], [&mut even, &mut odd]);
            let join = extended.chunks_exact_mut(2).zip(even.iter().zip(&odd));
            join.for_each(|(two, (&even, &odd))| (two[0], two[1]) = (even, odd));
            x.copy_from_slice(&extended[axis.left..axis.left + n]);
            axis.copies(map).for_each(|(e, i)| x[i] += extended[e]);
        }
    });
}

/// Both halves along the strided axis of `x` (`axis.length` rows of `width` entries).
pub(super) fn analyze_columns<T: Real>(
    axis: &Axis,
    map: Map,
    taps: &Taps<T>,
    width: usize,
    x: &[T],
    low: &mut [T],
    high: &mut [T],
) {
    let (pairs, count) = analysis_taps(taps);
    let outputs = chunk(width);
    let halves = low.par_chunks_mut(outputs * width).zip(high.par_chunks_mut(outputs * width));
    halves.enumerate().for_each(|(k, (low, high))| {
        for from in (0..width).step_by(TILE) {
            let tile = from..width.min(from + TILE);
            for (o, (low, high)) in low.chunks_exact_mut(width).zip(high.chunks_exact_mut(width)).enumerate()
            {
                let mut rows: [&[T]; LONGEST] = [&[]; LONGEST];
                let mut used = [[T::default(); 2]; LONGEST];
                let mut held = 0;
                for (m, pair) in pairs[..count].iter().enumerate() {
                    if let Some(i) = axis.source(map, 2 * (k * outputs + o) + m) {
                        rows[held] = &x[i * width..][tile.clone()];
                        used[held] = *pair;
                        held += 1;
                    }
                }
                combine(&rows[..held], &used[..held], [&mut low[tile.clone()], &mut high[tile.clone()]]);
            }
        }
    });
}

/// The transpose of [`analyze_columns`].
pub(super) fn synthesize_columns<T: Real>(
    axis: &Axis,
    map: Map,
    taps: &Taps<T>,
    width: usize,
    low: &[T],
    high: &[T],
    x: &mut [T],
) {
    let transposed = Transposed { pairs: synthesis_taps(taps), half: axis.half, width, low, high };
    let rows = chunk(width);
    x.par_chunks_mut(rows * width).enumerate().for_each(|(k, x)| {
        let first = k * rows + axis.left;
        let last = first + x.len() / width;
        let mut two = [[T::default(); TILE], [T::default(); TILE]];
        for from in (0..width).step_by(TILE) {
            let tile = from..width.min(from + TILE);
            for pair in first / 2..last.div_ceil(2) {
                transposed.pair(pair, tile.clone(), &mut two);
                for (parity, values) in two.iter().enumerate() {
                    let e = 2 * pair + parity;
                    if (first..last).contains(&e) {
                        x[(e - first) * width..][tile.clone()].copy_from_slice(&values[..tile.len()]);
                    }
                }
            }
        }
    });
    let mut two = [[T::default(); TILE], [T::default(); TILE]];
    for (e, i) in axis.copies(map) {
        for from in (0..width).step_by(TILE) {
            let tile = from..width.min(from + TILE);
            transposed.pair(e / 2, tile.clone(), &mut two);
            x[i * width..][tile].iter_mut().zip(&two[e % 2]).for_each(|(x, &v)| *x += v);
        }
    }
}

/// The transposed filters along the strided axis, before folding.
struct Transposed<'a, T> {
    pairs: Pairs<T>,
    half: usize,
    width: usize,
    low: &'a [T],
    high: &'a [T],
}

impl<T: Real> Transposed<'_, T> {
    /// Rows 2k and 2k+1 of x̃, for a tile of columns.
    fn pair(&self, k: usize, tile: std::ops::Range<usize>, out: &mut [[T; TILE]; 2]) {
        let (pairs, count) = &self.pairs;
        let shifts = count / 2;
        let mut rows: [&[T]; LONGEST] = [&[]; LONGEST];
        let mut used = [[T::default(); 2]; LONGEST];
        let mut held = 0;
        for (m, pair) in pairs[..*count].iter().enumerate() {
            let source = if m < shifts { self.low } else { self.high };
            if let Some(o) = k.checked_sub(m % shifts).filter(|&o| o < self.half) {
                rows[held] = &source[o * self.width..][tile.clone()];
                used[held] = *pair;
                held += 1;
            }
        }
        let [even, odd] = out;
        combine(&rows[..held], &used[..held], [&mut even[..tile.len()], &mut odd[..tile.len()]]);
    }
}
