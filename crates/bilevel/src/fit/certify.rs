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

/// The verdict on one parameter from the slopes just below and just above it. On an edge only one of them leads anywhere.
pub(super) fn between(slopes: (f64, f64), at_edges: &[(usize, bool)], evaluation: &Evaluation) -> Verdict {
    let (left, right) = match at_edges {
        [(_, true)] => (slopes.0, 0.0),
        [(_, false)] => (0.0, slopes.1),
        _ => slopes,
    };
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
        Ok(steepest) => {
            let error = evaluation.gradient_error_bound.unwrap_or(f64::INFINITY);
            let which = || (steepest.parameter, steepest.sign > 0.0);
            judge(-steepest.slope, error, evaluation.value, which)
        }
        Err(error) => Verdict::Unknown { reason: error.to_string() },
    }
}

/// The parameters on an edge of the box: (index, whether it is the upper edge).
pub(super) fn at_edges(theta: &[f64], bounds: &(Vec<f64>, Vec<f64>)) -> Vec<(usize, bool)> {
    let near = |t: f64, edge: f64| (t - edge).abs() <= 1e-9 * edge.abs().max(1.0);
    let edges = bounds.0.iter().zip(&bounds.1).zip(theta).enumerate();
    edges
        .filter(|(_, ((lower, upper), _))| lower < upper)
        .filter_map(
            |(k, ((&lower, &upper), &t))| {
                if near(t, upper) { Some((k, true)) } else { near(t, lower).then_some((k, false)) }
            },
        )
        .collect()
}

/// Norm of the gradient without the entries whose descent would leave the box; `at_edges` increases in the index.
pub(super) fn projected_norm(gradient: &[f64], at_edges: &[(usize, bool)]) -> f64 {
    let mut edges = at_edges.iter().peekable();
    let inward = |(k, &g): (usize, &f64)| match edges.next_if(|edge| edge.0 == k) {
        Some((_, true)) => g.max(0.0),
        Some((_, false)) => g.min(0.0),
        None => g,
    };
    gradient.iter().enumerate().map(inward).map(|g| g * g).sum::<f64>().sqrt()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_leave_the_box_is_no_slope() {
        let bounds = (vec![-1.0, -1.0, -1.0, 2.0], vec![1.0, 1.0, 1.0, 2.0]);
        let edges = at_edges(&[1.0, -1.0, 0.5, 2.0], &bounds);
        // The last parameter has nowhere to go at all, and rests on no edge of a range.
        assert_eq!(edges, [(0, true), (1, false)]);
        // Descent goes against the gradient: up and out for the first, up and in for the second.
        assert_eq!(projected_norm(&[-3.0, -4.0, 0.0, 0.0], &edges), 4.0);
        assert_eq!(projected_norm(&[3.0, 4.0, 0.0, 0.0], &edges), 3.0);
    }

    #[test]
    fn on_an_edge_the_slope_outwards_does_not_count() {
        let evaluation = Evaluation {
            value: 1.0,
            standard_error: 0.0,
            gradient: vec![0.5],
            gradient_error_bound: None,
            relative_gap: 0.0,
            support_size: 0.0,
            biactive: 0,
        };
        let slopes = (0.5, 0.5);
        assert!(matches!(between(slopes, &[], &evaluation), Verdict::Descends { upwards: false, .. }));
        assert_eq!(between(slopes, &[(0, false)], &evaluation), Verdict::Stationary);
        assert!(matches!(
            between((-0.5, -0.5), &[(0, false)], &evaluation),
            Verdict::Descends { upwards: true, .. }
        ));
    }
}
