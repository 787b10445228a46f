//! Means over validation samples, and how well they are known.

use super::ValidationSample;

/// A value of one row, which counts as `weight` samples.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted {
    pub(crate) row: u32,
    pub(crate) weight: f64,
    pub(crate) value: f64,
}

impl Counted {
    /// The loss on a validation row.
    pub(crate) fn loss(sample: &ValidationSample) -> Self {
        Self { row: sample.row, weight: sample.weight, value: sample.loss }
    }
}

/// The values of one row, in the order of their splits.
struct Row {
    visits: f64,
    weight: f64,
    mean: f64,
}

/// The weighted mean m of values in the order of their rows, and its standard error √(Σ_r W_r (v_r − m)² / (W (N − 1))); 0 for fewer than
/// two samples.
///
/// Several values of one row (that several splits validate on it) are one observation, their mean v_r with their total weight W_r. The number N
/// of samples is the sum of the rows' weights if these are counts; weights that are not (they may sum to 1) give the larger number (Σw)²/Σw²,
/// which does not depend on their scale (Kish 1965).
pub(crate) fn mean_and_standard_error(values: impl Iterator<Item = Counted>) -> (f64, f64) {
    let mut rows: Vec<Row> = Vec::new();
    let mut last = None;
    for Counted { row, weight, value } in values {
        match rows.last_mut().filter(|_| last == Some(row)) {
            Some(same) => {
                same.visits += 1.0;
                same.weight += weight;
                same.mean += (value - same.mean) * (weight / same.weight);
            }
            None => rows.push(Row { visits: 1.0, weight, mean: value }),
        }
        last = Some(row);
    }
    let total: f64 = rows.iter().map(|r| r.weight).sum();
    let mean = rows.iter().map(|r| r.weight * r.mean).sum::<f64>() / total.max(f64::MIN_POSITIVE);
    let counts = || rows.iter().map(|r| r.weight / r.visits);
    let (sum, squares) = counts().fold((0.0, 0.0), |(s, q), w| (s + w, q + w * w));
    let count = sum.max(sum * sum / squares.max(f64::MIN_POSITIVE));
    if count <= 1.0 {
        return (mean, 0.0);
    }
    let square: f64 = rows.iter().map(|r| r.weight * (r.mean - mean) * (r.mean - mean)).sum();
    (mean, (square / (count - 1.0) / total).sqrt())
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;

    use super::*;

    fn of(values: &[(u32, f64, f64)]) -> (f64, f64) {
        mean_and_standard_error(values.iter().map(|&(row, weight, value)| Counted { row, weight, value }))
    }

    #[test]
    fn three_values_have_the_error_of_the_textbook() {
        // mean 3, variance (4 + 0 + 4)/2 = 4, error √(4/3)
        let (mean, error) = of(&[(0, 1.0, 1.0), (1, 1.0, 3.0), (2, 1.0, 5.0)]);
        assert_eq!(mean, 3.0);
        assert_relative_eq!(error, (4.0_f64 / 3.0).sqrt(), max_relative = 1e-15);
        assert_eq!(of(&[(7, 1.0, 2.0)]), (2.0, 0.0));
        assert_eq!(of(&[]), (0.0, 0.0));
    }

    #[test]
    fn a_weight_of_two_is_two_rows() {
        let weighted = of(&[(0, 2.0, 1.0), (1, 1.0, 4.0), (2, 3.0, 5.0)]);
        let listed = [1.0, 1.0, 4.0, 5.0, 5.0, 5.0];
        let listed: Vec<_> = listed.iter().zip(0..).map(|(&value, row)| (row, 1.0, value)).collect();
        let listed = of(&listed);
        assert_relative_eq!(weighted.0, listed.0, max_relative = 1e-15);
        assert_relative_eq!(weighted.1, listed.1, max_relative = 1e-14);
    }

    #[test]
    fn equal_weights_of_any_small_size_are_no_weights() {
        let plain = of(&[(0, 1.0, 1.0), (1, 1.0, 3.0), (2, 1.0, 5.0)]);
        let small = of(&[(0, 1e-9, 1.0), (1, 1e-9, 3.0), (2, 1e-9, 5.0)]);
        assert_relative_eq!(plain.0, small.0, max_relative = 1e-14);
        assert_relative_eq!(plain.1, small.1, max_relative = 1e-14);
    }

    #[test]
    fn judging_a_row_twice_makes_no_second_sample() {
        let once = of(&[(0, 1.0, 1.0), (1, 1.0, 3.0), (2, 1.0, 5.0)]);
        let twice =
            of(&[(0, 1.0, 1.5), (0, 1.0, 0.5), (1, 1.0, 3.0), (1, 1.0, 3.0), (2, 1.0, 5.0), (2, 1.0, 5.0)]);
        assert_relative_eq!(once.0, twice.0, max_relative = 1e-15);
        assert_relative_eq!(once.1, twice.1, max_relative = 1e-15);
    }
}
