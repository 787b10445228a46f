//! One weight by each prior: the solver that fits the blur, and the search that fits the solver.

use super::problem::Plane;
use super::settings::{Criterion, Prior, RestoreSettings};
use super::spectral::SpectralTikhonov;
use super::weight::{PlaneSolver, Solved, WeightChoice, choose};
use crate::inverse::choice::{Agreement, Rule, SpectralProblem, choose as choose_exactly, consensus};
use crate::inverse::krylov::{TermsSettings, TikhonovTerms};
use crate::inverse::wavelet::{WaveletFrame, WaveletRestoration, WeightPer};
use crate::inverse::{ConjugateGradients, Deblurred, NormalSolver, TotalVariation, TvDeblurring};
use crate::lower::{Hyperparameters, LowerLevel, Solution};
use crate::operator::wavelet::{Extension, Wavelet, WaveletTransform};
use crate::operator::{CommonSpectrum, Gradient, LinearOperator};
use crate::outer::Accuracy;
use crate::{Error, Result};

/// Relative gap to which the lower levels are solved while weights are compared.
const GAP: f64 = 1e-5;
/// Levels of the wavelet transform, fewer where the image is small.
pub(super) const LEVELS: usize = 4;

/// The image at a given weight.
pub(super) fn at(
    plane: &Plane<'_>,
    settings: &RestoreSettings,
    lambda: f64,
) -> Result<(Vec<f64>, WeightChoice)> {
    let choice = WeightChoice { lambda: Some(lambda), ..WeightChoice::default() };
    with_solver(plane, settings, None, &mut |solver| solver.image(&plane.data, lambda))
        .map(|image| (image, choice))
}

/// The image at the weight that the criterion chooses.
pub(super) fn chosen(
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
    if settings.criterion == Criterion::Supervised {
        return Err(Error::setting(
            "criterion",
            "supervised without examples",
            "pairs of clean and degraded images",
        ));
    }
    let (criterion, seed) = (settings.criterion, settings.seed);
    with_solver(plane, settings, sigma, &mut |solver| {
        solver.search(&plane.data, sigma, (criterion, seed), told)
    })
}

fn gradient(plane: &Plane<'_>, settings: &RestoreSettings) -> Result<Gradient> {
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
        data: &[f64],
        sigma: Option<f64>,
        criterion: (Criterion, u64),
        told: &mut dyn FnMut(usize, f64, f64) -> Result<()>,
    ) -> Result<(Vec<f64>, WeightChoice)>;
}

impl<S: PlaneSolver> AnySolver for S {
    fn image(&self, data: &[f64], lambda: f64) -> Result<Vec<f64>> {
        self.solve(data, lambda, None).map(|solved| solved.image)
    }

    fn range(&self) -> (f64, f64) {
        PlaneSolver::range(self)
    }

    fn search(
        &self,
        data: &[f64],
        sigma: Option<f64>,
        criterion: (Criterion, u64),
        told: &mut dyn FnMut(usize, f64, f64) -> Result<()>,
    ) -> Result<(Vec<f64>, WeightChoice)> {
        choose(self, data, sigma, criterion, told)
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
                Some(problem) => work(&Spectral { problem, operator: &plane.operator }),
                None => work(&ByGradients { operator: &plane.operator, gradient }),
            }
        }
        Prior::Wavelet(wavelet) => {
            let frame = frame(wavelet, plane.shape)?.into();
            let factors = if plane.blur.is_none() { (0.05, 30.0) } else { (1e-3, 10.0) };
            work(&ByWavelets { plane, frame, range: (factors.0 * noise, factors.1 * noise) })
        }
        Prior::TotalVariation => {
            let factors = if plane.blur.is_none() { (0.03, 10.0) } else { (1e-3, 3.0) };
            let range = (factors.0 * noise, factors.1 * noise);
            if plane.is_plain() {
                return work(&ByTotalVariation { shape: plane.shape, range });
            }
            match CommonSpectrum::of(&plane.operator, &[]) {
                Some(spectrum) => work(&ByTvDeblurring { plane, solver: BySpectrum(spectrum), range }),
                None => work(&ByTvDeblurring { plane, solver: ConjugateGradients(&plane.operator), range }),
            }
        }
    }
}

