//! From files, or an embedded data set, to what a fit starts from.
//!
//! The first file decides: its features and its classes are what the validation and test files are read with.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use bilevel::Error;
use bilevel::data::{Dataset, RawData, RawTarget, Target, Task};
use bilevel::fit::LossKind;
use bilevel_io::{ReadOptions, read_bytes, read_data, read_groups};
use serde::{Deserialize, Serialize};

/// Name, file name and content of the data sets inside the command (data/README.md says where they are from).
const EMBEDDED: [(&str, &str, &[u8]); 2] = [
    ("diabetes", "diabetes.csv", include_bytes!("../../../data/diabetes.csv")),
    ("phishing", "phishing.svm.xz", include_bytes!("../../../data/phishing.svm.xz")),
];

/// Where samples come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A data set inside the command.
    Embedded(String),
    /// A file.
    File(PathBuf),
}

impl Source {
    /// The file of that name; where there is none, the embedded data set of that name.
    pub fn named(name: &str) -> Self {
        let embedded = EMBEDDED.iter().any(|(known, ..)| *known == name);
        if embedded && !Path::new(name).exists() {
            Self::Embedded(name.to_string())
        } else {
            Self::File(PathBuf::from(name))
        }
    }

    /// A name for people.
    fn name(&self) -> String {
        match self {
            Self::Embedded(name) => name.clone(),
            Self::File(path) => path
                .file_name()
                .map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned()),
        }
    }

    fn read(&self, options: &ReadOptions) -> anyhow::Result<RawData> {
        match self {
            Self::File(path) => Ok(read_data(path, options)?),
            Self::Embedded(name) => match EMBEDDED.iter().find(|(known, ..)| known == name) {
                Some((_, file, content)) => Ok(read_bytes(file, content, options)?),
                None => {
                    Err(anyhow::anyhow!("found no embedded data set `{name}`; expected diabetes or phishing"))
                }
            },
        }
    }
}

/// What is to be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadOptions {
    pub data: Source,
    pub target: Option<String>,
    pub positive: Option<String>,
    pub groups: Option<PathBuf>,
    pub validation: Option<PathBuf>,
    pub test: Option<PathBuf>,
}

/// What a fit starts from.
pub struct Loaded {
    /// A name for people.
    pub name: String,
    /// Training rows, and below them the validation rows.
    pub data: Dataset,
    /// How many validation rows there are.
    pub n_validation: usize,
    pub test: Option<Dataset>,
    pub groups: Option<Vec<usize>>,
    /// Seconds it took.
    pub seconds: f64,
    /// What the user should know: how labels were mapped.
    pub notes: Vec<String>,
}

impl LoadOptions {
    /// The same files by absolute paths, so that a resumed run finds them from any directory.
    ///
    /// # Errors
    /// The current directory is not known.
    pub fn absolute(&self) -> std::io::Result<Self> {
        let absolute = |path: &Option<PathBuf>| path.as_ref().map(std::path::absolute).transpose();
        Ok(Self {
            data: match &self.data {
                Source::File(path) => Source::File(std::path::absolute(path)?),
                embedded @ Source::Embedded(_) => embedded.clone(),
            },
            target: match &self.target {
                // a column may be called as a file is; a file of targets has a suffix
                Some(target) if Path::new(target).extension().is_some() && Path::new(target).is_file() => {
                    Some(std::path::absolute(target)?.to_string_lossy().into_owned())
                }
                target => target.clone(),
            },
            groups: absolute(&self.groups)?,
            validation: absolute(&self.validation)?,
            test: absolute(&self.test)?,
            positive: self.positive.clone(),
        })
    }

    /// The target column that was asked for; a file of targets belongs to these samples alone and is none.
    pub fn target_column(&self) -> Option<&str> {
        self.target.as_deref().filter(|target| !Path::new(target).is_absolute())
    }

    /// Reads everything. `loss` says whether two numbers are classes or values.
    ///
    /// # Errors
    /// Files that cannot be read or do not fit together, targets that do not fit the loss.
    pub fn read(&self, loss: LossKind, single_precision: bool) -> anyhow::Result<Loaded> {
        self.read_as(single_precision, |raw| {
            interpret(raw, loss, self.positive.as_deref(), &self.data.name())
        })
    }

