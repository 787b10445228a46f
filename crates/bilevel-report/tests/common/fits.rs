//! Synthetic fits for the tests of the report: plausible numbers, made by formulas and a small seeded generator, never by a real search.

use bilevel::data::{Classes, FeatureNames, SplitSettings, Task};
use bilevel::fit::{
    CertificateRecord, CriterionRecord, CurvePoint, DataRecord, Fit, FitRecord, FitSettings, LossKind,
    LowerLevelRecord, Model, OuterRecord, PredictionOrigin, Predictions, SCHEMA_VERSION, ScoreRecord,
    SecondsRecord, StageRecord, Verdict, WeightsKind, WeightsRecord,
};
use bilevel::outer::{Step, StopReason};

/// SplitMix64: a generator of three lines, so that the fits are the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Nearly normal: the sum of twelve uniforms, centered.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

/// Ten named features, one λ by 5-fold cross-validation, a test set: the ordinary case.
pub fn regression() -> Fit {
    let mut random = Random(1);
    let names = ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"];
    let coefficients = [(1, -228.9), (2, 519.4), (3, 311.2), (4, -431.6), (6, -121.8), (8, 583.4), (9, 58.1)];
    let criterion = |t: f64| 1480.0 + 330.0 * (t + 2.4).powi(2) / (1.0 + 0.35 * (t + 2.4).abs());
    let curve = (0..60)
        .map(|i| {
            let t = -5.0 + 5.3 * i as f64 / 59.0;
            let support_size = (10.0 - 10.0 / (1.0 + (-2.2 * (t + 1.1)).exp())).max(0.0);
            CurvePoint { lambda: 10f64.powf(t), value: criterion(t), standard_error: 92.0, support_size }
        })
        .collect();
    let trace: Vec<Step> = (0..23)
        .map(|i| {
            let t = -2.4 + 2.6 * (0.62f64).powi(i) * (1.7 * f64::from(i)).cos();
            let step = step("scalar", i as usize, criterion(t));
            Step { lambda: Some(10f64.powf(t)), support_size: 7.0 + (3.0 * (0.7f64).powi(i)).round(), ..step }
        })
        .collect();
    let predicted: Vec<f64> = (0..88).map(|_| 152.0 + 52.0 * random.normal()).collect();
    let truth = predicted.iter().map(|z| z + 53.0 * random.normal()).collect();
    let model = Model {
        task: Task::Regression,
        n_features: 10,
        feature_names: FeatureNames::Named(names.map(String::from).to_vec()),
        classes: None,
        support: coefficients.iter().map(|c| c.0).collect(),
        coefficients: coefficients.iter().map(|c| c.1).collect(),
        intercept: 152.1,
    };
    let lambda = 10f64.powf(-2.4);
    let record = FitRecord {
        curve,
        weights: weights(WeightsKind::Scalar, Some(lambda), vec![lambda.ln()]),
        stages: vec![stage("scalar", 1, 1480.0, None, 0.0, true)],
        trace,
        test: Some(ScoreRecord {
            n_samples: 88,
            loss: 1489.0,
            baseline_loss: 3010.0,
            mean_squared_error: Some(2978.0),
            r2: Some(0.506),
            ..ScoreRecord::default()
        }),
        ..record("diabetes", 354, 10, 88, LossKind::Squared, "5-fold cross-validated squared error", 1480.0)
    };
    let predictions = Some(Predictions { origin: PredictionOrigin::Test, truth, predicted });
    Fit { model, record, feature_weights: vec![lambda; 10], predictions }
}

