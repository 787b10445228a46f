//! The exact minimizer of a convex quadratic plus Σ λ_k|y_k|, by a path from a point that is nearly it.
//!
//! ```text
//! y(t) = argmin q(y) − (1 − t) vᵀy + Σ λ_k |y_k|,     0 ≤ t ≤ 1
//! ```
//!
//! With v the violations at the given point, that point is y(0); y(1) is the minimizer. The path is linear between events: a coordinate reaches
//! zero and leaves the support, or a gradient reaches its weight and one enters. Each event changes the Cholesky factor of the support by one index, so the
//! cost is that of the support's errors and not of conditioning, which is what stops coordinate descent and conjugate gradients.
//!
//! Sources: Osborne, Presnell, Turlach, "A new approach to variable selection in least squares problems", IMA J. Numer. Anal. 20 (2000); Ferreau, Bock,
//! Diehl, "An online active set strategy", Int. J. Robust Nonlinear Control 18 (2008).

use super::coordinate_descent::QuadraticModel;
use super::gram_model::GramModel;
use super::updated_cholesky::UpdatedCholesky;

/// How a path ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathEnd {
    /// At the minimizer, up to rounding.
    Arrived,
    /// Nearer to it, with the events used up.
    OutOfEvents,
    /// Nearer or not: the support has dependent columns, and none can leave.
    Stuck,
}

/// Follows the path for at most `max_events` events, moving the model and `y`. Coordinates of weight 0 are free; those of weight +∞, and those that q does
/// not depend on, stay where they are.
pub(super) fn follow(model: &mut GramModel<'_>, lambda: &[f64], y: &mut [f64], max_events: usize) -> PathEnd {
    let Some(mut path) = Path::new(model, lambda, y) else { return PathEnd::Stuck };
    for _ in 0..=max_events {
        match path.advance(model, y) {
            Progress::Arrived => return PathEnd::Arrived,
            Progress::Event => {}
            Progress::Stuck => return PathEnd::Stuck,
        }
    }
    PathEnd::OutOfEvents
}

enum Progress {
    Arrived,
    Event,
    Stuck,
}

struct Path<'p> {
    lambda: &'p [f64],
    /// v.
    violation: Vec<f64>,
    /// 1 − t.
    left: f64,
    /// The support, in the order of the factor.
    support: Vec<usize>,
    /// sign(y_k) on the support (0 where λ = 0), NaN off it.
    signs: Vec<f64>,
    factor: UpdatedCholesky,
    /// The coordinate that left at this t, and the sign of its gradient: that is at its weight, and moves inwards.
    just_left: Option<(usize, f64)>,
}

impl<'p> Path<'p> {
    fn new(model: &mut GramModel<'_>, lambda: &'p [f64], y: &mut [f64]) -> Option<Self> {
        let is_free = |k: usize| y[k] != 0.0 || lambda[k] == 0.0 && model.diagonal(k) > 0.0;
        let mut support: Vec<usize> = (0..y.len()).filter(|&k| is_free(k)).collect();
        let factor = match UpdatedCholesky::new(support.len(), model.submatrix(&support)?) {
            Some(factor) => factor,
            None => independent(model, lambda, y, &mut support)?,
        };
        let mut signs = vec![f64::NAN; y.len()];
        for &k in &support {
            signs[k] = if lambda[k] == 0.0 { 0.0 } else { y[k].signum() };
        }
        let of = |k: usize| {
            let gradient = model.gradient(k);
            if signs[k].is_nan() {
                gradient - gradient.clamp(-lambda[k], lambda[k])
            } else {
                gradient + lambda[k] * signs[k]
            }
        };
        let violation = (0..y.len()).map(of).collect();
        Some(Self { lambda, violation, left: 1.0, support, signs, factor, just_left: None })
    }

