//! The quadratic penalty: closed forms, explicit normal equations, hypergradients against differences, and what happens at the ends of λ.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use bilevel::criterion::{Criterion, ValidationLoss};
use bilevel::data::{Dataset, FeatureNames, Split, SplitSettings, Target};
use bilevel::design::{CscMatrix, DenseMatrix, Design, DesignMatrix};
use bilevel::fit::{FitInput, FitSettings, PenaltyKind, Silent, WeightsKind, fit};
use bilevel::hypergradient::Selection;
use bilevel::loss::{Logistic, Loss, Squared};
use bilevel::lower::{Hyperparameters, LowerLevel, RidgeGlm, Solution, SparseGlm, UpperGradient};
use bilevel::objective::{SplitObjective, tight};
use bilevel::outer::{Accuracy, Objective, ScalarSearch, Unwatched};
use bilevel::parametrization::{Parametrization, Ridge, Weights};
use bilevel::penalty::L1;
use common::reference::{design, uniform};
use common::{EXACT, random_data, splits};

type Phi<'a, L> = SplitObjective<RidgeGlm<'a, Design, L>, ValidationLoss<'a, L>>;

fn lower<'a, L: Loss>(
    design: &'a Design,
    targets: &'a [f64],
    weights: &'a [f64],
    loss: L,
    penalty: &'a L1,
    intercept: bool,
) -> RidgeGlm<'a, Design, L> {
    RidgeGlm::new(SparseGlm::new(design, targets, weights, loss, penalty, intercept).unwrap())
}

fn objective<'a, L: Loss>(
    design: &'a Design,
    targets: &'a [f64],
    splits: &'a [Split],
    loss: L,
    penalty: &'a L1,
    intercept: bool,
    parametrization: Box<dyn Parametrization>,
) -> Phi<'a, L> {
    let part = |split: &'a Split| {
        let lower = lower(design, targets, &split.train, loss, penalty, intercept);
        (lower, ValidationLoss::new(loss, targets, &split.validation))
    };
    SplitObjective::new(splits.iter().map(part).collect(), parametrization)
}

fn weights(lambda: Vec<f64>, ridge: f64) -> Hyperparameters {
    Hyperparameters { lambda, ridge }
}

/// Entries of the design, column by column.
fn columns(design: &Design) -> Vec<Vec<f64>> {
    let mut columns = vec![vec![0.0; design.n_rows()]; design.n_columns()];
    for (j, column) in columns.iter_mut().enumerate() {
        design.visit_column(j, |i, a| column[i] = a);
    }
    columns
}

/// Gaussian elimination with partial pivoting.
fn eliminate(mut matrix: Vec<Vec<f64>>, mut right: Vec<f64>) -> Vec<f64> {
    let size = right.len();
    for k in 0..size {
        let pivot = (k..size).max_by(|&a, &b| matrix[a][k].abs().total_cmp(&matrix[b][k].abs())).unwrap();
        matrix.swap(k, pivot);
        right.swap(k, pivot);
        let pivot_row = matrix[k].clone();
        for i in k + 1..size {
            let factor = matrix[i][k] / pivot_row[k];
            matrix[i].iter_mut().zip(&pivot_row).for_each(|(entry, above)| *entry -= factor * above);
            right[i] -= factor * right[k];
        }
    }
    for k in (0..size).rev() {
        let known: f64 = (k + 1..size).map(|j| matrix[k][j] * right[j]).sum();
        right[k] = (right[k] - known) / matrix[k][k];
    }
    right
}

/// (y, c) from the normal equations of the augmented matrix [A 1].
fn normal_equations(
    columns: &[Vec<f64>],
    targets: &[f64],
    sample_weights: &[f64],
    d: &[f64],
    intercept: bool,
) -> Vec<f64> {
    let mut all = columns.to_vec();
    let mut diagonal = d.to_vec();
    if intercept {
        all.push(vec![1.0; targets.len()]);
        diagonal.push(0.0);
    }
    let inner = |a: &[f64], b: &[f64]| -> f64 {
        a.iter().zip(b).zip(sample_weights).map(|((a, b), s)| s * a * b).sum()
    };
    let mut matrix: Vec<Vec<f64>> = all.iter().map(|a| all.iter().map(|b| inner(a, b)).collect()).collect();
    diagonal.iter().enumerate().for_each(|(k, d)| matrix[k][k] += d);
    let right = all.iter().map(|a| inner(a, targets)).collect();
    eliminate(matrix, right)
}

