//! Errors of truncated and inexact hypergradients against their bounds.
#![allow(clippy::unwrap_used, reason = "helpers of tests outside a test function")]

use bilevel::hypergradient::smooth::{
    Bounding, HypergradientMethod, Implicit, Neumann, NewtonCorrected, StoppingRule, Terms,
};
use bilevel::smooth::{
    AutoDiff, Constants, Contraction, Descent, Drift, Evidence, IterationMap, Rate, Scalar, Shape,
    SmoothProblem, SoftThreshold, fixed_point, spectral_bounds,
};

use super::problems::{KINDS, Kind, Regression, best_descent, distance, norm, solution};

/// ‖h_K − h‖ for K = 0, 1, …, `count`, by the recursion that is written out here, with ‖r_K‖.
fn truncation_errors(
    map: &dyn IterationMap,
    problem: &dyn SmoothProblem,
    hyper: &[f64],
    y: &[f64],
    count: usize,
) -> Vec<(f64, f64)> {
    let mut residual = vec![0.0; y.len()];
    let mut unused = vec![0.0; problem.n_hyperparameters()];
    let lambda = &hyper[..unused.len()];
    problem.criterion_gradient_into(y, lambda, &mut residual, &mut unused).unwrap();
    let (mut next, mut partial) = (vec![0.0; y.len()], vec![0.0; hyper.len()]);
    let mut trail = vec![(partial.clone(), norm(&residual))];
    // The limit: until nothing is added any more.
    while norm(&residual) > 1e-17 * trail[0].1 || trail.len() <= count {
        map.adjoint_into(usize::MAX, (y, hyper), &residual, &mut next, &mut partial).unwrap();
        std::mem::swap(&mut residual, &mut next);
        trail.push((partial.clone(), norm(&residual)));
    }
    let limit = trail.last().unwrap().0.clone();
    trail.truncate(count + 1);
    trail.iter().map(|(h, r)| (distance(h, &limit), *r)).collect()
}

/// Rows (K, error, running bound, a-priori bound), checked: error ≤ running ≤ a-priori, and the error is at least 1/50 of the a-priori bound.
fn bias(map: &dyn IterationMap, problem: &dyn SmoothProblem, hyper: &[f64], y: &[f64], name: &str) -> f64 {
    let contraction = Contraction::measure(map, usize::MAX, y, hyper).unwrap();
    assert_eq!(contraction.evidence, Evidence::Proven);
    let q = contraction.factor;
    let count = (1e-9_f64.ln() / q.ln()) as usize;
    let scale = contraction.hyper_norm / (1.0 - q);
    let rows = truncation_errors(map, problem, hyper, y, count);
    let first = rows[0].1;
    let mut tightest = f64::INFINITY;
    for (k, (error, residual)) in rows.iter().enumerate() {
        let (running, prior) = (scale * residual, scale * first * q.powi(k as i32));
        assert!(*error <= running * (1.0 + 1e-9) && running <= prior * (1.0 + 1e-9), "{name}, {k} terms");
        tightest = tightest.min(error / prior);
        if k % (count / 10).max(1) == 0 {
            println!("{name} q={q:.4} K={k} error={error:.3e} running={running:.3e} a-priori={prior:.3e}");
        }
    }
    // Decays with q: the slope over the second half.
    let half = count / 2;
    let slope = (rows[count].0 / rows[half].0).powf(1.0 / (count - half) as f64);
    assert!((slope - q).abs() < 0.02, "{name}: slope {slope}, q {q}");
    tightest
}

#[test]
fn the_truncation_error_is_between_a_fiftieth_of_the_bound_and_the_bound() {
    let logistic = Regression::sized(21, Kind::Logistic, 8, 30, 1);
    let lambda = [0.1];
    let y = solution(&logistic, &lambda);
    let bounds = spectral_bounds(&logistic, &y, &lambda).unwrap();
    let descent = Descent::new(&logistic, Rate::Fixed(1.0 / bounds.largest)).unwrap();
    let tightest = bias(&descent, &logistic, &lambda, &y, "logistic");
    assert!(tightest >= 1.0 / 50.0, "logistic: {tightest}");

    let net = Regression::sized(22, Kind::Quadratic, 20, 40, 1);
    let hyper = [0.1, 0.3];
    let bounds = spectral_bounds(&net, &[0.0; 20], &hyper[..1]).unwrap();
    let prox = SoftThreshold::scalar(1);
    let ista = Descent::new(&net, Rate::Fixed(1.0 / bounds.largest)).unwrap().with_prox(&prox);
    let y = fixed_point(&ista, &hyper, &[0.0; 20], 1e-16, 100_000).unwrap().state;
    assert!(y.contains(&0.0));
    let tightest = bias(&ista, &net, &hyper, &y, "elastic net");
    assert!(tightest >= 1.0 / 50.0, "elastic net: {tightest}");
}

#[test]
fn the_stopping_rule_keeps_its_promise_with_few_terms_more_than_needed() {
    for rule in [StoppingRule::Running, StoppingRule::APriori] {
        for epsilon in [1e-2, 1e-4, 1e-8] {
            let (mut ratio, mut worst) = (0.0, 0.0_f64);
            for seed in 0..200 {
                let problem = Regression::random(seed, KINDS[seed as usize % 3]);
                let lambda = problem.lambda(seed);
                let y = solution(&problem, &lambda);
                let (descent, _) = best_descent(&problem, &y, &lambda);
                let terms = Terms::Accuracy { epsilon, rule, max_terms: 100_000 };
                let answer = Neumann { map: &descent, terms }.hypergradient(&problem, &lambda, &y).unwrap();
                let errors = truncation_errors(&descent, &problem, &lambda, &y, answer.work.terms);
                let error = errors[answer.work.terms].0;
                assert!(error <= epsilon, "{rule:?}, seed {seed}: {error} > {epsilon}");
                assert!(answer.error_bound.unwrap().value <= epsilon * (1.0 + 1e-12));
                let fewest = errors.iter().position(|(e, _)| *e <= epsilon).unwrap();
                ratio += answer.work.terms.max(1) as f64 / fewest.max(1) as f64 / 200.0;
                worst = worst.max(error / epsilon);
            }
            assert!(ratio <= 2.0, "{rule:?} {epsilon}: {ratio}");
            println!(
                "{rule:?} epsilon {epsilon:.0e}: terms over fewest {ratio:.3}, largest error {worst:.3} epsilon"
            );
        }
    }
}

