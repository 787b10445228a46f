//! Cleaning with more than two classes: the lower level and its hypergradient against closed forms and differences, and what flipped labels come to.
#![allow(clippy::unwrap_used)]

use bilevel::cleaning::{CleanInput, CleanSettings, CleanedModel, clean};
use bilevel::criterion::{Criterion, MultinomialLoss, ValidationLoss};
use bilevel::data::{Dataset, FeatureNames, SplitRows, Target};
use bilevel::design::{DenseMatrix, Design};
use bilevel::fit::{LossKind, Silent};
use bilevel::loss::Logistic;
use bilevel::lower::{SampleAdjoint, Solution, UpperGradient, WeightedGlm, WeightedMultinomial};
use bilevel::outer::Accuracy;
use bilevel::parametrization::SampleWeights;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const EXACT: Accuracy = Accuracy { relative_gap: 1e-15, adjoint_residual: 1e-14 };

/// Clouds around K centres; every fourth training row, of 0..m, is given the class after its own.
struct Clouds {
    design: DenseMatrix<f64>,
    classes: Vec<u32>,
    n_classes: usize,
    training: Vec<usize>,
    clean: Vec<f64>,
}

impl Clouds {
    fn new(m: usize, n: usize, p: usize, n_classes: usize, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut normal = || (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
        let centres: Vec<f64> = (0..n_classes * p).map(|_| 1.2 * normal()).collect();
        let right = |i: usize| (i * 7 + i / 3) % n_classes;
        let columns: Vec<f64> =
            (0..n * p).map(|at| centres[right(at % n) * p + at / n] + normal() + 0.5).collect();
        let class =
            |i: usize| if i < m && i.is_multiple_of(4) { (right(i) + 1) % n_classes } else { right(i) };
        Self {
            design: DenseMatrix::new(n, p, columns).unwrap(),
            classes: (0..n).map(|i| class(i) as u32).collect(),
            n_classes,
            training: (0..m).collect(),
            clean: (0..n).map(|i| if i < m { 0.0 } else { 1.0 / (n - m) as f64 }).collect(),
        }
    }

    fn problem(&self, ridge: f64, intercept: bool) -> WeightedMultinomial<'_, DenseMatrix<f64>> {
        let Self { design, classes, n_classes, training, .. } = self;
        WeightedMultinomial::new(design, classes, *n_classes, training, ridge, intercept).unwrap()
    }

    fn judged(&self, solution: &Solution) -> bilevel::criterion::CriterionValue {
        MultinomialLoss::new(&self.classes, self.n_classes, &self.clean).evaluate(&solution.predictor)
    }

    fn value(&self, ridge: f64, intercept: bool, weights: &[f64]) -> f64 {
        self.judged(&self.problem(ridge, intercept).solve(weights, None, EXACT).unwrap()).value
    }

    fn adjoint(&self, ridge: f64, intercept: bool, weights: &[f64]) -> SampleAdjoint {
        let problem = self.problem(ridge, intercept);
        let solution = problem.solve(weights, None, EXACT).unwrap();
        let measured = self.judged(&solution);
        let upper =
            UpperGradient { predictor: &measured.gradient, curvature: &measured.curvature, warm_start: &[] };
        problem.adjoint(weights, &solution, &upper, EXACT).unwrap()
    }

    fn dataset(&self) -> Dataset {
        let numbers = self.classes.iter().map(|k| f64::from(*k)).collect();
        let labels = (0..self.n_classes).map(|k| format!("class {k}")).collect();
        let target = Target::Multiple { numbers, labels };
        let names = FeatureNames::Counted { first: 1 };
        Dataset::new(Design::Dense(self.design.clone()), target, names).unwrap()
    }

    fn rows(&self) -> SplitRows {
        let first = self.training.len();
        SplitRows { train: self.training.clone(), validation: (first..self.classes.len()).collect() }
    }
}

fn weights(m: usize) -> Vec<f64> {
    (0..m).map(|i| 0.1 + 0.8 * ((i * 7) % 10) as f64 / 10.0).collect()
}

#[test]
fn the_hypergradient_in_the_weights_is_that_of_the_solved_problem() {
    for (intercept, n_classes, p, ridge) in [(true, 3, 5, 0.1), (false, 4, 3, 0.05), (true, 5, 60, 0.2)] {
        let clouds = Clouds::new(40, 70, p, n_classes, 1);
        let at = weights(40);
        let adjoint = clouds.adjoint(ridge, intercept, &at);
        assert!(adjoint.residual < 1e-12 && adjoint.errors.is_none());
        let scale = adjoint.weights.iter().fold(0.0_f64, |m, h| m.max(h.abs()));
        for (i, found) in adjoint.weights.iter().enumerate().step_by(5) {
            let step = 1e-4;
            let shifted = |s: f64| {
                let move_by = |k: usize| if k == i { s } else { 0.0 };
                let moved: Vec<f64> = at.iter().enumerate().map(|(k, w)| w + move_by(k)).collect();
                clouds.value(ridge, intercept, &moved)
            };
            let difference = (8.0 * (shifted(step) - shifted(-step)) - shifted(2.0 * step)
                + shifted(-2.0 * step))
                / (12.0 * step);
            assert!((found - difference).abs() <= 1e-6 * scale, "weight {i}: {found} and {difference}");
        }
        let step = 1e-4 * ridge;
        let [above, below] = [step, -step].map(|s| clouds.value(ridge + s, intercept, &at));
        let difference = (above - below) / (2.0 * step);
        assert!((adjoint.ridge - difference).abs() <= 1e-6 * difference.abs());
    }
}

