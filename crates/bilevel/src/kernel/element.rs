//! What a design matrix may be stored in, and how the kernels read it.

use pulp::Simd;

/// A floating point type that a design matrix may be stored in.
pub trait Element: Widen + Copy + Send + Sync + PartialEq + std::fmt::Debug + 'static {
    /// The element as `f64` (exact).
    fn to_f64(self) -> f64;
    /// The nearest element to `value`.
    fn from_f64(value: f64) -> Self;
}

/// How elements become a vector of double precision: the part of [`Element`] that only kernels need.
pub trait Widen: Sized {
    /// `values`, as many as a vector has lanes.
    fn widen<S: Simd>(simd: S, values: &[Self]) -> S::f64s;
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
}

impl Widen for f64 {
    #[inline(always)]
    fn widen<S: Simd>(_: S, values: &[Self]) -> S::f64s {
        S::as_simd_f64s(values).0[0]
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
}

impl Widen for f32 {
    #[inline(always)]
    fn widen<S: Simd>(simd: S, values: &[Self]) -> S::f64s {
        let mut wide = simd.splat_f64s(0.0);
        let lanes: &mut [f64] = bytemuck::cast_slice_mut(std::slice::from_mut(&mut wide));
        lanes.iter_mut().zip(values).for_each(|(lane, &x)| *lane = f64::from(x));
        wide
    }
}
