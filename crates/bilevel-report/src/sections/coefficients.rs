//! The coefficient profile: the largest by name, and all of them by rank.

use bilevel::data::Task;
use bilevel::fit::Fit;
use maud::{Markup, html};

use crate::plot::{
    Axis, Bar, Color, Dot, Plot, Scale, bars, evenly_in_log_rank, explanation, figure, framed,
};
use crate::text::{count, counted, name, number, percent, shortened};
use crate::words;

/// So many coefficients are shown by name.
const NAMED: usize = 30;
/// At most this many ranks are drawn.
const DRAWN: usize = 250;

/// The figures of the coefficient profile, to stand beside those of the weights.
pub(crate) fn coefficients(fit: &Fit) -> Markup {
    let sorted = largest_first(fit);
    if sorted.is_empty() {
        return explanation(
            "No coefficient differs from zero",
            &format!(
                "The penalty that predicted best removed every feature; the intercept, {}, is all that is left. Either the features say nothing \
                 about the target that these samples could show, or there are too few samples.",
                number(fit.model.intercept)
            ),
        );
    }
    html! {
        (named_bars(fit, &sorted))
        @if sorted.len() > NAMED { (by_rank(fit, &sorted)) }
    }
}

/// (feature, coefficient), finite ones, largest magnitude first.
fn largest_first(fit: &Fit) -> Vec<(usize, f64)> {
    let mut pairs: Vec<(usize, f64)> = fit
        .model
        .support
        .iter()
        .copied()
        .zip(fit.model.coefficients.iter().copied())
        .filter(|(_, c)| c.is_finite() && *c != 0.0)
        .collect();
    pairs.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0)));
    pairs
}

fn named_bars(fit: &Fit, sorted: &[(usize, f64)]) -> Markup {
    let rows: Vec<Bar> = sorted
        .iter()
        .take(NAMED)
        .map(|&(j, c)| {
            let full = words::feature(fit, j);
            Bar { tip: format!("{}: {}", name(&full), number(c)), name: full, value: c }
        })
        .collect();
    let unit = words::prediction_unit(fit.model.task);
    let finding = bars_finding(&rows, sorted.len());
    let description = format!("Bar chart of the {} largest coefficients. {finding}", rows.len());
    let Some(drawing) = bars(&description, &format!("coefficient ({unit} per unit of the feature)"), &rows)
    else {
        return explanation(&finding, "The coefficients are too large to be drawn.");
    };
    let legend = [(Color::Blue, "raises the prediction"), (Color::Vermillion, "lowers it")];
    let target = match (fit.model.task, &fit.model.classes) {
        (Task::Classification, Some(classes)) => format!("the log-odds of class {}", name(&classes.positive)),
        _ => "the prediction".into(),
    };
    let note = html! {
        @if sorted.len() > NAMED { "The " (NAMED) " largest of " (count(sorted.len())) ". " }
        "A coefficient is the change of " (target) " when its feature grows by one unit and the others stay: lengths compare only "
        "between features measured in the same unit. The penalty has pulled all of them toward zero; this is no test of significance. "
        "Intercept: " (number(fit.model.intercept)) "."
    };
    framed(&finding, drawing, &legend, note)
}

fn bars_finding(rows: &[Bar], n: usize) -> String {
    let named = |row: &Bar| format!("{} ({})", shortened(&row.name, 24), number(row.value));
    match rows {
        [only] => format!("The only feature in the model: {}", named(only)),
        [first, second] => format!("Two features carry the model: {} and {}", named(first), named(second)),
        [first, second, ..] => {
            format!("The largest of {} coefficients: {} and {}", count(n), named(first), named(second))
        }
        [] => String::new(),
    }
}

fn by_rank(fit: &Fit, sorted: &[(usize, f64)]) -> Markup {
    let total: f64 = sorted.iter().map(|(_, c)| c.abs()).sum();
    let top: f64 = sorted.iter().take(10).map(|(_, c)| c.abs()).sum();
    let finding = if total.is_finite() {
        let share = percent(top / total);
        format!("The 10 largest of {} coefficients carry {share} of the total magnitude", count(sorted.len()))
    } else {
        format!("The {} coefficients by rank", count(sorted.len()))
    };
    let drawn: Vec<Dot> = evenly_in_log_rank(sorted.len(), DRAWN)
        .into_iter()
        .map(|i| {
            let (j, c) = sorted[i];
            let tip =
                format!("rank {}: {}, {}", count(i + 1), shortened(&words::feature(fit, j), 40), number(c));
            Dot::new(i as f64 + 1.0, c.abs(), tip)
        })
        .collect();
    let (Some(x), Some(y)) = (Scale::log([1.0, sorted.len() as f64]), Scale::log(drawn.iter().map(|d| d.y)))
    else {
        return explanation(&finding, "The coefficients are too large to be drawn.");
    };
    let description = format!("Magnitude of the coefficients by rank. {finding}");
    let mut plot =
        Plot::new(description, Axis::new("rank of the feature", x), Axis::new("|coefficient|", y), 270.0);
    plot.line(Color::Blue, &drawn.iter().map(|d| (d.x, d.y)).collect::<Vec<_>>());
    plot.dots(Color::Blue, &drawn);
    let zero = fit.model.n_features.saturating_sub(sorted.len());
    let note = html! {
        "A steep fall means that few features matter; a long flat tail means that many contribute a little. "
        (counted(zero, "feature")) " with coefficient zero " @if zero == 1 { "is" } @else { "are" } " not drawn."
    };
    figure(&finding, plot, &[], note)
}
