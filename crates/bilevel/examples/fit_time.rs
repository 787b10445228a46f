//! The fits that `benchmarks/python_overhead.py` compares Python's with: `fit_time FOLDER`.
//!
//! The folder holds the matrix by columns, target, splits and settings as that script writes them. For every line on the standard input the model is
//! fitted once, and a line with the criterion and the bytes by which memory grew at its peak is printed.

use std::fs;
use std::io::{BufRead, Write};
use std::path::Path;

use bilevel::data::{Dataset, FeatureNames, SplitRows, Target};
use bilevel::design::{CscMatrix, DenseMatrix, Design};
use bilevel::fit::{FitInput, FitSettings, Silent, fit};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let folder = std::env::args().nth(1).ok_or("expected the folder of a task")?;
    let folder = Path::new(&folder);
    let data = read(folder)?;
    let settings: FitSettings = serde_json::from_str(&fs::read_to_string(folder.join("settings.json"))?)?;
    let splits: Vec<SplitRows> = serde_json::from_str(&fs::read_to_string(folder.join("splits.json"))?)?;
    for line in std::io::stdin().lock().lines() {
        line?;
        // Makes the present memory the peak, where the system knows how.
        let _ = fs::write("/proc/self/clear_refs", "5");
        let before = memory("VmRSS:");
        let input = FitInput { splits: Some(&splits), ..FitInput::new("task", &data, &settings) };
        let answer = fit(input, &mut Silent)?;
        let grown = memory("VmHWM:").saturating_sub(before);
        println!("{} {grown}", answer.record.criterion.value);
        std::io::stdout().flush()?;
    }
    Ok(())
}

fn read(folder: &Path) -> Result<Dataset> {
    let numbers = |name: &str| -> Result<Vec<f64>> {
        let bytes = fs::read(folder.join(name))?;
        Ok(bytes.chunks_exact(8).filter_map(|b| Some(f64::from_le_bytes(b.try_into().ok()?))).collect())
    };
    let indices = |name: &str| -> Result<Vec<u32>> {
        let bytes = fs::read(folder.join(name))?;
        Ok(bytes.chunks_exact(4).filter_map(|b| Some(u32::from_le_bytes(b.try_into().ok()?))).collect())
    };
    let target = numbers("target")?;
    let (n, values) = (target.len(), numbers("values")?);
    let design = if folder.join("starts").exists() {
        let starts = indices("starts")?.into_iter().map(|start| start as usize).collect();
        Design::Sparse(CscMatrix::new(n, starts, indices("rows")?, values)?)
    } else {
        Design::Dense(DenseMatrix::new(n, values.len() / n, values)?)
    };
    Ok(Dataset::new(design, Target::Real(target), FeatureNames::Counted { first: 0 })?)
}

/// Bytes, from a line of `/proc/self/status`; 0 where there is none.
fn memory(key: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|l| l.split_whitespace().next()?.parse().ok())
        .map_or(0, |kilobytes: usize| kilobytes * 1024)
}
