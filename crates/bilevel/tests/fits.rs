//! `fit` on tiny data: every combination of loss, penalty, weights, split and method ends with finite numbers or with a sentence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::ops::ControlFlow;

use bilevel::Error;
use bilevel::data::{Dataset, FeatureNames, SplitSettings, Target, Task, synthetic};
use bilevel::design::{DenseMatrix, Design, DesignMatrix};
use bilevel::fit::{
    Fit, FitInput, FitSettings, JournalEntry, LossKind, Observer, OuterKind, PenaltyKind, Silent,
    WeightsKind, fit,
};
use bilevel::outer::{Step, StopReason};

const GROUPS: [usize; 5] = [0, 0, 1, 2, 2];

fn data(n: usize, task: Task) -> Dataset {
    let shape = synthetic::Shape { n_samples: n, n_features: 5, n_informative: 2 };
    match task {
        Task::Regression => synthetic::regression(shape, 3.0, 1).unwrap().data,
        Task::Classification => synthetic::classification(shape, 0.3, 1).unwrap().data,
    }
}

fn run(data: &Dataset, settings: &FitSettings, observer: &mut dyn Observer) -> Result<Fit, Error> {
    let groups = (data.n_features() == 5).then_some(&GROUPS[..]);
    fit(FitInput { groups, ..FitInput::new("tiny", data, settings) }, observer)
}

/// Finite numbers everywhere, and the same record after a journey through JSON.
fn assert_sound(fit: &Fit, case: &str) {
    let record = &fit.record;
    assert!(
        fit.model.coefficients.iter().all(|y| y.is_finite()) && fit.model.intercept.is_finite(),
        "{case}"
    );
    assert!(
        fit.feature_weights.iter().all(|l| !l.is_nan() && *l >= 0.0),
        "{case}: {:?}",
        fit.feature_weights
    );
    let numbers = [record.criterion.value, record.criterion.standard_error, record.lower_level.objective];
    assert!(numbers.iter().all(|v| v.is_finite()), "{case}: {numbers:?}");
    assert!(
        record.certificate.residual.is_finite() && !record.certificate.hypergradient_norm.is_nan(),
        "{case}"
    );
    assert!(record.certificate.relative_gap <= 1e-6, "{case}: gap {:.1e}", record.certificate.relative_gap);
    assert!(record.weights.theta.iter().all(|t| t.is_finite()), "{case}");
    let text = serde_json::to_string(fit).unwrap();
    let read: Fit = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{case}: {e}"));
    assert_eq!(read.model, fit.model, "{case}");
    assert_eq!(serde_json::to_string(&read).unwrap(), text, "{case}");
}

const PENALTIES: [PenaltyKind; 4] =
    [PenaltyKind::L1, PenaltyKind::ElasticNet, PenaltyKind::GroupL1, PenaltyKind::Ridge];

fn check_all(task: Task, loss: LossKind) {
    let data = data(18, task);
    let mut solved = 0;
    for penalty in PENALTIES {
        for weights in [
            WeightsKind::Auto,
            WeightsKind::Scalar,
            WeightsKind::Adaptive,
            WeightsKind::Group,
            WeightsKind::Feature,
        ] {
            for outer in [
                OuterKind::Auto,
                OuterKind::Scalar,
                OuterKind::Ntrba,
                OuterKind::Nba,
                OuterKind::Lbfgs,
                OuterKind::GaussNewton,
                OuterKind::Grid,
            ] {
                for split in
                    [SplitSettings::Folds(3), SplitSettings::Holdout(0.4), SplitSettings::Validation(6)]
                {
                    let settings = FitSettings {
                        loss,
                        penalty,
                        weights,
                        outer,
                        split,
                        max_outer: 2,
                        ..FitSettings::default()
                    };
                    let case = format!("{loss:?} {penalty:?} {weights:?} {outer:?} {split:?}");
                    match run(&data, &settings, &mut Silent) {
                        Ok(fit) => {
                            assert_sound(&fit, &case);
                            solved += 1;
                        }
                        Err(error @ Error::InvalidSetting { .. }) => {
                            let contradicts =
                                penalty == PenaltyKind::Ridge && weights == WeightsKind::Adaptive;
                            assert!(
                                contradicts || matches!(outer, OuterKind::Scalar | OuterKind::Grid),
                                "{case}: {error}"
                            );
                        }
                        Err(error) => panic!("{case}: {error}"),
                    }
                }
            }
        }
    }
    assert!(solved >= 180, "{solved}");
}

