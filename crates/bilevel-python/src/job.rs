//! A computation on its own thread, while the calling thread listens: to Ctrl-C, and to what the computation reports.
//!
//! The computation runs without the GIL. The calling thread sleeps until a report comes, 50 ms at most, and then lets Python handle its signals; so
//! Python code (callbacks, progress bars, signal handlers) only ever runs on the thread that called, as it would without us.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use bilevel::Result;
use bilevel::fit::Observer;
use bilevel::outer::Step;
use pyo3::prelude::*;

use crate::error::{bug, exception};

/// Time between two looks at Python's signals.
const SIGNALS_EVERY: Duration = Duration::from_millis(50);
/// Time that interrupted work has to end.
const LEAVE_WITHIN: Duration = Duration::from_millis(100);

/// What a running fit reports.
enum Report<T> {
    Stage(String, usize),
    /// A step, and where to say whether to go on.
    Step(Box<Step>, SyncSender<ControlFlow<()>>),
    Done(std::thread::Result<Result<T>>),
}

/// Passes on what the fit reports, if anybody listens.
struct Reporter<T> {
    reports: Sender<Report<T>>,
    listening: bool,
    stop: Arc<AtomicBool>,
}

impl<T: Send> Observer for Reporter<T> {
    fn on_stage(&mut self, name: &str, n_parameters: usize) {
        if self.listening {
            let _ = self.reports.send(Report::Stage(name.to_string(), n_parameters));
        }
    }

    fn on_step(&mut self, step: &Step) -> ControlFlow<()> {
        if !self.listening {
            return ControlFlow::Continue(());
        }
        let (answer, wait) = sync_channel(1);
        // A listener that has gone does not want more steps.
        if self.reports.send(Report::Step(Box::new(step.clone()), answer)).is_err() {
            return ControlFlow::Break(());
        }
        wait.recv().unwrap_or(ControlFlow::Break(()))
    }

    fn is_interrupted(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Threads for a computation: those asked for, or a pool of its own in a forked process, where the threads of the shared pool do not exist.
pub(crate) fn threads(asked: Option<usize>) -> Option<usize> {
    static FIRST_PROCESS: OnceLock<u32> = OnceLock::new();
    let here = std::process::id();
    if *FIRST_PROCESS.get_or_init(|| here) == here {
        return asked;
    }
    asked.or_else(|| std::thread::available_parallelism().ok().map(Into::into))
}

/// Runs `work` on the shared pool of threads, or on one of its own in a forked process: on a thread of the pool, where a loop with too little work for
/// two threads costs nothing. From outside each loop would wait for a sleeping thread to wake, twice.
pub(crate) fn in_pool<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let Some(count) = threads(None) else { return rayon::scope(|_| work()) };
    in_own_pool(count, work)
}

/// Runs work that waits for a watcher on a pool of its own: on a shared pool of one thread, what the watcher asks of the library would wait for that
/// thread for ever.
pub(crate) fn in_watched_pool<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    in_own_pool(threads(None).unwrap_or_else(rayon::current_num_threads), work)
}

fn in_own_pool<T: Send>(count: usize, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    match rayon::ThreadPoolBuilder::new().num_threads(count).build() {
        Ok(pool) => pool.install(work),
        Err(e) => Err(bilevel::Error::setting(
            "threads",
            format!("{count} ({e})"),
            "threads that the system can start",
        )),
    }
}

/// Runs `work` on its own thread and returns its answer. `watcher`, if any, is a Python object with the methods `stage(name, n_parameters)` and
/// `step(json)`; the latter ends the search by returning `True`. What they raise ends it too, and is raised here.
pub(crate) fn run<T: Send + 'static>(
    py: Python<'_>,
    watcher: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce(&mut dyn Observer) -> Result<T> + Send + 'static,
) -> PyResult<T> {
    let (sender, reports) = channel();
    let stop = Arc::new(AtomicBool::new(false));
    let mut reporter =
        Reporter { reports: sender.clone(), listening: watcher.is_some(), stop: Arc::clone(&stop) };
    std::thread::Builder::new().name("bilevel".to_string()).spawn(move || {
        let outcome = catch_unwind(AssertUnwindSafe(|| work(&mut reporter)));
        let _ = sender.send(Report::Done(outcome));
    })?;
    let reports = Mutex::new(reports);
    let outcome = listen(py, watcher, &reports).inspect_err(|_| {
        stop.store(true, Ordering::Relaxed);
        py.detach(|| leave(&reports));
    });
    match outcome? {
        Ok(answer) => answer.map_err(|e| exception(&e)),
        Err(panic) => Err(bug(panic.as_ref())),
    }
}

/// Gives interrupted work a moment to end. It goes on to the end of the solve it is in, which may take longer; nobody waits for that, and what it
/// reads is its own or kept alive by it.
fn leave<T>(reports: &Mutex<Receiver<Report<T>>>) {
    let Ok(reports) = reports.lock() else { return };
    let until = Instant::now() + LEAVE_WITHIN;
    while let Ok(report) = reports.recv_timeout(until.saturating_duration_since(Instant::now())) {
        match report {
            Report::Done(_) => return,
            Report::Step(_, answer) => drop(answer.send(ControlFlow::Break(()))),
            Report::Stage(..) => {}
        }
    }
}

fn listen<T: Send>(
    py: Python<'_>,
    watcher: Option<&Bound<'_, PyAny>>,
    reports: &Mutex<Receiver<Report<T>>>,
) -> PyResult<std::thread::Result<Result<T>>> {
    loop {
        let report = py.detach(|| match reports.lock() {
            Ok(reports) => reports.recv_timeout(SIGNALS_EVERY),
            Err(_) => Err(RecvTimeoutError::Disconnected),
        });
        match (report, watcher) {
            (Ok(Report::Done(outcome)), _) => return Ok(outcome),
            (Ok(Report::Stage(name, n_parameters)), Some(watcher)) => {
                watcher.call_method1("stage", (name, n_parameters))?;
            }
            (Ok(Report::Step(step, answer)), Some(watcher)) => {
                let text = serde_json::to_string(&step).unwrap_or_default();
                let ends = watcher.call_method1("step", (text,))?.is_truthy()?;
                let _ = answer.send(if ends { ControlFlow::Break(()) } else { ControlFlow::Continue(()) });
            }
            (Err(RecvTimeoutError::Disconnected), _) => {
                return Ok(Err(Box::new("the computation ended without an answer")));
            }
            _ => {}
        }
        py.check_signals()?;
    }
}
