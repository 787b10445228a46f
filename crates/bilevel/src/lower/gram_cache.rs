//! A cache of inner products a_jᵀDa_k between the columns that the solver works on.
//!
//! For the squared loss D = diag(s) never changes, so each product is computed once in the life of a problem, whatever λ. For other losses D is a
//! snapshot of the curvatures at an earlier point: the quadratic model is then a quasi-Newton model, whose minimizer is as exact (its gradient is)
//! and whose steps contract as long as the curvatures have not moved much. The solver watches the contraction and renews the snapshot.

use std::collections::HashMap;

use crate::design::DesignMatrix;

use super::curvature::{CANCELLATION, ROUNDING_SQUARED};
use super::row_major::{RowMajor, entries_by_row};

/// Largest number of columns held: 2 MB of products, of which half are stored.
pub(crate) const CAPACITY: usize = 512;

#[derive(Debug, Default)]
pub(crate) struct GramCache {
    /// h at the snapshot (length n); empty before the first use.
    weights: Vec<f64>,
    inverse_total: f64,
    slots: HashMap<u32, usize>,
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
    /// Lower triangle by rows: product of slots (i, k ≤ i) at i(i+1)/2 + k.
    products: Vec<f64>,
}

/// The Hessian of the quadratic model on some columns.
pub(crate) struct CachedHessian {
    /// a_jᵀh of each column.
    pub(crate) sums: Vec<f64>,
    /// 1/Σh, or 0 without intercept.
    pub(crate) inverse_total: f64,
    /// Column major, centered if there is an intercept, with the ridge on its diagonal.
    pub(crate) gram: Vec<f64>,
    /// Its diagonal, exactly the ridge where a column is constant up to rounding.
    pub(crate) diagonal: Vec<f64>,
}

impl GramCache {
    /// Whether there is a snapshot of the curvatures.
    pub(crate) fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// h at the snapshot (length n).
    pub(crate) fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Forgets everything and takes a new snapshot.
    pub(crate) fn renew(&mut self, weights: &[f64]) {
        let total: f64 = weights.iter().sum();
        *self = Self {
            weights: weights.to_vec(),
            inverse_total: if total > 0.0 { 1.0 / total } else { 0.0 },
            ..Self::default()
        };
    }

    /// The products held of some columns, which are numbered anew from 0.
    pub(super) fn on_columns(&self, columns: &[u32]) -> Self {
        let mut part =
            Self { weights: self.weights.clone(), inverse_total: self.inverse_total, ..Self::default() };
        let mut owned = Vec::new();
        for (number, j) in (0_u32..).zip(columns) {
            let Some(&own) = self.slots.get(j) else { continue };
            owned.push(own);
            part.slots.insert(number, part.columns.len());
            part.columns.push(number);
            part.sums.push(self.sums[own]);
            part.shifts.push(self.shifts[own]);
            part.shifted_sums.push(self.shifted_sums[own]);
            part.squares.push(self.squares[own]);
            part.products.extend(owned.iter().map(|&other| {
                let (high, low) = (own.max(other), own.min(other));
                self.products[high * (high + 1) / 2 + low]
            }));
        }
        part
    }

    /// The Hessian on `columns`, at most [`CAPACITY`] of them.
    pub(crate) fn hessian<D: DesignMatrix>(
        &mut self,
        design: &D,
        columns: &[u32],
        ridge: f64,
        intercept: bool,
    ) -> CachedHessian {
        self.hold(design, columns, intercept);
        let size = columns.len();
        let slots: Vec<usize> = columns.iter().map(|j| self.slots[j]).collect();
        let inverse_total = if intercept { self.inverse_total } else { 0.0 };
        let mut gram = vec![0.0; size * size];
        let mut diagonal = vec![0.0; size];
        for (i, &a) in slots.iter().enumerate() {
            let row_sum = self.shifted_sums[a] * inverse_total;
            for (k, &b) in slots[..=i].iter().enumerate() {
                let (high, low) = if a >= b { (a, b) } else { (b, a) };
                let entry = self.products[high * (high + 1) / 2 + low] - row_sum * self.shifted_sums[b];
                gram[i * size + k] = entry;
                gram[k * size + i] = entry;
            }
            let variance = gram[i * size + i];
            let is_constant = variance <= ROUNDING_SQUARED * self.squares[a];
            diagonal[i] = ridge + if is_constant { 0.0 } else { variance };
            gram[i * size + i] += ridge;
        }
        let sums = slots.iter().map(|&a| self.sums[a]).collect();
        CachedHessian { sums, inverse_total, gram, diagonal }
    }

