//! The objective: lower level, criterion and parametrization put together, averaged over splits.
//!
//! ```text
//! Φ(θ) = (1/K) Σ_k L_k(y_k*(λ(θ))),     ∇Φ = (∂λ/∂θ)ᵀ (1/K) Σ_k (∂y_k*/∂λ)ᵀ ∇L_k
//! ```
//!
//! Splits are solved in parallel, each from its own solution at the previous θ; the sums run in the order of the splits, so that the
//! result does not depend on the number of threads.

mod certified;
mod gauss_newton;
mod pull;
mod standard_error;
mod stationarity;
mod trail;

use rayon::prelude::*;

use crate::Result;
use crate::criterion::{Criterion, CriterionValue};
use crate::design::DesignMatrix;
use crate::hypergradient::Selection;
use crate::loss::Loss;
use crate::lower::{Adjoint, Hyperparameters, LowerLevel, SmoothedGlm, Solution, UpperGradient};
use crate::operator::check_length;
use crate::outer::{Evaluation, ModelStep, Objective, Request, SmoothedObjective};
use crate::parametrization::Parametrization;

pub use certified::{RangeProof, RangeSettings};
pub use pull::Pull;
pub(crate) use standard_error::{Counted, mean_and_standard_error};
pub use stationarity::{Slopes, Steepest};
use trail::Trail;

/// One split: a lower-level problem on its training rows and a criterion on its validation rows.
struct Part<M, C> {
    lower: M,
    criterion: C,
    solution: Option<Solution>,
    measured: CriterionValue,
    adjoint_start: Vec<(u32, f64)>,
    trail: Trail,
    /// Whether Φ counts this split at present.
    active: bool,
}

/// Φ over one or several splits.
pub struct SplitObjective<M, C> {
    parts: Vec<Part<M, C>>,
    /// One for all splits, or one for each: the same θ, but each split with what it knows (its own first fit, for adaptive weights).
    parametrizations: Vec<Box<dyn Parametrization>>,
    /// θ and accuracy of the solutions at hand.
    solved_at: Option<(Vec<f64>, f64)>,
    /// The quadratic model at the last θ that a step was asked from.
    model: Option<gauss_newton::Model>,
    /// A penalty on θ itself.
    pull: Option<Pull>,
}

/// One validation row of one split.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ValidationSample {
    /// The row, counted from 0.
    pub row: u32,
    /// The split, counted from 0.
    pub split: u32,
    /// How many samples the row stands for; 1 without sample weights.
    pub weight: f64,
    /// Its loss.
    pub loss: f64,
    /// Its linear predictor, from a model that did not train on it.
    pub predictor: f64,
}

/// The entry of split k, where there may be one for all.
fn of_split<T>(shared: &[T], k: usize) -> &T {
    &shared[k.min(shared.len() - 1)]
}

/// What one split contributes.
struct Contribution {
    split: usize,
    value: f64,
    adjoint: Option<Adjoint>,
}

impl<M: LowerLevel + Send, C: Criterion + Send> SplitObjective<M, C> {
    /// From (lower level, criterion) pairs, at least one.
    pub fn new(splits: Vec<(M, C)>, parametrization: Box<dyn Parametrization>) -> Self {
        let part = |(lower, criterion)| Part {
            lower,
            criterion,
            solution: None,
            measured: CriterionValue::default(),
            adjoint_start: Vec::new(),
            trail: Trail::default(),
            active: true,
        };
        Self {
            parts: splits.into_iter().map(part).collect(),
            parametrizations: vec![parametrization],
            solved_at: None,
            model: None,
            pull: None,
        }
    }

    /// Replaces the parametrization of all splits, keeping the solutions as warm starts.
    pub fn set_parametrization(&mut self, parametrization: Box<dyn Parametrization>) {
        self.parametrizations = vec![parametrization];
        self.solved_at = None;
        self.model = None;
    }

    /// Gives each split a parametrization of its own (all with the same number of parameters and the same bounds).
    ///
    /// # Errors
    /// [`crate::Error::InvalidData`] if there is not one for each split.
    pub fn set_parametrizations(&mut self, parametrizations: Vec<Box<dyn Parametrization>>) -> Result<()> {
        if parametrizations.len() != self.parts.len() {
            let expected = format!("{}, one for each split", self.parts.len());
            return Err(crate::Error::data("parametrizations", parametrizations.len().to_string(), expected));
        }
        self.parametrizations = parametrizations;
        self.solved_at = None;
        self.model = None;
        Ok(())
    }

