//! Convex quadratics in a ball: argmin gᵀs + ½sᵀHs over ‖s‖ ≤ r, H positive semidefinite.
//!
//! The minimizer is s(μ) = −(H + μI)⁻¹g with μ = 0 inside the ball, else the μ > 0 with ‖s(μ)‖ = r, which Newton's method on 1/‖s(μ)‖ finds in a
//! few factorizations. Source: Moré and Sorensen, "Computing a trust region step", SIAM J. Sci. Stat. Comput. 4 (1983), algorithm 3.2.

use super::Cholesky;

/// ‖s‖ may exceed r by this part.
const SLACK: f64 = 0.1;
const MAX_FACTORIZATIONS: usize = 40;

/// The step, of g's length; H is column major. Zero if nothing can be factorized.
pub fn trust_region_step(hessian: &[f64], gradient: &[f64], radius: f64) -> Vec<f64> {
    let size = gradient.len();
    let length = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
    let steepness = length(gradient);
    if size == 0 || steepness == 0.0 || radius <= 0.0 {
        return vec![0.0; size];
    }
    let largest = (0..size).map(|k| hessian[k * size + k]).fold(0.0_f64, f64::max);
    let smallest_shift = (1e-12 * largest).max(f64::MIN_POSITIVE);
    // ‖s(μ)‖ ≤ ‖g‖/μ, so that μ = ‖g‖/r is always enough.
    let enough = steepness / radius;
    let mut shift = smallest_shift.min(enough);
    for _ in 0..MAX_FACTORIZATIONS {
        let mut shifted = hessian.to_vec();
        (0..size).for_each(|k| shifted[k * size + k] += shift);
        let Some(factor) = Cholesky::new(size, &shifted) else {
            shift = (10.0 * shift).max(1e-10 * largest);
            continue;
        };
        let mut step = factor.solve(gradient);
        let norm = length(&step);
        if norm <= (1.0 + SLACK) * radius {
            step.iter_mut().for_each(|s| *s = -*s);
            return step;
        }
        // ‖s‖′ = −sᵀ(H + μI)⁻¹s/‖s‖
        let turn = crate::kernel::dot(&step, &factor.solve(&step)) / (norm * norm);
        shift = (shift + (norm / radius - 1.0) / turn).min(enough);
    }
    gradient.iter().map(|g| -g * radius / steepness).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inside_the_ball_the_step_is_newtons_and_outside_it_ends_on_the_sphere_downhill() {
        let hessian = [2.0, 0.5, 0.5, 1.0];
        let gradient = [1.0, -1.0];
        // H⁻¹ = [[1, −.5], [−.5, 2]]/1.75.
        let newton = trust_region_step(&hessian, &gradient, 10.0);
        approx::assert_relative_eq!(newton[0], -1.5 / 1.75, max_relative = 1e-9);
        approx::assert_relative_eq!(newton[1], 2.5 / 1.75, max_relative = 1e-9);
        for radius in [1.0, 0.3, 1e-3] {
            let step = trust_region_step(&hessian, &gradient, radius);
            let norm = step[0].hypot(step[1]);
            assert!(norm <= 1.1 * radius && norm > 0.9 * radius, "{norm} for {radius}");
            // (H + μI)s = −g with one μ > 0.
            let rest =
                |k: usize| -(gradient[k] + hessian[2 * k] * step[0] + hessian[2 * k + 1] * step[1]) / step[k];
            assert!(rest(0) > 0.0);
            approx::assert_relative_eq!(rest(0), rest(1), max_relative = 1e-6);
        }
    }

    #[test]
    fn a_singular_hessian_still_gives_a_step() {
        let step = trust_region_step(&[1.0, 1.0, 1.0, 1.0], &[1.0, -1.0], 0.5);
        assert!(step[0] < 0.0 && step[1] > 0.0 && step[0].hypot(step[1]) <= 0.56, "{step:?}");
        assert_eq!(trust_region_step(&[0.0], &[0.0], 1.0), [0.0]);
    }
}