/// 5,000 sparse features, two classes, an adaptive climb, 500 coefficients, no test set.
pub fn classes() -> Fit {
    let mut random = Random(2);
    let p = 5000;
    let support: Vec<usize> = (0..p).step_by(67).collect();
    let coefficients: Vec<f64> =
        support.iter().map(|_| random.normal() * (1.3 * random.normal()).exp()).collect();
    let mut feature_weights: Vec<f64> = (0..p)
        .map(|_| if random.uniform() < 0.6 { f64::INFINITY } else { 2e-3 * (2.0 * random.normal()).exp() })
        .collect();
    for (&j, c) in support.iter().zip(&coefficients) {
        feature_weights[j] = 1e-3 / (c.abs() + 0.02) * (0.4 * random.normal()).exp();
    }
    let mut trace: Vec<Step> = Vec::new();
    for (name, steps, from, to) in [
        ("scalar", 18, 0.47, 0.221),
        ("adaptive round 1", 14, 0.221, 0.176),
        ("adaptive round 2", 9, 0.176, 0.169),
        ("feature", 25, 0.169, 0.168),
    ] {
        for i in 0..steps {
            let value = to + (from - to) * (0.75f64).powi(i) + if i % 5 == 3 { 0.01 } else { 0.0 };
            let mut step = step(name, i as usize, value);
            step.support_size = 75.0 + 140.0 * (0.93f64).powi(trace.len() as i32);
            step.accepted = i % 5 != 3;
            if name != "scalar" {
                step.lambda = None;
                step.radius = Some(0.5 * (0.8f64).powi(i));
            }
            trace.push(step);
        }
    }
    let log_odds: Vec<f64> = (0..2600).map(|_| -0.6 + 2.4 * random.normal()).collect();
    let truth = log_odds
        .iter()
        .map(|z| if random.uniform() < 1.0 / (1.0 + (-1.25 * z).exp()) { 1.0 } else { -1.0 })
        .collect();
    let curve = (0..45)
        .map(|i| {
            let t = -4.6 + 3.8 * f64::from(i) / 44.0;
            let value = (0.221 + 0.055 * (t + 2.9f64).powi(2)).min(0.66);
            CurvePoint {
                lambda: 10f64.powf(t),
                value,
                standard_error: 0.012,
                support_size: 900.0 * (-1.9 * (t + 4.6)).exp(),
            }
        })
        .collect();
    let model = Model {
        task: Task::Classification,
        n_features: p,
        feature_names: FeatureNames::Counted { first: 1 },
        classes: Some(Classes { negative: "ham".into(), positive: "spam".into() }),
        support,
        coefficients,
        intercept: -0.31,
    };
    let mut record = FitRecord {
        curve,
        weights: weights(WeightsKind::Adaptive, None, vec![-6.9, 0.93]),
        stages: vec![
            stage("scalar", 1, 0.221, None, 0.0, false),
            stage("adaptive round 1", 2, 0.176, Some(0.221), 0.006, false),
            stage("adaptive round 2", 2, 0.169, Some(0.176), 0.003, true),
            stage("feature", 5000, 0.168, Some(0.169), 0.004, false),
        ],
        trace,
        ..record(
            "mail/train.svm.gz",
            2600,
            p,
            0,
            LossKind::Logistic,
            "5-fold cross-validated log-loss",
            0.169,
        )
    };
    record.data.sparse = true;
    record.data.n_stored = 412_803;
    record.certificate.biactive = 2;
    record.certificate.stationary = false;
    record.certificate.lambda_range = None;
    let predictions = Some(Predictions { origin: PredictionOrigin::Validation, truth, predicted: log_odds });
    Fit { model, record, feature_weights, predictions }
}

/// A hundred thousand features with names, all in the model, all with weights of their own, and as many predictions.
pub fn wide() -> Fit {
    let mut random = Random(3);
    let p = 100_000;
    let mut fit = classes();
    fit.model.task = Task::Regression;
    fit.model.classes = None;
    fit.model.n_features = p;
    fit.model.feature_names =
        FeatureNames::Named((0..p).map(|j| format!("gene <{j}> of chromosome {}", j % 23)).collect());
    fit.model.support = (0..p).collect();
    fit.model.coefficients = (0..p).map(|_| random.normal().powi(3)).collect();
    fit.feature_weights = (0..p).map(|_| random.normal().exp()).collect();
    fit.record.data.n_features = p;
    fit.record.weights.kind = WeightsKind::Feature;
    fit.record.weights.theta = Vec::new();
    fit.record.trace = (0..20_000).map(|i| step("feature", i, 1.0 + random.uniform())).collect();
    fit.record.curve = (0..20_000)
        .map(|i| CurvePoint {
            lambda: 1e-6 * 1.001f64.powi(i),
            value: 1.0 + random.uniform(),
            standard_error: 0.1,
            support_size: 5.0,
        })
        .collect();
    let predicted: Vec<f64> = (0..p).map(|_| random.normal()).collect();
    let truth = predicted.iter().map(|z| z + random.normal()).collect();
    fit.predictions = Some(Predictions { origin: PredictionOrigin::Test, truth, predicted });
    fit
}

