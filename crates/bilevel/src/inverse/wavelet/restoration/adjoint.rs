//! The reduced adjoint on the support, matrix-free: ((RW)_Sᵀ(RW)_S + α) q = −(Wᵀω)_S, h_g = Σ_{i∈S, g(i)=g} sign(y_i) q_i.

use super::{Buffers, WaveletRestoration};
use crate::lower::{Adjoint, Hyperparameters, Solution, UpperGradient};
use crate::outer::Accuracy;
use crate::solver::conjugate_gradient;
use crate::{Error, Result};

/// Conjugate gradients end after this many products.
const MOST_PRODUCTS: usize = 2000;

pub(super) fn reduced(
    problem: &WaveletRestoration<'_>,
    at: &Hyperparameters,
    solution: &Solution,
    upper: &UpperGradient<'_>,
    band: f64,
    accuracy: Accuracy,
) -> Result<Adjoint> {
    let y = &solution.coefficients;
    let (pixels, coefficients) = (problem.frame.n_pixels(), problem.frame.n_coefficients());
    let lengths = (y.len(), solution.correlations.len(), upper.predictor.len());
    if lengths != (coefficients, coefficients, pixels) {
        let found =
            format!("{} coefficients, {} correlations and {} slopes", lengths.0, lengths.1, lengths.2);
        let expected =
            format!("{coefficients}, {coefficients} (a solution that was solved for) and {pixels}");
        return Err(Error::data("adjoint of a restoration", found, expected));
    }
    let support: Vec<u32> = y.iter().zip(0..).filter(|(y, _)| **y != 0.0).map(|(_, index)| index).collect();
    let mut full = vec![0.0; coefficients];
    problem.frame.adjoint(upper.predictor, &mut full)?;
    let right: Vec<f64> = support.iter().map(|&i| -full[i as usize]).collect();
    full.fill(0.0);
    let mut q = warm_start(&support, upper.warm_start);
    let mut buffers = problem.buffers();
    let mut failure = None;
    let product = |v: &[f64], out: &mut [f64]| {
        support.iter().zip(v).for_each(|(&i, v)| full[i as usize] = *v);
        let Buffers { image, measured, gradient } = &mut buffers;
        let done =
            problem.forward(&full, image, measured).and_then(|()| problem.back(measured, image, gradient));
        failure = failure.take().or(done.err());
        for ((out, &i), v) in out.iter_mut().zip(&support).zip(v) {
            *out = gradient[i as usize] + at.ridge * v;
        }
    };
    let identity = |r: &[f64], out: &mut [f64]| out.copy_from_slice(r);
    let outcome =
        conjugate_gradient(product, identity, &right, &mut q, accuracy.adjoint_residual, MOST_PRODUCTS);
    if let Some(error) = failure {
        return Err(error);
    }
    if !outcome.residual.is_finite() {
        let reason = "conjugate gradients met values that are not finite".to_owned();
        return Err(Error::AdjointSolve { size: support.len(), reason });
    }
    let size = crate::kernel::dot(&right, &right).sqrt();
    let (lambda, largest_group) = pull_back(problem, y, &support, &q);
    let curvature = outcome.smallest_quotient.min(1.0 / problem.step);
    let of_q = if outcome.residual > 0.0 { outcome.residual / curvature.max(0.0) } else { 0.0 };
    Ok(Adjoint {
        lambda,
        ridge: support.iter().zip(&q).map(|(&i, q)| q * y[i as usize]).sum(),
        residual: if size > 0.0 { outcome.residual / size } else { 0.0 },
        error_bound: of_q * (largest_group as f64).sqrt(),
        biactive: biactive(problem, at, solution, band),
        warm_start: support.into_iter().zip(q).collect(),
    })
}

/// The adjoint of a nearby problem on this support; both are sorted by index.
fn warm_start(support: &[u32], earlier: &[(u32, f64)]) -> Vec<f64> {
    let mut rest = earlier.iter().peekable();
    let entry = |&i: &u32| {
        while rest.next_if(|(index, _)| *index < i).is_some() {}
        rest.next_if(|(index, _)| *index == i).map_or(0.0, |(_, q)| *q)
    };
    support.iter().map(entry).collect()
}

/// h by weight, and how many coefficients of the support share one weight at most.
fn pull_back(
    problem: &WaveletRestoration<'_>,
    y: &[f64],
    support: &[u32],
    q: &[f64],
) -> (Vec<(u32, f64)>, usize) {
    let mut lambda: Vec<(u32, f64)> = Vec::new();
    let mut sums = vec![(0.0, 0_usize); problem.n_weights];
    let mut entries = support.iter().zip(q).peekable();
    for segment in &problem.segments {
        while let Some((&i, q)) = entries.next_if(|(i, _)| (**i as usize) < segment.range.end) {
            if let Some(weight) = segment.weight_of(i as usize - segment.range.start) {
                sums[weight].0 += y[i as usize].signum() * q;
                sums[weight].1 += 1;
            }
        }
    }
    let touched = sums.iter().zip(0..).filter(|(sum, _)| sum.1 > 0);
    lambda.extend(touched.map(|(sum, weight)| (weight, sum.0)));
    (lambda, sums.iter().map(|sum| sum.1).max().unwrap_or(0))
}

/// How many zero coefficients have a correlation as large as their weight, up to the band.
fn biactive(problem: &WaveletRestoration<'_>, at: &Hyperparameters, solution: &Solution, band: f64) -> usize {
    let of = |segment: &super::Segment| {
        let correlations = solution.correlations[segment.range.clone()].iter();
        let entries = correlations.zip(&solution.coefficients[segment.range.clone()]).enumerate();
        let touches = |(k, (c, y)): &(usize, (&f64, &f64))| {
            segment.weight_of(*k).is_some_and(|weight| {
                **y == 0.0 && (c.abs() - at.lambda[weight]).abs() <= band * c.abs().max(at.lambda[weight])
            })
        };
        entries.filter(touches).count()
    };
    problem.segments.iter().map(of).sum()
}
