//! Bad input of every kind ends in one sentence that names the file and the place, and says what was expected.
// a test ends with a panic; helpers of tests too
#![allow(clippy::panic, clippy::unwrap_used)]

use std::io::Write;
use std::path::Path;

use bilevel::data::FeatureNames;
use bilevel_io::{ReadError, ReadOptions, read_bytes, read_data, read_groups_bytes};

/// Asserts that the error is one sentence: it begins with the file and the place, holds no line break and names what was expected.
fn assert_sentence(error: &ReadError, beginning: &str, part: &str) {
    let sentence = error.to_string();
    assert!(sentence.starts_with(beginning), "`{sentence}` does not begin with `{beginning}`");
    assert!(sentence.contains(part), "`{sentence}` does not contain `{part}`");
    assert!(!sentence.contains('\n'), "`{sentence}` has several lines");
    assert!(sentence.len() < 400, "`{sentence}` is long");
}

fn refused(name: &str, bytes: &[u8], options: &ReadOptions) -> ReadError {
    match read_bytes(name, bytes, options) {
        Ok(data) => panic!("{name} was read as {data:?}"),
        Err(error) => error,
    }
}

fn options(target: Option<&str>) -> ReadOptions {
    ReadOptions { target: target.map(String::from), require_target: true, ..ReadOptions::default() }
}

#[test]
fn libsvm() {
    for (text, place, part) in [
        ("1 9:1 7:1\n", "line 1", "feature index 7 follows 9; LIBSVM indices must increase within a line"),
        ("1 1:1\n1 3:1 3:2\n", "line 2", "feature index 3 stands twice"),
        ("1 1:1\n\n# c\n1 0:1\n", "line 4", "feature index 0; LIBSVM indices start at 1"),
        ("1 -1:1\n", "line 1", "found `-1:1`; expected index:value with a whole number as index"),
        ("1 1.5:1\n", "line 1", "found `1.5:1`"),
        ("1 a:1\n", "line 1", "found `a:1`"),
        ("1 :1\n", "line 1", "found `:1`"),
        ("1 1:\n", "line 1", "found ``; expected a number as the value of feature 1"),
        ("1 1:x\n", "line 1", "found `x`; expected a number as the value of feature 1"),
        ("1 1:nan\n", "line 1", "found `nan`; expected a finite number as the value of feature 1"),
        ("1 2:-inf\n", "line 1", "found `-inf`; expected a finite number as the value of feature 2"),
        ("1 1:1e400\n", "line 1", "found `1e400`, beyond the largest double"),
        ("1 1:1:1\n", "line 1", "found `1:1`; expected a number"),
        ("1 7\n", "line 1", "found `7`; expected index:value"),
        ("1 qid:3 1:1\n", "line 1", "query id"),
        ("yes 1:1\n", "line 1", "found `yes`; expected a number as the label of the sample"),
        ("1,2 1:1\n", "line 1", "found `1,2`; expected a number as the label"),
        ("nan 1:1\n", "line 1", "found `nan`; expected a finite number as the label"),
        ("1 1:1\n1:1\n", "line 2", "no label; expected a number, as on the lines before"),
        ("1:1\n1 1:1\n", "line 2", "a label; expected none"),
        ("1:1\n", "line 1", "no label; expected a number before the features"),
        ("1 4000000000:1\n", "line 1", "feature index 4000000000; expected at most"),
        ("1 99999999999999999999999:1\n", "line 1", "expected at most"),
        ("\n# nothing\n", "line 1", "no samples"),
        ("1\n0\n", "line 1", "no features on any line"),
        ("1 1:\u{e9}\n", "line 1", "expected a number as the value of feature 1"),
    ] {
        assert_sentence(
            &refused("h.svm", text.as_bytes(), &options(None)),
            &format!("h.svm: {place}: "),
            part,
        );
    }
    let bytes = b"1 1:1\n\xff\xfe 1:1\n";
    assert_sentence(
        &refused("h.svm", bytes, &options(None)),
        "h.svm: line 2: ",
        "expected a number as the label",
    );
    let long = [b"1 1:1\n1 1:".to_vec(), vec![b'1'; 3 << 20]].concat();
    assert_sentence(&refused("h.svm", &long, &options(None)), "h.svm: line 2: ", "a word of more than");
}

