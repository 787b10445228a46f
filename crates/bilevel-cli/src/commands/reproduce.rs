//! `bilevel reproduce`: a published table done again, as files and on the terminal.

mod progress;
mod sets;

use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::path::Path;

use anyhow::{Context, bail};
use bilevel::Error;
use bilevel_reproduce::{DataNeed, Experiment, Report, Request, experiment};

use super::fit::check_directory;
use crate::args::ReproduceArgs;
use crate::output::write_text;
use crate::{exit, interrupt, text};
use progress::Progress;

pub fn run(args: &ReproduceArgs) -> anyhow::Result<u8> {
    let Some(experiment) = experiment(&args.table) else {
        bail!("found no table `{}`; see --help for those there are", args.table);
    };
    check(args, experiment)?;
    check_directory(&args.output)?;
    interrupt::listen()?;
    let data = sets::read(experiment.needs, args.data_dir.as_deref(), args.quiet)?;
    let images = sets::images(experiment.needs, args.data_dir.as_deref())?;
    let request = Request {
        quick: args.quick,
        seeds: args.seeds,
        threads: args.threads.threads.and_then(NonZeroUsize::new),
        data: &data,
        images: &images,
    };
    let progress = Progress::new(args.quiet);
    let report = experiment.run(&request, &progress);
    progress.finish();
    let report = match report {
        Err(Error::Cancelled) => {
            eprintln!("interrupted; nothing was written");
            return Ok(exit::INTERRUPTED);
        }
        other => other?,
    };
    write(&args.output, &report)?;
    if !args.quiet {
        text::print(&said(&args.output, &report)?)?;
    }
    Ok(0)
}

/// Options that the table has no use for are refused: somebody expects something of them.
fn check(args: &ReproduceArgs, experiment: &Experiment) -> anyhow::Result<()> {
    let name = experiment.name;
    match (experiment.needs, &args.data_dir) {
        (DataNeed::Sets(wanted), None) => {
            let files: Vec<String> = wanted.iter().map(|set| format!("{}.svm", set.name)).collect();
            bail!("`{name}` needs --data-dir, a directory with some of {}", files.join(", "));
        }
        (DataNeed::Images, None) if !args.quick => {
            bail!("`{name}` needs --data-dir, a directory of images, or --quick, which makes its own");
        }
        (DataNeed::Nothing, Some(_)) => bail!("`{name}` generates its data: found --data-dir; expected none"),
        _ => {}
    }
    if args.seeds.is_some() && !experiment.repeats {
        bail!("`{name}` is no mean over seeds: found --seeds; expected none");
    }
    Ok(())
}

/// Figures and CSV first: where the page is, all it speaks of is there too.
fn write(directory: &Path, report: &Report) -> anyhow::Result<()> {
    std::fs::create_dir_all(directory).with_context(|| format!("{}: cannot be made", directory.display()))?;
    for figure in &report.figures {
        write_text(&directory.join(&figure.file), &figure.svg)?;
    }
    write_text(&directory.join(format!("{}.csv", report.name)), &report.to_csv())?;
    write_text(&directory.join(format!("{}.md", report.name)), &report.to_markdown())
}

fn said(directory: &Path, report: &Report) -> anyhow::Result<String> {
    let mut out = format!("{}\n", report.table.to_markdown());
    report.findings.iter().try_for_each(|finding| writeln!(out, "{finding}"))?;
    let name = report.name;
    let figures = text::counted(report.figures.len(), "plot");
    writeln!(out, "\n{name}.md, {name}.csv and {figures} are in {}", directory.display())?;
    Ok(out)
}
