//! What is said about a restoration: progress, a summary for people, one JSON object for programs.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use bilevel::criterion::ImageQuality;
use bilevel::inverse::restore::{Watch, WeightsPer};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use super::Done;
use crate::args::RestoreArgs;
use crate::interrupt;
use crate::text::{counted, duration, number, rough};

/// A log gets at most one line in this time.
const LINE_INTERVAL: Duration = Duration::from_secs(2);

/// Progress on stderr: a line that is rewritten on a terminal, a line now and then in a log.
pub struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
    planes: usize,
    stage: String,
    last: Instant,
}

impl Progress {
    pub fn new(quiet: bool, planes: usize) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(
                ProgressStyle::with_template("{msg} · {elapsed}")
                    .unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar
        });
        Self { bar, quiet, planes, stage: "restoring".into(), last: Instant::now() }
    }

    pub fn learning(&mut self, pairs: usize) {
        self.stage = format!("learning from {}", counted(pairs, "pair"));
    }

    pub fn restoring(&mut self) {
        self.stage = "restoring".into();
    }

    pub fn finish(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Watch for Progress {
    fn on_weight(&mut self, plane: usize, tried: usize, lambda: f64, value: f64) -> bool {
        let of = if self.planes > 1 { format!(", plane {plane} of {}", self.planes) } else { String::new() };
        let line =
            format!("{}{of}: weight {tried}, λ = {}, criterion {}", self.stage, rough(lambda), number(value));
        match &self.bar {
            Some(bar) => bar.set_message(line),
            None if !self.quiet && self.last.elapsed() >= LINE_INTERVAL => {
                eprintln!("{line}");
                self.last = Instant::now();
            }
            None => {}
        }
        !interrupt::requested()
    }
}

/// The command as it was given.
pub fn command_line() -> String {
    let word = |w: String| {
        if w.contains([' ', '\'', '"', '*', '$']) { format!("'{}'", w.replace('\'', r"'\''")) } else { w }
    };
    let words: Vec<String> = std::env::args().skip(1).map(word).collect();
    format!("bilevel {}", words.join(" "))
}

/// A few aligned lines.
pub fn for_people(args: &RestoreArgs, done: &Done) -> String {
    let (image, restoration) = (&done.image, &done.restoration);
    let settings = &restoration.settings;
    let colour = if image.n_planes() == 1 { "grey" } else { "colour" };
    let mut text = format!(
        "{}: {} x {} pixels, {colour}, {}\n",
        args.image.display(),
        image.height,
        image.width,
        image.depth.name()
    );
    let blur = settings.blur.name();
    let degraded = if blur == "none" {
        "noise".to_string()
    } else {
        format!("{blur}, boundary {}", name(&settings.boundary))
    };
    let mask = if args.degradation.mask.is_some() { ", pixels not seen" } else { "" };
    let mut lines = vec![
        ("degraded by", format!("{degraded}{mask}{}", noise(done))),
        ("prior", format!("{}, weights: {}", settings.prior.name(), settings.weights.name())),
        ("chosen", chosen(done)),
        ("residual", residual(done)),
    ];
    if let Some(model) = &done.model {
        lines.insert(3, ("examples", quality(&model.before, &model.after)));
    }
    let estimates: Option<Vec<f64>> = restoration.records.iter().map(|r| r.choice.estimated_error).collect();
    if let Some(errors) = estimates.filter(|_| blur == "none") {
        let mean = (errors.iter().sum::<f64>() / errors.len().max(1) as f64).max(0.0);
        let unit = image.depth.unit();
        lines.push((
            "error",
            format!("{} by SURE, root mean square in the units of the image", rough(mean.sqrt() * unit)),
        ));
    }
    lines.push(("time", duration(restoration.seconds)));
    let clipped = match done.clipped {
        0 => String::new(),
        n => format!("; {} clipped to what {} can hold", counted(n, "value"), image.depth.name()),
    };
    lines.push(("written", format!("{}{clipped}", done.output.display())));
    if let Some(report) = &args.report {
        lines.push(("report", report.display().to_string()));
    }
    for (name, line) in lines {
        text.push_str(&format!("  {name:<12} {line}\n"));
    }
    for warning in restoration.records.iter().flat_map(|r| &r.choice.warnings) {
        text.push_str(&format!("  warning: {warning}\n"));
    }
    text
}

fn name(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_string)).unwrap_or_default()
}

/// `; noise 9.8 of 255`, the mean over planes.
fn noise(done: &Done) -> String {
    let unit = done.image.depth.unit();
    let sigmas: Vec<f64> = done.restoration.records.iter().filter_map(|r| r.sigma).collect();
    if sigmas.is_empty() {
        return String::new();
    }
    let mean = unit * sigmas.iter().sum::<f64>() / sigmas.len() as f64;
    let of = if unit > 1.0 { format!(" of {unit}") } else { String::new() };
    format!("; standard deviation of the noise {}{of}", rough(mean))
}

