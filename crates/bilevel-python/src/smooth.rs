//! Smooth problems whose functions are Python's: y*(λ), its hypergradients, and checks of what the functions say.
//!
//! The library runs on the thread that called, without the GIL, and takes it for the time of each callback. So Python code runs where it would
//! without us, and Ctrl-C arrives in it. What a callback raises ends the computation, and is raised again as it was.

use std::sync::{Mutex, PoisonError};

use bilevel::smooth::{Constants, Drift, SmoothProblem as Smooth, SolveSettings, gradcheck, solve};
use bilevel::{Error, Result};
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::error::exception;
use crate::smooth_method::Way;

type Vector<'py> = Bound<'py, PyArray1<f64>>;
/// Which derivative, which entry of it, what was found, what differences say.
type Wrong = (&'static str, usize, f64, f64);
/// Coefficients, norm of the gradient, steps, gradients, products with H, how it ended.
type Solved<'py> = (Vector<'py>, f64, usize, usize, usize, String);
/// Value, gradient, coefficients, adjoint, error bound and whether it is proven; terms, products, steps, stored states.
type Differentiated<'py> =
    (f64, Vector<'py>, Vector<'py>, Vector<'py>, Option<(f64, bool)>, (usize, usize, usize, usize));

/// A smooth problem: the functions, as methods of an object that has checked what they return, and the lengths of y and λ.
#[pyclass(frozen, module = "bilevel._core")]
pub(crate) struct SmoothProblem {
    functions: Py<PyAny>,
    coefficients: usize,
    hyperparameters: usize,
}

#[pymethods]
impl SmoothProblem {
    #[new]
    fn new(functions: Py<PyAny>, coefficients: usize, hyperparameters: usize) -> Self {
        Self { functions, coefficients, hyperparameters }
    }

    /// The first derivative that does not agree with central differences at (y, λ), if any.
    fn gradcheck(
        &self,
        py: Python<'_>,
        y: PyReadonlyArray1<'_, f64>,
        lambda: PyReadonlyArray1<'_, f64>,
        tolerance: f64,
    ) -> PyResult<Option<Wrong>> {
        let (y, lambda) = (y.as_slice()?.to_vec(), lambda.as_slice()?.to_vec());
        let found = self.run(py, move |problem| gradcheck(problem, &y, &lambda, tolerance))?;
        Ok(found.map(|wrong| (wrong.product, wrong.component, wrong.found, wrong.expected)))
    }

    /// Solves ∇_yF(y, λ) = 0 from `start`.
    fn solve<'py>(
        &self,
        py: Python<'py>,
        lambda: PyReadonlyArray1<'py, f64>,
        start: PyReadonlyArray1<'py, f64>,
        settings: &str,
    ) -> PyResult<Solved<'py>> {
        let settings = solve_settings(settings)?;
        let (start, lambda) = (start.as_slice()?.to_vec(), lambda.as_slice()?.to_vec());
        let s = self.run(py, move |problem| solve(problem, &lambda, &start, &settings))?;
        let coefficients = PyArray1::from_vec(py, s.coefficients);
        Ok((coefficients, s.gradient_norm, s.steps, s.gradients, s.hessian_products, word(&s.status)))
    }

    /// The hypergradient at `hyper` (λ, then a map's own hyperparameters), from y on.
    fn hypergradient<'py>(
        &self,
        py: Python<'py>,
        hyper: PyReadonlyArray1<'py, f64>,
        y: PyReadonlyArray1<'py, f64>,
        method: &str,
        settings: &str,
    ) -> PyResult<Differentiated<'py>> {
        let way = Way::parse(method, settings)?;
        let (hyper, y) = (hyper.as_slice()?.to_vec(), y.as_slice()?.to_vec());
        let h = self.run(py, move |problem| {
            way.with_method(problem, &hyper, &y, |method| method.hypergradient(problem, &hyper, &y))
        })?;
        let bound = h.error_bound.map(|b| (b.value, b.evidence == bilevel::smooth::Evidence::Proven));
        let work = (h.work.terms, h.work.products, h.work.steps, h.work.stored_states);
        let array = |v| PyArray1::from_vec(py, v);
        Ok((h.value, array(h.gradient), array(h.coefficients), array(h.adjoint), bound, work))
    }
}

impl SmoothProblem {
    /// Runs `work` without the GIL.
    fn run<T: Send>(&self, py: Python<'_>, work: impl FnOnce(&Callbacks) -> Result<T> + Send) -> PyResult<T> {
        let problem = self.callbacks(py);
        let found = py.detach(|| work(&problem));
        match problem.trouble() {
            Some(error) => Err(error),
            None => found.map_err(|e| exception(&e)),
        }
    }

