//! The main job as a user sees it: data in, model, numbers and report out.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may fail by panicking

mod common;

use std::io::Read;
use std::process::Stdio;

use common::{Scratch, bilevel, command, json, names, stderr, succeed};
use serde_json::Value;

/// 60 samples of z = 2·a − 3·b + 1 with small deterministic deviations, and a feature `noise` that does not matter.
fn line_table(from: usize) -> String {
    let mut text = String::from("z,a,b,noise\n");
    for i in from..from + 60 {
        let [a, b, noise] = [7, 11, 13].map(|m| ((i * m + i * i) % 17) as f64 / 8.0 - 1.0);
        let z = 2.0 * a - 3.0 * b + 1.0 + 0.01 * ((i * 5) % 7) as f64;
        text += &format!("{z},{a},{b},{noise}\n");
    }
    text
}

fn number(value: &Value, path: &str) -> f64 {
    value.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("{path} is no number in {value}"))
}

#[test]
fn a_ridge_penalty_keeps_every_feature_and_predicts() {
    let scratch = Scratch::new("ridge");
    std::fs::write(scratch.path().join("train.csv"), line_table(0)).unwrap();
    std::fs::write(scratch.path().join("new.csv"), line_table(60)).unwrap();
    let fit =
        ["fit", "train.csv", "--target", "z", "--penalty", "ridge", "--json", "--quiet", "--output", "out"];
    let result = json(scratch.path(), &fit);
    assert_eq!(number(&result, "/support_size"), 3.0);
    assert!(number(&result, "/certificate/relative_gap") < 1e-12);
    let scored = json(scratch.path(), &["evaluate", "out", "new.csv", "--json"]);
    assert!(number(&scored, "/score/r2") > 0.999, "{scored}");
    let refused = ["fit", "train.csv", "--target", "z", "--penalty", "ridge", "--weights", "adaptive"];
    let output = bilevel(scratch.path(), &refused);
    assert!(!output.status.success());
    let message = stderr(&output);
    assert!(message.contains("weights") && message.contains("ridge"), "{message}");
}

#[test]
fn the_json_object_has_every_promised_field() {
    let scratch = Scratch::new("json");
    let result =
        json(scratch.path(), &["fit", "--weights", "scalar", "--test-fraction", "0.25", "--json", "--quiet"]);
    for path in [
        "/criterion/value",
        "/criterion/standard_error",
        "/lambda",
        "/lambda_max",
        "/ridge",
        "/n_samples",
        "/n_features",
        "/support_size",
        "/lower_level/objective",
        "/lower_level/duality_gap",
        "/certificate/residual",
        "/certificate/hypergradient_norm",
        "/certificate/hypergradient_error_bound",
        "/certificate/biactive",
        "/outer/steps",
        "/outer/evaluations",
        "/seconds/load",
        "/seconds/search",
        "/seconds/final_fit",
        "/seconds/total",
        "/test/n_samples",
        "/test/loss",
        "/test/baseline_loss",
        "/test/r2",
        "/seed",
    ] {
        number(&result, path);
    }
    for path in [
        "/criterion/name",
        "/weights",
        "/outer/method",
        "/outer/stop_reason",
        "/version",
        "/data_fingerprint",
    ] {
        assert!(result.pointer(path).is_some_and(Value::is_string), "{path} in {result}");
    }
    assert_eq!(result["certificate"]["certified"]["complete"], true);
    assert!(number(&result, "/certificate/certified/relative") <= 1e-3);
    assert!(result["certificate"]["stationary"].is_boolean() && result["settings"].is_object());
    assert_eq!(result["weights"], "scalar");
    assert_eq!((number(&result, "/n_features"), number(&result, "/test/n_samples")), (10.0, 111.0));
    assert_eq!(number(&result, "/n_samples") + number(&result, "/test/n_samples"), 442.0);
    assert!(number(&result, "/test/loss") < 0.8 * number(&result, "/test/baseline_loss"), "{result}");
    assert!(scratch.names().is_empty(), "without --output nothing is written");
}

