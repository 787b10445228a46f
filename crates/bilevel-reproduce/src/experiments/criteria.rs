//! Criteria come together: cross-validation, SURE, GCV and evidence choose the λ of the true risk as the data grow.
//!
//! b = Ax + ε with m data, m/2 unknowns, all entries of √m·A and x standard normal, ε of standard deviation σ: the λ of smallest risk tends to σ² (times
//! 1 for the variance of x). Each criterion is a random function of λ, whose minimizer varies less and less around the minimizer of the true risk.

use bilevel::Result;
use bilevel::design::{DenseMatrix, DesignMatrix};
use bilevel::inverse::choice::{Rule, SpectralProblem, choose};
use bilevel::inverse::tikhonov::StandardForm;
use bilevel_report::figure::{Chart, Line};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{DataNeed, Experiment, Outcome};
use crate::report::Figure;
use crate::run::Run;
use crate::table::{Cell, Table, digits};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "criteria",
    about: "cross-validation, SURE, GCV and evidence choose the λ of the true risk as the data grow",
    needs: DataNeed::Nothing,
    repeats: true,
    work,
};

const SIGMA: f64 = 0.5;
const FOLDS: usize = 5;
const SEEDS: u64 = 20;
const SIZES: [usize; 5] = [50, 100, 200, 400, 800];
const NAMES: [&str; 4] = ["5-fold CV", "SURE", "GCV", "evidence"];
/// Searched on both sides of the λ to come, in log λ.
const REACH: f64 = 6.0;

/// log λ of the true risk and of each criterion.
struct Chosen {
    risk: f64,
    criteria: [f64; 4],
}

fn work(run: &Run<'_>) -> Result<Outcome> {
    let seeds = run.seeds(SEEDS, 5);
    let sizes: Vec<usize> = SIZES.into_iter().filter(|m| !run.request.quick || *m <= 200).collect();
    let items: Vec<(usize, u64)> =
        sizes.iter().flat_map(|&m| seeds.iter().map(move |&seed| (m, seed))).collect();
    let chosen = run.each(&items, |(m, seed)| format!("{m} data, seed {seed}"), |&(m, seed)| one(m, seed))?;

    let mut table = Table::new(&[
        "data",
        "unknowns",
        "λ of the true risk",
        "5-fold CV: distance",
        "SURE: distance",
        "GCV: distance",
        "evidence: distance",
    ]);
    let mut distances: Vec<[f64; 4]> = Vec::new();
    for (&m, of_size) in sizes.iter().zip(chosen.chunks(seeds.len())) {
        let distance = |k: usize| median(of_size.iter().map(|c| (c.criteria[k] - c.risk).abs()));
        let found = std::array::from_fn(distance);
        distances.push(found);
        let mut row = vec![Cell::Count(m), Cell::Count(m / 2)];
        row.push(Cell::Number(median(of_size.iter().map(|c| c.risk)).exp()));
        row.extend(found.map(|d| Cell::Decimals(d, 3)));
        table.push(row);
    }
    Ok(Outcome {
        title: "Criteria come together as the data grow".to_string(),
        caption: vec![format!(
            "Median over {} seeds of |log λ − log λ_risk|, for the λ that each criterion chooses and the λ of smallest true risk E‖A(x̂ − x)‖². The noise level is known to SURE and to the evidence.",
            seeds.len()
        )],
        findings: findings(&sizes, &distances),
        figures: figure(&sizes, &distances).into_iter().collect(),
        table,
        settings: vec![
            (
                "data",
                format!(
                    "entries of √m·A and x standard normal, noise of standard deviation {SIGMA}, half as many unknowns as data"
                ),
            ),
            ("folds", format!("{FOLDS}, consecutive rows")),
        ],
        seeds,
    })
}

