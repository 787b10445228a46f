//! Data for the experiments that need them: LIBSVM files of a directory and the embedded sets; images of a directory.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use bilevel::fit::LossKind;
use bilevel_io::{ImageFormat, read_image};
use bilevel_reproduce::{DataNeed, NamedData, NamedImage, WantedSet};

use crate::load::{LoadOptions, Source};

/// Endings of LIBSVM files, and of their compressions.
const ENDINGS: [&str; 2] = [".svm", ".libsvm"];
const COMPRESSIONS: [&str; 5] = ["", ".gz", ".bz2", ".xz", ".zst"];
/// The sets inside the command.
const EMBEDDED: [&str; 2] = ["diabetes", "phishing"];

/// The sets that an experiment needs; says on stderr which of them are missing.
pub fn read(needs: DataNeed, directory: Option<&Path>, quiet: bool) -> anyhow::Result<Vec<NamedData>> {
    match needs {
        DataNeed::Nothing | DataNeed::Images => Ok(Vec::new()),
        DataNeed::Sets(wanted) => {
            let found = directory.map_or(Ok(Vec::new()), files)?;
            wanted_sets(wanted, &found, directory.unwrap_or(Path::new(".")), quiet)
        }
        DataNeed::Any(known) => {
            let found = directory.map_or(Ok(Vec::new()), files)?;
            let embedded = EMBEDDED.iter().filter(|name| found.iter().all(|(stem, _)| stem != *name));
            let sources = embedded
                .map(|name| (name.to_string(), Source::Embedded(name.to_string())))
                .chain(found.iter().map(|(stem, path)| (stem.clone(), Source::File(path.clone()))));
            let positive =
                |stem: &str| known.iter().find(|set| set.name == stem).and_then(|set| set.positive);
            sources.map(|(stem, source)| load(&stem, source, positive(&stem), LossKind::Auto)).collect()
        }
    }
}

/// All images of a directory, by name, colours as their mean; none where the experiment has no use for them.
pub fn images(needs: DataNeed, directory: Option<&Path>) -> anyhow::Result<Vec<NamedImage>> {
    let (DataNeed::Images, Some(directory)) = (needs, directory) else { return Ok(Vec::new()) };
    let listed = std::fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    let mut images = Vec::new();
    for entry in listed {
        let path = entry.with_context(|| directory.display().to_string())?.path();
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if ImageFormat::of_name(&file).is_none() || !path.is_file() {
            continue;
        }
        let image = read_image(&path)?;
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        images.push(NamedImage { name, shape: (image.height, image.width), pixels: image.grey() });
    }
    if images.is_empty() {
        bail!("{}: found no image; expected PNG, JPEG, TIFF or NPY files", directory.display());
    }
    images.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(images)
}

fn wanted_sets(
    wanted: &[WantedSet],
    found: &[(String, PathBuf)],
    directory: &Path,
    quiet: bool,
) -> anyhow::Result<Vec<NamedData>> {
    let mut sets = Vec::new();
    let mut missing = Vec::new();
    for set in wanted {
        match found.iter().find(|(stem, _)| stem == set.name) {
            Some((stem, path)) => {
                sets.push(load(stem, Source::File(path.clone()), set.positive, LossKind::Logistic)?)
            }
            None => missing.push(format!("{}.svm", set.name)),
        }
    }
    if sets.is_empty() {
        bail!(
            "{}: found none of the files {}; expected some of them",
            directory.display(),
            missing.join(", ")
        );
    }
    if !missing.is_empty() && !quiet {
        eprintln!("{}: {} not there, and left out", directory.display(), missing.join(", "));
    }
    Ok(sets)
}

/// (name without endings, path) of every LIBSVM file in a directory, by name.
fn files(directory: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let listed = std::fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    let mut files = Vec::new();
    for entry in listed {
        let path = entry.with_context(|| directory.display().to_string())?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let endings = COMPRESSIONS.iter().flat_map(|c| ENDINGS.iter().map(move |e| format!("{e}{c}")));
        if let Some(stem) =
            endings.into_iter().find_map(|ending| name.strip_suffix(&ending).map(str::to_string))
            && path.is_file()
        {
            files.push((stem, path));
        }
    }
    files.sort();
    files.dedup_by(|later, first| later.0 == first.0);
    Ok(files)
}

fn load(name: &str, data: Source, positive: Option<&str>, loss: LossKind) -> anyhow::Result<NamedData> {
    let options = LoadOptions {
        data,
        target: None,
        positive: positive.map(str::to_string),
        groups: None,
        validation: None,
        test: None,
    };
    Ok(NamedData { name: name.to_string(), data: options.read(loss, false)?.data })
}
