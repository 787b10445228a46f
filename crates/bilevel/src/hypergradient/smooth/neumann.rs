//! The Neumann series at a fixed point y = T(y, λ), cut after K terms, with a bound on what is left.
//!
//! ```text
//! r_0 = ∇_yL      r_{t+1} = (∂_yT)ᵀ r_t      h_K = ∇_λL + Σ_{t<K} (∂_λT)ᵀ r_t
//! ```
//!
//! For gradient descent with step γ this is H⁻¹ ≈ γΣ(I − γH)ᵗ, and the same as K steps of truncated reverse mode at the fixed point. If T contracts with factor
//! q = ‖∂_yT‖ < 1, what is left after K terms is (∂_λT)ᵀ(I − ∂_yTᵀ)⁻¹r_K, so
//!
//! ```text
//! ‖h_K − h‖ ≤ ‖∂_λT‖ ‖r_K‖ / (1 − q)  ≤  ‖∂_λT‖ ‖∇_yL‖ q^K / (1 − q)
//!             the running bound            the a-priori bound
//! ```
//!
//! The a-priori bound can be inverted for K before anything is computed; the running one costs nothing beside the terms and stops earlier.

use super::{CriterionAt, ErrorBound, HypergradientMethod, SmoothHypergradient, Work, finite};
use crate::smooth::{Contraction, IterationMap, SmoothProblem, check_start, norm};
use crate::{Error, Result};

/// The step whose rates hold at the fixed point: the last of every schedule.
pub(super) const LAST_STEP: usize = usize::MAX;

/// How many terms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Terms {
    /// So many, without a bound.
    Count(usize),
    /// So many, with the running bound; measures the contraction first.
    Bounded(usize),
    /// As many as make ‖h_K − h‖ ≤ `epsilon`, by the rule, but no more than `max_terms`.
    Accuracy {
        /// ε.
        epsilon: f64,
        /// Which bound decides.
        rule: StoppingRule,
        /// Where the series ends if the bound has not been reached.
        max_terms: usize,
    },
}

/// Which bound decides where the series ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StoppingRule {
    /// ‖∂_λT‖ ‖∇_yL‖ q^K/(1 − q), known before the first term.
    APriori,
    /// ‖∂_λT‖ ‖r_K‖/(1 − q), with the residual of the series as it is.
    #[default]
    Running,
}

/// K terms of the Neumann series of a map at its fixed point.
pub struct Neumann<'a> {
    /// T.
    pub map: &'a dyn IterationMap,
    /// K.
    pub terms: Terms,
}

/// When the series ends, and the bound on what is left.
struct Rule {
    count: usize,
    epsilon: f64,
    contraction: Option<Contraction>,
}

impl Rule {
    fn left(&self, residual: f64) -> Option<f64> {
        self.contraction.map(|c| c.hyper_norm * residual / (1.0 - c.factor))
    }
}

impl Neumann<'_> {
    fn rule(&self, state: &[f64], hyper: &[f64], first: f64) -> Result<Rule> {
        let measured = || {
            let contraction = Contraction::measure(self.map, LAST_STEP, state, hyper)?;
            contraction.require()?;
            Ok::<_, Error>(contraction)
        };
        Ok(match self.terms {
            Terms::Count(count) => Rule { count, epsilon: 0.0, contraction: None },
            Terms::Bounded(count) => Rule { count, epsilon: 0.0, contraction: Some(measured()?) },
            Terms::Accuracy { epsilon, rule, max_terms } => {
                if epsilon.is_nan() || epsilon <= 0.0 {
                    return Err(Error::setting("epsilon", epsilon, "a positive number"));
                }
                let contraction = measured()?;
                let rule_so_far = Rule { count: max_terms, epsilon, contraction: Some(contraction) };
                match rule {
                    StoppingRule::Running => rule_so_far,
                    StoppingRule::APriori => {
                        let at_first = rule_so_far.left(first).unwrap_or(f64::INFINITY);
                        let count = smallest_power(contraction.factor, epsilon / at_first);
                        Rule { count: count.min(max_terms), epsilon: 0.0, ..rule_so_far }
                    }
                }
            }
        })
    }
}

/// The smallest K with q^K ≤ `ratio`.
fn smallest_power(q: f64, ratio: f64) -> usize {
    if ratio >= 1.0 {
        0
    } else if q <= 0.0 {
        1
    } else {
        (ratio.ln() / q.ln()).ceil() as usize
    }
}

impl HypergradientMethod for Neumann<'_> {
    fn name(&self) -> &'static str {
        "neumann"
    }

    fn hypergradient(
        &self,
        problem: &dyn SmoothProblem,
        hyper: &[f64],
        y: &[f64],
    ) -> Result<SmoothHypergradient> {
        check_start(self.map, hyper, y)?;
        let criterion = CriterionAt::new(problem, hyper, y)?;
        let state = self.map.initial_state(y);
        let mut residual = criterion.by_y;
        residual.resize(state.len(), 0.0);
        let rule = self.rule(&state, hyper, norm(&residual))?;
        let mut gradient = criterion.by_hyper;
        let mut next = vec![0.0; state.len()];
        let mut terms = 0;
        while terms < rule.count && !rule.left(norm(&residual)).is_some_and(|left| left <= rule.epsilon) {
            self.map.adjoint_into(LAST_STEP, (&state, hyper), &residual, &mut next, &mut gradient)?;
            std::mem::swap(&mut residual, &mut next);
            terms += 1;
        }
        let error_bound = rule.contraction.and_then(|contraction| {
            let value = rule.left(norm(&residual))?;
            Some(ErrorBound { value, evidence: contraction.evidence })
        });
        finite(SmoothHypergradient {
            value: criterion.value,
            gradient,
            coefficients: y.to_vec(),
            adjoint: Vec::new(),
            error_bound,
            work: Work { terms, products: terms, ..Work::default() },
        })
    }
}
