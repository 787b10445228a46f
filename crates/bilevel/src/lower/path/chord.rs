//! The duality gap along the chord between two solutions, the blocks that may be nonzero near it, and the curvature there.

use crate::design::DesignMatrix;
use crate::loss::Loss;
use crate::penalty::Penalty;

use super::super::{Hyperparameters, SparseGlm};
use super::PathPoint;

/// Bounds between two solutions, for all t in [0, 1].
#[derive(Debug)]
pub(super) struct Chord {
    /// max γ(t) over t.
    pub(super) gap: f64,
    /// s_i h̲_i: lower bounds on the weighted sample curvatures on the chord (length n).
    pub(super) curvatures: Vec<f64>,
    /// The dual points are u = scale·f'.
    scales: (f64, f64),
}

/// γ_a, γ_b and the bow.
#[derive(Debug, Default, Clone, Copy)]
struct Bow {
    from: f64,
    to: f64,
    between: f64,
}

impl Bow {
    fn add(&mut self, weight: f64, other: Self) {
        self.from += weight * other.from;
        self.to += weight * other.to;
        self.between += weight * other.between;
    }

    /// max over t of (1−t)γ_a + tγ_b + t(1−t)·bow.
    fn largest(&self) -> f64 {
        if self.between <= (self.to - self.from).abs() {
            return self.from.max(self.to);
        }
        let t = 0.5 + 0.5 * (self.to - self.from) / self.between;
        (1.0 - t) * self.from + t * self.to + t * (1.0 - t) * self.between
    }
}

/// The loss of one sample at one end: predictor, dual scale, slope and curvature.
#[derive(Clone, Copy)]
struct Sample {
    z: f64,
    scale: f64,
    slope: f64,
    curvature: f64,
}

/// Beyond this fraction of its curvature a change of a sample's slope is not inverted.
const LARGEST_RELATIVE_CHANGE: f64 = 0.5;

/// Lower bound on f″ between two points: from both ends it falls at most like e^{−M·distance}.
fn least_curvature<L: Loss>(a: Sample, b: Sample) -> f64 {
    (a.curvature * b.curvature).sqrt() * (-0.5 * concordance::<L>() * (b.z - a.z).abs()).exp()
}

fn concordance<L: Loss>() -> f64 {
    if L::SELF_CONCORDANCE.is_finite() { L::SELF_CONCORDANCE } else { 0.0 }
}

/// Bound on FY(z, u) = f(z) + f*(u) − zu for |u − f'(z)| ≤ `change`, with f″ ≥ `curvature` where z may be: η²/(2h) if f were quadratic, and its inverse
/// slope at most 1/(h − Mη) where f″ falls.
fn young<L: Loss>(change: f64, curvature: f64) -> f64 {
    if change == 0.0 {
        return 0.0;
    }
    let relative = concordance::<L>() * change / curvature;
    if relative <= LARGEST_RELATIVE_CHANGE {
        0.5 * change * change / (curvature * (1.0 - relative))
    } else {
        f64::INFINITY
    }
}

/// The Fenchel–Young terms of one sample along the chord.
///
/// Either as for any convex loss: the chord of f + f* − zu, of which the bilinear part bends by (z_b−z_a)(u_b−u_a). Or, ũ being near f'(z̃):
/// |ũ − f'(z̃)| ≤ t(1−t)q + w, q = ½ max|f‴|(z_b−z_a)², and w what scaling has changed.
fn sample_bow<L: Loss>(loss: L, target: f64, a: Sample, b: Sample, least: f64) -> Bow {
    let step = (b.z - a.z).abs();
    let growth = (concordance::<L>() * step).exp();
    let third = (concordance::<L>() * least * growth).min(L::MAX_THIRD_DERIVATIVE / loss.unit());
    let q = 0.5 * third * step * step;
    let moved = ((1.0 - a.scale) * a.slope.abs()).max((1.0 - b.scale) * b.slope.abs());
    let worst = young::<L>(0.25 * q + moved, least);
    if worst == 0.0 {
        return Bow::default();
    }
    // (Tq + w)² ≤ 1.1 T²q² + 11 w², and T² ≤ T/4.
    let share = worst / (0.25 * q + moved).powi(2);
    let (bent, rest) = if moved == 0.0 { (1.0, 0.0) } else { (1.1, 11.0) };
    let near = Bow {
        from: share * rest * moved * moved,
        to: share * rest * moved * moved,
        between: share * bent * 0.25 * q * q,
    };
    let end = |at: Sample| {
        let u = at.scale * at.slope;
        let bound = young::<L>((1.0 - at.scale) * at.slope.abs(), at.curvature);
        if bound.is_finite() {
            bound
        } else {
            loss.value(target, at.z) + loss.conjugate(target, u) - at.z * u
        }
    };
    let bilinear = (b.z - a.z) * (b.scale * b.slope - a.scale * a.slope);
    let convex = Bow { from: end(a), to: end(b), between: bilinear.max(0.0) };
    if near.from + near.to + 0.5 * near.between < convex.from + convex.to + 0.5 * convex.between {
        near
    } else {
        convex
    }
}

