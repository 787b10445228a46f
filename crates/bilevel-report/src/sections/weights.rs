//! The learned weights: over all features, and against the coefficients they belong to.

use bilevel::fit::{Fit, WeightsKind};
use maud::{Markup, html};

use crate::plot::{Axis, Color, Dot, Plot, Scale, evenly_in_log_rank, explanation, figure, thinned};
use crate::text::{count, counted, number, rounded, shortened, significant};
use crate::words;

/// At most this many features are drawn in each figure.
const DRAWN: usize = 250;

/// The figures of the learned weights; a sentence where one λ serves all.
pub(crate) fn weights(fit: &Fit) -> Markup {
    if let Some(lambda) = fit.record.weights.lambda {
        return one_lambda(fit, lambda);
    }
    let census = Census::of(&fit.feature_weights);
    if census.positive.is_empty() {
        return explanation("The learned weights", &census.why_nothing_is_drawn());
    }
    html! {
        (sorted_profile(fit, &census))
        (against_coefficients(fit))
    }
}

fn one_lambda(fit: &Fit, lambda: f64) -> Markup {
    let all = match fit.model.n_features {
        1 => "The one feature is".into(),
        p => format!("All {} features are", count(p)),
    };
    let ridge = fit.record.weights.ridge;
    html! {
        div class="explanation" {
            h3 { "One weight for all: " (words::math(&words::lambda_with_ratio(fit, lambda))) }
            p {
                (all) " penalized with the same λ, so there is no profile of weights to draw."
                @if fit.record.settings.standardize {
                    " It applies to the standardized features; in the units of the data each weight is λ times the feature's standard deviation."
                }
                @if ridge > 0.0 { " A ridge term with α = " (number(ridge)) " joins it." }
            }
        }
    }
}

/// The weights by what they do.
struct Census {
    /// Positive finite weights with their features, in order of the features.
    positive: Vec<(usize, f64)>,
    /// Features that an infinite weight excludes.
    excluded: usize,
    /// Features that a zero weight leaves free.
    free: usize,
}

impl Census {
    fn of(weights: &[f64]) -> Self {
        Self {
            positive: weights
                .iter()
                .copied()
                .enumerate()
                .filter(|(_, w)| w.is_finite() && *w > 0.0)
                .collect(),
            excluded: weights.iter().filter(|w| **w == f64::INFINITY).count(),
            free: weights.iter().filter(|w| **w == 0.0).count(),
        }
    }

    fn why_nothing_is_drawn(&self) -> String {
        match (self.excluded, self.free) {
            (0, 0) => "They are not part of this record, so there is nothing to draw. A fit that has just ended carries them.".into(),
            (excluded, 0) => format!("All {} are excluded by an infinite weight.", counted(excluded, "feature")),
            (0, free) => format!("All {} are left unpenalized by a weight of zero.", counted(free, "feature")),
            (excluded, free) => {
                format!("{} excluded by an infinite weight, {} left unpenalized; none lies in between.", count(excluded), count(free))
            }
        }
    }

    fn range(&self) -> (f64, f64) {
        self.positive.iter().fold((f64::INFINITY, 0.0), |(low, high), (_, w)| (low.min(*w), high.max(*w)))
    }
}

fn sorted_profile(fit: &Fit, census: &Census) -> Markup {
    let mut sorted = census.positive.clone();
    sorted.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
    let (low, high) = census.range();
    let finding = if high / low < 1.0 + 1e-9 {
        format!("All penalized features have the weight {}", number(low))
    } else {
        format!(
            "The weights span a factor of {}, from {} to {}",
            rounded(high / low, 3),
            number(low),
            number(high)
        )
    };
    let last = sorted.len();
    let many = last > DRAWN;
    let x = if many { Scale::log([1.0, last as f64]) } else { Some(Scale::counting(last)) };
    let (Some(x), Some(y)) = (x, Scale::log([low, high])) else {
        return explanation(&finding, "The weights are too large to be drawn.");
    };
    let used = |i: usize| fit.model.support.binary_search(&sorted[i].0).is_ok();
    let dot = |i: usize| {
        let (j, w) = sorted[i];
        let tip = format!("{}: λ = {}", shortened(&words::feature(fit, j), 40), number(w));
        Dot::new(i as f64 + 1.0, w, tip)
    };
    let description = format!("Learned weights in increasing order. {finding}");
    let mut plot = Plot::new(
        description,
        Axis::new("features, least penalized first", x),
        Axis::new("weight λⱼ", y),
        270.0,
    );
    let in_model = thinned(&(0..last).filter(|&i| used(i)).collect::<Vec<_>>(), DRAWN);
    let others = evenly_in_log_rank(last, DRAWN).into_iter().filter(|&i| !used(i));
    plot.dots(Color::Gray, &others.map(dot).collect::<Vec<_>>());
    plot.dots(Color::Blue, &in_model.into_iter().map(dot).collect::<Vec<_>>());
    let note = html! {
        "A small weight lets a feature in cheaply, a large one keeps it out. "
        @if census.excluded > 0 { (counted(census.excluded, "feature")) " with an infinite weight, excluded, " @if census.excluded == 1 { "is" } @else { "are" } " not drawn. " }
        @if census.free > 0 { (counted(census.free, "feature")) " with weight zero, unpenalized, " @if census.free == 1 { "is" } @else { "are" } " not drawn. " }
        (adaptive_formula(fit))
    };
    figure(&finding, plot, &[(Color::Blue, "in the model"), (Color::Gray, "coefficient zero")], note)
}

