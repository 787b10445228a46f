//! Degenerate smooth problems: what must still hold, or which sentence must come.
#![allow(clippy::panic, reason = "a helper of tests outside a test function")]

use bilevel::hypergradient::smooth::{
    AdjointSolver, Checkpoints, HypergradientMethod, Implicit, Preconditioner, Reverse,
};
use bilevel::smooth::{
    AutoDiff, Constants, Descent, Rate, Scalar, Shape, SmoothObjective, SmoothSolver, SmoothStatus,
    SolveSettings, gradcheck, solve, spectral_bounds,
};
use bilevel::{hypergradient, objective, outer::Objective};

/// F = ½ Σ_{j<seen} (1 + λ)(y_j − 3)² + slope·Σ y_j, L = value + ½ Σ (y_j − target)².
#[derive(Debug, Clone, Copy)]
struct Bowl {
    p: usize,
    seen: usize,
    slope: f64,
    target: f64,
    value: f64,
    lipschitz: Option<f64>,
}

const BOWL: Bowl = Bowl { p: 2, seen: 2, slope: 0.0, target: 1.0, value: 0.0, lipschitz: None };

impl AutoDiff for Bowl {
    fn shape(&self) -> Shape {
        Shape { coefficients: self.p, hyperparameters: 1 }
    }
    fn lower_gradient<T: Scalar>(&self, y: &[T], lambda: &[T], out: &mut [T]) {
        for (j, out) in out.iter_mut().enumerate() {
            let bend = if j < self.seen { (lambda[0] + 1.0) * (y[j] - 3.0) } else { T::from(0.0) };
            *out = bend + self.slope;
        }
    }
    fn upper_value(&self, y: &[f64], _: &[f64]) -> f64 {
        self.value + y.iter().map(|y| 0.5 * (y - self.target).powi(2)).sum::<f64>()
    }
    fn upper_gradient(&self, y: &[f64], _: &[f64], by_y: &mut [f64], _: &mut [f64]) {
        by_y.iter_mut().zip(y).for_each(|(g, y)| *g = y - self.target);
    }
    fn known_constants(&self, _: &[f64]) -> Constants {
        Constants { lipschitz: self.lipschitz, strong_convexity: self.lipschitz, drift: None }
    }
}

#[track_caller]
fn assert_refused<T>(result: bilevel::Result<T>, words: &str) {
    let Err(error) = result else { panic!("accepted; expected a sentence with `{words}`") };
    assert!(error.to_string().contains(words), "{error}");
}

const SOLVERS: [AdjointSolver; 4] = [
    AdjointSolver::Dense,
    AdjointSolver::ConjugateGradient(Preconditioner::None),
    AdjointSolver::ConjugateGradient(Preconditioner::Diagonal),
    AdjointSolver::Minres,
];

#[test]
fn a_problem_without_coefficients_has_a_value_and_a_gradient_of_zero() {
    let empty = Bowl { p: 0, seen: 0, value: 5.0, ..BOWL };
    for solver in SOLVERS {
        let found = Implicit::with(solver).hypergradient(&empty, &[0.5], &[]).unwrap();
        assert_eq!((found.value, found.gradient), (5.0, vec![0.0]));
    }
    for solver in [SmoothSolver::NewtonCg, SmoothSolver::Lbfgs, SmoothSolver::Nesterov] {
        let settings = SolveSettings { solver, ..SolveSettings::default() };
        assert_eq!(solve(&empty, &[0.5], &[], &settings).unwrap().status, SmoothStatus::Converged);
    }
    assert!(spectral_bounds(&empty, &[], &[0.5]).is_ok());
}

#[test]
fn where_the_criterion_is_flat_the_adjoint_is_zero_however_singular_the_hessian_and_wherever_it_starts() {
    let flat = Bowl { seen: 1, target: 3.0, ..BOWL };
    for solver in [SOLVERS[0], SOLVERS[1], SOLVERS[3]] {
        for warm_start in [None, Some(vec![1.0, -0.3])] {
            let method = Implicit { warm_start, ..Implicit::with(solver) };
            let found = method.hypergradient(&flat, &[0.5], &[3.0, 3.0]).unwrap();
            assert_eq!((found.value, found.gradient), (0.0, vec![0.0]), "{solver:?}");
        }
    }
}

