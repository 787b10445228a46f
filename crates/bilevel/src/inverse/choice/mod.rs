//! Choosing λ: criteria for one λ, their global minimizers, and what all of them say together.
//!
//! The problem is given in coordinates in which it is diagonal ([`DiagonalProblem`], [`SpectralProblem`]); every criterion with its derivatives in
//! log λ is then a sum over the components. λ multiplies ‖Lx‖² as ‖Ax − b‖² + λ‖Lx‖²; where others write λ² it is [`Choice::root_lambda`].
//!
//! | file | |
//! |---|---|
//! | `diagonal.rs` | the problem in its own coordinates, and sums over the components |
//! | `rule.rs`, `criteria.rs` | the rules, and what they minimize |
//! | `vectors.rs` | the rules that need vectors: periodogram of the residual, oracle |
//! | `search.rs` | global minimum: grid, then the roots of the derivative |
//! | `consensus.rs` | all rules beside each other |
//! | `stochastic.rs` | degrees of freedom and log-determinants of large problems, by random probes |
//!
//! # Example
//! ```
//! use bilevel::inverse::choice::{Rule, choose_lambda};
//! use bilevel::inverse::problems;
//!
//! let problem = problems::phillips(64)?;
//! let noisy = problem.with_noise(0.01, 1);
//! let choice = choose_lambda(&problem.a, &noisy.b, None, &Rule::robust_gcv())?;
//! let error: f64 = choice.x.iter().zip(&problem.x).map(|(x, t)| (x - t).powi(2)).sum();
//! let size: f64 = problem.x.iter().map(|t| t * t).sum();
//! assert!((error / size).sqrt() < 0.1 && choice.warning().is_none());
//! # Ok::<(), bilevel::Error>(())
//! ```

mod consensus;
mod criteria;
mod diagonal;
mod jet;
mod rule;
mod search;
mod stochastic;
mod vectors;

use crate::design::DenseMatrix;
use crate::{Error, Result};

use super::tikhonov::StandardForm;
use criteria::Sample;
use jet::Jet;
use search::Point;

pub use consensus::{Agreement, Consensus, consensus};
pub(crate) use diagonal::null_space;
pub use diagonal::{Component, DiagonalProblem};
pub use rule::Rule;
pub use stochastic::{Estimate, ProbeSettings, ProbedSpectrum};

/// A Tikhonov problem that can be diagonalized: its criteria, and its vectors where they are wanted.
pub trait SpectralProblem: Sync {
    /// The problem in its own coordinates.
    fn diagonal(&self) -> &DiagonalProblem;

    /// Σ f_i (β_i/a_i) v_i for factors f, one for each component: x, or a derivative of it.
    fn combine(&self, factors: &[f64]) -> Vec<f64>;

    /// Σ c_i β_i u_i for factors c, one for each component: the part of the residual b − Ax in the range of A. `None` if it is not known.
    fn combine_residual(&self, _factors: &[f64]) -> Option<Vec<f64>> {
        None
    }

    /// The part of b outside the range of A; empty if there is none.
    fn outside(&self) -> &[f64] {
        &[]
    }
}

/// A problem whose vectors nobody asks for: choices have the right λ, and an empty x.
impl SpectralProblem for DiagonalProblem {
    fn diagonal(&self) -> &DiagonalProblem {
        self
    }

    fn combine(&self, _factors: &[f64]) -> Vec<f64> {
        Vec::new()
    }
}

/// A point of a criterion's curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurvePoint {
    /// λ.
    pub lambda: f64,
    /// The criterion there.
    pub value: f64,
    /// Its derivative in log λ.
    pub slope: f64,
}

/// How much a choice can be trusted, from the shape of the criterion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// One minimum inside the range, well below all others.
    Clear,
    /// The criterion hardly rises when λ is changed by a factor of ten to one side: by this fraction of its scale.
    Flat(f64),
    /// Another minimum is nearly as low, at this λ.
    Ambiguous(f64),
    /// The criterion falls to the lower end of the range, or for the discrepancy principle, no λ leaves as little as the noise.
    AtLowerEnd,
    /// The criterion falls to the upper end of the range: the data do not speak against x in the null space of L.
    AtUpperEnd,
}

/// What a rule chose, and what is known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The rule.
    pub rule: Rule,
    /// λ, the weight of ‖Lx‖².
    pub lambda: f64,
    /// x at λ.
    pub x: Vec<f64>,
    /// The criterion at λ (for the discrepancy principle, log ‖Ax−b‖² − log τ²σ²n; for the L-curve, minus its curvature).
    pub value: f64,
    /// The criterion on the grid that was searched, λ increasing.
    pub curve: Vec<CurvePoint>,
    /// All local minima found, the lowest first.
    pub minima: Vec<CurvePoint>,
    /// df = tr ∂(Ax)/∂b.
    pub degrees_of_freedom: f64,
    /// ‖Ax − b‖.
    pub residual_norm: f64,
    /// ‖Lx‖.
    pub penalty_norm: f64,
    /// The noise level that the residual speaks of: ‖Ax − b‖/√(n − df).
    pub sigma: f64,
    /// How much to trust it.
    pub verdict: Verdict,
}

