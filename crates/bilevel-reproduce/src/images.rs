//! Images for experiments: given ones, or (in quick versions) generated ones; noise, and PSNR.

use bilevel::{Error, Result};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::run::{NamedImage, Run};

/// The images given; without any, `count` generated ones if the run is quick.
///
/// # Errors
/// There are none, and the run is not quick.
pub(crate) fn given_or_generated(run: &Run<'_>, count: usize) -> Result<Vec<NamedImage>> {
    let given = run.request.images;
    if !given.is_empty() {
        return Ok(given.to_vec());
    }
    if run.request.quick {
        return Ok((0..count).map(generated).collect());
    }
    Err(Error::data("images", "none", "a directory of grey images, or the quick version"))
}

/// 64 × 64: disks and bars of different grey, and a patch of stripes; another for each `k`.
pub(crate) fn generated(k: usize) -> NamedImage {
    const SIDE: usize = 64;
    let mut rng = ChaCha8Rng::seed_from_u64(k as u64);
    let mut pixels = vec![0.2; SIDE * SIDE];
    for _ in 0..4 {
        let [row, col, radius, grey] = std::array::from_fn(|_| rng.random::<f64>());
        let (row, col, radius) = (row * SIDE as f64, col * SIDE as f64, 5.0 + 12.0 * radius);
        for (i, pixel) in pixels.iter_mut().enumerate() {
            let (r, c) = ((i / SIDE) as f64, (i % SIDE) as f64);
            if (r - row).hypot(c - col) < radius {
                *pixel = grey;
            }
        }
    }
    let phase = 20.0 * rng.random::<f64>();
    for (i, pixel) in pixels.iter_mut().enumerate().filter(|(i, _)| i / SIDE >= 40 && i % SIDE >= 36) {
        *pixel = 0.5 + 0.15 * (phase + (i / SIDE) as f64 + 0.5 * (i % SIDE) as f64).sin();
    }
    NamedImage { name: format!("generated {}", k + 1), shape: (SIDE, SIDE), pixels }
}

/// Pixels with white Gaussian noise.
pub(crate) fn noisy(pixels: &[f64], sigma: f64, seed: u64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    pixels.iter().map(|x| x + sigma * normal(&mut rng)).collect()
}

/// A standard normal number, by Box and Muller.
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (u, v): (f64, f64) = (rng.random(), rng.random());
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// −10 log₁₀ of the mean squared error, in dB: the range of grey values is 1.
pub(crate) fn psnr(image: &[f64], truth: &[f64]) -> f64 {
    let square: f64 = image.iter().zip(truth).map(|(u, t)| (u - t) * (u - t)).sum();
    -10.0 * (square / truth.len() as f64).log10()
}

pub(crate) fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let (sum, count) = values.into_iter().fold((0.0, 0), |(sum, count), x| (sum + x, count + 1));
    sum / f64::from(count)
}
