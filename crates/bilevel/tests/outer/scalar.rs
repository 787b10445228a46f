//! The searches over a whole range: one parameter globally, and grids.

use bilevel::outer::{Evaluation, Grid, GridSettings, ScalarSearch, ScalarSettings, StopReason, Unwatched};
use proptest::prelude::*;

use super::objectives::{Analytic, Inexact, run, separable};

// ---- grid ----

#[test]
fn a_grid_returns_its_best_point_and_evaluates_each_once() {
    let f = separable(vec![1.0, 3.0], vec![0.21, -0.33], 0.0);
    let mut objective = Analytic::boxed(vec![-1.0; 2], vec![1.0; 2], f);
    let grid = Grid { settings: GridSettings { points: Some(21), ..GridSettings::default() } };
    let result = grid.search(&mut objective, &[], &mut Unwatched).unwrap();
    assert!((result.outer.theta[0] - 0.2).abs() < 1e-12 && (result.outer.theta[1] + 0.3).abs() < 1e-12);
    assert_eq!((result.samples.len(), result.outer.evaluations), (441, 442));
    assert_eq!(result.outer.stop_reason, StopReason::SearchComplete);
    let neighbours = |pair: &[(Vec<f64>, Evaluation)]| {
        (pair[0].0[0] - pair[1].0[0]).abs() + (pair[0].0[1] - pair[1].0[1]).abs() < 0.1 + 1e-12
    };
    assert!(result.samples.windows(2).all(neighbours), "each point is next to the one before");
}

#[test]
fn the_grid_looks_twice_at_points_that_errors_could_have_swapped() {
    // Two points whose values differ by 1e-7, less than the loose errors of 1e-6.
    let f = |x: &[f64]| {
        let value = if x[0] > 0.4 && x[0] < 0.6 {
            1.0
        } else if x[0] < 0.1 {
            1.0 + 1e-7
        } else {
            2.0
        };
        (value, vec![0.0])
    };
    let grid = Grid { settings: GridSettings { points: Some(3), ..GridSettings::default() } };
    let mut objective = Inexact(Analytic::boxed(vec![0.0], vec![1.0], f));
    assert_eq!(run(&grid, &mut objective, &[]).theta, vec![0.5]);
}

