//! NumPy arrays (`.npy`): a header in the shape of a Python dictionary, then the values.
//!
//! The size that the header claims is checked against the bytes that are there before anything is allocated.
//! Source: the NumPy Enhancement Proposal 1, "A simple file format for NumPy arrays" (versions 1.0 to 3.0).

use bilevel::data::{FeatureNames, RawData, RawTarget};
use bilevel::design::Design;

use crate::dense::DenseBuilder;
use crate::error::{Place, ReadError, quoted};
use crate::options::{ReadOptions, TargetChoice};
use crate::source::Source;
use crate::storage::Storage;
use crate::target_file::read_target;

/// Reads a two-dimensional array as features, one column of it being the target unless that is elsewhere.
pub(crate) fn read<T: Storage>(source: &Source<'_>, options: &ReadOptions) -> Result<RawData, ReadError> {
    let content = source.content()?;
    let array = Array::parse(source, None, &content)?;
    let (n_rows, n_columns) = array.matrix_shape()?;
    let columns: Vec<String> = (1..=n_columns).map(|j| j.to_string()).collect();
    let target_column = match options.target_choice(source, Some(&columns))? {
        TargetChoice::Column(j) => Some(j),
        TargetChoice::None | TargetChoice::File(_) => None,
        TargetChoice::Default => n_columns.checked_sub(1).filter(|_| options.width() != Some(n_columns)),
    };
    let (design, target) = array.matrix::<T>(target_column, options.width())?;
    let target = match options.target_choice(source, Some(&columns))? {
        TargetChoice::File(path) => Some(read_target(&path, n_rows)?),
        _ => target.map(RawTarget::Numbers),
    };
    options.check_target(source, &target)?;
    let feature_names = options.positional_names(FeatureNames::Counted { first: 1 });
    Ok(RawData { design, target, feature_names })
}

/// An array in memory: its header understood, its values still bytes.
pub(crate) struct Array<'s, 'a, 'b> {
    source: &'s Source<'a>,
    member: Option<&'b str>,
    kind: Kind,
    big_endian: bool,
    item_bytes: usize,
    fortran_order: bool,
    shape: Vec<usize>,
    data: &'b [u8],
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

impl<'s, 'a, 'b> Array<'s, 'a, 'b> {
    /// Understands the header. `member` names the array inside an archive.
    pub(crate) fn parse(
        source: &'s Source<'a>,
        member: Option<&'b str>,
        content: &'b [u8],
    ) -> Result<Self, ReadError> {
        let error = |problem: String| match member {
            Some(member) => source.malformed(Place::Member(member.to_string()), problem),
            None => source.malformed(Place::Header, problem),
        };
        let (header, data) = split_header(content).map_err(|p| error(p.to_string()))?;
        let header = Header::parse(header).map_err(error)?;
        let (kind, big_endian, item_bytes) = item_type(&header.descr).map_err(error)?;
        let claimed = header
            .shape
            .iter()
            .try_fold(1_usize, |n, &d| n.checked_mul(d))
            .and_then(|n| n.checked_mul(item_bytes));
        if claimed != Some(data.len()) {
            let shape = header.shape.iter().map(usize::to_string).collect::<Vec<_>>().join(" x ");
            let found = data.len();
            return Err(error(match claimed {
                Some(claimed) => format!(
                    "the shape {shape} needs {claimed} bytes of values but {found} follow the header; expected a whole array"
                ),
                None => format!(
                    "the shape {shape} is beyond any memory; expected a shape that matches the {found} bytes of values"
                ),
            }));
        }
        let Header { fortran_order, shape, .. } = header;
        Ok(Self { source, member, kind, big_endian, item_bytes, fortran_order, shape, data })
    }

    pub(crate) fn len(&self) -> usize {
        self.data.len() / self.item_bytes
    }

    pub(crate) fn is_text(&self) -> bool {
        matches!(self.kind, Kind::Ascii | Kind::Unicode)
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
        &self,
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
        let mut builder = DenseBuilder::<T>::new(self.source, n_rows, n_features)?;
        let mut target = target_column.map(|_| vec![0.0; n_rows]);
        let (mut row, mut column) = (0, 0);
        for k in 0..self.len() {
            let value = self.number(k)?;
            let stored = match (&mut target, target_column) {
                (Some(target), Some(t)) if t == column => {
                    target[row] = value;
                    if value.is_finite() {
                        Ok(())
                    } else {
                        Err(format!("found {value}; expected a finite number"))
                    }
                }
                (_, t) => builder.set(row, column - usize::from(t.is_some_and(|t| t < column)), value),
            };
            stored.map_err(|problem| match self.member {
                None => self
                    .source
                    .malformed(Place::Value { row: row + 1, column: (column + 1).to_string() }, problem),
                Some(member) => self.source.malformed(
                    Place::Member(member.to_string()),
                    format!("row {}, column {}: {problem}", row + 1, column + 1),
                ),
            })?;
            (row, column) = match self.fortran_order {
                true if row + 1 == n_rows => (0, column + 1),
                true => (row + 1, column),
                false if column + 1 == n_columns => (row + 1, 0),
                false => (row, column + 1),
            };
        }
        Ok((builder.finish()?, target))
    }

