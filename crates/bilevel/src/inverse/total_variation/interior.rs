//! Primal–dual interior points for total variation: Newton steps whose number hardly depends on how flat the image is.
//!
//! ```text
//! min_{u,t} Σ ½w(u − f)² + Σ α_i t_i,   (t_i, D_iu) in the cone t ≥ |g|,   (α_i, −p_i) in the same cone,   μ → 0
//! ```
//!
//! The two cone vectors of a pixel are scaled to each other (Nesterov–Todd), so that the Hessian W + DᵀKD stays symmetric and positive definite with
//! a 2×2 matrix K for each pixel; t is eliminated. Each step is a predictor (μ = 0), from whose length the centring follows, and the step itself, with one
//! factorization for both.
//!
//! Sources: Goldfarb, Yin, "Second-order cone programming methods for total variation-based image restoration" (2005); Vandenberghe, "The CVXOPT linear
//! and quadratic cone program solvers" (2010), for the scaling.

use super::field::{Field, Gap, Problem};
use super::reduced::{Factor, Reduced};
use super::regions::Regions;
use crate::Result;

/// Part of the way to the boundary that a step may go.
const TO_BOUNDARY: f64 = 0.95;
/// Dual vectors of the start keep this part of their distance from the boundary.
const START_INSIDE: f64 = 0.05;
/// A step shorter than this gains nothing.
const SHORTEST: f64 = 1e-6;

/// An interior point on its way.
pub(super) struct Interior<'a> {
    reduced: Reduced<'a>,
    pub u: Vec<f64>,
    t: Vec<f64>,
    pub p: Field,
    steps: usize,
}

/// A direction in all unknowns.
struct Direction {
    u: Vec<f64>,
    t: Vec<f64>,
    p: Field,
}

impl<'a> Interior<'a> {
    /// From a feasible dual field and an image near its solution.
    pub fn new(problem: &'a Problem, p: &Field, u: &[f64]) -> Result<Self> {
        let everywhere = Regions::new(problem.cols, &vec![true; u.len()], None);
        let reduced = Reduced::new(problem, everywhere)?;
        let mut point = Self { reduced, u: u.to_vec(), t: vec![0.0; u.len()], p: p.clone(), steps: 0 };
        for i in 0..u.len() {
            let longest = (1.0 - START_INSIDE) * problem.alpha[i];
            let length = point.p.x[i].hypot(point.p.y[i]);
            if length > longest {
                point.p.x[i] *= longest / length;
                point.p.y[i] *= longest / length;
            }
        }
        let gap = point.gap();
        let mu = (gap.primal - gap.dual).max(f64::MIN_POSITIVE) / u.len() as f64;
        for i in 0..u.len() {
            let (gx, gy) = problem.gradient_at(u, i);
            point.t[i] = gx.hypot(gy) + 0.5 * mu / problem.alpha[i];
        }
        Ok(point)
    }

    /// Newton steps until the relative duality gap is at most `tolerance`, or `max_steps` in all; whether it is.
    pub fn run(&mut self, tolerance: f64, max_steps: usize) -> Result<bool> {
        while self.gap().relative() > tolerance {
            if self.steps >= max_steps || self.step()? < SHORTEST {
                return Ok(false);
            }
            self.steps += 1;
        }
        Ok(true)
    }

    /// The image with the bound that the dual field proves.
    pub fn gap(&self) -> Gap {
        let problem = self.reduced.problem;
        let mut from_dual = vec![0.0; self.u.len()];
        problem.primal(&self.p, &mut from_dual);
        Gap { primal: problem.objective(&self.u), dual: problem.dual_value(&self.p, &from_dual) }
    }

    /// Gradients that vanish leave room for the dual vector; dual vectors without room leave one for the gradient.
    pub fn moving_pixels(&self) -> Vec<bool> {
        let problem = self.reduced.problem;
        let moves = |i: usize| {
            let (gx, gy) = problem.gradient_at(&self.u, i);
            gx.hypot(gy) > problem.alpha[i] - self.p.x[i].hypot(self.p.y[i])
        };
        (0..self.u.len()).map(moves).collect()
    }

    /// One step; its length.
    fn step(&mut self) -> Result<f64> {
        let problem = self.reduced.problem;
        let size = self.u.len();
        let local: Vec<Local> = (0..size).map(|i| self.local(i)).collect();
        let factor = self.reduced.factor_with(|i| local[i].inside(problem, i))?;
        let predictor = self.direction(&local, &factor, 0.0);
        let longest = self.longest(&predictor).min(1.0);
        let mu = local.iter().map(|local| local.complementarity).sum::<f64>() / (2 * size) as f64;
        let centring = (1.0 - longest).powi(3).max(1e-3);
        let along = self.direction(&local, &factor, centring * mu);
        let length = (TO_BOUNDARY * self.longest(&along)).min(1.0);
        crate::kernel::axpy(length, &along.u, &mut self.u);
        crate::kernel::axpy(length, &along.t, &mut self.t);
        crate::kernel::axpy(length, &along.p.x, &mut self.p.x);
        crate::kernel::axpy(length, &along.p.y, &mut self.p.y);
        Ok(length)
    }

