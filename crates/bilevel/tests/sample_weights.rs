//! One weight for each training sample: the hypergradient against differences of the solved problem, its error bound, and what cleaning finds.

#![allow(clippy::unwrap_used)] // a test may fail by panicking

use bilevel::cleaning::{CleanInput, CleanSettings, clean};
use bilevel::criterion::{Criterion, ValidationLoss};
use bilevel::data::{Classes, Dataset, FeatureNames, SplitRows, Target};
use bilevel::design::{DenseMatrix, Design};
use bilevel::fit::Silent;
use bilevel::loss::{Logistic, Loss, Squared};
use bilevel::lower::{SampleAdjoint, UpperGradient, WeightedGlm};
use bilevel::outer::Accuracy;
use bilevel::parametrization::SampleWeights;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const EXACT: Accuracy = Accuracy { relative_gap: 1e-14, adjoint_residual: 1e-13 };

/// Training rows 0..m and clean rows m..n of a linear model; every fourth training row has its sign flipped.
struct Toy {
    design: DenseMatrix<f64>,
    targets: Vec<f64>,
    training: Vec<usize>,
    steering: Vec<f64>,
}

impl Toy {
    fn new(m: usize, n: usize, p: usize, classes: bool, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut normal = || (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
        let columns: Vec<f64> = (0..n * p).map(|_| normal() + 0.5).collect();
        let truth: Vec<f64> = (0..p).map(|_| normal()).collect();
        let targets = (0..n).map(|i| {
            let z: f64 = (0..p).map(|j| columns[j * n + i] * truth[j]).sum::<f64>() + 0.3 + 0.1 * normal();
            let right = if classes { z.signum() } else { z };
            if i < m && i % 4 == 0 { -right } else { right }
        });
        let targets = targets.collect();
        let steering = (0..n).map(|i| if i < m { 0.0 } else { 1.0 / (n - m) as f64 }).collect();
        Self {
            design: DenseMatrix::new(n, p, columns).unwrap(),
            targets,
            training: (0..m).collect(),
            steering,
        }
    }

    fn problem<L: Loss>(&self, loss: L, ridge: f64, intercept: bool) -> WeightedGlm<'_, DenseMatrix<f64>, L> {
        WeightedGlm::new(&self.design, &self.targets, &self.training, loss, ridge, intercept).unwrap()
    }

    fn value<L: Loss>(&self, loss: L, ridge: f64, intercept: bool, weights: &[f64]) -> f64 {
        let solution = self.problem(loss, ridge, intercept).solve(weights, None, EXACT).unwrap();
        loss.mean(&self.steering, &self.targets, &solution.predictor)
    }

    fn adjoint<L: Loss>(
        &self,
        loss: L,
        ridge: f64,
        intercept: bool,
        weights: &[f64],
        accuracy: Accuracy,
    ) -> SampleAdjoint {
        let problem = self.problem(loss, ridge, intercept);
        let solution = problem.solve(weights, None, accuracy).unwrap();
        let measured = ValidationLoss::new(loss, &self.targets, &self.steering).evaluate(&solution.predictor);
        let upper =
            UpperGradient { predictor: &measured.gradient, curvature: &measured.curvature, warm_start: &[] };
        problem.adjoint(weights, &solution, &upper, accuracy).unwrap()
    }

    fn dataset(&self) -> Dataset {
        let classes = Classes { negative: "no".into(), positive: "yes".into() };
        let target = Target::Binary { signs: self.targets.clone(), classes };
        let names = FeatureNames::Counted { first: 1 };
        Dataset::new(Design::Dense(self.design.clone()), target, names).unwrap()
    }

    fn rows(&self) -> SplitRows {
        SplitRows {
            train: self.training.clone(),
            validation: (self.training.len()..self.targets.len()).collect(),
        }
    }
}

fn weights(m: usize) -> Vec<f64> {
    (0..m).map(|i| 0.1 + 0.8 * ((i * 7) % 10) as f64 / 10.0).collect()
}

