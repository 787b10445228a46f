//! Weights of total variation chosen without the truth.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bilevel::criterion::{Criterion, SupervisedError};
use bilevel::hypergradient::Selection;
use bilevel::inverse::{
    ActivityMap, ConjugateGradients, SpectralFilter, TotalVariation, TvDeblurring, TvDeblurringSettings,
    TvSure,
};
use bilevel::objective::tight;
use bilevel::operator::{Boundary, Convolution, Kernel, LinearOperator};
use bilevel::outer::{Objective, ScalarSearch, Unwatched};
use bilevel::parametrization::{Ridge, Weights};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

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

#[test]
fn the_risk_estimate_is_differentiated_through_both_solutions() {
    let (truth, noisy) = images(SHAPE, 0.15, 10);
    let tv = TotalVariation::new(SHAPE, &noisy).unwrap();
    let alpha = Weights::scalar(vec![1.0], Ridge::Fixed(0.0), 0.01_f64.ln(), 1.0_f64.ln());
    let mut sure = TvSure::new(tv, 0.15, 3, Box::new(alpha)).unwrap();
    let theta = 0.1_f64.ln();
    let mut value = |theta: f64| sure.evaluate(&[theta], tight(Selection::default())).unwrap();
    let (here, step) = (value(theta), 1e-5);
    let difference = (value(theta + step).value - value(theta - step).value) / (2.0 * step);
    assert!((here.gradient[0] - difference).abs() <= 1e-6 * difference.abs(), "{difference}");
    // The best weight by the estimate is nearly the best by the truth.
    let best = ScalarSearch::default().search(&mut sure, &[], &mut Unwatched).unwrap().outer.theta[0].exp();
    let error = |alpha: f64| {
        let image = TotalVariation::new(SHAPE, &noisy).unwrap().denoise(&[alpha], 1e-9).unwrap();
        SupervisedError::new(&truth).evaluate(&image.predictor).value
    };
    let lowest = (0..40).map(|k| error(0.02 * 1.08_f64.powi(k))).fold(f64::INFINITY, f64::min);
    assert!(error(best) < 1.2 * lowest, "{} {lowest}", error(best));
}

/// A u = 2u.
struct Double(usize);

impl LinearOperator for Double {
    fn n_rows(&self) -> usize {
        self.0
    }
    fn n_columns(&self) -> usize {
        self.0
    }
    fn apply_into(&self, x: &[f64], out: &mut [f64]) -> bilevel::Result<()> {
        out.iter_mut().zip(x).for_each(|(out, x)| *out = 2.0 * x);
        Ok(())
    }
    fn adjoint_into(&self, y: &[f64], out: &mut [f64]) -> bilevel::Result<()> {
        self.apply_into(y, out)
    }
}

#[test]
fn restoring_what_was_doubled_is_denoising_at_a_quarter_of_the_weight() {
    let (truth, noisy) = images(SHAPE, 0.15, 11);
    let operator = Double(noisy.len());
    let doubled: Vec<f64> = noisy.iter().map(|f| 2.0 * f).collect();
    // ½‖2u − 2f‖² + α TV = 4(½‖u − f‖² + α/4 TV).
    let exact = TotalVariation::new(SHAPE, &noisy).unwrap().denoise(&[0.1], 1e-12).unwrap();
    let direct = |rho: f64, b: &[f64], out: &mut [f64]| {
        out.iter_mut().zip(b).for_each(|(out, b)| *out = b / (4.0 + rho));
        Ok(())
    };
    let iterative = ConjugateGradients(&operator);
    let settings =
        TvDeblurringSettings { tolerance: 1e-7, max_iterations: 3000, ..TvDeblurringSettings::default() };
    let with_direct = TvDeblurring::new(SHAPE, &operator, &direct, &doubled).unwrap().with_settings(settings);
    let with_iterative =
        TvDeblurring::new(SHAPE, &operator, &iterative, &doubled).unwrap().with_settings(settings);
    for restored in [with_direct.restore(0.4, None).unwrap(), with_iterative.restore(0.4, None).unwrap()] {
        assert!(restored.residual <= 1e-7, "{}", restored.residual);
        assert!((restored.objective - 4.0 * exact.objective).abs() <= 1e-6 * exact.objective);
        for (a, b) in restored.image.iter().zip(&exact.coefficients) {
            assert!((a - b).abs() < 1e-4, "{a} {b}");
        }
    }
    let chosen = with_direct.choose(0.3, (0.01, 4.0), 0).unwrap();
    let error = |u: &[f64]| SupervisedError::new(&truth).evaluate(u).value;
    assert!(error(&chosen.restored.image) < 0.5 * error(&noisy), "alpha {}", chosen.alpha);
    assert!(with_direct.restore(-1.0, None).is_err() && with_direct.choose(0.0, (0.01, 4.0), 0).is_err());
}

