//! Degrees of freedom of the full problem, df(λ) = tr A(AᵀA + λ)⁻¹Aᵀ, by stochastic Golub–Kahan quadrature.
//!
//! For a sign vector z of one entry for each of n rows, λzᵀ(AAᵀ + λ)⁻¹z has the mean n − df. A bidiagonalization from z brackets it for every λ at once:
//! with T = BBᵀ and its last α (Gauss) it is too small, without (Gauss–Radau with a node at 0) too large, and the mean of both is far nearer than
//! either. With s_i = λ + α_i² s_{i+1}/(s_{i+1} + β_{i+1}²), from s = λ + α² or s = λ in the last row,
//!
//! ```text
//! λ zᵀ(AAᵀ + λ)⁻¹z ≈ nλ/s₁
//! ```
//!
//! without a decomposition and without cancellation. One probe misses by at most √(2 df): nothing next to n − df for the sizes that need it.
//!
//! Source: Golub, Meurant, *Matrices, Moments and Quadrature with Applications* (2010), chapter 6.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::Result;
use crate::operator::LinearOperator;
use crate::solver::{GolubKahan, Reorthogonalization, signs};

/// A quadrature has settled where its bracket of n − df is this narrow: the mean of its ends is ten times nearer, and GCV, a curve of 2(n − df), is flat
/// at its minimum.
const SETTLED: f64 = 5e-2;

/// A λ of at least this fraction of one that has settled needs no further step.
const SAME_LAMBDA: f64 = 0.5;

/// The probes, and what is known from them.
pub(super) struct StochasticFreedom<A> {
    probes: Vec<GolubKahan<A>>,
    /// The smallest λ at which the quadrature has settled; for larger ones it is better still.
    settled_from: f64,
}

impl<A: LinearOperator + Copy> StochasticFreedom<A> {
    pub(super) fn new(operator: A, probes: usize, seed: u64) -> Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let start = |_| {
            let z = signs(operator.n_rows(), &mut rng);
            GolubKahan::new(operator, &z, Reorthogonalization::None)
        };
        let probes = (0..probes).map(start).collect::<Result<_>>()?;
        Ok(Self { probes, settled_from: f64::INFINITY })
    }

    /// Steps of every probe, to at most `max_steps`, until the degrees of freedom at λ have settled; to be called again when λ has moved.
    pub(super) fn settle(&mut self, lambda: f64, max_steps: usize) -> Result<()> {
        if lambda >= SAME_LAMBDA * self.settled_from {
            return Ok(());
        }
        let mut all = true;
        for probe in &mut self.probes {
            while !has_settled(probe, lambda) && probe.size() < max_steps && probe.extend()? {}
            all &= has_settled(probe, lambda) || probe.is_exhausted();
        }
        if all {
            self.settled_from = lambda;
        }
        Ok(())
    }

    /// df(λ) and its derivative.
    pub(super) fn value(&self, lambda: f64) -> (f64, f64) {
        let share = 0.5 / self.probes.len().max(1) as f64;
        self.probes.iter().fold((0.0, 0.0), |sum, probe| {
            let n = probe.operator().n_rows() as f64;
            Last::BOTH.iter().fold(sum, |(value, slope), last| {
                let (left, left_slope) = left(probe, lambda, *last);
                (value + share * n * (1.0 - left), slope - share * n * left_slope)
            })
        })
    }

    pub(super) fn products(&self) -> usize {
        self.probes.iter().map(GolubKahan::products).sum()
    }
}

/// What the last row of B holds.
#[derive(Debug, Clone, Copy)]
enum Last {
    /// Its α: the Gauss rule.
    Alpha,
    /// Nothing: the Gauss–Radau rule.
    Zero,
}

impl Last {
    const BOTH: [Self; 2] = [Self::Alpha, Self::Zero];
}

fn has_settled(probe: &GolubKahan<impl LinearOperator>, lambda: f64) -> bool {
    let [low, high] = Last::BOTH.map(|last| left(probe, lambda, last).0);
    high - low <= SETTLED * 0.5 * (low + high)
}

/// λ/s₁, an estimate of (n − df)/n, and its derivative in λ.
fn left(probe: &GolubKahan<impl LinearOperator>, lambda: f64, last: Last) -> (f64, f64) {
    let (alphas, betas) = (probe.alphas(), probe.betas());
    let beyond = match last {
        Last::Alpha => alphas[probe.size()].powi(2),
        Last::Zero => 0.0,
    };
    let (mut s, mut slope) = (lambda + beyond, 1.0);
    for (alpha, beta) in alphas.iter().zip(betas.iter().skip(1)).rev() {
        let (square, total) = (alpha * alpha, s + beta * beta);
        slope = 1.0 + square * slope * (beta / total).powi(2);
        s = lambda + square * s / total;
    }
    (lambda / s, (s - lambda * slope) / (s * s))
}
