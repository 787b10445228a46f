//! Total variation as a lower level.

use super::dual::Dual;
use super::field::{Field, Gap, Problem};
use super::model::{self, Manifold};
use super::polish::{Polished, polish};
use super::{TotalVariation, check_length};
use crate::hypergradient::{QuadraticCriterion, Selection};
use crate::lower::{Adjoint, Hyperparameters, LowerLevel, Solution, UpperGradient};
use crate::outer::Accuracy;
use crate::{Error, Result};

/// Relative gap at which the manifold is tried first.
const FIRST_TRY: f64 = 1e-4;
/// Steps before a slow dual method gives way to a try of the manifold.
const FIRST_BURST: usize = 300;
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

/// Bursts of the dual method and tries of the manifold in turns, until the gap is small enough.
pub(super) fn finish(
    problem: &Problem,
    mut dual: Dual,
    accuracy: Accuracy,
    max_steps: usize,
    when: Polish,
) -> Result<Solution> {
    let wanted = accuracy.relative_gap;
    let (mut target, mut burst) = (wanted.max(FIRST_TRY), FIRST_BURST);
    if when == Polish::WhereSlow {
        target = wanted;
    }
    let mut best: Option<Candidate> = None;
    loop {
        let reached = dual.run(problem, target, burst);
        if reached && when == Polish::WhereSlow && dual.gap.relative() <= wanted {
            return Ok(solution(problem, Candidate { u: dual.u, p: dual.p, gap: dual.gap }, dual.steps));
        }
        // A singular Hessian is a manifold that is not the solution's.
        if let Ok(Polished { u, p, gap }) = polish(problem, &dual.p, &dual.u) {
            let ahead = gap.dual > dual.gap.dual;
            if best.as_ref().is_none_or(|best| gap.relative() < best.gap.relative()) {
                best = Some(Candidate { u, p: p.clone(), gap });
            }
            if gap.relative() <= wanted {
                break;
            }
            if ahead {
                dual.restart_from(problem, p);
            }
        }
        if dual.steps >= max_steps {
            break;
        }
        burst = (burst + burst / 2).min(max_steps);
        target = (0.1 * target.min(dual.gap.relative())).max(f64::EPSILON);
    }
    let from_dual = Candidate { gap: dual.gap, u: dual.u, p: dual.p };
    let best = match best {
        Some(best) if best.gap.relative() <= from_dual.gap.relative() => best,
        _ => from_dual,
    };
    let gap = best.gap.relative();
    if !(gap <= FAR * wanted.max(f64::EPSILON)) {
        return Err(Error::LowerLevel { iterations: dual.steps, gap, tolerance: wanted });
    }
    Ok(solution(problem, best, dual.steps))
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
            for i in 0..size {
                let length = field.x[i].hypot(field.y[i]);
                if length >= (1.0 - 1e-6) * before[i] {
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
        Manifold::new(self, &problem, &solution.coefficients)?.adjoint(solution, upper, selection)
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
        Manifold::new(self, &problem, &solution.coefficients)?.gauss_newton(upper, upper_hessian)
    }
}
