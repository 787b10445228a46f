//! Degenerate input to the lower level: what must still hold, or which sentence must come.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use bilevel::design::{DenseMatrix, Design};
use bilevel::hypergradient::{BiactivePolicy, Direction};
use bilevel::loss::Squared;
use bilevel::lower::{Hyperparameters, LowerLevel, Solution, SparseGlm, UpperGradient};
use bilevel::penalty::L1;
use common::reference::{Plain, random, solve, solve_all};
use common::{EXACT, random_data};

/// Solves tightly and checks everything that can be checked: optimality conditions, and the gap against the reference.
fn solved(plain: &Plain, case: &str) -> Solution {
    let mut dense = None;
    for sparse in [true, false] {
        let solution = solve(plain, sparse, 1e-12).unwrap_or_else(|e| panic!("{case}, sparse {sparse}: {e}"));
        assert!(solution.coefficients.iter().all(|y| y.is_finite()), "{case}: {:?}", solution.coefficients);
        let (_, _, slow) = plain.minimize(5_000);
        plain.assert_gap_is_honest(&solution, slow.min(solution.objective), case);
        assert!(solution.relative_gap <= 1e-9, "{case}: gap {:.1e}", solution.relative_gap);
        dense = Some(solution);
    }
    dense.unwrap()
}

/// Least squares by Gaussian elimination with pivoting on the normal equations, intercept last.
fn least_squares(plain: &Plain, columns: &[usize]) -> (Vec<f64>, f64) {
    let mut design: Vec<Vec<f64>> = columns.iter().map(|&j| plain.columns[j].clone()).collect();
    if plain.intercept {
        design.push(vec![1.0; plain.targets.len()]);
    }
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let m = design.len();
    let n = plain.targets.len() as f64;
    let mut rows: Vec<Vec<f64>> = (design.iter())
        .map(|a| design.iter().map(|b| dot(a, b)).chain([dot(a, &plain.targets)]).collect())
        .collect();
    (0..columns.len()).for_each(|k| rows[k][k] += n * plain.ridge);
    for k in 0..m {
        let pivot = (k..m).max_by(|&a, &b| rows[a][k].abs().total_cmp(&rows[b][k].abs())).unwrap();
        rows.swap(k, pivot);
        for i in (0..m).filter(|&i| i != k) {
            let factor = rows[i][k] / rows[k][k];
            let row = rows[k].clone();
            rows[i].iter_mut().zip(row).for_each(|(a, b)| *a -= factor * b);
        }
    }
    let solution: Vec<f64> = (0..m).map(|k| rows[k][m] / rows[k][k]).collect();
    let intercept = if plain.intercept { solution[m - 1] } else { 0.0 };
    (solution[..columns.len()].to_vec(), intercept)
}

#[test]
fn wide_and_tall_problems_are_solved() {
    for (n, p) in [(5, 200), (400, 3), (2, 40), (3, 1), (2, 1), (50, 1)] {
        for k in 0..8_u64 {
            let (logistic, intercept, fraction) =
                (k % 2 == 1, k / 2 % 2 == 1, if k < 4 { 0.3 } else { 1e-3 });
            let mut plain = random(k + 1, n, p, logistic, intercept, fraction);
            if logistic {
                plain.targets[0] = 1.0;
                plain.targets[1] = -1.0;
                plain.lambda = vec![fraction * plain.lambda_max(); p];
            }
            solved(&plain, &format!("{n} x {p}, case {k}"));
        }
    }
}

#[test]
fn dependent_columns_share_or_split_without_harm() {
    for k in 0..16_u64 {
        let (logistic, intercept) = (k % 2 == 1, k / 2 % 2 == 1);
        let mut plain = random(k, 20, 6, logistic, intercept, 0.1);
        let (a, b) = (plain.columns[0].clone(), plain.columns[1].clone());
        plain.columns[3].clone_from(&a);
        plain.columns[4] = b.iter().map(|b| -b).collect();
        plain.columns[5] = a.iter().zip(&b).map(|(a, b)| 0.5 * a - 2.0 * b).collect();
        plain.ridge = if k >= 8 { 0.1 } else { 0.0 };
        for fraction in [0.3, 0.03, 1e-4] {
            plain.lambda = vec![fraction * plain.lambda_max(); 6];
            solved(&plain, &format!("case {k} at {fraction}"));
        }
    }
}

