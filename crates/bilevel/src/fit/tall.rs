//! Fewer training rows with the same squared loss, for splits with many more rows than columns.
//!
//! Under the squared loss the training rows x = (a, b) of a split count only through their mean m and their scatter G = Σ s (x−m)(x−m)ᵀ. With
//! G = RᵀR, R of r ≤ p + 1 rows, and an (r+1)×r matrix Q of orthonormal columns that each sum to zero, the r + 1 rows
//!
//! ```text
//! x'_i = m + √(r+1)·(QR)_i,     each of weight 1/(r+1)
//! ```
//!
//! have the same mean and the same scatter, so that Σ s ½(b − aᵀy − c)² is the same for every y and c. Without an intercept it is r rows √r·R_i of
//! weight 1/r, with G = Σ s x xᵀ. They are a data set like any other: null model, λ_max, gaps and adjoints of the split are what they were, and no
//! solver knows the difference. Each split gets a matrix of its own, these rows above its validation rows, and the search no longer walks over all
//! rows for each split. The final fit stays on the rows themselves.

mod fewer_rows;
mod moments;
mod representatives;

use rayon::prelude::*;

use crate::data::Split;
use crate::design::{Design, DesignMatrix, ScaledDesign};

use super::LossKind;
use super::prepare::Prepared;
pub use fewer_rows::FewerRows;
use moments::Moments;

/// With more columns the scatter takes longer than most searches.
const MOST_COLUMNS: usize = 2048;
/// Walking over the entries of all splits is to become cheaper by this factor at least.
const SMALLEST_GAIN: f64 = 2.0;
/// Products of the solver, as many as a short search asks for in each split, that are to outweigh the scatter.
const PRODUCTS: f64 = 50.0;
/// How many products of two entries a matrix product forms in the time that a product with a vector takes for one.
const SPEED_OF_BLOCKS: f64 = 8.0;
/// Bytes that the matrices of the splits may take: this many, or this part of the data's.
const FREE_BYTES: f64 = (1_u64 << 26) as f64;
const LARGEST_SHARE: f64 = 1.5;

/// A list of splits of a fit, and the place in it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// Among the criterion's splits.
    Split(usize),
    /// Among the splits whose validation rows are in two parts.
    Half(usize),
}

/// The splits on fewer rows.
pub(super) struct Tall {
    splits: Vec<TallSplit>,
    /// The split that each half belongs to, and the weights of its validation rows.
    halves: Vec<(usize, Vec<f64>)>,
}

/// Rows of a split: first those that stand for the training rows, then the validation rows.
struct TallSplit {
    design: Design,
    targets: Vec<f64>,
    train: Vec<f64>,
    validation: Vec<f64>,
    /// Their numbers in the data; none for those that stand for others.
    numbers: Vec<u32>,
}

/// A split as lower level and criterion want it.
pub(super) struct TallRows<'t> {
    pub(super) design: &'t ScaledDesign<'t, Design>,
    pub(super) targets: &'t [f64],
    pub(super) train: &'t [f64],
    pub(super) validation: &'t [f64],
    pub(super) numbers: &'t [u32],
}

/// The splits with their columns in the units of the problem.
pub(super) struct TallDesigns<'t> {
    tall: &'t Tall,
    designs: Vec<ScaledDesign<'t, Design>>,
}

impl Tall {
    /// `None` where fewer rows are not the same, or would not pay, or where digits would be lost.
    pub(super) fn new(prepared: &Prepared<'_>, intercept: bool) -> Option<Self> {
        let splits = &prepared.rows.splits;
        let folds = Folds::of(splits);
        if prepared.loss != LossKind::Squared || !pays(prepared, folds.is_some()) {
            return None;
        }
        let (data, targets) = (&prepared.data.design, prepared.data.target.values());
        let held_out: Vec<HeldOut> =
            splits.par_iter().map(|split| HeldOut::new(data, targets, split)).collect::<Option<_>>()?;
        let moments: Vec<Moments> = match folds {
            Some(folds) => {
                let of_fold = |rows: &HeldOut| {
                    Moments::new(&rows.design, &rows.targets, &folds.counts(&rows.numbers), intercept)
                };
                let of_folds: Vec<Moments> = held_out.par_iter().map(of_fold).collect();
                (0..splits.len()).into_par_iter().map(|k| Moments::of_others(&of_folds, k)).collect()
            }
            None => {
                let of_split = |split: &Split| Moments::new(data, targets, &split.train, intercept);
                splits.par_iter().map(of_split).collect()
            }
        };
        let above = |(rows, moments): (HeldOut, &Moments)| rows.below(moments, intercept);
        let splits: Vec<TallSplit> =
            held_out.into_par_iter().zip(&moments).map(above).collect::<Option<_>>()?;
        let halves = prepared.rows.halves.iter().flatten();
        let halves = halves.map(|(k, half)| (*k, splits[*k].weights(&half.validation))).collect();
        Some(Self { splits, halves })
    }

