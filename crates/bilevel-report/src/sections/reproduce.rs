//! Settings, data, and the command that gives the same answer again.

use bilevel::data::{SplitSettings, Task};
use bilevel::fit::{Fit, FitSettings, PenaltyKind, WeightsKind};
use maud::{Markup, html};

use crate::text::{count, counted, name, number, seconds};
use crate::words;

/// "Settings, and how to get this again": by the command, or by a program's `call`.
pub(crate) fn reproduce(fit: &Fit, call: Option<&str>) -> Markup {
    let record = &fit.record;
    html! {
        section id="reproduce" {
            h2 { "Settings, and how to get this again" }
            pre { code { @match call { Some(call) => (call), None => (command(fit)) } } }
            p class="note" {
                "Same data, version " (record.version) " and seed " (record.settings.seed) " give the same answer, with any number of threads."
                @if call.is_none() {
                    " The record holds the name of the data without its folder, and neither the target's column (" code { "--target" }
                    ", if the file needs it) nor the files that words in capitals stand for."
                }
            }
            @if let (None, Some(given)) = (call, given_from_a_program(fit)) {
                p class="note" { (given) " were given from a program; the command has no options for them." }
            }
            div class="pair" {
                (table("Data", data_rows(fit)))
                (table("Settings", setting_rows(fit)))
            }
        }
    }
}

/// What the command line cannot say, to precede "were given".
fn given_from_a_program(fit: &Fit) -> Option<String> {
    let weights = fit.record.data.weighted.then_some("sample weights");
    let splits = fit.record.criterion.given_splits.map(|_| "splits");
    let grid = fit.record.settings.grid.as_ref().map(|_| "values of λ");
    let given: Vec<&str> = weights.into_iter().chain(splits).chain(grid).collect();
    let mut text = match given.as_slice() {
        [first, second, third] => format!("{first}, {second} and {third}"),
        up_to_two => up_to_two.join(" and "),
    };
    text.get_mut(..1)?.make_ascii_uppercase();
    Some(text)
}

/// The command line, options at their defaults left out.
fn command(fit: &Fit) -> String {
    let settings = &fit.record.settings;
    let defaults = FitSettings::default();
    let mut words = vec!["bilevel fit".to_string(), file_argument(&fit.record.data.name)];
    let mut option = |changed: bool, text: String| {
        if changed {
            words.push(text);
        }
    };
    match settings.split {
        _ if fit.record.criterion.given_splits.is_some() => {}
        SplitSettings::Folds(k) => option(settings.split != defaults.split, format!("--folds {k}")),
        SplitSettings::Holdout(fraction) => option(true, format!("--holdout {fraction}")),
        SplitSettings::Validation(_) => option(true, "--validation FILE".into()),
    }
    match settings.test_fraction {
        Some(fraction) => option(true, format!("--test-fraction {fraction}")),
        None => option(fit.record.data.n_test > 0, "--test FILE".into()),
    }
    let delta = settings.delta.map_or_else(String::new, |delta| format!(":{delta}"));
    option(settings.loss != defaults.loss, format!("--loss {}{delta}", words::loss(settings.loss)));
    option(settings.penalty != defaults.penalty, format!("--penalty {}", words::penalty(settings.penalty)));
    option(settings.weights != defaults.weights, format!("--weights {}", words::weights(settings.weights)));
    let grouped = settings.weights == WeightsKind::Group || settings.penalty == PenaltyKind::GroupL1;
    option(grouped, "--groups FILE".into());
    option(settings.l2.is_some(), format!("--l2 {}", settings.l2.unwrap_or_default()));
    option(settings.pull.is_some(), format!("--pull {}", settings.pull.unwrap_or_default()));
    option(settings.outer != defaults.outer, format!("--outer {}", words::outer(settings.outer)));
    option(settings.policy != defaults.policy, format!("--policy {}", words::policy(settings.policy)));
    option(settings.band != defaults.band, format!("--band {:e}", settings.band));
    if let Some(classes) = fit.model.classes.as_ref().filter(|c| c.negative == "rest") {
        option(true, format!("--positive={}", shell_quoted(&classes.positive)));
    }
    option(settings.standardize, "--standardize".into());
    option(!settings.intercept, "--no-intercept".into());
    option(settings.single_precision, "--f32".into());
    option(settings.tolerance != defaults.tolerance, format!("--tol {:e}", settings.tolerance));
    option(settings.max_outer != defaults.max_outer, format!("--max-outer {}", settings.max_outer));
    option(settings.certify.is_some(), format!("--certify {:e}", settings.certify.unwrap_or_default()));
    option(
        settings.time_limit.is_some(),
        format!("--time-limit {}", settings.time_limit.unwrap_or_default()),
    );
    option(true, format!("--seed {}", settings.seed));
    words.join(" ")
}

