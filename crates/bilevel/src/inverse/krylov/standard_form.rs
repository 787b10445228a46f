//! λ‖Lx‖² brought to λ‖z‖²: x = L⁻z + Wc, with L⁻ any right inverse of L and W a basis of its null space.
//!
//! The part W of x is not penalized, so that c is the least-squares fit of what L⁻z leaves: with AW = QR,
//!
//! ```text
//! min over z of ½‖(I − QQᵀ)(A L⁻z − b)‖² + (λ/2)‖z‖²,   c = R⁻¹Qᵀ(b − A L⁻z)
//! ```
//!
//! Source: Eldén, "A weighted pseudoinverse, generalized singular values, and constrained least squares problems", BIT 22 (1982).

use crate::operator::LinearOperator;
use crate::solver::{Basis, check_right_side, normalize};
use crate::{Error, Result};

/// A null vector of which A sees less than this fraction is one that A does not see.
const UNSEEN: f64 = 1e-10;

/// (I − QQᵀ)A L⁻, an operator on z.
///
/// # Example
/// ```
/// use bilevel::inverse::krylov::{HybridSettings, Rule, StandardForm, hybrid};
/// use bilevel::operator::LinearOperator;
///
/// /// Running sums: a right inverse of first differences, whose null space are the constants.
/// struct Sums(usize);
/// impl LinearOperator for Sums {
///     fn n_rows(&self) -> usize {
///         self.0
///     }
///     fn n_columns(&self) -> usize {
///         self.0 - 1
///     }
///     fn apply_into(&self, z: &[f64], x: &mut [f64]) -> bilevel::Result<()> {
///         x[0] = 0.0;
///         (1..self.0).for_each(|i| x[i] = x[i - 1] + z[i - 1]);
///         Ok(())
///     }
///     fn adjoint_into(&self, x: &[f64], z: &mut [f64]) -> bilevel::Result<()> {
///         (0..self.0 - 1).for_each(|j| z[j] = x[j + 1..].iter().sum());
///         Ok(())
///     }
/// }
/// /// No blur: A = I.
/// struct Identity(usize);
/// impl LinearOperator for Identity {
///     fn n_rows(&self) -> usize {
///         self.0
///     }
///     fn n_columns(&self) -> usize {
///         self.0
///     }
///     fn apply_into(&self, x: &[f64], out: &mut [f64]) -> bilevel::Result<()> {
///         out.copy_from_slice(x);
///         Ok(())
///     }
///     fn adjoint_into(&self, y: &[f64], out: &mut [f64]) -> bilevel::Result<()> {
///         self.apply_into(y, out)
///     }
/// }
///
/// let (a, sums) = (Identity(3), Sums(3));
/// let form = StandardForm::new(&a, &sums, &[vec![1.0; 3]])?;
/// let b = [1.0, 2.0, 6.0];
/// let settings = HybridSettings { unpenalized: form.unpenalized(), ..Default::default() };
/// let fit = hybrid(&form, &form.data(&b)?, &Rule::Fixed(1e9), &settings)?;
/// let x = form.solution(&fit.x, &b)?;
/// assert!(x.iter().all(|x| (x - 3.0).abs() < 1e-6));                 // only the mean is left
/// # Ok::<(), bilevel::Error>(())
/// ```
pub struct StandardForm<'a> {
    operator: &'a dyn LinearOperator,
    inverse: &'a dyn LinearOperator,
    null_space: Vec<Vec<f64>>,
    /// Q.
    images: Basis,
    /// R by columns, up to the diagonal.
    triangle: Vec<Vec<f64>>,
}