#[test]
fn the_demonstration_writes_four_files_and_says_where_the_report_lies() {
    let scratch = Scratch::new("demo");
    let said = succeed(scratch.path(), &["demo"]);
    assert!(said.contains("bilevel-demo/report.html") && said.contains("of 10 features"), "{said}");
    let expected = ["coefficients.csv", "model.json", "report.html", "trace.jsonl"];
    assert_eq!(names(&scratch.path().join("bilevel-demo")), expected);
    assert!(scratch.read("bilevel-demo/report.html").contains("</html>"));
    for line in scratch.read("bilevel-demo/trace.jsonl").lines() {
        let step: Value = serde_json::from_str(line).unwrap();
        assert!(step["stage"].is_string() && step["value"].is_number());
    }
    let model: Value = serde_json::from_str(&scratch.read("bilevel-demo/model.json")).unwrap();
    assert_eq!(model["schema"], 1);
    // run again: the same files, replaced; nothing is left beside them
    let again = json(scratch.path(), &["demo", "--json", "--quiet"]);
    assert_eq!(names(&scratch.path().join("bilevel-demo")), expected);
    assert_eq!(again["criterion"], model["record"]["criterion"], "the same seed gives the same answer");
}

#[test]
fn predictions_are_the_linear_model_of_the_coefficient_table() {
    let scratch = Scratch::new("predict");
    scratch.write("train.csv", line_table(0));
    scratch.write("new.csv", line_table(100));
    let fitted =
        json(scratch.path(), &["fit", "train.csv", "--target", "z", "--output", "run", "--json", "--quiet"]);
    let mut rows =
        scratch.read("run/coefficients.csv").lines().skip(1).map(str::to_string).collect::<Vec<_>>();
    assert_eq!(rows.len(), 3);
    let coefficients: Vec<f64> =
        rows.drain(..).map(|row| row.split(',').nth(1).unwrap().parse().unwrap()).collect();
    let intercept = number(&fitted, "/intercept");
    let predicted = succeed(scratch.path(), &["predict", "run", "new.csv"]);
    let mut lines = predicted.lines();
    assert_eq!(lines.next(), Some("prediction"));
    for row in line_table(100).lines().skip(1) {
        let x: Vec<f64> = row.split(',').map(|field| field.parse().unwrap()).collect();
        let z = intercept + (0..3).map(|j| coefficients[j] * x[j + 1]).sum::<f64>();
        let printed: f64 = lines.next().unwrap().parse().unwrap();
        assert!((printed - z).abs() <= 1e-12 * (1.0 + z.abs()), "{printed} {z}");
        assert!((printed - x[0]).abs() < 0.2, "the model predicts what the data follow: {printed} {}", x[0]);
    }
    assert_eq!(lines.next(), None);
    // columns in another order, without the target, through model.json and into a file: the same predictions
    let reordered: Vec<String> = line_table(100)
        .lines()
        .map(|row| {
            let fields: Vec<&str> = row.split(',').collect();
            [fields[3], fields[1], fields[2]].join(",")
        })
        .collect();
    scratch.write("reordered.csv", reordered.join("\n"));
    succeed(scratch.path(), &["predict", "run/model.json", "reordered.csv", "--output", "predicted.csv"]);
    assert_eq!(scratch.read("predicted.csv"), predicted);
}

#[test]
fn evaluating_the_test_file_gives_the_test_score_of_the_fit() {
    let scratch = Scratch::new("evaluate");
    scratch.write("train.csv", line_table(0));
    scratch.write("test.csv", line_table(200));
    let line =
        ["fit", "train.csv", "--target", "z", "--test", "test.csv", "--output", "run", "--json", "--quiet"];
    let fitted = json(scratch.path(), &line);
    let evaluated = json(scratch.path(), &["evaluate", "run", "test.csv", "--json"]);
    for field in ["/loss", "/mean_squared_error", "/r2"] {
        let [fit, evaluate] =
            [("/test", &fitted), ("/score", &evaluated)].map(|(at, v)| number(v, &format!("{at}{field}")));
        assert!((fit - evaluate).abs() <= 1e-12 * fit.abs(), "{field}: {fit} {evaluate}");
    }
    assert!(number(&evaluated, "/score/r2") > 0.99);
    assert!(succeed(scratch.path(), &["evaluate", "run", "test.csv"]).contains("R²"));
}

