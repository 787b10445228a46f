//! Predictions against truth on rows that the model behind them did not train on.

use bilevel::data::Task;
use bilevel::fit::{Fit, PredictionOrigin, Predictions};
use maud::{Markup, html};

use crate::plot::{Axis, Color, Dot, Plot, Scale, explanation, figure, thinned};
use crate::statistics::{
    CalibrationBin, Roc, calibration, calibration_error, confusion, finite_pairs, residuals, roc,
};
use crate::text::{count, name, number, percent, significant};
use crate::words;

/// At most this many samples are drawn, evenly chosen.
const DRAWN: usize = 5000;
/// At most this many corners of a ROC curve are drawn.
const CORNERS: usize = 400;
/// Bins of the calibration curve.
const BINS: usize = 10;

/// "Predictions against truth".
pub(crate) fn predictions(fit: &Fit) -> Markup {
    html! {
        section id="predictions" {
            h2 { "Predictions against truth" }
            @match &fit.predictions {
                None => (explanation(
                    "No predictions in this record",
                    "Predictions are shown when the report is written right after a fit. The file model.json does not hold them: \
                     the command “bilevel evaluate” scores the model on any data.",
                )),
                Some(predictions) => {
                    (provenance(predictions))
                    div class="pair" {
                        @match fit.model.task {
                            Task::Regression => { (scatter(predictions)) (residual_plot(predictions)) }
                            Task::Classification => { (roc_plot(predictions)) (calibration_plot(fit, predictions)) }
                        }
                    }
                    @if fit.model.task == Task::Classification { (confusion_table(fit, predictions)) }
                }
            }
        }
    }
}

fn provenance(predictions: &Predictions) -> Markup {
    html! {
        p class="lead" {
            @match predictions.origin {
                PredictionOrigin::Test => "On the test set: rows that neither the search nor the fit has seen.",
                PredictionOrigin::Validation => "On validation rows: each is predicted by a model that did not train on it. \
                    The regularization was chosen on these same rows, so they look a little better than new data will.",
            }
        }
    }
}

fn nothing(title: &str) -> Markup {
    explanation(title, "There is no pair of finite truth and prediction to compare.")
}

fn scatter(predictions: &Predictions) -> Markup {
    let pairs = finite_pairs(&predictions.truth, &predictions.predicted);
    let Some(summary) = residuals(&predictions.truth, &predictions.predicted) else {
        return nothing("Predictions against truth");
    };
    let who = format!("{} {}", count(pairs.len()), words::origin(predictions.origin));
    let finding = match summary.r2 {
        Some(r2) if r2 > 0.0 => format!("Predictions explain {} of the variance on {who}", percent(r2)),
        Some(r2) => format!("Predictions are no better than the mean on {who} (R² = {})", significant(r2, 2)),
        None => format!("The truth does not vary on these {}", words::origin(predictions.origin)),
    };
    let shown = thinned(&pairs, DRAWN);
    let values: Vec<f64> = shown.iter().flat_map(|&(b, z)| [b, z]).collect();
    let Some(scale) = Scale::linear(values.iter().copied()) else {
        return nothing(&finding);
    };
    let (low, high) =
        values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
    let description = format!("Scatter plot of truth against prediction with the identity line. {finding}");
    let mut plot =
        Plot::new(description, Axis::new("prediction", scale.clone()), Axis::new("truth", scale), 340.0);
    plot.reference((low, low), (high, high));
    let dots: Vec<Dot> = shown
        .iter()
        .map(|&(b, z)| Dot::new(z, b, format!("truth {}, prediction {}", number(b), number(z))))
        .collect();
    plot.dots(Color::Blue, &dots);
    let note =
        html! { "On the dashed line prediction and truth agree." (subsample_note(shown.len(), pairs.len())) };
    figure(&finding, plot, &[], note)
}

fn residual_plot(predictions: &Predictions) -> Markup {
    let pairs = finite_pairs(&predictions.truth, &predictions.predicted);
    let Some(summary) = residuals(&predictions.truth, &predictions.predicted) else {
        return nothing("Residuals");
    };
    let finding = format!(
        "The typical error is {}, with a mean of {}",
        significant(summary.rms, 3),
        significant(summary.mean, 2)
    );
    let shown = thinned(&pairs, DRAWN);
    let dots: Vec<Dot> = shown
        .iter()
        .map(|&(b, z)| Dot::new(z, b - z, format!("prediction {}, residual {}", number(z), number(b - z))))
        .collect();
    let (Some(x), Some(y)) =
        (Scale::linear(dots.iter().map(|d| d.x)), Scale::linear(dots.iter().map(|d| d.y)))
    else {
        return nothing(&finding);
    };
    let (low, high) =
        dots.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), d| (l.min(d.x), h.max(d.x)));
    let description = format!("Residuals against predictions. {finding}");
    let mut plot = Plot::new(
        description,
        Axis::new("prediction", x),
        Axis::new("truth − prediction", y.including(0.0)),
        340.0,
    );
    plot.reference((low, 0.0), (high, 0.0));
    plot.dots(Color::Blue, &dots);
    let note = html! {
        "The typical error is the root mean square of the residuals. A pattern here (a curve, a funnel) is structure that a linear "
        "model with constant noise does not capture." (subsample_note(shown.len(), pairs.len()))
    };
    figure(&finding, plot, &[], note)
}

