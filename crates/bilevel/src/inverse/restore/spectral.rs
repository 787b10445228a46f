//! Tikhonov's problem in the basis that diagonalizes blur and differences: every λ, and every rule for it, by two transforms.

use crate::Result;
use crate::inverse::choice::{Component, DiagonalProblem, SpectralProblem};
use crate::operator::{CommonSpectrum, LinearOperator, Modes};

/// ‖Ax − b‖² + λ‖Lx‖² where a Fourier or cosine transform diagonalizes A and LᵀL.
///
/// # Example
/// ```
/// use bilevel::inverse::choice::{Rule, choose};
/// use bilevel::inverse::restore::SpectralTikhonov;
/// use bilevel::operator::{Boundary, Convolution, Gradient, Kernel};
///
/// let blur = Convolution::<f64>::new(&[16, 16], &Kernel::gaussian(1.0, 2)?, Boundary::Reflective)?;
/// let gradient = Gradient::<f64>::new(&[16, 16], Boundary::Reflective)?;
/// let b: Vec<f64> = (0..256).map(|i| f64::from(i / 128) + 0.01 * f64::from(i * i % 7)).collect();
/// let problem = SpectralTikhonov::new(&blur, &gradient, &b)?.ok_or(bilevel::Error::Interrupted)?;
/// assert!(choose(&problem, &Rule::Gcv)?.lambda > 0.0);
/// # Ok::<(), bilevel::Error>(())
/// ```
pub struct SpectralTikhonov {
    spectrum: CommonSpectrum,
    /// Qb.
    data: Modes,
    /// Q Aᵀb.
    adjoint: Modes,
    diagonal: DiagonalProblem,
}

impl SpectralTikhonov {
    /// `None` if no basis diagonalizes both operators.
    ///
    /// # Errors
    /// [`crate::Error::InvalidData`] for a `b` that does not fit, or a null space of L that A does not see.
    pub fn new(
        operator: &dyn LinearOperator,
        penalty: &dyn LinearOperator,
        b: &[f64],
    ) -> Result<Option<Self>> {
        let Some(spectrum) = CommonSpectrum::of(operator, &[penalty]) else { return Ok(None) };
        let data = spectrum.transform(b)?;
        let adjoint = spectrum.adjoint_of_data(b)?;
        let energies = data.squared_moduli();
        let (gains, penalties) = (spectrum.data_gram(), spectrum.penalty_gram(0));
        let component = |k: usize| {
            let multiplicity = spectrum.multiplicity(k);
            let energy = multiplicity * energies[k];
            Component { gain: gains[k], penalty: penalties[k], energy, multiplicity, norm: 1.0 }
        };
        let diagonal = DiagonalProblem::new((0..spectrum.n_modes()).map(component), 0.0, b.len())?;
        Ok(Some(Self { spectrum, data, adjoint, diagonal }))
    }

    /// The same operators with other data.
    ///
    /// # Errors
    /// [`crate::Error::InvalidData`] for a `b` that does not fit.
    pub(super) fn solve_for(&self, b: &[f64], lambda: f64) -> Result<Vec<f64>> {
        let right = self.spectrum.adjoint_of_data(b)?;
        let (gains, penalties) = (self.spectrum.data_gram(), self.spectrum.penalty_gram(0));
        let filter = |k: usize| 1.0 / (gains[k] + lambda * penalties[k]);
        Ok(self.spectrum.back(&right.filtered(filter)))
    }
}

impl SpectralProblem for SpectralTikhonov {
    fn diagonal(&self) -> &DiagonalProblem {
        &self.diagonal
    }

    fn combine(&self, factors: &[f64]) -> Vec<f64> {
        let gains = self.spectrum.data_gram();
        let of_mode = |k: usize| match (factors.get(k), gains.get(k)) {
            (Some(factor), Some(gain)) if *gain > 0.0 => factor / gain,
            _ => 0.0,
        };
        self.spectrum.back(&self.adjoint.filtered(of_mode))
    }

    fn combine_residual(&self, factors: &[f64]) -> Option<Vec<f64>> {
        // A periodogram of an image read row by row says nothing: only signals have a natural order.
        let is_signal = self.spectrum.basis().grid().n_axes() == 1;
        let of_mode = |k: usize| factors.get(k).copied().unwrap_or(0.0);
        is_signal.then(|| self.spectrum.back(&self.data.filtered(of_mode)))
    }
}
