//! Total variation for a measured image: A blurs, masks or projects.
//!
//! ```text
//! min_u  ½‖Au − f‖² + α Σ_i m_i |(Du)_i|
//! ```
//!
//! with m = 1 unless a map says where the penalty is stronger or weaker, by alternating directions: u = (AᵀA + ρ)⁻¹(Aᵀf + ρ(z − y)), z = the total variation denoising of u + y at weight α/ρ, y ← y + u − z. The denoising goes on
//! from its last dual field, a few steps each time; ρ balances the two residuals. The inner solve is exact where A is diagonal in some basis (a
//! periodic blur in Fourier space), given as a [`NormalSolver`]; otherwise conjugate gradients.
//!
//! α is chosen by Stein's unbiased estimate of the *predictive* risk ‖A(u − u_true)‖²/m, with the finite-difference probe of [`super::TvSure`], by golden
//! sections in log α: each value goes on from the solutions of the one before.
//!
//! Sources: Wang, Yang, Yin, Zhang, "A new alternating minimization algorithm for total variation image reconstruction" (2008); Boyd et al., "Distributed
//! optimization and statistical learning via the alternating direction method of multipliers" (2011), §3.4 for ρ.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::dual::Dual;
use super::field::{Field, Problem};
use super::{check_length, check_weights};
use crate::operator::LinearOperator;
use crate::solver::conjugate_gradient;
use crate::{Error, Result};

/// Steps of the denoising in one iteration: 5 need twice as many iterations, 25 cost more than the iterations they save (512², blur of width 2).
const INNER_STEPS: usize = 10;
/// Relative gap at which a denoising step is exact enough.
const INNER_GAP: f64 = 1e-9;
/// Iterations between two looks at ρ, and the ratio of residuals that changes it.
const BALANCE_EVERY: usize = 5;
const BALANCE: f64 = 4.0;
/// Relative residual and largest number of products of an inner solve by conjugate gradients.
const CG_TOLERANCE: f64 = 1e-8;
const CG_PRODUCTS: usize = 200;
/// Values of α that golden sections try.
const SECTIONS: usize = 10;

/// Solves with AᵀA + ρI. Every `Fn(rho, b, out) -> Result<()>` is one; so are [`ConjugateGradients`].
pub trait NormalSolver: Sync {
    /// out = (AᵀA + ρI)⁻¹ b. `out` holds a guess.
    ///
    /// # Errors
    /// What the solver fails with.
    fn solve_into(&self, rho: f64, b: &[f64], out: &mut [f64]) -> Result<()>;
}

impl<F: Fn(f64, &[f64], &mut [f64]) -> Result<()> + Sync> NormalSolver for F {
    fn solve_into(&self, rho: f64, b: &[f64], out: &mut [f64]) -> Result<()> {
        self(rho, b, out)
    }
}

/// The inner solve for any operator.
#[derive(Debug, Clone, Copy)]
pub struct ConjugateGradients<A>(pub A);

impl<A: LinearOperator> NormalSolver for ConjugateGradients<A> {
    fn solve_into(&self, rho: f64, b: &[f64], out: &mut [f64]) -> Result<()> {
        let mut image = vec![0.0; self.0.n_rows()];
        let mut failure = Ok(());
        let product = |v: &[f64], product: &mut [f64]| {
            let done = self.0.apply_into(v, &mut image).and_then(|()| self.0.adjoint_into(&image, product));
            if done.is_err() {
                failure = done;
            }
            crate::kernel::axpy(rho, v, product);
        };
        let copy = |r: &[f64], z: &mut [f64]| z.copy_from_slice(r);
        conjugate_gradient(product, copy, b, out, CG_TOLERANCE, CG_PRODUCTS);
        failure
    }
}

/// Settings of [`TvDeblurring`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TvDeblurringSettings {
    /// Ends where both residuals are at most this times the size of what they compare; default 1e-4.
    pub tolerance: f64,
    /// Largest number of iterations; default 300.
    pub max_iterations: usize,
    /// Whether the image may not be negative; default no.
    pub non_negative: bool,
}

impl Default for TvDeblurringSettings {
    fn default() -> Self {
        Self { tolerance: 1e-4, max_iterations: 300, non_negative: false }
    }
}

/// A restored image.
#[derive(Debug, Clone, PartialEq)]
pub struct Deblurred {
    /// The image, row by row.
    pub image: Vec<f64>,
    /// ½‖Au − f‖² + α Σ m_i |(Du)_i|.
    pub objective: f64,
    /// Iterations spent.
    pub iterations: usize,
    /// The larger of the two relative residuals.
    pub residual: f64,
    /// Where the next solve may go on.
    state: State,
}

