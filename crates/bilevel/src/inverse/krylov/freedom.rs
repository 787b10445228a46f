//! Degrees of freedom of the full problem, df(λ) = tr A(AᵀA + λ)⁻¹Aᵀ, by stochastic Golub–Kahan quadrature.
//!
//! For a sign vector z of one entry for each row, zᵀAAᵀ(AAᵀ + λ)⁻¹z has the mean df. A bidiagonalization from z gives it for every λ at
//! once: Σ d_i²σ_i²/(σ_i² + λ). One probe misses by at most √(2 df): nothing next to n − df for the sizes that need it.
//!
//! The first probe grows in step with the space of the data, and both take their products with A in one pass over it, until the quadrature has
//! settled at the λ that the criterion chooses. Where that λ falls later, the probes catch up by themselves.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::projected::Projected;
use crate::Result;
use crate::operator::LinearOperator;
use crate::solver::{GolubKahan, Reorthogonalization, signs};

/// A quadrature has settled when further steps change n − df by less than this fraction: GCV is a curve of 2(n − df), and is flat at its
/// minimum.
const SETTLED: f64 = 1e-3;

/// A λ of at least this fraction of one that has settled needs no further step.
const SAME_LAMBDA: f64 = 0.5;

/// The probes, and what is known from them.
pub(super) struct StochasticFreedom<A> {
    probes: Vec<GolubKahan<A>>,
    projected: Vec<Projected>,
    /// As they were before the last steps that were taken together with the data.
    before: Vec<Projected>,
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
        let mut started =
            Self { probes, projected: Vec::new(), before: Vec::new(), settled_from: f64::INFINITY };
        started.decompose()?;
        Ok(started)
    }

    /// Whether it still grows together with the data.
    pub(super) fn is_open(&self) -> bool {
        self.settled_from == f64::INFINITY
    }

    /// A step of the data's bidiagonalization and of every probe; whether that of the data has grown.
    pub(super) fn extend_with(&mut self, data: &mut GolubKahan<A>) -> Result<bool> {
        let Some((first, others)) = self.probes.split_first_mut() else { return data.extend() };
        for probe in others {
            probe.extend()?;
        }
        data.extend_both(first)
    }

    /// To be called after steps together with the data.
    pub(super) fn look(&mut self) -> Result<()> {
        self.before = std::mem::take(&mut self.projected);
        self.decompose()
    }

    /// Steps of every probe, to at most `max_steps`, until the degrees of freedom at λ have settled; to be called again when λ has moved.
    pub(super) fn settle(&mut self, lambda: f64, max_steps: usize) -> Result<()> {
        let n = self.probes.first().map_or(0.0, |probe| probe.operator().n_rows() as f64);
        let mut before = std::mem::take(&mut self.before);
        let mut grown = true;
        while grown && lambda < SAME_LAMBDA * self.settled_from {
            if !before.is_empty() {
                let (last, now) = (quadrature(&before, lambda).0, self.value(lambda).0);
                if (now - last).abs() <= SETTLED * (n - last).max(0.0) {
                    self.settled_from = lambda;
                    break;
                }
            }
            grown = false;
            for probe in self.probes.iter_mut().filter(|probe| probe.size() < max_steps) {
                grown |= probe.extend()?;
            }
            if grown {
                before = std::mem::take(&mut self.projected);
                self.decompose()?;
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
        quadrature(&self.projected, lambda)
    }

    pub(super) fn products(&self) -> usize {
        self.probes.iter().map(GolubKahan::products).sum()
    }
}

/// The mean over the probes of Σ d²σ²/(σ² + λ), and its derivative.
fn quadrature(probes: &[Projected], lambda: f64) -> (f64, f64) {
    let count = probes.len() as f64;
    let terms = probes.iter().flat_map(|p| p.sigma.iter().zip(&p.data));
    terms.fold((0.0, 0.0), |(value, slope), (s, d)| {
        let total = s * s + lambda;
        let part = (s * d).powi(2) / (total * count);
        (value + part, slope - part / total)
    })
}