fn subsample_note(shown: usize, all: usize) -> String {
    if shown < all {
        format!(" {} of {} samples are drawn, evenly chosen.", count(shown), count(all))
    } else {
        String::new()
    }
}

fn roc_plot(predictions: &Predictions) -> Markup {
    let Some(Roc { points, auc }) = roc(&predictions.truth, &predictions.predicted) else {
        return explanation(
            "No ROC curve",
            "A ROC curve compares two classes, and these rows hold only one of them (or no usable prediction).",
        );
    };
    let who = words::origin(predictions.origin);
    let finding =
        format!("A positive outranks a negative {} of the time (AUC {})", percent(auc), significant(auc, 4));
    let description = format!("ROC curve on {} {who}. {finding}", count(predictions.truth.len()));
    let rates = |name| Axis::new(name, Scale::fixed(0.0, 1.0));
    let mut plot = Plot::new(description, rates("false positive rate"), rates("true positive rate"), 340.0);
    plot.reference((0.0, 0.0), (1.0, 1.0));
    plot.line(Color::Blue, &thinned(&points, CORNERS));
    let at = confusion(&predictions.truth, &predictions.predicted);
    let rate = |part: usize, rest: usize| part as f64 / (part + rest) as f64;
    let (fpr, tpr) =
        (rate(at.false_positives, at.true_negatives), rate(at.true_positives, at.false_negatives));
    let tip =
        format!("probability ½: finds {} of the positives, with {} false alarms", percent(tpr), percent(fpr));
    plot.dots(Color::Vermillion, &[Dot::new(fpr, tpr, tip)]);
    let note = html! {
        "Each point of the curve is a threshold on the score. The dashed diagonal is guessing; the dot is the threshold at probability ½."
    };
    figure(&finding, plot, &[], note)
}

fn calibration_plot(fit: &Fit, predictions: &Predictions) -> Markup {
    let bins = calibration(&predictions.truth, &predictions.predicted, BINS);
    let Some(error) = calibration_error(&bins) else {
        return nothing("Calibration");
    };
    let finding = format!("Predicted probabilities are off by {} on average", points(error));
    let filled: Vec<CalibrationBin> = bins.iter().flatten().copied().collect();
    let description = format!("Calibration curve in {BINS} bins of predicted probability. {finding}");
    let unit = |name: &str| Axis::new(name, Scale::fixed(0.0, 1.0));
    let positive = fit.model.classes.as_ref().map_or_else(|| "positive".to_string(), |c| name(&c.positive));
    let mut plot = Plot::new(description, unit("predicted probability"), unit("observed frequency"), 240.0);
    plot.reference((0.0, 0.0), (1.0, 1.0));
    for bin in &filled {
        plot.segment(Color::Blue, (bin.predicted, bin.interval.0), (bin.predicted, bin.interval.1));
    }
    plot.line(Color::Blue, &filled.iter().map(|b| (b.predicted, b.observed)).collect::<Vec<_>>());
    let dots: Vec<Dot> = filled.iter().map(|b| Dot::new(b.predicted, b.observed, bin_tip(b))).collect();
    plot.dots(Color::Blue, &dots);
    let note = html! {
        "Of all samples given probability q, a fraction q should be of class " (positive) ": the dashed line. Bars are 95 % intervals "
        "(Wilson); below, how many samples each bin holds."
    };
    let drawings = html! { (plot.into_markup()) (counts_plot(&bins)) };
    crate::plot::framed(&finding, drawings, &[], note)
}

fn bin_tip(bin: &CalibrationBin) -> String {
    format!(
        "predicted {}, observed {}, {} samples",
        percent(bin.predicted),
        percent(bin.observed),
        count(bin.count)
    )
}

/// Percentage points.
fn points(error: f64) -> String {
    format!("{} percentage points", significant(100.0 * error, 2))
}

fn counts_plot(bins: &[Option<CalibrationBin>]) -> Markup {
    let most = bins.iter().flatten().map(|b| b.count).max().unwrap_or(1) as f64;
    let description = "Number of samples in each bin of predicted probability.";
    let y = Axis::new("samples", Scale::fixed(0.0, 1.05 * most));
    let mut plot =
        Plot::new(description, Axis::new("predicted probability", Scale::fixed(0.0, 1.0)), y, 130.0);
    let width = 1.0 / bins.len() as f64;
    for (i, bin) in bins.iter().enumerate() {
        if let Some(bin) = bin {
            let ends = (i as f64 * width, (i + 1) as f64 * width);
            plot.column(Color::Gray, ends, bin.count as f64, &bin_tip(bin));
        }
    }
    plot.into_markup()
}

fn confusion_table(fit: &Fit, predictions: &Predictions) -> Markup {
    let at = confusion(&predictions.truth, &predictions.predicted);
    let (negative, positive) = fit
        .model
        .classes
        .as_ref()
        .map_or(("−1".to_string(), "+1".to_string()), |c| (name(&c.negative), name(&c.positive)));
    html! {
        table class="confusion" {
            caption { "Counts at probability ½, " (words::origin(predictions.origin)) }
            thead { tr { th scope="col" { "truth" } th scope="col" { "predicted " (negative) } th scope="col" { "predicted " (positive) } } }
            tbody {
                tr { th scope="row" { (negative) } td { (count(at.true_negatives)) } td { (count(at.false_positives)) } }
                tr { th scope="row" { (positive) } td { (count(at.false_negatives)) } td { (count(at.true_positives)) } }
            }
        }
    }
}
