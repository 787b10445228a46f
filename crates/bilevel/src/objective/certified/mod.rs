//! A proof about a whole range of one λ: nowhere in it is Φ more than ε below a given value.
//!
//! Φ is walked once more, from the largest λ down, in segments [a, b]. The solutions at a and b leave few columns that can matter between them, and on
//! those the lower level is solved as often as needed (`lower/path`): between any two of its solutions the criterion of a split is bounded below by a parabola,
//!
//! ```text
//! L(z*(t)) ≥ L(z̃(t)) + ω̃(t)ᵀ(z*(t) − z̃(t)) ≥ (1−t)L_a + tL_b − t(1−t)·sag − max_{a,b} ‖A_Eᵀω‖_{G⁻¹} √(2γ),
//! ```
//!
//! by convexity of L, the chord of its values, and the deviation from the chord, which is a convex function of ω̃(t) and hence largest at an end. Bounds of several
//! splits add up. Where their sum is too low, the split whose bound is loosest there gets one more solution, until the sum is nowhere below the value asked for, or
//! the work that was allowed is done. The proof rests on the solutions alone, on their duality gaps (with what rounding may hide of them) and not on how they
//! were found. ε is what is proven: the given value less the lowest bound.

mod parabola;
mod track;

use std::ops::ControlFlow;

use rayon::prelude::*;

use crate::criterion::Criterion;
use crate::lower::{Hyperparameters, LowerLevel, PathPoint, Solution};
use crate::outer::Accuracy;
use crate::{Error, Result};

use super::{SplitObjective, of_split};
use parabola::lowest_of_sum;
use track::Track;

/// Relative duality gap at the ends of segments, at first.
const WALK_GAP: f64 = 1e-6;

/// Settings of [`SplitObjective::certify_range`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RangeSettings {
    /// The ε asked for, relative to the value.
    pub epsilon: f64,
    /// Segments that the range is divided into at first.
    pub segments: usize,
    /// Largest number of solutions of all splits on all columns, those at the ends of the first segments included.
    pub max_solves: usize,
    /// Largest number of solutions on the columns that matter, for each segment and split.
    pub max_refinements: usize,
    /// The same for each split, over all segments. What is left when it is spent is given up.
    pub max_refinements_in_all: usize,
}

impl Default for RangeSettings {
    fn default() -> Self {
        Self { epsilon: 1e-3, segments: 20, max_solves: 40, max_refinements: 30, max_refinements_in_all: 150 }
    }
}

/// No θ in the range has Φ(θ) < value − ε.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RangeProof {
    /// Smallest and largest θ.
    pub range: (f64, f64),
    /// ε.
    pub epsilon: f64,
    /// Where the bound is lowest.
    pub lowest_at: f64,
    /// Segments that the range was divided into.
    pub n_segments: usize,
    /// Solutions of all splits on all columns.
    pub n_solves: usize,
    /// Solutions of single splits on the columns that matter.
    pub n_refinements: usize,
    /// Whether ε is as small as was asked for.
    pub complete: bool,
}

/// What is proven about one segment.
struct Proven {
    lowest: f64,
    /// t.
    at: f64,
    n_refinements: usize,
}

/// The solutions of all splits at one θ.
struct Walked {
    theta: f64,
    hyperparameters: Vec<Hyperparameters>,
    solutions: Vec<Solution>,
}

/// Where the walk down the range stands.
struct Walk {
    /// θ to go to, the next last, with the solutions where they are known already.
    ends: Vec<(f64, Option<Walked>)>,
    above: Option<Walked>,
    target: f64,
    lowest: f64,
    proof: RangeProof,
}

impl Walk {
    fn new(range: (f64, f64), value: f64, settings: &RangeSettings) -> Self {
        let count = settings.segments.max(1);
        let inner = |k: usize| range.1 + (range.0 - range.1) * k as f64 / count as f64;
        let mut ends = vec![(range.0, None)];
        ends.extend((0..count).rev().map(|k| (inner(k), None)));
        Self {
            ends,
            above: None,
            target: value - settings.epsilon * value.abs(),
            lowest: f64::INFINITY,
            proof: RangeProof {
                range,
                epsilon: 0.0,
                lowest_at: range.1,
                n_segments: 0,
                n_solves: 0,
                n_refinements: 0,
                complete: true,
            },
        }
    }

    /// Solutions of single splits that the next segment may take.
    fn affordable_refinements(&self, settings: &RangeSettings) -> usize {
        let n_splits = self.above.as_ref().map_or(0, |above| above.solutions.len());
        let left = (settings.max_refinements_in_all * n_splits).saturating_sub(self.proof.n_refinements);
        left.min(settings.max_refinements * n_splits)
    }

