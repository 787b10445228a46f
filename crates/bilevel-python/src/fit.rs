//! `bilevel::fit::fit` for Python: arrays and settings in, a [`Fit`] out.

use bilevel::data::{Classes, Dataset, FeatureNames, Target};
use bilevel::fit::FitInput;
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::error::exception;
use crate::job;
use crate::matrix::Matrix;

/// A fitted model and the record of how it came about.
#[pyclass(frozen, module = "bilevel._core")]
pub(crate) struct Fit {
    fit: bilevel::fit::Fit,
}

#[pymethods]
impl Fit {
    /// Coefficients in the units of the data, length p.
    #[getter]
    fn coef<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        let mut coefficients = vec![0.0; self.fit.model.n_features];
        for (&j, &c) in self.fit.model.support.iter().zip(&self.fit.model.coefficients) {
            if let Some(slot) = coefficients.get_mut(j) {
                *slot = c;
            }
        }
        PyArray1::from_vec(py, coefficients)
    }

    /// Intercept.
    #[getter]
    fn intercept(&self) -> f64 {
        self.fit.model.intercept
    }

    /// λ_j of each feature in the units of the data, length p; +∞ where a feature is excluded.
    #[getter]
    fn feature_weights<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        PyArray1::from_slice(py, &self.fit.feature_weights)
    }

    /// The record as JSON.
    #[getter]
    fn record(&self) -> PyResult<String> {
        serde_json::to_string(&self.fit.record).map_err(|e| PyValueError::new_err(e.to_string()))
    }
}

/// Learns the regularization. `settings` are `bilevel::fit::FitSettings` as JSON; `target` holds real values, or −1 and +1 if `classes`.
#[pyfunction]
#[pyo3(signature = (matrix, target, settings, *, classes=false, groups=None, watcher=None))]
pub(crate) fn fit(
    py: Python<'_>,
    matrix: &Matrix,
    target: PyReadonlyArray1<'_, f64>,
    settings: &str,
    classes: bool,
    groups: Option<Vec<usize>>,
    watcher: Option<&Bound<'_, PyAny>>,
) -> PyResult<Fit> {
    let settings =
        serde_json::from_str(settings).map_err(|e| PyValueError::new_err(format!("settings: {e}")))?;
    let values = target.as_slice()?.to_vec();
    let target = if classes {
        let classes = Classes { negative: "-1".to_string(), positive: "1".to_string() };
        Target::Binary { signs: values, classes }
    } else {
        Target::Real(values)
    };
    let names = FeatureNames::Counted { first: 0 };
    let data = Dataset::new(matrix.design.clone(), target, names).map_err(|e| exception(&e))?;
    let work = move |observer: &mut dyn bilevel::fit::Observer| {
        let groups = groups.as_deref();
        let input =
            FitInput { name: "python", data: &data, test: None, groups, settings: &settings, journal: &[] };
        bilevel::fit::fit(input, observer)
    };
    Ok(Fit { fit: job::run(py, watcher, work)? })
}
