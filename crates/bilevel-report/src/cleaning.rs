//! The report of a cleaning: how the weights spread, which rows look worst, what that changed, how the search went.
//!
//! One self-contained page like that of a fit. It is drawn from the answer, the rows that were weighed and the data.

use bilevel::cleaning::{CleanRecord, CleanedModel, Cleaning};
use bilevel::data::{Dataset, Target, Task};
use bilevel::outer::StopReason;
use bilevel::parametrization::SampleWeights;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::page::{POLICY, SCRIPT, STYLE};
use crate::plot::{Axis, Color, Dot, Plot, Scale, explanation, figure, thinned};
use crate::text::{count, counted, name, number, percent, seconds, significant};
use crate::words;

/// Bins of the histogram of weights.
const BINS: usize = 20;
/// Rows in the table of the lowest weights.
const LISTED: usize = 25;
/// At most this many steps are drawn.
const DRAWN: usize = 250;

/// What the page shows.
#[derive(Debug, Clone)]
pub struct CleaningPage<'a> {
    /// The answer.
    pub cleaning: &'a Cleaning,
    /// All rows: for the labels, and for what the model says of them.
    pub data: &'a Dataset,
    /// The rows that were weighed, in the order of the weights, counted from 0.
    pub rows: &'a [usize],
    /// The number of the first row: 1 for people, 0 for programs that count so.
    pub first_row: usize,
    /// The command or the call that does it again.
    pub command: String,
}

