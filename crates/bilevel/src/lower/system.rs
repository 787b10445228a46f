//! Linear systems with H = ÃᵀDÃ + diag(d) on some columns, the intercept profiled out (Ã: columns centered in the D-weighted mean).
//!
//! | way | factorizes | for |
//! |---|---|---|
//! | primal | H itself | few columns |
//! | dual | I + B diag(d)⁻¹Bᵀ, B = D^½Ã, by the identity of Woodbury | few rows, all d > 0 |
//! | spectral | ÃᵀDÃ or BBᵀ, once for all multiples of the identity as diag(d) | few of either, D constant |
//! | iterative | nothing: conjugate gradients scaled by the diagonal | many of both |
//!
//! Where d spans orders of magnitude or is small, a factor is exact to a few digits only; it then preconditions conjugate gradients, which
//! take one product and a check where it is exact.

use std::sync::Arc;

use crate::design::DesignMatrix;
use crate::solver::{Cholesky, PseudoInverse, Spectrum, conjugate_gradient, diagonal_preconditioner};

use super::{Curvature, RowMajor};

/// Largest size of a system that is formed: 32 MB, and a factorization below a second.
pub(super) const DIRECT: usize = 2000;
/// Products that a factorized system may take: one and a check, and a few where its solution needs refinement.
const FEW_PRODUCTS: usize = 8;
/// First multiple of the diagonal that is added to a matrix without a factor, and the ratio of one to the next.
const DAMPING: (f64, f64) = (1e-12, 100.0);

/// How a system is solved.
#[derive(Debug)]
pub(super) enum Way {
    /// H, column major, and its factor unless it is singular.
    Primal { matrix: Vec<f64>, factor: Option<Cholesky> },
    /// ÃᵀDÃ on the columns, for diag(d) = shift·I.
    Spectral { spectrum: Arc<Spectrum>, shift: f64 },
    /// I + B diag(d)⁻¹Bᵀ.
    Dual(Dual),
    /// Nothing.
    Iterative,
}

/// (I + B diag(d)⁻¹Bᵀ)⁻¹ on the rows with weight.
#[derive(Debug)]
pub(super) struct Dual {
    pub(super) rows: Arc<[u32]>,
    /// √h on these rows.
    pub(super) roots: Vec<f64>,
    pub(super) inner: Inner,
}

/// How the inner system of [`Dual`] is solved.
#[derive(Debug)]
pub(super) enum Inner {
    /// A factor of all of it.
    Factor(Cholesky),
    /// BBᵀ, for diag(d) = shift·I.
    Spectral { spectrum: Arc<Spectrum>, shift: f64 },
}

impl Way {
    /// From ÃᵀDÃ and d.
    pub(super) fn primal(mut matrix: Vec<f64>, added: &[f64]) -> Self {
        let size = added.len();
        added.iter().enumerate().for_each(|(k, d)| matrix[k * size + k] += d);
        let factor = Cholesky::new(size, &matrix);
        Self::Primal { matrix, factor }
    }
}

/// H at one point.
pub(super) struct System<'h, D> {
    pub(super) curvature: Curvature<'h, D>,
    pub(super) columns: &'h [u32],
    /// a_jᵀh, or 0 without intercept.
    pub(super) sums: Vec<f64>,
    /// Σ h_i a_ij², where they came with the sums.
    pub(super) squares: Option<Vec<f64>>,
    /// d.
    pub(super) added: Vec<f64>,
    pub(super) way: Arc<Way>,
    /// The columns by rows, where products are many and the columns sparse.
    pub(super) rows: Option<Arc<RowMajor>>,
}

/// x = H⁻¹b.
pub(super) struct Solve {
    pub(super) x: Vec<f64>,
    /// ‖b − Hx‖.
    pub(super) residual: f64,
    /// Estimate of the smallest eigenvalue of H; 0 if x is not unique and b feels it.
    pub(super) smallest_eigenvalue: f64,
}

