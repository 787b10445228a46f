//! Which outer method a stage gets, and how much work.

use crate::design::DesignMatrix;
use crate::outer::{
    Accuracy, AccuracySchedule, EarlyStop, GaussNewton, GaussNewtonSettings, Grid, GridSettings, Lbfgs,
    LbfgsSettings, Nba, NbaSettings, Ntrba, NtrbaSettings, ScalarSearch, ScalarSettings,
};

use super::{Climb, Method};
use crate::fit::family::Family;
use crate::fit::{FitSettings, LossKind, OuterKind, WeightsKind};

/// Entries times splits up to which the scalar search explores between its points.
const EXPLORED_ENTRIES: usize = 1_000_000;
/// Points of the walk over the thirteen decades of a ridge parameter, a decade apart.
///
/// The share s/(s + λ) to which a direction of curvature s is fitted is a sigmoid of log λ, whose spectrum falls as e^{−π|ω|}. Values and slopes at points
/// ln 10 apart tell waves up to ω = 2π/ln 10 from each other, beyond which about 10⁻³ of it is left: two minima that are there are seen.
const SMOOTH_POINTS: usize = 14;
/// Along that walk: values and slopes to two digits say where the minimum is, and what is found there is solved tightly.
const SMOOTH_WALK: Accuracy = Accuracy { relative_gap: 1e-5, adjoint_residual: 1e-2 };
/// From so many entries on the search is spare with its solves.
const SMOOTH_ENTRIES: usize = 10_000;
/// Its first points between those of the walk: good enough to say where the last one is to be.
const SMOOTH_ROUGH: Accuracy = Accuracy { relative_gap: 1e-7, adjoint_residual: 1e-4 };
/// Its last points. Criterion and coefficients are as exact as they get; of the slope six digits are enough to see that it is none.
const SMOOTH_REFINEMENT: Accuracy = Accuracy { relative_gap: 1e-10, adjoint_residual: 1e-6 };
/// Its answer.
const SMOOTH_ANSWER: Accuracy = Accuracy { relative_gap: 1e-10, adjoint_residual: 1e-8 };
/// Width of what its walk leaves out below its upper end, the three points from 10⁴ to 10² times the largest curvature L. There Φ is a power series in L/λ
/// of which next to nothing but the linear term is left: its slopes at 10⁵ and at 10 have different signs if it turns in between.
const SMOOTH_PLATEAU: f64 = 8.5;
/// Its walk ends two decades below the best point where both have clearly more: a logistic model at ever smaller λ is ever dearer to solve.
const SMOOTH_STOP: EarlyStop =
    EarlyStop { patience: 2, margin: 0.05, margin_of_best: 0.02, smallest_support: 0.0 };
/// Entries × splits × largest possible support up to which the scalar search walks on until the training rows are nearly interpolated.
const WALKED_WORK: f64 = 2e8;
/// Nearly interpolated: a support of this fraction of the largest possible.
const INTERPOLATION: f64 = 0.4;
/// Entries × splits × support up to which `auto` takes all outer steps.
const AFFORDABLE_WORK: f64 = 2e8;
/// Fewer steps than this on thousands of weights are not worth their time.
pub(super) const FEWEST_STEPS: usize = 5;

/// Logarithms of the smallest and largest λ of a given grid.
pub(super) fn extent(settings: &FitSettings) -> Option<(f64, f64)> {
    let logarithms = || settings.grid.iter().flatten().map(|lambda| lambda.ln());
    logarithms().next()?;
    Some((logarithms().fold(f64::INFINITY, f64::min), logarithms().fold(f64::NEG_INFINITY, f64::max)))
}

