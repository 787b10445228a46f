//! The rules that look at vectors: the periodogram of the residual, and the error against a known truth.

use std::f64::consts::TAU;

use super::criteria::Sample;
use super::{Rule, SpectralProblem};
use crate::{Error, Result};

/// The criterion of `ncp` or `oracle` at λ.
pub(super) fn criterion<P: SpectralProblem + ?Sized>(
    problem: &P,
    rule: &Rule,
    lambda: f64,
) -> Result<Sample> {
    match rule {
        Rule::Oracle { truth } => squared_error(problem, truth, lambda),
        _ => whiteness(problem, lambda),
    }
}

/// ‖x − x_true‖², whose derivative is 2(x − x_true)ᵀdx/d log λ with f' = −f(1 − f).
fn squared_error<P: SpectralProblem + ?Sized>(problem: &P, truth: &[f64], lambda: f64) -> Result<Sample> {
    let filters = problem.diagonal().filters(lambda);
    let x = problem.combine(&filters);
    if x.is_empty() {
        return Err(Error::setting(
            "method",
            "oracle",
            "another rule: this problem does not give x as a vector",
        ));
    }
    if x.len() != truth.len() {
        return Err(Error::data("true x", format!("length {}", truth.len()), format!("length {}", x.len())));
    }
    let slopes: Vec<f64> = filters.iter().map(|f| -f * (1.0 - f)).collect();
    let change = problem.combine(&slopes);
    let error: Vec<f64> = x.iter().zip(truth).map(|(x, t)| x - t).collect();
    Ok(Sample { value: dot(&error, &error), slope: 2.0 * dot(&error, &change) })
}

/// ‖c − c_white‖², c the cumulative sums of the residual's periodogram over its frequencies 1, …, n/2, relative to their total.
fn whiteness<P: SpectralProblem + ?Sized>(problem: &P, lambda: f64) -> Result<Sample> {
    let diagonal = problem.diagonal();
    let lost: Vec<f64> =
        diagonal.lines.iter().map(|l| lambda * l.penalty / (l.gain + lambda * l.penalty)).collect();
    let slopes: Vec<f64> = lost.iter().map(|c| c * (1.0 - c)).collect();
    let (Some(mut residual), Some(change)) =
        (problem.combine_residual(&lost), problem.combine_residual(&slopes))
    else {
        let expected = "another rule: this problem does not give its residual as a vector";
        return Err(Error::setting("method", "ncp", expected));
    };
    residual.iter_mut().zip(problem.outside()).for_each(|(r, o)| *r += o);
    Ok(distance_to_white(&periodogram(&residual, &change)))
}

/// |r̂_k|² and its derivative for k = 1, …, n/2.
fn periodogram(residual: &[f64], change: &[f64]) -> Vec<(f64, f64)> {
    let n = residual.len();
    let angle = |k: usize| TAU * k as f64 / n as f64;
    let table: Vec<(f64, f64)> = (0..n).map(|k| angle(k).sin_cos()).collect();
    let transform = |v: &[f64], k: usize| {
        let terms = v.iter().enumerate().map(|(i, v)| (v, table[i * k % n]));
        terms.fold((0.0, 0.0), |(re, im), (v, (sin, cos))| (re + v * cos, im - v * sin))
    };
    let power = |k: usize| {
        let (r, d) = (transform(residual, k), transform(change, k));
        (r.0 * r.0 + r.1 * r.1, 2.0 * (r.0 * d.0 + r.1 * d.1))
    };
    (1..=n / 2).map(power).collect()
}

fn distance_to_white(powers: &[(f64, f64)]) -> Sample {
    let total = powers.iter().fold((0.0, 0.0), |sum, p| (sum.0 + p.0, sum.1 + p.1));
    let (mut sum, mut distance) = ((0.0, 0.0), Sample { value: 0.0, slope: 0.0 });
    for (k, power) in powers.iter().enumerate() {
        sum = (sum.0 + power.0, sum.1 + power.1);
        let part = sum.0 / total.0;
        let excess = part - (k + 1) as f64 / powers.len() as f64;
        distance.value += excess * excess;
        distance.slope += 2.0 * excess * (sum.1 - part * total.1) / total.0;
    }
    distance
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    crate::kernel::dot(a, b)
}
