//! Scores of predictions against truth, on rows that the search never saw.

use crate::data::Task;
use crate::loss::{Logistic, Loss, Squared};

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
    match task {
        Task::Regression => regression(truth, predicted, baseline),
        Task::Classification => classification(truth, predicted, baseline),
    }
}

fn mean(values: impl Iterator<Item = f64>, count: usize) -> f64 {
    values.sum::<f64>() / count.max(1) as f64
}

fn regression(truth: &[f64], predicted: &[f64], baseline: f64) -> ScoreRecord {
    let n = truth.len();
    let loss = mean(truth.iter().zip(predicted).map(|(&b, &z)| Squared.value(b, z)), n);
    let center = mean(truth.iter().copied(), n);
    let variance = mean(truth.iter().map(|b| (b - center) * (b - center)), n);
    ScoreRecord {
        n_samples: n,
        loss,
        baseline_loss: mean(truth.iter().map(|&b| Squared.value(b, baseline)), n),
        mean_squared_error: Some(2.0 * loss),
        r2: (variance > 0.0).then(|| 1.0 - 2.0 * loss / variance),
        ..ScoreRecord::default()
    }
}

fn classification(truth: &[f64], predicted: &[f64], baseline: f64) -> ScoreRecord {
    let n = truth.len();
    let count = |condition: &dyn Fn(f64, f64) -> bool| {
        truth.iter().zip(predicted).filter(|(b, z)| condition(**b, **z)).count() as f64
    };
    let true_positive = count(&|b, z| b > 0.0 && z > 0.0);
    let false_positive = count(&|b, z| b < 0.0 && z > 0.0);
    let false_negative = count(&|b, z| b > 0.0 && z <= 0.0);
    let positive = count(&|b, _| b > 0.0);
    let denominator = 2.0 * true_positive + false_positive + false_negative;
    let majority_is_positive = baseline > 0.0;
    let majority = if majority_is_positive { positive } else { n as f64 - positive };
    ScoreRecord {
        n_samples: n,
        loss: mean(truth.iter().zip(predicted).map(|(&b, &z)| Logistic.value(b, z)), n),
        baseline_loss: mean(truth.iter().map(|&b| Logistic.value(b, baseline)), n),
        accuracy: (n > 0).then(|| (n as f64 - false_positive - false_negative) / n as f64),
        baseline_accuracy: (n > 0).then(|| majority / n as f64),
        f1: (denominator > 0.0).then(|| 2.0 * true_positive / denominator),
        auc: auc(truth, predicted),
        ..ScoreRecord::default()
    }
}

/// Area under the ROC curve, as the Mann–Whitney statistic with half counts for ties; `None` with one class.
fn auc(truth: &[f64], predicted: &[f64]) -> Option<f64> {
    let mut order: Vec<usize> = (0..truth.len()).collect();
    order.sort_by(|&a, &b| predicted[a].total_cmp(&predicted[b]));
    let positive = truth.iter().filter(|b| **b > 0.0).count() as f64;
    let negative = truth.len() as f64 - positive;
    if positive == 0.0 || negative == 0.0 {
        return None;
    }
    let (mut rank_sum, mut first) = (0.0, 0);
    while first < order.len() {
        let tied =
            order[first..].iter().take_while(|&&i| predicted[i] == predicted[order[first]]).count().max(1);
        let middle_rank = first as f64 + (tied as f64 + 1.0) / 2.0;
        rank_sum +=
            middle_rank * order[first..first + tied].iter().filter(|&&i| truth[i] > 0.0).count() as f64;
        first += tied;
    }
    Some((rank_sum - positive * (positive + 1.0) / 2.0) / (positive * negative))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_count_half_in_the_area_under_the_curve() {
        assert_eq!(auc(&[1.0, -1.0], &[0.3, 0.3]), Some(0.5));
        assert_eq!(auc(&[1.0, -1.0, 1.0, -1.0], &[0.9, 0.1, 0.4, 0.4]), Some(0.875));
        assert_eq!(auc(&[1.0, 1.0], &[0.1, 0.2]), None);
    }

    #[test]
    fn predicting_the_mean_scores_the_variance() {
        let score = score(Task::Regression, &[1.0, 3.0], &[2.0, 2.0], 2.0);
        assert_eq!(score.mean_squared_error, Some(1.0));
        assert_eq!(score.r2, Some(0.0));
        assert_eq!(score.loss, score.baseline_loss);
    }
}
