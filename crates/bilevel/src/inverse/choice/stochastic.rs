//! Traces of functions of a matrix that is known by its products: degrees of freedom and log-determinants of large problems.
//!
//! With probes v of random signs, E vᵀf(A)v = tr f(A) (Hutchinson), and Lanczos's method gives vᵀf(A)v for every f at once. So one set of products serves all λ:
//! df(λ) = tr s/(s + λ) and log det(A + λI) = tr log(s + λ).
//!
//! Sources: Hutchinson, "A stochastic estimator of the trace of the influence matrix", Comm. Statist. Simulation 19 (1990); Ubaru, Chen, Saad, "Fast estimation of
//! tr(f(A)) via stochastic Lanczos quadrature", SIAM J. Matrix Anal. Appl. 38 (2017).

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::operator::LinearOperator;
use crate::solver::{Tridiagonal, lanczos, signs};
use crate::{Error, Result};

/// How many probes and products are spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeSettings {
    /// Random vectors; default 30.
    pub probes: usize,
    /// Products with each; default 60.
    pub steps: usize,
    /// Seed of the signs; default 0.
    pub seed: u64,
}

impl Default for ProbeSettings {
    fn default() -> Self {
        Self { probes: 30, steps: 60, seed: 0 }
    }
}

/// An estimate with its standard error over the probes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The mean.
    pub value: f64,
    /// Its standard error; infinite with a single probe.
    pub standard_error: f64,
}

/// The spectrum of a symmetric positive semidefinite matrix, as far as random probes see it.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbedSpectrum {
    probed: Vec<Tridiagonal>,
}

impl ProbedSpectrum {
    /// Of a symmetric positive semidefinite operator.
    ///
    /// ```
    /// use bilevel::inverse::choice::{ProbeSettings, ProbedSpectrum};
    /// use bilevel::operator::{Identity, Scaled};
    /// let double = Scaled::new(2.0, Identity::new(100))?;
    /// let spectrum = ProbedSpectrum::new(&double, ProbeSettings::default())?;
    /// assert!((spectrum.degrees_of_freedom(2.0)?.value - 50.0).abs() < 1e-9);
    /// # Ok::<(), bilevel::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for no probes or steps; [`Error::InvalidData`] for an operator that is not square; what it fails with.
    pub fn new(operator: &impl LinearOperator, settings: ProbeSettings) -> Result<Self> {
        if settings.probes == 0 || settings.steps == 0 {
            return Err(Error::setting("probes", "no probes or steps", "at least one of each"));
        }
        let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
        let mut probe = || signs(operator.n_rows(), &mut rng);
        let probed = (0..settings.probes).map(|_| lanczos(operator, &probe(), settings.steps, true));
        Ok(Self { probed: probed.collect::<Result<_>>()? })
    }

    /// tr f(A).
    ///
    /// # Errors
    /// [`Error::InvalidData`] if products were not finite.
    pub fn trace(&self, f: impl Fn(f64) -> f64) -> Result<Estimate> {
        let count = self.probed.len() as f64;
        let values: Vec<f64> = self.probed.iter().map(|t| t.quadrature(&f)).collect::<Result<_>>()?;
        let value = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|v| (v - value).powi(2)).sum();
        let standard_error =
            if count > 1.0 { (squares / (count * (count - 1.0))).sqrt() } else { f64::INFINITY };
        Ok(Estimate { value, standard_error })
    }

    /// tr A(A + λI)⁻¹, A being AᵀA of an inverse problem in standard form.
    ///
    /// # Errors
    /// As [`Self::trace`]; [`Error::InvalidSetting`] for a λ that is not positive: eigenvalues of 0 cannot be told from rounding then.
    pub fn degrees_of_freedom(&self, lambda: f64) -> Result<Estimate> {
        check_lambda(lambda)?;
        self.trace(|s| s.max(0.0) / (s.max(0.0) + lambda))
    }

    /// log det(A + λI).
    ///
    /// # Errors
    /// As [`Self::degrees_of_freedom`].
    pub fn log_determinant(&self, lambda: f64) -> Result<Estimate> {
        check_lambda(lambda)?;
        self.trace(|s| (s.max(0.0) + lambda).ln())
    }
}

fn check_lambda(lambda: f64) -> Result<()> {
    if lambda > 0.0 && lambda.is_finite() {
        return Ok(());
    }
    Err(Error::setting("lambda", lambda, "a positive number"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::{Boundary, Difference, Order, Scaled};

    #[test]
    fn degrees_of_freedom_and_log_determinant_are_within_two_percent() {
        // The one-dimensional Laplacian: eigenvalues 4 sin²(πk/2(n+1)).
        let n = 2000;
        let laplacian = Difference::<f64>::new(&[n], 0, Order::Second, Boundary::Zero).unwrap();
        let minus_laplacian = Scaled::new(-1.0, laplacian).unwrap();
        let spectrum = ProbedSpectrum::new(&minus_laplacian, ProbeSettings::default()).unwrap();
        let angle = |k: usize| std::f64::consts::PI * k as f64 / (2 * (n + 1)) as f64;
        let eigenvalues: Vec<f64> = (1..=n).map(|k| 4.0 * angle(k).sin().powi(2)).collect();
        for lambda in [0.01, 0.1, 1.0] {
            let freedom: f64 = eigenvalues.iter().map(|s| s / (s + lambda)).sum();
            let log_det: f64 = eigenvalues.iter().map(|s| (s + lambda).ln()).sum();
            let found = spectrum.degrees_of_freedom(lambda).unwrap();
            let volume = spectrum.log_determinant(lambda).unwrap();
            approx::assert_relative_eq!(found.value, freedom, max_relative = 0.02);
            approx::assert_relative_eq!(volume.value, log_det, max_relative = 0.02);
        }
    }
}
