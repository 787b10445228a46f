//! A restoration at given weights: its solution, and what a change of the weights does to a criterion.

use std::sync::{Arc, Mutex, PoisonError};

use bilevel::hypergradient::Selection;
use bilevel::inverse::krylov::{TermsSettings, TermsSolution, TikhonovTerms};
use bilevel::inverse::wavelet::{WaveletFrame, WaveletRestoration, WeightPer};
use bilevel::inverse::{
    ConjugateGradients, Deblurred, SpectralFilter, TotalVariation, TvDeblurring, TvDeblurringSettings,
    TvSettings, WeightMap,
};
use bilevel::lower::{Hyperparameters, LowerLevel, Solution, UpperGradient};
use bilevel::operator::wavelet::{Extension, StationaryTransform, WaveletTransform};
use bilevel::operator::{CommonSpectrum, LinearOperator, Scaled};
use bilevel::outer::Accuracy;
use bilevel::{Error, Result};
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;

use super::operator::{Operator, Shared, Trouble, Vector, run, unknown, wavelet};

/// A lower level of some kind, with its last solution to start from.
trait Level: Send {
    fn n_weights(&self) -> usize;

    /// x at λ.
    fn solve(&mut self, lambda: Vec<f64>, tolerance: f64) -> Result<Vec<f64>>;

    /// (∂x/∂λ)ᵀ v at the last solution, and a bound on its error.
    fn adjoint(&mut self, v: &[f64]) -> Result<(Vec<f64>, f64)>;
}

/// A restoration whose weights are searched from Python.
#[pyclass(frozen, module = "bilevel._core")]
pub(crate) struct Restoration {
    level: Arc<Mutex<Box<dyn Level>>>,
    troubles: Vec<Trouble>,
}

impl Restoration {
    fn new(level: impl Level + 'static, troubles: Vec<Trouble>) -> Self {
        Self { level: Arc::new(Mutex::new(Box::new(level))), troubles }
    }

    fn run<T: Send + 'static>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut dyn Level) -> Result<T> + Send + 'static,
    ) -> PyResult<T> {
        let level = Arc::clone(&self.level);
        run(py, &self.troubles, move || work(level.lock().unwrap_or_else(PoisonError::into_inner).as_mut()))
    }
}

fn troubles(operators: &[&Operator]) -> Vec<Trouble> {
    operators.iter().flat_map(|operator| operator.troubles.iter().cloned()).collect()
}

#[pymethods]
impl Restoration {
    /// ½‖Ax − b‖² + Σ (λ_k/2)‖L_kx‖².
    #[staticmethod]
    fn tikhonov(
        py: Python<'_>,
        a: &Operator,
        b: PyReadonlyArray1<'_, f64>,
        terms: Vec<PyRef<'_, Operator>>,
    ) -> PyResult<Self> {
        let mut all: Vec<&Operator> = terms.iter().map(|term| &**term).collect();
        let (operator, b) = (Arc::clone(&a.operator), b.as_slice()?.to_vec());
        let shared: Vec<Shared> = all.iter().map(|term| Arc::clone(&term.operator)).collect();
        all.push(a);
        let troubles = troubles(&all);
        let level = run(py, &troubles, move || Terms::new(operator, b, shared))?;
        Ok(Self::new(level, troubles))
    }

    /// ½‖A W y − b‖² + Σ λ_i|y_i| for an image of `shape`; without A the identity.
    #[staticmethod]
    #[pyo3(signature = (a, b, shape, *, wavelet, levels, undecimated, per))]
    #[allow(clippy::too_many_arguments)]
    fn wavelet(
        py: Python<'_>,
        a: Option<PyRef<'_, Operator>>,
        b: PyReadonlyArray1<'_, f64>,
        shape: [usize; 2],
        wavelet: &str,
        levels: usize,
        undecimated: bool,
        per: &str,
    ) -> PyResult<Self> {
        let per = match per {
            "image" => WeightPer::Image,
            "level" => WeightPer::Level,
            "subband" => WeightPer::Subband,
            "coefficient" => WeightPer::Coefficient,
            _ => return Err(unknown("weights", per, "'image', 'level', 'subband' or 'coefficient'")),
        };
        let name = self::wavelet(wavelet)?;
        let frame: Result<WaveletFrame> = if undecimated {
            StationaryTransform::image(name, shape, levels).map(Into::into)
        } else {
            WaveletTransform::image(name, shape, levels, Extension::Periodic).map(Into::into)
        };
        let frame = frame.map_err(|e| crate::error::exception(&e))?;
        let b = b.as_slice()?.to_vec();
        let (operator, troubles) = match &a {
            Some(a) => (Some(Arc::clone(&a.operator)), troubles(&[&**a])),
            None => (None, Vec::new()),
        };
        let problem = run(py, &troubles, move || match operator {
            Some(operator) => WaveletRestoration::new(operator, frame, &b, per),
            None => WaveletRestoration::denoising(frame, &b, per),
        })?;
        Ok(Self::new(Lower::of(problem), troubles))
    }

