//! The command line: what may be asked, in which words, with which defaults.
//!
//! Everything here is checked before any file is opened: a number out of range or two options that exclude each other end with one sentence.

mod clean;
mod invert;
mod reproduce;
mod restore;

use std::path::PathBuf;

use bilevel::data::SplitSettings;
use bilevel::fit::{FitSettings, LossKind, OuterKind, PenaltyKind, WeightsKind};
use bilevel::hypergradient::BiactivePolicy;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use serde::de::DeserializeOwned;

pub use clean::CleanArgs;
pub use invert::InvertArgs;
pub use reproduce::ReproduceArgs;
pub use restore::{RestoreArgs, Sigma, prior};

use crate::load::{LoadOptions, Source};

const TOP_EXAMPLES: &str = "\
Examples:
  bilevel demo                            learn from an embedded data set
  bilevel fit heart.svm --output heart    learn from your file; see heart/report.html
  bilevel predict heart new.svm           apply what was learned to new samples
  bilevel restore noisy.png               remove noise from an image; --blur, --mask for more
";

const FIT_EXAMPLES: &str = "\
Examples:
  bilevel fit
      learns from the embedded diabetes data, by 5-fold cross-validation
  bilevel fit heart.svm --test-fraction 0.2
      keeps a fifth of the samples aside and reports the error on them
  bilevel fit house.csv --target price --output house
      learns from a table; house/report.html shows what came out
  bilevel fit a9a --validation a9a.t --weights scalar --json
      learns one weight, judged by a file of its own; prints JSON
  bilevel fit --resume house
      continues after an interruption
";

const PREDICT_EXAMPLES: &str = "\
Examples:
  bilevel predict house new.csv
      prints one prediction a line, below a header
  bilevel predict house/model.json new.csv --output predicted.csv
      writes them to a file
";

const EVALUATE_EXAMPLES: &str = "\
Examples:
  bilevel evaluate house fresh.csv
      says how good the model is on samples it has never seen
  bilevel evaluate house fresh.csv --json
      says so as JSON
";

const GRADCHECK_EXAMPLES: &str = "\
Examples:
  bilevel gradcheck
      checks the hypergradient on the embedded diabetes data
  bilevel gradcheck heart.svm --penalty elastic-net --folds 3
      checks it for the elastic net on your file
";

const DEMO_EXAMPLES: &str = "\
Examples:
  bilevel demo
      a number to predict: the progress of diabetes within a year
  bilevel demo phishing
      two classes to tell apart: honest web sites and traps
";

/// Learn the regularization of a model from data, by calculus.
#[derive(Debug, Parser)]
#[command(name = "bilevel", version, before_help = TOP_EXAMPLES, max_term_width = 110)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Learn weights and coefficients from a data file.
    #[command(before_help = FIT_EXAMPLES, allow_negative_numbers = true)]
    Fit(Box<FitArgs>),
    /// Learn a weight for each training sample from a few clean ones: wrong labels lose theirs.
    #[command(before_help = clean::EXAMPLES, allow_negative_numbers = true)]
    Clean(Box<CleanArgs>),
    /// Apply a fitted model to new samples.
    #[command(before_help = PREDICT_EXAMPLES, allow_negative_numbers = true)]
    Predict(PredictArgs),
    /// Score a fitted model on samples with a known target.
    #[command(before_help = EVALUATE_EXAMPLES, allow_negative_numbers = true)]
    Evaluate(EvaluateArgs),
    /// Compare the hypergradient with central differences of the re-solved problem.
    #[command(before_help = GRADCHECK_EXAMPLES, allow_negative_numbers = true)]
    Gradcheck(Box<GradcheckArgs>),
    /// Fit an embedded data set, keep a quarter of it for the test, and write a report.
    #[command(before_help = DEMO_EXAMPLES, allow_negative_numbers = true)]
    Demo(DemoArgs),
    /// Do a published experiment again: its table beside the published one, as Markdown and CSV, with plots.
    #[command(before_help = reproduce::EXAMPLES, after_help = reproduce::tables())]
    Reproduce(ReproduceArgs),
    /// Restore an image: remove noise and blur, fill in what was not seen, with weights chosen by calculus.
    #[command(before_help = restore::EXAMPLES, allow_negative_numbers = true)]
    Restore(Box<RestoreArgs>),
    /// Solve a linear inverse problem given by files, with λ chosen by a rule.
    #[command(before_help = invert::EXAMPLES, allow_negative_numbers = true)]
    Invert(Box<InvertArgs>),
}

