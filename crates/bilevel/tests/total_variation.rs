//! Total variation denoising: solutions proven by a dual field, hypergradients by differences of the solved problem.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bilevel::criterion::{Criterion, SupervisedError};
use bilevel::hypergradient::Selection;
use bilevel::inverse::{TotalVariation, TvSettings, WeightMap};
use bilevel::lower::{Hyperparameters, LowerLevel, Solution, UpperGradient};
use bilevel::objective::SplitObjective;
use bilevel::outer::{Accuracy, GaussNewton, Lbfgs, OuterOptimizer, ScalarSearch, Unwatched};
use bilevel::parametrization::{Ridge, Weights};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

const EXACT: Accuracy = Accuracy { relative_gap: 1e-12, adjoint_residual: 1e-12 };
const SHAPE: (usize, usize) = (12, 15);

/// A disk and a ramp, and the same with noise.
fn images(shape: (usize, usize), sigma: f64, seed: u64) -> (Vec<f64>, Vec<f64>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let truth: Vec<f64> = (0..shape.0 * shape.1)
        .map(|i| {
            let (r, c) = ((i / shape.1) as f64, (i % shape.1) as f64);
            let inside = (r - 5.0).powi(2) + (c - 6.0).powi(2) < 16.0;
            if inside { 1.0 } else { 0.02 * c }
        })
        .collect();
    let noisy = truth
        .iter()
        .map(|t| {
            let z: f64 = StandardNormal.sample(&mut rng);
            t + sigma * z
        })
        .collect();
    (truth, noisy)
}

fn at(lambda: &[f64]) -> Hyperparameters {
    Hyperparameters { lambda: lambda.to_vec(), ridge: 0.0 }
}

fn differences(shape: (usize, usize), u: &[f64], i: usize) -> (f64, f64) {
    let right = if i % shape.1 + 1 < shape.1 { u[i + 1] - u[i] } else { 0.0 };
    let down = if i / shape.1 + 1 < shape.0 { u[i + shape.1] - u[i] } else { 0.0 };
    (right, down)
}

/// The duality gap of a solution, from the definitions: ½Σw(u − v)² + Σ(α|Du| − p·Du) with v = f − W⁻¹Dᵀp.
fn gap(shape: (usize, usize), f: &[f64], w: &[f64], alpha: &[f64], solution: &Solution) -> f64 {
    let (u, n) = (&solution.coefficients, f.len());
    let (px, py) = solution.correlations.split_at(n);
    let mut pull = vec![0.0; n];
    let mut gap = 0.0;
    for i in 0..n {
        let (gx, gy) = differences(shape, u, i);
        assert!(px[i].hypot(py[i]) <= alpha[i] * (1.0 + 1e-12), "the dual field is not feasible at {i}");
        gap += alpha[i] * gx.hypot(gy) - px[i] * gx - py[i] * gy;
        pull[i] -= px[i] + py[i];
        if i % shape.1 + 1 < shape.1 {
            pull[i + 1] += px[i];
        }
        if i / shape.1 + 1 < shape.0 {
            pull[i + shape.1] += py[i];
        }
    }
    let misfit = |i: usize| u[i] - f[i] + pull[i] / w[i];
    gap + (0..n).map(|i| 0.5 * w[i] * misfit(i).powi(2)).sum::<f64>()
}

/// Φ and its hypergradient in λ.
fn slopes(tv: &TotalVariation, truth: &[f64], lambda: &[f64]) -> (f64, Vec<f64>, f64) {
    let solution = tv.solve(&at(lambda), None, EXACT).unwrap();
    assert!(solution.relative_gap <= 1e-12, "{}", solution.relative_gap);
    let measured = SupervisedError::new(truth).evaluate(&solution.predictor);
    let upper =
        UpperGradient { predictor: &measured.gradient, curvature: &measured.curvature, warm_start: &[] };
    let adjoint = tv.adjoint(&at(lambda), &solution, &upper, Selection::default(), EXACT).unwrap();
    (measured.value, adjoint.lambda.iter().map(|(_, h)| *h).collect(), adjoint.error_bound)
}

