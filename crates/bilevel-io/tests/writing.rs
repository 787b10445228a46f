//! Files are written whole or not at all.
// a test ends with a panic; helpers of tests too
#![allow(clippy::panic, clippy::unwrap_used)]

use std::io;
use std::path::Path;

use bilevel_io::{
    Column, ReadOptions, WriteError, read_data, write_atomically, write_coefficients_csv, write_json,
    write_predictions_csv,
};

fn entries(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_failed_write_leaves_the_old_file_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.json");
    write_atomically(&path, |out| out.write_all(b"old")).unwrap();
    let error = write_atomically(&path, |out| {
        out.write_all(&vec![b'x'; 1 << 20])?;
        Err(io::Error::new(io::ErrorKind::StorageFull, "no space left on device"))
    })
    .unwrap_err();
    assert_eq!(error.to_string(), format!("{}: cannot be written: no space left on device", path.display()));
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    assert_eq!(entries(folder.path()), ["model.json"]);
}

#[test]
fn a_panic_while_writing_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.json");
    let result = std::panic::catch_unwind(|| write_atomically(&path, |_| panic!("expected by the test")));
    assert!(result.is_err());
    assert!(entries(folder.path()).is_empty());
}

#[test]
fn a_full_disk_is_a_sentence() {
    let full = Path::new("/dev/full");
    if full.exists() {
        let error = write_atomically(full, |out| out.write_all(&[0; 100_000])).unwrap_err();
        let sentence = error.to_string();
        assert!(sentence.starts_with("/dev/full: cannot be written: No space left"), "{sentence}");
        let small = write_atomically(full, |out| out.write_all(b"fits the buffer")).unwrap_err();
        assert!(matches!(small, WriteError::Io { .. }));
        assert!(full.exists());
    }
}

#[test]
fn a_missing_folder_and_a_folder_are_sentences() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("missing").join("a.csv");
    let error = write_json(&inside, &1).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}: cannot be written: No such file", inside.display())), "{error}");
    let error = write_json(folder.path(), &1).unwrap_err().to_string();
    assert!(error.ends_with("expected the path of a file"), "{error}");
}

#[test]
fn a_link_stays_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let (target, link) = (folder.path().join("target"), folder.path().join("link"));
    std::fs::write(&target, b"old").unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    write_atomically(&link, |out| out.write_all(b"new")).unwrap();
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(std::fs::read(&target).unwrap(), b"new");
}

#[test]
fn tables_read_back_as_the_same_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("predictions.csv");
    let (values, more) = ([0.1 + 0.2, -1e-300, 1e22, 5e-324], [1.0, 2.0, f64::MAX, -0.5]);
    write_predictions_csv(&path, Column::Numbers(&values), &[("probability", Column::Numbers(&more))])
        .unwrap();
    let data =
        read_data(&path, &ReadOptions { target: Some("none".into()), ..ReadOptions::default() }).unwrap();
    let bilevel::design::Design::Dense(matrix) = &data.design else { panic!("not dense") };
    assert_eq!((matrix.column(0), matrix.column(1)), (&values[..], &more[..]));
}

#[test]
fn coefficients_keep_names_with_commas_and_quotes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("coefficients.csv");
    let names = ["age, years".to_string(), "the \"dose\"".to_string()];
    write_coefficients_csv(&path, &names, &[1.5, -2.0], &[("weight", Column::Numbers(&[0.5, 1e-7]))])
        .unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, "feature,coefficient,weight\n\"age, years\",1.5,0.5\n\"the \"\"dose\"\"\",-2.0,1e-7\n");
    let error = write_coefficients_csv(&path, &names, &[1.5], &[]).unwrap_err();
    assert!(error.to_string().ends_with("column `coefficient` has 1 values; expected 2"), "{error}");
}

#[test]
fn json_is_indented_and_ends_with_a_newline() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    write_json(&path, &serde_json::json!({"a": 1})).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\n  \"a\": 1\n}\n");
}
