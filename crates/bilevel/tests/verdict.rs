//! The slopes that a verdict rests on equal one-sided differences of the re-solved objective, fold by fold on kinks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use bilevel::hypergradient::Selection;
use bilevel::loss::{Logistic, Loss, Squared};
use bilevel::objective::SplitObjective;
use bilevel::outer::{Objective, Request};
use bilevel::parametrization::{Parametrization, Ridge, Weights};
use bilevel::penalty::L1;
use common::{EXACT, objective, random_data, splits};

const REQUEST: fn() -> Request =
    || Request { accuracy: EXACT, selection: Selection::default(), gradient: false };

/// θ at which features of the first split sit on their kink, having had weights a little too large to enter.
fn on_kinks<L: Loss>(
    phi: &mut SplitObjective<
        bilevel::lower::SparseGlm<'_, bilevel::design::Design, L, L1>,
        bilevel::criterion::ValidationLoss<'_, L>,
    >,
    p: usize,
) -> Vec<f64> {
    let mut theta = vec![-1.6; p];
    phi.evaluate(&theta, REQUEST()).unwrap();
    let first = phi.solutions().next().unwrap().clone();
    let zero = (0..p).filter(|&j| first.coefficients[j] == 0.0).take(3);
    zero.for_each(|j| theta[j] = first.correlations[j].abs().ln());
    theta
}

fn check<L: Loss>(loss: L, targets: fn(&common::RandomData) -> &[f64]) -> usize {
    let mut judged = 0;
    for seed in 0..16 {
        let (n, p) = (60, 9);
        let data = random_data(seed, n, p, seed % 2 == 1);
        let (penalty, splits) = (L1::new(p), splits(n, 1 + 2 * (seed as usize % 2), seed));
        let free = Weights::per_block(vec![1.0; p], Ridge::Fixed(0.02), -9.0, 9.0);
        let mut phi = objective(&data.design, targets(&data), &splits, loss, &penalty, Box::new(free));
        let theta = on_kinks(&mut phi, p);
        let here = phi.evaluate(&theta, REQUEST()).unwrap().value;
        let mut found = Vec::new();
        let (steepest, biactive) = {
            let slopes = phi.slopes(&theta).unwrap();
            for k in slopes.moving() {
                found.extend([-1.0, 1.0].map(|sign| (k, sign, slopes.along(k, sign).unwrap())));
            }
            (slopes.steepest().unwrap(), slopes.biactive())
        };
        let least = found.iter().map(|f| f.2).fold(0.0, f64::min);
        assert_eq!(steepest.slope, least);
        if biactive == 0 {
            continue;
        }
        for (k, sign, slope) in found {
            let mut at = |t: f64| {
                let mut moved = theta.clone();
                moved[k] += t * sign;
                let evaluation = phi.evaluate(&moved, REQUEST()).unwrap();
                (evaluation.value, evaluation.support_size)
            };
            let h = 1e-5;
            let [one, two, three] = [at(h), at(2.0 * h), at(3.0 * h)];
            if one.1 != two.1 || two.1 != three.1 {
                continue;
            }
            let difference = (-11.0 * here + 18.0 * one.0 - 9.0 * two.0 + 2.0 * three.0) / (6.0 * h);
            let error = (slope - difference).abs();
            assert!(
                error <= 1e-5 * difference.abs() + 1e-9,
                "seed {seed}, ±e_{k} ({sign}): {slope} against {difference}"
            );
            judged += 1;
        }
    }
    judged
}

#[test]
fn slopes_along_coordinates_are_one_sided_differences_also_where_one_fold_is_on_a_kink() {
    let judged = check(Squared, |data| &data.real) + check(Logistic, |data| &data.signs);
    assert!(judged >= 200, "{judged} slopes were judged");
}

