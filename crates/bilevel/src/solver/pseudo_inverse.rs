//! Least-squares solutions of small singular symmetric systems, by eigenvalues.

use faer::{Mat, MatRef, Side};

/// Eigenvalues below this fraction of the largest count as zero.
const RANK_TOLERANCE: f64 = 1e-10;

/// A⁺ = U diag(1/s) Uᵀ over the eigenvalues s that are not zero.
#[derive(Debug, Clone)]
pub struct PseudoInverse {
    vectors: Mat<f64>,
    /// 1/s, or 0.
    inverse: Vec<f64>,
    smallest: f64,
}

/// The least-squares solution of smallest norm, and what it leaves.
#[derive(Debug, Clone, PartialEq)]
pub struct LeastSquares {
    /// A⁺b.
    pub solution: Vec<f64>,
    /// Norm of the part of b that lies in the null space of A: 0 if the system has a solution.
    pub outside: f64,
}

impl PseudoInverse {
    /// Decomposes the m×m symmetric positive semidefinite matrix in `values`; `None` if the eigenvalue iteration fails or the matrix is zero.
    pub fn new(size: usize, values: &[f64]) -> Option<Self> {
        let eigen = MatRef::from_column_major_slice(values, size, size).self_adjoint_eigen(Side::Lower).ok()?;
        let spectrum: Vec<f64> = (0..size).map(|k| eigen.S()[k]).collect();
        let largest = spectrum.iter().fold(0.0_f64, |m, s| m.max(*s));
        let is_positive = |s: &f64| *s > RANK_TOLERANCE * largest;
        let smallest = spectrum.iter().copied().filter(is_positive).fold(f64::INFINITY, f64::min);
        let inverse = spectrum.iter().map(|s| if is_positive(s) { 1.0 / s } else { 0.0 }).collect();
        smallest.is_finite().then(|| Self { vectors: eigen.U().to_owned(), inverse, smallest })
    }

    /// A⁺b.
    pub fn solve(&self, b: &[f64]) -> LeastSquares {
        let size = self.inverse.len();
        let mut solution = vec![0.0; size];
        let mut outside = 0.0;
        for (k, &inverse) in self.inverse.iter().enumerate() {
            let along: f64 = (0..size).map(|i| self.vectors[(i, k)] * b[i]).sum();
            if inverse == 0.0 {
                outside += along * along;
            } else {
                (0..size).for_each(|i| solution[i] += along * inverse * self.vectors[(i, k)]);
            }
        }
        LeastSquares { solution, outside: outside.sqrt() }
    }

    /// The smallest eigenvalue that is not zero.
    pub fn smallest_eigenvalue(&self) -> f64 {
        self.smallest
    }
}

#[cfg(test)]
mod tests {
    use super::PseudoInverse;

    #[test]
    fn two_equal_columns_share_the_solution() {
        let inverse = PseudoInverse::new(2, &[1.0, 1.0, 1.0, 1.0]).unwrap();
        let consistent = inverse.solve(&[2.0, 2.0]);
        approx::assert_relative_eq!(consistent.solution[0], 1.0, max_relative = 1e-14);
        approx::assert_relative_eq!(consistent.solution[1], 1.0, max_relative = 1e-14);
        assert!(consistent.outside < 1e-15);
        approx::assert_relative_eq!(inverse.solve(&[1.0, -1.0]).outside, 2.0_f64.sqrt(), max_relative = 1e-14);
        approx::assert_relative_eq!(inverse.smallest_eigenvalue(), 2.0, max_relative = 1e-14);
    }
}
