//! Multiples, transposes, products and sums of operators.

use std::marker::PhantomData;

use super::{add, common_size};
use crate::operator::pool::Pool;
use crate::operator::real::{check_range, real};
use crate::operator::spectrum::{Basis, Modes, Spectral};
use crate::operator::{LinearOperator, Real};
use crate::{Error, Result};

/// c A.
///
/// ```
/// use bilevel::operator::{Identity, LinearOperator, Scaled};
/// assert_eq!(Scaled::new(2.0, Identity::<f64>::new(1))?.apply(&[3.0])?, [6.0]);
/// # Ok::<(), bilevel::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Scaled<A, T = f64> {
    factor: f64,
    operator: A,
    precision: PhantomData<T>,
}

impl<T: Real, A: LinearOperator<T>> Scaled<A, T> {
    /// `factor` times an operator.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] if the factor is not finite, [`Error::InvalidData`] if it is not in the precision of the vectors.
    pub fn new(factor: f64, operator: A) -> Result<Self> {
        if !factor.is_finite() {
            return Err(Error::setting("factor", factor, "a finite number"));
        }
        check_range::<T>("factor of an operator", factor)?;
        Ok(Self { factor, operator, precision: PhantomData })
    }

    fn scale(&self, out: &mut [T]) {
        let factor = real::<T>(self.factor);
        out.iter_mut().for_each(|out| *out = *out * factor);
    }
}

impl<T: Real, A: LinearOperator<T>> LinearOperator<T> for Scaled<A, T> {
    fn n_rows(&self) -> usize {
        self.operator.n_rows()
    }
    fn n_columns(&self) -> usize {
        self.operator.n_columns()
    }
    fn apply_into(&self, x: &[T], out: &mut [T]) -> Result<()> {
        self.operator.apply_into(x, out)?;
        self.scale(out);
        Ok(())
    }
    fn adjoint_into(&self, y: &[T], out: &mut [T]) -> Result<()> {
        self.operator.adjoint_into(y, out)?;
        self.scale(out);
        Ok(())
    }
    fn spectral(&self) -> Option<&dyn Spectral> {
        self.operator.spectral().map(|_| self as &dyn Spectral)
    }
}

impl<T: Real, A: LinearOperator<T>> Spectral for Scaled<A, T> {
    fn basis(&self) -> Option<Basis> {
        self.operator.spectral()?.basis()
    }
    fn eigenvalues(&self, basis: &Basis) -> Option<Modes> {
        Some(self.operator.spectral()?.eigenvalues(basis)?.filtered(|_| self.factor))
    }
    fn gram_eigenvalues(&self, basis: &Basis) -> Option<Vec<f64>> {
        let mut gram = self.operator.spectral()?.gram_eigenvalues(basis)?;
        gram.iter_mut().for_each(|g| *g *= self.factor * self.factor);
        Some(gram)
    }
}

/// Aᵀ.
///
/// ```
/// use bilevel::operator::{LinearOperator, Mask, Transpose};
/// let zero_filling = Transpose::new(Mask::<f64>::keeping(3, vec![1])?);
/// assert_eq!(zero_filling.apply(&[5.0])?, [0.0, 5.0, 0.0]);
/// # Ok::<(), bilevel::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Transpose<A, T = f64> {
    operator: A,
    precision: PhantomData<T>,
}

impl<T: Real, A: LinearOperator<T>> Transpose<A, T> {
    /// The transpose of an operator.
    pub fn new(operator: A) -> Self {
        Self { operator, precision: PhantomData }
    }
}

impl<T: Real, A: LinearOperator<T>> LinearOperator<T> for Transpose<A, T> {
    fn n_rows(&self) -> usize {
        self.operator.n_columns()
    }
    fn n_columns(&self) -> usize {
        self.operator.n_rows()
    }
    fn apply_into(&self, x: &[T], out: &mut [T]) -> Result<()> {
        self.operator.adjoint_into(x, out)
    }
    fn adjoint_into(&self, y: &[T], out: &mut [T]) -> Result<()> {
        self.operator.apply_into(y, out)
    }
    fn spectral(&self) -> Option<&dyn Spectral> {
        self.operator.spectral().map(|_| self as &dyn Spectral)
    }
}

/// Where A is diagonal Aᵀ is, too; AAᵀ need not be where only AᵀA is.
impl<T: Real, A: LinearOperator<T>> Spectral for Transpose<A, T> {
    fn basis(&self) -> Option<Basis> {
        self.operator.spectral()?.basis()
    }
    fn eigenvalues(&self, basis: &Basis) -> Option<Modes> {
        let ones = Modes::Real(vec![1.0; basis.n_modes()]);
        Some(self.operator.spectral()?.eigenvalues(basis)?.conjugate_times(&ones))
    }
}

/// A B: first B, then A.
///
/// ```
/// use bilevel::operator::{Composition, Diagonal, LinearOperator, Mask};
/// let measured = Composition::new(Mask::keeping(2, vec![1])?, Diagonal::new(vec![2.0, 3.0])?)?;
/// assert_eq!(measured.apply(&[1.0, 10.0])?, [30.0]);
/// # Ok::<(), bilevel::Error>(())
/// ```
#[derive(Debug)]
pub struct Composition<A, B, T = f64> {
    outer: A,
    inner: B,
    between: Pool<T>,
}