    /// The same, in double precision, with any number of classes.
    ///
    /// # Errors
    /// As [`LoadOptions::read`].
    pub fn read_any_classes(&self, loss: LossKind) -> anyhow::Result<Loaded> {
        self.read_as(false, |raw| {
            let target = wanted(raw, Path::new(&self.data.name()))?;
            let is_text = matches!(target, RawTarget::Text(_));
            let has_classes = loss == LossKind::Logistic || loss == LossKind::Auto && is_text;
            let is_several = || Target::numbered(target).is_ok_and(|t| t.n_labels() > 2);
            if has_classes && self.positive.is_none() && is_several() {
                return Target::numbered(target);
            }
            interpret(raw, loss, self.positive.as_deref(), &self.data.name())
        })
    }

    fn read_as(
        &self,
        single_precision: bool,
        interpret: impl FnOnce(&RawData) -> Result<Target, Error>,
    ) -> anyhow::Result<Loaded> {
        let begun = Instant::now();
        let options = ReadOptions {
            target: self.target.clone(),
            single_precision,
            require_target: true,
            ..ReadOptions::default()
        };
        let first = self.data.read(&options)?;
        let target = interpret(&first).with_context(|| self.data.name())?;
        let notes =
            target.class_labels().map(|c| format!("classes: {} -> -1, {} -> +1", c.negative, c.positive));
        let training = Dataset::new(first.design, target, first.feature_names)?;

        let aligned = ReadOptions {
            n_features: Some(training.n_features()),
            feature_names: Some(training.feature_names.clone()),
            ..options
        };
        let more = |path: &Path| read_more(path, &aligned, &training);
        let validation = self.validation.as_deref().map(more).transpose()?;
        let test = self.test.as_deref().map(more).transpose()?;
        let groups = self
            .groups
            .as_deref()
            .map(|path| read_groups(path, &training.feature_names, training.n_features()))
            .transpose()?;
        let n_validation = validation.as_ref().map_or(0, Dataset::n_samples);
        let data = match validation {
            Some(below) => stack(training, below)?,
            None => training,
        };
        let seconds = begun.elapsed().as_secs_f64();
        Ok(Loaded {
            name: self.data.name(),
            data,
            n_validation,
            test,
            groups,
            seconds,
            notes: notes.into_iter().collect(),
        })
    }
}

impl Loaded {
    /// Fingerprints of all that was read: data, test set, groups.
    pub fn fingerprint(&self) -> String {
        let test = self.test.as_ref().map_or(0, Dataset::fingerprint);
        let groups = self.groups.as_deref().map_or(0, |groups| {
            groups
                .iter()
                .fold(1_u64, |hash, &g| hash.rotate_left(5).wrapping_mul(0x0100_0000_01b3) ^ g as u64)
        });
        format!("{:016x}-{test:016x}-{groups:016x}", self.data.fingerprint())
    }
}

/// A further file, with the features and classes of the first.
fn read_more(path: &Path, aligned: &ReadOptions, first: &Dataset) -> anyhow::Result<Dataset> {
    let raw = read_data(path, aligned)?;
    let wanted = wanted(&raw, path)?;
    let target = match &first.target {
        Target::Multiple { labels, .. } => Target::with_labels(wanted, labels),
        known => Target::with_classes(wanted, known.class_labels()),
    };
    let target = target.with_context(|| path.display().to_string())?;
    Ok(Dataset { design: raw.design, target, feature_names: raw.feature_names })
}

/// The target column; a file without one cannot be learned from or scored.
pub fn wanted<'a>(raw: &'a RawData, path: &Path) -> Result<&'a RawTarget, Error> {
    raw.target.as_ref().ok_or_else(|| Error::data(path.display().to_string(), "no target column", "a target"))
}

fn interpret(raw: &RawData, loss: LossKind, positive: Option<&str>, name: &str) -> Result<Target, Error> {
    let task = match loss {
        LossKind::Auto => None,
        LossKind::Squared | LossKind::PseudoHuber => Some(Task::Regression),
        LossKind::Logistic => Some(Task::Classification),
    };
    Target::interpret(wanted(raw, Path::new(name))?, task, positive)
}

fn stack(above: Dataset, below: Dataset) -> Result<Dataset, Error> {
    let target = match (above.target, below.target) {
        (Target::Multiple { mut numbers, labels }, more) => {
            numbers.extend_from_slice(more.values());
            Target::Multiple { numbers, labels }
        }
        (Target::Binary { mut signs, classes }, more) => {
            signs.extend_from_slice(more.values());
            Target::Binary { signs, classes }
        }
        (Target::Real(mut values), more) => {
            values.extend_from_slice(more.values());
            Target::Real(values)
        }
    };
    Dataset::new(above.design.stack(below.design)?, target, above.feature_names)
}
