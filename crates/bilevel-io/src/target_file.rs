//! A target in a file of its own: `.npy`, Matrix Market array, or text with one value a line.

use std::path::Path;

use bilevel::data::RawTarget;

use crate::error::{Place, ReadError, quoted};
use crate::format::Format;
use crate::lines::Lines;
use crate::matrix_market;
use crate::npy::Array;
use crate::number::{self, NotFinite};
use crate::source::Source;

/// Reads one value for each of `n_rows` samples.
pub(crate) fn read_target(path: &Path, n_rows: usize) -> Result<RawTarget, ReadError> {
    target_from(&Source::file(path)?, n_rows)
}

pub(crate) fn target_from(source: &Source<'_>, n_rows: usize) -> Result<RawTarget, ReadError> {
    let head = source.head(16)?;
    if head.starts_with(b"\x93NUMPY") || Format::of_name(&source.plain_name()) == Some(Format::Npy) {
        let content = source.content()?;
        return Array::parse(source, None, &content)?.target(n_rows);
    }
    if head.starts_with(b"%%MatrixMarket") {
        return matrix_market::vector(source, n_rows).map(RawTarget::Numbers);
    }
    text(source, n_rows)
}

/// One value a line; a first line that is not a number is a header where the others are.
fn text(source: &Source<'_>, n_rows: usize) -> Result<RawTarget, ReadError> {
    let mut lines = Lines::open(source)?;
    let mut values: Vec<(u64, String)> = Vec::new();
    loop {
        let Some(line) = lines.next()? else { break };
        if line.is_empty() {
            continue;
        }
        let Ok(value) = std::str::from_utf8(line) else {
            let problem = format!("found {}, which is not UTF-8; expected UTF-8 text", quoted(line));
            return Err(lines.error(problem));
        };
        let value = value.trim_matches('"').to_string();
        if values.len() > n_rows {
            let problem = format!("more than {n_rows} values; expected one for each sample");
            return Err(source.mismatch(Place::Line(lines.number()), problem));
        }
        values.push((lines.number(), value));
    }
    if values.len() == n_rows + 1 && is_header(&values) {
        values.remove(0);
    }
    if values.len() != n_rows {
        let place = Place::Line(values.last().map_or(1, |v| v.0));
        let problem =
            format!("the file ends after {} values; expected one for each of {n_rows} samples", values.len());
        return Err(source.mismatch(place, problem));
    }
    let mut numbers = Vec::with_capacity(n_rows);
    for (line, value) in &values {
        match number::parse(value.as_bytes()) {
            Ok(number) => numbers.push(number),
            Err(NotFinite::Text) => {
                return Ok(RawTarget::Text(values.into_iter().map(|v| v.1).collect()));
            }
            Err(other) => return Err(source.malformed(Place::Line(*line), other.problem(value.as_bytes()))),
        }
    }
    Ok(RawTarget::Numbers(numbers))
}

fn is_header(values: &[(u64, String)]) -> bool {
    let is_number = |v: &(u64, String)| number::parse(v.1.as_bytes()) != Err(NotFinite::Text);
    values.split_first().is_some_and(|(first, _)| !is_number(first))
}