impl<'a> StandardForm<'a> {
    /// `inverse` is L⁻ (L L⁻ = I, from z to x); `null_space` spans the null space of L, and may be empty.
    ///
    /// # Errors
    /// [`Error::InvalidData`] for sizes that do not fit, and for a null space of L that A does not see: the minimizer is not unique then.
    pub fn new(
        operator: &'a dyn LinearOperator,
        inverse: &'a dyn LinearOperator,
        null_space: &[Vec<f64>],
    ) -> Result<Self> {
        if inverse.n_rows() != operator.n_columns() {
            let (found, expected) = (inverse.n_rows(), operator.n_columns());
            return Err(Error::data("inverse of L", format!("{found} rows"), format!("{expected} rows")));
        }
        let (mut images, mut triangle) = (Basis::default(), Vec::new());
        for (k, vector) in null_space.iter().enumerate() {
            let mut image = operator.apply(vector)?;
            if let Some(at) = vector.iter().chain(&image).find(|v| !v.is_finite()) {
                let what = format!("null space of the regularizer, vector {k} and its image");
                return Err(Error::data(what, at.to_string(), "finite numbers"));
            }
            let seen = crate::kernel::dot(&image, &image).sqrt();
            // Twice is enough (Kahan): what the second pass subtracts belongs to R too.
            let mut column = vec![0.0; k];
            for _ in 0..2 {
                let products = images.products(&image);
                images.add_combination(-1.0, &products, &mut image);
                column.iter_mut().zip(&products).for_each(|(r, p)| *r += p);
            }
            let diagonal = normalize(&mut image);
            if diagonal <= UNSEEN * seen || seen == 0.0 {
                return Err(Error::data(
                    "null space of the regularizer",
                    format!("vector {k}, which the operator maps to nothing new"),
                    "a null space of L that A sees: without it the solution is not unique",
                ));
            }
            column.push(diagonal);
            triangle.push(column);
            images.push(&image);
        }
        Ok(Self { operator, inverse, null_space: null_space.to_vec(), images, triangle })
    }

    /// The right-hand side (I − QQᵀ)b for z.
    ///
    /// # Errors
    /// [`Error::InvalidData`] for a `b` that does not fit.
    pub fn data(&self, b: &[f64]) -> Result<Vec<f64>> {
        check_right_side(b, self.operator.n_rows())?;
        let mut data = b.to_vec();
        self.subtract_seen(&mut data);
        Ok(data)
    }

    /// x = L⁻z + Wc.
    ///
    /// # Errors
    /// [`Error::InvalidData`] for vectors that do not fit; what the operators fail with.
    pub fn solution(&self, z: &[f64], b: &[f64]) -> Result<Vec<f64>> {
        check_right_side(b, self.operator.n_rows())?;
        let mut x = self.inverse.apply(z)?;
        let image = self.operator.apply(&x)?;
        let left: Vec<f64> = b.iter().zip(&image).map(|(b, a)| b - a).collect();
        let mut c = self.images.products(&left);
        for k in (0..c.len()).rev() {
            c[k] /= self.triangle[k][k];
            for i in 0..k {
                c[i] -= self.triangle[k][i] * c[k];
            }
        }
        self.null_space.iter().zip(&c).for_each(|(w, c)| crate::kernel::axpy(*c, w, &mut x));
        Ok(x)
    }

    /// Dimension of the null space of L, for [`HybridSettings::unpenalized`](super::HybridSettings::unpenalized).
    pub fn unpenalized(&self) -> usize {
        self.null_space.len()
    }

    fn subtract_seen(&self, y: &mut [f64]) {
        let products = self.images.products(y);
        self.images.add_combination(-1.0, &products, y);
    }
}

impl LinearOperator for StandardForm<'_> {
    fn n_rows(&self) -> usize {
        self.operator.n_rows()
    }

    fn n_columns(&self) -> usize {
        self.inverse.n_columns()
    }

    fn apply_into(&self, z: &[f64], out: &mut [f64]) -> Result<()> {
        self.operator.apply_into(&self.inverse.apply(z)?, out)?;
        self.subtract_seen(out);
        Ok(())
    }

    fn adjoint_into(&self, y: &[f64], out: &mut [f64]) -> Result<()> {
        let mut y = y.to_vec();
        self.subtract_seen(&mut y);
        self.inverse.adjoint_into(&self.operator.adjoint(&y)?, out)
    }
}
