//! One penalty term on a small dense problem, made diagonal without ever squaring a matrix.
//!
//! With the SVD L = U_L S V₁ᵀ and W a basis of the null space of L, x = V₁S⁻¹y + W z has ‖Lx‖ = ‖y‖. What A W explains is free: with the SVD
//! A W = Q D Zᵀ and Q₁ a basis of what is orthogonal to it, y solves a problem in standard form,
//!
//! ```text
//! min ‖Q₁ᵀ(A V₁S⁻¹ y − b)‖² + λ‖y‖²,      z = Z D⁻¹Qᵀ(b − A V₁S⁻¹ y),
//! ```
//!
//! which the SVD of Q₁ᵀA V₁S⁻¹ makes diagonal. Without L it is the SVD of A.
//!
//! Sources: Eldén, "Algorithms for the regularization of ill-conditioned least squares problems", BIT 17 (1977); Hansen, "Rank-Deficient and Discrete
//! Ill-Posed Problems", SIAM (1998), section 2.3.

use faer::linalg::solvers::Svd;
use faer::{Mat, MatRef};

use super::check_data;
use crate::design::{DenseMatrix, DesignMatrix};
use crate::inverse::choice::{Component, DiagonalProblem, SpectralProblem, null_space};
use crate::{Error, Result};

/// Singular values below this, relative to the largest and to the size of the matrix, count as zero where the rank of L is decided.
const RANK: f64 = f64::EPSILON;
/// A direction that L leaves free must be seen by A at this part of ‖A‖.
const SEEN: f64 = 1e-12;
/// Singular values must have a square that is not denormal.
const SMALLEST: f64 = 1e-150;

/// min ‖Ax − b‖² + λ‖Lx‖² in coordinates in which it is diagonal, for all λ.
#[derive(Debug, Clone)]
pub struct StandardForm {
    diagonal: DiagonalProblem,
    /// β_i: data coefficients.
    data: Vec<f64>,
    /// v_i/a_i (n columns' worth of unknowns in each column).
    solutions: Mat<f64>,
    /// u_i.
    residuals: Mat<f64>,
    outside: Vec<f64>,
}

impl StandardForm {
    /// A is m×n, b has length m, L has n columns; without L it is the identity.
    ///
    /// ```
    /// use bilevel::design::DenseMatrix;
    /// use bilevel::inverse::tikhonov::StandardForm;
    /// // (x₁ − 1)² + (x₂ − 5)² + λ(x₂ − x₁)²: as λ grows both go to the mean.
    /// let a = DenseMatrix::new(2, 2, vec![1.0, 0.0, 0.0, 1.0])?;
    /// let l = DenseMatrix::new(1, 2, vec![-1.0, 1.0])?;
    /// let problem = StandardForm::new(&a, &[1.0, 5.0], Some(&l))?;
    /// let x = problem.solve(1.0)?;
    /// assert!((x[0] - 7.0 / 3.0).abs() < 1e-14 && (x[1] - 11.0 / 3.0).abs() < 1e-14);
    /// # Ok::<(), bilevel::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidData`] for sizes that do not fit, values of b that are not finite, an A or L that is zero, and an L with a null space that A
    /// does not see.
    pub fn new(a: &DenseMatrix<f64>, b: &[f64], l: Option<&DenseMatrix<f64>>) -> Result<Self> {
        check(a, b, l)?;
        let a_matrix = view(a);
        match l {
            None => Self::assemble(&thin_svd(a_matrix)?, b, None),
            Some(l) => {
                let split = Split::new(a_matrix, view(l))?;
                let svd = thin_svd(split.reduced.as_ref())?;
                Self::assemble(&svd, b, Some(&split))
            }
        }
    }

    /// x at λ ≥ 0; at λ = ∞, the fit by what L leaves free.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for a λ that is negative or no number.
    pub fn solve(&self, lambda: f64) -> Result<Vec<f64>> {
        if lambda.is_nan() || lambda < 0.0 {
            return Err(Error::setting("lambda", lambda, "a number that is not negative"));
        }
        Ok(self.combine(&self.diagonal.filters(lambda)))
    }

