//! How missing products come into the cache: by rows for sparse columns into an empty cache, by matrix products for dense columns, else column by
//! column.

use std::ops::Range;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use super::GramCache;
use crate::design::DesignMatrix;
use crate::lower::row_major::{RowMajor, entries_by_row};

/// Fewer missing columns than this are met one by one.
const SMALLEST_BLOCK: usize = 4;
/// Rows and columns of a block: its entries stay in the cache.
const ROWS_OF_BLOCK: usize = 512;
const COLUMNS_OF_BLOCK: usize = 96;

/// Which threads compute products.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Threads {
    /// The one that asks: it may hold the cache's lock, which a task that it took up while it waits for others could want.
    This,
    /// All of the pool.
    All,
}

impl GramCache {
    /// Computes the products of `columns` that are not held, with the threads that are there or on this one alone.
    pub(super) fn fill<D: DesignMatrix>(&mut self, design: &D, columns: &[u32], threads: Threads) {
        let missing = self.missing_by_size(design, columns);
        let first = self.columns.len();
        self.grow(design, first + missing.len());
        for &j in &missing {
            self.open_slot(design, j);
        }
        let is_dense = missing.iter().all(|&j| design.column_stored(j as usize) == design.n_rows());
        if is_dense && missing.len() >= SMALLEST_BLOCK {
            self.fill_by_blocks(design, first, threads);
        } else if first > 0 || missing.len() < 2 || !self.fill_by_rows(design) {
            self.fill_by_columns(design, first);
        }
        self.center(first);
    }

    /// The columns that are not held, sparsest first: each is scattered once and met by the columns held before it, which are sparser.
    fn missing_by_size<D: DesignMatrix>(&self, design: &D, columns: &[u32]) -> Vec<u32> {
        let mut missing: Vec<u32> = columns.iter().copied().filter(|j| !self.slots.contains_key(j)).collect();
        missing.sort_by_key(|&j| design.column_stored(j as usize));
        missing
    }

    /// Room for `size` columns, and half as many again if the capacity allows.
    fn grow<D: DesignMatrix>(&mut self, design: &D, size: usize) {
        if size <= self.stride {
            return;
        }
        let stride = (size + size / 2).min(super::capacity(design).max(size));
        let mut products = vec![0.0; stride * stride];
        for k in 0..self.columns.len() {
            let column = &self.products[k * self.stride..k * self.stride + self.columns.len()];
            products[k * stride..k * stride + column.len()].copy_from_slice(column);
        }
        (self.stride, self.products) = (stride, products);
    }

    fn open_slot<D: DesignMatrix>(&mut self, design: &D, j: u32) {
        let sum = design.column_dot(j as usize, &self.weights);
        let square = design.column_weighted_square(j as usize, &self.weights);
        let shift = self.shift(sum, square);
        let mut shifted_sum = sum;
        if shift != 0.0 {
            // The very numbers that `fill_by_columns` sums up: what is left of them is rounding, and must cancel there.
            let mut entries = vec![0.0; design.n_rows()];
            self.scatter(design, j, shift, &mut entries);
            shifted_sum = entries.iter().sum();
        }
        self.slots.insert(j, u32::try_from(self.columns.len()).unwrap_or(u32::MAX));
        self.columns.push(j);
        self.sums.push(sum);
        self.squares.push(square);
        self.shifts.push(shift);
        self.shifted_sums.push(shifted_sum);
    }

    /// buffer += h∘(a_j − shift).
    fn scatter<D: DesignMatrix>(&self, design: &D, j: u32, shift: f64, buffer: &mut [f64]) {
        design.column_weighted_axpy(j as usize, 1.0, &self.weights, buffer);
        if shift != 0.0 {
            crate::kernel::axpy(-shift, &self.weights, buffer);
        }
    }

    /// Products of the slots from `first` on, each with all slots up to it: a scatter and dots.
    fn fill_by_columns<D: DesignMatrix>(&mut self, design: &D, first: usize) {
        let mut buffer = vec![0.0; design.n_rows()];
        for slot in first..self.columns.len() {
            let (j, shift) = (self.columns[slot] as usize, self.shifts[slot]);
            self.scatter(design, self.columns[slot], shift, &mut buffer);
            let into = &mut self.products[slot * self.stride..slot * self.stride + slot + 1];
            design.columns_dot_into(&self.columns[..=slot], &buffer, into);
            for (product, m) in into.iter_mut().zip(&self.shifts) {
                *product -= m * self.shifted_sums[slot];
            }
            if shift == 0.0 {
                design.visit_column(j, |i, _| buffer[i] = 0.0);
            } else {
                buffer.fill(0.0);
            }
        }
    }

