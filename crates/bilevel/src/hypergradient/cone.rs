//! Convex quadratics over the nonnegative orthant, by the active-set method of Lawson and Hanson.

use crate::solver::Cholesky;

/// Gradients below this fraction of the linear part's size count as zero.
const ROUNDING: f64 = 1e-12;

/// argmin ½δᵀHδ + cᵀδ with δ ≥ 0 (H column major), by adding the most promising bounded coordinate and backing off where one would turn
/// negative; `None` if H is singular on the coordinates in use. `scale` is the size of the numbers that c is a difference of.
pub(super) fn minimize_on_orthant(hessian: &[f64], linear: &[f64], scale: f64) -> Option<Vec<f64>> {
    let size = linear.len();
    let mut used: Vec<usize> = Vec::new();
    let mut step = vec![0.0; size];
    // Most directions free nothing, and looking through H to find that out would cost |B|² for each of them.
    if linear.iter().all(|c| *c >= -ROUNDING * scale) {
        return Some(step);
    }
    // Every pass of the outer loop lowers the quadratic with another set in use, so it ends; the limit is for rounding.
    for _ in 0..10 * size + 10 {
        loop {
            let target = solve_on(hessian, linear, &used)?;
            let blocking = used
                .iter()
                .filter(|&&k| target[k] <= 0.0)
                .map(|&k| step[k] / (step[k] - target[k]))
                .fold(f64::INFINITY, f64::min);
            if blocking == f64::INFINITY {
                step = target;
                break;
            }
            step.iter_mut().zip(&target).for_each(|(s, t)| *s += blocking * (t - *s));
            used.retain(|&k| target[k] > 0.0 || step[k] > ROUNDING * (step[k] - target[k]));
            (0..size).filter(|k| !used.contains(k)).for_each(|k| step[k] = 0.0);
        }
        let gradient = |k: usize| linear[k] + crate::kernel::dot(&hessian[k * size..(k + 1) * size], &step);
        let entering = (0..size)
            .filter(|k| !used.contains(k))
            .map(|k| (gradient(k), k))
            .filter(|(g, _)| *g < -ROUNDING * scale)
            .min_by(|a, b| a.0.total_cmp(&b.0));
        match entering {
            Some((_, k)) => used.push(k),
            None => break,
        }
    }
    Some(step)
}

/// −H_UU⁻¹c_U on the coordinates in use, 0 elsewhere.
fn solve_on(hessian: &[f64], linear: &[f64], used: &[usize]) -> Option<Vec<f64>> {
    let size = linear.len();
    let mut all = vec![0.0; size];
    if used.is_empty() {
        return Some(all);
    }
    let matrix: Vec<f64> =
        used.iter().flat_map(|&k| used.iter().map(move |&i| hessian[k * size + i])).collect();
    let right: Vec<f64> = used.iter().map(|&k| -linear[k]).collect();
    let solution = Cholesky::new(used.len(), &matrix)?.solve(&right);
    used.iter().zip(solution).for_each(|(&k, s)| all[k] = s);
    Some(all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_coordinate_leaves_only_where_that_descends() {
        // ½(x² + y²) + c₀x + c₁y.
        let identity = [1.0, 0.0, 0.0, 1.0];
        assert_eq!(minimize_on_orthant(&identity, &[1.0, 2.0], 2.0).unwrap(), [0.0, 0.0]);
        assert_eq!(minimize_on_orthant(&identity, &[1.0, -2.0], 2.0).unwrap(), [0.0, 2.0]);
    }

    #[test]
    fn a_coordinate_that_entered_leaves_again_where_another_takes_its_place() {
        // H = [[1, .9], [.9, 1]], c = (−1, −1.05): alone the second enters first; together (0.29, 0.79) > 0.
        let both = minimize_on_orthant(&[1.0, 0.9, 0.9, 1.0], &[-1.0, -1.05], 1.05).unwrap();
        approx::assert_relative_eq!(both[0], 0.055 / 0.19, max_relative = 1e-12);
        approx::assert_relative_eq!(both[1], 0.15 / 0.19, max_relative = 1e-12);
        // c = (−1, −1.2): the first would be negative beside the second.
        assert_eq!(minimize_on_orthant(&[1.0, 0.9, 0.9, 1.0], &[-1.0, -1.2], 1.2).unwrap(), [0.0, 1.2]);
    }

    #[test]
    fn what_a_difference_leaves_in_rounding_sets_nothing_free() {
        assert_eq!(minimize_on_orthant(&[0.0], &[-1e-16], 1.0).unwrap(), [0.0]);
    }

    #[test]
    fn dependent_columns_in_use_have_no_unique_step() {
        assert!(
            minimize_on_orthant(&[1.0, 1.0, 1.0, 1.0], &[-1.0, -2.0], 2.0).is_none_or(|step| step[0] == 0.0)
        );
        assert!(minimize_on_orthant(&[0.0], &[-1.0], 1.0).is_none());
    }
}