    /// Goes on below the segment down to `here`, or halves it if too little is proven of it and there is work left.
    fn take(&mut self, proven: Proven, here: Walked, settings: &RangeSettings) {
        let Some(from) = &self.above else { return };
        self.proof.n_refinements += proven.n_refinements;
        let middle = 0.5 * (from.theta + here.theta);
        let divisible = middle < from.theta && middle > here.theta;
        let affordable = self.affordable_refinements(settings) > 0
            && self.proof.n_solves + self.ends.len() < settings.max_solves;
        if proven.lowest < self.target && divisible && affordable {
            self.ends.extend([(here.theta, Some(here)), (middle, None)]);
            return;
        }
        self.proof.n_segments += 1;
        if proven.lowest < self.lowest {
            self.lowest = proven.lowest;
            let lambda = (1.0 - proven.at) * from.theta.exp() + proven.at * here.theta.exp();
            self.proof.lowest_at = lambda.ln();
        }
        self.above = Some(here);
    }

    /// `None` if the criterion has no lower bound.
    fn finish(mut self, value: f64) -> Option<RangeProof> {
        self.proof.epsilon = (value - self.lowest).max(0.0);
        self.proof.complete = self.lowest >= self.target;
        self.proof.epsilon.is_finite().then_some(self.proof)
    }
}

impl<M: LowerLevel + Send, C: Criterion + Send> SplitObjective<M, C> {
    /// Proves how much lower than `value` Φ can be for any θ in `range`; `None` if nothing can be said (the parametrization does not move λ along a line, the
    /// criterion has no lower bound) or `go_on` ended it.
    ///
    /// # Errors
    /// Any failure of the lower level.
    pub fn certify_range(
        &mut self,
        range: (f64, f64),
        value: f64,
        settings: &RangeSettings,
        go_on: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Option<RangeProof>> {
        if !self.parametrizations.iter().all(|p| p.is_line()) || self.pull.is_some() {
            return Ok(None);
        }
        if range.0.is_nan() || range.1.is_nan() || range.0 > range.1 {
            return Err(Error::data(
                "range of θ to prove something about",
                format!("{range:?}"),
                "an interval",
            ));
        }
        // What caches hold would show in the last digits.
        self.parts.iter().filter(|part| part.active).for_each(|part| part.lower.forget());
        let mut walk = Walk::new(range, value, settings);
        while let Some((theta, solved)) = walk.ends.pop() {
            if go_on().is_break() {
                return Ok(None);
            }
            let here = match solved {
                Some(here) => here,
                None => {
                    walk.proof.n_solves += 1;
                    self.walk_to(theta, walk.above.as_ref())?
                }
            };
            let Some(from) = &walk.above else {
                walk.above = Some(here);
                continue;
            };
            let most = walk.affordable_refinements(settings);
            let proven = self.prove_segment(from, &here, walk.target, most)?;
            walk.take(proven, here, settings);
        }
        Ok(walk.finish(value))
    }

    /// Solves all splits at θ, loosely.
    fn walk_to(&self, theta: f64, from: Option<&Walked>) -> Result<Walked> {
        let hyperparameters = self.hyperparameters(&[theta]);
        let active: Vec<_> = self.parts.iter().enumerate().filter(|(_, part)| part.active).collect();
        let accuracy = Accuracy { relative_gap: WALK_GAP, ..Accuracy::TIGHT };
        let solutions = active
            .into_par_iter()
            .enumerate()
            .map(|(k, (split, part))| {
                let start = from.map(|from| from.solutions[k].clone());
                part.lower.solve(of_split(&hyperparameters, split), start, accuracy)
            })
            .collect::<Result<_>>()?;
        Ok(Walked { theta, hyperparameters, solutions })
    }

    /// A lower bound on Φ between two θ: at least `target` if that takes no more than `most` solutions of single splits.
    fn prove_segment(&self, from: &Walked, to: &Walked, target: f64, most: usize) -> Result<Proven> {
        let active: Vec<_> = self.parts.iter().enumerate().filter(|(_, part)| part.active).collect();
        let n_splits = active.len();
        let lowest = active.iter().map(|(_, part)| part.criterion.lowest()).sum::<f64>() / n_splits as f64;
        let tracks: Option<Vec<Track<'_, C>>> = active
            .into_par_iter()
            .enumerate()
            .map(|(k, (split, part))| {
                let segment = part.lower.segment(
                    PathPoint { at: of_split(&from.hyperparameters, split), solution: &from.solutions[k] },
                    PathPoint { at: of_split(&to.hyperparameters, split), solution: &to.solutions[k] },
                );
                segment.map(|segment| Track::new(segment, &part.criterion))
            })
            .collect();
        let Some(mut tracks) = tracks else {
            return Ok(Proven { lowest, at: 0.5, n_refinements: 0 });
        };
        let mut n_refinements = 0;
        loop {
            let bounds: Vec<_> = tracks.iter().map(Track::bound).collect();
            let (at, sum) = lowest_of_sum(&bounds);
            let proven = Proven { lowest: (sum / n_splits as f64).max(lowest), at, n_refinements };
            if proven.lowest >= target || n_refinements >= most {
                return Ok(proven);
            }
            let loosest = tracks.iter().map(|track| track.looseness(at)).fold(0.0, f64::max);
            if loosest == 0.0 {
                return Ok(proven);
            }
            let divided = tracks
                .par_iter_mut()
                .filter(|track| track.looseness(at) >= 0.5 * loosest)
                .map(|track| track.refine(at))
                .collect::<Result<Vec<usize>>>()?;
            n_refinements += divided.iter().sum::<usize>();
        }
    }
}
