//! The result of a fit in words for people, and as one JSON object for programs.

use std::fmt::Write as _;
use std::path::Path;

use bilevel::data::Task;
use bilevel::fit::{Fit, FitRecord, LossKind, PenaltyKind, ScoreRecord, Verdict, WeightsKind};
use bilevel::outer::StopReason;
use serde_json::{Value, json};

use crate::output::REPORT_FILE;
use crate::text::{counted, duration, number, rough};

/// A few aligned lines: what was learned, how good it is, what is proven.
pub fn for_people(fit: &Fit, directory: Option<&Path>) -> String {
    let record = &fit.record;
    let mut lines = vec![
        ("learned", learned(record)),
        ("support", format!("{} of {}", fit.model.support.len(), counted(fit.model.n_features, "feature"))),
        ("criterion", criterion(record)),
    ];
    match &record.test {
        Some(test) => match record.delta {
            Some(delta) => {
                lines.push(("test", score_by(test, &format!("pseudo-Huber loss, δ = {},", number(delta)))));
            }
            None => lines.push(("test", score(test, fit.model.task))),
        },
        None => lines.push(("test", "none; --test or --test-fraction shows the error to expect".to_string())),
    }
    lines.push(("certificate", certificate(record)));
    lines.push(("search", search(record)));
    lines.push(("time", time(record)));
    if let Some(directory) = directory {
        lines.push(("report", directory.join(REPORT_FILE).display().to_string()));
    }
    let mut text = heading(record) + "\n";
    for (name, line) in lines {
        text.push_str(&format!("  {name:<12} {line}\n"));
    }
    text
}

fn heading(record: &FitRecord) -> String {
    let data = &record.data;
    let mut text = format!(
        "{}: {}, {}",
        data.name,
        counted(data.n_samples, "sample"),
        counted(data.n_features, "feature")
    );
    if data.n_test > 0 {
        text.push_str(&format!("; {} kept for the test", data.n_test));
    }
    text
}

fn learned(record: &FitRecord) -> String {
    let weights = &record.weights;
    let mut text = match (weights.kind, weights.lambda) {
        (_, Some(lambda)) => {
            let share = 100.0 * lambda / weights.lambda_max;
            let scale = match record.settings.penalty {
                PenaltyKind::Ridge => "the loss's largest curvature",
                _ => "λ_max",
            };
            format!("one weight, λ = {} ({} % of {scale})", number(lambda), rough(share))
        }
        (WeightsKind::Adaptive, None) => {
            "adaptive weights, one for each feature from two parameters".to_string()
        }
        (WeightsKind::Group, None) => "one weight for each group".to_string(),
        (_, None) => "one weight for each feature".to_string(),
    };
    if weights.ridge > 0.0 {
        text.push_str(&format!(", ridge part {}", number(weights.ridge)));
    }
    text
}

fn criterion(record: &FitRecord) -> String {
    let criterion = &record.criterion;
    format!(
        "{} ± {} ({}); it was optimized, so it is optimistic",
        number(criterion.value),
        rough(criterion.standard_error),
        criterion.name
    )
}

/// A score against the best constant, on one line.
pub fn score(score: &ScoreRecord, task: Task) -> String {
    let loss = match task {
        Task::Regression => "½ squared error",
        Task::Classification => "log-loss",
    };
    score_by(score, loss)
}

fn score_by(score: &ScoreRecord, loss: &str) -> String {
    let mut text = loss.to_string();
    let _ = write!(text, " {} (best constant {})", number(score.loss), number(score.baseline_loss));
    if let Some(r2) = score.r2 {
        text.push_str(&format!(", R² {}", rough(r2)));
    }
    if let Some(accuracy) = score.accuracy {
        text.push_str(&format!(", accuracy {:.1} %", 100.0 * accuracy));
        if let Some(baseline) = score.baseline_accuracy {
            text.push_str(&format!(" (larger class {:.1} %)", 100.0 * baseline));
        }
    }
    if let Some(auc) = score.auc {
        text.push_str(&format!(", AUC {auc:.3}"));
    }
    text + &format!(", on {}", counted(score.n_samples, "sample"))
}

