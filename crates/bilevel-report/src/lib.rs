//! The HTML report of a fit, a cleaning or a restored image: one self-contained file, for the command and for Python.
//!
//! It says what was learned in a sentence, shows how, and says in plain words what is proven. It loads nothing from anywhere (a content
//! security policy forbids it), reads on a phone, in the dark and on paper, and needs no script to be understood.
//!
//! ```
//! # fn show(fit: &bilevel::fit::Fit) -> std::io::Result<()> {
//! std::fs::write("report.html", bilevel_report::render(fit))
//! # }
//! ```

pub mod cleaning;
pub mod figure;
mod page;
mod plot;
pub mod restoration;
mod sections;
mod statistics;
mod text;
mod words;

pub use cleaning::{CleaningPage, render_cleaning};
pub use page::{render, render_with_call};
pub use restoration::{RestorationPage, render_restoration};
