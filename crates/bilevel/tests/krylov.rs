//! Krylov methods and the choice of λ on one space, against dense computations, differences and closed forms.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use approx::assert_relative_eq;
use bilevel::inverse::krylov::{
    Edge, Freedom, HybridEnd, HybridSettings, HybridSpace, Rule, StandardForm, TermsSettings, TikhonovTerms,
    hybrid,
};
use bilevel::operator::{LinearOperator, dot_test};
use bilevel::solver::{
    GolubKahan, KrylovEnd, LsqrSettings, MinresSettings, Reorthogonalization, TraceSettings,
    hutchinson_trace, lanczos, lsqr, minres, stochastic_trace,
};
use bilevel::{Error, Result};
use faer::linalg::solvers::Solve;
use faer::{Mat, Side};

/// A dense matrix as an operator.
struct Dense(Mat<f64>);

impl LinearOperator for Dense {
    fn n_rows(&self) -> usize {
        self.0.nrows()
    }
    fn n_columns(&self) -> usize {
        self.0.ncols()
    }
    fn apply_into(&self, x: &[f64], out: &mut [f64]) -> Result<()> {
        out.iter_mut()
            .enumerate()
            .for_each(|(i, out)| *out = (0..x.len()).map(|j| self.0[(i, j)] * x[j]).sum());
        Ok(())
    }
    fn adjoint_into(&self, y: &[f64], out: &mut [f64]) -> Result<()> {
        out.iter_mut()
            .enumerate()
            .for_each(|(j, out)| *out = (0..y.len()).map(|i| self.0[(i, j)] * y[i]).sum());
        Ok(())
    }
}

/// Numbers without a pattern, in [−1, 1].
fn noise(k: usize) -> f64 {
    ((k as f64 * 12.9898 + 78.233).sin() * 43_758.545_312_3).fract()
}

/// Rows and columns of different length, singular values that fall like 1/(1 + i/3), no structure.
fn slow_decay(rows: usize, columns: usize) -> Dense {
    let orthonormal = |size: usize, seed: usize| {
        Mat::from_fn(size, columns, |i, j| noise(seed + i * columns + j)).qr().compute_thin_Q()
    };
    let scaled = {
        let right = orthonormal(columns, 900_001);
        Mat::from_fn(columns, columns, |i, j| right[(i, j)] / (1.0 + j as f64 / 3.0))
    };
    Dense(orthonormal(rows, 7) * scaled.transpose())
}

fn smooth(n: usize) -> Vec<f64> {
    (0..n).map(|j| (5.0 * j as f64 / n as f64).sin() + if j > n / 2 { 1.0 } else { 0.0 }).collect()
}

fn noisy_data(a: &Dense, level: f64) -> Vec<f64> {
    let mut b = a.apply(&smooth(a.n_columns())).unwrap();
    let size = (dot(&b, &b) / b.len() as f64).sqrt();
    b.iter_mut().enumerate().for_each(|(i, b)| *b += level * size * 1.7 * noise(5_000_000 + i));
    b
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

/// (AᵀA + Σλ_k L_kᵀL_k)⁻¹ right.
fn dense_solve(a: &Mat<f64>, terms: &[(f64, &Mat<f64>)], right: &[f64]) -> Vec<f64> {
    let mut hessian = a.transpose() * a;
    for (lambda, l) in terms {
        hessian += faer::Scale(*lambda) * (l.transpose() * *l);
    }
    let x = hessian.llt(Side::Lower).unwrap().solve(Mat::from_fn(right.len(), 1, |i, _| right[i]));
    (0..right.len()).map(|i| x[(i, 0)]).collect()
}

fn ridge(a: &Dense, lambda: f64, right: &[f64]) -> Vec<f64> {
    dense_solve(&a.0, &[(lambda, &Mat::identity(a.n_columns(), a.n_columns()))], right)
}

/// The λ at which a function with one minimum is least, by bisection of its slope between two ln λ.
fn minimizer(criterion: impl Fn(f64) -> f64, mut low: f64, mut high: f64) -> f64 {
    // Values are flat at the minimum; differences tell it more sharply.
    let slope = |t: f64| criterion((t + 1e-4).exp()) - criterion((t - 1e-4).exp());
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        *(if slope(middle) > 0.0 { &mut high } else { &mut low }) = middle;
    }
    (0.5 * (low + high)).exp()
}

