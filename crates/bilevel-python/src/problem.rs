//! The bilevel problem itself, for Python: Φ(θ), its hypergradient, one-sided slopes and certificate, solutions kept from call to call.

use std::sync::{Arc, Mutex, MutexGuard};

use bilevel::criterion::ValidationLoss;
use bilevel::data::{Dataset, FeatureNames, Split};
use bilevel::design::Design;
use bilevel::hypergradient::{BiactivePolicy, BlockState, Partition, Selection};
use bilevel::loss::{Logistic, Loss, Squared};
use bilevel::lower::{Hyperparameters, Solution, SparseGlm};
use bilevel::objective::{SplitObjective, tight};
use bilevel::outer::{Accuracy, Bounds, Evaluation, ModelStep, Objective, Request};
use bilevel::parametrization::{Parametrization, Ridge, Weights};
use bilevel::penalty::{Blocks, GroupL1, L1, Penalty};
use bilevel::{Result, fit as fitting};
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::error::exception;
use crate::matrix::Matrix;
use crate::{fit, job};

/// What the searched box spans, as factors of the smallest λ that gives zero coefficients: one λ is never needed above it, several may be.
const ONE_LAMBDA: (f64, f64) = (1e-4, 1.0);
const MANY_LAMBDAS: (f64, f64) = (1e-6, 1e1);

type Vector<'py> = Bound<'py, PyArray1<f64>>;
/// Value, standard error, gradient (empty if not asked for), bound on its error, relative gap, support size, biactive coordinates.
type Evaluated<'py> = (f64, f64, Vector<'py>, Option<f64>, f64, f64, usize);
/// Coefficients, intercept, objective, gap, relative gap, iterations.
type Solved<'py> = (Vector<'py>, f64, f64, f64, f64, usize);
/// A training and a validation part: row numbers.
type Rows<'py> = (PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, i64>);

/// Lower level, splits and parametrization.
#[pyclass(frozen, module = "bilevel._core")]
pub(crate) struct Problem {
    state: Arc<Mutex<State>>,
    lambda_max: f64,
    bounds: (Vec<f64>, Vec<f64>),
}

/// What everything else borrows.
struct Owned {
    data: Dataset,
    splits: Vec<Split>,
    penalty: AnyPenalty,
}

enum AnyPenalty {
    L1(L1),
    Group(GroupL1),
}

impl AnyPenalty {
    fn n_blocks(&self) -> usize {
        match self {
            Self::L1(penalty) => penalty.blocks().len(),
            Self::Group(penalty) => penalty.blocks().len(),
        }
    }
}

/// The objective, and the data that it borrows from; dropped in this order.
struct State {
    objective: Box<dyn Pieces>,
    _owned: Arc<Owned>,
}

/// Φ'(θ; −e_k) and Φ'(θ; e_k) for each k, and how many coordinates are on a kink.
pub(crate) type OneSided = (Vec<f64>, Vec<f64>, usize);

/// An objective whose loss and penalty are chosen.
trait Pieces: Send {
    fn objective(&mut self) -> &mut dyn Objective;
    fn parametrize(&mut self, parametrization: Box<dyn Parametrization>);
    fn hyperparameters(&self, theta: &[f64]) -> Hyperparameters;
    fn solutions(&self) -> Vec<Solution>;
    fn lambda_max(&self, factors: &[f64]) -> f64;
    fn slopes(&mut self, theta: &[f64]) -> Result<OneSided>;
    /// The record of the certificate as JSON, and the biactive blocks of each split.
    fn certify(&mut self, theta: &[f64], selection: Selection) -> Result<(String, Vec<Vec<usize>>)>;
    fn forget(&mut self);
}

type SparseObjective<L, P> = SplitObjective<SparseGlm<'static, Design, L, P>, ValidationLoss<'static, L>>;

