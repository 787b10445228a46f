//! Products by dual numbers, and the check of products that are written by hand.

use bilevel::Result;
use bilevel::smooth::{SmoothProblem, gradcheck};

use super::problems::{KINDS, Kind, Regression, distance, norm, solution};

#[test]
fn products_by_dual_numbers_agree_with_differences_on_every_kind() {
    for (seed, kind) in (0..10).flat_map(|seed| KINDS.map(|kind| (seed, kind))) {
        let problem = Regression::random(seed, kind);
        let lambda = problem.lambda(seed);
        let y: Vec<f64> = (0..problem.p).map(|j| 0.5 - 0.2 * j as f64).collect();
        let mismatch = gradcheck(&problem, &y, &lambda, 1e-7).unwrap();
        assert!(mismatch.is_none(), "{kind:?}, seed {seed}: {}", mismatch.unwrap());
    }
}

#[test]
fn the_hessian_of_a_quadratic_is_exact_to_rounding() {
    let problem = Regression::random(4, Kind::Quadratic);
    let lambda = problem.lambda(4);
    let n = problem.train.len() as f64;
    for j in 0..problem.p {
        let mut unit = vec![0.0; problem.p];
        unit[j] = 1.0;
        let mut column = vec![0.0; problem.p];
        problem.hessian_product_into(&vec![0.3; problem.p], &lambda, &unit, &mut column).unwrap();
        let expected: Vec<f64> = (0..problem.p)
            .map(|i| {
                let gram: f64 = problem.train.iter().map(|(a, _)| a[i] * a[j]).sum();
                gram / n + if i == j { lambda[j % problem.groups] } else { 0.0 }
            })
            .collect();
        assert!(distance(&column, &expected) < 1e-14 * norm(&expected), "{column:?} {expected:?}");
    }
}

#[test]
fn one_pass_and_one_pass_for_each_hyperparameter_give_the_same_mixed_adjoint() {
    for kind in KINDS {
        let mut problem = Regression::random(11, kind);
        let lambda = problem.lambda(11);
        let y = solution(&problem, &lambda);
        let v: Vec<f64> = (0..problem.p).map(|j| (j as f64).sin() + 0.4).collect();
        let mut by = |written: bool| {
            problem.writes_hyper_gradient = written;
            let mut out = vec![0.0; problem.groups];
            problem.mixed_adjoint_into(&y, &lambda, &v, &mut out).unwrap();
            out
        };
        let (one, many) = (by(true), by(false));
        assert!(distance(&one, &many) <= 1e-14 * norm(&many), "{one:?} {many:?}");
    }
}

/// F = ½‖y − λ‖², with one entry of Hv wrong.
struct WrongHessian;

impl SmoothProblem for WrongHessian {
    fn n_coefficients(&self) -> usize {
        3
    }
    fn n_hyperparameters(&self) -> usize {
        3
    }
    fn gradient_into(&self, y: &[f64], lambda: &[f64], out: &mut [f64]) -> Result<()> {
        (0..3).for_each(|j| out[j] = y[j] - lambda[j]);
        Ok(())
    }
    fn hessian_product_into(&self, _: &[f64], _: &[f64], v: &[f64], out: &mut [f64]) -> Result<()> {
        out.copy_from_slice(&[v[0], v[1], 1.5 * v[2]]);
        Ok(())
    }
    fn mixed_product_into(&self, _: &[f64], _: &[f64], u: &[f64], out: &mut [f64]) -> Result<()> {
        (0..3).for_each(|j| out[j] = -u[j]);
        Ok(())
    }
    fn mixed_adjoint_into(&self, _: &[f64], _: &[f64], v: &[f64], out: &mut [f64]) -> Result<()> {
        (0..3).for_each(|j| out[j] = -v[j]);
        Ok(())
    }
    fn criterion(&self, y: &[f64], _: &[f64]) -> Result<f64> {
        Ok(y[1])
    }
    fn criterion_gradient_into(
        &self,
        _: &[f64],
        _: &[f64],
        by_y: &mut [f64],
        by_lambda: &mut [f64],
    ) -> Result<()> {
        by_y.copy_from_slice(&[0.0, 1.0, 0.0]);
        by_lambda.fill(0.0);
        Ok(())
    }
}

#[test]
fn a_wrong_product_is_named_with_its_component() {
    let mismatch = gradcheck(&WrongHessian, &[0.1, 0.2, 0.3], &[1.0, 2.0, 3.0], 1e-6).unwrap().unwrap();
    assert_eq!((mismatch.product, mismatch.component), ("hessian product", 2));
    assert!((mismatch.found / mismatch.expected - 1.5).abs() < 1e-6);
    assert!(mismatch.to_string().starts_with("hessian product, component 2: found"), "{mismatch}");
}

#[test]
fn vectors_that_do_not_fit_are_refused_with_a_sentence() {
    let problem = Regression::random(0, Kind::Logistic);
    let lambda = problem.lambda(0);
    let short = gradcheck(&problem, &[0.0], &lambda, 1e-6).unwrap_err();
    assert!(short.to_string().contains("found 1 values; expected"), "{short}");
    let nan = gradcheck(&problem, &vec![f64::NAN; problem.p], &lambda, 1e-6).unwrap_err();
    assert!(nan.to_string().contains("entry 0: found NaN; expected a finite number"), "{nan}");
}