#[test]
fn zero_and_constant_columns_get_no_coefficient_where_they_have_no_say() {
    for k in 0..16_u64 {
        let (logistic, intercept) = (k % 2 == 1, k / 2 % 2 == 1);
        let mut plain = random(k, 20, 5, logistic, intercept, 0.05);
        plain.columns[1] = vec![0.0; 20];
        plain.columns[2] = vec![if k < 8 { 0.1 } else { 1e7 }; 20];
        for weight in [0.05 * plain.lambda_max(), 0.0] {
            plain.lambda[1] = weight;
            plain.lambda[2] = weight;
            if weight == 0.0 && k >= 8 && !intercept {
                continue; // an unpenalized intercept in units of 1e7
            }
            let solution = solved(&plain, &format!("case {k}, weight {weight}"));
            assert_eq!(solution.coefficients[1], 0.0);
            assert!(!intercept || solution.coefficients[2] == 0.0, "case {k}: {:?}", solution.coefficients);
        }
    }
}

#[test]
fn a_constant_target_is_fitted_by_the_intercept_alone() {
    for value in [0.0, 0.1, -3.0, 1e9, 1e-9] {
        for lambda in [1.0, 1e-3] {
            let mut plain = random(2, 15, 6, false, true, 0.0);
            plain.targets = vec![value; 15];
            plain.lambda = vec![lambda * value.abs().max(1e-300); 6];
            let solution = solve(&plain, false, 1e-10).unwrap();
            assert_eq!(solution.support().len(), 0, "target {value}: {:?}", solution.coefficients);
            assert!((solution.intercept - value).abs() <= 1e-15 * value.abs());
        }
    }
}

#[test]
fn one_class_is_refused_in_a_sentence() {
    let mut plain = random(2, 15, 6, true, true, 0.1);
    plain.targets = vec![1.0; 15];
    let error = solve(&plain, false, 1e-10).unwrap_err().to_string();
    assert_eq!(
        error,
        "target of the training rows: found one class only; expected both classes, to fit an intercept"
    );
}

#[test]
fn separable_classes_are_solved_down_to_small_weights_or_refused_clearly() {
    for (p, nearly) in [(1, false), (3, false), (3, true), (30, false)] {
        let mut plain = random(4, 24, p, true, true, 0.0);
        plain.targets = plain.columns[0].iter().map(|a| if *a > 0.4 { 1.0 } else { -1.0 }).collect();
        if nearly {
            plain.targets[5] = -plain.targets[5];
        }
        let largest = plain.lambda_max();
        for exponent in 0..12 {
            plain.lambda = vec![largest * 10.0_f64.powi(-exponent); p];
            let case = format!("{p} features, nearly {nearly}, 1e-{exponent} of lambda_max");
            let solution = solve(&plain, false, 1e-8).unwrap_or_else(|e| panic!("{case}: {e}"));
            assert!(solution.relative_gap <= 1e-8, "{case}: {:.1e}", solution.relative_gap);
            let violation = plain.kkt_violation(&solution.coefficients, solution.intercept);
            assert!(violation <= 1e-8 * largest, "{case}: {violation:.1e}");
        }
        plain.lambda = vec![0.0; p];
        match solve(&plain, false, 1e-8) {
            Ok(solution) if nearly && p == 3 => {
                plain.assert_gap_is_honest(&solution, solution.objective, "nearly")
            }
            Ok(solution) => plain.assert_gap_is_honest(&solution, 0.0, "separable and unpenalized"),
            Err(error) => assert!(error.to_string().contains("lower-level solver"), "{error}"),
        }
    }
}

