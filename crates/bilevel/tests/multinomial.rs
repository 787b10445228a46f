//! Multinomial logistic regression: an independent solver, the binary problem as its case of two classes, hypergradients against differences.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use bilevel::criterion::{Criterion, MultinomialLoss};
use bilevel::data::Split;
use bilevel::design::{Design, DesignMatrix};
use bilevel::hypergradient::Selection;
use bilevel::loss::Logistic;
use bilevel::lower::{Hyperparameters, LowerLevel, MultinomialGlm, SparseGlm, UpperGradient};
use bilevel::objective::{SplitObjective, tight};
use bilevel::outer::{Accuracy, Objective};
use bilevel::parametrization::{Parametrization, Ridge, Weights};
use bilevel::penalty::L1;
use common::reference::{design, uniform};
use common::{EXACT, random_data, splits};

fn at(lambda: Vec<f64>, ridge: f64) -> Hyperparameters {
    Hyperparameters { lambda, ridge }
}

/// Classes 0 … K−1 by the rank of a noisy target; every class has rows.
fn classes_of(real: &[f64], n_classes: usize) -> Vec<u32> {
    let mut order: Vec<usize> = (0..real.len()).collect();
    order.sort_by(|&a, &b| (real[a] + (a as f64 * 1.9).sin()).total_cmp(&(real[b] + (b as f64 * 1.9).sin())));
    let mut classes = vec![0; real.len()];
    for (rank, &i) in order.iter().enumerate() {
        classes[i] = u32::try_from(rank * n_classes / real.len()).unwrap();
    }
    classes
}

/// The problem in plain vectors.
struct Plain<'a> {
    columns: Vec<Vec<f64>>,
    classes: &'a [u32],
    n_classes: usize,
    lambda: &'a [f64],
    ridge: f64,
}

impl Plain<'_> {
    /// Objective and gradient of its smooth part, for coefficients class after class, then intercepts.
    fn evaluate(&self, y: &[f64]) -> (f64, Vec<f64>) {
        let (n, p, k) = (self.classes.len(), self.columns.len(), self.n_classes);
        let (mut value, mut gradient) = (0.0, vec![0.0; y.len()]);
        for i in 0..n {
            let score =
                |c: usize| y[k * p + c] + (0..p).map(|j| self.columns[j][i] * y[c * p + j]).sum::<f64>();
            let scores: Vec<f64> = (0..k).map(score).collect();
            let sum: f64 = scores.iter().map(|z| z.exp()).sum();
            value += (sum.ln() - scores[self.classes[i] as usize]) / n as f64;
            for c in 0..k {
                let own = if self.classes[i] as usize == c { 1.0 } else { 0.0 };
                let slope = (scores[c].exp() / sum - own) / n as f64;
                gradient[k * p + c] += slope;
                (0..p).for_each(|j| gradient[c * p + j] += slope * self.columns[j][i]);
            }
        }
        for m in 0..k * p {
            value += 0.5 * self.ridge * y[m] * y[m] + self.lambda[m % p] * y[m].abs();
            gradient[m] += self.ridge * y[m];
        }
        (value, gradient)
    }

    /// The minimum by accelerated proximal gradients, restarted where the objective rises.
    fn minimize(&self, steps: usize) -> f64 {
        let (n, p, k) = (self.classes.len(), self.columns.len(), self.n_classes);
        let squares: f64 = self.columns.iter().flatten().map(|a| a * a).sum::<f64>() / n as f64 + 1.0;
        let lipschitz = 0.5 * squares + self.ridge;
        let mut y = vec![0.0; k * p + k];
        let (mut v, mut t) = (y.clone(), 1.0_f64);
        let mut value = self.evaluate(&y).0;
        for _ in 0..steps {
            let (_, gradient) = self.evaluate(&v);
            let mut new: Vec<f64> = v.iter().zip(&gradient).map(|(v, g)| v - g / lipschitz).collect();
            for (m, y) in new.iter_mut().take(k * p).enumerate() {
                *y = y.signum() * (y.abs() - self.lambda[m % p] / lipschitz).max(0.0);
            }
            let new_value = self.evaluate(&new).0;
            if new_value > value {
                if t == 1.0 {
                    break;
                }
                (v, t) = (y.clone(), 1.0);
                continue;
            }
            let next = 0.5 * (1.0 + (1.0 + 4.0 * t * t).sqrt());
            v = new.iter().zip(&y).map(|(a, b)| a + (t - 1.0) / next * (a - b)).collect();
            (y, t, value) = (new, next, new_value);
        }
        value
    }
}

