//! What the plots of predictions show: ROC curve, calibration, residuals.
//!
//! All take truth and linear predictor side by side. Pairs with a NaN are left out; an infinite log-odds is a probability of 0 or 1.
//! Sources: Fawcett, "An introduction to ROC analysis" (2006); Wilson, "Probable inference, the law of succession, and statistical
//! inference" (1927).

/// The ROC curve of a score against two classes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Roc {
    /// (false positive rate, true positive rate), from (0, 0) to (1, 1), one corner for each distinct score.
    pub points: Vec<(f64, f64)>,
    /// Area under it: P(score of a positive > score of a negative) + ½ P(equal).
    pub auc: f64,
}

/// The ROC curve; `None` where one of the classes is missing.
pub(crate) fn roc(truth: &[f64], score: &[f64]) -> Option<Roc> {
    let mut pairs = classified_pairs(truth, score);
    pairs.sort_by(|a, b| b.1.total_cmp(&a.1));
    let positives = pairs.iter().filter(|(positive, _)| *positive).count() as f64;
    let negatives = pairs.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 {
        return None;
    }
    let (mut true_positives, mut false_positives) = (0.0, 0.0);
    let mut points = vec![(0.0, 0.0)];
    let mut auc = 0.0;
    for ties in pairs.chunk_by(|a, b| a.1 == b.1) {
        let hits = ties.iter().filter(|(positive, _)| *positive).count() as f64;
        let misses = ties.len() as f64 - hits;
        auc += misses * (true_positives + 0.5 * hits);
        true_positives += hits;
        false_positives += misses;
        points.push((false_positives / negatives, true_positives / positives));
    }
    Some(Roc { points, auc: auc / (positives * negatives) })
}

/// Counts at probability ½, that is at log-odds 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Confusion {
    pub true_positives: usize,
    pub false_positives: usize,
    pub true_negatives: usize,
    pub false_negatives: usize,
}

/// The confusion matrix of the rule "positive where the log-odds are above 0".
pub(crate) fn confusion(truth: &[f64], log_odds: &[f64]) -> Confusion {
    let mut counts = Confusion::default();
    for (positive, z) in classified_pairs(truth, log_odds) {
        let slot = match (positive, z > 0.0) {
            (true, true) => &mut counts.true_positives,
            (true, false) => &mut counts.false_negatives,
            (false, true) => &mut counts.false_positives,
            (false, false) => &mut counts.true_negatives,
        };
        *slot += 1;
    }
    counts
}

/// One bin of a calibration curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CalibrationBin {
    /// Mean predicted probability in the bin.
    pub predicted: f64,
    /// Fraction of positives in it.
    pub observed: f64,
    /// 95 % Wilson interval of that fraction.
    pub interval: (f64, f64),
    /// Samples in it.
    pub count: usize,
}

/// Observed frequencies in `n_bins` equally wide bins of predicted probability; `None` for an empty bin.
pub(crate) fn calibration(truth: &[f64], log_odds: &[f64], n_bins: usize) -> Vec<Option<CalibrationBin>> {
    let mut sums = vec![(0usize, 0usize, 0.0f64); n_bins];
    for (positive, z) in classified_pairs(truth, log_odds) {
        let probability = sigmoid(z);
        let bin = ((probability * n_bins as f64) as usize).min(n_bins.saturating_sub(1));
        if let Some((count, positives, sum)) = sums.get_mut(bin) {
            *count += 1;
            *positives += usize::from(positive);
            *sum += probability;
        }
    }
    sums.into_iter()
        .map(|(count, positives, sum)| {
            (count > 0).then(|| CalibrationBin {
                predicted: sum / count as f64,
                observed: positives as f64 / count as f64,
                interval: wilson(positives, count),
                count,
            })
        })
        .collect()
}

/// Σ (count/n) |observed − predicted|: the expected calibration error, `None` without samples.
pub(crate) fn calibration_error(bins: &[Option<CalibrationBin>]) -> Option<f64> {
    let n: usize = bins.iter().flatten().map(|b| b.count).sum();
    (n > 0).then(|| {
        bins.iter().flatten().map(|b| b.count as f64 / n as f64 * (b.observed - b.predicted).abs()).sum()
    })
}

