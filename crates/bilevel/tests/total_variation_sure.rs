//! Weights of total variation chosen without the truth.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bilevel::criterion::{Criterion, SupervisedError};
use bilevel::hypergradient::Selection;
use bilevel::inverse::{
    ActivityMap, ConjugateGradients, SpectralFilter, TotalVariation, TvDeblurring, TvDeblurringSettings,
    TvSure, WeightMap,
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
    let with_direct =
        TvDeblurring::new(SHAPE, &operator, &direct, &doubled).unwrap().with_settings(settings).unwrap();
    let with_iterative =
        TvDeblurring::new(SHAPE, &operator, &iterative, &doubled).unwrap().with_settings(settings).unwrap();
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
    let first =
        TvDeblurring::new((16, 16), &blur, &by_spectrum, &measured).unwrap().with_settings(settings).unwrap();
    let second = TvDeblurring::new((16, 16), &blur, &by_gradients, &measured)
        .unwrap()
        .with_settings(settings)
        .unwrap();
    let (first, second) = (first.restore(1e-3, None).unwrap(), second.restore(1e-3, None).unwrap());
    assert!((first.objective - second.objective).abs() <= 1e-6 * first.objective);
    let message = SpectralFilter::new(&FirstPixel(256)).err().unwrap().to_string();
    assert!(message.contains("expected one that a Fourier or cosine transform diagonalizes"), "{message}");
}

#[test]
fn the_split_at_the_gradient_ends_where_the_split_of_terms_ends_in_either_basis() {
    for boundary in [Boundary::Periodic, Boundary::Reflective] {
        let blur = Convolution::new(&[9, 14], &Kernel::gaussian(0.8, 2).unwrap(), boundary).unwrap();
        let (_, noisy) = images((9, 14), 0.05, 7);
        let measured = blur.apply(&noisy).unwrap();
        let settings = TvDeblurringSettings { tolerance: 1e-9, max_iterations: 5000, ..Default::default() };
        let map: Vec<f64> = (0..126).map(|i| 1.0 + 0.5 * f64::from(i % 5)).collect();
        let (filter, gradients) = (SpectralFilter::new(&blur).unwrap(), ConjugateGradients(&blur));
        let at_gradient = TvDeblurring::new((9, 14), &blur, &filter, &measured).unwrap();
        let of_terms = TvDeblurring::new((9, 14), &blur, &gradients, &measured).unwrap();
        let at_gradient = at_gradient.with_settings(settings).unwrap().with_map(map.clone()).unwrap();
        let of_terms = of_terms.with_settings(settings).unwrap().with_map(map).unwrap();
        let (first, second) =
            (at_gradient.restore(0.01, None).unwrap(), of_terms.restore(0.01, None).unwrap());
        assert!((first.objective - second.objective).abs() <= 1e-6 * first.objective, "{boundary:?}");
        assert!(first.image.iter().zip(&second.image).all(|(a, b)| (a - b).abs() < 1e-3), "{boundary:?}");
        // From its own end, at another weight and back, nothing changes.
        let elsewhere = at_gradient.restore(0.03, Some(&first)).unwrap();
        let again = at_gradient.restore(0.01, Some(&elsewhere)).unwrap();
        assert!((first.objective - again.objective).abs() <= 1e-6 * first.objective);
    }
}

/// A row of a sparse matrix.
type Line = Vec<(usize, f64)>;

/// First and second differences of a pixel that do not look across the edge: (x, y), (xx, yy, √2 xy).
fn stencils((rows, cols): (usize, usize), i: usize) -> [Vec<Line>; 2] {
    let (r, c) = (i / cols, i % cols);
    let (right, down) = (c + 1 < cols, r + 1 < rows);
    let at = |is: bool, entries: Line| if is { entries } else { Vec::new() };
    let root = 2.0_f64.sqrt();
    let first = vec![at(right, vec![(i, -1.0), (i + 1, 1.0)]), at(down, vec![(i, -1.0), (i + cols, 1.0)])];
    let mixed = vec![(i, root), (i + 1, -root), (i + cols, -root), (i + cols + 1, root)];
    let second = vec![
        at(right && c > 0, vec![(i.wrapping_sub(1), 1.0), (i, -2.0), (i + 1, 1.0)]),
        at(down && r > 0, vec![(i.wrapping_sub(cols), 1.0), (i, -2.0), (i + cols, 1.0)]),
        at(right && down, mixed),
    ];
    [first, second]
}

