//! What was learned, in a sentence, in six numbers, and with the one caution that matters.

use bilevel::data::Task;
use bilevel::fit::{Fit, LossKind, ScoreRecord, WeightsKind};
use bilevel::outer::StopReason;
use maud::{Markup, html};

use crate::text::{count, counted, name, number, percent, seconds, significant};
use crate::words;

/// The head of the page, for readers of the command or of a program.
pub(crate) fn headline(fit: &Fit, by_program: bool) -> Markup {
    let record = &fit.record;
    html! {
        header {
            p class="kicker" { "bilevel " (record.version) " · " (name(&record.data.name)) }
            h1 { (words::math(&sentence(fit))) }
            div class="tiles" {
                @for tile in tiles(fit, by_program) {
                    div class="tile" {
                        span class="tile-name" { (tile.name) }
                        span class="tile-value" { (tile.value) }
                        span class="tile-note" { (words::math(&tile.note)) }
                    }
                }
            }
            @if let Some(warning) = ended_early(fit) { p class="caution" { (warning) } }
            p class="caution" { (caution(fit, by_program)) }
        }
    }
}

/// The page's one sentence.
pub(crate) fn sentence(fit: &Fit) -> String {
    let record = &fit.record;
    let learned = match (record.weights.lambda, record.weights.kind) {
        (Some(lambda), _) => format!("chose {}", words::lambda_with_ratio(fit, lambda)),
        (None, WeightsKind::Adaptive) => "learned adaptive weights, one for each feature,".into(),
        (None, WeightsKind::Group) => "learned one weight for each group of features".into(),
        (None, _) => "learned one weight for each feature".into(),
    };
    let tested = match &record.test {
        Some(test) => {
            format!("on {} {}.", counted(test.n_samples, "test sample"), performance(fit.model.task, test))
        }
        None => "how well it predicts new data has not been measured.".into(),
    };
    format!("bilevel {learned} by {}: {}; {tested}", words::validation(record), words::features_used(fit))
}

/// `it explains 51 % of the variance`.
fn performance(task: Task, test: &ScoreRecord) -> String {
    match (task, test.r2, test.accuracy) {
        (Task::Regression, Some(r2), _) if r2 > 0.0 => format!("it explains {} of the variance", percent(r2)),
        (Task::Regression, Some(r2), _) if r2.is_finite() => {
            format!("it predicts no better than the mean (R² = {})", significant(r2, 2))
        }
        (Task::Classification, _, Some(accuracy)) if accuracy.is_finite() => {
            let baseline = match test.baseline_accuracy {
                Some(b) if b.is_finite() => format!(" (always saying the larger class: {})", percent(b)),
                _ => String::new(),
            };
            format!("it is right for {}{baseline}", percent(accuracy))
        }
        _ => {
            format!("its mean loss is {} (of a constant: {})", number(test.loss), number(test.baseline_loss))
        }
    }
}

struct Tile {
    name: String,
    value: String,
    note: String,
}

fn tiles(fit: &Fit, by_program: bool) -> Vec<Tile> {
    let record = &fit.record;
    let tile = |name: &str, value: String, note: String| Tile { name: name.into(), value, note };
    let (weights_value, weights_note) = match record.weights.lambda {
        Some(lambda) => {
            let scale = if words::has_lambda_max(fit) { "λ_max" } else { "the loss's largest curvature" };
            (number(lambda), format!("{scale} is {}", number(record.weights.lambda_max)))
        }
        None => (words::weights(record.weights.kind).to_string(), weights_note(fit)),
    };
    let certificate = &record.certificate;
    vec![
        test_tile(fit, by_program),
        tile(
            &record.criterion.name,
            number(record.criterion.value),
            format!("± {} · optimistic: it was optimized", significant(record.criterion.standard_error, 2)),
        ),
        tile(
            "features used",
            count(fit.model.support.len()),
            format!("of {}, from {}", count(fit.model.n_features), counted(record.data.n_samples, "sample")),
        ),
        tile(if record.weights.lambda.is_some() { "λ" } else { "weights" }, weights_value, weights_note),
        tile(
            "first-order stationary",
            if certificate.stationary { "proven" } else { "not proven" }.into(),
            format!("training solved to {} of its scale", significant(certificate.relative_gap, 2)),
        ),
        tile(
            "time",
            seconds(record.seconds.total),
            format!(
                "{}, {}",
                counted(record.outer.steps, "step"),
                counted(record.outer.evaluations, "evaluation")
            ),
        ),
    ]
}

fn weights_note(fit: &Fit) -> String {
    match fit.record.stages.iter().rev().find(|s| s.kept) {
        Some(stage) => format!("from {}", counted(stage.n_parameters, "learned parameter")),
        None => "learned".into(),
    }
}

fn test_tile(fit: &Fit, by_program: bool) -> Tile {
    let Some(test) = &fit.record.test else {
        return Tile {
            name: "test score".into(),
            value: "none".into(),
            note: match by_program {
                true => "score the model on rows that it has not seen".into(),
                false => "there is no test set; try --test-fraction 0.2".into(),
            },
        };
    };
    let samples = counted(test.n_samples, "test sample");
    match (fit.model.task, test.r2, test.accuracy) {
        (Task::Regression, Some(r2), _) => Tile {
            name: "test R²".into(),
            value: significant(r2, 3),
            note: format!("{samples} · the mean has 0"),
        },
        (Task::Classification, _, Some(accuracy)) => Tile {
            name: "test accuracy".into(),
            value: percent(accuracy),
            note: match test.auc {
                Some(auc) => format!("{samples} · AUC {}", significant(auc, 3)),
                None => samples,
            },
        },
        _ => Tile {
            name: "test loss".into(),
            value: number(test.loss),
            note: format!("{samples} · a constant has {}", number(test.baseline_loss)),
        },
    }
}

fn caution(fit: &Fit, by_program: bool) -> Markup {
    let criterion = &fit.record.criterion;
    html! {
        "The search minimized the " (criterion.name) ", so the value it ended with (" (number(criterion.value))
        ") flatters the model: the smallest of many noisy numbers is small partly by luck. "
        @if let Some(test) = &fit.record.test {
            "Quote the test score: its rows took no part in the search or in the fit. In the unit of the criterion they have the loss "
            (number(test.loss)) ", and the best constant has " (number(test.baseline_loss)) "."
        } @else {
            "There is no test score to quote. To get one, put rows aside before anything else happens: "
            @if by_program {
                "split them off (" code { "train_test_split" } "), fit on the rest, and score the model on them."
            } @else {
                "run again with " code { "--test-fraction 0.2" } ", or give a file with " code { "--test FILE" } "."
            }
        }
        @if fit.record.loss == LossKind::Squared { " (Squared errors are halved here, ½(truth − prediction)², as in training.)" }
    }
}

fn ended_early(fit: &Fit) -> Option<String> {
    match fit.record.outer.stop_reason {
        StopReason::TimeLimit | StopReason::Cancelled | StopReason::MaxSteps => Some(format!(
            "The search ended early: {}. This is the best answer up to then; a longer search may find a better one.",
            words::stop_reason(fit.record.outer.stop_reason)
        )),
        _ => None,
    }
}
