//! The orthonormal discrete cosine transform DCT-II.
//!
//! X_k = s_k Σ_i x_i cos(π k (2i + 1) / 2n), s_0 = √(1/n), s_k = √(2/n), along each axis: an orthogonal matrix, whose transpose is its inverse (DCT-III).
//! A line takes one real FFT of its own length (Makhoul, "A fast cosine transform in one and two dimensions", 1980): even samples forward, then odd ones
//! backward.

use std::sync::Arc;

use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use rustfft::num_complex::Complex;
use rustfft::num_traits::Zero;

use super::grid::Grid;
use super::lines::{Turn, for_each_chunk, rows_per_chunk};
use super::pool::Pool;
use super::real::real;
use super::spectrum::{Basis, Modes, Spectral};
use super::{LinearOperator, Real};
use crate::Result;

/// The orthonormal DCT-II of a signal, an image or a volume; the adjoint is the inverse.
///
/// Coefficients lie as samples do: coefficient (0, 0) first, the frequencies of the last axis contiguous.
///
/// # Example
/// ```
/// use bilevel::operator::{Cosine, LinearOperator};
///
/// let transform = Cosine::<f64>::new(&[2, 2])?;
/// let coefficients = transform.apply(&[1.0, 1.0, 1.0, 1.0])?;
/// assert!((coefficients[0] - 2.0).abs() < 1e-15 && coefficients[1..].iter().all(|c| c.abs() < 1e-15));
/// assert!(transform.adjoint(&coefficients)?.iter().all(|x| (x - 1.0).abs() < 1e-15));
/// # Ok::<(), bilevel::Error>(())
/// ```
pub struct Cosine<T: Real = f64> {
    grid: Grid,
    plan: CosinePlan<T>,
}

impl<T: Real> Cosine<T> {
    /// The transform of a shape of one to three axes.
    ///
    /// # Errors
    /// As [`Grid::new`].
    pub fn new(shape: &[usize]) -> Result<Self> {
        let grid = Grid::new(shape)?;
        Ok(Self { grid, plan: CosinePlan::new(grid) })
    }
}

impl<T: Real> LinearOperator<T> for Cosine<T> {
    fn n_rows(&self) -> usize {
        self.grid.size()
    }
    fn n_columns(&self) -> usize {
        self.grid.size()
    }
    fn apply_into(&self, x: &[T], out: &mut [T]) -> Result<()> {
        self.plan.in_sample_order(x, out, Direction::Forward);
        Ok(())
    }
    fn adjoint_into(&self, y: &[T], out: &mut [T]) -> Result<()> {
        self.plan.in_sample_order(y, out, Direction::Inverse);
        Ok(())
    }
    fn spectral(&self) -> Option<&dyn Spectral> {
        Some(self)
    }
}

/// AᵀA = I, which is diagonal in every basis.
impl<T: Real> Spectral for Cosine<T> {
    fn basis(&self) -> Option<Basis> {
        None
    }
    fn eigenvalues(&self, _: &Basis) -> Option<Modes> {
        None
    }
    fn gram_eigenvalues(&self, basis: &Basis) -> Option<Vec<f64>> {
        (*basis.grid() == self.grid).then(|| vec![1.0; basis.n_modes()])
    }
}

/// From samples to coefficients, or back.
#[derive(Clone, Copy)]
pub(super) enum Direction {
    Forward,
    Inverse,
}

/// A planned transform of one grid. Modes have their axes reversed, as those of the [Fourier transform](super::fft).
pub(super) struct CosinePlan<T: Real> {
    extents: [usize; 3],
    axes: [LinePlan<T>; 3],
    buffers: Pool<T>,
}

impl<T: Real> CosinePlan<T> {
    pub(super) fn new(grid: Grid) -> Self {
        let extents = grid.squeezed();
        let mut planner = RealFftPlanner::new();
        Self {
            extents,
            axes: extents.map(|n| LinePlan::new(&mut planner, n)),
            buffers: Pool::new(grid.size()),
        }
    }

    /// modes = C x, axes reversed.
    pub(super) fn forward(&self, x: &[T], modes: &mut [T]) {
        self.buffers.with(T::zero(), |spare| {
            self.forward_then(x, modes, spare, |plan, room, _, line| plan.forward(line, room));
        });
    }

    /// out = Cᵀ modes, axes of the modes reversed. Spoils `modes`.
    pub(super) fn inverse(&self, modes: &mut [T], out: &mut [T]) {
        let plan = self.slowest();
        let at_once = rows_per_chunk(plan.length);
        for_each_chunk(
            modes,
            plan.length * at_once,
            || plan.room(),
            |room, _, lines| {
                lines.chunks_exact_mut(plan.length).for_each(|line| plan.inverse(line, room));
            },
        );
        self.buffers.with(T::zero(), |spare| self.finish(modes, spare, out));
    }

