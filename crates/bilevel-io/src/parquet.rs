//! Apache Parquet: flat tables with numeric or boolean features; the target may be text.
//!
//! The `parquet` crate decodes the pages; a panic inside it on a damaged file is turned into an error here.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bilevel::data::{FeatureNames, RawData, RawTarget};
use bytes::Bytes;
use parquet::basic::{ConvertedType, Type};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;

use crate::dense::DenseBuilder;
use crate::error::{Place, ReadError, quoted};
use crate::options::ReadOptions;
use crate::source::Source;
use crate::storage::Storage;
use crate::table::Plan;
use crate::target_file::read_target;

/// Records decoded at a time.
const BATCH: usize = 1 << 16;

/// Reads a table with its values stored as `T`.
pub(crate) fn read<T: Storage>(source: &Source<'_>, options: &ReadOptions) -> Result<RawData, ReadError> {
    catch_unwind(AssertUnwindSafe(|| {
        let reader: Box<dyn FileReader> = match source.as_file() {
            Some(file) => {
                Box::new(SerializedFileReader::new(file?).map_err(|e| damaged(source, Place::File, &e))?)
            }
            None => {
                let content = Bytes::from(source.content()?);
                Box::new(SerializedFileReader::new(content).map_err(|e| damaged(source, Place::File, &e))?)
            }
        };
        Table { source, reader }.read::<T>(options)
    }))
    .unwrap_or_else(|_| {
        Err(source.malformed(
            Place::File,
            "the file is damaged (it cannot be decoded); expected a whole Parquet file",
        ))
    })
}

struct Table<'s, 'a> {
    source: &'s Source<'a>,
    reader: Box<dyn FileReader>,
}

impl Table<'_, '_> {
    fn read<T: Storage>(&self, options: &ReadOptions) -> Result<RawData, ReadError> {
        let schema = self.reader.metadata().file_metadata().schema_descr();
        let columns: Vec<String> = schema.columns().iter().map(|c| c.path().string()).collect();
        let plan = Plan::new(self.source, options, &columns, &Place::Header)?;
        let n_rows = self.n_rows(columns.len())?;
        for &j in plan.features.iter().chain(&plan.target) {
            self.check_flat(&schema.column(j), &columns[j])?;
        }
        let mut matrix = DenseBuilder::<T>::new(self.source, n_rows, plan.features.len())?;
        for (feature, &j) in plan.features.iter().enumerate() {
            self.numbers(j, n_rows, |row, value| matrix.set(row, feature, value))?;
        }
        let target = match (&plan.target_file, plan.target) {
            (Some(path), _) => Some(read_target(path, n_rows)?),
            (None, Some(j)) => Some(self.target(j, n_rows)?),
            (None, None) => None,
        };
        Ok(RawData { design: matrix.finish()?, target, feature_names: FeatureNames::Named(plan.names) })
    }

    /// The number of rows, if the file is large enough to hold them.
    ///
    /// Runs of one value take next to nothing in Parquet, so a small file can be large in memory; a thousand cells for each byte is what is granted.
    fn n_rows(&self, n_columns: usize) -> Result<usize, ReadError> {
        let claimed: Option<usize> = (0..self.reader.metadata().num_row_groups())
            .try_fold(0_usize, |n, k| {
                n.checked_add(usize::try_from(self.reader.metadata().row_group(k).num_rows()).ok()?)
            });
        let limit = (1 << 24) + 1024 * self.source.stored_bytes();
        match claimed {
            Some(0) => Err(self.source.malformed(Place::Header, "no rows; expected at least one")),
            Some(n) if n.checked_mul(n_columns).is_some_and(|cells| cells as u64 <= limit) => Ok(n),
            _ => Err(self.source.malformed(
                Place::Header,
                format!(
                    "more rows than a file of {} bytes can hold; expected a whole Parquet file",
                    self.source.stored_bytes()
                ),
            )),
        }
    }

    fn check_flat(&self, column: &ColumnDescriptor, name: &str) -> Result<(), ReadError> {
        if column.max_rep_level() > 0 || column.max_def_level() > 1 {
            return Err(self.column_error(name, "a nested column; expected a flat one"));
        }
        Ok(())
    }

    fn target(&self, j: usize, n_rows: usize) -> Result<RawTarget, ReadError> {
        if self.descriptor(j).physical_type() == Type::BYTE_ARRAY {
            return self.texts(j, n_rows).map(RawTarget::Text);
        }
        let mut values = vec![0.0; n_rows];
        self.numbers(j, n_rows, |row, value| {
            values[row] = value;
            if value.is_finite() { Ok(()) } else { Err(format!("found {value}; expected a finite number")) }
        })?;
        Ok(RawTarget::Numbers(values))
    }

