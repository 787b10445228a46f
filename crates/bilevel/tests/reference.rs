//! Solutions and cross-validation curves agree with those of independent programs on real and generated data.
//!
//! `fixtures/reference.json` was computed with scikit-learn and NumPy, and checked against the optimality conditions, by
//! `fixtures/make_reference.py`, which says how. Both losses, with and without a ridge part, p < n and p > n, dense and sparse; columns that
//! are repeated, empty or complementary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::{Path, PathBuf};

use bilevel::data::Split;
use bilevel::design::{CscMatrix, DenseMatrix, Design, DesignMatrix};
use bilevel::hypergradient::Selection;
use bilevel::loss::{Logistic, Loss, Squared};
use bilevel::lower::{Hyperparameters, LowerLevel, SparseGlm};
use bilevel::outer::{Accuracy, Objective, Request};
use bilevel::parametrization::{Ridge, Weights};
use bilevel::penalty::L1;
use common::EXACT;
use serde::Deserialize;

/// Relative to the value, for objectives and curves.
const VALUE_TOLERANCE: f64 = 1e-9;
/// Relative to the largest entry, for coefficients and predictors. A relative gap of 1e-15 allows for its square root, 3e-8.
const VECTOR_TOLERANCE: f64 = 1e-7;

#[derive(Deserialize)]
struct Reference {
    solutions: Vec<ReferenceSolution>,
    curve: Curve,
}

#[derive(Deserialize)]
struct ReferenceSolution {
    lambda: f64,
    ridge: f64,
    objective: f64,
    rows: Vec<usize>,
    /// At `rows`; unique even where the coefficients are not.
    predictor: Vec<f64>,
    /// Where unique.
    #[serde(flatten)]
    unique: Option<Unique>,
}

#[derive(Deserialize)]
struct Unique {
    intercept: f64,
    support: Vec<usize>,
    coefficients: Vec<f64>,
}

#[derive(Deserialize)]
struct Curve {
    lambda: Vec<f64>,
    value: Vec<f64>,
}

fn reference(name: &str) -> Reference {
    let text = std::fs::read_to_string(fixture("reference.json")).unwrap();
    let mut all: std::collections::BTreeMap<String, Reference> = serde_json::from_str(&text).unwrap();
    all.remove(name).unwrap()
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn embedded(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data").join(name)
}

/// Comma-separated numbers under a header, target first.
fn read_table(path: &Path) -> (Design, Vec<f64>) {
    let text = std::fs::read_to_string(path).unwrap();
    let rows: Vec<Vec<f64>> =
        text.lines().skip(1).map(|line| line.split(',').map(|v| v.parse().unwrap()).collect()).collect();
    let p = rows[0].len() - 1;
    let columns = (0..p).flat_map(|j| rows.iter().map(move |row| row[j + 1])).collect();
    let targets = rows.iter().map(|row| row[0]).collect();
    (Design::Dense(DenseMatrix::new(rows.len(), p, columns).unwrap()), targets)
}

/// LIBSVM text.
fn read_libsvm(text: &str, p: usize) -> (Design, Vec<f64>) {
    let mut columns: Vec<Vec<(u32, f64)>> = vec![Vec::new(); p];
    let mut targets = Vec::new();
    for (row, line) in text.lines().enumerate() {
        let mut words = line.split_whitespace();
        targets.push(words.next().unwrap().parse().unwrap());
        for (index, value) in words.map(|word| word.split_once(':').unwrap()) {
            let j = index.parse::<usize>().unwrap() - 1;
            columns[j].push((u32::try_from(row).unwrap(), value.parse().unwrap()));
        }
    }
    let starts = std::iter::once(0).chain(columns.iter().scan(0, |end, column| {
        *end += column.len();
        Some(*end)
    }));
    let (rows, values) = columns.iter().flatten().copied().unzip();
    (Design::Sparse(CscMatrix::new(targets.len(), starts.collect(), rows, values).unwrap()), targets)
}

fn diabetes() -> (Design, Vec<f64>) {
    read_table(&embedded("diabetes.csv"))
}

fn sparse() -> (Design, Vec<f64>) {
    read_libsvm(&std::fs::read_to_string(fixture("sparse.svm")).unwrap(), 240)
}

fn phishing() -> (Design, Vec<f64>) {
    let file = std::fs::File::open(embedded("phishing.svm.xz")).unwrap();
    let text = std::io::read_to_string(liblzma::read::XzDecoder::new(file)).unwrap();
    read_libsvm(&text, 68)
}

/// +1 where the target is positive, else −1.
fn signs(targets: &[f64]) -> Vec<f64> {
    targets.iter().map(|b| if *b > 0.0 { 1.0 } else { -1.0 }).collect()
}

fn assert_close(found: &[f64], expected: &[f64], what: &str) {
    let scale = expected.iter().fold(1e-3_f64, |m, v| m.max(v.abs()));
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() <= VECTOR_TOLERANCE * scale, "{what}, entry {i}: {f} against {e}");
    }
}

