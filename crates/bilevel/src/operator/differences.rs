//! Finite differences: derivatives of a signal, an image or a volume on its samples.
//!
//! Along an axis, with x̃ the samples continued by the boundary: first order (Dx)_i = x̃_{i+1} − x_i, second order (Dx)_i = x̃_{i−1} − 2x_i + x̃_{i+1}.
//! There are as many differences as samples; with reflective boundaries the last one of first order is zero, so that DᵀD is what the (n−1)×n matrix of
//! differences gives. Second differences are symmetric matrices, and −DᵀD of the first ones for periodic and reflective boundaries.

use std::f64::consts::PI;
use std::marker::PhantomData;

use super::grid::Grid;
use super::lines::for_each_row;
use super::real::real;
use super::spectrum::{Basis, Modes, Spectral};
use super::{Boundary, LinearOperator, Real};
use crate::Result;

/// Which derivative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// x_{i+1} − x_i.
    First,
    /// x_{i−1} − 2x_i + x_{i+1}.
    Second,
}

/// Differences along one axis; as many as samples.
///
/// # Example
/// ```
/// use bilevel::operator::{Boundary, Difference, LinearOperator, Order};
///
/// let second = Difference::<f64>::new(&[4], 0, Order::Second, Boundary::Zero)?;
/// assert_eq!(second.apply(&[1.0, 4.0, 9.0, 16.0])?, [2.0, 2.0, 2.0, -23.0]);
/// # Ok::<(), bilevel::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Difference<T = f64> {
    grid: Grid,
    /// Of the grid's three.
    axis: usize,
    order: Order,
    boundary: Boundary,
    precision: PhantomData<T>,
}

impl<T: Real> Difference<T> {
    /// Differences of arrays of a shape (slowest axis first) along axis number `axis`.
    ///
    /// # Errors
    /// As [`Grid::new`]; [`Error::InvalidSetting`](crate::Error::InvalidSetting) if there is no such axis.
    pub fn new(shape: &[usize], axis: usize, order: Order, boundary: Boundary) -> Result<Self> {
        let grid = Grid::new(shape)?;
        Ok(Self { grid, axis: grid.axis(axis)?, order, boundary, precision: PhantomData })
    }
}

impl<T: Real> LinearOperator<T> for Difference<T> {
    fn n_rows(&self) -> usize {
        self.grid.size()
    }
    fn n_columns(&self) -> usize {
        self.grid.size()
    }
    fn apply_into(&self, x: &[T], out: &mut [T]) -> Result<()> {
        let stencil = Stencil::of(self.order, self.boundary);
        lines(self.grid, out, |line, out| {
            out.fill(T::zero());
            stencil.add_line(self.grid, self.axis, x, line, out);
        });
        Ok(())
    }
    fn adjoint_into(&self, y: &[T], out: &mut [T]) -> Result<()> {
        let stencil = Stencil::of(self.order, self.boundary).transposed();
        lines(self.grid, out, |line, out| {
            out.fill(T::zero());
            stencil.add_line(self.grid, self.axis, y, line, out);
        });
        Ok(())
    }
    fn spectral(&self) -> Option<&dyn Spectral> {
        basis(self.grid, self.boundary).is_some().then_some(self)
    }
}

impl<T: Real> Spectral for Difference<T> {
    fn basis(&self) -> Option<Basis> {
        basis(self.grid, self.boundary)
    }
    fn eigenvalues(&self, asked: &Basis) -> Option<Modes> {
        let basis = self.basis().filter(|own| own == asked)?;
        match (self.order, basis) {
            (Order::Second, _) => {
                let line = second_eigenvalues(self.grid.extents()[self.axis], &basis);
                Some(Modes::Real(basis.map(|frequency| -line[frequency[self.axis]])))
            }
            (Order::First, Basis::Fourier(_)) => {
                let line = first_eigenvalues(self.grid.extents()[self.axis]);
                Some(Modes::Complex(basis.map(|frequency| line[frequency[self.axis]])))
            }
            (Order::First, Basis::Cosine(_)) => None,
        }
    }
    fn gram_eigenvalues(&self, asked: &Basis) -> Option<Vec<f64>> {
        let basis = self.basis().filter(|own| own == asked)?;
        let line = second_eigenvalues(self.grid.extents()[self.axis], &basis);
        let power = if self.order == Order::First { 1 } else { 2 };
        Some(basis.map(|frequency| line[frequency[self.axis]].powi(power)))
    }
}

/// First differences along every axis, one block after another: for an image, the differences between rows, then those between columns.
///
/// # Example
/// ```
/// use bilevel::operator::{Boundary, Gradient, LinearOperator};
///
/// let gradient = Gradient::<f64>::new(&[2, 2], Boundary::Reflective)?;
/// assert_eq!(gradient.apply(&[1.0, 2.0, 4.0, 8.0])?, [3.0, 6.0, 0.0, 0.0, 1.0, 0.0, 4.0, 0.0]);
/// # Ok::<(), bilevel::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Gradient<T = f64> {
    grid: Grid,
    boundary: Boundary,
    precision: PhantomData<T>,
}

