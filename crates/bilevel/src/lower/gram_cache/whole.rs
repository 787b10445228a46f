//! Products of all columns: with them the correlations of the squared loss follow from the coefficients, with no pass over the matrix.

use crate::design::DesignMatrix;

use super::fill::Threads;
use super::{GramCache, capacity};

/// How many products of two entries a product of dense matrices forms in the time that a pass over the matrix takes for one.
const SPEED_OF_BLOCKS: f64 = 16.0;

impl GramCache {
    /// Whether the products of all columns are held, and their correlations at zero known.
    pub(super) fn is_whole(&self) -> bool {
        !self.at_zero.is_empty()
    }

    /// Counts a pass over all columns; returns whether the passes so far have cost as much as the products of all columns would, if there is room for
    /// those. Who computes them then has spent at most twice what was best to do.
    pub(crate) fn has_paid_for_all<D: DesignMatrix>(&mut self, design: &D) -> bool {
        self.passes += 1;
        let (n, p) = (design.n_rows(), design.n_columns());
        if self.is_whole() || self.is_empty() || p > capacity(design) {
            return false;
        }
        let of_row = design.n_stored() as f64 / n as f64;
        let speed = if design.n_stored() == n * p { SPEED_OF_BLOCKS } else { 1.0 };
        self.passes as f64 >= 0.5 * of_row / speed
    }

    /// The products of all columns under the sample curvatures `weights` (length n), with their correlations where all coefficients are zero (length p).
    pub(crate) fn whole<D: DesignMatrix>(
        design: &D,
        weights: &[f64],
        intercept: bool,
        at_zero: Vec<f64>,
    ) -> Self {
        let mut cache = Self::default();
        cache.renew(weights, intercept);
        cache.hold_all(design);
        Self { at_zero, ..cache }
    }

    /// Holds the products of all columns, computed by all threads: not to be called where the cache is locked. Returns where they are.
    pub(super) fn hold_all<D: DesignMatrix>(&mut self, design: &D) -> Vec<u32> {
        let all: Vec<u32> = (0_u32..).take(design.n_columns()).collect();
        self.fill(design, &all, Threads::All);
        all.iter().map(|j| self.slots[j]).collect()
    }

    /// The correlations of all columns at the given coefficients under the squared loss, at the intercept that belongs to them: those at zero and the
    /// products with the coefficients. `None` if not all products are held.
    pub(crate) fn correlations(&self, coefficients: &[f64]) -> Option<Vec<f64>> {
        if !self.is_whole() {
            return None;
        }
        let mut by_slot = vec![0.0; self.columns.len()];
        for (slot, &j) in (0_u32..).zip(&self.columns) {
            let y = coefficients[j as usize];
            if y != 0.0 {
                crate::kernel::axpy(y, self.products().column(slot), &mut by_slot);
            }
        }
        let mut correlations = self.at_zero.clone();
        for (&j, moved) in self.columns.iter().zip(by_slot) {
            correlations[j as usize] += moved;
        }
        Some(correlations)
    }
}
