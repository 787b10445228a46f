//! Linear operators: those of the library, and those of the user, who is called back with the GIL.

use std::sync::{Arc, Mutex, PoisonError};

use bilevel::Error;
use bilevel::operator::wavelet::{Extension, StationaryTransform, Wavelet, WaveletTransform};
use bilevel::operator::{
    Boundary, CellGrid, Composition, Convolution, Cosine, Diagonal, Difference, Gradient, Identity, Kernel,
    Laplacian, LinearOperator, Mask, MatrixOperator, Order, ParallelBeam, Radon, Ray, Scaled, Stack, Sum,
    Transpose, TravelTime, dot_test,
};
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::error::exception;
use crate::job;
use crate::matrix::Matrix;

pub(super) type Vector<'py> = Bound<'py, PyArray1<f64>>;
pub(super) type Shared = Arc<dyn LinearOperator>;
/// The first exception that a user's operator raised; while it is there, the operator is not called again.
pub(super) type Trouble = Arc<Mutex<Option<PyErr>>>;

/// A linear operator on flat vectors of float64.
#[pyclass(frozen, module = "bilevel._core")]
pub(crate) struct Operator {
    pub(super) operator: Shared,
    pub(super) troubles: Vec<Trouble>,
}

impl Operator {
    fn own<A: LinearOperator + 'static>(made: bilevel::Result<A>) -> PyResult<Self> {
        made.map(|operator| Self { operator: Arc::new(operator), troubles: Vec::new() })
            .map_err(|e| exception(&e))
    }

    fn of_parts<A: LinearOperator + 'static>(made: bilevel::Result<A>, parts: &[&Self]) -> PyResult<Self> {
        let troubles = parts.iter().flat_map(|part| part.troubles.iter().cloned()).collect();
        Self::own(made).map(|operator| Self { troubles, ..operator })
    }
}

/// Runs `work` without the GIL on a thread of its own; what the users' operators among `troubles` raise is raised here.
pub(super) fn run<T: Send + 'static>(
    py: Python<'_>,
    troubles: &[Trouble],
    work: impl FnOnce() -> bilevel::Result<T> + Send + 'static,
) -> PyResult<T> {
    let take = |trouble: &Trouble| trouble.lock().unwrap_or_else(PoisonError::into_inner).take();
    troubles.iter().for_each(|trouble| drop(take(trouble)));
    let answer = job::run(py, None, move |_| job::in_pool(work));
    answer.map_err(|error| troubles.iter().find_map(take).unwrap_or(error))
}

/// An operator of Python's: an object whose `matvec` and `rmatvec` take and give contiguous vectors.
struct Foreign {
    object: Py<PyAny>,
    n_rows: usize,
    n_columns: usize,
    trouble: Trouble,
}

impl Foreign {
    fn call(&self, method: &str, x: &[f64], out: &mut [f64]) -> bilevel::Result<()> {
        if self.trouble.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            return Err(Error::Interrupted);
        }
        let answered = Python::attach(|py| -> PyResult<()> {
            let answer = self.object.bind(py).call_method1(method, (PyArray1::from_slice(py, x),))?;
            let answer: PyReadonlyArray1<'_, f64> = answer.extract()?;
            let answer = answer.as_slice()?;
            if answer.len() != out.len() {
                let found = format!("`{method}` of an operator: found length {}", answer.len());
                return Err(PyValueError::new_err(format!("{found}; expected length {}", out.len())));
            }
            out.copy_from_slice(answer);
            Ok(())
        });
        answered.map_err(|error| {
            self.trouble.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            Error::Interrupted
        })
    }
}

impl LinearOperator for Foreign {
    fn n_rows(&self) -> usize {
        self.n_rows
    }
    fn n_columns(&self) -> usize {
        self.n_columns
    }
    fn apply_into(&self, x: &[f64], out: &mut [f64]) -> bilevel::Result<()> {
        self.call("matvec", x, out)
    }
    fn adjoint_into(&self, y: &[f64], out: &mut [f64]) -> bilevel::Result<()> {
        self.call("rmatvec", y, out)
    }
}

fn boundary(name: &str) -> PyResult<Boundary> {
    match name {
        "periodic" => Ok(Boundary::Periodic),
        "reflective" => Ok(Boundary::Reflective),
        "zero" => Ok(Boundary::Zero),
        _ => Err(unknown("boundary", name, "'periodic', 'reflective' or 'zero'")),
    }
}

pub(super) fn unknown(setting: &str, found: &str, expected: &str) -> PyErr {
    PyValueError::new_err(format!("setting `{setting}`: found '{found}'; expected {expected}"))
}

