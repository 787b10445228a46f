//! Learning the optimizer: hypergradients of step sizes, momenta and weight decays through stochastic gradient descent.
#![allow(clippy::unwrap_used, reason = "helpers of tests outside a test function")]

use bilevel::hypergradient::smooth::{HypergradientMethod, OneStep, Reverse};
use bilevel::outer::{Lbfgs, LbfgsSettings, OuterOptimizer, Unwatched};
use bilevel::smooth::{
    AutoDiff, Batches, Descent, MomentumKind, OnlineRate, OnlineRule, Rate, Scalar, Shape, SmoothObjective,
    SmoothProblem, iterate,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::problems::{Kind, Regression, differences, distance, norm, solution};

/// A regression whose criterion is its own training objective at fixed ridge weights, without hyperparameters of its own.
struct Training {
    regression: Regression,
    ridge: Vec<f64>,
}

impl Training {
    fn new(seed: u64, p: usize, n: usize) -> Self {
        // Columns of falling size: the condition number is what makes twenty steps few.
        let mut regression = Regression::sized(seed, Kind::Logistic, p, n, 1);
        for (row, _) in &mut regression.train {
            row.iter_mut().enumerate().for_each(|(j, a)| *a *= 0.7_f64.powi(j as i32));
        }
        Self { regression, ridge: vec![1e-3] }
    }

    /// The same coefficients on a few of the rows.
    fn batch(&self, rows: &[usize]) -> Self {
        let whole = &self.regression;
        let train = rows.iter().map(|i| whole.train[*i].clone()).collect();
        let regression = Regression { train, validation: Vec::new(), kind: whole.kind, p: whole.p, ..*whole };
        Self { regression, ridge: self.ridge.clone() }
    }
}

impl AutoDiff for Training {
    fn shape(&self) -> Shape {
        Shape { coefficients: self.regression.p, hyperparameters: 0 }
    }
    fn lower_gradient<T: Scalar>(&self, y: &[T], _lambda: &[T], out: &mut [T]) {
        let ridge: Vec<T> = self.ridge.iter().map(|r| T::from(*r)).collect();
        self.regression.lower_gradient(y, &ridge, out);
    }
    fn upper_value(&self, y: &[f64], _: &[f64]) -> f64 {
        self.regression.lower_value(y, &self.ridge)
    }
    fn upper_gradient(&self, y: &[f64], _: &[f64], by_y: &mut [f64], _: &mut [f64]) {
        self.regression.lower_gradient(y, &self.ridge, by_y);
    }
}

fn gradient(problem: &dyn SmoothProblem, y: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; y.len()];
    problem.gradient_into(y, &[], &mut out).unwrap();
    out
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[test]
fn one_step_of_sgd_moves_against_its_gradient_when_the_step_size_grows() {
    let whole = Training::new(1, 6, 30);
    let batch = whole.batch(&[3, 4, 9]);
    let sgd = Descent::new(&batch, Rate::Learned(0..1)).unwrap();
    let y = [0.3, -0.2, 0.5, 0.0, 1.0, -0.4];
    // dw'/ds, by forward mode of the map itself.
    use bilevel::smooth::IterationMap;
    let mut tangent = vec![0.0; 6];
    sgd.tangent_into(0, (&y, &[0.5]), (&[0.0; 6], &[1.0]), &mut tangent).unwrap();
    let expected: Vec<f64> = gradient(&batch, &y).iter().map(|g| -g).collect();
    assert_eq!(tangent, expected);
    // The online hypergradient −∇L(w')ᵀ∇f(w).
    let found = OneStep { map: &sgd }.hypergradient(&whole, &[0.5], &y).unwrap();
    let online = -dot(&gradient(&whole, &found.coefficients), &gradient(&batch, &y));
    assert!((found.gradient[0] - online).abs() <= 1e-15 * online.abs(), "{} {online}", found.gradient[0]);
}

#[test]
fn reverse_mode_through_a_thousand_stochastic_steps_agrees_with_differences() {
    let steps = 1000;
    let whole = Training::new(2, 5, 40);
    let rows: Vec<Vec<usize>> = (0..10).map(|b| (4 * b..4 * b + 4).collect()).collect();
    let parts: Vec<Training> = rows.iter().map(|rows| whole.batch(rows)).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let order: Vec<usize> = (0..steps).map(|_| rng.random_range(0..10)).collect();
    let parts = parts.iter().map(|part| part as &dyn SmoothProblem).collect();
    // Ten step sizes (the last holds for the remaining steps), one momentum, one weight decay.
    let sgd = Descent::on(Batches::Recorded { parts, order }, Rate::Learned(0..10)).unwrap();
    let sgd = sgd.with_momentum(MomentumKind::HeavyBall, Rate::Learned(10..11)).unwrap();
    let sgd = sgd.with_weight_decay(Rate::Learned(11..12)).unwrap();
    let mut hyper = vec![0.05; 10];
    hyper.extend([0.6, 0.02]);
    let reverse = Reverse::all(&sgd, steps);
    let found = reverse.hypergradient(&whole, &hyper, &[0.0; 5]).unwrap();
    let expected = differences(&hyper, 1e-4, |h| reverse.value(&whole, h, &[0.0; 5]).unwrap().0);
    let error = distance(&found.gradient, &expected) / norm(&expected);
    println!("1000 steps: relative error {error:.1e}, {} states stored", found.work.stored_states);
    assert!(error < 1e-6, "{error}");
    assert!(found.work.stored_states <= 64, "{:?}", found.work);
}

#[test]
fn twenty_learned_rates_and_momenta_come_far_closer_than_the_best_constant_rate() {
    let steps = 20;
    let training = Training::new(3, 8, 60);
    let start = [0.0; 8];
    let optimum = training.upper_value(&solution(&training, &[]), &[]);
    let gap = |map: &Descent<'_>, hyper: &[f64]| {
        let y = iterate(map, hyper, &start, steps).map(|state| training.upper_value(&state[..8], &[]));
        y.map_or(f64::INFINITY, |value| value - optimum)
    };
    let best_constant = (0..400)
        .map(|i| 0.02 * 1.02_f64.powi(i))
        .map(|rate| (gap(&Descent::new(&training, Rate::Fixed(rate)).unwrap(), &[]), rate))
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .unwrap();
    let learned = Descent::new(&training, Rate::Learned(0..20)).unwrap();
    let learned = learned.with_momentum(MomentumKind::HeavyBall, Rate::Learned(20..40)).unwrap();
    let mut from = vec![best_constant.1; 20];
    from.extend([0.0; 20]);
    let reverse = Reverse::all(&learned, steps);
    let mut objective = SmoothObjective::unrolled(&training, &reverse, start.to_vec(), 40)
        .with_bounds([[0.0; 20], [-0.9; 20]].concat(), [[50.0; 20], [0.99; 20]].concat())
        .unwrap();
    let lbfgs = Lbfgs { settings: LbfgsSettings { max_steps: 60, ..LbfgsSettings::default() } };
    let result = lbfgs.minimize(&mut objective, &from, &mut Unwatched).unwrap();
    let learned_gap = gap(&learned, &result.theta);
    println!(
        "after 20 steps: best constant rate {:.3} leaves {:.3e}, learned rates and momenta {learned_gap:.3e}",
        best_constant.1, best_constant.0
    );
    assert!(10.0 * learned_gap <= best_constant.0, "{learned_gap} against {}", best_constant.0);
}

