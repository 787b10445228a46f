#![allow(clippy::unwrap_used)]
//! What is claimed of all between two solutions, against solutions between them.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::*;
use crate::design::DenseMatrix;
use crate::loss::{Logistic, Loss, Squared};
use crate::lower::{LowerLevel, SparseGlm};
use crate::outer::Accuracy;
use crate::penalty::{Blocks, GroupL1, L1, Penalty};

const EXACT: Accuracy = Accuracy { relative_gap: 1e-14, adjoint_residual: 1e-14 };

struct Data {
    design: DenseMatrix<f64>,
    targets: Vec<f64>,
    weights: Vec<f64>,
}

/// Correlated Gaussian columns; a third of the rows does not train.
fn data(seed: u64, n: usize, p: usize, classes: bool) -> Data {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
    let common: Vec<f64> = (0..n).map(|_| normal()).collect();
    let columns: Vec<Vec<f64>> =
        (0..p).map(|_| common.iter().map(|c| normal() + 0.5 * c + 0.2).collect()).collect();
    let mut targets: Vec<f64> = (0..n).map(|i| 2.0 + normal() + columns[0][i] - columns[p / 2][i]).collect();
    if classes {
        targets
            .iter_mut()
            .enumerate()
            .for_each(|(i, b)| *b = if i < 2 { i as f64 * 2.0 - 1.0 } else { (*b - 2.0).signum() });
    }
    let train = (2 * n / 3) as f64;
    let weights =
        (0..n).map(|i| if (i as f64) < train { 1.0 / train.floor() } else { 0.0 }).collect::<Vec<_>>();
    let total: f64 = weights.iter().sum();
    let weights = weights.iter().map(|w| w / total).collect();
    Data { design: DenseMatrix::new(n, p, columns.concat()).unwrap(), targets, weights }
}

/// Checks everything between λ_max/`upper` and λ_max/`lower`: the gap of the chord, the candidates, and the deviation of random functionals.
fn check<L: Loss, P: Penalty>(
    data: &Data,
    loss: L,
    penalty: &P,
    intercept: bool,
    ridge: f64,
    ratios: (f64, f64),
    seed: u64,
) -> bool {
    let problem =
        SparseGlm::new(&data.design, &data.targets, &data.weights, loss, penalty, intercept).unwrap();
    let n_blocks = penalty.blocks().len();
    let largest = problem.lambda_max(&vec![1.0; n_blocks]);
    let at = |ratio: f64| Hyperparameters { lambda: vec![largest * ratio; n_blocks], ridge };
    let (a, b) = (at(ratios.0), at(ratios.1));
    let loose = Accuracy { relative_gap: 1e-6, ..EXACT };
    let ya = problem.solve(&a, None, loose).unwrap();
    let yb = problem.solve(&b, None, loose).unwrap();
    let (from, to) = (PathPoint { at: &a, solution: &ya }, PathPoint { at: &b, solution: &yb });
    let chord = problem.chord(from, to).unwrap();
    let candidates = problem.candidates(from, to, &chord);
    let mut segment = problem.path_segment(from, to).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let omega: Vec<f64> = data.targets.iter().map(|_| -> f64 { StandardNormal.sample(&mut rng) }).collect();
    let (start, end) = (segment.end(0), segment.end(1));
    let ends = (SegmentPoint { t: 0.0, solution: &start }, SegmentPoint { t: 1.0, solution: &end });
    let deviation = segment.deviations(ends.0, ends.1, &[&omega]);
    for _ in 0..12 {
        let t: f64 = rng.random();
        let mix = |x: &[f64], y: &[f64]| -> Vec<f64> {
            x.iter().zip(y).map(|(x, y)| (1.0 - t) * x + t * y).collect()
        };
        let here = Hyperparameters { lambda: mix(&a.lambda, &b.lambda), ridge };
        let exact = problem.solve(&here, None, EXACT).unwrap();
        let chord_z = mix(&ya.predictor, &yb.predictor);
        let chord_value = problem.objective(&here, &mix(&ya.coefficients, &yb.coefficients), &chord_z);
        assert!(
            chord_value - exact.objective <= chord.gap + 1e-12,
            "seed {seed}: {} {}",
            chord_value - exact.objective,
            chord.gap
        );
        for j in exact.support() {
            let block = (0..n_blocks).find(|&g| penalty.blocks().members(g).contains(&(j as u32))).unwrap();
            assert!(candidates.contains(&block), "seed {seed}: {j} is active at {t}");
        }
        if let Some(bound) = &deviation {
            let moved: f64 =
                omega.iter().zip(exact.predictor.iter().zip(&chord_z)).map(|(w, (x, y))| w * (x - y)).sum();
            assert!(moved.abs() <= bound[0] * (1.0 + 1e-9) + 1e-9, "seed {seed}: {moved} {}", bound[0]);
        }
    }
    deviation.is_some()
}