#[test]
fn the_best_weight_of_one_coefficient_is_the_closed_form() {
    // Train ½(b − ay)² + ½λℓ²y²; validate ½(z − y)²: λ* = (ab/z − a²)/ℓ² (DESIGN §2.2).
    for (a, b, ell, z) in [(1.0_f64, 3.0_f64, 1.0_f64, 1.0_f64), (2.0, 3.0, 0.5, 1.2), (0.7, -2.0, 3.0, -1.5)]
    {
        let matrix = design(&[vec![a, 1.0]], false);
        let (targets, penalty) = ([b, z], L1::new(1));
        let splits = [Split::from_rows(2, &[0], &[1]).unwrap()];
        let map = Box::new(Weights::scalar(vec![ell * ell], Ridge::Fixed(0.0), -12.0, 8.0));
        let mut phi = objective(&matrix, &targets, &splits, Squared, &penalty, false, map);
        let found = ScalarSearch::default().search(&mut phi, &[], &mut Unwatched).unwrap();
        let expected = (a * b / z - a * a) / (ell * ell);
        let lambda = found.outer.theta[0].exp();
        assert!((lambda / expected - 1.0).abs() < 1e-4, "{lambda} against {expected}");
        // The hypergradient at the closed form itself: Φ' = 0, and Φ' = (y − z)·∂y/∂λ·λ elsewhere.
        let at = |theta: f64| {
            let mut phi = objective(
                &matrix,
                &targets,
                &splits,
                Squared,
                &penalty,
                false,
                Box::new(Weights::scalar(vec![ell * ell], Ridge::Fixed(0.0), -12.0, 8.0)),
            );
            phi.evaluate(&[theta], tight(Selection::default())).unwrap().gradient[0]
        };
        assert!(at(expected.ln()).abs() < 1e-14);
        let lambda = 2.0 * expected;
        let (y, h) = (a * b / (a * a + ell * ell * lambda), a * a + ell * ell * lambda);
        let slope = (y - z) * (-ell * ell * y / h) * lambda;
        assert!((at(lambda.ln()) - slope).abs() <= 1e-13 * slope.abs());
    }
}

#[test]
fn solutions_are_those_of_the_normal_equations() {
    let (mut compared, mut worst) = (0, 0.0_f64);
    for seed in 0..16 {
        let (n, p) = [(30, 7), (12, 40), (25, 25), (60, 3)][seed as usize % 4];
        let sparse = seed % 3 == 1;
        let data = random_data(seed, n, p, sparse);
        let penalty = L1::new(p);
        // Unequal weights, some of them 0.
        let raw: Vec<f64> = (0..n).map(|i| ((i * 7 + seed as usize) % 4) as f64).collect();
        let total: f64 = raw.iter().sum();
        let sample_weights: Vec<f64> = raw.iter().map(|w| w / total).collect();
        for intercept in [true, false] {
            let problem = lower(&data.design, &data.real, &sample_weights, Squared, &penalty, intercept);
            let wave = |j: usize| 0.05 * (1.0 + (j as f64 * 1.3).sin().powi(2) * 20.0);
            for (d, ridge) in [
                (vec![0.3; p], 0.0),
                (vec![1e-3; p], 0.0),
                ((0..p).map(wave).collect::<Vec<f64>>(), 0.0),
                ((0..p).map(wave).collect(), 0.2),
            ] {
                let at = weights(d.clone(), ridge);
                let total: Vec<f64> = d.iter().map(|d| d + ridge).collect();
                let expected =
                    normal_equations(&columns(&data.design), &data.real, &sample_weights, &total, intercept);
                let found = problem.solve(&at, None, Accuracy::TIGHT).unwrap();
                let scale = expected.iter().fold(0.0_f64, |m, y| m.max(y.abs()));
                for (y, e) in found.coefficients.iter().zip(&expected) {
                    worst = worst.max((y - e).abs() / scale);
                }
                if intercept {
                    worst = worst.max((found.intercept - expected[p]).abs() / scale);
                }
                assert!(worst <= 1e-10, "seed {seed}: {worst:.1e}");
                assert!(found.relative_gap <= 1e-20, "gap {:.1e}", found.relative_gap);
                compared += 1;
            }
        }
    }
    assert!(compared >= 100, "{compared} compared; largest difference {worst:.1e}");
}

