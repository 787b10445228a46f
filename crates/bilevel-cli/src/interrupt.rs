//! Ctrl-C: the first one ends the search after the current step with everything written, the second ends at once.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Listens for Ctrl-C and for a polite termination signal.
///
/// # Errors
/// The system does not let a handler be installed.
pub fn listen() -> anyhow::Result<()> {
    ctrlc::set_handler(|| {
        if REQUESTED.swap(true, Ordering::SeqCst) {
            std::process::exit(i32::from(crate::exit::INTERRUPTED));
        }
        eprintln!("interrupted: ending after the current step; once more ends at once");
    })
    .context("Ctrl-C cannot be listened for")
}

/// Whether somebody asked to stop.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}