fn one(m: usize, seed: u64) -> Result<Chosen> {
    let n = m / 2;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let scale = 1.0 / (m as f64).sqrt();
    let a = DenseMatrix::new(m, n, (0..m * n).map(|_| scale * normal(&mut rng)).collect())?;
    let x: Vec<f64> = (0..n).map(|_| normal(&mut rng)).collect();
    let mut exact = vec![0.0; m];
    a.product_into(&x, &mut exact);
    let noisy: Vec<f64> = exact.iter().map(|b| b + SIGMA * normal(&mut rng)).collect();

    let truth = StandardForm::new(&a, &exact, None)?;
    let risk = |t: f64| {
        let variance: f64 = truth.diagonal().filters(t.exp()).iter().map(|f| f * f).sum();
        truth.diagonal().residual_norm(t.exp()).powi(2) + SIGMA * SIGMA * variance
    };
    let form = StandardForm::new(&a, &noisy, None)?;
    let chosen = |rule: &Rule| -> Result<f64> { Ok(choose(form.diagonal(), rule)?.lambda.ln()) };
    Ok(Chosen {
        risk: smallest(risk),
        criteria: [
            cross_validated(&a, &noisy)?,
            chosen(&Rule::Sure { sigma: SIGMA })?,
            chosen(&Rule::Gcv)?,
            chosen(&Rule::Evidence { sigma: Some(SIGMA) })?,
        ],
    })
}

/// log λ of the smallest mean squared error on folds of consecutive rows.
fn cross_validated(a: &DenseMatrix<f64>, b: &[f64]) -> Result<f64> {
    let m = b.len();
    let mut folds = Vec::new();
    for fold in 0..FOLDS {
        let held_out: Vec<usize> = (fold * m / FOLDS..(fold + 1) * m / FOLDS).collect();
        let kept: Vec<usize> = (0..m).filter(|i| !held_out.contains(i)).collect();
        let pick = |rows: &[usize]| -> Vec<f64> { rows.iter().map(|&i| b[i]).collect() };
        let form = StandardForm::new(&rows_of(a, &kept)?, &pick(&kept), None)?;
        folds.push((form, rows_of(a, &held_out)?, pick(&held_out)));
    }
    Ok(smallest(|t| {
        let errors = folds.iter().map(|(form, rows, targets)| {
            let mut predicted = vec![0.0; targets.len()];
            rows.product_into(&form.combine(&form.diagonal().filters(t.exp())), &mut predicted);
            predicted.iter().zip(targets).map(|(z, b)| (z - b).powi(2)).sum::<f64>()
        });
        errors.sum()
    }))
}

fn rows_of(a: &DenseMatrix<f64>, rows: &[usize]) -> Result<DenseMatrix<f64>> {
    let column = |j: usize| rows.iter().map(move |&i| a.column(j)[i]);
    DenseMatrix::new(rows.len(), a.n_columns(), (0..a.n_columns()).flat_map(column).collect())
}

/// The minimizer around log σ²: a grid, then a golden section.
fn smallest(value: impl Fn(f64) -> f64) -> f64 {
    let (center, step) = (2.0 * SIGMA.ln(), 0.5);
    let points = (2.0 * REACH / step) as usize;
    let grid = (0..=points).map(|k| center - REACH + step * k as f64);
    let best = grid.map(|t| (value(t), t)).min_by(|a, b| a.0.total_cmp(&b.0)).map_or(center, |(_, t)| t);
    let golden = (5.0_f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (best - step, best + step);
    for _ in 0..30 {
        let (a, b) = (high - golden * (high - low), low + golden * (high - low));
        if value(a) < value(b) { high = b } else { low = a }
    }
    f64::midpoint(low, high)
}

/// A standard normal number, by Box and Muller.
pub(super) fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (u, v): (f64, f64) = (rng.random(), rng.random());
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// The upper median; NaN of none.
pub(super) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn findings(sizes: &[usize], distances: &[[f64; 4]]) -> Vec<String> {
    let (Some((first, last)), Some(from), Some(to)) =
        (sizes.first().zip(sizes.last()), distances.first(), distances.last())
    else {
        return Vec::new();
    };
    let each =
        NAMES.iter().enumerate().map(|(k, name)| format!("{name} {} to {}", digits(from[k]), digits(to[k])));
    vec![format!(
        "From {first} to {last} data the distance in log λ to the minimizer of the true risk goes: {}.",
        each.collect::<Vec<_>>().join(", ")
    )]
}

fn figure(sizes: &[usize], distances: &[[f64; 4]]) -> Option<Figure> {
    let line = |(k, name): (usize, &&str)| {
        Line::new(*name, sizes.iter().zip(distances).map(|(&m, d)| ((m as f64).log2(), d[k])).collect())
    };
    let chart = Chart {
        finding: "All criteria move towards the λ of the true risk as the data grow".to_string(),
        x: "log₂ of the number of data".to_string(),
        y: "|log λ − log λ_risk|, median".to_string(),
        log: true,
        lines: NAMES.iter().enumerate().map(line).collect(),
    };
    Figure::of("criteria-distance.svg", &chart.finding, chart.to_svg())
}
