//! Hypergradients: the derivative of the criterion through the lower-level solution.

use serde::{Deserialize, Serialize};

/// Which biactive coordinates (on a kink of the solution map) enter the adjoint system (DESIGN §2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BiactivePolicy {
    /// Start from `DescentAligned`; drop every selected coordinate whose adjoint disagrees with its sign; repeat until none drops.
    #[default]
    SelfConsistent,
    /// B⁺ where ∇_yL is negative, B⁻ where it is positive.
    DescentAligned,
    /// None of them.
    Null,
    /// All of them.
    All,
}
