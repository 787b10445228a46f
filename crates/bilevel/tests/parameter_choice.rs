//! Rules for choosing λ: published figures, independent computations, statistics over noise.
#![allow(clippy::unwrap_used, clippy::panic)]

use approx::assert_relative_eq;
use bilevel::design::{DenseMatrix, DesignMatrix};
use bilevel::inverse::choice::{
    Component, DiagonalProblem, Rule, SpectralProblem, Verdict, choose, choose_lambda, consensus,
};
use bilevel::inverse::problems::{self, TestProblem};
use bilevel::inverse::tikhonov::StandardForm;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// Data of the shaw problem of size 20 in the test suite of the GNU Scientific Library (Aster, Borchers, Thurber, example 1.10).
const SHAW_20: [f64; 20] = [
    0.0008754745512437932,
    0.0005499683588576194,
    1.7527999407005367e-06,
    0.0019552372913117047,
    0.014411645433785081,
    0.052800013336393704,
    0.13609152023257112,
    0.2720348458763582,
    0.4375222513619339,
    0.5754766731987524,
    0.6244505221353994,
    0.5625265828644135,
    0.42322239923561566,
    0.2676846921956063,
    0.14337901162734543,
    0.06561456934607436,
    0.026013851831752945,
    0.009233693308948127,
    0.0032269066658993694,
    0.001399920145926181,
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
        // The minimum of the periodogram on wing lies among singular values that are rounding: 1e-12 of the largest.
        let is_rounding = reference.problem == "wing" && rule == Rule::Ncp;
        if choice.verdict == Verdict::Clear && !is_rounding {
            clear += 1;
            assert!(off.abs() <= 1e-3, "{} {} {}: {off}", reference.problem, reference.level, reference.rule);
        }
    }
    assert!(clear >= 140 && agree >= 159, "{clear} clear minima, {agree} of 162 agree");
}

/// What a relative error is to the smallest possible, at its median and 90 % quantile over the draws.
fn quantiles(mut ratios: Vec<f64>) -> (f64, f64) {
    ratios.sort_by(f64::total_cmp);
    (ratios[ratios.len() / 2], ratios[ratios.len() * 9 / 10])
}

#[test]
fn robust_rules_and_the_consensus_stay_near_the_oracle_where_gcv_fails() {
    const DRAWS: u64 = 100;
    const LEVEL: f64 = 0.01;
    let rules = [Rule::Gcv, Rule::robust_gcv(), Rule::strong_robust_gcv(), Rule::modified_gcv()];
    println!("{:10} gcv | robust | strong robust | modified | consensus (median / 90 %)", "problem");
    let mut worst = [0.0_f64; 5];
    for problem in regularization_tools() {
        let mut ratios = vec![Vec::new(); rules.len() + 1];
        for seed in 0..DRAWS {
            let noisy = problem.with_noise(LEVEL, seed);
            let form = StandardForm::new(&problem.a, &noisy.b, None).unwrap();
            // The smallest error on a grid is as good as the smallest for a ratio of two digits.
            let lambdas = (0..120).map(|k| form.diagonal().range().1 * (-0.35 * f64::from(k)).exp());
            let errors = lambdas.map(|lambda| problem.relative_error(&form.solve(lambda).unwrap()));
            let best = errors.fold(f64::INFINITY, f64::min);
            let mut record = |k: usize, lambda: f64| {
                ratios[k].push(problem.relative_error(&form.solve(lambda).unwrap()) / best)
            };
            for (k, rule) in rules.iter().enumerate() {
                record(k, choose(form.diagonal(), rule).unwrap().lambda);
            }
            record(rules.len(), consensus(form.diagonal(), None).unwrap().lambda);
        }
        let found: Vec<(f64, f64)> = ratios.into_iter().map(quantiles).collect();
        let cells: Vec<String> =
            found.iter().map(|(median, high)| format!("{median:.2} / {high:.3e}")).collect();
        println!("{:10} {}", problem.name, cells.join(" | "));
        worst.iter_mut().zip(&found).for_each(|(w, f)| *w = w.max(f.1));
    }
    assert!(worst[0] > 1e3, "GCV: {}", worst[0]);
    assert!(worst[1..].iter().all(|w| *w < 5.0), "90 % quantiles at most {worst:?}");
}

