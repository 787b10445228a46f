//! The kernels against sums written out naively, to the rounding bound of floating-point summation.
//!
//! Two orders of summation of n products differ by at most 2γₙ Σ|aᵢbᵢ|, γₙ = nu/(1 − nu), u = 2⁻⁵³ (Higham, Accuracy and Stability of
//! Numerical Algorithms, §3.1). Lengths and offsets are drawn so that every vector width, unrolled loop and tail is met. The same tests
//! run under Miri, which sees every read out of bounds or misaligned.

use bilevel::kernel::{
    Element, Next, axpy, dot, sparse_axpy, sparse_dot, sparse_weighted_axpy, sparse_weighted_square,
    weighted_axpy, weighted_square,
};
use proptest::prelude::*;

const MAX_LENGTH: usize = if cfg!(miri) { 24 } else { 200 };
const MAX_OFFSET: usize = 9;

fn config() -> ProptestConfig {
    let cases = if cfg!(miri) { 4 } else { 400 };
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

/// 2γₙ Σ|terms|.
fn rounding_bound(terms: impl Iterator<Item = f64>) -> f64 {
    let (count, magnitude) = terms.fold((2.0, 0.0), |(n, s), t| (n + 1.0, s + t.abs()));
    let nu = count * f64::EPSILON / 2.0;
    2.0 * nu / (1.0 - nu) * magnitude
}

/// Values of very different size, zeros among them.
fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        1 => Just(0.0),
        4 => -1.0..1.0,
        2 => -1e8..1e8,
        2 => -1e-8..1e-8,
    ]
}

/// Two vectors of one length and the offset at which the kernel is to start in them.
fn two_vectors() -> impl Strategy<Value = (Vec<f64>, Vec<f64>, usize)> {
    (0..=MAX_LENGTH, 0..=MAX_OFFSET).prop_flat_map(|(length, offset)| {
        let vector = || prop::collection::vec(value(), length + offset);
        (vector(), vector(), Just(offset))
    })
}

/// A sparse column (distinct increasing rows, values) and a dense vector that is long enough for it.
fn column_and_vector() -> impl Strategy<Value = (Vec<u32>, Vec<f64>, Vec<f64>)> {
    (1..=MAX_LENGTH).prop_flat_map(|n| {
        let entries = prop::collection::btree_map(0..n as u32, value(), 0..=n);
        (entries, prop::collection::vec(value(), n)).prop_map(|(entries, v)| {
            (entries.keys().copied().collect(), entries.values().copied().collect(), v)
        })
    })
}

fn next() -> impl Strategy<Value = Next> {
    prop_oneof![Just(Next::Wanted), Just(Next::Other)]
}