/// The page as one HTML file.
pub fn render_cleaning(page: &CleaningPage<'_>) -> String {
    let record = &page.cleaning.record;
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="color-scheme" content="light dark";
                meta name="generator" content={ "bilevel " (record.version) };
                link rel="icon" href="data:,";
                title { "bilevel: " (name(&record.data)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main { (body(page)) }
                footer { p { "bilevel " (record.version) " · data " code { (format!("{:016x}", record.fingerprint)) } " · exact weights are in weights.csv, exact numbers in cleaning.json" } }
                div id="tip" hidden {}
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
    .into_string()
}

fn body(page: &CleaningPage<'_>) -> Markup {
    let record = &page.cleaning.record;
    html! {
        (headline(page))
        nav aria-label="Sections" {
            @for (id, title) in [("weights", "Weights"), ("change", "Before and after"), ("rows", "Suspect rows"), ("settings", "Settings")] {
                a href={ "#" (id) } { (title) }
            }
        }
        section id="weights" {
            h2 { "The weights and how they were found" }
            div class="pair" { (histogram(page.cleaning)) (curve(record)) }
        }
        section id="change" { h2 { "Before and after" } (change(record, page.cleaning.model.task())) }
        section id="rows" { h2 { "The rows that look worst" } (suspects(page)) }
        section id="settings" {
            h2 { "Settings, and how to get this again" }
            pre { code { (page.command) } }
            table class="facts" { tbody { @for (key, value) in settings(record) { tr { th scope="row" { (key) } td { (value) } } } } }
        }
    }
}

fn headline(page: &CleaningPage<'_>) -> Markup {
    let (cleaning, record) = (page.cleaning, &page.cleaning.record);
    let flagged = cleaning.n_flagged();
    let share = flagged as f64 / record.n_training as f64;
    let tile = |name: &str, value: String, note: String| {
        html! { div class="tile" { span class="tile-name" { (name) } span class="tile-value" { (value) } span class="tile-note" { (note) } } }
    };
    let (norm, bound) = record.hypergradient;
    let known = match bound.filter(|b| b.is_finite()) {
        Some(bound) => format!("known to ± {}", significant(bound, 2)),
        None => "its error is not known".into(),
    };
    html! {
        header {
            p class="kicker" { "bilevel " (record.version) " · " (name(&record.data)) }
            h1 { (format!("{} of {} look wrong, as {} see it", count(flagged), counted(record.n_training, "training row"), counted(record.n_steering + record.n_watching, "clean row"))) }
            div class="tiles" {
                (tile("look wrong", percent(share), format!("weight below {}; all started from 0.5", number(record.settings.threshold))))
                @if let Some((before, after)) = record.watched {
                    (tile("watched loss", number(after), format!("{} with equal weights, on {} that only watched", number(before), counted(record.n_watching, "clean row"))))
                }
                @if let Some(test) = &record.test {
                    (tile("test loss", number(test.loss), format!("{}; a constant has {}", counted(test.n_samples, "fresh sample"), number(test.baseline_loss))))
                }
                (tile("hypergradient", significant(norm, 2), known))
                (tile("search", counted(record.steps, "step"), format!("{}, {}", counted(record.evaluations, "evaluation"), seconds(record.seconds))))
            }
            @if matches!(record.stop_reason, StopReason::TimeLimit | StopReason::Cancelled | StopReason::MaxSteps) {
                p class="caution" { (format!("The search ended early: {}. A longer one may tell rows apart better.", words::stop_reason(record.stop_reason))) }
            }
            p class="caution" {
                "A low weight says that a row made the model worse on the clean rows: a wrong label does, and so does a right one that is rare among them. "
                "Look at the rows before you drop them."
            }
        }
    }
}

fn histogram(cleaning: &Cleaning) -> Markup {
    let threshold = cleaning.record.settings.threshold;
    let mut counts = [0_usize; BINS];
    for w in cleaning.sample_weight.iter().filter(|w| w.is_finite()) {
        counts[((w.clamp(0.0, 1.0) * BINS as f64) as usize).min(BINS - 1)] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(1).max(1) as f64;
    let near = cleaning.sample_weight.iter().filter(|w| (**w - 0.5).abs() <= 0.1).count();
    let finding = format!(
        "{} of {} rows fell below {}; {} stayed within 0.1 of where they started",
        count(cleaning.n_flagged()),
        count(cleaning.sample_weight.len()),
        number(threshold),
        count(near)
    );
    let description = format!("Number of training rows by learned weight. {finding}");
    let y = Axis::new("rows", Scale::fixed(0.0, 1.08 * most));
    let mut plot = Plot::new(description, Axis::new("weight", Scale::fixed(0.0, 1.0)), y, 270.0);
    let width = 1.0 / BINS as f64;
    for (i, &rows) in counts.iter().enumerate().filter(|(_, rows)| **rows > 0) {
        let ends = (i as f64 * width, (i + 1) as f64 * width);
        let color = if ends.1 <= threshold + 1e-9 { Color::Vermillion } else { Color::Blue };
        let tip = format!("weight {:.2} to {:.2}: {}", ends.0, ends.1, counted(rows, "row"));
        plot.column(color, ends, rows as f64, &tip);
    }
    plot.rule(Color::Gray, threshold, "threshold", 0);
    let note = html! { "Rows to the left make the model worse on the clean rows, rows to the right better; those about which little is known stay near ½, where all start." };
    figure(&finding, plot, &[(Color::Vermillion, "looks wrong"), (Color::Blue, "kept")], note)
}

fn curve(record: &CleanRecord) -> Markup {
    let of = |value: &dyn Fn(usize) -> Option<f64>| -> Vec<(f64, f64)> {
        let steps = 0..record.curve.len();
        let points = steps.filter_map(|k| Some((k as f64, value(k).filter(|v| v.is_finite())?)));
        thinned(&points.collect::<Vec<_>>(), DRAWN)
    };
    let steering = of(&|k| Some(record.curve[k].value));
    let watching = of(&|k| record.curve[k].watched);
    let values: Vec<f64> = steering.iter().chain(&watching).map(|(_, v)| *v).collect();
    let finding = match record.watched {
        Some((before, after)) => {
            format!("On rows that only watched, the loss went from {} to {}", number(before), number(after))
        }
        None => format!(
            "The criterion went from {} to {}",
            number(record.criterion.0),
            number(record.criterion.1)
        ),
    };
    let last = record.curve.len().saturating_sub(1).max(1) as f64;
    let Some(y) = Scale::linear(values) else {
        return explanation(&finding, "No step of the search was recorded.");
    };
    let description = format!("Loss on the clean rows after each outer step. {finding}");
    let x = Axis::new("outer step", Scale::fixed(0.0, last));
    let mut plot = Plot::new(description, x, Axis::new("loss on clean rows", y), 270.0);
    for (color, what, points) in
        [(Color::Blue, "steering, with the pull", &steering), (Color::Orange, "watching", &watching)]
    {
        plot.line(color, points);
        let dot = |&(x, y): &(f64, f64)| Dot::new(x, y, format!("step {x}: {what} {}", number(y)));
        plot.dots(color, &points.iter().map(dot).collect::<Vec<_>>());
    }
    // The answer is where the watching rows' loss was what the record says, if a step ended there.
    let answer = record.watched.and_then(|(_, after)| watching.iter().find(|(_, v)| *v == after));
    if let Some((step, _)) = answer {
        plot.rule(Color::Green, *step, "answer", 0);
    }
    let legend = [(Color::Blue, "rows that steer"), (Color::Orange, "rows that watch")];
    let shown = if watching.is_empty() { &legend[..1] } else { &legend[..] };
    let note = html! {
        "The search descends on the rows that steer. "
        @if watching.is_empty() { "There were too few clean rows to let any only watch, so nothing tells where it began to fit them by heart." }
        @else { "The answer is the earliest point at which those that watch were as low as ever, within their standard error; what comes after it may only fit the steering rows by heart." }
    };
    figure(&finding, plot, shown, note)
}

fn change(record: &CleanRecord, task: Task) -> Markup {
    let mut rows = vec![(
        format!(
            "loss on {} that steered (optimized, so optimistic)",
            counted(record.n_steering, "clean row")
        ),
        record.criterion,
    )];
    let mut error_rate = None;
    if let Some(watched) = record.watched {
        rows.push((
            format!("loss on {} that only watched", counted(record.n_watching, "clean row")),
            watched,
        ));
    }
    let fresh = record.test_with_equal_weights.as_ref().zip(record.test.as_ref());
    if let Some((before, after)) = fresh {
        let samples = counted(after.n_samples, "fresh sample");
        rows.push((format!("test loss on {samples}"), (before.loss, after.loss)));
        if let (Task::Classification, Some(a), Some(b)) = (task, before.accuracy, after.accuracy) {
            error_rate = Some((1.0 - a, 1.0 - b));
        }
    }
    html! {
        table class="stages" {
            thead { tr { th scope="col" { "measured by" } th scope="col" { "equal weights" } th scope="col" { "learned weights" } } }
            tbody {
                @for (what, (before, after)) in rows {
                    (change_row(&what, number(before), number(after)))
                }
                @if let Some((before, after)) = error_rate { (change_row("test error rate", percent(before), percent(after))) }
            }
        }
        @if fresh.is_none() { p class="note" { "No fresh samples were given (" code { "--test FILE" } "), so the error to expect has not been measured." } }
    }
}

fn change_row(what: &str, before: String, after: String) -> Markup {
    html! { tr { th scope="row" { (what) } td data-label="equal weights" { span { (before) } } td data-label="learned weights" { span { (after) } } } }
}

fn suspects(page: &CleaningPage<'_>) -> Markup {
    let weights = &page.cleaning.sample_weight;
    let mut order: Vec<usize> = (0..weights.len().min(page.rows.len())).collect();
    order.sort_by(|&a, &b| weights[a].total_cmp(&weights[b]).then(a.cmp(&b)));
    order.truncate(LISTED);
    let Ok(scores) = page.cleaning.model.decision_function(&page.data.design) else {
        return explanation("No rows", "The model does not belong to these data.");
    };
    let says = |row: usize| said(&page.cleaning.model, &page.data.target, &scores, row);
    html! {
        p class="lead" { (format!("The {} of the lowest weights, and what the model that was trained with the weights says of them.", counted(order.len(), "row"))) }
        table class="stages" {
            thead { tr { th scope="col" { "row" } th scope="col" { "weight" } th scope="col" { "target" } th scope="col" { "model" } } }
            tbody {
                @for k in order {
                    @let row = page.rows[k];
                    tr {
                        th scope="row" { (count(row + page.first_row)) }
                        td data-label="weight" { span { (number(weights[k])) } }
                        td data-label="target" { span { (label(&page.data.target, row)) } }
                        td data-label="model" { span { (says(row)) } }
                    }
                }
            }
        }
    }
}

/// The target of a row as the data have it.
fn label(target: &Target, row: usize) -> String {
    match target {
        Target::Real(values) => values.get(row).map_or_else(String::new, |v| number(*v)),
        Target::Binary { signs, classes } => {
            name(if signs.get(row).is_some_and(|s| *s > 0.0) { &classes.positive } else { &classes.negative })
        }
        Target::Multiple { numbers, labels } => {
            let class = numbers.get(row).and_then(|number| labels.get(*number as usize));
            class.map_or_else(String::new, |label| name(label))
        }
    }
}

/// What the model says of a row.
fn said(model: &CleanedModel, target: &Target, scores: &[f64], row: usize) -> String {
    let score = scores.get(row).copied().unwrap_or(f64::NAN);
    match (model, target) {
        (CleanedModel::Multinomial(model), _) => {
            let n = scores.len() / model.labels.len().max(1);
            let of = |k: usize| scores.get(k * n + row).copied().unwrap_or(f64::NEG_INFINITY);
            let best = (0..model.labels.len()).max_by(|&a, &b| of(a).total_cmp(&of(b)));
            best.map_or_else(String::new, |k| name(&model.labels[k]))
        }
        (_, Target::Binary { classes, .. }) => {
            name(if score > 0.0 { &classes.positive } else { &classes.negative })
        }
        _ => number(score),
    }
}

fn settings(record: &CleanRecord) -> Vec<(&'static str, String)> {
    let settings = &record.settings;
    let map = match settings.map {
        SampleWeights::Sigmoid => "sigmoid",
        SampleWeights::Clipped => "clipped",
    };
    vec![
        ("loss", words::loss(record.loss).to_string()),
        ("map", map.to_string()),
        ("ridge parameter", number(record.ridge)),
        ("pull", number(settings.pull)),
        ("watching", percent(settings.watching)),
        ("slack", format!("{} standard errors", number(settings.slack))),
        ("intercept", if settings.intercept { "fitted" } else { "none" }.to_string()),
        ("seed", settings.seed.to_string()),
        ("ended because", words::stop_reason(record.stop_reason).to_string()),
        ("features", count(record.n_features)),
    ]
}