/// A weight with its restored image and the estimate that chose it.
#[derive(Debug, Clone, PartialEq)]
pub struct ChosenWeight {
    /// α.
    pub alpha: f64,
    /// The estimated predictive risk (1/m)‖A(u − u_true)‖² there.
    pub risk: f64,
    /// The image.
    pub restored: Deblurred,
    /// All (α, estimate) tried, in order.
    pub curve: Vec<(f64, f64)>,
}

#[derive(Debug, Clone, PartialEq)]
struct State {
    z: Vec<f64>,
    /// The scaled multiplier.
    y: Vec<f64>,
    /// The dual field of the penalty, in units of α.
    p: Field,
    rho: f64,
}

/// Total variation restoration of one measured image.
///
/// # Example
/// Inpainting: the middle pixel is not seen.
/// ```
/// use bilevel::inverse::{ConjugateGradients, TvDeblurring};
/// use bilevel::operator::LinearOperator;
///
/// struct Mask;
/// impl LinearOperator for Mask {
///     fn n_rows(&self) -> usize {
///         3
///     }
///     fn n_columns(&self) -> usize {
///         3
///     }
///     fn apply_into(&self, x: &[f64], out: &mut [f64]) -> bilevel::Result<()> {
///         out.copy_from_slice(&[x[0], 0.0, x[2]]);
///         Ok(())
///     }
///     fn adjoint_into(&self, y: &[f64], out: &mut [f64]) -> bilevel::Result<()> {
///         self.apply_into(y, out)
///     }
/// }
///
/// let solver = ConjugateGradients(&Mask);
/// let tv = TvDeblurring::new((1, 3), &Mask, &solver, &[1.0, 0.0, 1.0])?;
/// let restored = tv.restore(0.01, None)?;
/// assert!((restored.image[1] - 1.0).abs() < 1e-2);
/// # Ok::<(), bilevel::Error>(())
/// ```
pub struct TvDeblurring<'a, A, S> {
    shape: (usize, usize),
    operator: &'a A,
    solver: &'a S,
    measured: &'a [f64],
    /// m.
    map: Vec<f64>,
    settings: TvDeblurringSettings,
}

impl<'a, A: LinearOperator, S: NormalSolver> TvDeblurring<'a, A, S> {
    /// The image has `shape` (rows, columns); `measured` = f has the length of A u.
    ///
    /// # Errors
    /// [`Error::InvalidData`] for sizes that do not fit, or measurements that are not finite.
    pub fn new(shape: (usize, usize), operator: &'a A, solver: &'a S, measured: &'a [f64]) -> Result<Self> {
        let pixels = shape.0.saturating_mul(shape.1);
        check_length(
            "vectors that the operator is applied to, for this image",
            operator.n_columns(),
            pixels,
        )?;
        check_length("measurements", measured.len(), operator.n_rows())?;
        if pixels == 0 {
            return Err(Error::data("shape of the image", format!("{shape:?}"), "at least one pixel"));
        }
        if let Some(i) = measured.iter().position(|f| !f.is_finite()) {
            return Err(Error::data(
                format!("measurement {i}"),
                measured[i].to_string(),
                "finite measurements",
            ));
        }
        let settings = TvDeblurringSettings::default();
        Ok(Self { shape, operator, solver, measured, map: vec![1.0; pixels], settings })
    }

    /// With α·m_i as the weight of pixel i.
    ///
    /// # Errors
    /// [`Error::InvalidData`] unless there is one positive number for each pixel.
    pub fn with_map(mut self, map: Vec<f64>) -> Result<Self> {
        check_weights("map of the weight alpha", &map, self.map.len())?;
        self.map = map;
        Ok(self)
    }

    /// With other settings.
    #[must_use]
    pub fn with_settings(mut self, settings: TvDeblurringSettings) -> Self {
        self.settings = settings;
        self
    }

    /// The restored image at α, from an earlier one (at another α, or of other measurements) where there is one.
    ///
    /// # Errors
    /// [`Error::InvalidData`] unless α is positive and finite, or for a start of another size; what the operator and the solver fail with.
    pub fn restore(&self, alpha: f64, start: Option<&Deblurred>) -> Result<Deblurred> {
        self.restore_from(self.measured, alpha, start)
    }

