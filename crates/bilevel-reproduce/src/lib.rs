//! Published experiments on bilevel regularization, done again: data, methods, tables, plots.
//!
//! An [`Experiment`] is one published table. It generates its data (or is given them), runs all methods, and returns a [`Report`]: a table with the published
//! values beside those found here, figures, and how every number was made. Nothing here prints, reads a file or writes one.
//!
//! A new experiment is one file in `experiments/` and one line in its list.
//!
//! ```
//! use bilevel_reproduce::{Request, Unwatched, experiment};
//!
//! let toy = experiment("starvation-toy").ok_or("no such experiment")?;
//! let report = toy.run(&Request { quick: true, ..Request::default() }, &Unwatched)?;
//! assert!(report.to_markdown().starts_with("# "));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod experiments;
mod hold_out;
mod images;
mod methods;
mod report;
mod run;
mod scores;
mod sets;
mod table;

pub use experiments::{DataNeed, EXPERIMENTS, Experiment, WantedSet, experiment};
pub use report::{Figure, Report};
pub use run::{NamedData, NamedImage, Request, Unwatched, Watcher};
pub use table::{Cell, Table};
