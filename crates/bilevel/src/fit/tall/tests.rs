#![allow(clippy::unwrap_used, clippy::panic)]

use std::ops::ControlFlow;

use approx::assert_relative_eq;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::fewer_rows::sparse;
use super::representatives::representatives;
use super::*;
use crate::Result;
use crate::criterion::{Criterion, ValidationLoss};
use crate::data::{Dataset, FeatureNames, SplitRows, Target};
use crate::design::DenseMatrix;
use crate::fit::climb;
use crate::fit::family::{Family, WithFamily, with_family};
use crate::fit::{FitInput, FitSettings};
use crate::hypergradient::Selection;
use crate::loss::Squared;
use crate::lower::{Hyperparameters, LowerLevel, SparseGlm};
use crate::objective::{SplitObjective, ValidationSample};
use crate::outer::{
    Accuracy, AccuracySchedule, Evaluation, Objective, Progress, Request, ScalarSearch, ScalarSettings,
    StopReason,
};
use crate::parametrization::{Ridge, Weights};
use crate::penalty::L1;

const N: usize = 240;
const P: usize = 9;

/// Random columns with means, of which one is constant, one a combination of two others and one seldom varies; rows come twice. `kept` is the part
/// of the entries that are not zero.
fn data(seed: u64, kept: f64) -> Dataset {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut uniform = || rng.random::<f64>() - 0.5;
    let mut columns: Vec<Vec<f64>> = Vec::new();
    for j in 0..P {
        let mean = if j % 2 == 0 { 0.0 } else { 3.0 };
        let mut entry = || {
            if uniform() + 0.5 < kept {
                (uniform() + mean) * 2.0_f64.powi(i32::try_from(j).unwrap() - 4)
            } else {
                0.0
            }
        };
        let half: Vec<f64> = (0..N / 2).map(|_| entry()).collect();
        columns.push(half.iter().chain(&half).copied().collect());
    }
    columns[3] = vec![1.7; N];
    columns[5] = columns[0].iter().zip(&columns[1]).map(|(a, b)| 2.0 * a - b).collect();
    columns[7] = (0..N).map(|i| if i == 11 { 1.0 } else { 0.0 }).collect();
    let target =
        (0..N).map(|i| 5.0 + columns[1][i] - 2.0 * columns[2][i] + columns[8][i] + uniform()).collect();
    let concatenated = columns.concat();
    let design = if kept < 1.0 {
        Design::Sparse(sparse(N, &concatenated).unwrap())
    } else {
        Design::Dense(DenseMatrix::new(N, P, concatenated).unwrap())
    };
    Dataset::new(design, Target::Real(target), FeatureNames::Counted { first: 0 }).unwrap()
}

fn exact(gradient: bool) -> Request {
    let accuracy = Accuracy { relative_gap: 1e-15, adjoint_residual: 1e-14 };
    Request { accuracy, selection: Selection::default(), gradient }
}

/// What an objective says at some λ, and the λ that a search finds.
struct Findings {
    evaluations: Vec<(Evaluation, Vec<ValidationSample>)>,
    best: f64,
}

fn findings<M: LowerLevel + Send, C: Criterion + Send>(
    objective: &mut SplitObjective<M, C>,
    largest: f64,
) -> Findings {
    let (lower, upper) = ((1e-5 * largest).ln(), largest.ln());
    objective.set_parametrization(Box::new(Weights::scalar(vec![1.0; P], Ridge::Fixed(0.0), lower, upper)));
    let mut at = |part: f64| {
        let evaluation = objective.evaluate(&[(part * largest).ln()], exact(true)).unwrap();
        (evaluation, objective.validation_samples())
    };
    let evaluations = [0.71, 0.13, 0.021, 0.0037].map(&mut at).into();
    let accuracy = exact(true).accuracy;
    let accuracy = AccuracySchedule { current: accuracy, tightest: accuracy, ..AccuracySchedule::default() };
    let search = ScalarSearch { settings: ScalarSettings { accuracy, ..ScalarSettings::default() } };
    let mut go_on = |_: &Progress<'_>| -> ControlFlow<StopReason> { ControlFlow::Continue(()) };
    let best = search.search(objective, &[], &mut go_on).unwrap().outer.theta[0].exp();
    Findings { evaluations, best }
}

