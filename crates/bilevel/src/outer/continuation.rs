//! Continuation in a smoothing parameter: ε₀ > ε₁ > … towards 0, each problem started at the answer of the one before.
//!
//! Where |y| is replaced by √(y²+ε²) ([`crate::lower::SmoothedGlm`]), a small ε is what one wants and a large one what is easy to solve. The
//! same holds one level up: Φ_ε has no kinks, but edges of width ε where Φ has them, so a search at a small ε is best begun near its answer.
//!
//! Source: Okuno, Takeda, Kawana, Watanabe, "On ℓp-hyperparameter learning via bilevel nonsmooth optimization", JMLR 22 (2021).

use super::search::{require_fraction, require_positive};
use super::{Monitor, Objective, OuterOptimizer, OuterResult};
use crate::{Error, Result};

/// A sequence of smoothing parameters, `first`, `first`·`factor`, …, `last`.
///
/// ```
/// use bilevel::outer::Continuation;
///
/// let path = Continuation { first: 1.0, factor: 0.1, last: 0.005 };
/// assert_eq!(path.epsilons()?, [1.0, 0.1, 0.010000000000000002, 0.005]);
/// assert_eq!(Continuation::relative_to(20.0).first, 2.0);
/// # Ok::<(), bilevel::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Continuation {
    /// ε₀ > 0, in units of the coefficients; default 0.1.
    pub first: f64,
    /// What each ε is of the one before, in (0, 1); default 0.1.
    pub factor: f64,
    /// The last ε, in (0, `first`]; default 1e-6.
    pub last: f64,
}

/// From a tenth of coefficients of size 1 to a millionth, where the bias is below what data of usual noise show.
impl Default for Continuation {
    fn default() -> Self {
        Self { first: 0.1, factor: 0.1, last: 1e-6 }
    }
}

/// The answer of one stage of a continuation.
#[derive(Debug, Clone, PartialEq)]
pub struct ContinuationStage {
    /// ε.
    pub epsilon: f64,
    /// The minimizer of Φ_ε that was found.
    pub outer: OuterResult,
}

/// An objective Φ_ε whose smoothing parameter can be changed.
pub trait SmoothedObjective: Objective {
    /// Goes on with another ε > 0, in units of the coefficients; what was solved at the one before stays as a start.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] unless ε is positive and finite.
    fn set_epsilon(&mut self, epsilon: f64) -> Result<()>;
}

impl Continuation {
    /// The default for coefficients of size `scale` (the largest |y_j| of a rough fit, say) instead of 1.
    #[must_use]
    pub fn relative_to(scale: f64) -> Self {
        let Self { first, factor, last } = Self::default();
        Self { first: scale * first, factor, last: scale * last }
    }

    /// ε₀ > ε₁ > … > `last`.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for settings out of their range.
    pub fn epsilons(&self) -> Result<Vec<f64>> {
        require_positive("first", self.first)?;
        require_positive("last", self.last)?;
        require_fraction("factor", self.factor)?;
        if self.last > self.first {
            return Err(Error::setting("last", self.last, format!("at most `first`, {}", self.first)));
        }
        // Within 1 % of the last one counts as it, so that rounding adds no extra stage.
        let above = |epsilon: &f64| *epsilon > 1.01 * self.last;
        let geometric = std::iter::successors(Some(self.first), |epsilon| Some(epsilon * self.factor));
        Ok(geometric.take_while(above).chain(std::iter::once(self.last)).collect())
    }

    /// Minimizes Φ_ε for each ε, with θ started at the minimizer for the ε before (at first at `start`), and tells `monitor` about all steps.
    ///
    /// # Errors
    /// As [`OuterOptimizer::minimize`] and [`Continuation::epsilons`].
    pub fn minimize(
        &self,
        objective: &mut dyn SmoothedObjective,
        optimizer: &dyn OuterOptimizer,
        start: &[f64],
        monitor: &mut dyn Monitor,
    ) -> Result<Vec<ContinuationStage>> {
        let mut stages: Vec<ContinuationStage> = Vec::new();
        for epsilon in self.epsilons()? {
            objective.set_epsilon(epsilon)?;
            let from = stages.last().map_or(start, |stage| &stage.outer.theta).to_vec();
            let outer = optimizer.minimize(objective, &from, monitor)?;
            stages.push(ContinuationStage { epsilon, outer });
        }
        Ok(stages)
    }
}
