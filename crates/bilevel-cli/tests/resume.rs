//! Interrupted at any moment, a fit goes on to the same answer, and no file on the disk is ever torn.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may fail by panicking

mod common;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Scratch, bilevel, command, json, names, refused, stderr};
use serde_json::Value;

/// A fit of a few seconds: long enough to be hit in the middle of its search.
const LINE: [&str; 7] = ["fit", "data.svm", "--folds", "3", "--max-outer", "30", "--quiet"];
const N_SAMPLES: usize = 900;
const N_FEATURES: usize = 160;

/// Two classes, told apart by 6 of 160 features.
fn samples() -> String {
    let mut state = 2_463_534_242_u64;
    let mut uniform = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
    };
    let mut text = String::new();
    for _ in 0..N_SAMPLES {
        let x: Vec<f64> = (0..N_FEATURES).map(|_| uniform()).collect();
        let z = (0..6).map(|j| x[j] * (6 - j) as f64).sum::<f64>() + 1.5 * uniform();
        text += if z > 0.0 { "1" } else { "0" };
        x.iter().enumerate().for_each(|(j, v)| text += &format!(" {}:{v:.6}", j + 1));
        text += "\n";
    }
    text
}

fn prepared(name: &str) -> Scratch {
    let scratch = Scratch::new(name);
    scratch.write("data.svm", samples());
    scratch
}

fn start(scratch: &Scratch, directory: &str) -> Child {
    let mut line = LINE.to_vec();
    line.extend(["--output", directory]);
    command(scratch.path(), &line).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Every JSON file in the directory parses to its end; a report is closed.
fn assert_whole(directory: &Path) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue; // a temporary file, never read as a result
        }
        let text = std::fs::read_to_string(&path).unwrap();
        match name.as_str() {
            "trace.jsonl" => text.lines().for_each(|line| drop(serde_json::from_str::<Value>(line).unwrap())),
            "model.json" | "checkpoint.json" => drop(serde_json::from_str::<Value>(&text).unwrap()),
            "report.html" => assert!(text.trim_end().ends_with("</html>")),
            "coefficients.csv" => assert_eq!(text.lines().count(), N_FEATURES + 1),
            _ => panic!("unexpected file {name}"),
        }
    }
}

fn assert_same_answer(found: &Path, expected: &Path) {
    let read = |directory: &Path| -> Value {
        serde_json::from_str(&std::fs::read_to_string(directory.join("model.json")).unwrap()).unwrap()
    };
    let (found, expected) = (read(found), read(expected));
    assert_eq!(found["model"]["support"], expected["model"]["support"]);
    let values = |fit: &Value| -> Vec<f64> {
        let criterion = fit["record"]["criterion"]["value"].as_f64();
        let intercept = fit["model"]["intercept"].as_f64();
        let coefficients = fit["model"]["coefficients"].as_array().unwrap().iter().map(Value::as_f64);
        [criterion, intercept].into_iter().chain(coefficients).map(Option::unwrap).collect()
    };
    for (a, b) in values(&found).into_iter().zip(values(&expected)) {
        assert!((a - b).abs() <= 1e-9 * (1.0 + b.abs()), "{a} {b}");
    }
}

#[test]
fn killed_at_any_moment_and_resumed_gives_the_same_answer() {
    let scratch = prepared("killed");
    let begun = Instant::now();
    assert!(start(&scratch, "whole").wait().unwrap().success());
    let whole = begun.elapsed();
    // moments spread over the run, in an order that does not follow time; which state each one hits does not matter
    for (k, share) in [0.5, 0.9, 0.2, 0.7, 0.97].into_iter().enumerate() {
        let directory = format!("run{k}");
        let path = scratch.path().join(&directory);
        let mut child = start(&scratch, &directory);
        std::thread::sleep(whole.mul_f64(share));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_whole(&path);
        if path.join("checkpoint.json").exists() || path.join("model.json").exists() {
            let output = bilevel(scratch.path(), &["fit", "--resume", &directory, "--quiet"]);
            assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
            assert_same_answer(&path, &scratch.path().join("whole"));
            assert_eq!(names(&path), ["coefficients.csv", "model.json", "report.html", "trace.jsonl"]);
        }
    }
}

#[test]
fn killed_again_and_again_it_still_ends_at_the_same_answer() {
    let scratch = prepared("again");
    let begun = Instant::now();
    assert!(start(&scratch, "whole").wait().unwrap().success());
    let whole = begun.elapsed();
    let path = scratch.path().join("run");
    let mut child = start(&scratch, "run");
    // not before something is in the journal, so that the next run has something to replay
    let journaled =
        |path: &Path| std::fs::read_to_string(path).is_ok_and(|text| text.contains("\"value_bits\""));
    wait_until(|| journaled(&path.join("checkpoint.json")), &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    for share in [0.3, 0.5, 0.4] {
        assert_whole(&path);
        let mut child = command(scratch.path(), &["fit", "--resume", "run", "--quiet"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(whole.mul_f64(share));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let result = json(scratch.path(), &["fit", "--resume", "run", "--json", "--quiet"]);
    assert!(result["criterion"]["value"].is_number());
    assert_same_answer(&path, &scratch.path().join("whole"));
}

#[test]
fn a_checkpoint_of_other_data_is_refused() {
    let scratch = prepared("changed");
    let mut child = start(&scratch, "run");
    wait_until(|| scratch.path().join("run/checkpoint.json").exists(), &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    if scratch.path().join("run/model.json").exists() {
        return; // it ended before it could be caught: there is nothing to refuse
    }
    scratch.write("data.svm", samples().replacen("0 ", "1 ", 1));
    let before = names(&scratch.path().join("run"));
    let said = refused(scratch.path(), &["fit", "--resume", "run"]);
    assert!(said.contains("data.svm: the data changed"), "{said}");
    let checkpoint = String::from("checkpoint.json");
    assert!(before.contains(&checkpoint) && names(&scratch.path().join("run")).contains(&checkpoint));
}

#[cfg(unix)]
#[test]
fn ctrl_c_writes_everything_and_the_fit_can_go_on() {
    let scratch = prepared("interrupt");
    assert!(start(&scratch, "whole").wait().unwrap().success());
    let path = scratch.path().join("run");
    let mut child = start(&scratch, "run");
    wait_until(|| path.join("checkpoint.json").exists(), &mut child);
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let code = child.wait().unwrap().code();
    // it may just have ended by itself: then there is nothing to go on with
    assert!(code == Some(130) || code == Some(0), "{code:?}");
    assert_whole(&path);
    if code == Some(130) {
        assert!(path.join("checkpoint.json").exists());
    }
    assert_eq!(bilevel(scratch.path(), &["fit", "--resume", "run", "--quiet"]).status.code(), Some(0));
    assert_same_answer(&path, &scratch.path().join("whole"));
    assert_eq!(names(&path), ["coefficients.csv", "model.json", "report.html", "trace.jsonl"]);
}

/// Waits until the condition holds; false if the process ended first.
fn wait_until(condition: impl Fn() -> bool, child: &mut Child) -> bool {
    while !condition() {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    true
}
