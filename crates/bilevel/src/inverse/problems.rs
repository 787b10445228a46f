//! Small test problems with known solutions: discretized integral equations of the first kind, and a blur.
//!
//! ```text
//! ∫ K(s, t) x(t) dt = b(s)
//! ```
//!
//! Their singular values fall to rounding within a few dozen, so that without regularization the smallest noise decides everything. They are the problems
//! on which rules for choosing λ are compared.
//!
//! Source: Hansen, "Regularization Tools version 4.0 for Matlab 7.3", Numerical Algorithms 46 (2007), where each has its own reference; the discretizations are
//! the ones described there, so that figures published for them hold here.

use std::f64::consts::{FRAC_PI_2, PI};

use faer::{Mat, Side};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::design::{DenseMatrix, DesignMatrix};
use crate::{Error, Result};

/// A problem with its solution.
#[derive(Debug, Clone, PartialEq)]
pub struct TestProblem {
    /// Name of the problem.
    pub name: &'static str,
    /// A.
    pub a: DenseMatrix<f64>,
    /// The data without noise. For some problems they come from the integral itself and differ from A x by the error of the discretization.
    pub b: Vec<f64>,
    /// The solution.
    pub x: Vec<f64>,
}

/// Data with noise.
#[derive(Debug, Clone, PartialEq)]
pub struct NoisyData {
    /// b and noise.
    pub b: Vec<f64>,
    /// ‖noise‖/√n: the noise level of each entry.
    pub sigma: f64,
}

impl TestProblem {
    /// The data with Gaussian noise of norm `level`·‖b‖.
    pub fn with_noise(&self, level: f64, seed: u64) -> NoisyData {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let noise: Vec<f64> = self.b.iter().map(|_| StandardNormal.sample(&mut rng)).collect();
        self.with_direction(level, &noise)
    }

    /// The data with the given noise, scaled to norm `level`·‖b‖; what is missing of a shorter one is 0.
    pub fn with_direction(&self, level: f64, direction: &[f64]) -> NoisyData {
        let scale = level * norm(&self.b) / norm(direction).max(f64::MIN_POSITIVE);
        let noise = direction.iter().chain(std::iter::repeat(&0.0));
        let b = self.b.iter().zip(noise).map(|(b, z)| b + scale * z).collect();
        NoisyData { b, sigma: level * norm(&self.b) / (self.b.len() as f64).sqrt() }
    }

    /// ‖x − x_true‖/‖x_true‖.
    pub fn relative_error(&self, x: &[f64]) -> f64 {
        let difference: Vec<f64> = x.iter().zip(&self.x).map(|(x, t)| x - t).collect();
        norm(&difference) / norm(&self.x)
    }

    /// Kernel values K(i, j), with the data A x.
    fn of_solution(name: &'static str, x: Vec<f64>, kernel: impl Fn(usize, usize) -> f64) -> Result<Self> {
        let a = matrix(x.len(), kernel)?;
        let mut b = vec![0.0; x.len()];
        a.product_into(&x, &mut b);
        Ok(Self { name, a, b, x })
    }

    fn with_data(
        name: &'static str,
        x: Vec<f64>,
        b: Vec<f64>,
        kernel: impl Fn(usize, usize) -> f64,
    ) -> Result<Self> {
        Ok(Self { name, a: matrix(x.len(), kernel)?, b, x })
    }
}

/// All one-dimensional problems of size n, a multiple of 4 from 8 to 160.
///
/// # Errors
/// [`Error::InvalidSetting`] for another n.
pub fn all(n: usize) -> Result<Vec<TestProblem>> {
    [shaw, phillips, heat, gravity, deriv2, foxgood, baart, i_laplace, wing]
        .iter()
        .map(|make| make(n))
        .collect()
}

/// One-dimensional image restoration: light through a slit, K = ((cos s + cos t) sin(u)/u)², u = π(sin s + sin t), on [−π/2, π/2].
///
/// # Errors
/// [`Error::InvalidSetting`] unless n is 2 to 16,384.
pub fn shaw(n: usize) -> Result<TestProblem> {
    check(n, 1)?;
    let (h, at) = (PI / n as f64, |i: usize| (i as f64 + 0.5) * PI / n as f64 - FRAC_PI_2);
    let peak = |t: f64, width: f64, center: f64| (-width * (t - center).powi(2)).exp();
    let x = (0..n).map(|i| 2.0 * peak(at(i), 6.0, 0.8) + peak(at(i), 2.0, -0.5)).collect();
    TestProblem::of_solution("shaw", x, |i, j| {
        // On the other diagonal u is 0, which rounding must not see.
        let u = if i + j == n - 1 { 0.0 } else { PI * (at(i).sin() + at(j).sin()) };
        let sinc = if u == 0.0 { 1.0 } else { u.sin() / u };
        h * ((at(i).cos() + at(j).cos()) * sinc).powi(2)
    })
}

