//! Images: PNG, JPEG (reading), TIFF and NumPy arrays, grey or in colour.
//!
//! Whatever the file, an image in memory is one plane of numbers for each colour, row by row. Integers become fractions of the largest one that their
//! depth can hold, so that 8-bit white is 1; floating-point values stay as they are. The depth is remembered: [`write_image`] puts the same kind of
//! values back, rounded and clipped where they are integers, and says how many were clipped.

mod jpeg;
mod npy;
mod png;
mod samples;
mod tiff;

use std::path::Path;

use crate::error::{Place, ReadError, WriteError};
use crate::source::Source;

pub use npy::{NumberArray, read_array, write_array};
pub use samples::Depth;

/// Larger images than this are refused: their planes alone would take 32 GiB.
const MOST_PIXELS: usize = 1 << 32;

/// An image file's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImageFormat {
    /// Portable Network Graphics.
    Png,
    /// JPEG, which is read and not written: it would add its own noise.
    Jpeg,
    /// Tagged Image File Format, one image.
    Tiff,
    /// A NumPy array: rows × columns, or rows × columns × colours.
    Npy,
}

impl ImageFormat {
    /// The format that a file name stands for.
    ///
    /// ```
    /// use bilevel_io::ImageFormat;
    /// assert_eq!(ImageFormat::of_name("moon.TIF"), Some(ImageFormat::Tiff));
    /// assert_eq!(ImageFormat::of_name("moon"), None);
    /// ```
    pub fn of_name(name: &str) -> Option<Self> {
        match name.rsplit_once('.')?.1.to_ascii_lowercase().as_str() {
            "png" => Some(Self::Png),
            "jpg" | "jpeg" => Some(Self::Jpeg),
            "tif" | "tiff" => Some(Self::Tiff),
            "npy" => Some(Self::Npy),
            _ => None,
        }
    }

    fn of_content(head: &[u8]) -> Option<Self> {
        const MAGIC: [(&[u8], ImageFormat); 7] = [
            (b"\x89PNG\r\n\x1a\n", ImageFormat::Png),
            (b"\xff\xd8\xff", ImageFormat::Jpeg),
            (b"II*\0", ImageFormat::Tiff),
            (b"MM\0*", ImageFormat::Tiff),
            (b"II+\0", ImageFormat::Tiff),
            (b"MM\0+", ImageFormat::Tiff),
            (b"\x93NUMPY", ImageFormat::Npy),
        ];
        MAGIC.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, format)| *format)
    }

    /// The suffix of its files.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::Tiff => "tif",
            Self::Npy => "npy",
        }
    }
}

/// An image in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// Number of rows.
    pub height: usize,
    /// Number of columns.
    pub width: usize,
    /// One plane (grey) or three (red, green, blue), row by row.
    pub planes: Vec<Vec<f64>>,
    /// Opacity, where the file has it: kept as it is.
    pub alpha: Option<Vec<f64>>,
    /// How the file stores a value.
    pub depth: Depth,
    /// The file's format.
    pub format: ImageFormat,
}

impl Image {
    /// Values as a file has them, pixel by pixel with their colours side by side, put into planes.
    fn from_pixels(
        source: &Source<'_>,
        (height, width): (usize, usize),
        channels: usize,
        values: &[f64],
        (depth, format): (Depth, ImageFormat),
    ) -> Result<Self, ReadError> {
        if !(1..=4).contains(&channels) || values.len() != height * width * channels {
            let found =
                format!("{} values for {height} x {width} pixels of {channels} channels", values.len());
            let problem = format!("{found}; expected 1 channel (grey), 3 (colour), or 2 or 4 with opacity");
            return Err(source.malformed(Place::File, problem));
        }
        if let Some(at) = values.iter().position(|v| !v.is_finite()) {
            let (row, column) = (at / channels / width + 1, at / channels % width + 1);
            let problem = format!("found {}; expected a finite number", values[at]);
            return Err(source.malformed(Place::Pixel { row, column }, problem));
        }
        let plane = |c: usize| values.iter().skip(c).step_by(channels).copied().collect::<Vec<f64>>();
        let mut planes: Vec<Vec<f64>> = (0..channels).map(plane).collect();
        let alpha = if channels.is_multiple_of(2) { planes.pop() } else { None };
        Ok(Self { height, width, planes, alpha, depth, format })
    }

