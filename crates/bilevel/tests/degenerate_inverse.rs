//! Degenerate input to operators and inverse problems: what must still hold, or which sentence must come.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bilevel::criterion::SupervisedError;
use bilevel::design::DenseMatrix;
use bilevel::hypergradient::BiactivePolicy;
use bilevel::inverse::choice::{Component, DiagonalProblem, ProbeSettings, ProbedSpectrum, Rule, choose};
use bilevel::inverse::krylov::{
    self, Freedom, HybridSettings, HybridSpace, TermsSettings, TikhonovTerms, hybrid,
};
use bilevel::inverse::problems;
use bilevel::inverse::tikhonov::StandardForm;
use bilevel::inverse::wavelet::{
    WaveletDenoising, WaveletRestoration, WeightPer, denoise_wavelet, estimate_noise,
};
use bilevel::lower::{Hyperparameters, LowerLevel, UpperGradient};
use bilevel::objective::{SplitObjective, tight};
use bilevel::operator::wavelet::{Extension, StationaryTransform, Wavelet, WaveletTransform};
use bilevel::operator::{
    Boundary, CellGrid, Convolution, Diagonal, Identity, Kernel, LinearOperator, Mask, ParallelBeam, Radon,
    Ray, Scaled, TravelTime,
};
use bilevel::outer::{Accuracy, Objective};
use bilevel::parametrization::{Ridge, Weights};
use bilevel::{Error, Result};

/// Refused, in a sentence that holds `words`.
#[track_caller]
fn assert_refused<T>(result: Result<T>, words: &str) {
    let Err(error) = result else { panic!("accepted; expected a sentence with `{words}`") };
    assert!(error.to_string().contains(words), "{error}");
}

/// All products are NaN.
struct NotANumber(usize);

impl LinearOperator for NotANumber {
    fn n_rows(&self) -> usize {
        self.0
    }
    fn n_columns(&self) -> usize {
        self.0
    }
    fn apply_into(&self, _: &[f64], out: &mut [f64]) -> Result<()> {
        out.fill(f64::NAN);
        Ok(())
    }
    fn adjoint_into(&self, _: &[f64], out: &mut [f64]) -> Result<()> {
        out.fill(f64::NAN);
        Ok(())
    }
}

#[test]
fn kernels_that_no_memory_holds_or_no_number_normalizes_are_refused() {
    assert_refused(Kernel::gaussian(1.0, 0), "one, two or three axes");
    assert_refused(Kernel::gaussian(1.0, usize::MAX), "one, two or three axes");
    assert_refused(Kernel::gaussian(1e5, 2), "setting `sigma`");
    assert_refused(Kernel::disk(1e5), "setting `radius`");
    assert_refused(Kernel::motion(1e5, 45.0), "setting `length`");
    let cancelling = Kernel::from_samples(&[3], vec![1.0, -1.0, 1e-320]).unwrap();
    assert_refused(cancelling.normalized(), "sum of a convolution kernel");
    assert_refused(Kernel::from_samples(&[2], vec![1.0, -1.0]).unwrap().normalized(), "found 0");
}

#[test]
fn numbers_that_single_precision_cannot_hold_are_refused_instead_of_becoming_nan() {
    let kernel = Kernel::from_samples(&[1], vec![1e300]).unwrap();
    assert_refused(Convolution::<f32>::new(&[4], &kernel, Boundary::Zero), "f32");
    assert_refused(Scaled::new(1e300, Identity::<f32>::new(1)), "f32");
    assert_eq!(Scaled::new(1e300, Identity::<f64>::new(1)).unwrap().apply(&[2.0]).unwrap(), [2e300]);
}

#[test]
fn scans_and_rays_of_sizes_that_overflow_are_refused() {
    let scan = ParallelBeam::half_turn(3, 3, 4);
    assert_refused(Radon::new(&ParallelBeam { height: usize::MAX, ..scan.clone() }), "setting `scan`");
    assert_refused(Radon::new(&ParallelBeam { detectors: usize::MAX, ..scan.clone() }), "setting `scan`");
    for (spacing, pixel) in [(1e200, 1e-200), (1e-200, 1e200)] {
        assert_refused(Radon::new(&ParallelBeam { spacing, pixel, ..scan.clone() }), "setting `spacing`");
    }
    let long = Ray { source: [-1e308, 0.5], receiver: [1e308, 0.5] };
    assert_refused(TravelTime::new(&CellGrid::unit(2, 2), &[long]), "ray 0");
}

