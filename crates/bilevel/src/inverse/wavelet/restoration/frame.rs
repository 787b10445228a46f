//! What the unknowns of a restoration are coefficients of, and which weight each of them has.

use std::ops::Range;

use crate::Result;
use crate::operator::LinearOperator;
use crate::operator::wavelet::{Orientation, StationaryTransform, Subband, WaveletTransform};

/// The transform whose coefficients are the unknowns; its synthesis W makes the image.
#[derive(Debug, Clone, PartialEq)]
pub enum WaveletFrame {
    /// As many coefficients as pixels (a few more with the symmetric extension).
    Decimated(WaveletTransform),
    /// All shifts: better images, 3·levels + 1 times as many unknowns.
    Undecimated(StationaryTransform),
}

impl From<WaveletTransform> for WaveletFrame {
    fn from(transform: WaveletTransform) -> Self {
        Self::Decimated(transform)
    }
}

impl From<StationaryTransform> for WaveletFrame {
    fn from(transform: StationaryTransform) -> Self {
        Self::Undecimated(transform)
    }
}

impl WaveletFrame {
    /// The subbands of one plane.
    pub fn subbands(&self) -> &[Subband] {
        match self {
            Self::Decimated(transform) => transform.subbands(),
            Self::Undecimated(transform) => transform.subbands(),
        }
    }

    pub(super) fn n_pixels(&self) -> usize {
        match self {
            Self::Decimated(transform) => transform.n_samples(),
            Self::Undecimated(transform) => transform.n_samples(),
        }
    }

    pub(super) fn n_coefficients(&self) -> usize {
        match self {
            Self::Decimated(transform) => transform.n_coefficients(),
            Self::Undecimated(transform) => transform.n_coefficients(),
        }
    }

    /// W y.
    pub(super) fn synthesize(&self, y: &[f64], out: &mut [f64]) -> Result<()> {
        match self {
            Self::Decimated(transform) => transform.synthesis().apply_into(y, out),
            Self::Undecimated(transform) => transform.adjoint_into(y, out),
        }
    }

    /// Wᵀ x.
    pub(super) fn adjoint(&self, x: &[f64], out: &mut [f64]) -> Result<()> {
        match self {
            Self::Decimated(transform) => transform.synthesis().adjoint_into(x, out),
            Self::Undecimated(transform) => transform.apply_into(x, out),
        }
    }
}

/// What has a weight λ of its own. The coarsest approximation is never penalized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WeightPer {
    /// One weight for all details.
    Image,
    /// One for each level, from coarse to fine.
    Level,
    /// One for each subband of details, in the order of [`WaveletFrame::subbands`]; the planes of a colour image share them.
    #[default]
    Subband,
    /// One for each coefficient of the details, plane after plane.
    Coefficient,
}

/// Consecutive coefficients whose weights follow one rule.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Segment {
    pub(super) range: Range<usize>,
    pub(super) weight: SegmentWeight,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum SegmentWeight {
    Unpenalized,
    Shared(usize),
    /// The weight of its first coefficient; those of the others follow.
    Own(usize),
}

impl Segment {
    /// The number of the weight of coefficient `offset` of this segment.
    pub(super) fn weight_of(&self, offset: usize) -> Option<usize> {
        match self.weight {
            SegmentWeight::Unpenalized => None,
            SegmentWeight::Shared(g) => Some(g),
            SegmentWeight::Own(first) => Some(first + offset),
        }
    }
}

/// The segments of all planes, and the number of weights.
pub(super) fn segments(frame: &WaveletFrame, per: WeightPer) -> (Vec<Segment>, usize) {
    let subbands = frame.subbands();
    let plane = subbands.last().map_or(0, |s| s.range.end);
    let coarsest = subbands.first().map_or(0, |s| s.level);
    let (mut all, mut weights) = (Vec::new(), 0);
    for start in (0..frame.n_coefficients()).step_by(plane) {
        for (index, subband) in subbands.iter().enumerate() {
            let range = start + subband.range.start..start + subband.range.end;
            let weight = match (subband.orientation, per) {
                (Orientation::Approximation, _) => SegmentWeight::Unpenalized,
                (_, WeightPer::Image) => SegmentWeight::Shared(0),
                (_, WeightPer::Level) => SegmentWeight::Shared(coarsest - subband.level),
                (_, WeightPer::Subband) => SegmentWeight::Shared(index - 1),
                (_, WeightPer::Coefficient) => SegmentWeight::Own(weights),
            };
            weights = match weight {
                SegmentWeight::Unpenalized => weights,
                SegmentWeight::Shared(g) => weights.max(g + 1),
                SegmentWeight::Own(first) => first + range.len(),
            };
            all.push(Segment { range, weight });
        }
    }
    (all, weights)
}