#[test]
fn every_combination_under_the_squared_loss_ends_well() {
    check_all(Task::Regression, LossKind::Auto);
}

#[test]
fn every_combination_under_the_logistic_loss_ends_well() {
    check_all(Task::Classification, LossKind::Logistic);
}

#[test]
fn classes_under_the_squared_loss_end_well() {
    let data = data(18, Task::Classification);
    let settings = FitSettings { loss: LossKind::Squared, ..FitSettings::default() };
    assert_sound(&run(&data, &settings, &mut Silent).unwrap(), "classes, squared");
}

fn of_columns(columns: &[Vec<f64>], targets: Vec<f64>) -> Dataset {
    let design = DenseMatrix::new(targets.len(), columns.len(), columns.concat()).unwrap();
    Dataset::new(Design::Dense(design), Target::Real(targets), FeatureNames::Counted { first: 1 }).unwrap()
}

#[test]
fn data_without_anything_to_learn_end_in_a_constant_model() {
    let wave: Vec<f64> = (0..12).map(|i| (f64::from(i) * 1.3).sin()).collect();
    let rare: Vec<f64> = (0..12).map(|i| if i == 3 { 1.0 } else { 0.0 }).collect();
    let huge: Vec<f64> = wave.iter().map(|a| 1e7 + a).collect();
    let zero = vec![0.0; 12];
    let targets: Vec<f64> = (0..12).map(|i| f64::from(i % 5)).collect();
    for (name, columns, targets, is_constant) in [
        ("constant target", vec![wave.clone(), rare.clone()], vec![0.3; 12], true),
        ("zero target", vec![wave.clone(), rare.clone()], zero.clone(), true),
        ("zero columns", vec![zero.clone(), zero.clone()], targets.clone(), true),
        ("constant columns", vec![vec![0.1; 12], vec![-7e5; 12]], targets.clone(), true),
        ("a column that varies in one row", vec![rare.clone()], targets.clone(), false),
        ("a huge offset", vec![huge, wave.clone()], targets.clone(), false),
        ("a copy", vec![wave.clone(), wave.clone(), zero], wave.clone(), false),
        ("one column", vec![wave.clone()], wave.iter().map(|a| 3.0 * a - 1.0).collect(), false),
    ] {
        for (weights, standardize, penalty) in [
            (WeightsKind::Auto, false, PenaltyKind::L1),
            (WeightsKind::Scalar, true, PenaltyKind::L1),
            (WeightsKind::Feature, true, PenaltyKind::L1),
            (WeightsKind::Adaptive, false, PenaltyKind::L1),
            (WeightsKind::Auto, false, PenaltyKind::Ridge),
            (WeightsKind::Feature, true, PenaltyKind::Ridge),
        ] {
            for split in [SplitSettings::Folds(3), SplitSettings::Folds(12), SplitSettings::Holdout(0.3)] {
                let data = of_columns(&columns, targets.clone());
                let settings = FitSettings {
                    weights,
                    penalty,
                    split,
                    standardize,
                    max_outer: 5,
                    ..FitSettings::default()
                };
                let case = format!("{name}, {penalty:?}, {weights:?}, {split:?}");
                let fit = run(&data, &settings, &mut Silent).unwrap_or_else(|e| panic!("{case}: {e}"));
                assert_sound(&fit, &case);
                let spread = |z: &[f64]| z.iter().fold(0.0_f64, |m, v| m.max((v - z[0]).abs()));
                let predicted = fit.model.decision_function(&data.design).unwrap();
                assert!(!is_constant || spread(&predicted) <= 1e-12, "{case}: {predicted:?}");
            }
        }
    }
}