impl<L: Loss, P: Penalty> Pieces for SparseObjective<L, P>
where
    SparseGlm<'static, Design, L, P>: Send,
    ValidationLoss<'static, L>: Send,
{
    fn objective(&mut self) -> &mut dyn Objective {
        self
    }

    fn parametrize(&mut self, parametrization: Box<dyn Parametrization>) {
        self.set_parametrization(parametrization);
    }

    fn hyperparameters(&self, theta: &[f64]) -> Hyperparameters {
        SplitObjective::hyperparameters(self, theta).swap_remove(0)
    }

    fn solutions(&self) -> Vec<Solution> {
        SplitObjective::solutions(self).cloned().collect()
    }

    fn lambda_max(&self, factors: &[f64]) -> f64 {
        self.lower_levels().map(|problem| problem.lambda_max(factors)).fold(0.0, f64::max)
    }

    fn slopes(&mut self, theta: &[f64]) -> Result<OneSided> {
        let slopes = SplitObjective::slopes(self, theta)?;
        let (mut down, mut up) = (vec![0.0; theta.len()], vec![0.0; theta.len()]);
        for k in slopes.moving() {
            down[k] = slopes.along(k, -1.0)?;
            up[k] = slopes.along(k, 1.0)?;
        }
        Ok((down, up, slopes.biactive()))
    }

    fn certify(&mut self, theta: &[f64], selection: Selection) -> Result<(String, Vec<Vec<usize>>)> {
        let evaluation = self.evaluate(theta, tight(selection))?;
        let at = Pieces::hyperparameters(self, theta);
        let pairs = || self.lower_levels().zip(SplitObjective::solutions(self));
        let residual = pairs().map(|(p, s)| p.forward_backward_residual(&at, s)).fold(0.0, f64::max);
        let on_kink = |(problem, solution): (&SparseGlm<'_, _, _, _>, &Solution)| {
            let partition = Partition::new(problem, &at, solution, selection);
            partition.blocks_in(BlockState::Biactive).collect()
        };
        let biactive: Vec<Vec<usize>> = pairs().map(on_kink).collect();
        let verdict = fitting::verdict(self, theta, &evaluation);
        let one_sided_slopes = match theta {
            [_] => Pieces::slopes(self, theta).ok().map(|(down, up, _)| (-down[0], up[0])),
            _ => None,
        };
        let free = Bounds::of(self)?.free_gradient(theta, &evaluation.gradient);
        let record = fitting::CertificateRecord {
            residual,
            relative_gap: evaluation.relative_gap,
            hypergradient_norm: free.iter().map(|h| h * h).sum::<f64>().sqrt(),
            hypergradient_error_bound: evaluation.gradient_error_bound.unwrap_or(f64::INFINITY),
            biactive: evaluation.biactive,
            one_sided_slopes,
            stationary: verdict.is_stationary(),
            verdict,
            stationarity_tolerance: fitting::stationarity_tolerance(evaluation.value),
            lambda_range: None,
            certified: None,
            n_at_edges: 0,
            at_edges: Vec::new(),
        };
        Ok((serde_json::to_string(&record).unwrap_or_default(), biactive))
    }

    fn forget(&mut self) {
        self.forget_all_but(None);
    }
}

/// The objective of a loss and a penalty, with θ still to be given a meaning.
fn objective<L: Loss + 'static, P: Penalty + 'static>(
    owned: &'static Owned,
    loss: L,
    penalty: &'static P,
    intercept: bool,
) -> Result<Box<dyn Pieces>>
where
    SparseObjective<L, P>: Pieces,
{
    let targets = owned.data.target.values();
    let mut parts = Vec::with_capacity(owned.splits.len());
    for split in &owned.splits {
        let lower = SparseGlm::new(&owned.data.design, targets, &split.train, loss, penalty, intercept)?;
        parts.push((lower, ValidationLoss::of_split(loss, targets, split)));
    }
    let unknown = Weights::scalar(Vec::new(), Ridge::Fixed(0.0), 0.0, 0.0);
    Ok(Box::new(SplitObjective::new(parts, Box::new(unknown))))
}

