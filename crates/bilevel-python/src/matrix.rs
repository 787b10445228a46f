//! NumPy and SciPy arrays as design matrices, read where they lie.

use std::sync::Arc;

use bilevel::design::{CscMatrix, DenseMatrix, Design, DesignMatrix, SharedSlice, unsigned_indices};
use numpy::{
    Element, PyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyUntypedArrayMethods, ndarray,
};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use crate::error::exception;

/// A design matrix that has been checked: shapes, finite values, row indices. It holds the arrays that it was made from, and copies none of them
/// but the column starts.
#[pyclass(frozen, module = "bilevel._core")]
pub(crate) struct Matrix {
    pub(crate) design: Design,
    addresses: Vec<usize>,
}

#[pymethods]
impl Matrix {
    /// From a two-dimensional array of float64 or float32 in Fortran order.
    #[staticmethod]
    fn dense(array: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Ok(array) = array.cast::<PyArray2<f64>>() {
            let (matrix, address) = dense(array)?;
            Ok(Self { design: Design::Dense(matrix), addresses: vec![address] })
        } else if let Ok(array) = array.cast::<PyArray2<f32>>() {
            let (matrix, address) = dense(array)?;
            Ok(Self { design: Design::DenseF32(matrix), addresses: vec![address] })
        } else {
            Err(unsupported("a two-dimensional array of float64 or float32"))
        }
    }

    /// From the three arrays of a CSC matrix: int32 column starts and row indices, float64 or float32 values.
    #[staticmethod]
    fn sparse(
        n_rows: usize,
        starts: PyReadonlyArray1<'_, i32>,
        rows: &Bound<'_, PyArray1<i32>>,
        values: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        // A negative start becomes one that is too large, and is refused as such.
        let starts = starts.as_slice()?.iter().map(|&s| usize::try_from(s).unwrap_or(usize::MAX)).collect();
        if let Ok(values) = values.cast::<PyArray1<f64>>() {
            let (matrix, addresses) = sparse(n_rows, starts, rows, values)?;
            Ok(Self { design: Design::Sparse(matrix), addresses })
        } else if let Ok(values) = values.cast::<PyArray1<f32>>() {
            let (matrix, addresses) = sparse(n_rows, starts, rows, values)?;
            Ok(Self { design: Design::SparseF32(matrix), addresses })
        } else {
            Err(unsupported("values of float64 or float32"))
        }
    }

    /// (rows, columns).
    #[getter]
    fn shape(&self) -> (usize, usize) {
        (self.design.n_rows(), self.design.n_columns())
    }

    /// Where the matrix reads its values (and row indices): what a test compares with the arrays that it gave.
    #[getter]
    fn addresses(&self) -> Vec<usize> {
        self.addresses.clone()
    }
}

fn unsupported(expected: &str) -> PyErr {
    PyTypeError::new_err(format!("design matrix: found another type; expected {expected}"))
}

fn dense<T: Element + bilevel::kernel::Element>(
    array: &Bound<'_, PyArray2<T>>,
) -> PyResult<(DenseMatrix<T>, usize)> {
    if !array.is_fortran_contiguous() {
        return Err(unsupported("an array in Fortran order"));
    }
    let shape = array.shape();
    let values = Lent::new(array)?;
    let address = values.pointer.addr();
    let matrix = DenseMatrix::from_shared(shape[0], shape[1], Arc::new(values)).map_err(|e| exception(&e))?;
    Ok((matrix, address))
}

fn sparse<T: Element + bilevel::kernel::Element>(
    n_rows: usize,
    starts: Vec<usize>,
    rows: &Bound<'_, PyArray1<i32>>,
    values: &Bound<'_, PyArray1<T>>,
) -> PyResult<(CscMatrix<T>, Vec<usize>)> {
    let (rows, values) = (Lent::new(rows)?, Lent::new(values)?);
    let addresses = vec![values.pointer.addr(), rows.pointer.addr()];
    let rows: SharedSlice<u32> = unsigned_indices(Arc::new(rows)).map_err(|e| exception(&e))?;
    let matrix = CscMatrix::from_shared(n_rows, starts, rows, Arc::new(values)).map_err(|e| exception(&e))?;
    Ok((matrix, addresses))
}

/// The memory of a contiguous NumPy array, lent to Rust: the array is kept alive, and must not be written to meanwhile.
///
/// That last part is a promise that only the caller can keep, as with every extension that releases the GIL while it reads an array.
struct Lent<T> {
    pointer: *const T,
    length: usize,
    _array: Py<PyAny>,
}

impl<T: Element> Lent<T> {
    fn new<D: ndarray::Dimension>(array: &Bound<'_, PyArray<T, D>>) -> PyResult<Self> {
        let (pointer, length) = (array.data().cast_const(), array.len());
        if !array.is_contiguous() || !pointer.is_aligned() {
            return Err(unsupported("a contiguous, aligned array"));
        }
        Ok(Self { pointer, length, _array: array.clone().into_any().unbind() })
    }
}

impl<T> AsRef<[T]> for Lent<T> {
    fn as_ref(&self) -> &[T] {
        if self.length == 0 {
            return &[];
        }
        // SAFETY: `new` saw a contiguous, aligned array of this length and element type, which `_array` keeps alive; NumPy does not move an
        // array's memory while others hold a reference to it, and the caller does not write to it (see above).
        unsafe { std::slice::from_raw_parts(self.pointer, self.length) }
    }
}

// SAFETY: the memory is only read, and the reference to the array may be dropped on any thread (pyo3 defers that to the next holder of the GIL).
unsafe impl<T: Sync> Send for Lent<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Lent<T> {}
