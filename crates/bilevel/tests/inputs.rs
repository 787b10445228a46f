//! What a fit may be given beside its data: sample weights that are counts, and splits of the rows.
#![allow(clippy::unwrap_used, clippy::panic)]

use approx::assert_relative_eq;
use bilevel::Error;
use bilevel::data::{Dataset, FeatureNames, SplitRows, SplitSettings, Target, kfold, synthetic};
use bilevel::design::{DenseMatrix, Design};
use bilevel::fit::{
    Fit, FitInput, FitSettings, JournalEntry, LossKind, Observer, OuterKind, PenaltyKind, Silent,
    WeightsKind, fit,
};

const N: usize = 60;
const GROUPS: [usize; 6] = [0, 0, 1, 1, 2, 2];

fn data(loss: LossKind) -> Dataset {
    let shape = synthetic::Shape { n_samples: N, n_features: 6, n_informative: 3 };
    match loss {
        LossKind::Logistic => synthetic::classification(shape, 0.2, 3).unwrap().data,
        _ => synthetic::regression(shape, 3.0, 3).unwrap().data,
    }
}

/// 0, 1 or 2 for each row, in no pattern that a split follows.
fn counts() -> Vec<f64> {
    (0..N).map(|i| ((i * 7 + i / 5) % 3) as f64).collect()
}

/// Splits of different sizes, two of which share validation rows; some rows are in none.
fn overlapping() -> Vec<SplitRows> {
    let split = |first: usize, last: usize| SplitRows {
        train: (0..N - 4).filter(|i| !(first..last).contains(i)).collect(),
        validation: (first..last).collect(),
    };
    vec![split(0, 20), split(12, 25), split(25, 50)]
}

/// The rows as often as they count, and their old places.
fn listed(data: &Dataset, counts: &[f64]) -> (Dataset, Vec<usize>) {
    let rows: Vec<usize> = (0..counts.len()).flat_map(|i| vec![i; counts[i] as usize]).collect();
    let design = data.design.select_rows(&rows).unwrap();
    (Dataset::new(design, data.target.select(&rows), data.feature_names.clone()).unwrap(), rows)
}

/// Where the rows of a split are in a list of old places.
fn moved(split: &SplitRows, rows: &[usize]) -> SplitRows {
    let places = |old: &[usize]| (0..rows.len()).filter(|&k| old.contains(&rows[k])).collect();
    SplitRows { train: places(&split.train), validation: places(&split.validation) }
}

fn run(input: FitInput<'_>) -> Result<Fit, Error> {
    fit(input, &mut Silent)
}

fn assert_same_answer(a: &Fit, b: &Fit) {
    assert_eq!(a.model.support, b.model.support);
    for (x, y) in a.model.coefficients.iter().zip(&b.model.coefficients) {
        assert_relative_eq!(x, y, max_relative = 1e-9);
    }
    assert_relative_eq!(a.model.intercept, b.model.intercept, max_relative = 1e-9, epsilon = 1e-9);
    let (a, b) = (&a.record, &b.record);
    assert_relative_eq!(a.criterion.value, b.criterion.value, max_relative = 1e-9);
    assert_relative_eq!(a.weights.lambda_max, b.weights.lambda_max, max_relative = 1e-9);
    for (s, t) in a.weights.theta.iter().zip(&b.weights.theta) {
        assert_relative_eq!(s, t, max_relative = 1e-9, epsilon = 1e-9);
    }
}

#[test]
fn a_weight_of_two_is_a_row_listed_twice_and_a_weight_of_zero_is_no_row() {
    let counts = counts();
    for loss in [LossKind::Squared, LossKind::Logistic] {
        let data = data(loss);
        let (list, rows) = listed(&data, &counts);
        let disjoint = [overlapping()[0].clone(), overlapping()[2].clone()];
        for (penalty, standardize, l2) in [
            (PenaltyKind::L1, false, None),
            (PenaltyKind::ElasticNet, true, Some(0.1)),
            (PenaltyKind::GroupL1, true, None),
        ] {
            let settings = FitSettings {
                penalty,
                standardize,
                l2,
                weights: WeightsKind::Scalar,
                outer: OuterKind::Grid,
                tolerance: 1e-14,
                ..FitSettings::default()
            };
            for splits in [&disjoint[..], &overlapping()] {
                let moved: Vec<SplitRows> = splits.iter().map(|s| moved(s, &rows)).collect();
                let input = FitInput { groups: Some(&GROUPS), ..FitInput::new("w", &data, &settings) };
                let weighted =
                    run(FitInput { sample_weight: Some(&counts), splits: Some(splits), ..input }).unwrap();
                let listed = run(FitInput { splits: Some(&moved), data: &list, ..input }).unwrap();
                assert_same_answer(&weighted, &listed);
                assert!(weighted.record.data.weighted && !listed.record.data.weighted);
                // A row that two splits judge is one observation with its weight in either list only if no row is listed twice.
                if splits.len() == 2 {
                    let errors = [&weighted, &listed].map(|f| f.record.criterion.standard_error);
                    assert_relative_eq!(errors[0], errors[1], max_relative = 1e-9);
                }
                let plain = run(FitInput { splits: Some(splits), ..input }).unwrap();
                let change = (plain.record.criterion.value / weighted.record.criterion.value - 1.0).abs();
                assert!(change > 1e-3, "the weights change nothing: {change:e}");
            }
        }
    }
}