/// n‖r‖²/(n − df)² from the full singular value decomposition.
fn dense_gcv<'a>(a: &Dense, b: &'a [f64]) -> impl Fn(f64) -> f64 + 'a {
    let svd = a.0.svd().unwrap();
    let rank = a.n_columns();
    let data: Vec<f64> =
        (0..b.len()).map(|j| (0..b.len()).map(|i| svd.U()[(i, j)] * b[i]).sum::<f64>()).collect();
    let sigma: Vec<f64> = (0..rank).map(|j| svd.S()[j]).collect();
    move |lambda| {
        let filter = |j: usize| if j < rank { lambda / (sigma[j] * sigma[j] + lambda) } else { 1.0 };
        let residual: f64 = data.iter().enumerate().map(|(j, d)| (filter(j) * d).powi(2)).sum();
        let left: f64 = (0..b.len()).map(filter).sum();
        b.len() as f64 * residual / (left * left)
    }
}

fn to_the_end() -> HybridSettings {
    HybridSettings { tolerance: 0.0, lambda_tolerance: 0.0, max_steps: 1000, ..Default::default() }
}

#[test]
fn lsqr_solves_the_regularized_normal_equations() {
    let a = slow_decay(60, 40);
    let b = noisy_data(&a, 0.05);
    for lambda in [0.0, 1e-3, 0.3] {
        let found = lsqr(&a, &b, &LsqrSettings { lambda, tolerance: 1e-12, max_steps: 200 }).unwrap();
        let exact = ridge(&a, lambda, &a.adjoint(&b).unwrap());
        assert!(distance(&found.x, &exact) < 1e-8 * norm(&exact));
        assert_eq!(found.end, KrylovEnd::Converged);
        let image = a.apply(&found.x).unwrap();
        let residual = distance(&image, &b).hypot(lambda.sqrt() * norm(&found.x));
        assert_relative_eq!(found.residual, residual, max_relative = 1e-10);
        let r: Vec<f64> = b.iter().zip(&image).map(|(b, a)| b - a).collect();
        let mut gradient = a.adjoint(&r).unwrap();
        gradient.iter_mut().zip(&found.x).for_each(|(g, x)| *g -= lambda * x);
        assert!(norm(&gradient) < 3e-12 * norm(&a.adjoint(&b).unwrap()));
    }
    let few = lsqr(&a, &b, &LsqrSettings { max_steps: 3, ..Default::default() }).unwrap();
    assert_eq!((few.end, few.products), (KrylovEnd::OutOfSteps, 7));
}

#[test]
fn reorthogonalized_bidiagonalization_has_the_singular_values_of_the_matrix() {
    let a = slow_decay(30, 20);
    let b = noisy_data(&a, 0.3);
    let mut bidiagonal = GolubKahan::new(&a, &b, Reorthogonalization::Both).unwrap();
    while bidiagonal.size() < 20 && bidiagonal.extend().unwrap() {}
    let (alpha, beta) = (bidiagonal.alphas(), bidiagonal.betas());
    let entry = |i: usize, j: usize| {
        if i == j {
            alpha[j]
        } else if i == j + 1 {
            beta[i]
        } else {
            0.0
        }
    };
    let ours = Mat::from_fn(21, 20, entry).singular_values().unwrap();
    for (ours, exact) in ours.iter().zip(a.0.singular_values().unwrap()) {
        assert_relative_eq!(*ours, exact, max_relative = 1e-11);
    }
    assert_eq!(bidiagonal.products(), 41);
    assert!(!bidiagonal.extend().unwrap() || bidiagonal.alphas()[21] < 1e-12);
}

