//! Bilevel problems whose both levels are sums over so many samples that a pass over all of them is too long a step.
//!
//! ```text
//! min_λ (1/m) Σ_j f_j(y*(λ), λ),     y*(λ) = argmin_y (1/n) Σ_i g_i(y, λ)
//! ```
//!
//! Each step sees a mini-batch of either sum. Three things move together: the coefficients y, the hyperparameters λ, and the adjoint vector v, which follows
//! v* = −(∇²_yy g)⁻¹∇_y f by descent on the quadratic that it minimizes:
//!
//! ```text
//! D_y = ∇_y g,     D_v = ∇²_yy g·v + ∇_y f,     D_λ = (∂²g/∂y∂λ)ᵀv + ∇_λ f
//! ```
//!
//! | method | D_y, D_v, D_λ | file |
//! |---|---|---|
//! | [`Soba`] | of fresh batches, one step of each at a time | `soba.rs` |
//! | [`Saba`] | the same with SAGA's memory, whose noise vanishes: constant steps converge | `saba.rs` |
//! | [`StocBio`] | several steps of y, a Neumann series for v, one step of λ | `stocbio.rs` |
//! | [`Amigo`] | several steps of y, several of v from the last, one step of λ | `amigo.rs` |
//!
//! All draw their batches from one seeded generator: the same seed gives the same digits. [`SampledGlm`] is a problem to start from.

mod amigo;
mod batches;
mod glm;
mod saba;
mod soba;
mod stocbio;

use std::ops::ControlFlow;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::{Error, Result};

pub use amigo::Amigo;
pub use batches::Batches;
pub use glm::SampledGlm;
pub use saba::Saba;
pub use soba::Soba;
pub use stocbio::StocBio;

/// A bilevel problem by its samples. All methods write means over the samples of a batch, given by their numbers.
pub trait FiniteSum {
    /// Length of y.
    fn n_coefficients(&self) -> usize;
    /// Length of λ.
    fn n_hyperparameters(&self) -> usize;
    /// n, the samples of the lower level.
    fn n_lower(&self) -> usize;
    /// m, the samples of the upper level.
    fn n_upper(&self) -> usize;
    /// ∇_y g.
    fn lower_gradient(&self, batch: &[usize], y: &[f64], lambda: &[f64], out: &mut [f64]);
    /// ∇²_yy g·v, and (∂²g/∂y∂λ)ᵀv where it is wanted.
    fn lower_products(
        &self,
        batch: &[usize],
        y: &[f64],
        lambda: &[f64],
        v: &[f64],
        hessian: &mut [f64],
        cross: Option<&mut [f64]>,
    );
    /// ∇_y f and ∇_λ f.
    fn upper_gradients(
        &self,
        batch: &[usize],
        y: &[f64],
        lambda: &[f64],
        of_coefficients: &mut [f64],
        of_hyperparameters: &mut [f64],
    );
}

/// y, v and λ.
#[derive(Debug, Clone, PartialEq)]
pub struct Iterate {
    /// The coefficients.
    pub coefficients: Vec<f64>,
    /// The adjoint vector.
    pub adjoint: Vec<f64>,
    /// The hyperparameters.
    pub hyperparameters: Vec<f64>,
}

/// Step lengths ρ/(1 + t)^power at outer step t.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Steps {
    /// ρ for y and v.
    pub lower: f64,
    /// The same for λ.
    pub upper: f64,
    /// 0 for constant steps; ½ is the usual choice for methods whose noise does not vanish.
    pub power: f64,
}

impl Steps {
    /// (lower, upper) at outer step t.
    pub fn at(&self, step: usize) -> (f64, f64) {
        let decay = (1.0 + step as f64).powf(-self.power);
        (self.lower * decay, self.upper * decay)
    }

    fn check(&self) -> Result<()> {
        let good = |v: f64| v > 0.0 && v.is_finite();
        if good(self.lower) && good(self.upper) && self.power >= 0.0 && self.power.is_finite() {
            return Ok(());
        }
        Err(Error::setting("steps", format!("{self:?}"), "positive lengths and a power of at least 0"))
    }
}

/// A stochastic method: what it does in one outer step.
pub trait StochasticMethod {
    /// Name for people and records.
    fn name(&self) -> &'static str;
    /// Called once, before the first step.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for settings out of range.
    fn begin(&mut self, problem: &dyn FiniteSum, batches: &Batches, at: &Iterate) -> Result<()>;
    /// Moves y, v and λ once.
    fn step(
        &mut self,
        problem: &dyn FiniteSum,
        batches: &Batches,
        at: &mut Iterate,
        step: usize,
        rng: &mut ChaCha8Rng,
    );
}

/// How long, with which batches, from which seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StochasticSettings {
    /// Samples in a batch, of either sum; default 64.
    pub batch: usize,
    /// Outer steps; default 10,000.
    pub steps: usize,
    /// Seed of all draws; default 0.
    pub seed: u64,
}

impl Default for StochasticSettings {
    fn default() -> Self {
        Self { batch: 64, steps: 10_000, seed: 0 }
    }
}

/// Runs a method from λ = `start`, y = v = 0; `watch` sees the iterate after each outer step and may end the run.
///
/// # Errors
/// [`Error::InvalidData`] if the start does not fit, a sum is empty, or the iterate is no longer finite (the steps are too long);
/// [`Error::InvalidSetting`] for settings out of range.
pub fn run(
    problem: &dyn FiniteSum,
    method: &mut dyn StochasticMethod,
    start: &[f64],
    settings: StochasticSettings,
    mut watch: impl FnMut(usize, &Iterate) -> ControlFlow<()>,
) -> Result<Iterate> {
    if start.len() != problem.n_hyperparameters() {
        let expected = format!("{}, one for each hyperparameter", problem.n_hyperparameters());
        return Err(Error::data("start of the stochastic search", start.len().to_string(), expected));
    }
    let batches = Batches::new(problem.n_lower(), problem.n_upper(), settings.batch)?;
    let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
    let zero = vec![0.0; problem.n_coefficients()];
    let mut at = Iterate { coefficients: zero.clone(), adjoint: zero, hyperparameters: start.to_vec() };
    method.begin(problem, &batches, &at)?;
    for step in 0..settings.steps {
        method.step(problem, &batches, &mut at, step, &mut rng);
        if at.hyperparameters.iter().chain(&at.coefficients).any(|x| !x.is_finite()) {
            let found = format!("no finite value after step {}", step + 1);
            return Err(Error::data("stochastic search", found, "shorter steps"));
        }
        if watch(step, &at).is_break() {
            break;
        }
    }
    Ok(at)
}

/// x −= t·d.
fn descend(x: &mut [f64], t: f64, d: &[f64]) {
    crate::kernel::axpy(-t, d, x);
}
