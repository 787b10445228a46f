//! Total variation as a lower level.

use super::dual::Dual;
use super::field::{Field, Gap, Problem};
use super::interior::Interior;
use super::model::{self, Manifold};
use super::polish::{Polished, moving_pixels, polish};
use super::{TotalVariation, check_length};
use crate::hypergradient::{QuadraticCriterion, Selection};
use crate::lower::{Adjoint, Hyperparameters, LowerLevel, Solution, UpperGradient};
use crate::outer::Accuracy;
use crate::{Error, Result};

/// Relative gap at which the manifold is tried first; whoever asks for less gets what the dual method finds.
const FIRST_TRY: f64 = 1e-6;
/// Steps before a slow dual method gives way.
const BURST: usize = 600;
/// Relative gap at which an interior point first tells the manifold, and the part of it at which it tells it next.
const FIRST_INTERIOR: f64 = 1e-7;
const NEXT_INTERIOR: f64 = 0.03;
/// Largest number of interior point steps.
const MAX_INTERIOR: usize = 80;
/// A gap this many times the asked one is a failure, not a shortfall.
const FAR: f64 = 1e4;

/// When to go from the dual method to the exact manifold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Polish {
    /// In any case: the adjoint lives there.
    Always,
    /// Only where the dual method is slow.
    WhereSlow,
}

/// A candidate for the solution.
struct Candidate {
    u: Vec<f64>,
    p: Field,
    gap: Gap,
}

/// The dual method as long as it is fast; then the manifold, as it tells it; if that is not the solution's, interior points and theirs.
pub(super) fn finish(
    problem: &Problem,
    mut dual: Dual,
    accuracy: Accuracy,
    max_steps: usize,
    when: Polish,
) -> Result<Solution> {
    let wanted = accuracy.relative_gap;
    let first = if when == Polish::Always { wanted.max(FIRST_TRY) } else { wanted };
    dual.run(problem, first, BURST.min(max_steps));
    let mut best = Candidate { u: dual.u.clone(), p: dual.p.clone(), gap: dual.gap };
    if (when == Polish::WhereSlow || wanted > FIRST_TRY) && dual.gap.relative() <= wanted {
        return Ok(solution(problem, best, dual.steps));
    }
    best.improve(polish(problem, moving_pixels(problem, &dual.p, &dual.u), &dual.p, &dual.u));
    let mut enough = wanted;
    if best.gap.relative() > wanted && problem.smoothing == 0.0 && !problem.non_negative {
        best.improve_by_interior_points(problem, &dual, wanted)?;
        // What interior points leave open, first-order steps do not close.
        enough = FAR * wanted;
    }
    while best.gap.relative() > enough && dual.steps < max_steps {
        dual.run(problem, 0.1 * wanted, BURST.max(dual.steps / 2).min(max_steps - dual.steps));
        best.improve(polish(problem, moving_pixels(problem, &dual.p, &dual.u), &dual.p, &dual.u));
        best.improve(Ok(Polished { u: dual.u.clone(), p: dual.p.clone(), gap: dual.gap }));
    }
    let gap = best.gap.relative();
    if gap.is_nan() || gap > FAR * wanted.max(f64::EPSILON) {
        return Err(Error::LowerLevel { iterations: dual.steps, gap, tolerance: wanted });
    }
    Ok(solution(problem, best, dual.steps))
}

impl Candidate {
    /// Ever nearer to the solution, until what is near tells its manifold.
    fn improve_by_interior_points(&mut self, problem: &Problem, dual: &Dual, wanted: f64) -> Result<()> {
        let mut inner = Interior::new(problem, &dual.p, &dual.u)?;
        let mut target = wanted.max(FIRST_INTERIOR);
        loop {
            let reached = inner.run(target, MAX_INTERIOR)?;
            self.improve(polish(problem, inner.moving_pixels(), &inner.p, &inner.u));
            let gap = inner.gap();
            self.improve(Ok(Polished { u: inner.u.clone(), p: inner.p.clone(), gap }));
            if self.gap.relative() <= wanted || !reached || target <= wanted {
                return Ok(());
            }
            target = (NEXT_INTERIOR * target).max(wanted);
        }
    }

    /// Takes the better of two. A manifold on which Newton's method failed is not the solution's.
    fn improve(&mut self, other: Result<Polished>) {
        let Ok(Polished { u, p, gap }) = other else { return };
        if gap.relative() < self.gap.relative() || self.gap.relative().is_nan() {
            *self = Self { u, p, gap };
        }
    }
}