#[test]
fn libsvm_against_what_was_asked() {
    let narrow = ReadOptions { n_features: Some(2), ..ReadOptions::default() };
    let error = refused("h.svm", b"1 1:1\n1 3:1\n", &narrow);
    assert_sentence(&error, "h.svm: line 2: ", "feature index 3; expected at most 2 features");
    let single = ReadOptions { single_precision: true, ..ReadOptions::default() };
    assert_sentence(&refused("h.svm", b"1 1:1e39\n", &single), "h.svm: line 1: ", "single precision");
    let error = refused("h.svm", b"1 1:1\n", &options(Some("age")));
    assert_sentence(&error, "h.svm: ", "target `age` is not a file; expected the path of a file or `none`");
}

#[test]
fn tables() {
    for (text, target, place, part) in [
        ("a,b\n1,2\n1,2,3\n", None, "line 3: ", "3 fields; expected 2, as in the header"),
        ("a,b\n1\n", None, "line 2: ", "1 field; expected 2, as in the header"),
        ("a,b\n\"1,2\n3,4\n", None, "line 2: ", "1 field; expected 2"),
        ("a,b\nx,1\n", None, "line 2, column `a`: ", "found `x`; expected a number"),
        ("a,b\n1,1\n\n\"2\n\",1\nx,1\n", None, "line 6, column `a`: ", "found `x`"),
        ("a,b\r\n1,1\r\n\r\n2,1\r\nx,1\r\n", None, "line 5, column `a`: ", "found `x`"),
        ("a,b\n,1\n", None, "line 2, column `a`: ", "an empty cell; expected a number"),
        ("a,b\nNA,1\n", None, "line 2, column `a`: ", "found `NA`; expected a number (missing values"),
        ("a,b\nnan,1\n", None, "line 2, column `a`: ", "found `nan`; expected a finite number"),
        ("a,b\nInf,1\n", None, "line 2, column `a`: ", "found `Inf`; expected a finite number"),
        ("a,b\n1e999,1\n", None, "line 2, column `a`: ", "beyond the largest double"),
        ("a,b\n1,\n", None, "line 2, column `b`: ", "an empty cell; expected a value of the target"),
        ("a,b\n1,NaN\n", None, "line 2, column `b`: ", "found `NaN`; expected a finite number"),
        ("a,b,a\n1,2,3\n", None, "line 1: ", "columns 1 and 3 are both named `a`; expected distinct names"),
        (",a,b\n1,2,3\n", None, "line 1: ", "column 1 has no name"),
        ("1,2,3\n4,5,6\n", None, "line 1: ", "only numbers; expected a header that names the columns"),
        ("a,b\n", None, "line 1: ", "only a header; expected rows after it"),
        ("\n\n", None, "line 1: ", "the file is empty"),
        ("a\n1\n", None, "line 1: ", "no feature columns"),
        (
            "age,sex,pressure\n1,2,3\n",
            Some("presure"),
            "",
            "no column (and no file) named `presure`; expected `pressure`",
        ),
        ("age,sex\n1,2\n", Some("3"), "", "target column 3; expected a number from 1 to 2"),
        ("age,sex\n1,2\n", Some("0"), "", "target column 0; expected"),
    ] {
        assert_sentence(
            &refused("h.csv", text.as_bytes(), &options(target)),
            &format!("h.csv: {place}"),
            part,
        );
    }
    assert_sentence(&refused("h.csv", b"a,\xff\n1,2\n", &options(None)), "h.csv: line 1: ", "not UTF-8");
    assert_sentence(
        &refused("h.csv", b"a,b\n1,\xff\n", &options(None)),
        "h.csv: line 2, column `b`: ",
        "not UTF-8",
    );
    assert_sentence(
        &refused("h.csv", b"a,b\n\xff,1\n", &options(None)),
        "h.csv: line 2, column `a`: ",
        "expected a number",
    );
}

#[test]
fn a_second_table() {
    let names = FeatureNames::Named(vec!["age".into(), "sex".into()]);
    let second = ReadOptions { feature_names: Some(names), ..ReadOptions::default() };
    let error = refused("h.csv", b"age,sx,y\n1,2,3\n", &second);
    assert_sentence(&error, "h.csv: line 1: ", "no column named `sex`; expected `sx`");
    let needed = ReadOptions { require_target: true, ..second };
    assert_sentence(&refused("h.csv", b"age,sex\n1,2\n", &needed), "h.csv: ", "no target; expected one");
    let counted = ReadOptions { n_features: Some(5), ..ReadOptions::default() };
    assert_sentence(
        &refused("h.csv", b"a,b,y\n1,2,3\n", &counted),
        "h.csv: line 1: ",
        "2 feature columns; expected 5",
    );
}

