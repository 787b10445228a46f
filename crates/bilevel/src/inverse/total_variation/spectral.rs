//! The inner solve of total variation deblurring where one transform diagonalizes the operator: a division of its modes.
//!
//! ```text
//! (AᵀA + ρI)⁻¹ b = Q* [Qb / (|a|² + ρ)],     A = Q* diag(a) Q
//! ```

use super::NormalSolver;
use crate::operator::{CommonSpectrum, LinearOperator};
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
        Ok(Self { spectrum })
    }
}

impl From<CommonSpectrum> for SpectralFilter {
    fn from(spectrum: CommonSpectrum) -> Self {
        Self { spectrum }
    }
}

impl NormalSolver for SpectralFilter {
    fn solve_into(&self, rho: f64, b: &[f64], out: &mut [f64]) -> Result<()> {
        let gram = self.spectrum.data_gram();
        let modes = self.spectrum.transform(b)?.filtered(|k| 1.0 / (gram[k] + rho));
        out.copy_from_slice(&self.spectrum.back(&modes));
        Ok(())
    }
}
