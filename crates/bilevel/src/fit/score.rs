//! Scores of predictions against truth, on rows that the search never saw.

use crate::data::Task;
use crate::loss::{Logistic, Loss, PseudoHuber, Squared};

use super::ScoreRecord;

/// Scores a linear predictor.
///
/// `truth` holds real values or ±1, `predicted` the predicted values or log-odds (same length); `baseline` is the constant predictor to compare
/// with: the mean of the training target, or the log-odds of the training classes.
///
/// ```
/// use bilevel::data::Task;
/// let score = bilevel::fit::score(Task::Classification, &[1.0, -1.0, 1.0], &[2.0, -1.0, -0.5], 0.0);
/// assert_eq!(score.auc, Some(1.0));
/// assert_eq!(score.accuracy, Some(2.0 / 3.0));
/// ```
pub fn score(task: Task, truth: &[f64], predicted: &[f64], baseline: f64) -> ScoreRecord {
    weighted_score(task, truth, predicted, &vec![1.0; truth.len()], baseline)
}

/// The same with `weights` (as many as samples, at least 0): a weight of 2 is the same as a sample listed twice.
pub fn weighted_score(
    task: Task,
    truth: &[f64],
    predicted: &[f64],
    weights: &[f64],
    baseline: f64,
) -> ScoreRecord {
    let scored = Scored { truth, predicted, weights, total: weights.iter().sum() };
    match task {
        Task::Regression => regression(&scored, baseline),
        Task::Classification => classification(&scored, baseline),
    }
}

/// The same for real values whose `loss` was minimized; `baseline` is the constant of the smallest such loss.
pub(super) fn robust_score(
    loss: PseudoHuber,
    truth: &[f64],
    predicted: &[f64],
    weights: &[f64],
    baseline: f64,
) -> ScoreRecord {
    let scored = Scored { truth, predicted, weights, total: weights.iter().sum() };
    ScoreRecord {
        loss: scored.mean(|b, z| loss.value(b, z)),
        baseline_loss: scored.mean(|b, _| loss.value(b, baseline)),
        ..regression(&scored, baseline)
    }
}

/// Samples with their predictions and weights.
struct Scored<'a> {
    truth: &'a [f64],
    predicted: &'a [f64],
    weights: &'a [f64],
    total: f64,
}

impl Scored<'_> {
    fn sum(&self, value: impl Fn(f64, f64) -> f64) -> f64 {
        let samples = self.truth.iter().zip(self.predicted).zip(self.weights);
        samples.map(|((&b, &z), w)| w * value(b, z)).sum()
    }

    fn mean(&self, value: impl Fn(f64, f64) -> f64) -> f64 {
        if self.total > 0.0 { self.sum(value) / self.total } else { 0.0 }
    }

    /// The weight of the samples of which `condition` holds.
    fn count(&self, condition: impl Fn(f64, f64) -> bool) -> f64 {
        self.sum(|b, z| if condition(b, z) { 1.0 } else { 0.0 })
    }
}

fn regression(scored: &Scored<'_>, baseline: f64) -> ScoreRecord {
    let loss = scored.mean(|b, z| Squared.value(b, z));
    let center = scored.mean(|b, _| b);
    let variance = scored.mean(|b, _| (b - center) * (b - center));
    ScoreRecord {
        n_samples: scored.truth.len(),
        loss,
        baseline_loss: scored.mean(|b, _| Squared.value(b, baseline)),
        mean_squared_error: Some(2.0 * loss),
        r2: (variance > 0.0).then(|| 1.0 - 2.0 * loss / variance),
        ..ScoreRecord::default()
    }
}

fn classification(scored: &Scored<'_>, baseline: f64) -> ScoreRecord {
    let total = scored.total;
    let true_positive = scored.count(|b, z| b > 0.0 && z > 0.0);
    let false_positive = scored.count(|b, z| b < 0.0 && z > 0.0);
    let false_negative = scored.count(|b, z| b > 0.0 && z <= 0.0);
    let positive = scored.count(|b, _| b > 0.0);
    let denominator = 2.0 * true_positive + false_positive + false_negative;
    let majority_is_positive = baseline > 0.0;
    let majority = if majority_is_positive { positive } else { total - positive };
    ScoreRecord {
        n_samples: scored.truth.len(),
        loss: scored.mean(|b, z| Logistic.value(b, z)),
        baseline_loss: scored.mean(|b, _| Logistic.value(b, baseline)),
        accuracy: (total > 0.0).then(|| (total - false_positive - false_negative) / total),
        baseline_accuracy: (total > 0.0).then(|| majority / total),
        f1: (denominator > 0.0).then(|| 2.0 * true_positive / denominator),
        auc: auc(scored),
        ..ScoreRecord::default()
    }
}

/// Area under the ROC curve, as the Mann–Whitney statistic with half counts for ties; `None` with one class.
fn auc(scored: &Scored<'_>) -> Option<f64> {
    let Scored { truth, predicted, weights, total } = *scored;
    let mut order: Vec<usize> = (0..truth.len()).collect();
    order.sort_by(|&a, &b| predicted[a].total_cmp(&predicted[b]));
    let positive = scored.count(|b, _| b > 0.0);
    let negative = total - positive;
    if !(positive > 0.0 && negative > 0.0) {
        return None;
    }
    let (mut wins, mut negative_below) = (0.0, 0.0);
    for tied in order.chunk_by(|&a, &b| predicted[a] == predicted[b]) {
        let weight = |of_positive: bool| -> f64 {
            tied.iter().filter(|&&i| (truth[i] > 0.0) == of_positive).map(|&i| weights[i]).sum()
        };
        wins += weight(true) * (negative_below + 0.5 * weight(false));
        negative_below += weight(false);
    }
    Some(wins / (positive * negative))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_count_half_in_the_area_under_the_curve() {
        let auc = |truth: &[f64], predicted: &[f64]| score(Task::Classification, truth, predicted, 0.0).auc;
        assert_eq!(auc(&[1.0, -1.0], &[0.3, 0.3]), Some(0.5));
        assert_eq!(auc(&[1.0, -1.0, 1.0, -1.0], &[0.9, 0.1, 0.4, 0.4]), Some(0.875));
        assert_eq!(auc(&[1.0, 1.0], &[0.1, 0.2]), None);
    }

    #[test]
    fn a_weight_of_two_scores_like_a_sample_listed_twice_and_one_of_zero_like_none() {
        let (truth, predicted) = ([1.0, -1.0, 1.0, -1.0], [0.9, 0.1, -0.4, 0.4]);
        let (listed, of_listed) = ([1.0, 1.0, -1.0, 1.0], [0.9, 0.9, 0.1, -0.4]);
        for task in [Task::Regression, Task::Classification] {
            let weighted = weighted_score(task, &truth, &predicted, &[2.0, 1.0, 1.0, 0.0], 0.2);
            assert_eq!(weighted, score(task, &listed, &of_listed, 0.2));
        }
    }

    #[test]
    fn predicting_the_mean_scores_the_variance() {
        let score = score(Task::Regression, &[1.0, 3.0], &[2.0, 2.0], 2.0);
        assert_eq!(score.mean_squared_error, Some(1.0));
        assert_eq!(score.r2, Some(0.0));
        assert_eq!(score.loss, score.baseline_loss);
    }
}
