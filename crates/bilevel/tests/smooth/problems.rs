//! Random strongly convex problems, and what the tests compare with.
#![allow(clippy::unwrap_used, reason = "helpers of tests outside a test function")]

use bilevel::smooth::{
    AutoDiff, Descent, Rate, Scalar, Shape, SmoothProblem, SolveSettings, SpectralBounds, solve,
    spectral_bounds,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// Which function of the predictions is trained.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Squared loss: F is quadratic.
    Quadratic,
    /// Logistic loss.
    Logistic,
    /// log cosh of the residuals and a quartic penalty ¼λ₀ Σ y⁴.
    Quartic,
}

pub const KINDS: [Kind; 3] = [Kind::Quadratic, Kind::Logistic, Kind::Quartic];

/// F = mean loss of A y + ½Σ_j λ_{g(j)} y_j², L = mean loss on other rows + 0.05‖λ‖²; λ > 0, `groups` of them.
pub struct Regression {
    pub kind: Kind,
    pub p: usize,
    pub groups: usize,
    pub train: Vec<(Vec<f64>, f64)>,
    pub validation: Vec<(Vec<f64>, f64)>,
    /// Whether ∇_λF is given; without it Bᵀv comes from the columns of B.
    pub writes_hyper_gradient: bool,
}

impl Regression {
    pub fn random(seed: u64, kind: Kind) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let p = 3 + rng.random_range(0..8);
        Self::sized(seed, kind, p, 3 * p, 1 + seed as usize % 3)
    }

    pub fn sized(seed: u64, kind: Kind, p: usize, n: usize, groups: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0xb11e);
        let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
        let truth: Vec<f64> = (0..p).map(|_| normal()).collect();
        let mut rows = |count: usize| {
            (0..count)
                .map(|_| {
                    let a: Vec<f64> = (0..p).map(|_| normal()).collect();
                    let clean: f64 = a.iter().zip(&truth).map(|(a, t)| a * t).sum::<f64>();
                    let noisy = clean + 0.5 * normal();
                    let label = if noisy > 0.0 { 1.0 } else { -1.0 };
                    (a, if kind == Kind::Logistic { label } else { noisy })
                })
                .collect::<Vec<_>>()
        };
        let (train, validation) = (rows(n), rows(n));
        Self { kind, p, groups, train, validation, writes_hyper_gradient: seed.is_multiple_of(2) }
    }

    pub fn lambda(&self, seed: u64) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x1a);
        (0..self.groups).map(|_| 0.2 + 0.6 * rng.random::<f64>()).collect()
    }

    /// ∂loss/∂z.
    fn derivative<T: Scalar>(&self, z: T, b: f64) -> T {
        match self.kind {
            Kind::Quadratic => z - b,
            Kind::Quartic => (z - b).tanh(),
            Kind::Logistic => {
                let e = (-(z * b).abs()).exp();
                let wrong = if z.re() * b >= 0.0 { e / (e + 1.0) } else { (e + 1.0).recip() };
                wrong * -b
            }
        }
    }

    fn loss(&self, z: f64, b: f64) -> f64 {
        match self.kind {
            Kind::Quadratic => 0.5 * (z - b) * (z - b),
            Kind::Quartic => (z - b).cosh().ln(),
            Kind::Logistic => (-(z * b).abs()).exp().ln_1p() + (-z * b).max(0.0),
        }
    }

    fn data_gradient<T: Scalar>(&self, rows: &[(Vec<f64>, f64)], y: &[T], out: &mut [T]) {
        for (a, b) in rows {
            let z = a.iter().zip(y).fold(T::from(0.0), |z, (a, y)| z + *y * *a);
            let d = self.derivative(z, *b) / rows.len() as f64;
            out.iter_mut().zip(a).for_each(|(o, a)| *o += d * *a);
        }
    }

    /// F(y, λ): the engine never asks for it.
    pub fn lower_value(&self, y: &[f64], lambda: &[f64]) -> f64 {
        let mean = self.mean_loss(&self.train, y);
        let ridge: f64 = y.iter().enumerate().map(|(j, y)| 0.5 * lambda[j % self.groups] * y * y).sum();
        let quartic: f64 = y.iter().map(|y| 0.25 * lambda[0] * y.powi(4)).sum();
        mean + ridge + if self.kind == Kind::Quartic { quartic } else { 0.0 }
    }

    fn mean_loss(&self, rows: &[(Vec<f64>, f64)], y: &[f64]) -> f64 {
        let z = |a: &[f64]| a.iter().zip(y).map(|(a, y)| a * y).sum::<f64>();
        rows.iter().map(|(a, b)| self.loss(z(a), *b)).sum::<f64>() / rows.len() as f64
    }
}

