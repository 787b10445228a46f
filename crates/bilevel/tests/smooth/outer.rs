//! The outer methods on user-defined problems.

use bilevel::hypergradient::smooth::{Neumann, Reverse, StoppingRule, Terms};
use bilevel::outer::{
    Accuracy, Lbfgs, Nba, Ntrba, Objective, OuterOptimizer, Request, ScalarSearch, Unwatched,
};
use bilevel::smooth::{Descent, Rate, SmoothObjective};

use super::problems::{KINDS, Kind, Regression, distance, norm};

fn request() -> Request {
    Request { accuracy: Accuracy::TIGHT, selection: Default::default(), gradient: true }
}

#[test]
fn three_outer_methods_find_the_same_stationary_point_of_every_kind() {
    for kind in KINDS {
        let problem = Regression::sized(9, kind, 8, 16, 2);
        let bounds = (vec![1e-3; 2], vec![10.0; 2]);
        let run = |method: &dyn OuterOptimizer| {
            let objective = SmoothObjective::new(&problem);
            let mut objective = objective.with_bounds(bounds.0.clone(), bounds.1.clone()).unwrap();
            method.minimize(&mut objective, &[0.5, 0.5], &mut Unwatched).unwrap()
        };
        let results = [run(&Lbfgs::default()), run(&Ntrba::default()), run(&Nba::default())];
        for result in &results {
            let relative = result.evaluation.value / results[0].evaluation.value - 1.0;
            assert!(relative.abs() < 1e-5, "{kind:?}: {results:?}");
            assert!(result.evaluation.gradient_error_bound.unwrap() < 1e-6, "{:?}", result.evaluation);
        }
        assert!(distance(&results[0].theta, &results[1].theta) < 1e-2, "{kind:?}: {results:?}");
    }
}

#[test]
fn scalar_search_finds_the_ridge_weight_of_the_closed_form() {
    // A = L = B = 1, b = 3, b_val = 1: λ* = 2 (DESIGN §2.2).
    struct Tikhonov;
    impl bilevel::smooth::AutoDiff for Tikhonov {
        fn shape(&self) -> bilevel::smooth::Shape {
            bilevel::smooth::Shape { coefficients: 1, hyperparameters: 1 }
        }
        fn lower_gradient<T: bilevel::smooth::Scalar>(&self, y: &[T], lambda: &[T], out: &mut [T]) {
            out[0] = y[0] - 3.0 + lambda[0] * y[0];
        }
        fn upper_value(&self, y: &[f64], _: &[f64]) -> f64 {
            0.5 * (y[0] - 1.0).powi(2)
        }
        fn upper_gradient(&self, y: &[f64], _: &[f64], by_y: &mut [f64], _: &mut [f64]) {
            by_y[0] = y[0] - 1.0;
        }
    }
    let mut objective = SmoothObjective::new(&Tikhonov).with_bounds(vec![0.0], vec![20.0]).unwrap();
    let result = ScalarSearch::default().minimize(&mut objective, &[5.0], &mut Unwatched).unwrap();
    assert!((result.theta[0] - 2.0).abs() < 1e-3, "{result:?}");
}

#[test]
fn an_objective_on_a_neumann_series_or_an_unrolled_iteration_agrees_with_the_implicit_one() {
    let problem = Regression::sized(12, Kind::Logistic, 6, 20, 2);
    let descent = Descent::new(&problem, Rate::Fixed(1.0)).unwrap();
    let theta = [0.3, 0.6];
    let expected = SmoothObjective::new(&problem).evaluate(&theta, request()).unwrap();
    let terms = Terms::Accuracy { epsilon: 1e-9, rule: StoppingRule::Running, max_terms: 10_000 };
    let series = Neumann { map: &descent, terms };
    let by_series = SmoothObjective::new(&problem).with_method(&series).evaluate(&theta, request()).unwrap();
    let reverse = Reverse::all(&descent, 400);
    let unrolled = SmoothObjective::unrolled(&problem, &reverse, vec![0.0; 6], 2);
    let unrolled = { unrolled }.evaluate(&theta, request()).unwrap();
    for found in [by_series, unrolled] {
        assert!((found.value - expected.value).abs() < 1e-9);
        assert!(distance(&found.gradient, &expected.gradient) < 1e-8 * norm(&expected.gradient));
    }
}

#[test]
fn a_lower_level_without_a_minimizer_is_an_error_that_says_so() {
    struct Slope;
    impl bilevel::smooth::AutoDiff for Slope {
        fn shape(&self) -> bilevel::smooth::Shape {
            bilevel::smooth::Shape { coefficients: 1, hyperparameters: 1 }
        }
        fn lower_gradient<T: bilevel::smooth::Scalar>(&self, _y: &[T], lambda: &[T], out: &mut [T]) {
            out[0] = lambda[0];
        }
        fn upper_value(&self, y: &[f64], _: &[f64]) -> f64 {
            y[0]
        }
        fn upper_gradient(&self, _: &[f64], _: &[f64], by_y: &mut [f64], _: &mut [f64]) {
            by_y[0] = 1.0;
        }
    }
    let error = SmoothObjective::new(&Slope).evaluate(&[1.0], request()).unwrap_err();
    assert!(error.to_string().contains("gradient norm of the smooth lower level"), "{error}");
}

#[test]
fn a_start_at_the_solution_leaves_nothing_to_solve() {
    let problem = Regression::sized(12, Kind::Logistic, 6, 20, 2);
    let theta = [0.3, 0.6];
    let mut cold = SmoothObjective::new(&problem);
    let expected = cold.evaluate(&theta, request()).unwrap();
    let solution = cold.solution().unwrap().clone();
    let mut warm = SmoothObjective::new(&problem).with_start(solution.coefficients).unwrap();
    let found = warm.evaluate(&theta, request()).unwrap();
    assert!(solution.steps > 0 && warm.solution().unwrap().steps == 0);
    assert_eq!(found.value, expected.value);
    assert!(SmoothObjective::new(&problem).with_start(vec![0.0; 5]).is_err());
}
