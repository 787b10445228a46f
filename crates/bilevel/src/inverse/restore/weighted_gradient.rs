//! Tikhonov's problem with a map of weights on the gradient, as a lower level:
//!
//! ```text
//! min_x  ½‖Ax − b‖² + ½ Σ_i m_i |(∇x)_i|²,     m = Bλ,        H = AᵀA + ∇ᵀ diag(m) ∇
//! dΦ/dλ_k = Σ_i B_ik (∇q)_i·(∇x)_i,     Hq = −∇_xL
//! ```
//!
//! by conjugate gradients, preconditioned with the problem of one weight where a transform solves that.

use crate::inverse::WeightMap;
use crate::lower::{Adjoint, Hyperparameters, LowerLevel, Solution, UpperGradient};
use crate::operator::{CommonSpectrum, Gradient, LinearOperator, check_length};
use crate::outer::Accuracy;
use crate::solver::conjugate_gradient;
use crate::{Error, Result};

/// Largest number of products of a solve.
const PRODUCTS: usize = 2000;
/// Relative residual that a solve is never content with less than, and one that is no solution.
const TOLERANCE: f64 = 1e-8;
const FAR: f64 = 1e-3;

/// One plane.
pub(super) struct WeightedGradient<'a> {
    operator: &'a dyn LinearOperator,
    gradient: Gradient,
    data: Vec<f64>,
    map: WeightMap,
    spectrum: Option<CommonSpectrum>,
}

impl<'a> WeightedGradient<'a> {
    pub(super) fn new(
        operator: &'a dyn LinearOperator,
        gradient: Gradient,
        data: Vec<f64>,
        map: WeightMap,
    ) -> Self {
        let spectrum = CommonSpectrum::of(operator, &[&gradient]);
        Self { operator, gradient, data, map, spectrum }
    }

    /// x += H⁻¹ right, from what x holds; the relative residual and the products.
    fn solve_for(
        &self,
        weights: &[f64],
        right: &[f64],
        x: &mut [f64],
        tolerance: f64,
    ) -> Result<(f64, usize)> {
        let (mut measured, mut slopes) =
            (vec![0.0; self.operator.n_rows()], vec![0.0; self.gradient.n_rows()]);
        let mut smooth = vec![0.0; x.len()];
        let mut failure = Ok(());
        let product = |v: &[f64], out: &mut [f64]| {
            let done = (|| {
                self.operator.apply_into(v, &mut measured)?;
                self.operator.adjoint_into(&measured, out)?;
                self.gradient.apply_into(v, &mut slopes)?;
                for plane in slopes.chunks_exact_mut(weights.len()) {
                    plane.iter_mut().zip(weights).for_each(|(s, m)| *s *= m);
                }
                self.gradient.adjoint_into(&slopes, &mut smooth)
            })();
            crate::kernel::axpy(1.0, &smooth, out);
            if done.is_err() {
                failure = done;
            }
        };
        let mean = (weights.iter().map(|m| m.ln()).sum::<f64>() / weights.len() as f64).exp();
        let precondition = |r: &[f64], out: &mut [f64]| match &self.spectrum {
            None => out.copy_from_slice(r),
            Some(spectrum) => {
                let (a, l) = (spectrum.data_gram(), spectrum.penalty_gram(0));
                match spectrum.transform(r) {
                    Ok(modes) => {
                        out.copy_from_slice(&spectrum.back(&modes.filtered(|k| 1.0 / (a[k] + mean * l[k]))))
                    }
                    Err(_) => out.copy_from_slice(r),
                }
            }
        };
        let outcome = conjugate_gradient(product, precondition, right, x, tolerance, PRODUCTS);
        failure?;
        let size = crate::kernel::dot(right, right).sqrt();
        let residual = if size > 0.0 { outcome.residual / size } else { 0.0 };
        if residual.is_nan() || residual > FAR {
            return Err(Error::LowerLevel { iterations: outcome.products, gap: residual, tolerance });
        }
        Ok((residual, outcome.products))
    }
}

