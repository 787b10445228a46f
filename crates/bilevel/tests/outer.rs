//! Outer methods against closed forms and brute force, exact and inexact objectives.

use std::ops::ControlFlow;

use bilevel::hypergradient::BiactivePolicy;
use bilevel::outer::{
    Accuracy, AccuracySchedule, Evaluation, Grid, GridSettings, Lbfgs, LbfgsSettings, Nba, NbaSettings,
    Ntrba, NtrbaSettings, Objective, OuterOptimizer, OuterResult, Progress, Request, ScalarSearch,
    ScalarSettings, StepRule, StopReason, Unwatched,
};
use bilevel::{Error, Result};
use proptest::prelude::*;

// ---- objectives ----

type Function = Box<dyn Fn(&[f64]) -> (f64, Vec<f64>)>;

/// A function in closed form as an objective. It notes what it was asked.
struct Analytic {
    function: Function,
    lower: Vec<f64>,
    upper: Vec<f64>,
    requests: Vec<(Vec<f64>, Request)>,
}

impl Analytic {
    fn free(n: usize, function: impl Fn(&[f64]) -> (f64, Vec<f64>) + 'static) -> Self {
        Self::boxed(vec![f64::NEG_INFINITY; n], vec![f64::INFINITY; n], function)
    }

    fn boxed(
        lower: Vec<f64>,
        upper: Vec<f64>,
        function: impl Fn(&[f64]) -> (f64, Vec<f64>) + 'static,
    ) -> Self {
        Self { function: Box::new(function), lower, upper, requests: Vec::new() }
    }

    fn value(&self, theta: &[f64]) -> f64 {
        (self.function)(theta).0
    }
}

impl Objective for Analytic {
    fn n_parameters(&self) -> usize {
        self.lower.len()
    }

    fn bounds(&self) -> (Vec<f64>, Vec<f64>) {
        (self.lower.clone(), self.upper.clone())
    }

    fn evaluate(&mut self, theta: &[f64], request: Request) -> Result<Evaluation> {
        for (t, (l, u)) in theta.iter().zip(self.lower.iter().zip(&self.upper)) {
            assert!(l <= t && t <= u, "{t} is outside [{l}, {u}]");
        }
        self.requests.push((theta.to_vec(), request));
        let (value, gradient) = (self.function)(theta);
        Ok(Evaluation {
            value,
            standard_error: 0.0,
            gradient: if request.gradient { gradient } else { Vec::new() },
            gradient_error_bound: 0.0,
            relative_gap: 0.0,
            support_size: 0.0,
            biactive: 0,
        })
    }
}

/// The same with errors as large as the request allows, of a sign and direction that θ and the accuracy determine.
struct Inexact(Analytic);

impl Objective for Inexact {
    fn n_parameters(&self) -> usize {
        self.0.n_parameters()
    }

    fn bounds(&self) -> (Vec<f64>, Vec<f64>) {
        self.0.bounds()
    }

    fn evaluate(&mut self, theta: &[f64], request: Request) -> Result<Evaluation> {
        let mut evaluation = self.0.evaluate(theta, request)?;
        let gap = request.accuracy.relative_gap;
        let mut noise = Noise::at(theta, gap);
        evaluation.value *= 1.0 + 0.99 * gap * noise.next();
        let bound = 10.0 * gap;
        let direction: Vec<f64> = evaluation.gradient.iter().map(|_| noise.next()).collect();
        let size = direction.iter().map(|d| d * d).sum::<f64>().sqrt().max(1e-300);
        for (h, d) in evaluation.gradient.iter_mut().zip(&direction) {
            *h += bound * d / size;
        }
        evaluation.gradient_error_bound = bound;
        evaluation.relative_gap = gap;
        Ok(evaluation)
    }
}

/// Deterministic numbers in [−1, 1] (splitmix64).
struct Noise(u64);

impl Noise {
    fn at(theta: &[f64], gap: f64) -> Self {
        Self(theta.iter().fold(gap.to_bits(), |h, t| (h ^ t.to_bits()).wrapping_mul(0x9E37_79B9_7F4A_7C15)))
    }

    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        2.0 * ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64 - 1.0
    }
}