#[test]
fn minres_solves_indefinite_systems_and_stops_at_least_squares_of_singular_ones() {
    let n = 30;
    let q = Mat::from_fn(n, n, |i, j| noise(i * n + j)).qr().compute_thin_Q();
    let with = |eigenvalue: &dyn Fn(usize) -> f64| {
        let scaled = Mat::from_fn(n, n, |i, j| q[(i, j)] * eigenvalue(j));
        Dense(&scaled * q.transpose())
    };
    let b: Vec<f64> = (0..n).map(|i| noise(99 + i)).collect();
    let indefinite = with(&|j| if j % 3 == 0 { -1.0 - j as f64 / 9.0 } else { 1.0 + j as f64 / 5.0 });
    let found = minres(&indefinite, &b, &MinresSettings { tolerance: 1e-11, max_steps: 100 }).unwrap();
    assert_eq!(found.end, KrylovEnd::Converged);
    assert!(distance(&indefinite.apply(&found.x).unwrap(), &b) < 1e-10);
    assert!(found.products <= n + 5);
    let singular = with(&|j| if j < 4 { 0.0 } else { j as f64 - 12.5 });
    let found = minres(&singular, &b, &MinresSettings { tolerance: 1e-6, max_steps: 100 }).unwrap();
    assert_eq!(found.end, KrylovEnd::SpaceExhausted);
    let image = singular.apply(&found.x).unwrap();
    let r: Vec<f64> = b.iter().zip(&image).map(|(b, a)| b - a).collect();
    assert!(norm(&singular.apply(&r).unwrap()) < 3e-5 * norm(&r) && norm(&r) > 1e-2);
}

#[test]
fn stochastic_traces_are_within_their_standard_errors() {
    let n = 80;
    let q = Mat::from_fn(n, n, |i, j| noise(i * n + j)).qr().compute_thin_Q();
    let scaled = Mat::from_fn(n, n, |i, j| q[(i, j)] * (1.0 + j as f64));
    let a = Dense(&scaled * q.transpose());
    let log_det: f64 = (0..n).map(|j| (1.0 + j as f64).ln()).sum();
    let settings = TraceSettings { probes: 60, steps: 40, seed: 1 };
    let found = stochastic_trace(&a, f64::ln, &settings).unwrap();
    assert!((found.value - log_det).abs() < 3.0 * found.standard_error);
    assert!(found.standard_error < 0.02 * log_det);
    assert_eq!(found.products, 60 * 40);
    let trace = hutchinson_trace(&a, &settings).unwrap();
    assert!((trace.value - (n * (n + 1) / 2) as f64).abs() < 3.0 * trace.standard_error);
    // Gauss quadrature is exact when the space is complete.
    let b: Vec<f64> = (0..n).map(|i| noise(33 + i)).collect();
    let complete = lanczos(&a, &b, n, true).unwrap().quadrature(|s| 1.0 / s).unwrap();
    let exact = dot(&b, &dense_solve(&Mat::zeros(1, n), &[(1.0, &root(&a))], &b));
    assert_relative_eq!(complete, exact, max_relative = 1e-10);
}

/// Lᵀ of A = LLᵀ.
fn root(a: &Dense) -> Mat<f64> {
    a.0.llt(Side::Lower).unwrap().L().transpose().to_owned()
}

#[test]
fn gcv_on_a_complete_space_is_gcv_by_the_full_decomposition() {
    let a = slow_decay(300, 200);
    let b = noisy_data(&a, 0.05);
    let exact = minimizer(dense_gcv(&a, &b), -12.0, 2.0);
    for (reorthogonalization, tolerance) in
        [(Reorthogonalization::Right, 1e-6), (Reorthogonalization::Both, 1e-6)]
    {
        let settings = HybridSettings { reorthogonalization, ..to_the_end() };
        let fit = hybrid(&a, &b, &Rule::Gcv(Freedom::Projected), &settings).unwrap();
        assert_eq!(fit.edge, None);
        assert_relative_eq!(fit.lambda, exact, max_relative = tolerance);
        assert_relative_eq!(fit.criterion, dense_gcv(&a, &b)(fit.lambda), max_relative = 1e-9);
    }
}