#[derive(Debug, Args)]
pub struct FitArgs {
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub test: TestArgs,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub say: SayArgs,
    /// Write model.json, coefficients.csv, trace.jsonl and report.html into this directory (made if missing), and a checkpoint while
    /// the fit runs. Without it nothing is written.
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// Continue the interrupted fit in this directory, with the data and settings it was started with.
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub resume: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct PredictArgs {
    /// A model.json, or the directory that `fit --output` wrote.
    pub model: PathBuf,
    /// Samples to predict: any format that `fit` reads. A target column may be there or not.
    pub data: PathBuf,
    /// Write the predictions to this CSV file instead of printing them.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Target of DATA, where it has one that must not be taken for a feature: a column by name or number (from 1; -1 is the last).
    #[arg(long, value_name = "COL")]
    pub target: Option<String>,
}

#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// A model.json, or the directory that `fit --output` wrote.
    pub model: PathBuf,
    /// Samples with their targets: any format that `fit` reads.
    pub data: PathBuf,
    /// Target of DATA: the name of a column, its number (from 1; -1 is the last), or a file [default: as in training].
    #[arg(long, value_name = "COL")]
    pub target: Option<String>,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct GradcheckArgs {
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub model: ModelArgs,
    /// Compare this many parameters: those with the largest entries of the hypergradient.
    #[arg(long, value_name = "N", default_value = "10", value_parser = at_least_one, help_heading = "Output")]
    pub parameters: usize,
    /// Print one JSON object instead of a table.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Which embedded data set.
    #[arg(value_name = "NAME", default_value = "diabetes", value_parser = ["diabetes", "phishing"])]
    pub name: String,
    /// Write the results into this directory.
    #[arg(long, value_name = "DIR", default_value = "bilevel-demo")]
    pub output: PathBuf,
    /// Seed of the random splits.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    #[command(flatten)]
    pub threads: ThreadsArg,
    #[command(flatten)]
    pub say: SayArgs,
}

/// How much is said, and in which form.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Output")]
pub struct SayArgs {
    /// Print the result as one JSON object on stdout, instead of a summary.
    #[arg(long)]
    pub json: bool,
    /// No progress, no notes and no summary: only errors (and the JSON object, if asked for).
    #[arg(long)]
    pub quiet: bool,
}

#[derive(Debug, Clone, Copy, Args)]
pub struct ThreadsArg {
    /// Threads [default: all cores]. The result does not depend on it.
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub threads: Option<usize>,
}

/// What is learned from, and what judges it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Data")]
pub struct DataArgs {
    /// LIBSVM, CSV, TSV, NumPy (.npy, .npz), SciPy sparse (.npz), Matrix Market or Parquet; text also .gz, .bz2, .xz or .zst. Or the
    /// name of an embedded set, `diabetes` or `phishing` [default: diabetes].
    #[arg(value_name = "DATA", help_heading = "Arguments")]
    pub data: Option<String>,
    /// Target: the name of a column, its number (from 1; -1 is the last), or a file that holds it [default: the label of LIBSVM files,
    /// the member y of .npz, in tables the column named target, label, y or class, else the last].
    #[arg(long, value_name = "COL")]
    pub target: Option<String>,
    /// The label that stands for +1, all others being -1 (one class against the rest).
    #[arg(long, value_name = "LABEL", allow_hyphen_values = true)]
    pub positive: Option<String>,
    /// The group of each feature: a text file with one name or number a line, in the order of the features, or a table feature,group.
    #[arg(long, value_name = "FILE")]
    pub groups: Option<PathBuf>,
    /// Judge by the samples of this file: train on DATA, validate on FILE.
    #[arg(long, value_name = "FILE", group = "criterion")]
    pub validation: Option<PathBuf>,
    /// Judge by a random fraction of the samples, between 0 and 1.
    #[arg(long, value_name = "FRACTION", group = "criterion", value_parser = fraction)]
    pub holdout: Option<f64>,
    /// Judge by cross-validation with K folds, 2 or more [default: 5].
    #[arg(long, value_name = "K", group = "criterion", value_parser = folds)]
    pub folds: Option<usize>,
}

/// Samples that the search never sees.
#[derive(Debug, Args)]
#[command(next_help_heading = "Data")]
pub struct TestArgs {
    /// Report the score on the samples of this file, which the search never sees.
    #[arg(long, value_name = "FILE", group = "test-rows")]
    pub test: Option<PathBuf>,
    /// Put a random fraction of the samples aside, between 0 and 1, and report the score on them [default: none].
    #[arg(long, value_name = "FRACTION", group = "test-rows", value_parser = fraction)]
    pub test_fraction: Option<f64>,
}

/// The model and how it is searched.
#[derive(Debug, Args)]
#[command(next_help_heading = "Model and search")]
pub struct ModelArgs {
    /// Loss: auto, squared, logistic or huber[:DELTA]; auto takes logistic where the target has two values, else squared. huber is the smooth
    /// (pseudo-)Huber loss, squared for residuals below DELTA and absolute above it [DELTA by default: 1.345 times the scale of the residuals].
    #[arg(long, value_name = "LOSS", default_value = "auto", value_parser = loss)]
    pub loss: LossChoice,
    /// Penalty: sum of |coefficient|, the same with a ridge part, sum of the Euclidean norms of groups, or half the sum of squares.
    #[arg(long, value_name = "PENALTY", default_value = "l1", value_parser = one_of::<PenaltyKind>(&["l1", "elastic-net", "group-l1", "ridge"]))]
    pub penalty: PenaltyKind,
    /// How many weights are learned; auto climbs from one to many and keeps what the criterion says is better.
    #[arg(long, value_name = "WEIGHTS", default_value = "auto",
          value_parser = one_of::<WeightsKind>(&["auto", "scalar", "adaptive", "group", "feature"]))]
    pub weights: WeightsKind,
    /// Ridge part of the elastic net, fixed, 0 or more [default: learned].
    #[arg(long, value_name = "VALUE", value_parser = not_negative)]
    pub l2: Option<f64>,
    /// Pull each feature's log-weight to the mean of its group (of all, without groups) with this strength, 0 or more, where every feature
    /// learns a weight of its own [default: under a ridge penalty chosen on rows that did not choose the weights, else 0].
    #[arg(long, value_name = "VALUE", value_parser = not_negative)]
    pub pull: Option<f64>,
    /// Outer method: global search over one weight, trust region, normalized subgradient, quasi-Newton, Gauss-Newton, or a grid.
    #[arg(long, value_name = "METHOD", default_value = "auto",
          value_parser = one_of::<OuterKind>(&["auto", "scalar", "ntrba", "nba", "lbfgs", "gauss-newton", "grid"]))]
    pub outer: OuterKind,
    /// Which coefficients on a kink enter the hypergradient.
    #[arg(long, value_name = "POLICY", default_value = "self-consistent",
          value_parser = one_of::<BiactivePolicy>(&["self-consistent", "descent-aligned", "null", "all"]))]
    pub policy: BiactivePolicy,
    /// A coefficient counts as being on a kink in a band of this relative width, from 0 to below 1.
    #[arg(long, value_name = "WIDTH", default_value = "1e-8", value_parser = part)]
    pub band: f64,
    /// Scale every feature to unit standard deviation; coefficients are reported in the units of the data.
    #[arg(long)]
    pub standardize: bool,
    /// Fit no intercept.
    #[arg(long)]
    pub no_intercept: bool,
    /// Store the data in single precision: half the memory, the same arithmetic.
    #[arg(long)]
    pub f32: bool,
    /// Seed of every random split, a whole number.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    #[command(flatten)]
    pub threads: ThreadsArg,
    /// Relative duality gap of the final fit, between 0 and 1.
    #[arg(long, value_name = "GAP", default_value = "1e-10", value_parser = fraction)]
    pub tol: f64,
    /// Largest number of outer steps in each stage of the search.
    #[arg(long, value_name = "N", default_value = "60", value_parser = at_least_one)]
    pub max_outer: usize,
    /// Prove that no λ in the searched range has a criterion lower by more than this part of it, where one λ is the answer; 0 for no proof [default:
    /// 1e-3 where that is cheap].
    #[arg(long, value_name = "EPS", value_parser = part)]
    pub certify: Option<f64>,
    /// Seconds after which the search ends with the best answer so far [default: none].
    #[arg(long, value_name = "SECONDS", value_parser = positive)]
    pub time_limit: Option<f64>,
}

