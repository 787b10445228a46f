//! Strong convexity, Lipschitz constants, and norms of operators that are known by their products.
//!
//! Up to [`DENSE`] columns the matrix is put together from its products and its eigenvalues are exact. Beyond, Lanczos with full
//! reorthogonalization finds the ends of the spectrum of H, and the power method the norm of a rectangular operator; both come from inside the
//! spectrum, so they are marked [`Evidence::Estimated`].
//!
//! Source: Golub, Van Loan, "Matrix Computations" (2013), section 10.1.

use faer::{MatRef, Side};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::map::check_start;
use super::{IterationMap, SmoothProblem, check_vector, norm};
use crate::kernel::dot;
use crate::operator::LinearOperator;
use crate::solver::lanczos;
use crate::{Error, Result};

/// Up to this many columns the exact way costs less than a second.
const DENSE: usize = 300;
/// Lanczos steps: the ends of the spectrum are found to a percent or so long before.
const LANCZOS_STEPS: usize = 80;
/// Power iterations.
const POWER_STEPS: usize = 60;

/// How much a number proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// It follows from what the user states, or from exact linear algebra.
    Proven,
    /// It rests on an estimate from inside the spectrum, or on differences along one direction.
    Estimated,
}

impl Evidence {
    /// The weaker of the two.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if self == Self::Proven { other } else { self }
    }
}

/// Smallest and largest eigenvalue of H = ∇²_{yy}F at one point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpectralBounds {
    /// μ.
    pub smallest: f64,
    /// Lip(∇_yF).
    pub largest: f64,
    /// Whether they are exact.
    pub evidence: Evidence,
}

/// The ends of the spectrum of H at (y, λ).
///
/// # Errors
/// [`Error::InvalidData`] for vectors of the wrong length, [`Error::AdjointSolve`] if eigenvalues are not found (H holds NaN); what the problem reports.
pub fn spectral_bounds(problem: &dyn SmoothProblem, y: &[f64], lambda: &[f64]) -> Result<SpectralBounds> {
    let p = problem.n_coefficients();
    check_vector("y of the spectral bounds", y, p)?;
    check_vector("λ of the spectral bounds", lambda, problem.n_hyperparameters())?;
    let hessian = Hessian { problem, y, lambda };
    if p <= DENSE {
        let hessian = columns(p, p, &mut |v, out| hessian.apply_into(v, out))?;
        let (smallest, largest) = ends(p, &hessian)?;
        return Ok(SpectralBounds { smallest, largest, evidence: Evidence::Proven });
    }
    let krylov = lanczos(&hessian, &random_unit(p), LANCZOS_STEPS, true)?;
    let (smallest, largest) = ends(krylov.diagonal.len(), &krylov.matrix())?;
    Ok(SpectralBounds { smallest, largest, evidence: Evidence::Estimated })
}

/// H = ∇²_{yy}F at one point, as a symmetric operator.
pub(crate) struct Hessian<'a> {
    pub problem: &'a dyn SmoothProblem,
    pub y: &'a [f64],
    pub lambda: &'a [f64],
}

impl LinearOperator for Hessian<'_> {
    fn n_rows(&self) -> usize {
        self.y.len()
    }

    fn n_columns(&self) -> usize {
        self.y.len()
    }

    fn apply_into(&self, v: &[f64], out: &mut [f64]) -> Result<()> {
        self.problem.hessian_product_into(self.y, self.lambda, v, out)
    }

    fn adjoint_into(&self, v: &[f64], out: &mut [f64]) -> Result<()> {
        self.apply_into(v, out)
    }
}

/// A spectral norm and how it is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OperatorNorm {
    /// ‖A‖₂.
    pub value: f64,
    /// Whether it is exact.
    pub evidence: Evidence,
}

/// ‖A‖₂ of a `rows`×`columns` operator, given v ↦ A v and v ↦ Aᵀ v.
///
/// # Errors
/// [`Error::AdjointSolve`] if A holds NaN; what the products report.
pub fn operator_norm(
    (rows, columns): (usize, usize),
    mut product: impl FnMut(&[f64], &mut [f64]) -> Result<()>,
    mut adjoint: impl FnMut(&[f64], &mut [f64]) -> Result<()>,
) -> Result<OperatorNorm> {
    if rows.min(columns) == 0 {
        return Ok(OperatorNorm { value: 0.0, evidence: Evidence::Proven });
    }
    if columns.min(rows) <= DENSE {
        // The Gram matrix of the shorter side.
        let (long, short) = (rows.max(columns), rows.min(columns));
        let matrix = if columns <= rows {
            self::columns(long, short, &mut product)?
        } else {
            self::columns(long, short, &mut adjoint)?
        };
        let mut gram = vec![0.0; short * short];
        for i in 0..short {
            for j in 0..=i {
                let entry = dot(&matrix[i * long..][..long], &matrix[j * long..][..long]);
                gram[i * short + j] = entry;
                gram[j * short + i] = entry;
            }
        }
        let value = ends(short, &gram)?.1.max(0.0).sqrt();
        return Ok(OperatorNorm { value, evidence: Evidence::Proven });
    }
    let mut v = random_unit(columns);
    let mut image = vec![0.0; rows];
    let mut value = 0.0;
    for _ in 0..POWER_STEPS {
        product(&v, &mut image)?;
        value = norm(&image);
        adjoint(&image, &mut v)?;
        let length = norm(&v);
        if length == 0.0 || !length.is_finite() {
            break;
        }
        v.iter_mut().for_each(|x| *x /= length);
    }
    if !value.is_finite() {
        let reason = "the operator gives values that are not finite".to_owned();
        return Err(Error::AdjointSolve { size: columns, reason });
    }
    Ok(OperatorNorm { value, evidence: Evidence::Estimated })
}

