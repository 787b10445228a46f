//! The search over one weight decay, and over one for each feature: how few evaluations it takes, and that nothing broad is missed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use bilevel::data::{Dataset, FeatureNames, SplitRows, SplitSettings, Target};
use bilevel::design::{CscMatrix, DenseMatrix, Design};
use bilevel::fit::{
    Fit, FitInput, FitSettings, JournalEntry, LossKind, Observer, PenaltyKind, Silent, Verdict, WeightsKind,
    fit,
};
use common::random_data;

fn settings(weights: WeightsKind) -> FitSettings {
    FitSettings { penalty: PenaltyKind::Ridge, weights, ..FitSettings::default() }
}

fn run(data: &Dataset, rows: &SplitRows, settings: &FitSettings) -> Fit {
    let splits = std::slice::from_ref(rows);
    fit(FitInput { splits: Some(splits), ..FitInput::new("test", data, settings) }, &mut Silent).unwrap()
}

/// Four coefficients, each with a training and a validation row of its own: 4y_j* = a b/(a²/4 + λ), validated on z.
struct Scales {
    a: Vec<f64>,
    b: Vec<f64>,
    z: Vec<f64>,
}

impl Scales {
    /// Coefficients that the validation rows want at 1 and 0 in turn, so that Φ falls, rises, falls and rises as λ passes their scales.
    fn new(squares: &[f64], deep: f64) -> Self {
        let a: Vec<f64> = squares.iter().map(|s| s.sqrt()).collect();
        // What the training rows say: y = 1, 1.5, `deep`, 2.
        let b = [1.0, 1.5, deep, 2.0].iter().zip(&a).map(|(y, a)| y * a).collect();
        Self { a, b, z: vec![1.0, 0.0, deep, 0.0] }
    }

    fn data(&self) -> (Dataset, SplitRows) {
        let count = self.a.len();
        let entry = |i: usize, j: usize| match i {
            _ if i == j => self.a[j],
            _ if i == count + j => 1.0,
            _ => 0.0,
        };
        let columns = (0..count).flat_map(|j| (0..2 * count).map(move |i| entry(i, j))).collect();
        let design = Design::Dense(DenseMatrix::new(2 * count, count, columns).unwrap());
        let target = Target::Real([self.b.clone(), self.z.clone()].concat());
        let rows = SplitRows { train: (0..count).collect(), validation: (count..2 * count).collect() };
        (Dataset::new(design, target, FeatureNames::Counted { first: 0 }).unwrap(), rows)
    }

    fn phi(&self, lambda: f64) -> f64 {
        let terms = self.a.iter().zip(&self.b).zip(&self.z);
        terms.map(|((a, b), z)| (z - 0.25 * a * b / (0.25 * a * a + lambda)).powi(2)).sum::<f64>() / 8.0
    }

    /// The smallest Φ on ten thousand λ over fourteen decades.
    fn smallest(&self) -> f64 {
        (0..10_000)
            .map(|k| self.phi(10_f64.powf(-10.0 + 14.0 * f64::from(k) / 1e4)))
            .fold(f64::INFINITY, f64::min)
    }
}

#[test]
fn of_two_broad_minima_the_lower_one_is_found_wherever_they_lie() {
    for shift in 0..10 {
        let t = 10_f64.powf(-0.1 * f64::from(shift));
        for deep in [0.5, 2.0] {
            let scales = Scales::new(&[1.0, t * 3e-3, t * 1e-5, t * 3e-8], deep);
            let (data, rows) = scales.data();
            let settings = FitSettings { intercept: false, ..settings(WeightsKind::Scalar) };
            let found = run(&data, &rows, &settings);
            let (value, smallest) = (found.record.criterion.value, scales.smallest());
            assert!(
                value <= smallest * (1.0 + 1e-7),
                "shift {shift}, depth {deep}: {value} above {smallest}"
            );
            let evaluations = found.record.outer.evaluations;
            assert!(evaluations <= 24, "shift {shift}, depth {deep}: {evaluations} evaluations");
        }
    }
}

/// A sparse problem of two classes with more columns than training rows.
fn classes(n: usize, p: usize, seed: u64) -> Dataset {
    let random = random_data(seed, n, p, true);
    let classes = bilevel::data::Classes { negative: "-1".to_string(), positive: "1".to_string() };
    let target = Target::Binary { signs: random.signs, classes };
    Dataset::new(random.design, target, FeatureNames::Counted { first: 0 }).unwrap()
}

#[test]
fn one_logistic_weight_decay_is_no_worse_than_the_best_of_a_fine_grid() {
    for seed in 0..4 {
        let data = classes(90, 120, seed);
        let rows = SplitRows { train: (0..60).collect(), validation: (60..90).collect() };
        let found = run(&data, &rows, &settings(WeightsKind::Scalar));
        let grid = (0..80).map(|k| 10_f64.powf(-5.0 + 0.1 * f64::from(k))).collect();
        let of_grid = run(&data, &rows, &FitSettings { grid: Some(grid), ..settings(WeightsKind::Scalar) });
        let (value, smallest) = (found.record.criterion.value, of_grid.record.criterion.value);
        assert!(value <= smallest * (1.0 + 1e-6), "seed {seed}: {value} above {smallest}");
        assert!(!matches!(found.record.certificate.verdict, Verdict::Descends { .. }), "seed {seed}");
        let evaluations = found.record.outer.evaluations;
        assert!(evaluations <= 24, "seed {seed}: {evaluations} evaluations");
    }
}

