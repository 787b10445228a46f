//! The quick tables: their shape, and the facts that each is there to show.
#![allow(clippy::unwrap_used, clippy::panic)] // a test may fail by panicking

use std::num::NonZeroUsize;

use bilevel::Error;
use bilevel::data::synthetic::{Shape, classification, regression};
use bilevel_reproduce::{
    EXPERIMENTS, NamedData, NamedImage, Report, Request, Unwatched, Watcher, experiment,
};

fn quick(name: &str, data: &[NamedData]) -> Report {
    let request = Request { quick: true, data, ..Request::default() };
    experiment(name).unwrap().run(&request, &Unwatched).unwrap()
}

/// The numbers of a column, NaN for what is none.
fn column(report: &Report, name: &str) -> Vec<f64> {
    let k = report.table.header.iter().position(|h| h == name).unwrap();
    report.table.rows.iter().map(|row| row[k].value().unwrap_or(f64::NAN)).collect()
}

fn sets() -> Vec<NamedData> {
    let shape = Shape { n_samples: 120, n_features: 20, n_informative: 4 };
    let named = |name: &str, data| NamedData { name: name.to_string(), data };
    vec![
        named("phishing", classification(shape, 0.3, 0).unwrap().data),
        named("values", regression(shape, 3.0, 1).unwrap().data),
    ]
}

/// Markdown and CSV have the same rows, and say how they were made.
fn assert_complete(report: &Report) {
    let (page, csv) = (report.to_markdown(), report.to_csv());
    let rows = page.lines().filter(|line| line.starts_with('|')).count();
    assert_eq!(rows, report.table.rows.len() + 2, "{page}");
    assert_eq!(csv.lines().count(), report.table.rows.len() + 1, "{csv}");
    assert!(csv.starts_with(&report.table.header[0]) && csv.lines().all(|line| line.contains(',')));
    assert!(csv.lines().next().unwrap().ends_with(",seeds,quick,version"));
    assert!(report.table.rows.iter().all(|row| row.len() == report.table.header.len()));
    assert!(page.contains("Quick version") && page.contains("## How it was made"));
    assert!(page.contains(&format!("version {}", env!("CARGO_PKG_VERSION"))));
    for figure in &report.figures {
        assert!(figure.svg.starts_with("<svg xmlns=") && figure.svg.contains("<style>"), "{}", figure.file);
        assert!(page.contains(&format!("]({})", figure.file)));
    }
}

#[test]
fn every_table_has_a_name_of_its_own_and_is_found_by_it() {
    for (k, one) in EXPERIMENTS.iter().enumerate() {
        assert!(EXPERIMENTS[..k].iter().all(|other| other.name != one.name));
        assert_eq!(experiment(one.name).unwrap().about, one.about);
    }
    assert!(experiment("starvation").is_none());
}

#[test]
fn the_toy_starves_with_null_and_is_freed_at_the_first_step_by_the_self_consistent_policy() {
    let toy = quick("starvation-toy", &[]);
    assert_complete(&toy);
    let null: Vec<f64> = column(&toy, "Null: entry 2 of h").into_iter().filter(|h| !h.is_nan()).collect();
    assert!(null.len() > 1 && null.iter().all(|h| *h == 0.0));
    // By hand: λ₂ q₂ = 1.2·1.2 at the start. A normalized step of 0.1 along (0.0175, −1.44)/‖·‖ makes λ₂ = 1.2·e^{−0.1·1.44/‖·‖} and y₂ = 1.2 − λ₂;
    // from then on entry 2 is λ₂(1.2 − y₂) = λ₂².
    let entry = column(&toy, "self-consistent: entry 2 of h");
    let coefficient = column(&toy, "self-consistent: coefficient 2");
    let lambda = 1.2 * (-0.1 * 1.44 / 1.44_f64.hypot(0.0175)).exp();
    assert!((entry[0] - 1.44).abs() < 1e-12 && coefficient[0] == 0.0);
    assert!((coefficient[1] - (1.2 - lambda)).abs() < 1e-8, "{}", coefficient[1]);
    assert!((entry[1] - lambda * lambda).abs() < 1e-8, "{}", entry[1]);
}

