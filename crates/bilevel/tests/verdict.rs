//! The slopes that a verdict rests on equal one-sided differences of the re-solved objective, fold by fold on kinks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use bilevel::design::{CscMatrix, DenseMatrix, Design};
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

/// A column in the span of active ones, on its kink: if it enters, another must leave, and the quadratic of the critical cone does not say which. So
/// there is the right slope or none, and never one that rounding made; and if all weights move together it stays where it is.
#[test]
fn a_dependent_column_on_its_kink_has_the_right_slope_or_none() {
    let (n, p) = (40, 7);
    let (mut right, mut refused, mut shared) = (0, 0, 0);
    for seed in 0..120_u64 {
        let data = random_data(seed, n, p - 1, false);
        let Design::Dense(matrix) = &data.design else { panic!("dense") };
        let mut values = matrix.values().to_vec();
        let factor = [1.0, 3.0, -0.7, 0.1][seed as usize % 4];
        values.extend_from_within(..n);
        values[(p - 1) * n..].iter_mut().for_each(|a| *a *= factor);
        let design = Design::Dense(DenseMatrix::new(n, p, values).unwrap());
        let (penalty, splits) = (L1::new(p), splits(n, 1, seed));
        let free = || Weights::per_block(vec![1.0; p], Ridge::Fixed(0.0), -9.0, 9.0);
        let mut phi = objective(&design, &data.real, &splits, Squared, &penalty, Box::new(free()));
        let value = |phi: &mut dyn Objective, theta: &[f64]| phi.evaluate(theta, REQUEST()).unwrap().value;
        let mut theta = vec![-1.2; p];
        theta[p - 1] = 3.0;
        value(&mut phi, &theta);
        let solution = phi.solutions().next().unwrap().clone();
        if solution.coefficients[0] == 0.0 {
            continue;
        }
        theta[p - 1] = solution.correlations[p - 1].abs().ln();
        let here = value(&mut phi, &theta);
        let found: Vec<(usize, f64, Option<f64>)> = {
            let Ok(slopes) = phi.slopes(&theta) else { continue };
            assert_eq!(slopes.biactive(), 1, "seed {seed}");
            let along = |k: usize| [-1.0, 1.0].map(|sign| (k, sign, slopes.along(k, sign).ok()));
            (0..p).flat_map(along).collect()
        };
        let h = 1e-5;
        let agrees = |phi: &mut dyn Objective, moved: &[f64], slope: f64| {
            let difference = (value(phi, moved) - here) / h;
            (slope - difference).abs() <= 1e-3 * difference.abs().max(1e-2 * here)
        };
        for (k, sign, slope) in found {
            let mut moved = theta.clone();
            moved[k] += sign * h;
            match slope {
                Some(slope) => {
                    assert!(agrees(&mut phi, &moved, slope), "seed {seed}, ±e_{k} ({sign}): {slope}");
                    right += 1;
                }
                None => refused += 1,
            }
        }
        let factors = theta.iter().map(|t| t.exp()).collect();
        phi.set_parametrization(Box::new(Weights::scalar(factors, Ridge::Fixed(0.0), -9.0, 9.0)));
        for sign in [-1.0, 1.0] {
            let Ok(slope) = phi.slopes(&[0.0]).and_then(|slopes| slopes.along(0, sign)) else { continue };
            assert!(agrees(&mut phi, &[sign * h], slope), "seed {seed}, all ({sign}): {slope}");
            shared += 1;
        }
    }
    assert!(right > 500 && refused > 50 && shared > 50, "{right} right, {refused} refused, {shared} shared");
}

/// Rows of sparse data have many features of their own, with equal columns: all of them reach their kink together.
#[test]
fn thousands_on_a_kink_are_refused_before_they_fill_the_memory() {
    let (n, twins) = (12, 30_000);
    let mut rows: Vec<u32> = (0..10).collect();
    let mut values: Vec<f64> = (0..10).map(|i| f64::from(i % 4)).collect();
    rows.resize(10 + twins, 7);
    values.resize(10 + twins, 1.0);
    let starts: Vec<usize> = std::iter::once(0).chain(10..=10 + twins).collect();
    let design = Design::Sparse(CscMatrix::new(n, starts, rows, values).unwrap());
    let targets: Vec<f64> = (0..n).map(|i| if i == 7 { 9.0 } else { (i % 4) as f64 }).collect();
    let (penalty, splits) = (L1::new(twins + 1), splits(n, 1, 0));
    let free = Weights::per_block(vec![1.0; twins + 1], Ridge::Fixed(0.0), -9.0, 9.0);
    let mut phi = objective(&design, &targets, &splits, Squared, &penalty, Box::new(free));
    let mut theta = vec![9.0; twins + 1];
    theta[0] = -3.0;
    phi.evaluate(&theta, REQUEST()).unwrap();
    let edge = phi.solutions().next().unwrap().correlations[1].abs().ln();
    theta[1..].fill(edge);
    let refused = phi.slopes(&theta).err().map(|error| error.to_string());
    assert!(refused.as_ref().is_some_and(|sentence| sentence.contains("on a kink")), "{refused:?}");
}