#[test]
fn sure_is_unbiased() {
    const DRAWS: u64 = 1000;
    let mut problem = problems::phillips(32).unwrap();
    problem.a.product_into(&problem.x.clone(), &mut problem.b);
    let sigma = problem.with_noise(0.05, 0).sigma;
    let exact = StandardForm::new(&problem.a, &problem.b, None).unwrap();
    let sure = Rule::Sure { sigma };
    let k = choose(&exact, &sure).unwrap().curve.len() / 2;
    let mut values = Vec::new();
    for seed in 0..DRAWS {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let noise = problem.b.iter().map(|b| -> f64 {
            b + sigma * {
                let z: f64 = StandardNormal.sample(&mut rng);
                z
            }
        });
        let noisy: Vec<f64> = noise.collect();
        let form = StandardForm::new(&problem.a, &noisy, None).unwrap();
        values.push(choose(form.diagonal(), &sure).unwrap().curve[k]);
    }
    let lambda = values[0].lambda;
    let bias = exact.diagonal().residual_norm(lambda).powi(2);
    let variance: f64 = exact.diagonal().filters(lambda).iter().map(|f| sigma * sigma * f * f).sum();
    let mean = values.iter().map(|v| v.value).sum::<f64>() / DRAWS as f64;
    let spread = values.iter().map(|v| (v.value - mean).powi(2)).sum::<f64>() / (DRAWS * (DRAWS - 1)) as f64;
    println!("SURE {mean:.6e}, true risk {:.6e}, standard error {:.1e}", bias + variance, spread.sqrt());
    assert!((mean - bias - variance).abs() < 2.0 * spread.sqrt());
}

/// The inverse and the log-determinant by elimination with pivots, rows of a matrix.
fn inverse(mut m: Vec<Vec<f64>>) -> (Vec<Vec<f64>>, f64) {
    let n = m.len();
    let mut log_det = 0.0;
    for (i, row) in m.iter_mut().enumerate() {
        row.extend((0..n).map(|j| f64::from(u8::from(i == j))));
    }
    for k in 0..n {
        let pivot = (k..n).max_by(|&i, &j| m[i][k].abs().total_cmp(&m[j][k].abs())).unwrap();
        m.swap(k, pivot);
        let p = m[k][k];
        log_det += p.abs().ln();
        m[k].iter_mut().for_each(|v| *v /= p);
        let row = m[k].clone();
        for (i, other) in m.iter_mut().enumerate() {
            let factor = other[k];
            if i != k {
                other.iter_mut().zip(&row).for_each(|(v, r)| *v -= factor * r);
            }
        }
    }
    (m.into_iter().map(|row| row[n..].to_vec()).collect(), log_det)
}

fn smallest(value: impl Fn(f64) -> f64, mut low: f64, mut high: f64) -> f64 {
    let golden = (5.0_f64.sqrt() - 1.0) / 2.0;
    for _ in 0..60 {
        let (a, b) = (high - golden * (high - low), low + golden * (high - low));
        if value(a) < value(b) { high = b } else { low = a }
    }
    0.5 * (low + high)
}

