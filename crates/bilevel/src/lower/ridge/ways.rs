//! Which factorization a ridge system takes, and what is kept of it from one solve to the next.
//!
//! Everything that is kept is a function of the problem and the weights alone, so that what was solved before never shows in a digit.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::design::DesignMatrix;
use crate::loss::Loss;
use crate::penalty::L1;
use crate::solver::{Cholesky, Spectrum};

use super::super::curvature::CANCELLATION;
use super::super::row_gram::row_gram;
use super::super::system::{Dual, Inner, Way};
use super::super::{Curvature, RowMajor, SparseGlm};
use super::{Context, RidgeGlm};

/// Largest size whose eigenvalues are computed: they cost about as much as ten factorizations, below a second.
const SPECTRAL: usize = 1000;

/// Products that a step of Newton's method takes by conjugate gradients, as a rule.
const USUAL_PRODUCTS: f64 = 40.0;

/// A value for the weights d (length p) that it was computed at.
type AtWeights<T> = Mutex<Option<(Vec<f64>, Arc<T>)>>;

/// What solves with one problem share.
#[derive(Debug)]
pub(super) struct Caches {
    /// The rows of positive weight.
    rows: Arc<[u32]>,
    /// ÃᵀSÃ on all columns, for a loss of constant curvature.
    gram: OnceLock<Vec<f64>>,
    /// The spectrum of ÃᵀSÃ or S^½ÃÃᵀS^½, for a loss of constant curvature.
    spectrum: OnceLock<Option<Arc<Spectrum>>>,
    /// Σ_j a_j a_jᵀ/d_j on the rows, for weights scaled to d_0 = 1.
    row_gram: AtWeights<Vec<f64>>,
    /// The last way, for a loss of constant curvature.
    last: AtWeights<Way>,
    /// All columns by rows, once a system is solved by products; `None` where they are not sparse.
    by_rows: OnceLock<Option<Arc<RowMajor>>>,
    /// ‖a_i‖² of all rows, once an error is bounded by them.
    row_squares: OnceLock<Vec<f64>>,
    /// The scale of λ.
    largest_curvature: OnceLock<f64>,
}

/// Whether conjugate gradients cost less than the factor of a matrix that the next step makes anew: sparse products are cheap, factors are not.
fn products_are_cheap(design: &impl DesignMatrix, size: usize) -> bool {
    let size = size as f64;
    // Multiplications run about eight times as fast in a factorization.
    let factor = size * size * size / 6.0 / 8.0;
    let is_sparse = design.n_stored() < design.n_rows() * design.n_columns();
    is_sparse && USUAL_PRODUCTS * 2.0 * design.n_stored() as f64 <= factor
}

/// The value kept for these weights, or a new one.
fn at_weights<T>(kept: &AtWeights<T>, weights: &[f64], make: impl FnOnce() -> T) -> Arc<T> {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((of, value)) = kept.as_ref()
        && of == weights
    {
        return value.clone();
    }
    // What is kept goes before its successor takes memory.
    *kept = None;
    let value = Arc::new(make());
    *kept = Some((weights.to_vec(), value.clone()));
    value
}

impl Caches {
    pub(super) fn new(sample_weights: &[f64]) -> Self {
        let rows = (0_u32..).zip(sample_weights).filter(|(_, s)| **s > 0.0).map(|(i, _)| i).collect();
        Self {
            rows,
            gram: OnceLock::new(),
            spectrum: OnceLock::new(),
            row_gram: Mutex::default(),
            last: Mutex::default(),
            by_rows: OnceLock::new(),
            row_squares: OnceLock::new(),
            largest_curvature: OnceLock::new(),
        }
    }

    /// All columns by rows.
    pub(super) fn by_rows<D: DesignMatrix, L: Loss>(
        &self,
        glm: &SparseGlm<'_, D, L, L1>,
    ) -> Option<Arc<RowMajor>> {
        let make = || {
            let columns: Vec<u32> = (0_u32..).take(glm.design.n_columns()).collect();
            RowMajor::new(glm.design, &columns, glm.sample_weights).map(Arc::new)
        };
        self.by_rows.get_or_init(make).clone()
    }

