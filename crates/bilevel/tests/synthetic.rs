//! Synthetic data have the statistics that their formulas promise.
//!
//! Expected values are the formulas' own; tolerances are at least five standard errors, so that they hold for almost every seed.

use std::collections::HashMap;

use approx::assert_relative_eq;
use bilevel::data::synthetic::{
    ColumnFrequencies, FeatureRole, Shape, Sparsity, Synthetic, classification, degenerate_four_groups,
    regression, sparse_classification, sparse_regression,
};
use bilevel::data::{FeatureNames, Task};
use bilevel::design::DesignMatrix;

const SHAPE: Shape = Shape { n_samples: 400, n_features: 60, n_informative: 7 };
const DENSE_TWO_PERCENT: Sparsity = Sparsity { density: 0.02, frequencies: ColumnFrequencies::Uniform };

fn signal(truth: &Synthetic) -> Vec<f64> {
    let mut signal = vec![0.0; truth.data.n_samples()];
    truth.data.design.product_into(&truth.coefficients, &mut signal);
    signal
}

fn norm(v: impl Iterator<Item = f64>) -> f64 {
    v.map(|x| x * x).sum::<f64>().sqrt()
}

fn n_nonzero(v: &[f64]) -> usize {
    v.iter().filter(|x| **x != 0.0).count()
}

fn column(truth: &Synthetic, j: usize) -> Vec<f64> {
    let mut column = vec![0.0; truth.data.n_samples()];
    truth.data.design.column_axpy(j, 1.0, &mut column);
    column
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len() as f64;
    let (mean_a, mean_b) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
    let centered = |v: &[f64], mean: f64| v.iter().map(|x| x - mean).collect::<Vec<_>>();
    let (a, b) = (centered(a, mean_a), centered(b, mean_b));
    a.iter().zip(&b).map(|(x, y)| x * y).sum::<f64>() / (norm(a.iter().copied()) * norm(b.iter().copied()))
}

#[test]
fn regression_has_standard_normal_entries_and_exactly_the_asked_signal_to_noise_ratio() {
    let truth = regression(SHAPE, 10.0, 1).unwrap();
    let entries: Vec<f64> = (0..60).flat_map(|j| column(&truth, j)).collect();
    let n = entries.len() as f64;
    let moment = |k| entries.iter().map(|x: &f64| x.powi(k)).sum::<f64>() / n;
    // standard errors of the first, second and fourth moment of N(0, 1): √(1/n), √(2/n), √(96/n)
    assert!(moment(1).abs() < 5.0 * (1.0 / n).sqrt());
    assert!((moment(2) - 1.0).abs() < 5.0 * (2.0 / n).sqrt());
    assert!((moment(4) - 3.0).abs() < 5.0 * (96.0 / n).sqrt());

    let signal = signal(&truth);
    let noise = norm(truth.data.target.values().iter().zip(&signal).map(|(b, s)| b - s));
    assert_relative_eq!(norm(signal.iter().copied()) / noise, 10.0, max_relative = 1e-10);
    assert_eq!(n_nonzero(&truth.coefficients), 7);
    assert_eq!(truth.data.target.task(), Task::Regression);
}

#[test]
fn infinite_signal_to_noise_ratio_means_no_noise() {
    let truth = regression(SHAPE, f64::INFINITY, 1).unwrap();
    assert_eq!(truth.data.target.values(), signal(&truth));
}

#[test]
fn labels_are_the_signs_of_the_linear_model_and_noise_flips_the_share_that_it_must() {
    let clean = classification(SHAPE, 0.0, 2).unwrap();
    assert!(signal(&clean).iter().zip(clean.data.target.values()).all(|(s, b)| s * b > 0.0));

    let large = Shape { n_samples: 20_000, n_features: 20, n_informative: 20 };
    let noisy = classification(large, 0.5, 2).unwrap();
    let flipped =
        signal(&noisy).iter().zip(noisy.data.target.values()).filter(|(s, b)| *s * *b < 0.0).count();
    // for Gaussian signal and noise the signs of s and s + ε differ with probability arctan(‖ε‖/‖s‖)/π
    let expected = 0.5_f64.atan() / std::f64::consts::PI;
    let standard_error = (expected * (1.0 - expected) / 20_000.0).sqrt();
    assert!((flipped as f64 / 20_000.0 - expected).abs() < 5.0 * standard_error);
}

#[test]
fn a_sparse_design_has_the_asked_density_in_every_column() {
    let shape = Shape { n_samples: 2_000, n_features: 300, n_informative: 10 };
    let truth = sparse_regression(shape, DENSE_TWO_PERCENT, 10.0, 3).unwrap();
    // 2,000 rows times 0.02 is a whole number, so that nothing is rounded
    assert!((0..300).all(|j| truth.data.design.column_stored(j) == 40));
    assert_eq!(n_nonzero(&truth.coefficients), 10);
    let signal = signal(&truth);
    let noise = norm(truth.data.target.values().iter().zip(&signal).map(|(b, s)| b - s));
    assert_relative_eq!(norm(signal.iter().copied()) / noise, 10.0, max_relative = 1e-10);
}

