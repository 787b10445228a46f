//! Mean and scatter of weighted rows (a, b): all that the squared loss knows of them.

use crate::design::DesignMatrix;
use crate::lower::ColumnScatter;

/// A variance below this part of the mean square is rounding: the square of a few units in the last place.
const ROUNDING_SQUARED: f64 = 2e-29;

/// Total weight C = Σ h, mean m = Σ h x / C and scatter Σ h (x−m)(x−m)ᵀ of x = (a, b), the target in the last place. Without an intercept m = 0.
#[derive(Debug, Clone)]
pub(super) struct Moments {
    pub(super) total: f64,
    pub(super) mean: Vec<f64>,
    /// (p+1)×(p+1), symmetric.
    pub(super) scatter: Vec<f64>,
}

impl Moments {
    /// Of all rows, with weights h ≥ 0 that do not all vanish.
    pub(super) fn new<D: DesignMatrix>(design: &D, targets: &[f64], weights: &[f64], centered: bool) -> Self {
        let p = design.n_columns();
        let size = p + 1;
        let total: f64 = weights.iter().sum();
        let of_columns = ColumnScatter::new(design, weights, centered);
        let sum: f64 = weights.iter().zip(targets).map(|(h, b)| h * b).sum();
        let target_mean = if centered { sum / total } else { 0.0 };
        let weighted: Vec<f64> = weights.iter().zip(targets).map(|(h, b)| h * (b - target_mean)).collect();
        // Zero but for rounding, which columns with large means would multiply.
        let left: f64 = if centered { weighted.iter().sum() } else { 0.0 };
        let mut cross = vec![0.0; p];
        design.transpose_product_into(&weighted, &mut cross);
        let mut mean: Vec<f64> =
            of_columns.sums.iter().map(|s| if centered { s / total } else { 0.0 }).collect();
        cross.iter_mut().zip(&mean).for_each(|(c, m)| *c -= left * m);
        let square: f64 = weighted.iter().zip(targets).map(|(w, b)| w * (b - target_mean)).sum();
        let mut scatter = vec![0.0; size * size];
        for j in 0..p {
            scatter[j * size..j * size + p].copy_from_slice(&of_columns.products[j * p..(j + 1) * p]);
            (scatter[j * size + p], scatter[p * size + j]) = (cross[j], cross[j]);
        }
        scatter[p * size + p] = square;
        mean.push(target_mean);
        Self { total, mean, scatter }
    }

    /// Of the rows of all parts but one, by the sums of what the parts have: nothing is subtracted, so that no digits cancel.
    pub(super) fn of_others(parts: &[Self], left_out: usize) -> Self {
        let others = || parts.iter().enumerate().filter(|(k, _)| *k != left_out).map(|(_, part)| part);
        let size = parts[left_out].mean.len();
        let total: f64 = others().map(|part| part.total).sum();
        let (mut mean, mut scatter) = (vec![0.0; size], vec![0.0; size * size]);
        for part in others() {
            crate::kernel::axpy(part.total / total, &part.mean, &mut mean);
        }
        for part in others() {
            crate::kernel::axpy(1.0, &part.scatter, &mut scatter);
            let shift: Vec<f64> = part.mean.iter().zip(&mean).map(|(m, of_all)| m - of_all).collect();
            for (column, d) in scatter.chunks_mut(size).zip(&shift).filter(|(_, d)| **d != 0.0) {
                crate::kernel::axpy(part.total * d, &shift, column);
            }
        }
        Self { total, mean, scatter }
    }

    /// The variance of column j (p for the target); 0 where it is rounding.
    pub(super) fn variance(&self, j: usize) -> f64 {
        let variance = self.scatter[j * self.mean.len() + j] / self.total;
        if variance <= ROUNDING_SQUARED * (variance + self.mean[j] * self.mean[j]) { 0.0 } else { variance }
    }
}
