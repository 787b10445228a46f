//! The undecimated (stationary, à trous) transform: the coefficients of all shifts of a periodic signal or image, a tight frame.
//!
//! Level j applies the filters h/√2 and g/√2 with 2^{j−1} − 1 zeros between their entries, and keeps every output. Because
//! |ĥ|² + |ĝ|² = 2, each level keeps the norm: ‖Wx‖ = ‖x‖, WᵀW = I.

use std::f64::consts::FRAC_1_SQRT_2;

use rayon::prelude::*;

use super::combine::combine;
use super::filters::LONGEST;
use super::{Real, Subband, Taps, Wavelet, check, lay_out};
use crate::Result;
use crate::operator::LinearOperator;

/// Columns of a tile of rows that are combined.
const TILE: usize = 512;
/// Entries that are worth a task of their own.
const TASK: usize = 1 << 14;

/// Wx for the undecimated transform: levels + 1 subbands for a signal and 3·levels + 1 for an image, each of the size of what is transformed.
#[derive(Debug, Clone, PartialEq)]
pub struct StationaryTransform {
    wavelet: Wavelet,
    planes: usize,
    shape: [usize; 2],
    levels: usize,
    image: bool,
    subbands: Vec<Subband>,
}

impl StationaryTransform {
    /// Of a signal.
    ///
    /// # Errors
    /// [`crate::Error::InvalidData`] for an empty signal; [`crate::Error::InvalidSetting`] unless `levels` is between 1 and ⌈log₂ length⌉.
    pub fn signal(wavelet: Wavelet, length: usize, levels: usize) -> Result<Self> {
        Self::new(wavelet, [1, length], levels, false)
    }

    /// Of an image of `shape` = [rows, columns].
    ///
    /// # Errors
    /// As [`Self::signal`], with the longer side for the length.
    pub fn image(wavelet: Wavelet, shape: [usize; 2], levels: usize) -> Result<Self> {
        Self::new(wavelet, shape, levels, true)
    }

    fn new(wavelet: Wavelet, shape: [usize; 2], levels: usize, image: bool) -> Result<Self> {
        check(shape, levels)?;
        let subbands = lay_out(&vec![shape; levels], image);
        Ok(Self { wavelet, planes: 1, shape, levels, image, subbands })
    }

    /// Of several signals, or of the planes of a colour image, one after another.
    #[must_use]
    pub fn planes(mut self, planes: usize) -> Self {
        self.planes = planes;
        self
    }

    /// The subbands of one plane, in the order of the coefficients.
    pub fn subbands(&self) -> &[Subband] {
        &self.subbands
    }

    /// Number of samples of all planes.
    pub fn n_samples(&self) -> usize {
        self.planes.saturating_mul(self.plane())
    }

    /// Number of coefficients of all planes.
    pub fn n_coefficients(&self) -> usize {
        self.n_samples().saturating_mul(self.subbands.len())
    }

    /// Samples of one plane.
    fn plane(&self) -> usize {
        self.shape[0] * self.shape[1]
    }

    fn filters<T: Real>(&self, level: usize) -> Filters<T> {
        let taps = Taps::new(self.wavelet, FRAC_1_SQRT_2);
        Filters { taps, spacing: 1 << (level - 1), shape: self.shape }
    }

    /// The factor along `axis` of the atoms of a subband, which are products of one for each axis: what an impulse becomes in the low or the
    /// high half of `level`.
    pub(crate) fn atom(&self, axis: usize, level: usize, high: bool) -> Vec<f64> {
        let n = self.shape[axis];
        let (mut current, mut low_half, mut high_half) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
        current[0] = 1.0;
        for finer in 1..=level {
            let filters = Filters { shape: [1, n], ..self.filters(finer) };
            filters.analyze_lines(&current, &mut low_half, &mut high_half);
            std::mem::swap(&mut current, if high && finer == level { &mut high_half } else { &mut low_half });
        }
        current
    }

    /// Splits the approximation `x` of a plane into that of the next `level` and its three details.
    fn split_image<T: Real>(&self, level: usize, x: &[T], out: [&mut [T]; 4], scratch: &mut Vec<T>) {
        let filters = self.filters(level);
        scratch.resize(2 * x.len(), T::default());
        let (low, high) = scratch.split_at_mut(x.len());
        let [approximation, horizontal, vertical, diagonal] = out;
        filters.analyze_lines(x, low, high);
        filters.analyze_columns(low, approximation, horizontal);
        filters.analyze_columns(high, vertical, diagonal);
    }