#[test]
fn two_classes_are_the_binary_model_with_half_the_ridge() {
    // y₁ = −δ/2 and y₂ = δ/2 cost (α/4)‖δ‖².
    let clouds = Clouds::new(50, 80, 6, 2, 2);
    let signs: Vec<f64> = clouds.classes.iter().map(|k| f64::from(*k) * 2.0 - 1.0).collect();
    let at = weights(50);
    for intercept in [true, false] {
        let several = clouds.problem(0.2, intercept).solve(&at, None, EXACT).unwrap();
        let binary =
            WeightedGlm::new(&clouds.design, &signs, &clouds.training, Logistic, 0.1, intercept).unwrap();
        let solution = binary.solve(&at, None, EXACT).unwrap();
        for (j, y) in solution.coefficients.iter().enumerate() {
            approx::assert_relative_eq!(
                several.coefficients[6 + j] - several.coefficients[j],
                y,
                epsilon = 1e-9
            );
        }
        let measured = ValidationLoss::new(Logistic, &signs, &clouds.clean).evaluate(&solution.predictor);
        let upper =
            UpperGradient { predictor: &measured.gradient, curvature: &measured.curvature, warm_start: &[] };
        let expected = binary.adjoint(&at, &solution, &upper, EXACT).unwrap();
        let found = clouds.adjoint(0.2, intercept, &at);
        for (a, b) in found.weights.iter().zip(&expected.weights) {
            approx::assert_relative_eq!(a, b, epsilon = 1e-12, max_relative = 1e-7);
        }
        approx::assert_relative_eq!(found.ridge, 0.5 * expected.ridge, max_relative = 1e-7);
    }
}

#[test]
fn the_gap_bounds_how_far_the_objective_is_from_its_minimum() {
    let clouds = Clouds::new(60, 90, 8, 4, 3);
    let at = weights(60);
    let exact = clouds.problem(0.05, true).solve(&at, None, EXACT).unwrap();
    for relative_gap in [1e-1, 1e-3, 1e-5] {
        let accuracy = Accuracy { relative_gap, adjoint_residual: 1e-3 };
        let rough = clouds.problem(0.05, true).solve(&at, None, accuracy).unwrap();
        assert!(rough.relative_gap <= relative_gap);
        assert!(rough.objective - exact.objective <= rough.gap + 1e-14);
    }
}

#[test]
fn labels_of_the_next_class_lose_their_weight() {
    let clouds = Clouds::new(600, 900, 8, 4, 4);
    let (data, rows) = (clouds.dataset(), clouds.rows());
    let fresh = Clouds { training: Vec::new(), ..Clouds::new(0, 300, 8, 4, 4) };
    for map in [SampleWeights::Sigmoid, SampleWeights::Clipped] {
        let settings = CleanSettings { map, ..CleanSettings::default() };
        let test = fresh.dataset();
        let input =
            CleanInput { name: "clouds", data: &data, rows: &rows, test: Some(&test), settings: &settings };
        let cleaning = clean(input, &mut Silent).unwrap();
        let (first, last) = cleaning.record.watched.unwrap();
        assert!(last < 0.9 * first, "{first} {last}");
        let auc = auc(&cleaning.sample_weight, |i| i % 4 != 0);
        println!("{map:?}: AUC {auc:.4}, watched {first:.3} to {last:.3}");
        assert!(auc > 0.97, "{map:?}: {auc}");
        assert!(matches!(&cleaning.model, CleanedModel::Multinomial(model) if model.labels.len() == 4));
        let score = cleaning.record.test.unwrap();
        assert!(score.loss < 0.7 * score.baseline_loss && score.accuracy > score.baseline_accuracy);
        assert_eq!(cleaning.record.hypergradient.1, None);
        assert!(cleaning.record.relative_gap < 1e-10 && cleaning.record.loss == LossKind::Logistic);
        let curve = &cleaning.record.curve;
        assert!(curve.len() > 2 && curve[curve.len() - 1].value < curve[0].value);
    }
}

/// The chance that a right sample weighs more than a wrong one.
fn auc(weights: &[f64], is_right: impl Fn(usize) -> bool) -> f64 {
    let of = |right: bool| {
        let chosen = weights.iter().enumerate().filter(|(i, _)| is_right(*i) == right);
        chosen.map(|(_, w)| *w).collect::<Vec<f64>>()
    };
    let wrong = of(false);
    let wins = |w: f64| {
        wrong
            .iter()
            .map(|v| {
                if w > *v {
                    1.0
                } else if w == *v {
                    0.5
                } else {
                    0.0
                }
            })
            .sum::<f64>()
    };
    let right = of(true);
    right.iter().map(|w| wins(*w)).sum::<f64>() / (right.len() * wrong.len()) as f64
}

#[test]
fn losses_that_do_not_fit_several_classes_are_refused() {
    let clouds = Clouds::new(40, 70, 3, 3, 5);
    let (data, rows) = (clouds.dataset(), clouds.rows());
    for loss in [LossKind::Squared, LossKind::PseudoHuber] {
        let settings = CleanSettings { loss, ..CleanSettings::default() };
        let input = CleanInput { name: "clouds", data: &data, rows: &rows, test: None, settings: &settings };
        assert!(clean(input, &mut Silent).unwrap_err().to_string().contains("`loss`"));
    }
}
