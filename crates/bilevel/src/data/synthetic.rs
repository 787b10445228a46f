//! Synthetic data with known coefficients, for tests, benchmarks and published experiments.
//!
//! Each generator is a short formula and a seed (ChaCha8; the same seed gives the same data on every machine with the same version):
//!
//! - linear model: b = Aβ + ε, with ε Gaussian and rescaled so that ‖Aβ‖/‖ε‖ = `snr` exactly. A model that knows β has the normalized
//!   squared error ‖b − Aβ‖²/‖b‖² ≈ 1/(1 + snr²): 0.0099 at `snr` = 10;
//! - classes: b = sign(Aβ + ε), with ‖ε‖/‖Aβ‖ = `noise` exactly;
//! - four groups ([`degenerate_four_groups`]): features that help but hide behind correlated ones that do not, the case in which
//!   the choice at biactive coordinates decides whether the hidden features are ever found.

use rand::seq::{SliceRandom, index};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::design::{CscMatrix, DenseMatrix, Design, DesignMatrix};
use crate::{Error, Result};

use super::{Classes, Dataset, FeatureNames, Target};

/// Sizes of a synthetic data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// n ≥ 1.
    pub n_samples: usize,
    /// p ≥ 1.
    pub n_features: usize,
    /// How many features have a nonzero true coefficient: from 1 to p.
    pub n_informative: usize,
}

/// How the stored entries of a sparse design are spread over its columns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ColumnFrequencies {
    /// Every column has the same expected number of entries.
    Uniform,
    /// The r-th most frequent column has an entry in a row with probability min(1, c/r^s), like the words of a text (s ≈ 1); c is such
    /// that the density is as asked. Ranks are dealt to columns at random.
    Zipf {
        /// s > 0.
        exponent: f64,
    },
}

/// The stored entries of a sparse design.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sparsity {
    /// Expected fraction of stored entries, in (0, 1].
    pub density: f64,
    /// How they are spread over the columns.
    pub frequencies: ColumnFrequencies,
}

/// A data set with the coefficients that generated it.
#[derive(Debug, Clone, PartialEq)]
pub struct Synthetic {
    /// The data.
    pub data: Dataset,
    /// β, length p. There is no intercept.
    pub coefficients: Vec<f64>,
}

/// Linear regression: a dense design with entries N(0, 1), `n_informative` coefficients N(0, 1) at random places.
///
/// `snr` = ‖Aβ‖/‖ε‖ > 0; infinite for no noise.
///
/// # Errors
/// [`Error::InvalidSetting`] for sizes or a signal-to-noise ratio out of range.
///
/// ```
/// use bilevel::data::synthetic::{Shape, regression};
/// let shape = Shape { n_samples: 50, n_features: 20, n_informative: 3 };
/// let truth = regression(shape, 10.0, 0)?;
/// assert_eq!(truth.coefficients.iter().filter(|b| **b != 0.0).count(), 3);
/// # Ok::<(), bilevel::Error>(())
/// ```
pub fn regression(shape: Shape, snr: f64, seed: u64) -> Result<Synthetic> {
    linear_model(shape, dense_gaussian, |signal, rng| real_target(signal, snr, rng), seed)
}

/// Two classes: the sign of a noisy linear model with a design and coefficients as in [`regression`]; labels `-1` and `1`.
///
/// `noise` = ‖ε‖/‖Aβ‖ ≥ 0.
///
/// # Errors
/// [`Error::InvalidSetting`] for sizes or noise out of range; [`Error::InvalidData`] if all samples fall into one class.
pub fn classification(shape: Shape, noise: f64, seed: u64) -> Result<Synthetic> {
    linear_model(shape, dense_gaussian, |signal, rng| sign_target(signal, noise, rng), seed)
}

