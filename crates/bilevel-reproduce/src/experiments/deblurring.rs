//! Total variation deblurring: one weight chosen without the truth, and two weights, one for each order of differences, learned on half of the images for
//! the other half.

use bilevel::inverse::{Deblurred, SpectralFilter, TvDeblurring, TvDeblurringSettings};
use bilevel::operator::{Boundary, Convolution, Kernel, LinearOperator};
use bilevel::{Error, Result};

use super::{DataNeed, Experiment, Outcome};
use crate::images::{given_or_generated, mean, noisy, psnr};
use crate::run::{NamedImage, Run};
use crate::table::{Cell, Table, digits};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "deblurring",
    about: "total variation deblurring: one weight by SURE, and two weights learned on other images",
    needs: DataNeed::Images,
    repeats: false,
    work,
};

const WIDTH: f64 = 2.0;
const SIGMA: f64 = 0.01;
/// Tried for the one weight, decreasing: each solution is the start of the next.
const ALPHAS: [f64; 9] = [1.8e-3, 1.2e-3, 8e-4, 6.3e-4, 5e-4, 4e-4, 3.2e-4, 2.2e-4, 1.5e-4];
/// Interval of the search by SURE.
const INTERVAL: (f64, f64) = (1e-4, 3e-3);
/// Where learning starts: α, and the weight κ of second differences relative to it.
const START: [f64; 2] = [5e-4, 0.05];
/// Halvings of the steps of the pattern search.
const HALVINGS: usize = 3;
/// PSNR changes by less than 0.01 dB from here to 1e-5.
const TOLERANCE: f64 = 3e-4;

/// A degraded image with what restores it.
struct Case<'a> {
    image: &'a NamedImage,
    blur: Convolution<f64>,
    solver: SpectralFilter,
    measured: Vec<f64>,
}

/// The parameters that are learned: log α and log κ.
type Parameters = [f64; 2];

/// PSNR of one test image.
struct Row {
    measured: f64,
    one: f64,
    own: f64,
    by_sure: f64,
    learned: f64,
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
    run.watcher.done("two weights are learned");
    let test = run.on_all_threads(|| degraded(for_test, for_training.len() as u64))?;
    let curves =
        test.iter().map(|case| run.on_all_threads(|| case.curve())).collect::<Result<Vec<Vec<f64>>>>()?;
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
                learned: case.score(&parameters)?,
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
    [log_alpha, log_kappa]: &Parameters,
    trained_on: usize,
) -> Outcome {
    let mut table = Table::new(&[
        "image",
        "blurred",
        "one weight for all",
        "best for the image",
        "by SURE",
        "two learned weights",
    ]);
    let cells = |row: &Row| [row.measured, row.one, row.own, row.by_sure, row.learned];
    let mut push = |name: &str, scores: [f64; 5]| {
        let scores = scores.map(|score| Cell::Decimals(score, 2));
        table.push(std::iter::once(Cell::text(name)).chain(scores).collect());
    };
    test.iter().zip(rows).for_each(|(case, row)| push(&case.image.name, cells(row)));
    let means: [f64; 5] = std::array::from_fn(|k| mean(rows.iter().map(|row| cells(row)[k])));
    push("mean", means);
    let [_, one, own, by_sure, learned] = means;
    Outcome {
        title: "Total variation deblurring: the weight, and a weight for each order of differences"
            .to_string(),
        caption: vec![format!(
            "PSNR in dB of images that nothing was learned on ({trained_on} others were). Two learned weights: one of |Du|, one of |D²u|, the same for all images. \"One weight for all\" is the best single α for these very images, which a rule would have to guess; \"best for the image\" is the best α of each. SURE knows the noise level and nothing of the truth."
        )],
        findings: vec![
            format!("Two learned weights are {:+.2} dB against the best single weight.", learned - one),
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
            ("two weights", format!("α = {}, κ = {}", digits(log_alpha.exp()), digits(log_kappa.exp()))),
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
        Ok(Self { image, blur, solver, measured })
    }

    fn problem(&self) -> Result<TvDeblurring<'_, Convolution<f64>, SpectralFilter>> {
        let settings = TvDeblurringSettings { tolerance: TOLERANCE, ..TvDeblurringSettings::default() };
        TvDeblurring::new(self.image.shape, &self.blur, &self.solver, &self.measured)?.with_settings(settings)
    }

    fn psnr(&self, restored: &Deblurred) -> f64 {
        psnr(&restored.image, &self.image.pixels)
    }

    /// PSNR at each single weight.
    fn curve(&self) -> Result<Vec<f64>> {
        let problem = self.problem()?;
        let mut last = None;
        let mut score = |alpha: &f64| -> Result<f64> {
            let restored = problem.restore(*alpha, last.as_ref())?;
            Ok(self.psnr(last.insert(restored)))
        };
        ALPHAS.iter().map(&mut score).collect()
    }

    /// PSNR with second differences.
    fn score(&self, [log_alpha, log_kappa]: &Parameters) -> Result<f64> {
        let problem = self.problem()?.with_second_differences(log_kappa.exp())?;
        Ok(self.psnr(&problem.restore(log_alpha.exp(), None)?))
    }

    fn by_sure(&self) -> Result<f64> {
        let chosen = self.problem()?.choose(SIGMA, INTERVAL, 0)?;
        Ok(self.psnr(&chosen.restored))
    }
}

/// The parameters of the best mean PSNR, by pattern search: two numbers need no derivatives, and a mean over images none of their kinks.
fn learn(run: &Run<'_>, training: &[Case<'_>]) -> Result<Parameters> {
    let score = |parameters: &Parameters| -> Result<f64> {
        run.check()?;
        let scores: Vec<f64> = training.iter().map(|case| case.score(parameters)).collect::<Result<_>>()?;
        Ok(mean(scores))
    };
    let mut best: Parameters = START.map(f64::ln);
    let mut highest = score(&best)?;
    let mut steps: Parameters = [0.4, 0.8];
    for _ in 0..HALVINGS {
        let mut moved = true;
        while moved {
            moved = false;
            for k in 0..best.len() {
                for sign in [1.0, -1.0] {
                    let mut trial = best;
                    trial[k] += sign * steps[k];
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