#[test]
fn scaling_a_column_and_its_weight_scales_its_coefficient() {
    for k in 0..8_u64 {
        let (logistic, intercept) = (k % 2 == 1, k / 2 % 2 == 1);
        let plain = random(k, 30, 6, logistic, intercept, 0.05);
        let solution = solve(&plain, false, 1e-13).unwrap();
        let mut scaled = plain.clone();
        for (j, factor) in [(0, 1e-8), (1, 1e8), (2, 1e-8), (3, 1e8)] {
            scaled.columns[j].iter_mut().for_each(|a| *a *= factor);
            scaled.lambda[j] *= factor;
        }
        let of_scaled = solve(&scaled, false, 1e-13).unwrap();
        assert!(of_scaled.relative_gap <= 1e-12, "case {k}: gap {:.1e}", of_scaled.relative_gap);
        for (j, factor) in [(0, 1e-8), (1, 1e8), (2, 1e-8), (3, 1e8), (4, 1.0), (5, 1.0)] {
            let (a, b) = (of_scaled.coefficients[j] * factor, solution.coefficients[j]);
            assert!((a - b).abs() <= 1e-5, "case {k}: coefficient {j}: {a} against {b}");
        }
    }
}

#[test]
fn correlated_columns_in_different_units_are_solved() {
    // Correlation 0.999 between neighbours, units from 1e-8 to 1e8: coordinate descent alone would crawl.
    for (k, ridge) in [(0, 0.0), (1, 0.0), (2, 1e-3), (3, 1e-3)] {
        let mut plain = random(k, 60, 8, k % 2 == 1, true, 0.0);
        let common = plain.columns[0].clone();
        for (j, column) in plain.columns.iter_mut().enumerate() {
            column.iter_mut().zip(&common).for_each(|(a, c)| *a = c + 0.03 * *a);
            column.iter_mut().for_each(|a| *a *= [1.0, 1e8, 1e-8, 1e4][j % 4]);
        }
        plain.ridge = ridge;
        let weight = |a: &Vec<f64>| 1e-4 * a.iter().map(|a| a * a).sum::<f64>().sqrt();
        plain.lambda = plain.columns.iter().map(weight).collect();
        let solution = solve(&plain, false, 1e-10).unwrap();
        assert!(solution.relative_gap <= 1e-10, "case {k}: gap {:.1e}", solution.relative_gap);
    }
}

#[test]
fn a_huge_offset_is_left_to_the_intercept() {
    for logistic in [false, true] {
        for offset in [1e3, 1e6, -1e7] {
            let plain = random(6, 40, 6, logistic, true, 0.05);
            let solution = solve(&plain, false, 1e-12).unwrap();
            let mut moved = plain.clone();
            [0, 1, 4].iter().for_each(|&j| moved.columns[j].iter_mut().for_each(|a| *a += offset));
            let of_moved = solve(&moved, false, 1e-8).unwrap_or_else(|e| panic!("offset {offset}: {e}"));
            for (a, b) in of_moved.coefficients.iter().zip(&solution.coefficients) {
                assert!((a - b).abs() <= 1e-4, "logistic {logistic}, offset {offset}: {a} against {b}");
            }
        }
    }
}

#[test]
fn a_huge_offset_of_the_target_is_left_to_the_intercept() {
    for offset in [1e3, 1e6, 1e8] {
        let plain = random(6, 40, 6, false, true, 0.05);
        let solution = solve(&plain, false, 1e-12).unwrap();
        let mut moved = plain.clone();
        moved.targets.iter_mut().for_each(|b| *b += offset);
        let of_moved = solve(&moved, false, 1e-8).unwrap_or_else(|e| panic!("offset {offset}: {e}"));
        assert!(of_moved.relative_gap <= 1e-8, "offset {offset}: {:.1e}", of_moved.relative_gap);
        for (a, b) in of_moved.coefficients.iter().zip(&solution.coefficients) {
            assert!((a - b).abs() <= 1e-5, "offset {offset}: {a} against {b}");
        }
    }
}

#[test]
fn without_weights_the_solution_is_least_squares() {
    for k in 0..8_u64 {
        for (scale, ridge) in [(1.0, 0.0), (1e-8, 0.0), (1e8, 0.0), (1.0, 0.3)] {
            let mut plain = random(k, 25, 5, false, k % 2 == 1, 0.0);
            plain.columns[1].iter_mut().for_each(|a| *a *= scale);
            plain.ridge = ridge;
            let (y, c) = least_squares(&plain, &[0, 1, 2, 3, 4]);
            let minimum = plain.objective(&y, c);
            for gap in [1e-3, 1e-6, 1e-12] {
                let case = format!("case {k}, scale {scale}, ridge {ridge}, accuracy {gap}");
                let solution = solve(&plain, false, gap).unwrap_or_else(|e| panic!("{case}: {e}"));
                plain.assert_gap_is_honest(&solution, minimum, &case);
                assert!(solution.relative_gap <= gap, "{case}: gap {:.1e}", solution.relative_gap);
            }
            let solution = solve(&plain, false, 1e-13).unwrap();
            for (a, b) in solution.coefficients.iter().zip(&y) {
                assert!((a - b).abs() <= 1e-8 * b.abs(), "case {k}, scale {scale}: {a} against {b}");
            }
        }
    }
}

