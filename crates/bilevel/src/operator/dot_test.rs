//! The dot test: an adjoint that is not the adjoint makes every gradient wrong, and nothing else tells.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::LinearOperator;
use crate::Result;
use crate::kernel::Element;

/// |⟨Ax, y⟩ − ⟨x, Aᵀy⟩| / (‖Ax‖‖y‖ + ‖x‖‖Aᵀy‖) for standard normal x and y drawn from a seed; 0 if both products vanish.
///
/// # Errors
/// What the operator fails with.
///
/// # Example
/// See [the module](super).
pub fn dot_test<T: Element>(operator: &impl LinearOperator<T>, seed: u64) -> Result<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut normal = |n: usize| -> Vec<T> {
        (0..n)
            .map(|_| {
                let drawn: f64 = StandardNormal.sample(&mut rng);
                T::from_f64(drawn)
            })
            .collect()
    };
    let (x, y) = (normal(operator.n_columns()), normal(operator.n_rows()));
    let (forward, back) = (operator.apply(&x)?, operator.adjoint(&y)?);
    let difference = (dot(&forward, &y) - dot(&x, &back)).abs();
    let size = (dot(&forward, &forward) * dot(&y, &y)).sqrt() + (dot(&x, &x) * dot(&back, &back)).sqrt();
    Ok(if size > 0.0 { difference / size } else { difference })
}

fn dot<T: Element>(a: &[T], b: &[T]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a.to_f64() * b.to_f64()).sum()
}
