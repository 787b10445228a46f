//! Wavelet restoration: optimality conditions, exact thresholding, hypergradients against differences of the solved problem, learned weights.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bilevel::criterion::{Criterion, SupervisedError};
use bilevel::hypergradient::{BiactivePolicy, Selection};
use bilevel::inverse::wavelet::{WaveletFrame, WaveletRestoration, WeightPer, monte_carlo_sure};
use bilevel::lower::{Hyperparameters, LowerLevel, Solution, UpperGradient};
use bilevel::objective::SplitObjective;
use bilevel::operator::LinearOperator;
use bilevel::operator::wavelet::{Extension, StationaryTransform, WaveletTransform};
use bilevel::outer::{Accuracy, Lbfgs, Objective, OuterOptimizer, Unwatched};
use bilevel::parametrization::{Ridge, Weights};

const SIDE: usize = 16;
const EXACT: Accuracy = Accuracy { relative_gap: 1e-14, adjoint_residual: 1e-13 };

/// Periodic blur along the rows with (0.2, 0.6, 0.2): symmetric, so that it is its own adjoint.
struct Blur(usize);

impl LinearOperator for Blur {
    fn n_rows(&self) -> usize {
        self.0
    }
    fn n_columns(&self) -> usize {
        self.0
    }
    fn apply_into(&self, x: &[f64], out: &mut [f64]) -> bilevel::Result<()> {
        let n = self.0;
        (0..n).for_each(|i| out[i] = 0.6 * x[i] + 0.2 * (x[(i + 1) % n] + x[(i + n - 1) % n]));
        Ok(())
    }
    fn adjoint_into(&self, y: &[f64], out: &mut [f64]) -> bilevel::Result<()> {
        self.apply_into(y, out)
    }
}

/// A step and a slope, another for each seed.
fn clean(seed: usize) -> Vec<f64> {
    let pixel = |i: usize| {
        let (r, c) = (i / SIDE, i % SIDE);
        let step = if r * (2 + seed) + c > 20 { 1.0 } else { 0.0 };
        step + 0.02 * c as f64
    };
    (0..SIDE * SIDE).map(pixel).collect()
}

/// Blurred, with a fixed pattern for noise.
fn degraded(truth: &[f64]) -> Vec<f64> {
    let blurred = Blur(truth.len()).apply(truth).unwrap();
    blurred
        .iter()
        .enumerate()
        .map(|(i, x)| x + 0.1 * (((i * i * 31 + 17 * i) % 97) as f64 / 48.0 - 1.0))
        .collect()
}

fn decimated(extension: Extension) -> WaveletFrame {
    WaveletTransform::image("db2".parse().unwrap(), [SIDE, SIDE], 2, extension).unwrap().into()
}

fn undecimated() -> WaveletFrame {
    StationaryTransform::image("haar".parse().unwrap(), [SIDE, SIDE], 2).unwrap().into()
}

fn deblurring(frame: WaveletFrame, b: &[f64], per: WeightPer) -> WaveletRestoration<'static> {
    WaveletRestoration::new(Blur(SIDE * SIDE), frame, b, per).unwrap().max_iterations(20_000)
}

fn weights(lambda: Vec<f64>) -> Hyperparameters {
    Hyperparameters { lambda, ridge: 0.0 }
}

#[test]
fn without_an_operator_the_solution_is_the_soft_threshold_after_one_step() {
    let b = degraded(&clean(0));
    let transform =
        WaveletTransform::image("sym4".parse().unwrap(), [SIDE, SIDE], 2, Extension::Periodic).unwrap();
    let w = transform.apply(&b).unwrap();
    let problem = WaveletRestoration::denoising(transform.clone(), &b, WeightPer::Subband).unwrap();
    let lambda = vec![0.05, 0.1, 0.2, 0.15, 0.08, f64::INFINITY];
    let solution = problem.solve(&weights(lambda.clone()), None, Accuracy::TIGHT).unwrap();
    assert!(solution.iterations <= 2);
    for (index, subband) in transform.subbands().iter().enumerate() {
        let t = if index == 0 { 0.0 } else { lambda[index - 1] };
        for i in subband.range.clone() {
            approx::assert_relative_eq!(solution.coefficients[i], w[i] - w[i].clamp(-t, t), epsilon = 1e-10);
        }
    }
}