#[test]
fn classes_are_predicted_by_their_names_with_probabilities() {
    let scratch = Scratch::new("classes");
    let named: String = line_table(0)
        .lines()
        .enumerate()
        .map(|(i, row)| {
            let (z, rest) = row.split_once(',').unwrap();
            let label = z.parse::<f64>().map_or("kind", |z| if z > 1.0 { "spam, mostly" } else { "ham" });
            let label = if i % 19 == 5 { "ham" } else { label };
            format!("\"{label}\",{rest}\n")
        })
        .collect();
    scratch.write("mail.csv", named);
    let line = ["fit", "mail.csv", "--target", "kind", "--output", "run"];
    let output = common::bilevel(scratch.path(), &line);
    assert!(common::stderr(&output).contains("classes: ham -> -1, spam, mostly -> +1"));
    let predicted = succeed(scratch.path(), &["predict", "run", "mail.csv"]);
    let mut lines = predicted.lines();
    assert_eq!(lines.next(), Some("prediction,probability,decision"));
    for line in lines {
        let (numbers, label) = line.split_once(if line.ends_with('"') { ",\"" } else { ",h" }).unwrap();
        let fields: Vec<f64> = numbers.split(',').map(|field| field.parse().unwrap()).collect();
        assert!((fields[1] - 1.0 / (1.0 + (-fields[0]).exp())).abs() < 1e-12);
        assert_eq!(fields[1] > 0.5, label.starts_with("spam"), "{line}");
    }
    let score = json(scratch.path(), &["evaluate", "run", "mail.csv", "--json"]);
    assert!(number(&score, "/score/accuracy") > 0.85);
}

#[test]
fn a_validation_file_judges_and_its_size_is_recorded() {
    let scratch = Scratch::new("validation");
    scratch.write("train.csv", line_table(0));
    scratch.write("validation.csv", line_table(300));
    let line = ["fit", "train.csv", "--target", "z", "--validation", "validation.csv", "--json", "--quiet"];
    let result = json(scratch.path(), &line);
    assert_eq!(result["settings"]["split"]["validation"], 60);
    assert_eq!(number(&result, "/n_samples"), 120.0);
}

#[test]
fn quiet_says_nothing_and_a_log_gets_plain_lines() {
    let scratch = Scratch::new("quiet");
    let output = common::bilevel(scratch.path(), &["fit", "--weights", "scalar", "--quiet"]);
    assert_eq!((common::stdout(&output), common::stderr(&output)), (String::new(), String::new()));
    let output = common::bilevel(scratch.path(), &["fit", "--weights", "scalar"]);
    let log = common::stderr(&output);
    assert!(
        log.lines().any(|line| line.starts_with("scalar step ") && line.contains(": criterion ")),
        "{log}"
    );
    assert!(!log.contains('\u{1b}') && !log.contains('\r'), "no terminal codes in a log");
}

#[test]
fn a_reader_that_goes_away_is_no_accident() {
    let scratch = Scratch::new("pipe");
    let mut child = command(scratch.path(), &["fit", "--weights", "scalar", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{said}");
    assert!(!said.contains("panicked") && !said.contains("error"), "{said}");
}

#[test]
fn gradcheck_prints_a_table_in_which_all_agree() {
    let scratch = Scratch::new("gradcheck");
    let table = succeed(scratch.path(), &["gradcheck", "--folds", "3", "--parameters", "4"]);
    assert!(table.contains("central difference") && table.contains("all agree to 1e-6"), "{table}");
    let object = json(scratch.path(), &["gradcheck", "--folds", "3", "--parameters", "4", "--json"]);
    assert_eq!(object["passed"], true);
    assert_eq!(object["rows"].as_array().unwrap().len(), 4);
    assert!(number(&object, "/largest_relative_error") <= 1e-6);
}
