//! The proof that no λ in a range is better by more than ε, against dense sampling of the criterion.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::ops::ControlFlow;

use bilevel::criterion::ValidationLoss;
use bilevel::data::Split;
use bilevel::design::Design;
use bilevel::fit::{FitInput, FitSettings, Silent, WeightsKind, fit};
use bilevel::hypergradient::BiactivePolicy;
use bilevel::loss::{Logistic, Loss, Squared};
use bilevel::lower::SparseGlm;
use bilevel::objective::{RangeProof, RangeSettings, SplitObjective, tight};
use bilevel::outer::{Objective, Request};
use bilevel::parametrization::{Ridge, Weights};
use bilevel::penalty::L1;
use common::{random_data, splits};

type Phi<'a, L> = SplitObjective<SparseGlm<'a, Design, L, L1>, ValidationLoss<'a, L>>;

/// Φ of one λ, and the logarithm of the largest λ that matters.
fn objective<'a, L: Loss>(
    design: &'a Design,
    targets: &'a [f64],
    splits: &'a [Split],
    loss: L,
    penalty: &'a L1,
    (intercept, ridge): (bool, Ridge),
) -> (Phi<'a, L>, f64) {
    use bilevel::design::DesignMatrix;
    let factors = vec![1.0; design.n_columns()];
    let part = |split: &'a Split| {
        let lower = SparseGlm::new(design, targets, &split.train, loss, penalty, intercept).unwrap();
        (lower, ValidationLoss::of_split(loss, targets, split))
    };
    let parts: Vec<_> = splits.iter().map(part).collect();
    let top = parts.iter().map(|(lower, _)| lower.lambda_max(&factors)).fold(0.0, f64::max).ln();
    let weights = Weights::scalar(factors, ridge, top - 12.0, top);
    (SplitObjective::new(parts, Box::new(weights)), top)
}

/// The smallest Φ on a grid of `points`, and at the midpoints of the best `points`/10 intervals.
fn sampled_minimum<L: Loss>(phi: &mut Phi<'_, L>, (low, high): (f64, f64), points: usize) -> f64 {
    let request = Request { gradient: false, ..tight(BiactivePolicy::Null) };
    let mut at = |theta: f64| phi.evaluate(&[theta], request).unwrap().value;
    let theta = |k: f64| high + (low - high) * k / points as f64;
    let values: Vec<f64> = (0..=points).map(|k| at(theta(k as f64))).collect();
    let mut order: Vec<usize> = (0..points).collect();
    order.sort_by(|i, j| values[*i].min(values[i + 1]).total_cmp(&values[*j].min(values[j + 1])));
    let near = order.iter().take(points / 10).map(|&k| at(theta(k as f64 + 0.5))).collect::<Vec<_>>();
    values.into_iter().chain(near).fold(f64::INFINITY, f64::min)
}

fn prove<L: Loss>(phi: &mut Phi<'_, L>, range: (f64, f64), value: f64, epsilon: f64) -> RangeProof {
    let settings = RangeSettings { epsilon, ..RangeSettings::default() };
    phi.certify_range(range, value, &settings, &mut || ControlFlow::Continue(())).unwrap().unwrap()
}

/// Proves something about the best of 40 points, and compares with many.
fn holds<L: Loss>(
    seed: u64,
    (n, p): (usize, usize),
    loss: L,
    signs: bool,
    (intercept, ridge): (bool, Ridge),
    points: usize,
) -> RangeProof {
    let data = random_data(seed, n, p, seed % 4 == 1);
    let targets = if signs { &data.signs } else { &data.real };
    let splits = splits(n, if seed.is_multiple_of(2) { 1 } else { 3 }, seed);
    let penalty = L1::new(p);
    let (mut phi, top) = objective(&data.design, targets, &splits, loss, &penalty, (intercept, ridge));
    let range = (top - if p > n / 2 { 2.0 } else { 4.0 }, top);
    let value = sampled_minimum(&mut phi, range, 40);
    let proof = prove(&mut phi, range, value, 1e-3);
    let sampled = sampled_minimum(&mut phi, range, points);
    assert!(
        sampled >= value - proof.epsilon - 1e-9 * value.abs(),
        "seed {seed}: {sampled} below {value} - {}",
        proof.epsilon
    );
    assert_eq!(proof.complete, proof.epsilon <= 1e-3 * value.abs() * (1.0 + 1e-12), "seed {seed}: {proof:?}");
    proof
}

