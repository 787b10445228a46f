//! Hypergradients where they are delicate: kinks, dependent columns, empty supports, loose solves; and outer problems in closed form.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use bilevel::criterion::{Criterion, ValidationLoss};
use bilevel::design::Design;
use bilevel::hypergradient::BiactivePolicy;
use bilevel::loss::{Logistic, Loss, Squared};
use bilevel::lower::{Adjoint, Hyperparameters, LowerLevel, Solution, SparseGlm, UpperGradient};
use bilevel::objective::{SplitObjective, tight};
use bilevel::outer::{
    Accuracy, Lbfgs, LbfgsSettings, Objective, OuterOptimizer, ScalarSearch, ScalarSettings, Unwatched,
};
use bilevel::parametrization::{Parametrization, Ridge, Weights};
use bilevel::penalty::{Blocks, GroupL1, L1, Penalty};
use common::EXACT;
use common::reference::{Plain, design, random};

const POLICIES: [BiactivePolicy; 4] = [
    BiactivePolicy::Null,
    BiactivePolicy::All,
    BiactivePolicy::DescentAligned,
    BiactivePolicy::SelfConsistent,
];

type Phi<'a> = SplitObjective<SparseGlm<'a, Design, Squared, L1>, ValidationLoss<'a, Squared>>;

/// Squared loss and ℓ1 without intercept, trained on the rows with a training weight.
fn hold_out<'a>(
    design: &'a Design,
    targets: &'a [f64],
    (train, validation): (&'a [f64], &'a [f64]),
    penalty: &'a L1,
    parametrization: Box<dyn Parametrization>,
) -> Phi<'a> {
    let lower = SparseGlm::new(design, targets, train, Squared, penalty, false).unwrap();
    SplitObjective::new(vec![(lower, ValidationLoss::new(Squared, targets, validation))], parametrization)
}

#[test]
fn null_policy_starves_a_biactive_feature_and_self_consistent_frees_it() {
    // A = √3·I₃ for training and validation: F(y) = ½‖y − (0.4, 1.2, 0)‖² and L(y) = ½‖y − (0, 1.2, 0)‖². At λ = (0.35, 1.2, 2)
    // y = (0.05, 0, 0); the second coordinate is biactive with q = 1.2, so its entry is λ·q = 1.44; the first is 0.35·(−0.05).
    let root = 3.0_f64.sqrt();
    let column = |j: usize| (0..6).map(|i| if i % 3 == j { root } else { 0.0 }).collect::<Vec<_>>();
    let matrix = design(&[column(0), column(1), column(2)], false);
    let targets = [0.4 * root, 1.2 * root, 0.0, 0.0, 1.2 * root, 0.0];
    let third = 1.0 / 3.0;
    let (train, validation) = ([third, third, third, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, third, third, third]);
    let penalty = L1::new(3);
    let theta = [0.35_f64.ln(), 1.2_f64.ln(), 2.0_f64.ln()];
    let weights = Weights::per_block(vec![1.0; 3], Ridge::Fixed(0.0), -9.0, 9.0);
    let mut phi = hold_out(&matrix, &targets, (&train, &validation), &penalty, Box::new(weights));
    for (policy, expected) in POLICIES.into_iter().zip([0.0, 1.44, 1.44, 1.44]) {
        let evaluation = phi.evaluate(&theta, tight(policy)).unwrap();
        assert_eq!(evaluation.biactive, 1);
        let [first, second, last] = evaluation.gradient[..] else { panic!("three parameters") };
        assert!((first + 0.0175).abs() <= 1e-12, "{policy:?}: {first}");
        assert!((second - expected).abs() <= 1e-12, "{policy:?}: {second}");
        assert_eq!(last, 0.0);
        assert!(policy != BiactivePolicy::Null || second == 0.0);
    }
}

