//! Convolution with a few values, as the sum that it is.

use crate::operator::grid::Grid;
use crate::operator::lines::for_each_row;
use crate::operator::real::real;
use crate::operator::{Boundary, Kernel, Real};

/// The values of a kernel that are not zero, each with its offset from the centre.
///
/// The adjoint takes the offsets with the other sign. That is the transpose for periodic and zero boundaries, and for reflective ones if the kernel is
/// symmetric in each axis; not for others.
pub(super) struct Direct<T> {
    grid: Grid,
    boundary: Boundary,
    values: Vec<([isize; 3], T)>,
}

impl<T: Real> Direct<T> {
    pub(super) fn new(grid: Grid, kernel: &Kernel, boundary: Boundary) -> Self {
        let mut values = Vec::new();
        kernel.visit(|offset, value| values.push((offset, real(value))));
        Self { grid, boundary, values }
    }

    pub(super) fn apply(&self, x: &[T], out: &mut [T]) {
        self.sum(x, 1, out);
    }

    pub(super) fn adjoint(&self, y: &[T], out: &mut [T]) {
        self.sum(y, -1, out);
    }

    fn sum(&self, x: &[T], sign: isize, out: &mut [T]) {
        let [slices, rows, columns] = self.grid.extents();
        for_each_row(out, columns, |row, out| {
            out.fill(T::zero());
            let (slice, row) = ((row / rows) as isize, (row % rows) as isize);
            for &(offset, value) in &self.values {
                let [over_slices, over_rows, over_columns] = offset.map(|d| sign * d);
                let source_slice = self.boundary.source(slice - over_slices, slices);
                let source_row = self.boundary.source(row - over_rows, rows);
                if let Some((slice, row)) = source_slice.zip(source_row) {
                    let start = (slice * rows + row) * columns;
                    self.add_shifted(&x[start..start + columns], over_columns, value, out);
                }
            }
        });
    }

    /// out_i += value·x̃_{i − shift} along a row; a kernel no larger than the image shifts by less than its length.
    fn add_shifted(&self, x: &[T], shift: isize, value: T, out: &mut [T]) {
        let n = x.len();
        let (from, until) = (shift.max(0) as usize, n - (-shift).max(0) as usize);
        let inside = &x[(-shift).max(0) as usize..];
        out[from..until].iter_mut().zip(inside).for_each(|(out, &x)| *out += value * x);
        for i in (0..from).chain(until..n) {
            if let Some(source) = self.boundary.source(i as isize - shift, n) {
                out[i] += value * x[source];
            }
        }
    }
}
