//! Total variation deblurring: one weight chosen without the truth, and a map of weights learned on half of the images for the other half.

use bilevel::inverse::{ActivityMap, SpectralFilter, TvDeblurring, TvDeblurringSettings};
use bilevel::operator::{Boundary, Convolution, Kernel, LinearOperator};
use bilevel::{Error, Result};

use super::{DataNeed, Experiment, Outcome};
use crate::images::{given_or_generated, mean, noisy, psnr};
use crate::run::{NamedImage, Run};
use crate::table::{Cell, Table, digits};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "deblurring",
    about: "total variation deblurring: one weight by SURE, and a map of weights learned on other images",
    needs: DataNeed::Images,
    repeats: false,
    work,
};

const WIDTH: f64 = 2.0;
const SIGMA: f64 = 0.01;
/// Tried for the one weight.
const ALPHAS: [f64; 9] = [1.5e-4, 2.2e-4, 3.2e-4, 4e-4, 5e-4, 6.3e-4, 8e-4, 1.2e-3, 1.8e-3];
/// Interval of the search by SURE.
const INTERVAL: (f64, f64) = (1e-4, 3e-3);
/// Weights of the restorations that tell the activity: one without a map, and one with the map that it gives.
const FIRST: f64 = 3e-4;
const SECOND: f64 = 1.1e-3;
/// Halvings of the steps of the pattern search.
const HALVINGS: usize = 3;
/// PSNR changes by less than 0.01 dB from here to 1e-4.
const TOLERANCE: f64 = 1e-3;

/// A degraded image with what restores it.
struct Case<'a> {
    image: &'a NamedImage,
    blur: Convolution<f64>,
    solver: SpectralFilter,
    measured: Vec<f64>,
    /// A restoration that tells the activity.
    first: Vec<f64>,
}

/// The parameters that are learned: log α, log ε and κ.
type Parameters = [f64; 3];

/// PSNR of one test image.
struct Row {
    measured: f64,
    one: f64,
    own: f64,
    by_sure: f64,
    map: f64,
}

fn work(run: &Run<'_>) -> Result<Outcome> {
    let images = given_or_generated(run, 4)?;
    if images.len() < 2 {
        return Err(Error::data(
            "images",
            "1",
            "at least 2: one half is learned from, the other is the test",
        ));
    }
    let (for_training, for_test) = images.split_at(images.len() / 2);
    run.watcher.begin(2 + for_test.len());
    let training = run.on_all_threads(|| degraded(for_training, 0))?;
    let parameters = run.on_all_threads(|| learn(run, &training))?;
    run.watcher.done("the map is learned");
    let test = run.on_all_threads(|| degraded(for_test, for_training.len() as u64))?;
    let curves = test
        .iter()
        .map(|case| run.on_all_threads(|| ALPHAS.iter().map(|&alpha| case.score(alpha, None)).collect()))
        .collect::<Result<Vec<Vec<f64>>>>()?;
    run.watcher.done("one weight");
    // The strongest rival: the one weight that is best for the test images themselves.
    let of_all = |k: usize| mean(curves.iter().map(|curve| curve[k]));
    let best = (0..ALPHAS.len()).max_by(|&k, &l| of_all(k).total_cmp(&of_all(l))).unwrap_or(0);
    let mut rows = Vec::new();
    for (case, curve) in test.iter().zip(&curves) {
        run.check()?;
        rows.push(run.on_all_threads(|| {
            Ok(Row {
                measured: psnr(&case.measured, &case.image.pixels),
                one: curve[best],
                own: curve.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                by_sure: case.by_sure()?,
                map: case.score_of_map(&parameters)?,
            })
        })?);
        run.watcher.done(&case.image.name);
    }
    Ok(outcome(&test, &rows, ALPHAS[best], &parameters, for_training.len()))
}