#[test]
fn at_the_calibrated_start_null_sees_nothing_of_the_hidden_features() {
    let report = quick("degenerate", &[]);
    assert_complete(&report);
    let hidden = column(&report, "hidden gradient");
    let loss = column(&report, "validation loss");
    let f1 = column(&report, "support F1");
    for case in 0..3 {
        let [scalar, null, ntrba, auto] = [0, 1, 2, 3].map(|k| 4 * case + k);
        assert!(hidden[scalar].is_nan() && hidden[auto].is_nan());
        assert_eq!(hidden[null], 0.0);
        assert!(hidden[ntrba] > 0.1, "{}", hidden[ntrba]);
        assert!(loss[ntrba] < loss[null], "{} against {}", loss[ntrba], loss[null]);
        assert!(f1[ntrba] > f1[null] && f1[auto] > f1[ntrba]);
    }
    assert_eq!(report.figures.len(), 4);
}

#[test]
fn the_tables_of_known_coefficients_have_errors_above_the_noise_and_scores_below_one() {
    let shortest = Request { quick: true, seeds: NonZeroUsize::new(1), ..Request::default() };
    let regression = experiment("regression").unwrap().run(&shortest, &Unwatched).unwrap();
    assert_complete(&regression);
    let (auto, oracle) = (column(&regression, "NMSE, auto"), column(&regression, "oracle"));
    assert!(oracle.iter().all(|e| (0.005..0.03).contains(e)), "{oracle:?}");
    assert!(auto.iter().zip(&oracle).all(|(a, o)| a > &(0.8 * o) && a < &0.2), "{auto:?}");
    let classes = experiment("classification").unwrap().run(&shortest, &Unwatched).unwrap();
    assert_complete(&classes);
    assert!(column(&classes, "F1, auto").iter().all(|f1| (0.5..1.0).contains(f1)));
}

#[test]
fn at_lambda_max_the_hypergradient_is_zero_and_the_derivative_is_not() {
    let report = quick("anchor", &sets());
    assert_complete(&report);
    assert_eq!(column(&report, "norm of the Null hypergradient"), [0.0, 0.0]);
    assert!(column(&report, "one-sided derivative").iter().all(|d| *d < 0.0));
    assert!(column(&report, "relative error").iter().all(|e| *e < 1e-5));
}

#[test]
fn real_sets_are_scored_beside_the_generated_one() {
    let report = quick("real", &sets()[..1]);
    assert_complete(&report);
    assert_eq!(report.table.rows.len(), 8);
    assert!(column(&report, "test F1").iter().all(|f1| (0.0..=1.0).contains(f1)));
    assert!(column(&report, "test F1")[0] > 0.6);
}

#[test]
fn the_numbers_do_not_depend_on_the_threads() {
    let of = |threads| {
        let request = Request {
            quick: true,
            seeds: NonZeroUsize::new(2),
            threads: NonZeroUsize::new(threads),
            ..Request::default()
        };
        let report = experiment("degenerate").unwrap().run(&request, &Unwatched).unwrap();
        [column(&report, "validation loss"), column(&report, "support F1"), column(&report, "test MSE")]
    };
    assert_eq!(of(1), of(3));
}

#[test]
fn a_watcher_counts_every_piece_and_can_end_the_experiment() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    #[derive(Default)]
    struct Counter {
        pieces: AtomicUsize,
        done: AtomicUsize,
        stop: bool,
    }
    impl Watcher for Counter {
        fn begin(&self, pieces: usize) {
            self.pieces.store(pieces, Ordering::Relaxed);
        }
        fn done(&self, _what: &str) {
            self.done.fetch_add(1, Ordering::Relaxed);
        }
        fn is_cancelled(&self) -> bool {
            self.stop
        }
    }
    let request = Request { quick: true, seeds: NonZeroUsize::new(1), ..Request::default() };
    let patient = Counter::default();
    experiment("degenerate").unwrap().run(&request, &patient).unwrap();
    assert_eq!((patient.pieces.into_inner(), patient.done.into_inner()), (3, 3));
    let impatient = Counter { stop: true, ..Counter::default() };
    assert_eq!(experiment("degenerate").unwrap().run(&request, &impatient), Err(Error::Cancelled));
}