impl<D: DesignMatrix> System<'_, D> {
    /// A descent direction: −H⁻¹g, with H damped if it is not positive definite; `None` if nothing helps. Where there is no factor it is solved to
    /// a relative residual of `tolerance`.
    pub(super) fn descent(&self, gradient: &[f64], tolerance: f64) -> Option<Vec<f64>> {
        let right_side: Vec<f64> = gradient.iter().map(|g| -g).collect();
        let x = match &*self.way {
            Way::Primal { matrix, factor: None } => damped(matrix, &right_side)?,
            Way::Iterative => {
                let mut x = vec![0.0; right_side.len()];
                self.iterate(&right_side, &mut x, tolerance);
                x
            }
            _ => self.factor_solve(&right_side),
        };
        x.iter().all(|x| x.is_finite()).then_some(x)
    }

    /// Solves H x = b to a relative residual of `tolerance` from the start in `x`: the least-squares solution if H is singular.
    pub(super) fn solve(&self, b: &[f64], mut x: Vec<f64>, tolerance: f64) -> Solve {
        if b.is_empty() {
            return Solve { x, residual: 0.0, smallest_eigenvalue: f64::INFINITY };
        }
        let (residual, estimate) = match &*self.way {
            Way::Primal { matrix, factor: None } => return solve_singular(matrix, b),
            Way::Iterative => self.iterate(b, &mut x, tolerance),
            _ => {
                let precondition = |r: &[f64], out: &mut [f64]| out.copy_from_slice(&self.factor_solve(r));
                let mut work = Vec::new();
                let product = |v: &[f64], out: &mut [f64]| self.product(v, &mut work, out);
                let outcome = conjugate_gradient(product, precondition, b, &mut x, tolerance, FEW_PRODUCTS);
                (outcome.residual, self.smallest_eigenvalue())
            }
        };
        let smallest_added = self.added.iter().copied().fold(f64::INFINITY, f64::min);
        Solve { x, residual, smallest_eigenvalue: estimate.max(smallest_added) }
    }

    /// b − Hx.
    pub(super) fn residual(&self, b: &[f64], x: &[f64]) -> Vec<f64> {
        let mut image = vec![0.0; b.len()];
        self.product(x, &mut Vec::new(), &mut image);
        b.iter().zip(image).map(|(b, h)| b - h).collect()
    }

    /// out = H v.
    fn product(&self, v: &[f64], work: &mut Vec<f64>, out: &mut [f64]) {
        if let Way::Primal { matrix, .. } = &*self.way {
            return multiply(matrix, v, out);
        }
        match &self.rows {
            Some(rows) => self.curvature.product_by_rows(rows, &self.sums, v, out),
            None => self.curvature.product_into(self.columns, &self.sums, v, work, out),
        }
        out.iter_mut().zip(&self.added).zip(v).for_each(|((o, d), v)| *o += d * v);
    }

    /// H⁻¹b by the factor there is; b itself where there is none.
    fn factor_solve(&self, b: &[f64]) -> Vec<f64> {
        match &*self.way {
            Way::Primal { factor: Some(factor), .. } => factor.solve(b),
            Way::Spectral { spectrum, shift } => spectrum.apply(b, |s| 1.0 / (s + shift)),
            Way::Dual(dual) => self.woodbury(dual, b),
            Way::Primal { factor: None, .. } | Way::Iterative => b.to_vec(),
        }
    }

    /// x = diag(d)⁻¹(b − Bᵀ(I + B diag(d)⁻¹Bᵀ)⁻¹B diag(d)⁻¹b).
    fn woodbury(&self, dual: &Dual, b: &[f64]) -> Vec<f64> {
        let design = self.curvature.design;
        let inverse_total = self.curvature.inverse_total();
        let scaled: Vec<f64> = b.iter().zip(&self.added).map(|(b, d)| b / d).collect();
        let mut image = vec![0.0; design.n_rows()];
        for (&j, &v) in self.columns.iter().zip(&scaled) {
            design.column_axpy(j as usize, v, &mut image);
        }
        let mean = crate::kernel::dot(&self.sums, &scaled) * inverse_total;
        let rows = dual.rows.iter().zip(&dual.roots);
        let right: Vec<f64> = rows.clone().map(|(&i, root)| root * (image[i as usize] - mean)).collect();
        let inner = match &dual.inner {
            Inner::Factor(factor) => factor.solve(&right),
            Inner::Spectral { spectrum, shift } => spectrum.apply(&right, |s| shift / (s + shift)),
        };
        image.fill(0.0);
        rows.zip(&inner).for_each(|((&i, root), u)| image[i as usize] = root * u);
        let shift = image.iter().sum::<f64>() * inverse_total;
        let terms = self.columns.iter().zip(&self.sums).zip(b).zip(&self.added);
        terms
            .map(|(((&j, sum), b), d)| (b - design.column_dot(j as usize, &image) + sum * shift) / d)
            .collect()
    }

    /// By the factor there is.
    fn smallest_eigenvalue(&self) -> f64 {
        match &*self.way {
            Way::Primal { factor: Some(factor), .. } => factor.smallest_eigenvalue(),
            Way::Spectral { spectrum, shift } => spectrum.smallest() + shift,
            _ => 0.0,
        }
    }

    /// Conjugate gradients; returns the residual and an estimate of the smallest eigenvalue.
    fn iterate(&self, b: &[f64], x: &mut [f64], tolerance: f64) -> (f64, f64) {
        let mut work = Vec::new();
        let product = |v: &[f64], out: &mut [f64]| self.product(v, &mut work, out);
        let diagonal = match &self.squares {
            Some(squares) => self.curvature.diagonal_from(self.columns, &self.sums, squares.iter().copied()),
            None => self.curvature.diagonal(self.columns, &self.sums),
        };
        // With more columns than rows H is d·I on most of the space: one eigenvalue, which a diagonal spreads. Its root spreads it half as far, and on
        // words in texts takes a quarter fewer products.
        let is_common = self.added.iter().all(|d| *d == self.added[0]);
        let n_rows = self.curvature.weights.iter().filter(|h| **h > 0.0).count();
        let takes_root = is_common && self.columns.len() > n_rows;
        let scale = |entry: f64| if takes_root { entry.sqrt() } else { entry };
        let inverse: Vec<f64> = (diagonal.iter().zip(&self.added))
            .map(|(h, d)| if h + d > 0.0 { 1.0 / scale(h + d) } else { 1.0 })
            .collect();
        let precondition = diagonal_preconditioner(&inverse);
        let outcome = conjugate_gradient(product, precondition, b, x, tolerance, 4 * b.len() + 100);
        (outcome.residual, if outcome.converged { outcome.smallest_quotient } else { 0.0 })
    }
}