/// How far predicted values lie from real ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Residuals {
    /// Mean of truth − prediction.
    pub mean: f64,
    /// Root mean square of truth − prediction.
    pub rms: f64,
    /// 1 − Σ residual² / Σ (truth − mean truth)²; `None` where the truth is constant.
    pub r2: Option<f64>,
}

/// Summary of the residuals of finite pairs; `None` without any.
pub(crate) fn residuals(truth: &[f64], predicted: &[f64]) -> Option<Residuals> {
    let pairs = finite_pairs(truth, predicted);
    if pairs.is_empty() {
        return None;
    }
    let n = pairs.len() as f64;
    let mean = pairs.iter().map(|(b, z)| b - z).sum::<f64>() / n;
    let squares: f64 = pairs.iter().map(|(b, z)| (b - z).powi(2)).sum();
    let center = pairs.iter().map(|(b, _)| b).sum::<f64>() / n;
    let variance: f64 = pairs.iter().map(|(b, _)| (b - center).powi(2)).sum();
    let r2 = (variance > 0.0 && variance.is_finite()).then(|| 1.0 - squares / variance);
    Some(Residuals { mean, rms: (squares / n).sqrt(), r2 })
}

/// The pairs of truth and prediction in which both are finite.
pub(crate) fn finite_pairs(truth: &[f64], predicted: &[f64]) -> Vec<(f64, f64)> {
    truth
        .iter()
        .copied()
        .zip(predicted.iter().copied())
        .filter(|(b, z)| b.is_finite() && z.is_finite())
        .collect()
}

/// The probability of the positive class at log-odds z.
pub(crate) fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

/// 95 % Wilson score interval of a fraction.
fn wilson(positives: usize, count: usize) -> (f64, f64) {
    /// The 97.5 % quantile of the normal distribution.
    const Z: f64 = 1.959_963_984_540_054;
    let (n, fraction) = (count as f64, positives as f64 / count as f64);
    let scale = 1.0 / (1.0 + Z * Z / n);
    let center = scale * (fraction + Z * Z / (2.0 * n));
    let half = scale * Z * (fraction * (1.0 - fraction) / n + Z * Z / (4.0 * n * n)).sqrt();
    ((center - half).max(0.0), (center + half).min(1.0))
}