impl<D: DesignMatrix, L: Loss, P: Penalty> SparseGlm<'_, D, L, P> {
    /// What two solutions prove about all between them; `None` if the loss's curvature is not bounded by itself, or a block has no penalty of its own.
    pub(super) fn chord(&self, from: PathPoint<'_>, to: PathPoint<'_>) -> Option<Chord> {
        let weighted = |at: &Hyperparameters| at.lambda.iter().all(|lambda| *lambda > 0.0);
        if !L::SELF_CONCORDANCE.is_finite() || !weighted(from.at) || !weighted(to.at) {
            return None;
        }
        let scales = (self.dual_scale(from), self.dual_scale(to));
        let mut bow = Bow::default();
        let mut curvatures = vec![0.0; self.targets.len()];
        let samples = self.sample_weights.iter().zip(self.targets).zip(&mut curvatures).enumerate();
        for (i, ((&s, &b), curvature)) in samples.filter(|(_, sample)| *sample.0.0 > 0.0) {
            let sample = |end: PathPoint<'_>, scale: f64| {
                let z = end.solution.predictor[i];
                let (slope, curvature) = self.loss.derivatives(b, z);
                Sample { z, scale, slope, curvature }
            };
            let (left, right) = (sample(from, scales.0), sample(to, scales.1));
            let least = least_curvature::<L>(left, right);
            bow.add(s, sample_bow(self.loss, b, left, right, least));
            *curvature = s * least;
        }
        self.add_penalty_bow(from, to, scales, &mut bow);
        bow.from += self.rounding(from);
        bow.to += self.rounding(to);
        let gap = bow.largest();
        gap.is_finite().then_some(Chord { gap, curvatures, scales })
    }

    /// The factor that makes f' dual feasible; with a ridge part everything is.
    fn dual_scale(&self, end: PathPoint<'_>) -> f64 {
        if end.at.ridge > 0.0 {
            return 1.0;
        }
        let blocks = self.penalty.blocks();
        let mut block = Vec::new();
        let mut scale = 1.0_f64;
        for (g, &lambda) in end.at.lambda.iter().enumerate() {
            blocks.gather(g, &end.solution.correlations, &mut block);
            let norm = self.penalty.dual_norm(&block);
            if norm > lambda {
                scale = scale.min(lambda / norm);
            }
        }
        scale
    }

    /// The Fenchel–Young terms of the blocks, λρ(y) + (α/2)‖y‖² + (ρ°(c) − λ)₊²/(2α) + cᵀy with c = A_gᵀ(s∘u), along the chord.
    fn add_penalty_bow(&self, from: PathPoint<'_>, to: PathPoint<'_>, scales: (f64, f64), bow: &mut Bow) {
        let blocks = self.penalty.blocks();
        let (mut a, mut b) = (BlockEnd::default(), BlockEnd::default());
        let has_ridge = from.at.ridge > 0.0 && to.at.ridge > 0.0;
        for g in 0..blocks.len() {
            let zero = |end: PathPoint<'_>| {
                blocks.members(g).iter().all(|&j| end.solution.coefficients[j as usize] == 0.0)
            };
            if !has_ridge && zero(from) && zero(to) || from.at.lambda[g] == f64::INFINITY {
                continue;
            }
            a.read(self.penalty, g, from, scales.0);
            b.read(self.penalty, g, to, scales.1);
            bow.add(1.0, a.bow(&b));
        }
    }

    /// What rounding may hide of the gap: of sums of n terms in the correlations and of |support| terms in the predictor, of objectives, and of
    /// the intercept's dual constraint.
    fn rounding(&self, end: PathPoint<'_>) -> f64 {
        let slopes = self.slopes(&end.solution.predictor);
        let terms = slopes.iter().zip(self.sample_weights).filter(|(_, s)| **s > 0.0);
        let size = terms.map(|(slope, s)| slope * slope / s).sum::<f64>().sqrt();
        let norms = self.column_norms();
        let coefficients = end.solution.coefficients.iter().zip(norms).filter(|(y, _)| **y != 0.0);
        let reach: f64 = coefficients.map(|(y, norm)| y.abs() * f64::from(*norm)).sum();
        let unbalanced = if self.intercept { slopes.iter().sum::<f64>().abs() } else { 0.0 };
        let sums = (4.0 + (slopes.len() as f64).sqrt()) * size * reach;
        f64::EPSILON * (sums + 8.0 * self.null_model().objective)
            + 2.0 * unbalanced * (1.0 + end.solution.intercept.abs())
    }

    /// Blocks that may be nonzero somewhere between the two solutions, increasing.
    pub(super) fn candidates(&self, from: PathPoint<'_>, to: PathPoint<'_>, chord: &Chord) -> Vec<usize> {
        let radius = (2.0 * L::MAX_CURVATURE * chord.gap).sqrt();
        let blocks = self.penalty.blocks();
        let mut block = Vec::new();
        let mut slack = |g: usize, end: PathPoint<'_>, scale: f64| {
            blocks.gather(g, &end.solution.correlations, &mut block);
            end.at.lambda[g] - scale * self.penalty.dual_norm(&block)
        };
        let nonzero = |g: usize, end: PathPoint<'_>| {
            blocks.members(g).iter().any(|&j| end.solution.coefficients[j as usize] != 0.0)
        };
        (0..blocks.len())
            .filter(|&g| from.at.lambda[g] < f64::INFINITY)
            .filter(|&g| {
                // Column norms are held in single precision.
                let reach = 1.000_001 * self.block_norm(g) * radius;
                slack(g, from, chord.scales.0).min(slack(g, to, chord.scales.1)) <= reach
                    || nonzero(g, from)
                    || nonzero(g, to)
            })
            .collect()
    }
}

