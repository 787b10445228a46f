//! A copy of some sparse columns by rows, for many products with the Hessian AᵀDA on them.
//!
//! Through columns such a product takes two passes over the entries, each reaching into vectors of length n; through rows it takes one, with both
//! vectors as short as the working set.

use std::cell::OnceCell;

use crate::design::DesignMatrix;
use crate::kernel::{Next, sparse_axpy, sparse_dot};

/// Columns by rows that are made when the first product asks for them.
pub(super) struct LazyRows<'s> {
    sample_weights: &'s [f64],
    rows: OnceCell<Option<RowMajor>>,
}

impl<'s> LazyRows<'s> {
    pub(super) fn new(sample_weights: &'s [f64]) -> Self {
        Self { sample_weights, rows: OnceCell::new() }
    }

    /// The same `columns` must be given every time.
    pub(super) fn get<D: DesignMatrix>(&self, design: &D, columns: &[u32]) -> Option<&RowMajor> {
        self.rows.get_or_init(|| RowMajor::new(design, columns, self.sample_weights)).as_ref()
    }
}

/// Below this part of all entries a matrix counts as sparse; denser columns stream faster as they are.
const SPARSE: f64 = 0.25;
/// Entries, of ten bytes each, that stay in the second cache from one product to the next.
const CACHED: usize = 1 << 16;
/// Columns whose positions fit into two bytes.
const LARGEST: usize = 1 << 16;

#[derive(Debug)]
pub(crate) struct RowMajor {
    n_columns: usize,
    /// Row i is `starts[i]..starts[i + 1]`.
    starts: Vec<usize>,
    /// Positions in the list of columns, each below `n_columns`.
    columns: Vec<u16>,
    values: Vec<f64>,
}

impl RowMajor {
    /// The columns of the design by rows, without the rows of sample weight 0; `None` where they are not sparse, or more than [`LARGEST`].
    pub(crate) fn new<D: DesignMatrix>(design: &D, columns: &[u32], sample_weights: &[f64]) -> Option<Self> {
        let n = design.n_rows();
        let stored: usize = columns.iter().map(|&j| design.column_stored(j as usize)).sum();
        if columns.len() > LARGEST || stored as f64 > SPARSE * n as f64 * columns.len() as f64 {
            return None;
        }
        let mut entries = entries_by_row(design, columns);
        entries.iter_mut().zip(sample_weights).filter(|(_, s)| **s == 0.0).for_each(|(e, _)| *e = 0);
        Some(Self::transpose(design, columns, entries))
    }

    /// The columns of the design by rows, at most [`LARGEST`] of them, whatever their density; `entries` are those of each row, 0 for one to leave out.
    pub(super) fn transpose<D: DesignMatrix>(design: &D, columns: &[u32], entries: Vec<usize>) -> Self {
        let mut total = 0;
        let first = |count: usize| {
            total += count;
            total - count
        };
        let wanted: Vec<bool> = entries.iter().map(|count| *count > 0).collect();
        let mut next: Vec<usize> = entries.into_iter().map(first).collect();
        let mut starts = next.clone();
        starts.push(total);
        let mut rows =
            Self { n_columns: columns.len(), starts, columns: vec![0; total], values: vec![0.0; total] };
        debug_assert!(columns.len() <= LARGEST);
        for (position, &j) in (0..=u16::MAX).zip(columns) {
            design.visit_column(j as usize, |i, a| {
                if wanted[i] {
                    rows.columns[next[i]] = position;
                    rows.values[next[i]] = a;
                    next[i] += 1;
                }
            });
        }
        rows
    }

    /// The entries of row i: (positions in the list of columns, increasing; values).
    pub(super) fn row(&self, i: usize) -> (&[u16], &[f64]) {
        let range = self.starts[i]..self.starts[i + 1];
        (&self.columns[range.clone()], &self.values[range])
    }

    /// What follows a row in memory: for a pass that reads each row once, and for the second of two readings of one row.
    fn following(&self) -> (Next, Next) {
        if self.values.len() <= CACHED { (Next::Cached, Next::Cached) } else { (Next::Wanted, Next::Other) }
    }

    /// out = Av on the rows that are not left out; v is as long as the list of columns.
    pub(super) fn forward_into(&self, v: &[f64], out: &mut [f64]) {
        assert!(v.len() == self.n_columns, "one entry for each column");
        let (next, _) = self.following();
        for (i, o) in out.iter_mut().enumerate() {
            let (columns, values) = self.row(i);
            // SAFETY: as in `product_into`.
            *o = unsafe { sparse_dot(columns, values, v, next) };
        }
    }

    /// out = Aᵀu; out is as long as the list of columns.
    pub(super) fn transpose_into(&self, u: &[f64], out: &mut [f64]) {
        assert!(out.len() == self.n_columns, "one entry for each column");
        out.fill(0.0);
        let (next, _) = self.following();
        for (i, &u) in u.iter().enumerate().filter(|(_, u)| **u != 0.0) {
            let (columns, values) = self.row(i);
            // SAFETY: as in `product_into`.
            unsafe { sparse_axpy(u, columns, values, out, next) };
        }
    }

    /// (Σ h_i a_ij, Σ h_i a_ij²) for each column; `weights` is h.
    pub(super) fn sums_and_squares(&self, weights: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let mut both = vec![(0.0, 0.0); self.n_columns];
        for (i, &weight) in weights.iter().enumerate().filter(|(_, w)| **w != 0.0) {
            let (columns, values) = self.row(i);
            for (&j, &a) in columns.iter().zip(values) {
                let (sum, square) = &mut both[usize::from(j)];
                *sum += weight * a;
                *square += weight * a * a;
            }
        }
        both.into_iter().unzip()
    }