#[test]
fn criteria_choose_near_the_true_risk() {
    let report = quick("criteria", &[]);
    assert_complete(&report);
    for name in ["5-fold CV: distance", "SURE: distance", "GCV: distance", "evidence: distance"] {
        let distances = column(&report, name);
        assert!(distances.iter().all(|d| d.is_finite() && *d < 2.0), "{name}: {distances:?}");
    }
}

#[test]
fn errors_of_smooth_hypergradients_stay_below_their_bounds_and_near_them() {
    let report = quick("truncation", &[]);
    assert_complete(&report);
    assert_eq!(report.figures.len(), 4);
    let cases: Vec<String> = report.table.rows.iter().map(|row| format!("{:?}", row[0])).collect();
    let [error, running, prior, worst, excess] = [
        "largest error",
        "largest bound",
        "a-priori bound",
        "largest error / bound",
        "K over the smallest K, mean",
    ]
    .map(|name| column(&report, name));
    for k in 0..cases.len() {
        assert!(worst[k] <= 1.0 + 1e-9, "{}: {}", cases[k], worst[k]);
        if !prior[k].is_nan() {
            assert!(error[k] <= running[k] * (1.0 + 1e-9) && running[k] <= prior[k] * (1.0 + 1e-9));
            assert!(running[k] <= 50.0 * error[k], "{}: {} {}", cases[k], running[k], error[k]);
        }
        if cases[k].contains("stopping rule") {
            assert!(excess[k] <= 2.0, "{}: {}", cases[k], excess[k]);
        }
    }
}

#[test]
fn learned_rates_and_momenta_are_ten_times_closer_than_the_best_constant_rate() {
    let report = quick("optimizer", &[]);
    assert_complete(&report);
    assert_eq!(report.figures.len(), 3);
    let worst = column(&report, "in the worst seed");
    assert!(worst[1] >= 10.0 && worst[3] >= 10.0, "{worst:?}");
    let distance = column(&report, "distance to the optimum");
    assert!(10.0 * distance[7] < distance[5], "{distance:?}");
}

#[test]
fn neighbourhoods_denoise_better_than_thresholds_and_both_better_than_nothing() {
    let report = quick("denoising", &[]);
    assert_complete(&report);
    let [noisy, subbands, best] = ["noisy", "subbands", "neighbourhoods"].map(|name| column(&report, name));
    // The last row of each level is the mean.
    for k in [3, 7, 11] {
        assert!(noisy[k] < subbands[k] && subbands[k] < best[k], "{} {} {}", noisy[k], subbands[k], best[k]);
    }
}

#[test]
fn more_weights_of_total_variation_fit_the_truth_better() {
    let report = quick("tv-learning", &[]);
    assert_complete(&report);
    let cost = column(&report, "½ cost");
    assert!(cost[1] < cost[0] && cost[2] < cost[0], "{cost:?}");
}

#[test]
fn deblurring_by_sure_comes_near_the_best_weight() {
    let report = quick("deblurring", &[]);
    assert_complete(&report);
    let [blurred, own, by_sure] =
        ["blurred", "best for the image", "by SURE"].map(|name| column(&report, name));
    for k in 0..blurred.len() {
        assert!(blurred[k] + 1.0 < by_sure[k] && by_sure[k] > own[k] - 0.3, "{} {}", own[k], by_sure[k]);
    }
}

#[test]
fn images_that_are_missing_or_no_pairs_get_a_sentence() {
    let image = NamedImage { name: "moon".to_string(), shape: (1, 2), pixels: vec![0.0, 1.0] };
    let images = [image];
    let of = |name: &str, images: &[NamedImage]| {
        let request = Request { images, ..Request::default() };
        experiment(name).unwrap().run(&request, &Unwatched).unwrap_err().to_string()
    };
    assert!(of("denoising", &[]).contains("found none; expected a directory of grey images"));
    assert!(of("tv-learning", &images).contains("found 1 images, none of them a pair"));
}