/// With the diagonal enlarged until there is a factor.
fn damped(matrix: &[f64], right_side: &[f64]) -> Option<Vec<f64>> {
    let size = right_side.len();
    let factors = std::iter::successors(Some(DAMPING.0), |d| Some(d * DAMPING.1));
    let factor = factors.take_while(|damping| *damping <= 1.0).find_map(|damping| {
        let mut damped = matrix.to_vec();
        (0..size).for_each(|k| damped[k * size + k] *= 1.0 + damping);
        Cholesky::new(size, &damped)
    })?;
    Some(factor.solve(right_side))
}

/// Least squares in variables scaled to a unit diagonal, because the entries of d span many orders of magnitude.
fn solve_singular(matrix: &[f64], b: &[f64]) -> Solve {
    let size = b.len();
    let root = |k: usize| matrix[k * size + k].max(0.0).sqrt();
    let scale: Vec<f64> = (0..size).map(|k| if root(k) > 0.0 { root(k) } else { 1.0 }).collect();
    let mut scaled = matrix.to_vec();
    for (column, s) in scaled.chunks_mut(size).zip(&scale) {
        column.iter_mut().zip(&scale).for_each(|(entry, t)| *entry /= s * t);
    }
    let right_side: Vec<f64> = b.iter().zip(&scale).map(|(b, s)| b / s).collect();
    let Some(inverse) = PseudoInverse::new(size, &scaled) else {
        return Solve { x: vec![0.0; size], residual: norm(b), smallest_eigenvalue: 0.0 };
    };
    let least_squares = inverse.solve(&right_side);
    let x: Vec<f64> = least_squares.solution.iter().zip(&scale).map(|(x, s)| x / s).collect();
    let mut rest = vec![0.0; size];
    multiply(matrix, &x, &mut rest);
    rest.iter_mut().zip(b).for_each(|(r, b)| *r = b - *r);
    let is_unique = least_squares.outside <= 1e-8 * norm(&right_side);
    let smallest_scale = scale.iter().copied().fold(f64::INFINITY, f64::min);
    let smallest = inverse.smallest_eigenvalue() * smallest_scale * smallest_scale;
    Solve { x, residual: norm(&rest), smallest_eigenvalue: if is_unique { smallest } else { 0.0 } }
}

/// out = M v of a column-major square matrix.
fn multiply(matrix: &[f64], v: &[f64], out: &mut [f64]) {
    out.fill(0.0);
    for (column, &v) in matrix.chunks(v.len()).zip(v) {
        crate::kernel::axpy(v, column, out);
    }
}

fn norm(v: &[f64]) -> f64 {
    crate::kernel::dot(v, v).sqrt()
}