/// What the two adaptive parameters are and mean.
fn adaptive_formula(fit: &Fit) -> Markup {
    let weights = &fit.record.weights;
    html! {
        @if let (WeightsKind::Adaptive, [intercept, slope]) = (weights.kind, weights.theta.as_slice()) {
            "They follow log λⱼ = θ₀ − θ₁ log|βⱼ|, where β is an earlier fit: θ₀ = " (number(*intercept)) ", θ₁ = " (number(*slope))
            @if *slope > 0.0 { ", so features that mattered before are penalized less." } @else { "." }
        }
        @if weights.ridge > 0.0 { " A ridge term with α = " (number(weights.ridge)) " joins them." }
    }
}

fn against_coefficients(fit: &Fit) -> Markup {
    let dots: Vec<Dot> = fit
        .model
        .support
        .iter()
        .zip(&fit.model.coefficients)
        .filter_map(|(&j, &c)| {
            let weight = *fit.feature_weights.get(j)?;
            let drawable = c.is_finite() && c != 0.0 && weight.is_finite() && weight > 0.0;
            let tip = || {
                format!(
                    "{}: λ = {}, coefficient {}",
                    shortened(&words::feature(fit, j), 40),
                    number(weight),
                    number(c)
                )
            };
            drawable.then(|| Dot { x: weight, y: c.abs(), tip: tip(), hollow: c < 0.0 })
        })
        .collect();
    let finding = "Weights against the coefficients they allow";
    let (Some(x), Some(y)) = (Scale::log(dots.iter().map(|d| d.x)), Scale::log(dots.iter().map(|d| d.y)))
    else {
        return explanation(finding, "No feature has both a nonzero coefficient and a positive weight.");
    };
    let correlation = rank_correlation(&dots);
    let finding = match correlation {
        Some(r) if r < -0.5 => format!(
            "Lightly penalized features have large coefficients (rank correlation {})",
            significant(r, 2)
        ),
        Some(r) if r > 0.5 => format!(
            "Heavily penalized features have large coefficients (rank correlation {})",
            significant(r, 2)
        ),
        Some(r) => format!(
            "Weights say little about the size of coefficients (rank correlation {})",
            significant(r, 2)
        ),
        None => finding.into(),
    };
    let description = format!("Magnitude of the nonzero coefficients against their weights. {finding}");
    let mut plot = Plot::new(description, Axis::new("weight λⱼ", x), Axis::new("|coefficient|", y), 270.0);
    plot.dots(Color::Blue, &thinned(&dots, DRAWN));
    let note = html! { "Features in the model only. Filled: positive coefficient; ring: negative." };
    figure(&finding, plot, &[], note)
}

/// Spearman's rank correlation of x and y; `None` for fewer than three points or constant ranks.
fn rank_correlation(dots: &[Dot]) -> Option<f64> {
    let (x, y) = (ranks(dots.iter().map(|d| d.x).collect()), ranks(dots.iter().map(|d| d.y).collect()));
    let middle = (dots.len() as f64 - 1.0) / 2.0;
    let covariance: f64 = x.iter().zip(&y).map(|(a, b)| (a - middle) * (b - middle)).sum();
    let spread = |r: &[f64]| r.iter().map(|a| (a - middle).powi(2)).sum::<f64>();
    let scale = (spread(&x) * spread(&y)).sqrt();
    (dots.len() > 2 && scale > 0.0).then(|| covariance / scale)
}

/// Ranks from 0, ties sharing their mean.
fn ranks(values: Vec<f64>) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for ties in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let mean = first as f64 + (ties.len() as f64 - 1.0) / 2.0;
        ties.iter().for_each(|&i| ranks[i] = mean);
        first += ties.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;

    use super::*;

    fn dots(points: &[(f64, f64)]) -> Vec<Dot> {
        points.iter().map(|&(x, y)| Dot::new(x, y, String::new())).collect()
    }

    #[test]
    fn rank_correlation_is_one_for_any_increasing_relation() {
        let increasing = dots(&[(1.0, 1.0), (2.0, 10.0), (5.0, 11.0), (9.0, 1e6)]);
        assert_relative_eq!(rank_correlation(&increasing).unwrap(), 1.0, max_relative = 1e-15);
        // Without ties, 1 − 6 Σd²/(n(n²−1)): ranks (0,1,2) against (1,0,2) give 1 − 6·2/24 = 1/2.
        assert_relative_eq!(rank_correlation(&dots(&[(1.0, 5.0), (2.0, 4.0), (3.0, 6.0)])).unwrap(), 0.5);
        assert_eq!(rank_correlation(&dots(&[(1.0, 1.0), (1.0, 2.0), (1.0, 3.0)])), None);
        assert_eq!(ranks(vec![3.0, 1.0, 3.0]), [1.5, 0.0, 1.5]);
    }

    #[test]
    fn census_counts_excluded_and_free_features() {
        let census = Census::of(&[1.0, f64::INFINITY, 0.0, 2.0, f64::NAN]);
        assert_eq!((census.positive.len(), census.excluded, census.free), (2, 1, 1));
        assert_eq!(census.range(), (1.0, 2.0));
    }
}
