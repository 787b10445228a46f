//! Stein's unbiased risk estimate for total variation denoising: the error against the truth, estimated without it.
//!
//! ```text
//! Φ = (1/n) (‖u(f) − f‖² − nσ² + (2σ²/ε) δᵀ(u(f + εδ) − u(f))),     ε = 2σ/n^0.3
//! ```
//!
//! The last term is 2σ² times the degrees of freedom tr ∂u/∂f, by one fixed standard normal probe δ and a finite step: it is smooth in the weights where the
//! exact number of degrees of freedom jumps. Φ is differentiated through both solutions.
//!
//! Source: Deledalle, Vaiter, Fadili, Peyré, "Stein unbiased gradient estimator of the risk (SUGAR) for multiple parameter selection" (2014).

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::TotalVariation;
use crate::lower::{LowerLevel, Solution, UpperGradient};
use crate::outer::{Evaluation, Objective, Request};
use crate::parametrization::Parametrization;
use crate::{Error, Result};

/// The estimated mean squared error of a denoised image as an [`Objective`] of the parameters of its weights.
///
/// # Example
/// ```
/// use bilevel::inverse::{TotalVariation, TvSure};
/// use bilevel::outer::{ScalarSearch, Unwatched};
/// use bilevel::parametrization::{Ridge, Weights};
///
/// // A step with noise of standard deviation 0.1.
/// let noise = [0.08, -0.11, 0.02, 0.13, -0.07, -0.04, 0.1, -0.09, 0.05, -0.12, 0.11, 0.01];
/// let image: Vec<f64> = (0..12).map(|i| f64::from(i / 6) + noise[i as usize]).collect();
/// let tv = TotalVariation::new((1, 12), &image)?;
/// let alpha = Weights::scalar(vec![1.0], Ridge::Fixed(0.0), 0.01_f64.ln(), 1.0_f64.ln());
/// let mut sure = TvSure::new(tv, 0.1, 0, Box::new(alpha))?;
/// let best = ScalarSearch::default().search(&mut sure, &[], &mut Unwatched)?;
/// assert!(best.outer.theta[0].exp() > 0.02);
/// # Ok::<(), bilevel::Error>(())
/// ```
pub struct TvSure {
    clean: Solved,
    perturbed: Solved,
    sigma: f64,
    probe: Vec<f64>,
    step: f64,
    parametrization: Box<dyn Parametrization>,
    solved_at: Option<(Vec<f64>, f64)>,
}

/// A problem and its last solution.
struct Solved {
    problem: TotalVariation,
    solution: Option<Solution>,
}

impl TvSure {
    /// For an image with white Gaussian noise of standard deviation `sigma` = σ; the probe is drawn from `seed`.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] unless σ is positive and finite.
    pub fn new(
        problem: TotalVariation,
        sigma: f64,
        seed: u64,
        parametrization: Box<dyn Parametrization>,
    ) -> Result<Self> {
        if !(sigma > 0.0 && sigma.is_finite()) {
            return Err(Error::setting("sigma", sigma, "a positive, finite standard deviation of the noise"));
        }
        let n = problem.image.len();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let probe: Vec<f64> = (0..n).map(|_| StandardNormal.sample(&mut rng)).collect();
        let step = 2.0 * sigma / (n as f64).powf(0.3);
        let image: Vec<f64> = problem.image.iter().zip(&probe).map(|(f, d)| f + step * d).collect();
        let perturbed = Solved { problem: problem.with_image(image), solution: None };
        let clean = Solved { problem, solution: None };
        Ok(Self { clean, perturbed, sigma, probe, step, parametrization, solved_at: None })
    }

    /// The denoised image of the last evaluation.
    pub fn solution(&self) -> Option<&Solution> {
        self.clean.solution.as_ref()
    }

    fn solve(&mut self, theta: &[f64], request: Request) -> Result<()> {
        let gap = request.accuracy.relative_gap;
        if self.solved_at.as_ref().is_some_and(|(at, known)| at == theta && *known <= gap) {
            return Ok(());
        }
        self.solved_at = None;
        let at = self.parametrization.hyperparameters(theta);
        let solve = |of: &mut Solved| -> Result<()> {
            let start = of.solution.take();
            of.solution = Some(of.problem.solve(&at, start, request.accuracy)?);
            Ok(())
        };
        let (clean, perturbed) = rayon::join(|| solve(&mut self.clean), || solve(&mut self.perturbed));
        clean.and(perturbed)?;
        self.solved_at = Some((theta.to_vec(), gap));
        Ok(())
    }
}

impl Objective for TvSure {
    fn n_parameters(&self) -> usize {
        self.parametrization.n_parameters()
    }

    fn bounds(&self) -> (Vec<f64>, Vec<f64>) {
        self.parametrization.bounds()
    }

    fn evaluate(&mut self, theta: &[f64], request: Request) -> Result<Evaluation> {
        self.solve(theta, request)?;
        let (Some(clean), Some(perturbed)) = (&self.clean.solution, &self.perturbed.solution) else {
            return Err(Error::Interrupted);
        };
        let share = 1.0 / self.probe.len() as f64;
        let of_probe = 2.0 * self.sigma * self.sigma / self.step;
        let misfit: Vec<f64> =
            clean.predictor.iter().zip(self.clean.problem.image()).map(|(u, f)| u - f).collect();
        let response = crate::kernel::dot(&self.probe, &perturbed.predictor)
            - crate::kernel::dot(&self.probe, &clean.predictor);
        let square = crate::kernel::dot(&misfit, &misfit);
        let mut evaluation = Evaluation {
            value: share * (square + of_probe * response) - self.sigma * self.sigma,
            standard_error: 0.0,
            gradient: Vec::new(),
            gradient_error_bound: None,
            relative_gap: clean.relative_gap.max(perturbed.relative_gap),
            support_size: self.clean.problem.support_size(clean) as f64,
            biactive: 0,
        };
        if !request.gradient {
            return Ok(evaluation);
        }
        evaluation.gradient = vec![0.0; theta.len()];
        let at = self.parametrization.hyperparameters(theta);
        let first = misfit.iter().zip(&self.probe).map(|(m, d)| share * (2.0 * m - of_probe * d)).collect();
        let second = self.probe.iter().map(|d| share * of_probe * d).collect();
        let parts: [(&Solved, &Solution, Vec<f64>, f64); 2] =
            [(&self.clean, clean, first, 2.0 * share), (&self.perturbed, perturbed, second, 0.0)];
        let mut error_bound = 0.0;
        for (of, solution, slopes, bend) in parts {
            let curvature = vec![bend; slopes.len()];
            let upper = UpperGradient { predictor: &slopes, curvature: &curvature, warm_start: &[] };
            let adjoint = of.problem.adjoint(&at, solution, &upper, request.selection, request.accuracy)?;
            self.parametrization.pull_back(theta, &at, &adjoint, &mut evaluation.gradient);
            let factor = self.parametrization.error_factor(theta, &at, &adjoint);
            error_bound += adjoint.error_bound * factor;
            evaluation.biactive += adjoint.biactive;
        }
        evaluation.gradient_error_bound = Some(error_bound);
        Ok(evaluation)
    }
}
