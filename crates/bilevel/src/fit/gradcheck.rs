//! The hypergradient against central differences of the re-solved problem, for a user's own data.

use serde::Serialize;

use crate::Result;
use crate::data::FeatureNames;
use crate::outer::{Accuracy, Objective, Request};
use crate::parametrization::{Adaptive, Parametrization, Weights};

use super::family::{self, Family, WithFamily};
use super::prepare::{self, Prepared};
use super::{FitInput, FitSettings, WeightsKind, climb, in_pool};

/// One parameter's comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GradcheckRow {
    /// Name of the parameter (`log lambda`, `log lambda[age]`, …).
    pub parameter: String,
    /// θ there.
    pub theta: f64,
    /// Entry of the hypergradient.
    pub hypergradient: f64,
    /// Fourth-order central difference; of the largest step, out of a few, whose stencil crosses no kink.
    pub central_difference: f64,
    /// |difference| relative to the central difference, or to 1 % of the largest entry where that is more.
    pub relative_error: f64,
}

/// Compares the hypergradient with central differences for up to `max_parameters` parameters (those with the largest entries), at a
/// quarter of λ_max, with the weights of `input.settings` (`auto` is taken as feature weights).
///
/// # Errors
/// Invalid data or settings, and failures of the lower-level solver.
pub fn gradcheck(input: FitInput<'_>, max_parameters: usize) -> Result<Vec<GradcheckRow>> {
    in_pool(input.settings.threads, || {
        let prepared = Prepared::new(&input)?;
        family::with_family(&input, &prepared, Check { input, max_parameters })
    })
}

/// A check whose family is about to be chosen.
struct Check<'i> {
    input: FitInput<'i>,
    max_parameters: usize,
}

impl WithFamily for Check<'_> {
    type Output = Vec<GradcheckRow>;

    fn run<'a, F: Family<'a>>(self, family: &'a F, groups: Option<&[usize]>) -> Result<Vec<GradcheckRow>> {
        check(self.input.settings, family, groups, self.max_parameters)
    }
}

fn check<'a, F: Family<'a>>(
    settings: &FitSettings,
    family: &'a F,
    groups: Option<&[usize]>,
    max_parameters: usize,
) -> Result<Vec<GradcheckRow>> {
    let (prepared, blocks) = (family.prepared(), family.blocks());
    let factors = climb::factors(blocks);
    let mut objective = climb::objective(family, &factors)?;
    let scales = objective.lower_levels().map(|m| family.lambda_scale(m, &factors));
    let largest = scales.fold(f64::MIN_POSITIVE, f64::max);
    let level = (0.25 * largest).ln();
    let ridge = prepare::ridge(settings, level, level);
    let (lower, upper) = (level - 30.0, level + 30.0);
    let names = |count: usize| {
        (0..count).map(|k| block_name(&prepared.data.feature_names, blocks.members(k))).collect()
    };
    let (map, mut theta): (Box<dyn Parametrization>, Vec<f64>) = match (settings.weights, groups) {
        (WeightsKind::Scalar, _) => (Box::new(Weights::scalar(factors, ridge, lower, upper)), vec![level]),
        (WeightsKind::Adaptive, _) => {
            let sizes: Vec<f64> = (0..blocks.len()).map(|g| 1.0 + (g % 5) as f64).collect();
            (Box::new(Adaptive::new(factors, &sizes, ridge, lower, upper)), vec![level, 0.5])
        }
        (WeightsKind::Group, Some(groups)) => {
            let count = groups.iter().max().map_or(0, |m| m + 1);
            let names = (0..count).map(|g| format!("group {g}")).collect();
            let map = Weights::grouped(factors, groups.to_vec(), ridge, lower, upper).with_names(names);
            (Box::new(map), vec![level; count])
        }
        _ => {
            let count = factors.len();
            (
                Box::new(Weights::per_block(factors, ridge, lower, upper).with_names(names(count))),
                vec![level; count],
            )
        }
    };
    if map.n_parameters() > theta.len() {
        theta.push(level);
    }
    let parameter_names: Vec<String> = (0..theta.len()).map(|k| map.parameter_name(k)).collect();
    objective.set_parametrization(map);
    compare(&mut objective, &theta, &parameter_names, settings.selection(), max_parameters)
}

fn block_name(names: &FeatureNames, members: &[u32]) -> String {
    match members {
        [only] => names.name(*only as usize),
        [first, ..] => format!("{}, …", names.name(*first as usize)),
        [] => String::new(),
    }
}

fn compare(
    objective: &mut dyn Objective,
    theta: &[f64],
    names: &[String],
    selection: crate::hypergradient::Selection,
    max_parameters: usize,
) -> Result<Vec<GradcheckRow>> {
    let accuracy = Accuracy { relative_gap: 1e-14, adjoint_residual: 1e-14 };
    let request = Request { accuracy, selection, gradient: true };
    let center = objective.evaluate(theta, request)?;
    let largest = center.gradient.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
    let mut order: Vec<usize> = (0..theta.len()).collect();
    order.sort_by(|&a, &b| center.gradient[b].abs().total_cmp(&center.gradient[a].abs()));
    order.truncate(max_parameters);
    order.sort_unstable();
    let mut rows = Vec::with_capacity(order.len());
    for k in order {
        let hypergradient = center.gradient[k];
        let difference = central_difference(objective, theta, k, request, center.support_size)?;
        let scale = difference.abs().max(0.01 * largest).max(f64::MIN_POSITIVE);
        rows.push(GradcheckRow {
            parameter: names[k].clone(),
            theta: theta[k],
            hypergradient,
            central_difference: difference,
            relative_error: (hypergradient - difference).abs() / scale,
        });
    }
    Ok(rows)
}

/// (8(Φ(h) − Φ(−h)) − (Φ(2h) − Φ(−2h)))/12h, with h divided by five until the support is the same at all four points.
fn central_difference(
    objective: &mut dyn Objective,
    theta: &[f64],
    k: usize,
    request: Request,
    support_size: f64,
) -> Result<f64> {
    let mut step = 1e-3;
    loop {
        let mut moved = theta.to_vec();
        let mut values = [0.0; 4];
        let mut same_support = true;
        for (value, multiple) in values.iter_mut().zip([-2.0, -1.0, 1.0, 2.0]) {
            moved[k] = theta[k] + multiple * step;
            let evaluation = objective.evaluate(&moved, Request { gradient: false, ..request })?;
            *value = evaluation.value;
            same_support &= evaluation.support_size == support_size;
        }
        if same_support || step < 1e-5 {
            return Ok((8.0 * (values[2] - values[1]) - (values[3] - values[0])) / (12.0 * step));
        }
        step *= 0.2;
    }
}