/// A block at one end.
#[derive(Default)]
struct BlockEnd {
    y: Vec<f64>,
    c: Vec<f64>,
    lambda: f64,
    ridge: f64,
    /// ρ(y).
    size: f64,
    /// (ρ°(c) − λ)₊.
    excess: f64,
}

impl BlockEnd {
    fn read<P: Penalty>(&mut self, penalty: &P, g: usize, end: PathPoint<'_>, scale: f64) {
        penalty.blocks().gather(g, &end.solution.coefficients, &mut self.y);
        penalty.blocks().gather(g, &end.solution.correlations, &mut self.c);
        self.c.iter_mut().for_each(|c| *c *= scale);
        (self.lambda, self.ridge) = (end.at.lambda[g], end.at.ridge);
        self.size = if self.y.iter().any(|y| *y != 0.0) { penalty.value(&self.y) } else { 0.0 };
        self.excess = (penalty.dual_norm(&self.c) - self.lambda).max(0.0);
    }

    /// λρ(y) + (α/2)‖y‖² + (ρ°(c) − λ)₊²/(2α) + cᵀy ≥ 0.
    fn term(&self) -> f64 {
        let square = crate::kernel::dot(&self.y, &self.y);
        let conjugate = if self.ridge > 0.0 { self.excess * self.excess / (2.0 * self.ridge) } else { 0.0 };
        let sum = self.lambda * self.size
            + 0.5 * self.ridge * square
            + conjugate
            + crate::kernel::dot(&self.c, &self.y);
        sum.max(0.0)
    }

    /// Each of the four parts, along the chord: λρ bends by (λ_a−λ_b)(ρ_b−ρ_a) at most, α‖y‖² by the same less α‖y_b−y_a‖², the conjugate not at all
    /// or, on one coefficient that keeps its sign, by −α(x_b/α_b − x_a/α_a)² with x = |c| − λ, and cᵀy by −(c_b−c_a)ᵀ(y_b−y_a).
    fn bow(&self, to: &Self) -> Bow {
        let (mut moved, mut product) = (0.0, 0.0);
        for ((ya, yb), (ca, cb)) in self.y.iter().zip(&to.y).zip(self.c.iter().zip(&to.c)) {
            moved += (yb - ya) * (yb - ya);
            product += (cb - ca) * (yb - ya);
        }
        let ridge = self.ridge.min(to.ridge);
        let squares = crate::kernel::dot(&to.y, &to.y) - crate::kernel::dot(&self.y, &self.y);
        let mut between = (self.lambda - to.lambda) * (to.size - self.size) - product
            + 0.5 * (self.ridge - to.ridge) * squares
            - 0.5 * ridge * moved;
        let keeps_sign = self.c.len() == 1 && self.c[0] * to.c[0] > 0.0;
        if ridge > 0.0 && keeps_sign && self.excess > 0.0 && to.excess > 0.0 {
            let step = to.excess / to.ridge - self.excess / self.ridge;
            between -= 0.5 * ridge * step * step;
        }
        Bow { from: self.term(), to: to.term(), between: between.max(0.0) }
    }
}
