//! How far an experiment is: a bar where a person watches a terminal, plain lines in a log.

use std::io::IsTerminal;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bilevel_reproduce::Watcher;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{interrupt, text};

/// A log gets at most one line in this time, besides the last.
const LINE_INTERVAL: Duration = Duration::from_secs(2);

/// Where progress goes.
pub struct Progress {
    bar: Option<ProgressBar>,
    lines: Option<Mutex<Lines>>,
}

struct Lines {
    begun: Instant,
    printed: Instant,
    pieces: usize,
    done: usize,
}

impl Progress {
    /// A bar on a terminal, lines elsewhere, nothing if `quiet`.
    pub fn new(quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let now = Instant::now();
        let lines = Lines { begun: now, printed: now, pieces: 0, done: 0 };
        Self { bar: (!quiet && terminal).then(bar), lines: (!quiet && !terminal).then(|| Mutex::new(lines)) }
    }

    /// The experiment is over.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn lines(&self) -> Option<MutexGuard<'_, Lines>> {
        Some(self.lines.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let template = "[{bar:16}] {pos}/{len} · {msg} · {elapsed} · about {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

impl Watcher for Progress {
    fn begin(&self, pieces: usize) {
        if let Some(bar) = &self.bar {
            bar.set_length(pieces as u64);
        }
        if let Some(mut lines) = self.lines() {
            lines.pieces = pieces;
        }
    }

    fn done(&self, what: &str) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
            bar.set_message(what.to_string());
        }
        if let Some(mut lines) = self.lines() {
            lines.done += 1;
            if lines.printed.elapsed() >= LINE_INTERVAL || lines.done == lines.pieces {
                let seconds = text::duration(lines.begun.elapsed().as_secs_f64());
                eprintln!("{}/{}: {what} · {seconds}", lines.done, lines.pieces);
                lines.printed = Instant::now();
            }
        }
    }

    fn is_cancelled(&self) -> bool {
        interrupt::requested()
    }
}