#[test]
fn a_learned_diagonal_preconditioner_beats_the_best_constant_rate() {
    // One scale for each coefficient, the same in all steps: a small learned optimizer.
    let (p, steps) = (8, 20);
    let training = Training::new(5, p, 60);
    let optimum = training.upper_value(&solution(&training, &[]), &[]);
    let gap = |map: &Descent<'_>, hyper: &[f64]| {
        let y = iterate(map, hyper, &[0.0; 8], steps).map(|y| training.upper_value(&y, &[]));
        y.map_or(f64::INFINITY, |value| value - optimum)
    };
    let plain = |rate| gap(&Descent::new(&training, Rate::Fixed(rate)).unwrap(), &[]);
    let best =
        (0..400).map(|i| 0.02 * 1.02_f64.powi(i)).min_by(|a, b| plain(*a).total_cmp(&plain(*b))).unwrap();
    let learned = Descent::new(&training, Rate::Fixed(best)).unwrap();
    let learned = learned.with_layers((0..p).collect(), 0..p).unwrap();
    let reverse = Reverse::all(&learned, steps);
    let mut objective = SmoothObjective::unrolled(&training, &reverse, vec![0.0; p], p)
        .with_bounds(vec![0.0; p], vec![1e3; p])
        .unwrap();
    let result = Lbfgs::default().minimize(&mut objective, &vec![1.0; p], &mut Unwatched).unwrap();
    let (before, after) = (plain(best), gap(&learned, &result.theta));
    println!("diagonal preconditioner: {before:.3e} -> {after:.3e}");
    assert!(10.0 * after <= before, "{after} against {before}");
}

