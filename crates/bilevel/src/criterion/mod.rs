//! Criteria: what the upper level measures at a lower-level solution, through its linear predictor.

mod multinomial_loss;
mod validation_loss;

pub use multinomial_loss::MultinomialLoss;
pub use validation_loss::ValidationLoss;

/// A measure of a lower-level solution, with the derivative that the adjoint needs.
pub trait Criterion: Sync {
    /// Evaluates at the predictor z (length n).
    fn evaluate(&self, predictor: &[f64]) -> CriterionValue;
    /// ∂²L/∂z_i² at the predictor (length n), for a criterion that is a sum over rows.
    fn hessian(&self, predictor: &[f64]) -> Vec<f64>;
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
    /// The row, counted from 0.
    pub row: u32,
    /// How many samples it stands for; 1 without sample weights.
    pub weight: f64,
    /// Its loss.
    pub loss: f64,
}
