//! Gradient descent, heavy ball, Nesterov, and their proximal and stochastic forms, as one differentiable map.
//!
//! ```text
//! z = y + β_k (y − y⁻)                          (momentum; z = y without it)
//! w = z − s_k D (∇_yF_k(x, λ) + ω_k x)          x = z (Nesterov) or y (heavy ball); D = I, or diag of learned scales
//! y⁺ = P_{s_k}(w, λ)                            (a prox; y⁺ = w without it)
//! ```
//!
//! F_k is F, or the recorded mini-batch of step k. s_k, β_k and the weight decay ω_k are [`Rate`]s: numbers, schedules, or hyperparameters. For one
//! plain step ∂y⁺/∂s = −∇_yF, which is what learns a step size. D holds one scale for each layer of coefficients; with a layer for each coefficient it is a
//! learned diagonal preconditioner.
//!
//! Sources: Polyak (1964); Nesterov (1983); Beck, Teboulle, "A fast iterative shrinkage-thresholding algorithm" (2009); for learned rates,
//! Maclaurin, Duvenaud, Adams, "Gradient-based hyperparameter optimization through reversible learning" (2015).

use std::ops::Range;

use super::prox::Prox;
use super::{IterationMap, Rate, SmoothProblem};
use crate::kernel::{axpy, dot};
use crate::{Error, Result};

/// Where the gradient with momentum is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MomentumKind {
    /// At y: Polyak's heavy ball.
    HeavyBall,
    /// At the extrapolated point: Nesterov; with a prox, FISTA.
    Nesterov,
}

/// β_k (y − y⁻).
#[derive(Debug, Clone, PartialEq)]
pub struct Momentum {
    /// Where the gradient is taken.
    pub kind: MomentumKind,
    /// β_k.
    pub rate: Rate,
}

/// Which problem each step descends on.
#[derive(Clone)]
pub enum Batches<'a> {
    /// F in every step.
    Full(&'a dyn SmoothProblem),
    /// `parts[order[k]]` in step k, from the beginning again where the order ends: the record of a stochastic run.
    Recorded {
        /// The mini-batches, of one shape.
        parts: Vec<&'a dyn SmoothProblem>,
        /// Which of them each step used.
        order: Vec<usize>,
    },
}

impl<'a> Batches<'a> {
    fn at(&self, k: usize) -> &'a dyn SmoothProblem {
        match self {
            Self::Full(problem) => *problem,
            Self::Recorded { parts, order } => parts[order[k % order.len()]],
        }
    }

    /// The problems, after a check that there are some, of one shape, and that the order names them.
    fn check(&self) -> Result<&'a dyn SmoothProblem> {
        let (parts, order) = match self {
            Self::Full(problem) => return Ok(*problem),
            Self::Recorded { parts, order } => (parts, order),
        };
        let shape = |p: &dyn SmoothProblem| (p.n_coefficients(), p.n_hyperparameters());
        let first = *parts
            .first()
            .ok_or_else(|| Error::setting("batches", "no mini-batch", "at least one mini-batch"))?;
        if let Some(k) = parts.iter().position(|part| shape(*part) != shape(first)) {
            return Err(Error::data(
                format!("mini-batch {k}"),
                format!("{:?}", shape(parts[k])),
                format!("{:?}", shape(first)),
            ));
        }
        if order.is_empty() || order.iter().any(|b| *b >= parts.len()) {
            return Err(Error::data(
                "order of the mini-batches",
                format!("{order:?}"),
                format!("numbers below {}", parts.len()),
            ));
        }
        Ok(first)
    }
}

/// A step of (proximal, stochastic) gradient descent with or without momentum.
#[derive(Clone)]
pub struct Descent<'a> {
    batches: Batches<'a>,
    coefficients: usize,
    problem_hyperparameters: usize,
    step: Rate,
    momentum: Option<Momentum>,
    weight_decay: Option<Rate>,
    layers: Option<Layers>,
    prox: Option<&'a dyn Prox>,
}

