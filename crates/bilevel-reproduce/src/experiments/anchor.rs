//! At λ_max: the hypergradient of the support is zero there and says that nothing can be gained, on every data set; the exact one-sided derivative knows better.
//!
//! At λ_max, the smallest λ with no coefficient, exactly one feature i* sits on its kink. The support is empty, so the `Null` hypergradient is exactly 0. A smaller
//! λ_i* frees the coefficient, and the criterion starts to fall: by the one-sided derivative along −e_i*, which is compared here with differences of the
//! problem solved again.

use bilevel::Result;
use bilevel::criterion::Criterion;
use bilevel::data::Task;
use bilevel::hypergradient::{BiactivePolicy, Direction};
use bilevel::loss::{Logistic, Loss, Squared};
use bilevel::lower::{LowerLevel, UpperGradient};
use bilevel::objective::tight;
use bilevel::outer::{Accuracy, Objective};

use super::{DataNeed, Experiment, Outcome, WantedSet};
use crate::hold_out::HoldOut;
use crate::run::{NamedData, Run};
use crate::scores::norm;
use crate::sets::{Parts, sample};
use crate::table::{Cell, Table};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "anchor",
    about: "at the largest useful λ: a zero hypergradient that proves nothing, and the derivative that does",
    needs: DataNeed::Any(&[WantedSet { name: "news20", positive: Some("1") }]),
    repeats: false,
    work,
};

/// Largest relative difference between derivative and difference that counts as agreement.
const AGREEMENT: f64 = 0.01;
/// Steps of the difference, relative to λ_max.
const STEP: f64 = 1e-5;
/// Accuracy of the solves that a difference is made of.
const EXACT: Accuracy = Accuracy { relative_gap: 1e-15, adjoint_residual: 1e-14 };
/// Rows of a set in the quick version.
const QUICK_ROWS: usize = 1000;

/// What is found on one set.
struct Anchor {
    n: usize,
    p: usize,
    lambda_max: f64,
    null_norm: f64,
    derivative: f64,
    difference: f64,
}

impl Anchor {
    fn error(&self) -> f64 {
        (self.derivative - self.difference).abs() / self.difference.abs()
    }

    fn agrees(&self) -> bool {
        self.error() <= AGREEMENT
    }
}

fn work(run: &Run<'_>) -> Result<Outcome> {
    let sets = run.request.data;
    run.watcher.begin(sets.len());
    let anchors: Vec<Anchor> =
        run.on_all_threads(|| sets.iter().map(|set| of_set(run, set)).collect::<Result<_>>())?;
    let mut table = Table::new(&[
        "set",
        "n",
        "p",
        "λ_max",
        "norm of the Null hypergradient",
        "one-sided derivative",
        "one-sided difference",
        "relative error",
        "falsely stationary",
    ]);
    for (set, anchor) in sets.iter().zip(&anchors) {
        let false_claim = anchor.null_norm == 0.0 && anchor.derivative < 0.0 && anchor.agrees();
        table.push(vec![
            Cell::text(&set.name),
            Cell::Count(anchor.n),
            Cell::Count(anchor.p),
            Cell::Number(anchor.lambda_max),
            Cell::Number(anchor.null_norm),
            Cell::Number(anchor.derivative),
            Cell::Number(anchor.difference),
            Cell::Number(anchor.error()),
            Cell::text(if false_claim { "yes" } else { "no" }),
        ]);
    }
    let count = |judge: fn(&Anchor) -> bool| anchors.iter().filter(|a| judge(a)).count();
    Ok(Outcome {
        title: "At λ_max: a zero hypergradient that proves nothing".to_string(),
        caption: vec!["One λ for all features at λ_max, the smallest that leaves no coefficient. The hypergradient in log λ_j with the `Null` policy is exactly zero: read as a certificate it says \"stationary\". The one-sided derivative of the criterion along −e_i* (in λ, i* the feature that attains λ_max) is exact at the kink; the difference is of third order, from the problem solved again at three smaller λ_i*. A positive derivative means that the validation rows want the feature with the other sign than the training rows: there a smaller λ_i* does not help.".to_string()],
        findings: vec![format!(
            "On {} of {} sets the hypergradient is zero; on {} the derivative is negative, and on {} it agrees with the difference within 1 %.",
            count(|a| a.null_norm == 0.0),
            anchors.len(),
            count(|a| a.derivative < 0.0),
            count(Anchor::agrees),
        )],
        figures: Vec::new(),
        table,
        settings: vec![
            ("split", "60 % of the rows train, 20 % judge, at random (seed 0); no intercept, no ridge".to_string()),
            ("loss", "logistic for two classes, squared for values".to_string()),
            ("difference", format!("steps of {STEP} λ_max, solved to a relative gap of {:.0e}", EXACT.relative_gap)),
        ],
        seeds: vec![0],
    })
}

fn of_set(run: &Run<'_>, set: &NamedData) -> Result<Anchor> {
    let data = if run.request.quick { sample(&set.data, QUICK_ROWS)? } else { set.data.clone() };
    let parts = Parts::at_random(&data, 0)?;
    let anchor = match data.target.task() {
        Task::Classification => at_lambda_max(&parts, Logistic),
        Task::Regression => at_lambda_max(&parts, Squared),
    }?;
    run.check()?;
    run.watcher.done(&set.name);
    Ok(anchor)
}

fn at_lambda_max<L: Loss + Copy>(parts: &Parts, loss: L) -> Result<Anchor> {
    let data = &parts.development;
    let p = data.n_features();
    let hold_out = HoldOut::new(data, parts.n_train, loss, 0.0)?;
    let lower = hold_out.lower()?;
    let lambda_max = lower.lambda_max(&vec![1.0; p]);
    let at = hold_out.at(vec![lambda_max; p]);
    let solution = lower.solve(&at, None, EXACT)?;

    let log = lambda_max.ln();
    let mut objective = hold_out.objective((log - 1.0, log + 1.0))?;
    let null = objective.evaluate(&vec![log; p], tight(BiactivePolicy::Null))?;

    let first = solution.correlations.iter().enumerate().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
    let first = first.map_or(0, |(j, _)| j);
    let criterion = hold_out.criterion();
    let measured = criterion.evaluate(&solution.predictor);
    let upper =
        UpperGradient { predictor: &measured.gradient, curvature: &measured.curvature, warm_start: &[] };
    let entry = [(u32::try_from(first).unwrap_or(u32::MAX), -1.0)];
    let direction = Direction { lambda: &entry, ridge: 0.0 };
    let derivative = lower.critical_cone(&at, &solution, &upper)?.slope(direction)?.slope;

    let step = STEP * lambda_max;
    let mut values = [measured.value, 0.0, 0.0, 0.0];
    for (k, value) in values.iter_mut().enumerate().skip(1) {
        let mut freed = at.clone();
        freed.lambda[first] -= k as f64 * step;
        *value = criterion.evaluate(&lower.solve(&freed, Some(solution.clone()), EXACT)?.predictor).value;
    }
    let [zero, one, two, three] = values;
    Ok(Anchor {
        n: data.n_samples() + parts.test.n_samples(),
        p,
        lambda_max,
        null_norm: norm(null.gradient),
        derivative,
        difference: (-11.0 * zero + 18.0 * one - 9.0 * two + 2.0 * three) / (6.0 * step),
    })
}
