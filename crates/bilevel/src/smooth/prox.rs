//! Proximal maps as differentiable parts of an iteration: P_s(w, λ) = argmin_x G_λ(x) + ‖x − w‖²/(2s).

use std::ops::Range;

use crate::{Error, Result};

/// A proximal map with the products of its (weak) Jacobians.
///
/// `at` is (w, step, hyperparameters). At a kink any element of the Jacobian may be used; the iteration map's derivative is then one of those that
/// a limit of smooth points would give.
pub trait Prox: Send + Sync {
    /// How many hyperparameters there must be.
    fn hyperparameters_end(&self) -> usize;

    /// out = P_s(w, λ).
    fn prox_into(&self, at: (&[f64], f64, &[f64]), out: &mut [f64]);

    /// out = ∂_wP dw + ∂_sP ds + ∂_λP dλ, with `directions` = (dw, ds, dλ).
    fn tangent_into(&self, at: (&[f64], f64, &[f64]), directions: (&[f64], f64, &[f64]), out: &mut [f64]);

    /// `w_out` = (∂_wP)ᵀ v and `hyper_out` plus = (∂_λP)ᵀ v; returns (∂_sP)ᵀ v.
    fn adjoint_into(
        &self,
        at: (&[f64], f64, &[f64]),
        v: &[f64],
        w_out: &mut [f64],
        hyper_out: &mut [f64],
    ) -> f64;
}

/// The prox of a weighted ℓ1 penalty Σ λ_j|y_j|: soft-thresholding at sλ_j.
///
/// The weights are entries of the hyperparameters: one for all coefficients, or one for each. The ridge part of an elastic net is smooth and belongs to F.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoftThreshold {
    places: Range<usize>,
}

impl SoftThreshold {
    /// One weight for all coefficients, entry `place` of the hyperparameters.
    pub fn scalar(place: usize) -> Self {
        Self { places: place..place.saturating_add(1) }
    }

    /// One weight for each of the coefficients, in these entries.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for an empty range.
    pub fn per_coefficient(places: Range<usize>) -> Result<Self> {
        if places.is_empty() {
            return Err(Error::setting("places", format!("{places:?}"), "one place for each coefficient"));
        }
        Ok(Self { places })
    }

    fn place(&self, j: usize) -> usize {
        self.places.start + j.min(self.places.len().saturating_sub(1))
    }
}

impl Prox for SoftThreshold {
    fn hyperparameters_end(&self) -> usize {
        self.places.end
    }

    fn prox_into(&self, (w, step, hyper): (&[f64], f64, &[f64]), out: &mut [f64]) {
        for (j, (out, w)) in out.iter_mut().zip(w).enumerate() {
            let threshold = step * hyper[self.place(j)];
            *out = w.signum() * (w.abs() - threshold).max(0.0);
        }
    }

    fn tangent_into(
        &self,
        (w, step, hyper): (&[f64], f64, &[f64]),
        (dw, ds, dhyper): (&[f64], f64, &[f64]),
        out: &mut [f64],
    ) {
        for (j, out) in out.iter_mut().enumerate() {
            let place = self.place(j);
            let active = w[j].abs() > step * hyper[place];
            let threshold = step * dhyper[place] + ds * hyper[place];
            *out = if active { dw[j] - w[j].signum() * threshold } else { 0.0 };
        }
    }

    fn adjoint_into(
        &self,
        (w, step, hyper): (&[f64], f64, &[f64]),
        v: &[f64],
        w_out: &mut [f64],
        hyper_out: &mut [f64],
    ) -> f64 {
        let mut by_step = 0.0;
        for (j, w_out) in w_out.iter_mut().enumerate() {
            let place = self.place(j);
            let active = w[j].abs() > step * hyper[place];
            *w_out = if active { v[j] } else { 0.0 };
            let pushed = w[j].signum() * *w_out;
            hyper_out[place] -= step * pushed;
            by_step -= hyper[place] * pushed;
        }
        by_step
    }
}
