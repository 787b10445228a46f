//! Tables with named columns (CSV, Parquet): which column is the target, which are the features, and in what order.

use std::collections::HashMap;
use std::path::PathBuf;

use bilevel::data::FeatureNames;

use crate::error::{Place, ReadError, quoted};
use crate::options::{ReadOptions, TargetChoice, nearest};
use crate::source::Source;

/// Names that mark a target column, in order of preference.
const TARGET_NAMES: [&str; 4] = ["target", "label", "y", "class"];

/// What each column of a table is for.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The target column.
    pub(crate) target: Option<usize>,
    /// The file that holds the target instead.
    pub(crate) target_file: Option<PathBuf>,
    /// The columns of the features, in the order of the matrix.
    pub(crate) features: Vec<usize>,
    /// Their names.
    pub(crate) names: Vec<String>,
}

impl Plan {
    /// Decides from the names in the header; `place` is where the header stands.
    pub(crate) fn new(
        source: &Source<'_>,
        options: &ReadOptions,
        columns: &[String],
        place: &Place,
    ) -> Result<Self, ReadError> {
        let position = positions(source, columns, place)?;
        let expected = match &options.feature_names {
            Some(FeatureNames::Named(names)) => Some(names.as_slice()),
            _ => None,
        };
        let (target, target_file) = match options.target_choice(source, Some(columns))? {
            TargetChoice::Column(j) => (Some(j), None),
            TargetChoice::File(path) => (None, Some(path)),
            TargetChoice::None => (None, None),
            TargetChoice::Default => (default_target(columns, expected, options.n_features), None),
        };
        if target_file.is_none() {
            options.check_target(source, &target)?;
        }
        let features = match expected {
            Some(names) => names
                .iter()
                .map(|name| match position.get(name.as_str()) {
                    Some(&j) if Some(j) == target => Err(source.mismatch(
                        place.clone(),
                        format!("column {} is the target; expected it as a feature", quoted(name.as_bytes())),
                    )),
                    Some(&j) => Ok(j),
                    None => Err(source.mismatch(
                        place.clone(),
                        format!("no column named {}; {}", quoted(name.as_bytes()), nearest(name, columns)),
                    )),
                })
                .collect::<Result<Vec<_>, _>>()?,
            None => (0..columns.len()).filter(|&j| Some(j) != target).collect(),
        };
        if features.is_empty() {
            return Err(
                source.mismatch(place.clone(), "no feature columns; expected at least one beside the target")
            );
        }
        if let Some(width) = options.width().filter(|&width| width != features.len()) {
            let problem = format!("{} feature columns; expected {width}", features.len());
            return Err(source.mismatch(place.clone(), problem));
        }
        let names = features.iter().map(|&j| columns[j].clone()).collect();
        Ok(Self { target, target_file, features, names })
    }
}

/// Where each name stands; every column must have a name of its own.
fn positions<'c>(
    source: &Source<'_>,
    columns: &'c [String],
    place: &Place,
) -> Result<HashMap<&'c str, usize>, ReadError> {
    let mut position = HashMap::with_capacity(columns.len());
    for (j, name) in columns.iter().enumerate() {
        if name.is_empty() {
            let problem = format!("column {} has no name; expected a name for each column", j + 1);
            return Err(source.malformed(place.clone(), problem));
        }
        if let Some(first) = position.insert(name.as_str(), j) {
            let problem = format!(
                "columns {} and {} are both named {}; expected distinct names",
                first + 1,
                j + 1,
                quoted(name.as_bytes())
            );
            return Err(source.malformed(place.clone(), problem));
        }
    }
    Ok(position)
}

/// A column that is called like a target, else the last one; never one that is known to be a feature.
fn default_target(columns: &[String], expected: Option<&[String]>, width: Option<usize>) -> Option<usize> {
    if expected.is_none() && width == Some(columns.len()) {
        return None;
    }
    let is_feature = |name: &String| expected.is_some_and(|names| names.contains(name));
    let named = TARGET_NAMES
        .iter()
        .find_map(|wanted| columns.iter().position(|c| c.eq_ignore_ascii_case(wanted) && !is_feature(c)));
    named.or_else(|| columns.len().checked_sub(1).filter(|&last| !is_feature(&columns[last])))
}
