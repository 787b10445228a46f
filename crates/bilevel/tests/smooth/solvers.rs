//! The lower-level solvers reach the same point, and say how.

use bilevel::smooth::{
    Descent, MomentumKind, Rate, SmoothSolver, SmoothStatus, SoftThreshold, SolveSettings, fixed_point,
    solve, spectral_bounds,
};

use super::problems::{KINDS, Kind, Regression, differences, distance, norm, solution};

const SOLVERS: [SmoothSolver; 5] = [
    SmoothSolver::NewtonCg,
    SmoothSolver::Lbfgs,
    SmoothSolver::GradientDescent,
    SmoothSolver::HeavyBall,
    SmoothSolver::Nesterov,
];

#[test]
fn all_solvers_reach_the_minimizer_of_every_kind() {
    for (seed, kind) in (0..5).flat_map(|seed| KINDS.map(|kind| (seed, kind))) {
        let problem = Regression::random(seed, kind);
        let lambda = problem.lambda(seed);
        let expected = solution(&problem, &lambda);
        // The minimizer of the function whose gradient was written.
        let slope = differences(&expected, 1e-3, |y| problem.lower_value(y, &lambda));
        assert!(norm(&slope) < 1e-9, "{slope:?}");
        for solver in SOLVERS {
            let settings = SolveSettings { solver, tolerance: 1e-11, ..SolveSettings::default() };
            let answer = solve(&problem, &lambda, &vec![1.0; problem.p], &settings).unwrap();
            assert_eq!(answer.status, SmoothStatus::Converged, "{kind:?} {solver:?}: {answer:?}");
            assert!(distance(&answer.coefficients, &expected) < 1e-9, "{kind:?} {solver:?}");
            assert!(answer.gradients > 0 && answer.steps > 0);
        }
    }
}

#[test]
fn momentum_needs_fewer_steps_than_plain_descent_on_an_ill_conditioned_quadratic() {
    let problem = Regression::sized(3, Kind::Quadratic, 20, 22, 1);
    let steps = |solver| {
        let settings = SolveSettings { solver, tolerance: 1e-8, ..SolveSettings::default() };
        solve(&problem, &[1e-2], &[0.0; 20], &settings).unwrap().steps
    };
    let [_, _, plain, heavy, nesterov] = SOLVERS.map(steps);
    assert!(3 * heavy < plain && 3 * nesterov < plain, "{plain} {heavy} {nesterov}");
}

#[test]
fn running_out_of_steps_is_said_and_is_no_error() {
    let problem = Regression::random(2, Kind::Logistic);
    let settings = SolveSettings { max_steps: 1, ..SolveSettings::default() };
    let answer = solve(&problem, &problem.lambda(2), &vec![3.0; problem.p], &settings).unwrap();
    assert_eq!((answer.status, answer.steps), (SmoothStatus::MaxSteps, 1));
}

#[test]
fn ista_and_fista_reach_the_same_elastic_net_whose_optimality_conditions_hold() {
    let problem = Regression::sized(5, Kind::Quadratic, 30, 40, 1);
    let hyper = [0.05, 0.4];
    let bounds = spectral_bounds(&problem, &[0.0; 30], &hyper[..1]).unwrap();
    let prox = SoftThreshold::scalar(1);
    let ista = Descent::new(&problem, Rate::Fixed(1.0 / bounds.largest)).unwrap().with_prox(&prox);
    let kappa = (bounds.largest / bounds.smallest).sqrt();
    let beta = Rate::Fixed((kappa - 1.0) / (kappa + 1.0));
    let fista = ista.clone().with_momentum(MomentumKind::Nesterov, beta).unwrap();
    let slow = fixed_point(&ista, &hyper, &[0.0; 30], 1e-14, 20_000).unwrap();
    let fast = fixed_point(&fista, &hyper, &[0.0; 30], 1e-14, 20_000).unwrap();
    assert!(slow.converged && fast.converged && fast.steps < slow.steps, "{} {}", slow.steps, fast.steps);
    let y = &slow.state;
    assert!(distance(y, &fast.state[..30]) < 1e-11);
    let smooth = differences(y, 1e-3, |y| problem.lower_value(y, &hyper[..1]));
    assert!(y.contains(&0.0) && y.iter().any(|y| *y != 0.0));
    for (y, g) in y.iter().zip(&smooth) {
        let violation = if *y == 0.0 { g.abs() - hyper[1] } else { (g + hyper[1] * y.signum()).abs() };
        assert!(violation < 1e-9, "{y} {g}");
    }
}

#[test]
fn lanczos_finds_the_ends_that_the_factorization_knows() {
    // 320 coefficients: beyond the dense way. The Hessian of the ridge part alone is λ.
    let problem = Regression::sized(6, Kind::Quadratic, 320, 40, 1);
    let bounds = spectral_bounds(&problem, &vec![0.0; 320], &[0.5]).unwrap();
    assert!((bounds.smallest - 0.5).abs() < 1e-9, "{bounds:?}");
    // AAᵀ/n has the same nonzero eigenvalues; its largest by the power method.
    let n = problem.train.len();
    let mut v = vec![1.0; n];
    let mut largest = 0.0;
    for _ in 0..500 {
        let next: Vec<f64> = (0..n)
            .map(|i| {
                (0..n)
                    .map(|k| {
                        let (a, c) = (&problem.train[i].0, &problem.train[k].0);
                        a.iter().zip(c).map(|(a, c)| a * c).sum::<f64>() / n as f64 * v[k]
                    })
                    .sum()
            })
            .collect();
        largest = norm(&next);
        v = next.iter().map(|x| x / largest).collect();
    }
    assert!((bounds.largest - 0.5 - largest).abs() < 1e-6 * largest, "{bounds:?} {largest}");
}
