//! Straight-ray travel-time tomography: the time of a ray is the sum over the cells it crosses of its length there times the slowness of the cell.
//!
//! The lengths are exact (Siddon); they are held as sparse rows and, for the adjoint, as sparse columns, so that both products gather and give
//! the same numbers for any number of threads.
//!
//! Source: Siddon, "Fast calculation of the exact radiological path for a three-dimensional CT array", Medical Physics 12 (1985).

use rayon::prelude::*;

use super::{LinearOperator, side_by_side};
use crate::kernel::Element;
use crate::{Error, Result};

/// Rays or cells that a task sums: enough work to be worth a thread.
const LINES_TOGETHER: usize = 64;

/// A grid of rectangular cells: cell (row, column) covers x from origin₀ + column·cell₀ and y from origin₁ + row·cell₁ on.
///
/// # Example
/// ```
/// let grid = bilevel::operator::CellGrid::unit(10, 20);
/// assert_eq!((grid.cell, grid.origin), ([1.0, 1.0], [0.0, 0.0]));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CellGrid {
    /// Cells along y (depth).
    pub rows: usize,
    /// Cells along x.
    pub columns: usize,
    /// Size of a cell along x and along y.
    pub cell: [f64; 2],
    /// The corner of cell (0, 0) with the smallest x and y.
    pub origin: [f64; 2],
}

impl CellGrid {
    /// Unit cells from the origin on.
    pub fn unit(rows: usize, columns: usize) -> Self {
        Self { rows, columns, cell: [1.0, 1.0], origin: [0.0, 0.0] }
    }

    fn check(&self) -> Result<()> {
        if self.rows == 0 || self.columns == 0 || self.rows.saturating_mul(self.columns) > u32::MAX as usize {
            let found = format!("{}×{} cells", self.rows, self.columns);
            return Err(Error::setting("grid", found, "between 1 and 4294967295 cells"));
        }
        if !self.cell.iter().all(|side| side.is_finite() && *side > 0.0) {
            return Err(Error::setting("cell", format!("{:?}", self.cell), "two positive lengths"));
        }
        if !self.origin.iter().all(|at| at.is_finite()) {
            return Err(Error::setting("origin", format!("{:?}", self.origin), "two finite numbers"));
        }
        Ok(())
    }

    /// Calls `visit(cell, length)` for the cells that a ray crosses, from its source to its receiver; what lies off the grid counts for nothing.
    fn trace(&self, ray: &Ray, mut visit: impl FnMut(usize, f64)) {
        let along: [f64; 2] = std::array::from_fn(|a| ray.receiver[a] - ray.source[a]);
        let cells = [self.columns, self.rows];
        let mut crossings = vec![0.0, 1.0];
        for axis in 0..2 {
            if along[axis] == 0.0 {
                continue;
            }
            // Planes k with origin + k·cell between source and receiver: t = (plane − source)/(receiver − source).
            let plane = |at: f64| (at - self.origin[axis]) / self.cell[axis];
            let ends = [plane(ray.source[axis]), plane(ray.receiver[axis])];
            let first = ends[0].min(ends[1]).ceil().max(0.0) as usize;
            let last = ends[0].max(ends[1]).floor().min(cells[axis] as f64);
            crossings.extend(
                (first..).take_while(|k| *k as f64 <= last).map(|k| {
                    (self.origin[axis] + k as f64 * self.cell[axis] - ray.source[axis]) / along[axis]
                }),
            );
        }
        crossings.sort_by(f64::total_cmp);
        let length = along[0].hypot(along[1]);
        for (from, to) in crossings.iter().zip(&crossings[1..]) {
            if let (true, Some(cell)) = (to > from, self.cell_at(ray, along, 0.5 * (from + to))) {
                visit(cell, (to - from) * length);
            }
        }
    }

    /// The cell of the point source + t·along. A ray along an edge belongs to the cell behind it, at the end of the grid to the last.
    fn cell_at(&self, ray: &Ray, along: [f64; 2], t: f64) -> Option<usize> {
        let index = |axis: usize, cells: usize| {
            let at = (ray.source[axis] + t * along[axis] - self.origin[axis]) / self.cell[axis];
            (at >= 0.0 && at <= cells as f64).then(|| (at as usize).min(cells - 1))
        };
        Some(index(1, self.rows)? * self.columns + index(0, self.columns)?)
    }
}

/// A straight ray.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ray {
    /// (x, y) of the source.
    pub source: [f64; 2],
    /// (x, y) of the receiver.
    pub receiver: [f64; 2],
}

impl Ray {
    /// A ray from every source to every receiver, receivers innermost.
    pub fn all_pairs(sources: &[[f64; 2]], receivers: &[[f64; 2]]) -> Vec<Self> {
        let from = |source: &[f64; 2]| {
            let source = *source;
            receivers.iter().map(move |receiver| Self { source, receiver: *receiver })
        };
        sources.iter().flat_map(from).collect()
    }
}

/// Travel times of straight rays through cells of constant slowness: A_rc = length of ray r in cell c, cells row by row.
///
/// # Example
/// ```
/// use bilevel::operator::{CellGrid, LinearOperator, Ray, TravelTime};
///
/// let rays = Ray::all_pairs(&[[0.0, 0.0]], &[[2.0, 2.0], [2.0, 0.5]]);
/// let times = TravelTime::new(&CellGrid::unit(2, 2), &rays)?;
/// let diagonal = times.apply(&[1.0, 10.0, 10.0, 3.0])?[0];
/// assert!((diagonal - 4.0 * 2.0_f64.sqrt()).abs() < 1e-14);
/// # Ok::<(), bilevel::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct TravelTime {
    rays: Lengths,
    cells: Lengths,
}

