//! Sparse kernels: a column is a pair (row indices, values) of equal length.
//!
//! The callers (`CscMatrix`) guarantee, by validation at construction, that every index is below the length of the dense vector;
//! each kernel is `unsafe` in exactly that promise and is exercised by property tests and under Miri.

use super::Element;

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

/// `Σ_k values_k · v[rows_k]`.
///
/// # Safety
/// Every element of `rows` must be below `v.len()`.
#[inline]
pub unsafe fn sparse_dot<I: Index, T: Element>(rows: &[I], values: &[T], v: &[f64]) -> f64 {
    debug_assert!(rows.iter().all(|i| i.position() < v.len()));
    let (mut s0, mut s1) = (0.0, 0.0);
    let (r2, r_tail) = pulp::as_arrays::<2, _>(rows);
    let (x2, x_tail) = pulp::as_arrays::<2, _>(values);
    for (r, x) in r2.iter().zip(x2) {
        // SAFETY: the caller promises rows < v.len().
        unsafe {
            s0 += x[0].to_f64() * v.get_unchecked(r[0].position());
            s1 += x[1].to_f64() * v.get_unchecked(r[1].position());
        }
    }
    if let ([r], [x]) = (r_tail, x_tail) {
        // SAFETY: as above.
        s0 += x.to_f64() * unsafe { v.get_unchecked(r.position()) };
    }
    s0 + s1
}

/// `out[rows_k] += s · values_k`.
///
/// # Safety
/// Every element of `rows` must be below `out.len()`.
#[inline]
pub unsafe fn sparse_axpy<I: Index, T: Element>(s: f64, rows: &[I], values: &[T], out: &mut [f64]) {
    debug_assert!(rows.iter().all(|i| i.position() < out.len()));
    for (&r, x) in rows.iter().zip(values) {
        // SAFETY: the caller promises rows < out.len().
        unsafe {
            *out.get_unchecked_mut(r.position()) += s * x.to_f64();
        }
    }
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
) {
    debug_assert!(rows.iter().all(|&i| (i as usize) < out.len().min(w.len())));
    for (&r, x) in rows.iter().zip(values) {
        // SAFETY: the caller promises rows < w.len() and rows < out.len().
        unsafe {
            *out.get_unchecked_mut(r as usize) += s * w.get_unchecked(r as usize) * x.to_f64();
        }
    }
}

/// `Σ_k w[rows_k] · values_k²`.
///
/// # Safety
/// Every element of `rows` must be below `w.len()`.
#[inline]
pub unsafe fn sparse_weighted_square<T: Element>(rows: &[u32], values: &[T], w: &[f64]) -> f64 {
    debug_assert!(rows.iter().all(|&i| (i as usize) < w.len()));
    let mut sum = 0.0;
    for (&r, x) in rows.iter().zip(values) {
        let x = x.to_f64();
        // SAFETY: the caller promises rows < w.len().
        sum += unsafe { w.get_unchecked(r as usize) } * x * x;
    }
    sum
}
