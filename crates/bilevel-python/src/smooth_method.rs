//! The ways to differentiate a smooth problem, by the names and settings that Python gives them.

use bilevel::Result;
use bilevel::hypergradient::smooth::{
    AdjointSolver, Bounding, Checkpoints, Forward, HypergradientMethod, Implicit, Neumann, NewtonCorrected,
    OneStep, Preconditioner, Reverse, StoppingRule, Terms,
};
use bilevel::smooth::{Descent, MomentumKind, Rate, SmoothProblem, spectral_bounds};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A method with its settings; the iteration of those that have one is made where the problem is known.
pub(crate) enum Way {
    Implicit(Implicit),
    Newton(NewtonCorrected),
    Iterated(DescentSettings, Iterated),
}

/// How an iteration is differentiated.
pub(crate) enum Iterated {
    Neumann(Terms),
    Forward { steps: usize },
    Reverse { steps: usize, last: usize, checkpoints: Checkpoints },
    OneStep,
}

/// A rate as JSON: a number, a list, or places in the hyperparameters.
#[derive(Deserialize)]
#[serde(untagged)]
enum GivenRate {
    Fixed(f64),
    Schedule(Vec<f64>),
    Learned { learned: (usize, usize) },
}

impl GivenRate {
    fn rate(&self) -> Rate {
        match self {
            Self::Fixed(value) => Rate::Fixed(*value),
            Self::Schedule(values) => Rate::Schedule(values.clone()),
            Self::Learned { learned: (begin, end) } => Rate::Learned(*begin..*end),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum GivenMomentum {
    HeavyBall,
    Nesterov,
}

/// Gradient descent: its rates.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct DescentSettings {
    /// 1/Lip where it begins, if not given.
    step: Option<GivenRate>,
    momentum: Option<GivenRate>,
    momentum_kind: Option<GivenMomentum>,
    weight_decay: Option<GivenRate>,
}

impl DescentSettings {
    fn descent<'a>(&self, problem: &'a dyn SmoothProblem, hyper: &[f64], y: &[f64]) -> Result<Descent<'a>> {
        let step = match &self.step {
            Some(step) => step.rate(),
            None => Rate::Fixed(1.0 / lipschitz(problem, hyper, y)?),
        };
        let mut descent = Descent::new(problem, step)?;
        if let Some(momentum) = &self.momentum {
            let kind = match self.momentum_kind {
                Some(GivenMomentum::Nesterov) => MomentumKind::Nesterov,
                _ => MomentumKind::HeavyBall,
            };
            descent = descent.with_momentum(kind, momentum.rate())?;
        }
        match &self.weight_decay {
            Some(decay) => descent.with_weight_decay(decay.rate()),
            None => Ok(descent),
        }
    }
}