    /// Makes sure that all products among `columns` are held.
    fn hold<D: DesignMatrix>(&mut self, design: &D, columns: &[u32], intercept: bool) {
        let missing = columns.iter().filter(|j| !self.slots.contains_key(j)).count();
        if self.columns.len() + missing > CAPACITY {
            let weights = std::mem::take(&mut self.weights);
            self.renew(&weights);
        }
        if self.columns.is_empty() && missing > 1 && self.hold_by_rows(design, columns, intercept) {
            return;
        }
        let mut buffer = vec![0.0; design.n_rows()];
        for j in self.missing_by_size(design, columns) {
            let sum = design.column_dot(j as usize, &self.weights);
            let square = design.column_weighted_square(j as usize, &self.weights);
            let shift = self.shift(sum, square, intercept);
            design.column_weighted_axpy(j as usize, 1.0, &self.weights, &mut buffer);
            let mut shifted_sum = sum;
            if shift != 0.0 {
                crate::kernel::axpy(-shift, &self.weights, &mut buffer);
                shifted_sum = buffer.iter().sum();
            }
            self.slots.insert(j, self.columns.len());
            self.columns.push(j);
            self.shifts.push(shift);
            let product = |(&k, m): (&u32, &f64)| design.column_dot(k as usize, &buffer) - m * shifted_sum;
            self.products.extend(self.columns.iter().zip(&self.shifts).map(product));
            self.sums.push(sum);
            self.shifted_sums.push(shifted_sum);
            self.squares.push(square);
            if shift == 0.0 {
                design.visit_column(j as usize, |i, _| buffer[i] = 0.0);
            } else {
                buffer.fill(0.0);
            }
        }
    }

    /// What to subtract from a column with the given a_jᵀh and Σ h a_j².
    fn shift(&self, sum: f64, square: f64, intercept: bool) -> f64 {
        let mean = sum * self.inverse_total;
        if intercept && square - sum * mean <= CANCELLATION * square { mean } else { 0.0 }
    }

    /// The columns that are not held, sparsest first: each is scattered once and met by the columns held before it, which are sparser.
    fn missing_by_size<D: DesignMatrix>(&self, design: &D, columns: &[u32]) -> Vec<u32> {
        let mut missing: Vec<u32> = columns.iter().copied().filter(|j| !self.slots.contains_key(j)).collect();
        missing.sort_by_key(|&j| design.column_stored(j as usize));
        missing
    }

    /// Computes all products among `columns` row by row, for an empty cache: Σ_i r_i²/2 multiplications, r_i the stored entries of row i.
    /// Returns `false`, with nothing done, where columns against columns cost less.
    fn hold_by_rows<D: DesignMatrix>(&mut self, design: &D, columns: &[u32], intercept: bool) -> bool {
        let n = design.n_rows();
        let sum = |&j: &u32| design.column_dot(j as usize, &self.weights);
        let square = |&j: &u32| design.column_weighted_square(j as usize, &self.weights);
        let sums: Vec<f64> = columns.iter().map(sum).collect();
        let squares: Vec<f64> = columns.iter().map(square).collect();
        if sums.iter().zip(&squares).any(|(&sum, &square)| self.shift(sum, square, intercept) != 0.0) {
            return false;
        }
        let entries = entries_by_row(design, columns);
        let by_rows: usize = entries.iter().map(|r| r * r / 2).sum();
        let stored: usize = entries.iter().sum();
        let by_size = self.missing_by_size(design, columns);
        let mut met = 0;
        let by_columns: usize = by_size
            .iter()
            .map(|&j| {
                met += design.column_stored(j as usize);
                met
            })
            .sum();
        // Transposing costs about four passes; dense columns stream four entries at a time where rows scatter one.
        let speed = if stored == n * columns.len() { 4 } else { 1 };
        if speed * (by_rows + 4 * stored) > by_columns {
            return false;
        }
        let rows = RowMajor::transpose(design, columns, entries);
        self.products = vec![0.0; columns.len() * (columns.len() + 1) / 2];
        self.shifts = vec![0.0; columns.len()];
        (self.sums, self.shifted_sums, self.squares) = (sums.clone(), sums, squares);
        for (i, &weight) in self.weights.iter().enumerate().filter(|(_, w)| **w != 0.0) {
            let (slots, values) = rows.row(i);
            for (k, (&high, a)) in slots.iter().zip(values).enumerate() {
                let scaled = weight * a;
                let base = high as usize * (high as usize + 1) / 2;
                for (&low, b) in slots.iter().zip(values).take(k + 1) {
                    self.products[base + low as usize] += scaled * b;
                }
            }
        }
        self.columns = columns.to_vec();
        self.slots = columns.iter().enumerate().map(|(slot, &j)| (j, slot)).collect();
        true
    }
}
