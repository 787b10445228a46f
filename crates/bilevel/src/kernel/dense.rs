//! Dense kernels. Shapes are checked by `debug_assert`; a shorter slice shortens the sum, so nothing can be read out of bounds.

use pulp::{Arch, Simd, WithSimd};

use super::element::{Element, Widen};
use super::prefetch::{FAR, LINE, NEAR, prefetch};

/// Vectors in one step of a loop.
const UNROLLED: usize = 4;
/// A vector of more elements does not stay in the first cache while a column streams past it: from here on hints pay, and so does
/// reading it once for several columns.
pub(crate) const LEAVES_CACHE: usize = 4096;
/// Columns that share one pass over a vector.
pub(crate) const TOGETHER: usize = 4;

/// Σ a_i v_i, in double precision.
///
/// ```
/// assert_eq!(bilevel::kernel::dot(&[1.0, 2.0], &[3.0, 4.0]), 11.0);
/// assert_eq!(bilevel::kernel::dot(&[1.0_f32, 2.0], &[3.0, 4.0]), 11.0);
/// ```
#[inline]
pub fn dot<T: Element>(a: &[T], v: &[f64]) -> f64 {
    debug_assert_eq!(a.len(), v.len());
    let n = a.len().min(v.len());
    if n < 16 {
        return a.iter().zip(v).map(|(x, y)| x.to_f64() * y).sum();
    }
    Arch::new().dispatch(Dot { a: &a[..n], v: &v[..n] })
}

struct Dot<'a, T> {
    a: &'a [T],
    v: &'a [f64],
}

impl<T: Element> WithSimd for Dot<'_, T> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let hints = self.a.len() > LEAVES_CACHE;
        let (step, mut sums) = (UNROLLED * S::F64_LANES, [simd.splat_f64s(0.0); UNROLLED]);
        let (mut a, mut v) = (self.a.chunks_exact(step), self.v.chunks_exact(step));
        for (a, v) in a.by_ref().zip(v.by_ref()) {
            if hints {
                hint(a, FAR);
                hint(v, NEAR);
            }
            let (xs, ys) = (a.chunks_exact(S::F64_LANES), v.chunks_exact(S::F64_LANES));
            for (sum, (x, y)) in sums.iter_mut().zip(xs.zip(ys)) {
                *sum = simd.mul_add_e_f64s(T::widen(simd, x), f64::widen(simd, y), *sum);
            }
        }
        let (mut a, mut v) =
            (a.remainder().chunks_exact(S::F64_LANES), v.remainder().chunks_exact(S::F64_LANES));
        for (x, y) in a.by_ref().zip(v.by_ref()) {
            sums[0] = simd.mul_add_e_f64s(T::widen(simd, x), f64::widen(simd, y), sums[0]);
        }
        let sum = simd.add_f64s(simd.add_f64s(sums[0], sums[1]), simd.add_f64s(sums[2], sums[3]));
        let tail: f64 = a.remainder().iter().zip(v.remainder()).map(|(x, y)| x.to_f64() * y).sum();
        simd.reduce_sum_f64s(sum) + tail
    }
}

/// Hints at the lines that lie `bytes` after those of a slice.
#[inline(always)]
fn hint<T>(slice: &[T], bytes: usize) {
    for line in 0..size_of_val(slice).div_ceil(LINE) {
        prefetch(slice, (bytes + line * LINE) / size_of::<T>());
    }
}

/// The products of several columns with one vector that is read once: what a product with the transpose is made of. The sum of a column
/// does not depend on the others.
#[inline]
pub(crate) fn dots<T: Element>(columns: [&[T]; TOGETHER], v: &[f64]) -> [f64; TOGETHER] {
    let n = columns.iter().map(|c| c.len()).fold(v.len(), usize::min);
    Arch::new().dispatch(Dots { columns: columns.map(|c| &c[..n]), v: &v[..n] })
}

struct Dots<'a, T> {
    columns: [&'a [T]; TOGETHER],
    v: &'a [f64],
}

