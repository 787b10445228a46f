//! Words and numbers for people, and writing them so that a closed pipe is no accident.

use std::io::{ErrorKind, Write};

use anyhow::Context;

/// Five significant digits: `0.32373`, `1478.3`, `3.1000e-11`.
pub fn number(value: f64) -> String {
    const DIGITS: i32 = 5;
    if value == 0.0 {
        return "0".to_string();
    }
    if !value.is_finite() {
        return if value.is_nan() { "unknown".to_string() } else { format!("{value}") };
    }
    let magnitude = value.abs().log10().floor() as i32;
    if (-4..7).contains(&magnitude) {
        let decimals = usize::try_from(DIGITS - 1 - magnitude).unwrap_or(0);
        let fixed = format!("{value:.decimals$}");
        return if fixed.contains('.') {
            fixed.trim_end_matches('0').trim_end_matches('.').to_string()
        } else {
            fixed
        };
    }
    rough(value)
}

/// About two significant digits, for errors and gaps: `110`, `2.4`, `0.0041`, `3.1e-11`.
pub fn rough(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return number(value);
    }
    let magnitude = value.abs().log10().floor() as i32;
    if (-3..6).contains(&magnitude) {
        let decimals = usize::try_from(1 - magnitude).unwrap_or(0);
        format!("{value:.decimals$}")
    } else {
        format!("{value:.1e}")
    }
}

/// `0.12 s`, `3.4 s`, `2 min 05 s`, `1 h 12 min`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..10 => format!("{seconds:.2} s"),
        10..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// `1 sample`, `442 samples`.
pub fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// Writes to stdout. A reader that went away (`| head`) is not an error.
///
/// # Errors
/// Any other failure, a full disk behind a redirection say.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(e).context("standard output cannot be written"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_five_significant_digits() {
        let cases = [
            (0.323_731_2, "0.32373"),
            (1478.345, "1478.3"),
            (75.0, "75"),
            (-0.5, "-0.5"),
            (0.000_123_456, "0.00012346"),
            (3.14e-11, "3.1e-11"),
            (1_234_567.0, "1234567"),
            (0.0, "0"),
            (f64::INFINITY, "inf"),
            (f64::NAN, "unknown"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn errors_keep_two_significant_digits() {
        let cases = [
            (108.4, "108"),
            (2.361, "2.4"),
            (0.0041, "0.0041"),
            (3.14e-11, "3.1e-11"),
            (92.33, "92"),
            (0.0, "0"),
        ];
        for (value, text) in cases {
            assert_eq!(rough(value), text);
        }
    }

    #[test]
    fn durations_are_read_aloud() {
        let cases = [
            (0.123, "0.12 s"),
            (12.34, "12.3 s"),
            (125.0, "2 min 05 s"),
            (4320.0, "1 h 12 min"),
            (59.7, "1 min 00 s"),
        ];
        for (seconds, text) in cases {
            assert_eq!(duration(seconds), text);
        }
    }
}
