//! Readers of data files and writers of results.
//!
//! [`read_data`] turns a file (LIBSVM, CSV/TSV, Parquet, NumPy, SciPy sparse, Matrix Market; compressed or not) into the [`bilevel::data::RawData`] that a
//! fit starts from; [`read_image`] reads images. Nothing in a file can make a reader panic or allocate much more than the file holds: every problem is one
//! sentence that begins with the file and the place. [`write_atomically`] and what stands on it never leave a torn file.

mod delimited;
mod dense;
mod error;
mod format;
mod groups;
mod image;
mod libsvm;
mod lines;
mod matrix_market;
mod npy;
mod npz;
mod number;
mod options;
#[cfg(feature = "parquet")]
mod parquet;
mod read;
mod scan;
mod source;
mod sparse;
mod storage;
mod table;
mod target_file;
mod text_line;
mod write;

pub use error::{Place, ReadError, WriteError};
pub use format::Format;
pub use groups::{read_groups, read_groups_bytes};
pub use image::{
    Depth, Image, ImageFormat, NumberArray, check_image_name, read_array, read_image, write_array,
    write_image,
};
pub use options::ReadOptions;
pub use read::{read_bytes, read_data};
pub use write::{
    Column, write_atomically, write_coefficients_csv, write_json, write_predictions_csv, write_table_csv,
};