/// ∇P in (y, c), written down once more.
fn stationarity<L: Loss>(
    loss: L,
    design: &Design,
    targets: &[f64],
    sample_weights: &[f64],
    d: &[f64],
    found: &Solution,
) -> f64 {
    let slopes: Vec<f64> = (targets.iter().zip(&found.predictor).zip(sample_weights))
        .map(|((b, z), s)| s * loss.derivative(*b, *z))
        .collect();
    let entry = |j: usize| design.column_dot(j, &slopes) + d[j] * found.coefficients[j];
    (0..d.len()).map(|j| entry(j).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn logistic_solutions_are_stationary_and_their_gaps_are_bounds() {
    for seed in 0..12 {
        let (n, p) = [(40, 6), (15, 50), (30, 30)][seed as usize % 3];
        let data = random_data(seed, n, p, seed % 2 == 1);
        let (penalty, sample_weights) = (L1::new(p), uniform(n));
        let problem = lower(&data.design, &data.signs, &sample_weights, Logistic, &penalty, true);
        for scale in [1.0, 1e-2, 1e-4] {
            let d: Vec<f64> = (0..p).map(|j| scale * (1.0 + (j % 3) as f64)).collect();
            let at = weights(d.clone(), 0.0);
            let exact = problem.solve(&at, None, EXACT).unwrap();
            let gradient = stationarity(Logistic, &data.design, &data.signs, &sample_weights, &d, &exact);
            assert!(gradient <= 1e-12, "seed {seed}, scale {scale}: {gradient:.1e}");
            let rough = problem.solve(&at, None, Accuracy { relative_gap: 1e-2, ..Accuracy::TIGHT }).unwrap();
            let excess = rough.objective - exact.objective;
            assert!(excess <= rough.gap + 1e-14, "claims {:.1e}, is {excess:.1e}", rough.gap);
        }
    }
}

/// One weight, one for each of two groups, one for each coefficient.
fn families(p: usize, level: f64, ridge: Ridge) -> Vec<(Box<dyn Parametrization>, Vec<f64>)> {
    let factors: Vec<f64> = (0..p).map(|g| 1.0 + 0.1 * (g % 3) as f64).collect();
    let groups = (0..p).map(|g| g % 2).collect();
    let wave = (0..p).map(|g| level + (g as f64 * 1.7).sin()).collect();
    let mut families: Vec<(Box<dyn Parametrization>, Vec<f64>)> = vec![
        (Box::new(Weights::scalar(vec![1.0; p], ridge, -30.0, 30.0)), vec![level]),
        (Box::new(Weights::scalar(factors.clone(), ridge, -30.0, 30.0)), vec![level]),
        (Box::new(Weights::grouped(factors.clone(), groups, ridge, -30.0, 30.0)), vec![level, level - 0.4]),
        (Box::new(Weights::per_block(factors, ridge, -30.0, 30.0)), wave),
    ];
    if matches!(ridge, Ridge::Learned { .. }) {
        families.iter_mut().for_each(|(_, theta)| theta.push(level - 0.7));
    }
    families
}

fn check_hypergradients<L: Loss>(data: &common::RandomData, targets: &[f64], loss: L, seed: u64) -> usize {
    let (n, p) = (data.design.n_rows(), data.design.n_columns());
    let penalty = L1::new(p);
    let mut judged = 0;
    for folds in [1, 3] {
        let splits = splits(n, folds, seed);
        let level = [0.5_f64, 0.02, 0.002][(seed % 3) as usize].ln();
        let ridge = if seed.is_multiple_of(2) {
            Ridge::Fixed(0.0)
        } else {
            Ridge::Learned { lower: -20.0, upper: 5.0 }
        };
        for (map, theta) in families(p, level, ridge) {
            let mut phi = objective(&data.design, targets, &splits, loss, &penalty, seed % 4 < 2, map);
            assert!(common::gradient_matches_differences(&mut phi, &theta), "seed {seed}: a kink");
            judged += 1;
        }
    }
    judged
}

#[test]
fn hypergradients_equal_central_differences_for_every_combination() {
    let mut judged = 0;
    for seed in 0..12 {
        let (n, p) = [(30, 6), (18, 30), (24, 17)][seed as usize % 3];
        let data = random_data(seed, n, p, seed % 2 == 1);
        judged += check_hypergradients(&data, &data.real, Squared, seed);
        judged += check_hypergradients(&data, &data.signs, Logistic, seed);
    }
    assert!(judged >= 150, "{judged} problems");
}

#[test]
fn the_error_bound_of_the_hypergradient_is_one() {
    for seed in 0..8 {
        let (n, p) = [(30, 6), (18, 30)][seed as usize % 2];
        let data = random_data(seed, n, p, false);
        let penalty = L1::new(p);
        let splits = splits(n, 1, seed);
        let problem = lower(&data.design, &data.signs, &splits[0].train, Logistic, &penalty, true);
        let criterion = ValidationLoss::new(Logistic, &data.signs, &splits[0].validation);
        let at = weights(vec![0.05; p], 0.0);
        let slopes = |relative_gap: f64| {
            let solution = problem.solve(&at, None, Accuracy { relative_gap, ..Accuracy::TIGHT }).unwrap();
            let measured = criterion.evaluate(&solution.predictor);
            let upper = UpperGradient {
                predictor: &measured.gradient,
                curvature: &measured.curvature,
                warm_start: &[],
            };
            problem.adjoint(&at, &solution, &upper, Selection::default(), Accuracy::TIGHT).unwrap()
        };
        let exact = slopes(1e-15);
        for gap in [1e-2, 1e-4] {
            let rough = slopes(gap);
            let square = |(a, b): (&(u32, f64), &(u32, f64))| (a.1 - b.1).powi(2);
            let error = exact.lambda.iter().zip(&rough.lambda).map(square).sum::<f64>().sqrt();
            assert!(error <= rough.error_bound, "seed {seed}: {error:.1e} above {:.1e}", rough.error_bound);
        }
        assert!(exact.error_bound < 1e-9, "{:.1e}", exact.error_bound);
    }
}

#[test]
fn weights_that_span_twelve_orders_of_magnitude_are_solved_exactly() {
    for (n, p, sparse) in [(30, 8, false), (15, 40, false), (15, 40, true)] {
        let data = random_data(3, n, p, sparse);
        let (penalty, sample_weights) = (L1::new(p), uniform(n));
        let problem = lower(&data.design, &data.real, &sample_weights, Squared, &penalty, true);
        let d: Vec<f64> = (0..p).map(|j| 10.0_f64.powf(-6.0 + 12.0 * j as f64 / p as f64)).collect();
        let found = problem.solve(&weights(d.clone(), 0.0), None, Accuracy::TIGHT).unwrap();
        let gradient = stationarity(Squared, &data.design, &data.real, &sample_weights, &d, &found);
        assert!(gradient <= 1e-13, "{n} × {p}: {gradient:.1e}");
    }
}

#[test]
fn too_many_of_both_are_solved_without_a_matrix() {
    // 2,100 rows and 2,200 columns of three entries each.
    let (n, p) = (2100, 2200);
    let starts = (0..=p).map(|j| 3 * j).collect();
    let rows_of = |j: usize| {
        let mut rows = [(j * 7) % n, (j * 7 + 611 + j % 5) % n, (j * 7 + 1303) % n];
        rows.sort_unstable();
        rows
    };
    let rows: Vec<u32> = (0..p).flat_map(rows_of).map(|i| u32::try_from(i).unwrap()).collect();
    let values: Vec<f64> = (0..3 * p).map(|k| 1.0 + (k as f64 * 0.7).sin()).collect();
    let matrix = Design::Sparse(CscMatrix::new(n, starts, rows, values).unwrap());
    let real: Vec<f64> = (0..n).map(|i| (i as f64 * 0.37).sin() + 0.2).collect();
    let signs: Vec<f64> = real.iter().map(|b| if *b > 0.1 { 1.0 } else { -1.0 }).collect();
    let (penalty, sample_weights) = (L1::new(p), uniform(n));
    let d: Vec<f64> = (0..p).map(|j| 1e-4 * (1.0 + (j % 5) as f64)).collect();
    let at = weights(d.clone(), 0.0);
    let squared = lower(&matrix, &real, &sample_weights, Squared, &penalty, true);
    let found = squared.solve(&at, None, Accuracy::TIGHT).unwrap();
    assert!(stationarity(Squared, &matrix, &real, &sample_weights, &d, &found) < 1e-14);
    let logistic = lower(&matrix, &signs, &sample_weights, Logistic, &penalty, true);
    let found = logistic.solve(&at, None, Accuracy::TIGHT).unwrap();
    assert!(stationarity(Logistic, &matrix, &signs, &sample_weights, &d, &found) < 1e-14);
}

#[test]
fn no_weight_is_least_squares_and_an_infinite_one_excludes() {
    let data = random_data(5, 30, 6, false);
    let (penalty, sample_weights) = (L1::new(6), uniform(30));
    let problem = lower(&data.design, &data.real, &sample_weights, Squared, &penalty, true);
    let free = problem.solve(&weights(vec![0.0; 6], 0.0), None, Accuracy::TIGHT).unwrap();
    let expected = normal_equations(&columns(&data.design), &data.real, &sample_weights, &[0.0; 6], true);
    for (y, e) in free.coefficients.iter().zip(&expected) {
        assert!((y - e).abs() <= 1e-10 * e.abs().max(1.0), "{y} against {e}");
    }
    let tiny = problem.solve(&weights(vec![1e-14; 6], 0.0), None, Accuracy::TIGHT).unwrap();
    for (y, e) in tiny.coefficients.iter().zip(&expected) {
        assert!((y - e).abs() <= 1e-9, "{y} against {e}");
    }
    let excluded = problem.solve(&weights(vec![f64::INFINITY; 6], 0.0), None, Accuracy::TIGHT).unwrap();
    assert_eq!(excluded.coefficients, [0.0; 6]);
    let mean = data.real.iter().sum::<f64>() / 30.0;
    assert!((excluded.intercept - mean).abs() < 1e-14);
    let huge = problem.solve(&weights(vec![1e12; 6], 0.0), None, Accuracy::TIGHT).unwrap();
    assert!(huge.coefficients.iter().all(|y| y.abs() < 1e-11 && *y != 0.0));
}

#[test]
fn more_free_columns_than_rows_interpolate() {
    let data = random_data(6, 10, 25, false);
    let (penalty, sample_weights) = (L1::new(25), uniform(10));
    let problem = lower(&data.design, &data.real, &sample_weights, Squared, &penalty, true);
    for lambda in [0.0, 1e-9] {
        let found = problem.solve(&weights(vec![lambda; 25], 0.0), None, Accuracy::TIGHT).unwrap();
        for (z, b) in found.predictor.iter().zip(&data.real) {
            assert!((z - b).abs() < 1e-5, "{z} against {b}");
        }
    }
}

#[test]
fn constant_and_duplicated_columns_are_shared_or_left_alone() {
    let base = random_data(7, 20, 3, false);
    let mut columns = columns(&base.design);
    columns.push(vec![2.5; 20]);
    columns.push(columns[0].clone());
    let matrix = design(&columns, false);
    let (penalty, sample_weights) = (L1::new(5), uniform(20));
    for (targets, logistic) in [(&base.real, false), (&base.signs, true)] {
        for lambda in [0.0, 1e-10, 1e-3, 10.0] {
            let at = weights(vec![lambda; 5], 0.0);
            let found = if logistic {
                lower(&matrix, targets, &sample_weights, Logistic, &penalty, true).solve(
                    &at,
                    None,
                    Accuracy::TIGHT,
                )
            } else {
                lower(&matrix, targets, &sample_weights, Squared, &penalty, true).solve(
                    &at,
                    None,
                    Accuracy::TIGHT,
                )
            };
            let Ok(found) = found else {
                assert!(logistic && lambda < 1e-6, "λ {lambda}: {found:?}");
                continue;
            };
            assert!(found.coefficients[3].abs() < 1e-9, "a constant column beside an intercept");
            let share = found.coefficients[0] - found.coefficients[4];
            // Free, they may share in any way; with a weight, evenly.
            assert!(
                lambda == 0.0 || share.abs() <= 1e-6 * (1.0 + found.coefficients[0].abs()),
                "λ {lambda}: {share:.1e}"
            );
        }
    }
}

#[test]
fn a_constant_target_gives_no_coefficients_and_one_class_a_sentence() {
    let data = random_data(8, 20, 4, false);
    let (penalty, sample_weights) = (L1::new(4), uniform(20));
    let same = vec![7.25; 20];
    let problem = lower(&data.design, &same, &sample_weights, Squared, &penalty, true);
    let found = problem.solve(&weights(vec![0.1; 4], 0.0), None, Accuracy::TIGHT).unwrap();
    assert!(found.coefficients.iter().all(|y| y.abs() < 1e-14) && (found.intercept - 7.25).abs() < 1e-14);
    let ones = vec![1.0; 20];
    let error = SparseGlm::new(&data.design, &ones, &sample_weights, Logistic, &penalty, true).unwrap_err();
    assert!(error.to_string().contains("both classes"), "{error}");
    // Without an intercept one class has a minimizer, as long as there is a weight.
    let problem = lower(&data.design, &ones, &sample_weights, Logistic, &penalty, false);
    let found = problem.solve(&weights(vec![0.1; 4], 0.0), None, Accuracy::TIGHT).unwrap();
    let d = [0.1; 4];
    assert!(stationarity(Logistic, &data.design, &ones, &sample_weights, &d, &found) < 1e-12);
}

#[test]
fn an_intercept_on_a_flat_end_comes_back() {
    // From +30 and −30 Newton's step for the intercept overshoots to the other flat end.
    let data = random_data(9, 24, 4, false);
    let (penalty, sample_weights) = (L1::new(4), uniform(24));
    let problem = lower(&data.design, &data.signs, &sample_weights, Logistic, &penalty, true);
    let at = weights(vec![0.05; 4], 0.0);
    let expected = problem.solve(&at, None, Accuracy::TIGHT).unwrap();
    for far in [-30.0, -8.0, 8.0, 30.0, 300.0] {
        for size in [0.0, 0.5, 50.0] {
            let start = problem.start_from(vec![size; 4], far);
            let found = problem.solve(&at, Some(start), Accuracy::TIGHT).unwrap();
            assert!((found.intercept - expected.intercept).abs() < 1e-9, "{far}: {}", found.intercept);
        }
    }
}

#[test]
fn the_fitted_weight_is_as_good_as_any_of_a_grid_by_normal_equations() {
    let data = random_data(11, 40, 60, false);
    let rows = splits(40, 4, 0);
    let columns = columns(&data.design);
    // Φ(λ), written down once more.
    let criterion = |lambda: f64| -> f64 {
        let of_split = |split: &Split| -> f64 {
            let y = normal_equations(&columns, &data.real, &split.train, &[lambda; 60], true);
            let z = |i: usize| y[60] + (0..60).map(|j| y[j] * columns[j][i]).sum::<f64>();
            (0..40).map(|i| 0.5 * split.validation[i] * (data.real[i] - z(i)).powi(2)).sum()
        };
        rows.iter().map(of_split).sum::<f64>() / 4.0
    };
    let names = FeatureNames::Counted { first: 1 };
    let dataset = Dataset::new(data.design.clone(), Target::Real(data.real.clone()), names).unwrap();
    let settings = FitSettings {
        penalty: PenaltyKind::Ridge,
        weights: WeightsKind::Scalar,
        split: SplitSettings::Folds(4),
        ..FitSettings::default()
    };
    let input = FitInput::new("r", &dataset, &settings);
    let record = fit(input, &mut Silent).unwrap().record;
    let at_answer = criterion(record.weights.lambda.unwrap());
    assert!((record.criterion.value / at_answer - 1.0).abs() < 1e-8, "{at_answer}");
    let smallest = (-12..=10).map(|k| criterion((f64::from(k) * 0.7).exp())).fold(f64::INFINITY, f64::min);
    assert!(record.criterion.value <= smallest * (1.0 + 1e-9), "{} {smallest}", record.criterion.value);
    assert!(record.certificate.stationary && record.certificate.residual < 1e-10);
}

#[test]
fn weights_that_make_no_sense_are_refused() {
    let matrix = Design::Dense(DenseMatrix::new(2, 1, vec![1.0, 2.0]).unwrap());
    let (penalty, sample_weights, targets) = (L1::new(1), uniform(2), [1.0, 2.0]);
    let problem = lower(&matrix, &targets, &sample_weights, Squared, &penalty, true);
    for (lambda, ridge) in
        [(vec![-1.0], 0.0), (vec![f64::NAN], 0.0), (vec![1.0, 1.0], 0.0), (vec![1.0], f64::INFINITY)]
    {
        assert!(problem.solve(&weights(lambda, ridge), None, Accuracy::TIGHT).is_err());
    }
}
