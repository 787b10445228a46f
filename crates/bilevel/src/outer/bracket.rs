//! What two points with slopes say about the minimum between them.
//!
//! On [a, b] with values f and slopes g, two models of Φ: the *cubic* of Hermite, right where Φ is smooth; and the two *tangents*, right where Φ has a
//! kink between two nearly straight pieces, and a lower bound where it is convex. The smaller of their minima is the value to hope for; a
//! bracket in which it is no better than the best known value needs no evaluation.
//!
//! Where the next point goes depends on which model proved right: if the last split made the slope much smaller, the cubic's minimizer; if it made it
//! somewhat smaller, as where Φ has many small kinks, the middle between the models' minimizers; if the slope
//! stayed and only changed sign across a kink, the intersection of the tangents; and if that keeps landing on the same side of the kink, or on an end,
//! a point a growing distance past it, so that both ends close in on the kink.

/// Ratio of slopes, new over replaced, up to which a split counts as having found a smooth minimum.
const SMOOTH_SLOPE_RATIO: f64 = 0.25;
/// Ratio from which the slope counts as having stayed: a kink between straight pieces.
const STRAIGHT_SLOPE_RATIO: f64 = 0.8;
/// Where, from the end that is near the kink, to look for its other side, as fraction of the width: after the first, second, … point in a row on
/// the same side. Past the kink it leaves a bracket that much narrower, short of it little is lost.
const OVERSHOOTS: [f64; 3] = [0.01, 0.1, 0.5];
/// Tangents that meet nearer than this fraction to an end say no more than that the kink is there.
const NEAR: f64 = 1e-4;
/// ½ ln 10.
const HALF_A_DECADE: f64 = 1.151_292_546_497_022_8;
/// The next point keeps this fraction of the width from both ends.
const MARGIN: f64 = 1e-6;

/// One end of a bracket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct End {
    pub theta: f64,
    pub value: f64,
    pub slope: f64,
}

/// Which end of the parent the last split replaced.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Side {
    Left,
    Right,
}

/// How Φ behaved at the last split.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    Smooth,
    /// Neither: bent, but not as a cubic, as with many small kinks.
    Bent,
    /// Which end was replaced, and how many splits in a row before had replaced the same.
    Kinked {
        side: Side,
        repeats: usize,
    },
}

/// Two neighbouring points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bracket {
    pub left: End,
    pub right: End,
    shape: Shape,
}

/// A place in the bracket, as fraction of its width, and a model's value there.
#[derive(Debug, Clone, Copy)]
struct ModelMinimum {
    fraction: f64,
    value: f64,
}

impl Bracket {
    pub fn new(left: End, right: End) -> Self {
        Self { left, right, shape: Shape::Smooth }
    }

    pub fn width(&self) -> f64 {
        self.right.theta - self.left.theta
    }

    /// Replaces the end that lies at the same place.
    pub fn renew(&mut self, end: End) {
        for own in [&mut self.left, &mut self.right] {
            if own.theta == end.theta {
                *own = end;
            }
        }
    }

    /// Whether another floating-point number of use fits between the ends.
    pub fn is_divisible(&self) -> bool {
        let scale = self.left.theta.abs().max(self.right.theta.abs());
        self.width() > 8.0 * f64::EPSILON * scale && self.width() > f64::MIN_POSITIVE
    }

    /// The smallest value that either model finds in the bracket; +∞ if an end is not finite.
    pub fn predicted_value(&self) -> f64 {
        if !self.is_finite() {
            return f64::INFINITY;
        }
        let ends = self.left.value.min(self.right.value);
        [self.cubic_minimum(), self.tangent_minimum()].into_iter().flatten().fold(ends, |v, m| v.min(m.value))
    }

    /// The same where Φ has no kinks: by the cubic alone. Two points less than half a decade apart whose slopes do not lead into a valley have none
    /// between them; what a cubic finds there is the error of their values.
    pub fn predicted_smooth_value(&self) -> f64 {
        if !self.is_finite() {
            return f64::INFINITY;
        }
        let ends = self.left.value.min(self.right.value);
        let is_valley = self.left.slope < 0.0 && self.right.slope > 0.0;
        if self.width() < HALF_A_DECADE && !is_valley {
            return ends;
        }
        self.cubic_minimum().map_or(ends, |m| m.value.min(ends))
    }

