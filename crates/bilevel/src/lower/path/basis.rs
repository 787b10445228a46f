//! Columns that others make superfluous: those of one-hot codes beside an intercept, or copies.

use crate::design::DesignMatrix;

/// A column counts as dependent if no more than this part of its variance is left.
const DEPENDENT: f64 = 1e-10;
/// And its entries must be those of the combination to this part of the largest, on rows that do not train, too.
const ENTRIES: f64 = 1e-8;

/// Positions of columns that span the others *on all rows*, together with the constant if there is an intercept; `None` if a column depends on others on
/// the training rows only. `gram` is their Gram matrix (with the intercept profiled out) in the training rows.
///
/// A predictor is not changed by leaving out what the others can replace, so bounds on predictors that hold for the basis hold for all.
pub(super) fn basis<D: DesignMatrix>(
    design: &D,
    columns: &[u32],
    gram: &[f64],
    intercept: bool,
) -> Option<Vec<usize>> {
    let size = columns.len();
    let mut basis: Vec<usize> = Vec::new();
    // Rows of the Cholesky factor of the basis.
    let mut rows: Vec<Vec<f64>> = Vec::new();
    for k in 0..size {
        let column = &gram[k * size..(k + 1) * size];
        let mut row: Vec<f64> = Vec::with_capacity(basis.len() + 1);
        for (own, &j) in rows.iter().zip(&basis) {
            let known = crate::kernel::dot(&own[..row.len()], &row);
            row.push((column[j] - known) / own[row.len()]);
        }
        let left = column[k] - crate::kernel::dot(&row, &row);
        if left > DEPENDENT * column[k] && left > 0.0 {
            row.push(left.sqrt());
            rows.push(row);
            basis.push(k);
        } else if !is_combination(design, columns, k, &basis, &rows, row, intercept) {
            return None;
        }
    }
    Some(basis)
}

/// Whether column k is, on every row, the combination of the basis that `projection` (its part of the Cholesky factor) stands for, up to a constant if there is an
/// intercept.
fn is_combination<D: DesignMatrix>(
    design: &D,
    columns: &[u32],
    k: usize,
    basis: &[usize],
    rows: &[Vec<f64>],
    mut projection: Vec<f64>,
    intercept: bool,
) -> bool {
    for i in (0..projection.len()).rev() {
        projection[i] /= rows[i][i];
        let value = projection[i];
        projection[..i].iter_mut().zip(&rows[i]).for_each(|(p, l)| *p -= l * value);
    }
    let mut rest = vec![0.0; design.n_rows()];
    design.column_axpy(columns[k] as usize, 1.0, &mut rest);
    let largest = rest.iter().fold(0.0_f64, |m, a| m.max(a.abs()));
    for (&j, coefficient) in basis.iter().zip(&projection) {
        design.column_axpy(columns[j] as usize, -coefficient, &mut rest);
    }
    let constant = if intercept { rest.first().copied().unwrap_or(0.0) } else { 0.0 };
    rest.iter().all(|r| (r - constant).abs() <= ENTRIES * largest)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::design::DenseMatrix;

    #[test]
    fn what_depends_on_all_rows_is_left_out_and_what_depends_on_some_is_refused() {
        // Four rows, of which the first three train: a, its complement 1 − a, b, and a + b but for the last row.
        let (a, b) = ([1.0, 0.0, 1.0, 0.0], [0.5, -1.0, 2.0, 3.0]);
        let complement = a.map(|v| 1.0 - v);
        let sum = [1.5, -1.0, 3.0, 7.0];
        let design = DenseMatrix::new(4, 4, [a, complement, b, sum].concat()).unwrap();
        let centered = |j: usize| {
            let column = [a, complement, b, sum][j];
            let mean = column[..3].iter().sum::<f64>() / 3.0;
            [column[0] - mean, column[1] - mean, column[2] - mean]
        };
        let gram = |columns: &[u32]| -> Vec<f64> {
            let product = |j: &u32, k: &u32| {
                centered(*j as usize).iter().zip(centered(*k as usize)).map(|(x, y)| x * y).sum::<f64>()
            };
            columns.iter().flat_map(|j| columns.iter().map(move |k| product(j, k))).collect()
        };
        assert_eq!(basis(&design, &[0, 1, 2], &gram(&[0, 1, 2]), true), Some(vec![0, 2]));
        assert_eq!(basis(&design, &[0, 1, 2, 3], &gram(&[0, 1, 2, 3]), true), None);
    }
}