impl State {
    fn new(owned: Arc<Owned>, logistic: bool, intercept: bool) -> Result<Self> {
        // SAFETY: the pointer is valid while the `Arc` is alive, which is at least as long as the objective that borrows from it (fields are dropped
        // in order, neither leaves this struct); what an `Arc` holds does not move, and is never borrowed mutably.
        let data: &'static Owned = unsafe { &*Arc::as_ptr(&owned) };
        let objective = match (&data.penalty, logistic) {
            (AnyPenalty::L1(penalty), false) => objective(data, Squared, penalty, intercept),
            (AnyPenalty::L1(penalty), true) => objective(data, Logistic, penalty, intercept),
            (AnyPenalty::Group(penalty), false) => objective(data, Squared, penalty, intercept),
            (AnyPenalty::Group(penalty), true) => objective(data, Logistic, penalty, intercept),
        }?;
        Ok(Self { objective, _owned: owned })
    }
}

/// How θ becomes weights.
struct Meaning {
    weights: String,
    factors: Vec<f64>,
    /// Group of each block, for `weights = "group"` of single features.
    of_block: Option<Vec<usize>>,
    /// `None` if it is learned.
    ridge: Option<f64>,
    bounds: Option<(f64, f64)>,
}

impl Meaning {
    fn parametrization(self, lambda_max: f64) -> Box<dyn Parametrization> {
        // With nothing to penalize away (a constant target) any scale will do.
        let scale = if lambda_max > 0.0 { lambda_max } else { 1.0 };
        let span = if self.weights == "scalar" { ONE_LAMBDA } else { MANY_LAMBDAS };
        let around = |(low, high): (f64, f64)| ((scale * low).ln(), (scale * high).ln());
        let (lower, upper) = self.bounds.unwrap_or_else(|| around(span));
        let ridge = self.ridge.map_or_else(
            || {
                let (lower, upper) = self.bounds.unwrap_or_else(|| around(MANY_LAMBDAS));
                Ridge::Learned { lower, upper }
            },
            Ridge::Fixed,
        );
        Box::new(match (self.weights.as_str(), self.of_block) {
            ("scalar", _) => Weights::scalar(self.factors, ridge, lower, upper),
            ("group", Some(of_block)) => Weights::grouped(self.factors, of_block, ridge, lower, upper),
            _ => Weights::per_block(self.factors, ridge, lower, upper),
        })
    }
}

