//! LIBSVM text of any spacing, size and compression gives the matrix that was written.
// a test ends with a panic; helpers of tests too
#![allow(clippy::panic, clippy::unwrap_used)]

use std::fmt::Write;
use std::io::Write as _;

use bilevel::data::RawTarget;
use bilevel::design::{Design, DesignMatrix};
use bilevel_io::{ReadOptions, read_bytes, read_data};
use proptest::prelude::*;

/// Longest stretch of text that the reader looks at in one piece.
const BLOCK: usize = 1 << 20;

type Rows = Vec<(f64, Vec<(usize, f64)>)>;

fn rows_of(design: &Design, target: &Option<RawTarget>) -> Rows {
    let Some(RawTarget::Numbers(labels)) = target else { panic!("no numeric target") };
    let mut rows: Rows = labels.iter().map(|&label| (label, Vec::new())).collect();
    for j in 0..design.n_columns() {
        design.visit_column(j, |i, value| rows[i].1.push((j + 1, value)));
    }
    rows
}

fn read(text: &[u8]) -> Rows {
    let data = read_bytes("t.svm", text, &ReadOptions::default()).unwrap_or_else(|e| panic!("{e}"));
    rows_of(&data.design, &data.target)
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        (-99_999_i32..99_999).prop_map(|v| f64::from(v) / 1000.0),
        -1e3..1e3,
        proptest::num::f64::NORMAL,
    ]
    .prop_filter("zeros are not stored", |v| *v != 0.0)
}

fn row() -> impl Strategy<Value = (f64, Vec<(usize, f64)>)> {
    (value(), proptest::collection::btree_map(1_usize..60, value(), 0..8))
        .prop_map(|(l, e)| (l, e.into_iter().collect()))
}

proptest! {
    #[test]
    fn any_sparse_matrix_survives_the_text(
        rows in proptest::collection::vec(row(), 1..20),
        spaces in proptest::collection::vec(prop_oneof![Just(" "), Just("  "), Just("\t"), Just(" \t ")], 1..9),
        ends in proptest::collection::vec(prop_oneof![Just("\n"), Just("\r\n"), Just(" \n"), Just(" # 1:1\n"), Just("\n\n"), Just("\n# c\n")], 1..7),
        last_end in any::<bool>(),
    ) {
        prop_assume!(rows.iter().any(|r| !r.1.is_empty()));
        let (mut text, mut k) = (String::new(), 0);
        for (i, (label, entries)) in rows.iter().enumerate() {
            write!(text, "{label:?}").unwrap();
            for (index, value) in entries {
                write!(text, "{}{index}:{value:?}", spaces[k % spaces.len()]).unwrap();
                k += 1;
            }
            text.push_str(ends[i % ends.len()]);
        }
        let text = if last_end { text.as_str() } else { text.trim_end() };
        prop_assert_eq!(read(text.as_bytes()), rows);
    }
}

#[test]
fn a_token_may_lie_across_the_end_of_a_block() {
    let entry = b"-1 7:-12.5e-1 9:3.25\n";
    for shift in 0..=entry.len() {
        // a comment brings the entry to every position around the end of the first block
        let mut text = vec![b'#'];
        text.resize(BLOCK - shift - 1, b'c');
        text.push(b'\n');
        text.extend_from_slice(entry);
        text.extend_from_slice(b"+1 1:1\n");
        assert_eq!(read(&text), [(-1.0, vec![(7, -1.25), (9, 3.25)]), (1.0, vec![(1, 1.0)])], "{shift}");
    }
}

#[test]
fn many_blocks_of_text_are_read_as_one() {
    // 80,000 lines, some 3.5 MB
    let expected: Rows = (0..80_000)
        .map(|i| (i as f64, (0..4).map(|k| (1 + i % 7 + 9 * k, (i * 4 + k) as f64 / 8.0 + 0.125)).collect()))
        .collect();
    let mut text = String::new();
    for (label, entries) in &expected {
        write!(text, "{label}").unwrap();
        entries.iter().for_each(|(j, v)| write!(text, " {j}:{v}").unwrap());
        text.push('\n');
    }
    assert!(text.len() > 3 * BLOCK);
    assert_eq!(read(text.as_bytes()), expected);
}

#[test]
fn a_line_of_many_megabytes_is_one_sample() {
    let mut text = String::from("1");
    for j in 1..=300_000 {
        write!(text, " {j}:0.5").unwrap();
    }
    assert!(text.len() > 3 * BLOCK);
    let rows = read(text.as_bytes());
    assert_eq!((rows.len(), rows[0].1.len()), (1, 300_000));
    assert!(rows[0].1.iter().enumerate().all(|(k, &entry)| entry == (k + 1, 0.5)));
}

#[test]
fn a_comment_may_be_longer_than_a_block() {
    let text = [b"1 1:1 #".to_vec(), vec![b'x'; 3 * BLOCK], b"\n2 1:2\n".to_vec()].concat();
    assert_eq!(read(&text), [(1.0, vec![(1, 1.0)]), (2.0, vec![(1, 2.0)])]);
}

#[test]
fn a_gzip_file_may_have_many_members() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.svm.gz");
    let mut file = std::fs::File::create(&path).unwrap();
    for i in 1..=50 {
        let mut member = flate2::write::GzEncoder::new(&mut file, flate2::Compression::fast());
        writeln!(member, "{i} 1:{i}").unwrap();
        member.finish().unwrap();
    }
    let data = read_data(&path, &ReadOptions::default()).unwrap();
    let expected: Rows = (1..=50).map(|i| (f64::from(i), vec![(1, f64::from(i))])).collect();
    assert_eq!(rows_of(&data.design, &data.target), expected);
}
