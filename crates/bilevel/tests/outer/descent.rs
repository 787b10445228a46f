//! The descent methods on smooth and nonsmooth functions, with errors, and as they end.

use std::ops::ControlFlow;

use bilevel::hypergradient::BiactivePolicy;
use bilevel::outer::{
    Accuracy, AccuracySchedule, Evaluation, Grid, Lbfgs, LbfgsSettings, Nba, NbaSettings, Ntrba,
    NtrbaSettings, Objective, OuterOptimizer, Progress, Request, ScalarSearch, StepRule, StopReason,
    Unwatched,
};
use bilevel::{Error, Result};

use super::objectives::{
    Analytic, Inexact, max_of_quadratics, nonsmooth_rosenbrock, patient_nba, patient_ntrba, rosenbrock, run,
    separable,
};

// ---- smooth ----

#[test]
fn every_method_finds_the_center_of_a_quadratic_bowl() {
    let methods: [(&dyn OuterOptimizer, f64); 3] = [
        (&Lbfgs::default(), 1e-10),
        (&patient_nba(StepRule::default(), 500), 1e-8),
        (&patient_ntrba(500), 1e-8),
    ];
    for (method, tolerance) in methods {
        let mut objective = Analytic::free(3, separable(vec![1.0, 2.0, 4.0], vec![0.5, -1.0, 2.0], 1.0));
        let result = run(method, &mut objective, &[0.0; 3]);
        assert!(result.evaluation.value - 1.0 < tolerance, "{}: {result:?}", method.name());
        assert!(matches!(result.stop_reason, StopReason::Stationary | StopReason::SmallStep), "{result:?}");
        assert_eq!(result.evaluations, objective.requests.len());
        assert_eq!(objective.requests.last().unwrap().1.accuracy, Accuracy::TIGHT);
    }
}

#[test]
fn bound_coordinates_end_at_the_projection_of_the_center() {
    let methods: [&dyn OuterOptimizer; 3] =
        [&Lbfgs::default(), &patient_nba(StepRule::default(), 500), &patient_ntrba(500)];
    for method in methods {
        let f = separable(vec![1.0, 2.0, 4.0], vec![5.0, -5.0, 0.25], 1.0);
        let mut objective = Analytic::boxed(vec![-1.0; 3], vec![1.0; 3], f);
        let result = run(method, &mut objective, &[0.0; 3]);
        // KKT: 8 + 16 + 0 + 1 at (1, −1, 0.25).
        assert!((result.evaluation.value - 25.0).abs() < 1e-7, "{}: {result:?}", method.name());
        assert_eq!(&result.theta[..2], &[1.0, -1.0], "{}", method.name());
        assert_eq!(result.stop_reason, StopReason::Stationary, "{}", method.name());
    }
}

#[test]
fn lbfgs_solves_rosenbrock_in_few_evaluations() {
    let mut objective = Analytic::free(2, rosenbrock);
    let result = run(&Lbfgs::default(), &mut objective, &[-1.2, 1.0]);
    assert!(result.evaluation.value < 1e-12, "{result:?}");
    assert!(result.evaluations < 250, "{}", result.evaluations);
}

#[test]
fn a_start_outside_the_box_is_projected_and_a_corner_solution_needs_no_step() {
    for method in [&Lbfgs::default() as &dyn OuterOptimizer, &Ntrba::default(), &Nba::default()] {
        let mut objective =
            Analytic::boxed(vec![0.0; 2], vec![1.0; 2], separable(vec![1.0; 2], vec![3.0, -2.0], 0.0));
        let result = run(method, &mut objective, &[10.0, -10.0]);
        assert_eq!(result.theta, vec![1.0, 0.0]);
        assert_eq!((result.steps, result.stop_reason), (0, StopReason::Stationary));
        assert!(result.evaluations <= 2);
    }
}

#[test]
fn without_parameters_the_start_is_the_answer() {
    for method in [&Lbfgs::default() as &dyn OuterOptimizer, &Ntrba::default(), &Nba::default()] {
        let result = run(method, &mut Analytic::free(0, |_| (2.0, Vec::new())), &[]);
        assert_eq!((result.evaluation.value, result.stop_reason), (2.0, StopReason::Stationary));
    }
}

// ---- nonsmooth ----

#[test]
fn lbfgs_finds_minima_that_lie_on_kinks() {
    type Case = (fn(&[f64]) -> (f64, Vec<f64>), [f64; 2], f64);
    let cases: [Case; 3] = [
        (nonsmooth_rosenbrock, [-1.0, 1.5], 0.0),
        (nonsmooth_rosenbrock, [0.3, -2.0], 0.0),
        (max_of_quadratics, [0.7, 1.3], 0.5),
    ];
    for (f, start, minimum) in cases {
        let result = run(&Lbfgs::default(), &mut Analytic::free(2, f), &start);
        assert!(result.evaluation.value - minimum < 1e-6, "{result:?}");
        assert!(result.evaluations < 3000, "{result:?}");
    }
}

