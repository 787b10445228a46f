//! The generators of synthetic data, and the embedded data sets, for Python.

use bilevel::Result;
use bilevel::data::synthetic::{
    ColumnFrequencies, FeatureRole, Shape, Sparsity, Synthetic, classification, degenerate_four_groups,
    regression, sparse_classification, sparse_regression,
};
use bilevel::design::{Design, DesignMatrix};
use numpy::PyArray1;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::job;

type Vector<'py, T = f64> = Bound<'py, PyArray1<T>>;
/// Column starts and row indices (empty if dense), values by columns, target, coefficients.
type Generated<'py> = (Vector<'py, i64>, Vector<'py, i32>, Vector<'py>, Vector<'py>, Vector<'py>);

/// The embedded data sets, as their files.
const EMBEDDED: [(&str, &[u8]); 2] = [
    ("diabetes", include_bytes!("../../../data/diabetes.csv")),
    ("phishing", include_bytes!("../../../data/phishing.svm.xz")),
];

/// A linear model: `noise` is a signal-to-noise ratio for real targets and its inverse for classes; `density` and `exponent` make the design sparse.
#[pyfunction]
#[pyo3(signature = (n_samples, n_features, n_informative, *, noise, classes, density, exponent, seed))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn generate_linear_model(
    py: Python<'_>,
    n_samples: usize,
    n_features: usize,
    n_informative: usize,
    noise: f64,
    classes: bool,
    density: Option<f64>,
    exponent: Option<f64>,
    seed: u64,
) -> PyResult<Generated<'_>> {
    let shape = Shape { n_samples, n_features, n_informative };
    let frequencies =
        exponent.map_or(ColumnFrequencies::Uniform, |exponent| ColumnFrequencies::Zipf { exponent });
    let sparsity = density.map(|density| Sparsity { density, frequencies });
    let work = move || match (sparsity, classes) {
        (None, false) => regression(shape, noise, seed),
        (None, true) => classification(shape, noise, seed),
        (Some(sparsity), false) => sparse_regression(shape, sparsity, noise, seed),
        (Some(sparsity), true) => sparse_classification(shape, sparsity, noise, seed),
    };
    told(py, &run(py, work)?)
}

/// The four groups: data, the role of each feature, the distractor of each hidden feature.
#[pyfunction]
pub(crate) fn generate_four_groups(
    py: Python<'_>,
    n_samples: usize,
    n_features: usize,
    rho: f64,
    seed: u64,
) -> PyResult<(Generated<'_>, Vec<&'static str>, Vec<usize>)> {
    let groups = run(py, move || degenerate_four_groups(n_samples, n_features, rho, seed))?;
    let name = |role: &FeatureRole| match role {
        FeatureRole::Easy => "easy",
        FeatureRole::Distractor => "distractor",
        FeatureRole::Hidden => "hidden",
        FeatureRole::Noise => "noise",
    };
    Ok((told(py, &groups.truth)?, groups.roles.iter().map(name).collect(), groups.distractor_of))
}

/// The file of an embedded data set.
#[pyfunction]
pub(crate) fn embedded<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyBytes>> {
    match EMBEDDED.iter().find(|(known, _)| *known == name) {
        Some((_, file)) => Ok(PyBytes::new(py, file)),
        None => Err(PyValueError::new_err(format!("no embedded data set '{name}'"))),
    }
}

fn run<T: Send + 'static>(py: Python<'_>, work: impl FnOnce() -> Result<T> + Send + 'static) -> PyResult<T> {
    job::run(py, None, move |_| work())
}

fn told<'py>(py: Python<'py>, truth: &Synthetic) -> PyResult<Generated<'py>> {
    let (starts, rows, values) = match &truth.data.design {
        Design::Dense(matrix) => (Vec::new(), Vec::new(), PyArray1::from_slice(py, matrix.values())),
        Design::Sparse(matrix) => {
            let (starts, rows, values) = matrix.parts();
            let rows = rows.iter().map(|&i| i32::try_from(i)).collect::<std::result::Result<_, _>>();
            let rows: Vec<i32> = rows.map_err(|e| PyValueError::new_err(format!("too many samples: {e}")))?;
            (starts.iter().map(|&s| s as i64).collect(), rows, PyArray1::from_slice(py, values))
        }
        other => {
            let found = format!("{} columns in single precision", other.n_columns());
            return Err(PyValueError::new_err(found));
        }
    };
    let (starts, rows) = (PyArray1::from_vec(py, starts), PyArray1::from_vec(py, rows));
    let target = PyArray1::from_slice(py, truth.data.target.values());
    Ok((starts, rows, values, target, PyArray1::from_slice(py, &truth.coefficients)))
}