#[test]
fn adaptive_and_feature_weights_see_counts_too() {
    let (counts, splits) = (counts(), overlapping());
    for loss in [LossKind::Squared, LossKind::Logistic] {
        let data = data(loss);
        let (list, rows) = listed(&data, &counts);
        let moved: Vec<SplitRows> = splits.iter().map(|s| moved(s, &rows)).collect();
        for weights in [WeightsKind::Adaptive, WeightsKind::Feature] {
            let settings = FitSettings { weights, max_outer: 30, ..FitSettings::default() };
            let input = FitInput::new("w", &data, &settings);
            let weighted = run(FitInput { sample_weight: Some(&counts), splits: Some(&splits), ..input });
            let listed = run(FitInput { splits: Some(&moved), data: &list, ..input });
            let [a, b] = [weighted, listed].map(|f| f.unwrap().record.criterion.value);
            assert_relative_eq!(a, b, max_relative = 1e-5);
        }
    }
}

#[test]
fn rows_of_weight_zero_are_absent_from_every_split_of_the_settings() {
    let mut counts = counts();
    counts.iter_mut().for_each(|w| *w = w.min(1.0));
    for loss in [LossKind::Squared, LossKind::Logistic] {
        let data = data(loss);
        let (list, rows) = listed(&data, &counts);
        let last = rows.iter().filter(|&&i| i >= N - 20).count();
        for (split, test_fraction, of_list) in [
            (SplitSettings::Folds(3), Some(0.2), SplitSettings::Folds(3)),
            (SplitSettings::Holdout(0.3), None, SplitSettings::Holdout(0.3)),
            (SplitSettings::Validation(20), None, SplitSettings::Validation(last)),
        ] {
            let settings = FitSettings {
                split,
                test_fraction,
                weights: WeightsKind::Scalar,
                outer: OuterKind::Grid,
                tolerance: 1e-14,
                ..FitSettings::default()
            };
            let input = FitInput::new("w", &data, &settings);
            let weighted = run(FitInput { sample_weight: Some(&counts), ..input }).unwrap();
            let settings = FitSettings { split: of_list, ..settings };
            let listed = run(FitInput::new("w", &list, &settings)).unwrap();
            assert_same_answer(&weighted, &listed);
            assert_eq!(weighted.record.data.n_samples, listed.record.data.n_samples);
            assert_eq!(weighted.record.data.n_test, listed.record.data.n_test);
            if let (Some(a), Some(b)) = (&weighted.record.test, &listed.record.test) {
                assert_relative_eq!(a.loss, b.loss, max_relative = 1e-9);
                assert_relative_eq!(a.baseline_loss, b.baseline_loss, max_relative = 1e-12);
            }
        }
    }
}

#[test]
fn the_scale_of_the_weights_changes_nothing() {
    let data = data(LossKind::Squared);
    let settings = FitSettings { weights: WeightsKind::Scalar, ..FitSettings::default() };
    let of_scale = |scale: f64| {
        let weights: Vec<f64> = (0..N).map(|i| scale * (1.0 + (i % 4) as f64 / 4.0) / 128.0).collect();
        run(FitInput { sample_weight: Some(&weights), ..FitInput::new("w", &data, &settings) }).unwrap()
    };
    let (one, small) = (of_scale(1.0), of_scale(1.0 / 1024.0));
    assert_eq!(one.model, small.model);
    let errors = [&one, &small].map(|f| f.record.criterion.standard_error);
    assert_relative_eq!(errors[0], errors[1], max_relative = 1e-12);
}