#[test]
fn the_ridge_parameter_of_a_scalar_problem_is_found_in_closed_form() {
    // min_x ½(ax − b)² + (λ/2)(ℓx)², judged by ½(x − z)²: λ* = (ab/z − a²)/ℓ². With y = ℓx the ridge is α = λ, the training row a/ℓ and the
    // validation row 1/ℓ.
    for (a, l, b, z) in
        [(1.0, 1.0, 3.0, 1.0), (2.0, 0.5, 3.0, 1.0), (0.3, 2.0, 40.0, 0.7), (-1.5, 1.0, -2.0, 0.2)]
    {
        let expected: f64 = (a * b / z - a * a) / (l * l);
        let matrix = design(&[vec![a / l, 1.0 / l]], false);
        let targets = [b, z];
        let penalty = L1::new(1);
        let ridge = Ridge::Learned { lower: -20.0, upper: 20.0 };
        let weights = Weights::scalar(vec![0.0], ridge, -1.0, 1.0);
        let mut phi = hold_out(&matrix, &targets, (&[1.0, 0.0], &[0.0, 1.0]), &penalty, Box::new(weights));
        let method = Lbfgs {
            settings: LbfgsSettings { stationarity: 1e-14, patience: 0, ..LbfgsSettings::default() },
        };
        let result = method.minimize(&mut phi, &[0.0, 0.0], &mut Unwatched).unwrap();
        let found = result.theta[1].exp();
        assert!((found - expected).abs() <= 1e-10 * expected, "{found} against {expected}, {result:?}");
    }
}

#[test]
fn the_lambda_of_a_lasso_with_one_feature_is_found_in_closed_form() {
    // y = soft(ab, λ)/a² meets z at λ* = ab − a²z.
    for (a, b, z) in [(1.0, 3.0, 1.0), (2.0, 3.0, 0.4), (0.5, -4.0, -2.0)] {
        let expected: f64 = f64::abs(a * b) - a * a * f64::abs(z);
        let matrix = design(&[vec![a, 1.0]], false);
        let targets = [b, z];
        let penalty = L1::new(1);
        let top = f64::abs(a * b).ln();
        let weights = Weights::scalar(vec![1.0], Ridge::Fixed(0.0), top - 9.0, top);
        let mut phi = hold_out(&matrix, &targets, (&[1.0, 0.0], &[0.0, 1.0]), &penalty, Box::new(weights));
        let search = ScalarSearch { settings: ScalarSettings::default() };
        let found = search.search(&mut phi, &[], &mut Unwatched).unwrap().outer.theta[0].exp();
        assert!((found - expected).abs() <= 1e-6 * expected, "{found} against {expected}");
    }
}

/// Solution and adjoint of a plain problem, judged by a validation loss on rows of a problem of the same size.
struct Bench<'a, L, P> {
    problem: SparseGlm<'a, Design, L, P>,
    criterion: ValidationLoss<'a, L>,
    at: Hyperparameters,
}

impl<L: Loss, P: Penalty> Bench<'_, L, P> {
    fn adjoint(&self, solution: &Solution, policy: BiactivePolicy, accuracy: Accuracy) -> Adjoint {
        let measured = self.criterion.evaluate(&solution.predictor);
        let upper =
            UpperGradient { predictor: &measured.gradient, curvature: &measured.curvature, warm_start: &[] };
        self.problem.adjoint(&self.at, solution, &upper, policy.into(), accuracy).unwrap()
    }
}

/// Calls `judge` with a bench on the plain problem whose first two thirds of rows train.
fn with_bench(plain: &Plain, judge: &mut dyn FnMut(&dyn Judged)) {
    let n = plain.targets.len();
    let matrix = design(&plain.columns, false);
    let cut = 2 * n / 3;
    let part = |inside: &dyn Fn(usize) -> bool, size: usize| -> Vec<f64> {
        (0..n).map(|i| if inside(i) { 1.0 / size as f64 } else { 0.0 }).collect()
    };
    let (train, validation) = (part(&|i| i < cut, cut), part(&|i| i >= cut, n - cut));
    let at = Hyperparameters { lambda: plain.lambda.clone(), ridge: plain.ridge };
    macro_rules! on {
        ($loss:expr, $penalty:expr) => {{
            let penalty = $penalty;
            let problem =
                SparseGlm::new(&matrix, &plain.targets, &train, $loss, &penalty, plain.intercept).unwrap();
            let criterion = ValidationLoss::new($loss, &plain.targets, &validation);
            judge(&Bench { problem, criterion, at });
        }};
    }
    let group_of = |j: usize| plain.blocks.iter().position(|block| block.contains(&j)).unwrap();
    let groups: Vec<usize> = (0..plain.columns.len()).map(group_of).collect();
    match (plain.logistic, plain.blocks.len() == plain.columns.len()) {
        (false, true) => on!(Squared, L1::new(groups.len())),
        (true, true) => on!(Logistic, L1::new(groups.len())),
        (false, false) => on!(Squared, GroupL1::new(Blocks::from_groups(&groups).unwrap())),
        (true, false) => on!(Logistic, GroupL1::new(Blocks::from_groups(&groups).unwrap())),
    }
}