fn npy(header: &str, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\x00", length.as_slice(), header.as_bytes(), data].concat()
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)).unwrap()
}

#[test]
fn npy_arrays() {
    let header = |descr: &str, shape: &str| {
        format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n")
    };
    let nan = [1.0, f64::NAN].map(f64::to_le_bytes).concat();
    for (bytes, place, part) in [
        (b"hello, world".to_vec(), "header: ", "not those of a NumPy array"),
        (b"\x93NUMPY".to_vec(), "header: ", "ends within the header"),
        (b"\x93NUMPY\x01\x00\xff\x00{".to_vec(), "header: ", "ends within the header"),
        (b"\x93NUMPY\x09\x00\x00\x00".to_vec(), "header: ", "unknown version"),
        (npy("{}", &[]), "header: ", "no `descr`"),
        (
            npy(&header("'<f8'", "(2, 2)"), &[0; 31]),
            "header: ",
            "the shape 2 x 2 needs 32 bytes of values but 31 follow",
        ),
        (npy(&header("'<f8'", "(2, 2)"), &[0; 33]), "header: ", "needs 32 bytes of values but 33 follow"),
        (npy(&header("'<f8'", "(1152921504606846976, 2)"), &[0; 8]), "header: ", "beyond any memory"),
        (
            npy(&header("'<f8'", "(1152921504606846976, 1)"), &[0; 8]),
            "header: ",
            "needs 9223372036854775808 bytes of values but 8 follow",
        ),
        (npy(&header("'<f8'", "(4294967296, 3)"), &[0; 8]), "header: ", "bytes of values but 8 follow"),
        (npy(&header("'<f8'", "(-1, 2)"), &[0; 8]), "header: ", "dimension `-1`; expected a count"),
        (npy(&header("'<f8'", "(1,)"), &[0; 8]), "header: ", "an array of 1 dimension; expected 2"),
        (npy(&header("'<f8'", "()"), &[0; 8]), "header: ", "an array of 0 dimensions; expected 2"),
        (npy(&header("'<f8'", "(0, 2)"), &[]), "header: ", "0 rows and 2 columns; expected at least one"),
        (npy(&header("'<f8'", "(1, 1)"), &[0; 8]), "header: ", "a single column"),
        (npy(&header("'<f2'", "(1, 2)"), &[0; 4]), "header: ", "expected float32 or float64"),
        (
            npy(&header("'<M8[ns]'", "(1, 2)"), &[0; 16]),
            "header: ",
            "values of type `<M8[ns]`; expected real numbers",
        ),
        (npy(&header("[('a', '<f8')]", "(1,)"), &[0; 8]), "header: ", "an array of records"),
        (npy(&header("'<U1'", "(1, 2)"), &[0; 8]), "header: ", "an array of text; expected numbers"),
        (npy(&header("'<f8'", "(1, 2)"), &nan), "row 1, column 2: ", "found NaN; expected a finite number"),
        (fixture("objects.npy"), "header: ", "an array of Python objects (pickled)"),
        (fixture("complex.npy"), "header: ", "complex values (`<c16`); expected real numbers"),
    ] {
        assert_sentence(&refused("h.npy", &bytes, &options(None)), &format!("h.npy: {place}"), part);
    }
}

