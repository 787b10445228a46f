//! The rules by which λ is chosen.

use crate::{Error, Result};

/// A rule for choosing λ. σ is the standard deviation of the noise in each entry of b; n is the length of b, ρ = ‖Ax − b‖², df = Σ f_i.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Rule {
    /// Generalized cross-validation: nρ/(n − df)². Needs no σ; may choose a far too small λ where it is flat.
    Gcv,
    /// Robust GCV: (γ + (1 − γ) Σf_i²/n) GCV, 0 < γ ≤ 1: what varies strongly with the noise is weighed against. γ = 1 is GCV.
    ///
    /// Source: Lukas, "Robust generalized cross-validation for choosing the regularization parameter", Inverse Problems 22 (2006).
    RobustGcv {
        /// γ; [`Rule::robust_gcv`] takes 0.1.
        gamma: f64,
    },
    /// Strong robust GCV: the same with the variance of x in place of the variance of Ax, (γ + (1 − γ) s₁² Σ f_i²/(n g_i)) GCV, s₁ the largest singular value.
    ///
    /// Source: Lukas, "Strong robust generalized cross-validation for choosing the regularization parameter", Inverse Problems 24 (2008).
    StrongRobustGcv {
        /// γ; [`Rule::strong_robust_gcv`] takes 0.99.
        gamma: f64,
    },
    /// Modified GCV: nρ/(n − c·df)², c ≥ 1: as if every degree of freedom cost c of them.
    ///
    /// Source: Cummins, Filloon, Nychka, "Confidence intervals for nonparametric curve estimates", JASA 96 (2001).
    ModifiedGcv {
        /// c; [`Rule::modified_gcv`] takes 2.
        factor: f64,
    },
    /// Stein's unbiased estimate of ‖A(x − x_true)‖²: ρ − nσ² + 2σ² df.
    Sure {
        /// σ > 0.
        sigma: f64,
    },
    /// The unbiased estimate of ‖x − x_true‖² on the range of Aᵀ, less a constant (‖x_true‖² there); in the norm ‖L·‖ where L is not the identity
    /// and the components come from a matrix.
    ///
    /// Source: Eldar, "Generalized SURE for exponential families", IEEE Transactions on Signal Processing 57 (2009).
    Gsure {
        /// σ > 0.
        sigma: f64,
    },
    /// Evidence (type II maximum likelihood): the smallest −log p(b | λ, σ²) for x ~ N(0, σ²/λ (LᵀL)⁻¹), flat where L vanishes. Without σ, the best σ
    /// for every λ is taken.
    Evidence {
        /// σ > 0, or none.
        sigma: Option<f64>,
    },
    /// The discrepancy principle: ‖Ax − b‖ = τσ√n.
    Discrepancy {
        /// σ > 0.
        sigma: f64,
        /// τ > 0, 1 or a little above.
        safety: f64,
    },
    /// The corner of the L-curve (log‖Ax − b‖, log‖Lx‖): where it bends most.
    ///
    /// Source: Hansen, O'Leary, "The use of the L-curve in the regularization of discrete ill-posed problems", SIAM J. Sci. Comput. 14 (1993).
    LCurve,
    /// Quasi-optimality: the smallest ‖dx/d log λ‖.
    QuasiOptimality,
    /// The normalized cumulative periodogram: the residual that looks most like white noise. For data in a natural order (a signal), and problems that
    /// know their residual vector.
    ///
    /// Source: Hansen, Kilmer, Kjeldsen, "Exploiting residual information in the parameter choice for discrete ill-posed problems", BIT 46 (2006).
    Ncp,
    /// The smallest ‖x − x_true‖: for study, where the truth is known.
    Oracle {
        /// x_true.
        truth: Vec<f64>,
    },
}

impl Rule {
    /// [`Rule::RobustGcv`] with γ = 0.1.
    pub const fn robust_gcv() -> Self {
        Self::RobustGcv { gamma: 0.1 }
    }

