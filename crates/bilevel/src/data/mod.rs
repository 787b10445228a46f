//! Data sets: a design matrix, its target, its names; and how rows are split.

mod split;
pub mod synthetic;
mod target;

use serde::{Deserialize, Serialize};

use crate::design::{Design, DesignMatrix};
use crate::{Error, Result};

pub use split::{Split, SplitRows, SplitSettings, carve_fraction, kfold};
pub use target::{Classes, RawTarget, Target, Task};

/// Names of the features: given by the file, or counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeatureNames {
    /// No names; feature j (from 0) is called by its number plus `first`, as the file counts.
    Counted {
        /// The number of the first feature (1 in LIBSVM files).
        first: usize,
    },
    /// One name for each feature.
    Named(Vec<String>),
}

impl FeatureNames {
    /// The name of feature j (counted from 0).
    pub fn name(&self, j: usize) -> String {
        match self {
            Self::Counted { first } => (j + first).to_string(),
            Self::Named(names) => names.get(j).cloned().unwrap_or_else(|| j.to_string()),
        }
    }
}

/// What a reader hands over: the matrix and the target as found in the file, not yet interpreted.
#[derive(Debug, Clone, PartialEq)]
pub struct RawData {
    /// The n×p design matrix.
    pub design: Design,
    /// The target column, length n, as numbers or text; `None` where the file has none (prediction).
    pub target: Option<RawTarget>,
    /// Names of the p features.
    pub feature_names: FeatureNames,
}

/// A design matrix with an interpreted target: what a model is fitted on.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// The n×p design matrix.
    pub design: Design,
    /// The target, length n.
    pub target: Target,
    /// Names of the p features.
    pub feature_names: FeatureNames,
}

impl Dataset {
    /// Checks the sizes against each other.
    ///
    /// # Errors
    /// [`Error::InvalidData`] for an empty matrix, a target or names of another length, a target that is not finite, or a single class.
    ///
    /// ```
    /// use bilevel::data::{Dataset, FeatureNames, Target};
    /// use bilevel::design::{DenseMatrix, Design};
    /// let design = Design::Dense(DenseMatrix::new(3, 1, vec![1.0, 2.0, 3.0])?);
    /// let data = Dataset::new(design, Target::Real(vec![1.1, 1.9, 3.2]), FeatureNames::Counted { first: 1 })?;
    /// assert_eq!(data.n_samples(), 3);
    /// # Ok::<(), bilevel::Error>(())
    /// ```
    pub fn new(design: Design, target: Target, feature_names: FeatureNames) -> Result<Self> {
        let (n, p) = (design.n_rows(), design.n_columns());
        if n == 0 || p == 0 {
            return Err(Error::data("data", format!("{n} samples and {p} features"), "at least one of each"));
        }
        if target.len() != n {
            return Err(Error::data(
                "target",
                format!("{} values", target.len()),
                format!("one for each of {n} samples"),
            ));
        }
        if let FeatureNames::Named(names) = &feature_names
            && names.len() != p
        {
            return Err(Error::data(
                "feature names",
                names.len().to_string(),
                format!("one for each of {p} features"),
            ));
        }
        target.check()?;
        Ok(Self { design, target, feature_names })
    }

    /// n.
    pub fn n_samples(&self) -> usize {
        self.design.n_rows()
    }

    /// p.
    pub fn n_features(&self) -> usize {
        self.design.n_columns()
    }

    /// A 64-bit fingerprint of matrix and target, for telling whether two results came from the same data.
    ///
    /// FNV-1a over the sizes, the stored entries in column order and the target values; not cryptographic.
    pub fn fingerprint(&self) -> u64 {
        let mut hash = Fnv::default();
        hash.add(self.n_samples() as u64);
        hash.add(self.n_features() as u64);
        for j in 0..self.n_features() {
            hash.add(self.design.column_stored(j) as u64);
            self.design.visit_column(j, |i, a| {
                hash.add(i as u64);
                hash.add(a.to_bits());
            });
        }
        self.target.values().iter().for_each(|b| hash.add(b.to_bits()));
        hash.0
    }
}

/// FNV-1a on 64-bit words.
pub(crate) struct Fnv(pub(crate) u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    pub(crate) fn add(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x0100_0000_01b3);
        self.0 ^= self.0 >> 29;
    }
}
