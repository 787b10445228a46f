//! The sections of the report, in the order of the page. Each takes the fit and returns its part of the page.

mod certificate;
mod coefficients;
mod headline;
mod predictions;
mod reproduce;
mod search;
mod stages;
mod trace;
mod weights;

pub(crate) use certificate::certificate;
pub(crate) use coefficients::coefficients;
pub(crate) use headline::headline;
pub(crate) use predictions::predictions;
pub(crate) use reproduce::reproduce;
pub(crate) use search::search;
pub(crate) use stages::stages;
pub(crate) use trace::trace;
pub(crate) use weights::weights;
