//! A user's products against central differences of the user's gradients.
//!
//! What is differentiated must itself be right: ∇_yL and ∇_λL are compared with differences of L; H v, B u and Bᵀv with differences of ∇_yF along
//! random directions, entry by entry; H must be symmetric, and B and Bᵀ each other's adjoint. The first component that is wrong is named.

use std::fmt;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::{SmoothProblem, check_vector, norm};
use crate::Result;
use crate::kernel::dot;

/// Random directions for each product.
const DIRECTIONS: u64 = 3;

/// The first component that does not agree.
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    /// Which derivative: `hessian product`, `criterion gradient by y`, ….
    pub product: &'static str,
    /// Which entry of it.
    pub component: usize,
    /// What the problem says.
    pub found: f64,
    /// What central differences say.
    pub expected: f64,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { product, component, found, expected } = self;
        write!(
            out,
            "{product}, component {component}: found {found:e}; central differences give {expected:e}"
        )
    }
}

/// Compares all products of `problem` at (y, λ) with central differences; `None` if they agree to `tolerance`, relative to the largest entry.
///
/// 1e-6 is a sensible tolerance where the functions are smooth and of moderate curvature: the differences are of fourth order.
///
/// # Errors
/// [`crate::Error::InvalidData`] if y or λ has the wrong length or holds NaN; [`crate::Error::InvalidSetting`] for a tolerance that is not positive;
/// whatever the problem's functions report.
pub fn gradcheck(
    problem: &dyn SmoothProblem,
    y: &[f64],
    lambda: &[f64],
    tolerance: f64,
) -> Result<Option<Mismatch>> {
    if !(tolerance > 0.0 && tolerance.is_finite()) {
        return Err(crate::Error::setting("tolerance", tolerance, "a positive, finite number"));
    }
    check_vector("y of the gradient check", y, problem.n_coefficients())?;
    check_vector("λ of the gradient check", lambda, problem.n_hyperparameters())?;
    let check = Check { problem, y, lambda, tolerance };
    if let Some(mismatch) = check.criterion()? {
        return Ok(Some(mismatch));
    }
    for seed in 0..DIRECTIONS {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut direction = |n| (0..n).map(|_| StandardNormal.sample(&mut rng)).collect::<Vec<f64>>();
        let (v, u) = (direction(y.len()), direction(lambda.len()));
        if let Some(mismatch) = check.products(&v, &u)? {
            return Ok(Some(mismatch));
        }
    }
    Ok(None)
}

struct Check<'a> {
    problem: &'a dyn SmoothProblem,
    y: &'a [f64],
    lambda: &'a [f64],
    tolerance: f64,
}

impl Check<'_> {
    /// ∇_yL and ∇_λL, entry by entry.
    fn criterion(&self) -> Result<Option<Mismatch>> {
        let (mut by_y, mut by_lambda) = (vec![0.0; self.y.len()], vec![0.0; self.lambda.len()]);
        self.problem.criterion_gradient_into(self.y, self.lambda, &mut by_y, &mut by_lambda)?;
        let zero = vec![0.0; self.lambda.len()];
        let along_y = |k: usize| (unit(self.y.len(), k), zero.clone());
        let along_lambda = |k: usize| (vec![0.0; self.y.len()], unit(self.lambda.len(), k));
        let differences = |count: usize, along: &dyn Fn(usize) -> (Vec<f64>, Vec<f64>)| -> Result<Vec<f64>> {
            (0..count)
                .map(|k| {
                    let (v, u) = along(k);
                    let value = |y: &[f64], l: &[f64]| Ok(vec![self.problem.criterion(y, l)?]);
                    Ok(self.difference(&v, &u, value)?[0])
                })
                .collect()
        };
        let expected = differences(self.y.len(), &along_y)?;
        if let Some(mismatch) = self.compare("criterion gradient by y", &by_y, &expected) {
            return Ok(Some(mismatch));
        }
        let expected = differences(self.lambda.len(), &along_lambda)?;
        Ok(self.compare("criterion gradient by lambda", &by_lambda, &expected))
    }

    /// H v, B u and Bᵀv.
    fn products(&self, v: &[f64], u: &[f64]) -> Result<Option<Mismatch>> {
        let gradient = |y: &[f64], l: &[f64]| {
            let mut out = vec![0.0; y.len()];
            self.problem.gradient_into(y, l, &mut out)?;
            Ok(out)
        };
        let mut out = vec![0.0; self.y.len()];
        self.problem.hessian_product_into(self.y, self.lambda, v, &mut out)?;
        let expected = self.difference(v, &vec![0.0; u.len()], gradient)?;
        if let Some(mismatch) = self.compare("hessian product", &out, &expected) {
            return Ok(Some(mismatch));
        }
        self.problem.mixed_product_into(self.y, self.lambda, u, &mut out)?;
        let expected = self.difference(&vec![0.0; v.len()], u, gradient)?;
        if let Some(mismatch) = self.compare("mixed product", &out, &expected) {
            return Ok(Some(mismatch));
        }
        let mut adjoint = vec![0.0; u.len()];
        self.problem.mixed_adjoint_into(self.y, self.lambda, v, &mut adjoint)?;
        let mut expected = vec![0.0; u.len()];
        for (k, entry) in expected.iter_mut().enumerate() {
            *entry = dot(&self.difference(&vec![0.0; v.len()], &unit(u.len(), k), gradient)?, v);
        }
        Ok(self.compare("mixed adjoint", &adjoint, &expected))
    }

    /// The fourth-order central difference of `function` along (v, u).
    fn difference(
        &self,
        v: &[f64],
        u: &[f64],
        function: impl Fn(&[f64], &[f64]) -> Result<Vec<f64>>,
    ) -> Result<Vec<f64>> {
        // Rounding ε/h and truncation h⁴ balance near h = 1e-3, in the scale of the point and the direction.
        let scale = 1.0 + norm(self.y).max(norm(self.lambda)) / ((v.len() + u.len()) as f64).sqrt();
        let step = 1e-3 * scale / (norm(v).max(norm(u))).max(1.0);
        let moved =
            |x: &[f64], d: &[f64], t: f64| -> Vec<f64> { x.iter().zip(d).map(|(x, d)| x + t * d).collect() };
        let at = |t: f64| function(&moved(self.y, v, t * step), &moved(self.lambda, u, t * step));
        let (a, b, c, d) = (at(-2.0)?, at(-1.0)?, at(1.0)?, at(2.0)?);
        Ok((0..a.len()).map(|i| (8.0 * (c[i] - b[i]) - (d[i] - a[i])) / (12.0 * step)).collect())
    }

    fn compare(&self, product: &'static str, found: &[f64], expected: &[f64]) -> Option<Mismatch> {
        let largest = found.iter().chain(expected).fold(0.0_f64, |m, x| m.max(x.abs()));
        // Differences of numbers of size one cannot be told from zero below this.
        let allowed = self.tolerance * largest.max(1e-4);
        let wrong = |(f, e): (&f64, &f64)| (f - e).is_nan() || (f - e).abs() > allowed;
        let component = found.iter().zip(expected).position(wrong)?;
        Some(Mismatch { product, component, found: found[component], expected: expected[component] })
    }
}

/// e_k.
fn unit(length: usize, k: usize) -> Vec<f64> {
    let mut unit = vec![0.0; length];
    unit[k] = 1.0;
    unit
}
