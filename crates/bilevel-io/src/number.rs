//! Decimal numbers from bytes, fast and correctly rounded.
//!
//! A number m·10ᵉ with integer m ≤ 2⁵³ and |e| ≤ 22 is one exact product or quotient of two exact doubles, hence correctly rounded (Clinger,
//! "How to read floating point numbers accurately", 1990). Nearly all numbers in data files are of that kind; the others go to the standard library.

/// Why bytes are not a finite number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotFinite {
    /// Not a number at all.
    Text,
    /// `nan`, `inf` and the like.
    Special,
    /// A number beyond the largest double.
    TooLarge,
}

impl NotFinite {
    /// The sentence after the place: what was found and what was expected.
    pub(crate) fn problem(self, found: &[u8]) -> String {
        let found = crate::error::quoted(found);
        match self {
            Self::Text => format!("found {found}; expected a number"),
            Self::Special => format!("found {found}; expected a finite number"),
            Self::TooLarge => {
                format!("found {found}, beyond the largest double; expected a number below 1.8e308")
            }
        }
    }
}

const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];
const LARGEST_EXACT: u64 = 1 << 53;

/// Reads the whole of `bytes` as one finite number.
#[inline]
pub(crate) fn parse(bytes: &[u8]) -> Result<f64, NotFinite> {
    let (end, value) = prefix(bytes);
    match value {
        Some(value) if end == bytes.len() => Ok(value),
        _ => parse_slowly(bytes),
    }
}

/// Reads the longest simple decimal number at the start of `bytes`: where it ends, and its value if the fast path is exact for it.
#[inline]
pub(crate) fn prefix(bytes: &[u8]) -> (usize, Option<f64>) {
    let mut at = 0;
    let mut negative = false;
    if let Some(&sign @ (b'-' | b'+')) = bytes.first() {
        negative = sign == b'-';
        at = 1;
    }
    let mut mantissa = 0_u64;
    let start = at;
    while let Some(digit) = digit(bytes, at) {
        mantissa = mantissa.wrapping_mul(10).wrapping_add(digit);
        at += 1;
    }
    let mut digits = at - start;
    let mut exponent = 0_i64;
    if bytes.get(at) == Some(&b'.') {
        at += 1;
        let start = at;
        while let Some(digit) = digit(bytes, at) {
            mantissa = mantissa.wrapping_mul(10).wrapping_add(digit);
            at += 1;
        }
        exponent = -((at - start) as i64);
        digits += at - start;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let (end, power) = exponent_part(bytes, at + 1);
        at = end;
        match power {
            Some(power) => exponent += power,
            None => return (at, None),
        }
    }
    // 19 digits cannot wrap around 2⁶⁴
    if digits == 0 || digits > 19 || mantissa > LARGEST_EXACT || exponent.abs() > 22 {
        return (at, None);
    }
    let power = POWERS[exponent.unsigned_abs() as usize];
    let magnitude = if exponent < 0 { mantissa as f64 / power } else { mantissa as f64 * power };
    (at, Some(if negative { -magnitude } else { magnitude }))
}

#[inline]
fn digit(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at).map(|b| b.wrapping_sub(b'0')).filter(|d| *d < 10).map(u64::from)
}

fn exponent_part(bytes: &[u8], mut at: usize) -> (usize, Option<i64>) {
    let mut sign = 1;
    if let Some(&s @ (b'-' | b'+')) = bytes.get(at) {
        sign = if s == b'-' { -1 } else { 1 };
        at += 1;
    }
    let start = at;
    let mut power = 0_i64;
    while let Some(digit) = digit(bytes, at) {
        power = (power * 10 + digit as i64).min(100_000);
        at += 1;
    }
    (at, (at > start).then_some(sign * power))
}

#[cold]
fn parse_slowly(bytes: &[u8]) -> Result<f64, NotFinite> {
    let text = std::str::from_utf8(bytes).map_err(|_| NotFinite::Text)?;
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        Ok(_) if text.bytes().any(|b| b.is_ascii_digit()) => Err(NotFinite::TooLarge),
        Ok(_) => Err(NotFinite::Special),
        Err(_) => Err(NotFinite::Text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn special_values_and_text_are_told_apart() {
        for text in ["nan", "NaN", "inf", "-Infinity", "+inf"] {
            assert_eq!(parse(text.as_bytes()), Err(NotFinite::Special), "{text}");
        }
        for text in ["1e400", "-1e400", "9".repeat(400).as_str()] {
            assert_eq!(parse(text.as_bytes()), Err(NotFinite::TooLarge), "{text}");
        }
        for text in ["", "-", ".", "e5", "1e", "1e+", "1_000", "0x10", "1 ", " 1", "--1", "1.2.3", "1,5", "١"]
        {
            assert_eq!(parse(text.as_bytes()), Err(NotFinite::Text), "{text:?}");
        }
    }

    proptest! {
        // the standard library's parser is proven correctly rounded
        #[test]
        fn any_decimal_agrees_with_the_standard_library(text in r"[+-]?[0-9]{0,25}(\.[0-9]{0,25})?([eE][+-]?[0-9]{1,3})?") {
            let expected = text.parse::<f64>().ok().filter(|v| v.is_finite());
            prop_assert_eq!(parse(text.as_bytes()).ok().map(f64::to_bits), expected.map(f64::to_bits));
        }

        #[test]
        fn any_double_survives_printing(value in proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL | proptest::num::f64::ZERO) {
            prop_assert_eq!(parse(value.to_string().as_bytes()).ok().map(f64::to_bits), Some(value.to_bits()));
            prop_assert_eq!(parse(format!("{value:e}").as_bytes()).ok().map(f64::to_bits), Some(value.to_bits()));
        }
    }
}