#[test]
fn a_small_space_cannot_count_degrees_of_freedom_and_sign_vectors_can() {
    // Singular values fall so slowly that most of them count: far more than the space has vectors.
    let a = slow_decay(500, 300);
    let b = noisy_data(&a, 0.3);
    let exact = minimizer(dense_gcv(&a, &b), -14.0, 2.0);
    let settings = HybridSettings { max_steps: 45, tolerance: 0.0, ..Default::default() };
    let counted = |freedom| hybrid(&a, &b, &Rule::Gcv(freedom), &settings).unwrap();
    let stochastic = counted(Freedom::Stochastic { probes: 12, seed: 0 });
    assert_eq!((stochastic.edge, stochastic.end), (None, HybridEnd::OutOfSteps));
    assert!((stochastic.lambda / exact).ln().abs() < 0.25, "{} against {exact}", stochastic.lambda);
    let projected = counted(Freedom::Projected);
    assert!(projected.lambda < 0.5 * exact, "{} against {exact}", projected.lambda);
}

#[test]
fn an_edge_is_told() {
    let a = slow_decay(60, 40);
    let b = noisy_data(&a, 0.05);
    // Data without noise: nothing is gained by λ > 0.
    let exact = a.apply(&smooth(40)).unwrap();
    let rows: Vec<usize> = (0..60).step_by(7).collect();
    // Not so small that the criterion is rounding.
    let settings = HybridSettings { range: [1e-4, 10.0], ..to_the_end() };
    assert_eq!(hybrid(&a, &exact, &Rule::HoldOut(rows), &settings).unwrap().edge, Some(Edge::Lower));
    let rule = Rule::Discrepancy { noise: 1e3, safety: 1.0 };
    assert_eq!(hybrid(&a, &b, &rule, &to_the_end()).unwrap().edge, Some(Edge::Upper));
    let rule = Rule::Discrepancy { noise: 1e-9, safety: 1.0 };
    assert_eq!(hybrid(&a, &b, &rule, &to_the_end()).unwrap().edge, Some(Edge::Lower));
}

#[test]
fn the_discrepancy_principle_meets_its_residual() {
    let a = slow_decay(90, 50);
    let b = noisy_data(&a, 0.1);
    let rule = Rule::Discrepancy { noise: 0.06, safety: 1.01 };
    let fit = hybrid(&a, &b, &rule, &HybridSettings { tolerance: 1e-8, ..Default::default() }).unwrap();
    assert_eq!((fit.edge, fit.end), (None, HybridEnd::Settled));
    let residual = distance(&a.apply(&fit.x).unwrap(), &b);
    assert_relative_eq!(residual, 1.01 * 0.06 * 90.0_f64.sqrt(), max_relative = 1e-6);
    let exact = ridge(&a, fit.lambda, &a.adjoint(&b).unwrap());
    assert!(distance(&fit.x, &exact) <= fit.error_bound * (1.0 + 1e-6) + 1e-10);
}

/// The training part of a problem whose every fifth row is held out.
fn split(a: &Dense, b: &[f64]) -> (Vec<usize>, Dense, Vec<f64>, Dense, Vec<f64>) {
    let (held, kept): (Vec<usize>, Vec<usize>) = (0..b.len()).partition(|i| i % 5 == 2);
    let part = |rows: &[usize]| {
        let matrix = Mat::from_fn(rows.len(), a.n_columns(), |i, j| a.0[(rows[i], j)]);
        (Dense(matrix), rows.iter().map(|&i| b[i]).collect::<Vec<f64>>())
    };
    let ((train, b_train), (validation, b_validation)) = (part(&kept), part(&held));
    (held, train, b_train, validation, b_validation)
}

