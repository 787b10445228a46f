//! From data and settings to a problem: rows, scales, blocks, factors.

use crate::data::{Dataset, SplitSettings, Task};
use crate::design::{Design, DesignMatrix, ScaledDesign};
use crate::loss::PseudoHuber;
use crate::lower::variance;
use crate::parametrization::Ridge;
use crate::penalty::Blocks;
use crate::{Error, Result};

use super::robust;
use super::rows::Rows;
use super::{FitInput, FitSettings, LossKind, OuterKind, PenaltyKind, WeightsKind};

/// Everything about the rows and columns that does not depend on the loss.
pub(super) struct Prepared<'a> {
    pub(super) data: &'a Dataset,
    pub(super) design: ScaledDesign<'a, Design>,
    pub(super) rows: Rows,
    pub(super) loss: LossKind,
    /// δ of the pseudo-Huber loss, where it is the loss.
    pub(super) delta: Option<f64>,
    pub(super) criterion_name: String,
}

impl<'a> Prepared<'a> {
    pub(super) fn new(input: &FitInput<'a>) -> Result<Self> {
        let (data, settings) = (input.data, input.settings);
        check(settings, input.groups.is_some())?;
        let loss = resolve_loss(settings.loss, data.target.task())?;
        if settings.test_fraction.is_some() && input.test.is_some() {
            return Err(Error::setting("test fraction", "a test set as well", "one of the two"));
        }
        let rows = Rows::new(input, loss == LossKind::Logistic && settings.intercept)?;
        check_magnitudes(data, input.sample_weight)?;
        let delta = delta(settings, loss, data.target.values(), &rows.final_weights)?;
        let scale = settings.standardize.then(|| scales(data, &rows.final_weights, settings.intercept));
        let criterion_name = criterion_name(input, loss);
        let design = ScaledDesign::new(&data.design, scale);
        Ok(Self { data, design, rows, loss, delta, criterion_name })
    }

    /// Whether samples outnumber features in the final fit: how far down λ is worth searching.
    pub(super) fn is_tall(&self) -> bool {
        self.rows.final_weights.iter().filter(|w| **w > 0.0).count() > self.data.n_features()
    }
}

fn criterion_name(input: &FitInput<'_>, loss: LossKind) -> String {
    let measure = match loss {
        LossKind::Logistic => "log-loss",
        LossKind::PseudoHuber => "pseudo-Huber loss",
        LossKind::Auto | LossKind::Squared => "squared error (halved)",
    };
    match (input.splits, input.settings.split) {
        (Some([_]), _) => format!("{measure} on a given split"),
        (Some(given), _) => format!("{measure} over {} given splits", given.len()),
        (None, SplitSettings::Folds(k)) => format!("{k}-fold cross-validated {measure}"),
        (None, SplitSettings::Holdout(_)) => format!("hold-out {measure}"),
        (None, SplitSettings::Validation(_)) => format!("validation {measure}"),
    }
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
/// would vanish. Rows of weight 0 may hold anything.
fn check_magnitudes(data: &Dataset, sample_weight: Option<&[f64]>) -> Result<()> {
    const LARGEST: f64 = 1e75;
    let expected = "numbers whose fourth power can be represented; multiply them all by a constant";
    let is_present: Vec<f64> = match sample_weight {
        None => vec![1.0; data.n_samples()],
        Some(weights) => weights.iter().map(|w| if *w > 0.0 { 1.0 } else { 0.0 }).collect(),
    };
    let present = data.target.values().iter().zip(&is_present).filter(|(_, s)| **s > 0.0);
    let size = present.fold(0.0_f64, |m, (b, _)| m.max(b.abs()));
    if size > LARGEST || size > 0.0 && size < 1.0 / LARGEST {
        return Err(Error::data("target", format!("values up to {size:e}"), expected));
    }
    for j in 0..data.n_features() {
        let square = data.design.column_weighted_square(j, &is_present);
        let mut vanishes = square < 1.0 / (LARGEST * LARGEST);
        if vanishes {
            let mut is_zero = true;
            data.design.visit_column(j, |i, a| is_zero &= a == 0.0 || is_present[i] == 0.0);
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
        (LossKind::PseudoHuber, _) => Ok(LossKind::PseudoHuber),
    }
}

/// δ as it was given, or from the scale of the target; under this loss no range of λ can be proven.
fn delta(settings: &FitSettings, loss: LossKind, targets: &[f64], weights: &[f64]) -> Result<Option<f64>> {
    if let Some(epsilon) = settings.certify.filter(|e| *e > 0.0 && loss == LossKind::PseudoHuber) {
        return Err(Error::setting("certify", epsilon, "0, or another loss than the pseudo-Huber one"));
    }
    match (loss, settings.delta) {
        (LossKind::PseudoHuber, Some(delta)) => PseudoHuber::new(delta).map(|loss| Some(loss.delta())),
        (LossKind::PseudoHuber, None) => Ok(Some(robust::delta_of_target(targets, weights))),
        (_, Some(delta)) => Err(Error::setting("delta", delta, "the pseudo-Huber loss beside it")),
        (_, None) => Ok(None),
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
    if let Some(epsilon) = settings.certify.filter(|epsilon| !(0.0..1.0).contains(epsilon)) {
        return Err(Error::setting("certify", epsilon, "a part of the criterion, from 0 to less than 1"));
    }
    if let Some(limit) = settings.time_limit {
        positive("time limit", limit)?;
    }
    if !(0.0..1.0).contains(&settings.band) {
        return Err(Error::setting("band", settings.band, "a fraction from 0 to below 1"));
    }
    if let Some(pull) = settings.pull.filter(|pull| !(*pull >= 0.0 && pull.is_finite())) {
        return Err(Error::setting("pull", pull, "a finite number of at least 0"));
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
    if let Some(grid) = &settings.grid {
        check_grid(settings, grid)?;
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
        _ if settings.grid.is_some() => Ok(()),
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

fn check_grid(settings: &FitSettings, grid: &[f64]) -> Result<()> {
    if grid.is_empty() {
        return Err(Error::setting("grid", "no values", "at least one lambda"));
    }
    if let Some(bad) = grid.iter().find(|l| !(**l > 0.0 && l.is_finite())) {
        return Err(Error::setting("grid", bad, "positive, finite values of lambda"));
    }
    let found = if !matches!(settings.weights, WeightsKind::Auto | WeightsKind::Scalar) {
        "weights other than `scalar`"
    } else if !matches!(settings.outer, OuterKind::Auto | OuterKind::Grid) {
        "an outer method other than `grid`"
    } else if settings.penalty == PenaltyKind::ElasticNet && settings.l2.is_none() {
        "an elastic net that learns its l2"
    } else {
        return Ok(());
    };
    Err(Error::setting(
        "grid",
        found,
        "one lambda to choose: scalar weights, and an elastic net only with a fixed l2",
    ))
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
