//! Any bytes as a compressed stream end in data or in a sentence; the first byte chooses the compression.
#![no_main]

use bilevel_io::Format;

#[path = "../options.rs"]
mod options;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((&choice, input)) = input.split_first() else { return };
    let name = ["input.gz", "input.bz2", "input.xz", "input.zst", "input"][usize::from(choice) % 5];
    options::read(name, input, Format::Libsvm);
});