#[test]
fn held_out_rows_choose_what_a_dense_search_chooses() {
    let a = slow_decay(150, 60);
    let b = noisy_data(&a, 0.2);
    let (held, train, b_train, validation, b_validation) = split(&a, &b);
    let criterion = |lambda: f64| {
        let x = ridge(&train, lambda, &train.adjoint(&b_train).unwrap());
        0.5 * distance(&validation.apply(&x).unwrap(), &b_validation).powi(2) / b_validation.len() as f64
    };
    let fit = hybrid(&a, &b, &Rule::HoldOut(held), &to_the_end()).unwrap();
    assert_eq!(fit.edge, None);
    assert_relative_eq!(
        fit.lambda,
        minimizer(criterion, fit.lambda.ln() - 1.0, fit.lambda.ln() + 1.0),
        max_relative = 1e-6
    );
    assert_relative_eq!(fit.criterion, criterion(fit.lambda), max_relative = 1e-9);
    // Held-out rows cost nothing: one product with A and one with Aᵀ for each vector.
    assert_eq!(fit.products, 2 * fit.steps + 1);
}

#[test]
fn hypergradients_are_within_their_bounds_on_every_space() {
    let a = slow_decay(150, 60);
    let b = noisy_data(&a, 0.2);
    let (held, train, b_train, validation, b_validation) = split(&a, &b);
    let right = train.adjoint(&b_train).unwrap();
    let mut space = HybridSpace::new(&a, &b, Rule::HoldOut(held), HybridSettings::default()).unwrap();
    while space.size() < 58 {
        space.grow(3).unwrap();
        for lambda in [1e-3, 0.02, 0.7] {
            let x = ridge(&train, lambda, &right);
            let derivative: Vec<f64> = ridge(&train, lambda, &x).iter().map(|v| -v).collect();
            let ours = space.derivative(lambda).unwrap();
            let rounding = 1e-9 * norm(&derivative);
            assert!(distance(&space.solution(lambda).unwrap(), &x) <= space.error_bound(lambda) + 1e-9);
            assert!(distance(&ours.vector, &derivative) <= ours.error_bound + rounding);
            let residual: Vec<f64> =
                validation.apply(&x).unwrap().iter().zip(&b_validation).map(|(a, b)| a - b).collect();
            let exact = dot(&validation.adjoint(&residual).unwrap(), &derivative) / residual.len() as f64;
            let slope = space.slope(lambda).unwrap();
            assert!((slope.slope - exact).abs() <= slope.error_bound.unwrap() + 1e-9 * exact.abs());
        }
    }
    let slope = space.slope(0.02).unwrap();
    assert!(slope.error_bound.unwrap() < 1e-6 * slope.slope.abs());
    let (up, down) = (space.slope(0.02 + 1e-6).unwrap().value, space.slope(0.02 - 1e-6).unwrap().value);
    assert_relative_eq!(slope.slope, (up - down) / 2e-6, max_relative = 1e-6);
}

#[test]
fn slopes_of_gcv_match_differences() {
    let a = slow_decay(120, 60);
    let b = noisy_data(&a, 0.2);
    for freedom in [Freedom::Projected, Freedom::Weighted, Freedom::Stochastic { probes: 2, seed: 3 }] {
        let mut space = HybridSpace::new(&a, &b, Rule::Gcv(freedom), HybridSettings::default()).unwrap();
        space.grow(25).unwrap();
        let mut value = |lambda: f64| space.slope(lambda).unwrap().value;
        let difference = (value(0.03 + 1e-6) - value(0.03 - 1e-6)) / 2e-6;
        assert_relative_eq!(space.slope(0.03).unwrap().slope, difference, max_relative = 1e-6);
    }
}

/// First differences, and running sums as their right inverse.
fn differences(n: usize) -> (Mat<f64>, Dense) {
    let l = Mat::from_fn(n - 1, n, |i, j| {
        if j == i + 1 {
            1.0
        } else if j == i {
            -1.0
        } else {
            0.0
        }
    });
    let sums = Mat::from_fn(n, n - 1, |i, j| if j < i { 1.0 } else { 0.0 });
    (l, Dense(sums))
}

