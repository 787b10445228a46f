//! The certificate in plain words: each number, what it means, and whether it is a proof.

use bilevel::fit::{Fit, Verdict};
use maud::{Markup, html};

use crate::text::{count, counted, number, significant};
use crate::words;

/// How far a statement goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Proven,
    NotProven,
    Measured,
}

impl Standing {
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Proven => ("proven", "✓ proven"),
            Self::NotProven => ("not-proven", "✗ not proven"),
            Self::Measured => ("measured", "· measured"),
        }
    }
}

struct Statement {
    name: &'static str,
    value: String,
    standing: Standing,
    meaning: String,
}

/// "What is proven, and what is not".
pub(crate) fn certificate(fit: &Fit) -> Markup {
    html! {
        section id="certificate" {
            h2 { "What is proven, and what is not" }
            dl class="certificate" {
                @for statement in statements(fit) {
                    @let (class, words) = statement.standing.words();
                    div {
                        dt { (statement.name) " " span class={ "standing " (class) } { (words) } }
                        dd { strong { (statement.value) } " " (crate::words::math(&statement.meaning)) }
                    }
                }
            }
            p class="lead" { "Not proven by any of this:" }
            ul class="plain" {
                li { "that the model predicts new data well: only a test set measures that" @if fit.record.test.is_none() { ", and there is none here" } ";" }
                li { "that the features in the model are the true ones, or causes: correlated features can stand in for each other;" }
                @if fit.record.certificate.lambda_range.is_none() {
                    li { "that no other weights are better: with many of them the criterion has many valleys, and this is the floor of one." }
                } @else {
                    li { "that weights which differ between features would not be better still." }
                }
            }
        }
    }
}

fn statements(fit: &Fit) -> Vec<Statement> {
    let mut statements =
        vec![training_gap(fit), residual(fit), hypergradient(fit), kinks(fit), stationarity(fit)];
    statements.extend(edges(fit));
    statements.extend(searched_range(fit));
    statements
}

fn training_gap(fit: &Fit) -> Statement {
    let gap = fit.record.certificate.relative_gap;
    Statement {
        name: "The model is trained to the end",
        value: significant(gap, 2),
        standing: if gap.is_finite() { Standing::Proven } else { Standing::NotProven },
        meaning: format!(
            "relative duality gap. The penalized loss of the final fit ({}) is at most this fraction of the loss of the empty model above \
             the smallest value that any coefficients could reach. The bound holds however the solver got there, up to rounding ({} in \
             absolute terms, after {}).",
            number(fit.record.lower_level.objective),
            significant(fit.record.lower_level.duality_gap, 2),
            counted(fit.record.lower_level.iterations, "iteration")
        ),
    }
}

fn residual(fit: &Fit) -> Statement {
    Statement {
        name: if words::has_lambda_max(fit) {
            "Every feature is on its right side"
        } else {
            "Every feature balances its penalty"
        },
        value: significant(fit.record.certificate.residual, 2),
        standing: Standing::Measured,
        meaning: if words::has_lambda_max(fit) {
            "optimality residual relative to λ_max: the length of the step that the training problem would still like to take. It is \
                  zero exactly at the solution, where features in the model balance their penalty and the others do not reach it."
        } else {
            "norm of the gradient of the training problem, relative to the largest slope of the loss without features. It is zero exactly at the solution."
        }
        .into(),
    }
}

fn hypergradient(fit: &Fit) -> Statement {
    let certificate = &fit.record.certificate;
    let (norm, bound) = (certificate.hypergradient_norm, certificate.hypergradient_error_bound);
    let (standing, reading) = if !norm.is_finite() || !bound.is_finite() {
        (Standing::NotProven, "One of the two is missing, so the slope is not known.")
    } else if bound < norm {
        (Standing::Proven, "The bound is smaller than the norm, so the slope shown is real.")
    } else if bound <= certificate.stationarity_tolerance {
        (
            Standing::Proven,
            "The bound is larger than the norm: within what can be known, the slope may be zero.",
        )
    } else {
        (
            Standing::NotProven,
            "The bound is larger than the norm and than what counts as small: the slope may be zero, but the bound is too wide to show it.",
        )
    };
    Statement {
        name: "The slope of the criterion is known",
        value: format!("{} ± {}", significant(norm, 2), significant(bound, 2)),
        standing,
        meaning: format!(
            "norm of the hypergradient: how fast the criterion would fall if the weights were moved a little, with a bound on the error \
             that comes from solving the training problems only approximately. {reading}"
        ),
    }
}

