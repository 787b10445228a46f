//! The rows that stand for others, as a data set of their own.

use crate::design::{CscMatrix, DenseMatrix, Design, DesignMatrix};

use super::moments::Moments;
use super::representatives::representatives;
use super::{MOST_COLUMNS, SMALLEST_GAIN, SPEED_OF_BLOCKS};

/// At most p + 2 weighted rows with the same squared loss as many, Σ s ½(b − aᵀy − c)² for every y and c.
///
/// ```
/// use bilevel::design::{DenseMatrix, Design, DesignMatrix};
/// use bilevel::fit::FewerRows;
///
/// let column: Vec<f64> = (0..1000).map(|i| f64::from(i % 7)).collect();
/// let targets: Vec<f64> = (0..1000).map(|i| f64::from(i % 5)).collect();
/// let design = Design::Dense(DenseMatrix::new(1000, 1, column)?);
/// let fewer = FewerRows::new(&design, &targets, &[1e-3; 1000], true, 100).expect("1000 rows, one column");
/// assert!(fewer.design.n_rows() <= 3);
/// # Ok::<(), bilevel::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct FewerRows {
    /// As many columns as the data have.
    pub design: Design,
    /// One for each row.
    pub targets: Vec<f64>,
    /// One for each row, of sum 1.
    pub weights: Vec<f64>,
}

impl FewerRows {
    /// For rows with weights s ≥ 0 of sum 1 (`weights` and `targets` of length n), with an intercept c or without. `None` where fewer rows are not the
    /// same up to rounding, or would not pay in so many solves: there are to be at least four times as many rows as columns.
    pub fn new(
        design: &Design,
        targets: &[f64],
        weights: &[f64],
        intercept: bool,
        solves: usize,
    ) -> Option<Self> {
        let (n, p) = (design.n_rows() as f64, design.n_columns() as f64);
        if design.n_columns() > MOST_COLUMNS || n < 4.0 * p || weights.len() != targets.len() {
            return None;
        }
        let (stored, after) = (design.n_stored() as f64, (p + 2.0) * p);
        let speed = if design.is_sparse() { 1.0 } else { SPEED_OF_BLOCKS };
        let scatter = 0.5 * stored * (stored / n) / speed;
        // A solve passes over the matrix twice at least.
        if after * SMALLEST_GAIN > stored || scatter > 2.0 * solves as f64 * (stored - after) {
            return None;
        }
        Self::of(&Moments::new(design, targets, weights, intercept), design.is_sparse(), intercept)
    }

    /// For rows of the given moments.
    pub(super) fn of(moments: &Moments, is_sparse: bool, intercept: bool) -> Option<Self> {
        let p = moments.mean.len() - 1;
        let mut columns = representatives(moments, intercept)?;
        let count = columns.len() / (p + 1);
        let targets = columns.split_off(count * p);
        let design = if is_sparse {
            Design::Sparse(sparse(count, &columns)?)
        } else {
            Design::Dense(DenseMatrix::new(count, p, columns).ok()?)
        };
        Some(Self { design, targets, weights: vec![1.0 / count as f64; count] })
    }
}

/// Dense columns of `n_rows` rows without their zeros.
pub(super) fn sparse(n_rows: usize, columns: &[f64]) -> Option<CscMatrix<f64>> {
    let (mut starts, mut rows, mut values) = (vec![0], Vec::new(), Vec::new());
    for column in columns.chunks(n_rows) {
        let stored = (0_u32..).zip(column).filter(|(_, a)| **a != 0.0);
        stored.for_each(|(i, &a)| {
            rows.push(i);
            values.push(a);
        });
        starts.push(rows.len());
    }
    CscMatrix::new(n_rows, starts, rows, values).ok()
}
