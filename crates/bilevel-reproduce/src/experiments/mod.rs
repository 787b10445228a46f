//! The experiments: one file each, and one line in the list.

mod anchor;
mod classification;
mod criteria;
mod deblurring;
mod degenerate;
mod denoising;
mod linear_model;
mod optimizer;
mod real;
mod regression;
mod smoothing;
mod starvation_toy;
mod synthetic;
mod truncation;
mod tv_learning;

use std::time::Instant;

use bilevel::Result;

use crate::report::{Figure, Report};
use crate::run::{Request, Run, Watcher, threads};
use crate::table::Table;

/// All experiments. A new one is a file with a constant like these, and a line here.
pub const EXPERIMENTS: &[Experiment] = &[
    starvation_toy::EXPERIMENT,
    regression::EXPERIMENT,
    classification::EXPERIMENT,
    degenerate::EXPERIMENT,
    real::EXPERIMENT,
    anchor::EXPERIMENT,
    smoothing::EXPERIMENT,
    criteria::EXPERIMENT,
    truncation::EXPERIMENT,
    optimizer::EXPERIMENT,
    denoising::EXPERIMENT,
    tv_learning::EXPERIMENT,
    deblurring::EXPERIMENT,
];

/// The experiment of that name.
pub fn experiment(name: &str) -> Option<&'static Experiment> {
    EXPERIMENTS.iter().find(|experiment| experiment.name == name)
}

/// A published table that can be done again.
#[derive(Debug, Clone, Copy)]
pub struct Experiment {
    /// Its name; the files are called so.
    pub name: &'static str,
    /// What it shows, in a line.
    pub about: &'static str,
    /// Which data it is to be given.
    pub needs: DataNeed,
    /// Whether it is a mean over seeds, as many as asked for.
    pub repeats: bool,
    work: fn(&Run<'_>) -> Result<Outcome>,
}

/// Data that an experiment cannot generate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataNeed {
    /// None.
    Nothing,
    /// These sets, as many of them as there are.
    Sets(&'static [WantedSet]),
    /// Any sets in LIBSVM format; labels as in these, where the name is here.
    Any(&'static [WantedSet]),
    /// Images; where there are none, the quick version makes its own.
    Images,
}

/// A data set by the name of its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WantedSet {
    /// Name of the file without `.svm` and the ending of a compression.
    pub name: &'static str,
    /// The label that is set against all others, where there are more than two.
    pub positive: Option<&'static str>,
}

/// What an experiment knows of its report.
struct Outcome {
    title: String,
    caption: Vec<String>,
    table: Table,
    findings: Vec<String>,
    figures: Vec<Figure>,
    settings: Vec<(&'static str, String)>,
    seeds: Vec<u64>,
}

impl Experiment {
    /// Does it.
    ///
    /// # Errors
    /// [`bilevel::Error::Cancelled`] if the watcher asks to stop; failures of the solvers; data that cannot be used.
    pub fn run(&self, request: &Request<'_>, watcher: &dyn Watcher) -> Result<Report> {
        let started = Instant::now();
        let outcome = (self.work)(&Run { request, watcher })?;
        Ok(Report {
            name: self.name,
            title: outcome.title,
            caption: outcome.caption,
            table: outcome.table,
            findings: outcome.findings,
            figures: outcome.figures,
            settings: outcome.settings,
            seeds: outcome.seeds,
            quick: request.quick,
            version: env!("CARGO_PKG_VERSION"),
            threads: threads(request),
            seconds: started.elapsed().as_secs_f64(),
        })
    }
}
