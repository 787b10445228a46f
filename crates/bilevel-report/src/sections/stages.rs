//! The stages of the climb from one λ to many weights, as a table.

use bilevel::fit::{Fit, StageRecord};
use maud::{Markup, html};

use crate::plot::explanation;
use crate::text::{count, name, number, significant};
use crate::words;

/// "The climb".
pub(crate) fn stages(fit: &Fit) -> Markup {
    let stages = &fit.record.stages;
    html! {
        section id="stages" {
            h2 { "The climb from one λ to more" }
            @if stages.is_empty() {
                (explanation("No stages", "No stage of the search was recorded."))
            } @else {
                p class="lead" {
                    "More weights fit the criterion better and the truth worse. A stage is therefore kept only if it improves the criterion by more "
                    "than the standard error of the difference, measured on the same samples."
                }
                table class="stages" {
                    thead { tr { @for head in HEADS { th scope="col" { (head) } } } }
                    tbody {
                        @for (i, stage) in stages.iter().enumerate() {
                            tr class=[stage.kept.then_some("kept")] {
                                th scope="row" { (name(&stage.name)) }
                                @for (head, cell) in HEADS[1..].iter().zip(cells(stages, i)) { td data-label=(head) { span { (cell) } } }
                            }
                        }
                    }
                }
            }
        }
    }
}

const HEADS: [&str; 7] =
    ["stage", "parameters", "criterion", "kept", "method", "steps (evaluations)", "ended because"];

fn cells(stages: &[StageRecord], i: usize) -> [String; 6] {
    let stage = &stages[i];
    [
        count(stage.n_parameters),
        number(stage.value),
        verdict(stages, i),
        stage.method.clone(),
        format!("{} ({})", count(stage.steps), count(stage.evaluations)),
        words::stop_reason(stage.stop_reason).into(),
    ]
}

/// Whether the stage was kept, with the comparison that decided it.
fn verdict(stages: &[StageRecord], i: usize) -> String {
    let stage = &stages[i];
    let answer = if stage.kept { "yes" } else { "no" };
    let Some(earlier) = stage.compared_with.filter(|e| e.is_finite() && stage.value.is_finite()) else {
        return format!(
            "{answer}: {}",
            if i == 0 { "it is where the climb starts" } else { "there is nothing to compare it with" }
        );
    };
    let (gain, error) = (earlier - stage.value, stage.difference_standard_error);
    let why = if gain < 0.0 {
        format!("the criterion is worse by {}", significant(-gain, 2))
    } else if gain == 0.0 {
        "the criterion is the same".into()
    } else {
        let standing = match gain > error {
            true => format!("more than its standard error {}", significant(error, 2)),
            false => format!("within its standard error {}", significant(error, 2)),
        };
        format!("better by {}, {standing}", significant(gain, 2))
    };
    format!("{answer}: {why}")
}

#[cfg(test)]
mod tests {
    use bilevel::outer::StopReason;

    use super::*;

    fn stage(value: f64, compared_with: Option<f64>, error: f64, kept: bool) -> StageRecord {
        StageRecord {
            name: "s".into(),
            n_parameters: 1,
            method: "m".into(),
            value,
            compared_with,
            difference_standard_error: error,
            kept,
            steps: 1,
            evaluations: 1,
            stop_reason: StopReason::Plateau,
        }
    }

    #[test]
    fn the_verdict_names_the_comparison() {
        let stages = [
            // Where the climb started is not where it ended.
            stage(1.0, None, 0.0, false),
            stage(0.5, Some(1.0), 0.1, true),
            stage(0.45, Some(0.5), 0.1, false),
            stage(0.75, Some(0.5), 0.1, false),
            stage(f64::NAN, Some(0.5), 0.1, false),
        ];
        assert_eq!(verdict(&stages, 0), "no: it is where the climb starts");
        assert_eq!(verdict(&stages, 1), "yes: better by 0.5, more than its standard error 0.1");
        assert_eq!(verdict(&stages, 2), "no: better by 0.05, within its standard error 0.1");
        assert_eq!(verdict(&stages, 3), "no: the criterion is worse by 0.25");
        assert_eq!(verdict(&stages, 4), "no: there is nothing to compare it with");
    }
}
