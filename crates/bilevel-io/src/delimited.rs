//! Tables in text: comma, semicolon or tab separated, with a header, quoted as RFC 4180 says.
//!
//! Read twice: the first pass counts the rows, checks that all have the width of the header and tells whether the target is numbers or text;
//! the second writes the numbers into the final matrix.

use std::io::Read;

use bilevel::data::{FeatureNames, RawData, RawTarget};
use csv::{ByteRecord, Reader, ReaderBuilder};

use crate::dense::DenseBuilder;
use crate::error::{Place, ReadError, quoted};
use crate::number::{self, NotFinite};
use crate::options::ReadOptions;
use crate::source::Source;
use crate::storage::Storage;
use crate::table::Plan;
use crate::target_file::read_target;
use crate::text_line::{ends_lines_with_crlf, line_of};

/// How fields are separated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Separator {
    /// Commas; or semicolons, where the header has these and no comma.
    Comma,
    Tab,
}

/// Reads a table with its values stored as `T`.
pub(crate) fn read<T: Storage>(
    source: &Source<'_>,
    separator: Separator,
    options: &ReadOptions,
) -> Result<RawData, ReadError> {
    let crlf = ends_lines_with_crlf(&source.head(1 << 16)?);
    let table = Table { source, separator: separator_byte(source, separator)?, crlf };
    let (mut reader, columns) = table.open()?;
    let plan = Plan::new(source, options, &columns, &Place::Line(1))?;
    let shape = table.measure(&mut reader, &columns, &plan)?;
    let (design, target) = table.fill::<T>(&columns, &plan, &shape)?;
    let target = match &plan.target_file {
        Some(path) => Some(read_target(path, shape.n_rows)?),
        None => target,
    };
    Ok(RawData { design, target, feature_names: FeatureNames::Named(plan.names) })
}

type Records<'a> = Reader<Box<dyn Read + 'a>>;

struct Table<'s, 'a> {
    source: &'s Source<'a>,
    separator: u8,
    crlf: bool,
}

struct Shape {
    n_rows: usize,
    target_is_text: bool,
}

