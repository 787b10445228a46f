//! NumPy archives (`.npz`): dense members `X` and `y`, or a sparse matrix as `scipy.sparse.save_npz` writes it.

use std::io::{Cursor, Read};

use bilevel::data::{FeatureNames, RawData, RawTarget};
use zip::ZipArchive;
use zip::result::ZipError;

use crate::error::{Place, ReadError, quoted};
use crate::npy::Array;
use crate::options::{ReadOptions, TargetChoice};
use crate::source::Source;
use crate::sparse::Triplets;
use crate::storage::Storage;
use crate::target_file::read_target;

/// Reads an archive with its matrix stored as `T`.
pub(crate) fn read<T: Storage>(source: &Source<'_>, options: &ReadOptions) -> Result<RawData, ReadError> {
    let mut archive = Archive::open(source)?;
    let sparse = archive.has("format");
    let matrix_members: &[&str] = if sparse {
        &["format", "shape", "data", "indices", "indptr", "row", "col", "_is_array"]
    } else {
        &["X"]
    };
    if !sparse && !archive.has("X") {
        let members = archive.members();
        let problem = format!(
            "no member `X` (found {}); expected `X` and `y`, or a matrix saved by SciPy",
            members.join(", ")
        );
        return Err(source.malformed(Place::File, problem));
    }
    let candidates: Vec<String> =
        archive.members().into_iter().filter(|m| !matrix_members.contains(&m.as_str())).collect();
    let choice = match options.target_choice(source, Some(&candidates))? {
        TargetChoice::Default => {
            candidates.iter().position(|m| m == "y").map_or(TargetChoice::None, TargetChoice::Column)
        }
        other => other,
    };

    let design = if sparse {
        archive.sparse(options)?.into_design::<T>(source, options)?
    } else {
        let content = archive.member("X")?;
        Array::parse(source, Some("X"), &content)?.matrix::<T>(None, options.width())?.0
    };
    let n_rows = bilevel::design::DesignMatrix::n_rows(&design);
    let target = match choice {
        TargetChoice::Column(k) => Some(archive.target(&candidates[k], n_rows)?),
        TargetChoice::File(path) => Some(read_target(&path, n_rows)?),
        TargetChoice::Default | TargetChoice::None => None,
    };
    options.check_target(source, &target)?;
    let feature_names = options.positional_names(FeatureNames::Counted { first: 1 });
    Ok(RawData { design, target, feature_names })
}

struct Archive<'s, 'a> {
    source: &'s Source<'a>,
    zip: ZipArchive<Cursor<Vec<u8>>>,
}

impl<'s, 'a> Archive<'s, 'a> {
    fn open(source: &'s Source<'a>) -> Result<Self, ReadError> {
        let zip = ZipArchive::new(Cursor::new(source.content()?)).map_err(|e| {
            source.malformed(
                Place::File,
                format!("not a zip archive or a damaged one ({e}); expected a whole NumPy archive"),
            )
        })?;
        Ok(Self { source, zip })
    }

    fn members(&self) -> Vec<String> {
        let names = self.zip.file_names().filter_map(Result::ok);
        let mut members: Vec<String> =
            names.filter_map(|name| name.strip_suffix(".npy").map(str::to_string)).collect();
        members.sort();
        members
    }

    fn has(&self, member: &str) -> bool {
        self.members().iter().any(|m| m == member)
    }

    /// The bytes of a member, decompressed.
    fn member(&mut self, member: &str) -> Result<Vec<u8>, ReadError> {
        let source = self.source;
        let error = |problem: String| source.malformed(Place::Member(member.to_string()), problem);
        let mut file = self.zip.by_name(&format!("{member}.npy")).map_err(|e| match e {
            ZipError::FileNotFound => error("it is missing; expected it beside the others".into()),
            e => error(format!("it cannot be unpacked ({e}); expected a whole member")),
        })?;
        let mut content = Vec::new();
        file.read_to_end(&mut content)
            .map_err(|e| error(format!("it is damaged ({e}); expected a whole member")))?;
        Ok(content)
    }

    fn target(&mut self, member: &str, n_rows: usize) -> Result<RawTarget, ReadError> {
        let content = self.member(member)?;
        Array::parse(self.source, Some(member), &content)?.target(n_rows)
    }