fn to_f32(v: &[f64]) -> Vec<f32> {
    v.iter().map(|&x| f32::from_f64(x)).collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn dot_is_the_sum_of_products((a, b, offset) in two_vectors()) {
        let (a, b) = (&a[offset..], &b[offset..]);
        let terms = || a.iter().zip(b).map(|(x, y)| x * y);
        prop_assert!((dot(a, b) - terms().sum::<f64>()).abs() <= rounding_bound(terms()));
    }

    #[test]
    fn dot_with_single_precision_storage_rounds_the_storage_only((a, b, offset) in two_vectors()) {
        let a = to_f32(&a);
        let (a, b) = (&a[offset..], &b[offset..]);
        let terms = || a.iter().zip(b).map(|(&x, y)| f64::from(x) * y);
        prop_assert!((dot(a, b) - terms().sum::<f64>()).abs() <= rounding_bound(terms()));
    }

    #[test]
    fn axpy_adds_a_multiple_and_touches_nothing_else(s in value(), (x, y, offset) in two_vectors()) {
        let mut result = y.clone();
        axpy(s, &x[offset..], &mut result[offset..]);
        prop_assert_eq!(&result[..offset], &y[..offset]);
        for ((r, x), y) in result.iter().zip(&x).zip(&y).skip(offset) {
            prop_assert!((r - (y + s * x)).abs() <= rounding_bound([s * x, *y].into_iter()));
        }
    }

    #[test]
    fn axpy_with_single_precision_storage_rounds_the_storage_only(s in value(), (x, y, offset) in two_vectors()) {
        let x = to_f32(&x);
        let mut result = y.clone();
        axpy(s, &x[offset..], &mut result[offset..]);
        for ((r, &x), y) in result.iter().zip(&x).zip(&y).skip(offset) {
            let term = s * f64::from(x);
            prop_assert!((r - (y + term)).abs() <= rounding_bound([term, *y].into_iter()));
        }
    }

    #[test]
    fn weighted_square_is_the_sum_of_weighted_squares((a, w, offset) in two_vectors()) {
        let (a, w) = (&a[offset..], &w[offset..]);
        let terms = || a.iter().zip(w).map(|(x, w)| w * x * x);
        prop_assert!((weighted_square(a, w) - terms().sum::<f64>()).abs() <= rounding_bound(terms()));
        let single = to_f32(a);
        let terms = || single.iter().zip(w).map(|(&x, w)| w * f64::from(x) * f64::from(x));
        prop_assert!((weighted_square(&single, w) - terms().sum::<f64>()).abs() <= rounding_bound(terms()));
    }

    #[test]
    fn weighted_axpy_adds_the_weighted_multiple(s in value(), (a, w, offset) in two_vectors()) {
        let (a, w) = (&a[offset..], &w[offset..]);
        let single = to_f32(a);
        let (mut result, mut from_single) = (w.to_vec(), w.to_vec());
        weighted_axpy(s, a, w, &mut result);
        weighted_axpy(s, &single, w, &mut from_single);
        for i in 0..a.len() {
            let term = s * w[i] * a[i];
            prop_assert!((result[i] - (w[i] + term)).abs() <= rounding_bound([term, w[i]].into_iter()));
            let term = s * w[i] * f64::from(single[i]);
            prop_assert!((from_single[i] - (w[i] + term)).abs() <= rounding_bound([term, w[i]].into_iter()));
        }
    }

    #[test]
    fn sparse_kernels_equal_the_dense_ones_on_the_scattered_column(s in value(), (rows, values, v) in column_and_vector(), next in next()) {
        let mut scattered = vec![0.0; v.len()];
        rows.iter().zip(&values).for_each(|(&i, &a)| scattered[i as usize] = a);
        // SAFETY: `column_and_vector` draws rows below the length of v.
        let (product, square) = unsafe {
            (sparse_dot(&rows, &values, &v, next), sparse_weighted_square(&rows, &values, &v, next))
        };
        let terms = || scattered.iter().zip(&v).map(|(a, v)| a * v);
        prop_assert!((product - terms().sum::<f64>()).abs() <= rounding_bound(terms()));
        let terms = || scattered.iter().zip(&v).map(|(a, v)| v * a * a);
        prop_assert!((square - terms().sum::<f64>()).abs() <= rounding_bound(terms()));

        let mut result = v.clone();
        // SAFETY: as above; `result` is as long as v.
        unsafe { sparse_axpy(s, &rows, &values, &mut result, next) };
        for ((r, a), v) in result.iter().zip(&scattered).zip(&v) {
            prop_assert!((r - (v + s * a)).abs() <= rounding_bound([s * a, *v].into_iter()));
        }

        let mut result = v.clone();
        // SAFETY: as above; `result` is as long as v.
        unsafe { sparse_weighted_axpy(s, &rows, &values, &v, &mut result, next) };
        for ((r, a), v) in result.iter().zip(&scattered).zip(&v) {
            let term = s * v * a;
            prop_assert!((r - (v + term)).abs() <= rounding_bound([term, *v].into_iter()));
        }
    }

    #[test]
    fn sparse_kernels_with_single_precision_storage_round_the_storage_only((rows, values, v) in column_and_vector(), next in next()) {
        let single = to_f32(&values);
        let widened: Vec<f64> = single.iter().map(|&x| f64::from(x)).collect();
        // SAFETY: `column_and_vector` draws rows below the length of v.
        unsafe {
            prop_assert_eq!(sparse_dot(&rows, &single, &v, next), sparse_dot(&rows, &widened, &v, next));
            prop_assert_eq!(
                sparse_weighted_square(&rows, &single, &v, next),
                sparse_weighted_square(&rows, &widened, &v, next)
            );
        }
    }

    #[test]
    fn positions_in_two_bytes_give_the_digits_of_positions_in_four((rows, values, v) in column_and_vector(), next in next()) {
        let short: Vec<u16> = rows.iter().map(|&i| i as u16).collect();
        // SAFETY: `column_and_vector` draws rows below the length of v.
        unsafe { prop_assert_eq!(sparse_dot(&short, &values, &v, next), sparse_dot(&rows, &values, &v, Next::Other)) };
    }
}

/// A column that is longer than hints run ahead.
#[test]
fn hints_that_end_with_the_column_or_run_past_it_change_nothing() {
    const N: u32 = if cfg!(miri) { 600 } else { 1500 };
    let (rows, values): (Vec<u32>, Vec<f64>) = (0..N).map(|i| (i, f64::from(i % 8))).unzip();
    let ones = vec![1.0; N as usize];
    let exact: f64 = values.iter().sum();
    for next in [Next::Wanted, Next::Other] {
        let mut out = vec![0.0; N as usize];
        // SAFETY: the rows are those below N.
        unsafe {
            assert_eq!(sparse_dot(&rows, &values, &ones, next), exact);
            sparse_axpy(1.0, &rows, &values, &mut out, next);
        }
        assert_eq!(out, values);
    }
}

#[test]
fn dot_meets_every_length_around_the_vector_widths() {
    for length in 0..=MAX_LENGTH {
        // 0 + 1 + … + (n−1) is exact in double precision
        let a: Vec<f64> = (0..length).map(|i| i as f64).collect();
        let ones = vec![1.0; length];
        let triangular = (length * length.saturating_sub(1) / 2) as f64;
        assert_eq!(dot(&a, &ones), triangular, "length {length}");
        assert_eq!(dot(&to_f32(&a), &ones), triangular, "length {length}");
        assert_eq!(weighted_square(&ones, &a), triangular, "length {length}");
    }
}
