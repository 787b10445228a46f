//! An outer penalty that pulls parameters to the mean of their group:
//!
//! ```text
//! Φ(θ) + (μ/2) Σ_g Σ_{k∈g} (θ_k − θ̄_g)²
//! ```
//!
//! Thousands of weights fit a criterion better than the truth; μ > 0 asks of each that it earns its distance from the others. In logarithms,
//! so that a factor up costs what a factor down does. μ → ∞ leaves one weight for each group.

/// μ, and the group of each parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Pull {
    strength: f64,
    group_of: Vec<u32>,
    sizes: Vec<f64>,
}

impl Pull {
    /// `group_of` numbers the groups of the first parameters; parameters beyond its length are not pulled. `strength` = μ ≥ 0.
    pub fn new(strength: f64, group_of: Vec<u32>) -> Self {
        let count = group_of.iter().max().map_or(0, |m| *m as usize + 1);
        let mut sizes = vec![0.0; count];
        group_of.iter().for_each(|&g| sizes[g as usize] += 1.0);
        Self { strength, group_of, sizes }
    }

    fn means(&self, theta: &[f64]) -> Vec<f64> {
        let mut means = vec![0.0; self.sizes.len()];
        self.group_of.iter().zip(theta).for_each(|(&g, t)| means[g as usize] += t);
        means.iter_mut().zip(&self.sizes).for_each(|(mean, size)| *mean /= size.max(1.0));
        means
    }

    /// The penalty.
    pub fn value(&self, theta: &[f64]) -> f64 {
        let means = self.means(theta);
        let square = |(&g, t): (&u32, &f64)| (t - means[g as usize]).powi(2);
        0.5 * self.strength * self.group_of.iter().zip(theta).map(square).sum::<f64>()
    }

    /// out += its gradient, μ(θ_k − θ̄_g).
    pub fn add_gradient(&self, theta: &[f64], out: &mut [f64]) {
        let means = self.means(theta);
        for ((&g, t), out) in self.group_of.iter().zip(theta).zip(out) {
            *out += self.strength * (t - means[g as usize]);
        }
    }

    /// Entry (i, k) of its Hessian, μ(δ_ik − 1/|g|) within a group.
    pub(super) fn curvature(&self, i: usize, k: usize) -> f64 {
        match (self.group_of.get(i), self.group_of.get(k)) {
            (Some(a), Some(b)) if a == b => {
                self.strength * (f64::from(u8::from(i == k)) - 1.0 / self.sizes[*a as usize])
            }
            _ => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pull;

    #[test]
    fn gradient_and_hessian_are_those_of_the_squares() {
        let pull = Pull::new(0.7, vec![0, 1, 0, 1, 1]);
        let theta = [1.0, 2.0, -0.5, 0.3, 1.1, 9.0];
        let mut gradient = [0.0; 6];
        pull.add_gradient(&theta, &mut gradient);
        assert_eq!(gradient[5], 0.0);
        for k in 0..6 {
            let at = |h: f64| {
                let mut moved = theta;
                moved[k] += h;
                pull.value(&moved)
            };
            approx::assert_relative_eq!((at(1e-4) - at(-1e-4)) / 2e-4, gradient[k], epsilon = 1e-9);
            let product: f64 = (0..6).map(|i| pull.curvature(k, i) * theta[i]).sum();
            approx::assert_relative_eq!(product, gradient[k], epsilon = 1e-12);
        }
        assert_eq!(pull.value(&[2.0, 3.0, 2.0, 3.0, 3.0]), 0.0);
    }
}
