//! MINRES: A x = b for a symmetric A, positive definite or not, by the smallest residual in the Krylov space.
//!
//! For a singular A the least-squares solution is reached: the method ends where A r = 0.
//!
//! Source: Paige and Saunders, "Solution of sparse indefinite systems of linear equations", SIAM J. Numer. Anal. 12 (1975).

use super::golub_kahan::check_right_side;
use super::lsqr::KrylovEnd;
use crate::operator::LinearOperator;
use crate::{Error, Result, kernel};

/// When MINRES stops.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MinresSettings {
    /// Stops at ‖b − Ax‖ ≤ tolerance·‖b‖, or at ‖Ar‖ ≤ tolerance·‖A‖‖r‖ (a least-squares solution of a singular system; there 1e-8 is the largest
    /// tolerance, because in an ill-conditioned system that has a solution Ar is small long before r is). Default 1e-8.
    pub tolerance: f64,
    /// Most steps, of one product each. Default 1000.
    pub max_steps: usize,
}

impl Default for MinresSettings {
    fn default() -> Self {
        Self { tolerance: 1e-8, max_steps: 1000 }
    }
}

/// The largest tolerance on ‖Ar‖.
const LEAST_SQUARES: f64 = 1e-8;

/// What MINRES found.
#[derive(Debug, Clone, PartialEq)]
pub struct MinresOutcome {
    /// The solution.
    pub x: Vec<f64>,
    /// ‖b − Ax‖.
    pub residual: f64,
    /// Products with A.
    pub products: usize,
    /// Why it ended; a least-squares solution of a system without a solution ends as [`KrylovEnd::SpaceExhausted`].
    pub end: KrylovEnd,
}

/// Solves A x = b from x = 0 for a symmetric operator.
///
/// # Errors
/// [`Error::InvalidData`] for an operator that is not square or gives values that are not finite, and for a `b` that does not fit; what the operator
/// fails with.
///
/// # Example
/// ```
/// use bilevel::operator::LinearOperator;
/// use bilevel::solver::{KrylovEnd, MinresSettings, minres};
///
/// /// diag(3, −2): symmetric, indefinite.
/// struct Saddle;
/// impl LinearOperator for Saddle {
///     fn n_rows(&self) -> usize {
///         2
///     }
///     fn n_columns(&self) -> usize {
///         2
///     }
///     fn apply_into(&self, x: &[f64], out: &mut [f64]) -> bilevel::Result<()> {
///         (out[0], out[1]) = (3.0 * x[0], -2.0 * x[1]);
///         Ok(())
///     }
///     fn adjoint_into(&self, y: &[f64], out: &mut [f64]) -> bilevel::Result<()> {
///         self.apply_into(y, out)
///     }
/// }
/// let found = minres(&Saddle, &[3.0, 4.0], &MinresSettings::default())?;
/// assert_eq!((found.end, found.products), (KrylovEnd::Converged, 2));
/// assert!((found.x[0] - 1.0).abs() < 1e-12 && (found.x[1] + 2.0).abs() < 1e-12);
/// # Ok::<(), bilevel::Error>(())
/// ```
pub fn minres(operator: &impl LinearOperator, b: &[f64], settings: &MinresSettings) -> Result<MinresOutcome> {
    check_square(operator)?;
    check_right_side(b, operator.n_rows())?;
    let size = b.len();
    let norm_b = kernel::dot(b, b).sqrt();
    let mut found =
        MinresOutcome { x: vec![0.0; size], residual: norm_b, products: 0, end: KrylovEnd::OutOfSteps };
    let [mut before, mut v, mut next] = [vec![0.0; size], b.to_vec(), vec![0.0; size]];
    let [mut direction_before, mut direction] = [vec![0.0; size], vec![0.0; size]];
    let stationary = settings.tolerance.min(LEAST_SQUARES);
    let mut rotations = Rotations { cosine: [1.0; 2], sine: [0.0; 2] };
    let (mut gamma, mut eta, mut largest) = (norm_b, norm_b, 0.0_f64);
    loop {
        if found.residual <= settings.tolerance * norm_b {
            found.end = KrylovEnd::Converged;
            break;
        }
        if found.products == settings.max_steps {
            break;
        }
        v.iter_mut().for_each(|v| *v /= gamma);
        operator.apply_into(&v, &mut next)?;
        found.products += 1;
        let delta = kernel::dot(&next, &v);
        kernel::axpy(-delta, &v, &mut next);
        kernel::axpy(-gamma, &before, &mut next);
        let gamma_next = kernel::dot(&next, &next).sqrt();
        largest = largest.max(delta.abs().hypot(gamma_next));
        let column = rotations.column(delta, gamma);
        // ‖Ar‖/‖r‖ before this step, Choi, Paige and Saunders (2011), lemma 3.3.
        let stalled = column.diagonal.hypot(rotations.cosine[1] * gamma_next) <= stationary * largest;
        let diagonal = column.diagonal.hypot(gamma_next);
        if !diagonal.is_finite() {
            return Err(Error::data(
                "products of a symmetric operator",
                diagonal.to_string(),
                "finite numbers",
            ));
        }
        if stalled || diagonal == 0.0 {
            found.end = KrylovEnd::SpaceExhausted;
            break;
        }
        rotations.push(column.diagonal / diagonal, gamma_next / diagonal);
        for ((w_before, w), v) in direction_before.iter_mut().zip(&direction).zip(&v) {
            *w_before = (v - column.second * *w_before - column.first * w) / diagonal;
        }
        std::mem::swap(&mut direction_before, &mut direction);
        kernel::axpy(rotations.cosine[1] * eta, &direction, &mut found.x);
        eta *= -rotations.sine[1];
        found.residual = eta.abs();
        std::mem::swap(&mut before, &mut v);
        std::mem::swap(&mut v, &mut next);
        gamma = gamma_next;
    }
    Ok(found)
}

/// The last two Givens rotations of the tridiagonal matrix, older first.
struct Rotations {
    cosine: [f64; 2],
    sine: [f64; 2],
}

/// A column of R, from the second superdiagonal down to the diagonal before its own rotation.
struct Column {
    second: f64,
    first: f64,
    diagonal: f64,
}

impl Rotations {
    fn column(&self, delta: f64, gamma: f64) -> Column {
        let ([c_old, c], [s_old, s]) = (self.cosine, self.sine);
        Column {
            second: s_old * gamma,
            first: s * delta + c_old * c * gamma,
            diagonal: c * delta - c_old * s * gamma,
        }
    }

    fn push(&mut self, cosine: f64, sine: f64) {
        self.cosine = [self.cosine[1], cosine];
        self.sine = [self.sine[1], sine];
    }
}

pub(crate) fn check_square(operator: &impl LinearOperator) -> Result<()> {
    let (rows, columns) = (operator.n_rows(), operator.n_columns());
    if rows == columns {
        return Ok(());
    }
    let found = format!("{rows} rows and {columns} columns");
    Err(Error::data("operator of a symmetric system", found, "as many rows as columns"))
}
