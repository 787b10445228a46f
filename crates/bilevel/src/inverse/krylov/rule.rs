//! Rules that choose λ, and the search for the minimum of a curve in ln λ.

/// Where degrees of freedom come from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Freedom {
    /// From the singular values of the projected problem, against all n rows. Exact when the space is complete, and too few before:
    /// a space of k vectors has at most k. Wants orthogonal vectors.
    Projected,
    /// The projected problem's own GCV, with its degrees of freedom weighted by ω ≤ 1, the mean over the steps of the ω for which the smallest
    /// singular value would be optimal (Chung, Nagy, O'Leary, ETNA 28 (2008)).
    Weighted,
    /// Of the full problem, from sign vectors: right also where the space is far too small to count. Costs a bidiagonalization for each
    /// probe, mostly shorter than that of the data.
    Stochastic {
        /// Number of sign vectors; one is enough for large problems.
        probes: usize,
        /// Their seed.
        seed: u64,
    },
}

impl Default for Freedom {
    fn default() -> Self {
        Self::Stochastic { probes: 1, seed: 0 }
    }
}

/// How λ is chosen.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    /// It is given.
    Fixed(f64),
    /// Generalized cross-validation: n‖Ax − b‖²/(n − df)².
    Gcv(Freedom),
    /// The λ with ‖Ax − b‖ = safety·noise·√n.
    Discrepancy {
        /// Standard deviation of the noise in an entry of b.
        noise: f64,
        /// Factor ≥ 1 for the uncertainty of the noise; 1 for none.
        safety: f64,
    },
    /// Mean squared error over these rows, which the fit does not see.
    HoldOut(Vec<usize>),
    /// The corner of (ln ‖Ax − b‖, ln ‖x‖): largest curvature.
    LCurve,
}

/// An end of the range of λ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// The criterion still falls at the smallest λ.
    Lower,
    /// The criterion still falls at the largest λ.
    Upper,
}

/// A criterion at one λ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
    pub(super) value: f64,
    /// Derivative in λ, where there is one.
    pub(super) slope: Option<f64>,
}

/// The λ that a rule chose on the projected problem.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Choice {
    pub(super) lambda: f64,
    pub(super) value: f64,
    pub(super) edge: Option<Edge>,
    pub(super) curve: Vec<(f64, f64)>,
}

/// Samples per decade of the search: two minima of a smooth criterion closer than that are one for practical purposes.
const PER_DECADE: f64 = 8.0;
/// Relative width of the bracket at which λ is known.
const BRACKET: f64 = 1e-12;

/// The global minimum over the samples of `criterion` in [low, high], refined between the neighbours of the best.
pub(super) fn minimize([low, high]: [f64; 2], criterion: impl Fn(f64) -> Sample) -> Choice {
    let (from, to) = (low.ln(), high.ln());
    // Where a criterion is no number, it is no minimum.
    let criterion = |lambda: f64| {
        let sample = criterion(lambda);
        if sample.value.is_nan() { Sample { value: f64::INFINITY, slope: None } } else { sample }
    };
    let intervals = ((to - from) / std::f64::consts::LN_10 * PER_DECADE).ceil().max(2.0) as usize;
    let at = |k: usize| from + (to - from) * k as f64 / intervals as f64;
    let curve: Vec<(f64, f64)> =
        (0..=intervals).map(|k| (at(k).exp(), criterion(at(k).exp()).value)).collect();
    let best = (0..=intervals).min_by(|&a, &b| curve[a].1.total_cmp(&curve[b].1)).unwrap_or(0);
    let bracket = [at(best.saturating_sub(1)), at((best + 1).min(intervals))];
    let in_log = |t: f64| criterion(t.exp());
    let refined = by_slope(bracket, in_log).unwrap_or_else(|| by_value(bracket, in_log));
    // A slope may have a zero at a higher point of an unusual curve: the best sample stands then.
    let value = in_log(refined).value;
    let (t, value) = if value <= curve[best].1 { (refined, value) } else { (at(best), curve[best].1) };
    let near = 1e-6 * (to - from);
    let edge = match t {
        t if t - from <= near => Some(Edge::Lower),
        t if to - t <= near => Some(Edge::Upper),
        _ => None,
    };
    Choice { lambda: t.exp(), value, edge, curve }
}

