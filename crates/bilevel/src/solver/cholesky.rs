//! Cholesky factorization of small symmetric positive definite matrices (on [`faer`]), with an estimate of the smallest eigenvalue.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::triangular_solve::{solve_lower_triangular_in_place, solve_upper_triangular_in_place};
use faer::{MatMut, MatRef, Par};

/// A pivot below this part of its diagonal entry counts as zero.
pub(super) const SMALLEST_PIVOT: f64 = 1e-13;

/// A = LLᵀ.
#[derive(Debug, Clone)]
pub struct Cholesky {
    /// L below and on the diagonal, column major; what is above means nothing.
    lower: Vec<f64>,
    size: usize,
}

impl Cholesky {
    /// Factorizes the m×m matrix in `values` (either order, it is symmetric); `None` if it is not numerically positive definite, that is,
    /// if a pivot falls below 1e-13 of its own diagonal entry (which no scaling of the variables changes).
    pub fn new(size: usize, values: &[f64]) -> Option<Self> {
        Self::in_place(size, values.to_vec())
    }

    /// The same in the matrix's own memory.
    pub fn in_place(size: usize, mut values: Vec<f64>) -> Option<Self> {
        factorize(size, &mut values).then_some(Self { lower: values, size })
    }

    /// x = A⁻¹ b.
    pub fn solve(&self, b: &[f64]) -> Vec<f64> {
        debug_assert_eq!(b.len(), self.size);
        let mut x = b.to_vec();
        let lower = MatRef::from_column_major_slice(&self.lower, self.size, self.size);
        solve_lower_triangular_in_place(
            lower,
            MatMut::from_column_major_slice_mut(&mut x, self.size, 1),
            Par::Seq,
        );
        solve_upper_triangular_in_place(
            lower.transpose(),
            MatMut::from_column_major_slice_mut(&mut x, self.size, 1),
            Par::Seq,
        );
        x
    }

    /// A lower estimate of the smallest eigenvalue: inverse iteration from a vector without symmetry, divided by 1.1 for what eight
    /// iterations leave open.
    pub fn smallest_eigenvalue(&self) -> f64 {
        if self.size == 0 {
            return f64::INFINITY;
        }
        let mut v: Vec<f64> =
            (0..self.size).map(|i| 1.0 + 0.37 * ((i * 7919) % 101) as f64 / 101.0).collect();
        let mut eigenvalue = f64::INFINITY;
        for _ in 0..8 {
            let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
            v.iter_mut().for_each(|x| *x /= norm);
            v = self.solve(&v);
            eigenvalue = 1.0 / v.iter().map(|x| x * x).sum::<f64>().sqrt();
        }
        eigenvalue / 1.1
    }
}

/// Writes the factor of the m×m matrix in `values` into its lower triangle; `false` if the matrix is not numerically positive definite.
pub(super) fn factorize(size: usize, values: &mut [f64]) -> bool {
    debug_assert_eq!(values.len(), size * size);
    let diagonal: Vec<f64> = (0..size).map(|j| values[j * size + j]).collect();
    let parameters = Default::default();
    let Ok(mut memory) = MemBuffer::try_new(cholesky_in_place_scratch::<f64>(size, Par::Seq, parameters))
    else {
        return false;
    };
    let matrix = MatMut::from_column_major_slice_mut(values, size, size);
    let stack = MemStack::new(&mut memory);
    cholesky_in_place(matrix, Default::default(), Par::Seq, stack, parameters).is_ok()
        && diagonal.iter().enumerate().all(|(j, d)| {
            let pivot = values[j * size + j];
            pivot * pivot > SMALLEST_PIVOT * d
        })
}

#[cfg(test)]
mod tests {
    use super::Cholesky;

    #[test]
    fn solves_a_two_by_two_system_in_closed_form() {
        let factor = Cholesky::new(2, &[4.0, 2.0, 2.0, 3.0]).unwrap();
        let x = factor.solve(&[2.0, 5.0]);
        approx::assert_relative_eq!(x[0], -0.5, max_relative = 1e-14);
        approx::assert_relative_eq!(x[1], 2.0, max_relative = 1e-14);
        let smallest = (7.0 - 17.0_f64.sqrt()) / 2.0;
        assert!(factor.smallest_eigenvalue() <= smallest && factor.smallest_eigenvalue() > 0.85 * smallest);
    }

    #[test]
    fn a_singular_matrix_is_refused() {
        assert!(Cholesky::new(2, &[1.0, 1.0, 1.0, 1.0]).is_none());
    }
}
