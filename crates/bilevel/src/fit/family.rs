//! What a fit needs to know about a kind of model: how its problems are made, how far λ is worth searching, how near to optimal a solution is.
//!
//! The climb, the certificate and the gradient check speak to [`Family`] only. A new lower level is one implementation of it, and one line in
//! [`with_family`].

mod multinomial;
mod ridge;
mod sparse;

use crate::criterion::Criterion;
use crate::data::{Split, Target};
use crate::loss::{Logistic, Loss, PseudoHuber, Squared};
use crate::lower::{Hyperparameters, LowerLevel, Solution};
use crate::penalty::{Blocks, GroupL1, L1};
use crate::{Error, Result};

use super::prepare::{self, Prepared};
use super::tall::{Place, Tall, TallDesigns};
use super::{FitInput, LossKind, PenaltyKind};
pub(super) use multinomial::Multinomial;
use ridge::Quadratic;
use sparse::Sparse;

/// Lower levels and criteria on the rows of one data set, all but their sample weights.
pub(super) trait Family<'a>: Sync {
    /// The lower level.
    type Lower: LowerLevel + Send;
    /// The criterion.
    type Criterion: Criterion + Send;

    /// Rows, columns and splits.
    fn prepared(&self) -> &'a Prepared<'a>;
    /// The blocks of coefficients that share a weight.
    fn blocks(&self) -> &Blocks;
    /// The size of a typical coefficient of each block, for adaptive weights.
    fn block_sizes(&self, solution: &Solution) -> Vec<f64>;
    /// The problem on rows of these weights.
    fn problem(&'a self, sample_weights: &'a [f64]) -> Result<Self::Lower>;
    /// The criterion of a split.
    fn criterion(&'a self, split: &'a Split) -> Self::Criterion;
    /// Both for a split, which is in the given place of those of the fit.
    fn part(&'a self, _place: Place, split: &'a Split) -> Result<(Self::Lower, Self::Criterion)> {
        Ok((self.problem(&split.train)?, self.criterion(split)))
    }
    /// The scale of λ, for weights that are multiples of `factors`: what [`super::WeightsRecord::lambda_max`] says; 0 if no λ makes a difference.
    fn lambda_scale(&self, problem: &Self::Lower, factors: &[f64]) -> f64;
    /// The smallest and the largest λ worth looking at, relative to that scale.
    fn relative_range(&self) -> (f64, f64);
    /// How far a solution is from optimality, relative to the scale of its conditions; 0 exactly at the minimizer.
    fn residual(&self, problem: &Self::Lower, at: &Hyperparameters, solution: &Solution) -> f64;
    /// λ in the units of the data, for a column that is multiplied by `factor` in the problem.
    fn weight_in_data_units(&self, lambda: f64, factor: f64) -> f64;
    /// Whether Φ has kinks.
    fn has_kinks(&self) -> bool;
}

/// Something to be done with the family that the settings ask for.
pub(super) trait WithFamily {
    type Output;
    /// `groups` numbers the groups of the blocks, where group weights can be learned.
    fn run<'a, F: Family<'a>>(self, family: &'a F, groups: Option<&[usize]>) -> Result<Self::Output>;
}

/// Chooses the family by loss and penalty, for one score a row.
pub(super) fn with_family<W: WithFamily>(
    input: &FitInput<'_>,
    prepared: &Prepared<'_>,
    work: W,
) -> Result<W::Output> {
    if let Target::Multiple { labels, .. } = &prepared.data.target {
        let found = format!("{} of them by number", labels.len());
        return Err(Error::data("classes", found, "two, or `fit_multinomial`"));
    }
    match (prepared.loss, prepared.delta) {
        (LossKind::Logistic, _) => with_loss(input, prepared, None, Logistic, work),
        (_, Some(delta)) => with_loss(input, prepared, None, PseudoHuber::new(delta)?, work),
        _ => {
            let tall = Tall::new(prepared, input.settings.intercept);
            let tall = tall.as_ref().map(|tall| tall.like(&prepared.design));
            with_loss(input, prepared, tall.as_ref(), Squared, work)
        }
    }
}

fn with_loss<L: Loss, W: WithFamily>(
    input: &FitInput<'_>,
    prepared: &Prepared<'_>,
    tall: Option<&TallDesigns<'_>>,
    loss: L,
    work: W,
) -> Result<W::Output> {
    let p = prepared.data.n_features();
    let intercept = input.settings.intercept;
    match (input.settings.penalty, prepare::blocks_of_groups(input.groups, p)?) {
        (PenaltyKind::GroupL1, Some(blocks)) => {
            work.run(&Sparse { prepared, tall, loss, penalty: &GroupL1::new(blocks), intercept }, None)
        }
        (PenaltyKind::Ridge, _) => {
            let l1 = Sparse { prepared, tall, loss, penalty: &L1::new(p), intercept };
            work.run(&Quadratic { l1 }, input.groups)
        }
        _ => work.run(&Sparse { prepared, tall, loss, penalty: &L1::new(p), intercept }, input.groups),
    }
}
