//! Sparse matrices given entry by entry, in any order: sorted into compressed columns, entries at one place added up, zeros dropped.

use bilevel::design::{CscMatrix, Design};

use crate::error::{Place, ReadError};
use crate::options::ReadOptions;
use crate::source::Source;
use crate::storage::{Storage, TOO_LARGE_FOR_SINGLE};

/// Entries (row, column, value) of an n×p matrix, indices from 0.
pub(crate) struct Triplets {
    n_rows: usize,
    n_columns: usize,
    entries: Vec<(u32, u32, f64)>,
}

impl Triplets {
    /// No entries yet. Sizes beyond what a file of this length may claim are refused before anything is allocated.
    pub(crate) fn new(
        source: &Source<'_>,
        place: Place,
        n_rows: usize,
        n_columns: usize,
        options: &ReadOptions,
    ) -> Result<Self, ReadError> {
        if n_rows == 0 || n_columns == 0 {
            let problem = format!("{n_rows} rows and {n_columns} columns; expected at least one of each");
            return Err(source.malformed(place, problem));
        }
        let limit = source.dimension_limit().min(u64::from(u32::MAX));
        if n_rows.max(n_columns) as u64 > limit {
            let problem = format!(
                "{n_rows} rows and {n_columns} columns; expected at most {limit} of either for a file of this size"
            );
            return Err(source.malformed(place, problem));
        }
        if let Some(width) = options.width().filter(|&width| width < n_columns) {
            return Err(
                source.mismatch(place, format!("{n_columns} columns; expected at most {width} features"))
            );
        }
        Ok(Self { n_rows, n_columns: n_columns.max(options.width().unwrap_or(0)), entries: Vec::new() })
    }

    pub(crate) fn reserve(&mut self, entries: usize) {
        self.entries.reserve_exact(entries);
    }

    /// Adds an entry; the caller has checked both indices against the shape, whose sizes fit `u32`.
    pub(crate) fn push(&mut self, row: usize, column: usize, value: f64) {
        if value != 0.0 {
            self.entries.push((row as u32, column as u32, value));
        }
    }

    pub(crate) fn into_design<T: Storage>(
        mut self,
        source: &Source<'_>,
        options: &ReadOptions,
    ) -> Result<Design, ReadError> {
        debug_assert!(options.width().is_none_or(|width| width <= self.n_columns));
        self.entries.sort_unstable_by_key(|&(row, column, _)| (column, row));
        let (mut rows, mut values) = (Vec::new(), Vec::new());
        rows.reserve_exact(self.entries.len());
        values.reserve_exact(self.entries.len());
        let mut starts = vec![0; self.n_columns + 1];
        for same_place in self.entries.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let (row, column, _) = same_place[0];
            let sum: f64 = same_place.iter().map(|e| e.2).sum();
            let stored = T::from_f64(sum);
            if !stored.to_f64().is_finite() {
                let place = Place::Value { row: row as usize + 1, column: (column + 1).to_string() };
                let problem = if sum.is_finite() {
                    format!("found {sum:e}, {TOO_LARGE_FOR_SINGLE}")
                } else {
                    "entries that add up to infinity; expected a finite sum".to_string()
                };
                return Err(source.malformed(place, problem));
            }
            if stored.to_f64() != 0.0 {
                rows.push(row);
                values.push(stored);
                starts[column as usize + 1] += 1;
            }
        }
        let mut end = 0;
        for start in &mut starts {
            end += *start;
            *start = end;
        }
        CscMatrix::new(self.n_rows, starts, rows, values)
            .map(T::sparse)
            .map_err(|e| source.malformed(Place::File, e.to_string()))
    }
}
