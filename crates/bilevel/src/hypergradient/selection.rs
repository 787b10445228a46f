//! How biactive coordinates are told from the others, and which of them enter the adjoint system (DESIGN §2.1).

use serde::{Deserialize, Serialize};

/// Which biactive coordinates (on a kink of the solution map) enter the adjoint system (DESIGN §2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BiactivePolicy {
    /// Start from `DescentAligned`; drop every selected coordinate whose adjoint disagrees with its sign; repeat until none drops.
    #[default]
    SelfConsistent,
    /// B⁺ where ∇_yL is negative, B⁻ where it is positive.
    DescentAligned,
    /// None of them.
    Null,
    /// All of them.
    All,
}

/// A policy, and the band in which a coordinate counts as biactive.
///
/// ```
/// use bilevel::hypergradient::{BiactivePolicy, Selection};
///
/// let published = Selection { band: 0.1, ..Selection::default() };
/// assert_eq!(published.policy, BiactivePolicy::SelfConsistent);
/// assert_eq!(Selection::from(BiactivePolicy::Null).band, Selection::BAND);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Selection {
    /// Which biactive coordinates enter; default self-consistent.
    pub policy: BiactivePolicy,
    /// Relative width τ ≥ 0 of the band around the kink, ||w| − u| ≤ τ·max(|w|, u); default 1e-8. Published: 0.1 on calibrated and 1e-3 on
    /// real data. A wide band looks ahead: it lets coordinates in that are about to leave zero.
    pub band: f64,
    /// Widens the band by what the lower-level solve leaves uncertain: then it holds every coordinate that is biactive at the exact solution
    /// and zero at the computed one, and with a ridge part also those that are not zero yet. Default no.
    pub residual_enlarged: bool,
    /// At most this many biactive coordinates are selected to begin with, those along which the criterion falls fastest; default no limit.
    pub max_seeds: Option<usize>,
}

impl Selection {
    /// The default band: a hundred times what a relative gap of 1e-10 leaves uncertain.
    pub const BAND: f64 = 1e-8;
}

impl Default for Selection {
    fn default() -> Self {
        Self::from(BiactivePolicy::default())
    }
}

impl From<BiactivePolicy> for Selection {
    fn from(policy: BiactivePolicy) -> Self {
        Self { policy, band: Self::BAND, residual_enlarged: false, max_seeds: None }
    }
}
