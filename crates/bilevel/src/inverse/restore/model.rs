//! What was learned from examples, as a file keeps it.

use serde::{Deserialize, Serialize};

use super::settings::RestoreSettings;
use crate::operator::Boundary;

/// The version of the file's layout.
pub const SCHEMA: u32 = 1;

/// A weight that examples taught, with what it was taught for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LearnedModel {
    /// Version of the layout: [`SCHEMA`].
    pub schema: u32,
    /// Version of the library.
    pub version: String,
    /// The prior, as on the command line.
    pub prior: String,
    /// The blur, as on the command line.
    pub blur: String,
    /// What lies beyond the edge.
    pub boundary: Boundary,
    /// λ.
    pub lambda: f64,
    /// The mean squared error over the examples, which λ minimizes: optimistic for other images.
    pub mean_squared_error: f64,
    /// How many pairs taught it.
    pub n_pairs: usize,
    /// (λ, mean squared error) tried, λ increasing.
    pub curve: Vec<(f64, f64)>,
}

impl LearnedModel {
    pub(super) fn new(
        settings: &RestoreSettings,
        lambda: f64,
        mean_squared_error: f64,
        n_pairs: usize,
        curve: Vec<(f64, f64)>,
    ) -> Self {
        Self {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").into(),
            prior: settings.prior.name(),
            blur: settings.blur.name(),
            boundary: settings.boundary,
            lambda,
            mean_squared_error,
            n_pairs,
            curve,
        }
    }
}
