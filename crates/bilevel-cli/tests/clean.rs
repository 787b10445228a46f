//! `bilevel clean`: wrong labels in, a weight for each sample out.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may fail by panicking

mod common;

use common::{Scratch, json, refused, succeed};

/// y = 2a − b on `n` samples; every fifth has its sign turned where `wrong`.
fn table(from: usize, n: usize, wrong: bool) -> String {
    let mut text = String::from("y,a,b\n");
    for i in from..from + n {
        let [a, b] = [7, 11].map(|m| ((i * m + i * i) % 17) as f64 / 8.0 - 1.0);
        let y = 2.0 * a - b + 0.01 * ((i * 5) % 7) as f64;
        text += &format!("{},{a},{b}\n", if wrong && i % 5 == 0 { -y } else { y });
    }
    text
}

#[test]
fn wrong_samples_are_flagged_and_every_sample_is_in_the_table() {
    let scratch = Scratch::new("clean");
    scratch.write("collected.csv", table(0, 100, true));
    scratch.write("checked.csv", table(100, 60, false));
    let asked = ["clean", "collected.csv", "--target", "y", "--validation", "checked.csv", "--quiet"];
    let result = json(scratch.path(), &[&asked[..], &["--json", "--output", "out"]].concat());
    let flagged = result["n_flagged"].as_u64().unwrap();
    assert!((10..=20).contains(&flagged), "{result}");
    let weights = scratch.read("out/weights.csv");
    assert_eq!(weights.lines().count(), 101);
    for line in weights.lines().skip(1).filter(|line| line.ends_with(",1")) {
        let row: usize = line.split(',').next().unwrap().parse().unwrap();
        assert_eq!((row - 1) % 5, 0, "{line}");
    }
    let predicted = ["predict", "out", "checked.csv", "--target", "y", "--output", "predicted.csv"];
    succeed(scratch.path(), &predicted);
    assert_eq!(scratch.read("predicted.csv").lines().count(), 61);
    let said = succeed(scratch.path(), &asked[..6]);
    assert!(said.contains("look wrong") && said.contains("of 100 samples"), "{said}");
}

#[test]
fn clean_rows_must_come_from_somewhere() {
    let scratch = Scratch::new("clean-refused");
    scratch.write("collected.csv", table(0, 100, true));
    assert!(refused(scratch.path(), &["clean", "collected.csv"]).contains("--validation"));
}
