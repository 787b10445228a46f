//! Random problems and the comparison of hypergradients with central differences, shared by the tests.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

pub mod reference;

use bilevel::criterion::ValidationLoss;
use bilevel::data::{Split, Target, kfold};
use bilevel::design::{CscMatrix, DenseMatrix, Design};
use bilevel::hypergradient::Selection;
use bilevel::loss::Loss;
use bilevel::lower::SparseGlm;
use bilevel::objective::SplitObjective;
use bilevel::outer::{Accuracy, Objective, Request};
use bilevel::parametrization::Parametrization;
use bilevel::penalty::Penalty;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// As exact as the solver gets.
pub const EXACT: Accuracy = Accuracy { relative_gap: 1e-15, adjoint_residual: 1e-14 };

/// A design with its targets, real or ±1.
pub struct RandomData {
    pub design: Design,
    pub real: Vec<f64>,
    pub signs: Vec<f64>,
}

/// Gaussian columns with common shift, some of them correlated; every third entry kept if sparse.
pub fn random_data(seed: u64, n: usize, p: usize, sparse: bool) -> RandomData {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
    let mut columns: Vec<Vec<f64>> = Vec::new();
    for j in 0..p {
        let mut column: Vec<f64> = (0..n).map(|_| normal() + 0.3).collect();
        if j % 3 == 2 {
            column.iter_mut().zip(&columns[j - 1]).for_each(|(a, b)| *a = 0.5 * *a + 0.5 * b);
        }
        columns.push(column);
    }
    if sparse {
        let mut keep = ChaCha8Rng::seed_from_u64(seed ^ 0x5eed);
        columns.iter_mut().flatten().for_each(|a| {
            if keep.random::<f64>() > 0.4 {
                *a = 0.0;
            }
        });
    }
    let coefficients: Vec<f64> = (0..p).map(|j| if j % 2 == 0 { normal() } else { 0.0 }).collect();
    let real: Vec<f64> = (0..n)
        .map(|i| 0.7 + 0.5 * normal() + (0..p).map(|j| columns[j][i] * coefficients[j]).sum::<f64>())
        .collect();
    let median = {
        let mut sorted = real.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[n / 2]
    };
    let signs = real.iter().map(|b| if b + normal() > median { 1.0 } else { -1.0 }).collect();
    let design = if sparse {
        let (mut starts, mut rows, mut values) = (vec![0], Vec::new(), Vec::new());
        for column in &columns {
            for (i, &a) in column.iter().enumerate().filter(|(_, a)| **a != 0.0) {
                rows.push(u32::try_from(i).unwrap());
                values.push(a);
            }
            starts.push(rows.len());
        }
        Design::Sparse(CscMatrix::new(n, starts, rows, values).unwrap())
    } else {
        Design::Dense(DenseMatrix::new(n, p, columns.concat()).unwrap())
    };
    RandomData { design, real, signs }
}

/// Hold-out (`folds` = 1: the last third validates) or K folds.
pub fn splits(n: usize, folds: usize, seed: u64) -> Vec<Split> {
    let rows: Vec<usize> = (0..n).collect();
    if folds == 1 {
        return vec![Split::from_rows(n, &rows[..2 * n / 3], &rows[2 * n / 3..]).unwrap()];
    }
    kfold(&Target::Real(vec![0.0; n]), &rows, folds, seed).unwrap()
}

/// The objective of a problem, and the largest λ_max over its splits.
pub fn objective<'a, L: Loss, P: Penalty>(
    design: &'a Design,
    targets: &'a [f64],
    splits: &'a [Split],
    loss: L,
    penalty: &'a P,
    parametrization: Box<dyn Parametrization>,
) -> SplitObjective<SparseGlm<'a, Design, L, P>, ValidationLoss<'a, L>> {
    let part = |split: &'a Split| {
        let lower = SparseGlm::new(design, targets, &split.train, loss, penalty, true).unwrap();
        (lower, ValidationLoss::new(loss, targets, &split.validation))
    };
    SplitObjective::new(splits.iter().map(part).collect(), parametrization)
}

/// Compares the hypergradient with central differences of the re-solved problem, entry by entry.
///
/// Returns `false` without judging where a kink is near: a biactive block, or a support that differs across the stencil.
pub fn gradient_matches_differences(objective: &mut dyn Objective, theta: &[f64]) -> bool {
    const STEP: f64 = 2e-4;
    let request = Request { accuracy: EXACT, selection: Selection::default(), gradient: true };
    let center = objective.evaluate(theta, request).unwrap();
    if center.biactive > 0 {
        return false;
    }
    let scale = center.gradient.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
    let mut moved = theta.to_vec();
    for k in 0..theta.len() {
        let mut at = |offset: f64| {
            moved.copy_from_slice(theta);
            moved[k] += offset;
            objective.evaluate(&moved, request).unwrap()
        };
        let points = [at(-2.0 * STEP), at(-STEP), at(STEP), at(2.0 * STEP)];
        if points.iter().any(|e| e.support_size != center.support_size || e.biactive > 0) {
            return false;
        }
        // Fourth-order central difference.
        let [a, b, c, d] = [points[0].value, points[1].value, points[2].value, points[3].value];
        let difference = (8.0 * (c - b) - (d - a)) / (12.0 * STEP);
        let error = (difference - center.gradient[k]).abs();
        assert!(
            error <= 1e-6 * difference.abs() + 1e-8 * scale.max(center.value),
            "parameter {k}: hypergradient {} against difference {difference} (error {error:.2e}, gap {:.1e})",
            center.gradient[k],
            center.relative_gap
        );
        assert!(center.gradient_error_bound.unwrap().is_finite());
    }
    true
}
