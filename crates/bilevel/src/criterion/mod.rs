//! Criteria: what the upper level measures at a lower-level solution, through its linear predictor.

mod multinomial_loss;
mod similarity;
mod supervised;
mod validation_loss;

pub use multinomial_loss::MultinomialLoss;
pub use similarity::ImageQuality;
pub use supervised::SupervisedError;
pub use validation_loss::ValidationLoss;

/// A measure of a lower-level solution, with the derivative that the adjoint needs.
pub trait Criterion: Sync {
    /// Evaluates at the predictor z (length n).
    fn evaluate(&self, predictor: &[f64]) -> CriterionValue;
    /// ∂²L/∂z_i² at the predictor (length n), for a criterion that is a sum over rows.
    fn hessian(&self, predictor: &[f64]) -> Vec<f64>;

    /// How far the criterion may sag below the chord between two predictors, each with what [`Criterion::evaluate`] found there; `None` for a criterion
    /// that is not convex.
    fn sag(&self, _from: (&[f64], &CriterionValue), _to: (&[f64], &CriterionValue)) -> Option<Sag> {
        None
    }

    /// A value that the criterion never falls below.
    fn lowest(&self) -> f64 {
        f64::NEG_INFINITY
    }
}

/// A lower bound on a convex criterion near a chord z̃(t) = (1−t)z_a + t z_b: for all z, and with ω̃(t) = (1−t)ω_a + tω_b,
///
/// ```text
/// L(z) ≥ (1−t) L_a + t L_b − t(1−t)·depth + ω̃(t)ᵀ(z − z̃(t))
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sag {
    /// The depth; (ω_b − ω_a)ᵀ(z_b − z_a) for any convex criterion, and half of that for a quadratic one.
    pub depth: f64,
    /// Whether L itself is that deep at z̃(t), so that shorter chords would prove nothing more.
    pub exact: bool,
}

/// L(z), its gradient and its parts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CriterionValue {
    /// L(z).
    pub value: f64,
    /// ω = ∂L/∂z (length n).
    pub gradient: Vec<f64>,
    /// Bounds on |∂²L/∂z_i²| (length n).
    pub curvature: Vec<f64>,
    /// The rows that the criterion looks at.
    pub samples: Vec<RowLoss>,
}

/// The loss on one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RowLoss {
    /// The row of the data, counted from 0.
    pub row: u32,
    /// Its place in the predictor: the same number, unless the criterion looks at a copy of some rows.
    pub position: u32,
    /// How many samples it stands for; 1 without sample weights.
    pub weight: f64,
    /// Its loss.
    pub loss: f64,
}
