//! Planes of pixels as a PNG inside the page.

use png::{BitDepth, ColorType, Encoder};

/// A data URI of one grey or three colour planes, `low` black and `high` white; `None` if there is nothing to encode.
pub(crate) fn data_uri(
    planes: &[&[f64]],
    (height, width): (usize, usize),
    (low, high): (f64, f64),
) -> Option<String> {
    let scale = if high > low { 255.0 / (high - low) } else { 0.0 };
    let channels = if planes.len() == 3 { 3 } else { 1 };
    let mut bytes = Vec::with_capacity(channels * height * width);
    for i in 0..height * width {
        for plane in planes.iter().take(channels) {
            bytes.push((scale * (plane.get(i)? - low)).round().clamp(0.0, 255.0) as u8);
        }
    }
    let mut encoded = Vec::new();
    let mut encoder = Encoder::new(&mut encoded, u32::try_from(width).ok()?, u32::try_from(height).ok()?);
    encoder.set_color(if channels == 3 { ColorType::Rgb } else { ColorType::Grayscale });
    encoder.set_depth(BitDepth::Eight);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(&bytes).ok()?;
    writer.finish().ok()?;
    Some(format!("data:image/png;base64,{}", base64(&encoded)))
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for triple in bytes.chunks(3) {
        let at = |k: usize| u32::from(triple.get(k).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for k in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * k) & 63) as usize];
            text.push(if k <= triple.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{base64, data_uri};

    #[test]
    fn base64_pads_as_the_standard_has_it() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn planes_that_are_too_short_are_no_picture() {
        assert!(data_uri(&[&[0.0, 1.0]], (1, 2), (0.0, 1.0)).is_some());
        assert!(data_uri(&[&[0.0]], (1, 2), (0.0, 1.0)).is_none());
    }
}
