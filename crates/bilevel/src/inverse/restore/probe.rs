//! Criteria that need only solutions: those at the data b, and those at b + εδ with one fixed normal δ.
//!
//! ```text
//! df    ≈ δᵀ(Ax(b + εδ) − Ax(b))/ε
//! SURE  = ‖Ax − b‖² − mσ² + 2σ² df                                                          estimates ‖A(x − x_true)‖²
//! GCV   = m‖Ax − b‖²/(m − df)²
//! GSURE = ‖Px − A⁺b‖² − σ² tr A⁺ᵀA⁺ + 2σ² (A⁺δ)ᵀ(x(b + εδ) − x(b))/ε                        estimates ‖P(x − x_true)‖²
//! ```
//!
//! each over m, the number of measurements. P projects on the range of Aᵀ, where A shows the image itself and not its blur. A Gaussian blur has no null
//! space but modes that no measurement tells from noise: of the range count only modes with at least a twentieth of the largest gain, so that the noise
//! of A⁺b stays finite in practice too.
//!
//! Sources: Ramani, Blu, Unser, "Monte-Carlo SURE", IEEE Trans. Image Process. 17 (2008); Eldar, "Generalized SURE for exponential families", IEEE Trans.
//! Signal Process. 57 (2009); Deledalle, Vaiter, Fadili, Peyré, "Stein unbiased gradient estimator of the risk", SIAM J. Imaging Sci. 7 (2014), for ε.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::settings::Criterion;
use crate::kernel::dot;
use crate::operator::{CommonSpectrum, LinearOperator};
use crate::{Error, Result};

/// Modes whose gain is a smaller part of the largest are not in the range of Aᵀ as far as GSURE goes.
const SMALLEST_GAIN: f64 = 0.05;

/// A criterion with its data and its probe.
pub(super) struct Probe<'a> {
    operator: &'a dyn LinearOperator,
    data: &'a [f64],
    criterion: Criterion,
    sigma: f64,
    direction: Vec<f64>,
    moved: Vec<f64>,
    step: f64,
    /// For GSURE.
    range: Option<Range>,
}

/// The range of Aᵀ: A⁺b, A⁺δ, tr A⁺ᵀA⁺ and P.
struct Range {
    spectrum: CommonSpectrum,
    kept: Vec<f64>,
    data: Vec<f64>,
    direction: Vec<f64>,
    trace: f64,
}

/// What a criterion says of solutions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Judged {
    pub(super) value: f64,
    pub(super) degrees_of_freedom: Option<f64>,
}