#[test]
fn no_sampled_lambda_is_better_than_what_was_proven() {
    let mut complete = 0;
    for seed in 0..60_u64 {
        let shape = if seed.is_multiple_of(3) { (30, 45) } else { (40, 8) };
        let ridge = match seed % 5 {
            0 => Ridge::Fixed(0.1),
            1 => Ridge::Proportional(0.5),
            _ => Ridge::Fixed(0.0),
        };
        let kind = (!seed.is_multiple_of(7), ridge);
        complete += usize::from(holds(seed, shape, Squared, false, kind, 200).complete);
        complete += usize::from(holds(seed, shape, Logistic, true, kind, 200).complete);
    }
    // Where it is not, 40 points had not found the best value to a thousandth.
    assert!(complete >= 60, "{complete}");
}

#[test]
fn thousands_of_points_find_nothing_better_either() {
    for (seed, shape) in [(1000, (40, 10)), (1001, (30, 60))] {
        holds(seed, shape, Squared, false, (true, Ridge::Fixed(0.0)), 4000);
        holds(seed, shape, Logistic, true, (true, Ridge::Fixed(0.0)), 4000);
    }
}

/// A fit with one λ on ordinary data.
fn fitted(n: usize, p: usize, seed: u64, classes: bool, settings: FitSettings) -> bilevel::fit::Fit {
    use bilevel::data::synthetic::{Shape, classification, regression};
    let shape = Shape { n_samples: n, n_features: p, n_informative: 5 };
    let data = if classes { classification(shape, 0.1, seed) } else { regression(shape, 5.0, seed) };
    let settings = FitSettings { weights: WeightsKind::Scalar, ..settings };
    fit(FitInput::new("ordinary", &data.unwrap().data, &settings), &mut Silent).unwrap()
}

#[test]
fn on_ordinary_data_a_thousandth_is_proven_with_few_solutions() {
    for (n, p) in [(100, 50), (60, 200)] {
        for classes in [false, true] {
            let record = fitted(n, p, 0, classes, FitSettings::default()).record;
            let proof = record.certificate.certified.unwrap();
            println!("{n} x {p}, classes {classes}: {proof:?}");
            assert!(proof.complete && proof.relative <= 1e-3, "{proof:?}");
            assert_eq!(Some(proof.range), record.certificate.lambda_range);
            assert!(proof.n_extra_solves <= 40 && proof.n_reduced_solves <= 5 * 150, "{proof:?}");
        }
    }
}

#[test]
fn what_is_asked_for_is_proven_or_said_to_be_incomplete() {
    let ask = |certify| {
        let settings = FitSettings { certify: Some(certify), ..FitSettings::default() };
        fitted(60, 20, 1, false, settings).record.certificate.certified
    };
    assert_eq!(ask(0.0), None);
    let (coarse, fine) = (ask(1e-2).unwrap(), ask(1e-5).unwrap());
    assert!(coarse.complete && fine.complete && fine.relative <= 1e-5, "{fine:?}");
    assert!(fine.n_reduced_solves > coarse.n_reduced_solves);
    let hopeless = ask(1e-14).unwrap();
    assert!(!hopeless.complete && hopeless.relative > 1e-14, "{hopeless:?}");
    let settings = FitSettings { certify: Some(1.0), ..FitSettings::default() };
    let data = random_data(0, 30, 4, false);
    let data = bilevel::data::Dataset::new(
        data.design,
        bilevel::data::Target::Real(data.real),
        bilevel::data::FeatureNames::Counted { first: 0 },
    )
    .unwrap();
    let error = fit(FitInput::new("x", &data, &settings), &mut Silent).unwrap_err().to_string();
    assert!(error.contains("certify") && error.contains("expected"), "{error}");
}

#[test]
fn a_value_that_can_be_improved_on_is_never_certified() {
    let data = random_data(5, 40, 8, false);
    let splits = splits(40, 3, 5);
    let penalty = L1::new(8);
    let (mut phi, top) =
        objective(&data.design, &data.real, &splits, Squared, &penalty, (true, Ridge::Fixed(0.0)));
    let range = (top - 4.0, top);
    let best = sampled_minimum(&mut phi, range, 400);
    let proof = prove(&mut phi, range, 1.01 * best, 1e-3);
    assert!(!proof.complete && proof.epsilon >= 0.01 * best, "{proof:?}");
    // And where the bound is lowest, Φ is that low.
    let request = tight(BiactivePolicy::Null);
    let there = phi.evaluate(&[proof.lowest_at], request).unwrap().value;
    assert!(there < 1.002 * best, "{there} {best}");
}
