//! `bilevel reproduce` as a user runs it: files, the table on the terminal, sets from a directory.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may fail by panicking

mod common;

use std::fmt::Write as _;

use common::{Scratch, bilevel, refused, stderr, stdout, succeed};

/// 60 samples of two classes in LIBSVM format.
fn classes() -> String {
    let mut text = String::new();
    for i in 0..60_usize {
        let (a, b) = ((i * 7) % 11, (i * 5) % 13);
        let label = if a + (i * 3) % 5 > 6 { "1" } else { "-1" };
        writeln!(text, "{label} 1:{a} 2:{b} 3:{}", (i * 3) % 5 + 1).unwrap();
    }
    text
}

#[test]
fn a_table_is_printed_and_written_with_its_plots() {
    let scratch = Scratch::new("reproduce");
    let said = succeed(scratch.path(), &["reproduce", "starvation-toy", "--output", "out"]);
    assert!(said.starts_with("| step | ") && said.contains("starvation-toy.md"), "{said}");
    let names = common::names(&scratch.path().join("out"));
    assert_eq!(
        names,
        [
            "starvation-toy-coefficient.svg",
            "starvation-toy-criterion.svg",
            "starvation-toy.csv",
            "starvation-toy.md"
        ]
    );
    let page = scratch.read("out/starvation-toy.md");
    assert!(page.contains("](starvation-toy-coefficient.svg)"), "{page}");
    assert!(said.starts_with(page.lines().find(|line| line.starts_with('|')).unwrap()));
}

#[test]
fn quiet_says_nothing_and_writes_all_the_same() {
    let scratch = Scratch::new("reproduce-quiet");
    let output = bilevel(scratch.path(), &["reproduce", "starvation-toy", "--quiet"]);
    assert_eq!(
        (stdout(&output), stderr(&output), output.status.code()),
        (String::new(), String::new(), Some(0))
    );
    assert_eq!(scratch.names(), ["bilevel-reproduce"]);
}

#[test]
fn sets_of_a_directory_join_the_embedded_ones() {
    let scratch = Scratch::new("reproduce-sets");
    scratch.write("small.svm", classes());
    scratch.write("notes.txt", "not a data set");
    let said =
        succeed(scratch.path(), &["reproduce", "anchor", "--data-dir", ".", "--output", "out", "--quick"]);
    for set in ["| diabetes | 442 |", "| phishing | 1000 |", "| small | 60 |"] {
        assert!(said.contains(set), "{said}");
    }
    assert_eq!(scratch.read("out/anchor.csv").lines().count(), 4);
}

#[test]
fn missing_sets_of_the_real_table_are_named_and_a_damaged_one_ends_it_with_its_line() {
    let scratch = Scratch::new("reproduce-real");
    scratch.write("phishing.svm", classes());
    let output =
        bilevel(scratch.path(), &["reproduce", "real", "--data-dir", ".", "--quick", "--output", "out"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("news20.svm not there"), "{}", stderr(&output));
    assert!(stdout(&output).contains("| phishing | 60 | 3 | auto |"), "{}", stdout(&output));
    scratch.write("phishing.svm", "1 2:1 1:1\n");
    std::fs::remove_dir_all(scratch.path().join("out")).unwrap();
    let said = refused(scratch.path(), &["reproduce", "real", "--data-dir", ".", "--output", "out"]);
    assert!(said.contains("phishing.svm") && said.contains("line 1"), "{said}");
    assert_eq!(scratch.names(), ["phishing.svm"]);
}