    /// out = Cᵀ diag(eigenvalues) C x, the eigenvalues with their axes reversed.
    pub(super) fn filter(&self, x: &[T], out: &mut [T], eigenvalues: &[T]) {
        self.buffers.with(T::zero(), |modes| {
            self.buffers.with(T::zero(), |spare| {
                self.forward_then(x, modes, spare, |plan, room, first, line| {
                    plan.forward(line, room);
                    line.iter_mut().zip(&eigenvalues[first..]).for_each(|(c, &e)| *c = *c * e);
                    plan.inverse(line, room);
                });
                self.finish(modes, spare, out);
            });
        });
    }

    /// The plan of the axis that is transformed last, and the lines of whose modes are contiguous.
    fn slowest(&self) -> &LinePlan<T> {
        self.axes.iter().find(|plan| plan.length > 1).unwrap_or(&self.axes[2])
    }

    fn forward_then(
        &self,
        x: &[T],
        modes: &mut [T],
        spare: &mut [T],
        last: impl Fn(&LinePlan<T>, &mut Room<T>, usize, &mut [T]) + Sync + Send,
    ) {
        let [slices, rows, columns] = self.extents;
        let [over_slices, over_rows, over_columns] = &self.axes;
        let to_columns = Turn { batch: 1, rows: slices * rows, columns, line: rows };
        match (slices, rows) {
            (1, 1) => over_columns.rows(x, modes, |room, first, line| last(over_columns, room, first, line)),
            (1, _) => {
                over_columns.rows(x, spare, |room, _, line| over_columns.forward(line, room));
                to_columns.run(
                    spare,
                    modes,
                    || over_rows.room(),
                    |room, first, line| last(over_rows, room, first, line),
                );
            }
            _ => {
                over_columns.rows(x, modes, |room, _, line| over_columns.forward(line, room));
                to_columns.run(
                    modes,
                    spare,
                    || over_rows.room(),
                    |room, _, line| over_rows.forward(line, room),
                );
                let to_slices = Turn { batch: columns, rows: slices, columns: rows, line: slices };
                to_slices.run(
                    spare,
                    modes,
                    || over_slices.room(),
                    |room, first, line| {
                        last(over_slices, room, first, line);
                    },
                );
            }
        }
    }

    /// The inverse transform of modes that were already transformed back along the slowest axis.
    fn finish(&self, modes: &[T], spare: &mut [T], out: &mut [T]) {
        let [slices, rows, columns] = self.extents;
        let [_, over_rows, over_columns] = &self.axes;
        let to_rows = Turn { batch: 1, rows: columns, columns: slices * rows, line: columns };
        let last = |room: &mut Room<T>, _: usize, line: &mut [T]| over_columns.inverse(line, room);
        match (slices, rows) {
            (1, 1) => out.copy_from_slice(modes),
            (1, _) => to_rows.run(modes, out, || over_columns.room(), last),
            _ => {
                let to_columns = Turn { batch: columns, rows, columns: slices, line: rows };
                to_columns.run(
                    modes,
                    spare,
                    || over_rows.room(),
                    |room, _, line| over_rows.inverse(line, room),
                );
                to_rows.run(spare, out, || over_columns.room(), last);
            }
        }
    }

    /// Both ends in the order of samples: one turn for each axis brings the axes back to where they were.
    fn in_sample_order(&self, x: &[T], out: &mut [T], direction: Direction) {
        let turn = |axis: usize, from: &[T], to: &mut [T]| {
            let plan = &self.axes[axis];
            let turn =
                Turn { batch: 1, rows: plan.length, columns: from.len() / plan.length, line: plan.length };
            turn.run(from, to, || plan.room(), |room, _, line| plan.transform(line, room, direction));
        };
        match self.extents {
            [1, 1, _] => {
                let plan = &self.axes[2];
                plan.rows(x, out, |room, _, line| plan.transform(line, room, direction));
            }
            [1, _, _] => self.buffers.with(T::zero(), |spare| {
                turn(1, x, spare);
                turn(2, spare, out);
            }),
            _ => self.buffers.with(T::zero(), |spare| {
                turn(0, x, out);
                turn(1, out, spare);
                turn(2, spare, out);
            }),
        }
    }
}