    fn restore_from(&self, measured: &[f64], alpha: f64, start: Option<&Deblurred>) -> Result<Deblurred> {
        check_weights("weight alpha", &[alpha], 1)?;
        let back = self.operator.adjoint(measured)?;
        let mut state = match start {
            Some(start) => start.state.clone(),
            None => State {
                z: back.clone(),
                y: vec![0.0; back.len()],
                p: Field::zeros(back.len()),
                // Between the curvature of the data term, 1, and a weight that no detail survives.
                rho: (20.0 * alpha).clamp(1e-4, 1.0),
            },
        };
        check_length("start of a restoration", state.z.len(), back.len())?;
        let mut u = state.z.clone();
        let (mut iterations, mut residual) = (0, f64::INFINITY);
        while iterations < self.settings.max_iterations && residual > self.settings.tolerance {
            iterations += 1;
            let (primal, dual) = self.iterate(&back, alpha, &mut u, &mut state)?;
            residual = primal.max(dual);
            if iterations % BALANCE_EVERY == 0 {
                state.balance(primal, dual);
            }
        }
        let objective = self.objective(measured, alpha, &state.z)?;
        Ok(Deblurred { image: state.z.clone(), objective, iterations, residual, state })
    }

    /// One iteration; the relative primal and dual residual.
    fn iterate(&self, back: &[f64], alpha: f64, u: &mut [f64], state: &mut State) -> Result<(f64, f64)> {
        let rho = state.rho;
        let terms = back.iter().zip(&state.z).zip(&state.y);
        let right: Vec<f64> = terms.map(|((b, z), y)| b + rho * (z - y)).collect();
        self.solver.solve_into(rho, &right, u)?;
        let noisy: Vec<f64> = u.iter().zip(&state.y).map(|(u, y)| u + y).collect();
        let before = std::mem::take(&mut state.z);
        state.z = state.p.denoise(self.shape, &noisy, self.weights(alpha / rho), self.settings.non_negative);
        let (mut apart, mut moved, mut size, mut force) = (0.0, 0.0, 0.0, 0.0);
        for (i, y) in state.y.iter_mut().enumerate() {
            let (difference, change) = (u[i] - state.z[i], state.z[i] - before[i]);
            *y += difference;
            apart += difference * difference;
            moved += change * change;
            size += state.z[i] * state.z[i];
            force += *y * *y;
        }
        let relative = |part: f64, whole: f64| (part / whole.max(f64::MIN_POSITIVE)).sqrt();
        Ok((relative(apart, size), relative(moved, force.max(1e-6 * size))))
    }

    /// ½‖Au − f‖² + α Σ m_i |(Du)_i|.
    fn objective(&self, measured: &[f64], alpha: f64, u: &[f64]) -> Result<f64> {
        let predicted = self.operator.apply(u)?;
        let misfit: f64 = predicted.iter().zip(measured).map(|(a, f)| (a - f) * (a - f)).sum();
        let problem = Problem::new(self.shape, u, vec![1.0; u.len()], self.weights(alpha), 0.0, false);
        Ok(0.5 * misfit + problem.objective(u))
    }

    /// The map times a number.
    fn weights(&self, alpha: f64) -> Vec<f64> {
        self.map.iter().map(|m| alpha * m).collect()
    }

    /// The weight between `lower` and `upper` whose estimated predictive risk is smallest, for measurements with white Gaussian noise of standard deviation
    /// `sigma`; the probe of the estimate is drawn from `seed`.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for a σ or an interval that is not positive and finite; otherwise as [`TvDeblurring::restore`].
    pub fn choose(&self, sigma: f64, (lower, upper): (f64, f64), seed: u64) -> Result<ChosenWeight> {
        if !(sigma > 0.0 && sigma.is_finite()) {
            return Err(Error::setting("sigma", sigma, "a positive, finite standard deviation of the noise"));
        }
        if !(lower > 0.0 && lower < upper && upper.is_finite()) {
            let expected = "0 < lower < upper, both finite";
            return Err(Error::setting("interval of alpha", format!("{lower} to {upper}"), expected));
        }
        let mut estimate = Estimate::new(self, sigma, seed);
        let golden = 0.5 * (5.0_f64.sqrt() - 1.0);
        let (mut low, mut high) = (lower.ln(), upper.ln());
        let (mut a, mut b) = (high - golden * (high - low), low + golden * (high - low));
        // From the smoother side, whose solutions are the easier starts.
        let mut at_b = estimate.at(b)?;
        let mut at_a = estimate.at(a)?;
        for _ in 2..SECTIONS {
            if at_a < at_b {
                (high, b, at_b) = (b, a, at_a);
                a = high - golden * (high - low);
                at_a = estimate.at(a)?;
            } else {
                (low, a, at_a) = (a, b, at_b);
                b = low + golden * (high - low);
                at_b = estimate.at(b)?;
            }
        }
        estimate.finish()
    }
}

