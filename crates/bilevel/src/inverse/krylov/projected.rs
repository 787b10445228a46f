//! The projected problem min ½‖B_k y − βe₁‖² + (λ/2)‖y‖² through the singular value decomposition of B_k: every λ in O(k).

use faer::Mat;

use crate::operator::LinearOperator;
use crate::solver::GolubKahan;
use crate::{Error, Result};

/// B_k = P diag(σ) Qᵀ.
#[derive(Debug, Clone)]
pub(super) struct Projected {
    /// σ_i, k of them.
    pub(super) sigma: Vec<f64>,
    /// Pᵀβe₁: k coordinates, and one that B_k cannot reach.
    pub(super) data: Vec<f64>,
    /// Q.
    right: Mat<f64>,
    /// α_{k+1}β_{k+1}: the gradient at x = V y is this times y_k, along v_{k+1}.
    coupling: f64,
}

impl Projected {
    /// Decomposes B_k; k may be 0.
    pub(super) fn new(bidiagonal: &GolubKahan<impl LinearOperator>) -> Result<Self> {
        let (k, alpha, beta) = (bidiagonal.size(), bidiagonal.alphas(), bidiagonal.betas());
        let entry = |i: usize, j: usize| match i.checked_sub(j) {
            Some(0) => alpha[j],
            Some(1) => beta[i],
            _ => 0.0,
        };
        if k == 0 {
            return Ok(Self {
                sigma: Vec::new(),
                data: vec![beta[0]],
                right: Mat::zeros(0, 0),
                coupling: 0.0,
            });
        }
        let failed =
            |found: &str| Error::data("bidiagonal matrix", found, "an operator with finite products");
        if !alpha.iter().chain(beta).all(|entry| entry.is_finite()) {
            return Err(failed("entries that are not finite"));
        }
        let svd = Mat::from_fn(k + 1, k, entry).svd().map_err(|_| failed("no singular values"))?;
        Ok(Self {
            sigma: (0..k).map(|i| svd.S()[i]).collect(),
            data: (0..=k).map(|i| beta[0] * svd.U()[(0, i)]).collect(),
            right: svd.V().to_owned(),
            coupling: alpha[k] * beta[k],
        })
    }

    /// The coordinates (σ, Pᵀβe₁) that B_k reaches.
    fn reached(&self) -> impl Iterator<Item = (f64, f64)> {
        self.sigma.iter().copied().zip(self.data.iter().copied())
    }

    /// Qᵀy = σd/(σ² + λ).
    pub(super) fn coordinates(&self, lambda: f64) -> Vec<f64> {
        self.reached().map(|(s, d)| s * d / (s * s + lambda)).collect()
    }

    /// Qᵀw with w = (BᵀB + λ)⁻¹y: minus the derivative of y in λ.
    pub(super) fn derivative_coordinates(&self, lambda: f64) -> Vec<f64> {
        self.reached().map(|(s, d)| s * d / (s * s + lambda).powi(2)).collect()
    }

    /// Q z.
    pub(super) fn rotate(&self, z: &[f64]) -> Vec<f64> {
        let mut y = vec![0.0; z.len()];
        for (j, z) in z.iter().enumerate() {
            crate::kernel::axpy(*z, self.right.col_as_slice(j), &mut y);
        }
        y
    }

    /// Qᵀ G Q for a symmetric matrix.
    pub(super) fn rotate_gram(&self, gram: &Mat<f64>) -> Mat<f64> {
        self.right.transpose() * gram * &self.right
    }

    /// Qᵀ h.
    pub(super) fn rotate_back(&self, h: &[f64]) -> Vec<f64> {
        (0..h.len()).map(|j| crate::kernel::dot(self.right.col_as_slice(j), h)).collect()
    }

    /// The norm of what (AᵀA + λ)Vy leaves outside the space for y = Q z: α_{k+1}β_{k+1}|y_k|.
    pub(super) fn outside(&self, z: &[f64]) -> f64 {
        let Some(last) = z.len().checked_sub(1) else { return 0.0 };
        let y: f64 = z.iter().enumerate().map(|(j, z)| z * self.right[(last, j)]).sum();
        self.coupling * y.abs()
    }

    /// ‖By − βe₁‖² = ‖Ax − b‖², and its derivative in λ.
    pub(super) fn residual_square(&self, lambda: f64) -> (f64, f64) {
        let lost = self.data.last().map_or(0.0, |d| d * d);
        self.reached().fold((lost, 0.0), |(value, slope), (s, d)| {
            let total = s * s + lambda;
            (value + (lambda / total * d).powi(2), slope + 2.0 * lambda * (s * d).powi(2) / total.powi(3))
        })
    }

    /// ‖y‖² = ‖x‖².
    pub(super) fn norm_square(&self, lambda: f64) -> f64 {
        self.reached().map(|(s, d)| (s * d / (s * s + lambda)).powi(2)).sum()
    }

    /// Σ λ/(σ² + λ) and its derivative: k minus the degrees of freedom, without cancellation.
    pub(super) fn complement(&self, lambda: f64) -> (f64, f64) {
        self.sigma.iter().fold((0.0, 0.0), |(value, slope), s| {
            let total = s * s + lambda;
            (value + lambda / total, slope + s * s / (total * total))
        })
    }
}
