//! What two solutions prove about all that lie between them.
//!
//! The lower level is solved at two hyperparameters a and b, and h(t) = (1−t)h_a + t h_b are those between. No solution y*(t) for 0 < t < 1 is known,
//! but the *chord* ỹ(t) = (1−t)y_a + t y_b is near it, and how near can be computed from the two ends (`chord.rs`):
//!
//! 1. **Gap.** With the dual points u_a, u_b of the ends, ũ(t) = (1−t)u_a + t u_b is dual feasible at h(t), since the constraints ρ°(A_gᵀ(s∘u)) ≤ λ_g are
//!    convex in (u, λ) together. By the identity P − D = Σ s_i FY_i + Σ_g FY_g, a sum of nonnegative terms of Fenchel and Young in which only bilinear and
//!    convex functions meet, the duality gap on the chord is at most γ(t) = (1−t)γ_a + tγ_b + t(1−t)·bow. The bow is *zero* under the squared loss
//!    where no coefficient enters, leaves or changes its sign, which is where the path is straight.
//! 2. **Candidates.** The dual objective is 1/L-strongly concave, so the dual solution is within √(2Lγ) of ũ(t), and a block with
//!    ρ°(A_gᵀ(s∘ũ)) + ‖A_g‖√(2Lγ) < λ_g is zero there (the gap-safe rule, for all t at once: the left side minus λ_g is convex in t, so that two ends
//!    suffice). The others are the candidates E; outside of E nothing happens between a and b, and the rest is a problem of |E| columns (`reduced.rs`).
//! 3. **Deviation.** The primal objective grows from its minimizer at least like ½‖A(y−y*)‖² in the smallest curvatures h̲ on the chord, so any linear
//!    functional of the predictor satisfies |ωᵀ(z*(t) − z̃(t))| ≤ ‖Aᵀω‖_{G⁻¹}√(2γ(t)), G = A_Eᵀ diag(s∘h̲) A_E + αI. The criterion is convex in z, and
//!    this turns a bound on the coefficients into one on the criterion (`objective/certified`).
//!
//! Losses other than the squared one are bent between the ends. Where |f‴| ≤ M f″ (M = 1 for the logistic loss), curvatures at two points bound those between them
//! and around them: f″ ≥ √(f″_a f″_b)·e^{−M|z_b−z_a|/2} on the chord, and the Fenchel–Young term of a sample is of fourth order in z_b − z_a.
//!
//! Sources: Fercoq, Gramfort, Salmon, "Mind the duality gap: safer rules for the Lasso", ICML 2015; Giesen, Laue, Mueller, Swiercy, "Approximating concavely
//! parameterized optimization problems", NIPS 2012 (gaps along a path); Shibagaki, Suzuki, Karasuyama, Takeuchi, "Regularization path of cross-validation
//! error lower bounds", NIPS 2015 (bounds on the criterion from bounds on the solution); Bach, "Self-concordant analysis for logistic regression", EJS 4 (2010).

mod basis;
mod chord;
mod reduced;
#[cfg(test)]
mod tests;

use crate::Result;

use super::{Hyperparameters, Solution};

/// A solution and where it is one.
#[derive(Debug, Clone, Copy)]
pub struct PathPoint<'e> {
    /// (λ, α).
    pub at: &'e Hyperparameters,
    /// The solution there, to whatever gap.
    pub solution: &'e Solution,
}

/// A solution on a segment, t from 0 to 1 along it.
#[derive(Debug, Clone, Copy)]
pub struct SegmentPoint<'e> {
    /// t.
    pub t: f64,
    /// A solution that [`PathSegment::solve`] returned.
    pub solution: &'e Solution,
}

/// The lower level between two solved hyperparameters, on the columns that matter there.
pub trait PathSegment: Send {
    /// Number of coefficients that may differ from zero anywhere on the segment.
    fn n_candidates(&self) -> usize;

    /// The given solution at t = `which`, 0 or 1, on the candidates.
    fn end(&self, which: usize) -> Solution;

    /// The solution at t, on the candidates; from a nearby one.
    ///
    /// # Errors
    /// [`crate::Error::LowerLevel`] if the solver ends far from the asked accuracy.
    fn solve(&mut self, t: f64, start: Solution) -> Result<Solution>;

    /// The point between two solutions of the segment, as a start.
    fn between(&self, from: SegmentPoint<'_>, to: SegmentPoint<'_>, t: f64) -> Solution;

    /// For each functional ω (length n) a bound on |ωᵀ(z*(t) − z̃(t))|, for all t between two solutions, z̃ being the chord between their predictors. `None`
    /// where nothing is proven: the columns of the candidates depend on each other, say, and there is no ridge.
    fn deviations(
        &mut self,
        from: SegmentPoint<'_>,
        to: SegmentPoint<'_>,
        functionals: &[&[f64]],
    ) -> Option<Vec<f64>>;
}
