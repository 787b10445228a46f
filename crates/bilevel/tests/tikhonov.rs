//! Tikhonov regularization: closed forms, explicit inverses, differences, and sentences for what cannot be solved.
#![allow(clippy::unwrap_used, clippy::panic)]

use approx::assert_relative_eq;
use bilevel::criterion::{Criterion, ValidationLoss};
use bilevel::design::{DenseMatrix, DesignMatrix};
use bilevel::hypergradient::BiactivePolicy;
use bilevel::inverse::choice::Rule;
use bilevel::inverse::choice::choose_lambda;
use bilevel::inverse::problems;
use bilevel::inverse::tikhonov::{StandardForm, Tikhonov};
use bilevel::loss::Squared;
use bilevel::lower::{Hyperparameters, LowerLevel, UpperGradient};
use bilevel::objective::{SplitObjective, tight};
use bilevel::outer::{Accuracy, Lbfgs, Objective, OuterOptimizer, Unwatched};
use bilevel::parametrization::{Ridge, Weights};
use faer::Mat;
use faer::linalg::solvers::DenseSolveCore;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

fn random(rows: usize, columns: usize, seed: u64) -> DenseMatrix<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    DenseMatrix::new(rows, columns, (0..rows * columns).map(|_| StandardNormal.sample(&mut rng)).collect())
        .unwrap()
}

fn scalar(value: f64) -> DenseMatrix<f64> {
    DenseMatrix::new(1, 1, vec![value]).unwrap()
}

#[test]
fn the_best_lambda_of_the_scalar_problem_is_the_closed_form() {
    for (a, l, b, z) in [(1.0, 1.0, 3.0, 1.0), (0.7, 1.9, 2.5, 0.4), (-2.0, 0.3, -5.0, 1.2)] {
        let (matrix, penalty, identity, target) = (scalar(a), scalar(l), scalar(1.0), [z]);
        let lower = Tikhonov::new(&matrix, &[b], &[&penalty], &identity).unwrap();
        let criterion = ValidationLoss::new(Squared, &target, &[1.0]);
        let weights = Weights::scalar(vec![1.0], Ridge::Fixed(0.0), -12.0, 12.0);
        let mut objective = SplitObjective::new(vec![(lower, criterion)], Box::new(weights));
        let expected: f64 = (a * b / z - a * a) / (l * l);
        // The sign of the hypergradient says on which side λ* is.
        let (mut low, mut high) = (-12.0_f64, 12.0_f64);
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            let slope = objective.evaluate(&[middle], tight(BiactivePolicy::Null)).unwrap().gradient[0];
            if slope < 0.0 { low = middle } else { high = middle }
        }
        assert_relative_eq!(low.exp(), expected, max_relative = 1e-12);
        let descent = Lbfgs::default().minimize(&mut objective, &[0.0], &mut Unwatched).unwrap();
        assert_relative_eq!(descent.theta[0].exp(), expected, max_relative = 1e-4);
    }
}

/// A 50×40 problem with two terms, judged on 30 other rows.
struct General {
    a: DenseMatrix<f64>,
    b: Vec<f64>,
    terms: [DenseMatrix<f64>; 2],
    judged: DenseMatrix<f64>,
    targets: Vec<f64>,
    weights: Vec<f64>,
}

impl General {
    fn new() -> Self {
        Self {
            a: random(50, 40, 1),
            b: random(50, 1, 2).values().to_vec(),
            terms: [problems::derivative(2, 40).unwrap(), random(25, 40, 3)],
            judged: random(30, 40, 4),
            targets: random(30, 1, 5).values().to_vec(),
            weights: vec![1.0 / 30.0; 30],
        }
    }

    fn lower(&self) -> Tikhonov<'_> {
        Tikhonov::new(&self.a, &self.b, &[&self.terms[0], &self.terms[1]], &self.judged).unwrap()
    }

    fn value(&self, lambda: &[f64]) -> f64 {
        let at = Hyperparameters { lambda: lambda.to_vec(), ridge: 0.1 };
        let solution = self.lower().solve(&at, None, Accuracy::TIGHT).unwrap();
        ValidationLoss::new(Squared, &self.targets, &self.weights).evaluate(&solution.predictor).value
    }

    fn hypergradient(&self, lambda: &[f64]) -> (Vec<f64>, f64, f64) {
        let (lower, at) = (self.lower(), Hyperparameters { lambda: lambda.to_vec(), ridge: 0.1 });
        let solution = lower.solve(&at, None, Accuracy::TIGHT).unwrap();
        let measured =
            ValidationLoss::new(Squared, &self.targets, &self.weights).evaluate(&solution.predictor);
        let upper =
            UpperGradient { predictor: &measured.gradient, curvature: &measured.curvature, warm_start: &[] };
        let adjoint =
            lower.adjoint(&at, &solution, &upper, BiactivePolicy::Null.into(), Accuracy::TIGHT).unwrap();
        (adjoint.lambda.iter().map(|(_, d)| *d).collect(), adjoint.ridge, adjoint.error_bound)
    }
}

fn faer_of(matrix: &DenseMatrix<f64>) -> Mat<f64> {
    Mat::from_fn(matrix.n_rows(), matrix.n_columns(), |i, j| matrix.column(j)[i])
}

fn column(values: &[f64]) -> Mat<f64> {
    Mat::from_fn(values.len(), 1, |i, _| values[i])
}