#[test]
fn solutions_satisfy_the_conditions_of_the_minimizer() {
    let b = degraded(&clean(0));
    for frame in [decimated(Extension::Periodic), decimated(Extension::Symmetric), undecimated()] {
        let first = frame.subbands()[0].range.end;
        let problem = deblurring(frame, &b, WeightPer::Image);
        let solution = problem.solve(&weights(vec![0.05]), None, EXACT).unwrap();
        for (i, (c, y)) in solution.correlations.iter().zip(&solution.coefficients).enumerate() {
            let lambda = if i < first { 0.0 } else { 0.05 };
            let violation =
                if *y == 0.0 { (c.abs() - lambda).max(0.0) } else { (c + lambda * y.signum()).abs() };
            assert!(violation < 1e-6, "{i}: {violation:.1e}");
        }
    }
}

fn value(problem: &WaveletRestoration, truth: &[f64], at: &Hyperparameters, start: &Solution) -> f64 {
    let solution = problem.solve(at, Some(start.clone()), EXACT).unwrap();
    SupervisedError::new(truth).evaluate(&solution.predictor).value
}

#[test]
fn hypergradients_match_differences_of_the_solved_problem() {
    let truth = clean(0);
    let b = degraded(&truth);
    for (per, extension) in [
        (WeightPer::Image, Extension::Periodic),
        (WeightPer::Level, Extension::Symmetric),
        (WeightPer::Subband, Extension::Periodic),
        (WeightPer::Coefficient, Extension::Periodic),
    ] {
        let problem = deblurring(decimated(extension), &b, per);
        let lambda = (0..problem.n_weights()).map(|k| 0.03 + 0.013 * (k % 5) as f64).collect();
        let at = Hyperparameters { lambda, ridge: 0.01 };
        let solution = problem.solve(&at, None, EXACT).unwrap();
        let measured = SupervisedError::new(&truth).evaluate(&solution.predictor);
        let upper =
            UpperGradient { predictor: &measured.gradient, curvature: &measured.curvature, warm_start: &[] };
        let adjoint =
            problem.adjoint(&at, &solution, &upper, Selection::from(BiactivePolicy::Null), EXACT).unwrap();
        assert_eq!(adjoint.biactive, 0);
        let scale = adjoint.lambda.iter().map(|(_, h)| h.abs()).fold(0.0, f64::max);
        let step = 1e-5;
        let difference = |moved: &dyn Fn(f64) -> Hyperparameters| {
            let of = |h: f64| value(&problem, &truth, &moved(h), &solution);
            (of(step) - of(-step)) / (2.0 * step)
        };
        for &(k, h) in adjoint.lambda.iter().step_by(adjoint.lambda.len().div_ceil(8)) {
            let moved = |change: f64| {
                let mut moved = at.clone();
                moved.lambda[k as usize] += change;
                moved
            };
            let found = difference(&moved);
            assert!((found - h).abs() <= 1e-6 * scale, "{per:?} weight {k}: {h} against {found}");
        }
        let found = difference(&|change| Hyperparameters { ridge: 0.01 + change, ..at.clone() });
        approx::assert_relative_eq!(adjoint.ridge, found, max_relative = 1e-6);
    }
}

#[test]
fn weights_learned_from_pairs_are_stationary_and_subbands_fit_better_than_one_weight() {
    let truths = [clean(0), clean(1)];
    let learn = |per: WeightPer| {
        let pairs = truths.iter().map(|truth| {
            let problem = deblurring(decimated(Extension::Periodic), &degraded(truth), per);
            (problem, SupervisedError::new(truth))
        });
        let pairs: Vec<_> = pairs.collect();
        let blocks = pairs[0].0.n_weights();
        let parametrization = Weights::per_block(vec![1.0; blocks], Ridge::Fixed(0.0), -12.0, 3.0);
        let mut objective = SplitObjective::new(pairs, Box::new(parametrization));
        let start = vec![-3.0; objective.n_parameters()];
        let before =
            objective.evaluate(&start, bilevel::objective::tight(BiactivePolicy::Null)).unwrap().value;
        let after =
            Lbfgs::default().minimize(&mut objective, &start, &mut Unwatched).unwrap().evaluation.value;
        assert!(after < before, "{after} {before}");
        after
    };
    let (one, many) = (learn(WeightPer::Image), learn(WeightPer::Subband));
    assert!(many < 0.99 * one, "{many} against {one}");
}

