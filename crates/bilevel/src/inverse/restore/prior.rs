//! One weight by each prior: the solver that fits the blur, and the search that fits the solver.

use super::probe::Probe;
use super::problem::Plane;
use super::settings::{Criterion, Prior, RestoreSettings, WeightsPer};
use super::several;
use super::shifts::{ForEach, SHIFTS, mean, shifted, shifted_back};
use super::spectral::SpectralTikhonov;
use super::weight::{MapOfWeights, PlaneSolver, WeightChoice, choose};
use crate::inverse::choice::{Agreement, Rule, SpectralProblem, choose as choose_exactly, consensus};
use crate::inverse::krylov::{TermsSettings, TikhonovTerms};
use crate::inverse::wavelet::{WaveletRestoration, WeightPer};
use crate::inverse::{
    ConjugateGradients, Deblurred, NormalSolver, SpectralFilter, TotalVariation, TvDeblurring,
    TvDeblurringSettings,
};
use crate::lower::{Hyperparameters, LowerLevel, Solution};
use crate::operator::wavelet::{Extension, Wavelet, WaveletTransform};
use crate::operator::{CommonSpectrum, Gradient, LinearOperator};
use crate::outer::Accuracy;
use crate::{Error, Result};

/// Relative gap to which the lower levels are solved while weights are compared.
const GAP: f64 = 1e-5;
/// Residual at which total variation with a blur is solved: the PSNR changes by less than 0.01 dB from here on.
const TV_TOLERANCE: f64 = 3e-4;
/// Levels of the wavelet transform, fewer where the image is small.
pub(super) const LEVELS: usize = 4;

/// The image at a given weight, or at several.
pub(super) fn at(
    plane: &Plane<'_>,
    settings: &RestoreSettings,
    lambda: Option<f64>,
) -> Result<(Vec<f64>, WeightChoice)> {
    let Some(lambda) = lambda.filter(|_| settings.given.is_empty()) else {
        let image = several::at(plane, settings, &settings.given)?;
        return Ok((image, described(plane, settings, &settings.given)?));
    };
    let choice = WeightChoice { lambda: Some(lambda), ..WeightChoice::default() };
    with_solver(plane, settings, None, &mut |solver| solver.image(&plane.data, lambda))
        .map(|image| (image, choice))
}

/// The image at the weight, or the weights, that the criterion chooses.
pub(super) fn chosen(
    plane: &Plane<'_>,
    settings: &RestoreSettings,
    sigma: Option<f64>,
    told: &mut dyn FnMut(usize, f64, f64) -> Result<()>,
) -> Result<(Vec<f64>, WeightChoice)> {
    if settings.criterion == Criterion::Supervised {
        return Err(Error::setting(
            "criterion",
            "supervised without examples",
            "pairs of clean and degraded images",
        ));
    }
    let one = one_weight(plane, settings, sigma, told)?;
    let (WeightsPer::Level | WeightsPer::Subband | WeightsPer::Map, Some(lambda)) =
        (settings.weights, one.1.lambda)
    else {
        return Ok(one);
    };
    let probe = Probe::new(&plane.operator, &plane.data, sigma, settings.criterion, settings.seed)?;
    let mut tried = one.1.curve.len();
    let found = several::chosen(plane, settings, &probe, lambda, &mut |mean, value| {
        tried += 1;
        told(tried, mean, value)
    })?;
    let choice = WeightChoice {
        value: Some(found.value),
        estimated_error: probe.estimates_an_error().then_some(found.value),
        curve: one.1.curve,
        warnings: one.1.warnings,
        ..described(plane, settings, &found.weights)?
    };
    Ok((several::at(plane, settings, &found.weights)?, choice))
}

/// Several weights, each with its name or its place.
fn described(plane: &Plane<'_>, settings: &RestoreSettings, weights: &[f64]) -> Result<WeightChoice> {
    let names = several::names(plane, settings)?;
    let map = (settings.weights == WeightsPer::Map)
        .then(|| MapOfWeights { nodes: settings.nodes, weights: weights.to_vec() });
    let subbands =
        names.into_iter().zip(weights).map(|(name, weight)| (name, "λ".to_string(), *weight)).collect();
    Ok(WeightChoice { subbands, map, ..WeightChoice::default() })
}