    /// The Newton direction towards the point of μ.
    fn direction(&self, local: &[Local], factor: &Factor, mu: f64) -> Direction {
        let problem = self.reduced.problem;
        let size = self.u.len();
        let mut dual = Field::zeros(size);
        for (i, local) in local.iter().enumerate() {
            let (x, y) = local.constant(problem.alpha[i], mu);
            (dual.x[i], dual.y[i]) = (self.p.x[i] + x, self.p.y[i] + y);
        }
        let mut slope = vec![0.0; size];
        problem.divergence_adjoint(&dual, &mut slope);
        for (i, slope) in slope.iter_mut().enumerate() {
            *slope = -(problem.data[i] * (self.u[i] - problem.image[i]) + *slope);
        }
        let change = factor.solve(&self.reduced.regions.gather(&slope));
        let mut along = Direction { u: vec![0.0; size], t: vec![0.0; size], p: dual };
        self.reduced.regions.expand(&change, &mut along.u);
        for (i, local) in local.iter().enumerate() {
            let d = problem.gradient_at(&along.u, i);
            let (xx, xy, yy) = local.k;
            along.p.x[i] += xx * d.0 + xy * d.1 - self.p.x[i];
            along.p.y[i] += xy * d.0 + yy * d.1 - self.p.y[i];
            along.t[i] = local.room(problem.alpha[i], mu) - local.tilt.0 * d.0 - local.tilt.1 * d.1;
        }
        along
    }

    /// How far all pixels may go along a direction.
    fn longest(&self, along: &Direction) -> f64 {
        let problem = self.reduced.problem;
        let mut longest = f64::INFINITY;
        for i in 0..self.u.len() {
            let (g, d) = (problem.gradient_at(&self.u, i), problem.gradient_at(&along.u, i));
            let primal = to_boundary((self.t[i], g.0, g.1), (along.t[i], d.0, d.1));
            let p = (problem.alpha[i], self.p.x[i], self.p.y[i]);
            longest = longest.min(primal).min(to_boundary(p, (0.0, along.p.x[i], along.p.y[i])));
        }
        longest
    }

    fn local(&self, i: usize) -> Local {
        let problem = self.reduced.problem;
        let (g, p) = (problem.gradient_at(&self.u, i), (self.p.x[i], self.p.y[i]));
        let (t, alpha) = (self.t[i], problem.alpha[i]);
        let room = determinant((t, g.0, g.1)).max(f64::MIN_POSITIVE);
        let (a, b) = (room.sqrt(), determinant((alpha, p.0, p.1)).max(f64::MIN_POSITIVE).sqrt());
        let complementarity = t * alpha - g.0 * p.0 - g.1 * p.1;
        // The scaling point w and G = W⁻² = (b/a)(2 Jw wᵀJ − J).
        let half = (2.0 * (1.0 + complementarity.max(0.0) / (a * b))).sqrt();
        let w = ((t / a + alpha / b) / half, -(g.0 / a + p.0 / b) / half, -(g.1 / a + p.1 / b) / half);
        let scale = b / a;
        let tt = scale * (2.0 * w.0 * w.0 - 1.0);
        let (tx, ty) = (2.0 * scale * w.0 * w.1, 2.0 * scale * w.0 * w.2);
        let k = (
            scale * (2.0 * w.1 * w.1 + 1.0) - tx * tx / tt,
            scale * 2.0 * w.1 * w.2 - tx * ty / tt,
            scale * (2.0 * w.2 * w.2 + 1.0) - ty * ty / tt,
        );
        Local { k, tilt: (tx / tt, ty / tt), tt, t, g, p, inverse_room: 1.0 / room, complementarity }
    }
}

/// t² − |g|².
fn determinant((t, x, y): (f64, f64, f64)) -> f64 {
    let length = x.hypot(y);
    (t - length) * (t + length)
}

/// The largest s with v + s·d in the cone.
fn to_boundary(v: (f64, f64, f64), d: (f64, f64, f64)) -> f64 {
    let square = d.0 * d.0 - d.1 * d.1 - d.2 * d.2;
    let slope = v.0 * d.0 - v.1 * d.1 - v.2 * d.2;
    let room = determinant(v).max(0.0);
    let under = slope * slope - square * room;
    let below = if d.0 < 0.0 { -v.0 / d.0 } else { f64::INFINITY };
    let down = under.sqrt() - slope;
    if under >= 0.0 && down > 0.0 { below.min(room / down) } else { below }
}

/// The linearized cone of one pixel: δp = K Dδu + constant, δt = room − tilt·Dδu.
struct Local {
    /// (xx, xy, yy).
    k: (f64, f64, f64),
    tilt: (f64, f64),
    tt: f64,
    t: f64,
    g: (f64, f64),
    p: (f64, f64),
    inverse_room: f64,
    complementarity: f64,
}

impl Local {
    /// K without what looks across the edge of the image.
    fn inside(&self, problem: &Problem, i: usize) -> (f64, f64, f64) {
        let has_x = f64::from(u8::from(!(i + 1).is_multiple_of(problem.cols)));
        let has_y = f64::from(u8::from(i + problem.cols < problem.len()));
        (self.k.0 * has_x, self.k.1 * has_x * has_y, self.k.2 * has_y)
    }

    fn missing(&self, alpha: f64, mu: f64) -> f64 {
        mu * self.t * self.inverse_room - alpha
    }

    fn room(&self, alpha: f64, mu: f64) -> f64 {
        self.missing(alpha, mu) / self.tt
    }

    fn constant(&self, alpha: f64, mu: f64) -> (f64, f64) {
        let (scale, missing) = (mu * self.inverse_room, self.missing(alpha, mu));
        (
            scale * self.g.0 - self.p.0 + self.tilt.0 * missing,
            scale * self.g.1 - self.p.1 + self.tilt.1 * missing,
        )
    }
}
