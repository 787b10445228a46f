//! Hypergradients: the derivative of the criterion through the lower-level solution.
//!
//! The lower level stays exactly nonsmooth. On the active blocks the solution map is differentiable and the implicit function theorem gives
//! the adjoint system; at kinks a [`BiactivePolicy`] chooses an element of the enlarged subdifferential (DESIGN §2.1).

mod bound;
mod cone;
mod directional;
mod gauss_newton;
mod implicit;
mod partition;
mod reduced;
mod selection;
pub mod smooth;
mod solve;
mod system;
mod tangent;

pub(crate) use directional::critical_cone;
pub use directional::{CriticalCone, Direction, OneSided};
pub use gauss_newton::QuadraticCriterion;
pub(crate) use gauss_newton::gauss_newton;
pub(crate) use implicit::implicit;
pub use partition::{BlockState, Partition};
pub use selection::{BiactivePolicy, Selection};
pub use tangent::Tangent;
