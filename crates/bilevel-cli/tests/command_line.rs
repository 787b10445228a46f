//! What the command says: help for people, and one sentence for everything it cannot use.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may fail by panicking

mod common;

use common::{Scratch, bilevel, refused, stderr, stdout, succeed};

/// Table of 30 samples with a target, three features and a text column of two classes.
fn table() -> String {
    let mut text = String::from("price,rooms,area,age,kind\n");
    for i in 0..30 {
        let (rooms, area, age) = (i % 5, (i * 7) % 11, (i * 3) % 13);
        let kind = if (i * 5) % 3 == 0 { "house" } else { "flat" };
        text += &format!("{},{rooms},{area},{age},{kind}\n", 3 * rooms + 2 * area);
    }
    text
}

#[test]
fn help_of_every_subcommand_begins_with_examples_that_call_it() {
    let scratch = Scratch::new("help");
    let top = succeed(scratch.path(), &["--help"]);
    assert!(top.starts_with("Examples:\n  bilevel demo"), "{top}");
    for subcommand in ["fit", "predict", "evaluate", "gradcheck", "demo", "reproduce"] {
        let help = succeed(scratch.path(), &[subcommand, "--help"]);
        assert!(help.starts_with(&format!("Examples:\n  bilevel {subcommand}")), "{help}");
        assert!(top.contains(&format!("\n  {subcommand} ")), "{top}");
    }
}

#[test]
fn help_of_fit_names_every_option_of_the_stable_interface() {
    let scratch = Scratch::new("options");
    let help = succeed(scratch.path(), &["fit", "--help"]);
    for option in [
        "--target",
        "--validation",
        "--holdout",
        "--folds",
        "--test",
        "--test-fraction",
        "--loss",
        "--penalty",
        "--weights",
        "--groups",
        "--l2",
        "--outer",
        "--policy",
        "--standardize",
        "--no-intercept",
        "--seed",
        "--threads",
        "--tol",
        "--max-outer",
        "--time-limit",
        "--output",
        "--resume",
        "--json",
        "--quiet",
        "--positive",
        "--f32",
    ] {
        assert!(
            help.contains(&format!("{option} ")) || help.contains(&format!("{option}\n")),
            "{option}\n{help}"
        );
    }
}

#[test]
fn settings_that_cannot_be_used_are_refused_in_one_sentence_and_write_nothing() {
    let scratch = Scratch::new("settings");
    scratch.write("house.csv", table());
    let cases: &[(&str, &str)] = &[
        ("fit house.csv --l2 -1 --penalty elastic-net", "--l2"),
        ("fit house.csv --l2 0.1", "elastic-net"),
        ("fit house.csv --l2 inf --penalty elastic-net", "0 or more"),
        ("fit house.csv --folds 1", "2 or more"),
        ("fit house.csv --folds -3", "2 or more"),
        ("fit house.csv --folds 2.5", "--folds"),
        ("fit house.csv --holdout 1.5", "between 0 and 1"),
        ("fit house.csv --holdout 0", "between 0 and 1"),
        ("fit house.csv --holdout -0.1", "between 0 and 1"),
        ("fit house.csv --test-fraction 1", "between 0 and 1"),
        ("fit house.csv --test-fraction nan", "between 0 and 1"),
        ("fit house.csv --folds 3 --holdout 0.2", "cannot be used with"),
        ("fit house.csv --folds 3 --validation house.csv", "cannot be used with"),
        ("fit house.csv --test house.csv --test-fraction 0.2", "cannot be used with"),
        ("fit house.csv --time-limit 0", "above 0"),
        ("fit house.csv --time-limit inf", "above 0"),
        ("fit house.csv --threads 0", "1 or more"),
        ("fit house.csv --threads two", "1 or more"),
        ("fit house.csv --threads -1", "1 or more"),
        ("fit house.csv --max-outer 0", "1 or more"),
        ("fit house.csv --tol nan", "between 0 and 1"),
        ("fit house.csv --tol 0", "between 0 and 1"),
        ("fit house.csv --seed -1", "--seed"),
        ("fit house.csv --loss hinge", "logistic"),
        ("fit house.csv --penalty l2", "elastic-net"),
        ("fit house.csv --weights many", "adaptive"),
        ("fit house.csv --outer adam", "ntrba"),
        ("fit house.csv --policy best", "self-consistent"),
        ("fit house.csv --penalty group-l1", "--groups"),
        ("fit house.csv --weights group", "--groups"),
        ("fit house.csv --positive house --loss squared", "--loss logistic"),
        ("fit house.csv --fold 3", "--folds"),
        ("fit house.csv house.csv", "house.csv"),
        ("fit house.csv --output", "--output"),
        ("fit --resume nowhere", "nowhere"),
        ("fit --resume nowhere --folds 3", "found --folds as well"),
        ("fit house.csv --resume nowhere", "found DATA as well"),
        ("predict", "<MODEL>"),
        ("gradcheck house.csv --parameters 0", "1 or more"),
        ("demo mnist", "phishing"),
        ("reproduce", "<TABLE>"),
        ("reproduce starvation", "starvation-toy"),
        ("reproduce real", "--data-dir"),
        ("reproduce real --data-dir nowhere", "nowhere"),
        ("reproduce real --data-dir .", "phishing.svm"),
        ("reproduce degenerate --data-dir .", "--data-dir"),
        ("reproduce anchor --seeds 2", "--seeds"),
        ("reproduce degenerate --seeds 0", "1 or more"),
        ("reproduce starvation-toy --output house.csv", "house.csv"),
        ("learn", "learn"),
    ];
    for (line, hint) in cases {
        let said = refused(scratch.path(), &line.split(' ').collect::<Vec<_>>());
        assert!(said.contains(hint), "bilevel {line}\n{said}");
    }
    assert_eq!(scratch.names(), ["house.csv"]);
}