#[test]
fn the_hypergradient_of_monte_carlo_sure_matches_differences() {
    let b = degraded(&clean(1));
    for frame in [decimated(Extension::Periodic), undecimated()] {
        let pairs = monte_carlo_sure(&frame, &b, 0.06, WeightPer::Subband, 5).unwrap();
        let blocks = pairs[0].0.n_weights();
        let parametrization = Weights::per_block(vec![1.0; blocks], Ridge::Fixed(1e-3), -12.0, 3.0);
        let mut sure = SplitObjective::new(pairs, Box::new(parametrization));
        let request = bilevel::outer::Request {
            accuracy: EXACT,
            selection: Selection::from(BiactivePolicy::Null),
            gradient: true,
        };
        let theta: Vec<f64> = (0..blocks).map(|k| -3.0 + 0.17 * k as f64).collect();
        let gradient = sure.evaluate(&theta, request).unwrap().gradient;
        let scale = gradient.iter().map(|g| g.abs()).fold(0.0, f64::max);
        for k in 0..blocks {
            let mut at = |change: f64| {
                let mut moved = theta.clone();
                moved[k] += change;
                sure.evaluate(&moved, request).unwrap().value
            };
            let found = (at(1e-5) - at(-1e-5)) / 2e-5;
            assert!((found - gradient[k]).abs() < 1e-6 * scale, "{k}: {} against {found}", gradient[k]);
        }
    }
}

#[test]
fn monte_carlo_sure_is_exact_sure_in_the_mean_over_probes() {
    // For soft thresholding in an orthonormal basis the degrees of freedom are the coefficients that are not zero.
    let (b, sigma) = (degraded(&clean(1)), 0.06);
    let frame = decimated(Extension::Periodic);
    let problem = WaveletRestoration::denoising(frame.clone(), &b, WeightPer::Image).unwrap();
    let n = b.len() as f64;
    let solution = problem.solve(&weights(vec![0.1]), None, EXACT).unwrap();
    let misfit: f64 = solution.predictor.iter().zip(&b).map(|(z, b)| (z - b) * (z - b)).sum();
    let exact = misfit / n - sigma * sigma + 2.0 * sigma * sigma * solution.support().len() as f64 / n;
    let probes = 300;
    let found: Vec<f64> = (0..probes)
        .map(|seed| {
            let pairs = monte_carlo_sure(&frame, &b, sigma, WeightPer::Image, seed).unwrap();
            let of = |(problem, half): &(WaveletRestoration<'static>, _)| {
                let half: &bilevel::inverse::wavelet::SureHalf = half;
                half.evaluate(&problem.solve(&weights(vec![0.1]), None, EXACT).unwrap().predictor).value
            };
            pairs.iter().map(of).sum::<f64>() / 2.0
        })
        .collect();
    let mean = found.iter().sum::<f64>() / probes as f64;
    let variance = found.iter().map(|f| (f - mean).powi(2)).sum::<f64>() / (probes - 1) as f64;
    // Standard error, and a per cent of the divergence that the finite step costs.
    let slack = 2.0 * sigma * sigma * 0.01;
    assert!((mean - exact).abs() < 3.0 * (variance / probes as f64).sqrt() + slack, "{mean} {exact}");
}

#[test]
fn what_does_not_fit_is_one_sentence() {
    let frame = || decimated(Extension::Periodic);
    let message = |found: bilevel::Result<WaveletRestoration<'static>>| found.err().unwrap().to_string();
    let found = message(WaveletRestoration::new(Blur(9), frame(), &[0.0; 9], WeightPer::Image));
    assert_eq!(found, "operator of a restoration: found 9 columns; expected 256, the frame's samples");
    let found = message(WaveletRestoration::denoising(frame(), &[0.0; 9], WeightPer::Image));
    assert_eq!(found, "measurements: found 9 values; expected 256");
    let found = message(WaveletRestoration::denoising(frame(), &[f64::NAN; 256], WeightPer::Image));
    assert!(found.contains("NaN"), "{found}");
    let problem = WaveletRestoration::denoising(frame(), &[0.0; 256], WeightPer::Level).unwrap();
    let found = problem.solve(&weights(vec![1.0; 3]), None, EXACT).unwrap_err().to_string();
    assert_eq!(found, "weights of a restoration: found 3 weights; expected 2");
}
