//! Errors of the library as Python exceptions, their sentences kept.

use bilevel::Error;
use pyo3::PyErr;
use pyo3::exceptions::{PyRuntimeError, PyValueError};

/// Input that makes no sense is a `ValueError`; a computation that failed is a `RuntimeError`.
pub(crate) fn exception(error: &Error) -> PyErr {
    let sentence = error.to_string();
    match error {
        Error::InvalidData { .. } | Error::InvalidSetting { .. } => PyValueError::new_err(sentence),
        _ => PyRuntimeError::new_err(sentence),
    }
}

/// A panic of the library, which is a bug of ours and not of the caller.
pub(crate) fn bug(panic: &(dyn std::any::Any + Send)) -> PyErr {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without a message");
    PyRuntimeError::new_err(format!("this is a bug in bilevel, please report it: {message}"))
}
