//! y*(λ) of a smooth lower level, from its gradients and products.

use serde::{Deserialize, Serialize};

use super::line_search::Accepted;
use super::newton_cg::newton_cg;
use super::quasi_newton::lbfgs;
use super::{Descent, IterationMap, MomentumKind, Rate, SmoothProblem, check_vector, norm, spectral_bounds};
use crate::{Error, Result};

/// The iterations of a map look at the gradient once in so many steps.
const LOOK_EVERY: usize = 10;
/// A gradient that grew by this factor says that the step was too long.
const DIVERGED: f64 = 1e3;

/// Which method solves the lower level.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SmoothSolver {
    /// Newton with conjugate gradients: few steps, products with H.
    #[default]
    NewtonCg,
    /// L-BFGS with ten pairs: gradients alone.
    Lbfgs,
    /// Gradient descent with step 1/Lip.
    GradientDescent,
    /// Heavy ball with the step and momentum that are best for a quadratic of the same μ and Lip.
    HeavyBall,
    /// Nesterov with step 1/Lip and momentum (√κ − 1)/(√κ + 1), κ = Lip/μ.
    Nesterov,
}

/// How the lower level is solved.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SolveSettings {
    /// The method; default Newton-CG.
    pub solver: SmoothSolver,
    /// Ends where ‖∇_yF‖ is at most this; default 1e-10.
    pub tolerance: f64,
    /// Largest number of steps; default 10,000.
    pub max_steps: usize,
}

impl Default for SolveSettings {
    fn default() -> Self {
        Self { solver: SmoothSolver::default(), tolerance: 1e-10, max_steps: 10_000 }
    }
}

/// How a solver ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SmoothStatus {
    /// The gradient is within the tolerance.
    Converged,
    /// The largest number of steps was reached.
    MaxSteps,
    /// No step makes the gradient smaller: rounding, or a lower level that is not convex.
    Stalled,
}

/// A lower-level solution and what it took.
#[derive(Debug, Clone, PartialEq)]
pub struct SmoothSolution {
    /// y.
    pub coefficients: Vec<f64>,
    /// ‖∇_yF(y, λ)‖; with μ-strong convexity ‖y − y*‖ is at most this over μ.
    pub gradient_norm: f64,
    /// Steps taken.
    pub steps: usize,
    /// Evaluations of ∇_yF.
    pub gradients: usize,
    /// Products with H.
    pub hessian_products: usize,
    /// How it ended.
    pub status: SmoothStatus,
}

/// Solves ∇_yF(y, λ) = 0 from `start`.
///
/// # Errors
/// [`Error::InvalidData`] for vectors of the wrong length or with NaN, a gradient that is not finite at the start, a run to infinity, and (methods with fixed steps) a
/// Lipschitz constant that gives no step; [`Error::InvalidSetting`] for a tolerance that is not positive; what the problem reports. Not reaching the
/// tolerance is no error: see [`SmoothSolution::status`].
pub fn solve(
    problem: &dyn SmoothProblem,
    lambda: &[f64],
    start: &[f64],
    settings: &SolveSettings,
) -> Result<SmoothSolution> {
    if !(settings.tolerance > 0.0 && settings.tolerance.is_finite()) {
        return Err(Error::setting("tolerance", settings.tolerance, "a positive, finite number"));
    }
    let mut run = Run::new(problem, lambda, start, settings)?;
    let status = match settings.solver {
        SmoothSolver::NewtonCg => newton_cg(&mut run)?,
        SmoothSolver::Lbfgs => lbfgs(&mut run, 10)?,
        SmoothSolver::GradientDescent => descend(&mut run, None)?,
        SmoothSolver::HeavyBall => descend(&mut run, Some(MomentumKind::HeavyBall))?,
        SmoothSolver::Nesterov => descend(&mut run, Some(MomentumKind::Nesterov))?,
    };
    check_vector("coefficients where the lower level's solver ended", &run.y, run.y.len())?;
    Ok(SmoothSolution {
        gradient_norm: norm(&run.gradient),
        coefficients: run.y,
        steps: run.steps,
        gradients: run.gradients,
        hessian_products: run.hessian_products,
        status,
    })
}

/// Where a solver stands.
pub(super) struct Run<'a> {
    pub problem: &'a dyn SmoothProblem,
    pub lambda: &'a [f64],
    pub settings: &'a SolveSettings,
    pub y: Vec<f64>,
    pub gradient: Vec<f64>,
    pub steps: usize,
    pub gradients: usize,
    pub hessian_products: usize,
}