/// Bisection for the zero of the slope; `None` if it does not change from falling to rising over the bracket.
fn by_slope([mut low, mut high]: [f64; 2], criterion: impl Fn(f64) -> Sample) -> Option<f64> {
    if !(criterion(low).slope? < 0.0 && criterion(high).slope? > 0.0) {
        return None;
    }
    while high - low > BRACKET {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        *(if criterion(middle).slope? > 0.0 { &mut high } else { &mut low }) = middle;
    }
    Some(0.5 * (low + high))
}

/// Golden section, to what values can tell.
fn by_value([mut low, mut high]: [f64; 2], criterion: impl Fn(f64) -> Sample) -> f64 {
    let golden = 0.5 * (5.0_f64.sqrt() - 1.0);
    let (mut left, mut right) = (high - golden * (high - low), low + golden * (high - low));
    let (mut at_left, mut at_right) = (criterion(left).value, criterion(right).value);
    while high - low > 1e-8 {
        if at_left <= at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - golden * (high - low);
            at_left = criterion(left).value;
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + golden * (high - low);
            at_right = criterion(right).value;
        }
    }
    0.5 * (low + high)
}

/// The λ at which an increasing function reaches `target`.
pub(super) fn reach([low, high]: [f64; 2], target: f64, increasing: impl Fn(f64) -> f64) -> Choice {
    let (mut from, mut to) = (low.ln(), high.ln());
    let choice = |lambda: f64, edge| Choice { lambda, value: increasing(lambda), edge, curve: Vec::new() };
    if increasing(low) >= target {
        return choice(low, Some(Edge::Lower));
    }
    if increasing(high) <= target {
        return choice(high, Some(Edge::Upper));
    }
    while to - from > BRACKET {
        let middle = 0.5 * (from + to);
        if middle <= from || middle >= to {
            break;
        }
        *(if increasing(middle.exp()) > target { &mut to } else { &mut from }) = middle;
    }
    choice((0.5 * (from + to)).exp(), None)
}

#[cfg(test)]
mod tests {
    use super::{Edge, Sample, minimize, reach};

    #[test]
    fn a_minimum_inside_is_found_and_one_on_the_edge_is_called_so() {
        let about = |centre: f64| {
            move |lambda: f64| {
                let t = (lambda / centre).ln();
                Sample { value: t * t, slope: Some(2.0 * t / lambda) }
            }
        };
        let inside = minimize([1e-6, 1e3], about(0.37));
        approx::assert_relative_eq!(inside.lambda, 0.37, max_relative = 1e-11);
        assert_eq!(inside.edge, None);
        assert_eq!(minimize([1e-6, 1e3], about(1e-9)).edge, Some(Edge::Lower));
        assert_eq!(minimize([1e-6, 1e3], about(1e9)).edge, Some(Edge::Upper));
        let by_value = minimize([1e-6, 1e3], |lambda| Sample { slope: None, ..about(0.37)(lambda) });
        approx::assert_relative_eq!(by_value.lambda, 0.37, max_relative = 1e-7);
    }

    #[test]
    fn a_level_is_reached_or_the_edge_told() {
        approx::assert_relative_eq!(reach([1e-6, 1e3], 0.2, |l| l).lambda, 0.2, max_relative = 1e-11);
        assert_eq!(reach([1e-6, 1e3], 1e-9, |l| l).edge, Some(Edge::Lower));
        assert_eq!(reach([1e-6, 1e3], 1e9, |l| l).edge, Some(Edge::Upper));
    }
}
