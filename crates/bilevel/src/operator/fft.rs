//! The discrete Fourier transform of real signals, images and volumes.
//!
//! X_k = Σ_i x_i exp(−2πi Σ_a k_a i_a / n_a), not scaled. A real x has X_{n−k} = conj X_k, so only frequencies 0…n/2 of the last axis (that is longer than 1)
//! are stored. *Modes are stored with the axes reversed*: the last axis is the slowest, because that is how they come out of the cache (see [`lines`](super::lines)).

use std::sync::Arc;

use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use rustfft::num_complex::Complex;
use rustfft::num_traits::Zero;
use rustfft::{Fft, FftPlanner};

use super::Real;
use super::grid::Grid;
use super::lines::{Turn, block, for_each_chunk, gather, rows_per_chunk};
use super::pool::Pool;

/// A planned transform of one grid.
pub(super) struct RealFft<T: Real> {
    /// Extents of the squeezed grid: slices, rows, columns.
    extents: [usize; 3],
    /// Stored frequencies of the last axis.
    half: usize,
    rows: Arc<dyn RealToComplex<T>>,
    rows_back: Arc<dyn ComplexToReal<T>>,
    columns: Plan<T>,
    slices: Plan<T>,
    buffers: Pool<Complex<T>>,
}

/// A complex transform of one length and its inverse.
struct Plan<T> {
    forward: Arc<dyn Fft<T>>,
    inverse: Arc<dyn Fft<T>>,
}

impl<T: Real> Plan<T> {
    fn new(planner: &mut FftPlanner<T>, length: usize) -> Self {
        Self { forward: planner.plan_fft_forward(length), inverse: planner.plan_fft_inverse(length) }
    }

    /// Room for one thread to transform in.
    fn scratch(&self) -> Vec<Complex<T>> {
        let length = self.forward.get_inplace_scratch_len().max(self.inverse.get_inplace_scratch_len());
        vec![Complex::zero(); length]
    }
}

impl<T: Real> RealFft<T> {
    pub(super) fn new(grid: Grid) -> Self {
        let extents = grid.squeezed();
        let [slices, rows, columns] = extents;
        let (mut real, mut complex) = (RealFftPlanner::new(), FftPlanner::new());
        let half = columns / 2 + 1;
        Self {
            extents,
            half,
            rows: real.plan_fft_forward(columns),
            rows_back: real.plan_fft_inverse(columns),
            columns: Plan::new(&mut complex, rows),
            slices: Plan::new(&mut complex, slices),
            buffers: Pool::new(slices * rows * half),
        }
    }

    /// Number of stored frequencies.
    pub(super) fn n_modes(&self) -> usize {
        self.extents[0] * self.extents[1] * self.half
    }

    /// modes = F x.
    pub(super) fn forward(&self, x: &[T], modes: &mut [Complex<T>]) {
        self.buffers.with(Complex::zero(), |spare| {
            self.forward_then(x, modes, spare, |plan, scratch, _, line| {
                plan.forward.process_with_scratch(line, scratch);
            });
        });
    }

    /// out = Fᵀ modes, with the modes that are not stored conjugate to those that are: n times the inverse transform. Spoils `modes`.
    pub(super) fn inverse(&self, modes: &mut [Complex<T>], out: &mut [T]) {
        let [slices, rows, _] = self.extents;
        let (plan, line) = if slices > 1 { (&self.slices, slices) } else { (&self.columns, rows) };
        if line > 1 {
            for_each_chunk(
                modes,
                line * rows_per_chunk(line),
                || plan.scratch(),
                |scratch, _, lines| {
                    plan.inverse.process_with_scratch(lines, scratch);
                },
            );
        }
        self.buffers.with(Complex::zero(), |spare| self.finish(modes, spare, out));
    }

