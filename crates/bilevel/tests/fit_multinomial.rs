//! `fit_multinomial`: two classes are the binary fit, interrupted fits resume to the same answer, what cannot be fitted is refused.
#![allow(clippy::unwrap_used)]

mod common;

use approx::assert_relative_eq;
use bilevel::data::{Classes, Dataset, FeatureNames, Target};
use bilevel::design::{DenseMatrix, Design, DesignMatrix};
use bilevel::fit::{
    FitInput, FitSettings, JournalEntry, MultinomialFit, Observer, PenaltyKind, Silent, WeightsKind, fit,
    fit_multinomial,
};
use common::random_data;

fn dataset(design: Design, target: Target) -> Dataset {
    Dataset::new(design, target, FeatureNames::Counted { first: 0 }).unwrap()
}

fn labels(count: usize) -> Vec<String> {
    (0..count).map(|k| format!("class {k}")).collect()
}

/// Three classes: thirds of a noisy linear score.
fn three_classes(seed: u64, sparse: bool) -> Dataset {
    let data = random_data(seed, 90, 8, sparse);
    let mut sorted = data.real.clone();
    sorted.sort_by(f64::total_cmp);
    let class = |b: &f64| f64::from(u8::from(*b >= sorted[30]) + u8::from(*b >= sorted[60]));
    let numbers = data.real.iter().map(class).collect();
    dataset(data.design, Target::Multiple { numbers, labels: labels(3) })
}

fn settings(weights: WeightsKind) -> FitSettings {
    FitSettings { weights, max_outer: 20, ..FitSettings::default() }
}

fn fitted(data: &Dataset, settings: &FitSettings) -> MultinomialFit {
    fit_multinomial(FitInput::new("test", data, settings), &mut Silent).unwrap()
}

#[test]
fn two_classes_by_number_are_the_binary_fit() {
    let random = random_data(1, 80, 6, false);
    let numbers = random.signs.iter().map(|b| f64::from(u8::from(*b > 0.0))).collect();
    let classes = Classes { negative: "0".into(), positive: "1".into() };
    let signs = random.signs.clone();
    let binary = dataset(random.design.clone(), Target::Binary { signs, classes });
    let numbered = dataset(random.design, Target::Multiple { numbers, labels: labels(2) });
    let settings = settings(WeightsKind::Scalar);
    let expected = fit(FitInput::new("test", &binary, &settings), &mut Silent).unwrap();
    let found = fitted(&numbered, &settings);
    assert_relative_eq!(found.record.criterion.value, expected.record.criterion.value, max_relative = 1e-6);
    let (z, scores) = (
        expected.model.decision_function(&binary.design).unwrap(),
        found.model.decision_function(&numbered.design).unwrap(),
    );
    let n = z.len();
    for i in 0..n {
        assert_relative_eq!(scores[n + i] - scores[i], z[i], epsilon = 1e-3, max_relative = 1e-3);
    }
}

#[test]
fn every_kind_of_weights_ends_with_a_solved_problem_and_no_worse_a_criterion() {
    for sparse in [false, true] {
        let data = three_classes(2, sparse);
        let groups = [0, 0, 0, 0, 1, 1, 1, 1];
        let scalar = fitted(&data, &settings(WeightsKind::Scalar));
        assert!(scalar.record.certificate.stationary);
        assert!(scalar.record.certificate.lambda_range.is_some());
        for weights in [WeightsKind::Adaptive, WeightsKind::Group, WeightsKind::Feature, WeightsKind::Auto] {
            let settings = settings(weights);
            let input = FitInput { groups: Some(&groups), ..FitInput::new("test", &data, &settings) };
            let fit = fit_multinomial(input, &mut Silent).unwrap();
            assert!(fit.record.criterion.value <= scalar.record.criterion.value * (1.0 + 1e-9));
            assert!(fit.record.certificate.residual < 1e-7);
            assert!(fit.record.certificate.relative_gap < 1e-9);
            assert_eq!(fit.feature_weights.len(), data.n_features());
            assert_eq!(fit.model.coefficients.len(), 3 * data.n_features());
        }
    }
}

#[test]
fn standardized_coefficients_are_in_the_units_of_the_data() {
    let data = three_classes(3, false);
    let settings = FitSettings { standardize: true, ..settings(WeightsKind::Scalar) };
    let expected = fitted(&data, &settings);
    let (n, p) = (data.n_samples(), data.n_features());
    let mut values = vec![0.0; n * p];
    for (j, column) in values.chunks_mut(n).enumerate() {
        data.design.column_axpy(j, if j == 0 { 8.0 } else { 1.0 }, column);
    }
    let scaled = Design::Dense(DenseMatrix::new(n, p, values).unwrap());
    let found = fitted(&dataset(scaled, data.target.clone()), &settings);
    for k in 0..3 {
        let (a, b) = (expected.model.coefficients[8 * k], found.model.coefficients[8 * k]);
        assert_relative_eq!(a, 8.0 * b, max_relative = 1e-9);
    }
}

/// Keeps the journal, and stops after some of it.
struct Interrupting {
    journal: Vec<JournalEntry>,
    limit: usize,
}

impl Observer for Interrupting {
    fn on_evaluation(&mut self, entry: &JournalEntry) {
        self.journal.push(entry.clone());
    }
    fn is_interrupted(&self) -> bool {
        self.journal.len() >= self.limit
    }
}

#[test]
fn an_interrupted_fit_resumes_to_the_same_answer() {
    let data = three_classes(4, false);
    let settings = settings(WeightsKind::Feature);
    let whole = fitted(&data, &settings);
    let mut observer = Interrupting { journal: Vec::new(), limit: 45 };
    assert!(fit_multinomial(FitInput::new("test", &data, &settings), &mut observer).is_err());
    let input = FitInput { journal: &observer.journal, ..FitInput::new("test", &data, &settings) };
    let resumed = fit_multinomial(input, &mut Silent).unwrap();
    assert_eq!(resumed.model, whole.model);
    assert_eq!(resumed.record.criterion, whole.record.criterion);
}

#[test]
fn what_cannot_be_fitted_is_refused_in_a_sentence() {
    let data = three_classes(5, false);
    let defaults = FitSettings::default();
    let refused = |settings: &FitSettings| {
        fit_multinomial(FitInput::new("test", &data, settings), &mut Silent).unwrap_err().to_string()
    };
    let ridge = FitSettings { penalty: PenaltyKind::Ridge, ..FitSettings::default() };
    assert!(refused(&ridge).contains("l1 or elastic-net"));
    let test = FitSettings { test_fraction: Some(0.2), ..FitSettings::default() };
    assert!(refused(&test).contains("test set"));
    let by_fit = fit(FitInput::new("test", &data, &defaults), &mut Silent).unwrap_err().to_string();
    assert!(by_fit.contains("fit_multinomial"), "{by_fit}");
    for (numbers, expected) in [([0.0, 1.0, 3.0], "class number below 3"), ([0.0, 1.0, 1.0], "class 2")] {
        let target = Target::Multiple { numbers: numbers.to_vec(), labels: labels(3) };
        let design = Design::Dense(DenseMatrix::new(3, 1, vec![0.0, 1.0, 2.0]).unwrap());
        let error = Dataset::new(design, target, FeatureNames::Counted { first: 0 }).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let real = dataset(data.design.clone(), Target::Real(vec![1.0; data.design.n_rows()]));
    assert!(fit_multinomial(FitInput::new("test", &real, &defaults), &mut Silent).is_err());
}
