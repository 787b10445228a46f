//! `bilevel::fit::fit_multinomial` for Python.

use bilevel::data::Target;
use bilevel::fit::Observer;
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1};
use pyo3::prelude::*;

use crate::fit::{Inputs, Splits, unreadable};
use crate::job;
use crate::matrix::Matrix;

/// A fitted multinomial model and the record of how it came about.
#[pyclass(frozen, module = "bilevel._core")]
pub(crate) struct MultinomialFit {
    fit: bilevel::fit::MultinomialFit,
}

/// Model and record as JSON, weights.
type Pickled<'py> = (String, Bound<'py, PyArray1<f64>>);

#[pymethods]
impl MultinomialFit {
    /// Coefficients in the units of the data, of shape (K, p).
    #[getter]
    fn coef<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let model = &self.fit.model;
        PyArray1::from_slice(py, &model.coefficients).reshape([model.intercepts.len(), model.n_features])
    }

    /// Intercepts, length K.
    #[getter]
    fn intercept<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        PyArray1::from_slice(py, &self.fit.model.intercepts)
    }

    /// λ_j of each feature in the units of the data, length p; +∞ where a feature is excluded.
    #[getter]
    fn feature_weights<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        PyArray1::from_slice(py, &self.fit.feature_weights)
    }

    /// The record as JSON.
    #[getter]
    fn record(&self) -> PyResult<String> {
        serde_json::to_string(&self.fit.record).map_err(unreadable)
    }

    /// For pickle: what [`MultinomialFit::restore`] takes. Weights are no part of the JSON of a fit.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Pickled<'py>)> {
        let fit = &slf.get().fit;
        let json = serde_json::to_string(fit).map_err(unreadable)?;
        let weights = PyArray1::from_slice(slf.py(), &fit.feature_weights);
        Ok((slf.get_type().getattr("restore")?, (json, weights)))
    }

    /// The inverse of pickling.
    #[staticmethod]
    fn restore(fit: &str, feature_weights: PyReadonlyArray1<'_, f64>) -> PyResult<Self> {
        let mut fit: bilevel::fit::MultinomialFit = serde_json::from_str(fit).map_err(unreadable)?;
        fit.feature_weights = feature_weights.as_slice()?.to_vec();
        Ok(Self { fit })
    }
}

/// Learns the regularization. `target` holds class numbers from 0 to `n_classes` − 1; the rest is as for `fit`.
#[pyfunction]
#[pyo3(signature = (matrix, target, settings, *, n_classes, groups=None, feature_names=None, sample_weight=None, splits=None, watcher=None))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn fit_multinomial(
    py: Python<'_>,
    matrix: &Matrix,
    target: PyReadonlyArray1<'_, f64>,
    settings: &str,
    n_classes: usize,
    groups: Option<Vec<usize>>,
    feature_names: Option<Vec<String>>,
    sample_weight: Option<PyReadonlyArray1<'_, f64>>,
    splits: Option<Splits<'_>>,
    watcher: Option<&Bound<'_, PyAny>>,
) -> PyResult<MultinomialFit> {
    let labels = (0..n_classes).map(|k| k.to_string()).collect();
    let target = Target::Multiple { numbers: target.as_slice()?.to_vec(), labels };
    let inputs = Inputs::new(matrix, target, settings, groups, feature_names, sample_weight, splits)?;
    let watched = watcher.is_some();
    let work = move |observer: &mut dyn Observer| {
        let mut learn = || bilevel::fit::fit_multinomial(inputs.view(), observer);
        if watched { job::in_watched_pool(learn) } else { learn() }
    };
    Ok(MultinomialFit { fit: job::run(py, watcher, work)? })
}