    /// Where a smooth Φ has its minimum: on the cubic, or nearer than half a decade, where values of different accuracies make no cubic, where the line
    /// through both slopes crosses zero.
    pub fn smooth_minimizer(&self) -> Option<f64> {
        let (a, b) = (self.left, self.right);
        if self.width() >= HALF_A_DECADE {
            return self.cubic_minimum().map(|m| a.theta + m.fraction * self.width());
        }
        let is_valley = a.slope < 0.0 && b.slope > 0.0;
        is_valley.then(|| a.theta - a.slope * self.width() / (b.slope - a.slope))
    }

    /// The smallest value possible if Φ' stays within the range of the two slopes widened by their difference to both sides, and where;
    /// +∞ if an end is not finite.
    ///
    /// With f' ∈ [m, M] the graph lies above both f_a + m(t−a) and f_b − M(b−t); where they meet is the bound.
    pub fn cautious_bound(&self) -> (f64, f64) {
        let (a, b) = (self.left, self.right);
        let middle = 0.5 * (a.theta + b.theta);
        if !self.is_finite() {
            return (f64::INFINITY, middle);
        }
        let spread = (b.slope - a.slope).abs();
        let (least, most) = (a.slope.min(b.slope) - spread, a.slope.max(b.slope) + spread);
        if least >= 0.0 || most <= 0.0 {
            return (a.value.min(b.value), middle);
        }
        let fraction = (a.value - b.value + most * self.width()) / ((most - least) * self.width());
        let bound = a.value + least * fraction.clamp(0.0, 1.0) * self.width();
        (bound.min(a.value).min(b.value), a.theta + fraction.clamp(0.1, 0.9) * self.width())
    }

    fn is_finite(&self) -> bool {
        [self.left, self.right].iter().all(|end| end.value.is_finite() && end.slope.is_finite())
    }

    /// Where to evaluate next.
    pub fn next_theta(&self) -> f64 {
        let fraction = match self.shape {
            Shape::Smooth => self.cubic_minimum().or(self.tangent_minimum()).map_or(0.5, |m| m.fraction),
            Shape::Bent => self.between_the_models(),
            Shape::Kinked { side, repeats } => self.past_the_kink(side, repeats),
        };
        self.left.theta + fraction.clamp(MARGIN, 1.0 - MARGIN) * self.width()
    }

    /// Halfway between the minima of the two models: neither was right, and what is between them narrows the bracket from both sides.
    fn between_the_models(&self) -> f64 {
        let places = [self.cubic_minimum(), self.tangent_minimum()].map(|m| m.map_or(0.5, |m| m.fraction));
        0.5 * (places[0] + places[1])
    }

    /// Where the tangents meet, if that can be trusted; else some way past the kink.
    fn past_the_kink(&self, side: Side, repeats: usize) -> f64 {
        let meeting = self.tangent_minimum().map(|m| m.fraction);
        let near = match meeting {
            Some(fraction) if fraction < NEAR => Side::Left,
            Some(fraction) if fraction > 1.0 - NEAR => Side::Right,
            Some(fraction) if repeats == 0 => return fraction,
            _ => side,
        };
        let overshoot = OVERSHOOTS[repeats.saturating_sub(1).min(OVERSHOOTS.len() - 1)];
        if near == Side::Left { overshoot } else { 1.0 - overshoot }
    }

    /// The two brackets that a point inside makes of this one. Where only a `rough` minimum is looked for, many small kinks count as a bend; for an
    /// exact one, each of them is a kink that the minimum may lie on.
    pub fn split(&self, middle: End, rough: bool) -> [Self; 2] {
        let shape = |side| self.shape_after(side, middle, rough);
        let left = Self { left: self.left, right: middle, shape: shape(Side::Right) };
        let right = Self { left: middle, right: self.right, shape: shape(Side::Left) };
        [left, right]
    }

