//! Running the command as a user does.

#![allow(dead_code, clippy::unwrap_used, clippy::panic)] // each test file uses its part, and may fail by panicking

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The command, to be run in `directory`.
pub fn command(directory: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bilevel"));
    command.current_dir(directory).args(args);
    command
}

/// Runs the command in `directory` to its end.
pub fn bilevel(directory: &Path, args: &[&str]) -> Output {
    command(directory, args).output().unwrap()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Runs the command, asserts that it succeeds and returns what it prints.
pub fn succeed(directory: &Path, args: &[&str]) -> String {
    let output = bilevel(directory, args);
    assert_eq!(output.status.code(), Some(0), "bilevel {}\n{}", args.join(" "), stderr(&output));
    stdout(&output)
}

/// Runs the command and returns the JSON object that it prints.
pub fn json(directory: &Path, args: &[&str]) -> serde_json::Value {
    let text = succeed(directory, args);
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// Asserts that the command refuses with one sentence and exit code 2, and returns the sentence.
pub fn refused(directory: &Path, args: &[&str]) -> String {
    let output = bilevel(directory, args);
    let said = stderr(&output);
    let asked = args.join(" ");
    assert_eq!(output.status.code(), Some(2), "bilevel {asked}\n{said}");
    assert!(said.starts_with("error: ") && said.lines().count() == 1, "bilevel {asked}\n{said}");
    assert_eq!(stdout(&output), "", "bilevel {asked}");
    said
}

/// A fresh empty directory, removed when the test has passed.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.0.join(name), content).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap()
    }

    /// Names of everything inside, hidden files too, in order.
    pub fn names(&self) -> Vec<String> {
        names(&self.0)
    }
}

pub fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}