struct Search;

impl WithFamily for Search {
    type Output = (f64, Findings);

    fn run<'a, F: Family<'a>>(self, family: &'a F, _: Option<&[usize]>) -> Result<Self::Output> {
        let mut objective = climb::objective(family, &[1.0; P])?;
        let scales = objective.lower_levels().map(|lower| family.lambda_scale(lower, &[1.0; P]));
        let largest = scales.fold(0.0, f64::max);
        Ok((largest, findings(&mut objective, largest)))
    }
}

/// Compares the splits on fewer rows with the same splits on all rows.
fn assert_same_objective(input: &FitInput<'_>) {
    let settings = input.settings;
    let prepared = Prepared::new(input).unwrap();
    let tall = Tall::new(&prepared, settings.intercept).unwrap();
    let most = P + 2;
    assert!(tall.splits.iter().all(|s| s.numbers.iter().filter(|i| **i == u32::MAX).count() <= most));
    let (largest, fewer) = with_family(input, &prepared, Search).unwrap();

    let (targets, penalty) = (input.data.target.values(), L1::new(P));
    let splits = prepared.rows.splits.iter();
    let parts: Vec<_> = splits
        .map(|split| {
            let train = &split.train;
            let lower =
                SparseGlm::new(&prepared.design, targets, train, Squared, &penalty, settings.intercept);
            (lower.unwrap(), ValidationLoss::of_split(Squared, targets, split))
        })
        .collect();
    let scale = parts.iter().map(|(lower, _)| lower.lambda_max(&[1.0; P])).fold(0.0, f64::max);
    assert_relative_eq!(scale, largest, max_relative = 1e-12);
    let one = Weights::scalar(vec![1.0; P], Ridge::Fixed(0.0), -9.0, 9.0);
    let all = findings(&mut SplitObjective::new(parts, Box::new(one)), largest);

    // Rounding of the criterion, 1e-16 of it, leaves its minimizer free by about the root of that.
    assert_relative_eq!(fewer.best, all.best, max_relative = 1e-7);
    for ((few, few_samples), (all, all_samples)) in fewer.evaluations.iter().zip(&all.evaluations) {
        assert_relative_eq!(few.value, all.value, max_relative = 1e-10);
        assert_relative_eq!(few.standard_error, all.standard_error, max_relative = 1e-10);
        assert_relative_eq!(
            few.gradient[0],
            all.gradient[0],
            max_relative = 1e-8,
            epsilon = 1e-10 * all.value
        );
        assert_eq!(few_samples.len(), all_samples.len());
        for (few, all) in few_samples.iter().zip(all_samples) {
            assert_eq!((few.row, few.split), (all.row, all.split));
            assert_relative_eq!(few.weight, all.weight, max_relative = 1e-14);
            assert_relative_eq!(few.predictor, all.predictor, max_relative = 1e-9, epsilon = 1e-9);
        }
    }
}

#[test]
fn fewer_rows_give_the_same_objective_and_the_same_lambda() {
    let counts: Vec<f64> = (0..N).map(|i| ((i * 7 + i / 5) % 3) as f64).collect();
    let given = [(0, 70), (50, 120), (130, 200)].map(|(first, last)| SplitRows {
        train: (0..N - 3).filter(|i| !(first..last).contains(i)).collect(),
        validation: (first..last).collect(),
    });
    for (seed, kept) in [(1, 1.0), (2, 0.3)] {
        let data = data(seed, kept);
        for (intercept, standardize) in [(true, true), (true, false), (false, true), (false, false)] {
            let settings = FitSettings { intercept, standardize, ..FitSettings::default() };
            let input = FitInput::new("tall", &data, &settings);
            assert_same_objective(&input);
            assert_same_objective(&FitInput { sample_weight: Some(&counts), ..input });
            assert_same_objective(&FitInput { splits: Some(&given), ..input });
        }
    }
}

