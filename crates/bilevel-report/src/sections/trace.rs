//! The trace of the search as small multiples over the outer steps.

use bilevel::fit::Fit;
use bilevel::outer::Step;
use maud::{Markup, html};

use crate::plot::{Axis, Color, Dot, Plot, Scale, explanation, figure, thinned};
use crate::text::{number, significant};
use crate::words;

/// At most this many steps are drawn.
const DRAWN: usize = 250;
/// Values that span more than this factor are drawn on a log scale.
const WIDE: f64 = 20.0;

/// "The search, step by step".
pub(crate) fn trace(fit: &Fit) -> Markup {
    let trace = &fit.record.trace;
    html! {
        section id="trace" {
            h2 { "The search, step by step" }
            @if trace.is_empty() {
                (explanation("No steps", "No outer step was recorded, so there is nothing to show."))
            } @else {
                @let radius = radius(fit);
                p class="lead" {
                    "Shaded stretches tell the stages of the climb apart; each starts afresh, so lines may jump between them."
                    @if radius.is_none() { " The method of this search has neither a trust radius nor a step length." }
                }
                div class="trio" {
                    (distance_to_best(trace))
                    (hypergradient(fit))
                    (support(fit))
                    @if let Some(radius) = radius { (radius) }
                    (inner_accuracy(fit))
                }
            }
        }
    }
}

/// One line of a small multiple.
struct Series {
    color: Color,
    name: &'static str,
    values: Vec<f64>,
}

/// Draws series over the steps 1, 2, …; the y axis is logarithmic where `log` or a wide span asks for it.
fn small(trace: &[Step], finding: String, axis: &str, series: Vec<Series>, log: bool, note: &str) -> Markup {
    let all: Vec<f64> = series.iter().flat_map(|s| s.values.iter().copied()).collect();
    let scale = if log { Scale::log(all) } else { Scale::automatic(&all, WIDE) };
    let Some(y) = scale else {
        return explanation(&finding, "No finite value was recorded.");
    };
    let n = trace.len();
    let description = format!("{axis} at each of {n} outer steps. {finding}");
    let mut plot =
        Plot::new(description, Axis::new("outer step", Scale::counting(n)), Axis::new(axis, y), 230.0);
    shade_stages(&mut plot, trace);
    for s in &series {
        let points: Vec<(f64, f64)> =
            s.values.iter().enumerate().map(|(i, &v)| (i as f64 + 1.0, v)).collect();
        let points = thinned(&points, DRAWN);
        plot.line(s.color, &points);
        let dots: Vec<Dot> = points
            .iter()
            .map(|&(x, y)| Dot::new(x, y, format!("step {x}: {} {}", s.name, number(y))))
            .collect();
        plot.dots(s.color, &dots);
    }
    let legend: Vec<(Color, &str)> =
        if series.len() > 1 { series.iter().map(|s| (s.color, s.name)).collect() } else { Vec::new() };
    figure(&finding, plot, &legend, html! { (note) })
}

/// Shades every other stage.
fn shade_stages(plot: &mut Plot, trace: &[Step]) {
    let mut first = 0;
    for (i, stage) in trace.chunk_by(|a, b| a.stage == b.stage).enumerate() {
        let last = first + stage.len();
        if i % 2 == 1 {
            plot.stretch((first as f64 + 0.5, last as f64 + 0.5));
        }
        first = last;
    }
}

fn column(trace: &[Step], value: impl Fn(&Step) -> f64) -> Vec<f64> {
    trace.iter().map(value).collect()
}

/// The value at the last step of the stage that was kept, where it is finite.
fn at_the_end(fit: &Fit, values: &[f64]) -> Option<f64> {
    let kept = fit.record.stages.iter().rev().find(|stage| stage.kept)?;
    let steps = fit.record.trace.iter().zip(values).rev();
    steps.filter(|(step, _)| step.stage == kept.name).map(|(_, v)| *v).find(|v| v.is_finite())
}

fn distance_to_best(trace: &[Step]) -> Markup {
    let values = column(trace, |s| if words::is_on_all_rows(s) { s.value } else { f64::NAN });
    let best = values.iter().copied().filter(|v| v.is_finite()).fold(f64::INFINITY, f64::min);
    let distances: Vec<f64> = values.iter().map(|v| v - best).collect();
    let name = "distance";
    if distances.iter().any(|d| *d > 0.0 && d.is_finite()) {
        let finding = format!("The best criterion value is {}", number(best));
        let series = vec![Series { color: Color::Blue, name, values: distances }];
        small(
            trace,
            finding,
            "criterion − best",
            series,
            true,
            "Distance of the criterion to its best value; the best step itself, at zero, falls off the log scale.",
        )
    } else {
        let finding = format!("The criterion is {} at every step", number(best));
        let series = vec![Series { color: Color::Blue, name: "criterion", values }];
        small(trace, finding, "criterion", series, false, "There is no other value to compare it with.")
    }
}

fn hypergradient(fit: &Fit) -> Markup {
    let trace = &fit.record.trace;
    let norms = column(trace, |s| s.gradient_norm);
    let bounds = column(trace, |s| s.gradient_error_bound);
    let certificate = &fit.record.certificate;
    let finding = match (certificate.hypergradient_norm, certificate.hypergradient_error_bound) {
        (norm, bound) if norm.is_finite() && bound.is_finite() => {
            format!(
                "At the answer the hypergradient has norm {}, known to ± {}",
                significant(norm, 2),
                significant(bound, 2)
            )
        }
        _ => "The norm of the hypergradient".into(),
    };
    let series = vec![
        Series { color: Color::Blue, name: "norm", values: norms },
        Series { color: Color::Orange, name: "error bound", values: bounds },
    ];
    small(
        trace,
        finding,
        "norm",
        series,
        true,
        "The slope of the criterion in the learned parameters. Where the bound lies below the norm, a direction of descent is certain.",
    )
}

fn support(fit: &Fit) -> Markup {
    let trace = &fit.record.trace;
    let sizes = column(trace, |s| s.support_size);
    let finding = match (sizes.iter().copied().find(|v| v.is_finite()), at_the_end(fit, &sizes)) {
        (Some(first), Some(last)) => {
            format!(
                "Features in the model: {} at first, {} at last",
                significant(first, 3),
                significant(last, 3)
            )
        }
        _ => "Features in the model".into(),
    };
    let series = vec![Series { color: Color::Green, name: "features", values: sizes }];
    small(trace, finding, "features", series, false, "Mean number of nonzero coefficients over the folds.")
}

fn radius(fit: &Fit) -> Option<Markup> {
    let trace = &fit.record.trace;
    let radii = column(trace, |s| s.radius.unwrap_or(f64::NAN));
    let finding =
        format!("The trust radius (step length) ends at {}", significant(at_the_end(fit, &radii)?, 2));
    let series = vec![Series { color: Color::Purple, name: "radius", values: radii }];
    let note = "How far the search dares to move at once, in the logarithm of the weights.";
    Some(small(trace, finding, "radius", series, true, note))
}

fn inner_accuracy(fit: &Fit) -> Markup {
    let trace = &fit.record.trace;
    let gaps = column(trace, |s| s.relative_gap);
    let finding = match at_the_end(fit, &gaps) {
        Some(last) => format!("Training problems were solved to {} at last", significant(last, 2)),
        None => "Accuracy of the training problems".into(),
    };
    let series = vec![Series { color: Color::Sky, name: "relative gap", values: gaps }];
    small(
        trace,
        finding,
        "relative duality gap",
        series,
        true,
        "The largest relative duality gap over the folds: loose while the search is far off, tight where it ends.",
    )
}
