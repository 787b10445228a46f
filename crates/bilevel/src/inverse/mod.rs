//! Inverse problems: Tikhonov regularization and its relatives, with λ chosen from the data.

pub mod krylov;
