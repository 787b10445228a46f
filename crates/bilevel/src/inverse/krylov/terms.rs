//! Several terms, x*(λ) = argmin ½‖Ax − b‖² + Σ_k (λ_k/2)‖L_kx‖²: preconditioned conjugate gradients with warm starts, and the adjoint.
//!
//! H = AᵀA + Σ λ_k L_kᵀL_k is only applied. For a criterion with gradient g at x, H q = g gives ∂J/∂λ_k = −(L_kq)ᵀ(L_kx).

use crate::operator::LinearOperator;
use crate::solver::{check_right_side, conjugate_gradient};
use crate::{Error, Result};

/// (λ, r, out): writes an approximation of H(λ)⁻¹r into `out`, symmetric positive definite for every λ.
pub type Preconditioner<'a> = Box<dyn Fn(&[f64], &[f64], &mut [f64]) + Send + Sync + 'a>;

/// How exactly systems with H are solved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TermsSettings {
    /// Largest residual relative to the right-hand side. Default 1e-8.
    pub tolerance: f64,
    /// Most products with H a solve. Default 2000.
    pub max_products: usize,
    /// A positive number below all eigenvalues of H, for the error bounds; where there is none, the smallest quotient that conjugate gradients met
    /// stands for it, and the bounds are estimates. Default `None`.
    pub smallest_eigenvalue: Option<f64>,
}

impl Default for TermsSettings {
    fn default() -> Self {
        Self { tolerance: 1e-8, max_products: 2000, smallest_eigenvalue: None }
    }
}

impl TermsSettings {
    fn check(&self) -> Result<()> {
        if !(self.tolerance >= 0.0 && self.tolerance.is_finite()) {
            return Err(Error::setting("tolerance", self.tolerance, "a finite number that is not negative"));
        }
        match self.smallest_eigenvalue {
            Some(mu) if !(mu > 0.0 && mu.is_finite()) => {
                Err(Error::setting("smallest_eigenvalue", mu, "a positive number, or none"))
            }
            _ => Ok(()),
        }
    }
}

/// x*(λ), and what is known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct TermsSolution {
    /// x.
    pub x: Vec<f64>,
    /// ‖Aᵀb − Hx‖.
    pub residual: f64,
    /// Bound on ‖x − x*‖: the residual over the smallest eigenvalue.
    pub error_bound: f64,
    /// Products with H.
    pub products: usize,
    /// Whether the tolerance was reached.
    pub converged: bool,
}

/// The hypergradient of a criterion.
#[derive(Debug, Clone, PartialEq)]
pub struct TermsAdjoint {
    /// ∂J/∂λ_k.
    pub gradient: Vec<f64>,
    /// Bound on the Euclidean error of `gradient`.
    pub error_bound: f64,
    /// q, for the next warm start.
    pub adjoint: Vec<f64>,
    /// Products with H.
    pub products: usize,
    /// Whether the tolerance was reached.
    pub converged: bool,
}

/// The problem: A, b and the L_k.
///
/// # Example
/// ```
/// use bilevel::inverse::krylov::{TermsSettings, TikhonovTerms};
/// use bilevel::operator::LinearOperator;
///
/// /// One unknown, a multiple of it.
/// struct Times(f64);
/// impl LinearOperator for Times {
///     fn n_rows(&self) -> usize {
///         1
///     }
///     fn n_columns(&self) -> usize {
///         1
///     }
///     fn apply_into(&self, x: &[f64], out: &mut [f64]) -> bilevel::Result<()> {
///         out[0] = self.0 * x[0];
///         Ok(())
///     }
///     fn adjoint_into(&self, y: &[f64], out: &mut [f64]) -> bilevel::Result<()> {
///         self.apply_into(y, out)
///     }
/// }
/// let (a, l) = (Times(1.0), Times(1.0));
/// let problem = TikhonovTerms::new(&a, &[3.0], vec![&l], TermsSettings::default())?;
/// // a = l = 1, b = 3, target 1: λ* = 2, where the hypergradient vanishes.
/// let solution = problem.solve(&[2.0], None)?;
/// let upper = [solution.x[0] - 1.0];
/// let adjoint = problem.adjoint(&[2.0], &solution, &upper, 1.0, None)?;
/// assert!((solution.x[0] - 1.0).abs() < 1e-12 && adjoint.gradient[0].abs() < 1e-12);
/// # Ok::<(), bilevel::Error>(())
/// ```
pub struct TikhonovTerms<'a> {
    operator: &'a dyn LinearOperator,
    terms: Vec<&'a dyn LinearOperator>,
    /// Aᵀb.
    right_side: Vec<f64>,
    settings: TermsSettings,
    preconditioner: Option<Preconditioner<'a>>,
}

