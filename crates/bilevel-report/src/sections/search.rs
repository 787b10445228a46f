//! The criterion along the search, stage by stage, and as a function of one λ.

use bilevel::fit::{CurvePoint, Fit};
use bilevel::outer::Step;
use maud::{Markup, html};

use crate::plot::{Axis, Color, Dot, Plot, Scale, explanation, figure, thinned};
use crate::text::{count, counted, number, rounded, significant};
use crate::words;

/// Criteria that span more than this factor are drawn on a log scale.
const WIDE: f64 = 20.0;
/// At most this many steps or points of the curve are drawn.
const DRAWN: usize = 300;

/// "How the regularization was chosen".
pub(crate) fn search(fit: &Fit) -> Markup {
    html! {
        section id="search" {
            h2 { "How the regularization was chosen" }
            div class="pair" {
                (over_lambda(fit))
                (along_the_search(fit))
            }
        }
    }
}

fn over_lambda(fit: &Fit) -> Markup {
    let record = &fit.record;
    let curve: Vec<CurvePoint> = record
        .curve
        .iter()
        .copied()
        .filter(|p| p.lambda > 0.0 && p.lambda.is_finite() && p.value.is_finite())
        .collect();
    let Some(best) = curve.iter().copied().min_by(|a, b| a.value.total_cmp(&b.value)) else {
        return explanation(
            "The criterion over λ",
            "This search did not go through one common λ, or no value of it was recorded, so there is no curve to show.",
        );
    };
    let curve = thinned(&curve, DRAWN);
    let edges: Vec<f64> = curve
        .iter()
        .flat_map(|p| [p.value, p.value - p.standard_error, p.value + p.standard_error])
        .filter(|v| v.is_finite())
        .collect();
    let chosen = record.weights.lambda;
    let lambdas = curve.iter().map(|p| p.lambda).chain(chosen);
    let (Some(x), Some(y)) = (Scale::log(lambdas), Scale::automatic(&edges, WIDE)) else {
        return explanation(
            "The criterion over λ",
            "The recorded values are not finite numbers, so there is nothing to draw.",
        );
    };
    let finding = match chosen {
        Some(_) => format!(
            "The criterion is smallest at λ = {}, with {}",
            number(best.lambda),
            about_features(&best)
        ),
        None => format!(
            "With one λ for all, the criterion would be {}; the learned weights reach {}",
            number(best.value),
            number(record.criterion.value)
        ),
    };
    let description = format!("Criterion as a function of lambda, {} points. {finding}", curve.len());
    let plot = Plot::new(description, Axis::new("λ", x), Axis::new(record.criterion.name.clone(), y), 290.0);
    let labels =
        plot.x_ticks().iter().filter_map(|t| Some((t.value, features_near(&curve, t.value)?))).collect();
    let mut plot = plot.above("features used", labels);
    let band: Vec<_> = curve
        .iter()
        .filter(|p| p.standard_error.is_finite())
        .map(|p| (p.lambda, p.value - p.standard_error, p.value + p.standard_error))
        .collect();
    plot.band(Color::Blue, &band);
    plot.line(Color::Blue, &curve.iter().map(|p| (p.lambda, p.value)).collect::<Vec<_>>());
    let dots: Vec<Dot> = curve.iter().map(|p| Dot::new(p.lambda, p.value, tip(p))).collect();
    plot.dots(Color::Blue, &dots);
    let largest = curve.iter().map(|p| p.lambda).fold(0.0, f64::max);
    if words::has_lambda_max(fit) && record.weights.lambda_max <= largest * (1.0 + 1e-9) {
        plot.rule(Color::Gray, record.weights.lambda_max, "λ_max", 1);
    }
    match chosen {
        Some(lambda) => plot.rule(Color::Vermillion, lambda, "chosen λ", 0),
        None => plot.rule(Color::Vermillion, best.lambda, "best single λ", 0),
    }
    let note = html! {
        @if words::has_lambda_max(fit) {
            "To the left the penalty is weak and many features enter; to the right it is strong, and at λ" sub { "max" } " = "
            (number(record.weights.lambda_max)) " the last one leaves."
        } @else {
            "To the left the penalty is weak and the model free; to the right it is strong and the coefficients go to zero. What is weak depends on the "
            "largest curvature of the loss, " (number(record.weights.lambda_max)) "."
        }
        " The band is ± one standard error over the validation samples: "
        "values whose bands overlap are hardly different."
    };
    figure(&finding, plot, &[], note)
}

