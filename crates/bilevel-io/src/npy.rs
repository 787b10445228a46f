//! NumPy arrays (`.npy`): a header in the shape of a Python dictionary, then the values.
//!
//! The size that the header claims is checked against the bytes that are there before anything is allocated.
//! Source: the NumPy Enhancement Proposal 1, "A simple file format for NumPy arrays" (versions 1.0 to 3.0).

use std::io::{self, Read};

use bilevel::data::{FeatureNames, RawData, RawTarget};
use bilevel::design::Design;

use crate::dense::DenseBuilder;
use crate::error::{Place, ReadError, quoted};
use crate::options::{ReadOptions, TargetChoice};
use crate::scan::BLOCK;
use crate::source::Source;
use crate::storage::Storage;
use crate::target_file::read_target;

/// Reads a two-dimensional array as features, one column of it being the target unless that is elsewhere.
pub(crate) fn read<T: Storage>(source: &Source<'_>, options: &ReadOptions) -> Result<RawData, ReadError> {
    with_array(source, |array| matrix_and_target::<T>(source, array, options))
}

/// Opens a file that is one array.
pub(crate) fn with_array<R>(
    source: &Source<'_>,
    read: impl FnOnce(Array<'_, '_, '_>) -> Result<R, ReadError>,
) -> Result<R, ReadError> {
    match source.content_bytes() {
        Some(bytes) => read(Array::parse(source, None, &mut source.open()?, bytes)?),
        // how long a compressed file is, is known once it has been decompressed
        None => {
            let content = source.content()?;
            read(Array::parse(source, None, &mut content.as_slice(), content.len() as u64)?)
        }
    }
}

fn matrix_and_target<T: Storage>(
    source: &Source<'_>,
    array: Array<'_, '_, '_>,
    options: &ReadOptions,
) -> Result<RawData, ReadError> {
    let (n_rows, n_columns) = array.matrix_shape()?;
    let columns: Vec<String> = (1..=n_columns).map(|j| j.to_string()).collect();
    let choice = options.target_choice(source, Some(&columns))?;
    let target_column = match choice {
        TargetChoice::Column(j) => Some(j),
        TargetChoice::None | TargetChoice::File(_) => None,
        TargetChoice::Default => n_columns.checked_sub(1).filter(|_| options.width() != Some(n_columns)),
    };
    let (design, target) = array.matrix::<T>(target_column, options.width())?;
    let target = match choice {
        TargetChoice::File(path) => Some(read_target(&path, n_rows)?),
        _ => target.map(RawTarget::Numbers),
    };
    options.check_target(source, &target)?;
    let feature_names = options.positional_names(FeatureNames::Counted { first: 1 });
    Ok(RawData { design, target, feature_names })
}

/// An array whose header is understood and whose values are still to be read.
pub(crate) struct Array<'s, 'a, 'b> {
    source: &'s Source<'a>,
    member: Option<&'b str>,
    item: ItemType,
    fortran_order: bool,
    shape: Vec<usize>,
    length: usize,
    reader: &'b mut dyn Read,
}

impl<'s, 'a, 'b> Array<'s, 'a, 'b> {
    /// Understands the header. `member` names the array inside an archive; `content_bytes` is how long header and values are together.
    pub(crate) fn parse(
        source: &'s Source<'a>,
        member: Option<&'b str>,
        reader: &'b mut dyn Read,
        content_bytes: u64,
    ) -> Result<Self, ReadError> {
        let error = |problem: String| match member {
            Some(member) => source.malformed(Place::Member(member.to_string()), problem),
            None => source.malformed(Place::Header, problem),
        };
        let (header, header_bytes) = read_header(reader).map_err(|e| match e {
            HeaderError::Read(e) => read_error(source, member, e),
            HeaderError::Format(problem) => error(problem.to_string()),
        })?;
        let Header { descr, fortran_order, shape } = Header::parse(&header).map_err(error)?;
        let item = ItemType::parse(&descr).map_err(error)?;
        let found = content_bytes.saturating_sub(header_bytes);
        let length = shape.iter().try_fold(1_usize, |n, &d| n.checked_mul(d));
        let claimed = length.and_then(|n| n.checked_mul(item.bytes));
        let Some(length) = length.filter(|_| claimed.is_some_and(|bytes| bytes as u64 == found)) else {
            let shape = shape.iter().map(usize::to_string).collect::<Vec<_>>().join(" x ");
            return Err(error(match claimed {
                Some(claimed) => format!(
                    "the shape {shape} needs {claimed} bytes of values but {found} follow the header; expected a whole array"
                ),
                None => format!(
                    "the shape {shape} is beyond any memory; expected a shape that matches the {found} bytes of values"
                ),
            }));
        };
        Ok(Self { source, member, item, fortran_order, shape, length, reader })
    }

