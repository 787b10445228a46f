//! The best intercepts for given coefficients: Newton's method in K − 1 variables, the last class being the reference.

use crate::design::DesignMatrix;
use crate::solver::Cholesky;

use super::{MultinomialGlm, Point};

const MAX_STEPS: usize = 60;
const SMALLEST_STEP: f64 = 1e-6;

impl<D: DesignMatrix> MultinomialGlm<'_, D> {
    /// [`MultinomialGlm::measure`] with the intercepts moved to their minimizers.
    pub(super) fn measure_with_best_intercepts(&self, mut coefficients: Vec<f64>) -> Point {
        if !self.intercept {
            return self.measure(coefficients);
        }
        let (n, p, first) = (self.design.n_rows(), self.design.n_columns(), self.n_slopes());
        let mut scores = vec![0.0; self.n_classes * n];
        for (k, scores) in scores.chunks_mut(n.max(1)).enumerate() {
            self.design.product_into(&coefficients[k * p..(k + 1) * p], scores);
        }
        let shifted = |intercepts: &[f64]| -> Vec<f64> {
            let of_class = |(scores, c): (&[f64], &f64)| scores.iter().map(|z| z + c).collect::<Vec<f64>>();
            scores.chunks(n.max(1)).zip(intercepts).flat_map(of_class).collect()
        };
        let mut intercepts = coefficients[first..].to_vec();
        let mut at = self.at_scores(&shifted(&intercepts));
        for _ in 0..MAX_STEPS {
            let Some(step) = self.newton_step(&at) else { break };
            let rounding = 4.0 * f64::EPSILON * at.loss;
            let mut t = 1.0;
            let found = loop {
                let mut moved = intercepts.clone();
                moved.iter_mut().zip(&step.0).for_each(|(c, d)| *c += t * d);
                let trial = self.at_scores(&shifted(&moved));
                if trial.loss <= at.loss - 1e-4 * t * step.1 + rounding {
                    break Some((moved, trial));
                }
                t *= 0.5;
                if t < SMALLEST_STEP {
                    break None;
                }
            };
            let Some((moved, trial)) = found else { break };
            (intercepts, at) = (moved, trial);
            if step.1 <= 1e-30 * at.loss {
                break;
            }
        }
        coefficients[first..].copy_from_slice(&intercepts);
        self.measure(coefficients)
    }

    /// −H⁻¹g in the first K − 1 intercepts, and the decrement gᵀH⁻¹g; `None` at the minimizer or where H is singular to rounding.
    fn newton_step(&self, at: &Point) -> Option<(Vec<f64>, f64)> {
        let (n, free) = (self.design.n_rows(), self.n_classes - 1);
        let gradient: Vec<f64> =
            (0..free).map(|k| -at.slopes[k * n..(k + 1) * n].iter().sum::<f64>()).collect();
        let size: f64 = at.slopes.iter().map(|s| s.abs()).sum();
        if gradient.iter().all(|g| g.abs() <= f64::EPSILON * size) {
            return None;
        }
        let mut hessian = vec![0.0; free * free];
        for k in 0..free {
            for m in 0..free {
                let weights = self.class_weights(&at.probabilities, k, m);
                hessian[k * free + m] = weights.iter().sum();
            }
        }
        let step = Cholesky::new(free, &hessian)?.solve(&gradient);
        let decrement = crate::kernel::dot(&step, &gradient);
        (decrement.is_finite() && decrement > 0.0).then_some((step, decrement))
    }

    /// s_i p_ik([k = m] − p_im).
    pub(super) fn class_weights(&self, probabilities: &[f64], k: usize, m: usize) -> Vec<f64> {
        let n = self.design.n_rows();
        let same = f64::from(u8::from(k == m));
        let pairs = probabilities[k * n..(k + 1) * n].iter().zip(&probabilities[m * n..(m + 1) * n]);
        pairs.zip(self.sample_weights).map(|((p, q), s)| s * p * (same - q)).collect()
    }
}