    /// For one computation.
    pub(crate) fn callbacks(&self, py: Python<'_>) -> Callbacks {
        Callbacks {
            functions: self.functions.clone_ref(py),
            coefficients: self.coefficients,
            hyperparameters: self.hyperparameters,
            trouble: Mutex::new(None),
        }
    }
}

/// The functions during one computation, and what they raised.
pub(crate) struct Callbacks {
    functions: Py<PyAny>,
    coefficients: usize,
    hyperparameters: usize,
    trouble: Mutex<Option<PyErr>>,
}

impl Callbacks {
    /// What a callback raised, if any did.
    pub(crate) fn trouble(&self) -> Option<PyErr> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Calls the method `name` with copies of these vectors, and reads its answer.
    fn call<T>(
        &self,
        name: &str,
        vectors: &[&[f64]],
        read: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<T>,
    ) -> Result<T> {
        Python::attach(|py| {
            let called = || {
                py.check_signals()?;
                // Copies, so that a function may keep or change what it is given.
                let arguments = PyTuple::new(py, vectors.iter().map(|v| PyArray1::from_slice(py, v)))?;
                read(&self.functions.bind(py).call_method1(name, arguments)?)
            };
            called().map_err(|error| {
                self.trouble.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                Error::Interrupted
            })
        })
    }
}

/// Copies a vector of Python's.
fn read_into(answer: &Bound<'_, PyAny>, out: &mut [f64]) -> PyResult<()> {
    let array: PyReadonlyArray1<'_, f64> = answer.extract()?;
    let values = array.as_slice()?;
    if values.len() != out.len() {
        let found = format!("answer of a function: found {} values; expected {}", values.len(), out.len());
        return Err(PyValueError::new_err(found));
    }
    out.copy_from_slice(values);
    Ok(())
}

impl Smooth for Callbacks {
    fn n_coefficients(&self) -> usize {
        self.coefficients
    }

    fn n_hyperparameters(&self) -> usize {
        self.hyperparameters
    }

    fn gradient_into(&self, y: &[f64], lambda: &[f64], out: &mut [f64]) -> Result<()> {
        self.call("lower_gradient", &[y, lambda], |answer| read_into(answer, out))
    }

    fn hessian_product_into(&self, y: &[f64], lambda: &[f64], v: &[f64], out: &mut [f64]) -> Result<()> {
        self.call("hessian_product", &[y, lambda, v], |answer| read_into(answer, out))
    }

    fn mixed_product_into(&self, y: &[f64], lambda: &[f64], u: &[f64], out: &mut [f64]) -> Result<()> {
        self.call("mixed_product", &[y, lambda, u], |answer| read_into(answer, out))
    }

    fn mixed_adjoint_into(&self, y: &[f64], lambda: &[f64], v: &[f64], out: &mut [f64]) -> Result<()> {
        self.call("mixed_adjoint", &[y, lambda, v], |answer| read_into(answer, out))
    }

    fn criterion(&self, y: &[f64], lambda: &[f64]) -> Result<f64> {
        self.call("upper_value", &[y, lambda], |answer| answer.extract())
    }

    fn criterion_gradient_into(
        &self,
        y: &[f64],
        lambda: &[f64],
        by_y: &mut [f64],
        by_lambda: &mut [f64],
    ) -> Result<()> {
        self.call("upper_gradient", &[y, lambda], |answer| {
            let (first, second): (Bound<'_, PyAny>, Bound<'_, PyAny>) = answer.extract()?;
            read_into(&first, by_y)?;
            read_into(&second, by_lambda)
        })
    }

    /// What goes wrong in here is raised after the computation, which goes on as if nothing were known.
    fn constants(&self, lambda: &[f64]) -> Constants {
        type Known = (Option<f64>, Option<f64>, Option<(f64, f64, f64, f64)>);
        let known = self.call("constants", &[lambda], |answer| answer.extract::<Known>());
        let (strong_convexity, lipschitz, drift) = known.unwrap_or_default();
        let drift = drift.map(|(hessian, mixed, criterion, criterion_by_lambda)| Drift {
            hessian,
            mixed,
            criterion,
            criterion_by_lambda,
        });
        Constants { strong_convexity, lipschitz, drift }
    }
}

/// How the lower level is solved, from JSON.
pub(crate) fn solve_settings(text: &str) -> PyResult<SolveSettings> {
    serde_json::from_str(text).map_err(|e| PyValueError::new_err(format!("lower-level solver: {e}")))
}

/// A word of an enum as Python sees it.
fn word(value: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).ok();
    value.as_ref().and_then(|v| v.as_str()).unwrap_or_default().to_string()
}