/// Phillips's problem: K = φ(s − t), φ(x) = 1 + cos(πx/3) for |x| < 3, on [−6, 6]; x = φ. n a multiple of 4.
///
/// # Errors
/// [`Error::InvalidSetting`] for another n.
pub fn phillips(n: usize) -> Result<TestProblem> {
    check(n, 4)?;
    let (h, quarter, c) = (12.0 / n as f64, n / 4, PI / 3.0);
    let cosine = |k: f64| (k * 4.0 * PI / n as f64).cos();
    let factor = 9.0 / (h * PI * PI);
    let row = |k: usize| {
        let k_ = k as f64;
        match k.cmp(&quarter) {
            std::cmp::Ordering::Less => h + factor * (2.0 * cosine(k_) - cosine(k_ - 1.0) - cosine(k_ + 1.0)),
            std::cmp::Ordering::Equal => 0.5 * h + factor * (cosine(1.0) - 1.0),
            std::cmp::Ordering::Greater => 0.0,
        }
    };
    let integral = |t: f64| {
        t * (6.0 - 0.5 * t) + ((3.0 - 0.5 * t) * (c * t).sin() - 2.0 / c * ((c * t).cos() - 1.0)) / c
    };
    // Both are symmetric: k counts cells from the middle.
    let from_middle = |i: usize| if i >= n / 2 { i - n / 2 } else { n / 2 - 1 - i };
    let data = |k: usize| (integral((k + 1) as f64 * h) - integral(k as f64 * h)) / h.sqrt();
    let solution = |k: usize| match k < quarter {
        true => (h + ((c * h * (k + 1) as f64).sin() - (c * h * k as f64).sin()) / c) / h.sqrt(),
        false => 0.0,
    };
    let x = (0..n).map(|i| solution(from_middle(i))).collect();
    let b = (0..n).map(|i| data(from_middle(i))).collect();
    TestProblem::with_data("phillips", x, b, |i, j| row(i.abs_diff(j)))
}

/// The inverse heat equation: the temperature at one end of a bar from that at the other, K = (s − t)^(−3/2)/(2√π) exp(−1/(4(s − t))), s > t. n even.
///
/// # Errors
/// [`Error::InvalidSetting`] for another n.
pub fn heat(n: usize) -> Result<TestProblem> {
    check(n, 2)?;
    let h = 1.0 / n as f64;
    let pulse = |i: usize| {
        let t = (i + 1) as f64 * 20.0 / n as f64;
        if i >= n / 2 {
            0.0
        } else if t < 2.0 {
            0.75 * t * t / 4.0
        } else if t < 3.0 {
            0.75 + (t - 2.0) * (3.0 - t)
        } else {
            0.75 * (-2.0 * (t - 3.0)).exp()
        }
    };
    TestProblem::of_solution("heat", (0..n).map(pulse).collect(), |i, j| {
        if j > i {
            return 0.0;
        }
        let t = ((i - j) as f64 + 0.5) * h;
        h / (2.0 * PI.sqrt()) * t.powf(-1.5) * (-0.25 / t).exp()
    })
}

/// Gravity surveying: a mass distribution at depth d = 1/4 from the field above it, K = d (d² + (s − t)²)^(−3/2) on [0, 1].
///
/// # Errors
/// [`Error::InvalidSetting`] unless n is 2 to 16,384.
pub fn gravity(n: usize) -> Result<TestProblem> {
    check(n, 1)?;
    let (h, d) = (1.0 / n as f64, 0.25);
    let at = |i: usize| (i as f64 + 0.5) * h;
    let x = (0..n).map(|i| (PI * at(i)).sin() + 0.5 * (2.0 * PI * at(i)).sin()).collect();
    TestProblem::of_solution("gravity", x, |i, j| h * d * (d * d + (at(i) - at(j)).powi(2)).powf(-1.5))
}

/// The second derivative: K is Green's function of x'' on [0, 1], x = t. Only mildly ill-posed.
///
/// # Errors
/// [`Error::InvalidSetting`] unless n is 2 to 16,384.
pub fn deriv2(n: usize) -> Result<TestProblem> {
    check(n, 1)?;
    let h = 1.0 / n as f64;
    let index = |i: usize| (i + 1) as f64;
    let x = (0..n).map(|i| h.powf(1.5) * (index(i) - 0.5)).collect();
    let data = |i: f64| h.powf(1.5) * (i - 0.5) * (0.5 * (i * i + (i - 1.0).powi(2)) * h * h - 1.0) / 6.0;
    TestProblem::with_data("deriv2", x, (0..n).map(|i| data(index(i))).collect(), |i, j| {
        let (low, high) = (index(i.min(j)), index(i.max(j)));
        if i == j {
            h * h * ((low * low - low + 0.25) * h - (low - 2.0 / 3.0))
        } else {
            h * h * (low - 0.5) * ((high - 0.5) * h - 1.0)
        }
    })
}