fn solution(problem: &Problem, best: Candidate, steps: usize) -> Solution {
    debug_assert_eq!(best.u.len(), problem.len());
    let mut correlations = best.p.x;
    correlations.extend(best.p.y);
    Solution {
        predictor: best.u.clone(),
        coefficients: best.u,
        intercept: 0.0,
        correlations,
        objective: best.gap.primal,
        gap: (best.gap.primal - best.gap.dual).max(0.0),
        relative_gap: best.gap.relative(),
        iterations: steps,
    }
}

impl TotalVariation {
    /// The dual field to start from: the one that the start brings, or the last, or 0. Where it lay on the boundary |p| = α, it follows α.
    fn start_field(&self, problem: &Problem, start: Option<Solution>) -> Field {
        let size = problem.len();
        let Some(start) = start else { return Field::zeros(size) };
        let last = self.last.lock().ok().and_then(|last| last.clone());
        let (last, alpha) = last.map_or((None, None), |(field, alpha)| (Some(field), Some(alpha)));
        let brought = (start.correlations.len() == 2 * size).then(|| {
            let (x, y) = start.correlations.split_at(size);
            Field { x: x.to_vec(), y: y.to_vec() }
        });
        let Some(mut field) = brought.or(last) else { return Field::zeros(size) };
        if let Some(before) = alpha {
            for (i, &before) in before.iter().enumerate() {
                let length = field.x[i].hypot(field.y[i]);
                if length >= (1.0 - 1e-6) * before {
                    field.x[i] *= problem.alpha[i] / length;
                    field.y[i] *= problem.alpha[i] / length;
                }
            }
        }
        problem.project(&mut field);
        field
    }

    fn keep(&self, problem: &Problem, solution: &Solution) {
        let (x, y) = solution.correlations.split_at(problem.len());
        if let Ok(mut last) = self.last.lock() {
            *last = Some((Field { x: x.to_vec(), y: y.to_vec() }, problem.alpha.clone()));
        }
    }

    fn check(&self, solution: &Solution, upper: &UpperGradient<'_>) -> Result<()> {
        check_length("coefficients of a solution", solution.coefficients.len(), self.image.len())?;
        check_length("upper gradient", upper.predictor.len(), self.image.len())?;
        check_length("curvature of the criterion", upper.curvature.len(), self.image.len())
    }
}

impl LowerLevel for TotalVariation {
    fn n_coefficients(&self) -> usize {
        self.image.len()
    }

    fn n_weights(&self) -> usize {
        self.alpha.n_blocks() + self.data.n_blocks()
    }

    fn solve(
        &self,
        hyperparameters: &Hyperparameters,
        start: Option<Solution>,
        accuracy: Accuracy,
    ) -> Result<Solution> {
        let problem = self.problem(hyperparameters)?;
        let dual = Dual::new(&problem, self.start_field(&problem, start));
        let solution = finish(&problem, dual, accuracy, self.settings.max_steps, Polish::Always)?;
        self.keep(&problem, &solution);
        Ok(solution)
    }

    fn start_from(&self, coefficients: Vec<f64>, intercept: f64) -> Solution {
        Solution {
            predictor: coefficients.clone(),
            coefficients,
            intercept,
            correlations: Vec::new(),
            objective: f64::INFINITY,
            gap: f64::INFINITY,
            relative_gap: f64::INFINITY,
            iterations: 0,
        }
    }

    /// The number of regions of one value.
    fn support_size(&self, solution: &Solution) -> usize {
        model::count_regions(self.shape.1, &solution.coefficients)
    }

    fn forget(&self) {
        if let Ok(mut last) = self.last.lock() {
            *last = None;
        }
    }

    fn adjoint(
        &self,
        hyperparameters: &Hyperparameters,
        solution: &Solution,
        upper: &UpperGradient<'_>,
        selection: Selection,
        _accuracy: Accuracy,
    ) -> Result<Adjoint> {
        self.check(solution, upper)?;
        let problem = self.problem(hyperparameters)?;
        Manifold::new(self, &problem, solution)?.adjoint(solution, upper, selection)
    }

    fn gauss_newton(
        &self,
        hyperparameters: &Hyperparameters,
        solution: &Solution,
        upper: &UpperGradient<'_>,
        upper_hessian: &[f64],
        _selection: Selection,
    ) -> Result<Option<QuadraticCriterion>> {
        self.check(solution, upper)?;
        check_length("second derivatives of the criterion", upper_hessian.len(), self.image.len())?;
        let problem = self.problem(hyperparameters)?;
        Manifold::new(self, &problem, solution)?.gauss_newton(upper, upper_hessian)
    }
}
