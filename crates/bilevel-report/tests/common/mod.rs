//! What the tests of the report share.

pub mod fits;