/// One feature with a hostile name, nothing learned, nothing recorded, numbers missing.
pub fn degenerate() -> Fit {
    let mut fit = regression();
    fit.model = Model {
        n_features: 1,
        feature_names: FeatureNames::Named(vec![HOSTILE_NAME.into()]),
        support: Vec::new(),
        coefficients: Vec::new(),
        intercept: f64::NAN,
        ..fit.model
    };
    let record = &mut fit.record;
    record.data.name = format!("{HOSTILE_NAME}{}", "long".repeat(200));
    record.data.n_features = 1;
    record.data.n_test = 0;
    record.curve = Vec::new();
    record.trace = Vec::new();
    record.stages = Vec::new();
    record.test = None;
    record.criterion.value = f64::NAN;
    record.criterion.standard_error = f64::INFINITY;
    record.weights.lambda = None;
    record.weights.lambda_max = 0.0;
    record.weights.kind = WeightsKind::Feature;
    record.certificate = CertificateRecord {
        residual: f64::NAN,
        relative_gap: f64::NAN,
        hypergradient_norm: f64::NAN,
        hypergradient_error_bound: f64::INFINITY,
        biactive: 0,
        one_sided_slopes: None,
        verdict: Verdict::Unknown { reason: "the hypergradient is not finite".into() },
        stationary: false,
        stationarity_tolerance: f64::NAN,
        lambda_range: None,
        certified: None,
        n_at_edges: 0,
        at_edges: Vec::new(),
    };
    record.outer.stop_reason = StopReason::Cancelled;
    record.seconds = SecondsRecord { load: f64::NAN, ..SecondsRecord::default() };
    fit.feature_weights = Vec::new();
    fit.predictions = None;
    fit
}

/// A single step, a single point of the curve, a single hostile feature, a single sample.
pub fn single() -> Fit {
    let mut fit = regression();
    fit.model.n_features = 1;
    fit.model.feature_names = FeatureNames::Named(vec![HOSTILE_NAME.repeat(30)]);
    fit.model.support = vec![0];
    fit.model.coefficients = vec![-3.0];
    fit.feature_weights = vec![0.5];
    fit.record.weights.lambda = None;
    fit.record.weights.kind = WeightsKind::Feature;
    fit.record.curve.truncate(1);
    fit.record.trace.truncate(1);
    fit.predictions =
        Some(Predictions { origin: PredictionOrigin::Test, truth: vec![1.0], predicted: vec![1.5] });
    fit
}

/// Classes of which the rows show only one, infinite log-odds, numbers at the ends of what doubles hold.
pub fn extreme() -> Fit {
    let mut fit = classes();
    let numbers = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MAX,
        -f64::MAX,
        f64::MIN_POSITIVE,
        0.0,
        -1.0,
        1e308,
    ];
    for (i, step) in fit.record.trace.iter_mut().enumerate() {
        step.value = numbers[i % 9];
        step.gradient_norm = numbers[(i + 1) % 9];
        step.gradient_error_bound = numbers[(i + 2) % 9];
        step.support_size = numbers[(i + 3) % 9];
        step.radius = Some(numbers[(i + 4) % 9]);
        step.relative_gap = numbers[(i + 5) % 9];
    }
    for (i, point) in fit.record.curve.iter_mut().enumerate() {
        point.value = numbers[i % 9];
        point.lambda = numbers[(i + 2) % 9];
        point.standard_error = numbers[(i + 4) % 9];
        point.support_size = numbers[(i + 6) % 9];
    }
    for (i, c) in fit.model.coefficients.iter_mut().enumerate() {
        *c = numbers[i % 9];
    }
    for (i, w) in fit.feature_weights.iter_mut().enumerate() {
        *w = numbers[i % 9];
    }
    for s in &mut fit.record.stages {
        s.value = f64::NAN;
    }
    if let Some(predictions) = &mut fit.predictions {
        predictions.truth.fill(1.0);
        for (i, z) in predictions.predicted.iter_mut().enumerate() {
            *z = numbers[i % 9];
        }
    }
    fit
}

