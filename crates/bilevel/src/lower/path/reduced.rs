//! The lower level on the columns that may matter between two solutions.

use std::sync::Mutex;

use crate::Result;
use crate::design::{ColumnSubset, DesignMatrix};
use crate::loss::Loss;
use crate::penalty::Penalty;
use crate::solver::Cholesky;

use super::super::gram_cache::GramCache;
use super::super::{Curvature, Hyperparameters, LowerLevel, Solution, SparseGlm, working_set};
use super::chord::Chord;
use super::{PathPoint, PathSegment, SegmentPoint};

/// Relative duality gap of the solutions on a segment: tight, as their columns are few.
const GAP: f64 = 1e-10;
/// With more candidates than this the deviation is not bounded: its matrix would cost more than the search.
const MOST_COLUMNS: usize = 1000;
/// A sample's curvature counts only if the gap bounds how far its predictor can be from the chord: by this fraction of what moves it to where
/// the curvature vanishes.
const LARGEST_SHARE: f64 = 0.1;

/// See [`PathSegment`].
pub(super) struct ReducedGlm<'a, D, L, P> {
    whole: &'a SparseGlm<'a, D, L, P>,
    view: ColumnSubset<'a, D>,
    penalty: P,
    /// (λ, α) of the candidates at both ends.
    ends: [Hyperparameters; 2],
    /// Coefficients and intercept of the given solutions at both ends.
    starts: [(Vec<f64>, f64); 2],
    cache: Mutex<GramCache>,
}

impl<'a, D: DesignMatrix, L: Loss, P: Penalty> SparseGlm<'a, D, L, P> {
    /// The segment between two solutions; `None` where nothing can be proven about it.
    pub(in crate::lower) fn path_segment(
        &'a self,
        from: PathPoint<'_>,
        to: PathPoint<'_>,
    ) -> Option<Box<dyn PathSegment + 'a>> {
        let chord = self.chord(from, to)?;
        let candidates = self.candidates(from, to, &chord);
        let penalty = self.penalty.restricted(&candidates)?;
        let blocks = self.penalty.blocks();
        let columns: Vec<u32> = candidates.iter().flat_map(|&g| blocks.members(g).iter().copied()).collect();
        let restrict = |at: &Hyperparameters| Hyperparameters {
            lambda: candidates.iter().map(|&g| at.lambda[g]).collect(),
            ridge: at.ridge,
        };
        let start = |solution: &Solution| {
            (columns.iter().map(|&j| solution.coefficients[j as usize]).collect(), solution.intercept)
        };
        Some(Box::new(ReducedGlm {
            starts: [start(from.solution), start(to.solution)],
            whole: self,
            view: ColumnSubset::new(self.design, columns),
            penalty,
            ends: [restrict(from.at), restrict(to.at)],
            cache: Mutex::default(),
        }))
    }
}

