//! Coefficients along λ with their derivatives, for Python.

use bilevel::data::{Dataset, FeatureNames};
use bilevel::fit::{FewerRows, Observer};
use bilevel::hypergradient::{Direction, Tangent};
use bilevel::loss::{Logistic, Loss, Squared};
use bilevel::lower::{Hyperparameters, LowerLevel, Solution, SparseGlm};
use bilevel::outer::Accuracy;
use bilevel::penalty::{Blocks, GroupL1, L1, Penalty};
use bilevel::{Error, Result};
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;

use crate::error::exception;
use crate::matrix::Matrix;
use crate::{fit, job};

type Vector<'py, T = f64> = Bound<'py, PyArray1<T>>;
/// The three arrays of a matrix of compressed columns.
type Columns<'py> = (Vector<'py, i64>, Vector<'py, i64>, Vector<'py>);
/// λ, coefficients, their derivatives, intercepts, their derivatives, gaps, relative gaps, iterations.
type Path<'py> = (
    Vector<'py>,
    Columns<'py>,
    Columns<'py>,
    Vector<'py>,
    Vector<'py>,
    Vector<'py>,
    Vector<'py>,
    Vector<'py, i64>,
);

/// Solves for λ·`factors`, λ falling from the smallest that gives zero coefficients by the factor `smallest` in `count` steps, or through `given`. Without
/// `derivatives` theirs are empty, and those of the intercepts NaN.
#[pyfunction]
#[pyo3(signature = (matrix, target, factors, given, *, count, smallest, ridge, classes, groups, sample_weight, intercept, derivatives, tolerance))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn path<'py>(
    py: Python<'py>,
    matrix: &Matrix,
    target: PyReadonlyArray1<'py, f64>,
    factors: PyReadonlyArray1<'py, f64>,
    given: Option<PyReadonlyArray1<'py, f64>>,
    count: usize,
    smallest: f64,
    ridge: f64,
    classes: bool,
    groups: Option<Vec<usize>>,
    sample_weight: PyReadonlyArray1<'py, f64>,
    intercept: bool,
    derivatives: bool,
    tolerance: f64,
) -> PyResult<Path<'py>> {
    let target = fit::target(target.as_slice()?.to_vec(), classes);
    let names = FeatureNames::Counted { first: 0 };
    let blocks = groups.map(|groups| Blocks::from_groups(&groups)).transpose().map_err(|e| exception(&e))?;
    let walk = Walk {
        data: Dataset::new(matrix.design.clone(), target, names).map_err(|e| exception(&e))?,
        factors: factors.as_slice()?.to_vec(),
        given: given.map(|lambdas| lambdas.as_slice().map(<[f64]>::to_vec)).transpose()?,
        count,
        smallest,
        ridge,
        sample_weight: sample_weight.as_slice()?.to_vec(),
        intercept,
        derivatives,
        accuracy: Accuracy { relative_gap: tolerance, ..Accuracy::TIGHT },
    };
    let work = move |observer: &mut dyn Observer| {
        let stop = || observer.is_interrupted();
        // The observer stays on this thread: a pool of its own is only for forked processes.
        match (classes, blocks) {
            (true, Some(blocks)) => walk.run(Logistic, &GroupL1::new(blocks), stop),
            (true, None) => walk.run(Logistic, &L1::new(walk.factors.len()), stop),
            (false, Some(blocks)) => walk.run(Squared, &GroupL1::new(blocks), stop),
            (false, None) => walk.run(Squared, &L1::new(walk.factors.len()), stop),
        }
    };
    let points = job::run(py, None, work)?;
    Ok(told(py, points))
}

/// A point of the path.
struct Point {
    lambda: f64,
    coefficients: Vec<(usize, f64)>,
    intercept: f64,
    gap: f64,
    relative_gap: f64,
    iterations: usize,
    tangent: Tangent,
}

struct Walk {
    data: Dataset,
    factors: Vec<f64>,
    given: Option<Vec<f64>>,
    count: usize,
    smallest: f64,
    ridge: f64,
    sample_weight: Vec<f64>,
    intercept: bool,
    derivatives: bool,
    accuracy: Accuracy,
}

