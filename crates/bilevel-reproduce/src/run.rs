//! What an experiment is asked for, who watches it, and how it spreads over threads.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bilevel::data::Dataset;
use bilevel::{Error, Result};

/// What is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request<'a> {
    /// Fewer seeds and smaller data, for a look that takes seconds.
    pub quick: bool,
    /// Seeds 0, 1, …; `None` takes as many as the experiment says.
    pub seeds: Option<NonZeroUsize>,
    /// Threads; `None` takes all cores. No number but the seconds depends on it.
    pub threads: Option<NonZeroUsize>,
    /// Data sets from elsewhere, for the experiments that need them.
    pub data: &'a [NamedData],
    /// Images from elsewhere, by name, for the experiments that need them.
    pub images: &'a [NamedImage],
}

/// A data set and the name it is known by (`phishing`).
#[derive(Debug, Clone)]
pub struct NamedData {
    /// The name, without the ending of a file.
    pub name: String,
    /// The data.
    pub data: Dataset,
}

/// A grey image and the name of its file, without the ending.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedImage {
    /// The name.
    pub name: String,
    /// Rows and columns.
    pub shape: (usize, usize),
    /// Grey values from 0 (black) to 1 (white), row by row.
    pub pixels: Vec<f64>,
}

/// Sees how far an experiment is, and may end it.
pub trait Watcher: Sync {
    /// There are this many pieces of work.
    fn begin(&self, pieces: usize) {
        let _ = pieces;
    }

    /// One of them is done; `what` names it for people.
    fn done(&self, what: &str) {
        let _ = what;
    }

    /// Whether to stop as soon as possible.
    fn is_cancelled(&self) -> bool {
        false
    }
}

/// A watcher that sees nothing and never ends anything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watcher for Unwatched {}

/// An experiment under way.
pub(crate) struct Run<'a> {
    pub(crate) request: &'a Request<'a>,
    pub(crate) watcher: &'a dyn Watcher,
}

impl Run<'_> {
    /// The seeds: as asked for, else as published, fewer if quick.
    pub(crate) fn seeds(&self, published: u64, quick: u64) -> Vec<u64> {
        let usual = if self.request.quick { quick } else { published };
        let count = self.request.seeds.map_or(usual, |n| n.get() as u64);
        (0..count).collect()
    }

    pub(crate) fn threads(&self) -> usize {
        threads(self.request)
    }

    /// Ends with [`Error::Cancelled`] if the watcher asks for it.
    ///
    /// # Errors
    /// That.
    pub(crate) fn check(&self) -> Result<()> {
        if self.watcher.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// Calls `work` on every item and returns the results in their order. As many items as there are threads run at a time, each on one thread, so that
    /// the seconds they take are those of one core.
    ///
    /// # Errors
    /// The first error, by the order of the items.
    pub(crate) fn each<T: Sync, R: Send>(
        &self,
        items: &[T],
        name: impl Fn(&T) -> String + Sync,
        work: impl Fn(&T) -> Result<R> + Sync,
    ) -> Result<Vec<R>> {
        self.watcher.begin(items.len());
        let next = AtomicUsize::new(0);
        let results: Mutex<Vec<(usize, Result<R>)>> = Mutex::new(Vec::with_capacity(items.len()));
        let keep = |k, result| {
            results.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((k, result));
        };
        let worker = || {
            while let Some((k, item)) = take(items, &next) {
                let result = self.check().and_then(|()| work(item));
                let failed = result.is_err();
                keep(k, result);
                if failed {
                    next.store(items.len(), Ordering::Relaxed);
                } else {
                    self.watcher.done(&name(item));
                }
            }
        };
        // Plain threads, each with a pool of one: a thread of a common pool that waits would start on the next item meanwhile.
        std::thread::scope(|scope| {
            for _ in 0..self.threads().min(items.len()) {
                scope.spawn(|| match pool(1) {
                    Ok(pool) => pool.install(worker),
                    Err(e) => keep(0, Err(e)),
                });
            }
        });
        self.check()?;
        let mut results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        results.sort_by_key(|(k, _)| *k);
        results.into_iter().map(|(_, result)| result).collect()
    }

    /// Does `work` on all threads.
    ///
    /// # Errors
    /// Those of `work`.
    pub(crate) fn on_all_threads<R: Send>(&self, work: impl FnOnce() -> Result<R> + Send) -> Result<R> {
        pool(self.threads())?.install(work)
    }
}

fn take<'i, T>(items: &'i [T], next: &AtomicUsize) -> Option<(usize, &'i T)> {
    let k = next.fetch_add(1, Ordering::Relaxed);
    items.get(k).map(|item| (k, item))
}

pub(crate) fn threads(request: &Request<'_>) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    request.threads.map_or_else(cores, NonZeroUsize::get)
}

fn pool(threads: usize) -> Result<rayon::ThreadPool> {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(|e| {
        Error::setting("threads", format!("{threads} ({e})"), "a number of threads that the system can start")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items_and_the_first_error_wins() {
        let request = Request { threads: NonZeroUsize::new(3), ..Request::default() };
        let run = Run { request: &request, watcher: &Unwatched };
        let items: Vec<usize> = (0..50).collect();
        let squares = run.each(&items, |_| String::new(), |k| Ok(k * k)).unwrap();
        assert!(squares.iter().enumerate().all(|(k, square)| k * k == *square));
        let odd = |k: &usize| if k % 2 == 1 { Err(Error::setting("k", k, "even")) } else { Ok(*k) };
        assert_eq!(run.each(&items, |_| String::new(), odd), Err(Error::setting("k", 1, "even")));
    }

    #[test]
    fn a_cancelled_run_ends_with_the_error_that_says_so() {
        struct Impatient;
        impl Watcher for Impatient {
            fn is_cancelled(&self) -> bool {
                true
            }
        }
        let request = Request::default();
        let run = Run { request: &request, watcher: &Impatient };
        assert_eq!(run.each(&[1, 2], |_| String::new(), |_| Ok(())), Err(Error::Cancelled));
    }
}
