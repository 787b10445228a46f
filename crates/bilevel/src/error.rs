//! The one error type of the library: every variant is a sentence that says what, where, what was found and what was expected.

/// Everything that can go wrong in the library.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Data that cannot be used: wrong sizes, values that are not finite, a target with one class.
    #[error("{what}: found {found}; expected {expected}")]
    InvalidData {
        /// Which input, and where in it.
        what: String,
        /// What was found there.
        found: String,
        /// What would have been accepted.
        expected: String,
    },
    /// A setting out of its range, or two settings that contradict each other.
    #[error("setting `{name}`: found {found}; expected {expected}")]
    InvalidSetting {
        /// Name of the setting as the user writes it.
        name: &'static str,
        /// Its value.
        found: String,
        /// The values that would have been accepted.
        expected: String,
    },
    /// The lower-level solver ran out of iterations before the asked accuracy.
    #[error(
        "the lower-level solver stopped after {iterations} iterations at relative duality gap {gap:.1e}; expected at most {tolerance:.1e}"
    )]
    LowerLevel {
        /// Iterations spent.
        iterations: usize,
        /// Relative duality gap reached.
        gap: f64,
        /// Relative duality gap asked for.
        tolerance: f64,
    },
    /// The reduced adjoint system could not be solved.
    #[error("the adjoint system on {size} coordinates could not be solved: {reason}")]
    AdjointSolve {
        /// Size of the reduced system.
        size: usize,
        /// Why.
        reason: String,
    },
    /// The observer asked to stop before there was any answer.
    #[error("stopped before the first complete outer step; there is no answer yet")]
    Cancelled,
    /// The observer asked to stop at once, without an answer.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// Shorthand for [`Error::InvalidData`].
    pub fn data(what: impl Into<String>, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::InvalidData { what: what.into(), found: found.into(), expected: expected.into() }
    }

    /// Shorthand for [`Error::InvalidSetting`].
    pub fn setting(name: &'static str, found: impl ToString, expected: impl Into<String>) -> Self {
        Self::InvalidSetting { name, found: found.to_string(), expected: expected.into() }
    }
}

/// `Result` with the library's [`enum@Error`].
pub type Result<T> = std::result::Result<T, Error>;