#[test]
fn wavelet_transforms_of_shapes_that_overflow_are_refused() {
    let side = u32::MAX as usize;
    assert_refused(WaveletTransform::image(Wavelet::haar(), [side; 2], 1, Extension::Periodic), "2^48");
    assert_refused(StationaryTransform::image(Wavelet::haar(), [side; 2], 1), "2^48");
    let many =
        WaveletTransform::signal(Wavelet::haar(), 8, 1, Extension::Periodic).unwrap().planes(usize::MAX);
    assert_refused(LinearOperator::<f64>::apply(&many, &[]), "length 0");
}

#[test]
fn a_weight_of_infinity_leaves_what_the_penalty_does_not_see() {
    let a = DenseMatrix::new(2, 2, vec![1.0, 0.0, 0.0, 1.0]).unwrap();
    let l = DenseMatrix::new(1, 2, vec![-1.0, 1.0]).unwrap();
    let form = StandardForm::new(&a, &[1.0, 5.0], Some(&l)).unwrap();
    for x in form.solve(f64::INFINITY).unwrap() {
        approx::assert_relative_eq!(x, 3.0, max_relative = 1e-14);
    }
    assert_refused(form.solve(f64::NAN), "setting `lambda`");
    assert_refused(form.solve(-1.0), "setting `lambda`");
}

#[test]
fn rules_refuse_problems_without_a_scale_without_vectors_or_with_too_many_components() {
    let component = |gain, penalty| Component { gain, penalty, energy: 1.0, multiplicity: 1.0, norm: 1.0 };
    assert_refused(DiagonalProblem::new([component(1.0, 1e-320)], 0.0, 1), "comparable scale");
    assert_refused(DiagonalProblem::new([component(1e-300, 1e100)], 0.0, 1), "comparable scale");
    let two = [component(1.0, 1.0), component(0.5, 1.0)];
    assert_refused(DiagonalProblem::new(two, 0.0, 1), "at most 1");
    let problem = DiagonalProblem::new(two, 0.0, 2).unwrap();
    assert_refused(choose(&problem, &Rule::Oracle { truth: Vec::new() }), "does not give x");
    assert_refused(choose(&problem, &Rule::Oracle { truth: vec![f64::NAN] }), "true x, entry 1");
}

#[test]
fn the_noise_level_of_a_choice_stays_a_number_where_nothing_is_smoothed() {
    // At the smallest λ n − df is below the rounding of n: summed from 1 − f it is not.
    let problem = problems::deriv2(16).unwrap();
    let rule = Rule::Discrepancy { sigma: 1e-12, safety: 1.0 };
    let choice = choose(&StandardForm::new(&problem.a, &problem.b, None).unwrap(), &rule).unwrap();
    assert!(choice.sigma.is_finite() && choice.sigma < 1.0, "{}", choice.sigma);
}

#[test]
fn one_probe_has_no_standard_error_and_lambda_must_be_positive() {
    let settings = ProbeSettings { probes: 1, ..ProbeSettings::default() };
    let spectrum = ProbedSpectrum::new(&Diagonal::new(vec![0.0, 1.0]).unwrap(), settings).unwrap();
    assert_eq!(spectrum.degrees_of_freedom(1.0).unwrap().standard_error, f64::INFINITY);
    for lambda in [0.0, f64::NAN, -2.0, f64::INFINITY] {
        assert_refused(spectrum.degrees_of_freedom(lambda), "setting `lambda`");
        assert_refused(spectrum.log_determinant(lambda), "setting `lambda`");
    }
    assert!(ProbedSpectrum::new(&NotANumber(3), settings).and_then(|s| s.degrees_of_freedom(1.0)).is_err());
}

#[test]
fn test_problems_of_absurd_sizes_are_refused_and_short_noise_is_filled_up() {
    for make in [problems::shaw, problems::gravity, problems::deriv2, problems::wing] {
        assert_refused(make(usize::MAX), "setting `n`");
    }
    assert_refused(problems::derivative(1, usize::MAX), "setting `n`");
    assert_refused(problems::blur(4, 0), "setting `band`");
    let problem = problems::shaw(8).unwrap();
    assert_eq!(problem.with_direction(0.1, &[1.0]).b[1..], problem.b[1..]);
}

