//! NumPy arrays of any number of axes, and images as such arrays.

use std::io::Write;
use std::path::Path;

use super::samples::{Depth, quantized};
use super::{Image, ImageFormat, checked_size};
use crate::error::{Place, ReadError, WriteError};
use crate::npy::with_array;
use crate::source::Source;
use crate::write::write_atomically;

/// Numbers with a shape, the last axis contiguous.
#[derive(Debug, Clone, PartialEq)]
pub struct NumberArray {
    /// Extents, slowest first.
    pub shape: Vec<usize>,
    /// The values as the file has them.
    pub values: Vec<f64>,
    /// How they are stored; signed integers count as double precision, and bytes that are true or false as 8-bit.
    pub depth: Depth,
}

/// Reads a NumPy array of real, finite numbers.
///
/// # Errors
/// [`ReadError`] for a file that is not a whole array of numbers, or holds one that is not finite.
pub fn read_array(path: impl AsRef<Path>) -> Result<NumberArray, ReadError> {
    let source = Source::file(path.as_ref())?;
    let array = numbers(&source)?;
    if let Some(at) = array.values.iter().position(|v| !v.is_finite()) {
        let problem = format!("entry {}: found {}; expected a finite number", at + 1, array.values[at]);
        return Err(source.malformed(Place::File, problem));
    }
    Ok(array)
}

fn numbers(source: &Source<'_>) -> Result<NumberArray, ReadError> {
    with_array(source, |array| {
        let (bits, float, signed) = array.number_type();
        let depth = match (bits, float, signed) {
            (32, true, _) => Depth::F32,
            (8, false, false) => Depth::U8,
            (16, false, false) => Depth::U16,
            (32, false, false) => Depth::U32,
            _ => Depth::F64,
        };
        let (shape, column_major) = (array.shape().to_vec(), array.is_column_major());
        let values = array.any_numbers()?;
        let values = if column_major { row_major(&shape, &values) } else { values };
        Ok(NumberArray { shape, values, depth })
    })
}

/// Values with the first index fastest, put in the order with the last index fastest.
fn row_major(shape: &[usize], values: &[f64]) -> Vec<f64> {
    let position = |mut k: usize| {
        let (mut at, mut stride) = (0, values.len());
        for &extent in shape.iter().rev() {
            stride /= extent;
            at += (k % extent) * stride;
            k /= extent;
        }
        at
    };
    (0..values.len()).map(|k| values[position(k)]).collect()
}

/// Rows × columns, or with one to four channels as a third axis.
pub(super) fn read_image(source: &Source<'_>) -> Result<Image, ReadError> {
    let array = numbers(source)?;
    let (height, width, channels) = match *array.shape {
        [height, width] => (height, width, 1),
        [height, width, channels @ 1..=4] => (height, width, channels),
        _ => {
            let problem = format!(
                "an array of shape {:?}; expected rows x columns, or rows x columns x 1 to 4 channels",
                array.shape
            );
            return Err(source.malformed(Place::Header, problem));
        }
    };
    let size = checked_size(source, height, width)?;
    let unit = array.depth.unit();
    let values: Vec<f64> = array.values.iter().map(|v| v / unit).collect();
    Image::from_pixels(source, size, channels, &values, (array.depth, ImageFormat::Npy))
}

/// A grey image has two axes, any other three.
pub(super) fn write_image(path: &Path, image: &Image) -> Result<usize, WriteError> {
    let (values, channels) = image.pixels();
    let shape = [image.height, image.width, channels];
    let shape = if channels == 1 { &shape[..2] } else { &shape[..] };
    let unit = image.depth.unit();
    let clipped = if image.depth.is_integer() { quantized(&values, image.depth).1 } else { 0 };
    let stored: Vec<f64> = values.iter().map(|v| v * unit).collect();
    write_array(path, shape, &stored, image.depth)?;
    Ok(clipped)
}

/// Writes numbers as a NumPy array, the last axis contiguous; integers are rounded and clipped to what their depth can hold.
///
/// # Errors
/// As [`write_atomically`].
pub fn write_array(
    path: impl AsRef<Path>,
    shape: &[usize],
    values: &[f64],
    depth: Depth,
) -> Result<(), WriteError> {
    let descr = match depth {
        Depth::U8 => "|u1",
        Depth::U16 => "<u2",
        Depth::U32 => "<u4",
        Depth::F32 => "<f4",
        Depth::F64 => "<f8",
    };
    let extents: String = shape.iter().map(|n| format!("{n}, ")).collect();
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({extents}), }}");
    // Magic, version, length and text together are a multiple of 64 bytes, the text ending in a line break.
    let padded = (10 + header.len() + 1).next_multiple_of(64) - 10;
    let header = format!("{header:<width$}\n", width = padded - 1);
    let whole = |v: f64| v.round().clamp(0.0, depth.unit()) as u32;
    write_atomically(path, |out: &mut dyn Write| {
        out.write_all(b"\x93NUMPY\x01\x00")?;
        out.write_all(&u16::try_from(header.len()).map_err(std::io::Error::other)?.to_le_bytes())?;
        out.write_all(header.as_bytes())?;
        values.iter().try_for_each(|&v| match depth {
            Depth::U8 => out.write_all(&(whole(v) as u8).to_le_bytes()),
            Depth::U16 => out.write_all(&(whole(v) as u16).to_le_bytes()),
            Depth::U32 => out.write_all(&whole(v).to_le_bytes()),
            Depth::F32 => out.write_all(&(v as f32).to_le_bytes()),
            Depth::F64 => out.write_all(&v.to_le_bytes()),
        })
    })
}
