//! A and L_1, L_2, … in the basis that they share.

use rayon::prelude::*;
use rustfft::num_complex::Complex;
use rustfft::num_traits::Zero;

use super::{Basis, Modes};
use crate::Result;
use crate::operator::cosine::CosinePlan;
use crate::operator::fft::RealFft;
use crate::operator::{LinearOperator, check_length};

/// Modes that are summed by one task; the partial sums are added in their order, so the result does not depend on the number of threads.
const MODES_PER_TASK: usize = 1 << 14;

/// A = Q* diag(a) Q and L_kᵀL_k = Q* diag(ℓ_k) Q with one unitary Q, and fast products with Q.
///
/// # Example
/// Tikhonov's problem ½‖Ax − b‖² + (λ/2)‖Lx‖² by two transforms:
/// ```
/// use bilevel::operator::{Boundary, CommonSpectrum, Convolution, Gradient, Kernel, LinearOperator};
///
/// let blur = Convolution::<f64>::new(&[8, 8], &Kernel::gaussian(0.5, 2)?, Boundary::Reflective)?;
/// let gradient = Gradient::<f64>::new(&[8, 8], Boundary::Reflective)?;
/// let spectrum = CommonSpectrum::of(&blur, &[&gradient]).expect("both are diagonal in the cosine basis");
///
/// let b: Vec<f64> = (0..64).map(|i| f64::from(i % 5)).collect();
/// let lambda = 0.1;
/// let (a, l) = (spectrum.data_gram(), spectrum.penalty_gram(0));
/// let x = spectrum.back(&spectrum.adjoint_of_data(&b)?.filtered(|k| 1.0 / (a[k] + lambda * l[k])));
///
/// let normal = blur.adjoint(&blur.apply(&x)?)?;
/// let penalty = gradient.adjoint(&gradient.apply(&x)?)?;
/// let right = blur.adjoint(&b)?;
/// assert!((0..64).all(|i| (normal[i] + lambda * penalty[i] - right[i]).abs() < 1e-12));
/// # Ok::<(), bilevel::Error>(())
/// ```
pub struct CommonSpectrum {
    basis: Basis,
    transform: Transform,
    /// Modes from the first of these to the second stand for two unknowns.
    twice: std::ops::Range<usize>,
    data: Modes,
    data_gram: Vec<f64>,
    penalty_grams: Vec<Vec<f64>>,
}

enum Transform {
    Fourier(RealFft<f64>),
    Cosine(CosinePlan<f64>),
}

impl CommonSpectrum {
    /// The basis that diagonalizes A, and L_kᵀL_k for all penalties; `None` if there is none that the operators know of.
    ///
    /// The operators say themselves what diagonalizes them ([`LinearOperator::spectral`]), through sums, products, multiples and stacks too.
    pub fn of(operator: &dyn LinearOperator, penalties: &[&dyn LinearOperator]) -> Option<Self> {
        let a = operator.spectral()?;
        let penalties = penalties.iter().map(|l| l.spectral()).collect::<Option<Vec<_>>>()?;
        let own = std::iter::once(&a).chain(&penalties).find_map(|s| s.basis());
        // Multiples of the identity alone: any basis will do.
        let basis =
            own.or_else(|| crate::operator::Grid::new(&[operator.n_columns()]).ok().map(Basis::Cosine))?;
        if basis.grid().size() != operator.n_columns() {
            return None;
        }
        let data = a.eigenvalues(&basis)?;
        let penalty_grams = penalties.iter().map(|l| l.gram_eigenvalues(&basis)).collect::<Option<_>>()?;
        let transform = match basis {
            Basis::Fourier(grid) => Transform::Fourier(RealFft::new(grid)),
            Basis::Cosine(grid) => Transform::Cosine(CosinePlan::new(grid)),
        };
        Some(Self {
            basis,
            transform,
            twice: basis.twice(),
            data_gram: data.squared_moduli(),
            data,
            penalty_grams,
        })
    }

    /// The basis: which transform, of which shape.
    pub fn basis(&self) -> &Basis {
        &self.basis
    }

    /// Number of stored modes.
    pub fn n_modes(&self) -> usize {
        self.data_gram.len()
    }

    /// Number of unknowns: the sum of all multiplicities.
    pub fn n_unknowns(&self) -> usize {
        self.basis.grid().size()
    }

