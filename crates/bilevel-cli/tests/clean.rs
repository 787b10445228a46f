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

#[test]
fn the_report_lists_the_rows_that_look_worst_and_what_changed() {
    let scratch = Scratch::new("clean-report");
    scratch.write("collected.csv", table(0, 100, true));
    scratch.write("checked.csv", table(100, 60, false));
    scratch.write("fresh.csv", table(160, 40, false));
    let files = ["collected.csv", "--target", "y", "--validation", "checked.csv", "--test", "fresh.csv"];
    succeed(scratch.path(), &[&["clean"], &files[..], &["--quiet", "--output", "out"]].concat());
    let page = scratch.read("out/report.html");
    for text in ["look wrong", "fresh sample", "test loss", "that only watched", "bilevel clean", "threshold"]
    {
        assert!(page.contains(text), "{text}");
    }
    assert!(!page.contains("NaN") && !page.contains("http://") && !page.contains("https://"));
}

#[test]
fn text_of_three_classes_is_cleaned_and_leaves_no_model_that_predict_would_refuse() {
    let scratch = Scratch::new("clean-classes");
    let rows = |from: usize, n: usize, wrong: bool| {
        let mut text = String::from("kind,a,b\n");
        for i in from..from + n {
            let kind = i % 3;
            let [a, b] = [7, 11].map(|m| ((i * m + i * i) % 17) as f64 / 17.0);
            let (x, y) = ([0.0, 1.5, 0.0][kind] + a, [0.0, 0.0, 1.5][kind] + b);
            let said = if wrong && i % 6 == 0 { (kind + 1) % 3 } else { kind };
            text += &format!("{},{x},{y}\n", ["oak", "ash", "elm"][said]);
        }
        text
    };
    scratch.write("collected.csv", rows(0, 150, true));
    scratch.write("checked.csv", rows(150, 90, false));
    let files = ["collected.csv", "--target", "kind", "--validation", "checked.csv", "--test", "checked.csv"];
    let result =
        json(scratch.path(), &[&["clean"], &files[..], &["--quiet", "--json", "--output", "out"]].concat());
    assert_eq!(result["record"]["hypergradient"][1], serde_json::Value::Null);
    assert!(result["record"]["test"]["accuracy"].as_f64().unwrap() > 0.9, "{result}");
    let flagged: Vec<usize> = (scratch.read("out/weights.csv").lines().skip(1))
        .filter(|line| line.ends_with(",1"))
        .map(|line| line.split(',').next().unwrap().parse::<usize>().unwrap() - 1)
        .collect();
    let right = flagged.iter().filter(|row| *row % 6 == 0).count();
    assert!(right >= 15 && 10 * right >= 8 * flagged.len(), "{flagged:?}");
    assert!(scratch.read("out/report.html").contains("oak"));
    assert!(!scratch.path().join("out/model.json").exists());
}
