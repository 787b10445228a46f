//! `bilevel clean`: samples of which some are wrong in, a weight for each of them out.

use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::Context;
use bilevel::cleaning::{CleanInput, Cleaning, clean};
use bilevel::data::{Dataset, SplitRows, carve_fraction};
use bilevel::fit::Observer;
use bilevel::outer::{Step, StopReason};
use bilevel_report::{CleaningPage, render_cleaning};
use serde_json::json;

use super::fit::check_directory;
use super::restore::command_line;
use crate::args::CleanArgs;
use crate::load::Loaded;
use crate::output::{REPORT_FILE, write_text};
use crate::progress::Progress;
use crate::summary;
use crate::text::{counted, duration, number, print, rough};
use crate::{exit, interrupt, model_file};

/// The table of weights, one row of DATA a line.
const WEIGHTS_FILE: &str = "weights.csv";
/// The record, with the model.
const RECORD_FILE: &str = "cleaning.json";

pub fn run(args: CleanArgs) -> anyhow::Result<u8> {
    interrupt::listen()?;
    if let Some(directory) = &args.output {
        check_directory(directory)?;
    }
    let loaded = args.load_options().read_any_classes(args.loss)?;
    if !args.say.quiet {
        loaded.notes.iter().for_each(|note| eprintln!("{note}"));
    }
    let rows = rows(&loaded, args.holdout, args.seed)?;
    let settings = args.settings();
    let input = CleanInput {
        name: &loaded.name,
        data: &loaded.data,
        rows: &rows,
        test: loaded.test.as_ref(),
        settings: &settings,
    };
    let mut watch = Watch(Progress::new(args.say.quiet, settings.max_outer));
    let cleaned = clean(input, &mut watch);
    watch.0.finish();
    let cleaning = cleaned?;
    if let Some(directory) = &args.output {
        write_all(directory, &cleaning, &loaded.data, &rows, args.target.as_deref())?;
    }
    if args.say.json {
        print(&(serde_json::to_string(&for_programs(&cleaning))? + "\n"))?;
    } else if !args.say.quiet {
        print(&for_people(&cleaning, args.output.as_deref()))?;
    }
    let interrupted = cleaning.record.stop_reason == StopReason::Cancelled;
    Ok(if interrupted { exit::INTERRUPTED } else { 0 })
}

/// The rows of a validation file, or a random part, are right; all others are weighed.
fn rows(loaded: &Loaded, holdout: Option<f64>, seed: u64) -> bilevel::Result<SplitRows> {
    let n = loaded.data.n_samples();
    match holdout {
        None => {
            let first = n - loaded.n_validation;
            Ok(SplitRows { train: (0..first).collect(), validation: (first..n).collect() })
        }
        Some(fraction) => {
            let all: Vec<usize> = (0..n).collect();
            let (train, validation) = carve_fraction(&loaded.data.target, &all, fraction, seed, "holdout")?;
            Ok(SplitRows { train, validation })
        }
    }
}

struct Watch(Progress);

impl Observer for Watch {
    fn on_stage(&mut self, name: &str, n_parameters: usize) {
        self.0.stage(name, n_parameters);
    }

    fn on_step(&mut self, step: &Step) -> ControlFlow<()> {
        self.0.step(step);
        if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// The record last: while it is missing, the cleaning is not done.
fn write_all(
    directory: &Path,
    cleaning: &Cleaning,
    data: &Dataset,
    rows: &SplitRows,
    target: Option<&str>,
) -> anyhow::Result<()> {
    std::fs::create_dir_all(directory).with_context(|| format!("{}: cannot be made", directory.display()))?;
    let mut table = String::from("sample,weight,flagged\n");
    for ((row, weight), flag) in rows.train.iter().zip(&cleaning.sample_weight).zip(&cleaning.flagged) {
        writeln!(table, "{},{weight},{}", row + 1, u8::from(*flag))?;
    }
    write_text(&directory.join(WEIGHTS_FILE), &table)?;
    let page = CleaningPage { cleaning, data, rows: &rows.train, first_row: 1, command: command_line() };
    write_text(&directory.join(REPORT_FILE), &render_cleaning(&page))?;
    if let Some(model) = cleaning.model.linear() {
        let model = model_file::to_text(model, &cleaning.record, target)?;
        write_text(&directory.join(model_file::MODEL_FILE), &model)?;
    }
    let record = json!({ "model": cleaning.model, "record": cleaning.record });
    write_text(&directory.join(RECORD_FILE), &(serde_json::to_string(&record)? + "\n"))
}

fn for_programs(cleaning: &Cleaning) -> serde_json::Value {
    json!({ "n_flagged": cleaning.n_flagged(), "record": cleaning.record })
}

/// A few aligned lines: how many samples look wrong, what that changed, how it was found.
fn for_people(cleaning: &Cleaning, directory: Option<&Path>) -> String {
    let record = &cleaning.record;
    let share = 100.0 * cleaning.n_flagged() as f64 / record.n_training as f64;
    let mut lines = vec![
        (
            "look wrong",
            format!(
                "{} of {} ({share:.1} %): weight below {}, from 0.5",
                cleaning.n_flagged(),
                counted(record.n_training, "sample"),
                number(record.settings.threshold)
            ),
        ),
        (
            "clean rows",
            format!(
                "loss {} with equal weights, {} with the learned ones, on {}; optimized, so optimistic",
                number(record.criterion.0),
                number(record.criterion.1),
                counted(record.n_steering, "row")
            ),
        ),
    ];
    if let Some((first, last)) = record.watched {
        let watching = counted(record.n_watching, "row");
        lines.push(("watching", format!("{} before, {} after, on {watching}", number(first), number(last))));
    }
    if let Some(test) = &record.test {
        lines.push(("test", summary::score(test, cleaning.model.task())));
    }
    lines.push((
        "certificate",
        format!(
            "hypergradient norm {} ± {}, gap {}",
            rough(record.hypergradient.0),
            record.hypergradient.1.map_or("an unknown error".to_string(), rough),
            rough(record.relative_gap)
        ),
    ));
    let (steps, evaluations) = (counted(record.steps, "step"), counted(record.evaluations, "evaluation"));
    lines.push(("search", format!("{steps}, {evaluations}, {}", duration(record.seconds))));
    if let Some(directory) = directory {
        lines.push(("weights", directory.join(WEIGHTS_FILE).display().to_string()));
        lines.push(("report", directory.join(REPORT_FILE).display().to_string()));
    }
    let features = counted(record.n_features, "feature");
    let mut text = format!("{}: {}, {features}\n", record.data, counted(record.n_training, "sample"));
    for (name, line) in lines {
        text.push_str(&format!("  {name:<12} {line}\n"));
    }
    text
}