    /// The number of values.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// The extents, slowest first unless [`Array::is_column_major`].
    pub(crate) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Whether the first index is the fastest in the order of the file.
    pub(crate) fn is_column_major(&self) -> bool {
        self.fortran_order
    }

    /// How many bits a value has, and whether it is a floating-point number, a signed integer, or neither.
    pub(crate) fn number_type(&self) -> (usize, bool, bool) {
        (8 * self.item.bytes, self.item.kind == Kind::Float, self.item.kind == Kind::Signed)
    }

    pub(crate) fn is_text(&self) -> bool {
        matches!(self.item.kind, Kind::Ascii | Kind::Unicode)
    }

    /// Rows and columns of an array that must have both.
    pub(crate) fn matrix_shape(&self) -> Result<(usize, usize), ReadError> {
        match *self.shape {
            [n, p] if n > 0 && p > 0 => Ok((n, p)),
            [n, p] => Err(self.error(format!("{n} rows and {p} columns; expected at least one of each"))),
            _ => Err(self.error(format!(
                "an array of {} dimension{}; expected 2, samples times features",
                self.shape.len(),
                if self.shape.len() == 1 { "" } else { "s" }
            ))),
        }
    }

    /// The array as a matrix, with one column set apart as the target.
    pub(crate) fn matrix<T: Storage>(
        self,
        target_column: Option<usize>,
        width: Option<usize>,
    ) -> Result<(Design, Option<Vec<f64>>), ReadError> {
        let (n_rows, n_columns) = self.matrix_shape()?;
        let n_features = n_columns - usize::from(target_column.is_some());
        if n_features == 0 {
            return Err(self.error("a single column; expected features beside the target"));
        }
        if let Some(width) = width.filter(|&width| width != n_features) {
            let problem = format!("{n_features} feature columns; expected {width}");
            return Err(self.source.mismatch(self.place(), problem));
        }
        self.expect_numbers()?;
        let mut builder = DenseBuilder::<T>::new(self.source, n_rows, n_features)?;
        let mut target = target_column.map(|_| vec![0.0; n_rows]);
        let (item, fortran_order) = (self.item, self.fortran_order);
        let (mut row, mut column) = (0, 0);
        self.each(|_, bytes| {
            let value = item.number(bytes);
            let stored = match (&mut target, target_column) {
                (Some(target), Some(t)) if t == column => {
                    target[row] = value;
                    finite(value).map(drop)
                }
                (_, t) => builder.set(row, column - usize::from(t.is_some_and(|t| t < column)), value),
            };
            stored.map_err(|problem| format!("row {}, column {}: {problem}", row + 1, column + 1))?;
            (row, column) = match fortran_order {
                true if row + 1 == n_rows => (0, column + 1),
                true => (row + 1, column),
                false if column + 1 == n_columns => (row + 1, 0),
                false => (row, column + 1),
            };
            Ok(())
        })?;
        Ok((builder.finish()?, target))
    }

    /// A vector (or a matrix of one column or row) as a target of `n_rows` samples.
    pub(crate) fn target(self, n_rows: usize) -> Result<RawTarget, ReadError> {
        if self.shape.iter().filter(|&&d| d != 1).count() > 1 {
            let problem = format!("an array of {} dimensions; expected a vector", self.shape.len());
            return Err(self.error(problem));
        }
        if self.length != n_rows {
            let problem = format!("{} values; expected one for each of {n_rows} samples", self.length);
            return Err(self.source.mismatch(self.place(), problem));
        }
        if self.is_text() {
            self.texts().map(RawTarget::Text)
        } else {
            self.numbers().map(RawTarget::Numbers)
        }
    }

    /// All values, in the order of the file.
    pub(crate) fn numbers(self) -> Result<Vec<f64>, ReadError> {
        self.expect_numbers()?;
        let (item, mut numbers) = (self.item, Vec::with_capacity(self.length));
        self.each(|k, bytes| {
            numbers
                .push(finite(item.number(bytes)).map_err(|problem| format!("entry {}: {problem}", k + 1))?);
            Ok(())
        })?;
        Ok(numbers)
    }

    /// All values, finite or not: for those who can say better than by its number where one is.
    pub(crate) fn any_numbers(self) -> Result<Vec<f64>, ReadError> {
        self.expect_numbers()?;
        let (item, mut numbers) = (self.item, Vec::with_capacity(self.length));
        self.each(|_, bytes| {
            numbers.push(item.number(bytes));
            Ok(())
        })?;
        Ok(numbers)
    }

    /// All values as counts or indices.
    pub(crate) fn indices(self) -> Result<Vec<usize>, ReadError> {
        let (item, mut indices) = (self.item, Vec::with_capacity(self.length));
        if !matches!(item.kind, Kind::Signed | Kind::Unsigned) {
            return Err(self.error("values that are no integers; expected integers"));
        }
        self.each(|k, bytes| {
            let index = item
                .index(bytes)
                .map_err(|found| format!("entry {}: found {found}; expected an index of 0 or more", k + 1))?;
            indices.push(index);
            Ok(())
        })?;
        Ok(indices)
    }

