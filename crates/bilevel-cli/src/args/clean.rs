//! Options of `bilevel clean`.

use std::path::PathBuf;

use bilevel::cleaning::CleanSettings;
use bilevel::fit::LossKind;
use bilevel::parametrization::SampleWeights;
use clap::Args;

use super::{SayArgs, at_least_one, fraction, not_negative, one_of, part, positive};
use crate::load::{LoadOptions, Source};

pub const EXAMPLES: &str = "\
Examples:
  bilevel clean collected.svm --validation checked.svm --output cleaned
      weighs the samples of collected.svm by what they do to the loss on checked.svm; see cleaned/weights.csv
  bilevel clean collected.csv --target label --holdout 0.1 --json
      takes a random tenth of the samples for right; prints JSON
";

#[derive(Debug, Args)]
pub struct CleanArgs {
    /// Samples to be weighed: any format that `fit` reads.
    #[arg(value_name = "DATA", help_heading = "Arguments")]
    pub data: String,
    /// Target: the name of a column, its number (from 1; -1 is the last), or a file that holds it [default: as for `fit`].
    #[arg(long, value_name = "COL", help_heading = "Data")]
    pub target: Option<String>,
    /// The label that stands for +1, all others being -1 (one class against the rest).
    #[arg(long, value_name = "LABEL", allow_hyphen_values = true, help_heading = "Data")]
    pub positive: Option<String>,
    /// Samples whose targets are known to be right.
    #[arg(
        long,
        value_name = "FILE",
        group = "clean-rows",
        required_unless_present = "holdout",
        help_heading = "Data"
    )]
    pub validation: Option<PathBuf>,
    /// Take a random fraction of DATA for right, between 0 and 1.
    #[arg(long, value_name = "FRACTION", group = "clean-rows", value_parser = fraction, help_heading = "Data")]
    pub holdout: Option<f64>,
    /// Report the score of the model on the samples of this file, which nothing else sees.
    #[arg(long, value_name = "FILE", help_heading = "Data")]
    pub test: Option<PathBuf>,
    /// Loss; auto takes logistic where the target has two values or text of any number of classes, else squared. logistic takes numbers for classes.
    #[arg(long, value_name = "LOSS", default_value = "auto", help_heading = "Model and search",
          value_parser = one_of::<LossKind>(&["auto", "squared", "logistic"]))]
    pub loss: LossKind,
    /// How parameters become weights: through a sigmoid, or clipped to [0, 1].
    #[arg(long, value_name = "MAP", default_value = "sigmoid", help_heading = "Model and search",
          value_parser = one_of::<SampleWeights>(&["sigmoid", "clipped"]))]
    pub map: SampleWeights,
    /// Ridge parameter of the model, above 0 [default: a hundredth of the loss's largest curvature].
    #[arg(long, value_name = "VALUE", value_parser = positive, help_heading = "Model and search")]
    pub l2: Option<f64>,
    /// Pull weights that make little difference back to 1/2 with this strength, relative to the loss at the start; 0 or more.
    #[arg(long, value_name = "VALUE", default_value = "0.02", value_parser = not_negative, help_heading = "Model and search")]
    pub pull: f64,
    /// Fraction of the clean samples that only watch, and end the search where it would fit the others by heart; from 0 to below 1.
    #[arg(long, value_name = "FRACTION", default_value = "0.25", value_parser = part, help_heading = "Model and search")]
    pub watching: f64,
    /// The watching samples' loss at the answer may be this many standard errors above the lowest.
    #[arg(long, value_name = "NUMBER", default_value = "1", value_parser = not_negative, help_heading = "Model and search")]
    pub slack: f64,
    /// A sample looks wrong if its weight ends below this; all start from 0.5.
    #[arg(long, value_name = "WEIGHT", default_value = "0.25", value_parser = part, help_heading = "Model and search")]
    pub threshold: f64,
    /// Fit no intercept.
    #[arg(long, help_heading = "Model and search")]
    pub no_intercept: bool,
    /// Seed of every random choice, a whole number.
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Model and search")]
    pub seed: u64,
    /// Largest number of outer steps.
    #[arg(long, value_name = "N", default_value = "60", value_parser = at_least_one, help_heading = "Model and search")]
    pub max_outer: usize,
    /// Seconds after which the search ends with the best answer so far [default: none].
    #[arg(long, value_name = "SECONDS", value_parser = positive, help_heading = "Model and search")]
    pub time_limit: Option<f64>,
    /// Write report.html, weights.csv, cleaning.json and, for a value or two classes, model.json, for `predict` and `evaluate`, into this directory
    /// (made if missing). Without it nothing is written.
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub say: SayArgs,
}

impl CleanArgs {
    /// What is to be read.
    pub fn load_options(&self) -> LoadOptions {
        LoadOptions {
            data: Source::named(&self.data),
            target: self.target.clone(),
            positive: self.positive.clone(),
            groups: None,
            validation: self.validation.clone(),
            test: self.test.clone(),
        }
    }

    /// The settings of the library.
    pub fn settings(&self) -> CleanSettings {
        CleanSettings {
            loss: self.loss,
            map: self.map,
            ridge: self.l2,
            pull: self.pull,
            watching: self.watching,
            slack: self.slack,
            threshold: self.threshold,
            intercept: !self.no_intercept,
            max_outer: self.max_outer,
            seed: self.seed,
            time_limit: self.time_limit,
            ..CleanSettings::default()
        }
    }
}