trait Judged {
    fn solve(&self, gap: f64) -> Solution;
    fn adjoint(&self, solution: &Solution, policy: BiactivePolicy, accuracy: Accuracy) -> Adjoint;
    fn perturbed(&self, solution: &Solution, size: f64) -> Solution;
}

impl<L: Loss, P: Penalty> Judged for Bench<'_, L, P> {
    fn solve(&self, gap: f64) -> Solution {
        let accuracy = Accuracy { relative_gap: gap, adjoint_residual: 1e-12 };
        self.problem.solve(&self.at, None, accuracy).unwrap()
    }
    fn adjoint(&self, solution: &Solution, policy: BiactivePolicy, accuracy: Accuracy) -> Adjoint {
        Bench::adjoint(self, solution, policy, accuracy)
    }
    fn perturbed(&self, solution: &Solution, size: f64) -> Solution {
        let wave = |(j, y): (usize, &f64)| y * (1.0 + size * (3.7 * j as f64).sin());
        let moved = solution.coefficients.iter().enumerate().map(wave).collect();
        self.problem.start_from(moved, solution.intercept)
    }
}

fn distance(a: &Adjoint, b: &Adjoint, n_weights: usize) -> f64 {
    let mut difference = vec![0.0; n_weights + 1];
    a.lambda.iter().for_each(|&(g, v)| difference[g as usize] += v);
    b.lambda.iter().for_each(|&(g, v)| difference[g as usize] -= v);
    difference[n_weights] = a.ridge - b.ridge;
    difference.iter().map(|d| d * d).sum::<f64>().sqrt()
}

#[test]
fn the_error_bound_bounds_the_error_of_loose_hypergradients() {
    let mut ratios = Vec::new();
    for seed in 0..60_u64 {
        let logistic = seed % 2 == 1;
        let mut plain = random(seed, 60, 8, logistic, seed % 4 < 2, 0.1);
        if (seed / 4) % 3 == 1 {
            plain.ridge = 0.05;
        }
        if (seed / 4) % 3 == 2 {
            plain.blocks = (0..4).map(|g| vec![2 * g, 2 * g + 1]).collect();
            plain.lambda = vec![0.1 * plain.lambda_max(); 4];
        }
        with_bench(&plain, &mut |bench| {
            let exact = bench.solve(1e-15);
            let truth = bench.adjoint(&exact, BiactivePolicy::Null, EXACT);
            let mut loose = vec![bench.solve(1e-4), bench.solve(1e-5), bench.solve(1e-6)];
            if !plain.intercept {
                loose.extend([1e-2, 1e-3, 1e-5].map(|size| bench.perturbed(&exact, size)));
            }
            for (k, solution) in loose.iter().enumerate().filter(|(_, s)| s.support() == exact.support()) {
                for residual in [1e-3, 1e-12] {
                    let accuracy = Accuracy { relative_gap: 1e-6, adjoint_residual: residual };
                    let adjoint = bench.adjoint(solution, BiactivePolicy::Null, accuracy);
                    let error = distance(&adjoint, &truth, plain.lambda.len());
                    let scale = truth.lambda.iter().fold(truth.ridge.abs(), |m, l| m.max(l.1.abs()));
                    let bound = adjoint.error_bound;
                    assert!(
                        error <= bound + 1e-11 * scale,
                        "seed {seed}, solution {k}: error {error:.2e}, bound {bound:.2e}, scale {scale:.1e}"
                    );
                    if error > 1e-10 * scale {
                        ratios.push(bound / error);
                    }
                }
            }
        });
    }
    ratios.sort_by(f64::total_cmp);
    assert!(ratios.len() > 50, "{} judged", ratios.len());
    assert!(ratios[ratios.len() / 2] < 1e4, "median {:.1e}", ratios[ratios.len() / 2]);
    assert!(ratios[ratios.len() - 1] < 1e6, "largest {:.1e}", ratios[ratios.len() - 1]);
}

