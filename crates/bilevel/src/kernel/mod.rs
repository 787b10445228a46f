//! The hot loops: dot products and scaled additions, dense and sparse; the only room with `unsafe`, but for the calls of its kernels and `design/storage.rs`.
//!
//! Dense kernels use [`pulp`] (the widest SIMD instructions the processor has, chosen at run time). Elements of `f32` storage are
//! widened to `f64` before they are multiplied, so that only the *storage* is single precision.

mod dense;
mod element;
mod prefetch;
mod sparse;

pub(crate) use dense::{LEAVES_CACHE, TOGETHER, axpys, dots};
pub use dense::{axpy, dot, weighted_axpy, weighted_square};
pub use element::Element;
pub use sparse::{Index, Next, sparse_axpy, sparse_dot, sparse_weighted_axpy, sparse_weighted_square};
