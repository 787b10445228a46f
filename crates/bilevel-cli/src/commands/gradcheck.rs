//! `bilevel gradcheck`: the hypergradient against central differences, as a table.

use std::fmt::Write as _;

use bilevel::data::SplitSettings;
use bilevel::fit::{FitInput, GradcheckRow};
use serde_json::json;

use crate::args::GradcheckArgs;
use crate::{exit, text};

/// Largest relative error that passes.
const LARGEST_ERROR: f64 = 1e-6;

pub fn run(args: &GradcheckArgs) -> anyhow::Result<u8> {
    let mut settings = args.model.settings(&args.data, None)?;
    let loaded = args.data.load_options(None).read(settings.loss, settings.single_precision)?;
    if let SplitSettings::Validation(rows) = &mut settings.split {
        *rows = loaded.n_validation;
    }
    let input =
        FitInput { groups: loaded.groups.as_deref(), ..FitInput::new(&loaded.name, &loaded.data, &settings) };
    let rows = bilevel::fit::gradcheck(input, args.parameters)?;
    let largest = rows.iter().map(|row| row.relative_error).fold(0.0, f64::max);
    let passed = rows.iter().all(|row| row.relative_error <= LARGEST_ERROR);
    if args.json {
        let object = json!({
            "data": loaded.name,
            "rows": rows,
            "largest_relative_error": largest,
            "largest_accepted": LARGEST_ERROR,
            "passed": passed,
            "settings": settings,
            "version": env!("CARGO_PKG_VERSION"),
        });
        text::print(&(serde_json::to_string(&object)? + "\n"))?;
    } else {
        text::print(&table(&loaded.name, &rows, passed)?)?;
    }
    Ok(if passed { 0 } else { exit::INTERNAL })
}

fn table(name: &str, rows: &[GradcheckRow], passed: bool) -> anyhow::Result<String> {
    let width =
        rows.iter().map(|row| row.parameter.chars().count()).max().unwrap_or(0).max("parameter".len());
    let mut out =
        format!("{name}: the hypergradient against central differences of the re-solved problem\n\n");
    writeln!(
        out,
        "  {:<width$}  {:>11}  {:>18}  {:>18}  {:>14}",
        "parameter", "value", "hypergradient", "central difference", "relative error"
    )?;
    for row in rows {
        writeln!(
            out,
            "  {:<width$}  {:>11.4e}  {:>18.10e}  {:>18.10e}  {:>14.1e}",
            row.parameter, row.theta, row.hypergradient, row.central_difference, row.relative_error
        )?;
    }
    let verdict = if passed { "all agree" } else { "NOT all agree" };
    writeln!(out, "\n{verdict} to {LARGEST_ERROR:e}, relative")?;
    Ok(out)
}