    /// out = Fᵀ act(F x): what a convolution does. `act(first, modes)` changes a stretch of modes that begins at mode `first`.
    pub(super) fn filter(
        &self,
        x: &[T],
        out: &mut [T],
        act: impl Fn(usize, &mut [Complex<T>]) + Sync + Send,
    ) {
        self.buffers.with(Complex::zero(), |modes| {
            self.buffers.with(Complex::zero(), |spare| {
                self.forward_then(x, modes, spare, |plan, scratch, first, line| {
                    plan.forward.process_with_scratch(line, scratch);
                    act(first, line);
                    plan.inverse.process_with_scratch(line, scratch);
                });
                if self.extents[1] == 1 {
                    act(0, modes);
                }
                self.finish(modes, spare, out);
            });
        });
    }

    /// Transforms along all axes but the slowest, and lets `last` do what is to be done along that one; a signal has none but its rows.
    fn forward_then(
        &self,
        x: &[T],
        modes: &mut [Complex<T>],
        spare: &mut [Complex<T>],
        last: impl Fn(&Plan<T>, &mut [Complex<T>], usize, &mut [Complex<T>]) + Sync + Send,
    ) {
        let [slices, rows, _] = self.extents;
        let half = self.half;
        let to_columns = Turn { batch: 1, rows: slices * rows, columns: half, line: rows };
        match (slices, rows) {
            (1, 1) => self.rows_forward(x, modes),
            (1, _) => {
                self.rows_forward(x, spare);
                let plan = &self.columns;
                to_columns.run(spare, modes, || plan.scratch(), |s, first, line| last(plan, s, first, line));
            }
            _ => {
                self.rows_forward(x, modes);
                let plan = &self.columns;
                to_columns.run(
                    modes,
                    spare,
                    || plan.scratch(),
                    |s, _, line| plan.forward.process_with_scratch(line, s),
                );
                let plan = &self.slices;
                let to_slices = Turn { batch: half, rows: slices, columns: rows, line: slices };
                to_slices.run(spare, modes, || plan.scratch(), |s, first, line| last(plan, s, first, line));
            }
        }
    }

    /// The inverse transform of modes that were already transformed back along the slowest axis.
    fn finish(&self, modes: &[Complex<T>], spare: &mut [Complex<T>], out: &mut [T]) {
        let [slices, rows, _] = self.extents;
        if slices == 1 {
            return self.rows_backward(modes, out);
        }
        let plan = &self.columns;
        let to_columns = Turn { batch: self.half, rows, columns: slices, line: rows };
        to_columns.run(
            modes,
            spare,
            || plan.scratch(),
            |s, _, line| plan.inverse.process_with_scratch(line, s),
        );
        self.rows_backward(spare, out);
    }

    fn rows_forward(&self, x: &[T], modes: &mut [Complex<T>]) {
        let (columns, half) = (self.extents[2], self.half);
        let at_once = rows_per_chunk(columns);
        let room = || (vec![T::zero(); columns], self.rows.make_scratch_vec());
        for_each_chunk(modes, at_once * half, room, |(row, scratch), chunk, modes| {
            let x = &x[chunk * at_once * columns..];
            for (x, modes) in x.chunks_exact(columns).zip(modes.chunks_exact_mut(half)) {
                row.copy_from_slice(x);
                let done = self.rows.process_with_scratch(row, modes, scratch);
                debug_assert!(done.is_ok(), "the lengths are the plan's own");
            }
        });
    }

    /// Real rows from half rows of modes that stand in columns.
    fn rows_backward(&self, modes: &[Complex<T>], out: &mut [T]) {
        let [slices, rows, columns] = self.extents;
        let (half, all_rows) = (self.half, slices * rows);
        let room =
            || (vec![Complex::zero(); block().min(all_rows) * half], self.rows_back.make_scratch_vec());
        for_each_chunk(out, block() * columns, room, |(lines, scratch), chunk, out| {
            gather(modes, all_rows, chunk * block(), lines, half);
            for (line, out) in lines.chunks_exact_mut(half).zip(out.chunks_exact_mut(columns)) {
                // Real rows have real first modes, and a real last one if their length is even; rounding does not know.
                line[0].im = T::zero();
                if columns.is_multiple_of(2) {
                    line[half - 1].im = T::zero();
                }
                let done = self.rows_back.process_with_scratch(line, out, scratch);
                debug_assert!(done.is_ok(), "the lengths are the plan's own");
            }
        });
    }
}
