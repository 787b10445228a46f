//! The products of design matrices beyond the cache, against the bandwidth of this machine's memory: `make bench-kernels`.
//!
//! A product reads each entry of the matrix once, so memory bounds it from below. Bytes are those that must cross between memory and
//! cache: the entries (with their row indices) once, a vector only where it is itself beyond the cache. The bandwidth they are held
//! against is measured in the same rounds, by loops that share nothing with the library: the best of several ways to read, and
//! y += s·x for the products that write beyond the cache too.
//!
//! Every round times each case once, so that a disturbed second disturbs all; the best of the rounds counts. Prints Markdown.

#![allow(clippy::unwrap_used)] // matrices that are valid by construction

mod cases;
mod streams;

use std::sync::Arc;
use std::time::Instant;

use rayon::{ThreadPool, ThreadPoolBuilder};

/// Rounds, unless the first argument says otherwise.
const ROUNDS: usize = 30;
/// Storages and threads, in the order of the table's columns.
const COLUMNS: [(&str, usize); 4] = [("f64", 1), ("f32", 1), ("f64", 2), ("f32", 2)];

/// Which of the measured bandwidths a case is held against.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Bound {
    /// Reads alone.
    Read,
    /// y += s·x beyond the cache.
    Update,
}

/// One measured product: what it is, how many bytes it must move, and how it is run.
pub(crate) struct Case {
    /// Product and shape; a way to use the memory has no shape.
    pub(crate) row: (String, Option<String>),
    pub(crate) storage: &'static str,
    pub(crate) threads: usize,
    pub(crate) bytes: usize,
    pub(crate) bound: Bound,
    pub(crate) run: Box<dyn FnMut()>,
}

/// One pool for each number of threads.
pub(crate) type Pools = [(usize, Arc<ThreadPool>); 2];

fn main() {
    // `cargo bench` adds options of its own; a number is ours, a word is part of a shape or a product.
    let ours: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let rounds = ours.iter().find_map(|a| a.parse().ok()).unwrap_or(ROUNDS);
    let words: Vec<&String> = ours.iter().filter(|a| a.parse::<usize>().is_err()).collect();
    let pools = [1, 2].map(|t| (t, Arc::new(ThreadPoolBuilder::new().num_threads(t).build().unwrap())));
    let mut cases = streams::cases(&pools);
    cases.extend(cases::cases(&pools, &|row| words.iter().all(|w| row.contains(*w))));
    let seconds = measure(&mut cases, rounds);
    print(&cases, &seconds, rounds);
}

/// Seconds of each case in each round, increasing.
fn measure(cases: &mut [Case], rounds: usize) -> Vec<Vec<f64>> {
    let mut seconds = vec![Vec::with_capacity(rounds); cases.len()];
    for _ in 0..rounds {
        for (case, seconds) in cases.iter_mut().zip(&mut seconds) {
            let start = Instant::now();
            (case.run)();
            seconds.push(start.elapsed().as_secs_f64());
        }
    }
    seconds.iter_mut().for_each(|s| s.sort_by(f64::total_cmp));
    seconds
}

fn print(cases: &[Case], seconds: &[Vec<f64>], rounds: usize) {
    let rate = |k: usize, seconds: f64| cases[k].bytes as f64 / seconds / 1e9;
    let best = |k: usize| rate(k, seconds[k][0]);
    println!("GB/s, best of {rounds} rounds; GB = 10⁹ bytes.\n");
    println!("| memory | threads | GB/s | median |\n|---|---|---|---|");
    let is_stream = |k: &usize| cases[*k].row.1.is_none();
    for k in (0..cases.len()).filter(is_stream) {
        let median = rate(k, seconds[k][rounds / 2]);
        println!("| {} | {} | {:.1} | {median:.1} |", cases[k].row.0, cases[k].threads, best(k));
    }
    let bandwidth = |bound: Bound, threads: usize| {
        let ways = (0..cases.len()).filter(is_stream);
        ways.filter(|&k| (cases[k].bound, cases[k].threads) == (bound, threads)).map(best).fold(0.0, f64::max)
    };
    println!("\n| product | matrix | f64, 1 thread | f32, 1 thread | f64, 2 threads | f32, 2 threads |");
    println!("|---|---|---|---|---|---|");
    let mut printed: Vec<&(String, Option<String>)> = Vec::new();
    for case in cases.iter().filter(|c| c.row.1.is_some()) {
        if printed.contains(&&case.row) {
            continue;
        }
        printed.push(&case.row);
        let cells = COLUMNS.map(|column| {
            let same =
                |k: &usize| cases[*k].row == case.row && (cases[*k].storage, cases[*k].threads) == column;
            (0..cases.len()).find(same).map_or(String::new(), |k| {
                let share = 100.0 * best(k) / bandwidth(cases[k].bound, cases[k].threads);
                format!("{:.1} ({share:.0} %)", best(k))
            })
        });
        println!("| {} | {} | {} |", case.row.0, case.row.1.as_deref().unwrap_or(""), cells.join(" | "));
    }
}