impl<D: DesignMatrix, L: Loss, P: Penalty> ReducedGlm<'_, D, L, P> {
    /// The problem on the candidates. It takes the cache of inner products with it.
    fn problem(&self) -> SparseGlm<'_, ColumnSubset<'_, D>, L, P> {
        let cache = std::mem::take(&mut *lock(&self.cache));
        self.whole.on_columns(&self.view, &self.penalty, cache)
    }

    fn keep(&self, cache: Mutex<GramCache>) {
        *lock(&self.cache) = cache.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    }

    fn at(&self, t: f64) -> Hyperparameters {
        let mix = |a: f64, b: f64| (1.0 - t) * a + t * b;
        let [from, to] = &self.ends;
        Hyperparameters {
            lambda: from.lambda.iter().zip(&to.lambda).map(|(a, b)| mix(*a, *b)).collect(),
            ridge: mix(from.ridge, to.ridge),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl<D: DesignMatrix, L: Loss, P: Penalty> PathSegment for ReducedGlm<'_, D, L, P> {
    fn n_candidates(&self) -> usize {
        self.view.n_columns()
    }

    fn solve(&mut self, t: f64, start: Option<Solution>) -> Result<Solution> {
        let problem = self.problem();
        let start = start.or_else(|| {
            let (coefficients, intercept) = self.starts[usize::from(t > 0.5)].clone();
            Some(problem.start_from(coefficients, intercept))
        });
        let solution = working_set::solve(&problem, &self.at(t), start, GAP);
        self.keep(problem.cache);
        solution
    }

    fn between(&self, from: SegmentPoint<'_>, to: SegmentPoint<'_>, t: f64) -> Solution {
        let share = (t - from.t) / (to.t - from.t);
        let mix = |a: f64, b: f64| (1.0 - share) * a + share * b;
        let coefficients = from.solution.coefficients.iter().zip(&to.solution.coefficients);
        let coefficients = coefficients.map(|(a, b)| mix(*a, *b)).collect();
        let problem = self.problem();
        let start = problem.start_from(coefficients, mix(from.solution.intercept, to.solution.intercept));
        self.keep(problem.cache);
        start
    }

    fn deviations(
        &mut self,
        from: SegmentPoint<'_>,
        to: SegmentPoint<'_>,
        functionals: &[&[f64]],
    ) -> Option<Vec<f64>> {
        let (at_from, at_to) = (self.at(from.t), self.at(to.t));
        let from = PathPoint { at: &at_from, solution: from.solution };
        let to = PathPoint { at: &at_to, solution: to.solution };
        let problem = self.problem();
        let bounds = problem.chord(from, to).and_then(|chord| {
            let ridge = at_from.ridge.min(at_to.ridge);
            problem.deviations(from, to, &chord, ridge, functionals)
        });
        self.keep(problem.cache);
        bounds
    }
}

impl<D: DesignMatrix, L: Loss, P: Penalty> SparseGlm<'_, D, L, P> {
    /// ‖Aᵀω‖_{G⁻¹}·√(2γ) for each functional ω, with the intercept as a column that has no penalty.
    fn deviations(
        &self,
        from: PathPoint<'_>,
        to: PathPoint<'_>,
        chord: &Chord,
        ridge: f64,
        functionals: &[&[f64]],
    ) -> Option<Vec<f64>> {
        let blocks = self.penalty.blocks();
        let candidates = self.candidates(from, to, chord);
        let columns: Vec<u32> =
            candidates.iter().flat_map(|&g| blocks.members(g).iter().copied()).collect();
        let weights: Vec<f64> =
            chord.curvatures.iter().map(|&h| h * share_near::<L>(chord.gap, h)).collect();
        let seen = weights.iter().filter(|h| **h > 0.0).count();
        if columns.len() > MOST_COLUMNS || ridge == 0.0 && columns.len() > seen {
            return None;
        }
        let curvature = Curvature::new(self.design, &weights, ridge, self.intercept);
        let sums = curvature.column_sums(&columns);
        let gram = curvature.gram(&columns, &sums, &mut Vec::new());
        let factor = Cholesky::new(columns.len(), &gram)?;
        let inverse_total = curvature.inverse_total();
        if self.intercept && inverse_total == 0.0 {
            return None;
        }
        let reach = (2.0 * chord.gap).sqrt();
        let bound = |omega: &&[f64]| {
            let sum = if self.intercept { omega.iter().sum::<f64>() } else { 0.0 };
            let of_column = |(&j, h): (&u32, &f64)| {
                self.design.column_dot(j as usize, omega) - h * sum * inverse_total
            };
            let v: Vec<f64> = columns.iter().zip(&sums).map(of_column).collect();
            let square = crate::kernel::dot(&v, &factor.solve(&v)) + sum * sum * inverse_total;
            square.max(0.0).sqrt() * reach
        };
        Some(functionals.iter().map(bound).collect())
    }
}

/// The part of a sample's curvature h (with its weight) on the chord that is sure between the chord and a solution whose gap is at most γ.
///
/// At distance d the sample alone costs h·ψ(d), ψ(d) = (1 − (1 + Md)e^{−Md})/M², so d ≤ ψ⁻¹(γ/h), and up to there ψ(d) ≥ (½ − Md/3)d². An upper bound on
/// ψ⁻¹(r/M²)·M is x + ⅔x², x = √(2r), for r ≤ 0.1.
fn share_near<L: Loss>(gap: f64, curvature: f64) -> f64 {
    let concordance = L::SELF_CONCORDANCE;
    let ratio = concordance * concordance * gap / curvature;
    if ratio == 0.0 {
        return 1.0;
    }
    if ratio > LARGEST_SHARE || ratio.is_nan() {
        return 0.0;
    }
    let x = (2.0 * ratio).sqrt();
    1.0 - 2.0 / 3.0 * (x + 2.0 / 3.0 * x * x)
}