/// ½Σ c_i(θ_i − a_i)² + offset: minimum at the projection of a to the box.
fn separable(curvatures: Vec<f64>, center: Vec<f64>, offset: f64) -> impl Fn(&[f64]) -> (f64, Vec<f64>) {
    move |theta| {
        let gradient: Vec<f64> =
            theta.iter().zip(curvatures.iter().zip(&center)).map(|(t, (c, a))| c * (t - a)).collect();
        let value =
            theta.iter().zip(&center).zip(&gradient).map(|((t, a), g)| 0.5 * (t - a) * g).sum::<f64>();
        (value + offset, gradient)
    }
}

/// 8|x₁² − x₂| + (1 − x₁)²: minimum 0 at (1, 1), on the kink.
fn nonsmooth_rosenbrock(x: &[f64]) -> (f64, Vec<f64>) {
    let r = x[0] * x[0] - x[1];
    let sign = if r >= 0.0 { 1.0 } else { -1.0 };
    let value = 8.0 * r.abs() + (1.0 - x[0]).powi(2);
    (value, vec![16.0 * sign * x[0] - 2.0 * (1.0 - x[0]), -8.0 * sign])
}

/// max of two quadratics ½‖x − e₁‖², ½‖x + e₁‖² (+ ½x₂²): minimum ½ at 0, on the kink x₁ = 0.
fn max_of_quadratics(x: &[f64]) -> (f64, Vec<f64>) {
    let s = if x[0] >= 0.0 { 1.0 } else { -1.0 };
    (0.5 * (x[0] + s).powi(2) + x[1] * x[1], vec![x[0] + s, 2.0 * x[1]])
}

fn rosenbrock(x: &[f64]) -> (f64, Vec<f64>) {
    let r = x[1] - x[0] * x[0];
    let value = 100.0 * r * r + (1.0 - x[0]).powi(2);
    (value, vec![-400.0 * r * x[0] - 2.0 * (1.0 - x[0]), 200.0 * r])
}

fn run(method: &dyn OuterOptimizer, objective: &mut dyn Objective, start: &[f64]) -> OuterResult {
    method.minimize(objective, start, &mut Unwatched).unwrap()
}

/// NBA and NTRBA with the early stops that are meant for noisy data switched off, and room to converge.
fn patient_nba(rule: StepRule, max_steps: usize) -> Nba {
    Nba { settings: NbaSettings { rule, max_steps, patience: 0, ..NbaSettings::default() } }
}

