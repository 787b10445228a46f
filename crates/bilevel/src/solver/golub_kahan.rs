//! Golub–Kahan bidiagonalization: A V_k = U_{k+1} B_k with B_k lower bidiagonal, from u₁ = b/‖b‖, one product with A and one with Aᵀ a step.
//!
//! ```text
//! β₁u₁ = b,  α₁v₁ = Aᵀu₁,   β_{k+1}u_{k+1} = A v_k − α_k u_k,   α_{k+1}v_{k+1} = Aᵀu_{k+1} − β_{k+1}v_k
//! ```
//!
//! In floating point the vectors lose their orthogonality, and B_k shows singular values of A again that it has shown already: harmless for a
//! solution, wrong for anything that counts singular values. Orthogonal right vectors keep the left ones nearly so.
//!
//! Sources: Golub and Kahan, SIAM J. Numer. Anal. B 2 (1965); Simon and Zha, SIAM J. Sci. Comput. 21 (2000), for one-sided
//! reorthogonalization.

use rayon::prelude::*;

use crate::operator::LinearOperator;
use crate::{Error, Result, kernel};

/// Rows of the kept vectors that a task works on: a part of one vector stays in the second cache while all others pass.
const ROWS_TOGETHER: usize = 8192;
/// A new vector of this fraction of the operator's norm is rounding: the space is exhausted.
const NEGLIGIBLE: f64 = 1e-14;
/// Where orthogonalization leaves less than this fraction of a vector, it is repeated (Daniel, Gragg, Kaufman, Stewart 1976).
const CANCELLED: f64 = 0.7;

/// Which vectors of a bidiagonalization are kept and held orthogonal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reorthogonalization {
    /// None are kept: enough where only B_k is wanted.
    None,
    /// The right vectors: enough for solutions, and for singular values to about the root of the rounding unit.
    #[default]
    Right,
    /// Right and left vectors: B_k to rounding, at the price of the memory for both.
    Both,
}

/// A growing bidiagonalization of an operator from a vector b.
///
/// # Example
/// ```
/// use bilevel::operator::{LinearOperator, ParallelBeam, Radon};
/// use bilevel::solver::{GolubKahan, Reorthogonalization};
///
/// let radon = Radon::new(&ParallelBeam::half_turn(8, 8, 10))?;
/// let b = radon.apply(&[1.0; 64])?;
/// let mut bidiagonal = GolubKahan::new(&radon, &b, Reorthogonalization::Right)?;
/// while bidiagonal.size() < 5 && bidiagonal.extend()? {}
/// assert_eq!((bidiagonal.size(), bidiagonal.products()), (5, 11));
/// // A V y = U B y: the norm of a product with A is known without it.
/// let y = [1.0, 0.5, 0.0, 0.0, 0.0];
/// let image = radon.apply(&bidiagonal.combine(&y)?)?;
/// let norm = image.iter().map(|v| v * v).sum::<f64>().sqrt();
/// let (alpha, beta) = (bidiagonal.alphas(), bidiagonal.betas());
/// let of_b = [alpha[0], beta[1] + 0.5 * alpha[1], 0.5 * beta[2]];
/// assert!((norm / of_b.iter().map(|v| v * v).sum::<f64>().sqrt() - 1.0).abs() < 1e-12);
/// # Ok::<(), bilevel::Error>(())
/// ```
#[derive(Debug)]
pub struct GolubKahan<A> {
    operator: A,
    reorthogonalization: Reorthogonalization,
    alphas: Vec<f64>,
    betas: Vec<f64>,
    left: Vec<f64>,
    right: Vec<f64>,
    image: Vec<f64>,
    back: Vec<f64>,
    left_basis: Basis,
    right_basis: Basis,
    largest: f64,
    products: usize,
    exhausted: bool,
}

impl<A: LinearOperator> GolubKahan<A> {
    /// u₁ and v₁.
    ///
    /// # Errors
    /// [`Error::InvalidData`] if `b` has not one finite number for each row of the operator; what the operator fails with.
    pub fn new(operator: A, b: &[f64], reorthogonalization: Reorthogonalization) -> Result<Self> {
        check_right_side(b, operator.n_rows())?;
        let n_columns = operator.n_columns();
        let mut left = b.to_vec();
        let beta = normalize(&mut left);
        if !beta.is_finite() {
            let expected = "one whose square is finite: rescale the problem";
            return Err(Error::data("norm of the right-hand side", beta.to_string(), expected));
        }
        let mut right = vec![0.0; n_columns];
        operator.adjoint_into(&left, &mut right)?;
        let alpha = normalize(&mut right);
        let mut started = Self {
            image: vec![0.0; left.len()],
            back: vec![0.0; n_columns],
            operator,
            reorthogonalization,
            alphas: vec![alpha],
            betas: vec![beta],
            left,
            right,
            left_basis: Basis::default(),
            right_basis: Basis::default(),
            largest: alpha,
            products: 1,
            exhausted: alpha == 0.0,
        };
        started.keep();
        Ok(started)
    }

