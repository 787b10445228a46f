//! Wavelet transforms: the coefficients of PyWavelets, true adjoints, inverses, tight frames.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bilevel::operator::wavelet::{Extension, StationaryTransform, WaveletTransform};
use bilevel::operator::{LinearOperator, dot_test};
use serde_json::Value;

const EXTENSIONS: [Extension; 2] = [Extension::Periodic, Extension::Symmetric];

/// The samples of `data/wavelets/make.py`.
fn samples(n: usize) -> Vec<f64> {
    (0..n).map(|i| ((37 * i * i + 11 * i + 5) % 101) as f64 / 64.0).collect()
}

fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

fn names() -> impl Iterator<Item = String> {
    let families = [("db", 1..=20), ("sym", 2..=20), ("coif", 1..=5)];
    families.into_iter().flat_map(|(family, orders)| orders.map(move |n| format!("{family}{n}")))
}

fn transform_of(case: &Value) -> WaveletTransform {
    let wavelet = case["wavelet"].as_str().unwrap().parse().unwrap();
    let extension = if case["extension"] == "periodic" { Extension::Periodic } else { Extension::Symmetric };
    let shape: Vec<usize> = serde_json::from_value(case["shape"].clone()).unwrap();
    let levels = usize::try_from(case["levels"].as_u64().unwrap()).unwrap();
    match shape[..] {
        [length] => WaveletTransform::signal(wavelet, length, levels, extension).unwrap(),
        [rows, columns] => WaveletTransform::image(wavelet, [rows, columns], levels, extension).unwrap(),
        _ => unreachable!("signals and images only"),
    }
}

#[test]
fn coefficients_are_those_of_pywavelets() {
    let cases: Vec<Value> =
        serde_json::from_str(include_str!("../../../data/wavelets/pywavelets.json")).unwrap();
    assert_eq!(cases.len(), 2 * (44 + 5 + 3));
    for case in &cases {
        let transform = transform_of(case);
        let expected: Vec<f64> = serde_json::from_value(case["coefficients"].clone()).unwrap();
        let found = transform.apply(&samples(transform.n_samples())).unwrap();
        let difference = largest_difference(&found, &expected);
        assert!(difference < 1e-12, "{} {}: {difference:.1e}", case["wavelet"], case["extension"]);
    }
}

#[test]
fn every_wavelet_has_true_adjoints_and_an_inverse_with_both_extensions() {
    for name in names() {
        for extension in EXTENSIONS {
            // Odd lengths, and filters longer than the signal.
            for (length, levels) in [(64, 3), (37, 3), (5, 2), (1, 1)] {
                let transform =
                    WaveletTransform::signal(name.parse().unwrap(), length, levels, extension).unwrap();
                let synthesis = transform.synthesis();
                let about = format!("{name} {extension:?} {length}");
                assert!(dot_test::<f64>(&transform, 1).unwrap() < 1e-14, "{about}");
                assert!(dot_test::<f64>(&synthesis, 2).unwrap() < 1e-14, "{about}");
                let x = samples(length);
                let back = synthesis.apply(&transform.apply(&x).unwrap()).unwrap();
                // The published digits of some symlets are orthogonal to 1e-11 only.
                assert!(largest_difference(&back, &x) < 2e-10, "{about}");
            }
        }
    }
}

#[test]
fn images_of_any_shape_with_planes_have_true_adjoints_and_inverses() {
    for name in ["haar", "db2", "db4", "sym8", "coif1"] {
        for extension in EXTENSIONS {
            for (shape, levels) in [([16, 24], 3), ([17, 5], 2), ([1, 9], 2), ([9, 1], 3), ([300, 290], 4)] {
                let image = WaveletTransform::image(name.parse().unwrap(), shape, levels, extension);
                let transform = image.unwrap().planes(3);
                assert!(dot_test::<f64>(&transform, 3).unwrap() < 1e-14);
                assert!(dot_test::<f64>(&transform.synthesis(), 4).unwrap() < 1e-14);
                let x = samples(transform.n_samples());
                let back = transform.synthesis().apply(&transform.apply(&x).unwrap()).unwrap();
                assert!(largest_difference(&back, &x) < 1e-10, "{name} {extension:?} {shape:?}");
            }
        }
    }
}

