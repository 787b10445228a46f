//! Targets: real values, two classes whose labels are mapped to −1 and +1, or more classes with numbers.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A target column as found in a file.
#[derive(Debug, Clone, PartialEq)]
pub enum RawTarget {
    /// All values are numbers.
    Numbers(Vec<f64>),
    /// At least one value is not a number.
    Text(Vec<String>),
}

impl RawTarget {
    /// Number of samples.
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(v) => v.len(),
            Self::Text(v) => v.len(),
        }
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn label(&self, i: usize) -> String {
        match self {
            Self::Numbers(v) => number_label(v[i]),
            Self::Text(v) => v[i].clone(),
        }
    }

    /// The distinct labels in increasing order (numeric where they are numbers), at most `limit` of them.
    fn distinct(&self, limit: usize) -> Vec<String> {
        match self {
            Self::Numbers(v) => {
                let mut seen: Vec<f64> = Vec::new();
                for &x in v {
                    if !seen.contains(&x) {
                        seen.push(x);
                        if seen.len() == limit {
                            break;
                        }
                    }
                }
                seen.sort_by(f64::total_cmp);
                seen.into_iter().map(number_label).collect()
            }
            Self::Text(v) => {
                let mut seen: Vec<String> = Vec::new();
                for x in v {
                    if !seen.contains(x) {
                        seen.push(x.clone());
                        if seen.len() == limit {
                            break;
                        }
                    }
                }
                seen.sort();
                seen
            }
        }
    }
}

/// A number as a label; −0 and 0 are one number and get one label.
fn number_label(number: f64) -> String {
    (number + 0.0).to_string()
}

/// What is predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Real values, squared loss.
    Regression,
    /// Classes, logistic loss.
    Classification,
}

/// The labels of two classes, as the user wrote them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Classes {
    /// The label that became −1.
    pub negative: String,
    /// The label that became +1.
    pub positive: String,
}

/// An interpreted target.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// Real values.
    Real(Vec<f64>),
    /// Two classes.
    Binary {
        /// −1 or +1 for each sample.
        signs: Vec<f64>,
        /// What they stand for.
        classes: Classes,
    },
    /// More than two classes: what [`crate::fit::fit_multinomial`] and [`crate::cleaning::clean`] take.
    Multiple {
        /// The class of each sample, a whole number from 0 to K − 1.
        numbers: Vec<f64>,
        /// The label of each class (length K).
        labels: Vec<String>,
    },
}

impl Target {
    /// Interprets a raw target for a task.
    ///
    /// `task` = `None` means: two distinct values, or text, are classes; anything else is regression. `positive` names the label that
    /// becomes +1, all others becoming −1 (one class against the rest); without it there must be exactly two labels and the larger
    /// one becomes +1.
    ///
    /// # Errors
    /// [`Error::InvalidData`] for text where numbers are needed, a number of classes other than two, or a `positive` label that does not occur.
    ///
    /// ```
    /// use bilevel::data::{RawTarget, Target};
    /// let raw = RawTarget::Text(vec!["ham".into(), "spam".into(), "ham".into()]);
    /// let target = Target::interpret(&raw, None, None)?;
    /// assert_eq!(target.values(), [-1.0, 1.0, -1.0]);
    /// # Ok::<(), bilevel::Error>(())
    /// ```
    pub fn interpret(raw: &RawTarget, task: Option<Task>, positive: Option<&str>) -> Result<Self> {
        let distinct = raw.distinct(3);
        let task = task.unwrap_or(match raw {
            RawTarget::Numbers(_) if distinct.len() > 2 && positive.is_none() => Task::Regression,
            _ => Task::Classification,
        });
        match (task, raw) {
            (Task::Regression, RawTarget::Numbers(values)) => Ok(Self::Real(values.clone())),
            (Task::Regression, RawTarget::Text(values)) => {
                let found = values.iter().find(|v| v.trim().parse::<f64>().is_err());
                Err(Error::data(
                    "target",
                    format!("text (`{}`)", found.map_or("", String::as_str)),
                    "numbers, for the squared loss",
                ))
            }
            (Task::Classification, _) => Self::classes(raw, &distinct, positive),
        }
    }

