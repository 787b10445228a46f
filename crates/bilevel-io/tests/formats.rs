//! Every format gives the matrix that NumPy, SciPy, scikit-learn or pyarrow wrote (see `fixtures/README.md`).

use std::path::{Path, PathBuf};

use bilevel::data::{FeatureNames, RawData, RawTarget};
use bilevel::design::{Design, DesignMatrix};
use bilevel_io::{Format, ReadOptions, read_bytes, read_data};

const N: usize = 6;
const P: usize = 4;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn x(i: usize, j: usize) -> f64 {
    (((3 * i + 7 * j) % 11) as f64 - 5.0) / 4.0
}

fn y() -> RawTarget {
    RawTarget::Numbers((0..N).map(|i| (i * i) as f64 / 8.0 - 1.0).collect())
}

fn dense(design: &Design) -> Vec<Vec<f64>> {
    let mut rows = vec![vec![0.0; design.n_columns()]; design.n_rows()];
    for j in 0..design.n_columns() {
        design.visit_column(j, |i, value| rows[i][j] = value);
    }
    rows
}

fn matrix(f: impl Fn(usize, usize) -> f64) -> Vec<Vec<f64>> {
    (0..N).map(|i| (0..P).map(|j| f(i, j)).collect()).collect()
}

fn read(name: &str, options: &ReadOptions) -> RawData {
    read_data(fixture(name), options).unwrap_or_else(|e| panic!("{e}"))
}

fn with_target(target: impl Into<String>) -> ReadOptions {
    ReadOptions { target: Some(target.into()), ..ReadOptions::default() }
}

#[test]
fn libsvm_agrees_with_scikit_learn_in_every_compression() {
    for suffix in ["", ".gz", ".bz2", ".xz", ".zst"] {
        let data = read(&format!("small.libsvm{suffix}"), &ReadOptions::default());
        assert_eq!(dense(&data.design), matrix(x), "{suffix}");
        assert_eq!(data.target, Some(y()), "{suffix}");
        assert_eq!(data.feature_names, FeatureNames::Counted { first: 1 });
        assert!(data.design.is_sparse());
        assert_eq!(data.design.n_stored(), 22);
    }
}

#[test]
fn single_precision_stores_the_same_exact_values() {
    let options = ReadOptions { single_precision: true, ..ReadOptions::default() };
    for (name, sparse) in
        [("small.libsvm", true), ("small_csr.npz", true), ("small_lef8.npy", false), ("small.npz", false)]
    {
        let data = read(name, &options);
        assert_eq!(dense(&data.design), matrix(x), "{name}");
        assert_eq!(matches!(data.design, Design::SparseF32(_)), sparse, "{name}");
        assert_eq!(matches!(data.design, Design::DenseF32(_)), !sparse, "{name}");
    }
}

#[test]
fn npy_agrees_with_numpy_in_every_type_and_order() {
    for name in ["small_lef8.npy", "small_lef4.npy", "small_bef4.npy", "small_fortran.npy"] {
        let data = read(name, &ReadOptions::default());
        assert_eq!(dense(&data.design), matrix(x), "{name}");
        assert_eq!(data.target, Some(y()), "{name}");
    }
    let integers = read("small_int16.npy", &with_target("none"));
    assert_eq!(dense(&integers.design), matrix(|i, j| 4.0 * x(i, j)));
    let bytes = read("small_uint8.npy", &with_target("none"));
    assert_eq!(dense(&bytes.design), matrix(|i, j| 4.0 * x(i, j) + 5.0));
}

#[test]
fn npy_target_is_any_column_or_a_file() {
    let first = read("small_lef8.npy", &with_target("1"));
    assert_eq!(first.target, Some(RawTarget::Numbers((0..N).map(|i| x(i, 0)).collect())));
    assert_eq!(dense(&first.design)[2][..3], [x(2, 1), x(2, 2), x(2, 3)]);
    assert_eq!(read("small_lef8.npy", &with_target("-1")).target, Some(y()));
    for file in ["target.npy", "target.mtx"] {
        let data = read("small_int16.npy", &with_target(fixture(file).to_string_lossy()));
        assert_eq!(data.target, Some(y()), "{file}");
        assert_eq!(data.design.n_columns(), P);
    }
    let text = read("small_int16.npy", &with_target(fixture("target_text.npy").to_string_lossy()));
    let labels = ["a", "b", "a", "b", "b", "ä"].map(String::from).to_vec();
    assert_eq!(text.target, Some(RawTarget::Text(labels)));
}

#[test]
fn npz_agrees_with_numpy() {
    for name in ["small.npz", "small_compressed.npz"] {
        let data = read(name, &ReadOptions::default());
        assert_eq!(dense(&data.design), matrix(x), "{name}");
        assert_eq!(data.target, Some(y()), "{name}");
    }
}

