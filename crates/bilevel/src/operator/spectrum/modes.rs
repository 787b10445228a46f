//! One number for each mode.

use rayon::prelude::*;
use rustfft::num_complex::Complex;

/// One number for each stored mode of a [`Basis`](super::Basis): a transformed vector, or the eigenvalues of an operator.
#[derive(Debug, Clone, PartialEq)]
pub enum Modes {
    /// Of the cosine basis, or eigenvalues of a symmetric operator.
    Real(Vec<f64>),
    /// Of the Fourier basis.
    Complex(Vec<Complex<f64>>),
}

impl Modes {
    /// Number of modes.
    pub fn len(&self) -> usize {
        match self {
            Self::Real(values) => values.len(),
            Self::Complex(values) => values.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// |z|² of each.
    pub fn squared_moduli(&self) -> Vec<f64> {
        match self {
            Self::Real(values) => values.par_iter().map(|z| z * z).collect(),
            Self::Complex(values) => values.par_iter().map(Complex::norm_sqr).collect(),
        }
    }

    /// The products z·w with those of another basis vector or operator, as many as both have.
    #[must_use]
    pub fn times(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Real(a), Self::Real(b)) => Self::Real(zip_with(a, b, |a, b| a * b)),
            (Self::Real(a), Self::Complex(b)) => Self::Complex(zip_with(a, b, |a, b| b * a)),
            (Self::Complex(a), Self::Real(b)) => Self::Complex(zip_with(a, b, |a, b| a * b)),
            (Self::Complex(a), Self::Complex(b)) => Self::Complex(zip_with(a, b, |a, b| a * b)),
        }
    }

    /// The sums z + w, as many as both have.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Real(a), Self::Real(b)) => Self::Real(zip_with(a, b, |a, b| a + b)),
            (Self::Real(a), Self::Complex(b)) => Self::Complex(zip_with(a, b, |a, b| b + a)),
            (Self::Complex(a), Self::Real(b)) => Self::Complex(zip_with(a, b, |a, b| a + b)),
            (Self::Complex(a), Self::Complex(b)) => Self::Complex(zip_with(a, b, |a, b| a + b)),
        }
    }

    /// The products conj(z)·w with those of another basis vector or operator, as many as both have.
    #[must_use]
    pub fn conjugate_times(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Complex(a), Self::Real(b)) => Self::Complex(zip_with(a, b, |a, b| a.conj() * b)),
            (Self::Complex(a), Self::Complex(b)) => Self::Complex(zip_with(a, b, |a, b| a.conj() * b)),
            (Self::Real(_), _) => self.times(other),
        }
    }

    /// The modes times a real number each: `filter(mode)`.
    #[must_use]
    pub fn filtered(&self, filter: impl Fn(usize) -> f64 + Sync) -> Self {
        match self {
            Self::Real(values) => {
                Self::Real(values.par_iter().enumerate().map(|(k, z)| z * filter(k)).collect())
            }
            Self::Complex(values) => {
                Self::Complex(values.par_iter().enumerate().map(|(k, z)| z * filter(k)).collect())
            }
        }
    }
}

fn zip_with<A: Copy + Sync, B: Copy + Sync, C: Send>(
    a: &[A],
    b: &[B],
    f: impl Fn(A, B) -> C + Sync + Send,
) -> Vec<C> {
    a.par_iter().zip(b).map(|(&a, &b)| f(a, b)).collect()
}
