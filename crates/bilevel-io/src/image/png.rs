//! PNG: 8 and 16 bits; palettes and fewer bits are read as 8.

use std::io::{self, Cursor};
use std::path::Path;

use png::{BitDepth, ColorType, Decoder, DecodingError, Encoder, Limits, Transformations};

use super::samples::{Depth, quantized};
use super::{Image, ImageFormat, checked_size};
use crate::error::{Place, ReadError, WriteError};
use crate::source::Source;
use crate::write::write_atomically;

pub(super) fn read(source: &Source<'_>) -> Result<Image, ReadError> {
    let content = source.content()?;
    let damaged = |e: DecodingError| {
        let problem = match e {
            DecodingError::IoError(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                "the file is cut short; expected a whole PNG image".to_string()
            }
            e => format!("damaged PNG ({e}); expected a whole image"),
        };
        source.malformed(Place::File, problem)
    };
    let mut decoder = Decoder::new_with_limits(Cursor::new(&content), Limits { bytes: usize::MAX });
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(damaged)?;
    let info = reader.info();
    let (height, width) = checked_size(source, info.height as usize, info.width as usize)?;
    let too_large = || source.malformed(Place::Header, "a size beyond any memory; expected a smaller image");
    let mut bytes = vec![0; reader.output_buffer_size().ok_or_else(too_large)?];
    reader.next_frame(&mut bytes).map_err(damaged)?;
    let (color, bits) = reader.output_color_type();
    let (depth, values): (Depth, Vec<f64>) = match bits {
        BitDepth::Sixteen => {
            let value = |b: &[u8; 2]| f64::from(u16::from_be_bytes(*b)) / Depth::U16.unit();
            (Depth::U16, bytes.as_chunks().0.iter().map(value).collect())
        }
        _ => (Depth::U8, bytes.iter().map(|b| f64::from(*b) / Depth::U8.unit()).collect()),
    };
    let channels = color.samples();
    Image::from_pixels(source, (height, width), channels, &values, (depth, ImageFormat::Png))
}

/// Images that are not 8-bit are written with 16 bits: the most that the format has.
pub(super) fn write(path: &Path, image: &Image) -> Result<usize, WriteError> {
    let (values, channels) = image.pixels();
    let depth = if image.depth == Depth::U8 { Depth::U8 } else { Depth::U16 };
    let (whole, clipped) = quantized(&values, depth);
    let bytes: Vec<u8> = match depth {
        Depth::U8 => whole.iter().map(|v| *v as u8).collect(),
        _ => whole.iter().flat_map(|v| (*v as u16).to_be_bytes()).collect(),
    };
    let color = match channels {
        1 => ColorType::Grayscale,
        2 => ColorType::GrayscaleAlpha,
        3 => ColorType::Rgb,
        _ => ColorType::Rgba,
    };
    write_atomically(path, |out| {
        let side = |n: usize| u32::try_from(n).map_err(io::Error::other);
        let mut encoder = Encoder::new(out, side(image.width)?, side(image.height)?);
        encoder.set_color(color);
        encoder.set_depth(if depth == Depth::U8 { BitDepth::Eight } else { BitDepth::Sixteen });
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&bytes)?;
        Ok(writer.finish()?)
    })?;
    Ok(clipped)
}