#[test]
fn the_pull_that_is_chosen_keeps_weights_from_learning_the_validation_rows_by_heart() {
    let (mut free, mut chosen) = (0.0, 0.0);
    for seed in 0..3 {
        let data = classes(600, 60, seed);
        let rows = SplitRows { train: (0..80).collect(), validation: (80..120).collect() };
        let fresh = |fit: &Fit| -> f64 {
            let scores = fit.model.decision_function(&data.design).unwrap();
            let margins = scores.iter().zip(data.target.values()).skip(120).map(|(z, b)| z * b);
            margins.map(|m| (1.0 + (-m).exp()).ln()).sum::<f64>() / 480.0
        };
        let settings = FitSettings { loss: LossKind::Logistic, ..settings(WeightsKind::Feature) };
        let one = run(&data, &rows, &FitSettings { weights: WeightsKind::Scalar, ..settings.clone() });
        let with_pull = run(&data, &rows, &settings);
        let without = run(&data, &rows, &FitSettings { pull: Some(0.0), ..settings });
        let value = |fit: &Fit| fit.record.criterion.value;
        assert!(value(&with_pull) <= value(&one), "seed {seed}");
        assert!(value(&without) <= value(&with_pull), "seed {seed}");
        free += fresh(&without);
        chosen += fresh(&with_pull);
    }
    assert!(chosen < free, "{chosen} on fresh rows with a pull, {free} without");
}

/// Rows of a few words each, of more words than rows: what is solved by products. The first fifty words say something about the class.
fn texts(n: usize, p: usize, seed: u32) -> Dataset {
    let mut state = seed;
    let mut uniform = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1_u32 << 24)
    };
    let mut columns = vec![Vec::new(); p];
    let mut signs = Vec::new();
    for i in 0..u32::try_from(n).unwrap() {
        let mut score = 0.0;
        for _ in 0..18 {
            // Few words are frequent.
            let word = (uniform().powi(3) * p as f64) as usize;
            if word < 50 {
                score += if word.is_multiple_of(2) { 0.6 } else { -0.6 };
            }
            match columns[word].last_mut() {
                Some((last, count)) if *last == i => *count += 1.0,
                _ => columns[word].push((i, 1.0)),
            }
        }
        signs.push(if score + 2.0 * uniform() > 1.0 { 1.0 } else { -1.0 });
    }
    let starts = std::iter::once(0).chain(columns.iter().scan(0, |total, column| {
        *total += column.len();
        Some(*total)
    }));
    let (rows, values) = columns.iter().flatten().copied().unzip();
    let design = Design::Sparse(CscMatrix::new(n, starts.collect(), rows, values).unwrap());
    let classes = bilevel::data::Classes { negative: "-1".to_string(), positive: "1".to_string() };
    Dataset::new(design, Target::Binary { signs, classes }, FeatureNames::Counted { first: 0 }).unwrap()
}

#[test]
fn where_solves_are_dear_few_of_them_find_the_minimum_with_its_slope() {
    for seed in [1, 2] {
        let data = texts(900, 1400, seed);
        let rows = SplitRows { train: (0..600).collect(), validation: (600..900).collect() };
        let found = run(&data, &rows, &settings(WeightsKind::Scalar));
        let record = &found.record;
        let (value, lambda) = (record.criterion.value, record.weights.lambda.unwrap());
        let grid = |lambdas: Vec<f64>| {
            run(&data, &rows, &FitSettings { grid: Some(lambdas), ..settings(WeightsKind::Scalar) }).record
        };
        let fine = grid((0..40).map(|k| 10_f64.powf(-5.0 + 0.2 * f64::from(k))).collect());
        assert!(value <= fine.criterion.value * (1.0 + 1e-6), "seed {seed}: {value}");
        assert!(record.certificate.stationary && record.certificate.relative_gap <= 1e-10, "seed {seed}");
        assert!(record.outer.evaluations <= 18, "seed {seed}: {}", record.outer.evaluations);
        // The criterion is that of a model solved tightly, and its slope that of differences.
        let step = 1e-3_f64;
        let around = grid(vec![lambda * (-step).exp(), lambda, lambda * step.exp()]);
        let at = |k: usize| around.curve[k].value;
        assert!((at(1) - value).abs() <= 1e-9 * value, "seed {seed}: {value} and {}", at(1));
        let slope = (at(2) - at(0)) / (2.0 * step);
        let error = (slope.abs() - record.certificate.hypergradient_norm).abs();
        assert!(error <= 1e-6 * value, "seed {seed}: {slope:e}");
    }
}

/// Keeps the journal.
#[derive(Default)]
struct Keeps(Vec<JournalEntry>);

impl Observer for Keeps {
    fn on_evaluation(&mut self, entry: &JournalEntry) {
        self.0.push(entry.clone());
    }
}

#[test]
fn a_search_without_kinks_resumes_to_the_same_answer_from_anywhere() {
    let data = texts(900, 1400, 3);
    let settings = FitSettings { split: SplitSettings::Folds(3), ..settings(WeightsKind::Scalar) };
    let input = FitInput::new("test", &data, &settings);
    let mut kept = Keeps::default();
    let whole = fit(input, &mut kept).unwrap();
    let count = kept.0.len();
    for limit in [1, 7, count - 1, count] {
        let journal = &kept.0[..limit];
        let resumed = fit(FitInput { journal, ..input }, &mut Silent).unwrap();
        assert_eq!(resumed.model, whole.model, "{limit} of {count}");
        assert_eq!(resumed.record.criterion, whole.record.criterion, "{limit} of {count}");
        assert_eq!(resumed.record.certificate, whole.record.certificate, "{limit} of {count}");
    }
}