/// A file's name as an argument: it must not be taken for an option.
fn file_argument(name: &str) -> String {
    if name.starts_with('-') { shell_quoted(&format!("./{name}")) } else { shell_quoted(name) }
}

/// A word as a shell takes it.
fn shell_quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "._-/+:@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn table(title: &str, rows: Vec<(&str, String)>) -> Markup {
    html! {
        table class="facts" {
            caption { (title) }
            tbody { @for (key, value) in rows { tr { th scope="row" { (key) } td { (value) } } } }
        }
    }
}

fn data_rows(fit: &Fit) -> Vec<(&'static str, String)> {
    let (data, seconds_of) = (&fit.record.data, &fit.record.seconds);
    let cells = data.n_samples as f64 * data.n_features as f64;
    let storage = if data.sparse {
        format!(
            "{} stored entries, sparse ({} of all)",
            count(data.n_stored),
            crate::text::percent(data.n_stored as f64 / cells)
        )
    } else {
        "dense".into()
    };
    let classes = fit
        .model
        .classes
        .as_ref()
        .map(|c| format!("{} (−1) and {} (+1)", name(&c.negative), name(&c.positive)));
    let mut rows = vec![
        ("name", name(&data.name)),
        ("samples to learn from", count(data.n_samples)),
        ("test samples", if data.n_test == 0 { "none".into() } else { count(data.n_test) }),
        ("features", count(data.n_features)),
        ("matrix", storage),
        (
            "task",
            match fit.model.task {
                Task::Regression => "regression".into(),
                Task::Classification => "two classes".into(),
            },
        ),
    ];
    rows.extend(classes.map(|c| ("classes", c)));
    rows.extend(data.weighted.then(|| ("sample weights", "given".to_string())));
    rows.extend([
        ("fingerprint", data.fingerprint.clone()),
        ("reading the data", seconds(seconds_of.load)),
        ("search", seconds(seconds_of.search)),
        ("final fit", seconds(seconds_of.final_fit)),
        ("in all", seconds(seconds_of.total)),
    ]);
    rows
}

fn setting_rows(fit: &Fit) -> Vec<(&'static str, String)> {
    let settings = &fit.record.settings;
    let resolved =
        |asked: &str, got: &str| if asked == got { got.to_string() } else { format!("{asked}: {got}") };
    let yes = |b: bool| if b { "yes" } else { "no" }.to_string();
    let ridge = match (settings.penalty, settings.l2) {
        (PenaltyKind::ElasticNet, Some(fixed)) => format!("{} (fixed)", number(fixed)),
        (PenaltyKind::ElasticNet, None) => format!("{} (learned)", number(fit.record.weights.ridge)),
        _ => "none".into(),
    };
    let delta = fit.record.delta.map_or_else(String::new, |delta| format!(", δ = {}", number(delta)));
    vec![
        ("loss", resolved(words::loss(settings.loss), words::loss(fit.record.loss)) + &delta),
        ("penalty", words::penalty(settings.penalty).into()),
        ("ridge part α", ridge),
        ("weights", resolved(words::weights(settings.weights), words::weights(fit.record.weights.kind))),
        ("outer method", format!("{}: {}", words::outer(settings.outer), fit.record.outer.method)),
        ("policy at kinks", words::policy(settings.policy).into()),
        ("criterion measured by", words::validation(&fit.record)),
        ("standardized", yes(settings.standardize)),
        ("intercept", yes(settings.intercept)),
        (
            "design stored in",
            if settings.single_precision { "single precision" } else { "double precision" }.into(),
        ),
        ("relative gap of the final fit", format!("{:e}", settings.tolerance)),
        ("outer steps at most", counted(settings.max_outer, "step") + " a stage"),
        ("time limit", settings.time_limit.map_or_else(|| "none".into(), seconds)),
        ("threads", settings.threads.map_or_else(|| "all cores".into(), count)),
        ("seed", settings.seed.to_string()),
        ("schema", format!("version {}", fit.record.schema)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_with_spaces_and_quotes_survive_the_shell() {
        assert_eq!(shell_quoted("data/a9a.svm"), "data/a9a.svm");
        assert_eq!(shell_quoted("my file"), "'my file'");
        assert_eq!(shell_quoted("it's"), r"'it'\''s'");
        assert_eq!(file_argument("-x y"), "'./-x y'");
        assert_eq!(shell_quoted(""), "''");
    }
}