#[test]
fn unpenalized_coefficients_that_interpolate_leave_nothing() {
    // More unpenalized columns than rows: the minimum is 0, at many points.
    for intercept in [false, true] {
        let plain = random(1, 6, 20, false, intercept, 0.0);
        let solution = solve(&plain, false, 1e-10).unwrap();
        plain.assert_gap_is_honest(&solution, 0.0, "interpolation");
        assert!(solution.objective <= 1e-10 * plain.null_objective(), "{:.1e}", solution.objective);
    }
}

#[test]
fn zero_finite_and_infinite_weights_go_together() {
    for k in 0..8_u64 {
        let (logistic, intercept) = (k % 2 == 1, k / 2 % 2 == 1);
        let mut plain = random(k, 40, 9, logistic, intercept, 0.1);
        let finite = plain.lambda[0];
        plain.lambda = [0.0, finite, f64::INFINITY].repeat(3);
        plain.ridge = if k >= 4 { 0.05 } else { 0.0 };
        let solution = solved(&plain, &format!("case {k}"));
        let violation = plain.kkt_violation(&solution.coefficients, solution.intercept);
        assert!(violation <= 1e-9 * finite, "case {k}: {violation:.1e}");
        assert!([2, 5, 8].iter().all(|&j| solution.coefficients[j] == 0.0));
        assert!([0, 3, 6].iter().all(|&j| solution.coefficients[j] != 0.0));
    }
}

#[test]
fn excluding_everything_leaves_the_null_model_from_any_start() {
    for logistic in [false, true] {
        let plain = random(3, 30, 5, logistic, true, 0.01);
        let path = [(plain.lambda.clone(), 0.0), (vec![f64::INFINITY; 5], 0.0), (vec![f64::MAX; 5], 0.1)];
        for solution in &solve_all(&plain, false, &path, 1e-12).unwrap()[1..] {
            assert_eq!(solution.coefficients, vec![0.0; 5]);
            assert!((solution.intercept - plain.null_intercept()).abs() <= 1e-12);
            assert!(solution.relative_gap <= 1e-12);
        }
    }
}

#[test]
fn a_large_ridge_alone_is_solved_in_closed_form() {
    for ridge in [1e-12, 1e-3, 1e3, 1e9, 1e300] {
        let mut plain = random(7, 12, 20, false, true, 0.0);
        plain.ridge = ridge;
        let solution = solve(&plain, false, 1e-12).unwrap_or_else(|e| panic!("ridge {ridge}: {e}"));
        let (gradient, in_intercept) = plain.gradient(&solution.coefficients, solution.intercept);
        assert!(gradient.iter().all(|g| g.abs() <= 1e-9), "ridge {ridge}: {gradient:?}");
        assert!(in_intercept.abs() <= 1e-13);
    }
}

#[test]
fn hyperparameters_out_of_range_are_refused_in_a_sentence() {
    let mut plain = random(7, 12, 4, false, true, 0.1);
    for (lambda, ridge) in [(f64::NAN, 0.0), (-1.0, 0.0), (1.0, -1.0), (1.0, f64::NAN), (1.0, f64::INFINITY)]
    {
        plain.lambda[2] = lambda;
        plain.ridge = ridge;
        let error = solve(&plain, false, 1e-8).unwrap_err().to_string();
        assert!(error.contains("expected"), "{error}");
    }
}

