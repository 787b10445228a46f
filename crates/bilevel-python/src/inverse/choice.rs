//! One λ: from a decomposition, for which all rules are cheap, or from a Krylov space.

use std::sync::Arc;

use bilevel::design::{DenseMatrix, Design};
use bilevel::inverse::choice::{Agreement, Choice, Rule, SpectralProblem, Verdict, choose, consensus};
use bilevel::inverse::krylov::{self, Edge, Freedom, HybridEnd, HybridFit, HybridSettings, hybrid};
use bilevel::inverse::restore::SpectralTikhonov;
use bilevel::inverse::tikhonov::StandardForm;
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use super::operator::{Operator, Vector, run, unknown};
use crate::matrix::Matrix;

/// Rule, λ, x, value, (λ, value) of the curve, λ of the minima, df, ‖Ax − b‖, ‖Lx‖, σ, verdict, warning.
type Chosen<'py> = (
    String,
    f64,
    Vector<'py>,
    f64,
    (Vector<'py>, Vector<'py>),
    Vec<f64>,
    f64,
    f64,
    f64,
    f64,
    &'static str,
    Option<String>,
);
/// Choices, λ, x, how many are near, agreement, warnings.
type Agreed<'py> = (Vec<Chosen<'py>>, f64, Vector<'py>, usize, &'static str, Vec<String>);
/// λ, x, criterion, (λ, criterion) of the curve, df, ‖Ax − b‖, relative gradient, error bound, steps, products, edge, how it ended.
type Hybrid<'py> = (
    f64,
    Vector<'py>,
    f64,
    (Vector<'py>, Vector<'py>),
    Option<f64>,
    f64,
    f64,
    f64,
    usize,
    usize,
    Option<&'static str>,
    &'static str,
);

/// ‖Ax − b‖² + λ‖Lx‖² in coordinates in which it is diagonal.
#[pyclass(frozen, module = "bilevel._core")]
pub(crate) struct Spectrum {
    problem: Arc<dyn SpectralProblem + Send + Sync>,
}

fn dense(matrix: &Matrix) -> PyResult<DenseMatrix<f64>> {
    match &matrix.design {
        Design::Dense(matrix) => Ok(matrix.clone()),
        _ => Err(PyTypeError::new_err("matrix: found another storage; expected a dense matrix of float64")),
    }
}

#[pymethods]
impl Spectrum {
    /// Of dense matrices, by singular values.
    #[staticmethod]
    fn dense(
        py: Python<'_>,
        a: &Matrix,
        b: PyReadonlyArray1<'_, f64>,
        l: Option<PyRef<'_, Matrix>>,
    ) -> PyResult<Self> {
        let (a, b) = (dense(a)?, b.as_slice()?.to_vec());
        let l = l.map(|l| dense(&l)).transpose()?;
        let problem = run(py, &[], move || StandardForm::new(&a, &b, l.as_ref()))?;
        Ok(Self { problem: Arc::new(problem) })
    }

    /// Of operators that a Fourier or cosine transform diagonalizes; `None` if there is none.
    #[staticmethod]
    fn common(
        py: Python<'_>,
        a: &Operator,
        b: PyReadonlyArray1<'_, f64>,
        l: &Operator,
    ) -> PyResult<Option<Self>> {
        let (a, l, b) = (Arc::clone(&a.operator), Arc::clone(&l.operator), b.as_slice()?.to_vec());
        let found = run(py, &[], move || SpectralTikhonov::new(&a, &l, &b))?;
        Ok(found.map(|problem| Self { problem: Arc::new(problem) }))
    }

    /// x at λ.
    fn solve<'py>(&self, py: Python<'py>, lambda: f64) -> PyResult<Vector<'py>> {
        let problem = Arc::clone(&self.problem);
        let x = run(py, &[], move || Ok(problem.combine(&problem.diagonal().filters(lambda))))?;
        Ok(PyArray1::from_vec(py, x))
    }

    /// The λ of a rule.
    #[pyo3(signature = (method, sigma, truth))]
    fn choose<'py>(
        &self,
        py: Python<'py>,
        method: &str,
        sigma: Option<f64>,
        truth: Option<Vec<f64>>,
    ) -> PyResult<Chosen<'py>> {
        let rule = match truth {
            Some(truth) => Ok(Rule::Oracle { truth }),
            None => Rule::from_name(method, sigma),
        };
        let rule = rule.map_err(|e| crate::error::exception(&e))?;
        let problem = Arc::clone(&self.problem);
        let choice = run(py, &[], move || choose(&*problem, &rule))?;
        Ok(told(py, choice))
    }

    /// What all rules say.
    #[pyo3(signature = (sigma))]
    fn consensus<'py>(&self, py: Python<'py>, sigma: Option<f64>) -> PyResult<Agreed<'py>> {
        let problem = Arc::clone(&self.problem);
        let all = run(py, &[], move || consensus(&*problem, sigma))?;
        let agreement = match all.agreement {
            Agreement::Strong => "strong",
            Agreement::Weak => "weak",
            Agreement::None => "none",
        };
        let choices = all.choices.into_iter().map(|choice| told(py, choice)).collect();
        Ok((choices, all.lambda, PyArray1::from_vec(py, all.x), all.near, agreement, all.warnings))
    }
}

