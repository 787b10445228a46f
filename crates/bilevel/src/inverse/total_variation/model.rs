//! Derivatives of a solution in its weights, on the manifold where it is smooth.
//!
//! ```text
//! H q = −Pᵀω,     ∂Φ/∂α_i = (D_i u/|D_i u|)·(D_i P q),     ∂Φ/∂w_i = (u_i − f_i)(Pq)_i
//! ```
//!
//! A pixel whose gradient vanishes does not feel its α as long as |p_i| < α_i.

use rayon::prelude::*;

use super::field::Problem;
use super::reduced::{Factor, Reduced};
use super::regions::{PINNED, Regions};
use super::{TotalVariation, Weighting};
use crate::Result;
use crate::hypergradient::{QuadraticCriterion, Selection};
use crate::lower::{Adjoint, Solution, UpperGradient};

/// Largest number of weights that a Gauss–Newton model is built for: it takes one solve for each.
const LARGEST_MODEL: usize = 1500;
/// ‖D‖² is below this.
const SQUARE_NORM: f64 = 8.0;
/// A gradient below this part of the largest pixel counts as none; the next is tried where one leaves a Hessian too stiff to factorize.
const FLAT: [f64; 3] = [1e-9, 1e-6, 1e-4];

/// Number of connected regions of exactly one value.
pub(super) fn count_regions(cols: usize, u: &[f64]) -> usize {
    let differs = |i: usize| {
        let right = !(i + 1).is_multiple_of(cols) && u[i + 1] != u[i];
        right || u.get(i + cols).is_some_and(|down| *down != u[i])
    };
    let moves: Vec<bool> = (0..u.len()).map(differs).collect();
    Regions::new(cols, &moves, None).count
}

/// The pixels whose gradient moves. Of the gradient and the room that the dual vector has left, one vanishes at a solution: the smaller one is taken to, so
/// that a solution of any accuracy has a manifold.
fn moves(problem: &Problem, solution: &Solution, flat: f64) -> Vec<bool> {
    let (u, size) = (&solution.coefficients, solution.coefficients.len());
    if problem.smoothing > 0.0 {
        return vec![true; size];
    }
    let largest = u.iter().fold(0.0, |largest: f64, u| largest.max(u.abs()));
    let dual = (solution.correlations.len() == 2 * size).then(|| solution.correlations.split_at(size));
    let room = |i: usize| dual.map_or(0.0, |(x, y)| problem.alpha[i] - x[i].hypot(y[i]));
    let moves = |i: usize| {
        let (gx, gy) = problem.gradient_at(u, i);
        gx.hypot(gy) > room(i).max(flat * largest)
    };
    (0..size).map(moves).collect()
}

/// The manifold of a solution, with its Hessian factorized.
pub(super) struct Manifold<'a> {
    of: &'a TotalVariation,
    problem: &'a Problem,
    u: &'a [f64],
    reduced: Reduced<'a>,
    factor: Factor,
}

impl<'a> Manifold<'a> {
    pub fn new(of: &'a TotalVariation, problem: &'a Problem, solution: &'a Solution) -> Result<Self> {
        let [flat, flatter, flattest] = FLAT;
        Self::with_flat(of, problem, solution, flat)
            .or_else(|_| Self::with_flat(of, problem, solution, flatter))
            .or_else(|_| Self::with_flat(of, problem, solution, flattest))
    }

    fn with_flat(
        of: &'a TotalVariation,
        problem: &'a Problem,
        solution: &'a Solution,
        flat: f64,
    ) -> Result<Self> {
        let u = &solution.coefficients;
        let moves = moves(problem, solution, flat);
        // A region at exactly zero is one that the constraint holds.
        let lean = problem.non_negative.then_some(u.as_slice());
        let reduced = Reduced::new(problem, Regions::new(problem.cols, &moves, lean))?;
        let factor = reduced.factor(u)?;
        Ok(Self { of, problem, u, reduced, factor })
    }