#[test]
fn online_hypergradient_descent_recovers_from_a_step_size_that_is_far_too_small() {
    let training = Training::new(6, 6, 60);
    let optimum = training.upper_value(&solution(&training, &[]), &[]);
    let start = 0.01;
    let sgd = Descent::new(&training, Rate::Learned(0..1)).unwrap();
    let mut online = OnlineRate::new(start, OnlineRule::Additive(5.0)).unwrap();
    let (mut y, mut by_one_step, mut rate) = (vec![0.0; 6], vec![0.0; 6], start);
    for _ in 0..200 {
        online.step(&training, &[], &mut y).unwrap();
        // The same from the one-step hypergradient: dL/ds = −∇f(w')ᵀ∇f(w), and the rate of the rate is 5.
        let answer = OneStep { map: &sgd }.hypergradient(&training, &[rate], &by_one_step).unwrap();
        by_one_step = answer.coefficients;
        assert!((online.rate() - rate).abs() <= 1e-13 * rate, "{} {rate}", online.rate());
        rate = (rate - 5.0 * answer.gradient[0]).max(0.0);
    }
    assert!(distance(&y, &by_one_step) <= 1e-12 * norm(&y));
    let gap = |y: &[f64]| training.upper_value(y, &[]) - optimum;
    let constant = gap(&iterate(&sgd, &[start], &[0.0; 6], 200).unwrap());
    println!("online: {constant:.3e} with the rate {start}, {:.3e} with one that ends at {rate:.3}", gap(&y));
    assert!(10.0 * gap(&y) < constant && rate > 10.0 * start, "{} with rate {rate}", gap(&y));

    let mut relative = OnlineRate::new(start, OnlineRule::Multiplicative(0.02)).unwrap();
    let mut y = vec![0.0; 6];
    (0..200).for_each(|_| relative.step(&training, &[], &mut y).unwrap());
    // Two percent a step: most of the 200 are spent before the rate has grown.
    assert!(
        2.0 * gap(&y) < constant && relative.rate() > 10.0 * start,
        "{} with rate {}",
        gap(&y),
        relative.rate()
    );
}

#[test]
fn an_online_rate_refuses_what_makes_no_sense_and_leaves_y_alone() {
    for (start, rule) in [
        (0.0, OnlineRule::Additive(1.0)),
        (f64::NAN, OnlineRule::Additive(1.0)),
        (0.1, OnlineRule::Additive(f64::INFINITY)),
        (0.1, OnlineRule::Multiplicative(1.0)),
    ] {
        let refused = OnlineRate::new(start, rule).unwrap_err();
        assert!(refused.to_string().contains("positive number") || refused.to_string().contains("κ above 0"));
    }
    let training = Training::new(6, 6, 60);
    let mut rate = OnlineRate::new(0.1, OnlineRule::Additive(1.0)).unwrap();
    let short = rate.step(&training, &[], &mut [0.0; 5]).unwrap_err();
    assert!(short.to_string().contains("found 5 values; expected 6 values"), "{short}");
    let mut far = [f64::NAN; 6];
    assert!(rate.step(&training, &[], &mut far).is_err());
    assert!(far.iter().all(|y| y.is_nan()) && rate.rate() == 0.1);
}