    /// The transpose of [`Self::split_image`].
    fn merge_image<T: Real>(&self, level: usize, subbands: [&[T]; 4], x: &mut [T], scratch: &mut Vec<T>) {
        let filters = self.filters(level);
        scratch.resize(2 * x.len(), T::default());
        let (low, high) = scratch.split_at_mut(x.len());
        let [approximation, horizontal, vertical, diagonal] = subbands;
        filters.synthesize_columns(approximation, horizontal, low);
        filters.synthesize_columns(vertical, diagonal, high);
        filters.synthesize_lines(low, high, x);
    }

    fn analyze_plane<T: Real>(&self, x: &[T], out: &mut [T]) {
        let (mut current, mut next, mut scratch) = (x.to_vec(), vec![T::default(); x.len()], Vec::new());
        let (head, mut rest) = out.split_at_mut(x.len());
        for level in 1..=self.levels {
            let (unwritten, details) =
                rest.split_at_mut(rest.len() - if self.image { 3 } else { 1 } * x.len());
            rest = unwritten;
            if self.image {
                let (horizontal, others) = details.split_at_mut(x.len());
                let (vertical, diagonal) = others.split_at_mut(x.len());
                self.split_image(level, &current, [&mut next, horizontal, vertical, diagonal], &mut scratch);
            } else {
                self.filters(level).analyze_lines(&current, &mut next, details);
            }
            std::mem::swap(&mut current, &mut next);
        }
        head.copy_from_slice(&current);
    }

    fn synthesize_plane<T: Real>(&self, coefficients: &[T], out: &mut [T]) {
        let n = out.len();
        let (mut current, mut next, mut scratch) =
            (coefficients[..n].to_vec(), vec![T::default(); n], Vec::new());
        for (subbands, level) in
            self.subbands[1..].chunks(if self.image { 3 } else { 1 }).zip((1..=self.levels).rev())
        {
            let of = |k: usize| &coefficients[subbands[k].range.clone()];
            if self.image {
                self.merge_image(level, [&current, of(0), of(1), of(2)], &mut next, &mut scratch);
            } else {
                self.filters(level).synthesize_lines(&current, of(0), &mut next);
            }
            std::mem::swap(&mut current, &mut next);
        }
        out.copy_from_slice(&current);
    }
}

impl<T: Real> LinearOperator<T> for StationaryTransform {
    fn n_rows(&self) -> usize {
        self.n_coefficients()
    }

    fn n_columns(&self) -> usize {
        self.n_samples()
    }

    fn apply_into(&self, x: &[T], out: &mut [T]) -> Result<()> {
        let planes = x.par_chunks(self.plane()).zip(out.par_chunks_mut(self.plane() * self.subbands.len()));
        planes.for_each(|(x, out)| self.analyze_plane(x, out));
        Ok(())
    }

    fn adjoint_into(&self, y: &[T], out: &mut [T]) -> Result<()> {
        let planes = y.par_chunks(self.plane() * self.subbands.len()).zip(out.par_chunks_mut(self.plane()));
        planes.for_each(|(y, out)| self.synthesize_plane(y, out));
        Ok(())
    }
}

/// The filters of one level, on planes of a shape: out_i = Σ_m h_m x_{i + s(m−c)}, indices modulo the length.
struct Filters<T> {
    taps: Taps<T>,
    spacing: usize,
    shape: [usize; 2],
}

impl<T: Real> Filters<T> {
    /// c, which keeps edges about where they are.
    fn center(&self) -> usize {
        self.taps.low.len() / 2 - 1
    }

    /// line_{(e − before) mod n} for all e of `extended`.
    fn extend(line: &[T], before: usize, extended: &mut [T]) {
        let n = line.len();
        let mut at = (n - before % n) % n;
        let mut rest = extended;
        while !rest.is_empty() {
            let (now, later) = rest.split_at_mut((n - at).min(rest.len()));
            now.copy_from_slice(&line[at..at + now.len()]);
            rest = later;
            at = 0;
        }
    }

    fn lines_of_a_task(&self) -> usize {
        (TASK / self.shape[1]).max(1)
    }

