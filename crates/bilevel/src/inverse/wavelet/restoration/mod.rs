//! Restoration with wavelets, as a lower level whose weights can be learned:
//!
//! ```text
//! min_y  ½‖R W y − b‖² + Σ_i λ_{g(i)} |y_i| + (α/2)‖y‖²
//! ```
//!
//! with R any linear operator, W the synthesis of a wavelet frame and z = W y, the image, as predictor. Without R and with an orthogonal W
//! the step length is 1 and the first proximal step is the solution, soft thresholding. Hypergradients come from the reduced adjoint on
//! the support (DESIGN §2.1) by conjugate gradients that only apply the operators.

mod adjoint;
mod fista;
mod frame;

use crate::hypergradient::Selection;
use crate::kernel::dot;
use crate::lower::{Adjoint, Hyperparameters, LowerLevel, Solution, UpperGradient};
use crate::operator::LinearOperator;
use crate::outer::Accuracy;
use crate::{Error, Result};

use frame::{Segment, SegmentWeight, segments};
pub use frame::{WaveletFrame, WeightPer};

/// Products of the power iteration, and by how much its estimate from below is enlarged.
const POWER_ITERATIONS: usize = 30;
const SAFETY: f64 = 1.02;
/// A relative gap that is no solution.
const FAR: f64 = 1e-3;

/// The restoration problem, all but its hyperparameters.
///
/// In a [`Solution`] of it `gap` is ‖R^γ(y)‖·‖y‖, with R^γ the residual of the proximal step: an estimate, not a bound, of how far the
/// objective is above the minimum; `relative_gap` is relative to ½‖b‖². `correlations` is the gradient of the data term. In an [`Adjoint`]
/// biactive coefficients are left out whatever the selection, and `error_bound` covers the adjoint system only, with the smallest curvature
/// that conjugate gradients met.
///
/// Holds b; a solve takes 5 vectors of coefficients and 4 of pixels: 1.2 GB for 16 million of each.
///
/// # Example
/// ```
/// use bilevel::inverse::wavelet::{WaveletRestoration, WeightPer};
/// use bilevel::lower::{Hyperparameters, LowerLevel};
/// use bilevel::operator::wavelet::{Extension, WaveletTransform};
/// use bilevel::outer::Accuracy;
///
/// // Haar on two samples: the mean is kept, the difference √½(3 − 1) shrinks by λ.
/// let haar = WaveletTransform::signal("haar".parse()?, 2, 1, Extension::Periodic)?;
/// let problem = WaveletRestoration::denoising(haar, &[3.0, 1.0], WeightPer::Image)?;
/// let half = Hyperparameters { lambda: vec![0.5 * 2.0_f64.sqrt()], ridge: 0.0 };
/// let image = problem.solve(&half, None, Accuracy::TIGHT)?.predictor;
/// assert!((image[0] - 2.5).abs() < 1e-12 && (image[1] - 1.5).abs() < 1e-12);
/// # Ok::<(), bilevel::Error>(())
/// ```
pub struct WaveletRestoration<'a> {
    /// R; `None` for the identity.
    operator: Option<Box<dyn LinearOperator + 'a>>,
    frame: WaveletFrame,
    data: Vec<f64>,
    segments: Vec<Segment>,
    n_weights: usize,
    /// γ, at most 1/‖RW‖².
    step: f64,
    max_iterations: usize,
}

/// What products are computed in.
struct Buffers {
    image: Vec<f64>,
    measured: Vec<f64>,
    gradient: Vec<f64>,
}

impl<'a> WaveletRestoration<'a> {
    /// With an operator R on images (W makes its `n_columns()`), for measurements b of length `n_rows()`.
    ///
    /// # Errors
    /// [`Error::InvalidData`] if frame, operator and data do not fit each other, b has values that are not finite, or R gives some; what R fails with.
    pub fn new(
        operator: impl LinearOperator + 'a,
        frame: impl Into<WaveletFrame>,
        data: &[f64],
        per: WeightPer,
    ) -> Result<Self> {
        let problem = Self::assemble(Some(Box::new(operator)), frame.into(), data, per)?;
        let curvature = problem.largest_curvature()?;
        problem.bent_by(curvature)
    }

    /// The same where ‖RW‖² is known, from [`Self::curvature`] of a problem with the same operator and frame.
    pub(crate) fn with_curvature(
        operator: impl LinearOperator + 'a,
        frame: impl Into<WaveletFrame>,
        data: &[f64],
        per: WeightPer,
        curvature: f64,
    ) -> Result<Self> {
        Self::assemble(Some(Box::new(operator)), frame.into(), data, per)?.bent_by(curvature)
    }

    /// ‖RW‖², as the step length has it.
    pub(crate) fn curvature(&self) -> f64 {
        1.0 / (SAFETY * self.step)
    }

