//! AmIGO: several steps of y and of v for each step of λ, all from where the last ones ended.
//!
//! ```text
//! y ← y − ρ D_y   (T times),     v ← v − ρ D_v   (N times),     λ ← λ − γ D_λ
//! ```
//!
//! The warm starts of both inner loops amortize their cost: a few steps suffice, and what they leave shrinks along with the steps of λ.
//!
//! Source: Arbel, Mairal, "Amortized implicit differentiation for stochastic bilevel optimization" (ICLR 2022), algorithm 1.

use rand_chacha::ChaCha8Rng;

use crate::{Error, Result};

use super::soba::Directions;
use super::stocbio::{inner_steps, upper_step};
use super::{Batches, FiniteSum, Iterate, Steps, StochasticMethod, descend};

/// Double loop with warm starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Amigo {
    steps: Steps,
    inner: usize,
    adjoint: usize,
    directions: Directions,
}

impl Amigo {
    /// With T = `inner` steps of y and N = `adjoint` steps of v for each step of λ.
    pub fn new(steps: Steps, inner: usize, adjoint: usize) -> Self {
        Self { steps, inner, adjoint, directions: Directions::default() }
    }
}

impl StochasticMethod for Amigo {
    fn name(&self) -> &'static str {
        "amigo"
    }

    fn begin(&mut self, problem: &dyn FiniteSum, _batches: &Batches, _at: &Iterate) -> Result<()> {
        if self.inner == 0 || self.adjoint == 0 {
            return Err(Error::setting("inner", 0, "at least 1 step of the coefficients and of the adjoint"));
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
        for _ in 0..self.adjoint {
            let (lower, upper) = (batches.draw_lower(rng), batches.draw_upper(rng));
            let Directions { upper: slope, direct, hessian, .. } = &mut self.directions;
            let (y, lambda) = (&at.coefficients, &at.hyperparameters);
            problem.upper_gradients(&batches.upper()[upper], y, lambda, slope, direct);
            problem.lower_products(&batches.lower()[lower], y, lambda, &at.adjoint, hessian, None);
            descend(&mut at.adjoint, rho, hessian);
            descend(&mut at.adjoint, rho, slope);
        }
        upper_step(problem, batches, at, gamma, rng, &mut self.directions);
    }
}