impl<T: Real, A: LinearOperator<T>, B: LinearOperator<T>> Composition<A, B, T> {
    /// `outer` after `inner`.
    ///
    /// # Errors
    /// [`Error::InvalidData`] if `outer` does not take vectors as long as `inner` gives.
    pub fn new(outer: A, inner: B) -> Result<Self> {
        if outer.n_columns() != inner.n_rows() {
            return Err(Error::data(
                "columns of the outer operator of a composition",
                outer.n_columns().to_string(),
                format!("{}, the rows of the inner one", inner.n_rows()),
            ));
        }
        Ok(Self { between: Pool::new(inner.n_rows()), outer, inner })
    }
}

impl<T: Real, A: LinearOperator<T>, B: LinearOperator<T>> LinearOperator<T> for Composition<A, B, T> {
    fn n_rows(&self) -> usize {
        self.outer.n_rows()
    }
    fn n_columns(&self) -> usize {
        self.inner.n_columns()
    }
    fn apply_into(&self, x: &[T], out: &mut [T]) -> Result<()> {
        self.between.with(T::zero(), |between| {
            self.inner.apply_into(x, between)?;
            self.outer.apply_into(between, out)
        })
    }
    fn adjoint_into(&self, y: &[T], out: &mut [T]) -> Result<()> {
        self.between.with(T::zero(), |between| {
            self.outer.adjoint_into(y, between)?;
            self.inner.adjoint_into(between, out)
        })
    }
    fn spectral(&self) -> Option<&dyn Spectral> {
        self.outer.spectral().and(self.inner.spectral()).map(|_| self as &dyn Spectral)
    }
}

impl<T: Real, A: LinearOperator<T>, B: LinearOperator<T>> Spectral for Composition<A, B, T> {
    fn basis(&self) -> Option<Basis> {
        self.inner.spectral()?.basis().or(self.outer.spectral()?.basis())
    }
    fn eigenvalues(&self, basis: &Basis) -> Option<Modes> {
        let inner = self.inner.spectral()?.eigenvalues(basis)?;
        Some(self.outer.spectral()?.eigenvalues(basis)?.times(&inner))
    }
    /// BᵀAᵀA B: only AᵀA need be diagonal.
    fn gram_eigenvalues(&self, basis: &Basis) -> Option<Vec<f64>> {
        let inner = self.inner.spectral()?.eigenvalues(basis)?.squared_moduli();
        let outer = self.outer.spectral()?.gram_eigenvalues(basis)?;
        Some(outer.iter().zip(inner).map(|(a, b)| a * b).collect())
    }
}

/// A_1 + A_2 + …: operators of one shape, boxed (`Box<dyn LinearOperator>`) where they are of different kinds.
///
/// ```
/// use bilevel::operator::{Diagonal, Identity, LinearOperator, Sum};
/// let terms: Vec<Box<dyn LinearOperator>> = vec![Box::new(Identity::new(2)), Box::new(Diagonal::new(vec![1.0, 2.0])?)];
/// assert_eq!(Sum::new(terms)?.apply(&[1.0, 1.0])?, [2.0, 3.0]);
/// # Ok::<(), bilevel::Error>(())
/// ```
#[derive(Debug)]
pub struct Sum<A, T = f64> {
    terms: Vec<A>,
    rows: Pool<T>,
    columns: Pool<T>,
}

impl<T: Real, A: LinearOperator<T>> Sum<A, T> {
    /// The sum of the terms.
    ///
    /// # Errors
    /// [`Error::InvalidData`] if there is none, or their shapes differ.
    pub fn new(terms: Vec<A>) -> Result<Self> {
        let rows = common_size("rows of the terms of a sum", &terms, A::n_rows)?;
        let columns = common_size("columns of the terms of a sum", &terms, A::n_columns)?;
        Ok(Self { terms, rows: Pool::new(rows), columns: Pool::new(columns) })
    }
}

impl<T: Real, A: LinearOperator<T>> LinearOperator<T> for Sum<A, T> {
    fn n_rows(&self) -> usize {
        self.terms.first().map_or(0, A::n_rows)
    }
    fn n_columns(&self) -> usize {
        self.terms.first().map_or(0, A::n_columns)
    }
    fn apply_into(&self, x: &[T], out: &mut [T]) -> Result<()> {
        out.fill(T::zero());
        self.rows.with(T::zero(), |term| {
            self.terms.iter().try_for_each(|a| a.apply_into(x, term).map(|()| add(term, out)))
        })
    }
    fn adjoint_into(&self, y: &[T], out: &mut [T]) -> Result<()> {
        out.fill(T::zero());
        self.columns.with(T::zero(), |term| {
            self.terms.iter().try_for_each(|a| a.adjoint_into(y, term).map(|()| add(term, out)))
        })
    }
    fn spectral(&self) -> Option<&dyn Spectral> {
        self.terms.iter().all(|a| a.spectral().is_some()).then_some(self)
    }
}

impl<T: Real, A: LinearOperator<T>> Spectral for Sum<A, T> {
    fn basis(&self) -> Option<Basis> {
        self.terms.iter().find_map(|a| a.spectral()?.basis())
    }
    fn eigenvalues(&self, basis: &Basis) -> Option<Modes> {
        let mut terms = self.terms.iter().map(|a| a.spectral()?.eigenvalues(basis));
        let first = terms.next()??;
        terms.try_fold(first, |sum, term| Some(sum.plus(&term?)))
    }
}