/// D: coefficient j has the scale `hyper[scales.start + of[j]]`.
#[derive(Debug, Clone)]
struct Layers {
    of: Vec<usize>,
    scales: Range<usize>,
}

impl<'a> Descent<'a> {
    /// Gradient descent on F with steps s_k.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for a step that is empty or not finite.
    pub fn new(problem: &'a dyn SmoothProblem, step: Rate) -> Result<Self> {
        Self::on(Batches::Full(problem), step)
    }

    /// Gradient descent on recorded mini-batches.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for a step that is empty or not finite, [`Error::InvalidData`] for batches of different shapes or an order that names others.
    pub fn on(batches: Batches<'a>, step: Rate) -> Result<Self> {
        let problem = batches.check()?;
        step.check("step")?;
        Ok(Self {
            coefficients: problem.n_coefficients(),
            problem_hyperparameters: problem.n_hyperparameters(),
            batches,
            step,
            momentum: None,
            weight_decay: None,
            layers: None,
            prox: None,
        })
    }

    /// With momentum.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for a rate that is empty or not finite.
    pub fn with_momentum(mut self, kind: MomentumKind, rate: Rate) -> Result<Self> {
        rate.check("momentum")?;
        self.momentum = Some(Momentum { kind, rate });
        Ok(self)
    }

    /// With a weight decay ω_k x beside the gradient.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for a rate that is empty or not finite.
    pub fn with_weight_decay(mut self, rate: Rate) -> Result<Self> {
        rate.check("weight_decay")?;
        self.weight_decay = Some(rate);
        Ok(self)
    }

    /// With learned scales of the steps, entries `scales` of the hyperparameters: one for each layer, `of[j]` being the layer of coefficient j (from 0).
    ///
    /// # Errors
    /// [`Error::InvalidData`] if `of` has not one entry for each coefficient, or names a layer without a scale.
    pub fn with_layers(mut self, of: Vec<usize>, scales: Range<usize>) -> Result<Self> {
        if of.len() != self.coefficients || of.iter().any(|layer| *layer >= scales.len()) {
            return Err(Error::data(
                "layers of the coefficients",
                format!("{} entries, the largest {:?}", of.len(), of.iter().max()),
                format!("{} entries below {}", self.coefficients, scales.len()),
            ));
        }
        self.layers = Some(Layers { of, scales });
        Ok(self)
    }

    /// With a prox after every step: ISTA, and FISTA with Nesterov's momentum.
    #[must_use]
    pub fn with_prox(mut self, prox: &'a dyn Prox) -> Self {
        self.prox = Some(prox);
        self
    }

    fn rates(&self, k: usize, hyper: &[f64]) -> Rates {
        Rates {
            step: self.step.at(k, hyper),
            momentum: self.momentum.as_ref().map_or(0.0, |m| m.rate.at(k, hyper)),
            decay: self.weight_decay.as_ref().map_or(0.0, |d| d.at(k, hyper)),
        }
    }

    /// The same of the directions: how much each rate moves.
    fn rate_directions(&self, k: usize, direction: &[f64]) -> Rates {
        let along = |rate: &Rate| rate.place(k).map_or(0.0, |place| direction[place]);
        Rates {
            step: along(&self.step),
            momentum: self.momentum.as_ref().map_or(0.0, |m| along(&m.rate)),
            decay: self.weight_decay.as_ref().map_or(0.0, along),
        }
    }

    /// v ← D v, with D from these entries.
    fn scale(&self, hyper: &[f64], v: &mut [f64]) {
        if let Some(Layers { of, scales }) = &self.layers {
            v.iter_mut().zip(of).for_each(|(v, layer)| *v *= hyper[scales.start + layer]);
        }
    }

    fn is_nesterov(&self) -> bool {
        self.momentum.as_ref().is_some_and(|m| m.kind == MomentumKind::Nesterov)
    }