fn patient_ntrba(max_steps: usize) -> Ntrba {
    Ntrba { settings: NtrbaSettings { max_steps, patience: 0, ..NtrbaSettings::default() } }
}

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
    let cases: [(fn(&[f64]) -> (f64, Vec<f64>), [f64; 2], f64); 3] = [
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
            let sign = if request.policy == BiactivePolicy::Null { 1.0 } else { -1.0 };
            Ok(Evaluation {
                value: 1.0 + theta[0].powi(2),
                standard_error: 0.0,
                gradient: if request.gradient { vec![sign * 2.0 * theta[0]] } else { Vec::new() },
                gradient_error_bound: 0.0,
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

// ---- the global search over one parameter ----

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
        assert!(result.outer.evaluations <= 100 + 20, "{name}: {}", result.outer.evaluations);
        assert!(result.predicted_gap <= 1e-9 * value + 1e-12, "{name}: {}", result.predicted_gap);
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

// ---- random problems ----

/// A strongly convex quadratic ½θᵀQθ − bᵀθ + 10 with Q = I + VVᵀ.
#[derive(Debug, Clone)]
struct Quadratic {
    q: Vec<Vec<f64>>,
    b: Vec<f64>,
    lower: Vec<f64>,
    upper: Vec<f64>,
}

impl Quadratic {
    fn evaluate(&self, x: &[f64]) -> (f64, Vec<f64>) {
        let qx: Vec<f64> = self.q.iter().map(|row| row.iter().zip(x).map(|(a, b)| a * b).sum()).collect();
        let value = x.iter().zip(&qx).zip(&self.b).map(|((x, q), b)| 0.5 * x * q - b * x).sum::<f64>() + 10.0;
        (value, qx.iter().zip(&self.b).map(|(q, b)| q - b).collect())
    }

    /// The minimum in the box by coordinate descent with exact steps: an independent, convergent method.
    fn minimum(&self) -> f64 {
        let mut x: Vec<f64> = self.lower.iter().zip(&self.upper).map(|(l, u)| 0.5 * (l + u)).collect();
        for _ in 0..2000 {
            for i in 0..x.len() {
                let g = self.evaluate(&x).1[i];
                x[i] = (x[i] - g / self.q[i][i]).max(self.lower[i]).min(self.upper[i]);
            }
        }
        self.evaluate(&x).0
    }

    fn objective(&self) -> Analytic {
        let quadratic = self.clone();
        Analytic::boxed(self.lower.clone(), self.upper.clone(), move |x| quadratic.evaluate(x))
    }
}

fn quadratics() -> impl Strategy<Value = Quadratic> {
    (1usize..=20).prop_flat_map(|n| {
        let entries = proptest::collection::vec(-1.0..1.0f64, n * n);
        let b = proptest::collection::vec(-5.0..5.0f64, n);
        let boxes = proptest::collection::vec((-2.0..0.5f64, 0.0..2.0f64), n);
        (entries, b, boxes).prop_map(move |(v, b, boxes)| {
            let entry = |i: usize, j: usize| -> f64 {
                (0..n).map(|k| v[i * n + k] * v[j * n + k]).sum::<f64>() + if i == j { 1.0 } else { 0.0 }
            };
            Quadratic {
                q: (0..n).map(|i| (0..n).map(|j| entry(i, j)).collect()).collect(),
                b,
                lower: boxes.iter().map(|(l, _)| *l).collect(),
                upper: boxes.iter().map(|(l, w)| l + w).collect(),
            }
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn lbfgs_minimizes_random_quadratics_in_random_boxes(quadratic in quadratics()) {
        let mut objective = quadratic.objective();
        let result = run(&Lbfgs::default(), &mut objective, &quadratic.lower);
        let minimum = quadratic.minimum();
        let tolerance = 1e-8 * (1.0 + minimum.abs());
        prop_assert!(result.evaluation.value - minimum < tolerance, "{} against {minimum}: {result:?}", result.evaluation.value);
        prop_assert!(result.evaluations < 1000, "{}", result.evaluations);
    }

    #[test]
    fn no_method_is_ever_worse_than_its_start(quadratic in quadratics(), t in 0.0..1.0f64) {
        let start: Vec<f64> =
            quadratic.lower.iter().zip(&quadratic.upper).map(|(l, u)| l + t * (u - l)).collect();
        let fixed = Nba { settings: NbaSettings { rule: StepRule::Fixed(3.0), ..NbaSettings::default() } };
        let methods: [&dyn OuterOptimizer; 4] = [&Lbfgs::default(), &Nba::default(), &fixed, &Ntrba::default()];
        for method in methods {
            let mut objective = Inexact(quadratic.objective());
            let result = run(method, &mut objective, &start);
            let before = quadratic.evaluate(&start).0;
            prop_assert!(quadratic.evaluate(&result.theta).0 <= before + 2e-10 * before.abs());
        }
    }

    #[test]
    fn the_scalar_search_matches_brute_force_on_random_piecewise_quadratics(
        kinks in proptest::collection::vec((-5.5..0.5f64, -1.0..1.0f64), 1..8),
        (a, b) in (0.0..0.5f64, -1.0..1.0f64),
    ) {
        // Kinks may be closer to each other than the grid is wide: then only a finer grid can tell.
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

#[test]
fn a_schedule_that_is_tight_from_the_start_never_asks_loosely() {
    let settings = LbfgsSettings { accuracy: AccuracySchedule::tight(), ..LbfgsSettings::default() };
    let mut objective = Inexact(Analytic::free(2, rosenbrock));
    run(&Lbfgs { settings }, &mut objective, &[-1.2, 1.0]);
    assert!(objective.0.requests.iter().all(|(_, request)| request.accuracy == Accuracy::TIGHT));
}
