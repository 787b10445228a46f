//! The Gauss–Newton model of Φ in θ, assembled from the splits, and its minimizer in a ball and the box.
//!
//! ```text
//! ∇²Φ ≈ (1/K) Σ_k J_kᵀ (∇²_λ L_k + diag⁺(∇_λ L_k / λ)) J_k,     J = ∂(λ, α)/∂θ
//! ```
//!
//! The second term is the curvature of λ = e^{…}: where the criterion wants a weight smaller, a step in its logarithm runs out of effect. Only its
//! positive part is kept, so that the model stays convex. It lives on the parameters that Φ depends on to first order; the others stay.

use crate::Result;
use crate::criterion::Criterion;
use crate::hypergradient::{QuadraticCriterion, Selection};
use crate::lower::{Hyperparameters, LowerLevel};
use crate::outer::{Bounds, ModelStep, Objective, Request};
use crate::parametrization::Parametrization;
use crate::solver::trust_region_step;

use super::{Pull, SplitObjective, of_split};

/// A dense model of more parameters than this costs more than the steps it saves.
const LARGEST_MODEL: usize = 1500;
/// Rounds in which parameters that meet the box are held there and the rest is solved again.
const BOX_ROUNDS: usize = 5;

/// The model at one θ.
#[derive(Debug)]
pub(super) struct Model {
    theta: Vec<f64>,
    selection: Selection,
    parameters: Vec<usize>,
    hessian: Vec<f64>,
    gradient: Vec<f64>,
}

impl<M: LowerLevel + Send, C: Criterion + Send> SplitObjective<M, C> {
    /// The step within `radius`, from the model at θ, which is kept for another radius.
    pub(super) fn step_of_model(
        &mut self,
        theta: &[f64],
        request: Request,
        radius: f64,
    ) -> Result<Option<ModelStep>> {
        let fits = |model: &Model| model.theta == theta && model.selection == request.selection;
        if !self.model.as_ref().is_some_and(fits) {
            self.model = self.build(theta, request)?;
        }
        let bounds = Bounds::of(self)?;
        Ok(self.model.as_ref().map(|model| model.step(&bounds, radius)))
    }

    fn build(&mut self, theta: &[f64], request: Request) -> Result<Option<Model>> {
        self.evaluate(theta, Request { gradient: false, ..request })?;
        let hyperparameters = self.hyperparameters(theta);
        let mut splits = Vec::new();
        for (k, part) in self.parts.iter().enumerate().filter(|(_, part)| part.active) {
            let Some(solution) = &part.solution else { return Ok(None) };
            let hessian = part.criterion.hessian(&solution.predictor);
            let at = of_split(&hyperparameters, k);
            let Some(quadratic) =
                part.lower.gauss_newton(at, solution, &part.upper(), &hessian, request.selection)?
            else {
                return Ok(None);
            };
            splits.push((k, quadratic));
        }
        let mut parameters: Vec<usize> = splits
            .iter()
            .flat_map(|(k, quadratic)| of_split(&self.parametrizations, *k).moving(&quadratic.blocks))
            .collect();
        parameters.sort_unstable();
        parameters.dedup();
        if parameters.is_empty() || parameters.len() > LARGEST_MODEL {
            return Ok(None);
        }
        let size = parameters.len();
        let mut model = Model {
            theta: theta.to_vec(),
            selection: request.selection,
            hessian: vec![0.0; size * size],
            gradient: vec![0.0; size],
            parameters,
        };
        let share = 1.0 / splits.len() as f64;
        for (k, quadratic) in &splits {
            let parametrization = of_split(&self.parametrizations, *k).as_ref();
            model.add(share, parametrization, of_split(&hyperparameters, *k), quadratic);
        }
        if let Some(pull) = &self.pull {
            model.add_pull(pull);
        }
        Ok(Some(model))
    }
}