#[test]
fn sparse_npz_agrees_with_scipy_in_every_layout() {
    for name in ["small_csr.npz", "small_csc.npz", "small_coo.npz"] {
        let data = read(name, &with_target(fixture("target.npy").to_string_lossy()));
        assert_eq!(dense(&data.design), matrix(x), "{name}");
        assert_eq!(data.target, Some(y()), "{name}");
        assert_eq!((data.design.is_sparse(), data.design.n_stored()), (true, 22), "{name}");
    }
}

#[test]
fn matrix_market_agrees_with_scipy() {
    for (name, sparse) in [("small.mtx", true), ("small_array.mtx", false)] {
        let data = read(name, &with_target(fixture("target.mtx").to_string_lossy()));
        assert_eq!(dense(&data.design), matrix(x), "{name}");
        assert_eq!(data.target, Some(y()), "{name}");
        assert_eq!(data.design.is_sparse(), sparse, "{name}");
    }
    let symmetric = read("symmetric.mtx", &ReadOptions::default());
    assert_eq!(dense(&symmetric.design), [[2.0, -1.0, 0.0], [-1.0, 2.0, -1.0], [0.0, -1.0, 2.0]]);
    let pattern = read("pattern.mtx", &ReadOptions::default());
    assert_eq!(dense(&pattern.design), [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]);
}

#[test]
fn matrix_market_entries_at_one_place_add_up() {
    let text = b"%%MatrixMarket matrix coordinate integer general\n2 2 4\n1 1 3\n2 2 5\n1 1 4\n2 2 -5\n";
    let data = read_bytes("a.mtx", text, &ReadOptions::default()).unwrap();
    assert_eq!(dense(&data.design), [[7.0, 0.0], [0.0, 0.0]]);
    assert_eq!(data.design.n_stored(), 1);
}