impl State {
    /// Moves ρ where one residual is much larger than the other; the scaled multiplier goes along.
    fn balance(&mut self, primal: f64, dual: f64) {
        let factor = if primal > BALANCE * dual {
            2.0
        } else if dual > BALANCE * primal {
            0.5
        } else {
            return;
        };
        self.rho *= factor;
        self.y.iter_mut().for_each(|y| *y /= factor);
    }
}

impl Field {
    /// A few steps of total variation denoising, from the dual field in units of the weights, which is kept for the next time.
    fn denoise(
        &mut self,
        shape: (usize, usize),
        image: &[f64],
        weights: Vec<f64>,
        non_negative: bool,
    ) -> Vec<f64> {
        let scaled = |plane: &[f64], scale: &dyn Fn(usize) -> f64| {
            plane.iter().enumerate().map(|(i, p)| p * scale(i)).collect::<Vec<f64>>()
        };
        let up = |i: usize| weights[i];
        let mut start = Field { x: scaled(&self.x, &up), y: scaled(&self.y, &up) };
        let data = vec![1.0; image.len()];
        let problem = Problem::new(shape, image, data, weights.clone(), 0.0, non_negative);
        problem.project(&mut start);
        let mut dual = Dual::new(&problem, start);
        dual.run(&problem, INNER_GAP, INNER_STEPS);
        let down = |i: usize| 1.0 / weights[i];
        *self = Field { x: scaled(&dual.p.x, &down), y: scaled(&dual.p.y, &down) };
        dual.u
    }
}

/// The risk estimate along its search.
struct Estimate<'e, 'a, A, S> {
    problem: &'e TvDeblurring<'a, A, S>,
    sigma: f64,
    probe: Vec<f64>,
    step: f64,
    perturbed: Vec<f64>,
    last: Option<(Deblurred, Deblurred)>,
    best: Option<(f64, f64, Deblurred)>,
    curve: Vec<(f64, f64)>,
}

impl<'e, 'a, A: LinearOperator, S: NormalSolver> Estimate<'e, 'a, A, S> {
    fn new(problem: &'e TvDeblurring<'a, A, S>, sigma: f64, seed: u64) -> Self {
        let m = problem.measured.len();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let probe: Vec<f64> = (0..m).map(|_| StandardNormal.sample(&mut rng)).collect();
        let step = 2.0 * sigma / (m as f64).powf(0.3);
        let perturbed = problem.measured.iter().zip(&probe).map(|(f, d)| f + step * d).collect();
        Self { problem, sigma, probe, step, perturbed, last: None, best: None, curve: Vec::new() }
    }

    /// (1/m)(‖Au − f‖² + (2σ²/ε) δᵀA(u_ε − u)) − σ² at α = e^θ.
    fn at(&mut self, theta: f64) -> Result<f64> {
        let alpha = theta.exp();
        let (clean, perturbed) = match self.last.take() {
            Some((clean, perturbed)) => (Some(clean), Some(perturbed)),
            None => (None, None),
        };
        let (problem, shifted) = (self.problem, &self.perturbed);
        let clean = problem.restore(alpha, clean.as_ref())?;
        // Both from one place, so that what is left unsolved cancels in the difference.
        let perturbed = problem.restore_from(shifted, alpha, perturbed.as_ref().or(Some(&clean)))?;
        let (seen, seen_shifted) =
            (problem.operator.apply(&clean.image)?, problem.operator.apply(&perturbed.image)?);
        let m = self.probe.len() as f64;
        let misfit: f64 = seen.iter().zip(problem.measured).map(|(a, f)| (a - f) * (a - f)).sum();
        let moved: f64 =
            self.probe.iter().zip(seen_shifted.iter().zip(&seen)).map(|(d, (b, a))| d * (b - a)).sum();
        let square = self.sigma * self.sigma;
        let risk = (misfit + 2.0 * square / self.step * moved) / m - square;
        self.curve.push((alpha, risk));
        if self.best.as_ref().is_none_or(|(_, lowest, _)| risk < *lowest) {
            self.best = Some((alpha, risk, clean.clone()));
        }
        self.last = Some((clean, perturbed));
        Ok(risk)
    }

    fn finish(self) -> Result<ChosenWeight> {
        let (alpha, risk, restored) = self.best.ok_or(Error::Interrupted)?;
        Ok(ChosenWeight { alpha, risk, restored, curve: self.curve })
    }
}
