//! The problem on the manifold of a partition, where it is smooth, and its Hessian.
//!
//! ```text
//! min_v  Σ ½w(Pv − f)² + Σ_{moving} α_i h_ε(|D_i P v|),     H = PᵀWP + Σ α_i (D_iP)ᵀ M_i (D_iP),   M = (I − ggᵀ/|g|²)/|g|
//! ```
//!
//! with P the spread of a value over its region. H has an entry for each pair of regions that touch; it is factorized.

use std::sync::Arc;

use faer::linalg::solvers::Solve;
use faer::sparse::linalg::solvers::{Llt, SymbolicLlt};
use faer::sparse::{Argsort, Pair, SparseColMat, SymbolicSparseColMat};
use faer::{Mat, Side};

use super::field::{Field, Problem};
use super::regions::{PINNED, Regions, neighbours};
use crate::{Error, Result};

/// The reduced problem.
pub(super) struct Reduced<'a> {
    pub problem: &'a Problem,
    pub regions: Regions,
    /// Σ w over each region.
    mass: Vec<f64>,
    pattern: Arc<Pattern>,
}

/// Where H has entries, and the order of its elimination: the same for all images on a manifold.
#[derive(Debug)]
pub(super) struct Pattern {
    matrix: SymbolicSparseColMat<usize>,
    order: Argsort<usize>,
    symbolic: SymbolicLlt<usize>,
}

/// H = LLᵀ.
pub(super) struct Factor {
    size: usize,
    /// `None` if every region is pinned.
    llt: Option<Llt<usize, f64>>,
}

impl Factor {
    pub fn solve(&self, b: &[f64]) -> Vec<f64> {
        self.solve_columns(b)
    }

    /// H⁻¹ applied to columns of the system's size, one after another.
    pub fn solve_columns(&self, b: &[f64]) -> Vec<f64> {
        let Some(llt) = &self.llt else { return Vec::new() };
        let size = self.size;
        let x = llt.solve(Mat::from_fn(size, b.len() / size, |i, k| b[k * size + i]));
        (0..x.ncols()).flat_map(|k| (0..size).map(move |i| (i, k))).map(|at| x[at]).collect()
    }
}

impl Pattern {
    pub fn new(problem: &Problem, regions: &Regions) -> Result<Self> {
        let size = regions.count;
        let failed = |reason: String| Error::AdjointSolve { size, reason };
        let mut pairs: Vec<Pair<usize, usize>> = (0..size).map(|k| Pair { row: k, col: k }).collect();
        for &i in &regions.moving {
            let corners = corners(problem, regions, i as usize);
            each_pair(&corners, |row, col, _| pairs.push(Pair { row: row.max(col), col: row.min(col) }));
        }
        let (matrix, order) = SymbolicSparseColMat::try_new_from_indices(size, size, &pairs)
            .map_err(|e| failed(format!("{e:?}")))?;
        let symbolic =
            SymbolicLlt::try_new(matrix.as_ref(), Side::Lower).map_err(|e| failed(format!("{e:?}")))?;
        Ok(Self { matrix, order, symbolic })
    }
}

impl<'a> Reduced<'a> {
    pub fn new(problem: &'a Problem, regions: Regions) -> Result<Self> {
        let pattern = Arc::new(Pattern::new(problem, &regions)?);
        Ok(Self::with_pattern(problem, regions, pattern))
    }

    /// On regions whose pattern is known.
    pub fn with_pattern(problem: &'a Problem, regions: Regions, pattern: Arc<Pattern>) -> Self {
        Self { mass: regions.gather(&problem.data), problem, regions, pattern }
    }

    /// The mean of an image over each region, weighted by the data weights.
    pub fn means(&self, image: &[f64]) -> Vec<f64> {
        let weighted: Vec<f64> = image.iter().zip(&self.problem.data).map(|(u, w)| u * w).collect();
        self.regions.gather(&weighted).iter().zip(&self.mass).map(|(sum, mass)| sum / mass).collect()
    }

    /// The derivative of the penalty at the moving pixels: α h'(|g|) g/|g|, and 0 elsewhere.
    pub fn penalty_slopes(&self, u: &[f64]) -> Field {
        let mut slopes = Field::zeros(u.len());
        for &i in &self.regions.moving {
            let i = i as usize;
            let (gx, gy) = self.problem.gradient_at(u, i);
            let length = gx.hypot(gy).max(self.problem.smoothing).max(f64::MIN_POSITIVE);
            slopes.x[i] = self.problem.alpha[i] * gx / length;
            slopes.y[i] = self.problem.alpha[i] * gy / length;
        }
        slopes
    }

