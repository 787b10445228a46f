//! A copy of some sparse columns by rows, for many products with the Hessian AᵀDA on them.
//!
//! Through columns such a product takes two passes over the entries, each reaching into vectors of length n; through rows it takes one, with both
//! vectors as short as the working set.

use crate::design::DesignMatrix;
use crate::kernel::{sparse_axpy, sparse_dot};

/// Below this part of all entries a matrix counts as sparse; denser columns stream faster as they are.
const SPARSE: f64 = 0.25;

#[derive(Debug)]
pub(crate) struct RowMajor {
    n_columns: usize,
    /// Row i is `starts[i]..starts[i + 1]`.
    starts: Vec<usize>,
    /// Positions in the list of columns, each below `n_columns`.
    columns: Vec<u32>,
    values: Vec<f64>,
}

impl RowMajor {
    /// The columns of the design by rows; `None` where they are not sparse.
    pub(crate) fn new<D: DesignMatrix>(design: &D, columns: &[u32]) -> Option<Self> {
        let n = design.n_rows();
        let stored: usize = columns.iter().map(|&j| design.column_stored(j as usize)).sum();
        if stored as f64 > SPARSE * n as f64 * columns.len() as f64 {
            return None;
        }
        Some(Self::transpose(design, columns, entries_by_row(design, columns)))
    }

    /// The columns of the design by rows, whatever their density; `entries` are those of each row.
    pub(super) fn transpose<D: DesignMatrix>(design: &D, columns: &[u32], entries: Vec<usize>) -> Self {
        let mut total = 0;
        let first = |count: usize| {
            total += count;
            total - count
        };
        let mut next: Vec<usize> = entries.into_iter().map(first).collect();
        let mut starts = next.clone();
        starts.push(total);
        let mut rows =
            Self { n_columns: columns.len(), starts, columns: vec![0; total], values: vec![0.0; total] };
        for (position, &j) in (0_u32..).zip(columns) {
            design.visit_column(j as usize, |i, a| {
                rows.columns[next[i]] = position;
                rows.values[next[i]] = a;
                next[i] += 1;
            });
        }
        rows
    }

    /// The entries of row i: (positions in the list of columns, increasing; values).
    pub(super) fn row(&self, i: usize) -> (&[u32], &[f64]) {
        let range = self.starts[i]..self.starts[i + 1];
        (&self.columns[range.clone()], &self.values[range])
    }

    /// out = Aᵀ(D(Av − mean·1)), and Σ D(Av − mean·1); `weights` is the diagonal of D, v and out are as long as the list of columns.
    pub(super) fn product_into(&self, weights: &[f64], v: &[f64], mean: f64, out: &mut [f64]) -> f64 {
        assert!(v.len() == self.n_columns && out.len() == self.n_columns, "one entry for each column");
        out.fill(0.0);
        let mut sum = 0.0;
        for (i, &weight) in weights.iter().enumerate().filter(|(_, w)| **w != 0.0) {
            let (columns, values) = self.row(i);
            // SAFETY: all positions are below `n_columns`, the length of v and of out.
            unsafe {
                let scaled = weight * (sparse_dot(columns, values, v) - mean);
                sparse_axpy(scaled, columns, values, out);
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
    fn dense_columns_are_left_alone() {
        let matrix = CscMatrix::new(2, vec![0, 2], vec![0, 1], vec![1.0, 2.0]).unwrap();
        assert!(RowMajor::new(&matrix, &[0]).is_none());
    }
}
