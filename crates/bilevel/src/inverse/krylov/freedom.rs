//! Degrees of freedom of the full problem, df(λ) = tr A(AᵀA + λ)⁻¹Aᵀ, by stochastic Golub–Kahan quadrature.
//!
//! For a sign vector z of one entry for each row, zᵀAAᵀ(AAᵀ + λ)⁻¹z has the mean df. A bidiagonalization from z gives it for every λ at
//! once: Σ d_i²σ_i²/(σ_i² + λ). One probe misses by at most √(2 df): nothing next to n − df for the sizes that need it.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::projected::Projected;
use crate::Result;
use crate::operator::LinearOperator;
use crate::solver::{GolubKahan, Reorthogonalization, signs};

/// A quadrature has settled when a further step changes n − df by less than this fraction: GCV is a curve of 2(n − df), and is flat at its
/// minimum.
const SETTLED: f64 = 1e-3;

/// A λ of at least this fraction of one that has settled needs no further step.
const SAME_LAMBDA: f64 = 0.5;

/// The probes, and what is known from them.
pub(super) struct StochasticFreedom<A> {
    probes: Vec<GolubKahan<A>>,
    projected: Vec<Projected>,
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
        let probes: Vec<_> = (0..probes).map(start).collect::<Result<_>>()?;
        let mut started = Self { probes, projected: Vec::new(), settled_from: f64::INFINITY };
        started.decompose()?;
        Ok(started)
    }

    /// Steps of every probe, to at most `max_steps`, until the degrees of freedom at λ have settled; to be called again when λ has moved.
    pub(super) fn settle(&mut self, lambda: f64, max_steps: usize) -> Result<()> {
        let n = self.probes.first().map_or(0.0, |probe| probe.operator().n_rows() as f64);
        let mut grown = true;
        while grown && lambda < SAME_LAMBDA * self.settled_from {
            let before = self.value(lambda).0;
            grown = false;
            for probe in self.probes.iter_mut().filter(|probe| probe.size() < max_steps) {
                grown |= probe.extend()?;
            }
            self.decompose()?;
            if grown && (self.value(lambda).0 - before).abs() <= SETTLED * (n - before).max(0.0) {
                self.settled_from = lambda;
            }
        }
        Ok(())
    }

    fn decompose(&mut self) -> Result<()> {
        self.projected = self.probes.iter().map(Projected::new).collect::<Result<_>>()?;
        Ok(())
    }

    /// df(λ) and its derivative.
    pub(super) fn value(&self, lambda: f64) -> (f64, f64) {
        let count = self.projected.len() as f64;
        let terms = self.projected.iter().flat_map(|p| p.sigma.iter().zip(&p.data));
        terms.fold((0.0, 0.0), |(value, slope), (s, d)| {
            let total = s * s + lambda;
            let part = (s * d).powi(2) / (total * count);
            (value + part, slope - part / total)
        })
    }

    pub(super) fn products(&self) -> usize {
        self.probes.iter().map(GolubKahan::products).sum()
    }
}