    /// To the next event, or to the end.
    fn advance(&mut self, model: &mut GramModel<'_>, y: &mut [f64]) -> Progress {
        let mut direction: Vec<f64> = self.support.iter().map(|&k| -self.violation[k]).collect();
        self.factor.solve(&mut direction);
        let mut image = vec![0.0; y.len()];
        model.image(&self.support, &direction, &mut image);
        let (mut step, mut event) = (self.left, None);
        for (position, (&k, &d)) in self.support.iter().zip(&direction).enumerate() {
            if self.signs[k] * d < 0.0 && -y[k] / d < step {
                (step, event) = ((-y[k] / d).max(0.0), Some(Event::Leave(position)));
            }
        }
        for k in (0..y.len()).filter(|&k| self.signs[k].is_nan() && self.lambda[k].is_finite()) {
            let speed = image[k] + self.violation[k];
            let gradient = model.gradient(k) - self.left * self.violation[k];
            let reach = (self.lambda[k] * speed.signum() - gradient) / speed;
            if speed != 0.0
                && reach < step
                && self.just_left != Some((k, speed.signum()))
                && model.diagonal(k) > 0.0
            {
                (step, event) = (reach.max(0.0), Some(Event::Enter(k, -speed.signum())));
            }
        }
        if !step.is_finite() {
            return Progress::Stuck;
        }
        for (&k, d) in self.support.iter().zip(&direction) {
            y[k] += step * d;
        }
        model.advance(step, &image);
        self.left -= step;
        self.just_left = None;
        match event {
            None => Progress::Arrived,
            Some(Event::Leave(position)) => self.leave(model, y, position),
            Some(Event::Enter(k, sign)) => self.enter(model, y, k, sign),
        }
    }

    fn leave(&mut self, model: &mut GramModel<'_>, y: &mut [f64], position: usize) -> Progress {
        let k = self.support.remove(position);
        self.factor.remove(position);
        // What rounding left of it.
        move_by(model, y, k, -y[k]);
        self.just_left = Some((k, -self.signs[k]));
        self.signs[k] = f64::NAN;
        Progress::Event
    }

    fn enter(&mut self, model: &mut GramModel<'_>, y: &mut [f64], k: usize, sign: f64) -> Progress {
        if !self.factor.append(model.entries(k, &self.support), model.diagonal(k)) {
            let Some(position) = self.make_room(model, y, k, sign) else { return Progress::Stuck };
            self.leave(model, y, position);
            self.just_left = None;
            if !self.factor.append(model.entries(k, &self.support), model.diagonal(k)) {
                return Progress::Stuck;
            }
        }
        self.support.push(k);
        self.signs[k] = sign;
        Progress::Event
    }

    /// Moves a coordinate that depends on the support away from zero, and the support with it so that q and the penalty stay, until a coordinate reaches
    /// zero; returns its position.
    fn make_room(&self, model: &mut GramModel<'_>, y: &mut [f64], k: usize, sign: f64) -> Option<usize> {
        let mut null = model.entries(k, &self.support);
        self.factor.solve(&mut null);
        null.iter_mut().for_each(|z| *z *= -sign);
        let (mut step, mut first) = (f64::INFINITY, None);
        for (position, (&i, &z)) in self.support.iter().zip(&null).enumerate() {
            if self.signs[i] * z < 0.0 && -y[i] / z < step {
                (step, first) = ((-y[i] / z).max(0.0), Some(position));
            }
        }
        let position = first?;
        for (&i, z) in self.support.iter().zip(&null) {
            move_by(model, y, i, step * z);
        }
        move_by(model, y, k, step * sign);
        Some(position)
    }
}

/// Factorizes a support with dependent columns, of which coordinate descent may hold some: a dependent coordinate moves along the null space, which leaves q as it
/// is, in the direction in which the penalty does not grow, until one of those that depend on each other is zero and leaves. `None` if a dependent one is free.
fn independent(
    model: &mut GramModel<'_>,
    lambda: &[f64],
    y: &mut [f64],
    support: &mut Vec<usize>,
) -> Option<UpdatedCholesky> {
    let mut factor = UpdatedCholesky::default();
    let mut kept: Vec<usize> = Vec::with_capacity(support.len());
    for &k in support.iter() {
        let entries = model.entries(k, &kept);
        if factor.append(entries.clone(), model.diagonal(k)) {
            kept.push(k);
            continue;
        }
        let mut null = entries;
        factor.solve(&mut null);
        null.iter_mut().for_each(|z| *z = -*z);
        let slope = |i: usize, z: f64| lambda[i] * y[i].signum() * z;
        let growth = slope(k, 1.0) + kept.iter().zip(&null).map(|(&i, z)| slope(i, *z)).sum::<f64>();
        let sense = if growth > 0.0 { -1.0 } else { 1.0 };
        let reach = |i: usize, z: f64| {
            let ratio = -y[i] / (sense * z);
            if lambda[i] > 0.0 && ratio >= 0.0 { ratio } else { f64::INFINITY }
        };
        let (mut step, mut leaves) = (reach(k, 1.0), None);
        for (position, (&i, z)) in kept.iter().zip(&null).enumerate() {
            if reach(i, *z) < step {
                (step, leaves) = (reach(i, *z), Some(position));
            }
        }
        if !step.is_finite() {
            return None;
        }
        for (&i, z) in kept.iter().zip(&null) {
            move_by(model, y, i, sense * step * z);
        }
        move_by(model, y, k, sense * step);
        let position = match leaves {
            None => {
                move_by(model, y, k, -y[k]);
                continue;
            }
            Some(position) => position,
        };
        let gone = kept.remove(position);
        move_by(model, y, gone, -y[gone]);
        factor.remove(position);
        if factor.append(model.entries(k, &kept), model.diagonal(k)) {
            kept.push(k);
        } else {
            return None;
        }
    }
    *support = kept;
    Some(factor)
}