    /// ‖a_i‖² of all rows.
    pub(super) fn row_squares(&self, design: &impl DesignMatrix) -> &[f64] {
        self.row_squares.get_or_init(|| {
            let mut squares = vec![0.0; design.n_rows()];
            (0..design.n_columns()).for_each(|j| design.visit_column(j, |i, a| squares[i] += a * a));
            squares
        })
    }

    pub(super) fn largest_curvature(&self, compute: impl FnOnce() -> f64) -> f64 {
        *self.largest_curvature.get_or_init(compute)
    }

    /// Whether systems on so many columns are solved by products.
    pub(super) fn is_iterative<D: DesignMatrix, L: Loss>(
        &self,
        problem: &RidgeGlm<'_, D, L>,
        n_columns: usize,
        all_weighted: bool,
    ) -> bool {
        let is_dual = n_columns > self.rows.len() && all_weighted;
        let size = if is_dual { self.rows.len() } else { n_columns };
        size > problem.direct || L::MAX_THIRD_DERIVATIVE > 0.0 && products_are_cheap(problem.glm.design, size)
    }

    /// The way to solve with H at one point.
    pub(super) fn way<D: DesignMatrix, L: Loss>(
        &self,
        context: &Context<'_, '_, D, L>,
        curvature: &Curvature<'_, D>,
        sums: &[f64],
    ) -> Arc<Way> {
        let choose = || self.choose(context, curvature, sums);
        if L::MAX_THIRD_DERIVATIVE > 0.0 {
            return choose().into();
        }
        at_weights(&self.last, &context.weights, choose)
    }

    fn choose<D: DesignMatrix, L: Loss>(
        &self,
        context: &Context<'_, '_, D, L>,
        curvature: &Curvature<'_, D>,
        sums: &[f64],
    ) -> Way {
        let all_weighted = context.local.iter().all(|d| *d > 0.0);
        if self.is_iterative(context.problem, context.columns.len(), all_weighted) {
            return Way::Iterative;
        }
        let is_dual = context.columns.len() > self.rows.len() && all_weighted;
        let size = if is_dual { self.rows.len() } else { context.columns.len() };
        if let Some(shift) = common_weight(&context.weights)
            && L::MAX_THIRD_DERIVATIVE == 0.0
            && size <= SPECTRAL
            && let Some(spectrum) = self.spectrum(context, curvature, sums, is_dual)
        {
            if !is_dual {
                return Way::Spectral { spectrum, shift };
            }
            return self.dual(curvature, Inner::Spectral { spectrum, shift });
        }
        if !is_dual {
            let gram = self
                .gram_by_rows(context, curvature, sums)
                .unwrap_or_else(|| context.problem.glm.gram(&self.gram, curvature, &context.columns, sums));
            return Way::primal(gram, &context.local);
        }
        let mut matrix = self.inner_matrix(context, curvature);
        (0..size).for_each(|k| matrix[k * size + k] += 1.0);
        Cholesky::new(size, &matrix)
            .map_or(Way::Iterative, |factor| self.dual(curvature, Inner::Factor(factor)))
    }

    /// ÃᵀDÃ by rows, where a loss asks for it at every step: the pairs of entries in a row are fewer than those of a column and all rows. `None` where
    /// columns are not sparse.
    fn gram_by_rows<D: DesignMatrix, L: Loss>(
        &self,
        context: &Context<'_, '_, D, L>,
        curvature: &Curvature<'_, D>,
        sums: &[f64],
    ) -> Option<Vec<f64>> {
        let glm = &context.problem.glm;
        if L::MAX_THIRD_DERIVATIVE == 0.0 || context.columns.len() < glm.design.n_columns() {
            return None;
        }
        let size = context.columns.len();
        let mut gram = self.by_rows(glm)?.gram(curvature.weights);
        let inverse_total = curvature.inverse_total();
        for (column, sum) in gram.chunks_mut(size).zip(sums) {
            crate::kernel::axpy(-sum * inverse_total, sums, column);
        }
        // A column that is nearly constant has lost its digits.
        let square = |k: usize| gram[k * size + k] + sums[k] * sums[k] * inverse_total;
        let lost: Vec<usize> =
            (0..size).filter(|&k| gram[k * size + k] <= CANCELLATION * square(k)).collect();
        for k in lost.into_iter().filter(|&k| sums[k] != 0.0) {
            for (j, entry) in curvature.gram_row(&context.columns, sums, k).into_iter().enumerate() {
                gram[k * size + j] = entry;
                gram[j * size + k] = entry;
            }
        }
        Some(gram)
    }

