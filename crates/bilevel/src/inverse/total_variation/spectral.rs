//! The inner solve of total variation deblurring where one transform diagonalizes the operator: a division of its modes.
//!
//! ```text
//! (AᵀA + ρI)⁻¹ b = Q* [Qb / (|a|² + ρ)],     A = Q* diag(a) Q
//! ```

use super::NormalSolver;
use crate::operator::{Basis, Boundary, CommonSpectrum, Gradient, LinearOperator, Spectral};
use crate::{Error, Result};

/// Solves with AᵀA + ρI by two transforms: exact, and the fastest there is for a periodic blur.
///
/// # Example
/// ```
/// use bilevel::inverse::{SpectralFilter, TvDeblurring};
/// use bilevel::operator::{Boundary, Convolution, Kernel, LinearOperator};
///
/// let blur = Convolution::<f64>::new(&[8, 8], &Kernel::gaussian(0.75, 2)?, Boundary::Periodic)?;
/// let truth: Vec<f64> = (0..64).map(|i| f64::from(u8::from(i % 8 > 2 && i > 23))).collect();
/// let measured = blur.apply(&truth)?;
/// let solver = SpectralFilter::new(&blur)?;
/// let restored = TvDeblurring::new((8, 8), &blur, &solver, &measured)?.restore(1e-4, None)?;
/// assert!(restored.image.iter().zip(&truth).all(|(u, t)| (u - t).abs() < 0.1));
/// # Ok::<(), bilevel::Error>(())
/// ```
pub struct SpectralFilter {
    spectrum: CommonSpectrum,
    /// The eigenvalues of D̃ᵀD̃, D̃ the differences with the boundary of the transform.
    differences: Vec<f64>,
}

impl SpectralFilter {
    /// For an operator that the discrete Fourier or cosine transform diagonalizes.
    ///
    /// # Errors
    /// [`Error::InvalidData`] for any other: take [`super::ConjugateGradients`].
    pub fn new(operator: &dyn LinearOperator) -> Result<Self> {
        let spectrum = CommonSpectrum::of(operator, &[]).ok_or_else(|| {
            let expected = "one that a Fourier or cosine transform diagonalizes";
            Error::data("operator", "one without a spectrum of its own", expected)
        })?;
        Ok(spectrum.into())
    }

    /// Whether the transform is one of images of `shape` (rows, columns).
    pub(super) fn is_of(&self, (rows, cols): (usize, usize)) -> bool {
        let longer = |n: &&usize| **n > 1;
        let grid = self.spectrum.basis().grid();
        !self.differences.is_empty()
            && grid.shape().iter().filter(longer).eq([rows, cols].iter().filter(longer))
    }

    /// Whether D̃ goes on at the other edge; otherwise it is 0 at the edge.
    pub(super) fn is_periodic(&self) -> bool {
        matches!(self.spectrum.basis(), Basis::Fourier(_))
    }

    /// (AᵀA + ρD̃ᵀD̃ + ρ₂(D̃ᵀD̃)²)⁻¹ b; modes that nothing sees are 0.
    pub(super) fn solve_with_differences(&self, (rho, second): (f64, f64), b: &[f64]) -> Result<Vec<f64>> {
        let (gram, differences) = (self.spectrum.data_gram(), &self.differences);
        let inverse = |k: usize| {
            let stiffness = gram[k] + differences[k] * (rho + second * differences[k]);
            if stiffness > f64::MIN_POSITIVE { 1.0 / stiffness } else { 0.0 }
        };
        Ok(self.spectrum.back(&self.spectrum.transform(b)?.filtered(inverse)))
    }
}

impl From<CommonSpectrum> for SpectralFilter {
    fn from(spectrum: CommonSpectrum) -> Self {
        let basis = spectrum.basis();
        let boundary =
            if matches!(basis, Basis::Fourier(_)) { Boundary::Periodic } else { Boundary::Reflective };
        // Every grid of a basis has differences; without them, images are split from their copies and not at the gradient.
        let gradient = Gradient::<f64>::new(basis.grid().shape(), boundary).ok();
        let differences = gradient.and_then(|gradient| gradient.gram_eigenvalues(basis)).unwrap_or_default();
        Self { spectrum, differences }
    }
}

impl NormalSolver for SpectralFilter {
    fn solve_into(&self, rho: f64, b: &[f64], out: &mut [f64]) -> Result<()> {
        let gram = self.spectrum.data_gram();
        let modes = self.spectrum.transform(b)?.filtered(|k| 1.0 / (gram[k] + rho));
        out.copy_from_slice(&self.spectrum.back(&modes));
        Ok(())
    }

    fn spectral(&self) -> Option<&SpectralFilter> {
        Some(self)
    }
}