fn columns(design: &Design) -> Vec<Vec<f64>> {
    let mut columns = vec![vec![0.0; design.n_rows()]; design.n_columns()];
    for (j, column) in columns.iter_mut().enumerate() {
        design.visit_column(j, |i, a| column[i] = a);
    }
    columns
}

#[test]
fn minima_are_those_of_proximal_gradients_and_gaps_are_bounds() {
    for seed in 0..10 {
        let (n, p, k) = [(40, 4, 3), (30, 8, 4), (24, 12, 3), (36, 5, 5)][seed as usize % 4];
        let data = random_data(seed, n, p, seed % 2 == 1);
        let classes = classes_of(&data.real, k);
        let weights = uniform(n);
        let problem = MultinomialGlm::new(&data.design, &classes, k, &weights, true).unwrap();
        let largest = problem.lambda_max(&vec![1.0; p]);
        for (fraction, ridge) in [(0.5, 0.0), (0.1, 0.0), (0.1, 0.05), (0.0, 0.05)] {
            let lambda: Vec<f64> =
                (0..p).map(|j| fraction * largest * (1.0 + 0.2 * (j % 3) as f64)).collect();
            let found = problem.solve(&at(lambda.clone(), ridge), None, Accuracy::TIGHT).unwrap();
            let plain = Plain {
                columns: columns(&data.design),
                classes: &classes,
                n_classes: k,
                lambda: &lambda,
                ridge,
            };
            let minimum = plain.minimize(4000);
            let own = plain.evaluate(&found.coefficients).0;
            assert!((own - found.objective).abs() <= 1e-13, "{own} {}", found.objective);
            assert!(
                (own - minimum).abs() <= 1e-9 * minimum,
                "seed {seed}, {fraction}, {ridge}: {own} against {minimum}, gap {:.1e}",
                found.gap
            );
            assert!(found.relative_gap <= 1e-10, "gap {:.1e}", found.relative_gap);
            let rough = problem
                .solve(&at(lambda, ridge), None, Accuracy { relative_gap: 1e-2, ..Accuracy::TIGHT })
                .unwrap();
            assert!(rough.objective - found.objective <= rough.gap + 1e-14);
        }
        let none = problem.solve(&at(vec![1.0001 * largest; p], 0.0), None, Accuracy::TIGHT).unwrap();
        assert!(none.coefficients[..k * p].iter().all(|y| *y == 0.0));
    }
}

#[test]
fn two_classes_are_the_binary_problem_with_the_same_weights() {
    let mut compared = 0;
    for seed in 0..6 {
        let (n, p) = [(40, 5), (24, 10)][seed as usize % 2];
        let data = random_data(seed, n, p, seed % 3 == 1);
        let classes: Vec<u32> = data.signs.iter().map(|b| u32::from(*b > 0.0)).collect();
        let (penalty, splits) = (L1::new(p), splits(n, 1, seed));
        let train = &splits[0].train;
        let binary = SparseGlm::new(&data.design, &data.signs, train, Logistic, &penalty, true).unwrap();
        let both = MultinomialGlm::new(&data.design, &classes, 2, train, true).unwrap();
        let largest = binary.lambda_max(&vec![1.0; p]);
        assert!((both.lambda_max(&vec![1.0; p]) / largest - 1.0).abs() < 1e-12);
        for fraction in [0.6, 0.2, 0.05] {
            let here = at((0..p).map(|j| fraction * largest * (1.0 + 0.1 * j as f64)).collect(), 0.0);
            let one = binary.solve(&here, None, EXACT).unwrap();
            let two = both.solve(&here, None, EXACT).unwrap();
            assert!((one.objective - two.objective).abs() <= 1e-12, "{} {}", one.objective, two.objective);
            let scale = one.predictor.iter().fold(1.0_f64, |m, z| m.max(z.abs()));
            for i in 0..n {
                let difference = two.predictor[n + i] - two.predictor[i];
                assert!((difference - one.predictor[i]).abs() <= 1e-6 * scale, "{difference}");
            }
            // The criterion sees scores; its slope in z_2 − z_1 is the binary one.
            let measured = MultinomialLoss::new(&classes, 2, &splits[0].validation).evaluate(&two.predictor);
            let upper = UpperGradient {
                predictor: &measured.gradient,
                curvature: &measured.curvature,
                warm_start: &[],
            };
            let h = both.adjoint(&here, &two, &upper, Selection::default(), EXACT).unwrap();
            let criterion =
                bilevel::criterion::ValidationLoss::new(Logistic, &data.signs, &splits[0].validation);
            let measured = criterion.evaluate(&one.predictor);
            let upper = UpperGradient {
                predictor: &measured.gradient,
                curvature: &measured.curvature,
                warm_start: &[],
            };
            let g = binary.adjoint(&here, &one, &upper, Selection::default(), EXACT).unwrap();
            let size = g.lambda.iter().fold(1e-12_f64, |m, e| m.max(e.1.abs()));
            for (a, b) in h.lambda.iter().zip(&g.lambda) {
                assert!(a.0 == b.0 && (a.1 - b.1).abs() <= 1e-6 * size, "{a:?} {b:?}");
                compared += 1;
            }
        }
    }
    assert!(compared > 40, "{compared}");
}

