//! `bilevel::fit::fit` for Python: arrays and settings in, a [`Fit`] out.

use bilevel::data::{Classes, Dataset, FeatureNames, SplitRows, Target};
use bilevel::fit::{FitInput, FitSettings, Observer};
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

/// Model and record as JSON, weights, predictions as JSON.
type Pickled<'py> = (String, Bound<'py, PyArray1<f64>>, String);

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
        serde_json::to_string(&self.fit.record).map_err(unreadable)
    }

    /// The report as HTML. `title` names the data, `call` is the Python expression that fits again, `classes` are the labels of −1 and +1.
    fn report(&self, title: String, call: &str, classes: Option<(String, String)>) -> String {
        let mut fit = self.fit.clone();
        fit.record.data.name = title;
        if let (Some(known), Some((negative, positive))) = (&mut fit.model.classes, classes) {
            *known = Classes { negative, positive };
        }
        bilevel_report::render_with_call(&fit, call)
    }

    /// For pickle: what [`Fit::restore`] takes. Weights and predictions are no part of the JSON of a fit.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Pickled<'py>)> {
        let fit = &slf.get().fit;
        let parts = (
            serde_json::to_string(fit).map_err(unreadable)?,
            PyArray1::from_slice(slf.py(), &fit.feature_weights),
            serde_json::to_string(&fit.predictions).map_err(unreadable)?,
        );
        Ok((slf.get_type().getattr("restore")?, parts))
    }

    /// The inverse of pickling.
    #[staticmethod]
    fn restore(fit: &str, feature_weights: PyReadonlyArray1<'_, f64>, predictions: &str) -> PyResult<Self> {
        let mut fit: bilevel::fit::Fit = serde_json::from_str(fit).map_err(unreadable)?;
        fit.feature_weights = feature_weights.as_slice()?.to_vec();
        fit.predictions = serde_json::from_str(predictions).map_err(unreadable)?;
        Ok(Self { fit })
    }
}

#[allow(clippy::needless_pass_by_value)]
pub(crate) fn unreadable(error: serde_json::Error) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// ±1 with their labels if they are `classes`, else real values.
pub(crate) fn target(values: Vec<f64>, classes: bool) -> Target {
    if !classes {
        return Target::Real(values);
    }
    let classes = Classes { negative: "-1".to_string(), positive: "1".to_string() };
    Target::Binary { signs: values, classes }
}

/// Data and settings of a fit, owned: it runs on a thread of its own.
pub(crate) struct Inputs {
    data: Dataset,
    settings: FitSettings,
    groups: Option<Vec<usize>>,
    sample_weight: Option<Vec<f64>>,
    splits: Option<Vec<SplitRows>>,
}

/// Pairs of training and validation rows.
pub(crate) type Splits<'py> = Vec<(PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, i64>)>;

impl Inputs {
    /// `settings` are `bilevel::fit::FitSettings` as JSON.
    pub(crate) fn new(
        matrix: &Matrix,
        target: Target,
        settings: &str,
        groups: Option<Vec<usize>>,
        feature_names: Option<Vec<String>>,
        sample_weight: Option<PyReadonlyArray1<'_, f64>>,
        splits: Option<Splits<'_>>,
    ) -> PyResult<Self> {
        let mut settings: FitSettings = serde_json::from_str(settings).map_err(unreadable)?;
        settings.threads = job::threads(settings.threads);
        let names = feature_names.map_or(FeatureNames::Counted { first: 0 }, FeatureNames::Named);
        let data = Dataset::new(matrix.design.clone(), target, names).map_err(|e| exception(&e))?;
        let sample_weight =
            sample_weight.map(|weights| weights.as_slice().map(<[f64]>::to_vec)).transpose()?;
        let splits =
            splits.map(|pairs| pairs.iter().map(split_rows).collect::<PyResult<Vec<_>>>()).transpose()?;
        Ok(Self { data, settings, groups, sample_weight, splits })
    }

    pub(crate) fn view(&self) -> FitInput<'_> {
        FitInput {
            groups: self.groups.as_deref(),
            sample_weight: self.sample_weight.as_deref(),
            splits: self.splits.as_deref(),
            ..FitInput::new("python", &self.data, &self.settings)
        }
    }
}

/// Learns the regularization. `settings` are `bilevel::fit::FitSettings` as JSON; `target` holds real values, or −1 and +1 if `classes`; `splits` are
/// pairs of training and validation rows.
#[pyfunction]
#[pyo3(signature = (matrix, target, settings, *, classes=false, groups=None, feature_names=None, sample_weight=None, splits=None, watcher=None))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn fit(
    py: Python<'_>,
    matrix: &Matrix,
    target: PyReadonlyArray1<'_, f64>,
    settings: &str,
    classes: bool,
    groups: Option<Vec<usize>>,
    feature_names: Option<Vec<String>>,
    sample_weight: Option<PyReadonlyArray1<'_, f64>>,
    splits: Option<Splits<'_>>,
    watcher: Option<&Bound<'_, PyAny>>,
) -> PyResult<Fit> {
    let target = self::target(target.as_slice()?.to_vec(), classes);
    let inputs = Inputs::new(matrix, target, settings, groups, feature_names, sample_weight, splits)?;
    let watched = watcher.is_some();
    let work = move |observer: &mut dyn Observer| {
        let mut learn = || bilevel::fit::fit(inputs.view(), observer);
        if watched { job::in_watched_pool(learn) } else { learn() }
    };
    Ok(Fit { fit: job::run(py, watcher, work)? })
}

pub(crate) fn split_rows(
    pair: &(PyReadonlyArray1<'_, i64>, PyReadonlyArray1<'_, i64>),
) -> PyResult<SplitRows> {
    // A negative row becomes one that is too large, and is refused as such.
    let rows = |array: &PyReadonlyArray1<'_, i64>| -> PyResult<Vec<usize>> {
        Ok(array.as_slice()?.iter().map(|&i| usize::try_from(i).unwrap_or(usize::MAX)).collect())
    };
    Ok(SplitRows { train: rows(&pair.0)?, validation: rows(&pair.1)? })
}