    /// One step more; `false` if the space holds all that A and b can reach, and nothing was done.
    ///
    /// # Errors
    /// What the operator fails with.
    pub fn extend(&mut self) -> Result<bool> {
        self.extend_watched(|_| ())
    }

    /// As [`extend`](Self::extend), and `watch` sees A v_k before it is orthogonalized. What it sets to zero is as if it were not there: rows
    /// that are held out cost no product of their own.
    ///
    /// # Errors
    /// What the operator fails with.
    pub fn extend_watched(&mut self, watch: impl FnOnce(&mut [f64])) -> Result<bool> {
        if self.exhausted {
            return Ok(false);
        }
        self.operator.apply_into(&self.right, &mut self.image)?;
        watch(&mut self.image);
        let beta = self.next_left();
        self.operator.adjoint_into(&self.left, &mut self.back)?;
        self.next_right(beta);
        Ok(true)
    }

    /// As [`extend`](Self::extend) of this and of another bidiagonalization of the *same* operator, whose products are shared
    /// ([`LinearOperator::apply_two_into`]); whether this one has grown.
    ///
    /// # Errors
    /// What the operator fails with.
    pub(crate) fn extend_both(&mut self, other: &mut Self) -> Result<bool> {
        if self.exhausted || other.exhausted {
            other.extend()?;
            return self.extend();
        }
        let images = [self.image.as_mut_slice(), other.image.as_mut_slice()];
        self.operator.apply_two_into([&self.right, &other.right], images)?;
        let (beta, of_other) = (self.next_left(), other.next_left());
        let backs = [self.back.as_mut_slice(), other.back.as_mut_slice()];
        self.operator.adjoint_two_into([&self.left, &other.left], backs)?;
        self.next_right(beta);
        other.next_right(of_other);
        Ok(true)
    }

    /// u_{k+1} from A v_k in `image`; β_{k+1}.
    fn next_left(&mut self) -> f64 {
        let alpha = self.alphas[self.size()];
        kernel::axpy(-alpha, &self.left, &mut self.image);
        if self.reorthogonalization == Reorthogonalization::Both {
            self.left_basis.orthogonalize(&mut self.image);
        }
        self.advance_left()
    }

    /// v_{k+1} from Aᵀu_{k+1} in `back`.
    fn next_right(&mut self, beta: f64) {
        kernel::axpy(-beta, &self.right, &mut self.back);
        if self.reorthogonalization != Reorthogonalization::None {
            self.right_basis.orthogonalize(&mut self.back);
        }
        std::mem::swap(&mut self.right, &mut self.back);
        let norm = normalize(&mut self.right);
        let complete = self.is_complete(self.size(), self.right.len());
        let alpha = if complete { 0.0 } else { self.negligible_is_zero(norm) };
        self.alphas.push(alpha);
        self.products += 2;
        self.exhausted = alpha == 0.0;
        self.keep();
    }

    fn advance_left(&mut self) -> f64 {
        std::mem::swap(&mut self.left, &mut self.image);
        let norm = normalize(&mut self.left);
        let complete = self.is_complete(self.size() + 1, self.left.len());
        let beta = if complete { 0.0 } else { self.negligible_is_zero(norm) };
        if beta == 0.0 {
            self.left.fill(0.0);
        }
        self.betas.push(beta);
        beta
    }

    /// Orthogonal vectors, as many as the space has dimensions, leave no further direction but rounding.
    fn is_complete(&self, vectors: usize, dimension: usize) -> bool {
        self.reorthogonalization != Reorthogonalization::None && vectors == dimension
    }

    fn negligible_is_zero(&mut self, norm: f64) -> f64 {
        self.largest = self.largest.max(norm);
        if norm <= NEGLIGIBLE * self.largest { 0.0 } else { norm }
    }

    fn keep(&mut self) {
        if self.reorthogonalization != Reorthogonalization::None && !self.exhausted {
            self.right_basis.push(&self.right);
        }
        if self.reorthogonalization == Reorthogonalization::Both {
            self.left_basis.push(&self.left);
        }
    }

