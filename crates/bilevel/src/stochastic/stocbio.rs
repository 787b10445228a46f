//! StocBiO: stochastic gradient descent inside, a stochastic Neumann series for the adjoint, one step of λ.
//!
//! ```text
//! y ← y − ρ D_y   (T times),     v = −η Σ_{k=0}^{K} Π_{j≤k} (I − ηH_{B_j}) ∇_y f,     λ ← λ − γ D_λ
//! ```
//!
//! Source: Ji, Yang, Liang, "Bilevel optimization: convergence analysis and enhanced design" (ICML 2021), algorithms 2 and 3.

use rand_chacha::ChaCha8Rng;

use crate::{Error, Result};

use super::soba::Directions;
use super::{Batches, FiniteSum, Iterate, Steps, StochasticMethod, descend};

/// Double loop with a truncated Neumann series; the truncation and the noise of the inner loop leave a bias.
#[derive(Debug, Clone, PartialEq)]
pub struct StocBio {
    steps: Steps,
    inner: usize,
    terms: usize,
    directions: Directions,
}

impl StocBio {
    /// With T = `inner` steps of y and K = `terms` products for each step of λ; η is the step of y.
    pub fn new(steps: Steps, inner: usize, terms: usize) -> Self {
        Self { steps, inner, terms, directions: Directions::default() }
    }
}

/// Steps of y alone.
pub(super) fn inner_steps(
    problem: &dyn FiniteSum,
    batches: &Batches,
    at: &mut Iterate,
    (count, rho): (usize, f64),
    rng: &mut ChaCha8Rng,
    gradient: &mut [f64],
) {
    for _ in 0..count {
        let batch = &batches.lower()[batches.draw_lower(rng)];
        problem.lower_gradient(batch, &at.coefficients, &at.hyperparameters, gradient);
        descend(&mut at.coefficients, rho, gradient);
    }
}

/// λ ← λ − γ D_λ on fresh batches.
pub(super) fn upper_step(
    problem: &dyn FiniteSum,
    batches: &Batches,
    at: &mut Iterate,
    gamma: f64,
    rng: &mut ChaCha8Rng,
    directions: &mut Directions,
) {
    let (lower, upper) = (batches.draw_lower(rng), batches.draw_upper(rng));
    directions.measure(problem, &batches.lower()[lower], &batches.upper()[upper], at);
    descend(&mut at.hyperparameters, gamma, &directions.cross);
    descend(&mut at.hyperparameters, gamma, &directions.direct);
}

impl StochasticMethod for StocBio {
    fn name(&self) -> &'static str {
        "stocbio"
    }

    fn begin(&mut self, problem: &dyn FiniteSum, _batches: &Batches, _at: &Iterate) -> Result<()> {
        if self.inner == 0 {
            return Err(Error::setting("inner", 0, "at least 1 step of the coefficients"));
        }
        self.directions = Directions::new(problem);
        self.steps.check()
    }

    fn step(
        &mut self,
        problem: &dyn FiniteSum,
        batches: &Batches,
        at: &mut Iterate,
        step: usize,
        rng: &mut ChaCha8Rng,
    ) {
        let (rho, gamma) = self.steps.at(step);
        inner_steps(problem, batches, at, (self.inner, rho), rng, &mut self.directions.gradient);
        let upper = &batches.upper()[batches.draw_upper(rng)];
        let Directions { upper: slope, direct, hessian, .. } = &mut self.directions;
        problem.upper_gradients(upper, &at.coefficients, &at.hyperparameters, slope, direct);
        let mut term = slope.clone();
        let mut sum = term.clone();
        for _ in 0..self.terms {
            let batch = &batches.lower()[batches.draw_lower(rng)];
            problem.lower_products(batch, &at.coefficients, &at.hyperparameters, &term, hessian, None);
            descend(&mut term, rho, hessian);
            descend(&mut sum, -1.0, &term);
        }
        at.adjoint.iter_mut().zip(&sum).for_each(|(v, s)| *v = -rho * s);
        upper_step(problem, batches, at, gamma, rng, &mut self.directions);
    }
}
