//! Linear models with gradients as a user would write them: the smooth problems that experiments share.
//!
//! F(y, λ) = (1/n) Σ_i f(b_i, a_iᵀy) + ½ Σ_j λ_{j mod m} y_j², and L the same loss on other rows + 0.05‖λ‖², so that λ counts by itself as well. The robust
//! kind has a quartic penalty besides, ¼λ_0 Σ y_j⁴: third derivatives everywhere.

use bilevel::Result;
use bilevel::smooth::{
    AutoDiff, Constants, Drift, Scalar, Shape, SmoothProblem, SmoothStatus, SolveSettings, solve,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::criteria::normal;
use crate::scores::norm;

/// f(b, z), and what goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// ½(b − z)²: F is quadratic, and its constants are stated.
    Squared,
    /// log(1 + e^{−bz}).
    Logistic,
    /// log cosh(b − z) with the quartic penalty.
    Robust,
}

pub(super) const KINDS: [Kind; 3] = [Kind::Squared, Kind::Logistic, Kind::Robust];

/// Features and target of a sample.
type Row = (Vec<f64>, f64);

/// A smooth problem with p coefficients and m weights.
pub(super) struct LinearModel {
    pub kind: Kind,
    pub p: usize,
    pub groups: usize,
    pub train: Vec<Row>,
    pub validation: Vec<Row>,
}

impl LinearModel {
    /// n standard normal rows to train on, n to judge by; noise of standard deviation ½ on standard normal coefficients.
    pub(super) fn random(kind: Kind, (n, p): (usize, usize), groups: usize, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let truth: Vec<f64> = (0..p).map(|_| normal(&mut rng)).collect();
        let mut rows = || -> Vec<Row> {
            let row = |_| {
                let a: Vec<f64> = (0..p).map(|_| normal(&mut rng)).collect();
                let b = a.iter().zip(&truth).map(|(a, t)| a * t).sum::<f64>() + 0.5 * normal(&mut rng);
                (a, if kind == Kind::Logistic { 1.0_f64.copysign(b) } else { b })
            };
            (0..n).map(row).collect()
        };
        let (train, validation) = (rows(), rows());
        Self { kind, p, groups, train, validation }
    }

    /// A problem of a size, kind and number of weights that vary with the seed, and weights in [0.2, 0.8].
    pub(super) fn varied(seed: u64) -> (Self, Vec<f64>) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0xb11e);
        let p = 3 + rng.random_range(0..8);
        let kind = KINDS[seed as usize % KINDS.len()];
        let groups = 1 + (seed / 3) as usize % 3;
        let lambda = (0..groups).map(|_| 0.2 + 0.6 * rng.random::<f64>()).collect();
        (Self::random(kind, (3 * p, p), groups, seed), lambda)
    }

    /// ∂f/∂z.
    fn derivative<T: Scalar>(&self, z: T, b: f64) -> T {
        match self.kind {
            Kind::Squared => z - b,
            Kind::Robust => (z - b).tanh(),
            Kind::Logistic => {
                let e = (-(z * b).abs()).exp();
                let wrong = if z.re() * b >= 0.0 { e / (e + 1.0) } else { (e + 1.0).recip() };
                wrong * -b
            }
        }
    }

    fn loss(&self, z: f64, b: f64) -> f64 {
        match self.kind {
            Kind::Squared => 0.5 * (z - b) * (z - b),
            Kind::Robust => (z - b).cosh().ln(),
            Kind::Logistic => (-(z * b).abs()).exp().ln_1p() + (-z * b).max(0.0),
        }
    }

    fn mean_loss(&self, rows: &[Row], y: &[f64]) -> f64 {
        let z = |a: &[f64]| a.iter().zip(y).map(|(a, y)| a * y).sum::<f64>();
        rows.iter().map(|(a, b)| self.loss(z(a), *b)).sum::<f64>() / rows.len() as f64
    }

    fn add_loss_gradient<T: Scalar>(&self, rows: &[Row], y: &[T], out: &mut [T]) {
        for (a, b) in rows {
            let z = a.iter().zip(y).fold(T::from(0.0), |z, (a, y)| z + *y * *a);
            let d = self.derivative(z, *b) / rows.len() as f64;
            out.iter_mut().zip(a).for_each(|(o, a)| *o += d * *a);
        }
    }
}