    /// Σ ½(u_i − b_i)² + Σ α_i|(Du)_i|; `patches` says how many patches down and across have an α of their own.
    #[staticmethod]
    #[pyo3(signature = (b, shape, *, patches, smooth, non_negative))]
    fn total_variation(
        b: PyReadonlyArray1<'_, f64>,
        shape: (usize, usize),
        patches: (usize, usize),
        smooth: bool,
        non_negative: bool,
    ) -> PyResult<Self> {
        let made = || {
            let map = match patches {
                (1, 1) => WeightMap::scalar(shape)?,
                _ if smooth => WeightMap::bilinear(shape, patches)?,
                _ => WeightMap::patches(shape, patches)?,
            };
            TotalVariation::new(shape, b.as_slice().map_err(|_| Error::Interrupted)?)?
                .with_settings(TvSettings { non_negative, ..TvSettings::default() })?
                .with_alpha(map)
        };
        let problem = made().map_err(|e| crate::error::exception(&e))?;
        Ok(Self::new(Lower::of(problem), Vec::new()))
    }

    /// ½‖Au − b‖² + α TV(u), with `norm` about ‖A‖. It has no adjoint.
    #[staticmethod]
    fn blurred_total_variation(
        a: &Operator,
        b: PyReadonlyArray1<'_, f64>,
        shape: (usize, usize),
        non_negative: bool,
        norm: f64,
    ) -> PyResult<Self> {
        let scaled = Scaled::<Shared>::new(norm.recip(), Arc::clone(&a.operator));
        let operator: Shared = Arc::new(scaled.map_err(|e| crate::error::exception(&e))?);
        let filter = SpectralFilter::new(&operator).ok();
        let measured = b.as_slice()?.iter().map(|b| b / norm).collect();
        let level = Blurred { shape, operator, filter, measured, non_negative, norm, last: None };
        Ok(Self::new(level, troubles(&[a])))
    }

    /// How many λ there are.
    #[getter]
    fn n_weights(&self) -> usize {
        self.level.lock().unwrap_or_else(PoisonError::into_inner).n_weights()
    }

    /// x at λ, from the last solution.
    fn solve<'py>(
        &self,
        py: Python<'py>,
        lambda: PyReadonlyArray1<'py, f64>,
        tolerance: f64,
    ) -> PyResult<Vector<'py>> {
        let lambda = lambda.as_slice()?.to_vec();
        let x = self.run(py, move |level| {
            let n = level.n_weights();
            let right = lambda.len() == n && lambda.iter().all(|l| *l >= 0.0 && l.is_finite());
            if !right {
                return Err(Error::setting(
                    "lambda",
                    format!("{lambda:?}"),
                    format!("{n} finite numbers above 0"),
                ));
            }
            level.solve(lambda, tolerance)
        })?;
        Ok(PyArray1::from_vec(py, x))
    }

    /// (∂x/∂λ)ᵀ v at the last solution, and a bound on its error.
    fn adjoint<'py>(&self, py: Python<'py>, v: PyReadonlyArray1<'py, f64>) -> PyResult<(Vector<'py>, f64)> {
        let v = v.as_slice()?.to_vec();
        let (slopes, bound) = self.run(py, move |level| level.adjoint(&v))?;
        Ok((PyArray1::from_vec(py, slopes), bound))
    }
}

/// What has not been solved has no adjoint.
fn unsolved() -> Error {
    Error::data("solution", "none", "a solution before its adjoint")
}

/// A lower level of the library.
struct Lower<P> {
    problem: P,
    last: Option<(Hyperparameters, Solution)>,
}

impl<P: LowerLevel + Send> Lower<P> {
    fn of(problem: P) -> Self {
        Self { problem, last: None }
    }
}

impl<P: LowerLevel + Send> Level for Lower<P> {
    fn n_weights(&self) -> usize {
        self.problem.n_weights()
    }

    fn solve(&mut self, lambda: Vec<f64>, tolerance: f64) -> Result<Vec<f64>> {
        let at = Hyperparameters { lambda, ridge: 0.0 };
        let accuracy = Accuracy { relative_gap: tolerance, ..Accuracy::TIGHT };
        let start = self.last.take().map(|(_, solution)| solution);
        let solution = self.problem.solve(&at, start, accuracy)?;
        let image = solution.predictor.clone();
        self.last = Some((at, solution));
        Ok(image)
    }