fn move_by(model: &mut GramModel<'_>, y: &mut [f64], k: usize, delta: f64) {
    model.update(k, delta);
    y[k] += delta;
}

enum Event {
    /// Position in the support.
    Leave(usize),
    /// Coordinate, and the sign it takes.
    Enter(usize, f64),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{GramModel, Products, QuadraticModel};
    use super::{PathEnd, follow};

    const SIZE: usize = 10;

    /// H = BᵀB for B of `rank` rows with entries in a few values, so that ties happen, and columns depend on each other where the rank is small.
    fn hessian(rank: usize, entries: &[i32]) -> Vec<f64> {
        let entry = |r: usize, k: usize| f64::from(entries[(r * SIZE + k) % entries.len()]);
        let product = |i: usize, k: usize| (0..rank).map(|r| entry(r, i) * entry(r, k)).sum::<f64>();
        (0..SIZE * SIZE).map(|m| product(m % SIZE, m / SIZE)).collect()
    }

    /// Hy + c.
    fn gradient(hessian: &[f64], linear: &[f64], y: &[f64]) -> Vec<f64> {
        let row = |i: usize| (0..SIZE).map(|k| hessian[k * SIZE + i] * y[k]).sum::<f64>();
        (0..SIZE).map(|i| row(i) + linear[i]).collect()
    }

    proptest! {
        #[test]
        fn the_path_ends_at_the_minimizer(
            rank in 4_usize..14,
            entries in prop::collection::vec(-6_i32..7, 97),
            // In the range of H, so that there is a minimizer whatever the weights.
            target in prop::collection::vec(-3.0_f64..3.0, SIZE),
            start in prop::collection::vec(prop_oneof![Just(0.0), -2.0_f64..2.0], SIZE),
            lambda in prop::collection::vec(prop_oneof![8 => 0.5_f64..40.0, 1 => Just(f64::INFINITY)], SIZE),
        ) {
            let hessian = hessian(rank, &entries);
            let linear: Vec<f64> = gradient(&hessian, &[0.0; SIZE], &target).iter().map(|g| -g).collect();
            let mut y: Vec<f64> = start.iter().zip(&lambda).map(|(y, l)| if l.is_finite() { *y } else { 0.0 }).collect();
            let slots: Vec<u32> = (0..).take(SIZE).collect();
            let products = Products { values: &hessian, stride: SIZE, size: SIZE };
            let mut model = GramModel::new(products, &slots, 0.0, &gradient(&hessian, &linear, &y));
            let end = follow(&mut model, &lambda, &mut y, 1000);
            let gradient = gradient(&hessian, &linear, &y);
            for (k, expected) in gradient.iter().enumerate() {
                prop_assert!((model.gradient(k) - expected).abs() < 1e-8, "the model has moved with y");
            }
            prop_assume!(end == PathEnd::Arrived);
            for k in (0..SIZE).filter(|&k| lambda[k].is_finite()) {
                let violation = if y[k] == 0.0 { gradient[k].abs() - lambda[k] } else { (gradient[k] + lambda[k] * y[k].signum()).abs() };
                prop_assert!(violation < 1e-7, "coordinate {k}: {violation:.1e}");
            }
        }
    }

    #[test]
    fn one_coordinate_lands_on_the_soft_threshold() {
        let products = Products { values: &[2.0], stride: 1, size: 1 };
        for (linear, expected) in [(-3.0, 1.0), (3.0, -1.0), (0.5, 0.0)] {
            let mut y = [0.7];
            let mut model = GramModel::new(products, &[0], 0.0, &[2.0 * y[0] + linear]);
            assert_eq!(follow(&mut model, &[1.0], &mut y, 10), PathEnd::Arrived);
            approx::assert_abs_diff_eq!(y[0], expected, epsilon = 1e-15);
        }
    }
}
