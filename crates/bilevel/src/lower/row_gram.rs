//! The Gram matrix of rows, Σ_j w_j a_j a_jᵀ on some of them: what takes the place of AᵀA where there are more columns than rows.
//!
//! Dense columns are gathered in blocks of 64, which a matrix product then takes at once; sparse ones are spread entry by entry.

use faer::linalg::matmul::triangular::{BlockStructure, matmul};
use faer::{Accum, MatMut, MatRef, Par};

use crate::design::DesignMatrix;

const BLOCK: usize = 64;
/// Columns that store less than one in this many of their entries count as sparse.
const SPARSE: usize = 8;

/// Σ_j w_j a_j a_jᵀ on the given rows (increasing), for columns with weights w ≥ 0; column major. If they are `centered`, dense columns lose their mean
/// over these rows: a caller that removes any multiple of (1, …, 1) later wants none of it to cancel.
pub(super) fn row_gram<D: DesignMatrix>(
    design: &D,
    rows: &[u32],
    columns: &[u32],
    weights: &[f64],
    centered: bool,
) -> Vec<f64> {
    let size = rows.len();
    let mut position = vec![u32::MAX; design.n_rows()];
    (0_u32..).zip(rows).for_each(|(k, &i)| position[i as usize] = k);
    let mut gram = vec![0.0; size * size];
    let mut block: Vec<f64> = Vec::with_capacity(BLOCK * size);
    let mut entries: Vec<(u32, f64)> = Vec::new();
    for (&j, &weight) in columns.iter().zip(weights) {
        let root = weight.sqrt();
        let visit = |take: &mut dyn FnMut(u32, f64)| {
            design.visit_column(j as usize, |i, a| {
                if position[i] != u32::MAX {
                    take(position[i], root * a);
                }
            });
        };
        if design.column_stored(j as usize) * SPARSE < design.n_rows() {
            entries.clear();
            visit(&mut |i, a| entries.push((i, a)));
            spread(&entries, &mut gram, size);
        } else {
            let start = block.len();
            block.resize(start + size, 0.0);
            visit(&mut |i, a| block[start + i as usize] = a);
            if centered {
                let mean = block[start..].iter().sum::<f64>() / size as f64;
                block[start..].iter_mut().for_each(|a| *a -= mean);
            }
            if block.len() == BLOCK * size {
                add_block(&mut block, &mut gram, size);
            }
        }
    }
    add_block(&mut block, &mut gram, size);
    for k in 0..size {
        for i in 0..k {
            gram[k * size + i] = gram[i * size + k];
        }
    }
    gram
}

/// The lower triangle of G += a aᵀ, for rows that increase.
fn spread(entries: &[(u32, f64)], gram: &mut [f64], size: usize) {
    for (k, &(column, a)) in entries.iter().enumerate() {
        let column = &mut gram[column as usize * size..(column as usize + 1) * size];
        entries[k..].iter().for_each(|&(i, b)| column[i as usize] += a * b);
    }
}

/// The lower triangle of G += BBᵀ; empties the block.
fn add_block(block: &mut Vec<f64>, gram: &mut [f64], size: usize) {
    if size > 0 && !block.is_empty() {
        let columns = MatRef::from_column_major_slice(block, size, block.len() / size);
        matmul(
            MatMut::from_column_major_slice_mut(gram, size, size),
            BlockStructure::TriangularLower,
            Accum::Add,
            columns,
            BlockStructure::Rectangular,
            columns.transpose(),
            BlockStructure::Rectangular,
            1.0,
            Par::Seq,
        );
        block.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::row_gram;
    use crate::design::{CscMatrix, DenseMatrix};

    #[test]
    fn dense_and_sparse_columns_give_the_sum_of_outer_products() {
        let (n, p) = (40, 150);
        let entry = |i: usize, j: usize| {
            if (i * 31 + j * 17).is_multiple_of(11) { 1.0 + ((i + 3 * j) as f64).sin() } else { 0.0 }
        };
        let dense: Vec<f64> = (0..p).flat_map(|j| (0..n).map(move |i| entry(i, j))).collect();
        let (mut starts, mut rows, mut values) = (vec![0], Vec::new(), Vec::new());
        for j in 0..p {
            for i in (0_u32..40).filter(|&i| entry(i as usize, j) != 0.0) {
                rows.push(i);
                values.push(entry(i as usize, j));
            }
            starts.push(rows.len());
        }
        let sparse = CscMatrix::new(n, starts, rows, values).unwrap();
        let dense = DenseMatrix::new(n, p, dense).unwrap();
        let taken: Vec<u32> = (0..40).filter(|i| i % 3 != 1).collect();
        let columns: Vec<u32> = (0..150).filter(|j| j % 7 != 2).collect();
        let weights: Vec<f64> = columns.iter().map(|&j| 0.5 + f64::from(j)).collect();
        let (a, b) = (
            row_gram(&dense, &taken, &columns, &weights, false),
            row_gram(&sparse, &taken, &columns, &weights, false),
        );
        for (k, &i) in taken.iter().enumerate() {
            for (l, &m) in taken.iter().enumerate() {
                let term =
                    |(&j, w): (&u32, &f64)| w * entry(i as usize, j as usize) * entry(m as usize, j as usize);
                let expected: f64 = columns.iter().zip(&weights).map(term).sum();
                for gram in [&a, &b] {
                    approx::assert_relative_eq!(gram[l * taken.len() + k], expected, max_relative = 1e-12);
                }
            }
        }
    }
}
