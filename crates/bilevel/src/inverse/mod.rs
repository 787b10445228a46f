//! Inverse problems: Tikhonov regularization and its relatives, with λ chosen from the data.

pub mod krylov;
//! Inverse problems: images and signals restored with learned regularization.

pub mod wavelet;
