//! Correlations Aᵀ(s∘f') of the columns with the slopes of the loss, and the norms of the columns that tell them from rounding.

use rayon::prelude::*;

use crate::design::DesignMatrix;
use crate::loss::Loss;
use crate::penalty::Penalty;

use super::SparseGlm;

impl<D: DesignMatrix, L: Loss, P: Penalty> SparseGlm<'_, D, L, P> {
    /// Aᵀ(s∘f') at slopes s∘f', with entries that are nothing but the rounding of their sums set to 0: those of a constant column beside an
    /// intercept, say, which would otherwise ask for a coefficient that cannot help, and keep a small λ from ever meeting its condition.
    pub(super) fn correlations_into(&self, slopes: &[f64], out: &mut [f64]) {
        self.transpose_product_and_norms(slopes, out);
        self.drop_rounding(slopes, out);
    }

    /// Makes those of Aᵀ slopes zero that are no more than rounding.
    pub(super) fn drop_rounding(&self, slopes: &[f64], out: &mut [f64]) {
        let norms = self.column_norms();
        let terms = slopes.iter().zip(self.sample_weights).filter(|(_, s)| **s > 0.0);
        let size = terms.map(|(slope, s)| slope * slope / s).sum::<f64>().sqrt();
        // Errors of a sum of n terms grow as √n; by Cauchy and Schwarz the terms add up to at most ‖a_j‖·‖f'‖.
        let rounding = (4.0 + (slopes.len() as f64).sqrt()) * f64::EPSILON * size;
        out.iter_mut()
            .zip(norms)
            .filter(|(c, norm)| c.abs() <= rounding * f64::from(**norm))
            .for_each(|(c, _)| *c = 0.0);
    }

    /// √(Σ s a_j²) of each column.
    pub(super) fn column_norms(&self) -> &[f32] {
        if let Some(norms) = self.column_norms.get() {
            return norms;
        }
        let norms = (0..self.design.n_columns()).into_par_iter().map(|j| self.column_norm(j)).collect();
        self.column_norms.get_or_init(|| norms)
    }

    /// Single precision is plenty for the size of a rounding error, or of a step.
    #[allow(clippy::cast_possible_truncation)]
    fn column_norm(&self, j: usize) -> f32 {
        let square = self.design.column_weighted_square(j, self.sample_weights);
        square.sqrt().min(f64::from(f32::MAX)) as f32
    }

    /// out = Aᵀ slopes, and the norms of the columns: the first time in the same pass over the matrix.
    fn transpose_product_and_norms(&self, slopes: &[f64], out: &mut [f64]) {
        if self.column_norms.get().is_some() {
            return self.design.transpose_product_into(slopes, out);
        }
        let both = |(j, o): (usize, &mut f64)| {
            *o = self.design.column_dot(j, slopes);
            self.column_norm(j)
        };
        let norms = out.par_iter_mut().enumerate().with_min_len(64).map(both).collect();
        self.column_norms.get_or_init(|| norms);
    }

    /// √(Σ s a_j²) over the columns of a block.
    pub(crate) fn block_norm(&self, g: usize) -> f64 {
        let norms = self.column_norms();
        let square = |&j: &u32| f64::from(norms[j as usize]).powi(2);
        self.penalty.blocks().members(g).iter().map(square).sum::<f64>().sqrt()
    }
}