#[test]
fn minimizers_of_gcv_and_evidence_are_those_of_dense_formulas() {
    let (m, n) = (30, 20);
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
    let a = DenseMatrix::new(m, n, (0..m * n).map(|_| normal()).collect()).unwrap();
    let l = problems::derivative(1, n).unwrap();
    let smooth: Vec<f64> = (0..n).map(|i| (i as f64 * 0.3).sin()).collect();
    let mut b = vec![0.0; m];
    a.product_into(&smooth, &mut b);
    b.iter_mut().for_each(|b| *b += 2.0 * normal());
    let product = |x: &DenseMatrix<f64>, i: usize, j: usize| -> f64 {
        x.column(i).iter().zip(x.column(j)).map(|(u, v)| u * v).sum()
    };
    let right: Vec<f64> = (0..n).map(|j| a.column_dot(j, &b)).collect();
    // (x, tr A H⁻¹Aᵀ, log det H).
    let solve = |lambda: f64| {
        let h: Vec<Vec<f64>> = (0..n)
            .map(|i| (0..n).map(|j| product(&a, i, j) + lambda * product(&l, i, j)).collect())
            .collect();
        let (h, log_det) = inverse(h);
        let x: Vec<f64> = h.iter().map(|row| row.iter().zip(&right).map(|(u, v)| u * v).sum()).collect();
        let freedom: f64 = (0..n).map(|i| (0..n).map(|j| h[i][j] * product(&a, i, j)).sum::<f64>()).sum();
        let (mut image, mut bent) = (vec![0.0; m], vec![0.0; n - 1]);
        a.product_into(&x, &mut image);
        l.product_into(&x, &mut bent);
        image.iter_mut().zip(&b).for_each(|(z, b)| *z -= b);
        (norm(&image).powi(2), norm(&bent).powi(2), freedom, log_det)
    };
    let gcv = |t: f64| {
        let (rho, _, freedom, _) = solve(t.exp());
        m as f64 * rho / (m as f64 - freedom).powi(2)
    };
    let found = choose_lambda(&a, &b, Some(&l), &Rule::Gcv).unwrap();
    let t = found.lambda.ln();
    assert_relative_eq!(found.value, gcv(t), max_relative = 1e-10);
    assert!((smallest(gcv, t - 0.5, t + 0.5) - t).abs() < 1e-6);

    let (rank, sigma) = ((n - 1) as f64, 2.0);
    let log_penalty = (0..n - 1).map(|k| {
        // Eigenvalues of the first difference's LᵀL: 4 sin²(πk/2n).
        (4.0 * (std::f64::consts::PI * (k + 1) as f64 / (2 * n) as f64).sin().powi(2)).ln()
    });
    let log_penalty: f64 = log_penalty.sum();
    let evidence = |t: f64| {
        let (rho, eta, _, log_det) = solve(t.exp());
        let noise = sigma * sigma;
        0.5 * (m - 1) as f64 * (std::f64::consts::TAU * noise).ln()
            + (rho + t.exp() * eta) / (2.0 * noise)
            + 0.5 * log_det
            - 0.5 * rank * t
            - 0.5 * log_penalty
    };
    let found = choose_lambda(&a, &b, Some(&l), &Rule::Evidence { sigma: Some(sigma) }).unwrap();
    let t = found.lambda.ln();
    assert_relative_eq!(found.value, evidence(t), max_relative = 1e-10);
    assert!((smallest(evidence, t - 0.5, t + 0.5) - t).abs() < 1e-6);
}

#[test]
fn a_large_diagonal_problem_has_the_minimum_of_its_criterion() {
    // A blur's eigenvalues, data with a smooth signal, noise of energy about 1e-4 in each.
    let n = 40_000_u32;
    let component = |k: u32| {
        let frequency = f64::from(k) / f64::from(n);
        let gain = (-80.0 * frequency * frequency).exp().powi(2);
        let energy = gain * (-20.0 * frequency).exp() + 1e-4 * (0.2 + f64::from(k * 7919 % 1000) / 625.0);
        Component { gain, penalty: 1.0, energy, multiplicity: 1.0, norm: 1.0 }
    };
    let problem = DiagonalProblem::new((0..n).map(component), 0.0, n as usize).unwrap();
    let choice = choose(&problem, &Rule::Gcv).unwrap();
    let gcv = |t: f64| {
        let freedom = problem.degrees_of_freedom(t.exp());
        f64::from(n) * problem.residual_norm(t.exp()).powi(2) / (f64::from(n) - freedom).powi(2)
    };
    let t = choice.lambda.ln();
    assert_eq!(choice.verdict, Verdict::Clear);
    assert!((smallest(gcv, t - 1.0, t + 1.0) - t).abs() < 1e-6);
}

#[test]
fn impossible_settings_are_one_sentence() {
    let problem = problems::shaw(20).unwrap();
    let ask = |rule: &Rule| choose_lambda(&problem.a, &SHAW_20, None, rule).unwrap_err().to_string();
    assert_eq!(ask(&Rule::Sure { sigma: 0.0 }), "setting `sigma`: found 0; expected a finite number above 0");
    assert_eq!(
        ask(&Rule::RobustGcv { gamma: 2.0 }),
        "setting `gamma`: found 2; expected a number above 0 and at most 1"
    );
    assert!(
        ask(&Rule::Oracle { truth: vec![1.0] }).starts_with("true x: found length 1; expected length 20")
    );
    let error = Rule::from_name("sure", None).unwrap_err().to_string();
    assert_eq!(error, "setting `sigma`: found none; expected the noise level, which `sure` needs");
    assert!(Rule::from_name("magic", None).is_err());
}
