//! Settings of a fit, with their defaults; the same words as the command's options.

use serde::{Deserialize, Serialize};

use crate::data::SplitSettings;
use crate::hypergradient::{BiactivePolicy, Selection};

/// Loss of lower level and criterion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossKind {
    /// Logistic where the target has two values, else squared.
    #[default]
    Auto,
    /// ½(b−z)².
    Squared,
    /// log(1+e^{−bz}); for more than two classes log Σ_k e^{z_k} − z_b.
    Logistic,
    /// δ²(√(1+((b−z)/δ)²)−1): squared for residuals below [`FitSettings::delta`], absolute above it.
    #[serde(alias = "huber")]
    PseudoHuber,
}

/// Penalty of the lower level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PenaltyKind {
    /// Σ λ_j|y_j|.
    #[default]
    L1,
    /// Σ λ_j|y_j| + (α/2)‖y‖².
    ElasticNet,
    /// Σ_g λ_g‖y_g‖₂.
    GroupL1,
    /// ½ Σ λ_j y_j².
    Ridge,
}

/// How many weights are learned, and how they depend on θ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WeightsKind {
    /// Climb: scalar, then adaptive (not under a ridge penalty), then group or feature; a step is kept only if the criterion improves beyond its standard error.
    #[default]
    Auto,
    /// One λ for all.
    Scalar,
    /// log λ_j = θ₀ − θ₁ log|β⁰_j|.
    Adaptive,
    /// One λ for each group of features.
    Group,
    /// One λ for each feature (or each group, under a group penalty).
    Feature,
}

/// Outer method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OuterKind {
    /// The global search for one λ; L-BFGS for few or smooth parameters, NTRBA for one weight per feature.
    #[default]
    Auto,
    /// Global search over one λ.
    Scalar,
    /// Nonsmooth trust region with normalized subgradients.
    Ntrba,
    /// Normalized subgradient steps.
    Nba,
    /// Limited-memory quasi-Newton with a nonsmooth line search.
    Lbfgs,
    /// Trust-region Gauss–Newton: second derivatives, where the support is small enough to factorize.
    GaussNewton,
    /// A grid.
    Grid,
}

/// Everything that determines the answer of a fit, besides the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FitSettings {
    /// Loss; default `auto`.
    pub loss: LossKind,
    /// δ of the pseudo-Huber loss, in units of the target. `None` (default): [`crate::loss::PseudoHuber::EFFICIENT`] times the scale of the residuals, which
    /// is 1.4826 times the median of their sizes on validation rows, with the best single λ; found in three rounds, from the scale of the target on. At
    /// least a hundredth of what the target's scale gives. A gradient check takes that of the target.
    pub delta: Option<f64>,
    /// Penalty; default `l1`.
    pub penalty: PenaltyKind,
    /// Parametrization of the weights; default `auto`.
    pub weights: WeightsKind,
    /// Outer method; default `auto`.
    pub outer: OuterKind,
    /// The λ at which the criterion of one λ is evaluated, in any order, instead of a search: each with a lower level as exact as `tolerance`, and
    /// the best of them is the answer. Takes scalar weights (which `auto` then means) and the outer method `auto` or `grid`; default none.
    pub grid: Option<Vec<f64>>,
    /// Policy at biactive coordinates; default self-consistent.
    pub policy: BiactivePolicy,
    /// Relative width of the band in which a coordinate counts as biactive; default 1e-8.
    pub band: f64,
    /// Criterion's rows; default 5 folds.
    pub split: SplitSettings,
    /// Fraction of the rows put aside as a test set before anything else; default none.
    pub test_fraction: Option<f64>,
    /// Strength μ of the pull of each feature's log-weight, counted from where it starts, to its group's mean (of all, without groups): (μ/2)Σ(θ_j − θ̄)² joins the
    /// criterion where weights are learned for each feature. `None` (default): under a ridge penalty the strength that serves validation rows best that had no
    /// part in choosing the weights, and 0 under the others.
    pub pull: Option<f64>,
    /// Fixed ridge parameter α of an elastic net; `None` learns it. Ignored by the other penalties (α = 0).
    pub l2: Option<f64>,
    /// Scale columns to unit standard deviation (the design is not copied); default no.
    pub standardize: bool,
    /// Fit an unpenalized intercept; default yes.
    pub intercept: bool,
    /// Store the design in single precision; default no.
    pub single_precision: bool,
    /// Seed of every random split; default 0.
    pub seed: u64,
    /// Threads; `None` takes all cores.
    pub threads: Option<usize>,
    /// Relative duality gap of the final fit; default 1e-10.
    pub tolerance: f64,
    /// Largest number of outer steps in each stage; default 60.
    pub max_outer: usize,
    /// What is to be proven about one λ that was searched globally: that no λ in the range has a criterion lower by more than this part of it; 0 for no
    /// proof. `None`: 1e-3 where it costs about half of what the search does, none on large data.
    pub certify: Option<f64>,
    /// Seconds after which the search ends with the best answer so far; default none.
    pub time_limit: Option<f64>,
}

impl Default for FitSettings {
    fn default() -> Self {
        Self {
            loss: LossKind::Auto,
            delta: None,
            penalty: PenaltyKind::L1,
            weights: WeightsKind::Auto,
            outer: OuterKind::Auto,
            grid: None,
            policy: BiactivePolicy::SelfConsistent,
            band: Selection::BAND,
            split: SplitSettings::Folds(5),
            test_fraction: None,
            pull: None,
            l2: None,
            standardize: false,
            intercept: true,
            single_precision: false,
            seed: 0,
            threads: None,
            tolerance: 1e-10,
            max_outer: 60,
            certify: None,
            time_limit: None,
        }
    }
}

impl FitSettings {
    /// Policy and band.
    pub(super) fn selection(&self) -> Selection {
        Selection { band: self.band, ..self.policy.into() }
    }
}
