//! Stochastic bilevel methods against the hypergradient of the solved problem.

#![allow(clippy::unwrap_used)] // a test may fail by panicking

use std::ops::ControlFlow;

use bilevel::criterion::ValidationLoss;
use bilevel::data::Split;
use bilevel::design::DenseMatrix;
use bilevel::hypergradient::BiactivePolicy;
use bilevel::loss::Logistic;
use bilevel::lower::{RidgeGlm, SparseGlm};
use bilevel::objective::{SplitObjective, tight};
use bilevel::outer::Objective;
use bilevel::parametrization::{Ridge, Weights};
use bilevel::penalty::L1;
use bilevel::stochastic::{
    Amigo, FiniteSum, Iterate, Saba, SampledGlm, Soba, Steps, StocBio, StochasticMethod, StochasticSettings,
    run,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const N: usize = 160;
const P: usize = 6;

struct Toy {
    design: DenseMatrix<f64>,
    targets: Vec<f64>,
    lower: Vec<usize>,
    upper: Vec<usize>,
}

impl Toy {
    fn new() -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let columns: Vec<f64> = (0..N * P).map(|_| 2.0 * rng.random::<f64>() - 1.0).collect();
        let noisy = |i: usize, u: f64| {
            let z: f64 = (0..P).map(|j| columns[j * N + i] * if j < 3 { 2.0 } else { 0.2 }).sum();
            if u < 1.0 / (1.0 + (-z).exp()) { 1.0 } else { -1.0 }
        };
        let targets = (0..N).map(|i| noisy(i, rng.random())).collect();
        let design = DenseMatrix::new(N, P, columns.clone()).unwrap();
        Self { design, targets, lower: (0..90).collect(), upper: (90..N).collect() }
    }

    fn sum(&self, each: bool) -> SampledGlm<'_, Logistic> {
        SampledGlm::new(&self.design, &self.targets, &self.lower, &self.upper, Logistic, each).unwrap()
    }

    /// |dΦ/dθ| for one decay, by the deterministic solver and adjoint.
    fn slope(&self, theta: f64) -> f64 {
        let split = Split::from_rows(N, &self.lower, &self.upper).unwrap();
        let penalty = L1::new(P);
        let glm =
            SparseGlm::new(&self.design, &self.targets, &split.train, Logistic, &penalty, false).unwrap();
        let criterion = ValidationLoss::of_split(Logistic, &self.targets, &split);
        let weights = Weights::scalar(vec![1.0; P], Ridge::Fixed(0.0), -20.0, 20.0);
        let mut objective = SplitObjective::new(vec![(RidgeGlm::new(glm), criterion)], Box::new(weights));
        objective.evaluate(&[theta], tight(BiactivePolicy::Null)).unwrap().gradient[0].abs()
    }
}

const CONSTANT: Steps = Steps { lower: 1.0, upper: 3.0, power: 0.0 };
/// Without memory the noise of longer constant steps throws the iterate out.
const SHORT: Steps = Steps { lower: 0.2, upper: 0.5, power: 0.0 };
const FALLING: Steps = Steps { lower: 0.5, upper: 1.0, power: 0.4 };
/// Long enough for the Neumann series of 30 terms, short enough for the noise of λ to average out.
const STEADY: Steps = Steps { lower: 0.3, upper: 0.1, power: 0.0 };

fn methods() -> [Box<dyn StochasticMethod>; 4] {
    [
        Box::new(Soba::new(FALLING)),
        Box::new(Saba::new(CONSTANT)),
        Box::new(StocBio::new(STEADY, 10, 30)),
        Box::new(Amigo::new(STEADY, 5, 5)),
    ]
}

fn go(sum: &dyn FiniteSum, method: &mut dyn StochasticMethod, steps: usize, seed: u64) -> Iterate {
    let start = vec![-1.0; sum.n_hyperparameters()];
    let settings = StochasticSettings { batch: 16, steps, seed };
    run(sum, method, &start, settings, |_, _| ControlFlow::Continue(())).unwrap()
}

#[test]
fn the_full_batch_adjoint_is_the_hypergradient_of_the_solved_problem() {
    let toy = Toy::new();
    let sum = toy.sum(false);
    // One batch of everything: D_λ at the fixed point of y and v, λ held still by a vanishing step.
    let steps = Steps { lower: 1.0, upper: 1e-12, power: 0.0 };
    let settings = StochasticSettings { batch: N, steps: 3000, seed: 0 };
    let at = run(&sum, &mut Soba::new(steps), &[-1.0], settings, |_, _| ControlFlow::Continue(())).unwrap();
    let (mut hessian, mut cross) = (vec![0.0; P], vec![0.0]);
    let all: Vec<usize> = (0..90).collect();
    sum.lower_products(
        &all,
        &at.coefficients,
        &at.hyperparameters,
        &at.adjoint,
        &mut hessian,
        Some(&mut cross),
    );
    let exact = toy.slope(at.hyperparameters[0]);
    assert!((cross[0].abs() - exact).abs() < 1e-9 * exact, "{} {exact}", cross[0]);
}

#[test]
fn saba_with_constant_steps_ends_where_the_hypergradient_vanishes() {
    let toy = Toy::new();
    let sum = toy.sum(false);
    let begun = toy.slope(-1.0);
    let end = go(&sum, &mut Saba::new(CONSTANT), 20_000, 0);
    let slope = toy.slope(end.hyperparameters[0]);
    assert!(begun > 1e-2 && slope < 1e-6, "{begun} {slope}");
}

#[test]
fn every_method_comes_near_the_solution() {
    let toy = Toy::new();
    let sum = toy.sum(false);
    for mut method in methods() {
        let end = go(&sum, method.as_mut(), 10_000, 1);
        let slope = toy.slope(end.hyperparameters[0]);
        assert!(slope < 5e-3, "{}: {slope}", method.name());
    }
}

#[test]
fn the_same_seed_gives_the_same_digits_and_another_seed_others() {
    let toy = Toy::new();
    let sum = toy.sum(true);
    for (mut first, mut again) in methods().into_iter().zip(methods()) {
        let end = go(&sum, first.as_mut(), 200, 3);
        assert_eq!(end, go(&sum, again.as_mut(), 200, 3), "{}", first.name());
        assert_ne!(end, go(&sum, again.as_mut(), 200, 4), "{}", first.name());
    }
}

#[test]
fn memory_takes_the_noise_out_of_the_hyperparameters() {
    let toy = Toy::new();
    let sum = toy.sum(false);
    let spread = |method: fn() -> Box<dyn StochasticMethod>| {
        let ends: Vec<f64> =
            (0..8).map(|seed| go(&sum, method().as_mut(), 5000, seed).hyperparameters[0]).collect();
        let mean = ends.iter().sum::<f64>() / 8.0;
        (ends.iter().map(|end| (end - mean).powi(2)).sum::<f64>() / 7.0).sqrt()
    };
    // The same constant steps: only the memory differs.
    let with = spread(|| Box::new(Saba::new(SHORT)));
    let without = spread(|| Box::new(Soba::new(SHORT)));
    assert!(with < 1e-2 * without, "{with} {without}");
}
