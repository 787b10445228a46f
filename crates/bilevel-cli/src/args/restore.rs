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
    /// How many weights are chosen: one, one for each subband of the wavelets, one for each coefficient from its neighbourhood; auto takes the
    /// last where there is noise alone, else one.
    #[arg(long, value_name = "WEIGHTS", default_value = "auto", value_parser = weights)]
    pub weights: WeightsPer,
    /// What judges a weight: Stein's unbiased risk estimate, generalized cross-validation, evidence (tikhonov), the discrepancy principle, or clean
    /// images (with --train).
    #[arg(long, value_name = "CRITERION", value_parser = one_of::<Criterion>(&["sure", "gcv", "evidence", "discrepancy", "supervised"]))]
    pub criterion: Option<Criterion>,
    /// A weight that is given, and not chosen.
    #[arg(long, value_name = "VALUE", value_parser = positive, group = "weight")]
    pub lambda: Option<f64>,
    /// Learn the weight from pairs of images with the same name in DIR/clean and DIR/degraded.
    #[arg(long, value_name = "DIR", group = "weight")]
    pub train: Option<PathBuf>,
    /// Write what --train learned into this file.
    #[arg(long, value_name = "FILE", requires = "train")]
    pub save_model: Option<PathBuf>,
    /// Apply what --save-model wrote: its weight, and its prior, blur and boundary.
    #[arg(long, value_name = "FILE", group = "weight", conflicts_with_all = ["prior", "criterion", "blur", "boundary"])]
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

fn weights(text: &str) -> Result<WeightsPer, String> {
    match text {
        "auto" => Ok(WeightsPer::Auto),
        "scalar" => Ok(WeightsPer::Scalar),
        "subband" => Ok(WeightsPer::Subband),
        "coefficient" => Ok(WeightsPer::Coefficient),
        "level" | "map" => Err("levels and maps of weights are learned from a program (bilevel::inverse::wavelet::WaveletRestoration, bilevel::inverse::WeightMap); expected auto, scalar, subband or coefficient".into()),
        _ => Err("expected auto, scalar, subband or coefficient".into()),
    }
}
