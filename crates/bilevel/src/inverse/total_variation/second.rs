//! The second-order part of the penalty, Σ β_i |(D²u)_i|, for the split at the gradient.
//!
//! ```text
//! |D²u| = √((∂_xx u)² + (∂_yy u)² + 2(∂_xy u)²)
//! ```
//!
//! ∂_xx and ∂_yy are centred, ∂_xy looks forward; over all pixels their squares sum to ‖D̃ᵀD̃u‖², so that the same transform diagonalizes them. As with first
//! differences, those that look across the edge cost nothing.
//!
//! Source: Papafitsoros, Schönlieb, "A combined first and second order variational approach for image reconstruction" (2014).

use std::f64::consts::SQRT_2;

use rayon::prelude::*;

use super::split::{BAND, RELAXATION};

/// Second differences d and multipliers y: planes of xx, yy and √2·xy.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Second {
    d: [Vec<f64>; 3],
    y: [Vec<f64>; 3],
}

/// The grid of the image, and what lies beyond its edge: the other edge, or the edge again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub rows: usize,
    pub cols: usize,
    pub periodic: bool,
}

impl Extent {
    fn before(self, k: usize, count: usize) -> usize {
        if k > 0 {
            k - 1
        } else if self.periodic {
            count - 1
        } else {
            0
        }
    }

    fn after(self, k: usize, count: usize) -> usize {
        if k + 1 < count {
            k + 1
        } else if self.periodic {
            0
        } else {
            k
        }
    }

    /// The second differences of a pixel.
    #[inline(always)]
    fn differences(self, u: &[f64], r: usize, c: usize) -> [f64; 3] {
        let at = |r: usize, c: usize| u[r * self.cols + c];
        let (left, right) = (self.before(c, self.cols), self.after(c, self.cols));
        let (up, down) = (self.before(r, self.rows), self.after(r, self.rows));
        let here = at(r, c);
        let mixed = (at(down, right) - at(down, c)) - (at(r, right) - here);
        [at(r, left) - 2.0 * here + at(r, right), at(up, c) - 2.0 * here + at(down, c), SQRT_2 * mixed]
    }

    /// Which of them look across the edge.
    #[inline(always)]
    fn are_free(self, r: usize, c: usize) -> [bool; 3] {
        let (bottom, end) = (r + 1 == self.rows, c + 1 == self.cols);
        [c == 0 || end, r == 0 || bottom, end || bottom]
    }

    /// Σ β_i |(D²u)_i|.
    pub fn penalty(self, u: &[f64], beta: &[f64]) -> f64 {
        let length = |i: usize| {
            let (r, c) = (i / self.cols, i % self.cols);
            let (h, free) = (self.differences(u, r, c), self.are_free(r, c));
            priced(&h, &free)
        };
        beta.iter().enumerate().map(|(i, beta)| beta * length(i)).sum()
    }
}

/// The length of what is not free.
#[inline(always)]
fn priced(t: &[f64; 3], free: &[bool; 3]) -> f64 {
    let square = |k: usize| if free[k] { 0.0 } else { t[k] * t[k] };
    (square(0) + square(1) + square(2)).sqrt()
}

impl Second {
    /// d = D̃²u, y = 0.
    pub fn of(extent: Extent, u: &[f64]) -> Self {
        let zeros = || std::array::from_fn(|_| vec![0.0; u.len()]);
        let (mut d, y): ([Vec<f64>; 3], _) = (zeros(), zeros());
        for i in 0..u.len() {
            let h = extent.differences(u, i / extent.cols, i % extent.cols);
            d.iter_mut().zip(h).for_each(|(plane, h)| plane[i] = h);
        }
        Self { d, y }
    }

    /// out += ρ D̃²ᵀ(d − y).
    pub fn add_adjoint(&self, extent: Extent, rho: f64, out: &mut [f64]) {
        let Extent { rows, cols, .. } = extent;
        let band = BAND.div_ceil(cols);
        let v = |k: usize, r: usize, c: usize| self.d[k][r * cols + c] - self.y[k][r * cols + c];
        out.par_chunks_mut(band * cols).enumerate().for_each(|(b, chunk)| {
            for (k, row) in chunk.chunks_exact_mut(cols).enumerate() {
                let r = b * band + k;
                let (up, down) = (extent.before(r, rows), extent.after(r, rows));
                // Mixed differences that would look across the edge are 0 where nothing lies there.
                let above = (r + rows - 1) % rows;
                for (c, out) in row.iter_mut().enumerate() {
                    let (left, right) = (extent.before(c, cols), extent.after(c, cols));
                    let behind = (c + cols - 1) % cols;
                    let xx = v(0, r, left) - 2.0 * v(0, r, c) + v(0, r, right);
                    let yy = v(1, up, c) - 2.0 * v(1, r, c) + v(1, down, c);
                    let xy = v(2, r, c) - v(2, r, behind) - v(2, above, c) + v(2, above, behind);
                    *out += rho * (xx + yy + SQRT_2 * xy);
                }
            }
        });
    }

    /// The new d and y; ‖D̃²u − d‖².
    pub fn threshold(&mut self, extent: Extent, u: &[f64], beta: &[f64], rho: f64) -> f64 {
        let Extent { cols, .. } = extent;
        let band = BAND.div_ceil(cols);
        let ([a, b, c], [ya, yb, yc]) = (&mut self.d, &mut self.y);
        let length = band * cols;
        let d = a.par_chunks_mut(length).zip(b.par_chunks_mut(length)).zip(c.par_chunks_mut(length));
        let y = ya.par_chunks_mut(length).zip(yb.par_chunks_mut(length)).zip(yc.par_chunks_mut(length));
        let one = |band_at: usize, d: [&mut [f64]; 3], y: [&mut [f64]; 3]| {
            let mut apart = 0.0;
            for local in 0..d[0].len() {
                let i = band_at * length + local;
                let (r, c) = (i / cols, i % cols);
                let (h, free) = (extent.differences(u, r, c), extent.are_free(r, c));
                let t: [f64; 3] = std::array::from_fn(|k| {
                    RELAXATION * h[k] + (1.0 - RELAXATION) * d[k][local] + y[k][local]
                });
                let keep = 1.0 - beta[i] / (rho * priced(&t, &free)).max(f64::MIN_POSITIVE);
                for k in 0..3 {
                    let next = if free[k] { t[k] } else { keep.max(0.0) * t[k] };
                    apart += (h[k] - next) * (h[k] - next);
                    (d[k][local], y[k][local]) = (next, t[k] - next);
                }
            }
            apart
        };
        let bands = d.zip(y).enumerate();
        let parts: Vec<f64> =
            bands.map(|(at, (((a, b), c), ((ya, yb), yc)))| one(at, [a, b, c], [ya, yb, yc])).collect();
        parts.iter().sum()
    }
}