/// An archive of arrays, uncompressed.
fn npz(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in members {
        zip.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn integers(values: &[i64]) -> Vec<u8> {
    let data: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    npy(&format!("{{'descr': '<i8', 'fortran_order': False, 'shape': ({},), }}", values.len()), &data)
}

fn reals(values: &[f64]) -> Vec<u8> {
    let data: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    npy(&format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({},), }}", values.len()), &data)
}

fn layout(name: &str) -> Vec<u8> {
    npy("{'descr': '|S3', 'fortran_order': False, 'shape': (), }", name.as_bytes())
}

#[test]
fn npz_archives() {
    let csr = |indptr: &[i64], indices: &[i64], shape: &[i64], data: &[f64]| {
        npz(&[
            ("format", layout("csr")),
            ("shape", integers(shape)),
            ("data", reals(data)),
            ("indices", integers(indices)),
            ("indptr", integers(indptr)),
        ])
    };
    let coo = |row: &[i64], col: &[i64]| {
        npz(&[
            ("format", layout("coo")),
            ("shape", integers(&[2, 2])),
            ("data", reals(&[1.0, 2.0])),
            ("row", integers(row)),
            ("col", integers(col)),
        ])
    };
    let matrix = npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2), }", &[0; 16]);
    for (bytes, place, part) in [
        (fixture("no_x.npz"), "", "no member `X` (found features)"),
        (fixture("small.npz")[..400].to_vec(), "", "not a zip archive or a damaged one"),
        (b"PK\x03\x04 what?".to_vec(), "", "not a zip archive or a damaged one"),
        (npz(&[("X", b"hello, world".to_vec())]), "member `X`: ", "not those of a NumPy array"),
        (
            npz(&[("X", matrix.clone()), ("y", reals(&[1.0, 2.0]))]),
            "member `y`: ",
            "2 values; expected one for each of 1 samples",
        ),
        (npz(&[("X", matrix.clone()), ("y", reals(&[f64::NAN]))]), "member `y`: entry 1: ", "found NaN"),
        (npz(&[("X", matrix)]), "", "no target; expected one"),
        (
            csr(&[0, 1, 2], &[0, -1], &[2, 2], &[1.0, 2.0]),
            "member `indices`: entry 2: ",
            "found -1; expected an index of 0 or more",
        ),
        (
            csr(&[0, 1, 2], &[0, 2], &[2, 2], &[1.0, 2.0]),
            "member `indices`: entry 2: ",
            "index 2; expected an index below the 2 columns",
        ),
        (
            csr(&[0, 2, 1], &[0, 1], &[2, 2], &[1.0, 2.0]),
            "member `indptr`: ",
            "1 follows 2; expected values that never decrease",
        ),
        (csr(&[0, 1], &[0, 1], &[2, 2], &[1.0, 2.0]), "member `indptr`: ", "2 values; expected 3"),
        (
            csr(&[1, 1, 2], &[0, 1], &[2, 2], &[1.0, 2.0]),
            "member `indptr`: ",
            "it runs from 1 to 2; expected 0 to 2",
        ),
        (
            csr(&[0, 1, 2], &[0], &[2, 2], &[1.0, 2.0]),
            "member `indices`: ",
            "1 values; expected 2, as in `data`",
        ),
        (csr(&[0, 1, 2], &[0, 1], &[2, 2], &[1.0, f64::INFINITY]), "member `data`: entry 2: ", "found inf"),
        (csr(&[0, 1, 2], &[0, 1], &[2], &[1.0, 2.0]), "member `shape`: ", "1 dimensions; expected 2"),
        (csr(&[0, 1, 2], &[0, 1], &[2, 1 << 40], &[1.0, 2.0]), "member `shape`: ", "expected at most"),
        (csr(&[0, 1, 2], &[0, 1], &[1 << 60, 2], &[1.0, 2.0]), "member `shape`: ", "expected at most"),
        (csr(&[0], &[], &[0, 2], &[]), "member `shape`: ", "0 rows and 2 columns; expected at least one"),
        (coo(&[0, 2], &[0, 1]), "member `row`: entry 2: ", "index 2; expected an index below the 2 rows"),
        (coo(&[0, 1], &[0]), "member `col`: ", "1 values; expected 2"),
        (
            npz(&[("format", layout("bsr")), ("shape", integers(&[1, 1])), ("data", reals(&[1.0]))]),
            "member `format`: ",
            "layout `bsr`; expected csr, csc or coo",
        ),
        (npz(&[("format", layout("csr")), ("shape", integers(&[1, 1]))]), "member `data`: ", "it is missing"),
    ] {
        assert_sentence(&refused("h.npz", &bytes, &options(None)), &format!("h.npz: {place}"), part);
    }
}

