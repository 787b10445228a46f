//! The smoothed lower level: closed forms, hypergradients against differences, and how fast its bias vanishes with ε.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use bilevel::criterion::{Criterion, ValidationLoss};
use bilevel::data::Split;
use bilevel::design::{DenseMatrix, Design};
use bilevel::hypergradient::Selection;
use bilevel::loss::{Logistic, Loss, Squared};
use bilevel::lower::{Hyperparameters, LowerLevel, SmoothedGlm, Solution, SparseGlm, UpperGradient};
use bilevel::objective::{SplitObjective, tight};
use bilevel::outer::{
    Accuracy, AccuracySchedule, Continuation, Lbfgs, LbfgsSettings, Objective, OuterOptimizer, ScalarSearch,
    ScalarSettings, Unwatched,
};
use bilevel::parametrization::{Adaptive, Parametrization, Ridge, Weights};
use bilevel::penalty::L1;
use common::reference::{design, random};
use common::{EXACT, random_data, splits};

type Phi<'a, L> = SplitObjective<SmoothedGlm<'a, Design, L>, ValidationLoss<'a, L>>;

/// A smoothed problem in plain words: what the tests below vary.
#[derive(Clone, Copy)]
struct Setup<'a, L> {
    design: &'a Design,
    targets: &'a [f64],
    penalty: &'a L1,
    loss: L,
    intercept: bool,
    epsilon: f64,
}

/// Without intercept, at ε = 1.
fn setup<'a, L>(design: &'a Design, targets: &'a [f64], penalty: &'a L1, loss: L) -> Setup<'a, L> {
    Setup { design, targets, penalty, loss, intercept: false, epsilon: 1.0 }
}