/// Linear regression on a sparse design: stored entries N(0, 1), `n_informative` coefficients N(0, 1).
///
/// Informative features are drawn with probability proportional to their number of stored entries, so that rare features do not carry
/// a truth that no sample shows.
///
/// # Errors
/// [`Error::InvalidSetting`] for sizes, density, exponent or signal-to-noise ratio out of range, or fewer nonempty columns than
/// informative features.
pub fn sparse_regression(shape: Shape, sparsity: Sparsity, snr: f64, seed: u64) -> Result<Synthetic> {
    let design = |shape, rng: &mut _| sparse_gaussian(shape, sparsity, rng);
    linear_model(shape, design, |signal, rng| real_target(signal, snr, rng), seed)
}

/// Two classes on a sparse design: the sign of the noisy linear model of [`sparse_regression`].
///
/// # Errors
/// As [`sparse_regression`]; [`Error::InvalidData`] if all samples fall into one class.
pub fn sparse_classification(shape: Shape, sparsity: Sparsity, noise: f64, seed: u64) -> Result<Synthetic> {
    let design = |shape, rng: &mut _| sparse_gaussian(shape, sparsity, rng);
    linear_model(shape, design, |signal, rng| sign_target(signal, noise, rng), seed)
}

/// Draws the design, then the coefficients, then the noise.
fn linear_model(
    shape: Shape,
    design: impl FnOnce(Shape, &mut ChaCha8Rng) -> Result<Design>,
    target: impl FnOnce(&[f64], &mut ChaCha8Rng) -> Result<Target>,
    seed: u64,
) -> Result<Synthetic> {
    check_shape(shape)?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let design = design(shape, &mut rng)?;
    let coefficients = informative_coefficients(&design, shape.n_informative, &mut rng)?;
    let target = target(&product(&design, &coefficients), &mut rng)?;
    let data = Dataset::new(design, target, FeatureNames::Counted { first: 1 })?;
    Ok(Synthetic { data, coefficients })
}

fn check_shape(shape: Shape) -> Result<()> {
    let Shape { n_samples, n_features, n_informative } = shape;
    if n_samples == 0 || n_features == 0 || n_samples >= u32::MAX as usize {
        let found = format!("{n_samples} samples and {n_features} features");
        return Err(Error::setting("shape", found, "at least one of each, and fewer than 2^32 - 1 samples"));
    }
    if n_informative == 0 || n_informative > n_features {
        return Err(Error::setting(
            "n_informative",
            n_informative,
            format!("a number from 1 to {n_features}"),
        ));
    }
    Ok(())
}

fn normals(count: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    (0..count).map(|_| rng.sample(StandardNormal)).collect()
}

fn dense_gaussian(shape: Shape, rng: &mut ChaCha8Rng) -> Result<Design> {
    let values = normals(shape.n_samples * shape.n_features, rng);
    Ok(Design::Dense(DenseMatrix::new(shape.n_samples, shape.n_features, values)?))
}

fn sparse_gaussian(shape: Shape, sparsity: Sparsity, rng: &mut ChaCha8Rng) -> Result<Design> {
    let n = shape.n_samples;
    let mut frequencies = column_frequencies(shape.n_features, sparsity)?;
    frequencies.shuffle(rng);
    let (mut starts, mut rows, mut values) = (vec![0], Vec::new(), Vec::new());
    for frequency in frequencies {
        // rounded at random, so that the expected count is n times the frequency
        let count = (n as f64 * frequency + rng.random::<f64>()).floor() as usize;
        let mut chosen = index::sample(rng, n, count.min(n)).into_vec();
        chosen.sort_unstable();
        values.extend((0..chosen.len()).map(|_| rng.sample::<f64, _>(StandardNormal)));
        rows.extend(chosen.into_iter().map(|i| i as u32));
        starts.push(values.len());
    }
    Ok(Design::Sparse(CscMatrix::new(n, starts, rows, values)?))
}

