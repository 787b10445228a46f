//! Denoising and restoration with wavelets: weights chosen by unbiased risk estimates or learned from examples.
//!
//! [`denoise_wavelet`] removes Gaussian noise, with nothing but the noisy image. Soft thresholds that minimize Stein's unbiased risk
//! estimate (SURE) in each subband are the base line; shrinking each coefficient by the energy of its neighbours, with a window and a factor
//! chosen for each subband by SURE, is the default and about 0.7 dB better.
//!
//! [`WaveletRestoration`] is the lower level for any operator, whose weights `objective::SplitObjective` and an outer method learn.
//!
//! # Example
//! ```
//! use bilevel::inverse::wavelet::{WaveletDenoising, denoise_wavelet};
//!
//! // A ramp with a pattern of ±0.1 on it.
//! let noisy: Vec<f64> = (0..64 * 64).map(|i| f64::from(i / 64) / 64.0 + if i * i % 7 < 3 { 0.1 } else { -0.1 }).collect();
//! let restored = denoise_wavelet(&noisy, [64, 64], &WaveletDenoising { noise: Some(0.1), ..Default::default() })?;
//! assert_eq!(restored.image.len(), 64 * 64);
//! assert!(restored.mean_squared_error < 0.005);
//! # Ok::<(), bilevel::Error>(())
//! ```

mod denoise;
mod neighbourhood;
mod noise;
mod restoration;
mod sure;
mod threshold;

pub use denoise::{Denoised, Redundancy, Rule, Shrinkage, SubbandChoice, WaveletDenoising, denoise_wavelet};
pub use noise::estimate_noise;
pub use restoration::{WaveletFrame, WaveletRestoration, WeightPer};
pub use sure::{SureHalf, monte_carlo_sure};