    /// k: the number of columns of B_k.
    pub fn size(&self) -> usize {
        self.betas.len() - 1
    }

    /// α₁ … α_{k+1}: the diagonal of B_k, and the first number beyond it; 0 there says that the space is exhausted.
    pub fn alphas(&self) -> &[f64] {
        &self.alphas
    }

    /// β₁ = ‖b‖, then β₂ … β_{k+1}: the subdiagonal of B_k.
    pub fn betas(&self) -> &[f64] {
        &self.betas
    }

    /// v_{k+1}.
    pub fn right(&self) -> &[f64] {
        &self.right
    }

    /// Whether the space holds all that A and b can reach.
    pub fn is_exhausted(&self) -> bool {
        self.exhausted
    }

    /// Products with A and with Aᵀ.
    pub fn products(&self) -> usize {
        self.products
    }

    /// The operator.
    pub fn operator(&self) -> &A {
        &self.operator
    }

    /// V_k y.
    ///
    /// # Errors
    /// [`Error::InvalidData`] if `y` is longer than what was kept.
    pub fn combine(&self, y: &[f64]) -> Result<Vec<f64>> {
        let kept = self.right_basis.columns.len();
        if y.len() > kept {
            let found = format!("{} coefficients", y.len());
            return Err(Error::data("combination of Krylov vectors", found, format!("at most {kept}")));
        }
        let mut x = vec![0.0; self.right.len()];
        self.right_basis.add_combination(1.0, y, &mut x);
        Ok(x)
    }
}

/// Vectors that new ones are made orthogonal to.
#[derive(Debug, Default)]
pub(crate) struct Basis {
    pub(crate) columns: Vec<Vec<f64>>,
}

impl Basis {
    pub(crate) fn push(&mut self, vector: &[f64]) {
        self.columns.push(vector.to_vec());
    }

    /// Subtracts from v its part in the span, twice where most of it was.
    pub(crate) fn orthogonalize(&self, v: &mut [f64]) {
        let before = kernel::dot(v, v).sqrt();
        self.subtract_projection(v);
        if kernel::dot(v, v).sqrt() < CANCELLED * before {
            self.subtract_projection(v);
        }
    }

    fn subtract_projection(&self, v: &mut [f64]) {
        let products = self.products(v);
        self.add_combination(-1.0, &products, v);
    }

    /// Vᵀv; parts are summed in their order, so that the number of threads changes nothing.
    pub(crate) fn products(&self, v: &[f64]) -> Vec<f64> {
        let of_part = |(part, v): (usize, &[f64])| -> Vec<f64> {
            let rows = part * ROWS_TOGETHER..part * ROWS_TOGETHER + v.len();
            self.columns.iter().map(|column| kernel::dot(&column[rows.clone()], v)).collect()
        };
        let parts: Vec<Vec<f64>> = v.par_chunks(ROWS_TOGETHER).enumerate().map(of_part).collect();
        let mut sums = vec![0.0; self.columns.len()];
        parts.iter().for_each(|part| sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += part));
        sums
    }

    /// x += scale·V y.
    pub(crate) fn add_combination(&self, scale: f64, y: &[f64], x: &mut [f64]) {
        x.par_chunks_mut(ROWS_TOGETHER).enumerate().for_each(|(part, x)| {
            let rows = part * ROWS_TOGETHER..part * ROWS_TOGETHER + x.len();
            for (column, y) in self.columns.iter().zip(y) {
                kernel::axpy(scale * y, &column[rows.clone()], x);
            }
        });
    }
}

/// Divides v by its norm, which is returned; a zero vector stays.
pub(crate) fn normalize(v: &mut [f64]) -> f64 {
    let norm = kernel::dot(v, v).sqrt();
    if norm > 0.0 {
        v.iter_mut().for_each(|v| *v /= norm);
    }
    norm
}

/// A sentence for a right-hand side that does not fit, or is not finite.
pub(crate) fn check_right_side(b: &[f64], n_rows: usize) -> Result<()> {
    if b.len() != n_rows {
        let (found, expected) = (format!("length {}", b.len()), format!("length {n_rows}"));
        return Err(Error::data("right-hand side of a linear problem", found, expected));
    }
    match b.iter().position(|value| !value.is_finite()) {
        Some(k) => {
            Err(Error::data(format!("entry {k} of the right-hand side"), b[k].to_string(), "a finite number"))
        }
        None => Ok(()),
    }
}
