//! Scales: from data to drawing units, linear or logarithmic, with ticks at round numbers.
//!
//! Ticks lie at multiples of 1, 2 or 5 times a power of ten. A logarithmic scale shows powers of ten, with 2 and 5 in between where
//! there is room. Nothing here can divide by zero or loop for long: extents are finite and at least a rounding error wide.

use crate::text::group;

/// Values beyond this are not drawable (their differences would overflow).
const LARGEST: f64 = 1e300;

/// A labelled position on an axis.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tick {
    pub value: f64,
    pub label: String,
}

/// How values become positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Linear,
    Log,
}

/// A monotone map from an interval of data to [0, 1].
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scale {
    kind: Kind,
    /// Ends of the interval; logarithms (base 10) of them on a log scale.
    low: f64,
    high: f64,
    /// Whether ticks between whole numbers would make no sense.
    whole: bool,
    /// Names of the whole numbers from 1 on, in place of ticks; empty for numbers.
    names: Vec<String>,
}

impl Scale {
    /// A linear scale around all drawable values, with 4 % air on either side; `None` if there are none.
    pub(crate) fn linear(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let (low, high) = extent(values.into_iter().filter(|v| v.abs() <= LARGEST))?;
        Some(Self::around(Kind::Linear, low, high, 0.04))
    }

    /// A logarithmic scale around all positive drawable values; `None` if there are none.
    pub(crate) fn log(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let positive = values.into_iter().filter(|v| *v > 0.0 && *v <= LARGEST);
        let (low, high) = extent(positive.map(f64::log10))?;
        Some(Self::around(Kind::Log, low, high, 0.04))
    }

    /// A linear scale over exactly [low, high].
    pub(crate) fn fixed(low: f64, high: f64) -> Self {
        Self::around(Kind::Linear, low, high, 0.0)
    }

    /// A linear scale for the numbers 1, 2, …, n, with ticks at whole numbers only.
    pub(crate) fn counting(n: usize) -> Self {
        Self { whole: true, ..Self::fixed(0.5, n as f64 + 0.5) }
    }

    /// A linear scale for named categories at 1, 2, ….
    pub(crate) fn categories(names: impl IntoIterator<Item = String>) -> Self {
        let names: Vec<String> = names.into_iter().collect();
        Self { names: names.clone(), ..Self::counting(names.len().max(1)) }
    }

    /// Logarithmic where all drawable values are positive and span more than a factor of `ratio`, else linear.
    pub(crate) fn automatic(values: &[f64], ratio: f64) -> Option<Self> {
        let (low, high) = extent(values.iter().copied().filter(|v| v.abs() <= LARGEST))?;
        if low > 0.0 && high / low > ratio {
            Self::log(values.iter().copied())
        } else {
            Self::linear(values.iter().copied())
        }
    }

    /// The same scale reaching down (or up) to `value`.
    pub(crate) fn including(self, value: f64) -> Self {
        let coordinate = self.coordinate(value);
        if !coordinate.is_finite() {
            return self;
        }
        Self { low: self.low.min(coordinate), high: self.high.max(coordinate), ..self }
    }

    fn around(kind: Kind, low: f64, high: f64, air: f64) -> Self {
        let span = high - low;
        let magnitude = low.abs().max(high.abs());
        // A span of a rounding error cannot be told from a single value.
        let half = match kind {
            _ if span > 1e-12 * magnitude => air * span,
            Kind::Log => 0.5,
            Kind::Linear if magnitude > 0.0 => 0.1 * magnitude,
            Kind::Linear => 1.0,
        };
        let (low, high) = (low - half, high + half);
        match kind {
            Kind::Linear => Self { kind, low, high, whole: false, names: Vec::new() },
            // Air must not reach beyond what is drawable.
            Kind::Log => {
                let (low, high) = (low.max(-323.0), high.min(LARGEST.log10() - 1.0));
                Self { kind, low, high, whole: false, names: Vec::new() }
            }
        }
    }

    fn coordinate(&self, value: f64) -> f64 {
        match self.kind {
            Kind::Linear => value,
            Kind::Log => value.log10(),
        }
    }

    /// Where `value` lies: 0 at the low end, 1 at the high end, clamped; `None` for what this scale cannot show.
    pub(crate) fn position(&self, value: f64) -> Option<f64> {
        let coordinate = self.coordinate(value);
        (coordinate.is_finite() && value.abs() <= LARGEST)
            .then(|| ((coordinate - self.low) / (self.high - self.low)).clamp(0.0, 1.0))
    }

    /// Whether this is a logarithmic scale.
    pub(crate) fn is_log(&self) -> bool {
        self.kind == Kind::Log
    }

    /// Whether this is a scale of named categories.
    pub(crate) fn is_named(&self) -> bool {
        !self.names.is_empty()
    }