    fn spread(&self, values: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.u.len()];
        self.reduced.regions.expand(values, &mut out);
        out
    }

    /// (∂u/∂λ)ᵀω.
    pub fn adjoint(
        &self,
        solution: &Solution,
        upper: &UpperGradient<'_>,
        selection: Selection,
    ) -> Result<Adjoint> {
        let source: Vec<f64> = self.reduced.regions.gather(upper.predictor).iter().map(|s| -s).collect();
        let q = self.spread(&self.factor.solve(&source));
        let mut slopes = Vec::with_capacity(self.of.alpha.n_blocks() + self.of.data.n_blocks());
        if let Weighting::Learned(map) = &self.of.alpha {
            slopes.extend(map.gather(&self.alpha_slopes(&q)));
        }
        if let Weighting::Learned(map) = &self.of.data {
            let products: Vec<f64> =
                (0..q.len()).map(|i| (self.u[i] - self.problem.image[i]) * q[i]).collect();
            slopes.extend(map.gather(&products));
        }
        Ok(Adjoint {
            lambda: (0_u32..).zip(slopes).collect(),
            error_bound: self.error_bound(&q, upper),
            biactive: self.biactive(solution, selection.band),
            ..Adjoint::default()
        })
    }

    /// h'(|D_i u|) D_iu/|D_iu| · D_i q for each pixel.
    fn alpha_slopes(&self, q: &[f64]) -> Vec<f64> {
        let slopes = self.reduced.penalty_slopes(self.u);
        (0..q.len())
            .map(|i| {
                let (qx, qy) = self.problem.gradient_at(q, i);
                (slopes.x[i] * qx + slopes.y[i] * qy) / self.problem.alpha[i]
            })
            .collect()
    }

    /// Pixels that do not move although their dual vectors reach the boundary.
    fn biactive(&self, solution: &Solution, band: f64) -> usize {
        let size = self.u.len();
        if self.problem.smoothing > 0.0 || solution.correlations.len() != 2 * size {
            return 0;
        }
        let (x, y) = solution.correlations.split_at(size);
        let touches = |i: usize| x[i].hypot(y[i]) >= (1.0 - band) * self.problem.alpha[i];
        let moving = self.reduced.regions.moving.iter().filter(|&&i| touches(i as usize)).count();
        (0..size).filter(|&i| touches(i)).count() - moving
    }

    /// A bound on the error of the adjoint (DESIGN §2.4), provided that the manifold is the solution's.
    fn error_bound(&self, q: &[f64], upper: &UpperGradient<'_>) -> f64 {
        let problem = self.problem;
        let weakest = problem.data.iter().copied().fold(f64::INFINITY, f64::min);
        let norm = |v: &[f64]| crate::kernel::dot(v, v).sqrt();
        // ‖u − u*‖ ≤ ‖∇‖/μ on the manifold, and what rounding leaves.
        let rounding = f64::EPSILON * norm(self.u);
        let reach = norm(&self.reduced.gradient(self.u)) / weakest + rounding;
        let bends = upper.curvature.iter().copied().fold(0.0, f64::max);
        let (mut stiffer, mut turned) = (0.0_f64, 0.0);
        for &i in &self.reduced.regions.moving {
            let i = i as usize;
            let (g, d) = (problem.gradient_at(self.u, i), problem.gradient_at(q, i));
            let (length, slope) = (g.0.hypot(g.1).max(problem.smoothing), d.0.hypot(d.1));
            let nearest = (length - SQUARE_NORM.sqrt() * reach).max(f64::MIN_POSITIVE);
            stiffer = stiffer.max(3.0 * problem.alpha[i] * slope / (nearest * nearest));
            turned += (2.0 * slope / nearest).powi(2);
        }
        let of_adjoint = (bends + SQUARE_NORM * stiffer) * reach / weakest + 1e-12 * norm(q);
        let mut bound = 0.0;
        if let Weighting::Learned(map) = &self.of.alpha {
            bound +=
                (SQUARE_NORM * map.square_norm()).sqrt() * of_adjoint + (SQUARE_NORM * turned).sqrt() * reach;
        }
        if let Weighting::Learned(map) = &self.of.data {
            let misfits = self.u.iter().zip(&problem.image).map(|(u, f)| (u - f).abs());
            bound += map.square_norm().sqrt() * misfits.fold(0.0, f64::max) * of_adjoint + norm(q) * reach;
        }
        bound
    }

    /// The Gauss–Newton model: u moves with λ as P H⁻¹ C.
    pub fn gauss_newton(
        &self,
        upper: &UpperGradient<'_>,
        upper_hessian: &[f64],
    ) -> Result<Option<QuadraticCriterion>> {
        let blocks = self.of.alpha.n_blocks() + self.of.data.n_blocks();
        let size = self.reduced.regions.count;
        if blocks > LARGEST_MODEL || size == 0 {
            return Ok(None);
        }
        let sources = self.sources(blocks);
        let moved = self.moved(&sources, size);
        let seen = self.reduced.regions.gather(upper_hessian);
        let omega = self.reduced.regions.gather(upper.predictor);
        let n = blocks + 1;
        let mut hessian = vec![0.0; n * n];
        hessian.par_chunks_mut(n).zip(moved.par_chunks(size)).enumerate().for_each(|(k, (column, a))| {
            let weighted: Vec<f64> = a.iter().zip(&seen).map(|(a, s)| a * s).collect();
            for (entry, b) in column.iter_mut().zip(moved.chunks(size)).take(k + 1) {
                *entry = crate::kernel::dot(&weighted, b);
            }
        });
        for k in 0..n {
            for l in 0..k {
                hessian[l * n + k] = hessian[k * n + l];
            }
        }
        let gradient = moved.chunks(size).map(|a| crate::kernel::dot(a, &omega)).chain([0.0]).collect();
        let blocks = (0_u32..).take(blocks).collect();
        Ok(Some(QuadraticCriterion { blocks, hessian, gradient }))
    }

    /// The columns of −C: for each number behind a weight, the entries (region, value) of what its growth takes from the reduced gradient.
    fn sources(&self, blocks: usize) -> Vec<Vec<(u32, f64)>> {
        let regions = &self.reduced.regions.of_pixel;
        let cols = self.problem.cols;
        let mut columns = vec![Vec::new(); blocks];
        if let Weighting::Learned(map) = &self.of.alpha {
            let slopes = self.reduced.penalty_slopes(self.u);
            for (i, entries) in map.pixels().enumerate() {
                let (x, y) = (slopes.x[i] / self.problem.alpha[i], slopes.y[i] / self.problem.alpha[i]);
                for (at, value) in [(i, x + y), (i + 1, -x), (i + cols, -y)] {
                    if value != 0.0 && at < regions.len() && regions[at] != PINNED {
                        entries.iter().for_each(|&(b, s)| columns[b as usize].push((regions[at], s * value)));
                    }
                }
            }
        }
        if let Weighting::Learned(map) = &self.of.data {
            let first = self.of.alpha.n_blocks();
            for (i, entries) in map.pixels().enumerate().filter(|(i, _)| regions[*i] != PINNED) {
                let misfit = self.problem.image[i] - self.u[i];
                entries.iter().for_each(|&(b, s)| columns[first + b as usize].push((regions[i], s * misfit)));
            }
        }
        columns
    }

    /// H⁻¹ of each column, one after another.
    fn moved(&self, sources: &[Vec<(u32, f64)>], size: usize) -> Vec<f64> {
        let mut moved = vec![0.0; sources.len() * size];
        const TOGETHER: usize = 16;
        moved.par_chunks_mut(TOGETHER * size).zip(sources.par_chunks(TOGETHER)).for_each(|(out, sources)| {
            for (column, source) in out.chunks_mut(size).zip(sources) {
                source.iter().for_each(|&(region, value)| column[region as usize] += value);
            }
            out.copy_from_slice(&self.factor.solve_columns(out));
        });
        moved
    }
}
