//! Every way to differentiate gives the same hypergradient at convergence, and the right one.

use bilevel::hypergradient::smooth::{
    AdjointSolver, Bounding, Forward, HypergradientMethod, Implicit, Neumann, NewtonCorrected, OneStep,
    Preconditioner, Reverse, StoppingRule, Terms,
};
use bilevel::smooth::{Descent, MomentumKind, Rate, SmoothProblem};

use super::problems::{KINDS, Kind, Regression, best_descent, differences, distance, norm, solution};

fn implicit(solver: AdjointSolver) -> Implicit {
    Implicit { bounding: Bounding::Skip, ..Implicit::with(solver) }
}

#[test]
fn all_methods_agree_at_convergence_on_a_hundred_and_two_problems() {
    let mut worst: f64 = 0.0;
    for (seed, kind) in (0..34).flat_map(|seed| KINDS.map(|kind| (seed, kind))) {
        let problem = Regression::random(seed, kind);
        let lambda = problem.lambda(seed);
        let y = solution(&problem, &lambda);
        let (descent, bounds) = best_descent(&problem, &y, &lambda);
        let q = (bounds.largest - bounds.smallest) / (bounds.largest + bounds.smallest);
        let steps = (1e-13_f64.ln() / q.ln()) as usize + 20;
        let heavy = descent.clone().with_momentum(MomentumKind::HeavyBall, Rate::Fixed(0.3)).unwrap();
        let rest = Terms::Accuracy { epsilon: 1e-11, rule: StoppingRule::Running, max_terms: 100_000 };
        let start: Vec<f64> = y.iter().map(|y| y + 0.05).collect();
        let nearly: Vec<f64> = y.iter().map(|y| y + 1e-6).collect();
        let methods: [(Box<dyn HypergradientMethod>, &[f64]); 9] = [
            (Box::new(implicit(AdjointSolver::ConjugateGradient(Preconditioner::None))), &y),
            (Box::new(implicit(AdjointSolver::ConjugateGradient(Preconditioner::Diagonal))), &y),
            (Box::new(implicit(AdjointSolver::Minres)), &y),
            (Box::new(NewtonCorrected { implicit: implicit(AdjointSolver::Dense) }), &nearly),
            (Box::new(Neumann { map: &descent, terms: rest }), &y),
            (Box::new(Neumann { map: &heavy, terms: Terms::Count(3 * steps) }), &y),
            (Box::new(Forward { map: &descent, steps }), &start),
            (Box::new(Reverse::all(&descent, steps)), &start),
            (Box::new(Reverse::truncated(&heavy, 4 * steps, 3 * steps)), &start),
        ];
        let reference = implicit(AdjointSolver::Dense).hypergradient(&problem, &lambda, &y).unwrap().gradient;
        for (method, at) in &methods {
            let found = method.hypergradient(&problem, &lambda, at).unwrap().gradient;
            let error = distance(&found, &reference) / norm(&reference);
            worst = worst.max(error);
            assert!(error < 1e-8, "{} on {kind:?}, seed {seed}: {error:.1e}", method.name());
        }
    }
    println!("worst relative difference: {worst:.1e}");
}

#[test]
fn the_implicit_hypergradient_is_the_derivative_of_the_solved_problem() {
    for (seed, kind) in (0..6).flat_map(|seed| KINDS.map(|kind| (seed, kind))) {
        let problem = Regression::random(seed, kind);
        let lambda = problem.lambda(seed);
        let y = solution(&problem, &lambda);
        let found = Implicit::default().hypergradient(&problem, &lambda, &y).unwrap();
        let expected = differences(&lambda, 1e-3, |l| problem.criterion(&solution(&problem, l), l).unwrap());
        let error = distance(&found.gradient, &expected) / norm(&expected);
        assert!(error < 1e-8, "{kind:?}, seed {seed}: {error:.1e}");
    }
}

#[test]
fn the_neumann_series_is_truncated_reverse_mode_at_a_fixed_point() {
    for (seed, kind) in (0..10).flat_map(|seed| KINDS.map(|kind| (seed, kind))) {
        let problem = Regression::random(seed, kind);
        let lambda = problem.lambda(seed);
        let y = solution(&problem, &lambda);
        let (descent, _) = best_descent(&problem, &y, &lambda);
        let nesterov = descent.clone().with_momentum(MomentumKind::Nesterov, Rate::Fixed(0.4)).unwrap();
        for map in [&descent, &nesterov] {
            for terms in [0, 1, 2, 7, 30] {
                let series = Neumann { map, terms: Terms::Count(terms) };
                let series = series.hypergradient(&problem, &lambda, &y).unwrap();
                let reverse = Reverse::truncated(map, terms + 5, terms);
                let reverse = reverse.hypergradient(&problem, &lambda, &y).unwrap();
                let error = distance(&series.gradient, &reverse.gradient) / norm(&series.gradient);
                assert!(error < 1e-12, "{kind:?}, seed {seed}, {terms} terms: {error:.1e}");
            }
        }
    }
}

