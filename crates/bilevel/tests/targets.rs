//! Targets: which labels become −1 and +1, and which targets are refused.

use bilevel::data::{Dataset, FeatureNames, RawTarget, Target, Task};
use bilevel::design::{DenseMatrix, Design};

fn numbers(values: &[f64]) -> RawTarget {
    RawTarget::Numbers(values.to_vec())
}

fn text(values: &[&str]) -> RawTarget {
    RawTarget::Text(values.iter().map(ToString::to_string).collect())
}

#[test]
fn two_values_of_any_kind_are_classes_and_the_larger_becomes_positive() {
    for (raw, negative, positive) in [
        (numbers(&[0.0, 1.0, 0.0]), "0", "1"),
        (numbers(&[-1.0, 1.0, -1.0]), "-1", "1"),
        (numbers(&[1.0, 2.0, 1.0]), "1", "2"),
        (text(&["benign", "malignant", "benign"]), "benign", "malignant"),
    ] {
        let target = Target::interpret(&raw, None, None).unwrap();
        assert_eq!(target.values(), [-1.0, 1.0, -1.0]);
        let classes = target.class_labels().unwrap();
        assert_eq!((classes.negative.as_str(), classes.positive.as_str()), (negative, positive));
    }
}

#[test]
fn minus_zero_and_zero_are_one_label() {
    let target = Target::interpret(&numbers(&[-1.0, 0.0, -0.0]), None, None).unwrap();
    assert_eq!(target.values(), [-1.0, 1.0, 1.0]);
}

#[test]
fn more_than_two_numbers_are_regression_unless_one_is_set_against_the_rest() {
    let raw = numbers(&[1.0, 2.0, 3.0, 2.0]);
    assert_eq!(Target::interpret(&raw, None, None).unwrap().task(), Task::Regression);
    let target = Target::interpret(&raw, None, Some("2")).unwrap();
    assert_eq!(target.values(), [-1.0, 1.0, -1.0, 1.0]);
    assert_eq!(target.class_labels().unwrap().negative, "rest");
}

#[test]
fn a_test_file_is_read_with_the_classes_of_the_training_file() {
    let training = Target::interpret(&text(&["no", "yes"]), None, None).unwrap();
    let test = Target::with_classes(&text(&["yes", "yes"]), training.class_labels()).unwrap();
    assert_eq!(test.values(), [1.0, 1.0]);
    let error = Target::with_classes(&text(&["yes", "maybe"]), training.class_labels()).unwrap_err();
    assert!(error.to_string().contains("sample 2") && error.to_string().contains("`maybe`"), "{error}");
}

#[test]
fn targets_that_no_model_can_learn_are_refused_with_what_was_found() {
    let message = |raw: RawTarget, task, positive| {
        let target = Target::interpret(&raw, task, positive);
        let made = target.and_then(|target| {
            let design = Design::Dense(DenseMatrix::new(target.len(), 1, vec![0.0; target.len()])?);
            Dataset::new(design, target, FeatureNames::Counted { first: 1 })
        });
        made.unwrap_err().to_string()
    };
    assert!(message(numbers(&[3.0, 3.0]), None, None).contains("one class only (`3`)"));
    assert!(message(text(&["a", "b", "c"]), None, None).contains("more than two classes"));
    assert!(message(text(&["1", "b"]), Some(Task::Regression), None).contains("text (`b`)"));
    assert!(message(numbers(&[1.0, f64::NAN, 2.0, 3.0]), None, None).contains("sample 2: found NaN"));
    assert!(message(numbers(&[1.0, 2.0]), None, Some("7")).contains("no sample of class `7`"));
    assert!(message(numbers(&[]), Some(Task::Regression), None).contains("0 samples"));
}
