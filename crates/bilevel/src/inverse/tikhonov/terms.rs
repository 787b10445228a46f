//! Tikhonov regularization with several terms on small dense problems.
//!
//! ```text
//! x = argmin ½‖Ax − b‖² + Σ_k (λ_k/2)‖L_k x‖² + (α/2)‖x‖²,      H = AᵀA + Σ_k λ_k L_kᵀL_k + αI,      x = H⁻¹Aᵀb
//! ```
//!
//! A criterion J judges z = Bx: for a hold-out set B are the rows that were held out, for a known truth B is the identity. With ω = ∂J/∂z,
//!
//! ```text
//! H q = −Bᵀω,      ∂J/∂λ_k = qᵀL_kᵀL_k x,      ∂J/∂α = qᵀx.
//! ```
//!
//! H is factored by Cholesky; one refinement with the residual of the factors themselves, not of their squares, removes what rounding left.

use super::check_data;
use crate::design::{DenseMatrix, DesignMatrix};
use crate::hypergradient::Selection;
use crate::inverse::choice::null_space;
use crate::lower::{Adjoint, Hyperparameters, LowerLevel, Solution, UpperGradient};
use crate::outer::Accuracy;
use crate::solver::Cholesky;
use crate::{Error, Result};

/// Corrections of a solve.
const REFINEMENTS: usize = 2;

/// The lower-level problem with one λ for each term, all but its hyperparameters.
///
/// In a [`Solution`] `predictor` is Bx, `correlations` is Aᵀ(Ax − b), the gap is ½gᵀH⁻¹g for the gradient g that rounding left, and the relative gap is
/// relative to ½‖b‖². An [`Adjoint`] has an entry for each term.
///
/// # Example
/// By hand: A = L = B = 1, b = 3 and a target of 1 for x. x = 3/(1 + λ), so that λ = 2 is best.
/// ```
/// use bilevel::criterion::ValidationLoss;
/// use bilevel::design::DenseMatrix;
/// use bilevel::inverse::tikhonov::Tikhonov;
/// use bilevel::loss::Squared;
/// use bilevel::objective::SplitObjective;
/// use bilevel::outer::{Lbfgs, OuterOptimizer, Unwatched};
/// use bilevel::parametrization::{Ridge, Weights};
///
/// let one = DenseMatrix::new(1, 1, vec![1.0])?;
/// let lower = Tikhonov::new(&one, &[3.0], &[&one], &one)?;
/// let criterion = ValidationLoss::new(Squared, &[1.0], &[1.0]);
/// let weights = Weights::scalar(vec![1.0], Ridge::Fixed(0.0), -9.0, 9.0);
/// let mut objective = SplitObjective::new(vec![(lower, criterion)], Box::new(weights));
/// let best = Lbfgs::default().minimize(&mut objective, &[0.0], &mut Unwatched)?;
/// assert!((best.theta[0].exp() - 2.0).abs() < 1e-3);
/// # Ok::<(), bilevel::Error>(())
/// ```
#[derive(Debug)]
pub struct Tikhonov<'a> {
    a: &'a DenseMatrix<f64>,
    terms: Vec<&'a DenseMatrix<f64>>,
    judged: &'a DenseMatrix<f64>,
    data: Vec<f64>,
    /// Aᵀb.
    right_side: Vec<f64>,
    /// AᵀA and L_kᵀL_k, column major.
    gram: Vec<f64>,
    term_grams: Vec<Vec<f64>>,
}