#[test]
fn representatives_have_the_mean_and_the_covariance() {
    for (kept, centered) in [(1.0, true), (1.0, false), (0.3, true), (0.3, false)] {
        let data = data(5, kept);
        let weights: Vec<f64> = (0..N).map(|i| ((i * 5) % 4) as f64).collect();
        let moments = Moments::new(&data.design, data.target.values(), &weights, centered);
        let columns = representatives(&moments, centered).unwrap();
        let count = columns.len() / (P + 1);
        // Of nine columns and the target, one is a combination of others (rounding may leave it a row, of next to nothing), and a
        // constant one counts only where there is no intercept.
        assert!((P..=P + 1).contains(&count), "{count} rows");
        let column = |j: usize| &columns[j * count..(j + 1) * count];
        let mut full = vec![vec![0.0; N]; P];
        full.iter_mut().enumerate().for_each(|(j, c)| data.design.visit_column(j, |i, a| c[i] = a));
        full.push(data.target.values().to_vec());
        let total: f64 = weights.iter().sum();
        let second = |j: usize, k: usize| -> f64 {
            (0..N).map(|i| weights[i] * full[j][i] * full[k][i]).sum::<f64>() / total
        };
        for (j, feature) in full.iter().enumerate() {
            let mean: f64 = column(j).iter().sum::<f64>() / count as f64;
            let expected: f64 = feature.iter().zip(&weights).map(|(a, w)| a * w).sum::<f64>() / total;
            if centered {
                assert_relative_eq!(mean, expected, max_relative = 1e-13, epsilon = 1e-14);
            }
            for k in 0..=P {
                let square: f64 =
                    column(j).iter().zip(column(k)).map(|(a, b)| a * b).sum::<f64>() / count as f64;
                let scale = (second(j, j) * second(k, k)).sqrt();
                assert_relative_eq!(square, second(j, k), epsilon = 1e-13 * scale);
            }
        }
    }
}

#[test]
fn a_column_far_from_zero_keeps_its_rows() {
    let mut columns: Vec<f64> = (0..2 * N).map(|i| (i as f64).sin()).collect();
    columns[..N].iter_mut().for_each(|a| *a += 1e5);
    let target = Target::Real((0..N).map(|i| (i as f64).cos()).collect());
    let design = Design::Dense(DenseMatrix::new(N, 2, columns).unwrap());
    let data = Dataset::new(design, target, FeatureNames::Counted { first: 0 }).unwrap();
    let settings = FitSettings::default();
    let prepared = Prepared::new(&FitInput::new("far", &data, &settings)).unwrap();
    assert!(Tall::new(&prepared, true).is_none());
    assert!(Tall::new(&prepared, false).is_some());
}

#[test]
fn a_path_on_fewer_rows_is_the_path() {
    for (seed, kept) in [(0, 1.0), (1, 0.4)] {
        let data = data(seed, kept);
        let (design, targets) = (&data.design, data.target.values());
        let weights: Vec<f64> =
            (0..N).map(|i| if i % 3 == 0 { 2.0 } else { 1.0 } / (N as f64 * 4.0 / 3.0)).collect();
        for intercept in [false, true] {
            let fewer = FewerRows::new(design, targets, &weights, intercept, 100).unwrap();
            assert!(fewer.targets.len() <= P + 2);
            let penalty = L1::new(P);
            let all = SparseGlm::new(design, targets, &weights, Squared, &penalty, intercept).unwrap();
            let few =
                SparseGlm::new(&fewer.design, &fewer.targets, &fewer.weights, Squared, &penalty, intercept)
                    .unwrap();
            let largest = all.lambda_max(&[1.0; P]);
            assert_relative_eq!(few.lambda_max(&[1.0; P]), largest, max_relative = 1e-12);
            for part in [0.5, 0.1, 1e-3] {
                let at = Hyperparameters { lambda: vec![part * largest; P], ridge: 0.01 };
                let (all, few) = (
                    all.solve(&at, None, Accuracy::TIGHT).unwrap(),
                    few.solve(&at, None, Accuracy::TIGHT).unwrap(),
                );
                assert_relative_eq!(few.objective, all.objective, max_relative = 1e-11);
                assert_relative_eq!(few.intercept, all.intercept, max_relative = 1e-8, epsilon = 1e-9);
                for (a, b) in few.coefficients.iter().zip(&all.coefficients) {
                    assert_relative_eq!(a, b, max_relative = 1e-8, epsilon = 1e-9);
                }
            }
        }
    }
}