    /// All values as text, without their padding.
    pub(crate) fn texts(self) -> Result<Vec<String>, ReadError> {
        let (item, mut texts) = (self.item, Vec::new());
        self.each(|k, bytes| {
            let text = item.text(bytes);
            texts.push(
                text.ok_or_else(|| format!("entry {}: bytes that are no text; expected UTF-8", k + 1))?,
            );
            Ok(())
        })?;
        Ok(texts)
    }

    /// Reads all values block by block and hands out the bytes of each; then the content must be at its end.
    fn each(self, mut visit: impl FnMut(usize, &[u8]) -> Result<(), String>) -> Result<(), ReadError> {
        let per_block = (BLOCK / self.item.bytes).max(1);
        let mut block = vec![0; per_block.min(self.length) * self.item.bytes];
        let mut seen = 0;
        while seen < self.length {
            let items = per_block.min(self.length - seen);
            let bytes = &mut block[..items * self.item.bytes];
            self.reader.read_exact(bytes).map_err(|e| read_error(self.source, self.member, e))?;
            for (k, item) in bytes.chunks_exact(self.item.bytes).enumerate() {
                visit(seen + k, item).map_err(|problem| match self.member {
                    Some(member) => self.source.malformed(Place::Member(member.into()), problem),
                    None => self.source.malformed(Place::File, problem),
                })?;
            }
            seen += items;
        }
        // reading on also makes an archive check its checksum
        match self.reader.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.error("bytes after the last value; expected the end of the array")),
            Err(e) => Err(read_error(self.source, self.member, e)),
        }
    }

    fn expect_numbers(&self) -> Result<(), ReadError> {
        if self.is_text() {
            return Err(self.error("an array of text; expected numbers"));
        }
        Ok(())
    }

    fn place(&self) -> Place {
        match self.member {
            Some(member) => Place::Member(member.to_string()),
            None => Place::Header,
        }
    }

    pub(crate) fn error(&self, problem: impl Into<String>) -> ReadError {
        self.source.malformed(self.place(), problem)
    }
}

fn finite(value: f64) -> Result<f64, String> {
    if value.is_finite() { Ok(value) } else { Err(format!("found {value}; expected a finite number")) }
}

fn read_error(source: &Source<'_>, member: Option<&str>, error: io::Error) -> ReadError {
    match member {
        Some(member) => {
            let problem = format!("it is damaged ({error}); expected a whole member");
            source.malformed(Place::Member(member.to_string()), problem)
        }
        None => source.io_error(error),
    }
}

/// How one value is written.
#[derive(Debug, Clone, Copy)]
struct ItemType {
    kind: Kind,
    big_endian: bool,
    bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Float,
    Signed,
    Unsigned,
    Bool,
    /// Bytes, padded with zeros.
    Ascii,
    /// UTF-32 code points, padded with zeros.
    Unicode,
}

impl ItemType {
    /// The number in these bytes (an integer beyond 2⁵³ is rounded).
    #[inline]
    fn number(self, bytes: &[u8]) -> f64 {
        let item = self.widened(bytes);
        match (self.kind, self.bytes) {
            (Kind::Float, 4) => f64::from(f32::from_le_bytes([item[0], item[1], item[2], item[3]])),
            (Kind::Float, _) => f64::from_le_bytes(item),
            (Kind::Signed, _) => i64::from_le_bytes(item) as f64,
            _ => u64::from_le_bytes(item) as f64,
        }
    }

    /// The count in these bytes, or the negative number found instead.
    fn index(self, bytes: &[u8]) -> Result<usize, i64> {
        let item = self.widened(bytes);
        let signed = i64::from_le_bytes(item);
        if self.kind == Kind::Signed && signed < 0 {
            return Err(signed);
        }
        usize::try_from(u64::from_le_bytes(item)).map_err(|_| signed)
    }

    /// The bytes of a number, little endian, integers extended to 8 bytes.
    #[inline]
    fn widened(self, bytes: &[u8]) -> [u8; 8] {
        let mut item = [0; 8];
        let length = bytes.len().min(8);
        item[..length].copy_from_slice(&bytes[..length]);
        if self.big_endian {
            item[..length].reverse();
        }
        if self.kind == Kind::Signed && item[length - 1] & 0x80 != 0 {
            item[length..].fill(0xff);
        }
        item
    }

