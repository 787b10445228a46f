//! Lower bounds that are parabolas piece by piece, and the minimum of their sum.

/// v(t) = (1−τ)·left + τ·right − τ(1−τ)·depth on [from, to], τ = (t−from)/(to−from).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Parabola {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) depth: f64,
}

impl Parabola {
    /// (v, v', v'') at t, with derivatives in t.
    fn at(&self, t: f64) -> (f64, f64, f64) {
        let width = self.to - self.from;
        let tau = (t - self.from) / width;
        let rise = self.right - self.left - self.depth;
        let value = self.left + tau * (rise + tau * self.depth);
        (value, (rise + 2.0 * tau * self.depth) / width, 2.0 * self.depth / (width * width))
    }
}

/// A lowest point on an edge between two pieces is reported this part of a piece inside the one that it belongs to.
const INSIDE: f64 = 1e-3;

/// Where the sum of several such bounds on [0, 1] is lowest, and its value there. Each is a list of pieces that cover [0, 1], increasing, without gaps.
pub(super) fn lowest_of_sum(bounds: &[Vec<Parabola>]) -> (f64, f64) {
    let mut at = vec![0; bounds.len()];
    let mut from = 0.0;
    let mut lowest = (0.0, f64::INFINITY);
    loop {
        let current = || bounds.iter().zip(&at).filter_map(|(pieces, &k)| pieces.get(k));
        let to = current().map(|piece| piece.to).fold(1.0, f64::min);
        let (mut value, mut slope, mut bend) = (0.0, 0.0, 0.0);
        for piece in current() {
            let (v, d, h) = piece.at(from);
            (value, slope, bend) = (value + v, slope + d, bend + h);
        }
        let width = to - from;
        let step =
            if bend > 0.0 { (-slope / bend).clamp(0.0, width) } else { f64::from(slope < 0.0) * width };
        for step in [0.0, step, width] {
            let v = value + step * (slope + 0.5 * bend * step);
            if v < lowest.1 {
                lowest = (from + step.clamp(INSIDE * width, (1.0 - INSIDE) * width), v);
            }
        }
        if to >= 1.0 {
            return lowest;
        }
        for (pieces, k) in bounds.iter().zip(&mut at) {
            *k += usize::from(pieces.get(*k).is_some_and(|piece| piece.to <= to));
        }
        from = to;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_point_of_a_sum_lies_between_breaks_or_on_them() {
        let piece = |from, to, left, right, depth| Parabola { from, to, left, right, depth };
        // (t − 0.3)² in two pieces, and |t − 0.3| + t in two others: the minimum of the sum is where 2(t − 0.3) meets its slopes 0 and 2.
        let square = |t: f64| (t - 0.3) * (t - 0.3);
        let first = vec![
            piece(0.0, 0.6, square(0.0), square(0.6), 0.36),
            piece(0.6, 1.0, square(0.6), square(1.0), 0.16),
        ];
        let second = vec![piece(0.0, 0.3, 0.3, 0.3, 0.0), piece(0.3, 1.0, 0.3, 1.7, 0.0)];
        let (t, value) = lowest_of_sum(&[first.clone(), second]);
        assert!((t - 0.3).abs() < 1e-3 && (value - 0.3).abs() < 1e-15);
        // With slope −1 throughout the minimum is at 2(t − 0.3) = 1.
        let (t, value) = lowest_of_sum(&[first, vec![piece(0.0, 1.0, 1.0, 0.0, 0.0)]]);
        assert!((t - 0.8).abs() < 1e-12 && (value - 0.45).abs() < 1e-12);
    }
}