#[test]
fn columns_of_a_parametrization_are_the_transpose_of_its_pull_back() {
    use bilevel::lower::Adjoint;
    use bilevel::parametrization::Adaptive;
    let learned = Ridge::Learned { lower: -9.0, upper: 9.0 };
    let factors = vec![1.0, 2.0, 0.5, 1.0];
    let maps: [Box<dyn Parametrization>; 5] = [
        Box::new(Weights::scalar(factors.clone(), Ridge::Proportional(0.3), -9.0, 9.0)),
        Box::new(Weights::scalar(factors.clone(), learned, -9.0, 9.0)),
        Box::new(Weights::grouped(factors.clone(), vec![0, 1, 0, 1], learned, -9.0, 9.0)),
        Box::new(Weights::per_block(factors.clone(), learned, -9.0, 9.0)),
        Box::new(Adaptive::new(factors, &[1.0, 0.2, 0.0, 0.01], learned, -9.0, 9.0)),
    ];
    for map in maps {
        let n = map.n_parameters();
        let theta: Vec<f64> = (0..n).map(|k| -0.7 + 0.3 * k as f64).collect();
        let at = map.hyperparameters(&theta);
        let adjoint =
            Adjoint { lambda: vec![(0, 1.3), (1, -0.4), (3, 2.2)], ridge: 0.9, ..Adjoint::default() };
        let mut pulled = vec![0.0; n];
        map.pull_back(&theta, &at, &adjoint, &mut pulled);
        let blocks = [0, 1, 3];
        for (k, expected) in pulled.iter().enumerate() {
            let (lambda, ridge) = map.column(&theta, &at, k, &blocks);
            let slope = |g: u32| adjoint.lambda.iter().find(|e| e.0 == g).unwrap().1;
            let product = lambda.iter().map(|(g, d)| d * slope(*g)).sum::<f64>() + ridge * adjoint.ridge;
            assert!((product - expected).abs() <= 1e-14 * expected.abs().max(1.0), "{k} of {n}");
            assert!(*expected == 0.0 || map.moving(&blocks).contains(&k));
        }
    }
}

#[test]
fn an_enlarged_band_holds_at_a_loose_solution_what_is_biactive_at_the_exact_one() {
    use bilevel::hypergradient::{BlockState, Partition};
    use bilevel::lower::{Hyperparameters, LowerLevel, SparseGlm};
    use bilevel::outer::Accuracy;
    let (mut held, mut missed_without) = (0, 0);
    for seed in 0..30 {
        let (n, p) = (60, 12);
        let data = random_data(seed, n, p, seed % 2 == 1);
        let (penalty, split) = (L1::new(p), splits(n, 1, seed).remove(0));
        let problem =
            SparseGlm::new(&data.design, &data.real, &split.train, Squared, &penalty, true).unwrap();
        let mut at = Hyperparameters { lambda: vec![0.3 * problem.lambda_max(&vec![1.0; p]); p], ridge: 0.1 };
        let exact = problem.solve(&at, None, EXACT).unwrap();
        let kinks: Vec<usize> = (0..p).filter(|&j| exact.coefficients[j] == 0.0).take(3).collect();
        kinks.iter().for_each(|&j| at.lambda[j] = exact.correlations[j].abs());
        for gap in [1e-2, 1e-3, 1e-5] {
            let accuracy = Accuracy { relative_gap: gap, adjoint_residual: 1e-8 };
            let loose = problem.solve(&at, None, accuracy).unwrap();
            let state = |residual_enlarged: bool| {
                let selection = Selection { residual_enlarged, ..Selection::default() };
                Partition::new(&problem, &at, &loose, selection).states
            };
            let (with, without) = (state(true), state(false));
            assert!(kinks.iter().all(|&j| with[j] == BlockState::Biactive), "seed {seed}, gap {gap}");
            held += kinks.len();
            missed_without += kinks.iter().filter(|&&j| without[j] != BlockState::Biactive).count();
        }
    }
    assert!(held > 100 && missed_without > 20, "{held} held, {missed_without} missed without");
}