impl<T: Real> Gradient<T> {
    /// The gradient of arrays of a shape (slowest axis first).
    ///
    /// # Errors
    /// As [`Grid::new`].
    pub fn new(shape: &[usize], boundary: Boundary) -> Result<Self> {
        Ok(Self { grid: Grid::new(shape)?, boundary, precision: PhantomData })
    }
}

impl<T: Real> LinearOperator<T> for Gradient<T> {
    fn n_rows(&self) -> usize {
        self.grid.n_axes() * self.grid.size()
    }
    fn n_columns(&self) -> usize {
        self.grid.size()
    }
    fn apply_into(&self, x: &[T], out: &mut [T]) -> Result<()> {
        let stencil = Stencil::of(Order::First, self.boundary);
        for (axis, out) in axes(self.grid).zip(out.chunks_exact_mut(self.grid.size())) {
            lines(self.grid, out, |line, out| {
                out.fill(T::zero());
                stencil.add_line(self.grid, axis, x, line, out);
            });
        }
        Ok(())
    }
    fn adjoint_into(&self, y: &[T], out: &mut [T]) -> Result<()> {
        let stencil = Stencil::of(Order::First, self.boundary).transposed();
        lines(self.grid, out, |line, out| {
            out.fill(T::zero());
            for (axis, y) in axes(self.grid).zip(y.chunks_exact(self.grid.size())) {
                stencil.add_line(self.grid, axis, y, line, out);
            }
        });
        Ok(())
    }
    fn spectral(&self) -> Option<&dyn Spectral> {
        basis(self.grid, self.boundary).is_some().then_some(self)
    }
}

impl<T: Real> Spectral for Gradient<T> {
    fn basis(&self) -> Option<Basis> {
        basis(self.grid, self.boundary)
    }
    fn eigenvalues(&self, _: &Basis) -> Option<Modes> {
        None
    }
    fn gram_eigenvalues(&self, asked: &Basis) -> Option<Vec<f64>> {
        self.basis().filter(|own| own == asked).map(|basis| laplacian_eigenvalues(self.grid, &basis))
    }
}

/// The sum of second differences along all axes; symmetric.
///
/// # Example
/// ```
/// use bilevel::operator::{Boundary, Laplacian, LinearOperator};
///
/// let laplacian = Laplacian::<f64>::new(&[3, 3], Boundary::Zero)?;
/// let point = [0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0];
/// assert_eq!(laplacian.apply(&point)?, [0.0, 1.0, 0.0, 1.0, -4.0, 1.0, 0.0, 1.0, 0.0]);
/// # Ok::<(), bilevel::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Laplacian<T = f64> {
    grid: Grid,
    boundary: Boundary,
    precision: PhantomData<T>,
}

impl<T: Real> Laplacian<T> {
    /// The Laplacian of arrays of a shape (slowest axis first).
    ///
    /// # Errors
    /// As [`Grid::new`].
    pub fn new(shape: &[usize], boundary: Boundary) -> Result<Self> {
        Ok(Self { grid: Grid::new(shape)?, boundary, precision: PhantomData })
    }
}

impl<T: Real> LinearOperator<T> for Laplacian<T> {
    fn n_rows(&self) -> usize {
        self.grid.size()
    }
    fn n_columns(&self) -> usize {
        self.grid.size()
    }
    fn apply_into(&self, x: &[T], out: &mut [T]) -> Result<()> {
        let stencil = Stencil::of(Order::Second, self.boundary);
        lines(self.grid, out, |line, out| {
            out.fill(T::zero());
            axes(self.grid).for_each(|axis| stencil.add_line(self.grid, axis, x, line, out));
        });
        Ok(())
    }
    fn adjoint_into(&self, y: &[T], out: &mut [T]) -> Result<()> {
        self.apply_into(y, out)
    }
    fn spectral(&self) -> Option<&dyn Spectral> {
        basis(self.grid, self.boundary).is_some().then_some(self)
    }
}

impl<T: Real> Spectral for Laplacian<T> {
    fn basis(&self) -> Option<Basis> {
        basis(self.grid, self.boundary)
    }
    fn eigenvalues(&self, asked: &Basis) -> Option<Modes> {
        let basis = self.basis().filter(|own| own == asked)?;
        let values = laplacian_eigenvalues(self.grid, &basis);
        Some(Modes::Real(values.into_iter().map(|value| -value).collect()))
    }
}

/// The user's axes among the grid's three.
fn axes(grid: Grid) -> impl Iterator<Item = usize> {
    3 - grid.n_axes()..3
}

/// `work(number of the line, line)` for all lines of the last axis.
fn lines<T: Real>(grid: Grid, out: &mut [T], work: impl Fn(usize, &mut [T]) + Sync + Send) {
    for_each_row(out, grid.extents()[2], work);
}