#[test]
fn lbfgs_slides_along_an_edge_that_minus_h_cannot_descend_from() {
    // |θ₁|·1000 + θ₂²/2 from a point on the edge: −h points across it and Φ rises at once.
    let f = |x: &[f64]| {
        let sign = if x[0] >= 0.0 { 1000.0 } else { -1000.0 };
        (1.0 + 1000.0 * x[0].abs() + 0.5 * x[1] * x[1], vec![sign, x[1]])
    };
    let result = run(&Lbfgs::default(), &mut Analytic::free(2, f), &[0.0, 3.0]);
    assert!(result.evaluation.value < 1.0 + 1e-8, "{result:?}");
    assert_eq!(result.stop_reason, StopReason::Stationary);
    assert!(result.evaluations < 600, "{}", result.evaluations);
}

#[test]
fn the_trust_region_shrinks_to_a_kink() {
    // Left of 0 the slope is −1, right of it +2: no step along −h descends from 0.
    let f = |x: &[f64]| if x[0] < 0.0 { (1.0 - x[0], vec![-1.0]) } else { (1.0 + 2.0 * x[0], vec![2.0]) };
    let result = run(&patient_ntrba(500), &mut Analytic::free(1, f), &[0.83]);
    assert_eq!(result.stop_reason, StopReason::SmallStep);
    assert!(result.evaluation.value < 1.0 + 1e-7, "{result:?}");
    assert!(result.evaluations < 300, "{}", result.evaluations);
}

#[test]
fn diminishing_steps_converge_on_a_convex_kink_and_fixed_steps_to_their_length() {
    let f = |x: &[f64]| {
        let s = |t: f64| if t >= 0.0 { 1.0 } else { -1.0 };
        (x[0].abs() + 2.0 * x[1].abs(), vec![s(x[0]), 2.0 * s(x[1])])
    };
    let diminishing =
        run(&patient_nba(StepRule::Diminishing(0.1), 4000), &mut Analytic::free(2, f), &[0.83, -0.41]);
    assert!(diminishing.evaluation.value < 1e-2, "{diminishing:?}");
    let fixed = run(&patient_nba(StepRule::Fixed(0.05), 500), &mut Analytic::free(2, f), &[0.83, -0.41]);
    assert!(fixed.evaluation.value < 0.15, "{fixed:?}");
    assert_eq!(fixed.stop_reason, StopReason::MaxSteps);
}

#[test]
fn a_kink_in_one_parameter_ends_a_fixed_step_search_on_a_plateau() {
    let f = |x: &[f64]| (1.0 + x[0].abs(), vec![if x[0] >= 0.0 { 1.0 } else { -1.0 }]);
    let nba = Nba { settings: NbaSettings { rule: StepRule::Fixed(0.1), ..NbaSettings::default() } };
    let result = run(&nba, &mut Analytic::free(1, f), &[0.95]);
    assert_eq!(result.stop_reason, StopReason::Plateau);
    assert!((result.evaluation.value - 1.05).abs() < 1e-9, "{result:?}");
}

// ---- published behaviour of the trust region ----

#[test]
fn the_radius_doubles_on_very_good_steps_and_is_quartered_on_rejection() {
    // A slope of −1 down to θ = 1, then +3: steps 0.1, 0.2, 0.4 are perfect, the one to 1.5 is rejected.
    let f = |x: &[f64]| if x[0] < 1.0 { (10.0 - x[0], vec![-1.0]) } else { (6.0 + 3.0 * x[0], vec![3.0]) };
    let mut radii = Vec::new();
    let mut monitor = |progress: &Progress<'_>| {
        radii.push((progress.radius.unwrap(), progress.accepted));
        ControlFlow::Continue(())
    };
    let settings = NtrbaSettings { max_steps: 5, ..NtrbaSettings::default() };
    let result = Ntrba { settings }.minimize(&mut Analytic::free(1, f), &[0.0], &mut monitor).unwrap();
    let expected = [(0.1, true), (0.1, true), (0.2, true), (0.4, true), (0.8, false), (0.2, true)];
    for ((radius, accepted), (r, a)) in radii.iter().zip(expected) {
        assert!((radius - r).abs() < 1e-12 && *accepted == a, "{radii:?}");
    }
    assert_eq!(result.stop_reason, StopReason::MaxSteps);
    assert!((result.theta[0] - 0.9).abs() < 1e-12);
}

