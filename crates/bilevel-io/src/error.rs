//! The errors of reading and writing files: each is one sentence that begins with the file and the place in it.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Where in a file something is wrong. Lines, rows and columns count from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The file as a whole.
    File,
    /// A line of a text file.
    Line(u64),
    /// A cell of a text table.
    Cell {
        /// The line on which the record begins.
        line: u64,
        /// The name of the column.
        column: String,
    },
    /// A value of a table without lines.
    Value {
        /// The row.
        row: usize,
        /// The name or number of the column.
        column: String,
    },
    /// A pixel of an image.
    Pixel {
        /// The row.
        row: usize,
        /// The column.
        column: usize,
    },
    /// A column of a table.
    Column(String),
    /// An array inside an archive.
    Member(String),
    /// The header of a binary file.
    Header,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => Ok(()),
            Self::Line(line) => write!(f, "line {line}: "),
            Self::Cell { line, column } => write!(f, "line {line}, column `{column}`: "),
            Self::Value { row, column } => write!(f, "row {row}, column `{column}`: "),
            Self::Pixel { row, column } => write!(f, "pixel in row {row}, column {column}: "),
            Self::Column(column) => write!(f, "column `{column}`: "),
            Self::Member(member) => write!(f, "member `{member}`: "),
            Self::Header => write!(f, "header: "),
        }
    }
}

/// Why a file could not be read as data.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The operating system does not hand over the file: it is missing, a directory, not permitted, or the disk fails.
    #[error("{file}: cannot be read: {source}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system says.
        source: io::Error,
    },
    /// A compressed file that is cut short, damaged, or not what its name says.
    #[error("{file}: {compression} data: {problem}")]
    Compressed {
        /// The file.
        file: String,
        /// Name of the compression.
        compression: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// The content breaks the rules of its format.
    #[error("{file}: {place}{problem}")]
    Malformed {
        /// The file.
        file: String,
        /// Where in it.
        place: Place,
        /// What was found and what was expected.
        problem: String,
    },
    /// The content is well formed but does not fit what was asked: a column is missing, the number of features differs.
    #[error("{file}: {place}{problem}")]
    Mismatch {
        /// The file.
        file: String,
        /// Where in it.
        place: Place,
        /// What was found and what was expected.
        problem: String,
    },
    /// The file was written to while it was being read.
    #[error(
        "{file}: the file changed while it was being read; expected the same content at the second pass as at the first"
    )]
    Changed {
        /// The file.
        file: String,
    },
}

/// Why a file could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The operating system refuses: no permission, no such folder, a full disk. Nothing is left behind.
    #[error("{}: cannot be written: {source}", .path.display())]
    Io {
        /// The file that was to be written.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The path names no file.
    #[error("{}: cannot be written: expected the path of a file", .path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The name of the file asks for what is not written.
    #[error("{}: cannot be written: {problem}", .path.display())]
    Format {
        /// The file that was to be written.
        path: PathBuf,
        /// What was found and what was expected.
        problem: String,
    },
    /// Columns of a table that do not have one length.
    #[error("{}: column `{column}` has {found} values; expected {expected}", .path.display())]
    Ragged {
        /// The file that was to be written.
        path: PathBuf,
        /// Name of the column.
        column: String,
        /// Its length.
        found: usize,
        /// The length of the first column.
        expected: usize,
    },
}

/// `text` in backquotes, cut after 40 characters, with anything unprintable escaped: for quoting input in a sentence.
pub(crate) fn quoted(text: &[u8]) -> String {
    const LONGEST: usize = 40;
    let shown = &text[..text.len().min(4 * LONGEST)];
    let shown = String::from_utf8_lossy(shown);
    let mut out = String::from("`");
    for (k, c) in shown.chars().enumerate() {
        if k == LONGEST {
            out.push('…');
            break;
        }
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out.push('`');
    out
}
