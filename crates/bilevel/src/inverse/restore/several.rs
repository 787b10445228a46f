//! Several weights for a plane or for examples: one for each level or subband of wavelets, or a smooth map, all moved at once by their hypergradient.
//!
//! Without clean images the criterion is that of [`super::probe`], differentiated through both solutions, at b and at b + εδ; with examples it is the mean
//! squared error over them. The search starts from the best single weight.

use std::ops::ControlFlow;

use super::prior::{frame, gradient};
use super::probe::Probe;
use super::problem::Plane;
use super::settings::{Prior, RestoreSettings, WeightsPer};
use super::shifts::{ForEach, SHIFTS, mean, shifted};
use super::weighted_gradient::WeightedGradient;
use crate::hypergradient::{BiactivePolicy, Selection};
use crate::inverse::wavelet::{WaveletFrame, WaveletRestoration, WeightPer};
use crate::inverse::{TotalVariation, WeightMap};
use crate::lower::{Hyperparameters, LowerLevel, Solution, UpperGradient};
use crate::operator::wavelet::{Orientation, Subband};
use crate::outer::{
    Accuracy, AccuracySchedule, Evaluation, Lbfgs, LbfgsSettings, Objective, OuterOptimizer, Progress,
    Request, StopReason,
};
use crate::{Error, Result};

/// The most steps of the search.
const STEPS: usize = 10;
/// How exactly the lower levels are solved: solutions at b and b + εδ that take the same steps may both be a little off.
const ACCURACY: Accuracy = Accuracy { relative_gap: 1e-6, adjoint_residual: 1e-4 };
/// A step that gains a smaller part of the criterion is no gain.
const PLATEAU: f64 = 1e-3;
/// How far, in ln λ, a weight may go from the best single one.
const REACH: f64 = 4.0;

/// The weights of a lower level, made of those that are learned.
enum Layout {
    /// They are the same.
    Own,
    /// Weight k of the lower level belongs to a pixel of a map.
    Pixels { map: WeightMap, of_weight: Vec<u32> },
}

impl Layout {
    fn lambda(&self, weights: &[f64]) -> Vec<f64> {
        match self {
            Self::Own => weights.to_vec(),
            Self::Pixels { map, of_weight } => {
                let pixels = map.expand(weights);
                of_weight.iter().map(|&i| pixels[i as usize]).collect()
            }
        }
    }

    /// out += the derivatives by the weights, from those by the lower level's.
    fn pull_back(&self, slopes: &[(u32, f64)], out: &mut [f64]) {
        match self {
            Self::Own => slopes.iter().for_each(|&(k, slope)| out[k as usize] += slope),
            Self::Pixels { map, of_weight } => {
                let mut pixels = vec![0.0; map.n_pixels()];
                slopes.iter().for_each(|&(k, slope)| pixels[of_weight[k as usize] as usize] += slope);
                out.iter_mut().zip(map.gather(&pixels)).for_each(|(out, slope)| *out += slope);
            }
        }
    }
}

/// A lower level whose predictor is one image or several, one after another.
struct Part<'a> {
    lower: Box<dyn LowerLevel + Send + 'a>,
    layout: Layout,
    pixels: usize,
    solution: Option<Solution>,
}

impl Part<'_> {
    fn solve(&mut self, weights: &[f64], accuracy: Accuracy) -> Result<()> {
        let at = Hyperparameters { lambda: self.layout.lambda(weights), ridge: 0.0 };
        let start = self.solution.take();
        self.solution = Some(self.lower.solve(&at, start, accuracy)?);
        Ok(())
    }

    fn images(&self) -> impl Iterator<Item = &[f64]> {
        self.solution.iter().flat_map(|s| s.predictor.chunks(self.pixels))
    }
}

/// The problems of one plane for several data, solved in step where the solver iterates, with a basis of wavelets that is shifted.
fn parts<'a>(
    plane: &'a Plane<'_>,
    settings: &RestoreSettings,
    data: &[&[f64]],
    shift: (usize, usize),
) -> Result<Vec<Part<'a>>> {
    let pixels = plane.shape.0 * plane.shape.1;
    let part = |lower, layout| Part { lower, layout, pixels, solution: None };
    let map = || WeightMap::bilinear(plane.shape, settings.nodes);
    match settings.prior {
        Prior::Wavelet(wavelet) => {
            let frame: WaveletFrame = frame(wavelet, plane.shape)?.planes(data.len()).into();
            let per = match settings.weights {
                WeightsPer::Level => WeightPer::Level,
                WeightsPer::Subband => WeightPer::Subband,
                _ => WeightPer::Coefficient,
            };
            let layout = match per {
                WeightPer::Coefficient => {
                    let of_weight = pixels_of(frame.subbands(), plane.shape, shift, data.len());
                    Layout::Pixels { map: map()?, of_weight }
                }
                _ => Layout::Own,
            };
            let together = data.concat();
            let lower: Box<dyn LowerLevel + Send> = if plane.is_plain() {
                Box::new(WaveletRestoration::denoising(frame, &together, per)?)
            } else {
                let operator =
                    ForEach { operator: &plane.operator, shape: plane.shape, shift, count: data.len() };
                Box::new(WaveletRestoration::new(operator, frame, &together, per)?)
            };
            Ok(vec![part(lower, layout)])
        }
        Prior::Tikhonov => data
            .iter()
            .map(|b| {
                let gradient = gradient(plane, settings)?;
                let lower = WeightedGradient::new(&plane.operator, gradient, b.to_vec(), map()?);
                Ok(part(Box::new(lower), Layout::Own))
            })
            .collect(),
        Prior::TotalVariation => data
            .iter()
            .map(|b| {
                let lower = TotalVariation::new(plane.shape, b)?.with_alpha(map()?)?;
                Ok(part(Box::new(lower), Layout::Own))
            })
            .collect(),
    }
}

