//! Products with two vectors in one pass are those with each; the Krylov space and the probe of its degrees of freedom share theirs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::atomic::{AtomicUsize, Ordering};

use bilevel::Result;
use bilevel::design::CscMatrix;
use bilevel::inverse::krylov::{Freedom, HybridSettings, Rule, hybrid};
use bilevel::operator::{CellGrid, LinearOperator, MatrixOperator, Ray, TravelTime};

fn noise(k: usize) -> f64 {
    ((k as f64 * 12.9898 + 78.233).sin() * 43_758.545_312_3).fract()
}

fn rays(cells: usize, stations: usize) -> TravelTime {
    let side = |x: f64| {
        let step = cells as f64 / stations as f64;
        (0..stations).map(|k| [x, (k as f64 + 0.37) * step]).collect::<Vec<_>>()
    };
    let rays = Ray::all_pairs(&side(0.0), &side(cells as f64));
    TravelTime::new(&CellGrid::unit(cells, cells), &rays).unwrap()
}

fn assert_two_are_each(operator: &dyn LinearOperator) {
    let vector = |n: usize, seed: usize| (0..n).map(|k| noise(k + seed)).collect::<Vec<_>>();
    let (m, n) = (operator.n_rows(), operator.n_columns());
    let same = |found: &[f64], expected: &[f64]| {
        let size = expected.iter().fold(0.0, |most: f64, v| most.max(v.abs()));
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= 1e-13 * size));
    };
    let (x, y) = ([vector(n, 1), vector(n, 5000)], [vector(m, 9), vector(m, 7000)]);
    let mut out = [vec![f64::NAN; m], vec![f64::NAN; m]];
    let [first, second] = &mut out;
    operator.apply_two_into([&x[0], &x[1]], [first, second]).unwrap();
    out.iter().zip(&x).for_each(|(out, x)| same(out, &operator.apply(x).unwrap()));
    let mut out = [vec![f64::NAN; n], vec![f64::NAN; n]];
    let [first, second] = &mut out;
    operator.adjoint_two_into([&y[0], &y[1]], [first, second]).unwrap();
    out.iter().zip(&y).for_each(|(out, y)| same(out, &operator.adjoint(y).unwrap()));
}

#[test]
fn products_with_two_vectors_are_those_with_each() {
    assert_two_are_each(&rays(30, 12));
    // Large enough to be read once for both, and a small one, which is not.
    for (rows, columns, step) in [(4000, 3000, 9), (50, 40, 3)] {
        let mut entries: Vec<Vec<(usize, f64)>> = Vec::new();
        for j in 0..columns {
            entries.push((j % step..rows).step_by(step).map(|i| (i, noise(i * columns + j))).collect());
        }
        let mut starts = vec![0];
        starts.extend(entries.iter().scan(0, |end, column| {
            *end += column.len();
            Some(*end)
        }));
        let (indices, values): (Vec<u32>, Vec<f64>) =
            entries.iter().flatten().map(|&(i, v)| (u32::try_from(i).unwrap(), v)).unzip();
        let matrix = CscMatrix::new(rows, starts, indices, values).unwrap();
        assert_two_are_each(&MatrixOperator::new(matrix));
    }
}

/// Counts passes over the operator, whether for one vector or for two.
struct Counted<A> {
    operator: A,
    passes: AtomicUsize,
}

impl<A: LinearOperator> LinearOperator for Counted<A> {
    fn n_rows(&self) -> usize {
        self.operator.n_rows()
    }
    fn n_columns(&self) -> usize {
        self.operator.n_columns()
    }
    fn apply_into(&self, x: &[f64], out: &mut [f64]) -> Result<()> {
        self.passes.fetch_add(1, Ordering::Relaxed);
        self.operator.apply_into(x, out)
    }
    fn adjoint_into(&self, y: &[f64], out: &mut [f64]) -> Result<()> {
        self.passes.fetch_add(1, Ordering::Relaxed);
        self.operator.adjoint_into(y, out)
    }
    fn apply_two_into(&self, x: [&[f64]; 2], out: [&mut [f64]; 2]) -> Result<()> {
        self.passes.fetch_add(1, Ordering::Relaxed);
        self.operator.apply_two_into(x, out)
    }
    fn adjoint_two_into(&self, y: [&[f64]; 2], out: [&mut [f64]; 2]) -> Result<()> {
        self.passes.fetch_add(1, Ordering::Relaxed);
        self.operator.adjoint_two_into(y, out)
    }
}

#[test]
fn the_probe_of_gcv_costs_hardly_a_pass_of_its_own() {
    let counted = Counted { operator: rays(40, 30), passes: AtomicUsize::new(0) };
    let truth: Vec<f64> = (0..1600).map(|i| 1.0 + f64::from(u8::from(i % 40 > 20 && i / 40 > 12))).collect();
    let mut b = counted.operator.apply(&truth).unwrap();
    b.iter_mut().enumerate().for_each(|(k, b)| *b += 2.0 * noise(k));
    let settings = HybridSettings::default();
    let of = |rule: &Rule| {
        counted.passes.store(0, Ordering::Relaxed);
        let fit = hybrid(&counted, &b, rule, &settings).unwrap();
        (fit, counted.passes.load(Ordering::Relaxed))
    };
    let (fit, passes) = of(&Rule::Gcv(Freedom::default()));
    // A pass for each vector and each adjoint; two that begin the processes, and a few where the probe catches up.
    assert!(passes <= 2 * fit.steps + 2 + fit.steps / 4, "{passes} passes, {} steps", fit.steps);
    assert!(fit.products > 3 * fit.steps, "{} products count both", fit.products);
    // What is counted is right: many probes agree.
    let (many, _) = of(&Rule::Gcv(Freedom::Stochastic { probes: 30, seed: 1 }));
    let (one, all) = (fit.degrees_of_freedom.unwrap(), many.degrees_of_freedom.unwrap());
    assert!((one - all).abs() < 3.0 * (2.0 * all).sqrt(), "{one} against {all}");
    assert!((fit.lambda / many.lambda).ln().abs() < 0.3, "{} against {}", fit.lambda, many.lambda);
}