    fn assemble(svd: &Svd<f64>, b: &[f64], split: Option<&Split>) -> Result<Self> {
        let all = svd.S().column_vector();
        let kept: Vec<usize> = (0..all.nrows()).filter(|&i| all[i] > SMALLEST).collect();
        if kept.is_empty() {
            return Err(Error::data(
                "matrix A",
                "zero, or nothing that L sees",
                "a matrix that sees what L weighs",
            ));
        }
        let pick = |m: MatRef<'_, f64>, divide: bool| {
            let scale = |i: usize| if divide { 1.0 / all[i] } else { 1.0 };
            Mat::from_fn(m.nrows(), kept.len(), |row, k| m[(row, kept[k])] * scale(kept[k]))
        };
        let (mut residuals, mut solutions) = (pick(svd.U(), false), pick(svd.V(), true));
        let mut gains: Vec<(f64, f64)> = kept.iter().map(|&i| (all[i] * all[i], 1.0)).collect();
        if let Some(split) = split {
            residuals = beside(&split.free_data, &(&split.rest * &residuals));
            solutions = beside(&split.free, &split.back(&solutions));
            gains.splice(0..0, split.free_gains.iter().map(|g| (*g, 0.0)));
        }
        let data: Vec<f64> = (0..gains.len()).map(|i| dot(residuals.col_as_slice(i), b)).collect();
        let mut outside = b.to_vec();
        data.iter().enumerate().for_each(|(i, beta)| axpy(-beta, residuals.col_as_slice(i), &mut outside));
        let component = |((gain, penalty), beta): (&(f64, f64), &f64)| Component {
            gain: *gain,
            penalty: *penalty,
            energy: beta * beta,
            multiplicity: 1.0,
            norm: *penalty,
        };
        let components = gains.iter().zip(&data).map(component);
        // What lies outside the range is a difference: below its rounding it is none.
        let rounding = (b.len() as f64 * f64::EPSILON).powi(2) * dot(b, b);
        let of_outside = if b.len() <= gains.len() { 0.0 } else { dot(&outside, &outside) };
        let of_outside = if of_outside <= rounding { 0.0 } else { of_outside };
        let diagonal = DiagonalProblem::new(components, of_outside, b.len())?;
        Ok(Self { diagonal, data, solutions, residuals, outside })
    }
}

impl SpectralProblem for StandardForm {
    fn diagonal(&self) -> &DiagonalProblem {
        &self.diagonal
    }

    fn combine(&self, factors: &[f64]) -> Vec<f64> {
        sum_of_columns(&self.solutions, factors, &self.data)
    }

    fn combine_residual(&self, factors: &[f64]) -> Option<Vec<f64>> {
        Some(sum_of_columns(&self.residuals, factors, &self.data))
    }

    fn outside(&self) -> &[f64] {
        &self.outside
    }
}

/// x = V₁S⁻¹y + W z, and the data without what A W explains.
struct Split {
    /// V₁S⁻¹ − W Z D⁻¹Qᵀ A V₁S⁻¹: x without what b says about its free part.
    weighed: Mat<f64>,
    /// W Z D⁻¹, one column for each free direction.
    free: Mat<f64>,
    /// Q.
    free_data: Mat<f64>,
    /// D².
    free_gains: Vec<f64>,
    /// Q₁.
    rest: Mat<f64>,
    /// Q₁ᵀA V₁S⁻¹.
    reduced: Mat<f64>,
}