impl<T: Element> WithSimd for Dots<'_, T> {
    type Output = [f64; TOGETHER];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [f64; TOGETHER] {
        // two sums for each column: as many as there are registers for
        let (step, mut sums) = (2 * S::F64_LANES, [[simd.splat_f64s(0.0); 2]; TOGETHER]);
        let whole = self.v.len() - self.v.len() % step;
        for start in (0..whole).step_by(step) {
            let y = [0, S::F64_LANES].map(|o| f64::widen(simd, &self.v[start + o..][..S::F64_LANES]));
            for (sums, column) in sums.iter_mut().zip(&self.columns) {
                let column = &column[start..start + step];
                for ((sum, x), y) in sums.iter_mut().zip(column.chunks_exact(S::F64_LANES)).zip(y) {
                    *sum = simd.mul_add_e_f64s(T::widen(simd, x), y, *sum);
                }
            }
        }
        let mut products = [0.0; TOGETHER];
        for ((product, sums), column) in products.iter_mut().zip(sums).zip(&self.columns) {
            let tail = column[whole..].iter().zip(&self.v[whole..]).map(|(x, y)| x.to_f64() * y).sum::<f64>();
            *product = simd.reduce_sum_f64s(simd.add_f64s(sums[0], sums[1])) + tail;
        }
        products
    }
}

/// y_i += s·x_i, in double precision.
///
/// ```
/// let mut y = [1.0, 1.0];
/// bilevel::kernel::axpy(2.0, &[1.0, 3.0], &mut y);
/// assert_eq!(y, [3.0, 7.0]);
/// ```
#[inline]
pub fn axpy<T: Element>(s: f64, x: &[T], y: &mut [f64]) {
    debug_assert_eq!(x.len(), y.len());
    axpys([s], [x], y);
}

/// y_i += Σ_k s_k·x_ki, the terms added one after the other: what a product with the matrix is made of.
#[inline]
pub(crate) fn axpys<T: Element, const C: usize>(s: [f64; C], x: [&[T]; C], y: &mut [f64]) {
    let n = x.iter().map(|x| x.len()).fold(y.len(), usize::min);
    Arch::new().dispatch(Axpys { s, x: x.map(|x| &x[..n]), y: &mut y[..n] });
}

struct Axpys<'a, T, const C: usize> {
    s: [f64; C],
    x: [&'a [T]; C],
    y: &'a mut [f64],
}

impl<T: Element, const C: usize> WithSimd for Axpys<'_, T, C> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let factors = self.s.map(|s| simd.splat_f64s(s));
        let hints = C == 1 && self.y.len() > LEAVES_CACHE;
        let (step, n) = (UNROLLED * S::F64_LANES, self.y.len());
        let (unrolled, vectors) = (n - n % step, n - n % S::F64_LANES);
        for start in (0..unrolled).step_by(step) {
            let (columns, y) = (self.x.map(|x| &x[start..start + step]), &mut self.y[start..start + step]);
            if hints {
                hint(columns[0], FAR);
                hint(y, NEAR);
            }
            add_vectors(simd, factors, columns, y);
        }
        add_vectors(simd, factors, self.x.map(|x| &x[unrolled..vectors]), &mut self.y[unrolled..vectors]);
        for (i, y) in self.y.iter_mut().enumerate().skip(vectors) {
            self.x.iter().zip(self.s).for_each(|(x, s)| *y += s * x[i].to_f64());
        }
    }
}

/// `axpys` on whole vectors.
#[inline(always)]
fn add_vectors<S: Simd, T: Element, const C: usize>(
    simd: S,
    factors: [S::f64s; C],
    x: [&[T]; C],
    y: &mut [f64],
) {
    for (k, y) in S::as_mut_simd_f64s(y).0.iter_mut().enumerate() {
        let mut sum = *y;
        for (x, factor) in x.iter().zip(factors) {
            sum = simd.mul_add_e_f64s(
                factor,
                T::widen(simd, &x[k * S::F64_LANES..(k + 1) * S::F64_LANES]),
                sum,
            );
        }
        *y = sum;
    }
}

/// Σ w_i a_i².
#[inline]
pub fn weighted_square<T: Element>(a: &[T], w: &[f64]) -> f64 {
    debug_assert_eq!(a.len(), w.len());
    let n = a.len().min(w.len());
    Arch::new().dispatch(WeightedSquare { a: &a[..n], w: &w[..n] })
}