impl<'a> Run<'a> {
    fn new(
        problem: &'a dyn SmoothProblem,
        lambda: &'a [f64],
        start: &[f64],
        settings: &'a SolveSettings,
    ) -> Result<Self> {
        let p = problem.n_coefficients();
        check_vector("start of the lower level", start, p)?;
        check_vector("λ of the lower level", lambda, problem.n_hyperparameters())?;
        let mut gradient = vec![0.0; p];
        problem.gradient_into(start, lambda, &mut gradient)?;
        check_vector("gradient at the start of the lower level", &gradient, p)?;
        Ok(Self {
            problem,
            lambda,
            settings,
            y: start.to_vec(),
            gradient,
            steps: 0,
            gradients: 1,
            hessian_products: 0,
        })
    }

    pub fn is_done(&self) -> bool {
        norm(&self.gradient) <= self.settings.tolerance
    }

    pub fn accept(&mut self, accepted: Accepted) {
        self.y = accepted.y;
        self.gradient = accepted.gradient;
        self.steps += 1;
    }
}

/// Gradient descent with fixed rates from μ and Lip; where these were too small an estimate and the iteration diverges, Lip is doubled.
fn descend(run: &mut Run<'_>, momentum: Option<MomentumKind>) -> Result<SmoothStatus> {
    if run.is_done() {
        return Ok(SmoothStatus::Converged);
    }
    let known = run.problem.constants(run.lambda);
    let (mu, mut lipschitz) = match (known.strong_convexity, known.lipschitz) {
        (Some(mu), Some(lipschitz)) => (mu, lipschitz),
        (mu, lipschitz) => {
            let bounds = spectral_bounds(run.problem, &run.y, run.lambda)?;
            (mu.unwrap_or(bounds.smallest), lipschitz.unwrap_or(bounds.largest))
        }
    };
    if !(lipschitz.is_normal() && lipschitz > 0.0) {
        let expected = "a positive number (is the lower level convex, and not linear?)";
        let what = "Lipschitz constant of the lower level's gradient";
        return Err(Error::data(what, lipschitz.to_string(), expected));
    }
    // Estimates from inside the spectrum may lie a little across each other.
    let mu = mu.max(0.0).min(lipschitz);
    let start = (run.y.clone(), run.gradient.clone());
    while lipschitz.is_finite() {
        if let Some(status) = descend_with(run, momentum, mu, lipschitz)? {
            return Ok(status);
        }
        (run.y, run.gradient) = start.clone();
        lipschitz *= 2.0;
    }
    Ok(SmoothStatus::Stalled)
}

/// `None` if the iteration diverged.
fn descend_with(
    run: &mut Run<'_>,
    momentum: Option<MomentumKind>,
    mu: f64,
    lipschitz: f64,
) -> Result<Option<SmoothStatus>> {
    let (big, small) = (lipschitz.sqrt(), mu.sqrt());
    let map = match momentum {
        None => Descent::new(run.problem, Rate::Fixed(1.0 / lipschitz))?,
        Some(MomentumKind::HeavyBall) => {
            let beta = ((big - small) / (big + small)).powi(2);
            Descent::new(run.problem, Rate::Fixed(4.0 / (big + small).powi(2)))?
                .with_momentum(MomentumKind::HeavyBall, Rate::Fixed(beta))?
        }
        Some(MomentumKind::Nesterov) => Descent::new(run.problem, Rate::Fixed(1.0 / lipschitz))?
            .with_momentum(MomentumKind::Nesterov, Rate::Fixed((big - small) / (big + small)))?,
    };
    let p = run.y.len();
    let first = norm(&run.gradient);
    let mut state = map.initial_state(&run.y);
    let mut next = vec![0.0; state.len()];
    while run.steps < run.settings.max_steps {
        if run.is_done() {
            return Ok(Some(SmoothStatus::Converged));
        }
        let steps = LOOK_EVERY.min(run.settings.max_steps - run.steps);
        for _ in 0..steps {
            map.step_into(run.steps, &state, run.lambda, &mut next)?;
            std::mem::swap(&mut state, &mut next);
            run.steps += 1;
        }
        run.y.copy_from_slice(&state[..p]);
        run.problem.gradient_into(&run.y, run.lambda, &mut run.gradient)?;
        run.gradients += steps + 1;
        let now = norm(&run.gradient);
        if now.is_nan() || now > DIVERGED * first.max(run.settings.tolerance) {
            return Ok(None);
        }
    }
    Ok(Some(if run.is_done() { SmoothStatus::Converged } else { SmoothStatus::MaxSteps }))
}
