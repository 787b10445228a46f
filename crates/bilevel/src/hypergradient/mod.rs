//! Hypergradients: the derivative of the criterion through the lower-level solution.
//!
//! The lower level stays exactly nonsmooth. On the active blocks the solution map is differentiable and the implicit function theorem gives
//! the adjoint system; at kinks a [`BiactivePolicy`] chooses an element of the enlarged subdifferential (DESIGN §2.1).

mod bound;
mod directional;
mod implicit;
mod partition;
mod reduced;

use serde::{Deserialize, Serialize};

pub(crate) use directional::one_sided;
pub use directional::{Direction, OneSided};
pub(crate) use implicit::implicit;
pub use partition::{BlockState, Partition};

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
