//! What a caller may ask of a reader, and how a target is looked up.

use std::path::PathBuf;

use bilevel::data::FeatureNames;

use crate::error::{Place, ReadError};
use crate::format::Format;
use crate::source::Source;

/// How a data file is to be read. The default guesses the format and the target and keeps double precision.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// The format; `None` guesses from the name, then from the content.
    pub format: Option<Format>,
    /// The target: the name of a column (of a member, in `.npz`), the number of a column (from 1; negative numbers count from the end, −1 being the
    /// last), the path of a file that holds it, or `none`.
    ///
    /// `None` takes the label of LIBSVM files, the member `y` of `.npz`, and in tables a column named `target`, `label`, `y` or `class`, else the last.
    pub target: Option<String>,
    /// p, where another file has fixed it: narrower sparse files are widened, anything else must agree.
    pub n_features: Option<usize>,
    /// The features that another file has fixed. Tables are matched by name: columns may stand in any order, others are ignored, missing ones are errors.
    pub feature_names: Option<FeatureNames>,
    /// Store the values of the matrix in single precision.
    pub single_precision: bool,
    /// Whether a file without a target is an error.
    pub require_target: bool,
}

/// Where the target is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TargetChoice {
    /// Where the format usually has it.
    Default,
    /// Nowhere.
    None,
    /// In a file of its own.
    File(PathBuf),
    /// In this column (from 0).
    Column(usize),
}

impl ReadOptions {
    /// p, where the caller has fixed it.
    pub(crate) fn width(&self) -> Option<usize> {
        match &self.feature_names {
            Some(FeatureNames::Named(names)) => Some(names.len()),
            _ => self.n_features,
        }
    }

    /// The names of the features in a format that has none of its own.
    pub(crate) fn positional_names(&self, counted: FeatureNames) -> FeatureNames {
        self.feature_names.clone().unwrap_or(counted)
    }

    /// Interprets the option `target` for a file with these columns (`None`: the format has no columns to choose from).
    pub(crate) fn target_choice(
        &self,
        source: &Source<'_>,
        columns: Option<&[String]>,
    ) -> Result<TargetChoice, ReadError> {
        let Some(wanted) = &self.target else { return Ok(TargetChoice::Default) };
        let names = columns.unwrap_or_default();
        if let Some(j) = names.iter().position(|name| name == wanted) {
            return Ok(TargetChoice::Column(j));
        }
        if wanted == "none" {
            return Ok(TargetChoice::None);
        }
        if std::path::Path::new(wanted).is_file() {
            return Ok(TargetChoice::File(PathBuf::from(wanted)));
        }
        let Some(columns) = columns else {
            let problem = format!(
                "target `{wanted}` is not a file; expected the path of a file or `none`, because the format names no columns"
            );
            return Err(source.mismatch(Place::File, problem));
        };
        if let Ok(number) = wanted.parse::<i64>() {
            return column_number(number, columns.len()).map(TargetChoice::Column).ok_or_else(|| {
                let problem =
                    format!("target column {number}; expected a number from 1 to {}", columns.len());
                source.mismatch(Place::File, problem)
            });
        }
        if !self.require_target && self.width().is_some() {
            return Ok(TargetChoice::None);
        }
        let problem = format!("no column (and no file) named `{wanted}`; {}", nearest(wanted, columns));
        Err(source.mismatch(Place::File, problem))
    }

    /// An error if the caller needs a target and there is none.
    pub(crate) fn check_target<T>(&self, source: &Source<'_>, target: &Option<T>) -> Result<(), ReadError> {
        let wanted_none = self.target.as_deref() == Some("none");
        if self.require_target && target.is_none() && !wanted_none {
            return Err(
                source.mismatch(Place::File, "no target; expected one in the file or in a file of its own")
            );
        }
        Ok(())
    }
}

/// Column `number`, counted from 1 or backwards from −1, as an index from 0.
fn column_number(number: i64, columns: usize) -> Option<usize> {
    let back = usize::try_from(number.unsigned_abs()).ok()?;
    let j = if number > 0 { back.checked_sub(1)? } else { columns.checked_sub(back)? };
    (j < columns).then_some(j)
}

/// A few of the names that are there, those most like `wanted` first.
pub(crate) fn nearest(wanted: &str, names: &[String]) -> String {
    const SHOWN: usize = 5;
    let mut ranked: Vec<(usize, &String)> =
        names.iter().take(10_000).map(|name| (edit_distance(wanted, name), name)).collect();
    ranked.sort_by_key(|(distance, _)| *distance);
    let shown: Vec<String> =
        ranked.iter().take(SHOWN).map(|(_, name)| crate::error::quoted(name.as_bytes())).collect();
    let rest = if names.len() > SHOWN {
        format!(" or one of {} others", names.len() - SHOWN)
    } else {
        String::new()
    };
    format!("expected {}{rest}", shown.join(", "))
}

/// Levenshtein distance without regard to case, over the first 64 characters.
fn edit_distance(a: &str, b: &str) -> usize {
    let letters = |s: &str| s.chars().take(64).flat_map(char::to_lowercase).collect::<Vec<_>>();
    let (a, b) = (letters(a), letters(b));
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_from_one_and_backwards_from_minus_one() {
        let found: Vec<_> = [1, 3, -1, -3, 0, 4, -4].iter().map(|&k| column_number(k, 3)).collect();
        assert_eq!(found, [Some(0), Some(2), Some(2), Some(0), None, None, None]);
    }

    #[test]
    fn edit_distance_counts_insertions_deletions_and_replacements() {
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("Target", "target"), 0);
        assert_eq!(edit_distance("", "abc"), 3);
    }
}