impl TravelTime {
    /// Traces all rays through the grid.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for a grid without cells or extent; [`Error::InvalidData`] for a ray whose ends are not finite, infinitely far apart or the same point.
    pub fn new(grid: &CellGrid, rays: &[Ray]) -> Result<Self> {
        grid.check()?;
        if let Some((k, ray)) = rays.iter().enumerate().find(|(_, ray)| !is_a_line(ray)) {
            let found = format!("from {:?} to {:?}", ray.source, ray.receiver);
            return Err(Error::data(format!("ray {k}"), found, "two different points a finite length apart"));
        }
        let traced: Vec<Vec<(u32, f64)>> = rays
            .par_iter()
            .map(|ray| {
                let mut row = Vec::new();
                grid.trace(ray, |cell, length| row.push((cell as u32, length)));
                row
            })
            .collect();
        let rays = Lengths::from_rows(&traced);
        drop(traced);
        let cells = rays.transposed(grid.rows * grid.columns);
        Ok(Self { rays, cells })
    }

    /// Number of nonzero lengths.
    pub fn n_lengths(&self) -> usize {
        self.rays.values.len()
    }
}

impl<T: Element> LinearOperator<T> for TravelTime {
    fn n_rows(&self) -> usize {
        self.rays.n_lines()
    }

    fn n_columns(&self) -> usize {
        self.cells.n_lines()
    }

    fn apply_into(&self, x: &[T], out: &mut [T]) -> Result<()> {
        self.rays.product(x, out);
        Ok(())
    }

    fn adjoint_into(&self, y: &[T], out: &mut [T]) -> Result<()> {
        self.cells.product(y, out);
        Ok(())
    }

    fn apply_two_into(&self, x: [&[T]; 2], out: [&mut [T]; 2]) -> Result<()> {
        self.rays.product_of_two(x, out);
        Ok(())
    }

    fn adjoint_two_into(&self, y: [&[T]; 2], out: [&mut [T]; 2]) -> Result<()> {
        self.cells.product_of_two(y, out);
        Ok(())
    }
}

/// Whether the ends are different and finite, and so far apart at most that their distance is finite.
fn is_a_line(ray: &Ray) -> bool {
    let length = (ray.receiver[0] - ray.source[0]).hypot(ray.receiver[1] - ray.source[1]);
    ray.source != ray.receiver && length.is_finite()
}

/// A sparse matrix by lines (rows of A or of Aᵀ).
#[derive(Debug, Clone)]
struct Lengths {
    starts: Vec<usize>,
    indices: Vec<u32>,
    values: Vec<f64>,
}

impl Lengths {
    fn from_rows(rows: &[Vec<(u32, f64)>]) -> Self {
        let mut starts = vec![0];
        let mut end = 0;
        starts.extend(rows.iter().map(|row| {
            end += row.len();
            end
        }));
        let (indices, values) = rows.iter().flatten().copied().unzip();
        Self { starts, indices, values }
    }

    fn n_lines(&self) -> usize {
        self.starts.len() - 1
    }

    fn transposed(&self, n_lines: usize) -> Self {
        let mut starts = vec![0; n_lines + 1];
        self.indices.iter().for_each(|index| starts[*index as usize + 1] += 1);
        (0..n_lines).for_each(|k| starts[k + 1] += starts[k]);
        let mut next = starts.clone();
        let mut indices = vec![0; self.values.len()];
        let mut values = vec![0.0; self.values.len()];
        for line in 0..self.n_lines() {
            for k in self.starts[line]..self.starts[line + 1] {
                let at = &mut next[self.indices[k] as usize];
                indices[*at] = line as u32;
                values[*at] = self.values[k];
                *at += 1;
            }
        }
        Self { starts, indices, values }
    }

    /// out_line = Σ length·x.
    fn product<T: Element>(&self, x: &[T], out: &mut [T]) {
        out.par_iter_mut().with_min_len(LINES_TOGETHER).zip(self.starts.par_windows(2)).for_each(
            |(out, ends)| {
                let range = ends[0]..ends[1];
                let terms = self.indices[range.clone()].iter().zip(&self.values[range]);
                *out = T::from_f64(terms.map(|(index, value)| value * x[*index as usize].to_f64()).sum());
            },
        );
    }

    /// The same for two vectors, in one pass over the lengths.
    fn product_of_two<T: Element>(&self, x: [&[T]; 2], [out, other]: [&mut [T]; 2]) {
        let x = side_by_side(x);
        let outs = out.par_iter_mut().zip(other).with_min_len(LINES_TOGETHER);
        outs.zip(self.starts.par_windows(2)).for_each(|((out, other), ends)| {
            let range = ends[0]..ends[1];
            let mut sums = [0.0; 2];
            for (index, value) in self.indices[range.clone()].iter().zip(&self.values[range]) {
                let [a, b] = x[*index as usize];
                sums[0] += value * a;
                sums[1] += value * b;
            }
            (*out, *other) = (T::from_f64(sums[0]), T::from_f64(sums[1]));
        });
    }
}