/// The pixel at the middle of what each detail coefficient stands for, plane after plane.
fn pixels_of(
    subbands: &[Subband],
    (height, width): (usize, usize),
    shift: (usize, usize),
    planes: usize,
) -> Vec<u32> {
    let place = |k: usize, count: usize, size: usize, by: usize| {
        (((2 * k + 1) * size / (2 * count)).min(size - 1) + by) % size
    };
    let details = subbands.iter().filter(|s| s.orientation != Orientation::Approximation);
    let one: Vec<u32> = details
        .flat_map(|s| {
            let [rows, columns] = s.shape;
            (0..rows * columns).map(move |k| {
                let pixel = place(k / columns, rows, height, shift.0) * width
                    + place(k % columns, columns, width, shift.1);
                u32::try_from(pixel).unwrap_or(u32::MAX)
            })
        })
        .collect();
    one.repeat(planes)
}

/// What judges the weights.
enum Judge<'a> {
    Probe(&'a Probe<'a>),
    /// One clean image for each problem.
    Truths(Vec<&'a [f64]>),
}

impl Judge<'_> {
    /// The criterion with its gradient in every image.
    fn slopes(&self, images: &[&[f64]]) -> Result<(f64, Vec<Vec<f64>>)> {
        match self {
            Self::Probe(probe) => probe.slopes(images, true).map(|(judged, slopes)| (judged.value, slopes)),
            Self::Truths(truths) => {
                let (mut value, count) = (0.0, truths.len() as f64);
                let of = |(image, truth): (&&[f64], &&[f64])| {
                    let share = 1.0 / (truth.len() as f64 * count);
                    let slopes = image.iter().zip(*truth).map(|(x, t)| {
                        value += share * (x - t).powi(2);
                        2.0 * share * (x - t)
                    });
                    slopes.collect()
                };
                let slopes = images.iter().zip(truths).map(of).collect();
                Ok((value, slopes))
            }
        }
    }
}

/// Φ(θ), θ = ln of the weights.
struct Several<'a> {
    parts: Vec<Part<'a>>,
    judge: Judge<'a>,
    bounds: (Vec<f64>, Vec<f64>),
}

impl Objective for Several<'_> {
    fn n_parameters(&self) -> usize {
        self.bounds.0.len()
    }

    fn bounds(&self) -> (Vec<f64>, Vec<f64>) {
        self.bounds.clone()
    }

    fn evaluate(&mut self, theta: &[f64], request: Request) -> Result<Evaluation> {
        let weights: Vec<f64> = theta.iter().map(|t| t.exp()).collect();
        self.parts.iter_mut().try_for_each(|part| part.solve(&weights, ACCURACY))?;
        let images: Vec<&[f64]> = self.parts.iter().flat_map(Part::images).collect();
        let (value, slopes) = self.judge.slopes(&images)?;
        let mut slopes = slopes.into_iter();
        let mut gradient = vec![0.0; if request.gradient { theta.len() } else { 0 }];
        for part in self.parts.iter().filter(|_| request.gradient) {
            let Some(solution) = &part.solution else { continue };
            let own: Vec<f64> = slopes.by_ref().take(part.images().count()).flatten().collect();
            let curvature = vec![0.0; own.len()];
            let upper = UpperGradient { predictor: &own, curvature: &curvature, warm_start: &[] };
            let at = Hyperparameters { lambda: part.layout.lambda(&weights), ridge: 0.0 };
            let adjoint = part.lower.adjoint(&at, solution, &upper, request.selection, ACCURACY)?;
            part.layout.pull_back(&adjoint.lambda, &mut gradient);
        }
        gradient.iter_mut().zip(&weights).for_each(|(g, w)| *g *= w);
        let solutions = || self.parts.iter().filter_map(|p| p.solution.as_ref());
        Ok(Evaluation {
            value,
            standard_error: 0.0,
            gradient,
            gradient_error_bound: None,
            relative_gap: solutions().map(|s| s.relative_gap).fold(0.0, f64::max),
            support_size: 0.0,
            biactive: 0,
        })
    }
}