#[test]
fn hybrid_methods_meet_operators_that_see_nothing_and_data_that_are_zero() {
    let see = |factor| Scaled::new(factor, Identity::new(3)).unwrap();
    let rules = [
        krylov::Rule::Fixed(0.1),
        krylov::Rule::Gcv(Freedom::Projected),
        krylov::Rule::Gcv(Freedom::default()),
        krylov::Rule::Discrepancy { noise: 0.1, safety: 1.0 },
        krylov::Rule::HoldOut(vec![0]),
        krylov::Rule::LCurve,
    ];
    for rule in &rules {
        for (operator, b) in [(see(0.0), [1.0, 2.0, 3.0]), (see(1.0), [0.0; 3])] {
            let fit = hybrid(&operator, &b, rule, &HybridSettings::default()).unwrap();
            assert_eq!(fit.x, [0.0; 3], "{rule:?}");
            assert!(
                fit.lambda > 0.0 && !fit.criterion.is_nan() && fit.error_bound == 0.0,
                "{rule:?}: {fit:?}"
            );
        }
        assert!(hybrid(&NotANumber(3), &[1.0, 2.0, 3.0], rule, &HybridSettings::default()).is_err());
    }
    for rule in &rules[1..] {
        let fit = |factor| hybrid(&see(factor), &[1.0, 2.0, 3.0], rule, &HybridSettings::default());
        assert_refused(fit(1e-160), "rescale the operator");
        assert_refused(fit(1e200), "finite products");
    }
    for rule in &rules {
        let fit = |b: [f64; 3]| hybrid(&see(1.0), &b, rule, &HybridSettings::default());
        assert_refused(fit([1.0, 1e200, 3.0]), "rescale the problem");
        assert_refused(fit([f64::NAN, 2.0, 3.0]), "entry 0 of the right-hand side");
    }
    let settings = HybridSettings { unpenalized: 3, ..HybridSettings::default() };
    assert_refused(HybridSpace::new(&see(1.0), &[1.0; 3], rules[1].clone(), settings), "unpenalized");
}

#[test]
fn a_warm_start_that_is_good_enough_is_not_called_exact() {
    let (a, l) = (Diagonal::new(vec![1.0, 0.5]).unwrap(), Identity::new(2));
    let terms = |settings| TikhonovTerms::new(&a, &[2.0, 2.5], vec![&l], settings);
    let exact = [1.0, 1.0];
    let near = [1.0 + 1e-9, 1.0 - 1e-9];
    let solution = terms(TermsSettings::default()).unwrap().solve(&[1.0], Some(&near)).unwrap();
    let error = solution.x.iter().zip(&exact).map(|(x, e)| (x - e).powi(2)).sum::<f64>().sqrt();
    assert_eq!(solution.products, 1);
    assert!(error > 1e-10 && solution.error_bound >= error, "{error:e} {:e}", solution.error_bound);
    // Nothing was seen of H: nothing is known.
    let blind = TermsSettings { max_products: 0, ..TermsSettings::default() };
    let solution = terms(blind).unwrap().solve(&[1.0], None).unwrap();
    assert!(!solution.converged && solution.error_bound == f64::INFINITY);
    let adjoint = terms(blind).unwrap().adjoint(&[1.0], &solution, &exact, 1.0, None).unwrap();
    assert_eq!(adjoint.error_bound, f64::INFINITY);
    let adjoint = terms(blind).unwrap().adjoint(&[1.0], &solution, &exact, f64::NAN, None);
    assert_refused(adjoint, "setting `lipschitz`");
    for tolerance in [f64::NAN, -1.0, f64::INFINITY] {
        assert_refused(terms(TermsSettings { tolerance, ..TermsSettings::default() }), "tolerance");
    }
    for bad in [0.0, -1.0, f64::NAN] {
        let settings = TermsSettings { smallest_eigenvalue: Some(bad), ..TermsSettings::default() };
        assert_refused(terms(settings), "smallest_eigenvalue");
    }
    let failing = NotANumber(2);
    let problem = TikhonovTerms::new(&l, &[1.0, 2.0], vec![&failing], TermsSettings::default()).unwrap();
    assert!(matches!(problem.solve(&[1.0], None), Err(Error::AdjointSolve { .. })));
}

fn haar(length: usize) -> WaveletTransform {
    WaveletTransform::signal(Wavelet::haar(), length, 1, Extension::Periodic).unwrap()
}