impl<'a> Tikhonov<'a> {
    /// A is m×n, b has length m; every L_k and B have n columns.
    ///
    /// # Errors
    /// [`Error::InvalidData`] for sizes that do not fit, values of b that are not finite, or no term at all.
    pub fn new(
        a: &'a DenseMatrix<f64>,
        b: &[f64],
        terms: &[&'a DenseMatrix<f64>],
        judged: &'a DenseMatrix<f64>,
    ) -> Result<Self> {
        let n = a.n_columns();
        check_data(a, b)?;
        if terms.is_empty() {
            return Err(Error::data("penalty", "no term", "at least one matrix L"));
        }
        let named = terms.iter().enumerate().map(|(k, l)| (format!("matrix L of term {}", k + 1), *l));
        for (name, matrix) in named.chain([("matrix B of the criterion".to_string(), judged)]) {
            if matrix.n_columns() != n {
                let found = format!("{} columns", matrix.n_columns());
                return Err(Error::data(name, found, format!("{n}, as A has")));
            }
        }
        let mut right_side = vec![0.0; n];
        a.transpose_product_into(b, &mut right_side);
        Ok(Self {
            a,
            terms: terms.to_vec(),
            judged,
            data: b.to_vec(),
            right_side,
            gram: gram(a),
            term_grams: terms.iter().map(|l| gram(l)).collect(),
        })
    }

    /// H, factored.
    fn factor(&self, at: &Hyperparameters) -> Result<Factored<'_, 'a>> {
        self.check(at)?;
        let n = self.a.n_columns();
        let mut matrix = self.gram.clone();
        for (lambda, gram) in at.lambda.iter().zip(&self.term_grams) {
            crate::kernel::axpy(*lambda, gram, &mut matrix);
        }
        (0..n).for_each(|i| matrix[i * n + i] += at.ridge);
        if matrix.iter().any(|entry| !entry.is_finite()) {
            let found = format!("an AᵀA + Σλ_k L_kᵀL_k that overflows at λ = {:?}", at.lambda);
            return Err(Error::data("A and L", found, "matrices and λ of moderate scale"));
        }
        let factor = Cholesky::new(n, &matrix)
            .ok_or_else(|| null_space(format!("AᵀA + Σλ_k L_kᵀL_k is singular at λ = {:?}", at.lambda)))?;
        Ok(Factored { problem: self, at: at.clone(), factor })
    }

    fn check(&self, at: &Hyperparameters) -> Result<()> {
        let expected = format!("{} of them, finite and not negative", self.terms.len());
        let valid = |v: &f64| v.is_finite() && *v >= 0.0;
        if at.lambda.len() != self.terms.len() || !at.lambda.iter().all(valid) {
            return Err(Error::data("λ", format!("{:?}", at.lambda), expected));
        }
        if !valid(&at.ridge) {
            return Err(Error::data(
                "ridge parameter",
                at.ridge.to_string(),
                "a finite number that is not negative",
            ));
        }
        Ok(())
    }
}

/// H at given hyperparameters.
struct Factored<'p, 'a> {
    problem: &'p Tikhonov<'a>,
    at: Hyperparameters,
    factor: Cholesky,
}

impl Factored<'_, '_> {
    /// Hx, by the factors: Aᵀ(Ax) + Σ λ_k L_kᵀ(L_k x) + αx.
    fn product(&self, x: &[f64]) -> Vec<f64> {
        let mut out = normal_product(self.problem.a, x);
        for (lambda, l) in self.at.lambda.iter().zip(&self.problem.terms) {
            crate::kernel::axpy(*lambda, &normal_product(l, x), &mut out);
        }
        crate::kernel::axpy(self.at.ridge, x, &mut out);
        out
    }

    /// H⁻¹b with its residual b − Hx.
    fn solve(&self, b: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let mut x = self.factor.solve(b);
        let mut rest = difference(b, &self.product(&x));
        for _ in 0..REFINEMENTS {
            let correction = self.factor.solve(&rest);
            let corrected: Vec<f64> = x.iter().zip(&correction).map(|(x, c)| x + c).collect();
            let left = difference(b, &self.product(&corrected));
            if norm(&left) >= norm(&rest) {
                break;
            }
            (x, rest) = (corrected, left);
        }
        (x, rest)
    }
}

impl LowerLevel for Tikhonov<'_> {
    fn n_coefficients(&self) -> usize {
        self.a.n_columns()
    }

    fn n_weights(&self) -> usize {
        self.terms.len()
    }

    fn solve(&self, at: &Hyperparameters, _start: Option<Solution>, _accuracy: Accuracy) -> Result<Solution> {
        let factored = self.factor(at)?;
        let (x, rest) = factored.solve(&self.right_side);
        let gap = 0.5 * dot(&rest, &factored.factor.solve(&rest)).max(0.0);
        let mut solution = self.start_from(x, 0.0);
        let penalties = at
            .lambda
            .iter()
            .zip(&self.terms)
            .map(|(lambda, l)| lambda * square_norm_of_product(l, &solution.coefficients));
        let ridge = at.ridge * dot(&solution.coefficients, &solution.coefficients);
        solution.objective += 0.5 * (penalties.sum::<f64>() + ridge);
        solution.gap = gap;
        solution.relative_gap = gap / (0.5 * dot(&self.data, &self.data)).max(f64::MIN_POSITIVE);
        solution.iterations = 1;
        Ok(solution)
    }