impl LowerLevel for WeightedGradient<'_> {
    fn n_coefficients(&self) -> usize {
        self.operator.n_columns()
    }

    fn n_weights(&self) -> usize {
        self.map.n_blocks()
    }

    /// In the solution `gap` is ‖Hx − Aᵀb‖·‖x‖: an estimate, as no bound on the smallest curvature is known.
    fn solve(&self, at: &Hyperparameters, start: Option<Solution>, accuracy: Accuracy) -> Result<Solution> {
        let weights = self.map.expand(&at.lambda);
        let right = self.operator.adjoint(&self.data)?;
        let start = start.map(|s| s.coefficients).filter(|x| x.len() == self.n_coefficients());
        let mut x = start.unwrap_or_else(|| vec![0.0; self.n_coefficients()]);
        let (residual, iterations) =
            self.solve_for(&weights, &right, &mut x, TOLERANCE.min(accuracy.relative_gap))?;
        let fitted = self.operator.apply(&x)?;
        let misfit: f64 = fitted.iter().zip(&self.data).map(|(z, b)| (z - b).powi(2)).sum();
        let slopes = self.gradient.apply(&x)?;
        let rough = slopes.chunks_exact(weights.len()).flat_map(|plane| plane.iter().zip(&weights));
        let objective = 0.5 * (misfit + rough.map(|(s, m)| m * s * s).sum::<f64>());
        let norm = |v: &[f64]| crate::kernel::dot(v, v).sqrt();
        let gap = residual * norm(&right) * norm(&x);
        let scale = 0.5 * crate::kernel::dot(&self.data, &self.data);
        Ok(Solution {
            predictor: x.clone(),
            coefficients: x,
            intercept: 0.0,
            correlations: Vec::new(),
            objective,
            gap,
            relative_gap: gap / scale.max(f64::MIN_POSITIVE),
            iterations,
        })
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

    fn adjoint(
        &self,
        at: &Hyperparameters,
        solution: &Solution,
        upper: &UpperGradient<'_>,
        _selection: crate::hypergradient::Selection,
        accuracy: Accuracy,
    ) -> Result<Adjoint> {
        check_length("upper gradient", upper.predictor.len(), self.n_coefficients())?;
        let weights = self.map.expand(&at.lambda);
        let right: Vec<f64> = upper.predictor.iter().map(|w| -w).collect();
        let mut q = vec![0.0; right.len()];
        let tolerance = TOLERANCE.min(accuracy.adjoint_residual);
        let (residual, _) = self.solve_for(&weights, &right, &mut q, tolerance)?;
        let (of_q, of_x) = (self.gradient.apply(&q)?, self.gradient.apply(&solution.coefficients)?);
        let n = weights.len();
        let slopes: Vec<f64> =
            (0..n).map(|i| (i..of_q.len()).step_by(n).map(|k| of_q[k] * of_x[k]).sum()).collect();
        let lambda = self.map.gather(&slopes).into_iter().zip(0_u32..).map(|(slope, k)| (k, slope)).collect();
        Ok(Adjoint { lambda, residual, ..Adjoint::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::criterion::{Criterion, SupervisedError};
    use crate::hypergradient::{BiactivePolicy, Selection};
    use crate::operator::{Boundary, Convolution, Kernel, Mask};

    #[test]
    fn hypergradients_match_differences_of_the_solved_problem() {
        let truth: Vec<f64> = (0..80).map(|i| f64::from(i / 40) + 0.1 * f64::from(i % 8)).collect();
        let blur =
            Convolution::<f64>::new(&[8, 10], &Kernel::gaussian(0.8, 2).unwrap(), Boundary::Reflective)
                .unwrap();
        let holes = Mask::<f64>::of_flags(&(0..80).map(|i| i % 7 != 3).collect::<Vec<_>>());
        let operators: [&dyn LinearOperator; 2] = [&blur, &holes];
        for operator in operators {
            let mut b = operator.apply(&truth).unwrap();
            b.iter_mut().enumerate().for_each(|(i, b)| *b += 0.1 * ((i * i % 11) as f64 - 5.0) / 5.0);
            let gradient = Gradient::new(&[8, 10], Boundary::Reflective).unwrap();
            let map = WeightMap::bilinear((8, 10), (2, 3)).unwrap();
            let problem = WeightedGradient::new(operator, gradient, b, map);
            let lambda = [0.1, 0.3, 0.05, 0.2, 0.15, 0.4];
            let solved = |lambda: &[f64]| {
                problem
                    .solve(
                        &Hyperparameters { lambda: lambda.to_vec(), ridge: 0.0 },
                        None,
                        Accuracy { relative_gap: 1e-13, adjoint_residual: 1e-13 },
                    )
                    .unwrap()
            };
            let value =
                |lambda: &[f64]| SupervisedError::new(&truth).evaluate(&solved(lambda).predictor).value;
            let at = Hyperparameters { lambda: lambda.to_vec(), ridge: 0.0 };
            let solution = solved(&lambda);
            let upper = SupervisedError::new(&truth).evaluate(&solution.predictor);
            let upper =
                UpperGradient { predictor: &upper.gradient, curvature: &upper.curvature, warm_start: &[] };
            let tight = Accuracy { relative_gap: 1e-13, adjoint_residual: 1e-13 };
            let adjoint = problem
                .adjoint(&at, &solution, &upper, Selection::from(BiactivePolicy::Null), tight)
                .unwrap();
            for (k, slope) in adjoint.lambda {
                let moved = |by: f64| {
                    let mut lambda = lambda;
                    lambda[k as usize] += by;
                    value(&lambda)
                };
                let difference = (moved(1e-4) - moved(-1e-4)) / 2e-4;
                approx::assert_relative_eq!(slope, difference, max_relative = 1e-6, epsilon = 1e-10);
            }
        }
    }
}
