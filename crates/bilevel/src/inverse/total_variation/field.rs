//! The hot loops of total variation: forward differences with Neumann boundary, their adjoint, and one step of the dual method, fused.
//!
//! A dual field p has two planes of the image's size; p_x vanishes in the last column and p_y in the last row, which the differences are blind to.
//! So (Dᵀp)(r, c) = p_x(r, c−1) − p_x(r, c) + p_y(r−1, c) − p_y(r, c) needs care at the left and the upper edge only.
//! Rows are taken in bands of fixed size, in parallel; sums over bands run in their order, so that nothing depends on the number of threads.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Pixels in a band: below this a second thread costs more than it brings.
const BAND: usize = 16_384;

/// Weights α are taken within these: their squares are numbers, and no image of numbers feels the difference.
pub(super) const SMALLEST_WEIGHT: f64 = 1e-150;
pub(super) const LARGEST_WEIGHT: f64 = 1e150;

/// Everything about min_u Σ ½w(u−f)² + Σ α h_ε(|Du|) that the loops read.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub rows: usize,
    pub cols: usize,
    /// f.
    pub image: Vec<f64>,
    /// w > 0.
    pub data: Vec<f64>,
    /// 1/w.
    pub inverse_data: Vec<f64>,
    /// α > 0.
    pub alpha: Vec<f64>,
    /// ε ≥ 0: h_ε(t) = t²/(2ε) up to ε and t − ε/2 beyond.
    pub smoothing: f64,
    pub non_negative: bool,
    /// Step of the dual method at each pixel.
    step: Vec<f64>,
    /// 1 − step·ε/α.
    damping: Vec<f64>,
}

/// A dual field.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    pub x: Vec<f64>,
    pub y: Vec<f64>,
}

impl Field {
    pub fn zeros(size: usize) -> Self {
        Self { x: vec![0.0; size], y: vec![0.0; size] }
    }
}

/// A primal value with the dual value that belongs to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gap {
    pub primal: f64,
    pub dual: f64,
}

impl Gap {
    /// At least 0; relative to the primal value. Values that are no numbers prove nothing.
    pub fn relative(&self) -> f64 {
        let gap = self.primal - self.dual;
        if gap.is_nan() { f64::INFINITY } else { gap.max(0.0) / self.primal.abs().max(f64::MIN_POSITIVE) }
    }
}

impl Problem {
    pub fn new(
        (rows, cols): (usize, usize),
        image: &[f64],
        data: Vec<f64>,
        mut alpha: Vec<f64>,
        smoothing: f64,
        non_negative: bool,
    ) -> Self {
        alpha.iter_mut().for_each(|alpha| *alpha = alpha.clamp(SMALLEST_WEIGHT, LARGEST_WEIGHT));
        let inverse_data: Vec<f64> = data.iter().map(|w| 1.0 / w).collect();
        let at = |r: usize, c: usize| inverse_data[r.min(rows - 1) * cols + c.min(cols - 1)];
        // D W⁻¹Dᵀ is below the diagonal 4(1/w_i + 1/w_j), j the neighbour that a difference looks at (four differences touch a pixel).
        let step: Vec<f64> = (0..rows * cols)
            .map(|i| {
                let (r, c) = (i / cols, i % cols);
                let curvature = 4.0 * (at(r, c) + at(r, c + 1).max(at(r + 1, c)));
                1.0 / (curvature + smoothing / alpha[i])
            })
            .collect();
        let damping = step.iter().zip(&alpha).map(|(s, a)| 1.0 - s * smoothing / a).collect();
        let image = image.to_vec();
        Self { rows, cols, image, data, inverse_data, alpha, smoothing, non_negative, step, damping }
    }

    pub fn len(&self) -> usize {
        self.rows * self.cols
    }

    fn band_rows(&self) -> usize {
        BAND.div_ceil(self.cols).min(self.rows)
    }

    /// u = max(f − W⁻¹Dᵀp, 0 if asked) on one row.
    #[inline(always)]
    fn primal_row(&self, p: &Field, r: usize, out: &mut [f64]) {
        let cols = self.cols;
        let range = r * cols..(r + 1) * cols;
        let (x, y) = (&p.x[range.clone()], &p.y[range.clone()]);
        let (f, v) = (&self.image[range.clone()], &self.inverse_data[range]);
        let out = &mut out[..cols];
        if r == 0 {
            out.copy_from_slice(y);
        } else {
            let up = &p.y[(r - 1) * cols..r * cols];
            out.iter_mut().zip(y).zip(up).for_each(|((o, y), up)| *o = y - up);
        }
        out[0] += x[0];
        let horizontal = out[1..].iter_mut().zip(x[1..].iter().zip(&x[..cols - 1]));
        horizontal.for_each(|(o, (x, left))| *o += x - left);
        out.iter_mut().zip(f).zip(v).for_each(|((o, f), v)| *o = f + v * *o);
        if self.non_negative {
            out.iter_mut().for_each(|o| *o = o.max(0.0));
        }
    }

