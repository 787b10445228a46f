//! Total variation for a measured image: A blurs, masks or projects.
//!
//! ```text
//! min_u  ½‖Au − f‖² + α Σ_i m_i (|(Du)_i| + κ|(D²u)_i|)
//! ```
//!
//! with m = 1 unless a map says where the penalty is stronger or weaker, and κ = 0 unless second differences are asked for: they turn steps back into the
//! ramps that they were, worth 0.3 dB on natural images. By alternating directions. Where one transform diagonalizes A (a periodic blur in
//! Fourier space) and the image may be negative, the split is at the gradient (`split.rs`): the fastest there is. Otherwise it is between the two terms:
//! u = (AᵀA + ρ)⁻¹(Aᵀf + ρ(z − y)), z = the total variation denoising of u + y at weight α/ρ, y ← y + u − z. The denoising goes on from its last dual field,
//! a few steps each time; ρ balances the two residuals. The inner solve is a [`NormalSolver`]: exact, or conjugate gradients.
//!
//! Sources: Wang, Yang, Yin, Zhang, "A new alternating minimization algorithm for total variation image reconstruction" (2008); Boyd et al., "Distributed
//! optimization and statistical learning via the alternating direction method of multipliers" (2011), §3.4 for ρ.

use super::dual::Dual;
use super::field::{Field, Problem};
use super::second::Extent;
use super::spectral::SpectralFilter;
use super::split::{Split, Splitting, Start};
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
/// Relative residual at which an inner solve has failed.
const CG_FAR: f64 = 1e-2;

/// Solves with AᵀA + ρI. Every `Fn(rho, b, out) -> Result<()>` is one; so are [`ConjugateGradients`].
pub trait NormalSolver: Sync {
    /// out = (AᵀA + ρI)⁻¹ b. `out` holds a guess.
    ///
    /// # Errors
    /// What the solver fails with.
    fn solve_into(&self, rho: f64, b: &[f64], out: &mut [f64]) -> Result<()>;

    /// The transform that does it, where there is one; by default none.
    fn spectral(&self) -> Option<&SpectralFilter> {
        None
    }
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
        let outcome = conjugate_gradient(product, copy, b, out, CG_TOLERANCE, CG_PRODUCTS);
        failure?;
        let left = outcome.residual / crate::kernel::dot(b, b).sqrt().max(f64::MIN_POSITIVE);
        // What is left goes on as the start of the next iteration; alternating directions bear that as long as it is little.
        if outcome.converged || left <= CG_FAR {
            return Ok(());
        }
        Err(Error::data(
            "operator of the restoration",
            format!("a residual of {left:.1e} after {} products with AᵀA", outcome.products),
            format!("at most {CG_FAR:.0e}: a solver of its own, or a larger weight"),
        ))
    }
}

/// Settings of [`TvDeblurring`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TvDeblurringSettings {
    /// Ends where both residuals are at most this times the size of what they compare; positive, default 1e-4.
    pub tolerance: f64,
    /// Largest number of iterations, at least 1; default 300.
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
    /// ½‖Au − f‖² + α Σ m_i (|(Du)_i| + κ|(D²u)_i|).
    pub objective: f64,
    /// Iterations spent.
    pub iterations: usize,
    /// The larger of the two relative residuals.
    pub residual: f64,
    /// Where the next solve may go on.
    state: State,
}

/// Where a solve ended, for the next to go on from.
#[derive(Debug, Clone, PartialEq)]
enum State {
    /// Split between the two terms.
    Terms(Terms),
    /// Split at the gradient.
    Gradient(Split),
}

#[derive(Debug, Clone, PartialEq)]
struct Terms {
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
    pub(super) operator: &'a A,
    solver: &'a S,
    pub(super) measured: &'a [f64],
    /// m.
    map: Vec<f64>,
    /// κ.
    second: f64,
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
        Ok(Self { shape, operator, solver, measured, map: vec![1.0; pixels], second: 0.0, settings })
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

    /// With κ times the second differences beside the first ones: 0.1 suits natural images. A transform has to diagonalize the operator, and the image may
    /// be negative.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for κ that is negative or not finite, or where it cannot be had.
    pub fn with_second_differences(mut self, kappa: f64) -> Result<Self> {
        if !(kappa >= 0.0 && kappa.is_finite()) {
            return Err(Error::setting("kappa", kappa, "a finite number, at least 0"));
        }
        if kappa > 0.0 && self.gradient_filter().is_none() {
            let expected = "0, or a solver by a transform that diagonalizes the operator, and an image that may be negative";
            return Err(Error::setting("kappa", kappa, expected));
        }
        self.second = kappa;
        Ok(self)
    }

