//! The lower level on the columns that may matter between two solutions.

use std::sync::Mutex;

use crate::Result;
use crate::design::{ColumnSubset, DesignMatrix};
use crate::loss::Loss;
use crate::penalty::Penalty;
use crate::solver::Cholesky;

use super::super::gram_cache::{GramCache, capacity};
use super::super::{Curvature, Hyperparameters, LowerLevel, Solution, SparseGlm, working_set};
use super::basis::basis;
use super::chord::Chord;
use super::{PathPoint, PathSegment, SegmentPoint};

/// Relative duality gap of the solutions on a segment: tight, as their columns are few.
const GAP: f64 = 1e-10;
/// With more candidates than this the deviation is not bounded: its matrix would cost more than the search.
const MOST_COLUMNS: usize = 1000;
/// A piece wider than this part of the segment is better divided than bounded if it has many candidates: so many, and so many for each nonzero
/// coefficient; a factorization costs more than the solution that would leave fewer of them.
const WIDE: f64 = 0.05;
const FEW_COLUMNS: f64 = 64.0;
const MOST_PER_NONZERO: f64 = 1.6;
/// A factorization serves other curvatures and other columns that are at least this part of its own.
const SMALLEST_SHARE: f64 = 0.7;
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
    /// The given solutions at both ends.
    given: [Solution; 2],
    cache: Mutex<GramCache>,
    factor: Option<Factor>,
}

