//! Random strongly convex problems in random boxes.

use bilevel::outer::{Lbfgs, Nba, NbaSettings, Ntrba, OuterOptimizer, StepRule};
use proptest::prelude::*;

use super::objectives::{Analytic, Inexact, patient_nba, patient_ntrba, run};

/// A strongly convex quadratic ½θᵀQθ − bᵀθ + 10 with Q = I + VVᵀ.
#[derive(Debug, Clone)]
struct Quadratic {
    q: Vec<Vec<f64>>,
    b: Vec<f64>,
    lower: Vec<f64>,
    upper: Vec<f64>,
}

impl Quadratic {
    fn evaluate(&self, x: &[f64]) -> (f64, Vec<f64>) {
        let qx: Vec<f64> = self.q.iter().map(|row| row.iter().zip(x).map(|(a, b)| a * b).sum()).collect();
        let value = x.iter().zip(&qx).zip(&self.b).map(|((x, q), b)| 0.5 * x * q - b * x).sum::<f64>() + 10.0;
        (value, qx.iter().zip(&self.b).map(|(q, b)| q - b).collect())
    }

    /// The minimum in the box by coordinate descent with exact steps: an independent, convergent method.
    fn minimum(&self) -> f64 {
        let mut x: Vec<f64> = self.lower.iter().zip(&self.upper).map(|(l, u)| 0.5 * (l + u)).collect();
        for _ in 0..2000 {
            for i in 0..x.len() {
                let g = self.evaluate(&x).1[i];
                x[i] = (x[i] - g / self.q[i][i]).max(self.lower[i]).min(self.upper[i]);
            }
        }
        self.evaluate(&x).0
    }

    fn objective(&self) -> Analytic {
        let quadratic = self.clone();
        Analytic::boxed(self.lower.clone(), self.upper.clone(), move |x| quadratic.evaluate(x))
    }
}

fn quadratics() -> impl Strategy<Value = Quadratic> {
    (1usize..=20).prop_flat_map(|n| {
        let entries = proptest::collection::vec(-1.0..1.0f64, n * n);
        let b = proptest::collection::vec(-5.0..5.0f64, n);
        let boxes = proptest::collection::vec((-2.0..0.5f64, 0.0..2.0f64), n);
        (entries, b, boxes).prop_map(move |(v, b, boxes)| {
            let entry = |i: usize, j: usize| -> f64 {
                (0..n).map(|k| v[i * n + k] * v[j * n + k]).sum::<f64>() + if i == j { 1.0 } else { 0.0 }
            };
            Quadratic {
                q: (0..n).map(|i| (0..n).map(|j| entry(i, j)).collect()).collect(),
                b,
                lower: boxes.iter().map(|(l, _)| *l).collect(),
                upper: boxes.iter().map(|(l, w)| l + w).collect(),
            }
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn lbfgs_minimizes_random_quadratics_in_random_boxes(quadratic in quadratics()) {
        let mut objective = quadratic.objective();
        let result = run(&Lbfgs::default(), &mut objective, &quadratic.lower);
        let minimum = quadratic.minimum();
        let tolerance = 1e-8 * (1.0 + minimum.abs());
        prop_assert!(result.evaluation.value - minimum < tolerance, "{} against {minimum}: {result:?}", result.evaluation.value);
        prop_assert!(result.evaluations < 1000, "{}", result.evaluations);
    }

    #[test]
    fn no_method_is_ever_worse_than_its_start(quadratic in quadratics(), t in 0.0..1.0f64) {
        let start: Vec<f64> =
            quadratic.lower.iter().zip(&quadratic.upper).map(|(l, u)| l + t * (u - l)).collect();
        let fixed = Nba { settings: NbaSettings { rule: StepRule::Fixed(3.0), ..NbaSettings::default() } };
        let methods: [&dyn OuterOptimizer; 4] = [&Lbfgs::default(), &Nba::default(), &fixed, &Ntrba::default()];
        for method in methods {
            let mut objective = Inexact(quadratic.objective());
            let result = run(method, &mut objective, &start);
            let before = quadratic.evaluate(&start).0;
            prop_assert!(quadratic.evaluate(&result.theta).0 <= before + 2e-10 * before.abs());
        }
    }

    #[test]
    fn normalized_subgradient_methods_minimize_random_quadratics_too(quadratic in quadratics()) {
        let minimum = quadratic.minimum();
        let methods: [&dyn OuterOptimizer; 2] = [&patient_nba(StepRule::default(), 2000), &patient_ntrba(2000)];
        for method in methods {
            let result = run(method, &mut quadratic.objective(), &quadratic.lower);
            let excess = result.evaluation.value - minimum;
            prop_assert!(excess < 1e-6 * (1.0 + minimum.abs()), "{}: {excess:e}", method.name());
        }
    }

    #[test]
    fn lbfgs_finds_the_soft_threshold_in_a_box(
        entries in proptest::collection::vec((-3.0..3.0f64, 0.1..1.5f64, -2.0..0.0f64, 0.0..2.0f64), 1..6),
    ) {
        // ½(x−a)² + λ|x| on [l, u], coordinate by coordinate: the soft threshold of a, projected.
        let one = |x: f64, a: f64, weight: f64| 0.5 * (x - a).powi(2) + weight * x.abs();
        let minimum: f64 = 1.0 + entries.iter().map(|&(a, weight, l, u)| {
            one((a.signum() * (a.abs() - weight).max(0.0)).max(l).min(u), a, weight)
        }).sum::<f64>();
        let (lower, upper) = entries.iter().map(|e| (e.2, e.3)).unzip();
        let function = entries.clone();
        let mut objective = Analytic::boxed(lower, upper, move |x| {
            let value = 1.0 + function.iter().zip(x).map(|(e, &x)| one(x, e.0, e.1)).sum::<f64>();
            let slope = |(e, &x): (&(f64, f64, f64, f64), &f64)| x - e.0 + if x >= 0.0 { e.1 } else { -e.1 };
            (value, function.iter().zip(x).map(slope).collect())
        });
        let start: Vec<f64> = entries.iter().map(|e| 0.3 * e.2 + 0.7 * e.3).collect();
        let result = run(&Lbfgs::default(), &mut objective, &start);
        prop_assert!(result.evaluation.value - minimum < 1e-6 * minimum, "{:e} {result:?}", result.evaluation.value - minimum);
    }
}