#[test]
fn gaps_candidates_and_deviations_hold_between_two_solutions() {
    let mut bounded = [0, 0];
    for seed in 0..60_u64 {
        let (n, p) = if seed.is_multiple_of(2) { (45, 12) } else { (36, 50) };
        let (intercept, ridge) = (!seed.is_multiple_of(3), if seed.is_multiple_of(5) { 0.05 } else { 0.0 });
        let upper = 0.9_f64.powi(1 + (seed % 9) as i32);
        let ratios = (upper, upper * if seed.is_multiple_of(4) { 0.6 } else { 0.93 });
        let (plain, classes) = (data(seed, n, p, false), data(seed, n, p, true));
        let l1 = L1::new(p);
        bounded[0] += usize::from(check(&plain, Squared, &l1, intercept, ridge, ratios, seed));
        bounded[1] += usize::from(check(&classes, Logistic, &l1, intercept, ridge, ratios, seed));
        let groups = GroupL1::new(Blocks::from_groups(&(0..p).map(|j| j / 2).collect::<Vec<_>>()).unwrap());
        check(&plain, Squared, &groups, intercept, ridge, ratios, seed);
        check(&classes, Logistic, &groups, intercept, ridge, ratios, seed);
    }
    assert!(bounded[0] >= 50 && bounded[1] >= 30, "{bounded:?}");
}

#[test]
fn where_no_coefficient_enters_or_leaves_the_chord_is_the_path() {
    let data = data(3, 60, 10, false);
    let penalty = L1::new(10);
    // At the largest λ itself the first coefficient is about to enter: from there the path is straight, too.
    for (intercept, ridge) in [(false, 0.0), (true, 0.0), (true, 0.3)] {
        let problem =
            SparseGlm::new(&data.design, &data.targets, &data.weights, Squared, &penalty, intercept).unwrap();
        let largest = problem.lambda_max(&[1.0; 10]);
        let mut straight = 0;
        for k in 0..40 {
            let at = |ratio: f64| Hyperparameters { lambda: vec![largest * ratio; 10], ridge };
            let (a, b) = (at(1.0 - 0.02 * k as f64), at(1.0 - 0.02 * (k + 1) as f64));
            let (ya, yb) = (problem.solve(&a, None, EXACT).unwrap(), problem.solve(&b, None, EXACT).unwrap());
            let chord = problem
                .chord(PathPoint { at: &a, solution: &ya }, PathPoint { at: &b, solution: &yb })
                .unwrap();
            if ya.support() == yb.support() {
                straight += 1;
                assert!(chord.gap < 1e-11 * problem.null_model().objective, "{k}: {}", chord.gap);
            } else if k > 0 {
                assert!(chord.gap > 1e-9 * problem.null_model().objective, "{k}: {}", chord.gap);
            }
        }
        assert!(straight >= 25, "{straight}");
    }
}