fn about_features(point: &CurvePoint) -> String {
    if !point.support_size.is_finite() {
        "an unknown number of features".into()
    } else if point.support_size.fract() == 0.0 {
        counted(point.support_size as usize, "feature")
    } else {
        format!("about {} features", rounded(point.support_size, 2))
    }
}

fn tip(point: &CurvePoint) -> String {
    format!(
        "λ = {}: {} ± {}, {}",
        number(point.lambda),
        number(point.value),
        significant(point.standard_error, 2),
        about_features(point)
    )
}

/// The support size of the curve's point nearest to λ, for the axis above.
fn features_near(curve: &[CurvePoint], lambda: f64) -> Option<String> {
    let distance = |p: &CurvePoint| (p.lambda / lambda).ln().abs();
    let near = curve.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
    near.support_size.is_finite().then(|| count(near.support_size.round().max(0.0) as usize))
}

fn along_the_search(fit: &Fit) -> Markup {
    let steps: Vec<(usize, &Step)> =
        fit.record.trace.iter().enumerate().filter(|(_, s)| s.value.is_finite()).collect();
    let values: Vec<f64> = steps.iter().map(|(_, s)| s.value).collect();
    let comparable: Vec<f64> =
        steps.iter().filter(|(_, s)| words::is_on_all_rows(s)).map(|(_, s)| s.value).collect();
    let Some(y) = Scale::automatic(&values, WIDE) else {
        return explanation(
            "The criterion along the search",
            "No outer step was recorded, so there is no search to show.",
        );
    };
    let n = fit.record.trace.len();
    let finding = search_finding(&comparable, n);
    let description = format!("Criterion at each of {n} outer steps. {finding}");
    let x = Scale::counting(n);
    let mut plot = Plot::new(
        description,
        Axis::new("outer step", x),
        Axis::new(fit.record.criterion.name.clone(), y),
        290.0,
    );
    let mut legend: Vec<(Color, &str)> = Vec::new();
    for (i, stage) in steps.chunk_by(|a, b| a.1.stage == b.1.stage).enumerate() {
        let color = Color::series(i);
        if i % 2 == 1 {
            plot.stretch((stage[0].0 as f64 + 0.5, stage[stage.len() - 1].0 as f64 + 1.5));
        }
        let dots: Vec<Dot> = stage.iter().map(|(i, s)| step_dot(*i, s)).collect();
        plot.dots(color, &thinned(&dots, DRAWN));
        if legend.len() < 12 {
            legend.push((color, stage[0].1.stage.as_str()));
        }
    }
    let best_so_far: Vec<(f64, f64)> = steps
        .iter()
        .filter(|(_, step)| words::is_on_all_rows(step))
        .scan(f64::INFINITY, |best, (i, step)| {
            *best = best.min(step.value);
            Some((*i as f64 + 1.0, *best))
        })
        .collect();
    plot.line(Color::Gray, &thinned(&best_so_far, DRAWN));
    legend.push((Color::Gray, "best so far"));
    let note = html! {
        "Each point is one step of the search" @if steps.iter().any(|(_, s)| !s.accepted) { "; rings are steps that were tried and rejected" } ". "
        @if comparable.len() < steps.len() {
            "The steps of a stage's halves are judged on half of the validation rows each, and are no part of the best so far. "
        }
        "The stage that was kept ended because " (words::stop_reason(fit.record.outer.stop_reason)) "."
    };
    figure(&finding, plot, &legend, note)
}

fn step_dot(i: usize, step: &Step) -> Dot {
    let lambda = step.lambda.map_or_else(String::new, |l| format!(", λ = {}", number(l)));
    let tip = format!("{}, step {}: {}{lambda}", step.stage, step.step + 1, number(step.value));
    Dot { x: i as f64 + 1.0, y: step.value, tip, hollow: !step.accepted }
}

fn search_finding(values: &[f64], n_steps: usize) -> String {
    let first = values.first().copied().unwrap_or(f64::NAN);
    let best = values.iter().copied().fold(f64::INFINITY, f64::min);
    if n_steps == 1 {
        format!("The search took a single step; the criterion there is {}", number(first))
    } else if best < first {
        format!(
            "From {}, the smallest value met on the way was {}, in {} steps",
            number(first),
            number(best),
            count(n_steps)
        )
    } else {
        format!("No step of the search improved on its start, {}", number(first))
    }
}
