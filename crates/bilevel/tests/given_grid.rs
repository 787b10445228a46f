//! A given grid: the criterion of one λ at the values asked for, and nowhere else.
#![allow(clippy::unwrap_used, clippy::panic)]

use approx::assert_relative_eq;
use bilevel::Error;
use bilevel::data::{Dataset, SplitRows, SplitSettings, kfold, synthetic};
use bilevel::fit::{Fit, FitInput, FitSettings, OuterKind, PenaltyKind, Silent, WeightsKind, fit};
use bilevel::loss::{Logistic, Loss, Squared};
use bilevel::lower::{Hyperparameters, LowerLevel, SparseGlm};
use bilevel::outer::{Accuracy, StopReason};
use bilevel::penalty::L1;

const N: usize = 53;
const P: usize = 12;
const SHAPE: synthetic::Shape = synthetic::Shape { n_samples: N, n_features: P, n_informative: 4 };

fn regression() -> Dataset {
    synthetic::regression(SHAPE, 3.0, 5).unwrap().data
}

fn run(data: &Dataset, settings: &FitSettings, splits: Option<&[SplitRows]>) -> Result<Fit, Error> {
    fit(FitInput { splits, ..FitInput::new("grid", data, settings) }, &mut Silent)
}

/// Each fold solved by itself at λ, cold and tight, and its mean validation loss; averaged over folds.
fn solved_directly<L: Loss>(data: &Dataset, loss: L, folds: usize, lambda: f64) -> f64 {
    let rows: Vec<usize> = (0..N).collect();
    let (targets, penalty) = (data.target.values(), L1::new(P));
    let accuracy = Accuracy { relative_gap: 1e-14, adjoint_residual: 1e-14 };
    let splits = kfold(&data.target, &rows, folds, 0).unwrap();
    let of_fold = |train: &[f64]| -> f64 {
        let problem = SparseGlm::new(&data.design, targets, train, loss, &penalty, true).unwrap();
        let at = Hyperparameters { lambda: vec![lambda; P], ridge: 0.0 };
        let z = problem.solve(&at, None, accuracy).unwrap().predictor;
        let held_out: Vec<usize> = (0..N).filter(|&i| train[i] == 0.0).collect();
        held_out.iter().map(|&i| loss.value(targets[i], z[i])).sum::<f64>() / held_out.len() as f64
    };
    splits.iter().map(|s| of_fold(&s.train)).sum::<f64>() / folds as f64
}

fn assert_curve_is_solved_directly<L: Loss>(data: &Dataset, loss: L) {
    let given: Vec<f64> = (0..20).map(|k| 3.0 * 0.7_f64.powi((k * 7) % 20)).collect();
    for (weights, outer) in [(WeightsKind::Auto, OuterKind::Auto), (WeightsKind::Scalar, OuterKind::Grid)] {
        let settings = FitSettings { grid: Some(given.clone()), weights, outer, ..FitSettings::default() };
        let fit = run(data, &settings, None).unwrap();
        let record = &fit.record;
        let mut increasing = given.clone();
        increasing.sort_by(f64::total_cmp);
        assert_eq!(record.curve.iter().map(|c| c.lambda).collect::<Vec<_>>(), increasing);
        for point in &record.curve {
            let direct = solved_directly(data, loss, 5, point.lambda);
            assert_relative_eq!(point.value, direct, max_relative = 1e-8);
        }
        let best = record.curve.iter().min_by(|a, b| a.value.total_cmp(&b.value)).unwrap();
        assert!(best.lambda < 3.0 && best.lambda > increasing[0], "the best is inside");
        assert_eq!(record.weights.lambda, Some(best.lambda));
        assert_relative_eq!(record.criterion.value, best.value, max_relative = 1e-8);
        assert_eq!((record.stages.len(), record.weights.kind), (1, WeightsKind::Scalar));
        assert_eq!(record.outer.stop_reason, StopReason::SearchComplete);
        assert_eq!(record.certificate.lambda_range, None, "a grid is no global search");
    }
}

#[test]
fn the_curve_is_what_solving_each_fold_at_each_lambda_gives() {
    assert_curve_is_solved_directly(&regression(), Squared);
    assert_curve_is_solved_directly(&synthetic::classification(SHAPE, 0.2, 5).unwrap().data, Logistic);
}

#[test]
fn splits_of_different_size_count_alike() {
    let data = regression();
    let splits = [(0..3, 3..30), (30..53, 0..20), (10..20, 20..27)]
        .map(|(validation, train)| SplitRows { train: train.collect(), validation: validation.collect() });
    // So large a λ leaves the intercept alone: the mean of the training targets.
    let settings = FitSettings { grid: Some(vec![1e6]), ..FitSettings::default() };
    let fit = run(&data, &settings, Some(&splits)).unwrap();
    let b = data.target.values();
    let mean = |rows: &[usize], value: &dyn Fn(f64) -> f64| {
        rows.iter().map(|&i| value(b[i])).sum::<f64>() / rows.len() as f64
    };
    let of_split = |s: &SplitRows| {
        let center = mean(&s.train, &|b| b);
        mean(&s.validation, &|b| 0.5 * (b - center) * (b - center))
    };
    let expected = splits.iter().map(of_split).sum::<f64>() / 3.0;
    assert_relative_eq!(fit.record.criterion.value, expected, max_relative = 1e-12);
    assert_eq!(fit.record.curve.len(), 1);
}

#[test]
fn of_equal_values_the_largest_lambda_is_chosen_and_repeated_ones_stay() {
    let data = regression();
    let settings = FitSettings { grid: Some(vec![1e4, 1e6, 1e6, 1e5]), ..FitSettings::default() };
    let fit = run(&data, &settings, None).unwrap();
    assert_eq!(fit.record.curve.iter().map(|c| c.lambda).collect::<Vec<_>>(), [1e4, 1e5, 1e6, 1e6]);
    assert_eq!(fit.record.weights.lambda, Some(1e6));
    assert!(fit.model.support.is_empty());
}

#[test]
fn grids_that_make_no_sense_are_refused_in_a_sentence() {
    let data = regression();
    let of = |grid: &[f64]| FitSettings { grid: Some(grid.to_vec()), ..FitSettings::default() };
    for (settings, sentence) in [
        (of(&[]), "setting `grid`: found no values; expected at least one lambda"),
        (of(&[0.1, 0.0]), "setting `grid`: found 0; expected positive, finite values of lambda"),
        (of(&[-1.0]), "found -1"),
        (of(&[1.0, f64::NAN]), "found NaN"),
        (of(&[f64::INFINITY]), "found inf"),
        (FitSettings { weights: WeightsKind::Adaptive, ..of(&[0.1]) }, "found weights other than `scalar`"),
        (FitSettings { weights: WeightsKind::Feature, ..of(&[0.1]) }, "found weights other than `scalar`"),
        (FitSettings { outer: OuterKind::Lbfgs, ..of(&[0.1]) }, "found an outer method other than `grid`"),
        (FitSettings { penalty: PenaltyKind::ElasticNet, ..of(&[0.1]) }, "an elastic net that learns its l2"),
    ] {
        let said = run(&data, &settings, None).unwrap_err().to_string();
        assert!(said.contains(sentence), "{said}");
    }
    let settings = FitSettings {
        penalty: PenaltyKind::ElasticNet,
        l2: Some(0.1),
        split: SplitSettings::Holdout(0.3),
        ..of(&[0.1, 0.01])
    };
    assert_eq!(run(&data, &settings, None).unwrap().record.curve.len(), 2);
}
