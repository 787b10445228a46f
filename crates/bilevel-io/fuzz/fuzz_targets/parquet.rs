//! Any bytes as a Parquet file end in data or in a sentence.
//!
//! A panic inside the decoder of a damaged file is caught by the reader and is no finding; so the fuzzer's hook, which would abort at once, is
//! taken out. A panic that escapes the reader still ends the run.
#![no_main]

use std::sync::Once;

use bilevel_io::Format;

#[path = "../options.rs"]
mod options;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    options::read("input", input, Format::Parquet);
});
