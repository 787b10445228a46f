//! SABA: SOBA with the memory of SAGA for each of its five sums.
//!
//! Of every batch the last value φ_b of each quantity is kept. A fresh value at batch b is corrected by what the memory knows of the others,
//!
//! ```text
//! φ_b(new) − φ_b(kept) + Σ_k (n_k/n) φ_k(kept),
//! ```
//!
//! which has the right mean, and a variance that vanishes as the iterate settles: constant steps converge to the solution, at the speed of
//! deterministic descent in numbers of passes.
//!
//! Source: Dagréou, Ablin, Vaiter, Moreau, "A framework for bilevel optimization that enables stochastic and global variance reduction algorithms"
//! (NeurIPS 2022), section 3.2; Defazio, Bach, Lacoste-Julien, "SAGA" (2014). Memory: one vector for each batch and quantity.

use rand_chacha::ChaCha8Rng;

use crate::Result;

use super::soba::Directions;
use super::{Batches, FiniteSum, Iterate, Steps, StochasticMethod};

/// Variance-reduced stochastic bilevel descent.
#[derive(Debug, Clone, PartialEq)]
pub struct Saba {
    steps: Steps,
    directions: Directions,
    gradient: Memory,
    hessian: Memory,
    cross: Memory,
    upper: Memory,
    direct: Memory,
}

/// The last value of each batch, and their mean over samples.
#[derive(Debug, Clone, PartialEq, Default)]
struct Memory {
    kept: Vec<Vec<f64>>,
    shares: Vec<f64>,
    mean: Vec<f64>,
}

impl Memory {
    fn new(batches: &[Vec<usize>], length: usize) -> Self {
        let n: usize = batches.iter().map(Vec::len).sum();
        let shares: Vec<f64> = batches.iter().map(|batch| batch.len() as f64 / n as f64).collect();
        Self { kept: vec![vec![0.0; length]; batches.len()], shares, mean: vec![0.0; length] }
    }

    /// Keeps `fresh` as the value of a batch, and puts the corrected value in its place.
    fn correct(&mut self, batch: usize, fresh: &mut [f64]) {
        // The share of this batch among draws is its share of the samples, so that the estimate is not biased where the last batch is smaller.
        let share = self.shares[batch];
        let entries = fresh.iter_mut().zip(&mut self.kept[batch]).zip(&mut self.mean);
        for ((fresh, kept), mean) in entries {
            let change = *fresh - *kept;
            *kept = *fresh;
            *fresh = change + *mean;
            *mean += share * change;
        }
    }
}

impl Saba {
    /// With these steps; they may be constant.
    pub fn new(steps: Steps) -> Self {
        let [gradient, hessian, cross, upper, direct] = [(); 5].map(|()| Memory::default());
        Self { steps, directions: Directions::default(), gradient, hessian, cross, upper, direct }
    }

    fn correct(&mut self, lower: usize, upper: usize) {
        let fresh = &mut self.directions;
        self.gradient.correct(lower, &mut fresh.gradient);
        self.hessian.correct(lower, &mut fresh.hessian);
        self.cross.correct(lower, &mut fresh.cross);
        self.upper.correct(upper, &mut fresh.upper);
        self.direct.correct(upper, &mut fresh.direct);
    }
}

impl StochasticMethod for Saba {
    fn name(&self) -> &'static str {
        "saba"
    }

    /// One pass fills the memory.
    fn begin(&mut self, problem: &dyn FiniteSum, batches: &Batches, at: &Iterate) -> Result<()> {
        self.steps.check()?;
        let (p, k) = (problem.n_coefficients(), problem.n_hyperparameters());
        self.directions = Directions::new(problem);
        (self.gradient, self.hessian) = (Memory::new(batches.lower(), p), Memory::new(batches.lower(), p));
        self.cross = Memory::new(batches.lower(), k);
        (self.upper, self.direct) = (Memory::new(batches.upper(), p), Memory::new(batches.upper(), k));
        let (lower, upper) = (batches.lower(), batches.upper());
        for step in 0..lower.len().max(upper.len()) {
            let (b, c) = (step % lower.len(), step % upper.len());
            self.directions.measure(problem, &lower[b], &upper[c], at);
            self.correct(b, c);
        }
        Ok(())
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
        self.correct(lower, upper);
        self.directions.apply(at, self.steps.at(step));
    }
}