    /// The same for dense columns: (D(A₁ − m₁))ᵀ(A₂ − m₂), some rows after the others and block by block, at the speed of a matrix product.
    fn fill_by_blocks<D: DesignMatrix>(&mut self, design: &D, first: usize, threads: Threads) {
        let (n, stride) = (design.n_rows(), self.stride);
        let mut products = std::mem::take(&mut self.products);
        let missing = &mut products[first * stride..self.columns.len() * stride];
        for rows in (0..n).step_by(ROWS_OF_BLOCK).map(|start| start..n.min(start + ROWS_OF_BLOCK)) {
            let entries = self.copy_rows(design, rows.clone(), 0, threads);
            let mut weighted = self.copy_rows(design, rows.clone(), first, threads);
            let weights = &self.weights[rows.clone()];
            for column in weighted.chunks_mut(rows.len()) {
                column.iter_mut().zip(weights).for_each(|(a, h)| *a *= h);
            }
            let into = if rows.start == 0 { Accum::Replace } else { Accum::Add };
            let add = |(k, products): (usize, &mut [f64])| {
                let from = k * COLUMNS_OF_BLOCK;
                let width = products.len() / stride;
                let right = &weighted[from * rows.len()..(from + width) * rows.len()];
                let met = first + from + width;
                matmul(
                    MatMut::from_column_major_slice_with_stride_mut(
                        &mut products[..(width - 1) * stride + met],
                        met,
                        width,
                        stride,
                    ),
                    into,
                    MatRef::from_column_major_slice(&entries[..met * rows.len()], rows.len(), met)
                        .transpose(),
                    MatRef::from_column_major_slice(right, rows.len(), width),
                    1.0,
                    Par::Seq,
                );
            };
            match threads {
                Threads::All => missing.par_chunks_mut(COLUMNS_OF_BLOCK * stride).enumerate().for_each(add),
                Threads::This => missing.chunks_mut(COLUMNS_OF_BLOCK * stride).enumerate().for_each(add),
            }
        }
        self.products = products;
    }

    /// Some rows of the columns in the slots from `first` on, shifted, one column after the other.
    fn copy_rows<D: DesignMatrix>(
        &self,
        design: &D,
        rows: Range<usize>,
        first: usize,
        threads: Threads,
    ) -> Vec<f64> {
        let mut out = vec![0.0; rows.len() * (self.columns.len() - first)];
        let copy = |(slot, out): (usize, &mut [f64])| {
            out.fill(-self.shifts[first + slot]);
            design.column_part_axpy(self.columns[first + slot] as usize, 1.0, rows.start, out);
        };
        match threads {
            Threads::All => out.par_chunks_mut(rows.len()).enumerate().for_each(copy),
            Threads::This => out.chunks_mut(rows.len()).enumerate().for_each(copy),
        }
        out
    }

    /// Computes all products row by row, for an empty cache: Σ_i r_i²/2 multiplications, r_i the stored entries of row i.
    /// Returns `false`, with nothing done, where columns against columns cost less.
    fn fill_by_rows<D: DesignMatrix>(&mut self, design: &D) -> bool {
        let n = design.n_rows();
        if self.shifts.iter().any(|shift| *shift != 0.0) {
            return false;
        }
        let entries = entries_by_row(design, &self.columns);
        let by_rows: usize = entries.iter().map(|r| r * r / 2).sum();
        let stored: usize = entries.iter().sum();
        let mut met = 0;
        let met_so_far = |&j: &u32| {
            met += design.column_stored(j as usize);
            met
        };
        let by_columns: usize = self.columns.iter().map(met_so_far).sum();
        // Transposing costs about four passes; dense columns stream four entries at a time where rows scatter one.
        let speed = if stored == n * self.columns.len() { 4 } else { 1 };
        if speed * (by_rows + 4 * stored) > by_columns {
            return false;
        }
        let rows = RowMajor::transpose(design, &self.columns, entries);
        for (i, &weight) in self.weights.iter().enumerate().filter(|(_, w)| **w != 0.0) {
            let (slots, values) = rows.row(i);
            for (k, (&high, a)) in slots.iter().zip(values).enumerate() {
                let scaled = weight * a;
                let column = &mut self.products[high as usize * self.stride..];
                for (&low, b) in slots.iter().zip(values).take(k + 1) {
                    column[low as usize] += scaled * b;
                }
            }
        }
        true
    }

    /// Centers the products of the slots from `first` on, and copies them to the rows that mirror them.
    fn center(&mut self, first: usize) {
        for slot in first..self.columns.len() {
            let mean = self.shifted_sums[slot] * self.inverse_total;
            for k in 0..=slot {
                let product = self.products[slot * self.stride + k] - mean * self.shifted_sums[k];
                self.products[slot * self.stride + k] = product;
                self.products[k * self.stride + slot] = product;
            }
        }
    }
}
