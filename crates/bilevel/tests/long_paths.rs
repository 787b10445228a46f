//! Many loose solves of one problem: from some point on the correlations come from products of columns, and must be those of the residual.
#![allow(clippy::unwrap_used)]

use bilevel::data::synthetic::{
    ColumnFrequencies, Shape, Sparsity, Synthetic, regression, sparse_regression,
};
use bilevel::design::DesignMatrix;
use bilevel::loss::Squared;
use bilevel::lower::{Hyperparameters, LowerLevel, SparseGlm};
use bilevel::outer::Accuracy;
use bilevel::penalty::{Blocks, GroupL1, Penalty};

const SHAPE: Shape = Shape { n_samples: 90, n_features: 40, n_informative: 8 };

fn check(made: &Synthetic, penalty: &impl Penalty, intercept: bool, ridge: f64) {
    let targets = made.data.target.values();
    let (n, p) = (made.data.n_samples(), made.data.n_features());
    // Every seventh row has no weight.
    let weights: Vec<f64> = (0..n).map(|i| if i % 7 == 0 { 0.0 } else { 1.0 }).collect();
    let total: f64 = weights.iter().sum();
    let weights: Vec<f64> = weights.iter().map(|w| w / total).collect();
    let design = &made.data.design;
    let problem = SparseGlm::new(design, targets, &weights, Squared, penalty, intercept).unwrap();
    let blocks = penalty.blocks().len();
    let largest = problem.lambda_max(&vec![1.0; blocks]);
    let mut last = None;
    for k in 0..80 {
        let lambda = largest * 0.9_f64.powi(k);
        // The first block is never in the model, the second is free.
        let mut lambda = vec![lambda; blocks];
        (lambda[0], lambda[1]) = (f64::INFINITY, 0.0);
        let at = Hyperparameters { lambda, ridge };
        let accuracy = Accuracy { relative_gap: 1e-5, ..Accuracy::TIGHT };
        let solution = problem.solve(&at, last.take(), accuracy).unwrap();
        assert!(solution.relative_gap <= 1e-5, "{:e}", solution.relative_gap);
        let mut slopes = vec![0.0; n];
        design.product_into(&solution.coefficients, &mut slopes);
        slopes
            .iter_mut()
            .zip(targets)
            .zip(&weights)
            .for_each(|((z, b), s)| *z = s * (*z + solution.intercept - b));
        for j in 0..p {
            let (direct, kept) = (design.column_dot(j, &slopes), solution.correlations[j]);
            let scale = design.column_weighted_square(j, &weights).sqrt();
            assert!((direct - kept).abs() <= 1e-11 * scale, "step {k}, column {j}: {direct:e} {kept:e}");
        }
        last = Some(solution);
    }
}

#[test]
fn correlations_are_those_of_the_residual() {
    let dense = regression(SHAPE, 3.0, 0).unwrap();
    let sparsity = Sparsity { density: 0.2, frequencies: ColumnFrequencies::Uniform };
    let sparse = sparse_regression(SHAPE, sparsity, 3.0, 0).unwrap();
    let pairs: Vec<usize> = (0..SHAPE.n_features).map(|j| j / 2).collect();
    for made in [dense, sparse] {
        for (intercept, ridge) in [(true, 0.0), (false, 0.0), (true, 0.01)] {
            check(&made, &bilevel::penalty::L1::new(SHAPE.n_features), intercept, ridge);
            check(&made, &GroupL1::new(Blocks::from_groups(&pairs).unwrap()), intercept, ridge);
        }
    }
}
