//! The precision that vectors of an operator are in.

use rustfft::FftNum;

use crate::kernel::Element;

/// `f32` or `f64`: a floating point type that operators calculate in.
pub trait Real: Element + FftNum {}

impl<T: Element + FftNum> Real for T {}

/// The nearest `T` to `value` (both supertraits of [`Real`] have a `from_f64`).
#[inline]
pub(super) fn real<T: Real>(value: f64) -> T {
    <T as Element>::from_f64(value)
}
