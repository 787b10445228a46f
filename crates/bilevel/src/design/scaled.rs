//! A design matrix with its columns multiplied by constants, without touching the stored values.

use super::DesignMatrix;

/// A·diag(scale): what standardization makes of A, without copying or densifying it.
#[derive(Debug, Clone)]
pub struct ScaledDesign<'a, D> {
    design: &'a D,
    scale: Option<Vec<f64>>,
}

impl<'a, D: DesignMatrix> ScaledDesign<'a, D> {
    /// The matrix as it is (`scale` = `None`) or with column j multiplied by `scale[j]` (length p).
    pub fn new(design: &'a D, scale: Option<Vec<f64>>) -> Self {
        debug_assert!(scale.as_ref().is_none_or(|s| s.len() == design.n_columns()));
        Self { design, scale }
    }

    /// Another matrix of as many columns, multiplied by the same factors.
    pub(crate) fn with_factors<'b, E: DesignMatrix>(&self, design: &'b E) -> ScaledDesign<'b, E> {
        ScaledDesign::new(design, self.scale.clone())
    }

    /// The factor of column j.
    #[inline]
    pub fn factor(&self, column: usize) -> f64 {
        self.scale.as_ref().map_or(1.0, |s| s[column])
    }
}

impl<D: DesignMatrix> DesignMatrix for ScaledDesign<'_, D> {
    fn n_rows(&self) -> usize {
        self.design.n_rows()
    }
    fn n_columns(&self) -> usize {
        self.design.n_columns()
    }
    fn n_stored(&self) -> usize {
        self.design.n_stored()
    }
    #[inline]
    fn column_stored(&self, column: usize) -> usize {
        self.design.column_stored(column)
    }
    #[inline]
    fn column_dot(&self, column: usize, v: &[f64]) -> f64 {
        self.factor(column) * self.design.column_dot(column, v)
    }
    #[inline]
    fn column_axpy(&self, column: usize, s: f64, out: &mut [f64]) {
        self.design.column_axpy(column, self.factor(column) * s, out);
    }
    #[inline]
    fn column_weighted_axpy(&self, column: usize, s: f64, weights: &[f64], out: &mut [f64]) {
        self.design.column_weighted_axpy(column, self.factor(column) * s, weights, out);
    }
    #[inline]
    fn column_weighted_square(&self, column: usize, weights: &[f64]) -> f64 {
        let factor = self.factor(column);
        factor * factor * self.design.column_weighted_square(column, weights)
    }
    #[inline]
    fn visit_column(&self, column: usize, mut visit: impl FnMut(usize, f64)) {
        let factor = self.factor(column);
        self.design.visit_column(column, |i, a| visit(i, factor * a));
    }
    fn column_part_axpy(&self, column: usize, s: f64, first: usize, out: &mut [f64]) {
        self.design.column_part_axpy(column, self.factor(column) * s, first, out);
    }
    fn columns_dot_into(&self, columns: &[u32], v: &[f64], out: &mut [f64]) {
        self.design.columns_dot_into(columns, v, out);
        out.iter_mut().zip(columns).for_each(|(o, &j)| *o *= self.factor(j as usize));
    }
    fn transpose_product_into(&self, v: &[f64], out: &mut [f64]) {
        self.design.transpose_product_into(v, out);
        if let Some(scale) = &self.scale {
            out.iter_mut().zip(scale).for_each(|(o, s)| *o *= s);
        }
    }
    fn product_into(&self, coefficients: &[f64], out: &mut [f64]) {
        match &self.scale {
            None => self.design.product_into(coefficients, out),
            Some(scale) => {
                let scaled: Vec<f64> = coefficients.iter().zip(scale).map(|(c, s)| s * c).collect();
                self.design.product_into(&scaled, out);
            }
        }
    }
}
