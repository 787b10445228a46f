//! Where the next solve starts, along one hyperparameter: on the line through the last two solutions.
//!
//! Between two kinks the solution of the lower level is smooth in λ (under the squared loss it is linear), so the line through two neighbours on
//! the path is nearer to the third than either of them. Where there are no kinks the coefficients are smooth in log λ, whatever the loss, and a few
//! solutions are kept: the next start is extrapolated from the two nearest, or lies on the parabola through the three nearest if it is between them.

use crate::lower::{LowerLevel, Solution};

/// The line is followed at most this many times as far as its two points are apart.
const FARTHEST: f64 = 1.5;

/// Solutions that are kept where there are no kinks.
const KEPT: usize = 4;

/// The last solution's place on the path, and the solution before it.
#[derive(Debug, Default)]
pub(super) struct Trail {
    at: Option<f64>,
    before: Option<Earlier>,
    /// Without kinks, the oldest first.
    smooth: Vec<Smooth>,
}

/// A solution and its place, log λ.
#[derive(Debug)]
struct Smooth {
    at: f64,
    coefficients: Vec<f64>,
    intercept: f64,
}

/// A sparse solution and its place.
#[derive(Debug)]
struct Earlier {
    at: f64,
    /// (index, coefficient), increasing in the index.
    coefficients: Vec<(u32, f64)>,
    intercept: f64,
}

impl Earlier {
    fn new(at: f64, solution: &Solution) -> Self {
        let nonzero = (0_u32..).zip(&solution.coefficients).filter(|(_, y)| **y != 0.0);
        Self { at, coefficients: nonzero.map(|(j, &y)| (j, y)).collect(), intercept: solution.intercept }
    }
}

impl Trail {
    /// The start for a solve at `next` (λ, not its logarithm), made of `last`, the solution of the solve before.
    pub(super) fn start<M: LowerLevel>(&mut self, lower: &M, last: Solution, next: f64) -> Solution {
        if !lower.has_kinks() {
            return self.smooth_start(last, next);
        }
        let (at, before) = (self.at.replace(next), self.before.take());
        let Some(at) = at.filter(|&at| at != next) else {
            self.before = before;
            return last;
        };
        self.before = Some(Earlier::new(at, &last));
        match before.map(|before| ((next - at) / (at - before.at), before)) {
            Some((step, before)) if step.abs() <= FARTHEST => follow(lower, last, &before, step),
            _ => last,
        }
    }

    fn smooth_start(&mut self, last: Solution, next: f64) -> Solution {
        let Some(at) = self.at.replace(next).filter(|&at| at != next) else {
            return last;
        };
        let (at, theta) = (at.ln(), next.ln());
        self.smooth.retain(|kept| kept.at != at);
        if self.smooth.len() == KEPT {
            self.smooth.remove(0);
        }
        self.smooth.push(Smooth { at, coefficients: last.coefficients.clone(), intercept: last.intercept });
        let mut nearest: Vec<&Smooth> = self.smooth.iter().collect();
        nearest.sort_by(|a, b| (a.at - theta).abs().total_cmp(&(b.at - theta).abs()));
        nearest.truncate(3);
        let is_between = nearest.iter().any(|p| p.at < theta) && nearest.iter().any(|p| p.at > theta);
        if !is_between {
            nearest.truncate(2);
        }
        if let [a, b] = nearest[..]
            && ((theta - a.at) / (a.at - b.at)).abs() > FARTHEST
        {
            nearest.truncate(1);
        }
        through(&nearest, theta, last)
    }
}

/// The point at `theta` on the polynomial through solutions at different places.
fn through(points: &[&Smooth], theta: f64, mut start: Solution) -> Solution {
    start.coefficients.fill(0.0);
    start.intercept = 0.0;
    for point in points {
        let others = points.iter().filter(|other| other.at != point.at);
        let share: f64 = others.map(|other| (theta - other.at) / (point.at - other.at)).product();
        crate::kernel::axpy(share, &point.coefficients, &mut start.coefficients);
        start.intercept += share * point.intercept;
    }
    start
}

