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
    /// The coordinate that left at this t: its gradient is at its weight, and moves inwards.
    just_left: Option<usize>,
}

impl<'p> Path<'p> {
    fn new(model: &mut GramModel<'_>, lambda: &'p [f64], y: &mut [f64]) -> Option<Self> {
        let is_free = |k: usize| y[k] != 0.0 || lambda[k] == 0.0 && model.diagonal(k) > 0.0;
        let mut support: Vec<usize> = (0..y.len()).filter(|&k| is_free(k)).collect();
        let factor = match UpdatedCholesky::new(support.len(), &model.submatrix(&support)?) {
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
            if speed != 0.0 && reach < step && self.just_left != Some(k) && model.diagonal(k) > 0.0 {
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
        self.signs[k] = f64::NAN;
        self.just_left = Some(k);
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
