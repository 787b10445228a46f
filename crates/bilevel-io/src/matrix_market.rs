//! Matrix Market text (`.mtx`): `coordinate` and `array`, real, integer or pattern, general, symmetric or skew-symmetric.
//!
//! Source: Boisvert, Pozo, Remington, "The Matrix Market Exchange Formats: Initial Design", NISTIR 5935, 1996.

use bilevel::data::{FeatureNames, RawData};

use crate::dense::DenseBuilder;
use crate::error::{Place, ReadError, quoted};
use crate::lines::Lines;
use crate::number;
use crate::options::{ReadOptions, TargetChoice};
use crate::source::Source;
use crate::sparse::Triplets;
use crate::storage::Storage;
use crate::target_file::read_target;

/// Reads a matrix (rows are samples) with its values stored as `T`; the target, if any, is in a file of its own.
pub(crate) fn read<T: Storage>(source: &Source<'_>, options: &ReadOptions) -> Result<RawData, ReadError> {
    let choice = options.target_choice(source, None)?;
    let mut reader = MatrixReader::open(source)?;
    let (n_rows, design) = match reader.header.layout {
        Layout::Coordinate => {
            let (n_rows, triplets) = reader.coordinates(options)?;
            (n_rows, triplets.into_design::<T>(source, options)?)
        }
        Layout::Array => {
            let (n_rows, n_columns) = reader.array_shape()?;
            if let Some(width) = options.width().filter(|&width| width != n_columns) {
                let problem = format!("{n_columns} columns; expected {width} features");
                return Err(source.mismatch(Place::Line(reader.lines.number()), problem));
            }
            let mut builder = DenseBuilder::<T>::new(source, n_rows, n_columns)?;
            reader.array(n_rows, n_columns, |i, j, value| builder.set(i, j, value))?;
            (n_rows, builder.finish()?)
        }
    };
    let target = match choice {
        TargetChoice::File(path) => Some(read_target(&path, n_rows)?),
        _ => None,
    };
    options.check_target(source, &target)?;
    let feature_names = options.positional_names(FeatureNames::Counted { first: 1 });
    Ok(RawData { design, target, feature_names })
}

