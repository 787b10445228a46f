//! File formats, and how one is recognized by name or by content.

use crate::error::{Place, ReadError};
use crate::source::Source;

/// The formats that can be read, each also compressed with gzip, bzip2, xz or Zstandard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// LIBSVM (svmlight) text.
    Libsvm,
    /// Values separated by commas (or semicolons), with a header.
    Csv,
    /// Values separated by tabs, with a header.
    Tsv,
    /// Apache Parquet.
    Parquet,
    /// A NumPy array.
    Npy,
    /// A NumPy archive: members `X` and `y`, or a sparse matrix as SciPy saves it.
    Npz,
    /// Matrix Market text.
    MatrixMarket,
}

impl Format {
    /// The format that a file name stands for; `None` where it says nothing (`.txt`, `.data`, no extension).
    ///
    /// ```
    /// use bilevel_io::Format;
    /// assert_eq!(Format::of_name("heart.svm"), Some(Format::Libsvm));
    /// assert_eq!(Format::of_name("heart"), None);
    /// ```
    pub fn of_name(plain_name: &str) -> Option<Self> {
        match plain_name.rsplit_once('.')?.1.to_ascii_lowercase().as_str() {
            "svm" | "libsvm" | "svmlight" => Some(Self::Libsvm),
            "csv" => Some(Self::Csv),
            "tsv" | "tab" => Some(Self::Tsv),
            "parquet" | "pq" => Some(Self::Parquet),
            "npy" => Some(Self::Npy),
            "npz" => Some(Self::Npz),
            "mtx" => Some(Self::MatrixMarket),
            _ => None,
        }
    }

    pub(crate) fn detect(source: &Source<'_>) -> Result<Self, ReadError> {
        if let Some(format) = Self::of_name(&source.plain_name()) {
            return Ok(format);
        }
        Self::of_content(&source.head(1 << 16)?)
            .ok_or_else(|| source.malformed(Place::Line(1), "the format is not recognized; expected LIBSVM text (`label index:value …`) or a table with a header, or a name that says the format"))
    }

    fn of_content(head: &[u8]) -> Option<Self> {
        const MAGIC: [(&[u8], Format); 4] = [
            (b"PAR1", Format::Parquet),
            (b"\x93NUMPY", Format::Npy),
            (b"PK\x03\x04", Format::Npz),
            (b"%%MatrixMarket", Format::MatrixMarket),
        ];
        if let Some((_, format)) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)) {
            return Some(*format);
        }
        let line = head
            .split(|&b| b == b'\n')
            .map(|line| line.split(|&b| b == b'#').next().unwrap_or_default().trim_ascii())
            .find(|line| !line.is_empty());
        let Some(line) = line else { return Some(Self::Libsvm) }; // empty: the reader says so
        let is_feature = |word: &[u8]| word.first().is_some_and(u8::is_ascii_digit) && word.contains(&b':');
        let words = || line.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty());
        if words().any(|word| is_feature(word) || word.starts_with(b"qid:")) {
            Some(Self::Libsvm)
        } else if line.contains(&b'\t') {
            Some(Self::Tsv)
        } else if line.contains(&b',') || line.contains(&b';') {
            Some(Self::Csv)
        } else if words().count() == 1 && crate::number::parse(line).is_ok() {
            Some(Self::Libsvm) // a sample without nonzeros
        } else {
            None
        }
    }
}
