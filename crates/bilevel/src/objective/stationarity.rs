//! Whether Φ descends along a coordinate: exact one-sided derivatives of the average over splits.
//!
//! One-sided derivatives add up, so that of Φ along ±e_k is the mean of those of the splits, each from its own critical cone. "‖h‖ is small"
//! proves nothing at a kink, and "‖h‖ is large" as little; these do: if none of them is negative, no single parameter can be changed for the better.

use crate::Result;
use crate::criterion::Criterion;
use crate::hypergradient::{CriticalCone, Direction};
use crate::lower::{Hyperparameters, LowerLevel};
use crate::outer::{Bounds, Objective, Request};
use crate::parametrization::Parametrization;

use super::{SplitObjective, of_split, tight};

/// The one-sided derivatives of Φ along the coordinates, at one θ.
pub struct Slopes<'o> {
    /// For each active split: its number, and its cone.
    cones: Vec<(usize, CriticalCone, Vec<u32>)>,
    parametrizations: &'o [Box<dyn Parametrization>],
    hyperparameters: Vec<Hyperparameters>,
    theta: Vec<f64>,
    bounds: Bounds,
    /// Slopes of the penalty on θ itself; empty if there is none.
    pull: Vec<f64>,
}

/// The coordinate direction along which Φ falls fastest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Steepest {
    /// Which entry of θ moves.
    pub parameter: usize,
    /// +1 up, −1 down.
    pub sign: f64,
    /// Φ'(θ; ±e_k) there; 0 where no direction has a slope.
    pub slope: f64,
}

impl<M: LowerLevel + Send, C: Criterion + Send> SplitObjective<M, C> {
    /// Prepares the one-sided derivatives at θ.
    ///
    /// # Errors
    /// [`crate::Error::AdjointSolve`] where a lower-level solution is not unique, and failures of the lower level.
    pub fn slopes(&mut self, theta: &[f64]) -> Result<Slopes<'_>> {
        let bounds = Bounds::of(self)?;
        let hyperparameters = self.hyperparameters(theta);
        self.evaluate(
            theta,
            Request { gradient: false, ..tight(crate::hypergradient::Selection::default()) },
        )?;
        let mut cones = Vec::with_capacity(self.parts.len());
        for (k, part) in self.parts.iter().enumerate().filter(|(_, part)| part.active) {
            if let Some(solution) = &part.solution {
                let upper = part.upper();
                let cone = part.lower.critical_cone(of_split(&hyperparameters, k), solution, &upper)?;
                let touched = cone.touched();
                cones.push((k, cone, touched));
            }
        }
        let mut pull = Vec::new();
        if let Some(penalty) = &self.pull {
            pull.resize(theta.len(), 0.0);
            penalty.add_gradient(theta, &mut pull);
        }
        Ok(Slopes {
            cones,
            parametrizations: &self.parametrizations,
            hyperparameters,
            theta: theta.to_vec(),
            bounds,
            pull,
        })
    }
}

impl Slopes<'_> {
    /// Φ'(θ; sign·e_k).
    ///
    /// # Errors
    /// [`crate::Error::AdjointSolve`] where a solution is about to stop being unique.
    pub fn along(&self, k: usize, sign: f64) -> Result<f64> {
        let mut sum = 0.0;
        for (split, cone, touched) in &self.cones {
            let (parametrization, at) =
                (of_split(self.parametrizations, *split), of_split(&self.hyperparameters, *split));
            let (mut lambda, ridge) = parametrization.column(&self.theta, at, k, touched);
            lambda.iter_mut().for_each(|entry| entry.1 *= sign);
            sum += cone.slope(Direction { lambda: &lambda, ridge: sign * ridge })?.slope;
        }
        let pull = self.pull.get(k).map_or(0.0, |slope| sign * slope);
        Ok(sum / self.cones.len().max(1) as f64 + pull)
    }

    /// Parameters along which Φ has a slope at all, in one split or another, increasing.
    pub fn moving(&self) -> Vec<usize> {
        let of_cone = |(k, _, touched): &(usize, CriticalCone, Vec<u32>)| {
            of_split(self.parametrizations, *k).moving(touched)
        };
        let mut moving: Vec<usize> = self.cones.iter().flat_map(of_cone).collect();
        moving.extend((0..self.pull.len()).filter(|&k| self.pull[k] != 0.0));
        moving.sort_unstable();
        moving.dedup();
        moving
    }

    /// The steepest descent among ±e_k, without those that leave the box; a slope of 0 if there is none.
    ///
    /// # Errors
    /// As [`Slopes::along`].
    pub fn steepest(&self) -> Result<Steepest> {
        let mut steepest = Steepest { parameter: 0, sign: 1.0, slope: 0.0 };
        for parameter in self.moving() {
            for sign in [-1.0, 1.0] {
                if self.bounds.blocks(parameter, self.theta[parameter], sign) {
                    continue;
                }
                let slope = self.along(parameter, sign)?;
                if slope < steepest.slope {
                    steepest = Steepest { parameter, sign, slope };
                }
            }
        }
        Ok(steepest)
    }

    /// How many lower-level blocks are on a kink, over all splits.
    pub fn biactive(&self) -> usize {
        self.cones.iter().map(|(_, cone, _)| cone.biactive().len()).sum()
    }
}
