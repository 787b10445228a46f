//! Published ranges, and whether a mean lies inside.

use super::Measured;
use crate::scores::{mean, standard_error};

/// Smallest and largest published mean over the nine configurations.
#[derive(Debug, Clone, Copy)]
pub(super) struct Published {
    /// Norm of the hidden entries at the start.
    pub(super) hidden: Option<(f64, f64)>,
    pub(super) criterion: (f64, f64),
    pub(super) f1: (f64, f64),
}

/// One λ, Null, NTRBA; nothing was published for `auto`.
pub(super) const PUBLISHED: [Option<Published>; 4] = [
    Some(Published { hidden: None, criterion: (0.13, 1.31), f1: (0.44, 0.51) }),
    Some(Published { hidden: Some((0.0, 0.0)), criterion: (0.14, 5.11), f1: (0.63, 0.70) }),
    Some(Published { hidden: Some((0.30, 5.12)), criterion: (0.02, 1.46), f1: (0.77, 0.90) }),
    None,
];

/// Which values are better than any in the range.
#[derive(Clone, Copy, PartialEq)]
enum Better {
    Lower,
    Higher,
    Neither,
}

/// `inside`, or what is not: `loss better, F1 outside by 1.2 s.e.`.
pub(super) fn verdict(measured: &Measured, published: Published) -> String {
    let hidden = published.hidden.map(|range| ("hidden gradient", &measured.hidden, range, Better::Neither));
    let parts = [
        ("loss", &measured.criterion, published.criterion, Better::Lower),
        ("F1", &measured.f1, published.f1, Better::Higher),
    ];
    let notes: Vec<String> = hidden
        .into_iter()
        .chain(parts)
        .filter_map(|(name, values, range, better)| Some(format!("{name} {}", judge(values, range, better)?)))
        .collect();
    if notes.is_empty() { "inside".to_string() } else { notes.join(", ") }
}

/// `None` inside the range to two decimals.
fn judge(values: &[f64], (low, high): (f64, f64), better: Better) -> Option<String> {
    let value = mean(values.iter().copied());
    let rounded = (100.0 * value).round() / 100.0;
    if (low..=high).contains(&rounded) {
        return None;
    }
    let side = if rounded < low { Better::Lower } else { Better::Higher };
    if side == better {
        return Some("better".to_string());
    }
    let distance = if rounded < low { low - value } else { value - high };
    Some(format!("outside by {:.1} s.e.", distance / standard_error(values)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_judged_to_their_decimals_and_by_their_good_side() {
        assert_eq!(judge(&[0.766, 0.766], (0.77, 0.9), Better::Higher), None);
        assert_eq!(judge(&[0.95], (0.77, 0.9), Better::Higher), Some("better".to_string()));
        assert_eq!(judge(&[0.6, 0.7], (0.77, 0.9), Better::Higher), Some("outside by 2.4 s.e.".to_string()));
        assert_eq!(judge(&[0.0, 0.0], (0.0, 0.0), Better::Neither), None);
    }
}