fn certificate(record: &FitRecord) -> String {
    let certificate = &record.certificate;
    let verdict = match certificate.kink() {
        Some((left, right)) => {
            format!("stationary at a kink (slope {} below, {} above)", rough(left), rough(right))
        }
        None => match &certificate.verdict {
            Verdict::Stationary => "stationary".to_string(),
            Verdict::Within { epsilon } => format!("stationary within {}", rough(*epsilon)),
            Verdict::Descends { name, upwards, slope, .. } => {
                let way = if *upwards { "raising" } else { "lowering" };
                format!("not stationary: {way} {name} has slope {}", rough(*slope))
            }
            Verdict::Unknown { .. } => "not proven stationary".to_string(),
        },
    };
    let mut text = format!(
        "{verdict}; hypergradient norm {} ± {}, gap {}",
        rough(certificate.hypergradient_norm),
        rough(certificate.hypergradient_error_bound),
        rough(certificate.relative_gap)
    );
    if certificate.biactive > 0 {
        text.push_str(&format!(", {} on a kink", certificate.biactive));
    }
    for edge in &certificate.at_edges {
        text.push_str(&format!("; {edge}"));
    }
    if certificate.n_at_edges > certificate.at_edges.len() {
        text.push_str(&format!(
            " and {} more on such edges",
            certificate.n_at_edges - certificate.at_edges.len()
        ));
    }
    if let Some(proof) = certificate.certified.filter(|proof| proof.relative < 1.0) {
        let (low, high) = proof.range;
        // Of what is proven, no more may be said than is.
        let percent = 100.0 * proof.relative.max(proof.requested);
        text.push_str(&format!(
            "; no λ in [{}, {}] has a criterion more than {} % below: proven",
            rough(low),
            rough(high),
            rough(if proof.complete { percent } else { 1.05 * percent })
        ));
    } else if let Some((low, high)) = certificate.lambda_range {
        text.push_str(&format!("; λ searched from {} to {}", rough(low), rough(high)));
    }
    text
}

fn search(record: &FitRecord) -> String {
    let outer = &record.outer;
    format!(
        "{}, {}, {}; {}",
        outer.method,
        counted(outer.steps, "step"),
        counted(outer.evaluations, "evaluation"),
        ended(outer.stop_reason)
    )
}

fn ended(reason: StopReason) -> &'static str {
    match reason {
        StopReason::Stationary => "ended where the slope had become small",
        StopReason::SmallStep => "ended when steps became too small to matter",
        StopReason::Plateau => "ended when the criterion stopped improving",
        StopReason::SearchComplete => "ended when the whole range was searched",
        StopReason::MaxSteps => "ended at the largest number of steps (--max-outer)",
        StopReason::TimeLimit => "ended at the time limit",
        StopReason::Cancelled => "interrupted: the best answer so far",
    }
}

fn time(record: &FitRecord) -> String {
    let seconds = &record.seconds;
    let multiple = seconds.tuning_multiple().map_or(String::new(), |times| format!(" = {times:.1} fits"));
    format!(
        "{} (load {}, search {}{multiple}, final fit {})",
        duration(seconds.total),
        duration(seconds.load),
        duration(seconds.search),
        duration(seconds.final_fit)
    )
}

/// Everything as one object. Numbers are exact; what is unknown or infinite is null.
pub fn for_programs(fit: &Fit) -> serde_json::Result<Value> {
    let record = &fit.record;
    let (weights, certificate) = (&record.weights, &record.certificate);
    Ok(json!({
        "data": record.data.name,
        "task": fit.model.task,
        "classes": fit.model.classes,
        "loss": loss(record.loss),
        "delta": record.delta,
        "criterion": record.criterion,
        "weights": weights.kind,
        "lambda": weights.lambda,
        "lambda_max": weights.lambda_max,
        "ridge": weights.ridge,
        "theta": weights.theta,
        "n_samples": record.data.n_samples,
        "n_features": record.data.n_features,
        "n_test": record.data.n_test,
        "support_size": fit.model.support.len(),
        "intercept": fit.model.intercept,
        "lower_level": record.lower_level,
        "certificate": certificate,
        "outer": record.outer,
        "stages": record.stages,
        "seconds": record.seconds,
        "tuning_multiple": record.seconds.tuning_multiple(),
        "test": record.test,
        "settings": record.settings,
        "seed": record.settings.seed,
        "version": record.version,
        "data_fingerprint": record.data.fingerprint,
    }))
}

fn loss(kind: LossKind) -> &'static str {
    match kind {
        LossKind::Auto => "auto",
        LossKind::Squared => "squared",
        LossKind::Logistic => "logistic",
        LossKind::PseudoHuber => "pseudo-huber",
    }
}
