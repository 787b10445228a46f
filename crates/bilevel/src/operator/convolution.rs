//! Convolution by FFT, with the exact adjoint for every boundary.
//!
//! (Ax)_i = Σ_j k_j x̃_{i − (j − centre)}, where x̃ continues x beyond its edges. Four ways:
//! - periodic: A = F* diag(Fk) F, and Aᵀ has the conjugate eigenvalues;
//! - reflective with a kernel that is symmetric in each axis: A = Cᵀ diag(k̂) C with the cosine transform C, so Aᵀ = A;
//! - a few values are added up as they stand, where the transpose is the same sum with the kernel turned around: that is cheaper than any transform;
//! - otherwise A = R K E: continue x onto a longer periodic grid (E), convolve there (K), restrict (R); Aᵀ = Eᵀ Kᵀ Rᵀ, where Eᵀ folds what lies beyond
//!   the edges back onto the samples that it was copied from. To restrict and to continue the other way round would not be the adjoint.

mod direct;
mod eigenvalues;
mod padding;

use rustfft::num_complex::Complex;

use self::direct::Direct;
use self::padding::Padding;
use super::cosine::CosinePlan;
use super::fft::RealFft;
use super::grid::Grid;
use super::pool::Pool;
use super::real::{check_range, real};
use super::spectrum::{Basis, Modes, Spectral};
use super::{Boundary, Kernel, LinearOperator, Real};
use crate::{Error, Result};

/// Convolution of signals, images and volumes with a kernel; what is put out has the shape of what is put in.
///
/// # Example
/// ```
/// use bilevel::operator::{Boundary, Convolution, Kernel, LinearOperator};
///
/// let kernel = Kernel::from_samples(&[3], vec![1.0, 2.0, 4.0])?;
/// let blur = Convolution::<f64>::new(&[4], &kernel, Boundary::Zero)?;
/// let blurred = blur.apply(&[1.0, 0.0, 0.0, 10.0])?;
/// assert!(blurred.iter().zip([2.0, 4.0, 10.0, 20.0]).all(|(found, expected)| (found - expected).abs() < 1e-13));
/// # Ok::<(), bilevel::Error>(())
/// ```
pub struct Convolution<T: Real = f64> {
    grid: Grid,
    kernel: Kernel,
    boundary: Boundary,
    way: Way<T>,
}

/// Up to so many values of a kernel that are not zero are added up directly: each is a pass over the image, 0.1 ms at 512×512 where the transforms took 4 ms.
const FEW_VALUES: usize = 9;

enum Way<T: Real> {
    Direct(Direct<T>),
    /// Eigenvalues divided by the number of samples of the grid, which makes the inverse transform of the product.
    Fourier {
        fft: RealFft<T>,
        eigenvalues: Vec<Complex<T>>,
        padded: Option<Padded<T>>,
    },
    Cosine {
        plan: CosinePlan<T>,
        eigenvalues: Vec<T>,
    },
}

struct Padded<T> {
    padding: Padding,
    buffers: Pool<T>,
}

impl<T: Real> Convolution<T> {
    /// The convolution of arrays of a shape (slowest axis first) with a kernel of as many axes.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] as [`Grid::new`], for a kernel with another number of axes, or one that is larger than the image along an axis;
    /// [`Error::InvalidData`] for a value that is not finite in the precision of the image.
    pub fn new(shape: &[usize], kernel: &Kernel, boundary: Boundary) -> Result<Self> {
        let grid = Grid::new(shape)?;
        check_fit(shape, kernel)?;
        kernel.values().iter().try_for_each(|v| check_range::<T>("value of a convolution kernel", *v))?;
        let is_reflective = boundary == Boundary::Reflective;
        let is_few = kernel.values().iter().filter(|v| **v != 0.0).count() <= FEW_VALUES;
        let way = if is_few && (!is_reflective || kernel.is_symmetric()) {
            Way::Direct(Direct::new(grid, kernel, boundary))
        } else if is_reflective && kernel.is_symmetric() {
            let eigenvalues = eigenvalues::of_symmetric(kernel, &Basis::Cosine(grid));
            Way::Cosine {
                plan: CosinePlan::new(grid),
                eigenvalues: eigenvalues.into_iter().map(real).collect(),
            }
        } else {
            let padding = Padding::new(grid.extents(), kernel.reach(), boundary);
            let (transformed, padded) = match padding {
                None => (grid, None),
                Some(padding) => {
                    let padded = grid.with_extents(padding.padded());
                    (padded, Some(Padded { padding, buffers: Pool::new(padded.size()) }))
                }
            };
            let scale = (transformed.size() as f64).recip();
            let eigenvalues = eigenvalues::of_periodic(kernel, transformed)
                .into_iter()
                .map(|z| Complex::new(real(z.re * scale), real(z.im * scale)))
                .collect();
            Way::Fourier { fft: RealFft::new(transformed), eigenvalues, padded }
        };
        Ok(Self { grid, kernel: kernel.clone(), boundary, way })
    }

