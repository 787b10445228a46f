//! Builds a dense matrix entry by entry, in any order, straight into column-major storage.

use bilevel::design::{DenseMatrix, Design};

use crate::error::{Place, ReadError};
use crate::source::Source;
use crate::storage::{Storage, TOO_LARGE_FOR_SINGLE};

pub(crate) struct DenseBuilder<'s, 'a, T> {
    source: &'s Source<'a>,
    n_rows: usize,
    n_columns: usize,
    values: Vec<T>,
}

impl<'s, 'a, T: Storage> DenseBuilder<'s, 'a, T> {
    /// Zeros. The caller has checked that the file is large enough to fill them.
    pub(crate) fn new(source: &'s Source<'a>, n_rows: usize, n_columns: usize) -> Result<Self, ReadError> {
        let too_large = || {
            source.malformed(
                Place::File,
                format!("{n_rows} rows times {n_columns} columns; expected a matrix that fits into memory"),
            )
        };
        let size = n_rows.checked_mul(n_columns).ok_or_else(too_large)?;
        let mut values = Vec::new();
        values.try_reserve_exact(size).map_err(|_| too_large())?;
        values.resize(size, T::from_f64(0.0));
        Ok(Self { source, n_rows, n_columns, values })
    }

    /// Writes entry (row, column), both from 0. The error is the end of a sentence.
    #[inline]
    pub(crate) fn set(&mut self, row: usize, column: usize, value: f64) -> Result<(), String> {
        let stored = T::from_f64(value);
        if !stored.to_f64().is_finite() {
            return Err(if value.is_finite() {
                format!("found {value:e}, {TOO_LARGE_FOR_SINGLE}")
            } else {
                format!("found {value}; expected a finite number")
            });
        }
        self.values[column * self.n_rows + row] = stored;
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<Design, ReadError> {
        DenseMatrix::new(self.n_rows, self.n_columns, self.values)
            .map(T::dense)
            .map_err(|e| self.source.malformed(Place::File, e.to_string()))
    }
}