    /// At most about `target` + 2 ticks at round numbers within the scale.
    pub(crate) fn ticks(&self, target: usize) -> Vec<Tick> {
        if !self.names.is_empty() {
            let tick = |(k, name): (usize, &String)| Tick { value: k as f64 + 1.0, label: name.clone() };
            return self.names.iter().enumerate().map(tick).collect();
        }
        match self.kind {
            Kind::Linear => linear_ticks(self.low, self.high, target, if self.whole { 1.0 } else { 0.0 }),
            Kind::Log => log_ticks(self.low, self.high, target),
        }
    }
}

/// The ticks, or every second, third, … of them, so that labels of `character` units each do not run into each other on `length`.
pub(crate) fn roomy(ticks: Vec<Tick>, length: f64, character: f64) -> Vec<Tick> {
    let longest = ticks.iter().map(|t| t.label.chars().count() + 1).max().unwrap_or(0);
    let every = (longest as f64 * character * ticks.len() as f64 / length).ceil().max(1.0) as usize;
    ticks.into_iter().step_by(every).collect()
}

/// Smallest and largest of the values that are not NaN.
fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|v| v.is_finite()).fold(None, |extent, v| match extent {
        None => Some((v, v)),
        Some((low, high)) => Some((v.min(low), v.max(high))),
    })
}

/// The step 1, 2 or 5 times a power of ten that cuts `span` into at most `target` pieces (or a few more by rounding).
fn round_step(span: f64, target: usize) -> f64 {
    let raw = span / target.max(1) as f64;
    let power = 10f64.powf(raw.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|f| f * power >= raw * (1.0 - 1e-9)).unwrap_or(10.0);
    factor * power
}

fn linear_ticks(low: f64, high: f64, target: usize, smallest_step: f64) -> Vec<Tick> {
    let step = round_step(high - low, target).max(smallest_step);
    if !step.is_normal() {
        return Vec::new();
    }
    let first = (low / step - 1e-9).ceil();
    (0..=target + 1)
        .map(|i| (first + i as f64) * step)
        .take_while(|v| *v <= high + 1e-9 * step)
        .map(|v| Tick { value: v, label: linear_label(v, step) })
        .collect()
}

fn log_ticks(low: f64, high: f64, target: usize) -> Vec<Tick> {
    let decades = high - low;
    // Less than half a decade: round numbers on the data's own scale say more than powers of ten.
    if decades < 0.5 {
        return linear_ticks(10f64.powf(low), 10f64.powf(high), target.min(4), 0.0);
    }
    let multiples: &[f64] = if decades < 1.2 {
        &[1.0, 2.0, 5.0]
    } else if decades < 2.2 {
        &[1.0, 3.0]
    } else {
        &[1.0]
    };
    let stride = (decades / target.max(1) as f64).ceil().max(1.0) as i32;
    let (first, last) = (low.floor() as i32, high.ceil() as i32);
    (first..=last)
        .filter(|exponent| exponent.rem_euclid(stride) == 0)
        .flat_map(|exponent| multiples.iter().map(move |&m| (m, exponent)))
        .filter(|(m, exponent)| {
            let coordinate = m.log10() + f64::from(*exponent);
            coordinate >= low - 1e-9 && coordinate <= high + 1e-9
        })
        .map(|(m, exponent)| Tick { value: m * 10f64.powi(exponent), label: log_label(m, exponent) })
        .collect()
}

fn linear_label(value: f64, step: f64) -> String {
    let magnitude = value.abs().max(step);
    if !(1e-4..1e7).contains(&magnitude) {
        let exponent = magnitude.log10().floor() as i32;
        let decimals = (f64::from(exponent) - step.log10().floor()).clamp(0.0, 6.0) as usize;
        let mantissa = value / 10f64.powi(exponent);
        return if value == 0.0 {
            "0".into()
        } else {
            minus(&format!("{mantissa:.decimals$}")) + &times_power(exponent)
        };
    }
    let decimals = (-(step * (1.0 + 1e-9)).log10().floor()).clamp(0.0, 8.0) as usize;
    // Adding 0 turns −0 into 0.
    minus(&group(&format!("{:.decimals$}", value + 0.0)))
}

fn log_label(multiple: f64, exponent: i32) -> String {
    if (-3..=5).contains(&exponent) {
        let decimals = (-exponent).max(0) as usize;
        group(&format!("{:.decimals$}", multiple * 10f64.powi(exponent)))
    } else if multiple == 1.0 {
        format!("10{}", superscript(exponent))
    } else {
        format!("{multiple}{}", times_power(exponent))
    }
}

fn times_power(exponent: i32) -> String {
    format!("·10{}", superscript(exponent))
}