    /// Restricts Φ to some of the splits (one flag for each; at least one must be set): what is learned on some can then be judged on others.
    ///
    /// # Errors
    /// [`crate::Error::InvalidData`] if there is not one flag for each split, or none is set.
    pub fn set_active(&mut self, active: &[bool]) -> Result<()> {
        if active.len() != self.parts.len() || !active.contains(&true) {
            let expected = format!("{}, one for each split, at least one of them set", self.parts.len());
            return Err(crate::Error::data("active splits", format!("{} flags", active.len()), expected));
        }
        self.parts.iter_mut().zip(active).for_each(|(part, &flag)| part.active = flag);
        self.solved_at = None;
        self.model = None;
        Ok(())
    }

    /// Adds a penalty that pulls the parameters to the means of their groups, or takes it away.
    pub fn set_pull(&mut self, pull: Option<Pull>) {
        self.pull = pull;
        self.model = None;
    }

    /// The part of Φ(θ) that is the pull; 0 without one.
    pub fn pull_value(&self, theta: &[f64]) -> f64 {
        self.pull.as_ref().map_or(0.0, |pull| pull.value(theta))
    }

    /// Number of splits, active or not.
    pub fn n_splits(&self) -> usize {
        self.parts.len()
    }

    /// (λ, α) at θ: one for all splits, or one for each.
    pub fn hyperparameters(&self, theta: &[f64]) -> Vec<Hyperparameters> {
        self.parametrizations.iter().map(|p| p.hyperparameters(theta)).collect()
    }

    /// The lower-level solutions of the last evaluation, one for each split.
    pub fn solutions(&self) -> impl Iterator<Item = &Solution> {
        self.parts.iter().filter_map(|part| part.solution.as_ref())
    }

    fn active_solutions(&self) -> impl Iterator<Item = (&M, &Solution)> {
        let active = self.parts.iter().filter(|part| part.active);
        active.filter_map(|part| Some((&part.lower, part.solution.as_ref()?)))
    }

    /// Forgets everything but the given starting points (one for each split; none for a cold start), so that what comes next depends on
    /// nothing else: not on rounding in running sums, nor on what caches hold.
    pub fn forget_all_but(&mut self, starts: Option<Vec<Solution>>) {
        let mut starts = starts.into_iter().flatten();
        for part in &mut self.parts {
            part.lower.forget();
            part.adjoint_start.clear();
            part.trail = Trail::default();
            part.solution = starts.next();
        }
        self.solved_at = None;
        self.model = None;
    }

    /// The lower-level problems.
    pub fn lower_levels(&self) -> impl Iterator<Item = &M> {
        self.parts.iter().map(|part| &part.lower)
    }

    /// The validation rows at the last evaluation, over all splits; by row, and by split where several look at one row. Of several
    /// scores for each row, the first.
    pub fn validation_samples(&self) -> Vec<ValidationSample> {
        let mut samples = Vec::new();
        for (k, part) in self.parts.iter().enumerate().filter(|(_, part)| part.active) {
            let Some(solution) = &part.solution else { continue };
            let split = u32::try_from(k).unwrap_or(u32::MAX);
            samples.extend(part.measured.samples.iter().map(|s| {
                let predictor = solution.predictor[s.position as usize];
                ValidationSample { row: s.row, split, weight: s.weight, loss: s.loss, predictor }
            }));
        }
        samples.sort_by_key(|s| s.row);
        samples
    }

    /// Solves all lower levels at θ, unless they are solved there well enough already.
    fn solve(&mut self, theta: &[f64], hyperparameters: &[Hyperparameters], request: Request) -> Result<()> {
        if let Some((at, gap)) = &self.solved_at
            && at == theta
            && *gap <= request.accuracy.relative_gap
        {
            return Ok(());
        }
        self.solved_at = None;
        // Vectors of length n that solving makes worthless: gone before it takes memory of its own.
        let active = self.parts.iter_mut().filter(|part| part.active);
        active.for_each(|part| part.measured = CriterionValue::default());
        self.parts.par_iter_mut().enumerate().filter(|(_, part)| part.active).try_for_each(
            |(k, part)| -> Result<()> {
                let start = part.start(theta);
                let solution = part.lower.solve(of_split(hyperparameters, k), start, request.accuracy)?;
                part.measured = part.criterion.evaluate(&solution.predictor);
                let (found, expected) = (part.measured.gradient.len(), solution.predictor.len());
                check_length("gradient of the criterion by the predictor", found, expected)?;
                part.solution = Some(solution);
                Ok(())
            },
        )?;
        self.solved_at = Some((theta.to_vec(), request.accuracy.relative_gap));
        Ok(())
    }
}