impl<'a, L: Loss> Setup<'a, L> {
    fn lower(&self, weights: &'a [f64]) -> SmoothedGlm<'a, Design, L> {
        let Self { design, targets, penalty, loss, intercept, epsilon } = *self;
        let exact = SparseGlm::new(design, targets, weights, loss, penalty, intercept).unwrap();
        SmoothedGlm::new(exact, epsilon).unwrap()
    }

    fn objective(&self, splits: &'a [Split], parametrization: Box<dyn Parametrization>) -> Phi<'a, L> {
        let criterion = |split: &'a Split| ValidationLoss::new(self.loss, self.targets, &split.validation);
        let parts = splits.iter().map(|split| (self.lower(&split.train), criterion(split))).collect();
        SplitObjective::new(parts, parametrization)
    }
}

fn weights(lambda: Vec<f64>, ridge: f64) -> Hyperparameters {
    Hyperparameters { lambda, ridge }
}

/// ‖∇P‖ over the coefficients that are not excluded, written down once more; the intercept's slope is one entry.
fn stationarity<L: Loss>(setup: &Setup<'_, L>, train: &[f64], at: &Hyperparameters, found: &Solution) -> f64 {
    use bilevel::design::DesignMatrix;
    let slopes: Vec<f64> = (setup.targets.iter().zip(&found.predictor).zip(train))
        .map(|((b, z), s)| s * setup.loss.derivative(*b, *z))
        .collect();
    let entry = |j: usize| {
        let (y, lambda) = (found.coefficients[j], at.lambda[j]);
        let penalty = lambda * y / (y * y + setup.epsilon * setup.epsilon).sqrt();
        if lambda.is_finite() { setup.design.column_dot(j, &slopes) + at.ridge * y + penalty } else { 0.0 }
    };
    let in_intercept = if setup.intercept { slopes.iter().sum() } else { 0.0 };
    (0..at.lambda.len()).map(entry).fold(in_intercept * in_intercept, |sum, g| sum + g * g).sqrt()
}

#[test]
fn one_coefficient_solves_its_scalar_equation() {
    // y − b + αy + λ y/√(y²+ε²) = 0 increases in y: bisection between 0 and b.
    let bisected = |b: f64, lambda: f64, ridge: f64, epsilon: f64| {
        let (mut low, mut high) = (0.0_f64, b);
        for _ in 0..200 {
            let y = 0.5 * (low + high);
            let slope = y - b + ridge * y + lambda * y / y.hypot(epsilon);
            if slope > 0.0 { high = y } else { low = y }
        }
        0.5 * (low + high)
    };
    let (matrix, penalty) = (design(&[vec![1.0]], false), L1::new(1));
    for (b, lambda, ridge) in
        [(3.0, 2.0, 0.0), (1.0, 2.0, 0.0), (1.0, 1.0, 0.0), (5.0, 0.1, 0.7), (1.0, 3.0, 2.0)]
    {
        for epsilon in [10.0, 1.0, 1e-2, 1e-4, 1e-8, 1e-12] {
            let targets = [b];
            let setup = Setup { epsilon, ..setup(&matrix, &targets, &penalty, Squared) };
            let found = setup.lower(&[1.0]).solve(&weights(vec![lambda], ridge), None, EXACT).unwrap();
            let (y, expected) = (found.coefficients[0], bisected(b, lambda, ridge, epsilon));
            assert!(
                (y - expected).abs() <= 1e-9 * expected + 1e-16,
                "b {b}, λ {lambda}, α {ridge}, ε {epsilon}: {y} against {expected}"
            );
        }
    }
}

/// One weight, one for each coefficient, and adaptive weights, with a point each around log λ = `level`.
fn families(p: usize, level: f64, ridge: Ridge) -> Vec<(Box<dyn Parametrization>, Vec<f64>)> {
    let (low, high) = (-30.0, 30.0);
    let sizes: Vec<f64> = (0..p).map(|g| 0.2 + (g % 4) as f64).collect();
    let wave = (0..p).map(|g| level + 0.3 * (g as f64 * 1.7).sin()).collect();
    let mut families: Vec<(Box<dyn Parametrization>, Vec<f64>)> = vec![
        (Box::new(Weights::scalar(vec![1.0; p], ridge, low, high)), vec![level]),
        (Box::new(Weights::per_block(vec![1.0; p], ridge, low, high)), wave),
        (Box::new(Adaptive::new(vec![1.0; p], &sizes, ridge, low, high)), vec![level, 0.6]),
    ];
    if matches!(ridge, Ridge::Learned { .. }) {
        families.iter_mut().for_each(|(_, theta)| theta.push(level - 0.7));
    }
    families
}

fn differences_agree<L: Loss>(setup: Setup<'_, L>, p: usize, lambda: f64, ridge: Ridge) {
    for folds in [1, 3] {
        let splits = splits(setup.targets.len(), folds, 7);
        for (parametrization, theta) in families(p, lambda.ln(), ridge) {
            let mut phi = setup.objective(&splits, parametrization);
            // Nothing is ever near a kink here: every problem must be judged.
            assert!(common::gradient_matches_differences(&mut phi, &theta));
        }
    }
}

#[test]
fn hypergradients_equal_central_differences() {
    for seed in 0..8_u64 {
        let p = 4 + (seed as usize % 4) * 8;
        let data = random_data(seed, 30, p, seed % 2 == 1);
        let penalty = L1::new(p);
        let ridges = [Ridge::Fixed(0.0), Ridge::Fixed(0.02), Ridge::Learned { lower: -20.0, upper: 5.0 }];
        for (epsilon, ridge) in [1.0, 0.1, 0.02].into_iter().flat_map(|e| ridges.map(|r| (e, r))) {
            let (design, penalty, intercept) = (&data.design, &penalty, seed % 4 < 2);
            let squared = Setup { intercept, epsilon, ..setup(design, &data.real, penalty, Squared) };
            differences_agree(squared, p, 0.1, ridge);
            let logistic = Setup { intercept, epsilon, ..setup(design, &data.signs, penalty, Logistic) };
            differences_agree(logistic, p, 0.03, ridge);
        }
    }
}

#[test]
fn the_error_bound_covers_what_loose_solves_do_to_the_hypergradient() {
    let mut judged = 0;
    for seed in 0..6 {
        let (n, p) = (30, 12);
        let data = random_data(seed, n, p, false);
        let (penalty, splits) = (L1::new(p), splits(n, 1, 7));
        for epsilon in [1.0, 0.1, 1e-3] {
            let (design, penalty) = (&data.design, &penalty);
            let squared = Setup { epsilon, ..setup(design, &data.real, penalty, Squared) };
            judged += error_bound_covers(squared, &splits[0], &weights(vec![0.1; p], 0.0));
            let logistic = Setup { epsilon, ..setup(design, &data.signs, penalty, Logistic) };
            judged += error_bound_covers(logistic, &splits[0], &weights(vec![0.03; p], 0.01));
        }
    }
    assert!(judged > 60, "{judged}");
}

/// Returns how many loose solves left an error to be covered.
fn error_bound_covers<L: Loss>(setup: Setup<'_, L>, split: &Split, at: &Hyperparameters) -> usize {
    let lower = setup.lower(&split.train);
    let criterion = ValidationLoss::new(setup.loss, setup.targets, &split.validation);
    let hypergradient = |tolerance: f64| {
        let accuracy = Accuracy { relative_gap: tolerance, ..EXACT };
        let solution = lower.solve(at, None, accuracy).unwrap();
        let measured = criterion.evaluate(&solution.predictor);
        let upper =
            UpperGradient { predictor: &measured.gradient, curvature: &measured.curvature, warm_start: &[] };
        lower.adjoint(at, &solution, &upper, Selection::default(), EXACT).unwrap()
    };
    let exact = hypergradient(EXACT.relative_gap);
    let scale = exact.lambda.iter().map(|e| e.1 * e.1).sum::<f64>().sqrt();
    let mut judged = 0;
    for tolerance in [1e-2, 1e-3, 1e-5] {
        let loose = hypergradient(tolerance);
        let differences = loose.lambda.iter().zip(&exact.lambda).map(|(a, b)| a.1 - b.1);
        let error = differences.chain([loose.ridge - exact.ridge]).map(|d| d * d).sum::<f64>().sqrt();
        assert!(error <= loose.error_bound + 1e-11 * scale, "{error:e} against {:e}", loose.error_bound);
        judged += usize::from(error > 1e-9 * scale);
    }
    judged
}

#[test]
fn the_gap_bounds_the_distance_to_the_minimum_and_tight_solves_are_stationary() {
    for seed in 0..6 {
        let data = random_data(seed, 24, 30, false);
        let (penalty, train) = (L1::new(30), [1.0 / 24.0; 24]);
        let (design, penalty, intercept) = (&data.design, &penalty, seed % 2 == 0);
        for (epsilon, ridge) in [(1.0, 0.0), (0.1, 0.3), (1e-3, 0.0), (1e-3, 1e-3), (1e-6, 0.0)] {
            let squared = Setup { intercept, epsilon, ..setup(design, &data.real, penalty, Squared) };
            gap_is_a_bound(squared, &train, &weights(vec![0.1; 30], ridge));
            let logistic = Setup { intercept, epsilon, ..setup(design, &data.signs, penalty, Logistic) };
            gap_is_a_bound(logistic, &train, &weights(vec![0.03; 30], ridge));
        }
    }
}

fn gap_is_a_bound<L: Loss>(setup: Setup<'_, L>, train: &[f64], at: &Hyperparameters) {
    let lower = setup.lower(train);
    let solve = |tolerance: f64| {
        lower.solve(at, None, Accuracy { relative_gap: tolerance, adjoint_residual: 1.0 }).unwrap()
    };
    let exact = solve(1e-15);
    assert!(exact.relative_gap < 1e-13, "ε {}: {:e}", setup.epsilon, exact.relative_gap);
    assert!(exact.iterations < 60, "ε {}: {} steps", setup.epsilon, exact.iterations);
    // The penalty's slope is known no better than its curvature λ/ε times the rounding of y.
    let slope = stationarity(&setup, train, at, &exact);
    assert!(slope < 1e-11, "ε {}: {slope:e}", setup.epsilon);
    for tolerance in [f64::INFINITY, 0.3, 1e-2, 1e-4] {
        let loose = solve(tolerance);
        let excess = loose.objective - exact.objective;
        assert!(loose.relative_gap <= tolerance && excess >= -1e-13 * exact.objective);
        assert!(excess <= loose.gap + 1e-13 * exact.objective, "{excess:e} above, gap {:e}", loose.gap);
    }
}

#[test]
fn smoothing_without_coupling_moves_active_coordinates_by_epsilon_squared_and_zeros_by_epsilon() {
    // A = √3·I₃: three scalar problems with b = (3, −2, 0.5) and λ = 1, so y = (2, −1, 0).
    let root = 3.0_f64.sqrt();
    let columns: Vec<Vec<f64>> =
        (0..3).map(|j| (0..3).map(|i| if i == j { root } else { 0.0 }).collect()).collect();
    let (matrix, penalty) = (design(&columns, false), L1::new(3));
    let (targets, train) = ([3.0 * root, -2.0 * root, 0.5 * root], [1.0 / 3.0; 3]);
    let at = weights(vec![1.0; 3], 0.0);
    let setup = setup(&matrix, &targets, &penalty, Squared);
    let smoothed = setup.lower(&train);
    let exact = smoothed.exact().solve(&at, None, EXACT).unwrap().coefficients;
    let path = Continuation { first: 1e-1, factor: 0.1, last: 1e-4 };
    for (epsilon, solution) in smoothed.solve_path(&at, path, EXACT).unwrap() {
        let bias: Vec<f64> = solution.coefficients.iter().zip(&exact).map(|(a, b)| a - b).collect();
        // λε²/2y² and −λε²/2y²; with u = 0.5, ε u/√(λ²−u²).
        let expected = [epsilon * epsilon / 8.0, -epsilon * epsilon / 2.0, epsilon * 0.5 / 0.75_f64.sqrt()];
        for (bias, expected) in bias.iter().zip(expected) {
            let relative = (bias / expected - 1.0).abs();
            assert!(relative < 2.0 * epsilon + 1e-6, "ε {epsilon}: bias {bias:e}, expected {expected:e}");
        }
    }
}

#[test]
fn with_coupling_the_zeros_carry_active_coordinates_along_at_order_epsilon() {
    use bilevel::design::DesignMatrix;
    let mut judged = 0;
    for seed in 0..6 {
        let (n, p) = (40, 12);
        let data = random_data(seed, n, p, false);
        let (penalty, train) = (L1::new(p), vec![1.0 / n as f64; n]);
        let setup = setup(&data.design, &data.real, &penalty, Squared);
        let smoothed = setup.lower(&train);
        let at = weights(vec![0.3; p], 0.0);
        let exact = smoothed.exact().solve(&at, None, EXACT).unwrap();
        let support = exact.support();
        let path = Continuation { first: 1e-1, factor: 0.1, last: 1e-7 };
        let path = smoothed.solve_path(&at, path, EXACT).unwrap();
        // δ_Z = −ε c/√(λ²−c²); on the support H_SS δ_S = −H_SZ δ_Z, that is, the residuals stay orthogonal: A_Sᵀ A δ = 0.
        let zeros: Vec<usize> = (0..p).filter(|j| !support.contains(j)).collect();
        let near_kink = zeros.iter().any(|&j| exact.correlations[j].abs() > 0.9 * 0.3);
        if near_kink || zeros.is_empty() {
            continue;
        }
        judged += 1;
        let mut errors = Vec::new();
        for (epsilon, solution) in &path {
            let delta: Vec<f64> = solution
                .coefficients
                .iter()
                .zip(&exact.coefficients)
                .map(|(a, b)| (a - b) / epsilon)
                .collect();
            let predicted =
                |&j: &usize| -exact.correlations[j] / (0.09 - exact.correlations[j].powi(2)).sqrt();
            let mut image = vec![0.0; n];
            setup.design.product_into(&delta, &mut image);
            let of_zeros = zeros.iter().map(|j| (delta[*j] - predicted(j)).abs());
            let of_support = support.iter().map(|&j| setup.design.column_dot(j, &image).abs() / n as f64);
            errors.push(of_zeros.chain(of_support).fold(0.0, f64::max));
        }
        // A tenth of ε leaves a tenth of the error, from where it is small down to where rounding (1e-16/ε) takes over.
        for pair in errors[2..6].windows(2) {
            assert!(pair[1] < 0.2 * pair[0] + 1e-8, "{errors:?}");
        }
    }
    assert!(judged >= 3, "{judged}");
}

/// Trained on a₁ = 1, b; judged by a₂ = 1, t: y = t is best.
fn toy(b: f64, target: f64) -> (Design, [f64; 2], Vec<Split>) {
    let splits = vec![Split::from_rows(2, &[0], &[1]).unwrap()];
    (design(&[vec![1.0, 1.0]], false), [b, target], splits)
}

#[test]
fn the_upper_minimizer_of_the_toy_is_biased_by_its_closed_form() {
    // y_ε = t where t − b + λ t/√(t²+ε²) = 0: λ_ε* = (b − t)√(t²+ε²)/t, against λ* = b − t: a bias of (b − t)ε²/2t².
    for (b, target) in [(3.0, 1.0), (3.0, 2.0), (1.5, 0.5)] {
        let (design, targets, splits) = toy(b, target);
        let penalty = L1::new(1);
        let setup = setup(&design, &targets, &penalty, Squared);
        let mut phi =
            setup.objective(&splits, Box::new(Weights::scalar(vec![1.0], Ridge::Fixed(0.0), -7.0, 2.0)));
        let settings = LbfgsSettings {
            stationarity: 1e-14,
            plateau: 0.0,
            patience: 0,
            accuracy: AccuracySchedule::tight(),
            ..LbfgsSettings::default()
        };
        let path = Continuation { first: 1.0, factor: 0.1, last: 1e-4 };
        let stages = path.minimize(&mut phi, &Lbfgs { settings }, &[0.0], &mut Unwatched).unwrap();
        assert_eq!(stages.len(), 5);
        for stage in &stages {
            let (epsilon, lambda) = (stage.epsilon, stage.outer.theta[0].exp());
            let expected = (b - target) * target.hypot(epsilon) / target;
            assert!((lambda - expected).abs() < 1e-9 * expected, "ε {epsilon}: {lambda} against {expected}");
        }
        let search =
            ScalarSearch { settings: ScalarSettings { tolerance: 1e-12, ..ScalarSettings::default() } };
        for stage in path.minimize(&mut phi, &search, &[], &mut Unwatched).unwrap() {
            let expected = (b - target) * target.hypot(stage.epsilon) / target;
            // A search by values knows θ to the root of what it knows Φ to.
            assert!((stage.outer.theta[0].exp() - expected).abs() < 1e-5 * expected);
        }
    }
}

#[test]
fn the_continuation_of_a_search_arrives_at_a_minimum_of_the_exact_criterion() {
    let (n, p) = (60, 15);
    let data = random_data(11, n, p, false);
    let (splits, penalty) = (splits(n, 3, 7), L1::new(p));
    let setup = Setup { intercept: true, ..setup(&data.design, &data.real, &penalty, Squared) };
    let unit = vec![1.0; p];
    let scalar = || Box::new(Weights::scalar(unit.clone(), Ridge::Fixed(0.0), -8.0, 1.0));
    let per_feature = || Box::new(Weights::per_block(unit.clone(), Ridge::Fixed(0.0), -8.0, 1.0));
    let path = Continuation { first: 0.1, factor: 0.1, last: 1e-5 };

    let mut exact = common::objective(&data.design, &data.real, &splits, Squared, &penalty, scalar());
    let best = ScalarSearch::default().minimize(&mut exact, &[], &mut Unwatched).unwrap();
    let mut phi = setup.objective(&splits, scalar());
    let stages = path.minimize(&mut phi, &ScalarSearch::default(), &[], &mut Unwatched).unwrap();
    // Far from 0, ε decides which of several local minima is the lowest; then the bias is of order ε.
    let bias: Vec<f64> = stages.iter().map(|stage| (stage.outer.theta[0] - best.theta[0]).abs()).collect();
    assert!(bias[3] < 1e-2 && bias[4] < 0.2 * bias[3], "{bias:?}");

    let start = vec![best.theta[0]; p];
    let mut phi = setup.objective(&splits, per_feature());
    let stages = path.minimize(&mut phi, &Lbfgs::default(), &start, &mut Unwatched).unwrap();
    // Where it ended the exact criterion is nearly the smoothed one, and has a minimum nearby.
    exact.set_parametrization(per_feature());
    let last = &stages.last().unwrap().outer;
    let there = exact.evaluate(&last.theta, tight(Selection::default())).unwrap().value;
    let polished = Lbfgs::default().minimize(&mut exact, &last.theta, &mut Unwatched).unwrap();
    let polished = polished.evaluation.value;
    assert!((there / last.evaluation.value - 1.0).abs() < 1e-3);
    assert!(polished <= there && polished > 0.99 * there);
}

#[test]
fn a_continuation_ends_where_a_cold_solve_does() {
    let data = random_data(3, 30, 40, false);
    let (penalty, train) = (L1::new(40), [1.0 / 30.0; 30]);
    for epsilon in [1e-2, 1e-4, 1e-6, 1e-9] {
        let setup =
            Setup { intercept: true, epsilon, ..setup(&data.design, &data.signs, &penalty, Logistic) };
        let (smoothed, at) = (setup.lower(&train), weights(vec![0.03; 40], 0.0));
        let cold = smoothed.solve(&at, None, EXACT).unwrap();
        let path = smoothed.solve_path(&at, Continuation { last: epsilon, ..Continuation::default() }, EXACT);
        let path = path.unwrap();
        let warm = &path.last().unwrap().1;
        assert!((cold.objective - warm.objective).abs() <= 1e-14 * cold.objective);
        for (a, b) in cold.coefficients.iter().zip(&warm.coefficients) {
            assert!((a - b).abs() < 1e-8, "ε {epsilon}: {a} cold, {b} along the path");
        }
    }
}

#[test]
fn columns_of_zeros_change_nothing_and_neither_does_working_without_a_factorization() {
    let (n, p) = (20, 12);
    let plain = random(5, n, p, false, true, 0.1);
    let (columns, targets) = (plain.columns, plain.targets);
    let splits = splits(n, 1, 0);
    let mut answers = Vec::new();
    // 2,100 columns are beyond what is factorized.
    for padding in [0, 100, 2088] {
        let mut values = columns.concat();
        values.resize((p + padding) * n, 0.0);
        let matrix = Design::Dense(DenseMatrix::new(n, p + padding, values).unwrap());
        let penalty = L1::new(p + padding);
        let setup = Setup {
            design: &matrix,
            targets: &targets,
            penalty: &penalty,
            loss: Squared,
            intercept: true,
            epsilon: 1e-3,
        };
        let (lower, at) = (setup.lower(&splits[0].train), weights(vec![0.05; p + padding], 0.0));
        let solution = lower.solve(&at, None, EXACT).unwrap();
        let measured =
            ValidationLoss::new(Squared, &targets, &splits[0].validation).evaluate(&solution.predictor);
        let upper =
            UpperGradient { predictor: &measured.gradient, curvature: &measured.curvature, warm_start: &[] };
        let adjoint = lower.adjoint(&at, &solution, &upper, Selection::default(), EXACT).unwrap();
        assert!(adjoint.lambda[p..].iter().all(|(_, slope)| *slope == 0.0));
        let slopes: Vec<f64> = adjoint.lambda[..p].iter().map(|e| e.1).collect();
        answers.push((solution.coefficients[..p].to_vec(), slopes));
    }
    for (coefficients, slopes) in &answers[1..] {
        for (found, expected) in
            coefficients.iter().zip(&answers[0].0).chain(slopes.iter().zip(&answers[0].1))
        {
            assert!((found - expected).abs() < 1e-9, "{found} against {expected}");
        }
    }
}

#[test]
fn degenerate_problems_end_with_numbers() {
    let n = 12;
    let plain = random(9, n, 41, false, true, 0.1);
    let (first, targets) = (&plain.columns[0], plain.targets);
    let twice: Vec<f64> = first.iter().map(|a| 2.0 * a).collect();
    let mut columns = vec![first.clone(), first.clone(), twice, vec![0.0; n], vec![1.0; n]];
    columns.extend_from_slice(&plain.columns[1..]);
    let p = columns.len();
    let signs: Vec<f64> = targets.iter().map(|b| b.signum()).collect();
    let splits = splits(n, 1, 0);
    let (matrix, penalty) = (design(&columns, false), L1::new(p));
    let mixed: Vec<f64> = (0..p).map(|j| [0.1, 0.0, f64::INFINITY, 1e-8, 30.0][j % 5]).collect();
    let none = vec![f64::INFINITY; p];
    let lambdas = [vec![0.1; p], vec![0.0; p], vec![1e-9; p], vec![1e6; p], vec![1e300; p], none, mixed];
    for epsilon in [1.0, 1e-6, 1e-12] {
        for (lambda, ridge) in lambdas.iter().flat_map(|l| [(l, 0.0), (l, 0.1)]) {
            for intercept in [false, true] {
                let (design, penalty, at) = (&matrix, &penalty, weights(lambda.clone(), ridge));
                let squared = Setup { intercept, epsilon, ..setup(design, &targets, penalty, Squared) };
                numbers_only(squared, &splits[0], &at);
                // Without any penalty the classes are separable: there is no minimizer, but a gap to the infimum.
                let logistic = Setup { intercept, epsilon, ..setup(design, &signs, penalty, Logistic) };
                numbers_only(logistic, &splits[0], &at);
            }
        }
    }
}

fn numbers_only<L: Loss>(setup: Setup<'_, L>, split: &Split, at: &Hyperparameters) {
    let lower = setup.lower(&split.train);
    let words = format!("ε {}, λ {:?}…, α {}", setup.epsilon, &at.lambda[..5], at.ridge);
    let solution = lower.solve(at, None, Accuracy::TIGHT).expect(&words);
    assert!(solution.coefficients.iter().chain(&solution.predictor).all(|v| v.is_finite()), "{words}");
    assert!(solution.gap.is_finite() && solution.objective.is_finite(), "{words}");
    assert!(solution.relative_gap < 1e-8, "{words}: {:e}", solution.relative_gap);
    let is_excluded = |j: usize| at.lambda[j] == f64::INFINITY;
    assert!((0..at.lambda.len()).all(|j| !is_excluded(j) || solution.coefficients[j] == 0.0));
    let measured =
        ValidationLoss::new(setup.loss, setup.targets, &split.validation).evaluate(&solution.predictor);
    let upper =
        UpperGradient { predictor: &measured.gradient, curvature: &measured.curvature, warm_start: &[] };
    let adjoint = lower.adjoint(at, &solution, &upper, Selection::default(), Accuracy::TIGHT).unwrap();
    assert!(adjoint.lambda.iter().all(|(j, h)| h.is_finite() && !is_excluded(*j as usize)), "{words}");
    assert!(adjoint.ridge.is_finite() && !adjoint.error_bound.is_nan(), "{words}");
}

#[test]
fn an_epsilon_or_a_continuation_out_of_range_is_refused() {
    let (matrix, penalty) = (design(&[vec![1.0]], false), L1::new(1));
    let setup = setup(&matrix, &[1.0], &penalty, Squared);
    let mut smoothed = setup.lower(&[1.0]);
    for epsilon in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(smoothed.set_epsilon(epsilon).is_err());
    }
    assert_eq!(smoothed.epsilon(), 1.0);
    let default = Continuation::default();
    for refused in [
        Continuation { first: f64::NAN, ..default },
        Continuation { factor: 1.0, ..default },
        Continuation { last: 0.0, ..default },
        Continuation { last: 1.0, ..default },
    ] {
        assert!(refused.epsilons().is_err(), "{refused:?}");
    }
    assert_eq!(default.epsilons().unwrap().len(), 6);
}