    /// Number of colours.
    pub fn n_planes(&self) -> usize {
        self.planes.len()
    }

    /// One grey plane: the mean of the colours.
    pub fn grey(&self) -> Vec<f64> {
        let share = 1.0 / self.planes.len().max(1) as f64;
        let mean = |i: usize| share * self.planes.iter().filter_map(|plane| plane.get(i)).sum::<f64>();
        (0..self.height * self.width).map(mean).collect()
    }

    /// Values pixel by pixel, colours and opacity side by side; and how many channels that are.
    fn pixels(&self) -> (Vec<f64>, usize) {
        let channels: Vec<&Vec<f64>> = self.planes.iter().chain(&self.alpha).collect();
        let mut values = Vec::with_capacity(channels.len() * self.height * self.width);
        for i in 0..self.height * self.width {
            values.extend(channels.iter().map(|plane| plane.get(i).copied().unwrap_or(0.0)));
        }
        (values, channels.len())
    }
}

/// Reads an image; its format is told by its first bytes.
///
/// # Errors
/// [`ReadError`]: one sentence with the file and what is wrong with it: not an image, cut short, without pixels, or with values that are not finite.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("step.npy");
/// # bilevel_io::write_array(&path, &[2, 2], &[0.0, 1.0, 0.0, 1.0], bilevel_io::Depth::F64)?;
/// let image = bilevel_io::read_image(&path)?;
/// assert_eq!((image.height, image.width, image.n_planes()), (2, 2, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_image(path: impl AsRef<Path>) -> Result<Image, ReadError> {
    let source = Source::file(path.as_ref())?;
    let head = source.head(8)?;
    if head.is_empty() {
        return Err(source.malformed(Place::File, "the file is empty; expected an image"));
    }
    let Some(format) = ImageFormat::of_content(&head) else {
        let found = crate::error::quoted(&head);
        let problem = format!("begins with {found}; expected an image: PNG, JPEG, TIFF or a NumPy array");
        return Err(source.malformed(Place::File, problem));
    };
    match format {
        ImageFormat::Png => png::read(&source),
        ImageFormat::Jpeg => jpeg::read(&source),
        ImageFormat::Tiff => tiff::read(&source),
        ImageFormat::Npy => npy::read_image(&source),
    }
}

/// Height × width, where an image of that size can be.
fn checked_size(source: &Source<'_>, height: usize, width: usize) -> Result<(usize, usize), ReadError> {
    match height.checked_mul(width) {
        Some(1..=MOST_PIXELS) => Ok((height, width)),
        _ => {
            let problem =
                format!("{height} x {width} pixels; expected at least one and at most {MOST_PIXELS}");
            Err(source.malformed(Place::Header, problem))
        }
    }
}

/// Writes an image as the file name says: with the image's depth if that format has it, else with the nearest that it has.
///
/// Returns how many values were outside what integers of that depth can hold and were clipped; 0 where floating-point values are written.
///
/// # Errors
/// [`WriteError`] for a name without a known suffix, a format that is not written, or a file that cannot be.
pub fn write_image(path: impl AsRef<Path>, image: &Image) -> Result<usize, WriteError> {
    let path = path.as_ref();
    match named_format(path)? {
        ImageFormat::Tiff => tiff::write(path, image),
        ImageFormat::Npy => npy::write_image(path, image),
        ImageFormat::Png | ImageFormat::Jpeg => png::write(path, image),
    }
}

/// Whether [`write_image`] knows what to do with a name: found out before the work that leads there.
///
/// # Errors
/// The same as [`write_image`] for that name.
pub fn check_image_name(path: impl AsRef<Path>) -> Result<(), WriteError> {
    named_format(path.as_ref()).map(drop)
}

/// The format of a file to be written.
fn named_format(path: &Path) -> Result<ImageFormat, WriteError> {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let problem = match ImageFormat::of_name(&name) {
        Some(ImageFormat::Jpeg) => {
            "JPEG would add its own noise; expected a name that ends in .png, .tif or .npy"
        }
        Some(format) => return Ok(format),
        None => "expected a name that ends in .png, .tif or .npy",
    };
    Err(WriteError::Format { path: path.to_path_buf(), problem: problem.into() })
}