#[pymethods]
impl Problem {
    #[new]
    #[pyo3(signature = (matrix, target, splits, factors, *, classes, group_penalty, weights, groups, ridge, intercept, sample_weight, bounds))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        matrix: &Matrix,
        target: PyReadonlyArray1<'_, f64>,
        splits: Vec<Rows<'_>>,
        factors: PyReadonlyArray1<'_, f64>,
        classes: bool,
        group_penalty: bool,
        weights: String,
        groups: Option<Vec<usize>>,
        ridge: Option<f64>,
        intercept: bool,
        sample_weight: Option<PyReadonlyArray1<'_, f64>>,
        bounds: Option<(f64, f64)>,
    ) -> PyResult<Self> {
        let names = FeatureNames::Counted { first: 0 };
        let target = fit::target(target.as_slice()?.to_vec(), classes);
        let data = Dataset::new(matrix.design.clone(), target, names).map_err(|e| exception(&e))?;
        let n = data.n_samples();
        let sample_weight =
            sample_weight.map(|weights| weights.as_slice().map(<[f64]>::to_vec)).transpose()?;
        let splits = splits
            .iter()
            .enumerate()
            .map(|(k, pair)| split(n, pair, sample_weight.as_deref(), k + 1))
            .collect::<PyResult<_>>()?;
        let penalty = match &groups {
            Some(groups) if group_penalty => {
                AnyPenalty::Group(GroupL1::new(Blocks::from_groups(groups).map_err(|e| exception(&e))?))
            }
            _ => AnyPenalty::L1(L1::new(data.n_features())),
        };
        let factors = factors.as_slice()?.to_vec();
        if factors.len() != penalty.n_blocks() {
            let found = format!("factors: found {}; expected {}", factors.len(), penalty.n_blocks());
            return Err(PyValueError::new_err(found));
        }
        let of_block = groups.filter(|_| !group_penalty);
        let meaning = Meaning { weights, factors, of_block, ridge, bounds };
        let owned = Arc::new(Owned { data, splits, penalty });
        let work = move |_: &mut dyn fitting::Observer| {
            job::in_pool(|| {
                let mut state = State::new(owned, classes, intercept)?;
                let lambda_max = state.objective.lambda_max(&meaning.factors);
                state.objective.parametrize(meaning.parametrization(lambda_max));
                let bounds = state.objective.objective().bounds();
                Ok((state, lambda_max, bounds))
            })
        };
        let (state, lambda_max, bounds) = job::run(py, None, work)?;
        Ok(Self { state: Arc::new(Mutex::new(state)), lambda_max, bounds })
    }

    /// The smallest e^θ that gives zero coefficients in all splits, if all θ are equal.
    #[getter]
    fn lambda_max(&self) -> f64 {
        self.lambda_max
    }

    /// The box of θ.
    #[getter]
    fn bounds<'py>(&self, py: Python<'py>) -> (Vector<'py>, Vector<'py>) {
        (PyArray1::from_slice(py, &self.bounds.0), PyArray1::from_slice(py, &self.bounds.1))
    }

    /// Φ(θ), and its gradient if asked for.
    fn evaluate<'py>(
        &self,
        py: Python<'py>,
        theta: PyReadonlyArray1<'py, f64>,
        policy: &str,
        band: f64,
        tolerance: f64,
        gradient: bool,
    ) -> PyResult<Evaluated<'py>> {
        let selection = selection(policy, band)?;
        let accuracy = Accuracy { relative_gap: tolerance, ..Accuracy::TIGHT };
        let theta = self.point(&theta)?;
        let e = self.evaluation(py, &theta, Request { accuracy, selection, gradient })?;
        let gradient = PyArray1::from_vec(py, e.gradient);
        Ok((
            e.value,
            e.standard_error,
            gradient,
            e.gradient_error_bound,
            e.relative_gap,
            e.support_size,
            e.biactive,
        ))
    }

    /// The solution of each split at θ.
    fn solve<'py>(
        &self,
        py: Python<'py>,
        theta: PyReadonlyArray1<'py, f64>,
        tolerance: f64,
    ) -> PyResult<Vec<Solved<'py>>> {
        let theta = self.point(&theta)?;
        let accuracy = Accuracy { relative_gap: tolerance, ..Accuracy::TIGHT };
        let request = Request { accuracy, selection: Selection::default(), gradient: false };
        let solutions = self.run(py, move |pieces| {
            pieces.objective().evaluate(&theta, request)?;
            Ok(pieces.solutions())
        })?;
        let told = |s: Solution| {
            let coefficients = PyArray1::from_vec(py, s.coefficients);
            (coefficients, s.intercept, s.objective, s.gap, s.relative_gap, s.iterations)
        };
        Ok(solutions.into_iter().map(told).collect())
    }

    /// λ of each block and the ridge parameter.
    fn hyperparameters<'py>(
        &self,
        py: Python<'py>,
        theta: PyReadonlyArray1<'py, f64>,
    ) -> PyResult<(Vector<'py>, f64)> {
        let theta = self.point(&theta)?;
        let at = self.run(py, move |pieces| Ok(pieces.hyperparameters(&theta)))?;
        Ok((PyArray1::from_vec(py, at.lambda), at.ridge))
    }

    /// Φ'(θ; −e_k), Φ'(θ; e_k), coordinates on a kink.
    fn slopes<'py>(
        &self,
        py: Python<'py>,
        theta: PyReadonlyArray1<'py, f64>,
    ) -> PyResult<(Vector<'py>, Vector<'py>, usize)> {
        let theta = self.point(&theta)?;
        let (down, up, biactive) = self.run(py, move |pieces| pieces.slopes(&theta))?;
        Ok((PyArray1::from_vec(py, down), PyArray1::from_vec(py, up), biactive))
    }

    /// The certificate's record as JSON, and the biactive blocks of each split.
    fn certify(
        &self,
        py: Python<'_>,
        theta: PyReadonlyArray1<'_, f64>,
        policy: &str,
        band: f64,
    ) -> PyResult<(String, Vec<Vec<usize>>)> {
        let (theta, selection) = (self.point(&theta)?, selection(policy, band)?);
        self.run(py, move |pieces| pieces.certify(&theta, selection))
    }

    /// Forgets the solutions: the next call starts cold.
    fn forget(&self, py: Python<'_>) -> PyResult<()> {
        self.run(py, |pieces| {
            pieces.forget();
            Ok(())
        })
    }
}

