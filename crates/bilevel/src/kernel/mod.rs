//! The hot loops: dot products and scaled additions, dense and sparse; the only room with `unsafe`, but for the calls of its kernels and `design/storage.rs`.
//!
//! Dense kernels on `f64` use [`pulp`] (the widest SIMD instructions the processor has, chosen at run time). Kernels on `f32` storage
//! widen each element to `f64` before it is multiplied, so that only the *storage* is single precision.

mod dense;
mod sparse;

pub use dense::{axpy, dot, weighted_axpy, weighted_square};
pub use sparse::{Index, sparse_axpy, sparse_dot, sparse_weighted_axpy, sparse_weighted_square};

/// A floating point type that a design matrix may be stored in.
pub trait Element: Copy + Send + Sync + PartialEq + std::fmt::Debug + 'static {
    /// The element as `f64` (exact).
    fn to_f64(self) -> f64;
    /// The nearest element to `value`.
    fn from_f64(value: f64) -> Self;
    /// Σ a_i v_i.
    fn dot(a: &[Self], v: &[f64]) -> f64;
    /// out_i += s·a_i.
    fn axpy(s: f64, a: &[Self], out: &mut [f64]);
}

impl Element for f64 {
    #[inline]
    fn to_f64(self) -> f64 {
        self
    }
    #[inline]
    fn from_f64(value: f64) -> Self {
        value
    }
    #[inline]
    fn dot(a: &[Self], v: &[f64]) -> f64 {
        dot(a, v)
    }
    #[inline]
    fn axpy(s: f64, a: &[Self], out: &mut [f64]) {
        axpy(s, a, out);
    }
}

impl Element for f32 {
    #[inline]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    #[inline]
    #[allow(clippy::cast_possible_truncation)]
    fn from_f64(value: f64) -> Self {
        value as f32
    }
    #[inline]
    fn dot(a: &[Self], v: &[f64]) -> f64 {
        dense::dot_widening(a, v)
    }
    #[inline]
    fn axpy(s: f64, a: &[Self], out: &mut [f64]) {
        for (o, &x) in out.iter_mut().zip(a) {
            *o += s * f64::from(x);
        }
    }
}