fn superscript(exponent: i32) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    exponent.to_string().chars().map(|c| c.to_digit(10).map_or('⁻', |d| DIGITS[d as usize])).collect()
}

fn minus(text: &str) -> String {
    text.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;

    use super::*;

    fn labels(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().map(|t| t.label.as_str()).collect()
    }

    #[test]
    fn a_linear_scale_is_affine_and_clamps() {
        let scale = Scale::fixed(-1.0, 3.0);
        assert_eq!(scale.position(-1.0), Some(0.0));
        assert_eq!(scale.position(0.0), Some(0.25));
        assert_eq!(scale.position(9.0), Some(1.0));
        assert_eq!(scale.position(f64::NAN), None);
        assert_eq!(scale.position(f64::MAX), None);
    }

    #[test]
    fn a_log_scale_takes_equal_ratios_to_equal_lengths() {
        let scale = Scale::log([1e-3, 1e3, -5.0, 0.0, f64::INFINITY]).unwrap();
        let at = |x| scale.position(x).unwrap();
        assert_relative_eq!(at(1.0), 0.5, max_relative = 1e-12);
        assert_relative_eq!(at(10.0) - at(1.0), at(1.0) - at(0.1), max_relative = 1e-12);
        assert_eq!(scale.position(0.0), None);
        assert_eq!(scale.position(-1.0), None);
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(labels(&Scale::fixed(0.0, 1.0).ticks(5)), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(&Scale::fixed(-130.0, 240.0).ticks(4)), ["−100", "0", "100", "200"]);
        assert_eq!(labels(&Scale::counting(1).ticks(5)), ["1"]);
        assert_eq!(labels(&Scale::counting(3).ticks(5)), ["1", "2", "3"]);
        assert_eq!(labels(&Scale::fixed(0.0, 3e4).ticks(3)), ["0", "10,000", "20,000", "30,000"]);
        assert_eq!(labels(&Scale::fixed(0.0, 4e9).ticks(4)), ["0", "1·10⁹", "2·10⁹", "3·10⁹", "4·10⁹"]);
        assert_eq!(labels(&Scale::log([0.01, 100.0]).unwrap().ticks(6)), ["0.01", "0.1", "1", "10", "100"]);
        assert_eq!(labels(&Scale::log([1e-8, 1.0]).unwrap().ticks(5)), ["10⁻⁸", "10⁻⁶", "10⁻⁴", "0.01", "1"]);
    }

    #[test]
    fn every_scale_has_between_one_and_a_few_ticks() {
        let numbers =
            [1e-300, 1e-12, 3.7e-5, 0.02, 0.999, 1.0, 1.0001, 7.3, 123.456, 9.9e5, 1e16, 1e16 + 4.0, 1e299];
        for &a in &numbers {
            for &b in &numbers {
                for scale in [Scale::linear([a, b]), Scale::linear([-a, b]), Scale::log([a, b])] {
                    let scale = scale.unwrap();
                    let ticks = scale.ticks(5);
                    assert!((1..=12).contains(&ticks.len()), "{a} {b} {scale:?}: {ticks:?}");
                    for t in &ticks {
                        assert!(
                            scale.position(t.value).is_some() && t.label.chars().count() <= 16,
                            "{a} {b} {scale:?}: {t:?}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn single_values_and_nothing_are_handled() {
        assert_eq!(Scale::linear([f64::NAN, f64::INFINITY]), None);
        assert_eq!(Scale::log([0.0, -1.0]), None);
        for value in [0.0, -3.0, 1e-200] {
            assert_relative_eq!(Scale::linear([value]).unwrap().position(value).unwrap(), 0.5);
        }
        assert_relative_eq!(Scale::log([42.0]).unwrap().position(42.0).unwrap(), 0.5);
    }

    #[test]
    fn automatic_scales_are_logarithmic_only_for_wide_positive_values() {
        assert!(Scale::automatic(&[1.0, 100.0], 20.0).unwrap().is_log());
        assert!(!Scale::automatic(&[1.0, 10.0], 20.0).unwrap().is_log());
        assert!(!Scale::automatic(&[0.0, 100.0], 20.0).unwrap().is_log());
    }

    #[test]
    fn long_labels_get_room() {
        let ticks = Scale::fixed(0.0, 5e4).ticks(5);
        assert_eq!(labels(&roomy(ticks.clone(), 400.0, 7.0)).len(), 6);
        assert_eq!(labels(&roomy(ticks, 200.0, 7.0)), ["0", "20,000", "40,000"]);
    }

    #[test]
    fn including_a_value_only_widens() {
        let scale = Scale::fixed(1.0, 2.0).including(0.0);
        assert_eq!(scale.position(0.0), Some(0.0));
        assert_eq!(scale.clone().including(f64::NAN), scale);
    }
}
