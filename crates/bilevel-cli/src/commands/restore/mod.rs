//! `bilevel restore`: an image in, a better one out, with the reason for its weights.

mod files;
mod said;

use std::path::PathBuf;

use anyhow::bail;
use bilevel::inverse::restore::{
    Blur, Criterion, Degraded, LearnedModel, Prior, Restoration, RestoreSettings, learn, restore,
};
use bilevel::operator::wavelet::Wavelet;
use bilevel_io::{Image, check_image_name, read_image, write_image, write_json};
use bilevel_report::restoration::{RestorationPage, render_restoration};

use crate::args::{RestoreArgs, Sigma, prior};
use crate::output::write_text;
use crate::{exit, interrupt, text};
pub(super) use said::command_line;

/// What was made of one image.
pub(super) struct Done {
    pub image: Image,
    pub restoration: Restoration,
    /// What --train or --model taught.
    pub model: Option<LearnedModel>,
    pub output: PathBuf,
    /// Values that the depth of the file could not hold.
    pub clipped: usize,
}

pub fn run(args: &RestoreArgs) -> anyhow::Result<u8> {
    args.threads.apply()?;
    let output = args.output.clone().unwrap_or_else(|| files::default_output(&args.image));
    check_image_name(&output)?;
    check_options(args)?;
    interrupt::listen()?;
    let image = read_image(&args.image)?;
    let mut settings = settings(args, &image)?;
    let degraded = degraded(args, &image)?;
    let mut progress = said::Progress::new(args.say.quiet, image.n_planes());
    let done = (|| -> bilevel::Result<_> {
        let model = taught(args, &image, &mut settings, &mut progress)?;
        Ok((restore(&degraded, &settings, &mut progress)?, model))
    })();
    progress.finish();
    let (restoration, model) = match done {
        Err(bilevel::Error::Cancelled) => {
            eprintln!("interrupted; nothing was written");
            return Ok(exit::INTERRUPTED);
        }
        other => other?,
    };
    let restored = Image { planes: restoration.planes.clone(), ..image.clone() };
    let clipped = write_image(&output, &restored)?;
    if let (Some(path), Some(model)) = (&args.weights.save_model, &model) {
        write_json(path, model)?;
    }
    let done = Done { image, restoration, model, output, clipped };
    if let Some(path) = &args.report {
        write_text(path, &render_restoration(&page(args, &done)))?;
    }
    if args.say.json {
        text::print(&(serde_json::to_string(&said::for_programs(args, &done))? + "\n"))?;
    } else if !args.say.quiet {
        text::print(&said::for_people(args, &done))?;
    }
    Ok(0)
}

/// Options that contradict each other.
fn check_options(args: &RestoreArgs) -> anyhow::Result<()> {
    let weights = &args.weights;
    if weights.criterion == Some(Criterion::Supervised) && weights.train.is_none() {
        bail!("--criterion supervised compares with clean images: found no --train; expected --train DIR");
    }
    if let (Some(criterion), true) = (weights.criterion, weights.train.is_some())
        && criterion != Criterion::Supervised
    {
        bail!(
            "--train learns from clean images: found --criterion {}; expected supervised, or neither",
            criterion.name()
        );
    }
    Ok(())
}

fn settings(args: &RestoreArgs, image: &Image) -> anyhow::Result<RestoreSettings> {
    let (weights, degradation) = (&args.weights, &args.degradation);
    let model = weights.model.as_deref().map(files::read_model).transpose()?;
    let blur = match (&degradation.blur, &model) {
        (Some(text), _) => files::blur(text)?,
        (None, Some(model)) => files::blur(&model.blur)?,
        (None, None) => Blur::None,
    };
    let is_plain = blur == Blur::None && degradation.mask.is_none();
    let prior = match (weights.prior, &model) {
        (Some(prior), _) => prior,
        (None, Some(model)) => prior(&model.prior).map_err(|e| anyhow::anyhow!("the model's prior: {e}"))?,
        (None, None) if is_plain => Prior::Wavelet(Wavelet::haar()),
        (None, None) => Prior::TotalVariation,
    };
    let defaults = RestoreSettings::default();
    let mut settings = RestoreSettings {
        blur,
        boundary: degradation.boundary.or(model.as_ref().map(|m| m.boundary)).unwrap_or(defaults.boundary),
        sigma: match degradation.sigma {
            Sigma::Auto => None,
            Sigma::Given(sigma) => Some(sigma / image.depth.unit()),
        },
        prior,
        weights: weights.weights.per,
        criterion: weights.criterion.unwrap_or(defaults.criterion),
        lambda: weights.lambda,
        given: Vec::new(),
        nodes: weights.weights.nodes.unwrap_or(defaults.nodes),
        seed: weights.seed,
    };
    if let Some(model) = &model {
        model.apply_to(&mut settings);
    }
    Ok(settings)
}

fn degraded(args: &RestoreArgs, image: &Image) -> anyhow::Result<Degraded> {
    let degraded = Degraded::new((image.height, image.width), image.planes.clone())?;
    match &args.degradation.mask {
        None => Ok(degraded),
        Some(path) => Ok(degraded.with_mask(files::mask(path, image)?)?),
    }
}

/// What examples teach, where there are some; the weights go into the settings.
fn taught(
    args: &RestoreArgs,
    image: &Image,
    settings: &mut RestoreSettings,
    progress: &mut said::Progress,
) -> bilevel::Result<Option<LearnedModel>> {
    let Some(directory) = &args.weights.train else { return Ok(None) };
    let pairs = files::pairs(directory, image.n_planes())?;
    progress.learning(pairs.len());
    let model = learn(&pairs, settings, progress)?;
    progress.restoring();
    model.apply_to(settings);
    Ok(Some(model))
}

fn page<'a>(args: &RestoreArgs, done: &'a Done) -> RestorationPage<'a> {
    RestorationPage {
        name: args.image.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned()),
        shape: (done.image.height, done.image.width),
        before: &done.image.planes,
        restoration: &done.restoration,
        unit: done.image.depth.unit(),
        unit_name: done.image.depth.name().into(),
        learned_from: done.model.as_ref().map(|m| m.n_pairs),
        learned_curve: done.model.as_ref().map_or(&[], |m| m.curve.as_slice()),
        command: said::command_line(),
    }
}