/// Reads a matrix of one column or one row as a vector of `n_rows` values.
pub(crate) fn vector(source: &Source<'_>, n_rows: usize) -> Result<Vec<f64>, ReadError> {
    let mut reader = MatrixReader::open(source)?;
    if reader.header.layout != Layout::Array {
        return Err(reader.lines.error("a sparse matrix as the target; expected an `array`"));
    }
    let (n, p) = reader.array_shape()?;
    if n.min(p) != 1 || n.max(p) != n_rows {
        let problem = format!("{n} rows and {p} columns; expected one value for each of {n_rows} samples");
        return Err(source.mismatch(Place::Line(reader.lines.number()), problem));
    }
    let mut values = Vec::with_capacity(n_rows);
    reader.array(n, p, |_, _, value| {
        values.push(value);
        Ok(())
    })?;
    Ok(values)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    Coordinate,
    Array,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Symmetry {
    General,
    Symmetric,
    Skew,
}

struct Header {
    layout: Layout,
    pattern: bool,
    symmetry: Symmetry,
}

struct MatrixReader<'s, 'a> {
    source: &'s Source<'a>,
    lines: Lines<'s, 'a>,
    header: Header,
}

impl<'s, 'a> MatrixReader<'s, 'a> {
    fn open(source: &'s Source<'a>) -> Result<Self, ReadError> {
        let mut lines = Lines::open(source)?;
        let first = lines.next()?.unwrap_or_default();
        let header = Header::parse(first).map_err(|problem| source.malformed(Place::Line(1), problem))?;
        Ok(Self { source, lines, header })
    }

    /// The next line that is neither empty nor a comment, as N numbers in text.
    fn fields<const N: usize>(&mut self, expected: &str) -> Result<Option<[&[u8]; N]>, ReadError> {
        loop {
            match self.lines.next()? {
                None => return Ok(None),
                Some(line) if line.is_empty() || line.starts_with(b"%") => {}
                Some(_) => break,
            }
        }
        let (source, number) = (self.source, self.lines.number());
        let line = self.lines.current();
        let mut fields = [&line[..0]; N];
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let complete = fields.iter_mut().all(|field| words.next().map(|word| *field = word).is_some());
        if !complete || words.next().is_some() {
            let problem = format!("found {}; expected {expected}", quoted(line));
            return Err(source.malformed(Place::Line(number), problem));
        }
        Ok(Some(fields))
    }

    fn counts<const N: usize>(&mut self, expected: &str) -> Result<[usize; N], ReadError> {
        let (source, parsed) = (self.source, self.fields::<N>(expected)?.map(|fields| fields.map(count)));
        let number = self.lines.number();
        let error =
            |found: &str| source.malformed(Place::Line(number), format!("{found}; expected {expected}"));
        let parsed = parsed.ok_or_else(|| error("the file ends before the sizes"))?;
        if parsed.contains(&None) {
            return Err(error("sizes that are no counts"));
        }
        Ok(parsed.map(Option::unwrap_or_default))
    }

    fn coordinates(&mut self, options: &ReadOptions) -> Result<(usize, Triplets), ReadError> {
        let [n_rows, n_columns, stored] = self.counts("three counts: rows, columns, entries")?;
        let size_line = Place::Line(self.lines.number());
        let mut triplets = Triplets::new(self.source, size_line, n_rows, n_columns, options)?;
        self.check_square(n_rows, n_columns)?;
        for seen in 0..stored {
            let entry = if self.header.pattern {
                self.fields("row and column")?.map(|[i, j]| (count(i), count(j), Ok(1.0), Vec::new()))
            } else {
                self.fields("row, column and value")?.map(|[i, j, value]| {
                    (count(i), count(j), number::parse(value), value[..value.len().min(64)].to_vec())
                })
            };
            let Some((i, j, value, text)) = entry else {
                let problem = format!("the file ends after {seen} entries; expected {stored}");
                return Err(self.lines.error(problem));
            };
            let within = |index: Option<usize>, size| index.filter(|&k| k >= 1 && k <= size).map(|k| k - 1);
            let (Some(i), Some(j)) = (within(i, n_rows), within(j, n_columns)) else {
                let problem = format!(
                    "an entry outside the matrix; expected rows from 1 to {n_rows} and columns from 1 to {n_columns}"
                );
                return Err(self.lines.error(problem));
            };
            let value = value.map_err(|e| self.lines.error(e.problem(&text)))?;
            triplets.push(i, j, value);
            match self.header.symmetry {
                Symmetry::Symmetric if i != j => triplets.push(j, i, value),
                Symmetry::Skew if i != j => triplets.push(j, i, -value),
                _ => {}
            }
        }
        self.expect_end(stored)?;
        Ok((n_rows, triplets))
    }

    /// Rows and columns of a dense matrix, both checked against the length of the file.
    fn array_shape(&mut self) -> Result<(usize, usize), ReadError> {
        let [n_rows, n_columns] = self.counts("two counts: rows, columns")?;
        self.check_square(n_rows, n_columns)?;
        if n_rows == 0 || n_columns == 0 {
            let problem = format!("{n_rows} rows and {n_columns} columns; expected at least one of each");
            return Err(self.lines.error(problem));
        }
        // a value takes two bytes of text, a symmetric matrix half the values
        let possible = match self.source.content_bytes() {
            Some(bytes) => bytes as usize,
            None => self.source.content()?.len(),
        };
        if n_rows.checked_mul(n_columns).is_none_or(|size| size > possible) {
            let problem = format!(
                "{n_rows} rows and {n_columns} columns; expected a size that matches the {possible} bytes of the file"
            );
            return Err(self.lines.error(problem));
        }
        Ok((n_rows, n_columns))
    }

    /// The values of a dense matrix, column by column; of a symmetric one, from the diagonal downwards.
    fn array(
        &mut self,
        n_rows: usize,
        n_columns: usize,
        mut set: impl FnMut(usize, usize, f64) -> Result<(), String>,
    ) -> Result<(), ReadError> {
        let mut seen = 0;
        for j in 0..n_columns {
            let first = match self.header.symmetry {
                Symmetry::General => 0,
                Symmetry::Symmetric => j,
                Symmetry::Skew => j + 1,
            };
            for i in first..n_rows {
                let value = self
                    .fields("one value")?
                    .map(|[value]| number::parse(value).map_err(|e| e.problem(value)));
                let value = match value {
                    Some(Ok(value)) => value,
                    Some(Err(problem)) => return Err(self.lines.error(problem)),
                    None => {
                        let problem = format!(
                            "the file ends after {seen} values; expected more for {n_rows} rows and {n_columns} columns"
                        );
                        return Err(self.lines.error(problem));
                    }
                };
                let mirrored = match self.header.symmetry {
                    Symmetry::Symmetric if i != j => set(j, i, value),
                    Symmetry::Skew => set(j, i, -value),
                    _ => Ok(()),
                };
                set(i, j, value).and(mirrored).map_err(|problem| self.lines.error(problem))?;
                seen += 1;
            }
        }
        self.expect_end(seen)
    }

    fn check_square(&self, n_rows: usize, n_columns: usize) -> Result<(), ReadError> {
        if self.header.symmetry != Symmetry::General && n_rows != n_columns {
            let problem = format!(
                "{n_rows} rows and {n_columns} columns; expected a square matrix, because it is symmetric"
            );
            return Err(self.lines.error(problem));
        }
        Ok(())
    }

    fn expect_end(&mut self, stored: usize) -> Result<(), ReadError> {
        while let Some(line) = self.lines.next()? {
            if !line.is_empty() && !line.starts_with(b"%") {
                return Err(self.lines.error(format!(
                    "more than the {stored} entries that the sizes announce; expected the end of the file"
                )));
            }
        }
        Ok(())
    }
}

impl Header {
    fn parse(line: &[u8]) -> Result<Self, String> {
        let line = String::from_utf8_lossy(&line[..line.len().min(200)]).to_ascii_lowercase();
        let mut words = line.split_whitespace();
        let found = quoted(line.as_bytes());
        if (words.next(), words.next()) != (Some("%%matrixmarket"), Some("matrix")) {
            return Err(format!("found {found}; expected `%%MatrixMarket matrix …`"));
        }
        let layout = match words.next() {
            Some("coordinate") => Layout::Coordinate,
            Some("array") => Layout::Array,
            _ => return Err(format!("found {found}; expected `coordinate` or `array` as the layout")),
        };
        let pattern = match words.next() {
            Some("real" | "integer" | "double") => false,
            Some("pattern") if layout == Layout::Coordinate => true,
            _ => {
                return Err(format!(
                    "found {found}; expected `real`, `integer` or (sparse only) `pattern` values"
                ));
            }
        };
        let symmetry = match words.next() {
            Some("general") => Symmetry::General,
            Some("symmetric") => Symmetry::Symmetric,
            Some("skew-symmetric") => Symmetry::Skew,
            _ => return Err(format!("found {found}; expected `general`, `symmetric` or `skew-symmetric`")),
        };
        Ok(Self { layout, pattern, symmetry })
    }
}

fn count(word: &[u8]) -> Option<usize> {
    std::str::from_utf8(word).ok()?.parse().ok()
}