#[test]
fn the_hypergradient_is_the_formula_with_explicit_inverses() {
    let (problem, lambda) = (General::new(), [0.8, 2.3]);
    let (a, judged) = (faer_of(&problem.a), faer_of(&problem.judged));
    let grams = problem.terms.each_ref().map(|l| faer_of(l).transpose() * faer_of(l));
    let mut hessian = a.transpose() * &a;
    for i in 0..40 {
        for j in 0..40 {
            hessian[(i, j)] += lambda[0] * grams[0][(i, j)] + lambda[1] * grams[1][(i, j)];
        }
        hessian[(i, i)] += 0.1;
    }
    let inverse = hessian.partial_piv_lu().inverse();
    let x = &inverse * (a.transpose() * column(&problem.b));
    let misfit = &judged * &x - column(&problem.targets);
    let adjoint = judged.transpose() * misfit;
    let (found, of_ridge, bound) = problem.hypergradient(&lambda);
    for (k, gram) in grams.iter().enumerate() {
        let expected = -(adjoint.transpose() * (&inverse * (gram * &x)))[(0, 0)] / 30.0;
        println!("term {k}: {:.1e} from the formula", (found[k] - expected).abs() / expected.abs());
        assert_relative_eq!(found[k], expected, max_relative = 1e-10);
        assert!((found[k] - expected).abs() <= bound + 1e-13 * expected.abs());
    }
    let expected = -(adjoint.transpose() * (&inverse * &x))[(0, 0)] / 30.0;
    assert_relative_eq!(of_ridge, expected, max_relative = 1e-10);
}

#[test]
fn the_hypergradient_is_the_difference_of_the_solved_problem() {
    let (problem, lambda, step) = (General::new(), [0.8, 2.3], 1e-4);
    let (found, _, _) = problem.hypergradient(&lambda);
    for k in 0..2 {
        let at = |t: f64| {
            let mut moved = lambda;
            moved[k] += t * step;
            problem.value(&moved)
        };
        let difference = (8.0 * (at(1.0) - at(-1.0)) - (at(2.0) - at(-2.0))) / (12.0 * step);
        assert_relative_eq!(found[k], difference, max_relative = 1e-6);
    }
}

#[test]
fn the_standard_form_solves_the_normal_equations() {
    let (a, b) = (random(50, 40, 7), random(50, 1, 8).values().to_vec());
    for l in [problems::derivative(1, 40).unwrap(), problems::derivative(2, 40).unwrap(), random(60, 40, 9)] {
        let form = StandardForm::new(&a, &b, Some(&l)).unwrap();
        let lower = Tikhonov::new(&a, &b, &[&l], &a).unwrap();
        for lambda in [1e-3, 1.0, 1e3] {
            let at = Hyperparameters { lambda: vec![lambda], ridge: 0.0 };
            let expected = lower.solve(&at, None, Accuracy::TIGHT).unwrap().coefficients;
            for (x, e) in form.solve(lambda).unwrap().iter().zip(&expected) {
                approx::assert_abs_diff_eq!(*x, *e, epsilon = 1e-10);
            }
        }
    }
}

#[test]
fn wide_problems_and_more_data_than_unknowns_have_their_residual_norm() {
    for (m, n) in [(20, 35), (35, 20)] {
        let (a, b, l) =
            (random(m, n, 11), random(m, 1, 12).values().to_vec(), problems::derivative(2, n).unwrap());
        for l in [None, Some(&l)] {
            let choice = choose_lambda(&a, &b, l, &Rule::robust_gcv()).unwrap();
            let mut rest = vec![0.0; m];
            a.product_into(&choice.x, &mut rest);
            let norm = rest.iter().zip(&b).map(|(z, b)| (z - b).powi(2)).sum::<f64>().sqrt();
            assert_relative_eq!(choice.residual_norm, norm, max_relative = 1e-9);
        }
    }
}

#[test]
fn what_cannot_be_solved_is_one_sentence() {
    let ones = DenseMatrix::new(2, 2, vec![1.0, 1.0, -1.0, -1.0]).unwrap();
    let l = problems::derivative(1, 2).unwrap();
    let sentence = |a: &DenseMatrix<f64>, b: &[f64], l: &DenseMatrix<f64>| {
        StandardForm::new(a, b, Some(l)).unwrap_err().to_string()
    };
    // A does not see constants, and neither does L.
    let found = sentence(&ones, &[1.0, 2.0], &l);
    assert!(found.starts_with("A and L together: found a direction that neither sees"), "{found}");
    let lower = Tikhonov::new(&ones, &[1.0, 2.0], &[&l], &ones).unwrap();
    let at = Hyperparameters { lambda: vec![1.0], ridge: 0.0 };
    let found = lower.solve(&at, None, Accuracy::TIGHT).unwrap_err().to_string();
    assert!(found.starts_with("A and L together: found a direction that neither sees"), "{found}");
    assert_eq!(sentence(&ones, &[1.0], &l), "data b: found length 1; expected 2, as A has rows");
    assert_eq!(sentence(&ones, &[1.0, f64::NAN], &l), "data b, entry 2: found NaN; expected a finite number");
    let wide = problems::derivative(1, 3).unwrap();
    assert_eq!(sentence(&ones, &[1.0, 2.0], &wide), "matrix L: found 3 columns; expected 2, as A has");
    assert!(Tikhonov::new(&ones, &[1.0, 2.0], &[], &ones).is_err());
    let negative = Hyperparameters { lambda: vec![-1.0], ridge: 0.0 };
    assert!(lower.solve(&negative, None, Accuracy::TIGHT).is_err());
}