    /// u(p), the minimizer of the Lagrangian.
    pub fn primal(&self, p: &Field, out: &mut [f64]) {
        let band = self.band_rows();
        out.par_chunks_mut(band * self.cols).enumerate().for_each(|(b, chunk)| {
            let rows = chunk.chunks_exact_mut(self.cols).enumerate();
            rows.for_each(|(k, row)| self.primal_row(p, b * band + k, row));
        });
    }

    /// One accelerated projected gradient step on the dual from the extrapolated point `ahead`: `p` becomes the new iterate, `next` the new extrapolated
    /// point with momentum `beta`. Returns ⟨ahead − p⁺, p⁺ − p⟩, positive where the momentum leads uphill.
    pub fn dual_step(&self, ahead: &Field, p: &mut Field, next: &mut Field, beta: f64) -> f64 {
        let (rows, size) = (self.band_rows(), self.band_rows() * self.cols);
        let one = |b: usize, p: (&mut [f64], &mut [f64]), next: (&mut [f64], &mut [f64])| {
            Arch::new().dispatch(Band { problem: self, ahead, first: b * rows, p, next, beta })
        };
        if size >= self.len() {
            return one(0, (&mut p.x, &mut p.y), (&mut next.x, &mut next.y));
        }
        let planes = p.x.par_chunks_mut(size).zip(p.y.par_chunks_mut(size));
        let nexts = next.x.par_chunks_mut(size).zip(next.y.par_chunks_mut(size));
        let parts: Vec<f64> = planes.zip(nexts).enumerate().map(|(b, (p, next))| one(b, p, next)).collect();
        parts.iter().sum()
    }

    /// (Du)(i).
    #[inline(always)]
    pub fn gradient_at(&self, u: &[f64], i: usize) -> (f64, f64) {
        let right = if (i + 1).is_multiple_of(self.cols) { 0.0 } else { u[i + 1] - u[i] };
        let down = if i + self.cols >= u.len() { 0.0 } else { u[i + self.cols] - u[i] };
        (right, down)
    }

    /// out = Dᵀp.
    pub fn divergence_adjoint(&self, p: &Field, out: &mut [f64]) {
        for (i, out) in out.iter_mut().enumerate() {
            let left = if i % self.cols == 0 { 0.0 } else { p.x[i - 1] };
            let up = if i < self.cols { 0.0 } else { p.y[i - self.cols] };
            *out = left - p.x[i] + up - p.y[i];
        }
    }

    /// h_ε(t).
    pub fn penalty(&self, length: f64) -> f64 {
        if length > self.smoothing {
            length - 0.5 * self.smoothing
        } else if self.smoothing > 0.0 {
            0.5 * length * length / self.smoothing
        } else {
            length
        }
    }

    /// Σ over rows of `term(row)`, in parallel bands, summed in order.
    fn sum_rows(&self, term: impl Fn(usize) -> f64 + Sync) -> f64 {
        let band = self.band_rows();
        let parts: Vec<f64> = (0..self.rows.div_ceil(band))
            .into_par_iter()
            .map(|b| (b * band..((b + 1) * band).min(self.rows)).map(&term).sum())
            .collect();
        parts.iter().sum()
    }

    /// Σ ½w(u−f)² + Σ α h_ε(|Du|).
    pub fn objective(&self, u: &[f64]) -> f64 {
        self.sum_rows(|r| {
            (r * self.cols..(r + 1) * self.cols)
                .map(|i| {
                    let (gx, gy) = self.gradient_at(u, i);
                    let misfit = u[i] - self.image[i];
                    0.5 * self.data[i] * misfit * misfit
                        + self.alpha[i] * self.penalty((gx * gx + gy * gy).sqrt())
                })
                .sum()
        })
    }

    /// The dual value at p, given u(p): the smallest value that the objective can have.
    pub fn dual_value(&self, p: &Field, u: &[f64]) -> f64 {
        self.sum_rows(|r| {
            (r * self.cols..(r + 1) * self.cols)
                .map(|i| {
                    let (gx, gy) = self.gradient_at(u, i);
                    let misfit = u[i] - self.image[i];
                    let square = p.x[i] * p.x[i] + p.y[i] * p.y[i];
                    0.5 * self.data[i] * misfit * misfit + gx * p.x[i] + gy * p.y[i]
                        - 0.5 * self.smoothing / self.alpha[i] * square
                })
                .sum()
        })
    }

