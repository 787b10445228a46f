//! The group ℓ1 penalty (group lasso): ρ(y_g) = ‖y_g‖₂.
//!
//! With r = ‖y_g‖ and u = y_g/r on an active group: ∇ρ = u, ∇²ρ = (I − uuᵀ)/r. Source: Yuan and Lin, "Model selection and estimation in
//! regression with grouped variables", JRSS B 68 (2006).

use super::{Blocks, Penalty};

/// Σ_g λ_g‖y_g‖₂.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupL1 {
    blocks: Blocks,
}

impl GroupL1 {
    /// On the given groups.
    pub fn new(blocks: Blocks) -> Self {
        Self { blocks }
    }
}

fn norm(y: &[f64]) -> f64 {
    y.iter().map(|v| v * v).sum::<f64>().sqrt()
}

impl Penalty for GroupL1 {
    fn blocks(&self) -> &Blocks {
        &self.blocks
    }
    fn value(&self, y: &[f64]) -> f64 {
        norm(y)
    }
    fn dual_norm(&self, c: &[f64]) -> f64 {
        norm(c)
    }
    fn prox(&self, y: &mut [f64], t: f64) {
        let r = norm(y);
        let shrink = if r > t { 1.0 - t / r } else { 0.0 };
        y.iter_mut().for_each(|v| *v *= shrink);
    }
    fn gradient_into(&self, y: &[f64], out: &mut [f64]) {
        let r = norm(y);
        out.iter_mut().zip(y).for_each(|(o, v)| *o = v / r);
    }
    fn add_hessian(&self, y: &[f64], lambda: f64, out: &mut [f64]) {
        let (r, size) = (norm(y), y.len());
        for i in 0..size {
            for k in 0..size {
                let identity = f64::from(i == k);
                out[i * size + k] += lambda / r * (identity - y[i] * y[k] / (r * r));
            }
        }
    }
    fn add_hessian_product(&self, y: &[f64], lambda: f64, v: &[f64], out: &mut [f64]) {
        let r = norm(y);
        let along: f64 = y.iter().zip(v).map(|(a, b)| a * b).sum::<f64>() / (r * r);
        for ((o, &vk), &yk) in out.iter_mut().zip(v).zip(y) {
            *o += lambda / r * (vk - along * yk);
        }
    }
    fn largest_smooth_step(&self, _y: &[f64], _d: &[f64]) -> f64 {
        1.0
    }
    fn restricted(&self, blocks: &[usize]) -> Option<Self> {
        let sizes = blocks.iter().map(|&g| self.blocks.members(g).len()).enumerate();
        let group_of: Vec<usize> = sizes.flat_map(|(new, size)| std::iter::repeat_n(new, size)).collect();
        Blocks::from_groups(&group_of).ok().map(Self::new)
    }
}