impl Walk {
    /// Under the squared loss many rows are replaced by the few that have the same solutions.
    fn run<L: Loss, P: Penalty>(&self, loss: L, penalty: &P, stop: impl Fn() -> bool) -> Result<Vec<Point>> {
        let (design, targets) = (&self.data.design, self.data.target.values());
        let count = self.given.as_ref().map_or(self.count, Vec::len);
        let fewer = job::in_pool(|| {
            let pays = L::MAX_THIRD_DERIVATIVE == 0.0;
            let weights = &self.sample_weight;
            Ok(pays.then(|| FewerRows::new(design, targets, weights, self.intercept, count)).flatten())
        })?;
        let rows = fewer.as_ref().map(|few| (&few.design, &few.targets[..], &few.weights[..]));
        let (design, targets, weights) = rows.unwrap_or((design, targets, &self.sample_weight));
        let problem =
            job::in_pool(|| SparseGlm::new(design, targets, weights, loss, penalty, self.intercept))?;
        let lambdas = match &self.given {
            Some(lambdas) => lambdas.clone(),
            None => self.grid(problem.lambda_max(&self.factors))?,
        };
        // dλ_g/dλ = w_g; an excluded block has no weight to change.
        let moved = self.factors.iter().enumerate().filter(|(_, w)| w.is_finite());
        let direction: Vec<(u32, f64)> =
            moved.map(|(g, &w)| (u32::try_from(g).unwrap_or(u32::MAX), w)).collect();
        let direction = Direction { lambda: &direction, ridge: 0.0 };
        let mut points = Vec::with_capacity(lambdas.len());
        let mut last: Option<Solution> = None;
        for lambda in lambdas {
            if stop() {
                return Err(Error::Interrupted);
            }
            let weight = |w: &f64| if w.is_finite() { lambda * w } else { f64::INFINITY };
            let at = Hyperparameters { lambda: self.factors.iter().map(weight).collect(), ridge: self.ridge };
            let start = last.take();
            let (solution, tangent) = job::in_pool(|| {
                let solution = problem.solve(&at, start, self.accuracy)?;
                if !self.derivatives {
                    return Ok((solution, Tangent { coefficients: Vec::new(), intercept: f64::NAN }));
                }
                let tangent = match problem.tangent(&at, &solution, direction) {
                    Err(Error::AdjointSolve { .. }) => nowhere(&solution),
                    tangent => tangent?,
                };
                Ok((solution, tangent))
            })?;
            points.push(Point {
                lambda,
                coefficients: solution.support().into_iter().map(|j| (j, solution.coefficients[j])).collect(),
                intercept: solution.intercept,
                gap: solution.gap,
                relative_gap: solution.relative_gap,
                iterations: solution.iterations,
                tangent,
            });
            last = Some(solution);
        }
        Ok(points)
    }

    /// λ_max·smallest^{k/(count−1)}.
    fn grid(&self, largest: f64) -> Result<Vec<f64>> {
        if largest <= 0.0 {
            let expected = "a target that some penalized feature explains a part of; give the values of λ";
            return Err(Error::data("target", "nothing that the features explain", expected));
        }
        let steps = self.count.saturating_sub(1).max(1) as f64;
        Ok((0..self.count).map(|k| largest * self.smallest.powf(k as f64 / steps)).collect())
    }
}

/// The derivative of a solution that has none, because columns of its support are dependent: NaN on the support.
fn nowhere(solution: &Solution) -> Tangent {
    let coefficients =
        solution.support().into_iter().filter_map(|j| Some((u32::try_from(j).ok()?, f64::NAN)));
    Tangent { coefficients: coefficients.collect(), intercept: f64::NAN }
}

fn told(py: Python<'_>, points: Vec<Point>) -> Path<'_> {
    let column = |value: fn(&Point) -> f64| PyArray1::from_iter(py, points.iter().map(value));
    let coefficients = compressed(py, points.iter().map(|p| p.coefficients.iter().copied()));
    let entries = |p: &Point| p.tangent.coefficients.clone().into_iter().map(|(j, d)| (j as usize, d));
    (
        column(|p| p.lambda),
        coefficients,
        compressed(py, points.iter().map(entries)),
        column(|p| p.intercept),
        column(|p| p.tangent.intercept),
        column(|p| p.gap),
        column(|p| p.relative_gap),
        PyArray1::from_iter(py, points.iter().map(|p| p.iterations as i64)),
    )
}

fn compressed<'py, C: Iterator<Item = (usize, f64)>>(
    py: Python<'py>,
    columns: impl Iterator<Item = C>,
) -> Columns<'py> {
    let (mut starts, mut rows, mut values) = (vec![0], Vec::new(), Vec::new());
    for column in columns {
        for (j, value) in column {
            rows.push(j as i64);
            values.push(value);
        }
        starts.push(rows.len() as i64);
    }
    (PyArray1::from_vec(py, starts), PyArray1::from_vec(py, rows), PyArray1::from_vec(py, values))
}