    /// [`Rule::StrongRobustGcv`] with γ = 0.99.
    pub const fn strong_robust_gcv() -> Self {
        Self::StrongRobustGcv { gamma: 0.99 }
    }

    /// [`Rule::ModifiedGcv`] with c = 2.
    pub const fn modified_gcv() -> Self {
        Self::ModifiedGcv { factor: 2.0 }
    }

    /// The rule of that name, as [`Rule::name`] writes it, with default parameters; `sigma` is for those that need it.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for a name that is none, or without `sigma` where the rule needs it.
    pub fn from_name(name: &str, sigma: Option<f64>) -> Result<Self> {
        let needed = || {
            sigma.ok_or_else(|| {
                Error::setting("sigma", "none", format!("the noise level, which `{name}` needs"))
            })
        };
        Ok(match name {
            "gcv" => Self::Gcv,
            "robust-gcv" => Self::robust_gcv(),
            "strong-robust-gcv" => Self::strong_robust_gcv(),
            "modified-gcv" => Self::modified_gcv(),
            "sure" => Self::Sure { sigma: needed()? },
            "gsure" => Self::Gsure { sigma: needed()? },
            "evidence" => Self::Evidence { sigma },
            "discrepancy" => Self::Discrepancy { sigma: needed()?, safety: 1.0 },
            "l-curve" => Self::LCurve,
            "quasi-optimality" => Self::QuasiOptimality,
            "ncp" => Self::Ncp,
            _ => return Err(Error::setting("method", name, NAMES)),
        })
    }

    /// The name for people, records and the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Gcv => "gcv",
            Self::RobustGcv { .. } => "robust-gcv",
            Self::StrongRobustGcv { .. } => "strong-robust-gcv",
            Self::ModifiedGcv { .. } => "modified-gcv",
            Self::Sure { .. } => "sure",
            Self::Gsure { .. } => "gsure",
            Self::Evidence { .. } => "evidence",
            Self::Discrepancy { .. } => "discrepancy",
            Self::LCurve => "l-curve",
            Self::QuasiOptimality => "quasi-optimality",
            Self::Ncp => "ncp",
            Self::Oracle { .. } => "oracle",
        }
    }

    /// Whether it looks at vectors, not only at sums over components.
    pub(super) fn needs_vectors(&self) -> bool {
        matches!(self, Self::Ncp | Self::Oracle { .. })
    }

    /// Refuses parameters out of their range.
    pub(super) fn check(&self) -> Result<()> {
        let positive = |name: &'static str, value: f64| {
            if value > 0.0 && value.is_finite() {
                return Ok(());
            }
            Err(Error::setting(name, value, "a finite number above 0"))
        };
        match self {
            Self::RobustGcv { gamma } | Self::StrongRobustGcv { gamma }
                if !(*gamma > 0.0 && *gamma <= 1.0) =>
            {
                Err(Error::setting("gamma", gamma, "a number above 0 and at most 1"))
            }
            Self::ModifiedGcv { factor } if !(*factor >= 1.0 && factor.is_finite()) => {
                Err(Error::setting("factor", factor, "a finite number of at least 1"))
            }
            Self::Sure { sigma } | Self::Gsure { sigma } | Self::Evidence { sigma: Some(sigma) } => {
                positive("sigma", *sigma)
            }
            Self::Discrepancy { sigma, safety } => {
                positive("sigma", *sigma)?;
                positive("safety", *safety)
            }
            Self::Oracle { truth } => match truth.iter().position(|x| !x.is_finite()) {
                Some(k) => {
                    let what = format!("true x, entry {}", k + 1);
                    Err(Error::data(what, truth[k].to_string(), "a finite number"))
                }
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

const NAMES: &str = "gcv, robust-gcv, strong-robust-gcv, modified-gcv, sure, gsure, evidence, discrepancy, l-curve, quasi-optimality or ncp";
