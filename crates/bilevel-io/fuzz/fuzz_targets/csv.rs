//! Any bytes as a comma-separated table end in data or in a sentence.
#![no_main]

use bilevel_io::Format;

#[path = "../options.rs"]
mod options;

libfuzzer_sys::fuzz_target!(|input: &[u8]| options::read("input", input, Format::Csv));
