//! A cache of inner products a_jᵀDa_k between the columns that the solver works on.
//!
//! For the squared loss D = diag(s) never changes, so each product is computed once in the life of a problem, whatever λ. For other losses D is a
//! snapshot of the curvatures at an earlier point: the quadratic model is then a quasi-Newton model, whose minimizer is as exact (its gradient is)
//! and whose steps contract as long as the curvatures have not moved much. The solver watches the contraction and renews the snapshot.

use std::collections::HashMap;

use crate::design::DesignMatrix;

/// Largest number of columns held: 2 MB of products.
pub(super) const CAPACITY: usize = 512;

#[derive(Debug, Default)]
pub(super) struct GramCache {
    /// h at the snapshot (length n); empty before the first use.
    weights: Vec<f64>,
    inverse_total: f64,
    slots: HashMap<u32, usize>,
    columns: Vec<u32>,
    /// a_jᵀh of each slot.
    sums: Vec<f64>,
    /// Lower triangle by rows: product of slots (i, k ≤ i) at i(i+1)/2 + k.
    products: Vec<f64>,
}

/// The Hessian of the quadratic model on some columns.
pub(super) struct CachedHessian {
    /// Column major, centered if there is an intercept, with the ridge on its diagonal.
    pub(super) gram: Vec<f64>,
    /// Its diagonal, exactly the ridge where a column is constant up to rounding.
    pub(super) diagonal: Vec<f64>,
}

impl GramCache {
    /// Whether there is a snapshot of the curvatures.
    pub(super) fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Forgets everything and takes a new snapshot.
    pub(super) fn renew(&mut self, weights: &[f64]) {
        let total: f64 = weights.iter().sum();
        *self = Self { weights: weights.to_vec(), inverse_total: if total > 0.0 { 1.0 / total } else { 0.0 }, ..Self::default() };
    }

    /// The Hessian on `columns`, at most [`CAPACITY`] of them.
    pub(super) fn hessian<D: DesignMatrix>(&mut self, design: &D, columns: &[u32], ridge: f64, intercept: bool) -> CachedHessian {
        self.hold(design, columns);
        let size = columns.len();
        let slots: Vec<usize> = columns.iter().map(|j| self.slots[j]).collect();
        let inverse_total = if intercept { self.inverse_total } else { 0.0 };
        let mut gram = vec![0.0; size * size];
        let mut diagonal = vec![0.0; size];
        for (i, &a) in slots.iter().enumerate() {
            let row_sum = self.sums[a] * inverse_total;
            for (k, &b) in slots[..=i].iter().enumerate() {
                let (high, low) = if a >= b { (a, b) } else { (b, a) };
                let entry = self.products[high * (high + 1) / 2 + low] - row_sum * self.sums[b];
                gram[i * size + k] = entry;
                gram[k * size + i] = entry;
            }
            let square = self.products[a * (a + 1) / 2 + a];
            let variance = gram[i * size + i];
            diagonal[i] = ridge + if variance > 1e-13 * square { variance } else { 0.0 };
            gram[i * size + i] += ridge;
        }
        CachedHessian { gram, diagonal }
    }

    /// Makes sure that all products among `columns` are held.
    fn hold<D: DesignMatrix>(&mut self, design: &D, columns: &[u32]) {
        let missing = columns.iter().filter(|j| !self.slots.contains_key(j)).count();
        if self.columns.len() + missing > CAPACITY {
            let weights = std::mem::take(&mut self.weights);
            self.renew(&weights);
        }
        let mut buffer = vec![0.0; design.n_rows()];
        for &j in columns {
            if self.slots.contains_key(&j) {
                continue;
            }
            design.column_weighted_axpy(j as usize, 1.0, &self.weights, &mut buffer);
            self.products.extend(self.columns.iter().map(|&k| design.column_dot(k as usize, &buffer)));
            self.products.push(design.column_dot(j as usize, &buffer));
            self.sums.push(design.column_dot(j as usize, &self.weights));
            self.slots.insert(j, self.columns.len());
            self.columns.push(j);
            design.visit_column(j as usize, |i, _| buffer[i] = 0.0);
        }
    }
}
