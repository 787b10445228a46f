//! Eigenvalues of convolutions.

use std::f64::consts::PI;

use rustfft::num_complex::Complex;
use rustfft::num_traits::Zero;

use crate::operator::fft::RealFft;
use crate::operator::grid::Grid;
use crate::operator::lines::{for_each_chunk, rows_per_chunk};
use crate::operator::{Basis, Kernel};

/// Of the periodic convolution: the Fourier transform of the kernel with its centre at sample 0.
pub(super) fn of_periodic(kernel: &Kernel, grid: Grid) -> Vec<Complex<f64>> {
    let extents = grid.extents();
    let mut wrapped = vec![0.0; grid.size()];
    kernel.visit(|offset, value| {
        let at = [0, 1, 2].map(|axis| offset[axis].rem_euclid(extents[axis] as isize) as usize);
        wrapped[(at[0] * extents[1] + at[1]) * extents[2] + at[2]] += value;
    });
    let fft = RealFft::new(grid);
    let mut modes = vec![Complex::zero(); fft.n_modes()];
    fft.forward(&wrapped, &mut modes);
    modes
}

/// Of the reflective convolution with a kernel that is symmetric in each axis: Σ_d k_d Π_a cos(π f_a d_a / n_a) at frequency f.
///
/// Summed over one axis of the kernel at a time, over its half. (To divide the cosine transform of A's first column by that of the first unit vector, as is
/// often done, would be cheaper for kernels as large as the image, and lose digits at high frequencies, where the divisor is small.)
pub(super) fn of_symmetric(kernel: &Kernel, basis: &Basis) -> Vec<f64> {
    let [slices, rows, columns] = basis.grid().extents();
    let reach = kernel.reach().map(|(before, _)| before);
    // Distances from the centre with the axes reversed. Each sum takes the first axis away and puts its frequencies last: after three, modes stand in order.
    let mut sums = vec![0.0; kernel.reach().iter().map(|(before, _)| before + 1).product()];
    kernel.visit(|offset, value| {
        let [slice, row, column] = offset.map(isize::unsigned_abs);
        sums[(column * (reach[1] + 1) + row) * (reach[0] + 1) + slice] += value;
    });
    for (n, reach) in [(columns, reach[2]), (rows, reach[1]), (slices, reach[0])] {
        if n > 1 {
            sums = sum_over_distances(&sums, n, reach + 1);
        }
    }
    sums
}

/// out[r, f] = Σ_d values[d, r] cos(π f d / n) for all frequencies f < n, the last index contiguous.
fn sum_over_distances(values: &[f64], n: usize, distances: usize) -> Vec<f64> {
    let cosine = |d: usize, f: usize| (PI * ((f * d) % (2 * n)) as f64 / n as f64).cos();
    let tables: Vec<Vec<f64>> = (0..distances).map(|d| (0..n).map(|f| cosine(d, f)).collect()).collect();
    let rest = values.len() / distances;
    let mut out = vec![0.0; rest * n];
    for_each_chunk(
        &mut out,
        n * rows_per_chunk(n),
        || (),
        |(), chunk, out| {
            for (r, out) in (chunk * rows_per_chunk(n)..).zip(out.chunks_exact_mut(n)) {
                for (d, table) in tables.iter().enumerate() {
                    let value = values[d * rest + r];
                    out.iter_mut().zip(table).for_each(|(sum, cosine)| *sum += value * cosine);
                }
            }
        },
    );
    out
}