fn told(py: Python<'_>, choice: Choice) -> Chosen<'_> {
    let warning = choice.warning();
    let verdict = match choice.verdict {
        Verdict::Clear => "clear",
        Verdict::Flat(_) => "flat",
        Verdict::Ambiguous(_) => "ambiguous",
        Verdict::AtLowerEnd => "at-lower-end",
        Verdict::AtUpperEnd => "at-upper-end",
    };
    let lambdas = choice.curve.iter().map(|p| p.lambda).collect();
    let values = choice.curve.iter().map(|p| p.value).collect();
    (
        choice.rule.name().to_string(),
        choice.lambda,
        PyArray1::from_vec(py, choice.x),
        choice.value,
        (PyArray1::from_vec(py, lambdas), PyArray1::from_vec(py, values)),
        choice.minima.iter().map(|p| p.lambda).collect(),
        choice.degrees_of_freedom,
        choice.residual_norm,
        choice.penalty_norm,
        choice.sigma,
        verdict,
        warning,
    )
}

/// λ of ‖Ax − b‖² + λ‖x‖² for an operator that can only be applied, from one Krylov space.
#[pyfunction]
#[pyo3(signature = (a, b, *, method, sigma, held_out, lambda_, max_steps, tolerance))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn choose_krylov<'py>(
    py: Python<'py>,
    a: &Operator,
    b: PyReadonlyArray1<'py, f64>,
    method: &str,
    sigma: Option<f64>,
    held_out: Option<Vec<usize>>,
    lambda_: Option<f64>,
    max_steps: usize,
    tolerance: f64,
) -> PyResult<Hybrid<'py>> {
    let rule = match (method, sigma, held_out, lambda_) {
        ("fixed", _, _, Some(lambda)) => krylov::Rule::Fixed(lambda),
        ("gcv", ..) => krylov::Rule::Gcv(Freedom::default()),
        ("l-curve", ..) => krylov::Rule::LCurve,
        ("discrepancy", Some(noise), ..) => krylov::Rule::Discrepancy { noise, safety: 1.0 },
        ("hold-out", _, Some(rows), _) => krylov::Rule::HoldOut(rows),
        ("discrepancy", ..) => {
            return Err(unknown("sigma", "none", "the noise level, which `discrepancy` needs"));
        }
        ("hold-out", ..) => return Err(unknown("held_out", "none", "the rows to hold out")),
        _ => return Err(unknown("method", method, "gcv, discrepancy, hold-out or l-curve for an operator")),
    };
    let (operator, b) = (Arc::clone(&a.operator), b.as_slice()?.to_vec());
    let settings = HybridSettings { max_steps, tolerance, ..HybridSettings::default() };
    let fit: HybridFit = run(py, &a.troubles, move || hybrid(&operator, &b, &rule, &settings))?;
    let edge = fit.edge.map(|edge| match edge {
        Edge::Lower => "at-lower-end",
        Edge::Upper => "at-upper-end",
    });
    let end = match fit.end {
        HybridEnd::Settled => "settled",
        HybridEnd::SpaceExhausted => "space exhausted",
        HybridEnd::OutOfSteps => "out of steps",
    };
    let (lambdas, values) = fit.curve.into_iter().unzip();
    Ok((
        fit.lambda,
        PyArray1::from_vec(py, fit.x),
        fit.criterion,
        (PyArray1::from_vec(py, lambdas), PyArray1::from_vec(py, values)),
        fit.degrees_of_freedom,
        fit.residual,
        fit.relative_gradient,
        fit.error_bound,
        fit.steps,
        fit.products,
        edge,
        end,
    ))
}