#[test]
fn matrix_market() {
    let real = "%%MatrixMarket matrix coordinate real general\n";
    let array = "%%MatrixMarket matrix array real general\n";
    for (text, line, part) in [
        ("hello\n".to_string(), 1, "expected `%%MatrixMarket matrix …`"),
        ("%%MatrixMarket matrix coordinate complex general\n".into(), 1, "expected `real`, `integer` or"),
        ("%%MatrixMarket matrix list real general\n".into(), 1, "expected `coordinate` or `array`"),
        ("%%MatrixMarket matrix coordinate real hermitian\n".into(), 1, "expected `general`, `symmetric`"),
        (real.to_string(), 2, "the file ends before the sizes"),
        (format!("{real}2 2\n"), 2, "found `2 2`; expected three counts"),
        (format!("{real}2 -2 1\n"), 2, "sizes that are no counts"),
        (format!("{real}% c\n2 2 2\n1 1 5\n"), 5, "the file ends after 1 entries; expected 2"),
        (format!("{real}2 2 1\n1 1 5\n\n2 2 5\n"), 5, "more than the 1 entries"),
        (format!("{real}2 2 1\n3 1 5\n"), 3, "an entry outside the matrix; expected rows from 1 to 2"),
        (format!("{real}2 2 1\n1 0 5\n"), 3, "an entry outside the matrix"),
        (format!("{real}2 2 1\n1 1 nan\n"), 3, "found `nan`; expected a finite number"),
        (format!("{real}2 2 1\n1 1\n"), 3, "found `1 1`; expected row, column and value"),
        (format!("{real}1 1000000000000 1\n1 1 5\n"), 2, "expected at most"),
        (format!("{real}0 2 0\n"), 2, "expected at least one of each"),
        (format!("{array}4000000000 4000000000\n1\n"), 2, "expected a size that matches the"),
        (format!("{array}2 1\n1\n"), 4, "the file ends after 1 values"),
        (format!("{array}1 1\n1\n2\n"), 4, "more than the 1 entries"),
        ("%%MatrixMarket matrix array real symmetric\n1 2\n1\n1\n".into(), 2, "expected a square matrix"),
    ] {
        let none = ReadOptions { target: Some("none".into()), ..options(None) };
        assert_sentence(&refused("h.mtx", text.as_bytes(), &none), &format!("h.mtx: line {line}: "), part);
    }
    let error = refused("h.mtx", format!("{array}1 1\n1\n").as_bytes(), &options(None));
    assert_sentence(&error, "h.mtx: ", "no target; expected one in the file or in a file of its own");
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_files() {
    let whole = fixture("small_snappy.parquet");
    let mut damaged = whole.clone();
    damaged[4..60].fill(0xff);
    for (bytes, target, place, part) in [
        (fixture("null.parquet"), None, "row 2, column `a`: ", "a missing value (null)"),
        (fixture("text_feature.parquet"), None, "column `a`: ", "expected numbers"),
        (
            fixture("nested.parquet"),
            None,
            "column `a.list.element`: ",
            "a nested column; expected a flat one",
        ),
        (whole.clone(), Some("lable"), "", "no column (and no file) named `lable`; expected `label`"),
        (whole[..whole.len() - 9].to_vec(), None, "", "the file is damaged"),
        (b"PAR1PAR1".to_vec(), None, "", "the file is damaged"),
        (b"hello".to_vec(), None, "", "the file is damaged"),
        (damaged, None, "", "the file is damaged"),
    ] {
        assert_sentence(
            &refused("h.parquet", &bytes, &options(target)),
            &format!("h.parquet: {place}"),
            part,
        );
    }
}

#[test]
fn compressed_streams() {
    for (suffix, name) in [("gz", "gzip"), ("bz2", "bzip2"), ("xz", "xz"), ("zst", "zstd")] {
        let whole = fixture(&format!("small.libsvm.{suffix}"));
        let file = format!("h.svm.{suffix}");
        let beginning = format!("{file}: {name} data: ");
        for length in 0..whole.len() {
            // a second gzip member that is missing altogether leaves a whole first one
            if let Err(error) = read_bytes(&file, &whole[..length], &options(None)) {
                let sentence = error.to_string();
                assert!(
                    sentence.starts_with(&beginning)
                        || sentence == format!("{file}: line 1: the file is empty; expected data")
                        || suffix == "gz",
                    "{sentence}"
                );
            } else {
                assert_eq!(suffix, "gz", "cut at {length}");
            }
        }
        let cut = refused(&file, &whole[..whole.len() - 3], &options(None));
        assert_sentence(&cut, &beginning, "expected a whole compressed stream");
        let plain = refused(&file, b"1 1:1 2:2 3:3\n", &options(None));
        assert_sentence(&plain, &beginning, &format!("is named .{suffix} but begins with the bytes 31 20"));
        let mut damaged = whole.clone();
        let middle = whole.len() / 2;
        damaged[middle..middle + 8].iter_mut().for_each(|b| *b ^= 0x55);
        assert!(refused(&file, &damaged, &options(None)).to_string().starts_with(&file));
    }
}

#[test]
fn files_that_cannot_be_opened() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.svm");
    let read = |path: &Path| read_data(path, &options(None)).unwrap_err();
    assert_sentence(&read(&missing), &format!("{}: cannot be read: ", missing.display()), "No such file");
    assert_sentence(
        &read(folder.path()),
        &format!("{}: ", folder.path().display()),
        "it is a directory; expected a file",
    );
    assert_sentence(&read(Path::new("/dev/null")), "/dev/null: ", "a pipe or a device; expected a file");
    let empty = folder.path().join("empty.csv");
    std::fs::write(&empty, b"").unwrap();
    assert_sentence(&read(&empty), &format!("{}: line 1: ", empty.display()), "the file is empty");
    let secret = folder.path().join("secret.svm");
    std::fs::write(&secret, b"1 1:1\n").unwrap();
    std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    // the superuser may read it all the same
    if std::fs::File::open(&secret).is_err() {
        assert_sentence(
            &read(&secret),
            &format!("{}: cannot be read: ", secret.display()),
            "ermission denied",
        );
    }
    let unknown = refused("notes", b"dear diary\n", &options(None));
    assert_sentence(&unknown, "notes: line 1: ", "the format is not recognized");
}

