//! Two classes from a noisy linear model: one λ, one weight for each feature, and `auto`.

use bilevel::Result;
use bilevel::data::synthetic::classification;
use bilevel::loss::Logistic;
use bilevel_report::figure::{Categories, Marks};

use super::synthetic::{Row, compare, method_settings};
use super::{DataNeed, Experiment, Outcome};
use crate::report::Figure;
use crate::run::Run;
use crate::scores::{f1, mean, standard_error};
use crate::table::{Cell, Table};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "classification",
    about: "two classes with known coefficients: one λ, one weight for each feature, auto",
    needs: DataNeed::Nothing,
    repeats: true,
    work,
};

/// ‖ε‖/‖Xβ‖ before the sign is taken.
const NOISE: f64 = 0.1;
const SEEDS: u64 = 10;

/// n, m, informative features, and the published test F1 of one λ and of the weighted model.
const PUBLISHED: [(usize, usize, usize, f64, f64); 12] = [
    (100, 100, 5, 0.885, 0.928),
    (100, 100, 10, 0.853, 0.901),
    (100, 100, 20, 0.821, 0.869),
    (100, 200, 10, 0.829, 0.892),
    (100, 200, 20, 0.765, 0.832),
    (100, 200, 40, 0.542, 0.584),
    (200, 200, 10, 0.911, 0.939),
    (200, 200, 20, 0.856, 0.918),
    (200, 200, 40, 0.818, 0.886),
    (200, 400, 20, 0.869, 0.934),
    (200, 400, 40, 0.764, 0.836),
    (200, 400, 80, 0.693, 0.745),
];

/// Test F1 and seconds of one seed: scalar, NTRBA, auto.
struct Scores {
    f1: [f64; 3],
    seconds: [f64; 3],
}

fn work(run: &Run<'_>) -> Result<Outcome> {
    let seeds = run.seeds(SEEDS, 2);
    let rows: Vec<_> = PUBLISHED.iter().filter(|row| !run.request.quick || row.0 <= 100).collect();
    let items: Vec<(Row, u64)> = rows
        .iter()
        .map(|&&(n, m, n_informative, ..)| Row { n, m, n_informative })
        .flat_map(|row| seeds.iter().map(move |&seed| (row, seed)))
        .collect();
    let scores = run.each(&items, |(row, seed)| row.name(*seed), |&(row, seed)| one(run, row, seed))?;

    let mut table = Table::new(&[
        "n",
        "m",
        "informative",
        "F1, one λ",
        "published, one λ",
        "F1, NTRBA",
        "F1, auto",
        "± s.e.",
        "published, weighted",
        "auto against published",
        "s, one λ",
        "s, NTRBA",
        "s, auto",
    ]);
    let mut means = Vec::new();
    for (&&(n, m, n_informative, scalar, weighted), scores) in rows.iter().zip(scores.chunks(seeds.len())) {
        let score = |k: usize| mean(scores.iter().map(|s| s.f1[k]));
        let seconds = |k: usize| Cell::Number(mean(scores.iter().map(|s| s.seconds[k])));
        let of_auto: Vec<f64> = scores.iter().map(|s| s.f1[2]).collect();
        means.push([score(0), score(1), score(2), weighted]);
        let number = |x| Cell::Decimals(x, 3);
        table.push(vec![
            Cell::Count(n),
            Cell::Count(m),
            Cell::Count(n_informative),
            number(score(0)),
            number(scalar),
            number(score(1)),
            number(score(2)),
            number(standard_error(&of_auto)),
            number(weighted),
            Cell::text(if score(2) >= weighted { "better" } else { "worse" }),
            seconds(0),
            seconds(1),
            seconds(2),
        ]);
    }
    let mut settings = method_settings();
    settings.push(("data", format!("n rows each for training, validation and test; labels are the signs of a linear model with ‖ε‖/‖Xβ‖ = {NOISE}; logistic loss")));
    Ok(Outcome {
        title: "Sparse logistic regression: one λ, one weight for each feature, auto".to_string(),
        caption: vec![format!(
            "Test F1 of the positive class, mean over {} seeds, beside the published values.",
            seeds.len()
        )],
        findings: findings(&means),
        figures: figure(&rows, &means).into_iter().collect(),
        table,
        settings,
        seeds,
    })
}

fn one(run: &Run<'_>, row: Row, seed: u64) -> Result<Scores> {
    let generate = |shape| classification(shape, NOISE, seed);
    compare(run, row, generate, Logistic, |comparison, parts, _| {
        let (truth, design) = (parts.test.target.values(), &parts.test.design);
        Ok(Scores {
            f1: comparison.each().map(|found| f1(truth, &found.predict(design))),
            seconds: comparison.each().map(|found| found.seconds),
        })
    })
}

fn findings(means: &[[f64; 4]]) -> Vec<String> {
    let count = |judge: &dyn Fn(&[f64; 4]) -> bool| means.iter().filter(|m| judge(m)).count();
    vec![format!(
        "`auto` is at least as good as the published weighted model in {} of {} rows, and as one λ in {}.",
        count(&|m| m[2] >= m[3]),
        means.len(),
        count(&|m| m[2] >= m[0]),
    )]
}

fn figure(rows: &[&(usize, usize, usize, f64, f64)], means: &[[f64; 4]]) -> Option<Figure> {
    let marks = |name: &str, k: usize| Marks {
        name: name.to_string(),
        points: means.iter().enumerate().map(|(row, m)| (row, m[k])).collect(),
    };
    let chart = Categories {
        finding: format!(
            "The test F1 of auto is above that of NTRBA in {} of {} rows",
            means.iter().filter(|m| m[2] > m[1]).count(),
            means.len()
        ),
        x: "n × m, informative".to_string(),
        y: "test F1".to_string(),
        log: false,
        categories: rows.iter().map(|row| format!("{} × {}, {}", row.0, row.1, row.2)).collect(),
        series: vec![marks("one λ", 0), marks("NTRBA", 1), marks("auto", 2), marks("published", 3)],
    };
    Figure::of("classification-f1.svg", &chart.finding, chart.to_svg())
}