/// The smallest ½‖Au − f‖² + Σ α|Du| + β|D²u| and where, by Chambolle and Pock's method with the proximal map of the data term by brute force.
fn by_primal_dual(
    shape: (usize, usize),
    blur: &Convolution<f64>,
    measured: &[f64],
    weights: [f64; 2],
) -> (f64, Vec<f64>) {
    let n = measured.len();
    let groups: Vec<(f64, Vec<Line>)> =
        (0..n).flat_map(|i| weights.into_iter().zip(stencils(shape, i))).collect();
    let value = |entries: &[(usize, f64)], u: &[f64]| entries.iter().map(|&(j, v)| v * u[j]).sum::<f64>();
    let step = 0.08;
    let (mut u, mut ahead) = (measured.to_vec(), measured.to_vec());
    let mut duals: Vec<Vec<f64>> = groups.iter().map(|(_, lines)| vec![0.0; lines.len()]).collect();
    let back = blur.adjoint(measured).unwrap();
    for _ in 0..20_000 {
        let mut slope: Vec<f64> = blur.adjoint(&blur.apply(&u).unwrap()).unwrap();
        slope.iter_mut().zip(&back).for_each(|(s, b)| *s -= b);
        for ((weight, lines), p) in groups.iter().zip(&mut duals) {
            p.iter_mut().zip(lines).for_each(|(p, line)| *p += step * value(line, &ahead));
            let length = p.iter().map(|p| p * p).sum::<f64>().sqrt();
            p.iter_mut().for_each(|p| *p *= (weight / length).min(1.0));
            for (p, line) in p.iter().zip(lines) {
                line.iter().for_each(|&(j, v)| slope[j] += v * p);
            }
        }
        let next: Vec<f64> = u.iter().zip(&slope).map(|(u, s)| u - 0.1 * s).collect();
        ahead = next.iter().zip(&u).map(|(next, u)| 2.0 * next - u).collect();
        u = next;
    }
    let penalty = |(weight, lines): &(f64, Vec<Line>)| {
        weight * lines.iter().map(|line| value(line, &u).powi(2)).sum::<f64>().sqrt()
    };
    let misfit: f64 =
        blur.apply(&u).unwrap().iter().zip(measured).map(|(a, f)| 0.5 * (a - f) * (a - f)).sum();
    (misfit + groups.iter().map(penalty).sum::<f64>(), u)
}

#[test]
fn second_differences_are_those_of_a_primal_dual_method() {
    for boundary in [Boundary::Periodic, Boundary::Reflective] {
        let shape = (7, 9);
        let blur = Convolution::new(&[7, 9], &Kernel::gaussian(0.6, 2).unwrap(), boundary).unwrap();
        let (_, noisy) = images(shape, 0.05, 8);
        let measured = blur.apply(&noisy).unwrap();
        let filter = SpectralFilter::new(&blur).unwrap();
        let settings = TvDeblurringSettings { tolerance: 1e-10, max_iterations: 5000, ..Default::default() };
        let tv =
            TvDeblurring::new(shape, &blur, &filter, &measured).unwrap().with_settings(settings).unwrap();
        let restored = tv.with_second_differences(0.5).unwrap().restore(0.02, None).unwrap();
        let (lowest, image) = by_primal_dual(shape, &blur, &measured, [0.02, 0.01]);
        assert!((restored.objective - lowest).abs() <= 1e-6 * lowest, "{} {lowest}", restored.objective);
        assert!(restored.image.iter().zip(&image).all(|(a, b)| (a - b).abs() < 1e-3), "{boundary:?}");
    }
}

#[test]
fn settings_of_deblurring_that_cannot_be_get_a_sentence() {
    let (blur, measured, _) = blurred(16);
    let (filter, gradients) = (SpectralFilter::new(&blur).unwrap(), ConjugateGradients(&blur));
    let tv = || TvDeblurring::new((16, 16), &blur, &filter, &measured).unwrap();
    for tolerance in [-1.0, 0.0, f64::NAN, f64::INFINITY] {
        let message = tv().with_settings(TvDeblurringSettings { tolerance, ..Default::default() });
        let message = message.err().unwrap().to_string();
        assert!(message.contains("setting `tolerance`: found"), "{message}");
    }
    let none = tv().with_settings(TvDeblurringSettings { max_iterations: 0, ..Default::default() });
    assert!(
        none.err().unwrap().to_string().contains("setting `max_iterations`: found 0; expected at least 1")
    );
    for kappa in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(tv().with_second_differences(kappa).err().unwrap().to_string().contains("`kappa`"));
    }
    let other = TvDeblurring::new((16, 16), &blur, &gradients, &measured).unwrap();
    assert!(other.with_second_differences(0.1).err().unwrap().to_string().contains("by a transform"));
    let nonnegative = TvDeblurringSettings { non_negative: true, ..Default::default() };
    assert!(tv().with_second_differences(0.1).unwrap().with_settings(nonnegative).is_err());
    for alpha in [f64::NAN, 0.0, -1.0, f64::INFINITY] {
        assert!(tv().restore(alpha, None).is_err());
    }
    // Weights whose squares are no numbers are weights all the same.
    for alpha in [1e-300, 1e300] {
        let image = tv().restore(alpha, None).unwrap().image;
        assert!(image.iter().all(|u| u.is_finite()), "{alpha}");
    }
    let pixels = [0.0, 1.0, 0.5, 2.0];
    let denoised = TotalVariation::new((2, 2), &pixels).unwrap().denoise(&[1e-300], 1e-6).unwrap();
    assert!(denoised.coefficients.iter().zip(pixels).all(|(u, f)| (u - f).abs() < 1e-12));
}

#[test]
fn a_map_of_absurd_size_gets_a_sentence() {
    let largest = usize::MAX;
    assert!(WeightMap::scalar((largest, 2)).err().unwrap().to_string().contains("at most 2^30 pixels"));
    assert!(WeightMap::scalar((0, 3)).is_err());
    assert!(WeightMap::patches((largest, largest), (largest, 2)).is_err());
    assert!(WeightMap::bilinear((1 << 20, 1 << 20), (1 << 20, 1 << 20)).is_err());
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
    let tv =
        || TvDeblurring::new((16, 16), &blur, &solver, &measured).unwrap().with_settings(settings).unwrap();
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