#[test]
fn matrix_market_symmetric_arrays_list_the_lower_triangle() {
    let text = |kind: &str, values: &str| format!("%%MatrixMarket matrix array real {kind}\n2 2\n{values}");
    for (kind, values, expected) in [
        ("symmetric", "1\n2\n3\n", [[1.0, 2.0], [2.0, 3.0]]),
        ("skew-symmetric", "2\n", [[0.0, -2.0], [2.0, 0.0]]),
    ] {
        let data = read_bytes("a.mtx", text(kind, values).as_bytes(), &ReadOptions::default()).unwrap();
        assert_eq!(dense(&data.design), expected, "{kind}");
    }
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_agrees_with_pyarrow_in_every_codec() {
    for name in ["small_snappy.parquet", "small_zstd.parquet", "small_gzip.parquet"] {
        let data = read(name, &ReadOptions::default());
        let expected: Vec<Vec<f64>> = (0..N)
            .map(|i| {
                let flag = if x(i, 0) > 0.0 { 1.0 } else { 0.0 };
                vec![x(i, 0), x(i, 1), 4.0 * x(i, 2), 4.0 * x(i, 3), flag, 4.0 * x(i, 1) + 5.0]
            })
            .collect();
        assert_eq!(dense(&data.design), expected, "{name}");
        let labels = ["no", "yes", "no", "yes", "no", "yes"].map(String::from).to_vec();
        assert_eq!(data.target, Some(RawTarget::Text(labels)), "{name}");
        let in_memory = read_bytes("memory", &std::fs::read(fixture(name)).unwrap(), &ReadOptions::default());
        assert_eq!(in_memory.unwrap(), data);
    }
}

#[test]
fn tables_take_quotes_blanks_line_ends_and_separators() {
    let expected = vec![vec![1.0, -2.5], vec![3e-2, 4.0]];
    let labels = RawTarget::Text(vec!["yes, sir".into(), "no".into()]);
    for (name, text) in [
        ("t.csv", "a,b,c\n1,-2.5,\"yes, sir\"\n3e-2,4,no\n"),
        ("t.csv", "a,b,c\r\n1 , -2.5,\"yes, sir\"\r\n\r\n0.03,+4.0,no"),
        ("t.csv", "\u{feff}a,b,c\n1,-2.5,\"yes, sir\"\n3e-2,4,no\n"),
        ("t.csv", "a;b;c\n1;-2.5;yes, sir\n3e-2;4;no\n"),
        ("t.tsv", "a\tb\tc\n1\t-2.5\tyes, sir\n3e-2\t4\tno\n"),
        ("t", "a,b,c\n1,-2.5,\"yes, sir\"\n3e-2,4,no\n"),
        ("t.txt", "a\tb\tc\n1\t-2.5\tyes, sir\n3e-2\t4\tno\n"),
    ] {
        let data = read_bytes(name, text.as_bytes(), &ReadOptions::default())
            .unwrap_or_else(|e| panic!("{e}: {text}"));
        assert_eq!(dense(&data.design), expected, "{text}");
        assert_eq!(data.target, Some(labels.clone()), "{text}");
        assert_eq!(data.feature_names, FeatureNames::Named(vec!["a".into(), "b".into()]), "{text}");
    }
}

#[test]
fn tables_find_the_target_by_name_by_number_or_not_at_all() {
    let text = b"y,a,b\n1,2,3\n4,5,6\n";
    let target = |option: Option<&str>| {
        let options = ReadOptions { target: option.map(String::from), ..ReadOptions::default() };
        let data = read_bytes("t.csv", text, &options).unwrap();
        (data.target, data.design.n_columns())
    };
    let numbers = |v: [f64; 2]| Some(RawTarget::Numbers(v.to_vec()));
    assert_eq!(target(None), (numbers([1.0, 4.0]), 2));
    assert_eq!(target(Some("b")), (numbers([3.0, 6.0]), 2));
    assert_eq!(target(Some("2")), (numbers([2.0, 5.0]), 2));
    assert_eq!(target(Some("-1")), (numbers([3.0, 6.0]), 2));
    assert_eq!(target(Some("none")), (None, 3));
    let last = read_bytes("t.csv", b"u,v\n1,2\n", &ReadOptions::default()).unwrap();
    assert_eq!(last.target, Some(RawTarget::Numbers(vec![2.0])));
}

#[test]
fn a_second_table_is_matched_by_name() {
    let names = FeatureNames::Named(vec!["b".into(), "a".into()]);
    let options = ReadOptions { feature_names: Some(names.clone()), ..ReadOptions::default() };
    for (text, target) in [
        (&b"a,extra,b,y\n1,x,2,9\n"[..], Some(RawTarget::Numbers(vec![9.0]))),
        (b"y,a,b\n9,1,2\n", Some(RawTarget::Numbers(vec![9.0]))),
        (b"a,b\n1,2\n", None),
    ] {
        let data = read_bytes("t.csv", text, &options).unwrap();
        assert_eq!(dense(&data.design), [[2.0, 1.0]]);
        assert_eq!(data.target, target);
        assert_eq!(data.feature_names, names);
    }
}

#[test]
fn a_second_libsvm_file_is_widened() {
    let options = ReadOptions { n_features: Some(5), ..ReadOptions::default() };
    let data = read_bytes("t.svm", b"1 2:3\n", &options).unwrap();
    assert_eq!(dense(&data.design), [[0.0, 3.0, 0.0, 0.0, 0.0]]);
}

#[test]
fn libsvm_takes_comments_blanks_line_ends_and_explicit_zeros() {
    let text = b"# head\n\n+1 1:1 \t 3:0  # tail 9:9\r\n \n-1\n1e0 2:.5 4:0#x\n# end";
    let data = read_bytes("t.txt", text, &ReadOptions::default()).unwrap();
    assert_eq!(dense(&data.design), [[1.0, 0.0, 0.0, 0.0], [0.0; 4], [0.0, 0.5, 0.0, 0.0]]);
    assert_eq!(data.design.n_stored(), 2);
    assert_eq!(data.target, Some(RawTarget::Numbers(vec![1.0, -1.0, 1.0])));
}

#[test]
fn libsvm_without_labels_has_no_target() {
    let data = read_bytes("t.svm", b"1:1 2:2\n2:3\n", &ReadOptions::default()).unwrap();
    assert_eq!((data.target, data.design.n_stored()), (None, 3));
    let ignored = read_bytes("t.svm", b"7 1:1\n8 2:3\n", &with_target("none")).unwrap();
    assert_eq!(ignored.target, None);
}

#[test]
fn a_text_target_file_may_have_a_header() {
    let folder = tempfile::tempdir().unwrap();
    for (text, expected) in [
        ("1\n2\n3\n", RawTarget::Numbers(vec![1.0, 2.0, 3.0])),
        ("y\n1\n2\n\n3", RawTarget::Numbers(vec![1.0, 2.0, 3.0])),
        ("ham\r\nspam\r\nham\r\n", RawTarget::Text(["ham", "spam", "ham"].map(String::from).to_vec())),
    ] {
        let path = folder.path().join("y.txt");
        std::fs::write(&path, text).unwrap();
        let data = read_bytes("t.svm", b"0 1:1\n0 2:3\n0\n", &with_target(path.to_string_lossy())).unwrap();
        assert_eq!(data.target, Some(expected), "{text:?}");
    }
}

#[test]
fn the_format_is_told_by_name_then_by_content() {
    let detected = |name: &str, bytes: &[u8]| read_bytes(name, bytes, &ReadOptions::default()).is_ok();
    assert!(detected("heart", b"1 1:2\n"));
    assert!(detected("heart.t", b"# comment\n-1 # no features\n1 3:4\n"));
    assert!(detected("heart.data", b"a,b\n1,2\n"));
    assert!(detected("heart", &std::fs::read(fixture("small.npz")).unwrap()));
    assert!(detected("heart", &std::fs::read(fixture("small_lef8.npy")).unwrap()));
    assert!(detected("heart", &std::fs::read(fixture("small.mtx")).unwrap()));
    assert!(detected("heart", &std::fs::read(fixture("small.libsvm.xz")).unwrap()));
    let forced = ReadOptions { format: Some(Format::Csv), ..ReadOptions::default() };
    assert!(read_bytes("heart.svm", b"a,b\n1,2\n", &forced).is_ok());
}