/// A periodic blur, its measurements of a picture, and the picture.
fn blurred(side: usize) -> (Convolution<f64>, Vec<f64>, Vec<f64>) {
    let blur =
        Convolution::new(&[side, side], &Kernel::gaussian(1.0, 2).unwrap(), Boundary::Periodic).unwrap();
    let (truth, _) = images((side, side), 0.0, 0);
    let exact = blur.apply(&truth).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let mut measured = exact;
    for b in &mut measured {
        let z: f64 = StandardNormal.sample(&mut rng);
        *b += 0.01 * z;
    }
    (blur, measured, truth)
}

#[test]
fn deblurring_by_a_division_of_modes_is_deblurring_by_conjugate_gradients() {
    let (blur, measured, _) = blurred(16);
    let by_spectrum = SpectralFilter::new(&blur).unwrap();
    let by_gradients = ConjugateGradients(&blur);
    let settings = TvDeblurringSettings { tolerance: 1e-8, max_iterations: 3000, ..Default::default() };
    let first = TvDeblurring::new((16, 16), &blur, &by_spectrum, &measured).unwrap().with_settings(settings);
    let second =
        TvDeblurring::new((16, 16), &blur, &by_gradients, &measured).unwrap().with_settings(settings);
    let (first, second) = (first.restore(1e-3, None).unwrap(), second.restore(1e-3, None).unwrap());
    assert!((first.objective - second.objective).abs() <= 1e-6 * first.objective);
    let message = SpectralFilter::new(&FirstPixel(256)).err().unwrap().to_string();
    assert!(message.contains("expected one that a Fourier or cosine transform diagonalizes"), "{message}");
}

/// Sees the first pixel twice, and no other.
struct FirstPixel(usize);

impl LinearOperator for FirstPixel {
    fn n_rows(&self) -> usize {
        2
    }
    fn n_columns(&self) -> usize {
        self.0
    }
    fn apply_into(&self, x: &[f64], out: &mut [f64]) -> bilevel::Result<()> {
        out.copy_from_slice(&[x[0], x[0]]);
        Ok(())
    }
    fn adjoint_into(&self, y: &[f64], out: &mut [f64]) -> bilevel::Result<()> {
        out.fill(0.0);
        out[0] = y[0] + y[1];
        Ok(())
    }
}

#[test]
fn a_map_of_one_number_is_a_factor_of_the_weight() {
    let (blur, measured, _) = blurred(16);
    let solver = SpectralFilter::new(&blur).unwrap();
    let settings = TvDeblurringSettings { tolerance: 1e-7, max_iterations: 2000, ..Default::default() };
    let tv = || TvDeblurring::new((16, 16), &blur, &solver, &measured).unwrap().with_settings(settings);
    let (doubled, halves) = (tv().restore(2e-3, None).unwrap(), tv().with_map(vec![2.0; 256]).unwrap());
    let halves = halves.restore(1e-3, None).unwrap();
    assert!(doubled.image.iter().zip(&halves.image).all(|(a, b)| (a - b).abs() < 1e-4));
    assert!(tv().with_map(vec![0.0; 256]).err().unwrap().to_string().contains("found 0"));
}

#[test]
fn activity_lowers_the_weight_where_the_image_moves() {
    let (_, _, truth) = blurred(16);
    let map = ActivityMap { radius: 1, floor: 0.05, power: 1.0 };
    let weights = map.weights((16, 16), &truth).unwrap();
    // The middle of the disk is flat; its rim is a step of nearly 1.
    assert_eq!(weights[5 * 16 + 6], 1.0);
    assert!(weights[5 * 16 + 9] < 0.3, "{}", weights[5 * 16 + 9]);
    let none = ActivityMap { power: 0.0, ..map };
    assert!(none.weights((16, 16), &truth).unwrap().iter().all(|m| *m == 1.0));
    assert!(ActivityMap { floor: 0.0, ..map }.weights((16, 16), &truth).is_err());
}