/// The image at the one weight that the criterion chooses.
fn one_weight(
    plane: &Plane<'_>,
    settings: &RestoreSettings,
    sigma: Option<f64>,
    told: &mut dyn FnMut(usize, f64, f64) -> Result<()>,
) -> Result<(Vec<f64>, WeightChoice)> {
    if settings.prior == Prior::Tikhonov {
        let gradient = gradient(plane, settings)?;
        if let Some(problem) = SpectralTikhonov::new(&plane.operator, &gradient, &plane.data)? {
            return exactly(&problem, settings.criterion, sigma);
        }
    }
    if settings.criterion == Criterion::Evidence {
        let expected = "sure, gcv or discrepancy: evidence needs a blur that a Fourier or cosine transform diagonalizes (periodic, or symmetric with a reflective boundary) and no mask";
        return Err(Error::setting("criterion", "evidence", expected));
    }
    let probe = Probe::new(&plane.operator, &plane.data, sigma, settings.criterion, settings.seed)?;
    with_solver(plane, settings, sigma, &mut |solver| solver.search(&probe, told))
}

pub(super) fn gradient(plane: &Plane<'_>, settings: &RestoreSettings) -> Result<Gradient> {
    Gradient::new(&[plane.shape.0, plane.shape.1], settings.boundary)
}

/// By the criterion itself, without a probe; and what other rules say.
fn exactly(
    problem: &SpectralTikhonov,
    criterion: Criterion,
    sigma: Option<f64>,
) -> Result<(Vec<f64>, WeightChoice)> {
    let rule = Rule::from_name(criterion.name(), sigma)?;
    let best = choose_exactly(problem, &rule)?;
    let all = consensus(problem, sigma)?;
    let agreement = match all.agreement {
        Agreement::Strong => "most rules agree within a factor of 3 in √λ",
        Agreement::Weak => "half of the rules agree within a factor of 3 in √λ",
        Agreement::None => "the rules do not agree",
    };
    let n = problem.diagonal().n_data() as f64;
    let choice = WeightChoice {
        lambda: Some(best.lambda),
        value: Some(best.value),
        curve: best.curve.iter().map(|p| (p.lambda, p.value)).collect(),
        degrees_of_freedom: Some(best.degrees_of_freedom),
        rules: all.choices.iter().map(|c| (c.rule.name().to_string(), c.lambda)).collect(),
        consensus: Some((all.lambda, agreement.to_string())),
        estimated_error: (criterion == Criterion::Sure).then_some(best.value / n),
        warnings: best.warning().into_iter().collect(),
        ..WeightChoice::default()
    };
    Ok((best.x, choice))
}

/// A solver whose states are its own business.
pub(super) trait AnySolver {
    fn image(&self, data: &[f64], lambda: f64) -> Result<Vec<f64>>;
    fn range(&self) -> (f64, f64);
    fn search(
        &self,
        probe: &Probe<'_>,
        told: &mut dyn FnMut(usize, f64, f64) -> Result<()>,
    ) -> Result<(Vec<f64>, WeightChoice)>;
}

impl<S: PlaneSolver> AnySolver for S {
    fn image(&self, data: &[f64], lambda: f64) -> Result<Vec<f64>> {
        let (images, _) = self.solve(&[data], lambda, None)?;
        self.finished(data, lambda, images.into_iter().next().unwrap_or_default())
    }

    fn range(&self) -> (f64, f64) {
        PlaneSolver::range(self)
    }

    fn search(
        &self,
        probe: &Probe<'_>,
        told: &mut dyn FnMut(usize, f64, f64) -> Result<()>,
    ) -> Result<(Vec<f64>, WeightChoice)> {
        choose(self, probe, told)
    }
}

