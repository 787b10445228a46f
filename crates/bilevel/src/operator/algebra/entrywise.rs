//! Operators that look at one entry at a time.

use std::marker::PhantomData;

use crate::operator::spectrum::{Basis, Modes, Spectral};
use crate::operator::{Grid, LinearOperator, Real};
use crate::{Error, Result};

/// I x = x.
///
/// ```
/// use bilevel::operator::{Identity, LinearOperator};
/// assert_eq!(Identity::<f64>::new(2).apply(&[3.0, 4.0])?, [3.0, 4.0]);
/// # Ok::<(), bilevel::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity<T = f64> {
    size: usize,
    precision: PhantomData<T>,
}

impl<T: Real> Identity<T> {
    /// The identity on vectors of a length.
    pub fn new(size: usize) -> Self {
        Self { size, precision: PhantomData }
    }
}

impl<T: Real> LinearOperator<T> for Identity<T> {
    fn n_rows(&self) -> usize {
        self.size
    }
    fn n_columns(&self) -> usize {
        self.size
    }
    fn apply_into(&self, x: &[T], out: &mut [T]) -> Result<()> {
        out.copy_from_slice(x);
        Ok(())
    }
    fn adjoint_into(&self, y: &[T], out: &mut [T]) -> Result<()> {
        self.apply_into(y, out)
    }
    fn spectral(&self) -> Option<&dyn Spectral> {
        Some(self)
    }
}

impl<T: Real> Spectral for Identity<T> {
    fn basis(&self) -> Option<Basis> {
        None
    }
    fn eigenvalues(&self, basis: &Basis) -> Option<Modes> {
        (basis.grid().size() == self.size).then(|| Modes::Real(vec![1.0; basis.n_modes()]))
    }
}

/// (D x)_i = d_i x_i.
///
/// ```
/// use bilevel::operator::{Diagonal, LinearOperator};
/// assert_eq!(Diagonal::new(vec![2.0, 0.5])?.apply(&[3.0, 4.0])?, [6.0, 2.0]);
/// # Ok::<(), bilevel::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Diagonal<T = f64> {
    values: Vec<T>,
}

impl<T: Real> Diagonal<T> {
    /// The operator with these values on its diagonal.
    ///
    /// # Errors
    /// [`Error::InvalidData`] if one is not finite.
    pub fn new(values: Vec<T>) -> Result<Self> {
        match values.iter().position(|&v| !crate::kernel::Element::to_f64(v).is_finite()) {
            None => Ok(Self { values }),
            Some(k) => Err(Error::data(
                format!("diagonal operator, entry {}", k + 1),
                format!("{:?}", values[k]),
                "a finite number",
            )),
        }
    }
}

impl<T: Real> LinearOperator<T> for Diagonal<T> {
    fn n_rows(&self) -> usize {
        self.values.len()
    }
    fn n_columns(&self) -> usize {
        self.values.len()
    }
    fn apply_into(&self, x: &[T], out: &mut [T]) -> Result<()> {
        out.iter_mut().zip(x).zip(&self.values).for_each(|((out, &x), &d)| *out = d * x);
        Ok(())
    }
    fn adjoint_into(&self, y: &[T], out: &mut [T]) -> Result<()> {
        self.apply_into(y, out)
    }
}

/// (M x)_k = x at the k-th sample that is kept: rows of the identity. What is measured where pixels are missing; its adjoint puts zeros there.
///
/// ```
/// use bilevel::operator::{LinearOperator, Mask};
/// let mask = Mask::<f64>::keeping(4, vec![0, 3])?;
/// assert_eq!(mask.apply(&[1.0, 2.0, 3.0, 4.0])?, [1.0, 4.0]);
/// assert_eq!(mask.adjoint(&[1.0, 4.0])?, [1.0, 0.0, 0.0, 4.0]);
/// # Ok::<(), bilevel::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask<T = f64> {
    n_columns: usize,
    kept: Vec<usize>,
    precision: PhantomData<T>,
}

impl<T: Real> Mask<T> {
    /// Keeps the samples of the given indices, in the given order, of vectors of length `n_columns`. An index that comes twice is measured twice.
    ///
    /// # Errors
    /// [`Error::InvalidData`] if an index is `n_columns` or more.
    pub fn keeping(n_columns: usize, kept: Vec<usize>) -> Result<Self> {
        match kept.iter().find(|k| **k >= n_columns) {
            None => Ok(Self { n_columns, kept, precision: PhantomData }),
            Some(k) => Err(Error::data("mask", format!("index {k}"), format!("indices below {n_columns}"))),
        }
    }

    /// Keeps the samples whose flag is set.
    pub fn of_flags(flags: &[bool]) -> Self {
        let kept = flags.iter().enumerate().filter_map(|(k, is_kept)| is_kept.then_some(k)).collect();
        Self { n_columns: flags.len(), kept, precision: PhantomData }
    }

    /// Keeps every `step`-th sample along each axis of a shape, beginning with the first.
    ///
    /// # Errors
    /// As [`Grid::new`]; [`Error::InvalidSetting`] if `step` is 0.
    pub fn subsampling(shape: &[usize], step: usize) -> Result<Self> {
        let grid = Grid::new(shape)?;
        if step == 0 {
            return Err(Error::setting("step", step, "at least 1"));
        }
        let [slices, rows, columns] = grid.extents();
        let mut kept = Vec::new();
        for slice in (0..slices).step_by(step) {
            for row in (0..rows).step_by(step) {
                let start = (slice * rows + row) * columns;
                kept.extend((start..start + columns).step_by(step));
            }
        }
        Ok(Self { n_columns: grid.size(), kept, precision: PhantomData })
    }

    /// The indices of the samples that are kept.
    pub fn kept(&self) -> &[usize] {
        &self.kept
    }
}

impl<T: Real> LinearOperator<T> for Mask<T> {
    fn n_rows(&self) -> usize {
        self.kept.len()
    }
    fn n_columns(&self) -> usize {
        self.n_columns
    }
    fn apply_into(&self, x: &[T], out: &mut [T]) -> Result<()> {
        out.iter_mut().zip(&self.kept).for_each(|(out, &k)| *out = x[k]);
        Ok(())
    }
    fn adjoint_into(&self, y: &[T], out: &mut [T]) -> Result<()> {
        out.fill(T::zero());
        y.iter().zip(&self.kept).for_each(|(&y, &k)| out[k] += y);
        Ok(())
    }
}
