//! Splits of the rows: disjoint, complete, stratified, and the same for the same seed.

use std::collections::BTreeSet;

use bilevel::Error;
use bilevel::data::{Classes, Split, Target, carve_fraction, kfold};
use proptest::prelude::*;

fn config() -> ProptestConfig {
    let cases = if cfg!(miri) { 4 } else { 300 };
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

fn real(n: usize) -> Target {
    Target::Real((0..n).map(|i| i as f64).collect())
}

fn binary(signs: Vec<f64>) -> Target {
    Target::Binary { signs, classes: Classes { negative: "no".into(), positive: "yes".into() } }
}

/// Real, or two classes with at least two samples each.
fn target() -> impl Strategy<Value = Target> {
    let classes = prop::collection::vec(prop::bool::ANY, 0..60).prop_map(|draws| {
        let signs = [true, true, false, false].into_iter().chain(draws);
        binary(signs.map(|s| if s { 1.0 } else { -1.0 }).collect())
    });
    prop_oneof![(4_usize..60).prop_map(real), classes]
}

/// A target and a subset of its rows that keeps the first four (two of each class).
fn target_and_rows() -> impl Strategy<Value = (Target, Vec<usize>)> {
    target().prop_flat_map(|target| {
        let keep = prop::collection::vec(prop::bool::weighted(0.8), target.len());
        (Just(target), keep).prop_map(|(target, keep)| {
            let rows = (0..target.len()).filter(|&i| i < 4 || keep[i]).collect();
            (target, rows)
        })
    })
}

fn support(weights: &[f64]) -> BTreeSet<usize> {
    (0..weights.len()).filter(|&i| weights[i] > 0.0).collect()
}

fn count_positive<'a>(target: &Target, rows: impl IntoIterator<Item = &'a usize>) -> usize {
    rows.into_iter().filter(|&&i| target.values()[i] > 0.0).count()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn folds_are_disjoint_cover_the_rows_and_weigh_one(
        ((target, rows), folds, seed) in (target_and_rows(), 2_usize..=4, any::<u64>())
    ) {
        let splits = kfold(&target, &rows, folds, seed).unwrap();
        prop_assert_eq!(splits.len(), folds);
        let all: BTreeSet<usize> = rows.iter().copied().collect();
        let mut seen = BTreeSet::new();
        for split in &splits {
            let (train, validation) = (support(&split.train), support(&split.validation));
            prop_assert!(train.is_disjoint(&validation));
            prop_assert_eq!(&(&train | &validation), &all);
            prop_assert!(seen.is_disjoint(&validation), "a row validates twice");
            seen.extend(validation);
            for weights in [&split.train, &split.validation] {
                prop_assert_eq!(weights.len(), target.len());
                prop_assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            }
        }
        prop_assert_eq!(seen, all);
    }

    #[test]
    fn folds_differ_by_at_most_one_sample_and_one_of_each_class(
        ((target, rows), folds, seed) in (target_and_rows(), 2_usize..=4, any::<u64>())
    ) {
        let splits = kfold(&target, &rows, folds, seed).unwrap();
        let sizes: Vec<usize> = splits.iter().map(|s| support(&s.validation).len()).collect();
        prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1, "{:?}", sizes);
        if target.class_labels().is_some() {
            let positives: Vec<usize> =
                splits.iter().map(|s| count_positive(&target, &support(&s.validation))).collect();
            prop_assert!(positives.iter().max().unwrap() - positives.iter().min().unwrap() <= 1, "{:?}", positives);
        }
    }

    #[test]
    fn a_training_part_never_loses_a_class(
        ((target, rows), folds, seed) in (target_and_rows(), 2_usize..=4, any::<u64>())
    ) {
        prop_assume!(target.class_labels().is_some());
        for split in kfold(&target, &rows, folds, seed).unwrap() {
            let train = support(&split.train);
            let positive = count_positive(&target, &train);
            prop_assert!(positive > 0 && positive < train.len());
        }
    }

    #[test]
    fn a_carved_fraction_is_disjoint_complete_and_stratified(
        ((target, rows), fraction, seed) in (target_and_rows(), 0.2_f64..0.8, any::<u64>())
    ) {
        let Ok((kept, carved)) = carve_fraction(&target, &rows, fraction, seed, "fraction") else {
            // Refused only where rounding within each class (or over all rows) leaves nothing to carve.
            let positive = if target.class_labels().is_some() { count_positive(&target, &rows) } else { 0 };
            let largest = positive.max(rows.len() - positive);
            prop_assert!((fraction * largest as f64).round() < 1.0 || largest < 2);
            return Ok(());
        };
        let mut together = [kept.clone(), carved.clone()].concat();
        together.sort_unstable();
        prop_assert_eq!(together, rows.clone());
        prop_assert!(kept.is_sorted() && carved.is_sorted());
        let rounded = |of: usize| (fraction * of as f64).round() as usize;
        if target.class_labels().is_some() {
            let (all, found) = (count_positive(&target, &rows), count_positive(&target, &carved));
            prop_assert_eq!(found, rounded(all).min(all - 1));
            prop_assert_eq!(carved.len() - found, rounded(rows.len() - all).min(rows.len() - all - 1));
        } else {
            prop_assert_eq!(carved.len(), rounded(rows.len()));
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_split((target, rows) in target_and_rows(), seed in any::<u64>()) {
        prop_assert_eq!(kfold(&target, &rows, 3, seed).unwrap(), kfold(&target, &rows, 3, seed).unwrap());
        let carve = || carve_fraction(&target, &rows, 0.3, seed, "fraction");
        prop_assert_eq!(carve(), carve());
    }
}

#[test]
fn another_seed_gives_another_split() {
    let rows: Vec<usize> = (0..100).collect();
    let target = real(100);
    assert_ne!(kfold(&target, &rows, 5, 0).unwrap(), kfold(&target, &rows, 5, 1).unwrap());
    let carve = |seed| carve_fraction(&target, &rows, 0.3, seed, "fraction").unwrap();
    assert_ne!(carve(0), carve(1));
}

#[test]
fn folds_out_of_range_are_refused_by_name() {
    let rows: Vec<usize> = (0..10).collect();
    for folds in [0, 1, 11] {
        let error = kfold(&real(10), &rows, folds, 0).unwrap_err();
        assert!(matches!(error, Error::InvalidSetting { name: "folds", .. }), "{error}");
    }
    assert!(kfold(&real(10), &rows, 10, 0).is_ok(), "leaving one out is allowed");
}

#[test]
fn a_class_with_one_sample_cannot_be_cross_validated() {
    let mut signs = vec![-1.0; 9];
    signs.push(1.0);
    let error = kfold(&binary(signs), &(0..10).collect::<Vec<_>>(), 3, 0).unwrap_err();
    assert!(error.to_string().contains("a class with 1 sample"), "{error}");
}

#[test]
fn a_rare_class_always_stays_in_the_part_that_trains() {
    for (rare, fraction, carved_of_it) in [(1, 0.9, 0), (2, 0.5, 1), (2, 0.9, 1), (3, 0.9, 2)] {
        let target = binary((0..10).map(|i| if i < rare { 1.0 } else { -1.0 }).collect());
        let rows: Vec<usize> = (0..10).collect();
        let (kept, carved) = carve_fraction(&target, &rows, fraction, 3, "holdout").unwrap();
        assert_eq!(count_positive(&target, &kept), rare - carved_of_it);
        assert_eq!(count_positive(&target, &carved), carved_of_it);
    }
}

#[test]
fn rows_that_the_target_does_not_have_are_refused() {
    for target in [real(4), binary(vec![1.0, 1.0, -1.0, -1.0])] {
        assert!(kfold(&target, &[0, 1, 2, 3, 4], 2, 0).unwrap_err().to_string().contains("row index 4"));
        assert!(carve_fraction(&target, &[0, 9], 0.5, 0, "holdout").is_err());
    }
}

#[test]
fn a_row_listed_twice_weighs_twice() {
    let split = Split::from_rows(3, &[0, 0, 1], &[2]).unwrap();
    assert_eq!(split.train, [2.0 / 3.0, 1.0 / 3.0, 0.0]);
}

#[test]
fn fractions_out_of_range_or_that_leave_a_side_empty_are_refused_by_name() {
    let rows: Vec<usize> = (0..10).collect();
    for fraction in [0.0, 1.0, -0.1, 1.5, f64::NAN, 1e-6, 1.0 - 1e-6] {
        let error = carve_fraction(&real(10), &rows, fraction, 0, "holdout").unwrap_err();
        assert!(matches!(error, Error::InvalidSetting { name: "holdout", .. }), "{error}");
    }
}

#[test]
fn rows_that_overlap_are_empty_or_out_of_range_make_no_split() {
    let message = |train: &[usize], validation: &[usize]| {
        Split::from_rows(4, train, validation).unwrap_err().to_string()
    };
    assert!(message(&[0, 1], &[1, 2]).contains("row 1 in training and validation"));
    assert!(message(&[], &[1]).contains("training rows"));
    assert!(message(&[0], &[]).contains("validation rows"));
    assert!(message(&[0], &[4]).contains("row index 4"));
    let split = Split::from_rows(4, &[0, 3], &[1]).unwrap();
    assert_eq!((split.train, split.validation), (vec![0.5, 0.0, 0.0, 0.5], vec![0.0, 1.0, 0.0, 0.0]));
}
