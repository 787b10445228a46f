//! Where bytes come from: a file or memory, as they are or compressed; opened as often as a reader needs.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use crate::error::{Place, ReadError};

/// Bytes that can be read from the start more than once.
#[derive(Debug, Clone)]
pub(crate) struct Source<'a> {
    name: String,
    origin: Origin<'a>,
    compression: Option<Compression>,
    /// Length as stored, before decompression.
    stored_bytes: u64,
}

#[derive(Debug, Clone)]
enum Origin<'a> {
    File(PathBuf),
    Memory(&'a [u8]),
}

/// The compressions that are undone on the fly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    Gzip,
    Bzip2,
    Xz,
    Zstd,
}

impl Compression {
    const ALL: [Self; 4] = [Self::Gzip, Self::Bzip2, Self::Xz, Self::Zstd];

    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Gzip => "gz",
            Self::Bzip2 => "bz2",
            Self::Xz => "xz",
            Self::Zstd => "zst",
        }
    }

    /// Whether a file begins as this compression does (RFC 1952; the bzip2 and xz file formats; RFC 8878).
    fn begins(self, head: &[u8]) -> bool {
        match self {
            Self::Gzip => head.starts_with(&[0x1f, 0x8b]),
            Self::Bzip2 => {
                head.starts_with(b"BZh")
                    && head.get(3).is_some_and(|level| (b'1'..=b'9').contains(level))
                    && head.get(4..10).is_some_and(|block| {
                        block == [0x31, 0x41, 0x59, 0x26, 0x53, 0x59]
                            || block == [0x17, 0x72, 0x45, 0x38, 0x50, 0x90]
                    })
            }
            Self::Xz => head.starts_with(&[0xfd, b'7', b'z', b'X', b'Z', 0]),
            Self::Zstd => head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]),
        }
    }

    fn of_suffix(file_name: &str) -> Option<Self> {
        let suffix = file_name.rsplit_once('.')?.1.to_ascii_lowercase();
        Self::ALL.into_iter().find(|c| c.suffix() == suffix)
    }
}