fn assert_matches_differences(tv: &TotalVariation, truth: &[f64], lambda: &[f64]) {
    let (_, here, bound) = slopes(tv, truth, lambda);
    let scale = here.iter().fold(0.0, |m: f64, h| m.max(h.abs()));
    assert!(bound <= 1e-3 * scale, "error bound {bound:e} of a hypergradient of {scale:e}");
    for k in 0..lambda.len() {
        let step = 1e-5 * lambda[k];
        let value = |t: f64| {
            let mut moved = lambda.to_vec();
            moved[k] += t * step;
            slopes(tv, truth, &moved).0
        };
        // Fourth order, so that a step far above rounding is exact enough.
        let difference = (8.0 * (value(1.0) - value(-1.0)) - (value(2.0) - value(-2.0))) / (12.0 * step);
        assert!((difference - here[k]).abs() <= 1e-6 * scale, "entry {k}: {} and {difference}", here[k]);
    }
}

#[test]
fn a_dual_field_proves_the_solution() {
    for (seed, alpha) in [(0, 0.03), (1, 0.1), (2, 0.4), (3, 3.0)] {
        let (_, noisy) = images(SHAPE, 0.15, seed);
        let tv = TotalVariation::new(SHAPE, &noisy).unwrap();
        let n = noisy.len();
        for solution in [tv.solve(&at(&[alpha]), None, EXACT).unwrap(), tv.denoise(&[alpha], 1e-9).unwrap()] {
            let gap = gap(SHAPE, &noisy, &vec![1.0; n], &vec![alpha; n], &solution);
            assert!(gap <= 1.1e-9 * solution.objective, "alpha {alpha}: {gap:e}");
        }
    }
}

#[test]
fn with_weights_of_many_sizes_too() {
    let (_, noisy) = images(SHAPE, 0.15, 4);
    let n = noisy.len();
    let w: Vec<f64> = (0..n).map(|i| 10.0_f64.powf((i % 7) as f64 / 3.0 - 1.0)).collect();
    let alpha: Vec<f64> = (0..n).map(|i| 0.02 * (1 + i % 5) as f64).collect();
    let tv = TotalVariation::new(SHAPE, &noisy).unwrap();
    let tv = tv.with_fixed_data_weights(w.clone()).unwrap().with_fixed_alpha(alpha.clone()).unwrap();
    let solution = tv.solve(&at(&[]), None, EXACT).unwrap();
    let gap = gap(SHAPE, &noisy, &w, &alpha, &solution);
    assert!(gap <= 1e-11 * solution.objective, "{gap:e}");
}

#[test]
fn the_hypergradient_matches_differences_of_the_solved_problem() {
    for seed in 0..3 {
        let (truth, noisy) = images(SHAPE, 0.15, seed);
        let tv = || TotalVariation::new(SHAPE, &noisy).unwrap();
        assert_matches_differences(&tv(), &truth, &[0.11]);
        let patches = WeightMap::patches(SHAPE, (2, 3)).unwrap();
        let lambda = [0.05, 0.12, 0.08, 0.2, 0.1, 0.07];
        assert_matches_differences(&tv().with_alpha(patches.clone()).unwrap(), &truth, &lambda);
        let smooth = WeightMap::bilinear(SHAPE, (3, 2)).unwrap();
        assert_matches_differences(&tv().with_alpha(smooth.clone()).unwrap(), &truth, &lambda);
        let both = tv().with_data_weights(smooth).unwrap();
        assert_matches_differences(&both, &truth, &[0.1, 0.8, 1.2, 1.0, 2.0, 0.7, 1.5]);
    }
}

