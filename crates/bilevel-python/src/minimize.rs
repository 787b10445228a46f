//! The outer methods on an objective of Python's, on a [`Problem`], or on a [`SmoothProblem`].
//!
//! They run on the thread that called, so that Python code does, too; a problem's evaluations run on threads of their own, without the GIL.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bilevel::Error;
use bilevel::outer::{
    Evaluation, GaussNewton, Lbfgs, ModelStep, Monitor, Nba, Ntrba, Objective, OuterOptimizer, OuterResult,
    Progress, Request, ScalarSearch, StopReason,
};
use bilevel::smooth::SmoothObjective;
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::{bug, exception};
use crate::problem::Problem;
use crate::smooth::{SmoothProblem, solve_settings};
use crate::smooth_method::Way;

/// θ, value, gradient, bound on its error, biactive coordinates, steps, evaluations, why it ended.
type Minimum<'py> =
    (Bound<'py, PyArray1<f64>>, f64, Bound<'py, PyArray1<f64>>, Option<f64>, usize, usize, usize, String);

/// Minimizes a function of Python (θ ↦ (value, gradient)) or a problem over a box. `options` are the method's settings as JSON; `record` sees
/// every step, and ends the search by returning `True`.
#[pyfunction]
#[pyo3(signature = (objective, start, lower, upper, *, method, options, record))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn minimize<'py>(
    py: Python<'py>,
    objective: &Bound<'py, PyAny>,
    start: PyReadonlyArray1<'py, f64>,
    lower: PyReadonlyArray1<'py, f64>,
    upper: PyReadonlyArray1<'py, f64>,
    method: &str,
    options: &str,
    record: &Bound<'py, PyAny>,
) -> PyResult<Minimum<'py>> {
    let method = optimizer(method, options)?;
    let trouble = RefCell::new(None);
    let source = match objective.cast::<Problem>() {
        Ok(problem) => Source::Problem(problem.get()),
        Err(_) => Source::Function(objective),
    };
    let bounds = (lower.as_slice()?.to_vec(), upper.as_slice()?.to_vec());
    let mut objective = Foreign { py, source, bounds, trouble: &trouble };
    let mut watch = Watch { py, record, trouble: &trouble };
    let found = search(method.as_ref(), &mut objective, start.as_slice()?, &mut watch);
    match trouble.take() {
        Some(error) => Err(error),
        None => told(py, found?),
    }
}

/// Minimizes Φ of a smooth problem. `way` and `way_settings` say how it is differentiated, `solver` how the lower level is solved; unrolled ways run
/// from `y`.
#[pyfunction]
#[pyo3(signature = (problem, start, lower, upper, *, y, way, way_settings, solver, method, options, record))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn minimize_smooth<'py>(
    py: Python<'py>,
    problem: &SmoothProblem,
    start: PyReadonlyArray1<'py, f64>,
    lower: PyReadonlyArray1<'py, f64>,
    upper: PyReadonlyArray1<'py, f64>,
    y: PyReadonlyArray1<'py, f64>,
    way: &str,
    way_settings: &str,
    solver: &str,
    method: &str,
    options: &str,
    record: &Bound<'py, PyAny>,
) -> PyResult<Minimum<'py>> {
    let outer = optimizer(method, options)?;
    let way = Way::parse(way, way_settings)?;
    let solver = solve_settings(solver)?;
    let (start, y) = (start.as_slice()?.to_vec(), y.as_slice()?.to_vec());
    let bounds = (lower.as_slice()?.to_vec(), upper.as_slice()?.to_vec());
    let trouble = RefCell::new(None);
    let callbacks = problem.callbacks(py);
    let mut watch = Watch { py, record, trouble: &trouble };
    // A search of one parameter has no start: its step sizes are those of the middle.
    let at: Vec<f64> = if start.is_empty() {
        bounds.0.iter().zip(&bounds.1).map(|(a, b)| 0.5 * (a + b)).collect()
    } else {
        start.clone()
    };
    let found = way.with_method(&callbacks, &at, &y, |given| {
        let objective = if way.is_unrolled() {
            SmoothObjective::unrolled(&callbacks, given, y.clone(), bounds.0.len())
        } else if way.is_default() {
            SmoothObjective::new(&callbacks)
        } else {
            SmoothObjective::new(&callbacks).with_method(given)
        };
        let objective = objective.with_solver(solver).with_bounds(bounds.0, bounds.1)?;
        Ok(search(outer.as_ref(), &mut Detached { py, objective }, &start, &mut watch))
    });
    match trouble.take().or_else(|| callbacks.trouble()) {
        Some(error) => Err(error),
        None => told(py, found.map_err(|e| exception(&e))??),
    }
}

