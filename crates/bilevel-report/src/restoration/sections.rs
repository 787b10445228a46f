//! The parts of the page.

use bilevel::inverse::WeightMap;
use bilevel::inverse::restore::{MapOfWeights, PlaneRecord};
use maud::{Markup, html};

use super::RestorationPage;
use super::picture::data_uri;
use crate::plot::{Axis, Color, Dot, Plot, Scale, explanation, figure};
use crate::text::{count, name, number, percent, seconds, significant};

/// A residual is drawn from −3 to 3 of its standard deviations.
const SPREAD: f64 = 3.0;
/// Criteria that span more than this factor are drawn on a log scale.
const WIDE: f64 = 20.0;

fn records<'a>(page: &RestorationPage<'a>) -> &'a [PlaneRecord] {
    &page.restoration.records
}

fn mean(page: &RestorationPage<'_>, value: impl Fn(&PlaneRecord) -> Option<f64>) -> Option<f64> {
    let values: Option<Vec<f64>> = records(page).iter().map(value).collect();
    values.filter(|v| !v.is_empty()).map(|v| v.iter().sum::<f64>() / v.len() as f64)
}

/// The name of a plane, where there are several.
fn plane_name(page: &RestorationPage<'_>, k: usize) -> String {
    match (records(page).len(), k) {
        (1, _) => String::new(),
        (3, 0) => "red".into(),
        (3, 1) => "green".into(),
        (3, 2) => "blue".into(),
        _ => format!("plane {}", k + 1),
    }
}

pub(super) fn headline(page: &RestorationPage<'_>) -> Markup {
    let settings = &page.restoration.settings;
    let lambda = mean(page, |r| r.choice.lambda);
    let sigma = mean(page, |r| r.sigma);
    let white = mean(page, |r| Some(r.whiteness.within)).unwrap_or(f64::NAN);
    let error = mean(page, |r| r.choice.estimated_error).filter(|_| settings.blur.name() == "none");
    html! {
        header {
            p class="kicker" { "bilevel " (env!("CARGO_PKG_VERSION")) " · " (name(&page.name)) }
            h1 { (sentence(page)) }
            div class="tiles" {
                (tile("image", format!("{} × {}", count(page.shape.0), count(page.shape.1)), format!("rows and columns, {}", page.unit_name)))
                @if let Some(sigma) = sigma { (tile("noise", significant(sigma * page.unit, 3), units(page, "standard deviation"))) }
                @match lambda {
                    Some(lambda) => (tile("λ", number(lambda), format!("prior {}", settings.prior.name()))),
                    None if records(page).iter().any(|r| r.choice.map.is_some()) => {
                        @let (rows, columns) = settings.nodes;
                        (tile("weights", format!("{rows} × {columns}"), "nodes of a smooth map over the image".into()))
                    }
                    None => (tile("subbands", count(records(page).iter().map(|r| r.choice.subbands.len()).sum()), "each with a weight of its own".into())),
                }
                @if let Some(error) = error {
                    (tile("error left", significant(error.max(0.0).sqrt() * page.unit, 3), units(page, "root mean square, estimated by SURE")))
                }
                (tile("white residual", percent(white), "of its autocorrelations as small as those of white noise (95 % if it is)".into()))
                (tile("time", seconds(page.restoration.seconds), String::new()))
            }
            @for warning in records(page).iter().flat_map(|r| &r.choice.warnings) { p class="caution" { (warning) } }
        }
    }
}

fn units(page: &RestorationPage<'_>, what: &str) -> String {
    if page.unit > 1.0 { format!("{what}, of {}", count(page.unit as usize)) } else { what.to_string() }
}

fn tile(name: &str, value: String, note: String) -> Markup {
    html! { div class="tile" { span class="tile-name" { (name) } span class="tile-value" { (value) } span class="tile-note" { (note) } } }
}

fn sentence(page: &RestorationPage<'_>) -> String {
    let settings = &page.restoration.settings;
    let blur = match settings.blur.name().as_str() {
        "none" => "noise".to_string(),
        blur => format!("the blur {blur} and noise"),
    };
    let by = match (page.learned_from, settings.lambda) {
        (Some(1), _) => "with weights that one pair of images taught".to_string(),
        (Some(n), _) => format!("with weights that {n} pairs of images taught"),
        (None, Some(_)) => "with a weight that was given".into(),
        (None, None) if !settings.given.is_empty() => "with weights that were given".into(),
        (None, None) => format!("with weights that minimize {}", criterion_name(settings.criterion.name())),
    };
    format!("bilevel removed {blur} from {}, {by}", name(&page.name))
}