/// What the user knows, or the largest eigenvalue of H at y.
fn lipschitz(problem: &dyn SmoothProblem, hyper: &[f64], y: &[f64]) -> Result<f64> {
    let lambda = hyper.get(..problem.n_hyperparameters()).unwrap_or(hyper);
    match problem.constants(lambda).lipschitz {
        Some(known) => Ok(known),
        None => Ok(spectral_bounds(problem, y, lambda)?.largest),
    }
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ImplicitSettings {
    tolerance: f64,
    bounding: bool,
}

impl Default for ImplicitSettings {
    fn default() -> Self {
        Self { tolerance: Implicit::default().tolerance, bounding: true }
    }
}

impl ImplicitSettings {
    fn with(&self, solver: Option<AdjointSolver>) -> Implicit {
        let bounding = if self.bounding { Bounding::Compute } else { Bounding::Skip };
        Implicit { solver, tolerance: self.tolerance, bounding, ..Implicit::default() }
    }
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct CgSettings {
    tolerance: Option<f64>,
    bounding: Option<bool>,
    preconditioner: GivenPreconditioner,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
enum GivenPreconditioner {
    #[default]
    None,
    Diagonal,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum GivenRule {
    APriori,
    Running,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct NeumannSettings {
    terms: usize,
    bounding: bool,
    epsilon: Option<f64>,
    rule: Option<GivenRule>,
    max_terms: usize,
    step: Option<GivenRate>,
}

impl Default for NeumannSettings {
    fn default() -> Self {
        Self { terms: 100, bounding: true, epsilon: None, rule: None, max_terms: 100_000, step: None }
    }
}

impl NeumannSettings {
    fn terms(&self) -> Terms {
        let rule = match self.rule {
            Some(GivenRule::APriori) => StoppingRule::APriori,
            _ => StoppingRule::Running,
        };
        match self.epsilon {
            Some(epsilon) => Terms::Accuracy { epsilon, rule, max_terms: self.max_terms },
            None if self.bounding => Terms::Bounded(self.terms),
            None => Terms::Count(self.terms),
        }
    }
}

/// Steps of an iteration that is differentiated as a whole.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct UnrolledSettings {
    steps: usize,
    last: usize,
    checkpoints: Option<GivenCheckpoints>,
    step: Option<GivenRate>,
    momentum: Option<GivenRate>,
    momentum_kind: Option<GivenMomentum>,
    weight_decay: Option<GivenRate>,
}

impl Default for UnrolledSettings {
    fn default() -> Self {
        Self {
            steps: 100,
            last: 10,
            checkpoints: None,
            step: None,
            momentum: None,
            momentum_kind: None,
            weight_decay: None,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum GivenCheckpoints {
    All,
    SquareRoot,
    #[serde(untagged)]
    Binomial(usize),
}

impl UnrolledSettings {
    fn split(self) -> (DescentSettings, usize, usize, Checkpoints) {
        let Self { steps, last, checkpoints, step, momentum, momentum_kind, weight_decay } = self;
        let checkpoints = match checkpoints {
            Some(GivenCheckpoints::All) => Checkpoints::All,
            Some(GivenCheckpoints::Binomial(count)) => Checkpoints::Binomial(count),
            Some(GivenCheckpoints::SquareRoot) | None => Checkpoints::SquareRoot,
        };
        (DescentSettings { step, momentum, momentum_kind, weight_decay }, steps, last, checkpoints)
    }
}

impl Way {
    /// The method of this name, with settings as JSON; those that it does not have are refused.
    pub(crate) fn parse(method: &str, settings: &str) -> PyResult<Self> {
        let implicit =
            |solver| Ok(Self::Implicit(parsed::<ImplicitSettings>(method, settings)?.with(solver)));
        let unrolled = || Ok::<_, PyErr>(parsed::<UnrolledSettings>(method, settings)?.split());
        match method {
            "implicit" => implicit(None),
            "dense" => implicit(Some(AdjointSolver::Dense)),
            "minres" => implicit(Some(AdjointSolver::Minres)),
            "cg" => {
                let CgSettings { tolerance, bounding, preconditioner } = parsed(method, settings)?;
                let preconditioner = match preconditioner {
                    GivenPreconditioner::None => Preconditioner::None,
                    GivenPreconditioner::Diagonal => Preconditioner::Diagonal,
                };
                let defaults = ImplicitSettings::default();
                let settings = ImplicitSettings {
                    tolerance: tolerance.unwrap_or(defaults.tolerance),
                    bounding: bounding.unwrap_or(defaults.bounding),
                };
                Ok(Self::Implicit(settings.with(Some(AdjointSolver::ConjugateGradient(preconditioner)))))
            }
            "newton" => {
                let implicit = parsed::<ImplicitSettings>(method, settings)?.with(None);
                Ok(Self::Newton(NewtonCorrected { implicit }))
            }
            "neumann" => {
                let settings: NeumannSettings = parsed(method, settings)?;
                let terms = settings.terms();
                let descent = DescentSettings { step: settings.step, ..DescentSettings::default() };
                Ok(Self::Iterated(descent, Iterated::Neumann(terms)))
            }
            "forward" => {
                let (descent, steps, ..) = unrolled()?;
                Ok(Self::Iterated(descent, Iterated::Forward { steps }))
            }
            "reverse" => {
                let (descent, steps, _, checkpoints) = unrolled()?;
                Ok(Self::Iterated(descent, Iterated::Reverse { steps, last: steps, checkpoints }))
            }
            "truncated" => {
                let (descent, steps, last, checkpoints) = unrolled()?;
                Ok(Self::Iterated(descent, Iterated::Reverse { steps, last, checkpoints }))
            }
            "one-step" => Ok(Self::Iterated(parsed(method, settings)?, Iterated::OneStep)),
            _ => Err(PyValueError::new_err(format!("setting `method`: found '{method}'"))),
        }
    }

    /// Whether it runs its own steps from a start, instead of differentiating at a solution.
    pub(crate) fn is_unrolled(&self) -> bool {
        matches!(self, Self::Iterated(_, Iterated::Forward { .. } | Iterated::Reverse { .. }))
    }

    /// Whether it is the library's default, which keeps its adjoint from one solve to the next.
    pub(crate) fn is_default(&self) -> bool {
        matches!(self, Self::Implicit(implicit) if *implicit == Implicit::default())
    }

    /// Hands the method to `then`, its iteration made for this point.
    pub(crate) fn with_method<T>(
        &self,
        problem: &dyn SmoothProblem,
        hyper: &[f64],
        y: &[f64],
        then: impl FnOnce(&dyn HypergradientMethod) -> Result<T>,
    ) -> Result<T> {
        let (settings, iterated) = match self {
            Self::Implicit(implicit) => return then(implicit),
            Self::Newton(newton) => return then(newton),
            Self::Iterated(settings, iterated) => (settings, iterated),
        };
        let map = &settings.descent(problem, hyper, y)?;
        match *iterated {
            Iterated::Neumann(terms) => then(&Neumann { map, terms }),
            Iterated::Forward { steps } => then(&Forward { map, steps }),
            Iterated::Reverse { steps, last, checkpoints } => {
                then(&Reverse { map, steps, last, checkpoints })
            }
            Iterated::OneStep => then(&OneStep { map }),
        }
    }
}

fn parsed<T: DeserializeOwned>(method: &str, settings: &str) -> PyResult<T> {
    serde_json::from_str(settings)
        .map_err(|e| PyValueError::new_err(format!("settings of the method '{method}': {e}")))
}
