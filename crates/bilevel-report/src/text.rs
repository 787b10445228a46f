//! Numbers and names for people: rounded, grouped, shortened. Exact values are in `model.json`, not here.

/// How many characters of a name are shown where space is short.
const LONG_NAME: usize = 80;

/// A number to four significant digits: `0.3237`, `1,240`, `3.1e-6`; `not known` for NaN, `∞` for infinity.
pub(crate) fn number(x: f64) -> String {
    significant(x, 4)
}

/// A number to `digits` significant digits.
pub(crate) fn significant(x: f64, digits: usize) -> String {
    if x.is_nan() {
        return "not known".into();
    }
    if x.is_infinite() {
        return if x > 0.0 { "∞".into() } else { "−∞".into() };
    }
    if x == 0.0 {
        return "0".into();
    }
    // Rounding first: 9.99996 has the exponent of 10 once it is rounded to four digits.
    let scientific = format!("{:.*e}", digits.saturating_sub(1), x);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let text = if (-4..7).contains(&exponent) {
        let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
        let fixed = format!("{x:.decimals$}");
        group(&trim_zeros(&fixed))
    } else {
        format!("{}e{exponent}", trim_zeros(mantissa))
    };
    text.replace('-', "−").replace("e−", "e-")
}

/// A number rounded to `digits` significant digits even where it has more before the point: `498,000`.
pub(crate) fn rounded(x: f64, digits: usize) -> String {
    number(format!("{:.*e}", digits.saturating_sub(1), x).parse().unwrap_or(x))
}

/// A fraction as a percentage to two or three digits: `51 %`, `99.3 %`.
pub(crate) fn percent(fraction: f64) -> String {
    if !fraction.is_finite() {
        return "not known".into();
    }
    let value = 100.0 * fraction;
    let near_the_ends = value.abs() < 10.0 || (90.0..100.0).contains(&value);
    let text = if near_the_ends { trim_zeros(&format!("{value:.1}")) } else { format!("{value:.0}") };
    format!("{} %", text.replace('-', "−"))
}

/// A count with thousands separators.
pub(crate) fn count(n: usize) -> String {
    group(&n.to_string())
}

/// `1 step`, `12 steps`: a count with its noun.
pub(crate) fn counted(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{} {noun}s", count(n)) }
}

/// A duration: `12 ms`, `1.2 s`, `3 min 20 s`.
pub(crate) fn seconds(s: f64) -> String {
    match s {
        s if !s.is_finite() || s < 0.0 => "not known".into(),
        s if s < 0.9995 => format!("{} ms", significant(1000.0 * s, 2)),
        s if s < 59.95 => format!("{} s", significant(s, 3)),
        s if s < 3600.0 => format!("{} min {} s", (s / 60.0) as u64, (s % 60.0) as u64),
        s => format!("{} h {} min", count((s / 3600.0) as usize), (s % 3600.0 / 60.0) as u64),
    }
}

/// A name of at most `limit` characters, its middle replaced by `…`.
pub(crate) fn shortened(name: &str, limit: usize) -> String {
    let characters: Vec<char> = name.chars().collect();
    if characters.len() <= limit || limit < 3 {
        return name.to_string();
    }
    let head = limit.div_ceil(2);
    let tail = limit - head - 1;
    let start: String = characters[..head].iter().collect();
    let end: String = characters[characters.len() - tail..].iter().collect();
    format!("{start}…{end}")
}

/// A name that fits into a sentence.
pub(crate) fn name(name: &str) -> String {
    shortened(name, LONG_NAME)
}

fn trim_zeros(text: &str) -> String {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_string()
    } else {
        text.to_string()
    }
}

/// Thousands separators for the digits before the decimal point.
pub(crate) fn group(text: &str) -> String {
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let (sign, digits) = whole.split_at(whole.find(|c: char| c.is_ascii_digit()).unwrap_or(0));
    let mut grouped = String::with_capacity(text.len() + digits.len() / 3);
    grouped.push_str(sign);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_four_digits_and_say_what_is_missing() {
        for (x, text) in [
            (0.323729, "0.3237"),
            (1240.0, "1,240"),
            (-519.84, "−519.8"),
            (3.14159e-6, "3.142e-6"),
            (9.99996, "10"),
            (12_345_678.0, "1.235e7"),
            (1_234_567.0, "1,234,567"),
            (0.0, "0"),
            (f64::NAN, "not known"),
            (f64::NEG_INFINITY, "−∞"),
            (5e-324, "4.941e-324"),
        ] {
            assert_eq!(number(x), text);
        }
    }

    #[test]
    fn percentages_show_a_decimal_only_near_the_ends() {
        assert_eq!(percent(0.514), "51 %");
        assert_eq!(percent(0.9934), "99.3 %");
        assert_eq!(percent(-0.123), "−12 %");
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(percent(f64::NAN), "not known");
        assert_eq!(rounded(498_144.0, 3), "498,000");
        assert_eq!(rounded(f64::INFINITY, 3), "∞");
    }

    #[test]
    fn durations_change_their_unit() {
        assert_eq!(seconds(0.0123), "12 ms");
        assert_eq!(seconds(1.234), "1.23 s");
        assert_eq!(seconds(200.0), "3 min 20 s");
        assert_eq!(seconds(7260.0), "2 h 1 min");
        assert_eq!(seconds(-1.0), "not known");
    }

    #[test]
    fn long_names_keep_both_ends() {
        assert_eq!(shortened("abcdefghij", 5), "abc…j");
        assert_eq!(shortened("äöü", 3), "äöü");
        assert_eq!(counted(1, "step"), "1 step");
        assert_eq!(counted(1200, "step"), "1,200 steps");
    }
}
