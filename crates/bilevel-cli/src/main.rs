//! The `bilevel` command.
fn main() {}