impl<M: LowerLevel, C: Criterion> Part<M, C> {
    /// Where a solve at `theta` starts: from the last solution, or ahead of it on the path of a single parameter.
    fn start(&mut self, theta: &[f64]) -> Option<Solution> {
        let last = self.solution.take()?;
        match theta {
            [log_lambda] => Some(self.trail.start(&self.lower, last, log_lambda.exp())),
            _ => Some(last),
        }
    }

    fn upper(&self) -> UpperGradient<'_> {
        UpperGradient {
            predictor: &self.measured.gradient,
            curvature: &self.measured.curvature,
            warm_start: &self.adjoint_start,
        }
    }

    fn contribute(
        &mut self,
        split: usize,
        hyperparameters: &Hyperparameters,
        request: Request,
    ) -> Result<Contribution> {
        let value = self.measured.value;
        let Some(solution) = self.solution.as_ref().filter(|_| request.gradient) else {
            return Ok(Contribution { split, value, adjoint: None });
        };
        let upper = self.upper();
        let mut adjoint =
            self.lower.adjoint(hyperparameters, solution, &upper, request.selection, request.accuracy)?;
        self.adjoint_start = std::mem::take(&mut adjoint.warm_start);
        Ok(Contribution { split, value, adjoint: Some(adjoint) })
    }
}

impl<M: LowerLevel + Send, C: Criterion + Send> Objective for SplitObjective<M, C> {
    fn n_parameters(&self) -> usize {
        self.parametrizations[0].n_parameters()
    }

    fn bounds(&self) -> (Vec<f64>, Vec<f64>) {
        self.parametrizations[0].bounds()
    }

    fn evaluate(&mut self, theta: &[f64], request: Request) -> Result<Evaluation> {
        let hyperparameters = self.hyperparameters(theta);
        self.solve(theta, &hyperparameters, request)?;
        let contributions: Vec<Contribution> = self
            .parts
            .par_iter_mut()
            .enumerate()
            .filter(|(_, part)| part.active)
            .map(|(k, part)| part.contribute(k, of_split(&hyperparameters, k), request))
            .collect::<Result<_>>()?;
        let share = 1.0 / contributions.len() as f64;
        let mut evaluation = Evaluation {
            value: 0.0,
            standard_error: mean_and_standard_error(self.validation_samples().iter().map(Counted::loss)).1,
            gradient: if request.gradient { vec![0.0; theta.len()] } else { Vec::new() },
            gradient_error_bound: None,
            relative_gap: self.active_solutions().map(|(_, s)| s.relative_gap).fold(0.0, f64::max),
            support_size: self.active_solutions().map(|(m, s)| m.support_size(s) as f64).sum::<f64>() * share,
            biactive: 0,
        };
        let mut error_bound = 0.0;
        for contribution in contributions {
            let k = contribution.split;
            let (parametrization, at) = (of_split(&self.parametrizations, k), of_split(&hyperparameters, k));
            evaluation.value += share * contribution.value;
            if let Some(adjoint) = contribution.adjoint {
                parametrization.pull_back(theta, at, &adjoint, &mut evaluation.gradient);
                let factor = parametrization.error_factor(theta, at, &adjoint);
                error_bound += share * adjoint.error_bound * factor;
                evaluation.biactive += adjoint.biactive;
            }
        }
        evaluation.gradient_error_bound = request.gradient.then_some(error_bound);
        evaluation.gradient.iter_mut().for_each(|g| *g *= share);
        if let Some(pull) = &self.pull {
            evaluation.value += pull.value(theta);
            if request.gradient {
                pull.add_gradient(theta, &mut evaluation.gradient);
            }
        }
        Ok(evaluation)
    }

    fn model_step(&mut self, theta: &[f64], request: Request, radius: f64) -> Result<Option<ModelStep>> {
        self.step_of_model(theta, request, radius)
    }
}

impl<D: DesignMatrix, L: Loss, C: Criterion + Send> SmoothedObjective
    for SplitObjective<SmoothedGlm<'_, D, L>, C>
{
    fn set_epsilon(&mut self, epsilon: f64) -> Result<()> {
        self.solved_at = None;
        self.model = None;
        self.parts.iter_mut().try_for_each(|part| part.lower.set_epsilon(epsilon))
    }
}

/// The request that asks for everything as exactly as possible.
pub fn tight(selection: impl Into<Selection>) -> Request {
    Request { accuracy: crate::outer::Accuracy::TIGHT, selection: selection.into(), gradient: true }
}
