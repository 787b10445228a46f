//! Sparse kernels: a column is a pair (row indices, values) of equal length.
//!
//! The callers (`CscMatrix`) guarantee, by validation at construction, that every index is below the length of the dense vector;
//! each kernel is `unsafe` in exactly that promise and is exercised by property tests and under Miri.
//!
//! A kernel is told what follows a column in memory, because what it hints at (see `prefetch`) may as well be fetched for nothing.

use super::element::Element;
use super::prefetch::prefetch;

/// An unsigned integer that positions are stored in.
pub trait Index: Copy {
    /// The position.
    fn position(self) -> usize;
}

impl Index for u16 {
    #[inline]
    fn position(self) -> usize {
        self.into()
    }
}

impl Index for u32 {
    #[inline]
    fn position(self) -> usize {
        self as usize
    }
}

/// What lies behind a column in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The column that is wanted next: a product with all columns.
    Wanted,
    /// Something else.
    Other,
    /// Whatever it is, it lies in a near cache, and hints would only take time.
    Cached,
}

/// Sums side by side.
const LANES: usize = 4;
/// Entries between two hints: the row indices of one cache line.
const BLOCK: usize = 16;
/// Entries that hints run ahead: 2 KB of indices, 4 KB of values.
const AHEAD: usize = 512;

/// Visits the entries of a column in order, each with the sum that it belongs to, and hints at those to come.
#[inline(always)]
fn each<I: Index, T: Element>(
    rows: &[I],
    values: &[T],
    next: Next,
    mut visit: impl FnMut(usize, usize, f64),
) {
    debug_assert_eq!(rows.len(), values.len());
    let (row_blocks, rows_left) = pulp::as_arrays::<BLOCK, _>(rows);
    let (value_blocks, values_left) = pulp::as_arrays::<BLOCK, _>(values);
    let hinted = match next {
        Next::Wanted => rows.len(),
        Next::Other => rows.len().saturating_sub(AHEAD),
        Next::Cached => 0,
    };
    if next == Next::Other && rows.len() >= 2 * BLOCK {
        for place in (0..rows.len().min(AHEAD)).step_by(BLOCK) {
            hint(rows, values, place);
        }
    }
    let mut place = 0;
    for (r, x) in row_blocks.iter().zip(value_blocks) {
        if place < hinted {
            hint(r, x, AHEAD);
        }
        (0..BLOCK).for_each(|k| visit(k % LANES, r[k].position(), x[k].to_f64()));
        place += BLOCK;
    }
    if place < hinted {
        hint(rows_left, values_left, AHEAD);
    }
    let (row_blocks, rows_left) = pulp::as_arrays::<LANES, _>(rows_left);
    let (value_blocks, values_left) = pulp::as_arrays::<LANES, _>(values_left);
    for (r, x) in row_blocks.iter().zip(value_blocks) {
        (0..LANES).for_each(|k| visit(k, r[k].position(), x[k].to_f64()));
    }
    rows_left.iter().zip(values_left).for_each(|(r, x)| visit(0, r.position(), x.to_f64()));
}

/// Hints at the block of entries that lies `ahead` of a place.
#[inline(always)]
fn hint<I, T>(rows: &[I], values: &[T], ahead: usize) {
    prefetch(rows, ahead);
    prefetch(values, ahead);
    if size_of::<T>() > 4 {
        prefetch(values, ahead + BLOCK / 2);
    }
}

/// `Σ_k values_k · v[rows_k]`.
///
/// # Safety
/// Every element of `rows` must be below `v.len()`.
#[inline]
pub unsafe fn sparse_dot<I: Index, T: Element>(rows: &[I], values: &[T], v: &[f64], next: Next) -> f64 {
    debug_assert!(rows.iter().all(|i| i.position() < v.len()));
    let mut sums = [0.0; LANES];
    // SAFETY: the caller promises rows < v.len().
    each(rows, values, next, |k, r, x| sums[k] += x * unsafe { v.get_unchecked(r) });
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

/// `out[rows_k] += s · values_k`.
///
/// # Safety
/// Every element of `rows` must be below `out.len()`.
#[inline]
pub unsafe fn sparse_axpy<I: Index, T: Element>(
    s: f64,
    rows: &[I],
    values: &[T],
    out: &mut [f64],
    next: Next,
) {
    debug_assert!(rows.iter().all(|i| i.position() < out.len()));
    // SAFETY: the caller promises rows < out.len().
    each(rows, values, next, |_, r, x| unsafe { *out.get_unchecked_mut(r) += s * x });
}

/// `out[rows_k] += s · w[rows_k] · values_k`.
///
/// # Safety
/// Every element of `rows` must be below `w.len()` and below `out.len()`.
#[inline]
pub unsafe fn sparse_weighted_axpy<T: Element>(
    s: f64,
    rows: &[u32],
    values: &[T],
    w: &[f64],
    out: &mut [f64],
    next: Next,
) {
    debug_assert!(rows.iter().all(|&i| (i as usize) < out.len().min(w.len())));
    // SAFETY: the caller promises rows < w.len() and rows < out.len().
    each(rows, values, next, |_, r, x| unsafe { *out.get_unchecked_mut(r) += s * w.get_unchecked(r) * x });
}

/// `Σ_k w[rows_k] · values_k²`.
///
/// # Safety
/// Every element of `rows` must be below `w.len()`.
#[inline]
pub unsafe fn sparse_weighted_square<T: Element>(rows: &[u32], values: &[T], w: &[f64], next: Next) -> f64 {
    debug_assert!(rows.iter().all(|&i| (i as usize) < w.len()));
    let mut sums = [0.0; LANES];
    // SAFETY: the caller promises rows < w.len().
    each(rows, values, next, |k, r, x| sums[k] += unsafe { w.get_unchecked(r) } * x * x);
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}
