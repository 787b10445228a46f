//! The `bilevel` command: arguments in, files and words out; no mathematics.
//!
//! Exit codes: 0 done, 1 a failure inside, 2 an input or setting that cannot be used, 130 interrupted.

mod allocator;
mod args;
mod checkpoint;
mod commands;
mod exit;
mod interrupt;
mod load;
mod model_file;
mod output;
mod progress;
mod summary;
mod text;

use std::process::ExitCode;

fn main() -> ExitCode {
    // A refusal costs memory and nothing else.
    let _ = allocator::return_freed_memory();
    exit::report_panics_in_one_sentence();
    std::panic::catch_unwind(commands::run).unwrap_or_else(|_| ExitCode::from(exit::INTERNAL))
}