/// How much a map contracts at a point, and how much it moves with its hyperparameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contraction {
    /// q = ‖∂_sT‖₂; below 1 the map contracts there.
    pub factor: f64,
    /// ‖∂_λT‖₂.
    pub hyper_norm: f64,
    /// How both are known.
    pub evidence: Evidence,
}

impl Contraction {
    /// Of T_k at a state, usually the fixed point.
    ///
    /// # Errors
    /// [`Error::InvalidData`] for vectors of the wrong length; what the map reports.
    pub fn measure(map: &dyn IterationMap, k: usize, state: &[f64], hyper: &[f64]) -> Result<Self> {
        let (n, m) = (map.state_length(), map.n_hyperparameters());
        check_start(map, hyper, state.get(..map.n_coefficients()).unwrap_or_default())?;
        check_vector("state of the contraction", state, n)?;
        let (no_state, no_hyper) = (vec![0.0; n], vec![0.0; m]);
        let mut unused_state = vec![0.0; n];
        let mut unused_hyper = vec![0.0; m];
        let factor = operator_norm(
            (n, n),
            |v, out| map.tangent_into(k, (state, hyper), (v, &no_hyper), out),
            |v, out| map.adjoint_into(k, (state, hyper), v, out, &mut unused_hyper),
        )?;
        let hyper_norm = operator_norm(
            (n, m),
            |u, out| map.tangent_into(k, (state, hyper), (&no_state, u), out),
            |v, out| {
                out.fill(0.0);
                map.adjoint_into(k, (state, hyper), v, &mut unused_state, out)
            },
        )?;
        let evidence = factor.evidence.and(hyper_norm.evidence);
        Ok(Self { factor: factor.value, hyper_norm: hyper_norm.value, evidence })
    }

    /// Refuses a map that does not contract: no bound holds for it.
    pub(crate) fn require(&self) -> Result<()> {
        if self.factor < 1.0 {
            return Ok(());
        }
        Err(Error::data(
            "contraction factor of the iteration map",
            self.factor.to_string(),
            "less than 1 (a step below 2/Lip, no momentum, a strongly convex lower level)",
        ))
    }
}

/// v ↦ A v.
type Product<'a> = dyn FnMut(&[f64], &mut [f64]) -> Result<()> + 'a;

/// The columns of a matrix, one after the other.
pub(crate) fn columns(rows: usize, columns: usize, product: &mut Product<'_>) -> Result<Vec<f64>> {
    let mut matrix = vec![0.0; rows * columns];
    let mut unit = vec![0.0; columns];
    for (j, column) in matrix.chunks_exact_mut(rows.max(1)).enumerate() {
        unit[j] = 1.0;
        product(&unit, column)?;
        unit[j] = 0.0;
    }
    Ok(matrix)
}

/// Smallest and largest eigenvalue of a symmetric matrix.
fn ends(size: usize, matrix: &[f64]) -> Result<(f64, f64)> {
    let view = MatRef::from_column_major_slice(matrix, size, size);
    let unsolved = |reason: &str| Error::AdjointSolve { size, reason: reason.to_owned() };
    if matrix.iter().any(|x| !x.is_finite()) {
        return Err(unsolved("the matrix holds values that are not finite"));
    }
    let values =
        view.self_adjoint_eigenvalues(Side::Lower).map_err(|_| unsolved("the eigenvalues were not found"))?;
    let fold = |f: fn(f64, f64) -> f64, from: f64| values.iter().copied().fold(from, f);
    Ok((fold(f64::min, f64::INFINITY), fold(f64::max, f64::NEG_INFINITY)))
}

fn random_unit(size: usize) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut v: Vec<f64> = (0..size).map(|_| StandardNormal.sample(&mut rng)).collect();
    let length = norm(&v);
    v.iter_mut().for_each(|x| *x /= length);
    v
}
