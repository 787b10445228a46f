//! What was learned from examples, as a file keeps it.

use serde::{Deserialize, Serialize};

use super::settings::{RestoreSettings, WeightsPer};
use crate::criterion::ImageQuality;
use crate::operator::Boundary;

/// The version of the file's layout.
pub const SCHEMA: u32 = 2;

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
    /// The best single λ.
    pub lambda: f64,
    /// What has a weight of its own.
    pub weights_per: WeightsPer,
    /// The weights of levels (coarse to fine), subbands or nodes of a map, where there are several.
    pub weights: Vec<f64>,
    /// Rows and columns of nodes of a map.
    pub nodes: (usize, usize),
    /// The mean squared error over the examples, which the weights minimize: optimistic for other images.
    pub mean_squared_error: f64,
    /// How near the measured examples are to the truth (means over images; the range of the values is 1, or that of the clean images if they leave [0, 1]).
    pub before: ImageQuality,
    /// The same for the restored ones: optimistic too.
    pub after: ImageQuality,
    /// How many pairs taught it.
    pub n_pairs: usize,
    /// (λ, mean squared error) tried, λ increasing.
    pub curve: Vec<(f64, f64)>,
}

/// What was found.
pub(super) struct Learned {
    pub(super) lambda: f64,
    pub(super) weights: Vec<f64>,
    pub(super) mean_squared_error: f64,
    pub(super) before: ImageQuality,
    pub(super) after: ImageQuality,
    pub(super) n_pairs: usize,
}

impl LearnedModel {
    pub(super) fn new(settings: &RestoreSettings, learned: Learned, curve: Vec<(f64, f64)>) -> Self {
        Self {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").into(),
            prior: settings.prior.name(),
            blur: settings.blur.name(),
            boundary: settings.boundary,
            lambda: learned.lambda,
            weights_per: settings.weights,
            weights: learned.weights,
            nodes: settings.nodes,
            mean_squared_error: learned.mean_squared_error,
            before: learned.before,
            after: learned.after,
            n_pairs: learned.n_pairs,
            curve,
        }
    }

    /// Lets a restoration use what was learned.
    pub fn apply_to(&self, settings: &mut RestoreSettings) {
        (settings.weights, settings.nodes) = (self.weights_per, self.nodes);
        (settings.lambda, settings.given) = match self.weights_per {
            WeightsPer::Scalar => (Some(self.lambda), Vec::new()),
            _ => (None, self.weights.clone()),
        };
    }
}