#[test]
fn a_warm_start_of_minres_leads_to_the_same_adjoint() {
    let method = |warm_start| Implicit { warm_start, ..Implicit::with(AdjointSolver::Minres) };
    let cold = method(None).hypergradient(&BOWL, &[0.5], &[2.0, 2.5]).unwrap();
    let warm = method(Some(vec![5.0, -7.0])).hypergradient(&BOWL, &[0.5], &[2.0, 2.5]).unwrap();
    let again = method(Some(cold.adjoint.clone())).hypergradient(&BOWL, &[0.5], &[2.0, 2.5]).unwrap();
    for other in [warm, again] {
        approx::assert_relative_eq!(other.gradient[0], cold.gradient[0], max_relative = 1e-11);
    }
}

#[test]
fn a_criterion_that_is_no_number_is_refused() {
    let undefined = Bowl { value: f64::NAN, ..BOWL };
    assert_refused(
        Implicit::default().hypergradient(&undefined, &[0.5], &[2.0; 2]),
        "value of the criterion",
    );
}

#[test]
fn lower_levels_that_give_no_step_are_said_to_be_so() {
    let linear = Bowl { seen: 0, slope: 1.0, ..BOWL };
    for problem in [
        linear,
        Bowl { lipschitz: Some(0.0), ..BOWL },
        Bowl { lipschitz: Some(f64::NAN), ..BOWL },
        Bowl { lipschitz: Some(-1.0), ..BOWL },
        Bowl { lipschitz: Some(f64::INFINITY), ..BOWL },
    ] {
        for solver in [SmoothSolver::GradientDescent, SmoothSolver::HeavyBall, SmoothSolver::Nesterov] {
            let settings = SolveSettings { solver, ..SolveSettings::default() };
            assert_refused(solve(&problem, &[0.5], &[0.0; 2], &settings), "Lipschitz constant");
        }
    }
    for solver in [SmoothSolver::NewtonCg, SmoothSolver::Lbfgs] {
        let settings = SolveSettings { solver, ..SolveSettings::default() };
        assert_eq!(solve(&linear, &[0.5], &[0.0; 2], &settings).unwrap().status, SmoothStatus::Stalled);
    }
    let mut objective = SmoothObjective::new(&linear);
    let request = objective::tight(hypergradient::BiactivePolicy::Null);
    assert_refused(objective.evaluate(&[0.5], request), "is it convex");
}

#[test]
fn no_solver_takes_more_steps_than_it_may() {
    for solver in [SmoothSolver::GradientDescent, SmoothSolver::HeavyBall, SmoothSolver::Nesterov] {
        for max_steps in [0, 3, 13] {
            let settings = SolveSettings { solver, max_steps, tolerance: 1e-300 };
            let slow = Bowl { lipschitz: Some(100.0), ..BOWL };
            let found = solve(&slow, &[0.5], &[0.0; 2], &settings).unwrap();
            assert_eq!((found.steps, found.status), (max_steps, SmoothStatus::MaxSteps), "{solver:?}");
        }
    }
}

#[test]
fn tolerances_that_are_no_numbers_are_refused() {
    for tolerance in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let settings = SolveSettings { tolerance, ..SolveSettings::default() };
        assert_refused(solve(&BOWL, &[0.5], &[0.0; 2], &settings), "setting `tolerance`");
        assert_refused(gradcheck(&BOWL, &[2.0; 2], &[0.5], tolerance), "setting `tolerance`");
    }
}

#[test]
fn more_checkpoints_than_steps_are_as_good_as_all() {
    let descent = Descent::new(&BOWL, Rate::Fixed(0.3)).unwrap();
    let with = |checkpoints| {
        let method = Reverse { map: &descent, steps: 7, last: 7, checkpoints };
        method.hypergradient(&BOWL, &[0.5], &[0.0, 1.0]).unwrap().gradient
    };
    assert_eq!(with(Checkpoints::Binomial(usize::MAX)), with(Checkpoints::All));
    assert_eq!(with(Checkpoints::Binomial(0)), with(Checkpoints::All));
}
