//! Lanczos tridiagonalization, and what it gives: quadrature for bᵀf(A)b, stochastic traces tr f(A), log det A = tr ln A.
//!
//! k steps from b give T = VᵀAV, and ‖b‖²·e₁ᵀf(T)e₁ is Gauss quadrature for bᵀf(A)b: exact for polynomials up to degree 2k − 1. For b with
//! independent signs, E bᵀf(A)b = tr f(A) (Hutchinson). The standard error over the probes is reported; what the quadrature leaves
//! open is not in it, and vanishes geometrically with the steps for functions that are smooth on the spectrum.
//!
//! Sources: Golub and Meurant, *Matrices, Moments and Quadrature* (2010); Ubaru, Chen, Saad, SIAM J. Matrix Anal. 38 (2017).

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::golub_kahan::{Basis, check_right_side, normalize};
use super::minres::check_square;
use super::spectrum::Spectrum;
use crate::operator::LinearOperator;
use crate::{Error, Result, kernel};

/// A new vector of this fraction of the operator's norm is rounding.
const NEGLIGIBLE: f64 = 1e-14;

/// T of a tridiagonalization A V = V T + (a multiple of the next vector).
#[derive(Debug, Clone, PartialEq)]
pub struct Tridiagonal {
    /// Diagonal, of length k.
    pub diagonal: Vec<f64>,
    /// Off-diagonal, of length k − 1.
    pub off_diagonal: Vec<f64>,
    /// The number that would come next in `off_diagonal`; 0 where the Krylov space is exhausted.
    pub next: f64,
    /// ‖b‖.
    pub norm: f64,
    /// Products with A.
    pub products: usize,
}

/// At most `steps` Lanczos steps of a symmetric positive semidefinite operator from b; `reorthogonalize` keeps all vectors orthogonal, at the
/// price of their memory.
///
/// # Errors
/// [`Error::InvalidData`] for an operator that is not square and a `b` that does not fit; what the operator fails with.
///
/// # Example
/// See [`stochastic_trace`].
pub fn lanczos(
    operator: &impl LinearOperator,
    b: &[f64],
    steps: usize,
    reorthogonalize: bool,
) -> Result<Tridiagonal> {
    check_square(operator)?;
    check_right_side(b, operator.n_rows())?;
    let mut v = b.to_vec();
    let norm = normalize(&mut v);
    let [mut before, mut image] = [vec![0.0; v.len()], vec![0.0; v.len()]];
    let mut basis = Basis::default();
    let mut found =
        Tridiagonal { diagonal: Vec::new(), off_diagonal: Vec::new(), next: norm, norm, products: 0 };
    let mut largest = 0.0_f64;
    while found.products < steps && found.next > NEGLIGIBLE * largest {
        operator.apply_into(&v, &mut image)?;
        if found.products > 0 {
            found.off_diagonal.push(found.next);
            kernel::axpy(-found.next, &before, &mut image);
        }
        found.products += 1;
        let diagonal = kernel::dot(&image, &v);
        kernel::axpy(-diagonal, &v, &mut image);
        found.diagonal.push(diagonal);
        if reorthogonalize {
            basis.push(&v);
            basis.orthogonalize(&mut image);
        }
        std::mem::swap(&mut before, &mut v);
        std::mem::swap(&mut v, &mut image);
        found.next = normalize(&mut v);
        largest = largest.max(diagonal.abs()).max(found.next);
    }
    if found.next <= NEGLIGIBLE * largest {
        found.next = 0.0;
    }
    Ok(found)
}

impl Tridiagonal {
    /// All entries of the matrix, one column after another.
    pub(crate) fn matrix(&self) -> Vec<f64> {
        let size = self.diagonal.len();
        let mut matrix = vec![0.0; size * size];
        for (k, value) in self.diagonal.iter().enumerate() {
            matrix[k * size + k] = *value;
        }
        for (k, value) in self.off_diagonal.iter().enumerate() {
            matrix[k * size + k + 1] = *value;
            matrix[(k + 1) * size + k] = *value;
        }
        matrix
    }

    /// ‖b‖²·e₁ᵀf(T)e₁, an approximation of bᵀf(A)b.
    ///
    /// # Errors
    /// [`Error::InvalidData`] if the eigenvalues of T are not found, which only numbers that are not finite can cause.
    pub fn quadrature(&self, f: impl Fn(f64) -> f64) -> Result<f64> {
        let size = self.diagonal.len();
        if size == 0 {
            return Ok(0.0);
        }
        let spectrum = Spectrum::new(size, &self.matrix()).ok_or_else(|| {
            Error::data("Lanczos matrix", "entries that are not finite", "an operator with finite products")
        })?;
        let mut first = vec![0.0; size];
        first[0] = 1.0;
        Ok(self.norm * self.norm * spectrum.apply(&first, f)[0])
    }
}