pub(super) fn wavelet(name: &str) -> PyResult<Wavelet> {
    name.parse().map_err(|e: Error| exception(&e))
}

#[pymethods]
impl Operator {
    /// Convolution of arrays of `shape` with a kernel.
    #[staticmethod]
    fn convolution(
        shape: Vec<usize>,
        kernel_shape: Vec<usize>,
        kernel: PyReadonlyArray1<'_, f64>,
        centre: Option<Vec<usize>>,
        boundary: &str,
    ) -> PyResult<Self> {
        let boundary = self::boundary(boundary)?;
        let kernel = Kernel::from_samples(&kernel_shape, kernel.as_slice()?.to_vec());
        let kernel = match centre {
            Some(centre) => kernel.and_then(|kernel| kernel.with_centre(&centre)),
            None => kernel,
        };
        Self::own(kernel.and_then(|kernel| Convolution::<f64>::new(&shape, &kernel, boundary)))
    }

    /// First or second differences along an axis.
    #[staticmethod]
    fn difference(shape: Vec<usize>, axis: usize, order: usize, boundary: &str) -> PyResult<Self> {
        let order = match order {
            1 => Order::First,
            2 => Order::Second,
            _ => return Err(unknown("order", &order.to_string(), "1 or 2")),
        };
        Self::own(Difference::<f64>::new(&shape, axis, order, self::boundary(boundary)?))
    }

    /// Differences along all axes, one after another.
    #[staticmethod]
    fn gradient(shape: Vec<usize>, boundary: &str) -> PyResult<Self> {
        Self::own(Gradient::<f64>::new(&shape, self::boundary(boundary)?))
    }

    /// Sum of second differences.
    #[staticmethod]
    fn laplacian(shape: Vec<usize>, boundary: &str) -> PyResult<Self> {
        Self::own(Laplacian::<f64>::new(&shape, self::boundary(boundary)?))
    }

    /// Orthonormal DCT-II.
    #[staticmethod]
    fn cosine(shape: Vec<usize>) -> PyResult<Self> {
        Self::own(Cosine::<f64>::new(&shape))
    }

    /// Parallel-beam projections, angles in radians; and the number of detectors.
    #[staticmethod]
    fn radon(
        shape: (usize, usize),
        angles: PyReadonlyArray1<'_, f64>,
        detectors: Option<usize>,
        spacing: f64,
        axis: Option<f64>,
    ) -> PyResult<(Self, usize)> {
        let scan = ParallelBeam::half_turn(shape.0, shape.1, 1);
        let detectors = detectors.unwrap_or(scan.detectors);
        let angles = angles.as_slice()?.to_vec();
        let operator = Self::own(Radon::new(&ParallelBeam { angles, detectors, spacing, axis, ..scan }))?;
        Ok((operator, detectors))
    }

    /// Travel times along straight rays through unit cells; `ends` holds (x, y) of source and receiver of each ray.
    #[staticmethod]
    fn travel_time(shape: (usize, usize), ends: PyReadonlyArray1<'_, f64>) -> PyResult<Self> {
        let ends = ends.as_slice()?.chunks_exact(4);
        let rays: Vec<Ray> = ends.map(|e| Ray { source: [e[0], e[1]], receiver: [e[2], e[3]] }).collect();
        Self::own(TravelTime::new(&CellGrid::unit(shape.0, shape.1), &rays))
    }

    /// Orthogonal wavelet transform of a signal or an image.
    #[staticmethod]
    fn wavelet(name: &str, shape: Vec<usize>, levels: usize, extension: &str) -> PyResult<Self> {
        let extension = match extension {
            "periodic" => Extension::Periodic,
            "symmetric" => Extension::Symmetric,
            _ => return Err(unknown("extension", extension, "'periodic' or 'symmetric'")),
        };
        let wavelet = self::wavelet(name)?;
        Self::own(match *shape.as_slice() {
            [length] => WaveletTransform::signal(wavelet, length, levels, extension),
            [rows, columns] => WaveletTransform::image(wavelet, [rows, columns], levels, extension),
            _ => return Err(unknown("shape", &format!("{shape:?}"), "one or two sides")),
        })
    }

    /// Undecimated wavelet transform of a signal or an image.
    #[staticmethod]
    fn undecimated_wavelet(name: &str, shape: Vec<usize>, levels: usize) -> PyResult<Self> {
        let wavelet = self::wavelet(name)?;
        Self::own(match *shape.as_slice() {
            [length] => StationaryTransform::signal(wavelet, length, levels),
            [rows, columns] => StationaryTransform::image(wavelet, [rows, columns], levels),
            _ => return Err(unknown("shape", &format!("{shape:?}"), "one or two sides")),
        })
    }

