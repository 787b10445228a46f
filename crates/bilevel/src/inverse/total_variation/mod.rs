//! Total variation denoising, exactly: isotropic, with one weight or a map of weights, on the penalty or on the data.
//!
//! ```text
//! min_u  Σ_i ½ w_i (u_i − f_i)² + Σ_i α_i |(Du)_i|
//! ```
//!
//! D takes forward differences to the right and down, with Neumann boundary (no difference across the edge). α and w are each fixed, or learned: one number,
//! patches, or a smooth map ([`WeightMap`]). [`TvSettings::smoothing`] rounds the kink of |·| off (Huber), and the image may be held nonnegative.
//!
//! | file | what |
//! |---|---|
//! | `field.rs` | the hot loops |
//! | `dual.rs` | accelerated projected gradient on the dual: a solution to moderate accuracy |
//! | `regions.rs`, `reduced.rs` | the manifold {Du = 0 on active pixels}: regions of one value, and the smooth problem on it |
//! | `interior.rs` | interior points, where the dual method does not find the manifold |
//! | `polish.rs` | Newton's method on the manifold, and the dual field that proves its result |
//! | `lower.rs` | the problem as a [`crate::lower::LowerLevel`]: solve, adjoint, Gauss–Newton model |
//! | `sure.rs` | the unbiased risk estimate of the denoised image |
//! | `deblur.rs`, `deblur_risk.rs` | images that are blurred, masked or projected; their weight without the truth |
//! | `spectral.rs`, `split.rs`, `second.rs` | the same where a transform diagonalizes the operator; a second-order part |
//! | `weights.rs`, `activity.rs` | maps of weights: from numbers to learn, and from the image |
//!
//! Sources: Rudin, Osher, Fatemi, "Nonlinear total variation based noise removal algorithms" (1992); De los Reyes, Villacís, "Bilevel imaging learning
//! problems as mathematical programs with complementarity constraints" (2023), for the learning problem.

mod activity;
mod deblur;
mod deblur_risk;
mod dual;
mod field;
mod interior;
mod lower;
mod model;
mod polish;
mod reduced;
mod regions;
mod second;
mod spectral;
mod split;
mod sure;
mod weights;

use std::sync::Mutex;

use crate::lower::{Hyperparameters, LowerLevel, Solution};
use crate::outer::Accuracy;
use crate::{Error, Result};

pub use activity::ActivityMap;
pub use deblur::{ConjugateGradients, Deblurred, NormalSolver, TvDeblurring, TvDeblurringSettings};
pub use deblur_risk::ChosenWeight;
pub use spectral::SpectralFilter;
pub use sure::TvSure;
pub use weights::WeightMap;

use dual::Dual;
use field::{Field, Problem};

/// Settings of [`TotalVariation`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TvSettings {
    /// ε ≥ 0: |g| becomes |g|²/(2ε) up to ε and |g| − ε/2 beyond (Huber). Default 0: exact.
    pub smoothing: f64,
    /// Whether the image may not be negative; default no.
    pub non_negative: bool,
    /// Largest number of steps of the dual method; default 20,000.
    pub max_steps: usize,
}

impl Default for TvSettings {
    fn default() -> Self {
        Self { smoothing: 0.0, non_negative: false, max_steps: 20_000 }
    }
}

/// A map of weights that is given, or is learned.
#[derive(Debug, Clone, PartialEq)]
enum Weighting {
    Fixed(Vec<f64>),
    Learned(WeightMap),
}

impl Weighting {
    fn n_blocks(&self) -> usize {
        match self {
            Self::Fixed(_) => 0,
            Self::Learned(map) => map.n_blocks(),
        }
    }

    fn at(&self, lambda: &[f64]) -> Vec<f64> {
        match self {
            Self::Fixed(weights) => weights.clone(),
            Self::Learned(map) => map.expand(lambda),
        }
    }
}

/// Total variation denoising of one image, all but the weights that are learned.
///
/// As a [`LowerLevel`], λ holds the numbers behind α, then those behind w, as far as they are learned; the image is both the coefficients and the predictor,
/// and [`Solution::correlations`] holds the dual field (its plane of horizontal, then that of vertical parts). Relative gaps are relative to the
/// objective itself.
///
/// # Example
/// A step of height 1 between two columns on either side loses α/2 on each: u = (α/2, α/2, 1 − α/2, 1 − α/2).
/// ```
/// use bilevel::inverse::TotalVariation;
///
/// let tv = TotalVariation::new((1, 4), &[0.0, 0.0, 1.0, 1.0])?;
/// let image = tv.denoise(&[0.2], 1e-10)?.coefficients;
/// assert!((image[0] - 0.1).abs() < 1e-12 && (image[3] - 0.9).abs() < 1e-12);
/// # Ok::<(), bilevel::Error>(())
/// ```
#[derive(Debug)]
pub struct TotalVariation {
    shape: (usize, usize),
    image: Vec<f64>,
    alpha: Weighting,
    data: Weighting,
    settings: TvSettings,
    /// The last dual field and its α, for a start that brings none.
    last: Mutex<Option<(Field, Vec<f64>)>>,
}

impl TotalVariation {
    /// The problem of an image f of `shape` (rows, columns), row by row, with one α to learn and w = 1.
    ///
    /// # Errors
    /// [`Error::InvalidData`] for an image of another size, without pixels, or with pixels that are not finite.
    pub fn new(shape: (usize, usize), image: &[f64]) -> Result<Self> {
        check_pixels("image", shape, image)?;
        if let Some(i) = image.iter().position(|f| !f.is_finite()) {
            let at = format!("image, row {}, column {}", i / shape.1, i % shape.1);
            return Err(Error::data(at, image[i].to_string(), "finite pixels"));
        }
        Ok(Self {
            shape,
            image: image.to_vec(),
            alpha: Weighting::Learned(WeightMap::scalar(shape)?),
            data: Weighting::Fixed(vec![1.0; image.len()]),
            settings: TvSettings::default(),
            last: Mutex::new(None),
        })
    }

