//! FISTA with adaptive restart: v is the extrapolated point, y the iterate.
//!
//! Sources: Beck and Teboulle, "A fast iterative shrinkage-thresholding algorithm", SIAM J. Imaging Sci. 2 (2009); O'Donoghue and Candès,
//! "Adaptive restart for accelerated gradient schemes", Found. Comput. Math. 15 (2015), the gradient scheme.

use super::{Buffers, WaveletRestoration};
use crate::Result;
use crate::kernel::dot;
use crate::lower::Hyperparameters;

/// Where FISTA ended.
pub(super) struct Outcome {
    pub(super) coefficients: Vec<f64>,
    pub(super) iterations: usize,
}

/// Iterates from `y` until the residual of the proximal step, times the size of the coefficients, is below `gap`, or `max_iterations`.
pub(super) fn minimize(
    problem: &WaveletRestoration<'_>,
    at: &Hyperparameters,
    mut y: Vec<f64>,
    gap: f64,
    buffers: &mut Buffers,
) -> Result<Outcome> {
    let mut v = y.clone();
    let mut next = vec![0.0; y.len()];
    let mut momentum = 1.0_f64;
    let mut iterations = 0;
    while iterations < problem.max_iterations {
        iterations += 1;
        problem.gradient(&v, buffers)?;
        problem.proximal_step(at, &v, &buffers.gradient, &mut next);
        let (mut along, mut moved) = (0.0, 0.0);
        for ((v, next), y) in v.iter().zip(&next).zip(&y) {
            along += (v - next) * (next - y);
            moved += (v - next) * (v - next);
        }
        let size = dot(&next, &next).max(dot(&v, &v)).sqrt();
        if along > 0.0 {
            momentum = 1.0;
        }
        let larger = 0.5 * (1.0 + (1.0 + 4.0 * momentum * momentum).sqrt());
        let ahead = if along > 0.0 { 0.0 } else { (momentum - 1.0) / larger };
        for ((v, next), y) in v.iter_mut().zip(&next).zip(&y) {
            *v = next + ahead * (next - y);
        }
        momentum = larger;
        std::mem::swap(&mut y, &mut next);
        if moved.sqrt() / problem.step * size <= gap {
            break;
        }
    }
    Ok(Outcome { coefficients: y, iterations })
}