    /// AᵀDA, column major; `weights` is the diagonal of D. A row takes as many products as it has pairs of entries.
    pub(super) fn gram(&self, weights: &[f64]) -> Vec<f64> {
        let size = self.n_columns;
        let mut gram = vec![0.0; size * size];
        for (i, &weight) in weights.iter().enumerate().filter(|(_, w)| **w != 0.0) {
            let (columns, values) = self.row(i);
            for (k, (&j, &a)) in columns.iter().zip(values).enumerate() {
                let column = &mut gram[usize::from(j) * size..][..size];
                // SAFETY: as in `product_into`.
                unsafe { sparse_axpy(weight * a, &columns[k..], &values[k..], column, Next::Cached) };
            }
        }
        for j in 0..size {
            for k in 0..j {
                gram[j * size + k] = gram[k * size + j];
            }
        }
        gram
    }

    /// out = Aᵀ(D(Av − mean·1)), and Σ D(Av − mean·1); `weights` is the diagonal of D, v and out are as long as the list of columns.
    pub(super) fn product_into(&self, weights: &[f64], v: &[f64], mean: f64, out: &mut [f64]) -> f64 {
        assert!(v.len() == self.n_columns && out.len() == self.n_columns, "one entry for each column");
        out.fill(0.0);
        let (next, after) = self.following();
        let mut sum = 0.0;
        for (i, &weight) in weights.iter().enumerate().filter(|(_, w)| **w != 0.0) {
            let (columns, values) = self.row(i);
            // SAFETY: `transpose`, the only constructor, stores positions in a list of `n_columns` columns, and the assertion above holds v and out
            // to that length.
            unsafe {
                let scaled = weight * (sparse_dot(columns, values, v, next) - mean);
                sparse_axpy(scaled, columns, values, out, after);
                sum += scaled;
            }
        }
        sum
    }
}

/// Number of entries of the columns in each row.
pub(super) fn entries_by_row<D: DesignMatrix>(design: &D, columns: &[u32]) -> Vec<usize> {
    let mut entries = vec![0; design.n_rows()];
    for &j in columns {
        design.visit_column(j as usize, |i, _| entries[i] += 1);
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::design::CscMatrix;

    #[test]
    fn a_product_through_rows_is_the_product_through_columns() {
        // Columns (1, 0, 2, 0, 0), (0, 0, 3, 0, 0), (0, 4, 0, 0, 5) of a 5-row matrix; the second and the first are picked, in that order.
        let matrix =
            CscMatrix::new(5, vec![0, 2, 3, 5], vec![0, 2, 2, 1, 4], vec![1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        let rows = RowMajor::transpose(&matrix, &[1, 0], entries_by_row(&matrix, &[1, 0]));
        let weights = [1.0, 7.0, 0.5, 1.0, 1.0];
        let mut out = [f64::NAN; 2];
        let sum = rows.product_into(&weights, &[10.0, 1.0], 2.0, &mut out);
        // Av − 2 = (−1, −2, 30, −2, −2); times D: (−1, −14, 15, −2, −2).
        assert_eq!(out, [45.0, 29.0]);
        assert_eq!(sum, -4.0);
    }

    #[test]
    fn passes_over_rows_are_the_products_of_the_matrix() {
        // Columns (1, 0, 2) and (0, 3, 4).
        let matrix = CscMatrix::new(3, vec![0, 2, 4], vec![0, 2, 1, 2], vec![1.0, 2.0, 3.0, 4.0]).unwrap();
        let rows = RowMajor::transpose(&matrix, &[0, 1], entries_by_row(&matrix, &[0, 1]));
        let (mut image, mut back) = ([f64::NAN; 3], [f64::NAN; 2]);
        rows.forward_into(&[10.0, 1.0], &mut image);
        assert_eq!(image, [10.0, 3.0, 24.0]);
        rows.transpose_into(&[1.0, 0.0, -1.0], &mut back);
        assert_eq!(back, [-1.0, -4.0]);
        assert_eq!(rows.sums_and_squares(&[1.0, 2.0, 0.5]), (vec![2.0, 8.0], vec![3.0, 26.0]));
        assert_eq!(rows.gram(&[1.0, 2.0, 0.5]), [3.0, 4.0, 4.0, 26.0]);
    }

    #[test]
    fn rows_of_weight_zero_are_left_out() {
        let values = vec![1.0, 2.0, 3.0];
        let matrix = CscMatrix::new(12, vec![0, 2, 3], vec![0, 2, 2], values).unwrap();
        let mut weights = [1.0; 12];
        weights[2] = 0.0;
        let rows = RowMajor::new(&matrix, &[0, 1], &weights).unwrap();
        assert_eq!(rows.row(0), ([0_u16].as_slice(), [1.0].as_slice()));
        assert!((1..12).all(|i| rows.row(i).0.is_empty()));
    }

    #[test]
    fn dense_columns_are_left_alone() {
        let matrix = CscMatrix::new(2, vec![0, 2], vec![0, 1], vec![1.0, 2.0]).unwrap();
        assert!(RowMajor::new(&matrix, &[0], &[1.0, 1.0]).is_none());
    }
}
