//! `bilevel::cleaning::clean` for Python: arrays and settings in, weights, model and record out.

use bilevel::cleaning::{CleanInput, CleanSettings, CleanedModel};
use bilevel::data::{Dataset, FeatureNames, Target};
use bilevel::fit::Observer;
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;

use crate::error::exception;
use crate::fit::{split_rows, unreadable};
use crate::matrix::Matrix;
use crate::{fit, job};

type Vector<'py> = Bound<'py, PyArray1<f64>>;
/// Coefficients, class after class; intercepts; weights of the training rows, whether each looks wrong, the record as JSON.
type Cleaned<'py> = (Vector<'py>, Vector<'py>, Vector<'py>, Bound<'py, PyArray1<bool>>, String);

/// Learns a weight for each training row. `settings` are `bilevel::cleaning::CleanSettings` as JSON; `target` holds real values where `n_classes` is
/// 0, −1 and +1 where it is 2, and class numbers where it is more; `rows` are the training rows and those known to be right.
#[pyfunction]
#[pyo3(signature = (matrix, target, rows, settings, *, n_classes, watcher=None))]
pub(crate) fn clean<'py>(
    py: Python<'py>,
    matrix: &Matrix,
    target: PyReadonlyArray1<'py, f64>,
    rows: (PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, i64>),
    settings: &str,
    n_classes: usize,
    watcher: Option<&Bound<'py, PyAny>>,
) -> PyResult<Cleaned<'py>> {
    let settings: CleanSettings = serde_json::from_str(settings).map_err(unreadable)?;
    let values = target.as_slice()?.to_vec();
    let target = match n_classes {
        0 | 2 => fit::target(values, n_classes == 2),
        _ => Target::Multiple { numbers: values, labels: (0..n_classes).map(|k| k.to_string()).collect() },
    };
    let names = FeatureNames::Counted { first: 0 };
    let data = Dataset::new(matrix.design.clone(), target, names).map_err(|e| exception(&e))?;
    let rows = split_rows(&rows)?;
    let watched = watcher.is_some();
    let work = move |observer: &mut dyn Observer| {
        let input = CleanInput { name: "python", data: &data, rows: &rows, test: None, settings: &settings };
        let learn = move || bilevel::cleaning::clean(input, observer);
        if watched { job::in_watched_pool(learn) } else { job::in_pool(learn) }
    };
    let cleaning = job::run(py, watcher, work)?;
    let record = serde_json::to_string(&cleaning.record).map_err(unreadable)?;
    let (coefficients, intercepts) = match cleaning.model {
        CleanedModel::Linear(model) => (model.coefficients, vec![model.intercept]),
        CleanedModel::Multinomial(model) => (model.coefficients, model.intercepts),
    };
    Ok((
        PyArray1::from_vec(py, coefficients),
        PyArray1::from_vec(py, intercepts),
        PyArray1::from_vec(py, cleaning.sample_weight),
        PyArray1::from_vec(py, cleaning.flagged),
        record,
    ))
}