    /// The splits with the columns multiplied as those of `design` are.
    pub(super) fn like<D: DesignMatrix>(&self, design: &ScaledDesign<'_, D>) -> TallDesigns<'_> {
        TallDesigns {
            tall: self,
            designs: self.splits.iter().map(|split| design.with_factors(&split.design)).collect(),
        }
    }
}

impl TallDesigns<'_> {
    pub(super) fn rows(&self, place: Place) -> TallRows<'_> {
        let (k, half) = match place {
            Place::Split(k) => (k, None),
            Place::Half(i) => (self.tall.halves[i].0, Some(&self.tall.halves[i].1)),
        };
        let split = &self.tall.splits[k];
        TallRows {
            design: &self.designs[k],
            targets: &split.targets,
            train: &split.train,
            validation: half.unwrap_or(&split.validation),
            numbers: &split.numbers,
        }
    }
}

impl TallSplit {
    /// The entries of `weights`, one for each row of the data, that belong to the rows here.
    fn weights(&self, weights: &[f64]) -> Vec<f64> {
        self.numbers.iter().map(|&i| weights.get(i as usize).copied().unwrap_or(0.0)).collect()
    }
}

/// The validation rows of a split.
struct HeldOut {
    design: Design,
    targets: Vec<f64>,
    weights: Vec<f64>,
    numbers: Vec<u32>,
}

impl HeldOut {
    fn new(design: &Design, targets: &[f64], split: &Split) -> Option<Self> {
        let rows: Vec<usize> = (0..targets.len()).filter(|&i| split.validation[i] > 0.0).collect();
        Some(Self {
            design: design.select_rows(&rows).ok()?,
            targets: rows.iter().map(|&i| targets[i]).collect(),
            weights: rows.iter().map(|&i| split.validation[i]).collect(),
            numbers: rows.iter().map(|&i| u32::try_from(i).ok()).collect::<Option<_>>()?,
        })
    }

    /// These rows below those that stand for training rows of the given moments.
    fn below(self, training: &Moments, intercept: bool) -> Option<TallSplit> {
        let FewerRows { design: above, mut targets, weights: mut train } =
            FewerRows::of(training, self.design.is_sparse(), intercept)?;
        let count = targets.len();
        targets.extend(self.targets);
        train.resize(targets.len(), 0.0);
        let mut validation = vec![0.0; count];
        validation.extend(self.weights);
        let mut numbers = vec![u32::MAX; count];
        numbers.extend(self.numbers);
        Some(TallSplit { design: above.stack(self.design).ok()?, targets, train, validation, numbers })
    }
}

/// K splits, each of which trains on what the others validate on: their training moments are sums over the others' validation rows.
struct Folds {
    /// How often each row counts; 0 for rows in no fold.
    counts: Vec<f64>,
}

impl Folds {
    fn of(splits: &[Split]) -> Option<Self> {
        let n = splits.first()?.validation.len();
        let mut counts = vec![0.0; n];
        for split in splits {
            for (count, v) in counts.iter_mut().zip(&split.validation).filter(|(_, v)| **v > 0.0) {
                if *count > 0.0 {
                    return None;
                }
                *count = v / split.validation_unit;
            }
        }
        let total: f64 = counts.iter().sum();
        let trains_on_others = |split: &Split| {
            let held_out: f64 =
                counts.iter().zip(&split.validation).filter(|(_, v)| **v > 0.0).map(|(count, _)| count).sum();
            let unit = 1.0 / (total - held_out);
            let rows = counts.iter().zip(split.train.iter().zip(&split.validation));
            rows.map(|(count, (s, v))| (if *v > 0.0 { 0.0 } else { count * unit }, *s))
                .all(|(expected, s)| (s - expected).abs() <= 1e-12 * expected)
        };
        (splits.len() > 1 && splits.iter().all(trains_on_others)).then_some(Self { counts })
    }

    fn counts(&self, rows: &[u32]) -> Vec<f64> {
        rows.iter().map(|&i| self.counts[i as usize]).collect()
    }
}

/// Whether the splits become short enough to pay for the scatter, in time and memory.
fn pays(prepared: &Prepared<'_>, are_folds: bool) -> bool {
    let (design, splits) = (&prepared.data.design, &prepared.rows.splits);
    let (n, p) = (design.n_rows() as f64, design.n_columns() as f64);
    if design.n_columns() > MOST_COLUMNS || n < 4.0 * p {
        return false;
    }
    let (stored, count) = (design.n_stored() as f64, splits.len() as f64);
    let validated = |split: &Split| split.validation.iter().filter(|v| **v > 0.0).count() as f64;
    let held_out = stored / n * splits.iter().map(validated).sum::<f64>();
    let representing = count * (p + 2.0) * p;
    let before = count * stored;
    let after = held_out + representing;
    let per_pair = if design.is_sparse() { 1.0 } else { 0.5 / SPEED_OF_BLOCKS };
    let scatter = per_pair * stored * (stored / n) * if are_folds { 1.0 } else { count };
    let bytes_of_entry = if design.is_sparse() { 12.0 } else { 8.0 };
    let bytes = bytes_of_entry * after;
    after * SMALLEST_GAIN <= before
        && scatter <= PRODUCTS * (before - after)
        && bytes <= FREE_BYTES.max(LARGEST_SHARE * design.memory_bytes() as f64)
}

#[cfg(test)]
mod tests;
