//! Second-order outer steps: the model is the second derivative on a face, and a handful of its steps suffice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use bilevel::criterion::{Criterion, ValidationLoss};
use bilevel::hypergradient::Selection;
use bilevel::loss::Squared;
use bilevel::lower::{Hyperparameters, LowerLevel, SparseGlm, UpperGradient};
use bilevel::outer::{GaussNewton, GaussNewtonSettings, Ntrba, OuterOptimizer, Unwatched};
use bilevel::parametrization::{Ridge, Weights};
use bilevel::penalty::L1;
use common::{EXACT, objective, random_data, splits};

#[test]
fn for_the_squared_loss_the_model_is_the_second_derivative_in_the_weights() {
    let mut judged = 0;
    for seed in 0..12 {
        let (n, p) = (50, 10);
        let data = random_data(seed, n, p, seed % 2 == 1);
        let (penalty, split) = (L1::new(p), splits(n, 1, seed).remove(0));
        let problem =
            SparseGlm::new(&data.design, &data.real, &split.train, Squared, &penalty, seed % 3 != 0).unwrap();
        let criterion = ValidationLoss::new(Squared, &data.real, &split.validation);
        let lambda = 0.2 * problem.lambda_max(&vec![1.0; p]);
        let at = Hyperparameters { lambda: vec![lambda; p], ridge: 0.01 };
        // ∂Φ/∂λ at λ + t e_j, and the support.
        let slopes = |j: usize, t: f64| {
            let mut at = at.clone();
            at.lambda[j] += t;
            let solution = problem.solve(&at, None, EXACT).unwrap();
            let measured = criterion.evaluate(&solution.predictor);
            let upper = UpperGradient {
                predictor: &measured.gradient,
                curvature: &measured.curvature,
                warm_start: &[],
            };
            let adjoint = problem.adjoint(&at, &solution, &upper, Selection::default(), EXACT).unwrap();
            let hessian = criterion.hessian(&solution.predictor);
            let model = problem
                .gauss_newton(&at, &solution, &upper, &hessian, Selection::default())
                .unwrap()
                .unwrap();
            (adjoint.lambda, model, solution.support())
        };
        let (here, model, support) = slopes(0, 0.0);
        let size = model.gradient.len();
        assert_eq!(size, model.blocks.len() + 1);
        for (k, &(g, slope)) in here.iter().enumerate() {
            assert_eq!(model.blocks[k], g);
            assert!((model.gradient[k] - slope).abs() <= 1e-10 * slope.abs().max(1e-3));
        }
        for (k, &j) in model.blocks.iter().enumerate() {
            let h = 1e-4 * lambda;
            let (up, down) = (slopes(j as usize, h), slopes(j as usize, -h));
            if up.2 != support || down.2 != support {
                continue;
            }
            for (i, ((_, a), (_, b))) in up.0.iter().zip(&down.0).enumerate() {
                let difference = (a - b) / (2.0 * h);
                let entry = model.hessian[k * size + i];
                let scale = model.hessian[k * size + k].abs();
                assert!((entry - difference).abs() <= 1e-6 * scale, "seed {seed}: {entry} {difference}");
                judged += 1;
            }
        }
    }
    assert!(judged >= 100, "{judged}");
}

#[test]
fn second_order_steps_go_on_where_normalized_gradients_end() {
    let (n, p) = (80, 20);
    let mut lower = 0;
    for seed in 0..12 {
        let data = random_data(seed, n, p, false);
        let (penalty, splits) = (L1::new(p), splits(n, 3, seed));
        let free = Box::new(Weights::per_block(vec![1.0; p], Ridge::Fixed(0.0), -9.0, 2.0));
        let mut phi = objective(&data.design, &data.real, &splits, Squared, &penalty, free);
        let first = Ntrba::default().minimize(&mut phi, &vec![-1.5; p], &mut Unwatched).unwrap();
        let second = GaussNewton::default().minimize(&mut phi, &first.theta, &mut Unwatched).unwrap();
        let (before, after) = (first.evaluation.value, second.evaluation.value);
        println!("seed {seed}: {before} after {} steps, {after} after {} more", first.steps, second.steps);
        assert!(after <= before);
        lower += usize::from(after < (1.0 - 2e-4) * before);
    }
    assert!(lower >= 10, "lower in {lower} of 12");
}

#[test]
fn steps_that_meet_the_box_end_on_it_and_any_first_radius_is_small_enough() {
    let (n, p) = (40, 12);
    let (lower, upper) = (-2.345_678_9, 0.123_456_7);
    let mut on_the_box = 0;
    for seed in 0..40 {
        let data = random_data(seed, n, p, false);
        let (penalty, splits) = (L1::new(p), splits(n, 1, seed));
        let start: Vec<f64> = (0..p).map(|k| -2.3 + 0.197 * k as f64 + 0.003 * seed as f64).collect();
        for initial_radius in [1e-3, 5e-3, 0.3, 3.0] {
            let free = Box::new(Weights::per_block(vec![1.0; p], Ridge::Fixed(0.0), lower, upper));
            let mut phi = objective(&data.design, &data.real, &splits, Squared, &penalty, free);
            let settings = GaussNewtonSettings { initial_radius, ..GaussNewtonSettings::default() };
            let found = GaussNewton { settings }.minimize(&mut phi, &start, &mut Unwatched).unwrap();
            for theta in found.theta {
                let distance = (theta - lower).min(upper - theta);
                assert!(
                    distance == 0.0 || distance > 1e-12,
                    "seed {seed}: {theta} is {distance} inside the box"
                );
                on_the_box += usize::from(distance == 0.0);
            }
        }
    }
    assert!(on_the_box > 100, "{on_the_box}");
}