    fn shape_after(&self, side: Side, middle: End, rough: bool) -> Shape {
        let replaced = if side == Side::Left { self.left } else { self.right };
        let ratio = middle.slope.abs() / replaced.slope.abs();
        if ratio <= SMOOTH_SLOPE_RATIO || middle.slope == 0.0 {
            return Shape::Smooth;
        }
        if rough && ratio < STRAIGHT_SLOPE_RATIO {
            return Shape::Bent;
        }
        let repeats = match self.shape {
            Shape::Kinked { side: last, repeats } if last == side => repeats + 1,
            _ => 0,
        };
        Shape::Kinked { side, repeats }
    }

    /// Inner minimum of p(u) = f_a + d_a u + c₂u² + c₃u³ on (0, 1), u = (θ−a)/(b−a).
    fn cubic_minimum(&self) -> Option<ModelMinimum> {
        let (da, db) = (self.left.slope * self.width(), self.right.slope * self.width());
        let rise = self.right.value - self.left.value;
        let (c2, c3) = (3.0 * rise - 2.0 * da - db, da + db - 2.0 * rise);
        let discriminant = c2 * c2 - 3.0 * c3 * da;
        if discriminant < 0.0 {
            return None;
        }
        // p'(u) = 0 with p''(u) > 0, written so that nothing cancels.
        let root = discriminant.sqrt();
        let fraction = if c2 >= 0.0 { -da / (c2 + root) } else { (root - c2) / (3.0 * c3) };
        let value = self.left.value + fraction * (da + fraction * (c2 + fraction * c3));
        (fraction > 0.0 && fraction < 1.0).then_some(ModelMinimum { fraction, value })
    }

    /// Intersection of the two tangents if it is a minimum inside.
    fn tangent_minimum(&self) -> Option<ModelMinimum> {
        let (da, db) = (self.left.slope * self.width(), self.right.slope * self.width());
        if da >= 0.0 || db <= 0.0 {
            return None;
        }
        let fraction = (self.right.value - self.left.value - db) / (da - db);
        let value = self.left.value + da * fraction;
        (fraction > 0.0 && fraction < 1.0).then_some(ModelMinimum { fraction, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(theta: f64, value: f64, slope: f64) -> End {
        End { theta, value, slope }
    }

    #[test]
    fn the_cubic_finds_the_minimum_of_a_cubic() {
        // f(t) = t³ − 3t: minimum −2 at t = 1.
        let f = |t: f64| end(t, t * t * t - 3.0 * t, 3.0 * t * t - 3.0);
        let minimum = Bracket::new(f(0.0), f(3.0)).cubic_minimum().unwrap();
        approx::assert_relative_eq!(minimum.fraction, 1.0 / 3.0, max_relative = 1e-14);
        approx::assert_relative_eq!(minimum.value, -2.0, max_relative = 1e-14);
    }

    #[test]
    fn the_tangents_find_the_minimum_of_a_wedge() {
        // f(t) = max(−t, 3t − 4): kink at t = 1 with value −1.
        let bracket = Bracket::new(end(0.0, 0.0, -1.0), end(2.0, 2.0, 3.0));
        let minimum = bracket.tangent_minimum().unwrap();
        approx::assert_relative_eq!(minimum.fraction, 0.5, max_relative = 1e-14);
        assert!(bracket.predicted_value() <= minimum.value);
        approx::assert_relative_eq!(minimum.value, -1.0, max_relative = 1e-14);
    }

    #[test]
    fn the_cautious_bound_is_where_the_steepest_lines_allowed_meet() {
        // −1 and −0.6: f' in [−1.4, −0.2], so f falls and the right end is the minimum.
        assert_eq!(Bracket::new(end(0.0, 0.0, -1.0), end(1.0, -0.7, -0.6)).cautious_bound().0, -0.7);
        // −1 to +1 at equal values: f' in [−3, 3], lines meet in the middle.
        let (bound, at) = Bracket::new(end(0.0, 1.0, -1.0), end(1.0, 1.0, 1.0)).cautious_bound();
        assert_eq!((bound, at), (-0.5, 0.5));
    }

    #[test]
    fn a_flat_bracket_promises_nothing() {
        assert_eq!(Bracket::new(end(0.0, 1.0, 0.0), end(1.0, 1.0, 0.0)).predicted_value(), 1.0);
        assert_eq!(Bracket::new(end(0.0, 1.0, 1.0), end(1.0, 2.0, 1.0)).predicted_value(), 1.0);
    }
}