fn families(p: usize, level: f64, ridge: Ridge) -> Vec<(Box<dyn Parametrization>, Vec<f64>)> {
    let factors: Vec<f64> = (0..p).map(|g| 1.0 + 0.1 * (g % 3) as f64).collect();
    let groups = (0..p).map(|g| g % 2).collect();
    let wave = (0..p).map(|g| level + 0.3 * (g as f64 * 1.7).sin()).collect();
    let mut families: Vec<(Box<dyn Parametrization>, Vec<f64>)> = vec![
        (Box::new(Weights::scalar(factors.clone(), ridge, -30.0, 30.0)), vec![level]),
        (Box::new(Weights::grouped(factors.clone(), groups, ridge, -30.0, 30.0)), vec![level, level - 0.4]),
        (Box::new(Weights::per_block(factors, ridge, -30.0, 30.0)), wave),
    ];
    if matches!(ridge, Ridge::Learned { .. }) {
        families.iter_mut().for_each(|(_, theta)| theta.push(level - 0.7));
    }
    families
}

#[test]
fn hypergradients_equal_central_differences() {
    let (mut judged, mut skipped) = (0, 0);
    for seed in 0..16 {
        let (n, p, k) = [(45, 4, 3), (36, 8, 3), (48, 6, 5), (40, 5, 4)][seed as usize % 4];
        let data = random_data(seed, n, p, seed % 2 == 1);
        let classes = classes_of(&data.real, k);
        for folds in [1, 3] {
            let rows = splits(n, folds, seed);
            let part = |split| -> Option<(MultinomialGlm<'_, Design>, MultinomialLoss<'_>)> {
                let split: &Split = split;
                let lower =
                    MultinomialGlm::new(&data.design, &classes, k, &split.train, seed % 3 != 0).ok()?;
                Some((lower, MultinomialLoss::new(&classes, k, &split.validation)))
            };
            let Some(parts) = rows.iter().map(part).collect::<Option<Vec<_>>>() else { continue };
            let largest = parts.iter().map(|(m, _)| m.lambda_max(&vec![1.0; p])).fold(0.0, f64::max);
            let level = ([0.4, 0.15, 0.05][(seed % 3) as usize] * largest).ln();
            let learned = Ridge::Learned { lower: -20.0, upper: 5.0 };
            let ridge = if seed.is_multiple_of(2) { Ridge::Fixed(0.0) } else { learned };
            let one = Weights::scalar(vec![1.0; p], Ridge::Fixed(0.0), -30.0, 30.0);
            let mut phi = SplitObjective::new(parts, Box::new(one));
            for (map, theta) in families(p, level, ridge) {
                phi.set_parametrization(map);
                if common::gradient_matches_differences(&mut phi, &theta) {
                    judged += 1;
                } else {
                    skipped += 1;
                }
            }
        }
    }
    assert!(judged >= 60, "{judged} judged, {skipped} near kinks");
}