fn chosen(done: &Done) -> String {
    let settings = &done.restoration.settings;
    let lambdas: Vec<String> =
        done.restoration.records.iter().filter_map(|r| r.choice.lambda).map(number).collect();
    match (&done.model, settings.lambda.is_some()) {
        (Some(model), _) => {
            let what = match model.weights.len() {
                0 => format!("λ = {}", number(model.lambda)),
                n => format!("{} ({})", counted(n, "weight"), model.weights_per.name()),
            };
            format!("{what} from {}", counted(model.n_pairs, "pair"))
        }
        (None, _) if !settings.given.is_empty() => {
            format!("{}, as given", counted(settings.given.len(), "weight"))
        }
        (None, false) if settings.weights != WeightsPer::Scalar && tried(done) > 0 => {
            let weights: usize = done
                .restoration
                .records
                .iter()
                .map(|r| r.choice.map.as_ref().map_or(r.choice.subbands.len(), |map| map.weights.len()))
                .sum();
            let from = format!("from the best of {} tried for one", counted(tried(done), "value"));
            format!("{} by {}, {from}", counted(weights, "weight"), settings.criterion.name())
        }
        (None, true) => format!("λ = {}, as given", lambdas.join(", ")),
        (None, false) if lambdas.is_empty() => format!(
            "{} by {}, without a search",
            counted(done.restoration.records.iter().map(|r| r.choice.subbands.len()).sum(), "subband"),
            settings.criterion.name()
        ),
        (None, false) => format!(
            "λ = {} by {}, {} tried",
            lambdas.join(", "),
            settings.criterion.name(),
            counted(tried(done), "value")
        ),
    }
}

/// Weights that were tried one at a time, over all planes.
fn tried(done: &Done) -> usize {
    done.restoration.records.iter().map(|r| r.choice.curve.len()).sum()
}

/// `24.1 to 27.3 dB, SSIM 0.71 to 0.84`: the examples before and after.
fn quality(before: &ImageQuality, after: &ImageQuality) -> String {
    let similarity = match (before.ssim, after.ssim) {
        (Some(before), Some(after)) => format!(", SSIM {before:.3} to {after:.3}"),
        _ => String::new(),
    };
    format!("PSNR {:.2} to {:.2} dB{similarity}; the weights were chosen for them", before.psnr, after.psnr)
}

fn residual(done: &Done) -> String {
    let records = &done.restoration.records;
    let n = records.len().max(1) as f64;
    let within = 100.0 * records.iter().map(|r| r.whiteness.within).sum::<f64>() / n;
    let size = done.image.depth.unit() * records.iter().map(|r| r.residual_deviation).sum::<f64>() / n;
    format!(
        "{}; {within:.0} % of its autocorrelations within the band of white noise (95 % if white)",
        rough(size)
    )
}

/// Everything as one object; numbers are exact and in units where white is 1.
pub fn for_programs(args: &RestoreArgs, done: &Done) -> Value {
    let restoration = &done.restoration;
    let settings = &restoration.settings;
    let planes: Vec<Value> = restoration
        .records
        .iter()
        .map(|record| {
            let choice = &record.choice;
            json!({
                "sigma": record.sigma,
                "lambda": choice.lambda,
                "criterion": choice.value,
                "curve": choice.curve,
                "degrees_of_freedom": choice.degrees_of_freedom,
                "estimated_mean_squared_error": choice.estimated_error,
                "rules": choice.rules.iter().map(|(name, lambda)| json!({"rule": name, "lambda": lambda})).collect::<Vec<_>>(),
                "consensus": choice.consensus.as_ref().map(|(lambda, agreement)| json!({"lambda": lambda, "agreement": agreement})),
                "subbands": choice.subbands.iter().map(|(name, what, value)| json!({"name": name, "what": what, "value": value})).collect::<Vec<_>>(),
                "map": choice.map.as_ref().map(|map| json!({"nodes": map.nodes, "weights": map.weights})),
                "residual_deviation": record.residual_deviation,
                "white_fraction": record.whiteness.within,
                "warnings": choice.warnings,
            })
        })
        .collect();
    json!({
        "image": args.image.display().to_string(),
        "output": done.output.display().to_string(),
        "height": done.image.height,
        "width": done.image.width,
        "unit": done.image.depth.unit(),
        "prior": settings.prior.name(),
        "blur": settings.blur.name(),
        "boundary": settings.boundary,
        "weights": settings.weights,
        "criterion": if done.model.is_some() { "supervised" } else { settings.criterion.name() },
        "planes": planes,
        "learned": done.model,
        "clipped": done.clipped,
        "seconds": restoration.seconds,
        "seed": settings.seed,
        "version": env!("CARGO_PKG_VERSION"),
    })
}