#[test]
fn given_folds_are_the_folds_of_the_settings_and_the_record_says_so() {
    let data = data(LossKind::Squared);
    let settings = FitSettings { split: SplitSettings::Folds(4), ..FitSettings::default() };
    let folds = kfold(&data.target, &(0..N).collect::<Vec<_>>(), 4, settings.seed).unwrap();
    let rows = |weights: &[f64]| (0..N).filter(|&i| weights[i] > 0.0).collect();
    let splits: Vec<SplitRows> =
        folds.iter().map(|s| SplitRows { train: rows(&s.train), validation: rows(&s.validation) }).collect();
    let input = FitInput::new("s", &data, &settings);
    let own = run(input).unwrap();
    let given = run(FitInput { splits: Some(&splits), ..input }).unwrap();
    assert_eq!(given.model, own.model);
    assert_eq!(given.record.criterion.value, own.record.criterion.value);
    assert_eq!((own.record.criterion.given_splits, given.record.criterion.given_splits), (None, Some(4)));
    assert_eq!(given.record.criterion.name, "squared error (halved) over 4 given splits");
    assert_ne!(given.record.data.fingerprint, own.record.data.fingerprint);
}

#[test]
fn auto_climbs_over_one_split_and_over_splits_that_share_rows() {
    for loss in [LossKind::Squared, LossKind::Logistic] {
        let data = data(loss);
        let settings = FitSettings::default();
        let mut lonely = overlapping();
        lonely.push(SplitRows { train: (5..N).collect(), validation: vec![0] });
        for splits in [&overlapping()[..1], &overlapping(), &lonely] {
            let input = FitInput { splits: Some(splits), ..FitInput::new("s", &data, &settings) };
            let fit = run(input).unwrap();
            assert!(fit.record.criterion.value.is_finite());
            assert!(fit.record.stages.iter().any(|s| s.name.contains("cross-fitted")));
            assert_eq!(fit.record.data.n_samples, N, "the final fit is on all rows");
        }
        // One validation row chooses one λ, and cannot say whether more weights help.
        let input = FitInput { splits: Some(&lonely[3..]), ..FitInput::new("s", &data, &settings) };
        assert!(run(input).unwrap().record.stages.iter().all(|s| s.name != "feature"));
    }
}

#[derive(Default)]
struct Keeps(Vec<JournalEntry>);

impl Observer for Keeps {
    fn on_evaluation(&mut self, entry: &JournalEntry) {
        self.0.push(entry.clone());
    }
}

#[test]
fn a_journal_of_other_weights_or_splits_is_not_replayed() {
    let (data, counts, splits) = (data(LossKind::Squared), counts(), overlapping());
    let settings = FitSettings { weights: WeightsKind::Adaptive, ..FitSettings::default() };
    let input = FitInput::new("j", &data, &settings);
    let mut journal = Keeps::default();
    fit(input, &mut journal).unwrap();
    for other in [
        FitInput { sample_weight: Some(&counts), ..input },
        FitInput { splits: Some(&splits), ..input },
        FitInput { sample_weight: Some(&counts), splits: Some(&splits), ..input },
    ] {
        let fresh = run(other).unwrap();
        let resumed = run(FitInput { journal: &journal.0, ..other }).unwrap();
        assert_eq!(resumed.model, fresh.model);
        assert_eq!(resumed.record.criterion, fresh.record.criterion);
        let mut journal = Keeps::default();
        fit(other, &mut journal).unwrap();
        assert_eq!(run(FitInput { journal: &journal.0, ..other }).unwrap().model, fresh.model);
    }
}

#[test]
fn weights_that_count_nothing_are_refused_in_a_sentence() {
    let data = data(LossKind::Squared);
    let settings = FitSettings::default();
    let with = |i: usize, w: f64| (0..N).map(|k| if k == i { w } else { 1.0 }).collect::<Vec<f64>>();
    for (weights, sentence) in [
        (vec![1.0; N - 1], "sample weights: found 59; expected 60, one for each sample"),
        (with(3, f64::NAN), "weight of sample 4: found NaN; expected a finite number of at least 0"),
        (with(0, f64::INFINITY), "weight of sample 1: found inf"),
        (with(N - 1, -1.0), "weight of sample 60: found -1"),
        (vec![0.0; N], "sample weights: found only zeros; expected at least one positive weight"),
        (vec![1e200; N], "weights up to 1e200"),
        (vec![1e-200; N], "weights up to 1e-200"),
    ] {
        let input = FitInput { sample_weight: Some(&weights), ..FitInput::new("w", &data, &settings) };
        let said = run(input).unwrap_err().to_string();
        assert!(said.contains(sentence), "{said}");
    }
    let first: Vec<f64> = (0..N).map(|i| if i < 30 { 1.0 } else { 0.0 }).collect();
    let last: Vec<f64> = first.iter().map(|w| 1.0 - w).collect();
    let settings = FitSettings { split: SplitSettings::Validation(30), ..settings };
    for (weights, part) in [(first, "validation rows"), (last, "training rows")] {
        let input = FitInput { sample_weight: Some(&weights), ..FitInput::new("w", &data, &settings) };
        let said = run(input).unwrap_err().to_string();
        assert!(said.contains(&format!("{part}: found only rows of sample weight 0")), "{said}");
    }
}

