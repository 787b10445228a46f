//! TIFF: unsigned integers of 8, 16 and 32 bits and floating-point numbers, one image in a file.

use std::io::{self, Cursor, Write};
use std::path::Path;

use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::encoder::{TiffEncoder, TiffValue, colortype};
use tiff::{ColorType, TiffError};

use super::samples::{Depth, quantized};
use super::{Image, ImageFormat, checked_size};
use crate::error::{Place, ReadError, WriteError};
use crate::source::Source;
use crate::write::write_atomically;

pub(super) fn read(source: &Source<'_>) -> Result<Image, ReadError> {
    let content = source.content()?;
    let damaged = |e: TiffError| {
        let problem = match e {
            TiffError::IoError(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                "the file is cut short; expected a whole TIFF image".to_string()
            }
            TiffError::UnsupportedError(e) => format!(
                "a kind of TIFF that is not read ({e}); expected grey or RGB, uncompressed, LZW or Deflate"
            ),
            e => format!("damaged TIFF ({e}); expected a whole image"),
        };
        source.malformed(Place::File, problem)
    };
    let mut decoder = Decoder::new(Cursor::new(&content)).map_err(damaged)?.with_limits(Limits::unlimited());
    let (width, height) = decoder.dimensions().map_err(damaged)?;
    let size = checked_size(source, height as usize, width as usize)?;
    let channels = match decoder.colortype().map_err(damaged)? {
        ColorType::Gray(_) => 1,
        ColorType::GrayA(_) => 2,
        ColorType::RGB(_) => 3,
        ColorType::RGBA(_) => 4,
        other => {
            let problem = format!("colours as {other:?}; expected grey or RGB");
            return Err(source.malformed(Place::Header, problem));
        }
    };
    if decoder.more_images() {
        return Err(source.malformed(Place::File, "several images; expected one"));
    }
    let decoded = decoder.read_image().map_err(damaged)?;
    let Some((depth, values)) = numbers(&decoded) else {
        let problem = "signed or 64-bit integers; expected unsigned ones of 8, 16 or 32 bits, or floating-point numbers";
        return Err(source.malformed(Place::Header, problem));
    };
    Image::from_pixels(source, size, channels, &values, (depth, ImageFormat::Tiff))
}

fn numbers(decoded: &DecodingResult) -> Option<(Depth, Vec<f64>)> {
    fn scaled<T: Copy + Into<f64>>(values: &[T], depth: Depth) -> (Depth, Vec<f64>) {
        (depth, values.iter().map(|v| (*v).into() / depth.unit()).collect())
    }
    match decoded {
        DecodingResult::U8(values) => Some(scaled(values, Depth::U8)),
        DecodingResult::U16(values) => Some(scaled(values, Depth::U16)),
        DecodingResult::U32(values) => Some(scaled(values, Depth::U32)),
        DecodingResult::F32(values) => Some(scaled(values, Depth::F32)),
        DecodingResult::F64(values) => Some(scaled(values, Depth::F64)),
        _ => None,
    }
}

pub(super) fn write(path: &Path, image: &Image) -> Result<usize, WriteError> {
    let (values, channels) = image.pixels();
    // Grey with opacity is no colour type of the encoder's: it becomes RGB with opacity.
    let (values, channels) = match channels {
        2 => (values.as_chunks::<2>().0.iter().flat_map(|[grey, a]| [*grey, *grey, *grey, *a]).collect(), 4),
        n => (values, n),
    };
    let (whole, clipped) =
        if image.depth.is_integer() { quantized(&values, image.depth) } else { (vec![], 0) };
    let mut encoded = Cursor::new(Vec::new());
    let side = |n: usize| u32::try_from(n).map_err(io::Error::other);
    let failed = |source: io::Error| WriteError::Io { path: path.to_path_buf(), source };
    let size = (side(image.width).map_err(failed)?, side(image.height).map_err(failed)?);
    use colortype as c;
    let done = match (image.depth, channels) {
        (Depth::U8, n) => encode::<c::Gray8, c::RGB8, c::RGBA8, u8>(
            &mut encoded,
            size,
            n,
            &whole.iter().map(|v| *v as u8).collect::<Vec<_>>(),
        ),
        (Depth::U16, n) => encode::<c::Gray16, c::RGB16, c::RGBA16, u16>(
            &mut encoded,
            size,
            n,
            &whole.iter().map(|v| *v as u16).collect::<Vec<_>>(),
        ),
        (Depth::U32, n) => encode::<c::Gray32, c::RGB32, c::RGBA32, u32>(&mut encoded, size, n, &whole),
        (Depth::F32, n) => encode::<c::Gray32Float, c::RGB32Float, c::RGBA32Float, f32>(
            &mut encoded,
            size,
            n,
            &values.iter().map(|v| *v as f32).collect::<Vec<_>>(),
        ),
        (Depth::F64, n) => {
            encode::<c::Gray64Float, c::RGB64Float, c::RGBA64Float, f64>(&mut encoded, size, n, &values)
        }
    };
    done.map_err(|e| failed(io::Error::other(e)))?;
    write_atomically(path, |out: &mut dyn Write| out.write_all(encoded.get_ref()))?;
    Ok(clipped)
}

/// One, three or four values to a pixel.
fn encode<Grey, Rgb, Rgba, T>(
    out: &mut Cursor<Vec<u8>>,
    (width, height): (u32, u32),
    channels: usize,
    values: &[T],
) -> Result<(), TiffError>
where
    Grey: colortype::ColorType<Inner = T>,
    Rgb: colortype::ColorType<Inner = T>,
    Rgba: colortype::ColorType<Inner = T>,
    [T]: TiffValue,
{
    let mut encoder = TiffEncoder::new(out)?;
    match channels {
        1 => encoder.write_image::<Grey>(width, height, values),
        3 => encoder.write_image::<Rgb>(width, height, values),
        _ => encoder.write_image::<Rgba>(width, height, values),
    }
}
