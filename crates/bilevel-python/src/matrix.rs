//! NumPy and SciPy arrays as design matrices.

use bilevel::design::{CscMatrix, DenseMatrix, Design, DesignMatrix};
use numpy::{Element, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use crate::error::exception;

/// A design matrix that has been checked: shapes, finite values, row indices.
#[pyclass(frozen, module = "bilevel._core")]
pub(crate) struct Matrix {
    pub(crate) design: Design,
}

#[pymethods]
impl Matrix {
    /// From a two-dimensional array of float64 or float32 in Fortran order.
    #[staticmethod]
    fn dense(array: &Bound<'_, PyAny>) -> PyResult<Self> {
        let design = if let Ok(array) = array.cast::<PyArray2<f64>>() {
            Design::Dense(dense(array)?)
        } else if let Ok(array) = array.cast::<PyArray2<f32>>() {
            Design::DenseF32(dense(array)?)
        } else {
            return Err(unsupported("a two-dimensional array of float64 or float32"));
        };
        Ok(Self { design })
    }

    /// From the three arrays of a CSC matrix: int32 column starts and row indices, float64 or float32 values.
    #[staticmethod]
    fn sparse(
        n_rows: usize,
        starts: PyReadonlyArray1<'_, i32>,
        rows: PyReadonlyArray1<'_, i32>,
        values: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let design = if let Ok(values) = values.cast::<PyArray1<f64>>() {
            Design::Sparse(sparse(n_rows, &starts, &rows, values)?)
        } else if let Ok(values) = values.cast::<PyArray1<f32>>() {
            Design::SparseF32(sparse(n_rows, &starts, &rows, values)?)
        } else {
            return Err(unsupported("values of float64 or float32"));
        };
        Ok(Self { design })
    }

    /// (rows, columns).
    #[getter]
    fn shape(&self) -> (usize, usize) {
        (self.design.n_rows(), self.design.n_columns())
    }
}

fn unsupported(expected: &str) -> PyErr {
    PyTypeError::new_err(format!("design matrix: found another type; expected {expected}"))
}

fn dense<T: Element + bilevel::kernel::Element>(array: &Bound<'_, PyArray2<T>>) -> PyResult<DenseMatrix<T>> {
    if !array.is_fortran_contiguous() {
        return Err(unsupported("an array in Fortran order"));
    }
    let shape = array.shape();
    let values = array.try_readonly()?.as_slice()?.to_vec();
    DenseMatrix::new(shape[0], shape[1], values).map_err(|e| exception(&e))
}

fn sparse<T: Element + bilevel::kernel::Element>(
    n_rows: usize,
    starts: &PyReadonlyArray1<'_, i32>,
    rows: &PyReadonlyArray1<'_, i32>,
    values: &Bound<'_, PyArray1<T>>,
) -> PyResult<CscMatrix<T>> {
    // A negative index becomes one that is too large, and is refused as such.
    let starts = starts.as_slice()?.iter().map(|&s| usize::try_from(s).unwrap_or(usize::MAX)).collect();
    let rows = rows.as_slice()?.iter().map(|&i| i.cast_unsigned()).collect();
    let values = values.try_readonly()?.as_slice()?.to_vec();
    CscMatrix::new(n_rows, starts, rows, values).map_err(|e| exception(&e))
}