impl<'a> TikhonovTerms<'a> {
    /// Checks the sizes.
    ///
    /// # Errors
    /// [`Error::InvalidData`] for a `b` or a term that does not fit the operator; [`Error::InvalidSetting`] for settings out of their range; what the
    /// operator fails with.
    pub fn new(
        operator: &'a dyn LinearOperator,
        b: &[f64],
        terms: Vec<&'a dyn LinearOperator>,
        settings: TermsSettings,
    ) -> Result<Self> {
        settings.check()?;
        check_right_side(b, operator.n_rows())?;
        let size = operator.n_columns();
        if let Some((k, term)) = terms.iter().enumerate().find(|(_, term)| term.n_columns() != size) {
            let found = format!("{} columns", term.n_columns());
            return Err(Error::data(format!("regularizer {k}"), found, format!("{size} columns")));
        }
        let right_side = operator.adjoint(b)?;
        Ok(Self { operator, terms, right_side, settings, preconditioner: None })
    }

    /// With a preconditioner for all systems.
    #[must_use]
    pub fn with_preconditioner(mut self, preconditioner: Preconditioner<'a>) -> Self {
        self.preconditioner = Some(preconditioner);
        self
    }

    /// x*(λ), from `start` where there is one.
    ///
    /// # Errors
    /// [`Error::InvalidData`] for λ and a start that do not fit; what the operators fail with.
    pub fn solve(&self, lambda: &[f64], start: Option<&[f64]>) -> Result<TermsSolution> {
        let solved = self.solve_system(lambda, &self.right_side, start)?;
        Ok(TermsSolution {
            error_bound: over(solved.residual, solved.smallest),
            x: solved.x,
            residual: solved.residual,
            products: solved.products,
            converged: solved.converged,
        })
    }

    /// ∂J/∂λ for a criterion J with gradient `upper` at the solution; `lipschitz` bounds how fast that gradient changes with x (the norm of the
    /// criterion's Hessian), `start` is the adjoint of a nearby problem.
    ///
    /// # Errors
    /// As [`solve`](Self::solve); [`Error::InvalidSetting`] for a `lipschitz` that is negative or no number.
    pub fn adjoint(
        &self,
        lambda: &[f64],
        solution: &TermsSolution,
        upper: &[f64],
        lipschitz: f64,
        start: Option<&[f64]>,
    ) -> Result<TermsAdjoint> {
        if lipschitz.is_nan() || lipschitz < 0.0 {
            return Err(Error::setting("lipschitz", lipschitz, "a number that is not negative"));
        }
        let solved = self.solve_system(lambda, upper, start)?;
        let norm = |v: &[f64]| crate::kernel::dot(v, v).sqrt();
        // q misses by what its own system leaves and by what the gradient it answers to has moved.
        // A criterion that is linear has no gradient to move, however far x is.
        let moved = if lipschitz == 0.0 { 0.0 } else { lipschitz * solution.error_bound };
        let of_q = over(solved.residual + moved, solved.smallest);
        let (mut gradient, mut square) = (Vec::with_capacity(self.terms.len()), 0.0_f64);
        for term in &self.terms {
            let (of_x, image) = (term.apply(&solution.x)?, term.apply(&solved.x)?);
            gradient.push(-crate::kernel::dot(&of_x, &image));
            let error =
                norm(&term.adjoint(&of_x)?) * of_q + norm(&term.adjoint(&image)?) * solution.error_bound;
            square += error * error;
        }
        Ok(TermsAdjoint {
            gradient,
            // To first order: what is not bounded at all is not bounded by a product with 0 either.
            error_bound: if (of_q + solution.error_bound).is_finite() {
                square.sqrt()
            } else {
                f64::INFINITY
            },
            adjoint: solved.x,
            products: solved.products,
            converged: solved.converged,
        })
    }

