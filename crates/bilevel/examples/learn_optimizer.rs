//! A worked example: learn the step size and momentum of every step of gradient descent, then use them on other data.
//!
//! `cargo run --release --example learn_optimizer`
//!
//! The lower level is a training run of 20 steps on a small logistic regression; its hyperparameters are 20 step sizes and 20 momenta. The upper level is the training
//! objective where the run ends. One pass backwards through the run gives the derivative in all 40, and L-BFGS descends on them.

use bilevel::hypergradient::smooth::Reverse;
use bilevel::outer::{Lbfgs, OuterOptimizer, Unwatched};
use bilevel::smooth::{
    AutoDiff, Descent, IterationMap, MomentumKind, Rate, Scalar, Shape, SmoothObjective, SolveSettings,
    gradcheck, iterate, solve,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const P: usize = 6;
const STEPS: usize = 20;
const RIDGE: f64 = 1e-3;

/// Logistic regression. The criterion is the training objective itself, and the problem has no hyperparameters of its own.
struct Logistic {
    rows: Vec<([f64; P], f64)>,
}

impl Logistic {
    /// Columns of falling size: what makes 20 steps of gradient descent few.
    fn generated(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut row = |_| {
            let mut a = [0.0; P];
            a.iter_mut()
                .enumerate()
                .for_each(|(j, a)| *a = 0.6_f64.powi(j as i32) * rng.random_range(-2.0..2.0));
            let noisy = a.iter().sum::<f64>() + rng.random_range(-1.0..1.0);
            (a, 1.0_f64.copysign(noisy))
        };
        Self { rows: (0..100).map(&mut row).collect() }
    }
}

impl AutoDiff for Logistic {
    fn shape(&self) -> Shape {
        Shape { coefficients: P, hyperparameters: 0 }
    }

    // Written once for any scalar: with dual numbers in the place of f64 it gives products with the Hessian, exactly.
    fn lower_gradient<T: Scalar>(&self, y: &[T], _lambda: &[T], out: &mut [T]) {
        out.iter_mut().zip(y).for_each(|(o, y)| *o = *y * RIDGE);
        for (a, b) in &self.rows {
            let margin = a.iter().zip(y).fold(T::from(0.0), |z, (a, y)| z + *y * *a) * *b;
            let weight = ((margin.exp() + 1.0).recip()) * (-b / self.rows.len() as f64);
            out.iter_mut().zip(a).for_each(|(o, a)| *o += weight * *a);
        }
    }

    fn upper_value(&self, y: &[f64], _lambda: &[f64]) -> f64 {
        let margin = |a: &[f64; P], b: f64| b * a.iter().zip(y).map(|(a, y)| a * y).sum::<f64>();
        let loss: f64 = self.rows.iter().map(|(a, b)| (-margin(a, *b)).exp().ln_1p()).sum();
        loss / self.rows.len() as f64 + 0.5 * RIDGE * y.iter().map(|y| y * y).sum::<f64>()
    }

    fn upper_gradient(&self, y: &[f64], lambda: &[f64], by_y: &mut [f64], _by_lambda: &mut [f64]) {
        self.lower_gradient(y, lambda, by_y);
    }
}

/// Gradient descent with heavy ball, whose rates are the hyperparameters: 20 step sizes, then 20 momenta.
fn optimizer(problem: &Logistic) -> bilevel::Result<Descent<'_>> {
    Descent::new(problem, Rate::Learned(0..STEPS))?
        .with_momentum(MomentumKind::HeavyBall, Rate::Learned(STEPS..2 * STEPS))
}

/// How far above the minimum the run ends.
fn distance(problem: &Logistic, hyper: &[f64]) -> bilevel::Result<f64> {
    let best = solve(problem, &[], &[0.0; P], &SolveSettings::default())?.coefficients;
    let map = optimizer(problem)?;
    let state = iterate(&map, hyper, &[0.0; P], STEPS)?;
    Ok(problem.upper_value(&state[..map.n_coefficients()], &[]) - problem.upper_value(&best, &[]))
}

fn constant(rate: f64) -> Vec<f64> {
    [[rate; STEPS], [0.0; STEPS]].concat()
}

fn main() -> bilevel::Result<()> {
    let problem = Logistic::generated(0);
    if let Some(mismatch) = gradcheck(&problem, &[0.1; P], &[], 1e-6)? {
        println!("the derivatives do not agree: {mismatch}");
        return Ok(());
    }

    // The baseline: the best of 60 constant rates.
    let mut best = (f64::INFINITY, 0.0);
    for rate in (0..60).map(|i| 0.1 * 1.1_f64.powi(i)) {
        let left = distance(&problem, &constant(rate))?;
        if left < best.0 {
            best = (left, rate);
        }
    }

    // Learning: from that rate, in a box.
    let map = optimizer(&problem)?;
    let through_all_steps = Reverse::all(&map, STEPS);
    let mut objective = SmoothObjective::unrolled(&problem, &through_all_steps, vec![0.0; P], 2 * STEPS)
        .with_bounds([[0.0; STEPS], [-0.9; STEPS]].concat(), [[50.0; STEPS], [0.99; STEPS]].concat())?;
    let learned = Lbfgs::default().minimize(&mut objective, &constant(best.1), &mut Unwatched)?.theta;

    let other = Logistic::generated(1);
    println!("distance to the minimum after {STEPS} steps   here      on other data");
    for (name, hyper) in [("best constant rate", &constant(best.1)), ("learned rates and momenta", &learned)]
    {
        println!("{name:<38}{:.2e}  {:.2e}", distance(&problem, hyper)?, distance(&other, hyper)?);
    }
    println!("step  rate   momentum");
    for k in 0..STEPS {
        println!("{k:>4}  {:>5.2}  {:>8.2}", learned[k], learned[STEPS + k]);
    }
    Ok(())
}
