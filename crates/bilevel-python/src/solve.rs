//! The lower level alone, for Python: coefficients for given hyperparameters.

use bilevel::Result;
use bilevel::data::Dataset;
use bilevel::design::Design;
use bilevel::loss::{Logistic, Loss, Squared};
use bilevel::lower::{Hyperparameters, LowerLevel, Solution, SparseGlm};
use bilevel::outer::Accuracy;
use bilevel::penalty::{Blocks, GroupL1, L1, Penalty};
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;

use crate::error::exception;
use crate::matrix::Matrix;
use crate::{fit, job};

/// Coefficients, intercept, objective, duality gap, relative duality gap, iterations.
type Solved<'py> = (Bound<'py, PyArray1<f64>>, f64, f64, f64, f64, usize);

/// Minimizes mean loss + Σ λ_g ρ(y_g) + (ridge/2)‖y‖² to a relative duality gap of `tolerance`. `sample_weight` sums to 1; `lambda_` has an entry for each
/// feature, or for each group.
#[pyfunction]
#[pyo3(signature = (matrix, target, lambda_, *, ridge, classes, groups, sample_weight, intercept, tolerance))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn solve<'py>(
    py: Python<'py>,
    matrix: &Matrix,
    target: PyReadonlyArray1<'py, f64>,
    lambda_: PyReadonlyArray1<'py, f64>,
    ridge: f64,
    classes: bool,
    groups: Option<Vec<usize>>,
    sample_weight: PyReadonlyArray1<'py, f64>,
    intercept: bool,
    tolerance: f64,
) -> PyResult<Solved<'py>> {
    let target = fit::target(target.as_slice()?.to_vec(), classes);
    let names = bilevel::data::FeatureNames::Counted { first: 0 };
    let problem = Problem {
        data: Dataset::new(matrix.design.clone(), target, names).map_err(|e| exception(&e))?,
        at: Hyperparameters { lambda: lambda_.as_slice()?.to_vec(), ridge },
        sample_weight: sample_weight.as_slice()?.to_vec(),
        intercept,
        tolerance,
    };
    let blocks = groups.map(|groups| Blocks::from_groups(&groups)).transpose().map_err(|e| exception(&e))?;
    let work = move |_: &mut dyn bilevel::fit::Observer| {
        job::in_pool(|| match (classes, blocks) {
            (true, Some(blocks)) => problem.solve(Logistic, &GroupL1::new(blocks)),
            (true, None) => problem.solve(Logistic, &L1::new(problem.at.lambda.len())),
            (false, Some(blocks)) => problem.solve(Squared, &GroupL1::new(blocks)),
            (false, None) => problem.solve(Squared, &L1::new(problem.at.lambda.len())),
        })
    };
    let solution = job::run(py, None, work)?;
    Ok((
        PyArray1::from_vec(py, solution.coefficients),
        solution.intercept,
        solution.objective,
        solution.gap,
        solution.relative_gap,
        solution.iterations,
    ))
}

struct Problem {
    data: Dataset,
    at: Hyperparameters,
    sample_weight: Vec<f64>,
    intercept: bool,
    tolerance: f64,
}

impl Problem {
    fn solve<L: Loss, P: Penalty>(&self, loss: L, penalty: &P) -> Result<Solution> {
        let design: &Design = &self.data.design;
        let targets = self.data.target.values();
        let problem = SparseGlm::new(design, targets, &self.sample_weight, loss, penalty, self.intercept)?;
        problem.solve(&self.at, None, Accuracy { relative_gap: self.tolerance, ..Accuracy::TIGHT })
    }
}