    fn solve_system(&self, lambda: &[f64], right_side: &[f64], start: Option<&[f64]>) -> Result<Solved> {
        self.check(lambda, right_side, start)?;
        let size = right_side.len();
        let mut x = start.map_or_else(|| vec![0.0; size], <[f64]>::to_vec);
        let mut workspace = Workspace::new(self);
        let mut failure = None;
        let product = |v: &[f64], out: &mut [f64]| {
            if let Err(error) = self.hessian_product(lambda, v, out, &mut workspace) {
                // NaN ends the iteration: the products after a failure mean nothing.
                out.fill(f64::NAN);
                failure = Some(error);
            }
        };
        let precondition = |r: &[f64], out: &mut [f64]| match &self.preconditioner {
            Some(precondition) => precondition(lambda, r, out),
            None => out.copy_from_slice(r),
        };
        let TermsSettings { tolerance, max_products, .. } = self.settings;
        let outcome = conjugate_gradient(product, precondition, right_side, &mut x, tolerance, max_products);
        match failure {
            Some(error) => Err(error),
            None if !outcome.residual.is_finite() => {
                let reason = "conjugate gradients met values that are not finite".to_owned();
                Err(Error::AdjointSolve { size, reason })
            }
            None => Ok(Solved {
                x,
                residual: outcome.residual,
                smallest: self.settings.smallest_eigenvalue.unwrap_or(outcome.smallest_quotient),
                products: outcome.products,
                converged: outcome.converged,
            }),
        }
    }

    fn hessian_product(
        &self,
        lambda: &[f64],
        v: &[f64],
        out: &mut [f64],
        work: &mut Workspace,
    ) -> Result<()> {
        self.operator.apply_into(v, &mut work.images[0])?;
        self.operator.adjoint_into(&work.images[0], out)?;
        for ((term, lambda), image) in self.terms.iter().zip(lambda).zip(&mut work.images[1..]) {
            term.apply_into(v, image)?;
            term.adjoint_into(image, &mut work.back)?;
            crate::kernel::axpy(*lambda, &work.back, out);
        }
        Ok(())
    }

    fn check(&self, lambda: &[f64], right_side: &[f64], start: Option<&[f64]>) -> Result<()> {
        if lambda.len() != self.terms.len() {
            let (found, expected) = (lambda.len(), self.terms.len());
            return Err(Error::data(
                "weights of the regularizers",
                format!("{found} of them"),
                format!("{expected}"),
            ));
        }
        if let Some(bad) = lambda.iter().find(|lambda| !(**lambda >= 0.0 && lambda.is_finite())) {
            return Err(Error::setting("lambda", bad, "a number that is not negative"));
        }
        let size = self.operator.n_columns();
        check_right_side(right_side, size)?;
        start.map_or(Ok(()), |start| check_right_side(start, size))
    }
}

/// Images of a vector under A and the L_k, and one vector of x's length.
struct Workspace {
    images: Vec<Vec<f64>>,
    back: Vec<f64>,
}

impl Workspace {
    fn new(problem: &TikhonovTerms<'_>) -> Self {
        let operators = std::iter::once(&problem.operator).chain(&problem.terms);
        let images = operators.map(|operator| vec![0.0; operator.n_rows()]).collect();
        Self { images, back: vec![0.0; problem.operator.n_columns()] }
    }
}

/// residual/smallest, where `smallest` is an eigenvalue; without one nothing bounds a residual but its being 0.
fn over(residual: f64, smallest: f64) -> f64 {
    match residual {
        0.0 => 0.0,
        _ if smallest > 0.0 && smallest.is_finite() => residual / smallest,
        _ => f64::INFINITY,
    }
}

struct Solved {
    x: Vec<f64>,
    residual: f64,
    smallest: f64,
    products: usize,
    converged: bool,
}
