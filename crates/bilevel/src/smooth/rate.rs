//! Step sizes, momenta and weight decays: fixed, or hyperparameters themselves.

use std::ops::Range;

use crate::{Error, Result};

/// A number that a map uses in its step k = 0, 1, 2, ….
#[derive(Debug, Clone, PartialEq)]
pub enum Rate {
    /// The same in every step.
    Fixed(f64),
    /// One for each step; the last one holds from there on. Must not be empty.
    Schedule(Vec<f64>),
    /// Read from these entries of the hyperparameters: the first in step 0, the last one from there on. Must not be empty.
    Learned(Range<usize>),
}

impl Rate {
    /// The number of step k.
    pub(super) fn at(&self, k: usize, hyper: &[f64]) -> f64 {
        match self {
            Self::Fixed(value) => *value,
            Self::Schedule(values) => values.get(k).or(values.last()).copied().unwrap_or(0.0),
            Self::Learned(_) => self.place(k).map_or(0.0, |place| hyper[place]),
        }
    }

    /// Which hyperparameter step k reads, if any.
    pub(super) fn place(&self, k: usize) -> Option<usize> {
        match self {
            Self::Learned(range) => Some(range.start + k.min(range.len().saturating_sub(1))),
            _ => None,
        }
    }

    /// How many hyperparameters there must be.
    pub(super) fn end(&self) -> usize {
        match self {
            Self::Learned(range) => range.end,
            _ => 0,
        }
    }

    /// Refuses empty schedules and numbers that are not finite.
    pub(super) fn check(&self, name: &'static str) -> Result<()> {
        let found = match self {
            Self::Fixed(value) if !value.is_finite() => value.to_string(),
            Self::Schedule(values) if values.is_empty() => "an empty schedule".to_owned(),
            Self::Schedule(values) if values.iter().any(|v| !v.is_finite()) => format!("{values:?}"),
            Self::Learned(range) if range.is_empty() => format!("the empty range {range:?}"),
            _ => return Ok(()),
        };
        Err(Error::setting(
            name,
            found,
            "a finite number, a schedule of them, or places in the hyperparameters",
        ))
    }
}
