//! Arguments of `bilevel reproduce`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use bilevel_reproduce::EXPERIMENTS;
use clap::Args;
use clap::builder::PossibleValuesParser;

use super::ThreadsArg;

pub const EXAMPLES: &str = "\
Examples:
  bilevel reproduce starvation-toy
      three coefficients, of which one starves; everything in closed form
  bilevel reproduce degenerate --quick
      hidden features, in seconds instead of minutes
  bilevel reproduce real --data-dir libsvm --output tables
      real sets, from LIBSVM files in the directory libsvm
";

/// The tables, each with a line of what it shows.
pub fn tables() -> String {
    let width = EXPERIMENTS.iter().map(|e| e.name.len()).max().unwrap_or(0);
    let line = |e: &bilevel_reproduce::Experiment| format!("  {:<width$}  {}\n", e.name, e.about);
    format!("Tables:\n{}", EXPERIMENTS.iter().map(line).collect::<String>())
}

#[derive(Debug, Args)]
pub struct ReproduceArgs {
    /// Which published table.
    #[arg(value_name = "TABLE", hide_possible_values = true,
          value_parser = PossibleValuesParser::new(EXPERIMENTS.iter().map(|e| e.name)))]
    pub table: String,
    /// Fewer seeds and smaller data: a look in seconds, not to be compared with what was published.
    #[arg(long)]
    pub quick: bool,
    /// LIBSVM files for `real` (phishing.svm, mnist01.svm, rcv1sub.binary.svm, news20.svm; also .gz, .bz2, .xz or .zst) and for `anchor` (any);
    /// images for `denoising`, `deblurring` and `tv-learning` (PNG, JPEG, TIFF or NPY; for the last, pairs NAME_true and NAME_noisy).
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Write TABLE.md, TABLE.csv and the plots into this directory (made if missing).
    #[arg(long, value_name = "DIR", default_value = "bilevel-reproduce")]
    pub output: PathBuf,
    /// Mean over the seeds 0 to N − 1 [default: as many as were published].
    #[arg(long, value_name = "N", value_parser = seeds)]
    pub seeds: Option<NonZeroUsize>,
    #[command(flatten)]
    pub threads: ThreadsArg,
    /// No progress and no table: only errors.
    #[arg(long)]
    pub quiet: bool,
}

fn seeds(text: &str) -> Result<NonZeroUsize, String> {
    super::at_least_one(text)?.try_into().map_err(|_| "expected a whole number, 1 or more".to_string())
}
