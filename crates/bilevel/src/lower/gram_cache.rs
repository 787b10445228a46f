//! A cache of inner products a_jᵀDa_k between the columns that the solver works on.
//!
//! For the squared loss D = diag(s) never changes, so each product is computed once in the life of a problem, whatever λ. For other losses D is a
//! snapshot of the curvatures at an earlier point: the quadratic model is then a quasi-Newton model, whose minimizer is as exact (its gradient is)
//! and whose steps contract as long as the curvatures have not moved much. The solver watches the contraction and renews the snapshot.
//!
//! Solvers work on the cache as it lies: a column of products is one contiguous slice, over all columns held.

mod fill;
mod whole;

use std::collections::HashMap;

use crate::design::DesignMatrix;

use crate::solver::Products;

use super::curvature::{CANCELLATION, ROUNDING_SQUARED};
use fill::Threads;

/// Number of columns that are held whatever the matrix: 1.3 MB of products.
const SMALLEST_CAPACITY: usize = 400;
/// Number of columns that are never exceeded: 32 MB of products.
const LARGEST_CAPACITY: usize = 2048;

/// Largest number of columns whose products a solver of this matrix holds. Dense columns are dear to walk through: their products may take half as much
/// memory as they, or as much as the largest support takes (that of a vertex, min(n, p), and a quarter more to choose from).
pub(crate) fn capacity<D: DesignMatrix>(design: &D) -> usize {
    let (n, p) = (design.n_rows(), design.n_columns());
    if design.n_stored() < n * p {
        return SMALLEST_CAPACITY;
    }
    let half = ((design.n_stored() / 2) as f64).sqrt() as usize;
    half.max(n.min(p) * 5 / 4).clamp(SMALLEST_CAPACITY, LARGEST_CAPACITY)
}

#[derive(Debug, Default)]
pub(crate) struct GramCache {
    /// h at the snapshot (length n); empty before the first use.
    weights: Vec<f64>,
    /// 1/Σh, or 0 without intercept.
    inverse_total: f64,
    slots: HashMap<u32, u32>,
    /// The column in each slot.
    columns: Vec<u32>,
    /// a_jᵀh of each slot.
    sums: Vec<f64>,
    /// m_j, subtracted from every entry of the slot's column before products are formed: the mean of a column whose variance is nothing next
    /// to it (centering afterwards would cancel all digits), else 0. Centered products do not depend on it.
    shifts: Vec<f64>,
    /// (a_j − m_j)ᵀh of each slot.
    shifted_sums: Vec<f64>,
    /// Σ h a_j² of each slot, without shift.
    squares: Vec<f64>,
    /// Distance between columns of products.
    stride: usize,
    /// Centered products of slots i and k at k·stride + i.
    products: Vec<f64>,
    /// Correlations of all columns where all coefficients are zero, if the products of all columns are held; else empty.
    at_zero: Vec<f64>,
    /// How often all columns have been met with a residual since the snapshot.
    passes: usize,
}

impl GramCache {
    /// Whether there is a snapshot of the curvatures.
    pub(crate) fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// 1/Σh, or 0 without intercept.
    pub(crate) fn inverse_total(&self) -> f64 {
        self.inverse_total
    }

    /// Forgets everything and takes a new snapshot.
    pub(crate) fn renew(&mut self, weights: &[f64], intercept: bool) {
        let total: f64 = weights.iter().sum();
        let inverse_total = if intercept && total > 0.0 { 1.0 / total } else { 0.0 };
        *self = Self { weights: weights.to_vec(), inverse_total, ..Self::default() };
    }

    /// Makes sure that all products among `columns`, at most [`capacity`] of them, are held; returns where, valid until the next call.
    pub(crate) fn hold<D: DesignMatrix>(&mut self, design: &D, columns: &[u32]) -> Vec<u32> {
        let missing = columns.iter().filter(|j| !self.slots.contains_key(j)).count();
        let held = self.columns.len() + missing;
        // Columns that left the working set long ago cost memory, and time in every step.
        if !self.is_whole() && (held > capacity(design) || held > 2 * columns.len() + 64) {
            self.keep_only(columns);
        }
        if missing > 0 {
            self.fill(design, columns, Threads::This);
        }
        columns.iter().map(|j| self.slots[j]).collect()
    }

