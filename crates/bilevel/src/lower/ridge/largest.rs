//! The largest eigenvalue of the loss's Hessian: the scale of λ.

use crate::design::DesignMatrix;
use crate::loss::Loss;

use super::{RidgeGlm, dot, norm};

/// Products of the power iteration.
const POWER_STEPS: usize = 30;
/// By rows it ends where a product raises the eigenvalue by less than this part of it: a range of many decades is not chosen more exactly.
const SETTLED: f64 = 3e-3;

impl<D: DesignMatrix, L: Loss> RidgeGlm<'_, D, L> {
    /// The largest eigenvalue of the loss's Hessian in the model without features, to a few percent and from below: the scale of λ. At λ = t times
    /// this, no direction is shrunk to less than t/(1 + t) of the way to zero for the squared loss.
    pub fn largest_curvature(&self) -> f64 {
        self.caches.largest_curvature(|| self.power_iteration())
    }

    fn power_iteration(&self) -> f64 {
        let curvatures =
            self.glm.curvatures(&vec![self.glm.null_model().intercept; self.glm.design.n_rows()]);
        let curvature = self.glm.curvature(&curvatures);
        let columns: Vec<u32> = (0_u32..).take(self.glm.design.n_columns()).collect();
        let is_iterative = self.caches.is_iterative(self, columns.len(), true);
        let rows = is_iterative.then(|| self.caches.by_rows(&self.glm)).flatten();
        let sums = curvature.column_sums(&columns);
        let (mut work, mut eigenvalue) = (Vec::new(), 0.0);
        // Power iteration, from the diagonal: where columns have scales of their own, the largest leads.
        let mut v = curvature.diagonal(&columns, &sums);
        let mut image = vec![0.0; v.len()];
        for _ in 0..POWER_STEPS {
            let norm = norm(&v);
            if norm.is_nan() || norm <= 0.0 {
                return 0.0;
            }
            v.iter_mut().for_each(|x| *x /= norm);
            let last = eigenvalue;
            match &rows {
                Some(rows) => curvature.product_by_rows(rows, &sums, &v, &mut image),
                None => curvature.product_into(&columns, &sums, &v, &mut work, &mut image),
            }
            eigenvalue = dot(&v, &image);
            if rows.is_some() && eigenvalue - last <= SETTLED * eigenvalue {
                break;
            }
            std::mem::swap(&mut v, &mut image);
        }
        eigenvalue
    }
}
