//! Operators that one transform diagonalizes together: what makes Tikhonov's problem a division.
//!
//! With periodic boundaries, convolutions and differences are diagonal in the discrete Fourier transform; with reflective ones, convolutions whose kernel is
//! symmetric in each axis and LᵀL of differences are diagonal in the discrete cosine transform. If A = Q* diag(a) Q and L_kᵀL_k = Q* diag(ℓ_k) Q with
//! Q unitary, then
//!
//!   (AᵀA + Σ λ_k L_kᵀL_k)⁻¹ Aᵀb = Q* [ā Qb / (|a|² + Σ λ_k ℓ_k)],
//!
//! and traces, log-determinants and norms are sums over modes. Source: Hansen, Nagy, O'Leary, *Deblurring Images*, SIAM 2006, chapters 4–6.
//!
//! The vectors are real, so of two conjugate Fourier modes one is stored and counts twice: see [`CommonSpectrum::multiplicity`].

mod common;
mod modes;

pub use common::CommonSpectrum;
pub use modes::Modes;

use super::grid::Grid;

/// A basis that diagonalizes operators on a grid.
///
/// Modes are stored with the axes reversed: frequencies of the last axis are the slowest index. Those of the Fourier basis are the frequencies 0…n/2 of the
/// last axis that is longer than 1, and all of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The discrete Fourier transform: periodic boundaries.
    Fourier(Grid),
    /// The discrete cosine transform DCT-II: reflective boundaries.
    Cosine(Grid),
}

impl Basis {
    /// The grid whose samples are transformed.
    pub fn grid(&self) -> &Grid {
        match self {
            Self::Fourier(grid) | Self::Cosine(grid) => grid,
        }
    }

    /// Number of stored modes.
    pub fn n_modes(&self) -> usize {
        self.extents().iter().product()
    }

    /// The modes that stand for two unknowns: Fourier modes whose conjugates are not stored. The others are their own conjugates or come in pairs.
    fn twice(&self) -> std::ops::Range<usize> {
        let Self::Fourier(grid) = self else { return 0..0 };
        let columns = grid.squeezed()[2];
        let of_one_frequency = grid.size() / columns;
        let last = if columns.is_multiple_of(2) { columns / 2 } else { columns / 2 + 1 };
        of_one_frequency..(last * of_one_frequency).max(of_one_frequency)
    }

    /// Frequencies stored along each of the three axes.
    fn extents(&self) -> [usize; 3] {
        let mut extents = self.grid().extents();
        if let Self::Fourier(_) = self {
            let halved = extents.iter().rposition(|n| *n > 1).unwrap_or(2);
            extents[halved] = extents[halved] / 2 + 1;
        }
        extents
    }

    /// One value for each mode from its frequency along each of the three axes, in the order of the modes.
    pub(super) fn map<V>(&self, value: impl Fn([usize; 3]) -> V) -> Vec<V> {
        let [slices, rows, columns] = self.extents();
        let mut values = Vec::with_capacity(slices * rows * columns);
        for column in 0..columns {
            for row in 0..rows {
                values.extend((0..slices).map(|slice| value([slice, row, column])));
            }
        }
        values
    }
}

/// An operator that some [`Basis`] diagonalizes. [`LinearOperator::spectral`](super::LinearOperator::spectral) says which are.
pub trait Spectral {
    /// The basis in which AᵀA is diagonal; `None` if that depends on parts that have none in common, or if every basis is one (a multiple of the identity).
    fn basis(&self) -> Option<Basis>;

    /// The eigenvalues a of A = Q* diag(a) Q; `None` if A is not diagonal in that basis.
    fn eigenvalues(&self, basis: &Basis) -> Option<Modes>;

    /// The eigenvalues of AᵀA, ≥ 0, which may be diagonal where A is not; `None` if it is not either.
    fn gram_eigenvalues(&self, basis: &Basis) -> Option<Vec<f64>> {
        self.eigenvalues(basis).map(|a| a.squared_moduli())
    }
}