fn assert_matches_differences<L: Loss>(toy: &Toy, loss: L, ridge: f64, intercept: bool) {
    let at = weights(toy.training.len());
    let adjoint = toy.adjoint(loss, ridge, intercept, &at, EXACT);
    let scale = adjoint.weights.iter().fold(0.0_f64, |m, h| m.max(h.abs()));
    for (i, found) in adjoint.weights.iter().enumerate().step_by(7) {
        let step = 1e-4;
        let shifted = |s: f64| {
            let moved: Vec<f64> =
                at.iter().enumerate().map(|(k, w)| w + if k == i { s } else { 0.0 }).collect();
            toy.value(loss, ridge, intercept, &moved)
        };
        // Fourth order: the differences are exact to about 1e-11 of the scale.
        let difference = (8.0 * (shifted(step) - shifted(-step))
            - (shifted(2.0 * step) - shifted(-2.0 * step)))
            / (12.0 * step);
        assert!((found - difference).abs() <= 1e-6 * scale, "weight {i}: {found} and {difference}");
    }
    let step = 1e-4 * ridge;
    let difference = (toy.value(loss, ridge + step, intercept, &at)
        - toy.value(loss, ridge - step, intercept, &at))
        / (2.0 * step);
    assert!(
        (adjoint.ridge - difference).abs() <= 1e-6 * difference.abs(),
        "{} and {difference}",
        adjoint.ridge
    );
}

#[test]
fn the_hypergradient_in_the_weights_is_that_of_the_solved_problem() {
    for intercept in [true, false] {
        for (m, p) in [(40, 6), (30, 50)] {
            let (values, classes) = (Toy::new(m, m + 25, p, false, 1), Toy::new(m, m + 25, p, true, 2));
            assert_matches_differences(&values, Squared, 0.1, intercept);
            assert_matches_differences(&classes, Logistic, 0.05, intercept);
        }
    }
}

#[test]
fn conjugate_gradients_find_what_a_factor_finds() {
    // More columns than are ever factorized, against a design that repeats them: the same model in half of the coordinates.
    let toy = Toy::new(220, 300, 210, true, 3);
    assert_matches_differences(&toy, Logistic, 0.02, true);
}

#[test]
fn the_error_bounds_hold_at_every_accuracy() {
    for seed in 0..10 {
        let toy = Toy::new(40, 60, 8, true, seed);
        let at = weights(40);
        let exact = toy.adjoint(Logistic, 0.1, true, &at, EXACT);
        for gap in [1e-3, 1e-5, 1e-7] {
            let rough =
                toy.adjoint(Logistic, 0.1, true, &at, Accuracy { relative_gap: gap, adjoint_residual: 1e-3 });
            for ((found, truth), bound) in
                rough.weights.iter().zip(&exact.weights).zip(rough.errors.as_ref().unwrap())
            {
                assert!(
                    (found - truth).abs() <= bound + 1e-12,
                    "seed {seed}, gap {gap}: {found}, {truth} ± {bound}"
                );
            }
        }
    }
}

#[test]
fn flipped_labels_lose_their_weight() {
    let toy = Toy::new(400, 600, 10, true, 4);
    let (data, rows) = (toy.dataset(), toy.rows());
    for map in [SampleWeights::Sigmoid, SampleWeights::Clipped] {
        let settings = CleanSettings { map, ..CleanSettings::default() };
        let input = CleanInput { name: "toy", data: &data, rows: &rows, test: None, settings: &settings };
        let cleaning = clean(input, &mut Silent).unwrap();
        let (first, last) = cleaning.record.watched.unwrap();
        assert!(last < 0.8 * first, "{first} {last}");
        let auc = auc(&cleaning.sample_weight, |i| i % 4 != 0);
        assert!(auc > 0.95, "{map:?}: {auc}");
        assert_eq!(clean(input, &mut Silent).unwrap().sample_weight, cleaning.sample_weight);
    }
}

/// The chance that a right sample weighs more than a wrong one.
fn auc(weights: &[f64], is_right: impl Fn(usize) -> bool) -> f64 {
    let (mut wins, mut pairs) = (0.0, 0.0);
    for (i, w) in weights.iter().enumerate().filter(|(i, _)| is_right(*i)) {
        for (k, v) in weights.iter().enumerate().filter(|(k, _)| !is_right(*k)) {
            debug_assert_ne!(i, k);
            wins += if w > v {
                1.0
            } else if w == v {
                0.5
            } else {
                0.0
            };
            pairs += 1.0;
        }
    }
    wins / pairs
}

#[test]
fn rows_in_two_places_and_settings_out_of_range_are_refused() {
    let toy = Toy::new(40, 60, 3, true, 5);
    let (data, mut rows) = (toy.dataset(), toy.rows());
    let refused = |rows: &SplitRows, settings: CleanSettings| {
        let input = CleanInput { name: "toy", data: &data, rows, test: None, settings: &settings };
        clean(input, &mut Silent).unwrap_err().to_string()
    };
    let watching = CleanSettings { watching: 1.0, ..CleanSettings::default() };
    assert!(refused(&rows, watching).contains("`watching`: found 1"));
    rows.validation.push(0);
    assert!(refused(&rows, CleanSettings::default()).contains("row 0 twice"));
    rows.validation.clear();
    assert!(refused(&rows, CleanSettings::default()).contains("at least one of each"));
}