#[test]
fn extreme_magnitudes_give_numbers_or_a_sentence() {
    let wave: Vec<f64> = (0..15).map(|i| (f64::from(i) * 1.3).sin()).collect();
    let other: Vec<f64> = (0..15).map(|i| (f64::from(i) * 2.9).cos()).collect();
    for column_size in [1e-320, 1e-160, 1e-30, 1e30, 1e120, 1e160, 1e300] {
        for target_size in [1e-300, 1e-160, 1.0, 1e100, 1e200] {
            for (standardize, penalty) in [
                (false, PenaltyKind::L1),
                (true, PenaltyKind::L1),
                (false, PenaltyKind::ElasticNet),
                (false, PenaltyKind::GroupL1),
                (true, PenaltyKind::Ridge),
                (false, PenaltyKind::Ridge),
            ] {
                let columns = [wave.iter().map(|a| column_size * a).collect(), other.clone()];
                let targets =
                    wave.iter().zip(&other).map(|(a, b)| target_size * (a + 0.3 * b + 0.1)).collect();
                let data = of_columns(&columns, targets);
                let settings = FitSettings { standardize, penalty, max_outer: 3, ..FitSettings::default() };
                let input = FitInput { groups: Some(&[0, 1]), ..FitInput::new("extreme", &data, &settings) };
                let case = format!("columns {column_size:e}, target {target_size:e}, {penalty:?}");
                match fit(input, &mut Silent) {
                    Ok(fit) => assert_sound(&fit, &case),
                    Err(error) => assert!(error.to_string().contains("expected"), "{case}: {error}"),
                }
            }
        }
    }
}

