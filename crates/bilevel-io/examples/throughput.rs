//! How fast a data file is read, and in how much memory: `cargo run --release --example throughput -- FILE`.
//!
//! Prints megabytes of file per second, by the clock and by the processor time spent (which other work on the machine does not stretch), each the median
//! of five readings; and the peak of memory against the size of the matrix.

use std::time::Instant;

use bilevel::design::DesignMatrix;
use bilevel_io::{ReadOptions, read_data};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("expected the path of a data file")?;
    let megabytes = std::fs::metadata(&path)?.len() as f64 / 1e6;
    let (mut clock, mut processor) = (Vec::new(), Vec::new());
    let (mut matrix_bytes, before, mut peak) = (0, peak_bytes(), None);
    for _ in 0..5 {
        let (start, spent) = (Instant::now(), processor_seconds());
        let data = read_data(&path, &ReadOptions::default())?;
        clock.push(start.elapsed().as_secs_f64());
        processor.extend(processor_seconds().zip(spent).map(|(after, before)| after - before));
        matrix_bytes = data.design.memory_bytes() + 8 * data.design.n_rows();
        // of the first reading: later ones find the heap in pieces
        peak = peak.or_else(peak_bytes);
    }
    for (name, mut seconds) in [("clock", clock), ("processor", processor)] {
        seconds.sort_by(f64::total_cmp);
        if let Some(median) = seconds.get(2) {
            println!("{megabytes:.1} MB, median {median:.3} s by the {name}: {:.0} MB/s", megabytes / median);
        }
    }
    if let (Some(before), Some(peak)) = (before, peak) {
        let grown = (peak - before) as f64;
        println!(
            "matrix and target {:.2} MB; peak memory {:.2} MB, of it {:.2} MB since the start: {:.2} times the matrix",
            matrix_bytes as f64 / 1e6,
            peak as f64 / 1e6,
            grown / 1e6,
            grown / matrix_bytes as f64
        );
    }
    Ok(())
}

/// The largest resident set so far, where the system tells.
fn peak_bytes() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(1024 * line.split_whitespace().nth(1)?.parse::<usize>().ok()?)
}

/// Time this process has spent on a processor, where the system tells.
fn processor_seconds() -> Option<f64> {
    let statistics = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    Some(statistics.split_whitespace().next()?.parse::<f64>().ok()? * 1e-9)
}