/// What rests on the edge of what was searched; nothing to say where nothing does.
fn edges(fit: &Fit) -> Option<Statement> {
    let certificate = &fit.record.certificate;
    let named: Vec<String> = certificate.at_edges.iter().map(ToString::to_string).collect();
    (certificate.n_at_edges > 0).then(|| Statement {
        name: "On the edge of what was searched",
        value: count(certificate.n_at_edges),
        standing: Standing::Measured,
        meaning: format!(
            "learned {} there: {}{}. Beyond it nothing was looked at; slopes that lead out of it count neither for nor against the answer.",
            if certificate.n_at_edges == 1 { "parameter rests" } else { "parameters rest" },
            named.join("; "),
            if certificate.n_at_edges > named.len() { "; …" } else { "" }
        ),
    })
}

fn kinks(fit: &Fit) -> Statement {
    let biactive = fit.record.certificate.biactive;
    Statement {
        name: "Features on the fence",
        value: count(biactive),
        standing: Standing::Measured,
        meaning: match biactive {
            0 if fit.record.certificate.kink().is_some() => {
                "features sit exactly on the border between in and out, but one of them crosses it at the answer: the criterion falls towards \
                 it from both sides."
            }
            0 => "features sit exactly on the border between in and out. The criterion is smooth here, and its slope is the whole story.",
            1 => "feature sits exactly on the border between in and out. There the criterion has a kink: its slope to the left and to the \
                  right differ, and a small slope alone proves nothing.",
            _ => "features, over all folds, sit exactly on the border between in and out. There the criterion has kinks: slopes to the left \
                  and to the right differ, and a small slope alone proves nothing.",
        }
        .into(),
    }
}

fn stationarity(fit: &Fit) -> Statement {
    let certificate = &fit.record.certificate;
    let tolerance = significant(certificate.stationarity_tolerance, 2);
    if certificate.stationary {
        Statement {
            name: "No small change helps",
            value: "yes".into(),
            standing: Standing::Proven,
            meaning: match certificate.kink() {
                Some((left, right)) => format!(
                    "to first order and within the tolerance {tolerance}: the slope in log λ is {} just below the answer and {} just above it, so \
                     the criterion rises to both sides. At such a kink the slope at the answer itself need not be small.",
                    significant(left, 2),
                    significant(right, 2)
                ),
                None => format!(
                    "to first order and within the tolerance {tolerance}: no learned parameter, changed alone, improves the criterion. One-sided \
                     slopes show it, which are exact also where a feature sits on the fence."
                ),
            },
        }
    } else {
        let (value, meaning) = match &certificate.verdict {
            Verdict::Descends { name, upwards, slope, .. } => (
                "no",
                format!(
                    "the criterion still falls where {name} is {}, by {} per e-fold to first order; the tolerance is {tolerance}. The answer is \
                     the best that the search has seen within its limits.",
                    if *upwards { "raised" } else { "lowered" },
                    significant(-slope, 2)
                ),
            ),
            Verdict::Unknown { reason } => (
                "open",
                format!("{reason}. The answer may still be good: it is the best that the search has seen."),
            ),
            _ => {
                ("open", "The answer may still be good: it is the best that the search has seen.".to_string())
            }
        };
        Statement {
            name: "No small change helps",
            value: value.into(),
            standing: Standing::NotProven,
            meaning,
        }
    }
}

fn searched_range(fit: &Fit) -> Option<Statement> {
    let (low, high) = fit.record.certificate.lambda_range?;
    if let Some(proof) = fit.record.certificate.certified.filter(|proof| proof.relative < 1.0) {
        // Rounded to two digits, no more may be said than is proven.
        let percent = 100.0 * proof.relative.max(proof.requested) * if proof.complete { 1.0 } else { 1.05 };
        return Some(Statement {
            name: "No other λ in the range is better",
            value: format!("by more than {} %", significant(percent, 2)),
            standing: Standing::Proven,
            meaning: format!(
                "for every single λ from {} to {}, between the points that were evaluated too: there the criterion is nowhere lower than that.",
                number(low),
                number(high)
            ),
        });
    }
    Some(Statement {
        name: "The whole range of λ was searched",
        value: format!("{} to {}", number(low), number(high)),
        standing: Standing::Measured,
        meaning: "the interval in which a single λ was looked for, end to end and not only downhill from one start; the curve above shows \
                  what was found."
            .into(),
    })
}