#[test]
fn loose_solutions_have_hypergradients_within_their_bounds() {
    for seed in 0..4 {
        let data = random_data(seed, 40, 5, false);
        let classes = classes_of(&data.real, 3);
        let rows = splits(40, 1, seed);
        let one = || Weights::scalar(vec![1.0; 5], Ridge::Fixed(0.1), -30.0, 30.0);
        let evaluate = |relative_gap: f64| {
            let Ok(lower) = MultinomialGlm::new(&data.design, &classes, 3, &rows[0].train, true) else {
                return None;
            };
            let parts = vec![(lower, MultinomialLoss::new(&classes, 3, &rows[0].validation))];
            let mut request = tight(Selection::default());
            request.accuracy.relative_gap = relative_gap;
            Some(SplitObjective::new(parts, Box::new(one())).evaluate(&[0.01_f64.ln()], request).unwrap())
        };
        let (Some(exact), Some(rough)) = (evaluate(1e-15), evaluate(1e-3)) else { continue };
        let error = (exact.gradient[0] - rough.gradient[0]).abs();
        assert!(
            exact.support_size != rough.support_size || error <= rough.gradient_error_bound.unwrap(),
            "{error:.1e}"
        );
        let bound = exact.gradient_error_bound.unwrap();
        assert!(bound < 1e-4, "{bound:.1e}");
    }
}

#[test]
fn a_start_on_the_wrong_side_ends_at_the_same_minimum() {
    let data = random_data(3, 40, 6, false);
    let (classes, weights) = (classes_of(&data.real, 3), uniform(40));
    let problem = MultinomialGlm::new(&data.design, &classes, 3, &weights, true).unwrap();
    let here = at(vec![0.1 * problem.lambda_max(&[1.0; 6]); 6], 0.0);
    let expected = problem.solve(&here, None, Accuracy::TIGHT).unwrap();
    for size in [-500.0, -5.0, 5.0, 500.0] {
        let mut far = vec![size; 21];
        (far[18], far[19], far[20]) = (40.0, -40.0, 0.0);
        let start = problem.start_from(far, 0.0);
        let found = problem.solve(&here, Some(start), Accuracy::TIGHT).unwrap();
        assert!((found.objective - expected.objective).abs() <= 1e-10 * expected.objective, "{size}");
    }
}

#[test]
fn classes_that_can_be_separated_and_weights_near_zero_end_with_a_small_gap() {
    let data = random_data(4, 40, 6, false);
    let score = columns(&data.design);
    let classes: Vec<u32> =
        (0..40).map(|i| if score[0][i] > 0.8 { 0 } else { 1 + u32::from(score[1][i] > 0.3) }).collect();
    let weights = uniform(40);
    let problem = MultinomialGlm::new(&data.design, &classes, 3, &weights, true).unwrap();
    let largest = problem.lambda_max(&[1.0; 6]);
    for fraction in [1e-3, 1e-5, 1e-7] {
        let found = problem.solve(&at(vec![fraction * largest; 6], 0.0), None, Accuracy::TIGHT).unwrap();
        assert!(found.relative_gap <= 1e-7, "{fraction}: {:.1e}", found.relative_gap);
    }
}

#[test]
fn what_cannot_be_fitted_is_refused_in_a_sentence() {
    let matrix = design(&[vec![1.0, 2.0, 3.0, 5.0], vec![1.0; 4], vec![1.0, 2.0, 3.0, 5.0]], false);
    let weights = uniform(4);
    for (classes, k, expected) in [
        (vec![0, 1, 2], 3, "one for each row"),
        (vec![0, 1, 2, 3], 3, "a number below 3"),
        (vec![0, 0, 1, 1], 3, "all classes"),
        (vec![0; 4], 1, "at least 2"),
    ] {
        let error = MultinomialGlm::new(&matrix, &classes, k, &weights, true).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let classes = [0, 1, 2, 1];
    let problem = MultinomialGlm::new(&matrix, &classes, 3, &weights, true).unwrap();
    assert!(problem.solve(&at(vec![0.1, f64::NAN, 0.1], 0.0), None, Accuracy::TIGHT).is_err());
    assert!(problem.solve(&at(vec![0.1], 0.0), None, Accuracy::TIGHT).is_err());
    // A constant column beside intercepts, and a copy: numbers, and no use of the constant.
    let found = problem.solve(&at(vec![0.01; 3], 0.0), None, Accuracy::TIGHT).unwrap();
    assert!(found.coefficients.iter().all(|y| y.is_finite()) && found.relative_gap < 1e-8);
    assert!([1, 4, 7].iter().all(|m| found.coefficients[*m].abs() < 1e-9));
    let excluded = problem.solve(&at(vec![f64::INFINITY; 3], 0.0), None, Accuracy::TIGHT).unwrap();
    assert!(excluded.coefficients[..9].iter().all(|y| *y == 0.0));
}
