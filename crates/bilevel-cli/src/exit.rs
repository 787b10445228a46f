//! How the command ends: one sentence on stderr and an exit code, whatever happened.

use bilevel::Error;

/// A failure inside: the solver gave up, or a defect of the program.
pub const INTERNAL: u8 = 1;
/// Input or settings that cannot be used, or a file that cannot be written.
pub const BAD_INPUT: u8 = 2;
/// Ended early by Ctrl-C or a termination signal.
pub const INTERRUPTED: u8 = 130;

/// Prints `error: …` as one line and returns the exit code that fits.
pub fn report(error: &anyhow::Error) -> u8 {
    eprintln!("error: {}", sentence(error));
    match error.downcast_ref::<Error>() {
        Some(Error::LowerLevel { .. } | Error::AdjointSolve { .. }) => INTERNAL,
        Some(Error::Cancelled) => INTERRUPTED,
        _ => BAD_INPUT,
    }
}

/// The error and its causes in one line; a cause that the error before it already quotes is left out.
pub fn sentence(error: &anyhow::Error) -> String {
    let mut said = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if said.is_empty() {
            said = cause;
        } else if !said.ends_with(&cause) {
            said = format!("{said}: {cause}");
        }
    }
    one_line(&said)
}

/// The text with every run of white space, line breaks included, made one space.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Any panic is a defect of the program: say so in one sentence, with the place, and ask for a report.
pub fn report_panics_in_one_sentence() {
    std::panic::set_hook(Box::new(|panic| {
        let place =
            panic.location().map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
        let payload = panic.payload();
        let said =
            payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(String::as_str));
        eprintln!(
            "error: this is a defect of bilevel {}{place} ({}); please report it with the command that led here",
            env!("CARGO_PKG_VERSION"),
            one_line(said.unwrap_or("no message"))
        );
    }));
}
