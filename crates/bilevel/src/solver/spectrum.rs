//! Eigenvalues and eigenvectors of small symmetric positive semidefinite matrices, for functions of them.

use faer::{Mat, MatRef, Side};

/// A = V diag(s) Vᵀ.
#[derive(Debug, Clone)]
pub struct Spectrum {
    vectors: Mat<f64>,
    values: Vec<f64>,
}

impl Spectrum {
    /// Decomposes the m×m matrix in `values` (either order, it is symmetric); eigenvalues that rounding made negative become 0. `None` if the
    /// iteration fails or a value is not finite.
    ///
    /// ```
    /// // (A + I)⁻¹b for many shifts costs two products each.
    /// let spectrum = bilevel::solver::Spectrum::new(2, &[2.0, 1.0, 1.0, 2.0]).expect("a small matrix");
    /// let x = spectrum.apply(&[3.0, 3.0], |s| 1.0 / (s + 1.0));
    /// assert!((x[0] - 0.75).abs() < 1e-14 && (x[1] - 0.75).abs() < 1e-14);
    /// ```
    pub fn new(size: usize, values: &[f64]) -> Option<Self> {
        debug_assert_eq!(values.len(), size * size);
        // `max` below would take an eigenvalue that is NaN for 0.
        if !values.iter().all(|value| value.is_finite()) {
            return None;
        }
        let eigen =
            MatRef::from_column_major_slice(values, size, size).self_adjoint_eigen(Side::Lower).ok()?;
        let values: Vec<f64> = (0..size).map(|k| eigen.S()[k].max(0.0)).collect();
        Some(Self { vectors: eigen.U().to_owned(), values })
    }

    /// V diag(f(s)) Vᵀ b.
    pub fn apply(&self, b: &[f64], f: impl Fn(f64) -> f64) -> Vec<f64> {
        let mut out = vec![0.0; b.len()];
        for (k, &s) in self.values.iter().enumerate() {
            let vector = self.vectors.col_as_slice(k);
            crate::kernel::axpy(f(s) * crate::kernel::dot(vector, b), vector, &mut out);
        }
        out
    }

    /// The smallest eigenvalue; +∞ for a matrix of size 0.
    pub fn smallest(&self) -> f64 {
        self.values.iter().copied().fold(f64::INFINITY, f64::min)
    }
}