impl<'a> Probe<'a> {
    /// Draws δ.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for a criterion that needs σ without it, GSURE with an operator that no transform diagonalizes, and criteria that no probe serves.
    pub(super) fn new(
        operator: &'a dyn LinearOperator,
        data: &'a [f64],
        sigma: Option<f64>,
        criterion: Criterion,
        seed: u64,
    ) -> Result<Self> {
        if matches!(criterion, Criterion::Evidence | Criterion::Supervised) {
            return Err(Error::setting("criterion", criterion.name(), "sure, gsure, gcv or discrepancy"));
        }
        if sigma.is_none() && criterion.needs_sigma() {
            return Err(Error::setting("sigma", "none", "the noise level, which the criterion needs"));
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let direction: Vec<f64> = data.iter().map(|_| StandardNormal.sample(&mut rng)).collect();
        let spread = (dot(data, data) / data.len().max(1) as f64).sqrt();
        // Small against the noise, large against rounding.
        let step =
            2.0 * sigma.unwrap_or(0.01 * spread).max(f64::MIN_POSITIVE) / (data.len() as f64).powf(0.3);
        let moved = data.iter().zip(&direction).map(|(b, d)| b + step * d).collect();
        let range = match criterion {
            Criterion::Gsure => Some(Range::new(operator, data, &direction)?),
            _ => None,
        };
        Ok(Self {
            operator,
            data,
            criterion,
            sigma: sigma.unwrap_or(f64::NAN),
            direction,
            moved,
            step,
            range,
        })
    }

    /// The data that the criterion asks solutions of.
    pub(super) fn data(&self) -> Vec<&[f64]> {
        match self.criterion {
            Criterion::Discrepancy => vec![self.data],
            _ => vec![self.data, &self.moved],
        }
    }

    /// Whether the criterion is an estimate of a mean squared error.
    pub(super) fn estimates_an_error(&self) -> bool {
        matches!(self.criterion, Criterion::Sure | Criterion::Gsure)
    }

    /// The criterion of the images at [`Self::data`].
    pub(super) fn judge(&self, images: &[Vec<f64>]) -> Result<Judged> {
        let images: Vec<&[f64]> = images.iter().map(Vec::as_slice).collect();
        self.slopes(&images, false).map(|(judged, _)| judged)
    }

    /// The same with the gradient in every image, where it is wanted.
    pub(super) fn slopes(&self, images: &[&[f64]], wanted: bool) -> Result<(Judged, Vec<Vec<f64>>)> {
        match (images, &self.range) {
            ([image, moved], Some(range)) => self.in_range(range, image, moved, wanted),
            ([image, moved], None) => self.predictive(image, moved, wanted),
            ([image], _) => {
                let square = self.residual(image)?.iter().map(|r| r * r).sum::<f64>();
                let expected = self.data.len() as f64 * self.sigma * self.sigma;
                let value = (square / expected).ln().abs();
                Ok((Judged { value, degrees_of_freedom: None }, Vec::new()))
            }
            _ => Err(Error::data("solutions to judge", images.len().to_string(), "one or two")),
        }
    }

    /// Ax − b.
    fn residual(&self, image: &[f64]) -> Result<Vec<f64>> {
        let mut residual = self.operator.apply(image)?;
        residual.iter_mut().zip(self.data).for_each(|(z, b)| *z -= b);
        Ok(residual)
    }

    /// SURE or GCV: functions of ρ = ‖Ax − b‖² and df.
    fn predictive(&self, image: &[f64], moved: &[f64], wanted: bool) -> Result<(Judged, Vec<Vec<f64>>)> {
        let (n, noise) = (self.data.len() as f64, self.sigma * self.sigma);
        let (residual, other) = (self.residual(image)?, self.residual(moved)?);
        let rho = dot(&residual, &residual);
        let df = (dot(&self.direction, &other) - dot(&self.direction, &residual)) / self.step;
        let (value, of_rho, of_df) = match self.criterion {
            Criterion::Gcv => {
                let left = (n - df).max(1e-3);
                (n * rho / (left * left), n / (left * left), 2.0 * n * rho / left.powi(3))
            }
            _ => (rho / n - noise + 2.0 * noise * df / n, 1.0 / n, 2.0 * noise / n),
        };
        let judged = Judged { value, degrees_of_freedom: Some(df) };
        if !wanted {
            return Ok((judged, Vec::new()));
        }
        let towards = of_df / self.step;
        let first: Vec<f64> =
            residual.iter().zip(&self.direction).map(|(r, d)| 2.0 * of_rho * r - towards * d).collect();
        let second: Vec<f64> = self.direction.iter().map(|d| towards * d).collect();
        Ok((judged, vec![self.operator.adjoint(&first)?, self.operator.adjoint(&second)?]))
    }

    /// GSURE.
    fn in_range(
        &self,
        range: &Range,
        image: &[f64],
        moved: &[f64],
        wanted: bool,
    ) -> Result<(Judged, Vec<Vec<f64>>)> {
        let (n, noise) = (self.data.len() as f64, self.sigma * self.sigma);
        let mut misfit = range.project(image)?;
        misfit.iter_mut().zip(&range.data).for_each(|(p, b)| *p -= b);
        let response = (dot(&range.direction, moved) - dot(&range.direction, image)) / self.step;
        let value = (dot(&misfit, &misfit) - noise * range.trace + 2.0 * noise * response) / n;
        let judged = Judged { value, degrees_of_freedom: None };
        if !wanted {
            return Ok((judged, Vec::new()));
        }
        let towards = 2.0 * noise / (n * self.step);
        let first = misfit.iter().zip(&range.direction).map(|(m, d)| 2.0 * m / n - towards * d).collect();
        Ok((judged, vec![first, range.direction.iter().map(|d| towards * d).collect()]))
    }
}

impl Range {
    fn new(operator: &dyn LinearOperator, data: &[f64], direction: &[f64]) -> Result<Self> {
        let Some(spectrum) = CommonSpectrum::of(operator, &[]).filter(|s| s.n_unknowns() == data.len())
        else {
            let expected = "sure: gsure needs a blur that a Fourier or cosine transform diagonalizes (periodic, or symmetric with a reflective boundary) and no mask";
            return Err(Error::setting("criterion", "gsure", expected));
        };
        let gains = spectrum.data_gram();
        let least = SMALLEST_GAIN * SMALLEST_GAIN * gains.iter().fold(0.0, |a: f64, b| a.max(*b));
        let kept: Vec<f64> = gains.iter().map(|g| if *g > 0.0 && *g >= least { 1.0 } else { 0.0 }).collect();
        let inverse = |b: &[f64]| -> Result<Vec<f64>> {
            let of_mode = |k: usize| if kept[k] > 0.0 { 1.0 / gains[k] } else { 0.0 };
            Ok(spectrum.back(&spectrum.adjoint_of_data(b)?.filtered(of_mode)))
        };
        let (data, direction) = (inverse(data)?, inverse(direction)?);
        let [trace] = spectrum.sum(|k| [if kept[k] > 0.0 { 1.0 / gains[k] } else { 0.0 }]);
        Ok(Self { spectrum, kept, data, direction, trace })
    }