/// The number of weights that are learned for an image of this shape.
fn count(plane: &Plane<'_>, settings: &RestoreSettings) -> Result<usize> {
    let Prior::Wavelet(wavelet) = settings.prior else { return Ok(settings.nodes.0 * settings.nodes.1) };
    let frame = frame(wavelet, plane.shape)?;
    let details = || frame.subbands().iter().filter(|s| s.orientation != Orientation::Approximation);
    Ok(match settings.weights {
        WeightsPer::Level => details().map(|s| s.level).max().unwrap_or(0),
        WeightsPer::Subband => details().count(),
        _ => settings.nodes.0 * settings.nodes.1,
    })
}

/// Weights that were found, and what they are worth.
pub(super) struct Found {
    pub(super) weights: Vec<f64>,
    pub(super) value: f64,
}

/// Hears of the mean weight (in ln λ) and the criterion after every step, and may end the search.
type Told<'a> = &'a mut dyn FnMut(f64, f64) -> Result<()>;

fn minimize(mut objective: Several<'_>, scalar: f64, told: Told<'_>) -> Result<Found> {
    let start = vec![scalar.ln(); objective.n_parameters()];
    let settings = LbfgsSettings {
        selection: Selection::from(BiactivePolicy::Null),
        accuracy: AccuracySchedule { current: ACCURACY, tightest: ACCURACY, ..AccuracySchedule::default() },
        max_steps: STEPS,
        plateau: PLATEAU,
        patience: 2,
        ..LbfgsSettings::default()
    };
    let mut stopped = Ok(());
    let mut monitor = |progress: &Progress<'_>| {
        let mean = progress.theta.iter().sum::<f64>() / progress.theta.len().max(1) as f64;
        stopped = told(mean.exp(), progress.evaluation.value);
        if stopped.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(StopReason::Cancelled) }
    };
    let best = Lbfgs { settings }.minimize(&mut objective, &start, &mut monitor)?;
    stopped?;
    let weights: Vec<f64> = best.theta.iter().map(|t| t.exp()).collect();
    Ok(Found { weights, value: best.evaluation.value })
}

/// The weights that minimize a probed criterion on one plane, from the best single one.
pub(super) fn chosen(
    plane: &Plane<'_>,
    settings: &RestoreSettings,
    probe: &Probe<'_>,
    scalar: f64,
    told: Told<'_>,
) -> Result<Found> {
    let objective = Several {
        parts: parts(plane, settings, &probe.data(), (0, 0))?,
        judge: Judge::Probe(probe),
        bounds: around(scalar, count(plane, settings)?),
    };
    minimize(objective, scalar, told)
}

/// The weights that minimize the mean squared error over examples, from the best single one.
pub(super) fn learned(
    examples: &[(&Plane<'_>, &[f64])],
    settings: &RestoreSettings,
    scalar: f64,
    told: Told<'_>,
) -> Result<Found> {
    let Some((first, _)) = examples.first() else {
        return Err(Error::data("examples", "no pair of images", "at least one"));
    };
    let n = count(first, settings)?;
    let mut all = Vec::new();
    for (plane, _) in examples {
        if count(plane, settings)? != n {
            let expected = "images with as many levels of wavelets: those of one size";
            return Err(Error::data(
                "examples",
                "images of sizes with different numbers of weights",
                expected,
            ));
        }
        all.extend(parts(plane, settings, &[&plane.data], (0, 0))?);
    }
    let truths = examples.iter().map(|(_, truth)| *truth).collect();
    minimize(Several { parts: all, judge: Judge::Truths(truths), bounds: around(scalar, n) }, scalar, told)
}

/// The image at given weights.
pub(super) fn at(plane: &Plane<'_>, settings: &RestoreSettings, weights: &[f64]) -> Result<Vec<f64>> {
    let expected = count(plane, settings)?;
    if weights.len() != expected {
        let found = format!("{} weights", weights.len());
        return Err(Error::data(
            "given weights",
            found,
            format!("{expected} for this image ({})", settings.weights.name()),
        ));
    }
    let shifts = match settings.prior {
        Prior::Wavelet(_) if !plane.is_plain() => &SHIFTS[..],
        _ => &SHIFTS[..1],
    };
    let mut images = Vec::new();
    for &shift in shifts {
        for mut part in parts(plane, settings, &[&plane.data], shift)? {
            part.solve(weights, ACCURACY)?;
            images.extend(part.images().map(|image| shifted(plane.shape, shift, image)));
        }
    }
    Ok(mean(&images))
}

/// A name for each weight, in their order.
pub(super) fn names(plane: &Plane<'_>, settings: &RestoreSettings) -> Result<Vec<String>> {
    let Prior::Wavelet(wavelet) = settings.prior else { return Ok(Vec::new()) };
    let frame = frame(wavelet, plane.shape)?;
    let details = frame.subbands().iter().filter(|s| s.orientation != Orientation::Approximation);
    Ok(match settings.weights {
        WeightsPer::Level => {
            let levels = frame.subbands().first().map_or(0, |s| s.level);
            (1..=levels).rev().map(|level| format!("level {level}")).collect()
        }
        WeightsPer::Subband => details.map(super::wavelet::name_of).collect(),
        _ => Vec::new(),
    })
}

fn around(scalar: f64, n: usize) -> (Vec<f64>, Vec<f64>) {
    (vec![scalar.ln() - REACH; n], vec![scalar.ln() + REACH; n])
}
