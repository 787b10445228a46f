//! The weight of total variation deblurring without the truth.
//!
//! α is chosen by Stein's unbiased estimate of the *predictive* risk ‖A(u − u_true)‖²/m, with the finite-difference probe of [`super::TvSure`], by golden
//! sections in log α: each value goes on from the solutions of the one before.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::deblur::{Deblurred, NormalSolver, TvDeblurring};
use crate::operator::LinearOperator;
use crate::{Error, Result};

/// Values of α that golden sections try.
const SECTIONS: usize = 10;

/// A weight with its restored image and the estimate that chose it.
#[derive(Debug, Clone, PartialEq)]
pub struct ChosenWeight {
    /// α.
    pub alpha: f64,
    /// The estimated predictive risk (1/m)‖A(u − u_true)‖² there.
    pub risk: f64,
    /// The image.
    pub restored: Deblurred,
    /// All (α, estimate) tried, in order.
    pub curve: Vec<(f64, f64)>,
}

impl<A: LinearOperator, S: NormalSolver> TvDeblurring<'_, A, S> {
    /// The weight between `lower` and `upper` whose estimated predictive risk is smallest, for measurements with white Gaussian noise of standard deviation
    /// `sigma`; the probe of the estimate is drawn from `seed`.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for a σ or an interval that is not positive and finite; otherwise as [`TvDeblurring::restore`].
    pub fn choose(&self, sigma: f64, (lower, upper): (f64, f64), seed: u64) -> Result<ChosenWeight> {
        if !(sigma > 0.0 && sigma.is_finite()) {
            return Err(Error::setting("sigma", sigma, "a positive, finite standard deviation of the noise"));
        }
        if !(lower > 0.0 && lower < upper && upper.is_finite()) {
            let expected = "0 < lower < upper, both finite";
            return Err(Error::setting("interval of alpha", format!("{lower} to {upper}"), expected));
        }
        let mut estimate = Estimate::new(self, sigma, seed);
        let golden = 0.5 * (5.0_f64.sqrt() - 1.0);
        let (mut low, mut high) = (lower.ln(), upper.ln());
        let (mut a, mut b) = (high - golden * (high - low), low + golden * (high - low));
        // From the smoother side, whose solutions are the easier starts.
        let mut at_b = estimate.at(b)?;
        let mut at_a = estimate.at(a)?;
        for _ in 2..SECTIONS {
            if at_a < at_b {
                (high, b, at_b) = (b, a, at_a);
                a = high - golden * (high - low);
                at_a = estimate.at(a)?;
            } else {
                (low, a, at_a) = (a, b, at_b);
                b = low + golden * (high - low);
                at_b = estimate.at(b)?;
            }
        }
        estimate.finish()
    }
}

/// The risk estimate along its search.
struct Estimate<'e, 'a, A, S> {
    problem: &'e TvDeblurring<'a, A, S>,
    sigma: f64,
    probe: Vec<f64>,
    step: f64,
    perturbed: Vec<f64>,
    last: Option<(Deblurred, Deblurred)>,
    best: Option<(f64, f64, Deblurred)>,
    curve: Vec<(f64, f64)>,
}

impl<'e, 'a, A: LinearOperator, S: NormalSolver> Estimate<'e, 'a, A, S> {
    fn new(problem: &'e TvDeblurring<'a, A, S>, sigma: f64, seed: u64) -> Self {
        let m = problem.measured.len();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let probe: Vec<f64> = (0..m).map(|_| StandardNormal.sample(&mut rng)).collect();
        let step = 2.0 * sigma / (m as f64).powf(0.3);
        let perturbed = problem.measured.iter().zip(&probe).map(|(f, d)| f + step * d).collect();
        Self { problem, sigma, probe, step, perturbed, last: None, best: None, curve: Vec::new() }
    }

    /// (1/m)(‖Au − f‖² + (2σ²/ε) δᵀA(u_ε − u)) − σ² at α = e^θ.
    fn at(&mut self, theta: f64) -> Result<f64> {
        let alpha = theta.exp();
        let (clean, perturbed) = match self.last.take() {
            Some((clean, perturbed)) => (Some(clean), Some(perturbed)),
            None => (None, None),
        };
        let (problem, shifted) = (self.problem, &self.perturbed);
        let clean = problem.restore(alpha, clean.as_ref())?;
        // Both from one place, so that what is left unsolved cancels in the difference.
        let perturbed = problem.restore_from(shifted, alpha, perturbed.as_ref().or(Some(&clean)))?;
        let (seen, seen_shifted) =
            (problem.operator.apply(&clean.image)?, problem.operator.apply(&perturbed.image)?);
        let m = self.probe.len() as f64;
        let misfit: f64 = seen.iter().zip(problem.measured).map(|(a, f)| (a - f) * (a - f)).sum();
        let moved: f64 =
            self.probe.iter().zip(seen_shifted.iter().zip(&seen)).map(|(d, (b, a))| d * (b - a)).sum();
        let square = self.sigma * self.sigma;
        let risk = (misfit + 2.0 * square / self.step * moved) / m - square;
        self.curve.push((alpha, risk));
        if self.best.as_ref().is_none_or(|(_, lowest, _)| risk < *lowest) {
            self.best = Some((alpha, risk, clean.clone()));
        }
        self.last = Some((clean, perturbed));
        Ok(risk)
    }

    fn finish(self) -> Result<ChosenWeight> {
        let (alpha, risk, restored) = self.best.ok_or(Error::Interrupted)?;
        Ok(ChosenWeight { alpha, risk, restored, curve: self.curve })
    }
}
