//! One-sided derivatives at kinks equal one-sided differences of the re-solved problem.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use bilevel::criterion::{Criterion, ValidationLoss};
use bilevel::data::Split;
use bilevel::hypergradient::{Direction, OneSided};
use bilevel::loss::{Logistic, Loss, Squared};
use bilevel::lower::{Hyperparameters, LowerLevel, Solution, SparseGlm, UpperGradient};
use bilevel::penalty::{Blocks, GroupL1, L1, Penalty};
use common::{EXACT, RandomData, random_data};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A problem with a few biactive blocks, and a direction.
struct Case<'a, L, P> {
    problem: SparseGlm<'a, bilevel::design::Design, L, P>,
    criterion: ValidationLoss<'a, L>,
    at: Hyperparameters,
    direction: Vec<(u32, f64)>,
    ridge_direction: f64,
}

impl<L: Loss, P: Penalty> Case<'_, L, P> {
    /// λ + t d, solved exactly from a start.
    fn solve(&self, t: f64, start: &Solution) -> Solution {
        let mut at = self.at.clone();
        self.direction.iter().for_each(|&(g, d)| at.lambda[g as usize] += t * d);
        at.ridge += t * self.ridge_direction;
        self.problem.solve(&at, Some(start.clone()), EXACT).unwrap()
    }

    fn value(&self, solution: &Solution) -> f64 {
        self.criterion.evaluate(&solution.predictor).value
    }

    fn derivative(&self, solution: &Solution) -> (OneSided, Vec<u32>) {
        let measured = self.criterion.evaluate(&solution.predictor);
        let upper =
            UpperGradient { predictor: &measured.gradient, curvature: &measured.curvature, warm_start: &[] };
        let direction = Direction { lambda: &self.direction, ridge: self.ridge_direction };
        let cone = self.problem.critical_cone(&self.at, solution, &upper).unwrap();
        (cone.slope(direction).unwrap(), cone.biactive().to_vec())
    }

    /// Derivative and difference, unless the support changes between the points that the difference is made of.
    fn compare(&self, solution: &Solution) -> Option<Compared> {
        let step = 4e-5 * self.at.lambda.iter().copied().fold(0.0, f64::max);
        let points: Vec<Solution> =
            [step, 2.0 * step, 3.0 * step].iter().map(|t| self.solve(*t, solution)).collect();
        if points.iter().any(|p| p.support() != points[0].support()) {
            return None;
        }
        let [zero, one, two, three] =
            [solution, &points[0], &points[1], &points[2]].map(|solution| self.value(solution));
        let (derivative, biactive) = self.derivative(solution);
        // Third order, from one side.
        let difference = (-11.0 * zero + 18.0 * one - 9.0 * two + 2.0 * three) / (6.0 * step);
        Some(Compared { derivative, biactive, difference })
    }
}

struct Compared {
    derivative: OneSided,
    biactive: Vec<u32>,
    difference: f64,
}

/// Makes up to three zero blocks biactive by setting their weights to the size of the gradient there, which leaves the solution as it is.
fn check<L: Loss, P: Penalty>(
    data: &RandomData,
    targets: &[f64],
    loss: L,
    penalty: &P,
    ridge: f64,
    seed: u64,
) -> Option<Compared> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let n = targets.len();
    let rows: Vec<usize> = (0..n).collect();
    let split = Split::from_rows(n, &rows[..2 * n / 3], &rows[2 * n / 3..]).unwrap();
    let problem = SparseGlm::new(&data.design, targets, &split.train, loss, penalty, seed % 2 != 1).unwrap();
    let count = penalty.blocks().len();
    let lambda = 0.3 * problem.lambda_max(&vec![1.0; count]);
    let mut at = Hyperparameters { lambda: vec![lambda; count], ridge };
    let solution = problem.solve(&at, None, EXACT).unwrap();
    let mut block = Vec::new();
    let zero: Vec<usize> = (0..count)
        .filter(|&g| penalty.blocks().members(g).iter().all(|&j| solution.coefficients[j as usize] == 0.0))
        .collect();
    for &g in zero.iter().take(3) {
        penalty.blocks().gather(g, &solution.correlations, &mut block);
        at.lambda[g] = penalty.dual_norm(&block);
    }
    let direction =
        (0_u32..).zip(&at.lambda).map(|(g, l)| (g, l * (2.0 * rng.random::<f64>() - 1.0))).collect();
    let ridge_direction = if ridge > 0.0 { ridge * (rng.random::<f64>() - 0.5) } else { 0.0 };
    let criterion = ValidationLoss::new(loss, targets, &split.validation);
    // The solution is that of the new weights too: solving again could leave a biactive coefficient at 1e-17 instead of 0.
    Case { problem, criterion, at, direction, ridge_direction }.compare(&solution)
}

#[test]
fn at_kinks_the_critical_cone_gives_the_one_sided_differences() {
    let (mut judged, mut skipped, mut leaving, mut staying) = (0, 0, 0, 0);
    for seed in 0..60_u64 {
        let (n, p) = (45, 9 + (seed % 4) as usize * 3);
        let data = random_data(seed, n, p, seed % 3 == 0);
        let groups: Vec<usize> = (0..p).map(|j| j / 3).collect();
        let (l1, group) = (L1::new(p), GroupL1::new(Blocks::from_groups(&groups).unwrap()));
        let ridge = if seed % 5 < 2 { 0.05 } else { 0.0 };
        let found = [
            check(&data, &data.real, Squared, &l1, ridge, seed),
            check(&data, &data.signs, Logistic, &l1, ridge, seed),
            check(&data, &data.real, Squared, &group, ridge, seed),
            check(&data, &data.signs, Logistic, &group, ridge, seed),
        ];
        for (k, compared) in found.into_iter().enumerate() {
            let Some(Compared { derivative, biactive, difference }) = compared else {
                skipped += 1;
                continue;
            };
            if biactive.is_empty() {
                continue;
            }
            judged += 1;
            leaving += derivative.leaving.len();
            staying += biactive.len() - derivative.leaving.len();
            let error = (derivative.slope - difference).abs();
            assert!(
                error <= 1e-5 * difference.abs() + 1e-9,
                "seed {seed}, case {k}: {derivative:?} against {difference}, relative {:.1e}",
                error / difference.abs()
            );
        }
    }
    assert!(judged >= 100, "{judged} judged, {skipped} skipped");
    assert!(leaving >= 50 && staying >= 50, "{leaving} leave, {staying} stay");
}
