//! `bilevel demo`: the main job on an embedded data set.

use bilevel::fit::FitSettings;

use super::fit::{Plan, execute};
use crate::args::DemoArgs;
use crate::load::{LoadOptions, Source};

/// Share of the samples that the demonstration keeps for the test.
const TEST_FRACTION: f64 = 0.25;

pub fn run(args: DemoArgs) -> anyhow::Result<u8> {
    let load = LoadOptions {
        data: Source::Embedded(args.name),
        target: None,
        positive: None,
        groups: None,
        validation: None,
        test: None,
    };
    let settings = FitSettings {
        test_fraction: Some(TEST_FRACTION),
        seed: args.seed,
        threads: args.threads.threads,
        ..FitSettings::default()
    };
    execute(Plan { load, settings, output: Some(args.output), say: args.say, resumed: None })
}