#[test]
fn two_and_three_samples_are_enough_or_refused() {
    for n in [2, 3, 4] {
        for task in [Task::Regression, Task::Classification] {
            let all = data(30, task);
            let mut rows: Vec<usize> = (0..n).collect();
            if task == Task::Classification {
                let other = (0..30).find(|&i| all.target.values()[i] != all.target.values()[0]).unwrap();
                rows[1] = other;
            }
            let design = all.design.select_rows(&rows).unwrap();
            let data = Dataset::new(design, all.target.select(&rows), all.feature_names.clone()).unwrap();
            for split in [SplitSettings::Folds(2), SplitSettings::Holdout(0.5), SplitSettings::Validation(1)]
            {
                for weights in [WeightsKind::Auto, WeightsKind::Feature] {
                    let settings = FitSettings { split, weights, max_outer: 3, ..FitSettings::default() };
                    match run(&data, &settings, &mut Silent) {
                        Ok(fit) => assert_sound(&fit, &format!("{n} samples, {task:?}, {split:?}")),
                        Err(error) => {
                            assert!(
                                matches!(error, Error::InvalidData { .. } | Error::InvalidSetting { .. }),
                                "{error}"
                            );
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn extreme_fractions_leave_rows_on_both_sides_or_are_refused() {
    let data = data(20, Task::Regression);
    for fraction in [f64::NAN, -0.1, 0.0, 1e-9, 0.01, 0.05, 0.5, 0.95, 0.999, 1.0, 2.0, f64::INFINITY] {
        for split in [SplitSettings::Holdout(fraction), SplitSettings::Folds(2)] {
            let test_fraction = matches!(split, SplitSettings::Folds(_)).then_some(fraction);
            let settings =
                FitSettings { split, test_fraction, weights: WeightsKind::Scalar, ..FitSettings::default() };
            match run(&data, &settings, &mut Silent) {
                Ok(fit) => assert_sound(&fit, &format!("fraction {fraction}")),
                Err(error) => assert!(matches!(error, Error::InvalidSetting { .. }), "{error}"),
            }
        }
    }
}

struct StopsAtOnce;

impl Observer for StopsAtOnce {
    fn on_step(&mut self, _step: &Step) -> ControlFlow<()> {
        ControlFlow::Break(())
    }
}

#[test]
fn a_fit_that_is_stopped_at_once_still_answers() {
    for penalty in PENALTIES {
        for weights in [WeightsKind::Auto, WeightsKind::Adaptive, WeightsKind::Group, WeightsKind::Feature] {
            if penalty == PenaltyKind::Ridge && weights == WeightsKind::Adaptive {
                continue;
            }
            let settings = FitSettings { penalty, weights, ..FitSettings::default() };
            let data = data(18, Task::Classification);
            let stopped = run(&data, &settings, &mut StopsAtOnce).unwrap();
            assert_sound(&stopped, "stopped");
            assert_eq!(stopped.record.outer.stop_reason, StopReason::Cancelled);
            let limited = FitSettings { time_limit: Some(1e-9), ..settings };
            let limited = run(&data, &limited, &mut Silent).unwrap();
            assert_sound(&limited, "out of time");
            assert_eq!(limited.record.outer.stop_reason, StopReason::TimeLimit);
        }
    }
}

#[test]
fn auto_stays_at_one_weight_where_the_data_are_interpolated() {
    let exact = synthetic::regression(
        synthetic::Shape { n_samples: 60, n_features: 5, n_informative: 3 },
        f64::INFINITY,
        3,
    );
    let fit = run(&exact.unwrap().data, &FitSettings::default(), &mut Silent).unwrap();
    let null = fit.record.curve.last().unwrap().value;
    assert!(fit.record.criterion.value < 1e-7 * null);
    assert_eq!(fit.record.weights.kind, WeightsKind::Scalar);
    assert_eq!(fit.record.stages.len(), 1);
}

/// Interrupts after three evaluations, and counts those that came nevertheless.
#[derive(Default)]
struct InterruptsAtThird(usize);

impl Observer for InterruptsAtThird {
    fn is_interrupted(&self) -> bool {
        self.0 >= 3
    }

    fn on_evaluation(&mut self, _entry: &JournalEntry) {
        self.0 += 1;
    }
}

#[test]
fn an_interrupted_fit_ends_without_another_evaluation() {
    for weights in [WeightsKind::Scalar, WeightsKind::Feature] {
        let settings = FitSettings { weights, ..FitSettings::default() };
        let mut observer = InterruptsAtThird::default();
        let outcome = run(&data(18, Task::Regression), &settings, &mut observer);
        assert_eq!(outcome.unwrap_err(), Error::Interrupted);
        assert_eq!(observer.0, 3);
    }
}

#[test]
fn settings_keep_their_meaning_in_json() {
    let settings = FitSettings {
        loss: LossKind::Logistic,
        penalty: PenaltyKind::ElasticNet,
        weights: WeightsKind::Group,
        outer: OuterKind::Nba,
        split: SplitSettings::Holdout(0.1 + 0.2),
        test_fraction: Some(1.0 / 3.0),
        l2: Some(5e-324),
        threads: Some(2),
        tolerance: 1e-13,
        time_limit: Some(0.1),
        seed: u64::MAX,
        ..FitSettings::default()
    };
    let read: FitSettings = serde_json::from_str(&serde_json::to_string(&settings).unwrap()).unwrap();
    assert_eq!(read, settings);
    let empty: FitSettings = serde_json::from_str("{}").unwrap();
    assert_eq!(empty, FitSettings::default());
}

#[test]
fn one_class_in_the_training_rows_is_refused_in_a_sentence() {
    let design = DenseMatrix::new(8, 1, (0..8).map(f64::from).collect()).unwrap();
    let signs = vec![1.0, 1.0, 1.0, 1.0, 1.0, 1.0, -1.0, -1.0];
    let classes = bilevel::data::Classes { negative: "no".into(), positive: "yes".into() };
    let target = Target::Binary { signs, classes };
    let data = Dataset::new(Design::Dense(design), target, FeatureNames::Counted { first: 1 }).unwrap();
    assert_eq!(data.design.n_columns(), 1);
    let settings = FitSettings { split: SplitSettings::Validation(2), ..FitSettings::default() };
    let error = run(&data, &settings, &mut Silent).unwrap_err().to_string();
    assert!(error.contains("one class only"), "{error}");
}

#[test]
fn a_strong_pull_leaves_one_weight_for_each_group() {
    let data = data(40, Task::Regression);
    let thetas = |pull: f64| {
        let settings =
            FitSettings { weights: WeightsKind::Feature, pull: Some(pull), ..FitSettings::default() };
        let fit = run(&data, &settings, &mut Silent).unwrap();
        (fit.record.weights.theta.clone(), fit.record.criterion.value)
    };
    let spread = |theta: &[f64]| (theta[0] - theta[1]).abs().max((theta[3] - theta[4]).abs());
    let ((free, free_value), (pulled, pulled_value)) = (thetas(0.0), thetas(1e4));
    assert!(spread(&free) > 1e-2, "{free:?}");
    assert!(spread(&pulled) < 1e-4, "{pulled:?}");
    // What is recorded is the criterion, without the pull.
    assert!(free_value <= pulled_value && pulled_value < 2.0 * free_value, "{free_value} {pulled_value}");
}

/// A regression on `n` rows with correlated columns and little noise; its target times `scale` plus `offset`.
fn nearly_exact(noise: f64, scale: f64, offset: f64) -> Dataset {
    let shape = synthetic::Shape { n_samples: 80, n_features: 15, n_informative: 5 };
    let mut data = synthetic::regression(shape, 1.0 / noise, 3).unwrap().data;
    let target: Vec<f64> = data.target.values().iter().map(|b| scale * b + offset).collect();
    data.target = Target::Real(target);
    data
}

#[test]
fn the_climb_does_not_depend_on_the_unit_of_the_target() {
    let settings = FitSettings::default();
    let of = |scale: f64| {
        fit(FitInput::new("scaled", &nearly_exact(0.3, scale, 0.0), &settings), &mut Silent).unwrap()
    };
    let (plain, scaled) = (of(1.0), of(1e5));
    assert_ne!(plain.record.weights.kind, WeightsKind::Scalar, "the example climbs");
    assert_eq!(plain.record.weights.kind, scaled.record.weights.kind);
    assert_eq!(plain.model.support, scaled.model.support);
    let ratio = scaled.record.criterion.value / (1e10 * plain.record.criterion.value);
    assert!((ratio - 1.0).abs() < 1e-6, "{ratio}");
}

#[test]
fn the_curve_of_nearly_exact_data_is_that_of_exact_solves() {
    let data = nearly_exact(1e-3, 1.0, 0.0);
    let settings = FitSettings { weights: WeightsKind::Scalar, ..FitSettings::default() };
    let searched = fit(FitInput::new("searched", &data, &settings), &mut Silent).unwrap();
    let grid = searched.record.curve.iter().map(|point| point.lambda).collect();
    let settings = FitSettings { grid: Some(grid), tolerance: 1e-14, ..settings };
    let exact = fit(FitInput::new("exact", &data, &settings), &mut Silent).unwrap();
    for (found, exact) in searched.record.curve.iter().zip(&exact.record.curve) {
        let error = (found.value / exact.value - 1.0).abs();
        assert!(error < 0.03, "λ = {}: {} is not {}", found.lambda, found.value, exact.value);
    }
    assert!(searched.record.criterion.value <= exact.record.criterion.value * (1.0 + 1e-6));
}

#[test]
fn a_target_far_from_zero_is_fitted_like_one_around_it() {
    let settings = FitSettings { weights: WeightsKind::Scalar, ..FitSettings::default() };
    let of = |offset: f64| {
        fit(FitInput::new("far", &nearly_exact(0.3, 1.0, offset), &settings), &mut Silent).unwrap()
    };
    let (near, far) = (of(0.0), of(1e7));
    assert!(far.record.certificate.relative_gap < 1e-6);
    assert!((far.record.criterion.value / near.record.criterion.value - 1.0).abs() < 1e-5);
    assert_eq!(near.model.support, far.model.support);
}
