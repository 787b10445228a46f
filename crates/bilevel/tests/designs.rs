//! All storages of a design matrix are one matrix: dense, compressed columns, single precision and scaled agree in every product.

#![allow(clippy::unwrap_used)] // the helpers make matrices that are valid by construction

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bilevel::Error;
use bilevel::design::{CscMatrix, DenseMatrix, Design, DesignMatrix, ScaledDesign, unsigned_indices};
use proptest::prelude::*;

const MAX_SIZE: usize = if cfg!(miri) { 6 } else { 24 };

fn config() -> ProptestConfig {
    let cases = if cfg!(miri) { 4 } else { 200 };
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

/// A matrix as rows × columns × entries (column major), many of them zero. Entries are multiples of 1/8 below 16 in size: exact in
/// single precision, and their products and sums exact in double precision, so that storages must agree to the last bit.
#[derive(Debug, Clone)]
struct Entries {
    n: usize,
    p: usize,
    values: Vec<f64>,
}

fn eighth() -> impl Strategy<Value = f64> {
    (-128..=128_i32).prop_map(|k| f64::from(k) / 8.0)
}

fn entries() -> impl Strategy<Value = Entries> {
    (1..=MAX_SIZE, 1..=MAX_SIZE).prop_flat_map(|(n, p)| entries_of_size(n, p))
}

fn entries_of_size(n: usize, p: usize) -> impl Strategy<Value = Entries> {
    let entry = prop_oneof![Just(0.0), eighth()];
    prop::collection::vec(entry, n * p).prop_map(move |values| Entries { n, p, values })
}

fn with_vectors() -> impl Strategy<Value = (Entries, Vec<f64>, Vec<f64>, f64)> {
    entries().prop_flat_map(|a| {
        let of_length = |length| prop::collection::vec(eighth(), length);
        let (n, p) = (a.n, a.p);
        (Just(a), of_length(n), of_length(p), eighth())
    })
}

impl Entries {
    fn at(&self, i: usize, j: usize) -> f64 {
        self.values[j * self.n + i]
    }

    fn dense(&self) -> Design {
        Design::Dense(DenseMatrix::new(self.n, self.p, self.values.clone()).unwrap())
    }

    fn sparse(&self) -> Design {
        let (mut starts, mut rows, mut values) = (vec![0], Vec::new(), Vec::new());
        for column in self.values.chunks(self.n) {
            for (i, &a) in column.iter().enumerate().filter(|(_, a)| **a != 0.0) {
                rows.push(i as u32);
                values.push(a);
            }
            starts.push(values.len());
        }
        Design::Sparse(CscMatrix::new(self.n, starts, rows, values).unwrap())
    }

    /// The same arrays, owned by nobody in particular.
    fn shared(&self) -> [Design; 2] {
        let Design::Sparse(sparse) = self.sparse() else { unreachable!() };
        let (starts, rows, values) = sparse.parts();
        let rows: Vec<i32> = rows.iter().map(|&i| i as i32).collect();
        let (rows, values) = (unsigned_indices(Arc::new(rows)).unwrap(), Arc::new(values.to_vec()));
        [
            Design::Dense(DenseMatrix::from_shared(self.n, self.p, Arc::new(self.values.clone())).unwrap()),
            Design::Sparse(CscMatrix::from_shared(self.n, starts.to_vec(), rows, values).unwrap()),
        ]
    }

    fn storages(&self) -> [Design; 6] {
        let [dense, sparse] = self.shared();
        [self.dense(), self.sparse(), self.dense().into_f32(), self.sparse().into_f32(), dense, sparse]
    }

    fn of(design: &impl DesignMatrix) -> Self {
        let (n, p) = (design.n_rows(), design.n_columns());
        let mut values = vec![0.0; n * p];
        for j in 0..p {
            design.visit_column(j, |i, a| values[j * n + i] = a);
        }
        Self { n, p, values }
    }
}

/// Every method of the trait, against the entries.
fn assert_is_the_matrix(design: &impl DesignMatrix, expected: &Entries, v: &[f64], c: &[f64], s: f64) {
    let (n, p) = (expected.n, expected.p);
    assert_eq!((design.n_rows(), design.n_columns()), (n, p));
    assert_eq!(design.n_stored(), (0..p).map(|j| design.column_stored(j)).sum::<usize>());
    assert_eq!(Entries::of(design).values, expected.values);
    for j in 0..p {
        let column = |i| expected.at(i, j);
        assert_eq!(design.column_dot(j, v), (0..n).map(|i| column(i) * v[i]).sum::<f64>());
        let squares = (0..n).map(|i| v[i] * column(i) * column(i)).sum::<f64>();
        assert_eq!(design.column_weighted_square(j, v), squares);
        let mut out = v.to_vec();
        design.column_axpy(j, s, &mut out);
        assert!((0..n).all(|i| out[i] == v[i] + s * column(i)));
        let mut out = vec![s; n];
        design.column_weighted_axpy(j, s, v, &mut out);
        assert!((0..n).all(|i| out[i] == s + s * v[i] * column(i)));
    }
    let mut transposed = vec![f64::NAN; p];
    design.transpose_product_into(v, &mut transposed);
    assert!((0..p).all(|j| transposed[j] == design.column_dot(j, v)));
    let columns: Vec<u32> = (0..p as u32).rev().collect();
    let mut some = vec![f64::NAN; p];
    design.columns_dot_into(&columns, v, &mut some);
    assert!(some.iter().zip(columns).all(|(&x, j)| x == transposed[j as usize]));
    let mut product = vec![f64::NAN; n];
    design.product_into(c, &mut product);
    assert!((0..n).all(|i| product[i] == (0..p).map(|j| expected.at(i, j) * c[j]).sum::<f64>()));
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_storage_is_the_same_matrix((a, v, c, s) in with_vectors()) {
        for design in a.storages() {
            assert_is_the_matrix(&design, &a, &v, &c, s);
        }
    }

    #[test]
    fn a_scaled_design_is_the_matrix_with_scaled_columns((a, v, c, s) in with_vectors()) {
        let mut scaled = a.clone();
        for (j, column) in scaled.values.chunks_mut(a.n).enumerate() {
            column.iter_mut().for_each(|x| *x *= c[j]);
        }
        for design in a.storages() {
            assert_is_the_matrix(&ScaledDesign::new(&design, None), &a, &v, &c, s);
            let view = ScaledDesign::new(&design, Some(c.clone()));
            prop_assert_eq!(view.factor(0), c[0]);
            assert_is_the_matrix(&view, &scaled, &v, &c, s);
        }
    }

    #[test]
    fn selected_rows_are_the_rows_asked_for_in_that_order(
        (a, rows) in entries().prop_flat_map(|a| {
            let rows = prop::collection::vec(0..a.n, 0..2 * MAX_SIZE);
            (Just(a), rows)
        })
    ) {
        for design in a.storages() {
            let selected = design.select_rows(&rows).unwrap();
            prop_assert_eq!((selected.n_rows(), selected.n_columns()), (rows.len(), a.p));
            for j in 0..a.p {
                let mut column = vec![0.0; rows.len()];
                selected.visit_column(j, |i, x| column[i] = x);
                prop_assert!(rows.iter().zip(&column).all(|(&i, &x)| x == a.at(i, j)));
            }
            prop_assert_eq!(selected.is_sparse(), design.is_sparse());
        }
    }

    #[test]
    fn stacking_is_undone_by_selecting_and_keeps_the_storage_of_the_upper_part(
        (above, below) in (1..=MAX_SIZE, 1..=MAX_SIZE, 1..=MAX_SIZE)
            .prop_flat_map(|(n, m, p)| (entries_of_size(n, p), entries_of_size(m, p)))
    ) {
        for upper in above.storages() {
            for lower in below.storages() {
                let stacked = upper.clone().stack(lower).unwrap();
                prop_assert_eq!(std::mem::discriminant(&stacked), std::mem::discriminant(&upper));
                let upper_rows: Vec<usize> = (0..above.n).collect();
                let lower_rows: Vec<usize> = (above.n..above.n + below.n).collect();
                prop_assert_eq!(Entries::of(&stacked.select_rows(&upper_rows).unwrap()).values, above.values.clone());
                prop_assert_eq!(Entries::of(&stacked.select_rows(&lower_rows).unwrap()).values, below.values.clone());
            }
        }
    }

    #[test]
    fn compressed_columns_are_accepted_exactly_when_they_are_well_formed(
        n in 1_usize..5,
        starts in prop::collection::vec(0_usize..5, 0..5),
        rows in prop::collection::vec(0_u32..6, 0..5),
    ) {
        let stored = rows.len();
        let monotone = starts.first() == Some(&0)
            && starts.last() == Some(&stored)
            && starts.windows(2).all(|w| w[0] <= w[1]);
        let well_formed = monotone
            && rows.iter().all(|&i| (i as usize) < n)
            && starts.windows(2).all(|w| rows[w[0]..w[1]].windows(2).all(|r| r[0] < r[1]));
        let made = CscMatrix::new(n, starts.clone(), rows.clone(), vec![1.0; stored]);
        let shared = CscMatrix::from_shared(n, starts, Arc::new(rows), Arc::new(vec![1.0; stored]));
        prop_assert_eq!(&shared, &made);
        prop_assert_eq!(made.is_ok(), well_formed, "{:?}", made);
    }
}

#[test]
fn malformed_compressed_columns_are_refused_with_the_column_they_are_in() {
    let message = |rows: Vec<u32>, values: Vec<f64>| match CscMatrix::new(3, vec![0, 1, 3], rows, values) {
        Err(error @ Error::InvalidData { .. }) => error.to_string(),
        other => panic!("accepted: {other:?}"),
    };
    assert!(message(vec![0, 2, 1], vec![1.0; 3]).contains("column 2"));
    assert!(message(vec![0, 1, 1], vec![1.0; 3]).contains("column 2"));
    assert!(message(vec![3, 0, 1], vec![1.0; 3]).contains("column 1"));
    assert!(message(vec![0, 1, u32::MAX], vec![1.0; 3]).contains("below 3"));
    assert!(message(vec![0, 0, 2], vec![1.0, 1.0, f64::NAN]).contains("row 3, column 2"));
    assert!(message(vec![0, 1], vec![1.0; 3]).contains("2 row indices and 3 values"));
    assert!(message(vec![0, 1], vec![1.0; 2]).contains("starts that increase"));
}

#[test]
fn starts_that_rise_above_the_end_and_fall_back_are_refused() {
    assert!(CscMatrix::new(3, vec![0, 5, 2], vec![0, 1], vec![1.0, 1.0]).is_err());
    assert!(CscMatrix::new(3, Vec::new(), Vec::new(), Vec::<f64>::new()).is_err());
    assert!(CscMatrix::new(3, vec![0], Vec::new(), Vec::<f64>::new()).is_ok());
}

#[test]
fn dense_values_must_fill_the_matrix_and_be_finite() {
    let error = DenseMatrix::new(2, 2, vec![1.0, 2.0, f64::INFINITY, 4.0]).unwrap_err().to_string();
    assert!(error.contains("row 1, column 2"), "{error}");
    assert!(DenseMatrix::new(2, 2, vec![1.0; 3]).is_err());
    assert!(DenseMatrix::new(usize::MAX, 2, vec![1.0; 2]).is_err(), "n times p must not overflow");
}

#[test]
fn shared_memory_is_checked_like_owned_memory() {
    let values = |v: Vec<f64>| DenseMatrix::from_shared(2, 2, Arc::new(v));
    assert_eq!(values(vec![1.0; 3]), DenseMatrix::new(2, 2, vec![1.0; 3]));
    assert!(values(vec![1.0, 2.0, f64::NAN, 4.0]).unwrap_err().to_string().contains("row 1, column 2"));
    let negative = unsigned_indices(Arc::new(vec![0, -3])).err().unwrap().to_string();
    assert!(negative.contains("found -3; expected indices that are not negative"), "{negative}");
}

/// Gives one index when it is asked first, and another one later.
struct Fickle {
    asked: AtomicBool,
    answers: [[u32; 1]; 2],
}

impl AsRef<[u32]> for Fickle {
    fn as_ref(&self) -> &[u32] {
        &self.answers[usize::from(self.asked.swap(true, Ordering::Relaxed))]
    }
}

#[test]
fn what_was_checked_is_what_is_read_and_a_clone_keeps_it_alive() {
    let rows = Arc::new(Fickle { asked: AtomicBool::new(false), answers: [[1], [1_000_000]] });
    let values = Arc::new(vec![2.0]);
    let a = CscMatrix::from_shared(2, vec![0, 1], rows.clone(), values.clone()).unwrap();
    assert_eq!(a.column(0).1.as_ptr(), values.as_ptr(), "no copy");
    let b = a.clone();
    drop((a, rows, values));
    assert_eq!(b.column_dot(0, &[3.0, 5.0]), 10.0);
    assert_eq!(b, CscMatrix::new(2, vec![0, 1], vec![1], vec![2.0]).unwrap());
}

/// Answers once; counts its end.
struct Mortal<T> {
    values: Vec<T>,
    asked: AtomicBool,
    ends: Arc<AtomicUsize>,
}

impl<T> AsRef<[T]> for Mortal<T> {
    fn as_ref(&self) -> &[T] {
        assert!(!self.asked.swap(true, Ordering::Relaxed), "asked again");
        &self.values
    }
}

impl<T> Drop for Mortal<T> {
    fn drop(&mut self) {
        self.ends.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn shared_arrays_are_read_on_other_threads_and_end_with_the_last_matrix() {
    fn owner<T>(values: Vec<T>, ends: &Arc<AtomicUsize>) -> Arc<Mortal<T>> {
        Arc::new(Mortal { values, asked: AtomicBool::new(false), ends: ends.clone() })
    }
    let ends = Arc::new(AtomicUsize::new(0));
    let (rows, values) = (owner(vec![0, 2, 1], &ends), owner(vec![1.0, 3.0, 2.0], &ends));
    let sparse = CscMatrix::from_shared(3, vec![0, 2, 3], rows, values).unwrap();
    let dense = DenseMatrix::from_shared(3, 1, owner(vec![1.0_f32, 2.0, 3.0], &ends)).unwrap();
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (sparse, dense) = (sparse.clone(), dense.clone());
            std::thread::spawn(move || (sparse.column_dot(0, &[1.0; 3]), dense.column_dot(0, &[1.0; 3])))
        })
        .collect();
    drop((sparse, dense));
    assert!(readers.into_iter().all(|reader| reader.join().unwrap() == (4.0, 6.0)));
    assert_eq!(ends.load(Ordering::Relaxed), 3);
}

#[test]
fn nothing_may_be_shared() {
    let nothing = DenseMatrix::from_shared(0, 3, Arc::new(Vec::<f64>::new())).unwrap();
    let mut out = [f64::NAN; 3];
    nothing.transpose_product_into(&[], &mut out);
    assert_eq!(out, [0.0; 3]);
    nothing.product_into(&[1.0; 3], &mut []);
    let rows = unsigned_indices(Arc::new(Vec::new())).unwrap();
    let empty = CscMatrix::from_shared(2, vec![0, 0], rows, Arc::new(Vec::<f64>::new())).unwrap();
    assert_eq!(empty.column_dot(0, &[1.0; 2]), 0.0);
}

#[test]
fn a_sparse_design_is_widened_by_empty_columns_and_never_narrowed() {
    let a = CscMatrix::new(2, vec![0, 1], vec![1], vec![3.0]).unwrap();
    let wide = a.clone().widened(3);
    assert_eq!((wide.n_columns(), wide.n_stored(), wide.column_stored(2)), (3, 1, 0));
    assert_eq!(wide.clone().widened(1), wide);
    let below = CscMatrix::new(1, vec![0, 0, 0, 1], vec![0], vec![5.0]).unwrap();
    let stacked = Design::Sparse(a).stack(Design::Sparse(below)).unwrap();
    assert_eq!(Entries::of(&stacked).values, [0.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 5.0]);
}

#[test]
fn a_narrower_sparse_design_is_widened_below_a_dense_one() {
    let above = DenseMatrix::new(1, 2, vec![1.0, 2.0]).unwrap();
    let below = CscMatrix::new(1, vec![0, 1], vec![0], vec![3.0]).unwrap();
    for below in [Design::Sparse(below.clone()), Design::Sparse(below).into_f32()] {
        for above in [Design::Dense(above.clone()), Design::Dense(above.clone()).into_f32()] {
            assert_eq!(Entries::of(&above.stack(below.clone()).unwrap()).values, [1.0, 3.0, 2.0, 0.0]);
        }
    }
}

#[test]
fn designs_of_different_width_and_rows_out_of_range_are_refused() {
    let narrow = Design::Dense(DenseMatrix::new(1, 2, vec![1.0; 2]).unwrap());
    let wide = Design::Dense(DenseMatrix::new(1, 3, vec![1.0; 3]).unwrap());
    assert!(narrow.clone().stack(wide).is_err());
    for design in [narrow.clone(), narrow.into_f32()] {
        let error = design.select_rows(&[0, 7]).unwrap_err().to_string();
        assert!(error.contains("row index 7"), "{error}");
    }
}

/// Entries that are not exact, so that the order of a sum shows in its last digits; enough of them to be shared between threads.
fn large_storages(n: usize, p: usize) -> [Design; 4] {
    let values = (0..n * p).map(|k| ((k * 7919) % 1000) as f64 / 3.0 - 150.0).collect();
    let dense = Design::Dense(DenseMatrix::new(n, p, values).unwrap());
    let rows: Vec<u32> =
        (0..p).flat_map(|j| (0..n).filter(move |i| (i + j) % 3 == 0)).map(|i| i as u32).collect();
    let starts = (0..=p).map(|j| (0..j).map(|j| (0..n).filter(|i| (i + j) % 3 == 0).count()).sum()).collect();
    let values = (0..rows.len()).map(|k| ((k * 7919) % 1000) as f64 / 3.0 - 150.0).collect();
    let sparse = Design::Sparse(CscMatrix::new(n, starts, rows, values).unwrap());
    [dense.clone(), dense.into_f32(), sparse.clone(), sparse.into_f32()]
}

fn on_threads(threads: usize, length: usize, work: impl Fn(&mut [f64]) + Sync) -> Vec<f64> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let mut out = vec![f64::NAN; length];
    pool.install(|| work(&mut out));
    out
}