#[test]
fn targets_in_files_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("y.txt");
    for (text, line, part) in [
        (&b"1\n"[..], "line 1: ", "the file ends after 1 values; expected one for each of 2 samples"),
        (b"1\n2\n3\n4\n", "line 4: ", "more than 2 values"),
        (b"1\n2\n3\n", "line 3: ", "3 values; expected one for each of 2 samples"),
        (b"1\nnan\n", "line 2: ", "found `nan`; expected a finite number"),
        (b"1\n\xff\n", "line 2: ", "not UTF-8"),
        (b"", "line 1: ", "the file ends after 0 values"),
        (
            b"%%MatrixMarket matrix array real general\n3 1\n1\n2\n3\n",
            "line 2: ",
            "expected one value for each of 2 samples",
        ),
        (b"%%MatrixMarket matrix coordinate real general\n2 1 0\n", "line 1: ", "expected an `array`"),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = refused("h.svm", b"0 1:1\n0 2:1\n", &options(path.to_str()));
        assert_sentence(&error, &format!("{}: {line}", path.display()), part);
    }
    let matrix = folder.path().join("y.npy");
    std::fs::write(&matrix, fixture("small_lef8.npy")).unwrap();
    let error = refused("h.svm", b"0 1:1\n0 2:1\n", &options(matrix.to_str()));
    assert_sentence(
        &error,
        &format!("{}: header: ", matrix.display()),
        "an array of 2 dimensions; expected a vector",
    );
}

#[test]
fn groups() {
    let names = FeatureNames::Named(vec!["age".into(), "sex".into(), "dose".into()]);
    let read = |text: &[u8]| read_groups_bytes("g.csv", text, &names, 3);
    assert_eq!(read(b"b\na\nb\n").unwrap(), [0, 1, 0]);
    assert_eq!(read(b"feature,group\ndose,x\nage,w\nsex,w\n").unwrap(), [0, 0, 1]);
    for (text, line, part) in [
        (&b"a\nb\n"[..], 2, "the file ends after 2 lines; expected one for each of 3 features"),
        (b"a\nb\nc\nd\n", 4, "more than 3 lines"),
        (b"a\n\nb\n", 2, "an empty line; expected the group of a feature"),
        (b"a\n\xff\nb\n", 2, "not UTF-8"),
        (b"", 1, "the file ends after 0 lines"),
        (b"feature,group\nage,1\nsx,2\n", 3, "no feature named `sx`; expected `sex`"),
        (b"feature,group\nage,1\nage,2\n", 3, "feature `age` stands twice"),
        (b"feature,group\nage,1\nsex\n", 3, "expected two fields"),
        (b"feature,group\nage,1\nsex,2\n", 3, "no group for feature `dose`; expected one for each"),
    ] {
        assert_sentence(&read(text).unwrap_err(), &format!("g.csv: line {line}: "), part);
    }
}