#[test]
fn five_small_gains_in_a_row_are_a_plateau() {
    let f = |x: &[f64]| (1.0 - 1e-6 * x[0], vec![-1e-6]);
    let mut objective = Analytic::free(1, f);
    let ntrba = Ntrba { settings: NtrbaSettings { stationarity: 0.0, ..NtrbaSettings::default() } };
    let result = run(&ntrba, &mut objective, &[0.0]);
    assert_eq!((result.steps, result.stop_reason), (5, StopReason::Plateau));
}

#[test]
fn a_rejected_step_is_tried_once_with_the_null_policy_and_only_where_something_is_biactive() {
    /// Φ = |θ₁| + θ₂² whose self-consistent gradient is wrong in sign; the null policy's is right.
    struct Misled(usize);
    impl Objective for Misled {
        fn n_parameters(&self) -> usize {
            1
        }
        fn bounds(&self) -> (Vec<f64>, Vec<f64>) {
            (vec![-10.0], vec![10.0])
        }
        fn evaluate(&mut self, theta: &[f64], request: Request) -> Result<Evaluation> {
            let sign = if request.selection.policy == BiactivePolicy::Null { 1.0 } else { -1.0 };
            Ok(Evaluation {
                value: 1.0 + theta[0].powi(2),
                standard_error: 0.0,
                gradient: if request.gradient { vec![sign * 2.0 * theta[0]] } else { Vec::new() },
                gradient_error_bound: None,
                relative_gap: 0.0,
                support_size: 0.0,
                biactive: self.0,
            })
        }
    }
    let rescued = run(&Ntrba::default(), &mut Misled(1), &[1.0]);
    assert!(rescued.evaluation.value < 1.0 + 1e-3, "{rescued:?}");
    let stuck = run(&Ntrba::default(), &mut Misled(0), &[1.0]);
    assert_eq!((stuck.theta[0], stuck.stop_reason), (1.0, StopReason::SmallStep));
}

// ---- inexact objectives ----

#[test]
fn all_methods_converge_on_values_and_gradients_with_errors_and_end_tight() {
    let methods: [(&dyn OuterOptimizer, f64); 3] = [
        (&Lbfgs::default(), 1e-7),
        (&patient_nba(StepRule::default(), 300), 1e-6),
        (&patient_ntrba(300), 1e-6),
    ];
    for (method, tolerance) in methods {
        let f = separable(vec![1.0, 2.0, 4.0], vec![0.5, -1.0, 2.0], 1.0);
        let mut objective = Inexact(Analytic::boxed(vec![-2.0; 3], vec![1.5; 3], f));
        let result = run(method, &mut objective, &[0.0; 3]);
        // ½·4·0.5² + 1 at (0.5, −1, 1.5).
        assert!(result.evaluation.value - 1.5 < tolerance, "{}: {result:?}", method.name());
        let gaps: Vec<f64> =
            objective.0.requests.iter().map(|(_, request)| request.accuracy.relative_gap).collect();
        assert_eq!(gaps[0], 1e-6, "begins loosely");
        assert!(gaps.windows(2).all(|pair| pair[1] <= pair[0]), "never looser again");
        assert_eq!(*gaps.last().unwrap(), 1e-10);
    }
}

#[test]
fn far_from_the_minimum_loose_solves_are_enough() {
    let f = separable(vec![1.0; 2], vec![50.0, 0.0], 1.0);
    let mut objective = Inexact(Analytic::free(2, f));
    let ntrba = Ntrba { settings: NtrbaSettings { max_steps: 5, ..NtrbaSettings::default() } };
    run(&ntrba, &mut objective, &[0.0; 2]);
    let requests = &objective.0.requests;
    assert!(requests[..requests.len() - 1].iter().all(|(_, request)| request.accuracy.relative_gap == 1e-6));
}

// ---- the answer is never worse than the start; cancellation; determinism; refusals ----

#[test]
fn a_monitor_ends_a_method_with_its_reason_and_the_best_point_so_far() {
    let methods: [&dyn OuterOptimizer; 5] =
        [&Lbfgs::default(), &Nba::default(), &Ntrba::default(), &ScalarSearch::default(), &Grid::default()];
    for method in methods {
        for (limit, reason) in
            [(0, StopReason::Cancelled), (1, StopReason::Cancelled), (2, StopReason::TimeLimit)]
        {
            let f = |x: &[f64]| (1.0 + (x[0] - 1.0).powi(4), vec![4.0 * (x[0] - 1.0).powi(3)]);
            let mut objective = Analytic::boxed(vec![-3.0], vec![5.0], f);
            let mut seen = f64::INFINITY;
            let mut monitor = |progress: &Progress<'_>| {
                seen = seen.min(progress.evaluation.value);
                if progress.step >= limit { ControlFlow::Break(reason) } else { ControlFlow::Continue(()) }
            };
            let result = method.minimize(&mut objective, &[3.0], &mut monitor).unwrap();
            assert_eq!(result.stop_reason, reason, "{}", method.name());
            assert!(result.steps <= limit.max(1));
            assert!(result.evaluation.value <= seen);
            assert_eq!(result.evaluation.value, objective.value(&result.theta));
            assert_eq!(result.evaluation.gradient.len(), 1);
        }
    }
}