    fn analyze_lines(&self, x: &[T], low: &mut [T], high: &mut [T]) {
        let (n, s, count) = (self.shape[1], self.spacing, self.taps.low.len());
        let task = n * self.lines_of_a_task();
        let mut pairs = [[T::default(); 2]; LONGEST];
        self.pairs().zip(&mut pairs).for_each(|(from, to)| *to = from);
        let chunks = x.par_chunks(task).zip(low.par_chunks_mut(task).zip(high.par_chunks_mut(task)));
        chunks.for_each(|(x, (low, high))| {
            let mut extended = vec![T::default(); n + s * (count - 1)];
            let halves = low.chunks_exact_mut(n).zip(high.chunks_exact_mut(n));
            for (x, (low, high)) in x.chunks_exact(n).zip(halves) {
                Self::extend(x, s * self.center(), &mut extended);
                let mut rows: [&[T]; LONGEST] = [&[]; LONGEST];
                rows[..count].iter_mut().enumerate().for_each(|(m, row)| *row = &extended[s * m..][..n]);
                combine(&rows[..count], &pairs[..count], [low, high]);
            }
        });
    }

    fn synthesize_lines(&self, low: &[T], high: &[T], x: &mut [T]) {
        let (n, s, count) = (self.shape[1], self.spacing, self.taps.low.len());
        let task = n * self.lines_of_a_task();
        let taps = self.both();
        let chunks = x.par_chunks_mut(task).zip(low.par_chunks(task).zip(high.par_chunks(task)));
        chunks.for_each(|(x, (low, high))| {
            let mut extended =
                [vec![T::default(); n + s * (count - 1)], vec![T::default(); n + s * (count - 1)]];
            for (x, (low, high)) in x.chunks_exact_mut(n).zip(low.chunks_exact(n).zip(high.chunks_exact(n))) {
                let before = s * (count - 1 - self.center());
                Self::extend(low, before, &mut extended[0]);
                Self::extend(high, before, &mut extended[1]);
                let mut rows: [&[T]; 2 * LONGEST] = [&[]; 2 * LONGEST];
                for (k, row) in rows[..2 * count].iter_mut().enumerate() {
                    *row = &extended[k / count][s * (count - 1 - k % count)..][..n];
                }
                combine(&rows[..2 * count], &taps, [x]);
            }
        });
    }

    fn analyze_columns(&self, x: &[T], low: &mut [T], high: &mut [T]) {
        let (count, lines) = (self.taps.low.len(), self.lines_of_a_task());
        let width = self.shape[1];
        let pairs: Vec<[T; 2]> = self.pairs().collect();
        let halves = low.par_chunks_mut(lines * width).zip(high.par_chunks_mut(lines * width));
        halves.enumerate().for_each(|(k, (low, high))| {
            for from in (0..width).step_by(TILE) {
                let tile = from..width.min(from + TILE);
                for (i, (low, high)) in
                    low.chunks_exact_mut(width).zip(high.chunks_exact_mut(width)).enumerate()
                {
                    let mut rows: [&[T]; LONGEST] = [&[]; LONGEST];
                    for (m, row) in rows[..count].iter_mut().enumerate() {
                        *row = &x[self.row(k * lines + i, m, self.center()) * width..][tile.clone()];
                    }
                    combine(&rows[..count], &pairs, [&mut low[tile.clone()], &mut high[tile.clone()]]);
                }
            }
        });
    }

    fn synthesize_columns(&self, low: &[T], high: &[T], x: &mut [T]) {
        let (count, lines) = (self.taps.low.len(), self.lines_of_a_task());
        let width = self.shape[1];
        let taps = self.both();
        x.par_chunks_mut(lines * width).enumerate().for_each(|(k, x)| {
            for from in (0..width).step_by(TILE) {
                let tile = from..width.min(from + TILE);
                for (i, x) in x.chunks_exact_mut(width).enumerate() {
                    let mut rows: [&[T]; 2 * LONGEST] = [&[]; 2 * LONGEST];
                    for (m, row) in rows[..2 * count].iter_mut().enumerate() {
                        let source = if m < count { low } else { high };
                        *row = &source[self.row(k * lines + i, self.center(), m % count) * width..]
                            [tile.clone()];
                    }
                    combine(&rows[..2 * count], &taps, [&mut x[tile.clone()]]);
                }
            }
        });
    }

    /// Row i + s(ahead − behind), modulo the number of rows.
    fn row(&self, i: usize, ahead: usize, behind: usize) -> usize {
        let rows = self.shape[0];
        (i + self.spacing * ahead + rows - self.spacing * behind % rows) % rows
    }

    fn pairs(&self) -> impl Iterator<Item = [T; 2]> + '_ {
        self.taps.low.iter().zip(&self.taps.high).map(|(&h, &g)| [h, g])
    }

    /// The taps of the low half, then of the high one.
    fn both(&self) -> Vec<[T; 1]> {
        self.taps.low.iter().chain(&self.taps.high).map(|&h| [h]).collect()
    }
}
