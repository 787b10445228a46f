//! What two points with slopes say about the minimum between them.
//!
//! On [a, b] with values f and slopes g, two models of Φ: the *cubic* of Hermite, right where Φ is smooth; and the two *tangents*, right where Φ has a
//! kink between two nearly straight pieces, and a lower bound where it is convex. The smaller of their minima is the value to hope for; a
//! bracket in which it is no better than the best known value needs no evaluation.
//!
//! Where the next point goes depends on which model proved right: if the last split made the slope much smaller, the cubic's minimizer; if the slope
//! stayed and only changed sign across a kink, the intersection of the tangents; and if that keeps landing on the same side of the kink,
//! a point a growing distance past it, so that both ends close in on the kink.

/// Ratio of slopes, new over replaced, up to which a split counts as having found a smooth minimum.
const SMOOTH_SLOPE_RATIO: f64 = 0.25;
/// Factor by which a point is moved past a kink when the tangents land on the same side again.
const OVERSHOOT: f64 = 4.0;
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
    /// The replaced end had moved by `moved`, and whether the split before replaced the same end.
    Kinked {
        side: Side,
        moved: f64,
        repeated: bool,
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
        if ![self.left, self.right].iter().all(|end| end.value.is_finite() && end.slope.is_finite()) {
            return f64::INFINITY;
        }
        let ends = self.left.value.min(self.right.value);
        [self.cubic_minimum(), self.tangent_minimum()].into_iter().flatten().fold(ends, |v, m| v.min(m.value))
    }

    /// Where to evaluate next.
    pub fn next_theta(&self) -> f64 {
        let fraction = match self.shape {
            Shape::Smooth => self.cubic_minimum().or(self.tangent_minimum()).map(|m| m.fraction),
            Shape::Kinked { repeated: false, .. } => self.tangent_minimum().map(|m| m.fraction),
            Shape::Kinked { .. } => None,
        };
        let fraction = fraction.unwrap_or_else(|| self.overshoot()).clamp(MARGIN, 1.0 - MARGIN);
        self.left.theta + fraction * self.width()
    }

    /// A point past the kink, seen from the end that moved last; the middle if none moved.
    fn overshoot(&self) -> f64 {
        match self.shape {
            Shape::Smooth => 0.5,
            Shape::Kinked { side, moved, .. } => {
                let fraction = (OVERSHOOT * moved / self.width()).min(0.5);
                if side == Side::Left { fraction } else { 1.0 - fraction }
            }
        }
    }

    /// The two brackets that a point inside makes of this one.
    pub fn split(&self, middle: End) -> [Self; 2] {
        let left = Self { left: self.left, right: middle, shape: self.shape_after(Side::Right, middle) };
        let right = Self { left: middle, right: self.right, shape: self.shape_after(Side::Left, middle) };
        [left, right]
    }

    fn shape_after(&self, side: Side, middle: End) -> Shape {
        let replaced = if side == Side::Left { self.left } else { self.right };
        if middle.slope.abs() <= SMOOTH_SLOPE_RATIO * replaced.slope.abs() {
            return Shape::Smooth;
        }
        let repeated = matches!(self.shape, Shape::Kinked { side: last, .. } if last == side);
        Shape::Kinked { side, moved: (middle.theta - replaced.theta).abs(), repeated }
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
        approx::assert_relative_eq!(bracket.predicted_value().min(minimum.value), bracket.predicted_value());
        approx::assert_relative_eq!(minimum.value, -1.0, max_relative = 1e-14);
    }

    #[test]
    fn a_flat_bracket_promises_nothing() {
        assert_eq!(Bracket::new(end(0.0, 1.0, 0.0), end(1.0, 1.0, 0.0)).predicted_value(), 1.0);
        assert_eq!(Bracket::new(end(0.0, 1.0, 1.0), end(1.0, 2.0, 1.0)).predicted_value(), 1.0);
    }
}
