//! A way out of a kink: the shortest convex combination of the gradients around a point.
//!
//! On a kink −h may be no descent direction although one exists. The failed line search then ended just across an edge, where the gradient is another. If g₁, …, g_m
//! are gradients near θ, the shortest vector of their convex hull,
//!
//! ```text
//! g = argmin ‖Σ w_k g_k‖²,  w ≥ 0, Σ w_k = 1,
//! ```
//! either is (nearly) zero, and θ is stationary in the sense of Clarke up to the distance of the points; or −g descends along all of
//! them at once. If the line search along −g fails too, it has found one more gradient, and so on.
//!
//! Source: Wolfe, "A method of conjugate subgradients for minimizing nondifferentiable functions" (1975).

use super::bounds::dot;

/// Pair steps in [`shortest_combination`]; each costs as many operations as there are gradients (at most a dozen).
const MAX_PAIR_STEPS: usize = 10_000;

/// The shortest vector of the convex hull of some vectors, by exact steps on the most violating pair of weights.
pub(super) fn shortest_combination(gradients: &[Vec<f64>]) -> Vec<f64> {
    let m = gradients.len();
    let gram: Vec<Vec<f64>> =
        gradients.iter().map(|a| gradients.iter().map(|b| dot(a, b)).collect()).collect();
    let mut weights = vec![1.0 / m as f64; m];
    for _ in 0..MAX_PAIR_STEPS {
        let slopes: Vec<f64> = gram.iter().map(|row| dot(row, &weights)).collect();
        let by_slope = |a: &usize, b: &usize| slopes[*a].total_cmp(&slopes[*b]);
        let down = (0..m).filter(|&k| weights[k] > 0.0).max_by(by_slope);
        let (Some(up), Some(down)) = ((0..m).min_by(by_slope), down) else {
            break;
        };
        let violation = slopes[down] - slopes[up];
        let curvature = gram[up][up] + gram[down][down] - 2.0 * gram[up][down];
        if violation <= 1e-15 * gram[down][down] || curvature <= 0.0 {
            break;
        }
        let shift = (violation / curvature).min(weights[down]);
        weights[up] += shift;
        weights[down] -= shift;
    }
    let n = gradients.first().map_or(0, Vec::len);
    (0..n).map(|i| weights.iter().zip(gradients).map(|(w, g)| w * g[i]).sum()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_combination_is_the_foot_of_the_perpendicular() {
        // The segment from (1, 2) to (1, −1) is nearest to 0 at (1, 0); inside a triangle around 0 it is 0.
        let foot = shortest_combination(&[vec![1.0, 2.0], vec![1.0, -1.0]]);
        assert!((foot[0] - 1.0).abs() < 1e-14 && foot[1].abs() < 1e-14, "{foot:?}");
        let inside = shortest_combination(&[vec![1.0, 2.0], vec![1.0, -1.0], vec![-3.0, 0.5]]);
        assert!(dot(&inside, &inside) < 1e-14, "{inside:?}");
        assert_eq!(shortest_combination(&[vec![3.0, 4.0]]), vec![3.0, 4.0]);
    }
}
