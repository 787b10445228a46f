//! The lower level against an independent slow solver and closed forms: minimizers, honest gaps, optimality conditions, warm starts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use bilevel::lower::Solution;
use common::reference::{Plain, random, solve, solve_all};

/// Two losses × intercept × (ℓ1, elastic net, groups) × dense or sparse, at three penalties each.
fn variety() -> Vec<(String, Plain, bool)> {
    let mut cases = Vec::new();
    for seed in 0..48_u64 {
        let (logistic, intercept) = (seed % 2 == 1, (seed / 2) % 2 == 1);
        let (kind, sparse) = ((seed / 4) % 3, (seed / 12) % 2 == 1);
        let (n, p) = [(30, 8), (12, 24), (40, 15)][(seed % 3) as usize];
        let mut plain = random(seed, n, p, logistic, intercept, [0.5, 0.1, 0.02][(seed % 3) as usize]);
        if sparse {
            plain.columns.iter_mut().flatten().filter(|a| **a < 0.4).for_each(|a| *a = 0.0);
        }
        if kind == 2 {
            plain.blocks =
                (0..p / 4 + 1).map(|g| (0..p).filter(|j| j % (p / 4 + 1) == g).collect()).collect();
            plain.lambda =
                vec![plain.lambda_max() * [0.5, 0.1, 0.02][(seed % 3) as usize]; plain.blocks.len()];
        }
        if kind == 1 {
            plain.ridge = [1e-3, 0.1, 3.0][(seed % 3) as usize];
        }
        let name =
            format!("seed {seed}: logistic {logistic}, intercept {intercept}, kind {kind}, sparse {sparse}");
        cases.push((name, plain, sparse));
    }
    cases
}

#[test]
fn the_claimed_gap_bounds_the_distance_to_the_minimum_at_every_accuracy() {
    for (name, plain, sparse) in variety() {
        let tight = solve(&plain, sparse, 1e-14).unwrap();
        let (_, _, slow) = plain.minimize(20_000);
        let minimum = slow.min(tight.objective);
        for gap in [1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12, 1e-14] {
            let solution = solve(&plain, sparse, gap).unwrap();
            let case = format!("{name}, accuracy {gap:.0e}");
            plain.assert_gap_is_honest(&solution, minimum, &case);
            assert!(solution.relative_gap <= gap.max(1e-13), "{case}: reached {:.1e}", solution.relative_gap);
        }
        // The other way round: nobody is below the dual bound.
        assert!(slow >= tight.objective - tight.gap - 1e-13 * plain.null_objective(), "{name}: {slow}");
        assert!(slow <= tight.objective + 1e-6 * plain.null_objective(), "{name}: the reference is lost");
    }
}

#[test]
fn a_tight_solution_meets_the_optimality_conditions() {
    for (name, plain, sparse) in variety() {
        let solution = solve(&plain, sparse, 1e-14).unwrap();
        let violation = plain.kkt_violation(&solution.coefficients, solution.intercept);
        assert!(violation <= 1e-10 * plain.lambda_max(), "{name}: violation {violation:.1e}");
    }
}

fn assert_same(a: &Solution, b: &Solution, tolerance: f64, case: &str) {
    let scale = b.coefficients.iter().fold(1e-3_f64, |m, y| m.max(y.abs()));
    for (j, (x, y)) in a.coefficients.iter().zip(&b.coefficients).enumerate() {
        assert!((x - y).abs() <= tolerance * scale, "{case}: coefficient {j}: {x} against {y}");
    }
    assert!(
        (a.intercept - b.intercept).abs() <= tolerance * scale.max(b.intercept.abs()),
        "{case}: intercept"
    );
}

#[test]
fn a_far_start_leads_to_the_same_answer() {
    for (name, plain, sparse) in variety() {
        let fresh = solve(&plain, sparse, 1e-13).unwrap();
        let goal = (plain.lambda.clone(), plain.ridge);
        let far = |factor: f64| (plain.lambda.iter().map(|l| l * factor).collect::<Vec<_>>(), plain.ridge);
        let path = [far(1e-3), goal.clone(), far(30.0), goal.clone(), far(0.05), far(2.0), goal.clone()];
        let solutions = solve_all(&plain, sparse, &path, 1e-13).unwrap();
        for k in [1, 3, 6] {
            assert_same(&solutions[k], &fresh, 1e-6, &format!("{name}, visit {k}"));
        }
    }
}

