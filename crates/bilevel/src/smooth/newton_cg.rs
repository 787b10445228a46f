//! Newton-CG: the Newton system is solved by conjugate gradients only as exactly as the step deserves.
//!
//! ‖Hd + g‖ ≤ min(½, √‖g‖/‖g₀‖)·‖g‖ gives superlinear convergence. Source: Nocedal, Wright, "Numerical Optimization" (2006), algorithm 7.1.

use super::line_search::Ray;
use super::solve::Run;
use super::{SmoothStatus, norm};
use crate::Result;
use crate::kernel::dot;
use crate::solver::conjugate_gradient;

/// Runs Newton-CG until the run is done.
pub(super) fn newton_cg(run: &mut Run<'_>) -> Result<SmoothStatus> {
    let first = norm(&run.gradient).max(f64::MIN_POSITIVE);
    while run.steps < run.settings.max_steps {
        if run.is_done() {
            return Ok(SmoothStatus::Converged);
        }
        let forcing = (norm(&run.gradient) / first).sqrt().min(0.5);
        let direction = newton_direction(run, forcing)?;
        let ray = Ray {
            problem: run.problem,
            lambda: run.lambda,
            y: &run.y,
            gradient: &run.gradient,
            direction: &direction,
        };
        match ray.search(1.0, &mut run.gradients)? {
            Some(accepted) => run.accept(accepted),
            None => return Ok(SmoothStatus::Stalled),
        }
    }
    Ok(if run.is_done() { SmoothStatus::Converged } else { SmoothStatus::MaxSteps })
}

/// d ≈ −H⁻¹g; where H bends downwards, what conjugate gradients had before, and −g if that is nothing.
fn newton_direction(run: &mut Run<'_>, forcing: f64) -> Result<Vec<f64>> {
    let minus: Vec<f64> = run.gradient.iter().map(|g| -g).collect();
    let mut direction = vec![0.0; minus.len()];
    let mut failure = None;
    let product = |v: &[f64], out: &mut [f64]| {
        if let Err(error) = run.problem.hessian_product_into(&run.y, run.lambda, v, out) {
            out.fill(f64::NAN);
            failure.get_or_insert(error);
        }
    };
    let identity = |r: &[f64], out: &mut [f64]| out.copy_from_slice(r);
    let most = 2 * minus.len() + 10;
    let outcome = conjugate_gradient(product, identity, &minus, &mut direction, forcing, most);
    run.hessian_products += outcome.products;
    match failure {
        Some(error) => Err(error),
        None => Ok(if dot(&direction, &minus) > 0.0 { direction } else { minus }),
    }
}