    fn bent_by(self, curvature: f64) -> Result<Self> {
        let mut problem = self;
        // An operator that sees nothing bends nothing: any step will do.
        problem.step = if curvature == 0.0 { 1.0 } else { 1.0 / (SAFETY * curvature) };
        if !problem.step.is_normal() {
            let found = format!("a squared norm of {curvature}");
            return Err(Error::data(
                "operator of a restoration",
                found,
                "one that is finite and has an inverse",
            ));
        }
        Ok(problem)
    }

    /// Without an operator: R = I.
    ///
    /// # Errors
    /// [`Error::InvalidData`] if the data have not the frame's number of samples, or values that are not finite.
    pub fn denoising(frame: impl Into<WaveletFrame>, data: &[f64], per: WeightPer) -> Result<Self> {
        let mut problem = Self::assemble(None, frame.into(), data, per)?;
        // With the symmetric extension W is no isometry at the edges.
        let curvature = problem.largest_curvature()?;
        problem.step = if curvature < 1.0 + 1e-6 { 1.0 } else { 1.0 / (SAFETY * curvature) };
        Ok(problem)
    }

    /// The most iterations of a solve; default 2,000.
    #[must_use]
    pub fn max_iterations(mut self, iterations: usize) -> Self {
        self.max_iterations = iterations;
        self
    }

    /// The frame.
    pub fn frame(&self) -> &WaveletFrame {
        &self.frame
    }

    fn assemble(
        operator: Option<Box<dyn LinearOperator + 'a>>,
        frame: WaveletFrame,
        data: &[f64],
        per: WeightPer,
    ) -> Result<Self> {
        let pixels = frame.n_pixels();
        if pixels == 0 {
            return Err(Error::data("frame of a restoration", "no planes", "at least one"));
        }
        let (columns, rows) = operator.as_ref().map_or((pixels, pixels), |a| (a.n_columns(), a.n_rows()));
        if columns != pixels {
            let found = format!("{columns} columns");
            return Err(Error::data(
                "operator of a restoration",
                found,
                format!("{pixels}, the frame's samples"),
            ));
        }
        if data.len() != rows {
            return Err(Error::data("measurements", format!("{} values", data.len()), format!("{rows}")));
        }
        super::noise::check_finite("measurements", data, [1, rows])?;
        let (segments, n_weights) = segments(&frame, per);
        Ok(Self {
            operator,
            frame,
            data: data.to_vec(),
            segments,
            n_weights,
            step: 1.0,
            max_iterations: 2000,
        })
    }

    fn buffers(&self) -> Buffers {
        Buffers {
            image: vec![0.0; self.frame.n_pixels()],
            measured: vec![0.0; self.data.len()],
            gradient: vec![0.0; self.frame.n_coefficients()],
        }
    }

    /// `measured` = R W y, with W y in `image`.
    fn forward(&self, y: &[f64], image: &mut [f64], measured: &mut [f64]) -> Result<()> {
        self.frame.synthesize(y, image)?;
        match &self.operator {
            Some(operator) => operator.apply_into(image, measured),
            None => {
                measured.copy_from_slice(image);
                Ok(())
            }
        }
    }

    /// `out` = WᵀRᵀ `measured`; `image` is overwritten.
    fn back(&self, measured: &[f64], image: &mut [f64], out: &mut [f64]) -> Result<()> {
        match &self.operator {
            Some(operator) => operator.adjoint_into(measured, image)?,
            None => image.copy_from_slice(measured),
        }
        self.frame.adjoint(image, out)
    }

    /// `buffers.gradient` = WᵀRᵀ(RWv − b), with RWv − b in `buffers.measured`.
    fn gradient(&self, v: &[f64], buffers: &mut Buffers) -> Result<()> {
        let Buffers { image, measured, gradient } = buffers;
        self.forward(v, image, measured)?;
        measured.iter_mut().zip(&self.data).for_each(|(m, b)| *m -= b);
        self.back(measured, image, gradient)
    }

    /// out = the soft threshold of v − γ(gradient + αv) at γλ.
    fn proximal_step(&self, at: &Hyperparameters, v: &[f64], gradient: &[f64], out: &mut [f64]) {
        let step = self.step / (1.0 + self.step * at.ridge);
        let descend = |v: f64, g: f64| v - step * (g + at.ridge * v);
        for segment in &self.segments {
            let range = segment.range.clone();
            let entries = out[range.clone()].iter_mut().zip(v[range.clone()].iter().zip(&gradient[range]));
            match segment.weight {
                SegmentWeight::Unpenalized => entries.for_each(|(out, (v, g))| *out = descend(*v, *g)),
                SegmentWeight::Shared(weight) => {
                    let t = step * at.lambda[weight];
                    entries.for_each(|(out, (v, g))| {
                        let w = descend(*v, *g);
                        *out = w - w.clamp(-t, t);
                    });
                }
                SegmentWeight::Own(first) => {
                    entries.zip(&at.lambda[first..]).for_each(|((out, (v, g)), weight)| {
                        let (w, t) = (descend(*v, *g), step * weight);
                        *out = w - w.clamp(-t, t);
                    })
                }
            }
        }
    }