    fn text(self, bytes: &[u8]) -> Option<String> {
        let code = |b: &[u8]| match *b {
            [b0, b1, b2, b3] if self.big_endian => u32::from_be_bytes([b0, b1, b2, b3]),
            [b0, b1, b2, b3] => u32::from_le_bytes([b0, b1, b2, b3]),
            _ => u32::MAX,
        };
        let text: Option<String> = match self.kind {
            Kind::Ascii => String::from_utf8(bytes.to_vec()).ok(),
            _ => bytes.chunks(4).map(|b| char::from_u32(code(b))).collect(),
        };
        text.map(|t| t.trim_end_matches('\0').to_string())
    }

    /// Understands a type such as `<f8`.
    fn parse(descr: &str) -> Result<Self, String> {
        let shown = quoted(descr.as_bytes());
        let mut letters = descr.chars();
        let (order, kind) = (letters.next(), letters.next());
        let size = letters.as_str().parse::<usize>().ok();
        let big_endian = match order {
            Some('<' | '|' | '=') => false,
            Some('>') => true,
            _ => return Err(format!("values of type {shown}; expected real numbers")),
        };
        let (kind, bytes) = match (kind, size) {
            (Some('f'), Some(bytes @ (4 | 8))) => (Kind::Float, bytes),
            (Some('i'), Some(bytes @ (1 | 2 | 4 | 8))) => (Kind::Signed, bytes),
            (Some('u'), Some(bytes @ (1 | 2 | 4 | 8))) => (Kind::Unsigned, bytes),
            (Some('b'), Some(1)) => (Kind::Bool, 1),
            (Some('S'), Some(bytes @ 1..=65_536)) => (Kind::Ascii, bytes),
            (Some('U'), Some(chars @ 1..=65_536)) => (Kind::Unicode, 4 * chars),
            (Some('O'), _) => {
                return Err(
                    "an array of Python objects (pickled); expected an array of numbers, saved with a numeric dtype".into(),
                );
            }
            (Some('c'), _) => return Err(format!("complex values ({shown}); expected real numbers")),
            (Some('f'), _) => return Err(format!("values of type {shown}; expected float32 or float64")),
            _ => return Err(format!("values of type {shown}; expected real numbers")),
        };
        Ok(Self { kind, big_endian, bytes })
    }
}

enum HeaderError {
    Read(io::Error),
    Format(&'static str),
}

/// Reads magic, version, length and text of the header; also says how many bytes that were.
fn read_header(reader: &mut dyn Read) -> Result<(Vec<u8>, u64), HeaderError> {
    let mut take = |length: u64| {
        let mut bytes = Vec::new();
        match reader.take(length).read_to_end(&mut bytes) {
            Err(e) => Err(HeaderError::Read(e)),
            Ok(found) if (found as u64) < length => {
                Err(HeaderError::Format("the file ends within the header; expected a whole NumPy array"))
            }
            Ok(_) => Ok(bytes),
        }
    };
    let magic = take(6)?;
    if magic != b"\x93NUMPY" {
        return Err(HeaderError::Format(
            "the first bytes are not those of a NumPy array; expected \\x93NUMPY",
        ));
    }
    let (start, length) = match take(2)?.first() {
        Some(1) => (10, take(2)?.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b))),
        Some(2 | 3) => (12, take(4)?.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b))),
        _ => {
            return Err(HeaderError::Format(
                "an unknown version of the NumPy format; expected 1.0, 2.0 or 3.0",
            ));
        }
    };
    Ok((take(length)?, start + length))
}

struct Header {
    descr: String,
    fortran_order: bool,
    shape: Vec<usize>,
}

impl Header {
    /// `{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2), }`
    fn parse(header: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(header)
            .map_err(|_| "the header is not text; expected a NumPy header".to_string())?
            .trim();
        let field = |name: &str| {
            text.find(&format!("'{name}':"))
                .map(|at| text[at + name.len() + 3..].trim_start())
                .ok_or_else(|| format!("no `{name}` in {}; expected a NumPy header", quoted(header)))
        };
        let descr = field("descr")?;
        let Some(descr) = descr.strip_prefix('\'').and_then(|d| d.split('\'').next()) else {
            return Err("an array of records; expected one array of numbers for each column".into());
        };
        let order = field("fortran_order")?;
        let fortran_order = order.starts_with("True");
        if !fortran_order && !order.starts_with("False") {
            return Err("`fortran_order` is neither True nor False; expected a NumPy header".into());
        }
        let shape = field("shape")?;
        let shape = shape
            .strip_prefix('(')
            .and_then(|s| s.split(')').next())
            .ok_or("the shape is not in parentheses; expected a NumPy header")?;
        let shape = shape
            .split(',')
            .map(str::trim)
            .filter(|d| !d.is_empty())
            .map(|d| {
                d.parse::<usize>()
                    .map_err(|_| format!("dimension {}; expected a count", quoted(d.as_bytes())))
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { descr: descr.to_string(), fortran_order, shape })
    }
}
