//! A quadratic model that holds its Hessian.

use super::coordinate_descent::QuadraticModel;
use super::homotopy::{self, PathEnd};

/// A symmetric matrix by columns, each a contiguous slice.
#[derive(Debug, Clone, Copy)]
pub struct Products<'g> {
    /// Entry (i, k) at k·stride + i.
    pub values: &'g [f64],
    /// Distance from one column to the next.
    pub stride: usize,
    /// Number of rows and columns.
    pub size: usize,
}

impl<'g> Products<'g> {
    /// Column k.
    #[inline]
    pub fn column(&self, k: u32) -> &'g [f64] {
        let start = k as usize * self.stride;
        &self.values[start..start + self.size]
    }

    /// The rows and columns in `slots`, with the ridge on the diagonal: column major.
    pub fn gather(&self, slots: &[u32], ridge: f64) -> Vec<f64> {
        let mut matrix = Vec::with_capacity(slots.len() * slots.len());
        for &k in slots {
            let column = self.column(k);
            matrix.extend(slots.iter().map(|&i| column[i as usize]));
        }
        (0..slots.len()).for_each(|k| matrix[k * slots.len() + k] += ridge);
        matrix
    }
}

/// A quadratic model on products that are at hand: for small working sets.
#[derive(Debug)]
pub struct GramModel<'g> {
    products: Products<'g>,
    /// Row and column of each coordinate.
    slots: &'g [u32],
    ridge: f64,
    /// Upper bound on the rank without the ridge.
    rank: usize,
    /// By rows of the products; only those in `slots` mean anything.
    gradient: Vec<f64>,
}

impl<'g> GramModel<'g> {
    /// `gradient` is that at the current point, in local coordinates.
    pub fn new(products: Products<'g>, slots: &'g [u32], ridge: f64, gradient: &[f64]) -> Self {
        let mut by_row = vec![0.0; products.size];
        slots.iter().zip(gradient).for_each(|(&slot, g)| by_row[slot as usize] = *g);
        Self { products, slots, ridge, rank: usize::MAX, gradient: by_row }
    }

    /// The same model with an upper bound on the rank of its products: the number of samples that have weight.
    pub fn of_rank(self, rank: usize) -> Self {
        Self { rank, ..self }
    }
}

impl QuadraticModel for GramModel<'_> {
    #[inline]
    fn gradient(&self, k: usize) -> f64 {
        self.gradient[self.slots[k] as usize]
    }
    #[inline]
    fn diagonal(&self, k: usize) -> f64 {
        self.products.column(self.slots[k])[self.slots[k] as usize] + self.ridge
    }
    #[inline]
    fn update(&mut self, k: usize, delta: f64) {
        let slot = self.slots[k];
        crate::kernel::axpy(delta, self.products.column(slot), &mut self.gradient);
        self.gradient[slot as usize] += self.ridge * delta;
    }
    fn finish_cost(&self, active: usize) -> f64 {
        // A factorization, whose multiplications run about eight times as fast as those of a sweep, and one image, against six sweeps.
        let (active, size) = (active as f64, self.slots.len().max(1) as f64);
        (active * active / 24.0 + active + size) / (6.0 * size)
    }
    fn rank(&self) -> usize {
        if self.ridge > 0.0 { usize::MAX } else { self.rank }
    }
    fn submatrix(&self, free: &[usize]) -> Option<Vec<f64>> {
        let slots: Vec<u32> = free.iter().map(|&k| self.slots[k]).collect();
        Some(self.products.gather(&slots, self.ridge))
    }
    fn product(&mut self, free: &[usize], v: &[f64], out: &mut [f64]) {
        let mut image = vec![0.0; self.products.size];
        for (&k, &v) in free.iter().zip(v).filter(|(_, v)| **v != 0.0) {
            crate::kernel::axpy(v, self.products.column(self.slots[k]), &mut image);
        }
        for ((&k, v), o) in free.iter().zip(v).zip(out) {
            *o = image[self.slots[k] as usize] + self.ridge * v;
        }
    }
    fn follow(&mut self, lambda: &[f64], y: &mut [f64], max_events: usize) -> Option<PathEnd> {
        Some(homotopy::follow(self, lambda, y, max_events))
    }
}

/// What a path needs.
impl GramModel<'_> {
    /// out = H v of a vector v on the support, for all coordinates.
    pub(super) fn image(&self, support: &[usize], v: &[f64], out: &mut [f64]) {
        let mut by_row = vec![0.0; self.products.size];
        for (&k, &v) in support.iter().zip(v) {
            crate::kernel::axpy(v, self.products.column(self.slots[k]), &mut by_row);
        }
        out.iter_mut().zip(self.slots).for_each(|(o, &slot)| *o = by_row[slot as usize]);
        support.iter().zip(v).for_each(|(&k, v)| out[k] += self.ridge * v);
    }

    /// Moves the current point by `step` times a vector with the given image.
    pub(super) fn advance(&mut self, step: f64, image: &[f64]) {
        for (&slot, image) in self.slots.iter().zip(image) {
            self.gradient[slot as usize] += step * image;
        }
    }

    /// Column k of H in the rows of the support, which k is not one of.
    pub(super) fn entries(&self, k: usize, support: &[usize]) -> Vec<f64> {
        let column = self.products.column(self.slots[k]);
        support.iter().map(|&i| column[self.slots[i] as usize]).collect()
    }
}