struct WeightedSquare<'a, T> {
    a: &'a [T],
    w: &'a [f64],
}

impl<T: Element> WithSimd for WeightedSquare<'_, T> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let hints = self.a.len() > LEAVES_CACHE;
        let (step, mut sums) = (UNROLLED * S::F64_LANES, [simd.splat_f64s(0.0); UNROLLED]);
        let (mut a, mut w) = (self.a.chunks_exact(step), self.w.chunks_exact(step));
        for (a, w) in a.by_ref().zip(w.by_ref()) {
            if hints {
                hint(a, FAR);
                hint(w, NEAR);
            }
            let (xs, ws) = (a.chunks_exact(S::F64_LANES), w.chunks_exact(S::F64_LANES));
            for (sum, (x, w)) in sums.iter_mut().zip(xs.zip(ws)) {
                *sum = add_square(simd, x, w, *sum);
            }
        }
        let (mut a, mut w) =
            (a.remainder().chunks_exact(S::F64_LANES), w.remainder().chunks_exact(S::F64_LANES));
        for (x, w) in a.by_ref().zip(w.by_ref()) {
            sums[0] = add_square(simd, x, w, sums[0]);
        }
        let sum = simd.add_f64s(simd.add_f64s(sums[0], sums[1]), simd.add_f64s(sums[2], sums[3]));
        let tail = a.remainder().iter().zip(w.remainder()).map(|(x, w)| w * x.to_f64() * x.to_f64());
        simd.reduce_sum_f64s(sum) + tail.sum::<f64>()
    }
}

/// sum + w·x² on one vector.
#[inline(always)]
fn add_square<S: Simd, T: Element>(simd: S, x: &[T], w: &[f64], sum: S::f64s) -> S::f64s {
    let x = T::widen(simd, x);
    simd.mul_add_e_f64s(simd.mul_f64s(f64::widen(simd, w), x), x, sum)
}

/// out_i += s·w_i·a_i.
#[inline]
pub fn weighted_axpy<T: Element>(s: f64, a: &[T], w: &[f64], out: &mut [f64]) {
    debug_assert!(a.len() == w.len() && a.len() == out.len());
    let n = a.len().min(w.len()).min(out.len());
    Arch::new().dispatch(WeightedAxpy { s, a: &a[..n], w: &w[..n], out: &mut out[..n] });
}

struct WeightedAxpy<'a, T> {
    s: f64,
    a: &'a [T],
    w: &'a [f64],
    out: &'a mut [f64],
}

impl<T: Element> WithSimd for WeightedAxpy<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { s, a, w, out } = self;
        let hints = a.len() > LEAVES_CACHE;
        let factor = simd.splat_f64s(s);
        let (step, n) = (UNROLLED * S::F64_LANES, out.len());
        let (unrolled, vectors) = (n - n % step, n - n % S::F64_LANES);
        for start in (0..unrolled).step_by(step) {
            let (a, w, out) =
                (&a[start..start + step], &w[start..start + step], &mut out[start..start + step]);
            if hints {
                hint(a, FAR);
                hint(w, NEAR);
                hint(out, NEAR);
            }
            add_weighted(simd, factor, a, w, out);
        }
        add_weighted(simd, factor, &a[unrolled..vectors], &w[unrolled..vectors], &mut out[unrolled..vectors]);
        for ((o, x), w) in out[vectors..].iter_mut().zip(&a[vectors..]).zip(&w[vectors..]) {
            *o += s * w * x.to_f64();
        }
    }
}

/// `weighted_axpy` on whole vectors.
#[inline(always)]
fn add_weighted<S: Simd, T: Element>(simd: S, factor: S::f64s, a: &[T], w: &[f64], out: &mut [f64]) {
    for (k, out) in S::as_mut_simd_f64s(out).0.iter_mut().enumerate() {
        let lanes = k * S::F64_LANES..(k + 1) * S::F64_LANES;
        let weighted = simd.mul_f64s(factor, f64::widen(simd, &w[lanes.clone()]));
        *out = simd.mul_add_e_f64s(weighted, T::widen(simd, &a[lanes]), *out);
    }
}