/// The transform of one line.
struct LinePlan<T: Real> {
    length: usize,
    forward: Arc<dyn RealToComplex<T>>,
    inverse: Arc<dyn ComplexToReal<T>>,
    /// s_k exp(−iπk / 2n) for k ≤ n/2.
    twiddles: Vec<Complex<T>>,
}

/// What one thread transforms a line in.
pub(super) struct Room<T> {
    samples: Vec<T>,
    modes: Vec<Complex<T>>,
    scratch: Vec<Complex<T>>,
}

impl<T: Real> LinePlan<T> {
    fn new(planner: &mut RealFftPlanner<T>, length: usize) -> Self {
        let n = length as f64;
        let twiddle = |k: usize| {
            let size = if k == 0 { (1.0 / n).sqrt() } else { (2.0 / n).sqrt() };
            let (sine, cosine) = (std::f64::consts::PI * k as f64 / (2.0 * n)).sin_cos();
            Complex::new(real(size * cosine), real(-size * sine))
        };
        Self {
            length,
            forward: planner.plan_fft_forward(length),
            inverse: planner.plan_fft_inverse(length),
            twiddles: (0..=length / 2).map(twiddle).collect(),
        }
    }

    fn room(&self) -> Room<T> {
        let scratch = self.forward.get_scratch_len().max(self.inverse.get_scratch_len());
        Room {
            samples: vec![T::zero(); self.length],
            modes: vec![Complex::zero(); self.length / 2 + 1],
            scratch: vec![Complex::zero(); scratch],
        }
    }

    /// Copies `x` to `out` and transforms its rows, which are lines of this plan.
    fn rows(&self, x: &[T], out: &mut [T], transform: impl Fn(&mut Room<T>, usize, &mut [T]) + Sync + Send) {
        let chunk_length = self.length * rows_per_chunk(self.length);
        for_each_chunk(
            out,
            chunk_length,
            || self.room(),
            |room, chunk, out| {
                let first = chunk * chunk_length;
                out.copy_from_slice(&x[first..first + out.len()]);
                for (k, line) in out.chunks_exact_mut(self.length).enumerate() {
                    transform(room, first + k * self.length, line);
                }
            },
        );
    }

    fn transform(&self, line: &mut [T], room: &mut Room<T>, direction: Direction) {
        match direction {
            Direction::Forward => self.forward(line, room),
            Direction::Inverse => self.inverse(line, room),
        }
    }

    fn forward(&self, line: &mut [T], room: &mut Room<T>) {
        let n = self.length;
        let (even, odd) = room.samples.split_at_mut(n.div_ceil(2));
        for (pair, even) in line.chunks(2).zip(even) {
            *even = pair[0];
        }
        for (pair, odd) in line.chunks_exact(2).zip(odd.iter_mut().rev()) {
            *odd = pair[1];
        }
        let done = self.forward.process_with_scratch(&mut room.samples, &mut room.modes, &mut room.scratch);
        debug_assert!(done.is_ok(), "the lengths are the plan's own");
        // With V the transform of the permuted line, X_k = Re s_k e^{−iπk/2n} V_k and X_{n−k} = −Im of the same.
        line[0] = room.modes[0].re * self.twiddles[0].re;
        for (k, (&mode, &twiddle)) in room.modes.iter().zip(&self.twiddles).enumerate().skip(1) {
            let turned = mode * twiddle;
            line[n - k] = -turned.im;
            line[k] = turned.re;
        }
    }

    fn inverse(&self, line: &mut [T], room: &mut Room<T>) {
        let n = self.length;
        // V_k = conj(s_k e^{−iπk/2n}) (X_k − i X_{n−k}) up to the 1/n and the 2/(n s_k²) that make it the inverse; together they are 1 and 1/2.
        room.modes[0] = Complex::new(line[0] * self.twiddles[0].re, T::zero());
        let half: T = real(0.5);
        for (k, (mode, twiddle)) in room.modes.iter_mut().zip(&self.twiddles).enumerate().skip(1) {
            *mode = twiddle.conj() * Complex::new(line[k] * half, -line[n - k] * half);
        }
        if n.is_multiple_of(2) {
            room.modes[n / 2].im = T::zero();
        }
        let done = self.inverse.process_with_scratch(&mut room.modes, &mut room.samples, &mut room.scratch);
        debug_assert!(done.is_ok(), "the lengths are the plan's own");
        let (even, odd) = room.samples.split_at(n.div_ceil(2));
        for (pair, &even) in line.chunks_mut(2).zip(even) {
            pair[0] = even;
        }
        for (pair, &odd) in line.chunks_exact_mut(2).zip(odd.iter().rev()) {
            pair[1] = odd;
        }
    }
}
