//! One split on one segment of λ: a lower bound on its criterion for every λ there, refined where it is asked to be.

use crate::Result;
use crate::criterion::{Criterion, CriterionValue};
use crate::lower::{PathSegment, SegmentPoint, Solution};

use super::parabola::Parabola;

/// Into how many chords the criterion is divided between two solutions, where it is no parabola on one: that costs no solve.
const CHORDS: usize = 4;
/// Pieces narrower than this part of the segment are not divided.
const NARROWEST: f64 = 1e-6;

/// A solution on the segment, with the criterion there.
struct Knot {
    t: f64,
    solution: Solution,
    measured: CriterionValue,
}

/// The bound between two knots.
struct Piece {
    parabolas: Vec<Parabola>,
    /// By how much a division could raise it.
    looseness: f64,
}

/// See the module.
pub(super) struct Track<'s, C> {
    segment: Box<dyn PathSegment + 's>,
    criterion: &'s C,
    knots: Vec<Knot>,
    pieces: Vec<Piece>,
    /// Whether the solutions at the ends are as exact as those between them.
    is_tight: bool,
}

impl<'s, C: Criterion> Track<'s, C> {
    /// The bound from both ends alone.
    pub(super) fn new(segment: Box<dyn PathSegment + 's>, criterion: &'s C) -> Self {
        let mut track = Self { segment, criterion, knots: Vec::new(), pieces: Vec::new(), is_tight: false };
        for (which, t) in [0.0, 1.0].into_iter().enumerate() {
            let knot = track.knot(t, track.segment.end(which));
            track.knots.push(knot);
        }
        let piece = track.piece(0);
        track.pieces.push(piece);
        track
    }

    /// The bound, piece by piece.
    pub(super) fn bound(&self) -> Vec<Parabola> {
        self.pieces.iter().flat_map(|piece| piece.parabolas.iter().copied()).collect()
    }

    /// By how much a division of the piece at t could raise the bound there; 0 where the piece is too narrow for one.
    pub(super) fn looseness(&self, t: f64) -> f64 {
        let k = self.index(t);
        let wide = self.knots[k + 1].t - self.knots[k].t > NARROWEST;
        if wide { self.pieces[k].looseness } else { 0.0 }
    }

    /// Raises the bound of the piece at t by more solutions; returns how many. The given ones at the ends are made exact before they limit it.
    pub(super) fn refine(&mut self, t: f64) -> Result<usize> {
        // Without any bound the chord is too long; if it is not, the ends are to blame.
        let has_bound = self.pieces[self.index(t)].looseness.is_finite();
        if !self.is_tight && (has_bound || self.pieces.len() > 1) {
            self.is_tight = true;
            let last = self.knots.len() - 1;
            for k in [0, last] {
                let (t, start) = (self.knots[k].t, self.knots[k].solution.clone());
                let solution = self.segment.solve(t, start)?;
                self.knots[k] = self.knot(t, solution);
            }
            self.pieces[0] = self.piece(0);
            self.pieces[last - 1] = self.piece(last - 1);
            return Ok(2);
        }
        self.divide(t)?;
        Ok(1)
    }

    /// Divides the piece at t by one more solution.
    fn divide(&mut self, t: f64) -> Result<()> {
        let k = self.index(t);
        let middle = 0.5 * (self.knots[k].t + self.knots[k + 1].t);
        let start = self.segment.between(self.knots[k].point(), self.knots[k + 1].point(), middle);
        let solution = self.segment.solve(middle, start)?;
        let knot = self.knot(middle, solution);
        self.knots.insert(k + 1, knot);
        let halves = [self.piece(k), self.piece(k + 1)];
        self.pieces.splice(k..=k, halves);
        Ok(())
    }

    fn index(&self, t: f64) -> usize {
        self.knots.iter().skip(1).position(|knot| t <= knot.t).unwrap_or(0).min(self.knots.len() - 2)
    }

    fn knot(&self, t: f64, solution: Solution) -> Knot {
        let measured = self.criterion.evaluate(&solution.predictor);
        Knot { t, solution, measured }
    }

    /// The bound between knots k and k + 1; as low as the criterion can be where nothing better is proven.
    fn piece(&mut self, k: usize) -> Piece {
        let (from, to) = (&self.knots[k], &self.knots[k + 1]);
        bound_between(&mut *self.segment, self.criterion, from, to).unwrap_or_else(|| {
            let lowest = self.criterion.lowest();
            let flat = Parabola { from: from.t, to: to.t, left: lowest, right: lowest, depth: 0.0 };
            Piece { parabolas: vec![flat], looseness: f64::INFINITY }
        })
    }
}

impl Knot {
    fn point(&self) -> SegmentPoint<'_> {
        SegmentPoint { t: self.t, solution: &self.solution }
    }
}

/// On each part of the chord: L ≥ (chord of L) − t(1−t)·sag − max over its ends of the deviation along the criterion's slopes.
fn bound_between<C: Criterion>(
    segment: &mut dyn PathSegment,
    criterion: &C,
    from: &Knot,
    to: &Knot,
) -> Option<Piece> {
    let whole =
        criterion.sag((&from.solution.predictor, &from.measured), (&to.solution.predictor, &to.measured))?;
    let count = if whole.exact { 1 } else { CHORDS };
    let inner: Vec<(Vec<f64>, CriterionValue)> = (1..count)
        .map(|k| {
            let share = k as f64 / count as f64;
            let ends = from.solution.predictor.iter().zip(&to.solution.predictor);
            let z: Vec<f64> = ends.map(|(a, b)| (1.0 - share) * a + share * b).collect();
            let measured = criterion.evaluate(&z);
            (z, measured)
        })
        .collect();
    let mut ends: Vec<(&[f64], &CriterionValue)> = vec![(&from.solution.predictor, &from.measured)];
    ends.extend(inner.iter().map(|(z, measured)| (z.as_slice(), measured)));
    ends.push((&to.solution.predictor, &to.measured));
    let functionals: Vec<&[f64]> = ends.iter().map(|end| end.1.gradient.as_slice()).collect();
    let deviations = segment.deviations(from.point(), to.point(), &functionals)?;
    let lowest = criterion.lowest();
    let mut piece = Piece { parabolas: Vec::with_capacity(count), looseness: 0.0 };
    for (k, pair) in ends.windows(2).enumerate() {
        let sag = criterion.sag(pair[0], pair[1])?;
        let deviation = deviations[k].max(deviations[k + 1]);
        let at = |k: usize| from.t + (to.t - from.t) * k as f64 / count as f64;
        let (left, right) = (pair[0].1.value - deviation, pair[1].1.value - deviation);
        // Nowhere lower than the lowest possible: a flat piece where the parabola would be.
        let bottom = left.min(right) - 0.25 * sag.depth;
        let parabola = Parabola {
            from: at(k),
            to: if k + 1 == count { to.t } else { at(k + 1) },
            left,
            right,
            depth: sag.depth,
        };
        let flat = Parabola { left: lowest, right: lowest, depth: 0.0, ..parabola };
        piece.parabolas.push(if bottom < lowest { flat } else { parabola });
        let bend = if sag.exact { 0.0 } else { 0.25 * sag.depth };
        piece.looseness = piece.looseness.max(deviation + bend);
    }
    Some(piece)
}
