//! The multinomial logistic loss f(b, z) = log Σ_k e^{z_k} − z_b of a class b and one score for each class.

/// Bound on the norm of ∂²f/∂z² = diag(p) − ppᵀ.
pub(crate) const MAX_CURVATURE: f64 = 0.5;
/// Bound on the third derivative along unit vectors: E[(u−ū)(v−v̄)(w−w̄)] under p, where |u−ū| ≤ √2 and the variances are at most ½.
pub(crate) const MAX_THIRD_DERIVATIVE: f64 = std::f64::consts::FRAC_1_SQRT_2;

/// f(b, z); writes p_k = e^{z_k}/Σe^{z} into `probabilities` (as long as z).
pub(crate) fn value_and_probabilities(b: usize, z: &[f64], probabilities: &mut [f64]) -> f64 {
    let largest = z.iter().fold(f64::NEG_INFINITY, |m, z| m.max(*z));
    let mut sum = 0.0;
    for (p, z) in probabilities.iter_mut().zip(z) {
        *p = (z - largest).exp();
        sum += *p;
    }
    probabilities.iter_mut().for_each(|p| *p /= sum);
    sum.ln() + largest - z[b]
}

#[cfg(test)]
mod tests {
    use super::value_and_probabilities;
    use crate::loss::{Logistic, Loss};

    #[test]
    fn two_classes_are_the_logistic_loss_of_the_difference() {
        for (z, w) in [(0.3, -1.2), (40.0, -3.0), (-800.0, 900.0)] {
            let mut p = [0.0; 2];
            let value = value_and_probabilities(1, &[z, w], &mut p);
            approx::assert_relative_eq!(value, Logistic.value(1.0, w - z), max_relative = 1e-14);
            approx::assert_relative_eq!(p[1] - 1.0, Logistic.derivative(1.0, w - z), epsilon = 1e-15);
        }
    }
}
