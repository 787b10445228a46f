//! Arguments of `bilevel invert`.

use std::path::PathBuf;

use clap::Args;

use super::{SayArgs, ThreadsArg, at_least_one, positive};

pub const EXAMPLES: &str = "\
Examples:
  bilevel invert --matrix A.npz --data b.npy --output x.npy
      solves min ‖Ax − b‖² + λ‖x‖² with λ from robust generalized cross-validation
  bilevel invert --matrix A.mtx --data b.npy --reg derivative:2 --rule l-curve
      penalizes the second derivative instead
  bilevel invert --matrix A.npy --data b.npy --rule discrepancy --sigma 0.01 --json
      leaves as much as the noise
  bilevel invert --sinogram tooth.npy --angles 0:180:181 --output tooth.png
      a slice from its parallel-beam projections, one row for each angle in degrees
";

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("operator").required(true))]
pub struct InvertArgs {
    /// A: NumPy (.npy, .npz with the member X), SciPy sparse (.npz) or Matrix Market (.mtx).
    #[arg(long, value_name = "FILE", group = "operator", requires = "data", help_heading = "Problem")]
    pub matrix: Option<PathBuf>,
    /// b: a NumPy vector with one number for each row of A.
    #[arg(long, value_name = "FILE", requires = "matrix", help_heading = "Problem")]
    pub data: Option<PathBuf>,
    /// L of the penalty λ‖Lx‖²: identity, derivative:1, derivative:2, or a file as for --matrix.
    #[arg(long, value_name = "L", default_value = "identity", help_heading = "Problem")]
    pub reg: String,
    /// Parallel-beam projections: a NumPy array, angles × detectors.
    #[arg(long, value_name = "FILE", group = "operator", requires = "angles", help_heading = "Problem")]
    pub sinogram: Option<PathBuf>,
    /// Their angles in degrees: a NumPy vector, or START:STOP:N for N equally spaced ones from START to STOP, both included.
    #[arg(
        long,
        value_name = "ANGLES",
        requires = "sinogram",
        allow_hyphen_values = true,
        help_heading = "Problem"
    )]
    pub angles: Option<String>,
    /// Rows and columns of the slice [default: the number of detectors].
    #[arg(long, value_name = "N", requires = "sinogram", value_parser = at_least_one, help_heading = "Problem")]
    pub size: Option<usize>,
    /// The rule: gcv, robust-gcv, strong-robust-gcv, modified-gcv, sure, gsure, evidence, discrepancy, l-curve, quasi-optimality, ncp; or consensus, the
    /// median of the robust ones. For sinograms and matrices beyond 2,000 rows and columns: gcv, discrepancy or l-curve
    /// [default: robust-gcv; gcv where that is not there].
    #[arg(long, value_name = "RULE", help_heading = "Choice of λ")]
    pub rule: Option<String>,
    /// Standard deviation of the noise in b, for the rules that need it.
    #[arg(long, value_name = "VALUE", value_parser = positive, help_heading = "Choice of λ")]
    pub sigma: Option<f64>,
    /// Write x here: a NumPy array, for slices also .png or .tif (scaled from its smallest to its largest value).
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub threads: ThreadsArg,
    #[command(flatten)]
    pub say: SayArgs,
}
