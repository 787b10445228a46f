//! Weights so small that the support nears the number of rows: coordinate descent holds more coordinates than that on the way, and the Hessian is singular on them.

use bilevel::Result;
use bilevel::data::synthetic::{
    ColumnFrequencies, Shape, Sparsity, Synthetic, regression, sparse_regression,
};
use bilevel::design::DesignMatrix;
use bilevel::loss::Squared;
use bilevel::lower::{Hyperparameters, LowerLevel, SparseGlm};
use bilevel::outer::Accuracy;
use bilevel::penalty::L1;

/// Solves at λ_max/ratio from nothing, and checks the answer against the optimality conditions, computed here. Returns the support's size.
fn optimal_support(made: &Synthetic, ratio: f64) -> Result<usize> {
    let targets = made.data.target.values();
    let (n, p) = (made.data.n_samples(), made.data.n_features());
    let (sample_weights, penalty) = (vec![1.0 / n as f64; n], L1::new(p));
    let problem = SparseGlm::new(&made.data.design, targets, &sample_weights, Squared, &penalty, true)?;
    let lambda = problem.lambda_max(&vec![1.0; p]) / ratio;
    let at = Hyperparameters { lambda: vec![lambda; p], ridge: 0.0 };
    for relative_gap in [1e-4, 1e-10] {
        let solution = problem.solve(&at, None, Accuracy { relative_gap, ..Accuracy::TIGHT })?;
        assert!(solution.relative_gap <= relative_gap, "{:e}", solution.relative_gap);
    }
    let solution = problem.solve(&at, None, Accuracy::TIGHT)?;
    let mut residual = vec![0.0; n];
    made.data.design.product_into(&solution.coefficients, &mut residual);
    residual.iter_mut().zip(targets).for_each(|(z, b)| *z = (*z + solution.intercept - b) / n as f64);
    assert!(residual.iter().sum::<f64>().abs() < 1e-12, "the intercept is optimal");
    for (j, y) in solution.coefficients.iter().enumerate() {
        let gradient = made.data.design.column_dot(j, &residual);
        let violation =
            if *y == 0.0 { gradient.abs() - lambda } else { (gradient + lambda * y.signum()).abs() };
        assert!(violation < 1e-6 * lambda, "coordinate {j}: {violation:e} where λ = {lambda:e}");
    }
    Ok(solution.coefficients.iter().filter(|y| **y != 0.0).count())
}

#[test]
fn dense_columns() -> Result<()> {
    let shape = Shape { n_samples: 120, n_features: 300, n_informative: 20 };
    let support = optimal_support(&regression(shape, 3.0, 0)?, 1e4)?;
    assert!(support > 110, "{support} of at most 119");
    Ok(())
}

#[test]
fn sparse_columns_more_than_products_are_held_for() -> Result<()> {
    let shape = Shape { n_samples: 800, n_features: 2500, n_informative: 40 };
    let sparsity = Sparsity { density: 0.01, frequencies: ColumnFrequencies::Uniform };
    let support = optimal_support(&sparse_regression(shape, sparsity, 3.0, 0)?, 1e4)?;
    assert!(support > 700, "{support} of at most 799");
    Ok(())
}