#[test]
fn standard_form_solves_the_problem_with_differences() {
    let a = slow_decay(80, 50);
    let b = noisy_data(&a, 0.1);
    let (l, sums) = differences(50);
    let form = StandardForm::new(&a, &sums, &[vec![1.0; 50]]).unwrap();
    assert!(dot_test(&form, 0).unwrap() < 1e-13);
    let settings = HybridSettings { unpenalized: form.unpenalized(), ..to_the_end() };
    let data = form.data(&b).unwrap();
    let fit = hybrid(&form, &data, &Rule::Gcv(Freedom::Projected), &settings).unwrap();
    let x = form.solution(&fit.x, &b).unwrap();
    let exact = dense_solve(&a.0, &[(fit.lambda, &l)], &a.adjoint(&b).unwrap());
    assert!(distance(&x, &exact) < 1e-8 * norm(&exact));
    // GCV of the original problem, its degrees of freedom by n solves.
    let gcv = |lambda: f64| {
        let influence: f64 = (0..80)
            .map(|i| {
                let row: Vec<f64> = (0..50).map(|j| a.0[(i, j)]).collect();
                dot(&row, &dense_solve(&a.0, &[(lambda, &l)], &row))
            })
            .sum();
        let x = dense_solve(&a.0, &[(lambda, &l)], &a.adjoint(&b).unwrap());
        distance(&a.apply(&x).unwrap(), &b).powi(2) / (80.0 - influence).powi(2)
    };
    let exact = minimizer(gcv, fit.lambda.ln() - 0.5, fit.lambda.ln() + 0.5);
    assert_relative_eq!(fit.lambda, exact, max_relative = 1e-5);
}

#[test]
fn hypergradients_of_several_terms_match_explicit_inverses_and_differences() {
    let a = slow_decay(70, 40);
    let b = noisy_data(&a, 0.1);
    let (l, _) = differences(40);
    let (identity, first) = (Dense(Mat::identity(40, 40)), Dense(l));
    let settings = |tolerance| TermsSettings { tolerance, ..Default::default() };
    let problem =
        |tolerance| TikhonovTerms::new(&a, &b, vec![&identity, &first], settings(tolerance)).unwrap();
    let lambda = [0.02, 0.3];
    let target = smooth(40);
    let upper = |x: &[f64]| x.iter().zip(&target).map(|(x, t)| x - t).collect::<Vec<f64>>();
    let criterion =
        |lambda: &[f64; 2]| 0.5 * norm(&upper(&problem(1e-14).solve(lambda, None).unwrap().x)).powi(2);
    let tight = problem(1e-13);
    let solution = tight.solve(&lambda, None).unwrap();
    let adjoint = tight.adjoint(&lambda, &solution, &upper(&solution.x), 1.0, None).unwrap();
    assert!(solution.converged && adjoint.converged);
    let terms = [(lambda[0], &identity.0), (lambda[1], &first.0)];
    let x = dense_solve(&a.0, &terms, &a.adjoint(&b).unwrap());
    let q = dense_solve(&a.0, &terms, &upper(&x));
    let exact: Vec<f64> =
        [&identity, &first].iter().map(|l| -dot(&l.apply(&x).unwrap(), &l.apply(&q).unwrap())).collect();
    for k in 0..2 {
        assert_relative_eq!(adjoint.gradient[k], exact[k], max_relative = 1e-9);
        let at = |step: f64| {
            let mut moved = lambda;
            moved[k] += step;
            criterion(&moved)
        };
        assert_relative_eq!(adjoint.gradient[k], (at(1e-5) - at(-1e-5)) / 2e-5, max_relative = 1e-6);
    }
    // λ₀ is below all eigenvalues: with it the bound is one.
    for tolerance in [1e-2, 1e-4, 1e-6] {
        let settings = TermsSettings { smallest_eigenvalue: Some(lambda[0]), ..settings(tolerance) };
        let rough = TikhonovTerms::new(&a, &b, vec![&identity, &first], settings).unwrap();
        let solution = rough.solve(&lambda, None).unwrap();
        let adjoint = rough.adjoint(&lambda, &solution, &upper(&solution.x), 1.0, None).unwrap();
        assert!(distance(&adjoint.gradient, &exact) <= adjoint.error_bound);
        let warm = rough.solve(&lambda, Some(&solution.x)).unwrap();
        assert_eq!(warm.products, 1);
    }
}