#[test]
fn a_rough_solution_has_a_rough_hypergradient() {
    for (seed, alpha) in [(0, 0.05), (1, 0.11), (2, 0.4)] {
        let (truth, noisy) = images(SHAPE, 0.15, seed);
        let tv = TotalVariation::new(SHAPE, &noisy).unwrap();
        let rough = Accuracy { relative_gap: 1e-5, ..EXACT };
        let solution = tv.solve(&at(&[alpha]), None, rough).unwrap();
        let measured = SupervisedError::new(&truth).evaluate(&solution.predictor);
        let upper =
            UpperGradient { predictor: &measured.gradient, curvature: &measured.curvature, warm_start: &[] };
        let adjoint = tv.adjoint(&at(&[alpha]), &solution, &upper, Selection::default(), rough).unwrap();
        let (value, exact, _) = slopes(&tv, &truth, &[alpha]);
        assert!((measured.value - value).abs() <= 1e-2 * value, "{} {value}", measured.value);
        let scale = exact[0].abs().max(value / alpha);
        assert!((adjoint.lambda[0].1 - exact[0]).abs() <= 0.1 * scale, "{:?} {exact:?}", adjoint.lambda);
    }
}

#[test]
fn so_does_that_of_the_smoothed_problem() {
    let (truth, noisy) = images(SHAPE, 0.15, 5);
    let settings = TvSettings { smoothing: 0.02, ..TvSettings::default() };
    let tv = TotalVariation::new(SHAPE, &noisy).unwrap().with_settings(settings).unwrap();
    assert_matches_differences(&tv, &truth, &[0.1]);
}

#[test]
fn a_nonnegative_image_is_the_best_nonnegative_one() {
    let (truth, mut noisy) = images(SHAPE, 0.15, 6);
    noisy.iter_mut().for_each(|f| *f -= 0.3);
    let settings = TvSettings { non_negative: true, ..TvSettings::default() };
    let tv = TotalVariation::new(SHAPE, &noisy).unwrap().with_settings(settings).unwrap();
    let solution = tv.solve(&at(&[0.08]), None, Accuracy::TIGHT).unwrap();
    assert!(solution.relative_gap <= 1e-10, "{}", solution.relative_gap);
    assert!(solution.coefficients.iter().all(|u| *u >= 0.0));
    assert!(solution.coefficients.iter().filter(|u| **u == 0.0).count() > 20);
    let measured = SupervisedError::new(&truth).evaluate(&solution.predictor);
    assert!(measured.value < SupervisedError::new(&truth).evaluate(&noisy).value);
}

#[test]
fn a_large_weight_leaves_the_mean_and_nothing_to_differentiate() {
    let (truth, noisy) = images(SHAPE, 0.15, 7);
    let mean = noisy.iter().sum::<f64>() / noisy.len() as f64;
    let tv = TotalVariation::new(SHAPE, &noisy).unwrap();
    let solution = tv.solve(&at(&[50.0]), None, EXACT).unwrap();
    assert!(solution.coefficients.iter().all(|u| (u - mean).abs() < 1e-12));
    assert_eq!(tv.support_size(&solution), 1);
    assert_eq!(slopes(&tv, &truth, &[50.0]).1, [0.0]);
}

#[test]
fn at_a_kink_the_one_sided_differences_enclose_the_hypergradient() {
    // Two pixels: they merge at α = ½. Below, u = (α, 1 − α); above, (½, ½).
    let tv = TotalVariation::new((1, 2), &[0.0, 1.0]).unwrap();
    let truth = [0.2, 0.6];
    let (value, h, _) = slopes(&tv, &truth, &[0.5]);
    let up = (slopes(&tv, &truth, &[0.5 + 1e-6]).0 - value) / 1e-6;
    let down = (value - slopes(&tv, &truth, &[0.5 - 1e-6]).0) / 1e-6;
    assert!((up - 0.0).abs() < 1e-9 && (down - 0.4).abs() < 1e-5, "{up} {down}");
    assert!(h[0] >= up.min(down) - 1e-5 && h[0] <= up.max(down) + 1e-5, "{}", h[0]);
}