    /// A vector (or a matrix of one column or row) as a target of `n_rows` samples.
    pub(crate) fn target(&self, n_rows: usize) -> Result<RawTarget, ReadError> {
        if self.shape.iter().filter(|&&d| d != 1).count() > 1 {
            return Err(self.error(format!("an array of {} dimensions; expected a vector", self.shape.len())));
        }
        if self.len() != n_rows {
            let problem = format!("{} values; expected one for each of {n_rows} samples", self.len());
            return Err(self.source.mismatch(self.place(), problem));
        }
        if self.is_text() {
            return (0..self.len()).map(|k| self.text(k)).collect::<Result<_, _>>().map(RawTarget::Text);
        }
        self.finite_numbers().map(RawTarget::Numbers)
    }

    /// All values, in the order of the file.
    pub(crate) fn finite_numbers(&self) -> Result<Vec<f64>, ReadError> {
        (0..self.len())
            .map(|k| match self.number(k)? {
                value if value.is_finite() => Ok(value),
                value => Err(self.entry_error(k, format!("found {value}; expected a finite number"))),
            })
            .collect()
    }

    /// All values as counts or indices.
    pub(crate) fn indices(&self) -> Result<Vec<usize>, ReadError> {
        if !matches!(self.kind, Kind::Signed | Kind::Unsigned) {
            return Err(self.error("values that are no integers; expected integers"));
        }
        (0..self.len())
            .map(|k| {
                let item = self.item(k);
                let negative = self.kind == Kind::Signed && item[7] & 0x80 != 0;
                let index = usize::try_from(u64::from_le_bytes(item)).ok().filter(|_| !negative);
                index.ok_or_else(|| {
                    let found = i64::from_le_bytes(item);
                    self.entry_error(k, format!("found {found}; expected an index of 0 or more"))
                })
            })
            .collect()
    }

    /// Value k as a number (an integer beyond 2⁵³ is rounded).
    fn number(&self, k: usize) -> Result<f64, ReadError> {
        let item = self.item(k);
        Ok(match (self.kind, self.item_bytes) {
            (Kind::Float, 4) => f64::from(f32::from_le_bytes([item[0], item[1], item[2], item[3]])),
            (Kind::Float, _) => f64::from_le_bytes(item),
            (Kind::Signed, _) => i64::from_le_bytes(item) as f64,
            (Kind::Unsigned | Kind::Bool, _) => u64::from_le_bytes(item) as f64,
            (Kind::Ascii | Kind::Unicode, _) => {
                return Err(self.error("an array of text; expected numbers"));
            }
        })
    }

    /// The bytes of number k, little endian, integers extended to 8 bytes.
    fn item(&self, k: usize) -> [u8; 8] {
        let bytes = &self.data[k * self.item_bytes..(k + 1) * self.item_bytes];
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

    /// Text k without its padding.
    pub(crate) fn text(&self, k: usize) -> Result<String, ReadError> {
        let bytes = &self.data[k * self.item_bytes..(k + 1) * self.item_bytes];
        let text = if self.kind == Kind::Ascii {
            String::from_utf8(bytes.to_vec()).ok()
        } else {
            let code = |b: &[u8]| match b {
                &[b0, b1, b2, b3] if self.big_endian => u32::from_be_bytes([b0, b1, b2, b3]),
                &[b0, b1, b2, b3] => u32::from_le_bytes([b0, b1, b2, b3]),
                _ => u32::MAX,
            };
            bytes.chunks(4).map(|b| char::from_u32(code(b))).collect()
        };
        text.map(|t| t.trim_end_matches('\0').to_string())
            .ok_or_else(|| self.entry_error(k, "bytes that are no text; expected UTF-8".into()))
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

    pub(crate) fn entry_error(&self, k: usize, problem: String) -> ReadError {
        let place = match self.member {
            Some(member) => Place::MemberValue { member: member.to_string(), entry: k + 1 },
            None => Place::Row(k + 1),
        };
        self.source.malformed(place, problem)
    }
}

/// Magic, version and length of the header; then the header and the values.
fn split_header(content: &[u8]) -> Result<(&[u8], &[u8]), &'static str> {
    const CUT: &str = "the file ends within the header; expected a whole NumPy array";
    let rest = content
        .strip_prefix(b"\x93NUMPY")
        .ok_or("the first bytes are not those of a NumPy array; expected \\x93NUMPY")?;
    let (length, rest) = match *rest {
        [1, _, l0, l1, ref rest @ ..] => (usize::from(u16::from_le_bytes([l0, l1])), rest),
        [2 | 3, _, l0, l1, l2, l3, ref rest @ ..] => (u32::from_le_bytes([l0, l1, l2, l3]) as usize, rest),
        [1..=3, ..] | [] => return Err(CUT),
        _ => return Err("an unknown version of the NumPy format; expected 1.0, 2.0 or 3.0"),
    };
    rest.split_at_checked(length).ok_or(CUT)
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

/// Kind, byte order and size of a type such as `<f8`.
fn item_type(descr: &str) -> Result<(Kind, bool, usize), String> {
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
            return Err("an array of Python objects (pickled); expected an array of numbers, saved with a numeric dtype".into());
        }
        (Some('c'), _) => return Err(format!("complex values ({shown}); expected real numbers")),
        (Some('f'), _) => return Err(format!("values of type {shown}; expected float32 or float64")),
        _ => return Err(format!("values of type {shown}; expected real numbers")),
    };
    Ok((kind, big_endian, bytes))
}