/// All policies at the point, nothing but numbers coming out.
fn assert_finite(plain: &Plain, case: &str) {
    with_bench(plain, &mut |bench| {
        for gap in [1e-4, 1e-8, 1e-13] {
            let solution = bench.solve(gap);
            for policy in POLICIES {
                let adjoint = bench.adjoint(&solution, policy, EXACT);
                let finite = adjoint.lambda.iter().all(|l| l.1.is_finite()) && adjoint.ridge.is_finite();
                assert!(finite, "{case}, {policy:?}: {adjoint:?}");
                assert!(!adjoint.error_bound.is_nan() && adjoint.error_bound >= 0.0, "{case}, {policy:?}");
                assert!(adjoint.residual.is_finite(), "{case}, {policy:?}");
            }
        }
    });
}

#[test]
fn every_policy_gives_numbers_at_every_kink() {
    for k in 0..16_u64 {
        let (logistic, intercept) = (k % 2 == 1, k / 2 % 2 == 1);
        let mut plain = random(k, 30, 6, logistic, intercept, 1.0);
        if k >= 8 {
            plain.blocks = vec![vec![0, 3], vec![1, 4], vec![2, 5]];
        }
        let mut largest = 0.0;
        let mut training = plain.clone();
        training.columns.iter_mut().for_each(|a| a.truncate(20));
        training.targets.truncate(20);
        for fraction in [1.0, 1.0 - 1e-12, 1.0 + 1e-12, 0.5, 1e-3, 2.0] {
            largest = f64::max(largest, training.lambda_max());
            plain.lambda = vec![fraction * largest; plain.blocks.len()];
            assert_finite(&plain, &format!("case {k} at {fraction} of lambda_max"));
        }
        for weights in [0.0, f64::INFINITY] {
            plain.lambda[0] = weights;
            assert_finite(&plain, &format!("case {k}, a weight of {weights}"));
        }
        plain.lambda.fill(f64::INFINITY);
        assert_finite(&plain, &format!("case {k}, all excluded"));
    }
}

#[test]
fn dependent_columns_in_the_support_give_numbers() {
    for k in 0..16_u64 {
        let mut plain = random(k, 30, 6, k % 2 == 1, k / 2 % 2 == 1, 0.05);
        let first = plain.columns[0].clone();
        plain.columns[3].clone_from(&first);
        plain.columns[4] = first.iter().map(|a| -a).collect();
        plain.columns[5] = vec![if k < 8 { 0.0 } else { 3.0 }; 30];
        for (fraction, ridge) in [(1.0, 0.0), (1.0, 0.1), (0.0, 0.0), (0.0, 0.1)] {
            let mut plain = Plain { ridge, ..plain.clone() };
            plain.lambda.iter_mut().for_each(|l| *l *= fraction);
            assert_finite(&plain, &format!("case {k}, weights times {fraction}, ridge {ridge}"));
        }
    }
}

#[test]
fn a_criterion_without_influence_has_a_zero_hypergradient() {
    // The validation rows are all zeros: whatever the coefficients, nothing moves there.
    for k in 0..4 {
        let mut plain = random(k, 30, 6, k % 2 == 1, false, 0.1);
        plain.columns.iter_mut().for_each(|a| a[20..].fill(0.0));
        with_bench(&plain, &mut |bench| {
            let solution = bench.solve(1e-12);
            for policy in POLICIES {
                let adjoint = bench.adjoint(&solution, policy, EXACT);
                assert!(adjoint.lambda.iter().all(|l| l.1 == 0.0) && adjoint.ridge == 0.0);
                assert_eq!(adjoint.residual, 0.0);
            }
        });
    }
}

#[test]
fn the_adjoint_does_not_mind_huge_offsets() {
    for logistic in [false, true] {
        let plain = random(2, 45, 5, logistic, true, 0.05);
        let mut moved = plain.clone();
        moved.columns.iter_mut().for_each(|a| a.iter_mut().for_each(|a| *a += 1e6));
        let mut found = Vec::new();
        for plain in [&plain, &moved] {
            with_bench(plain, &mut |bench| {
                let adjoint = bench.adjoint(&bench.solve(1e-9), BiactivePolicy::Null, Accuracy::TIGHT);
                found.push(adjoint);
            });
        }
        let scale = found[0].lambda.iter().fold(0.0_f64, |m, l| m.max(l.1.abs()));
        assert!(distance(&found[0], &found[1], 5) <= 1e-4 * scale, "{found:?}");
    }
}
