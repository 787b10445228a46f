//! JPEG, read only: to write a restored image with it would add new noise.

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::samples::Depth;
use super::{Image, ImageFormat, checked_size};
use crate::error::{Place, ReadError};
use crate::source::Source;

pub(super) fn read(source: &Source<'_>) -> Result<Image, ReadError> {
    let content = source.content()?;
    let damaged = |e: &dyn std::fmt::Debug| {
        let said = format!("{e:?}").split_whitespace().collect::<Vec<_>>().join(" ");
        source.malformed(Place::File, format!("damaged JPEG ({said}); expected a whole image"))
    };
    // A decoder that is not strict fills in what is missing.
    let options =
        DecoderOptions::default().set_strict_mode(true).set_max_width(1 << 16).set_max_height(1 << 16);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(&content), options);
    decoder.decode_headers().map_err(|e| damaged(&e))?;
    let grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    decoder.set_options(options.jpeg_set_out_colorspace(if grey {
        ColorSpace::Luma
    } else {
        ColorSpace::RGB
    }));
    let bytes = decoder.decode().map_err(|e| damaged(&e))?;
    if !content.trim_ascii_end().ends_with(&[0xff, 0xd9]) && !content.windows(2).any(|w| w == [0xff, 0xd9]) {
        return Err(source.malformed(Place::File, "the file is cut short; expected a whole JPEG image"));
    }
    let Some((width, height)) = decoder.dimensions() else {
        return Err(source.malformed(Place::Header, "no size; expected a whole JPEG image"));
    };
    let size = checked_size(source, height, width)?;
    let values: Vec<f64> = bytes.iter().map(|b| f64::from(*b) / Depth::U8.unit()).collect();
    Image::from_pixels(source, size, if grey { 1 } else { 3 }, &values, (Depth::U8, ImageFormat::Jpeg))
}