    /// ‖RW‖², by the power method from a fixed start.
    fn largest_curvature(&self) -> Result<f64> {
        let mut buffers = self.buffers();
        // Neither symmetric nor orthogonal to anything in particular.
        let mut y: Vec<f64> =
            (0..self.frame.n_coefficients()).map(|i| 0.5 + ((i * i + 7 * i) % 13) as f64).collect();
        let mut largest = 0.0;
        for _ in 0..POWER_ITERATIONS {
            let size = dot(&y, &y).sqrt();
            if size == 0.0 {
                break;
            }
            y.iter_mut().for_each(|y| *y /= size);
            let Buffers { image, measured, gradient } = &mut buffers;
            self.forward(&y, image, measured)?;
            self.back(measured, image, gradient)?;
            std::mem::swap(&mut y, gradient);
            largest = dot(&y, &y).sqrt();
        }
        Ok(largest)
    }

    /// Σ λ|y| + (α/2)‖y‖².
    fn penalty(&self, at: &Hyperparameters, y: &[f64]) -> f64 {
        let of = |segment: &Segment| -> f64 {
            let entries = y[segment.range.clone()].iter().enumerate();
            // An excluded coefficient is 0, and 0·∞ is to be 0.
            let term = |(k, y): (usize, &f64)| match segment.weight_of(k) {
                Some(weight) if *y != 0.0 => at.lambda[weight] * y.abs(),
                _ => 0.0,
            };
            entries.map(term).sum()
        };
        self.segments.iter().map(of).sum::<f64>() + 0.5 * at.ridge * dot(y, y)
    }

    fn check(&self, at: &Hyperparameters) -> Result<()> {
        if at.lambda.len() != self.n_weights {
            let found = format!("{} weights", at.lambda.len());
            return Err(Error::data("weights of a restoration", found, self.n_weights.to_string()));
        }
        match at.lambda.iter().position(|l| l.is_nan() || *l < 0.0) {
            Some(k) => {
                Err(Error::data(format!("weight {k}"), at.lambda[k].to_string(), "a number of at least 0"))
            }
            None if at.ridge >= 0.0 && at.ridge.is_finite() => Ok(()),
            None => Err(Error::data("ridge", at.ridge.to_string(), "a finite number of at least 0")),
        }
    }

    /// The solution at y, with what is known about it.
    fn describe(
        &self,
        at: &Hyperparameters,
        y: Vec<f64>,
        iterations: usize,
        buffers: &mut Buffers,
    ) -> Result<Solution> {
        self.gradient(&y, buffers)?;
        let mut stepped = vec![0.0; y.len()];
        self.proximal_step(at, &y, &buffers.gradient, &mut stepped);
        let moved: f64 = y.iter().zip(&stepped).map(|(a, b)| (a - b) * (a - b)).sum();
        let gap = moved.sqrt() / self.step * dot(&y, &y).max(dot(&stepped, &stepped)).sqrt();
        let objective = 0.5 * dot(&buffers.measured, &buffers.measured) + self.penalty(at, &y);
        self.frame.synthesize(&y, &mut buffers.image)?;
        Ok(Solution {
            coefficients: y,
            intercept: 0.0,
            predictor: buffers.image.clone(),
            correlations: std::mem::take(&mut buffers.gradient),
            objective,
            gap,
            relative_gap: gap / self.scale(),
            iterations,
        })
    }

    /// The objective at zero, ½‖b‖², which gaps are relative to.
    fn scale(&self) -> f64 {
        (0.5 * dot(&self.data, &self.data)).max(f64::MIN_POSITIVE)
    }
}

impl LowerLevel for WaveletRestoration<'_> {
    fn n_coefficients(&self) -> usize {
        self.frame.n_coefficients()
    }

    fn n_weights(&self) -> usize {
        self.n_weights
    }

    fn solve(&self, at: &Hyperparameters, start: Option<Solution>, accuracy: Accuracy) -> Result<Solution> {
        self.check(at)?;
        let y = start.map(|solution| solution.coefficients).filter(|y| y.len() == self.n_coefficients());
        let y = y.unwrap_or_else(|| vec![0.0; self.n_coefficients()]);
        let mut buffers = self.buffers();
        let tolerance = accuracy.relative_gap;
        let outcome = fista::minimize(self, at, y, tolerance * self.scale(), &mut buffers)?;
        let solution = self.describe(at, outcome.coefficients, outcome.iterations, &mut buffers)?;
        if solution.relative_gap.is_nan() || solution.relative_gap > tolerance.max(FAR) {
            let (iterations, gap) = (solution.iterations, solution.relative_gap);
            return Err(Error::LowerLevel { iterations, gap, tolerance });
        }
        Ok(solution)
    }

    fn start_from(&self, coefficients: Vec<f64>, intercept: f64) -> Solution {
        Solution {
            coefficients,
            intercept,
            predictor: Vec::new(),
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
        selection: Selection,
        accuracy: Accuracy,
    ) -> Result<Adjoint> {
        self.check(at)?;
        adjoint::reduced(self, at, solution, upper, selection.band, accuracy)
    }
}