    /// P x.
    fn project(&self, image: &[f64]) -> Result<Vec<f64>> {
        Ok(self.spectrum.back(&self.spectrum.transform(image)?.filtered(|k| self.kept[k])))
    }
}

#[cfg(test)]
mod tests {
    use super::super::SpectralTikhonov;
    use super::*;
    use crate::operator::wavelet::{Extension, WaveletTransform};
    use crate::operator::{Boundary, Convolution, Gradient, Kernel};

    const SHAPE: [usize; 2] = [16, 16];

    fn truth() -> Vec<f64> {
        (0..256).map(|i| if i % 16 > 8 { 0.8 } else { 0.2 } + 0.02 * f64::from(i / 16)).collect()
    }

    /// Filtered by Tikhonov, and then thresholded: no linear estimate.
    fn estimate(problem: &SpectralTikhonov, haar: &WaveletTransform, b: &[f64]) -> Vec<f64> {
        let mut y = haar.apply(&problem.solve_for(b, 0.02).unwrap()).unwrap();
        let first = haar.subbands()[0].range.end;
        y[first..].iter_mut().for_each(|y| *y -= y.clamp(-0.03, 0.03));
        haar.synthesis().apply(&y).unwrap()
    }

    #[test]
    fn sure_and_gsure_have_the_mean_of_the_errors_that_they_estimate() {
        let sigma = 0.1;
        let kernel = Kernel::gaussian(0.8, 2).unwrap();
        let blur = Convolution::<f64>::new(&SHAPE, &kernel, Boundary::Reflective).unwrap();
        let gradient = Gradient::<f64>::new(&SHAPE, Boundary::Reflective).unwrap();
        let haar = WaveletTransform::image("haar".parse().unwrap(), SHAPE, 2, Extension::Periodic).unwrap();
        let (truth, draws) = (truth(), 1000);
        let exact = blur.apply(&truth).unwrap();
        let problem = SpectralTikhonov::new(&blur, &gradient, &exact).unwrap().unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
        for criterion in [Criterion::Sure, Criterion::Gsure] {
            let misses: Vec<f64> = (0..draws)
                .map(|seed| {
                    let b: Vec<f64> = exact.iter().map(|z| z + sigma * normal()).collect();
                    let probe = Probe::new(&blur, &b, Some(sigma), criterion, seed).unwrap();
                    let images: Vec<_> = probe.data().iter().map(|b| estimate(&problem, &haar, b)).collect();
                    let error: Vec<f64> = images[0].iter().zip(&truth).map(|(x, t)| x - t).collect();
                    let seen = match &probe.range {
                        Some(range) => range.project(&error).unwrap(),
                        None => blur.apply(&error).unwrap(),
                    };
                    probe.judge(&images).unwrap().value - dot(&seen, &seen) / 256.0
                })
                .collect();
            let n = draws as f64;
            let mean = misses.iter().sum::<f64>() / n;
            let deviation = (misses.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
            assert!(
                mean.abs() < 2.0 * deviation / n.sqrt(),
                "{criterion:?}: {mean:.2e} ± {:.2e}",
                deviation / n.sqrt()
            );
        }
    }

    #[test]
    fn slopes_match_differences() {
        let kernel = Kernel::gaussian(0.8, 2).unwrap();
        let blur = Convolution::<f64>::new(&SHAPE, &kernel, Boundary::Reflective).unwrap();
        let b: Vec<f64> = (0..256).map(|i| f64::from(i * i % 17) / 17.0).collect();
        let images: Vec<Vec<f64>> =
            [5, 7].iter().map(|k| (0..256).map(|i| f64::from(i * k % 13) / 13.0).collect()).collect();
        for criterion in [Criterion::Sure, Criterion::Gsure, Criterion::Gcv] {
            let probe = Probe::new(&blur, &b, Some(0.3), criterion, 1).unwrap();
            let value = |images: &[Vec<f64>]| probe.judge(images).unwrap().value;
            let views: Vec<&[f64]> = images.iter().map(Vec::as_slice).collect();
            let (_, slopes) = probe.slopes(&views, true).unwrap();
            for (image, pixel) in [(0, 3), (0, 100), (1, 40), (1, 255)] {
                let moved = |by: f64| {
                    let mut images = images.clone();
                    images[image][pixel] += by;
                    value(&images)
                };
                let difference = (moved(1e-4) - moved(-1e-4)) / 2e-4;
                approx::assert_relative_eq!(
                    slopes[image][pixel],
                    difference,
                    max_relative = 1e-5,
                    epsilon = 1e-9
                );
            }
        }
    }

    #[test]
    fn what_gsure_cannot_see_is_said() {
        let mask = crate::operator::Mask::<f64>::of_flags(&[true, false, true]);
        let refused = Probe::new(&mask, &[1.0, 2.0], Some(0.1), Criterion::Gsure, 0).err().unwrap();
        assert!(refused.to_string().contains("no mask"), "{refused}");
    }
}
