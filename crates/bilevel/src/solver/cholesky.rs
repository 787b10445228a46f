//! Cholesky factorization of small symmetric positive definite matrices (on [`faer`]), with an estimate of the smallest eigenvalue.

use faer::linalg::solvers::{Llt, Solve};
use faer::{Mat, MatRef, Side};

/// A = LLᵀ.
#[derive(Debug, Clone)]
pub struct Cholesky {
    factor: Llt<f64>,
    size: usize,
}

impl Cholesky {
    /// Factorizes the m×m matrix in `values` (either order, it is symmetric); `None` if it is not numerically positive definite, that is,
    /// if a pivot falls below 1e-13 of its own diagonal entry (which no scaling of the variables changes).
    pub fn new(size: usize, values: &[f64]) -> Option<Self> {
        debug_assert_eq!(values.len(), size * size);
        let matrix = MatRef::from_column_major_slice(values, size, size);
        let factor = matrix.llt(Side::Lower).ok()?;
        let lower = factor.L();
        let well_posed = (0..size).all(|k| lower[(k, k)] * lower[(k, k)] > 1e-13 * values[k * size + k]);
        well_posed.then_some(Self { factor, size })
    }

    /// x = A⁻¹ b.
    pub fn solve(&self, b: &[f64]) -> Vec<f64> {
        debug_assert_eq!(b.len(), self.size);
        let x = self.factor.solve(Mat::from_fn(self.size, 1, |i, _| b[i]));
        (0..self.size).map(|i| x[(i, 0)]).collect()
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