    /// The transform by which the gradient can be split off.
    fn gradient_filter(&self) -> Option<&'a SpectralFilter> {
        let filter = self.solver.spectral().filter(|filter| filter.is_of(self.shape));
        filter.filter(|_| !self.settings.non_negative)
    }

    /// With other settings.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for a tolerance that is not positive and finite, no iterations, or a nonnegative image with second differences.
    pub fn with_settings(mut self, settings: TvDeblurringSettings) -> Result<Self> {
        if !(settings.tolerance > 0.0 && settings.tolerance.is_finite()) {
            return Err(Error::setting("tolerance", settings.tolerance, "a positive, finite number"));
        }
        if settings.max_iterations == 0 {
            return Err(Error::setting("max_iterations", 0, "at least 1"));
        }
        if settings.non_negative && self.second > 0.0 {
            return Err(Error::setting("non_negative", true, "false, with second differences"));
        }
        self.settings = settings;
        Ok(self)
    }

    /// The restored image at α, from an earlier one (at another α, or of other measurements) where there is one.
    ///
    /// # Errors
    /// [`Error::InvalidData`] unless α is positive and finite, or for a start of another size; what the operator and the solver fail with.
    pub fn restore(&self, alpha: f64, start: Option<&Deblurred>) -> Result<Deblurred> {
        self.restore_from(self.measured, alpha, start)
    }

    /// The same for other measurements.
    pub(super) fn restore_from(
        &self,
        measured: &[f64],
        alpha: f64,
        start: Option<&Deblurred>,
    ) -> Result<Deblurred> {
        check_weights("weight alpha", &[alpha], 1)?;
        let back = self.operator.adjoint(measured)?;
        if let Some(start) = start {
            check_length("start of a restoration", start.image.len(), back.len())?;
        }
        match self.gradient_filter() {
            Some(filter) => self.by_gradient(filter, measured, &back, alpha, start),
            None => self.by_terms(measured, &back, alpha, start),
        }
    }

    /// Split at the gradient.
    fn by_gradient(
        &self,
        filter: &SpectralFilter,
        measured: &[f64],
        back: &[f64],
        alpha: f64,
        start: Option<&Deblurred>,
    ) -> Result<Deblurred> {
        let from = match start {
            Some(Deblurred { image, state: State::Gradient(split), .. }) => Start::Split(split, image),
            Some(other) => Start::Image(&other.image),
            None => Start::Image(back),
        };
        let mut splitting =
            Splitting::new(filter, self.shape, (measured, back), (self.weights(alpha), self.second), from);
        let (iterations, residual) = self.until_settled(|_| splitting.iterate())?;
        let (image, split) = splitting.finish();
        let objective = self.objective(measured, alpha, &image)?;
        Ok(Deblurred { image, objective, iterations, residual, state: State::Gradient(split) })
    }

    /// Split between the two terms.
    fn by_terms(
        &self,
        measured: &[f64],
        back: &[f64],
        alpha: f64,
        start: Option<&Deblurred>,
    ) -> Result<Deblurred> {
        let mut state = match start {
            Some(Deblurred { state: State::Terms(terms), .. }) => terms.clone(),
            other => Terms {
                z: other.map_or(back, |start| &start.image).to_vec(),
                y: vec![0.0; back.len()],
                p: Field::zeros(back.len()),
                // Between the curvature of the data term, 1, and a weight that no detail survives.
                rho: (20.0 * alpha).clamp(1e-4, 1.0),
            },
        };
        let mut u = state.z.clone();
        let (iterations, residual) = self.until_settled(|iteration| {
            let (primal, dual) = self.iterate(back, alpha, &mut u, &mut state)?;
            if iteration % BALANCE_EVERY == 0 {
                state.balance(primal, dual);
            }
            Ok((primal, dual))
        })?;
        let objective = self.objective(measured, alpha, &state.z)?;
        Ok(Deblurred { image: state.z.clone(), objective, iterations, residual, state: State::Terms(state) })
    }

    /// Iterates until both residuals are small; how many, and the larger of the last two.
    fn until_settled(&self, mut iterate: impl FnMut(usize) -> Result<(f64, f64)>) -> Result<(usize, f64)> {
        let (mut iterations, mut residual) = (0, f64::INFINITY);
        while iterations < self.settings.max_iterations && residual > self.settings.tolerance {
            iterations += 1;
            let (primal, dual) = iterate(iterations)?;
            residual = primal.max(dual);
        }
        Ok((iterations, residual))
    }

    /// One iteration; the relative primal and dual residual.
    fn iterate(&self, back: &[f64], alpha: f64, u: &mut [f64], state: &mut Terms) -> Result<(f64, f64)> {
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

    /// ½‖Au − f‖² + α Σ m_i (|(Du)_i| + κ|(D²u)_i|).
    fn objective(&self, measured: &[f64], alpha: f64, u: &[f64]) -> Result<f64> {
        let predicted = self.operator.apply(u)?;
        let misfit: f64 = predicted.iter().zip(measured).map(|(a, f)| (a - f) * (a - f)).sum();
        let problem = Problem::new(self.shape, u, vec![1.0; u.len()], self.weights(alpha), 0.0, false);
        let extent = Extent { rows: self.shape.0, cols: self.shape.1, periodic: false };
        let second =
            if self.second > 0.0 { extent.penalty(u, &self.weights(self.second * alpha)) } else { 0.0 };
        Ok(0.5 * misfit + problem.objective(u) + second)
    }

    /// The map times a number.
    fn weights(&self, alpha: f64) -> Vec<f64> {
        self.map.iter().map(|m| alpha * m).collect()
    }
}

impl Terms {
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
