//! Rows for training, validation and test.

use bilevel::data::Dataset;
use bilevel::design::{CscMatrix, Design, DesignMatrix};
use bilevel::{Error, Result};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// A data set in three parts.
pub(crate) struct Parts {
    /// The training rows, and below them the validation rows.
    pub(crate) development: Dataset,
    pub(crate) n_train: usize,
    pub(crate) test: Dataset,
}

impl Parts {
    /// The first `n_train` rows, the next `n_validation`, and all others.
    ///
    /// # Errors
    /// A part is empty or has one class only.
    pub(crate) fn in_order(data: &Dataset, n_train: usize, n_validation: usize) -> Result<Self> {
        Self::of_rows(data, &(0..data.n_samples()).collect::<Vec<_>>(), n_train, n_validation)
    }

    /// 60 % of the rows for training, 20 % for validation and the rest for the test, at random.
    ///
    /// # Errors
    /// As [`Parts::in_order`].
    pub(crate) fn at_random(data: &Dataset, seed: u64) -> Result<Self> {
        let n = data.n_samples();
        Self::of_rows(data, &shuffled(n, seed), n * 6 / 10, n * 2 / 10)
    }

    fn of_rows(data: &Dataset, rows: &[usize], n_train: usize, n_validation: usize) -> Result<Self> {
        let n_development = n_train + n_validation;
        if n_train == 0 || n_validation == 0 || n_development >= rows.len() {
            let found = format!("{} samples", rows.len());
            return Err(Error::data("data", found, "enough samples for training, validation and test"));
        }
        Ok(Self {
            development: select(data, &rows[..n_development])?,
            n_train,
            test: select(data, &rows[n_development..])?,
        })
    }

    pub(crate) fn n_validation(&self) -> usize {
        self.development.n_samples() - self.n_train
    }
}

/// The rows 0, …, n − 1 in random order.
pub(crate) fn shuffled(n: usize, seed: u64) -> Vec<usize> {
    let mut rows: Vec<usize> = (0..n).collect();
    rows.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    rows
}

/// Some rows of a data set.
///
/// # Errors
/// There are none, or they have one class only.
pub(crate) fn select(data: &Dataset, rows: &[usize]) -> Result<Dataset> {
    Dataset::new(data.design.select_rows(rows)?, data.target.select(rows), data.feature_names.clone())
}

/// At most `count` rows at random, for a quick look.
///
/// # Errors
/// They have one class only.
pub(crate) fn sample(data: &Dataset, count: usize) -> Result<Dataset> {
    let rows = shuffled(data.n_samples(), 0);
    select(data, &rows[..count.min(rows.len())])
}

/// The same data with every value divided by a number, in sparse storage.
///
/// # Errors
/// A value is not finite then.
pub(crate) fn divided(data: &Dataset, by: f64) -> Result<Dataset> {
    let design = &data.design;
    let (mut starts, mut rows, mut values) = (vec![0], Vec::new(), Vec::new());
    for j in 0..design.n_columns() {
        design.visit_column(j, |i, a| {
            rows.push(u32::try_from(i).unwrap_or(u32::MAX));
            values.push(a / by);
        });
        starts.push(values.len());
    }
    let design = Design::Sparse(CscMatrix::new(design.n_rows(), starts, rows, values)?);
    Dataset::new(design, data.target.clone(), data.feature_names.clone())
}
