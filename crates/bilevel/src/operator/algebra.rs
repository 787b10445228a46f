//! Operators made of others, and the simple ones that they are made of. Shapes are checked once, when an operator is made.

mod combined;
mod entrywise;
mod matrix;
mod stacked;

pub use combined::{Composition, Scaled, Sum, Transpose};
pub use entrywise::{Diagonal, Identity, Mask};
pub use matrix::MatrixOperator;
pub use stacked::{BlockDiagonal, Stack};

use super::{LinearOperator, Real};
use crate::{Error, Result};

/// The size that all operators have, by `size`; a sentence with `what` if they differ or there is none.
fn common_size<T: Real, A: LinearOperator<T>>(
    what: &str,
    operators: &[A],
    size: impl Fn(&A) -> usize,
) -> Result<usize> {
    let Some(first) = operators.first() else {
        return Err(Error::data(what, "no operators", "at least one"));
    };
    let expected = size(first);
    match operators.iter().position(|operator| size(operator) != expected) {
        None => Ok(expected),
        Some(k) => Err(Error::data(
            format!("{what}, number {}", k + 1),
            size(&operators[k]).to_string(),
            format!("{expected}, as number 1 has"),
        )),
    }
}

/// out += x.
fn add<T: Real>(x: &[T], out: &mut [T]) {
    out.iter_mut().zip(x).for_each(|(out, &x)| *out += x);
}