fn outcome(
    test: &[Case<'_>],
    rows: &[Row],
    alpha: f64,
    [log_alpha, log_floor, power]: &Parameters,
    trained_on: usize,
) -> Outcome {
    let mut table = Table::new(&[
        "image",
        "blurred",
        "one weight for all",
        "best for the image",
        "by SURE",
        "learned map",
    ]);
    let cells = |row: &Row| [row.measured, row.one, row.own, row.by_sure, row.map];
    let mut push = |name: &str, scores: [f64; 5]| {
        let scores = scores.map(|score| Cell::Decimals(score, 2));
        table.push(std::iter::once(Cell::text(name)).chain(scores).collect());
    };
    test.iter().zip(rows).for_each(|(case, row)| push(&case.image.name, cells(row)));
    let means: [f64; 5] = std::array::from_fn(|k| mean(rows.iter().map(|row| cells(row)[k])));
    push("mean", means);
    let [_, one, own, by_sure, map] = means;
    Outcome {
        title: "Total variation deblurring: the weight, and a map of weights".to_string(),
        caption: vec![format!(
            "PSNR in dB of images that the map was not learned on ({trained_on} others were). \"One weight for all\" is the best single α for these very images, which a rule would have to guess; \"best for the image\" is the best α of each. SURE knows the noise level and nothing of the truth."
        )],
        findings: vec![
            format!("The learned map is {:+.2} dB against the best single weight.", map - one),
            format!(
                "The weight that SURE chooses is {:+.2} dB against the best for each image.",
                by_sure - own
            ),
        ],
        table,
        figures: Vec::new(),
        settings: vec![
            ("blur", format!("Gaussian of width {WIDTH}, periodic; noise {SIGMA} of a range of 1")),
            ("one weight for all", digits(alpha)),
            (
                "map",
                format!(
                    "α = {}·(ε/(g + ε))^κ, ε = {}, κ = {}",
                    digits(log_alpha.exp()),
                    digits(log_floor.exp()),
                    digits(*power)
                ),
            ),
        ],
        seeds: (0..(trained_on + test.len()) as u64).collect(),
    }
}

fn degraded(images: &[NamedImage], first_seed: u64) -> Result<Vec<Case<'_>>> {
    images.iter().zip(first_seed..).map(|(image, seed)| Case::new(image, seed)).collect()
}

impl<'a> Case<'a> {
    fn new(image: &'a NamedImage, seed: u64) -> Result<Self> {
        let (rows, cols) = image.shape;
        let blur = Convolution::new(&[rows, cols], &Kernel::gaussian(WIDTH, 2)?, Boundary::Periodic)?;
        let measured = noisy(&blur.apply(&image.pixels)?, SIGMA, seed);
        let solver = SpectralFilter::new(&blur)?;
        let mut case = Self { image, blur, solver, measured, first: Vec::new() };
        case.first = case.problem()?.restore(FIRST, None)?.image;
        let map = ActivityMap::default().weights(image.shape, &case.first)?;
        case.first = case.problem()?.with_map(map)?.restore(SECOND, None)?.image;
        Ok(case)
    }

    fn problem(&self) -> Result<TvDeblurring<'_, Convolution<f64>, SpectralFilter>> {
        let settings = TvDeblurringSettings { tolerance: TOLERANCE, ..TvDeblurringSettings::default() };
        let tv = TvDeblurring::new(self.image.shape, &self.blur, &self.solver, &self.measured)?;
        Ok(tv.with_settings(settings))
    }

    /// PSNR at a weight, with a map if there is one.
    fn score(&self, alpha: f64, map: Option<Vec<f64>>) -> Result<f64> {
        let problem = self.problem()?;
        let problem = if let Some(map) = map { problem.with_map(map)? } else { problem };
        Ok(psnr(&problem.restore(alpha, None)?.image, &self.image.pixels))
    }

    fn score_of_map(&self, [log_alpha, log_floor, power]: &Parameters) -> Result<f64> {
        let map = ActivityMap { floor: log_floor.exp(), power: *power, ..ActivityMap::default() };
        self.score(log_alpha.exp(), Some(map.weights(self.image.shape, &self.first)?))
    }

    fn by_sure(&self) -> Result<f64> {
        let chosen = self.problem()?.choose(SIGMA, INTERVAL, 0)?;
        Ok(psnr(&chosen.restored.image, &self.image.pixels))
    }
}

/// The parameters of the best mean PSNR, by pattern search: three numbers need no derivatives, and a mean over images none of their kinks.
fn learn(run: &Run<'_>, training: &[Case<'_>]) -> Result<Parameters> {
    let score = |parameters: &Parameters| -> Result<f64> {
        run.check()?;
        let scores: Vec<f64> =
            training.iter().map(|case| case.score_of_map(parameters)).collect::<Result<_>>()?;
        Ok(mean(scores))
    };
    let mut best: Parameters = [1.6e-3_f64.ln(), 0.02_f64.ln(), 0.8];
    let mut highest = score(&best)?;
    let mut steps: Parameters = [0.4, 0.7, 0.2];
    for _ in 0..HALVINGS {
        let mut moved = true;
        while moved {
            moved = false;
            for k in 0..best.len() {
                for sign in [1.0, -1.0] {
                    let mut trial = best;
                    trial[k] = (trial[k] + sign * steps[k]).max(if k == 2 { 0.0 } else { f64::NEG_INFINITY });
                    let found = score(&trial)?;
                    if found > highest + 1e-3 {
                        (best, highest, moved) = (trial, found, true);
                        break;
                    }
                }
            }
        }
        steps = steps.map(|step| 0.5 * step);
    }
    Ok(best)
}
