//! From data and settings to a problem: rows, splits, scales, blocks, factors.

use crate::data::{Dataset, Split, SplitSettings, Task, carve_fraction, kfold};
use crate::design::{Design, DesignMatrix, ScaledDesign};
use crate::lower::variance;
use crate::parametrization::Ridge;
use crate::penalty::Blocks;
use crate::{Error, Result};

use super::{FitInput, FitSettings, LossKind, OuterKind, PenaltyKind, WeightsKind};

/// Everything about the rows and columns that does not depend on the loss.
pub(super) struct Prepared<'a> {
    pub(super) data: &'a Dataset,
    pub(super) design: ScaledDesign<'a, Design>,
    pub(super) splits: Vec<Split>,
    /// For one split: the same training rows, with each half of its validation rows; empty for several splits.
    pub(super) halves: Vec<Split>,
    /// Weights of the rows in the final fit: all that are not kept for the test, or the training part of a hold-out.
    pub(super) final_weights: Vec<f64>,
    /// Rows of the test set, in the data itself.
    pub(super) test_rows: Vec<usize>,
    /// Rows of training and validation.
    pub(super) development: Vec<usize>,
    pub(super) loss: LossKind,
    pub(super) criterion_name: String,
}

impl<'a> Prepared<'a> {
    pub(super) fn new(input: &FitInput<'a>) -> Result<Self> {
        let (data, settings) = (input.data, input.settings);
        check(settings, input.groups.is_some())?;
        check_magnitudes(data)?;
        let loss = resolve_loss(settings.loss, data.target.task())?;
        if settings.test_fraction.is_some() && input.test.is_some() {
            return Err(Error::setting("test fraction", "a test set as well", "one of the two"));
        }
        let (development, validation, test_rows) = rows(data, settings)?;
        let splits = splits(data, settings, &development, &validation)?;
        let halves = match splits.as_slice() {
            [only] => halves(only),
            _ => Vec::new(),
        };
        let final_weights = match settings.split {
            SplitSettings::Folds(_) => uniform(data.n_samples(), &development),
            SplitSettings::Holdout(_) | SplitSettings::Validation(_) => splits[0].train.clone(),
        };
        let scale = settings.standardize.then(|| scales(data, &final_weights, settings.intercept));
        let measure = if loss == LossKind::Logistic { "log-loss" } else { "squared error (halved)" };
        let criterion_name = match settings.split {
            SplitSettings::Folds(k) => format!("{k}-fold cross-validated {measure}"),
            SplitSettings::Holdout(_) => format!("hold-out {measure}"),
            SplitSettings::Validation(_) => format!("validation {measure}"),
        };
        let development = development.into_iter().chain(validation).collect();
        let design = ScaledDesign::new(&data.design, scale);
        Ok(Self { data, design, splits, halves, final_weights, test_rows, development, loss, criterion_name })
    }

    /// Whether samples outnumber features in the final fit: how far down λ is worth searching.
    pub(super) fn is_tall(&self) -> bool {
        self.final_weights.iter().filter(|w| **w > 0.0).count() > self.data.n_features()
    }
}

/// (training pool, fixed validation rows, test rows).
fn rows(data: &Dataset, settings: &FitSettings) -> Result<(Vec<usize>, Vec<usize>, Vec<usize>)> {
    let n = data.n_samples();
    let n_validation = match settings.split {
        SplitSettings::Validation(count) => count,
        _ => 0,
    };
    if n_validation >= n || matches!(settings.split, SplitSettings::Validation(0)) {
        let found = format!("{n_validation} validation rows out of {n}");
        return Err(Error::setting("validation", found, "at least one row on either side"));
    }
    let pool: Vec<usize> = (0..n - n_validation).collect();
    let validation = (n - n_validation..n).collect();
    Ok(match settings.test_fraction {
        None => (pool, validation, Vec::new()),
        Some(fraction) => {
            // Another stream than the folds', so that the test set does not follow the fold structure.
            let (kept, test) =
                carve_fraction(&data.target, &pool, fraction, settings.seed ^ 0x7e57, "test fraction")?;
            (kept, validation, test)
        }
    })
}

