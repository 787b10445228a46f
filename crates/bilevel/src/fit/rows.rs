//! Which rows train, which validate, which are kept for the test, and how much each of them counts.
//!
//! Sample weights are counts: a row of weight 2 is two equal rows, a row of weight 0 is absent, before any split is made.

use crate::data::{Dataset, Fnv, Split, SplitRows, SplitSettings, Target, carve_fraction, kfold};
use crate::{Error, Result};

use super::{FitInput, FitSettings};

/// Weights beyond this, or all below its inverse, have squares that cannot be represented.
const LARGEST_WEIGHT: f64 = 1e75;

/// The rows of a fit in their parts.
pub(super) struct Rows {
    /// The criterion's.
    pub(super) splits: Vec<Split>,
    /// Where the splits themselves do not fall into two sets that share no validation rows: the splits with their validation rows in two
    /// parts, one after the other (first, second, first, …), and of which split each is a part. Empty if there are too few rows for that.
    pub(super) halves: Option<Vec<(usize, Split)>>,
    /// Weights of the rows in the final fit, which sum to 1: all that are not kept for the test, or the training part of a hold-out.
    pub(super) final_weights: Vec<f64>,
    /// Of the test set, in the data itself.
    pub(super) test: Vec<usize>,
    /// Of training and validation.
    pub(super) development: Vec<usize>,
}

impl Rows {
    /// `needs_both_classes`: whether a model cannot be fitted to one class.
    pub(super) fn new(input: &FitInput<'_>, needs_both_classes: bool) -> Result<Self> {
        let (data, settings) = (input.data, input.settings);
        let n = data.n_samples();
        if let Some(weights) = input.sample_weight {
            check_weights(weights, n)?;
        }
        let pools = Pools::new(input)?;
        let splits = match input.splits {
            None => splits(data, settings, &pools)?,
            Some(given) => given_splits(n, given)?,
        };
        let splits = weighted(splits, input)?;
        if needs_both_classes && input.splits.is_some() {
            check_classes(&data.target, &splits)?;
        }
        let final_weights = match settings.split {
            SplitSettings::Holdout(_) | SplitSettings::Validation(_) if input.splits.is_none() => {
                splits[0].train.clone()
            }
            _ => normalized(n, &pools.training, |i| input.sample_weight.map_or(1.0, |w| w[i])).0,
        };
        let halves = (splits.len() == 1 || overlap(&splits)).then(|| halves(&splits));
        let development = pools.training.into_iter().chain(pools.validation).collect();
        Ok(Self { splits, halves, final_weights, test: pools.test, development })
    }

    /// How many rows there are, in any part.
    pub(super) fn len(&self) -> usize {
        self.development.len() + self.test.len()
    }
}

/// Says which weights and splits were given beside the data; 0 for none.
pub(super) fn fingerprint(input: &FitInput<'_>) -> u64 {
    if input.sample_weight.is_none() && input.splits.is_none() {
        return 0;
    }
    let mut hash = Fnv::default();
    let mut add_all = |words: &mut dyn Iterator<Item = u64>, count: usize| {
        hash.add(count as u64);
        words.for_each(|word| hash.add(word));
    };
    let weights = input.sample_weight.unwrap_or_default();
    add_all(&mut weights.iter().map(|w| w.to_bits()), weights.len());
    for split in input.splits.unwrap_or_default() {
        add_all(&mut split.train.iter().map(|&i| i as u64), split.train.len());
        add_all(&mut split.validation.iter().map(|&i| i as u64), split.validation.len());
    }
    hash.0
}

fn check_weights(weights: &[f64], n: usize) -> Result<()> {
    if weights.len() != n {
        return Err(Error::data(
            "sample weights",
            weights.len().to_string(),
            format!("{n}, one for each sample"),
        ));
    }
    if let Some(i) = weights.iter().position(|w| !(*w >= 0.0 && w.is_finite())) {
        let expected = "a finite number of at least 0";
        return Err(Error::data(format!("weight of sample {}", i + 1), weights[i].to_string(), expected));
    }
    let largest = weights.iter().fold(0.0_f64, |m, w| m.max(*w));
    if largest == 0.0 {
        return Err(Error::data("sample weights", "only zeros", "at least one positive weight"));
    }
    if !(1.0 / LARGEST_WEIGHT..=LARGEST_WEIGHT).contains(&largest) {
        let expected = "numbers whose squares can be represented; multiply them all by a constant";
        return Err(Error::data("sample weights", format!("weights up to {largest:e}"), expected));
    }
    Ok(())
}

/// The rows that are there, before they are split.
struct Pools {
    training: Vec<usize>,
    /// Rows that validate whatever the splits are.
    validation: Vec<usize>,
    test: Vec<usize>,
}

