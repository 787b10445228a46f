//! The global minimum of a criterion: the derivative at the points of a grid in log λ, then every minimum between two of them as a root of the
//! derivative. So a minimizer is one of the continuous criterion, not of a grid.

use super::criteria::Sample;

/// Points of the grid for each unit of log λ.
pub(super) const DENSE: f64 = 8.0;
/// The same for criteria of vectors, which cost n times as much.
pub(super) const SPARSE: f64 = 3.0;
/// Fewest points of the grid.
const FEWEST: usize = 64;
/// Width in log λ to which a root is found.
const WIDTH: f64 = 1e-13;
/// A bracket that shrinks by less than half in so many steps is halved.
const PATIENCE: usize = 2;

/// A point of a criterion's curve at t = log λ.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    pub t: f64,
    pub sample: Sample,
}

/// t from `low` to `high`, so many for each unit.
pub(super) fn grid(low: f64, high: f64, density: f64) -> Vec<f64> {
    let n = FEWEST.max(((high - low) * density).ceil() as usize);
    (0..=n).map(|k| low + (high - low) * k as f64 / n as f64).collect()
}

/// Brackets of the minima of a sampled curve: neighbours between which the slope turns from falling to rising, and (as points) ends at which the
/// curve falls outwards.
pub(super) fn minima(curve: &[Point]) -> Vec<(Point, Point)> {
    let finite: Vec<Point> = curve.iter().copied().filter(|p| !p.sample.slope.is_nan()).collect();
    let turns = finite.windows(2).filter(|pair| pair[0].sample.slope < 0.0 && pair[1].sample.slope >= 0.0);
    let mut found: Vec<(Point, Point)> = turns.map(|pair| (pair[0], pair[1])).collect();
    if let (Some(first), Some(last)) = (finite.first(), finite.last()) {
        if first.sample.slope >= 0.0 && first.sample.value.is_finite() {
            found.push((*first, *first));
        }
        if last.sample.slope < 0.0 {
            found.push((*last, *last));
        }
    }
    found
}

/// Widens a bracket that was found on a similar curve until the slope of this one turns inside; stays within [low, high].
pub(super) fn settle(
    bracket: (Point, Point),
    (low, high): (f64, f64),
    slope: &impl Fn(f64) -> f64,
) -> ((f64, f64), (f64, f64)) {
    let width = (bracket.1.t - bracket.0.t).max(1.0 / DENSE);
    let (mut a, mut b) = (bracket.0.t, bracket.1.t);
    let (mut at_a, mut at_b) = (slope(a), slope(b));
    while at_a >= 0.0 && a > low {
        (b, at_b) = (a, at_a);
        a = (a - width).max(low);
        at_a = slope(a);
    }
    while at_b < 0.0 && b < high {
        (a, at_a) = (b, at_b);
        b = (b + width).min(high);
        at_b = slope(b);
    }
    ((a, at_a), (b, at_b))
}

/// The root of a function that is negative at `a` and not at `b`, to rounding: secant steps (Illinois), halved where they stall.
pub(super) fn root(mut a: (f64, f64), mut b: (f64, f64), value: impl Fn(f64) -> f64) -> f64 {
    let mut stalled = 0;
    while b.0 - a.0 > WIDTH * a.0.abs().max(1.0) {
        let before = b.0 - a.0;
        let secant = b.0 - b.1 * before / (b.1 - a.1);
        let inside = secant > a.0 && secant < b.0 && stalled < PATIENCE;
        let t = if inside { secant } else { f64::midpoint(a.0, b.0) };
        if t <= a.0 || t >= b.0 {
            break;
        }
        let at_t = value(t);
        if at_t == 0.0 {
            return t;
        }
        if at_t < 0.0 {
            (a, b) = ((t, at_t), (b.0, if inside { 0.5 * b.1 } else { b.1 }));
        } else {
            (a, b) = ((a.0, if inside { 0.5 * a.1 } else { a.1 }), (t, at_t));
        }
        let halved = b.0 - a.0 <= 0.5 * before;
        stalled = if halved || !inside { 0 } else { stalled + 1 };
    }
    f64::midpoint(a.0, b.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_found_to_rounding_also_where_slopes_differ_by_orders() {
        for target in [-20.0_f64, 0.1, 3.0] {
            let value = |t: f64| t.exp() - target.exp();
            let t = root((-25.0, value(-25.0)), (5.0, value(5.0)), value);
            approx::assert_abs_diff_eq!(t, target, epsilon = 1e-11);
        }
    }

    #[test]
    fn infinite_slopes_mark_where_a_criterion_is_not_defined() {
        let value = |t: f64| if t < 1.0 { f64::NEG_INFINITY } else { t - 2.0 };
        approx::assert_abs_diff_eq!(root((0.0, value(0.0)), (9.0, value(9.0)), value), 2.0, epsilon = 1e-11);
    }
}
