//! The files around a restoration: kernels, masks, pairs of examples, models.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use bilevel::Error;
use bilevel::inverse::restore::{Blur, Degraded, LearnedModel, Pair, SCHEMA};
use bilevel::operator::Kernel;
use bilevel_io::{Image, ImageFormat, read_image};

/// `moon.png` → `moon.restored.png`; what is a JPEG becomes a PNG.
pub fn default_output(image: &Path) -> PathBuf {
    let name = image.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let suffix = match ImageFormat::of_name(&name) {
        Some(ImageFormat::Jpeg) | None => ImageFormat::Png.suffix(),
        Some(format) => format.suffix(),
    };
    let stem = image.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    image.with_file_name(format!("{stem}.restored.{suffix}"))
}

/// The blur of a word on the command line.
pub fn blur(text: &str) -> anyhow::Result<Blur> {
    let number = |part: &str, of: &str| -> anyhow::Result<f64> {
        part.parse::<f64>().ok().filter(|v| v.is_finite()).with_context(|| {
            format!("--blur {text}: found `{part}` as {of}; expected a number, as in gaussian:2, motion:15:30 or disk:3")
        })
    };
    let parts: Vec<&str> = text.split(':').collect();
    match *parts {
        ["none"] => Ok(Blur::None),
        ["gaussian", sigma] => Ok(Blur::Gaussian(number(sigma, "the standard deviation")?)),
        ["motion", length, angle] => {
            Ok(Blur::Motion(number(length, "the length")?, number(angle, "the angle")?))
        }
        ["disk", radius] => Ok(Blur::Disk(number(radius, "the radius")?)),
        _ if Path::new(text).is_file() => kernel(text),
        _ => bail!(
            "--blur {text}: neither a kernel nor a file; expected gaussian:S, motion:LENGTH:DEGREES, disk:RADIUS, none or an image file"
        ),
    }
}

fn kernel(path: &str) -> anyhow::Result<Blur> {
    let image = read_image(path)?;
    let kernel = Kernel::from_samples(&[image.height, image.width], image.grey())?;
    Ok(Blur::Custom(kernel.normalized().with_context(|| path.to_string())?, path.to_string()))
}

/// Which pixels were seen: those that are not black.
pub fn mask(path: &Path, image: &Image) -> anyhow::Result<Vec<bool>> {
    let mask = read_image(path)?;
    if (mask.height, mask.width) != (image.height, image.width) {
        bail!(
            "{}: {} x {} pixels; expected {} x {}, the size of the image",
            path.display(),
            mask.height,
            mask.width,
            image.height,
            image.width
        );
    }
    Ok(mask.grey().iter().map(|v| *v > 0.0).collect())
}

/// The images that `DIR/clean` and `DIR/degraded` both have, by name.
pub fn pairs(directory: &Path, n_planes: usize) -> bilevel::Result<Vec<Pair>> {
    let listed = |sub: &str| -> bilevel::Result<Vec<PathBuf>> {
        let folder = directory.join(sub);
        let expected = "a directory with clean/ and degraded/, images of the same names in both";
        let unreadable =
            |e: std::io::Error| Error::data(folder.display().to_string(), e.to_string(), expected);
        let entries = std::fs::read_dir(&folder).map_err(unreadable)?;
        let mut files: Vec<PathBuf> = entries.filter_map(|e| e.ok().map(|e| e.path())).collect();
        files.retain(|f| ImageFormat::of_name(&f.to_string_lossy()).is_some());
        files.sort();
        Ok(files)
    };
    let clean = listed("clean")?;
    let mut pairs = Vec::new();
    for path in listed("degraded")? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(truth) = clean.iter().find(|c| c.file_name() == path.file_name()) else {
            let expected = format!("`{name}` in clean/ too");
            return Err(Error::data(
                directory.display().to_string(),
                format!("`{name}` in degraded/ only"),
                expected,
            ));
        };
        let (degraded, clean) = (read(&path)?, read(truth)?);
        if degraded.n_planes() != n_planes {
            let found = format!("{} planes", degraded.n_planes());
            return Err(Error::data(
                path.display().to_string(),
                found,
                format!("{n_planes}, as the image to restore"),
            ));
        }
        let degraded = Degraded::new((degraded.height, degraded.width), degraded.planes)?;
        pairs.push(Pair { name, degraded, clean: clean.planes });
    }
    if pairs.is_empty() {
        let found = "no images in degraded/";
        return Err(Error::data(
            directory.display().to_string(),
            found,
            "at least one, and the clean one beside it",
        ));
    }
    Ok(pairs)
}

/// An example; its error already names the file.
fn read(path: &Path) -> bilevel::Result<Image> {
    read_image(path).map_err(|e| Error::data("example", e.to_string(), "an image"))
}

/// What --save-model wrote.
pub fn read_model(path: &Path) -> anyhow::Result<LearnedModel> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    let model: LearnedModel = serde_json::from_str(&text).with_context(|| {
        format!("{}: not a model of `bilevel restore`; expected what --save-model writes", path.display())
    })?;
    let weights = model.weights.iter().chain([&model.lambda]);
    if let Some(wrong) = weights.copied().find(|l| !(*l > 0.0 && l.is_finite())) {
        bail!("{}: a weight of {wrong}; expected finite weights above 0", path.display());
    }
    if model.schema != SCHEMA {
        bail!("{}: layout {}; expected layout {SCHEMA}", path.display(), model.schema);
    }
    Ok(model)
}
