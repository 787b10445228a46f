//! Objective and duality gap, as in `dual.rs`: the candidate is u = t(p − e_b), whose conjugate is Σ_k r_k log r_k with r = t p + (1−t)e_b.

use crate::design::DesignMatrix;
use crate::loss::softmax;
use crate::lower::{Hyperparameters, Solution};

use super::{MultinomialGlm, Point};

impl<D: DesignMatrix> MultinomialGlm<'_, D> {
    /// Fills in objective and gap, at a point whose intercepts are optimal.
    pub(super) fn complete(&self, at: &Hyperparameters, point: &mut Point) {
        let (mut penalty, mut feasible, mut excess, mut free_cost) = (0.0, 1.0_f64, 0.0, 0.0);
        let solution = &point.solution;
        for (m, &c) in solution.correlations.iter().enumerate() {
            let (y, lambda) = (solution.coefficients[m], self.lambda(at, m));
            if lambda == f64::INFINITY {
                continue;
            }
            penalty += lambda * y.abs() + 0.5 * at.ridge * y * y;
            let over = (c.abs() - lambda).max(0.0);
            excess += over * over;
            if lambda > 0.0 {
                feasible = feasible.min(if over > 0.0 { lambda / c.abs() } else { 1.0 });
            } else if at.ridge == 0.0 {
                free_cost += self.free_cost(solution, m);
            }
        }
        let objective = point.loss + penalty;
        let dual = if at.ridge > 0.0 {
            self.loss_part(point, 1.0) - excess / (2.0 * at.ridge)
        } else {
            self.loss_part(point, feasible) - feasible * free_cost
        };
        let gap = (objective - dual).max(0.0);
        point.solution.objective = objective;
        point.solution.gap = gap;
        point.solution.relative_gap = gap / self.null.objective;
    }

    /// −Σ s_i f*(b_i, t u_i).
    fn loss_part(&self, point: &Point, t: f64) -> f64 {
        let n = self.design.n_rows();
        let mut sum = 0.0;
        for (i, (&b, &s)) in
            self.classes.iter().zip(self.sample_weights).enumerate().filter(|(_, row)| *row.1 > 0.0)
        {
            for k in 0..self.n_classes {
                let own = if b as usize == k { 1.0 - t } else { 0.0 };
                let r = t * point.probabilities[k * n + i] + own;
                if r > 0.0 {
                    sum -= s * r * r.ln();
                }
            }
        }
        sum
    }

    /// What a coefficient with neither weight nor ridge could still gain, its part of the scores being bounded, as in the sparse problem.
    fn free_cost(&self, solution: &Solution, index: usize) -> f64 {
        let square = self.design.column_weighted_square(index % self.design.n_columns(), self.sample_weights);
        if square == 0.0 {
            return 0.0;
        }
        let reach = (2.0 * self.null.objective / softmax::MAX_CURVATURE).sqrt();
        let reach = reach.max(solution.coefficients[index].abs() * square.sqrt());
        10.0 * reach * solution.correlations[index].abs() / square.sqrt()
    }
}