    /// Brings p into |p_i| ≤ α_i.
    pub fn project(&self, p: &mut Field) {
        for ((x, y), &alpha) in p.x.iter_mut().zip(&mut p.y).zip(&self.alpha) {
            let length = (*x * *x + *y * *y).sqrt();
            if length > alpha {
                let scale = alpha / length;
                *x *= scale;
                *y *= scale;
            }
        }
    }
}

/// The rows of one band.
struct Band<'a, 'o> {
    problem: &'a Problem,
    ahead: &'a Field,
    first: usize,
    p: (&'o mut [f64], &'o mut [f64]),
    next: (&'o mut [f64], &'o mut [f64]),
    beta: f64,
}

impl WithSimd for Band<'_, '_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        let Self { problem, ahead, first, p, next, beta } = self;
        let cols = problem.cols;
        let (mut u, mut below, mut gx) = (vec![0.0; cols], vec![0.0; cols], vec![0.0; cols]);
        problem.primal_row(ahead, first, &mut u);
        let mut uphill = 0.0;
        for k in 0..p.0.len() / cols {
            let (r, local) = (first + k, k * cols..(k + 1) * cols);
            if r + 1 < problem.rows {
                problem.primal_row(ahead, r + 1, &mut below);
            } else {
                below.copy_from_slice(&u);
            }
            let differences = gx[..cols - 1].iter_mut().zip(u[1..].iter().zip(&u[..cols - 1]));
            differences.for_each(|(g, (right, u))| *g = right - u);
            let global = r * cols..(r + 1) * cols;
            let row = Row {
                gradient: (&gx, &u, &below),
                ahead: (&ahead.x[global.clone()], &ahead.y[global.clone()]),
                alpha: &problem.alpha[global.clone()],
                step: &problem.step[global.clone()],
                damping: &problem.damping[global],
            };
            let p = (&mut p.0[local.clone()], &mut p.1[local.clone()]);
            uphill += row.update(p, (&mut next.0[local.clone()], &mut next.1[local]), beta);
            std::mem::swap(&mut u, &mut below);
        }
        uphill
    }
}

/// What the update of one row reads.
struct Row<'a> {
    /// The horizontal difference, the row and the row below.
    gradient: (&'a [f64], &'a [f64], &'a [f64]),
    ahead: (&'a [f64], &'a [f64]),
    alpha: &'a [f64],
    step: &'a [f64],
    damping: &'a [f64],
}

/// Partial sums of a row, so that the additions need not wait for each other.
const LANES: usize = 8;

impl Row<'_> {
    #[inline(always)]
    fn update(&self, p: (&mut [f64], &mut [f64]), next: (&mut [f64], &mut [f64]), beta: f64) -> f64 {
        let n = p.0.len();
        let mut sums = [0.0; LANES];
        let mut from = 0;
        while from + LANES <= n {
            self.update_lanes(from, LANES, p.0, p.1, next.0, next.1, beta, &mut sums);
            from += LANES;
        }
        self.update_lanes(from, n - from, p.0, p.1, next.0, next.1, beta, &mut sums);
        sums.iter().sum()
    }

    /// p⁺ = projection of damping·ahead + step·Du to |p| ≤ α, on `count` pixels.
    #[inline(always)]
    #[expect(
        clippy::too_many_arguments,
        reason = "the planes are separate slices so that the loop becomes vector instructions"
    )]
    fn update_lanes(
        &self,
        from: usize,
        count: usize,
        px: &mut [f64],
        py: &mut [f64],
        nx: &mut [f64],
        ny: &mut [f64],
        beta: f64,
        sums: &mut [f64; LANES],
    ) {
        let range = from..from + count;
        let (gx, u, below) = (
            &self.gradient.0[range.clone()],
            &self.gradient.1[range.clone()],
            &self.gradient.2[range.clone()],
        );
        let (ax, ay) = (&self.ahead.0[range.clone()], &self.ahead.1[range.clone()]);
        let (alpha, step) = (&self.alpha[range.clone()], &self.step[range.clone()]);
        let damping = &self.damping[range.clone()];
        let (px, py) = (&mut px[range.clone()], &mut py[range.clone()]);
        let (nx, ny) = (&mut nx[range.clone()], &mut ny[range]);
        for i in 0..count.min(LANES) {
            let x = damping[i] * ax[i] + step[i] * gx[i];
            let y = damping[i] * ay[i] + step[i] * (below[i] - u[i]);
            let scale = alpha[i] / (x * x + y * y).max(alpha[i] * alpha[i]).sqrt();
            let (x, y) = (x * scale, y * scale);
            let (dx, dy) = (x - px[i], y - py[i]);
            sums[i] += (ax[i] - x) * dx + (ay[i] - y) * dy;
            nx[i] = x + beta * dx;
            ny[i] = y + beta * dy;
            px[i] = x;
            py[i] = y;
        }
    }
}