impl AutoDiff for LinearModel {
    fn shape(&self) -> Shape {
        Shape { coefficients: self.p, hyperparameters: self.groups }
    }

    fn lower_gradient<T: Scalar>(&self, y: &[T], lambda: &[T], out: &mut [T]) {
        for (j, (o, y)) in out.iter_mut().zip(y).enumerate() {
            *o = lambda[j % self.groups] * *y;
            if self.kind == Kind::Robust {
                *o += lambda[0] * y.powi(3);
            }
        }
        self.add_loss_gradient(&self.train, y, out);
    }

    fn upper_value(&self, y: &[f64], lambda: &[f64]) -> f64 {
        self.mean_loss(&self.validation, y) + 0.05 * lambda.iter().map(|l| l * l).sum::<f64>()
    }

    fn upper_gradient(&self, y: &[f64], lambda: &[f64], by_y: &mut [f64], by_lambda: &mut [f64]) {
        self.add_loss_gradient(&self.validation, y, by_y);
        by_lambda.iter_mut().zip(lambda).for_each(|(o, l)| *o = 0.1 * l);
    }

    fn known_constants(&self, lambda: &[f64]) -> Constants {
        if self.kind != Kind::Squared {
            return Constants::default();
        }
        // H = AᵀA/n + diag(λ) ⪰ min λ; B has the entries of y, each in one column; ∇²L = CᵀC/n ⪯ ‖C‖²_F/n.
        let squares: f64 = self.validation.iter().map(|(a, _)| norm(a.iter().copied()).powi(2)).sum();
        let criterion = squares / self.validation.len() as f64;
        Constants {
            strong_convexity: Some(lambda.iter().copied().fold(f64::INFINITY, f64::min)),
            lipschitz: None,
            drift: Some(Drift { hessian: 0.0, mixed: 1.0, criterion, criterion_by_lambda: 0.0 }),
        }
    }
}

/// A training run that is judged by its own objective at a fixed ridge weight: nothing is left to learn but the optimizer.
pub(super) struct Training {
    pub model: LinearModel,
    pub ridge: f64,
}

impl AutoDiff for Training {
    fn shape(&self) -> Shape {
        Shape { coefficients: self.model.p, hyperparameters: 0 }
    }

    fn lower_gradient<T: Scalar>(&self, y: &[T], _lambda: &[T], out: &mut [T]) {
        out.iter_mut().zip(y).for_each(|(o, y)| *o = *y * self.ridge);
        self.model.add_loss_gradient(&self.model.train, y, out);
    }

    fn upper_value(&self, y: &[f64], _lambda: &[f64]) -> f64 {
        let squares: f64 = y.iter().map(|y| y * y).sum();
        self.model.mean_loss(&self.model.train, y) + 0.5 * self.ridge * squares
    }

    fn upper_gradient(&self, y: &[f64], lambda: &[f64], by_y: &mut [f64], _by_lambda: &mut [f64]) {
        self.lower_gradient(y, lambda, by_y);
    }
}

/// y*(λ) as exact as rounding allows.
pub(super) fn solution(problem: &dyn SmoothProblem, lambda: &[f64]) -> Result<Vec<f64>> {
    let settings = SolveSettings { tolerance: 1e-15, ..SolveSettings::default() };
    let solution = solve(problem, lambda, &vec![0.0; problem.n_coefficients()], &settings)?;
    if solution.status == SmoothStatus::MaxSteps || solution.gradient_norm > 1e-11 {
        return Err(bilevel::Error::data(
            "gradient norm of a generated problem",
            format!("{:.1e}", solution.gradient_norm),
            "rounding alone",
        ));
    }
    Ok(solution.coefficients)
}
