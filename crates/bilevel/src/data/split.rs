//! Splits of the rows: which samples train, which validate, which are kept for the test.
//!
//! A [`Split`] is two weight vectors over *all* rows of one design matrix, so that folds share the matrix and copy nothing: a row with
//! training weight 0 costs the solver a multiplication by zero. Seeded, and stratified where the target has classes.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

use super::{Target, Task};

/// One division of the rows that the caller made: which of them train and which validate, counted from 0.
///
/// A row listed twice weighs twice; rows in neither list take no part. The lists of different splits may overlap, those of one may not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SplitRows {
    /// Rows of the lower level.
    pub train: Vec<usize>,
    /// Rows of the criterion.
    pub validation: Vec<usize>,
}

/// One division of the rows into training and validation: weights that each sum to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// s_i ≥ 0, the weight of row i in the lower-level loss; Σ s_i = 1.
    pub train: Vec<f64>,
    /// v_i ≥ 0, the weight of row i in the criterion; Σ v_i = 1.
    pub validation: Vec<f64>,
    /// The v of one sample of weight 1: v_i divided by it says how many samples row i stands for.
    pub validation_unit: f64,
}

impl Split {
    /// Uniform weights on two disjoint sets of rows out of `n`; a row listed twice weighs twice.
    ///
    /// # Errors
    /// [`Error::InvalidData`] if a set is empty, an index is out of range, or the sets overlap.
    pub fn from_rows(n: usize, train: &[usize], validation: &[usize]) -> Result<Self> {
        Self::named(n, train, validation, "the split")
    }

    /// The same, with the split called by `name` in errors.
    pub(crate) fn named(n: usize, train: &[usize], validation: &[usize], name: &str) -> Result<Self> {
        let split = Self {
            train: uniform_weights(n, train, &format!("training rows of {name}"))?,
            validation: uniform_weights(n, validation, &format!("validation rows of {name}"))?,
            validation_unit: 1.0 / validation.len() as f64,
        };
        match (0..n).find(|&i| split.train[i] > 0.0 && split.validation[i] > 0.0) {
            Some(i) => {
                let found = format!("row {i} in training and validation");
                Err(Error::data(name, found, "disjoint sets of rows"))
            }
            None => Ok(split),
        }
    }

    /// The same rows, each counted as often as its sample weight says (all n of them finite and at least 0). Errors call the split by `name`.
    ///
    /// # Errors
    /// [`Error::InvalidData`] if only rows of weight 0 are left on either side.
    pub fn weighted(&self, sample_weight: &[f64], name: &str) -> Result<Self> {
        let (train, _) = reweighted(&self.train, sample_weight, &format!("training rows of {name}"))?;
        let (validation, total) =
            reweighted(&self.validation, sample_weight, &format!("validation rows of {name}"))?;
        Ok(Self { train, validation, validation_unit: self.validation_unit / total })
    }
}

fn uniform_weights(n: usize, rows: &[usize], what: &str) -> Result<Vec<f64>> {
    if rows.is_empty() {
        return Err(Error::data(what, "none", "at least one"));
    }
    let mut weights = vec![0.0; n];
    for &i in rows {
        let slot = weights
            .get_mut(i)
            .ok_or_else(|| Error::data(what, format!("row index {i}"), format!("indices below {n}")))?;
        *slot += 1.0 / rows.len() as f64;
    }
    Ok(weights)
}

/// The products of two weights, divided by their sum; and that sum.
fn reweighted(weights: &[f64], sample_weight: &[f64], what: &str) -> Result<(Vec<f64>, f64)> {
    let mut products: Vec<f64> = weights.iter().zip(sample_weight).map(|(s, w)| s * w).collect();
    let total: f64 = products.iter().sum();
    if total <= 0.0 {
        return Err(Error::data(what, "only rows of sample weight 0", "at least one of positive weight"));
    }
    products.iter_mut().for_each(|w| *w /= total);
    Ok((products, total))
}

