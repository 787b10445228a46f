//! The products of the library, on dense and sparse matrices beyond the cache.

use std::hint::black_box;
use std::sync::Arc;

use bilevel::design::{CscMatrix, DenseMatrix, Design, DesignMatrix};
use bilevel::lower::Curvature;

use crate::{Bound, Case, Pools};

/// Bytes of a matrix. Between two passes over it go those over all others, so that none of it is left in any cache.
const BYTES: usize = 1 << 26;
/// Columns of the Gram matrix.
const GRAM: usize = 16;
/// A vector of more elements is counted: it leaves the cache.
const COUNTED: usize = 1 << 22;

/// All whose row satisfies `is_wanted`.
pub(crate) fn cases(pools: &Pools, is_wanted: &dyn Fn(&str) -> bool) -> Vec<Case> {
    let mut cases = Vec::new();
    for n in [1_000, 10_000, 500_000, BYTES / 8] {
        let entries = |bytes: usize| (0..BYTES / bytes / n * n).map(|k| (k % 1000) as f64 / 1000.0);
        let double = DenseMatrix::new(n, BYTES / 8 / n, entries(8).collect()).unwrap();
        let single = DenseMatrix::new(n, BYTES / 4 / n, entries(4).map(|x| x as f32).collect()).unwrap();
        let shape =
            if n > COUNTED { "dense, columns of 2²³ rows".into() } else { format!("dense, {n} rows") };
        for (storage, design, bytes) in
            [("f64", Design::Dense(double), 8), ("f32", Design::DenseF32(single), 4)]
        {
            Shape { pools, shape: shape.clone(), storage, design: Arc::new(design), bytes }.add(&mut cases);
        }
    }
    for (n, entries) in [(4_000, 100), (10_000, 10), (10_000, 100), (100_000, 1_000), (1_000_000, 1_000)] {
        let double = Design::Sparse(sparse(n, entries, BYTES / 12));
        let single = Design::SparseF32(sparse(n, entries, BYTES / 8).cast());
        for (storage, design, bytes) in [("f64", double, 12), ("f32", single, 8)] {
            let shape = format!("sparse, {n} rows, {entries} entries a column");
            Shape { pools, shape, storage, design: Arc::new(design), bytes }.add(&mut cases);
        }
    }
    cases.retain(|case| is_wanted(&format!("{} {:?} {}", case.row.0, case.row.1, case.storage)));
    cases
}

/// `in_column` entries in each column, evenly spread over n rows.
fn sparse(n: usize, in_column: usize, stored: usize) -> CscMatrix<f64> {
    let stride = n / in_column;
    let mut state = 1_u64;
    let mut within = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % stride
    };
    let p = stored / in_column;
    let rows: Vec<u32> = (0..p * in_column).map(|k| (k % in_column * stride + within()) as u32).collect();
    let values = vec![0.5; rows.len()];
    CscMatrix::new(n, (0..=p).map(|j| j * in_column).collect(), rows, values).unwrap()
}

/// A matrix, of which each entry takes `bytes` with its index.
struct Shape<'a> {
    pools: &'a Pools,
    shape: String,
    storage: &'static str,
    design: Arc<Design>,
    bytes: usize,
}

impl Shape<'_> {
    /// Aᵀr and Aβ with one and two threads; column by column the dot product, the update and their weighted forms; the Gram matrix.
    fn add(&self, cases: &mut Vec<Case>) {
        let (n, p) = (self.design.n_rows(), self.design.n_columns());
        let v: Vec<f64> = (0..n).map(|i| 1.0 + (i % 7) as f64).collect();
        let columns = n * p * if n > COUNTED { 8 } else { 0 };
        let updates = if n > COUNTED { Bound::Update } else { Bound::Read };
        let starts = if self.design.is_sparse() { 8 * p } else { 0 };
        let matrix = self.bytes * self.design.n_stored() + starts;
        if n <= COUNTED {
            for threads in [1, 2] {
                let (r, mut out) = (v.clone(), vec![0.0; p]);
                let run = move |a: &Design| a.transpose_product_into(&r, &mut out);
                cases.push(self.case("Aᵀr", threads, matrix, Bound::Read, run));
                let (beta, mut out) = (vec![1e-3; p], vec![0.0; n]);
                let run = move |a: &Design| a.product_into(&beta, &mut out);
                cases.push(self.case("Aβ", threads, matrix, Bound::Read, run));
            }
        }
        let r = v.clone();
        let run = move |a: &Design| {
            black_box((0..p).map(|j| a.column_dot(j, &r)).sum::<f64>());
        };
        cases.push(self.case("column dot", 1, matrix + columns, Bound::Read, run));
        let mut out = v.clone();
        let run = move |a: &Design| (0..p).for_each(|j| a.column_axpy(j, 1e-9, &mut out));
        cases.push(self.case("column axpy", 1, matrix + 2 * columns, updates, run));
        if n <= COUNTED {
            self.add_weighted(cases, v, matrix);
        }
    }

    fn add_weighted(&self, cases: &mut Vec<Case>, w: Vec<f64>, matrix: usize) {
        let (n, p) = (self.design.n_rows(), self.design.n_columns());
        let weights = w.clone();
        let run = move |a: &Design| {
            black_box((0..p).map(|j| a.column_weighted_square(j, &weights)).sum::<f64>());
        };
        cases.push(self.case("weighted square", 1, matrix, Bound::Read, run));
        let (weights, mut out) = (w.clone(), w.clone());
        let run = move |a: &Design| (0..p).for_each(|j| a.column_weighted_axpy(j, 1e-9, &weights, &mut out));
        cases.push(self.case("weighted axpy", 1, matrix, Bound::Read, run));
        if n == 500_000 {
            let columns: Vec<u32> = (0..GRAM as u32).collect();
            let run = move |a: &Design| {
                let curvature = Curvature::new(a, &w, 0.0, false);
                black_box(curvature.gram(&columns, &[0.0; GRAM], &mut Vec::new()));
            };
            let read = self.bytes * n * GRAM * (GRAM + 1) / 2;
            cases.push(self.case("Gram of 16 columns, each pair counted", 1, read, Bound::Read, run));
        }
    }

    fn case(
        &self,
        product: &str,
        threads: usize,
        bytes: usize,
        bound: Bound,
        mut run: impl FnMut(&Design) + Send + 'static,
    ) -> Case {
        let (design, pool) = (self.design.clone(), self.pools[threads - 1].1.clone());
        Case {
            row: (product.into(), Some(self.shape.clone())),
            storage: self.storage,
            threads,
            bytes,
            bound,
            run: Box::new(move || pool.install(|| run(&design))),
        }
    }
}