/// The probability of a stored entry in each column, most frequent first.
fn column_frequencies(p: usize, sparsity: Sparsity) -> Result<Vec<f64>> {
    let density = sparsity.density;
    if !(density > 0.0 && density <= 1.0) {
        return Err(Error::setting("density", density, "a number above 0 and at most 1"));
    }
    match sparsity.frequencies {
        ColumnFrequencies::Uniform => Ok(vec![density; p]),
        ColumnFrequencies::Zipf { exponent } if exponent > 0.0 && exponent.is_finite() => {
            let law = |c: f64| (1..=p).map(move |rank| (c * (rank as f64).powf(-exponent)).min(1.0));
            let wanted = density * p as f64;
            // Σ min(1, c/r^s) increases in c from 0 to p, which c = p^s reaches: bisection on log c
            let (mut low, mut high) = (0.0_f64, (p as f64).powf(exponent));
            for _ in 0..60 {
                let middle = 0.5 * (low + high);
                if law(middle).sum::<f64>() < wanted {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            Ok(law(high).collect())
        }
        ColumnFrequencies::Zipf { exponent } => {
            Err(Error::setting("exponent", exponent, "a finite number above 0"))
        }
    }
}

fn informative_coefficients(design: &Design, count: usize, rng: &mut ChaCha8Rng) -> Result<Vec<f64>> {
    let p = design.n_columns();
    let weight = |j: usize| design.column_stored(j) as f64;
    let nonempty = (0..p).filter(|&j| design.column_stored(j) > 0).count();
    if nonempty < count {
        return Err(Error::setting(
            "n_informative",
            count,
            format!("at most the {nonempty} nonempty columns of the design"),
        ));
    }
    let chosen = index::sample_weighted(rng, p, weight, count)
        .map_err(|e| Error::setting("n_informative", count, format!("features that can be drawn ({e})")))?;
    let mut coefficients = vec![0.0; p];
    chosen.into_iter().for_each(|j| coefficients[j] = rng.sample(StandardNormal));
    Ok(coefficients)
}

fn product(design: &Design, coefficients: &[f64]) -> Vec<f64> {
    let mut signal = vec![0.0; design.n_rows()];
    design.product_into(coefficients, &mut signal);
    signal
}

fn norm(v: &[f64]) -> f64 {
    v.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// signal + ε with ‖ε‖ = ratio·‖signal‖.
fn with_noise(signal: &[f64], ratio: f64, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let noise = normals(signal.len(), rng);
    let scale = ratio * norm(signal) / norm(&noise);
    signal.iter().zip(&noise).map(|(s, e)| s + scale * e).collect()
}

fn real_target(signal: &[f64], snr: f64, rng: &mut ChaCha8Rng) -> Result<Target> {
    if snr.is_nan() || snr <= 0.0 {
        return Err(Error::setting("snr", snr, "a number above 0, infinity for no noise"));
    }
    Ok(Target::Real(with_noise(signal, 1.0 / snr, rng)))
}

fn sign_target(signal: &[f64], noise: f64, rng: &mut ChaCha8Rng) -> Result<Target> {
    if !(noise >= 0.0 && noise.is_finite()) {
        return Err(Error::setting("noise", noise, "a finite number, at least 0"));
    }
    let signs = with_noise(signal, noise, rng).iter().map(|z| if *z > 0.0 { 1.0 } else { -1.0 }).collect();
    let classes = Classes { negative: "-1".to_string(), positive: "1".to_string() };
    Ok(Target::Binary { signs, classes })
}

/// What a feature of [`degenerate_four_groups`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FeatureRole {
    /// Independent, true coefficient ±1.
    Easy,
    /// True coefficient 0, but correlated with a hidden feature.
    Distractor,
    /// True coefficient ±1, correlated (ρ) with its distractor.
    Hidden,
    /// Independent, true coefficient 0.
    Noise,
}

/// The degenerate four-group data set.
#[derive(Debug, Clone, PartialEq)]
pub struct FourGroups {
    /// Data and true coefficients.
    pub truth: Synthetic,
    /// The role of each feature, length p: easy, distractor, hidden, noise in this order.
    pub roles: Vec<FeatureRole>,
    /// π: for the k-th hidden feature, the index (among all p) of the distractor that it is correlated with.
    pub distractor_of: Vec<usize>,
}

/// Four groups of features: easy, distractor and hidden of max(⌊0.04p⌋, 5) features each, noise for the rest.
///
/// Columns are i.i.d. N(0, 1), except hidden_k = ρ·distractor_π(k) + √(1−ρ²)·ξ_k with a random pairing π and ξ_k ~ N(0, I). The truth is ±1
/// (random signs) on easy and hidden features and 0 elsewhere; b = Aβ + ε with ε_i ~ N(0, 0.05²).
///
/// # Errors
/// [`Error::InvalidSetting`] if ρ is not in [0, 1), there are no samples, or p leaves no noise feature (p ≥ 16).
///
/// ```
/// use bilevel::data::synthetic::{FeatureRole, degenerate_four_groups};
/// let toy = degenerate_four_groups(100, 150, 0.9, 0)?;
/// assert_eq!(toy.roles.iter().filter(|r| **r == FeatureRole::Hidden).count(), 6);
/// # Ok::<(), bilevel::Error>(())
/// ```
pub fn degenerate_four_groups(
    n_samples: usize,
    n_features: usize,
    rho: f64,
    seed: u64,
) -> Result<FourGroups> {
    const NOISE_LEVEL: f64 = 0.05;
    let size = (n_features / 25).max(5);
    if n_samples == 0 || n_features <= 3 * size {
        let found = format!("{n_samples} samples and {n_features} features");
        return Err(Error::setting("shape", found, "at least 1 sample and 16 features"));
    }
    if !(0.0..1.0).contains(&rho) {
        return Err(Error::setting("rho", rho, "a correlation from 0 to below 1"));
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let roles: Vec<FeatureRole> = (0..n_features)
        .map(|j| match j / size {
            0 => FeatureRole::Easy,
            1 => FeatureRole::Distractor,
            2 => FeatureRole::Hidden,
            _ => FeatureRole::Noise,
        })
        .collect();
    let mut distractor_of: Vec<usize> = (size..2 * size).collect();
    distractor_of.shuffle(&mut rng);

    let mut values = normals(n_samples * n_features, &mut rng);
    for (k, &distractor) in distractor_of.iter().enumerate() {
        let (before, hidden) = values.split_at_mut((2 * size + k) * n_samples);
        let correlated = &before[distractor * n_samples..(distractor + 1) * n_samples];
        for (x, d) in hidden.iter_mut().zip(correlated) {
            *x = rho * d + (1.0 - rho * rho).sqrt() * *x;
        }
    }
    let design = Design::Dense(DenseMatrix::new(n_samples, n_features, values)?);
    let mut sign = |role: &FeatureRole| match role {
        FeatureRole::Easy | FeatureRole::Hidden if rng.random() => 1.0,
        FeatureRole::Easy | FeatureRole::Hidden => -1.0,
        FeatureRole::Distractor | FeatureRole::Noise => 0.0,
    };
    let coefficients: Vec<f64> = roles.iter().map(&mut sign).collect();
    let mut target = product(&design, &coefficients);
    target.iter_mut().for_each(|b| *b += NOISE_LEVEL * rng.sample::<f64, _>(StandardNormal));
    let data = Dataset::new(design, Target::Real(target), group_names(&roles, size))?;
    Ok(FourGroups { truth: Synthetic { data, coefficients }, roles, distractor_of })
}

fn group_names(roles: &[FeatureRole], size: usize) -> FeatureNames {
    let name = |(j, role): (usize, &FeatureRole)| match role {
        FeatureRole::Easy => format!("easy_{}", j + 1),
        FeatureRole::Distractor => format!("distractor_{}", j + 1 - size),
        FeatureRole::Hidden => format!("hidden_{}", j + 1 - 2 * size),
        FeatureRole::Noise => format!("noise_{}", j + 1 - 3 * size),
    };
    FeatureNames::Named(roles.iter().enumerate().map(name).collect())
}
