//! Systems with the Hessian of the lower level at one point.

use faer::linalg::solvers::{Lblt, Solve};
use faer::{Mat, MatRef, Side};

use crate::operator::LinearOperator;
use crate::smooth::{Hessian, SmoothProblem, columns, norm};
use crate::solver::{Cholesky, MinresSettings, conjugate_gradient, minres};
use crate::{Error, Result};

/// How H q = b is solved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdjointSolver {
    /// Builds H from p products and factorizes it: Cholesky, or LBLᵀ where it is not positive definite.
    Dense,
    /// Conjugate gradients: H positive definite.
    ConjugateGradient(Preconditioner),
    /// MINRES: H symmetric.
    Minres,
}

/// What conjugate gradients are preconditioned with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preconditioner {
    /// Nothing.
    None,
    /// [`SmoothProblem::hessian_diagonal_into`].
    Diagonal,
}

/// H at one point, ready to solve with.
pub(super) struct Solver<'a> {
    hessian: Hessian<'a>,
    way: Way,
    /// Products that the preparation took.
    pub preparation: usize,
}

enum Way {
    Cholesky(Cholesky),
    Indefinite(Lblt<f64>),
    ConjugateGradient(Option<Vec<f64>>),
    Minres,
}

/// H⁻¹b, nearly.
pub(super) struct LinearSolution {
    pub x: Vec<f64>,
    /// ‖b − Hx‖, recomputed.
    pub residual: f64,
    pub products: usize,
    /// A lower estimate of the smallest eigenvalue of H, where the solve gave one.
    pub smallest: Option<f64>,
}

impl<'a> Solver<'a> {
    pub fn new(
        problem: &'a dyn SmoothProblem,
        y: &'a [f64],
        lambda: &'a [f64],
        solver: AdjointSolver,
    ) -> Result<Self> {
        let p = y.len();
        let (way, preparation) = match solver {
            AdjointSolver::Dense => (Self::factor(problem, y, lambda)?, p),
            AdjointSolver::ConjugateGradient(Preconditioner::None) => (Way::ConjugateGradient(None), 0),
            AdjointSolver::ConjugateGradient(Preconditioner::Diagonal) => {
                let mut diagonal = vec![0.0; p];
                problem.hessian_diagonal_into(y, lambda, &mut diagonal)?;
                if let Some(j) = diagonal.iter().position(|d| d.is_nan() || *d <= 0.0) {
                    return Err(Error::data(
                        format!("diagonal of the Hessian, entry {j}"),
                        diagonal[j].to_string(),
                        "a positive number",
                    ));
                }
                (Way::ConjugateGradient(Some(diagonal.iter().map(|d| 1.0 / d).collect())), 0)
            }
            AdjointSolver::Minres => (Way::Minres, 0),
        };
        Ok(Self { hessian: Hessian { problem, y, lambda }, way, preparation })
    }

    fn factor(problem: &dyn SmoothProblem, y: &[f64], lambda: &[f64]) -> Result<Way> {
        let p = y.len();
        let mut matrix = columns(p, p, &mut |v, out| problem.hessian_product_into(y, lambda, v, out))?;
        if matrix.iter().any(|x| !x.is_finite()) {
            let reason = "the Hessian holds values that are not finite".to_owned();
            return Err(Error::AdjointSolve { size: p, reason });
        }
        for i in 0..p {
            for j in 0..i {
                let mean = 0.5 * (matrix[i * p + j] + matrix[j * p + i]);
                matrix[i * p + j] = mean;
                matrix[j * p + i] = mean;
            }
        }
        Ok(match Cholesky::new(p, &matrix) {
            Some(factor) => Way::Cholesky(factor),
            None => Way::Indefinite(MatRef::from_column_major_slice(&matrix, p, p).lblt(Side::Lower)),
        })
    }