    fn adjoint(&mut self, v: &[f64]) -> Result<(Vec<f64>, f64)> {
        let (at, solution) = self.last.as_ref().ok_or_else(unsolved)?;
        let curvature = vec![0.0; v.len()];
        let upper = UpperGradient { predictor: v, curvature: &curvature, warm_start: &[] };
        let found = self.problem.adjoint(at, solution, &upper, Selection::default(), Accuracy::TIGHT)?;
        let mut slopes = vec![0.0; self.problem.n_weights()];
        for (k, slope) in found.lambda {
            if let Some(entry) = slopes.get_mut(k as usize) {
                *entry = slope;
            }
        }
        Ok((slopes, found.error_bound))
    }
}

/// Several quadratic terms, by conjugate gradients; by transforms where they diagonalize all terms, as a preconditioner that is exact.
struct Terms {
    operator: Shared,
    b: Vec<f64>,
    terms: Vec<Shared>,
    spectrum: Option<CommonSpectrum>,
    last: Option<(Vec<f64>, TermsSolution)>,
}

impl Terms {
    fn new(operator: Shared, b: Vec<f64>, terms: Vec<Shared>) -> Result<Self> {
        let penalties: Vec<&dyn LinearOperator> = terms.iter().map(|term| &**term).collect();
        let spectrum = CommonSpectrum::of(&operator, &penalties);
        let made = Self { spectrum, operator, b, terms: terms.clone(), last: None };
        made.problem(1e-8)?;
        Ok(made)
    }

    fn problem(&self, tolerance: f64) -> Result<TikhonovTerms<'_>> {
        let terms = self.terms.iter().map(|term| &**term).collect();
        let settings = TermsSettings { tolerance, ..TermsSettings::default() };
        let problem = TikhonovTerms::new(&self.operator, &self.b, terms, settings)?;
        let Some(spectrum) = &self.spectrum else { return Ok(problem) };
        Ok(problem.with_preconditioner(Box::new(move |lambda, r, out| {
            let Ok(modes) = spectrum.transform(r) else { return out.copy_from_slice(r) };
            let curvature = |k: usize| {
                let penalties = lambda.iter().enumerate().map(|(j, l)| l * spectrum.penalty_gram(j)[k]);
                (spectrum.data_gram()[k] + penalties.sum::<f64>()).max(f64::MIN_POSITIVE)
            };
            out.copy_from_slice(&spectrum.back(&modes.filtered(|k| curvature(k).recip())));
        })))
    }
}

impl Level for Terms {
    fn n_weights(&self) -> usize {
        self.terms.len()
    }

    fn solve(&mut self, lambda: Vec<f64>, tolerance: f64) -> Result<Vec<f64>> {
        let start = self.last.take().map(|(_, solution)| solution.x);
        let solution = self.problem(tolerance)?.solve(&lambda, start.as_deref())?;
        let x = solution.x.clone();
        self.last = Some((lambda, solution));
        Ok(x)
    }

    fn adjoint(&mut self, v: &[f64]) -> Result<(Vec<f64>, f64)> {
        let (lambda, solution) = self.last.as_ref().ok_or_else(unsolved)?;
        let found = self.problem(1e-10)?.adjoint(lambda, solution, v, 0.0, None)?;
        Ok((found.gradient, found.error_bound))
    }
}

/// Total variation of what is only seen through an operator: scaled to norm 1, which the solver's first steps expect.
struct Blurred {
    shape: (usize, usize),
    /// A/‖A‖.
    operator: Shared,
    filter: Option<SpectralFilter>,
    /// b/‖A‖.
    measured: Vec<f64>,
    non_negative: bool,
    norm: f64,
    last: Option<Deblurred>,
}

impl Level for Blurred {
    fn n_weights(&self) -> usize {
        1
    }

    fn solve(&mut self, lambda: Vec<f64>, tolerance: f64) -> Result<Vec<f64>> {
        let alpha = lambda.first().copied().unwrap_or(f64::NAN) / (self.norm * self.norm);
        let settings =
            TvDeblurringSettings { tolerance, non_negative: self.non_negative, ..Default::default() };
        let start = self.last.as_ref();
        let restored = match &self.filter {
            Some(filter) => TvDeblurring::new(self.shape, &self.operator, filter, &self.measured)?
                .with_settings(settings)?
                .restore(alpha, start)?,
            None => {
                let solver = ConjugateGradients(&self.operator);
                TvDeblurring::new(self.shape, &self.operator, &solver, &self.measured)?
                    .with_settings(settings)?
                    .restore(alpha, start)?
            }
        };
        let image = restored.image.clone();
        self.last = Some(restored);
        Ok(image)
    }

    fn adjoint(&mut self, _v: &[f64]) -> Result<(Vec<f64>, f64)> {
        Err(Error::setting(
            "weights",
            "several with an operator",
            "one for total variation behind an operator",
        ))
    }
}