    /// The kernel.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// What lies beyond the edges.
    pub fn boundary(&self) -> Boundary {
        self.boundary
    }

    /// The shape of what is put in and out, slowest axis first.
    pub fn shape(&self) -> &[usize] {
        self.grid.shape()
    }
}

impl<T: Real> LinearOperator<T> for Convolution<T> {
    fn n_rows(&self) -> usize {
        self.grid.size()
    }
    fn n_columns(&self) -> usize {
        self.grid.size()
    }
    fn apply_into(&self, x: &[T], out: &mut [T]) -> Result<()> {
        match &self.way {
            Way::Direct(direct) => direct.apply(x, out),
            Way::Cosine { plan, eigenvalues } => plan.filter(x, out, eigenvalues),
            Way::Fourier { fft, eigenvalues, padded } => {
                let product = |first: usize, modes: &mut [Complex<T>]| {
                    modes.iter_mut().zip(&eigenvalues[first..]).for_each(|(mode, a)| *mode = *mode * a);
                };
                match padded {
                    None => fft.filter(x, out, product),
                    Some(padded) => padded.buffers.with(T::zero(), |continued| {
                        padded.buffers.with(T::zero(), |convolved| {
                            padded.padding.extend(x, continued);
                            fft.filter(continued, convolved, product);
                            padded.padding.restrict(convolved, out);
                        });
                    }),
                }
            }
        }
        Ok(())
    }
    fn adjoint_into(&self, y: &[T], out: &mut [T]) -> Result<()> {
        match &self.way {
            Way::Direct(direct) => direct.adjoint(y, out),
            Way::Cosine { plan, eigenvalues } => plan.filter(y, out, eigenvalues),
            Way::Fourier { fft, eigenvalues, padded } => {
                let product = |first: usize, modes: &mut [Complex<T>]| {
                    modes
                        .iter_mut()
                        .zip(&eigenvalues[first..])
                        .for_each(|(mode, a)| *mode = *mode * a.conj());
                };
                match padded {
                    None => fft.filter(y, out, product),
                    Some(padded) => padded.buffers.with(T::zero(), |embedded| {
                        padded.buffers.with(T::zero(), |convolved| {
                            padded.padding.embed(y, embedded);
                            fft.filter(embedded, convolved, product);
                            padded.padding.fold(convolved, out);
                        });
                    }),
                }
            }
        }
        Ok(())
    }
    fn spectral(&self) -> Option<&dyn Spectral> {
        self.basis().is_some().then_some(self)
    }
}

impl<T: Real> Spectral for Convolution<T> {
    fn basis(&self) -> Option<Basis> {
        match self.boundary {
            Boundary::Periodic => Some(Basis::Fourier(self.grid)),
            Boundary::Reflective => self.kernel.is_symmetric().then_some(Basis::Cosine(self.grid)),
            Boundary::Zero => None,
        }
    }
    fn eigenvalues(&self, basis: &Basis) -> Option<Modes> {
        match basis {
            _ if self.basis() != Some(*basis) => None,
            Basis::Fourier(grid) => Some(Modes::Complex(eigenvalues::of_periodic(&self.kernel, *grid))),
            Basis::Cosine(_) => Some(Modes::Real(eigenvalues::of_symmetric(&self.kernel, basis))),
        }
    }
}

fn check_fit(shape: &[usize], kernel: &Kernel) -> Result<()> {
    let fits = kernel.shape().len() == shape.len() && kernel.shape().iter().zip(shape).all(|(k, n)| k <= n);
    if fits {
        return Ok(());
    }
    Err(Error::setting(
        "kernel",
        format!("shape {:?}", kernel.shape()),
        format!("one with as many axes as the image and no larger than it: shape {shape:?}"),
    ))
}