/// Hands the solver of a plane to `work`. The scale of λ comes from σ, or without one from the spread of the data.
pub(super) fn with_solver<T>(
    plane: &Plane<'_>,
    settings: &RestoreSettings,
    sigma: Option<f64>,
    work: &mut dyn FnMut(&dyn AnySolver) -> Result<T>,
) -> Result<T> {
    let noise = sigma.unwrap_or_else(|| 0.05 * deviation(&plane.data)).max(f64::MIN_POSITIVE);
    match settings.prior {
        Prior::Tikhonov => {
            let gradient = gradient(plane, settings)?;
            match SpectralTikhonov::new(&plane.operator, &gradient, &plane.data)? {
                Some(problem) => work(&Spectral(problem)),
                None => work(&ByGradients { operator: &plane.operator, gradient }),
            }
        }
        Prior::Wavelet(wavelet) => {
            let factors = if plane.blur.is_none() { (0.05, 30.0) } else { (1e-3, 10.0) };
            work(&ByWavelets::new(plane, wavelet, (factors.0 * noise, factors.1 * noise))?)
        }
        Prior::TotalVariation => {
            let factors = if plane.blur.is_none() { (0.03, 10.0) } else { (1e-3, 3.0) };
            let range = (factors.0 * noise, factors.1 * noise);
            if plane.is_plain() {
                return work(&ByTotalVariation { shape: plane.shape, range });
            }
            match CommonSpectrum::of(&plane.operator, &[]) {
                Some(spectrum) => {
                    work(&ByTvDeblurring { plane, solver: SpectralFilter::from(spectrum), range })
                }
                None => work(&ByTvDeblurring { plane, solver: ConjugateGradients(&plane.operator), range }),
            }
        }
    }
}

/// The orthogonal transform of a plane: one weight is then exact in one step without a blur, and no frame slows it down with one.
pub(super) fn frame(wavelet: Wavelet, shape: (usize, usize)) -> Result<WaveletTransform> {
    let levels = LEVELS.min(shape.0.min(shape.1).ilog2().max(1) as usize);
    WaveletTransform::image(wavelet, [shape.0, shape.1], levels, Extension::Periodic)
}

fn deviation(data: &[f64]) -> f64 {
    let n = data.len().max(1) as f64;
    let mean = data.iter().sum::<f64>() / n;
    (data.iter().map(|b| (b - mean).powi(2)).sum::<f64>() / n).sqrt()
}

/// The images of all data, each from its own start.
fn each<S>(
    data: &[&[f64]],
    start: Option<&Vec<S>>,
    mut solve: impl FnMut(&[f64], Option<&S>) -> Result<(Vec<f64>, S)>,
) -> Result<(Vec<Vec<f64>>, Vec<S>)> {
    let with = |(k, b): (usize, &&[f64])| solve(b, start.and_then(|start| start.get(k)));
    data.iter().enumerate().map(with).collect()
}

/// Tikhonov by transforms.
struct Spectral(SpectralTikhonov);

impl PlaneSolver for Spectral {
    type State = ();

    fn solve(&self, data: &[&[f64]], lambda: f64, _start: Option<&()>) -> Result<(Vec<Vec<f64>>, ())> {
        let images: Result<_> = data.iter().map(|b| self.0.solve_for(b, lambda)).collect();
        Ok((images?, ()))
    }

    fn range(&self) -> (f64, f64) {
        (1e-6, 1e3)
    }
}

/// Tikhonov by conjugate gradients, for masks and blurs that no transform diagonalizes.
struct ByGradients<'a> {
    operator: &'a dyn LinearOperator,
    gradient: Gradient,
}

impl PlaneSolver for ByGradients<'_> {
    type State = Vec<Vec<f64>>;

    fn solve(
        &self,
        data: &[&[f64]],
        lambda: f64,
        start: Option<&Self::State>,
    ) -> Result<(Vec<Vec<f64>>, Self::State)> {
        each(data, start, |b, start| {
            let settings = TermsSettings { tolerance: 1e-6, ..TermsSettings::default() };
            let terms = TikhonovTerms::new(self.operator, b, vec![&self.gradient], settings)?;
            let image = terms.solve(&[lambda], start.map(Vec::as_slice))?.x;
            Ok((image.clone(), image))
        })
    }

    fn range(&self) -> (f64, f64) {
        (1e-5, 1e2)
    }
}

/// Σ λ|y| over the details of a wavelet transform.
struct ByWavelets<'a> {
    plane: &'a Plane<'a>,
    transform: WaveletTransform,
    /// ‖RW‖², where there is an R.
    curvature: f64,
    range: (f64, f64),
}

impl<'a> ByWavelets<'a> {
    fn new(plane: &'a Plane<'a>, wavelet: Wavelet, range: (f64, f64)) -> Result<Self> {
        let transform = frame(wavelet, plane.shape)?;
        let curvature = match plane.is_plain() {
            true => 1.0,
            false => {
                WaveletRestoration::new(&plane.operator, transform.clone(), &plane.data, WeightPer::Image)?
                    .curvature()
            }
        };
        Ok(Self { plane, transform, curvature, range })
    }
}

