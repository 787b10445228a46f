//! SURE of a denoising problem by one fixed probe, as an objective whose hypergradient is exact:
//!
//! ```text
//! SURE(λ) = ‖z(b) − b‖²/n − σ² + (2σ²/εn) δᵀ(z(b + εδ) − z(b)),     ε = 2σ/n^0.3
//! ```
//!
//! with δ standard normal, drawn once. It is the mean of two criteria, each of one lower-level problem: of b and of b + εδ.
//!
//! Sources: Ramani, Blu, Unser, "Monte-Carlo SURE", IEEE Trans. Image Process. 17 (2008); Deledalle, Vaiter, Fadili, Peyré, "Stein unbiased gradient
//! estimator of the risk (SUGAR)", SIAM J. Imaging Sci. 7 (2014), for ε.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::{WaveletFrame, WaveletRestoration, WeightPer};
use crate::criterion::{Criterion, CriterionValue};
use crate::{Error, Result};

/// One half of SURE: a(‖z − b‖²/n − σ²) + cᵀz. Made by [`monte_carlo_sure`].
#[derive(Debug, Clone, PartialEq)]
pub struct SureHalf {
    noisy: Vec<f64>,
    variance: f64,
    fidelity: f64,
    linear: Vec<f64>,
}

/// The two (problem, criterion) pairs whose mean, in a [`crate::objective::SplitObjective`], is SURE per pixel of denoising `noisy` with noise of
/// standard deviation `sigma`; the same `seed` gives the same probe.
///
/// # Errors
/// [`Error::InvalidSetting`] unless σ is positive and finite; as [`WaveletRestoration::denoising`].
///
/// # Example
/// ```
/// use bilevel::inverse::wavelet::{WeightPer, monte_carlo_sure};
/// use bilevel::objective::{SplitObjective, tight};
/// use bilevel::hypergradient::BiactivePolicy;
/// use bilevel::operator::wavelet::{Extension, WaveletTransform};
/// use bilevel::outer::Objective;
/// use bilevel::parametrization::{Ridge, Weights};
///
/// let noisy: Vec<f64> = (0..64).map(|i| f64::from(i / 32) + 0.1 * f64::from(i * i % 11 - 5)).collect();
/// let haar = WaveletTransform::signal("haar".parse()?, 64, 3, Extension::Periodic)?;
/// let pairs = monte_carlo_sure(&haar.into(), &noisy, 0.3, WeightPer::Image, 0)?;
/// let mut sure = SplitObjective::new(pairs, Box::new(Weights::scalar(vec![1.0], Ridge::Fixed(0.0), -9.0, 9.0)));
/// let at = |sure: &mut SplitObjective<_, _>, theta: f64| sure.evaluate(&[theta], tight(BiactivePolicy::Null));
/// assert!(at(&mut sure, -0.3)?.value < at(&mut sure, -8.0)?.value);
/// # Ok::<(), bilevel::Error>(())
/// ```
pub fn monte_carlo_sure(
    frame: &WaveletFrame,
    noisy: &[f64],
    sigma: f64,
    per: WeightPer,
    seed: u64,
) -> Result<Vec<(WaveletRestoration<'static>, SureHalf)>> {
    if !(sigma.is_finite() && sigma > 0.0) {
        return Err(Error::setting("sigma", sigma, "a positive, finite standard deviation"));
    }
    let n = noisy.len() as f64;
    let epsilon = 2.0 * sigma / n.powf(0.3);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let probe: Vec<f64> = noisy.iter().map(|_| StandardNormal.sample(&mut rng)).collect();
    let moved: Vec<f64> = noisy.iter().zip(&probe).map(|(b, d)| b + epsilon * d).collect();
    // Twice each half, because an objective is the mean of its criteria.
    let factor = 2.0 * 2.0 * sigma * sigma / (epsilon * n);
    let half = |fidelity: f64, sign: f64| SureHalf {
        noisy: noisy.to_vec(),
        variance: sigma * sigma,
        fidelity,
        linear: probe.iter().map(|d| sign * factor * d).collect(),
    };
    Ok(vec![
        (WaveletRestoration::denoising(frame.clone(), noisy, per)?, half(2.0, -1.0)),
        (WaveletRestoration::denoising(frame.clone(), &moved, per)?, half(0.0, 1.0)),
    ])
}

impl Criterion for SureHalf {
    fn evaluate(&self, predictor: &[f64]) -> CriterionValue {
        let n = self.noisy.len() as f64;
        let differences = || predictor.iter().zip(&self.noisy).map(|(z, b)| z - b);
        let misfit = differences().map(|d| d * d).sum::<f64>() / n - self.variance;
        let slope = 2.0 * self.fidelity / n;
        CriterionValue {
            value: self.fidelity * misfit + crate::kernel::dot(&self.linear, predictor),
            gradient: differences().zip(&self.linear).map(|(d, c)| slope * d + c).collect(),
            curvature: self.hessian(predictor),
            samples: Vec::new(),
        }
    }

    fn hessian(&self, predictor: &[f64]) -> Vec<f64> {
        vec![2.0 * self.fidelity / self.noisy.len() as f64; predictor.len()]
    }
}