/// (is positive, score) for pairs without NaN.
fn classified_pairs(truth: &[f64], score: &[f64]) -> Vec<(bool, f64)> {
    // Adding 0 turns −0 into +0, which `total_cmp` would otherwise tell apart in the sort.
    truth
        .iter()
        .zip(score)
        .filter(|(b, z)| !b.is_nan() && !z.is_nan())
        .map(|(&b, &z)| (b > 0.0, z + 0.0))
        .collect()
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;

    use super::*;

    #[test]
    fn auc_is_the_fraction_of_ordered_pairs_with_ties_counted_half() {
        // Positives 0.8, 0.4, 0.4; negatives 0.4, 0.1: of six pairs 4 are ordered and 2 are ties, so 5/6.
        let truth = [1.0, 1.0, 1.0, -1.0, -1.0];
        let roc = roc(&truth, &[0.8, 0.4, 0.4, 0.4, 0.1]).unwrap();
        assert_relative_eq!(roc.auc, 5.0 / 6.0, max_relative = 1e-15);
        assert_eq!(roc.points, [(0.0, 0.0), (0.0, 1.0 / 3.0), (0.5, 1.0), (1.0, 1.0)]);
    }

    #[test]
    fn auc_is_the_trapezoidal_area_under_the_points() {
        let (truth, score): (Vec<f64>, Vec<f64>) =
            (0..97).map(|i| (if (i * 31) % 7 < 3 { 1.0 } else { -1.0 }, ((i * 57) % 23) as f64)).unzip();
        let roc = roc(&truth, &score).unwrap();
        let area: f64 = roc.points.windows(2).map(|w| (w[1].0 - w[0].0) * (w[1].1 + w[0].1) / 2.0).sum();
        assert_relative_eq!(roc.auc, area, max_relative = 1e-12);
    }

    #[test]
    fn perfect_reversed_and_constant_scores_have_the_known_areas() {
        let truth = [-1.0, -1.0, 1.0, 1.0];
        assert_eq!(roc(&truth, &[0.0, 1.0, 2.0, f64::INFINITY]).unwrap().auc, 1.0);
        assert_eq!(roc(&truth, &[3.0, 2.0, 1.0, 0.0]).unwrap().auc, 0.0);
        assert_eq!(roc(&truth, &[0.0, -0.0, 0.0, -0.0]).unwrap().auc, 0.5);
    }

    #[test]
    fn one_class_has_no_roc_curve() {
        assert_eq!(roc(&[1.0, 1.0], &[0.1, 0.2]), None);
        assert_eq!(roc(&[], &[]), None);
        assert_eq!(roc(&[1.0, -1.0], &[0.1, f64::NAN]), None);
    }

    #[test]
    fn calibration_bins_hold_means_and_frequencies() {
        // Log-odds of 1/4 and 3/4; a quarter and three quarters of the samples are positive: perfectly calibrated.
        let log_odds = [(1.0f64 / 3.0).ln(); 4].into_iter().chain([3.0f64.ln(); 4]).collect::<Vec<_>>();
        let truth = [1.0, -1.0, -1.0, -1.0, 1.0, 1.0, 1.0, -1.0];
        let bins = calibration(&truth, &log_odds, 10);
        let filled: Vec<_> = bins.iter().flatten().collect();
        assert_eq!((filled.len(), filled[0].count, filled[1].count), (2, 4, 4));
        assert_relative_eq!(filled[0].predicted, 0.25, max_relative = 1e-14);
        assert_relative_eq!(filled[1].observed, 0.75);
        assert_relative_eq!(calibration_error(&bins).unwrap(), 0.0, epsilon = 1e-14);
    }

    #[test]
    fn infinite_log_odds_are_probabilities_zero_and_one() {
        let bins = calibration(&[-1.0, -1.0], &[f64::INFINITY, f64::NEG_INFINITY], 5);
        assert_eq!(bins[0].unwrap().predicted, 0.0);
        assert_eq!(bins[4].unwrap().predicted, 1.0);
        assert_eq!(calibration_error(&bins), Some(0.5));
        assert_eq!(calibration_error(&calibration(&[], &[], 5)), None);
    }

    #[test]
    fn wilson_interval_agrees_with_its_closed_form_at_the_ends() {
        // For 0 of n: [0, z²/(n + z²)].
        let z2 = 1.959_963_984_540_054f64.powi(2);
        let (low, high) = wilson(0, 10);
        assert_relative_eq!(low, 0.0, epsilon = 1e-15);
        assert_relative_eq!(high, z2 / (10.0 + z2), max_relative = 1e-14);
        // Both ends solve (f − q)² = z² q (1 − q) / n.
        for end in [wilson(8, 10).0, wilson(8, 10).1] {
            assert_relative_eq!((0.8 - end).powi(2), z2 * end * (1.0 - end) / 10.0, max_relative = 1e-12);
        }
    }

    #[test]
    fn r2_of_the_mean_is_zero_and_of_the_truth_is_one() {
        let truth = [1.0, 2.0, 3.0, 6.0];
        assert_relative_eq!(residuals(&truth, &[3.0; 4]).unwrap().r2.unwrap(), 0.0);
        let exact = residuals(&truth, &truth).unwrap();
        assert_eq!((exact.r2, exact.rms), (Some(1.0), 0.0));
        assert_eq!(residuals(&[2.0, 2.0], &[1.0, 3.0]).unwrap().r2, None);
        assert_eq!(residuals(&[f64::NAN], &[1.0]), None);
    }

    #[test]
    fn confusion_counts_every_pair_once() {
        let counts = confusion(&[1.0, 1.0, -1.0, -1.0, 1.0], &[2.0, -1.0, 0.5, -3.0, f64::NAN]);
        assert_eq!(
            counts,
            Confusion { true_positives: 1, false_negatives: 1, false_positives: 1, true_negatives: 1 }
        );
    }
}