    /// The products of all columns held, by slots.
    pub(crate) fn products(&self) -> Products<'_> {
        Products { values: &self.products, stride: self.stride, size: self.columns.len() }
    }

    /// a_jᵀh of a slot.
    pub(crate) fn sum(&self, slot: u32) -> f64 {
        self.sums[slot as usize]
    }

    /// The variance of a slot's column, exactly 0 where it is constant up to rounding.
    pub(crate) fn variance(&self, slot: u32) -> f64 {
        let variance = self.products().column(slot)[slot as usize];
        if variance <= ROUNDING_SQUARED * self.squares[slot as usize] { 0.0 } else { variance }
    }

    /// What to subtract from a column with the given a_jᵀh and Σ h a_j².
    fn shift(&self, sum: f64, square: f64) -> f64 {
        let mean = sum * self.inverse_total;
        if self.inverse_total > 0.0 && square - sum * mean <= CANCELLATION * square { mean } else { 0.0 }
    }

    /// The products held of some columns, which are numbered anew from 0.
    pub(super) fn on_columns(&self, columns: &[u32]) -> Self {
        let (numbers, slots): (Vec<u32>, Vec<u32>) =
            (0..).zip(columns).filter_map(|(number, j)| Some((number, *self.slots.get(j)?))).unzip();
        let (weights, inverse_total) = (self.weights.clone(), self.inverse_total);
        let mut part = Self { weights, inverse_total, ..self.select(&slots) };
        part.slots = numbers.iter().copied().zip(0..).collect();
        part.columns = numbers;
        part
    }

    /// Drops the columns that are not among the given ones.
    fn keep_only(&mut self, columns: &[u32]) {
        let kept: Vec<u32> = columns.iter().filter_map(|j| self.slots.get(j).copied()).collect();
        let part = self.select(&kept);
        let (weights, inverse_total) = (std::mem::take(&mut self.weights), self.inverse_total);
        *self = Self { weights, inverse_total, ..part };
    }

    /// The columns in some slots, without the curvatures.
    fn select(&self, slots: &[u32]) -> Self {
        let of = |values: &[f64]| slots.iter().map(|&k| values[k as usize]).collect();
        let columns: Vec<u32> = slots.iter().map(|&k| self.columns[k as usize]).collect();
        Self {
            slots: columns.iter().copied().zip(0..).collect(),
            sums: of(&self.sums),
            shifts: of(&self.shifts),
            shifted_sums: of(&self.shifted_sums),
            squares: of(&self.squares),
            stride: slots.len(),
            products: self.products().gather(slots, 0.0),
            columns,
            ..Self::default()
        }
    }
}

/// The sums Σ h a_j and the products Σ h (a_j−m_j)(a_k−m_k) of all columns, with their means m if they are centered, else m = 0.
pub(crate) struct ColumnScatter {
    pub(crate) sums: Vec<f64>,
    /// p×p, symmetric; rows and columns of columns that are constant up to rounding are 0 where they are centered.
    pub(crate) products: Vec<f64>,
}

impl ColumnScatter {
    pub(crate) fn new<D: DesignMatrix>(design: &D, weights: &[f64], centered: bool) -> Self {
        let mut cache = GramCache::default();
        cache.renew(weights, centered);
        let slots = cache.hold_all(design);
        let mut products = cache.products().gather(&slots, 0.0);
        let p = slots.len();
        for (j, _) in slots.iter().enumerate().filter(|(_, slot)| cache.variance(**slot) == 0.0) {
            (0..p).for_each(|k| (products[j * p + k], products[k * p + j]) = (0.0, 0.0));
        }
        Self { sums: slots.iter().map(|&slot| cache.sum(slot)).collect(), products }
    }
}
