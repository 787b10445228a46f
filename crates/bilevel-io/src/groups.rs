//! Groups of features from a file: one label a line for each feature, or a table `feature,group`.

use std::collections::HashMap;
use std::path::Path;

use bilevel::data::FeatureNames;

use crate::error::{Place, ReadError, quoted};
use crate::lines::Lines;
use crate::options::nearest;
use crate::source::Source;
use crate::text_line::{ends_lines_with_crlf, line_of};

/// Reads the group of each of `n_features` features, as numbers from 0 in the order in which the labels first appear (feature by feature).
///
/// The file is text: one label a line, line j for feature j; or a table with the header `feature,group` that names each feature once, in any order.
/// It may be compressed.
///
/// # Errors
/// [`ReadError`] if a feature has no group, two groups, or is unknown, or the number of lines differs from `n_features`.
pub fn read_groups(
    path: impl AsRef<Path>,
    feature_names: &FeatureNames,
    n_features: usize,
) -> Result<Vec<usize>, ReadError> {
    groups_from(&Source::file(path.as_ref())?, feature_names, n_features)
}

/// Reads groups from memory, as [`read_groups`] does from a file.
///
/// # Errors
/// As [`read_groups`].
pub fn read_groups_bytes(
    name: &str,
    bytes: &[u8],
    feature_names: &FeatureNames,
    n_features: usize,
) -> Result<Vec<usize>, ReadError> {
    groups_from(&Source::memory(name, bytes)?, feature_names, n_features)
}

fn groups_from(
    source: &Source<'_>,
    feature_names: &FeatureNames,
    n_features: usize,
) -> Result<Vec<usize>, ReadError> {
    let head = source.head(1 << 12)?;
    let first = head.split(|&b| b == b'\n').next().unwrap_or_default();
    let header: Vec<&[u8]> = first.trim_ascii().splitn(2, |&b| b == b',').map(<[u8]>::trim_ascii).collect();
    let labels = if header == [b"feature".as_slice(), b"group".as_slice()] {
        from_table(source, feature_names, n_features)?
    } else {
        from_lines(source, n_features)?
    };
    Ok(numbered(&labels))
}

fn from_lines(source: &Source<'_>, n_features: usize) -> Result<Vec<String>, ReadError> {
    let mut lines = Lines::open(source)?;
    let mut labels = Vec::new();
    while let Some(label) = lines.next()? {
        if label.is_empty() {
            return Err(lines.error("an empty line; expected the group of a feature"));
        }
        let label = utf8(source, lines.number(), lines.current())?;
        if labels.len() == n_features {
            let problem = format!("more than {n_features} lines; expected one for each feature");
            return Err(source.mismatch(Place::Line(lines.number()), problem));
        }
        labels.push(label);
    }
    if labels.len() < n_features {
        let problem = format!(
            "the file ends after {} lines; expected one for each of {n_features} features",
            labels.len()
        );
        return Err(source.mismatch(Place::Line(labels.len().max(1) as u64), problem));
    }
    Ok(labels)
}

fn from_table(
    source: &Source<'_>,
    feature_names: &FeatureNames,
    n_features: usize,
) -> Result<Vec<String>, ReadError> {
    let names: Vec<String> = (0..n_features).map(|j| feature_names.name(j)).collect();
    let position: HashMap<&str, usize> =
        names.iter().enumerate().map(|(j, name)| (name.as_str(), j)).collect();
    let crlf = ends_lines_with_crlf(&source.head(1 << 16)?);
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(source.open()?);
    let mut labels: Vec<Option<String>> = vec![None; n_features];
    let mut record = csv::ByteRecord::new();
    let mut last_line = 1;
    while reader.read_byte_record(&mut record).map_err(|e| match e.into_kind() {
        csv::ErrorKind::Io(e) => source.io_error(e),
        other => source.malformed(Place::File, format!("{other:?}; expected feature,group")),
    })? {
        let line = line_of(&record, crlf);
        last_line = line;
        let error = |problem: String| source.mismatch(Place::Line(line), problem);
        let [feature, group] = [0, 1].map(|k| record.get(k).unwrap_or_default().trim_ascii());
        if record.len() != 2 || feature.is_empty() || group.is_empty() {
            return Err(error("expected two fields, the name of a feature and its group".into()));
        }
        let feature = utf8(source, line, feature)?;
        let Some(&j) = position.get(feature.as_str()) else {
            let shown = quoted(feature.as_bytes());
            return Err(error(format!("no feature named {shown}; {}", nearest(&feature, &names))));
        };
        if labels[j].is_some() {
            let problem =
                format!("feature {} stands twice; expected one group for each", quoted(feature.as_bytes()));
            return Err(error(problem));
        }
        labels[j] = Some(utf8(source, line, group)?);
    }
    labels
        .into_iter()
        .zip(&names)
        .map(|(label, name)| {
            label.ok_or_else(|| {
                let problem =
                    format!("no group for feature {}; expected one for each", quoted(name.as_bytes()));
                source.mismatch(Place::Line(last_line), problem)
            })
        })
        .collect()
}

fn utf8(source: &Source<'_>, line: u64, text: &[u8]) -> Result<String, ReadError> {
    std::str::from_utf8(text).map(str::to_string).map_err(|_| {
        let problem = format!("found {}, which is not UTF-8; expected UTF-8 text", quoted(text));
        source.malformed(Place::Line(line), problem)
    })
}

/// Labels as numbers in the order of their first appearance.
fn numbered(labels: &[String]) -> Vec<usize> {
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    labels
        .iter()
        .map(|label| {
            let next = numbers.len();
            *numbers.entry(label).or_insert(next)
        })
        .collect()
}
