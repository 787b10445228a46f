//! Supports beyond the cache of inner products: what a referee once broke, and must hold.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use bilevel::criterion::ValidationLoss;
use bilevel::data::Split;
use bilevel::design::{DenseMatrix, Design};
use bilevel::hypergradient::Selection;
use bilevel::loss::{Logistic, Loss, Squared};
use bilevel::lower::SparseGlm;
use bilevel::objective::SplitObjective;
use bilevel::outer::{Accuracy, Evaluation, Objective, Request};
use bilevel::parametrization::{Ridge, Weights};
use bilevel::penalty::{Blocks, GroupL1, L1, Penalty};
use common::{EXACT, random_data};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

const N: usize = 1000;
const N_TRAIN: usize = 900;

/// Columns common + `spread`·noise: the closer they are, the more a solver has to do.
fn correlated(p: usize, spread: f64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut normals =
        |count: usize| -> Vec<f64> { (0..count).map(|_| StandardNormal.sample(&mut rng)).collect() };
    let common = normals(N);
    (0..p)
        .flat_map(|_| normals(N).into_iter().zip(&common).map(|(e, c)| c + spread * e).collect::<Vec<_>>())
        .collect()
}

fn dense(values: Vec<f64>) -> Design {
    Design::Dense(DenseMatrix::new(N, values.len() / N, values).unwrap())
}

/// Targets that depend on all columns.
fn targets(design: &Design) -> Vec<f64> {
    let Design::Dense(matrix) = design else { panic!("dense") };
    let p = matrix.values().len() / N;
    let sum = |i: usize| (0..p).map(|j| matrix.column(j)[i] * (j as f64 * 1.3).sin()).sum::<f64>();
    (0..N).map(|i| sum(i) + (i as f64 * 2.7).cos()).collect()
}

/// Evaluates at a sequence of (log λ, accuracy), each from where the one before ended.
fn evaluate<L: Loss, P: Penalty + Send>(
    design: &Design,
    targets: &[f64],
    loss: L,
    penalty: &P,
    weights: Weights,
    at: &[(f64, Accuracy)],
) -> Vec<Evaluation> {
    let rows: Vec<usize> = (0..N).collect();
    let split = Split::from_rows(N, &rows[..N_TRAIN], &rows[N_TRAIN..]).unwrap();
    let lower = SparseGlm::new(design, targets, &split.train, loss, penalty, true).unwrap();
    let criterion = ValidationLoss::new(loss, targets, &split.validation);
    let mut phi = SplitObjective::new(vec![(lower, criterion)], Box::new(weights));
    let request = |accuracy| Request { accuracy, selection: Selection::default(), gradient: true };
    at.iter().map(|(theta, accuracy)| phi.evaluate(&[*theta], request(*accuracy)).unwrap()).collect()
}

fn scalar(factors: Vec<f64>, ridge: f64) -> Weights {
    Weights::scalar(factors, Ridge::Fixed(ridge), -60.0, 60.0)
}

#[test]
fn with_a_ridge_a_gap_of_1e_10_finds_the_support_of_the_minimizer() {
    let data = random_data(11, N, 1500, true);
    let penalty = L1::new(1500);
    for (lambda, ridge) in [(2e-3, 1e-3), (1e-3, 1e-2)] {
        let once = |accuracy| {
            let at = [(f64::ln(lambda), accuracy)];
            let weights = scalar(vec![1.0; 1500], ridge);
            evaluate(&data.design, &data.signs, Logistic, &penalty, weights, &at).remove(0)
        };
        let (tight, exact) = (once(Accuracy::TIGHT), once(EXACT));
        assert!(exact.support_size > 400.0, "{}", exact.support_size);
        assert_eq!((tight.support_size, tight.biactive), (exact.support_size, exact.biactive));
        let error = (tight.gradient[0] - exact.gradient[0]).abs();
        assert!(error <= 1e-6 * exact.gradient[0].abs(), "{tight:?} against {exact:?}");
    }
}

#[test]
fn a_dead_column_in_a_group_does_not_stop_newton_steps() {
    let mut values = correlated(600, 0.05);
    let alive = dense(values.clone());
    values[..N].fill(0.0);
    let dead = dense(values);
    let groups: Vec<usize> = (0..600).map(|j| j / 4).collect();
    let penalty = GroupL1::new(Blocks::from_groups(&groups).unwrap());
    let accuracy = Accuracy { relative_gap: 1e-8, adjoint_residual: 1e-8 };
    let weights = scalar(vec![1.0; 150], 0.0);
    let found =
        evaluate(&dead, &targets(&alive), Squared, &penalty, weights, &[(f64::ln(1e-3), accuracy)]).remove(0);
    assert!(found.relative_gap <= 1e-8, "{:.1e}", found.relative_gap);
    assert!(found.gradient[0].is_finite());
}

#[test]
fn the_unit_of_one_column_does_not_matter_to_a_loose_adjoint() {
    let slope = |unit: f64| {
        let mut values = correlated(560, 0.1);
        let Design::Dense(last) = random_data(2, N, 1, false).design else { panic!("dense") };
        values[559 * N..].copy_from_slice(last.values());
        let targets = targets(&dense(values.clone()));
        values[559 * N..].iter_mut().for_each(|a| *a *= unit);
        let mut factors = vec![1.0; 560];
        factors[559] = unit;
        let loose = Accuracy { relative_gap: 1e-12, adjoint_residual: 1e-4 };
        let at = [(f64::ln(1e-3), loose)];
        evaluate(&dense(values), &targets, Squared, &L1::new(560), scalar(factors, 0.0), &at)
            .remove(0)
            .gradient[0]
    };
    let (one, large) = (slope(1.0), slope(1e4));
    assert!((one - large).abs() <= 1e-3 * one.abs(), "{one} against {large}");
}

#[test]
fn a_start_that_needs_no_step_has_an_error_bound_all_the_same() {
    let design = dense(correlated(600, 1.0));
    let targets = targets(&design);
    let loose = Accuracy { relative_gap: 1e-6, adjoint_residual: 1e-2 };
    let theta = f64::ln(0.02);
    let at = [(theta, loose), (theta + 1e-6, loose)];
    let weights = scalar(vec![1.0; 600], 0.0);
    let found = evaluate(&design, &targets, Squared, &L1::new(600), weights, &at);
    assert!(found[0].support_size > 512.0);
    let (first, second) = (found[0].gradient_error_bound.unwrap(), found[1].gradient_error_bound.unwrap());
    assert!(second > 0.01 * first && second.is_finite(), "{first:.1e}, then {second:.1e}");
}
