//! What all targets share: the first byte of the input chooses the options, the rest is the file.

use bilevel_io::{Format, ReadOptions};

/// Reads `input` and checks that what comes back is consistent, or is a sentence that begins with the file.
pub fn read(name: &str, input: &[u8], format: Format) {
    let Some((&choice, bytes)) = input.split_first() else { return };
    let options = ReadOptions {
        format: Some(format),
        single_precision: choice & 1 != 0,
        require_target: choice & 2 != 0,
        n_features: (choice & 4 != 0).then_some(3),
        target: match choice >> 3 & 3 {
            1 => Some("none".into()),
            2 => Some("1".into()),
            _ => None,
        },
        feature_names: None,
    };
    match bilevel_io::read_bytes(name, bytes, &options) {
        Ok(data) => {
            use bilevel::design::DesignMatrix;
            let (n, p) = (data.design.n_rows(), data.design.n_columns());
            assert!(n > 0 && p > 0);
            assert!(data.target.is_none_or(|t| t.len() == n));
            assert!(options.n_features.is_none_or(|width| width == p));
        }
        Err(error) => assert!(error.to_string().starts_with(name), "{error}"),
    }
}
