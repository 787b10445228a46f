//! Arguments of `bilevel restore`.

use std::path::PathBuf;

use bilevel::inverse::restore::{Criterion, Prior, WeightsPer};
use bilevel::operator::Boundary;
use clap::Args;

use super::{SayArgs, ThreadsArg, one_of, positive};

pub const EXAMPLES: &str = "\
Examples:
  bilevel restore noisy.png
      removes noise: its level is estimated, the weights minimize an unbiased estimate of the error
  bilevel restore moon.png --blur gaussian:2 --prior tv --sigma 3 --report moon.html
      sharpens an image with noise of standard deviation 3 (of 255), and shows how the weight was chosen
  bilevel restore scan.tif --blur psf.png --boundary periodic --prior tikhonov --criterion gcv --output scan.restored.tif
      a blur that was measured; the noise need not be known
  bilevel restore holes.png --mask seen.png --prior tv
      fills in the pixels that are black in the mask
  bilevel restore blurred.png --blur disk:3 --prior tv --train pairs --save-model disk.json
      learns the weight from pairs/clean/*.png and pairs/degraded/*.png
  bilevel restore next.png --model disk.json
      applies it
  bilevel restore moon.png --blur gaussian:2 --prior tikhonov --weights map:6x6 --sigma 3
      sharpens more where that helps: a smooth map of weights
";

#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// PNG, JPEG, TIFF or a NumPy array (.npy), grey or in colour. Opacity is kept as it is.
    #[arg(value_name = "IMAGE")]
    pub image: PathBuf,
    #[command(flatten)]
    pub degradation: DegradationArgs,
    #[command(flatten)]
    pub weights: WeightArgs,
    /// Write the restored image here (.png, .tif or .npy), with the depth of IMAGE [default: IMAGE with `.restored` before its suffix].
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// Write a report as one HTML page: before and after, the criterion's curve, what is left in the residual.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub report: Option<PathBuf>,
    #[command(flatten)]
    pub threads: ThreadsArg,
    #[command(flatten)]
    pub say: SayArgs,
}

/// What happened to the image.
#[derive(Debug, Args)]
#[command(next_help_heading = "What degraded the image")]
pub struct DegradationArgs {
    /// gaussian:S (standard deviation in pixels), motion:LENGTH:DEGREES, disk:RADIUS, an image file with the kernel, or none [default: none].
    #[arg(long, value_name = "BLUR")]
    pub blur: Option<String>,
    /// What lies beyond the edge: the image mirrored, repeated, or nothing [default: reflective].
    #[arg(long, value_name = "BOUNDARY", value_parser = one_of::<Boundary>(&["reflective", "periodic", "zero"]))]
    pub boundary: Option<Boundary>,
    /// An image of the same size that is black where nothing was seen.
    #[arg(long, value_name = "FILE")]
    pub mask: Option<PathBuf>,
    /// Standard deviation of the noise in the units of IMAGE's values (of 255 for 8-bit, of 65,535 for 16-bit, as they are for floating point), or auto
    /// for an estimate.
    #[arg(long, value_name = "VALUE", default_value = "auto", value_parser = sigma)]
    pub sigma: Sigma,
}

/// How the image is restored, and what judges it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Prior and weights")]
pub struct WeightArgs {
    /// tikhonov (small differences), wavelet or wavelet:NAME (haar, db2 to db20, sym2 to sym20, coif1 to coif5), or tv (total variation)
    /// [default: wavelet:haar without blur and mask, else tv].
    #[arg(long, value_name = "PRIOR", value_parser = prior)]
    pub prior: Option<Prior>,
    /// How many weights are chosen: scalar (one), level or subband (one for each of the wavelets'), coefficient (one for each, from its neighbourhood), or
    /// map or map:RxC (smooth over the image, with R x C nodes, 4x4 unless said); auto takes coefficient where there is noise alone, else scalar.
    #[arg(long, value_name = "WEIGHTS", default_value = "auto", value_parser = weights)]
    pub weights: Weights,
    /// What judges a weight: Stein's unbiased risk estimate, its generalization for the part of the image that a blur lets through, generalized
    /// cross-validation, evidence (tikhonov), the discrepancy principle, or clean images (with --train).
    #[arg(long, value_name = "CRITERION", value_parser = one_of::<Criterion>(&["sure", "gsure", "gcv", "evidence", "discrepancy", "supervised"]))]
    pub criterion: Option<Criterion>,
    /// A weight that is given, and not chosen.
    #[arg(long, value_name = "VALUE", value_parser = positive, group = "weight")]
    pub lambda: Option<f64>,
    /// Learn the weight, or with --weights level, subband or map the weights, from pairs of images with the same name in DIR/clean and DIR/degraded.
    #[arg(long, value_name = "DIR", group = "weight")]
    pub train: Option<PathBuf>,
    /// Write what --train learned into this file.
    #[arg(long, value_name = "FILE", requires = "train")]
    pub save_model: Option<PathBuf>,
    /// Apply what --save-model wrote: its weights, and its prior, blur and boundary.
    #[arg(long, value_name = "FILE", group = "weight", conflicts_with_all = ["prior", "weights", "criterion", "blur", "boundary"])]
    pub model: Option<PathBuf>,
    /// Seed of the probe that counts degrees of freedom.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

/// The noise level as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sigma {
    /// To be estimated.
    Auto,
    /// In the units of the image's values.
    Given(f64),
}

fn sigma(text: &str) -> Result<Sigma, String> {
    if text == "auto" {
        return Ok(Sigma::Auto);
    }
    positive(text).map(Sigma::Given).map_err(|_| "expected a finite number above 0, or auto".to_string())
}

/// The prior of a name.
pub fn prior(text: &str) -> Result<Prior, String> {
    let wavelet = |name: &str| name.parse().map(Prior::Wavelet).map_err(|e: bilevel::Error| e.to_string());
    match text {
        "tikhonov" => Ok(Prior::Tikhonov),
        "tv" => Ok(Prior::TotalVariation),
        "wavelet" => wavelet("haar"),
        _ => match text.strip_prefix("wavelet:") {
            Some(name) => wavelet(name),
            None => Err("expected tikhonov, wavelet:NAME or tv".into()),
        },
    }
}

/// What has a weight of its own, and the nodes of a map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights {
    pub per: WeightsPer,
    /// Rows and columns, where they were given.
    pub nodes: Option<(usize, usize)>,
}

fn weights(text: &str) -> Result<Weights, String> {
    let per = match text.split_once(':').map_or(text, |(name, _)| name) {
        "auto" => WeightsPer::Auto,
        "scalar" => WeightsPer::Scalar,
        "level" => WeightsPer::Level,
        "subband" => WeightsPer::Subband,
        "coefficient" => WeightsPer::Coefficient,
        "map" => WeightsPer::Map,
        _ => return Err("expected auto, scalar, level, subband, coefficient, map or map:RxC".into()),
    };
    let Some((_, size)) = text.split_once(':') else { return Ok(Weights { per, nodes: None }) };
    let nodes =
        size.split_once('x').and_then(|(rows, columns)| Some((rows.parse().ok()?, columns.parse().ok()?)));
    match nodes {
        Some((rows @ 1..=1000, columns @ 1..=1000)) if per == WeightsPer::Map => {
            Ok(Weights { per, nodes: Some((rows, columns)) })
        }
        _ => Err("expected map:RxC with R rows and C columns of nodes, as in map:8x8".into()),
    }
}
