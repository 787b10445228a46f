//! What a fit leaves in its output directory: `model.json`, `coefficients.csv`, `trace.jsonl`, `report.html`.
//!
//! Each file is written beside its place and renamed, the model last: while it is missing, or a checkpoint lies beside it, the fit is not done.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context;
use bilevel::fit::Fit;
use bilevel::outer::Step;
use bilevel_io::{Column, write_atomically, write_coefficients_csv};

use crate::checkpoint::CHECKPOINT_FILE;
use crate::model_file;

/// The trace: one outer step a line.
pub const TRACE_FILE: &str = "trace.jsonl";
/// The coefficient table.
const COEFFICIENTS_FILE: &str = "coefficients.csv";
/// The report for people.
pub const REPORT_FILE: &str = "report.html";
/// With more features than this, the table lists only those with a nonzero coefficient.
const WHOLE_TABLE_FEATURES: usize = 100_000;

/// Writes all four files into `directory`, which is made if it is missing; `target` is the target column that was asked for.
///
/// # Errors
/// The directory cannot be made or a file not written.
pub fn write_all(directory: &Path, fit: &Fit, target: Option<&str>) -> anyhow::Result<()> {
    std::fs::create_dir_all(directory).with_context(|| format!("{}: cannot be made", directory.display()))?;
    write_coefficients(&directory.join(COEFFICIENTS_FILE), fit)?;
    write_text(&directory.join(TRACE_FILE), &trace_lines(&fit.record.trace)?)?;
    write_text(&directory.join(REPORT_FILE), &bilevel_report::render(fit))?;
    write_text(
        &directory.join(model_file::MODEL_FILE),
        &model_file::to_text(&fit.model, &fit.record, target)?,
    )
}

/// Writes a text, whole or not at all.
///
/// # Errors
/// The file cannot be written.
pub fn write_text(path: &Path, text: &str) -> anyhow::Result<()> {
    Ok(write_atomically(path, |out| out.write_all(text.as_bytes()))?)
}

/// Removes the temporary files that a killed run left behind.
///
/// # Errors
/// The directory cannot be listed, or a file not removed.
pub fn sweep(directory: &Path) -> std::io::Result<()> {
    const OURS: [&str; 5] =
        [COEFFICIENTS_FILE, TRACE_FILE, REPORT_FILE, model_file::MODEL_FILE, CHECKPOINT_FILE];
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let beside_ours = OURS.iter().any(|ours| name.starts_with(&format!(".{ours}.")));
        if beside_ours && name.ends_with(".tmp") {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// One JSON object a line.
///
/// # Errors
/// A step cannot be put into JSON.
pub fn trace_lines(trace: &[Step]) -> anyhow::Result<String> {
    let mut text = String::new();
    for step in trace {
        writeln!(text, "{}", serde_json::to_string(step)?)?;
    }
    Ok(text)
}

/// `feature,coefficient,weight`, in the order of the features; an excluded feature has the weight `inf`.
fn write_coefficients(path: &Path, fit: &Fit) -> anyhow::Result<()> {
    let model = &fit.model;
    let mut dense = vec![0.0; model.n_features];
    for (&j, &coefficient) in model.support.iter().zip(&model.coefficients) {
        if let Some(slot) = dense.get_mut(j) {
            *slot = coefficient;
        }
    }
    let listed: Vec<usize> = if model.n_features > WHOLE_TABLE_FEATURES {
        model.support.clone()
    } else {
        (0..model.n_features).collect()
    };
    let names: Vec<String> = listed.iter().map(|&j| model.feature_names.name(j)).collect();
    let pick = |values: &[f64]| listed.iter().filter_map(|&j| values.get(j).copied()).collect::<Vec<f64>>();
    let weights = pick(&fit.feature_weights);
    let more = [("weight", Column::Numbers(&weights))];
    Ok(write_coefficients_csv(path, &names, &pick(&dense), &more)?)
}

/// A text as one field of a CSV record (RFC 4180).
pub fn csv_field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_string()
    }
}
