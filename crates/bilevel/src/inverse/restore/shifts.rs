//! Shifts of an orthogonal wavelet basis. Behind a blur one basis leaves marks of its own grid, as large as what it takes away; the mean of the restorations in a
//! few shifted ones has them no more, at the price of as many solves at the weight that one of them chose. (The frame of all shifts does not serve here: its
//! approximations, which have no weight, hold what the blur hides.)
//!
//! On the camera image (256², Gaussian blur of width 2, noise 0.01; Tikhonov 24.63 dB, the blurred image 22.50): Haar 22.82 dB in one basis, 24.42, 24.77 and
//! 25.03 dB in the mean of two, three and four; sym8 24.05, then 24.56, 24.73 and 24.84 dB.
//!
//! Source: Coifman and Donoho, "Translation-invariant de-noising", in *Wavelets and Statistics* (1995).

use crate::Result;
use crate::operator::LinearOperator;

/// Rows and columns that the bases are shifted by: no two agree modulo the periods of the first three levels.
pub(super) const SHIFTS: [(usize, usize); 4] = [(0, 0), (5, 3), (10, 6), (15, 9)];

/// The image moved down and to the right, around the edges.
pub(super) fn shifted((height, width): (usize, usize), (down, right): (usize, usize), x: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; x.len()];
    let right = right % width.max(1);
    for (r, row) in x.chunks_exact(width.max(1)).enumerate() {
        let start = (r + down) % height * width;
        let line = &mut out[start..start + width];
        line[right..].copy_from_slice(&row[..width - right]);
        line[..right].copy_from_slice(&row[width - right..]);
    }
    out
}

/// What `shifted` did, undone.
pub(super) fn shifted_back(shape: (usize, usize), (down, right): (usize, usize), x: &[f64]) -> Vec<f64> {
    let (height, width) = (shape.0.max(1), shape.1.max(1));
    shifted(shape, (height - down % height, width - right % width), x)
}

/// The mean of images.
pub(super) fn mean(images: &[Vec<f64>]) -> Vec<f64> {
    let share = 1.0 / images.len().max(1) as f64;
    let mut sum = vec![0.0; images.first().map_or(0, Vec::len)];
    images.iter().for_each(|image| crate::kernel::axpy(share, image, &mut sum));
    sum
}

/// The same operator on each of several images, one after another, that are shifted first.
pub(super) struct ForEach<'a> {
    pub(super) operator: &'a dyn LinearOperator,
    pub(super) shape: (usize, usize),
    pub(super) shift: (usize, usize),
    pub(super) count: usize,
}

impl LinearOperator for ForEach<'_> {
    fn n_rows(&self) -> usize {
        self.count * self.operator.n_rows()
    }

    fn n_columns(&self) -> usize {
        self.count * self.operator.n_columns()
    }

    fn apply_into(&self, x: &[f64], out: &mut [f64]) -> Result<()> {
        let (rows, columns) = (self.operator.n_rows(), self.operator.n_columns());
        let mut parts = x.chunks_exact(columns).zip(out.chunks_exact_mut(rows));
        parts.try_for_each(|(x, out)| match self.shift {
            (0, 0) => self.operator.apply_into(x, out),
            shift => self.operator.apply_into(&shifted(self.shape, shift, x), out),
        })
    }

    fn adjoint_into(&self, y: &[f64], out: &mut [f64]) -> Result<()> {
        let (rows, columns) = (self.operator.n_rows(), self.operator.n_columns());
        let mut parts = y.chunks_exact(rows).zip(out.chunks_exact_mut(columns));
        parts.try_for_each(|(y, out)| {
            self.operator.adjoint_into(y, out)?;
            if self.shift != (0, 0) {
                let back = shifted_back(self.shape, self.shift, out);
                out.copy_from_slice(&back);
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::{Boundary, Convolution, Kernel, dot_test};

    #[test]
    fn an_image_is_shifted_around_the_edges_and_back() {
        let x: Vec<f64> = (0..6).map(f64::from).collect();
        assert_eq!(shifted((2, 3), (1, 1), &x), [5.0, 3.0, 4.0, 2.0, 0.0, 1.0]);
        for shift in SHIFTS {
            assert_eq!(shifted_back((2, 3), shift, &shifted((2, 3), shift, &x)), x);
        }
    }

    #[test]
    fn shifted_operators_have_their_adjoints() {
        let kernel = Kernel::motion(4.0, 30.0).unwrap();
        let blur = Convolution::<f64>::new(&[12, 10], &kernel, Boundary::Reflective).unwrap();
        for shift in SHIFTS {
            let each = ForEach { operator: &blur, shape: (12, 10), shift, count: 2 };
            assert!(dot_test(&each, 3).unwrap() < 1e-12);
        }
    }
}