/// Fox and Goodwin's severely ill-posed problem: K = √(s² + t²) on [0, 1], x = t.
///
/// # Errors
/// [`Error::InvalidSetting`] unless n is 2 to 16,384.
pub fn foxgood(n: usize) -> Result<TestProblem> {
    check(n, 1)?;
    let (h, at) = (1.0 / n as f64, |i: usize| (i as f64 + 0.5) / n as f64);
    let b = (0..n).map(|i| ((1.0 + at(i).powi(2)).powf(1.5) - at(i).powi(3)) / 3.0).collect();
    TestProblem::with_data("foxgood", (0..n).map(at).collect(), b, |i, j| h * at(i).hypot(at(j)))
}

/// Baart's problem: K = exp(s cos t), s in [0, π/2], t in [0, π]; x = sin t. n even.
///
/// # Errors
/// [`Error::InvalidSetting`] for another n.
pub fn baart(n: usize) -> Result<TestProblem> {
    check(n, 2)?;
    let (hs, ht) = (FRAC_PI_2 / n as f64, PI / n as f64);
    // ∫ exp(s·c) ds over cell i.
    let cell = |i: usize, c: f64| {
        if c.abs() < 1e-12 { hs } else { (((i + 1) as f64 * hs * c).exp() - (i as f64 * hs * c).exp()) / c }
    };
    // Simpson's rule: ∫ sinh(s)/s over the nodes of half cells.
    let integrand =
        |k: usize| if k == 0 { 1.0 } else { (0.5 * k as f64 * hs).sinh() / (0.5 * k as f64 * hs) };
    let data =
        |i: usize| (integrand(2 * i) + 4.0 * integrand(2 * i + 1) + integrand(2 * i + 2)) * hs.sqrt() / 3.0;
    let x = (0..n).map(|j| ((j as f64 * ht).cos() - ((j + 1) as f64 * ht).cos()) / ht.sqrt()).collect();
    TestProblem::with_data("baart", x, (0..n).map(data).collect(), |i, j| {
        let nodes = [j as f64, j as f64 + 0.5, j as f64 + 1.0].map(|k| cell(i, (k * ht).cos()));
        (nodes[0] + 4.0 * nodes[1] + nodes[2]) / (3.0 * 2.0_f64.sqrt())
    })
}

/// Inversion of the Laplace transform: K = exp(−st) on [0, ∞) by Gauss–Laguerre quadrature, x = exp(−t/2). n at most 160.
///
/// # Errors
/// [`Error::InvalidSetting`] for another n.
pub fn i_laplace(n: usize) -> Result<TestProblem> {
    check(n, 1)?;
    if n > LARGEST_QUADRATURE {
        let expected = format!("at most {LARGEST_QUADRATURE}: larger weights underflow");
        return Err(Error::setting("n", n, expected));
    }
    let s: Vec<f64> = (1..=n).map(|i| 10.0 * i as f64 / n as f64).collect();
    let (nodes, log_weights) = gauss_laguerre(n)?;
    let x = nodes.iter().map(|t| (-0.5 * t).exp()).collect();
    let b = s.iter().map(|s| 1.0 / (s + 0.5)).collect();
    TestProblem::with_data("i_laplace", x, b, |i, j| ((1.0 - s[i]) * nodes[j] + log_weights[j]).exp())
}

/// A problem with a discontinuous solution: K = t exp(−st²) on [0, 1], x = 1 between 1/3 and 2/3.
///
/// # Errors
/// [`Error::InvalidSetting`] unless n is 2 to 16,384.
pub fn wing(n: usize) -> Result<TestProblem> {
    check(n, 1)?;
    let (h, from, to) = (1.0 / n as f64, 1.0 / 3.0, 2.0 / 3.0);
    let at = |i: usize| (i as f64 + 0.5) * h;
    let x = (0..n).map(|i| if at(i) > from && at(i) < to { h.sqrt() } else { 0.0 }).collect();
    let data = |s: f64| h.sqrt() * 0.5 * ((-s * from * from).exp() - (-s * to * to).exp()) / s;
    let b = (0..n).map(|i| data(at(i))).collect();
    TestProblem::with_data("wing", x, b, |i, j| h * at(j) * (-at(i) * at(j).powi(2)).exp())
}