fn criterion_name(name: &str) -> &'static str {
    match name {
        "sure" => "Stein's unbiased risk estimate",
        "gsure" => "the generalized unbiased risk estimate",
        "gcv" => "generalized cross-validation",
        "evidence" => "the negative log evidence",
        "discrepancy" => "the discrepancy from the noise level",
        _ => "the error against clean images",
    }
}

pub(super) fn images(page: &RestorationPage<'_>) -> Markup {
    let range = range(page.before);
    let uri = |planes: &[Vec<f64>]| {
        data_uri(&planes.iter().map(Vec::as_slice).collect::<Vec<_>>(), page.shape, range)
    };
    let (Some(before), Some(after)) = (uri(page.before), uri(&page.restoration.planes)) else {
        return explanation("No images", "They could not be encoded.");
    };
    html! {
        section id="images" {
            h2 { "Before and after" }
            div class="compare" {
                div class="sides" {
                    figure { img src=(before) alt="before"; figcaption { "before" } }
                    figure { img src=(after) alt="after"; figcaption { "after" } }
                }
            }
            @if range != (0.0, 1.0) { p class="note" { "Black is " (number(range.0)) ", white " (number(range.1)) ", the smallest and the largest value before." } }
        }
    }
}

/// 0 to 1 where the values are such; else from the smallest to the largest.
fn range(planes: &[Vec<f64>]) -> (f64, f64) {
    let values = || planes.iter().flatten().copied().filter(|v| v.is_finite());
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    if low >= -1e-9 && high <= 1.0 + 1e-9 || low > high { (0.0, 1.0) } else { (low, high) }
}

pub(super) fn choice(page: &RestorationPage<'_>) -> Markup {
    html! {
        section id="choice" {
            h2 { "Choice of the weight" }
            div class="pair" {
                @if !page.learned_curve.is_empty() { (learned(page)) }
                @for (k, record) in records(page).iter().enumerate() {
                    @if !record.choice.curve.is_empty() { (curve(page, record, k)) }
                }
                @for (k, record) in records(page).iter().enumerate() {
                    @if !record.choice.rules.is_empty() { (rules(page, record, k)) }
                    @if !record.choice.subbands.is_empty() { (subbands(page, record, k)) }
                    @if let Some(map) = &record.choice.map { (weight_map(page, map, k)) }
                }
            }
            @if page.learned_curve.is_empty() && records(page).iter().all(|r| r.choice.curve.is_empty() && r.choice.subbands.is_empty() && r.choice.map.is_none()) { p class="lead" { "The weight was given; nothing was chosen." } }
        }
    }
}

fn learned(page: &RestorationPage<'_>) -> Markup {
    let best =
        page.learned_curve.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((f64::NAN, f64::NAN));
    let finding = format!(
        "Over the examples the mean squared error is smallest at λ = {}: {}",
        number(best.0),
        number(best.1)
    );
    drawn(
        &finding,
        page.learned_curve,
        best,
        None,
        "mean squared error",
        "The examples chose this weight, so their error is optimistic for other images.",
    )
}

fn curve(page: &RestorationPage<'_>, record: &PlaneRecord, k: usize) -> Markup {
    let choice = &record.choice;
    let lowest = choice.curve.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1));
    let Some((lambda, value)) = choice.lambda.zip(choice.value).or(lowest) else { return html! {} };
    let criterion = page.restoration.settings.criterion.name();
    let plane = plane_name(page, k);
    let of = if plane.is_empty() { String::new() } else { format!(" ({plane})") };
    let one = if choice.lambda.is_none() { " of one weight for all" } else { "" };
    let finding = format!("{criterion}{one} is smallest at λ = {}{of}", number(lambda));
    let note = match (choice.degrees_of_freedom, choice.value.filter(|_| choice.lambda.is_none())) {
        (Some(df), _) => format!("Degrees of freedom: {}.", number(df)),
        (None, Some(several)) => format!("With several weights it is {}.", number(several)),
        (None, None) => String::new(),
    };
    let agreed = choice.consensus.as_ref().map(|(lambda, _)| *lambda);
    drawn(&finding, &choice.curve, (lambda, value), agreed, criterion, &note)
}