    fn start_from(&self, coefficients: Vec<f64>, _intercept: f64) -> Solution {
        let mut predictor = vec![0.0; self.judged.n_rows()];
        self.judged.product_into(&coefficients, &mut predictor);
        let mut misfit: Vec<f64> = vec![0.0; self.a.n_rows()];
        self.a.product_into(&coefficients, &mut misfit);
        misfit.iter_mut().zip(&self.data).for_each(|(z, b)| *z -= b);
        let mut correlations = vec![0.0; coefficients.len()];
        self.a.transpose_product_into(&misfit, &mut correlations);
        let objective = 0.5 * dot(&misfit, &misfit);
        Solution {
            coefficients,
            intercept: 0.0,
            predictor,
            correlations,
            objective,
            gap: f64::INFINITY,
            relative_gap: f64::INFINITY,
            iterations: 0,
        }
    }

    fn adjoint(
        &self,
        at: &Hyperparameters,
        solution: &Solution,
        upper: &UpperGradient<'_>,
        _selection: Selection,
        _accuracy: Accuracy,
    ) -> Result<Adjoint> {
        let (n, judged) = (self.n_coefficients(), self.judged.n_rows());
        if solution.coefficients.len() != n
            || upper.predictor.len() != judged
            || upper.curvature.len() != judged
        {
            let found =
                format!("{} coefficients, {} slopes", solution.coefficients.len(), upper.predictor.len());
            return Err(Error::data("solution and criterion", found, format!("{n} and {judged}")));
        }
        let factored = self.factor(at)?;
        let mut right_side = vec![0.0; n];
        self.judged.transpose_product_into(upper.predictor, &mut right_side);
        right_side.iter_mut().for_each(|r| *r = -*r);
        let (q, rest) = factored.solve(&right_side);
        let x = &solution.coefficients;
        let slope = |gram_of: &DenseMatrix<f64>| dot(&q, &normal_product(gram_of, x));
        let lambda = (0_u32..).zip(&self.terms).map(|(k, l)| (k, slope(l))).collect();
        Ok(Adjoint {
            lambda,
            ridge: dot(&q, x),
            residual: norm(&rest) / norm(&right_side).max(f64::MIN_POSITIVE),
            error_bound: self.error_bound(&factored, solution, upper, &q, &rest),
            biactive: 0,
            warm_start: Vec::new(),
        })
    }
}

impl Tikhonov<'_> {
    /// With μ the smallest eigenvalue of H and g the gradient at x: ‖x − x*‖ ≤ ‖g‖/μ, ‖q − q*‖ ≤ (‖r‖ + v‖B‖²‖x − x*‖)/μ, and each slope qᵀMx errs by at
    /// most ‖M‖(‖q‖‖x − x*‖ + ‖x‖‖q − q*‖); Frobenius norms bound the norms.
    fn error_bound(
        &self,
        factored: &Factored<'_, '_>,
        solution: &Solution,
        upper: &UpperGradient<'_>,
        q: &[f64],
        rest: &[f64],
    ) -> f64 {
        let smallest = factored.factor.smallest_eigenvalue();
        let x = &solution.coefficients;
        let of_x = norm(&difference(&self.right_side, &factored.product(x))) / smallest;
        let bend = upper.curvature.iter().fold(0.0_f64, |m, v| m.max(*v));
        let of_q = (norm(rest) + bend * dot(self.judged.values(), self.judged.values()) * of_x) / smallest;
        let squares = self.term_grams.iter().map(|gram| dot(gram, gram)).sum::<f64>() + 1.0;
        squares.sqrt() * (norm(q) * of_x + norm(x) * of_q)
    }
}

/// MᵀM, column major.
fn gram(matrix: &DenseMatrix<f64>) -> Vec<f64> {
    let n = matrix.n_columns();
    let mut out = vec![0.0; n * n];
    for j in 0..n {
        for i in 0..=j {
            let entry = dot(matrix.column(i), matrix.column(j));
            out[j * n + i] = entry;
            out[i * n + j] = entry;
        }
    }
    out
}

/// Mᵀ(Mx).
fn normal_product(matrix: &DenseMatrix<f64>, x: &[f64]) -> Vec<f64> {
    let (mut image, mut out) = (vec![0.0; matrix.n_rows()], vec![0.0; matrix.n_columns()]);
    matrix.product_into(x, &mut image);
    matrix.transpose_product_into(&image, &mut out);
    out
}

fn square_norm_of_product(matrix: &DenseMatrix<f64>, x: &[f64]) -> f64 {
    let mut image = vec![0.0; matrix.n_rows()];
    matrix.product_into(x, &mut image);
    dot(&image, &image)
}

fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    crate::kernel::dot(a, b)
}

fn norm(v: &[f64]) -> f64 {
    dot(v, v).sqrt()
}