    /// Everything between the state and w.
    fn forward(&self, k: usize, state: &[f64], hyper: &[f64]) -> Result<Forward<'a>> {
        let p = self.coefficients;
        let (y, before) = state.split_at(p);
        let rates = self.rates(k, hyper);
        let mut difference = vec![0.0; p];
        difference.iter_mut().zip(y.iter().zip(before)).for_each(|(d, (a, b))| *d = a - b);
        let mut extrapolated = y.to_vec();
        axpy(rates.momentum, &difference, &mut extrapolated);
        let at = if self.is_nesterov() { extrapolated.clone() } else { y.to_vec() };
        let problem = self.batches.at(k);
        let mut gradient = vec![0.0; p];
        problem.gradient_into(&at, &hyper[..self.problem_hyperparameters], &mut gradient)?;
        axpy(rates.decay, &at, &mut gradient);
        let mut scaled = gradient.clone();
        self.scale(hyper, &mut scaled);
        let mut w = extrapolated;
        axpy(-rates.step, &scaled, &mut w);
        Ok(Forward { problem, rates, difference, at, gradient, scaled, w })
    }

    /// H v + ω v.
    fn curvature(&self, forward: &Forward<'a>, hyper: &[f64], v: &[f64]) -> Result<Vec<f64>> {
        let mut out = vec![0.0; v.len()];
        let lambda = &hyper[..self.problem_hyperparameters];
        forward.problem.hessian_product_into(&forward.at, lambda, v, &mut out)?;
        axpy(forward.rates.decay, v, &mut out);
        Ok(out)
    }
}

#[derive(Debug, Clone, Copy)]
struct Rates {
    step: f64,
    momentum: f64,
    decay: f64,
}

struct Forward<'a> {
    problem: &'a dyn SmoothProblem,
    rates: Rates,
    /// y − y⁻.
    difference: Vec<f64>,
    /// x.
    at: Vec<f64>,
    /// ∇_yF + ωx.
    gradient: Vec<f64>,
    /// D(∇_yF + ωx).
    scaled: Vec<f64>,
    w: Vec<f64>,
}