/// How the criterion's rows are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SplitSettings {
    /// K-fold cross-validation.
    Folds(usize),
    /// This fraction of the rows validates.
    Holdout(f64),
    /// The last rows of the data set (read from a file of their own) validate; the number says how many.
    Validation(usize),
}

/// Divides `rows` in two: the second part holds about `fraction` of them, class by class where the target has classes. At least one sample
/// of each class stays in the first part, so that a model can be trained on it.
///
/// # Errors
/// [`Error::InvalidSetting`] if the fraction is not strictly between 0 and 1 or leaves either part empty; [`Error::InvalidData`] for a row
/// that the target does not have.
pub fn carve_fraction(
    target: &Target,
    rows: &[usize],
    fraction: f64,
    seed: u64,
    name: &'static str,
) -> Result<(Vec<usize>, Vec<usize>)> {
    if !(fraction > 0.0 && fraction < 1.0) {
        return Err(Error::setting(name, fraction, "a fraction strictly between 0 and 1"));
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut kept, mut carved) = (Vec::new(), Vec::new());
    let stays = usize::from(target.task() == Task::Classification);
    for mut stratum in strata(target, rows)? {
        stratum.shuffle(&mut rng);
        let take = (stratum.len() as f64 * fraction).round() as usize;
        let take = take.min(stratum.len().saturating_sub(stays));
        carved.extend_from_slice(&stratum[..take]);
        kept.extend_from_slice(&stratum[take..]);
    }
    if kept.is_empty() || carved.is_empty() {
        let found = format!("{fraction} of {} samples", rows.len());
        return Err(Error::setting(name, found, "a fraction that leaves at least one sample on either side"));
    }
    kept.sort_unstable();
    carved.sort_unstable();
    Ok((kept, carved))
}

/// K disjoint validation sets that cover `rows`, shuffled by `seed`, stratified where the target has classes.
///
/// # Errors
/// [`Error::InvalidSetting`] if `folds` is below 2 or above the number of rows; [`Error::InvalidData`] if a class has a single sample, so that
/// a training part would lose it, or for a row that the target does not have.
pub fn kfold(target: &Target, rows: &[usize], folds: usize, seed: u64) -> Result<Vec<Split>> {
    if folds < 2 || folds > rows.len() {
        return Err(Error::setting(
            "folds",
            folds,
            format!("a number from 2 to {}, the samples at hand", rows.len()),
        ));
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut fold_of = vec![usize::MAX; target.len()];
    let mut next = 0;
    for mut stratum in strata(target, rows)? {
        if target.task() == Task::Classification && stratum.len() < 2 {
            let found = if stratum.is_empty() { "a class without samples" } else { "a class with 1 sample" };
            return Err(Error::data(
                "target",
                found,
                "at least 2 samples of each class, for cross-validation",
            ));
        }
        stratum.shuffle(&mut rng);
        for i in stratum {
            fold_of[i] = next % folds;
            next += 1;
        }
    }
    (0..folds)
        .map(|fold| {
            let (validation, train): (Vec<usize>, Vec<usize>) =
                rows.iter().partition(|&&i| fold_of[i] == fold);
            Split::from_rows(target.len(), &train, &validation)
        })
        .collect()
}

/// The rows of each class, or all of them where the target is real.
fn strata(target: &Target, rows: &[usize]) -> Result<Vec<Vec<usize>>> {
    if let Some(i) = rows.iter().find(|&&i| i >= target.len()) {
        return Err(Error::data("rows", format!("row index {i}"), format!("indices below {}", target.len())));
    }
    Ok(match target {
        Target::Real(_) => vec![rows.to_vec()],
        Target::Binary { signs, .. } => {
            let (positive, negative) = rows.iter().partition(|&&i| signs[i] > 0.0);
            vec![negative, positive]
        }
        Target::Multiple { numbers, labels } => {
            let of_class = |k: usize| rows.iter().copied().filter(|&i| numbers[i] as usize == k).collect();
            (0..labels.len()).map(of_class).collect()
        }
    })
}