#[test]
fn data_that_cannot_be_used_are_refused_in_one_sentence_and_write_nothing() {
    let scratch = Scratch::new("data");
    scratch.write("house.csv", table());
    scratch.write("empty.csv", "");
    scratch.write("ragged.csv", "y,a\n1,2\n3\n");
    scratch.write("nan.csv", "y,a\n1,2\n3,nan\n");
    scratch.write("one.csv", "y,a\nx,2\nx,3\nx,4\n");
    scratch.write("three.csv", "y,a\nu,2\nv,3\nw,4\n");
    scratch.write("decreasing.svm", "1 1:1 2:1\n-1 3:1 2:1\n");
    scratch.write("groups.txt", "1\n2\n");
    let cases: &[(&str, &[&str])] = &[
        ("fit missing.csv", &["missing.csv", "No such file"]),
        ("fit .", &["cannot be read"]),
        ("fit empty.csv", &["empty.csv"]),
        ("fit ragged.csv", &["ragged.csv", "line 3"]),
        ("fit nan.csv", &["nan.csv", "line 3"]),
        ("fit decreasing.svm", &["decreasing.svm", "line 2"]),
        ("fit one.csv --target y", &["one.csv", "one class only"]),
        ("fit three.csv --target y", &["three.csv", "positive"]),
        ("fit three.csv --target y --positive z", &["three.csv", "`z`"]),
        ("fit three.csv --target y --loss squared", &["three.csv", "text"]),
        ("fit house.csv --target pprice", &["house.csv", "`pprice`", "`price`"]),
        ("fit house.csv --target 9", &["house.csv", "9"]),
        ("fit house.csv --target price", &["house.csv", "line 2", "kind"]),
        ("fit house.csv --validation missing.csv --target kind", &["missing.csv"]),
        ("fit house.csv --target kind --test one.csv", &["one.csv"]),
        ("fit diabetes --groups groups.txt --weights group", &["groups.txt", "10"]),
        ("fit house.csv --target kind --output house.csv", &["house.csv", "expected a directory"]),
        ("fit house.csv --target kind --output house.csv/below", &["house.csv/below"]),
        ("predict house.csv house.csv", &["house.csv", "model.json"]),
        ("predict . house.csv", &["model.json", "No such file"]),
        ("evaluate missing house.csv", &["missing", "No such file"]),
        ("gradcheck missing.csv", &["missing.csv"]),
    ];
    let before = scratch.names();
    for (line, hints) in cases {
        let arguments: Vec<&str> = line
            .split(' ')
            .chain((!line.contains("--output") && line.starts_with("fit")).then_some("--output=out"))
            .collect();
        let said = refused(scratch.path(), &arguments);
        for hint in *hints {
            assert!(said.contains(hint), "bilevel {line}\nno `{hint}` in: {said}");
        }
    }
    assert_eq!(scratch.names(), before);
}

#[test]
fn damaged_models_and_checkpoints_are_refused_in_one_sentence() {
    let scratch = Scratch::new("damaged");
    scratch.write("house.csv", table());
    std::fs::create_dir(scratch.path().join("run")).unwrap();
    for (text, hint) in [
        ("", "model.json"),
        ("{\"schema\": 99}", "99"),
        ("{\"schema\": 1}", "model"),
        ("{\"schema\": 1, \"model\": {}}", "line 1"),
        ("\u{0}\u{1}", "expected"),
    ] {
        scratch.write("run/model.json", text);
        for subcommand in ["predict", "evaluate"] {
            let said = refused(scratch.path(), &[subcommand, "run", "house.csv"]);
            assert!(said.contains(hint), "{said}");
        }
    }
    for text in ["", "{", "[]", "{\"schema\":1,\"journal\":[", "\u{feff}"] {
        scratch.write("run/checkpoint.json", text);
        let said = refused(scratch.path(), &["fit", "--resume", "run"]);
        assert!(said.contains("checkpoint.json") && said.contains("damaged"), "{said}");
    }
}

#[test]
fn no_arguments_show_the_help_and_fail() {
    let scratch = Scratch::new("nothing");
    let output = bilevel(scratch.path(), &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).starts_with("Examples:"));
    assert_eq!(stdout(&output), "");
}

#[test]
fn the_version_is_that_of_the_package() {
    let scratch = Scratch::new("version");
    assert_eq!(
        succeed(scratch.path(), &["--version"]).trim(),
        format!("bilevel {}", env!("CARGO_PKG_VERSION"))
    );
}
