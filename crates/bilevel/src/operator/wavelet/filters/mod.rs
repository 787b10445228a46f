//! The published filter tables.

mod coiflets;
mod daubechies;
mod symlets;

use coiflets::COIFLETS;
use daubechies::DAUBECHIES;
use symlets::SYMLETS;

use super::Family;

/// The most entries that a filter of the tables has (db20, sym20).
pub(super) const LONGEST: usize = 40;

/// The orders of a family and its filters.
pub(super) fn table(family: Family) -> (std::ops::RangeInclusive<usize>, &'static [&'static [f64]]) {
    match family {
        Family::Daubechies => (1..=DAUBECHIES.len(), &DAUBECHIES),
        Family::Symlet => (2..=SYMLETS.len() + 1, &SYMLETS),
        Family::Coiflet => (1..=COIFLETS.len(), &COIFLETS),
    }
}