/// The orthogonal transform of a plane: one weight is then exact in one step without a blur, and no frame slows it down with one.
fn frame(wavelet: Wavelet, shape: (usize, usize)) -> Result<WaveletTransform> {
    let levels = LEVELS.min(shape.0.min(shape.1).ilog2().max(1) as usize);
    WaveletTransform::image(wavelet, [shape.0, shape.1], levels, Extension::Periodic)
}

fn deviation(data: &[f64]) -> f64 {
    let n = data.len().max(1) as f64;
    let mean = data.iter().sum::<f64>() / n;
    (data.iter().map(|b| (b - mean).powi(2)).sum::<f64>() / n).sqrt()
}

/// Tikhonov by transforms.
struct Spectral<'a> {
    problem: SpectralTikhonov,
    operator: &'a dyn LinearOperator,
}

impl PlaneSolver for Spectral<'_> {
    type State = ();

    fn solve(&self, data: &[f64], lambda: f64, _start: Option<&()>) -> Result<Solved<()>> {
        let image = self.problem.solve_for(data, lambda)?;
        let fitted = self.operator.apply(&image)?;
        Ok(Solved { image, fitted, state: () })
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
    type State = Vec<f64>;

    fn solve(&self, data: &[f64], lambda: f64, start: Option<&Vec<f64>>) -> Result<Solved<Vec<f64>>> {
        let settings = TermsSettings { tolerance: 1e-6, ..TermsSettings::default() };
        let terms = TikhonovTerms::new(self.operator, data, vec![&self.gradient], settings)?;
        let image = terms.solve(&[lambda], start.map(Vec::as_slice))?.x;
        let fitted = self.operator.apply(&image)?;
        Ok(Solved { fitted, state: image.clone(), image })
    }

    fn range(&self) -> (f64, f64) {
        (1e-5, 1e2)
    }
}

/// Σ λ|y| over the details of an orthogonal wavelet transform.
struct ByWavelets<'a> {
    plane: &'a Plane<'a>,
    frame: WaveletFrame,
    range: (f64, f64),
}

impl PlaneSolver for ByWavelets<'_> {
    type State = Solution;

    fn solve(&self, data: &[f64], lambda: f64, start: Option<&Solution>) -> Result<Solved<Solution>> {
        let problem = if self.plane.is_plain() {
            WaveletRestoration::denoising(self.frame.clone(), data, WeightPer::Image)?
        } else {
            WaveletRestoration::new(&self.plane.operator, self.frame.clone(), data, WeightPer::Image)?
        };
        let at = Hyperparameters { lambda: vec![lambda], ridge: 0.0 };
        let accuracy = Accuracy { relative_gap: GAP, ..Accuracy::TIGHT };
        let solution = problem.solve(&at, start.cloned(), accuracy)?;
        let image = solution.predictor.clone();
        let fitted = self.plane.operator.apply(&image)?;
        Ok(Solved { image, fitted, state: solution })
    }

    fn range(&self) -> (f64, f64) {
        self.range
    }
}

/// λ·TV without blur and mask.
struct ByTotalVariation {
    shape: (usize, usize),
    range: (f64, f64),
}

impl PlaneSolver for ByTotalVariation {
    type State = ();

    fn solve(&self, data: &[f64], lambda: f64, _start: Option<&()>) -> Result<Solved<()>> {
        let solution = TotalVariation::new(self.shape, data)?.denoise(&[lambda], GAP)?;
        Ok(Solved { fitted: solution.predictor.clone(), image: solution.predictor, state: () })
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
    type State = Deblurred;

    fn solve(&self, data: &[f64], lambda: f64, start: Option<&Deblurred>) -> Result<Solved<Deblurred>> {
        let operator = &self.plane.operator;
        let restored =
            TvDeblurring::new(self.plane.shape, operator, &self.solver, data)?.restore(lambda, start)?;
        let fitted = operator.apply(&restored.image)?;
        Ok(Solved { image: restored.image.clone(), fitted, state: restored })
    }

    fn range(&self) -> (f64, f64) {
        self.range
    }
}

/// (AᵀA + ρ)⁻¹ by two transforms.
struct BySpectrum(CommonSpectrum);

impl NormalSolver for BySpectrum {
    fn solve_into(&self, rho: f64, b: &[f64], out: &mut [f64]) -> Result<()> {
        let gains = self.0.data_gram();
        let solved = self.0.back(&self.0.transform(b)?.filtered(|k| 1.0 / (gains[k] + rho)));
        out.copy_from_slice(&solved);
        Ok(())
    }
}