/// Σ_g ∂/∂λ_g by the adjoint at `coefficients`, for the squared loss on 600 training rows and a criterion of slope `omega`.
fn scalar_slope(
    design: &Design,
    weights: &[f64],
    omega: &[f64],
    coefficients: Vec<f64>,
    lambda: Vec<f64>,
) -> f64 {
    let (n, penalty) = (weights.len(), L1::new(coefficients.len()));
    let targets: Vec<f64> = (0..n).map(|i| (i as f64 * 0.7).sin()).collect();
    let problem = SparseGlm::new(design, &targets, weights, Squared, &penalty, true).unwrap();
    let solution = problem.start_from(coefficients, 0.0);
    let upper = UpperGradient { predictor: omega, curvature: &vec![0.0; n], warm_start: &[] };
    let hyperparameters = Hyperparameters { lambda, ridge: 0.0 };
    let adjoint =
        problem.adjoint(&hyperparameters, &solution, &upper, BiactivePolicy::All.into(), EXACT).unwrap();
    adjoint.lambda.iter().map(|(_, slope)| slope).sum()
}

/// Two columns that are equal on the training rows and not on the validation rows, both active: the least-squares adjoint of smallest norm is the mean
/// of those with one of the twins excluded, whether the system is small (pseudo-inverse) or large (conjugate residuals).
#[test]
fn twins_that_only_the_validation_rows_tell_apart_have_the_mean_of_their_hypergradients() {
    for (p, n_train) in [(40, 90), (560, 1200)] {
        let n = n_train + 40;
        let mut data = random_data(5, n, p, false).design;
        let Design::Dense(matrix) = &mut data else { panic!("dense") };
        let mut values = matrix.values().to_vec();
        values.copy_within(0..n_train, (p - 1) * n);
        let design = Design::Dense(DenseMatrix::new(n, p, values).unwrap());
        let weights: Vec<f64> =
            (0..n).map(|i| if i < n_train { 1.0 / n_train as f64 } else { 0.0 }).collect();
        let omega: Vec<f64> =
            (0..n).map(|i| if i < n_train { 0.0 } else { (i as f64).cos() / 40.0 }).collect();
        let slope = |first: f64, last: f64| {
            let mut coefficients: Vec<f64> = (0..p).map(|j| if j % 3 == 0 { -1.0 } else { 1.0 }).collect();
            (coefficients[0], coefficients[p - 1]) = (first, last);
            let lambda = coefficients.iter().map(|y| if *y == 0.0 { f64::INFINITY } else { 0.1 }).collect();
            scalar_slope(&design, &weights, &omega, coefficients, lambda)
        };
        let (both, mean) = (slope(-0.5, -0.5), 0.5 * (slope(-1.0, 0.0) + slope(0.0, -1.0)));
        assert!((both - mean).abs() <= 1e-8 * mean.abs(), "{p} columns: {both} against {mean}");
    }
}

#[test]
fn vectors_and_directions_of_another_problem_are_refused_in_a_sentence() {
    let design = random_data(1, 12, 3, true).design;
    let (targets, weights, penalty) = ([1.0; 12], [1.0 / 12.0; 12], L1::new(3));
    let problem = SparseGlm::new(&design, &targets, &weights, Squared, &penalty, false).unwrap();
    let at = Hyperparameters { lambda: vec![0.01; 3], ridge: 0.0 };
    let solution = problem.solve(&at, None, EXACT).unwrap();
    let derivative = |omega: &[f64], lambda: &[(u32, f64)]| {
        let upper = UpperGradient { predictor: omega, curvature: &[0.0; 12], warm_start: &[] };
        problem.critical_cone(&at, &solution, &upper)?.slope(Direction { lambda, ridge: 0.0 })
    };
    assert!(derivative(&[1.0; 12], &[(0, 1.0), (2, -1.0)]).is_ok());
    for (omega, lambda) in [
        (&[1.0; 11] as &[f64], [(0_u32, 1.0)].as_slice()),
        (&[1.0; 12], &[(3, 1.0)]),
        (&[1.0; 12], &[(1, 1.0), (0, 1.0)]),
        (&[1.0; 12], &[(0, f64::NAN)]),
    ] {
        let sentence = derivative(omega, lambda).unwrap_err().to_string();
        assert!(sentence.contains("expected"), "{sentence}");
    }
    let upper = UpperGradient { predictor: &[1.0; 5], curvature: &[0.0; 12], warm_start: &[] };
    assert!(problem.adjoint(&at, &solution, &upper, BiactivePolicy::Null.into(), EXACT).is_err());
}
