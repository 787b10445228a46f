//! How the descents went, on one data set.

use bilevel::data::synthetic::FeatureRole;
use bilevel_report::figure::{Categories, Chart, Line, Marks};

use super::methods::{METHODS, Seen, Trial};
use crate::report::Figure;
use crate::table::digits;

const ROLES: [(FeatureRole, &str); 4] = [
    (FeatureRole::Easy, "easy"),
    (FeatureRole::Distractor, "distractor"),
    (FeatureRole::Hidden, "hidden"),
    (FeatureRole::Noise, "noise"),
];

/// Convergence, hidden part of the hypergradient, penalties by group, trust radius.
pub(super) fn all(trials: &[Trial]) -> Vec<Figure> {
    let figure = |name: &str, finding: &str, svg| Figure::of(&format!("degenerate-{name}.svg"), finding, svg);
    let [convergence, hidden, radius] = [convergence(trials), hidden_gradient(trials), radius(trials)];
    let weights = weights(trials);
    [
        figure("convergence", &convergence.finding, convergence.to_svg()),
        figure("hidden-gradient", &hidden.finding, hidden.to_svg()),
        figure("weights", &weights.finding, weights.to_svg()),
        figure("radius", &radius.finding, radius.to_svg()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The methods that descend, with their names.
fn descents(trials: &[Trial]) -> impl Iterator<Item = (&'static str, &Trial)> {
    METHODS.into_iter().zip(trials).filter(|(_, trial)| !trial.trace.is_empty())
}

fn line(name: &str, trial: &Trial, value: impl Fn(&Seen) -> f64) -> Line {
    Line::new(name, trial.trace.iter().enumerate().map(|(k, seen)| (k as f64, value(seen))).collect())
}

/// Validation loss at each step; a level line for methods whose steps are not comparable.
fn convergence(trials: &[Trial]) -> Chart {
    let longest = trials.iter().map(|trial| trial.trace.len()).max().unwrap_or(0);
    let ends = [0.0, longest.saturating_sub(1) as f64];
    let descents = descents(trials).map(|(name, trial)| line(name, trial, |seen| seen.criterion));
    let answers = METHODS.into_iter().zip(trials).filter(|(_, trial)| trial.trace.is_empty());
    let answers = answers.map(|(name, trial)| {
        Line::new(format!("{name} (answer)"), ends.map(|k| (k, trial.criterion)).to_vec())
    });
    Chart {
        finding: format!(
            "NTRBA brings the validation loss to {}, Null to {}",
            digits(trials[2].criterion),
            digits(trials[1].criterion)
        ),
        x: "outer step".to_string(),
        y: "validation MSE".to_string(),
        log: true,
        lines: descents.chain(answers).collect(),
    }
}

fn hidden_gradient(trials: &[Trial]) -> Chart {
    Chart {
        finding: "At the start the hidden features have no say with Null; the self-consistent policy hears them at once"
            .to_string(),
        x: "outer step".to_string(),
        y: "norm of h on hidden features".to_string(),
        log: false,
        lines: descents(trials).map(|(name, trial)| line(name, trial, |seen| seen.hidden_gradient)).collect(),
    }
}

fn weights(trials: &[Trial]) -> Categories {
    let group = |role: FeatureRole| ROLES.iter().position(|(r, _)| *r == role).unwrap_or(0);
    let marks = |(name, trial): (&str, &Trial)| Marks {
        name: name.to_string(),
        points: trial.weights.iter().map(|&(role, lambda)| (group(role), lambda)).collect(),
    };
    Categories {
        finding: format!(
            "Median penalty of the hidden features: {} with NTRBA, {} with Null",
            digits(median_hidden(&trials[2])),
            digits(median_hidden(&trials[1]))
        ),
        x: "group of features".to_string(),
        y: "penalty λ".to_string(),
        log: true,
        categories: ROLES.map(|(_, name)| name.to_string()).to_vec(),
        series: descents(trials).map(marks).collect(),
    }
}

fn median_hidden(trial: &Trial) -> f64 {
    let mut hidden: Vec<f64> =
        trial.weights.iter().filter(|(role, _)| *role == FeatureRole::Hidden).map(|w| w.1).collect();
    hidden.sort_by(f64::total_cmp);
    hidden.get(hidden.len() / 2).copied().unwrap_or(f64::NAN)
}

fn radius(trials: &[Trial]) -> Chart {
    Chart {
        finding: "NTRBA adapts its radius; Null takes steps of one length".to_string(),
        x: "outer step".to_string(),
        y: "radius or step length".to_string(),
        log: true,
        lines: descents(trials)
            .map(|(name, trial)| line(name, trial, |seen| seen.radius.unwrap_or(f64::NAN)))
            .collect(),
    }
}
