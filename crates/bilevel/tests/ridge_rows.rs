//! Logistic ridge on sparse columns passes over rows; what it finds is what dense columns find.
#![allow(clippy::unwrap_used)]

use approx::assert_relative_eq;
use bilevel::design::{CscMatrix, DenseMatrix, Design};
use bilevel::loss::Logistic;
use bilevel::lower::{Hyperparameters, LowerLevel, RidgeGlm, Solution, SparseGlm};
use bilevel::outer::Accuracy;
use bilevel::penalty::L1;

const N: usize = 60;

/// Columns of three entries, and two of all rows: one constant, one that varies by a thousandth of its mean.
fn columns(p: usize) -> Vec<Vec<f64>> {
    let few = |j: usize| {
        let mut column = vec![0.0; N];
        (0..3).for_each(|k| column[(7 * j + 19 * k + j * k) % N] = 1.0 + (j as f64 + k as f64).sin());
        column
    };
    let mut columns: Vec<Vec<f64>> = (0..p - 2).map(few).collect();
    columns.insert(1, vec![3.0; N]);
    columns.push((0..N).map(|i| 1.0 + 1e-3 * (i as f64 * 1.3).cos()).collect());
    columns
}

fn sparse(columns: &[Vec<f64>]) -> Design {
    let (mut starts, mut rows, mut values) = (vec![0], Vec::new(), Vec::new());
    for column in columns {
        for (i, &a) in (0_u32..).zip(column).filter(|(_, a)| **a != 0.0) {
            rows.push(i);
            values.push(a);
        }
        starts.push(rows.len());
    }
    Design::Sparse(CscMatrix::new(N, starts, rows, values).unwrap())
}

fn solve(design: &Design, targets: &[f64], d: &[f64], intercept: bool) -> Solution {
    let (penalty, sample_weights) = (L1::new(d.len()), vec![1.0 / N as f64; N]);
    let glm = SparseGlm::new(design, targets, &sample_weights, Logistic, &penalty, intercept).unwrap();
    let at = Hyperparameters { lambda: d.to_vec(), ridge: 0.0 };
    RidgeGlm::new(glm).solve(&at, None, Accuracy::TIGHT).unwrap()
}

#[test]
fn nearly_constant_columns_among_sparse_ones_lose_no_digits() {
    let p = 40;
    let columns = columns(p);
    let dense = Design::Dense(DenseMatrix::new(N, p, columns.concat()).unwrap());
    let targets: Vec<f64> = (0..N)
        .map(|i| if (i as f64 * 0.9).sin() + (i as f64 * 1.3).cos() > 0.2 { 1.0 } else { -1.0 })
        .collect();
    for intercept in [true, false] {
        // A weight so small that the last column, of a standard deviation of a thousandth, is used.
        let mut d = vec![1e-3; p];
        d[p - 1] = 1e-8;
        let (by_rows, by_columns) =
            (solve(&sparse(&columns), &targets, &d, intercept), solve(&dense, &targets, &d, intercept));
        assert_relative_eq!(by_rows.objective, by_columns.objective, max_relative = 1e-12);
        for (j, (a, b)) in by_rows.coefficients.iter().zip(&by_columns.coefficients).enumerate() {
            let size = 1.0 + b.abs();
            assert!((a - b).abs() <= 1e-6 * size, "intercept {intercept}, coefficient {j}: {a} and {b}");
        }
        assert!(!intercept || by_columns.coefficients[p - 1].abs() > 10.0);
    }
}