impl IterationMap for Descent<'_> {
    fn n_coefficients(&self) -> usize {
        self.coefficients
    }

    fn state_length(&self) -> usize {
        if self.momentum.is_some() { 2 * self.coefficients } else { self.coefficients }
    }

    fn n_hyperparameters(&self) -> usize {
        let own = [Some(&self.step), self.momentum.as_ref().map(|m| &m.rate), self.weight_decay.as_ref()];
        let own = own.into_iter().flatten().map(Rate::end);
        let scales = self.layers.as_ref().map(|layers| layers.scales.end);
        own.chain(scales)
            .chain(self.prox.map(Prox::hyperparameters_end))
            .fold(self.problem_hyperparameters, usize::max)
    }

    fn step_into(&self, k: usize, state: &[f64], hyper: &[f64], out: &mut [f64]) -> Result<()> {
        let forward = self.forward(k, state, hyper)?;
        let (y, before) = out.split_at_mut(self.coefficients);
        match self.prox {
            Some(prox) => prox.prox_into((&forward.w, forward.rates.step, hyper), y),
            None => y.copy_from_slice(&forward.w),
        }
        before.copy_from_slice(&state[..before.len()]);
        Ok(())
    }

    fn tangent_into(
        &self,
        k: usize,
        (state, hyper): (&[f64], &[f64]),
        (ds, dhyper): (&[f64], &[f64]),
        out: &mut [f64],
    ) -> Result<()> {
        let p = self.coefficients;
        let forward = self.forward(k, state, hyper)?;
        let (rates, moved) = (forward.rates, self.rate_directions(k, dhyper));
        let (dy, dbefore) = ds.split_at(p);
        let mut dw = dy.to_vec();
        if !dbefore.is_empty() {
            axpy(rates.momentum, dy, &mut dw);
            axpy(-rates.momentum, dbefore, &mut dw);
            axpy(moved.momentum, &forward.difference, &mut dw);
        }
        let dx = if self.is_nesterov() { dw.clone() } else { dy.to_vec() };
        // The change of ∇_yF + ωx, then of D times that.
        let mut turn = self.curvature(&forward, hyper, &dx)?;
        axpy(moved.decay, &forward.at, &mut turn);
        let m = self.problem_hyperparameters;
        if dhyper[..m].iter().any(|d| *d != 0.0) {
            let mut mixed = vec![0.0; p];
            forward.problem.mixed_product_into(&forward.at, &hyper[..m], &dhyper[..m], &mut mixed)?;
            axpy(1.0, &mixed, &mut turn);
        }
        self.scale(hyper, &mut turn);
        if self.layers.is_some() {
            let mut rescaled = forward.gradient.clone();
            self.scale(dhyper, &mut rescaled);
            axpy(1.0, &rescaled, &mut turn);
        }
        axpy(-rates.step, &turn, &mut dw);
        axpy(-moved.step, &forward.scaled, &mut dw);
        let (y_out, before_out) = out.split_at_mut(p);
        match self.prox {
            Some(prox) => {
                prox.tangent_into((&forward.w, rates.step, hyper), (&dw, moved.step, dhyper), y_out)
            }
            None => y_out.copy_from_slice(&dw),
        }
        before_out.copy_from_slice(&dy[..before_out.len()]);
        Ok(())
    }

    fn adjoint_into(
        &self,
        k: usize,
        (state, hyper): (&[f64], &[f64]),
        v: &[f64],
        state_out: &mut [f64],
        hyper_out: &mut [f64],
    ) -> Result<()> {
        let p = self.coefficients;
        let forward = self.forward(k, state, hyper)?;
        let rates = forward.rates;
        let mut by_w = v[..p].to_vec();
        let mut by_step = 0.0;
        if let Some(prox) = self.prox {
            by_step = prox.adjoint_into((&forward.w, rates.step, hyper), &v[..p], &mut by_w, hyper_out);
        }
        by_step -= dot(&forward.scaled, &by_w);
        let mut pushed = by_w.clone();
        self.scale(hyper, &mut pushed);
        let mut by_extrapolated = by_w.clone();
        let by_x: Vec<f64> =
            self.curvature(&forward, hyper, &pushed)?.iter().map(|c| -rates.step * c).collect();
        if self.is_nesterov() {
            axpy(1.0, &by_x, &mut by_extrapolated);
        }
        let (y_out, before_out) = state_out.split_at_mut(p);
        y_out.copy_from_slice(&by_extrapolated);
        if !self.is_nesterov() {
            axpy(1.0, &by_x, y_out);
        }
        if !before_out.is_empty() {
            axpy(rates.momentum, &by_extrapolated, y_out);
            axpy(1.0, &v[p..], y_out);
            before_out.iter_mut().zip(&by_extrapolated).for_each(|(o, z)| *o = -rates.momentum * z);
        }
        let m = self.problem_hyperparameters;
        let mut mixed = vec![0.0; m];
        forward.problem.mixed_adjoint_into(&forward.at, &hyper[..m], &pushed, &mut mixed)?;
        axpy(-rates.step, &mixed, &mut hyper_out[..m]);
        if let Some(Layers { of, scales }) = &self.layers {
            for ((layer, g), a) in of.iter().zip(&forward.gradient).zip(&by_w) {
                hyper_out[scales.start + layer] -= rates.step * g * a;
            }
        }
        let mut add =
            |rate: &Rate, by: f64| rate.place(k).into_iter().for_each(|place| hyper_out[place] += by);
        add(&self.step, by_step);
        if let Some(momentum) = &self.momentum {
            add(&momentum.rate, dot(&by_extrapolated, &forward.difference));
        }
        if let Some(decay) = &self.weight_decay {
            add(decay, -rates.step * dot(&forward.at, &pushed));
        }
        Ok(())
    }
}