/// A loss, with δ where it was given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LossChoice {
    pub kind: LossKind,
    pub delta: Option<f64>,
}

impl ThreadsArg {
    /// Sets the number of threads of this process.
    ///
    /// # Errors
    /// The system does not start so many.
    pub fn apply(self) -> anyhow::Result<()> {
        let Some(count) = self.threads else { return Ok(()) };
        rayon::ThreadPoolBuilder::new().num_threads(count).build_global().map_err(|e| {
            anyhow::anyhow!("--threads: found {count}, which cannot be started ({e}); expected fewer")
        })
    }
}

impl DataArgs {
    /// What is to be read, with `test` where the subcommand has one.
    pub fn load_options(&self, test: Option<PathBuf>) -> LoadOptions {
        LoadOptions {
            data: Source::named(self.data.as_deref().unwrap_or("diabetes")),
            target: self.target.clone(),
            positive: self.positive.clone(),
            groups: self.groups.clone(),
            validation: self.validation.clone(),
            test,
        }
    }

    /// The criterion's rows; the size of a validation file is not known before it is read.
    fn split(&self) -> SplitSettings {
        match (self.validation.is_some(), self.holdout, self.folds) {
            (true, ..) => SplitSettings::Validation(0),
            (_, Some(fraction), _) => SplitSettings::Holdout(fraction),
            (_, _, folds) => SplitSettings::Folds(folds.unwrap_or(5)),
        }
    }
}