#[test]
fn the_bound_of_an_inexact_solution_holds_and_one_newton_step_squares_its_error() {
    let mut tightness: Vec<f64> = Vec::new();
    for (seed, kind) in (0..30).flat_map(|seed| KINDS.map(|kind| (seed, kind))) {
        let problem = Regression::random(seed, kind);
        let lambda = problem.lambda(seed);
        let y = solution(&problem, &lambda);
        let skip = Implicit { bounding: Bounding::Skip, ..Implicit::default() };
        let exact = skip.hypergradient(&problem, &lambda, &y).unwrap().gradient;
        let error_at = |size: f64, method: &dyn HypergradientMethod| {
            let moved: Vec<f64> =
                y.iter().enumerate().map(|(j, y)| y + size * (1.0 + j as f64 + seed as f64).sin()).collect();
            let answer = method.hypergradient(&problem, &lambda, &moved).unwrap();
            (distance(&answer.gradient, &exact), answer.error_bound.unwrap())
        };
        for size in [1e-2, 1e-4, 1e-6] {
            let (error, bound) = error_at(size, &Implicit::default());
            assert!(error <= bound.value, "{kind:?}, seed {seed}, {size}: {error} > {bound:?}");
            tightness.push(bound.value / error);
            let (corrected, bound) = error_at(size, &NewtonCorrected::default());
            assert!(
                corrected <= bound.value + 1e-13,
                "{kind:?}, seed {seed}, {size}: {corrected} > {bound:?}"
            );
            assert!(corrected <= 20.0 * size * size + 1e-13, "{kind:?}, seed {seed}, {size}: {corrected}");
        }
    }
    tightness.sort_by(f64::total_cmp);
    println!(
        "bound over error: median {:.1}, largest {:.1}",
        tightness[tightness.len() / 2],
        tightness[tightness.len() - 1]
    );
}

#[test]
fn a_map_that_does_not_contract_gets_no_bound_but_a_sentence() {
    let problem = Regression::random(3, Kind::Quadratic);
    let lambda = problem.lambda(3);
    let y = solution(&problem, &lambda);
    let wild = Descent::new(&problem, Rate::Fixed(10.0)).unwrap();
    let terms = Terms::Accuracy { epsilon: 1e-3, rule: StoppingRule::Running, max_terms: 10 };
    let error = Neumann { map: &wild, terms }.hypergradient(&problem, &lambda, &y).unwrap_err();
    assert!(error.to_string().contains("contraction factor of the iteration map"), "{error}");
}

/// A quadratic regression of which everything is known.
struct Known(Regression);

impl AutoDiff for Known {
    fn shape(&self) -> Shape {
        self.0.shape()
    }
    fn lower_gradient<T: Scalar>(&self, y: &[T], lambda: &[T], out: &mut [T]) {
        self.0.lower_gradient(y, lambda, out);
    }
    fn upper_value(&self, y: &[f64], lambda: &[f64]) -> f64 {
        self.0.upper_value(y, lambda)
    }
    fn upper_gradient(&self, y: &[f64], lambda: &[f64], by_y: &mut [f64], by_lambda: &mut [f64]) {
        self.0.upper_gradient(y, lambda, by_y, by_lambda);
    }
    fn known_constants(&self, lambda: &[f64]) -> Constants {
        // H = AᵀA/n + diag(λ) ⪰ min λ; B = the columns of diag(y) by group, so Lip(B) ≤ 1; L is quadratic with Hessian CᵀC/n ⪯ ‖C‖²_F/n.
        let validation = &self.0.validation;
        let frobenius: f64 =
            validation.iter().map(|(a, _)| norm(a).powi(2)).sum::<f64>() / validation.len() as f64;
        Constants {
            strong_convexity: Some(lambda.iter().copied().fold(f64::INFINITY, f64::min)),
            lipschitz: None,
            drift: Some(Drift { hessian: 0.0, mixed: 1.0, criterion: frobenius, criterion_by_lambda: 0.0 }),
        }
    }
}

#[test]
fn with_known_constants_the_bound_is_proven_and_goes_to_zero_with_the_residual() {
    for seed in 0..20 {
        let problem = Known(Regression::random(seed, Kind::Quadratic));
        let lambda = problem.0.lambda(seed);
        let y = solution(&problem, &lambda);
        let exact = Implicit::default().hypergradient(&problem, &lambda, &y).unwrap();
        assert!(exact.error_bound.unwrap().value < 1e-9);
        for size in [1e-1, 1e-3, 1e-6] {
            let moved: Vec<f64> = y.iter().enumerate().map(|(j, y)| y + size * (j as f64).cos()).collect();
            let found = Implicit::default().hypergradient(&problem, &lambda, &moved).unwrap();
            let bound = found.error_bound.unwrap();
            let error = distance(&found.gradient, &exact.gradient);
            assert_eq!(bound.evidence, Evidence::Proven);
            assert!(error <= bound.value && bound.value < 1e4 * size, "seed {seed}: {error} {bound:?}");
        }
    }
}