/// out_i = before·x̃_{i−1} + here·x_i + behind·x̃_{i+1}, but for what `ends` adds at the first and the last sample.
#[derive(Debug, Clone, Copy)]
struct Stencil {
    before: f64,
    here: f64,
    behind: f64,
    boundary: Boundary,
    /// Added to the coefficient of the sample itself at the first sample, and at the last.
    ends: [f64; 2],
}

impl Stencil {
    fn of(order: Order, boundary: Boundary) -> Self {
        let (before, here, behind) = match order {
            Order::First => (0.0, -1.0, 1.0),
            Order::Second => (1.0, -2.0, 1.0),
        };
        // Beyond a mirror stands the sample itself.
        let ends = if boundary == Boundary::Reflective { [before, behind] } else { [0.0, 0.0] };
        let boundary = if boundary == Boundary::Reflective { Boundary::Zero } else { boundary };
        Self { before, here, behind, boundary, ends }
    }

    fn transposed(self) -> Self {
        Self { before: self.behind, behind: self.before, ..self }
    }

    /// Adds to `out`, a line of the last axis, what the stencil gives there along an axis.
    fn add_line<T: Real>(&self, grid: Grid, axis: usize, x: &[T], line: usize, out: &mut [T]) {
        let extents = grid.extents();
        let length = extents[2];
        let of = |line: usize| &x[line * length..(line + 1) * length];
        if axis == 2 {
            return self.add_along(of(line), out);
        }
        let (n, step) = if axis == 1 { (extents[1], 1) } else { (extents[0], extents[1]) };
        let i = line / step % n;
        let mut add = |coefficient: f64, at: isize| {
            if let Some(source) = self.boundary.source(at, n).filter(|_| coefficient != 0.0) {
                let c = real::<T>(coefficient);
                let x = of(line - i * step + source * step);
                out.iter_mut().zip(x).for_each(|(out, &x)| *out += c * x);
            }
        };
        add(self.here + self.at_ends(i, n), i as isize);
        add(self.before, i as isize - 1);
        add(self.behind, i as isize + 1);
    }

    /// The same along the line itself.
    fn add_along<T: Real>(&self, x: &[T], out: &mut [T]) {
        let n = x.len();
        let [before, here, behind] = [self.before, self.here, self.behind].map(real::<T>);
        if let Some(inside) = out.get_mut(1..n.saturating_sub(1)) {
            for (out, x) in inside.iter_mut().zip(x.windows(3)) {
                *out += before * x[0] + here * x[1] + behind * x[2];
            }
        }
        let mut add_end = |i: usize| {
            let at = |i: isize| self.boundary.source(i, n).map_or(T::zero(), |s| x[s]);
            let centre: T = real(self.here + self.at_ends(i, n));
            out[i] += before * at(i as isize - 1) + centre * x[i] + behind * at(i as isize + 1);
        };
        add_end(0);
        if n > 1 {
            add_end(n - 1);
        }
    }

    fn at_ends(&self, i: usize, n: usize) -> f64 {
        let first = if i == 0 { self.ends[0] } else { 0.0 };
        let last = if i + 1 == n { self.ends[1] } else { 0.0 };
        first + last
    }
}

/// The basis that diagonalizes DᵀD.
fn basis(grid: Grid, boundary: Boundary) -> Option<Basis> {
    match boundary {
        Boundary::Periodic => Some(Basis::Fourier(grid)),
        Boundary::Reflective => Some(Basis::Cosine(grid)),
        Boundary::Zero => None,
    }
}

/// Of −D for second differences along an axis of n samples, which is DᵀD for first ones: 4 sin²(πf/n) in the Fourier basis, 4 sin²(πf/2n) in the cosine basis.
fn second_eigenvalues(n: usize, basis: &Basis) -> Vec<f64> {
    let period = if let Basis::Fourier(_) = basis { n } else { 2 * n };
    (0..n).map(|f| 4.0 * (PI * f as f64 / period as f64).sin().powi(2)).collect()
}

/// Of first differences in the Fourier basis: exp(2πif/n) − 1 = 2i sin(πf/n) exp(iπf/n).
fn first_eigenvalues(n: usize) -> Vec<rustfft::num_complex::Complex<f64>> {
    let at = |f: usize| {
        let (sine, cosine) = (PI * f as f64 / n as f64).sin_cos();
        rustfft::num_complex::Complex::new(-2.0 * sine * sine, 2.0 * sine * cosine)
    };
    (0..n).map(at).collect()
}

fn laplacian_eigenvalues(grid: Grid, basis: &Basis) -> Vec<f64> {
    let lines = grid.extents().map(|n| second_eigenvalues(n, basis));
    basis.map(|f| lines[0][f[0]] + lines[1][f[1]] + lines[2][f[2]])
}
