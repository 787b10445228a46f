//! The loop: grow the space, choose λ on it, stop when λ and its solution have settled.

use super::rule::{Edge, Rule};
use super::space::HybridSpace;
use crate::operator::LinearOperator;
use crate::solver::Reorthogonalization;
use crate::{Error, Result};

/// λ is chosen anew when the space has grown by this fraction: the projected problems then cost less than the products.
const GROWTH: f64 = 0.125;

/// When the space is large enough.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HybridSettings {
    /// Largest ‖Aᵀ(b − Ax) − λx‖ at the chosen λ relative to x = 0, once the space has singular values below √λ. Default 1e-4.
    pub tolerance: f64,
    /// Largest change of ln λ since λ was chosen last. Default 0.01.
    pub lambda_tolerance: f64,
    /// Where λ is looked for, in units of the largest squared singular value. Default 1e-12 to 10.
    pub range: [f64; 2],
    /// Most vectors, two products each. Default 300.
    pub max_steps: usize,
    /// Which vectors are kept orthogonal; the right ones are needed for the solution. Default: the right ones.
    pub reorthogonalization: Reorthogonalization,
    /// Dimensions of b that were fitted freely before, as by [`StandardForm`](super::StandardForm): GCV counts them. Default 0.
    pub unpenalized: usize,
}

impl Default for HybridSettings {
    fn default() -> Self {
        Self {
            tolerance: 1e-4,
            lambda_tolerance: 0.01,
            range: [1e-12, 10.0],
            max_steps: 300,
            reorthogonalization: Reorthogonalization::Right,
            unpenalized: 0,
        }
    }
}

impl HybridSettings {
    pub(super) fn check(&self) -> Result<()> {
        for (name, value) in [("tolerance", self.tolerance), ("lambda_tolerance", self.lambda_tolerance)] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(Error::setting(name, value, "a number that is not negative"));
            }
        }
        let [low, high] = self.range;
        if !(low > 0.0 && low < high && high.is_finite()) {
            return Err(Error::setting("range", format!("{low} to {high}"), "0 < low < high"));
        }
        if self.max_steps == 0 {
            return Err(Error::setting("max_steps", 0, "at least one"));
        }
        if self.reorthogonalization == Reorthogonalization::None {
            return Err(Error::setting(
                "reorthogonalization",
                "None",
                "Right or Both: the solution is made of them",
            ));
        }
        Ok(())
    }
}

/// Why the space stopped growing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HybridEnd {
    /// λ and its solution have settled.
    Settled,
    /// The space holds all that A and b can reach: the answer is exact but for rounding.
    SpaceExhausted,
    /// The allowed number of vectors was spent first.
    OutOfSteps,
}

/// The chosen λ and its solution.
#[derive(Debug, Clone, PartialEq)]
pub struct HybridFit {
    /// The minimizer at `lambda`.
    pub x: Vec<f64>,
    /// λ, for the sum of squares of the rows that the fit saw.
    pub lambda: f64,
    /// Where the criterion has no minimum inside the range: the λ is then a bound, not an answer.
    pub edge: Option<Edge>,
    /// The rule's criterion at λ: n‖r‖²/(n − df)², half the mean squared error over held-out rows, minus the curvature, or ‖r‖².
    pub criterion: f64,
    /// (λ, criterion) over the range, increasing in λ; empty for rules that minimize nothing.
    pub curve: Vec<(f64, f64)>,
    /// (vectors, λ) each time that λ was chosen.
    pub history: Vec<(usize, f64)>,
    /// Degrees of freedom at λ, where the rule counts them.
    pub degrees_of_freedom: Option<f64>,
    /// ‖Ax − b‖ over the rows that the fit saw.
    pub residual: f64,
    /// ‖Aᵀ(b − Ax) − λx‖ relative to x = 0.
    pub relative_gradient: f64,
    /// Bound on ‖x − x*(λ)‖, x* the exact minimizer at this λ.
    pub error_bound: f64,
    /// Vectors in the space.
    pub steps: usize,
    /// Products with A and with Aᵀ.
    pub products: usize,
    /// Why the space stopped growing.
    pub end: HybridEnd,
}

/// Chooses λ in min ½‖Ax − b‖² + (λ/2)‖x‖² by a rule, and solves.
///
/// Memory: one vector of x's length for each step (and one of the held-out rows').
///
/// # Errors
/// As [`HybridSpace::new`]; what the operator fails with.
///
/// # Example
/// See [the module](super).
pub fn hybrid(
    operator: &dyn LinearOperator,
    b: &[f64],
    rule: &Rule,
    settings: &HybridSettings,
) -> Result<HybridFit> {
    let mut space = HybridSpace::new(operator, b, rule.clone(), *settings)?;
    let mut history: Vec<(usize, f64)> = Vec::new();
    loop {
        let size = space.size();
        let steps = ((size as f64 * GROWTH) as usize).max(1).min(settings.max_steps - size);
        space.grow(steps)?;
        let choice = space.choose()?;
        let settled = history.last().is_some_and(|(_, before)| {
            (choice.lambda / before).ln().abs() <= settings.lambda_tolerance
                && space.is_accurate(choice.lambda, settings.tolerance)
        });
        history.push((space.size(), choice.lambda));
        let end = match () {
            () if settled => HybridEnd::Settled,
            () if space.is_exhausted() => HybridEnd::SpaceExhausted,
            () if space.size() >= settings.max_steps => HybridEnd::OutOfSteps,
            () => continue,
        };
        let lambda = choice.lambda;
        return Ok(HybridFit {
            x: space.solution(lambda)?,
            lambda,
            edge: choice.edge,
            criterion: choice.value,
            curve: choice.curve,
            history,
            degrees_of_freedom: space.degrees_of_freedom(lambda),
            residual: space.residual(lambda),
            relative_gradient: space.relative_gradient(lambda),
            error_bound: space.error_bound(lambda),
            steps: space.size(),
            products: space.products(),
            end,
        });
    }
}
