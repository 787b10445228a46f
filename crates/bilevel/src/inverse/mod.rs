//! Inverse problems: images, signals and simulations restored with learned regularization.

pub mod krylov;
pub mod wavelet;
//! Inverse problems: x*(λ) = argmin ½‖Ax − b‖² + Σ_k (λ_k/2)‖L_k x‖², where A blurs, projects, samples or simulates, and the choice of λ.

pub mod choice;
pub mod problems;
pub mod tikhonov;
