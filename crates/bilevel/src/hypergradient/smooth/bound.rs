//! The a-posteriori error bound of an implicit hypergradient from inexact solves (DESIGN §2.4).
//!
//! With g = ∇_yF(y, λ), e = ‖g‖/μ ≥ ‖y − y*‖, r the residual of H q = −∇_yL, and drifts d_• of what changes between y and y*:
//!
//! ```text
//! ‖q − q*‖ ≤ ε_q := ( ‖r‖ + d(∇_yL) + d(H q) ) / μ
//! ‖h − ∇Φ‖ ≤ d(∇_λL) + ‖B‖ ε_q + d(Bᵀ)(‖q‖ + ε_q)
//! ```
//!
//! Where the user knows the Lipschitz constants ([`Drift`](crate::smooth::Drift)), d = constant·e and the bound is proven. Otherwise the drifts are *measured* along the
//! Newton step d = −H⁻¹g, which is y* − y to first order, and doubled: an estimate, marked as one.
//!
//! Source: Pedregosa, "Hyperparameter optimization with approximate gradient" (2016).

use super::ErrorBound;
use super::linear::{LinearSolution, Solver};
use crate::smooth::{Drift, Evidence, SmoothProblem, norm, operator_norm};
use crate::{Error, Result};

/// What an estimate is multiplied with.
const SAFETY: f64 = 2.0;
/// How exactly the Newton step is solved for, that only measures drifts.
const STEP_TOLERANCE: f64 = 1e-2;

/// What the bound is computed from.
pub(super) struct Inexact<'a> {
    pub problem: &'a dyn SmoothProblem,
    pub y: &'a [f64],
    pub lambda: &'a [f64],
    pub hessian: &'a Solver<'a>,
    /// H q = −∇_yL, solved.
    pub adjoint: &'a LinearSolution,
    pub by_y: &'a [f64],
    pub by_lambda: &'a [f64],
}

/// d(∇_yL), d(Hq), d(Bᵀ)·‖q‖ or d(Bᵀq), d(∇_λL).
struct Drifts {
    criterion: f64,
    hessian: f64,
    mixed: f64,
    criterion_by_lambda: f64,
    /// Lip(B)·e, for the second-order term.
    mixed_rate: f64,
}

impl Inexact<'_> {
    pub fn bound(&self) -> Result<ErrorBound> {
        let known = self.problem.constants(self.lambda);
        let (mu, mut evidence) = match (known.strong_convexity, self.adjoint.smallest) {
            (Some(mu), _) => (mu, Evidence::Proven),
            (None, Some(smallest)) => (smallest, Evidence::Estimated),
            (None, None) => (self.smallest()?, Evidence::Estimated),
        };
        if mu.is_nan() || mu <= 0.0 {
            return Ok(ErrorBound { value: f64::INFINITY, evidence });
        }
        let mut gradient = vec![0.0; self.y.len()];
        self.problem.gradient_into(self.y, self.lambda, &mut gradient)?;
        let drifts = match known.drift {
            Some(drift) => self.proven(&drift, norm(&gradient) / mu),
            None => {
                evidence = Evidence::Estimated;
                match self.measured(&gradient) {
                    // An H that is as good as singular where y is not exact: nothing is known about how far y* is.
                    Err(Error::AdjointSolve { .. }) => {
                        return Ok(ErrorBound { value: f64::INFINITY, evidence });
                    }
                    measured => measured?,
                }
            }
        };
        let mixed = operator_norm(
            (self.y.len(), self.lambda.len()),
            |u, out| self.problem.mixed_product_into(self.y, self.lambda, u, out),
            |v, out| self.problem.mixed_adjoint_into(self.y, self.lambda, v, out),
        )?;
        evidence = evidence.and(mixed.evidence);
        let adjoint_error = (self.adjoint.residual + drifts.criterion + drifts.hessian) / mu;
        let value = drifts.criterion_by_lambda
            + mixed.value * adjoint_error
            + drifts.mixed
            + drifts.mixed_rate * adjoint_error;
        Ok(ErrorBound { value, evidence })
    }

    fn proven(&self, drift: &Drift, distance: f64) -> Drifts {
        let q = norm(&self.adjoint.x);
        Drifts {
            criterion: drift.criterion * distance,
            hessian: drift.hessian * distance * q,
            mixed: drift.mixed * distance * q,
            criterion_by_lambda: drift.criterion_by_lambda * distance,
            mixed_rate: drift.mixed * distance,
        }
    }

    /// Differences of everything along the Newton step.
    fn measured(&self, gradient: &[f64]) -> Result<Drifts> {
        let (p, m, q) = (self.y.len(), self.lambda.len(), &self.adjoint.x);
        if norm(gradient) == 0.0 {
            return Ok(self.proven(&Drift::default(), 0.0));
        }
        let step = self.hessian.solve(gradient, None, STEP_TOLERANCE)?.x;
        let there: Vec<f64> = self.y.iter().zip(&step).map(|(y, d)| y - d).collect();
        let (mut by_y, mut by_lambda) = (vec![0.0; p], vec![0.0; m]);
        self.problem.criterion_gradient_into(&there, self.lambda, &mut by_y, &mut by_lambda)?;
        let product = |y: &[f64]| -> Result<Vec<f64>> {
            let mut out = vec![0.0; p];
            self.problem.hessian_product_into(y, self.lambda, q, &mut out)?;
            Ok(out)
        };
        let mixed = |y: &[f64]| -> Result<Vec<f64>> {
            let mut out = vec![0.0; m];
            self.problem.mixed_adjoint_into(y, self.lambda, q, &mut out)?;
            Ok(out)
        };
        let mixed_drift = SAFETY * distance(&mixed(self.y)?, &mixed(&there)?);
        Ok(Drifts {
            criterion: SAFETY * distance(self.by_y, &by_y),
            hessian: SAFETY * distance(&product(self.y)?, &product(&there)?),
            mixed: mixed_drift,
            criterion_by_lambda: SAFETY * distance(self.by_lambda, &by_lambda),
            mixed_rate: mixed_drift / norm(q).max(f64::MIN_POSITIVE),
        })
    }

    /// μ at y, where neither the user nor the solve knows it.
    fn smallest(&self) -> Result<f64> {
        Ok(crate::smooth::spectral_bounds(self.problem, self.y, self.lambda)?.smallest)
    }
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
}