#[test]
fn splits_that_cannot_train_or_judge_are_refused_in_a_sentence() {
    let data = data(LossKind::Squared);
    let settings = FitSettings::default();
    let good = overlapping();
    let weights: Vec<f64> = (0..N).map(|i| if i < 30 { 0.0 } else { 1.0 }).collect();
    let split =
        |train: Vec<usize>, validation: Vec<usize>| vec![good[0].clone(), SplitRows { train, validation }];
    for (splits, sentence) in [
        (Vec::new(), "splits: found none; expected at least one split of the rows"),
        (split(vec![], vec![1]), "training rows of split 2: found none; expected at least one"),
        (split(vec![1], vec![]), "validation rows of split 2: found none; expected at least one"),
        (
            split(vec![1, N], vec![2]),
            "training rows of split 2: found row index 60; expected indices below 60",
        ),
        (split(vec![1, 2], vec![2]), "split 2: found row 2 in training and validation"),
    ] {
        let input = FitInput { splits: Some(&splits), ..FitInput::new("s", &data, &settings) };
        let said = run(input).unwrap_err().to_string();
        assert!(said.contains(sentence), "{said}");
    }
    for (splits, part) in [
        (vec![SplitRows { train: vec![1, 2, 3], validation: vec![40, 41] }], "training"),
        (vec![SplitRows { train: vec![40, 41], validation: vec![1, 2, 3] }], "validation"),
    ] {
        let input = FitInput {
            splits: Some(&splits),
            sample_weight: Some(&weights),
            ..FitInput::new("s", &data, &settings)
        };
        let said = run(input).unwrap_err().to_string();
        let expected = format!("{part} rows of split 1: found only rows of sample weight 0");
        assert!(said.contains(&expected), "{said}");
    }
    let settings = FitSettings { test_fraction: Some(0.2), ..settings };
    let input = FitInput { splits: Some(&good), ..FitInput::new("s", &data, &settings) };
    assert!(
        run(input).unwrap_err().to_string().contains("`test fraction`: found splits of the rows as well")
    );
}

#[test]
fn one_class_in_the_training_rows_of_a_split_is_refused_with_the_number_of_the_split() {
    let data = data(LossKind::Logistic);
    let of_sign = |sign: f64| -> Vec<usize> { (0..N).filter(|&i| data.target.values()[i] == sign).collect() };
    let (positive, negative) = (of_sign(1.0), of_sign(-1.0));
    let good = SplitRows { train: (10..N).collect(), validation: (0..10).collect() };
    let bad = SplitRows { train: positive.clone(), validation: negative.clone() };
    let settings = FitSettings { weights: WeightsKind::Scalar, ..FitSettings::default() };
    let splits = [good.clone(), bad];
    let said = run(FitInput { splits: Some(&splits), ..FitInput::new("s", &data, &settings) });
    let said = said.unwrap_err().to_string();
    assert!(said.contains("training rows of split 2: found one class only"), "{said}");
    // The same by weights.
    let mut weights = vec![1.0; N];
    negative.iter().filter(|i| **i >= 10).for_each(|&i| weights[i] = 0.0);
    let splits = [good];
    let input = FitInput {
        splits: Some(&splits),
        sample_weight: Some(&weights),
        ..FitInput::new("s", &data, &settings)
    };
    let said = run(input).unwrap_err().to_string();
    assert!(said.contains("training rows of split 1: found one class only"), "{said}");
    // A class that weights take away altogether.
    negative.iter().for_each(|&i| weights[i] = 0.0);
    let input = FitInput { sample_weight: Some(&weights), ..FitInput::new("s", &data, &settings) };
    assert!(run(input).unwrap_err().to_string().contains("a class without samples"));
}

#[test]
fn rows_of_weight_zero_may_hold_anything() {
    let mut values: Vec<f64> = (0..20).map(|i| f64::from(i * i % 7)).collect();
    values[3] = 1e200;
    let mut target: Vec<f64> = values.iter().map(|a| 2.0 * a + (a * 3.1).sin()).collect();
    target[3] = 1e300;
    let design = Design::Dense(DenseMatrix::new(20, 1, values).unwrap());
    let data = Dataset::new(design, Target::Real(target), FeatureNames::Counted { first: 1 }).unwrap();
    let weights: Vec<f64> = (0..20).map(|i| if i == 3 { 0.0 } else { 1.0 }).collect();
    let settings = FitSettings { weights: WeightsKind::Scalar, ..FitSettings::default() };
    let input = FitInput::new("z", &data, &settings);
    assert!(run(input).is_err());
    let fit = run(FitInput { sample_weight: Some(&weights), ..input }).unwrap();
    assert_relative_eq!(fit.model.coefficients[0], 2.0, max_relative = 0.2);
}
