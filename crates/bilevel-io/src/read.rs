//! The one way in: a file of any format becomes a design matrix, a target and names.

use std::path::Path;

use bilevel::data::RawData;

use crate::delimited::{self, Separator};
use crate::error::{Place, ReadError};
use crate::format::Format;
use crate::options::ReadOptions;
use crate::source::Source;
use crate::storage::Storage;
use crate::{libsvm, matrix_market, npy, npz};

/// Reads a data file: its format is told by its name (without the suffix of a compression) or, where that says nothing, by its content.
///
/// # Errors
/// [`ReadError`]: one sentence with the file, the place, what was found and what was expected.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("heart.csv");
/// std::fs::write(&path, "age,pressure,sick\n63,145,yes\n37,130,no\n")?;
/// let data = bilevel_io::read_data(&path, &bilevel_io::ReadOptions::default())?;
/// assert_eq!(data.feature_names.name(1), "pressure");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_data(path: impl AsRef<Path>, options: &ReadOptions) -> Result<RawData, ReadError> {
    read_source(&Source::file(path.as_ref())?, options)
}

/// Reads data from memory; `name` stands for the name of the file, in messages and where it tells the format.
///
/// # Errors
/// As [`read_data`].
pub fn read_bytes(name: &str, bytes: &[u8], options: &ReadOptions) -> Result<RawData, ReadError> {
    read_source(&Source::memory(name, bytes)?, options)
}

fn read_source(source: &Source<'_>, options: &ReadOptions) -> Result<RawData, ReadError> {
    if source.stored_bytes() == 0 {
        return Err(source.malformed(Place::Line(1), "the file is empty; expected data"));
    }
    let format = match options.format {
        Some(format) => format,
        None => Format::detect(source)?,
    };
    if options.single_precision {
        read_stored::<f32>(source, format, options)
    } else {
        read_stored::<f64>(source, format, options)
    }
}

fn read_stored<T: Storage>(
    source: &Source<'_>,
    format: Format,
    options: &ReadOptions,
) -> Result<RawData, ReadError> {
    match format {
        Format::Libsvm => libsvm::read::<T>(source, options),
        Format::Csv => delimited::read::<T>(source, Separator::Comma, options),
        Format::Tsv => delimited::read::<T>(source, Separator::Tab, options),
        Format::Npy => npy::read::<T>(source, options),
        Format::Npz => npz::read::<T>(source, options),
        Format::MatrixMarket => matrix_market::read::<T>(source, options),
        #[cfg(feature = "parquet")]
        Format::Parquet => crate::parquet::read::<T>(source, options),
        #[cfg(not(feature = "parquet"))]
        Format::Parquet => Err(source.mismatch(
            Place::File,
            "a Parquet file; expected another format, because this build has no Parquet support",
        )),
    }
}
