//! How a file stores a value, and the way from there to numbers and back.

/// The type of a stored value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Integers from 0 to 255.
    U8,
    /// Integers from 0 to 65,535.
    U16,
    /// Integers from 0 to 4,294,967,295.
    U32,
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

impl Depth {
    /// The stored value that stands for 1: the largest integer, or 1 itself.
    pub fn unit(self) -> f64 {
        match self {
            Self::U8 => f64::from(u8::MAX),
            Self::U16 => f64::from(u16::MAX),
            Self::U32 => f64::from(u32::MAX),
            Self::F32 | Self::F64 => 1.0,
        }
    }

    /// Whether values between the integers are lost.
    pub fn is_integer(self) -> bool {
        !matches!(self, Self::F32 | Self::F64)
    }

    /// For people: `8-bit`, `32-bit float`.
    pub fn name(self) -> &'static str {
        match self {
            Self::U8 => "8-bit",
            Self::U16 => "16-bit",
            Self::U32 => "32-bit",
            Self::F32 => "32-bit float",
            Self::F64 => "64-bit float",
        }
    }
}

/// Numbers as integers of a depth, rounded and clipped; and how many were clipped by more than rounding takes.
pub(super) fn quantized(values: &[f64], depth: Depth) -> (Vec<u32>, usize) {
    let unit = depth.unit();
    let outside = |v: &&f64| !(-0.5..=unit + 0.5).contains(&(**v * unit));
    let clipped = values.iter().filter(outside).count();
    // A float-to-integer cast saturates, and takes a NaN for 0.
    let whole = |v: &f64| (v * unit).round().clamp(0.0, unit) as u32;
    (values.iter().map(whole).collect(), clipped)
}