impl Pools {
    fn new(input: &FitInput<'_>) -> Result<Self> {
        let (data, settings) = (input.data, input.settings);
        let n = data.n_samples();
        let n_validation = match settings.split {
            SplitSettings::Validation(count) if input.splits.is_none() => count,
            _ => 0,
        };
        let validates = matches!(settings.split, SplitSettings::Validation(_)) && input.splits.is_none();
        if validates && (n_validation >= n || n_validation == 0) {
            let found = format!("{n_validation} validation rows out of {n}");
            return Err(Error::setting("validation", found, "at least one row on either side"));
        }
        let is_present = |i: &usize| input.sample_weight.is_none_or(|w| w[*i] > 0.0);
        let training: Vec<usize> = (0..n - n_validation).filter(is_present).collect();
        let validation: Vec<usize> = (n - n_validation..n).filter(is_present).collect();
        for (rows, what) in [(&training, "training rows"), (&validation, "validation rows")] {
            if rows.is_empty() && (validates || what == "training rows") {
                let expected = "at least one of positive weight";
                return Err(Error::data(what, "only rows of sample weight 0", expected));
            }
        }
        match settings.test_fraction {
            None => Ok(Self { training, validation, test: Vec::new() }),
            Some(_) if input.splits.is_some() => Err(Error::setting(
                "test fraction",
                "splits of the rows as well",
                "one of the two; keep a test set out of the data",
            )),
            Some(fraction) => {
                // Another stream than the folds', so that the test set does not follow the fold structure.
                let seed = settings.seed ^ 0x7e57;
                let (training, test) =
                    carve_fraction(&data.target, &training, fraction, seed, "test fraction")?;
                Ok(Self { training, validation, test })
            }
        }
    }
}

fn splits(data: &Dataset, settings: &FitSettings, pools: &Pools) -> Result<Vec<Split>> {
    let (n, pool) = (data.n_samples(), &pools.training);
    Ok(match settings.split {
        SplitSettings::Folds(k) => kfold(&data.target, pool, k, settings.seed)?,
        SplitSettings::Validation(_) => vec![Split::from_rows(n, pool, &pools.validation)?],
        SplitSettings::Holdout(fraction) => {
            let (train, held_out) = carve_fraction(&data.target, pool, fraction, settings.seed, "holdout")?;
            vec![Split::from_rows(n, &train, &held_out)?]
        }
    })
}

fn given_splits(n: usize, given: &[SplitRows]) -> Result<Vec<Split>> {
    if given.is_empty() {
        return Err(Error::data("splits", "none", "at least one split of the rows"));
    }
    let split = |(k, rows): (usize, &SplitRows)| Split::named(n, &rows.train, &rows.validation, &name(k));
    given.iter().enumerate().map(split).collect()
}

fn name(split: usize) -> String {
    format!("split {}", split + 1)
}

fn weighted(splits: Vec<Split>, input: &FitInput<'_>) -> Result<Vec<Split>> {
    match input.sample_weight {
        None => Ok(splits),
        Some(weights) => splits.iter().enumerate().map(|(k, s)| s.weighted(weights, &name(k))).collect(),
    }
}

fn check_classes(target: &Target, splits: &[Split]) -> Result<()> {
    for (k, split) in splits.iter().enumerate() {
        let present = || split.train.iter().zip(target.values()).filter(|(s, _)| **s > 0.0).map(|(_, b)| *b);
        let what = || format!("training rows of {}", name(k));
        if let Target::Multiple { labels, .. } = target {
            let occurs = |class: usize| present().any(|b| b as usize == class);
            if let Some(missing) = (0..labels.len()).find(|&class| !occurs(class)) {
                let found = format!("no row of class `{}`", labels[missing]);
                return Err(Error::data(what(), found, "all classes, to fit intercepts"));
            }
        } else if !(present().any(|b| b > 0.0) && present().any(|b| b <= 0.0)) {
            return Err(Error::data(what(), "one class only", "both classes, to fit an intercept"));
        }
    }
    Ok(())
}

/// Whether a row validates in more than one split.
fn overlap(splits: &[Split]) -> bool {
    let n = splits.first().map_or(0, |s| s.validation.len());
    (0..n).any(|i| splits.iter().filter(|s| s.validation[i] > 0.0).nth(1).is_some())
}

/// Each split twice, with the validation rows in even and in odd places among all validation rows; without those that have rows in one of
/// the parts only.
fn halves(splits: &[Split]) -> Vec<(usize, Split)> {
    let n = splits.first().map_or(0, |s| s.validation.len());
    let validated = (0..n).filter(|&i| splits.iter().any(|s| s.validation[i] > 0.0));
    let mut parity = vec![0; n];
    validated.enumerate().for_each(|(place, i)| parity[i] = place % 2);
    let half = |split: &Split, part: usize| {
        let rows: Vec<usize> = (0..n).filter(|&i| split.validation[i] > 0.0 && parity[i] == part).collect();
        let (validation, validation_unit) =
            normalized(n, &rows, |i| split.validation[i] / split.validation_unit);
        (!rows.is_empty()).then(|| Split { train: split.train.clone(), validation, validation_unit })
    };
    let both = |(k, split)| Some([(k, half(split, 0)?), (k, half(split, 1)?)]);
    splits.iter().enumerate().filter_map(both).flatten().collect()
}

/// Weights of `n` rows that sum to 1, those of `rows` in proportion to their counts; and the weight of a count of 1.
fn normalized(n: usize, rows: &[usize], count: impl Fn(usize) -> f64) -> (Vec<f64>, f64) {
    let total: f64 = rows.iter().map(|&i| count(i)).sum();
    let mut weights = vec![0.0; n];
    rows.iter().for_each(|&i| weights[i] = count(i) / total);
    (weights, 1.0 / total)
}
