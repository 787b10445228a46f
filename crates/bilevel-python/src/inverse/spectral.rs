//! Tikhonov's problem in the Fourier or cosine basis that diagonalizes A and LᵀL, as the rules for λ see it.

use bilevel::Result;
use bilevel::inverse::choice::{Component, DiagonalProblem, SpectralProblem};
use bilevel::operator::{CommonSpectrum, LinearOperator, Modes};

/// ‖Ax − b‖² + λ‖Lx‖², one component for each mode.
pub(super) struct SpectralTikhonov {
    spectrum: CommonSpectrum,
    /// Qb.
    data: Modes,
    /// Q Aᵀb.
    adjoint: Modes,
    diagonal: DiagonalProblem,
}

impl SpectralTikhonov {
    /// `None` if no basis diagonalizes both operators.
    pub(super) fn new(a: &dyn LinearOperator, l: &dyn LinearOperator, b: &[f64]) -> Result<Option<Self>> {
        let Some(spectrum) = CommonSpectrum::of(a, &[l]) else { return Ok(None) };
        let (data, adjoint) = (spectrum.transform(b)?, spectrum.adjoint_of_data(b)?);
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
}

impl SpectralProblem for SpectralTikhonov {
    fn diagonal(&self) -> &DiagonalProblem {
        &self.diagonal
    }

    fn combine(&self, factors: &[f64]) -> Vec<f64> {
        let of_mode = |k: usize| match (factors.get(k), self.spectrum.data_gram().get(k)) {
            (Some(factor), Some(gain)) if *gain > 0.0 => factor / gain,
            _ => 0.0,
        };
        self.spectrum.back(&self.adjoint.filtered(of_mode))
    }

    fn combine_residual(&self, factors: &[f64]) -> Option<Vec<f64>> {
        // Only signals have a natural order, of which a periodogram says something.
        let is_signal = self.spectrum.basis().grid().n_axes() == 1;
        let of_mode = |k: usize| factors.get(k).copied().unwrap_or(0.0);
        is_signal.then(|| self.spectrum.back(&self.data.filtered(of_mode)))
    }
}