impl Model {
    /// += share·Jᵀ(H + diag⁺(g/λ))J and share·Jᵀg.
    fn add(
        &mut self,
        share: f64,
        parametrization: &dyn Parametrization,
        at: &Hyperparameters,
        quadratic: &QuadraticCriterion,
    ) {
        let n = quadratic.gradient.len();
        let values = quadratic.blocks.iter().map(|&g| at.lambda[g as usize]).chain([at.ridge]);
        let of_logarithm: Vec<f64> = quadratic
            .gradient
            .iter()
            .zip(values)
            .map(|(g, l)| if l > 0.0 { g.max(0.0) / l } else { 0.0 })
            .collect();
        // Columns of J as (row, entry); mostly one entry each.
        let jacobian: Vec<Vec<(usize, f64)>> = self
            .parameters
            .iter()
            .map(|&k| {
                let (lambda, ridge) = parametrization.column(&self.theta, at, k, &quadratic.blocks);
                let row = |&(g, d): &(u32, f64)| Some((quadratic.blocks.binary_search(&g).ok()?, d));
                lambda.iter().filter_map(row).chain((ridge != 0.0).then_some((n - 1, ridge))).collect()
            })
            .collect();
        let size = self.parameters.len();
        let mut image = vec![0.0; n];
        for (k, column) in jacobian.iter().enumerate() {
            image.fill(0.0);
            for &(row, d) in column {
                crate::kernel::axpy(d, &quadratic.hessian[row * n..(row + 1) * n], &mut image);
                image[row] += of_logarithm[row] * d;
                self.gradient[k] += share * quadratic.gradient[row] * d;
            }
            for (i, other) in jacobian.iter().enumerate() {
                self.hessian[k * size + i] +=
                    share * other.iter().map(|&(row, d)| image[row] * d).sum::<f64>();
            }
        }
    }

    fn add_pull(&mut self, pull: &Pull) {
        let mut gradient = vec![0.0; self.theta.len()];
        pull.add_gradient(&self.theta, &mut gradient);
        let size = self.parameters.len();
        for (i, &k) in self.parameters.iter().enumerate() {
            self.gradient[i] += gradient[k];
            for (j, &l) in self.parameters.iter().enumerate() {
                self.hessian[i * size + j] += pull.curvature(k, l);
            }
        }
    }

    fn step(&self, bounds: &Bounds, radius: f64) -> ModelStep {
        let size = self.parameters.len();
        let mut step = vec![0.0; size];
        let mut free: Vec<usize> = (0..size)
            .filter(|&i| {
                !bounds.blocks(self.parameters[i], self.theta[self.parameters[i]], -self.gradient[i])
            })
            .collect();
        for _ in 0..BOX_ROUNDS {
            let mut held = step.clone();
            free.iter().for_each(|&i| held[i] = 0.0);
            // What the held parameters do to the slopes of the free ones.
            let slope = |i: &usize| {
                self.gradient[*i] + crate::kernel::dot(&self.hessian[i * size..(i + 1) * size], &held)
            };
            let gradient: Vec<f64> = free.iter().map(slope).collect();
            let hessian: Vec<f64> =
                free.iter().flat_map(|k| free.iter().map(move |i| self.hessian[k * size + i])).collect();
            let found = trust_region_step(&hessian, &gradient, radius);
            let mut still_free = Vec::with_capacity(free.len());
            for (&i, s) in free.iter().zip(found) {
                let at = self.theta[self.parameters[i]];
                step[i] = bounds.clamp(self.parameters[i], at + s) - at;
                if step[i] == at + s - at {
                    still_free.push(i);
                }
            }
            if still_free.len() == free.len() {
                break;
            }
            free = still_free;
        }
        let curved: f64 = (0..size)
            .map(|k| step[k] * crate::kernel::dot(&self.hessian[k * size..(k + 1) * size], &step))
            .sum();
        let mut theta = self.theta.clone();
        self.parameters.iter().zip(&step).for_each(|(&k, s)| theta[k] += s);
        ModelStep { theta, predicted: -crate::kernel::dot(&self.gradient, &step) - 0.5 * curved }
    }
}
