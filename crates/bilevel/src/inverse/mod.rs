//! Inverse problems: images, signals and simulations restored with learned regularization.

pub mod krylov;
pub mod wavelet;
