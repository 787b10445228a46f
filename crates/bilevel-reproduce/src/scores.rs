//! What the published tables measure, and means over seeds.

/// ‖b − z‖²/‖b‖².
pub(crate) fn nmse(truth: &[f64], predicted: &[f64]) -> f64 {
    squared_error(truth, predicted) / truth.iter().map(|b| b * b).sum::<f64>()
}

/// Mean of (b − z)².
pub(crate) fn mean_squared_error(truth: &[f64], predicted: &[f64]) -> f64 {
    squared_error(truth, predicted) / truth.len() as f64
}

fn squared_error(truth: &[f64], predicted: &[f64]) -> f64 {
    truth.iter().zip(predicted).map(|(b, z)| (b - z) * (b - z)).sum()
}

/// F1 of the positive class, where `truth` is positive, of what `predicted` calls positive; 0 without a true positive.
pub(crate) fn f1(truth: &[f64], predicted: &[f64]) -> f64 {
    let pairs = || truth.iter().zip(predicted).map(|(b, z)| (*b > 0.0, *z > 0.0));
    let hits = pairs().filter(|pair| *pair == (true, true)).count();
    let errors = pairs().filter(|(b, z)| b != z).count();
    if hits == 0 { 0.0 } else { 2.0 * hits as f64 / (2 * hits + errors) as f64 }
}

/// F1 of the recovered support: a coefficient belongs to it if it is not exactly zero.
pub(crate) fn support_f1(truth: &[f64], coefficients: &[f64]) -> f64 {
    let sizes = |v: &[f64]| v.iter().map(|y| y.abs()).collect::<Vec<_>>();
    f1(&sizes(truth), &sizes(coefficients))
}

/// How many are not exactly zero.
pub(crate) fn active(coefficients: &[f64]) -> usize {
    coefficients.iter().filter(|y| **y != 0.0).count()
}

/// ‖v‖.
pub(crate) fn norm(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// The mean; NaN of none.
pub(crate) fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let (count, sum) = values.into_iter().fold((0.0_f64, 0.0), |(n, s), v| (n + 1.0, s + v));
    sum / count
}

/// Standard error of the mean, s/√m; 0 for fewer than two values.
pub(crate) fn standard_error(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    let (m, middle) = (values.len() as f64, mean(values.iter().copied()));
    let square: f64 = values.iter().map(|v| (v - middle) * (v - middle)).sum();
    (square / (m - 1.0) / m).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_support_with_one_extra_and_one_missing_feature_scores_as_by_hand() {
        // 2 hits, 1 false positive, 1 miss: 2·2/(2·2 + 2).
        assert_eq!(support_f1(&[1.0, -1.0, 2.0, 0.0, 0.0], &[0.1, -3.0, 0.0, 1e-9, 0.0]), 4.0 / 6.0);
        assert_eq!(f1(&[-1.0, -1.0], &[1.0, -1.0]), 0.0);
    }

    #[test]
    fn the_standard_error_is_that_of_the_textbook() {
        assert_eq!(standard_error(&[1.0, 3.0]), 1.0);
        assert_eq!(standard_error(&[5.0]), 0.0);
    }
}