impl AutoDiff for Regression {
    fn shape(&self) -> Shape {
        Shape { coefficients: self.p, hyperparameters: self.groups }
    }

    fn lower_gradient<T: Scalar>(&self, y: &[T], lambda: &[T], out: &mut [T]) {
        for (j, (o, y)) in out.iter_mut().zip(y).enumerate() {
            *o = lambda[j % self.groups] * *y;
            if self.kind == Kind::Quartic {
                *o += lambda[0] * y.powi(3);
            }
        }
        self.data_gradient(&self.train, y, out);
    }

    fn hyper_gradient<T: Scalar>(&self, y: &[T], _lambda: &[T], out: &mut [T]) -> bool {
        out.fill(T::from(0.0));
        for (j, y) in y.iter().enumerate() {
            out[j % self.groups] += *y * *y * 0.5;
            if self.kind == Kind::Quartic {
                out[0] += y.powi(4) * 0.25;
            }
        }
        self.writes_hyper_gradient
    }

    fn upper_value(&self, y: &[f64], lambda: &[f64]) -> f64 {
        self.mean_loss(&self.validation, y) + 0.05 * lambda.iter().map(|l| l * l).sum::<f64>()
    }

    fn upper_gradient(&self, y: &[f64], lambda: &[f64], by_y: &mut [f64], by_lambda: &mut [f64]) {
        self.data_gradient(&self.validation, y, by_y);
        by_lambda.iter_mut().zip(lambda).for_each(|(o, l)| *o = 0.1 * l);
    }
}

/// y*(λ), as exact as rounding allows.
pub fn solution(problem: &dyn SmoothProblem, lambda: &[f64]) -> Vec<f64> {
    let settings = SolveSettings { tolerance: 1e-15, ..SolveSettings::default() };
    let solution = solve(problem, lambda, &vec![0.0; problem.n_coefficients()], &settings).unwrap();
    assert!(solution.gradient_norm < 1e-12, "{solution:?}");
    solution.coefficients
}

/// Gradient descent with the step 2/(μ + Lip) at y, and its μ and Lip there.
pub fn best_descent<'a>(
    problem: &'a dyn SmoothProblem,
    y: &[f64],
    lambda: &[f64],
) -> (Descent<'a>, SpectralBounds) {
    let bounds = spectral_bounds(problem, y, lambda).unwrap();
    let step = 2.0 / (bounds.smallest + bounds.largest);
    (Descent::new(problem, Rate::Fixed(step)).unwrap(), bounds)
}

pub fn norm(v: &[f64]) -> f64 {
    v.iter().map(|x| x * x).sum::<f64>().sqrt()
}

pub fn distance(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
}

/// Fourth-order central differences of a function of a vector.
pub fn differences(x: &[f64], step: f64, function: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    (0..x.len())
        .map(|k| {
            let at = |t: f64| {
                let mut moved = x.to_vec();
                moved[k] += t * step;
                function(&moved)
            };
            (8.0 * (at(1.0) - at(-1.0)) - (at(2.0) - at(-2.0))) / (12.0 * step)
        })
        .collect()
}
