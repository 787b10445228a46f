//! A function of t = log λ with its derivatives, so that every criterion is written once and its derivatives cannot disagree with it.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// Value and derivatives up to order N − 1 at one point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Jet<const N: usize>(pub [f64; N]);

/// Binomial coefficients up to order 3.
const BINOMIAL: [[f64; 4]; 4] =
    [[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], [1.0, 2.0, 1.0, 0.0], [1.0, 3.0, 3.0, 1.0]];

impl<const N: usize> Jet<N> {
    /// A constant.
    pub fn constant(value: f64) -> Self {
        Self(std::array::from_fn(|k| if k == 0 { value } else { 0.0 }))
    }

    /// The value.
    pub fn value(&self) -> f64 {
        self.0[0]
    }

    /// s times this.
    pub fn scaled(self, s: f64) -> Self {
        Self(self.0.map(|d| s * d))
    }

    /// The logarithm: g = log f solves f g' = f'.
    pub fn ln(self) -> Self {
        let mut g = [0.0; N];
        g[0] = self.0[0].ln();
        for k in 1..N {
            let known: f64 = (1..k).map(|j| BINOMIAL[k - 1][j] * self.0[j] * g[k - j]).sum();
            g[k] = (self.0[k] - known) / self.0[0];
        }
        Self(g)
    }
}

impl<const N: usize> Add for Jet<N> {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|k| self.0[k] + other.0[k]))
    }
}

impl<const N: usize> Sub for Jet<N> {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(std::array::from_fn(|k| self.0[k] - other.0[k]))
    }
}

impl<const N: usize> Neg for Jet<N> {
    type Output = Self;
    fn neg(self) -> Self {
        self.scaled(-1.0)
    }
}

impl<const N: usize> Mul for Jet<N> {
    type Output = Self;
    #[inline]
    fn mul(self, other: Self) -> Self {
        Self(std::array::from_fn(|k| (0..=k).map(|j| BINOMIAL[k][j] * self.0[j] * other.0[k - j]).sum()))
    }
}

impl<const N: usize> Div for Jet<N> {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        let mut quotient = [0.0; N];
        for k in 0..N {
            let known: f64 = (0..k).map(|j| BINOMIAL[k][j] * quotient[j] * other.0[k - j]).sum();
            quotient[k] = (self.0[k] - known) / other.0[0];
        }
        Self(quotient)
    }
}

#[cfg(test)]
mod tests {
    use super::Jet;

    /// sin t and 2 + cos t at t = 0.3.
    fn pair() -> (Jet<4>, Jet<4>) {
        let (s, c) = 0.3_f64.sin_cos();
        (Jet([s, c, -s, -c]), Jet([2.0 + c, -s, -c, s]))
    }

    #[test]
    fn a_quotient_times_its_divisor_is_the_dividend() {
        let (f, g) = pair();
        let back = f / g * g;
        back.0.iter().zip(f.0).for_each(|(a, b)| approx::assert_relative_eq!(*a, b, max_relative = 1e-14));
    }

    #[test]
    fn the_logarithm_of_a_product_is_the_sum() {
        let (f, g) = pair();
        let (whole, parts) = ((f * g).ln(), f.ln() + g.ln());
        whole
            .0
            .iter()
            .zip(parts.0)
            .for_each(|(a, b)| approx::assert_relative_eq!(*a, b, max_relative = 1e-12));
    }
}
