//! Duality gap of the sparse generalized linear model.
//!
//! ```text
//! P(y, c) = Σ s_i f(b_i, z_i) + (α/2)‖y‖² + Σ_g λ_g ρ(y_g),   z = Ay + c
//! D(u)    = −Σ s_i f*(b_i, u_i) − Σ_g π_g*(A_gᵀ(s∘u)),        subject to Σ s_i u_i = 0 if there is an intercept
//! ```
//!
//! π_g* is the indicator of {ρ° ≤ λ_g} when α = 0 and (ρ°−λ_g)₊²/(2α) when α > 0. The candidate is u = t·f'(z), with t chosen so that the
//! constraints hold: every value P − D returned here is a true bound on the distance to the minimum. The one exception are
//! blocks that have neither weight nor ridge (λ_g = 0 = α): for them the dual constraint is an equality that no scaling can meet, and the gap is that of
//! the problem with their part of the predictor bounded: see [`SparseGlm::unpenalized_cost`](super::SparseGlm).
//!
//! Source: Fercoq, Gramfort, Salmon, "Mind the duality gap: safer rules for the Lasso", ICML 2015; Ndiaye et al., JMLR 18 (2017).

use crate::loss::Loss;
use crate::penalty::Penalty;

/// What the gap is computed from; vectors over samples have length n, over coefficients p.
pub(super) struct DualPoint<'a> {
    pub(super) sample_weights: &'a [f64],
    pub(super) targets: &'a [f64],
    /// Is subtracted from every target, which changes nothing where f depends on b − z alone and Σ s_i u_i = 0, but saves the digits of targets far
    /// from zero.
    pub(super) center: f64,
    /// f'(b_i, z_i).
    pub(super) derivatives: &'a [f64],
    /// Aᵀ(s∘f').
    pub(super) correlations: &'a [f64],
    pub(super) lambda: &'a [f64],
    pub(super) ridge: f64,
    /// What the dual constraints of unpenalized blocks, which are not met exactly, may cost; 0 with a ridge.
    pub(super) unpenalized: f64,
}

impl DualPoint<'_> {
    /// The largest dual value among the candidates t = 1 (with a ridge part) and t scaled to feasibility.
    pub(super) fn value<L: Loss, P: Penalty>(&self, loss: L, penalty: &P) -> f64 {
        let blocks = penalty.blocks();
        let mut block = Vec::new();
        let mut feasible = 1.0_f64;
        let mut excess = 0.0;
        for g in 0..blocks.len() {
            let lambda = self.lambda[g];
            if lambda == f64::INFINITY {
                continue;
            }
            blocks.gather(g, self.correlations, &mut block);
            let norm = penalty.dual_norm(&block);
            if lambda > 0.0 {
                if norm > lambda {
                    feasible = feasible.min(lambda / norm);
                    excess += (norm - lambda) * (norm - lambda);
                }
            } else if self.ridge > 0.0 {
                excess += norm * norm;
            }
        }
        let scaled = self.loss_part(loss, feasible)
            - feasible * self.unpenalized
            - self.ridge_of_unweighted(penalty, feasible);
        if self.ridge > 0.0 {
            scaled.max(self.loss_part(loss, 1.0) - excess / (2.0 * self.ridge))
        } else {
            scaled
        }
    }

    /// −Σ s_i f*(b_i, t u_i).
    fn loss_part<L: Loss>(&self, loss: L, t: f64) -> f64 {
        let mut sum = 0.0;
        for ((&s, &b), &u) in self.sample_weights.iter().zip(self.targets).zip(self.derivatives) {
            if s != 0.0 {
                sum -= s * loss.conjugate(b - self.center, t * u);
            }
        }
        sum
    }

    /// Blocks with λ_g = 0 under a ridge: their conjugate is quadratic also at the scaled candidate.
    fn ridge_of_unweighted<P: Penalty>(&self, penalty: &P, t: f64) -> f64 {
        if self.ridge == 0.0 {
            return 0.0;
        }
        let blocks = penalty.blocks();
        let mut block = Vec::new();
        let mut sum = 0.0;
        for g in (0..blocks.len()).filter(|&g| self.lambda[g] == 0.0) {
            blocks.gather(g, self.correlations, &mut block);
            let norm = t * penalty.dual_norm(&block);
            sum += norm * norm / (2.0 * self.ridge);
        }
        sum
    }
}
