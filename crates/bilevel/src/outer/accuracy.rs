//! How exactly the lower level is solved while an outer method runs: loosely at first, tighter as the decreases become smaller.
//!
//! A step that lowers Φ by δ needs Φ to be known to better than δ, not better. So a method starts at a relative gap of 1e-6 and divides it
//! by 100 whenever a decision would otherwise rest on less than the error of what it compares, down to [`Accuracy::TIGHT`] (DESIGN §2.4). The
//! accuracy is never loosened again: what was decided tightly stays comparable.

use serde::{Deserialize, Serialize};

use super::Accuracy;

/// A sequence of accuracies from loose to tight.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccuracySchedule {
    /// The accuracy in use; as a setting, the one to start with. Default: relative gap 1e-6, adjoint residual 1e-8.
    pub current: Accuracy,
    /// Each tightening multiplies gap and residual by this, in (0, 1); default 0.01.
    pub factor: f64,
    /// Where tightening ends; default [`Accuracy::TIGHT`].
    pub tightest: Accuracy,
}

impl Default for AccuracySchedule {
    fn default() -> Self {
        Self {
            current: Accuracy { relative_gap: 1e-6, adjoint_residual: 1e-8 },
            factor: 0.01,
            tightest: Accuracy::TIGHT,
        }
    }
}

impl AccuracySchedule {
    /// The schedule that is tight from the start.
    #[must_use]
    pub fn tight() -> Self {
        Self { current: Accuracy::TIGHT, ..Self::default() }
    }

    /// Whether no tightening is left.
    #[must_use]
    pub fn is_tightest(&self) -> bool {
        self.current.relative_gap <= self.tightest.relative_gap
            && self.current.adjoint_residual <= self.tightest.adjoint_residual
    }

    /// Goes to the next accuracy; `false` if this is the tightest already.
    pub fn tighten(&mut self) -> bool {
        if self.is_tightest() {
            return false;
        }
        self.current = Accuracy {
            relative_gap: next(self.current.relative_gap, self.factor, self.tightest.relative_gap),
            adjoint_residual: next(
                self.current.adjoint_residual,
                self.factor,
                self.tightest.adjoint_residual,
            ),
        };
        true
    }
}

/// `value`·`factor`, not below `smallest`; within 1 % of it counts as it, so that rounding adds no extra stage.
fn next(value: f64, factor: f64, smallest: f64) -> f64 {
    let reduced = value * factor.clamp(0.0, 0.5);
    if reduced <= 1.01 * smallest { value.min(smallest) } else { reduced }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_tightenings_lead_from_the_default_to_tight_and_no_third_is_left() {
        let mut schedule = AccuracySchedule::default();
        assert!(schedule.tighten());
        assert!(!schedule.is_tightest());
        assert!(schedule.tighten());
        assert_eq!(schedule.current, Accuracy::TIGHT);
        assert!(!schedule.tighten());
    }

    #[test]
    fn a_factor_out_of_range_still_ends() {
        for factor in [0.0, 1.0, 7.0, -1.0] {
            let mut schedule = AccuracySchedule { factor, ..AccuracySchedule::default() };
            let tightenings = std::iter::from_fn(|| schedule.tighten().then_some(())).take(100).count();
            assert!(tightenings < 30, "factor {factor}: {tightenings}");
        }
    }
}