fn drawn(
    finding: &str,
    curve: &[(f64, f64)],
    best: (f64, f64),
    agreed: Option<f64>,
    axis: &str,
    note: &str,
) -> Markup {
    let values: Vec<f64> = curve.iter().map(|p| p.1).chain([best.1]).collect();
    let lambdas = curve.iter().map(|p| p.0).chain([best.0]).chain(agreed);
    let (Some(x), Some(y)) = (Scale::log(lambdas), Scale::automatic(&values, WIDE)) else {
        return explanation(finding, "None of the recorded values can be drawn.");
    };
    let mut plot =
        Plot::new(format!("{axis} over λ. {finding}"), Axis::new("λ", x), Axis::new(axis, y), 250.0);
    plot.line(Color::Blue, curve);
    let dots: Vec<Dot> =
        curve.iter().map(|&(l, v)| Dot::new(l, v, format!("λ = {}: {}", number(l), number(v)))).collect();
    plot.dots(Color::Blue, &dots);
    plot.dots(Color::Vermillion, &[Dot::new(best.0, best.1, format!("chosen: λ = {}", number(best.0)))]);
    plot.rule(Color::Vermillion, best.0, "chosen", 0);
    if let Some(agreed) = agreed {
        plot.rule(Color::Green, agreed, "consensus", 1);
    }
    figure(finding, plot, &[], html! { (note) })
}

fn rules(page: &RestorationPage<'_>, record: &PlaneRecord, k: usize) -> Markup {
    let plane = plane_name(page, k);
    html! {
        table class="facts" {
            caption { "What each rule chooses" @if !plane.is_empty() { " (" (plane) ")" } }
            tbody {
                @for (rule, lambda) in &record.choice.rules { tr { th scope="row" { (rule) } td { (number(*lambda)) } } }
                @if let Some((lambda, agreement)) = &record.choice.consensus {
                    tr { th scope="row" { "consensus of the robust ones" } td { (number(*lambda)) "; " (agreement) } }
                }
            }
        }
    }
}

fn subbands(page: &RestorationPage<'_>, record: &PlaneRecord, k: usize) -> Markup {
    let plane = plane_name(page, k);
    html! {
        table class="facts" {
            caption { "What was done to each subband" @if !plane.is_empty() { " (" (plane) ")" } }
            tbody {
                @for (band, what, value) in &record.choice.subbands {
                    tr {
                        th scope="row" { (band) }
                        td {
                            (what)
                            @match what.as_str() {
                                "kept" => {},
                                "λ" => { " = " (number(*value)) },
                                "soft threshold" => { " at " (significant(value * page.unit, 3)) },
                                _ if value.is_finite() => { ", factor " (significant(*value, 3)) },
                                _ => { ": removed" },
                            }
                        }
                    }
                }
            }
        }
        p class="note" { "Thresholds are in the units of the image; a factor c shrinks a coefficient by 1 − cσ²/S, S being the mean square around it." }
    }
}

/// ln λ over the image.
fn weight_map(page: &RestorationPage<'_>, map: &MapOfWeights, k: usize) -> Markup {
    let (low, high) = map.weights.iter().fold((f64::INFINITY, 0.0_f64), |(a, b), w| (a.min(*w), b.max(*w)));
    let finding = format!("λ goes from {} to {} over the image", number(low), number(high));
    let pixels = WeightMap::bilinear(page.shape, map.nodes).map(|spread| spread.expand(&map.weights));
    let logarithms: Vec<f64> = pixels.unwrap_or_default().iter().map(|w| w.ln()).collect();
    let Some(uri) = data_uri(&[logarithms.as_slice()], page.shape, (low.ln(), high.ln())) else {
        return explanation(&finding, "The map could not be encoded.");
    };
    let plane = plane_name(page, k);
    html! {
        figure class="picture" {
            figcaption { h3 { (finding) @if !plane.is_empty() { " (" (plane) ")" } } }
            img src=(uri) alt="map of weights";
            p class="note" { "Black is the smallest weight (least smoothed), white the largest, on a log scale." }
        }
    }
}

