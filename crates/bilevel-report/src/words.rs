//! The words for settings and reasons, the same in every section, and the same as the command's options where there is one.

use bilevel::data::{FeatureNames, SplitSettings, Task};
use bilevel::fit::{Fit, FitRecord, LossKind, OuterKind, PenaltyKind, PredictionOrigin, WeightsKind};
use bilevel::hypergradient::BiactivePolicy;
use bilevel::outer::{Step, StopReason};
use maud::{Markup, html};

use crate::text::{count, counted, number, percent};

pub(crate) fn loss(kind: LossKind) -> &'static str {
    match kind {
        LossKind::Auto => "auto",
        LossKind::Squared => "squared",
        LossKind::Logistic => "logistic",
        LossKind::PseudoHuber => "pseudo-huber",
    }
}

pub(crate) fn penalty(kind: PenaltyKind) -> &'static str {
    match kind {
        PenaltyKind::L1 => "l1",
        PenaltyKind::ElasticNet => "elastic-net",
        PenaltyKind::GroupL1 => "group-l1",
        PenaltyKind::Ridge => "ridge",
    }
}

pub(crate) fn weights(kind: WeightsKind) -> &'static str {
    match kind {
        WeightsKind::Auto => "auto",
        WeightsKind::Scalar => "scalar",
        WeightsKind::Adaptive => "adaptive",
        WeightsKind::Group => "group",
        WeightsKind::Feature => "feature",
    }
}

pub(crate) fn outer(kind: OuterKind) -> &'static str {
    match kind {
        OuterKind::Auto => "auto",
        OuterKind::Scalar => "scalar",
        OuterKind::Ntrba => "ntrba",
        OuterKind::Nba => "nba",
        OuterKind::Lbfgs => "lbfgs",
        OuterKind::GaussNewton => "gauss-newton",
        OuterKind::Grid => "grid",
    }
}

pub(crate) fn policy(kind: BiactivePolicy) -> &'static str {
    match kind {
        BiactivePolicy::SelfConsistent => "self-consistent",
        BiactivePolicy::DescentAligned => "descent-aligned",
        BiactivePolicy::Null => "null",
        BiactivePolicy::All => "all",
    }
}

/// Whether a step was judged by the criterion on all validation rows, and not by a half of a cross-fit.
pub(crate) fn is_on_all_rows(step: &Step) -> bool {
    !step.stage.contains(", half ")
}

/// Why a search ended, to follow "ended because".
pub(crate) fn stop_reason(reason: StopReason) -> &'static str {
    match reason {
        StopReason::Stationary => "the slope of the criterion vanished within the tolerance",
        StopReason::SmallStep => "its steps became too small to matter",
        StopReason::Plateau => "the criterion stopped improving",
        StopReason::SearchComplete => "every point of the search was tried and refined",
        StopReason::MaxSteps => "it reached the largest number of steps",
        StopReason::TimeLimit => "it reached the time limit",
        StopReason::Cancelled => "it was asked to stop",
    }
}

/// How the criterion was measured, to follow "by".
pub(crate) fn validation(record: &FitRecord) -> String {
    if let Some(given) = record.criterion.given_splits {
        return format!("validation on {}", counted(given, "given split"));
    }
    match record.settings.split {
        SplitSettings::Folds(k) => format!("{k}-fold cross-validation"),
        SplitSettings::Holdout(fraction) => format!("validation on {} of the rows", percent(fraction)),
        SplitSettings::Validation(n) => format!("validation on {} rows of a separate file", count(n)),
    }
}

/// `test samples` or `validation samples`.
pub(crate) fn origin(origin: PredictionOrigin) -> &'static str {
    match origin {
        PredictionOrigin::Validation => "validation samples",
        PredictionOrigin::Test => "test samples",
    }
}

/// What the linear predictor is called.
pub(crate) fn prediction_unit(task: Task) -> &'static str {
    match task {
        Task::Regression => "prediction",
        Task::Classification => "log-odds",
    }
}

/// `12 of 10,000 features carry the model`, whatever the numbers.
pub(crate) fn features_used(fit: &Fit) -> String {
    let (used, all) = (fit.model.support.len(), fit.model.n_features);
    match (used, all) {
        (0, _) => "no feature earns its place, the model is a constant".into(),
        (1, 1) => "the one feature carries the model".into(),
        (used, all) if used == all => format!("all {} features carry the model", count(all)),
        (1, all) => format!("1 of {} features carries the model", count(all)),
        (used, all) => format!("{} of {} features carry the model", count(used), count(all)),
    }
}

/// Whether there is a λ at which all coefficients are zero.
pub(crate) fn has_lambda_max(fit: &Fit) -> bool {
    fit.record.settings.penalty != PenaltyKind::Ridge
}

/// `λ = 0.0123 (λ_max/87)`.
pub(crate) fn lambda_with_ratio(fit: &Fit, lambda: f64) -> String {
    let ratio = fit.record.weights.lambda_max / lambda;
    if !has_lambda_max(fit) || !ratio.is_finite() || ratio <= 0.0 {
        format!("λ = {}", number(lambda))
    } else if ratio <= 1.0 + 1e-9 {
        format!("λ = {} (λ_max or more)", number(lambda))
    } else {
        format!("λ = {} (λ_max/{})", number(lambda), crate::text::rounded(ratio, 3))
    }
}

/// Text in which λ_max is set with a subscript.
pub(crate) fn math(text: &str) -> Markup {
    html! {
        @for (i, part) in text.split("λ_max").enumerate() {
            @if i > 0 { "λ" sub { "max" } }
            (part)
        }
    }
}

/// What feature j is called: its name, or `feature 12` where the file has no names.
pub(crate) fn feature(fit: &Fit, j: usize) -> String {
    match &fit.model.feature_names {
        FeatureNames::Counted { .. } => format!("feature {}", fit.model.feature_names.name(j)),
        FeatureNames::Named(_) => fit.model.feature_names.name(j),
    }
}