#[test]
fn for_gradient_descent_the_series_is_the_one_of_the_inverse_hessian() {
    // h_K − ∇_λL = −Bᵀ γΣ_{t<K}(I − γH)ᵗ ∇_yL, with powers of a matrix that is written out.
    let problem = Regression::random(8, Kind::Quadratic);
    let lambda = problem.lambda(8);
    let (p, gamma, terms) = (problem.p, 0.2, 6);
    let y = solution(&problem, &lambda);
    let descent = Descent::new(&problem, Rate::Fixed(gamma)).unwrap();
    let series = Neumann { map: &descent, terms: Terms::Count(terms) };
    let found = series.hypergradient(&problem, &lambda, &y).unwrap().gradient;
    let (mut power, mut expected) = (vec![0.0; p], vec![0.0; lambda.len()]);
    problem.criterion_gradient_into(&y, &lambda, &mut power, &mut expected).unwrap();
    let n = problem.train.len() as f64;
    for _ in 0..terms {
        for (j, v) in power.iter().enumerate() {
            expected[j % problem.groups] -= gamma * y[j] * v;
        }
        power = (0..p)
            .map(|i| {
                let image: f64 = (0..p)
                    .map(|j| {
                        let gram: f64 = problem.train.iter().map(|(a, _)| a[i] * a[j]).sum::<f64>() / n;
                        (gram + if i == j { lambda[j % problem.groups] } else { 0.0 }) * power[j]
                    })
                    .sum();
                power[i] - gamma * image
            })
            .collect();
    }
    assert!(distance(&found, &expected) < 1e-13 * norm(&expected), "{found:?} {expected:?}");
}

#[test]
fn one_step_differs_by_no_more_than_its_bound_and_is_exact_for_a_map_that_forgets() {
    // F = ½(1 + λ)‖y‖² − cᵀy: with step 1/(1 + λ) gradient descent arrives in one step, and q = 0.
    struct Isotropic;
    impl bilevel::smooth::AutoDiff for Isotropic {
        fn shape(&self) -> bilevel::smooth::Shape {
            bilevel::smooth::Shape { coefficients: 2, hyperparameters: 1 }
        }
        fn lower_gradient<T: bilevel::smooth::Scalar>(&self, y: &[T], lambda: &[T], out: &mut [T]) {
            out[0] = y[0] * (lambda[0] + 1.0) - 2.0;
            out[1] = y[1] * (lambda[0] + 1.0) + 1.0;
        }
        fn upper_value(&self, y: &[f64], _: &[f64]) -> f64 {
            y[0] + y[1]
        }
        fn upper_gradient(&self, _: &[f64], _: &[f64], by_y: &mut [f64], _: &mut [f64]) {
            by_y.fill(1.0);
        }
    }
    let y = [1.0, -0.5];
    // Σy* = 1/(1 + λ), so Φ' = −1/(1 + λ)².
    let exact = -0.25;
    for (step, q) in [(0.5, 0.0), (0.4, 0.2), (0.1, 0.8)] {
        let descent = Descent::new(&Isotropic, Rate::Fixed(step)).unwrap();
        let found = OneStep { map: &descent }.hypergradient(&Isotropic, &[1.0], &y).unwrap().gradient[0];
        let bound = 2.0_f64.sqrt() * step * norm(&y) * q / (1.0 - q);
        assert!((found - exact).abs() <= bound + 1e-15, "{found} with step {step}");
    }
}

#[test]
fn indefinite_systems_are_solved_by_minres_and_the_dense_way_and_refused_by_conjugate_gradients() {
    // A saddle: F = ½(y₁² − y₂²) + λy₁ + y₂(λ − 1), stationary at y = (−λ, λ − 1), L = y₁ + 3y₂: Φ' = −1 + 3.
    struct Saddle;
    impl bilevel::smooth::AutoDiff for Saddle {
        fn shape(&self) -> bilevel::smooth::Shape {
            bilevel::smooth::Shape { coefficients: 2, hyperparameters: 1 }
        }
        fn lower_gradient<T: bilevel::smooth::Scalar>(&self, y: &[T], lambda: &[T], out: &mut [T]) {
            out[0] = y[0] + lambda[0];
            out[1] = lambda[0] - y[1] - 1.0;
        }
        fn upper_value(&self, y: &[f64], _: &[f64]) -> f64 {
            y[0] + 3.0 * y[1]
        }
        fn upper_gradient(&self, _: &[f64], _: &[f64], by_y: &mut [f64], _: &mut [f64]) {
            by_y.copy_from_slice(&[1.0, 3.0]);
        }
    }
    let at = |solver| implicit(solver).hypergradient(&Saddle, &[0.4], &[-0.4, -0.6]);
    for solver in [AdjointSolver::Dense, AdjointSolver::Minres] {
        assert!((at(solver).unwrap().gradient[0] - 2.0).abs() < 1e-12);
    }
    let refused = at(AdjointSolver::ConjugateGradient(Preconditioner::None)).unwrap_err();
    assert!(refused.to_string().contains("not positive definite"), "{refused}");
}

#[test]
fn a_warm_start_saves_products() {
    let problem = Regression::sized(1, Kind::Logistic, 60, 100, 2);
    let cg = implicit(AdjointSolver::ConjugateGradient(Preconditioner::None));
    let cg = Implicit { tolerance: 1e-8, ..cg };
    let at = |lambda: [f64; 2], warm_start| {
        let y = solution(&problem, &lambda);
        Implicit { warm_start, ..cg.clone() }.hypergradient(&problem, &lambda, &y).unwrap()
    };
    let first = at([0.02, 0.03], None);
    let again = at([0.02, 0.03001], Some(first.adjoint.clone()));
    let cold = at([0.02, 0.03001], None);
    assert!(again.work.products < cold.work.products, "{:?} {:?}", again.work, cold.work);
    assert!(distance(&again.gradient, &cold.gradient) < 1e-6 * norm(&cold.gradient));
}