#[test]
fn the_same_run_twice_asks_for_the_same_evaluations() {
    let methods: [&dyn OuterOptimizer; 3] = [&Lbfgs::default(), &Nba::default(), &Ntrba::default()];
    for method in methods {
        let go = || {
            let mut objective = Inexact(Analytic::free(2, nonsmooth_rosenbrock));
            let result = run(method, &mut objective, &[-1.0, 1.5]);
            (result, objective.0.requests)
        };
        assert_eq!(go(), go());
    }
}

#[test]
fn values_that_are_not_finite_are_rejected_steps_and_no_end() {
    // log-barrier like: undefined beyond θ = 1.
    let f = |x: &[f64]| {
        if x[0] >= 1.0 {
            (f64::NAN, vec![f64::NAN])
        } else {
            (x[0].powi(2) - 3.0 * x[0], vec![2.0 * x[0] - 3.0])
        }
    };
    for method in [&Lbfgs::default() as &dyn OuterOptimizer, &patient_ntrba(200), &Nba::default()] {
        let result = run(method, &mut Analytic::free(1, f), &[0.0]);
        assert!(result.theta[0] > 0.99 && result.theta[0] < 1.0, "{}: {result:?}", method.name());
    }
    let outside = Lbfgs::default().minimize(&mut Analytic::free(1, f), &[2.0], &mut Unwatched);
    assert!(matches!(outside, Err(Error::InvalidData { .. })));
}

#[test]
fn starts_bounds_and_settings_that_do_not_fit_are_refused() {
    let quadratic = || Analytic::free(2, separable(vec![1.0; 2], vec![0.0; 2], 0.0));
    let lbfgs = Lbfgs::default();
    assert!(lbfgs.minimize(&mut quadratic(), &[1.0], &mut Unwatched).is_err());
    assert!(lbfgs.minimize(&mut quadratic(), &[1.0, f64::NAN], &mut Unwatched).is_err());
    assert!(Grid::default().minimize(&mut quadratic(), &[1.0, 1.0], &mut Unwatched).is_err(), "unbounded");
    assert!(ScalarSearch::default().minimize(&mut quadratic(), &[1.0], &mut Unwatched).is_err());
    let bad: [&dyn OuterOptimizer; 4] = [
        &Ntrba { settings: NtrbaSettings { initial_radius: 0.0, ..NtrbaSettings::default() } },
        &Ntrba { settings: NtrbaSettings { shrink_factor: 1.0, ..NtrbaSettings::default() } },
        &Lbfgs { settings: LbfgsSettings { sufficient: 0.9, ..LbfgsSettings::default() } },
        &Nba { settings: NbaSettings { rule: StepRule::Fixed(f64::NAN), ..NbaSettings::default() } },
    ];
    for method in bad {
        let refused = method.minimize(&mut quadratic(), &[1.0, 1.0], &mut Unwatched);
        assert!(matches!(refused, Err(Error::InvalidSetting { .. })), "{refused:?}");
    }
}

#[test]
fn an_error_of_the_objective_is_passed_on() {
    struct Broken;
    impl Objective for Broken {
        fn n_parameters(&self) -> usize {
            1
        }
        fn bounds(&self) -> (Vec<f64>, Vec<f64>) {
            (vec![0.0], vec![1.0])
        }
        fn evaluate(&mut self, _: &[f64], _: Request) -> Result<Evaluation> {
            Err(Error::LowerLevel { iterations: 7, gap: 1.0, tolerance: 0.5 })
        }
    }
    let methods: [&dyn OuterOptimizer; 3] = [&Lbfgs::default(), &ScalarSearch::default(), &Grid::default()];
    for method in methods {
        let error = method.minimize(&mut Broken, &[0.5], &mut Unwatched).unwrap_err();
        assert!(matches!(error, Error::LowerLevel { iterations: 7, .. }));
    }
}

#[test]
fn a_schedule_that_is_tight_from_the_start_never_asks_loosely() {
    let settings = LbfgsSettings { accuracy: AccuracySchedule::tight(), ..LbfgsSettings::default() };
    let mut objective = Inexact(Analytic::free(2, rosenbrock));
    run(&Lbfgs { settings }, &mut objective, &[-1.2, 1.0]);
    assert!(objective.0.requests.iter().all(|(_, request)| request.accuracy == Accuracy::TIGHT));
}