#[test]
fn zipf_columns_follow_the_law_and_keep_the_density() {
    let shape = Shape { n_samples: 10_000, n_features: 2_000, n_informative: 50 };
    let sparsity = Sparsity { density: 0.004, frequencies: ColumnFrequencies::Zipf { exponent: 1.0 } };
    let truth = sparse_classification(shape, sparsity, 0.1, 4).unwrap();
    let design = &truth.data.design;
    let mut counts: Vec<usize> = (0..2_000).map(|j| design.column_stored(j)).collect();
    assert!(!counts.is_sorted_by(|a, b| a >= b), "ranks are dealt to columns at random");
    counts.sort_unstable_by(|a, b| b.cmp(a));
    assert_relative_eq!(design.n_stored() as f64, 0.004 * 10_000.0 * 2_000.0, max_relative = 0.01);
    // no column is full here: Σ c/r = 8 gives c = 8/H(2000) = 0.978
    for (rank, doubled) in [(1, 2), (10, 20), (40, 80)] {
        assert_relative_eq!(counts[rank - 1] as f64, 2.0 * counts[doubled - 1] as f64, max_relative = 0.02);
    }
    assert!(truth.coefficients.iter().enumerate().all(|(j, b)| *b == 0.0 || design.column_stored(j) > 0));
    assert_eq!(truth.data.target.task(), Task::Classification);
}

#[test]
fn four_groups_have_their_sizes_coefficients_and_correlation() {
    let (n, p, rho) = (4_000, 200, 0.9);
    let toy = degenerate_four_groups(n, p, rho, 5).unwrap();
    let mut sizes: HashMap<FeatureRole, usize> = HashMap::new();
    toy.roles.iter().for_each(|role| *sizes.entry(*role).or_default() += 1);
    let size = |role| sizes[&role];
    assert_eq!((size(FeatureRole::Easy), size(FeatureRole::Distractor)), (8, 8));
    assert_eq!((size(FeatureRole::Hidden), size(FeatureRole::Noise)), (8, 176));
    for (role, b) in toy.roles.iter().zip(&toy.truth.coefficients) {
        let informative = matches!(role, FeatureRole::Easy | FeatureRole::Hidden);
        assert_eq!(b.abs(), if informative { 1.0 } else { 0.0 });
    }

    let mut distractors = toy.distractor_of.clone();
    distractors.sort_unstable();
    assert_eq!(distractors, (8..16).collect::<Vec<_>>(), "the pairing is a permutation of the distractors");
    // standard error of a correlation: (1 − ρ²)/√n, at most 1/√n
    let tolerance = 5.0 / (n as f64).sqrt();
    for (k, &paired) in toy.distractor_of.iter().enumerate() {
        let hidden = column(&toy.truth, 16 + k);
        assert!(
            (norm(hidden.iter().copied()).powi(2) / n as f64 - 1.0).abs() < 5.0 * (2.0 / n as f64).sqrt()
        );
        for distractor in 8..16 {
            let expected = if distractor == paired { rho } else { 0.0 };
            let found = correlation(&hidden, &column(&toy.truth, distractor));
            assert!((found - expected).abs() < tolerance, "{found} against {expected}");
        }
    }
    let noise = norm(toy.truth.data.target.values().iter().zip(signal(&toy.truth)).map(|(b, s)| b - s));
    assert_relative_eq!(noise / (n as f64).sqrt(), 0.05, max_relative = 5.0 / (2.0 * n as f64).sqrt());
    let FeatureNames::Named(names) = &toy.truth.data.feature_names else { panic!("features have names") };
    assert_eq!(
        (names[0].as_str(), names[16].as_str(), names[199].as_str()),
        ("easy_1", "hidden_1", "noise_176")
    );
}

#[test]
fn small_four_groups_keep_five_features_each() {
    let toy = degenerate_four_groups(20, 30, 0.5, 0).unwrap();
    assert_eq!(toy.roles.iter().filter(|r| **r == FeatureRole::Hidden).count(), 5);
}

#[test]
fn the_seed_decides_everything() {
    assert_eq!(regression(SHAPE, 10.0, 7).unwrap(), regression(SHAPE, 10.0, 7).unwrap());
    assert_ne!(regression(SHAPE, 10.0, 7).unwrap(), regression(SHAPE, 10.0, 8).unwrap());
    let sparse = |seed| sparse_regression(SHAPE, DENSE_TWO_PERCENT, 10.0, seed).unwrap();
    assert_eq!(sparse(7), sparse(7));
    assert_eq!(
        degenerate_four_groups(50, 40, 0.9, 7).unwrap(),
        degenerate_four_groups(50, 40, 0.9, 7).unwrap()
    );
}

#[test]
fn settings_out_of_range_are_refused() {
    let with = |n_samples, n_features, n_informative| Shape { n_samples, n_features, n_informative };
    for shape in [with(0, 5, 1), with(5, 0, 1), with(5, 5, 0), with(5, 5, 6), with(usize::MAX, 5, 1)] {
        assert!(regression(shape, 10.0, 0).is_err(), "{shape:?}");
    }
    for snr in [0.0, -1.0, f64::NAN] {
        assert!(regression(SHAPE, snr, 0).is_err(), "{snr}");
    }
    for noise in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(classification(SHAPE, noise, 0).is_err(), "{noise}");
    }
    for density in [0.0, 1.1, f64::NAN] {
        let sparsity = Sparsity { density, ..DENSE_TWO_PERCENT };
        assert!(sparse_regression(SHAPE, sparsity, 10.0, 0).is_err(), "{density}");
    }
    for exponent in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let sparsity = Sparsity { density: 0.1, frequencies: ColumnFrequencies::Zipf { exponent } };
        assert!(sparse_regression(SHAPE, sparsity, 10.0, 0).is_err(), "{exponent}");
    }
    let nearly_empty = Sparsity { density: 1e-9, ..DENSE_TWO_PERCENT };
    assert!(sparse_regression(SHAPE, nearly_empty, 10.0, 0).is_err());
    assert!(degenerate_four_groups(10, 15, 0.9, 0).is_err());
    assert!(degenerate_four_groups(0, 100, 0.9, 0).is_err());
    assert!(degenerate_four_groups(10, 100, 1.0, 0).is_err());
}