impl<'a, F: Family<'a>> Climb<'_, 'a, '_, F> {
    pub(super) fn scalar_search(&self, points: usize) -> ScalarSearch {
        let mut settings =
            ScalarSettings { points, selection: self.settings.selection(), ..ScalarSettings::default() };
        // Slopes along the walk only tell which brackets to refine; four digits are plenty for that.
        settings.accuracy.current.adjoint_residual = 1e-4;
        // Looking for dips between the points of the walk costs about twenty tight solves; where those are dear, the walk itself is fine enough,
        // and so are seven digits of the criterion, which has three.
        let prepared = self.family.prepared();
        let entries = prepared.design.n_stored() * prepared.rows.splits.len();
        let (n, p) = (prepared.rows.len(), prepared.design.n_columns());
        if entries as f64 * n.min(p) as f64 <= WALKED_WORK {
            let smallest_support = INTERPOLATION * n.min(p) as f64;
            settings.early_stop = Some(EarlyStop { smallest_support, ..EarlyStop::default() });
        }
        if !self.family.has_kinks() {
            // The walk begins on a plateau where the coefficients are next to zero, and a rise there means nothing: the whole interval is walked.
            settings.early_stop = None;
            settings.points = points.min(SMOOTH_POINTS);
            settings.exploration = f64::INFINITY;
            settings.tolerance = 1e-8;
            settings.smooth = true;
            settings.accuracy.current = SMOOTH_WALK;
            if entries > SMOOTH_ENTRIES {
                settings.plateau = SMOOTH_PLATEAU;
                settings.rough = Some(SMOOTH_ROUGH);
                settings.accuracy.tightest = SMOOTH_REFINEMENT;
                settings.answer = SMOOTH_ANSWER;
                settings.tolerance = 1e-7;
                if prepared.loss == LossKind::Logistic {
                    settings.early_stop = Some(SMOOTH_STOP);
                }
            }
        }
        if entries > EXPLORED_ENTRIES {
            settings.exploration = f64::INFINITY;
            settings.points = settings.points.min(points * 2 / 5);
            settings.early_stop = settings.early_stop.map(|rule| EarlyStop { patience: 2, ..rule });
            settings.tolerance = 1e-7;
            let residual = &mut settings.accuracy.tightest.adjoint_residual;
            *residual = residual.max(1e-8);
        }
        ScalarSearch { settings }
    }

    /// The given values of λ, from the largest down, each lower-level solution the start of the next.
    pub(super) fn grid(&self) -> Method {
        let accuracy = Accuracy { relative_gap: self.settings.tolerance, ..Accuracy::TIGHT };
        let accuracy =
            AccuracySchedule { current: accuracy, tightest: accuracy, ..AccuracySchedule::default() };
        let selection = self.settings.selection();
        let mut lambdas = self.settings.grid.clone().unwrap_or_default();
        lambdas.sort_by(|a, b| b.total_cmp(a));
        Method::Given(Grid { settings: GridSettings { points: None, selection, accuracy } }, lambdas)
    }

    /// Outer steps that `auto` may spend on a stage with many parameters: all that the settings allow on small problems, fewer where one
    /// evaluation (entries × splits × support, which is what solves on a support cost) is so dear that they would take minutes.
    pub(super) fn affordable_steps(&self, support_size: f64) -> usize {
        let limit = self.settings.max_outer;
        if self.settings.weights != WeightsKind::Auto {
            return limit;
        }
        let prepared = self.family.prepared();
        // A solve on more coefficients than samples costs no more than one on as many.
        let size = support_size.clamp(1.0, prepared.rows.len() as f64);
        let work = (prepared.design.n_stored() * prepared.rows.splits.len()) as f64 * size;
        let affordable = (limit as f64 * AFFORDABLE_WORK / work).ceil();
        limit.min(affordable as usize)
    }

    /// The outer method of a stage with more than one parameter, or the one that was asked for.
    pub(super) fn method(&self, kind: WeightsKind, support_size: f64) -> Method {
        let (selection, max_steps) = (
            self.settings.selection(),
            self.affordable_steps(support_size).max(FEWEST_STEPS.min(self.settings.max_outer)),
        );
        let many_kinks = kind == WeightsKind::Feature && self.family.has_kinks();
        let automatic = if many_kinks { OuterKind::Ntrba } else { OuterKind::Lbfgs };
        let wanted = match self.settings.outer {
            OuterKind::Auto | OuterKind::Scalar => automatic,
            other => other,
        };
        Method::Other(match wanted {
            OuterKind::Ntrba => Box::new(Ntrba {
                settings: NtrbaSettings { selection, max_steps, ..NtrbaSettings::default() },
            }),
            OuterKind::Nba => {
                Box::new(Nba { settings: NbaSettings { selection, max_steps, ..NbaSettings::default() } })
            }
            OuterKind::GaussNewton => Box::new(GaussNewton {
                settings: GaussNewtonSettings { selection, max_steps, ..GaussNewtonSettings::default() },
            }),
            OuterKind::Grid => Box::new(Grid::default()),
            // Progress of less than a millionth of the criterion in five steps, or slopes of less than a ten-thousandth per e-fold (a thousandth
            // where an evaluation is dear), are below anything that its standard error can see.
            _ => Box::new(Lbfgs {
                settings: LbfgsSettings {
                    selection,
                    max_steps,
                    plateau: 1e-6,
                    stationarity: if max_steps < self.settings.max_outer { 1e-3 } else { 1e-4 },
                    ..LbfgsSettings::default()
                },
            }),
        })
    }
}