    /// Solves H x = b from `start`, to ‖b − Hx‖ ≤ `tolerance`·‖b‖.
    pub fn solve(&self, b: &[f64], start: Option<&[f64]>, tolerance: f64) -> Result<LinearSolution> {
        let p = b.len();
        if norm(b) == 0.0 {
            // Whatever H is, and wherever a solver would have started.
            return Ok(LinearSolution { x: vec![0.0; p], residual: 0.0, products: 0, smallest: None });
        }
        // Conjugate directions are lost to rounding; ten times the size is where more does not help.
        let max_products = 10 * p + 100;
        let mut x = start.filter(|s| s.len() == p).map_or_else(|| vec![0.0; p], <[f64]>::to_vec);
        let mut smallest = None;
        let mut products = match &self.way {
            Way::Cholesky(factor) => {
                x = factor.solve(b);
                smallest = Some(factor.smallest_eigenvalue());
                self.refine(b, &mut x, |r| factor.solve(r))?
            }
            Way::Indefinite(factor) => {
                let solve = &|r: &[f64]| {
                    let solved = factor.solve(Mat::from_fn(p, 1, |i, _| r[i]));
                    (0..p).map(|i| solved[(i, 0)]).collect::<Vec<f64>>()
                };
                x = vec![0.0; p];
                self.refine(b, &mut x, solve)? + self.refine(b, &mut x, solve)?
            }
            Way::ConjugateGradient(inverse) => {
                let mut failure = None;
                let product = |v: &[f64], out: &mut [f64]| {
                    if let Err(error) = self.product(v, out) {
                        out.fill(f64::NAN);
                        failure.get_or_insert(error);
                    }
                };
                let precondition = |r: &[f64], out: &mut [f64]| match inverse {
                    Some(inverse) => out.iter_mut().zip(r).zip(inverse).for_each(|((o, r), d)| *o = r * d),
                    None => out.copy_from_slice(r),
                };
                let outcome = conjugate_gradient(product, precondition, b, &mut x, tolerance, max_products);
                if let Some(error) = failure {
                    return Err(error);
                }
                // Quotients of search directions lie inside the spectrum, on the upper side of its lower end.
                smallest = outcome.smallest_quotient.is_finite().then_some(0.5 * outcome.smallest_quotient);
                outcome.products
            }
            Way::Minres => self.minres(b, start, &mut x, tolerance, max_products)?,
        };
        let residual = norm(&self.residual(b, &x)?);
        products += 1;
        // Rounding leaves a residual of this size whatever the tolerance; more than that is a failure.
        let allowed = tolerance.max(1e-9) * norm(b);
        if residual.is_nan() || residual > allowed {
            let reason = format!(
                "the residual is {residual:.1e} after {products} products; expected at most {allowed:.1e} (is the Hessian singular{}?)",
                if matches!(self.way, Way::ConjugateGradient(_)) { ", or not positive definite" } else { "" }
            );
            return Err(Error::AdjointSolve { size: p, reason });
        }
        Ok(LinearSolution { x, residual, products, smallest })
    }

    /// MINRES on what the start leaves; the number of products.
    fn minres(
        &self,
        b: &[f64],
        start: Option<&[f64]>,
        x: &mut [f64],
        tolerance: f64,
        max_steps: usize,
    ) -> Result<usize> {
        let rest = if start.is_some() { self.residual(b, x)? } else { b.to_vec() };
        if norm(&rest) == 0.0 {
            return Ok(1);
        }
        let settings = MinresSettings { tolerance: tolerance * norm(b) / norm(&rest), max_steps };
        let found = minres(&self.hessian, &rest, &settings)?;
        crate::kernel::axpy(1.0, &found.x, x);
        Ok(found.products + usize::from(start.is_some()))
    }

    /// One step of iterative refinement: what a factorization of rounded products leaves.
    fn refine(&self, b: &[f64], x: &mut [f64], solve: impl Fn(&[f64]) -> Vec<f64>) -> Result<usize> {
        let residual = self.residual(b, x)?;
        crate::kernel::axpy(1.0, &solve(&residual), x);
        Ok(1)
    }

    fn residual(&self, b: &[f64], x: &[f64]) -> Result<Vec<f64>> {
        let mut image = vec![0.0; b.len()];
        self.product(x, &mut image)?;
        Ok(b.iter().zip(&image).map(|(b, a)| b - a).collect())
    }

    fn product(&self, v: &[f64], out: &mut [f64]) -> Result<()> {
        self.hessian.apply_into(v, out)
    }
}