impl Split {
    fn new(a: MatRef<'_, f64>, l: MatRef<'_, f64>) -> Result<Self> {
        let svd = l.svd().map_err(|_| failed("L"))?;
        let (values, n) = (svd.S().column_vector(), l.ncols());
        let largest = values.iter().fold(0.0_f64, |m, s| m.max(*s));
        if largest == 0.0 {
            return Err(Error::data("matrix L", "only zeros", "a penalty that sees something"));
        }
        let tolerance = RANK * l.nrows().max(n) as f64 * largest;
        let rank = values.iter().filter(|s| **s > tolerance).count();
        let v = svd.V();
        let standard = Mat::from_fn(n, rank, |i, k| v[(i, k)] / values[k]);
        let null = v.subcols(rank, n - rank).to_owned();
        let (seen, image) = (a * &null, a * &standard);
        let k = n - rank;
        if k > a.nrows() {
            return Err(null_space(format!("L leaves {k} directions free, and A has {} rows", a.nrows())));
        }
        if k == 0 {
            let rest = Mat::identity(a.nrows(), a.nrows());
            let none = |rows| Mat::zeros(rows, 0);
            let (free, free_data) = (none(n), none(a.nrows()));
            return Ok(Self {
                weighed: standard,
                free,
                free_data,
                free_gains: Vec::new(),
                rest,
                reduced: image,
            });
        }
        let of_seen = seen.svd().map_err(|_| failed("A on the null space of L"))?;
        let values: Vec<f64> = of_seen.S().column_vector().iter().copied().collect();
        let weakest = values.iter().fold(f64::INFINITY, |m, s| m.min(*s));
        let size = a.norm_l2() / (n as f64).sqrt();
        if weakest <= SEEN * size {
            return Err(null_space(format!(
                "L leaves {k} directions free, and A x is as good as 0 on one of them"
            )));
        }
        let free = &null * Mat::from_fn(k, k, |i, j| of_seen.V()[(i, j)] / values[j]);
        let free_data = of_seen.U().subcols(0, k).to_owned();
        let rest = of_seen.U().subcols(k, a.nrows() - k).to_owned();
        let weighed = standard - &free * (free_data.transpose() * &image);
        let reduced = rest.transpose() * &image;
        Ok(Self {
            weighed,
            free,
            free_data,
            free_gains: values.iter().map(|s| s * s).collect(),
            rest,
            reduced,
        })
    }

    /// x of standard-form solutions y.
    fn back(&self, y: &Mat<f64>) -> Mat<f64> {
        &self.weighed * y
    }
}

fn check(a: &DenseMatrix<f64>, b: &[f64], l: Option<&DenseMatrix<f64>>) -> Result<()> {
    if a.n_rows() == 0 || a.n_columns() == 0 {
        return Err(Error::data(
            "matrix A",
            format!("{}×{}", a.n_rows(), a.n_columns()),
            "at least one row and column",
        ));
    }
    check_data(a, b)?;
    match l {
        Some(l) if l.n_columns() != a.n_columns() => {
            let expected = format!("{}, as A has", a.n_columns());
            Err(Error::data("matrix L", format!("{} columns", l.n_columns()), expected))
        }
        _ => Ok(()),
    }
}

fn view(matrix: &DenseMatrix<f64>) -> MatRef<'_, f64> {
    MatRef::from_column_major_slice(matrix.values(), matrix.n_rows(), matrix.n_columns())
}

fn thin_svd(matrix: MatRef<'_, f64>) -> Result<Svd<f64>> {
    matrix.thin_svd().map_err(|_| failed("A"))
}

fn failed(which: &str) -> Error {
    Error::data(format!("singular values of {which}"), "no convergence", "a matrix of moderate scale")
}

fn beside(left: &Mat<f64>, right: &Mat<f64>) -> Mat<f64> {
    let k = left.ncols();
    Mat::from_fn(left.nrows(), k + right.ncols(), |i, j| if j < k { left[(i, j)] } else { right[(i, j - k)] })
}

fn sum_of_columns(matrix: &Mat<f64>, factors: &[f64], data: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; matrix.nrows()];
    for (k, (factor, beta)) in factors.iter().zip(data).enumerate() {
        axpy(factor * beta, matrix.col_as_slice(k), &mut out);
    }
    out
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    crate::kernel::dot(a, b)
}

fn axpy(s: f64, a: &[f64], out: &mut [f64]) {
    crate::kernel::axpy(s, a, out);
}