    fn classes(raw: &RawTarget, distinct: &[String], positive: Option<&str>) -> Result<Self> {
        let (positive, negative) = match positive {
            Some(label) => {
                let label = match label.trim().parse::<f64>() {
                    Ok(number) if matches!(raw, RawTarget::Numbers(_)) => number_label(number),
                    _ => label.to_string(),
                };
                let rest = match distinct {
                    [a, b] if *a == label => b.clone(),
                    [a, b] if *b == label => a.clone(),
                    _ => "rest".to_string(),
                };
                (label, rest)
            }
            None => match distinct {
                [a, b] => (b.clone(), a.clone()),
                [only] => {
                    return Err(Error::data("target", format!("one class only (`{only}`)"), "two classes"));
                }
                many => {
                    let some: Vec<_> = many.iter().map(|l| format!("`{l}`")).collect();
                    return Err(Error::data(
                        "target",
                        format!("more than two classes ({}, …)", some.join(", ")),
                        "two classes, or a positive label to be set against the rest",
                    ));
                }
            },
        };
        let signs: Vec<f64> =
            (0..raw.len()).map(|i| if raw.label(i) == positive { 1.0 } else { -1.0 }).collect();
        let target = Self::Binary { signs, classes: Classes { negative, positive } };
        target.check()?;
        Ok(target)
    }

    /// Interprets a raw target with classes that are already known (a test file, say).
    ///
    /// # Errors
    /// [`Error::InvalidData`] if a label is neither of the two (unless the negative one is `rest`), or text stands where numbers are needed.
    pub fn with_classes(raw: &RawTarget, classes: Option<&Classes>) -> Result<Self> {
        let Some(classes) = classes else {
            return Self::interpret(raw, Some(Task::Regression), None);
        };
        let mut signs = Vec::with_capacity(raw.len());
        for i in 0..raw.len() {
            let label = raw.label(i);
            signs.push(if label == classes.positive {
                1.0
            } else if label == classes.negative || classes.negative == "rest" {
                -1.0
            } else {
                return Err(Error::data(
                    format!("target of sample {}", i + 1),
                    format!("class `{label}`"),
                    format!("`{}` or `{}`", classes.negative, classes.positive),
                ));
            });
        }
        Ok(Self::Binary { signs, classes: classes.clone() })
    }

    /// Any number of classes, numbered in the order of their labels.
    ///
    /// # Errors
    /// [`Error::InvalidData`] for fewer than two labels or more than 1,000, and for numbers that are not whole.
    ///
    /// ```
    /// use bilevel::data::{RawTarget, Target};
    /// let raw = RawTarget::Text(["b", "c", "a", "b"].map(String::from).to_vec());
    /// assert_eq!(Target::numbered(&raw)?.values(), [1.0, 2.0, 0.0, 1.0]);
    /// # Ok::<(), bilevel::Error>(())
    /// ```
    pub fn numbered(raw: &RawTarget) -> Result<Self> {
        const MOST: usize = 1000;
        if let RawTarget::Numbers(values) = raw
            && let Some(value) = values.iter().find(|v| v.fract() != 0.0)
        {
            return Err(Error::data("classes", value.to_string(), "labels, or whole numbers"));
        }
        let labels = raw.distinct(MOST + 1);
        if !(2..=MOST).contains(&labels.len()) {
            let found = if labels.len() < 2 { "fewer than two".to_string() } else { format!("over {MOST}") };
            return Err(Error::data("classes", found, "two or more, and no more than a thousand"));
        }
        Self::with_labels(raw, &labels)
    }

