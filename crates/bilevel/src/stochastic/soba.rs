//! SOBA: one stochastic step of y, v and λ at a time.
//!
//! ```text
//! y ← y − ρ D_y,     v ← v − ρ D_v,     λ ← λ − γ D_λ,     all at the same (y, v, λ)
//! ```
//!
//! Source: Dagréou, Ablin, Vaiter, Moreau, "A framework for bilevel optimization that enables stochastic and global variance reduction algorithms"
//! (NeurIPS 2022), algorithm 1 with equations 4 to 6.

use rand_chacha::ChaCha8Rng;

use crate::Result;

use super::{Batches, FiniteSum, Iterate, Steps, StochasticMethod, descend};

/// Stochastic bilevel descent without memory; needs falling steps to converge.
#[derive(Debug, Clone, PartialEq)]
pub struct Soba {
    steps: Steps,
    directions: Directions,
}

/// D_y, the parts of D_v and those of D_λ.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Directions {
    pub(super) gradient: Vec<f64>,
    pub(super) hessian: Vec<f64>,
    pub(super) cross: Vec<f64>,
    pub(super) upper: Vec<f64>,
    pub(super) direct: Vec<f64>,
}

impl Directions {
    pub(super) fn new(problem: &dyn FiniteSum) -> Self {
        let (y, lambda) = (vec![0.0; problem.n_coefficients()], vec![0.0; problem.n_hyperparameters()]);
        Self { gradient: y.clone(), hessian: y.clone(), upper: y, cross: lambda.clone(), direct: lambda }
    }

    /// Everything at one iterate, on one batch of either sum.
    pub(super) fn measure(
        &mut self,
        problem: &dyn FiniteSum,
        lower: &[usize],
        upper: &[usize],
        at: &Iterate,
    ) {
        let (y, lambda) = (&at.coefficients, &at.hyperparameters);
        problem.lower_gradient(lower, y, lambda, &mut self.gradient);
        let cross = Some(&mut self.cross[..]);
        problem.lower_products(lower, y, lambda, &at.adjoint, &mut self.hessian, cross);
        problem.upper_gradients(upper, y, lambda, &mut self.upper, &mut self.direct);
    }

    /// Takes the three steps.
    pub(super) fn apply(&self, at: &mut Iterate, (rho, gamma): (f64, f64)) {
        descend(&mut at.coefficients, rho, &self.gradient);
        descend(&mut at.adjoint, rho, &self.hessian);
        descend(&mut at.adjoint, rho, &self.upper);
        descend(&mut at.hyperparameters, gamma, &self.cross);
        descend(&mut at.hyperparameters, gamma, &self.direct);
    }
}

impl Soba {
    /// With these steps.
    pub fn new(steps: Steps) -> Self {
        Self { steps, directions: Directions::default() }
    }
}

impl StochasticMethod for Soba {
    fn name(&self) -> &'static str {
        "soba"
    }

    fn begin(&mut self, problem: &dyn FiniteSum, _batches: &Batches, _at: &Iterate) -> Result<()> {
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
        let (lower, upper) = (batches.draw_lower(rng), batches.draw_upper(rng));
        self.directions.measure(problem, &batches.lower()[lower], &batches.upper()[upper], at);
        self.directions.apply(at, self.steps.at(step));
    }
}