/// A Gaussian blur (σ = 0.7 pixels, cut off at `band` pixels) of a small image of side n, zero outside: the matrix is n²×n². The image is a rectangle beside a disk.
///
/// # Errors
/// [`Error::InvalidSetting`] unless 2 ≤ n ≤ 64 and `band` is at least 1.
pub fn blur(n: usize, band: usize) -> Result<TestProblem> {
    check(n, 1)?;
    if n > LARGEST_IMAGE {
        return Err(Error::setting("n", n, format!("at most {LARGEST_IMAGE}")));
    }
    if band == 0 {
        return Err(Error::setting("band", band, "at least 1"));
    }
    let variance = 0.49;
    let weight = |d: usize| match d < band {
        true => (-((d * d) as f64) / (2.0 * variance)).exp() / (2.0 * PI * variance).sqrt(),
        false => 0.0,
    };
    let pixel = |k: usize| {
        let (row, column) = ((k / n) as f64 / n as f64, (k % n) as f64 / n as f64);
        let in_rectangle = (0.15..0.6).contains(&row) && (0.1..0.35).contains(&column);
        let in_disk = (row - 0.6).hypot(column - 0.65) < 0.25;
        f64::from(u8::from(in_rectangle)) + 2.0 * f64::from(u8::from(in_disk))
    };
    TestProblem::of_solution("blur", (0..n * n).map(pixel).collect(), |i, j| {
        weight((i / n).abs_diff(j / n)) * weight((i % n).abs_diff(j % n))
    })
}

/// The second difference (n−2)×n or the first difference (n−1)×n, order 1 or 2: an L that does not see constants, or straight lines.
///
/// # Errors
/// [`Error::InvalidSetting`] for another order, or n not above it.
pub fn derivative(order: usize, n: usize) -> Result<DenseMatrix<f64>> {
    let stencil: &[f64] = match order {
        1 => &[-1.0, 1.0],
        2 => &[1.0, -2.0, 1.0],
        _ => return Err(Error::setting("order", order, "1 or 2")),
    };
    if n <= order || n > LARGEST_MATRIX {
        let expected =
            format!("more than {order}, the order of the derivative, and at most {LARGEST_MATRIX}");
        return Err(Error::setting("n", n, expected));
    }
    let rows = n - order;
    let entry =
        |k: usize| (k / rows).checked_sub(k % rows).and_then(|d| stencil.get(d)).copied().unwrap_or(0.0);
    DenseMatrix::new(rows, n, (0..rows * n).map(entry).collect())
}

/// Rows of a dense matrix of 2 GB.
const LARGEST_MATRIX: usize = 1 << 14;
const LARGEST_QUADRATURE: usize = 160;
const LARGEST_IMAGE: usize = 64;

/// Nodes of the Gauss–Laguerre quadrature, and the logarithms of its weights.
///
/// The nodes are eigenvalues of the recurrence (Golub and Welsch), and the weights 1/Σ L_k(t)² of the Laguerre polynomials: from eigenvectors the small
/// ones would be rounding.
fn gauss_laguerre(n: usize) -> Result<(Vec<f64>, Vec<f64>)> {
    let recurrence = Mat::from_fn(n, n, |i, j| match i.abs_diff(j) {
        0 => (2 * i + 1) as f64,
        1 => -(i.max(j) as f64),
        _ => 0.0,
    });
    let eigenvalues = recurrence
        .self_adjoint_eigenvalues(Side::Lower)
        .map_err(|_| Error::data("Gauss–Laguerre quadrature", "no convergence", "a smaller n"))?;
    let polished = eigenvalues.iter().map(|&t| {
        let (value, before, _) = laguerre(n, t);
        // t L_n' = n (L_n − L_{n−1}).
        t - value * t / (n as f64 * (value - before))
    });
    let nodes: Vec<f64> = polished.collect();
    let log_weights = nodes.iter().map(|&t| -laguerre(n, t).2.ln()).collect();
    Ok((nodes, log_weights))
}

/// L_n(t), L_{n−1}(t) and Σ_{k<n} L_k(t)².
fn laguerre(n: usize, t: f64) -> (f64, f64, f64) {
    let (mut before, mut value, mut squares) = (0.0, 1.0, 0.0);
    for k in 0..n {
        squares += value * value;
        let k = k as f64;
        (before, value) = (value, ((2.0 * k + 1.0 - t) * value - k * before) / (k + 1.0));
    }
    (value, before, squares)
}

fn check(n: usize, multiple: usize) -> Result<()> {
    if (2..=LARGEST_MATRIX).contains(&n) && n.is_multiple_of(multiple) {
        return Ok(());
    }
    Err(Error::setting("n", n, format!("2 to {LARGEST_MATRIX}, and a multiple of {multiple}")))
}

fn matrix(n: usize, entry: impl Fn(usize, usize) -> f64) -> Result<DenseMatrix<f64>> {
    DenseMatrix::new(n, n, (0..n * n).map(|k| entry(k % n, k / n)).collect())
}

fn norm(v: &[f64]) -> f64 {
    crate::kernel::dot(v, v).sqrt()
}
