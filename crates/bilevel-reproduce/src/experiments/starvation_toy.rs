//! The toy in which a useful coefficient starves: three coefficients, everything in closed form.
//!
//! F(y) = ½‖y − (0.4, 1.2, 0)‖² trains and L(y) = ½‖y − (0, 1.2, 0)‖² judges. At λ = (0.35, 1.2, 2) the solution is (0.05, 0, 0), and the second
//! coefficient sits exactly on its kink: the smallest decrease of λ₂ would free it, which is all that is wrong with the solution.

use bilevel::Result;
use bilevel::data::{Dataset, FeatureNames, Target};
use bilevel::design::{DenseMatrix, Design};
use bilevel::hypergradient::BiactivePolicy;
use bilevel::loss::Squared;
use bilevel::lower::LowerLevel;
use bilevel::outer::{Accuracy, Nba, NbaSettings, Progress, StepRule};
use bilevel_report::figure::{Chart, Line};

use super::{DataNeed, Experiment, Outcome};
use crate::hold_out::HoldOut;
use crate::report::Figure;
use crate::run::Run;
use crate::table::{Cell, Table, digits};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "starvation-toy",
    about: "three coefficients, one of them on a kink: the support alone never frees it",
    needs: DataNeed::Nothing,
    repeats: false,
    work,
};

const STEPS: usize = 30;
const STEP_LENGTH: f64 = 0.1;
const START: [f64; 3] = [0.35, 1.2, 2.0];

/// Where a descent stands after a step.
struct State {
    /// Second entry of the hypergradient.
    gradient: f64,
    /// Second coefficient.
    coefficient: f64,
    value: f64,
}

fn work(run: &Run<'_>) -> Result<Outcome> {
    let null = descent(run, BiactivePolicy::Null)?;
    let consistent = descent(run, BiactivePolicy::SelfConsistent)?;
    let mut table = Table::new(&[
        "step",
        "Null: entry 2 of h",
        "Null: coefficient 2",
        "Null: criterion",
        "self-consistent: entry 2 of h",
        "self-consistent: coefficient 2",
        "self-consistent: criterion",
    ]);
    for step in 0..null.len().max(consistent.len()) {
        let cells = |states: &[State]| match states.get(step) {
            Some(s) => vec![Cell::Number(s.gradient), Cell::Number(s.coefficient), Cell::Number(s.value)],
            None => vec![Cell::Empty; 3],
        };
        table.push([vec![Cell::Count(step)], cells(&null), cells(&consistent)].concat());
    }
    Ok(Outcome {
        title: "Starvation: three coefficients in closed form".to_string(),
        caption: vec![
            "F(y) = ½‖y − (0.4, 1.2, 0)‖² trains, L(y) = ½‖y − (0, 1.2, 0)‖² judges. At the start λ = (0.35, 1.2, 2) the second coefficient is zero and exactly on its kink; the hypergradient h is in log λ. By hand: entry 1 is 0.35·(−0.05) = −0.0175, entry 2 is 0 with the `Null` policy and 1.2·1.2 = 1.44 with the self-consistent one.".to_string(),
        ],
        findings: findings(&null, &consistent),
        figures: figures(&null, &consistent),
        table,
        settings: vec![
            ("method", format!("NBA, at most {STEPS} normalized steps of length {STEP_LENGTH}")),
            ("published", "Null gives exactly 0 on the second coordinate for ever; the self-consistent policy frees it at the first step".to_string()),
        ],
        seeds: Vec::new(),
    })
}

fn data() -> Result<Dataset> {
    let root = 3.0_f64.sqrt();
    let entry = |k: usize| if k % 6 % 3 == k / 6 { root } else { 0.0 };
    let design = DenseMatrix::new(6, 3, (0..18).map(entry).collect())?;
    let target = [0.4, 1.2, 0.0, 0.0, 1.2, 0.0].map(|d| d * root).to_vec();
    Dataset::new(Design::Dense(design), Target::Real(target), FeatureNames::Counted { first: 1 })
}

fn descent(run: &Run<'_>, policy: BiactivePolicy) -> Result<Vec<State>> {
    let data = data()?;
    let hold_out = HoldOut::new(&data, 3, Squared, 0.0)?;
    let mut objective = hold_out.objective((-9.0, 9.0))?;
    let settings = NbaSettings {
        rule: StepRule::Fixed(STEP_LENGTH),
        selection: policy.into(),
        max_steps: STEPS,
        ..NbaSettings::default()
    };
    let mut seen: Vec<(Vec<f64>, f64, f64)> = Vec::new();
    let see = |progress: &Progress<'_>| {
        let gradient = progress.evaluation.gradient.get(1).copied().unwrap_or(f64::NAN);
        seen.push((progress.theta.to_vec(), gradient, progress.evaluation.value));
    };
    run.descend(&Nba { settings }, &mut objective, &START.map(f64::ln), see)?;
    let lower = hold_out.lower()?;
    let state = |(theta, gradient, value): (Vec<f64>, f64, f64)| -> Result<State> {
        let at = hold_out.at(theta.iter().map(|x| x.exp()).collect());
        let solution = lower.solve(&at, None, Accuracy::TIGHT)?;
        Ok(State { gradient, coefficient: solution.coefficients[1], value })
    };
    seen.into_iter().map(state).collect()
}

fn findings(null: &[State], consistent: &[State]) -> Vec<String> {
    let starved = null.iter().all(|s| s.gradient == 0.0 && s.coefficient == 0.0);
    let freed = consistent.iter().position(|s| s.coefficient != 0.0);
    let last = |states: &[State]| states.last().map_or(f64::NAN, |s| s.value);
    vec![
        format!(
            "`Null`: entry 2 {} exactly 0 at all {} steps; it ends at criterion {}.",
            if starved { "is" } else { "is NOT" },
            null.len(),
            digits(last(null)),
        ),
        match freed {
            Some(step) => format!(
                "Self-consistent: coefficient 2 is nonzero from step {step} on; it ends at criterion {}.",
                digits(last(consistent))
            ),
            None => "Self-consistent: coefficient 2 is NOT freed.".to_string(),
        },
    ]
}

fn figures(null: &[State], consistent: &[State]) -> Vec<Figure> {
    let line = |name: &str, states: &[State], value: fn(&State) -> f64| {
        Line::new(name, states.iter().enumerate().map(|(k, s)| (k as f64, value(s))).collect())
    };
    let chart = |finding: &str, axis: &str, value: fn(&State) -> f64| Chart {
        finding: finding.to_string(),
        x: "outer step".to_string(),
        y: axis.to_string(),
        log: false,
        lines: vec![line("Null", null, value), line("self-consistent", consistent, value)],
    };
    [
        (
            "coefficient",
            chart("Only the self-consistent policy frees the second coefficient", "coefficient 2", |s| {
                s.coefficient
            }),
        ),
        ("criterion", chart("The Null policy ends where all of the loss is left", "criterion", |s| s.value)),
    ]
    .into_iter()
    .filter_map(|(name, chart)| {
        Figure::of(&format!("starvation-toy-{name}.svg"), &chart.finding, chart.to_svg())
    })
    .collect()
}