impl ByWavelets<'_> {
    /// In a shifted basis.
    fn problem(&self, data: &[&[f64]], shift: (usize, usize)) -> Result<WaveletRestoration<'_>> {
        let (frame, together) = (self.transform.clone().planes(data.len()), data.concat());
        if self.plane.is_plain() {
            return WaveletRestoration::denoising(frame, &together, WeightPer::Image);
        }
        let operator =
            ForEach { operator: &self.plane.operator, shape: self.plane.shape, shift, count: data.len() };
        WaveletRestoration::with_curvature(operator, frame, &together, WeightPer::Image, self.curvature)
    }
}

/// One λ, and how exactly.
fn at_one(lambda: f64) -> (Hyperparameters, Accuracy) {
    let accuracy = Accuracy { relative_gap: GAP, ..Accuracy::TIGHT };
    (Hyperparameters { lambda: vec![lambda], ridge: 0.0 }, accuracy)
}

impl PlaneSolver for ByWavelets<'_> {
    type State = Solution;

    fn solve(
        &self,
        data: &[&[f64]],
        lambda: f64,
        start: Option<&Solution>,
    ) -> Result<(Vec<Vec<f64>>, Solution)> {
        let (at, accuracy) = at_one(lambda);
        let solution = self.problem(data, (0, 0))?.solve(&at, start.cloned(), accuracy)?;
        let pixels = self.plane.shape.0 * self.plane.shape.1;
        Ok((solution.predictor.chunks(pixels).map(<[f64]>::to_vec).collect(), solution))
    }

    fn range(&self) -> (f64, f64) {
        self.range
    }

    /// The mean over shifts of the basis, each begun from the image in the first.
    fn finished(&self, data: &[f64], lambda: f64, image: Vec<f64>) -> Result<Vec<f64>> {
        if self.plane.is_plain() {
            return Ok(image);
        }
        let (shape, (at, accuracy)) = (self.plane.shape, at_one(lambda));
        let mut images = Vec::new();
        for &shift in &SHIFTS[1..] {
            let problem = self.problem(&[data], shift)?;
            let start = self.transform.apply(&shifted_back(shape, shift, &image))?;
            let solution = problem.solve(&at, Some(problem.start_from(start, 0.0)), accuracy)?;
            images.push(shifted(shape, shift, &solution.predictor));
        }
        images.push(image);
        Ok(mean(&images))
    }
}

/// λ·TV without blur and mask.
struct ByTotalVariation {
    shape: (usize, usize),
    range: (f64, f64),
}

impl PlaneSolver for ByTotalVariation {
    type State = ();

    fn solve(&self, data: &[&[f64]], lambda: f64, _start: Option<&()>) -> Result<(Vec<Vec<f64>>, ())> {
        let image = |b: &&[f64]| Ok(TotalVariation::new(self.shape, b)?.denoise(&[lambda], GAP)?.predictor);
        let images: Result<_> = data.iter().map(image).collect();
        Ok((images?, ()))
    }

    fn range(&self) -> (f64, f64) {
        self.range
    }
}

/// λ·TV with a blur or a mask.
struct ByTvDeblurring<'a, S> {
    plane: &'a Plane<'a>,
    solver: S,
    range: (f64, f64),
}

impl<S: NormalSolver> PlaneSolver for ByTvDeblurring<'_, S> {
    type State = Vec<Deblurred>;

    fn solve(
        &self,
        data: &[&[f64]],
        lambda: f64,
        start: Option<&Self::State>,
    ) -> Result<(Vec<Vec<f64>>, Self::State)> {
        let settings = TvDeblurringSettings { tolerance: TV_TOLERANCE, ..TvDeblurringSettings::default() };
        each(data, start, |b, start| {
            let problem = TvDeblurring::new(self.plane.shape, &self.plane.operator, &self.solver, b)?;
            let restored = problem.with_settings(settings)?.restore(lambda, start)?;
            Ok((restored.image.clone(), restored))
        })
    }

    fn range(&self) -> (f64, f64) {
        self.range
    }
}