impl<'a> Table<'_, 'a> {
    fn open(&self) -> Result<(Records<'a>, Vec<String>), ReadError> {
        let mut reader = ReaderBuilder::new()
            .delimiter(self.separator)
            .has_headers(false)
            .flexible(true)
            .from_reader(self.source.open()?);
        let mut header = ByteRecord::new();
        if !self.next(&mut reader, &mut header)? {
            return Err(self
                .source
                .malformed(Place::Line(1), "the file is empty; expected a header and rows"));
        }
        let columns = self.header(&header)?;
        Ok((reader, columns))
    }

    fn header(&self, header: &ByteRecord) -> Result<Vec<String>, ReadError> {
        let error = |problem: String| self.source.malformed(Place::Line(line_of(header, self.crlf)), problem);
        let columns = header
            .iter()
            .map(|name| match std::str::from_utf8(name.trim_ascii()) {
                Ok(name) => Ok(name.to_string()),
                Err(_) => {
                    Err(error(format!("column name {} is not UTF-8 text; expected UTF-8", quoted(name))))
                }
            })
            .collect::<Result<Vec<_>, _>>()?;
        if columns.iter().all(|name| number::parse(name.as_bytes()) != Err(NotFinite::Text)) {
            return Err(error("only numbers; expected a header that names the columns".into()));
        }
        Ok(columns)
    }

    fn next(&self, reader: &mut Records<'a>, record: &mut ByteRecord) -> Result<bool, ReadError> {
        reader.read_byte_record(record).map_err(|e| match e.into_kind() {
            csv::ErrorKind::Io(e) => self.source.io_error(e),
            other => self.source.malformed(Place::File, format!("{other:?}; expected separated values")),
        })
    }

    fn measure(&self, reader: &mut Records<'a>, columns: &[String], plan: &Plan) -> Result<Shape, ReadError> {
        let mut shape = Shape { n_rows: 0, target_is_text: false };
        let mut record = ByteRecord::new();
        while self.next(reader, &mut record)? {
            if record.len() != columns.len() {
                let (found, expected) = (record.len(), columns.len());
                let s = if found == 1 { "" } else { "s" };
                let problem = format!("{found} field{s}; expected {expected}, as in the header");
                return Err(self.source.malformed(Place::Line(line_of(&record, self.crlf)), problem));
            }
            shape.n_rows += 1;
            if let Some(j) = plan.target {
                shape.target_is_text |= self.target_is_text(&record, j, columns)?;
            }
        }
        if shape.n_rows == 0 {
            return Err(self.source.malformed(Place::Line(1), "only a header; expected rows after it"));
        }
        Ok(shape)
    }

    fn target_is_text(&self, record: &ByteRecord, j: usize, columns: &[String]) -> Result<bool, ReadError> {
        let cell = record.get(j).unwrap_or_default().trim_ascii();
        match number::parse(cell) {
            Ok(_) => Ok(false),
            Err(NotFinite::Text) if is_missing(cell) => {
                Err(self.cell_error(record, &columns[j], missing(cell, "a value of the target")))
            }
            Err(NotFinite::Text) if std::str::from_utf8(cell).is_err() => {
                let problem = format!("found {}, which is not UTF-8; expected UTF-8 text", quoted(cell));
                Err(self.cell_error(record, &columns[j], problem))
            }
            Err(NotFinite::Text) => Ok(true),
            Err(other) => Err(self.cell_error(record, &columns[j], other.problem(cell))),
        }
    }

    fn fill<T: Storage>(
        &self,
        columns: &[String],
        plan: &Plan,
        shape: &Shape,
    ) -> Result<(bilevel::design::Design, Option<RawTarget>), ReadError> {
        let (mut reader, columns_again) = self.open()?;
        if columns_again != columns {
            return Err(self.source.changed());
        }
        let mut matrix = DenseBuilder::<T>::new(self.source, shape.n_rows, plan.features.len())?;
        let (mut numbers, mut texts) = (Vec::new(), Vec::new());
        let mut record = ByteRecord::new();
        let mut row = 0;
        while self.next(&mut reader, &mut record)? {
            if row == shape.n_rows || record.len() != columns.len() {
                return Err(self.source.changed());
            }
            for (feature, &j) in plan.features.iter().enumerate() {
                let cell = record.get(j).unwrap_or_default().trim_ascii();
                number::parse(cell)
                    .map_err(|e| match e {
                        NotFinite::Text if is_missing(cell) => missing(cell, "a number"),
                        e => e.problem(cell),
                    })
                    .and_then(|value| matrix.set(row, feature, value))
                    .map_err(|problem| self.cell_error(&record, &columns[j], problem))?;
            }
            if let Some(j) = plan.target {
                let cell = record.get(j).unwrap_or_default().trim_ascii();
                match number::parse(cell) {
                    _ if shape.target_is_text => texts.push(String::from_utf8_lossy(cell).into_owned()),
                    Ok(value) => numbers.push(value),
                    Err(_) => return Err(self.source.changed()),
                }
            }
            row += 1;
        }
        if row != shape.n_rows {
            return Err(self.source.changed());
        }
        let target = plan
            .target
            .map(|_| if shape.target_is_text { RawTarget::Text(texts) } else { RawTarget::Numbers(numbers) });
        Ok((matrix.finish()?, target))
    }

    fn cell_error(&self, record: &ByteRecord, column: &str, problem: String) -> ReadError {
        let column = column.chars().take(60).collect();
        self.source.malformed(Place::Cell { line: line_of(record, self.crlf), column }, problem)
    }
}

/// Whether a cell is one of the usual ways to write nothing.
fn is_missing(cell: &[u8]) -> bool {
    const MISSING: [&[u8]; 6] = [b"", b"NA", b"N/A", b"null", b"NULL", b"?"];
    MISSING.contains(&cell)
}

fn missing(cell: &[u8], expected: &str) -> String {
    let found = if cell.is_empty() { "an empty cell".to_string() } else { format!("found {}", quoted(cell)) };
    format!("{found}; expected {expected} (missing values must be filled in or left out first)")
}

/// Comma or tab as asked; a header with semicolons and no comma outside quotes means semicolons.
fn separator_byte(source: &Source<'_>, separator: Separator) -> Result<u8, ReadError> {
    if separator == Separator::Tab {
        return Ok(b'\t');
    }
    let head = source.head(1 << 16)?;
    let (mut quoted, mut semicolons) = (false, false);
    for &byte in &head {
        match byte {
            b'"' => quoted = !quoted,
            b',' if !quoted => return Ok(b','),
            b';' if !quoted => semicolons = true,
            b'\n' if !quoted => break,
            _ => {}
        }
    }
    Ok(if semicolons { b';' } else { b',' })
}
