//! A few rows of equal weight with given moments.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt_pivoting::factor::{cholesky_in_place, cholesky_in_place_scratch};
use faer::{MatMut, Par};

use super::moments::Moments;

/// Rows near the mean of a column keep as many digits of its deviations as the mean leaves: beyond this ratio of its square to the variance, fewer than
/// the criterion needs.
const LARGEST_MEAN: f64 = 1e6;

/// r + 1 rows x'_i = m + √(r+1)·(QR)_i with the mean m and the covariance RᵀR of the moments, r its rank, or (if not `centered`) r rows √r·R_i, at least
/// one; by columns, the target last. `None` where digits would be lost.
pub(super) fn representatives(moments: &Moments, centered: bool) -> Option<Vec<f64>> {
    let size = moments.mean.len();
    let variances: Vec<f64> = (0..size).map(|j| moments.variance(j)).collect();
    let is_clear = |(v, m): (&f64, &f64)| *v == 0.0 || v.is_finite() && m * m <= LARGEST_MEAN * v;
    if !variances.iter().zip(&moments.mean).all(is_clear) {
        return None;
    }
    let factor = Factor::new(moments, &variances)?;
    let count = if centered { factor.rank + 1 } else { factor.rank.max(1) };
    let mut columns = vec![0.0; count * size];
    for (place, &j) in factor.columns.iter().enumerate() {
        let root = (variances[j] * count as f64).sqrt();
        let (into, column) = (&mut columns[j * count..(j + 1) * count], factor.column(place));
        if centered {
            orthonormal_combinations(column, into);
            into.iter_mut().for_each(|x| *x *= root);
        } else {
            into.iter_mut().zip(column).for_each(|(x, r)| *x = root * r);
        }
    }
    for (column, mean) in columns.chunks_mut(count).zip(&moments.mean) {
        column.iter_mut().for_each(|x| *x += mean);
    }
    columns.iter().all(|x| x.is_finite()).then_some(columns)
}

/// out = Qv for the (r+1)×r Helmert matrix Q, whose column k (from 1) is (1, …, 1, −k, 0, …, 0)/√(k(k+1)), with k ones: orthonormal columns that sum
/// to zero. One sum from the back.
fn orthonormal_combinations(v: &[f64], out: &mut [f64]) {
    let mut sum = 0.0;
    for k in (0..out.len()).rev() {
        let (before, scaled) = match k {
            0 => (0.0, 0.0),
            _ => (k as f64, v[k - 1] / ((k * (k + 1)) as f64).sqrt()),
        };
        out[k] = sum - before * scaled;
        sum += scaled;
    }
}

/// The pivoted Cholesky factor R of the correlations of the columns that vary: RᵀR = (G_jk/√(G_jj G_kk)), R of `rank` rows.
struct Factor {
    rank: usize,
    /// The columns that vary, in the order of the pivots.
    columns: Vec<usize>,
    /// R by columns, which are `rank` long.
    values: Vec<f64>,
}

impl Factor {
    fn new(moments: &Moments, variances: &[f64]) -> Option<Self> {
        let varying: Vec<usize> = (0..variances.len()).filter(|&j| variances[j] > 0.0).collect();
        let (count, size) = (varying.len(), variances.len());
        let roots: Vec<f64> = varying.iter().map(|&j| (variances[j] * moments.total).sqrt()).collect();
        let mut lower = Vec::with_capacity(count * count);
        for (&k, b) in varying.iter().zip(&roots) {
            let column = &moments.scatter[k * size..(k + 1) * size];
            lower.extend(
                varying.iter().zip(&roots).map(|(&j, a)| if j == k { 1.0 } else { column[j] / (a * b) }),
            );
        }
        let (mut order, mut inverse) = (vec![0_usize; count], vec![0_usize; count]);
        let parameters = Default::default();
        let scratch = cholesky_in_place_scratch::<usize, f64>(count, Par::Seq, parameters);
        let mut memory = MemBuffer::try_new(scratch).ok()?;
        let matrix = MatMut::from_column_major_slice_mut(&mut lower, count, count);
        let stack = MemStack::new(&mut memory);
        // Pivots below count·ε count as zero: the direction is a combination of the others up to rounding.
        let (info, _) =
            cholesky_in_place(matrix, &mut order, &mut inverse, Par::Seq, stack, parameters).ok()?;
        let columns = order.iter().map(|&place| varying[place]).collect();
        let mut values = vec![0.0; count * info.rank];
        for k in 0..info.rank {
            (k..count).for_each(|place| values[place * info.rank + k] = lower[k * count + place]);
        }
        Some(Self { rank: info.rank, columns, values })
    }

    /// The column of R in a place of that order.
    fn column(&self, place: usize) -> &[f64] {
        &self.values[place * self.rank..(place + 1) * self.rank]
    }
}