impl Choice {
    /// √λ: the parameter of those who write ‖Ax − b‖² + λ²‖Lx‖².
    pub fn root_lambda(&self) -> f64 {
        self.lambda.sqrt()
    }

    /// A sentence for people, where the choice is not clear.
    pub fn warning(&self) -> Option<String> {
        let name = self.rule.name();
        match self.verdict {
            Verdict::Clear => None,
            Verdict::Flat(rise) => Some(format!(
                "{name} is flat: it rises by only {:.2} % when λ changes by a factor of ten; a robust rule is safer",
                100.0 * rise
            )),
            Verdict::Ambiguous(other) => Some(format!(
                "{name} has another minimum nearly as low at λ = {other:.3e}, far from the chosen {:.3e}",
                self.lambda
            )),
            Verdict::AtLowerEnd => Some(format!(
                "{name} chose the smallest λ of its range ({:.3e}): hardly any regularization; do not trust it",
                self.lambda
            )),
            Verdict::AtUpperEnd => Some(format!(
                "{name} chose the largest λ of its range ({:.3e}): all that the penalty sees is smoothed away",
                self.lambda
            )),
        }
    }
}

/// Chooses λ for ‖Ax − b‖² + λ‖Lx‖² with small dense matrices; without L it is the identity.
///
/// Cost: an SVD of A (O(mn·min(m, n))), and one of L where there is one; every rule after that is O(min(m, n)) for each λ.
///
/// # Errors
/// [`Error::InvalidData`] for sizes that do not fit, a b with NaN, or an L with a null space that A does not see; [`Error::InvalidSetting`] for
/// parameters of the rule out of range.
pub fn choose_lambda(
    a: &DenseMatrix<f64>,
    b: &[f64],
    l: Option<&DenseMatrix<f64>>,
    rule: &Rule,
) -> Result<Choice> {
    choose(&StandardForm::new(a, b, l)?, rule)
}

/// The same for a problem that is already diagonal: several rules for the price of one decomposition, or a Fourier transform instead of it.
///
/// # Errors
/// [`Error::InvalidSetting`] for parameters of the rule out of range, or a rule that needs vectors the problem does not have.
pub fn choose<P: SpectralProblem + ?Sized>(problem: &P, rule: &Rule) -> Result<Choice> {
    rule.check()?;
    let diagonal = problem.diagonal();
    let exact = |t: f64| -> Result<Sample> {
        let lambda = t.exp();
        diagonal.criterion(rule, lambda).map_or_else(|| vectors::criterion(problem, rule, lambda), Ok)
    };
    let condensed = diagonal.condensed();
    let coarse = |t: f64| -> Result<Sample> {
        let of_small = condensed.as_ref().and_then(|small| small.criterion(rule, t.exp()));
        of_small.map_or_else(|| exact(t), Ok)
    };
    let range = search_range(diagonal, rule);
    let grid =
        search::grid(range.0, range.1, if rule.needs_vectors() { search::SPARSE } else { search::DENSE });
    let sampled: Result<Vec<Point>> = grid.iter().map(|&t| Ok(Point { t, sample: coarse(t)? })).collect();
    let sampled = sampled?;
    let minima = match rule {
        Rule::Discrepancy { .. } => vec![crossing(range, exact)?],
        _ => lowest_first(rule, &sampled, range, exact)?,
    };
    let Some(best) = minima.first().copied() else {
        diagonal.check_data()?;
        return Err(Error::data(format!("criterion {}", rule.name()), "no finite value", "one"));
    };
    let verdict = judge(diagonal, rule, &sampled, &minima, range);
    Ok(choice_at(problem, rule, best, sampled, minima, verdict))
}

fn choice_at<P: SpectralProblem + ?Sized>(
    problem: &P,
    rule: &Rule,
    best: Point,
    sampled: Vec<Point>,
    minima: Vec<Point>,
    verdict: Verdict,
) -> Choice {
    let (diagonal, lambda) = (problem.diagonal(), best.t.exp());
    let degrees_of_freedom = diagonal.degrees_of_freedom(lambda);
    let residual_norm = diagonal.residual_norm(lambda);
    let public = |points: Vec<Point>| -> Vec<CurvePoint> {
        let point = |p: Point| CurvePoint { lambda: p.t.exp(), value: p.sample.value, slope: p.sample.slope };
        points.into_iter().map(point).collect()
    };
    Choice {
        rule: rule.clone(),
        lambda,
        x: problem.combine(&diagonal.filters(lambda)),
        value: best.sample.value,
        curve: public(sampled),
        minima: public(minima),
        degrees_of_freedom,
        residual_norm,
        penalty_norm: diagonal.penalty_norm(lambda),
        sigma: residual_norm / diagonal.freedom_left(lambda).max(f64::MIN_POSITIVE).sqrt(),
        verdict,
    }
}