    /// The gradient of the reduced problem.
    pub fn gradient(&self, u: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; u.len()];
        self.problem.divergence_adjoint(&self.penalty_slopes(u), &mut out);
        for (i, out) in out.iter_mut().enumerate() {
            *out += self.problem.data[i] * (u[i] - self.problem.image[i]);
        }
        self.regions.gather(&out)
    }

    /// H at an image on the manifold.
    ///
    /// # Errors
    /// [`Error::AdjointSolve`] if H is numerically singular.
    pub fn factor(&self, u: &[f64]) -> Result<Factor> {
        self.factor_with(|i| self.curvature(u, i))
    }

    /// PᵀWP + Σ (D_iP)ᵀ C_i (D_iP), C_i = (xx, xy, yy) from `curvature(i)`, 0 across the edge of the image.
    pub fn factor_with(&self, curvature: impl Fn(usize) -> (f64, f64, f64)) -> Result<Factor> {
        let size = self.regions.count;
        if size == 0 {
            return Ok(Factor { size, llt: None });
        }
        let mut values = self.mass.clone();
        for &i in &self.regions.moving {
            let i = i as usize;
            let corners = corners(self.problem, &self.regions, i);
            let curvature = curvature(i);
            each_pair(&corners, |_, _, (k, l)| {
                let twice = if k != l && corners[k] == corners[l] { 2.0 } else { 1.0 };
                values.push(twice * entry(curvature, k, l));
            });
        }
        let failed = |reason: String| Error::AdjointSolve { size, reason };
        let matrix =
            SparseColMat::new_from_argsort(self.pattern.matrix.clone(), &self.pattern.order, &values)
                .map_err(|e| failed(format!("{e:?}")))?;
        let llt = Llt::try_new_with_symbolic(self.pattern.symbolic.clone(), matrix.as_ref(), Side::Lower)
            .map_err(|_| failed("the reduced Hessian is numerically singular".to_string()))?;
        Ok(Factor { size, llt: Some(llt) })
    }

    /// α M at a moving pixel: (xx, xy, yy).
    fn curvature(&self, u: &[f64], i: usize) -> (f64, f64, f64) {
        let problem = self.problem;
        let (gx, gy) = problem.gradient_at(u, i);
        let length = gx.hypot(gy);
        let [right, down] = neighbours(problem.cols, u.len(), i);
        let (has_x, has_y) = (f64::from(u8::from(right.is_some())), f64::from(u8::from(down.is_some())));
        if length <= problem.smoothing {
            let flat = problem.alpha[i] / problem.smoothing.max(f64::MIN_POSITIVE);
            return (flat * has_x, 0.0, flat * has_y);
        }
        let (nx, ny, scale) = (gx / length, gy / length, problem.alpha[i] / length);
        (scale * ny * ny * has_x, -scale * nx * ny * has_x * has_y, scale * nx * nx * has_y)
    }
}

/// The regions of a pixel, its right and its lower neighbour; [`PINNED`] where there is no unknown.
fn corners(problem: &Problem, regions: &Regions, i: usize) -> [u32; 3] {
    let [right, down] = neighbours(problem.cols, problem.len(), i);
    let region = |j: Option<usize>| j.map_or(PINNED, |j| regions.of_pixel[j]);
    [regions.of_pixel[i], region(right), region(down)]
}

/// The pairs of unknowns that a pixel couples: (row, column, their corners).
fn each_pair(corners: &[u32; 3], mut visit: impl FnMut(usize, usize, (usize, usize))) {
    for k in 0..3 {
        for l in k..3 {
            if corners[k] != PINNED && corners[l] != PINNED {
                visit(corners[k] as usize, corners[l] as usize, (k, l));
            }
        }
    }
}

/// Entry (k, l), k ≤ l, of DᵀMD for D = [(−1, 1, 0), (−1, 0, 1)].
fn entry((xx, xy, yy): (f64, f64, f64), k: usize, l: usize) -> f64 {
    match (k, l) {
        (0, 0) => xx + 2.0 * xy + yy,
        (1, 1) => xx,
        (2, 2) => yy,
        (0, 1) => -(xx + xy),
        (0, 2) => -(xy + yy),
        _ => xy,
    }
}
