//! A Cholesky factor of a principal submatrix that follows its index set: one index more or less costs O(m²).
//!
//! A new index goes to the end (one forward substitution); one that leaves takes its row and column with it, and what its column explained of the later
//! ones goes back into their factor, an update of rank one. Columns of L are contiguous, and every step runs along them.
//!
//! Source: Golub, Van Loan, "Matrix Computations", 4th edition, section 6.5.4.

use crate::kernel::{axpy, dot};

use super::cholesky::{SMALLEST_PIVOT, factorize};

/// A = LLᵀ, rows j to m − 1 of column j of L in `columns[j]`.
#[derive(Debug, Clone, Default)]
pub(crate) struct UpdatedCholesky {
    columns: Vec<Vec<f64>>,
}

impl UpdatedCholesky {
    /// Factorizes the m×m matrix in `values`, in its place; `None` if it is not numerically positive definite.
    pub(crate) fn new(size: usize, mut values: Vec<f64>) -> Option<Self> {
        if !factorize(size, &mut values) {
            return None;
        }
        let column = |j: usize| values[j * size + j..(j + 1) * size].to_vec();
        Some(Self { columns: (0..size).map(column).collect() })
    }

    /// m.
    pub(crate) fn size(&self) -> usize {
        self.columns.len()
    }

    /// Appends an index with the given entries of A against the present ones, and diagonal; `false`, with nothing done, if the matrix would be singular.
    pub(crate) fn append(&mut self, mut entries: Vec<f64>, diagonal: f64) -> bool {
        debug_assert_eq!(entries.len(), self.size());
        self.solve_lower(&mut entries);
        let pivot = diagonal - dot(&entries, &entries);
        if pivot.is_nan() || pivot <= SMALLEST_PIVOT * diagonal {
            return false;
        }
        self.columns.iter_mut().zip(entries).for_each(|(column, entry)| column.push(entry));
        self.columns.push(vec![pivot.sqrt()]);
        true
    }

    /// Removes the index at a position; those after it move up.
    pub(crate) fn remove(&mut self, position: usize) {
        for (j, column) in self.columns[..position].iter_mut().enumerate() {
            column.remove(position - j);
        }
        let gone = self.columns.remove(position);
        let mut rest = &mut gone.into_iter().skip(1).collect::<Vec<f64>>()[..];
        for column in &mut self.columns[position..] {
            let length = column[0].hypot(rest[0]);
            let (c, s) = (column[0] / length, rest[0] / length);
            for (l, r) in column.iter_mut().zip(rest.iter_mut()) {
                (*l, *r) = (c * *l + s * *r, c * *r - s * *l);
            }
            rest = &mut rest[1..];
        }
    }

    /// x = A⁻¹b in place.
    pub(crate) fn solve(&self, b: &mut [f64]) {
        debug_assert_eq!(b.len(), self.size());
        self.solve_lower(b);
        for (j, column) in self.columns.iter().enumerate().rev() {
            b[j] = (b[j] - dot(&column[1..], &b[j + 1..])) / column[0];
        }
    }

    fn solve_lower(&self, b: &mut [f64]) {
        for (j, column) in self.columns.iter().enumerate() {
            b[j] /= column[0];
            let x = b[j];
            axpy(-x, &column[1..], &mut b[j + 1..]);
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
            let mut factor = UpdatedCholesky::new(2, part(&set)).unwrap();
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
        let mut factor = UpdatedCholesky::new(1, vec![2.0]).unwrap();
        assert!(!factor.append(vec![2.0], 2.0));
        assert_eq!(factor.size(), 1);
    }
}