pub(super) fn residual(page: &RestorationPage<'_>) -> Markup {
    html! {
        section id="residual" {
            h2 { "What is left in the residual" }
            p class="lead" {
                "The residual is the image less the blurred restoration. Where it is white noise, nothing of the image was lost in it; edges that show in it were smoothed away."
            }
            @for (k, record) in records(page).iter().enumerate() {
                div class="pair" { (residual_picture(page, record, k)) (autocorrelation(page, record, k)) }
            }
        }
    }
}

fn residual_picture(page: &RestorationPage<'_>, record: &PlaneRecord, k: usize) -> Markup {
    let bound = SPREAD * record.residual_deviation.max(f64::MIN_POSITIVE);
    let size = significant(record.residual_deviation * page.unit, 3);
    let plane = plane_name(page, k);
    let finding = match record.sigma {
        Some(sigma) => {
            format!("The residual is {size} large, the noise {}", significant(sigma * page.unit, 3))
        }
        None => format!("The residual is {size} large"),
    };
    let Some(uri) = data_uri(&[record.residual.as_slice()], page.shape, (-bound, bound)) else {
        return explanation(&finding, "The residual could not be encoded.");
    };
    html! {
        figure class="picture" {
            figcaption { h3 { (finding) @if !plane.is_empty() { " (" (plane) ")" } } }
            img src=(uri) alt="residual";
            p class="note" { "Grey is zero; black and white are three standard deviations. Root mean squares in the units of the image." }
        }
    }
}

fn autocorrelation(page: &RestorationPage<'_>, record: &PlaneRecord, k: usize) -> Markup {
    let white = &record.whiteness;
    let (row, column) = white.along_axes();
    let finding = format!(
        "{} of the residual's autocorrelations are as small as those of white noise",
        percent(white.within)
    );
    let points =
        |values: &[f64]| values.iter().enumerate().skip(1).map(|(d, c)| (d as f64, *c)).collect::<Vec<_>>();
    let (row, column) = (points(&row), points(&column));
    let all = row.iter().chain(&column).map(|p| p.1).chain([-2.0 * white.band, 2.0 * white.band]);
    let (Some(y), true) = (Scale::linear(all), white.reach > 0) else {
        return explanation(&finding, "The image is too small for shifts.");
    };
    let plane = plane_name(page, k);
    let mut plot = Plot::new(
        finding.clone(),
        Axis::new("shift, pixels", Scale::counting(white.reach)),
        Axis::new("autocorrelation", y),
        250.0,
    );
    let ends = (0.5, white.reach as f64 + 0.5);
    plot.band(Color::Gray, &[(ends.0, -white.band, white.band), (ends.1, -white.band, white.band)]);
    for (color, points, along) in
        [(Color::Blue, &row, "along a row"), (Color::Orange, &column, "along a column")]
    {
        plot.line(color, points);
        let dots: Vec<Dot> =
            points.iter().map(|&(d, c)| Dot::new(d, c, format!("{d} {along}: {}", number(c)))).collect();
        plot.dots(color, &dots);
    }
    let legend = [
        (Color::Blue, "along a row"),
        (Color::Orange, "along a column"),
        (Color::Gray, "95 % of white noise"),
    ];
    figure(
        &finding,
        plot,
        &legend,
        html! { @if !plane.is_empty() { "Of the " (plane) " plane. " } "White noise would stay within the band at 95 % of the shifts." },
    )
}

pub(super) fn settings(page: &RestorationPage<'_>) -> Markup {
    let settings = &page.restoration.settings;
    let boundary = format!("{:?}", settings.boundary).to_lowercase();
    let sigma = match settings.sigma {
        Some(sigma) => number(sigma * page.unit),
        None => "estimated".into(),
    };
    let rows = [
        ("prior", settings.prior.name()),
        ("blur", settings.blur.name()),
        ("boundary", boundary),
        ("noise", sigma),
        ("weights", settings.weights.name().to_string()),
        (
            "criterion",
            if page.learned_from.is_some() {
                "supervised".into()
            } else {
                settings.criterion.name().to_string()
            },
        ),
        ("seed of the probe", settings.seed.to_string()),
    ];
    html! {
        section id="settings" {
            h2 { "Settings, and how to get this again" }
            pre { code { (page.command) } }
            table class="facts" { tbody { @for (key, value) in rows { tr { th scope="row" { (key) } td { (value) } } } } }
        }
    }
}
