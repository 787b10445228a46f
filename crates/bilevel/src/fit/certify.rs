//! The verdict of a certificate: stationary, stationary within ε, or a descent direction.

use crate::criterion::Criterion;
use crate::lower::LowerLevel;
use crate::objective::SplitObjective;
use crate::outer::Evaluation;
use crate::parametrization::Parametrization;

use super::Verdict;

/// A point is called stationary if no parameter, changed by a factor e, would to first order change the criterion by more than this part of it.
const TOLERANCE: f64 = 1e-4;
/// Slopes below this part of the criterion are rounding.
const ROUNDING: f64 = 1e-9;

/// The slope that counts as none, for a criterion of this value.
pub fn stationarity_tolerance(value: f64) -> f64 {
    TOLERANCE * value.abs().max(f64::MIN_POSITIVE)
}

/// The verdict on one parameter from the slopes just below and just above it.
pub(super) fn between(slopes: (f64, f64), evaluation: &Evaluation) -> Verdict {
    let (left, right) = slopes;
    if !(left.is_finite() && right.is_finite()) {
        return Verdict::Unknown { reason: "the hypergradient is not finite".to_string() };
    }
    // At a kink the slope jumps from negative to positive: neither direction descends.
    let (descent, upwards) = if left > -right { (left, false) } else { (-right, true) };
    judge(descent.max(0.0), 0.0, evaluation.value, || (0, upwards))
}

/// The verdict on many parameters from the one-sided derivatives along ±e_i at θ, where `evaluation` is the objective's with its gradient.
///
/// The name of the parameter that [`Verdict::Descends`] speaks of is left empty.
pub fn verdict<M: LowerLevel + Send, C: Criterion + Send>(
    objective: &mut SplitObjective<M, C>,
    theta: &[f64],
    evaluation: &Evaluation,
) -> Verdict {
    let found = objective.slopes(theta).and_then(|slopes| slopes.steepest());
    match found {
        Ok(steepest) => judge(-steepest.slope, evaluation.gradient_error_bound, evaluation.value, || {
            (steepest.parameter, steepest.sign > 0.0)
        }),
        Err(error) => Verdict::Unknown { reason: error.to_string() },
    }
}

/// `descent` ≥ 0 is how fast Φ falls in the steepest direction, known to `error`.
fn judge(descent: f64, error: f64, value: f64, which: impl FnOnce() -> (usize, bool)) -> Verdict {
    let epsilon = descent + error;
    if epsilon <= ROUNDING * value.abs() {
        return Verdict::Stationary;
    }
    if epsilon <= stationarity_tolerance(value) {
        return Verdict::Within { epsilon };
    }
    if descent > error {
        let (parameter, upwards) = which();
        return Verdict::Descends { parameter, name: String::new(), upwards, slope: -descent };
    }
    let reason = format!("slopes are known to {error:.1e} only, and the steepest is {:.1e}", -descent);
    Verdict::Unknown { reason }
}

impl Verdict {
    /// With the name that the parametrization has for the parameter.
    pub(super) fn named(mut self, parametrization: &dyn Parametrization) -> Self {
        if let Self::Descends { parameter, name, .. } = &mut self {
            *name = parametrization.parameter_name(*parameter);
        }
        self
    }
}