#[test]
fn the_symmetric_inverse_is_not_the_adjoint_and_the_periodic_one_is() {
    let c: Vec<f64> = samples(400);
    for (extension, equal) in [(Extension::Periodic, true), (Extension::Symmetric, false)] {
        let transform = WaveletTransform::image("db3".parse().unwrap(), [16, 16], 2, extension).unwrap();
        let c = &c[..transform.n_coefficients().min(400)];
        let mut padded = c.to_vec();
        padded.resize(transform.n_coefficients(), 0.5);
        let difference = largest_difference(
            &transform.adjoint(&padded).unwrap(),
            &transform.synthesis().apply(&padded).unwrap(),
        );
        assert_eq!(difference < 1e-10, equal, "{difference}");
    }
}

#[test]
fn stationary_transforms_are_tight_frames_with_true_adjoints() {
    for name in ["haar", "db2", "db4", "sym8", "coif5", "db20"] {
        let wavelet = name.parse().unwrap();
        let of =
            |shape: [usize; 2], levels| StationaryTransform::image(wavelet, shape, levels).unwrap().planes(2);
        let signal = StationaryTransform::signal(wavelet, 37, 4).unwrap();
        for transform in [of([16, 24], 3), of([17, 5], 4), of([70, 33], 2), signal] {
            assert!(dot_test::<f64>(&transform, 5).unwrap() < 1e-14);
            let x = samples(transform.n_samples());
            let c = transform.apply(&x).unwrap();
            assert!(largest_difference(&transform.adjoint(&c).unwrap(), &x) < 1e-10, "{name}");
        }
    }
}

#[test]
fn shifting_the_image_shifts_the_stationary_coefficients() {
    let transform = StationaryTransform::image("db2".parse().unwrap(), [8, 12], 2).unwrap();
    let x = samples(96);
    let shift = |plane: &[f64]| -> Vec<f64> {
        (0..96).map(|i| plane[(i / 12 + 3) % 8 * 12 + (i % 12 + 5) % 12]).collect()
    };
    let moved = transform.apply(&shift(&x)).unwrap();
    let expected: Vec<f64> = transform.apply(&x).unwrap().chunks(96).flat_map(shift).collect();
    assert!(largest_difference(&moved, &expected) < 1e-14);
}

#[test]
fn single_precision_agrees_with_double() {
    let transform =
        WaveletTransform::image("db4".parse().unwrap(), [40, 33], 3, Extension::Symmetric).unwrap();
    let x = samples(transform.n_samples());
    let single: Vec<f32> = x.iter().map(|&v| v as f32).collect();
    let found: Vec<f64> = transform.apply(&single).unwrap().into_iter().map(f64::from).collect();
    assert!(largest_difference(&found, &transform.apply(&x).unwrap()) < 1e-5);
    assert!(dot_test::<f32>(&transform, 6).unwrap() < 1e-6);
}

#[test]
fn subbands_tile_the_coefficients() {
    let transform =
        WaveletTransform::image("sym4".parse().unwrap(), [33, 20], 3, Extension::Symmetric).unwrap();
    assert_eq!(transform.subbands().len(), 10);
    let mut at = 0;
    for subband in transform.subbands() {
        assert_eq!(subband.range.start, at);
        assert_eq!(subband.range.len(), subband.shape[0] * subband.shape[1]);
        at = subband.range.end;
    }
    assert_eq!(at, transform.n_coefficients());
}

#[test]
fn what_cannot_be_transformed_is_one_sentence() {
    let haar = "haar".parse().unwrap();
    let message = WaveletTransform::signal(haar, 0, 1, Extension::Periodic).unwrap_err().to_string();
    assert!(message.contains("shape"), "{message}");
    let message = WaveletTransform::image(haar, [8, 8], 4, Extension::Periodic).unwrap_err().to_string();
    assert_eq!(message, "setting `levels`: found 4; expected 1 to 3 for a side of 8");
    let transform = WaveletTransform::signal(haar, 8, 1, Extension::Periodic).unwrap();
    let message = transform.apply(&[1.0; 7]).unwrap_err().to_string();
    assert!(message.contains("found length 7; expected length 8"), "{message}");
    let message = "db0".parse::<bilevel::operator::wavelet::Wavelet>().unwrap_err().to_string();
    assert!(message.contains("db1 to db20"), "{message}");
}
