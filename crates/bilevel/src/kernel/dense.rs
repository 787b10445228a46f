//! Dense kernels. Shapes are checked by `debug_assert`; a shorter slice shortens the sum, so nothing can be read out of bounds.

use pulp::{Arch, Simd, WithSimd};

use super::Element;

/// Σ a_i b_i, with eight-fold unrolled SIMD accumulation.
///
/// ```
/// assert_eq!(bilevel::kernel::dot(&[1.0, 2.0], &[3.0, 4.0]), 11.0);
/// ```
#[inline]
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    debug_assert_eq!(a.len(), b.len());
    let n = a.len().min(b.len());
    if n < 16 {
        return a.iter().zip(b).map(|(x, y)| x * y).sum();
    }
    Arch::new().dispatch(Dot { a: &a[..n], b: &b[..n] })
}

struct Dot<'a> {
    a: &'a [f64],
    b: &'a [f64],
}

impl WithSimd for Dot<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let (a, a_tail) = S::as_simd_f64s(self.a);
        let (b, b_tail) = S::as_simd_f64s(self.b);
        let zero = simd.splat_f64s(0.0);
        let (mut s0, mut s1, mut s2, mut s3) = (zero, zero, zero, zero);
        let (a4, a1) = pulp::as_arrays::<4, _>(a);
        let (b4, b1) = pulp::as_arrays::<4, _>(b);
        for ([x0, x1, x2, x3], [y0, y1, y2, y3]) in a4.iter().zip(b4) {
            s0 = simd.mul_add_e_f64s(*x0, *y0, s0);
            s1 = simd.mul_add_e_f64s(*x1, *y1, s1);
            s2 = simd.mul_add_e_f64s(*x2, *y2, s2);
            s3 = simd.mul_add_e_f64s(*x3, *y3, s3);
        }
        for (x, y) in a1.iter().zip(b1) {
            s0 = simd.mul_add_e_f64s(*x, *y, s0);
        }
        let sum = simd.add_f64s(simd.add_f64s(s0, s1), simd.add_f64s(s2, s3));
        simd.reduce_sum_f64s(sum) + a_tail.iter().zip(b_tail).map(|(x, y)| x * y).sum::<f64>()
    }
}

/// y_i += s·x_i.
///
/// ```
/// let mut y = [1.0, 1.0];
/// bilevel::kernel::axpy(2.0, &[1.0, 3.0], &mut y);
/// assert_eq!(y, [3.0, 7.0]);
/// ```
#[inline]
pub fn axpy(s: f64, x: &[f64], y: &mut [f64]) {
    debug_assert_eq!(x.len(), y.len());
    let n = x.len().min(y.len());
    Arch::new().dispatch(Axpy { s, x: &x[..n], y: &mut y[..n] });
}

struct Axpy<'a> {
    s: f64,
    x: &'a [f64],
    y: &'a mut [f64],
}

impl WithSimd for Axpy<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (x, x_tail) = S::as_simd_f64s(self.x);
        let (y, y_tail) = S::as_mut_simd_f64s(self.y);
        let s = simd.splat_f64s(self.s);
        for (o, v) in y.iter_mut().zip(x) {
            *o = simd.mul_add_e_f64s(s, *v, *o);
        }
        for (o, v) in y_tail.iter_mut().zip(x_tail) {
            *o += self.s * v;
        }
    }
}

/// Σ w_i a_i².
#[inline]
pub fn weighted_square<T: Element>(a: &[T], w: &[f64]) -> f64 {
    debug_assert_eq!(a.len(), w.len());
    let n = a.len().min(w.len());
    let (a, w) = (&a[..n], &w[..n]);
    let (mut s0, mut s1, mut s2, mut s3) = (0.0, 0.0, 0.0, 0.0);
    let (a4, a_tail) = pulp::as_arrays::<4, _>(a);
    let (w4, w_tail) = pulp::as_arrays::<4, _>(w);
    for (x, w) in a4.iter().zip(w4) {
        s0 += w[0] * x[0].to_f64() * x[0].to_f64();
        s1 += w[1] * x[1].to_f64() * x[1].to_f64();
        s2 += w[2] * x[2].to_f64() * x[2].to_f64();
        s3 += w[3] * x[3].to_f64() * x[3].to_f64();
    }
    let tail: f64 = a_tail.iter().zip(w_tail).map(|(x, w)| w * x.to_f64() * x.to_f64()).sum();
    (s0 + s1) + (s2 + s3) + tail
}

/// out_i += s·w_i·a_i.
#[inline]
pub fn weighted_axpy<T: Element>(s: f64, a: &[T], w: &[f64], out: &mut [f64]) {
    debug_assert!(a.len() == w.len() && a.len() == out.len());
    for ((o, &x), &w) in out.iter_mut().zip(a).zip(w) {
        *o += s * w * x.to_f64();
    }
}

/// Σ a_i v_i with `f32` storage and `f64` arithmetic.
#[inline]
pub(super) fn dot_widening(a: &[f32], v: &[f64]) -> f64 {
    debug_assert_eq!(a.len(), v.len());
    let n = a.len().min(v.len());
    let (a, v) = (&a[..n], &v[..n]);
    let mut lanes = [0.0; 8];
    let (a8, a_tail) = pulp::as_arrays::<8, _>(a);
    let (v8, v_tail) = pulp::as_arrays::<8, _>(v);
    for (x, y) in a8.iter().zip(v8) {
        for k in 0..8 {
            lanes[k] += f64::from(x[k]) * y[k];
        }
    }
    let tail: f64 = a_tail.iter().zip(v_tail).map(|(&x, y)| f64::from(x) * y).sum();
    lanes.iter().sum::<f64>() + tail
}
