//! Every hypergradient equals central differences of the re-solved problem: loss × penalty × parametrization × design × criterion.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use bilevel::loss::{Logistic, Loss, Squared};
use bilevel::parametrization::{Adaptive, Parametrization, Ridge, Weights};
use bilevel::penalty::{Blocks, GroupL1, L1, Penalty};
use common::{RandomData, objective, random_data, splits};

const LEARNED: Ridge = Ridge::Learned { lower: -20.0, upper: 5.0 };

/// Parametrizations of a penalty with `blocks` blocks, with a point each around log λ = `level`.
fn parametrizations(blocks: usize, level: f64, ridge: Ridge) -> Vec<(Box<dyn Parametrization>, Vec<f64>)> {
    let factors: Vec<f64> = (0..blocks).map(|g| 1.0 + 0.1 * (g % 3) as f64).collect();
    let sizes: Vec<f64> = (0..blocks).map(|g| 0.2 + (g % 4) as f64).collect();
    let with_ridge = |mut theta: Vec<f64>| {
        if ridge == LEARNED {
            theta.push(level - 0.7);
        }
        theta
    };
    let wave = |g: usize| level + 0.3 * (g as f64 * 1.7).sin();
    vec![
        (Box::new(Weights::scalar(factors.clone(), ridge, -30.0, 30.0)), with_ridge(vec![level])),
        (
            Box::new(Weights::grouped(
                factors.clone(),
                (0..blocks).map(|g| g % 2).collect(),
                ridge,
                -30.0,
                30.0,
            )),
            with_ridge(vec![level, level - 0.4]),
        ),
        (
            Box::new(Weights::per_block(factors.clone(), ridge, -30.0, 30.0)),
            with_ridge((0..blocks).map(wave).collect()),
        ),
        (Box::new(Adaptive::new(factors, &sizes, ridge, -30.0, 30.0)), with_ridge(vec![level, 0.6])),
    ]
}

/// Checks all parametrizations and criteria for one loss and penalty; returns (judged, skipped near kinks).
fn check<L: Loss, P: Penalty>(
    data: &RandomData,
    targets: &[f64],
    loss: L,
    penalty: &P,
    fraction: f64,
    ridge: Ridge,
) -> (usize, usize) {
    let n = targets.len();
    let (mut judged, mut skipped) = (0, 0);
    for folds in [1, 3] {
        let splits = splits(n, folds, 7);
        let unit = vec![1.0; penalty.blocks().len()];
        let start = Box::new(Weights::scalar(unit.clone(), Ridge::Fixed(0.0), -30.0, 30.0));
        let mut phi = objective(&data.design, targets, &splits, loss, penalty, start);
        let lambda_max = phi.lower_levels().map(|m| m.lambda_max(&unit)).fold(0.0, f64::max);
        for (parametrization, theta) in parametrizations(unit.len(), (fraction * lambda_max).ln(), ridge) {
            phi.set_parametrization(parametrization);
            if common::gradient_matches_differences(&mut phi, &theta) {
                judged += 1;
            } else {
                skipped += 1;
            }
        }
    }
    (judged, skipped)
}

fn check_all(seeds: std::ops::Range<u64>) -> (usize, usize) {
    let mut total = (0, 0);
    for seed in seeds {
        let (n, p) = (24 + (seed % 5) as usize * 6, 5 + (seed % 7) as usize * 3);
        let fraction = [0.5, 0.2, 0.08][(seed % 3) as usize];
        let mut data = random_data(seed, n, p, seed % 2 == 1);
        if seed % 4 >= 2 {
            // Entries in single precision are other entries; the arithmetic on them is the same.
            data.design = data.design.into_f32();
        }
        let groups: Vec<usize> = (0..p).map(|j| j * 4 / p).collect();
        let (l1, group) = (L1::new(p), GroupL1::new(Blocks::from_groups(&groups).unwrap()));
        let results = [
            check(&data, &data.real, Squared, &l1, fraction, Ridge::Fixed(0.0)),
            check(&data, &data.real, Squared, &l1, fraction, LEARNED),
            check(&data, &data.real, Squared, &group, fraction, Ridge::Fixed(0.01)),
            check(&data, &data.signs, Logistic, &l1, fraction, Ridge::Fixed(0.0)),
            check(&data, &data.signs, Logistic, &l1, fraction, LEARNED),
            check(&data, &data.signs, Logistic, &group, fraction, LEARNED),
        ];
        for (judged, skipped) in results {
            total = (total.0 + judged, total.1 + skipped);
        }
    }
    total
}

#[test]
fn hypergradients_equal_central_differences_for_every_combination() {
    let (judged, skipped) = check_all(0..12);
    assert!(judged >= 400, "{judged} problems judged, {skipped} near kinks");
    assert!(skipped * 5 < judged, "{judged} problems judged, {skipped} near kinks");
}
