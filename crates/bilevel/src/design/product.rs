//! How products with all columns are shared among threads, so that their digits do not depend on how many there are.

use rayon::prelude::*;

use super::DesignMatrix;

/// A product with fewer entries is done before another thread would be awake.
pub(super) const ENTRIES_FOR_THREADS: usize = 100_000;
/// Sparse columns that a thread takes at once in Aᵀv.
pub(super) const COLUMNS_PER_TASK: usize = 256;
/// Parts that the columns of Aβ are summed in.
const PARTS: usize = 4;
/// Entries for each element of such a part's sum, so that clearing and adding the sums is next to nothing.
const ENTRIES_PER_SUM: usize = 16;

/// Calls `task(first, part)` for the parts of `out` of the given length, in parallel if the product has many entries.
pub(super) fn in_tasks(
    entries: usize,
    out: &mut [f64],
    length: usize,
    task: impl Fn(usize, &mut [f64]) + Sync,
) {
    if entries < ENTRIES_FOR_THREADS {
        task(0, out);
    } else {
        out.par_chunks_mut(length).enumerate().for_each(|(k, part)| task(k * length, part));
    }
}

/// out = Aβ; where that pays in parts that are as many on one thread as on several.
pub(super) fn sum_of_columns<D: DesignMatrix + ?Sized>(design: &D, coefficients: &[f64], out: &mut [f64]) {
    out.fill(0.0);
    let wanted = coefficients.iter().enumerate().filter(|(_, c)| **c != 0.0);
    let entries: usize = wanted.map(|(j, _)| design.column_stored(j)).sum();
    if entries < ENTRIES_FOR_THREADS.max(PARTS * ENTRIES_PER_SUM * out.len()) {
        design.columns_axpy(0, coefficients, out);
        return;
    }
    let length = coefficients.len().div_ceil(PARTS);
    let sum = |(part, coefficients): (usize, &[f64])| {
        let mut sum = vec![0.0; design.n_rows()];
        design.columns_axpy(part * length, coefficients, &mut sum);
        sum
    };
    let sums: Vec<Vec<f64>> = coefficients.par_chunks(length).enumerate().map(sum).collect();
    sums.iter().for_each(|sum| crate::kernel::axpy(1.0, sum, out));
}