    /// With other settings.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for a smoothing that is negative or not finite, or no steps.
    pub fn with_settings(mut self, settings: TvSettings) -> Result<Self> {
        if !(settings.smoothing >= 0.0 && settings.smoothing.is_finite()) {
            return Err(Error::setting("smoothing", settings.smoothing, "a finite number, at least 0"));
        }
        if settings.max_steps == 0 {
            return Err(Error::setting("max_steps", 0, "at least 1"));
        }
        self.settings = settings;
        Ok(self)
    }

    /// With α learned through a map.
    ///
    /// # Errors
    /// [`Error::InvalidData`] if the map belongs to an image of another size.
    pub fn with_alpha(mut self, map: WeightMap) -> Result<Self> {
        check_length("map of the weights alpha", map.n_pixels(), self.image.len())?;
        self.alpha = Weighting::Learned(map);
        Ok(self)
    }

    /// With a given α for each pixel, which is not learned.
    ///
    /// # Errors
    /// [`Error::InvalidData`] unless there is one positive number for each pixel.
    pub fn with_fixed_alpha(mut self, alpha: Vec<f64>) -> Result<Self> {
        check_weights("weights alpha", &alpha, self.image.len())?;
        self.alpha = Weighting::Fixed(alpha);
        Ok(self)
    }

    /// With the data weights w learned through a map.
    ///
    /// # Errors
    /// As [`TotalVariation::with_alpha`].
    pub fn with_data_weights(mut self, map: WeightMap) -> Result<Self> {
        check_length("map of the data weights", map.n_pixels(), self.image.len())?;
        self.data = Weighting::Learned(map);
        Ok(self)
    }

    /// With a given data weight for each pixel, which is not learned.
    ///
    /// # Errors
    /// As [`TotalVariation::with_fixed_alpha`].
    pub fn with_fixed_data_weights(mut self, weights: Vec<f64>) -> Result<Self> {
        check_weights("data weights", &weights, self.image.len())?;
        self.data = Weighting::Fixed(weights);
        Ok(self)
    }

    /// The same problem for another image of the same size.
    fn with_image(&self, image: Vec<f64>) -> Self {
        Self {
            shape: self.shape,
            image,
            alpha: self.alpha.clone(),
            data: self.data.clone(),
            settings: self.settings,
            last: Mutex::new(None),
        }
    }

    /// Rows and columns.
    pub fn shape(&self) -> (usize, usize) {
        self.shape
    }

    /// f.
    pub fn image(&self) -> &[f64] {
        &self.image
    }

    /// The restored image at given weights (α's numbers, then w's, as far as they are learned), to a relative duality gap.
    ///
    /// For a hypergradient use [`LowerLevel::solve`], which goes on to the exact manifold unless a gap above 1e-6 will do.
    ///
    /// # Errors
    /// [`Error::InvalidData`] for weights that are not positive and finite, or of the wrong number; [`Error::LowerLevel`] if the dual method runs out of steps
    /// far from the asked accuracy.
    pub fn denoise(&self, lambda: &[f64], relative_gap: f64) -> Result<Solution> {
        let problem = self.problem(&Hyperparameters { lambda: lambda.to_vec(), ridge: 0.0 })?;
        let dual = Dual::new(&problem, Field::zeros(problem.len()));
        let accuracy = Accuracy { relative_gap, ..Accuracy::TIGHT };
        lower::finish(&problem, dual, accuracy, self.settings.max_steps, lower::Polish::WhereSlow)
    }

    /// The numeric problem at hyperparameters.
    fn problem(&self, hyperparameters: &Hyperparameters) -> Result<Problem> {
        let lambda = &hyperparameters.lambda;
        check_weights("hyperparameters of total variation", lambda, self.n_weights())?;
        if hyperparameters.ridge != 0.0 {
            return Err(Error::setting(
                "ridge",
                hyperparameters.ridge,
                "0: total variation has no ridge part",
            ));
        }
        let (alpha, data) = lambda.split_at(self.alpha.n_blocks());
        let TvSettings { smoothing, non_negative, .. } = self.settings;
        let (alpha, data) = (self.alpha.at(alpha), self.data.at(data));
        Ok(Problem::new(self.shape, &self.image, data, alpha, smoothing, non_negative))
    }
}

fn check_length(what: &str, found: usize, expected: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::data(what, format!("length {found}"), format!("length {expected}")))
}

fn check_pixels(what: &str, shape: (usize, usize), image: &[f64]) -> Result<()> {
    if shape.0 > 0 && shape.1 > 0 && shape.0.checked_mul(shape.1) == Some(image.len()) {
        return Ok(());
    }
    let found = format!("{} pixels", image.len());
    Err(Error::data(what, found, format!("{}x{} pixels, at least one", shape.0, shape.1)))
}

fn check_weights(what: &str, weights: &[f64], expected: usize) -> Result<()> {
    check_length(what, weights.len(), expected)?;
    let Some(k) = weights.iter().position(|w| !(*w > 0.0 && w.is_finite())) else { return Ok(()) };
    Err(Error::data(format!("{what}, entry {k}"), weights[k].to_string(), "a positive, finite number"))
}
