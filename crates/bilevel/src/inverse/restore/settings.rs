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
    /// One for each level of a wavelet transform.
    Level,
    /// One for each subband of a wavelet transform.
    Subband,
    /// One for each wavelet coefficient, from its neighbourhood.
    Coefficient,
    /// A smooth map over the image: one for each of [`RestoreSettings::nodes`], bilinear between them.
    Map,
}

impl WeightsPer {
    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Scalar => "scalar",
            Self::Level => "level",
            Self::Subband => "subband",
            Self::Coefficient => "coefficient",
            Self::Map => "map",
        }
    }
}

/// What judges a weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Criterion {
    /// Stein's unbiased estimate of the error ‖A(x − x_true)‖²; needs σ.
    Sure,
    /// Its generalization, an unbiased estimate of the error ‖P(x − x_true)‖² where A sees the image (P projects on the range of Aᵀ); needs σ.
    Gsure,
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
            Self::Gsure => "gsure",
            Self::Gcv => "gcv",
            Self::Evidence => "evidence",
            Self::Discrepancy => "discrepancy",
            Self::Supervised => "supervised",
        }
    }

    /// Whether it asks for the standard deviation of the noise.
    pub fn needs_sigma(self) -> bool {
        matches!(self, Self::Sure | Self::Gsure | Self::Discrepancy)
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
    /// Several weights that are given and not chosen, one for each level (coarse to fine), subband or node; empty: none.
    pub given: Vec<f64>,
    /// Rows and columns of nodes of a map of weights; default 4 × 4.
    pub nodes: (usize, usize),
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
            given: Vec::new(),
            nodes: (4, 4),
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
        if let Some(weight) = self.given.iter().find(|l| !(**l > 0.0 && l.is_finite())) {
            return Err(Error::setting("given weights", weight, "finite numbers above 0"));
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
        self.check_weights(weights, degraded)?;
        if self.criterion == Criterion::Evidence && self.prior != Prior::Tikhonov {
            let expected = format!(
                "sure, gcv or discrepancy: `{}` is no Gaussian model; evidence goes with tikhonov",
                self.prior.name()
            );
            return Err(Error::setting("criterion", "evidence", expected));
        }
        Ok(Self { weights, ..self.clone() })
    }

    /// Refuses weights that the prior, the degradation or the criterion do not have.
    fn check_weights(&self, weights: WeightsPer, degraded: bool) -> Result<()> {
        let wavelet = matches!(self.prior, Prior::Wavelet(_));
        let refuse = |expected: String| Err(Error::setting("weights", weights.name(), expected));
        let prior = self.prior.name();
        match weights {
            WeightsPer::Auto | WeightsPer::Scalar => return Ok(()),
            WeightsPer::Map if degraded && self.prior == Prior::TotalVariation => {
                return refuse("scalar: with a blur or a mask `tv` has one weight; maps go with tikhonov and wavelets there, and with tv for noise alone".into());
            }
            WeightsPer::Map => {}
            _ if !wavelet => {
                return refuse(format!(
                    "scalar or map: levels, subbands and coefficients are those of wavelets, not of `{prior}`"
                ));
            }
            WeightsPer::Coefficient if degraded => {
                return refuse("scalar, level, subband or map with a blur or a mask: neighbourhoods of coefficients are those of noise alone".into());
            }
            WeightsPer::Coefficient if self.criterion != Criterion::Sure => {
                return refuse(format!(
                    "level, subband or map with {}: neighbourhoods are chosen by sure",
                    self.criterion.name()
                ));
            }
            _ => {}
        }
        if self.lambda.is_some() && self.given.is_empty() {
            return refuse("scalar with a given λ".into());
        }
        if matches!(self.criterion, Criterion::Discrepancy | Criterion::Evidence) {
            let expected =
                format!("sure, gsure or gcv with several weights: {} chooses one", self.criterion.name());
            return Err(Error::setting("criterion", self.criterion.name(), expected));
        }
        Ok(())
    }

    /// Whether the weights are thresholds that SURE gives without a search.
    pub(super) fn is_closed_form(&self, plane: &Plane<'_>) -> bool {
        let thresholds =
            matches!(self.weights, WeightsPer::Level | WeightsPer::Subband | WeightsPer::Coefficient);
        thresholds && plane.is_plain() && self.criterion == Criterion::Sure && self.given.is_empty()
    }
}