/// A function of one parameter with its derivative, and the interval.
type Curve = (&'static str, fn(f64) -> (f64, f64), f64, f64);

fn several_minima(t: f64) -> (f64, f64) {
    (2.0 + (3.0 * t).sin() + 0.1 * t * t, 3.0 * (3.0 * t).cos() + 0.2 * t)
}

fn wedge(t: f64) -> (f64, f64) {
    // Curved differently on both sides of the kink at 0.123.
    let d = t - 0.123;
    if d < 0.0 {
        (1.0 - d + 2.0 * d * d, -1.0 + 4.0 * d)
    } else {
        (1.0 + 3.0 * d - 0.1 * d * d, 3.0 - 0.2 * d)
    }
}

fn concave_wedge(t: f64) -> (f64, f64) {
    // √|d|-like from both sides, kept Lipschitz: concave pieces, so tangents mislead.
    let d: f64 = t + 0.377;
    ((1.0 + d.abs()).ln() + 1.0, d.signum() / (1.0 + d.abs()))
}

fn plateau_then_dip(t: f64) -> (f64, f64) {
    // Constant above t = 1, then a quadratic dip with its minimum at −0.7.
    if t >= 1.0 {
        (3.0, 0.0)
    } else {
        let (d, depth) = (t + 0.7, 1.7_f64 * 1.7);
        (3.0 - (depth - d * d) / depth, 2.0 * d / depth)
    }
}

fn falling(t: f64) -> (f64, f64) {
    ((t / 3.0).exp() + 1.0, (t / 3.0).exp() / 3.0)
}

fn rising(t: f64) -> (f64, f64) {
    ((-t / 3.0).exp() + 1.0, -(-t / 3.0).exp() / 3.0)
}

fn constant(_: f64) -> (f64, f64) {
    (0.7, 0.0)
}

/// Like a cross-validated squared error: quadratics in λ = e^t between kinks, continuous.
fn piecewise(t: f64) -> (f64, f64) {
    let kinks = [0.02, 0.05, 0.11, 0.3, 0.8, 1.7, 3.0];
    let slopes = [-0.9, 0.7, -1.1, 0.8, 0.35, -0.6, 0.9];
    let lambda = t.exp();
    let (mut value, mut slope) = (2.0 + 0.05 * (lambda - 1.0).powi(2), 0.1 * (lambda - 1.0));
    for (kink, s) in kinks.iter().zip(slopes) {
        if lambda > *kink {
            value += s * (lambda - kink);
            slope += s;
        }
    }
    (value, slope * lambda)
}

const CURVES: [Curve; 8] = [
    ("several minima", several_minima, -6.0, 5.0),
    ("wedge", wedge, -5.0, 4.0),
    ("concave wedge", concave_wedge, -6.0, 3.0),
    ("plateau then dip", plateau_then_dip, -8.0, 4.0),
    ("minimum at the lower end", falling, -7.0, 2.0),
    ("minimum at the upper end", rising, -7.0, 2.0),
    ("constant", constant, -7.0, 2.0),
    ("piecewise", piecewise, -6.0, 1.5),
];

fn analytic_curve((_, f, lower, upper): Curve) -> Analytic {
    Analytic::boxed(vec![lower], vec![upper], move |x| {
        let (value, slope) = f(x[0]);
        (value, vec![slope])
    })
}

fn brute_force(f: impl Fn(f64) -> f64, lower: f64, upper: f64) -> f64 {
    (0..=100_000).map(|k| f(lower + (upper - lower) * k as f64 / 1e5)).fold(f64::INFINITY, f64::min)
}

fn whole_range() -> ScalarSearch {
    ScalarSearch { settings: ScalarSettings { early_stop: None, ..ScalarSettings::default() } }
}

#[test]
fn the_scalar_search_is_as_good_as_brute_force_with_a_hundred_thousand_points() {
    for curve in CURVES {
        let result = whole_range().search(&mut analytic_curve(curve), &[], &mut Unwatched).unwrap();
        let (name, f, lower, upper) = curve;
        let brute = brute_force(|t| f(t).0, lower, upper);
        let value = result.outer.evaluation.value;
        assert!(value <= brute + 1e-9, "{name}: {value} against {brute}");
        assert_eq!(result.outer.stop_reason, StopReason::SearchComplete, "{name}");
        assert!(result.outer.evaluations <= 100 + 30, "{name}: {}", result.outer.evaluations);
        assert!(result.predicted_gap <= 1e-9 * value + 1e-12, "{name}: {}", result.predicted_gap);
        assert!(result.cautious_gap <= 1e-7 * value + 1e-12, "{name}: {}", result.cautious_gap);
        assert_eq!(result.scanned, (lower, upper), "{name}");
        assert!(result.curve.windows(2).all(|pair| pair[0].theta < pair[1].theta), "{name}");
    }
}

#[test]
fn the_scalar_search_stands_errors_in_values_and_slopes() {
    for curve in CURVES {
        let result = whole_range().search(&mut Inexact(analytic_curve(curve)), &[], &mut Unwatched).unwrap();
        let (name, f, lower, upper) = curve;
        let brute = brute_force(|t| f(t).0, lower, upper);
        let value = f(result.outer.theta[0]).0;
        assert!(value <= brute + 2e-9, "{name}: {value} against {brute}");
    }
}

#[test]
fn the_walk_ends_early_only_after_the_criterion_has_turned_up_and_the_start_was_passed() {
    // Minimum at t = 3, far above the lower end.
    let bowl = |x: &[f64]| (1.0 + (x[0] - 3.0).powi(2), vec![2.0 * (x[0] - 3.0)]);
    let objective = || Analytic::boxed(vec![-20.0], vec![5.0], bowl);
    let early = ScalarSearch::default().search(&mut objective(), &[], &mut Unwatched).unwrap();
    assert!(early.scanned.0 > 0.0 && early.scanned.1 == 5.0, "{:?}", early.scanned);
    assert!((early.outer.theta[0] - 3.0).abs() < 1e-4);
    assert!(early.outer.evaluation.value - 1.0 < 1e-9);
    let from_below = ScalarSearch::default().search(&mut objective(), &[-10.0], &mut Unwatched).unwrap();
    assert!(from_below.scanned.0 <= -10.0);
}

#[test]
fn a_rise_before_anything_is_gained_does_not_end_the_walk() {
    // Up by 0.05 over a quarter of the interval, then down to −1 at 2.
    let curve = |t: f64| {
        if t > 4.0 {
            (1.0 + 0.05 * (5.0 - t), -0.05)
        } else {
            (1.05 - (4.0 - t) + 0.25 * (4.0 - t).powi(2), 1.0 - 0.5 * (4.0 - t))
        }
    };
    let mut objective = analytic_curve(("rising first", curve, 1.0, 5.0));
    let found = ScalarSearch::default().search(&mut objective, &[], &mut Unwatched).unwrap();
    assert!((found.outer.theta[0] - 2.0).abs() < 1e-4, "{:?}", found.outer.theta);
}

#[test]
fn on_a_plateau_of_equal_values_the_largest_lambda_is_returned() {
    let result = whole_range().search(&mut analytic_curve(CURVES[6]), &[], &mut Unwatched).unwrap();
    assert_eq!(result.outer.theta, vec![2.0]);
    assert_eq!(result.outer.evaluations, 101);
}

#[test]
fn a_refinement_budget_is_kept() {
    let settings = ScalarSettings { max_refinements: 1, early_stop: None, ..ScalarSettings::default() };
    let result =
        ScalarSearch { settings }.search(&mut analytic_curve(CURVES[0]), &[], &mut Unwatched).unwrap();
    assert_eq!(result.outer.stop_reason, StopReason::MaxSteps);
    assert_eq!(result.outer.evaluations, 102);
    assert!(result.predicted_gap > 0.0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_scalar_search_matches_brute_force_on_random_piecewise_quadratics(
        kinks in proptest::collection::vec((-5.5..0.5f64, -1.0..1.0f64), 1..8),
        (a, b) in (0.0..0.5f64, -1.0..1.0f64),
    ) {
        let f = move |t: f64| {
            let (mut value, mut slope) = (5.0 + a * (t + 2.5).powi(2) + b * t, 2.0 * a * (t + 2.5) + b);
            for (kink, s) in &kinks {
                if t > *kink {
                    value += s * (t - kink);
                    slope += s;
                }
            }
            (value, slope)
        };
        let g = f.clone();
        let mut objective = Analytic::boxed(vec![-6.0], vec![1.0], move |x| { let (v, s) = g(x[0]); (v, vec![s]) });
        let result = whole_range().search(&mut objective, &[], &mut Unwatched).unwrap();
        let brute = brute_force(|t| f(t).0, -6.0, 1.0);
        let value = result.outer.evaluation.value;
        prop_assert!(value <= brute + 1e-8, "{value} against {brute}, {}", result.outer.evaluations);
    }
}
