//! The multinomial logistic loss f(b, z) = log Σ_k e^{z_k} − z_b of a class b and one score for each class.

/// Bound on the norm of ∂²f/∂z² = diag(p) − ppᵀ.
pub(crate) const MAX_CURVATURE: f64 = 0.5;
/// Bound on the third derivative along unit vectors: E[(u−ū)(v−v̄)(w−w̄)] under p, where |u−ū| ≤ √2 and the variances are at most ½.
pub(crate) const MAX_THIRD_DERIVATIVE: f64 = std::f64::consts::FRAC_1_SQRT_2;

/// f(b, z); writes p_k = e^{z_k}/Σe^{z} into `probabilities` (as long as z).
///
/// Small losses keep their digits: what is left beside the largest score is never added to it.
pub(crate) fn value_and_probabilities(b: usize, z: &[f64], probabilities: &mut [f64]) -> f64 {
    let top = (0..z.len()).fold(0, |top, k| if z[k] > z[top] { k } else { top });
    let mut others = 0.0;
    for (k, p) in probabilities.iter_mut().enumerate() {
        *p = (z[k] - z[top]).exp();
        others += if k == top { 0.0 } else { *p };
    }
    probabilities.iter_mut().for_each(|p| *p /= 1.0 + others);
    (z[top] - z[b]) + others.ln_1p()
}

/// ∂f/∂z_k = p_k − [b = k] from the probabilities; that of the class itself from those of the others, which keeps the digits of 1 − p_b.
pub(crate) fn slope(b: usize, k: usize, probabilities: &[f64]) -> f64 {
    if k != b {
        return probabilities[k];
    }
    -probabilities.iter().enumerate().filter(|(m, _)| *m != b).map(|(_, p)| p).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::{slope, value_and_probabilities};
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

    #[test]
    fn losses_of_the_size_of_a_rounding_error_keep_their_digits() {
        let mut p = [0.0; 3];
        let value = value_and_probabilities(0, &[60.0, 20.0, 20.0], &mut p);
        let expected = 2.0 * (-40.0_f64).exp();
        approx::assert_relative_eq!(value, expected, max_relative = 1e-14);
        approx::assert_relative_eq!(slope(0, 0, &p), -expected, max_relative = 1e-14);
        approx::assert_relative_eq!(slope(0, 1, &p), 0.5 * expected, max_relative = 1e-14);
    }
}
