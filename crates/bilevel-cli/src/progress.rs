//! Progress of a fit on stderr: a bar where a person watches a terminal, plain lines in a log.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use bilevel::outer::Step;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::text;

/// A log gets at most one line in this time, besides the first and last of each stage.
const LINE_INTERVAL: Duration = Duration::from_secs(1);

/// Where progress goes.
pub enum Progress {
    /// `--quiet`.
    Silent,
    /// A terminal.
    Bar(Bar),
    /// A file or a pipe.
    Lines(Lines),
}

impl Progress {
    /// A bar on a terminal, lines elsewhere, nothing if `quiet`. `max_steps` is the largest number of steps in a stage.
    pub fn new(quiet: bool, max_steps: usize) -> Self {
        if quiet {
            Self::Silent
        } else if std::io::stderr().is_terminal() {
            Self::Bar(Bar::new(max_steps as u64))
        } else {
            Self::Lines(Lines::default())
        }
    }

    /// A stage of the search begins.
    pub fn stage(&mut self, name: &str, n_parameters: usize) {
        match self {
            Self::Silent => {}
            Self::Bar(bar) => bar.stage(name, n_parameters),
            Self::Lines(lines) => lines.stage(name, n_parameters),
        }
    }

    /// An outer step is complete.
    pub fn step(&mut self, step: &Step) {
        match self {
            Self::Silent => {}
            Self::Bar(bar) => bar.step(step),
            Self::Lines(lines) => lines.step(step),
        }
    }

    /// The search is over.
    pub fn finish(&mut self) {
        match self {
            Self::Silent => {}
            Self::Bar(bar) => bar.0.finish_and_clear(),
            Self::Lines(lines) => lines.flush(),
        }
    }
}

/// How good it is at this step: criterion, support, gap.
fn standing(step: &Step) -> String {
    format!(
        "criterion {} ± {} · support {} · gap {}",
        text::number(step.value),
        text::rough(step.standard_error),
        text::number(step.support_size),
        text::rough(step.relative_gap)
    )
}

/// A bar over the steps of the current stage. A stage seldom takes all the steps it may, so the time left is a bound.
pub struct Bar(ProgressBar);

impl Bar {
    fn new(max_steps: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(max_steps), ProgressDrawTarget::stderr());
        let template = "{prefix} [{bar:16}] step {pos}/{len} · {msg} · {elapsed} · at most {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    fn stage(&mut self, name: &str, n_parameters: usize) {
        self.0.set_prefix(format!("{name} ({})", text::counted(n_parameters, "parameter")));
        self.0.set_position(0);
        self.0.reset_eta();
    }

    fn step(&mut self, step: &Step) {
        let done = step.step as u64 + 1;
        if self.0.length().is_some_and(|length| length < done) {
            self.0.set_length(done);
        }
        self.0.set_position(done);
        self.0.set_message(standing(step));
    }
}

/// One line a step, thinned out in time; the last line of a stage is always shown.
#[derive(Default)]
pub struct Lines {
    printed: Option<Instant>,
    waiting: Option<String>,
}

impl Lines {
    fn stage(&mut self, name: &str, n_parameters: usize) {
        self.flush();
        eprintln!("{name}: {}", text::counted(n_parameters, "parameter"));
        self.printed = None;
    }

    fn step(&mut self, step: &Step) {
        let line = format!(
            "{} step {}: {} · {}",
            step.stage,
            step.step + 1,
            standing(step),
            text::duration(step.seconds)
        );
        if self.printed.is_some_and(|at| at.elapsed() < LINE_INTERVAL) {
            self.waiting = Some(line);
        } else {
            eprintln!("{line}");
            self.waiting = None;
            self.printed = Some(Instant::now());
        }
    }

    fn flush(&mut self) {
        if let Some(line) = self.waiting.take() {
            eprintln!("{line}");
        }
    }
}