/// `last` + step·(last − before) on the support of `last`; what would change its sign is zero.
fn follow<M: LowerLevel>(lower: &M, last: Solution, before: &Earlier, step: f64) -> Solution {
    let ahead = |last: f64, before: f64| last + step * (last - before);
    let intercept = ahead(last.intercept, before.intercept);
    let mut coefficients = last.coefficients;
    let mut earlier = before.coefficients.iter().peekable();
    for (j, y) in (0_u32..).zip(&mut coefficients).filter(|(_, y)| **y != 0.0) {
        while earlier.next_if(|(k, _)| *k < j).is_some() {}
        let then = earlier.next_if(|(k, _)| *k == j).map_or(0.0, |(_, y)| *y);
        let followed = ahead(*y, then);
        *y = if followed * *y > 0.0 { followed } else { 0.0 };
    }
    lower.start_from(coefficients, intercept)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::design::DenseMatrix;
    use crate::loss::Squared;
    use crate::lower::{Hyperparameters, RidgeGlm, SparseGlm};
    use crate::outer::Accuracy;
    use crate::penalty::L1;

    #[test]
    fn under_the_squared_loss_the_third_point_on_a_line_is_the_solution() {
        // Orthogonal columns: y = (6 − λ, 2 − λ) until λ = 2, then (6 − λ, 0).
        let design = DenseMatrix::new(2, 2, vec![1.0, 0.0, 0.0, 1.0]).unwrap();
        let penalty = L1::new(2);
        let problem = SparseGlm::new(&design, &[6.0, 2.0], &[0.5, 0.5], Squared, &penalty, false).unwrap();
        let solve = |lambda: f64, start| {
            let at = Hyperparameters { lambda: vec![0.5 * lambda; 2], ridge: 0.0 };
            problem.solve(&at, start, Accuracy::TIGHT).unwrap()
        };
        let mut trail = Trail::default();
        let first = solve(1.0, None);
        let second_start = trail.start(&problem, first.clone(), 1.0);
        assert_eq!(second_start, first);
        let second_start = trail.start(&problem, first.clone(), 1.4);
        assert_eq!(second_start, first);
        let second = solve(1.4, Some(second_start));
        let third_start = trail.start(&problem, second, 1.8);
        let third = solve(1.8, None);
        for (followed, solved) in third_start.coefficients.iter().zip(&third.coefficients) {
            assert!((followed - solved).abs() < 1e-12, "{followed} {solved}");
        }
        // At λ = 2.2 the line would change the sign of the second coefficient.
        let start = trail.start(&problem, third.clone(), 2.2);
        assert!((start.coefficients[0] - 3.8).abs() < 1e-12);
        assert_eq!(start.coefficients[1], 0.0);
        // Far from the two points the last one is the start.
        assert_eq!(trail.start(&problem, start.clone(), 10.0), start);
    }

    #[test]
    fn without_kinks_a_start_between_solutions_lies_on_their_parabola_and_one_beyond_on_their_line() {
        let design = DenseMatrix::new(1, 1, vec![1.0]).unwrap();
        let penalty = L1::new(1);
        let glm = SparseGlm::new(&design, &[1.0], &[1.0], Squared, &penalty, false).unwrap();
        let problem = RidgeGlm::new(glm);
        // "Solutions" (log λ)², at log λ = 0, −1, −2, whatever the problem.
        let solution = |y: f64| problem.start_from(vec![y], 0.0);
        let mut trail = Trail::default();
        let mut start = |y: f64, theta: f64| trail.start(&problem, solution(y), theta.exp()).coefficients[0];
        assert_eq!(start(7.0, 0.0), 7.0);
        assert_eq!(start(0.0, -1.0), 0.0);
        assert!((start(1.0, -2.0) - 2.0).abs() < 1e-12);
        assert!((start(4.0, -1.5) - 2.25).abs() < 1e-12);
    }
}
