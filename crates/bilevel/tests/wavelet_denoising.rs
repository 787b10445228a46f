//! Denoising by SURE: the estimates are unbiased, neighbours help, and nothing of the truth is used.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bilevel::inverse::wavelet::{
    Redundancy, Rule, Shrinkage, WaveletDenoising, denoise_wavelet, estimate_noise,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

const SIDE: usize = 128;
const SIGMA: f64 = 0.1;

/// A disk, a bar and a ramp.
fn scene() -> Vec<f64> {
    let pixel = |i: usize| {
        let (r, c) = ((i / SIDE) as f64, (i % SIDE) as f64);
        let disk = if (r - 40.0).hypot(c - 50.0) < 25.0 { 0.6 } else { 0.0 };
        let bar = if (80.0..92.0).contains(&r) { 0.4 } else { 0.0 };
        disk + bar + 0.3 * (c / 20.0).sin()
    };
    (0..SIDE * SIDE).map(pixel).collect()
}

fn noisy(clean: &[f64], sigma: f64, seed: u64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
    clean.iter().map(|x| x + sigma * normal()).collect()
}

fn mean_square(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>() / a.len() as f64
}

fn settings(redundancy: Redundancy, shrinkage: Shrinkage) -> WaveletDenoising {
    WaveletDenoising { noise: Some(SIGMA), redundancy, shrinkage, ..Default::default() }
}

#[test]
fn the_estimated_risk_is_a_little_optimistic_in_an_orthogonal_basis() {
    let clean = scene();
    for shrinkage in [Shrinkage::Subband, Shrinkage::Neighbourhood] {
        let errors: Vec<f64> = (0..60)
            .map(|seed| {
                let b = noisy(&clean, SIGMA, seed);
                let found =
                    denoise_wavelet(&b, [SIDE, SIDE], &settings(Redundancy::Orthogonal, shrinkage)).unwrap();
                found.mean_squared_error / mean_square(&found.image, &clean) - 1.0
            })
            .collect();
        let mean = errors.iter().sum::<f64>() / errors.len() as f64;
        // SURE is unbiased for a fixed rule (a unit test of the library); its minimum over rules, of which a sparse scene has many, is not.
        assert!((-0.15..0.01).contains(&mean), "{shrinkage:?}: {mean}");
    }
}

#[test]
fn the_risk_in_the_frame_bounds_the_error_of_the_image() {
    let clean = scene();
    for shrinkage in [Shrinkage::Subband, Shrinkage::Neighbourhood] {
        let b = noisy(&clean, SIGMA, 3);
        let found = denoise_wavelet(&b, [SIDE, SIDE], &settings(Redundancy::Undecimated, shrinkage)).unwrap();
        let error = mean_square(&found.image, &clean);
        assert!(error < found.mean_squared_error && found.mean_squared_error < 2.0 * error, "{shrinkage:?}");
    }
}

#[test]
fn neighbours_beat_one_threshold_for_a_subband_by_more_than_a_fifth_of_a_decibel() {
    let clean = scene();
    let decibels = |redundancy, shrinkage| {
        let b = noisy(&clean, SIGMA, 7);
        let found = denoise_wavelet(&b, [SIDE, SIDE], &settings(redundancy, shrinkage)).unwrap();
        -10.0 * mean_square(&found.image, &clean).log10()
    };
    for redundancy in [Redundancy::Orthogonal, Redundancy::Undecimated] {
        let gain = decibels(redundancy, Shrinkage::Neighbourhood) - decibels(redundancy, Shrinkage::Subband);
        assert!(gain > 0.2, "{redundancy:?}: {gain}");
    }
}

#[test]
fn the_threshold_is_the_best_of_all_for_sure() {
    let b = noisy(&scene(), SIGMA, 5);
    let found =
        denoise_wavelet(&b, [SIDE, SIDE], &settings(Redundancy::Orthogonal, Shrinkage::Subband)).unwrap();
    let transform = bilevel::operator::wavelet::WaveletTransform::image(
        "haar".parse().unwrap(),
        [SIDE, SIDE],
        4,
        bilevel::operator::wavelet::Extension::Periodic,
    )
    .unwrap();
    let w = bilevel::operator::LinearOperator::apply(&transform, &b).unwrap();
    for choice in &found.choices {
        let Rule::Soft { threshold } = choice.rule else { continue };
        let w = &w[choice.subband.range.clone()];
        let variance = SIGMA * SIGMA;
        let sure = |t: f64| -> f64 {
            let of = |w: &f64| if w.abs() <= t { w * w - variance } else { t * t + variance };
            w.iter().map(of).sum()
        };
        approx::assert_relative_eq!(sure(threshold), choice.risk, max_relative = 1e-9, epsilon = 1e-12);
        assert!((0..400).all(|k| sure(f64::from(k) * 2e-3) >= choice.risk - 1e-12));
    }
}

#[test]
fn noise_is_estimated_within_a_few_per_cent_and_used_where_none_is_given() {
    let clean = scene();
    for sigma in [0.05, 0.2] {
        let b = noisy(&clean, sigma, 11);
        let estimate = estimate_noise(&b, [SIDE, SIDE]).unwrap();
        assert!((estimate / sigma - 1.0).abs() < 0.05, "{estimate}");
        let found = denoise_wavelet(&b, [SIDE, SIDE], &WaveletDenoising::default()).unwrap();
        assert_eq!(found.noise, [estimate]);
    }
}

#[test]
fn colours_are_denoised_plane_by_plane_and_small_or_thin_images_too() {
    let b = noisy(&scene(), SIGMA, 13);
    let both = [b.clone(), b.iter().map(|x| x + 1.0).collect()].concat();
    let settings = WaveletDenoising { noise: Some(SIGMA), ..Default::default() };
    let one = denoise_wavelet(&b, [SIDE, SIDE], &settings).unwrap();
    let two = denoise_wavelet(&both, [SIDE, SIDE], &settings).unwrap();
    let shifted: Vec<f64> = one.image.iter().map(|x| x + 1.0).collect();
    assert!(mean_square(&two.image[b.len()..], &shifted) < 1e-20);
    for shape in [[1, 1], [1, 7], [7, 1], [3, 5], [1, 200], [2, 300]] {
        for redundancy in [Redundancy::Orthogonal, Redundancy::Undecimated] {
            for wavelet in ["haar", "db2", "sym8"] {
                let settings = WaveletDenoising { wavelet: wavelet.parse().unwrap(), redundancy, ..settings };
                let found = denoise_wavelet(&b[..shape[0] * shape[1]], shape, &settings).unwrap();
                assert!(found.image.iter().all(|x| x.is_finite()), "{shape:?} {redundancy:?} {wavelet}");
            }
        }
    }
}

#[test]
fn what_cannot_be_denoised_is_one_sentence() {
    let message = |image: &[f64], settings: &WaveletDenoising| {
        denoise_wavelet(image, [2, 2], settings).unwrap_err().to_string()
    };
    let defaults = WaveletDenoising::default();
    assert_eq!(
        message(&[1.0, 2.0, 3.0], &defaults),
        "image to denoise: found 3 values; expected a multiple of 2 x 2, at least one plane"
    );
    let found = message(&[1.0, 2.0, 3.0, f64::NAN], &defaults);
    assert_eq!(found, "image to denoise, plane 1, row 2, column 2: found NaN; expected a finite number");
    let found = message(&[0.0; 4], &WaveletDenoising { noise: Some(0.0), ..defaults });
    assert_eq!(found, "setting `noise`: found 0; expected a standard deviation above 0 and up to 1e150");
}