/// A factorized G.
struct Factor {
    /// Columns, increasing.
    columns: Vec<u32>,
    /// Those that span them: the others can be left out.
    spanning: Vec<u32>,
    /// Sample curvatures (length n) and α.
    weights: Vec<f64>,
    ridge: f64,
    /// a_jᵀh.
    sums: Vec<f64>,
    inverse_total: f64,
    cholesky: Cholesky,
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
        let pick = |values: &[f64]| columns.iter().map(|&j| values[j as usize]).collect();
        let on_columns = |solution: &Solution| Solution {
            coefficients: pick(&solution.coefficients),
            correlations: pick(&solution.correlations),
            predictor: solution.predictor.clone(),
            ..*solution
        };
        let cache = if L::MAX_THIRD_DERIVATIVE == 0.0 {
            lock(&self.cache).on_columns(&columns)
        } else {
            GramCache::default()
        };
        Some(Box::new(ReducedGlm {
            given: [on_columns(from.solution), on_columns(to.solution)],
            whole: self,
            view: ColumnSubset::new(self.design, columns),
            penalty,
            ends: [restrict(from.at), restrict(to.at)],
            cache: Mutex::new(cache),
            factor: None,
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

    fn end(&self, which: usize) -> Solution {
        self.given[which.min(1)].clone()
    }

    fn solve(&mut self, t: f64, start: Solution) -> Result<Solution> {
        let problem = self.problem();
        let solution = working_set::solve(&problem, &self.at(t), Some(start), GAP);
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
        let width = to.t - from.t;
        let from = PathPoint { at: &at_from, solution: from.solution };
        let to = PathPoint { at: &at_to, solution: to.solution };
        let problem = self.problem();
        let near = problem.chord(from, to).map(|chord| {
            let weights = chord.curvatures.iter().map(|&h| h * share_near::<L>(chord.gap, h)).collect();
            (problem.candidate_columns(from, to, &chord), weights, chord.gap)
        });
        self.keep(problem.cache);
        let (columns, weights, gap) = near?;
        let ridge = at_from.ridge.min(at_to.ridge);
        let nonzero = |end: PathPoint<'_>| end.solution.coefficients.iter().filter(|y| **y != 0.0).count();
        let few = FEW_COLUMNS + MOST_PER_NONZERO * nonzero(from).max(nonzero(to)) as f64;
        if width > WIDE && columns.len() as f64 > few {
            return None;
        }
        let share = self.prepare_factor(columns, weights, ridge)?;
        let reach = (2.0 * gap / share).sqrt();
        let factor = self.factor.as_ref()?;
        Some(
            functionals
                .iter()
                .map(|omega| reach * factor.norm(&self.view, self.whole.intercept, omega))
                .collect(),
        )
    }
}

impl Factor {
    /// ‖Aᵀω‖_{G⁻¹}, with the intercept as a column that has no penalty.
    fn norm<D: DesignMatrix>(&self, design: &D, intercept: bool, omega: &[f64]) -> f64 {
        let sum = if intercept { omega.iter().sum::<f64>() } else { 0.0 };
        let of_column =
            |(&j, h): (&u32, &f64)| design.column_dot(j as usize, omega) - h * sum * self.inverse_total;
        let v: Vec<f64> = self.spanning.iter().zip(&self.sums).map(of_column).collect();
        let square = crate::kernel::dot(&v, &self.cholesky.solve(&v)) + sum * sum * self.inverse_total;
        square.max(0.0).sqrt()
    }

    /// The largest factor c with G' ⪰ c·G for the G' of other curvatures, on some of the columns.
    fn share(&self, columns: &[u32], weights: &[f64], ridge: f64) -> f64 {
        let contained = columns.iter().all(|j| self.columns.binary_search(j).is_ok());
        if !contained {
            return 0.0;
        }
        let ratios = self.weights.iter().zip(weights).filter(|(own, _)| **own > 0.0);
        let of_ridge = if self.ridge > 0.0 { ridge / self.ridge } else { 1.0 };
        ratios.map(|(own, other)| other / own).fold(of_ridge, f64::min).min(1.0)
    }
}

impl<D: DesignMatrix, L: Loss, P: Penalty> ReducedGlm<'_, D, L, P> {
    /// Makes sure that there is a factor for these columns and curvatures, or one that is nearly as good; returns c, G ⪰ c·(the factor's).
    fn prepare_factor(&mut self, columns: Vec<u32>, weights: Vec<f64>, ridge: f64) -> Option<f64> {
        if let Some(factor) = &self.factor {
            let share = factor.share(&columns, &weights, ridge);
            if share >= SMALLEST_SHARE && columns.len() as f64 >= SMALLEST_SHARE * factor.columns.len() as f64
            {
                return Some(share);
            }
        }
        if columns.len() > MOST_COLUMNS {
            return None;
        }
        let intercept = self.whole.intercept;
        let (sums, inverse_total, gram) =
            if L::MAX_THIRD_DERIVATIVE == 0.0 && columns.len() <= capacity(&self.view) {
                let mut cache = lock(&self.cache);
                if cache.is_empty() {
                    cache.renew(self.whole.sample_weights, intercept);
                }
                let held = cache.hold(&self.view, &columns);
                let sums = held.iter().map(|&slot| cache.sum(slot)).collect::<Vec<f64>>();
                (sums, cache.inverse_total(), cache.products().gather(&held, ridge))
            } else {
                let curvature = Curvature::new(&self.view, &weights, ridge, intercept);
                let sums = curvature.column_sums(&columns);
                let gram = curvature.gram(&columns, &sums, &mut Vec::new());
                (sums, curvature.inverse_total(), gram)
            };
        if intercept && inverse_total == 0.0 {
            return None;
        }
        let (kept, cholesky) = match Cholesky::new(columns.len(), &gram) {
            Some(cholesky) => ((0..columns.len()).collect(), cholesky),
            None => {
                let kept = basis(&self.view, &columns, &gram, intercept)?;
                let mut entries = Vec::with_capacity(kept.len() * kept.len());
                for &k in &kept {
                    entries.extend(kept.iter().map(|&i| gram[k * columns.len() + i]));
                }
                let cholesky = Cholesky::new(kept.len(), &entries)?;
                (kept, cholesky)
            }
        };
        let sums = kept.iter().map(|&k| sums[k]).collect();
        let spanning = kept.iter().map(|&k| columns[k]).collect();
        self.factor = Some(Factor { columns, spanning, weights, ridge, sums, inverse_total, cholesky });
        Some(1.0)
    }
}

impl<D: DesignMatrix, L: Loss, P: Penalty> SparseGlm<'_, D, L, P> {
    /// The columns of the candidates between two solutions, increasing.
    fn candidate_columns(&self, from: PathPoint<'_>, to: PathPoint<'_>, chord: &Chord) -> Vec<u32> {
        let blocks = self.penalty.blocks();
        let candidates = self.candidates(from, to, chord);
        let mut columns: Vec<u32> =
            candidates.iter().flat_map(|&g| blocks.members(g).iter().copied()).collect();
        columns.sort_unstable();
        columns
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
