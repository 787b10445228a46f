//! One level along one axis: how many coefficients there are, and what lies beyond the ends.
//!
//! With h and g of length L, the coefficients are o = 0, …, K−1 of
//!
//! ```text
//! lo_o = Σ_m h_m x̃_{2o+m},   hi_o = Σ_m g_m x̃_{2o+m}
//! ```
//!
//! where x̃ (length 2K+L−2) is x (length n) with `left` entries before it and the rest behind. The offsets are those of PyWavelets
//! (`periodization`, `symmetric`). The adjoint applies the transposed filters and then *folds*: it adds each entry of x̃ to the one of x that
//! it was copied from. The inverse (synthesis) crops instead, or for the periodic extension wraps around.

use super::Extension;

/// Marks an entry beyond the ends that stands for zero.
const NONE: u32 = u32::MAX;

/// Geometry of one level along one axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    /// n: entries of the signal.
    pub(super) length: usize,
    /// K: coefficients in each half.
    pub(super) half: usize,
    /// Entries of x̃ before the signal.
    pub(super) left: usize,
    analysis: Ends,
    synthesis: Ends,
}

/// Which entry of x each entry of x̃ outside x is taken from.
#[derive(Debug, Clone, PartialEq)]
struct Ends {
    before: Vec<u32>,
    behind: Vec<u32>,
}

/// Which of the two maps between x and x̃ is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Map {
    /// The extension that the analysis begins with (its fold ends the analysis' adjoint).
    Analysis,
    /// The transpose of what ends the synthesis.
    Synthesis,
}

impl Axis {
    pub(super) fn new(length: usize, taps: usize, extension: Extension) -> Self {
        let (half, left) = match extension {
            Extension::Periodic => (length.div_ceil(2), taps / 2 - 1),
            Extension::Symmetric => ((length + taps - 1) / 2, taps - 2),
        };
        let total = 2 * half + taps - 2;
        let ends = |source: &dyn Fn(isize) -> Option<usize>| {
            let at = |e: usize| {
                let found = source(e.cast_signed() - left.cast_signed());
                found.and_then(|i| u32::try_from(i).ok()).unwrap_or(NONE)
            };
            // An odd periodic signal ends with a copy of its last entry; with few taps x̃ may be shorter than that.
            Ends { before: (0..left).map(at).collect(), behind: (left + length..total).map(at).collect() }
        };
        let n = length.cast_signed();
        let period = n + n % 2;
        let (analysis, synthesis) = match extension {
            Extension::Periodic => (
                ends(&|i| Some(i.rem_euclid(period).min(n - 1).unsigned_abs())),
                ends(&|i| Some(i.rem_euclid(period)).filter(|&i| i < n).map(isize::unsigned_abs)),
            ),
            Extension::Symmetric => (ends(&|i| Some(reflect(i, n).unsigned_abs())), ends(&|_| None)),
        };
        Self { length, half, left, analysis, synthesis }
    }

    /// Length of the even and of the odd half of x̃: K + L/2 − 1.
    pub(super) fn pairs(&self) -> usize {
        (self.left + self.length + self.analysis.behind.len()) / 2
    }

    fn ends(&self, map: Map) -> &Ends {
        match map {
            Map::Analysis => &self.analysis,
            Map::Synthesis => &self.synthesis,
        }
    }

    /// The entry of x that entry `e` of x̃ is taken from; `None` for zero.
    pub(super) fn source(&self, map: Map, e: usize) -> Option<usize> {
        if (self.left..self.left + self.length).contains(&e) {
            return Some(e - self.left);
        }
        let ends = self.ends(map);
        let found =
            if e < self.left { ends.before.get(e) } else { ends.behind.get(e - self.left - self.length) };
        found.filter(|&&i| i != NONE).map(|&i| i as usize)
    }

    /// (entry of x̃, entry of x) for all entries beyond the ends that do not stand for zero.
    pub(super) fn copies(&self, map: Map) -> impl Iterator<Item = (usize, usize)> + '_ {
        let ends = self.ends(map);
        let behind = ends.behind.iter().enumerate().map(|(k, &i)| (self.left + self.length + k, i));
        let all = ends.before.iter().enumerate().map(|(e, &i)| (e, i)).chain(behind);
        all.filter(|&(_, i)| i != NONE).map(|(e, i)| (e, i as usize))
    }
}

/// Half-sample reflection: …, 1, 0 | 0, 1, …, n−1 | n−1, ….
fn reflect(i: isize, n: isize) -> isize {
    let within = i.rem_euclid(2 * n);
    if within < n { within } else { 2 * n - 1 - within }
}