    /// Keeps what is flagged.
    #[staticmethod]
    fn mask(flags: PyReadonlyArray1<'_, bool>) -> PyResult<Self> {
        Self::own(Ok(Mask::<f64>::of_flags(flags.as_slice()?)))
    }

    /// Multiplies each entry.
    #[staticmethod]
    fn diagonal(values: PyReadonlyArray1<'_, f64>) -> PyResult<Self> {
        Self::own(Diagonal::new(values.as_slice()?.to_vec()))
    }

    /// Leaves vectors of a length as they are.
    #[staticmethod]
    fn identity(size: usize) -> PyResult<Self> {
        Self::own(Ok(Identity::<f64>::new(size)))
    }

    /// A dense or sparse matrix.
    #[staticmethod]
    fn matrix(matrix: &Matrix) -> PyResult<Self> {
        Self::own(Ok(MatrixOperator::new(matrix.design.clone())))
    }

    /// An object with `matvec` and `rmatvec`, which are called from other threads, with the GIL.
    #[staticmethod]
    fn foreign(object: Py<PyAny>, shape: (usize, usize)) -> Self {
        let trouble = Trouble::default();
        let troubles = vec![Arc::clone(&trouble)];
        let operator = Foreign { object, n_rows: shape.0, n_columns: shape.1, trouble };
        Self { operator: Arc::new(operator), troubles }
    }

    /// This after `inner`.
    fn after(&self, inner: &Self) -> PyResult<Self> {
        let (outer, inside) = (Arc::clone(&self.operator), Arc::clone(&inner.operator));
        Self::of_parts(Composition::<Shared, Shared>::new(outer, inside), &[self, inner])
    }

    /// The sum with another.
    fn plus(&self, other: &Self) -> PyResult<Self> {
        let terms = vec![Arc::clone(&self.operator), Arc::clone(&other.operator)];
        Self::of_parts(Sum::<Shared>::new(terms), &[self, other])
    }

    /// A multiple.
    fn scaled(&self, factor: f64) -> PyResult<Self> {
        Self::of_parts(Scaled::<Shared>::new(factor, Arc::clone(&self.operator)), &[self])
    }

    /// The transpose.
    fn transposed(&self) -> PyResult<Self> {
        Self::of_parts(Ok(Transpose::<Shared>::new(Arc::clone(&self.operator))), &[self])
    }

    /// Operators above each other.
    #[staticmethod]
    fn stack(operators: Vec<PyRef<'_, Self>>) -> PyResult<Self> {
        let parts: Vec<&Self> = operators.iter().map(|operator| &**operator).collect();
        let blocks = parts.iter().map(|part| Arc::clone(&part.operator)).collect();
        Self::of_parts(Stack::<Shared>::new(blocks), &parts)
    }

    /// (rows, columns).
    #[getter]
    fn shape(&self) -> (usize, usize) {
        (self.operator.n_rows(), self.operator.n_columns())
    }

    /// Whether some transform is known to diagonalize AᵀA.
    #[getter]
    fn is_spectral(&self) -> bool {
        self.operator.spectral().is_some()
    }

    /// A x; `x` is read where it lies.
    fn apply<'py>(&self, py: Python<'py>, x: PyReadonlyArray1<'py, f64>) -> PyResult<Vector<'py>> {
        let x = x.as_slice()?;
        self.product(py, move |operator| operator.apply(x))
    }

    /// Aᵀ y; `y` is read where it lies.
    fn adjoint<'py>(&self, py: Python<'py>, y: PyReadonlyArray1<'py, f64>) -> PyResult<Vector<'py>> {
        let y = y.as_slice()?;
        self.product(py, move |operator| operator.adjoint(y))
    }

    /// |⟨Ax, y⟩ − ⟨x, Aᵀy⟩| relative to the sizes, for random x and y.
    fn dot_test(&self, py: Python<'_>, seed: u64) -> PyResult<f64> {
        let operator = Arc::clone(&self.operator);
        run(py, &self.troubles, move || dot_test(&operator, seed))
    }
}

impl Operator {
    fn product<'py>(
        &self,
        py: Python<'py>,
        work: impl FnOnce(&Shared) -> bilevel::Result<Vec<f64>> + Send,
    ) -> PyResult<Vector<'py>> {
        let take = |trouble: &Trouble| trouble.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.troubles.iter().for_each(|trouble| drop(take(trouble)));
        let operator = &self.operator;
        let answer = py.detach(|| job::in_pool(|| work(operator)));
        let answer =
            answer.map_err(|e| self.troubles.iter().find_map(take).unwrap_or_else(|| exception(&e)))?;
        Ok(PyArray1::from_vec(py, answer))
    }
}