    fn dual<D: DesignMatrix>(&self, curvature: &Curvature<'_, D>, inner: Inner) -> Way {
        Way::Dual(Dual { rows: self.rows.clone(), roots: self.roots(curvature), inner })
    }

    /// √h on the rows.
    fn roots<D: DesignMatrix>(&self, curvature: &Curvature<'_, D>) -> Vec<f64> {
        self.rows.iter().map(|&i| curvature.weights[i as usize].sqrt()).collect()
    }

    /// The eigenvalues for a common weight: of ÃᵀSÃ, or of BBᵀ (which the weight divides out of).
    fn spectrum<D: DesignMatrix, L: Loss>(
        &self,
        context: &Context<'_, '_, D, L>,
        curvature: &Curvature<'_, D>,
        sums: &[f64],
        is_dual: bool,
    ) -> Option<Arc<Spectrum>> {
        let compute = || {
            if !is_dual {
                let gram = context.problem.glm.gram(&self.gram, curvature, &context.columns, sums);
                return Spectrum::new(context.columns.len(), &gram).map(Arc::new);
            }
            let ones = vec![1.0; context.columns.len()];
            let gram = row_gram(
                curvature.design,
                &self.rows,
                &context.columns,
                &ones,
                context.problem.glm.intercept,
            );
            Spectrum::new(self.rows.len(), &self.weigh(gram, 1.0, curvature)).map(Arc::new)
        };
        self.spectrum.get_or_init(compute).clone()
    }

    /// B diag(d)⁻¹Bᵀ.
    fn inner_matrix<D: DesignMatrix, L: Loss>(
        &self,
        context: &Context<'_, '_, D, L>,
        curvature: &Curvature<'_, D>,
    ) -> Vec<f64> {
        let unit = context.local[0];
        let relative: Vec<f64> = context.weights.iter().map(|d| d / unit).collect();
        let gram = at_weights(&self.row_gram, &relative, || {
            let inverse: Vec<f64> = context.local.iter().map(|d| unit / d).collect();
            row_gram(curvature.design, &self.rows, &context.columns, &inverse, context.problem.glm.intercept)
        });
        self.weigh(gram.to_vec(), 1.0 / unit, curvature)
    }

    /// t (I − ggᵀ) D^½ G D^½ (I − ggᵀ) with g = √h/‖√h‖ where there is an intercept: what centering in the h-weighted mean is after scaling by √h.
    fn weigh<D: DesignMatrix>(&self, mut gram: Vec<f64>, t: f64, curvature: &Curvature<'_, D>) -> Vec<f64> {
        let (size, roots) = (self.rows.len(), self.roots(curvature));
        for (column, root) in gram.chunks_mut(size).zip(&roots) {
            column.iter_mut().zip(&roots).for_each(|(entry, r)| *entry *= t * root * r);
        }
        let inverse_total = curvature.inverse_total();
        if inverse_total == 0.0 {
            return gram;
        }
        let g: Vec<f64> = roots.iter().map(|r| r * inverse_total.sqrt()).collect();
        let image: Vec<f64> = gram.chunks(size).map(|column| crate::kernel::dot(column, &g)).collect();
        let both = crate::kernel::dot(&g, &image);
        for ((column, g_k), v_k) in gram.chunks_mut(size).zip(&g).zip(&image) {
            let entries = column.iter_mut().zip(&g).zip(&image);
            entries.for_each(|((entry, g_i), v_i)| *entry += both * g_i * g_k - g_i * v_k - v_i * g_k);
        }
        gram
    }
}

/// The weight, if all coefficients have the same and it is positive and finite.
fn common_weight(weights: &[f64]) -> Option<f64> {
    let first = *weights.first()?;
    (first > 0.0 && first.is_finite() && weights.iter().all(|d| *d == first)).then_some(first)
}