#[test]
fn restoration_with_an_operator_that_sees_nothing_shrinks_to_zero() {
    let blind = || Scaled::new(0.0, Identity::new(4)).unwrap();
    for (lambda, ridge) in [(0.1, 0.0), (f64::INFINITY, 100.0), (f64::INFINITY, 1e308), (1e308, 0.0)] {
        let problem =
            WaveletRestoration::new(blind(), haar(4), &[1.0, 2.0, 3.0, 5.0], WeightPer::Image).unwrap();
        let at = Hyperparameters { lambda: vec![lambda], ridge };
        assert_eq!(problem.solve(&at, None, Accuracy::TIGHT).unwrap().predictor, [0.0; 4]);
    }
    let nothing = Mask::keeping(4, vec![]).unwrap();
    let problem = WaveletRestoration::new(nothing, haar(4), &[], WeightPer::Image).unwrap();
    let at = Hyperparameters { lambda: vec![0.1], ridge: 0.0 };
    assert_eq!(problem.solve(&at, None, Accuracy::TIGHT).unwrap().predictor, [0.0; 4]);
}

#[test]
fn restoration_refuses_operators_that_are_no_numbers_and_solutions_that_were_not_solved_for() {
    let data = [1.0, 2.0, 3.0, 5.0];
    let with = |operator: Box<dyn LinearOperator>| {
        WaveletRestoration::new(operator, haar(4), &data, WeightPer::Image)
    };
    assert_refused(with(Box::new(NotANumber(4))), "operator of a restoration");
    assert_refused(
        with(Box::new(Scaled::new(1e170, Identity::new(4)).unwrap())),
        "operator of a restoration",
    );
    assert_refused(WaveletRestoration::denoising(haar(4).planes(0), &[], WeightPer::Image), "no planes");
    let problem = WaveletRestoration::denoising(haar(4), &data, WeightPer::Image).unwrap();
    let started = problem.start_from(vec![0.0; 4], 0.0);
    let upper = UpperGradient { predictor: &[1.0; 4], curvature: &[1.0; 4], warm_start: &[] };
    let at = Hyperparameters { lambda: vec![0.1], ridge: 0.0 };
    let adjoint = problem.adjoint(&at, &started, &upper, BiactivePolicy::Null.into(), Accuracy::TIGHT);
    assert_refused(adjoint, "solved for");
}

#[test]
fn a_truth_of_another_length_is_refused_by_the_objective() {
    for truth in [&[1.0, 2.0][..], &[1.0, 2.0, 3.0, 4.0, 5.0]] {
        let lower = WaveletRestoration::denoising(haar(4), &[0.0, 4.0, 1.0, 2.0], WeightPer::Image).unwrap();
        let weights = Weights::scalar(vec![1.0], Ridge::Fixed(0.0), -9.0, 9.0);
        let mut objective =
            SplitObjective::new(vec![(lower, SupervisedError::new(truth))], Box::new(weights));
        assert_refused(objective.evaluate(&[0.0], tight(BiactivePolicy::Null)), "expected length 4");
    }
}

#[test]
fn a_column_is_denoised_as_the_signal_that_it_is() {
    let noisy: Vec<f64> = (0..64).map(|i| f64::from(i / 32) + 0.1 * f64::from(i * i % 7)).collect();
    let settings = WaveletDenoising::default();
    let row = denoise_wavelet(&noisy, [1, 64], &settings).unwrap();
    assert!(row.noise[0] > 0.0);
    assert_eq!(denoise_wavelet(&noisy, [64, 1], &settings).unwrap(), row);
    assert_eq!(estimate_noise(&noisy, [64, 1]).unwrap(), row.noise[0]);
}

#[test]
fn images_without_numbers_or_with_squares_that_overflow_are_refused() {
    let settings = WaveletDenoising::default();
    assert_refused(denoise_wavelet(&[1.0], [usize::MAX, 2], &settings), "image to denoise");
    for bad in [f64::NAN, f64::INFINITY, 1e200] {
        let mut image = vec![1.0; 16];
        image[6] = bad;
        assert_refused(denoise_wavelet(&image, [4, 4], &settings), "row 2, column 3");
        assert_refused(estimate_noise(&image, [4, 4]), "row 2, column 3");
    }
    for noise in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300] {
        let settings = WaveletDenoising { noise: Some(noise), ..settings.clone() };
        assert_refused(denoise_wavelet(&[1.0; 16], [4, 4], &settings), "setting `noise`");
    }
    assert_refused(estimate_noise(&[1.0; 5], [4, 4]), "length 16");
    let flat = denoise_wavelet(&[0.25; 64], [8, 8], &settings).unwrap();
    assert!(flat.image.iter().all(|x| (x - 0.25).abs() < 1e-12));
}