    /// How many unknowns a stored mode stands for, 1 or 2.
    #[inline]
    pub fn multiplicity(&self, mode: usize) -> f64 {
        if self.twice.contains(&mode) { 2.0 } else { 1.0 }
    }

    /// The eigenvalues a of A.
    pub fn data_eigenvalues(&self) -> &Modes {
        &self.data
    }

    /// |a|²: the eigenvalues of AᵀA.
    pub fn data_gram(&self) -> &[f64] {
        &self.data_gram
    }

    /// ℓ_k: the eigenvalues of L_kᵀL_k; none if there are fewer penalties.
    pub fn penalty_gram(&self, k: usize) -> &[f64] {
        self.penalty_grams.get(k).map_or(&[], Vec::as_slice)
    }

    /// Number of penalties.
    pub fn n_penalties(&self) -> usize {
        self.penalty_grams.len()
    }

    /// Q x: Σ multiplicity·|Qx|² = ‖x‖².
    ///
    /// # Errors
    /// [`Error::InvalidData`](crate::Error::InvalidData) if `x` has not as many entries as there are unknowns.
    pub fn transform(&self, x: &[f64]) -> Result<Modes> {
        check_length("vector that is transformed", x.len(), self.n_unknowns())?;
        Ok(match &self.transform {
            Transform::Fourier(fft) => {
                let scale = (x.len() as f64).sqrt().recip();
                let mut modes = vec![Complex::zero(); fft.n_modes()];
                fft.forward(x, &mut modes);
                modes.par_iter_mut().with_min_len(MODES_PER_TASK).for_each(|z| *z *= scale);
                Modes::Complex(modes)
            }
            Transform::Cosine(plan) => {
                let mut modes = vec![0.0; x.len()];
                plan.forward(x, &mut modes);
                Modes::Real(modes)
            }
        })
    }

    /// ā Q b, which is Q Aᵀb.
    ///
    /// # Errors
    /// As [`transform`](Self::transform).
    pub fn adjoint_of_data(&self, b: &[f64]) -> Result<Modes> {
        Ok(self.data.conjugate_times(&self.transform(b)?))
    }

    /// Q* modes: the real vector whose transform they are. Modes beyond those of the basis are ignored, missing ones are zero.
    pub fn back(&self, modes: &Modes) -> Vec<f64> {
        let mut out = vec![0.0; self.n_unknowns()];
        match &self.transform {
            Transform::Fourier(fft) => {
                let scale = (out.len() as f64).sqrt().recip();
                let mut scaled: Vec<Complex<f64>> = match modes {
                    Modes::Complex(values) => values.par_iter().map(|z| z * scale).collect(),
                    Modes::Real(values) => values.par_iter().map(|z| Complex::from(z * scale)).collect(),
                };
                scaled.resize(fft.n_modes(), Complex::zero());
                fft.inverse(&mut scaled, &mut out);
            }
            Transform::Cosine(plan) => {
                let mut real: Vec<f64> = match modes {
                    Modes::Real(values) => values.clone(),
                    Modes::Complex(values) => values.iter().map(|z| z.re).collect(),
                };
                real.resize(out.len(), 0.0);
                plan.inverse(&mut real, &mut out);
            }
        }
        out
    }

    /// Σ over modes of multiplicity·`term(mode)`, several sums at a time: the degrees of freedom of Tikhonov's estimate, say, are
    /// Σ |a|²/(|a|² + λℓ). By all threads; the result does not depend on their number.
    pub fn sum<const K: usize>(&self, term: impl Fn(usize) -> [f64; K] + Sync) -> [f64; K] {
        let n = self.n_modes();
        let partial = |first: usize| {
            let mut sums = [0.0; K];
            for mode in first..(first + MODES_PER_TASK).min(n) {
                let weight = self.multiplicity(mode);
                sums.iter_mut().zip(term(mode)).for_each(|(sum, term)| *sum += weight * term);
            }
            sums
        };
        let firsts = (0..n.div_ceil(MODES_PER_TASK)).into_par_iter().map(|task| task * MODES_PER_TASK);
        let partials: Vec<[f64; K]> = firsts.map(partial).collect();
        partials.iter().fold([0.0; K], |mut total, sums| {
            total.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
            total
        })
    }
}