    /// The same with labels that are already known (of a test file, say), of which not all need occur.
    ///
    /// # Errors
    /// [`Error::InvalidData`] for another label.
    pub fn with_labels(raw: &RawTarget, labels: &[String]) -> Result<Self> {
        let places: HashMap<&str, usize> = labels.iter().map(String::as_str).zip(0..).collect();
        let number = |i: usize| {
            let label = raw.label(i);
            places.get(label.as_str()).map(|k| *k as f64).ok_or_else(|| {
                let expected = format!("one of {} known classes", labels.len());
                Error::data(format!("target of sample {}", i + 1), format!("class `{label}`"), expected)
            })
        };
        let numbers = (0..raw.len()).map(number).collect::<Result<_>>()?;
        Ok(Self::Multiple { numbers, labels: labels.to_vec() })
    }

    /// The numbers that the loss sees: real values, ±1, or class numbers.
    pub fn values(&self) -> &[f64] {
        match self {
            Self::Real(values) => values,
            Self::Binary { signs, .. } => signs,
            Self::Multiple { numbers, .. } => numbers,
        }
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.values().len()
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Regression or classification.
    pub fn task(&self) -> Task {
        match self {
            Self::Real(_) => Task::Regression,
            Self::Binary { .. } | Self::Multiple { .. } => Task::Classification,
        }
    }

    /// How many classes there are; 0 for real values.
    pub fn n_labels(&self) -> usize {
        match self {
            Self::Real(_) => 0,
            Self::Binary { .. } => 2,
            Self::Multiple { labels, .. } => labels.len(),
        }
    }

    /// The labels, for two classes.
    pub fn class_labels(&self) -> Option<&Classes> {
        match self {
            Self::Real(_) | Self::Multiple { .. } => None,
            Self::Binary { classes, .. } => Some(classes),
        }
    }

    /// The targets of the given rows, in the given order. Rows out of range are skipped.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        let pick = |v: &[f64]| rows.iter().filter_map(|&i| v.get(i).copied()).collect();
        match self {
            Self::Real(values) => Self::Real(pick(values)),
            Self::Binary { signs, classes } => Self::Binary { signs: pick(signs), classes: classes.clone() },
            Self::Multiple { numbers, labels } => {
                Self::Multiple { numbers: pick(numbers), labels: labels.clone() }
            }
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        match self {
            Self::Real(values) => match values.iter().position(|v| !v.is_finite()) {
                Some(i) => Err(Error::data(
                    format!("target of sample {}", i + 1),
                    values[i].to_string(),
                    "a finite number",
                )),
                None => Ok(()),
            },
            Self::Binary { signs, classes } => {
                if let Some(i) = signs.iter().position(|s| s.abs() != 1.0) {
                    return Err(Error::data(
                        format!("target of sample {}", i + 1),
                        signs[i].to_string(),
                        "-1 or +1",
                    ));
                }
                for (sign, label) in [(1.0, &classes.positive), (-1.0, &classes.negative)] {
                    if !signs.contains(&sign) {
                        return Err(Error::data(
                            "target",
                            format!("no sample of class `{label}`"),
                            "at least one sample of each class",
                        ));
                    }
                }
                Ok(())
            }
            Self::Multiple { numbers, labels } => check_numbers(numbers, labels),
        }
    }
}

/// Whether there are at least two classes, and samples of all of them and of no others.
fn check_numbers(numbers: &[f64], labels: &[String]) -> Result<()> {
    if labels.len() < 2 {
        return Err(Error::data("classes", labels.len().to_string(), "at least 2"));
    }
    let mut occurs = vec![false; labels.len()];
    for (i, &number) in numbers.iter().enumerate() {
        match occurs.get_mut(number as usize).filter(|_| number >= 0.0 && number.fract() == 0.0) {
            Some(occurs) => *occurs = true,
            None => {
                let expected = format!("a class number below {}", labels.len());
                return Err(Error::data(format!("target of sample {}", i + 1), number.to_string(), expected));
            }
        }
    }
    match occurs.iter().zip(labels).find(|(occurs, _)| !**occurs) {
        Some((_, label)) => {
            let found = format!("no sample of class `{label}`");
            Err(Error::data("target", found, "at least one sample of each class"))
        }
        None => Ok(()),
    }
}
