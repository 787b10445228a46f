//! λ for the price of one Krylov solve: min ½‖Ax − b‖² + (λ/2)‖Lx‖² for an operator that can only be applied.
//!
//! [`hybrid`] bidiagonalizes A from b once. The space does not depend on λ, so that every λ costs a small projected problem: criteria are
//! minimized there, and the space grows until the chosen λ and its solution have settled. What the usual hybrid methods leave out is said:
//!
//! - degrees of freedom are those of the full problem ([`Freedom::Stochastic`]), not of the small space, which cannot count beyond its size and
//!   so lets GCV run to its lower bound;
//! - a minimum on the edge of the range is reported as one ([`HybridFit::edge`]), never passed off as an answer;
//! - held-out rows cost no product of their own ([`Rule::HoldOut`]);
//! - the distance to the exact minimizer is bounded by the gradient, which is known without a product.
//!
//! A regularizer L ≠ I comes to this form through [`StandardForm`]; several terms λ_k‖L_kx‖² through [`TikhonovTerms`], by preconditioned
//! conjugate gradients.
//!
//! # Example
//! ```
//! use bilevel::inverse::krylov::{HybridSettings, Rule, hybrid};
//! use bilevel::operator::{LinearOperator, ParallelBeam, Radon};
//!
//! let radon = Radon::new(&ParallelBeam::half_turn(16, 16, 24))?;
//! let truth: Vec<f64> = (0..256).map(|k| if (k / 16_usize).abs_diff(8) < 4 { 1.0 } else { 0.0 }).collect();
//! let mut b = radon.apply(&truth)?;
//! b.iter_mut().enumerate().for_each(|(k, b)| *b += 0.5 * ((k * k) as f64).sin());
//! let held_out: Vec<usize> = (0..b.len()).step_by(5).collect();
//! let fit = hybrid(&radon, &b, &Rule::HoldOut(held_out), &HybridSettings::default())?;
//! assert!(fit.edge.is_none() && fit.lambda > 0.0);
//! # Ok::<(), bilevel::Error>(())
//! ```

mod freedom;
mod hold_out;
mod hybrid;
mod projected;
mod rule;
mod space;
mod standard_form;
mod terms;

pub use hybrid::{HybridEnd, HybridFit, HybridSettings, hybrid};
pub use rule::{Edge, Freedom, Rule};
pub use space::{Derivative, HybridSpace, Slope};
pub use standard_form::StandardForm;
pub use terms::{Preconditioner, TermsAdjoint, TermsSettings, TermsSolution, TikhonovTerms};
