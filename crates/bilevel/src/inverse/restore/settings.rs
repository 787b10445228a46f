//! What may be asked of a restoration, and which combinations exist.

use serde::{Deserialize, Serialize};

use super::problem::{Degraded, Plane};
use crate::operator::wavelet::Wavelet;
use crate::operator::{Boundary, Kernel};
use crate::{Error, Result};

/// What blurred the image.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Blur {
    /// Nothing.
    #[default]
    None,
    /// exp(−‖d‖²/2s²), s in pixels.
    Gaussian(f64),
    /// A straight motion: pixels, and degrees counter-clockwise from the rightward direction.
    Motion(f64, f64),
    /// Out of focus: the radius in pixels.
    Disk(f64),
    /// A kernel of the user's own, with a name for records.
    Custom(Kernel, String),
}

impl Blur {
    /// The kernel; `None` without blur.
    ///
    /// # Errors
    /// As the constructors of [`Kernel`].
    pub fn kernel(&self) -> Result<Option<Kernel>> {
        Ok(match self {
            Self::None => None,
            Self::Gaussian(sigma) => Some(Kernel::gaussian(*sigma, 2)?),
            Self::Motion(length, angle) => Some(Kernel::motion(*length, *angle)?),
            Self::Disk(radius) => Some(Kernel::disk(*radius)?),
            Self::Custom(kernel, _) => Some(kernel.clone()),
        })
    }

    /// As on the command line: `gaussian:2`.
    pub fn name(&self) -> String {
        match self {
            Self::None => "none".into(),
            Self::Gaussian(sigma) => format!("gaussian:{sigma}"),
            Self::Motion(length, angle) => format!("motion:{length}:{angle}"),
            Self::Disk(radius) => format!("disk:{radius}"),
            Self::Custom(_, name) => name.clone(),
        }
    }
}

/// What is known about images before one is seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Prior {
    /// Neighbours differ little: (λ/2)‖∇x‖².
    Tikhonov,
    /// Few wavelet coefficients are large: Σ λ|y|.
    Wavelet(Wavelet),
    /// Piecewise constant with short edges: λ·TV.
    TotalVariation,
}

impl Prior {
    /// As on the command line: `wavelet:sym8`.
    pub fn name(&self) -> String {
        match self {
            Self::Tikhonov => "tikhonov".into(),
            Self::Wavelet(wavelet) => format!("wavelet:{wavelet}"),
            Self::TotalVariation => "tv".into(),
        }
    }
}

/// What has a weight of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WeightsPer {
    /// As many as can be chosen without clean images: subbands and neighbourhoods for wavelets without blur, one weight otherwise.
    Auto,
    /// One for the image.
    Scalar,
    /// One for each subband of a wavelet transform.
    Subband,
    /// One for each wavelet coefficient, from its neighbourhood.
    Coefficient,
}

impl WeightsPer {
    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Scalar => "scalar",
            Self::Subband => "subband",
            Self::Coefficient => "coefficient",
        }
    }
}

/// What judges a weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Criterion {
    /// Stein's unbiased estimate of the error ‖A(x − x_true)‖²; needs σ.
    Sure,
    /// Generalized cross-validation; needs no σ.
    Gcv,
    /// The marginal likelihood of a Gaussian model; Tikhonov only.
    Evidence,
    /// The residual is as large as the noise; needs σ.
    Discrepancy,
    /// The error against clean images, for [`super::learn`].
    Supervised,
}

impl Criterion {
    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sure => "sure",
            Self::Gcv => "gcv",
            Self::Evidence => "evidence",
            Self::Discrepancy => "discrepancy",
            Self::Supervised => "supervised",
        }
    }

    /// Whether it asks for the standard deviation of the noise.
    pub fn needs_sigma(self) -> bool {
        matches!(self, Self::Sure | Self::Discrepancy)
    }
}

/// How an image is to be restored.
#[derive(Debug, Clone, PartialEq)]
pub struct RestoreSettings {
    /// Default none.
    pub blur: Blur,
    /// What lies beyond the edge; default reflective.
    pub boundary: Boundary,
    /// Standard deviation of the noise in units of the image; default: estimated.
    pub sigma: Option<f64>,
    /// Default wavelets (Haar, undecimated).
    pub prior: Prior,
    /// Default auto.
    pub weights: WeightsPer,
    /// Default SURE.
    pub criterion: Criterion,
    /// A weight that is given and not chosen.
    pub lambda: Option<f64>,
    /// Seed of the probe.
    pub seed: u64,
}

impl Default for RestoreSettings {
    fn default() -> Self {
        Self {
            blur: Blur::None,
            boundary: Boundary::Reflective,
            sigma: None,
            prior: Prior::Wavelet(Wavelet::haar()),
            weights: WeightsPer::Auto,
            criterion: Criterion::Sure,
            lambda: None,
            seed: 0,
        }
    }
}

impl RestoreSettings {
    /// The same with nothing left open.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for what does not exist.
    pub fn completed(&self, image: &Degraded) -> Result<Self> {
        if let Some(sigma) = self.sigma.filter(|s| !(*s > 0.0 && s.is_finite())) {
            return Err(Error::setting(
                "sigma",
                sigma,
                "a finite number above 0, the noise's standard deviation",
            ));
        }
        if let Some(lambda) = self.lambda.filter(|l| !(*l > 0.0 && l.is_finite())) {
            return Err(Error::setting("lambda", lambda, "a finite number above 0"));
        }
        let degraded = self.blur != Blur::None || image.seen.is_some();
        let wavelet = matches!(self.prior, Prior::Wavelet(_));
        let weights = match self.weights {
            WeightsPer::Auto
                if wavelet && !degraded && self.lambda.is_none() && self.criterion == Criterion::Sure =>
            {
                WeightsPer::Coefficient
            }
            WeightsPer::Auto => WeightsPer::Scalar,
            given => given,
        };
        let several = weights != WeightsPer::Scalar;
        if several && !wavelet {
            let expected = format!(
                "scalar: `{}` has one weight; subbands and coefficients are those of wavelets",
                self.prior.name()
            );
            return Err(Error::setting("weights", weights.name(), expected));
        }
        if several && degraded {
            let expected = "scalar with a blur or a mask: several weights are chosen for noise alone";
            return Err(Error::setting("weights", weights.name(), expected));
        }
        if several && (self.criterion != Criterion::Sure || self.lambda.is_some()) {
            let expected = "sure with several weights; other criteria choose one weight (scalar)";
            return Err(Error::setting("criterion", self.criterion.name(), expected));
        }
        if self.criterion == Criterion::Evidence && self.prior != Prior::Tikhonov {
            let expected = format!(
                "sure, gcv or discrepancy: `{}` is no Gaussian model; evidence goes with tikhonov",
                self.prior.name()
            );
            return Err(Error::setting("criterion", "evidence", expected));
        }
        Ok(Self { weights, ..self.clone() })
    }

    /// Whether the weights are thresholds that SURE gives without a search.
    pub(super) fn is_closed_form(&self, plane: &Plane<'_>) -> bool {
        self.weights != WeightsPer::Scalar && plane.is_plain()
    }
}
