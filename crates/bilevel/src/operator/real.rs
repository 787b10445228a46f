//! The precision that vectors of an operator are in.

use std::ops::AddAssign;

use rustfft::FftNum;

use crate::kernel::Element;
use crate::{Error, Result};

/// `f32` or `f64`: a floating point type that operators calculate in.
pub trait Real: Element + FftNum + Default + AddAssign {}

impl<T: Element + FftNum + Default + AddAssign> Real for T {}

/// The nearest `T` to `value` (both supertraits of [`Real`] have a `from_f64`).
#[inline]
pub(super) fn real<T: Real>(value: f64) -> T {
    <T as Element>::from_f64(value)
}

/// Refuses a number that is infinite in the precision of an operator: times zero, it would be NaN.
pub(super) fn check_range<T: Real>(what: &str, value: f64) -> Result<()> {
    if Element::to_f64(real::<T>(value)).is_finite() {
        return Ok(());
    }
    Err(Error::data(
        what,
        value.to_string(),
        format!("a number that {} can hold", std::any::type_name::<T>()),
    ))
}
