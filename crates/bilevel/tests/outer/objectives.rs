//! Objectives in closed form, exact and with errors, and the methods as the tests run them.

use bilevel::Result;
use bilevel::outer::{
    Evaluation, Nba, NbaSettings, Ntrba, NtrbaSettings, Objective, OuterOptimizer, OuterResult, Request,
    StepRule, Unwatched,
};

pub type Function = Box<dyn Fn(&[f64]) -> (f64, Vec<f64>)>;

/// A function in closed form as an objective. It notes what it was asked.
pub struct Analytic {
    function: Function,
    lower: Vec<f64>,
    upper: Vec<f64>,
    pub requests: Vec<(Vec<f64>, Request)>,
}

impl Analytic {
    pub fn free(n: usize, function: impl Fn(&[f64]) -> (f64, Vec<f64>) + 'static) -> Self {
        Self::boxed(vec![f64::NEG_INFINITY; n], vec![f64::INFINITY; n], function)
    }

    pub fn boxed(
        lower: Vec<f64>,
        upper: Vec<f64>,
        function: impl Fn(&[f64]) -> (f64, Vec<f64>) + 'static,
    ) -> Self {
        Self { function: Box::new(function), lower, upper, requests: Vec::new() }
    }

    pub fn value(&self, theta: &[f64]) -> f64 {
        (self.function)(theta).0
    }
}

impl Objective for Analytic {
    fn n_parameters(&self) -> usize {
        self.lower.len()
    }

    fn bounds(&self) -> (Vec<f64>, Vec<f64>) {
        (self.lower.clone(), self.upper.clone())
    }

    fn evaluate(&mut self, theta: &[f64], request: Request) -> Result<Evaluation> {
        for (t, (l, u)) in theta.iter().zip(self.lower.iter().zip(&self.upper)) {
            assert!(l <= t && t <= u, "{t} is outside [{l}, {u}]");
        }
        self.requests.push((theta.to_vec(), request));
        let (value, gradient) = (self.function)(theta);
        Ok(Evaluation {
            value,
            standard_error: 0.0,
            gradient: if request.gradient { gradient } else { Vec::new() },
            gradient_error_bound: None,
            relative_gap: 0.0,
            support_size: 0.0,
            biactive: 0,
        })
    }
}

/// The same with errors as large as the request allows, of a sign and direction that θ and the accuracy determine.
pub struct Inexact(pub Analytic);

impl Objective for Inexact {
    fn n_parameters(&self) -> usize {
        self.0.n_parameters()
    }

    fn bounds(&self) -> (Vec<f64>, Vec<f64>) {
        self.0.bounds()
    }

    fn evaluate(&mut self, theta: &[f64], request: Request) -> Result<Evaluation> {
        let mut evaluation = self.0.evaluate(theta, request)?;
        let gap = request.accuracy.relative_gap;
        let mut noise = Noise::at(theta, gap);
        evaluation.value *= 1.0 + 0.99 * gap * noise.next();
        let bound = 10.0 * gap;
        let direction: Vec<f64> = evaluation.gradient.iter().map(|_| noise.next()).collect();
        let size = direction.iter().map(|d| d * d).sum::<f64>().sqrt().max(1e-300);
        for (h, d) in evaluation.gradient.iter_mut().zip(&direction) {
            *h += bound * d / size;
        }
        evaluation.gradient_error_bound = Some(bound);
        evaluation.relative_gap = gap;
        Ok(evaluation)
    }
}

/// Deterministic numbers in [−1, 1] (splitmix64).
pub struct Noise(u64);

impl Noise {
    pub fn at(theta: &[f64], gap: f64) -> Self {
        Self(theta.iter().fold(gap.to_bits(), |h, t| (h ^ t.to_bits()).wrapping_mul(0x9E37_79B9_7F4A_7C15)))
    }

    pub fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        2.0 * ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64 - 1.0
    }
}

/// ½Σ c_i(θ_i − a_i)² + offset: minimum at the projection of a to the box.
pub fn separable(curvatures: Vec<f64>, center: Vec<f64>, offset: f64) -> impl Fn(&[f64]) -> (f64, Vec<f64>) {
    move |theta| {
        let gradient: Vec<f64> =
            theta.iter().zip(curvatures.iter().zip(&center)).map(|(t, (c, a))| c * (t - a)).collect();
        let value =
            theta.iter().zip(&center).zip(&gradient).map(|((t, a), g)| 0.5 * (t - a) * g).sum::<f64>();
        (value + offset, gradient)
    }
}

/// 8|x₁² − x₂| + (1 − x₁)²: minimum 0 at (1, 1), on the kink.
pub fn nonsmooth_rosenbrock(x: &[f64]) -> (f64, Vec<f64>) {
    let r = x[0] * x[0] - x[1];
    let sign = if r >= 0.0 { 1.0 } else { -1.0 };
    let value = 8.0 * r.abs() + (1.0 - x[0]).powi(2);
    (value, vec![16.0 * sign * x[0] - 2.0 * (1.0 - x[0]), -8.0 * sign])
}

/// max of two quadratics ½‖x − e₁‖², ½‖x + e₁‖² (+ ½x₂²): minimum ½ at 0, on the kink x₁ = 0.
pub fn max_of_quadratics(x: &[f64]) -> (f64, Vec<f64>) {
    let s = if x[0] >= 0.0 { 1.0 } else { -1.0 };
    (0.5 * (x[0] + s).powi(2) + x[1] * x[1], vec![x[0] + s, 2.0 * x[1]])
}

pub fn rosenbrock(x: &[f64]) -> (f64, Vec<f64>) {
    let r = x[1] - x[0] * x[0];
    let value = 100.0 * r * r + (1.0 - x[0]).powi(2);
    (value, vec![-400.0 * r * x[0] - 2.0 * (1.0 - x[0]), 200.0 * r])
}

#[allow(clippy::unwrap_used, reason = "a helper of tests outside a test function")]
pub fn run(method: &dyn OuterOptimizer, objective: &mut dyn Objective, start: &[f64]) -> OuterResult {
    method.minimize(objective, start, &mut Unwatched).unwrap()
}

/// NBA and NTRBA with the early stops that are meant for noisy data switched off, and room to converge.
pub fn patient_nba(rule: StepRule, max_steps: usize) -> Nba {
    Nba { settings: NbaSettings { rule, max_steps, patience: 0, ..NbaSettings::default() } }
}

pub fn patient_ntrba(max_steps: usize) -> Ntrba {
    Ntrba { settings: NtrbaSettings { max_steps, patience: 0, ..NtrbaSettings::default() } }
}
