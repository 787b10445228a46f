//! Smooth lower levels that users write: products, solvers, maps, and every way to differentiate through them.

mod agreement;
mod bounds;
mod degenerate;
mod maps;
mod optimizer;
mod outer;
mod problems;
mod products;
mod solvers;