#[test]
fn a_preconditioner_changes_the_products_and_not_the_answer() {
    let a = slow_decay(70, 40);
    let b = noisy_data(&a, 0.1);
    let weights =
        Dense(Mat::from_fn(40, 40, |i, j| if i == j { 10.0_f64.powf(i as f64 / 20.0) } else { 0.0 }));
    let plain = TikhonovTerms::new(&a, &b, vec![&weights], TermsSettings::default()).unwrap();
    let by_diagonal = |lambda: &[f64], r: &[f64], out: &mut [f64]| {
        out.iter_mut().zip(r).enumerate().for_each(|(i, (out, r))| {
            *out = r / (0.02 + lambda[0] * 10.0_f64.powf(i as f64 / 10.0));
        });
    };
    let faster = TikhonovTerms::new(&a, &b, vec![&weights], TermsSettings::default())
        .unwrap()
        .with_preconditioner(Box::new(by_diagonal));
    let (plain, faster) = (plain.solve(&[0.5], None).unwrap(), faster.solve(&[0.5], None).unwrap());
    assert!(distance(&plain.x, &faster.x) < 1e-6 * norm(&plain.x));
    assert!(2 * faster.products < plain.products, "{} and {}", faster.products, plain.products);
}

#[test]
fn bad_input_is_told_in_a_sentence() {
    let a = slow_decay(6, 4);
    let message =
        |result: Result<_>| result.map(|_: bilevel::inverse::krylov::HybridFit| ()).unwrap_err().to_string();
    let run = |b: &[f64], rule: Rule| message(hybrid(&a, b, &rule, &HybridSettings::default()));
    assert!(run(&[1.0; 5], Rule::LCurve).contains("found length 5; expected length 6"));
    assert!(
        run(&[1.0, f64::NAN, 0.0, 0.0, 0.0, 0.0], Rule::LCurve).starts_with("entry 1 of the right-hand side")
    );
    assert!(run(&[1.0; 6], Rule::HoldOut(vec![9])).contains("row 9; expected numbers below 6"));
    assert!(run(&[1.0; 6], Rule::HoldOut(vec![2, 2])).contains("row 2 twice"));
    assert!(run(&[1.0; 6], Rule::HoldOut(vec![])).contains("0 of 6 rows"));
    assert!(run(&[1.0; 6], Rule::Discrepancy { noise: 0.0, safety: 1.0 }).contains("`noise`"));
    assert!(run(&[1.0; 6], Rule::Fixed(-1.0)).contains("`lambda`: found -1"));
    let zero = Dense(Mat::zeros(6, 4));
    let inverse = Dense(Mat::identity(4, 4));
    let unseen = StandardForm::new(&zero, &inverse, &[vec![1.0; 4]]).map(|_| ()).unwrap_err();
    assert!(matches!(unseen, Error::InvalidData { .. }) && unseen.to_string().contains("A sees"));
}

#[test]
fn data_that_the_operator_cannot_reach_give_zero() {
    let a = Dense(Mat::from_fn(3, 2, |i, j| if i == j { 1.0 } else { 0.0 }));
    let fit = hybrid(&a, &[0.0, 0.0, 2.0], &Rule::Fixed(1.0), &HybridSettings::default()).unwrap();
    assert_eq!((fit.x, fit.end), (vec![0.0; 2], HybridEnd::SpaceExhausted));
    let found = lsqr(&a, &[0.0, 0.0, 2.0], &LsqrSettings::default()).unwrap();
    assert_eq!((found.x, found.end), (vec![0.0; 2], KrylovEnd::SpaceExhausted));
}