impl Problem {
    pub(crate) fn evaluation(&self, py: Python<'_>, theta: &[f64], request: Request) -> PyResult<Evaluation> {
        let theta = theta.to_vec();
        self.run(py, move |pieces| pieces.objective().evaluate(&theta, request))
    }

    pub(crate) fn model_step(
        &self,
        py: Python<'_>,
        theta: &[f64],
        request: Request,
        radius: f64,
    ) -> PyResult<Option<ModelStep>> {
        let theta = theta.to_vec();
        self.run(py, move |pieces| pieces.objective().model_step(&theta, request, radius))
    }

    /// Runs `work` without the GIL, on a thread of its own, while this one listens for Ctrl-C.
    fn run<T: Send + 'static>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut dyn Pieces) -> Result<T> + Send + 'static,
    ) -> PyResult<T> {
        let state = Arc::clone(&self.state);
        job::run(py, None, move |_| job::in_pool(|| work(lock(&state).objective.as_mut())))
    }

    fn point(&self, theta: &PyReadonlyArray1<'_, f64>) -> PyResult<Vec<f64>> {
        let theta = theta.as_slice()?;
        let n = self.bounds.0.len();
        let nan = theta.iter().filter(|t| t.is_nan()).count();
        if theta.len() == n && nan == 0 {
            return Ok(theta.to_vec());
        }
        let found = format!("{} values, {nan} of them NaN", theta.len());
        Err(PyValueError::new_err(format!("theta: found {found}; expected {n}, one for each parameter")))
    }
}

/// What a computation that panicked left behind is not trusted.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(|poisoned| {
        state.clear_poison();
        let mut state = poisoned.into_inner();
        state.objective.forget();
        state
    })
}

fn split(n: usize, pair: &Rows<'_>, sample_weight: Option<&[f64]>, number: usize) -> PyResult<Split> {
    let rows = fit::split_rows(pair)?;
    let split = Split::from_rows(n, &rows.train, &rows.validation).and_then(|split| match sample_weight {
        None => Ok(split),
        Some(weights) => split.weighted(weights, &format!("split {number}")),
    });
    split.map_err(|e| exception(&e))
}

pub(crate) fn selection(policy: &str, band: f64) -> PyResult<Selection> {
    let named: Option<BiactivePolicy> = serde_json::from_value(policy.into()).ok();
    let Some(policy) = named else {
        let expected = "'self-consistent', 'descent-aligned', 'null' or 'all'";
        return Err(PyValueError::new_err(format!(
            "setting `policy`: found '{policy}'; expected {expected}"
        )));
    };
    if !(0.0..1.0).contains(&band) {
        let expected = "a relative width from 0 to below 1";
        return Err(PyValueError::new_err(format!("setting `band`: found {band}; expected {expected}")));
    }
    Ok(Selection { band, ..Selection::from(policy) })
}
