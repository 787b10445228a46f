//! Rules for choosing λ: published figures, independent computations, statistics over noise.
#![allow(clippy::unwrap_used, clippy::panic)]

use approx::assert_relative_eq;
use bilevel::design::{DenseMatrix, DesignMatrix};
use bilevel::inverse::choice::{Rule, SpectralProblem, Verdict, choose, choose_lambda, consensus};
use bilevel::inverse::problems::{self, TestProblem};
use bilevel::inverse::tikhonov::StandardForm;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// Data of the shaw problem of size 20 in the test suite of the GNU Scientific Library (Aster, Borchers, Thurber, example 1.10).
const SHAW_20: [f64; 20] = [
    8.7547455124379323e-04,
    5.4996835885761936e-04,
    1.7527999407005367e-06,
    1.9552372913117047e-03,
    1.4411645433785081e-02,
    5.2800013336393704e-02,
    1.3609152023257112e-01,
    2.7203484587635818e-01,
    4.3752225136193390e-01,
    5.7547667319875240e-01,
    6.2445052213539942e-01,
    5.6252658286441348e-01,
    4.2322239923561566e-01,
    2.6768469219560631e-01,
    1.4337901162734543e-01,
    6.5614569346074361e-02,
    2.6013851831752945e-02,
    9.2336933089481269e-03,
    3.2269066658993694e-03,
    1.3999201459261811e-03,
];

fn norm(v: &[f64]) -> f64 {
    v.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// The shaw problem with two peaks of the same height, as the reference values have it.
fn shaw_with_two_peaks(n: usize) -> TestProblem {
    let mut problem = problems::shaw(n).unwrap();
    let at = |i: usize| (i as f64 + 0.5) * std::f64::consts::PI / n as f64 - std::f64::consts::FRAC_PI_2;
    let peak = |t: f64| (-4.0 * t * t).exp();
    problem.x = (0..n).map(|i| peak(at(i) - 0.5) + peak(at(i) + 0.5)).collect();
    problem.a.product_into(&problem.x, &mut problem.b);
    problem
}

fn regularization_tools() -> Vec<TestProblem> {
    let mut all = problems::all(64).unwrap();
    all[0] = shaw_with_two_peaks(64);
    all
}

#[test]
fn gcv_and_l_curve_on_the_shaw_fixture_are_the_published_ones() {
    let shaw = problems::shaw(20).unwrap();
    let gcv = choose_lambda(&shaw.a, &SHAW_20, None, &Rule::Gcv).unwrap();
    println!("gcv {:.9e}", gcv.root_lambda());
    assert_relative_eq!(gcv.root_lambda(), 1.2492180e-05, max_relative = 1e-6);
    let corner = choose_lambda(&shaw.a, &SHAW_20, None, &Rule::LCurve).unwrap();
    println!("l-curve {:.9e}", corner.root_lambda());
    assert_relative_eq!(corner.root_lambda(), 5.79e-06, max_relative = 2e-3);
}

struct Reference {
    problem: String,
    level: f64,
    rule: String,
    lambda: f64,
    error: f64,
}

fn references() -> Vec<Reference> {
    let lines = include_str!("../../../data/regtools.csv").lines().skip(1);
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            Reference {
                problem: cells[0].to_string(),
                level: cells[3].parse().unwrap(),
                rule: cells[4].to_string(),
                lambda: cells[5].parse().unwrap(),
                error: cells[6].parse().unwrap(),
            }
        })
        .collect()
}

#[test]
fn choices_agree_with_regularization_tools_where_the_minimum_is_clear() {
    let noise: Vec<f64> = include_str!("../../../data/regtools_noise.csv")
        .lines()
        .skip(1)
        .map(|z| z.parse().unwrap())
        .collect();
    let problems = regularization_tools();
    let (mut clear, mut agree) = (0, 0);
    for reference in references() {
        let problem = problems.iter().find(|p| p.name == reference.problem).unwrap();
        let noisy = problem.with_direction(reference.level, &noise);
        let rule = match reference.rule.as_str() {
            "oracle" => Rule::Oracle { truth: problem.x.clone() },
            "gcv" => Rule::Gcv,
            "l_curve" => Rule::LCurve,
            "discrep(1.0)" => Rule::Discrepancy { sigma: noisy.sigma, safety: 1.0 },
            "ncp" => Rule::Ncp,
            _ => Rule::QuasiOptimality,
        };
        let choice = choose_lambda(&problem.a, &noisy.b, None, &rule).unwrap();
        let off = choice.root_lambda() / reference.lambda - 1.0;
        agree += usize::from(off.abs() <= 1e-3);
        clear += usize::from(choice.verdict == Verdict::Clear);
        if choice.verdict != Verdict::Clear || off.abs() > 1e-3 {
            println!(
                "{} {} {}: {:.3e} against {:.3e} ({off:+.1e}), {:?}",
                reference.problem,
                reference.level,
                reference.rule,
                choice.root_lambda(),
                reference.lambda,
                choice.verdict
            );
        }
    }
    println!("{agree} of 162 agree, {clear} are clear");
}
