//! The ℓ1 penalty: every coefficient is a block of its own and ρ(y) = |y|.

use super::{Blocks, Penalty};

/// Σ_j λ_j|y_j|.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct L1 {
    blocks: Blocks,
}

impl L1 {
    /// On p coefficients.
    pub fn new(p: usize) -> Self {
        Self { blocks: Blocks::singletons(p) }
    }
}

impl Penalty for L1 {
    fn blocks(&self) -> &Blocks {
        &self.blocks
    }
    #[inline]
    fn value(&self, y: &[f64]) -> f64 {
        y[0].abs()
    }
    #[inline]
    fn dual_norm(&self, c: &[f64]) -> f64 {
        c[0].abs()
    }
    #[inline]
    fn prox(&self, y: &mut [f64], t: f64) {
        y[0] = if y[0] > t {
            y[0] - t
        } else if y[0] < -t {
            y[0] + t
        } else {
            0.0
        };
    }
    #[inline]
    fn gradient_into(&self, y: &[f64], out: &mut [f64]) {
        out[0] = y[0].signum();
    }
    #[inline]
    fn add_hessian(&self, _y: &[f64], _lambda: f64, _out: &mut [f64]) {}
    #[inline]
    fn add_hessian_product(&self, _y: &[f64], _lambda: f64, _v: &[f64], _out: &mut [f64]) {}
    #[inline]
    fn largest_smooth_step(&self, y: &[f64], d: &[f64]) -> f64 {
        if y[0] * d[0] < 0.0 { (-y[0] / d[0]).min(1.0) } else { 1.0 }
    }
    fn restricted(&self, blocks: &[usize]) -> Option<Self> {
        Some(Self::new(blocks.len()))
    }
}
