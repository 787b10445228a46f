//! The subcommands, and reading the command line that chooses one.

mod clean;
mod demo;
mod evaluate;
mod fit;
mod gradcheck;
mod invert;
mod predict;
mod reproduce;
mod restore;

use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, CommandFactory, FromArgMatches};

use crate::args::{Cli, Command};
use crate::exit;

/// Does what the command line asks; the exit code says how it went.
pub fn run() -> ExitCode {
    let matches = match Cli::command().try_get_matches() {
        Ok(matches) => matches,
        Err(e) => return refuse(&e),
    };
    match Cli::from_arg_matches(&matches) {
        Ok(cli) => ExitCode::from(dispatch(cli, &matches).unwrap_or_else(|e| exit::report(&e))),
        Err(e) => refuse(&e),
    }
}

fn dispatch(cli: Cli, matches: &ArgMatches) -> anyhow::Result<u8> {
    match cli.command {
        Command::Fit(args) => {
            let given = matches.subcommand().map(|(_, options)| options_given(options)).unwrap_or_default();
            fit::run(*args, &given)
        }
        Command::Clean(args) => clean::run(*args),
        Command::Predict(args) => predict::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Gradcheck(args) => gradcheck::run(&args),
        Command::Demo(args) => demo::run(args),
        Command::Reproduce(args) => reproduce::run(&args),
        Command::Restore(args) => restore::run(&args),
        Command::Invert(args) => invert::run(&args),
    }
}

/// The names of the options that the user wrote, as opposed to defaults.
fn options_given(matches: &ArgMatches) -> Vec<String> {
    let written = |id: &&str| matches.value_source(id) == Some(clap::parser::ValueSource::CommandLine);
    // groups of options carry their members' source: only what is an option of its own counts
    let is_option = |id: &&str| {
        let fit = Cli::command();
        fit.find_subcommand("fit").is_some_and(|fit| fit.get_arguments().any(|a| a.get_id() == id))
    };
    matches.ids().map(clap::Id::as_str).filter(written).filter(is_option).map(str::to_string).collect()
}

/// Help goes to stdout; a command line that cannot be understood gets one sentence.
fn refuse(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            match crate::text::print(&error.render().to_string()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(e) => ExitCode::from(exit::report(&e)),
            }
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            eprint!("{}", error.render());
            ExitCode::from(exit::BAD_INPUT)
        }
        _ => {
            let rendered = error.render().to_string();
            let sentence = rendered.split("\n\n").next().unwrap_or_default();
            let tip = match error.get(ContextKind::SuggestedArg) {
                Some(ContextValue::String(similar)) => format!(" (did you mean `{similar}`?)"),
                _ => String::new(),
            };
            eprintln!("{}{tip}; see --help", exit::one_line(sentence));
            ExitCode::from(exit::BAD_INPUT)
        }
    }
}
