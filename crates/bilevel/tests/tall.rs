//! Many more rows than columns under the squared loss: a fit searches on fewer rows, and finds what all rows say.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use approx::assert_relative_eq;
use bilevel::criterion::ValidationLoss;
use bilevel::data::{Dataset, FeatureNames, Split, SplitSettings, Target, kfold};
use bilevel::fit::{FitInput, FitSettings, PenaltyKind, Silent, WeightsKind, fit};
use bilevel::hypergradient::Selection;
use bilevel::loss::Squared;
use bilevel::lower::{LowerLevel, RidgeGlm, SparseGlm};
use bilevel::objective::{SplitObjective, tight};
use bilevel::outer::{Accuracy, Objective, Request};
use bilevel::parametrization::{Ridge, Weights};
use bilevel::penalty::{Blocks, GroupL1, L1};

const N: usize = 300;
const P: usize = 8;
const GROUPS: [usize; P] = [0, 0, 1, 1, 1, 2, 2, 3];

fn data(seed: u64, sparse: bool) -> Dataset {
    let random = common::random_data(seed, N, P, sparse);
    Dataset::new(random.design, Target::Real(random.real), FeatureNames::Counted { first: 0 }).unwrap()
}

/// Φ, its standard error and the predictors of the validation rows at each λ, from problems on all rows.
fn on_all_rows<M: LowerLevel + Send>(
    problem: impl Fn(&Split) -> M,
    data: &Dataset,
    factors: &[f64],
    ridge: f64,
    lambdas: &[f64],
) -> Vec<(f64, f64, Vec<f64>)> {
    let rows: Vec<usize> = (0..N).collect();
    let splits = kfold(&data.target, &rows, 5, 0).unwrap();
    let criterion = |split| ValidationLoss::of_split(Squared, data.target.values(), split);
    let parts = splits.iter().map(|split| (problem(split), criterion(split))).collect();
    let weights = Weights::scalar(factors.to_vec(), Ridge::Fixed(ridge), -20.0, 20.0);
    let mut objective = SplitObjective::new(parts, Box::new(weights));
    let accuracy = Accuracy { relative_gap: 1e-15, adjoint_residual: 1e-14 };
    let request = Request { accuracy, gradient: false, ..tight(Selection::default()) };
    let at = |lambda: &f64| {
        let evaluation = objective.evaluate(&[lambda.ln()], request).unwrap();
        let predictors = objective.validation_samples().iter().map(|s| s.predictor).collect();
        (evaluation.value, evaluation.standard_error, predictors)
    };
    lambdas.iter().map(at).collect()
}

#[test]
fn the_curve_is_that_of_all_rows_for_every_penalty() {
    let lambdas: Vec<f64> = (0..12).map(|k| 1e-4 * 2.0_f64.powi(k)).collect();
    for (seed, sparse) in [(1, false), (2, true)] {
        let data = data(seed, sparse);
        let (design, targets) = (&data.design, data.target.values());
        for penalty in [PenaltyKind::L1, PenaltyKind::ElasticNet, PenaltyKind::GroupL1, PenaltyKind::Ridge] {
            let l2 = (penalty == PenaltyKind::ElasticNet).then_some(0.02);
            let settings = FitSettings {
                penalty,
                l2,
                weights: WeightsKind::Scalar,
                standardize: false,
                grid: Some(lambdas.clone()),
                tolerance: 1e-15,
                ..FitSettings::default()
            };
            let input = FitInput { groups: Some(&GROUPS), ..FitInput::new("tall", &data, &settings) };
            let answer = fit(input, &mut Silent).unwrap();
            let l1 = L1::new(P);
            let blocks = GroupL1::new(Blocks::from_groups(&GROUPS).unwrap());
            let glm = |split: &Split| {
                SparseGlm::new(design, targets, split.train.clone().leak(), Squared, &l1, true).unwrap()
            };
            let grouped = |split: &Split| {
                SparseGlm::new(design, targets, split.train.clone().leak(), Squared, &blocks, true).unwrap()
            };
            let ridge = l2.unwrap_or(0.0);
            let expected = match penalty {
                PenaltyKind::GroupL1 => {
                    let factors = [2.0, 3.0, 2.0, 1.0].map(f64::sqrt);
                    on_all_rows(grouped, &data, &factors, ridge, &lambdas)
                }
                PenaltyKind::Ridge => {
                    on_all_rows(|split| RidgeGlm::new(glm(split)), &data, &[1.0; P], ridge, &lambdas)
                }
                _ => on_all_rows(glm, &data, &[1.0; P], ridge, &lambdas),
            };
            for (point, (value, error, _)) in answer.record.curve.iter().zip(&expected) {
                assert_relative_eq!(point.value, *value, max_relative = 1e-10);
                assert_relative_eq!(point.standard_error, *error, max_relative = 1e-9);
            }
            let best = lambdas.iter().position(|l| Some(*l) == answer.record.weights.lambda).unwrap();
            let predictions = answer.predictions.unwrap();
            assert_eq!(predictions.truth, targets, "one prediction for each row, in their order");
            for (predicted, z) in predictions.predicted.iter().zip(&expected[best].2) {
                assert_relative_eq!(predicted, z, max_relative = 1e-8, epsilon = 1e-8);
            }
        }
    }
}

#[test]
fn weights_of_each_feature_are_cross_fitted_on_halves_of_the_validation_rows() {
    let data = data(3, false);
    let settings = FitSettings { split: SplitSettings::Holdout(0.3), ..FitSettings::default() };
    let answer = fit(FitInput::new("tall", &data, &settings), &mut Silent).unwrap();
    let stages = &answer.record.stages;
    assert!(stages.iter().any(|s| s.name == "feature, cross-fitted"), "{stages:?}");
    let kept = stages.iter().rfind(|s| s.kept).unwrap();
    assert_relative_eq!(kept.value, answer.record.criterion.value, max_relative = 1e-12);
    assert!(answer.record.certificate.relative_gap <= 1e-10);
}
