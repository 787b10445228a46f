//! Any bytes as a file of groups end in groups or in a sentence.
#![no_main]

use bilevel::data::FeatureNames;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let names = FeatureNames::Named(["age", "pressure", "weight"].map(String::from).to_vec());
    match bilevel_io::read_groups_bytes("input", input, &names, 3) {
        Ok(groups) => assert!(groups.len() == 3 && groups[0] == 0),
        Err(error) => assert!(error.to_string().starts_with("input: ")),
    }
});