#[test]
fn working_sets_too_large_for_their_hessian_give_the_same_answers() {
    for (logistic, grouped) in [(false, false), (true, false), (false, true), (true, true)] {
        let case = format!("logistic {logistic}, grouped {grouped}");
        let mut plain = random(5, 300, 1500, logistic, true, 1.0);
        if grouped {
            plain.blocks = (0..500).map(|g| vec![3 * g, 3 * g + 1, 3 * g + 2]).collect();
        }
        let largest = plain.lambda_max();
        plain.ridge = 0.02;
        let at = |fraction: f64| (vec![fraction * largest; plain.blocks.len()], plain.ridge);
        let path = [at(0.3), at(0.003), at(0.1), at(0.003)];
        let solutions = solve_all(&plain, false, &path, 1e-11).unwrap();
        assert!(solutions[1].support().len() > 400, "{case}: {} active", solutions[1].support().len());
        assert_same(&solutions[3], &solutions[1], 1e-5, &case);
        for (solution, (lambda, _)) in solutions.iter().zip(path) {
            plain.lambda = lambda;
            assert!(solution.relative_gap <= 1e-11, "{case}: {:.1e}", solution.relative_gap);
            let violation = plain.kkt_violation(&solution.coefficients, solution.intercept);
            assert!(violation <= 1e-8 * largest, "{case}: violation {violation:.1e}");
        }
    }
}

#[test]
fn an_interpolating_lasso_is_solved_to_its_tolerance() {
    // As many active coefficients as samples: the support changes until the end.
    for (logistic, fraction) in [(false, 1e-2), (false, 1e-4), (true, 1e-2), (true, 1e-4)] {
        let plain = random(9, 100, 600, logistic, true, fraction);
        let solution = solve(&plain, false, 1e-10).unwrap();
        let case = format!("logistic {logistic} at {fraction} of lambda_max");
        assert!(solution.relative_gap <= 1e-10, "{case}: {:.1e}", solution.relative_gap);
        assert!(plain.kkt_violation(&solution.coefficients, solution.intercept) <= 1e-7 * plain.lambda_max());
    }
}

#[test]
fn groups_of_one_are_the_l1_penalty() {
    for seed in 0..6 {
        let mut plain = random(seed, 25, 12, seed % 2 == 1, true, 0.1);
        let of_single = solve(&plain, false, 1e-13).unwrap();
        // One more group of two all-zero columns makes it a group problem without changing it.
        plain.columns.extend([vec![0.0; 25], vec![0.0; 25]]);
        plain.blocks.push(vec![12, 13]);
        plain.lambda.push(0.1);
        let of_groups = solve(&plain, false, 1e-13).unwrap();
        assert_eq!(of_groups.coefficients[12..], [0.0, 0.0]);
        let truncated = Solution { coefficients: of_groups.coefficients[..12].to_vec(), ..of_groups };
        assert_same(&truncated, &of_single, 1e-7, &format!("seed {seed}"));
    }
}

#[test]
fn one_group_of_all_coefficients_is_solved() {
    for logistic in [false, true] {
        let mut plain = random(3, 30, 10, logistic, true, 1.0);
        plain.blocks = vec![(0..10).collect()];
        let largest = plain.lambda_max();
        for fraction in [1.001, 0.999, 0.3, 1e-3] {
            plain.lambda = vec![fraction * largest];
            let solution = solve(&plain, false, 1e-13).unwrap();
            assert_eq!(solution.support().len(), if fraction > 1.0 { 0 } else { 10 });
            let violation = plain.kkt_violation(&solution.coefficients, solution.intercept);
            assert!(violation <= 1e-9 * largest, "logistic {logistic}, {fraction}: {violation:.1e}");
        }
    }
}

#[test]
fn the_orthonormal_lasso_is_soft_thresholding() {
    // A = sqrt(4)·(columns of the 4×4 Hadamard matrix / 2): AᵀA/n = I, so y = soft(Aᵀb/n, λ).
    let columns = vec![
        vec![1.0, 1.0, 1.0, 1.0],
        vec![1.0, -1.0, 1.0, -1.0],
        vec![1.0, 1.0, -1.0, -1.0],
        vec![1.0, -1.0, -1.0, 1.0],
    ];
    let targets = vec![3.0, 1.0, -2.0, 0.5];
    let mut plain = Plain {
        columns,
        targets,
        logistic: false,
        intercept: false,
        blocks: (0..4).map(|j| vec![j]).collect(),
        lambda: vec![0.1, 0.2, 1.0, 0.7],
        ridge: 0.0,
    };
    let w = [0.625, -0.125, 1.375, 1.125];
    for ridge in [0.0, 0.5, 1e6] {
        plain.ridge = ridge;
        let solution = solve(&plain, false, 1e-14).unwrap();
        for (j, (y, w)) in solution.coefficients.iter().zip(w).enumerate() {
            let soft = f64::signum(w) * (f64::abs(w) - plain.lambda[j]).max(0.0) / (1.0 + ridge);
            assert!((y - soft).abs() <= 1e-13 * soft.abs(), "coefficient {j}: {y} against {soft}");
        }
    }
}

#[test]
fn lambda_max_is_where_the_first_coefficient_enters() {
    for seed in 0..12 {
        let mut plain = random(seed, 20, 30, seed % 2 == 1, seed % 4 < 2, 1.0);
        let largest = plain.lambda_max();
        for (fraction, active) in [(1.0 + 1e-9, 0), (2.0, 0), (1.0 - 1e-5, 1)] {
            plain.lambda = vec![fraction * largest; 30];
            let solution = solve(&plain, false, 1e-14).unwrap();
            assert_eq!(solution.support().len(), active, "seed {seed} at {fraction} of lambda_max");
        }
    }
}
