//! How fast a data file is read, and in how much memory: `cargo run --release --example throughput -- FILE`.
//!
//! Prints megabytes of file per second (median of five readings) and the peak of memory against the size of the matrix.

use std::time::Instant;

use bilevel::design::DesignMatrix;
use bilevel_io::{ReadOptions, read_data};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("expected the path of a data file")?;
    let megabytes = std::fs::metadata(&path)?.len() as f64 / 1e6;
    let mut seconds = Vec::new();
    let (mut matrix_bytes, before) = (0, peak_bytes());
    for _ in 0..5 {
        let start = Instant::now();
        let data = read_data(&path, &ReadOptions::default())?;
        seconds.push(start.elapsed().as_secs_f64());
        matrix_bytes = data.design.memory_bytes() + 8 * data.design.n_rows();
    }
    seconds.sort_by(f64::total_cmp);
    println!("{megabytes:.1} MB, median {:.3} s: {:.0} MB/s", seconds[2], megabytes / seconds[2]);
    if let (Some(before), Some(peak)) = (before, peak_bytes()) {
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