impl<'a> Source<'a> {
    /// A regular file on disk.
    pub(crate) fn file(path: &Path) -> Result<Source<'static>, ReadError> {
        let name = path.display().to_string();
        let unreadable = |source| ReadError::Unreadable { file: name.clone(), source };
        let metadata = std::fs::metadata(path).map_err(unreadable)?;
        if metadata.is_dir() {
            return Err(unreadable(io::Error::other("it is a directory; expected a file")));
        }
        if !metadata.is_file() {
            return Err(unreadable(io::Error::other(
                "it is a pipe or a device; expected a file on disk, because it may be read twice",
            )));
        }
        let source = Source {
            name,
            origin: Origin::File(path.to_path_buf()),
            compression: None,
            stored_bytes: metadata.len(),
        };
        source.with_compression()
    }

    /// Bytes in memory, under a name that decides as a file name would.
    pub(crate) fn memory(name: &str, bytes: &'a [u8]) -> Result<Self, ReadError> {
        Source {
            name: name.to_string(),
            origin: Origin::Memory(bytes),
            compression: None,
            stored_bytes: bytes.len() as u64,
        }
        .with_compression()
    }

    fn with_compression(mut self) -> Result<Self, ReadError> {
        let head = self.head(10)?;
        let named = Compression::of_suffix(&self.name);
        let found = Compression::ALL.into_iter().find(|c| c.begins(&head));
        if let Some(named) = named
            && found != Some(named)
        {
            let problem = if head.is_empty() {
                "the file is empty".to_string()
            } else if head.len() < 10 {
                format!("the file ends after {} bytes; expected a whole compressed stream", head.len())
            } else {
                format!(
                    "the file is named .{} but begins with the bytes {}; expected those of {}",
                    named.suffix(),
                    head.iter().take(6).map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" "),
                    named.name()
                )
            };
            return Err(ReadError::Compressed { file: self.name, compression: named.name(), problem });
        }
        self.compression = found;
        Ok(self)
    }

    /// The file name in small letters, without folders and without the suffix of a compression.
    pub(crate) fn plain_name(&self) -> String {
        let name = self.name.rsplit(['/', '\\']).next().unwrap_or(&self.name).to_ascii_lowercase();
        match Compression::of_suffix(&name) {
            Some(compression) => name[..name.len() - compression.suffix().len() - 1].to_string(),
            None => name,
        }
    }

    /// Bytes as stored (compressed or not).
    pub(crate) fn stored_bytes(&self) -> u64 {
        self.stored_bytes
    }

    /// Bytes of content, where that is known without reading: for files that are not compressed.
    pub(crate) fn content_bytes(&self) -> Option<u64> {
        self.compression.is_none().then_some(self.stored_bytes)
    }

    /// Opens the content from its start, decompressed.
    pub(crate) fn open(&self) -> Result<Box<dyn Read + 'a>, ReadError> {
        let raw: Box<dyn Read + 'a> = match &self.origin {
            Origin::Memory(bytes) => Box::new(Cursor::new(*bytes)),
            Origin::File(path) => Box::new(File::open(path).map_err(|e| self.io_error(e))?),
        };
        let buffered = |raw| BufReader::with_capacity(1 << 16, raw);
        Ok(match self.compression {
            None => raw,
            Some(Compression::Gzip) => Box::new(flate2::bufread::MultiGzDecoder::new(buffered(raw))),
            Some(Compression::Bzip2) => Box::new(bzip2::bufread::MultiBzDecoder::new(buffered(raw))),
            Some(Compression::Xz) => Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(buffered(raw))),
            Some(Compression::Zstd) => {
                Box::new(zstd::Decoder::with_buffer(buffered(raw)).map_err(|e| self.io_error(e))?)
            }
        })
    }

    /// The whole content in memory.
    pub(crate) fn content(&self) -> Result<Vec<u8>, ReadError> {
        let mut content = Vec::with_capacity(self.content_bytes().map_or(0, |n| n.min(1 << 30) as usize));
        self.open()?.read_to_end(&mut content).map_err(|e| self.io_error(e))?;
        Ok(content)
    }

    /// Up to `length` first bytes of the content.
    pub(crate) fn head(&self, length: usize) -> Result<Vec<u8>, ReadError> {
        let mut head = Vec::new();
        self.open()?.take(length as u64).read_to_end(&mut head).map_err(|e| self.io_error(e))?;
        Ok(head)
    }

    /// The file itself with random access, where it lies on disk uncompressed.
    #[cfg(feature = "parquet")]
    pub(crate) fn as_file(&self) -> Option<Result<File, ReadError>> {
        match (&self.origin, self.compression) {
            (Origin::File(path), None) => Some(File::open(path).map_err(|e| self.io_error(e))),
            _ => None,
        }
    }

    /// An error while bytes were fetched, as a sentence: a damaged stream where the file is compressed.
    pub(crate) fn io_error(&self, source: io::Error) -> ReadError {
        match self.compression {
            Some(compression) if source.raw_os_error().is_none() => {
                let problem = if source.kind() == io::ErrorKind::UnexpectedEof {
                    "the file is cut short; expected a whole compressed stream".to_string()
                } else {
                    format!("the file is damaged ({source}); expected a whole compressed stream")
                };
                ReadError::Compressed { file: self.name.clone(), compression: compression.name(), problem }
            }
            _ => ReadError::Unreadable { file: self.name.clone(), source },
        }
    }

    /// The content breaks the rules of its format.
    pub(crate) fn malformed(&self, place: Place, problem: impl Into<String>) -> ReadError {
        ReadError::Malformed { file: self.name.clone(), place, problem: problem.into() }
    }

    /// The content does not fit what was asked.
    pub(crate) fn mismatch(&self, place: Place, problem: impl Into<String>) -> ReadError {
        ReadError::Mismatch { file: self.name.clone(), place, problem: problem.into() }
    }

    /// The content changed between two passes.
    pub(crate) fn changed(&self) -> ReadError {
        ReadError::Changed { file: self.name.clone() }
    }

    /// How many columns (or rows) a sparse matrix from this file may claim to have.
    ///
    /// A few bytes of text can claim billions of columns, and every column costs 8 bytes of memory even when it is empty. What is granted is 128 MiB of
    /// them plus 64 bytes for every byte of the file: 16.7 million columns for a tiny file, 545 million for one of 64 MiB.
    pub(crate) fn dimension_limit(&self) -> u64 {
        (1 << 24) + 8 * self.stored_bytes
    }
}