    fn indices(&mut self, member: &str) -> Result<Vec<usize>, ReadError> {
        let content = self.member(member)?;
        Array::parse(self.source, Some(member), &content)?.indices()
    }

    /// A matrix in one of SciPy's layouts.
    fn sparse(&mut self, options: &ReadOptions) -> Result<Triplets, ReadError> {
        let content = self.member("format")?;
        let format = Array::parse(self.source, Some("format"), &content)?;
        if !format.is_text() || format.len() != 1 {
            return Err(format.error("it is not the name of a layout; expected csr, csc or coo"));
        }
        let layout = format.text(0)?;
        let shape = self.indices("shape")?;
        let &[n_rows, n_columns] = shape.as_slice() else {
            let problem = format!("{} dimensions; expected 2, samples times features", shape.len());
            return Err(self.source.malformed(Place::Member("shape".into()), problem));
        };
        let mut triplets =
            Triplets::new(self.source, Place::Member("shape".into()), n_rows, n_columns, options)?;
        let content = self.member("data")?;
        let data = Array::parse(self.source, Some("data"), &content)?;
        let values = data.finite_numbers()?;
        let (rows, columns) = match layout.as_str() {
            "csr" => {
                let (outer, inner) = self.compressed(n_rows, values.len())?;
                (outer, inner)
            }
            "csc" => {
                let (outer, inner) = self.compressed(n_columns, values.len())?;
                (inner, outer)
            }
            "coo" => (
                Positions::Listed(self.indices("row")?, "row"),
                Positions::Listed(self.indices("col")?, "col"),
            ),
            other => {
                let problem = format!("layout {}; expected csr, csc or coo", quoted(other.as_bytes()));
                return Err(self.source.malformed(Place::Member("format".into()), problem));
            }
        };
        let rows = rows.checked(self.source, n_rows, values.len(), "rows")?;
        let columns = columns.checked(self.source, n_columns, values.len(), "columns")?;
        triplets.reserve(values.len());
        for ((row, column), value) in rows.zip(columns).zip(values) {
            triplets.push(row, column, value);
        }
        Ok(triplets)
    }

    /// Outer and inner positions of a compressed layout with `outer` rows (or columns).
    fn compressed(&mut self, outer: usize, stored: usize) -> Result<(Positions, Positions), ReadError> {
        let starts = self.indices("indptr")?;
        let error = |problem: String| self.source.malformed(Place::Member("indptr".into()), problem);
        if starts.len() != outer + 1 {
            return Err(error(format!(
                "{} values; expected {}, one more than the shape says",
                starts.len(),
                outer + 1
            )));
        }
        if let Some(k) = starts.windows(2).position(|w| w[0] > w[1]) {
            return Err(error(format!(
                "{} follows {}; expected values that never decrease",
                starts[k + 1],
                starts[k]
            )));
        }
        if starts.first() != Some(&0) || starts.last() != Some(&stored) {
            return Err(error(format!(
                "it runs from {} to {}; expected 0 to {stored}, the number of values",
                starts[0], starts[outer]
            )));
        }
        Ok((Positions::Starts(starts), Positions::Listed(self.indices("indices")?, "indices")))
    }
}

/// Row or column of each stored value.
enum Positions {
    Listed(Vec<usize>, &'static str),
    Starts(Vec<usize>),
}

impl Positions {
    /// One position below `size` for each stored value.
    fn checked(
        self,
        source: &Source<'_>,
        size: usize,
        stored: usize,
        what: &str,
    ) -> Result<std::vec::IntoIter<usize>, ReadError> {
        let (positions, member) = match self {
            Self::Listed(positions, member) => (positions, member),
            Self::Starts(starts) => {
                let mut positions = Vec::with_capacity(stored);
                for (k, window) in starts.windows(2).enumerate() {
                    positions.resize(positions.len() + window[1] - window[0], k);
                }
                (positions, "indptr")
            }
        };
        if positions.len() != stored {
            let problem = format!("{} values; expected {stored}, as in `data`", positions.len());
            return Err(source.malformed(Place::Member(member.into()), problem));
        }
        if let Some(k) = positions.iter().position(|&position| position >= size) {
            let place = Place::MemberValue { member: member.into(), entry: k + 1 };
            let problem = format!("index {}; expected an index below the {size} {what}", positions[k]);
            return Err(source.malformed(place, problem));
        }
        Ok(positions.into_iter())
    }
}
