//! `model.json`: a fit on disk, in a versioned layout (docs/model-schema.md), or a model of cleaned samples.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use bilevel::fit::{Fit, Model, SCHEMA_VERSION};
use bilevel_io::ReadOptions;
use serde::{Deserialize, Serialize};

/// Name of the model inside an output directory.
pub const MODEL_FILE: &str = "model.json";

#[derive(Serialize)]
struct Written<'a, R> {
    schema: u32,
    target: Option<&'a str>,
    model: &'a Model,
    record: &'a R,
}

/// Only the number of the layout: read first, so that a file of another version is called that.
#[derive(Deserialize)]
struct Layout {
    schema: u32,
}

/// All that prediction needs.
#[derive(Deserialize)]
pub struct StoredModel {
    pub model: Model,
    /// The target column that was asked for in training, where there was a wish.
    #[serde(default)]
    pub target: Option<String>,
}

/// The text of a model file: the model, with the record of how it came about; `target` is the target column that was asked for.
///
/// # Errors
/// The record cannot be put into JSON.
pub fn to_text<R: Serialize>(model: &Model, record: &R, target: Option<&str>) -> anyhow::Result<String> {
    let written = Written { schema: SCHEMA_VERSION, target, model, record };
    Ok(serde_json::to_string_pretty(&written)? + "\n")
}

/// Reads the model from a model file, or from the directory that holds one.
///
/// # Errors
/// A file that cannot be read, is no model, or has another layout.
pub fn read_model(path: &Path) -> anyhow::Result<StoredModel> {
    let (file, text) = read_text(path)?;
    let stored: StoredModel = parse(&file, &text)?;
    check(&file, &stored.model)?;
    Ok(stored)
}

/// Reads the whole fit, without what is not stored (feature weights, predictions).
///
/// # Errors
/// A file that cannot be read, is no model, or has another layout.
pub fn read_fit(path: &Path) -> anyhow::Result<Fit> {
    let (file, text) = read_text(path)?;
    let fit: Fit = parse(&file, &text)?;
    check(&file, &fit.model)?;
    Ok(fit)
}

/// Reading a file with the features of a model.
pub fn aligned(model: &Model, target: Option<String>, require_target: bool) -> ReadOptions {
    ReadOptions {
        target,
        n_features: Some(model.n_features),
        feature_names: Some(model.feature_names.clone()),
        require_target,
        ..ReadOptions::default()
    }
}

fn read_text(path: &Path) -> anyhow::Result<(PathBuf, String)> {
    let file = if path.is_dir() { path.join(MODEL_FILE) } else { path.to_path_buf() };
    let bytes = std::fs::read(&file).with_context(|| format!("{}: cannot be read", file.display()))?;
    let text = String::from_utf8(bytes).map_err(|_| {
        anyhow!("{}: found bytes that are not UTF-8; expected a model.json of `bilevel fit`", file.display())
    })?;
    Ok((file, text))
}

fn parse<T: for<'de> Deserialize<'de>>(file: &Path, text: &str) -> anyhow::Result<T> {
    let name = file.display();
    let wrong = |e: serde_json::Error| {
        anyhow!("{name}: line {}: {e}; expected a model.json of `bilevel fit`", e.line())
    };
    let Layout { schema } = serde_json::from_str(text).map_err(wrong)?;
    if schema != SCHEMA_VERSION {
        bail!(
            "{name}: model layout {schema}; expected {SCHEMA_VERSION}, the one of bilevel {}",
            env!("CARGO_PKG_VERSION")
        );
    }
    serde_json::from_str(text).map_err(wrong)
}

/// A model edited by hand must not lead to wrong predictions.
fn check(file: &Path, model: &Model) -> anyhow::Result<()> {
    let increasing = model.support.windows(2).all(|w| w[0] < w[1]);
    let inside = model.support.last().is_none_or(|&j| j < model.n_features);
    if !increasing || !inside || model.support.len() != model.coefficients.len() {
        bail!(
            "{}: {} support indices for {} coefficients of {} features; expected one increasing index below the number of features for each",
            file.display(),
            model.support.len(),
            model.coefficients.len(),
            model.n_features
        );
    }
    Ok(())
}
