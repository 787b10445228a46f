//! Writers that leave either the whole file or no trace: a temporary file in the same folder, flushed to the disk, then renamed.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::error::WriteError;

/// Writes a file through `content`. Readers see the old file or the new one, never a part; after an error nothing is left behind.
///
/// What exists and is not a regular file (`/dev/stdout`, a pipe) is written to directly.
///
/// # Errors
/// [`WriteError`] if the folder is missing or not writable, the disk is full, or `content` fails.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("note.txt");
/// bilevel_io::write_atomically(&path, |out| out.write_all(b"done\n"))?;
/// assert_eq!(std::fs::read(&path)?, b"done\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_atomically(
    path: impl AsRef<Path>,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), WriteError> {
    let path = path.as_ref();
    let failed = |source| WriteError::Io { path: path.to_path_buf(), source };
    let metadata = std::fs::metadata(path).ok();
    if path.file_name().is_none() || metadata.as_ref().is_some_and(std::fs::Metadata::is_dir) {
        return Err(WriteError::NotAFile { path: path.to_path_buf() });
    }
    if metadata.as_ref().is_some_and(|m| !m.is_file()) {
        let file = OpenOptions::new().write(true).open(path).map_err(failed)?;
        return fill(file, content).map(drop).map_err(failed);
    }
    // a link stays a link: its target is what is replaced
    let destination =
        if metadata.is_some() { path.canonicalize().map_err(failed)? } else { path.to_path_buf() };
    let (temporary, file) = Temporary::beside(&destination).map_err(failed)?;
    let file = fill(file, content).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    drop(file);
    temporary.rename_to(&destination).map_err(failed)
}

fn fill(file: File, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<File> {
    let mut writer = BufWriter::with_capacity(1 << 16, file);
    content(&mut writer)?;
    writer.into_inner().map_err(io::IntoInnerError::into_error)
}

/// A file that is removed unless it is renamed.
struct Temporary {
    path: PathBuf,
    renamed: bool,
}

impl Temporary {
    /// A new file in the same folder, so that the rename cannot cross file systems.
    fn beside(destination: &Path) -> io::Result<(Self, File)> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let name = destination.file_name().unwrap_or_default().to_string_lossy();
        let short: String = name.chars().take(40).collect();
        loop {
            let number = COUNTER.fetch_add(1, Ordering::Relaxed);
            let path = destination.with_file_name(format!(".{short}.{}-{number}.tmp", std::process::id()));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok((Self { path, renamed: false }, file)),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
        }
    }

    fn rename_to(mut self, destination: &Path) -> io::Result<()> {
        std::fs::rename(&self.path, destination)?;
        self.renamed = true;
        // makes the rename itself last through a power cut; file systems that cannot do that are no reason to fail
        if let Some(folder) = destination.parent()
            && let Ok(folder) =
                File::open(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
        {
            let _ = folder.sync_all();
        }
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.renamed {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Writes a value as indented JSON with a newline at the end.
///
/// # Errors
/// As [`write_atomically`]; a value that JSON cannot hold (a map with keys that are no strings) is an error too.
pub fn write_json<T: Serialize + ?Sized>(path: impl AsRef<Path>, value: &T) -> Result<(), WriteError> {
    write_atomically(path, |out| {
        serde_json::to_writer_pretty(&mut *out, value)?;
        out.write_all(b"\n")
    })
}

/// A column of a table to be written.
#[derive(Debug, Clone, Copy)]
pub enum Column<'a> {
    /// Numbers, written so that reading them back gives the same doubles.
    Numbers(&'a [f64]),
    /// Text, quoted where needed.
    Text(&'a [String]),
}

impl Column<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Text(values) => values.len(),
        }
    }

    fn cell(&self, row: usize) -> String {
        match self {
            Self::Numbers(values) => values.get(row).map(|v| format!("{v:?}")).unwrap_or_default(),
            Self::Text(values) => values.get(row).cloned().unwrap_or_default(),
        }
    }
}

/// Writes a table with a header: `columns` are names and values of one length.
///
/// # Errors
/// [`WriteError::Ragged`] if the columns differ in length; otherwise as [`write_atomically`].
pub fn write_table_csv(path: impl AsRef<Path>, columns: &[(&str, Column<'_>)]) -> Result<(), WriteError> {
    let path = path.as_ref();
    let n_rows = columns.first().map_or(0, |c| c.1.len());
    if let Some((name, column)) = columns.iter().find(|(_, c)| c.len() != n_rows) {
        let (column, found) = ((*name).to_string(), column.len());
        return Err(WriteError::Ragged { path: path.to_path_buf(), column, found, expected: n_rows });
    }
    write_atomically(path, |out| {
        let mut writer = csv::Writer::from_writer(out);
        writer.write_record(columns.iter().map(|c| c.0))?;
        for row in 0..n_rows {
            writer.write_record(columns.iter().map(|c| c.1.cell(row)))?;
        }
        writer.flush()
    })
}

/// Writes `feature,coefficient` and one more column for each of `more` (learned weights, say).
///
/// # Errors
/// As [`write_table_csv`].
pub fn write_coefficients_csv(
    path: impl AsRef<Path>,
    names: &[String],
    coefficients: &[f64],
    more: &[(&str, Column<'_>)],
) -> Result<(), WriteError> {
    let mut columns = vec![("feature", Column::Text(names)), ("coefficient", Column::Numbers(coefficients))];
    columns.extend_from_slice(more);
    write_table_csv(path, &columns)
}

/// Writes `prediction` for each sample, in the order of the data, and one more column for each of `more` (probabilities, say).
///
/// # Errors
/// As [`write_table_csv`].
pub fn write_predictions_csv(
    path: impl AsRef<Path>,
    predictions: Column<'_>,
    more: &[(&str, Column<'_>)],
) -> Result<(), WriteError> {
    let mut columns = vec![("prediction", predictions)];
    columns.extend_from_slice(more);
    write_table_csv(path, &columns)
}