#[test]
fn the_gradient_of_the_gauss_newton_model_is_the_hypergradient() {
    let (truth, noisy) = images(SHAPE, 0.15, 8);
    let tv = TotalVariation::new(SHAPE, &noisy).unwrap();
    let tv = tv.with_alpha(WeightMap::patches(SHAPE, (3, 3)).unwrap()).unwrap();
    let lambda = [0.1; 9];
    let solution = tv.solve(&at(&lambda), None, EXACT).unwrap();
    let criterion = SupervisedError::new(&truth);
    let measured = criterion.evaluate(&solution.predictor);
    let upper =
        UpperGradient { predictor: &measured.gradient, curvature: &measured.curvature, warm_start: &[] };
    let hessian = criterion.hessian(&solution.predictor);
    let model = tv.gauss_newton(&at(&lambda), &solution, &upper, &hessian, Selection::default());
    let model = model.unwrap().unwrap();
    let (_, here, _) = slopes(&tv, &truth, &lambda);
    for (a, b) in model.gradient.iter().zip(&here) {
        assert!((a - b).abs() <= 1e-10 * (1e-3 + b.abs()), "{a} {b}");
    }
}

#[test]
fn outer_methods_learn_one_weight_and_many() {
    let shape = (20, 20);
    let (truth, noisy) = images(shape, 0.15, 9);
    let error = |alpha: f64| {
        let image = TotalVariation::new(shape, &noisy).unwrap().denoise(&[alpha], 1e-9).unwrap();
        SupervisedError::new(&truth).evaluate(&image.predictor).value
    };
    let best = (0..60).map(|k| error(0.02 * 1.06_f64.powi(k))).fold(f64::INFINITY, f64::min);
    let objective = |tv: TotalVariation, weights: Weights| {
        SplitObjective::new(vec![(tv, SupervisedError::new(&truth))], Box::new(weights))
    };
    let one = Weights::scalar(vec![1.0], Ridge::Fixed(0.0), 0.01_f64.ln(), 1.0_f64.ln());
    let mut phi = objective(TotalVariation::new(shape, &noisy).unwrap(), one);
    let mut search = ScalarSearch::default();
    search.settings.points = 12;
    let scalar = search.search(&mut phi, &[], &mut Unwatched).unwrap().outer;
    assert!(scalar.evaluation.value <= best * (1.0 + 1e-6), "{} {best}", scalar.evaluation.value);
    let start = vec![scalar.theta[0]; 16];
    let methods: [&dyn OuterOptimizer; 2] = [&Lbfgs::default(), &GaussNewton::default()];
    for method in methods {
        let map = WeightMap::patches(shape, (4, 4)).unwrap();
        let tv = TotalVariation::new(shape, &noisy).unwrap().with_alpha(map).unwrap();
        let many = Weights::per_block(vec![1.0; 16], Ridge::Fixed(0.0), 1e-4_f64.ln(), 1.0_f64.ln());
        let result = method.minimize(&mut objective(tv, many), &start, &mut Unwatched).unwrap();
        assert!(result.evaluation.value < 0.97 * scalar.evaluation.value, "{}", method.name());
    }
}

#[test]
fn bad_input_gets_a_sentence() {
    let says = |message: String, part: &str| assert!(message.contains(part), "{message}");
    let image = [0.0, 1.0, 2.0, 3.0];
    says(TotalVariation::new((2, 3), &image).unwrap_err().to_string(), "found 4 pixels; expected 2x3 pixels");
    says(TotalVariation::new((0, 0), &[]).unwrap_err().to_string(), "at least one");
    let broken = [0.0, 1.0, f64::NAN, 3.0];
    says(TotalVariation::new((2, 2), &broken).unwrap_err().to_string(), "row 1, column 0: found NaN");
    let tv = TotalVariation::new((2, 2), &image).unwrap();
    says(tv.denoise(&[0.0], 1e-6).unwrap_err().to_string(), "found 0; expected a positive, finite number");
    says(tv.denoise(&[-1.0], 1e-6).unwrap_err().to_string(), "found -1");
    says(tv.denoise(&[0.1, 0.1], 1e-6).unwrap_err().to_string(), "found length 2; expected length 1");
    let settings = TvSettings { smoothing: -1.0, ..TvSettings::default() };
    says(tv.with_settings(settings).unwrap_err().to_string(), "setting `smoothing`: found -1");
    says(WeightMap::patches((2, 2), (3, 1)).unwrap_err().to_string(), "found 3x1");
}