    /// Hands every value of a numeric column to `set`.
    fn numbers(
        &self,
        j: usize,
        n_rows: usize,
        mut set: impl FnMut(usize, f64) -> Result<(), String>,
    ) -> Result<(), ReadError> {
        let descriptor = self.descriptor(j);
        let unsigned = matches!(
            descriptor.converted_type(),
            ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64
        );
        let signed = matches!(
            descriptor.converted_type(),
            ConvertedType::NONE
                | ConvertedType::INT_8
                | ConvertedType::INT_16
                | ConvertedType::INT_32
                | ConvertedType::INT_64
        );
        if !unsigned && !signed {
            let problem = format!("values of type {}; expected numbers", descriptor.converted_type());
            return Err(self.column_error(descriptor.name(), problem));
        }
        self.each_chunk(j, n_rows, |chunk, start, rows| match chunk {
            ColumnReader::BoolColumnReader(r) => {
                self.each_value(j, r, start, rows, &mut |row, v: &bool| set(row, f64::from(u8::from(*v))))
            }
            ColumnReader::Int32ColumnReader(r) => self.each_value(j, r, start, rows, &mut |row, v: &i32| {
                set(row, if unsigned { f64::from(v.cast_unsigned()) } else { f64::from(*v) })
            }),
            ColumnReader::Int64ColumnReader(r) => self.each_value(j, r, start, rows, &mut |row, v: &i64| {
                set(row, if unsigned { v.cast_unsigned() as f64 } else { *v as f64 })
            }),
            ColumnReader::FloatColumnReader(r) => {
                self.each_value(j, r, start, rows, &mut |row, v: &f32| set(row, f64::from(*v)))
            }
            ColumnReader::DoubleColumnReader(r) => {
                self.each_value(j, r, start, rows, &mut |row, v: &f64| set(row, *v))
            }
            _ => {
                let problem =
                    format!("values of type {}; expected numbers", self.descriptor(j).physical_type());
                Err(self.column_error(self.descriptor(j).name(), problem))
            }
        })
    }

    fn texts(&self, j: usize, n_rows: usize) -> Result<Vec<String>, ReadError> {
        let mut texts = Vec::new();
        self.each_chunk(j, n_rows, |chunk, start, rows| match chunk {
            ColumnReader::ByteArrayColumnReader(r) => self.each_value(
                j,
                r,
                start,
                rows,
                &mut |_, v: &ByteArray| match std::str::from_utf8(v.data()) {
                    Ok(text) => {
                        texts.push(text.to_string());
                        Ok(())
                    }
                    Err(_) => {
                        Err(format!("found {}, which is not UTF-8; expected UTF-8 text", quoted(v.data())))
                    }
                },
            ),
            _ => Err(self.column_error(self.descriptor(j).name(), "values that are no text; expected text")),
        })?;
        Ok(texts)
    }

    /// Visits the column in each row group, with the first row and the number of rows of the group.
    fn each_chunk(
        &self,
        j: usize,
        n_rows: usize,
        mut visit: impl FnMut(ColumnReader, usize, usize) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let mut start = 0;
        for k in 0..self.reader.num_row_groups() {
            let name = self.descriptor(j).name().to_string();
            let error = |e: ParquetError| damaged(self.source, Place::Column(name.clone()), &e);
            let group = self.reader.get_row_group(k).map_err(error)?;
            let rows = usize::try_from(group.metadata().num_rows()).unwrap_or(0).min(n_rows - start);
            visit(group.get_column_reader(j).map_err(error)?, start, rows)?;
            start += rows;
        }
        Ok(())
    }

    fn each_value<D: DataType>(
        &self,
        j: usize,
        mut reader: ColumnReaderImpl<D>,
        start: usize,
        rows: usize,
        set: &mut dyn FnMut(usize, &D::T) -> Result<(), String>,
    ) -> Result<(), ReadError> {
        let descriptor = self.descriptor(j);
        let (name, nullable) = (descriptor.name(), descriptor.max_def_level() > 0);
        let (mut values, mut levels) = (Vec::new(), Vec::new());
        let mut row = start;
        while row < start + rows {
            values.clear();
            levels.clear();
            let wanted = BATCH.min(start + rows - row);
            let (records, found, _) = reader
                .read_records(wanted, nullable.then_some(&mut levels), None, &mut values)
                .map_err(|e| damaged(self.source, Place::Column(name.to_string()), &e))?;
            let cell = |k: usize, problem: String| {
                self.source.malformed(Place::Value { row: row + k + 1, column: name.to_string() }, problem)
            };
            if let Some(k) = levels.iter().position(|&level| level == 0) {
                return Err(cell(k, "a missing value (null); expected a value in every row".into()));
            }
            if records == 0 || found != records || values.len() != records || records > wanted {
                return Err(cell(found, "the column ends early; expected as many values as rows".into()));
            }
            for (k, value) in values.iter().enumerate() {
                set(row + k, value).map_err(|problem| cell(k, problem))?;
            }
            row += records;
        }
        Ok(())
    }

    fn descriptor(&self, j: usize) -> std::sync::Arc<ColumnDescriptor> {
        self.reader.metadata().file_metadata().schema_descr().column(j)
    }

    fn column_error(&self, name: &str, problem: impl Into<String>) -> ReadError {
        self.source.malformed(Place::Column(name.to_string()), problem)
    }
}

fn damaged(source: &Source<'_>, place: Place, error: &ParquetError) -> ReadError {
    source.malformed(place, format!("the file is damaged ({error}); expected a whole Parquet file"))
}
