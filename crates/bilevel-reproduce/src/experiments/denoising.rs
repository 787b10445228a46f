//! Denoising by wavelets, with nothing but the noisy image: PSNR on natural images at three noise levels.

use std::time::Instant;

use bilevel::Result;
use bilevel::inverse::wavelet::{Shrinkage, WaveletDenoising, denoise_wavelet};

use super::{DataNeed, Experiment, Outcome};
use crate::images::{given_or_generated, mean, noisy, psnr};
use crate::run::{NamedImage, Run};
use crate::table::{Cell, Table};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "denoising",
    about: "wavelet denoising by SURE at three noise levels: PSNR, seconds",
    needs: DataNeed::Images,
    repeats: false,
    work,
};

/// Standard deviations of the noise, of 255; and the mean PSNR that scikit-image's BayesShrink (db4, soft, told the noise level) has on Set12.
const LEVELS: [(f64, f64); 3] = [(15.0, 29.43), (25.0, 26.81), (50.0, 23.56)];
/// How many images Set12 has: only with as many is the published number set beside.
const SET12: usize = 12;

/// PSNR of the noisy image, with one threshold for each subband, and with neighbourhoods; seconds of the last.
type Scores = [f64; 4];

fn work(run: &Run<'_>) -> Result<Outcome> {
    let images = given_or_generated(run, 3)?;
    run.watcher.begin(LEVELS.len() * images.len());
    let mut table = Table::new(&[
        "noise (of 255)",
        "image",
        "noisy",
        "subbands",
        "neighbourhoods",
        "seconds",
        "BayesShrink db4",
    ]);
    let mut findings = Vec::new();
    for (level, published) in LEVELS {
        let mut scores: Vec<Scores> = Vec::new();
        for (k, image) in images.iter().enumerate() {
            run.check()?;
            let found = run.on_all_threads(|| one(image, level / 255.0, k as u64))?;
            push(&mut table, level, &image.name, found, Cell::Empty);
            scores.push(found);
            run.watcher.done(&format!("{} at {level}", image.name));
        }
        let means: Scores = std::array::from_fn(|k| mean(scores.iter().map(|s| s[k])));
        let beside = images.len() == SET12;
        let cell = if beside { Cell::Decimals(published, 2) } else { Cell::Empty };
        push(&mut table, level, "mean", means, cell);
        let more = format!("Noise {level}: {:.2} dB", means[2]);
        let [against, over] = [means[2] - means[1], means[2] - published];
        let mut finding = format!("{more}, {against:+.2} dB against one threshold for each subband");
        if beside {
            finding += &format!(", {over:+.2} dB against BayesShrink");
        }
        findings.push(finding + ".");
    }
    Ok(Outcome {
        title: "Wavelet denoising by Stein's unbiased risk estimate".to_string(),
        caption: vec![
            "PSNR in dB. Everything is chosen by SURE from the noisy image; the noise level is estimated from it too.".to_string(),
        ],
        table,
        findings,
        figures: Vec::new(),
        settings: vec![("transform", "undecimated Haar, four levels".to_string())],
        seeds: (0..images.len() as u64).collect(),
    })
}

fn push(table: &mut Table, level: f64, name: &str, scores: Scores, published: Cell) {
    let [noisy, subbands, neighbourhoods, seconds] = scores;
    table.push(vec![
        Cell::Count(level as usize),
        Cell::text(name),
        Cell::Decimals(noisy, 2),
        Cell::Decimals(subbands, 2),
        Cell::Decimals(neighbourhoods, 2),
        Cell::Decimals(seconds, 3),
        published,
    ]);
}

fn one(image: &NamedImage, sigma: f64, seed: u64) -> Result<Scores> {
    let data = noisy(&image.pixels, sigma, seed);
    let shape = [image.shape.0, image.shape.1];
    let subbands = WaveletDenoising { shrinkage: Shrinkage::Subband, ..WaveletDenoising::default() };
    let simple = denoise_wavelet(&data, shape, &subbands)?;
    let started = Instant::now();
    let best = denoise_wavelet(&data, shape, &WaveletDenoising::default())?;
    let seconds = started.elapsed().as_secs_f64();
    let score = |u: &[f64]| psnr(u, &image.pixels);
    Ok([score(&data), score(&simple.image), score(&best.image), seconds])
}