fn splits(
    data: &Dataset,
    settings: &FitSettings,
    pool: &[usize],
    validation: &[usize],
) -> Result<Vec<Split>> {
    Ok(match settings.split {
        SplitSettings::Folds(k) => kfold(&data.target, pool, k, settings.seed)?,
        SplitSettings::Validation(_) => vec![Split::from_rows(data.n_samples(), pool, validation)?],
        SplitSettings::Holdout(fraction) => {
            let (train, held_out) = carve_fraction(&data.target, pool, fraction, settings.seed, "holdout")?;
            vec![Split::from_rows(data.n_samples(), &train, &held_out)?]
        }
    })
}

/// The split twice, with every other validation row; empty if there are fewer than two of them.
fn halves(split: &Split) -> Vec<Split> {
    let rows: Vec<usize> = (0..split.validation.len()).filter(|&i| split.validation[i] > 0.0).collect();
    if rows.len() < 2 {
        return Vec::new();
    }
    let half = |parity: usize| {
        let taken: Vec<usize> = rows.iter().copied().skip(parity).step_by(2).collect();
        Split { train: split.train.clone(), validation: uniform(split.validation.len(), &taken) }
    };
    vec![half(0), half(1)]
}

fn uniform(n: usize, rows: &[usize]) -> Vec<f64> {
    let mut weights = vec![0.0; n];
    rows.iter().for_each(|&i| weights[i] = 1.0 / rows.len() as f64);
    weights
}

/// 1/standard deviation of each column over the rows of the final fit (1/root mean square without an intercept); 1 for constant columns.
fn scales(data: &Dataset, weights: &[f64], centered: bool) -> Vec<f64> {
    let scale = |j: usize| {
        let square = data.design.column_weighted_square(j, weights);
        let mean = if centered { data.design.column_dot(j, weights) } else { 0.0 };
        let inverse_total = if centered { 1.0 } else { 0.0 };
        let variance = variance(&data.design, j, weights, square, mean, inverse_total);
        if variance > 0.0 { 1.0 / variance.sqrt() } else { 1.0 }
    };
    (0..data.n_features()).map(scale).collect()
}

/// Values whose products would overflow are refused (squared losses are squared once more for standard errors), and targets whose products
/// would vanish.
fn check_magnitudes(data: &Dataset) -> Result<()> {
    const LARGEST: f64 = 1e75;
    let expected = "numbers whose fourth power can be represented; multiply them all by a constant";
    let size = data.target.values().iter().fold(0.0_f64, |m, b| m.max(b.abs()));
    if size > LARGEST || size > 0.0 && size < 1.0 / LARGEST {
        return Err(Error::data("target", format!("values up to {size:e}"), expected));
    }
    let ones = vec![1.0; data.n_samples()];
    for j in 0..data.n_features() {
        let square = data.design.column_weighted_square(j, &ones);
        let mut vanishes = square < 1.0 / (LARGEST * LARGEST);
        if vanishes {
            let mut is_zero = true;
            data.design.visit_column(j, |_, a| is_zero &= a == 0.0);
            vanishes = !is_zero;
        }
        if vanishes || square > LARGEST * LARGEST {
            let found = if vanishes { "only values too small" } else { "values too large" };
            return Err(Error::data(format!("feature {}", data.feature_names.name(j)), found, expected));
        }
    }
    Ok(())
}

fn resolve_loss(loss: LossKind, task: Task) -> Result<LossKind> {
    match (loss, task) {
        (LossKind::Logistic, Task::Regression) => {
            Err(Error::setting("loss", "logistic", "squared, because the target has more than two values"))
        }
        (LossKind::Auto, Task::Classification) | (LossKind::Logistic, _) => Ok(LossKind::Logistic),
        // Two classes under the squared loss are the numbers -1 and +1.
        (LossKind::Auto, Task::Regression) | (LossKind::Squared, _) => Ok(LossKind::Squared),
    }
}