/// How traces are estimated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TraceSettings {
    /// Independent sign vectors. Default 10.
    pub probes: usize,
    /// Lanczos steps for each. Default 30.
    pub steps: usize,
    /// Seed of the signs. Default 0.
    pub seed: u64,
}

impl Default for TraceSettings {
    fn default() -> Self {
        Self { probes: 10, steps: 30, seed: 0 }
    }
}

/// An estimated trace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TraceEstimate {
    /// The mean over the probes.
    pub value: f64,
    /// Its standard error; +∞ with one probe.
    pub standard_error: f64,
    /// Products with the operator.
    pub products: usize,
}

/// tr f(A) for a symmetric positive semidefinite operator; with f = ln its log determinant.
///
/// # Errors
/// As [`lanczos`]; [`Error::InvalidSetting`] without probes or steps.
///
/// # Example
/// ```
/// use bilevel::operator::LinearOperator;
/// use bilevel::solver::{TraceSettings, stochastic_trace};
///
/// /// diag(1, …, n): signs see the trace of any function of it without error.
/// struct Numbers(usize);
/// impl LinearOperator for Numbers {
///     fn n_rows(&self) -> usize {
///         self.0
///     }
///     fn n_columns(&self) -> usize {
///         self.0
///     }
///     fn apply_into(&self, x: &[f64], out: &mut [f64]) -> bilevel::Result<()> {
///         out.iter_mut().zip(x).enumerate().for_each(|(k, (out, x))| *out = (k + 1) as f64 * x);
///         Ok(())
///     }
///     fn adjoint_into(&self, y: &[f64], out: &mut [f64]) -> bilevel::Result<()> {
///         self.apply_into(y, out)
///     }
/// }
/// let log_det = stochastic_trace(&Numbers(9), f64::ln, &TraceSettings::default())?;
/// assert!((log_det.value - 362_880.0_f64.ln()).abs() < 1e-10);
/// # Ok::<(), bilevel::Error>(())
/// ```
pub fn stochastic_trace(
    operator: &impl LinearOperator,
    f: impl Fn(f64) -> f64,
    settings: &TraceSettings,
) -> Result<TraceEstimate> {
    if settings.steps == 0 {
        return Err(Error::setting("steps", 0, "at least one"));
    }
    mean_over_probes(operator.n_rows(), settings, |probe| {
        let tridiagonal = lanczos(operator, probe, settings.steps, true)?;
        Ok((tridiagonal.quadrature(&f)?, tridiagonal.products))
    })
}

/// tr A for any square operator (Hutchinson): the mean of zᵀAz over sign vectors z, one product each. `settings.steps` is not used.
///
/// # Errors
/// [`Error::InvalidData`] for an operator that is not square; [`Error::InvalidSetting`] without probes; what the operator fails with.
///
/// # Example
/// See [`stochastic_trace`].
pub fn hutchinson_trace(operator: &impl LinearOperator, settings: &TraceSettings) -> Result<TraceEstimate> {
    check_square(operator)?;
    let mut image = vec![0.0; operator.n_rows()];
    mean_over_probes(operator.n_rows(), settings, |probe| {
        operator.apply_into(probe, &mut image)?;
        Ok((kernel::dot(&image, probe), 1))
    })
}

fn mean_over_probes(
    size: usize,
    settings: &TraceSettings,
    mut estimate: impl FnMut(&[f64]) -> Result<(f64, usize)>,
) -> Result<TraceEstimate> {
    if settings.probes == 0 {
        return Err(Error::setting("probes", 0, "at least one"));
    }
    let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
    let (mut values, mut products) = (Vec::with_capacity(settings.probes), 0);
    for _ in 0..settings.probes {
        let (value, spent) = estimate(&signs(size, &mut rng))?;
        values.push(value);
        products += spent;
    }
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    let standard_error =
        if values.len() > 1 { (squares / (count * (count - 1.0))).sqrt() } else { f64::INFINITY };
    Ok(TraceEstimate { value: mean, standard_error, products })
}

/// ±1, independent and equally likely.
pub(crate) fn signs(size: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    (0..size).map(|_| if rng.random::<bool>() { 1.0 } else { -1.0 }).collect()
}

/// The first sign vector of a seed.
pub(crate) fn signs_from(size: usize, seed: u64) -> Vec<f64> {
    signs(size, &mut ChaCha8Rng::seed_from_u64(seed))
}