/// Runs an outer method; a panic is an error that says so.
fn search(
    method: &dyn OuterOptimizer,
    objective: &mut dyn Objective,
    start: &[f64],
    watch: &mut Watch<'_, '_>,
) -> PyResult<OuterResult> {
    catch_unwind(AssertUnwindSafe(|| method.minimize(objective, start, watch)))
        .map_err(|panic| bug(panic.as_ref()))?
        .map_err(|e| exception(&e))
}

/// What was found, for Python.
fn told(py: Python<'_>, found: OuterResult) -> PyResult<Minimum<'_>> {
    let OuterResult { theta, evaluation, steps, evaluations, stop_reason } = found;
    let reason = serde_json::to_value(stop_reason).ok();
    Ok((
        PyArray1::from_vec(py, theta),
        evaluation.value,
        PyArray1::from_vec(py, evaluation.gradient),
        evaluation.gradient_error_bound,
        evaluation.biactive,
        steps,
        evaluations,
        reason.as_ref().and_then(Value::as_str).unwrap_or_default().to_string(),
    ))
}

fn optimizer(method: &str, options: &str) -> PyResult<Box<dyn OuterOptimizer>> {
    Ok(match method {
        "ntrba" => Box::new(Ntrba { settings: settings(options)? }),
        "nba" => Box::new(Nba { settings: settings(options)? }),
        "lbfgs" => Box::new(Lbfgs { settings: settings(options)? }),
        "scalar" => Box::new(ScalarSearch { settings: settings(options)? }),
        "gauss-newton" => Box::new(GaussNewton { settings: settings(options)? }),
        _ => return Err(PyValueError::new_err(format!("setting `method`: found '{method}'"))),
    })
}

/// The default settings with those that are given; names that do not exist are refused.
fn settings<T: Default + Serialize + DeserializeOwned>(options: &str) -> PyResult<T> {
    let refuse = |e: serde_json::Error| PyValueError::new_err(format!("setting `options`: {e}"));
    let given: Map<String, Value> = serde_json::from_str(options).map_err(refuse)?;
    let mut all = serde_json::to_value(T::default()).map_err(refuse)?;
    let Some(known) = all.as_object_mut() else {
        return serde_json::from_value(all).map_err(refuse);
    };
    for (name, value) in given {
        if !known.contains_key(&name) {
            let names: Vec<&str> = known.keys().map(String::as_str).collect();
            let expected = names.join(", ");
            return Err(PyValueError::new_err(format!(
                "setting `options`: found '{name}'; expected one of {expected}"
            )));
        }
        known.insert(name, value);
    }
    serde_json::from_value(all).map_err(refuse)
}

enum Source<'a, 'py> {
    Function(&'a Bound<'py, PyAny>),
    Problem(&'a Problem),
}

/// An objective that Python evaluates, or that must listen to it.
struct Foreign<'a, 'py> {
    py: Python<'py>,
    source: Source<'a, 'py>,
    bounds: (Vec<f64>, Vec<f64>),
    /// What Python raised: it is raised again, and the library is told to end.
    trouble: &'a RefCell<Option<PyErr>>,
}

impl Foreign<'_, '_> {
    fn call(&self, theta: &[f64], request: Request) -> PyResult<Evaluation> {
        let function = match self.source {
            Source::Problem(problem) => return problem.evaluation(self.py, theta, request),
            Source::Function(function) => function,
        };
        let answer = function.call1((PyArray1::from_slice(self.py, theta),))?;
        let (value, gradient): (f64, PyReadonlyArray1<'_, f64>) = answer.extract()?;
        let gradient = if request.gradient { gradient.as_slice()?.to_vec() } else { Vec::new() };
        Ok(Evaluation {
            value,
            standard_error: 0.0,
            gradient,
            gradient_error_bound: None,
            relative_gap: 0.0,
            support_size: 0.0,
            biactive: 0,
        })
    }

    fn keep<T>(&self, answer: PyResult<T>) -> bilevel::Result<T> {
        answer.map_err(|error| {
            *self.trouble.borrow_mut() = Some(error);
            Error::Interrupted
        })
    }
}

impl Objective for Foreign<'_, '_> {
    fn n_parameters(&self) -> usize {
        self.bounds.0.len()
    }

    fn bounds(&self) -> (Vec<f64>, Vec<f64>) {
        self.bounds.clone()
    }

    fn evaluate(&mut self, theta: &[f64], request: Request) -> bilevel::Result<Evaluation> {
        self.keep(self.call(theta, request))
    }

    fn model_step(
        &mut self,
        theta: &[f64],
        request: Request,
        radius: f64,
    ) -> bilevel::Result<Option<ModelStep>> {
        let Source::Problem(problem) = self.source else { return Ok(None) };
        let mut step = self.keep(problem.model_step(self.py, theta, request, radius))?;
        // The problem knows its own box only; the one asked for may be smaller.
        if let Some(step) = &mut step {
            let sides = self.bounds.0.iter().zip(&self.bounds.1);
            step.theta.iter_mut().zip(sides).for_each(|(t, (low, high))| *t = t.max(*low).min(*high));
        }
        Ok(step)
    }
}

/// A smooth problem's objective, evaluated without the GIL: its callbacks take it.
struct Detached<'a, 'py> {
    py: Python<'py>,
    objective: SmoothObjective<'a>,
}

impl Objective for Detached<'_, '_> {
    fn n_parameters(&self) -> usize {
        self.objective.n_parameters()
    }

    fn bounds(&self) -> (Vec<f64>, Vec<f64>) {
        Objective::bounds(&self.objective)
    }

    fn evaluate(&mut self, theta: &[f64], request: Request) -> bilevel::Result<Evaluation> {
        let objective = &mut self.objective;
        self.py.detach(|| objective.evaluate(theta, request))
    }

    fn value_error(&self, evaluation: &Evaluation) -> f64 {
        self.objective.value_error(evaluation)
    }
}

struct Watch<'a, 'py> {
    py: Python<'py>,
    record: &'a Bound<'py, PyAny>,
    trouble: &'a RefCell<Option<PyErr>>,
}

impl Monitor for Watch<'_, '_> {
    fn step(&mut self, progress: &Progress<'_>) -> ControlFlow<StopReason> {
        let e = progress.evaluation;
        let step = (
            progress.step,
            progress.evaluations,
            PyArray1::from_slice(self.py, progress.theta),
            e.value,
            progress.gradient_norm,
            e.gradient_error_bound,
            progress.radius,
            progress.accepted,
            e.support_size,
            e.biactive,
        );
        let ends = self.record.call1(step).and_then(|answer| answer.is_truthy());
        match ends {
            Ok(false) => ControlFlow::Continue(()),
            Ok(true) => ControlFlow::Break(StopReason::Cancelled),
            Err(error) => {
                *self.trouble.borrow_mut() = Some(error);
                ControlFlow::Break(StopReason::Cancelled)
            }
        }
    }
}