impl ModelArgs {
    /// The settings of the library.
    ///
    /// # Errors
    /// Options that contradict each other or need another one.
    pub fn settings(&self, data: &DataArgs, test_fraction: Option<f64>) -> bilevel::Result<FitSettings> {
        let contradiction =
            |name, found: &str, expected: &str| Err(bilevel::Error::setting(name, found, expected));
        if self.l2.is_some() && self.penalty != PenaltyKind::ElasticNet {
            return contradiction("l2", "a ridge part without `--penalty elastic-net`", "both, or neither");
        }
        if self.penalty == PenaltyKind::GroupL1 && data.groups.is_none() {
            return contradiction("penalty", "group-l1 without `--groups`", "a file of groups");
        }
        if self.weights == WeightsKind::Group && data.groups.is_none() {
            return contradiction("weights", "group without `--groups`", "a file of groups");
        }
        if data.positive.is_some() && matches!(self.loss.kind, LossKind::Squared | LossKind::PseudoHuber) {
            return contradiction(
                "positive",
                "a class label with a loss for values",
                "`--loss logistic` or `auto`",
            );
        }
        Ok(FitSettings {
            loss: self.loss.kind,
            delta: self.loss.delta,
            penalty: self.penalty,
            weights: self.weights,
            outer: self.outer,
            grid: None,
            policy: self.policy,
            band: self.band,
            split: data.split(),
            test_fraction,
            l2: self.l2,
            pull: self.pull,
            standardize: self.standardize,
            intercept: !self.no_intercept,
            single_precision: self.f32,
            seed: self.seed,
            threads: self.threads.threads,
            tolerance: self.tol,
            max_outer: self.max_outer,
            certify: self.certify,
            time_limit: self.time_limit,
        })
    }
}

/// A closed set of words, each the library's own name of a variant.
fn one_of<T>(words: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: DeserializeOwned + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(words)
        .try_map(|word| serde_json::from_value::<T>(serde_json::Value::String(word)))
}

fn loss(text: &str) -> Result<LossChoice, String> {
    let (word, delta) = match text.split_once(':') {
        None => (text, None),
        Some((word, delta)) => (word, Some(positive(delta)?)),
    };
    let kind = match word {
        "auto" => LossKind::Auto,
        "squared" => LossKind::Squared,
        "logistic" => LossKind::Logistic,
        "huber" | "pseudo-huber" => LossKind::PseudoHuber,
        _ => return Err("expected auto, squared, logistic or huber[:DELTA]".to_string()),
    };
    match delta {
        Some(_) if kind != LossKind::PseudoHuber => Err(format!("expected {word}; only huber has a DELTA")),
        delta => Ok(LossChoice { kind, delta }),
    }
}

fn number(text: &str, expected: &str, accept: impl Fn(f64) -> bool) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(value) if accept(value) => Ok(value),
        _ => Err(format!("expected {expected}")),
    }
}

fn part(text: &str) -> Result<f64, String> {
    number(text, "a fraction from 0 to below 1", |v| (0.0..1.0).contains(&v))
}

fn fraction(text: &str) -> Result<f64, String> {
    number(text, "a number strictly between 0 and 1", |v| v > 0.0 && v < 1.0)
}

fn not_negative(text: &str) -> Result<f64, String> {
    number(text, "a finite number, 0 or more", |v| v >= 0.0 && v.is_finite())
}

fn positive(text: &str) -> Result<f64, String> {
    number(text, "a finite number above 0", |v| v > 0.0 && v.is_finite())
}

fn count(text: &str, least: usize) -> Result<usize, String> {
    let value = text.trim().parse::<usize>().ok().filter(|&v| v >= least);
    value.ok_or_else(|| format!("expected a whole number, {least} or more"))
}

fn at_least_one(text: &str) -> Result<usize, String> {
    count(text, 1)
}

fn folds(text: &str) -> Result<usize, String> {
    count(text, 2)
}