/// Objective, predictor and, where they are unique, coefficients of every stored solution, each from a cold start.
fn solutions_agree<L: Loss>(design: &Design, targets: &[f64], loss: L, reference: &Reference) {
    let (n, p) = (targets.len(), design.n_columns());
    let (uniform, penalty) = (vec![1.0 / n as f64; n], L1::new(p));
    let problem = SparseGlm::new(design, targets, &uniform, loss, &penalty, true).unwrap();
    for expected in &reference.solutions {
        let what = format!("lambda {}, ridge {}", expected.lambda, expected.ridge);
        let at = Hyperparameters { lambda: vec![expected.lambda; p], ridge: expected.ridge };
        let found = problem.solve(&at, None, EXACT).unwrap();
        let error = (found.objective - expected.objective).abs() / expected.objective;
        assert!(error <= VALUE_TOLERANCE, "{what}: objective {} ({error:.1e})", found.objective);
        assert!(
            found.objective - expected.objective <= found.gap + 1e-13 * expected.objective,
            "{what}: gap"
        );
        let predictor: Vec<f64> = expected.rows.iter().map(|&i| found.predictor[i]).collect();
        assert_close(&predictor, &expected.predictor, &format!("{what}: predictor"));
        if let Some(unique) = &expected.unique {
            assert_eq!(found.support(), unique.support, "{what}: support");
            let coefficients: Vec<f64> = unique.support.iter().map(|&j| found.coefficients[j]).collect();
            assert_close(&coefficients, &unique.coefficients, &format!("{what}: coefficients"));
            assert_close(&[found.intercept], &[unique.intercept], &format!("{what}: intercept"));
        }
    }
}

/// The cross-validation curve over λ, row i held out in fold i mod 5.
fn curves_agree<L: Loss>(design: &Design, targets: &[f64], loss: L, expected: &Curve) {
    let (n, p) = (targets.len(), design.n_columns());
    let fold = |k: usize| {
        let (validation, train): (Vec<usize>, Vec<usize>) = (0..n).partition(|i| i % 5 == k);
        Split::from_rows(n, &train, &validation).unwrap()
    };
    let splits: Vec<Split> = (0..5).map(fold).collect();
    let penalty = L1::new(p);
    let scalar = Weights::scalar(vec![1.0; p], Ridge::Fixed(0.0), -40.0, 40.0);
    let mut phi = common::objective(design, targets, &splits, loss, &penalty, Box::new(scalar));
    // Rounding keeps some folds of phishing above 1e-15, and asking for it costs a minute.
    let accuracy = Accuracy { relative_gap: 1e-13, ..EXACT };
    let request = Request { accuracy, selection: Selection::default(), gradient: false };
    for (lambda, value) in expected.lambda.iter().zip(&expected.value) {
        let found = phi.evaluate(&[lambda.ln()], request).unwrap().value;
        let error = (found - value).abs() / value;
        assert!(error <= VALUE_TOLERANCE, "lambda {lambda}: {found} against {value} ({error:.1e})");
    }
}

fn agrees<L: Loss>((design, targets): (Design, Vec<f64>), loss: L, name: &str) {
    let reference = reference(name);
    solutions_agree(&design, &targets, loss, &reference);
    curves_agree(&design, &targets, loss, &reference.curve);
}

#[test]
fn squared_loss_on_diabetes_is_that_of_scikit_learn() {
    agrees(diabetes(), Squared, "diabetes_squared");
}

#[test]
fn squared_loss_on_sparse_data_is_that_of_scikit_learn() {
    agrees(sparse(), Squared, "sparse_squared");
}

#[test]
fn logistic_loss_on_sparse_data_is_that_of_a_proximal_newton_method_and_saga() {
    let (design, targets) = sparse();
    agrees((design, signs(&targets)), Logistic, "sparse_logistic");
}

#[test]
fn logistic_loss_on_phishing_is_that_of_a_proximal_newton_method() {
    let (design, targets) = phishing();
    agrees((design, signs(&targets)), Logistic, "phishing_logistic");
}