/// A name that would break out of markup, attributes and scripts.
pub const HOSTILE_NAME: &str = "</script><img src=x onerror=\"console.error('torn')\">&amp;'\"";

fn step(stage: &str, i: usize, value: f64) -> Step {
    Step {
        stage: stage.into(),
        step: i,
        evaluations: i + 1,
        value,
        standard_error: 0.05 * value,
        gradient_norm: 3.0 * 0.7f64.powi(i.min(400) as i32),
        gradient_error_bound: 1e-2 * 0.55f64.powi(i.min(400) as i32),
        support_size: 12.0,
        radius: None,
        lambda: None,
        relative_gap: 1e-3 * 0.5f64.powi(i.min(23) as i32),
        biactive: 0,
        accepted: true,
        seconds: 0.01 * i as f64,
    }
}

fn stage(
    name: &str,
    n_parameters: usize,
    value: f64,
    compared_with: Option<f64>,
    difference_standard_error: f64,
    kept: bool,
) -> StageRecord {
    StageRecord {
        name: name.into(),
        n_parameters,
        method: if n_parameters == 1 { "scalar search" } else { "L-BFGS" }.into(),
        value,
        compared_with,
        difference_standard_error,
        kept,
        steps: 20,
        evaluations: 31,
        stop_reason: if n_parameters == 1 { StopReason::SearchComplete } else { StopReason::Stationary },
    }
}

fn weights(kind: WeightsKind, lambda: Option<f64>, theta: Vec<f64>) -> WeightsRecord {
    WeightsRecord { kind, lambda, lambda_max: 0.46, ridge: 0.0, theta }
}

fn record(
    name: &str,
    n: usize,
    p: usize,
    n_test: usize,
    loss: LossKind,
    criterion: &str,
    value: f64,
) -> FitRecord {
    FitRecord {
        schema: SCHEMA_VERSION,
        version: "0.1.0".into(),
        data: DataRecord {
            name: name.into(),
            n_samples: n,
            n_features: p,
            n_stored: n * p,
            sparse: false,
            n_test,
            weighted: false,
            fingerprint: "9f86d081884c7d65".into(),
        },
        settings: FitSettings {
            split: SplitSettings::Folds(5),
            test_fraction: (n_test > 0).then_some(0.2),
            ..FitSettings::default()
        },
        loss,
        delta: None,
        criterion: CriterionRecord {
            name: criterion.into(),
            value,
            standard_error: 0.06 * value,
            given_splits: None,
        },
        curve: Vec::new(),
        weights: weights(WeightsKind::Scalar, None, Vec::new()),
        stages: Vec::new(),
        trace: Vec::new(),
        certificate: CertificateRecord {
            residual: 2.1e-9,
            relative_gap: 3.4e-11,
            hypergradient_norm: 4.2e-6,
            hypergradient_error_bound: 1.3e-8,
            biactive: 0,
            one_sided_slopes: None,
            verdict: Verdict::Within { epsilon: 4.2e-6 },
            stationary: true,
            stationarity_tolerance: 1e-5,
            lambda_range: Some((4.6e-5, 0.46)),
            certified: None,
            n_at_edges: 0,
            at_edges: Vec::new(),
        },
        lower_level: LowerLevelRecord { objective: 1432.7, duality_gap: 9.8e-8, iterations: 214 },
        outer: OuterRecord {
            method: "scalar search".into(),
            steps: 66,
            evaluations: 104,
            stop_reason: StopReason::SearchComplete,
        },
        seconds: SecondsRecord {
            load: 0.004,
            search: 0.151,
            final_fit: 0.003,
            single_fit: 0.002,
            total: 0.158,
        },
        test: None,
    }
}
