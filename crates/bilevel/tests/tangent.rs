//! The forward derivative of a solution equals central differences of the re-solved problem, and is the adjoint's transpose.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use bilevel::design::DesignMatrix;
use bilevel::hypergradient::{BiactivePolicy, Direction, Selection};
use bilevel::loss::{Logistic, Loss, Squared};
use bilevel::lower::{Hyperparameters, LowerLevel, Solution, SparseGlm, UpperGradient};
use bilevel::outer::Accuracy;
use bilevel::penalty::{Blocks, GroupL1, L1, Penalty};
use common::random_data;

const EXACT: Accuracy = Accuracy { relative_gap: 1e-14, adjoint_residual: 1e-13 };

fn check<L: Loss, P: Penalty>(loss: L, penalty: &P, sparse: bool, intercept: bool, ridge: f64) {
    let data = random_data(3, 50, 24, sparse);
    let targets = if L::MAX_THIRD_DERIVATIVE > 0.0 { &data.signs } else { &data.real };
    let weights: Vec<f64> = (0..50).map(|i| f64::from(i % 3) / 49.0).collect();
    let problem = SparseGlm::new(&data.design, targets, &weights, loss, penalty, intercept).unwrap();
    let blocks = penalty.blocks().len();
    let level = 0.2 * problem.lambda_max(&vec![1.0; blocks]);
    let lambda: Vec<f64> = (0..blocks).map(|g| level * (1.0 + 0.1 * (g % 3) as f64)).collect();
    let moves: Vec<(u32, f64)> =
        (0..blocks).map(|g| (u32::try_from(g).unwrap(), level * (1.7 * g as f64).sin())).collect();
    let direction = Direction { lambda: &moves, ridge: 0.3 };
    let solve = |t: f64| -> Solution {
        let lambda = lambda.iter().zip(&moves).map(|(l, m)| l + t * m.1).collect();
        problem.solve(&Hyperparameters { lambda, ridge: ridge + t * 0.3 }, None, EXACT).unwrap()
    };
    let (solution, at) = (solve(0.0), Hyperparameters { lambda: lambda.clone(), ridge });
    let tangent = problem.tangent(&at, &solution, direction).unwrap();
    assert!(!tangent.coefficients.is_empty());
    let mut derivative = vec![0.0; problem.n_coefficients()];
    tangent.coefficients.iter().for_each(|&(j, d)| derivative[j as usize] = d);

    let step = 1e-5;
    let (up, down) = (solve(step), solve(-step));
    assert_eq!(up.support(), down.support());
    let scale = derivative.iter().fold(0.0_f64, |m, d| m.max(d.abs()));
    for ((u, d), exact) in up.coefficients.iter().zip(&down.coefficients).zip(&derivative) {
        approx::assert_abs_diff_eq!((u - d) / (2.0 * step), *exact, epsilon = 1e-6 * scale);
    }
    let shift = (up.intercept - down.intercept) / (2.0 * step);
    approx::assert_abs_diff_eq!(shift, tangent.intercept, epsilon = 1e-6 * scale);

    let slopes: Vec<f64> = (0..50).map(|i| (0.9 * f64::from(i)).cos()).collect();
    let upper = UpperGradient { predictor: &slopes, curvature: &slopes, warm_start: &[] };
    let selection = Selection::from(BiactivePolicy::Null);
    let adjoint = problem.adjoint(&at, &solution, &upper, selection, EXACT).unwrap();
    let mut moved = vec![0.0; 50];
    data.design.product_into(&derivative, &mut moved);
    let forward: f64 = moved.iter().zip(&slopes).map(|(m, s)| (m + tangent.intercept) * s).sum();
    let backward =
        adjoint.lambda.iter().map(|&(g, h)| h * moves[g as usize].1).sum::<f64>() + 0.3 * adjoint.ridge;
    approx::assert_relative_eq!(forward, backward, max_relative = 1e-9);
}

#[test]
fn the_tangent_is_the_derivative_of_the_solution_and_the_transpose_of_the_adjoint() {
    let groups: Vec<usize> = (0..24).map(|j| j % 8).collect();
    for (sparse, intercept, ridge) in [(false, true, 0.5), (true, true, 0.5), (false, false, 0.6)] {
        check(Squared, &L1::new(24), sparse, intercept, ridge);
        check(Logistic, &L1::new(24), sparse, intercept, ridge);
        let blocks = || Blocks::from_groups(&groups).unwrap();
        check(Squared, &GroupL1::new(blocks()), sparse, intercept, ridge);
        check(Logistic, &GroupL1::new(blocks()), sparse, intercept, ridge);
    }
}