/// Beyond the largest g/l a solution may still change by what its filter is above 0: the discrepancy principle may need that.
const BEYOND: f64 = 20.0;

/// The interval of log λ that is searched.
fn search_range(diagonal: &DiagonalProblem, rule: &Rule) -> (f64, f64) {
    let (low, high) = diagonal.range();
    let (low, high) = (low.ln(), high.ln());
    match rule {
        Rule::Discrepancy { .. } => (low - BEYOND, high + BEYOND),
        // One singular value, or all the same: λ still matters.
        _ if high - low < 1.0 => (low - BEYOND, high + BEYOND),
        _ => (low, high),
    }
}

/// Where an increasing criterion is zero, or the end of the range that is nearest to it.
fn crossing((low, high): (f64, f64), exact: impl Fn(f64) -> Result<Sample>) -> Result<Point> {
    let (at_low, at_high) = (exact(low)?.value, exact(high)?.value);
    let t = if at_low >= 0.0 {
        low
    } else if at_high <= 0.0 {
        high
    } else {
        let value = |t: f64| exact(t).map_or(f64::NAN, |sample| sample.value);
        search::root((low, at_low), (high, at_high), value)
    };
    Ok(Point { t, sample: exact(t)? })
}

/// Minima whose value on the condensed curve is this much above the lowest (as a fraction of the spread) need no refinement.
const WORTH_REFINING: f64 = 0.1;

/// All local minima worth having, each refined on the exact criterion, the lowest first.
fn lowest_first(
    rule: &Rule,
    sampled: &[Point],
    range: (f64, f64),
    exact: impl Fn(f64) -> Result<Sample>,
) -> Result<Vec<Point>> {
    let slope = |t: f64| exact(t).map_or(f64::NAN, |sample| sample.slope);
    let mut brackets = search::minima(sampled);
    // Towards both ends x stops changing: quasi-optimality falls to zero there and the L-curve's curvature is noise, which says nothing.
    if matches!(rule, Rule::LCurve | Rule::QuasiOptimality) && brackets.iter().any(|pair| pair.0.t < pair.1.t)
    {
        brackets.retain(|pair| pair.0.t < pair.1.t);
    }
    let low_end = |pair: &(Point, Point)| pair.0.sample.value.min(pair.1.sample.value);
    let least = brackets.iter().map(low_end).fold(f64::INFINITY, f64::min);
    let values = sampled.iter().map(|p| p.sample.value).filter(|v| v.is_finite());
    let limit = least + WORTH_REFINING * (values.fold(least, f64::max) - least);
    let mut found = Vec::new();
    for bracket in brackets.into_iter().filter(|pair| low_end(pair) <= limit) {
        let (a, b) = search::settle(bracket, range, &slope);
        let t = match (a.1 < 0.0, b.1 < 0.0) {
            (true, false) => search::root(a, b, slope),
            (true, true) => b.0,
            _ => a.0,
        };
        found.push(Point { t, sample: exact(t)? });
    }
    found.sort_by(|x, y| x.sample.value.total_cmp(&y.sample.value));
    found.dedup_by(|x, y| (x.t - y.t).abs() < 1e-9);
    Ok(found)
}

/// Rise, as a fraction of the criterion's scale, that a factor of ten in λ must bring to both sides.
const FLAT: f64 = 1e-3;
/// Another minimum must be higher by this fraction of the scale.
const DISTINCT: f64 = 1e-2;
/// Minima closer than this in log λ count as one.
const SAME: f64 = std::f64::consts::LN_2;

fn judge(
    diagonal: &DiagonalProblem,
    rule: &Rule,
    curve: &[Point],
    minima: &[Point],
    (low, high): (f64, f64),
) -> Verdict {
    let Some(best) = minima.first() else { return Verdict::AtLowerEnd };
    let edge = 1e-9 * (high - low);
    if best.t <= low + edge {
        return Verdict::AtLowerEnd;
    }
    if best.t >= high - edge {
        return Verdict::AtUpperEnd;
    }
    if matches!(rule, Rule::Discrepancy { .. }) {
        return Verdict::Clear;
    }
    let scale = diagonal.scale(rule, best.sample.value).max(f64::MIN_POSITIVE);
    let rise = |p: &Point| (p.sample.value - best.sample.value) / scale;
    let near = |other: &Point| (other.t - best.t).abs() < SAME;
    if let Some(other) = minima.iter().skip(1).find(|other| !near(other) && rise(other) < DISTINCT) {
        return Verdict::Ambiguous(other.t.exp());
    }
    let decade = std::f64::consts::LN_10;
    let highest = |side: &dyn Fn(f64) -> bool| {
        let within = curve.iter().filter(|p| (p.t - best.t).abs() <= decade && side(p.t - best.t));
        within.map(rise).fold(0.0_f64, f64::max)
    };
    let lower_side = highest(&|d| d < 0.0).min(highest(&|d| d > 0.0));
    if lower_side < FLAT { Verdict::Flat(lower_side) } else { Verdict::Clear }
}
