//! A Cholesky factor of a principal submatrix that follows its index set: one index more or less costs O(m²).
//!
//! A new index goes to the end (one forward substitution); one that leaves is rotated out (Givens). Rows of L are contiguous, so that every
//! step is a dot product or an update of a row.

use faer::linalg::solvers::Llt;
use faer::{MatRef, Side};

use crate::kernel::{axpy, dot};

/// A pivot below this part of its diagonal entry counts as zero, as in [`super::Cholesky`].
const SMALLEST_PIVOT: f64 = 1e-13;

/// A = LLᵀ, row i of L in `rows[i]`, of length i + 1.
#[derive(Debug, Clone, Default)]
pub(crate) struct UpdatedCholesky {
    rows: Vec<Vec<f64>>,
}

impl UpdatedCholesky {
    /// Factorizes the m×m matrix in `values`; `None` if it is not numerically positive definite.
    pub(crate) fn new(size: usize, values: &[f64]) -> Option<Self> {
        if size == 0 {
            return Some(Self::default());
        }
        let factor = Llt::new(MatRef::from_column_major_slice(values, size, size), Side::Lower).ok()?;
        let lower = factor.L();
        let row = |i: usize| (0..=i).map(|j| lower[(i, j)]).collect::<Vec<f64>>();
        let rows: Vec<Vec<f64>> = (0..size).map(row).collect();
        let well_posed =
            rows.iter().enumerate().all(|(i, row)| row[i] * row[i] > SMALLEST_PIVOT * values[i * size + i]);
        well_posed.then_some(Self { rows })
    }

    /// m.
    pub(crate) fn size(&self) -> usize {
        self.rows.len()
    }

    /// Appends an index with the given entries of A against the present ones, and diagonal; `false`, with nothing done, if the matrix would be singular.
    pub(crate) fn append(&mut self, mut entries: Vec<f64>, diagonal: f64) -> bool {
        debug_assert_eq!(entries.len(), self.size());
        self.solve_lower(&mut entries);
        let pivot = diagonal - dot(&entries, &entries);
        if pivot.is_nan() || pivot <= SMALLEST_PIVOT * diagonal {
            return false;
        }
        entries.push(pivot.sqrt());
        self.rows.push(entries);
        true
    }

    /// Removes the index at a position; those after it move up.
    pub(crate) fn remove(&mut self, position: usize) {
        self.rows.remove(position);
        // Row i now has one entry too many; rotations of columns (j, j + 1) carry it out at the end, row by row.
        let mut rotations: Vec<(f64, f64)> = Vec::with_capacity(self.rows.len() - position);
        for (i, row) in self.rows.iter_mut().enumerate().skip(position) {
            for (&(c, s), j) in rotations.iter().zip(position..) {
                let (a, b) = (row[j], row[j + 1]);
                (row[j], row[j + 1]) = (c * a + s * b, c * b - s * a);
            }
            let (a, b) = (row[i], row[i + 1]);
            let length = a.hypot(b);
            row[i] = length;
            row.truncate(i + 1);
            rotations.push((a / length, b / length));
        }
    }

    /// x = A⁻¹b in place.
    pub(crate) fn solve(&self, b: &mut [f64]) {
        debug_assert_eq!(b.len(), self.size());
        self.solve_lower(b);
        for (i, row) in self.rows.iter().enumerate().rev() {
            let x = b[i] / row[i];
            b[i] = x;
            axpy(-x, &row[..i], &mut b[..i]);
        }
    }

    fn solve_lower(&self, b: &mut [f64]) {
        for (i, row) in self.rows.iter().enumerate() {
            b[i] = (b[i] - dot(&row[..i], &b[..i])) / row[i];
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::UpdatedCholesky;

    /// BᵀB + I/10 of a matrix with independent entries.
    fn gram(size: usize, seed: u64) -> Vec<f64> {
        let entry = |i: usize, j: usize| ((i * 37 + j * 91) as f64 + seed as f64).sin();
        let product = |i: usize, j: usize| (0..size + 3).map(|r| entry(r, i) * entry(r, j)).sum::<f64>();
        (0..size * size)
            .map(|k| product(k / size, k % size) + if k / size == k % size { 0.1 } else { 0.0 })
            .collect()
    }

    proptest! {
        #[test]
        fn solves_with_the_submatrix_after_any_changes(seed in 0_u64..1000, changes in prop::collection::vec(0_usize..12, 1..40)) {
            let size = 12;
            let matrix = gram(size, seed);
            let mut set = vec![3, 7];
            let part = |set: &[usize]| -> Vec<f64> {
                set.iter().flat_map(|&k| set.iter().map(move |&i| (i, k))).map(|(i, k)| matrix[k * size + i]).collect()
            };
            let mut factor = UpdatedCholesky::new(2, &part(&set)).unwrap();
            for index in changes {
                if let Some(position) = set.iter().position(|k| *k == index) {
                    factor.remove(position);
                    set.remove(position);
                } else {
                    let entries = set.iter().map(|&k| matrix[index * size + k]).collect();
                    prop_assert!(factor.append(entries, matrix[index * size + index]));
                    set.push(index);
                }
            }
            let b: Vec<f64> = (0..set.len()).map(|k| (k as f64).cos()).collect();
            let mut x = b.clone();
            factor.solve(&mut x);
            let part = part(&set);
            for (i, b) in b.iter().enumerate() {
                let image: f64 = (0..set.len()).map(|k| part[k * set.len() + i] * x[k]).sum();
                prop_assert!((image - b).abs() < 1e-9, "row {i}: {image} for {b}");
            }
        }
    }

    #[test]
    fn a_dependent_index_is_refused() {
        let mut factor = UpdatedCholesky::new(1, &[2.0]).unwrap();
        assert!(!factor.append(vec![2.0], 2.0));
        assert_eq!(factor.size(), 1);
    }
}