/// Short columns are summed one by one, long ones several at a time, many rows in parts.
#[test]
#[cfg_attr(miri, ignore = "large")]
fn products_do_not_depend_on_the_number_of_threads_to_the_last_bit() {
    for (n, p) in [(300, 1400), (5000, 107), (20_000, 30)] {
        let v: Vec<f64> = (0..n).map(|i| (i as f64).sin()).collect();
        let c: Vec<f64> = (0..p).map(|j| if j % 5 == 3 { 0.0 } else { (j as f64).cos() }).collect();
        let scale: Vec<f64> = (0..p).map(|j| 1.0 + j as f64 / 7.0).collect();
        for design in large_storages(n, p) {
            let scaled = ScaledDesign::new(&design, Some(scale.clone()));
            let transposed = |threads| on_threads(threads, p, |out| scaled.transpose_product_into(&v, out));
            let product = |threads| on_threads(threads, n, |out| scaled.product_into(&c, out));
            let (first, second) = (transposed(1), product(1));
            for threads in [2, 3, 5] {
                assert_eq!(transposed(threads), first);
                assert_eq!(product(threads), second);
            }
            // 4γ of the sums of the sizes of the terms: the order of summation, and the scale before or after it
            let bound = |size: f64, terms: usize| 4.0 * terms as f64 * f64::EPSILON * size;
            let mut expected = vec![0.0; n];
            for (j, &product) in first.iter().enumerate() {
                assert!((product - scaled.column_dot(j, &v)).abs() <= bound(150.0 * scale[j] * n as f64, n));
                scaled.column_axpy(j, c[j], &mut expected);
            }
            let size: f64 = scale.iter().map(|s| 150.0 * s).sum();
            assert!(second.iter().zip(&expected).all(|(a, b)| (a - b).abs() <= bound(size, p)));
        }
    }
}

#[test]
fn equal_columns_have_equal_products_wherever_they_stand() {
    // more rows than are summed column by column, and no multiple of the columns that are summed at a time
    let (n, p) = if cfg!(miri) { (4100, 6) } else { (5000, 23) };
    let column: Vec<f64> = (0..n).map(|i| (i as f64).cos() / 3.0).collect();
    let values: Vec<f64> = (0..p).flat_map(|_| column.iter().copied()).collect();
    let design = Design::Dense(DenseMatrix::new(n, p, values).unwrap());
    let v: Vec<f64> = (0..n).map(|i| (i as f64).sin()).collect();
    let mut out = vec![0.0; p];
    design.transpose_product_into(&v, &mut out);
    assert!(out.iter().all(|o| *o == out[0]), "{out:?}");
    let mut some = vec![0.0; 3];
    design.columns_dot_into(&[p as u32 - 1, 0, 3], &v, &mut some);
    assert_eq!(some, out[..3]);
}