fn check(settings: &FitSettings, has_groups: bool) -> Result<()> {
    let positive = |name, value: f64| {
        if value > 0.0 && value.is_finite() {
            Ok(())
        } else {
            Err(Error::setting(name, value, "a positive number"))
        }
    };
    positive("tol", settings.tolerance)?;
    if settings.tolerance > 1e-2 {
        return Err(Error::setting("tol", settings.tolerance, "a relative gap of at most 0.01"));
    }
    if let Some(limit) = settings.time_limit {
        positive("time limit", limit)?;
    }
    if !(0.0..1.0).contains(&settings.band) {
        return Err(Error::setting("band", settings.band, "a fraction from 0 to below 1"));
    }
    if !(settings.pull >= 0.0 && settings.pull.is_finite()) {
        return Err(Error::setting("pull", settings.pull, "a finite number of at least 0"));
    }
    if settings.max_outer == 0 {
        return Err(Error::setting("max outer", 0, "at least 1 outer step"));
    }
    if settings.threads == Some(0) {
        return Err(Error::setting("threads", 0, "at least 1 thread"));
    }
    if let Some(l2) = settings.l2 {
        if !(l2 >= 0.0 && l2.is_finite()) {
            return Err(Error::setting("l2", l2, "a finite number of at least 0"));
        }
        if settings.penalty != PenaltyKind::ElasticNet {
            return Err(Error::setting("l2", l2, "the elastic-net penalty beside it"));
        }
    }
    let needs_groups = settings.penalty == PenaltyKind::GroupL1 || settings.weights == WeightsKind::Group;
    if needs_groups && !has_groups {
        return Err(Error::setting(
            "groups",
            "none",
            "a group for each feature, which group weights and the group penalty need",
        ));
    }
    if settings.penalty == PenaltyKind::Ridge && settings.weights == WeightsKind::Adaptive {
        let expected =
            "auto, scalar, group or feature under a ridge penalty, which leaves no coefficient at zero";
        return Err(Error::setting("weights", "adaptive", expected));
    }
    let one_parameter = settings.weights == WeightsKind::Scalar;
    let few_parameters = one_parameter || settings.weights == WeightsKind::Adaptive;
    let learns_ridge = settings.penalty == PenaltyKind::ElasticNet && settings.l2.is_none();
    match settings.outer {
        OuterKind::Scalar if !one_parameter || learns_ridge => Err(Error::setting(
            "outer",
            "scalar",
            "one parameter to learn: scalar weights, and an elastic net only with a fixed l2",
        )),
        OuterKind::Grid if !few_parameters || learns_ridge && !one_parameter => {
            Err(Error::setting("outer", "grid", "one or two parameters to learn: scalar or adaptive weights"))
        }
        _ => Ok(()),
    }
}

/// Blocks of the group penalty, or of group weights under another penalty.
pub(super) fn blocks_of_groups(groups: Option<&[usize]>, n_features: usize) -> Result<Option<Blocks>> {
    let Some(groups) = groups else { return Ok(None) };
    if groups.len() != n_features {
        let expected = format!("{n_features}, one for each feature");
        return Err(Error::data("groups", format!("{} of them", groups.len()), expected));
    }
    Blocks::from_groups(groups).map(Some)
}

/// The ridge parameter as the settings want it, once λ is known to lie in (lower, upper) (logarithms).
pub(super) fn ridge(settings: &FitSettings, lower: f64, upper: f64) -> Ridge {
    match (settings.penalty, settings.l2) {
        (PenaltyKind::ElasticNet, Some(l2)) => Ridge::Fixed(l2),
        // Elastic nets mix both parts in any proportion; 10⁻³ and 10³ are as good as either one alone.
        (PenaltyKind::ElasticNet, None) => Ridge::Learned { lower: lower - 7.0, upper: upper + 7.0 },
        _ => Ridge::Fixed(0.0),
    }
}
